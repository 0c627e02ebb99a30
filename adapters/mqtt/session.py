"""The session with a broker through aiomqtt on paho-mqtt; no other file knows that library.

As shipped, aiomqtt acknowledges a message on receipt: of 900 events, 600 were lost when the program was killed after
300 of them. paho can leave that to us (`manual_ack_set`, `ack`), but aiomqtt shows neither that nor whether the broker
has kept our session, so its `_client` and `_queue` are used here. tests/adapters/test_mqtt.py tests this against a real
broker.
"""

import ssl
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

import aiomqtt
from paho.mqtt.client import CONNACK_ACCEPTED, Client, ConnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.settings import Settings
from queue_monitor.ports import AdapterError, Receipt

KEEPALIVE_SECONDS: Final = 30
MAX_AT_ONCE: Final = 2000

_CLIENT_ID_REFUSED: Final = 0x85
_ACCOUNT_REFUSED: Final = frozenset((0x86, 0x87, 0x8A, 0x8C))
"""The codes for a bad user name or password, not authorised, banned, bad authentication method (MQTT 5.0, 2.4)."""
_TAKEN_OVER: Final = 0x8E
_NO_REASON: Final = 0x80


class Message(NamedTuple):
    """One message as it was delivered; `number` is the one to acknowledge it by."""

    topic: str
    payload: bytes
    retain: bool
    number: int
    qos: int


class Session:
    """One connection. Each connection needs a new session, because message numbers are used again."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self.place = f"the broker at {settings.host}:{settings.port}"
        self.resumed = False
        self._settings = settings
        self._tls = _tls(settings) if settings.tls else None
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wanted.SessionExpiryInterval = settings.session_seconds
        wanted.ReceiveMaximum = settings.receive_maximum
        self._client = aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username or None,
            password=settings.password or None,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=wanted,
            timeout=settings.connect_seconds,
            keepalive=KEEPALIVE_SECONDS,
            tls_context=self._tls,
        )
        self._paho: Client = self._client._client
        self._paho.connect_timeout = settings.connect_seconds
        self._paho.manual_ack_set(True)  # before connecting: what was missed comes right after the broker's welcome
        self._paho.on_connect = self._welcomed

    def _welcomed(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.resumed = code == CONNACK_ACCEPTED and flags.session_present
        self._client._on_connect(client, userdata, flags, code, properties)

    async def __aenter__(self) -> Self:
        try:
            await self._client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            raise self._refused(error) from error
        except aiomqtt.MqttError as error:
            self._hang_up()
            raise self._unreachable(error) from error
        return self

    def _hang_up(self) -> None:
        """Close the connection to a broker that accepted it and then sent nothing, or nothing that we trust."""
        self._paho.disconnect()
        if self._tls is not None and self._tls.latest is not None and self._paho.socket() is None:
            self._tls.latest.close()

    async def __aexit__(self, *exception: object) -> None:
        with suppress(aiomqtt.MqttError):  # leaving is leaving
            await self._client.__aexit__(None, None, None)
        if self._client._disconnected.done():  # asyncio complains of a reason that nobody looked at
            self._client._disconnected.exception()

    async def subscribe(self, topic: str) -> None:
        """Subscribe and wait for the broker's answer. A refusal, which the library does not raise, is raised here."""
        try:
            (answer,) = await self._client.subscribe(topic, qos=1)
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error
        if isinstance(answer, ReasonCode) and answer.is_failure:
            raise AdapterError(
                f"{self.place} does not let {self._settings.username or 'us'!r} subscribe to {topic} "
                f"({answer}): see its access list, and topic_prefix and sources here",
                permanent=True,
            )

    async def messages(self) -> list[Message]:
        """Return all messages that have come, at least one; they gather while the earlier ones are processed."""
        try:
            arrived = [await anext(self._client.messages)]
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error
        waiting = self._client._queue
        while not waiting.empty() and len(arrived) < MAX_AT_ONCE:
            arrived.append(waiting.get_nowait())
        return [
            Message(str(one.topic), bytes(one.payload or b""), bool(one.retain), one.mid, one.qos) for one in arrived
        ]

    def acknowledger(self, messages: Sequence[Message]) -> Callable[[Receipt], Coroutine[None, None, None]]:
        """Return the function to call once these messages are safe; it does nothing without the connection.

        Messages that were not acknowledged come again. One with a refused event is acknowledged too, or it would come
        again for ever.
        """

        async def acknowledge(receipt: Receipt) -> None:
            if self._paho.is_connected():
                for message in messages:
                    self._paho.ack(message.number, message.qos)

        return acknowledge

    # ---- errors in words

    def _refused(self, error: aiomqtt.MqttCodeError) -> AdapterError:
        code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
        if code in _ACCOUNT_REFUSED:
            about = f"refused the account {self._settings.username!r}: username or password is wrong, or it may not"
            return AdapterError(f"{self.place} {about} ({error.rc})", permanent=True)
        if code == _CLIENT_ID_REFUSED:
            return AdapterError(f"{self.place} refused the client_id ({error.rc})", permanent=True)
        return AdapterError(f"{self.place} refused the connection: {error.rc}")

    def _unreachable(self, error: aiomqtt.MqttError) -> AdapterError:
        cause = error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AdapterError(
                f"TLS: {self.place} shows a certificate that is not accepted: {cause.verify_message}. "
                "See its certificate, tls_ca and host"
            )
        if isinstance(cause, ssl.SSLError):
            return AdapterError(f"TLS with {self.place} failed: {cause.reason or cause}. See tls and port")
        if isinstance(cause, TimeoutError) or not isinstance(cause, OSError):
            return AdapterError(
                f"{self.place} did not answer in {self._settings.connect_seconds:g} s (connect_seconds); "
                "see host, port and tls"
            )
        return AdapterError(f"{self.place} cannot be reached: {cause.strerror or cause}. See host, port and tls")

    def _lost(self, error: aiomqtt.MqttError) -> AdapterError:
        cause = error.__cause__ or error
        code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
        if isinstance(code, ReasonCode) and code.value == _TAKEN_OVER:
            return AdapterError(f"another program connected to {self.place} with our client_id; each needs its own")
        if isinstance(code, ReasonCode) and code.value == _NO_REASON:  # Mosquitto 2.0 does not say "taken over"
            hint = "if that goes on, does another program use our client_id?"
            return AdapterError(f"the connection to {self.place} was lost without a reason given; {hint}")
        return AdapterError(f"the connection to {self.place} was lost: {code or cause}")


class _Tls(ssl.SSLContext):
    """Keeps the socket, because paho forgets one whose handshake fails, and it would stay open."""

    latest: ssl.SSLSocket | None = None

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        self.latest = super().wrap_socket(*arguments, **named)
        return self.latest


def _tls(settings: Settings) -> _Tls:
    context = _Tls(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if settings.tls_ca:
            context.load_verify_locations(settings.tls_ca)
        else:
            context.load_default_certs()
    except OSError as error:
        raise AdapterError(f"tls_ca: {settings.tls_ca}: {error.strerror or error}", permanent=True) from error
    if settings.tls_cert:
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except OSError as error:
            files = f"{settings.tls_cert}, {settings.tls_key}"
            raise AdapterError(f"tls_cert, tls_key: {files}: {error.strerror or error}", permanent=True) from error
    return context
