"""The bounds after which a wait without a reported end is taken to be over, for switches that never list who waits.

The rule stands in docs/definitions.md. Such a caller becomes `unknown` by an event of the monitor's own, which goes
through the journal like any other, so that a rebuild makes the same history. A later report amends it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from queue_monitor.core.calendar import Calendar
from queue_monitor.events import (
    MONITOR_SOURCE,
    CallEntered,
    CallLeft,
    LeftOutcome,
    OutcomeBasis,
    QueueSnapshot,
    TimeBasis,
    event_id,
)
from queue_monitor.model import Outcome, Visit
from queue_monitor.queues import queue_key

MIN_OVERTAKES: Final = 5
MIN_HISTORY: Final = 10
"""The days with waits of a queue that are needed before its overtakes are used."""

DAYS_KEPT: Final = 60
SHORTEST: Final = timedelta(minutes=30)
MAX_LENGTH: Final = timedelta(hours=4)
AFTER_CLOSING: Final = timedelta(minutes=30)
LISTED_WITHIN: Final = timedelta(minutes=15)
"""A queue whose waiting callers a snapshot has listed within this time needs no bound: the next list shows that a
caller has gone.
"""

_REPORTED: Final = frozenset(Outcome) - {Outcome.WAITING, Outcome.UNKNOWN, Outcome.LOST}


class DayOfWaits(Struct):
    """The waits of one queue and day.

    `longest_ms`: the longest wait whose end was reported.
    `overtakes`: the most callers who had come later and were answered before such a wait ended.
    """

    longest_ms: int = 0
    overtakes: int = 0


_EVER: Final = datetime.max.replace(tzinfo=UTC)
_LAST_ID: Final = chr(0x10FFFF)

Answered = tuple[datetime, str, datetime]
"""An answered call: when it entered, its visit, and when it was answered."""

_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, dict[date, DayOfWaits]], set[str], dict[str, list[Answered]]])


class WaitBounds:
    """The bounds of waits, learned from the waits that end in a queue; they show which of the others are overdue."""

    def __init__(self, calendar_of: Callable[[str], Calendar]) -> None:
        self._calendar_of = calendar_of
        self._days: dict[str, dict[date, DayOfWaits]] = {}
        self._answered: dict[str, list[Answered]] = {}
        self._to_count: list[tuple[DayOfWaits, Visit]] = []
        self._with_priorities: set[str] = set()
        self._listed: dict[tuple[str, str], datetime] = {}

    # ---- input

    def enter(self, event: CallEntered) -> None:
        """Note that a queue with priorities does not answer in the order of entry."""
        if event.priority:
            self._with_priorities.add(queue_key(event.queue))

    def see_list(self, event: QueueSnapshot) -> None:
        """Note that a snapshot has listed all who wait in a queue."""
        if event.complete:
            self._listed[event.switch_name, queue_key(event.queue)] = event.as_of

    def change(self, before: Sequence[Visit], after: Iterable[Visit]) -> None:
        """Take the visits of a contact as they were and as they are now."""
        known = {visit.visit_id: visit for visit in before}
        for visit in after:
            if visit.entered_at is None or visit.ended_wait_at is None or visit.outcome not in _REPORTED:
                continue
            was = known.get(visit.visit_id)
            if was is not None and (was.ended_wait_at, was.entered_at) == (visit.ended_wait_at, visit.entered_at):
                continue
            self._end(visit, was)

    def _end(self, visit: Visit, was: Visit | None) -> None:
        assert visit.entered_at is not None and visit.ended_wait_at is not None
        key = queue_key(visit.queue)
        answered = self._answered.setdefault(key, [])
        if was is not None and was.outcome is Outcome.ANSWERED and was.entered_at and was.ended_wait_at:
            old = was.entered_at, was.visit_id, was.ended_wait_at
            at = bisect_right(answered, old) - 1
            if at >= 0 and answered[at] == old:
                del answered[at]
        day = self._calendar_of(visit.queue).day_of(visit.entered_at)
        days = self._days.setdefault(key, {})
        its = days.get(day)
        if its is None:
            its = days[day] = DayOfWaits()
        its.longest_ms = max(its.longest_ms, visit.wait_ms or 0)
        if visit.outcome is Outcome.ANSWERED:
            one = visit.entered_at, visit.visit_id, visit.ended_wait_at
            at = len(answered) if not answered or answered[-1] < one else bisect_right(answered, one)
            if not at or answered[at - 1] != one:  # else a start has loaded it twice
                answered.insert(at, one)
        self._to_count.append((its, visit))

    def _count(self) -> None:
        """Count the overtakes of the waits that ended lately, once all that was reported together is known."""
        for its, visit in self._to_count:
            if visit.ended_wait_at is not None:
                overtook = _later(self._answered.get(queue_key(visit.queue), []), visit, visit.ended_wait_at)
                its.overtakes = max(its.overtakes, len(overtook))
        self._to_count.clear()

    def evict(self, waiting: Iterable[Visit], now: datetime) -> None:
        """Remove what is too old to count, and answered calls that entered before all who wait now."""
        self._count()
        oldest: dict[str, datetime] = {}
        for visit in waiting:
            if visit.entered_at is not None:
                key = queue_key(visit.queue)
                oldest[key] = min(visit.entered_at, oldest.get(key, visit.entered_at))
        for queue, answered in self._answered.items():
            del answered[: bisect_right(answered, (max(oldest.get(queue, now), now - MAX_LENGTH), "", now))]
        for queue, days in self._days.items():
            first = self._calendar_of(queue).day_of(now) - timedelta(days=DAYS_KEPT)
            self._days[queue] = {day: its for day, its in days.items() if day >= first}

    def written(self) -> bytes:
        """Return all that was learned, encoded for a start."""
        self._count()
        return msgspec.msgpack.encode((self._days, self._with_priorities, self._answered))

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`."""
        self._days, self._with_priorities, self._answered = _decoder.decode(written)

    # ---- output

    def overdue(self, waiting: Iterable[tuple[Visit, datetime]], now: datetime) -> list[CallLeft]:
        """Return an event for each waiting caller who is taken to have left unseen. `waiting` has the newest report of
        each.
        """
        self._count()
        found = []
        for visit, last_word in waiting:
            if self._is_listed(visit, now):
                continue
            over = min(self._bounds(visit, visit.entered_at or last_word, last_word, now))
            if over <= now:
                found.append(_left_unseen(visit, over, now))
        return found

    def doubtful(self, waiting: Iterable[Visit], now: datetime) -> list[Visit]:
        """Return the waiting callers who may have left unseen: more later callers were answered than ever overtook one
        on the days before.

        No alert is raised for such a caller, and in the forecast nobody stands behind him or her.
        """
        self._count()
        found, most = [], dict[str, int]()
        for visit in waiting:
            key = queue_key(visit.queue)
            answered = self._answered.get(key)
            if not answered or visit.entered_at is None or key in self._with_priorities or self._is_listed(visit, now):
                continue
            if key not in most:
                most[key] = self._most_before_today(visit.queue, now)
            if len(answered) - _behind(answered, visit) > most[key]:
                found.append(visit)
        return found

    def _most_before_today(self, queue: str, now: datetime) -> int:
        """Return the most overtakes of one wait in a queue on the days before today."""
        today, days = self._calendar_of(queue).day_of(now), self._days.get(queue_key(queue), {})
        return max((its.overtakes for day, its in days.items() if day < today), default=0)

    def listed_at(self, visit: Visit) -> datetime | None:
        """Return when a snapshot has last listed all who wait in the queue of a visit; None if none has."""
        return self._listed.get((visit.switch, queue_key(visit.queue)))

    def _is_listed(self, visit: Visit, now: datetime) -> bool:
        listed = self.listed_at(visit)
        return listed is not None and now - listed <= LISTED_WITHIN

    def _bounds(self, visit: Visit, entered: datetime, last_word: datetime, now: datetime) -> Iterable[datetime]:
        """Yield the moments at each of which the wait is taken to be over.

        `entered`: the entry, or the last word about a caller whose entry nobody has reported.
        """
        key = queue_key(visit.queue)
        days = self._days.get(key, {})
        longest = timedelta(milliseconds=max((its.longest_ms for its in days.values()), default=0))
        yield entered + min(max(2 * longest, SHORTEST), MAX_LENGTH)
        closes = _closing(self._calendar_of(visit.queue), entered, now)
        if closes is not None:
            yield max(closes, last_word) + AFTER_CLOSING
        if visit.entered_at is not None and len(days) >= MIN_HISTORY and key not in self._with_priorities:
            enough = max(MIN_OVERTAKES, 1 + max(its.overtakes for its in days.values()))
            overtook = sorted(_later(self._answered.get(key, []), visit, now))
            if len(overtook) >= enough:
                yield max(overtook[enough - 1], last_word)


