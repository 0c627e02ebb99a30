"""Reads files as they lie on disk, compressed or not, a piece at a time."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from queue_monitor.replay.recording import RecordingError

PIECE: Final = 256 * 1024
_HEAD: Final = 6
_MAGIC: Final[tuple[tuple[bytes, Any], ...]] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_BROKEN: Final = (EOFError, zlib.error, lzma.LZMAError, OSError)


class Source(NamedTuple):
    """One file to import; `sha256` is of its bytes on disk."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name for people."""
        return self.path.name


class Place:
    """The place up to which a file has been read, in bytes on disk."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    @property
    def done(self) -> int:
        """The bytes read so far."""
        return self._raw.tell()


def looked_at(path: Path) -> Source:
    """Read a file once for its hash. Raises `RecordingError`."""
    parts = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                parts.update(piece)
                size += len(piece)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    return Source(path, size, parts.hexdigest())


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, Place]]:
    """Open the file's bytes, unpacked as they are read. Raises `RecordingError`, inside the `with` too."""
    path = source.path
    try:
        with path.open("rb") as raw:
            head = raw.read(_HEAD)
            raw.seek(0)
            unpack = next((unpack for magic, unpack in _MAGIC if head.startswith(magic)), None)
            file = raw if unpack is None else cast(BinaryIO, unpack(raw, "rb"))
            yield file, Place(raw)
    except _BROKEN as error:
        if isinstance(error, OSError) and error.strerror:
            raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
        raise RecordingError(f"{path}: the packed file is broken or ends too early: {error}") from error


def as_text(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Return the bytes as text, with line ends as they are."""
    return io.TextIOWrapper(file, encoding=encoding, newline="")
