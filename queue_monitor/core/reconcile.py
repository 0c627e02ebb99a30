"""The comparison of the ledger with the switch's own totals: each difference by queue and counter, with its likely
cause.

A switch counts from its last reset; so every counter is compared over the stretch from the first snapshot after the
last reset to the newest. The ends of the visits in that stretch are kept, so that calls need not be held for as long.
The meaning of the counters was read in the switches' sources and seen in the captures: Asterisk books a call as
completed when it ends, and counts time-outs and withdrawn callers among its abandoned (docs/switch-rules.md).
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from queue_monitor.core.places import Places
from queue_monitor.events import QueueSnapshot
from queue_monitor.model import Difference, DifferenceCause, Outcome, StoredVisit, Visit
from queue_monitor.queues import queue_key

LET_GO: Final = frozenset(
    {
        Outcome.ABANDONED,
        Outcome.TIMEOUT,
        Outcome.OVERFLOW,
        Outcome.NO_AGENTS,
        Outcome.WITHDRAWN,
        Outcome.CALLBACK,
        Outcome.SYSTEM,
        Outcome.LOST,
    }
)
"""The outcomes that Asterisk counts as abandoned; leaving by a key is in none of its counters."""

BOOKING: Final = 2
"""The difference that booking explains. A call that ends while its agent takes the next is booked late or not at all: 1
to 2 were seen.
"""


MAX_COMPARED: Final = 500
"""The number of queues, each of one switch, whose counters are compared: each has up to four lines in all lists."""

BlindSince = Callable[[datetime], timedelta]
"""A function that returns how long no source was connected from a moment up to the snapshot."""


class _Counter(NamedTuple):
    """A switch's counter: our name for it, the outcomes that it counts, and whether it counts
    at the end of the talk.
    """

    name: str
    outcomes: frozenset[Outcome]
    at_end: bool

    def end_of(self, visit: Visit | StoredVisit) -> datetime | None:
        """Return when this counter counts a visit; None when it does not."""
        if visit.outcome not in self.outcomes:
            return None
        return visit.completed_at if self.at_end else visit.ended_wait_at


COUNTERS: Final = {
    "Completed": _Counter("completed", frozenset({Outcome.ANSWERED}), at_end=True),
    "Abandoned": _Counter("let_go", LET_GO, at_end=False),
    "calls_answered": _Counter("answered", frozenset({Outcome.ANSWERED}), at_end=False),
    "calls_abandoned": _Counter("let_go", LET_GO | {Outcome.EXIT_KEY}, at_end=False),
}


class _Begin(NamedTuple):
    """The start of a comparison: the counter's value then, and its newest since."""

    value: int
    at: datetime
    newest: int


class _Ends:
    """The ends that one counter counts since its comparison began: the newest one by one, earlier ones as a sum."""

    def __init__(self, since: datetime) -> None:
        self._edge = since
        self._sum = 0
        self._times: list[datetime] = []

    def move(self, at: datetime, sign: int) -> None:
        """Put an end in, or (`sign` -1) take out one that was put in."""
        if at <= self._edge:
            self._sum += sign
        elif sign > 0:
            insort(self._times, at)
        elif at in self._times:
            self._times.remove(at)

    def add_up(self, before: datetime) -> None:
        """Keep only the sum of the ends from before that moment."""
        at = bisect_right(self._times, before)
        self._sum += at
        del self._times[:at]
        self._edge = max(self._edge, before)

    def after(self, at: datetime) -> "_Ends | None":
        """Return the ends after a moment; None where they are no longer known one by one."""
        if at < self._edge:
            return None
        found = _Ends(at)
        found._times = self._times[bisect_right(self._times, at) :]
        return found

    def until(self, at: datetime) -> int:
        """Return the number of ends up to a moment, it included."""
        return self._sum + bisect_right(self._times, at)


CounterKey = tuple[str, str, str]
"""The switch, the queue (casefolded) and the switch's word for the counter."""


_decoder: Final = msgspec.msgpack.Decoder(list[tuple[str, str, str, int, datetime, int]])