def _later(answered: list[Answered], visit: Visit, until: datetime) -> list[datetime]:
    """Return when the callers who entered after this visit were answered, up to `until`."""
    entered_by_then = bisect_right(answered, (until, _LAST_ID, _EVER))
    return [ended for _, _, ended in answered[_behind(answered, visit) : entered_by_then] if ended <= until]


def _behind(answered: list[Answered], visit: Visit) -> int:
    """Return the position of the first answered caller who had entered after this visit."""
    assert visit.entered_at is not None
    return bisect_right(answered, (visit.entered_at, visit.visit_id, visit.ended_wait_at or _EVER))


def _closing(calendar: Calendar, entered: datetime, now: datetime) -> datetime | None:
    """Return when the queue closed after that entry; None while it has not, or for an entry outside opening hours."""
    stretch = calendar.stretch(entered)
    while stretch is not None and stretch[1] <= now:
        following = calendar.stretch(stretch[1])
        if following is None:
            return stretch[1]
        stretch = following
    return None


def _left_unseen(visit: Visit, at: datetime, now: datetime) -> CallLeft:
    return CallLeft(
        id=event_id(MONITOR_SOURCE, str(CallLeft.__struct_config__.tag), visit.switch, visit.visit_id),
        source=MONITOR_SOURCE,
        switch=visit.switch,
        observed_at=now,
        switch_time=at,
        time_basis=TimeBasis.DERIVED,
        time_precision_ms=1000,
        visit_id=visit.visit_id,
        outcome=LeftOutcome.UNKNOWN,
        outcome_basis=OutcomeBasis.INFERRED,
        queue=visit.queue,
        leg_id=visit.leg_id,
    )
