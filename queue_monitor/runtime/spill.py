"""Where events wait on disk while the database is away: a switch does not tell twice, and a process may be killed.

One file of canonical JSON lines, appended and synced. It is emptied once the journal has committed what it holds; what
a killed process left in it is read back at the next start. The journal takes an event only once, so nothing doubles.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from queue_monitor.events import Event, InvalidEvent, decode, encode
from queue_monitor.model import SkippedEvent


class _Mark(Struct, frozen=True):
    """A line that is no event."""

    skipped: SkippedEvent


class Spill:
    """The file at `path`; made when it is first needed. `unreadable` counts lines that a crash cut short, `skipped` are
    the marks that were found in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = 0
        self.skipped: list[SkippedEvent] = []

    async def mark(self, event: SkippedEvent) -> None:
        """Keep the mark of an event that must not be taken again, for the next start. Raises `OSError`."""
        await asyncio.to_thread(self._append, msgspec.json.encode(_Mark(event)) + b"\n")

    async def keep(self, events: Sequence[Event]) -> None:
        """Append, and return when the disk has it. Raises `OSError`, then nothing is promised of these events."""
        lines = b"".join(encode(event) + b"\n" for event in events)
        await asyncio.to_thread(self._append, lines)

    async def recover(self) -> list[Event]:
        """What an earlier process left behind, in order."""
        return list(await asyncio.to_thread(lambda: list(self._read())))

    async def clear(self) -> None:
        """Everything in it has been committed."""
        await asyncio.to_thread(self.path.unlink, missing_ok=True)

    def _append(self, lines: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for_the_owner = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(for_the_owner, "ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> Iterator[Event]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                yield decode(line)
            except InvalidEvent:
                try:
                    self.skipped.append(msgspec.json.decode(line, type=_Mark).skipped)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self.unreadable += 1
