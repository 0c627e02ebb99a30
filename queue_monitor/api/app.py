"""The FastAPI application: status, intervals, stream, health, metrics, their documentation, and the pages."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from queue_monitor import texts
from queue_monitor.api.guard.access import AccessControl, Tokens
from queue_monitor.api.guard.first_token import FirstToken, first_token_routes
from queue_monitor.api.guard.limits import Limits
from queue_monitor.api.guard.signin import sign_in_routes
from queue_monitor.api.json import shapes
from queue_monitor.api.json.calls import call_routes
from queue_monitor.api.json.differences import difference_routes
from queue_monitor.api.json.examples import with_examples
from queue_monitor.api.json.intervals import OverTime, in_words
from queue_monitor.api.json.reference import fact_routes
from queue_monitor.api.json.status import intervals_shape, lost_calls_shape, queue_body, status_in_pieces
from queue_monitor.api.json.tables import intervals_table, lost_table
from queue_monitor.api.pages.comparison import Comparisons
from queue_monitor.api.pages.docs import pages_of
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history_file import about_words, written_csv
from queue_monitor.api.pages.public import public_routes
from queue_monitor.api.pages.walls import Walls, wall_routes
from queue_monitor.api.problems import answer_problems, only_known_parameters
from queue_monitor.api.rendering import RenderedInPieces
from queue_monitor.api.responses import (
    AWAY,
    REFUSALS,
    SAME,
    SECURITY_HEADERS,
    UNREADABLE,
    FormatQuery,
    FromQuery,
    Headings,
    HeadingsQuery,
    LangQuery,
    Problem,
    QueueQuery,
    ToQuery,
    answer_or_table,
    as_json,
    as_list,
    as_table,
    kept_note,
    lived_seconds,
    plain,
    queue_name,
    stretch,
    wants_table,
)
from queue_monitor.api.templating import PAGES
from queue_monitor.metrics import Metrics
from queue_monitor.model import Access, Board, Level, Snapshot
from queue_monitor.ports import Clock, Figures

_HERE: Final = Path(__file__).parent
_RETRY_MS: Final = 2_000
_PING_SECONDS: Final = 15
_OLD_SECONDS: Final = 30
_LAG_SECONDS: Final = 60
STREAM: Final = "/stream"
_EXPOSITIONS: Final = ("text/plain", "application/openmetrics-text")


class Step(StrEnum):
    """The steps by which a span of time is cut, in local time."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TERTIAL = "tertial"
    YEAR = "year"


class SecurityHeaders:
    """Adds the headers that keep the page to itself; plain ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class HeadersAlone:
    """Answers HEAD as it would GET, without the body; not for the stream, which has no end. Whether a page is there is
    asked so by uptime checkers and link checkers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith(STREAM):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


def create_app(
    figures: Figures,
    clock: Clock,
    *,
    language: str = "sv",
    routers: Sequence[APIRouter] = (),
    access: Sequence[Access] = (),
    read_without_token: bool | None = None,
    first_token: FirstToken | None = None,
    public: bool = False,
    cors_origins: Sequence[str] = (),
    board_advice: bool = False,
    boards: Sequence[Board] = (),
) -> FastAPI:
    """Return the application with all pages and routes.

    `language`: used where a request does not choose another with `?lang=`.
    `routers`: the routers of adapters, such as the intake of events.
    `access`: the tokens and their roles.
    `read_without_token`: whether this machine may read without a token; None: until there is a token.
    `first_token`: the page that makes the first token.
    `public`: whether anybody may read a summary.
    `cors_origins`: sites whose pages may read the API in a browser.
    `board_advice`: whether the walls show the margin and what would help.
    `boards`: the walls besides the first.
    """
    app = FastAPI(
        title="Queue monitor",
        version=figures.latest().version or "0",
        summary="Call queues and wait times, now and over time.",
        description="Ratios are 0 to 1, durations seconds, times UTC in ISO 8601. null: nothing to measure.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
        dependencies=[Depends(only_known_parameters)],
    )
    tokens, limits = Tokens(access, read_without_token), Limits(clock)
    app.add_middleware(AccessControl, tokens=tokens, limits=limits, language=language)
    app.add_middleware(SecurityHeaders)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag"],
        )
    app.add_middleware(HeadersAlone)
    answer_problems(app, language)
    app.include_router(_status_routes(figures, clock, language))
    walls = Walls(boards, show_advice=board_advice, comparisons=Comparisons(figures))
    app.include_router(wall_routes(figures, walls, language))
    app.include_router(fact_routes(figures, clock, language))
    app.include_router(difference_routes(figures, clock, language))
    app.include_router(call_routes(figures, clock, language))
    app.include_router(_watch_routes(figures, clock, limits, language))
    if public:
        app.include_router(public_routes(figures, clock, language))
    app.include_router(sign_in_routes(tokens, limits, language))
    if first_token is not None:
        app.include_router(first_token_routes(tokens, first_token, language))
    app.include_router(_pages(app, language))
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    _document_shapes(app)
    return app


