"""Turns local times without a zone, as files of calls have them, into UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class MissingHour(ValueError):
    """Raised for a local time that no clock has shown, because the clocks were set forward then."""


class LocalTimes:
    """Turns the local times of an ordered list into UTC.

    Of the two autumn hours that look alike, the second begins where an ordered list goes back in time, or, newest
    first, forward; where it does so once more, another list begins (one queue's calls after another's). `doubled`
    counts the times in such an hour.
    """

    def __init__(self, zone: ZoneInfo, *, newest_first: bool = False) -> None:
        self._zone = zone
        self._newest_first = newest_first
        self._last: datetime | None = None
        self._fold = int(newest_first)
        self.doubled = 0

    def utc(self, at: datetime) -> datetime:
        """Return the UTC time of the list's next time; one with a zone is taken as it is. Raises `MissingHour`."""
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        local = self._existing(at)
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            self.doubled += 1
            if self._last is None or self._last.date() != at.date():
                self._fold = int(self._newest_first)
            elif self._goes_back(at):
                self._fold = 1 - self._fold  # the second hour, or the first one of another list
            self._last, local = at, local.replace(fold=self._fold)
        elif self._last is not None and self._goes_back(at):
            self._last = None  # another export begins
        return local.astimezone(UTC)

    def after(self, at: datetime, earlier: datetime) -> datetime:
        """Return the UTC time of a later time in the same line. Raises `MissingHour`."""
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        local = self._existing(at)
        first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
        return second if first < earlier <= second else first

    def _existing(self, at: datetime) -> datetime:
        local = at.replace(tzinfo=self._zone)
        if local.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != at:
            raise MissingHour(f"{at} is no time; the clocks were set forward then")
        return local

    def _goes_back(self, at: datetime) -> bool:
        return self._last is not None and (at > self._last if self._newest_first else at < self._last)
