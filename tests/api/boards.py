"""Many wallboards at once, each on a connection and an address of its own, and what each of them was shown and when."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from queue_monitor.clock import SystemClock
from tests.patience import PATIENCE

_TOTAL: Final = re.compile(rb'"total":\{[^{}]*?"waiting":(\d+)')
Shown = tuple[float, int]
"""When a frame came, by the monotonic clock, and how many waited by it."""


class Board:
    """One screen. `cookie` is its token, where one is needed."""

    def __init__(self, address: str, own_address: str, token: str = "") -> None:
        host, port = address.removeprefix("http://").split(":")
        self._at = (host, int(port))
        self._own = own_address
        self._token = token
        self.shown: list[Shown] = []
        self.bytes = 0
        self.status = ""

    async def listen(self) -> None:
        """Until cancelled or turned away."""
        reader, writer = await asyncio.open_connection(*self._at, local_addr=(self._own, 0), limit=1 << 22)
        try:
            authorised = f"Authorization: Bearer {self._token}\r\n" if self._token else ""
            writer.write(f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n{authorised}\r\n".encode())
            self.status = (await reader.readline()).decode().partition(" ")[2].strip()
            while line := await reader.readline():
                self.bytes += len(line)
                if line.startswith(b"data: "):
                    self.shown.append((time.monotonic(), _waiting(line)))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def came(self, waiting: int) -> float | None:
        """When it first showed that so many wait."""
        return next((at for at, shown in self.shown if shown == waiting), None)


def _waiting(frame: bytes) -> int:
    """How many wait in all. Five hundred boards that read all of the JSON would measure themselves."""
    found = _TOTAL.search(frame)
    assert found, frame
    return int(found[1])


async def until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"{what} in vain"
        await SystemClock().sleep(0.02)


def spread(seconds: list[float]) -> str:
    """Half, nineteen of twenty, and all took at most so long."""
    ordered = sorted(seconds)
    half, most, all_ = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 1.0))
    return f"p50 {half * 1000:.0f} ms, p95 {most * 1000:.0f} ms, max {all_ * 1000:.0f} ms, of {len(ordered)}"
