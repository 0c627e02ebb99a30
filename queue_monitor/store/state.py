"""The state that a start needs and facts about the store itself: states, coverage by day, rules, and marks."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import Connection, delete, select

from queue_monitor.model import Coverage, CoverageRecord
from queue_monitor.queues import queue_key
from queue_monitor.store.database import Database
from queue_monitor.store.names import QUEUE, Names, plain
from queue_monitor.store.schema import SITE, coverage, mark, microseconds, rules, state


class States:
    """The states. All methods work inside a transaction that is already open."""

    def __init__(self, database: Database, names: Names) -> None:
        self._names = names
        put = database.insert(state)
        self._put_state = put.on_conflict_do_update(
            index_elements=["site", "name"], set_={"seq": put.excluded.seq, "body": put.excluded.body}
        )
        put = database.insert(coverage)
        new = {column.name: put.excluded[column.name] for column in coverage.c if not column.primary_key}
        self._put_day = put.on_conflict_do_update(index_elements=["site", "day", "queue"], set_=new)
        put = database.insert(mark)
        self._put_mark = put.on_conflict_do_update(index_elements=["site", "name"], set_={"value": put.excluded.value})
        self._put_rules = database.insert(rules).on_conflict_do_nothing(index_elements=["site", "version"])

    def save(self, connection: Connection, seq: int, states: Mapping[str, bytes]) -> None:
        if states:
            rows = [{"name": name, "seq": seq, "body": body} for name, body in states.items()]
            connection.execute(self._put_state, rows)

    def load(self, connection: Connection) -> tuple[int, dict[str, bytes]]:
        """Return the journal number that all of them are true to at least, and the states by name."""
        rows = connection.execute(select(state.c.name, state.c.seq, state.c.body).where(state.c.site == SITE)).all()
        return min((row.seq for row in rows), default=0), {row.name: row.body for row in rows}

    def save_days(self, connection: Connection, days: Iterable[CoverageRecord]) -> None:
        rows = {(record.day, queue_key(record.queue)): record for record in days}
        if not rows:
            return
        self._names.ensure(connection, QUEUE, dict.fromkeys(record.queue for record in rows.values()))
        values = [
            {
                "day": record.day,
                "queue": self._names.id(QUEUE, record.queue),
                "seen_minutes": record.coverage.seen_minutes,
                "recovered_minutes": record.coverage.recovered_minutes,
                "blind_minutes": record.coverage.blind_minutes,
            }
            for record in rows.values()
        ]
        connection.execute(self._put_day, values)

    def load_days(self, connection: Connection, first: date, last: date) -> list[CoverageRecord]:
        question = select(coverage).where(coverage.c.site == SITE, coverage.c.day.between(first, last))
        return [
            CoverageRecord(
                queue=self._names.text(connection, QUEUE, row.queue),
                day=row.day,
                coverage=Coverage(
                    seen_minutes=row.seen_minutes,
                    recovered_minutes=row.recovered_minutes,
                    blind_minutes=row.blind_minutes,
                ),
            )
            for row in connection.execute(question.order_by(coverage.c.day, coverage.c.queue)).all()
        ]

    def set_mark(self, connection: Connection, name: str, value: str) -> None:
        connection.execute(self._put_mark, [{"name": name, "value": plain(value)}])

    def drop_mark(self, connection: Connection, name: str) -> None:
        connection.execute(delete(mark).where(mark.c.site == SITE, mark.c.name == name))

    def mark(self, connection: Connection, name: str) -> str | None:
        """Return the value of a mark; None when it is not set."""
        found = connection.execute(select(mark.c.value).where(mark.c.site == SITE, mark.c.name == name))
        return found.scalar_one_or_none()

    def marks(self, connection: Connection, beginning: str) -> list[str]:
        """Return the values of all marks whose name begins with `beginning`."""
        named = mark.c.name.startswith(beginning, autoescape=True)
        return list(connection.execute(select(mark.c.value).where(mark.c.site == SITE, named)).scalars())

    def save_rules(self, connection: Connection, version: str, body: bytes, first_used: datetime | None) -> None:
        """Write the rules of a version. A version that is there already stays as it is."""
        used_us = None if first_used is None else microseconds(first_used)
        connection.execute(self._put_rules, [{"version": plain(version), "first_used_us": used_us, "body": body}])

    def load_rules(self, connection: Connection) -> dict[str, bytes]:
        """Return the rules by their version, in the order of their first use."""
        question = select(rules.c.version, rules.c.body).where(rules.c.site == SITE)
        rows = connection.execute(question.order_by(rules.c.first_used_us, rules.c.version))
        return {row.version: row.body for row in rows}
