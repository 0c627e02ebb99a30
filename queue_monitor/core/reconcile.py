"""The ledger held against the switch's own totals: each difference by queue and counter, with its likely cause.

A switch counts from its last reset; so every counter is compared over the stretch from the first snapshot after the
last reset to the newest. What the counters mean was read in the switches' sources (SWITCHBOARDS.md sections 1 and 2)
and seen in the captures: Asterisk books a call as completed when it ends, and counts time-outs and withdrawn callers
among its abandoned.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from queue_monitor.events import QueueSnapshot
from queue_monitor.model import Difference, DifferenceCause, Outcome, Visit

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
"""What Asterisk counts as abandoned; leaving by a key is in none of its counters."""

BOOKING: Final = 2
"""A call that ends while its agent takes the next is booked late or not at all: 1 to 2 were seen."""


BlindSince = Callable[[datetime], timedelta]
"""How long nobody listened from a moment up to the snapshot."""


class _Counter(NamedTuple):
    """A switch's counter: what we call it, and which visits it counts at which moment."""

    name: str
    outcomes: frozenset[Outcome]
    at_end: bool


COUNTERS: Final = {
    "Completed": _Counter("completed", frozenset({Outcome.ANSWERED}), at_end=True),
    "Abandoned": _Counter("let_go", LET_GO, at_end=False),
    "calls_answered": _Counter("answered", frozenset({Outcome.ANSWERED}), at_end=False),
    "calls_abandoned": _Counter("let_go", LET_GO | {Outcome.EXIT_KEY}, at_end=False),
}


class _Begin(NamedTuple):
    """Where a comparison starts: the counter's value then, and its newest since."""

    value: int
    at: datetime
    newest: int


class Reconciler:
    """The newest comparison of every queue and counter."""

    def __init__(self) -> None:
        self._begins: dict[tuple[str, str, str], _Begin] = {}
        self._found: dict[tuple[str, str, str], Difference] = {}

    def compare(self, snapshot: QueueSnapshot, visits: Iterable[Visit], blind: BlindSince) -> None:
        """Hold the counters of one snapshot against the visits of its queue."""
        for raw, counter in COUNTERS.items():
            value = snapshot.counters.get(raw, "")
            if value.isdecimal():
                self._compare(snapshot, counter, int(value), list(visits), blind)

    def _compare(
        self, snapshot: QueueSnapshot, counter: _Counter, value: int, visits: list[Visit], blind: BlindSince
    ) -> None:
        key = (snapshot.switch_name, snapshot.queue.casefold(), counter.name)
        begin = self._begins.get(key)
        if begin is None or value < begin.newest:
            self._begins[key] = _Begin(value, snapshot.as_of, value)
            self._found.pop(key, None)
            return
        self._begins[key] = begin._replace(newest=value)
        ours = sum(_counted(visit, counter, begin.at, snapshot.as_of) for visit in visits)
        difference = ours - (value - begin.value)
        self._found[key] = Difference(
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

    def differences(self) -> tuple[Difference, ...]:
        return tuple(self._found[key] for key in sorted(self._found))


def _counted(visit: Visit, counter: _Counter, since: datetime, until: datetime) -> bool:
    at = visit.completed_at if counter.at_end else visit.ended_wait_at
    return visit.outcome in counter.outcomes and at is not None and since < at <= until


def _cause(difference: int, counter: _Counter, blind: timedelta) -> DifferenceCause:
    if difference == 0:
        return DifferenceCause.NONE
    if counter.at_end and 0 < difference <= BOOKING:
        return DifferenceCause.BOOKING
    if blind:
        return DifferenceCause.GAP
    return DifferenceCause.UNEXPLAINED
