"""A queue at some moment, told in few words, for the rules and their life over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from queue_monitor.model import (
    Counts,
    Coverage,
    Hours,
    JournalNow,
    Level,
    Period,
    QueueNow,
    RiskFigures,
    Snapshot,
    SourceNow,
    Staff,
    StatusReason,
    Target,
    WaitFigures,
    WaitingNow,
)

OPENS = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""Monday 23 November 2026, 8.00 in Luleå."""
CLOSES = OPENS + timedelta(hours=9)
TARGET = Target()


def at(minutes: float) -> datetime:
    """So many minutes after opening."""
    return OPENS + timedelta(minutes=minutes)


def period(name: str, counts: Counts, start: datetime, misses: int = 0, headline: float | None = None) -> Period:
    return Period(
        name=name,
        level=Level.CONTACT,
        start=start,
        end=start + timedelta(days=1),
        counts=counts,
        outside_hours=Counts(),
        service_level={},
        headline=headline,
        floor=None,
        ceiling=None,
        misses=misses,
        refused_ratio=counts.refused / counts.dialled if counts.dialled else None,
        including_refused=None,
        waits=WaitFigures(),
        coverage=Coverage(),
        precision_seconds=0.001,
    )


def queue(
    now: datetime,
    name: str = "kundcenter",
    *,
    label: str = "",
    waits: tuple[float, ...] = (),
    staffed: int | None = 5,
    in_time: int = 168,
    late: int = 32,
    month: float | None = 0.924,
    lately: Counts | None = None,
    quarter: Counts | None = None,
    no_data_reason: StatusReason | None = None,
    risk: RiskFigures | None = None,
    month_risk: RiskFigures | None = None,
    usual: float | None = None,
) -> QueueNow:
    day = OPENS.replace(hour=0) - timedelta(hours=1) + timedelta(days=(now - OPENS).days)
    opens = OPENS + timedelta(days=(now - OPENS).days)
    counts = Counts(answered_in_time=in_time, answered_late=late)
    share = in_time / (in_time + late) if in_time + late else None
    lines = tuple(
        WaitingNow(
            visit_id=f"v{place}",
            queue=name,
            position=place,
            entered_at=now - timedelta(seconds=wait),
            wait_ms=round(wait * 1000),
            queue_wait_ms=round(wait * 1000),
            ringing=False,
            start_known=True,
        )
        for place, wait in enumerate(waits, start=1)
    )
    return QueueNow(
        name=name,
        label=label or name.capitalize() if name else "",
        queues=tuple(name.split(" + ")),
        waiting=lines,
        oldest_wait_ms=max((line.wait_ms for line in lines), default=None),
        ringing=0,
        talking=0,
        staff=Staff() if staffed is None else Staff(known=True, staffed=staffed),
        no_data_reason=no_data_reason,
        periods={
            "15min": period("15min", quarter or Counts(answered_in_time=10), now - timedelta(minutes=15)),
            "30min": period("30min", lately or Counts(answered_in_time=20), now - timedelta(minutes=30)),
            "day": period("day", counts, day, misses=late, headline=share),
            "month": period("month", counts, datetime(2026, 10, 31, 23, tzinfo=UTC), late, headline=month),
        },
        visits_today=period("day", counts, day),
        open=opens <= now < opens + (CLOSES - OPENS),
        risk=risk,
        month_risk=month_risk,
        margins={"day": 14, "month": 40} if risk or month_risk else {},
        usual_quarter=usual,
        day_hours=(opens, opens + (CLOSES - OPENS)),
    )


def snapshot(now: datetime, *queues: QueueNow, pools: tuple[QueueNow, ...] = (), **of_queue: Any) -> Snapshot:
    """One queue called kundcenter unless told otherwise."""
    queues = queues or (queue(now, **of_queue),)
    total = structs.replace(queues[0], name="", label="", queues=tuple(q.name for q in queues))
    source = SourceNow(
        name="urn:kc:asterisk_ami:vaxel",
        switch="växel",
        up=total.no_data_reason is not StatusReason.SOURCE_DOWN,
        since=at(40),
        last_event_at=at(41),
        reason="",
        clock_offset_ms=None,
        gap_seconds_total=0,
        is_log=False,
        precision_ms=1,
    )
    return Snapshot(
        at=now,
        rate=1.0,
        version="1",
        target=TARGET,
        organisation="Kundcenter",
        time_zone="Europe/Stockholm",
        hours=Hours(open=total.open, opens_at=None, closes_at=None),
        total=total,
        queues=queues,
        pools=pools,
        agents=(),
        sources=(source,),
        today=(),
        events={},
        rejected={},
        totals={},
        totals_waits={},
        ring_results={},
        journal=JournalNow(),
    )


def risk(p_miss: float, **more: Any) -> RiskFigures:
    figures: dict[str, Any] = {
        "expected_share": 0.886,
        "expected_calls": 460.0,
        "agents_for_queue": 2,
        "agents_for_day": 2,
        "until": at(210),
        "margin_ends_at": at(170),
    }
    return RiskFigures(p_miss=p_miss, **(figures | more))
