"""The counts of callers who called again, one row for each day, queue and run of the monitor. Nothing tells who."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import structs
from sqlalchemy import Connection, Row, select

from queue_monitor.model import RepeatCallers, RepeatDay
from queue_monitor.store.database import Database
from queue_monitor.store.names import QUEUE, Names
from queue_monitor.store.schema import SITE, microseconds, moment, repeat_callers

_KEY: Final = ("site", "day", "queue", "since_us")
_COUNTS: Final = tuple(name for name in RepeatCallers.__struct_fields__ if name != "since")


class RepeatRows:
    """Works inside transactions that the caller has begun."""

    def __init__(self, database: Database, names: Names) -> None:
        self._names = names
        put = database.insert(repeat_callers)
        new = {name: put.excluded[name] for name in _COUNTS}
        self._put = put.on_conflict_do_update(index_elements=_KEY, set_=new)

    def save(self, connection: Connection, days: Sequence[RepeatDay]) -> None:
        """Keep these counts. Of one day, queue and run the latest stay."""
        if not days:
            return
        self._names.ensure(connection, QUEUE, dict.fromkeys(each.queue for each in days))
        values = [
            {
                "day": each.day,
                "queue": self._names.id(QUEUE, each.queue),
                "since_us": microseconds(each.found.since),
                **{name: getattr(each.found, name) for name in _COUNTS},
            }
            for each in days
        ]
        connection.execute(self._put, values)

    def load(self, connection: Connection, first: date, last: date) -> list[RepeatDay]:
        """Return the counts of the days from `first` to `last`, both included, the oldest first."""
        kept = repeat_callers.c
        question = select(repeat_callers).where(kept.site == SITE, kept.day.between(first, last))
        rows = connection.execute(question.order_by(kept.day, kept.since_us)).all()
        return [self._day(connection, row) for row in rows]

    def _day(self, connection: Connection, row: Row[tuple[object, ...]]) -> RepeatDay:
        counts = {name: getattr(row, name) for name in _COUNTS}
        found = structs.replace(_NOTHING, since=moment(row.since_us), **counts)
        return RepeatDay(day=row.day, queue=self._names.text(connection, QUEUE, row.queue), found=found)


_NOTHING: Final = RepeatCallers(since=moment(0), calls=0, repeated=0, lost=0, reached_later=0, answered=0, not_back=0)
