"""The result of reading one kind of file for an import: pieces of events in order, and facts about the files."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from queue_monitor.events import Event
from queue_monitor.importing.refusals import Refusals
from queue_monitor.model import ImportedFile
from queue_monitor.replay.recording import RecordingError

QUEUE_LOG: Final = "queue_log"
CSV: Final = "csv"
KINDS: Final = (QUEUE_LOG, CSV)
YEARS: Final = range(1990, 2100)
"""The years of which a file can have calls."""

_NAME: Final = re.compile(r"[A-Za-zÅÄÖåäö][\w.-]{0,39}")


class Wanted(Struct, frozen=True, kw_only=True):
    """The files to import and how. `kind` "" is detected; `name` "" is the kind's or the mapping's.

    `apart`: a queue_log is read in a process of its own; None: where that is worth it.
    """

    files: tuple[Path, ...]
    kind: str = ""
    name: str = ""
    mapping: Path | None = None
    dry_run: bool = False
    replace: bool = False
    apart: bool | None = None


class Piece(NamedTuple):
    """Some events in order; once they are taken, `done` of the `total` bytes of the files have been read.

    `to_veil`: the places of the events that may hold a telephone number which the veil replaces.
    """

    events: list[Event]
    done: int
    total: int
    to_veil: Sequence[int] = ()


class Reading(Protocol):
    """The files of one import. `pieces` may be read once; the other fields are complete after its end."""

    name: str
    kind: str
    mapping: str
    """A hash of how columns are read; "" where there are none."""

    tells_talk: bool
    ends_are_told: bool
    """Whether each line has its call's end; else a line may be missing."""

    is_checked: bool
    """Whether all events are within the limits of the pipeline's gate."""

    refusals: Refusals
    notes: list[str]
    """Sentences for a person about decisions made while reading."""

    @property
    def files(self) -> tuple[ImportedFile, ...]: ...

    def pieces(self) -> Iterator[Piece]: ...


class FileTally:
    """The facts about one file so far."""

    def __init__(self, name: str, sha256: str) -> None:
        self.name = name
        self.sha256 = sha256
        self.lines = 0
        self.entries = 0
        self.first: date | None = None
        self.last: date | None = None

    def see(self, day: date) -> None:
        """Note that a line of this day was read."""
        self.first = day if self.first is None or day < self.first else self.first
        self.last = day if self.last is None or day > self.last else self.last

    def record(self, refusals: Refusals) -> ImportedFile:
        """Return the facts in their saved form."""
        return ImportedFile(
            name=self.name,
            sha256=self.sha256,
            lines=self.lines,
            entries=self.entries,
            refused=refusals.of(self.name),
            first_day=self.first,
            last_day=self.last,
        )


def checked_name(name: str, where: str) -> str:
    """Return a name under which calls may be imported. Raises `RecordingError`."""
    if not _NAME.fullmatch(name):
        raise RecordingError(
            f"{where}: {name[:60]!r} is no name for an import: a letter first, then at most 39 letters, digits, "
            "hyphens, dots or underscores"
        )
    return name
