"""The only room that knows SQL: the journal of events, the history of counts, the records of alerts and of what people
did, in SQLite or PostgreSQL.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from queue_monitor.events import Event
from queue_monitor.model import AdminAct, AlertBatch, HistoryRow, RecordedAlert
from queue_monitor.store.alerts import AlertRecord
from queue_monitor.store.audit import AuditRecord, MemoryAudit
from queue_monitor.store.database import Database
from queue_monitor.store.history import History
from queue_monitor.store.journal import Journal
from queue_monitor.store.learned import LearnedDocument

__all__ = ["MemoryAudit", "SqlStore", "open_store"]


class SqlStore:
    """`ports.Store`, `ports.AlertStore` and `ports.AuditLog` over one database. Made by `open_store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = Journal(database)
        self._history = History(database)
        self._alerts = AlertRecord(database)
        self._learned = LearnedDocument(database)
        self._audit = AuditRecord(database)

    @property
    def unreadable(self) -> int:
        """Rows passed over since the store was opened because they could not be decoded."""
        return self._journal.unreadable + self._history.unreadable + self._alerts.unreadable + self._audit.unreadable

    async def append(self, events: Sequence[Event], received_at: datetime) -> int:
        return await self._journal.append(events, received_at)

    def read(self, since: datetime) -> AsyncIterator[Event]:
        return self._journal.read(since)

    async def save_history(self, rows: Sequence[HistoryRow]) -> None:
        await self._history.save(rows)

    async def load_history(self, before: datetime) -> list[HistoryRow]:
        return await self._history.load(before)

    async def save_alerts(self, batch: AlertBatch) -> None:
        await self._alerts.save(batch)

    async def load_alerts(self, since: datetime) -> AlertBatch:
        return await self._alerts.load(since)

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        return await self._alerts.between(start, end)

    async def save_learned(self, body: bytes) -> None:
        await self._learned.save(body)

    async def load_learned(self) -> bytes | None:
        return await self._learned.load()

    async def save_act(self, act: AdminAct) -> None:
        await self._audit.save(act)

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        return await self._audit.load(start, end)

    async def close(self) -> None:
        await self._database.close()


async def open_store(url: str) -> SqlStore:
    """Connect, and bring the tables to this version.

    `url` is `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory) or
    `postgresql://user:password@host/database`. Raises `StoreError`, in words for a person and without the password.
    """
    database = Database(url)
    try:
        await database.migrate()
    except BaseException:
        await database.close()
        raise
    return SqlStore(database)
