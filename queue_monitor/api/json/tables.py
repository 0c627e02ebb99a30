"""Tables as CSV that a Swedish Excel opens with a double click, and a program reads by its header.

UTF-8 with a byte order mark, `;` between cells, CRLF between lines (RFC 4180 otherwise), decimal comma. Times stand
twice: local time for people, `…_utc` in ISO 8601 for programs, since an hour comes twice on the night in October. A
text that begins as a formula would (`= + - @`, tab or carriage return) gets a `'` before it, so that a queue's name
cannot make a spreadsheet work something out (OWASP, CSV injection). An empty cell: nothing to measure, or not known.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.api.json.shapes import PeriodShape
from queue_monitor.model import Counts, LostCall, Outcome, Period, StoredCall, Target

Cell = str | int | float | bool | None
BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

LOST_COLUMNS: Final = (
    "queue",
    "last_queue",
    "entered_at",
    "entered_at_utc",
    "lost_at",
    "lost_at_utc",
    "wait_seconds",
    "outcome",
    "counted_as",
    "is_short",
    "is_late",
    "early",
    "in_opening_hours",
    "reached_later",
)


def lost_table(calls: Sequence[LostCall], zone: ZoneInfo, note: str = "") -> bytes:
    """Return one row for each caller whom nobody answered. `note`: words in a last row of their own."""
    return table(
        LOST_COLUMNS,
        (
            (
                call.queue,
                call.last_queue,
                *_moment(call.entered_at, zone),
                *_moment(call.lost_at, zone),
                call.wait_seconds,
                call.outcome.value,
                call.counted_as,
                call.is_short,
                call.is_late,
                call.early,
                call.in_opening_hours,
                call.reached_later,
            )
            for call in calls
        ),
        note,
    )


CALL_COLUMNS: Final = (
    "id",
    "counts_at",
    "counts_at_utc",
    "queue",
    "last_queue",
    "entered_at",
    "entered_at_utc",
    "settled_at",
    "settled_at_utc",
    "wait_seconds",
    "judged_seconds",
    "talk_seconds",
    "outcome",
    "counted_as",
    "in_opening_hours",
    "early",
    "wait_after_transfer_seconds",
    "called_back_seconds",
    "reached_later",
    "agent",
    "visits",
    "precision_seconds",
    "start_known",
    "rules",
    "derived",
    "imported",
)


def calls_table(calls: Sequence[StoredCall], zone: ZoneInfo, note: str = "") -> bytes:
    """Return one row for each call, with the talk and agent of its first answer. `note`: words in a last row."""
    return table(CALL_COLUMNS, (_call(call, zone) for call in calls), note)


def _call(call: StoredCall, zone: ZoneInfo) -> Iterable[Cell]:
    answered = next((visit for visit in call.visits if visit.outcome is Outcome.ANSWERED), None)
    yield call.id
    yield from _moment(call.at, zone)
    yield call.first_queue
    yield call.visits[-1].queue if call.visits else call.first_queue
    yield from _moment(call.entered_at, zone)
    yield from _moment(call.settled_at, zone)
    yield from (_seconds(call.wait_ms), _seconds(call.judged_ms), _seconds(answered.talk_ms if answered else None))
    yield from (call.outcome.value, call.counted_as, call.inside, call.early)
    yield from (_seconds(call.wait_after_transfer_ms), _seconds(call.called_back_ms), call.reached_later)
    yield answered.agent if answered else None
    yield from (len(call.visits), call.precision_ms / 1000, call.start_known, call.rules, call.is_derived)
    yield call.imported


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


INTERVAL_COUNTS: Final = tuple(
    name.removesuffix("_total")
    for name in PeriodShape.__struct_fields__
    if name == "refused_total" or (hasattr(Counts, name) and name not in ("refused", "early"))
)
"""The counts of an interval, under the names and in the order of the JSON."""

INTERVAL_COLUMNS: Final = (
    "from",
    "from_utc",
    "to",
    "to_utc",
    "level",
    *INTERVAL_COUNTS,
    "misses",
    "definition",
    "headline",
    *("D1", "D2", "D3", "D4", "D5"),
    "floor",
    "ceiling",
    "refused_ratio",
    "including_refused",
    "wait_mean_seconds",
    "wait_p50_seconds",
    "wait_p90_seconds",
    "wait_p99_seconds",
    "wait_max_seconds",
    "over_10_min_ratio",
    "coverage_ratio",
    "target_ratio",
)


def intervals_table(periods: Sequence[Period], target: Target, zone: ZoneInfo, note: str = "") -> bytes:
    """Return one row for each interval; shares are ratios from 0 to 1, as in the JSON. `note`: words in a last row."""
    return table(INTERVAL_COLUMNS, (_interval(period, target, zone) for period in periods), note)


def _interval(period: Period, target: Target, zone: ZoneInfo) -> Iterable[Cell]:
    target = period.target or target
    yield from _moment(period.start, zone)
    yield from _moment(period.end, zone)
    yield period.level.value
    for name in INTERVAL_COUNTS:
        yield getattr(period.counts, name)
    yield period.misses
    yield target.definition.value
    yield period.headline
    yield from (period.service_level[name] for name in ("D1", "D2", "D3", "D4", "D5"))
    yield from (period.floor, period.ceiling, period.refused_ratio, period.including_refused)
    waits = period.waits
    yield from (waits.mean_seconds, waits.p50_seconds, waits.p90_seconds, waits.p99_seconds, waits.max_seconds)
    yield waits.over_10_min_ratio
    yield period.coverage.ratio
    yield target.ratio


def table(columns: Sequence[str], rows: Iterable[Iterable[Cell]], note: str = "") -> bytes:
    """Return the whole file. `note` becomes the only cell of a last row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    if note:
        writer.writerow([_cell(note)])
    return (BOM + text.getvalue()).encode()


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case float():
            return repr(value).replace(".", ",")
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return str(value)


def _moment(at: datetime | None, zone: ZoneInfo) -> tuple[str, str]:
    if at is None:
        return "", ""
    return (
        at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
