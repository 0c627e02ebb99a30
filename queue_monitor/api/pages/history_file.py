"""A period as a file for a spreadsheet: all queues in one table, with headers in the reader's language and their units.

XLSX holds real numbers, so that a spreadsheet shows them by its own country's habits; CSV is for a Swedish one. The
same figures make the same bytes.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from enum import StrEnum
from textwrap import wrap
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor import texts
from queue_monitor.api.json.tables import Cell, table
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.model import NAMED_COUNTS, DefinitionId, ImportRecord, Period

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DAY_SECONDS: Final = 86_400
_A4: Final = 9
_LINE_POINTS: Final = 15
_DATE: Final = "yyyy-mm-dd"


class CellKind(StrEnum):
    """The ways in which a column's cells are written."""

    TEXT = "text"
    MOMENT = "moment"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"


_FORMATS: Final[Mapping[CellKind, str]] = {
    CellKind.MOMENT: "yyyy-mm-dd hh:mm",
    CellKind.COUNT: "#,##0",
    CellKind.SHARE: "0.0 %",
    CellKind.SECONDS: "[h]:mm:ss",
}
_UNITS: Final[Mapping[CellKind, str]] = {CellKind.SHARE: "%", CellKind.SECONDS: "s"}
"""The units of each kind of cell: a CSV has no formats, so its headers name them."""


class Column(NamedTuple):
    """One column: the key of its header, and how its cells are written."""

    header: str
    kind: CellKind


COLUMNS: Final = (
    Column("file.queue", CellKind.TEXT),
    Column("file.from", CellKind.MOMENT),
    Column("file.to", CellKind.MOMENT),
    *(Column(each.words, CellKind.COUNT) for each in NAMED_COUNTS),
    Column("history.outside", CellKind.COUNT),
    *(Column(definition.value, CellKind.SHARE) for definition in DefinitionId),
    Column("file.mean", CellKind.SECONDS),
    Column("history.p50", CellKind.SECONDS),
    Column("history.p90", CellKind.SECONDS),
    Column("history.p99", CellKind.SECONDS),
    Column("file.longest", CellKind.SECONDS),
    Column("file.over_10", CellKind.SHARE),
    Column("file.coverage", CellKind.SHARE),
)

Rows = Sequence[tuple[str, Sequence[Period]]]
"""The periods of each queue, by the name that people see; the first is that of all."""


def file_rows(rows: Rows, zone: ZoneInfo) -> Iterator[tuple[str | datetime | int | float | None, ...]]:
    """Return one row for each queue and part, in the order of `COLUMNS`; shares are 0 to 1, waits seconds, times
    local.
    """
    for queue, periods in rows:
        for its in periods:
            counts, waits = its.counts, its.waits
            yield (
                queue,
                its.start.astimezone(zone).replace(tzinfo=None),
                its.end.astimezone(zone).replace(tzinfo=None),
                *(getattr(counts, each.name) for each in NAMED_COUNTS),
                its.outside_hours.entered,
                *(its.service_level[definition.value] for definition in DefinitionId),
                waits.mean_seconds,
                waits.p50_seconds,
                waits.p90_seconds,
                waits.p99_seconds,
                waits.max_seconds,
                waits.over_10_min_ratio,
                its.coverage.ratio,
            )


def header(column: Column, pen: Formatter) -> str:
    """Return a column's header; a formula's id is the same in every language."""
    if column.header in DefinitionId.__members__:
        return column.header
    return pen.say(column.header)


def written_csv(rows: Rows, pen: Formatter, notes: Sequence[str]) -> bytes:
    """Return the table as CSV for a Swedish spreadsheet, shares in percent. `notes` stand in the last rows."""

    def cells(row: Iterable[str | datetime | int | float | None]) -> Iterator[Cell]:
        for column, value in zip(COLUMNS, row, strict=True):
            if isinstance(value, datetime):
                yield value.strftime("%Y-%m-%d %H:%M")
            elif isinstance(value, float):
                yield round(value * 100, 6) if column.kind is CellKind.SHARE else round(value, 3)
            else:
                yield value

    headers = [
        f"{header(column, pen)} ({_UNITS[column.kind]})" if column.kind in _UNITS else header(column, pen)
        for column in COLUMNS
    ]
    return table(headers, map(cells, file_rows(rows, ZoneInfo(pen.zone))), "; ".join(notes))


