"""What is read off a moment, and what is left alone."""

import pytest
from msgspec import structs

from alerts.rules import AlertSettings, Measurement, as_known, read, scopes
from queue_monitor.model import AlertKind, AlertReason, Counts, QueueNow, Staff, StatusReason
from tests.alerts.moments import CLOSES, at, queue, risk, snapshot


def the(kind: AlertKind, found: list[Measurement], name: str = "kundcenter") -> Measurement:
    (one,) = [measurement for measurement in found if measurement.kind is kind and measurement.queue == name]
    return one


def test_the_longest_wait_is_measured_in_seconds():
    found = read(snapshot(at(60), waits=(320.0, 12.0)))

    assert the(AlertKind.LONG_WAIT, found).value == 320
    assert the(AlertKind.LONG_WAIT, found).figures.waiting == 2


def test_nobody_logged_in_matters_while_somebody_waits():
    assert the(AlertKind.NO_AGENTS, read(snapshot(at(60), staffed=0, waits=(5.0,)))).value == 1
    assert the(AlertKind.NO_AGENTS, read(snapshot(at(60), staffed=0))).value == 0
    assert the(AlertKind.NO_AGENTS, read(snapshot(at(60), staffed=None, waits=(5.0,)))).value == 0


def test_of_people_who_were_only_seen_it_is_not_said_that_nobody_is_logged_in_while_somebody_answers():
    def unstaffed(staff: Staff) -> float:
        moment = snapshot(at(60), waits=(5.0,))
        return the(AlertKind.NO_AGENTS, read(structs.replace(moment, queues=(_with(moment.queues[0], staff),)))).value

    assert unstaffed(Staff(seen=True, staffed=0, logged_out=2, answering=True)) == 0
    assert unstaffed(Staff(seen=True, staffed=0, logged_out=2)) == 1
    assert unstaffed(Staff(seen=True, staffed=1, paused=1)) == 0
    assert unstaffed(Staff(answering=True)) == 0
    assert unstaffed(Staff(known=True, answering=True)) == 1


def _with(queue: QueueNow, staff: Staff) -> QueueNow:
    return structs.replace(queue, staff=staff)


def test_a_few_refused_among_a_few_calls_say_nothing():
    few = Counts(answered_in_time=3, refused_full=3)
    many = Counts(answered_in_time=30, refused_full=10)

    assert not the(AlertKind.MANY_REFUSED, read(snapshot(at(60), lately=few))).may_raise
    found = the(AlertKind.MANY_REFUSED, read(snapshot(at(60), lately=many)))
    assert (found.value, found.may_raise) == (0.25, True)


def test_only_the_queues_asked_for_are_measured():
    moment = snapshot(at(60), queue(at(60)), queue(at(60), name="bygglov"))

    found = as_known(moment, AlertSettings(), None, names={"bygglov"})

    assert found == [its for its in as_known(moment, AlertSettings(), None) if its.queue != "kundcenter"]
    assert "bygglov" in {measurement.queue for measurement in found}


def test_a_queue_s_own_month_is_told_from_that_of_all_calls():
    moment = snapshot(at(60), queue(at(60), month=0.5), queue(at(60), name="bygglov", month=0.9))

    assert not the(AlertKind.LONG_WAIT, read(moment)).figures.month_is_own
    assert the(AlertKind.LONG_WAIT, read(moment), "bygglov").figures.month_is_own


def test_a_surge_is_measured_against_the_usual_and_only_when_that_is_known():
    many = Counts(answered_in_time=45)

    assert AlertKind.SURGE not in {measurement.kind for measurement in read(snapshot(at(60), quarter=many))}
    surge = the(AlertKind.SURGE, read(snapshot(at(60), quarter=many, usual=12.0)))
    assert (surge.value, surge.figures.arrived) == (3.75, 45)


def test_the_targets_risk_is_read_only_from_a_forecast():
    assert AlertKind.TARGET_AT_RISK not in {measurement.kind for measurement in read(snapshot(at(132)))}
    found = the(AlertKind.TARGET_AT_RISK, read(snapshot(at(132), risk=risk(0.96))))
    assert (found.value, found.may_raise, found.figures.margin) == (0.96, True, 14)


