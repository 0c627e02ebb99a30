"""Runs the past through the live engine day by day, and collects each pool's result and its alerts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct

from queue_monitor.backtest.baseline_rules import PastCall, PastDay
from queue_monitor.backtest.scoring import NEVER, AlertInterval, Chance, budget_gone
from queue_monitor.backtest.sources import Past
from queue_monitor.backtest.waits import Caller
from queue_monitor.config import Config
from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.core.service_level import DEFINITIONS
from queue_monitor.forecast.forecaster import LearnedByPool, forecaster_of
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    Counts,
    DefinitionId,
    Outcome,
    Snapshot,
    Target,
    Visit,
)
from queue_monitor.queues import keys_of, queue_key
from queue_monitor.replay.engine import Prediction, ReplayEngine
from queue_monitor.replay.recording import RecordingError

DAY_KINDS = (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH)


class AlertEvent(Struct, frozen=True, kw_only=True):
    """One change of the alert about a pool's day, with its text; `at` in seconds after local midnight."""

    at: float
    change: AlertChange
    level: AlertLevel
    lost: bool
    text: str


class BacktestDay(Struct, frozen=True, kw_only=True):
    """One pool's day. `judged` is false for a day that only taught, on which no alerts were computed."""

    day: date
    pool: str
    queues: tuple[str, ...]
    judged: bool
    past: PastDay
    good: int
    of: int
    gone: float | None
    said: tuple[AlertEvent, ...] = ()
    chances: tuple[Chance, ...] = ()
    callers: tuple[Caller, ...] = ()

    @property
    def share(self) -> float:
        return self.good / self.of

    def standings(self, level: AlertLevel) -> tuple[AlertInterval, ...]:
        """Return when the alert about the day stood, at this level or a higher one."""
        found: list[AlertInterval] = []
        raised: float | None = None
        for one in self.said:
            over = one.change in (AlertChange.EASED, AlertChange.CLEARED)
            if over and raised is not None:
                found.append(AlertInterval(raised, one.at))
                raised = None
            elif not over and raised is None and (one.level is AlertLevel.ALARM or level is AlertLevel.WARNING):
                raised = one.at
        return (*found, AlertInterval(raised, NEVER)) if raised is not None else tuple(found)


class BacktestRun(Struct, kw_only=True):
    """The result of a run through the past."""

    days: list[BacktestDay] = []
    alerts: list[Alert] = []
    predictions: list[Prediction] = []
    learned: LearnedByPool = {}
    outside_hours: int = 0
    rejected: dict[str, int] = {}


def answered_wait(visit: Visit) -> float | None:
    """Return the wait of an answered caller; for the others it is unknown how long it would have been."""
    return visit.wait_ms / 1000 if visit.outcome is Outcome.ANSWERED and visit.wait_ms is not None else None


async def run_through(
    config: Config,
    live: Live,
    past: Past,
    *,
    taught: Callable[[date], bool],
    asks_waits: bool = True,
    true_wait: Callable[[Visit], float | None] = answered_wait,
    advance: Callable[[int], None] = lambda count: None,
) -> BacktestRun:
    """Take every delivery in order.

    `taught`: returns whether a day only teaches; on the others all that operation computes is computed.
    `true_wait`: returns the wait to compare an expected wait with (s), None if unknown. Raises `RecordingError` when
        there is nothing, and `StoreError`.
    """
    course: ReplayEngine | None = None
    collector: _Collector | None = None
    async for delivery in past.deliveries():
        if course is None or collector is None:
            course = ReplayEngine(config, live, delivery.received_at)
            collector = _Collector(course, taught, asks_waits, true_wait)
            collector.begin(delivery.received_at)
        await course.take(delivery)
        advance(len(delivery.items))
    if course is None or collector is None:
        raise RecordingError(f"{past.name}: holds nothing")
    await course.finish()
    collector.end_day()
    if (forecaster := forecaster_of(live)) is not None:
        live.start_day(course.played.ended + timedelta(days=1))
        collector.run.learned = forecaster.learned
    collector.run.rejected = dict(live.rejected)
    return collector.run


