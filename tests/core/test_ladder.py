"""The order in which a status is decided: the first that fits (docs/definitions.md)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from queue_monitor.core.assessment import decided
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    Counts,
    Coverage,
    QueueNow,
    RiskFigures,
    Snapshot,
    Status,
    StatusReason,
    Verdict,
)
from tests.alerts.moments import CLOSES, at, period, queue, snapshot

NOON = at(240)
FINE = RiskFigures(p_miss=0.1, expected_share=0.94, expected_calls=460.0)


def stands(queue: str = "kundcenter", period: str = "day") -> Alert:
    return Alert(
        episode="e1",
        at=NOON,
        queue=queue,
        label="Kundcenter",
        kind=AlertKind.TARGET_AT_RISK,
        period=period,
        level=AlertLevel.ALARM,
        change=AlertChange.EASED,
        reason=AlertReason.CHANCE_OF_MISSING,
        figures=AlertFigures(),
    )


def verdict(now: datetime = NOON, *standing: Alert, **face: Any) -> tuple[Status, StatusReason]:
    found = decided(snapshot(now, queue(now, **face)), standing).queues[0].verdict
    return found.status, found.reason


def foretold(**figures: Any) -> RiskFigures:
    return structs.replace(FINE, **figures)


LOST = foretold(p_miss=0.9, expected_share=0.8, reachable=False)


@pytest.mark.parametrize(
    ("face", "wanted"),
    [
        ({"no_data_reason": StatusReason.SOURCE_DOWN, "risk": LOST}, (Status.NO_DATA, StatusReason.SOURCE_DOWN)),
        ({"risk": LOST, "in_time": 10, "late": 9}, (Status.TOO_EARLY, StatusReason.TOO_EARLY)),
        ({"risk": LOST}, (Status.OUT_OF_REACH, StatusReason.CANNOT_BE_REACHED)),
        ({"risk": foretold(p_miss=0.9)}, (Status.AT_RISK, StatusReason.LIKELY_MISSED)),
        ({"risk": foretold(p_miss=0.6)}, (Status.AT_RISK, StatusReason.LIKELY_MISSED)),
        ({"risk": foretold(expected_share=0.8999)}, (Status.AT_RISK, StatusReason.FORECAST_UNDER)),
        ({"risk": FINE}, (Status.OK, StatusReason.EXPECTED_WITHIN)),
        ({"risk": FINE, "in_time": 190, "late": 10}, (Status.OK, StatusReason.WITHIN_TARGET)),
        ({"risk": None}, (Status.AT_RISK, StatusReason.UNDER_TARGET_SO_FAR)),
        ({"risk": None, "in_time": 190, "late": 10}, (Status.OK, StatusReason.WITHIN_TARGET)),
        ({"risk": None, "in_time": 0, "late": 0}, (Status.TOO_EARLY, StatusReason.TOO_EARLY)),
    ],
)
def test_the_first_that_fits_is_the_status(face: dict[str, Any], wanted: tuple[Status, StatusReason]):
    assert verdict(NOON, **face) == wanted


def test_a_target_that_was_out_of_reach_stays_so_until_there_is_a_forecast_again():
    lost = structs.replace(stands(), kind=AlertKind.TARGET_OUT_OF_REACH, queues=("kundcenter",))

    assert verdict(NOON, lost, risk=None)[0] is Status.OUT_OF_REACH
    assert verdict(NOON, lost, risk=FINE)[0] is Status.AT_RISK
    assert verdict(NOON, structs.replace(lost, queues=("kundcenter", "växel")), risk=None)[0] is Status.AT_RISK


def test_it_is_too_early_to_say_that_all_is_well_before_the_first_forecast_after_a_start():
    starting = structs.replace(snapshot(NOON).journal, catching_up=True)

    def said(**face: Any) -> Status:
        now = structs.replace(snapshot(NOON, queue(NOON, **face)), journal=starting)
        return decided(now).queues[0].verdict.status

    assert said(risk=None, in_time=190, late=10) is Status.TOO_EARLY
    assert said(risk=None) is Status.AT_RISK
    assert said(risk=FINE, in_time=190, late=10) is Status.OK


def test_an_alert_that_stands_keeps_its_target_at_risk_though_it_has_eased():
    assert verdict(NOON, stands(), risk=FINE) == (Status.AT_RISK, StatusReason.ALERT_STANDS)
    assert verdict(NOON, stands("bygglov"), risk=FINE)[0] is Status.OK
    assert verdict(NOON, stands(period="month"), risk=FINE)[0] is Status.OK


def test_nothing_is_said_before_the_alarms_minimum_of_minutes_and_calls():
    many = {"in_time": 30, "late": 20}

    assert verdict(at(14.9), risk=LOST, **many)[0] is Status.TOO_EARLY
    assert verdict(at(15), risk=LOST, **many)[0] is Status.OUT_OF_REACH
    assert verdict(NOON, risk=foretold(expected_calls=900.0), in_time=44, late=0)[0] is Status.TOO_EARLY
    assert verdict(NOON, risk=foretold(expected_calls=900.0), in_time=45, late=0)[0] is Status.OK


def test_a_monitor_that_has_seen_a_few_minutes_of_a_busy_day_does_not_judge_it():
    face = queue(NOON, risk=LOST)
    new = structs.replace(face.periods["day"], coverage=Coverage(seen_minutes=1, blind_minutes=239))
    shown = decided(snapshot(NOON, structs.replace(face, periods=face.periods | {"day": new})))

    assert shown.queues[0].verdict.status is Status.TOO_EARLY


def test_when_the_day_has_ended_its_share_decides():
    evening = CLOSES + timedelta(minutes=1)

    assert verdict(evening, risk=FINE) == (Status.OUT_OF_REACH, StatusReason.PERIOD_LOST)
    assert verdict(evening, stands(), risk=LOST, in_time=9, late=0) == (Status.OK, StatusReason.WITHIN_TARGET)
    assert verdict(evening, in_time=0, late=0) == (Status.NO_DATA, StatusReason.NO_CALLS)


def test_callbacks_that_are_left_out_do_not_make_a_day_lost():
    evening = CLOSES + timedelta(minutes=1)
    face = queue(evening, in_time=40, late=0)
    counts = Counts(answered_in_time=40, excluded=60)
    day = period("day", counts, face.periods["day"].start, headline=1.0)
    shown = decided(snapshot(evening, structs.replace(face, periods=face.periods | {"day": day})))

    assert shown.queues[0].verdict == Verdict(status=Status.OK, reason=StatusReason.WITHIN_TARGET)


def refused(face: QueueNow, entered: int, number: int) -> Snapshot:
    counts = Counts(answered_in_time=entered, refused_full=number)
    day = period("day", counts, face.periods["day"].start, headline=1.0 if entered else None)
    return decided(snapshot(NOON, structs.replace(face, periods=face.periods | {"day": day})))


@pytest.mark.parametrize(
    ("entered", "number", "wanted"), [(100, 3, "at_risk"), (0, 30, "at_risk"), (1, 1, "too_early")]
)
def test_a_day_is_never_within_target_while_many_are_refused(entered: int, number: int, wanted: str):
    assert refused(queue(NOON, risk=FINE), entered, number).queues[0].verdict.status.value == wanted


def pooled(*standing: Alert, late: int = 0) -> Snapshot:
    names = ("bygglov", "kundcenter")
    own = queue(NOON, "bygglov", risk=FINE, in_time=60, late=late)
    pool = structs.replace(queue(NOON, " + ".join(names), risk=FINE, in_time=400, late=10), queues=names)
    other = queue(NOON, "kundcenter", risk=FINE, in_time=340, late=10)
    return decided(snapshot(NOON, own, other, pools=(pool,)), standing)


def test_a_queue_whose_own_share_is_under_the_target_is_not_within_it_by_its_pools_forecast():
    shown = pooled(late=30)

    assert [face.verdict.status for face in (*shown.queues, *shown.pools)] == [Status.AT_RISK, Status.OK, Status.OK]


def test_an_alert_of_a_pool_is_one_of_each_of_its_queues_and_of_all_together():
    shown = pooled(stands("bygglov + kundcenter"))

    assert {face.verdict.status for face in (*shown.queues, *shown.pools, shown.total)} == {Status.AT_RISK}


def test_the_month_goes_by_its_own_chance_and_alert():
    month = foretold(p_miss=0.71, expected_share=0.91)

    def longer(*standing: Alert, risk: RiskFigures | None) -> Verdict:
        face = queue(NOON, risk=FINE, month_risk=risk, in_time=190, late=10)
        return decided(snapshot(NOON, face), standing).queues[0].verdicts["month"]

    assert longer(risk=month).reason is StatusReason.LIKELY_MISSED
    assert longer(risk=structs.replace(month, p_miss=0.69)).status is Status.OK
    assert longer(stands(period="month"), risk=FINE).reason is StatusReason.ALERT_STANDS
