"""Reads one line of a CSV export by its mapping: a stay in a queue, or the reason why it is none."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor.events import milliseconds
from queue_monitor.importing.mapping import ISO, PASS_OVER, REFUSED, Mapping, folded
from queue_monitor.importing.reading import YEARS
from queue_monitor.importing.refusals import shown
from queue_monitor.local_times import LocalTimes, MissingHour
from queue_monitor.model import Outcome
from queue_monitor.queues import spelled

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS: Final = 86_400_000
_NUMBER: Final = re.compile(r"[0-9]{1,9}([.,][0-9]{1,9})?")
_MAYBE_THOUSANDS: Final = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-9]{1,2})(?:[.,]([0-9]{1,9}))?")
_DOTTED: Final = re.compile(r"([0-9]{1,3})\.([0-9]{2})\.([0-9]{2})()")
_WORDED: Final = re.compile(
    r"(?:pt)?(?=[0-9])(?:([0-9]{1,3})(?:h|t|tim|timmar|timme))?(?:([0-9]{1,4})(?:m|min|minut|minuter))?"
    r"(?:([0-9]{1,2})(?:[.,]([0-9]{1,9}))?(?:s|sek|sec|sekunder))?",
    re.IGNORECASE,
)
_IN_SECONDS: Final = re.compile(r"(?:pt)?([0-9.,]+)(?:s|sek|sec|sekunder)", re.IGNORECASE)
"""Hours, minutes, seconds and parts of a second, as `0:05:30`, `75:30` or, in Swedish, `0.05.30`; and with the units
written out, as `5m30s`, `5 min 30 s` or `PT5M30S`.
"""

_MS: Final = {"seconds": 1_000, "milliseconds": 1, "minutes": 60_000}
_NOTHING: Final = frozenset({"", "-", "--", "–", "—", "null", "(null)", "none", "nan", "n/a", "\\n"})
"""The signs that exports put where there is nothing, case folded; those of databases too."""

_DAY_NUMBER: Final = re.compile(r"[3-7][0-9]{4}(?:[.,][0-9]+| ?0?[.,][0-9]+)?")
_DAY_PART: Final = re.compile(r"(?:0?[.,](?P<part>[0-9]{8,17})|[1-9](?:[.,][0-9]+)?E-0[1-6])", re.IGNORECASE)
"""A day from 1982 to 2119, and a time of a day, as a spreadsheet counts both: in days, whole seconds of which have no
short fraction.
"""

_NO_DAY: Final = "0000-00-00"
"""The beginning of a time that a database has for none."""

_ROUNDED: Final = re.compile(r"[0-9][.,][0-9]+E\+[0-9]+", re.IGNORECASE)
"""An id that a spreadsheet has made a number of, and rounded."""

BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark: it begins a file, and stands inside one that was put together of several."""

HEADER: Final = "header"
"""Why a line is refused in which the names of the columns stand once more."""

_ISO_DAY: Final = 10
"""The length of an ISO date without a time of day."""

_OVER_MIDNIGHT: Final = timedelta(hours=12)
"""The longest that a call may go on into the next day where its times stand beside one date."""

_SHOW_AS: Final = "save the file again with the column shown there as"

_MONTHS: Final = ("jan", "feb", "mar", "apr", "maj", "jun", "jul", "aug", "sep", "okt", "nov", "dec")
_MONTH: Final = re.compile(rf"\b({'|'.join(_MONTHS)})[a-zå]*\.?", re.IGNORECASE)
_HALF_DAY: Final = re.compile(r"\b([fe])\.?m\b\.?", re.IGNORECASE)


class Stay(NamedTuple):
    """One caller's stay in one queue, or, with an `outcome` of `REFUSED`, a caller who never got in.

    `talk_ms`: None where the file has none.
    `group`: the same in all stays of one call; "" where the file does not group them.
    `part`: which of the exports, where the file was put together of several.
    `row`: stands for the whole line, under a key that goes with the process.
    """

    entered_ms: int
    file: int
    line: int
    queue: str
    outcome: str
    wait_ms: int
    talk_ms: int | None
    group: str
    part: int = 0
    row: int = 0


