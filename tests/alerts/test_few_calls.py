"""Few calls raise no alert about shares and counts, and end none that stands."""

import pytest

from alerts.rules import AlertSettings
from queue_monitor.model import AlertChange, AlertKind, AlertLevel, Counts
from tests.alerts.moments import at, snapshot
from tests.alerts.test_lifecycle import LiveReading
from tests.alerts.test_said_when_true import sent
from tests.alerts.test_standing_words import Room

LEAST = AlertSettings()


def refusing(day: LiveReading, start: int, minutes: int, answered: int, refused: int) -> LiveReading:
    for minute in range(start, start + minutes):
        day.see(snapshot(at(minute), lately=Counts(answered_in_time=answered, refused_full=refused)))
    return day


def calling(day: LiveReading, start: int, minutes: int, calls: int, usual: float = 4.0) -> LiveReading:
    for minute in range(start, start + minutes):
        day.see(snapshot(at(minute), quarter=Counts(answered_in_time=calls), usual=usual))
    return day


@pytest.mark.parametrize(("answered", "refused"), [(0, 19), (1, 18), (18, 1), (2, 1), (0, 1)])
def test_while_any_of_a_few_calls_are_refused_nobody_is_told_that_hardly_any_is(answered: int, refused: int) -> None:
    """An alarm about refused calls does not end because fewer call while they are refused as before."""
    day = refusing(refusing(LiveReading(), 60, 5, 20, 10), 65, 60, answered, refused)

    assert AlertChange.CLEARED not in {each.change for each in day.said}
    assert [each.kind for each in day.state.open] == [AlertKind.MANY_REFUSED]


@pytest.mark.parametrize(("answered", "refused"), [(10, 0), (0, 0), (19, 0), (60, 1)])
def test_an_alarm_about_refused_calls_ends_once_they_are_let_in_however_few_they_are(
    answered: int, refused: int
) -> None:
    """A quarter of an hour in which none, or no more than allowed, was refused is the end."""
    day = refusing(refusing(LiveReading(), 60, 5, 20, 10), 65, 20, answered, refused)

    assert sent(day)[-1] == ("over", "nästan ingen avvisas längre.")


@pytest.mark.parametrize(("answered", "refused"), [(0, 19), (1, 3), (0, 1)])
def test_a_few_calls_that_are_all_refused_raise_nothing(answered: int, refused: int) -> None:
    """Nineteen callers in half an hour are too few to say it of."""
    assert refusing(LiveReading(), 60, 30, answered, refused).said == []


def test_a_few_calls_make_no_alarm_of_a_warning() -> None:
    """A warning of 5 % of many calls is no alarm when two of the next three are refused."""
    day = refusing(refusing(LiveReading(), 60, 5, 57, 3), 65, 30, 1, 2)

    assert {each.level for each in day.said} == {AlertLevel.WARNING}


def test_a_few_refused_calls_are_not_said_to_be_fewer_than_when_the_alarm_came() -> None:
    """The wall keeps its words while the share is as high as when the alarm came."""
    room = Room()
    room.see(snapshot(at(60), lately=Counts(answered_in_time=20, refused_full=10)))
    shown = room.see(snapshot(at(61), lately=Counts(answered_in_time=1, refused_full=18)))

    assert shown is not None
    assert not shown.lower
    assert shown.text.startswith("18 av 19 kom aldrig in i kön.")


@pytest.mark.parametrize("calls", [8, 11, 14])
def test_a_surge_of_a_quiet_queue_is_not_over_at_one_call_under_its_least_number(calls: int) -> None:
    """Fourteen calls where four are usual are still unusually many."""
    day = calling(calling(LiveReading(), 60, 5, 16), 65, 60, calls)

    assert AlertChange.CLEARED not in {each.change for each in day.said}


@pytest.mark.parametrize(("calls", "usual"), [(7, 4.0), (0, 4.0), (5, 0.5), (30, 24.0)])
def test_a_surge_ends_when_fewer_than_half_of_its_least_number_call_or_as_many_as_usual(
    calls: int, usual: float
) -> None:
    """A queue in which one call an hour is usual is not in a surge for the rest of the day."""
    day = calling(calling(LiveReading(), 60, 5, 80, usual), 65, 40, calls, usual)

    assert sent(day)[-1] == ("over", "det kommer inte längre ovanligt många samtal.")


@pytest.mark.parametrize("calls", [LEAST.surge_least_calls - 1, 3])
def test_a_few_calls_are_no_surge_however_few_are_usual(calls: int) -> None:
    """Fourteen calls where one is usual raise nothing."""
    assert calling(LiveReading(), 60, 30, calls, 1.0).said == []


def test_as_many_calls_as_the_least_number_are_a_surge() -> None:
    """Fifteen calls where four are usual are one."""
    day = calling(LiveReading(), 60, 1, LEAST.surge_least_calls)

    assert sent(day) == [("alarm", "15 samtal på 15 minuter, 3,8 gånger det vanliga.")]
