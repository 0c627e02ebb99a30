"""One pool's day as a causal observer knows it: what happened goes in, the state of the queue at any moment comes out.

Calls may be told in any order, and `state(at)` uses nothing that happened after `at`.
Moments are seconds after local midnight; a pool is the queues that share agents.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    EntryReason,
    Event,
    LeftOutcome,
    MemberAction,
    QueueSnapshot,
    SourceRestarted,
)
from queue_monitor.model import HAD_TO_WAIT_SECONDS, Target

Array = NDArray[np.float64]
TARGET: Final = Target()

MINUTE: Final = 60.0
SLOTS: Final = 48
SLOT_MINUTES: Final = 30
"""What is usual is known by half hour of the local day."""
IDLE_SECONDS: Final = 900.0
"""Without agent events: one who has served nobody for so long is not counted as there."""
IDLE_WHILE_WAITING_SECONDS: Final = 90.0
"""The same, counting only time in which callers waited: who is there takes the next call."""
LINE: Final = 3
STUCK_SECONDS: Final = 30.0
STUCK_CALLERS: Final = 3
"""So many callers who have waited so long beside free agents: the agents cannot be reached."""

_ON_DUTY: Final = frozenset(
    {AgentActivity.AVAILABLE, AgentActivity.RINGING, AgentActivity.BUSY, AgentActivity.WRAPUP, AgentActivity.UNKNOWN}
)
_SERVING: Final = frozenset({AgentActivity.RINGING, AgentActivity.BUSY, AgentActivity.WRAPUP})
_ANSWERED, _ABANDONED, _LEFT = 1, 2, 3
_NOBODY: Final = -1
_NEVER: Final = float("inf")
_ENTERED, _ENDED, _COMPLETED, _CARRIED, _SUPERSEDED = range(5)


class Tally(NamedTuple):
    """Calls judged so far, as in MISSION.md section 2: A<=, A>, Bs, Bm, B>, F, W>."""

    in_time: int = 0
    late: int = 0
    hung_up_short: int = 0
    hung_up_in_time: int = 0
    hung_up_late: int = 0
    left: int = 0
    waiting_late: int = 0


class QueueState(Struct, frozen=True, kw_only=True):
    """Everything the forecast needs at moment `at` of one pool's day.

    `waiting`: the wait so far (s) of each who waits, first in line first; for the first `ringing` of them an agent's
    phone rings. `serving`: agents with a call, its ring or its wrap-up. `agents`: on duty now. `unreachable`: phones
    that cannot be reached, or that nobody answers though callers wait. `agents_known` is false when staff is inferred
    from who served lately. `free`: the pool's queues (casefold) that somebody without a call is there for.

    Arrays by minute begin at opening; the last entry of `agents_by_minute` and `logged_in_by_minute` is now.
    `handle_seconds`: finished calls from ring to ready.
    `busy_by_minute`: agent seconds spent in calls, `freed_by_minute`: calls finished. `gave_up`: left unanswered.
    """

    day: date
    at: float
    opens: float
    closes: float
    tally: Tally
    waiting: Array
    ringing: int
    serving: int
    agents: int
    unreachable: int
    agents_known: bool
    free: frozenset[str]
    entered_by_minute: Array
    agents_by_minute: Array
    logged_in_by_minute: Array
    handle_seconds: Array
    busy_by_minute: Array
    freed_by_minute: Array
    gave_up: int
    waited_seconds: float

    @property
    def minutes(self) -> int:
        """Whole minutes since opening."""
        return len(self.entered_by_minute)


class Line(Struct, frozen=True, kw_only=True):
    """The queue at one moment, as far as the next caller's wait hangs on it; the fields are those of `QueueState`."""

    waiting: Array
    ringing: int
    serving: int
    agents: int
    free: frozenset[str]


