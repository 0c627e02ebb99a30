"""The walls: the first one, and those that the settings name, each at an address of its own."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sse_starlette import EventSourceResponse

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.pages.board import board_body, board_words
from queue_monitor.api.pages.comparison import Comparisons
from queue_monitor.api.rendering import Rendered
from queue_monitor.api.responses import UNREADABLE, Problem
from queue_monitor.api.templating import PAGES
from queue_monitor.model import Board, Snapshot
from queue_monitor.ports import Figures

_FIRST: Final = Board(name="")
_RETRY_MS: Final = 2_000
_PING_SECONDS: Final = 15


class Walls:
    """Every wall by its name, "" for the first one; each is rendered once for a snapshot, however many screens ask."""

    def __init__(
        self, boards: Sequence[Board] = (), *, show_advice: bool = False, comparisons: Comparisons | None = None
    ) -> None:
        self._boards = {board.name.casefold(): board for board in (_FIRST, *boards)}
        self._bodies = {
            name: Rendered(partial(board_body, wall=board, show_advice=show_advice, comparisons=comparisons))
            for name, board in self._boards.items()
        }
        self._frames = {name: Rendered(partial(_frame, body)) for name, body in self._bodies.items()}

    def find(self, name: str, language: str) -> Board:
        """Return the wall of this name. Raises `Problem`, which lists those there are."""
        board = self._boards.get(name.casefold())
        if board is None:
            names = [known.name for known in self._boards.values() if known.name]
            listed = ", ".join(names) or texts.NONE
            words = texts.say("error.no_board", language, name=name, names=listed)
            raise Problem(HTTPStatus.NOT_FOUND, "no_such_board", words, names)
        return board

    def body(self, board: Board, snapshot: Snapshot) -> bytes:
        """Return the wall's JSON."""
        return self._bodies[board.name.casefold()](snapshot)

    def frame(self, board: Board, snapshot: Snapshot) -> bytes:
        """Return the same as a server-sent event."""
        return self._frames[board.name.casefold()](snapshot)


def _frame(body: Rendered, snapshot: Snapshot) -> bytes:
    return b"retry: %d\r\ndata: %s\r\n\r\n" % (_RETRY_MS, body(snapshot))


def wall_routes(figures: Figures, walls: Walls, language: str) -> APIRouter:
    """Return the routes of the walls' pages and of the stream that keeps them up to date."""
    routes = APIRouter(responses=UNREADABLE)

    def page(request: Request, name: str, top: str, lang: str | None, theme: str | None) -> Response:
        snapshot, chosen = figures.latest(), texts.known_language(lang, language)
        board = walls.find(name, chosen)
        chosen = texts.known_language(lang or board.language, language)
        return PAGES.TemplateResponse(
            request,
            "wallboard.html",
            {
                "language": chosen,
                "theme": theme if theme in ("light", "dark") else board.theme,
                "texts": board_words(chosen),
                "content": msgspec.json.decode(walls.body(board, snapshot)),
                "wall": board,
                "title": board.title or snapshot.organisation,
                "top": top,
            },
        )

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def first_wall(request: Request, lang: str | None = None, theme: str | None = None) -> Response:
        return page(request, "", "", lang, theme)

    @routes.get("/wall/{name}", response_class=HTMLResponse, include_in_schema=False)
    async def named_wall(request: Request, name: str, lang: str | None = None, theme: str | None = None) -> Response:
        return page(request, name, "../", lang, theme)

    @routes.get(
        "/api/v1/stream",
        tags=["status"],
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events: the wallboard's JSON, one for each change.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            404: shapes.answer(shapes.ErrorBody, "No such wall; says which exist."),
        },
    )
    async def stream(
        board: Annotated[str, Query(description="The name of a wall in the settings; without it the first.")] = "",
        lang: str | None = None,
    ) -> Response:
        """Send a wall's server-sent events. A slow reader gets the newest and misses those between."""
        wanted = walls.find(board, texts.known_language(lang, language))

        async def events() -> AsyncIterator[bytes]:
            async for snapshot in figures.changes():
                yield walls.frame(wanted, snapshot)

        return EventSourceResponse(events(), ping=_PING_SECONDS)

    return routes
