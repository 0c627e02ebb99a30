"""The alert rules: they measure one snapshot, with the forecast where there is one, for what deserves attention.

Pure: the same snapshot gives the same measurements. The status is decided afterwards, from the alerts that stand among
other things. A measurement is not yet an alert: `lifecycle` decides how long it must stand, and `notification_policy`
how often people are notified.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct, structs

from queue_monitor.model import (
    AlertFigures,
    AlertKind,
    AlertReason,
    Crisis,
    Minimum,
    QueueNow,
    RiskFigures,
    RiskLevels,
    Snapshot,
    StaffBasis,
    StatusReason,
)

NOW, DAY, MONTH = "now", "day", "month"


class AlertSettings(Struct, frozen=True, kw_only=True):
    """The levels from which the rules find something wrong.

    Chances are of missing the target, waits are seconds, the rest as named. The defaults for the target are measured
    (docs/at-risk.md, step 6). `minimum` keeps the first calls of a day from deciding it.
    """

    levels: RiskLevels = RiskLevels()
    minimum: Minimum = Minimum()
    alarm_without_staff: bool = True
    long_wait_seconds: int = 300
    long_wait_alarm_seconds: int = 600
    refused_least_calls: int = 20
    refused_alarm_ratio: float = 0.1
    surge_factor: float = 3.0
    surge_least_calls: int = 15
    hours_least_calls: int = 3


DEFAULTS = AlertSettings()


class Measurement(Struct, frozen=True, kw_only=True):
    """One measure of one topic: `value` is compared with the levels of its kind.

    `may_raise`: false where too little is known for a new alert.
    `day_over`: true when nothing more happens today, so that open episodes end.
    `period_start`: separates the topic of one day from that of the next.
    `at_most_warning`: true for a measure that only the screens show.
    """

    kind: AlertKind
    queue: str
    label: str
    period: str
    period_start: datetime
    value: float
    reason: AlertReason
    figures: AlertFigures
    may_raise: bool = True
    at_most_warning: bool = False
    day_over: bool = False
    queues: tuple[str, ...] = ()


_WITHOUT_DATA: Final = frozenset(
    {AlertKind.SOURCE_SILENT, AlertKind.HOURS_DISAGREE, AlertKind.EVENT_SKIPPED, AlertKind.CRISIS}
)
"""The kinds that are measured without a word from the switch."""

_TROUBLE = {
    StatusReason.SOURCE_DOWN: AlertReason.SOURCE_DOWN,
    StatusReason.SOURCE_SILENT: AlertReason.SOURCE_SILENT,
    StatusReason.NO_SOURCE: AlertReason.NO_SOURCE,
}


def read(snapshot: Snapshot, settings: AlertSettings = DEFAULTS, crisis: Crisis | None = None) -> list[Measurement]:
    """Return every measurement of this snapshot.

    A queue without data gives no measure of its own, so its open episodes stay as they were; nor does one that is
    closed and where the last callers still wait.
    """
    blind = {queue.name for queue in scopes(snapshot) if is_blind(queue) or _is_closing(queue, snapshot.at)}
    measured = as_known(snapshot, settings, crisis)
    return [its for its in measured if its.kind in _WITHOUT_DATA or its.queue not in blind]


def as_known(
    snapshot: Snapshot, settings: AlertSettings, crisis: Crisis | None, names: Collection[str] | None = None
) -> list[Measurement]:
    """Return every measurement, those of queues without data as they stood at the last sign of their switch.

    `names`: the only queues and pools to measure; None for all.
    """
    found = [*_source(snapshot), *_hours(snapshot), *_skipped(snapshot)]
    if crisis is not None:
        found.append(of_crisis(snapshot, settings, crisis))
    for queue in scopes(snapshot):
        if names is not None and queue.name not in names:
            continue
        over = _is_over(queue, snapshot.at)
        if queue.open or over or _is_closing(queue, snapshot.at):
            found += _queue(snapshot, queue, settings, over)
    return found


def is_blind(queue: QueueNow) -> bool:
    """Return whether nothing is heard of a queue or a pool."""
    return queue.no_data_reason in _TROUBLE


def scopes(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the pools, and the queues that are in no pool, so that people are notified of each thing once.

    A queue that is watched no more is none of them: its alerts end.
    """
    passed_over = {queue for pool in snapshot.pools for queue in pool.queues}
    passed_over |= {queue.name for queue in snapshot.queues if queue.no_data_reason is StatusReason.NOT_WATCHED}
    return (*snapshot.pools, *(queue for queue in snapshot.queues if queue.name not in passed_over))


def _is_over(queue: QueueNow, at: datetime) -> bool:
    return (queue.day_hours is None or queue.day_hours[1] <= at) and not queue.waiting_count


def _is_closing(queue: QueueNow, at: datetime) -> bool:
    """Return whether the queue has closed for today and callers still wait in it."""
    closed = queue.day_hours is None or queue.day_hours[1] <= at
    return closed and not queue.open and bool(queue.waiting_count)


