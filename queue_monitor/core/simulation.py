"""A day at a simulated kundcenter, call by call: who rings, who serves, what goes wrong, what the switch tells.

Pure and seeded: the same `Config` gives the same day to the byte. The numbers are a municipal kundcenter's as assumed
for the at-risk experiment: open 08-17 on weekdays, about 720 to 1050 calls, talk lognormal with mean 260 s, patience
exponential with mean 10 min, 6 to 16 agents, and a mix of normal and difficult days (`MIX`). No number of them is
measured at a real switchboard.

Calibrated over days of the mix with default settings; share = contacts answered within 300 s / all that entered,
hang-ups under 10 s left out. See `Day.share`.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from itertools import count
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    Caller,
    CallLeft,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    MemberAction,
    QueueAgent,
    QueueSnapshot,
    RefusalReason,
    RingResult,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
    TransferKind,
    TransferTarget,
    WaitingCaller,
    event_id,
    milliseconds,
    short_type,
)
from queue_monitor.model import Outcome

ZONE: Final = ZoneInfo("Europe/Stockholm")

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_CONNECTS: Final = 7 * _HOUR + 45 * _MINUTE
_OPENS: Final = 8 * _HOUR
_CLOSES: Final = 17 * _HOUR
_LINES_QUIET: Final = 17 * _HOUR + 30 * _MINUTE

CALLS_BY_WEEKDAY: Final = (1000, 890, 850, 820, 720)
"""Expected first calls in open hours, Monday to Friday; those who ring again come on top."""

_PROFILE: Final = (0.85, 1.1, 1.35, 1.42, 1.4, 1.3, 1.1, 0.92, 0.8, 0.82, 1.0, 1.05, 1.0, 0.95, 0.9, 0.8, 0.68, 0.55)
"""Weight of each half hour from 08:00, the peak at 9 to 11."""

_CLOSED_WEIGHT: Final = 0.12
"""The same for the half hours before opening and after closing: those callers are refused."""

_DAY_CV: Final = 0.09
_WOBBLE_CV: Final = 0.10
_WOBBLE_MEMORY: Final = 0.6
_TALK_SECONDS: Final = 260.0
_TALK_CV: Final = 0.9
_WRAPUP_SECONDS: Final = 30.0
_RING_SECONDS: Final = (2.0, 6.0)
_NO_ANSWER_SHARE: Final = 0.015
_NO_ANSWER_SECONDS: Final = 15.0
_REDIAL_SHARE: Final = 0.25
_REDIAL_MEAN_SECONDS: Final = 240.0
_KEY_SHARE: Final = 0.02
_KEY_AFTER: Final = 90 * _SECOND
_WITHHELD_SHARE: Final = 0.05
_SICK_SHARE: Final = 0.05
_SHORTFALL: Final = 0.30
_SLOW_FACTOR: Final = 1.35

_LOAD_MARGIN: Final = 1.0
_ROOT_MARGIN: Final = 1.27
"""Agents wanted on the phone = load x first + sqrt(load) x second, load in erlang at the expected number of calls."""


class Kind(StrEnum):
    """What kind of day it is."""

    NORMAL = "normal"
    MINI = "mini"
    BURST = "burst"
    SHORTFALL = "shortfall"
    SLOW = "slow"
    OUTAGE = "outage"
    CLOSED = "closed"


MIX: Final = {
    Kind.NORMAL: 0.72,
    Kind.MINI: 0.08,
    Kind.BURST: 0.06,
    Kind.SHORTFALL: 0.05,
    Kind.SLOW: 0.05,
    Kind.OUTAGE: 0.04,
}
"""How often each kind comes when none is asked for."""

_INCIDENTS: Final = {
    # kind: earliest start, latest start, length, calls times
    Kind.MINI: (8 * _HOUR + 30 * _MINUTE, 15 * _HOUR + 30 * _MINUTE, 15 * _MINUTE, 1.8),
    Kind.BURST: (8 * _HOUR + 30 * _MINUTE, 15 * _HOUR, 40 * _MINUTE, 3.0),
    Kind.SHORTFALL: (_OPENS, _OPENS, _CLOSES - _OPENS, 1.0),
    Kind.SLOW: (8 * _HOUR + 30 * _MINUTE, 11 * _HOUR, _CLOSES, 1.0),
    Kind.OUTAGE: (8 * _HOUR + 30 * _MINUTE, 15 * _HOUR + 30 * _MINUTE, 25 * _MINUTE, 1.0),
}


class QueuePlan(Struct, frozen=True, kw_only=True):
    """One queue. `share` of the callers dial it; `skill` is the share of kundcenter's agents who serve it.

    `experts` serve this queue and no other; `transfers` is the share of the other queues' answered calls that are
    passed on to it. A caller leaves at `timeout_seconds`, to `overflow_to` if there is one. `places`: when so many
    wait, the next is refused.
    """

    name: str
    share: float = 0.0
    skill: float = 0.0
    experts: int = 0
    transfers: float = 0.0
    timeout_seconds: int = 1200
    overflow_to: str | None = None
    places: int = 60


QUEUES: Final = (
    QueuePlan(name="kundcenter", share=0.94, skill=1.0),
    QueuePlan(name="kundcenter-en", share=0.06, skill=0.4, timeout_seconds=480, overflow_to="kundcenter"),
    QueuePlan(name="kundcenter-expert", experts=2, transfers=0.02, timeout_seconds=600),
)


class SourceOutage(Struct, frozen=True, kw_only=True, tag="source_outage"):
    """The connection to the switch is gone: calls go on, nothing of them is told."""

    at: time
    seconds: int


class SwitchRestart(Struct, frozen=True, kw_only=True, tag="switch_restart"):
    """The switch starts anew: every call is cut off, the phones are back 20 s later."""

    at: time


class Duplicates(Struct, frozen=True, kw_only=True, tag="duplicates"):
    """A share of the events come twice, the second up to 2 s later."""

    ratio: float


class Shuffle(Struct, frozen=True, kw_only=True, tag="shuffle"):
    """Every event is delayed by up to so many seconds, each by its own."""

    seconds: float = 2.0


class Losses(Struct, frozen=True, kw_only=True, tag="losses"):
    """A share of the call and agent events never come."""

    ratio: float


class ClockOffset(Struct, frozen=True, kw_only=True, tag="clock_offset"):
    """The switch's clock is so many seconds ahead of ours; `source.clock` tells it every 30 s."""

    seconds: float


