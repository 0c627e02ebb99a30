"""Callers whom nobody answered, one line each: counted as everywhere else, and without any
field that identifies them.
"""

from collections.abc import Iterator
from datetime import datetime

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.repeat_callers import CallerPseudonyms
from queue_monitor.core.snapshot_builder import falls_in
from queue_monitor.core.windows import PlacedCall, Windows
from queue_monitor.model import LOST_OUTCOMES, LostCall, Outcome, Refusal
from queue_monitor.queues import queue_key


def lost_calls(
    ledger: Ledger, windows: Windows, callers: CallerPseudonyms, start: datetime, end: datetime, queue: str | None
) -> list[LostCall]:
    """Return the lost calls of the minutes from `start` up to `end`, at contact level, in the order of entry.

    They are the calls in the counts of that stretch, so one that is judged from opening lies at opening.
    """
    queues = None if queue is None else frozenset({queue_key(queue)})
    found = [
        call for judged, call in _all(ledger, windows, callers) if falls_in(judged, queues, start, end, inside=None)
    ]
    return sorted(found, key=lambda call: call.entered_at or call.lost_at or start)


def _all(ledger: Ledger, windows: Windows, callers: CallerPseudonyms) -> Iterator[tuple[PlacedCall, LostCall]]:
    for history in ledger.histories():
        if history.contact.outcome not in LOST_OUTCOMES:
            continue
        judged = windows.place_settled(history.contact)
        if judged is None or (field := windows.field_of(history.contact, judged)) == "called_back":
            continue
        yield judged, _lost(history, judged, windows, field, callers.reached_later(history.contact))
    for refusal in ledger.refusals():
        judged = windows.place_refusal(refusal)
        yield judged, _refused(refusal, judged)


def _lost(
    history: ContactHistory, judged: PlacedCall, windows: Windows, counted_as: str, reached_later: bool | None
) -> LostCall:
    contact, wait_ms = history.contact, judged.wait_ms
    return LostCall(
        queue=judged.place.queue,
        last_queue=windows.name_of(history.visits[-1].queue),
        entered_at=contact.entered_at,
        lost_at=contact.settled_at,
        wait_seconds=None if wait_ms is None else wait_ms / 1000,
        outcome=contact.outcome,
        counted_as=counted_as,
        is_short=counted_as == "abandoned_short",
        is_late=wait_ms is not None and wait_ms > windows.target_at(judged.place.minute).limit_seconds * 1000,
        early=judged.early,
        in_opening_hours=judged.place.inside,
        reached_later=reached_later,
    )


def _refused(refusal: Refusal, judged: PlacedCall) -> LostCall:
    return LostCall(
        queue=judged.place.queue,
        last_queue=judged.place.queue,
        entered_at=refusal.at,
        lost_at=refusal.at,
        wait_seconds=None,
        outcome=Outcome.REFUSED,
        counted_as=f"refused_{refusal.reason.value}",
        is_short=False,
        is_late=False,
        early=False,
        in_opening_hours=judged.place.inside,
    )
