"""One snapshot after the other: what is remembered of the last never makes a figure differ from a plain recount."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from queue_monitor.core.calendar import Calendar
from queue_monitor.core.live import Live
from queue_monitor.core.series import minute_after, minute_of
from queue_monitor.core.service_level import judge
from queue_monitor.events import Event
from queue_monitor.model import Counts, Level, Outcome, Placement, QueueNow, Snapshot
from tests.core import recount
from tests.examples import examples
from tests.scenario import TEN, Scenario

QUEUES = ("kundcenter", "bygglov", "Växel", "skatt")
WAYS = ("answered", "answered", "answered", "abandoned", "timeout", "overflow", "refused", "waits")


def a_morning(chance: random.Random) -> Scenario:
    """Callers in four queues about opening time, or later; agents in some of them; now and then no connection."""
    opens = chance.choice((-7_300, 0, 3_000))
    story = Scenario().connected(opens - chance.choice((60, 4_000)))
    for number in range(chance.randrange(5)):
        state = chance.choice(("available", "busy", "paused", "ringing", "unknown"))
        story.agent(opens + number, f"a{number}", state, *chance.sample(QUEUES, chance.randrange(3)))
    told: list[tuple[float, Callable[..., Scenario], tuple[str, ...]]] = []
    for number in range(chance.randrange(4, 30)):
        who, queue, way = f"c{number}", chance.choice(QUEUES), chance.choice(WAYS)
        at = opens + chance.choice((chance.uniform(0, 300), chance.uniform(0, 5_000)))
        ends = at + chance.choice((1.5, 19.999, 60, 299.9, 300, 300.001, 900))
        if way == "refused":
            told.append((at, story.refused, (who, "full", queue)))
            continue
        told.append((at, story.entered, (who, queue)))
        if way == "answered":
            told += [(ends, story.answered, (who, queue)), (ends + 30, story.completed, (who, queue))]
        elif way == "overflow":
            told += [(ends, story.left, (who, way, queue)), (ends + 0.2, story.entered, (who, "skatt"))]
        elif way != "waits":
            told.append((ends, story.left, (who, way, queue)))
    if chance.random() < 0.3:
        told.append((opens + chance.uniform(0, 3_000), story.disconnected, ()))
    told.sort(key=lambda one: one[0])
    if chance.random() < 0.3:
        chance.shuffle(told)
    for at, verb, words in told:
        verb(at, *words)
    return story


def waiting_now(live: Live, now: datetime) -> list[Placement]:
    """Where those count who wait, at both levels; in a silence with the wait up to it (tests/core/test_silence.py)."""
    found = []
    for contact, visit in live.ledger.waiting():
        until = live.unheard([visit], now).get(visit.visit_id, now)
        placed = [live.windows.place_visit(visit, until)]
        if contact.outcome is Outcome.WAITING:
            placed.append(live.windows.place_contact(contact, until))
        for judged in filter(None, placed):
            field = judge(Outcome.WAITING, judged.wait_ms, live.windows.target_at(judged.place.minute))
            found.append(Placement(*judged.place, field, judged.early))
    return found


def assert_counted_right(face: QueueNow, found: list[Placement], queues: set[str] | None) -> None:
    """Every period's counts and waits are those of a look at every single call."""
    for period in (*face.periods.values(), face.visits_today):
        low, high = minute_of(period.start), minute_after(period.end)
        its = [
            p
            for p in found
            if p.level is period.level and low <= p.minute < high and (queues is None or p.queue.casefold() in queues)
        ]
        assert period.counts == recount.counted(p for p in its if p.inside)
        assert period.outside_hours == recount.counted(p for p in its if not p.inside)
        assert recount.is_within_one_percent(period.waits, recount.waited(p for p in its if p.inside))


def looks_at(story: Scenario, chance: random.Random) -> dict[str, datetime]:
    """After which events of a story somebody looks, by their ids, and when exactly."""
    looks = [*chance.sample(story.events, min(4, len(story.events))), story.events[-1]]
    seconds = (0, 0.5, 20, 61, 400, 4_000)
    return {event.id: event.at + timedelta(seconds=chance.choice(seconds)) for event in looks}


