"""The status of a target with its reason, and the figures of one period."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import structs

from queue_monitor.core import service_level
from queue_monitor.model import (
    Alert,
    AlertKind,
    Bar,
    Counts,
    Coverage,
    DefinitionId,
    Level,
    Minimum,
    MonthStanding,
    Period,
    QueueNow,
    RiskFigures,
    RiskLevels,
    Snapshot,
    Status,
    StatusReason,
    Target,
    Verdict,
    WaitFigures,
)

MONTH: Final = "month"
PERIODS: Final = ("day", MONTH, "tertial")
"""The periods that have a target."""

_FORECAST: Final = frozenset({"day", "month"})
"""The periods that are forecast, once a monitor that has just started has caught up."""

TARGET_ALERTS: Final = frozenset({AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH})
LEVELS: Final = RiskLevels()
MINIMUM: Final = Minimum()
_NOTHING: Final = frozenset[str]()

EVEN: Final = 0.5
"""The chance of missing from which no message says any more that the month can bear the day."""

_CLOSE: Final = frozenset({StatusReason.FORECAST_UNDER, StatusReason.ALERT_STANDS})
"""The reasons for which a month at risk may still go either way."""


def period(
    name: str,
    level: Level,
    start: datetime,
    end: datetime,
    counts: Counts,
    outside: Counts,
    waits: WaitFigures,
    coverage: Coverage,
    precision_ms: int,
    target: Target,
    may_still_be_answered: service_level.MayStillBeAnswered,
    unseen: int = 0,
) -> Period:
    """Return all figures of one stretch of time from its counts, by every definition.

    `counts`: also hold the callers who still wait.
    `may_still_be_answered`: callers who have left and may be entering another queue this very moment; they lower the
        floor and raise the ceiling.
    `unseen`: calls that may have come while nothing was heard; they do the same.
    """
    definition = target.definition
    of = service_level.terms(counts)
    parts = service_level.FORMULAS[definition](of)
    low, low_of = service_level.floor_parts(counts, definition, may_still_be_answered, parts)
    high, high_of = service_level.ceiling_parts(counts, definition, may_still_be_answered, parts)
    return Period(
        name=name,
        level=level,
        start=start,
        end=end,
        counts=counts,
        outside_hours=outside,
        service_level=service_level.of_terms(of),
        headline=service_level.ratio(parts),
        floor=service_level.ratio((low, low_of + unseen)),
        ceiling=service_level.ratio((high + unseen, high_of + unseen)),
        misses=service_level.misses(counts, definition, parts),
        refused_ratio=service_level.refused_ratio(counts, of.offered),
        including_refused=service_level.including_refused(counts, definition, parts),
        waits=waits,
        coverage=coverage,
        precision_seconds=precision_ms / 1000,
        target=target,
    )


def bar(start: datetime, counts: Counts, definition: DefinitionId) -> Bar:
    """One stretch of the day's curve."""
    return Bar(
        start=start,
        counts=counts,
        headline=service_level.ratio(service_level.DEFINITIONS[definition](counts)),
        floor=service_level.ratio(service_level.floor_parts(counts, definition)),
    )


def decided(
    snapshot: Snapshot,
    standing: Iterable[Alert] = (),
    levels: RiskLevels = LEVELS,
    minimum: Minimum = MINIMUM,
) -> Snapshot:
    """Return the snapshot with the status of every target in it, as every face shows it.

    `standing` are the alerts that are open once the alert rules have read this snapshot or the one before.
    """
    ladder = _Ladder(snapshot, standing, levels, minimum)
    return structs.replace(
        snapshot,
        total=ladder.judged(snapshot.total),
        queues=tuple(map(ladder.judged, snapshot.queues)),
        pools=tuple(map(ladder.judged, snapshot.pools)),
        walls=tuple(structs.replace(wall, total=ladder.judged(wall.total)) for wall in snapshot.walls),
    )


def month_standing(face: QueueNow, target: Target) -> MonthStanding | None:
    """Return whether the month can bear the day, as the status of the month says it.

    `face` is of a snapshot whose statuses are decided. None where there is no forecast of the month, or no status of it
    but that it is too early to say or that nothing is known.
    """
    verdict, forecast = face.verdicts[MONTH], face.month_risk
    if forecast is None or verdict.status in (Status.TOO_EARLY, Status.NO_DATA):
        return None
    if verdict.status is Status.OUT_OF_REACH:
        return MonthStanding.LOST
    if verdict.status is Status.OK:
        return MonthStanding.TIGHT if forecast.p_miss >= EVEN else MonthStanding.HOLDS
    is_close = verdict.reason in _CLOSE and target.allows_refused(face.periods[MONTH].refused_ratio)
    return MonthStanding.TIGHT if is_close else MonthStanding.AT_RISK