class _Stays:
    """The day's visits, a column each fact, a row each visit in the order of hearing. `carried` is what the same
    contact waited before in another queue of the pool, `superseded` when it went on to the next one.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.agents: dict[str, int] = {"": _NOBODY}
        self.queues: list[str] = []
        self.contacts: list[str] = []
        self.by_contact: dict[str, list[int]] = {}
        self.moments = np.empty((5, 256))
        self.how = np.empty(256, np.int64)
        self.agent = np.empty(256, np.int64)
        self.counted = np.empty(256, bool)
        self.unlinked: set[str] = set()

    def row(self, visit_id: str) -> int:
        """The visit's row, made when it is first heard of."""
        row = self.rows.get(visit_id)
        if row is None:
            row = self.rows[visit_id] = len(self.rows)
            if row == self.moments.shape[1]:
                self.moments = np.concatenate([self.moments, np.empty_like(self.moments)], axis=1)
                self.how = np.concatenate([self.how, np.empty_like(self.how)])
                self.agent = np.concatenate([self.agent, np.empty_like(self.agent)])
                self.counted = np.concatenate([self.counted, np.empty_like(self.counted)])
            self.moments[:, row] = (_NEVER, _NEVER, _NEVER, 0.0, _NEVER)
            self.how[row], self.agent[row], self.counted[row] = 0, _NOBODY, True
            self.contacts.append("")
            self.queues.append("")
        if len(self.by_contact.get(self.contacts[row], ())) > 1:
            self.unlinked.add(self.contacts[row])
        return row

    def entered(self, row: int, at: float, contact: str, counted: bool, queue: str) -> None:
        self.moments[_ENTERED, row] = at
        self.counted[row], self.queues[row] = counted, queue
        if not self.contacts[row]:
            self.contacts[row] = contact
            rows = self.by_contact.setdefault(contact, [])
            rows.append(row)
            if len(rows) > 1:
                self.unlinked.add(contact)

    def columns(self) -> "_Calls":
        """Every visit of which it is known when it began. Nothing ends before it began, whatever a clock said."""
        for contact in self.unlinked:
            self._link(self.by_contact[contact])
        self.unlinked.clear()
        count = len(self.rows)
        moments, how, counted = self.moments[:, :count], self.how[:count], self.counted[:count]
        agent = self.agent[:count]
        begun = moments[_ENTERED] < _NEVER
        if not begun.all():
            moments, how, counted, agent = moments[:, begun], how[begun], counted[begun], agent[begun]
        entered, ended, completed, carried, superseded = moments
        ended = np.maximum(ended, entered)
        return _Calls(entered, ended, how, np.maximum(completed, ended), counted, carried, superseded, agent)

    def _link(self, rows: list[int]) -> None:
        """Join the visits of a contact that came to another queue of the pool before anybody answered: one call,
        judged once, its waits added.
        """
        before: int | None = None
        for row in sorted(rows, key=lambda row: float(self.moments[_ENTERED, row])):
            self.moments[_CARRIED, row], self.moments[_SUPERSEDED, row] = 0.0, _NEVER
            if not self.counted[row]:
                continue
            if before is not None and self.how[before] != _ANSWERED:
                entered, ended, _, carried, _ = self.moments[:, before].tolist()
                now = float(self.moments[_ENTERED, row])
                self.moments[_SUPERSEDED, before] = now
                self.moments[_CARRIED, row] = carried + max(0.0, min(ended, now) - entered)
            before = row


@dataclass(slots=True)
class _Agent:
    """One agent: what was told of him or her, in the order of time, and for which queues."""

    told: list[tuple[float, AgentActivity]] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)
    takes: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    others: bool = False
    stretches: "_Duty | None" = None

    def tell(self, at: float, activity: AgentActivity) -> None:
        insort(self.told, (at, activity), key=itemgetter(0))
        self.stretches = None

    def activity(self, at: float) -> AgentActivity | None:
        """What he or she does at a moment; None before anything was told, or for another pool."""
        if self.others and not self.ours:
            return None
        place = bisect_right(self.told, at, key=itemgetter(0))
        return self.told[place - 1][1] if place else None

    def joins(self, at: float, queue: str, joins: bool) -> None:
        """From this moment on calls of a queue do (or do not) come to him or her."""
        told = self.takes.setdefault(queue, [])
        if not told or told[-1][1] is not joins:
            insort(told, (at, joins), key=itemgetter(0))

    def is_free_for(self, queue: str, at: float) -> bool:
        """Whether a call of this queue would ring there now; who is told of no queue is there for every one."""
        activity = self.activity(at)
        if activity not in _ON_DUTY or activity in _SERVING:
            return False
        told = self.takes.get(queue, [])
        place = bisect_right(told, at, key=itemgetter(0))
        return told[place - 1][1] if place else not self.takes

    def free_since(self, at: float) -> float | None:
        """Since when he or she has been free for a call; None for who is not."""
        since = None
        if self.activity(at) is AgentActivity.AVAILABLE:
            for start, activity in reversed(self.told[: bisect_right(self.told, at, key=itemgetter(0))]):
                if activity is not AgentActivity.AVAILABLE:
                    break
                since = start
        return since


