"""One pool's day: the state of its queue at any moment, as it could be known at that moment.

`state(at)` uses nothing that happened after `at`. Calls come from the day's columns and agents from their shifts, which
the ledger and `Agents` fill. Moments are seconds after local midnight; a pool is the queues that share agents.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.events import AgentActivity
from queue_monitor.forecast.calls import (
    ANSWERED,
    EXCLUDED,
    NEVER,
    NOBODY,
    WAITING,
    Array,
    Columns,
    DayCalls,
)
from queue_monitor.forecast.shifts import ON_DUTY, SERVING, Shift, duty_of_all
from queue_monitor.model import HAD_TO_WAIT_SECONDS, Target
from queue_monitor.queues import queue_key

TARGET: Final = Target()

MINUTE: Final = 60.0
SLOTS: Final = 48
SLOT_MINUTES: Final = 30
"""The length of the slots of the local day for which the usual figures are known: half hours."""
IDLE_SECONDS: Final = 900.0
"""Without agent events, an agent who has served nobody for this long is not counted as there."""
IDLE_WHILE_WAITING_SECONDS: Final = 90.0
"""The limit of idle time in which callers waited: an agent who is there takes the next call."""
_SHORTEST_HANDLE: Final = 1.0
"""The shortest handle time (s): some sources report the end of a call with its answer."""

LINE: Final = 3
STUCK_SECONDS: Final = 30.0
STUCK_CALLERS: Final = 3
"""The agents cannot be reached when this number of callers have waited `STUCK_SECONDS` beside free agents."""


class OutcomeCounts(NamedTuple):
    """Calls judged so far, as in docs/definitions.md: A<=, A>, Bs, Bm, B>, F, W>."""

    in_time: int = 0
    late: int = 0
    hung_up_short: int = 0
    hung_up_in_time: int = 0
    hung_up_late: int = 0
    left: int = 0
    waiting_late: int = 0


class QueueState(Struct, frozen=True, kw_only=True):
    """The state of one pool's day at moment `at`, with all that the forecast needs. Arrays by minute begin at opening.

    `waiting`: the wait so far (s) of each waiting caller, first in line first.
    `ringing`: the number of callers, first in line, for whom an agent's phone rings.
    `serving`: agents with a call, its ring or its wrap-up.
    `agents`: agents on duty now.
    `unreachable`: phones that cannot be reached, or that nobody answers though callers wait.
    `agents_known`: false when agents are inferred from who served lately.
    `free`: the pool's queues (casefolded) for which an agent without a call is there.
    `agents_by_minute`, `logged_in_by_minute`: the last entry is now.
    `handle_seconds`: of finished calls, from ring to ready.
    `heard_by_minute`: the part of each minute in which the switches were heard, 0 to 1.
    `busy_by_minute`: agent seconds spent in calls.
    `freed_by_minute`: calls finished.
    `gave_up`: callers who left unanswered.
    """

    day: date
    at: float
    opens: float
    closes: float
    outcomes: OutcomeCounts
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
    heard_by_minute: Array
    busy_by_minute: Array
    freed_by_minute: Array
    gave_up: int
    waited_seconds: float

    @property
    def minutes(self) -> int:
        """Return the whole minutes since opening."""
        return len(self.entered_by_minute)


class WaitingLine(Struct, frozen=True, kw_only=True):
    """The queue at one moment, with the fields of `QueueState` that the next caller's wait depends on."""

    waiting: Array
    ringing: int
    serving: int
    agents: int
    free: frozenset[str]


class EntryConditions(NamedTuple):
    """The conditions that callers met who were answered in time or still waited at the limit.

    `entered`: when they entered.
    `place`: calls in the pool less agents, plus one: the place in line, if above 0.
    `agents`: the agents on duty.
    `late`: whether the limit came first.
    """

    entered: Array
    place: Array
    agents: Array
    late: NDArray[np.bool_]


class DayView(Protocol):
    """One local day: its calls of every queue, and the agents as a pool of queues (casefolded) sees them."""

    day: date
    calls: DayCalls

    def shifts_of(self, queues: frozenset[str]) -> list[Shift]: ...

    def lists_agents(self) -> bool: ...


