"""The wire: it polls one address again and again, and gives the reason in words when there is no answer."""

import asyncio
import base64
import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any, Final

from adapters.snapshot_poll.settings import Settings
from adapters.snapshot_poll.translator import MAX_BYTES, Translator
from queue_monitor.ports import AdapterError, Clock, Connection, Delivery, Reach, Rejected

KIND: Final = "snapshot_poll"
_READ_BYTES: Final = 1 << 16


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: following one would hand the token to its target."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


class SnapshotPollAdapter:
    """The adapter of one address. Connected means that the address has answered."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._switch = switch
        self._settings = settings
        self._clock = clock

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        epoch = f"{self._clock.now():%Y%m%dT%H%M%S.%fZ}"
        connection = Connection(source=f"urn:kc:{KIND}:{self.name}", switch=self._switch, epoch=epoch)
        translator = Translator(connection, self._settings)
        ask = _asker(self.name, self._settings, self._clock)
        first = await self._ask(ask, translator)
        yield self._deliveries(ask, translator, first)

    async def _deliveries(self, ask: "_Asker", translator: Translator, delivery: Delivery) -> AsyncIterator[Delivery]:
        asked_at = self._clock.monotonic()
        while True:
            yield delivery
            passed = self._clock.monotonic() - asked_at
            await self._clock.sleep(max(0.0, self._settings.every_seconds - passed))
            asked_at = self._clock.monotonic()
            delivery = await self._ask(ask, translator)

    async def _ask(self, ask: "_Asker", translator: Translator) -> Delivery:
        body = await asyncio.to_thread(ask)
        received_at = self._clock.now()
        line = body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
        return Delivery(items=tuple(translator.feed(line, received_at)), received_at=received_at)


class _Asker:
    """Polls once, in a thread: it blocks, but not beyond the time limit. Raises `AdapterError` in words."""

    def __init__(
        self, request: urllib.request.Request, context: ssl.SSLContext | None, settings: Settings, clock: Clock
    ):
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._request = request
        self._seconds = settings.timeout_seconds
        self._clock = clock
        self._place = f"{request.type}://{request.host}"

    def __call__(self) -> bytes:
        try:
            with self._opener.open(self._request, timeout=self._seconds) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code) from error
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._late() from error
            words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise AdapterError(f"{self._place} cannot be asked: {words}") from error

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """Read the whole answer within the time limit, which for each piece alone would let a slow sender go on for
        ever.
        """
        until = self._clock.monotonic() + self._seconds * self._clock.rate
        body = bytearray()
        while piece := answer.read1(_READ_BYTES):
            body += piece
            if len(body) > MAX_BYTES:
                raise AdapterError(f"{self._place} answers with more than {MAX_BYTES} bytes")
            if self._clock.monotonic() > until:
                raise self._late()
        if answer.length:
            raise AdapterError(f"{self._place} cannot be asked: the answer was cut off")
        if not body.strip():
            raise AdapterError(f"{self._place} answers with nothing")
        return bytes(body)

    def _late(self) -> AdapterError:
        return AdapterError(f"{self._place} did not answer in {self._seconds:g} s")

    def _refused(self, status: int) -> AdapterError:
        phrase = http.client.responses.get(status, "")
        if status in (401, 403):
            words = "token, or username and password, are wrong there, or may not read this"
            return AdapterError(f"{self._place} refuses ({status} {phrase}): {words}", permanent=True)
        if 300 <= status < 400:
            words = "set url to where it leads; it is not followed, as the token would go along"
            return AdapterError(f"{self._place} leads elsewhere ({status} {phrase}): {words}", permanent=True)
        hint = ": is url right?" if status in (404, 405, 410) else ""
        return AdapterError(f"{self._place} answered {status} {phrase}{hint}")


def _asker(name: str, settings: Settings, clock: Clock) -> _Asker:
    if not re.match(r"https?://[^/\s@]+(/|$)", settings.url):
        words = "url must begin with https:// or http:// and a name; who asks stands in username and password"
        raise AdapterError(f"source {name}: {words}", permanent=True)
    if not settings.paths.waiting:
        words = "say where the number of waiting callers stands"
        raise AdapterError(f"source {name}: fields.waiting is not set: {words}", permanent=True)
    headers = {"Accept": "application/json, application/xml;q=0.9", "User-Agent": "queue-monitor"}
    if settings.token:
        header = settings.token_header or "Authorization"
        headers[header] = settings.token if settings.token_header else f"Bearer {settings.token}"
    elif settings.username:
        pair = f"{settings.username}:{settings.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    try:
        context = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else None
        return _Asker(urllib.request.Request(settings.url, headers=headers), context, settings, clock)
    except (OSError, ValueError) as error:
        raise AdapterError(f"source {name}: ca_file or url cannot be used: {error}", permanent=True) from error


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Poll once. Raises `AdapterError`, also where nothing in the answer is understood."""
    async with SnapshotPollAdapter(name, switch, settings, clock).connect() as deliveries:
        first = await anext(deliveries)
    if rejected := [item for item in first.items if isinstance(item, Rejected)]:
        words = f"is not understood ({rejected[0].reason}): see preset and fields"
        raise AdapterError(f"source {name}: the answer {words}", permanent=True)
    return Reach()
