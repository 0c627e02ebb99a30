"""Who may see what: a token for each screen, system and person, each with one role; deny by default.

Without a single token everything is open, and the settings then allow this machine alone to be served. The intake of
events stands aside: its senders sign what they send, each with a key of its own, and no token opens it.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from queue_monitor.api.limits import BODY_BYTES, WRONG_TOKENS_SECONDS, Limits, Refused, client_of
from queue_monitor.api.shapes import ErrorBody
from queue_monitor.model import Access, Role

COOKIE: Final = "queue_monitor"
A_YEAR: Final = 365 * 86_400
A_SHIFT: Final = 12 * 3_600
"""A person signs in for a working day, a wallboard for as long as it hangs there."""

BOARD: Final = frozenset({Role.WALLBOARD, Role.STATUS, Role.ADMIN})
READERS: Final = frozenset({Role.STATUS, Role.ADMIN})
ADMINS: Final = frozenset({Role.ADMIN})
SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
STREAM: Final = "/api/v1/stream"
OPEN: Final = ("/healthz", SIGN_IN, SIGN_OUT, "/static/docs.css", "/static/icon.svg")
PUBLIC: Final = ("/public", "/api/v1/public")
"""Open too, where the settings offer them at all."""

SIGNED: Final = ("/api/v1/events",)
"""Senders sign each request with a key of their own (adapters/http)."""
LINKS: Final = "/alerts/"
"""The page that acknowledges an alarm: the link in a message is signed, and is all that is needed."""

_OWN_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

_TITLES: Final = {
    401: "unauthorized",
    403: "forbidden",
    413: "too_big",
    429: "too_many_requests",
    503: "too_many_streams",
}


def digest(token: str) -> str:
    """What is kept of a token: its SHA-256. The tokens are 256 random bits, so that needs no salt and no stretching."""
    return hashlib.sha256(token.encode()).hexdigest()


def roles_for(method: str, path: str) -> frozenset[Role]:
    """Who may make a request. What is not named is for admins."""
    reading = method in ("GET", "HEAD", "OPTIONS")
    if reading and (path in ("/", STREAM) or path.startswith("/static/")):
        return BOARD
    if reading and path == "/metrics":
        return frozenset({Role.METRICS, Role.ADMIN})
    if path == "/api/v1/audit":
        return ADMINS
    if reading and (path.startswith("/api/v1/") or path in ("/lead", "/docs", "/openapi.json", "/readyz")):
        return READERS
    return ADMINS


class Tokens:
    """Those who may come in, by what they show."""

    def __init__(self, access: Sequence[Access]) -> None:
        self._access = tuple(access)

    def __bool__(self) -> bool:
        return bool(self._access)

    def known(self, token: str) -> Access | None:
        """The entry of a token. All are compared, each in constant time: how long it takes tells nothing."""
        shown = digest(token)
        matches = [entry for entry in self._access if hmac.compare_digest(entry.token_sha256, shown)]
        return matches[0] if token and matches else None


class AccessControl:
    """ASGI, plain, so that streams pass untouched: every request shows a token that may, or is refused.

    A token comes as `Authorization: Bearer …` or in a cookie. A wallboard's own address may carry it once,
    `/?token=…`: it is then kept in a cookie that no script can read, and taken out of the address. Only the role that
    sees the wallboard alone may travel in an address: addresses end up in logs. People sign in on a page.

    A request that changes something and is not authorised by a header must come from a page of our own: a browser
    sends a cookie, or reaches this machine, on behalf of any page that it shows. Where no tokens are needed it must
    have come by a name of this machine's own: anybody's name may be made to lead here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, limits: Limits) -> None:
        self._app = app
        self._tokens = tokens
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in SIGNED:
            await self._app(scope, receive, send)
            return
        client = client_of((scope.get("client") or ("", 0))[0])
        answer = self._answer(scope, client)
        if answer is not None:
            await answer(scope, receive, send)
        elif scope["path"] == STREAM:
            await self._stream(scope, receive, send, client)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        if not self._limits.open_stream(client):
            refusal = self._refuse(429, Refused.TOO_MANY_STREAMS, "Too many streams are open.", {"Retry-After": "10"})
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._limits.close_stream(client)

    def _answer(self, scope: Scope, client: str) -> Response | None:
        """A refusal, or the way on; None when the request may pass."""
        headers = Headers(scope=scope)
        if not self._limits.may_ask(client):
            return self._refuse(429, Refused.TOO_OFTEN, "Too many requests. Wait a moment.", {"Retry-After": "1"})
        if _too_big(headers):
            return self._refuse(413, Refused.TOO_BIG, f"A body of at most {BODY_BYTES} bytes, with its length.")
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and _from_elsewhere(headers):
            return self._refuse(403, Refused.CROSS_SITE, "Another site's page may not do this.")
        if _stands_aside(scope["path"]):
            return None
        if self._tokens:
            return self._shown(scope, headers, client)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and _by_another_name(headers):
            words = f"Without tokens a page may do this by one of the names {', '.join(_OWN_NAMES)} alone."
            return self._refuse(403, Refused.CROSS_SITE, words)
        return None

    def _shown(self, scope: Scope, headers: Headers, client: str) -> Response | None:
        if self._limits.guesses(client):
            wait = {"Retry-After": str(int(WRONG_TOKENS_SECONDS))}
            return self._refuse(429, Refused.GUESSING, "Too many wrong tokens. Wait a minute.", wait)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in query:
            return self._kiosk(query.pop("token")[0], query, scope, client)
        token = _token(headers)
        known = self._tokens.known(token)
        if known is None:
            return self._unknown(token, scope, headers, client)
        if known.role not in roles_for(scope["method"], scope["path"]):
            return self._refuse(403, Refused.WRONG_ROLE, f"The role {known.role.value} may not do this.")
        scope.setdefault("state", {})["access"] = known
        return None

    def _unknown(self, token: str, scope: Scope, headers: Headers, client: str) -> Response:
        """Nobody we know: a person looking at a page is shown where to sign in."""
        if token:
            self._limits.wrong_token(client)
        reason = Refused.WRONG_TOKEN if token else Refused.NO_TOKEN
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            self._limits.refused[reason] += 1
            return RedirectResponse(f"{SIGN_IN}?next={quote(scope['path'])}", status_code=303)
        words = "This needs a token: Authorization: Bearer …"
        return self._refuse(401, reason, words, {"WWW-Authenticate": 'Bearer realm="queue-monitor"'})

    def _kiosk(self, token: str, query: dict[str, list[str]], scope: Scope, client: str) -> Response:
        known = self._tokens.known(token)
        if known is None or known.role is not Role.WALLBOARD:
            self._limits.wrong_token(client)
            return self._refuse(401, Refused.WRONG_TOKEN, "Only a wallboard's token may stand in an address.")
        rest = urlencode(query, doseq=True)
        answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), status_code=303)
        keep(answer, token, known, Request(scope))
        return answer

    def _refuse(self, status: int, reason: Refused, detail: str, headers: dict[str, str] | None = None) -> Response:
        self._limits.refused[reason] += 1
        body = msgspec.json.encode(ErrorBody(error=_TITLES[status], detail=detail))
        return Response(body, status_code=status, media_type="application/json", headers=headers)


def keep(answer: Response, token: str, known: Access, request: Request) -> None:
    """Let a browser show this token from now on: in a cookie that no script can read and no other site sends."""
    answer.set_cookie(
        COOKIE,
        token,
        max_age=A_YEAR if known.role is Role.WALLBOARD else A_SHIFT,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _stands_aside(path: str) -> bool:
    return path in OPEN + PUBLIC or path.startswith(LINKS)


def _too_big(headers: Headers) -> bool:
    """A body whose length is not told is too big: nobody has a use for one."""
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_BYTES


def _from_elsewhere(headers: Headers) -> bool:
    """Whether a browser sends this for another site's page. What is no browser says nothing of sites."""
    if "authorization" in headers:
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


def _by_another_name(headers: Headers) -> bool:
    """Whether a browser found this machine by a name that is not the machine's own."""
    is_browser = "origin" in headers or "sec-fetch-site" in headers
    name = re.sub(r":\d+$", "", headers.get("host", "")).lower()
    return is_browser and name not in _OWN_NAMES


def _token(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