def _status_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["status"], responses=SAME | UNREADABLE)
    status = RenderedInPieces(status_in_pieces, figures.latest, clock)
    over_time = OverTime(figures, clock)

    @routes.get("/status", responses={200: shapes.answer(shapes.StatusBody, "Everything as it stands now.")})
    async def everything_now(request: Request) -> Response:
        """Return every queue, pool and source as it stands now. Sends an ETag; answers 304 when nothing has changed."""
        return as_json(request, await status())

    @routes.get(
        "/queues/{queue:path}",
        responses={
            200: shapes.answer(shapes.QueueBody, "The queue as it stands now."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
        },
    )
    async def one_queue_now(request: Request, queue: str, lang: str | None = None) -> Response:
        """Return one queue as it stands now, by its name; capital letters do not matter."""
        snapshot = figures.latest()
        name = queue_name(snapshot, queue, texts.known_language(lang, language))
        found = next(face for face in snapshot.queues if face.name == name)
        return as_json(request, queue_body(snapshot, found))

    @routes.get(
        "/intervals",
        responses={
            200: answer_or_table(shapes.IntervalsBody, "The figures, oldest first."),
            400: shapes.answer(shapes.ErrorBody, "The question asks for the impossible."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
            503: AWAY,
        },
    )
    async def figures_over_time(
        request: Request,
        from_: FromQuery = None,
        to: ToQuery = None,
        step: Annotated[Step, Query(description="How to cut the time, in local time.")] = Step.HOUR,
        queue: QueueQuery = None,
        level: Annotated[
            Level, Query(description="contact: a person's call, once. visit: each stay in each queue.")
        ] = Level.CONTACT,
        format_: FormatQuery = None,
        headings: HeadingsQuery = Headings.NAMES,
        lang: LangQuery = None,
    ) -> Response:
        """Return figures for each quarter, hour, day, week, month, tertial or year; by default for today, by hour.

        Each interval has all five definitions. As CSV with `format=csv` or `Accept: text/csv`.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        start, end = stretch(snapshot, clock, from_, to, reply_language)
        name = None if not queue else queue_name(snapshot, queue, reply_language, of_past=True)
        try:
            periods = await over_time.intervals(start, end, step.value, level, name)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "impossible", in_words(error, reply_language)) from error

        zone = ZoneInfo(snapshot.time_zone)

        def written() -> Response:
            if wants_table(request, format_):
                note = kept_note(snapshot, start, reply_language)
                if headings is Headings.WORDS:
                    target = periods[-1].target or snapshot.target
                    pen = Formatter(reply_language, snapshot.time_zone, target)
                    of_whom = (name or pen.say("lead.all"), periods)
                    ends = periods[-1].end - timedelta(microseconds=1)
                    days = periods[0].start.astimezone(zone).date(), ends.astimezone(zone).date()
                    earlier = texts.earlier_target_words(snapshot.targets_before(*days, target), target, reply_language)
                    rows = written_csv([of_whom], pen, about_words(pen, note, earlier))
                else:
                    rows = intervals_table(periods, snapshot.target, zone, note)
                return as_table(request, rows, f"intervals-{step.value}")
            body = intervals_shape(snapshot, periods, start=start, end=end, step=step.value, level=level, queue=name)
            return as_list(request, body)

        return await run_in_threadpool(written)

    @routes.get(
        "/lost-calls",
        responses={
            200: answer_or_table(shapes.LostCallsBody, "The callers whom nobody answered."),
            400: shapes.answer(shapes.ErrorBody, "The question asks for the impossible."),
            404: shapes.answer(shapes.ErrorBody, "No such queue; says which exist."),
            503: AWAY,
        },
    )
    async def lost_calls(
        request: Request,
        from_: FromQuery = None,
        to: ToQuery = None,
        queue: QueueQuery = None,
        format_: FormatQuery = None,
        lang: LangQuery = None,
    ) -> Response:
        """Return each caller whom nobody answered, without anything that identifies the caller; by default for today.

        Any kept day can be read; `kept_from` says where a question reaches further back. As CSV with `format=csv` or
        `Accept: text/csv`.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        start, end = stretch(snapshot, clock, from_, to, reply_language)
        name = None if not queue else queue_name(snapshot, queue, reply_language, of_past=True)
        calls = await figures.lost_calls(start, end, name)

        def written() -> Response:
            if wants_table(request, format_):
                note = kept_note(snapshot, start, reply_language)
                return as_table(request, lost_table(calls, ZoneInfo(snapshot.time_zone), note), "lost-calls")
            return as_list(request, lost_calls_shape(snapshot, calls, start=start, end=end, queue=name))

        return await run_in_threadpool(written)

    return routes


def _watch_routes(figures: Figures, clock: Clock, limits: Limits, language: str) -> APIRouter:
    routes = APIRouter(tags=["health"], responses=UNREADABLE)
    metrics = Metrics(figures, limits.refused, lambda: lived_seconds(clock.monotonic(), clock))

    @routes.get("/healthz", responses={200: shapes.answer(shapes.AliveBody, "The process answers.")})
    async def healthz() -> Response:
        """Answer that the process is alive; its sources are not checked."""
        return plain(shapes.AliveBody())

    @routes.get(
        "/readyz",
        responses={
            200: shapes.answer(shapes.HealthBody, "The figures can be trusted."),
            503: shapes.answer(shapes.HealthBody, "They cannot; says why."),
        },
    )
    async def readyz(lang: str | None = None) -> Response:
        """Answer whether the monitor is ready: the journal commits, a source is up, and the figures are fresh."""
        reasons = _not_ready(figures.latest(), clock, texts.known_language(lang, language))
        if not reasons:
            return plain(shapes.HealthBody(status="ok"))
        return plain(shapes.HealthBody(status="not_ready", reasons=reasons), HTTPStatus.SERVICE_UNAVAILABLE)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {
                "description": "Prometheus or OpenMetrics.",
                "content": {kind: {"schema": {"type": "string"}} for kind in _EXPOSITIONS},
            }
        },
    )
    async def scrape(request: Request) -> Response:
        """Return every figure for Prometheus, in the text format that the scraper asks for; at most some five
        seconds old.
        """
        accept = request.headers.get("accept", "")
        if (kept := metrics.kept(accept)) is None:
            kept = await run_in_threadpool(metrics.scrape, accept)
        body, content_type = kept
        return Response(body, headers={"Content-Type": content_type})

    return routes


