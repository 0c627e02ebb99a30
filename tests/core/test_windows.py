"""Counting: whole numbers by minute of entry, percentiles within 1 %, corrections, local days."""

import random
from datetime import UTC, datetime, timedelta

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.windows import exact_figures
from queue_monitor.model import Level, TalkSums
from tests.scenario import TEN, Scenario


def answered_after(*waits: float, start: datetime = TEN) -> Scenario:
    """Callers who enter 10 s apart and are answered after these waits, seconds."""
    story = Scenario(start=start)
    for number, wait in enumerate(waits):
        story.entered(number * 10, f"c{number}").answered(number * 10 + wait, f"c{number}")
    return story


def test_the_limit_is_judged_by_whole_milliseconds_never_by_a_bucket():
    story = answered_after(299.999, 300.0, 300.001, 300.9)
    counts = story.counts(2000)

    assert (counts.answered_in_time, counts.answered_late) == (2, 2)


def test_percentiles_of_a_day_are_within_one_percent_of_the_exact_ones():
    chance = random.Random(5)
    waits = [round(chance.lognormvariate(4, 1), 3) for _ in range(900)]
    day = answered_after(*waits).day(20_000).waits
    exact = exact_figures([round(wait * 1000) for wait in waits])

    for name in ("p50_seconds", "p90_seconds", "p99_seconds"):
        found, right = getattr(day, name), getattr(exact, name)
        assert abs(found - right) <= 0.01 * right
    assert (day.max_seconds, day.answered, day.over_10_min_ratio) == (
        exact.max_seconds,
        900,
        exact.over_10_min_ratio,
    )
    assert day.mean_seconds is not None
    assert exact.mean_seconds is not None
    assert abs(day.mean_seconds - exact.mean_seconds) < 1e-9


def test_rolling_windows_forget_what_entered_before_them():
    story = answered_after(5).entered(1200, "late").answered(1210, "late")
    periods = story.live.snapshot(story.at(1260)).total.periods

    assert [periods[name].counts.answered for name in ("15min", "30min", "60min", "day")] == [1, 2, 2, 2]


def test_a_corrected_wait_is_taken_out_of_counts_and_histogram():
    story = Scenario().entered(0, "anna").left(400, "anna", "unknown").entered(10, "bo").answered(30, "bo")
    story.answered(350, "anna")
    day = story.day(500)

    assert (day.counts.unknown, day.counts.answered_late) == (0, 1)
    assert (day.waits.answered, day.waits.max_seconds) == (2, 350)


def test_letting_go_of_old_calls_changes_no_figure():
    story = answered_after(10, 200, 310, 700).entered(60, "x").left(90, "x").refused(95, "y")
    start, end = story.at(-36_000), story.at(36_000)
    later = story.at(3 * 86_400)
    before = [HeldCalls(story.live).intervals(later, start, end, step, Level.CONTACT, None) for step in ("hour", "day")]

    gone = story.live.evict_old(later)
    after = [HeldCalls(story.live).intervals(later, start, end, step, Level.CONTACT, None) for step in ("hour", "day")]

    assert len(gone) == 5
    assert list(story.live.ledger.visits()) == []
    assert [[(p.counts, p.waits.max_seconds) for p in step] for step in after] == [
        [(p.counts, p.waits.max_seconds) for p in step] for step in before
    ]


def test_the_repeated_hour_of_autumn_is_two_hours_and_the_day_has_twenty_five():
    story = answered_after(5, start=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    story.entered(3600, "second").answered(3605, "second")
    start, end = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    hours = HeldCalls(story.live).intervals(end, start, end, "hour", Level.CONTACT, None)
    days = HeldCalls(story.live).intervals(end, start, end, "day", Level.CONTACT, None)

    assert len(hours) == 25
    assert [p.start.hour for p in hours if p.outside_hours.answered] == [0, 1]
    assert [p.outside_hours.answered for p in days] == [2]


def test_the_missing_hour_of_spring_leaves_a_day_of_twenty_three():
    story = answered_after(5, start=datetime(2027, 3, 28, 0, 30, tzinfo=UTC))
    story.entered(3600, "after").answered(3605, "after")
    start, end = datetime(2027, 3, 27, 23, tzinfo=UTC), datetime(2027, 3, 28, 22, tzinfo=UTC)
    hours = HeldCalls(story.live).intervals(end, start, end, "hour", Level.CONTACT, None)

    assert len(hours) == 23
    assert sum(period.outside_hours.answered for period in hours) == 2


def test_every_figure_of_an_empty_stretch_is_no_figure():
    period = HeldCalls(Scenario().live).intervals(TEN, TEN, TEN + timedelta(hours=1), "hour", Level.CONTACT, None)[0]

    assert (period.headline, period.floor, period.ceiling, period.waits.p90_seconds) == (None, None, None, None)
    assert set(period.service_level.values()) == {None}


def test_shares_of_longer_stretches_are_of_calls_never_of_shares():
    story = answered_after(*([10] * 9), 400)
    story.entered(4000, "lone").answered(4400, "lone")
    start = story.at(0)
    hours = HeldCalls(story.live).intervals(
        story.at(7200), start, start + timedelta(hours=2), "hour", Level.CONTACT, None
    )
    day = story.day(7200)

    assert [period.headline for period in hours] == [0.9, 0.0]
    assert day.headline == 9 / 11


def test_why_a_stay_began_is_counted_beside():
    story = Scenario().entered(0, "anna", "bygglov").left(60, "anna", "overflow", "bygglov")
    story.entered(60.2, "anna").answered(100, "anna").completed(400, "anna")

    visits = story.counts(500, level=Level.VISIT)

    assert (visits.entered, visits.by_overflow, visits.entered_directly) == (2, 1, 1)
    assert story.counts(500, "kundcenter", Level.VISIT).by_overflow == 1
    assert story.live.windows.totals()["kundcenter"].by_overflow == 1


def test_talks_are_added_up_when_they_end_and_once():
    story = Scenario().entered(0, "anna").answered(10, "anna").entered(0, "bo").answered(20, "bo")
    story.completed(70.5, "anna")
    story.add(story.events[-1])

    assert story.live.windows.talks() == {"kundcenter": TalkSums(calls=1, seconds=60.5)}
