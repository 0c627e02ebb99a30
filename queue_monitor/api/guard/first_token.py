"""The page that makes the first token: a monitor without tokens prints its address once, where it was started."""

import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from queue_monitor import texts
from queue_monitor.api.guard.access import Tokens, digest, keep, new_token
from queue_monitor.api.templating import PAGES
from queue_monitor.model import Access, Role
from queue_monitor.ports import StoreError

PATH: Final = "/first-token/"
MAX_NAME: Final = 80
log = logging.getLogger(__name__)


class FirstToken:
    """The secret in the page's address, and the function that saves a token made there.

    `save` takes the entry and the address from which it was made. It returns once both are saved, and raises `OSError`
    or `StoreError` when they are not.
    """

    def __init__(self, save: Callable[[Access, str], Awaitable[None]]) -> None:
        self.key = secrets.token_urlsafe(32)
        self.save = save

    @property
    def path(self) -> str:
        return PATH + self.key


def first_token_routes(tokens: Tokens, first: FirstToken, language: str) -> APIRouter:
    """Return the routes of `/first-token/KEY`. Reading makes nothing; the button makes one token and ends the page."""
    routes = APIRouter(include_in_schema=False)

    def page(request: Request, status: HTTPStatus, said: str = "", token: str = "") -> Response:
        reply_language = texts.known_language(request.query_params.get("lang"), language)
        shown = {"language": reply_language, "texts": texts.words(reply_language), "said": said, "token": token}
        answer = PAGES.TemplateResponse(request, "first-token.html", shown, status_code=status)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def stands(key: str) -> bool:
        return not tokens and hmac.compare_digest(key.encode(), first.key.encode())

    @routes.get(PATH + "{key}", response_class=HTMLResponse)
    async def show(request: Request, key: str, lang: str | None = None) -> Response:
        return page(request, HTTPStatus.OK) if stands(key) else page(request, HTTPStatus.NOT_FOUND, "first.unknown")

    @routes.post(PATH + "{key}", response_class=HTMLResponse)
    async def make(request: Request, key: str, lang: str | None = None) -> Response:
        written = parse_qs((await request.body()).decode("utf-8", "replace"))
        name = " ".join(written.get("name", [""])[0].split())[:MAX_NAME]
        if not stands(key):
            return page(request, HTTPStatus.NOT_FOUND, "first.unknown")
        if not name:
            return page(request, HTTPStatus.UNPROCESSABLE_ENTITY, "first.nameless")
        token = new_token()
        entry = Access(name=name, role=Role.ADMIN, token_sha256=digest(token))
        tokens.add(entry)  # before anything is awaited: two who press at once make one token
        try:
            await first.save(entry, request.client.host if request.client else "")
        except (OSError, StoreError) as error:
            tokens.remove(entry)
            log.error("the first token could not be kept: %s", error)
            return page(request, HTTPStatus.SERVICE_UNAVAILABLE, "first.not_kept")
        answer = page(request, HTTPStatus.OK, token=token)
        keep(answer, token, entry, request)
        return answer

    return routes
