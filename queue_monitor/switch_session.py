"""One session with a switch over TCP: connect, log in, read, ask, deliver, close.

This module holds the part that is the same for every switch. An adapter's dialogue holds its own: it logs in, turns
what it reads into events, asks who waits and whether the switch is still there, and says goodbye.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

from queue_monitor.ports import AdapterError, Clock, Delivery, Reach, Translator

_READ_BYTES: Final = 64 * 1024

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""The most bytes that wait here. Beyond it nothing is read, so that the switch has to wait; nothing is dropped."""


class Place(Struct, frozen=True, kw_only=True):
    """The address of a switch. `name` is its name for people; `opened_by` says where the port is opened there."""

    name: str
    host: str
    port: int
    tls: bool = False
    tls_ca: str = ""
    connect_seconds: float = 10.0
    tick_seconds: float = 1.0
    opened_by: str = ""

    def __str__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}"


class Line:
    """One connection. All that is read is kept for the translator, with its time of arrival.

    `heard_at`: when the last piece came, in the clock's monotonic seconds.
    `is_behind`: the switch sends more than we take in, so its answer may not have been read yet.
    """

    def __init__(self, place: Place, clock: Clock) -> None:
        self.place = place
        self.heard_at = clock.monotonic()
        self.is_behind = False
        self._clock = clock
        self._waiting_bytes = 0
        self._has_room = asyncio.Event()
        self._arrivals: asyncio.Queue[tuple[bytes | None, datetime]] = asyncio.Queue()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Open the connection. Raises `OSError`, and `AdapterError` where the trusted certificates cannot be read."""
        context = _trusting(self.place.tls_ca) if self.place.tls else None
        self._reader, self._writer = await asyncio.open_connection(self.place.host, self.place.port, ssl=context)

    def write(self, message: bytes) -> None:
        """Write bytes. Only a dialogue's own `send` may call this: it knows what the switch may be sent."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(message)

    async def read(self) -> bytes:
        """Return the next piece, for a dialogue that waits for an answer; empty at the end of the connection."""
        piece = await self._read()
        if piece:
            self.heard_at = self._clock.monotonic()
            self._waiting_bytes += len(piece)
            self._arrivals.put_nowait((piece, self._clock.now()))
        return piece

    async def _read(self) -> bytes:
        if self._reader is None:
            return b""
        try:
            return await self._reader.read(_READ_BYTES)
        except OSError:
            return b""

    async def listen(self) -> None:
        """Queue arriving bytes, whatever the dialogue is doing: switches cut off a slow reader.

        While too much waits, nothing is read.
        """
        while await self.read():
            if self._waiting_bytes >= MAX_WAITING_BYTES:
                self.is_behind = True
                self._has_room.clear()
                await self._has_room.wait()
        self._arrivals.put_nowait((None, self._clock.now()))

    async def tick(self) -> None:
        while True:
            await self._clock.sleep(self.place.tick_seconds)
            if self._arrivals.empty():  # a piece that waits lets time pass as well
                self._arrivals.put_nowait((b"", self._clock.now()))

    async def arrival(self) -> tuple[bytes | None, datetime]:
        """Return a piece and its time; an empty one as time passes, and None at the end of the connection."""
        piece, at = await self._arrivals.get()
        if piece:
            self._waiting_bytes -= len(piece)
            if self._waiting_bytes < MAX_WAITING_BYTES // 2:
                self._has_room.set()
        else:
            self.is_behind = False
        return piece, at

    async def close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        with suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


class Dialogue(Protocol):
    """The conversation with one kind of switch over one line. Its translator gets all that is received there."""

    @property
    def translator(self) -> Translator: ...

    async def log_in(self) -> None:
        """Log in. Raises `AdapterError` when the switch refuses."""

    def ask(self) -> str:
        """Send the questions that are due. Returns the trouble in words if the switch does not answer, else ""."""

    def say_goodbye(self) -> None: ...


