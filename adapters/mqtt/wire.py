"""The connection to a broker: it subscribes, hands messages over in batches, and acknowledges those that are safe."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import structs

from adapters.mqtt.publishers import Publishers
from adapters.mqtt.session import Session
from adapters.mqtt.settings import Settings
from adapters.mqtt.translator import Translator
from queue_monitor.events import Event
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery, Reach, Receipt, Rejected
from queue_monitor.translating import translated

log = logging.getLogger(__name__)

KIND: Final = "mqtt"


class MqttAdapter:
    """The adapter of one broker. Its publishers' state lasts from one connection to the next."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock
        self._publishers = Publishers()
        self._state = Path(settings.state_path) if settings.state_path else None
        self._recalled = False
        self._kept = b""

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        client_id = self._settings.client_id or f"queue-monitor-{self.name}"
        if self._state is not None and not self._recalled:
            await asyncio.to_thread(self._recall, self._state)
            self._recalled = True
        async with Session(self._settings, client_id) as session:
            for topic in self._topics():
                await session.subscribe(topic)
            async with aclosing(self._deliveries(session)) as deliveries:
                yield deliveries

    def _topics(self) -> list[str]:
        """Return topics that do not overlap: a message that two of them ask for would come twice."""
        prefix = self._settings.topic_prefix
        names = dict.fromkeys(entry.rpartition(":")[2] for entry in self._settings.sources)
        return [f"{prefix}/{_encoded(name)}/#" for name in names] or [f"{prefix}/#"]

    async def _deliveries(self, session: Session) -> AsyncGenerator[Delivery, None]:
        now = self._clock.now()
        connection = Connection(
            source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=f"{now:%Y%m%dT%H%M%S.%fZ}"
        )
        translator = Translator(connection, self._settings, self._publishers)
        yield Delivery(items=tuple(translator.opened(now, session.resumed)), received_at=now, dated_by_sender=True)
        while True:
            try:
                messages = await session.messages()
            except AdapterError:
                now = self._clock.now()
                yield Delivery(items=tuple(translator.close(now)), received_at=now, dated_by_sender=True)
                raise
            now = self._clock.now()
            items: list[Event | Rejected] = []
            for one in messages:
                read = partial(translator.message, one.topic, one.payload, one.retain, now)
                items += translated(connection.source, read)
            ack = self._keeping(session.acknowledger(messages))
            yield Delivery(items=tuple(items), received_at=now, ack=ack, dated_by_sender=True)

    # ---- the state that outlives the program

    def _recall(self, path: Path) -> None:
        """Take up the saved state. An unreadable file counts as empty; a path that cannot be written is a mistake."""
        with suppress(FileNotFoundError, msgspec.MsgspecError):
            self._publishers.recall(path.read_bytes())
        try:
            _write(path, self._publishers.kept())
        except OSError as error:
            raise AdapterError(f"state_path: {path} cannot be written: {error.strerror}", permanent=True) from error

    def _keeping(self, acknowledge: Callable[[Receipt], Awaitable[None]]) -> Callable[[Receipt], Awaitable[None]]:
        """Save the numbers, then acknowledge: in the other order, a crash between would look like a gap."""
        if self._state is None:
            return acknowledge
        path, kept = self._state, self._publishers.kept()

        async def ack(receipt: Receipt) -> None:
            if kept != self._kept:
                try:
                    await asyncio.to_thread(_write, path, kept)
                    self._kept = kept
                except OSError as error:  # the callers are safe in the journal: only the numbers would suffer
                    log.warning("state not kept source=%s error=%s", self.name, error)
            await acknowledge(receipt)

        return ack


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, so that a power cut leaves no half of it."""
    half = path.with_name(path.name + ".new")
    half.write_bytes(content)
    half.replace(path)


def _encoded(name: str) -> str:
    """Return a name as one level of a topic: characters that have a meaning there are percent-encoded."""
    return re.sub(r"[/+#$%]", lambda sign: f"%{ord(sign[0]):02X}", name)


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """Return the adapter for `kind = "mqtt"`."""
    return MqttAdapter(name, switch, settings, clock)


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Log in under another client id, which takes over no session, and subscribe to nothing. Raises `AdapterError`."""
    client_id = f"{settings.client_id or f'queue-monitor-{name}'}-doctor"
    async with Session(structs.replace(settings, session_seconds=1), client_id):
        return Reach()
