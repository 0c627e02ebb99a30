"""Reads Asterisk's queue_log files, rotated and compressed or not, as one log, oldest first."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from adapters.asterisk_queuelog import Settings, Translator
from adapters.asterisk_queuelog.rotated import second_of
from queue_monitor.core.gate import Unfit, unfit
from queue_monitor.core.privacy import may_change
from queue_monitor.events import CallEntered, CallRefused, Event
from queue_monitor.importing.files import PIECE, Source, looked_at, opened
from queue_monitor.importing.reading import QUEUE_LOG, YEARS, FileTally, Piece
from queue_monitor.importing.refusals import Refusals, RefusedLine, shown
from queue_monitor.model import IMPORT_SOURCE, IMPORTED, ImportedFile
from queue_monitor.ports import Connection, Rejected
from queue_monitor.replay.recording import RecordingError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD: Final = 64 * 1024
_LONGEST: Final = 1024 * 1024
_WHY: Final = {
    "line_too_long": "longer than 65,536 bytes",
    "fault": "our own code failed on it; the log says where",
}


class QueueLogs:
    """The files as one log: callers who wait at the end of one file are known in the next."""

    kind = QUEUE_LOG
    mapping = ""
    tells_talk = True
    ends_are_told = False
    is_checked = True

    def __init__(self, name: str, paths: Sequence[Path], settings: Settings, zone: ZoneInfo) -> None:
        """Take the files; empty ones are left out, as a log that was just rotated.

        Raises `RecordingError` for one that cannot be read or holds no line of a queue_log, and where all are empty.
        """
        self.name = name
        self.refusals = Refusals()
        self.notes: list[str] = []
        self._zone = zone
        connection = Connection(source=IMPORT_SOURCE + name, switch=IMPORTED + name)
        self._translator = Translator(connection, settings)
        known: dict[str, tuple[int, Source]] = {}
        for path in paths:
            source = looked_at(path)
            if source.sha256 in known:
                self.notes.append(f"{source.name} is the same file as {known[source.sha256][1].name}, and is read once")
            elif (first := _first_second(source)) is None:
                self.notes.append(f"{source.name} is empty")
            else:
                known[source.sha256] = (first, source)
        if not known:
            raise RecordingError(f"{', '.join(map(str, paths))}: empty; expected second|call|queue|agent|event")
        in_order = sorted(known.values(), key=itemgetter(0))
        self._sources = [source for _, source in in_order]
        self._tallies = [FileTally(source.name, source.sha256) for source in self._sources]
        self._lines = 0
        self.paths = tuple(paths)

    @property
    def size(self) -> int:
        """Return the bytes of all files on disk."""
        return sum(source.size for source in self._sources)

    @property
    def place(self) -> str:
        """Return the file and the line up to which all is read, for a person."""
        tally = next((tally for tally in reversed(self._tallies) if tally.lines), None)
        return f"{tally.name}, line {tally.lines}" if tally else "the beginning"

    @property
    def files(self) -> tuple[ImportedFile, ...]:
        """Return the facts about the files that are known so far."""
        return tuple(tally.record(self.refusals) for tally in self._tallies)

    def pieces(self) -> Iterator[Piece]:
        """Yield events in the order of the files. Raises `RecordingError`."""
        before, total = 0, sum(source.size for source in self._sources)
        for source, tally in zip(self._sources, self._tallies, strict=True):
            with opened(source) as (file, place):
                for lines in _whole_lines(file):
                    yield _piece(self._understood(lines, tally), before + min(place.done, source.size), total)
            before += source.size
        yield _piece(self._sorted_out(self._translator.close(_EPOCH), b"", self._tallies[-1], 0), total, total)

    def _understood(self, lines: bytes, tally: FileTally) -> list[Event]:
        """Return the events of some whole lines."""
        seconds = [second_of(lines[: lines.find(b"\n")]), second_of(lines[lines.rfind(b"\n", 0, -1) + 1 :])]
        known = [_EPOCH + timedelta(seconds=second) for second in seconds if second is not None]
        for at in known:
            tally.see(at.astimezone(self._zone).date())
        first = self._lines + 1
        self._lines += lines.count(b"\n")
        before = tally.lines
        tally.lines += lines.count(b"\n")
        items = self._translator.feed(lines, max(known, default=_EPOCH) + timedelta(seconds=1))
        return self._sorted_out(items, lines, tally, first - before - 1)

    def _sorted_out(
        self, items: Iterable[Event | Rejected], lines: bytes, tally: FileTally, offset: int
    ) -> list[Event]:
        """Return the events without refused lines. `offset`: the number of lines read before this file."""
        events: list[Event] = []
        of_piece: list[bytes] | None = None
        first = tally.lines - lines.count(b"\n") + 1
        unfit_lines: set[int] = set()
        for item in items:
            if not isinstance(item, Rejected):
                if (found := unfit(item) or _out_of_years(item)) is None:
                    tally.entries += isinstance(item, CallEntered | CallRefused)
                    events.append(item)
                    continue
                line = first + _place_of(item, of_piece := of_piece or lines.split(b"\n"))
                if line not in unfit_lines:  # one line may be several events
                    unfit_lines.add(line)
                    self.refusals.add(RefusedLine(tally.name, line, found.field, found.reason, found.detail))
                continue
            number = _number_in(item.detail)
            line = number - offset if number is not None else tally.lines
            of_piece = of_piece or lines.split(b"\n")
            raw = of_piece[line - first] if number is not None and 0 <= line - first < len(of_piece) else b""
            field, why = explained(item.reason, raw)
            self.refusals.add(RefusedLine(tally.name, line, field, item.reason, why))
        return events


def _piece(events: list[Event], done: int, total: int) -> Piece:
    """Return a piece: its events are of a switch that we would watch."""
    return Piece(events, done, total, [at for at, event in enumerate(events) if may_change(event)])


def explained(reason: str, raw: bytes) -> tuple[str, str]:
    """Return the wrong field of a line, and the reason; only the first field is quoted, without digits."""
    if reason in _WHY:
        return "line", _WHY[reason]
    fields = raw.decode("utf-8", "replace").split("|")
    if len(fields) < 5:
        return "line", f"{len(fields)} fields between |, and at least 5 are needed: second, call, queue, agent, event"
    if second_of(raw) is None:
        return "second", f"{shown(fields[0])} is no number of seconds since 1970"
    if not fields[4].strip():
        return "event", "no event is named"
    return "agent", "an event of an agent in a queue, and one of the two is missing"


def _out_of_years(event: Event) -> Unfit | None:
    """Return why an event is of no year that a log can be of, as where a clock had not been set; None for any other."""
    if event.at.year in YEARS:
        return None
    words = f"a second in {event.at.year}; a year from {YEARS[0]} to {YEARS[-1]} is expected"
    length = len(str(int(event.at.timestamp())))
    return Unfit(reason="time", field="second", kind="time", length=length, detail=words)


def _place_of(event: Event, lines: Sequence[bytes]) -> int:
    """Return the place of the first of these lines that an event may be from: it has its second and names its call."""
    second, named = int(event.at.timestamp()), [value.encode() for value in _ids_of(event)]
    for place, raw in enumerate(lines):
        call = raw.split(b"|", 2)[1:2]
        if second_of(raw) == second and call and any(call[0] in value for value in named):
            return place
    return 0


def _ids_of(event: Event) -> list[str]:
    return [value for name in ("visit_id", "contact_id", "leg_id") if (value := getattr(event, name, ""))]


def _number_in(detail: str) -> int | None:
    """Return the number of the line that a translator names."""
    number = detail.removeprefix("line ")
    return int(number) if number.isdigit() else None


def _first_second(source: Source) -> int | None:
    """Return the second of a file's first line; None for an empty one. Raises `RecordingError`."""
    with opened(source) as (file, _):
        head = file.read(_HEAD)
    if not head.strip():
        return None
    for line in head.split(b"\n"):
        if line.count(b"|") >= 4 and (second := second_of(line)) is not None:
            return second
    raise RecordingError(
        f"{source.path}: no line of a queue_log in its first {_HEAD} bytes; expected second|call|queue|agent|event"
    )


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file in pieces that end with a line; a last line without an end is given one."""
    rest = b""
    while piece := file.read(PIECE):
        rest += piece
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _LONGEST:  # no queue_log: it is refused as one line that is too long
            yield rest[:_LONGEST] + b"\n"
            rest = b""
    if rest:
        yield rest + b"\n"