def of_crisis(snapshot: Snapshot, settings: AlertSettings, crisis: Crisis) -> Measurement:
    """Return the measurement of a declared crisis: it is for all queues and stands until a person ends it, also at
    night.
    """
    return Measurement(
        kind=AlertKind.CRISIS,
        queue="",
        label=snapshot.organisation,
        period=NOW,
        period_start=crisis.since,
        value=1.0,
        reason=AlertReason.DECLARED,
        figures=structs.replace(
            _figures(snapshot, snapshot.total, NOW, settings), crisis=crisis, since=_unseen_since(snapshot)
        ),
    )


def _source(snapshot: Snapshot) -> Iterator[Measurement]:
    total = snapshot.total
    no_data_reason = _TROUBLE.get(total.no_data_reason) if total.no_data_reason else None
    over = total.day_hours is None or total.day_hours[1] <= snapshot.at
    if not total.open and not over:
        return
    since, switch = _last_sign(snapshot)
    yield Measurement(
        kind=AlertKind.SOURCE_SILENT,
        queue="",
        label=snapshot.organisation,
        period=NOW,
        period_start=total.periods[DAY].start,
        value=1.0 if no_data_reason else 0.0,
        reason=no_data_reason or AlertReason.AS_USUAL,
        figures=AlertFigures(target=snapshot.target, since=since, switch=switch),
        day_over=over,
    )


def _last_sign(snapshot: Snapshot) -> tuple[datetime | None, str]:
    """Return the last sign of the switch that has been silent longest, and its name; (None, "") before any sign.

    A switch with a connected source is one of them only where every switch has one: it may be quiet for good reasons.
    """
    signs: dict[str, datetime] = {}
    heard = {source.switch for source in snapshot.sources if source.up}
    for source in snapshot.sources:
        sign = source.last_event_at if source.up else source.since
        if sign is not None:
            signs[source.switch] = max(sign, signs.get(source.switch, sign))
    away = [switch for switch in signs if switch not in heard]
    switch = min(away or signs, key=signs.__getitem__, default="")
    return signs.get(switch), switch


def _unseen_since(snapshot: Snapshot) -> datetime | None:
    """Return since when there is no data; None while all sources work."""
    return _last_sign(snapshot)[0] if snapshot.total.no_data_reason in _TROUBLE else None


def _skipped(snapshot: Snapshot) -> Iterator[Measurement]:
    """Yield an alert for the technician when an event that our own code could not process was skipped today."""
    start, at = snapshot.total.periods[DAY].start, snapshot.journal.skipped_at
    if at is not None and at >= start:
        yield Measurement(
            kind=AlertKind.EVENT_SKIPPED,
            queue="",
            label=snapshot.organisation,
            period=DAY,
            period_start=start,
            value=1.0,
            reason=AlertReason.CODE_RAISED,
            figures=AlertFigures(target=snapshot.target, arrived=snapshot.journal.skipped, since=at),
        )


def _hours(snapshot: Snapshot) -> Iterator[Measurement]:
    """Yield where switch and calendar disagree today; in a pool, the queue with the most calls, under its own label."""
    labels = {queue.name: queue.label for queue in snapshot.queues}
    for scope in scopes(snapshot):
        here = [each for each in snapshot.hours_disagreements if each.queue in scope.queues]
        if not here:
            continue
        worst = max(here, key=lambda each: each.calls)
        yield Measurement(
            kind=AlertKind.HOURS_DISAGREE,
            queue=scope.name,
            queues=scope.queues,
            label=labels[worst.queue],
            period=DAY,
            period_start=scope.periods[DAY].start,
            value=worst.calls,
            reason=AlertReason(worst.doubt.value),
            figures=AlertFigures(target=snapshot.target, arrived=worst.calls, since=worst.first),
        )


