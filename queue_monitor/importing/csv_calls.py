"""Reads CSV exports of calls: each line is a stay in a queue, in any order."""

import codecs
import csv
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

from queue_monitor.events import Event
from queue_monitor.importing.call_events import Telling
from queue_monitor.importing.files import Place, Source, as_text, looked_at, opened
from queue_monitor.importing.mapping import Mapping
from queue_monitor.importing.reading import CSV, FileTally, Piece
from queue_monitor.importing.refusals import Refusals, RefusedLine
from queue_monitor.importing.rows import BOM, HEADER, PassedOver, Refusal, RowReader, Stay
from queue_monitor.importing.sorting import Sorted
from queue_monitor.model import ImportedFile
from queue_monitor.replay.recording import RecordingError

_ROWS: Final = 1000
_EVENTS: Final = 1000
_GOES_BACK_MS: Final = 15 * 60_000
"""A file that goes back in time by more than this was put together; one that is in the order of the calls' ends goes
back by less.
"""

_MAX_PARTS: Final = 500
"""A file that goes back more often is in no order, and no more parts are told apart."""

_LAST_LINES: Final = 20
"""The number of last lines among which one with a time is looked for: sums may stand below the calls."""


class _Parts:
    """The exports of which a file was put together: the next one begins where the file goes back in time (forward, with
    the newest first), or names its columns once more.
    """

    def __init__(self, *, newest_first: bool) -> None:
        self._sign = -1 if newest_first else 1
        self._last: int | None = None
        self.number = 0

    def turn(self) -> None:
        """Begin the next one."""
        self.number = min(self.number + 1, _MAX_PARTS)
        self._last = None

    def of(self, stay: Stay, cells: list[str]) -> Stay:
        """Return the stay of this line with its part of the file and what stands for the line."""
        if self._last is not None and self._sign * (self._last - stay.entered_ms) > _GOES_BACK_MS:
            self.turn()
        self._last = stay.entered_ms
        return stay._replace(part=self.number, row=hash(tuple(cells)))


