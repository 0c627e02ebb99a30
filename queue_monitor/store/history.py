"""Single calls, visits and refused callers of the past.

Long answers are read a piece at a time, so that others get their turn.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import and_, func, or_, select

from queue_monitor.events import EndedBy, EntryReason, RefusalReason
from queue_monitor.model import Outcome, StoredCall, StoredRefusal, StoredVisit
from queue_monitor.store.asking import Asking
from queue_monitor.store.journal import chunks
from queue_monitor.store.names import QUEUE, RULES, SWITCH
from queue_monitor.store.schema import IS_BARE, SITE, contact, microseconds, moment, refusal, visit

T = TypeVar("T")

_PAGE: Final = 250
_KEYS: Final = 400


class History:
    """The reader of single calls. A word that a newer version has written is read as unknown."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

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
        where = [contact.c.site == SITE, contact.c.at_us < microseconds(end)]
        if queue is not None:
            number = await self._asking.queue(queue)
            where.append(contact.c.queue == number)
        if outcomes is not None:
            where.append(contact.c.outcome.in_([outcome.value for outcome in outcomes]))
        last = None if after is None else (microseconds(after[0]), _key(after[1]))
        columns = [column for column in contact.c if column.name not in ("site", "evidence", "keys", "seq")]
        found: list[StoredCall] = []
        while limit is None or len(found) < limit:
            # One lower bound only: of two SQLite takes either, and may walk the index from its start for each page.
            since = microseconds(start) if last is None else max(last[0], microseconds(start))
            question = select(*columns).where(*where, contact.c.at_us >= since)
            if last is not None:
                behind = and_(contact.c.at_us == last[0], contact.c.key > last[1])
                question = question.where(or_(contact.c.at_us > last[0], behind))
            size = _PAGE if limit is None else min(_PAGE, limit - len(found))
            rows = await self._asking.rows(question.order_by(contact.c.at_us, contact.c.key).limit(size))
            visits = {} if visits_from is None else await self._visits_of([row.key for row in rows], visits_from)
            queues = await self._asking.names_of(QUEUE, {row.queue for row in rows})
            rules = await self._asking.names_of(RULES, {row.rules for row in rows})
            found += [_call(row, queues[row.queue], rules[row.rules], visits.get(row.key, ())) for row in rows]
            if len(rows) < size:
                break
            last = rows[-1].at_us, rows[-1].key
        return found

    async def _visits_of(self, keys: Sequence[bytes], first: int) -> dict[bytes, tuple[StoredVisit, ...]]:
        found: dict[bytes, tuple[StoredVisit, ...]] = {}
        for chunk in chunks(keys, _KEYS):
            question = select(visit).where(visit.c.site == SITE, visit.c.contact.in_(chunk), visit.c.number >= first)
            for row in await self._asking.rows(question.order_by(visit.c.contact, visit.c.number)):
                found[row.contact] = (*found.get(row.contact, ()), await self._visit(row))
        return found

    async def _visit(self, row: Any) -> StoredVisit:
        return StoredVisit(
            queue=await self._asking.name(QUEUE, row.queue),
            switch=await self._asking.name(SWITCH, row.switch),
            entered_at=_at(row.entered_us),
            ended_wait_at=_at(row.ended_wait_us),
            completed_at=_at(row.completed_us),
            outcome=_known(Outcome, row.outcome, Outcome.UNKNOWN),
            counted_as=row.field,
            inside=row.inside,
            early=row.early,
            wait_ms=row.wait_ms,
            judged_ms=row.judged_ms,
            talk_ms=row.talk_ms,
            ended_by=None if row.ended_by is None else _known(EndedBy, row.ended_by, EndedBy.UNKNOWN),
            agent=row.agent,
            entry_reason=_known(EntryReason, row.entry_reason, EntryReason.UNKNOWN),
            next_queue=None if row.next_queue is None else await self._asking.name(QUEUE, row.next_queue),
            key=row.exit_key,
            rings=row.rings,
            precision_ms=row.precision_ms,
            start_known=row.start_known,
        )

    async def refusals(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredRefusal]:
        question = select(refusal).where(
            refusal.c.site == SITE, refusal.c.at_us >= microseconds(start), refusal.c.at_us < microseconds(end)
        )
        if queue is not None:
            number = await self._asking.queue(queue)
            question = question.where(refusal.c.queue == number)
        return [
            StoredRefusal(
                queue=await self._asking.name(QUEUE, row.queue),
                switch=await self._asking.name(SWITCH, row.switch),
                at=moment(row.at_us),
                reason=_known(RefusalReason, row.reason, RefusalReason.UNKNOWN),
                inside=row.inside,
            )
            for row in await self._asking.rows(question.order_by(refusal.c.at_us, refusal.c.key))
        ]

    async def visits(
        self, queue: str | None, start: datetime, end: datetime, *, after_answer: bool
    ) -> list[StoredVisit]:
        c = visit.c
        where = [c.site == SITE, c.entered_us < microseconds(end)]
        if queue is not None:
            number = await self._asking.queue(queue)
            where.append(c.queue == number)
        if after_answer:
            where.append(c.after_answer)
        found: list[StoredVisit] = []
        last: Any = None
        while True:
            question = select(visit).where(*where)
            if last is None:
                question = question.where(c.entered_us >= microseconds(start))
            else:
                same = and_(c.contact == last.contact, c.number > last.number)
                question = question.where(
                    c.entered_us >= last.entered_us,
                    or_(
                        c.entered_us > last.entered_us,
                        and_(c.entered_us == last.entered_us, or_(c.contact > last.contact, same)),
                    ),
                )
            rows = await self._asking.rows(question.order_by(c.entered_us, c.contact, c.number).limit(_PAGE))
            found += [await self._visit(row) for row in rows]
            if len(rows) < _PAGE:
                return found
            last = rows[-1]

    async def not_derived(self) -> int:
        """Return how many contacts have a bare row."""
        question = select(func.count()).select_from(contact).where(contact.c.site == SITE, IS_BARE)
        [row] = await self._asking.rows(question)
        return int(row[0])


def _call(row: Any, queue: str, rules: str, visits: tuple[StoredVisit, ...]) -> StoredCall:
    return StoredCall(
        id=row.key.hex(),
        at=moment(row.at_us),
        first_queue=queue,
        entered_at=_at(row.entered_us),
        settled_at=_at(row.settled_us),
        outcome=_known(Outcome, row.outcome, Outcome.UNKNOWN),
        counted_as=row.field,
        inside=row.inside,
        early=row.early,
        wait_ms=row.wait_ms,
        judged_ms=row.judged_ms,
        wait_after_transfer_ms=row.wait_after_transfer_ms,
        called_back_ms=row.called_back_ms,
        start_known=row.start_known,
        precision_ms=row.precision_ms,
        reached_later=row.reached_later,
        rules=rules,
        is_derived=row.is_derived,
        visits=visits,
    )


def _known(kind: Callable[[str], T], word: str, otherwise: T) -> T:
    """Return the value of a word; `otherwise` for a word of a newer version."""
    try:
        return kind(word)
    except ValueError:
        return otherwise


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _at(us: int | None) -> datetime | None:
    return None if us is None else moment(us)
