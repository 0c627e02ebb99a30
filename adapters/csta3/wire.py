"""The TCP connection to a CSTA exchange: start a session, monitor, ask who waits, keep the session alive.

CSTA can clear, divert and make calls. So there is one function that can write to the socket, and it knows the few
requests by name that only listen.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from adapters.csta3.frames import EVENT, Cutter, Fault, framed
from adapters.csta3.messages import NAMESPACE, name, read, request, text, whole, written
from adapters.csta3.settings import Settings
from adapters.csta3.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery

KIND: Final = "csta3"

ALLOWED: Final = frozenset(
    (
        *("StartApplicationSession", "ResetApplicationSessionTimer", "StopApplicationSession"),
        *("MonitorStart", "SnapshotDevice", "RequestSystemStatus", "SystemStatusResponse"),
    )
)
APPLICATION: Final = "queue-monitor"
_READ_BYTES: Final = 64 * 1024
_TICK_SECONDS: Final = 1.0
_MISSES: Final = 2
_SHORTEST_SESSION: Final = 2
_WRONG_FOR_GOOD: Final = ("invalid", "privilege", "notsupported", "not supported", "security")


class Csta3Adapter:
    """One exchange's CSTA link, live."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        if not self._settings.pilots:
            raise AdapterError("no queue is named: pilots = { device = queue name }", permanent=True)
        password = _password(self._settings)
        began = self._clock.now()
        connection = Connection(
            source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=f"{began:%Y%m%dT%H%M%S.%fZ}"
        )
        session = _Session(self._settings, self._clock, Translator(connection, self._settings))
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._enter(session, password)
            tasks += [asyncio.create_task(session.listen()), asyncio.create_task(session.tick())]
            async with aclosing(session.deliveries()) as deliveries:
                yield deliveries
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()

    async def _enter(self, session: "_Session", password: str) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                await session.open()
                await session.start(password)
        except TimeoutError as error:
            raise AdapterError(f"{session.place} did not answer in {self._settings.connect_seconds:g} s") from error
        except OSError as error:
            raise AdapterError(f"{session.place} cannot be reached: {error.strerror or error}") from error


