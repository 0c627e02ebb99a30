"""The connection to a broker: subscribe, hand over what comes in batches, acknowledge what is safe."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final

from adapters.mqtt.publishers import Publishers
from adapters.mqtt.session import Session
from adapters.mqtt.settings import Settings
from adapters.mqtt.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery

KIND: Final = "mqtt"


class MqttAdapter:
    """One broker. What is learned of its publishers is kept from one connection to the next."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock
        self._publishers = Publishers()

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        client_id = self._settings.client_id or f"queue-monitor-{self.name}"
        async with Session(self._settings, client_id) as session:
            for topic in self._topics():
                await session.subscribe(topic)
            async with aclosing(self._deliveries(session)) as deliveries:
                yield deliveries

    def _topics(self) -> list[str]:
        """Topics that do not overlap: a message that two of them ask for would come twice."""
        prefix = self._settings.topic_prefix
        names = dict.fromkeys(entry.rpartition(":")[2] for entry in self._settings.sources)
        return [f"{prefix}/{_encoded(name)}/#" for name in names] or [f"{prefix}/#"]

    async def _deliveries(self, session: Session) -> AsyncGenerator[Delivery, None]:
        now = self._clock.now()
        connection = Connection(
            source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=f"{now:%Y%m%dT%H%M%S.%fZ}"
        )
        translator = Translator(connection, self._settings, self._publishers)
        yield Delivery(items=tuple(translator.opened(now, session.resumed)), received_at=now)
        while True:
            try:
                messages = await session.messages()
            except AdapterError:
                now = self._clock.now()
                yield Delivery(items=tuple(translator.close(now)), received_at=now)
                raise
            now = self._clock.now()
            items = [item for one in messages for item in translator.message(one.topic, one.payload, one.retain, now)]
            yield Delivery(items=tuple(items), received_at=now, settle=session.acknowledger(messages))


def _encoded(name: str) -> str:
    """A name as a level of a topic: what would mean something there is percent-encoded."""
    return re.sub(r"[/+#$%]", lambda sign: f"%{ord(sign[0]):02X}", name)


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """The door `bootstrap` opens for `kind = "mqtt"`."""
    return MqttAdapter(name, switch, settings, clock)
