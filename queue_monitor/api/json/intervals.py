"""Long questions over time, worked out in pieces, one question at a time, so that other work goes on between them."""

import asyncio
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.core.calendar import cut
from queue_monitor.core.live import MAX_INTERVALS
from queue_monitor.model import Level, Period
from queue_monitor.ports import Clock, Figures

PIECE: Final = 50
SHORT_PIECE: Final = 200
"""The number of quarters or hours worked out at once, some 50 ms.

As many as may be requested together take a second, in which the boards would wait.
"""


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
        size = SHORT_PIECE if step in ("quarter", "hour") else PIECE
        if not size < len(bounds) <= MAX_INTERVALS:
            return await self._figures.intervals(start, end, step, level, queue)
        found: list[Period] = []
        async with self._turn:
            for first in range(0, len(bounds), size):
                piece = bounds[first : first + size]
                found += await self._figures.intervals(piece[0][0], piece[-1][1], step, level, queue)
                await self._clock.sleep(0)
        return found
