"""Turns a snapshot into the JSON of the status API. Pure: the same snapshot gives the same bytes."""

from collections.abc import Generator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from queue_monitor.api.json import shapes
from queue_monitor.core import service_level
from queue_monitor.model import (
    FIELDS,
    Alert,
    AlertsNow,
    Counts,
    Coverage,
    Difference,
    JournalNow,
    Level,
    LostCall,
    Outcome,
    Period,
    QueueNow,
    RepeatCallers,
    RiskFigures,
    Snapshot,
    SourceNow,
    Staff,
    StaffBasis,
    Target,
    Verdict,
    WaitingNow,
)

S = TypeVar("S")
_encoder = msgspec.json.Encoder()

PIECE: Final = 10
"""The number of queues, each some tenth of a millisecond, after which other work has its turn."""


def status_body(snapshot: Snapshot) -> bytes:
    """Return the body of /api/v1/status: everything as it stands, without anything that identifies a caller."""
    return _encoder.encode(status_shape(snapshot))


def status_in_pieces(snapshot: Snapshot) -> Generator[None, None, bytes]:
    """Yield the same bytes with a pause after some queues: a big centre's take some tens of milliseconds."""
    written: list[msgspec.Raw] = []
    for number, queue in enumerate((*snapshot.queues, *snapshot.pools), start=1):
        written.append(msgspec.Raw(_encoder.encode(_queue(queue, snapshot.target, snapshot.at))))
        if number % PIECE == 0:
            yield
    bare = status_shape(structs.replace(snapshot, queues=(), pools=()))
    how_many = len(snapshot.queues)
    body: Any = structs.asdict(bare) | {"queues": written[:how_many], "pools": written[how_many:]}
    return _encoder.encode(body)


def queue_body(snapshot: Snapshot, queue: QueueNow) -> bytes:
    """Return the body of /api/v1/queues/{queue}."""
    return _encoder.encode(
        shapes.QueueBody(
            generated_at=snapshot.at.astimezone(UTC),
            target=target_shape(snapshot.target),
            hours=_hours(snapshot),
            queue=_queue(queue, snapshot.target, snapshot.at),
        )
    )


def intervals_shape(
    snapshot: Snapshot,
    periods: Sequence[Period],
    *,
    start: datetime,
    end: datetime,
    step: str,
    level: Level,
    queue: str | None,
) -> shapes.IntervalsBody:
    """Return the body of /api/v1/intervals."""
    return shapes.IntervalsBody(
        generated_at=snapshot.at.astimezone(UTC),
        from_=start.astimezone(UTC),
        to=end.astimezone(UTC),
        step=step,
        level=level.value,
        queue=queue,
        kept_from=kept_from(snapshot, start),
        target=target_shape(snapshot.target),
        intervals=tuple(period_shape(period, snapshot.target) for period in periods),
    )


def lost_calls_shape(
    snapshot: Snapshot, calls: Sequence[LostCall], *, start: datetime, end: datetime, queue: str | None
) -> shapes.LostCallsBody:
    """Return the body of /api/v1/lost-calls."""
    return shapes.LostCallsBody(
        generated_at=snapshot.at.astimezone(UTC),
        from_=start.astimezone(UTC),
        to=end.astimezone(UTC),
        queue=queue,
        kept_from=kept_from(snapshot, start),
        target=target_shape(snapshot.target),
        calls=tuple(map(_lost_call, calls)),
    )


def kept_from(snapshot: Snapshot, start: datetime) -> datetime | None:
    """Return the start of the kept calls, where a span from `start` reaches further back; else None."""
    kept = snapshot.kept_from
    return kept.astimezone(UTC) if kept is not None and start < kept else None


def _lost_call(call: LostCall) -> shapes.LostCallShape:
    return shapes.LostCallShape(
        queue=call.queue,
        last_queue=call.last_queue,
        entered_at=_utc(call.entered_at),
        lost_at=_utc(call.lost_at),
        wait_seconds=call.wait_seconds,
        outcome=call.outcome.value,
        counted_as=call.counted_as,
        is_short=call.is_short,
        is_late=call.is_late,
        early=call.early,
        in_opening_hours=call.in_opening_hours,
        reached_later=call.reached_later,
    )


