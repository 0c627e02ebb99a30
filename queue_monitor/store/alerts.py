"""The record of alerts. Messages and their results stay; the state of the alerts is replaced."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_monitor.model import Acknowledgement, Alert, AlertBatch, Attempt, Notice, NoticeState, RecordedAlert
from queue_monitor.store.database import Database
from queue_monitor.store.schema import acknowledgement, alert, alert_state, attempt, microseconds, notice

T = TypeVar("T")

_STATE: Final = "state"
_SECRET: Final = "secret"

_log = logging.getLogger(__name__)


class AlertRecord:
    """The record of alerts. `unreadable` counts the rows that could not be decoded and were passed over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.unreadable = 0

    async def save(self, batch: AlertBatch) -> None:
        """Write a batch in one transaction. Raises `StoreError` when nothing of it was written."""
        await self._database.unbroken(self._save(batch))

    async def _save(self, batch: AlertBatch) -> None:
        kept = [(_STATE, batch.state), (_SECRET, batch.secret)]
        async with self._database.writing("could not be written to") as connection:
            await self._put(
                connection,
                alert_state,
                [{"name": name, "body": body} for name, body in kept if body is not None],
                replaced=("body",),
            )
            await self._put(connection, alert, map(_alert_row, batch.alerts))
            await self._put(connection, notice, map(_notice_row, batch.notices), replaced=("state", "body"))
            await self._put(connection, attempt, map(_attempt_row, batch.attempts))
            await self._put(connection, acknowledgement, map(_acknowledgement_row, batch.acknowledgements))

    async def _put(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Iterable[dict[str, object]],
        replaced: tuple[str, ...] = (),
    ) -> None:
        values = list(rows)
        if not values:
            return
        insert = self._database.insert(table)
        keys = table.primary_key.columns.keys()
        if replaced:
            new = {name: insert.excluded[name] for name in replaced}
            await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=new), values)
        else:
            await connection.execute(insert.on_conflict_do_nothing(index_elements=keys), values)

    async def load(self, since: datetime) -> AlertBatch:
        """Return the state, and the record from `since` on with all notices that wait. Raises `StoreError`."""
        return await self._database.unbroken(self._load(microseconds(since)))

    async def _load(self, since_us: int) -> AlertBatch:
        waiting = or_(notice.c.made_at_us >= since_us, notice.c.state == NoticeState.PENDING.value)
        async with self._database.reading("could not be read") as connection:
            states = {row.name: row.body for row in await connection.execute(select(alert_state))}
            alerts = await _bodies(connection, alert, alert.c.at_us >= since_us, alert.c.at_us)
            notices = await _bodies(connection, notice, waiting, notice.c.made_at_us)
            attempts = await _bodies(connection, attempt, attempt.c.at_us >= since_us, attempt.c.at_us)
            seen = await _bodies(
                connection, acknowledgement, acknowledgement.c.at_us >= since_us, acknowledgement.c.at_us
            )
        return AlertBatch(
            state=states.get(_STATE),
            secret=states.get(_SECRET),
            alerts=self._decoded(alerts, Alert),
            notices=self._decoded(notices, Notice),
            attempts=self._decoded(attempts, Attempt),
            acknowledgements=self._decoded(seen, Acknowledgement),
        )

    async def changes(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """Return the alerts as `between` does, without the messages. Raises `StoreError`."""
        return await self._database.unbroken(self._changes(microseconds(start), microseconds(end)))

    async def _changes(self, start_us: int, end_us: int) -> list[RecordedAlert]:
        happened = select(alert.c.episode).where(alert.c.at_us >= start_us, alert.c.at_us < end_us)
        async with self._database.reading("could not be read") as connection:
            alerts = await _bodies(connection, alert, alert.c.episode.in_(happened), alert.c.at_us)
        return AlertBatch(alerts=self._decoded(alerts, Alert)).by_alert()

    async def between(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """Return every alert that changed from `start` to before `end`, whole. Raises `StoreError`."""
        return await self._database.unbroken(self._between(microseconds(start), microseconds(end)))

    async def _between(self, start_us: int, end_us: int) -> list[RecordedAlert]:
        happened = select(alert.c.episode).where(alert.c.at_us >= start_us, alert.c.at_us < end_us)
        began = select(func.min(alert.c.at_us)).where(alert.c.episode.in_(happened))
        made = notice.c.made_at_us >= began.scalar_subquery()
        of_notices = attempt.c.notice.in_(select(notice.c.id).where(made))
        async with self._database.reading("could not be read") as connection:
            alerts = await _bodies(connection, alert, alert.c.episode.in_(happened), alert.c.at_us)
            notices = await _bodies(connection, notice, made, notice.c.made_at_us)
            attempts = await _bodies(connection, attempt, of_notices, attempt.c.at_us)
            seen = await _bodies(
                connection, acknowledgement, acknowledgement.c.episode.in_(happened), acknowledgement.c.at_us
            )
        found = AlertBatch(
            alerts=self._decoded(alerts, Alert),
            notices=self._decoded(notices, Notice),
            attempts=self._decoded(attempts, Attempt),
            acknowledgements=self._decoded(seen, Acknowledgement),
        )
        return found.by_alert()

    def _decoded(self, bodies: Iterable[str], kind: type[T]) -> tuple[T, ...]:
        decode: Callable[[str], T] = msgspec.json.Decoder(kind).decode
        found = []
        for body in bodies:
            try:
                found.append(decode(body))
            except msgspec.DecodeError as error:
                if not self.unreadable:
                    _log.warning("alert row passed over: kind=%s reason=%s", kind.__name__, error)
                self.unreadable += 1
        return tuple(found)


async def _bodies(connection: AsyncConnection, table: Table, which: Any, order: Any) -> list[str]:
    question = select(table.c.body).where(which).order_by(order, *table.primary_key.columns)
    return [row.body for row in await connection.execute(question)]


def _body(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


def _alert_row(changed: Alert) -> dict[str, object]:
    return {
        "episode": changed.episode,
        "at_us": microseconds(changed.at),
        "change": changed.change.value,
        "body": _body(changed),
    }


def _notice_row(made: Notice) -> dict[str, object]:
    return {
        "id": made.id,
        "made_at_us": microseconds(made.made_at),
        "state": made.state.value,
        "body": _body(made),
    }


def _attempt_row(tried: Attempt) -> dict[str, object]:
    return {
        "notice": tried.notice,
        "number": tried.number,
        "at_us": microseconds(tried.at),
        "body": _body(tried),
    }


def _acknowledgement_row(seen: Acknowledgement) -> dict[str, object]:
    return {"episode": seen.episode, "at_us": microseconds(seen.at), "body": _body(seen)}
