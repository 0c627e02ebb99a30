"""The TCP connection to an Asterisk manager: log in, listen, ask who waits, ask whether it is still there.

A manager account that may only read can still throw a waiting caller out (`QueueWithdrawCaller` needs no privilege).
So there is one function that can write to the socket, and it knows the few harmless actions by name.
"""

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Final

from adapters.asterisk_ami.messages import headers
from adapters.asterisk_ami.settings import Settings
from adapters.asterisk_ami.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery

KIND: Final = "asterisk_ami"

ALLOWED: Final = frozenset(
    ("Login", "Challenge", "Logoff", "Ping", "Events", "QueueStatus", "QueueSummary", "CoreStatus", "CoreShowChannels")
)
_READ_BYTES: Final = 64 * 1024
_BANNER: Final = b"Asterisk Call Manager/"
_MISSES: Final = 2
_TICK_SECONDS: Final = 1.0
_BOOT_SECONDS: Final = 3.0
"""A little longer than the translator waits for FullyBooted."""


class AsteriskAmiAdapter:
    """One Asterisk's manager interface, live."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        secret = _secret(self._settings)
        began = self._clock.now()
        connection = Connection(
            source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=f"{began:%Y%m%dT%H%M%S.%fZ}"
        )
        session = _Session(self._settings, self._clock, Translator(connection, self._settings))
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._enter(session, secret)
            tasks += [asyncio.create_task(session.listen()), asyncio.create_task(session.tick())]
            async with aclosing(session.deliveries()) as deliveries:
                yield deliveries
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()

    async def _enter(self, session: "_Session", secret: str) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                await session.open()
                await session.log_in(secret)
        except TimeoutError as error:
            waited = f"{self._settings.connect_seconds:g} s"
            raise AdapterError(
                f"{session.place} did not answer in {waited}: see host, port and tls, and its manager.conf"
            ) from error
        except OSError as error:
            raise AdapterError(f"{session.place} {_why_not(error)}") from error


class _Session:
    """One connection. `listen` only queues: Asterisk drops a reader who is slow."""

    def __init__(self, settings: Settings, clock: Clock, translator: Translator) -> None:
        self.place = f"Asterisk at {settings.host}:{settings.port}"
        self._settings = settings
        self._clock = clock
        self._translator = translator
        self._arrivals: asyncio.Queue[tuple[bytes | None, datetime]] = asyncio.Queue()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._actions = 0
        self._began = self._next_ping = self._next_list = clock.monotonic()
        self._asked = False

    async def open(self) -> None:
        context = _tls(self._settings) if self._settings.tls else None
        self._reader, self._writer = await asyncio.open_connection(
            self._settings.host, self._settings.port, ssl=context
        )

    def send(self, action: str, **fields: str) -> str:
        """The only way to the socket. Returns the ActionID. Raises `ValueError` for anything not allowed."""
        if action not in ALLOWED:
            raise ValueError(f"this monitor never sends the action {action!r}")
        if any("\r" in value or "\n" in value for value in fields.values()):
            raise ValueError("a line break in a field could smuggle in another action")
        self._actions += 1
        action_id = f"{action.lower()}-{self._actions}"
        lines = [f"Action: {action}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in fields.items())]
        if self._writer and not self._writer.is_closing():
            self._writer.write("\r\n".join([*lines, "", ""]).encode())
        return action_id

    async def log_in(self, secret: str) -> None:
        username = self._settings.username
        if self._settings.challenge:
            answer = await self._answer_to(self.send("Challenge", AuthType="MD5"))
            if "Challenge" not in answer:
                raise AdapterError(f"{self.place} offers no MD5 login; set challenge = false", permanent=True)
            key = hashlib.md5((answer["Challenge"] + secret).encode(), usedforsecurity=False).hexdigest()
            answer = await self._answer_to(self.send("Login", AuthType="MD5", Username=username, Key=key))
        else:
            answer = await self._answer_to(self.send("Login", Username=username, Secret=secret))
        if answer.get("Response") != "Success":
            raise AdapterError(
                f"{self.place} refused the account {username!r}: username or secret is wrong, or the account's "
                "permit/deny list leaves this machine out. See manager.conf there.",
                permanent=True,
            )
        self._began = self._clock.monotonic()

    async def _answer_to(self, action_id: str) -> dict[str, str]:
        """Read until the reply comes. Everything read goes to the translator too, from the banner on."""
        wanted = f"\r\nActionID: {action_id}\r\n".encode()
        heard = b""
        while True:
            piece = await self._read()
            begun = not action_id.endswith("-1") or heard.startswith(_BANNER)
            if not piece and (begun or not heard):
                raise AdapterError(
                    f"{self.place} closed the connection at login: see host, port and tls here, and permit there"
                )
            self._arrivals.put_nowait((piece, self._clock.now()))
            heard += piece
            if not begun and (not piece or len(heard) >= len(_BANNER)) and not heard.startswith(_BANNER):
                raise AdapterError(
                    f"{self.place} answers, but is no Asterisk manager interface: see host, port and tls",
                    permanent=True,
                )
            for block in heard.split(b"\r\n\r\n")[:-1]:
                if wanted in block + b"\r\n":
                    return headers(block[block.find(b"Response:") :])

    async def _read(self) -> bytes:
        if self._reader is None:
            return b""
        try:
            return await self._reader.read(_READ_BYTES)
        except OSError:
            return b""

    async def listen(self) -> None:
        while piece := await self._read():
            self._arrivals.put_nowait((piece, self._clock.now()))
        self._arrivals.put_nowait((None, self._clock.now()))

    async def tick(self) -> None:
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            self._arrivals.put_nowait((b"", self._clock.now()))

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        trouble = ""
        while not trouble:
            piece, at = await self._arrivals.get()
            if piece is None:
                trouble = "closed the connection"
            elif items := tuple(self._translator.feed(piece, at) if piece else self._translator.flush(at)):
                yield Delivery(items=items, received_at=at)
            trouble = trouble or self._ask()
        if items := tuple(self._translator.close(at)):
            yield Delivery(items=items, received_at=at)
        raise AdapterError(f"{self.place} {trouble}")

    def _ask(self) -> str:
        """Who waits: once the switch has started, then now and then. Whether it is there: every ten seconds.

        Gives what is wrong, if it does not answer.
        """
        now = self._clock.monotonic()
        if not self._asked and not self._translator.booted and now - self._began < _BOOT_SECONDS:
            return ""
        if not self._asked or now >= self._next_ping:
            if self._translator.unanswered_pings >= _MISSES:
                return f"has not answered {_MISSES} pings"
            self._next_ping = now + self._settings.ping_seconds
            self._translator.ping_sent(self.send("Ping"), self._clock.now())
        if not self._asked or now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            self.send("QueueStatus")
        self._asked = True
        return ""

    async def close(self) -> None:
        if self._writer is None:
            return
        self.send("Logoff")
        self._writer.close()
        with suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.tls_ca or None)
    except OSError as error:
        why = error.strerror or "it holds no certificate"
        raise AdapterError(f"tls_ca: {settings.tls_ca} cannot be used: {why}", permanent=True) from error


def _why_not(error: OSError) -> str:
    """What stood in the way of a connection, and which setting to look at."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that does not hold ({error.verify_message}): renew it there, or set tls_ca here"
        case ssl.SSLError():
            return f"does not speak TLS on that port ({error.reason}): set tls = false, or port to its TLS port"
        case socket.gaierror():
            return f"cannot be reached: no machine of that name is known ({error.strerror}); see host"
        case ConnectionRefusedError():
            return (
                "cannot be reached: nobody listens there; see host and port here, enabled and bindaddr in manager.conf"
            )
        case _:
            return f"cannot be reached: {error.strerror or error}; see host and port"


def _secret(settings: Settings) -> str:
    if not settings.secret_env:
        return settings.secret
    secret = os.environ.get(settings.secret_env)
    if secret is None:
        raise AdapterError(f"the environment variable {settings.secret_env} is not set", permanent=True)
    return secret


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    return AsteriskAmiAdapter(name, switch, settings, clock)
