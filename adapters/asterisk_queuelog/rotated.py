"""Finds in a log, or in what it was rotated to, the place up to which it has been taken in.

A place is known by the bytes before it: names, inodes and sizes all change or come back when a log is rotated.
"""

import bz2
import gzip
import hashlib
import lzma
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from msgspec import Struct

_MARK_BYTES: Final = 4096
_HEAD_BYTES: Final = 4096
_MAX_FILES: Final = 400
_NUMBERED: Final = re.compile(r"\.(\d{1,4})$")
_DATED: Final = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
_COMPRESSED: Final[dict[str, Callable[[Path], Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Place(Struct, frozen=True):
    """How far a file has been taken in: `mark` stands for the bytes before it, `second` is of the last line taken in.

    Without a mark (an older state) the file is known by its inode.
    """

    inode: int
    offset: int
    mark: str = ""
    second: int = 0


class Rotated(NamedTuple):
    """A file that the log was rotated to, with the second of its first line."""

    path: Path
    second: int
    head: bytes


def opened(path: Path) -> BinaryIO:
    """The file's bytes; of a compressed one in a file without a name. Raises `OSError`."""
    decompress = _COMPRESSED.get(path.suffix)
    if decompress is None:
        return path.open("rb")
    whole = tempfile.TemporaryFile()  # noqa: SIM115  # the reader closes it
    try:
        with decompress(path) as file:
            shutil.copyfileobj(file, whole)
    except (EOFError, lzma.LZMAError, ValueError) as error:
        whole.close()
        raise OSError(f"{path.name} is damaged or still being written: {error}") from error
    return whole


def mark_before(file: BinaryIO, offset: int) -> str:
    """Returns a hash of the bytes before a place, by which the place is known again in a moved or packed file."""
    start = max(0, offset - _MARK_BYTES)
    file.seek(start)
    return hashlib.sha256(file.read(offset - start)).hexdigest()[:32]


def is_at(file: BinaryIO, inode: int, place: Place) -> bool:
    """Whether this file is the one of which a place was noted."""
    if file.seek(0, 2) < place.offset:
        return False
    return mark_before(file, place.offset) == place.mark if place.mark else inode == place.inode


def second_of(line: bytes) -> int | None:
    """The second in which a line was written."""
    written = line.lstrip(b"\0").partition(b"|")[0].removeprefix(b"\xef\xbb\xbf")
    return int(written) if written.isdigit() and len(written) <= 10 else None


def rotated(log: Path, elsewhere: Iterable[str], other_than: Iterable[Path]) -> list[Rotated]:
    """Returns the files that the log was rotated to, oldest first: beside it, in folders there, and where settings say.

    A copy of the log as it is now is none of them, nor is the second of two copies of one file.
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
    """Returns those of these files, oldest first, and of the log itself before which one is missing by their names.

    Numbers follow one another; dates have a rhythm, which takes three of them to be known.
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
    """A file's number or date (as a count of days) among those that a log was rotated to, as its name tells it."""
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
    """The first line, by which two copies of one file are known; nothing of one that cannot be read."""
    try:
        with _COMPRESSED[path.suffix](path) if path.suffix in _COMPRESSED else path.open("rb") as file:
            return bytes(file.read(_HEAD_BYTES)).partition(b"\n")[0]
    except (OSError, EOFError, lzma.LZMAError, ValueError):
        return b""