def test_no_agents_that_could_help_make_the_day_one_that_cannot_be_reached():
    lost = risk(0.99, reachable=False, agents_for_day=None)
    found = the(AlertKind.TARGET_OUT_OF_REACH, read(snapshot(at(300), risk=lost)))

    assert found.reason is AlertReason.CANNOT_BE_REACHED


def test_a_month_that_not_even_the_calls_to_come_can_save_cannot_be_reached():
    lost = risk(0.99, reachable=False)
    found = the(AlertKind.TARGET_OUT_OF_REACH, read(snapshot(at(300), month_risk=lost)))

    assert (found.period, found.reason) == ("month", AlertReason.CANNOT_BE_REACHED)


@pytest.mark.parametrize(("minutes", "calls"), [(14, 168), (60, 3)])
def test_the_first_minutes_and_the_first_calls_raise_nothing(minutes: float, calls: int):
    moment = snapshot(at(minutes), in_time=calls, late=0, risk=risk(1.0))

    assert not the(AlertKind.TARGET_AT_RISK, read(moment)).may_raise


@pytest.mark.parametrize(
    ("expected", "calls", "raises"), [(300.0, 22, True), (900.0, 40, False), (900.0, 46, True), (9000.0, 52, True)]
)
def test_of_a_busy_day_the_first_twentieth_decides_nothing_but_fifty_calls_always_may(
    expected: float, calls: int, raises: bool
):
    moment = snapshot(at(60), in_time=calls, late=0, risk=risk(1.0, expected_calls=expected))

    assert the(AlertKind.TARGET_AT_RISK, read(moment)).may_raise is raises


@pytest.mark.parametrize(
    "no_data_reason", [StatusReason.SOURCE_DOWN, StatusReason.SOURCE_SILENT, StatusReason.NO_SOURCE]
)
def test_of_a_queue_that_nobody_can_vouch_for_only_that_is_said(no_data_reason: StatusReason):
    (only,) = read(snapshot(at(60), waits=(900.0,), no_data_reason=no_data_reason, risk=risk(1.0)))

    assert (only.kind, only.value, only.reason.value) == (AlertKind.SOURCE_SILENT, 1.0, no_data_reason.value)


def test_a_silent_switch_at_night_is_as_usual():
    night = snapshot(CLOSES.replace(hour=20), no_data_reason=StatusReason.SOURCE_SILENT)

    assert all(measurement.day_over for measurement in read(night))


def test_after_closing_the_day_ends_when_the_last_caller_has_gone():
    late = the(AlertKind.LONG_WAIT, read(snapshot(at(400), waits=(1.0,))))
    waiting = read(snapshot(CLOSES, waits=(60.0,)))
    gone = read(snapshot(CLOSES))

    assert not late.day_over
    assert [measurement.kind for measurement in waiting] == [AlertKind.SOURCE_SILENT]
    assert {measurement.kind for measurement in gone if measurement.day_over} >= {
        AlertKind.TARGET_AT_RISK,
        AlertKind.LONG_WAIT,
    }


def test_queues_that_share_agents_are_spoken_of_once():
    now = at(60)
    one, two, own = queue(now, "a"), queue(now, "b"), queue(now, "c")

    assert [q.name for q in scopes(snapshot(now, one, two, own, pools=(queue(now, "a + b"),)))] == ["a + b", "c"]


@pytest.mark.parametrize(("refused", "found"), [(0.02, None), (0.021, 0.021)])
def test_the_figures_of_a_period_hold_the_share_that_was_refused_where_it_is_too_large(
    refused: float, found: float | None
):
    moment = queue(at(132), risk=risk(0.1), month_risk=risk(0.1, expected_share=0.92))
    month = structs.replace(moment.periods["month"], refused_ratio=refused)
    moment = structs.replace(moment, periods=moment.periods | {"month": month})
    measured = [one for one in read(snapshot(at(132), moment)) if one.kind is AlertKind.TARGET_AT_RISK]
    figures = {one.period: one.figures for one in measured}

    assert (figures["day"].too_many_refused, figures["month"].too_many_refused) == (None, found)
