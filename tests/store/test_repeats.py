"""The store keeps the number of repeat callers by day and queue until the day's sums are deleted, and never who."""

from datetime import date, datetime, timedelta
from pathlib import Path

from queue_monitor.model import RepeatCallers, RepeatDay
from queue_monitor.store import RETENTION, Kind, Order, SqlStore
from tests.runtime.lasting import Monitor, monitor
from tests.runtime.test_caller_key import of_person
from tests.runtime.test_lasting import at
from tests.store.calls import START
from tests.store.records import EVER

MONDAY = date(2026, 11, 23)


async def called(run: Monitor, person: str, name: str, hour: float, how: str = "answered") -> None:
    await run.tell(of_person(person, name, at(MONDAY, hour), how))
    run.clock.advance_to(at(MONDAY, hour + 0.5))


async def test_a_day_is_kept_at_midnight_and_each_run_of_it_at_a_stop(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(MONDAY, 8), tmp_path) as morning:
        await called(morning, "a", "1", 9, "abandoned")
        await called(morning, "a", "2", 10)
        await morning.pipeline.drain()
    async with monitor(url, at(MONDAY, 12), tmp_path) as afternoon:
        await called(afternoon, "b", "3", 13)
        await called(afternoon, "b", "4", 14)
        afternoon.clock.advance_to(at(MONDAY + timedelta(days=1), 0.1))
        afternoon.pipeline.start_day()
        await afternoon.pipeline.write()

        found = await afternoon.store.repeat_callers(MONDAY, MONDAY + timedelta(days=1))

    assert found == [
        repeats(MONDAY, at(MONDAY, 8), calls=2, repeated=1, lost=1, reached_later=1, answered=1, not_back=1),
        repeats(MONDAY, at(MONDAY, 12), calls=2, repeated=1, lost=0, reached_later=0, answered=2, not_back=1),
    ]


async def test_a_killed_run_loses_the_counts_of_a_minute_at_most(tmp_path: Path):
    async with monitor(f"sqlite:///{tmp_path / 'calls.db'}", at(MONDAY, 8), tmp_path) as run:
        await called(run, "a", "1", 9, "abandoned")
        await called(run, "a", "2", 10)
        await run.pipeline.write()

        assert await run.store.repeat_callers(MONDAY, MONDAY) == [
            repeats(MONDAY, at(MONDAY, 8), calls=2, repeated=1, lost=1, reached_later=1, answered=1, not_back=1)
        ]


def repeats(day: date, since: datetime, queue: str = "kundcenter", **counts: int) -> RepeatDay:
    return RepeatDay(day=day, queue=queue, found=RepeatCallers(since=since, **counts))


def some(day: date, calls: int = 3) -> RepeatDay:
    return repeats(day, START, calls=calls, repeated=1, lost=0, reached_later=0, answered=3, not_back=2)


async def test_the_same_day_and_run_once_more_replaces_what_was_kept(store: SqlStore):
    for calls in (3, 5):
        await store.save_repeat_callers([some(START.date(), calls)])

    assert await store.repeat_callers(START.date(), START.date()) == [some(START.date(), 5)]


async def test_they_go_with_the_sums_of_their_days(store: SqlStore):
    days = [START.date() + timedelta(days=number) for number in range(3)]
    await store.save_repeat_callers([some(day) for day in days])

    assert await store.begin_deletion(Order(kind=Kind.SUMS, until=days[2], decision="KS 2026/123"))
    while not await store.delete_some(Kind.SUMS, START + timedelta(days=100)):
        pass

    assert await store.repeat_callers(days[0], days[2]) == [some(days[2])]
    (act,) = [act for act in await store.acts(*EVER) if act.act == RETENTION]
    assert "2 counts of repeat callers" in act.detail
