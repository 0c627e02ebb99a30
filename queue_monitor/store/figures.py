"""The placed calls, their sums and their evidence, read back from the store.

Long answers are read a piece at a time, so that others get their turn.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Select, String, and_, bindparam, case, cast, func, literal, or_, select

from queue_monitor.model import CallsOfMinute, Counts, HalfHour, Level, SumRow
from queue_monitor.store.asking import Asking
from queue_monitor.store.journal import chunks
from queue_monitor.store.local_days import QUARTER_US
from queue_monitor.store.names import QUEUE
from queue_monitor.store.packs import key_hash
from queue_monitor.store.schema import IS_OPEN, SITE, call_key, contact, microseconds, moment, refusal, sums, visit
from queue_monitor.store.sums import ALL, DAY, QUARTER
from queue_monitor.store.tally import MINUTE_US, CountsAdder, counts_of, wait_sums

_PAGE: Final = 250
_KEYS: Final = 400
_SUMS_PAGE: Final = 500
_as_number: Final = case((sums.c.inside, 1), else_=0)
_after_us: Final = bindparam("after_us", type_=BigInteger)
_SUMS: Final = (
    select(
        sums.c.start_us, sums.c.inside, sums.c.counts,
        sums.c.answered, sums.c.sum_ms, sums.c.max_ms, sums.c.over_10_min, sums.c.histogram,
    )
    .where(
        sums.c.site == SITE,
        sums.c.step == bindparam("step"),
        sums.c.level == bindparam("level"),
        sums.c.queue == bindparam("queue"),
        sums.c.start_us >= _after_us,
        sums.c.start_us < bindparam("end_us"),
        or_(sums.c.start_us > _after_us, and_(sums.c.start_us == _after_us, _as_number > bindparam("after_inside"))),
    )
    .order_by(sums.c.start_us, _as_number)
    .limit(_SUMS_PAGE)
)  # fmt: skip
"""The question for a page of sums: made once, because putting it together takes longer than reading a few rows."""


_HALF_HOUR_US: Final = 2 * QUARTER_US
_QUARTERS: Final = (
    select(sums.c.start_us, sums.c.counts, sums.c.max_ms)
    .where(
        sums.c.site == SITE,
        sums.c.step == QUARTER,
        sums.c.level == bindparam("level"),
        sums.c.queue == bindparam("queue"),
        sums.c.start_us > _after_us,
        sums.c.start_us < bindparam("end_us"),
        sums.c.inside,
    )
    .order_by(sums.c.start_us)
    .limit(_SUMS_PAGE)
)


class Figures:
    """The reader of evidence, placed calls and sums."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    # --- evidence

    async def load_calls(self, keys: Iterable[str], before: datetime | None = None) -> list[bytes]:
        found: dict[bytes, bytes] = {}
        for chunk in chunks(list({key_hash(key) for key in keys}), _KEYS):
            found |= await self._asking.ask(partial(self._evidence, hashes=chunk, before=before))
        return list(found.values())

    def _evidence(self, connection: Connection, hashes: Sequence[int], before: datetime | None) -> dict[bytes, bytes]:
        joined = (contact.c.site == call_key.c.site) & (contact.c.key == call_key.c.contact)
        question = select(contact.c.key, contact.c.evidence).join(call_key, joined)
        if before is not None:
            # The 0 keeps the planner off the index of times: it would read all calls before that moment.
            question = question.where(contact.c.at_us + 0 < microseconds(before))
        rows = connection.execute(question.where(call_key.c.site == SITE, call_key.c.hash.in_(hashes)))
        return {row.key: row.evidence for row in rows if row.evidence}

    async def load_recent(self, since: datetime) -> list[bytes]:
        columns = select(contact.c.key, contact.c.last_us, contact.c.evidence).where(contact.c.site == SITE)
        found = {row.key: row.evidence for row in await self._asking.rows(columns.where(IS_OPEN))}
        after = microseconds(since), b""
        while True:
            same = and_(contact.c.last_us == after[0], contact.c.key > after[1])
            question = columns.where(contact.c.last_us >= after[0], or_(contact.c.last_us > after[0], same))
            rows = await self._asking.rows(question.order_by(contact.c.last_us, contact.c.key).limit(_PAGE * 2))
            found |= {row.key: row.evidence for row in rows}
            if len(rows) < _PAGE * 2:
                return [evidence for evidence in found.values() if evidence]
            after = rows[-1].last_us, rows[-1].key

    # --- calls by minute

    async def load_minutes(self, start: datetime) -> list[CallsOfMinute]:
        found: list[CallsOfMinute] = []
        for level, question in _by_minute(microseconds(start)):
            for queue, inside, at_us, field, early, brought_by, number, waits in await self._asking.rows(question):
                its = await self._asking.name(QUEUE, queue), bool(inside), at_us // MINUTE_US, field, bool(early)
                waits_ms = tuple(map(int, waits.split(","))) if waits else ()
                found.append(CallsOfMinute(level, *its, brought_by, number, waits_ms))
        return found

    # --- sums

    async def totals(self) -> dict[str, Counts]:
        question = select(sums.c.queue, sums.c.counts).where(
            sums.c.site == SITE, sums.c.step == ALL, sums.c.level == Level.VISIT.value
        )
        found: dict[str, Counts] = {}
        for row in await self._asking.rows(question):
            queue = await self._asking.name(QUEUE, row.queue)
            found[queue] = found.get(queue, Counts()) + counts_of(row.counts)
        return found

    async def sums(
        self, level: Level, queues: Sequence[str] | None, start: datetime, end: datetime, step: str
    ) -> list[SumRow]:
        if step not in (QUARTER, DAY):
            raise ValueError(f"step {step!r} is not one of {QUARTER}, {DAY}")
        words = {"step": step, "level": level.value, "end_us": microseconds(end)}
        found = await self._asking.ask(
            partial(self._sums, level=level, queues=queues, start_us=microseconds(start), words=words)
        )
        found.sort(key=lambda row: row.start)
        return found

    def _sums(
        self,
        connection: Connection,
        level: Level,
        queues: Sequence[str] | None,
        start_us: int,
        words: dict[str, Any],
    ) -> list[SumRow]:
        """Return the sums of queue after queue: others have their turn while the database computes each page."""
        found: list[SumRow] = []
        for number, name in self._asking.queues_in(connection, queues).items():
            after_us, after_inside = start_us, -1
            while True:
                page = words | {"queue": number, "after_us": after_us, "after_inside": after_inside}
                rows = connection.execute(_SUMS, page).all()
                found += [_sum_row(level, name, row) for row in rows]
                if len(rows) < _SUMS_PAGE:
                    break
                after_us, after_inside = rows[-1].start_us, int(rows[-1].inside)
        return found

    async def half_hours(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[HalfHour]:
        words: dict[str, Any] = {
            "level": Level.CONTACT.value,
            "start_us": microseconds(start),
            "end_us": microseconds(end),
        }
        found = await self._asking.ask(partial(self._half_hours, queues=queues, words=words))
        return [
            HalfHour(start=moment(at), counts=its.counts(), longest_ms=its.longest_ms)
            for at, its in sorted(found.items())
        ]

    def _half_hours(
        self, connection: Connection, queues: Sequence[str] | None, words: dict[str, Any]
    ) -> dict[int, CountsAdder]:
        """Return the counts added up by the start of each half hour."""
        found: dict[int, CountsAdder] = {}
        for number in self._asking.queues_in(connection, queues):
            after_us = words["start_us"] - 1
            while True:
                rows = connection.execute(_QUARTERS, words | {"queue": number, "after_us": after_us}).all()
                for at, counts, longest_ms in rows:
                    found.setdefault(at - at % _HALF_HOUR_US, CountsAdder()).add(counts, longest_ms)
                if len(rows) < _SUMS_PAGE:
                    break
                after_us = rows[-1].start_us
        return found


def _by_minute(start_us: int) -> Iterator[tuple[Level, Select[Any]]]:
    """Yield the questions that add up all that counts from a moment on, by level."""
    for level, table in ((Level.CONTACT, contact), (Level.VISIT, visit)):
        c = table.c
        alike = c.queue, c.inside, c.at_us, c.field, c.early, c.brought_by
        waits = func.aggregate_strings(case((c.recorded, cast(c.judged_ms, String))), ",")
        question = select(*alike, func.count(), waits).where(c.site == SITE, c.at_us >= start_us, c.field != "")
        yield level, question.group_by(*alike)
    c = refusal.c
    their = c.queue, c.inside, c.counted_us, c.field, c.early
    turned_away = select(*their, literal("").label("brought_by"), func.count(), literal("").label("waits"))
    for level in Level:
        yield level, turned_away.where(c.site == SITE, c.counted_us >= start_us).group_by(*their)


def _sum_row(level: Level, queue: str, row: Any) -> SumRow:
    return SumRow(
        level=level,
        queue=queue,
        inside=row.inside,
        start=moment(row.start_us),
        counts=counts_of(row.counts),
        waits=wait_sums(row.answered, row.sum_ms, row.max_ms, row.over_10_min, row.histogram),
    )
