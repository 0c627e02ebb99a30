"""The lead's banner on the walls: shown with an end time and removed, over HTTP or on the lead's page.

Each change is saved before it is made.
"""

import re
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.alerts import AWAY, write_down
from queue_monitor.api.json.announcing import back_to_lead, body_of, described, form_of
from queue_monitor.api.json.written import on_one_line, refuse_numbers, unfit
from queue_monitor.api.pages.lead import ADDRESS
from queue_monitor.api.responses import SAME, UNREADABLE, LangQuery, Problem, as_list, plain
from queue_monitor.model import Banner
from queue_monitor.ports import AuditLog, BannerDesk, Clock

SHOW: Final = "show_banner"
END: Final = "end_banner"
MAX_AHEAD: Final = timedelta(days=7)


def banner_routes(desk: BannerDesk, clock: Clock, audit: AuditLog, language: str, zone: ZoneInfo) -> APIRouter:
    """Return the routes of `/api/v1/banner`, changed by the roles lead and admin, and of the form on `/lead`."""
    routes = APIRouter()

    async def show(request: Request, wanted: shapes.ShowBannerBody, chosen: str) -> None:
        words, by = on_one_line(wanted.words), on_one_line(wanted.by)
        if not words:
            raise unfit("error.banner_words", chosen)
        refuse_numbers(chosen, words, by)
        if wanted.until.tzinfo is None or not timedelta() < wanted.until - clock.now() <= MAX_AHEAD:
            raise unfit("error.banner_until", chosen)
        act = await write_down(request, clock, audit, SHOW, words, by, chosen)
        await desk.show_banner(Banner(words=words, since=act.at, until=wanted.until.astimezone(UTC), by=by or act.who))

    async def end(request: Request, banner: Banner, chosen: str) -> None:
        await write_down(request, clock, audit, END, banner.words, "", chosen)
        await desk.show_banner(None)

    @routes.get(
        "/api/v1/banner",
        tags=["alerts"],
        responses={200: shapes.answer(shapes.BannerBody, "The words, or null.")} | SAME | UNREADABLE,
    )
    async def shown(request: Request) -> Response:
        """Return the banner on the walls; null where there is none."""
        return as_list(request, _body(clock.now(), desk.banner))

    @routes.post(
        "/api/v1/banner",
        tags=["alerts"],
        responses={200: shapes.answer(shapes.BannerBody, "They are on the walls."), **UNREADABLE, **AWAY},
        openapi_extra=described(shapes.ShowBannerBody),
    )
    async def show_banner(request: Request, lang: LangQuery = None) -> Response:
        """Put a banner on every wall, in place of any other. For the roles lead and admin.

        The room and every visitor can read it, so it must say nothing about callers.
        """
        chosen = texts.known_language(lang, language)
        await show(request, await body_of(request, shapes.ShowBannerBody, chosen), chosen)
        return plain(_body(clock.now(), desk.banner))

    @routes.delete(
        "/api/v1/banner",
        tags=["alerts"],
        responses={
            200: shapes.answer(shapes.BannerBody, "They are off the walls."),
            404: shapes.answer(shapes.ErrorBody, "There are none."),
            **UNREADABLE,
            **AWAY,
        },
    )
    async def end_banner(request: Request, lang: LangQuery = None) -> Response:
        """Remove the banner before its end. For the roles lead and admin."""
        chosen = texts.known_language(lang, language)
        if desk.banner is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no_banner", texts.say("error.no_banner", chosen))
        await end(request, desk.banner, chosen)
        return plain(_body(clock.now(), None))

    @routes.post(ADDRESS + "/banner", include_in_schema=False)
    async def pressed(request: Request, queue: str = "", lang: str | None = None) -> Response:
        """Take the page's form: with words it puts up a banner, without words it removes the shown one."""
        chosen = texts.known_language(lang, language)
        written = await form_of(request)
        words, until = written.get("words", "")[:200], written.get("until", "")[:200]
        if words.strip():
            body = shapes.ShowBannerBody(words=words, until=_today_at(until, clock.now(), zone, chosen))
            await show(request, body, chosen)
        elif "end" in written and desk.banner is not None:
            await end(request, desk.banner, chosen)
        return back_to_lead(request, queue, chosen)

    return routes


def _today_at(written: str, now: datetime, zone: ZoneInfo, language: str) -> datetime:
    """Return the moment of today at which the room's clock shows this time. Raises `Problem`."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", written):
        raise unfit("error.banner_until", language)
    local = now.astimezone(zone)
    return datetime.combine(local.date(), time.fromisoformat(written), zone)


def _body(now: datetime, banner: Banner | None) -> shapes.BannerBody:
    shown = None
    if banner is not None:
        since, until = banner.since.astimezone(UTC), banner.until.astimezone(UTC)
        shown = shapes.BannerShape(words=banner.words, since=since, until=until, by=banner.by)
    return shapes.BannerBody(generated_at=now.astimezone(UTC), banner=shown)