def _queue(
    snapshot: Snapshot,
    queue: QueueNow,
    settings: AlertSettings,
    over: bool,
) -> Iterator[Measurement]:
    def measurement(kind: AlertKind, period: str, value: float, reason: AlertReason, **more: object) -> Measurement:
        base = {
            "kind": kind,
            "queue": queue.name,
            "queues": queue.queues if queue.name else (),
            "label": queue.label or snapshot.organisation,
            "period": period,
            "period_start": queue.periods[MONTH if period == MONTH else DAY].start,
            "value": value,
            "reason": reason,
            "day_over": over and period != MONTH,
            "figures": _figures(snapshot, queue, period, settings),
        }
        return Measurement(**{**base, **more})  # type: ignore[arg-type]

    for period, risk in ((DAY, queue.risk), (MONTH, queue.month_risk)):
        if risk is not None:
            yield _target(snapshot, queue, settings, period, risk, over)
        elif over and (period == DAY or _month_is_over(snapshot, queue)):
            ended = AlertReason.DAY_ENDED
            yield measurement(AlertKind.TARGET_AT_RISK, period, 0.0, ended, may_raise=False, day_over=True)
        elif period == DAY and _is_closing(queue, snapshot.at):
            yield measurement(AlertKind.TARGET_AT_RISK, period, 1.0, AlertReason.CHANCE_OF_MISSING, may_raise=False)
    oldest = (queue.longest_sure_wait_ms or 0) / 1000
    helped = _figures(snapshot, queue, NOW, settings, risk=queue.risk)
    yield measurement(AlertKind.LONG_WAIT, NOW, oldest, AlertReason.WAITED_TOO_LONG, figures=helped)
    yield measurement(AlertKind.NO_AGENTS, NOW, float(_is_unstaffed(queue)), AlertReason.NOBODY_STAFFED)
    lately = queue.periods["30min"].counts
    refused = lately.refused / lately.dialled if lately.dialled else 0.0
    few = lately.dialled < settings.refused_least_calls  # these raise nothing, but nothing is over because of them
    turned_away = AlertReason.TURNED_AWAY
    yield measurement(AlertKind.MANY_REFUSED, NOW, refused, turned_away, may_raise=not few, at_most_warning=few)
    figures = figures_now(snapshot, queue, AlertKind.SURGE, NOW, settings)
    of_least = settings.surge_factor * (figures.arrived or 0) / settings.surge_least_calls
    few = of_least < settings.surge_factor / 2  # so few are no surge, whatever is usual
    if figures.factor is not None or few or over:
        factor = of_least if figures.factor is None else min(of_least, figures.factor)
        yield measurement(AlertKind.SURGE, NOW, factor, AlertReason.MANY_AT_ONCE, figures=figures)


def figures_now(
    snapshot: Snapshot, queue: QueueNow, kind: AlertKind, period: str, settings: AlertSettings
) -> AlertFigures:
    """Return the figures of a surge or a target at this moment; those of a forecast are None where there is none."""
    if kind is not AlertKind.SURGE:
        return _figures(snapshot, queue, period, settings, queue.month_risk if period == MONTH else queue.risk)
    arrived, usual = queue.periods["15min"].counts.dialled, queue.usual_quarter
    return _figures(snapshot, queue, period, settings, arrived=arrived, factor=arrived / usual if usual else None)


def _is_unstaffed(queue: QueueNow) -> bool:
    """Return whether callers wait and nobody is logged in.

    Where only a log shows who is logged in, this is false while somebody still answers; it is false for a queue of
    which nothing is known.
    """
    staff = queue.staff
    if not queue.waiting_count or staff.staffed or staff.basis is StaffBasis.UNKNOWN:
        return False
    return staff.known or not staff.answering


def _month_is_over(snapshot: Snapshot, queue: QueueNow) -> bool:
    """Return whether the queue does not open again in this month."""
    opens = snapshot.hours.opens_at
    return opens is not None and opens >= queue.periods[MONTH].end


def _target(
    snapshot: Snapshot, queue: QueueNow, settings: AlertSettings, period: str, risk: RiskFigures, over: bool
) -> Measurement:
    alarm = settings.levels.month if period == MONTH else settings.levels.alarm
    lost = risk.p_miss >= alarm and not risk.reachable
    return Measurement(
        kind=AlertKind.TARGET_OUT_OF_REACH if lost else AlertKind.TARGET_AT_RISK,
        queue=queue.name,
        queues=queue.queues if queue.name else (),
        label=queue.label or snapshot.organisation,
        period=period,
        period_start=queue.periods[period].start,
        value=risk.p_miss,
        reason=AlertReason.CANNOT_BE_REACHED if lost else AlertReason.CHANCE_OF_MISSING,
        figures=_figures(snapshot, queue, period, settings, risk=risk),
        may_raise=not over and settings.minimum.is_met(queue, period, snapshot.at),
        at_most_warning=not risk.staff_known and not settings.alarm_without_staff,
        day_over=over and period == DAY,
    )


def _figures(
    snapshot: Snapshot,
    queue: QueueNow,
    period: str,
    settings: AlertSettings,
    risk: RiskFigures | None = None,
    arrived: int | None = None,
    factor: float | None = None,
) -> AlertFigures:
    so_far = queue.periods[MONTH if period == MONTH else DAY]
    lately = queue.periods["30min"].counts
    margin = queue.margins.get(period) if risk else None
    return AlertFigures(
        share=so_far.headline,
        target=snapshot.target,
        waiting=queue.waiting_count,
        oldest_wait_seconds=None if queue.oldest_wait_ms is None else queue.oldest_wait_ms / 1000,
        staffed=None if queue.staff.basis is StaffBasis.UNKNOWN else queue.staff.staffed,
        at_least_staffed=queue.staff.seen,
        risk=risk,
        margin=margin,
        budget=None if margin is None else margin + so_far.misses,
        month_share=queue.periods[MONTH].headline,
        month_is_own=queue.periods[MONTH].headline != snapshot.total.periods[MONTH].headline,
        refused=lately.refused,
        dialled=lately.dialled,
        arrived=arrived,
        factor=factor,
        limit_seconds=settings.long_wait_seconds,
        too_many_refused=None if snapshot.target.allows_refused(so_far.refused_ratio) else so_far.refused_ratio,
    )
