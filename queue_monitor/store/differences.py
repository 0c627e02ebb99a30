"""The differences between our counts and a switch's own totals, one row for each day, switch, queue and counter."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from sqlalchemy import Connection, Row, select

from queue_monitor.model import Difference, DifferenceCause, DifferenceRecord
from queue_monitor.store.database import Database
from queue_monitor.store.names import QUEUE, SWITCH, Names
from queue_monitor.store.schema import SITE, difference, microseconds, moment

_KEY: Final = ("site", "day", "switch", "queue", "counter")
_MAX_COUNT: Final = 2**63 - 1
"""What a column holds. A switch may say any number."""


class DifferenceRows:
    """Works inside transactions that the caller has begun."""

    def __init__(self, database: Database, names: Names) -> None:
        self._names = names
        put = database.insert(difference)
        new = {column.name: put.excluded[column.name] for column in difference.c if not column.primary_key}
        is_newer = put.excluded.until_us >= difference.c.until_us
        self._put = put.on_conflict_do_update(index_elements=_KEY, set_=new, where=is_newer)

    def save(self, connection: Connection, records: Sequence[DifferenceRecord]) -> None:
        """Keep these. Of one day's comparisons the latest stays; the same once more changes nothing."""
        if not records:
            return
        found = [record.difference for record in records]
        self._names.ensure(connection, QUEUE, dict.fromkeys(each.queue for each in found))
        self._names.ensure(connection, SWITCH, dict.fromkeys(each.switch for each in found))
        values = [
            {
                "day": record.day,
                "switch": self._names.id(SWITCH, record.difference.switch),
                "queue": self._names.id(QUEUE, record.difference.queue),
                "counter": record.difference.counter,
                "switch_says": min(record.difference.switch_says, _MAX_COUNT),
                "ledger_says": record.difference.ledger_says,
                "cause": record.difference.cause.value,
                "since_us": microseconds(record.difference.since),
                "until_us": microseconds(record.difference.until),
            }
            for record in records
        ]
        connection.execute(self._put, values)

    def load(self, connection: Connection, first: date, last: date) -> list[DifferenceRecord]:
        """Those of the days from `first` to `last`, both included, the oldest day first."""
        question = select(difference).where(difference.c.site == SITE, difference.c.day.between(first, last))
        return [self._record(connection, row) for row in connection.execute(question.order_by(difference.c.day)).all()]

    def _record(self, connection: Connection, row: Row[tuple[object, ...]]) -> DifferenceRecord:
        return DifferenceRecord(
            day=row.day,
            difference=Difference(
                switch=self._names.text(connection, SWITCH, row.switch),
                queue=self._names.text(connection, QUEUE, row.queue),
                counter=row.counter,
                switch_says=row.switch_says,
                ledger_says=row.ledger_says,
                difference=row.ledger_says - row.switch_says,
                since=moment(row.since_us),
                until=moment(row.until_us),
                cause=DifferenceCause(row.cause),
            ),
        )
