"""Finds the place, in a log or its rotated files, up to which the log has been read.

A place is identified by the bytes before it: names, inodes and sizes change or come back when a log is rotated.
"""

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from msgspec import Struct

from adapters.asterisk_queuelog.lines import second_in

_MARK_BYTES: Final = 4096
_HEAD_BYTES: Final = 4096
_MAX_FILES: Final = 400
_NUMBERED: Final = re.compile(r"\.(\d{1,4})$")
_DATED: Final = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
_COMPRESSED: Final[dict[str, Callable[[Path], Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Place(Struct, frozen=True):
    """The place up to which a file has been read.

    `mark`: a hash of the bytes before it; "" in an older state, where the inode identifies the file.
    `second`: the second of the last line read.
    """

    inode: int
    offset: int
    mark: str = ""
    second: int = 0


class Rotated(NamedTuple):
    """A file to which the log was rotated, with the second of its first line."""

    path: Path
    second: int
    head: bytes


def opened(path: Path) -> BinaryIO:
    """Open the file's bytes, a compressed one unpacked into a file without a name. Raises `OSError`."""
    _check_is_file(path)
    decompress = _COMPRESSED.get(path.suffix)
    if decompress is None:
        return path.open("rb")
    whole = tempfile.TemporaryFile()  # noqa: SIM115  # the reader closes it
    try:
        with decompress(path) as file:
            shutil.copyfileobj(file, whole)
        whole.flush()
    except (EOFError, lzma.LZMAError, ValueError) as error:
        whole.close()
        raise OSError(f"{path.name} is damaged or still being written: {error}") from error
    return whole


def _check_is_file(path: Path) -> None:
    """Check that it is a file: a pipe would be waited for without end, a device read without end. Raises `OSError`."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def mark_before(file: BinaryIO, offset: int) -> str:
    """Return a hash of the bytes before a place, which identifies the place in a moved or compressed file.

    They are read past the file's buffer, which may hold what stood there before the file was cut.
    """
    start = max(0, offset - _MARK_BYTES)
    return hashlib.sha256(os.pread(file.fileno(), offset - start, start)).hexdigest()[:32]


def is_at(file: BinaryIO, inode: int, place: Place) -> bool:
    """Return whether the place lies in this file."""
    if file.seek(0, 2) < place.offset:
        return False
    return mark_before(file, place.offset) == place.mark if place.mark else inode == place.inode


def second_of(line: bytes) -> int | None:
    """Return the second in which a line was written."""
    written = line.lstrip(b"\0").partition(b"|")[0].removeprefix(b"\xef\xbb\xbf")
    return second_in(written.decode("ascii", "replace"))


def rotated(log: Path, elsewhere: Iterable[str], other_than: Iterable[Path]) -> list[Rotated]:
    """Return the log's rotated files, oldest first: beside it, in folders there, and at the paths in the settings.

    A copy of the present log is not among them, nor is the second of two copies of one file.
    """
    found = {*log.parent.glob(f"{log.stem}*"), *log.parent.glob(f"*/{log.stem}*")}
    for pattern in elsewhere:
        found.update(Path(Path(pattern).anchor or ".").glob(pattern.removeprefix(Path(pattern).anchor)))
    passed_over = {log, *other_than}
    files = sorted((file for file in found - passed_over if file.is_file()), key=_age, reverse=True)[:_MAX_FILES]
    known = {_head(log)}
    kept: list[Rotated] = []
    for file in sorted(files, key=lambda file: (file.suffix in _COMPRESSED, file.name)):
        head = _head(file)
        second = second_of(head)
        if second is not None and head not in known:
            known.add(head)
            kept.append(Rotated(file, second, head))
    return sorted(kept, key=lambda one: (one.second, _age(one.path)))


def after_a_gap(files: Iterable[Rotated], log: Path) -> set[Path]:
    """Return the files, the log itself included, before which a file is missing by their names.

    Numbers follow one another; dates need three files to show their rhythm.
    """
    placed = [(file.path, *_placed(file.path)) for file in files]
    beside = [(older, newer) for older, newer in pairwise(placed) if older[1] == newer[1] != ""]
    steps = [(newer[0], newer[1], abs(newer[2] - older[2])) for older, newer in beside]
    days = sorted(step for _, kind, step in steps if kind == "date" and step)
    usual = {"number": 1, "date": days[0] if len(days) > 1 else 0}
    found = {path for path, kind, step in steps if usual[kind] and step >= 2 * usual[kind]}
    if beside and beside[-1][1] is placed[-1] and placed[-1][1] == "number" and placed[-2][2] > placed[-1][2] > 1:
        found.add(log)
    return found


def _placed(path: Path) -> tuple[str, int]:
    """Return a rotated file's number, or its date as a count of days, from its name."""
    name = path.name.removesuffix(path.suffix) if path.suffix in _COMPRESSED else path.name
    if (numbered := _NUMBERED.search(name)) is not None and not _DATED.search(name):
        return "number", int(numbered[1])
    try:
        return ("date", date(*map(int, dated.groups())).toordinal()) if (dated := _DATED.search(name)) else ("", 0)
    except ValueError:
        return "", 0


def _age(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _head(path: Path) -> bytes:
    """Return the first line, by which two copies of one file are recognised; empty where it cannot be read."""
    try:
        _check_is_file(path)
        with _COMPRESSED[path.suffix](path) if path.suffix in _COMPRESSED else path.open("rb") as file:
            return bytes(file.read(_HEAD_BYTES)).partition(b"\n")[0]
    except (OSError, EOFError, lzma.LZMAError, ValueError):
        return b""
