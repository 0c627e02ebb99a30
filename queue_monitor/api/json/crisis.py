"""The crisis, which a person declares and ends over HTTP or with the lead's page; each change is saved first."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.alerts import AWAY, write_down
from queue_monitor.api.json.announcing import back_to_lead, body_of, described, form_of
from queue_monitor.api.json.written import on_one_line, refuse_numbers, unfit
from queue_monitor.api.pages.lead import ADDRESS
from queue_monitor.api.responses import SAME, UNREADABLE, LangQuery, Problem, as_list, plain
from queue_monitor.model import Crisis
from queue_monitor.ports import AuditLog, Clock, CrisisDesk

DECLARE: Final = "declare_crisis"
END: Final = "end_crisis"


def crisis_routes(desk: CrisisDesk, clock: Clock, audit: AuditLog, language: str) -> APIRouter:
    """Return the routes `/api/v1/crisis` (changed by the roles lead and admin) and the two buttons of `/lead`."""
    routes = APIRouter()

    async def declare(request: Request, wanted: shapes.DeclareBody, reply_language: str) -> None:
        if desk.crisis is not None:
            words = texts.say("error.crisis_stands", reply_language, reason=desk.crisis.reason)
            raise Problem(HTTPStatus.CONFLICT, "crisis_stands", words)
        reason, by = on_one_line(wanted.reason).rstrip("."), on_one_line(wanted.by)
        if not reason:
            raise unfit("error.crisis_reason", reply_language)
        refuse_numbers(reply_language, reason, by)
        act = await write_down(request, clock, audit, DECLARE, reason, by, reply_language)
        await desk.declare(Crisis(since=act.at, reason=reason, by=by or act.who))

    async def end(request: Request, crisis: Crisis, reply_language: str) -> None:
        await write_down(request, clock, audit, END, crisis.reason, "", reply_language)
        await desk.end_crisis()

    @routes.get(
        "/api/v1/crisis",
        tags=["alerts"],
        responses={200: shapes.answer(shapes.CrisisBody, "The crisis, or null.")} | SAME | UNREADABLE,
    )
    async def standing(request: Request) -> Response:
        """Return the crisis that somebody has declared and nobody has ended; null where there is none."""
        return as_list(request, _body(clock.now(), desk.crisis))

    @routes.post(
        "/api/v1/crisis",
        tags=["alerts"],
        responses={
            200: shapes.answer(shapes.CrisisBody, "It is declared, and told."),
            409: shapes.answer(shapes.ErrorBody, "One stands already."),
            **UNREADABLE,
            **AWAY,
        },
        openapi_extra=described(shapes.DeclareBody),
    )
    async def declare_crisis(request: Request, lang: LangQuery = None) -> Response:
        """Declare a crisis for all queues, which is sent at once. For the roles lead and admin.

        Until its end one message gathers the other trouble, with the advice of a surge. Everybody who sees alerts sees
        the reason, so it must say nothing about callers.
        """
        reply_language = texts.known_language(lang, language)
        await declare(request, await body_of(request, shapes.DeclareBody, reply_language), reply_language)
        return plain(_body(clock.now(), desk.crisis))

    @routes.delete(
        "/api/v1/crisis",
        tags=["alerts"],
        responses={
            200: shapes.answer(shapes.CrisisBody, "It is over."),
            404: shapes.answer(shapes.ErrorBody, "There is no crisis."),
            **UNREADABLE,
            **AWAY,
        },
    )
    async def end_crisis(request: Request, lang: LangQuery = None) -> Response:
        """End the crisis. Trouble that remains is then sent by itself. For the roles lead and admin."""
        reply_language = texts.known_language(lang, language)
        if desk.crisis is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no_crisis", texts.say("error.no_crisis", reply_language))
        await end(request, desk.crisis, reply_language)
        return plain(_body(clock.now(), None))

    @routes.post(ADDRESS + "/crisis", include_in_schema=False)
    async def pressed(request: Request, queue: str = "", lang: str | None = None) -> Response:
        """Take a button of the page: with a reason it declares a crisis, without one it ends the crisis that stands."""
        reply_language = texts.known_language(lang, language)
        written = await form_of(request)
        reason, by = written.get("reason", "")[:200], written.get("by", "")[:80]
        if reason.strip() and desk.crisis is None:
            await declare(request, shapes.DeclareBody(reason=reason, by=by), reply_language)
        elif "end" in written and desk.crisis is not None:
            await end(request, desk.crisis, reply_language)
        return back_to_lead(request, queue, reply_language)

    return routes


def _body(now: datetime, crisis: Crisis | None) -> shapes.CrisisBody:
    shown = None
    if crisis is not None:
        shown = shapes.CrisisShape(declared_at=crisis.since.astimezone(UTC), reason=crisis.reason, by=crisis.by)
    return shapes.CrisisBody(generated_at=now.astimezone(UTC), crisis=shown)
