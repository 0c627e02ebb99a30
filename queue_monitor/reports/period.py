"""The periods of which a report can be made, written `2026-10`, `2026-T2`, `2026-01..2026-08` or `2026`.

The same days are always the same period: `2026-05..2026-08` is `2026-T2`.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.core.calendar import day_bounds, next_month
from queue_monitor.periods import MAX_MONTHS, months_of


class PeriodError(ValueError):
    """Raised for a text that is no period; the message is for the person who asked."""


class ReportPeriod(Struct, frozen=True, kw_only=True):
    """Whole months: `first` is the first day of one, `last` the last day of one."""

    first: date
    last: date

    @property
    def months(self) -> int:
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    @property
    def name(self) -> str:
        """Return the period as it is written, the same for the same days."""
        year, month, months = self.first.year, self.first.month, self.months
        if months == 1:
            return f"{year}-{month:02}"
        if months == 4 and month % 4 == 1:
            return f"{year}-T{self._tertial}"
        if months == 12 and month == 1:
            return str(year)
        return f"{year}-{month:02}..{self.last.year}-{self.last.month:02}"

    @property
    def _tertial(self) -> int:
        return (self.first.month + 3) // 4

    def label(self, language: str) -> str:
        """Return the period in words: `oktober 2026`, `tertial 2 2026 (maj–augusti)`, `januari–augusti 2026`."""
        first, last = (texts.say(f"month.{day.month}", language) for day in (self.first, self.last))
        year = self.first.year
        if self.months == 1:
            return f"{first} {year}"
        if "T" in self.name:
            tertial = texts.say("history.label.tertial", language, number=self._tertial, year=year)
            return f"{tertial} ({first}–{last})"
        if self.name == str(year):
            return str(year)
        return f"{first}–{last} {year}" if year == self.last.year else f"{first} {year}–{last} {self.last.year}"

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the times of its start and of its end."""
        return day_bounds(self.first, zone)[0], day_bounds(self.last, zone)[1]

    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def before(self) -> "ReportPeriod | None":
        """Return as many months that end where this one starts; None of an interim period, compared with the year
        before.
        """
        if self.months not in (1, 4, 12) or (self.months == 4 and "T" not in self.name):
            return None
        last = self.first - timedelta(days=1)
        return _months(last.year * 12 + last.month - self.months, self.months)

    def year_before(self) -> "ReportPeriod":
        """Return the same months one year before."""
        return _months((self.first.year - 1) * 12 + self.first.month - 1, self.months)


def parsed(text: str, name: str, language: str = "sv") -> ReportPeriod:
    """Return a written period; `name` is its name in the question. Raises `PeriodError`."""
    months = months_of(text.strip())
    if months is None:
        raise PeriodError(texts.say("report.bad_period", language, name=name, value=text, most=MAX_MONTHS))
    return _months(months.start, len(months))


def _months(start: int, months: int) -> ReportPeriod:
    """Return a number of months from a month on, counted since the year 0."""
    first = date(start // 12, start % 12 + 1, 1)
    last = first
    for _ in range(months):
        last = next_month(last)
    return ReportPeriod(first=first, last=last - timedelta(days=1))
