"""The reader of the journal in the order in which it was committed, across rows and packs,
while it is being written.
"""

import heapq
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, func, or_, select

from queue_monitor.events import AgentMember, AgentState, Event, QueueSnapshot, SourceConnected, SourceRestarted
from queue_monitor.store.database import Database
from queue_monitor.store.journal import Journal
from queue_monitor.store.schema import SITE, journal, microseconds, pack

T = TypeVar("T")

_ROWS: Final = 400
_PACKS: Final = 4
_END: Final = 2**63
_SEARCHED: Final = 4000
"""The number of rows read at once where only a few of them are wanted."""


def _of(*kinds: type[Event]) -> re.Pattern[bytes]:
    """Return a pattern in the JSON of every event of these kinds, and of few others."""
    return re.compile(b"|".join(f'"{kind.__struct_config__.tag}"'.encode() for kind in kinds))


OF_AGENTS: Final = _of(AgentState, AgentMember, QueueSnapshot)
"""A pattern of the events that say something of agents."""

OF_STARTS: Final = _of(SourceConnected, SourceRestarted)
"""A pattern of the events by which a switch may have begun anew."""


class Reader:
    """One reading of the journal from the beginning to its end. No connection is held while its events are worked on.

    Packs are ordered by time, so the numbers in them overlap: a line waits until no row and no pack that is still to
    come can hold a lower number. A row that is packed while it is read is found in its new pack.
    """

    def __init__(
        self,
        database: Database,
        records: Journal,
        since_us: int | None,
        after_seq: int,
        only: re.Pattern[bytes] | None = None,
    ) -> None:
        """Make a reading. `only`: events in whose JSON this is found; None for all events."""
        self._database = database
        self._journal = records
        self._since_us = since_us
        self._only = only
        self._done = after_seq
        self._lines: list[tuple[int, bytes]] = []
        self._opened: set[int] = set()
        self._newest_pack = -1
        self._rows_to = after_seq
        self._packs_to = (-1, -1)

    async def events(self) -> AsyncIterator[tuple[int, Event]]:
        """Yield the events that the journal held when the reading began, with their numbers. Raises `StoreError`."""
        last = await self._ask(self._last)
        while self._done < last:
            safe = min(await self._ask(self._fetch), last)
            while self._lines and self._lines[0][0] <= safe:
                seq, body = heapq.heappop(self._lines)
                if seq > self._done:
                    self._done = seq
                    event = self._journal.decoded(seq, body)
                    if event and (self._since_us is None or microseconds(event.at) >= self._since_us):
                        yield seq, event
            self._done = max(self._done, safe)

    async def _ask(self, question: Callable[[Connection], T]) -> T:
        return await self._database.unbroken(self._asked(question))

    async def _asked(self, question: Callable[[Connection], T]) -> T:
        async with self._database.reading("could not be read") as connection:
            return await connection.run_sync(question)

    def _last(self, connection: Connection) -> int:
        self._newest_pack = connection.execute(select(func.coalesce(func.max(pack.c.id), 0))).scalar_one()
        in_rows = connection.execute(select(func.max(journal.c.seq))).scalar_one()
        in_packs = connection.execute(select(func.max(pack.c.last_seq)).where(pack.c.site == SITE)).scalar_one()
        return max(in_rows or 0, in_packs or 0)

    def _fetch(self, connection: Connection) -> int:
        """Read more; return the number up to which nothing is missing."""
        if self._rows_to <= self._packs_to[0]:
            self._fetch_rows(connection)
        else:
            self._fetch_packs(connection)
        self._fetch_new_packs(connection)  # after the rows: one that was packed between is seen twice, never not
        return min(self._rows_to, self._packs_to[0])

    def _fetch_rows(self, connection: Connection) -> None:
        question = select(journal.c.seq, journal.c.body).where(journal.c.seq > self._rows_to)
        if self._since_us is not None:
            # The 0 keeps the planner off the index of times: it would sort all that is left, for each chunk anew.
            question = question.where(journal.c.at_us + 0 >= self._since_us)
        at_once = _ROWS if self._only is None else _SEARCHED
        rows = connection.execute(question.order_by(journal.c.seq).limit(at_once)).all()
        for row in rows:
            self._push(row.seq, row.body)
        self._rows_to = rows[-1].seq if len(rows) == at_once else _END

    def _fetch_packs(self, connection: Connection) -> None:
        seq, number = self._packs_to
        behind = or_(pack.c.first_seq > seq, (pack.c.first_seq == seq) & (pack.c.id > number))
        rows = connection.execute(self._packs(behind).order_by(pack.c.first_seq, pack.c.id).limit(_PACKS)).all()
        for row in rows:
            self._open(row)
        self._packs_to = (rows[-1].first_seq, rows[-1].id) if len(rows) == _PACKS else (_END, 0)

    def _fetch_new_packs(self, connection: Connection) -> None:
        """Read the packs made since the last call; they may hold rows that were still to be read."""
        for row in connection.execute(self._packs(pack.c.id > self._newest_pack).order_by(pack.c.id)).all():
            self._newest_pack = row.id
            self._open(row)

    def _packs(self, which: Any) -> Any:
        question = select(pack.c.id, pack.c.first_seq, pack.c.body)
        question = question.where(pack.c.site == SITE, pack.c.last_seq > self._done, which)
        return question if self._since_us is None else question.where(pack.c.last_us >= self._since_us)

    def _open(self, row: Any) -> None:
        if row.id not in self._opened:
            self._opened.add(row.id)
            for seq, body in self._journal.lines(row.id, row.body):
                if seq > self._done:
                    self._push(seq, body)

    def _push(self, seq: int, body: bytes) -> None:
        if self._only is None or self._only.search(body):
            heapq.heappush(self._lines, (seq, body))
