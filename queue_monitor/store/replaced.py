"""The days of a queue on which an import stands in the place of others: the journal's calls of them are not counted."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, select

from queue_monitor.model import IMPORT_SOURCE, CallRecord, RefusalRecord
from queue_monitor.queues import queue_key
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE, Names
from queue_monitor.store.schema import SITE, imported_day, microseconds
from queue_monitor.store.tally import MINUTE_US


class ReplacedDays:
    """The days that imports have replaced; they are few, or none, and are read once."""

    def __init__(self, names: Names, days: LocalDays) -> None:
        self._names = names
        self._days = days
        self._known: set[tuple[date, str]] | None = None

    def evict(self) -> None:
        """Forget the days: they may be others now."""
        self._known = None

    def calls_left(self, connection: Connection, records: Sequence[CallRecord]) -> Sequence[CallRecord]:
        """Return the calls that are counted: imported ones, and those with no stay on a day that is replaced."""
        known = self._load(connection)
        if not known:
            return records
        return [record for record in records if _is_imported(record) or known.isdisjoint(places_of(record, self._days))]

    def refusals_left(self, connection: Connection, records: Sequence[RefusalRecord]) -> Sequence[RefusalRecord]:
        """Return the refused callers that are counted."""
        known = self._load(connection)
        if not known:
            return records
        return [
            record
            for record in records
            if record.refusal.source.startswith(IMPORT_SOURCE) or place_of_refusal(record, self._days)[0] not in known
        ]

    def _load(self, connection: Connection) -> set[tuple[date, str]]:
        if self._known is None:
            question = select(imported_day.c.day, imported_day.c.queue)
            rows = connection.execute(
                question.where(imported_day.c.site == SITE, imported_day.c.replaces).distinct()
            ).all()
            self._known = {(row.day, queue_key(self._names.text(connection, QUEUE, row.queue))) for row in rows}
        return self._known


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


def _is_imported(record: CallRecord) -> bool:
    return bool(record.visits) and record.visits[0].source.startswith(IMPORT_SOURCE)


def _first(*moments: datetime | None) -> datetime | None:
    return next((at for at in moments if at is not None), None)
