"""Nothing is lost and nothing counted twice: a database that stops, a disk that fills, a process that is killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from queue_monitor import simulation
from queue_monitor.clock import ScaledClock, SystemClock
from queue_monitor.core.live import Live
from queue_monitor.events import Event
from queue_monitor.ports import Delivery
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.spill import Spill
from queue_monitor.store import open_store
from tests.patience import PATIENCE
from tests.scenario import Scenario
from tests.store.disks import small_disk_for_sqlite
from tests.store.postgres import running_server

DAY = simulation.simulate(simulation.Config(date=date(2026, 11, 23))).events


async def until(true: Callable[[], bool]) -> None:
    """Wait for something, for a while."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await SystemClock().sleep(0.02)


class Centre:
    """A pipeline on a real journal that a sender feeds; the sender remembers what it was told is safe."""

    def __init__(self, pipeline: Pipeline, live: Live) -> None:
        self.pipeline = pipeline
        self.live = live
        self.safe = 0

    async def tell(self, events: list[Event], batch: int = 20) -> None:
        async def ack(receipt: object) -> None:
            self.safe += 1

        for at in range(0, len(events), batch):
            items = tuple(events[at : at + batch])
            await self.pipeline.put(Delivery(items=items, received_at=items[-1].at, ack=ack))


@asynccontextmanager
async def running(url: str, spill: Path) -> AsyncIterator[Centre]:
    store = await open_store(url)
    live = Live(Scenario().rules)
    pipeline = Pipeline(live, ScaledClock(DAY[-1].at), store, Spill(spill))
    await pipeline.rebuild()
    working = asyncio.create_task(pipeline.run())
    try:
        yield Centre(pipeline, live)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await store.close()


def figures(live: Live, at: datetime) -> object:
    total = live.snapshot(at + timedelta(hours=1)).total
    return total.periods["day"].counts, total.visits_today.counts, total.periods["day"].waits


async def ledger_after_restart(url: str, spill: Path) -> object:
    async with running(url, spill) as again:
        return figures(again.live, DAY[-1].at)


def undisturbed() -> object:
    live = Live(Scenario().rules)
    for event in DAY:
        live.apply(event)
    return figures(live, DAY[-1].at)


async def away_and_back(tmp_path: Path, seconds: float) -> None:
    with running_server() as server:
        url, spill = server.new_database(), tmp_path / "spill.jsonl"
        third = len(DAY) // 3
        async with running(url, spill) as centre:
            await centre.tell(DAY[:third])
            await until(lambda: centre.safe == -(-third // 20))
            server.stop()
            told_before = centre.safe
            await centre.tell(DAY[third : 2 * third])
            await until(lambda: not centre.pipeline.latest().journal.up and spill.exists())
            await SystemClock().sleep(seconds)
            shown = centre.pipeline.latest()

            assert centre.safe == told_before, "nobody was told that an event is safe while the database was away"
            assert shown.events["applied"] >= 2 * third, "the figures went on"
            server.start()
            await centre.tell(DAY[2 * third :])
            await until(lambda: centre.pipeline.latest().journal.up and centre.pipeline.latest().journal.pending == 0)

        assert await ledger_after_restart(url, spill) == undisturbed()
        assert not spill.exists()


async def test_postgresql_stopped_and_started_again_costs_nothing(tmp_path: Path):
    await away_and_back(tmp_path, seconds=2.0)


@pytest.mark.soak
async def test_postgresql_stopped_for_a_minute_costs_nothing(tmp_path: Path):
    await away_and_back(tmp_path, seconds=60.0)


async def test_killed_while_the_database_is_away_the_events_come_back_from_disk(tmp_path: Path):
    with running_server() as server:
        url, spill = server.new_database(), tmp_path / "spill.jsonl"
        half = len(DAY) // 2
        async with running(url, spill) as centre:
            await centre.tell(DAY[:half])
            await until(lambda: centre.safe == -(-half // 20))
            server.stop()
            await centre.tell(DAY[half:])
            await until(lambda: spill.exists() and spill.read_bytes().count(b"\n") == len(DAY) - half)
        server.start()

        assert await ledger_after_restart(url, spill) == undisturbed()


async def test_a_full_disk_stops_the_promises_and_room_again_brings_them_back(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere" / "spill.jsonl"
    with small_disk_for_sqlite(tmp_path) as disk:
        part = 400
        async with running(disk.url, elsewhere) as centre:
            await centre.tell(DAY[:part])
            await until(lambda: centre.safe == part // 20)
            disk.fill()
            await centre.tell(DAY[part : 2 * part])
            await until(lambda: not centre.pipeline.latest().journal.up)

            assert "store.url" in centre.pipeline.latest().journal.error
            assert centre.pipeline.latest().events["applied"] == 2 * part
            shown = figures(centre.live, DAY[-1].at)
            disk.make_room()
            await until(lambda: centre.pipeline.latest().journal.up and centre.safe == 2 * part // 20)
        async with running(disk.url, elsewhere) as again:
            assert figures(again.live, DAY[-1].at) == shown
