"""The route `/api/v1/calls`: calls one by one, as history keeps them, a page at a time."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.status import kept_from, target_shape
from queue_monitor.api.json.tables import calls_table
from queue_monitor.api.responses import (
    AWAY,
    SAME,
    UNREADABLE,
    FormatQuery,
    FromQuery,
    LangQuery,
    Problem,
    QueueQuery,
    ToQuery,
    answer_or_table,
    as_list,
    as_table,
    kept_note,
    queue_name,
    stretch,
    wants_table,
)
from queue_monitor.model import StoredCall, StoredVisit
from queue_monitor.ports import Clock, Figures


def call_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    """Return the route of the list of calls."""
    routes = APIRouter(prefix="/api/v1", tags=["status"], responses=SAME | UNREADABLE)

    @routes.get(
        "/calls",
        responses={
            200: answer_or_table(shapes.CallsBody, "The calls."),
            400: shapes.answer(shapes.ErrorBody, "The question asks for the impossible."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
            503: AWAY,
        },
    )
    async def calls(
        request: Request,
        from_: FromQuery = None,
        to: ToQuery = None,
        queue: QueueQuery = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Calls on a page.")] = 1000,
        format_: FormatQuery = None,
        lang: LangQuery = None,
    ) -> Response:
        """Return calls one by one with their stays, without anything that identifies a caller; by default of today.

        In the order of the minute in which they count, a page at a time: `next` leads to the page that follows (in a
        table the header X-Next). As CSV with `format=csv` or `Accept: text/csv`.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        start, end = stretch(snapshot, clock, from_, to, reply_language)
        name = None if not queue else queue_name(snapshot, queue, reply_language, of_past=True)
        found = await figures.calls(start, end, name, _read(after, reply_language), limit + 1)
        page, further = found[:limit], len(found) > limit
        following = _written(page[-1]) if further else None

        def written() -> Response:
            if wants_table(request, format_):
                note = "" if further else kept_note(snapshot, start, reply_language)
                table = as_table(request, calls_table(page, ZoneInfo(snapshot.time_zone), note), "calls")
                if following:
                    table.headers["X-Next"] = following
                return table
            body = shapes.CallsBody(
                generated_at=snapshot.at.astimezone(UTC),
                from_=start.astimezone(UTC),
                to=end.astimezone(UTC),
                queue=name,
                kept_from=kept_from(snapshot, start),
                target=target_shape(snapshot.target),
                calls=tuple(map(_call, page)),
                next=following,
            )
            return as_list(request, body)

        return await run_in_threadpool(written)

    return routes


def _written(call: StoredCall) -> str:
    """Return the mark of a page's end: a time in whole microseconds since 1970, and an id."""
    return f"{int(call.at.timestamp()) * 1_000_000 + call.at.microsecond}-{call.id}"


def _read(after: str | None, language: str) -> tuple[datetime, str] | None:
    if not after:
        return None
    moment, dash, name = after.partition("-")
    if not dash or not name or not moment.isascii() or not moment.isdigit() or len(moment) > 16:
        words = texts.say("error.bad_after", language, value=after)
        raise Problem(HTTPStatus.BAD_REQUEST, "bad_after", words)
    seconds, microseconds = divmod(int(moment), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds), name


def _call(call: StoredCall) -> shapes.CallShape:
    return shapes.CallShape(
        id=call.id,
        at=call.at,
        queue=call.first_queue,
        entered_at=call.entered_at,
        settled_at=call.settled_at,
        outcome=call.outcome.value,
        counted_as=call.counted_as,
        in_opening_hours=call.inside,
        early=call.early,
        wait_seconds=_seconds(call.wait_ms),
        judged_seconds=_seconds(call.judged_ms),
        wait_after_transfer_seconds=call.wait_after_transfer_ms / 1000,
        called_back_seconds=_seconds(call.called_back_ms),
        reached_later=call.reached_later,
        precision_seconds=call.precision_ms / 1000,
        start_known=call.start_known,
        rules=call.rules,
        derived=call.is_derived,
        imported=call.imported,
        visits=tuple(map(_stay, call.visits)),
    )


def _stay(visit: StoredVisit) -> shapes.StayShape:
    return shapes.StayShape(
        queue=visit.queue,
        switch=visit.switch,
        entered_at=visit.entered_at,
        ended_at=visit.ended_wait_at,
        completed_at=visit.completed_at,
        outcome=visit.outcome.value,
        counted_as=visit.counted_as,
        in_opening_hours=visit.inside,
        wait_seconds=_seconds(visit.wait_ms),
        judged_seconds=_seconds(visit.judged_ms),
        talk_seconds=_seconds(visit.talk_ms),
        ended_by=visit.ended_by.value if visit.ended_by else None,
        agent=visit.agent,
        entry_reason=visit.entry_reason.value,
        next_queue=visit.next_queue,
        key=visit.key,
        rings=visit.rings,
        precision_seconds=visit.precision_ms / 1000,
        start_known=visit.start_known,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
