"""Keeps the callers whom a queue refused, each counted once; who got into a queue in the same call was not refused."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from msgspec import structs

from queue_monitor.core.contacts import NEW_CALL_AFTER_START
from queue_monitor.events import CallRefused, RefusalReason
from queue_monitor.model import Refusal, Visit
from queue_monitor.queues import queue_key

TOLD_AGAIN: Final = timedelta(milliseconds=100)
"""One source tells of one refusal again within this time, beside the uncertainty of its clock."""

TOLD_OF_REFUSAL: Final = timedelta(minutes=1)
"""Two sources tell of one refusal within this time: a dialplan may log it only after an announcement."""

_NAMELESS: Final = frozenset({"", "unknown"})
"""The names that sources give to the queue of a refused caller when they do not know it."""


@dataclass(slots=True)
class _Refused:
    """A refused caller. `told_by`: the sources that have told of this refusal. `is_counted`: false for one who got into
    a queue in the same call.
    """

    refusal: Refusal
    told_by: set[str]
    is_counted: bool = True

    @property
    def at(self) -> datetime:
        return self.refusal.at


_at: Final = attrgetter("at")


class Refusals:
    """The refused callers in memory, by switch and leg, those of one leg in the order of time.

    `has_got_in`: returns whether the caller is known to have got into a queue in the same call.
    """

    def __init__(self, has_got_in: Callable[[Refusal], bool]) -> None:
        self._has_got_in = has_got_in
        self._refused: dict[tuple[str, str], list[_Refused]] = {}
        self._coarsest_ms = 0

    def __iter__(self) -> Iterator[Refusal]:
        for refused in self._refused.values():
            yield from (one.refusal for one in refused if one.is_counted)

    def __bool__(self) -> bool:
        return bool(self._refused)

    def note(self, event: CallRefused) -> tuple[Refusal | None, Refusal | None]:
        """Note a refused caller, once even when two sources report it and only one of them can name the queue.

        Returns the refusal that is to be counted, and one that is no longer to be counted as it was; None where there
        is none.
        """
        refusal = _refusal(event)
        same = self._refused.setdefault((refusal.switch, refusal.leg_id), [])
        self._coarsest_ms = max(self._coarsest_ms, refusal.precision_ms)
        reach = TOLD_OF_REFUSAL + timedelta(milliseconds=2 * self._coarsest_ms)
        near = _between(same, refusal.at - reach, refusal.at + reach)
        if (known := _same_refusal(near, refusal)) is not None:
            before, known.refusal = known.refusal, _better_told(known.refusal, refusal)
            known.told_by.add(event.source)
            if known.refusal == before:
                return None, None
            same.sort(key=_at)
            return (known.refusal, before) if known.is_counted else (None, None)
        counts = not self._has_got_in(refusal)
        insort(same, _Refused(refusal, {event.source}, counts), key=_at)
        return (refusal if counts else None), None

    def let_in(self, switch: str, known_as: Collection[str], at: datetime) -> tuple[Refusal, ...]:
        """Note that a caller, known under one of these ids, got into a queue; return the refusals by other queues just
        before, which are no longer to be counted.
        """
        got_in = []
        for one in known_as:
            for refused in _between(self._refused.get((switch, one), ()), at - NEW_CALL_AFTER_START, at):
                if refused.is_counted:
                    refused.is_counted = False
                    got_in.append(refused.refusal)
        return tuple(got_in)

    def take_back(self, event: CallRefused) -> Refusal | None:
        """Forget the refused caller that was counted for this event; return it, None when there was none."""
        said = _refusal(event)
        same = self._refused.get((said.switch, said.leg_id), [])
        for refused in _between(same, said.at, said.at):
            if refused.refusal.source == said.source:
                same.remove(refused)
                return refused.refusal if refused.is_counted else None
        return None

    def evict(self, before: datetime) -> None:
        """Remove the refusals from before this time."""
        for key, refused in list(self._refused.items()):
            self._refused[key] = [kept for kept in refused if kept.refusal.at >= before]
            if not self._refused[key]:
                del self._refused[key]


def is_one_call(refusal: Refusal, visit: Visit) -> bool:
    """Return whether a visit belongs to the call of a refused caller: it began, and ended, not far from there."""
    began, ended = visit.entered_at, visit.completed_at or visit.ended_wait_at
    if visit.switch != refusal.switch or began is None or began > refusal.at + NEW_CALL_AFTER_START:
        return False
    return ended is None or refusal.at <= ended + NEW_CALL_AFTER_START


def _same_refusal(told: Sequence[_Refused], refusal: Refusal) -> _Refused | None:
    """Return the one of these that a source tells of here, the nearest in time; None where this is another."""
    for other in sorted(told, key=lambda one: abs(one.at - refusal.at)):
        before = other.refusal
        within = TOLD_OF_REFUSAL
        if refusal.source in other.told_by:
            within = TOLD_AGAIN + timedelta(milliseconds=before.precision_ms + refusal.precision_ms)
        if _may_be_one_queue(before.queue, refusal.queue) and abs(before.at - refusal.at) <= within:
            return other
    return None


def _between(told: Sequence[_Refused], first: datetime, last: datetime) -> Sequence[_Refused]:
    """Return those that were refused between two times, both included."""
    return told[bisect_left(told, first, key=_at) : bisect_right(told, last, key=_at)]


def _may_be_one_queue(one: str, other: str) -> bool:
    """Return whether two refusals may be by one queue: the names are equal, or a source does not know one of them."""
    names = {queue_key(one), queue_key(other)}
    return len(names) == 1 or not names.isdisjoint(_NAMELESS)


def _better_told(one: Refusal, other: Refusal) -> Refusal:
    """Return a refusal as the source with the finer clock tells it, with the queue and the reason as far as one of the
    two knows them: which came first does not matter.
    """
    best, other = sorted((one, other), key=lambda refusal: (refusal.precision_ms, refusal.at, refusal.source))
    queue = other.queue if queue_key(best.queue) in _NAMELESS else best.queue
    reason = other.reason if best.reason is RefusalReason.UNKNOWN else best.reason
    return structs.replace(best, queue=queue, reason=reason)


def _refusal(event: CallRefused) -> Refusal:
    return Refusal(
        source=event.source,
        switch=event.switch_name,
        contact_id=event.contact_id,
        leg_id=event.leg_id or event.contact_id,
        queue=event.queue,
        reason=event.reason,
        at=event.at,
        time_basis=event.time_basis,
        precision_ms=event.time_precision_ms,
    )
