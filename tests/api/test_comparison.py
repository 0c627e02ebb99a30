"""The day's picture beside other days: yesterday and the typical same weekday, where there is history."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from queue_monitor.api.pages.board import board
from queue_monitor.api.pages.comparison import NOTHING, Comparisons, DaysBefore
from queue_monitor.model import Bar, Board, Counts, Level, Period, Snapshot
from queue_monitor.ports import StoreError
from tests.api import sample

PICTURE = Board(name="bild")
SUNDAY, LAST_MONDAY = sample.MONDAY - timedelta(days=1), sample.MONDAY - timedelta(days=7)


class History(sample.FakeFigures):
    """A store with so many calls in each quarter from 8 to 17 on the days it knows."""

    def __init__(self, first: Snapshot, calls: dict[date, int]) -> None:
        super().__init__(first)
        self.calls_of = calls
        self.is_away = False

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        self.asked.append((start, end, step, level, queue))
        if self.is_away:
            raise StoreError("away")
        found = []
        while start < end:
            local = start.astimezone(sample.ZONE)
            calls = self.calls_of.get(local.date(), 0) if 8 <= local.hour < 17 else 0
            made = sample.period(step, Counts(answered_in_time=calls), at=end, level=level)
            found.append(replace(made, start=start, end=start + timedelta(minutes=15)))
            start += timedelta(minutes=15)
        return found


def mondays(*calls: int) -> dict[date, int]:
    return {sample.MONDAY - timedelta(weeks=weeks): number for weeks, number in enumerate(calls, start=1)}


async def read(figures: History, *, queues: tuple[str, ...] = (), at: Snapshot | None = None) -> DaysBefore:
    """Return the days before as the wall shows them, after the store has been read."""
    comparisons = Comparisons(figures)
    snapshot = at or figures.latest()
    assert comparisons.of(queues, snapshot) == DaysBefore(), "nobody waits for the store"
    await settled()
    return comparisons.of(queues, snapshot)


async def settled() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others)


def drawn(before: DaysBefore, snapshot: Snapshot | None = None) -> Any:
    return board(snapshot or sample.calm(), before=before).curve


@pytest.mark.parametrize("bars", [1, 2])
def test_the_first_bar_of_a_day_is_as_long_as_all_others(bars: int) -> None:
    """The picture said "calls per 30 min" of the first quarter of an hour."""
    counts = Counts(answered_in_time=6)
    made = (Bar(start=sample.local(8, 15 * number), counts=counts, headline=1.0, floor=1.0) for number in range(bars))
    curve = drawn(NOTHING, replace(sample.too_early(), today=tuple(made)))

    assert curve.step_seconds == 900


async def test_the_typical_day_is_the_median_of_the_same_weekday_and_yesterday_is_yesterday() -> None:
    before = await read(History(sample.calm(), {**mondays(4, 6, 100), SUNDAY: 3}))

    curve = drawn(before)
    assert curve.step_seconds == 1800
    assert curve.typical[0] == 12, "two quarters of 6"
    assert curve.yesterday[0] == 6
    assert len(curve.typical) == len(curve.yesterday) == 18, "from opening at 8 to closing at 17"
    assert curve.weekday == 0


async def test_days_without_calls_are_no_part_of_the_typical_day() -> None:
    before = await read(History(sample.calm(), mondays(4, 0, 4, 0, 4)))

    assert drawn(before).typical[0] == 8


async def test_nothing_is_drawn_where_there_is_no_history() -> None:
    nothing = drawn(await read(History(sample.calm(), {})))
    two = drawn(await read(History(sample.calm(), mondays(4, 4))))

    assert (nothing.typical, nothing.yesterday) == ((), ())
    assert two.typical == (), "two days say nothing of what is usual"


async def test_a_wall_of_some_queues_is_held_beside_the_same_queues() -> None:
    figures = History(sample.calm(), mondays(4, 4, 4))
    await read(figures, queues=("Bygglov",))

    assert {asked[4] for asked in figures.asked} == {("Bygglov",)}
    assert {asked[2] for asked in figures.asked} == {"quarter"}


async def test_the_days_before_are_read_once_a_day_and_anew_on_the_next() -> None:
    figures = History(sample.calm(), mondays(4, 4, 4))
    comparisons = Comparisons(figures)
    for _ in range(5):
        comparisons.of((), sample.calm())
        await settled()
    assert len(figures.asked) == 9

    tomorrow = sample.calm(sample.local(10, 12, day=sample.MONDAY + timedelta(days=1)))
    assert comparisons.of((), tomorrow) == DaysBefore(), "yesterday's lines are not today's"
    await settled()
    assert len(figures.asked) == 18


async def test_a_store_that_is_away_is_asked_again_in_the_next_quarter() -> None:
    figures = History(sample.calm(), mondays(4, 4, 4))
    figures.is_away = True
    comparisons = Comparisons(figures)
    for _ in range(3):
        assert comparisons.of((), sample.calm()) == DaysBefore()
        await settled()
    assert len(figures.asked) == 1

    figures.is_away = False
    later = sample.calm(sample.local(10, 16))
    comparisons.of((), later)
    await settled()
    assert comparisons.of((), later).same_weekday
