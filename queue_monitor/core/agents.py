"""The agents: their number by what they do now, and the queues that share them.

Longer than 450 lines because the reports about an agent and the state that they add up to are one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from queue_monitor.core.agent_words import AgentWords, Word
from queue_monitor.core.places import Places
from queue_monitor.core.pool_inference import grouped
from queue_monitor.core.staffing import RANK, Staffing, busiest
from queue_monitor.events import AgentActivity, AgentMember, AgentState, MemberAction, QueueSnapshot
from queue_monitor.model import AgentNow, Visit
from queue_monitor.queues import queue_key

MAX_AGENTS: Final = 1_000
"""The largest number of agents that are told apart. A municipality has some hundreds; a snapshot looks at each."""

POOL_LASTS: Final = timedelta(days=1)

SEEN_LASTS: Final = timedelta(minutes=30)
"""An agent of a switch that lists nobody, who served or paused within this time, is taken to be there still."""

LEFT_LASTS: Final = timedelta(days=1)
"""An agent who logged off is counted as logged out for this long, where only a log reports it."""

SHORTEST_CALL: Final = timedelta(minutes=5)
"""An agent whose last answer lies within this time, or twice the usual talk, is taken to be answering."""

_NEVER_SILENT: Final[Mapping[str, datetime]] = MappingProxyType({})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Said:
    """A report about an agent. `began`: when the same state was first reported; None: with this report."""

    state: AgentActivity
    reason: str | None
    at: datetime
    began: datetime | None = None

    @property
    def since(self) -> datetime:
        return self.began or self.at

    def after(self, known: "_Said | None") -> "_Said":
        """Return this report as the next one after `known`: the same state has lasted since then."""
        same = known is not None and known.state is self.state
        return _Said(self.state, self.reason, self.at, known.since if known is not None and same else None)


@dataclass(slots=True)
class _Agent:
    """The last reports about one agent, in all queues or in one, and the queues that he or she is a member of.

    `is_listed`: a live source reports the agent's activity; a log reports only some agents.
    `added`: when the agent last became a member.
    """

    everywhere: _Said | None = None
    by_queue: dict[str, _Said] = field(default_factory=dict)
    member_of: dict[str, bool] = field(default_factory=dict)
    member_said: dict[str, datetime] = field(default_factory=dict)
    is_listed: bool = False
    switch: str = ""
    added: dict[str, datetime] = field(default_factory=dict)

    def in_queue(self, queue: str | None) -> _Said | None:
        """Return the newest report that holds in this queue; for None, the busiest over all queues."""
        if queue is not None:
            here, everywhere = self.by_queue.get(queue), self.everywhere
            if here is None or everywhere is None:
                return here or everywhere
            if here.at == everywhere.at and everywhere.state is AgentActivity.LOGGED_OUT:
                return everywhere
            return here if here.at >= everywhere.at else everywhere
        if not self.by_queue:
            return self.everywhere
        current = [s for name in self.by_queue if self.member_of.get(name, True) and (s := self.in_queue(name))]
        if self.everywhere is not None and not current:
            current = [self.everywhere]
        return min(current, key=lambda s: RANK[s.state], default=None)

    def last_words(self) -> Iterator[Word]:
        """Yield the last report on each thing that was reported about the agent."""
        if self.everywhere is not None:
            yield Word(self.everywhere.at, "", self.everywhere.state)
        for queue, said in self.by_queue.items():
            yield Word(said.at, queue, said.state)
        for queue, member in self.member_of.items():
            yield Word(self.member_said[queue], queue, member=member)


class Service(NamedTuple):
    """The last call that an agent answered in a queue, and when the agent was last in a call there."""

    switch: str
    answered_at: datetime
    last_at: datetime


class _Written(Struct, array_like=True):
    """The state of all agents, encoded for a start. What older versions did not write has a default."""

    agents: dict[str, _Agent]
    names: dict[str, str]
    listed: frozenset[str] | None = None
    services: dict[str, dict[str, Service]] = {}
    listing: frozenset[str] = frozenset()


_decoder: Final = msgspec.msgpack.Decoder(_Written)


class Agents:
    """All agents of all switches, by id, at most `MAX_AGENTS`. `words`: the reports about each today."""

    def __init__(self) -> None:
        self._places = Places(MAX_AGENTS)
        self._agents: dict[str, _Agent] = {}
        self._names: dict[str, str] = {}
        self._listed: frozenset[str] = frozenset()
        self._listing: frozenset[str] = frozenset()
        self._services: dict[str, dict[str, Service]] = {}
        self._usual_talk = timedelta()
        self._joins = 0
        self._pools: tuple[tuple[int, tuple[str, ...]], list[tuple[str, ...]]] = (-1, ()), []
        self.words: dict[str, AgentWords] = {}

    def written(self) -> bytes:
        """Return all state, encoded for a start."""
        written = _Written(self._agents, self._names, self._listed, self._services, self._listing)
        return msgspec.msgpack.encode(written)

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave, in this version or an older one. Raises `msgspec.DecodeError`."""
        read = _decoder.decode(written)
        self._agents, self._names, self._services, self._listing = read.agents, read.names, read.services, read.listing
        switches = (agent_id.partition(":")[0] for agent_id, agent in self._agents.items() if agent.is_listed)
        self._listed = frozenset(switches) if read.listed is None else read.listed
        self._joins += 1
        for agent_id, agent in self._agents.items():
            self.words[agent_id] = AgentWords(sorted(agent.last_words(), key=itemgetter(0)), 0, agent.is_listed)
        for agent_id in {**self._agents, **self._services}:
            self._has_place(agent_id, "")

    def apply(self, event: AgentState | AgentMember | QueueSnapshot) -> bool:
        """Take the reports about agents from an event; of two reports on one thing the later holds.

        Returns whether each agent in it has a place; of one without nothing is taken.
        """
        has_place = True
        if isinstance(event, QueueSnapshot):
            has_place = self._snapshot(event)
        elif not self._has_place(event.agent_id, event.source):
            return False
        elif isinstance(event, AgentState):
            said = _Said(event.state, event.reason, event.at)
            self._say(event.agent_id, event.queues, said)
            self._agents[event.agent_id].switch = event.switch_name
            if event.live:
                self._list(event.agent_id)
        else:
            self._join(event.agent_id, event.queue, event.action is not MemberAction.REMOVED, event.at)
            agent, key = self._agents[event.agent_id], queue_key(event.queue)
            agent.switch = event.switch_name
            if event.action is MemberAction.ADDED:
                agent.added[key] = max(event.at, agent.added.get(key, event.at))
        lists = bool(event.agents) if isinstance(event, QueueSnapshot) else event.live
        if lists and event.switch_name not in self._listed:
            self._listed |= {event.switch_name}
        return has_place

    def _has_place(self, agent_id: str, by: str) -> bool:
        """Return whether an agent of this sender has a place; who gives up a place for this one is forgotten."""
        has_place, gives_up = self._places.take(agent_id, by)
        if gives_up is not None:
            self._agents.pop(gives_up, None)
            self._services.pop(gives_up, None)
            self.words.pop(gives_up, None)
            self._joins += 1
        return has_place

    def serve(self, visit: Visit) -> bool:
        """Note that an agent answers a call, or has been in one until its end; return whether the agent has a place:
        without one he or she is passed over.
        """
        agent_id, answered_at, over_at = visit.agent_id, visit.ended_wait_at, visit.completed_at
        if agent_id is None or answered_at is None or not self._has_place(agent_id, visit.source):
            return False
        services, key, last_at = self._services.setdefault(agent_id, {}), queue_key(visit.queue), over_at or answered_at
        known = services.get(key)
        if known is not None and known.answered_at >= answered_at and known.last_at >= last_at:
            return True
        if over_at is not None:
            talk = over_at - answered_at
            self._usual_talk = self._usual_talk + (talk - self._usual_talk) / 20 if self._usual_talk else talk
        if known is not None:
            answered_at, last_at = max(answered_at, known.answered_at), max(last_at, known.last_at)
        services[key] = Service(visit.switch, answered_at, last_at)
        return True

    def _say(self, agent_id: str, queues: tuple[str, ...] | None, said: _Said) -> None:
        agent, words = self._agents.get(agent_id), self.words.get(agent_id)
        if agent is None:
            agent = self._agents[agent_id] = _Agent()
        if words is None:
            words = self.words[agent_id] = AgentWords()
        if queues is None:
            words.add(Word(said.at, "", said.state))
            if agent.everywhere is None or said.at >= agent.everywhere.at:
                agent.everywhere = said.after(agent.everywhere)
            return
        for queue in map(self._key, queues):
            words.add(Word(said.at, queue, said.state))
            known = agent.by_queue.get(queue)
            if known is None or said.at >= known.at:
                agent.by_queue[queue] = said.after(known)

    def _list(self, agent_id: str) -> None:
        self._agents[agent_id].is_listed = self.words[agent_id].is_listed = True

    def _join(self, agent_id: str, queue: str, member: bool, at: datetime) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        key = self._key(queue)
        self.words.setdefault(agent_id, AgentWords()).add(Word(at, key, member=member))
        if key not in agent.member_said or at >= agent.member_said[key]:
            agent.member_of[key] = member
            agent.member_said[key] = at
            self._joins += 1

    def _snapshot(self, event: QueueSnapshot) -> bool:
        """Take the members that a list names; return whether each has a place. One that names none is of a queue
        without members only where the same source has named some before: many lists hold callers only.
        """
        if event.agents and event.source not in self._listing:
            self._listing |= {event.source}
        if event.source not in self._listing:
            return True
        lines = [line for line in event.agents if self._has_place(line.agent_id, event.source)]
        listed = {line.agent_id for line in lines}
        for line in lines:
            self._join(line.agent_id, event.queue, True, event.as_of)
            self._say(line.agent_id, (event.queue,), _Said(line.state, line.reason, event.as_of))
            self._list(line.agent_id)
        if event.complete:
            key = self._key(event.queue)
            for agent_id, agent in self._agents.items():
                if agent.member_of.get(key) and agent_id not in listed:
                    self._join(agent_id, event.queue, False, event.as_of)
        return len(lines) == len(event.agents)

    def start_day(self, midnight: datetime) -> None:
        """Start a day: of the day before, only the reports that still hold are kept."""
        for words in self.words.values():
            words.turn(midnight)
        for agent_id, services in list(self._services.items()):
            kept = {key: service for key, service in services.items() if midnight - service.last_at < LEFT_LASTS}
            self._services[agent_id] = kept
            if not kept:
                del self._services[agent_id]
                if agent_id not in self._agents:
                    self._places.leave(agent_id)

    def ids(self) -> Iterable[str]:
        """Return the ids of all agents with a report."""
        return self._agents.keys()

    def take_words(self, heard: "Agents", until: datetime) -> None:
        """Add the reports that `heard` has from before `until` to those held here."""
        for agent_id, words in heard.words.items():
            mine = self.words.setdefault(agent_id, AgentWords())
            mine.merge(word for word in words.said if word.at < until)
            mine.is_listed |= words.is_listed

    def now(
        self, talking: Iterable[str] = (), silences: Mapping[str, datetime] = _NEVER_SILENT
    ) -> tuple[AgentNow, ...]:
        """Return every agent with a known state. An agent in a talk is busy, even where the switch only says
        `available`. `silences` as for `staffing`.
        """
        in_talk = set(talking)
        unheard = self._unheard(silences, in_talk)
        found = []
        for agent_id, agent in sorted(self._agents.items()):
            said = agent.in_queue(None)
            state = None if agent_id in unheard else self._state(agent, said, agent_id in in_talk)
            if state is not None:
                queues = tuple(sorted(self._names[key] for key, member in agent.member_of.items() if member))
                reason = said.reason if said else None
                found.append(
                    AgentNow(
                        agent_id=agent_id, state=state, reason=reason, queues=queues, since=said.since if said else None
                    )
                )
        return tuple(found)

    def staffing(
        self, now: datetime, talking: Iterable[str] = (), silences: Mapping[str, datetime] = _NEVER_SILENT
    ) -> Staffing:
        """Return the activity of every agent now, computed once for all queues. An agent in a talk is busy.

        A switch that lists its members is believed. For a switch that only a log reports, the agents are those who were
        seen: who became members, and who served or paused lately.
        `silences`: by switch, when the last silence that is over began. What was said before it holds no longer.
        """
        in_talk = set(talking)
        unheard = self._unheard(silences, in_talk)
        silent = {self._switch_of(agent_id) for agent_id in unheard}
        found = Staffing(listed=self._listed - silent, unheard=bool(unheard))
        for agent_id, agent in self._agents.items():
            if not self._is_listed(agent_id, agent) or agent_id in unheard:
                continue
            talks = agent_id in in_talk
            found.everywhere.append(self._state(agent, agent.in_queue(None), talks))
            if not agent.member_of:
                usually = self._state(agent, agent.everywhere, talks)
                found.anywhere[usually] += 1
                for key in agent.by_queue:
                    state = self._state(agent, agent.in_queue(key), talks)
                    found.apart.setdefault(key, {})[agent_id] = state, usually
                continue
            is_gone = not any(agent.member_of.values())
            usually = self._state(agent, agent.everywhere, talks)
            for key, member in agent.member_of.items():
                if member or is_gone:
                    state = self._state(agent, agent.in_queue(key), talks) if key in agent.by_queue else usually
                    found.by_queue.setdefault(key, {})[agent_id] = state
        self._look_for_others(found, now, in_talk)
        return found

    def _unheard(self, silences: Mapping[str, datetime], in_talk: Collection[str]) -> set[str]:
        """Return the agents of whom nothing has been heard since their switch last fell silent."""
        if not silences:
            return set()
        return {
            agent_id
            for agent_id in self._agents
            if agent_id not in in_talk
            and (began := silences.get(self._switch_of(agent_id))) is not None
            and self._last_word(agent_id) <= began
        }

    def _last_word(self, agent_id: str) -> datetime:
        """Return when an agent was last spoken of, or last in a call."""
        agent = self._agents[agent_id]
        words = [word.at for word in agent.last_words()]
        words += [service.last_at for service in self._services.get(agent_id, {}).values()]
        return max(words, default=_LONG_AGO)

    def _switch_of(self, agent_id: str) -> str:
        return self._agents[agent_id].switch or agent_id.partition(":")[0]

    def _is_listed(self, agent_id: str, agent: _Agent) -> bool:
        return agent.is_listed or self._switch_of(agent_id) in self._listed

    def last_answer(self, agent_id: str) -> datetime | None:
        """Return when an agent last answered a call, at a switch that does not list its agents; None where it does."""
        services = self._services.get(agent_id, {}).values()
        return max((its.answered_at for its in services if its.switch not in self._listed), default=None)

    def _look_for_others(self, found: Staffing, now: datetime, in_talk: set[str]) -> None:
        """Add the agents who were seen at switches that list nobody.

        A phone (`PJSIP/1001`) that never answers, where people answer or pause by their names, belongs to one of them
        and is not counted.
        """
        unlisted = {
            agent_id: its
            for agent_id, services in self._services.items()
            if (its := {key: service for key, service in services.items() if service.switch not in self._listed})
        }
        with_names = {
            service.switch for agent_id, its in unlisted.items() if not _is_phone(agent_id) for service in its.values()
        }
        with_names |= {
            agent.switch
            for agent_id, agent in self._agents.items()
            if not _is_phone(agent_id) and not agent.member_of and (agent.by_queue or agent.everywhere)
        }
        usual = max(SHORTEST_CALL, 2 * self._usual_talk)
        for agent_id in {**self._agents, **unlisted}:
            agent, services = self._agents.get(agent_id) or _Agent(), unlisted.get(agent_id, {})
            if agent_id in self._agents and self._is_listed(agent_id, agent):
                continue
            found.answering.update(key for key, its in services.items() if now - its.answered_at <= usual)
            if not services and _is_phone(agent_id) and agent.switch in with_names:
                continue
            talks = agent_id in in_talk
            keys = {*agent.by_queue, *agent.member_of, *services}
            by_queue = {key: _seen(agent, key, services.get(key), talks, now) for key in keys}
            for key, state in by_queue.items():
                if state is not None:
                    found.by_queue.setdefault(key, {})[agent_id] = state
            state = busiest(by_queue.values())
            if state is None and (state := _lately(agent.everywhere, now)) is not None:
                found.anywhere[state] += 1
            found.everywhere.append(state)

    def _state(self, agent: _Agent, said: _Said | None, in_talk: bool) -> AgentActivity | None:
        if said is None:
            return AgentActivity.BUSY if in_talk else None
        if agent.member_of and not any(agent.member_of.values()):
            return AgentActivity.LOGGED_OUT
        if in_talk and said.state in (AgentActivity.AVAILABLE, AgentActivity.RINGING, AgentActivity.UNKNOWN):
            return AgentActivity.BUSY
        return said.state

    def pools(self, queues: Iterable[str]) -> list[tuple[str, ...]]:
        """Return the queues grouped by the people they share; a queue that shares nobody is a pool of its own.

        An agent who left a queue within the last day still counts: a pool remains when everybody goes home.
        """
        made_of = self._joins, tuple(queues)
        if self._pools[0] != made_of:
            self._pools = made_of, grouped(made_of[1], self._shared())
        return self._pools[1]

    def _shared(self) -> Iterator[list[str]]:
        """Yield the queues that each agent answers, or left within the last day."""
        newest = max((at for agent in self._agents.values() for at in agent.member_said.values()), default=None)
        for agent in self._agents.values():
            yield [
                key
                for key, member in agent.member_of.items()
                if member or (newest is not None and newest - agent.member_said[key] <= POOL_LASTS)
            ]

    @property
    def members_told(self) -> bool:
        """Return whether any source reports which queues an agent answers."""
        return any(agent.member_said for agent in self._agents.values())

    def _key(self, queue: str) -> str:
        key = queue_key(queue)
        self._names.setdefault(key, queue)
        return key


