"""The answers to a sender: each with its status code, and its documentation."""

import math
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Response
from msgspec import Struct

from adapters.http.body import MAX_BYTES, MAX_EVENTS, Fault
from queue_monitor.events import Event
from queue_monitor.ports import Refused

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
HEADERS: Final = ("X-KC-Source", "X-KC-Timestamp", "X-KC-Signature")


class TurnedAway(Struct, frozen=True):
    """The refusal that the guard in front of the intake gives to a page of another site."""

    error: str
    detail: str


class Taken(Struct, frozen=True, kw_only=True):
    """The result for a request's events; `duplicates` were known already."""

    taken: int
    duplicates: int


class Problem(Struct, frozen=True, kw_only=True):
    """The reason why a request was refused; `errors` lists all events that need mending."""

    title: str
    detail: str
    errors: tuple[Fault, ...] = ()


class Refusal(Exception):
    """A refusal. `counted` is the word under which it is counted; each fault is counted by its own reason."""

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        detail: str,
        *,
        counted: str = "",
        errors: tuple[Fault, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.problem = Problem(title=title, detail=detail, errors=errors)
        self.counted = counted
        self.headers = headers or {}


def too_large() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Too large",
        f"At most {MAX_BYTES} bytes and {MAX_EVENTS} events in one request; send it in parts.",
        counted="too_large",
        headers={"Connection": "close"},
    )


def too_many(title: str, wait: float) -> Refusal:
    seconds = max(1, math.ceil(wait))
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        title,
        f"Nothing was taken. Send it again in {seconds} s.",
        counted="too_many",
        headers={"Retry-After": str(seconds)},
    )


def unavailable(title: str, detail: str) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, title, detail, counted="not_committed", headers={"Retry-After": "5"})


def answer(status: HTTPStatus, body: Struct, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def refused(events: tuple[Event, ...], found: tuple[Refused, ...]) -> tuple[Fault, ...]:
    """Return the refusal for the faults that the gate found, each with the field as its sender wrote it."""
    return tuple(
        Fault(
            index=one.index,
            id=events[one.index].id[:100],
            reason=one.reason,
            detail=f"{one.field}: {one.detail}",
            field=one.field,
        )
        for one in found
    )


def conflicting(events: tuple[Event, ...], conflicts: tuple[str, ...]) -> tuple[Fault, ...]:
    words = "the id was used before, with another content"
    return tuple(
        Fault(index=index, id=event.id, reason="id_used_twice", detail=words)
        for index, event in enumerate(events)
        if event.id in conflicts
    )


def _documented(shape: type[Struct], words: str, *headers: str) -> dict[str, Any]:
    """Return the documentation of one answer: FastAPI does not read msgspec structs.

    A shared part of our own could not be named in its document.
    """
    _, parts = msgspec.json.schema_components([shape], ref_template="{name}")
    schema = parts.pop(shape.__name__)
    if "errors" in schema["properties"]:
        schema["properties"]["errors"]["items"] = parts.pop(Fault.__name__)
    described: dict[str, Any] = {"description": words, "content": {"application/json": {"schema": schema}}}
    if headers:
        described["headers"] = {header: {"schema": {"type": "string"}} for header in headers}
    return described


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    202: _documented(Taken, "In the journal."),
    200: _documented(Taken, "All of them were there already."),
    400: _documented(Problem, "Nothing was taken; lists every event that must be mended."),
    401: _documented(Problem, "Not signed by a sender we know, or not now.", "WWW-Authenticate"),
    403: _documented(TurnedAway, "A page of another site asked, in somebody's browser."),
    408: _documented(Problem, "The body took too long."),
    409: _documented(Problem, "Lists the events whose id was used before with another content; the others were taken."),
    413: _documented(Problem, f"More than {MAX_BYTES} bytes."),
    415: _documented(Problem, "Not CloudEvents in structured JSON."),
    429: _documented(Problem, "Nothing was taken: too many at once.", "Retry-After"),
    503: _documented(Problem, "Not in the journal, or not yet. Send it again.", "Retry-After"),
}
_EVENT: Final = {"type": "object", "description": "CloudEvents 1.0; see docs/events-v1.schema.json."}
REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            SINGLE: {"schema": _EVENT},
            BATCH: {"schema": {"type": "array", "maxItems": MAX_EVENTS, "items": _EVENT}},
        },
    },
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
        for name, words in zip(
            HEADERS,
            (
                "The sender's name: that of its source in the settings.",
                "Seconds since 1970 by the sender's clock.",
                "sha256= and the HMAC-SHA-256, in hex, of the timestamp, a full stop and the body.",
            ),
            strict=True,
        )
    ],
}
