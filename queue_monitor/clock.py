"""The only source of time: the machine's, one that runs from another moment or faster, and one set by hand."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's own clock."""

    rate = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ScaledClock:
    """Starts at a chosen time and runs `rate` times as fast as real time: a simulated day, a recording at speed."""

    def __init__(self, start: datetime, rate: float = 1.0) -> None:
        if rate <= 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        self.rate = rate
        self._start = start
        self._began = time.monotonic()
        self._passed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._passed + (time.monotonic() - self._began) * self.rate

    def stop(self) -> None:
        """Stand still from now on, at the end of a recording. A sleep then lasts in real time."""
        self._passed = self.monotonic()
        self.rate = 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / (self.rate or 1.0))


class ManualClock:
    """Stands still until it is moved: a whole day replays in a second and gives the same figures every time."""

    rate = 1.0

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance_to(self, moment: datetime) -> None:
        """Move forward; a time already passed changes nothing."""
        self._now = max(self._now, moment)

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        await asyncio.sleep(0)