class SwitchAdapter:
    """One live switch. `dialogue` begins a new conversation on each line.

    It takes the line and the time, and raises `AdapterError` where a setting is missing.
    """

    def __init__(self, name: str, place: Place, clock: Clock, dialogue: Callable[[Line, datetime], Dialogue]) -> None:
        self.name = name
        self._place = place
        self._clock = clock
        self._dialogue = dialogue

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        line = Line(self._place, self._clock)
        dialogue = self._dialogue(line, self._clock.now())
        tasks: list[asyncio.Task[None]] = []
        try:
            await _enter(self._place, line, dialogue.log_in)
            tasks += [asyncio.create_task(line.listen()), asyncio.create_task(line.tick())]
            async with aclosing(_deliveries(dialogue, line)) as deliveries:
                yield deliveries
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            dialogue.say_goodbye()
            await line.close()


async def reached(place: Place, clock: Clock, ask: Callable[[Line], Awaitable[Reach]]) -> Reach:
    """Open a line, ask over it, and close it again. Raises `AdapterError` as a connection does."""
    line = Line(place, clock)
    found = Reach(logged_in=False)

    async def enter() -> None:
        nonlocal found
        found = await ask(line)

    try:
        await _enter(place, line, enter)
        return found
    finally:
        await line.close()


async def only_opened(line: Line) -> Reach:
    """Ask nothing, because an accepted connection is all that is tested."""
    return Reach(logged_in=False)


async def _enter(place: Place, line: Line, log_in: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(place.connect_seconds):
            await line.open()
            await log_in()
    except TimeoutError as error:
        there = f", and {place.opened_by} there" if place.opened_by else ""
        raise AdapterError(
            f"{place} did not answer in {place.connect_seconds:g} s: see host and port here{there}"
        ) from error
    except OSError as error:
        raise AdapterError(f"{place} {_why_not(error, place.opened_by)}") from error


async def _deliveries(dialogue: Dialogue, line: Line) -> AsyncGenerator[Delivery, None]:
    translator, trouble = dialogue.translator, ""
    while not trouble:
        piece, at = await line.arrival()
        if piece is None:
            trouble = "closed the connection"
        elif items := tuple(translator.feed(piece, at) if piece else translator.flush(at)):
            yield Delivery(items=items, received_at=at)
        if not line.is_behind:
            trouble = trouble or dialogue.ask()
    if items := tuple(translator.close(at)):
        yield Delivery(items=items, received_at=at)
    raise AdapterError(f"{line.place} {trouble}")


def secret_of(written: str, variable: str) -> str:
    """Return a secret from the settings, or from the environment variable that they name. Raises `AdapterError`."""
    if not variable:
        return written
    secret = os.environ.get(variable)
    if secret is None:
        raise AdapterError(f"the environment variable {variable} is not set", permanent=True)
    return secret


def epoch_of(began: datetime) -> str:
    """Return the id that separates one connection to a switch from another."""
    return f"{began:%Y%m%dT%H%M%S.%fZ}"


def _trusting(tls_ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls_ca or None)
    except OSError as error:
        why = error.strerror or "it holds no certificate"
        raise AdapterError(f"tls_ca: {tls_ca} cannot be used: {why}", permanent=True) from error


def _why_not(error: OSError, opened_by: str) -> str:
    """Return the reason why a connection failed, and the setting to check."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that does not hold ({error.verify_message}): renew it there, or set tls_ca here"
        case ssl.SSLError():
            return f"does not speak TLS on that port ({error.reason}): set tls = false, or port to its TLS port"
        case socket.gaierror():
            return f"cannot be reached: no machine of that name is known ({error.strerror}); see host"
        case ConnectionRefusedError():
            here = "cannot be reached: nobody listens there; see host and port here"
            return f"{here}, {opened_by} there" if opened_by else here
        case _:
            return f"cannot be reached: {error.strerror or error}; see host and port"