class CsvCalls:
    """The files of one form of export. They are read whole and sorted first, then turned into events."""

    kind = CSV
    ends_are_told = True
    is_checked = False

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        mapping: Mapping,
        mapping_hash: str,
        zone: ZoneInfo,
        is_number: Callable[[str], bool],
    ) -> None:
        """Take the files. Raises `RecordingError`.

        `is_number`: returns whether a queue's name holds a telephone number.
        """
        self.name = name
        self.mapping = mapping_hash
        self.refusals = Refusals()
        self.notes: list[str] = []
        self.tells_talk = bool(mapping.columns.talk or mapping.columns.ended)
        self._mapping = mapping
        self._zone = zone
        self._is_number = is_number
        sources = {source.sha256: source for source in map(looked_at, paths)}
        self._sources = list(sources.values())
        self._tallies = [FileTally(source.name, source.sha256) for source in self._sources]
        self._group_key = token_bytes(16)
        self._passed_over = 0
        self._doubled = 0
        self._rows: Any = csv.reader(())

    @property
    def files(self) -> tuple[ImportedFile, ...]:
        """Return the facts about the files that are known so far."""
        return tuple(tally.record(self.refusals) for tally in self._tallies)

    def pieces(self) -> Iterator[Piece]:
        """Yield events by the order of entry, after pieces without any while the files are read. Raises
        `RecordingError`.
        """
        size = sum(source.size for source in self._sources)
        before = 0
        with Sorted() as stays:
            for number, (source, tally) in enumerate(zip(self._sources, self._tallies, strict=True)):
                with self._reader(source) as (rows, reader, place, parts):
                    for _ in self._take(rows, reader, number, tally, stays, parts):
                        yield Piece([], before + min(place.done, source.size), 2 * size)
                    self._doubled += reader.times.doubled
                before += source.size
            self._note()
            telling = Telling(self.name, self._mapping.precision_ms)
            events: list[Event] = []
            for done, told in enumerate(telling.events(stays), 1):
                events += told
                if len(events) >= _EVENTS:
                    yield Piece(events, size + size * done // stays.count, 2 * size)
                    events = []
            if telling.repeated:
                what = "1 line says" if telling.repeated == 1 else f"{telling.repeated} lines say"
                self.notes.append(f"{what} of a call what another line of the file says of it: taken once")
            if telling.overlapping:
                what = "1 line says" if telling.overlapping == 1 else f"{telling.overlapping} lines say"
                self.notes.append(f"{what} what a line of another export says, where exports overlap: taken once")
            yield Piece(events, 2 * size, 2 * size)

    def _take(
        self, rows: Any, reader: RowReader, number: int, tally: FileTally, stays: Sorted, parts: _Parts
    ) -> Iterator[None]:
        """Read the lines of one file, with a yield now and then."""
        tally.lines = rows.line_num + self._mapping.file.header_line - 1
        for count, cells in enumerate(rows, 1):
            line, tally.lines = tally.lines + 1, rows.line_num + self._mapping.file.header_line - 1
            if not any(map(str.strip, cells)):
                continue
            try:
                stay = reader.stay(cells, number, line)
            except PassedOver:
                self._passed_over += 1
            except Refusal as error:
                if error.reason == HEADER:
                    parts.turn()
                ends = "" if tally.lines == line else f"; a cell in quotes goes on to line {tally.lines}"
                self.refusals.add(RefusedLine(tally.name, line, error.field, error.reason, error.why + ends))
            else:
                stays.add(parts.of(stay, cells))
                tally.entries += 1
                tally.see(reader.day_of(stay))
            if count % _ROWS == 0:
                yield None

    @contextmanager
    def _reader(self, source: Source) -> Iterator[tuple[Any, RowReader, Place, _Parts]]:
        """Return the lines of a file behind its header, and their reader."""
        newest_first = self._is_newest_first(source)
        with opened(source) as (file, place), self._understood(source):
            rows, header = self._begun(file)
            reader = self._row_reader(source, header, newest_first=newest_first)
            yield rows, reader, place, _Parts(newest_first=newest_first)

    def _begun(self, file: BinaryIO) -> tuple[Any, list[str]]:
        encoding = "utf-8-sig" if codecs.lookup(self._mapping.file.encoding).name == "utf-8" else None
        text = as_text(file, encoding or self._mapping.file.encoding)
        for _ in range(self._mapping.file.header_line - 1):
            text.readline()
        self._rows = csv.reader(text, delimiter=self._mapping.file.separator)
        header: list[str] = next(self._rows, [])
        return self._rows, [cell.removeprefix(BOM) for cell in header]

    def _row_reader(self, source: Source, header: list[str], *, newest_first: bool) -> RowReader:
        if not any(map(str.strip, header)):
            raise RecordingError(f"{source.path}, line {self._mapping.file.header_line}: no column is named here")
        try:
            return RowReader(
                self._mapping, header, self._zone, self._is_number, self._grouped, newest_first=newest_first
            )
        except Refusal as error:
            line = self._mapping.file.header_line
            raise RecordingError(f"{source.path}, line {line}: the column {error.field!r} {error.why}") from error

    @contextmanager
    def _understood(self, source: Source) -> Iterator[None]:
        encoding = self._mapping.file.encoding
        try:
            yield
        except UnicodeError as error:
            raise RecordingError(
                f"{source.path}: is not written in {encoding}; say another file.encoding, such as windows-1252"
            ) from error
        except csv.Error as error:
            line = self._rows.line_num + self._mapping.file.header_line - 1
            raise RecordingError(f"{source.path}, line {line}: is no CSV that can be read: {error}") from error

    def _is_newest_first(self, source: Source) -> bool:
        """Return whether lines are newest first: by the mapping, else by the first and last line that can be read."""
        if self._mapping.file.order != "auto":
            return self._mapping.file.order == "newest_first"
        with opened(source) as (file, _), self._understood(source):
            rows, header = self._begun(file)
            reader = self._row_reader(source, header, newest_first=False)
            first, last = None, deque[list[str]](maxlen=_LAST_LINES)
            for cells in rows:
                if any(map(str.strip, cells)):
                    first = first or reader.written(cells)
                    last.append(cells)
            end = next(filter(None, map(reader.written, reversed(last))), None)
        return first is not None and end is not None and first > end

    def _grouped(self, call: str) -> str:
        """Return the stand-in for a call's id while files are read: a hash under a key that is dropped after the
        import.
        """
        return hashlib.blake2b(call.encode(), key=self._group_key, digest_size=12).hexdigest()

    def _note(self) -> None:
        if self._passed_over:
            what = "1 line was" if self._passed_over == 1 else f"{self._passed_over} lines were"
            self.notes.append(f"{what} left out: no call to a queue, as the mapping says")
        if self._doubled:
            self.notes.append(
                f"{self._doubled} times lie in the hour that came twice when the clocks were set back: they are taken "
                "for the first of the two until the file goes back in time"
            )