class _Session:
    """One connection. What is read at the beginning goes to the translator too: events come from the first monitor."""

    def __init__(self, settings: Settings, clock: Clock, translator: Translator) -> None:
        self.place = f"the CSTA link at {settings.host}:{settings.port}"
        self._settings = settings
        self._clock = clock
        self._translator = translator
        self._arrivals: asyncio.Queue[tuple[bytes | None, datetime]] = asyncio.Queue()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._cutter = Cutter()
        self._answers: dict[int, Element] = {}
        self._invoke = 0
        self._id = ""
        self._seconds = settings.session_seconds
        self._next_reset = self._next_status = self._next_list = clock.monotonic()

    async def open(self) -> None:
        context = ssl.create_default_context(cafile=self._settings.tls_ca or None) if self._settings.tls else None
        self._reader, self._writer = await asyncio.open_connection(
            self._settings.host, self._settings.port, ssl=context
        )

    def send(self, root: Element, invoke: int | None = None, device: str = "") -> int:
        """The only way to the socket. Returns the invoke id. Raises `ValueError` for anything not allowed."""
        kind = name(root)
        if kind not in ALLOWED:
            raise ValueError(f"this monitor never sends {kind!r}")
        if invoke is None:
            invoke = self._invoke = (self._invoke + 1) % EVENT
            self._translator.asked(invoke, kind, device, self._clock.now())
        if self._writer and not self._writer.is_closing():
            self._writer.write(framed(invoke, written(root)))
        return invoke

    async def start(self, password: str) -> None:
        if self._settings.session_seconds:
            await self._start_session(password)
        for device in (*self._settings.pilots, *self._settings.agent_names):
            told = await self._answer_to(self.send(self._request("MonitorStart", monitorObject__deviceObject=device)))
            if name(told) != "MonitorStartResponse":
                raise self._refused(told, f"cannot monitor the device {device}")
        now = self._clock.monotonic()
        self._next_reset = now + self._seconds / 2
        self._next_status = now + self._settings.heartbeat_seconds

    async def _start_session(self, password: str) -> None:
        login = {}
        if self._settings.username:
            login = {
                "applicationInfo__applicationSpecificInfo__userName": self._settings.username,
                "applicationInfo__applicationSpecificInfo__password": password,
            }
        told = await self._answer_to(
            self.send(
                self._request(
                    "StartApplicationSession",
                    applicationInfo__applicationID=APPLICATION,
                    **login,
                    requestedProtocolVersions__protocolVersion=NAMESPACE + self._settings.edition,
                    requestedSessionDuration=str(self._settings.session_seconds),
                )
            )
        )
        if name(told) != "StartApplicationSessionPosResponse":
            raise self._refused(told, "refused the session")
        self._id = text(told, "sessionID")
        # What the exchange grants counts, not what was asked for; something must be left to prolong it in.
        self._seconds = max(whole(told, "actualSessionDuration") or self._seconds, _SHORTEST_SESSION)

    def _request(self, kind: str, **parts: str) -> Element:
        return request(kind, self._settings.edition, **parts)

    def _refused(self, told: Element, what: str) -> AdapterError:
        """The exchange's own word for it is a fixed one of the standard's, and no number of anybody's."""
        words = [(one.text or "").strip() for one in told.iter() if (one.text or "").strip()]
        why = words[0][:60] if words else name(told)[:60]
        hopeless = any(word in why.casefold() for word in _WRONG_FOR_GOOD)
        return AdapterError(f"{self.place} {what}: {why}", permanent=hopeless)

    async def _answer_to(self, invoke: int) -> Element:
        while invoke not in self._answers:
            piece = await self._read()
            if not piece:
                raise AdapterError(f"{self.place} closed the connection at the beginning")
            self._arrivals.put_nowait((piece, self._clock.now()))
            for found in self._cutter.cut(piece):
                if isinstance(found, Fault):
                    raise AdapterError(f"{self.place} answers, but speaks no CSTA III in XML", permanent=True)
                root = read(found.content)
                if found.invoke != EVENT and not isinstance(root, str) and name(root) != "SystemStatus":
                    self._answers[found.invoke] = root
        return self._answers.pop(invoke)

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
            await self._clock.sleep(min(_TICK_SECONDS, self._settings.heartbeat_seconds))
            self._arrivals.put_nowait((b"", self._clock.now()))

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        trouble = ""
        while not trouble:
            piece, at = await self._arrivals.get()
            if piece is None:
                trouble = "closed the connection"
            elif items := tuple(self._translator.feed(piece, at) if piece else self._translator.flush(at)):
                yield Delivery(items=items, received_at=at)
            trouble = trouble or self._translator.trouble or self._ask()
        if items := tuple(self._translator.close(at)):
            yield Delivery(items=items, received_at=at)
        raise AdapterError(f"{self.place} {trouble}")

    def _ask(self) -> str:
        """Who waits, whether it is there, that the session goes on. Gives what is wrong, if it does not answer.

        Exchanges have been known to drop their monitors in silence, so the silence itself is asked about.
        """
        now = self._clock.monotonic()
        replies, self._translator.replies = self._translator.replies, []
        for invoke in replies:
            self.send(self._request("SystemStatusResponse"), invoke)
        if now >= self._next_status:
            if self._translator.unanswered("RequestSystemStatus") >= _MISSES:
                return f"has not answered {_MISSES} requests for its status"
            self._next_status = now + self._settings.heartbeat_seconds
            self.send(self._request("RequestSystemStatus"))
        if self._id and now >= self._next_reset:
            self._next_reset = now + self._seconds / 2
            duration = str(self._settings.session_seconds)
            self.send(
                self._request("ResetApplicationSessionTimer", sessionID=self._id, requestedSessionDuration=duration)
            )
        if now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            for device in self._settings.pilots:
                self.send(self._request("SnapshotDevice", snapshotObject=device), device=device)
        return ""

    async def close(self) -> None:
        if self._writer is None:
            return
        if self._id:
            self.send(self._request("StopApplicationSession", sessionID=self._id))
        self._writer.close()
        with suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


def _password(settings: Settings) -> str:
    if not settings.password_env:
        return settings.password
    password = os.environ.get(settings.password_env)
    if password is None:
        raise AdapterError(f"the environment variable {settings.password_env} is not set", permanent=True)
    return password


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    return Csta3Adapter(name, switch, settings, clock)
