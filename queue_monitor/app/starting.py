"""Answers between the command and the first figures: it shows and logs what the start waits for.

A database that is not up yet, or a port in use, is temporary. So the step is tried again, and its trouble is reported
once.
"""

import logging
from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from queue_monitor import texts
from queue_monitor.ports import SERVICE, Clock, StoreError

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 5.0
INTAKE: Final = "/api/v1/events"
"""The path of events over HTTP, whose answers have a form of their own (docs/http-intake.md)."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>{title}</title>
<style>body{{font:1.5rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:40rem;padding:0 1rem;\
color-scheme:light dark}}</style></head>
<body><h1>{title}</h1><p>{words}</p></body></html>
"""

T = TypeVar("T")


class Entrance:
    """The web application from the first moment on: it says that the monitor starts, until the real one takes over."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._reason = "it starts"
        self._app: ASGIApp | None = None

    def because(self, reason: str) -> None:
        """Show this reason for the wait from now on."""
        self._reason = reason

    def let_in(self, app: ASGIApp) -> None:
        """Hand everything over to the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(Request(scope))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path, accepted = request.url.path, request.headers.get("accept", "")
        if path == "/healthz":
            return JSONResponse({"status": "ok", "service": SERVICE})
        again = {"Retry-After": f"{MAX_PAUSE_SECONDS:g}", "Cache-Control": "no-store"}
        title, words = (texts.say(f"starting.{part}", self._language) for part in ("title", "words"))
        if path == "/readyz":
            body: dict[str, object] = {"status": "not_ready", "reasons": [self._reason if _is_here(request) else title]}
        elif "text/html" in accepted and path != INTAKE:
            page = _PAGE.format(language=self._language, title=escape(title), words=escape(words))
            return HTMLResponse(page, HTTPStatus.SERVICE_UNAVAILABLE, again)
        elif path == INTAKE:
            body = {
                "title": "Starting",
                "detail": "The monitor is starting; nothing was taken. Send again.",
                "errors": [],
            }
        else:
            body = {"error": "starting", "detail": texts.say("starting.program", self._language), "choices": []}
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE, again)


def _is_here(request: Request) -> bool:
    """Return whether somebody on this machine asks: the reason may name machines that others need not know."""
    is_local = request.client is not None and request.client.host in _LOOPBACK
    return is_local and not {"forwarded", "x-forwarded-for"} & set(request.headers)


async def patiently(
    work: Callable[[], Awaitable[T]],
    heals: Callable[[OSError | StoreError], bool],
    clock: Clock,
    because: Callable[[str], None] = lambda reason: None,
) -> T:
    """Do a step, and again after growing pauses while its trouble is temporary. `because` gets each new reason.

    Raises permanent trouble.
    """
    told, pause = "", FIRST_PAUSE_SECONDS
    while True:
        try:
            return await work()
        except (OSError, StoreError) as error:
            if not heals(error):
                raise
            if (reason := str(error)) != told:
                told = reason
                because(reason)
                log.warning("start waits, and tries again: %s", reason)
        await clock.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
