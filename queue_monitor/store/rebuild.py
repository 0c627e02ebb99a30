"""The rebuild of history and its comparison: deleting days, recounting sums over rows, and
reading all rows one by one.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Select, delete, func, not_, select

from queue_monitor.model import Level
from queue_monitor.store.asking import Asking
from queue_monitor.store.commit import NOT_WRITTEN
from queue_monitor.store.database import Database
from queue_monitor.store.imported_rows import import_sources, imported_shares, is_imported
from queue_monitor.store.journal import chunks
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE, RULES, SOURCE, SWITCH
from queue_monitor.store.refusals import shares as refusal_shares
from queue_monitor.store.schema import SITE, call_key, contact, coverage, microseconds, moment, refusal, sums, visit
from queue_monitor.store.state import States
from queue_monitor.store.sums import ALL, DAY, QUARTER, SumKey, Sums
from queue_monitor.store.tally import Share, Sum, share, summed

SUMMED_UNTIL: Final = "summed until"
"""The mark of the moment before which an earlier version has left sums without calls: no rows can confirm them."""

_CHUNK: Final = 500
_PIECE: Final = 5_000
_SHARE_COLUMNS: Final = ("queue", "inside", "at_us", "field", "early", "brought_by", "judged_ms", "recorded")
_NAMED: Final = {"queue": QUEUE, "next_queue": QUEUE, "switch": SWITCH, "source": SOURCE, "rules": RULES}
KNOWN_AT_THE_TIME: Final = ("reached_later",)
"""The fields of a call that `verify` does not compare with the journal.

