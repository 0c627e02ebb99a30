"""The shared parts of the routes: a span and a queue read from a request, and answers in JSON or as a table."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.model import Snapshot
from queue_monitor.ports import Clock
from queue_monitor.queues import queue_key

Answers = dict[int | str, dict[str, Any]]
"""The answers of a route, for the OpenAPI document."""

JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8"
YEARS: Final = range(2000, 2100)
"""The years that may be requested: at the ends of the calendar there is no day before or after."""

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""The headers of every answer, which keep a page to itself."""

FromQuery = Annotated[
    str | None,
    Query(alias="from", description="A day or a moment; without a zone, local time. Default: today 00:00."),
]
ToQuery = Annotated[str | None, Query(description="Where to end, itself not included. Default: the end of today.")]
QueueQuery = Annotated[str | None, Query(description="One queue; default all.")]
LangQuery = Annotated[str | None, Query(description="sv or en: the language of what is said in words.")]


class Format(StrEnum):
    """The forms in which an answer can be requested."""

    JSON = "json"
    CSV = "csv"


class Headings(StrEnum):
    """The headers of a table: the names of the JSON, or words in the language asked for."""

    NAMES = "names"
    WORDS = "words"


HeadingsQuery = Annotated[
    Headings,
    Query(
        description="Of a table: `names` as in the JSON; `words` are headers in the language asked for and their "
        "units, shares in percent."
    ),
]
FormatQuery = Annotated[
    Format | None, Query(alias="format", description="json or csv; without it, what the Accept header asks for.")
]


class Problem(Exception):
    """A request that cannot be answered; it becomes an `ErrorBody`."""

    def __init__(self, status: HTTPStatus, error: str, detail: str, choices: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.body = shapes.ErrorBody(error=error, detail=detail, choices=tuple(choices))


class Stretch(NamedTuple):
    """The span from one time to another."""

    start: datetime
    end: datetime


def stretch(snapshot: Snapshot, clock: Clock, from_: str | None, to: str | None, language: str) -> Stretch:
    """Return the span of `from` and `to`; today where they are missing. Raises `Problem`."""
    zone = ZoneInfo(snapshot.time_zone)
    midnight = datetime.combine(clock.now().astimezone(zone).date(), time(), zone)
    tomorrow = datetime.combine(midnight.date() + timedelta(days=1), time(), zone)
    start = _moment("from", from_, zone, language) or midnight
    end = _moment("to", to, zone, language) or tomorrow
    if start >= end:
        words = texts.say("error.backwards", language, start=start.isoformat(), end=end.isoformat())
        raise Problem(HTTPStatus.BAD_REQUEST, "backwards", words)
    return Stretch(start, end)


def _moment(name: str, text: str | None, zone: ZoneInfo, language: str) -> datetime | None:
    """Return a day or a time in ISO 8601; without a zone it is local. A `+` that the URL made a space is mended."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    except ValueError as error:
        words = texts.say("error.bad_time", language, value=text, name=name)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_time", words) from error
    check_year(moment.year, name, text, language)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def day_asked(name: str, text: str | None, language: str) -> date | None:
    """A day that is asked for; None where nothing is said. Raises `Problem`."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        words = texts.say("error.bad_day", language, value=text, name=name)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_day", words) from error
    check_year(day.year, name, text, language)
    return day


def check_year(year: int, name: str, text: str, language: str) -> None:
    """Check that a year may be requested. Raises `Problem`."""
    if year not in YEARS:
        words = texts.say("error.far_time", language, value=text, name=name, first=YEARS[0], last=YEARS[-1])
        raise Problem(HTTPStatus.BAD_REQUEST, "impossible", words)


def kept_note(snapshot: Snapshot, start: datetime, language: str) -> str:
    """Return words for a table that begins before the kept calls; "" for another."""
    if snapshot.kept_from is None or start >= snapshot.kept_from:
        return ""
    day = snapshot.kept_from.astimezone(ZoneInfo(snapshot.time_zone)).date()
    return texts.say("table.kept_from", language, day=day.isoformat())


