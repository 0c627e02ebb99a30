"""Turns past calls from a CSV file into the events that a switch would have sent at the time.

Columns `entered_at, queue, wait_seconds, outcome, talk_seconds, agent`, in any order, others are ignored; comma or
semicolon, gzip or not, UTF-8. Times without a zone are local. Where a talk time is missing the call is taken to last as
long as calls usually did until then; where the agent is missing, an unknown agent answered.
"""

import csv
import gzip
import heapq
import io
import logging
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor.core.calendar import Calendar
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    EntryReason,
    Event,
    LeftOutcome,
    SourceClock,
)
from queue_monitor.local_times import LocalTimes, MissingHour
from queue_monitor.model import Outcome
from queue_monitor.replay.recording import RecordingError

COLUMNS: Final = ("entered_at", "queue", "wait_seconds", "outcome", "talk_seconds", "agent")
NEEDED: Final = COLUMNS[:4]
WORDS: Final = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.WAITING)
MAX_SECONDS: Final = 86_400.0
YEARS: Final = range(1971, 2100)
"""The accepted years; another year is a slip of the pen."""

SOURCE: Final = "urn:kc:backtest:calls"
SWITCH: Final = "calls"
SIGN_OF_LIFE: Final = timedelta(seconds=60)
"""The time between signs of life: a file does not show whether the switch was there, so in open hours it was."""

TALK_UNKNOWN_SECONDS: Final = 240.0
"""The assumed length of a call while no talk time is known yet."""

TALKS_REMEMBERED: Final = 60
_MAY_BE_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+")

log = logging.getLogger(__name__)


class Call(NamedTuple):
    """One row. Times in seconds; `talk` None where the file has none. `line` is its place in the file."""

    line: int
    entered_at: datetime
    queue: str
    wait: float
    outcome: Outcome
    talk: float | None
    agent: str


def read_calls(path: Path, zone: ZoneInfo) -> list[Call]:
    """Return every row, by time of entry. Raises `RecordingError` with the file, the line and the field."""
    text = _text(path)
    header = text.partition("\n")[0]
    semicolons = header.count(";") > header.count(",")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if semicolons else ",")
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    for column in NEEDED:
        if column not in rows.fieldnames:
            raise RecordingError(f"{path}, line 1: no column {column}; expected {', '.join(COLUMNS)}")
    for column in COLUMNS:
        if rows.fieldnames.count(column) > 1:
            raise RecordingError(f"{path}, line 1: the column {column} stands twice")
    try:
        found = [(rows.line_num, row) for row in rows if any(value for value in row.values()) and not _is_header(row)]
    except csv.Error as error:
        raise RecordingError(f"{path}, line {rows.line_num}: {error}") from error
    short = [line for line, row in found if None in row.values()]
    if len(found) > 1 and short == [found[-1][0]] and not text.endswith(("\n", "\r")):
        raise RecordingError(f"{path}, line {short[0]}: the file ends in the middle of this line")
    calls = [_call(path, line, row) for line, row in found]
    if not calls:
        raise RecordingError(f"{path}: holds no calls")
    return sorted(_each_once(path, _in_utc(path, calls, zone)), key=lambda call: call.entered_at)


def _is_header(row: dict[str, str | None]) -> bool:
    """Return whether a row is the first line of another export, put behind the one before."""
    return all(name == (value or "").strip().lower() for name, value in row.items() if name is not None)


def _in_utc(path: Path, calls: list[Call], zone: ZoneInfo) -> Iterator[Call]:
    """Return the calls with times in UTC."""
    naive = [call.entered_at for call in calls if call.entered_at.tzinfo is None]
    times = LocalTimes(zone, newest_first=len(naive) > 1 and naive[0] > naive[-1])
    for call in calls:
        try:
            yield call._replace(entered_at=times.utc(call.entered_at))
        except MissingHour as error:
            raise RecordingError(f"{path}, line {call.line}, entered_at: {error}") from None


def _each_once(path: Path, calls: Iterable[Call]) -> Iterator[Call]:
    """Yield equal rows once where exports overlap, and log their number.

    Two callers may enter in one second and give up after as many: such rows stand together. Exports overlap where equal
    rows stand apart, or are of an answer.
    """
    calls = list(calls)
    seen: dict[tuple[object, ...], int] = {}
    repeated: list[int] = []
    overlap = False
    for place, call in enumerate(calls):
        before = seen.get(call[1:])
        if before is not None:
            repeated.append(call.line)
            between = calls[before + 1 : place]
            overlap |= call.outcome is Outcome.ANSWERED or any(it.entered_at != call.entered_at for it in between)
        seen[call[1:]] = place
    if not overlap:
        yield from calls
        return
    log.warning("%s: rows that say the same, counted once: %d, from line %d on", path, len(repeated), repeated[0])
    left_out = set(repeated)
    yield from (call for call in calls if call.line not in left_out)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RecordingError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordingError(f"{path}: the gzip file is broken: {error}") from error
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error