class _Ladder:
    """The rules that decide a status, in order; the first that fits decides (docs/definitions.md)."""

    def __init__(self, snapshot: Snapshot, standing: Iterable[Alert], levels: RiskLevels, minimum: Minimum) -> None:
        self._snapshot = snapshot
        self._target = snapshot.target
        self._parts = service_level.DEFINITIONS[snapshot.target.definition]
        self._levels = levels
        self._minimum = minimum
        on_targets = [alert for alert in standing if alert.kind in TARGET_ALERTS]
        self._at_risk = _queues_at_risk(snapshot, on_targets)
        self._lost = _lost_scopes(snapshot, on_targets)
        pooled = {queue for pool in snapshot.pools for queue in pool.queues}
        alone = ((queue.name,) for queue in snapshot.queues if queue.name not in pooled)
        self._foretold = {frozenset(queues) for queues in (*(pool.queues for pool in snapshot.pools), *alone)}

    def judged(self, face: QueueNow) -> QueueNow:
        """Return a queue, a pool or all of them with the status of its day, month and tertial."""
        verdicts = {name: self._verdict(face, name) for name in PERIODS if name in face.periods}
        return structs.replace(face, verdict=verdicts.pop("day"), verdicts=verdicts)

    def _verdict(self, face: QueueNow, name: str) -> Verdict:
        """Return the status of one period. With a forecast its chance decides, and a share under the target is a fact
        beside it.

        A scope without a forecast of its own, as one queue of several with the same agents, is also at risk while its
        share is under the target.
        """
        period = face.periods[name]
        under = service_level.is_under(self._parts(period.counts), self._target.ratio)
        status, reason = self._rung(face, period, name, under)
        return Verdict(status=status, reason=reason, under_target_now=under)

    def _rung(self, face: QueueNow, period: Period, name: str, under: bool) -> tuple[Status, StatusReason]:
        if face.no_data_reason is not None:
            return Status.NO_DATA, face.no_data_reason
        many_refused = service_level.are_many_refused(period.counts, self._target)
        if self._is_over(face, period, name):
            if under:
                return Status.OUT_OF_REACH, StatusReason.PERIOD_LOST
            if many_refused:
                return Status.AT_RISK, StatusReason.PERIOD_REFUSED
            nothing = period.headline is None
            return (Status.NO_DATA, StatusReason.NO_CALLS) if nothing else (Status.OK, StatusReason.WITHIN_TARGET)
        stands = not self._at_risk.get(name, _NOTHING).isdisjoint(face.queues)
        if not stands and not self._is_enough(face, period, name):
            if many_refused and period.counts.dialled >= self._minimum.least_calls:
                return Status.AT_RISK, StatusReason.MANY_REFUSED
            return Status.TOO_EARLY, StatusReason.TOO_EARLY
        risk = {"day": face.risk, "month": face.month_risk}.get(name)
        warning, alarm = (
            (self._levels.warning, self._levels.alarm) if name == "day" else (self._levels.month, self._levels.month)
        )
        if risk is not None:
            if risk.p_miss >= alarm and not risk.reachable:
                return Status.OUT_OF_REACH, StatusReason.CANNOT_BE_REACHED
            if risk.p_miss >= warning:
                return Status.AT_RISK, StatusReason.LIKELY_MISSED
            if risk.expected_share is not None and risk.expected_share < self._target.ratio:
                return Status.AT_RISK, StatusReason.FORECAST_UNDER
        elif any(lost <= frozenset(face.queues) for lost in self._lost.get(name, ())):
            return Status.OUT_OF_REACH, StatusReason.CANNOT_BE_REACHED
        if stands:
            return Status.AT_RISK, StatusReason.ALERT_STANDS
        if under and not self._is_foretold(face, risk):
            return Status.AT_RISK, StatusReason.UNDER_TARGET_SO_FAR
        if many_refused:
            return Status.AT_RISK, StatusReason.MANY_REFUSED
        if risk is None and name in _FORECAST and self._snapshot.journal.catching_up:
            return Status.TOO_EARLY, StatusReason.TOO_EARLY
        is_so_far = not under and period.headline is not None
        return Status.OK, StatusReason.WITHIN_TARGET if is_so_far else StatusReason.EXPECTED_WITHIN

    def _is_over(self, face: QueueNow, period: Period, name: str) -> bool:
        """Return whether no more calls come in this period and no caller of it waits."""
        if period.counts.waiting or (face.day_hours is not None and face.day_hours[1] > self._snapshot.at):
            return False
        opens = self._snapshot.hours.opens_at
        return name == "day" or (opens is not None and opens >= period.end)

    def _is_enough(self, face: QueueNow, period: Period, name: str) -> bool:
        """Return whether enough has passed, and was seen, to judge the target; where no share is measured a forecast
        must do it.

        A monitor that is started on a busy day knows nothing of the hours before.
        """
        coverage = period.coverage
        seen = coverage.seen_minutes + coverage.recovered_minutes
        if coverage.blind_minutes and seen < self._minimum.not_before_minutes:
            return False
        risk = {"day": face.risk, "month": face.month_risk}.get(name)
        if period.headline is None and (risk is None or risk.expected_share is None):
            return False
        return self._minimum.is_met(face, name, self._snapshot.at)

    def _is_foretold(self, face: QueueNow, risk: RiskFigures | None) -> bool:
        """Return whether there is a forecast of exactly these queues."""
        return risk is not None and risk.expected_share is not None and frozenset(face.queues) in self._foretold


def _queues_at_risk(snapshot: Snapshot, standing: Iterable[Alert]) -> dict[str, frozenset[str]]:
    """Return the queues whose target is at risk by an open alert, by period. An alert is of a queue or a pool, or of
    all.
    """
    found: dict[str, frozenset[str]] = {}
    for alert in standing:
        found[alert.period] = found.get(alert.period, _NOTHING).union(_queues_of(alert, snapshot))
    return found


def _lost_scopes(snapshot: Snapshot, standing: Iterable[Alert]) -> dict[str, list[frozenset[str]]]:
    """Return the queues of each alert that a target is out of reach, by period.

    They hold until there is a forecast again, as after a restart.
    """
    found: dict[str, list[frozenset[str]]] = {}
    for alert in standing:
        if alert.kind is AlertKind.TARGET_OUT_OF_REACH:
            found.setdefault(alert.period, []).append(frozenset(_queues_of(alert, snapshot)))
    return found


def _queues_of(alert: Alert, snapshot: Snapshot) -> tuple[str, ...]:
    return alert.queues if alert.queue else snapshot.total.queues