def _pages(app: FastAPI, language: str) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs", response_class=HTMLResponse)
    async def docs_page(request: Request, lang: str | None = None) -> Response:
        reply_language = texts.known_language(lang, language)
        document = app.openapi()
        return PAGES.TemplateResponse(
            request,
            "docs.html",
            {"language": reply_language, "texts": dict(texts.words(reply_language)), "document": document}
            | pages_of(document),
        )

    return routes


def _not_ready(snapshot: Snapshot, clock: Clock, language: str) -> tuple[str, ...]:
    reasons = []
    if not snapshot.journal.up:
        reasons.append(texts.say("ready.journal_down", language))
    if snapshot.journal.lag_seconds > _LAG_SECONDS:
        reasons.append(texts.say("ready.journal_lags", language, seconds=int(snapshot.journal.lag_seconds)))
    if snapshot.journal.not_derived:
        reasons.append(texts.say("ready.not_derived", language, count=snapshot.journal.not_derived))
    if snapshot.journal.unreadable:
        reasons.append(texts.say("ready.unreadable", language, count=snapshot.journal.unreadable))
    if not snapshot.sources:
        reasons.append(texts.say("ready.no_source", language))
    elif not any(source.up for source in snapshot.sources):
        names = ", ".join(source.name for source in snapshot.sources)
        reasons.append(texts.say("ready.sources_down", language, sources=names))
    age = lived_seconds((clock.now() - snapshot.at).total_seconds(), clock)
    if age > _OLD_SECONDS:
        reasons.append(texts.say("ready.old_figures", language, seconds=int(age)))
    return tuple(reasons)


def _document_shapes(app: FastAPI) -> None:
    """Put our own shapes into the OpenAPI document: they are msgspec structs, which FastAPI does not know."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        fresh = app.openapi_schema is None
        document = generate()
        if fresh:
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= shapes.components()
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}, {}]
            with_examples(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
