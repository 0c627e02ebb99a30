"""The forecaster: it gets contacts, agents and counts from the live state, and forecasts how day and month may end.

A forecast has two halves, so that the pages never wait for it: `inputs` gathers the state of a moment, cheaply;
`compute` makes the forecast from it, in some tens of milliseconds, and touches nothing shared. The knowledge from
closed days is a plain struct (`learned`), kept in the store between runs.

Longer than 450 lines because gathering and computing share the inputs of one forecast.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from msgspec import Struct, structs

from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import Calendar, DayKind, day_bounds, month_start, next_month
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.forecasting import DoubtfulVisit
from queue_monitor.core.live import Live
from queue_monitor.core.pool_inference import inherited
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast import (
    Baseline,
    DayInputs,
    DayState,
    OwnWait,
    Profile,
    Projection,
    QueueState,
    agents_needed,
    baseline_of,
    expected_wait,
    generator,
    project,
    service_speed,
    verify_day,
)
from queue_monitor.forecast import day_inputs as day_inputs
from queue_monitor.forecast.advice import HOPE
from queue_monitor.forecast.bias_correction import LIKE_ITS_POOL
from queue_monitor.forecast.calls import DayCalls
from queue_monitor.forecast.projection import so_far
from queue_monitor.forecast.shifts import Shift
from queue_monitor.model import (
    ExpectedWait,
    Forecast,
    HelpOption,
    Outcome,
    Placement,
    Reserve,
    RiskCause,
    RiskFigures,
    RiskLevels,
    Target,
    WaitBasis,
)
from queue_monitor.queues import Pool, keys_of, queues_in

LEVELS: Final = RiskLevels()
RESERVE: Final = Reserve()
MONTH_DRAWS: Final = 2000
DAYS_REMEMBERED: Final = 60
MAX_LEARNED: Final = 1_000
"""The number of queues and pools whose knowledge is kept, those of the latest days: each day may bring another pool."""

LATE_START_SECONDS: Final = 900.0
NO_WAIT: Final = ExpectedWait(None, None, None, WaitBasis.UNKNOWN)
WORTH_NAMING: Final = 1.08
"""A ratio to the usual below this is not named as the cause."""

MIN_DAYS: Final = 5
"""A month is not forecast with fewer closed days than this."""


class ClosedDay(Struct, frozen=True):
    """One closed day's outcome by the headline: good and counted calls."""

    day: date
    good: float
    of: float


class Learned(Struct, frozen=True):
    """The knowledge from closed days about one pool, whose queues are named."""

    profile: Profile = Profile()
    days: tuple[ClosedDay, ...] = ()
    queues: tuple[str, ...] = ()


LearnedByPool = dict[frozenset[str], Learned]
"""The knowledge about each pool, by the keys of its queues."""


def encode_learned(verifications: LearnedByPool) -> bytes:
    """Return the knowledge encoded for the store."""
    return msgspec.json.encode(list(verifications.values()))


def decode_learned(written: bytes) -> LearnedByPool:
    """Decode the result of `encode_learned`, or of a version before 0.2 that named pools.
    Raises `msgspec.DecodeError`.
    """
    kept = msgspec.json.decode(written, type=list[Learned] | dict[str, Learned])
    if isinstance(kept, dict):
        kept = [structs.replace(learned, queues=queues_in(name)) for name, learned in kept.items()]
    return {keys_of(learned.queues): learned for learned in kept}


class ForecastInputs(Struct, frozen=True, kw_only=True):
    """The state of one scope at one moment: all that its forecast is made from.

    `warning`: from this chance of missing on, the number of extra agents that would help is computed.
    """

    name: str
    queues: tuple[str, ...]
    state: QueueState
    usual: Baseline
    own_waits: dict[str, OwnWait]
    target: Target
    warning: float
    reserve: Reserve
    midnight: datetime
    month: "MonthInputs"

    def compute(self) -> Forecast:
        """Return the forecast. Equal inputs give an equal one: random numbers are seeded by scope and day."""
        return _computed(self)


class ClosedDayInputs(Struct, frozen=True, kw_only=True):
    """The inputs on a day on which a scope is closed all day: only its month is forecast."""

    name: str
    queues: tuple[str, ...]
    at: datetime
    today: date
    target: Target
    month: "MonthInputs"

    def compute(self) -> Forecast:
        """Return the forecast of the month, and nothing about today."""
        rng = generator(self.name, self.today)
        return Forecast(
            name=self.name,
            queues=self.queues,
            at=self.at,
            wait=NO_WAIT,
            own_waits={},
            day=None,
            month=_month(self.month, NOTHING_TODAY, self.target, rng),
            service_speed=None,
            usual_quarter=None,
        )


