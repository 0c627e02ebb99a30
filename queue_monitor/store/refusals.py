"""The rows of refused callers: one each, never changed, and deleted where a caller was not refused after all."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from queue_monitor.model import Level, RefusalRecord
from queue_monitor.queues import queue_key
from queue_monitor.store.bulk import refused_rows
from queue_monitor.store.database import Database
from queue_monitor.store.journal import chunks
from queue_monitor.store.names import QUEUE, SOURCE, SWITCH, Names
from queue_monitor.store.schema import SITE, microseconds, refusal
from queue_monitor.store.tally import MINUTE_US, Share, share

_CHUNK: Final = 200
_COLUMNS: Final = [column.name for column in refusal.c if column.name != "site"]


class RefusalRows:
    """The writer of refused callers, inside the transaction of its user."""

    def __init__(self, database: Database, names: Names) -> None:
        self._names = names
        self._put = database.bulk(insert(refusal), _COLUMNS)

    def name(self, connection: Connection, records: Sequence[RefusalRecord]) -> None:
        """Give numbers to all names in these records."""
        self._names.ensure(connection, QUEUE, dict.fromkeys(record.placed.queue for record in records))
        self._names.ensure(connection, SWITCH, dict.fromkeys(record.refusal.switch for record in records))
        self._names.ensure(connection, SOURCE, dict.fromkeys(record.refusal.source for record in records))

    def write(
        self, connection: Connection, records: Sequence[RefusalRecord], left_out: set[bytes], *, careful: bool
    ) -> tuple[list[Share], list[str]]:
        """Write the refused callers; return the shares of the new ones, and the contacts of those that were refused or
        left out.

        Without `careful` the first refusal is raised.
        """
        rows = {key: record for key, record in _last(records).items() if record.is_counted}
        added: list[Share] = []
        refused: list[str] = []
        for chunk in chunks(list(rows), _CHUNK):
            there = select(refusal.c.key).where(refusal.c.site == SITE, refusal.c.key.in_(chunk))
            known = set(connection.execute(there).scalars())
            new = [key for key in chunk if key not in known and key not in left_out]
            values = [self._row(key, rows[key]) for key in new]
            bad = set[bytes]()
            if careful:
                bad = {new[at] for at in refused_rows(connection, self._put, values)}
            else:
                self._put.run(connection, values)
            added += [each for row in values if row["key"] not in bad for each in shares(row)]
            refused += [rows[key].refusal.contact_id for key in chunk if key in bad or key in left_out]
        return added, refused

    def delete(self, connection: Connection, records: Sequence[RefusalRecord]) -> list[Share]:
        """Delete the rows of callers who were not refused after all; return their shares."""
        gone: list[Share] = []
        for chunk in chunks([key for key, record in _last(records).items() if not record.is_counted], _CHUNK):
            its = refusal.c.site == SITE, refusal.c.key.in_(chunk)
            for row in connection.execute(select(refusal).where(*its)).mappings():
                gone += shares(row)
            connection.execute(delete(refusal).where(*its))
        return gone

    def new_shares(self, record: RefusalRecord) -> list[Share]:
        return shares(self._row(b"", record))

    def _row(self, key: bytes, record: RefusalRecord) -> dict[str, Any]:
        its, placed = record.refusal, record.placed
        return {
            "key": key,
            "at_us": microseconds(its.at),
            "counted_us": placed.minute * MINUTE_US,
            "queue": self._names.id(QUEUE, placed.queue),
            "switch": self._names.id(SWITCH, its.switch),
            "source": self._names.id(SOURCE, its.source),
            "reason": its.reason.value,
            "field": placed.field,
            "inside": placed.inside,
            "early": placed.early,
            "precision_ms": its.precision_ms,
        }


def _last(records: Sequence[RefusalRecord]) -> dict[bytes, RefusalRecord]:
    """Return the last record of each refused caller, by key."""
    return {refusal_key(record): record for record in records}


def shares(row: Any) -> list[Share]:
    """Return the shares of a refused caller, who counts at both levels alike."""
    found = [
        share(level, row["queue"], row["inside"], row["counted_us"], row["field"], row["early"], "", None, False)
        for level in Level
    ]
    return [each for each in found if each is not None]


def refusal_key(record: RefusalRecord) -> bytes:
    """Return 16 bytes that stand for the switch, the leg, the queue whatever its spelling, and the moment."""
    its = record.refusal
    parts = (its.switch, its.leg_id, queue_key(its.queue), str(microseconds(its.at)))
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
