"""Reads one line of a CSV export by its mapping: a stay in a queue, or the reason why it is none."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor.events import milliseconds
from queue_monitor.importing.mapping import ISO, PASS_OVER, REFUSED, Mapping
from queue_monitor.importing.refusals import shown
from queue_monitor.local_times import LocalTimes, MissingHour
from queue_monitor.model import Outcome
from queue_monitor.queues import spelled

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS: Final = 86_400_000
_YEARS: Final = range(1990, 2100)
_NUMBER: Final = re.compile(r"[0-9]{1,9}([.,][0-9]{1,9})?")
_MS: Final = {"seconds": 1_000, "milliseconds": 1, "minutes": 60_000}


class Stay(NamedTuple):
    """One caller's stay in one queue, or, with an `outcome` of `REFUSED`, a caller who never got in.

    `talk_ms`: None where the file has none.
    `group`: the same in all stays of one call; "" where the file does not group them.
    """

    entered_ms: int
    file: int
    line: int
    queue: str
    outcome: str
    wait_ms: int
    talk_ms: int | None
    group: str


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
        self._names = {spelled(theirs): spelled(ours) for theirs, ours in mapping.queues.items()}

    def stay(self, cells: list[str], file: int, line: int) -> Stay:
        """Return the stay of a line. Raises `Refusal` and `PassedOver`."""
        if len(cells) > self._width and any(cells[self._width :]):
            what = f"{len(cells)} cells, and {self._width} columns; is the separator or the decimal sign another one?"
            raise Refusal("line", "too_many_cells", what)
        if len(cells) < self._width and len(cells) <= max(map(max, self._columns.values())):
            what = f"{len(cells)} cells, and {self._width} columns; is the line cut off?"
            raise Refusal("line", "too_few_cells", what)
        outcome = self._outcome(cells)
        entered = self._moment(cells, "entered", self.times.utc)
        queue = self._queue(cells)
        wait_ms = 0 if outcome in REFUSED and not self._has_wait(cells) else self._wait(cells, outcome, entered)
        talk_ms = self._talk(cells, entered + timedelta(milliseconds=wait_ms)) if outcome == Outcome.ANSWERED else None
        group = self._cell(cells, "call")
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

    def _named(self, field: str) -> str:
        return f"{' + '.join(self._mapping.columns.named(field))} ({field})"

    def _outcome(self, cells: list[str]) -> str:
        if "outcome" not in self._columns:
            return Outcome.ANSWERED if self._cell(cells, "answered") else Outcome.ABANDONED
        word = self._cell(cells, "outcome")
        ours = self._words.get(word.casefold())
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
            how = "a time such as 2026-03-02 08:15:30" if self._format == ISO else f"a time written as {self._format}"
            raise Refusal(self._named(field), "time", f"{shown(text)}; expected {how}") from None
        if at.year not in _YEARS:
            raise Refusal(self._named(field), "time", f"a year outside {_YEARS[0]} to {_YEARS[-1]}")
        try:
            return moment(at)
        except MissingHour:
            why = f"{at:%Y-%m-%d %H:%M:%S} is no time: the clocks were set forward then"
            raise Refusal(self._named(field), "missing_hour", why) from None

    def _parsed(self, text: str) -> datetime:
        if self._format == ISO:
            return datetime.fromisoformat(text)
        return datetime.strptime(text, self._format)  # noqa: DTZ007  # its zone is the mapping's

    def _has_wait(self, cells: list[str]) -> bool:
        return any(self._cell(cells, field) for field in ("wait", "answered", "ended"))

    def _wait(self, cells: list[str], outcome: str, entered: datetime) -> int:
        """Return the caller's wait, in ms."""
        if self._cell(cells, "wait"):
            return self._duration(cells, "wait")
        field = "answered" if outcome == Outcome.ANSWERED and self._cell(cells, "answered") else "ended"
        if outcome == Outcome.ANSWERED and field == "ended" and self._cell(cells, "talk"):
            return self._between(cells, "ended", entered) - self._duration(cells, "talk")
        if not self._cell(cells, field) or (outcome == Outcome.ANSWERED and field == "ended"):
            missing = ", ".join(name for name in ("wait", "answered", "ended") if name in self._columns)
            raise Refusal(missing, "wait", "how long the caller waited is not told")
        return self._between(cells, field, entered)

    def _between(self, cells: list[str], field: str, start: datetime) -> int:
        end = self._moment(cells, field, lambda at: self.times.after(at, start))
        if end < start:
            raise Refusal(self._named(field), "order", "earlier than what must come before it")
        return self._bounded(milliseconds(end - start), field)

    def _talk(self, cells: list[str], answered: datetime) -> int | None:
        if self._cell(cells, "talk"):
            return self._duration(cells, "talk")
        return self._between(cells, "ended", answered) if self._cell(cells, "ended") else None

    def _duration(self, cells: list[str], field: str) -> int:
        text = self._cell(cells, field).replace("\xa0", "").replace(" ", "")
        decimal, other = self._mapping.file.decimal, ".,".replace(self._mapping.file.decimal, "")
        hours, minutes, seconds = 0, 0, text
        try:
            if ":" in text:
                *whole, seconds = text.split(":")
                if len(whole) > 2 or not all(part.isdigit() for part in whole):
                    raise ValueError
                hours, minutes = ([0, *map(int, whole)])[-2:]
            if not _NUMBER.fullmatch(seconds) or other in seconds:
                raise ValueError
            number = float(seconds.replace(",", "."))
            if number > _MAX_MS or (":" in text and (number >= 60 or minutes >= 60)):
                raise ValueError
        except ValueError:
            how = f"{self._mapping.time.unit} such as 42{decimal}5, or hh:mm:ss"
            raise Refusal(self._named(field), field, f"{shown(text)}; expected {how}") from None
        factor = 1_000 if ":" in text else _MS[self._mapping.time.unit]
        return self._bounded((hours * 3600 + minutes * 60) * 1_000 + round(number * factor), field)

    def _bounded(self, found_ms: int, field: str) -> int:
        if not 0 <= found_ms <= _MAX_MS:
            raise Refusal(self._named(field), field, "longer than a day")
        return found_ms


def _place(header: list[str], name: str) -> int:
    """Return the place of a column."""
    wanted = name.strip().casefold()
    places = [at for at, found in enumerate(header) if found.strip().casefold() == wanted]
    if len(places) != 1:
        what = (
            "stands twice in the header" if places else f"is not in the header: {', '.join(map(shown, header))[:400]}"
        )
        raise Refusal(name, "column", what)
    return places[0]
