"""Opening hours: when the promise holds. Local time inside, UTC at the door; a day ends exactly at closing.

Weekly hours with dated exceptions. Holidays are not known yet: a closed day is an exception until they are.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

LOOK_AHEAD_DAYS = 30


class DayHours(Struct, frozen=True, kw_only=True):
    """One day's opening: from `opens` to `closes`, local time; both None when closed all day. `reason` says why."""

    opens: time | None = None
    closes: time | None = None
    reason: str = ""


class Calendar:
    """One queue's opening hours. `week` has an entry for each weekday, Monday first."""

    def __init__(self, zone: ZoneInfo, week: tuple[DayHours, ...], exceptions: dict[date, DayHours] | None = None):
        if len(week) != 7:
            raise ValueError("a week has seven days")
        self.zone = zone
        self._week = week
        self._exceptions = exceptions or {}
        self.span = lru_cache(maxsize=4096)(self._span)

    def day_of(self, at: datetime) -> date:
        """The local day a moment belongs to."""
        return at.astimezone(self.zone).date()

    def hours(self, day: date) -> DayHours:
        return self._exceptions.get(day) or self._week[day.weekday()]

    def _span(self, day: date) -> tuple[datetime, datetime] | None:
        """Opening and closing of a day, UTC; None when closed."""
        hours = self.hours(day)
        if hours.opens is None or hours.closes is None or hours.opens >= hours.closes:
            return None
        opens = datetime.combine(day, hours.opens, self.zone)
        closes = datetime.combine(day, hours.closes, self.zone)
        return opens.astimezone(UTC), closes.astimezone(UTC)

    def is_open(self, at: datetime) -> bool:
        """Open at 08:00:00, closed at 17:00:00."""
        span = self.span(self.day_of(at))
        return span is not None and span[0] <= at < span[1]

    def next_opening(self, at: datetime) -> datetime | None:
        """The first opening at or after a moment, within the next month."""
        return next((opens for opens, _ in self._spans_from(at) if opens >= at), None)

    def closing(self, at: datetime) -> datetime | None:
        """When the present opening ends; None when closed."""
        span = self.span(self.day_of(at))
        return span[1] if span is not None and span[0] <= at < span[1] else None

    def spans(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open stretches between two moments, cut to them."""
        day, last = self.day_of(start), self.day_of(end)
        while day <= last:
            span = self.span(day)
            if span is not None and span[0] < end and span[1] > start:
                yield max(span[0], start), min(span[1], end)
            day += timedelta(days=1)

    def open_minutes(self, start: datetime, end: datetime) -> float:
        """Open minutes between two moments."""
        return sum((closes - opens).total_seconds() / 60 for opens, closes in self.spans(start, end))

    def _spans_from(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        first = self.day_of(at)
        for ahead in range(LOOK_AHEAD_DAYS + 1):
            span = self.span(first + timedelta(days=ahead))
            if span is not None:
                yield span


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A local day from midnight to midnight, UTC: 23, 24 or 25 hours."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    return start, end


def month_start(day: date) -> date:
    return day.replace(day=1)


def tertial_start(day: date) -> date:
    """A third of the year, the municipality's reporting period: January, May and September begin one."""
    return day.replace(month=(day.month - 1) // 4 * 4 + 1, day=1)


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def week_start(day: date) -> date:
    return day - timedelta(days=day.weekday())
