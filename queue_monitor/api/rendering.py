"""Renders the newest snapshot as bytes, once however many ask for them."""

import asyncio
from collections.abc import Callable, Generator

from queue_monitor.core.pieces import in_turns
from queue_monitor.model import Snapshot
from queue_monitor.ports import Clock


class Rendered:
    """Keeps the rendering of the newest snapshot, made once however many ask: the same bytes for all."""

    def __init__(self, render: Callable[[Snapshot], bytes]) -> None:
        self._render = render
        self._snapshot: Snapshot | None = None
        self._body = b""

    def __call__(self, snapshot: Snapshot) -> bytes:
        if snapshot is not self._snapshot:
            self._body = self._render(snapshot)
            self._snapshot = snapshot
        return self._body


class RenderedInPieces:
    """Keeps a rendering that takes long: other work goes on between its pieces, and all who ask wait for one
    rendering.
    """

    def __init__(
        self, render: Callable[[Snapshot], Generator[None, None, bytes]], newest: Callable[[], Snapshot], clock: Clock
    ) -> None:
        self._render = render
        self._newest = newest
        self._clock = clock
        self._turn = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._body = b""

    async def __call__(self) -> bytes:
        async with self._turn:
            snapshot = self._newest()
            if snapshot is not self._snapshot:
                self._body = await in_turns(self._render(snapshot), self._clock)
                self._snapshot = snapshot
            return self._body
