"""The crisis and the banner share this: a person writes words for everybody, as JSON or in a form."""

from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

import msgspec
from fastapi import Request
from fastapi.responses import RedirectResponse
from msgspec import Struct

from queue_monitor.api.guard.access import way
from queue_monitor.api.json import shapes
from queue_monitor.api.json.written import unfit
from queue_monitor.api.pages.lead import ADDRESS

Body = TypeVar("Body", bound=Struct)


def described(shape: type[Struct]) -> dict[str, Any]:
    """Return the part of the OpenAPI document that names the shape of a request's body."""
    content = {"application/json": {"schema": shapes.reference(shape)}}
    return {"requestBody": {"required": True, "content": content}}


async def body_of(request: Request, shape: type[Body], language: str) -> Body:
    """Return a request's body. Raises `Problem` when it has another shape."""
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        raise unfit("error.bad_request", language, words=str(error)) from error


async def form_of(request: Request) -> dict[str, str]:
    """Return the first value of each field of a form on the lead's page."""
    written = parse_qs((await request.body()).decode("utf-8", "replace"))
    return {name: values[0] for name, values in written.items()}


def back_to_lead(request: Request, queue: str, language: str) -> RedirectResponse:
    """Return the answer to a pressed button: the lead's page once more, of the same queue."""
    back = way(request.url.path, f"{ADDRESS}?{urlencode({'queue': queue, 'lang': language})}#alerts")
    return RedirectResponse(back, status_code=HTTPStatus.SEE_OTHER)
