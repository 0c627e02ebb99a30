"""The history: counts of each quarter of an hour, kept beside the journal so that years can be read at once."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import select

from queue_monitor.model import Counts, Coverage, HistoryRow, Level, WaitSums
from queue_monitor.store.database import Database
from queue_monitor.store.schema import history, microseconds, moment

_CHUNK: Final = 500

_log = logging.getLogger(__name__)


class _Figures(Struct, frozen=True, kw_only=True):
    """All of a row that is not its key, as one JSON document; binary fields as base64."""

    counts: Counts
    waits: WaitSums = WaitSums()
    coverage: Coverage = Coverage()


_decoder: Final = msgspec.json.Decoder(_Figures)


class History:
    """`unreadable` counts the rows that could not be decoded and were passed over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = database.insert(history)
        self._upsert = insert.on_conflict_do_update(
            index_elements=history.primary_key.columns.keys(),
            set_={"figures": insert.excluded.figures},
        )
        self.unreadable = 0

    async def save(self, rows: Sequence[HistoryRow]) -> None:
        """All or none; a row already there, by level, queue, hours and start, is replaced. Raises `StoreError`."""
        if rows:
            await self._database.unbroken(self._save(rows))

    async def _save(self, rows: Sequence[HistoryRow]) -> None:
        async with self._database.writing("could not be written to") as connection:
            await connection.execute(self._upsert, [_values(row) for row in rows])

    async def load(self, before: datetime) -> list[HistoryRow]:
        """Rows whose quarter starts before that moment, oldest first. Raises `StoreError`."""
        return await self._database.unbroken(self._load(before))

    async def _load(self, before: datetime) -> list[HistoryRow]:
        question = (
            select(history)
            .where(history.c.start_us < microseconds(before))
            .order_by(history.c.start_us, history.c.level, history.c.queue, history.c.inside_hours)
        )
        found: list[HistoryRow] = []
        async with self._database.reading("could not be read") as connection:
            rows = await connection.stream(question)
            async for chunk in rows.partitions(_CHUNK):
                found.extend(row for row in map(self._decoded, chunk) if row)
        return found

    def _decoded(self, row: Any) -> HistoryRow | None:
        """Counts that this version does not know are passed over; those that the row does not know are 0."""
        try:
            figures = _decoder.decode(row.figures)
            return HistoryRow(
                level=Level(row.level),
                queue=row.queue,
                inside_hours=row.inside_hours,
                start=moment(row.start_us),
                counts=figures.counts,
                waits=figures.waits,
                coverage=figures.coverage,
            )
        except (msgspec.DecodeError, ValueError) as error:
            if not self.unreadable:
                _log.warning("history row passed over: start=%s reason=%s", moment(row.start_us).isoformat(), error)
            self.unreadable += 1
            return None


def _values(row: HistoryRow) -> dict[str, object]:
    return {
        "level": str(row.level),
        "queue": row.queue,
        "inside_hours": row.inside_hours,
        "start_us": microseconds(row.start),
        "figures": msgspec.json.encode(_Figures(counts=row.counts, waits=row.waits, coverage=row.coverage)).decode(),
    }
