"""The team lead's page: the same day in detail, of one queue, a pool or all.

The server renders it whole; its script only fetches it anew every few seconds and puts in what has changed.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from queue_monitor import texts
from queue_monitor.api.error_page import wants_page
from queue_monitor.api.guard.access import Deed, may, way
from queue_monitor.api.json.alerts import acknowledge_for
from queue_monitor.api.json.differences import of_queues
from queue_monitor.api.pages.board import page_version
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.lead_page import Page, WeekBefore, faces_with_curves
from queue_monitor.api.responses import Problem
from queue_monitor.api.templating import template
from queue_monitor.core import service_level
from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import (
    Counts,
    DifferenceRecord,
    Disagreement,
    Level,
    LostCall,
    Period,
    QueueNow,
    Snapshot,
    TransferWaits,
)
from queue_monitor.ports import Acknowledger, AlertHistory, AuditLog, Clock, Figures, StoreError
from queue_monitor.queues import keys_of, queue_key

ADDRESS: Final = "/lead"
PAGES_KEPT: Final = 64
"""The most choices of queue and language kept rendered; with more, the oldest is rendered anew."""

OfAQueue = TypeVar("OfAQueue", LostCall, TransferWaits, Disagreement)


def lead_routes(
    figures: Figures, clock: Clock, alerts: Acknowledger, history: AlertHistory, audit: AuditLog, language: str
) -> APIRouter:
    """Return the routes of `/lead`, for readers of everything; its button acknowledges, for the roles that may act."""
    routes = APIRouter(include_in_schema=False)
    lead = Lead(figures, history, language)

    @routes.get(ADDRESS, response_class=HTMLResponse)
    async def lead_page(request: Request, queue: str = "", lang: str | None = None) -> Response:
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        face = chosen(snapshot, queue)
        if face is None:
            words = unknown_words(snapshot, queue, reply_language)
            if not wants_page(request.headers):
                raise Problem(HTTPStatus.NOT_FOUND, "unknown_queue", words)
            html = await lead.render(
                snapshot, snapshot.total, reply_language, may_act=may(request, Deed.ACT), unknown=words
            )
            return HTMLResponse(html, status_code=HTTPStatus.NOT_FOUND)
        return HTMLResponse(await lead(snapshot, face, reply_language, may_act=may(request, Deed.ACT)))

    @routes.post(ADDRESS + "/acknowledge/{episode}")
    async def acknowledge(request: Request, episode: str, queue: str = "", lang: str | None = None) -> Response:
        """Acknowledge an alert. One that is over by now has nothing left to acknowledge."""
        standing = next((alert for alert in figures.latest().alerts.open if alert.episode == episode), None)
        reply_language = texts.known_language(lang, language)
        if standing is not None:
            await acknowledge_for(request, standing, clock, alerts, audit, reply_language)
        query = urlencode({"queue": queue, "lang": reply_language})
        back = way(request.url.path, f"{ADDRESS}?{query}#alerts")
        return RedirectResponse(back, status_code=HTTPStatus.SEE_OTHER)

    return routes


class Lead:
    """Renders the page of each choice, once for a snapshot however many ask."""

    def __init__(self, figures: Figures, history: AlertHistory, language: str) -> None:
        self._figures = figures
        self._history = history
        self._language = language
        self._kept: dict[tuple[str, str, bool], tuple[Snapshot, str]] = {}
        self._weeks_before: dict[tuple[str, ...] | None, tuple[datetime, WeekBefore]] = {}
        self._files = page_version()

    async def __call__(self, snapshot: Snapshot, face: QueueNow, language: str, *, may_act: bool) -> str:
        key = (face.name, language, may_act)
        known = self._kept.pop(key, None)
        if known is None or known[0] is not snapshot:
            known = (snapshot, await self.render(snapshot, face, language, may_act=may_act))
        self._kept[key] = known
        if len(self._kept) > PAGES_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return known[1]

    async def render(
        self, snapshot: Snapshot, face: QueueNow, language: str, *, may_act: bool, unknown: str = ""
    ) -> str:
        """Return the page. `unknown`: words about a requested queue that does not exist."""
        pen = Formatter(language, snapshot.time_zone, snapshot.target)
        other = "en" if language == "sv" else "sv"
        return template("lead.html").render(
            page=await self._page(snapshot, face, pen),
            pen=pen,
            may_act=may_act,
            unknown=unknown,
            mark=f"{snapshot.version} {self._files}",
            query=urlencode({"queue": face.name, "lang": language}),
            other=other,
            other_query=urlencode({"queue": face.name, "lang": other}),
        )

    async def _page(self, snapshot: Snapshot, face: QueueNow, pen: Formatter) -> Page:
        zone = ZoneInfo(snapshot.time_zone)
        start, end = day_bounds(snapshot.at.astimezone(zone).date(), zone)
        until = min(end, snapshot.at.replace(second=0, microsecond=0) + timedelta(minutes=1))
        scope = _scope(face)

        try:
            record = await self._history.alert_record(start, end)
        except StoreError:
            record = None
        drawn = faces_with_curves(snapshot, face)
        quarters = {foretold.name: await self._quarters(foretold, start, until) for foretold in drawn}
        lost: list[LostCall] | None
        transfers: list[TransferWaits] | None
        try:
            lost = _of(scope, await self._figures.lost_calls(start, end))
        except StoreError:
            lost = None
        try:
            transfers = _of(scope, await self._figures.transfer_waits(start, end))
        except StoreError:
            transfers = None
        return Page(
            snapshot,
            face,
            pen,
            quarters=quarters,
            hours=await self._figures.intervals(start, until, "hour", Level.CONTACT, scope),
            lost=lost,
            transfers=transfers,
            disagreements=_of(scope, await self._figures.disagreements(start, end)),
            differences=await self._differences(start.astimezone(zone).date(), scope),
            week_before=await self._week_before(snapshot, scope),
            record=record,
            alerts_language=self._language,
        )

    async def _differences(self, today: date, scope: tuple[str, ...] | None) -> list[DifferenceRecord] | None:
        """Our counts beside the switches' own, yesterday's and today's; None where the store is away."""
        try:
            return of_queues(await self._figures.differences(today - timedelta(days=1), today), scope)
        except StoreError:
            return None

    async def _week_before(self, snapshot: Snapshot, scope: tuple[str, ...] | None) -> WeekBefore | None:
        """Return the same weekday a week ago; None where the store is away. The store is read once each quarter of
        an hour.
        """
        zone = ZoneInfo(snapshot.time_zone)
        local = snapshot.at.astimezone(zone)
        local = local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0)
        known = self._weeks_before.get(scope)
        if known is not None and known[0] == local:
            return known[1]
        day = local.date() - timedelta(days=7)
        (start, end), until = day_bounds(day, zone), datetime.combine(day, local.time(), zone)
        try:
            quarters = await self._figures.intervals(start, end, "quarter", Level.CONTACT, scope)
        except (StoreError, ValueError):
            return None
        formula = service_level.DEFINITIONS[snapshot.target.definition]
        whole = sum((quarter.counts for quarter in quarters), Counts())
        so_far = sum((quarter.counts for quarter in quarters if quarter.start < until), Counts())
        found = WeekBefore(
            share_so_far=service_level.ratio(formula(so_far)),
            calls_so_far=so_far.entered,
            share=service_level.ratio(formula(whole)),
            calls=whole.entered,
        )
        if len(self._weeks_before) >= PAGES_KEPT:
            self._weeks_before.clear()
        self._weeks_before[scope] = local, found
        return found

    async def _quarters(self, foretold: QueueNow, start: datetime, until: datetime) -> Sequence[Period]:
        """Return the day's quarters of one queue or pool so far, from its opening on."""
        opens = foretold.day_hours[0] if foretold.day_hours else start
        if opens >= until:
            return ()
        return await self._figures.intervals(opens, until, "quarter", Level.CONTACT, _scope(foretold))


def _scope(face: QueueNow) -> tuple[str, ...] | None:
    """Return the queues for which figures are requested; None for all."""
    return face.queues if face.name else None


def _of(scope: tuple[str, ...] | None, found: Iterable[OfAQueue]) -> list[OfAQueue]:
    wanted = None if scope is None else keys_of(scope)
    return [each for each in found if wanted is None or queue_key(each.queue) in wanted]


def chosen(snapshot: Snapshot, asked: str) -> QueueNow | None:
    """Return the queue or pool of that name, the total without a name, or None when there is no such queue."""
    if not asked:
        return snapshot.total
    faces = (*snapshot.pools, *snapshot.queues)
    return next((face for face in faces if queue_key(face.name) == queue_key(asked)), None)


def unknown_words(snapshot: Snapshot, asked: str, language: str) -> str:
    names = ", ".join(face.name for face in snapshot.queues) or texts.NONE
    return texts.say("error.unknown_queue", language, queue=asked, queues=names)
