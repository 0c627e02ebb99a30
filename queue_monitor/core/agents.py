"""Who is there to answer: agents by what they do now, and which queues share them."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from queue_monitor.core.teams import grouped
from queue_monitor.events import AgentActivity, AgentMember, AgentState, MemberAction, QueueSnapshot
from queue_monitor.model import AgentNow, Staff

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
"""One person in several queues does the busiest thing said of him or her: paused in one, free in another is free."""

POOL_LASTS: Final = timedelta(days=1)

STAFFED: Final = frozenset(BUSIEST_FIRST[:5])
_RANK: Final = {state: rank for rank, state in enumerate(BUSIEST_FIRST)}
_COUNTED: Final = tuple((state, state.value) for state in AgentActivity if state is not AgentActivity.UNKNOWN)


@dataclass(slots=True)
class _Said:
    state: AgentActivity
    reason: str | None
    at: datetime


@dataclass(slots=True)
class _Agent:
    """What was last said of one agent: in all queues, or in one; and the queues he or she is a member of."""

    everywhere: _Said | None = None
    by_queue: dict[str, _Said] = field(default_factory=dict)
    member_of: dict[str, bool] = field(default_factory=dict)
    member_said: dict[str, datetime] = field(default_factory=dict)

    def in_queue(self, queue: str | None) -> _Said | None:
        """The newest word that holds in this queue; over all queues the busiest."""
        if queue is not None:
            here, everywhere = self.by_queue.get(queue), self.everywhere
            if here is None or everywhere is None:
                return here or everywhere
            return here if here.at >= everywhere.at else everywhere
        current = [s for name in self.by_queue if self.member_of.get(name, True) and (s := self.in_queue(name))]
        if self.everywhere is not None and not current:
            current = [self.everywhere]
        return min(current, key=lambda s: _RANK[s.state], default=None)


@dataclass(slots=True)
class Staffing:
    """What everybody does at one moment: in all queues together, and by queue (casefolded) of those that they are
    members of. Who is known to be a member of none may answer any queue, but those in which something else was said.
    """

    is_known: bool = False
    everywhere: list[AgentActivity | None] = field(default_factory=list)
    by_queue: dict[str, dict[str, AgentActivity | None]] = field(default_factory=dict)
    of_no_queue: list[tuple[Collection[str], AgentActivity | None]] = field(default_factory=list)

    def of(self, keys: Sequence[str] | None) -> Staff:
        """Distinct people of some queues, of all, by the busiest thing that they do."""
        if keys is None:
            return self._tally(self.everywhere)
        if len(keys) == 1:
            states = list(self.by_queue.get(keys[0], {}).values())
        else:
            by_agent: dict[str, AgentActivity | None] = {}
            for key in keys:
                for agent_id, state in self.by_queue.get(key, {}).items():
                    known = by_agent.get(agent_id)
                    if known is None or (state is not None and _RANK[state] < _RANK[known]):
                        by_agent[agent_id] = state
            states = list(by_agent.values())
        states += [state for elsewhere, state in self.of_no_queue if any(key not in elsewhere for key in keys)]
        return self._tally(states)

    def _tally(self, states: list[AgentActivity | None]) -> Staff:
        counted = Counter(states)
        tally = {name: number for state, name in _COUNTED if (number := counted.get(state))}
        return Staff(known=self.is_known, staffed=sum(counted.get(state, 0) for state in STAFFED), **tally)


_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, _Agent], dict[str, str]])


class Agents:
    """All agents of all switches, by id."""

    def __init__(self) -> None:
        self._agents: dict[str, _Agent] = {}
        self._names: dict[str, str] = {}

    def written(self) -> bytes:
        """All of it, for a start to take up."""
        return msgspec.msgpack.encode((self._agents, self._names))

    def restore(self, written: bytes) -> None:
        """Take up what `written` gave. Raises `msgspec.DecodeError`."""
        self._agents, self._names = _decoder.decode(written)

    def apply(self, event: AgentState | AgentMember | QueueSnapshot) -> None:
        """Take what an event says of agents; of two words on the same thing the later one holds."""
        if isinstance(event, AgentState):
            said = _Said(event.state, event.reason, event.at)
            self._say(event.agent_id, event.queues, said)
        elif isinstance(event, AgentMember):
            self._join(event.agent_id, event.queue, event.action is not MemberAction.REMOVED, event.at)
        else:
            self._snapshot(event)

    def _say(self, agent_id: str, queues: tuple[str, ...] | None, said: _Said) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        if queues is None:
            if agent.everywhere is None or said.at >= agent.everywhere.at:
                agent.everywhere = said
            return
        for queue in map(self._key, queues):
            known = agent.by_queue.get(queue)
            if known is None or said.at >= known.at:
                agent.by_queue[queue] = said

    def _join(self, agent_id: str, queue: str, member: bool, at: datetime) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        key = self._key(queue)
        if key not in agent.member_said or at >= agent.member_said[key]:
            agent.member_of[key] = member
            agent.member_said[key] = at

    def _snapshot(self, event: QueueSnapshot) -> None:
        if not event.agents:
            return
        listed = {line.agent_id for line in event.agents}
        for line in event.agents:
            self._join(line.agent_id, event.queue, True, event.as_of)
            self._say(line.agent_id, (event.queue,), _Said(line.state, line.reason, event.as_of))
        if event.complete:
            key = self._key(event.queue)
            for agent_id, agent in self._agents.items():
                if agent.member_of.get(key) and agent_id not in listed:
                    self._join(agent_id, event.queue, False, event.as_of)

    def now(self, talking: Iterable[str] = ()) -> tuple[AgentNow, ...]:
        """Every agent with a known state. Who is in a talk is busy, even where the switch says only `available`."""
        in_talk = set(talking)
        found = []
        for agent_id, agent in sorted(self._agents.items()):
            said = agent.in_queue(None)
            state = self._state(agent, said, agent_id in in_talk)
            if state is not None:
                queues = tuple(sorted(self._names[key] for key, member in agent.member_of.items() if member))
                reason = said.reason if said else None
                found.append(
                    AgentNow(
                        agent_id=agent_id, state=state, reason=reason, queues=queues, since=said.at if said else None
                    )
                )
        return tuple(found)

    def staff(self, queues: Iterable[str] | None, talking: Iterable[str] = ()) -> Staff:
        """Distinct people of some queues (None: of all), by what they do now."""
        return self.staffing(talking).of(None if queues is None else [queue.casefold() for queue in queues])

    def staffing(self, talking: Iterable[str] = ()) -> "Staffing":
        """What everybody does now, worked out once for all queues. Who is in a talk is busy."""
        found, in_talk = Staffing(is_known=bool(self._agents)), set(talking)
        for agent_id, agent in self._agents.items():
            talks = agent_id in in_talk
            found.everywhere.append(self._state(agent, agent.in_queue(None), talks))
            if not agent.member_of:
                found.of_no_queue.append((agent.by_queue.keys(), self._state(agent, agent.everywhere, talks)))
                continue
            for key, member in agent.member_of.items():
                if member:
                    found.by_queue.setdefault(key, {})[agent_id] = self._state(agent, agent.in_queue(key), talks)
        return found

    def _state(self, agent: _Agent, said: _Said | None, in_talk: bool) -> AgentActivity | None:
        if said is None:
            return AgentActivity.BUSY if in_talk else None
        if agent.member_of and not any(agent.member_of.values()):
            return AgentActivity.LOGGED_OUT
        if in_talk and said.state in (AgentActivity.AVAILABLE, AgentActivity.RINGING, AgentActivity.UNKNOWN):
            return AgentActivity.BUSY
        return said.state

    def pools(self, queues: Iterable[str]) -> list[tuple[str, ...]]:
        """Queues grouped by the people they share; a queue that shares nobody is a pool of its own.

        Who left a queue within the last day still counts: a pool lasts though everybody goes home.
        """
        newest = max((at for agent in self._agents.values() for at in agent.member_said.values()), default=None)
        return grouped(
            queues,
            (
                [
                    key
                    for key, member in agent.member_of.items()
                    if member or (newest is not None and newest - agent.member_said[key] <= POOL_LASTS)
                ]
                for agent in self._agents.values()
            ),
        )

    @property
    def members_told(self) -> bool:
        """Whether anybody tells which queues an agent answers."""
        return any(agent.member_said for agent in self._agents.values())

    def _key(self, queue: str) -> str:
        key = queue.casefold()
        self._names.setdefault(key, queue)
        return key
