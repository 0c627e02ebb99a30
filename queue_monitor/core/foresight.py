"""The forecast, driven: every pool's day is told to it, and it is asked how the day and the month may end.

Asking has two halves, so that the pages never wait for it: `questions` gathers what is known at a moment, cheaply;
`answer` works a question out, in some tens of milliseconds, and touches nothing shared. What closed days have taught
is a plain struct (`learned`), kept in the store between runs.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct, structs

from queue_monitor.core.calendar import Calendar, DayKind, day_bounds, month_start, next_month
from queue_monitor.core.forecast import (
    DayState,
    ExpectedWait,
    Outlook,
    OwnWait,
    Pace,
    Profile,
    Projection,
    QueueState,
    Usual,
    agents_needed,
    expected_wait,
    generator,
    lesson_of,
    outlook,
    pace,
    project,
    usual_day,
)
from queue_monitor.core.forecast.hindsight import LIKE_ITS_POOL
from queue_monitor.core.forecast.projection import so_far
from queue_monitor.core.windows import Calendars
from queue_monitor.events import (
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    Event,
    QueueSnapshot,
    SourceRestarted,
)
from queue_monitor.model import Reserve, RiskCause, RiskFigures, RiskLevels, Target

TOLD: Final = (
    CallEntered,
    CallAnswered,
    CallLeft,
    CallCompleted,
    AgentState,
    AgentMember,
    QueueSnapshot,
    SourceRestarted,
)
LEVELS: Final = RiskLevels()
RESERVE: Final = Reserve()
MONTH_DRAWS: Final = 2000
DAYS_REMEMBERED: Final = 60
LATE_START_SECONDS: Final = 900.0
WORTH_NAMING: Final = 1.08
"""What differs from the usual by less is not named as the cause."""

LEAST_DAYS: Final = 5
"""With fewer closed days behind it a month is not foretold."""

Scope = tuple[str, tuple[str, ...]]
"""A pool, or a queue that shares its agents with no other: its name and its queues."""


class ClosedDay(Struct, frozen=True):
    """One closed day's outcome by the headline: good and counted calls."""

    day: date
    good: float
    of: float


class Learned(Struct, frozen=True):
    """What closed days have taught of one scope."""

    profile: Profile = Profile()
    days: tuple[ClosedDay, ...] = ()


class Question(Struct, frozen=True, kw_only=True):
    """Everything needed to foretell one scope's day and month, as known at one moment.

    `warning`: from this chance of missing on it is worked out how many more agents would help.
    """

    name: str
    queues: tuple[str, ...]
    state: QueueState
    usual: Usual
    own_waits: dict[str, OwnWait]
    target: Target
    warning: float
    reserve: Reserve
    midnight: datetime
    month_so_far: tuple[float, float]
    month_days: tuple[tuple[ClosedDay, ...], ...]


class Foreseen(Struct, frozen=True, kw_only=True):
    """What is to come, of one scope: the next caller's wait, the day, the month; None where it cannot be said.

    `wait` is of the scope as a whole, `own_waits` of each queue where there are several; `pace`: how the line moves.
    `usual_quarter`: calls usual in a quarter of an hour at this time.
    """

    name: str
    queues: tuple[str, ...]
    at: datetime
    wait: ExpectedWait
    own_waits: dict[str, ExpectedWait]
    day: RiskFigures | None
    month: RiskFigures | None
    pace: Pace | None
    usual_quarter: float | None


