"""Recordings of switchboards, played as deliveries in the order in which they were made."""

import codecs
import csv
import gzip
import heapq
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from queue_monitor.events import SourceDisconnected, event_id
from queue_monitor.ports import Delivery, Translator

FLUSH_EVERY: Final = timedelta(seconds=1)
DEFAULT_SWITCH: Final = "switch"


class RecordingError(Exception):
    """Raised for a recording that cannot be played; the message names the file and the reason."""


class Pieces(Protocol):
    """Cuts a recording without a sidecar: `recorded_pieces` of an adapter module."""

    def __call__(self, data: bytes, /) -> Iterator[tuple[bytes, datetime | None]]: ...


class Recording(Struct, frozen=True, kw_only=True):
    """One kind's files, as the successive connections of one source."""

    kind: str
    source: str
    switch: str
    paths: tuple[Path, ...]
    translator: Callable[[str], Translator]
    pieces: Pieces
    dated_by_sender: bool = False


def play(recordings: Iterable[Recording], until: datetime | None = None) -> Iterator[Delivery]:
    """Yield all recordings in one stream, in the order of receipt, up to a time if one is given."""
    merged = heapq.merge(*(_connections(recording) for recording in recordings), key=lambda d: d.received_at)
    yield from merged if until is None else itertools.takewhile(lambda d: d.received_at <= until, merged)


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, unpacked when it is gzip. Raises `RecordingError`."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except EOFError as error:
        raise RecordingError(f"{path}: the gzip file ends too early") from error
    except zlib.error as error:
        raise RecordingError(f"{path}: the gzip file is broken: {error}") from error


def folder_of(path: Path) -> Path:
    """Return the folder of a file to be written. Raises `RecordingError` when there is no such folder."""
    if not path.parent.is_dir():
        raise RecordingError(f"{path}: there is no folder {path.parent}")
    return path.parent


def _connections(recording: Recording) -> Iterator[Delivery]:
    """Yield each file as a connection: its end gives the held events, and a disconnection.

    Events that name a source of their own have their own events of its connections.
    """
    for number, path in enumerate(recording.paths):
        last: datetime | None = None
        is_its_own = False
        for delivery in _connection(recording, path):
            last = delivery.received_at
            is_its_own |= any(item.source == recording.source for item in delivery.items)
            yield delivery
        if last is not None and is_its_own and number + 1 < len(recording.paths):
            lost = SourceDisconnected(
                id=event_id(recording.source, "source.disconnected", path.name, last.isoformat()),
                source=recording.source,
                switch=recording.switch,
                observed_at=last,
                switch_time=last,
                reason=f"end of {path.name}",
            )
            yield Delivery(items=(lost,), received_at=last)


def _connection(recording: Recording, path: Path) -> Iterator[Delivery]:
    translator = recording.translator(path.name)
    flushed: datetime | None = None
    at: datetime | None = None
    for piece, at in _timed_pieces(recording, path):
        items = tuple(translator.feed(piece, at))
        if flushed is None or at - flushed >= FLUSH_EVERY:
            items += tuple(translator.flush(at))
            flushed = at
        if items:
            yield Delivery(items=items, received_at=at, dated_by_sender=recording.dated_by_sender)
    if at is not None:
        items = tuple(translator.close(at))
        yield Delivery(items=items, received_at=at, dated_by_sender=recording.dated_by_sender)


def _timed_pieces(recording: Recording, path: Path) -> Iterator[tuple[bytes, datetime]]:
    """Yield the pieces of one file with the time at which each was received; never backwards."""
    data = read_bytes(path)
    index = _index_of(path)
    if index is not None:
        pieces: Iterator[tuple[bytes, datetime | None]] = (
            (data[offset : offset + length], at) for offset, length, at in _read_index(index)
        )
    else:
        pieces = recording.pieces(_in_utf_8(data))
    head: list[bytes] = []
    at: datetime | None = None
    for piece, told in pieces:
        if told is not None:
            at = told if at is None else max(at, told)
        if at is None:
            head.append(piece)
            continue
        for early in head:
            yield early, at
        head.clear()
        yield piece, at
    if head and any(piece.strip() for piece in head):
        raise RecordingError(
            f"{path}: tells no time of its own and has no {path.name.removesuffix('.gz')}.index.csv beside it"
        )


def _in_utf_8(data: bytes) -> bytes:
    """Return a recording without a byte order mark; one that a program has saved as UTF-16 is in UTF-8 again."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _index_of(path: Path) -> Path | None:
    """Return the sidecar of a raw capture: `ami-01.raw.gz` has `ami-01.index.csv`, gzip or not."""
    name = path.name.removesuffix(".gz")
    stems = (name, name.rpartition(".")[0] or name)
    for stem, ending in itertools.product(stems, (".index.csv", ".index.csv.gz")):
        candidate = path.with_name(stem + ending)
        if candidate.exists() and candidate != path:
            return candidate
    return None


def _read_index(path: Path) -> Iterator[tuple[int, int, datetime]]:
    text = io.StringIO(read_bytes(path).decode("ascii", "replace"))
    for number, row in enumerate(csv.DictReader(text), start=2):
        try:
            at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(float(row["recv_epoch"]) * 1_000_000))
            yield int(row["offset"]), int(row["length"]), at
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"{path}, line {number}: expected offset,length,recv_epoch as numbers") from error


def first_sign(deliveries: Iterator[Delivery]) -> tuple[datetime | None, Iterator[Delivery]]:
    """Return the start of a stream, and the whole stream."""
    first = next(deliveries, None)
    if first is None:
        return None, iter(())
    return first.received_at, itertools.chain((first,), deliveries)
