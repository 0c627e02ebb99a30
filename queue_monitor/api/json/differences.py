"""`/api/v1/differences`: our counts beside the switches' own, day by day."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.tables import Cell, table
from queue_monitor.api.responses import (
    AWAY,
    SAME,
    UNREADABLE,
    FormatQuery,
    LangQuery,
    Problem,
    QueueQuery,
    answer_or_table,
    as_list,
    as_table,
    day_asked,
    queue_name,
    wants_table,
)
from queue_monitor.core.held_calls import MAX_DAYS
from queue_monitor.model import DifferenceRecord
from queue_monitor.ports import Clock, Figures
from queue_monitor.queues import queue_key

COLUMNS: Final = (
    "day",
    "switch",
    "queue",
    "counter",
    "switch_says",
    "ledger_says",
    "difference",
    "cause",
    "since",
    "until",
    "counter_word",
    "cause_word",
)
"""The columns of the table; `difference.column.NAME` in the texts is its header."""


def difference_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    """The list of differences."""
    routes = APIRouter(prefix="/api/v1", tags=["facts"], responses=SAME | UNREADABLE)

    @routes.get(
        "/differences",
        responses={
            200: answer_or_table(shapes.DifferencesBody, "The comparisons, those without a difference too."),
            400: shapes.answer(shapes.ErrorBody, "The question asks for the impossible."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
            503: AWAY,
        },
    )
    async def differences(
        request: Request,
        from_: Annotated[str | None, Query(alias="from", description="The first day; default: today.")] = None,
        to: Annotated[str | None, Query(description="The last day, itself included; default: the first.")] = None,
        queue: QueueQuery = None,
        format_: FormatQuery = None,
        lang: LangQuery = None,
    ) -> Response:
        """The switches' own totals beside ours as they stood at the end of each day; today's as they stand now.

        A row counts from `since`, the switch's last reset, so a difference stands until the next one. Empty where no
        switch gives totals. As CSV with `format=csv` or `Accept: text/csv`.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        zone = ZoneInfo(snapshot.time_zone)
        first = day_asked("from", from_, reply_language) or clock.now().astimezone(zone).date()
        last = day_asked("to", to, reply_language) or first
        _check(first, last, reply_language)
        name = None if not queue else queue_name(snapshot, queue, reply_language)
        found = of_queues(await figures.differences(first, last), None if name is None else [name])
        if wants_table(request, format_):
            return as_table(request, differences_table(found, zone, reply_language), "differences")
        body = shapes.DifferencesBody(
            generated_at=snapshot.at.astimezone(UTC),
            from_=first,
            to=last,
            queue=name,
            differences=tuple(_shape(record, reply_language) for record in found),
        )
        return as_list(request, body)

    return routes


def _check(first: date, last: date, language: str) -> None:
    if last < first:
        words = texts.say("error.backwards", language, start=first.isoformat(), end=last.isoformat())
        raise Problem(HTTPStatus.BAD_REQUEST, "backwards", words)
    if (last - first).days >= MAX_DAYS:
        words = texts.say("history.too_long", language, days=MAX_DAYS)
        raise Problem(HTTPStatus.BAD_REQUEST, "impossible", words)


def of_queues(found: Iterable[DifferenceRecord], queues: Sequence[str] | None) -> list[DifferenceRecord]:
    """Those of these queues, whatever their capital letters; None: all."""
    wanted = None if queues is None else set(map(queue_key, queues))
    return [record for record in found if wanted is None or queue_key(record.difference.queue) in wanted]


def differences_table(found: Sequence[DifferenceRecord], zone: ZoneInfo, language: str) -> bytes:
    """One row a comparison, with headers in the reader's language."""
    headers = [texts.say(f"difference.column.{name}", language) for name in COLUMNS]
    return table(headers, (_row(record, zone, language) for record in found))


def _row(record: DifferenceRecord, zone: ZoneInfo, language: str) -> Iterable[Cell]:
    def local(moment: datetime) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

    its = record.difference
    yield from (record.day.isoformat(), its.switch, its.queue, counter_words(its.counter, language))
    yield from (its.switch_says, its.ledger_says, its.difference, cause_words(its.cause, language))
    yield from (local(its.since), local(its.until), its.counter, its.cause.value)


def counter_words(counter: str, language: str) -> str:
    """Return the words for a switch's counter."""
    return texts.say(f"lead.difference.counter.{counter}", language)


def cause_words(cause: str, language: str) -> str:
    """Why the counts differ, in words."""
    return texts.say(f"lead.difference.cause.{cause}", language)


def _shape(record: DifferenceRecord, language: str) -> shapes.DayDifferenceShape:
    its = record.difference
    return shapes.DayDifferenceShape(
        day=record.day,
        switch=its.switch,
        queue=its.queue,
        counter=its.counter,
        counter_words=counter_words(its.counter, language),
        switch_says=its.switch_says,
        ledger_says=its.ledger_says,
        difference=its.difference,
        cause=its.cause.value,
        cause_words=cause_words(its.cause, language),
        since=its.since,
        until=its.until,
    )