def written_xlsx(rows: Rows, pen: Formatter, title: str, notes: Sequence[str], made_for: datetime) -> bytes:
    """Return the table as XLSX, with a sheet that explains the figures. `made_for` is the only date inside."""
    import xlsxwriter  # only now: a start has no use for it

    out = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": title, "created": made_for.astimezone(UTC).replace(tzinfo=None)})
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        bold_right = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "align": "right"})
        moment = _DATE if _is_by_day(rows, ZoneInfo(pen.zone)) else _FORMATS[CellKind.MOMENT]
        codes = {**_FORMATS, CellKind.MOMENT: moment}
        formats = {kind: book.add_format({"num_format": code}) for kind, code in codes.items()}
        sheet = book.add_worksheet(pen.say("file.figures"))
        sheet.freeze_panes(1, 1)
        headers = [header(column, pen) for column in COLUMNS]
        widths = [_width(column, words) for column, words in zip(COLUMNS, headers, strict=True)]
        lines = max(len(wrap(words, wide - 2)) for words, wide in zip(headers, widths, strict=True))
        sheet.set_row(0, _LINE_POINTS * lines)
        for at, (column, words) in enumerate(zip(COLUMNS, headers, strict=True)):
            sheet.set_column(at, at, widths[at], formats.get(column.kind))
            sheet.write_string(0, at, words, bold if column.kind is CellKind.TEXT else bold_right)
        _lay_out(sheet, title, pages_wide=2)
        sheet.repeat_rows(0)
        sheet.repeat_columns(0, 2)
        last = 0
        for number, row in enumerate(file_rows(rows, ZoneInfo(pen.zone)), start=1):
            last = number
            for at, (column, value) in enumerate(zip(COLUMNS, row, strict=True)):
                if isinstance(value, str):
                    sheet.write_string(number, at, value)
                elif isinstance(value, datetime):
                    sheet.write_datetime(number, at, value, formats[CellKind.MOMENT])
                elif value is not None:
                    shown = value / _DAY_SECONDS if column.kind is CellKind.SECONDS else value
                    sheet.write_number(number, at, shown, formats[column.kind])
        sheet.autofilter(0, 0, last, len(COLUMNS) - 1)
        about = book.add_worksheet(pen.say("file.about"))
        about.set_column(0, 0, 110)
        _lay_out(about, title, pages_wide=1)
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        for number, words in enumerate((title, *notes)):
            about.set_row(number, _LINE_POINTS * len(wrap(words, 100)))
            about.write_string(number, 0, words, bold if number == 0 else wrapped)
    return out.getvalue()


def _is_by_day(rows: Rows, zone: ZoneInfo) -> bool:
    """Return whether every period begins and ends at midnight."""
    times = (at.astimezone(zone).time() for _, periods in rows for its in periods for at in (its.start, its.end))
    return all(at == time() for at in times)


def _width(column: Column, words: str) -> int:
    """Return the width of a column, in letters: no word of its header is broken."""
    least = {CellKind.TEXT: 24, CellKind.MOMENT: 17}.get(column.kind, 12)
    return max(least, *(len(word) + 4 for word in words.split()))


def _lay_out(sheet: "Worksheet", title: str, pages_wide: int) -> None:
    """Let the sheet be printed on A4 across, so many pages wide, with its title and the number of each page."""
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(pages_wide, 0)
    sheet.set_margins(left=0.4, right=0.4)
    sheet.set_header(f"&L{title.replace('&', '&&')}")
    sheet.set_footer("&C&P / &N")


def imported_words(pen: Formatter, imports: Iterable[ImportRecord]) -> tuple[str, ...]:
    """Return, for each import, what it has brought, and from which files."""
    return tuple(
        pen.say(
            "history.imported",
            name=each.name,
            first=str(each.first_day),
            last=str(each.last_day),
            calls=pen.count(each.calls),
            files=", ".join(file.name for file in each.files[:3]) + (", …" if len(each.files) > 3 else ""),
            on=each.finished_at.astimezone(ZoneInfo(pen.zone)).date().isoformat(),
        )
        for each in imports
    )


def about_words(pen: Formatter, kept_note: str, earlier: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what the figures are: the target, each formula, the basis of the counts, and what is not kept.

    `earlier`: what the target was on earlier days, in sentences.
    """
    target = pen.target
    formulas = [
        f"{definition.value}: "
        + texts.definition_words(
            definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=pen.language,
        )
        for definition in DefinitionId
    ]
    found = [
        pen.say("file.note.target", target=pen.plain(target.ratio)),
        *earlier,
        *formulas,
        pen.say("file.note.hours"),
        pen.say("file.note.waits"),
        pen.say("file.note.empty"),
    ]
    return (*found, kept_note) if kept_note else tuple(found)
