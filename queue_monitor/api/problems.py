"""Answers to bad requests: a page for people, JSON for programs, by what they accept.

A parameter that no route reads is refused by its name.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.responses import JSON, Problem, plain
from queue_monitor.ports import StoreError

_TEMPLATES: Final = Jinja2Templates(directory=Path(__file__).parent / "templates")
_CHECKED: Final = ("/api/v1/", "/history")
"""The paths where an unknown parameter is refused. Programs that read `/metrics` add parameters of their own."""


async def only_known_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not read, so that a misspelt one is noticed. Raises `Problem`."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    if dependant is None or request.method != "GET" or not request.url.path.startswith(_CHECKED):
        return
    known = sorted({field.alias for field in dependant.query_params})
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        language = texts.known_language(request.query_params.get("lang"), request.app.state.language)
        words = texts.say("error.unknown_parameter", language, name=unknown[0], names=", ".join(known) or texts.NONE)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_parameter", words, known)


def answer_problems(app: FastAPI, language: str) -> None:
    """Answer every error in words, in the asker's language and form."""
    app.state.language = language

    def reply_language(request: Request) -> str:
        return texts.known_language(request.query_params.get("lang"), language)

    def answer(request: Request, body: shapes.ErrorBody, status: int) -> Response:
        if not wants_page(request):
            return plain(body, status)
        words = {
            "language": reply_language(request),
            "texts": texts.words(reply_language(request)),
            "detail": body.detail,
            "top": "../" * (request.url.path.count("/") - 1) or "./",
        }
        page = _TEMPLATES.TemplateResponse(request, "error.html", words, status_code=status)
        page.headers["Cache-Control"] = "no-store"
        return page

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return answer(request, error.body, error.status)

    @app.exception_handler(StoreError)
    async def away(request: Request, error: StoreError) -> Response:
        words = texts.say("error.database_away", reply_language(request))
        body = shapes.ErrorBody(error="database_away", detail=words)
        return answer(request, body, HTTPStatus.SERVICE_UNAVAILABLE)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name, value = str(first["loc"][-1]), first.get("input")
        expected = str(first.get("ctx", {}).get("expected", ""))
        if expected:
            choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
            words = texts.say(
                "error.bad_choice", reply_language(request), value=value, name=name, choices=", ".join(choices)
            )
            body = shapes.ErrorBody(error="bad_choice", detail=words, choices=tuple(choices))
        else:
            words = texts.say("error.bad_request", reply_language(request), words=f"{name}: {first['msg']}")
            body = shapes.ErrorBody(error="bad_request", detail=words)
        return answer(request, body, HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        nothing = error.status_code == HTTPStatus.NOT_FOUND
        words = texts.say("error.not_found", reply_language(request)) if nothing else str(error.detail)
        word = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        response = answer(request, shapes.ErrorBody(error=word, detail=words), error.status_code)
        response.headers.update(error.headers or {})
        return response


def wants_page(request: Request) -> bool:
    """Return whether a person's browser asks: it accepts HTML, and the request does not ask for JSON."""
    accept = request.headers.get("accept", "")
    return "text/html" in accept and JSON not in accept