class Met(NamedTuple):
    """What callers met who were answered in time or still there at the limit: when they entered, calls in the pool
    less agents, plus one (the place in line, if above 0), the agents, and whether it was the limit that came first.
    """

    entered: Array
    place: Array
    agents: Array
    late: NDArray[np.bool_]


class _Calls(NamedTuple):
    entered: Array
    ended: Array
    how: NDArray[np.int64]
    completed: Array
    counted: NDArray[np.bool_]
    carried: Array
    superseded: Array
    agent: NDArray[np.int64]


class _Duty(NamedTuple):
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


class DayState:
    """Accumulates one day of one pool. `queues` empty: every queue belongs. Feed it canonical events, or the bare
    facts by `entered`, `answered`, `left`, `completed` and `agent`.
    """

    def __init__(
        self, day: date, opens: float, closes: float, target: Target = TARGET, queues: Iterable[str] = ()
    ) -> None:
        self.day = day
        self.opens = opens
        self.closes = closes
        self.target = target
        self._queues = frozenset(queue.casefold() for queue in queues)
        self._stays = _Stays()
        self._agents: dict[str, _Agent] = {}
        self._calls: _Calls | None = None

    # ---- what is told

    def apply(self, event: Event, at: float) -> None:
        """Take one canonical event that happened at `at`."""
        if isinstance(event, CallEntered):
            if self._is_ours(event.queue):
                counted = event.entry_reason is not EntryReason.TRANSFER
                self.entered(at, event.visit_id, event.contact_id, counted, event.queue)
        elif isinstance(event, CallAnswered):
            if event.visit_id in self._stays.rows or self._is_ours(event.queue):
                self.answered(at, event.visit_id, event.agent_id)
        elif isinstance(event, CallLeft):
            if event.visit_id in self._stays.rows or self._is_ours(event.queue):
                self.left(at, event.visit_id, event.outcome is LeftOutcome.ABANDONED)
        elif isinstance(event, CallCompleted):
            self.completed(at, event.visit_id)
        elif isinstance(event, AgentState | AgentMember | QueueSnapshot):
            self._apply_agents(event, at)
        elif isinstance(event, SourceRestarted):
            self._restarted(at)

    def entered(self, at: float, visit_id: str, contact_id: str = "", counted: bool = True, queue: str = "") -> None:
        """A caller joined; of those before opening the clock starts at opening. `counted`: belongs to the target."""
        self._calls = None
        row = self._stays.row(visit_id)
        self._stays.entered(row, max(at, self.opens), contact_id or visit_id, counted, queue.casefold())

    def answered(self, at: float, visit_id: str, agent_id: str = "") -> None:
        self._ended(at, visit_id, _ANSWERED, agent_id)

    def left(self, at: float, visit_id: str, abandoned: bool = True) -> None:
        """A caller left without an answer: hung up, or otherwise."""
        self._ended(at, visit_id, _ABANDONED if abandoned else _LEFT)

    def _ended(self, at: float, visit_id: str, how: int, agent_id: str = "") -> None:
        self._calls = None
        stays = self._stays
        row = stays.row(visit_id)
        stays.moments[_ENDED, row], stays.how[row] = at, how
        stays.agent[row] = stays.agents.setdefault(agent_id, len(stays.agents) + _NOBODY)

    def completed(self, at: float, visit_id: str) -> None:
        self._calls = None
        row = self._stays.row(visit_id)
        self._stays.moments[_COMPLETED, row] = at

    def agent(self, at: float, agent_id: str, activity: AgentActivity) -> None:
        self._agents.setdefault(agent_id, _Agent()).tell(at, activity)

    def _is_ours(self, queue: str) -> bool:
        return not self._queues or queue.casefold() in self._queues

    def _apply_agents(self, event: AgentState | AgentMember | QueueSnapshot, at: float) -> None:
        if isinstance(event, AgentState):
            if event.queues is None or any(map(self._is_ours, event.queues)):
                self.agent(at, event.agent_id, event.state)
        elif isinstance(event, AgentMember):
            self._join(at, event.agent_id, event.queue, event.action is not MemberAction.REMOVED)
        elif self._is_ours(event.queue):
            for line in event.agents:
                self._join(at, line.agent_id, event.queue, True)
                self.agent(at, line.agent_id, line.state)

    def _join(self, at: float, agent_id: str, queue: str, joins: bool) -> None:
        agent = self._agents.setdefault(agent_id, _Agent())
        if not self._is_ours(queue):
            agent.others = True
            return
        agent.joins(at, queue.casefold(), joins)
        if joins:
            agent.ours.add(queue.casefold())
        elif agent.ours == {queue.casefold()}:
            agent.tell(at, AgentActivity.LOGGED_OUT)
        else:
            agent.ours.discard(queue.casefold())

    def _restarted(self, at: float) -> None:
        """The switch began anew: everybody in a queue or in a call was cut off."""
        self._calls = None
        stays, count = self._stays, len(self._stays.rows)
        entered, ended, completed = stays.moments[: _COMPLETED + 1, :count]
        cut_off = (entered <= at) & (ended > at)
        ended[cut_off], stays.how[:count][cut_off] = at, _LEFT
        talking = (stays.how[:count] == _ANSWERED) & (ended <= at)
        completed[talking] = np.minimum(completed[talking], at)
        stays.unlinked.update(contact for contact, rows in stays.by_contact.items() if len(rows) > 1)

    # ---- what it adds up to

    def state(self, at: float) -> QueueState:
        """What is known at `at`."""
        calls, duty = self._columns(), self._duty()
        moments = self._moments(at)
        minutes = len(moments) - 1
        first = (calls.entered <= at) & calls.counted & (calls.carried == 0.0)
        known = self._agents_known()
        on_duty = self._on_duty(moments)
        if known:
            logged_in = _count_at(moments, duty.start[duty.logged_in], duty.end[duty.logged_in])
            now = (duty.start <= at) & (duty.end > at)
            serving, unreachable = int(duty.serving[now].sum()), int(duty.unreachable[now].sum())
            ringing, stuck = int(duty.ringing[now].sum()), self._stuck(at)
            cycles = duty.cycle_start, duty.cycle_answered, duty.cycle_end
        else:
            logged_in = on_duty
            serving, unreachable, ringing, stuck = self._talking(at), 0, 0, 0
            talks = calls.how == _ANSWERED
            cycles = calls.ended[talks], calls.ended[talks], calls.completed[talks]
        start, answered, end = cycles
        begun, done = answered <= at, end <= at
        busy = _seconds_by_minute(start[begun], np.minimum(end[begun], at), self.opens, minutes)
        freed = _per_minute(end[done & (end >= self.opens)] - self.opens, minutes)
        spent = np.clip(np.minimum(calls.ended, at) - calls.entered, 0.0, None)
        return QueueState(
            day=self.day,
            at=at,
            opens=self.opens,
            closes=self.closes,
            tally=self._tally(calls, at),
            waiting=_waiting(calls, at),
            ringing=ringing,
            serving=serving,
            agents=int(on_duty[-1]) - stuck,
            unreachable=unreachable + stuck,
            agents_known=known,
            free=self._free(at),
            entered_by_minute=_per_minute(calls.entered[first] - self.opens, minutes),
            agents_by_minute=on_duty,
            logged_in_by_minute=logged_in,
            handle_seconds=(end - start)[done],
            busy_by_minute=busy,
            freed_by_minute=freed,
            gave_up=int(((calls.how > _ANSWERED) & (calls.ended <= at) & (calls.superseded == _NEVER)).sum()),
            waited_seconds=float(spent[calls.entered <= at].sum()),
        )

    def line(self, at: float) -> Line:
        """The same as `state` says, of this moment alone, and cheaper."""
        waiting = _waiting(self._columns(), at)
        if not self._agents_known():
            agents = int(self._on_duty(self._moments(at))[-1])
            return Line(waiting=waiting, ringing=0, serving=self._talking(at), agents=agents, free=frozenset())
        doing = [agent.activity(at) for agent in self._agents.values()]
        return Line(
            waiting=waiting,
            ringing=doing.count(AgentActivity.RINGING),
            serving=sum(activity in _SERVING for activity in doing),
            agents=sum(activity in _ON_DUTY for activity in doing) - self._stuck(at),
            free=self._free(at),
        )

    def _free(self, at: float) -> frozenset[str]:
        """The pool's queues at which a caller would find somebody free."""
        agents = self._agents.values()
        return frozenset(queue for queue in self._queues if any(agent.is_free_for(queue, at) for agent in agents))

    def _stuck(self, at: float) -> int:
        """Agents said to be free whom no call reaches: free for half a minute, while several callers have waited as
        long and nobody was answered for a minute. Their phones, or they, are gone without the switch saying so.
        """
        calls = self._columns()
        if (_waiting(calls, at) >= STUCK_SECONDS).sum() < STUCK_CALLERS:
            return 0
        answered = (calls.how == _ANSWERED) & (calls.ended <= at)
        if answered.any() and at - calls.ended[answered].max() < 2 * STUCK_SECONDS:
            return 0
        free_since = (agent.free_since(at) for agent in self._agents.values())
        return sum(since is not None and at - since >= STUCK_SECONDS for since in free_since)

    def _moments(self, at: float) -> Array:
        """Every full minute since opening, and now."""
        minutes = int(max(0.0, min(at, self.closes) - self.opens) // MINUTE)
        moments: Array = self.opens + MINUTE * np.arange(minutes + 1.0)
        moments[-1] = at
        return moments

    def _talking(self, at: float) -> int:
        calls = self._columns()
        return int(((calls.ended <= at) & (calls.completed > at) & (calls.how == _ANSWERED)).sum())

    def from_line(self, handle_seconds: Array) -> tuple[int, float]:
        """Callers who were answered while a line stood, and how many would have been if all agents on duty had served
        it at these mean handle times (s, by half hour); for learning, once the day is closed. A line is three who wait:
        for one or two of them a phone may be ringing.
        """
        calls = self._columns()
        changes = np.concatenate([calls.entered, calls.ended])
        changes = np.sort(changes[changes < self.closes])
        if len(changes) < 2:
            return 0, 0.0
        line = _count_at(changes, calls.entered, calls.ended) >= LINE
        capacity = (line * self._on_duty(changes) / handle_seconds[half_hour(changes)])[:-1]
        expected = float((np.diff(changes) * capacity).sum())
        answers = calls.ended[(calls.how == _ANSWERED) & (calls.ended < self.closes)]
        before = np.searchsorted(changes, answers) - 1
        return int(line[before[before >= 0]].sum()), expected

    def waits_by_queue(self) -> dict[str, Array]:
        """Of each queue, the callers who had to wait and were answered: the wait (s), the place in the pool's
        line when they entered, and the agents then on duty; rows in that order. For learning, once the day is closed.
        """
        calls = self._columns()
        place, agents = self._on_entry(calls)
        had_to_wait = calls.ended - calls.entered > HAD_TO_WAIT_SECONDS
        stood = (calls.how == _ANSWERED) & had_to_wait & (place > 0.0) & (agents > 0.0) & (calls.carried == 0.0)
        found = np.stack([calls.ended - calls.entered, place, agents])
        queue = np.array(self._stays.queues)[self._stays.moments[_ENTERED, : len(self._stays.rows)] < _NEVER]
        return {name: found[:, stood & (queue == name)] for name in sorted(set(queue[stood].tolist()))}

    def stood_in_line(self, start: float, end: float) -> list[tuple[str, float, float]]:
        """Queue, entry and wait (s) of those who entered from `start` until before `end`, had to wait and were
        answered; for learning, once the day is closed.
        """
        stays = self._stays
        entered, ended, _, carried, _ = stays.moments[:, : len(stays.rows)]
        within = (start <= entered) & (entered < end) & (carried == 0.0) & (stays.how[: len(stays.rows)] == _ANSWERED)
        told = [(stays.queues[row], float(entered[row]), float(ended[row])) for row in np.flatnonzero(within)]
        return [(queue, at, until - at) for queue, at, until in told if until - at > HAD_TO_WAIT_SECONDS]

    def met(self) -> Met:
        """What the day's callers met when they entered; for learning, once the day is closed."""
        calls = self._columns()
        late = calls.ended - calls.entered + calls.carried > self.target.limit_seconds
        told = calls.counted & (calls.superseded == _NEVER) & ((calls.how == _ANSWERED) | late)
        place, agents = self._on_entry(calls)
        return Met(calls.entered[told], place[told], agents[told], late[told])

    def _on_entry(self, calls: _Calls) -> tuple[Array, Array]:
        """The place in the pool's line that each caller met, 0 or less where an agent was free, and the agents."""
        served = calls.how == _ANSWERED
        others = _count_at(calls.entered, calls.entered, calls.ended) - 1.0
        talking = _count_at(calls.entered, calls.ended[served], calls.completed[served])
        order = np.argsort(calls.entered, kind="stable")
        agents = np.zeros(len(order))
        if len(order):
            agents[order] = self._on_duty(calls.entered[order])
        return others + talking - agents + 1.0, agents

    def _agents_known(self) -> bool:
        return any(agent.told for agent in self._agents.values())

    def _on_duty(self, moments: Array) -> Array:
        """Agents on duty at each of these moments (ascending): as told, else inferred."""
        if self._agents_known():
            duty = self._duty()
            return _count_at(moments, duty.start[duty.on_duty], duty.end[duty.on_duty])
        return _served_lately(moments, self._columns())

    def _tally(self, calls: _Calls, at: float) -> Tally:
        limit, short = self.target.limit_seconds, self.target.short_abandon_seconds
        counts = (calls.entered <= at) & calls.counted & (calls.superseded > at)
        over = counts & (calls.ended <= at)
        wait = np.round(np.minimum(calls.ended, at) - calls.entered + calls.carried, 3)
        answered, hung_up = over & (calls.how == _ANSWERED), over & (calls.how == _ABANDONED)
        return Tally(
            in_time=int((answered & (wait <= limit)).sum()),
            late=int((answered & (wait > limit)).sum()),
            hung_up_short=int((hung_up & (wait < short)).sum()),
            hung_up_in_time=int((hung_up & (wait >= short) & (wait <= limit)).sum()),
            hung_up_late=int((hung_up & (wait > limit)).sum()),
            left=int((over & (calls.how == _LEFT)).sum()),
            waiting_late=int((counts & ~over & (wait > limit)).sum()),
        )

    def _columns(self) -> _Calls:
        if self._calls is None:
            self._calls = self._stays.columns()
        return self._calls

    def _duty(self) -> _Duty:
        ours = [agent for agent in self._agents.values() if agent.told and (agent.ours or not agent.others)]
        for agent in ours:
            if agent.stretches is None:
                agent.stretches = _duty_of(agent.told)
        parts = [agent.stretches for agent in ours if agent.stretches is not None]
        return _Duty(*map(np.concatenate, zip(*parts, strict=True))) if parts else _duty_of([])


def _served_lately(moments: Array, calls: _Calls) -> Array:
    """How many agents were there at each moment (ascending), judged only by whom they had served until then: each
    from an answer until the call was done, and for a while after it.
    """
    served = np.nonzero(calls.how == _ANSWERED)[0]
    order = served[np.lexsort((calls.ended[served], calls.agent[served]))]
    began, done, agent = calls.ended[order], calls.completed[order], calls.agent[order]
    waiting = _count_at(moments, calls.entered, calls.ended) > 0
    waited = np.concatenate([[0.0], np.cumsum(waiting[:-1] * np.diff(moments))])
    bored = _reached(np.interp(done, moments, waited) + IDLE_WHILE_WAITING_SECONDS, moments, waited)
    until = np.where(agent == _NOBODY, done, np.maximum(done, np.minimum(done + IDLE_SECONDS, bored)))
    again = np.append(began[1:], _NEVER)
    again[np.append(agent[1:] != agent[:-1], True) | (agent == _NOBODY)] = _NEVER
    return _count_at(moments, began, np.minimum(until, again))


def _reached(levels: Array, moments: Array, rising: Array) -> Array:
    """The moment from which on something that rises (and rests) is above each level; never, if it is not seen to be."""
    above = np.searchsorted(rising, levels, side="right")
    seen = above < len(moments)
    right = np.where(seen, above, len(moments) - 1)
    left = np.maximum(right - 1, 0)
    step = np.maximum(rising[right] - rising[left], 1e-9)
    at = moments[left] + (levels - rising[left]) / step * (moments[right] - moments[left])
    return np.where(seen, at, _NEVER)


def _waiting(calls: _Calls, at: float) -> Array:
    """The wait so far of each who waits at a moment, first in line first."""
    waits = (calls.entered <= at) & (calls.ended > at)
    order = np.argsort(calls.entered[waits], kind="stable")
    waited: Array = (at - calls.entered[waits] + calls.carried[waits])[order]
    return waited


def half_hour(moments: Array) -> NDArray[np.int64]:
    """Which half hour of the local day each moment lies in."""
    slots: NDArray[np.int64] = (moments // (SLOT_MINUTES * MINUTE)).astype(np.int64) % SLOTS
    return slots


def _count_at(moments: Array, start: Array, end: Array) -> Array:
    """How many stretches [start, end) hold each moment."""
    begun = np.searchsorted(np.sort(start), moments, side="right")
    over = np.searchsorted(np.sort(end), moments, side="right")
    return (begun - over).astype(np.float64)


def _per_minute(seconds: Array, minutes: int) -> Array:
    return np.bincount((seconds // MINUTE).astype(int), minlength=minutes)[:minutes].astype(np.float64)


def _seconds_by_minute(start: Array, end: Array, opens: float, minutes: int) -> Array:
    """Seconds of the stretches that lie in each minute: differences of the seconds that lie before each full minute."""
    edges: Array = opens + MINUTE * np.arange(minutes + 1.0)
    before = _seconds_before(edges, end) - _seconds_before(edges, start)
    within: Array = np.diff(-before)
    return within


def _seconds_before(edges: Array, moments: Array) -> Array:
    """Sum over moments of how far each edge lies after it."""
    ordered = np.sort(moments)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    passed = np.searchsorted(ordered, edges)
    total: Array = passed * edges - sums[passed]
    return total


def _duty_of(told: list[tuple[float, AgentActivity]]) -> _Duty:
    """One agent's stretches, in the order of time."""
    ends = [at for at, _ in told[1:]] + [_NEVER] * bool(told)
    stretches = [(at, end, state) for (at, state), end in zip(told, ends, strict=True)]
    cycles = _cycles(stretches)
    activities = [state for _, state in told]
    return _Duty(
        np.array([at for at, _ in told], float),
        np.array(ends, float),
        np.array([state in _ON_DUTY for state in activities], bool),
        np.array([state in _SERVING for state in activities], bool),
        np.array([state is AgentActivity.RINGING for state in activities], bool),
        np.array([state is AgentActivity.UNREACHABLE for state in activities], bool),
        np.array([state is not AgentActivity.LOGGED_OUT for state in activities], bool),
        np.array([cycle[0] for cycle in cycles], float),
        np.array([cycle[1] for cycle in cycles], float),
        np.array([cycle[2] for cycle in cycles], float),
    )


def _cycles(stretches: list[tuple[float, float, AgentActivity]]) -> list[tuple[float, float, float]]:
    """An agent's calls: first ring, answer, ready for the next. A ring that nobody took is none."""
    found: list[tuple[float, float, float]] = []
    began = answered = _NEVER
    for start, _, state in stretches:
        if state is AgentActivity.BUSY or state is AgentActivity.WRAPUP:
            began = min(began, start)
            answered = min(answered, start) if state is AgentActivity.BUSY else answered
            continue
        if answered < _NEVER:
            found.append((began, answered, start))
        began, answered = (start if state is AgentActivity.RINGING else _NEVER), _NEVER
    if answered < _NEVER:
        found.append((began, answered, _NEVER))
    return found
