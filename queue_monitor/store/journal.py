"""The journal: every event in the order in which it was committed, once, as the bytes it had on the wire."""

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from queue_monitor.events import Event, InvalidEvent, decode, encode, type_of
from queue_monitor.store.database import Database
from queue_monitor.store.schema import journal, microseconds

_WRITE_CHUNK: Final = 1000  # events encoded between two turns of the event loop, about 10 ms
_READ_CHUNK: Final = 500
_LONGEST_KEY: Final = 512

_log = logging.getLogger(__name__)


class Journal:
    """`unreadable` counts the rows that could not be decoded and were passed over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = (
            database.insert(journal)
            .on_conflict_do_nothing(index_elements=["source", "id"])
            .execution_options(preserve_rowcount=True)  # of an insert, it is otherwise forgotten
        )
        self.unreadable = 0

    async def append(self, events: Sequence[Event], received_at: datetime) -> int:
        """One transaction, in order; returns how many were new. Raises `StoreError` when nothing was committed.

        Cancelled, it may yet be committed, whole; the same batch again is then nothing new.
        """
        return await self._database.unbroken(self._append(events, received_at)) if events else 0

    async def _append(self, events: Sequence[Event], received_at: datetime) -> int:
        new = 0
        async with self._database.writing("could not be written to") as connection:
            for start in range(0, len(events), _WRITE_CHUNK):
                rows = [_row(event, received_at) for event in events[start : start + _WRITE_CHUNK]]
                new += (await connection.execute(self._insert, rows)).rowcount
        return new

    async def read(self, since: datetime) -> AsyncIterator[Event]:
        """What the journal held when the reading began and that happened at or after `since`, in order.

        No connection is held while the reader works on an event. Raises `StoreError`.
        """
        since_us = microseconds(since)
        first, last = await self._database.unbroken(self._bounds(since_us))
        unreadable_before = self.unreadable
        while first <= last:
            rows = await self._database.unbroken(self._chunk(since_us, first, last))
            for seq, body in rows:
                if event := self._decoded(seq, body, unreadable_before):
                    yield event
            first = rows[-1].seq + 1 if rows else last + 1
        if passed_over := self.unreadable - unreadable_before:
            _log.warning("journal read: rows_passed_over=%d since=%s", passed_over, since.isoformat())

    async def _bounds(self, since_us: int) -> tuple[int, int]:
        # The 0 keeps the planner on the index of times: it would walk all rows to find the first that matches.
        number = journal.c.seq + 0
        question = select(func.min(number), func.max(number)).where(journal.c.at_us >= since_us)
        async with self._database.reading("could not be read") as connection:
            first, last = (await connection.execute(question)).one()
        return (1, 0) if first is None else (first, last)

    async def _chunk(self, since_us: int, first: int, last: int) -> Sequence[Any]:
        # Here the 0 keeps it off that index: it would sort all that is left, for each chunk anew.
        question = (
            select(journal.c.seq, journal.c.body)
            .where(journal.c.seq.between(first, last), journal.c.at_us + 0 >= since_us)
            .order_by(journal.c.seq)
            .limit(_READ_CHUNK)
        )
        async with self._database.reading("could not be read") as connection:
            return (await connection.execute(question)).all()

    def _decoded(self, seq: int, body: bytes, unreadable_before: int) -> Event | None:
        try:
            return decode(body)
        except InvalidEvent as error:
            if self.unreadable == unreadable_before:
                _log.warning("journal row passed over: seq=%d reason=%s", seq, error)
            self.unreadable += 1
            return None


def _row(event: Event, received_at: datetime) -> dict[str, object]:
    return {
        "source": _key(event.source),
        "id": _key(event.id),
        "type": type_of(event),
        "at_us": microseconds(event.at),
        "received_at_us": microseconds(received_at),
        "body": encode(event),
    }


def _key(text: str) -> str:
    """As it is; but PostgreSQL refuses a NUL and an index entry above 2,700 bytes, and one such event would hold up
    all that come after it. The event itself is whole in the body.
    """
    raw = text.encode()
    if len(raw) > _LONGEST_KEY or b"\0" in raw:
        return "sha256:" + hashlib.sha256(raw).hexdigest()
    return text
