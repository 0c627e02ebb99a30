"""Opening hours as a page tells them, in Swedish and in English."""

from datetime import date, time

from queue_monitor.backtest.hours import hours_in_words
from queue_monitor.config import (
    Holidays,
    HoursClosure,
    HoursException,
    HoursPeriod,
    Schedule,
    Weekday,
    WeekdayHours,
)

MON, TUE, WED, THU, FRI, SAT, SUN = Weekday
OFFICE = Schedule(weekdays=(WeekdayHours(days=(MON, TUE, WED, THU, FRI), open=time(8), close=time(17)),))


def words(hours: Schedule, language: str = "sv", **queues: Schedule) -> list[str]:
    return hours_in_words(hours, queues, language)


def test_days_in_a_row_are_a_span_and_others_are_told_one_by_one():
    week = Schedule(
        weekdays=(
            WeekdayHours(days=(SUN, MON, TUE), open=time(7), close=time.max),
            WeekdayHours(days=(WED, THU, SAT), open=time(7, 30), close=time(14)),
        ),
        holidays=Holidays.NONE,
    )

    assert words(week) == ["söndag–tisdag 7.00–24.00, onsdag, torsdag, lördag 7.30–14.00; helgdagar som andra dagar"]
    assert words(OFFICE, "en") == ["Monday–Friday 8:00–17:00; closed on Swedish holidays"]


def test_whatever_differs_from_the_week_has_a_line_of_its_own():
    summer = HoursPeriod(first=date(2026, 6, 15), last=date(2026, 8, 15), open=time(9), close=time(15), reason="sommar")
    hours = Schedule(
        weekdays=OFFICE.weekdays,
        exceptions=(
            HoursException(date=date(2026, 4, 30), open=time(8), close=time(13)),
            HoursException(date=date(2026, 12, 23), closed=True, reason="flytt"),
        ),
        periods=(summer,),
        closures=(HoursClosure(date=date(2026, 3, 4), starts=time(13), reason="utbildning"),),
        crisis=(HoursPeriod(first=date(2026, 3, 6), last=date(2026, 3, 7), days=(SAT,), open=time(0), close=time.max),),
    )

    assert words(hours)[1:] == [
        "torsdag 30 april 2026 8.00–13.00",
        "onsdag 23 december 2026 stängt (flytt)",
        "måndag 15 juni 2026 – lördag 15 augusti 2026 9.00–15.00 (sommar)",
        "onsdag 4 mars 2026 stängt 13.00–24.00 (utbildning)",
        "Kris: fredag 6 mars 2026 – lördag 7 mars 2026 lördag 0.00–24.00",
    ]


def test_a_queue_with_hours_of_its_own_is_named():
    evening = Schedule(weekdays=(WeekdayHours(days=(MON,), open=time(8), close=time(20)),))

    assert words(OFFICE, jour=evening)[1:] == ["jour: måndag 8.00–20.00; stängt på svenska helgdagar"]
