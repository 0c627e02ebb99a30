"""The file of a backup: a tar archive that any tar can open, and behind it the SHA-256 of all its bytes.

A file without that last line was interrupted; one with the line and another sum is damaged. Its members: a manifest,
the database, the files of the keys, and the place up to which each log had been read.
"""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
from msgspec import Struct

from queue_monitor.ports import StoreError

FORMAT: Final = 1
ENDING: Final = ".backup"
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database.db"
_SEAL: Final = b"queue-monitor backup, SHA-256 of all before this line: %b\n"
_SEAL_BYTES: Final = len(_SEAL % (b"0" * 64))
_SEALED: Final = re.compile(re.escape(_SEAL).replace(b"%b", b"([0-9a-f]{64})"))
_PIECE: Final = 1 << 20
_ADVICE: Final = "take another one"


class Manifest(Struct, frozen=True, kw_only=True):
    """The description of a backup's store: time, version of the program, revision of the tables, and number of rows.

    The number is None where nobody counted.
    """

    format: int = FORMAT
    made_at: datetime
    program: str
    revision: str
    calls: int | None = None
    events: int | None = None
    newest_at: datetime | None = None


def write(target: Path, manifest: Manifest, database: Path, others: Mapping[str, bytes]) -> None:
    """Write a backup; return when it is on disk. `others` are small files by their names. Raises `OSError`."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            _add(archive, MANIFEST, manifest, msgspec.json.format(msgspec.json.encode(manifest)))
            for name, content in others.items():
                _add(archive, name, manifest, content)
            with database.open("rb") as copied:
                archive.addfile(_member(DATABASE, manifest, os.fstat(copied.fileno()).st_size), copied)
        file.write(_SEAL % hashing.digest.hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())


def checked(path: Path) -> Manifest:
    """Read all of a backup and compare it with its sum. Raises `StoreError` for one that is damaged or none at all."""
    try:
        with path.open("rb") as file:
            _check(file, path)
            with _archive(file) as archive:
                return _manifest(archive, path)
    except OSError as error:
        raise StoreError(f"the backup {path} cannot be read: {error.strerror or error}") from error


def made_at(path: Path) -> datetime | None:
    """Return when a backup was made, or None for a file that is none. The sum is not compared."""
    try:
        with path.open("rb") as file:
            file.seek(-_SEAL_BYTES, os.SEEK_END)
            if not _SEALED.fullmatch(file.read()):
                return None
            file.seek(0)
            with _archive(file) as archive:
                return _manifest(archive, path).made_at
    except (OSError, StoreError, tarfile.TarError):
        return None


def extract(path: Path, ready: Mapping[str, Path]) -> list[str]:
    """Write members, each to its path, as files of their owner's alone; return the names of those in the backup.

    The sum is compared once more with what was read. Raises `StoreError` and `OSError`.
    """
    found = []
    with path.open("rb") as file:
        _check(file, path)
        with _archive(file) as archive:
            for member in archive:
                if (target := ready.get(member.name)) is not None and (content := archive.extractfile(member)):
                    _write(target, content)
                    found.append(member.name)
    return found


def names(path: Path) -> list[str]:
    """Return the names of its members. Raises `StoreError`."""
    try:
        with path.open("rb") as file, _archive(file) as archive:
            return archive.getnames()
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"the backup {path} cannot be read: {error}") from error


def _check(file: BinaryIO, path: Path) -> None:
    size = os.fstat(file.fileno()).st_size
    digest, left = hashlib.sha256(), size - _SEAL_BYTES
    while left > 0 and (piece := file.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    sealed = _SEALED.fullmatch(file.read()) if size > _SEAL_BYTES else None
    if sealed is None:
        raise StoreError(f"{path} is no whole backup: it is another kind of file, or was broken off; {_ADVICE}")
    if sealed[1].decode() != digest.hexdigest():
        raise StoreError(f"the backup {path} is damaged: it does not have the sum that was written with it; {_ADVICE}")
    file.seek(0)


@contextmanager
def _archive(file: BinaryIO) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        yield archive


def _manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    try:
        content = archive.extractfile(MANIFEST)
        manifest = msgspec.json.decode(content.read() if content else b"", type=Manifest)
    except (KeyError, msgspec.DecodeError) as error:
        raise StoreError(f"{path} is no backup of a queue monitor") from error
    if manifest.format > FORMAT:
        raise StoreError(f"the backup {path} was made by a newer version ({manifest.program}); use that one")
    return manifest


def _write(target: Path, content: IO[bytes]) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
        while piece := content.read(_PIECE):
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())


def _add(archive: tarfile.TarFile, name: str, manifest: Manifest, content: bytes) -> None:
    archive.addfile(_member(name, manifest, len(content)), io.BytesIO(content))


def _member(name: str, manifest: Manifest, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.made_at.timestamp())
    return member


class _Hashing:
    """Passes on all that is written, and adds it to the sum."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        return self._file.write(piece)
