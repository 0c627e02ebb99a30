"""Counts the people who are there at one moment: each once, with the busiest of his or her activities."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from queue_monitor.events import AgentActivity
from queue_monitor.model import Staff

BUSIEST_FIRST: Final = (
    AgentActivity.BUSY,
    AgentActivity.RINGING,
    AgentActivity.WRAPUP,
    AgentActivity.AVAILABLE,
    AgentActivity.PAUSED,
    AgentActivity.UNKNOWN,
    AgentActivity.UNREACHABLE,
    AgentActivity.LOGGED_OUT,
)
"""The activities in order of rank. A person in several queues counts with the busiest reported: paused in one and free
in another is free.
"""

STAFFED: Final = frozenset(BUSIEST_FIRST[:5])
RANK: Final = {state: rank for rank, state in enumerate(BUSIEST_FIRST)}
_COUNTED: Final = tuple((state, state.value) for state in AgentActivity if state is not AgentActivity.UNKNOWN)


def busiest(states: Iterable[AgentActivity | None]) -> AgentActivity | None:
    """Return the busiest of the activities reported of one person; None when none is."""
    return min((state for state in states if state is not None), key=RANK.__getitem__, default=None)


@dataclass(slots=True)
class Staffing:
    """The activity of every agent at one moment.

    `listed`: the switches that list their members, all of whom have been heard of since the switch last fell silent.
    `unheard`: whether nothing has been heard of some agents since then: who is there is not known.
    `answering`: queues (casefolded) in which an agent answered within the usual time of a call.
    `everywhere`: by agent, over all queues.
    `by_queue`: by queue (casefolded), of its members.
    `anywhere`: the agents not known to be members of any queue, who may answer each one, counted by what they do
        wherever nothing else is said.
    `apart`: by queue (casefolded), those of them of whom something is said of this queue: that, and what they do
        elsewhere.
    """

    listed: frozenset[str] = frozenset()
    unheard: bool = False
    answering: set[str] = field(default_factory=set)
    everywhere: list[AgentActivity | None] = field(default_factory=list)
    by_queue: dict[str, dict[str, AgentActivity | None]] = field(default_factory=dict)
    anywhere: Counter[AgentActivity | None] = field(default_factory=Counter)
    apart: dict[str, dict[str, tuple[AgentActivity | None, AgentActivity | None]]] = field(default_factory=dict)
    _of_nobody: dict[tuple[bool, bool], Staff] = field(default_factory=dict)

    def of(self, keys: Sequence[str] | None, switches: Sequence[str] = ()) -> Staff:
        """Return the distinct people of some queues of these switches, or of all, by their busiest activity."""
        is_known = self.listed.issuperset(switches) if switches else bool(self.listed)
        if keys is None:
            return self._tally(Counter(self.everywhere), is_known, bool(self.answering))
        answering = not self.answering.isdisjoint(keys)
        if self.by_queue.keys().isdisjoint(keys) and self.apart.keys().isdisjoint(keys):
            if (is_known, answering) not in self._of_nobody:
                self._of_nobody[is_known, answering] = self._tally(self.anywhere, is_known, answering)
            return self._of_nobody[is_known, answering]
        states = self.anywhere.copy()
        if len(keys) == 1:
            states.update(self.by_queue.get(keys[0], {}).values())
        else:
            by_agent: dict[str, AgentActivity | None] = {}
            for key in keys:
                for agent_id, state in self.by_queue.get(key, {}).items():
                    known = by_agent.get(agent_id)
                    if known is None or (state is not None and RANK[state] < RANK[known]):
                        by_agent[agent_id] = state
            states.update(by_agent.values())
        said_of: dict[str, list[AgentActivity | None]] = {}
        for key in keys:
            for agent_id, (state, elsewhere) in self.apart.get(key, {}).items():
                said = said_of.setdefault(agent_id, [elsewhere])
                said.append(state)
        for elsewhere, *said in said_of.values():
            states[elsewhere] -= 1
            states[busiest(said if len(said) == len(keys) else [elsewhere, *said])] += 1
        return self._tally(states, is_known, answering)

    def _tally(self, states: Counter[AgentActivity | None], is_known: bool, answering: bool) -> Staff:
        tally = {name: number for state, name in _COUNTED if (number := states[state])}
        staffed = sum(states[state] for state in STAFFED)
        is_seen = not is_known and bool(tally)
        answering = answering or self.unheard
        return Staff(known=is_known, seen=is_seen, answering=answering, staffed=staffed, **tally)
