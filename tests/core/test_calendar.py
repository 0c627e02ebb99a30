"""Opening hours, local days and the clock changes of spring and autumn."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from queue_monitor.core import swedish_days
from queue_monitor.core.calendar import (
    END_OF_DAY,
    Calendar,
    Closure,
    DayHours,
    DayKind,
    Stretch,
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


# Swedish days. The rules here are the law's and custom's own, worked out beside the package that the product uses.


def easter(year: int) -> date:
    """Easter Sunday, by the Gregorian computus of Meeus, Jones and Butcher."""
    century, in_century = divmod(year, 100)
    epact = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (in_century // 4) - epact - in_century % 4) % 7
    shift = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def first_on(weekday: int, earliest: date) -> date:
    return earliest + timedelta(days=(weekday - earliest.weekday()) % 7)


def closed_days(year: int) -> set[date]:
    """Lagen (1989:253) om allmänna helgdagar, but for Sundays as such, and the three eves that are as good as."""
    sunday, midsummer = easter(year), first_on(5, date(year, 6, 20))
    fixed = ((1, 1), (1, 6), (5, 1), (6, 6), (12, 24), (12, 25), (12, 26), (12, 31))
    return {
        *(date(year, month, day) for month, day in fixed),
        *(sunday + timedelta(days=days) for days in (-2, 0, 1, 39, 49)),
        midsummer,
        midsummer - timedelta(days=1),
        first_on(5, date(year, 10, 31)),
    }


def swedish_hours(**more: Any) -> Calendar:
    day = DayHours(opens=time(8), closes=time(17))
    return Calendar(STOCKHOLM, (day,) * 5 + (DayHours(),) * 2, holiday=swedish_days.holiday, **more)


def days_of(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(days=at) for at in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]


@pytest.mark.parametrize("year", range(2024, 2034))
def test_ten_years_of_swedish_days_are_open_and_closed_as_they_should(year: int):
    hours, closed = swedish_hours(), closed_days(year)

    assert {day for day in days_of(year) if swedish_days.holiday(day)} == closed
    assert [day for day in days_of(year) if hours.spans_of(day)] == [
        day for day in days_of(year) if day.weekday() < 5 and day not in closed
    ]


def test_christmas_eve_and_midsummer_eve_are_closed_by_name():
    hours = swedish_hours()

    assert hours.note(date(2026, 12, 24)) == "Julafton"
    assert hours.note(date(2026, 6, 19)) == "Midsommarafton"
    assert not hours.is_open(local(date(2026, 12, 24), 10))
    assert hours.next_opening(local(date(2026, 12, 23), 18)) == local(date(2026, 12, 28), 8)


def test_the_eve_of_epiphany_is_a_full_day_until_somebody_confirms_that_it_is_short():
    eve = date(2027, 1, 5)
    unconfirmed = swedish_hours()
    confirmed = swedish_hours(exceptions={eve: DayHours(opens=time(8), closes=time(12), reason="Trettondagsafton")})

    assert (eve, "Trettondagsafton") in unconfirmed.days_to_confirm(date(2027, 1, 1), date(2027, 1, 31))
    assert unconfirmed.closing(local(eve, 9)) == local(eve, 17)
    assert confirmed.closing(local(eve, 9)) == local(eve, 12)
    assert not confirmed.days_to_confirm(date(2027, 1, 1), date(2027, 1, 31))


def test_suggested_are_only_days_that_would_have_been_open():
    found = dict(swedish_hours().days_to_confirm(date(2026, 1, 1), date(2026, 12, 31)))

    assert found[date(2026, 4, 2)] == "Skärtorsdagen"
    assert found[date(2026, 10, 30)] == "Allhelgonaafton"
    assert found[date(2026, 12, 23)] == "Dag före julafton"
    assert found[date(2026, 5, 13)] == "Dag före Kristi himmelsfärdsdag"
    assert all(day.weekday() < 5 and day not in closed_days(2026) for day in found)
    assert not office_hours().days_to_confirm(date(2026, 1, 1), date(2026, 12, 31))


def test_what_is_said_of_a_day_the_strongest_first():
    summer = Stretch(
        first=date(2026, 6, 15), last=date(2026, 8, 15), hours=DayHours(opens=time(9), closes=time(15), reason="sommar")
    )
    storm = Stretch(
        first=date(2026, 6, 19),
        last=date(2026, 6, 20),
        hours=DayHours(opens=time(0), closes=END_OF_DAY, reason="storm"),
    )
    fair = {date(2026, 6, 17): DayHours(opens=time(10), closes=time(14), reason="mässa")}
    peace = swedish_hours(periods=(summer,), exceptions=fair)
    crisis = swedish_hours(
        periods=(summer,), exceptions=fair, crises=(storm,), closures=(Closure(day=date(2026, 6, 19), reason="APT"),)
    )

    assert peace.span(date(2026, 6, 12)) == (local(date(2026, 6, 12), 8), local(date(2026, 6, 12), 17))
    assert peace.span(date(2026, 6, 15)) == (local(date(2026, 6, 15), 9), local(date(2026, 6, 15), 15))
    assert peace.span(date(2026, 6, 17)) == (local(date(2026, 6, 17), 10), local(date(2026, 6, 17), 14))
    assert peace.span(date(2026, 6, 19)) is None
    assert crisis.span(date(2026, 6, 19)) == (local(date(2026, 6, 19), 0), local(date(2026, 6, 20), 0))
    assert crisis.note(date(2026, 6, 20)) == "storm"


def test_a_period_may_hold_on_some_days_of_the_week_only():
    evenings = Stretch(
        first=date(2026, 11, 1),
        last=date(2026, 11, 30),
        hours=DayHours(opens=time(8), closes=time(20)),
        weekdays=frozenset({3}),
    )
    hours = swedish_hours(periods=(evenings,))

    assert hours.closing(local(date(2026, 11, 26), 9)) == local(date(2026, 11, 26), 20)
    assert hours.closing(local(MONDAY, 9)) == local(MONDAY, 17)


def test_a_meeting_in_the_middle_of_the_day_makes_two_openings_of_it():
    meeting = Closure(day=MONDAY, starts=time(12), ends=time(13), reason="APT")
    hours = swedish_hours(closures=(meeting,))

    assert hours.spans_of(MONDAY) == ((local(MONDAY, 8), local(MONDAY, 12)), (local(MONDAY, 13), local(MONDAY, 17)))
    assert hours.span(MONDAY) == (local(MONDAY, 8), local(MONDAY, 17))
    assert not hours.is_open(local(MONDAY, 12))
    assert hours.is_open(local(MONDAY, 13))
    assert hours.closing(local(MONDAY, 9)) == local(MONDAY, 12)
    assert hours.next_opening(local(MONDAY, 12, 30)) == local(MONDAY, 13)
    assert hours.open_minutes(local(MONDAY, 11), local(MONDAY, 14)) == 120
    assert hours.note(MONDAY) == "APT 12.00–13.00"
    assert not hours.is_over(local(MONDAY, 12, 30))
    assert hours.is_over(local(MONDAY, 17))


def test_closures_may_begin_the_day_end_it_touch_each_other_or_take_all_of_it():
    def spans(*closed: tuple[int, int]) -> list[tuple[int, int]]:
        closures = tuple(Closure(day=MONDAY, starts=time(start), ends=time(end)) for start, end in closed)
        found = swedish_hours(closures=closures).spans_of(MONDAY)
        return [(a.astimezone(STOCKHOLM).hour, b.astimezone(STOCKHOLM).hour) for a, b in found]

    assert spans((7, 9)) == [(9, 17)]
    assert spans((15, 18)) == [(8, 15)]
    assert spans((10, 11), (11, 12)) == [(8, 10), (12, 17)]
    assert spans((10, 12), (11, 13)) == [(8, 10), (13, 17)]
    assert spans((6, 7), (18, 19)) == [(8, 17)]
    assert spans((8, 17)) == []
    assert swedish_hours(closures=(Closure(day=MONDAY, reason="utbildning"),)).note(MONDAY) == "utbildning"


def test_days_around_a_holiday_are_of_a_kind_of_their_own():
    hours = swedish_hours()
    kinds = {
        date(2026, 11, 23): DayKind.WEEKDAY,
        date(2026, 4, 2): DayKind.BEFORE_HOLIDAY,  # Maundy Thursday
        date(2026, 4, 3): DayKind.CLOSED,
        date(2026, 4, 7): DayKind.AFTER_HOLIDAY,
        date(2026, 5, 15): DayKind.SQUEEZED,  # between Ascension Day and a Saturday
        date(2026, 1, 5): DayKind.SQUEEZED,  # between a Sunday and Epiphany
        date(2026, 5, 22): DayKind.WEEKDAY,  # before Whitsun, which takes no working day
        date(2026, 10, 30): DayKind.BEFORE_HOLIDAY,  # All Saints' Eve
        date(2026, 12, 28): DayKind.AFTER_HOLIDAY,
        date(2026, 11, 28): DayKind.CLOSED,
    }

    assert {day: hours.kind(day) for day in kinds} == kinds


@pytest.mark.parametrize(("day", "length"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_round_the_clock_in_a_crisis_a_day_of_clock_change_is_open_for_all_its_hours(day: date, length: int):
    always = Stretch(first=day, last=day, hours=DayHours(opens=time(0), closes=END_OF_DAY))
    hours = swedish_hours(crises=(always,))

    assert hours.open_minutes(*day_bounds(day, STOCKHOLM)) == length * 60
    assert hours.spans_of(day) == (day_bounds(day, STOCKHOLM),)


@pytest.mark.parametrize("day", [date(2026, 3, 30), date(2026, 10, 26)])
def test_the_monday_after_a_clock_change_opens_at_eight_by_the_new_time_and_ends_at_seventeen_to_the_second(day: date):
    hours = swedish_hours()

    assert hours.open_minutes(*day_bounds(day, STOCKHOLM)) == 540
    assert hours.is_open(local(day, 8))
    assert hours.is_open(local(day, 16, 59, 59))
    assert not hours.is_open(local(day, 17))


@pytest.mark.parametrize(
    ("day", "opens", "closes", "spans"),
    [
        (date(2026, 3, 29), time(2, 30), time(17), [("01:00", "15:00")]),
        (date(2026, 3, 29), time(0), time(2, 30), [("23:00", "01:00")]),
        (date(2026, 3, 29), time(2), time(2, 45), []),
        (date(2026, 3, 29), time(1, 30), time(3, 15), [("00:30", "01:15")]),
        (date(2026, 10, 25), time(2, 30), time(17), [("00:30", "16:00")]),
        (date(2026, 10, 25), time(2), time(3), [("00:00", "02:00")]),
    ],
)
def test_hours_that_begin_or_end_in_the_hour_of_a_clock_change_go_by_what_the_clock_shows(
    day: date, opens: time, closes: time, spans: list[tuple[str, str]]
):
    hours = Calendar(STOCKHOLM, (DayHours(opens=opens, closes=closes),) * 7)
    found = hours.spans(*day_bounds(day, STOCKHOLM))

    assert [tuple(f"{at.astimezone(UTC):%H:%M}" for at in span) for span in found] == spans