A running monitor forgets at a restart which callers it has met, while the journal still knows them.
"""
_NOT_COMPARED: Final = ("site", "seq", "evidence", "keys", *KNOWN_AT_THE_TIME)


class SumDifference(Struct, frozen=True, kw_only=True):
    """One figure of a sum that differs from the rows.

    `start`: None in the sums of all time.
    `field`: a field of `Counts`, or `answered`, `sum_ms`, `max_ms`, `over_10_min` or `histogram` (how many waits it
        holds) of the waits.
    """

    step: str
    day: date | None
    start: datetime | None
    queue: str
    level: Level
    inside: bool
    field: str
    sum_says: int
    rows_say: int


def forget_from(connection: Connection, start_us: int, tables: Sums, states: States) -> None:
    """Delete all calls and refused callers that count at or after that local midnight, and the sums of those days.

    Imported calls stay, because no journal has them. A visit may count on another day than its contact: with a contact
    that stays it stays, and so does its share.
    """
    sources = import_sources(connection)
    gone = select(contact.c.key).where(contact.c.site == SITE, contact.c.at_us >= start_us)
    if sources:
        gone = gone.where(not_(is_imported(sources)))
    of_gone = (visit.c.site == SITE, visit.c.contact.in_(gone))
    taken = _visit_shares(connection, select(visit).where(*of_gone, visit.c.at_us < start_us))
    keys = [bytes(key) for key in connection.execute(gone).scalars()] if sources else None
    connection.execute(delete(call_key).where(call_key.c.site == SITE, call_key.c.contact.in_(gone)))
    if keys is None:
        connection.execute(delete(visit).where(*of_gone))
        connection.execute(delete(contact).where(contact.c.site == SITE, contact.c.at_us >= start_us))
    else:  # the visits show which calls are imported, so both use the keys found before
        for chunk in chunks(keys, _CHUNK):
            connection.execute(delete(visit).where(visit.c.site == SITE, visit.c.contact.in_(chunk)))
            connection.execute(delete(contact).where(contact.c.site == SITE, contact.c.key.in_(chunk)))
    refused = (refusal.c.site == SITE, refusal.c.counted_us >= start_us, refusal.c.source.not_in(sources))
    connection.execute(delete(refusal).where(*refused))
    later = (visit.c.site == SITE, visit.c.at_us >= start_us, visit.c.source.not_in(sources))
    left = _visit_shares(connection, select(visit).where(*later))
    of_days = (sums.c.step != ALL, sums.c.start_us >= start_us)
    connection.execute(delete(sums).where(sums.c.site == SITE, *of_days))
    tables.evict()
    tables.sum_up_days(connection)
    tables.move(connection, taken, left)
    for some in _in_pieces(imported_shares(connection, sources, start_us) if sources else ()):
        tables.move(connection, [], some)
    edge = states.mark(connection, SUMMED_UNTIL)
    if edge is not None and int(edge) > start_us:
        states.set_mark(connection, SUMMED_UNTIL, str(start_us))
    if connection.execute(select(contact.c.key).limit(1)).first() is None:
        states.drop_mark(connection, NOT_WRITTEN)


def _in_pieces(shares: Iterable[Share]) -> Iterator[list[Share]]:
    rest = iter(shares)
    while some := list(islice(rest, _PIECE)):
        yield some


def _visit_shares(connection: Connection, question: Select[Any]) -> list[Share]:
    found = (_share(Level.VISIT, row) for row in connection.execute(question))
    return [each for each in found if each is not None]


class Recount:
    """The comparison of sums with the rows that they add up, a local day at a time."""

    def __init__(self, asking: Asking, days: LocalDays, tables: Sums, states: States) -> None:
        self._asking = asking
        self._days = days
        self._sums = tables
        self._states = states
        self._all: dict[SumKey, Sum] = {}

    async def differences(self) -> AsyncIterator[SumDifference]:
        """Yield each difference, oldest first. Days of which an earlier version left sums only are not compared."""
        first, last, edge = await self._asking.ask(self._bounds)
        start_us = first
        while start_us is not None and start_us <= last:
            end_us = self._sums.day_end_us(start_us)
            stored, counted = await self._asking.ask(partial(self._day, start_us=start_us, end_us=end_us))
            if start_us >= edge:
                for found in compared(stored, counted):
                    yield await self._named(found)
            self._add_up(counted if start_us >= edge else stored)
            start_us = end_us
        stored = await self._asking.ask(partial(_stored, where=(sums.c.step == ALL,)))
        for found in compared(stored, {key: each for key, each in self._all.items() if not each.is_empty}):
            yield await self._named(found)

    def _bounds(self, connection: Connection) -> tuple[int | None, int, int]:
        """Return the first and last local midnight that anything counts after, and where days begin that have rows."""
        edge = int(self._states.mark(connection, SUMMED_UNTIL) or 0)
        moments = []
        for table, at in ((contact, contact.c.at_us), (visit, visit.c.at_us), (refusal, refusal.c.counted_us)):
            question = select(func.min(at), func.max(at)).where(table.c.field != "")
            moments += list(connection.execute(question).one())
        of_days = select(func.min(sums.c.start_us), func.max(sums.c.start_us)).where(sums.c.step != ALL)
        known = [at for at in (*moments, *connection.execute(of_days).one()) if at is not None]
        if not known:
            return None, 0, edge
        first = self._days.start_us(self._days.day_at(min(known)))
        last_of_sums_only = self._days.start_us(self._days.day_at(edge - 1)) if edge else 0
        return first, max(known), self._sums.day_end_us(last_of_sums_only) if edge else 0

    def _day(self, connection: Connection, start_us: int, end_us: int) -> tuple[dict[SumKey, Sum], dict[SumKey, Sum]]:
        return stored_and_counted(connection, self._sums, start_us, end_us)

    def _add_up(self, its: dict[SumKey, Sum]) -> None:
        for key, found in its.items():
            if key.step == DAY:
                self._all.setdefault(key._replace(step=ALL, start_us=0), Sum()).add(found)

    async def _named(self, found: tuple[SumKey, str, int, int]) -> SumDifference:
        key, field, sum_says, rows_say = found
        return SumDifference(
            step=key.step,
            day=None if key.step == ALL else self._days.day_at(key.start_us),
            start=None if key.step == ALL else moment(key.start_us),
            queue=await self._asking.name(QUEUE, key.queue),
            level=Level(key.level),
            inside=key.inside,
            field=field,
            sum_says=sum_says,
            rows_say=rows_say,
        )


def stored_and_counted(
    connection: Connection, tables: Sums, start_us: int, end_us: int
) -> tuple[dict[SumKey, Sum], dict[SumKey, Sum]]:
    """Return the sums by quarter and day between two local midnights: as stored, and counted from the rows."""
    within = (sums.c.step.in_((QUARTER, DAY)), sums.c.start_us >= start_us, sums.c.start_us < end_us)
    counted: dict[SumKey, Sum] = {}
    for each in _shares_between(connection, start_us, end_us):
        for key in tables.keys_of(each)[:2]:
            counted.setdefault(key, Sum()).count(each, 1)
    return _stored(connection, within), counted


def _shares_between(connection: Connection, start_us: int, end_us: int) -> Iterator[Share]:
    for level, table in ((Level.CONTACT, contact), (Level.VISIT, visit)):
        columns = [table.c[column] for column in _SHARE_COLUMNS]
        within = (table.c.site == SITE, table.c.at_us >= start_us, table.c.at_us < end_us)
        for row in connection.execute(select(*columns).where(*within)):
            if found := _share(level, row):
                yield found
    question = select(refusal).where(
        refusal.c.site == SITE, refusal.c.counted_us >= start_us, refusal.c.counted_us < end_us
    )
    for refused in connection.execute(question).mappings():
        yield from refusal_shares(refused)


def _share(level: Level, row: Any) -> Share | None:
    return share(level, *(getattr(row, column) for column in _SHARE_COLUMNS))


def _stored(connection: Connection, where: tuple[Any, ...]) -> dict[SumKey, Sum]:
    found = {}
    for row in connection.execute(select(sums).where(sums.c.site == SITE, *where)):
        key = SumKey(row.step, row.level, row.queue, row.start_us, row.inside)
        found[key] = summed(row.counts, row.answered, row.sum_ms, row.max_ms, row.over_10_min, row.histogram)
    return found


def compared(stored: dict[SumKey, Sum], counted: dict[SumKey, Sum]) -> Iterator[tuple[SumKey, str, int, int]]:
    """Yield each figure of a sum that differs from its rows: key, field, stored value, counted value."""
    nothing = Sum()
    for key in sorted(stored.keys() | counted.keys(), key=lambda key: (key.start_us, key)):
        one, other = stored.get(key, nothing), counted.get(key, nothing)
        for field in sorted(one.counts.keys() | other.counts.keys()):
            if one.counts.get(field, 0) != other.counts.get(field, 0):
                yield key, field, one.counts.get(field, 0), other.counts.get(field, 0)
        for field in ("answered", "sum_ms", "max_ms", "over_10_min"):
            if getattr(one, field) != getattr(other, field):
                yield key, field, getattr(one, field), getattr(other, field)
        if one.bins != other.bins:
            yield key, "histogram", sum(one.bins.values()), sum(other.bins.values())


async def dumped(database: Database, asking: Asking) -> AsyncIterator[tuple[Any, ...]]:
    """Yield every row of history as plain values behind the name of its table, in an order that every store has.

    The journal number that the row is true to and the evidence are left out.
    """
    for table in (contact, visit, refusal, sums, coverage):
        columns = [column for column in table.c if column.name not in _NOT_COMPARED]
        found = []
        async with database.reading("could not be read") as connection:
            rows = await connection.stream(select(*columns).where(table.c.site == SITE))
            async for chunk in rows.partitions(_CHUNK):
                found += [tuple(row) for row in chunk]
        named = [
            (table.name, *[await _text(asking, column.name, value) for column, value in zip(columns, row, strict=True)])
            for row in found
        ]
        for each in sorted(named, key=repr):
            yield each


async def _text(asking: Asking, column: str, value: Any) -> Any:
    kind = _NAMED.get(column)
    return await asking.name(kind, value) if kind and value is not None else value


def midnight_us(days: LocalDays, start: datetime) -> int:
    """Return the local midnight at or before a moment, in microseconds since 1970 UTC."""
    return days.start_us(days.day_at(microseconds(start)))
