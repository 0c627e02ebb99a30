"""Long questions over time, worked out in pieces, one question at a time, so that other work goes on between them."""

import asyncio
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor import texts
from queue_monitor.core.calendar import cut
from queue_monitor.core.held_calls import MAX_INTERVALS
from queue_monitor.model import Level, Period
from queue_monitor.ports import Clock, Figures

PIECE: Final = 50
SHORT_PIECE: Final = 200
"""The number of quarters or hours worked out at once, some 50 ms.

As many as may be requested together take a second, in which the boards would wait.
"""


class TooManyIntervals(ValueError):
    """Raised for a question of more intervals than are given at once."""


def in_words(error: ValueError, language: str) -> str:
    """Return in a language why a question over time cannot be answered."""
    if isinstance(error, TooManyIntervals):
        return texts.say("error.too_many_intervals", language, most=texts.count(MAX_INTERVALS, language))
    return str(error)


class OverTime:
    """`Figures.intervals` for questions that must not delay the pages."""

    def __init__(self, figures: Figures, clock: Clock) -> None:
        self._figures = figures
        self._clock = clock
        self._turn = asyncio.Lock()

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        """Return the same as `Figures.intervals`, in pieces that are each computed by themselves. Raises `ValueError`
        as it does.
        """
        zone = ZoneInfo(self._figures.latest().time_zone)
        bounds = list(islice(cut(start, end, step, zone), MAX_INTERVALS + 1))
        if len(bounds) > MAX_INTERVALS:
            raise TooManyIntervals(f"from, to, step: at most {MAX_INTERVALS} intervals are given at once")
        size = SHORT_PIECE if step in ("quarter", "hour") else PIECE
        if len(bounds) <= size:
            return await self._figures.intervals(start, end, step, level, queue)
        found: list[Period] = []
        async with self._turn:
            for first in range(0, len(bounds), size):
                piece = bounds[first : first + size]
                found += await self._figures.intervals(piece[0][0], piece[-1][1], step, level, queue)
                await self._clock.sleep(0)
        return found
