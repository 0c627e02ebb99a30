"""Waits after a transfer: a figure of their own, on the receiving queue (docs/definitions.md)."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.model import Outcome, TransferWaits, Visit
from queue_monitor.queues import queue_key


def transfer_waits(
    histories: Iterable[ContactHistory], start: datetime, end: datetime, queue: str | None = None
) -> list[TransferWaits]:
    """Return the waits of stays that began from `start` to before `end` after the caller had
    been answered, by queue.
    """
    found: dict[str, list[Visit]] = {}
    for history in histories:
        for visit in _after_the_answer(history):
            entered = visit.entered_at
            if entered is not None and start <= entered < end and _is_in(visit, queue):
                found.setdefault(queue_key(visit.queue), []).append(visit)
    return [_waits(visits) for _, visits in sorted(found.items())]


def _after_the_answer(history: ContactHistory) -> Iterator[Visit]:
    answered = False
    for visit in history.visits:
        if answered:
            yield visit
        answered = answered or visit.outcome is Outcome.ANSWERED


def _is_in(visit: Visit, queue: str | None) -> bool:
    return queue is None or queue_key(visit.queue) == queue_key(queue)


def _waits(visits: list[Visit]) -> TransferWaits:
    known = [visit.wait_ms for visit in visits if visit.wait_ms is not None]
    return TransferWaits(
        queue=visits[0].queue,
        calls=len(visits),
        answered=sum(visit.outcome is Outcome.ANSWERED for visit in visits),
        waiting=sum(visit.outcome is Outcome.WAITING for visit in visits),
        mean_seconds=sum(known) / len(known) / 1000 if known else None,
        longest_seconds=max(known) / 1000 if known else None,
    )
