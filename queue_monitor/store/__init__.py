"""The only room that knows SQL: the journal of events and the history of counts, in SQLite or PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from queue_monitor.events import Event
from queue_monitor.model import HistoryRow
from queue_monitor.store.database import Database
from queue_monitor.store.history import History
from queue_monitor.store.journal import Journal

__all__ = ["SqlStore", "open_store"]


class SqlStore:
    """`ports.Store` over one database. Made by `open_store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = Journal(database)
        self._history = History(database)

    @property
    def unreadable(self) -> int:
        """Rows passed over since the store was opened because they could not be decoded."""
        return self._journal.unreadable + self._history.unreadable

    async def append(self, events: Sequence[Event], received_at: datetime) -> int:
        return await self._journal.append(events, received_at)

    def read(self, since: datetime) -> AsyncIterator[Event]:
        return self._journal.read(since)

    async def save_history(self, rows: Sequence[HistoryRow]) -> None:
        await self._history.save(rows)

    async def load_history(self, before: datetime) -> list[HistoryRow]:
        return await self._history.load(before)

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
