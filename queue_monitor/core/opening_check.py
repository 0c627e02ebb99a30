"""Disagreements between the switch and the calendar about being open: one of them is set wrong."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from queue_monitor.core.calendar import Calendar
from queue_monitor.events import RefusalReason
from queue_monitor.model import Disagreement, HoursDoubt, Outcome, Refusal, StoredRefusal, StoredVisit, Visit

AnyVisit = Visit | StoredVisit
AnyRefusal = Refusal | StoredRefusal
GRACE: Final = timedelta(minutes=2)
"""This close to opening and closing, clocks may differ and a last call may be taken."""


class Doubt(NamedTuple):
    """One call by which switch and calendar differ: when it came in, and when the switch did
    what the hours rule out.
    """

    queue: str
    entered_at: datetime
    at: datetime
    doubt: HoursDoubt


_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, tuple[Doubt, ...]], list[Doubt]])


class OpeningCheck:
    """The calls by which switch and calendar differ, kept for some days even when the calls are no longer in memory."""

    def __init__(self, calendar_of: Callable[[str], Calendar]) -> None:
        self._calendar_of = calendar_of
        self._doubts: dict[str, tuple[Doubt, ...]] = {}
        self._refused: list[Doubt] = []

    def written(self) -> bytes:
        """Return all state, encoded for a start."""
        return msgspec.msgpack.encode((self._doubts, self._refused))

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`."""
        self._doubts, self._refused = _decoder.decode(written)

    def change(self, contact_id: str, visits: Iterable[Visit]) -> None:
        """Check a contact as it is now."""
        found = [doubt for visit in visits if (doubt := doubt_of_visit(self._calendar_of, visit)) is not None]
        if found:
            self._doubts[contact_id] = tuple(found)
        elif contact_id in self._doubts:
            del self._doubts[contact_id]

    def refuse(self, refusal: Refusal, sign: int = +1) -> None:
        """Check a refused caller, or (`sign` -1) take one out."""
        doubt = doubt_of_refusal(self._calendar_of, refusal)
        if doubt is not None and sign > 0:
            self._refused.append(doubt)
        elif doubt in self._refused:
            self._refused.remove(doubt)

    def evict(self, before: datetime) -> None:
        self._doubts = {
            contact_id: doubts for contact_id, doubts in self._doubts.items() if doubts[-1].entered_at >= before
        }
        self._refused = [doubt for doubt in self._refused if doubt.at >= before]

    def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Return the disagreements of calls that came in from `start` to before `end`, by
        queue and day, oldest first.
        """
        doubts = [doubt for its in self._doubts.values() for doubt in its] + self._refused
        return _added_up(self._calendar_of, (doubt for doubt in doubts if start <= doubt.entered_at < end))


def disagreements(
    calendar_of: Callable[[str], Calendar], visits: Iterable[AnyVisit], refusals: Iterable[AnyRefusal]
) -> list[Disagreement]:
    """Return the disagreements of these calls, by queue and day, oldest first.

    They are calls that entered and were answered while the calendar says closed, and calls that the switch turned away
    as closed, or put out of the queue as closed, while the calendar says open.
    """
    found = [doubt_of_visit(calendar_of, visit) for visit in visits]
    found += [doubt_of_refusal(calendar_of, refusal) for refusal in refusals]
    return _added_up(calendar_of, filter(None, found))


def _added_up(calendar_of: Callable[[str], Calendar], doubts: Iterable[Doubt]) -> list[Disagreement]:
    seen: dict[tuple[date, str, HoursDoubt], list[datetime]] = {}
    for doubt in doubts:
        seen.setdefault((calendar_of(doubt.queue).day_of(doubt.at), doubt.queue, doubt.doubt), []).append(doubt.at)
    return [
        Disagreement(queue=queue, day=day, doubt=doubt, calls=len(times), first=min(times), last=max(times))
        for (day, queue, doubt), times in sorted(seen.items())
    ]


def doubt_of_visit(calendar_of: Callable[[str], Calendar], visit: AnyVisit) -> Doubt | None:
    """Return the doubt of a visit answered though the calendar says closed, or put out as closed though it says open;
    else None.
    """
    entered, ended = visit.entered_at, visit.ended_wait_at
    if ended is None:
        return None
    if visit.outcome is Outcome.ANSWERED and entered is not None:
        calendar = calendar_of(visit.queue)
        if not _is_near_open(calendar, entered) and not _is_near_open(calendar, ended):
            return Doubt(visit.queue, entered, ended, HoursDoubt.ANSWERED_WHILE_CLOSED)
    elif visit.outcome is Outcome.CLOSED and _is_well_open(calendar_of(visit.queue), ended):
        return Doubt(visit.queue, entered or ended, ended, HoursDoubt.REFUSED_WHILE_OPEN)
    return None


def doubt_of_refusal(calendar_of: Callable[[str], Calendar], refusal: AnyRefusal) -> Doubt | None:
    """Return the doubt of a caller turned away as closed though the calendar says open; else None."""
    if refusal.reason is not RefusalReason.CLOSED or not _is_well_open(calendar_of(refusal.queue), refusal.at):
        return None
    return Doubt(refusal.queue, refusal.at, refusal.at, HoursDoubt.REFUSED_WHILE_OPEN)


def _is_well_open(calendar: Calendar, at: datetime) -> bool:
    return calendar.is_open(at) and calendar.is_open(at - GRACE) and calendar.is_open(at + GRACE)


def _is_near_open(calendar: Calendar, at: datetime) -> bool:
    return calendar.is_open(at) or calendar.is_open(at - GRACE) or calendar.is_open(at + GRACE)