class DayState:
    """One pool's view of a day that is open from `opens` to `closes`. With `queues` empty every queue belongs to it."""

    def __init__(self, view: DayView, opens: float, closes: float, target: Target, queues: Iterable[str]) -> None:
        self.day = view.day
        self.opens = opens
        self.closes = closes
        self.target = target
        self._queues = frozenset(queue_key(queue) for queue in queues)
        self._calls = view.calls
        self._view = view
        self._known: tuple[int, Columns] | None = None

    # ---- output

    def state(self, at: float) -> QueueState:
        """Return the state of the pool as known at `at`."""
        calls, shifts = self._columns(), self._agents()
        duty = duty_of_all(shifts)
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
            talks = calls.how == ANSWERED
            cycles = calls.ended[talks], calls.ended[talks], calls.completed[talks]
        start, answered, end = cycles
        lost_at = self._next_gap(start)
        if not known:
            lost_at = np.where(end == NEVER, np.minimum(lost_at, _next_answers(calls)[talks]), lost_at)
        lost = lost_at < np.minimum(end, at)  # what became of it then is not known
        end = np.where(lost, lost_at, end)
        begun, done = answered <= at, (end <= at) & ~lost
        busy = _seconds_by_minute(start[begun], np.minimum(end[begun], at), self.opens, minutes)
        freed = _per_minute(end[done & (end >= self.opens)] - self.opens, minutes)
        left = (calls.how > ANSWERED) & (calls.judged != EXCLUDED)
        spent = np.clip(np.minimum(calls.ended, at) - calls.entered, 0.0, None)
        return QueueState(
            day=self.day,
            at=at,
            opens=self.opens,
            closes=self.closes,
            outcomes=self._tally(calls, at),
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
            handle_seconds=np.maximum((end - start)[done], _SHORTEST_HANDLE),
            heard_by_minute=self._heard(at, minutes),
            busy_by_minute=busy,
            freed_by_minute=freed,
            gave_up=int((left & (calls.ended <= at) & (calls.superseded == NEVER)).sum()),
            waited_seconds=float(spent[(calls.entered <= at) & calls.timed].sum()),
        )

    def line(self, at: float) -> WaitingLine:
        """Return the part of `state` that concerns the waiting line at this moment; it is cheaper."""
        waiting, shifts = _waiting(self._columns(), at), self._agents()
        if not self._agents_known():
            agents = int(self._on_duty(self._moments(at))[-1])
            return WaitingLine(waiting=waiting, ringing=0, serving=self._talking(at), agents=agents, free=frozenset())
        doing = [shift.activity(at) for shift in shifts]
        return WaitingLine(
            waiting=waiting,
            ringing=doing.count(AgentActivity.RINGING),
            serving=sum(activity in SERVING for activity in doing),
            agents=sum(activity in ON_DUTY for activity in doing) - self._stuck(at),
            free=self._free(at),
        )

    def _free(self, at: float) -> frozenset[str]:
        """Return the pool's queues at which a caller would find an agent free."""
        shifts = self._agents()
        return frozenset(queue for queue in self._queues if any(shift.is_free_for(queue, at) for shift in shifts))

    def _stuck(self, at: float) -> int:
        """Return the number of agents reported as free whom no call reaches.

        They have been free for half a minute, while several callers have waited as long and nobody was answered for a
        minute. Their phones, or they, are gone without a report from the switch.
        """
        calls = self._columns()
        if (_waiting(calls, at) >= STUCK_SECONDS).sum() < STUCK_CALLERS:
            return 0
        answered = (calls.how == ANSWERED) & (calls.ended <= at)
        if answered.any() and at - calls.ended[answered].max() < 2 * STUCK_SECONDS:
            return 0
        free_since = (shift.free_since(at) for shift in self._agents())
        return sum(since is not None and at - since >= STUCK_SECONDS for since in free_since)

    def _moments(self, at: float) -> Array:
        """Return every full minute since opening, and now."""
        minutes = int(max(0.0, min(at, self.closes) - self.opens) // MINUTE)
        moments: Array = self.opens + MINUTE * np.arange(minutes + 1.0)
        moments[-1] = at
        return moments

    def _talking(self, at: float) -> int:
        calls = self._columns()
        last_gap = max((begin for begin, until in self._calls.gaps if until <= at), default=-NEVER)
        talks = (calls.ended > last_gap) & (calls.ended <= at) & (calls.completed > at)
        is_over = (calls.completed == NEVER) & (_next_answers(calls) <= at)
        return int((talks & (calls.how == ANSWERED) & ~is_over).sum())

    def _heard(self, at: float, minutes: int) -> Array:
        """Return the part of each minute since opening in which the switches were heard, 0 to 1."""
        begins, ends = (np.array([min(gap[side], at) for gap in self._calls.gaps]) for side in (0, 1))
        heard: Array = 1.0 - np.clip(_seconds_by_minute(begins, ends, self.opens, minutes) / MINUTE, 0.0, 1.0)
        return heard

    def _next_gap(self, moments: Array) -> Array:
        """Return for each moment when the next stretch began in which nothing was heard; never, if none did."""
        begins = np.array([*(begin for begin, _ in self._calls.gaps), NEVER])
        found: Array = begins[np.searchsorted(begins, moments, side="right").clip(max=len(begins) - 1)]
        return found

    def from_line(self, handle_seconds: Array) -> tuple[int, float]:
        """Return the callers who were answered while a line stood, and the number expected from the agents on duty.

        The second counts all agents on duty as serving the line at these mean handle times (s, by half hour). A line is
        three who wait: for one or two of them a phone may be ringing. For learning, once the day is closed.
        """
        calls = self._columns()
        changes = np.concatenate([calls.entered, calls.ended])
        changes = np.sort(changes[changes < self.closes])
        if len(changes) < 2:
            return 0, 0.0
        line = _count_at(changes, calls.entered, calls.ended) >= LINE
        capacity = (line * self._on_duty(changes) / handle_seconds[half_hour(changes)])[:-1]
        expected = float((np.diff(changes) * capacity).sum())
        answers = calls.ended[(calls.how == ANSWERED) & (calls.ended < self.closes)]
        before = np.searchsorted(changes, answers) - 1
        return int(line[before[before >= 0]].sum()), expected

    def waits_by_queue(self) -> dict[str, Array]:
        """Return by queue the callers who had to wait and were answered, as rows.

        The rows are the wait (s), the place in the pool's line when they entered, and the agents then on duty. For
        learning, once the day is closed.
        """
        calls = self._columns()
        place, agents = self._on_entry(calls)
        had_to_wait = calls.ended - calls.entered > HAD_TO_WAIT_SECONDS
        stood = (calls.how == ANSWERED) & had_to_wait & (place > 0.0) & (agents > 0.0) & (calls.carried == 0.0)
        found = np.stack([calls.ended - calls.entered, place, agents])
        names = sorted((name, number) for name, number in self._calls.queues.items() if number in calls.queue[stood])
        return {name: found[:, stood & (calls.queue == number)] for name, number in names}

    def stood_in_line(self, start: float, end: float) -> list[tuple[str, float, float]]:
        """Return queue, entry and wait (s) of the callers who entered from `start` to before `end`, had to wait and
        were answered.

        For learning, once the day is closed.
        """
        calls = self._columns()
        waited = calls.ended - calls.entered
        stood = (calls.how == ANSWERED) & (calls.carried == 0.0) & (waited > HAD_TO_WAIT_SECONDS) & calls.timed
        rows = np.flatnonzero(stood & (start <= calls.entered) & (calls.entered < end))
        names = {number: name for name, number in self._calls.queues.items()}
        return [(names[int(calls.queue[row])], float(calls.entered[row]), float(waited[row])) for row in rows]

    def met(self) -> EntryConditions:
        """Return the conditions that the day's callers met when they entered; for learning, once the day is closed."""
        calls = self._columns()
        late = calls.ended - calls.entered + calls.carried > self.target.limit_seconds
        entries = calls.counted & (calls.superseded == NEVER) & ((calls.how == ANSWERED) | late)
        place, agents = self._on_entry(calls)
        return EntryConditions(calls.entered[entries], place[entries], agents[entries], late[entries])

    def _on_entry(self, calls: Columns) -> tuple[Array, Array]:
        """Return each caller's place in the pool's line on entry, 0 or less where an agent was free, and the agents."""
        served = calls.how == ANSWERED
        others = _count_at(calls.entered, calls.entered, calls.ended) - 1.0
        talking = _count_at(calls.entered, calls.ended[served], calls.completed[served])
        order = np.argsort(calls.entered, kind="stable")
        agents = np.zeros(len(order))
        if len(order):
            agents[order] = self._on_duty(calls.entered[order])
        return others + talking - agents + 1.0, agents

    def _on_duty(self, moments: Array) -> Array:
        """Return the agents on duty at each of these moments (ascending): as listed, else inferred."""
        if self._agents_known():
            duty = duty_of_all(self._agents())
            return _count_at(moments, duty.start[duty.on_duty], duty.end[duty.on_duty])
        return _served_lately(moments, self._columns())

    def _tally(self, calls: Columns, at: float) -> OutcomeCounts:
        """Return the contacts of the pool as the windows judged them; one that was not settled by then waited."""
        judged = (calls.judged >= 0) & (calls.entered <= at)
        over = judged & (calls.settled <= at)
        waited_ms = np.floor(1000.0 * (np.minimum(at, calls.known_until) - calls.clock) + 1e-6)
        waits = judged & ~over & (waited_ms > 1000 * self.target.limit_seconds)
        settled = np.bincount(calls.judged[over], minlength=WAITING)
        return OutcomeCounts._make([*settled[:WAITING].tolist(), int(waits.sum())])

    def _columns(self) -> Columns:
        if self._known is None or self._known[0] != self._calls.version:
            self._known = self._calls.version, self._calls.columns(self._queues, self.opens, self.closes)
        return self._known[1]

    def _agents_known(self) -> bool:
        """Return whether a source lists the agents; a log names only those who pause or serve."""
        return self._view.lists_agents()

    def _agents(self) -> list[Shift]:
        """Return the agents who have done something for the pool."""
        return [shift for shift in self._view.shifts_of(self._queues) if shift.did]


def _next_answers(calls: Columns) -> Array:
    """Return for each answered visit when its agent answered the next one; never, if that is not seen."""
    found = np.full(len(calls.ended), NEVER)
    served = np.nonzero((calls.how == ANSWERED) & (calls.agent != NOBODY))[0]
    order = served[np.lexsort((calls.ended[served], calls.agent[served]))]
    is_same = calls.agent[order][1:] == calls.agent[order][:-1]
    found[order[:-1][is_same]] = calls.ended[order][1:][is_same]
    return found


def _served_lately(moments: Array, calls: Columns) -> Array:
    """Return the number of agents at each moment (ascending), inferred from the calls served until then.

    Each agent counts from an answer until the call was done, and for a while after it.
    """
    served = np.nonzero(calls.how == ANSWERED)[0]
    order = served[np.lexsort((calls.ended[served], calls.agent[served]))]
    began, done, agent = calls.ended[order], calls.completed[order], calls.agent[order]
    waiting = _count_at(moments, calls.entered, calls.ended) > 0
    waited = np.concatenate([[0.0], np.cumsum(waiting[:-1] * np.diff(moments))])
    bored = _reached(np.interp(done, moments, waited) + IDLE_WHILE_WAITING_SECONDS, moments, waited)
    until = np.where(agent == NOBODY, done, np.maximum(done, np.minimum(done + IDLE_SECONDS, bored)))
    return _count_at(moments, began, np.minimum(until, _next_answers(calls)[order]))


def _reached(levels: Array, moments: Array, rising: Array) -> Array:
    """Return the moment from which a rising (or resting) value is above each level; never, if that is not seen."""
    above = np.searchsorted(rising, levels, side="right")
    seen = above < len(moments)
    right = np.where(seen, above, len(moments) - 1)
    left = np.maximum(right - 1, 0)
    step = np.maximum(rising[right] - rising[left], 1e-9)
    at = moments[left] + (levels - rising[left]) / step * (moments[right] - moments[left])
    return np.where(seen, at, NEVER)


def _waiting(calls: Columns, at: float) -> Array:
    """Return the wait so far of each caller who surely waits at a moment, first in line first."""
    waits = (calls.entered <= at) & (calls.ended > at) & ~calls.doubtful
    order = np.argsort(calls.entered[waits], kind="stable")
    waited: Array = (at - calls.entered[waits] + calls.carried[waits])[order]
    return waited


def half_hour(moments: Array) -> NDArray[np.int64]:
    """Return the half hour of the local day that each moment lies in."""
    slots: NDArray[np.int64] = (moments // (SLOT_MINUTES * MINUTE)).astype(np.int64) % SLOTS
    return slots


def _count_at(moments: Array, start: Array, end: Array) -> Array:
    """Return the number of stretches [start, end) that hold each moment."""
    begun = np.searchsorted(np.sort(start), moments, side="right")
    over = np.searchsorted(np.sort(end), moments, side="right")
    return (begun - over).astype(np.float64)


def _per_minute(seconds: Array, minutes: int) -> Array:
    return np.bincount((seconds // MINUTE).astype(int), minlength=minutes)[:minutes].astype(np.float64)


def _seconds_by_minute(start: Array, end: Array, opens: float, minutes: int) -> Array:
    """Return the seconds of the stretches that lie in each minute.

    They are the differences of the seconds that lie before each full minute.
    """
    edges: Array = opens + MINUTE * np.arange(minutes + 1.0)
    before = _seconds_before(edges, end) - _seconds_before(edges, start)
    within: Array = np.diff(-before)
    return within


def _seconds_before(edges: Array, moments: Array) -> Array:
    """Return for each edge the sum, over the moments before it, of the time from the moment to the edge."""
    ordered = np.sort(moments)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    passed = np.searchsorted(ordered, edges)
    total: Array = passed * edges - sums[passed]
    return total
