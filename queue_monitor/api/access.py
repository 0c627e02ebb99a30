"""Who may see what: a token for each screen, system and person, each with one role; deny by default.

Without a single token everything is open, and the settings then allow this machine alone to be served. The intake of
events stands aside: its senders sign what they send.
"""

import hashlib
import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from queue_monitor.model import Access, Role
from queue_monitor.ports import Clock

COOKIE: Final = "queue_monitor"
A_YEAR: Final = 365 * 86_400

BOARD: Final = frozenset({Role.WALLBOARD, Role.STATUS, Role.ADMIN})
READERS: Final = frozenset({Role.STATUS, Role.ADMIN})
OPEN: Final = ("/healthz",)
SIGNED: Final = ("/api/v1/events",)
"""Senders sign each request with a key of their own (adapters/http)."""
LINKS: Final = "/alerts/"
"""The page that acknowledges an alarm: the link in a message is signed, and is all that is needed."""

MISSES_ALLOWED: Final = 20
MISSES_SECONDS: Final = 60.0
ADDRESSES: Final = 10_000


def digest(token: str) -> str:
    """What is kept of a token: its SHA-256. The tokens are 256 random bits, so that needs no salt and no stretching."""
    return hashlib.sha256(token.encode()).hexdigest()


def roles_for(method: str, path: str) -> frozenset[Role]:
    """Who may make a request. What is not named is for admins."""
    reading = method in ("GET", "HEAD", "OPTIONS")
    if reading and (path in ("/", "/api/v1/stream") or path.startswith("/static/")):
        return BOARD
    if reading and path == "/metrics":
        return frozenset({Role.METRICS, Role.ADMIN})
    if reading and (path.startswith("/api/v1/") or path in ("/docs", "/openapi.json", "/readyz")):
        return READERS
    return frozenset({Role.ADMIN})


class AccessControl:
    """ASGI, plain, so that streams pass untouched: every request shows a token that may, or is refused.

    A token comes as `Authorization: Bearer …` or in a cookie. A wallboard's own address may carry it once,
    `/?token=…`: it is then kept in a cookie that no script can read, and taken out of the address. Only the role that
    sees the wallboard alone may travel in an address: addresses end up in logs.
    """

    def __init__(self, app: ASGIApp, access: Sequence[Access], clock: Clock) -> None:
        self._app = app
        self._access = tuple(access)
        self._clock = clock
        self._misses: dict[str, tuple[float, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._access or _stands_aside(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> JSONResponse | RedirectResponse | None:
        """A refusal, or the way on; None when the request may pass."""
        client = (scope.get("client") or ("", 0))[0]
        if self._misses_of(client) >= MISSES_ALLOWED:
            return _refusal(429, "Too many wrong tokens. Wait a minute.", {"Retry-After": str(int(MISSES_SECONDS))})
        headers, query = Headers(scope=scope), parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in query:
            return self._kiosk(query.pop("token")[0], query, scope, client)
        token = _token(headers)
        known = self._known(token)
        if known is None:
            if token:
                self._miss(client)
            words = "This needs a token: Authorization: Bearer …"
            return _refusal(401, words, {"WWW-Authenticate": 'Bearer realm="queue-monitor"'})
        if known.role not in roles_for(scope["method"], scope["path"]):
            return _refusal(403, f"The role {known.role.value} may not do this.")
        return None

    def _kiosk(
        self, token: str, query: dict[str, list[str]], scope: Scope, client: str
    ) -> JSONResponse | RedirectResponse:
        known = self._known(token)
        if known is None or known.role is not Role.WALLBOARD:
            self._miss(client)
            return _refusal(401, "Only a wallboard's token may stand in an address.")
        rest = urlencode(query, doseq=True)
        answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), status_code=303)
        secure = scope.get("scheme") == "https"
        answer.set_cookie(COOKIE, token, max_age=A_YEAR, httponly=True, samesite="strict", secure=secure)
        return answer

    def _known(self, token: str) -> Access | None:
        """The entry of a token. All are compared, each in constant time: how long it takes tells nothing."""
        shown = digest(token)
        matches = [entry for entry in self._access if hmac.compare_digest(entry.token_sha256, shown)]
        return matches[0] if token and matches else None

    def _misses_of(self, client: str) -> int:
        since, count = self._misses.get(client, (0.0, 0))
        return count if self._clock.monotonic() - since < MISSES_SECONDS else 0

    def _miss(self, client: str) -> None:
        if len(self._misses) >= ADDRESSES:
            self._misses.pop(next(iter(self._misses)))
        count = self._misses_of(client)
        since = self._misses[client][0] if count else self._clock.monotonic()
        self._misses[client] = (since, count + 1)


def _stands_aside(path: str) -> bool:
    return path in OPEN + SIGNED or path.startswith(LINKS)


def _token(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    title = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests"}[status]
    return JSONResponse({"title": title, "detail": detail}, status_code=status, headers=headers)