class Foresight:
    """Told every event once; asked each minute. `learned` by scope name may come from an earlier run."""

    def __init__(
        self,
        target: Target,
        calendars: Calendars,
        learned: dict[str, Learned] | None = None,
        levels: RiskLevels = LEVELS,
        reserve: Reserve = RESERVE,
    ) -> None:
        self._target = target
        self.levels = levels
        self._reserve = reserve
        self._calendars = calendars
        self.learned = dict(learned or {})
        self.scopes: Callable[[], Sequence[Scope]] = tuple
        self._today: date | None = None
        self._told: list[tuple[float, Event]] = []
        self._last_of_agents: dict[tuple[str, ...], AgentMember | AgentState | QueueSnapshot] = {}
        self._states: dict[Scope, DayState] = {}
        self._usual: dict[Scope, Usual] = {}
        self._own: dict[Scope, dict[str, OwnWait]] = {}
        self._ahead: dict[Scope, tuple[tuple[date, int], Outlook]] = {}

    # ---- what is told

    def apply(self, event: Event) -> None:
        """Take one event. With the first of a new day, what the old one taught is learned."""
        if not isinstance(event, TOLD):
            return
        zone = self._calendars.default.zone
        day = event.at.astimezone(zone).date()
        if self._today is None or day > self._today:
            self.close_day()
            self._today = day
        elif day < self._today:
            return
        if isinstance(event, AgentMember | AgentState | QueueSnapshot):
            self._last_of_agents[_matter(event)] = event
        at = (event.at - day_bounds(day, zone)[0]).total_seconds()
        self._told.append((at, event))
        for state in self._states.values():
            state.apply(event, at)

    def close_day(self) -> None:
        """Learn from the day told so far, and begin anew. Who was logged in stays so overnight."""
        if self._today is not None and self._told:
            for scope in self.scopes():
                self._day_of(scope)
        for scope, day in self._states.items():
            closed = day.state(86_400.0)
            if len(closed.entered_by_minute) and closed.entered_by_minute.sum() and self._heard_from(day.opens):
                self._learn(scope, day, closed)
        self._states, self._usual, self._own = {}, {}, {}
        overnight = sorted(self._last_of_agents.values(), key=lambda event: event.at)
        self._told = [(0.0, event) for event in overnight]

    def _heard_from(self, opens: float) -> bool:
        """Whether the day was heard from about its opening on; of half a day nothing usual can be learned."""
        return any(0.0 < at <= opens + LATE_START_SECONDS for at, _ in self._told)

    def _learn(self, scope: Scope, told: DayState, closed: QueueState) -> None:
        name = scope[0]
        before = self.learned.get(name, Learned())
        if before.days and before.days[-1].day >= closed.day:
            return  # learned already, by the run that lived through it
        good, of = so_far(closed.tally, self._target.definition)
        day = ClosedDay(closed.day, good, of)
        lesson = lesson_of(told, closed, self._usual_of(scope, closed), name, self._own_waits(scope))
        profile = before.profile.learn(told, self._special(told.day), lesson)
        self.learned[name] = Learned(profile, (*before.days, day)[-DAYS_REMEMBERED:])

    # ---- what is asked

    def questions(self, now: datetime, scopes: Sequence[Scope]) -> list[Question]:
        """What is known now of each scope that is open today."""
        zone = self._calendars.default.zone
        if self._today != now.astimezone(zone).date():
            return []
        asked = (self._question(now, scope) for scope in scopes)
        return [question for question in asked if question is not None]

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """What a caller who enters this queue now should expect; None on a closed day. Cheap enough for every caller:
        how the rest of the day looks is worked out anew only each minute.
        """
        scope = next((scope for scope in self.scopes() if queue in scope[1]), ("", (queue,)))
        zone = self._calendars.default.zone
        if self._today != now.astimezone(zone).date() or (day := self._day_of(scope)) is None:
            return None
        at = (now - day_bounds(self._today, zone)[0]).total_seconds()
        minute = self._today, int(at // 60)
        known = self._ahead.get(scope)
        if known is None or known[0] != minute:
            state = day.state(at)
            known = self._ahead[scope] = (minute, outlook(state, self._usual_of(scope, state)))
        own = self._own_waits(scope).get(queue, LIKE_ITS_POOL)
        return _plain(expected_wait(day.line(at), known[1], queue, own))

    def _usual_of(self, scope: Scope, state: QueueState) -> Usual:
        if scope not in self._usual:
            profile = self.learned.get(scope[0], Learned()).profile
            self._usual[scope] = usual_day(profile, state, self._special(state.day))
        return self._usual[scope]

    def _own_waits(self, scope: Scope) -> dict[str, OwnWait]:
        if scope not in self._own:
            name, queues = scope
            profile = self.learned.get(name, Learned()).profile
            self._own[scope] = {queue: profile.own_wait(queue) for queue in queues} if len(queues) > 1 else {}
        return self._own[scope]

    def _special(self, day: date) -> str:
        """What sets a day apart for callers, such as the first one after a holiday; "" for a day like others."""
        kind = self._calendars.default.kind(day)
        return "" if kind is DayKind.WEEKDAY else kind.value

    def _question(self, now: datetime, scope: Scope) -> Question | None:
        name, queues = scope
        calendar = self._calendar(queues)
        day = self._day_of(scope)
        if day is None:
            return None
        midnight = day_bounds(calendar.day_of(now), calendar.zone)[0]
        state = day.state((now - midnight).total_seconds())
        learned = self.learned.get(name, Learned())
        first = month_start(state.day)
        earlier = [closed for closed in learned.days if first <= closed.day < state.day]
        return Question(
            name=name,
            queues=queues,
            state=state,
            usual=self._usual_of(scope, state),
            own_waits=self._own_waits(scope),
            target=self._target,
            warning=self.levels.warning,
            reserve=self._reserve,
            midnight=midnight,
            month_so_far=(sum(closed.good for closed in earlier), sum(closed.of for closed in earlier)),
            month_days=tuple(self._days_to_come(learned, calendar, state.day)),
        )

    def _day_of(self, scope: Scope) -> DayState | None:
        """Today of a scope, None when it is closed; told from the morning on when agents have just made a new pool."""
        if scope not in self._states and self._today is not None:
            calendar = self._calendar(scope[1])
            span = calendar.span(self._today)
            if span is None:
                return None
            midnight = day_bounds(self._today, calendar.zone)[0]
            opens, closes = ((edge - midnight).total_seconds() for edge in span)
            day = self._states[scope] = DayState(self._today, opens, closes, self._target, scope[1])
            for at, event in self._told:
                day.apply(event, at)
        return self._states.get(scope)

    def _days_to_come(self, learned: Learned, calendar: Calendar, today: date) -> Iterable[tuple[ClosedDay, ...]]:
        """For each open day left of the month the earlier days it may turn out like: of its weekday, else any."""
        day, end = today + timedelta(days=1), next_month(today)
        while day < end and len(learned.days) >= LEAST_DAYS:
            if calendar.span(day) is not None:
                alike = tuple(closed for closed in learned.days if closed.day.weekday() == day.weekday())
                yield alike or learned.days
            day += timedelta(days=1)

    def _calendar(self, queues: tuple[str, ...]) -> Calendar:
        return self._calendars.of(queues[0]) if len(queues) == 1 else self._calendars.default


def _matter(event: AgentMember | AgentState | QueueSnapshot) -> tuple[str, ...]:
    """What an event about agents is the newest word of."""
    if isinstance(event, QueueSnapshot):
        return "queue", event.switch_name, event.queue
    return (event.agent_id, event.queue) if isinstance(event, AgentMember) else (event.agent_id,)


def answer(question: Question) -> Foreseen:
    """Work one question out. The same question gives the same answer: chance comes from scope and day."""
    state, target = question.state, question.target
    ahead = outlook(state, question.usual)
    rng = generator(question.name, state)
    day: RiskFigures | None = None
    good = of = 0.0
    if state.opens <= state.at < state.closes or len(state.waiting):
        ends = project(state, ahead, target, rng)
        good, of = ends.calls_expected - ends.misses_expected, ends.calls_expected
        day = _day(question, ahead, ends)
    minute = int(max(0.0, state.at - state.opens) // 60)
    usual = question.usual.calls
    return Foreseen(
        name=question.name,
        queues=question.queues,
        at=question.midnight + timedelta(seconds=state.at),
        wait=_plain(expected_wait(state, ahead)),
        own_waits={queue: _plain(expected_wait(state, ahead, queue, own)) for queue, own in question.own_waits.items()},
        day=day,
        month=_month(question, good, of, rng),
        pace=pace(state, ahead),
        usual_quarter=None if usual is None else float(usual[max(0, minute - 15) : minute].sum()) or None,
    )


def _plain(wait: ExpectedWait) -> ExpectedWait:
    """The same in Python's own numbers, which can be written as JSON."""
    expected, low, high = (None if number is None else float(number) for number in (wait.expected, wait.low, wait.high))
    return ExpectedWait(expected, low, high, wait.basis)


def _day(question: Question, ahead: Outlook, ends: Projection) -> RiskFigures:
    """How the day may end; where it is at risk with how many more agents would help, and until when."""

    def moment(at: float | None) -> datetime | None:
        return None if at is None else question.midnight + timedelta(seconds=at)

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
    if ends.p_miss < question.warning:
        return day
    state, reserve = question.state, question.reserve
    away = max(0, int(state.logged_in_by_minute[-1]) - state.agents)
    needed = agents_needed(
        state, ahead, question.target, question.name, reserve.can_be_called_in + away, reserve.ready_after_minutes
    )
    return structs.replace(
        day,
        agents_for_queue=needed.to_clear,
        agents_for_day=needed.to_save,
        agents_at_most=needed.at_most,
        until=moment(needed.save_until),
        reachable=needed.reachable,
    )


def _cause(ends: Projection) -> RiskCause | None:
    """What differs most from the usual for the worse: today's ratios to it."""
    worse = {
        RiskCause.CALLS: ends.rate_ratio,
        RiskCause.STAFF: 1.0 / max(ends.agents_ratio, 0.01),
        RiskCause.HANDLE_TIME: ends.handle_ratio,
    }
    cause = max(worse, key=worse.__getitem__)
    return cause if worse[cause] >= WORTH_NAMING else None


def _month(question: Question, good: float, of: float, rng: np.random.Generator) -> RiskFigures | None:
    """The month: what is done, today as foretold, and earlier days drawn for those to come (AT-RISK, step 9)."""
    if not question.month_days and not question.month_so_far[1]:
        return None
    goods = np.full(MONTH_DRAWS, question.month_so_far[0] + good)
    ofs = np.full(MONTH_DRAWS, question.month_so_far[1] + of)
    for alike in question.month_days:
        drawn = rng.integers(len(alike), size=MONTH_DRAWS)
        goods += np.array([closed.good for closed in alike])[drawn]
        ofs += np.array([closed.of for closed in alike])[drawn]
    shares = np.divide(goods, ofs, out=np.ones(MONTH_DRAWS), where=ofs > 0)
    return RiskFigures(
        p_miss=float((shares < question.target.ratio - 1e-9).mean()),
        expected_share=float(shares.mean()),
        expected_calls=float(ofs.mean()),
    )
