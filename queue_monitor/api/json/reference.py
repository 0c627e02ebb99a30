"""The basis of the figures: the definitions, the opening hours, and the sources with the time they have seen."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.status import coverage_shape, difference_shape, journal_shape, source_shape, target_shape
from queue_monitor.api.responses import (
    SAME,
    UNREADABLE,
    LangQuery,
    Problem,
    QueueQuery,
    as_list,
    day_asked,
    queue_name,
)
from queue_monitor.core import service_level
from queue_monitor.model import CalendarDay, DefinitionId, QueueNow, Snapshot, Target
from queue_monitor.ports import Clock, Figures

_FORMULAS: Final = {
    DefinitionId.D1: "(answered_in_time + called_back) / (answered_in_time + called_back + answered_late)",
    DefinitionId.D2: "(answered_in_time + called_back) / offered",
    DefinitionId.D3: "(answered_in_time + called_back) / (offered - abandoned_short)",
    DefinitionId.D4: "(answered_in_time + called_back) / (offered - abandoned_short - abandoned_in_time)",
    DefinitionId.D5: "(answered_in_time + called_back + abandoned_short + abandoned_in_time) / offered",
}
OFFERED: Final = (
    "answered_in_time + called_back + answered_late + abandoned_short + abandoned_in_time + abandoned_late"
    " + left_otherwise + waiting_late"
)


def fact_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    """Return the routes `/api/v1/definitions`, `/calendar` and `/sources`."""
    routes = APIRouter(prefix="/api/v1", tags=["facts"], responses=SAME | UNREADABLE)

    @routes.get("/definitions", responses={200: shapes.answer(shapes.DefinitionsBody, "The formulas.")})
    async def definitions(request: Request) -> Response:
        """Return the promise, its headline definition with the day from which it holds, and all five formulas in
        words.
        """
        return as_list(request, _definitions(figures.latest()))

    @routes.get("/sources", responses={200: shapes.answer(shapes.SourcesBody, "The sources.")})
    async def sources(request: Request) -> Response:
        """Return the sources, whether each is connected, the share of open time seen, and the switches' totals
        beside ours.
        """
        return as_list(request, _sources(figures.latest()))

    @routes.get(
        "/calendar",
        responses={
            200: shapes.answer(shapes.CalendarBody, "The days."),
            400: shapes.answer(shapes.ErrorBody, "The question asks for the impossible."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
        },
    )
    async def calendar(
        request: Request,
        from_: Annotated[str | None, Query(alias="from", description="The first day; default: today.")] = None,
        to: Annotated[str | None, Query(description="The last day, itself included; default: the first.")] = None,
        queue: QueueQuery = None,
        lang: LangQuery = None,
    ) -> Response:
        """Return the opening hours day by day: open stretches, holidays, closures with their reasons, open minutes."""
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        first = day_asked("from", from_, reply_language) or clock.now().astimezone(ZoneInfo(snapshot.time_zone)).date()
        last = day_asked("to", to, reply_language) or first
        name = None if not queue else queue_name(snapshot, queue, reply_language)
        try:
            days = figures.calendar(first, last, name)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "impossible", str(error)) from error
        return as_list(request, _calendar(snapshot, days, name))

    return routes


def _definitions(snapshot: Snapshot) -> shapes.DefinitionsBody:
    target = snapshot.target
    return shapes.DefinitionsBody(
        generated_at=snapshot.at.astimezone(UTC),
        target=target_shape(target),
        offered=OFFERED,
        definitions=tuple(_definition(name, target) for name in service_level.DEFINITIONS),
    )


def _definition(name: DefinitionId, target: Target) -> shapes.DefinitionShape:
    headline = name is target.definition
    return shapes.DefinitionShape(
        definition=name.value,
        headline=headline,
        since=target.since if headline else None,
        formula=_FORMULAS[name],
        words={
            language: texts.definition_words(
                name,
                limit_seconds=target.limit_seconds,
                short_abandon_seconds=target.short_abandon_seconds,
                language=language,
            )
            for language in texts.LANGUAGES
        },
    )


def _sources(snapshot: Snapshot) -> shapes.SourcesBody:
    faces = (snapshot.total, *snapshot.queues)
    return shapes.SourcesBody(
        generated_at=snapshot.at.astimezone(UTC),
        sources=tuple(map(source_shape, snapshot.sources)),
        coverage=tuple(map(_covered, faces)),
        reconciliation=tuple(map(difference_shape, snapshot.reconciliation)),
        journal=journal_shape(snapshot.journal),
        events=snapshot.events,
        rejected=snapshot.rejected,
    )


def _covered(face: QueueNow) -> shapes.CoverageOfQueueShape:
    return shapes.CoverageOfQueueShape(
        queue=face.name,
        label=face.label,
        periods={name: coverage_shape(period.coverage) for name, period in face.periods.items()},
    )


def _calendar(snapshot: Snapshot, days: list[CalendarDay], queue: str | None) -> shapes.CalendarBody:
    return shapes.CalendarBody(
        generated_at=snapshot.at.astimezone(UTC),
        queue=queue,
        time_zone=snapshot.time_zone,
        days=tuple(map(_shown_day, days)),
    )


def _shown_day(day: CalendarDay) -> shapes.DayShape:
    return shapes.DayShape(
        day=day.day,
        kind=day.kind,
        open=tuple(_span(*span) for span in day.spans),
        open_minutes=day.open_minutes,
        holiday=day.holiday,
        reason=day.reason,
        closures=tuple(
            shapes.ClosureShape(from_=part.start.astimezone(UTC), to=part.end.astimezone(UTC), reason=part.reason)
            for part in day.closures
        ),
        to_confirm=day.to_confirm,
    )


def _span(opens: datetime, closes: datetime) -> shapes.SpanShape:
    return shapes.SpanShape(from_=opens.astimezone(UTC), to=closes.astimezone(UTC))
