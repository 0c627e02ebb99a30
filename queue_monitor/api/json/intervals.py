"""Long questions over time, worked out in pieces and one after another: between them everybody else has their turn."""

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
"""Intervals worked out at once, and so many of a quarter or an hour: some 50 ms. All that may be asked for at once take
a second, and the boards wait.
"""


class OverTime:
    """`Figures.intervals`, for whoever may not stand in the way of the pages."""

    def __init__(self, figures: Figures, clock: Clock) -> None:
        self._figures = figures
        self._clock = clock
        self._turn = asyncio.Lock()

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        """The same figures; each piece is as it stands when it is worked out. Raises `ValueError` as they do."""
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
