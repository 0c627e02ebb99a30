"""The part of the store that memory holds: it goes on with the journal, whatever a few wrong clocks say."""

from datetime import timedelta

from msgspec import structs

from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.runtime.holding import HOLD, MAX_HELD, MIN_HOLD, STEP, Holding
from tests.fakes import FakeStore
from tests.scenario import TEN, Scenario


def held_after(old_of_ten: int) -> Live:
    """Live state after 2,000 callers within an hour, of whom so many in ten have a time of last week."""
    story = Scenario()
    live, (event,) = Live(story.rules), story.entered(0, "a").events
    holding = Holding(live, FakeStore(), ManualClock(TEN))
    for number in range(2_000):
        at = TEN + timedelta(seconds=2 * number) - timedelta(days=7 * (number % 10 < old_of_ten))
        holding.note([structs.replace(event, switch_time=at)], [])
        holding.let_go()
    return live


def test_senders_of_old_calls_keep_the_calls_of_the_others_no_longer_in_memory():
    for old_of_ten in (0, 1, 4):
        held_from = held_after(old_of_ten).held_from
        assert held_from is not None
        assert TEN + timedelta(seconds=2_000) - HOLD - STEP < held_from < TEN + timedelta(seconds=4_000) - HOLD


def test_a_journal_that_is_mostly_of_the_past_is_held_in_the_past():
    held_from = held_after(8).held_from

    assert held_from is not None and held_from < TEN - timedelta(days=6)


def held_in_a_flood(a_second: int, events: int) -> tuple[timedelta, timedelta]:
    """Return how far back memory reaches after so many events at that pace: at their end, and an hour later."""
    story = Scenario()
    live, (event,) = Live(story.rules), story.entered(0, "a").events
    holding, at = Holding(live, FakeStore(), ManualClock(TEN)), TEN

    def back(first: int, last: int, pace: float) -> timedelta:
        nonlocal at
        for _ in range(first, last, 100):
            holding.note([structs.replace(event, switch_time=at)] * 100, [])
            at += timedelta(seconds=100 / pace)
            holding.let_go()
        assert live.held_from is not None
        return at - live.held_from

    flooded = back(0, events, a_second)
    return flooded, back(0, 36_000, 10)


def test_a_flood_leaves_memory_sooner_and_an_ordinary_hour_is_held_whole_again():
    flooded, later = held_in_a_flood(200, 4 * MAX_HELD)

    assert flooded < timedelta(seconds=MAX_HELD / 200)
    assert HOLD <= later <= HOLD + 2 * STEP


def test_the_fastest_flood_is_held_for_a_minute():
    flooded, _ = held_in_a_flood(10_000, 30 * MAX_HELD)

    assert MIN_HOLD <= flooded <= 3 * MIN_HOLD