@examples(15, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_every_snapshot_of_many_is_a_plain_recount_of_all_calls(chance: random.Random):
    story = a_morning(chance)
    live = Live(story.rules)
    looks = looks_at(story, chance)
    for event in story.events:
        live.apply(event)
        if event.id not in looks:
            continue
        now = looks[event.id]
        found = [*recount.placements(live), *waiting_now(live, now)]
        snapshot = live.snapshot(now)

        assert_counted_right(snapshot.total, found, None)
        for face in (*snapshot.queues, *snapshot.pools):
            assert_counted_right(face, found, {queue.casefold() for queue in face.queues})
        for bar in snapshot.today:
            low = minute_of(bar.start)
            its = (p for p in found if p.level is Level.CONTACT and p.inside and low <= p.minute < low + 15)
            assert bar.counts == recount.counted(its)


@examples(15, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_what_is_remembered_of_earlier_snapshots_changes_nothing(chance: random.Random):
    story = a_morning(chance)
    live = Live(story.rules)
    looks = looks_at(story, chance)
    applied, now = list[Event](), TEN - timedelta(days=1)
    for event in story.events:
        live.apply(event)
        applied.append(event)
        if event.id in looks:
            now = max(now, looks[event.id])
            assert shown(live, now) == shown(fresh(applied, story), now)


def test_a_source_lost_within_the_minute_lowers_the_floor_at_once():
    story = Scenario().connected(-3600)
    for number in range(3):
        story.entered(number, f"c{number}").answered(number + 20, f"c{number}")
    before = story.live.snapshot(story.at(1_000))
    story.disconnected(1_001)
    now = story.at(1_015)

    assert shown(story.live, now) == shown(fresh(story.events, story), now)
    assert (story.live.snapshot(now).total.periods["day"].floor or 0) < (before.total.periods["day"].floor or 0)


def fresh(events: list[Event], story: Scenario) -> Live:
    """A state that nobody has looked at before."""
    live = Live(story.rules)
    for event in events:
        live.apply(event)
    return live


def shown(live: Live, now: datetime) -> Snapshot:
    """A snapshot without what is looked for every five minutes only."""
    return structs.replace(live.snapshot(now), hours_disagreements=())


def test_a_snapshot_in_pieces_is_the_same_and_has_many():
    story = Scenario().connected(-3600)
    for number in range(80):
        story.entered(number, f"c{number}", f"queue {number}")
        if number % 2:
            story.answered(number + 20, f"c{number}", f"queue {number}")
    now = story.at(500)
    working, pauses = Live.snapshot_in_pieces(story.live, now), 0
    while True:
        try:
            next(working)
        except StopIteration as done:
            in_pieces = done.value
            break
        pauses += 1

    assert in_pieces == story.live.snapshot(now)
    assert pauses > 80 / 4


def test_a_call_that_the_switch_closed_out_while_the_calendar_is_open_is_a_doubt():
    story = Scenario().entered(0, "anna").left(60, "anna", "closed")

    (found,) = story.live.snapshot(story.at(400)).hours_disagreements

    assert (found.queue, found.calls, found.doubt.value) == ("kundcenter", 1, "refused_while_open")


def test_a_late_word_changes_the_bar_of_its_own_quarter():
    story = Scenario().entered(0, "anna").left(100, "anna", "unknown").entered(2_000, "bo").answered(2_010, "bo")
    before = story.live.snapshot(story.at(3_000)).today
    story.answered(90, "anna")
    after = story.live.snapshot(story.at(3_000)).today

    changed = [(old.start, new.counts) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [(TEN, Counts(answered_in_time=1))]


def test_a_source_that_comes_and_goes_all_day_makes_no_snapshot_ask_the_calendar_for_each_gap(
    monkeypatch: pytest.MonkeyPatch,
):
    def asked(flaps: int) -> int:
        story, number, spans = Scenario().connected(0).entered(1, "anna").answered(2, "anna"), 0, Calendar.spans
        for flap in range(flaps):
            story.disconnected(10 + 10 * flap).connected(15 + 10 * flap)

        def counted(calendar: Calendar, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
            nonlocal number
            number += 1
            return spans(calendar, start, end)

        with monkeypatch.context() as patch:
            patch.setattr(Calendar, "spans", counted)
            story.live.snapshot(story.at(20 + 10 * flaps))
        return number

    assert asked(500) <= asked(50)
