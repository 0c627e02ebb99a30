"""Reads queue_log files in a process of its own, so that understanding lines and counting calls go on side by side.

As a program it gets the wanted files on its standard input, and writes what it has read in frames: their length in four
bytes, then msgpack. It reads on while frames wait to be written, up to `AHEAD` of them. Nothing of it is kept on disk.
It ends when whoever started it does, and takes no notice of Ctrl-C, which is for them both.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from adapters.asterisk_queuelog import Settings
from queue_monitor.events import AnyEvent
from queue_monitor.importing.queue_log import QueueLogs
from queue_monitor.importing.reading import Piece
from queue_monitor.importing.refusals import Refusals, RefusedLine
from queue_monitor.model import ImportedFile
from queue_monitor.replay.recording import RecordingError
from queue_monitor.whole_output import whole_output

APART_FROM: Final = 16 * 1024 * 1024
"""The size of the files from which a process of their own is worth its start."""

AHEAD: Final = 8
"""The number of frames, of some 1 MB each, that may wait to be written: more than one delivery to the store takes."""

_LENGTH: Final = 4


class _Asked(Struct, frozen=True, kw_only=True):
    name: str
    paths: list[str]
    settings: Settings
    zone: str


class _Read(Struct, frozen=True, kw_only=True, tag="read"):
    events: list[AnyEvent]
    done: int
    total: int
    to_veil: list[int]
    place: str


class _Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    files: tuple[ImportedFile, ...]
    counts: list[tuple[str, str, int]]
    listed: list[RefusedLine]
    notes: list[str]


class _Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    words: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Read | _Ended | _Failed)


def is_worth_it(reading: QueueLogs) -> bool:
    """Return whether a machine and these files gain from a process of their own."""
    return (os.cpu_count() or 1) > 1 and reading.size >= APART_FROM


class ReadApart:
    """The same files as a `QueueLogs`, read by a process of their own."""

    def __init__(self, inner: QueueLogs, settings: Settings, zone: ZoneInfo) -> None:
        self.name, self.kind, self.mapping = inner.name, inner.kind, inner.mapping
        self.tells_talk, self.ends_are_told = inner.tells_talk, inner.ends_are_told
        self.is_checked = inner.is_checked
        self.refusals, self.notes, self.files = inner.refusals, inner.notes, inner.files
        paths = [str(path) for path in inner.paths]
        self._asked = _Asked(name=inner.name, paths=paths, settings=settings, zone=zone.key)

    def pieces(self) -> Iterator[Piece]:
        """Yield events in the order of the files. Raises `RecordingError`, also where the process is stopped."""
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import program; program()"
        command = [sys.executable, "-c", program]  # it finds the same code, whatever the folder it is started in
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            try:
                with suppress(BrokenPipeError):  # it has ended, as its missing answer will tell
                    process.stdin.write(msgspec.json.encode(self._asked))
                    process.stdin.close()
                yield from self._understood(process.stdout)
            finally:
                process.kill()

    def _understood(self, frames: IO[bytes]) -> Iterator[Piece]:
        place = "the beginning"
        while True:
            length = int.from_bytes(frames.read(_LENGTH), "little")
            frame = _decoder.decode(body) if length and len(body := frames.read(length)) == length else None
            if isinstance(frame, _Read):
                place = frame.place
                yield Piece(list(frame.events), frame.done, frame.total, frame.to_veil)
            elif isinstance(frame, _Ended):
                self.files, self.notes, self.refusals = frame.files, frame.notes, Refusals()
                self.refusals.counts = Counter({(file, reason): count for file, reason, count in frame.counts})
                self.refusals.listed = frame.listed
                return
            else:
                words = f"the process that reads the files was stopped after {place}; run the same command again"
                raise RecordingError(frame.words if frame else words)


def main(asked: bytes, out: IO[bytes]) -> None:
    """Read the files that are asked for, and write the frames."""
    frames = Queue[bytes | None](AHEAD)
    writing = Thread(target=_write, args=(frames, out), daemon=True)
    writing.start()
    for frame in _frames(msgspec.json.decode(asked, type=_Asked)):
        frames.put(_encoder.encode(frame))
    frames.put(None)
    writing.join()


def _write(frames: Queue[bytes | None], out: IO[bytes]) -> None:
    """Write frames until there is none, or until whoever asked has gone: then nobody needs this process."""
    try:
        while (body := frames.get()) is not None:
            out.write(len(body).to_bytes(_LENGTH, "little"))
            out.write(body)
            out.flush()
    except OSError:
        os._exit(1)


def _frames(wanted: _Asked) -> Iterator[_Read | _Ended | _Failed]:
    try:
        reading = QueueLogs(wanted.name, [Path(path) for path in wanted.paths], wanted.settings, ZoneInfo(wanted.zone))
        for piece in reading.pieces():
            events: list[Any] = piece.events
            to_veil = list(piece.to_veil)
            yield _Read(events=events, done=piece.done, total=piece.total, to_veil=to_veil, place=reading.place)
    except RecordingError as error:
        yield _Failed(words=str(error))
        return
    counts = [(file, reason, count) for (file, reason), count in reading.refusals.counts.items()]
    yield _Ended(files=reading.files, counts=counts, listed=reading.refusals.listed, notes=reading.notes)


def program() -> None:
    """Read what standard input asks for, until it is done or nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with whole_output() as out:
        main(sys.stdin.buffer.read(), out)