class MonthInputs(Struct, frozen=True):
    """The days of the month before today, and for each open day to come the earlier days it may turn out like."""

    good: float
    of: float
    to_come: tuple[tuple[ClosedDay, ...], ...]


class DayEnds(NamedTuple):
    """The good and counted calls with which today may end.

    `best`: the good calls if all calls to come are answered in time.
    """

    good: float
    of: float
    best: float


NOTHING_TODAY: Final = DayEnds(0.0, 0.0, 0.0)


class Forecaster:
    """The forecaster of each pool and queue. `learned` may come from an earlier run."""

    def __init__(
        self,
        target: Target,
        calendars: Calendars,
        learned: LearnedByPool | None = None,
        levels: RiskLevels = LEVELS,
        reserve: Reserve = RESERVE,
    ) -> None:
        self._target = target
        self.levels = levels
        self._reserve = reserve
        self._calendars = calendars
        self.learned = dict(learned or {})
        self.scopes: Callable[[], Sequence[Pool]] = tuple
        self._agents = Agents()
        self.today: ObservedDay | None = None
        self._usual: dict[Pool, Baseline] = {}
        self._own: dict[Pool, dict[str, OwnWait]] = {}
        self._ahead: dict[Pool, tuple[tuple[date, int], DayInputs]] = {}

    # ---- input

    def aim_at(self, target: Target) -> None:
        """Forecast by this target from now on."""
        self._target = target

    def attach(self, scopes: Callable[[], Sequence[Pool]], agents: Agents) -> None:
        """Connect the live state. `scopes` returns the queues and pools that get a forecast."""
        self.scopes, self._agents = scopes, agents

    def recall(self, learned: LearnedByPool) -> None:
        """Go on with the knowledge of an earlier run."""
        self.learned = learned

    def change(self, contact_id: str, history: ContactHistory | None, placed: Placement | None) -> None:
        """Take a contact as the ledger has it now. `placed`: where the windows count it, None while it waits."""
        if self.today is None:
            return
        if history is None or self.today.is_part(history):
            self.today.calls.change(contact_id, history, placed)
        elif self.today.calls.knows(contact_id):  # it was open, and has turned out to have ended before this day
            self.today.calls.change(contact_id, None, None)

    def doubt(self, visits: Iterable[DoubtfulVisit]) -> None:
        """Mark these visits, and no others, as of callers who may have left unseen: nobody stands behind them."""
        if self.today is not None:
            self.today.calls.doubt(visits)

    def miss(self, gaps: Iterable[tuple[datetime, datetime | None]]) -> None:
        """Note the stretches in which nothing was heard of the switches; the end of one that still lasts is None.

        A talk that reaches into one may have ended there, so nothing is learned from its length.
        """
        if self.today is not None:
            self.today.calls.miss(gaps)

    def start_day(self, day: date) -> None:
        """Start a day, and learn from the one before.

        Agents who were logged in stay so overnight. A pool that has grown begins with the knowledge of its largest
        part.
        """
        if self.today is not None and day <= self.today.day:
            return
        for scope in self.scopes():
            if scope.keys not in self.learned and (known := inherited(scope.keys, self.learned)) is not None:
                self.learned[scope.keys] = structs.replace(known, queues=scope.queues)
        if self.today is not None:
            self.learn(self.today)
        self.today = ObservedDay(day, self._calendars.default.zone, self._agents)
        self._agents.start_day(self.today.midnight)
        self._forget_day()

    def close_day(self) -> None:
        """Learn from today as if it were over."""
        if self.today is not None:
            self.learn(self.today)

    def empty_day(self, day: date) -> "ObservedDay":
        """Return an empty day, to be filled with its calls and agents."""
        return ObservedDay(day, self._calendars.default.zone, Agents())

    def learn(self, day: "ObservedDay") -> None:
        """Learn from a day that is over, for each scope that was open and had events from about its opening on.

        Nothing usual can be learned from half a day.
        """
        self._forget_day()
        for scope in self.scopes():
            seen = self.day_of(scope, day)
            if seen is None or not day.was_heard_by(seen.opens + LATE_START_SECONDS):
                continue
            closed = seen.state(86_400.0)
            if len(closed.entered_by_minute) and closed.entered_by_minute.sum():
                self._learn(scope, seen, closed)
        if len(self.learned) > MAX_LEARNED:
            latest = sorted(self.learned.items(), key=lambda known: _last_day(known[1]))
            self.learned = dict(latest[-MAX_LEARNED:])
        self._forget_day()

    def _forget_day(self) -> None:
        self._usual, self._own = {}, {}

    def _learn(self, scope: Pool, seen: DayState, closed: QueueState) -> None:
        before = self.learned.get(scope.keys, Learned())
        if before.days and before.days[-1].day >= closed.day:
            return  # learned already, in the run that saw it
        good, of = so_far(closed.outcomes, self._target.definition)
        day = ClosedDay(closed.day, good, of)
        verification = verify_day(seen, closed, self._usual_of(scope, closed), scope.name, self._own_waits(scope))
        profile = before.profile.learn(seen, self._special(seen.day), verification)
        self.learned[scope.keys] = Learned(profile, (*before.days, day)[-DAYS_REMEMBERED:], scope.queues)

    # ---- output

    def inputs(self, now: datetime, scopes: Sequence[Pool]) -> list[ForecastInputs | ClosedDayInputs]:
        """Return the inputs of each scope; none while today has not begun here."""
        today = self._now(now)
        return [] if today is None else [self._inputs_of(now, today, scope) for scope in scopes]

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """Return the wait that a caller who enters this queue now should expect; None on a closed day.

        It is cheap enough for every caller: the rest of the day is computed only once a minute.
        """
        scope = next((scope for scope in self.scopes() if queue in scope.queues), Pool("", (queue,)))
        today = self._now(now)
        if today is None or (day := self.day_of(scope, today)) is None:
            return None
        at = (now - today.midnight).total_seconds()
        minute = today.day, int(at // 60)
        known = self._ahead.get(scope)
        if known is None or known[0] != minute:
            state = day.state(at)
            known = self._ahead[scope] = (minute, day_inputs(state, self._usual_of(scope, state)))
        own = self._own_waits(scope).get(queue, LIKE_ITS_POOL)
        return _plain(expected_wait(day.line(at), known[1], queue, own))

    def _now(self, now: datetime) -> "ObservedDay | None":
        """Return today; None when it is not the day of this moment."""
        is_now = self.today is not None and self.today.day == self._calendars.default.day_of(now)
        return self.today if is_now else None

    def _usual_of(self, scope: Pool, state: QueueState) -> Baseline:
        if scope not in self._usual:
            profile = self.learned.get(scope.keys, Learned()).profile
            self._usual[scope] = baseline_of(profile, state, self._special(state.day))
        return self._usual[scope]

    def _own_waits(self, scope: Pool) -> dict[str, OwnWait]:
        if scope not in self._own:
            profile = self.learned.get(scope.keys, Learned()).profile
            several = scope.queues if len(scope.queues) > 1 else ()
            self._own[scope] = {queue: profile.own_wait(queue) for queue in several}
        return self._own[scope]

    def _special(self, day: date) -> str:
        """Return the kind of a day that differs for callers, such as the first one after a
        holiday; "" for a usual day.
        """
        kind = self._calendars.default.kind(day)
        return "" if kind is DayKind.WEEKDAY else kind.value

    def _inputs_of(self, now: datetime, today: "ObservedDay", scope: Pool) -> ForecastInputs | ClosedDayInputs:
        day = self.day_of(scope, today)
        if day is None:
            month = self._month_of(scope, today.day, is_to_come=False)
            name, queues = scope.name, scope.queues
            return ClosedDayInputs(name=name, queues=queues, at=now, today=today.day, target=self._target, month=month)
        midnight = today.midnight
        state = day.state((now - midnight).total_seconds())
        return ForecastInputs(
            name=scope.name,
            queues=scope.queues,
            state=state,
            usual=self._usual_of(scope, state),
            own_waits=self._own_waits(scope),
            target=self._target,
            warning=self.levels.warning,
            reserve=self._reserve,
            midnight=midnight,
            month=self._month_of(scope, state.day, is_to_come=state.at < state.opens and not len(state.waiting)),
        )

    def _month_of(self, scope: Pool, today: date, is_to_come: bool) -> MonthInputs:
        """Return the month around today. `is_to_come`: today has not opened, and counts as a day to come."""
        learned = self.learned.get(scope.keys, Learned())
        first = month_start(today)
        earlier = [closed for closed in learned.days if first <= closed.day < today]
        begins = today if is_to_come else today + timedelta(days=1)
        return MonthInputs(
            sum(closed.good for closed in earlier),
            sum(closed.of for closed in earlier),
            tuple(self._days_to_come(learned, self._calendar(scope.queues), begins, next_month(today))),
        )

    def day_of(self, scope: Pool, day: "ObservedDay") -> DayState | None:
        """Return the state of a day for the queues of one scope; None when they are closed that day."""
        calendar = self._calendar(scope.queues)
        span = calendar.span(day.day)
        if span is None:
            return None
        opens, closes = ((edge - day.midnight).total_seconds() for edge in span)
        return day.of(scope.queues, opens, closes, self._target)

    def _days_to_come(
        self, learned: Learned, calendar: Calendar, day: date, end: date
    ) -> Iterable[tuple[ClosedDay, ...]]:
        """Yield for each open day until `end` the earlier days it may turn out like: those of its weekday, else all."""
        while day < end and len(learned.days) >= MIN_DAYS:
            if calendar.span(day) is not None:
                alike = tuple(closed for closed in learned.days if closed.day.weekday() == day.weekday())
                yield alike or learned.days
            day += timedelta(days=1)

    def _calendar(self, queues: tuple[str, ...]) -> Calendar:
        return self._calendars.of(queues[0]) if len(queues) == 1 else self._calendars.default


class ObservedDay:
    """One local day: its calls, and the reports about agents, with a view of them for each pool."""

    def __init__(self, day: date, zone: ZoneInfo, agents: Agents) -> None:
        self.day = day
        self.midnight, self.ends = day_bounds(day, zone)
        self.calls = DayCalls(self.midnight)
        self.agents = agents
        self._views: dict[tuple[tuple[str, ...], float, float], DayState] = {}
        self._shifts: dict[tuple[str, frozenset[str]], Shift] = {}

    def is_part(self, history: ContactHistory) -> bool:
        """Return whether any of a contact's visits lies in this day, or was not over when it began."""
        for visit in history.visits:
            over = visit.completed_at if visit.outcome is Outcome.ANSWERED else visit.ended_wait_at
            if over is None or over >= self.midnight:
                return True
        return False

    def was_heard_by(self, second: float) -> bool:
        """Return whether a call or a report about an agent had come by then (s after midnight)."""
        until = self.midnight + timedelta(seconds=second)
        words = any(self.midnight <= word.at <= until for said in self.agents.words.values() for word in said.said)
        return words or self.calls.began_by(second)

    def of(self, queues: tuple[str, ...], opens: float, closes: float, target: Target) -> DayState:
        """Return the day of a pool with these opening hours (s after midnight)."""
        key = queues, opens, closes
        if key not in self._views:
            self._views[key] = DayState(self, opens, closes, target, queues)
        return self._views[key]

    def shifts_of(self, queues: frozenset[str]) -> list[Shift]:
        """Return the day of each agent who has something to do with these queues (casefolded; empty for all), up to
        now.
        """
        found = []
        for agent_id, words in self.agents.words.items():
            if (scope := words.scope(queues)) is None:
                continue
            shift = self._shifts.get((agent_id, scope))
            if shift is None:
                shift = self._shifts[agent_id, scope] = Shift(scope, self.midnight)
            shift.read(words)
            found.append(shift)
        return found

    def lists_agents(self) -> bool:
        """Return whether a live source reports what some agent does, in whatever queue."""
        return any(words.is_listed for words in self.agents.words.values())


def _last_day(learned: Learned) -> date:
    return learned.days[-1].day if learned.days else date.min


def forecaster_of(live: Live) -> Forecaster | None:
    """Return the forecaster that a live state feeds; None where it has none, or one of another make."""
    return live.forecaster if isinstance(live.forecaster, Forecaster) else None


def recall(live: Live, learned: LearnedByPool, now: datetime) -> None:
    """Give a live state and its forecaster the knowledge of an earlier run."""
    forecaster = forecaster_of(live)
    if forecaster is not None:
        forecaster.recall(learned)
    live.recall_pools([known.queues for known in learned.values()], now)


def _computed(given: ForecastInputs) -> Forecast:
    state, target = given.state, given.target
    ahead = day_inputs(state, given.usual)
    rng = generator(given.name, state.day)
    day: RiskFigures | None = None
    good, of = so_far(state.outcomes, target.definition)
    today = DayEnds(good, of, good)
    if state.opens <= state.at < state.closes or len(state.waiting):
        ends = project(state, ahead, target, rng)
        expected = ends.calls_expected
        today = DayEnds(expected - ends.misses_expected, expected, expected - (of - good))
        day = _day(given, ahead, ends)
    minute = int(max(0.0, state.at - state.opens) // 60)
    usual = given.usual.calls
    return Forecast(
        name=given.name,
        queues=given.queues,
        at=given.midnight + timedelta(seconds=state.at),
        wait=_plain(expected_wait(state, ahead)),
        own_waits={queue: _plain(expected_wait(state, ahead, queue, own)) for queue, own in given.own_waits.items()},
        day=day,
        month=_month(given.month, today, target, rng),
        service_speed=service_speed(state, ahead),
        usual_quarter=None if usual is None else float(usual[max(0, minute - 15) : minute].sum()) or None,
    )


def _plain(wait: ExpectedWait) -> ExpectedWait:
    """Return the wait in Python's own numbers, which can be written as JSON."""
    expected, low, high = (None if number is None else float(number) for number in (wait.expected, wait.low, wait.high))
    return ExpectedWait(expected, low, high, wait.basis)


def _day(given: ForecastInputs, ahead: DayInputs, ends: Projection) -> RiskFigures:
    """Return how the day may end; where it is at risk also the extra agents that would help, and until when."""

    def moment(at: float | None) -> datetime | None:
        return None if at is None else given.midnight + timedelta(seconds=at)

    day = RiskFigures(
        p_miss=ends.p_miss,
        expected_share=ends.expected_share,
        low=ends.low,
        high=ends.high,
        expected_calls=ends.calls_expected,
        cause=_cause(ends),
        margin_ends_at=moment(ends.gone_at),
        staff_known=ends.staff_known,
    )
    if ends.p_miss < given.warning and ends.expected_share >= given.target.ratio:
        return day
    state, reserve = given.state, given.reserve
    away = max(0, int(state.logged_in_by_minute[-1]) - state.agents)
    needed = agents_needed(
        state, ahead, given.target, given.name, reserve.can_be_called_in + away, reserve.ready_after_minutes
    )
    return structs.replace(
        day,
        agents_for_queue=needed.to_clear,
        agents_for_day=min(1, needed.at_most) if needed.to_save == 0 else needed.to_save,  # it is at risk as it is
        agents_at_most=needed.at_most,
        until=moment(needed.save_until),
        reachable=needed.reachable,
        options=tuple(_agreeing(needed.options, day)),
    )


def _agreeing(options: Iterable[HelpOption], day: RiskFigures) -> Iterator[HelpOption]:
    """Return the options with the day as it stands as the first: they come from fewer courses of the day, and more
    agents never make it worse.
    """
    p_miss, share = day.p_miss, day.expected_share
    for option in options:
        if option.more and share is not None:
            p_miss, share = min(p_miss, option.p_miss), max(share, option.expected_share)
        yield structs.replace(option, p_miss=p_miss, expected_share=option.expected_share if share is None else share)


def _cause(ends: Projection) -> RiskCause | None:
    """Return the figure that differs most from the usual for the worse, by today's ratios;
    None when none differs much.
    """
    worse = {
        RiskCause.CALLS: ends.rate_ratio,
        RiskCause.STAFF: 1.0 / max(ends.agents_ratio, 0.01),
        RiskCause.HANDLE_TIME: ends.handle_ratio,
    }
    cause = max(worse, key=worse.__getitem__)
    return cause if worse[cause] >= WORTH_NAMING else None


def _month(month: MonthInputs, today: DayEnds, target: Target, rng: np.random.Generator) -> RiskFigures | None:
    """Return the forecast of the month: the days so far, today as forecast, and earlier days drawn for the rest.

    It is out of reach when it would be missed even if every call to come were answered in time.
    Source: docs/at-risk.md, step 9.
    """
    if not month.to_come and not month.of:
        return None
    goods = np.full(MONTH_DRAWS, month.good + today.good)
    ofs = np.full(MONTH_DRAWS, month.of + today.of)
    best = np.full(MONTH_DRAWS, month.good + today.best)
    for alike in month.to_come:
        drawn = rng.integers(len(alike), size=MONTH_DRAWS)
        of = np.array([closed.of for closed in alike])[drawn]
        goods += np.array([closed.good for closed in alike])[drawn]
        ofs += of
        best += of
    shares = np.divide(goods, ofs, out=np.ones(MONTH_DRAWS), where=ofs > 0)
    return RiskFigures(
        p_miss=float((shares < target.ratio - 1e-9).mean()),
        expected_share=float(shares.mean()),
        expected_calls=float(ofs.mean()),
        reachable=bool((best >= (target.ratio - 1e-9) * ofs).mean() >= HOPE),
    )