class Reconciler:
    """The newest comparison of every queue and counter.

    It gets every visit that changes, and keeps the ends that a comparison counts: the calls themselves need not stay in
    memory.
    """

    def __init__(self) -> None:
        self._begins: dict[CounterKey, _Begin] = {}
        self._ends: dict[CounterKey, _Ends] = {}
        self._begun: dict[tuple[str, str], list[str]] = {}
        self._found: dict[tuple[str, str, str], Difference] = {}
        self._places = Places(MAX_COMPARED)

    def written(self) -> bytes:
        """Return where each comparison began, encoded for a start."""
        return msgspec.msgpack.encode([(*key, *begin) for key, begin in self._begins.items()])

    def restore(self, written: bytes) -> None:
        """Load the result of `written`; the ends since then are given to `count`. Raises `msgspec.DecodeError`."""
        for switch, queue, raw, value, at, newest in _decoder.decode(written):
            if raw in COUNTERS and self._has_place(switch, queue, ""):
                self._begins[switch, queue, raw] = _Begin(value, at, newest)
                self._ends[switch, queue, raw] = _Ends(at)
                self._begun.setdefault((switch, queue), []).append(raw)

    @property
    def oldest_begin(self) -> datetime | None:
        return min((begin.at for begin in self._begins.values()), default=None)

    def count(self, visits: Iterable[Visit | StoredVisit]) -> None:
        """Count the ends of visits that the store has."""
        for visit in visits:
            for raw in self._begun.get((visit.switch, queue_key(visit.queue)), ()):
                self._move(visit, raw, +1)

    def change(self, before: Iterable[Visit], after: Iterable[Visit]) -> None:
        """Replace the old visits of a contact by its new ones."""
        if not self._begun:
            return
        for visits, sign in ((before, -1), (after, +1)):
            for visit in visits:
                for raw in self._begun.get((visit.switch, queue_key(visit.queue)), ()):
                    self._move(visit, raw, sign)

    def _move(self, visit: Visit | StoredVisit, raw: str, sign: int) -> None:
        key, at = (visit.switch, queue_key(visit.queue), raw), COUNTERS[raw].end_of(visit)
        if at is not None and at > self._begins[key].at:
            self._ends[key].move(at, sign)

    def add_up(self, before: datetime) -> None:
        """Keep only sums of the ends from before that moment: calls from then are removed from memory."""
        for ends in self._ends.values():
            ends.add_up(before)

    def compare(self, snapshot: QueueSnapshot, visits: Callable[[], Iterable[Visit]], blind: BlindSince) -> None:
        """Compare the counters of one snapshot with the visits of its queue, where that queue of that switch has a
        place.

        `visits`, all that are held, is called where a comparison begins.
        """
        values = {raw: int(said) for raw in COUNTERS if (said := snapshot.counters.get(raw, "")).isdecimal()}
        if values and self._has_place(snapshot.switch_name, queue_key(snapshot.queue), snapshot.source):
            for raw, value in values.items():
                self._compare(snapshot, raw, value, visits, blind)

    def _has_place(self, switch: str, queue: str, by: str) -> bool:
        """Return whether a queue of a switch is compared; what gives up its place for it is compared no longer."""
        has_place, gives_up = self._places.take(f"{switch}\0{queue}", by)
        if gives_up is not None:
            of, _, other = gives_up.partition("\0")
            for raw in self._begun.pop((of, other), ()):
                del self._begins[of, other, raw], self._ends[of, other, raw]
                self._found.pop((of, other, COUNTERS[raw].name), None)
        return has_place

    def _compare(
        self,
        snapshot: QueueSnapshot,
        raw: str,
        value: int,
        visits: Callable[[], Iterable[Visit]],
        blind: BlindSince,
    ) -> None:
        key, counter = (snapshot.switch_name, queue_key(snapshot.queue), raw), COUNTERS[raw]
        begin = self._begins.get(key)
        if begin is None or value < begin.newest:
            self._begin(key, _Begin(value, snapshot.as_of, value), visits)
            return
        self._begins[key] = begin._replace(newest=value)
        ours = self._ends[key].until(snapshot.as_of)
        difference = ours - (value - begin.value)
        self._found[*key[:2], counter.name] = Difference(
            switch=snapshot.switch_name,
            queue=snapshot.queue,
            counter=counter.name,
            switch_says=value - begin.value,
            ledger_says=ours,
            difference=difference,
            since=begin.at,
            until=snapshot.as_of,
            cause=_cause(difference, counter, blind(begin.at)),
        )

    def _begin(self, key: CounterKey, begin: _Begin, visits: Callable[[], Iterable[Visit]]) -> None:
        """Start a comparison here; calls that end later than the snapshot may have been reported already."""
        switch, queue, raw = key
        self._found.pop((switch, queue, COUNTERS[raw].name), None)
        later = self._ends[key].after(begin.at) if key in self._ends else None
        self._begins[key], self._ends[key] = begin, later or _Ends(begin.at)
        if later is not None:
            return
        begun = self._begun.setdefault((switch, queue), [])
        if raw not in begun:
            begun.append(raw)
        for visit in visits():
            if (visit.switch, queue_key(visit.queue)) == (switch, queue):
                self._move(visit, raw, +1)

    def differences(self) -> tuple[Difference, ...]:
        return tuple(self._found[key] for key in sorted(self._found))


def _cause(difference: int, counter: _Counter, blind: timedelta) -> DifferenceCause:
    if difference == 0:
        return DifferenceCause.NONE
    if counter.at_end and 0 < difference <= BOOKING:
        return DifferenceCause.BOOKING
    if blind:
        return DifferenceCause.GAP
    return DifferenceCause.UNEXPLAINED
