"""The days that a wall's picture is held beside: yesterday, and the same weekday of the last weeks."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import Level, Snapshot
from queue_monitor.ports import Figures, StoreError

WEEKS: Final = 8
LEAST_DAYS: Final = 3
"""The least number of days with calls of which a median is called typical."""

QUARTER: Final = 15
"""The minutes of a quarter of an hour, by which the store is asked."""

Calls = dict[int, int]
"""The calls that entered on a day, by the local minute of the day at which their quarter of an hour begins."""


class DaysBefore(Struct, frozen=True):
    """The days with calls that are known: yesterday, and the same weekday of the last weeks."""

    yesterday: Calls | None = None
    same_weekday: tuple[Calls, ...] = ()

    def line_of_yesterday(self, minutes: Sequence[int], step: int) -> tuple[float, ...]:
        """Return yesterday's calls in each stretch of `step` minutes that begins at one of `minutes` of the day."""
        return () if self.yesterday is None else tuple(_within(self.yesterday, at, step) for at in minutes)

    def typical_line(self, minutes: Sequence[int], step: int) -> tuple[float, ...]:
        """Return the median of the same weekdays for each of these stretches; nothing of fewer than three days."""
        if len(self.same_weekday) < LEAST_DAYS:
            return ()
        return tuple(median(_within(day, at, step) for day in self.same_weekday) for at in minutes)


def _within(day: Calls, at: int, step: int) -> int:
    return sum(day.get(quarter, 0) for quarter in range(at, at + step, QUARTER))


NOTHING: Final = DaysBefore()


class Comparisons:
    """Keeps the days before for each wall's queues. They are read once a day, beside what draws the walls: no screen
    waits for them, and no snapshot holds them.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._known: dict[tuple[str, ...], tuple[date, DaysBefore]] = {}
        self._tried: dict[tuple[str, ...], datetime] = {}
        self._reading: dict[tuple[str, ...], asyncio.Task[None]] = {}

    def of(self, queues: tuple[str, ...], snapshot: Snapshot) -> DaysBefore:
        """Return what is known of the days before this snapshot's, of these queues or of all; nothing until it has
        been read. A reading that failed is tried again in the next quarter of an hour.
        """
        zone = ZoneInfo(snapshot.time_zone)
        local = snapshot.at.astimezone(zone)
        today, quarter = local.date(), local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0)
        known = self._known.get(queues)
        if known is not None and known[0] == today:
            return known[1]
        if queues not in self._reading and self._tried.get(queues) != quarter:
            self._tried[queues] = quarter
            self._reading[queues] = asyncio.get_running_loop().create_task(self._read(queues, today, zone))
        return NOTHING

    async def _read(self, queues: tuple[str, ...], today: date, zone: ZoneInfo) -> None:
        try:
            yesterday = await self._calls(queues, today - timedelta(days=1), zone)
            weeks = [await self._calls(queues, today - timedelta(weeks=n), zone) for n in range(1, WEEKS + 1)]
            self._known[queues] = today, DaysBefore(yesterday or None, tuple(filter(None, weeks)))
        except (StoreError, ValueError):
            return
        finally:
            del self._reading[queues]

    async def _calls(self, queues: tuple[str, ...], day: date, zone: ZoneInfo) -> Calls:
        """Return a day's calls, empty where none came: the centre was closed, or nobody measured."""
        start, end = day_bounds(day, zone)
        found = Calls()
        for period in await self._figures.intervals(start, end, "quarter", Level.CONTACT, queues or None):
            if period.counts.entered:
                local = period.start.astimezone(zone)
                minute = local.hour * 60 + local.minute
                found[minute] = found.get(minute, 0) + period.counts.entered
        return found