def _call(path: Path, line: int, row: dict[str, str | None]) -> Call:
    """Return one row as it is written: a time without a zone has none yet."""

    def wrong(field: str, expected: str) -> RecordingError:
        return RecordingError(f"{path}, line {line}, {field}: {written(field)!r}; expected {expected}")

    def written(field: str) -> str:
        return (row.get(field) or "").strip()

    def seconds(field: str) -> float:
        if _MAY_BE_THOUSANDS.fullmatch(written(field)):
            raise wrong(field, "seconds without a comma before three digits, which may be thousands or a decimal")
        try:
            value = float(written(field).replace(",", "."))
        except ValueError:
            raise wrong(field, "seconds, such as 42 or 42.5") from None
        if not 0.0 <= value <= MAX_SECONDS:
            raise wrong(field, "seconds, from 0 to 86400")
        return value

    if None in row:
        raise RecordingError(
            f"{path}, line {line}: more cells than columns; a decimal comma needs semicolons or quotes"
        )
    outcome = written("outcome").lower()
    if outcome not in WORDS:
        raise wrong("outcome", f"one of {', '.join(WORDS)}")
    if not written("queue"):
        raise wrong("queue", "the name of a queue")
    try:
        entered = datetime.fromisoformat(written("entered_at"))
        if len(written("entered_at")) <= len("2026-03-02"):
            raise ValueError("a day, and no time")
    except ValueError:
        raise wrong("entered_at", "a time such as 2026-03-02 08:15:30 or 2026-03-02T07:15:30Z") from None
    if entered.year not in YEARS:
        raise wrong("entered_at", f"a year from {YEARS[0]} to {YEARS[-1]}")
    refused = outcome == Outcome.REFUSED
    return Call(
        line=line,
        entered_at=entered,
        queue=written("queue"),
        wait=seconds("wait_seconds") if written("wait_seconds") or not refused else 0.0,
        outcome=Outcome(outcome),
        talk=seconds("talk_seconds") if written("talk_seconds") else None,
        agent=written("agent"),
    )


def events_of(calls: Iterable[Call], calendar: Calendar) -> Iterator[Event]:
    """Return the events of a switch, in order; with a sign of life each minute of open hours, on days with calls."""
    calls = list(calls)
    days = {calendar.day_of(call.entered_at) for call in calls}
    last: datetime | None = None
    for at, event in _in_order(calls):
        if last is not None:
            yield from _signs_of_life(last, at, days, calendar)
        yield event
        last = at
    if last is not None:
        closing = calendar.closing(last)
        if closing is not None:
            yield from _signs_of_life(last, closing, days, calendar)


def _in_order(calls: list[Call]) -> Iterator[tuple[datetime, Event]]:
    """Yield events in order; of one moment first the ends, then the entries, then the ends of calls without a wait."""
    ahead: list[tuple[datetime, int, int, Event]] = []
    usual = _Usual()
    for number, call in enumerate(calls):
        while ahead and ahead[0] < (call.entered_at, 1, number):
            at, _, _, event = heapq.heappop(ahead)
            yield at, event
        for at, rank, event in _told_of(call, usual):
            heapq.heappush(ahead, (at, rank, number, event))
    while ahead:
        at, _, _, event = heapq.heappop(ahead)
        yield at, event


def _told_of(call: Call, usual: "_Usual") -> Iterator[tuple[datetime, int, Event]]:
    """Yield the events of one call, each with its place among those of the same moment."""
    visit, entered = f"{SWITCH}:{call.line}", call.entered_at
    if call.outcome is Outcome.REFUSED:
        yield entered, 1, CallRefused(contact_id=visit, queue=call.queue, **_receipt(entered, "r", call))
        return
    ids: dict[str, Any] = {"visit_id": visit, "contact_id": visit, "leg_id": visit}
    reason = EntryReason.DIRECT
    yield entered, 1, CallEntered(queue=call.queue, entry_reason=reason, **ids, **_receipt(entered, "e", call))
    ended = entered + timedelta(seconds=call.wait)
    rank = 0 if call.wait else 2
    if call.outcome is not Outcome.ANSWERED:
        outcome = LeftOutcome(call.outcome.value)
        yield ended, rank, CallLeft(outcome=outcome, **ids, **_receipt(ended, "l", call))
        return
    agent = f"{SWITCH}:{call.agent}" if call.agent else ""
    yield ended, rank, CallAnswered(agent_id=agent, **ids, **_receipt(ended, "a", call))
    done = ended + timedelta(seconds=usual.talk(call.talk))
    yield done, 3 if done == ended else 0, CallCompleted(**ids, **_receipt(done, "c", call))


class _Usual:
    """The usual length of recent calls, for those without a talk time."""

    def __init__(self) -> None:
        self._known: list[float] = []

    def talk(self, told: float | None) -> float:
        if told is None:
            return sum(self._known) / len(self._known) if self._known else TALK_UNKNOWN_SECONDS
        self._known = [*self._known[1 - TALKS_REMEMBERED :], told]
        return told


def _receipt(at: datetime, kind: str, call: Call) -> dict[str, Any]:
    return {"id": f"{kind}{call.line}", "source": SOURCE, "switch": SWITCH, "observed_at": at, "switch_time": at}


def _signs_of_life(last: datetime, until: datetime, days: set[date], calendar: Calendar) -> Iterator[Event]:
    for opens, closes in calendar.spans(last, until) if until - last > SIGN_OF_LIFE else ():
        at = opens + SIGN_OF_LIFE
        while at < min(closes, until) and calendar.day_of(at) in days:
            yield SourceClock(
                id=f"s{at.timestamp():.0f}", source=SOURCE, switch=SWITCH, observed_at=at, switch_time=at, offset_ms=0.0
            )
            at += SIGN_OF_LIFE
