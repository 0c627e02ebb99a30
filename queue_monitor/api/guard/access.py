"""Access control: a token for each screen, system and person, each with one role; deny by default.

Each change needs a token, also from this machine. Reading needs none only where this machine itself asks, by its own
name, and the settings allow it; once there is a token they do not, unless they say so. The intake of events is
separate: its senders sign their requests, each with a key of its own, and no token opens it.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from queue_monitor import texts
from queue_monitor.api.error_page import error_page, language_of, wants_page
from queue_monitor.api.guard.limits import BODY_BYTES, WRONG_TOKENS_SECONDS, Limits, Refused, client_of
from queue_monitor.api.json.shapes import ErrorBody
from queue_monitor.model import Access, Role

COOKIE: Final = "queue_monitor"
A_YEAR: Final = 365 * 86_400
A_SHIFT: Final = 12 * 3_600
"""The time for which a person is signed in: a working day. A wallboard stays signed in for `A_YEAR`."""


class Deed(Enum):
    """The kinds of request, by what is needed to make them."""

    BOARD = auto()
    READ = auto()
    SCRAPE = auto()
    ACT = auto()
    ADMINISTER = auto()


MAY: Final[Mapping[Role, frozenset[Deed]]] = {
    Role.WALLBOARD: frozenset({Deed.BOARD}),
    Role.STATUS: frozenset({Deed.BOARD, Deed.READ}),
    Role.METRICS: frozenset({Deed.SCRAPE}),
    Role.LEAD: frozenset({Deed.BOARD, Deed.READ, Deed.ACT}),
    Role.ADMIN: frozenset(Deed),
}
"""The deeds that each role may do, stated here only. A sender of events is a source of kind `http`, not a token."""

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
STREAM: Final = "/api/v1/stream"
WALL: Final = "/wall/"
AUDIT: Final = "/api/v1/audit"
OPEN: Final = ("/healthz", SIGN_IN, SIGN_OUT)
STATIC: Final = "/static/"
PUBLIC: Final = ("/public", "/api/v1/public")
"""The paths that are open too, where the settings offer them at all."""

SIGNED: Final = ("/api/v1/events",)
"""The paths whose requests their senders sign with a key of their own (adapters/http)."""
LINKS: Final = ("/alerts/", "/first-token/")
"""The pages whose address holds a secret and needs nothing else: to acknowledge an alarm, to make the first token."""

_ACTS: Final = ("/api/v1/alerts/", "/api/v1/crisis", "/api/v1/banner", "/lead/")
_READ: Final = ("/lead", "/history", "/docs", "/openapi.json", "/readyz")
_READING: Final = ("GET", "HEAD", "OPTIONS")
_PASSED_ON: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""The headers that a proxy adds; a request with one of these is not this machine's own."""

_TITLES: Final = {
    401: "unauthorized",
    403: "forbidden",
    413: "too_big",
    429: "too_many_requests",
    503: "too_many_streams",
}


