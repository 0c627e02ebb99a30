"""Follows the queue_log file as Asterisk writes it, renames it and begins a new one."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from adapters.asterisk_queuelog.rotated import (
    Place,
    Rotated,
    after_a_gap,
    is_at,
    mark_before,
    opened,
    rotated,
    second_of,
)
from adapters.asterisk_queuelog.settings import Settings
from adapters.asterisk_queuelog.translator import Translator
from queue_monitor.events import SourceGap, TimeBasis, event_id
from queue_monitor.ports import Adapter, AdapterError, CallerNames, Clock, Connection, Delivery, Reach, Receipt

KIND: Final = "asterisk_queuelog"
log = logging.getLogger(__name__)

_CONTEXT_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 32 * 1024
"""The part of the log that is read, understood and taken at once: some 450 lines, which take some hundredths of a
second.
"""

_NOWHERE: Final = "what we had read is in none of its files"
_MISSING: Final = "one of the files that came after what we had read is gone or cannot be read"
_IS_IT_ON: Final = "is queue_log = yes in logger.conf?"
_WHO_MAY: Final = (
    "the monitor's user must be in the group that may (with SupplementaryGroups=, docs/connect/asterisk_queuelog.md)"
)
_MAX_TRIED: Final = 10
"""The most rotated files in which a saved place is searched, the newest first."""


class AsteriskQueueLogAdapter:
    """The adapter of one queue_log: it reads from the beginning or the saved place, through rotation and truncation."""

    def __init__(
        self, name: str, switch: str, settings: Settings, clock: Clock, callers: CallerNames | None = None
    ) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock
        self._callers = callers

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        path = Path(self._settings.path)
        state = Path(self._settings.state_path) if self._settings.state_path else None
        tail = _Tail(path, state, self._settings.rotated_paths)
        if state is not None:
            await asyncio.to_thread(_check_state, state)
        try:
            try:
                earlier = await asyncio.to_thread(tail.open)
            except FileNotFoundError as error:
                raise AdapterError(
                    f"there is no file {path}: {_IS_IT_ON}",
                    permanent=not await asyncio.to_thread(tail.has_rotated),
                ) from error
            except OSError as error:
                raise AdapterError(_unreadable(path, error), permanent=True) from error
            connection = Connection(
                source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=str(tail.inode), callers=self._callers
            )
            translator = Translator(connection, self._settings)
            translator.recall(earlier, self._clock.now())
            async with aclosing(self._deliveries(tail, translator)) as deliveries:
                yield deliveries
        finally:
            await asyncio.to_thread(tail.close)  # it may wait for the thread that reads

    async def _deliveries(self, tail: "_Tail", translator: Translator) -> AsyncGenerator[Delivery, None]:
        read_at = self._clock.now()
        while True:
            try:
                lines = await asyncio.to_thread(tail.read)
            except OSError as error:
                raise AdapterError(_unreadable(Path(self._settings.path), error)) from error
            now = self._clock.now()
            if tail.is_lost:
                translator.begin_amid()
            items = tuple(translator.feed(lines, now)) if lines else ()
            if tail.is_lost:
                items = (self._gap(tail, lines, read_at, now), *items)
                tail.is_lost = False
            read_at = now
            if items:
                yield Delivery(items=items, received_at=now, ack=tail.saver())
            elif not lines:
                await self._clock.sleep(self._settings.poll_seconds)

    def _gap(self, tail: "_Tail", lines: bytes, read_at: datetime, now: datetime) -> SourceGap:
        """Return a gap for lines that may have been rotated away unread.

        It runs from the last line that was read, or else from the last look at the file, to the first line read now.
        """
        first = second_of(lines)
        start = read_at if tail.lost_from is None else datetime.fromtimestamp(tail.lost_from, UTC)
        end = max(start, now if first is None else datetime.fromtimestamp(first, UTC))
        source = f"urn:kc:{KIND}:{self.name}"
        return SourceGap(
            id=event_id(source, "source.gap", start.isoformat(), end.isoformat()),
            source=source,
            switch=self._switch,
            observed_at=now,
            switch_time=end,
            time_basis=TimeBasis.MONITOR,
            epoch=str(tail.inode),
            live=False,
            from_=start,
            to=end,
            cause=f"the log was rotated, and {tail.lost_why}: lines may be missing",
        )


class _Tail:
    """Reads whole lines from a file that grows, is renamed and replaced, is copied and truncated, or is compressed.

    It blocks, so call it in a thread. Who closes it waits for that thread, which may just be opening a file.
    """

    def __init__(self, path: Path, state: Path | None, elsewhere: tuple[str, ...] = ()) -> None:
        self.inode = 0
        self.lost_from: int | None = None
        self.is_lost = False
        self.lost_why = ""
        self._path = path
        self._state = state
        self._elsewhere = elsewhere
        self._file: BinaryIO | None = None
        self._offset = 0
        self._mark = ""
        self._second = 0
        self._pending: list[Path] = []
        self._after_a_gap: set[Path] = set()
        self._is_unsaved = False
        self._lock = threading.RLock()

    def open(self) -> bytes:
        """Go to the saved place, in this file or a rotated one, and return the lines shortly before it.

        Where no file has that place, lines may be missing: `is_lost` is set, with the second of the last known line.
        """
        with self._lock:
            return self._open()

    def _open(self) -> bytes:
        saved = self._saved()
        if saved is None:
            self._begin(self._path)
            return b""
        self._second = saved.second
        if self._path.exists() and self._is_at(self._path, saved):
            return self._before(saved.offset, self._rotated())
        earlier = self._find(saved)
        if earlier is not None:
            return earlier
        older = [one.path for one in self._rotated() if saved.second and one.second >= saved.second]
        self._pending = [*older[1:], self._path] if older else []
        self._begin(older[0] if older else self._path)
        first = self.first_second()
        if saved.second and (first is None or first > saved.second):
            self._lose(saved.second, _NOWHERE)
        return b""

    def read(self) -> bytes:
        """Return the next whole lines, or nothing yet. Goes on to the newer file at the end of this one."""
        with self._lock:
            return self._read()

    def _read(self) -> bytes:
        if self._file is not None and self._is_cut():
            place = Place(self.inode, self._offset, self._mark, self._second)
            if self._find(place) is None:
                self._begin(self._path)
                self._lose(None, _NOWHERE)
        lines = self._lines()
        if lines or self._file is None:
            return lines
        if self._pending and self._offset:
            # The log may have been rotated once more, which gives the following files other names.
            self._find(Place(self.inode, self._offset, self._mark, self._second))
        newer = self._newer()
        if newer is None:
            return b""
        # Asterisk may have written a last line between our reading and the renaming.
        if lines := self._lines():
            self._pending.insert(0, newer)
            return lines
        self._begin(newer)
        if newer in self._after_a_gap:
            self._lose(self._second, _MISSING)
        return self._lines()

    def first_second(self) -> int | None:
        """Return the second of the next line to be read; None where there is none yet."""
        if self._file is None:
            return None
        self._file.seek(self._offset)
        return second_of(self._file.readline(_READ_BYTES))

    def saver(self) -> Callable[[Receipt], Coroutine[None, None, None]]:
        """Return the function that saves the place in the file, for the pipeline to call once these lines are kept."""
        place = Place(self.inode, self._offset, self._mark, self._second)

        async def save(receipt: Receipt) -> None:
            if self._state is None:
                return
            try:
                await asyncio.to_thread(_write, self._state, msgspec.json.encode(place))
                self._is_unsaved = False
            except OSError as error:  # the lines are in the journal: a restart reads them again, and counts none twice
                if not self._is_unsaved:
                    log.warning("place not saved state_path=%s: %s", self._state, error.strerror or error)
                self._is_unsaved = True

        return save

    def close(self) -> None:
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None

    def has_rotated(self) -> bool:
        return bool(self._rotated())

    def _lose(self, since: int | None, why: str) -> None:
        self.is_lost, self.lost_from, self.lost_why = True, since, why

    def _begin(self, path: Path) -> None:
        file = opened(path)
        self.close()
        self._file = file
        self.inode = os.fstat(file.fileno()).st_ino
        self._offset, self._mark = 0, ""

    def _is_at(self, path: Path, place: Place) -> bool:
        """Return whether the place lies in this file; if so, the file is opened at it."""
        try:
            file = opened(path)
        except OSError:
            return False
        inode = os.fstat(file.fileno()).st_ino
        if not is_at(file, inode, place):
            file.close()
            return False
        self.close()
        self._file, self.inode, self._offset = file, inode, place.offset
        self._mark = mark_before(file, place.offset)
        return True

    def _find(self, place: Place) -> bytes | None:
        """Open the place in a rotated file and queue the newer files after it; return the lines before it, or None."""
        files = self._rotated()
        begun = sum(file.second <= place.second for file in files) if place.second else len(files)
        for number in range(begun - 1, max(-1, begun - 1 - _MAX_TRIED), -1):
            if self._is_at(files[number].path, place):
                self._pending = [*(file.path for file in files[number + 1 :]), self._path]
                self._after_a_gap = after_a_gap(files, self._path)
                return self._before(place.offset, files[:number])
        return None

    def _rotated(self) -> list[Rotated]:
        own = (self._state, _half(self._state)) if self._state else ()
        return rotated(self._path, self._elsewhere, own)

    def _is_cut(self) -> bool:
        """Return whether the file has lost lines that were read: it was truncated, and may have grown again."""
        if self._file is None or not self._offset:
            return False
        if self._size() < self._offset:
            return True
        return bool(self._mark) and mark_before(self._file, self._offset) != self._mark

    def _newer(self) -> Path | None:
        while self._pending:
            path = self._pending.pop(0)
            if path.exists():
                return path
        try:
            return self._path if self._path.stat().st_ino != self.inode else None
        except FileNotFoundError:
            return None

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size if self._file else 0

    def _lines(self) -> bytes:
        if self._file is None:
            return b""
        piece = os.pread(self._file.fileno(), _PIECE_BYTES, self._offset)
        if b"\n" not in piece and len(piece) < _PIECE_BYTES:
            return b""
        if self._is_cut():  # while it was read: what was read may stand behind lines that were not
            return b""
        lines = piece[: piece.rfind(b"\n") + 1] or piece
        mark = mark_before(self._file, self._offset + len(lines))
        if os.pread(self._file.fileno(), len(lines), self._offset) != lines:  # it was cut while the mark was made
            return b""
        self._offset, self._mark = self._offset + len(lines), mark
        self._second = second_of(lines[lines.rfind(b"\n", 0, -1) + 1 :]) or self._second
        return lines

    def _before(self, offset: int, older: list[Rotated]) -> bytes:
        """Return the lines shortly before a place, and some of the file before where this one has only a few."""
        if self._file is None:
            return b""
        earlier = _end_of(self._file, offset, _CONTEXT_BYTES)
        if offset < _CONTEXT_BYTES and older:
            with suppress(OSError), opened(older[-1].path) as file:
                earlier = _end_of(file, file.seek(0, 2), _CONTEXT_BYTES - offset) + earlier
        return earlier

    def _saved(self) -> Place | None:
        """Return the saved place; None, which means the beginning, where the state file cannot be read."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=Place) if self._state else None
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def _end_of(file: BinaryIO, offset: int, most: int) -> bytes:
    """Return the whole lines before a place in a file, at most `most` bytes of them."""
    start = max(0, offset - most)
    file.seek(start)
    lines = file.read(offset - start)
    return lines if start == 0 else lines.partition(b"\n")[2]


