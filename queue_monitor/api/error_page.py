"""The page that a person gets instead of an error in JSON."""

from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers

from queue_monitor import texts
from queue_monitor.api.templating import PAGES

_JSON: Final = "application/json"


def wants_page(headers: Headers) -> bool:
    """Return whether a person's browser asks: it accepts HTML, and the request does not ask for JSON."""
    accept = headers.get("accept", "")
    return "text/html" in accept and _JSON not in accept


def language_of(request: Request, language: str) -> str:
    """Return the language of the answer: the one that the address asks for, or the organisation's."""
    return texts.known_language(request.query_params.get("lang"), language)


def error_page(request: Request, detail: str, status: int, language: str) -> Response:
    """Return a page that says what went wrong and leads on."""
    words = {
        "language": language,
        "texts": texts.words(language),
        "detail": detail,
        "signs_in": status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
        "top": "../" * (request.url.path.count("/") - 1) or "./",
    }
    page = PAGES.TemplateResponse(request, "error.html", words, status_code=status)
    page.headers["Cache-Control"] = "no-store"
    return page
