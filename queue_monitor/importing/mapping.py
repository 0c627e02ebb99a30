"""The mapping: a small TOML file that describes the columns of a CSV export."""

import hashlib
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from queue_monitor.importing.reading import checked_name
from queue_monitor.model import Outcome
from queue_monitor.queues import spelled
from queue_monitor.replay.recording import RecordingError

PASS_OVER: Final = "pass_over"
"""The words of lines that are no calls to a queue, such as outgoing ones: they are counted and left out."""

REFUSED: Final = ("refused", "refused_full", "refused_no_agents", "refused_closed")
WORDS: Final = (
    *(word.value for word in Outcome if word not in (Outcome.WAITING, Outcome.REFUSED)),
    *REFUSED,
    PASS_OVER,
)
ORDERS: Final = ("auto", "oldest_first", "newest_first")
UNITS: Final = ("seconds", "milliseconds", "minutes")
ISO: Final = "iso"
_HOURS: Final = frozenset({"%H", "%I", "%c", "%X"})
_PARTS: Final = re.compile("%[A-Za-z%]")


def folded(word: str) -> str:
    """Return a word as it is compared: composed (NFC), trimmed and case folded."""
    return spelled(word).casefold()


class FileForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of the file.

    `decimal`: "" is a comma, but one before three digits may part thousands, and is not guessed at.
    `header_line`: the line with the column names; those before it are ignored.
    """

    encoding: str = "utf-8"
    separator: str = ";"
    decimal: str = ""
    header_line: int = 1
    order: str = "auto"


class Times(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of times.

    `zone`: "" is that of the settings.
    `format`: as in strptime, or `iso`.
    `unit`: of a wait or talk that is a plain number; with colons it is hours, minutes and seconds whatever the unit.
    """

    zone: str = ""
    format: str = ISO
    unit: str = "seconds"


class Columns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names of the columns in the file's header; "" where there is no such column.

    A date and a time in two columns are named together: `entered = ["Datum", "Klockslag"]`.
    `call`: the value that all lines of one call share; nothing of it is kept.
    """

    entered: str | list[str]
    queue: str
    outcome: str = ""
    wait: str = ""
    answered: str | list[str] = ""
    ended: str | list[str] = ""
    talk: str = ""
    call: str = ""

    def named(self, field: str) -> tuple[str, ...]:
        """Return the columns of a field; none where it has none."""
        names = getattr(self, field)
        return tuple(filter(None, [names] if isinstance(names, str) else names))


class Mapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One form of export.

    `outcomes`: the file's words by our own outcomes.
    `queues`: other names for queues.
    """

    name: str = ""
    file: FileForm = FileForm()
    time: Times = Times()
    columns: Columns
    outcomes: dict[str, list[str]] = {}
    queues: dict[str, str] = {}

    @property
    def by_word(self) -> dict[str, str]:
        """Return our meaning of each word of the file, however it is spelled."""
        return {folded(word): ours for ours, words in self.outcomes.items() for word in words}

    @property
    def precision_ms(self) -> int:
        """Return the precision of the written times, in ms."""
        if self.time.format == ISO or "%f" in self.time.format:
            return 1000 if self.time.format == ISO else 1
        is_whole = any(part in self.time.format for part in ("%S", "%T", "%X", "%c"))
        return 1000 if is_whole else 60_000

    def zone(self, otherwise: ZoneInfo) -> ZoneInfo:
        """Return the zone of times that name none."""
        return ZoneInfo(self.time.zone) if self.time.zone else otherwise


def read_mapping(path: Path) -> tuple[Mapping, str]:
    """Return the mapping and its hash. Raises `RecordingError` that names the file and the key."""
    try:
        raw = path.read_bytes()
        mapping = msgspec.convert(tomllib.loads(raw.decode()), Mapping)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: is no TOML in UTF-8: {error}") from error
    except msgspec.ValidationError as error:
        raise RecordingError(f"{path}: {error}") from error
    mapping = msgspec.structs.replace(mapping, name=checked_name(mapping.name or path.stem, f"{path}: name"))
    if mistake := _mistake(mapping):
        raise RecordingError(f"{path}: {mistake}")
    return mapping, hashlib.sha256(msgspec.json.encode(mapping)).hexdigest()


def _mistake(mapping: Mapping) -> str:
    """Return a mistake of the mapping in words; "" for one that can be used."""
    form, times, columns = mapping.file, mapping.time, mapping.columns
    if len(form.separator) != 1 or form.separator in '"\r\n':
        return f"file.separator: {form.separator!r} is not one sign, such as ; or , or a tab"
    if form.decimal not in ("", ",", "."):
        return f"file.decimal: {form.decimal!r} is neither , nor ."
    if form.header_line < 1:
        return "file.header_line: lines are counted from 1"
    for key, value, known in (("file.order", form.order, ORDERS), ("time.unit", times.unit, UNITS)):
        if value not in known:
            return f"{key}: {value!r} is not one of {', '.join(known)}"
    try:
        "".encode(form.encoding)
    except LookupError:
        return f"file.encoding: {form.encoding!r} is not known; usual are utf-8 and windows-1252"
    try:
        mapping.zone(ZoneInfo("UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return f"time.zone: {times.zone!r} is no time zone, such as Europe/Stockholm"
    if mistake := _mistaken_format(times.format):
        return mistake
    if not columns.entered or not columns.queue:
        return "columns: entered and queue must name a column"
    if not columns.outcome and not columns.answered:
        return "columns: outcome or answered must name a column; else nobody knows who was answered"
    if not (columns.wait or columns.answered or columns.ended):
        return "columns: wait, or answered and ended, must name a column; else nobody knows how long callers waited"
    if columns.outcome and not mapping.outcomes:
        return "outcomes: say what the words of the column of outcomes are here, such as answered = ['Besvarat']"
    return _mistaken_words(mapping)


def _mistaken_format(form: str) -> str:
    """Return the mistake of a form of times in words: without it a time would be read as another one."""
    if form == ISO:
        return ""
    try:
        datetime.strptime("", form)  # noqa: DTZ007  # nothing is read from it
    except (ValueError, re.error) as error:
        if not str(error).startswith("time data"):
            return f"time.format: {form!r}: {error}"
    parts = set(_PARTS.findall(form))
    if not parts & _HOURS:
        return f"time.format: {form!r} has no hour (%H); a date alone would put every call at midnight"
    if "%p" in parts and "%I" not in parts:
        return f"time.format: {form!r}: AM and PM (%p) count only with an hour of 12 (%I)"
    if "%I" in parts and "%p" not in parts:
        return f"time.format: {form!r}: an hour of 12 (%I) needs AM or PM (%p); an hour of 24 is %H"
    return ""


def _mistaken_words(mapping: Mapping) -> str:
    seen: dict[str, str] = {}
    for ours, words in mapping.outcomes.items():
        if ours not in WORDS:
            return f"outcomes.{ours}: is not one of {', '.join(WORDS)}"
        for word in words:
            if (other := seen.setdefault(folded(word), ours)) != ours:
                return f"outcomes.{ours}: {word!r} stands under {other} too"
    return ""