def new_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return the SHA-256 of a token, the only form kept. A token is 256 random bits and needs no salt or stretching."""
    return hashlib.sha256(token.encode()).hexdigest()


def deed_of(method: str, path: str) -> Deed:
    """Return the kind of a request. A path that is named nowhere is for admins."""
    if method not in _READING:
        return Deed.ACT if path.startswith(_ACTS) else Deed.ADMINISTER
    if path in ("/", STREAM) or path.startswith(WALL):
        return Deed.BOARD
    if path == "/metrics":
        return Deed.SCRAPE
    if path != AUDIT and (path.startswith(("/api/v1/", "/history/")) or path in _READ):
        return Deed.READ
    return Deed.ADMINISTER


class Tokens:
    """The tokens that are accepted.

    `read_without_token`: whether this machine may read without one; None: for as long as there is no token.
    """

    def __init__(self, access: Sequence[Access] = (), read_without_token: bool | None = None) -> None:
        self._access = list(access)
        self._read_without_token = read_without_token

    def __bool__(self) -> bool:
        return bool(self._access)

    def add(self, access: Access) -> None:
        """Accept one more token from now on."""
        self._access.append(access)

    def remove(self, access: Access) -> None:
        """Stop accepting a token that was added."""
        self._access.remove(access)

    def known(self, token: str) -> Access | None:
        """Return the entry of a token. All are compared, each in constant time, so that the time reveals nothing."""
        shown = digest(token)
        matches = [entry for entry in self._access if hmac.compare_digest(entry.token_sha256, shown)]
        return matches[0] if token and matches else None

    @property
    def reads_without_token(self) -> bool:
        """Return whether this machine may read without a token now."""
        return not self if self._read_without_token is None else self._read_without_token


class AccessControl:
    """Plain ASGI, so that streams pass untouched: each request needs a token with the right role, or is refused.

    A token comes as `Authorization: Bearer …` or in a cookie. A wallboard's own address may carry it once,
    `/?token=…`: it is then kept in a cookie that no script can read, and taken out of the address. Only the role that
        sees the wallboard alone may travel in an address, because addresses end up in logs. People sign in on a page.

    A request that changes something and is not authorised by a header must come from a page of our own: a browser sends
    a cookie on behalf of any page that it shows. A read by this machine without a token must use a name of this
    machine's own: any other name may be made to lead here (DNS rebinding).

    A right token always passes: a client that guesses at the same address uses up an allowance of its own.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, limits: Limits, language: str = "sv") -> None:
        self._app = app
        self._language = language
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
            refusal = self._refuse(scope, 429, Refused.TOO_MANY_STREAMS, {"Retry-After": "10"})
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._limits.close_stream(client)

    def _answer(self, scope: Scope, client: str) -> Response | None:
        """Return a refusal or a redirection; None when the request may pass."""
        headers = Headers(scope=scope)
        token, query = _token(headers), parse_qs(scope["query_string"].decode("latin-1"))
        is_wall = scope["path"] == "/" or scope["path"].startswith(WALL)
        in_address = query.pop("token", None) if is_wall else None
        known = self._tokens.known(in_address[0] if in_address else token)
        if not self._limits.may_ask(_asker(client, known, wrong=bool(in_address or token))):
            return self._refuse(scope, 429, Refused.TOO_OFTEN, {"Retry-After": "1"})
        if _too_big(headers):
            return self._refuse(scope, 413, Refused.TOO_BIG)
        if scope["method"] not in _READING and _from_elsewhere(headers):
            return self._refuse(scope, 403, Refused.CROSS_SITE)
        if known is not None:
            scope.setdefault("state", {})["access"] = known
        if _stands_aside(scope["path"]):
            return None
        if in_address:
            return self._kiosk(in_address[0], known, query, scope, client)
        if known is None:
            return self._unknown(token, scope, headers, client)
        if deed_of(scope["method"], scope["path"]) not in MAY[known.role]:
            if _is_page(scope, headers):
                self._limits.refused[Refused.WRONG_ROLE] += 1
                return _to_sign_in(scope, known.role)
            return self._refuse(scope, 403, Refused.WRONG_ROLE)
        return None

    def _unknown(self, token: str, scope: Scope, headers: Headers, client: str) -> Response | None:
        """Answer a request without a known token: this machine may read where allowed; a person is sent to sign in."""
        if self._reads_here(scope, headers):
            return None
        if token:
            if self._limits.guesses(client):
                return self._guessing(scope)
            self._limits.wrong_token(client)
        reason = Refused.WRONG_TOKEN if token else Refused.NO_TOKEN
        if _is_page(scope, headers):
            self._limits.refused[reason] += 1
            return _to_sign_in(scope)
        return self._refuse(scope, 401, reason, {"WWW-Authenticate": 'Bearer realm="queue-monitor"'})

    def _reads_here(self, scope: Scope, headers: Headers) -> bool:
        reads = scope["method"] in _READING and scope["path"] != AUDIT
        return reads and self._tokens.reads_without_token and _is_of_this_machine(scope, headers)

    def _guessing(self, scope: Scope) -> Response:
        wait = {"Retry-After": str(int(WRONG_TOKENS_SECONDS))}
        return self._refuse(scope, 429, Refused.GUESSING, wait)

    def _kiosk(
        self, token: str, known: Access | None, query: dict[str, list[str]], scope: Scope, client: str
    ) -> Response:
        if known is None or known.role is not Role.WALLBOARD:
            if self._limits.guesses(client):
                return self._guessing(scope)
            self._limits.wrong_token(client)
            return self._refuse(scope, 401, Refused.WRONG_TOKEN, key="error.refused.in_address")
        path, rest = scope["path"], urlencode(query, doseq=True)
        answer = RedirectResponse(way(path, quote(path) + (f"?{rest}" if rest else "")), status_code=303)
        keep(answer, token, known, Request(scope))
        return answer

    def _refuse(
        self, scope: Scope, status: int, reason: Refused, headers: dict[str, str] | None = None, key: str = ""
    ) -> Response:
        """Refuse in the asker's language, with a page for a person's browser and JSON for a program. `key`: of the
        words, where they are not those of the reason.
        """
        self._limits.refused[reason] += 1
        request = Request(scope)
        language = language_of(request, self._language)
        words = texts.say(key or f"error.refused.{reason.value}", language, limit=BODY_BYTES)
        if wants_page(request.headers):
            page = error_page(request, words, status, language)
            page.headers.update(headers or {})
            return page
        body = msgspec.json.encode(ErrorBody(error=_TITLES[status], detail=words))
        return Response(body, status_code=status, media_type="application/json", headers=headers)