def queue_name(snapshot: Snapshot, asked: str, language: str, *, of_past: bool = False) -> str:
    """Return a queue's name as it is written here; capital letters do not matter. Raises `Problem`.

    `of_past`: a queue that only the history has, as from an import, is known too.
    """
    names = [queue.name for queue in snapshot.queues]
    if of_past:
        names = list(dict.fromkeys([*names, *sorted(snapshot.totals)]))
    for name in names:
        if name == asked:
            return name
    for name in names:
        if queue_key(name) == queue_key(asked):
            return name
    words = texts.say("error.unknown_queue", language, queue=asked, queues=", ".join(names) or texts.NONE)
    raise Problem(HTTPStatus.NOT_FOUND, "unknown_queue", words, names)


def lived_seconds(seconds: float, clock: Clock) -> float:
    """Return the real seconds that pass in this time of the monitor's clock; none for a clock that stands."""
    return seconds / clock.rate if clock.rate else 0.0


def as_json(request: Request, body: bytes) -> Response:
    """Return a body with its ETag, or 304 without a body when the asker has it already."""
    return _tagged(request, body, f'"{_digest(body)}"', JSON)


def as_list(request: Request, body: msgspec.Struct) -> Response:
    """Return an answer as `as_json` for slow figures: a new `generated_at` alone does not make a new ETag."""
    said = {name: getattr(body, name) for name in body.__struct_fields__ if name != "generated_at"}
    return _tagged(request, msgspec.json.encode(body), f'W/"{_digest(msgspec.json.encode(said))}"', JSON)


def as_table(request: Request, body: bytes, name: str) -> Response:
    """Return a CSV that a browser saves under a name."""
    return as_file(request, body, f"{name}.csv", CSV)


def as_file(request: Request, body: bytes, name: str, media_type: str) -> Response:
    """Return a file that a browser saves under a name."""
    answer = _tagged(request, body, f'"{_digest(body)}"', media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def plain(body: msgspec.Struct, status: int = HTTPStatus.OK) -> Response:
    """Return a body that no cache may keep."""
    return Response(
        msgspec.json.encode(body), status_code=status, media_type=JSON, headers={"Cache-Control": "no-store"}
    )


def wants_table(request: Request, asked: Format | None) -> bool:
    """Return whether the asker wants CSV: by `format`, or by accepting it and not JSON."""
    if asked is not None:
        return asked is Format.CSV
    accept = request.headers.get("accept", "")
    return "text/csv" in accept and JSON not in accept


UNREADABLE: Final[Answers] = {422: shapes.answer(shapes.ErrorBody, "The question cannot be read.")}
REFUSALS: Final[Answers] = {
    401: shapes.answer(shapes.ErrorBody, "A token is needed, or this one is not known."),
    403: shapes.answer(shapes.ErrorBody, "The token's role may not do this, or another site's page asks for it."),
    413: shapes.answer(shapes.ErrorBody, "The body is too big, or does not tell its length."),
    429: shapes.answer(shapes.ErrorBody, "Too many requests, open streams or wrong tokens; Retry-After says when."),
}
AWAY: Final = shapes.answer(shapes.ErrorBody, "The database, which holds the past, cannot be reached now.")
SAME: Final[Answers] = {304: {"description": "As it was: the asker's ETag still holds."}}


def answer_or_table(shape: type[msgspec.Struct], words: str) -> dict[str, Any]:
    """Return one entry of FastAPI's `responses` for an answer in JSON or as CSV."""
    found = shapes.answer(shape, words)
    found["content"]["text/csv"] = {"schema": {"type": "string"}}
    return found


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _tagged(request: Request, body: bytes, etag: str, media_type: str) -> Response:
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept"}
    if etag.removeprefix("W/") in asked or "*" in asked:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
