"""Doors that record and do nothing clever."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar

from queue_monitor.events import Event
from queue_monitor.model import Committed, DayVisit, JournalBatch
from queue_monitor.ports import Clock, Delivery, StoreError
from queue_monitor.store import SqlStore, open_store


class FakeStore:
    """The real store, in memory, opened when it is first asked. `events` are those committed; `broken` says why it
    cannot commit.
    """

    opened: ClassVar[list[SqlStore]] = []
    """To be closed when the test is over."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[JournalBatch] = []
        self.broken = ""
        self._real: SqlStore | None = None

    async def real(self) -> SqlStore:
        if self._real is None:
            self._real = await open_store("sqlite://", agents="named")
            self.opened.append(self._real)
        return self._real

    async def commit(self, batch: JournalBatch) -> Committed:
        if self.broken:
            raise StoreError(self.broken)
        committed = await (await self.real()).commit(batch)
        self.batches.append(batch)
        self.events += [event for at, event in enumerate(batch.events) if at not in committed.repeated]
        return committed

    async def read(self, since: datetime) -> AsyncIterator[Event]:
        async for event in (await self.real()).read(since):
            yield event

    async def read_numbered(self, since: datetime, *, of_agents: bool = False) -> AsyncIterator[tuple[int, Event]]:
        async for found in (await self.real()).read_numbered(since, of_agents=of_agents):
            yield found

    async def day_visits(
        self, start: datetime, end: datetime, agent_ids: Iterable[str]
    ) -> AsyncIterator[list[DayVisit]]:
        async for found in (await self.real()).day_visits(start, end, agent_ids):
            yield found

    async def read_after(self, seq: int) -> AsyncIterator[tuple[int, Event]]:
        async for found in (await self.real()).read_after(seq):
            yield found

    def __getattr__(self, name: str) -> Any:
        async def asked(*words: Any, **more: Any) -> Any:
            if self.broken:
                raise StoreError(self.broken)
            return await getattr(await self.real(), name)(*words, **more)

        return asked


class FakeAdapter:
    """Plays a script: each connection is a list of deliveries, or an error on the way in; then the line is lost.

    Whoever connects after its end is cancelled. `moments`: when it was connected, if it has a clock.
    """

    name = "fake"

    def __init__(self, *connections: Sequence[Delivery] | Exception) -> None:
        self.connections = list(connections)
        self.connected = 0
        self.clock: Clock | None = None
        self.moments: list[float] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        self.connected += 1
        if self.clock is not None:
            self.moments.append(self.clock.monotonic())
        if not self.connections:
            raise asyncio.CancelledError
        script = self.connections.pop(0)
        if isinstance(script, Exception):
            raise script
        yield self._play(script)

    async def _play(self, script: Sequence[Delivery]) -> AsyncIterator[Delivery]:
        for delivery in script:
            yield delivery
