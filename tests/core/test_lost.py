"""The list of callers whom nobody answered: the same calls as the counts, and nothing that tells who."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.events import Caller
from queue_monitor.model import Level, LostCall, Outcome
from tests.scenario import TEN, Scenario
from tests.test_real_day import applied, events_of

BEFORE_OPENING = datetime(2026, 11, 23, 6, 50, tzinfo=UTC)
"""Monday 7.50 in Luleå; it opens at 8.00."""


def lost(story: Scenario, minutes: int = 60, queue: str | None = None) -> list[LostCall]:
    return HeldCalls(story.live).lost_calls(story.start, story.start + timedelta(minutes=minutes), queue)


def test_short_and_long_and_refused_stand_apart_in_the_order_of_entry():
    story = Scenario().entered(0, "anna").left(19.999, "anna").entered(30, "bo").left(50, "bo")
    story.entered(60, "cia").left(360.001, "cia").refused(61, "david", "full").entered(62, "eva").answered(70, "eva")
    story.entered(80, "fia").left(90, "fia", "timeout").entered(95, "gun")

    assert [(call.counted_as, call.wait_seconds, call.is_short, call.is_late) for call in lost(story)] == [
        ("abandoned_short", 19.999, True, False),
        ("abandoned_in_time", 20.0, False, False),
        ("abandoned_late", 300.001, False, True),
        ("refused_full", None, False, False),
        ("timeout", 10.0, False, False),
    ]


def test_a_call_from_before_opening_is_judged_from_opening_and_stands_there():
    story = Scenario(BEFORE_OPENING).entered(0, "anna").left(900, "anna").entered(10, "bo").left(100, "bo")
    opening = BEFORE_OPENING + timedelta(minutes=10)

    (early,) = HeldCalls(story.live).lost_calls(opening, opening + timedelta(hours=1))
    (closed,) = HeldCalls(story.live).lost_calls(BEFORE_OPENING, opening)

    assert (early.early, early.in_opening_hours, early.wait_seconds) == (True, True, 300.0)
    assert early.entered_at == BEFORE_OPENING
    assert (closed.early, closed.in_opening_hours, closed.wait_seconds) == (False, False, 90.0)


def test_a_caller_lost_in_a_second_queue_is_listed_once_under_the_first():
    story = Scenario().entered(0, "anna", "bygglov").left(60, "anna", "overflow", "bygglov")
    story.entered(60.2, "anna").left(100, "anna")

    (call,) = lost(story)

    assert (call.queue, call.last_queue, call.wait_seconds) == ("bygglov", "kundcenter", 99.8)
    assert lost(story, queue="BYGGLOV") == [call]
    assert lost(story, queue="kundcenter") == []


def test_whom_the_monitor_lost_track_of_is_not_called_lost():
    story = Scenario().connected(0).entered(1, "anna").snapshot(30)

    assert story.contact("anna").outcome is Outcome.UNKNOWN
    assert lost(story) == []


def test_lost_but_reached_later_is_known_where_the_switch_tells_callers_apart():
    story = Scenario()
    for at, who, person in ((0, "1", "a"), (100, "2", "b"), (200, "3", None)):
        story.entered(at, who, caller=Caller(pseudonym=person)).left(at + 50, who)
    story.entered(300, "4", caller=Caller(pseudonym="a")).answered(310, "4")

    assert [call.reached_later for call in lost(story)] == [True, False, None]


def test_being_answered_before_is_not_being_reached_later():
    story = Scenario().entered(0, "1", caller=Caller(pseudonym="a")).answered(10, "1")
    story.entered(300, "2", caller=Caller(pseudonym="a")).left(350, "2")

    assert [call.reached_later for call in lost(story)] == [False]


def test_nothing_in_a_line_tells_who():
    story = Scenario().entered(0, "0920453000", caller=Caller(pseudonym="9f2c")).left(50, "0920453000")

    body = msgspec.json.encode(lost(story)).decode()

    assert "0920453000" not in body
    assert "9f2c" not in body


def test_an_unknown_queue_and_a_stretch_that_ends_before_it_begins_are_refused_in_words():
    story = Scenario().entered(0, "anna")

    with pytest.raises(ValueError, match="'bygg' is not known; known are kundcenter"):
        lost(story, queue="bygg")
    with pytest.raises(ValueError, match="after from"):
        HeldCalls(story.live).lost_calls(TEN, TEN)


@pytest.mark.parametrize("limit", [15, 300])
def test_over_a_real_day_the_list_holds_exactly_the_calls_that_are_counted_as_lost(limit: int):
    events = events_of("asterisk_ami", "asterisk_queuelog")
    live = applied(events, Scenario(limit_seconds=limit, short_abandon_seconds=5).rules)
    now = max(event.at for event in events)
    start, end = now - timedelta(days=1), now + timedelta(days=1)

    counted: Counter[str] = Counter()
    for hour in HeldCalls(live).intervals(now, start, end, "hour", Level.CONTACT, None):
        lines = Counter(call.counted_as for call in HeldCalls(live).lost_calls(hour.start, hour.end))
        counts = hour.counts + hour.outside_hours
        assert lines == {name: getattr(counts, name) for name in lines}
        assert lines.total() == counts.abandoned + counts.left_otherwise + counts.excluded + counts.refused
        counted += lines

    assert counted.total() > 50
