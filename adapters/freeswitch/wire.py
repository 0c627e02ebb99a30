"""The TCP connection to a FreeSWITCH event socket: log in, listen, ask who waits, notice when nothing comes.

Whoever is let in there may do anything to the switch: there is no account that may only read. So there is one function
that can write to the socket, and it knows the few harmless commands by heart.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Final

from adapters.freeswitch.frames import Cutter, Frame
from adapters.freeswitch.settings import Settings
from adapters.freeswitch.translator import QUEUES, Translator
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery

KIND: Final = "freeswitch"
DEFAULT_PASSWORD: Final = "ClueCon"

ALLOWED: Final = re.compile(
    r"auth \S.*"
    r"|event (plain|json) (CUSTOM callcenter::info|HEARTBEAT)"
    r"|filter Event-Name (CUSTOM|HEARTBEAT)"
    r"|api status"
    r"|api callcenter_config (queue list( (members|agents|tiers) \S.*)?|agent list|tier list)"
    r"|exit"
)
AGENTS: Final = "api callcenter_config agent list"
TIERS: Final = "api callcenter_config tier list"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_READ_BYTES: Final = 64 * 1024
_TICK_SECONDS: Final = 1.0
_HEARTBEATS: Final = 2.5


class FreeswitchAdapter:
    """One FreeSWITCH's event socket, live."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
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
                await session.log_in(password)
        except TimeoutError as error:
            raise AdapterError(f"{session.place} did not answer in {self._settings.connect_seconds:g} s") from error
        except OSError as error:
            raise AdapterError(f"{session.place} cannot be reached: {error.strerror or error}") from error


class _Session:
    """One connection. `listen` only queues: FreeSWITCH cuts off a reader who falls 100 000 events behind."""

    def __init__(self, settings: Settings, clock: Clock, translator: Translator) -> None:
        self.place = f"FreeSWITCH at {settings.host}:{settings.port}"
        self._settings = settings
        self._clock = clock
        self._translator = translator
        self._arrivals: asyncio.Queue[tuple[bytes | None, datetime]] = asyncio.Queue()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._cutter = Cutter()
        self._heard = self._asked = self._next_list = self._next_tiers = clock.monotonic()

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._settings.host, self._settings.port)

    def send(self, command: str) -> None:
        """The only way to the socket. Raises `ValueError` for anything not allowed."""
        if _CONTROL.search(command):
            raise ValueError("a line break in a command could smuggle in another")
        if not ALLOWED.fullmatch(command):
            raise ValueError(f"this monitor never sends the command {command.partition(' ')[0]!r} like that")
        if command.startswith("api "):
            self._asked = self._clock.monotonic()
            self._translator.asked(command, self._clock.now())
        if self._writer and not self._writer.is_closing():
            self._writer.write(command.encode() + b"\n\n")

    async def log_in(self, password: str) -> None:
        greeting = await self._next_frame()
        if greeting.kind == "text/rude-rejection":
            raise AdapterError(
                f"{self.place} lets nobody in from this machine. See apply-inbound-acl in event_socket.conf.xml there.",
                permanent=True,
            )
        if greeting.kind != "auth/request":
            raise AdapterError(f"{self.place} answers, but is no FreeSWITCH event socket", permanent=True)
        self.send(f"auth {password}")
        reply = await self._next_frame()
        if not reply.headers.get("Reply-Text", "").startswith("+OK"):
            raise AdapterError(
                f"{self.place} refused the password. See event_socket.conf.xml there.",
                permanent=True,
            )
        self.send("api status")
        # Two commands: whatever follows CUSTOM in one is taken for another custom event.
        self.send(f"event {self._settings.format} CUSTOM callcenter::info")
        self.send(f"event {self._settings.format} HEARTBEAT")

    async def _next_frame(self) -> Frame:
        """Read until the next frame. Everything read goes to the translator too."""
        while True:
            piece = await self._read()
            if not piece:
                raise AdapterError(f"{self.place} closed the connection at login")
            self._arrivals.put_nowait((piece, self._clock.now()))
            for found in self._cutter.cut(piece):
                if isinstance(found, Frame):
                    return found
                raise AdapterError(f"{self.place} answers, but is no FreeSWITCH event socket", permanent=True)

    async def _read(self) -> bytes:
        if self._reader is None:
            return b""
        try:
            return await self._reader.read(_READ_BYTES)
        except OSError:
            return b""

    async def listen(self) -> None:
        while piece := await self._read():
            self._heard = self._clock.monotonic()
            self._arrivals.put_nowait((piece, self._clock.now()))
        self._arrivals.put_nowait((None, self._clock.now()))

    async def tick(self) -> None:
        while True:
            await self._clock.sleep(min(_TICK_SECONDS, self._settings.heartbeat_seconds))
            self._arrivals.put_nowait((b"", self._clock.now()))

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        self._heard = self._clock.monotonic()
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
        """Who answers what, who waits: at once, then now and then. Gives what is wrong if nothing is heard any more."""
        now, patience = self._clock.monotonic(), _HEARTBEATS * self._settings.heartbeat_seconds
        if now - self._heard > patience:
            return f"has been silent for {patience:g} s"
        for command in self._translator.questions():
            # A name that the command cannot carry is left to the events.
            with suppress(ValueError):
                self.send(command)
        if self._translator.unanswered:
            return f"has not answered for {patience:g} s" if now - self._asked > patience else ""
        if now >= self._next_tiers:
            self._next_tiers = now + self._settings.tier_seconds
            self.send(AGENTS)
            self.send(TIERS)
        if now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            self.send(QUEUES)
        return ""

    async def close(self) -> None:
        if self._writer is None:
            return
        self.send("exit")
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def _password(settings: Settings) -> str:
    password = os.environ.get(settings.password_env) if settings.password_env else settings.password
    if password is None:
        raise AdapterError(f"the environment variable {settings.password_env} is not set", permanent=True)
    if password == DEFAULT_PASSWORD:
        raise AdapterError(
            f"the password {DEFAULT_PASSWORD} is what every FreeSWITCH ships with, and whoever knows it may do "
            "anything to the switch. Set another in event_socket.conf.xml there, and here.",
            permanent=True,
        )
    if not password.strip() or _CONTROL.search(password):
        raise AdapterError("the event socket needs a password: set password or password_env", permanent=True)
    return password


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    return FreeswitchAdapter(name, switch, settings, clock)
