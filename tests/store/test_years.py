"""What a start takes into memory is today and a few sums, however many days lie behind it in the store."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast

import pytest

from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.ports import Store
from queue_monitor.runtime.holding import Holding
from queue_monitor.store import SqlStore, open_store
from tests.runtime.lasting import ZONE, Call, monitor
from tests.scenario import Scenario

CALLS_TODAY = 400
"""More events than those by which a start tells where the journal is."""


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


def callers(day: date, number: int) -> list[Call]:
    first = at(day, 9)
    return [
        Call(f"{day}-{n}", ("kundcenter", "bygglov")[n % 2], first + timedelta(seconds=30 * n), "answered", 20_000)
        for n in range(number)
    ]


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'calls.db'}"


async def live_through(folder: Path, days: list[date]) -> None:
    """Make a store that a monitor has written on these days, the last of them a full one, with old events packed."""
    async with monitor(url_of(folder), at(days[0], 8), folder) as run:
        for day in days:
            run.clock.advance_to(at(day, 17))
            for call in callers(day, CALLS_TODAY if day == days[-1] else 4):
                await run.tell(call.events(), write=False)
            await run.pipeline.write()
        await run.pipeline.drain()
        await run.store.pack(at(days[-1], 0))


class Counting:
    """A store that counts, for each of its doors, what it has handed out."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.handed_out: dict[str, int] = {}

    def _count(self, name: str, number: int) -> None:
        self.handed_out[name] = self.handed_out.get(name, 0) + number

    def __getattr__(self, name: str) -> Callable[..., Any]:
        door = getattr(self._store, name)

        async def asked(waiting: Awaitable[Any]) -> Any:
            found = await waiting
            self._count(name, len(found) if hasattr(found, "__len__") else 0)
            return found

        async def read(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for event in events:
                self._count(name, 1)
                yield event

        def opened(*words: Any, **more: Any) -> Any:
            found = door(*words, **more)
            return read(found) if hasattr(found, "__aiter__") else asked(found)

        return opened


async def loaded(folder: Path, today: date) -> tuple[dict[str, int], int]:
    """What a start at the end of that day is handed by the store, and how many objects memory holds after it."""
    store = await open_store(url_of(folder), zone=ZONE, agent_key=folder / "agent.key")
    try:
        counting, live = Counting(store), Live(Scenario().rules)
        await Holding(live, cast(Store, counting), ManualClock(at(today, 17))).load()
        # what days have taught of waits and of silence is a few numbers a day, and bounded by the days it is kept
        return counting.handed_out, held_by(live, but_for=(live.wait_bounds, live.silence))
    finally:
        await store.close()


def held_by(root: object, but_for: Sequence[object]) -> int:
    """Count the objects that can be reached from one by other ways than through these, code left out."""
    seen = {id(root), *map(id, but_for)}
    found = [root]
    for each in found:
        for its in gc.get_referents(each):
            if id(its) not in seen and not isinstance(its, type | ModuleType | FunctionType | BuiltinFunctionType):
                seen.add(id(its))
                found.append(its)
    return len(found)


def every_week(last: date, weeks: int) -> list[date]:
    return [last - timedelta(days=7 * week) for week in range(weeks, -1, -1)]


@pytest.mark.parametrize(
    ("today", "fewer"),
    [
        pytest.param(date(2026, 9, 1), 0, id="the first day of a tertial: one day"),
        pytest.param(date(2026, 8, 31), 18, id="its last day: the days of one tertial"),
    ],
)
async def test_a_start_takes_in_the_same_however_many_days_lie_behind_it(tmp_path: Path, today: date, fewer: int):
    found = []
    for name, weeks in (("few", fewer), ("many", 75)):
        (tmp_path / name).mkdir()
        await live_through(tmp_path / name, every_week(today, weeks))
        found.append(await loaded(tmp_path / name, today))
    (few_handed_out, few_held), (many_handed_out, many_held) = found

    assert few_handed_out["load_recent"] > 150
    assert many_handed_out == few_handed_out
    assert many_held - few_held < 50, "calls of days before are more, and a few numbers are objects of their own"
