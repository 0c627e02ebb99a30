"""The list of a day's differences waits for a database that is away, and costs memory for a day only."""

from datetime import timedelta

from queue_monitor.clock import ManualClock
from queue_monitor.ports import Delivery
from queue_monitor.runtime.pipeline import Pipeline
from tests.fakes import FakeStore
from tests.scenario import TEN, Scenario

TODAY = TEN.date()
TOMORROW = TODAY + timedelta(days=1)


def one_day(store: FakeStore | None) -> tuple[Pipeline, ManualClock]:
    """A day with two comparisons, until a minute after midnight."""
    story = Scenario().connected(-60)
    for at, completed in ((0, 10), (100, 11)):
        story.snapshot(at, counters={"Completed": str(completed)})
    clock = ManualClock(TEN)
    pipeline = Pipeline(Scenario().live, clock, store)
    clock.advance_to(story.at(100))
    pipeline.take(Delivery(items=tuple(story.events), received_at=clock.now()))
    pipeline.publish()
    clock.advance_to(TEN + timedelta(hours=15))
    return pipeline, clock


async def test_a_midnight_without_a_database_is_written_when_it_is_back():
    store = FakeStore()
    pipeline, _ = one_day(store)
    store.broken = "away"
    pipeline.start_day()
    await pipeline.write()
    store.broken = ""

    await pipeline.write()

    (kept,) = await (await store.real()).differences(TODAY, TOMORROW)
    assert (kept.day, kept.difference.switch_says, kept.difference.ledger_says) == (TODAY, 1, 0)


async def test_without_a_database_the_list_is_what_memory_has():
    pipeline, _ = one_day(None)

    (found,) = await pipeline.differences(TODAY, TOMORROW)

    assert (found.day, found.difference.difference) == (TODAY, -1)
    assert await pipeline.differences(TOMORROW, TOMORROW) == []
