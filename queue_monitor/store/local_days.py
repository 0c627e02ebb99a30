"""Quarters of an hour and local days, in microseconds since 1970 UTC."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.store.schema import microseconds

QUARTER_MINUTES: Final = 15
QUARTER_US: Final = QUARTER_MINUTES * 60_000_000


class LocalDays:
    """The days of a time zone. A day with a change of clocks has 23 or 25 hours."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.of = lru_cache(maxsize=4096)(self._of)
        self.start_us = lru_cache(maxsize=4096)(self._start_us)
        self.start_us_of_quarter = lru_cache(maxsize=4096)(self._start_us_of_quarter)

    def _of(self, quarter: int) -> date:
        """Return the local day of a quarter, counted since 1970; a change of clocks never divides a quarter."""
        at = datetime.fromtimestamp(quarter * QUARTER_MINUTES * 60, UTC)
        try:
            return at.astimezone(self.zone).date()
        except OverflowError:  # on the last day of all, or the first
            return at.date()

    def _start_us(self, day: date) -> int:
        """Return local midnight, in microseconds since 1970 UTC."""
        return microseconds(datetime(day.year, day.month, day.day, tzinfo=self.zone))

    def _start_us_of_quarter(self, quarter: int) -> int:
        return self.start_us(self.of(quarter))

    def day_at(self, at_us: int) -> date:
        return self.of(at_us // QUARTER_US)
