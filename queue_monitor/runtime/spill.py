"""The file where events wait while the database is away: a switch does not send twice, and a process may be killed.

It holds canonical JSON lines, appended and synced. It is emptied once the journal has committed its events; events left
by a killed process are read back at the next start. The journal takes an event only once, so nothing doubles.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from queue_monitor.events import Event, InvalidEvent, decode, encode
from queue_monitor.model import SkippedEvent


class _Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line that is more than an event that a sender wrote.

    `skipped`: the mark of an event that must not be taken again.
    `watched`: an event that we have read from a switch ourselves.
    """

    skipped: SkippedEvent | None = None
    watched: msgspec.Raw = msgspec.Raw()


_lines: Final = msgspec.json.Decoder(_Line)


class Left(NamedTuple):
    """An event that was left on disk, and whether a sender wrote it."""

    event: Event
    by_sender: bool


class Spill:
    """The file at `path`; made when it is first needed.

    `unreadable`: the number of lines that a crash cut short.
    `skipped`: the marks that were found in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = 0
        self.skipped: list[SkippedEvent] = []

    async def mark(self, event: SkippedEvent) -> None:
        """Keep the mark of an event that must not be taken again, for the next start. Raises `OSError`."""
        await asyncio.to_thread(self._append, msgspec.json.encode(_Line(skipped=event)) + b"\n")

    async def keep(self, events: Iterable[Left]) -> None:
        """Append events, and return when the disk has them. Raises `OSError`; these events may then not be on disk."""
        await asyncio.to_thread(self._append, b"".join(map(_line, events)))

    async def recover(self) -> list[Left]:
        """Return the events that an earlier process left behind, in order."""
        return list(await asyncio.to_thread(lambda: list(self._read())))

    async def clear(self) -> None:
        """Remove the file: everything in it has been committed."""
        await asyncio.to_thread(self.path.unlink, missing_ok=True)

    def _append(self, lines: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for_the_owner = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(for_the_owner, "ab") as file:
            length = os.fstat(for_the_owner).st_size
            is_cut = length and os.pread(for_the_owner, 1, length - 1) != b"\n"
            file.write(b"\n" + lines if is_cut else lines)  # a full disk or a crash may have cut the last line short
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> Iterator[Left]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                found = _lines.decode(line)
                if found.skipped is not None:
                    self.skipped.append(found.skipped)
                else:
                    yield Left(decode(bytes(found.watched or line)), by_sender=not found.watched)
            except (msgspec.DecodeError, InvalidEvent, UnicodeDecodeError):
                self.unreadable += 1


def _line(left: Left) -> bytes:
    event = encode(left.event)
    return (event if left.by_sender else msgspec.json.encode(_Line(watched=msgspec.Raw(event)))) + b"\n"