Fault = SourceOutage | SwitchRestart | Duplicates | Shuffle | Losses | ClockOffset


class Config(Struct, frozen=True, kw_only=True):
    """One day to simulate. `kind` None draws one from `MIX`. `snapshot_seconds` 0: snapshots only on connecting."""

    date: date
    seed: int = 1
    kind: Kind | None = None
    calls_factor: float = 1.0
    staff_factor: float = 1.0
    patience_seconds: float = 600.0
    queues: tuple[QueuePlan, ...] = QUEUES
    snapshot_seconds: int = 0
    faults: tuple[Fault, ...] = ()
    source: str = "urn:kc:simulator:kundcenter"
    switch: str = "kundcenter"


class CallTruth(Struct, frozen=True, kw_only=True):
    """What really happened to one visit, or to one refused caller (then `visit_id` is empty).

    `offered_wait_ms` is how long the caller would have waited for a free agent had he or she stayed; None when
    nobody came free. `redial_of` is the contact that the same person gave up before.
    """

    contact_id: str
    visit_id: str
    queue: str
    entered_at: datetime
    outcome: Outcome
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    refused: RefusalReason | None = None
    wait_ms: int | None = None
    offered_wait_ms: int | None = None
    agent_id: str | None = None
    completed_at: datetime | None = None
    redial_of: str | None = None


class Day(Struct, frozen=True, kw_only=True):
    """A simulated day: what the switch told, in the order in which it came, and what was true."""

    config: Config
    kind: Kind
    incident_at: datetime | None
    incident_until: datetime | None
    events: list[Event]
    calls: list[CallTruth]

    def share(self, limit_seconds: int = 300, short_abandon_seconds: int = 10) -> float | None:
        """Contacts answered within the limit / all that entered, short hang-ups left out (D3). None without calls."""
        hits = misses = 0
        for wait_ms, outcome in _contacts(self.calls):
            if outcome is Outcome.ANSWERED and wait_ms <= limit_seconds * _SECOND:
                hits += 1
            elif outcome is not Outcome.ABANDONED or wait_ms >= short_abandon_seconds * _SECOND:
                misses += 1
        return hits / (hits + misses) if hits + misses else None


def _contacts(calls: Iterable[CallTruth]) -> Iterator[tuple[int, Outcome]]:
    """For each contact that entered: its wait in ms to the first answer or the end, and how that wait ended."""
    waited: dict[str, int] = {}
    ended: dict[str, Outcome] = {}
    for call in calls:
        if call.outcome is Outcome.REFUSED or call.entry_reason is EntryReason.TRANSFER:
            continue
        waited[call.contact_id] = waited.get(call.contact_id, 0) + (call.wait_ms or 0)
        ended[call.contact_id] = call.outcome
    return ((waited[contact], outcome) for contact, outcome in ended.items())


def simulate(config: Config) -> Day:
    """Live through one day. On a Saturday or Sunday nothing happens."""
    if config.date.weekday() > 4:
        return Day(config=config, kind=Kind.CLOSED, incident_at=None, incident_until=None, events=[], calls=[])
    incident = _incident(config)
    switchboard = _Switchboard(config, incident, _callers(config, incident), _crew(config, incident))
    switchboard.run()
    at = switchboard.moment
    return Day(
        config=config,
        kind=incident.kind,
        incident_at=None if incident.kind is Kind.NORMAL else at(incident.start),
        incident_until=None if incident.kind is Kind.NORMAL else at(incident.end),
        events=_delivered(switchboard.events, config),
        calls=[visit.truth(at) for visit in switchboard.visits],
    )


def _generator(config: Config, stream: int) -> np.random.Generator:
    """One stream of chance for each part of the day: what happens in one does not disturb the others."""
    return np.random.default_rng([config.seed, config.date.toordinal(), stream])


# ---------------------------------------------------------------------------------------------------- what goes wrong


class _Incident(Struct, frozen=True):
    kind: Kind
    start: int
    end: int
    calls_times: float

    def covers(self, moment: int) -> bool:
        return self.start <= moment < self.end


