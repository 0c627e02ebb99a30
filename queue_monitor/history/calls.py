"""Single calls of the past: lost callers, waits after a transfer, and disagreements between switch and calendar."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from queue_monitor.core.calendar import Calendar
from queue_monitor.core.opening_check import disagreements as hours_disagreements
from queue_monitor.model import (
    LOST_OUTCOMES,
    Disagreement,
    LostCall,
    Outcome,
    StoredCall,
    StoredRefusal,
    StoredVisit,
    TransferWaits,
)
from queue_monitor.queues import queue_key


def lost_calls(
    calls: Iterable[StoredCall], refusals: Iterable[StoredRefusal], limit_ms_at: Callable[[datetime], int]
) -> list[LostCall]:
    """Return the callers whom nobody answered, in the order of entry. A wait above the limit of its day is late.

    Of the visits of a call only those after the first are looked at.
    """
    found = [_lost(call, limit_ms_at(call.at)) for call in calls if _is_lost(call)]
    found += map(_refused, refusals)
    return sorted(found, key=lambda call: call.entered_at or call.lost_at or _at(call))


def _is_lost(call: StoredCall) -> bool:
    return call.is_derived and call.outcome in LOST_OUTCOMES and call.counted_as not in ("", "called_back")


def _at(call: LostCall) -> datetime:
    raise ValueError(f"a lost call of {call.queue} has no time")


def _lost(call: StoredCall, limit_ms: int) -> LostCall:
    wait_ms = call.judged_ms
    return LostCall(
        queue=call.first_queue,
        last_queue=call.visits[-1].queue if call.visits else call.first_queue,
        entered_at=call.entered_at,
        lost_at=call.settled_at,
        wait_seconds=None if wait_ms is None else wait_ms / 1000,
        outcome=call.outcome,
        counted_as=call.counted_as,
        is_short=call.counted_as == "abandoned_short",
        is_late=wait_ms is not None and wait_ms > limit_ms,
        early=call.early,
        in_opening_hours=call.inside,
        reached_later=True if call.called_back_ms is not None else call.reached_later,
    )


def _refused(refusal: StoredRefusal) -> LostCall:
    return LostCall(
        queue=refusal.queue,
        last_queue=refusal.queue,
        entered_at=refusal.at,
        lost_at=refusal.at,
        wait_seconds=None,
        outcome=Outcome.REFUSED,
        counted_as=f"refused_{refusal.reason.value}",
        is_short=False,
        is_late=False,
        early=False,
        in_opening_hours=refusal.inside,
    )


def transfer_waits(visits: Iterable[StoredVisit]) -> list[TransferWaits]:
    """Return the waits of visits that began after the caller had been answered, by receiving queue."""
    by_queue: dict[str, list[StoredVisit]] = {}
    for visit in visits:
        by_queue.setdefault(queue_key(visit.queue), []).append(visit)
    return [_waits(found) for _, found in sorted(by_queue.items())]


def _waits(visits: Sequence[StoredVisit]) -> TransferWaits:
    known = [visit.wait_ms for visit in visits if visit.wait_ms is not None]
    return TransferWaits(
        queue=visits[0].queue,
        calls=len(visits),
        answered=sum(visit.outcome is Outcome.ANSWERED for visit in visits),
        waiting=sum(visit.outcome is Outcome.WAITING for visit in visits),
        mean_seconds=sum(known) / len(known) / 1000 if known else None,
        longest_seconds=max(known) / 1000 if known else None,
    )


def disagreements(
    calendar_of: Callable[[str], Calendar], visits: Sequence[StoredVisit], refusals: Iterable[StoredRefusal]
) -> list[Disagreement]:
    """Return where the switch and the calendar disagree about being open, by queue and day."""
    return hours_disagreements(calendar_of, visits, refusals)
