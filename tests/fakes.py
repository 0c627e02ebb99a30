"""Doors that record and do nothing clever."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from queue_monitor.events import Event
from queue_monitor.model import HistoryRow
from queue_monitor.ports import AdapterError, Delivery, StoreError


class FakeStore:
    """A journal in memory; `broken` says why it cannot commit."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.history: list[HistoryRow] = []
        self.learned: bytes | None = None
        self.broken = ""

    async def append(self, events: Sequence[Event], received_at: datetime) -> int:
        if self.broken:
            raise StoreError(self.broken)
        known = {(event.source, event.id) for event in self.events}
        new = [event for event in events if (event.source, event.id) not in known]
        self.events.extend(new)
        return len(new)

    async def read(self, since: datetime) -> AsyncIterator[Event]:
        for event in self.events:
            if event.at >= since:
                yield event

    async def save_history(self, rows: Sequence[HistoryRow]) -> None:
        if self.broken:
            raise StoreError(self.broken)
        keys = {(row.level, row.queue, row.inside_hours, row.start) for row in rows}
        kept = [row for row in self.history if (row.level, row.queue, row.inside_hours, row.start) not in keys]
        self.history = [*kept, *rows]

    async def load_history(self, before: datetime) -> list[HistoryRow]:
        return sorted((row for row in self.history if row.start < before), key=lambda row: row.start)

    async def save_learned(self, body: bytes) -> None:
        self.learned = body

    async def load_learned(self) -> bytes | None:
        return self.learned

    async def close(self) -> None:
        pass


class FakeAdapter:
    """Plays a script: each connection is a list of deliveries, or an error on the way in; then the line is lost."""

    name = "fake"

    def __init__(self, *connections: Sequence[Delivery] | Exception) -> None:
        self.connections = list(connections)
        self.connected = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        self.connected += 1
        if not self.connections:
            raise AdapterError("the script is over", permanent=True)
        script = self.connections.pop(0)
        if isinstance(script, Exception):
            raise script
        yield self._play(script)

    async def _play(self, script: Sequence[Delivery]) -> AsyncIterator[Delivery]:
        for delivery in script:
            yield delivery
