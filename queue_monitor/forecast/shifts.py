"""The shifts of the agents in one day for one pool, read from the reports that `Agents` keeps: on duty, serving, free.

Moments are seconds after local midnight.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from queue_monitor.core.agent_words import AgentWords
from queue_monitor.core.staffing import busiest
from queue_monitor.events import AgentActivity
from queue_monitor.forecast.calls import NEVER, Array

ON_DUTY: Final = frozenset(
    {AgentActivity.AVAILABLE, AgentActivity.RINGING, AgentActivity.BUSY, AgentActivity.WRAPUP, AgentActivity.UNKNOWN}
)
SERVING: Final = frozenset({AgentActivity.RINGING, AgentActivity.BUSY, AgentActivity.WRAPUP})


class Duty(NamedTuple):
    """Stretches of agents in one activity, and their cycles from ring to ready."""

    start: Array
    end: Array
    on_duty: NDArray[np.bool_]
    serving: NDArray[np.bool_]
    ringing: NDArray[np.bool_]
    unreachable: NDArray[np.bool_]
    logged_in: NDArray[np.bool_]
    cycle_start: Array
    cycle_answered: Array
    cycle_end: Array


class Shift:
    """One agent's day in one pool, or in all queues. Both lists are in the order of time.

    `did`: each change of the agent's activity.
    `serves`: each change of the queues (casefolded) whose calls come to the agent, None for all.
    """

    def __init__(self, queues: frozenset[str], midnight: datetime) -> None:
        self._queues = queues
        self._midnight = midnight
        self._begin_anew(rewritten=0)

    def _begin_anew(self, rewritten: int) -> None:
        self.did: list[tuple[float, AgentActivity]] = []
        self.serves: list[tuple[float, frozenset[str] | None]] = []
        self._duty: Duty | None = None
        self._read = 0
        self._rewritten = rewritten
        self._everywhere: tuple[float, AgentActivity] | None = None
        self._by_queue: dict[str, tuple[float, AgentActivity]] = {}
        self._member: dict[str, bool] = {}

    def read(self, words: AgentWords) -> None:
        """Take in the reports since the last call; all of them again when an older one came late."""
        if words.rewritten != self._rewritten:
            self._begin_anew(words.rewritten)
        for word in words.said[self._read :]:
            at = (word.at - self._midnight).total_seconds()
            if word.member is not None:
                self._member[word.queue] = word.member
            elif word.state is not None and word.queue:
                self._by_queue[word.queue] = at, word.state
            elif word.state is not None:
                self._everywhere = at, word.state
            self._note(max(0.0, at))
        self._read = len(words.said)

    def _note(self, at: float) -> None:
        serves = self._serves()
        if not self.serves or self.serves[-1][1] != serves:
            self.serves.append((at, serves))
        state = self._state(serves)
        if state is None:
            if not self.did:
                return  # the agent has belonged to another pool so far
            state = AgentActivity.LOGGED_OUT
        if not self.did or self.did[-1][1] is not state:
            self.did.append((at, state))
            self._duty = None

    def _serves(self) -> frozenset[str] | None:
        """Return the pool's queues that the agent is a member of; None when no membership was ever reported."""
        if not self._member:
            return None
        joined = frozenset(queue for queue, member in self._member.items() if member)
        return joined & self._queues if self._queues else joined

    def _state(self, serves: frozenset[str] | None) -> AgentActivity | None:
        """Return the busiest activity reported for these queues; None for an agent who has
        nothing to do with the pool.
        """
        queues = serves if serves is not None else self._queues or self._by_queue or ("",)
        return busiest(self._newest(queue) for queue in queues)

    def _newest(self, queue: str) -> AgentActivity | None:
        """Return the newest report that holds in this queue."""
        here, everywhere = self._by_queue.get(queue), self._everywhere
        if here is None or (everywhere is not None and everywhere[0] > here[0]):
            return everywhere[1] if everywhere else None
        return here[1]

    # ---- output

    def activity(self, at: float) -> AgentActivity | None:
        """Return the agent's activity at a moment; None before anything was reported."""
        place = bisect_right(self.did, at, key=itemgetter(0))
        return self.did[place - 1][1] if place else None

    def is_free_for(self, queue: str, at: float) -> bool:
        """Return whether a call of this queue would ring at the agent at this moment."""
        activity = self.activity(at)
        if activity not in ON_DUTY or activity in SERVING:
            return False
        place = bisect_right(self.serves, at, key=itemgetter(0))
        serves = self.serves[place - 1][1] if place else None
        return serves is None or queue in serves

    def free_since(self, at: float) -> float | None:
        """Return since when the agent has been free for a call; None when he or she is not."""
        since = None
        if self.activity(at) is AgentActivity.AVAILABLE:
            for start, activity in reversed(self.did[: bisect_right(self.did, at, key=itemgetter(0))]):
                if activity is not AgentActivity.AVAILABLE:
                    break
                since = start
        return since

    @property
    def duty(self) -> Duty:
        if self._duty is None:
            self._duty = _duty_of(self.did)
        return self._duty


def duty_of_all(shifts: Iterable[Shift]) -> Duty:
    """Return the stretches of all agents together."""
    parts = [shift.duty for shift in shifts if shift.did]
    return Duty(*map(np.concatenate, zip(*parts, strict=True))) if parts else _duty_of([])


def _duty_of(did: list[tuple[float, AgentActivity]]) -> Duty:
    """Return one agent's stretches, in the order of time."""
    ends = [at for at, _ in did[1:]] + [NEVER] * bool(did)
    stretches = [(at, end, state) for (at, state), end in zip(did, ends, strict=True)]
    cycles = _cycles(stretches)
    activities = [state for _, state in did]
    return Duty(
        np.array([at for at, _ in did], float),
        np.array(ends, float),
        np.array([state in ON_DUTY for state in activities], bool),
        np.array([state in SERVING for state in activities], bool),
        np.array([state is AgentActivity.RINGING for state in activities], bool),
        np.array([state is AgentActivity.UNREACHABLE for state in activities], bool),
        np.array([state is not AgentActivity.LOGGED_OUT for state in activities], bool),
        np.array([cycle[0] for cycle in cycles], float),
        np.array([cycle[1] for cycle in cycles], float),
        np.array([cycle[2] for cycle in cycles], float),
    )


def _cycles(stretches: list[tuple[float, float, AgentActivity]]) -> list[tuple[float, float, float]]:
    """Return an agent's calls: first ring, answer, ready for the next. A ring that nobody took is not a call."""
    found: list[tuple[float, float, float]] = []
    began = answered = NEVER
    for start, _, state in stretches:
        if state is AgentActivity.BUSY or state is AgentActivity.WRAPUP:
            began = min(began, start)
            answered = min(answered, start) if state is AgentActivity.BUSY else answered
            continue
        if answered < NEVER:
            found.append((began, answered, start))
        began, answered = (start if state is AgentActivity.RINGING else NEVER), NEVER
    if answered < NEVER:
        found.append((began, answered, NEVER))
    return found
