"""What the figures mean: the status of a target, its reason, and the figures of one period."""

from datetime import datetime

from queue_monitor.core import service_level
from queue_monitor.model import (
    Bar,
    Counts,
    Coverage,
    DefinitionId,
    Level,
    Period,
    RiskFigures,
    RiskLevels,
    Status,
    StatusReason,
    Target,
    Verdict,
    WaitFigures,
)


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
    returning: service_level.Returning,
) -> Period:
    """All figures of one stretch of time from its counts, by every definition.

    `counts` hold those still waiting too. `returning`: calls that have left and may be entering another queue
    this very moment; they widen floor and ceiling.
    """
    definition = target.definition
    of = service_level.terms(counts)
    parts = service_level.FORMULAS[definition](of)
    return Period(
        name=name,
        level=level,
        start=start,
        end=end,
        counts=counts,
        outside_hours=outside,
        service_level=service_level.of_terms(of),
        headline=service_level.ratio(parts),
        floor=service_level.ratio(service_level.floor_parts(counts, definition, returning, parts)),
        ceiling=service_level.ratio(service_level.ceiling_parts(counts, definition, returning, parts)),
        misses=service_level.misses(counts, definition, parts),
        refused_ratio=service_level.ratio((counts.refused, counts.dialled)),
        including_refused=service_level.including_refused(counts, definition, parts),
        waits=waits,
        coverage=coverage,
        precision_seconds=precision_ms / 1000,
    )


def bar(start: datetime, counts: Counts, definition: DefinitionId) -> Bar:
    """One stretch of the day's curve."""
    return Bar(
        start=start,
        counts=counts,
        headline=service_level.ratio(service_level.DEFINITIONS[definition](counts)),
        floor=service_level.ratio(service_level.floor_parts(counts, definition)),
    )


def verdict(
    day: Period,
    target: Target,
    trouble: StatusReason | None,
    closed: bool,
    risk: RiskFigures | None,
    levels: RiskLevels,
) -> Verdict:
    """The status of the day's target, with its reason.

    `trouble` is why nothing can be vouched for now, if so: silence is not health. With a forecast (`risk`) its chance
    decides; a share under the target is then a fact beside it. Without one a day under its target counts as at risk,
    and as lost only once it is over. A day is never within target while more than the set share was refused
    (MISSION.md section 2).
    """
    definition = service_level.DEFINITIONS[target.definition]
    under = service_level.is_under(definition(day.counts), target.ratio)
    if trouble is not None:
        return Verdict(status=Status.NO_DATA, reason=trouble, under_target_now=under)
    if day.headline is None and not day.counts.refused:
        return Verdict(status=Status.NO_DATA, reason=StatusReason.NO_CALLS)
    settled = closed and not day.counts.waiting
    if risk is not None and not settled:
        if risk.p_miss >= levels.alarm and not risk.reachable:
            return Verdict(status=Status.OUT_OF_REACH, reason=StatusReason.CANNOT_BE_REACHED, under_target_now=under)
        if risk.p_miss >= levels.warning:
            return Verdict(status=Status.AT_RISK, reason=StatusReason.LIKELY_MISSED, under_target_now=under)
    elif under:
        reason = StatusReason.PERIOD_LOST if settled else StatusReason.UNDER_TARGET_SO_FAR
        return Verdict(status=Status.OUT_OF_REACH if settled else Status.AT_RISK, reason=reason, under_target_now=True)
    if (day.refused_ratio or 0.0) > target.refused_limit_ratio:
        return Verdict(status=Status.AT_RISK, reason=StatusReason.MANY_REFUSED, under_target_now=under)
    reason = StatusReason.EXPECTED_WITHIN if under else StatusReason.WITHIN_TARGET
    return Verdict(status=Status.OK, reason=reason, under_target_now=under)
