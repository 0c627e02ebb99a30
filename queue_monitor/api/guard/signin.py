"""The page where a person shows a token once, in a browser: it is then kept in a cookie for a working day."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from queue_monitor import texts
from queue_monitor.api.guard.access import COOKIE, SIGN_IN, SIGN_OUT, Tokens, keep, way
from queue_monitor.api.guard.limits import WRONG_TOKENS_SECONDS, Limits, Refused, client_of
from queue_monitor.api.templating import PAGES
from queue_monitor.model import Access

NextQuery = Annotated[str, Query(alias="next")]


def sign_in_routes(tokens: Tokens, limits: Limits, language: str) -> APIRouter:
    """Return the routes `/sign-in` and `/sign-out`, open to all. A wrong token counts as one shown anywhere else."""
    routes = APIRouter(include_in_schema=False)

    def page(request: Request, status: HTTPStatus, said: str = "", wanted: str = "/") -> Response:
        reply_language = texts.known_language(request.query_params.get("lang"), language)
        shown = {"language": reply_language, "texts": texts.words(reply_language), "said": said, "next": wanted}
        access: Access | None = getattr(request.state, "access", None)
        shown["signed_in"] = "" if access is None else texts.say("sign_in.as", reply_language, name=access.name)
        answer = PAGES.TemplateResponse(request, "sign-in.html", shown, status_code=status)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.get(SIGN_IN, response_class=HTMLResponse)
    async def show(
        request: Request, wanted: NextQuery = "/", role: str | None = None, lang: str | None = None
    ) -> Response:
        return page(request, HTTPStatus.OK, "" if role is None else "sign_in.wrong_role", _own_path(wanted))

    @routes.post(SIGN_IN, response_class=HTMLResponse)
    async def sign_in(
        request: Request, wanted: NextQuery = "/", role: str | None = None, lang: str | None = None
    ) -> Response:
        written = parse_qs((await request.body()).decode("utf-8", "replace"))
        token = written.get("token", [""])[0].strip()
        wanted = _own_path(written.get("next", [wanted])[0])
        client = client_of(request.client.host if request.client else "")
        known = tokens.known(token)
        if known is None and limits.guesses(client):
            limits.refused[Refused.GUESSING] += 1
            answer = page(request, HTTPStatus.TOO_MANY_REQUESTS, "sign_in.wait", wanted)
            answer.headers["Retry-After"] = str(int(WRONG_TOKENS_SECONDS))
            return answer
        if known is None:
            limits.wrong_token(client)
            limits.refused[Refused.WRONG_TOKEN] += 1
            return page(request, HTTPStatus.UNAUTHORIZED, "sign_in.wrong", wanted)
        way_on = RedirectResponse(way(SIGN_IN, wanted), HTTPStatus.SEE_OTHER)
        keep(way_on, token, known, request)
        return way_on

    @routes.post(SIGN_OUT)
    async def sign_out() -> Response:
        way_on = RedirectResponse(way(SIGN_OUT, SIGN_IN), HTTPStatus.SEE_OTHER)
        way_on.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return way_on

    return routes


def _own_path(wanted: str) -> str:
    """Return the page to go on to, which is always one of ours."""
    plain = wanted.startswith("/") and not wanted.startswith("//") and wanted.isprintable() and "\\" not in wanted
    return wanted if plain else "/"