def _is_page(scope: Scope, headers: Headers) -> bool:
    """Whether a person's browser asks for a page."""
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def _to_sign_in(scope: Scope, role: Role | None = None) -> Response:
    """Lead a person to where to sign in, in the language of the page, and back to all of its address afterwards.

    `role`: of who has signed in and may not see it.
    """
    path, query = scope["path"], parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query.pop("token", None)
    chosen = urlencode(query, doseq=True)
    wanted = quote(path) + (f"?{chosen}" if chosen else "")
    more = f"&role={role.value}" if role is not None else ""
    language = query.get("lang", [""])[0]
    more += f"&lang={language}" if language in texts.LANGUAGES else ""
    return RedirectResponse(way(path, f"{SIGN_IN}?next={quote(wanted)}{more}"), status_code=303)


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


def way(here: str, there: str) -> str:
    """Return the relative address of one of our pages from another: a proxy may serve all under a path of its own."""
    return ("../" * (here.count("/") - 1) or "./") + there.lstrip("/")


def may(request: Request, deed: Deed) -> bool:
    """Return whether the request has shown a token whose role may do this."""
    access: Access | None = getattr(request.state, "access", None)
    return access is not None and deed in MAY[access.role]


def _stands_aside(path: str) -> bool:
    return path in OPEN + PUBLIC or path.startswith((*LINKS, STATIC))


def _asker(client: str, known: Access | None, *, wrong: bool) -> str:
    """Return the key of the allowance that a request uses: of a token at an address, of no token, or of wrong ones."""
    return f"{client} {known.token_sha256}" if known else f"{client} ?" if wrong else client


def _is_of_this_machine(scope: Scope, headers: Headers) -> bool:
    """Return whether this machine asks, by a name of its own, and no proxy passes on another's request."""
    name = re.sub(r":\d+$", "", headers.get("host", "")).strip("[]").lower()
    address = (scope.get("client") or ("", 0))[0]
    passed_on = any(header in headers for header in _PASSED_ON)
    return _is_loopback(address) and (name == "localhost" or _is_loopback(name)) and not passed_on


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if found.version == 6 else None
    return (mapped or found).is_loopback


def _too_big(headers: Headers) -> bool:
    """Return whether a body is too big; one without a stated length counts as too big, because none is needed."""
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_BYTES


def _from_elsewhere(headers: Headers) -> bool:
    """Return whether a browser sends this for another site's page. A program that is no browser names no site."""
    if "authorization" in headers:
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


def _token(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
