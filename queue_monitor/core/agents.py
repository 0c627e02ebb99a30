"""Who is there to answer: agents by what they do now, and which queues share them."""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Final, NamedTuple

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


def busiest(states: Iterable[AgentActivity | None]) -> AgentActivity | None:
    """The busiest of several things that one person is said to do; None when nothing is said."""
    return min((state for state in states if state is not None), key=_RANK.__getitem__, default=None)


@dataclass(slots=True)
class _Said:
    state: AgentActivity
    reason: str | None
    at: datetime


@dataclass(slots=True)
class _Agent:
    """What was last said of one agent: in all queues, or in one; and the queues he or she is a member of.

    `is_listed`: a live source says what he or she does; a log tells only of some.
    """

    everywhere: _Said | None = None
    by_queue: dict[str, _Said] = field(default_factory=dict)
    member_of: dict[str, bool] = field(default_factory=dict)
    member_said: dict[str, datetime] = field(default_factory=dict)
    is_listed: bool = False

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

    def last_words(self) -> Iterator["Word"]:
        """What was last said of everything that was ever said of him or her."""
        if self.everywhere is not None:
            yield Word(self.everywhere.at, "", self.everywhere.state)
        for queue, said in self.by_queue.items():
            yield Word(said.at, queue, said.state)
        for queue, member in self.member_of.items():
            yield Word(self.member_said[queue], queue, member=member)


@dataclass(slots=True)
class Staffing:
    """What everybody does at one moment: in all queues together, and by queue (casefolded) of those that they are
    members of. Who is not known to be a member of any may answer every queue: `of_no_queue` has what is said of these
    by queue, and of all other queues.
    """

    is_known: bool = False
    everywhere: list[AgentActivity | None] = field(default_factory=list)
    by_queue: dict[str, dict[str, AgentActivity | None]] = field(default_factory=dict)
    of_no_queue: list[tuple[dict[str, AgentActivity | None], AgentActivity | None]] = field(default_factory=list)

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
        states += [busiest(told.get(key, usually) for key in keys) for told, usually in self.of_no_queue]
        return self._tally(states)

    def _tally(self, states: list[AgentActivity | None]) -> Staff:
        counted = Counter(states)
        tally = {name: number for state, name in _COUNTED if (number := counted.get(state))}
        return Staff(known=self.is_known, staffed=sum(counted.get(state, 0) for state in STAFFED), **tally)


class Word(NamedTuple):
    """One thing said of an agent: a state or a membership, in a queue (casefolded) or, where that is "", in all."""

    at: datetime
    queue: str
    state: AgentActivity | None = None
    member: bool | None = None


@dataclass(slots=True)
class AgentWords:
    """What was said of one agent today, and last before it, in the order of time. `rewritten` differs after a word that
    is not newer than the ones before it, and after the turn of the day. `is_listed`: a live source says what he or she
    does; a log tells only of some.
    """

    said: list[Word] = field(default_factory=list)
    rewritten: int = 0
    is_listed: bool = False

    def add(self, word: Word) -> None:
        if self.said and word.at < self.said[-1].at:
            insort(self.said, word, key=itemgetter(0))
            self.rewritten += 1
        else:
            self.said.append(word)

    def turn(self, midnight: datetime) -> None:
        """Keep of the words from before a day only those that still hold when it begins."""
        kept: dict[tuple[str, bool], Word] = {}
        for word in self.said:
            if word.at < midnight:
                kept[word.queue, word.member is None] = word
        older = sorted(kept.values(), key=itemgetter(0))
        self.said = older + [word for word in self.said if word.at >= midnight]
        self.rewritten += 1


_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, _Agent], dict[str, str]])


class Agents:
    """All agents of all switches, by id. `words`: what was said of each today."""

    def __init__(self) -> None:
        self._agents: dict[str, _Agent] = {}
        self._names: dict[str, str] = {}
        self.words: dict[str, AgentWords] = {}

    def written(self) -> bytes:
        """All of it, for a start to take up."""
        return msgspec.msgpack.encode((self._agents, self._names))

    def restore(self, written: bytes) -> None:
        """Take up what `written` gave. Raises `msgspec.DecodeError`."""
        self._agents, self._names = _decoder.decode(written)
        for agent_id, agent in self._agents.items():
            self.words[agent_id] = AgentWords(sorted(agent.last_words(), key=itemgetter(0)), 0, agent.is_listed)

    def apply(self, event: AgentState | AgentMember | QueueSnapshot) -> None:
        """Take what an event says of agents; of two words on the same thing the later one holds."""
        if isinstance(event, AgentState):
            said = _Said(event.state, event.reason, event.at)
            self._say(event.agent_id, event.queues, said)
            if event.live:
                self._list(event.agent_id)
        elif isinstance(event, AgentMember):
            self._join(event.agent_id, event.queue, event.action is not MemberAction.REMOVED, event.at)
        else:
            self._snapshot(event)

    def _say(self, agent_id: str, queues: tuple[str, ...] | None, said: _Said) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        words = self.words.setdefault(agent_id, AgentWords())
        if queues is None:
            words.add(Word(said.at, "", said.state))
            if agent.everywhere is None or said.at >= agent.everywhere.at:
                agent.everywhere = said
            return
        for queue in map(self._key, queues):
            words.add(Word(said.at, queue, said.state))
            known = agent.by_queue.get(queue)
            if known is None or said.at >= known.at:
                agent.by_queue[queue] = said

    def _list(self, agent_id: str) -> None:
        self._agents[agent_id].is_listed = self.words[agent_id].is_listed = True

    def _join(self, agent_id: str, queue: str, member: bool, at: datetime) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        key = self._key(queue)
        self.words.setdefault(agent_id, AgentWords()).add(Word(at, key, member=member))
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
            self._list(line.agent_id)
        if event.complete:
            key = self._key(event.queue)
            for agent_id, agent in self._agents.items():
                if agent.member_of.get(key) and agent_id not in listed:
                    self._join(agent_id, event.queue, False, event.as_of)

    def turn_day(self, midnight: datetime) -> None:
        """A day begins: of the one before only what still holds is kept."""
        for words in self.words.values():
            words.turn(midnight)

    def ids(self) -> Iterable[str]:
        """Everybody of whom anything was said."""
        return self._agents.keys()

    def take_words(self, heard: "Agents", until: datetime) -> None:
        """Put what was heard elsewhere, until before that moment, beside what was said here."""
        for agent_id, words in heard.words.items():
            mine = self.words.setdefault(agent_id, AgentWords())
            mine.said += [word for word in words.said if word.at < until]
            mine.said.sort(key=itemgetter(0))
            mine.is_listed |= words.is_listed
            mine.rewritten += 1

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
                by_queue = {key: self._state(agent, agent.in_queue(key), talks) for key in agent.by_queue}
                found.of_no_queue.append((by_queue, self._state(agent, agent.everywhere, talks)))
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
