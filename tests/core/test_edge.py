"""Days before the edge: memory holds two sums of them, and every figure of today, the month and the tertial is the same
as if it held every call.
"""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core import queue_coverage
from queue_monitor.core.calendar import Calendar, day_bounds, month_start, tertial_start
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import Live
from queue_monitor.core.series import Base
from queue_monitor.core.windows import NotHeld, Windows
from queue_monitor.model import Counts, Coverage, CoverageRecord, Level, Placement
from tests.core import recount
from tests.examples import examples
from tests.scenario import STOCKHOLM, TEN, Scenario

WAYS = ("answered", "abandoned", "timeout", "exit_key", "refused", "waits")
DAY = timedelta(days=1)


def some_days(chance: random.Random, first: date, days: int) -> Scenario:
    """A few callers on each of some days, in opening hours and outside them, in two queues."""
    midnight = day_bounds(first, STOCKHOLM)[0]
    story = Scenario(start=midnight)
    for number in range(days * 4):
        at = number // 4 * 86_400 + chance.choice((30, 25_000, 28_700, 36_000, 61_000, 85_000)) + number % 4
        tell_one(story, chance, at, f"c{number}")
    return story


def tell_one(story: Scenario, chance: random.Random, at: float, who: str) -> None:
    way, queue = chance.choice(WAYS), chance.choice(("kundcenter", "bygglov"))
    wait = chance.choice((1.5, 19.9, 120.25, 300, 300.001, 700))
    if way == "refused":
        story.refused(at, who, queue=queue)
        return
    story.entered(at, who, queue)
    if way == "answered":
        story.answered(at + wait, who, queue)
    elif way != "waits":
        story.left(at + wait, who, way, queue)


def restarted(story: Scenario, edge: date) -> Live:
    """The same state after a start that reads from the store: sums of the days before the edge, calls from it on."""
    found = list(recount.placements(story.live))
    rows = recount.sums_by_day(p for p in found if recount.day_of(p) < edge)
    live = Live(story.rules)
    bases = [
        Base.of(start, [row for row in rows if row.start >= day_bounds(start, STOCKHOLM)[0]])
        for start in (month_start(edge), tertial_start(edge))
    ]
    live.windows.rebase(edge, *bases)
    live.windows.load_minutes(recount.minutes(found))
    return live


def assert_right(windows: Windows, found: list[Placement], today: date) -> None:
    """Day, month and tertial of a moment are those of a plain recount of all calls."""
    for queues in (None, ("kundcenter",), ("bygglov", "kundcenter")):
        keys = {p.queue for p in found} if queues is None else set(queues)
        for first in (today, month_start(today), tertial_start(today)):
            start, end = day_bounds(first, STOCKHOLM)[0], day_bounds(today, STOCKHOLM)[1]
            its = [
                p for p in found if p.level is Level.CONTACT and p.queue in keys and first <= recount.day_of(p) <= today
            ]
            for inside in (True, False):
                right = recount.counted(p for p in its if p.inside is inside)
                assert windows.counts(Level.CONTACT, queues, start, end, inside) == right
            waits = recount.waited(p for p in its if p.inside)
            assert recount.is_within_one_percent(windows.waits(Level.CONTACT, queues, start, end), waits)


@examples(60, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(0, 5))
def test_after_a_start_every_figure_is_as_if_all_calls_were_held(chance: random.Random, edge_day: int):
    first = chance.choice((date(2026, 11, 24), date(2026, 10, 23), date(2026, 8, 29), date(2026, 12, 29)))
    story = some_days(chance, first, 6)
    live = restarted(story, first + edge_day * DAY)

    assert_right(live.windows, list(recount.placements(story.live)), first + 5 * DAY)


