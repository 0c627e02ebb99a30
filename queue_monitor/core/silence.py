"""The rule for calling a source silent that has sent nothing (docs/definitions.md, Silence).

A source that proves life by itself, with a ping, a heartbeat or a snapshot, is expected to go on doing so. A source
that only reports calls is expected to report as many as it usually does at that hour.
"""

import math
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from queue_monitor.core.calendar import Calendar

UNLIKELY: Final = 1 / 1000
"""A silence less likely than this by the hour's own past is not that of a calm hour."""

CALLS_MISSED: Final = -math.log(UNLIKELY)
"""The usual calls of a silence that is too long: the chance that none of them came is then `UNLIKELY` (Poisson)."""

WITHOUT_PAST: Final = timedelta(minutes=15)
MIN_DAYS: Final = 5
"""The days with calls from a source that are needed before its hours have a past."""

DAYS_KEPT: Final = 20
_HOUR: Final = timedelta(hours=1)
_QUARTER_SECONDS: Final = 900
"""In every time zone an hour of the clock begins with a quarter of UTC."""

_decoder: Final = msgspec.msgpack.Decoder(dict[str, dict[date, dict[int, int]]])


class Silence:
    """The number of calls that each source reports in each hour of the local day, in opening hours."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._days: dict[str, dict[date, dict[int, int]]] = {}
        self._quarter: tuple[int, date, int] = -1, date.min, 0

    def note(self, source: str, at: datetime) -> None:
        """Note that a source has reported a caller who entered."""
        quarter, day, hour = self._quarter
        if quarter != (now := int(at.timestamp()) // _QUARTER_SECONDS):
            local = at.astimezone(self._calendar.zone)
            _, day, hour = self._quarter = now, local.date(), local.hour
        hours = self._days.setdefault(source, {}).setdefault(day, {})
        hours[hour] = hours.get(hour, 0) + 1

    def is_unlikely(self, source: str, since: datetime, now: datetime) -> bool:
        """Return whether it is unlikely that nothing came from `since` to now, both in one stretch of open hours."""
        today = self._calendar.day_of(now)
        days = [hours for day, hours in self._days.get(source, {}).items() if day < today][-DAYS_KEPT:]
        if len(days) < MIN_DAYS:
            return now - since >= WITHOUT_PAST
        usual, at = 0.0, since
        while at < now and usual < CALLS_MISSED:
            local = at.astimezone(self._calendar.zone)
            into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            until = min(now, at + _HOUR - into)
            usual += (until - at) / _HOUR * sum(hours.get(local.hour, 0) for hours in days) / len(days)
            at = until
        return usual >= CALLS_MISSED

    def evict(self, now: datetime) -> None:
        """Remove days that are too old to count."""
        first = self._calendar.day_of(now) - timedelta(days=2 * DAYS_KEPT)
        for source, days in self._days.items():
            self._days[source] = {day: hours for day, hours in sorted(days.items()) if day >= first}

    def written(self) -> bytes:
        """Return the calls by day and hour, encoded for a start."""
        return msgspec.msgpack.encode(self._days)

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`."""
        self._days = _decoder.decode(written)
