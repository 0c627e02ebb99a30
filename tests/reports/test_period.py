"""A controller writes a period the way people do, and the same days are always the same report."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.reports.period import PeriodError, parsed


@pytest.mark.parametrize(
    ("written", "name", "first", "last", "label"),
    [
        ("2026-10", "2026-10", date(2026, 10, 1), date(2026, 10, 31), "oktober 2026"),
        ("2024-02", "2024-02", date(2024, 2, 1), date(2024, 2, 29), "februari 2024"),
        ("2026-T2", "2026-T2", date(2026, 5, 1), date(2026, 8, 31), "tertial 2 2026 (maj–augusti)"),
        ("2026-t3", "2026-T3", date(2026, 9, 1), date(2026, 12, 31), "tertial 3 2026 (september–december)"),
        ("2026-05..2026-08", "2026-T2", date(2026, 5, 1), date(2026, 8, 31), "tertial 2 2026 (maj–augusti)"),
        ("2026-01..2026-08", "2026-01..2026-08", date(2026, 1, 1), date(2026, 8, 31), "januari–augusti 2026"),
        ("2026-03..2026-06", "2026-03..2026-06", date(2026, 3, 1), date(2026, 6, 30), "mars–juni 2026"),
        ("2025-11..2026-02", "2025-11..2026-02", date(2025, 11, 1), date(2026, 2, 28), "november 2025–februari 2026"),
        ("2026", "2026", date(2026, 1, 1), date(2026, 12, 31), "2026"),
        (" 2026-01..2026-12 ", "2026", date(2026, 1, 1), date(2026, 12, 31), "2026"),
        ("2026-10..2026-10", "2026-10", date(2026, 10, 1), date(2026, 10, 31), "oktober 2026"),
    ],
)
def test_a_period_is_read_and_has_one_name(written: str, name: str, first: date, last: date, label: str) -> None:
    period = parsed(written, "--period")

    assert (period.first, period.last, period.name, period.label("sv")) == (first, last, name, label)
    assert parsed(name, "--period") == period


@pytest.mark.parametrize(
    "written",
    ["", "october", "2026-13", "2026-00", "2026-T4", "2026-T0", "26-10", "2026-10-01", "2026-08..2026-05",
     "2025-01..2026-01", "2026-05..", "1999", "2100", "2100-01", "9999-12", "2026-10..2026-13", "2026-１０"],
)  # fmt: skip
def test_what_is_no_period_is_said_by_the_name_of_the_question(written: str) -> None:
    with pytest.raises(PeriodError, match=r"^--period: .* skriv 2026-10, 2026-T2, 2026-01\.\.2026-08 eller 2026 "):
        parsed(written, "--period")
    with pytest.raises(PeriodError, match="is no period"):
        parsed(written, "--period", "en")


@pytest.mark.parametrize(
    ("written", "before", "year_before"),
    [
        ("2026-01", "2025-12", "2025-01"),
        ("2026-T1", "2025-T3", "2025-T1"),
        ("2026", "2025", "2025"),
        ("2026-01..2026-08", None, "2025-01..2025-08"),
        ("2026-03..2026-06", None, "2025-03..2025-06"),
    ],
)
def test_it_is_compared_with_the_one_before_and_the_same_a_year_before(
    written: str, before: str | None, year_before: str
) -> None:
    period = parsed(written, "--period")
    earlier = period.before()

    assert (earlier.name if earlier else None, period.year_before().name) == (before, year_before)


def test_a_month_with_a_change_of_clocks_has_an_hour_more_or_less() -> None:
    zone = ZoneInfo("Europe/Stockholm")
    hours = []
    for written in ("2026-03", "2026-10"):
        start, end = parsed(written, "--period").bounds(zone)
        hours.append((end - start).total_seconds() / 3600)

    assert hours == [31 * 24 - 1, 31 * 24 + 1]
