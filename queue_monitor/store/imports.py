"""The imports in the store: the record of each, the days of calls that they brought, and the other holders of a day.

Longer than 450 lines because the rows of an import, their record and its comparison change together.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, or_, select, update

from queue_monitor.model import IMPORT_SOURCE, CoverageRecord, ImportRecord, RefusalRecord
from queue_monitor.queues import queue_key
from queue_monitor.store.calls import CallRows
from queue_monitor.store.commit import REAL
from queue_monitor.store.database import Database
from queue_monitor.store.day_facts import DayFacts, day_facts, of_source
from queue_monitor.store.journal import Journal, chunks
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE, SOURCE, Names
from queue_monitor.store.rebuild import SUMMED_UNTIL, compared, stored_and_counted
from queue_monitor.store.refusals import refusal_key
from queue_monitor.store.refusals import shares as refusal_shares
from queue_monitor.store.schema import (
    SITE,
    call_key,
    contact,
    coverage,
    imported,
    imported_day,
    journal,
    pack,
    refusal,
    repeat_callers,
    visit,
)
from queue_monitor.store.state import States
from queue_monitor.store.sums import Sums

T = TypeVar("T")
Ask = Callable[[Callable[[Connection], Any]], Awaitable[Any]]

JOURNAL: Final = "journal"
SUMS_ONLY: Final = "sums"
_SEALED_AT_ONCE: Final = 7
_KEYS: Final = 200
_HOUR_US: Final = 3_600_000_000
_MAX_CALL_US: Final = 48 * _HOUR_US


class ImportedDay(NamedTuple):
    """One day of one queue for which an import brought calls."""

    source: str
    day: date
    queue: str


class DayDifference(Struct, frozen=True, kw_only=True):
    """An imported day whose rows are not those that were imported.

    `is_open`: the import was broken off there.
    `keys`: the calls of that day, to be compared one by one.
    """

    where: ImportedDay
    is_open: bool
    calls: int
    calls_now: int
    refused: int
    refused_now: int
    keys: tuple[bytes, ...] = ()


class Imports:
    """The imports, reached as `SqlStore.imports`. All methods raise `StoreError`.

    `write`: does work in a transaction of its own, and lets memory forget what it had of rows and sums.
    `ask`: only reads.
    """

    def __init__(
        self,
        database: Database,
        names: Names,
        states: States,
        calls: CallRows,
        tables: Sums,
        records: Journal,
        days: LocalDays,
        write: Ask,
        ask: Ask,
    ) -> None:
        self._names = names
        self._states = states
        self._calls = calls
        self._sums = tables
        self._journal = records
        self._days = days
        self._write = write
        self._ask = ask
        put, key = database.insert(imported_day), ["site", "source", "day", "queue"]
        self._touch_day = put.on_conflict_do_update(index_elements=key, set_={"is_sealed": False})
        self._replace_day = put.on_conflict_do_update(index_elements=key, set_={"is_sealed": False, "replaces": True})

    # ---- before and while calls are imported

    async def begin(self) -> None:
        """Mark that the store holds calls that nobody simulated."""
        await self._write(lambda connection: self._states.set_mark(connection, REAL, ""))

    async def progress(self, name: str) -> str:
        """Return the progress that `touch` noted for an import that was broken off; "" where none was."""
        found: str = await self._ask(lambda connection: self._states.mark(connection, _noted(name)) or "")
        return found

    def touch(self, connection: Connection, name: str, days: Iterable[tuple[date, str]], progress: str) -> None:
        """Note that these days and queues have calls of an import, and its progress, in the transaction that writes the
        calls.
        """
        self._put_days(connection, name, days, replaces=False)
        self._states.set_mark(connection, _noted(name), progress)

    def _put_days(self, connection: Connection, name: str, days: Iterable[tuple[date, str]], *, replaces: bool) -> None:
        source, found = IMPORT_SOURCE + name, list(days)
        if not found:
            return
        self._names.ensure(connection, SOURCE, [source])
        self._names.ensure(connection, QUEUE, dict.fromkeys(queue for _, queue in found))
        new = {"calls": 0, "stays": 0, "refused": 0, "digest": 0, "replaces": replaces, "is_sealed": False}
        new["source"] = self._names.id(SOURCE, source)
        rows = [new | {"day": day, "queue": self._names.id(QUEUE, queue)} for day, queue in found]
        connection.execute(self._replace_day if replaces else self._touch_day, rows)

    async def holders(self, day: date, name: str) -> dict[str, str]:
        """Return by key the queues that have calls of a day from elsewhere, and their holder.

        The holder is `JOURNAL`, `SUMS_ONLY` where the sums are of calls that are no longer kept, or the name of another
        import.
        """
        found: dict[str, str]
        found, has_journal = await self._ask(
            lambda connection: (self._holders(connection, day, name), self._has_journal(connection, day))
        )
        if has_journal:
            for hour_us in range(self._days.start_us(day), self._days.start_us(day + timedelta(days=1)), _HOUR_US):
                for key in await self._ask(partial(self._told_of, start_us=hour_us)):
                    found.setdefault(key, JOURNAL)
        return found

    def _holders(self, connection: Connection, day: date, name: str) -> dict[str, str]:
        start_us, end_us = self.span(day)
        number = self._names.find(connection, SOURCE, IMPORT_SOURCE + name) or 0
        edge = self._states.mark(connection, SUMMED_UNTIL)
        of_sums: set[int] = set()
        if edge is not None and start_us < int(edge):
            of_sums = {key.queue for key, *_ in compared(*stored_and_counted(connection, self._sums, start_us, end_us))}
        found = {self._key(connection, queue): SUMS_ONLY for queue in of_sums}
        for table, at in ((visit, visit.c.at_us), (refusal, refusal.c.counted_us)):
            within = (table.c.site == SITE, at >= start_us, at < end_us)
            others = select(table.c.queue, table.c.source).where(*within, table.c.source != number).distinct()
            for row in connection.execute(others):
                source = self._names.text(connection, SOURCE, row.source)
                other = source.removeprefix(IMPORT_SOURCE) if source.startswith(IMPORT_SOURCE) else JOURNAL
                if row.queue not in of_sums:
                    found[self._key(connection, row.queue)] = other
        return found

    def _has_journal(self, connection: Connection, day: date) -> bool:
        start_us, end_us = self.span(day)
        in_rows = (journal.c.site == SITE, journal.c.at_us >= start_us, journal.c.at_us < end_us)
        in_packs = (pack.c.site == SITE, pack.c.last_us >= start_us, pack.c.first_us < end_us)
        either = or_(exists(select(journal.c.seq).where(*in_rows)), exists(select(pack.c.id).where(*in_packs)))
        return bool(connection.execute(select(either)).scalar_one())

    def _told_of(self, connection: Connection, start_us: int) -> set[str]:
        events = self._journal.between(connection, start_us, start_us + _HOUR_US)
        return {queue_key(queue) for event in events if (queue := getattr(event, "queue", ""))}

    async def replace(self, name: str, days: Sequence[tuple[date, str]]) -> int:
        """Remove the calls that others brought of these days and queues, with their sums and the counts of callers who
        called again; return how many calls and refused callers went.

        From now on what the journal has of these days and queues is not counted.
        """
        gone: int = await self._write(partial(self._replace, name=name, days=days))
        return gone

    def _replace(self, connection: Connection, name: str, days: Sequence[tuple[date, str]]) -> int:
        self._put_days(connection, name, days, replaces=True)
        number, gone = self._names.id(SOURCE, IMPORT_SOURCE + name), 0
        for day, queue in days:
            start_us, end_us = self.span(day)
            its = self._names.id(QUEUE, queue)
            within = (visit.c.at_us >= start_us, visit.c.at_us < end_us, visit.c.queue == its, visit.c.source != number)
            keys = connection.execute(select(visit.c.contact).where(visit.c.site == SITE, *within).distinct()).scalars()
            gone += self._take_out(connection, [bytes(key) for key in keys])
            of_day = (
                *(refusal.c.site == SITE, refusal.c.counted_us >= start_us, refusal.c.counted_us < end_us),
                *(refusal.c.queue == its, refusal.c.source != number),
            )
            refused = connection.execute(select(refusal).where(*of_day)).mappings().all()
            self._sums.move(connection, [each for row in refused for each in refusal_shares(row)], [])
            connection.execute(delete(refusal).where(*of_day))
            gone += len(refused)
            others = (imported_day.c.day == day, imported_day.c.queue == its, imported_day.c.source != number)
            connection.execute(delete(imported_day).where(imported_day.c.site == SITE, *others))
            again = (repeat_callers.c.day == day, repeat_callers.c.queue == its)
            connection.execute(delete(repeat_callers).where(repeat_callers.c.site == SITE, *again))
        return gone

    def _take_out(self, connection: Connection, keys: Sequence[bytes]) -> int:
        for chunk in chunks(keys, _KEYS):
            old = self._calls.load(connection, chunk)
            connection.execute(delete(visit).where(visit.c.site == SITE, visit.c.contact.in_(chunk)))
            connection.execute(delete(call_key).where(call_key.c.site == SITE, call_key.c.contact.in_(chunk)))
            connection.execute(delete(contact).where(contact.c.site == SITE, contact.c.key.in_(chunk)))
            self._sums.move(connection, [each for its in old.values() for each in its.shares], [])
        return len(keys)

    async def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of these calls the store has."""

        def known(connection: Connection) -> set[bytes]:
            return {
                bytes(key)
                for chunk in chunks(keys, _KEYS)
                for key in connection.execute(
                    select(contact.c.key).where(contact.c.site == SITE, contact.c.key.in_(chunk))
                ).scalars()
            }

        found: set[bytes] = await self._ask(known)
        return found

    async def places_of(self, keys: Sequence[bytes]) -> dict[bytes, set[tuple[date, str]]]:
        """Return the days and queues, by key, of the stays of those of these calls that the store has."""

        def places(connection: Connection) -> dict[bytes, set[tuple[date, str]]]:
            found: dict[bytes, set[tuple[date, str]]] = {}
            for chunk in chunks(keys, _KEYS):
                question = select(visit.c.contact, visit.c.at_us, visit.c.queue)
                for row in connection.execute(question.where(visit.c.site == SITE, visit.c.contact.in_(chunk))):
                    its = found.setdefault(bytes(row.contact), set())
                    its.add((self._days.day_at(row.at_us), self._key(connection, row.queue)))
            return found

        found: dict[bytes, set[tuple[date, str]]] = await self._ask(places) if keys else {}
        return found

    async def known_refusals(self, records: Sequence[RefusalRecord]) -> set[int]:
        """Return the positions of those refused callers that the store has."""
        keys = {refusal_key(record): number for number, record in enumerate(records)}

        def known(connection: Connection) -> set[int]:
            of_keys = select(refusal.c.key).where(refusal.c.site == SITE)
            rows = [connection.execute(of_keys.where(refusal.c.key.in_(chunk))) for chunk in chunks(list(keys), _KEYS)]
            return {keys[bytes(key)] for each in rows for key in each.scalars()}

        found: set[int] = await self._ask(known) if keys else set()
        return found

    async def evidence_since(self, name: str, start_us: int, end_us: int) -> list[bytes]:
        """Return the evidence of an import's calls that have evidence between two moments, or have not ended."""

        def evidence(connection: Connection) -> list[bytes]:
            number = self._names.find(connection, SOURCE, IMPORT_SOURCE + name) or 0
            recent = and_(contact.c.last_us >= start_us, contact.c.last_us <= end_us)
            begun = and_(contact.c.at_us >= start_us - _MAX_CALL_US, contact.c.at_us <= end_us)
            its = (visit.c.site == SITE, visit.c.contact == contact.c.key, visit.c.completed_us.is_(None))
            goes_on = exists(select(visit.c.number).where(*its, visit.c.outcome.in_(("waiting", "answered"))))
            question = select(contact.c.evidence).where(contact.c.site == SITE, of_source(number))
            rows = connection.execute(question.where(or_(recent, and_(begun, goes_on))))
            return [bytes(body) for body in rows.scalars()]

        found: list[bytes] = await self._ask(evidence)
        return found

    # ---- the end

    async def seal(self, name: str) -> None:
        """Write down the facts in the rows of an import's days, day by day."""
        while await self._write(partial(self._seal_some, name=name)):
            pass

    def _seal_some(self, connection: Connection, name: str) -> bool:
        number = self._names.find(connection, SOURCE, IMPORT_SOURCE + name) or 0
        its = (imported_day.c.site == SITE, imported_day.c.source == number, imported_day.c.is_sealed.is_(False))
        days = connection.execute(select(imported_day.c.day).where(*its).distinct().limit(_SEALED_AT_ONCE)).scalars()
        found = {day: day_facts(connection, number, *self.span(day)) for day in list(days)}
        if not found:
            return False
        of_these = select(imported_day.c.day, imported_day.c.queue).where(*its, imported_day.c.day.in_(list(found)))
        sealed = [
            {"its_day": day, "its_queue": queue, **found[day].get(queue, DayFacts()).values()}
            for day, queue in connection.execute(of_these).all()
        ]
        c = imported_day.c
        where = (*its, c.day == bindparam("its_day"), c.queue == bindparam("its_queue"))
        facts: dict[str, Any] = {name: bindparam(name) for name in DayFacts().values()}
        connection.execute(update(imported_day).where(*where).values(is_sealed=True, **facts), sealed)
        return True

    async def days(self, name: str) -> list[tuple[date, str]]:
        """Return the days and queues for which an import brought calls."""

        def days(connection: Connection) -> list[tuple[date, str]]:
            number = self._names.find(connection, SOURCE, IMPORT_SOURCE + name) or 0
            question = select(imported_day.c.day, imported_day.c.queue).where(
                imported_day.c.site == SITE, imported_day.c.source == number
            )
            rows = connection.execute(question.order_by(imported_day.c.day, imported_day.c.queue)).all()
            return [(row.day, self._names.text(connection, QUEUE, row.queue)) for row in rows]

        found: list[tuple[date, str]] = await self._ask(days)
        return found

    async def names_within(self, first: date, last: date) -> set[str]:
        """Return the names of the imports that have brought a day of a queue from first to last."""

        def names(connection: Connection) -> set[str]:
            within = (imported_day.c.site == SITE, imported_day.c.day >= first, imported_day.c.day <= last)
            numbers = connection.execute(select(imported_day.c.source).where(*within).distinct()).scalars()
            return {self._names.text(connection, SOURCE, number).removeprefix(IMPORT_SOURCE) for number in numbers}

        found: set[str] = await self._ask(names)
        return found

    async def observe(self, days: Sequence[CoverageRecord]) -> None:
        """Write the coverage of these days, except those that have one already."""

        def observe(connection: Connection) -> None:
            for chunk in chunks(days, 500):
                first, last = min(each.day for each in chunk), max(each.day for each in chunk)
                question = select(coverage.c.day, coverage.c.queue).where(coverage.c.day.between(first, last))
                rows = connection.execute(question.where(coverage.c.site == SITE)).all()
                known = {(row.day, self._key(connection, row.queue)) for row in rows}
                new = [each for each in chunk if (each.day, queue_key(each.queue)) not in known]
                self._states.save_days(connection, new)

        await self._write(observe)

    async def finish(self, record: ImportRecord) -> None:
        """Keep the record; the note of its progress is no longer needed."""

        def finish(connection: Connection) -> None:
            number = connection.execute(select(func.coalesce(func.max(imported.c.id), 0))).scalar_one() + 1
            row = {"id": number, "name": record.name, "body": msgspec.json.encode(record)}
            connection.execute(insert(imported), [row])
            self._states.drop_mark(connection, _noted(record.name))

        await self._write(finish)

    async def records(self) -> list[ImportRecord]:
        """Return all imports that are finished, in order."""

        def records(connection: Connection) -> list[ImportRecord]:
            bodies = connection.execute(select(imported.c.body).where(imported.c.site == SITE).order_by(imported.c.id))
            return [msgspec.json.decode(bytes(body), type=ImportRecord) for body in bodies.scalars()]

        found: list[ImportRecord] = await self._ask(records)
        return found

    # ---- what verify asks

    async def differences(self) -> AsyncIterator[DayDifference]:
        """Yield each imported day whose rows are not those that were imported.

        Days of which calls have been deleted since are passed over.
        """
        for number, day in await self._ask(self._all_days):
            for found in await self._ask(partial(self._compared, number=number, day=day)):
                yield found

    def _all_days(self, connection: Connection) -> list[tuple[int, date]]:
        question = select(imported_day.c.source, imported_day.c.day).where(imported_day.c.site == SITE).distinct()
        edge = int(self._states.mark(connection, SUMMED_UNTIL) or 0)
        found = [(row.source, row.day) for row in connection.execute(question.order_by(imported_day.c.day))]
        return [(number, day) for number, day in found if self._days.start_us(day) >= edge]

    def _compared(self, connection: Connection, number: int, day: date) -> list[DayDifference]:
        its = (imported_day.c.site == SITE, imported_day.c.source == number, imported_day.c.day == day)
        facts, found = day_facts(connection, number, *self.span(day)), []
        for row in connection.execute(select(imported_day).where(*its)).mappings().all():
            now = facts.pop(row["queue"], DayFacts()).values()
            if row["is_sealed"] and all(row[name] == value for name, value in now.items()):
                continue
            found.append(self._difference(connection, number, day, row["queue"], row, now))
        nothing = DayFacts().values() | {"is_sealed": True}
        for queue, its_facts in facts.items():
            found.append(self._difference(connection, number, day, queue, nothing, its_facts.values()))
        return found

    def _difference(
        self, connection: Connection, number: int, day: date, queue: int, then: Any, now: dict[str, int]
    ) -> DayDifference:
        start_us, end_us = self.span(day)
        within = (contact.c.at_us >= start_us, contact.c.at_us < end_us, contact.c.queue == queue)
        keys = connection.execute(select(contact.c.key).where(contact.c.site == SITE, *within, of_source(number)))
        return DayDifference(
            where=ImportedDay(
                self._names.text(connection, SOURCE, number).removeprefix(IMPORT_SOURCE),
                day,
                self._names.text(connection, QUEUE, queue),
            ),
            is_open=not then["is_sealed"],
            calls=then["calls"],
            calls_now=now["calls"],
            refused=then["refused"],
            refused_now=now["refused"],
            keys=tuple(bytes(key) for key in keys.scalars()),
        )

    async def evidence(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the evidence of these calls."""

        def evidence(connection: Connection) -> list[bytes]:
            question = select(contact.c.evidence).where(contact.c.site == SITE)
            rows = [connection.execute(question.where(contact.c.key.in_(chunk))) for chunk in chunks(keys, _KEYS)]
            return [bytes(body) for each in rows for body in each.scalars()]

        found: list[bytes] = await self._ask(evidence)
        return found

    async def brought(self) -> list[ImportedDay]:
        """Return the days and queues of all imports."""

        def brought(connection: Connection) -> list[ImportedDay]:
            question = select(imported_day.c.source, imported_day.c.day, imported_day.c.queue)
            rows = connection.execute(question.where(imported_day.c.site == SITE)).all()
            return [
                ImportedDay(
                    self._names.text(connection, SOURCE, row.source).removeprefix(IMPORT_SOURCE),
                    row.day,
                    self._names.text(connection, QUEUE, row.queue),
                )
                for row in rows
            ]

        found: list[ImportedDay] = await self._ask(brought)
        return found

    async def take_brought(self, days: Sequence[ImportedDay]) -> None:
        """Note in a store that is made beside another one the days that imports have brought there."""

        def take(connection: Connection) -> None:
            for each in days:
                self._put_days(connection, each.source, [(each.day, each.queue)], replaces=True)

        await self._write(take)

    # ---- rows

    def span(self, day: date) -> tuple[int, int]:
        """Return where a local day begins and ends, in microseconds since 1970 UTC."""
        return self._days.start_us(day), self._days.start_us(day + timedelta(days=1))

    def _key(self, connection: Connection, queue: int) -> str:
        return queue_key(self._names.text(connection, QUEUE, queue))


def _noted(name: str) -> str:
    return f"import {name}"
