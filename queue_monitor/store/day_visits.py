"""The visits of one day, as the forecast takes them up at a start."""

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
    """Reads only. Agents are named by their ids again where the pseudonym is that of a known id."""

    def __init__(self, asking: Asking, agents: Agents, days: LocalDays) -> None:
        self._asking = asking
        self._agents = agents
        self._days = days

    async def read(self, start: datetime, end: datetime, agent_ids: Iterable[str]) -> AsyncIterator[list[DayVisit]]:
        """Visits that entered from `start` to before `end`, in the order of entry, some hundreds at a time."""
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
            names = {number: await self._asking.name(QUEUE, number) for row in rows for number in row[2:10:7]}
            yield [_day_visit(row, names, named) for row in rows]
            if len(rows) < _PAGE:
                return
            last = rows[-1]


def _day_visit(row: Any, names: dict[int | None, str], named: dict[str | None, str]) -> DayVisit:
    placed = None
    if row.field:
        placed = Placement(Level.CONTACT, names[row.its_queue], row.inside, row.at_us // MINUTE_US, row.field)
    return DayVisit(
        int.from_bytes(row.contact[:8], "little", signed=True),
        row.number,
        names[row.queue],
        Outcome(row.outcome),
        EntryReason(row.entry_reason),
        named.get(row.agent, row.agent),
        row.entered_us,
        row.ended_wait_us,
        row.completed_us,
        placed,
        row.settled_us,
    )