class Refusal(Exception):
    """Raised for a refused line: `field` is a column's name."""

    def __init__(self, field: str, reason: str, why: str) -> None:
        super().__init__(why)
        self.field = field
        self.reason = reason
        self.why = why


class PassedOver(Exception):
    """Raised for a line that is no call to a queue by the mapping."""


class RowReader:
    """Reads the lines of one file, in order."""

    def __init__(
        self,
        mapping: Mapping,
        header: list[str],
        zone: ZoneInfo,
        is_number: Callable[[str], bool],
        grouped: Callable[[str], str],
        *,
        newest_first: bool,
    ) -> None:
        """Take a file's header. Raises `Refusal` for a column that is missing, or there twice.

        `is_number`: returns whether a queue's name holds a telephone number.
        `grouped`: returns the stand-in for a call's id while the file is read.
        """
        self._mapping = mapping
        self._words = mapping.by_word
        self._header = header
        self._columns = {
            field: tuple(_place(header, name) for name in names)
            for field in mapping.columns.__struct_fields__
            if (names := mapping.columns.named(field))
        }
        self._width = len(header)
        self._zone = zone
        self.times = LocalTimes(mapping.zone(zone), newest_first=newest_first)
        self._is_number = is_number
        self._grouped = grouped
        self._format = mapping.time.format
        self._in_words = any(part in self._format for part in ("%b", "%B", "%p"))
        entered = set(mapping.columns.named("entered"))
        later = {field: set(mapping.columns.named(field)) for field in ("answered", "ended")}
        self._beside_the_date = {field for field, its in later.items() if entered & its and not entered <= its}
        self._names = {spelled(theirs): spelled(ours) for theirs, ours in mapping.queues.items()}

    def stay(self, cells: list[str], file: int, line: int) -> Stay:
        """Return the stay of a line. Raises `Refusal` and `PassedOver`."""
        if len(cells) > self._width and any(cells[self._width :]):
            what = f"{len(cells)} cells, and {self._width} columns; is the separator or the decimal sign another one?"
            raise Refusal("line", "too_many_cells", what)
        if len(cells) < self._width and len(cells) <= max(map(max, self._columns.values())):
            what = f"{len(cells)} cells, and {self._width} columns; is the line cut off?"
            raise Refusal("line", "too_few_cells", what)
        if self._is_header(cells):
            raise Refusal("line", HEADER, "the names of the columns stand here once more")
        outcome = self._outcome(cells)
        entered = self._moment(cells, "entered", self.times.utc)
        queue = self._queue(cells)
        wait_ms = 0 if outcome in REFUSED and not self._has_wait(cells) else self._wait(cells, outcome, entered)
        talk_ms = self._talk(cells, entered + timedelta(milliseconds=wait_ms)) if outcome == Outcome.ANSWERED else None
        group = self._call(cells)
        entered_ms = milliseconds(entered - _EPOCH)
        return Stay(entered_ms, file, line, queue, outcome, wait_ms, talk_ms, self._grouped(group) if group else "")

    def day_of(self, stay: Stay) -> date:
        """Return the local day on which a stay began."""
        return (_EPOCH + timedelta(milliseconds=stay.entered_ms)).astimezone(self._zone).date()

    def written(self, cells: list[str]) -> datetime | None:
        """Return a line's time of entry as written; None where that cannot be read."""
        try:
            return self._parsed(self._cell(cells, "entered")).replace(tzinfo=None)
        except (ValueError, IndexError):
            return None

    def _cell(self, cells: list[str], field: str) -> str:
        places = self._columns.get(field, ())
        return " ".join(cells[place].strip() for place in places if place < len(cells)).strip()

    def _filled(self, cells: list[str], field: str) -> str:
        """Return a cell, "" for one with a sign for nothing; of several columns all must have something."""
        parts = [cells[place].strip() if place < len(cells) else "" for place in self._columns.get(field, ())]
        return "" if any(part.casefold() in _NOTHING or part.startswith(_NO_DAY) for part in parts) else " ".join(parts)

    def _is_header(self, cells: list[str]) -> bool:
        """Return whether a line is the header once more, as where exports were put one behind another."""
        return cells[-1] == self._header[-1] and [cells[0].removeprefix(BOM), *cells[1:]] == self._header

    def _call(self, cells: list[str]) -> str:
        """Return the id of a line's call; "" where it has none that tells calls apart."""
        text = self._filled(cells, "call")
        if _ROUNDED.fullmatch(text):
            why = f"{shown(text)} is a number that a spreadsheet has rounded, so that several calls share it"
            raise Refusal(self._named("call"), "call_rounded", why)
        return text if text.strip("0-{} ") else ""

    def _named(self, field: str) -> str:
        return f"{' + '.join(self._mapping.columns.named(field))} ({field})"

    def _outcome(self, cells: list[str]) -> str:
        if "outcome" not in self._columns:
            return Outcome.ANSWERED if self._filled(cells, "answered") else Outcome.ABANDONED
        word = self._cell(cells, "outcome")
        ours = self._words.get(folded(word))
        if ours == PASS_OVER:
            raise PassedOver
        if ours is None:
            why = f"{shown(word)} stands under no key of [outcomes]"
            raise Refusal(self._named("outcome"), "outcome", why)
        return ours

    def _queue(self, cells: list[str]) -> str:
        written = spelled(self._cell(cells, "queue"))
        queue = self._names.get(written, written)
        if not queue:
            raise Refusal(self._named("queue"), "queue", "no queue is named")
        if len(queue) > 200 or not queue.isprintable():
            raise Refusal(self._named("queue"), "queue", "longer than 200 signs, or with signs that cannot be shown")
        if self._is_number(queue):
            why = f"{shown(queue)} holds a telephone number; name it in the settings, or give it a name under [queues]"
            raise Refusal(self._named("queue"), "queue_is_a_number", why)
        return queue

    def _moment(self, cells: list[str], field: str, moment: Callable[[datetime], datetime]) -> datetime:
        text = self._cell(cells, field)
        try:
            at = self._parsed(text)
        except ValueError:
            if _DAY_NUMBER.fullmatch(text):
                why = f"{shown(text)} is a day as a spreadsheet counts; {_SHOW_AS} date and time"
                raise Refusal(self._named(field), "time", why) from None
            how = "a time such as 2026-03-02 08:15:30" if self._format == ISO else f"a time written as {self._format}"
            raise Refusal(self._named(field), "time", f"{shown(text)}; expected {how}") from None
        if at.year not in YEARS:
            raise Refusal(self._named(field), "time", f"a year outside {YEARS[0]} to {YEARS[-1]}")
        try:
            return moment(at)
        except MissingHour:
            why = f"{at:%Y-%m-%d %H:%M:%S} is no time: the clocks were set forward then"
            raise Refusal(self._named(field), "missing_hour", why) from None

    def _parsed(self, text: str) -> datetime:
        if self._format == ISO:
            if len(text) <= _ISO_DAY:
                raise ValueError("a date without a time of day")
            return datetime.fromisoformat(text)
        try:
            return datetime.strptime(text, self._format)  # noqa: DTZ007  # its zone is the mapping's
        except ValueError:
            if not self._in_words:
                raise
            form = self._format.replace("%B", "%m").replace("%b", "%m")
            return datetime.strptime(_without_swedish(text), form)  # noqa: DTZ007  # its zone is the mapping's

    def _has_wait(self, cells: list[str]) -> bool:
        return any(self._filled(cells, field) for field in ("wait", "answered", "ended"))

    def _wait(self, cells: list[str], outcome: str, entered: datetime) -> int:
        """Return the caller's wait, in ms."""
        if self._filled(cells, "wait"):
            return self._duration(cells, "wait")
        if outcome != Outcome.ANSWERED and self._filled(cells, "ended"):
            return self._between(cells, "ended", entered)
        if outcome == Outcome.ANSWERED and self._filled(cells, "answered"):
            return self._between(cells, "answered", entered)
        if outcome == Outcome.ANSWERED and self._filled(cells, "ended") and self._filled(cells, "talk"):
            wait_ms = self._between(cells, "ended", entered) - self._duration(cells, "talk")
            if wait_ms < -self._mapping.precision_ms:
                raise Refusal(self._named("talk"), "order", "longer than from the entry to the end of the call")
            return max(0, wait_ms)
        missing = ", ".join(name for name in ("wait", "answered", "ended") if name in self._columns)
        raise Refusal(missing, "wait", "how long the caller waited is not told")

    def _between(self, cells: list[str], field: str, start: datetime) -> int:
        end = self._moment(cells, field, lambda at: self.times.after(at, start))
        if end < start and field in self._beside_the_date:
            next_day = self._moment(cells, field, lambda at: self.times.after(at + timedelta(days=1), start))
            end = next_day if next_day - start <= _OVER_MIDNIGHT else end
        if end < start:
            raise Refusal(self._named(field), "order", "earlier than what must come before it")
        return self._bounded(milliseconds(end - start), field)

    def _talk(self, cells: list[str], answered: datetime) -> int | None:
        if self._filled(cells, "talk"):
            return self._duration(cells, "talk")
        return self._between(cells, "ended", answered) if self._filled(cells, "ended") else None

    def _duration(self, cells: list[str], field: str) -> int:
        text = "".join(self._filled(cells, field).split())
        told, unit = self._mapping.file.decimal, self._mapping.time.unit
        if in_seconds := _IN_SECONDS.fullmatch(text):
            text, unit = in_seconds[1], "seconds"
        elif clock := _CLOCK.fullmatch(text) or _DOTTED.fullmatch(text) or _WORDED.fullmatch(text):
            hours, minutes, seconds, part = clock.groups()
            if int(seconds or 0) < 60 and (hours is None or int(minutes or 0) < 60):
                whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
                return self._bounded(whole * 1_000 + round(float(f"0.{part or 0}") * 1_000), field)
        if _is_part_of_a_day(text):
            why = f"{shown(text)} is a part of a day, as a spreadsheet counts; {_SHOW_AS} [h]:mm:ss"
            raise Refusal(self._named(field), field, why)
        decimal = told or ","
        other = ".,".replace(decimal, "")
        if not told and _MAYBE_THOUSANDS.fullmatch(text):
            why = f"{shown(text)} may be thousands, or {unit} with three decimals: say which sign is file.decimal"
            raise Refusal(self._named(field), field, why)
        if not _NUMBER.fullmatch(text) or other in text:
            how = f"{unit} such as 42{decimal}5, or hh:mm:ss"
            raise Refusal(self._named(field), field, f"{shown(text)}; expected {how}")
        number = float(text.replace(",", "."))
        return self._bounded(round(min(number, _MAX_MS + 1) * _MS[unit]), field)

    def _bounded(self, found_ms: int, field: str) -> int:
        if not 0 <= found_ms <= _MAX_MS:
            raise Refusal(self._named(field), field, "longer than a day")
        return found_ms


def _is_part_of_a_day(text: str) -> bool:
    """Return whether a number is some whole seconds as a part of a day, to its last decimal: no switch measures so."""
    found = _DAY_PART.fullmatch(text)
    if found is None or (part := found["part"]) is None:
        return found is not None
    seconds = float(f"0.{part}") * 86_400
    return seconds >= 0.5 and abs(seconds - round(seconds)) <= 86_400 * 10.0 ** -len(part) + 1e-6


def _without_swedish(text: str) -> str:
    """Return a time with its Swedish month as a number, and `fm` and `em` as strptime reads them."""
    text = _MONTH.sub(lambda found: str(_MONTHS.index(found[1].casefold()) + 1), text)
    return _HALF_DAY.sub(lambda found: "AM" if found[1].casefold() == "f" else "PM", text)


def _place(header: list[str], name: str) -> int:
    """Return the place of a column."""
    wanted = folded(name)
    places = [at for at, found in enumerate(header) if folded(found) == wanted]
    if len(places) != 1:
        what = (
            "stands twice in the header" if places else f"is not in the header: {', '.join(map(shown, header))[:400]}"
        )
        raise Refusal(name, "column", what)
    return places[0]