def _incident(config: Config) -> _Incident:
    chance = _generator(config, 0)
    drawn = list(MIX)[int(chance.choice(len(MIX), p=list(MIX.values())))]
    where = chance.random()
    kind = config.kind or drawn
    if kind not in _INCIDENTS:
        return _Incident(Kind.NORMAL, 0, 0, 1.0)
    earliest, latest, length, calls_times = _INCIDENTS[kind]
    start = earliest + int(where * (latest - earliest))
    return _Incident(kind, start, min(start + length, _CLOSES), calls_times)


# ---------------------------------------------------------------------------------------------------------- who rings


class _Caller(Struct):
    """One try to get through: how long this person would wait and talk, all drawn beforehand."""

    person: int
    attempt: int
    rings_at: int
    queue: str
    patience: int
    talk: int
    wrapup: int
    menu: int
    redials_after: int | None
    presses_key: bool
    passed_on: float
    hangs_up_first: bool
    withheld: bool
    again: "_Caller | None" = None
    redial_of: str | None = None


def _callers(config: Config, incident: _Incident) -> list[_Caller]:
    """Everybody who rings today, in order; `again` is the same person's second try, if the first is given up."""
    at, chance = _arrivals(config, incident), _generator(config, 2)
    first = _tries(config, chance, at, attempt=1)
    second = _tries(config, chance, at, attempt=2)
    for caller, retry in zip(first, second, strict=True):
        caller.again = retry
        retry.queue = caller.queue
        retry.withheld = caller.withheld
        retry.redials_after = None
    return first