def _check_state(path: Path) -> None:
    """Check that the place can be saved. Raises `AdapterError`."""
    try:
        if path.exists() and not path.is_file():
            raise AdapterError(f"state_path: {path} is there and is no file", permanent=True)
        if path.exists():
            path.read_bytes()
        half = _half(path)
        half.write_bytes(b"")
        half.unlink()
    except OSError as error:
        words = f"state_path: {path} cannot be read and written: {error.strerror or error}"
        raise AdapterError(words, permanent=True) from error


def _unreadable(path: Path, error: OSError) -> str:
    """Return what to say of a log that cannot be read, and what to do where the monitor's user may not."""
    to_do = f": {_WHO_MAY}" if isinstance(error, PermissionError) else ""
    return f"{path} cannot be read: {error.strerror or error}{to_do}"


def _half(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, so that a power cut leaves no half of it."""
    half = _half(path)
    half.write_bytes(content)
    half.replace(path)


def reaches_back(settings: Settings) -> datetime | None:
    """Return when the oldest line was written in the log and its rotated files; None where there is no line."""
    path = Path(settings.path)
    seconds = [file.second for file in rotated(path, settings.rotated_paths, ()) if file.second]
    with suppress(OSError), opened(path) as file:
        seconds += [second for second in [second_of(file.readline(_READ_BYTES))] if second]
    return datetime.fromtimestamp(min(seconds), UTC) if seconds else None


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Check that the log can be read, and return the times of its first and last line. Raises `AdapterError`."""
    path = Path(settings.path)
    try:
        newest = await asyncio.to_thread(_newest, path)
    except FileNotFoundError as error:
        raise AdapterError(f"there is no file {path}: {_IS_IT_ON}", permanent=True) from error
    except OSError as error:
        raise AdapterError(_unreadable(path, error), permanent=True) from error
    return Reach(oldest=await asyncio.to_thread(reaches_back, settings), newest=newest)


def _newest(path: Path) -> datetime | None:
    """Return when the last whole line was written. Raises `OSError`."""
    with opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _READ_BYTES))
        seconds = [second for line in file.read().splitlines()[-50:] if (second := second_of(line + b"\n"))]
    return datetime.fromtimestamp(seconds[-1], UTC) if seconds else None


def build(name: str, switch: str, settings: Settings, clock: Clock, callers: CallerNames | None = None) -> Adapter:
    return AsteriskQueueLogAdapter(name, switch, settings, clock, callers)
