"""The days of a queue that imports have brought: what the journal has of them, or gets later, is not counted."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TypeVar

from msgspec import structs
from sqlalchemy import Connection, select

from queue_monitor.model import IMPORT_SOURCE, CallRecord, JournalBatch, LeftOut, RefusalRecord
from queue_monitor.queues import queue_key
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE, Names
from queue_monitor.store.schema import SITE, imported_day, microseconds
from queue_monitor.store.tally import MINUTE_US

T = TypeVar("T")


class ImportedDays:
    """The days and queues of all imports, read once."""

    def __init__(self, names: Names, days: LocalDays) -> None:
        self._names = names
        self._days = days
        self._known: set[tuple[date, str]] = set()
        self._is_loaded = False

    def evict(self) -> None:
        """Forget the days: they may be others now."""
        self._is_loaded = False

    def apart(self, connection: Connection, batch: JournalBatch) -> tuple[JournalBatch, LeftOut]:
        """Return a batch without the calls and refused callers that are not counted, and these.

        Those are the ones that no import brought, and that have a stay in a queue on a day of it that an import did.
        """
        self._load(connection)
        if not self._known:
            return batch, LeftOut()
        calls, left_calls = _parted(batch.calls, self._counts_call)
        refusals, left_refusals = _parted(batch.refusals, self._counts_refusal)
        if not left_calls and not left_refusals:
            return batch, LeftOut()
        left_out = LeftOut(contact_ids=tuple(one.contact_id for one in left_calls), refusals=left_refusals)
        return structs.replace(batch, calls=calls, refusals=refusals), left_out

    def _counts_call(self, record: CallRecord) -> bool:
        return _is_imported(record) or self._known.isdisjoint(places_of(record, self._days))

    def _counts_refusal(self, record: RefusalRecord) -> bool:
        is_imported = record.refusal.source.startswith(IMPORT_SOURCE)
        return is_imported or place_of_refusal(record, self._days)[0] not in self._known

    def _load(self, connection: Connection) -> None:
        if not self._is_loaded:
            question = select(imported_day.c.day, imported_day.c.queue)
            rows = connection.execute(question.where(imported_day.c.site == SITE).distinct()).all()
            self._known = {(row.day, queue_key(self._names.text(connection, QUEUE, row.queue))) for row in rows}
            self._is_loaded = True


def places_of(record: CallRecord, days: LocalDays) -> dict[tuple[date, str], str]:
    """Return the local days and queues (by key) of a call's stays, with the queue's spelling."""
    found: dict[tuple[date, str], str] = {}
    for number, visit in enumerate(record.visits):
        placed = record.visits_placed[number] if number < len(record.visits_placed) else None
        if placed is not None:
            found[days.day_at(placed.minute * MINUTE_US), queue_key(placed.queue)] = placed.queue
        elif (at := _first(visit.entered_at, visit.ended_wait_at, visit.completed_at, record.last_at)) is not None:
            found[days.day_at(microseconds(at)), queue_key(visit.queue)] = visit.queue
    return found


def place_of_refusal(record: RefusalRecord, days: LocalDays) -> tuple[tuple[date, str], str]:
    """Return the local day and queue (by key) of a refused caller, and the queue's spelling."""
    placed = record.placed
    return (days.day_at(placed.minute * MINUTE_US), queue_key(placed.queue)), placed.queue


def _parted(records: Sequence[T], is_counted: Callable[[T], bool]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    found: tuple[list[T], list[T]] = [], []
    for record in records:
        found[not is_counted(record)].append(record)
    return tuple(found[0]), tuple(found[1])


def _is_imported(record: CallRecord) -> bool:
    return bool(record.visits) and record.visits[0].source.startswith(IMPORT_SOURCE)


def _first(*moments: datetime | None) -> datetime | None:
    return next((at for at in moments if at is not None), None)
