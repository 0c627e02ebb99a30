"""Follows the file as Asterisk writes, renames and begins it anew."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from adapters.asterisk_queuelog.settings import Settings
from adapters.asterisk_queuelog.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery, Receipt

KIND: Final = "asterisk_queuelog"

_CONTEXT_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 256 * 1024


class AsteriskQueueLogAdapter:
    """Follows one queue_log: from the beginning or the saved place, through rotation (rename) and truncation."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        path = Path(self._settings.path)
        tail = _Tail(path, Path(self._settings.state_path) if self._settings.state_path else None)
        try:
            earlier = await asyncio.to_thread(tail.open)
        except FileNotFoundError as error:
            raise AdapterError(
                f"there is no file {path}: is queue_log = yes in logger.conf?", permanent=True
            ) from error
        except OSError as error:
            raise AdapterError(f"{path} cannot be read: {error.strerror or error}", permanent=True) from error
        connection = Connection(source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=str(tail.inode))
        translator = Translator(connection, self._settings)
        translator.recall(earlier, self._clock.now())
        try:
            async with aclosing(self._deliveries(tail, translator)) as deliveries:
                yield deliveries
        finally:
            tail.close()

    async def _deliveries(self, tail: "_Tail", translator: Translator) -> AsyncGenerator[Delivery, None]:
        while True:
            try:
                lines = await asyncio.to_thread(tail.read)
            except OSError as error:
                raise AdapterError(f"{self._settings.path} cannot be read: {error.strerror or error}") from error
            now = self._clock.now()
            if not lines:
                await self._clock.sleep(self._settings.poll_seconds)
            elif items := tuple(translator.feed(lines, now)):
                yield Delivery(items=items, received_at=now, settle=tail.saver())


class _Place(Struct, frozen=True):
    """How far the file has been taken in: the file by its inode, for its name changes when it is rotated."""

    inode: int
    offset: int


class _Tail:
    """Whole lines from a file that grows, is renamed and begun anew, or is cut to nothing. Blocking: use a thread."""

    def __init__(self, path: Path, state: Path | None) -> None:
        self.inode = 0
        self._path = path
        self._state = state
        self._file: BinaryIO | None = None
        self._offset = 0
        self._pending: list[Path] = []

    def open(self) -> bytes:
        """Go to where we were, in this file or in what it was renamed to; gives the lines shortly before that place."""
        saved = self._saved()
        files = [self._path]
        if saved and self._path.stat().st_ino != saved.inode:
            rotated = sorted(self._path.parent.glob(f"{self._path.name}?*"), key=lambda file: file.stat().st_mtime_ns)
            places = [number for number, file in enumerate(rotated) if file.stat().st_ino == saved.inode]
            if places:
                files = [*rotated[places[0] :], self._path]
        self._pending = files[1:]
        self._begin(files[0])
        if saved is None or saved.inode != self.inode or saved.offset > self._size():
            return b""
        self._offset = saved.offset
        return self._before(saved.offset)

    def read(self) -> bytes:
        """The next whole lines, or nothing yet. Goes on to the newer file when this one is used up."""
        lines = self._lines()
        if lines or self._file is None:
            return lines
        if self._size() < self._offset:
            self._offset = 0
            return self._lines()
        newer = self._newer()
        if newer is None:
            return b""
        # Asterisk may have written a last line between our reading and the renaming.
        if lines := self._lines():
            return lines
        self._begin(newer)
        return self._lines()

    def saver(self) -> Callable[[Receipt], Coroutine[None, None, None]]:
        """What the pipeline calls once these lines are safe."""
        place = _Place(self.inode, self._offset)

        async def save(receipt: Receipt) -> None:
            if self._state:
                await asyncio.to_thread(_write, self._state, msgspec.json.encode(place))

        return save

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _begin(self, path: Path) -> None:
        self.close()
        self._file = path.open("rb")
        self.inode = os.fstat(self._file.fileno()).st_ino
        self._offset = 0

    def _newer(self) -> Path | None:
        if self._pending:
            return self._pending.pop(0)
        try:
            return self._path if self._path.stat().st_ino != self.inode else None
        except FileNotFoundError:
            return None

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size if self._file else 0

    def _lines(self) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(self._offset)
        piece = self._file.read(_READ_BYTES)
        if b"\n" not in piece and len(piece) < _READ_BYTES:
            return b""
        lines = piece[: piece.rfind(b"\n") + 1] or piece
        self._offset += len(lines)
        return lines

    def _before(self, offset: int) -> bytes:
        if self._file is None:
            return b""
        start = max(0, offset - _CONTEXT_BYTES)
        self._file.seek(start)
        earlier = self._file.read(offset - start)
        return earlier if start == 0 else earlier.partition(b"\n")[2]

    def _saved(self) -> _Place | None:
        """A state file that cannot be read means: from the beginning."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=_Place) if self._state else None
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def _write(path: Path, content: bytes) -> None:
    """All or nothing: a power cut must not leave half a number."""
    half = path.with_name(path.name + ".new")
    half.write_bytes(content)
    half.replace(path)


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    return AsteriskQueueLogAdapter(name, switch, settings, clock)
