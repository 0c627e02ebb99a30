"""Opening hours, local days and the clock changes of spring and autumn."""

from datetime import UTC, date, datetime, time, timedelta

from queue_monitor.core.calendar import (
    Calendar,
    DayHours,
    day_bounds,
    month_start,
    next_month,
    tertial_start,
)
from tests.scenario import STOCKHOLM, office_hours


def local(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute, second), STOCKHOLM).astimezone(UTC)


MONDAY = date(2026, 11, 23)


def test_eight_is_open_and_seventeen_is_closed_to_the_second():
    hours = office_hours()

    assert not hours.is_open(local(MONDAY, 7, 59, 59))
    assert hours.is_open(local(MONDAY, 8))
    assert hours.is_open(local(MONDAY, 16, 59, 59))
    assert not hours.is_open(local(MONDAY, 17))


def test_a_saturday_is_closed_and_opens_again_on_monday():
    hours = office_hours()
    saturday = date(2026, 11, 28)

    assert not hours.is_open(local(saturday, 12))
    assert hours.next_opening(local(saturday, 12)) == local(date(2026, 11, 30), 8)


def test_an_exception_closes_a_day_or_shortens_it_with_its_reason():
    week = (DayHours(opens=time(8), closes=time(17)),) * 7
    exceptions = {
        MONDAY: DayHours(reason="APT"),
        date(2026, 11, 24): DayHours(opens=time(8), closes=time(14), reason="kortare dag"),
    }
    hours = Calendar(STOCKHOLM, week, exceptions)

    assert not hours.is_open(local(MONDAY, 10))
    assert hours.hours(MONDAY).reason == "APT"
    assert hours.closing(local(date(2026, 11, 24), 9)) == local(date(2026, 11, 24), 14)


def test_open_minutes_leave_out_nights_and_weekends():
    hours = office_hours()

    assert hours.open_minutes(local(MONDAY, 16), local(date(2026, 11, 24), 9)) == 120
    assert hours.open_minutes(local(date(2026, 11, 27), 16, 30), local(date(2026, 11, 30), 8, 30)) == 60


def test_the_day_the_clocks_go_back_has_twenty_five_hours_and_opens_at_eight_local():
    start, end = day_bounds(date(2026, 10, 25), STOCKHOLM)

    assert end - start == timedelta(hours=25)
    assert local(date(2026, 10, 23), 8).hour == 6
    assert local(date(2026, 10, 26), 8).hour == 7


def test_the_day_the_clocks_go_forward_has_twenty_three_hours():
    start, end = day_bounds(date(2027, 3, 28), STOCKHOLM)

    assert end - start == timedelta(hours=23)


def test_a_tertial_is_a_third_of_the_year():
    assert tertial_start(date(2026, 4, 30)) == date(2026, 1, 1)
    assert tertial_start(date(2026, 5, 1)) == date(2026, 5, 1)
    assert tertial_start(date(2026, 12, 31)) == date(2026, 9, 1)
    assert month_start(date(2026, 12, 31)) == date(2026, 12, 1)
    assert next_month(date(2026, 12, 31)) == date(2027, 1, 1)