def status_shape(snapshot: Snapshot) -> shapes.StatusBody:
    return shapes.StatusBody(
        generated_at=snapshot.at.astimezone(UTC),
        version=snapshot.version,
        organisation=snapshot.organisation,
        clock_rate=snapshot.rate,
        target=target_shape(snapshot.target),
        hours=_hours(snapshot),
        total=_queue(snapshot.total, snapshot.target, snapshot.at),
        queues=_queues(snapshot.queues, snapshot.target, snapshot.at),
        pools=_queues(snapshot.pools, snapshot.target, snapshot.at),
        agents=staff_shape(snapshot.total.staff),
        sources=tuple(map(source_shape, snapshot.sources)),
        journal=journal_shape(snapshot.journal),
        events=snapshot.events,
        rejected=snapshot.rejected,
        reconciliation=tuple(map(difference_shape, snapshot.reconciliation)),
        alerts=tuple(alert_shape(alert, snapshot.alerts) for alert in snapshot.alerts.open),
    )


def journal_shape(journal: JournalNow) -> shapes.JournalShape:
    return shapes.JournalShape(
        up=journal.up,
        pending=journal.pending,
        lag_seconds=journal.lag_seconds,
        error=journal.error,
        catching_up=journal.catching_up,
        not_derived=journal.not_derived,
        unreadable=journal.unreadable,
    )


def alert_shape(alert: Alert, alerts: AlertsNow) -> shapes.AlertShape:
    return shapes.AlertShape(
        episode=alert.episode,
        since=alert.at.astimezone(UTC),
        queue=alert.queue,
        label=alert.label,
        alert=alert.kind.value,
        period=alert.period,
        level=alert.level.value,
        state=alert.change.value,
        reason=alert.reason.value,
        probability=alert.figures.risk.p_miss if alert.figures.risk else None,
        title=alert.title,
        text=alert.text,
        acknowledged=alert.episode in alerts.acknowledged,
    )


def difference_shape(found: Difference) -> shapes.DifferenceShape:
    return shapes.DifferenceShape(
        switch=found.switch,
        queue=found.queue,
        counter=found.counter,
        switch_says=found.switch_says,
        ledger_says=found.ledger_says,
        difference=found.difference,
        cause=found.cause.value,
        since=found.since,
        until=found.until,
    )


def _risks(queue: QueueNow) -> Iterable[tuple[str, RiskFigures]]:
    for name, risk in (("day", queue.risk), ("month", queue.month_risk)):
        if risk is not None:
            yield name, risk


def _risk(risk: RiskFigures, margin: int | None, at: datetime) -> shapes.RiskShape:
    return shapes.RiskShape(
        miss_probability=risk.p_miss,
        expected_share=risk.expected_share,
        expected_calls=risk.expected_calls,
        margin_calls=margin,
        agents_for_queue=risk.agents_for_queue,
        agents_for_period=risk.agents_for_day,
        until=risk.until,
        margin_ends_at=_utc(risk.margin_ends(margin, at)),
        reachable=risk.reachable,
        help=tuple(
            shapes.HelpShape(
                more_agents=option.more, miss_probability=option.p_miss, expected_share=option.expected_share
            )
            for option in risk.options
        ),
    )


def target_shape(target: Target) -> shapes.TargetShape:
    return shapes.TargetShape(
        limit_seconds=target.limit_seconds,
        ratio=target.ratio,
        definition=target.definition.value,
        short_abandon_seconds=target.short_abandon_seconds,
        since=target.since,
        refused_limit_ratio=target.refused_limit_ratio,
    )


def staff_shape(staff: Staff) -> shapes.StaffShape:
    if staff.basis is StaffBasis.UNKNOWN:
        return shapes.StaffShape(known=False, basis=staff.basis.value)
    return shapes.StaffShape(
        known=staff.known,
        basis=staff.basis.value,
        staffed=staff.staffed,
        available=staff.available,
        ringing=staff.ringing,
        busy=staff.busy,
        wrapup=staff.wrapup,
        paused=staff.paused,
        unreachable=staff.unreachable,
        logged_out=staff.logged_out,
    )


def period_shape(period: Period, target: Target) -> shapes.PeriodShape:
    """Return a period as it is answered: its figures, and the counts and waits under the same names.

    `target`: the present one, for a period that names none.
    """
    counts, target = period.counts, period.target or target
    return shapes.PeriodShape(
        **{name: getattr(counts, name) for name in _OF_COUNTS},
        **{name: getattr(period, name) for name in _OF_PERIOD},
        from_=period.start.astimezone(UTC),
        to=period.end.astimezone(UTC),
        level=period.level.value,
        left=_alike(counts, shapes.LeftShape),
        refused=shapes.RefusedShape(
            **{field.removeprefix("refused_"): getattr(counts, field) for field in FIELDS[Outcome.REFUSED]}
        ),
        refused_total=counts.refused,
        definition=target.definition.value,
        target_ratio=target.ratio,
        meets_target=service_level.meets_target(counts, target),
        waits=_alike(period.waits, shapes.WaitsShape),
        coverage=coverage_shape(period.coverage),
        outside_hours=_alike(period.outside_hours, shapes.OutsideHoursShape),
    )


