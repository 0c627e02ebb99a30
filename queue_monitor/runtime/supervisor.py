"""The supervisor keeps one adapter running: it connects, reconnects with growing pauses, and reports the source as up
or down.

An adapter only reports the fault; whether and when to try again is decided here and nowhere else. A mistake that a
person must mend, such as a wrong password, is tried again seldom, and at once when the settings have changed.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from queue_monitor.events import Event, SourceDisconnected, event_id
from queue_monitor.ports import Adapter, AdapterError, Clock, Delivery

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 5.0
"""The longest pause: a switch that is back is tried within five seconds, and heard within ten on a busy machine."""

REFUSED_PAUSES_SECONDS: Final = (60.0, 300.0, 900.0)
"""The pauses after a mistake that a person must mend: an account may be locked when a wrong
password comes too often.
"""

LOOK_SECONDS: Final = 1.0
AGAIN: Final = "tried again after 1, 5, then every 15 minutes, and at once when its settings change"
STEADY_AFTER_SECONDS: Final = 60.0
"""After a connection that lasted this long the pauses start over."""

Put = Callable[[Delivery], Awaitable[None]]
Renewed = Callable[[], Adapter | None]
"""A function that returns a new adapter when its settings have changed since the last one was made; else None."""


class Supervisor:
    """The supervisor of one adapter, which runs until cancelled."""

    def __init__(
        self,
        adapter: Adapter,
        source: str,
        switch: str,
        put: Put,
        clock: Clock,
        renewed: Renewed = lambda: None,
    ) -> None:
        self._adapter = adapter
        self._source = source
        self._switch = switch
        self._put = put
        self._clock = clock
        self._renewed = renewed
        self._refusals = 0
        self._pauses = random.Random(source)  # spreads reconnects of many sources; nothing secret
        self._down_because = ""

    async def run(self) -> None:
        """Run the adapter, for ever."""
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
            await self._tell_down(f"{reason} ({AGAIN})" if permanent else reason)
            if permanent:
                await self._until_it_may_be_mended()
                continue
            if self._clock.monotonic() - began > STEADY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await self._clock.sleep(pause * (0.5 + self._pauses.random() / 2))
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    async def _until_it_may_be_mended(self) -> None:
        pause = REFUSED_PAUSES_SECONDS[min(self._refusals, len(REFUSED_PAUSES_SECONDS) - 1)]
        self._refusals += 1
        log.error("source refused source=%s tried again in %d min", self._adapter.name, pause / 60)
        until = self._clock.monotonic() + pause
        while self._clock.monotonic() < until:
            await self._clock.sleep(LOOK_SECONDS)
            if (adapter := self._renewed()) is not None:
                log.info("settings changed source=%s", adapter.name)
                self._adapter, self._refusals = adapter, 0
                return

    async def _consume(self) -> None:
        async with self._adapter.connect() as deliveries:
            log.info("source connected source=%s", self._adapter.name)
            self._down_because, self._refusals = "", 0
            async for delivery in deliveries:
                await self._put(delivery)

    async def _tell_down(self, reason: str) -> None:
        """Report the source as down, once for each time the connection is lost, and once for each new reason."""
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