def _arrivals(config: Config, incident: _Incident) -> list[int]:
    """Poisson by the minute: weekday x half-hour profile x day factor x a wobble that lasts about half an hour."""
    chance = _generator(config, 1)
    slots = np.repeat((_CLOSED_WEIGHT, *_PROFILE, _CLOSED_WEIGHT), 30) / (30 * sum(_PROFILE))
    wobble = np.repeat(_wobble(chance, len(slots) // 15), 15)
    day = float(np.exp(_DAY_CV * chance.standard_normal() - _DAY_CV**2 / 2))
    minutes = _OPENS - 30 * _MINUTE + _MINUTE * np.arange(len(slots))
    rush = np.where((minutes >= incident.start) & (minutes < incident.end), incident.calls_times, 1.0)
    rate = CALLS_BY_WEEKDAY[config.date.weekday()] * config.calls_factor * slots * wobble * day * rush
    starts = np.repeat(minutes, chance.poisson(rate))
    return sorted((starts + chance.integers(0, _MINUTE, len(starts))).tolist())


def _wobble(chance: np.random.Generator, quarters: int) -> NDArray[np.float64]:
    levels, level = [], _WOBBLE_CV * float(chance.standard_normal())
    for step in chance.standard_normal(quarters).tolist():
        level = _WOBBLE_MEMORY * level + _WOBBLE_CV * (1 - _WOBBLE_MEMORY**2) ** 0.5 * step
        levels.append(level)
    factors: NDArray[np.float64] = np.exp(np.array(levels) - _WOBBLE_CV**2 / 2)
    return factors


def _tries(config: Config, chance: np.random.Generator, rings_at: Sequence[int], attempt: int) -> list[_Caller]:
    n = len(rings_at)
    shares = np.array([plan.share for plan in config.queues])
    sigma = float(np.log(1 + _TALK_CV**2)) ** 0.5
    queue = chance.choice(len(shares), n, p=shares / shares.sum())
    patience = _ms(chance.exponential(config.patience_seconds, n))
    talk = _ms(chance.lognormal(np.log(_TALK_SECONDS) - sigma**2 / 2, sigma, n))
    wrapup = _ms(chance.exponential(_WRAPUP_SECONDS, n))
    menu = _ms(chance.uniform(8, 35, n))
    redials_after = _ms(30 + chance.exponential(_REDIAL_MEAN_SECONDS - 30, n))
    coins = chance.random((5, n)).tolist()
    return [
        _Caller(
            person=i,
            attempt=attempt,
            rings_at=rings_at[i],
            queue=config.queues[int(queue[i])].name,
            patience=patience[i],
            talk=max(_SECOND, talk[i]),
            wrapup=wrapup[i],
            menu=menu[i],
            redials_after=redials_after[i] if coins[0][i] < _REDIAL_SHARE else None,
            presses_key=coins[1][i] < _KEY_SHARE,
            passed_on=coins[2][i],
            hangs_up_first=coins[3][i] < 0.7,
            withheld=coins[4][i] < _WITHHELD_SHARE,
        )
        for i in range(n)
    ]


def _ms(seconds: NDArray[np.float64]) -> list[int]:
    rounded: list[int] = np.rint(seconds * _SECOND).astype(np.int64).tolist()
    return rounded


# ---------------------------------------------------------------------------------------------------------- who serves


class _Break(Struct):
    start: int
    length: int
    reason: str


class _Agent(Struct):
    """One person at a phone, and what he or she does now."""

    agent_id: str
    queues: tuple[str, ...]
    arrives: int
    goes_home: int
    breaks: list[_Break]
    stays_on: bool = False
    state: AgentActivity = AgentActivity.LOGGED_OUT
    reason: str | None = None
    since: int = 0
    turn: int = 0

    @property
    def on_duty(self) -> bool:
        return self.state is not AgentActivity.LOGGED_OUT


_SHIFTS: Final = tuple(
    # start, end and lunch, in half hours after 08:00; -1 is no lunch
    (start, end, lunch)
    for start, end, lunches in (
        (0, 17, (6, 7, 8, 9)),
        (0, 18, (6, 7, 8, 9, 10)),
        (1, 18, (7, 8, 9, 10)),
        (2, 18, (8, 9, 10, 11)),
        (0, 16, (6, 7, 8, 9)),
        (0, 8, (-1,)),
        (1, 9, (-1,)),
        (2, 10, (-1,)),
        (10, 18, (-1,)),
        (9, 17, (-1,)),
    )
    for lunch in lunches
)


@lru_cache(maxsize=64)
def _roster(weekday: int, staff_factor: float) -> tuple[tuple[int, int, int], ...]:
    """Shifts that cover the expected load of that weekday: each next one lessens the squared lack the most per hour."""
    handle = _TALK_SECONDS + _WRAPUP_SECONDS + sum(_RING_SECONDS) / 2
    load = CALLS_BY_WEEKDAY[weekday] * np.array(_PROFILE) / sum(_PROFILE) * handle / 1800
    lacking = (_LOAD_MARGIN * load + _ROOT_MARGIN * np.sqrt(load)) * staff_factor
    chosen: list[tuple[int, int, int]] = []
    while True:
        gains = [float((work := _at_work(shift)) @ (2 * lacking - 1) / work.sum() ** 0.7) for shift in _SHIFTS]
        best = int(np.argmax(gains))
        if gains[best] <= 0.0:
            return tuple(chosen)
        chosen.append(_SHIFTS[best])
        lacking = lacking - _at_work(_SHIFTS[best])


def _at_work(shift: tuple[int, int, int]) -> NDArray[np.float64]:
    start, end, lunch = shift
    slots = np.arange(len(_PROFILE))
    present: NDArray[np.float64] = ((slots >= start) & (slots < end) & (slots != lunch)).astype(np.float64)
    return present


def _crew(config: Config, incident: _Incident) -> list[_Agent]:
    """Those who come to work today: the roster less the sick, and on a day of shortfall less three in ten."""
    chance = random.Random(int(_generator(config, 3).integers(2**62)))
    roster = _roster(config.date.weekday(), config.staff_factor)
    crew = [_agent(config, chance, number, shift) for number, shift in enumerate(roster)]
    missing = {i for i in range(len(crew)) if chance.random() < _SICK_SHARE}
    away = chance.sample(range(len(crew)), round(_SHORTFALL * len(crew)))
    if incident.kind is Kind.SHORTFALL:
        missing |= set(away)
    present = [agent for i, agent in enumerate(crew) if i not in missing]
    for plan in config.queues:
        present += [_expert(config, chance, plan, number) for number in range(1, plan.experts + 1)]
    return present


def _agent(config: Config, chance: random.Random, number: int, shift: tuple[int, int, int]) -> _Agent:
    start, end, lunch = (_OPENS + half_hours * 30 * _MINUTE for half_hours in shift)
    breaks = [_Break(lunch, 30 * _MINUTE, "lunch")] if shift[2] >= 0 else []
    halves = ((start, lunch), (lunch + 30 * _MINUTE, end)) if breaks else ((start, end),)
    for begin, finish in halves:
        if finish - begin >= 150 * _MINUTE:
            middle = chance.uniform(begin + 60 * _MINUTE, finish - 60 * _MINUTE)
            breaks.append(_Break(int(middle), 15 * _MINUTE, "rast"))
    moment = start + chance.expovariate(1 / (4 * _HOUR))
    while moment < end - 30 * _MINUTE:
        length = int(chance.uniform(2, 8) * _MINUTE)
        breaks.append(_Break(int(moment), length, chance.choice(("ärende", "möte", "kort paus"))))
        moment += chance.expovariate(1 / (4 * _HOUR))
    return _Agent(
        agent_id=f"{config.switch}:agent {number + 1}",
        queues=tuple(p.name for p in config.queues if int((number + 1) * p.skill) > int(number * p.skill)),
        arrives=start - int(chance.uniform(0.2, 6) * _MINUTE),
        goes_home=end + int(chance.uniform(0, 2) * _MINUTE),
        breaks=sorted(breaks, key=attrgetter("start")),
        stays_on=end == _CLOSES and chance.random() < 0.6,
    )


def _expert(config: Config, chance: random.Random, plan: QueuePlan, number: int) -> _Agent:
    """Somebody with other work, who is on the phone about half of the time."""
    breaks, moment = [], _OPENS + chance.uniform(10, 60) * _MINUTE
    while moment < _CLOSES - 30 * _MINUTE:
        length = chance.uniform(15, 45) * _MINUTE
        breaks.append(_Break(int(moment), int(length), "eget arbete"))
        moment += length + chance.uniform(20, 60) * _MINUTE
    return _Agent(
        agent_id=f"{config.switch}:expert {number}",
        queues=(plan.name,),
        arrives=_OPENS - int(chance.uniform(0.2, 6) * _MINUTE),
        goes_home=_CLOSES,
        breaks=breaks,
        stays_on=True,
    )


# ------------------------------------------------------------------------------------------------------ the day itself


class _Visit(Struct):
    """One stay in one queue, or a refused try (then without a visit id)."""

    caller: _Caller
    contact_id: str
    visit_id: str
    queue: str
    entered: int
    gives_up: int
    outcome: Outcome = Outcome.WAITING
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    refused: RefusalReason | None = None
    ended: int | None = None
    reached: int | None = None
    rung: int = 0
    ringing: _Agent | None = None
    ring_began: int = 0
    agent: _Agent | None = None
    completed: int | None = None

    @property
    def waits(self) -> bool:
        return self.outcome is Outcome.WAITING

    @property
    def ring_id(self) -> str:
        return f"{self.visit_id}/{self.rung}"

    def truth(self, at: Callable[[int], datetime]) -> CallTruth:
        return CallTruth(
            contact_id=self.contact_id,
            visit_id=self.visit_id,
            queue=self.queue,
            entered_at=at(self.entered),
            outcome=self.outcome,
            entry_reason=self.entry_reason,
            prev_visit_id=self.prev_visit_id,
            refused=self.refused,
            wait_ms=None if self.ended is None else self.ended - self.entered,
            offered_wait_ms=None if self.reached is None else self.reached - self.entered,
            agent_id=self.agent.agent_id if self.agent else None,
            completed_at=None if self.completed is None else at(self.completed),
            redial_of=self.caller.redial_of,
        )


class _Switchboard:
    """The switch, its queues and the people at its phones, from one thing that happens to the next."""

    def __init__(self, config: Config, incident: _Incident, callers: list[_Caller], crew: list[_Agent]) -> None:
        self.events: list[Event] = []
        self.visits: list[_Visit] = []
        self._config = config
        self._incident = incident
        self._callers = callers
        self._crew = crew
        self._plans = {plan.name: plan for plan in config.queues}
        self._lines: dict[str, list[_Visit]] = {plan.name: [] for plan in config.queues}
        self._chance = random.Random(int(_generator(config, 4).integers(2**62)))
        self._midnight = datetime.combine(config.date, time(12), ZONE).astimezone(UTC) - timedelta(hours=12)
        offset = sum(fault.seconds for fault in config.faults if isinstance(fault, ClockOffset))
        self._offset = timedelta(seconds=offset)
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._now = 0
        self._legs = 0
        self._epoch = 0
        self._connected = False
        self._phones_down_until = 0

    def moment(self, now: int) -> datetime:
        """The time by the switch's clock, so many milliseconds into the local day."""
        return self._midnight + timedelta(milliseconds=now) + self._offset

    def run(self) -> None:
        self._plan_the_day()
        while self._agenda:
            self._now, _, happens = heapq.heappop(self._agenda)
            happens()

    def _at(self, moment: int, happens: Callable[..., None], *what: object) -> None:
        entry: tuple[int, int, Callable[[], None]] = (moment, next(self._order), partial(happens, *what))
        heapq.heappush(self._agenda, entry)

    def _plan_the_day(self) -> None:
        self._at(_CONNECTS, self._connect, "start")
        for fault in self._config.faults:
            if isinstance(fault, SourceOutage):
                self._at(_since_midnight(fault.at), self._disconnect)
                self._at(_since_midnight(fault.at) + fault.seconds * _SECOND, self._connect, "reconnected")
            elif isinstance(fault, SwitchRestart):
                self._at(_since_midnight(fault.at), self._restart)
        if self._offset:
            for moment in range(_CONNECTS, _LINES_QUIET, 30 * _SECOND):
                self._at(moment, self._tell_clock)
        if step := self._config.snapshot_seconds * _SECOND:
            for moment in range(_CONNECTS + step, _LINES_QUIET, step):
                self._at(moment, self._tell_queues)
        for agent in self._crew:
            self._at(agent.arrives, self._arrive, agent)
        if self._incident.kind is Kind.OUTAGE:
            self._at(self._incident.start, self._lose_phones, self._incident.end)
        for caller in self._callers:
            self._at(caller.rings_at, self._ring_up, caller)

    # callers

    def _ring_up(self, caller: _Caller) -> None:
        contact_id = self._new_leg()
        if reason := self._refusal(caller.queue):
            self.visits.append(
                _Visit(caller, contact_id, "", caller.queue, self._now, self._now, Outcome.REFUSED, refused=reason)
            )
            self._tell(
                CallRefused, contact_id, contact_id=contact_id, leg_id=contact_id, queue=caller.queue, reason=reason
            )
        else:
            self._enter(caller, contact_id, caller.queue, EntryReason.DIRECT, self._now + caller.patience)

    def _refusal(self, queue: str) -> RefusalReason | None:
        if not _OPENS <= self._now < _CLOSES:
            return RefusalReason.CLOSED
        if self._depth(queue) >= self._plans[queue].places:
            return RefusalReason.FULL
        if not any(agent.on_duty and queue in agent.queues for agent in self._crew):
            return RefusalReason.NO_AGENTS
        return None

    def _enter(
        self,
        caller: _Caller,
        contact_id: str,
        queue: str,
        why: EntryReason,
        gives_up: int,
        came_from: _Visit | None = None,
    ) -> None:
        visit = _Visit(
            caller,
            contact_id,
            f"{contact_id}@{milliseconds(self.moment(self._now) - _UNIX)}",
            queue,
            self._now,
            gives_up,
            entry_reason=why,
            prev_visit_id=came_from.visit_id if came_from else None,
        )
        self.visits.append(visit)
        self._lines[queue].append(visit)
        position = self._depth(queue)
        self._tell(
            CallEntered,
            visit.visit_id,
            visit_id=visit.visit_id,
            contact_id=contact_id,
            leg_id=contact_id,
            queue=queue,
            position=position,
            depth_reported=position,
            caller=Caller(withheld=True) if caller.withheld else Caller(pseudonym=self._pseudonym(caller)),
            entry_reason=why,
            prev_visit_id=visit.prev_visit_id,
            contact_started_at=None if came_from else self.moment(self._now - caller.menu),
        )
        self._at(gives_up, self._leave, visit, Outcome.ABANDONED)
        plan = self._plans[queue]
        out = Outcome.OVERFLOW if plan.overflow_to else Outcome.TIMEOUT
        self._at(self._now + plan.timeout_seconds * _SECOND, self._leave, visit, out)
        if caller.presses_key and why is EntryReason.DIRECT:
            self._at(self._now + _KEY_AFTER, self._leave, visit, Outcome.EXIT_KEY)
        self._find_agent(queue)

    def _leave(self, visit: _Visit, how: Outcome) -> None:
        """Time is up for one who waits; whoever has been answered or has left is not touched."""
        if not visit.waits:
            return
        rung = visit.ringing
        if rung:
            self._end_ring(visit, RingResult.CANCELLED)
        visit.outcome, visit.ended = how, self._now
        onward = self._plans[visit.queue].overflow_to if how is Outcome.OVERFLOW else None
        self._tell(
            CallLeft,
            visit.visit_id,
            visit_id=visit.visit_id,
            outcome=LeftOutcome(how),
            key="1" if how is Outcome.EXIT_KEY else None,
            next_queue=onward,
            wait_ms_reported=self._now - visit.entered,
            queue=visit.queue,
            leg_id=visit.contact_id,
            contact_id=visit.contact_id,
        )
        if onward:
            self._enter(visit.caller, visit.contact_id, onward, EntryReason.OVERFLOW, visit.gives_up, visit)
        elif how is Outcome.ABANDONED:
            self._perhaps_again(visit)
        if rung:
            self._ready(rung)

    def _perhaps_again(self, visit: _Visit) -> None:
        caller = visit.caller
        if caller.redials_after is not None and caller.again and visit.entry_reason is not EntryReason.TRANSFER:
            caller.again.redial_of = visit.contact_id
            self._at(self._now + caller.redials_after, self._ring_up, caller.again)

    # agents

    def _arrive(self, agent: _Agent) -> None:
        for queue in agent.queues:
            self._tell_member(agent, queue, MemberAction.ADDED)
        for pause in agent.breaks:
            self._at(pause.start, self._look_up, agent)
        self._at(agent.goes_home, self._look_up, agent)
        self._ready(agent)

    def _look_up(self, agent: _Agent) -> None:
        """A break or the end of the shift is due: one who is free goes now, one with a caller when that is done."""
        if agent.state in (AgentActivity.AVAILABLE, AgentActivity.UNREACHABLE):
            self._ready(agent)

    def _ready(self, agent: _Agent) -> None:
        """Done with what was: go home, take a break, or take the next call."""
        agent.turn += 1
        if self._now >= agent.goes_home and not self._is_needed(agent):
            self._become(agent, AgentActivity.LOGGED_OUT)
            for queue in agent.queues:
                self._tell_member(agent, queue, MemberAction.REMOVED)
        elif agent.breaks and agent.breaks[0].start <= self._now:
            pause = agent.breaks.pop(0)
            self._pause(agent, pause.length, pause.reason)
        elif self._now < self._phones_down_until:
            self._become(agent, AgentActivity.UNREACHABLE)
            self._at(self._phones_down_until, self._resume, agent, agent.turn)
        else:
            self._free(agent)

    def _is_needed(self, agent: _Agent) -> bool:
        """After closing some stay on until nobody waits any more."""
        return agent.stays_on and any(self._depth(queue) for queue in agent.queues)

    def _free(self, agent: _Agent) -> None:
        heads = [head for queue in agent.queues if (head := self._head(queue))]
        if heads:
            self._ring(agent, min(heads, key=attrgetter("entered")))
            return
        self._become(agent, AgentActivity.AVAILABLE)
        if self._now >= agent.goes_home:
            self._at(self._now + 15 * _SECOND, self._resume, agent, agent.turn)

    def _resume(self, agent: _Agent, turn: int) -> None:
        if agent.turn == turn:
            self._ready(agent)

    def _pause(self, agent: _Agent, length: int, reason: str) -> None:
        self._become(agent, AgentActivity.PAUSED, reason)
        self._at(self._now + length, self._resume, agent, agent.turn)

    def _lose_phones(self, until: int) -> None:
        self._phones_down_until = until
        for agent in self._crew:
            if agent.state is AgentActivity.AVAILABLE:
                self._ready(agent)

    # calls

    def _find_agent(self, queue: str) -> None:
        """The agent who has been free the longest takes the first in line."""
        free = [a for a in self._crew if a.state is AgentActivity.AVAILABLE and queue in a.queues]
        if free:
            self._ready(min(free, key=attrgetter("since")))

    def _head(self, queue: str) -> _Visit | None:
        """The first in line who is not being rung for. Passing those who left marks when their turn would have come."""
        line = self._lines[queue]
        for visit in list(line):
            if visit.waits and not visit.ringing:
                return visit
            if not visit.waits:
                visit.reached = visit.reached or self._now
                line.remove(visit)
        return None

    def _depth(self, queue: str) -> int:
        return sum(visit.waits for visit in self._lines[queue])

    def _ring(self, agent: _Agent, visit: _Visit) -> None:
        agent.turn += 1
        visit.ringing, visit.ring_began = agent, self._now
        visit.rung += 1
        self._become(agent, AgentActivity.RINGING)
        self._tell(
            CallRinging,
            visit.ring_id,
            visit_id=visit.visit_id,
            ring_id=visit.ring_id,
            agent_id=agent.agent_id,
            queue=visit.queue,
            leg_id=visit.contact_id,
            contact_id=visit.contact_id,
        )
        if self._chance.random() < _NO_ANSWER_SHARE:
            self._at(self._now + int(_NO_ANSWER_SECONDS * _SECOND), self._give_back, agent, visit, agent.turn)
        else:
            after = self._chance.uniform(*_RING_SECONDS)
            self._at(self._now + int(after * _SECOND), self._answer, agent, visit, agent.turn)

    def _end_ring(self, visit: _Visit, result: RingResult) -> None:
        agent, visit.ringing = visit.ringing, None
        self._tell(
            CallRingEnded,
            visit.ring_id,
            ring_id=visit.ring_id,
            result=result,
            visit_id=visit.visit_id,
            agent_id=agent.agent_id if agent else None,
            ring_ms=self._now - visit.ring_began,
        )

    def _give_back(self, agent: _Agent, visit: _Visit, turn: int) -> None:
        """Nobody picked up: the caller keeps the place in line, the switch pauses the phone for a minute."""
        if agent.turn != turn:
            return
        self._end_ring(visit, RingResult.NO_ANSWER)
        self._pause(agent, _MINUTE, "svarar ej")
        self._find_agent(visit.queue)

    def _answer(self, agent: _Agent, visit: _Visit, turn: int) -> None:
        if agent.turn != turn:
            return
        agent.turn += 1
        self._end_ring(visit, RingResult.ANSWERED)
        visit.outcome, visit.ended, visit.reached, visit.agent = Outcome.ANSWERED, self._now, visit.ring_began, agent
        self._lines[visit.queue].remove(visit)
        self._become(agent, AgentActivity.BUSY)
        self._tell(
            CallAnswered,
            visit.visit_id,
            visit_id=visit.visit_id,
            agent_id=agent.agent_id,
            ring_id=visit.ring_id,
            wait_ms_reported=self._now - visit.entered,
            ring_ms=self._now - visit.ring_began,
            queue=visit.queue,
            leg_id=visit.contact_id,
            contact_id=visit.contact_id,
        )
        self._at(self._now + self._handle_time(visit.caller.talk), self._hang_up, agent, visit, agent.turn)

    def _handle_time(self, usual: int) -> int:
        slow = self._incident.kind is Kind.SLOW and self._incident.covers(self._now)
        return int(usual * _SLOW_FACTOR) if slow else usual

    def _hang_up(self, agent: _Agent, visit: _Visit, turn: int) -> None:
        if agent.turn != turn:
            return
        onward = self._passed_on(visit)
        visit.completed = self._now
        if onward:
            self._tell(
                CallTransferred,
                visit.visit_id,
                visit_id=visit.visit_id,
                kind=TransferKind.BLIND,
                to=TransferTarget(queue=onward),
                agent_id=agent.agent_id,
            )
        by_whom = EndedBy.CALLER if visit.caller.hangs_up_first else EndedBy.AGENT
        self._tell(
            CallCompleted,
            visit.visit_id,
            visit_id=visit.visit_id,
            ended_by=EndedBy.TRANSFER if onward else by_whom,
            talk_ms_reported=self._now - (visit.ended or self._now),
            wait_ms_reported=(visit.ended or self._now) - visit.entered,
            agent_id=agent.agent_id,
            queue=visit.queue,
            leg_id=visit.contact_id,
            contact_id=visit.contact_id,
        )
        self._become(agent, AgentActivity.WRAPUP)
        self._at(self._now + self._handle_time(visit.caller.wrapup), self._resume, agent, agent.turn)
        if onward:
            patience = self._now + visit.caller.patience
            self._enter(visit.caller, visit.contact_id, onward, EntryReason.TRANSFER, patience, visit)

    def _passed_on(self, visit: _Visit) -> str | None:
        """The experts' queue that this call goes on to, if it does."""
        if visit.entry_reason is EntryReason.TRANSFER or self._now >= _CLOSES:
            return None
        reached = 0.0
        for plan in self._config.queues:
            reached += plan.transfers
            if visit.caller.passed_on < reached and plan.name != visit.queue:
                return plan.name
        return None

    def _restart(self) -> None:
        """Every call is cut off; the phones log on again after 20 s."""
        self._tell(SourceRestarted, self._now)
        for line in self._lines.values():
            for visit in line:
                if visit.waits:
                    visit.outcome, visit.ended, visit.ringing = Outcome.LOST, self._now, None
            line.clear()
        self._phones_down_until = max(self._phones_down_until, self._now + 20 * _SECOND)
        for agent in self._crew:
            if agent.on_duty and agent.state is not AgentActivity.PAUSED:
                self._ready(agent)

    # what the switch tells

    def _tell(self, event: type[Event], /, *key: object, **fields: Any) -> None:
        if not self._connected:
            return
        now = self._midnight + timedelta(milliseconds=self._now)
        tag = str(event.__struct_config__.tag)
        self.events.append(
            event(
                id=event_id(self._config.source, tag, *key, 1000 * milliseconds(now + self._offset - _UNIX)),
                source=self._config.source,
                switch=self._config.switch,
                switch_time=now + self._offset,
                observed_at=now,
                epoch=f"{self._config.date.isoformat()}/{self._epoch}",
                **fields,
            )
        )

    def _connect(self, reason: str) -> None:
        self._connected = True
        self._epoch += 1
        self._tell(SourceConnected, reason=reason)
        self._tell_queues()

    def _disconnect(self) -> None:
        self._tell(SourceDisconnected, reason="connection lost")
        self._connected = False

    def _tell_clock(self) -> None:
        self._tell(SourceClock, offset_ms=self._offset / timedelta(milliseconds=1), rtt_ms=1.0)

    def _tell_queues(self) -> None:
        for queue, line in self._lines.items():
            waiting = [visit for visit in line if visit.waits]
            self._tell(
                QueueSnapshot,
                queue,
                queue=queue,
                as_of=self.moment(self._now),
                waiting=tuple(self._place(visit, number) for number, visit in enumerate(waiting, 1)),
                agents=tuple(
                    QueueAgent(agent_id=agent.agent_id, state=agent.state, reason=agent.reason)
                    for agent in self._crew
                    if agent.on_duty and queue in agent.queues
                ),
            )

    def _place(self, visit: _Visit, position: int) -> WaitingCaller:
        return WaitingCaller(
            leg_id=visit.contact_id,
            visit_id=visit.visit_id,
            contact_id=visit.contact_id,
            position=position,
            waited_ms=self._now - visit.entered,
            entered_at=self.moment(visit.entered),
        )

    def _tell_member(self, agent: _Agent, queue: str, action: MemberAction) -> None:
        self._tell(AgentMember, agent.agent_id, queue, action, agent_id=agent.agent_id, queue=queue, action=action)

    def _become(self, agent: _Agent, state: AgentActivity, reason: str | None = None) -> None:
        if (agent.state, agent.reason) == (state, reason):
            return
        agent.state, agent.reason, agent.since = state, reason, self._now
        self._tell(AgentState, agent.agent_id, agent.turn, state, agent_id=agent.agent_id, state=state, reason=reason)

    def _new_leg(self) -> str:
        """`<switch>:<seconds>.<n>`, the shape of an Asterisk uniqueid: no two days share one."""
        self._legs += 1
        seconds = milliseconds(self.moment(self._now) - _UNIX) // _SECOND
        return f"{self._config.switch}:{seconds}.{self._legs}"

    def _pseudonym(self, caller: _Caller) -> str:
        """The same person has the same one all day and another tomorrow. Letters only: no run of digits anywhere."""
        digest = event_id("pseudonym", str(self._config.seed), self._config.date.toordinal(), caller.person)
        return digest[:16].translate(_LETTERS)


_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def _since_midnight(at: time) -> int:
    return (at.hour * 60 + at.minute) * _MINUTE + at.second * _SECOND + at.microsecond // 1000


# ------------------------------------------------------------------------------------------------- on the way to us


def _delivered(told: list[Event], config: Config) -> list[Event]:
    """What reaches us of what the switch told: some of it lost, twice or out of order, if so configured.

    What the source says of itself, and snapshots, always come and in their place: nothing is moved across them.
    """
    chance = random.Random(int(_generator(config, 5).integers(2**62)))
    arrived = told
    for fault in config.faults:
        if isinstance(fault, Losses):
            arrived = [event for event in arrived if _is_fixed(event) or chance.random() >= fault.ratio]
        elif isinstance(fault, Duplicates):
            arrived = _doubled(arrived, fault.ratio, chance)
        elif isinstance(fault, Shuffle):
            arrived = _shuffled(arrived, fault.seconds, chance)
    return arrived


def _is_fixed(event: Event) -> bool:
    return short_type(event).startswith(("source.", "queue."))


def _doubled(events: list[Event], ratio: float, chance: random.Random) -> list[Event]:
    delays = [(event, 0.0) for event in events]
    again = [(event, chance.uniform(0, 2)) for event in events if not _is_fixed(event) and chance.random() < ratio]
    return [event for event, _ in _in_order(delays + again)]


def _shuffled(events: list[Event], seconds: float, chance: random.Random) -> list[Event]:
    delays = [(event, 0.0 if _is_fixed(event) else chance.uniform(0, seconds)) for event in events]
    return [
        structs.replace(event, observed_at=event.observed_at + timedelta(milliseconds=int(delay * 1000)))
        for event, delay in _in_order(delays)
    ]


def _in_order(delayed: list[tuple[Event, float]]) -> list[tuple[Event, float]]:
    return sorted(delayed, key=lambda pair: pair[0].observed_at + timedelta(seconds=pair[1]))
