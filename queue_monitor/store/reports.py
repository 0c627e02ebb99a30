"""The reports: sealed versions, and questions about calls that only reports ask.

A report is added in a transaction of its own and never changed, and no owner keeps it in memory, so the process that
makes one need not own the store (docs/decisions/0010-reports-sealed-beside-the-monitor.md).
"""

import zlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, case, exists, func, insert, not_, or_, select

from queue_monitor.events import EndedBy
from queue_monitor.model import Outcome, PassedOn, RulesUsed, SealedReport
from queue_monitor.ports import StoreError
from queue_monitor.store.asking import Asking
from queue_monitor.store.database import Database
from queue_monitor.store.kept import Kind, kept_from
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import RULES
from queue_monitor.store.schema import SITE, contact, microseconds, moment, report, visit
from queue_monitor.store.state import States

_ANSWERED: Final = ("answered_in_time", "answered_late", "answered_unjudged")


class ReportRecord:
    """The record of reports. All methods raise `StoreError`."""

    def __init__(self, database: Database, asking: Asking, states: States, days: LocalDays) -> None:
        self._database = database
        self._asking = asking
        self._states = states
        self._days = days

    # ---- what is sealed

    async def sealed(self, period: str, scope: str) -> list[SealedReport]:
        """Return every version, the oldest first."""
        return await self._asking.ask(lambda connection: _versions(connection, period, scope))

    async def seal(self, new: SealedReport) -> SealedReport:
        """Add a version after the newest, unless that one has the same hash; return the one that stands."""
        return await self._database.unbroken(self._seal(new))

    async def _seal(self, new: SealedReport) -> SealedReport:
        async with self._database.adding("could not be written to") as connection:
            return await connection.run_sync(_added, new)

    # ---- what is asked of calls

    async def complete_from(self) -> dict[str, date]:
        """Return the day since which each kind is complete, for those of which something was deleted."""

        def asked(connection: Connection) -> dict[str, date]:
            kinds = Kind.CALLS, Kind.SUMS, Kind.ALERTS
            found = {kind.value: kept_from(connection, kind, self._states) for kind in kinds}
            return {kind: self._days.day_at(at_us) for kind, at_us in found.items() if at_us is not None}

        return await self._asking.ask(asked)

    async def passed_on(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> PassedOn:
        """Return how answered calls of opening hours went on."""
        its = and_(visit.c.site == contact.c.site, visit.c.contact == contact.c.key)
        ends = [EndedBy.CALLER.value, EndedBy.AGENT.value, EndedBy.SYSTEM.value]
        answered_here = and_(its, visit.c.outcome == Outcome.ANSWERED.value)
        sent = or_(visit.c.after_answer, and_(answered_here, visit.c.ended_by == EndedBy.TRANSFER.value))
        sent_on = exists(select(visit.c.number).where(its, sent))
        is_told = exists(select(visit.c.number).where(answered_here, visit.c.ended_by.in_(ends)))

        def asked(connection: Connection) -> PassedOn:
            where = [*self._of(connection, queues, start, end), contact.c.inside, contact.c.field.in_(_ANSWERED)]
            exact = func.max(contact.c.precision_ms)
            numbers = func.count(), _how_many(sent_on), _how_many(and_(not_(sent_on), not_(is_told))), exact
            answered, on, untold, precision = connection.execute(select(*numbers).where(*where)).one()
            ms = int(precision or 1)
            return PassedOn(answered=answered, sent_on=int(on or 0), untold=int(untold or 0), precision_ms=ms)

        return await self._asking.ask(asked)

    async def rules_used(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[RulesUsed]:
        """Return the versions of the rules that judged settled calls of opening hours, the first used first."""
        at_us = contact.c.at_us
        grouped = select(contact.c.rules, func.count(), func.min(at_us), func.max(at_us)).group_by(contact.c.rules)

        def asked(connection: Connection) -> list[tuple[int, int, int, int]]:
            where = [*self._of(connection, queues, start, end), contact.c.inside, contact.c.field != ""]
            return [tuple(row) for row in connection.execute(grouped.where(*where))]

        rows = await self._asking.ask(asked)
        bodies = await self._asking.ask(self._states.load_rules)
        found = []
        for number, calls, first_us, last_us in rows:
            version = await self._asking.name(RULES, number)
            body = bodies.get(version, b"").decode()
            found.append(
                RulesUsed(version=version, calls=calls, first=moment(first_us), last=moment(last_us), body=body)
            )
        return sorted(found, key=lambda rules: (rules.first, rules.version))

    def _of(self, connection: Connection, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[Any]:
        at_us = contact.c.at_us
        where: list[Any] = [contact.c.site == SITE, at_us >= microseconds(start), at_us < microseconds(end)]
        if queues is not None:
            where.append(contact.c.queue.in_(list(self._asking.queues_in(connection, queues))))
        return where


def _how_many(which: Any) -> Any:
    return func.sum(case((which, 1), else_=0))


def _versions(connection: Connection, period: str, scope: str) -> list[SealedReport]:
    where = report.c.site == SITE, report.c.period == period, report.c.scope == scope
    rows = connection.execute(select(report).where(*where).order_by(report.c.version))
    return [
        SealedReport(
            period=row.period,
            scope=row.scope,
            version=row.version,
            sha256=row.sha256,
            sealed_at=moment(row.sealed_us),
            program=row.program,
            changed=tuple(row.changed.split()),
            data=_data(row),
        )
        for row in rows
    ]


def _data(row: Any) -> bytes:
    try:
        return zlib.decompress(bytes(row.body))
    except zlib.error as error:
        of = f"the report {row.period}, version {row.version}"
        raise StoreError(f"store.url: {of}, is damaged ({error}); put back a backup (docs/backup.md)") from error


def _added(connection: Connection, new: SealedReport) -> SealedReport:
    before = _versions(connection, new.period, new.scope)
    if before and before[-1].sha256 == new.sha256:
        return before[-1]
    row = {
        "period": new.period,
        "scope": new.scope,
        "version": before[-1].version + 1 if before else 1,
        "sha256": new.sha256,
        "sealed_us": microseconds(new.sealed_at),
        "program": new.program,
        "changed": " ".join(new.changed),
        "body": zlib.compress(new.data),
    }
    connection.execute(insert(report), [row])
    return _versions(connection, new.period, new.scope)[-1]
