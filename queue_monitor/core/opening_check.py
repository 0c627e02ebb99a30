"""Where the switch and the calendar say different things about being open: one of them is set wrong."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final

from queue_monitor.core.calendar import Calendar
from queue_monitor.events import RefusalReason
from queue_monitor.model import Disagreement, HoursDoubt, Outcome, Refusal, Visit

GRACE: Final = timedelta(minutes=2)
"""So close to opening and closing, clocks may differ and a last call be taken."""


def disagreements(
    calendar_of: Callable[[str], Calendar], visits: Iterable[Visit], refusals: Iterable[Refusal]
) -> list[Disagreement]:
    """Calls that entered and were answered while the calendar says closed, and calls that the switch turned away as
    closed, or put out of the queue as closed, while the calendar says open. By queue and day, oldest first.
    """
    seen: dict[tuple[date, str, HoursDoubt], list[datetime]] = {}
    for queue, at, doubt in (*_answered(calendar_of, visits), *_refused(calendar_of, visits, refusals)):
        seen.setdefault((calendar_of(queue).day_of(at), queue, doubt), []).append(at)
    return [
        Disagreement(queue=queue, day=day, doubt=doubt, calls=len(times), first=min(times), last=max(times))
        for (day, queue, doubt), times in sorted(seen.items())
    ]


def _answered(
    calendar_of: Callable[[str], Calendar], visits: Iterable[Visit]
) -> Iterable[tuple[str, datetime, HoursDoubt]]:
    for visit in visits:
        entered, answered = visit.entered_at, visit.ended_wait_at
        if visit.outcome is Outcome.ANSWERED and entered and answered:
            calendar = calendar_of(visit.queue)
            if not _is_near_open(calendar, entered) and not _is_near_open(calendar, answered):
                yield visit.queue, answered, HoursDoubt.ANSWERED_WHILE_CLOSED


def _refused(
    calendar_of: Callable[[str], Calendar], visits: Iterable[Visit], refusals: Iterable[Refusal]
) -> Iterable[tuple[str, datetime, HoursDoubt]]:
    told = [(r.queue, r.at) for r in refusals if r.reason is RefusalReason.CLOSED]
    told += [(v.queue, v.ended_wait_at) for v in visits if v.outcome is Outcome.CLOSED and v.ended_wait_at]
    for queue, at in told:
        calendar = calendar_of(queue)
        if calendar.is_open(at - GRACE) and calendar.is_open(at) and calendar.is_open(at + GRACE):
            yield queue, at, HoursDoubt.REFUSED_WHILE_OPEN


def _is_near_open(calendar: Calendar, at: datetime) -> bool:
    return any(calendar.is_open(moment) for moment in (at - GRACE, at, at + GRACE))