def _is_phone(agent_id: str) -> bool:
    return "/" in agent_id.partition(":")[2]


def _seen(agent: _Agent, key: str, service: Service | None, talks: bool, now: datetime) -> AgentActivity | None:
    """Return the activity in a queue of an agent whom only a log reports; None for one not seen there lately."""
    said, member = agent.in_queue(key), agent.member_of.get(key)
    if service is not None and now - service.last_at > SEEN_LASTS and not talks:
        service = None
    if service is not None:
        words = ([said.at] if said else []) + ([agent.member_said[key]] if member is False else [])
        if service.answered_at > max(words, default=_LONG_AGO):
            return AgentActivity.BUSY if talks else AgentActivity.AVAILABLE
    if member is False:
        return AgentActivity.LOGGED_OUT if now - agent.member_said[key] <= LEFT_LASTS else None
    if member and (said is None or agent.added.get(key, said.at) > said.at):
        state: AgentActivity | None = AgentActivity.AVAILABLE
    else:
        state = said.state if said is not None and member else _lately(said, now)
    is_free = state in (AgentActivity.AVAILABLE, AgentActivity.RINGING, AgentActivity.UNKNOWN)
    return AgentActivity.BUSY if talks and is_free else state


def _lately(said: _Said | None, now: datetime) -> AgentActivity | None:
    """Return the state that was reported of an agent, where that is not too long ago; else None."""
    if said is None:
        return None
    lasts = LEFT_LASTS if said.state is AgentActivity.LOGGED_OUT else SEEN_LASTS
    return said.state if now - said.at <= lasts else None
