"""One session with a switch over TCP: connect, log in, listen, ask, deliver, close.

What is the same for every switch stands here. What is said there is an adapter's dialogue: it logs in, turns what it
hears into events, asks who waits and whether the switch is still there, and says goodbye.
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
"""So much of what a switch says waits here; then nothing is read, and the switch has to wait. Nothing is dropped."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a switch listens. `name` is what people call it; `opened_by` says where it is opened on the other side."""

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
    """A connection. Whatever is read is kept for the translator, with the moment at which it came. `heard_at` is when
    the last piece came, in the clock's monotonic seconds; `is_behind`: a switch says more than we take in, so that what
    it has answered may not have been read yet.
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
        """Raises `OSError`, and `AdapterError` where the certificates to trust cannot be read."""
        context = _trusting(self.place.tls_ca) if self.place.tls else None
        self._reader, self._writer = await asyncio.open_connection(self.place.host, self.place.port, ssl=context)

    def write(self, message: bytes) -> None:
        """Only a dialogue's own `send` may call this: it knows what may be said to the switch."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(message)

    async def read(self) -> bytes:
        """The next piece, for a dialogue that waits for an answer; empty at the end of the connection."""
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
        """Queue what comes, whatever the dialogue is doing: switches cut off a reader who is slow. As long as too much
        waits, nothing is read.
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
            if self._arrivals.empty():  # whatever waits lets time pass as well
                self._arrivals.put_nowait((b"", self._clock.now()))

    async def arrival(self) -> tuple[bytes | None, datetime]:
        """A piece and when it came; an empty one as time passes, and None at the end of the connection."""
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
    """What is said to one kind of switch over one line. Its translator is given all that is heard there."""

    @property
    def translator(self) -> Translator: ...

    async def log_in(self) -> None:
        """Raises `AdapterError` when the switch does not let us in."""

    def ask(self) -> str:
        """Send the questions that are due. Gives what is wrong with the switch, if it does not answer."""

    def say_goodbye(self) -> None: ...


class SwitchAdapter:
    """One switch, live. `dialogue` begins a new one on each line, at the moment it is given; it raises `AdapterError`
    where a setting is missing.
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
    """Ask nothing: that somebody listens is all that is wanted."""
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
    """A secret as it stands in the settings, or in the environment variable that they name. Raises `AdapterError`."""
    if not variable:
        return written
    secret = os.environ.get(variable)
    if secret is None:
        raise AdapterError(f"the environment variable {variable} is not set", permanent=True)
    return secret


def epoch_of(began: datetime) -> str:
    """What tells one connection to a switch from another."""
    return f"{began:%Y%m%dT%H%M%S.%fZ}"


def _trusting(tls_ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls_ca or None)
    except OSError as error:
        why = error.strerror or "it holds no certificate"
        raise AdapterError(f"tls_ca: {tls_ca} cannot be used: {why}", permanent=True) from error


def _why_not(error: OSError, opened_by: str) -> str:
    """What stood in the way of a connection, and which setting to look at."""
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