@examples(60, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_when_the_edge_moves_days_go_into_the_sums_and_no_figure_changes(chance: random.Random):
    first = chance.choice((date(2026, 11, 24), date(2026, 10, 23), date(2026, 8, 29), date(2026, 12, 29)))
    story = some_days(chance, first, 6)
    found = list(recount.placements(story.live))
    moved = sorted(chance.sample(range(6), 3))
    for days in moved:
        story.live.windows.advance(first + days * DAY)

    assert_right(story.live.windows, found, first + 5 * DAY)
    assert story.live.windows.edge == day_bounds(first + moved[-1] * DAY, STOCKHOLM)[0]


@examples(60, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_a_late_word_about_a_day_before_the_edge_changes_the_sums_of_its_month(chance: random.Random):
    first = date(2026, 11, 23)
    story = Scenario(start=day_bounds(first, STOCKHOLM)[0])
    story.entered(36_000, "anna").left(36_400, "anna", "unknown").entered(36_010, "bo").answered(36_030, "bo")
    story.entered(36_020, "eva").answered(36_020 + chance.choice((10, 500)), "eva")
    story.live.windows.advance(first + 2 * DAY)
    for change in chance.sample(range(3), 3):
        if change == 0:
            story.answered(36_350, "anna")
        elif change == 1:
            story.answered(36_021 + chance.choice((1, 700)), "eva", agent_id="luleå:agent 2")
        else:
            story.entered(37_000, "late").answered(37_000 + chance.choice((5, 900)), "late")
        found = list(recount.placements(story.live))
        month = story.day(5 * 86_400).counts, story.live.snapshot(story.at(5 * 86_400)).total.periods["month"]

        assert month[0] == Counts()
        assert month[1].counts == recount.counted(p for p in found if p.level is Level.CONTACT)
        waits = recount.waited(p for p in found if p.level is Level.CONTACT)
        assert (month[1].waits.answered, round(sum(waits) / len(waits) / 1000, 6)) == (
            len(waits),
            round(month[1].waits.mean_seconds or 0, 6),
        )
        assert month[1].waits.max_seconds == pytest.approx(waits[-1] / 1000, rel=0.01)


def test_a_stretch_that_begins_before_the_edge_and_fits_no_sum_is_refused():
    story = Scenario().entered(0, "anna").answered(9, "anna").entered(3 * 86_400, "bo").answered(3 * 86_400 + 9, "bo")
    windows = story.live.windows
    windows.advance(date(2026, 11, 26))
    start = {day: day_bounds(date(2026, 11, day), STOCKHOLM)[0] for day in (1, 24, 25, 26, 27)}
    hour = timedelta(hours=1)

    for low, high in ((start[24], start[27]), (start[26] - hour, start[26] + hour), (start[1], start[25])):
        with pytest.raises(NotHeld):
            windows.counts(Level.CONTACT, None, low, high)
        with pytest.raises(NotHeld):
            windows.waits(Level.CONTACT, ("kundcenter",), low, high)
    with pytest.raises(NotHeld):
        windows.counts(Level.VISIT, None, start[1], start[27])
    with pytest.raises(LookupError, match="held by the minute from 2026-11-25 23:00"):
        HeldCalls(story.live).intervals(start[27], start[24], start[27], "day", Level.CONTACT, None)
    assert windows.counts(Level.CONTACT, None, start[1], start[26]).entered == 1
    assert windows.counts(Level.VISIT, None, start[26], start[27]).entered == 1


def test_sums_of_another_month_are_refused():
    with pytest.raises(ValueError, match="not of the month and tertial of 2026-11-26"):
        Scenario().live.windows.rebase(date(2026, 11, 26), Base(date(2026, 10, 1)), Base(date(2026, 9, 1)))


def test_calls_added_up_by_minute_are_counted_as_calls_that_came_one_by_one():
    story = some_days(random.Random(3), date(2026, 11, 23), 2)
    windows = Live(story.rules).windows
    windows.load_minutes(recount.minutes(recount.placements(story.live)))
    start = day_bounds(date(2026, 11, 23), STOCKHOLM)[0]

    for level in Level:
        for hour in range(48):
            low, high = start + timedelta(hours=hour), start + timedelta(hours=hour + 1)
            for queues in (None, ("kundcenter",)):
                live = story.live.windows
                assert windows.waits(level, queues, low, high) == live.waits(level, queues, low, high)
                for inside in (True, False):
                    stretch = (level, queues, low, high, inside)
                    assert windows.counts(*stretch) == live.counts(*stretch)


def test_a_call_loaded_at_a_start_can_be_taken_out_again_by_a_late_word():
    story = Scenario().entered(0, "anna").left(400, "anna", "unknown").entered(10, "bo").answered(30, "bo")
    windows = Live(story.rules).windows
    windows.load_minutes(recount.minutes(recount.placements(story.live)))
    before = story.live.ledger.history("luleå:anna")
    story.answered(350, "anna")
    after = story.live.ledger.history("luleå:anna")
    assert before is not None
    windows.adopt("luleå:anna", before)
    windows.change("luleå:anna", after)
    start, end = day_bounds(date(2026, 11, 23), STOCKHOLM)

    assert windows.counts(Level.CONTACT, None, start, end) == story.counts(500)
    assert windows.waits(Level.CONTACT, None, start, end).max_seconds == 350


def test_all_time_counters_go_on_from_what_was_loaded():
    story = Scenario()
    story.live.windows.load_totals({"Kundcenter": Counts(answered_in_time=40, by_overflow=2)})
    story.entered(0, "anna").answered(10, "anna")

    assert story.live.windows.totals() == {"Kundcenter": Counts(answered_in_time=41, by_overflow=2)}


def test_when_the_longest_wait_is_taken_out_the_next_one_is_the_longest():
    story = Scenario().entered(0, "anna").answered(90, "anna").entered(5, "bo").answered(30, "bo")
    assert story.day(200).waits.max_seconds == 90
    story.answered(40, "anna")

    assert (story.day(200).waits.max_seconds, story.day(200).waits.answered) == (40, 2)


def test_waits_of_an_hour_that_has_melted_are_still_known():
    story = Scenario().entered(0, "anna").answered(90, "anna").entered(5, "bo").answered(30, "bo")
    story.live.evict_old(TEN + 3 * DAY)

    hour = story.live.windows.waits(Level.CONTACT, None, TEN, TEN + timedelta(hours=1))

    assert (hour.answered, hour.max_seconds, hour.mean_seconds) == (2, 90, 57.5)


# ---- how the days were observed


def test_a_month_is_covered_as_its_days_were_saved_and_as_today_goes():
    story = Scenario().connected(-7200).entered(0, "anna").answered(10, "anna")
    saved = story.live.coverage_records(date(2026, 11, 23), story.at(86_400))
    later = Live(story.rules)
    later.windows.rebase(date(2026, 11, 24), Base(date(2026, 11, 1)), Base(date(2026, 9, 1)))
    later.load_coverage(saved)
    later.apply(Scenario(start=TEN + DAY).connected(-7200).events[0])
    now = TEN + DAY

    month = later.coverage(("kundcenter",), *month_of(now), now)

    assert [record.queue for record in saved] == ["kundcenter"]
    assert saved[0].coverage == Coverage(seen_minutes=9 * 60)
    assert (month.seen_minutes, month.recovered_minutes) == (9 * 60 + 2 * 60, 0)
    assert month.blind_minutes == 15 * 9 * 60  # the weekdays before Monday the 23rd, of which nothing was saved
    assert later.queues() == ["kundcenter"]


def test_queues_that_are_new_today_share_one_sum_of_the_days_before(monkeypatch: pytest.MonkeyPatch):
    story = Scenario().connected(-3_600)
    story.live.windows.rebase(date(2026, 11, 23), Base(date(2026, 11, 1)), Base(date(2026, 9, 1)))
    asked: list[date] = []

    def noting(calendar: Calendar, day: date) -> int:
        asked.append(day)
        return 540

    monkeypatch.setattr(queue_coverage, "open_minutes_of", noting)

    for number in range(20):
        story.entered(number, f"c{number}", f"queue {number}")
        story.live.snapshot(story.at(number))

    assert len(asked) == len(set(asked)) == (date(2026, 11, 23) - date(2026, 9, 1)).days


def test_coverage_that_is_loaded_later_is_in_the_next_snapshot():
    story = Scenario().connected(-3_600).entered(0, "anna").answered(60, "anna")
    story.live.windows.rebase(date(2026, 11, 24), Base(date(2026, 11, 1)), Base(date(2026, 9, 1)))
    now = story.at(600)

    def month() -> Coverage:
        (queue,) = story.live.snapshot(now).queues
        return queue.periods["month"].coverage

    before = month()
    story.live.load_coverage(
        [CoverageRecord(queue="kundcenter", day=date(2026, 11, 23), coverage=Coverage(seen_minutes=500))]
    )

    assert month() == before.plus(Coverage(seen_minutes=500, blind_minutes=-500))


def test_a_day_is_saved_as_far_as_it_has_gone():
    story = Scenario().connected(-7200).entered(0, "anna")

    (record,) = story.live.coverage_records(date(2026, 11, 23), story.at(600))

    assert record == CoverageRecord(
        queue="kundcenter", day=date(2026, 11, 23), coverage=Coverage(seen_minutes=130, blind_minutes=0)
    )


def month_of(now: datetime) -> tuple[datetime, datetime]:
    start = datetime(now.year, now.month, 1, tzinfo=STOCKHOLM).astimezone(UTC)
    return start, now + DAY