class _Collector:
    """Collects the data of the score at each alert round and at each day's end."""

    def __init__(
        self,
        course: ReplayEngine,
        taught: Callable[[date], bool],
        asks_waits: bool,
        true_wait: Callable[[Visit], float | None],
    ) -> None:
        self.run = BacktestRun()
        self._course = course
        self._live = course.live
        self._taught = taught
        self._asks_waits = asks_waits
        self._true_wait = true_wait
        self._chances: dict[str, list[Chance]] = {}
        course.report_to(self.evaluate, self.turn)

    def begin(self, at: datetime) -> None:
        calendar = self._live.rules.calendar
        self._day = calendar.day_of(at)
        self._midnight = day_bounds(self._day, calendar.zone)[0]
        judged = not self._taught(self._day)
        self._course.do(watches=judged, predicts=judged and self._asks_waits)

    def evaluate(self, seen: Snapshot) -> None:
        for forecast in self._live.forecasts:
            if forecast.day is not None:
                chance = Chance((seen.at - self._midnight).total_seconds(), forecast.day.p_miss)
                self._chances.setdefault(forecast.name, []).append(chance)

    def turn(self, at: datetime) -> None:
        self.end_day()
        self.begin(at)

    def end_day(self) -> None:
        played = self._course.played
        judged = self._course.watches
        histories = [s for s in self._live.ledger.histories() if s.contact.entered_at and self._is_today(s)]
        for name, queues in self._live.scopes():
            span = self._live.calendars.of(queues[0]).span(self._day)
            if span is not None:
                day = self._lived_day(name, queues, span, histories, judged)
                if day.of:
                    self.run.days.append(day)
        self.run.alerts += played.alerts
        self.run.predictions += played.predictions
        self._chances = {}
        for done in (played.alerts, played.predictions, played.forgotten):
            done.clear()

    def _is_today(self, history: ContactHistory) -> bool:
        entered = history.contact.entered_at
        return entered is not None and self._live.rules.calendar.day_of(entered) == self._day

    def _lived_day(
        self,
        name: str,
        queues: tuple[str, ...],
        span: tuple[datetime, datetime],
        histories: Sequence[ContactHistory],
        judged: bool,
    ) -> BacktestDay:
        target = self._live.rules.target
        keys = keys_of(queues)
        ours = [history for history in histories if queue_key(history.contact.first_queue) in keys]
        calls = tuple(call for history in ours for call in self._past_call(history, target))
        missed = [call.settled for call in calls if call.missed]
        of = sum(call.counted for call in calls)
        return BacktestDay(
            day=self._day,
            pool=name,
            queues=queues,
            judged=judged,
            past=PastDay(opens=self._second(span[0]), closes=self._second(span[1]), calls=calls),
            good=of - len(missed),
            of=of,
            gone=budget_gone(missed, of, target.ratio),
            said=tuple(self._said(name)) if judged else (),
            chances=tuple(self._chances.get(name, ())),
            callers=tuple(self._callers(keys, histories)),
        )

    def _second(self, at: datetime) -> float:
        return (at - self._midnight).total_seconds()

    def _past_call(self, history: ContactHistory, target: Target) -> Iterator[PastCall]:
        """Return a contact as it counts for the target; None outside opening hours or without a known wait."""
        contact, windows = history.contact, self._live.windows
        judged = windows.place_contact(contact, contact.settled_at or self._midnight + timedelta(days=1))
        if judged is None or not judged.place.inside or judged.wait_ms is None:
            self.run.outside_hours += judged is not None and not judged.place.inside
            return
        field = windows.field_of(contact, judged)
        counted, missed = _verdict(field, target.definition)
        began = contact.entered_at or contact.settled_at
        opens = self._live.calendars.of(contact.first_queue).span(self._day)
        if began is None or opens is None:
            return
        entered, wait = self._second(max(began, opens[0])), judged.wait_ms / 1000
        yield PastCall(
            queue=contact.first_queue,
            entered=entered,
            ended=entered + wait,
            answered=contact.outcome is Outcome.ANSWERED,
            counted=counted,
            missed=missed,
            settled=entered + min(wait, float(target.limit_seconds)) if missed else entered + wait,
        )

    def _said(self, pool: str) -> Iterator[AlertEvent]:
        for alert in self._course.played.alerts:
            if alert.queue == pool and alert.period == "day" and alert.kind in DAY_KINDS:
                yield AlertEvent(
                    at=self._second(alert.at),
                    change=alert.change,
                    level=alert.level,
                    lost=alert.kind is AlertKind.TARGET_OUT_OF_REACH,
                    text=f"{alert.title} {alert.text}".strip(),
                )

    def _callers(self, keys: frozenset[str], histories: Iterable[ContactHistory]) -> Iterator[Caller]:
        told = {made.visit_id: made.wait for made in self._course.played.predictions}
        for history in histories:
            for visit in history.visits:
                if queue_key(visit.queue) not in keys or visit.entered_at is None or visit.ended_wait_at is None:
                    continue
                if not self._live.calendars.of(visit.queue).is_open(visit.entered_at):
                    continue
                wait = told.get(visit.visit_id)
                yield Caller(
                    queue=visit.queue,
                    entered=self._second(visit.entered_at),
                    ended=self._second(visit.ended_wait_at),
                    answered=visit.outcome is Outcome.ANSWERED,
                    true=self._true_wait(visit),
                    expected=wait.expected if wait else None,
                    low=wait.low if wait else None,
                    high=wait.high if wait else None,
                )


_VERDICTS: dict[tuple[str, DefinitionId], tuple[bool, bool]] = {}


def _verdict(field: str, definition: DefinitionId) -> tuple[bool, bool]:
    """Return whether a call counted under this field is in the definition's denominator, and whether it is a miss."""
    key = field, definition
    if key not in _VERDICTS:
        good, of = DEFINITIONS[definition](Counts(**{field: 1}))
        _VERDICTS[key] = bool(of), bool(of and not good)
    return _VERDICTS[key]
