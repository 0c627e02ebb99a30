"""Keeps one adapter running: connects, reconnects with growing pauses, and says when the source is up or down.

An adapter only says what went wrong; whether to try again, and when, is decided here and nowhere else.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from queue_monitor.events import Event, SourceDisconnected, event_id
from queue_monitor.ports import Adapter, AdapterError, Clock, Delivery

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
STEADY_AFTER_SECONDS: Final = 60.0
"""A connection that held this long starts the pauses over."""

Put = Callable[[Delivery], Awaitable[None]]


class Supervisor:
    """One adapter, kept running until cancelled or until it says that trying again cannot help."""

    def __init__(self, adapter: Adapter, source: str, switch: str, put: Put, clock: Clock) -> None:
        self._adapter = adapter
        self._source = source
        self._switch = switch
        self._put = put
        self._clock = clock
        self._pauses = random.Random(source)  # spreads reconnects of many sources; nothing secret
        self._down_because = ""

    async def run(self) -> None:
        """Run the adapter; returns only after a permanent error, which has then been told."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                await self._consume()
                reason, permanent = "the source closed the connection", False
            except AdapterError as error:
                reason, permanent = str(error), error.permanent
            except Exception as error:  # a bug in one adapter must not stop the others
                log.exception("adapter failed source=%s", self._source)
                reason, permanent = f"{type(error).__name__} in the adapter: see the log", False
            await self._tell_down(reason)
            if permanent:
                log.error("source stopped source=%s reason=%s", self._adapter.name, reason)
                return
            if self._clock.monotonic() - began > STEADY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await self._clock.sleep(pause * (0.5 + self._pauses.random()))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _consume(self) -> None:
        async with self._adapter.connect() as deliveries:
            log.info("source connected source=%s", self._adapter.name)
            self._down_because = ""
            async for delivery in deliveries:
                await self._put(delivery)

    async def _tell_down(self, reason: str) -> None:
        """Say it once for each time the connection is lost, and once for each new reason."""
        if reason == self._down_because:
            return
        self._down_because = reason
        log.warning("source down source=%s reason=%s", self._adapter.name, reason)
        await self._put(Delivery(items=(self._disconnected(reason),), received_at=self._clock.now()))

    def _disconnected(self, reason: str) -> Event:
        now = self._clock.now()
        return SourceDisconnected(
            id=event_id(self._source, "source.disconnected", now.isoformat()),
            source=self._source,
            switch=self._switch,
            observed_at=now,
            switch_time=now,
            reason=reason,
        )
