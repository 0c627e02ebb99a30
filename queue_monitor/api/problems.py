"""Answers to bad requests: a page for people, JSON for programs, by what they accept.

A parameter that no route reads is refused by its name.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from queue_monitor import texts
from queue_monitor.api.error_page import error_page, language_of, wants_page
from queue_monitor.api.json import shapes
from queue_monitor.api.responses import SECURITY_HEADERS, Problem, plain
from queue_monitor.ports import StoreError

_OF_THE_ASKER: Final = ("/metrics", "/healthz", "/readyz", "/alerts/", "/api/v1/events")
"""The paths to which others add parameters of their own: scrapers, load balancers, mail programs that a link passes
through, and senders of events. Everywhere else an unknown one is refused.
"""

_KEYS: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "error.not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "error.not_allowed",
}


_NUMBERS: Final = {"greater_than_equal": "ge", "less_than_equal": "le", "int_parsing": ""}


def _number_words(error: Mapping[str, Any], language: str) -> str:
    """Return in a language what number was expected; "" for another mistake."""
    kind = str(error["type"])
    if kind not in _NUMBERS:
        return ""
    return texts.say(f"error.number.{kind}", language, limit=error.get("ctx", {}).get(_NUMBERS[kind], ""))


async def only_known_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not read, so that a misspelt one is noticed. Raises `Problem`."""
    route = request.scope.get("route")
    dependant, path = getattr(route, "dependant", None), getattr(route, "path", "")
    if dependant is None or path.startswith(_OF_THE_ASKER):
        return
    known = sorted({field.alias for field in dependant.query_params})
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        language = language_of(request, request.app.state.language)
        words = texts.say("error.unknown_parameter", language, name=unknown[0], names=", ".join(known) or texts.NONE)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_parameter", words, known)


def answer_problems(app: FastAPI, language: str) -> None:
    """Answer every error in words, in the asker's language and form."""
    app.state.language = language

    def reply_language(request: Request) -> str:
        return language_of(request, language)

    def answer(request: Request, body: shapes.ErrorBody, status: int) -> Response:
        if not wants_page(request.headers):
            return plain(body, status)
        return error_page(request, body.detail, status, reply_language(request))

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
            said = _number_words(first, reply_language(request)) or first["msg"]
            words = texts.say("error.bad_request", reply_language(request), words=f"{name}: {said}")
            body = shapes.ErrorBody(error="bad_request", detail=words)
        return answer(request, body, HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        key = _KEYS.get(error.status_code)
        words = texts.say(key, reply_language(request), method=request.method) if key else str(error.detail)
        word = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        response = answer(request, shapes.ErrorBody(error=word, detail=words), error.status_code)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        """Answer for whoever went away before the body was whole; nobody is there to read it, and nothing is wrong."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    @app.exception_handler(Exception)
    async def our_fault(request: Request, error: Exception) -> Response:
        """Answer for a bug of our own. The server writes the error to the log afterwards.

        The answer is made outside of what gives all others their headers.
        """
        words = texts.say("error.internal", reply_language(request))
        body = shapes.ErrorBody(error="internal_error", detail=words)
        response = answer(request, body, HTTPStatus.INTERNAL_SERVER_ERROR)
        response.headers.update(SECURITY_HEADERS)
        return response
