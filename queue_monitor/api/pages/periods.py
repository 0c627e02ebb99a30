"""The periods of the history page: a day, a week, a month, a tertial, an interim period, a year, or free days."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.core.calendar import day_bounds, month_start, next_month, tertial_end, tertial_start, week_start

MAX_DAYS: Final = 400
"""The most days on one page."""

_DAY: Final = timedelta(days=1)


class PeriodKind(StrEnum):
    """The kinds of period, by the word in an address."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TERTIAL = "tertial"
    MAY_AUG = "may-aug"
    JAN_AUG = "jan-aug"
    YEAR = "year"
    FREE = "free"


class ChosenPeriod(Struct, frozen=True, kw_only=True):
    """A period of whole local days, `first` and `last` included."""

    kind: PeriodKind
    first: date
    last: date

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the times of its start and of its end."""
        return day_bounds(self.first, zone)[0], day_bounds(self.last, zone)[1]

    def before(self) -> "ChosenPeriod":
        """Return the period of the same kind, or of as many days, that ends where this one starts."""
        if self.kind is PeriodKind.FREE:
            return _free(self.first - (self.last - self.first) - _DAY, self.first - _DAY)
        if self.kind in (PeriodKind.MAY_AUG, PeriodKind.JAN_AUG):
            return period_of(self.kind, date(self.first.year - 1, 6, 1))
        return period_of(self.kind, self.first - _DAY)

    def after(self) -> "ChosenPeriod":
        """Return the period of the same kind, or of as many days, that starts where this one ends."""
        if self.kind is PeriodKind.FREE:
            return _free(self.last + _DAY, self.last + _DAY + (self.last - self.first))
        if self.kind in (PeriodKind.MAY_AUG, PeriodKind.JAN_AUG):
            return period_of(self.kind, date(self.first.year + 1, 6, 1))
        return period_of(self.kind, self.last + _DAY)

    def year_before(self, years: int) -> "ChosenPeriod":
        """Return the same period some years earlier. A day or a week keeps its weekdays: 52 weeks earlier for each
        year.
        """
        if self.kind in (PeriodKind.DAY, PeriodKind.WEEK):
            back = timedelta(weeks=52 * years)
            return ChosenPeriod(kind=self.kind, first=self.first - back, last=self.last - back)
        if self.kind is PeriodKind.FREE:
            return _free(_years_back(self.first, years), _years_back(self.last, years))
        return period_of(self.kind, _years_back(self.first, years))

    def label(self, language: str) -> str:
        """Return the period in words: `oktober 2026`, `vecka 44 2026`, `maj–augusti 2026`."""

        def month(number: int) -> str:
            return texts.say(f"month.{number}", language)

        year, number = self.first.year, 0
        match self.kind:
            case PeriodKind.DAY:
                return self._day(self.first, language)
            case PeriodKind.WEEK:
                year, number, _ = self.first.isocalendar()
            case PeriodKind.MONTH:
                return f"{month(self.first.month)} {year}"
            case PeriodKind.TERTIAL:
                number = (self.first.month + 3) // 4
            case PeriodKind.MAY_AUG | PeriodKind.JAN_AUG:
                return f"{month(self.first.month)}–{month(self.last.month)} {year}"
            case PeriodKind.YEAR:
                return str(year)
            case PeriodKind.FREE:
                return f"{self._day(self.first, language)} – {self._day(self.last, language)}"
        return texts.say(f"history.label.{self.kind.value}", language, number=number, year=year)

    def _day(self, day: date, language: str) -> str:
        return f"{day.day} {texts.say(f'month.{day.month}', language)} {day.year}"


def period_of(kind: PeriodKind, day: date) -> ChosenPeriod:
    """Return the period of a kind that holds a day; the interim period is the one of its year, `free` is the day."""
    first, last = _BOUNDS[kind](day)
    return ChosenPeriod(kind=kind, first=first, last=last)


def free_period(first: date, last: date) -> ChosenPeriod:
    """Return the period of any days, both included. Raises `ValueError` where they are backwards or too many."""
    if last < first:
        raise ValueError("backwards")
    if (last - first).days >= MAX_DAYS:
        raise ValueError("too_long")
    return _free(first, last)


def _free(first: date, last: date) -> ChosenPeriod:
    return ChosenPeriod(kind=PeriodKind.FREE, first=first, last=last)


def _years_back(day: date, years: int) -> date:
    """Return the same date some years earlier; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _tertial(day: date) -> tuple[date, date]:
    first = tertial_start(day)
    return first, tertial_end(first) - _DAY


_BOUNDS: Final[dict[PeriodKind, Callable[[date], tuple[date, date]]]] = {
    PeriodKind.DAY: lambda day: (day, day),
    PeriodKind.WEEK: lambda day: (week_start(day), week_start(day) + 6 * _DAY),
    PeriodKind.MONTH: lambda day: (month_start(day), next_month(day) - _DAY),
    PeriodKind.TERTIAL: _tertial,
    PeriodKind.MAY_AUG: lambda day: (date(day.year, 5, 1), date(day.year, 8, 31)),
    PeriodKind.JAN_AUG: lambda day: (date(day.year, 1, 1), date(day.year, 8, 31)),
    PeriodKind.YEAR: lambda day: (date(day.year, 1, 1), date(day.year, 12, 31)),
    PeriodKind.FREE: lambda day: (day, day),
}
