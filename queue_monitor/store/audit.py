"""The record of the acts of people with tokens. Nothing here changes or removes a row."""

import logging
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import insert, select

from queue_monitor.model import AdminAct
from queue_monitor.store.database import Database
from queue_monitor.store.schema import audit, microseconds

_decoder: Final = msgspec.json.Decoder(AdminAct)
_log = logging.getLogger(__name__)


class AuditRecord:
    """The record of acts. `unreadable` counts the rows that could not be decoded and were passed over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.unreadable = 0

    async def save(self, act: AdminAct) -> None:
        """Write an act. Raises `StoreError` when it was not written."""
        await self._database.unbroken(self._save(act))

    async def _save(self, act: AdminAct) -> None:
        row = {"at_us": microseconds(act.at), "body": msgspec.json.encode(act).decode()}
        async with self._database.writing("could not be written to") as connection:
            await connection.execute(insert(audit), [row])

    async def load(self, start: datetime, end: datetime) -> list[AdminAct]:
        """Return the acts from `start` to before `end`, oldest first. Raises `StoreError`."""
        return await self._database.unbroken(self._load(microseconds(start), microseconds(end)))

    async def _load(self, start_us: int, end_us: int) -> list[AdminAct]:
        question = select(audit.c.body).where(audit.c.at_us >= start_us, audit.c.at_us < end_us)
        async with self._database.reading("could not be read") as connection:
            rows = list(await connection.execute(question.order_by(audit.c.at_us, audit.c.seq)))
        found = []
        for row in rows:
            try:
                found.append(_decoder.decode(row.body))
            except msgspec.DecodeError as error:
                if not self.unreadable:
                    _log.warning("audit row passed over: reason=%s", error)
                self.unreadable += 1
        return found


class MemoryAudit:
    """The `ports.AuditLog` where there is no database: a replay, a try-out. It is gone with the process."""

    def __init__(self) -> None:
        self._acts: list[AdminAct] = []

    async def save_act(self, act: AdminAct) -> None:
        self._acts.append(act)

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        return [act for act in self._acts if start <= act.at < end]
