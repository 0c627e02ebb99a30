"""The visits of one day, as the forecast loads them at a start."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, or_, select

from queue_monitor.events import EntryReason
from queue_monitor.model import DayVisit, Level, Outcome, Placement
from queue_monitor.store.agents import Agents
from queue_monitor.store.asking import Asking
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE
from queue_monitor.store.schema import SITE, contact, microseconds, visit
from queue_monitor.store.tally import MINUTE_US

_PAGE: Final = 1000
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_REASONS: Final = {reason.value: reason for reason in EntryReason}
_v, _c = visit.c, contact.c
_question: Final = select(
    _v.contact,
    _v.number,
    _v.queue,
    _v.outcome,
    _v.entry_reason,
    _v.agent,
    _v.entered_us,
    _v.ended_wait_us,
    _v.completed_us,
    _c.queue.label("its_queue"),
    _c.field,
    _c.inside,
    _c.at_us,
    _c.settled_us,
).select_from(visit.join(contact, and_(_c.site == _v.site, _c.key == _v.contact)))


class DayVisits:
    """The reader of visits. Agents have their ids again where the pseudonym is that of a known id."""

    def __init__(self, asking: Asking, agents: Agents, days: LocalDays) -> None:
        self._asking = asking
        self._agents = agents
        self._days = days

    async def read(self, start: datetime, end: datetime, agent_ids: Iterable[str]) -> AsyncIterator[list[DayVisit]]:
        """Yield visits that entered from `start` to before `end`, in the order of entry, some hundreds at a time."""
        days = {self._days.day_at(microseconds(at)) for at in (start, end)}
        named = {self._agents.pseudonym(agent_id, day): agent_id for agent_id in agent_ids for day in days}
        where = (_v.site == SITE, _v.entered_us < microseconds(end))
        last: Any = None
        while True:
            page = _question.where(*where, _v.entered_us >= (microseconds(start) if last is None else last.entered_us))
            if last is not None:
                same = and_(_v.contact == last.contact, _v.number > last.number)
                behind = and_(_v.entered_us == last.entered_us, or_(_v.contact > last.contact, same))
                page = page.where(or_(_v.entered_us > last.entered_us, behind))
            rows = await self._asking.rows(page.order_by(_v.entered_us, _v.contact, _v.number).limit(_PAGE))
            queues = {row.queue for row in rows} | {row.its_queue for row in rows}
            names = {number: await self._asking.name(QUEUE, number) for number in queues}
            yield [_day_visit(row, names, named) for row in rows]
            if len(rows) < _PAGE:
                return
            last = rows[-1]


def _day_visit(row: Any, names: dict[int | None, str], named: dict[str | None, str]) -> DayVisit:
    # a row is taken apart at once: each column asked for by its name takes as long
    key, number, queue, outcome, reason, agent, entered, ended, completed, its_queue, field, inside, at, settled = row
    return DayVisit(
        int.from_bytes(key[:8], "little", signed=True),
        number,
        names[queue],
        _OUTCOMES[outcome],
        _REASONS[reason],
        named.get(agent, agent),
        entered,
        ended,
        completed,
        Placement(Level.CONTACT, names[its_queue], inside, at // MINUTE_US, field) if field else None,
        settled,
    )
