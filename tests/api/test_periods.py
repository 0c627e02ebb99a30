"""The periods that can be chosen: where each begins and ends, what comes before and after it, and what it is called."""

from datetime import date

import pytest

from queue_monitor.api.pages.periods import MAX_DAYS, PeriodKind, free_period, period_of

IN_OCTOBER = date(2026, 10, 28)


@pytest.mark.parametrize(
    ("kind", "first", "last", "label", "english"),
    [
        ("day", (2026, 10, 28), (2026, 10, 28), "28 oktober 2026", "28 October 2026"),
        ("week", (2026, 10, 26), (2026, 11, 1), "vecka 44 2026", "week 44 2026"),
        ("month", (2026, 10, 1), (2026, 10, 31), "oktober 2026", "October 2026"),
        ("tertial", (2026, 9, 1), (2026, 12, 31), "tertial 3 2026", "tertial 3 2026"),
        ("may-aug", (2026, 5, 1), (2026, 8, 31), "maj–augusti 2026", "May–August 2026"),
        ("jan-aug", (2026, 1, 1), (2026, 8, 31), "januari–augusti 2026", "January–August 2026"),
        ("year", (2026, 1, 1), (2026, 12, 31), "2026", "2026"),
    ],
)
def test_a_period_is_whole_days_with_a_name(
    kind: str, first: tuple[int, int, int], last: tuple[int, int, int], label: str, english: str
):
    period = period_of(PeriodKind(kind), IN_OCTOBER)

    assert (period.first, period.last) == (date(*first), date(*last))
    assert (period.label("sv"), period.label("en")) == (label, english)


@pytest.mark.parametrize("kind", [kind for kind in PeriodKind if kind is not PeriodKind.FREE])
def test_before_and_after_lead_there_and_back(kind: PeriodKind):
    period = period_of(kind, IN_OCTOBER)

    assert period.before().after() == period
    assert period.before().last < period.first
    assert period.after().first > period.last


def test_any_days_turn_by_as_many_days():
    period = free_period(date(2026, 10, 5), date(2026, 10, 9))

    assert (period.before().first, period.before().last) == (date(2026, 9, 30), date(2026, 10, 4))
    assert (period.after().first, period.after().last) == (date(2026, 10, 10), date(2026, 10, 14))


def test_a_year_before_keeps_the_dates_and_of_a_day_the_weekday():
    leap = free_period(date(2028, 2, 29), date(2028, 3, 1)).year_before(1)
    day = period_of(PeriodKind.DAY, IN_OCTOBER).year_before(1)

    assert period_of(PeriodKind.MONTH, IN_OCTOBER).year_before(2).first == date(2024, 10, 1)
    assert (leap.first, leap.last) == (date(2027, 2, 28), date(2027, 3, 1))
    assert (day.first, day.first.weekday()) == (date(2025, 10, 29), IN_OCTOBER.weekday())


@pytest.mark.parametrize(("days", "why"), [(-1, "backwards"), (MAX_DAYS, "too_long")])
def test_days_that_cannot_be_shown_are_refused(days: int, why: str):
    with pytest.raises(ValueError, match=why):
        free_period(IN_OCTOBER, date.fromordinal(IN_OCTOBER.toordinal() + days))
