"""The adapter that replays recorded events: one CloudEvents JSON object a line, compressed with gzip or not.

Format: `queue_monitor.events`, CloudEvents 1.0 structured JSON, UTF-8, lines ended by LF or CRLF. Such files come from
`queue-monitor translate`, `queue-monitor simulate`, an export of the journal or anybody's own tool. An event keeps the
id, source, switch and times that it was recorded with, so a file played twice counts once. The recordings in
tests/recordings/replay were written with the simulator of `queue_monitor.simulation`.
"""

import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from msgspec import Meta, Struct

from queue_monitor import events
from queue_monitor.events import Event, InvalidEvent
from queue_monitor.line_cutter import LineCutter
from queue_monitor.ports import (
    About,
    Adapter,
    AdapterError,
    Clock,
    Connection,
    Delivery,
    Reach,
    Rejected,
    Signal,
    Stability,
)

MAX_LINE_BYTES: Final = 1 << 20
"""The longest line, in bytes. A snapshot of a thousand waiting callers is about 200 kB; a longer line is not ours."""

SLOWEST: Final = 0.001
"""The slowest speed: a second of the recording takes a quarter of an hour."""

DATED_BY_SENDER: Final = True
"""The times of its events are a sender's word."""

_CHUNK_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f"
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recording. `path`: the file. `speed`: 0 = as fast as it goes, 1 = as it happened, 60 = an hour a minute."""

    path: str
    speed: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0

    def __post_init__(self) -> None:
        if self.speed < 0 or 0 < self.speed < SLOWEST:
            raise ValueError(f"a speed of 0, or of {SLOWEST} or more, not {self.speed}")


EXAMPLE: Final[Mapping[str, object]] = {"path": "/var/lib/queue-monitor/day.jsonl.gz"}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads="a file of our own events (JSON lines, gzip or not), at any speed: a demo, a test, an import",
    tested="files written by the simulator, and bad ones",
    cannot_say="nothing: what is in the file is what is told",
    signals=dict.fromkeys(Signal, Stability.STABLE),
    passes_on=True,
)


class Translator:
    """Turns lines, however cut, into their events; bytes that begin as gzip are unpacked on the way."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._source = connection.source
        self._unpack: _Gunzip | None = None
        self._begun = False
        self._cutter = LineCutter(MAX_LINE_BYTES)
        self._line = 0

    def feed(self, raw: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        if raw and not self._begun:
            self._begun = True
            self._unpack = _Gunzip() if raw.startswith(_GZIP) else None
        if self._unpack is None:
            yield from self._lines(raw)
            return
        try:
            for plain in self._unpack.feed(raw):
                yield from self._lines(plain)
        except zlib.error:
            yield self._rejected("bad_gzip", "cannot be unpacked from here on")
            self._unpack.stop()

    def flush(self, now: datetime) -> Iterator[Event | Rejected]:
        return iter(())

    def close(self, now: datetime) -> Iterator[Event | Rejected]:
        """Read the last line, although no newline follows it."""
        if self._cutter.is_amid:
            yield from self._finish(self._cutter.end())
        if self._unpack and not self._unpack.complete:
            yield self._rejected("bad_gzip", "the file ends too early")

    def _lines(self, raw: bytes) -> Iterator[Event | Rejected]:
        for line in self._cutter.feed(raw):
            yield from self._finish(line)

    def _finish(self, line: bytes | None) -> Iterator[Event | Rejected]:
        self._line += 1
        if line is None:
            yield self._rejected("line_too_long", f"longer than {MAX_LINE_BYTES} bytes")
        elif line:
            yield self._decoded(line)

    def _decoded(self, line: bytes) -> Event | Rejected:
        try:
            return events.decode(line)
        except InvalidEvent as error:
            words = f"line {max(1, self._line)}: " + _QUOTED.sub("'…'", str(error))
            where = {"field": error.field, "kind": error.kind}
            return Rejected(source=self._source, reason="invalid_event", detail=words, length=error.length, **where)

    def _rejected(self, reason: str, detail: str) -> Rejected:
        return Rejected(source=self._source, reason=reason, detail=f"line {max(1, self._line)}: {detail}", kind="text")


class _Gunzip:
    """Unpacks gzip bytes piece by piece, also several members in a row, and holds at most one chunk in memory."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._stopped = False

    def feed(self, raw: bytes) -> Iterator[bytes]:
        while raw and not self._stopped:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            # At a member's end CPython may hold the same rest in unconsumed_tail too: only unused_data is right then.
            while plain := self._member.decompress(raw, _CHUNK_BYTES):
                yield plain
                if self._member.eof:
                    break
                raw = self._member.unconsumed_tail
            raw = self._member.unused_data

    def stop(self) -> None:
        self._stopped = True

    @property
    def complete(self) -> bool:
        return self._member.eof or self._stopped


class ReplayAdapter:
    """Plays one file, once. Its end is a permanent error, because connecting again would play it again."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._connection = Connection(source=f"urn:kc:replay:{name}", switch=switch)
        self._settings = settings
        self._clock = clock

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        with _opened(self._settings.path) as file:
            yield self._deliveries(file)

    async def _deliveries(self, file: BinaryIO) -> AsyncIterator[Delivery]:
        pace = _Pace(self._clock, self._settings.speed)
        for items in self._batches(file):
            async for batch in pace.batches(items):
                yield Delivery(items=batch, received_at=self._clock.now(), dated_by_sender=True)
        raise AdapterError(f"the recording {self._settings.path} has been played to its end", permanent=True)

    def _batches(self, file: BinaryIO) -> Iterator[tuple[Event | Rejected, ...]]:
        translator = Translator(self._connection, self._settings)
        try:
            while raw := file.read(_CHUNK_BYTES):
                yield tuple(translator.feed(raw, self._clock.now()))
        except OSError as error:
            raise AdapterError(f"{self._settings.path}: {error.strerror}") from error
        yield tuple(translator.close(self._clock.now()))


class _Pace:
    """Lets events through as far apart as they were recorded, divided by `speed`; 0 lets them through at once."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._first: datetime | None = None
        self._began = clock.now()

    async def batches(self, items: tuple[Event | Rejected, ...]) -> AsyncIterator[tuple[Event | Rejected, ...]]:
        due: list[Event | Rejected] = []
        for item in items:
            if (ahead := self._seconds_ahead(item)) > 0:
                if due:
                    yield tuple(due)
                    due = []
                    ahead = self._seconds_ahead(item)
                if ahead > 0:
                    await self._clock.sleep(ahead)
            due.append(item)
        if due:
            yield tuple(due)

    def _seconds_ahead(self, item: Event | Rejected) -> float:
        if self._speed == 0 or isinstance(item, Rejected):
            return 0.0
        self._first = self._first or item.at
        since_first: timedelta = (item.at - self._first) / self._speed
        return (self._began + since_first - self._clock.now()).total_seconds()


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise AdapterError(f"cannot read the recording {path}: {error.strerror}", permanent=True) from error


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """Return the adapter for `kind = "replay"`."""
    return ReplayAdapter(name, switch, settings, clock)


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Check that the file can be read. Raises `AdapterError`."""
    _opened(settings.path).close()
    return Reach()


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into its lines, unpacked, each with its event's time, or None where the line is no event."""
    try:
        plain = b"".join(_Gunzip().feed(data)) if data.startswith(_GZIP) else data
    except zlib.error:
        yield data, None
        return
    for line in plain.splitlines(keepends=True):
        try:
            yield line, events.decode(line).at
        except InvalidEvent:
            yield line, None
