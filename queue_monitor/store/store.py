"""The store as the other rooms see it: every door of `ports` that keeps something.

Longer than 450 lines because every door of the store stands here, each a few lines that hand over to the module which
does the work.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, or_, select

from queue_monitor.events import Event
from queue_monitor.model import (
    AdminAct,
    AlertBatch,
    CallsOfMinute,
    Committed,
    Counts,
    CoverageRecord,
    DayVisit,
    DifferenceRecord,
    HalfHour,
    ImportRecord,
    JournalBatch,
    Known,
    Level,
    Outcome,
    PassedOn,
    RecordedAlert,
    RepeatDay,
    RulesUsed,
    SealedReport,
    SkippedEvent,
    StoredCall,
    StoredRefusal,
    StoredVisit,
    StoreNow,
    SumRow,
)
from queue_monitor.ports import Outdated
from queue_monitor.store.agents import Agents
from queue_monitor.store.alerts import AlertRecord
from queue_monitor.store.asking import Asking
from queue_monitor.store.audit import AuditRecord
from queue_monitor.store.calls import CallRows
from queue_monitor.store.commit import NOT_WRITTEN, REAL, SIMULATED, Writer
from queue_monitor.store.copying import faults
from queue_monitor.store.database import Database
from queue_monitor.store.day_visits import DayVisits
from queue_monitor.store.differences import DifferenceRows
from queue_monitor.store.figures import Figures
from queue_monitor.store.history import History
from queue_monitor.store.imported_days import ImportedDays
from queue_monitor.store.imports import Imports
from queue_monitor.store.journal import Journal, chunks
from queue_monitor.store.kept import Kind, Order, kept_from
from queue_monitor.store.learned import LearnedDocument
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import Names
from queue_monitor.store.reading import OF_AGENTS, OF_STARTS, Reader
from queue_monitor.store.rebuild import Recount, SumDifference, dumped, forget_from, midnight_us
from queue_monitor.store.refusals import RefusalRows
from queue_monitor.store.repeats import RepeatRows
from queue_monitor.store.reports import ReportRecord
from queue_monitor.store.retention import SKIPPED, Deletion
from queue_monitor.store.schema import (
    IS_OPEN,
    SITE,
    alert,
    audit,
    contact,
    journal,
    lease,
    metadata,
    microseconds,
    moment,
    pack,
    report,
    site,
    sums,
)
from queue_monitor.store.state import States
from queue_monitor.store.sums import DAY, Sums

T = TypeVar("T")

_LOOK_UP: Final = 500
_PACK_AT_ONCE: Final = 500
_WRITTEN: Final = "could not be written to"


class SqlStore:
    """The `ports.Store`, `ReportStore`, `AlertStore` and `AuditLog` over one database. Made by `open_store`."""

    def __init__(self, database: Database, days: LocalDays, agents: Agents) -> None:
        self._database = database
        self._days = days
        self._alerts = AlertRecord(database)
        self._learned = LearnedDocument(database)
        self._audit = AuditRecord(database)
        self._journal = Journal(database)
        # Names that a transaction has made, and may yet undo, are no reader's matter: each has a list of its own.
        self._names = Names()
        self._states = States(database, self._names)
        self._differences = DifferenceRows(database, self._names)
        self._repeats = RepeatRows(database, self._names)
        self._sums = Sums(database, days)
        self._calls = CallRows(database, self._names, agents, days)
        refusals = RefusalRows(database, self._names)
        self._imported_days = ImportedDays(self._names, days)
        self._writer = Writer(self._journal, self._calls, refusals, self._sums, self._states, self._imported_days)
        self._deletion = Deletion(database, self._journal, self._sums, self._states, days)
        self._seen_names = Names()
        self._seen_states = States(database, self._seen_names)
        self._seen_differences = DifferenceRows(database, self._seen_names)
        self._seen_repeats = RepeatRows(database, self._seen_names)
        self._asking = Asking(database, self._seen_names)
        self._history = History(self._asking)
        self._figures = Figures(self._asking)
        self._day_visits = DayVisits(self._asking, agents, days)
        self._reports = ReportRecord(database, self._asking, self._seen_states, days)
        self._one_at_a_time = asyncio.Lock()
        of_rows = self._names, self._states, self._calls, self._sums, self._journal
        self.imports = Imports(database, *of_rows, days, self._write_rows, self._asking.ask)

    @property
    def unreadable(self) -> int:
        """Return the number of rows passed over since the store was opened because they could not be decoded."""
        return self._journal.unreadable + self._alerts.unreadable + self._audit.unreadable

    # --- writing

    async def commit(self, batch: JournalBatch, beside: Callable[[Connection], None] | None = None) -> Committed:
        """Write a batch, as the door says. `beside` is done in the same transaction; it may add imported days.

        When cancelled, the batch may still be committed, whole; the same batch again then changes nothing.
        """
        return await self._database.unbroken(self._commit(batch, beside))

    async def _commit(self, batch: JournalBatch, beside: Callable[[Connection], None] | None) -> Committed:
        async with self._one_at_a_time:
            try:
                async with self._database.writing(_WRITTEN) as connection:
                    committed = await connection.run_sync(self._writer.commit, batch)
                    if beside is not None:
                        await connection.run_sync(beside)
            except Outdated:
                self._undone()
                raise
            except BaseException:
                self._undone()
                self._writer.unclear()
                raise
            self._writer.settled()
            if beside is not None:
                self._imported_days.evict()
            return committed

    def _undone(self) -> None:
        self._writer.evict()
        self._names.evict()

    async def append(self, events: Sequence[Event], received_at: datetime) -> int:
        """Commit events alone; return how many were new. Raises `StoreError`, and `Outdated` as `commit` does."""
        if not events:
            return 0
        committed = await self.commit(JournalBatch(events=tuple(events), received_at=received_at))
        return len(events) - len(committed.repeated)

    async def pack(self, before: datetime, at_most: int = 10_000) -> int:
        done = 0
        while done < at_most:
            work = partial(
                self._journal.pack, before_us=microseconds(before), at_most=min(_PACK_AT_ONCE, at_most - done)
            )
            now = await self._write(work)
            done += now
            if not now:
                break
        if done:
            await self._database.give_back()
        return done

    async def _write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, in turn with the commits."""
        return await self._database.unbroken(self._written(work))

    async def _write_rows(self, work: Callable[[Connection], T]) -> T:
        """Do work that changes rows, names or sums in one transaction; memory then forgets what it had of them."""
        try:
            return await self._write(work)
        finally:
            self._undone()
            self._seen_names.evict()

    async def _written(self, work: Callable[[Connection], T]) -> T:
        async with self._one_at_a_time, self._database.writing(_WRITTEN) as connection:
            return await connection.run_sync(work)

    # --- the journal

    async def read(self, since: datetime) -> AsyncIterator[Event]:
        async for _, event in self.read_numbered(since):
            yield event

    def read_numbered(self, since: datetime, *, of_agents: bool = False) -> AsyncIterator[tuple[int, Event]]:
        only = OF_AGENTS if of_agents else None
        return Reader(self._database, self._journal, microseconds(since), -1, only).events()

    def read_after(self, seq: int) -> AsyncIterator[tuple[int, Event]]:
        return Reader(self._database, self._journal, None, seq).events()

    async def look_up(self, events: Sequence[Event]) -> list[Known]:
        found: list[Known] = []
        for chunk in chunks(events, _LOOK_UP):
            found += await self._ask(partial(self._journal.look_up, events=chunk))
        return found

    async def latest(self, count: int) -> list[datetime]:
        def latest(connection: Connection) -> list[datetime]:
            rows = connection.execute(select(journal.c.at_us).order_by(journal.c.seq.desc()).limit(count))
            found = [moment(row.at_us) for row in rows]
            if len(found) < count:
                packs = select(pack.c.last_us).where(pack.c.site == SITE).order_by(pack.c.last_seq.desc())
                found += [moment(row.last_us) for row in connection.execute(packs.limit(count - len(found)))]
            return found

        return await self._ask(latest)

    async def newest_at(self) -> datetime | None:
        def newest(connection: Connection) -> int | None:
            in_rows = connection.execute(select(func.max(journal.c.at_us)).where(journal.c.site == SITE)).scalar()
            in_packs = connection.execute(select(func.max(pack.c.last_us)).where(pack.c.site == SITE)).scalar()
            return max((us for us in (in_rows, in_packs) if us is not None), default=None)

        at_us = await self._ask(newest)
        return None if at_us is None else moment(at_us)

    async def _ask(self, question: Callable[[Connection], T]) -> T:
        return await self._asking.ask(question)

    # --- history

    async def load_calls(self, keys: Iterable[str], before: datetime | None = None) -> list[bytes]:
        """Return the evidence of these calls; with `before`, of those that count before that moment."""
        return await self._figures.load_calls(keys, before)

    async def load_recent(self, since: datetime) -> list[bytes]:
        return await self._figures.load_recent(since)

    async def load_minutes(self, start: datetime) -> list[CallsOfMinute]:
        return await self._figures.load_minutes(start)

    def day_visits(self, start: datetime, end: datetime, agent_ids: Iterable[str]) -> AsyncIterator[list[DayVisit]]:
        return self._day_visits.read(start, end, agent_ids)

    async def load_states(self) -> tuple[int, dict[str, bytes]]:
        return await self._ask(self._seen_states.load)

    async def totals(self) -> dict[str, Counts]:
        return await self._figures.totals()

    async def sums(
        self, level: Level, queues: Sequence[str] | None, start: datetime, end: datetime, step: str
    ) -> list[SumRow]:
        return await self._figures.sums(level, queues, start, end, step)

    async def half_hours(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[HalfHour]:
        return await self._figures.half_hours(queues, start, end)

    async def coverage(self, first: date, last: date) -> list[CoverageRecord]:
        return await self._ask(lambda connection: self._seen_states.load_days(connection, first, last))

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        return await self._ask(lambda connection: self._seen_differences.load(connection, first, last))

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return await self._ask(lambda connection: self._seen_repeats.load(connection, first, last))

    async def save_repeat_callers(self, days: Sequence[RepeatDay]) -> None:
        await self._write_rows(lambda connection: self._repeats.save(connection, days))

    async def save_differences(self, records: Sequence[DifferenceRecord]) -> None:
        await self._write_rows(lambda connection: self._differences.save(connection, records))

    async def calls(
        self,
        start: datetime,
        end: datetime,
        queue: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int | None = None,
        visits_from: int | None = 0,
        outcomes: Collection[Outcome] | None = None,
    ) -> list[StoredCall]:
        return await self._history.calls(start, end, queue, after, limit, visits_from, outcomes)

    async def import_records(self, first: date, last: date) -> list[ImportRecord]:
        """Return the imports on which the days from first to last rest; one whose days others replaced is none."""
        found = [one for one in await self.imports.records() if one.touches(first, last)]
        there = await self.imports.names_within(first, last) if found else set()
        return [one for one in found if one.name in there]

    async def refusals(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredRefusal]:
        return await self._history.refusals(start, end, queue)

    async def visits(
        self, queue: str | None, start: datetime, end: datetime, *, after_answer: bool
    ) -> list[StoredVisit]:
        return await self._history.visits(queue, start, end, after_answer=after_answer)

    async def health(self) -> StoreNow:
        not_written = await self._ask(lambda connection: self._seen_states.mark(connection, NOT_WRITTEN))
        bare = await self._history.not_derived()
        kept, calls = await self._ask(self._kept_from)
        return StoreNow(
            not_derived=bare + int(not_written or 0),
            unreadable=self.unreadable,
            first_kept=None if kept is None else self._days.day_at(kept),
            calls_kept=None if calls is None else self._days.day_at(calls),
        )

    def _kept_from(self, connection: Connection) -> tuple[int | None, int | None]:
        """Return since when journal and calls are both complete, and since when calls are."""
        journal, calls = (kept_from(connection, kind, self._seen_states) for kind in (Kind.JOURNAL, Kind.CALLS))
        return max((us for us in (journal, calls) if us is not None), default=None), calls

    # --- what is no longer kept

    async def begin_deletion(self, order: Order) -> bool:
        """Return whether there is anything to delete. If so, `first_kept` says from now on that it is going."""
        return await self._write(lambda connection: self._deletion.begin(connection, order))

    async def delete_some(self, kind: Kind, now: datetime) -> bool:
        """Delete some of what `begin_deletion` began, in one short transaction.

        Returns whether it was the last of it, and all of it stands in the audit.
        """
        return await self._write(lambda connection: self._deletion.step(connection, kind, now))

    async def stop_deletion(self, kind: Kind, now: datetime) -> None:
        """Leave the rest, and write what was deleted into the audit."""
        await self._write(lambda connection: self._deletion.stop(connection, kind, now))

    async def deletions_going_on(self) -> list[Order]:
        """Return the deletions that were broken off."""
        return await self._ask(self._deletion.going_on)

    async def note_files(self, order: Order, files: Sequence[str]) -> tuple[str, ...]:
        """Note the names of files to be deleted outside the database, before they are; return all that are to go."""
        return await self._write(lambda connection: self._deletion.begin_files(connection, order, files))

    async def files_are_gone(self, kind: Kind, now: datetime) -> None:
        """Write the files that `note_files` noted into the audit, as deleted."""
        await self._write(lambda connection: self._deletion.finish_files(connection, kind, now))

    async def leave_no_trace(self) -> None:
        """Write a SQLite file anew after a deletion, which gives its room back to the disk, and empty the log.

        Commits wait meanwhile: some seconds for some hundred megabytes.
        """
        async with self._one_at_a_time:
            await self._database.write_anew()
        await self._database.empty_log()

    # --- rules and marks

    async def save_rules(self, version: str, body: bytes, first_used: datetime | None = None) -> None:
        """Keep the rules that calls are judged under. A version that is there already stays as it is."""
        await self._write(lambda connection: self._states.save_rules(connection, version, body, first_used))

    async def load_rules(self) -> dict[str, bytes]:
        """Return all rules by version."""
        return await self._ask(self._seen_states.load_rules)

    async def note(self, name: str, value: str) -> None:
        """Keep a text under a name, "" for none."""
        await self._write(lambda connection: self._states.set_mark(connection, f"note {name}", value))

    async def noted(self, name: str) -> str:
        """Return the text that `note` kept."""
        return await self._ask(lambda connection: self._seen_states.mark(connection, f"note {name}")) or ""

    async def save_skipped(self, event: SkippedEvent) -> None:
        value = msgspec.json.encode(event).decode()
        await self._write(lambda connection: self._states.set_mark(connection, f"{SKIPPED}{event.key}", value))

    async def load_skipped(self) -> list[SkippedEvent]:
        values = await self._ask(lambda connection: self._seen_states.marks(connection, SKIPPED))
        return [msgspec.json.decode(value, type=SkippedEvent) for value in values]

    async def mark_simulated(self) -> None:
        """Mark that a simulation writes to this store."""
        await self._write(lambda connection: self._states.set_mark(connection, SIMULATED, ""))

    async def is_simulated(self) -> bool:
        return await self._ask(lambda connection: self._seen_states.mark(connection, SIMULATED)) is not None

    async def holds_real(self) -> bool:
        """Return whether the journal has an event of a switch that is not simulated."""
        return await self._ask(lambda connection: self._seen_states.mark(connection, REAL)) is not None

    async def wipe(self) -> None:
        """Delete everything, marks too."""
        try:
            await self._write(_wipe)
        finally:
            self._undone()
            self._seen_names.evict()
        await self._database.give_back()

    # --- making history anew

    async def forget_from(self, start: datetime) -> None:
        """Delete calls, visits, refused callers and sums from the local day of that moment on, in one transaction.

        The journal stays.
        """
        start_us = midnight_us(self._days, start)
        await self._write_rows(partial(forget_from, start_us=start_us, tables=self._sums, states=self._states))

    async def faults(self) -> list[str]:
        """Return where a SQLite file contradicts itself, in SQLite's words; PostgreSQL has
        tools of its own for this.
        """
        return await asyncio.to_thread(faults, self._database.file) if self._database.file else []

    async def sum_differences(self) -> AsyncIterator[SumDifference]:
        """Yield the differences between the sums and the rows."""
        recount = Recount(self._asking, self._days, Sums(self._database, self._days), self._seen_states)
        async for found in recount.differences():
            yield found

    def rows(self) -> AsyncIterator[tuple[Any, ...]]:
        """Yield all rows of history, to compare two stores; numbers of the journal and evidence are left out."""
        return dumped(self._database, self._asking)

    # --- what making history anew asks

    async def oldest_at(self) -> datetime | None:
        """Return when the oldest event of the journal happened; None while it is empty."""

        def oldest(connection: Connection) -> int | None:
            in_rows = connection.execute(select(func.min(journal.c.at_us)).where(journal.c.site == SITE)).scalar()
            in_packs = connection.execute(select(func.min(pack.c.first_us)).where(pack.c.site == SITE)).scalar()
            return min((us for us in (in_rows, in_packs) if us is not None), default=None)

        at_us = await self._ask(oldest)
        return None if at_us is None else moment(at_us)

    async def begins(self) -> dict[Kind, datetime]:
        """Return when the oldest of each kind happened that is kept; a kind of which there is none is left out."""
        questions = {
            Kind.CALLS: select(func.min(contact.c.at_us)).where(contact.c.site == SITE),
            Kind.SUMS: select(func.min(sums.c.start_us)).where(sums.c.site == SITE, sums.c.step == DAY),
            Kind.ALERTS: select(func.min(alert.c.at_us)),
            Kind.AUDIT: select(func.min(audit.c.at_us)),
            Kind.REPORTS: select(func.min(report.c.sealed_us)).where(report.c.site == SITE),
        }

        def begins(connection: Connection) -> dict[Kind, datetime]:
            found = {kind: connection.execute(question).scalar() for kind, question in questions.items()}
            return {kind: moment(at_us) for kind, at_us in found.items() if at_us is not None}

        oldest = await self.oldest_at()
        return await self._ask(begins) | ({} if oldest is None else {Kind.JOURNAL: oldest})

    async def newest_seq(self) -> int:
        """Return the journal's newest number; 0 while it is empty."""
        return await self._ask(lambda connection: self._journal.newest_seq(connection))

    async def count_events(self, start: datetime) -> int:
        """Return how many events happened at or after that moment: packs that begin before it count whole."""
        start_us = microseconds(start)

        def count(connection: Connection) -> int:
            rows = select(func.count()).where(journal.c.site == SITE, journal.c.at_us >= start_us)
            packs = select(func.sum(pack.c.events)).where(pack.c.site == SITE, pack.c.last_us >= start_us)
            return int(connection.execute(rows).scalar() or 0) + int(connection.execute(packs).scalar() or 0)

        return await self._ask(count)

    async def events_between(self, start: datetime, end: datetime) -> list[Event]:
        """Return the events that happened from `start` to before `end`, in that order."""
        return await self._ask(
            lambda connection: self._journal.between(connection, microseconds(start), microseconds(end))
        )

    async def calls_changed_after(self, seq: int) -> set[str]:
        """Return the ids of calls that were written with a higher journal number."""

        def changed(connection: Connection) -> set[str]:
            rows = connection.execute(select(contact.c.key).where(contact.c.site == SITE, contact.c.seq > seq))
            return {bytes(row.key).hex() for row in rows}

        return await self._ask(changed)

    async def starts_between(self, start: datetime, end: datetime) -> list[Event]:
        """Return the events of that time by which a switch may have begun anew, in that order."""
        return await self._ask(
            lambda connection: self._journal.between(connection, microseconds(start), microseconds(end), OF_STARTS)
        )

    async def load_across(self, start: datetime, back: timedelta, since: datetime) -> list[bytes]:
        recent = contact.c.at_us >= microseconds(start - back), contact.c.at_us < microseconds(start)
        goes_on = or_(contact.c.last_us >= microseconds(since), IS_OPEN)
        question = select(contact.c.evidence).where(contact.c.site == SITE, *recent, goes_on)
        return await self._ask(lambda connection: [bytes(row.evidence) for row in connection.execute(question)])

    async def count_calls(self, start: datetime) -> int:
        """Return how many calls count at or after that moment."""
        where = (contact.c.site == SITE, contact.c.at_us >= microseconds(start))
        return await self._ask(
            lambda connection: int(connection.execute(select(func.count()).where(*where)).scalar() or 0)
        )

    # --- reports

    async def complete_from(self) -> dict[str, date]:
        return await self._reports.complete_from()

    async def passed_on(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> PassedOn:
        return await self._reports.passed_on(queues, start, end)

    async def rules_used(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[RulesUsed]:
        return await self._reports.rules_used(queues, start, end)

    async def sealed_reports(self, period: str, scope: str) -> list[SealedReport]:
        return await self._reports.sealed(period, scope)

    async def seal_report(self, report: SealedReport) -> SealedReport:
        async with self._one_at_a_time:
            return await self._reports.seal(report)

    # --- alerts, acts, and what was learned

    async def save_alerts(self, batch: AlertBatch) -> None:
        await self._alerts.save(batch)

    async def load_alerts(self, since: datetime) -> AlertBatch:
        return await self._alerts.load(since)

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        return await self._alerts.between(start, end)

    async def alert_changes(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        return await self._alerts.changes(start, end)

    async def save_learned(self, body: bytes) -> None:
        await self._learned.save(body)

    async def load_learned(self) -> bytes | None:
        return await self._learned.load()

    async def save_act(self, act: AdminAct) -> None:
        await self._audit.save(act)

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        return await self._audit.load(start, end)

    async def close(self) -> None:
        await self._database.close()


def _wipe(connection: Connection) -> None:
    """Delete all rows but the lease, for the store is still owned, and the site."""
    for table in metadata.sorted_tables:
        if table.name not in (lease.name, site.name):
            connection.execute(delete(table))
