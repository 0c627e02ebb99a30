"""A made-up snapshot whose every number is known, for boards and rules to be held against."""

from datetime import timedelta

from msgspec.structs import replace

from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    AlertsNow,
    Difference,
    DifferenceCause,
    JournalNow,
    RiskFigures,
    Snapshot,
)
from tests.api import sample


def exact() -> Snapshot:
    """A rush in which much is wrong beside: the journal is away, a second source is down, the sums differ."""
    rush = sample.rush()
    at = rush.at
    difference = Difference(
        switch="pbx",
        queue="Kundcenter",
        counter="abandoned",
        switch_says=12,
        ledger_says=9,
        difference=-3,
        since=at - timedelta(hours=2),
        until=at,
        cause=DifferenceCause.UNEXPLAINED,
    )
    sources = (*rush.sources, sample.source(at, up=False, name="urn:kc:asterisk_queuelog:pbx", since=sample.local(10)))
    journal = JournalNow(up=False, pending=37, lag_seconds=62.5, error="away")
    total = replace(
        rush.total,
        talking=sum(queue.talking for queue in rush.queues),
        wait_range_seconds=(180.0, 420.0),
        risk=RiskFigures(p_miss=0.88, expected_share=0.861, expected_calls=420.0),
        month_risk=RiskFigures(p_miss=0.12, expected_share=0.924, expected_calls=9_800.0),
        margins={"day": -13, "month": 180},
    )
    queues = tuple(replace(queue, margins={"day": 4}) for queue in rush.queues)
    alert = Alert(
        episode="one",
        at=at,
        queue="Kundcenter",
        label="Kundcenter",
        kind=AlertKind.TARGET_AT_RISK,
        period="day",
        level=AlertLevel.ALARM,
        change=AlertChange.RAISED,
        reason=AlertReason.CHANCE_OF_MISSING,
        figures=AlertFigures(),
    )
    alerts = AlertsNow(
        open=(alert,),
        raised={("target_at_risk", "alarm"): 2, ("long_wait", "warning"): 1},
        notifications={("mail", "sent"): 5, ("sms", "timeout"): 1},
        undelivered=1,
    )
    return replace(
        rush, alerts=alerts, total=total, queues=queues, reconciliation=(difference,), sources=sources, journal=journal
    )
