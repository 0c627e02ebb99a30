"""The written forms of a report: one page of HTML, the same as PDF, a table as CSV, and its data as JSON.

The report and the language alone decide the content, so the same report gives the same bytes.
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from msgspec import Struct

from queue_monitor import texts
from queue_monitor.core import service_level
from queue_monitor.model import Counts, DefinitionId
from queue_monitor.reports.annex import named_counts
from queue_monitor.reports.data import Waits, fraction
from queue_monitor.reports.desk import Report
from queue_monitor.reports.document import Document, coverage_words, document_of, sentence
from queue_monitor.reports.pen import ReportPen
from queue_monitor.reports.period import ReportPeriod

_HERE: Final = Path(__file__).parent
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of a text that a spreadsheet takes for a formula."""


class Form(StrEnum):
    """The forms of a report."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


MEDIA_TYPES: Final = {
    Form.HTML: "text/html; charset=utf-8",
    Form.PDF: "application/pdf",
    Form.CSV: "text/csv; charset=utf-8",
    Form.JSON: "application/json",
}


class WrittenReport(Struct, frozen=True, kw_only=True):
    """A report as a file: its bytes, a name for it, and its media type."""

    name: str
    media_type: str
    body: bytes


def written(report: Report, form: Form, language: str) -> WrittenReport:
    """Return a report in a form. Raises `MissingPdf` where a PDF is requested and its maker is not installed."""
    writers = {Form.HTML: html, Form.PDF: _pdf, Form.CSV: table, Form.JSON: as_json}
    return WrittenReport(
        name=file_name(report, form),
        media_type=MEDIA_TYPES[form],
        body=writers[form](report, language),
    )


def file_name(report: Report, form: Form) -> str:
    """Return `report-2026-10-v1.pdf`; for one queue or several with a mark of them."""
    data = report.data
    scope = ""
    if data.scope.queues:
        named = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in data.scope.label.casefold())
        scope = f"-{named}"
    version = f"v{report.seal.version}" if report.seal else "preliminary"
    return f"report-{data.period.replace('..', '-')}{scope}-{version}.{form.value}"


# ---- HTML and PDF


def style() -> str:
    """Return the style that stands inside the page."""
    return (_HERE / "report.css").read_text(encoding="utf-8")


def style_hash() -> str:
    """Return the hash by which a browser may be limited to this style."""
    digest = hashlib.sha256(style().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _template() -> Template:
    return Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")


def html(report: Report, language: str) -> bytes:
    """Return one page that needs no other file."""
    document: Document = document_of(report, language)
    words = texts.words(language)
    return _template().render(doc=document, words=words, style=style()).encode()


def _pdf(report: Report, language: str) -> bytes:
    from queue_monitor.reports.pdf import pdf_of  # only now: WeasyPrint is an extra, and slow to import

    return pdf_of(html(report, language))


# ---- JSON


def as_json(report: Report, language: str) -> bytes:
    """Return the sealed data byte by byte under `data`, the seals beside. The language changes nothing."""
    seals = [
        {
            "version": seal.version,
            "sealed_at": seal.sealed_at,
            "sha256": seal.sha256,
            "program": seal.program,
            "changed": seal.changed,
        }
        for seal in report.seals
    ]
    body = {"preliminary": report.is_preliminary, "seals": seals, "data": msgspec.Raw(report.body)}
    return msgspec.json.encode(body) + b"\n"


# ---- CSV


def table(report: Report, language: str) -> bytes:
    """Return rows for the period, each queue, day, compared period and side of a crisis; then notes on the table."""
    data, out = report.data, io.StringIO(newline="")
    pen = ReportPen(language, data.time_zone, data.target)
    write = csv.writer(out, delimiter=";", lineterminator="\r\n").writerow
    decimal = texts.words(language)["decimal"]
    write(_head(pen))
    for kind, name, counts, waits in _rows(report, pen):
        parts = [fraction(counts, definition) for definition in DefinitionId]
        write(
            [
                pen.say(f"report.row.{kind}"),
                _safe(name),
                *(number for _, number in named_counts(counts, pen)),
                *(number for pair in parts for number in pair),
                *(_decimal(service_level.ratio(pair), decimal) for pair in parts),
                *(_seconds(ms, decimal) for ms in (waits.p50_ms, waits.p90_ms, waits.p99_ms, waits.longest_ms)),
                waits.over_10_min if waits.answered else "",
                waits.answered or "",
            ]
        )
    document = document_of(report, language)
    notes = (
        sentence(report, pen), document.queues, document.definition, coverage_words(data, pen), document.made,
        document.simulated,
    )  # fmt: skip
    for words in filter(None, notes):
        write([pen.say("report.row.note"), words])
    return "\N{BOM}".encode() + out.getvalue().encode()


def _head(pen: ReportPen) -> list[str]:
    names = [definition.value for definition in DefinitionId]
    parts = [pen.say(f"history.{part}") for part in ("numerator", "denominator")]
    seconds = ("history.p50", "history.p90", "history.p99", "history.longest")
    return [
        pen.say("report.row"),
        pen.say("report.row.name"),
        *(name for name, _ in named_counts(Counts(), pen)),
        *(f"{name} {part.lower()}" for name in names for part in parts),
        *(f"{name} (%)" for name in names),
        *(f"{pen.say(key)} (s)" for key in seconds),
        pen.say("report.row.over_10"),
        pen.say("report.row.waits"),
    ]


def _rows(report: Report, pen: ReportPen) -> Iterator[tuple[str, str, Counts, Waits]]:
    data, nothing = report.data, Waits()
    yield "whole", _named(data.first, data.last, pen), data.counts, data.waits
    yield "outside", pen.say("history.outside"), data.outside, nothing
    for queue in data.queues:
        yield "queue", queue.label, queue.counts, queue.waits
    for day in data.days:
        yield "day", day.day.isoformat(), day.counts, Waits(longest_ms=day.longest_ms)
    for other in data.compared:
        if other.counts is not None:
            yield other.relation, _named(other.first, other.last, pen), other.counts, other.waits
    if (apart := data.without_crises) is not None:
        yield "crises", pen.say("report.crises.without"), apart.without, apart.without_waits
        yield "crises", pen.say("report.crises.within"), apart.within, apart.within_waits


def _named(first: date, last: date, pen: ReportPen) -> str:
    """Return a period with its days: a spreadsheet takes `oktober 2026` alone for a date."""
    return f"{ReportPeriod(first=first, last=last).label(pen.language)}, {first.isoformat()} – {last.isoformat()}"


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_RISKY) else text


def _decimal(ratio: float | None, decimal: str) -> str:
    return "" if ratio is None else f"{ratio * 100:.6g}".replace(".", decimal)


def _seconds(ms: int | None, decimal: str) -> str:
    return "" if ms is None else f"{ms / 1000:.3f}".replace(".", decimal)