_OWN: Final = frozenset({"level", "refused", "waits", "coverage", "outside_hours"})
"""The fields of a period's shape that are not the value of the same name."""

_SAME: Final = [name for name in shapes.PeriodShape.__struct_fields__ if name not in _OWN]
_OF_COUNTS: Final = tuple(name for name in _SAME if hasattr(Counts, name))
_OF_PERIOD: Final = tuple(name for name in _SAME if name in Period.__struct_fields__)


def coverage_shape(coverage: Coverage) -> shapes.CoverageShape:
    return _alike(coverage, shapes.CoverageShape)


def _alike(figures: object, shape: type[S]) -> S:
    """Return a shape whose fields are the attributes of the same names."""
    return msgspec.convert(figures, shape, from_attributes=True)


def _hours(snapshot: Snapshot) -> shapes.HoursShape:
    hours = snapshot.hours
    return shapes.HoursShape(
        open=hours.open,
        opens_at=_utc(hours.opens_at),
        closes_at=_utc(hours.closes_at),
        note=hours.note,
        time_zone=snapshot.time_zone,
    )


def _queues(queues: Iterable[QueueNow], target: Target, at: datetime) -> tuple[shapes.QueueShape, ...]:
    return tuple(_queue(queue, target, at) for queue in queues)


def _queue(queue: QueueNow, target: Target, at: datetime) -> shapes.QueueShape:
    return shapes.QueueShape(
        name=queue.name,
        label=queue.label,
        queues=queue.queues,
        open=queue.open,
        waiting=queue.waiting_count,
        ringing=queue.ringing,
        talking=queue.talking,
        oldest_wait_seconds=_seconds(queue.oldest_wait_ms),
        expected_wait_seconds=queue.expected_wait_seconds,
        expected_wait_low_seconds=queue.wait_range_seconds[0] if queue.wait_range_seconds else None,
        expected_wait_high_seconds=queue.wait_range_seconds[1] if queue.wait_range_seconds else None,
        unlikely_in_time=queue.unlikely,
        risk={name: _risk(risk, queue.margins.get(name), at) for name, risk in _risks(queue)},
        status=_verdict(queue.verdict),
        longer={name: _verdict(verdict) for name, verdict in queue.verdicts.items()},
        staff=staff_shape(queue.staff),
        waiting_list=tuple(map(_waiting, queue.waiting)),
        periods={name: period_shape(period, target) for name, period in queue.periods.items()},
        visits_today=period_shape(queue.visits_today, target),
        repeat_callers=None if queue.repeat_callers is None else _repeat_callers(queue.repeat_callers),
    )


def _repeat_callers(found: RepeatCallers) -> shapes.RepeatCallersShape:
    return shapes.RepeatCallersShape(
        since=found.since.astimezone(UTC),
        calls=found.calls,
        repeated=found.repeated,
        repeat_ratio=found.repeat_ratio,
        lost=found.lost,
        reached_later=found.reached_later,
        reached_later_ratio=found.reached_later_ratio,
        answered=found.answered,
        not_back=found.not_back,
        not_back_ratio=found.not_back_ratio,
    )


def _verdict(verdict: Verdict) -> shapes.StatusOfTarget:
    return shapes.StatusOfTarget(
        status=verdict.status.value, reason=verdict.reason.value, under_target_now=verdict.under_target_now
    )


def _waiting(caller: WaitingNow) -> shapes.WaitingShape:
    return shapes.WaitingShape(
        queue=caller.queue,
        position=caller.position,
        wait_seconds=caller.wait_ms / 1000,
        queue_wait_seconds=caller.queue_wait_ms / 1000,
        ringing=caller.ringing,
        start_known=caller.start_known,
    )


def source_shape(source: SourceNow) -> shapes.SourceShape:
    return shapes.SourceShape(
        name=source.name,
        switch=source.switch,
        up=source.up,
        since=_utc(source.since),
        last_event_at=_utc(source.last_event_at),
        reason=source.reason,
        clock_offset_seconds=None if source.clock_offset_ms is None else source.clock_offset_ms / 1000,
        gap_seconds_total=source.gap_seconds_total,
        is_log=source.is_log,
        precision_seconds=source.precision_ms / 1000,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
