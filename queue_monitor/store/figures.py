"""Where calls count, the sums of them, and what was heard of them, read back.

Long answers are read a piece at a time, so that others get their turn.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, String, and_, case, cast, func, literal, or_, select

from queue_monitor.model import CallsOfMinute, Counts, Level, SumRow
from queue_monitor.store.asking import Asking
from queue_monitor.store.journal import chunks
from queue_monitor.store.names import QUEUE
from queue_monitor.store.packs import key_hash
from queue_monitor.store.schema import SITE, call_key, contact, microseconds, moment, refusal, sums, visit
from queue_monitor.store.sums import ALL, DAY, QUARTER
from queue_monitor.store.tally import MINUTE_US, counts_of, wait_sums

_PAGE: Final = 250
_KEYS: Final = 400
_as_number: Final = case((sums.c.inside, 1), else_=0)


class Figures:
    """Reads only."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    # --- evidence

    async def load_calls(self, keys: Iterable[str]) -> list[bytes]:
        found: dict[bytes, bytes] = {}
        for chunk in chunks(list({key_hash(key) for key in keys}), _KEYS):
            found |= await self._asking.ask(partial(self._evidence, hashes=chunk))
        return list(found.values())

    def _evidence(self, connection: Connection, hashes: Sequence[int]) -> dict[bytes, bytes]:
        joined = (contact.c.site == call_key.c.site) & (contact.c.key == call_key.c.contact)
        question = select(contact.c.key, contact.c.evidence).join(call_key, joined)
        rows = connection.execute(question.where(call_key.c.site == SITE, call_key.c.hash.in_(hashes)))
        return {row.key: row.evidence for row in rows if row.evidence}

    async def load_recent(self, since: datetime) -> list[bytes]:
        columns = select(contact.c.key, contact.c.last_us, contact.c.evidence).where(contact.c.site == SITE)
        found = {row.key: row.evidence for row in await self._asking.rows(columns.where(contact.c.is_open))}
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
        numbers = await self._asking.queues(queues)
        found: list[tuple[int, SumRow]] = []
        where = (sums.c.site == SITE, sums.c.step == step, sums.c.level == level.value)
        for queue in numbers:
            text, after = await self._asking.name(QUEUE, queue), (microseconds(start), -1)
            while True:
                behind = or_(sums.c.start_us > after[0], and_(sums.c.start_us == after[0], _as_number > after[1]))
                question = select(sums).where(*where, sums.c.queue == queue, sums.c.start_us >= after[0], behind)
                question = question.where(sums.c.start_us < microseconds(end))
                rows = await self._asking.rows(question.order_by(sums.c.start_us, _as_number).limit(_PAGE * 2))
                found += [(row.start_us, _sum_row(level, text, row)) for row in rows]
                if len(rows) < _PAGE * 2:
                    break
                after = rows[-1].start_us, int(rows[-1].inside)
        found.sort(key=lambda each: each[0])
        return [row for _, row in found]


def _by_minute(start_us: int) -> Iterator[tuple[Level, Select[Any]]]:
    """The questions that add up what counts from a moment on, by level."""
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
