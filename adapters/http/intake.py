"""The HTTP intake: it verifies the sender, hands events over, and answers once they are in the journal."""

import asyncio
import hashlib
import hmac
import math
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from adapters.http.answers import (
    BATCH,
    HEADERS,
    REQUEST,
    RESPONSES,
    SINGLE,
    Refusal,
    Taken,
    answer,
    conflicting,
    refused,
    too_large,
    too_many,
    unavailable,
)
from adapters.http.body import MAX_BYTES, Fault, Translator
from adapters.http.bucket import Bucket
from adapters.http.settings import SHORTEST_SECRET, Settings
from queue_monitor.events import Event
from queue_monitor.ports import AdapterError, Clock, Connection, Delivery, Receipt, Rejected

KIND: Final = "http"
PATH: Final = "/api/v1/events"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_COUNT_SECONDS: Final = 1.0
_MAX_UNCOUNTED: Final = 1000


class _Line:
    """The queue between the requests and the consumer of the events, while there is a consumer."""

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._untold: set[asyncio.Future[Receipt | None]] = set()

    def put(self, delivery: Delivery, told: asyncio.Future[Receipt | None] | None = None) -> None:
        self._queue.put_nowait(delivery)
        if told is not None:
            self._untold.add(told)
            told.add_done_callback(self._untold.discard)

    async def deliveries(self, refusals: Callable[[], Delivery | None]) -> AsyncIterator[Delivery]:
        """Yield what came; in quiet moments also the refusals that are not counted yet."""
        while True:
            came: Delivery | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_COUNT_SECONDS):
                    came = await self._queue.get()
            if came is not None:
                yield came
            if (left := refusals()) is not None:
                yield left

    def close(self) -> None:
        """Answer each sender whose events are not known to be in the journal that it must send them again."""
        for told in tuple(self._untold):
            if not told.done():
                told.set_result(None)


class HttpAdapter:
    """The adapter of one sender. The program's composition mounts `router`; without a consumer it answers 503."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._source = f"urn:kc:{KIND}:{name}"
        self._switch = switch
        self._settings = settings
        self._clock = clock
        self._line: _Line | None = None
        self._under_way = 0
        self._bucket = Bucket(settings.events_per_second, settings.burst_events, clock)
        self._beat_at: datetime | None = None
        self._uncounted: deque[Rejected] = deque(maxlen=_MAX_UNCOUNTED)
        self._counted_at = -math.inf
        self.router = _router(name, self.receive)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        _check(self.name, self._settings.secrets)
        epoch = f"{self._clock.now():%Y%m%dT%H%M%S.%fZ}"
        connection = Connection(source=self._source, switch=self._switch, epoch=epoch)
        self._line = line = _Line(Translator(connection, self._settings))
        try:
            yield line.deliveries(self._refusals)
        finally:
            self._line = None
            line.close()

    # ---- one request

    async def receive(self, request: Request) -> Response:
        self._under_way += 1
        try:
            return answer(*await self._receive(request))
        except Refusal as refusal:
            if refusal.counted:
                self._count(Rejected(source=self._source, reason=refusal.counted))
            return answer(refusal.status, refusal.problem, refusal.headers)
        finally:
            self._under_way -= 1

    async def _receive(self, request: Request) -> tuple[HTTPStatus, Taken]:
        if self._under_way > self._settings.requests_at_once:
            raise too_many("Too many requests are under way", 1.0)
        batch = _is_batch(request)
        body = await self._body(request)
        received_at = self._clock.now()
        sent_at = self._authenticated(request, body, received_at)
        self._spend(1)
        line = self._line
        if line is None:
            raise unavailable("Nobody takes events now", "The monitor is starting or stopping. Send it again.")
        reading = line.translator.read(body, received_at, batch=batch)
        if reading.faults:
            self._count(*map(line.translator.rejected, reading.faults))
            raise _not_all(reading.faults)
        self._spend(len(reading.events) - 1)
        events = reading.events
        if not events:
            if self._beat_at is not None and sent_at <= self._beat_at:
                return HTTPStatus.OK, Taken(taken=0, duplicates=1)
            self._beat_at = sent_at
            events = (line.translator.sign_of_life(sent_at, received_at),)
        if greeting := line.translator.greeting(events, received_at):
            line.put(Delivery(items=greeting, received_at=received_at))
        return await self._committed(line, events, received_at)

    async def _body(self, request: Request) -> bytes:
        """Read the body, never more than the limit; a slow one is not waited for."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > MAX_BYTES:
            raise too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                async for piece in request.stream():
                    if len(body) + len(piece) > MAX_BYTES:
                        raise too_large()
                    body += piece
        except TimeoutError as error:
            words = f"The body was not whole after {self._settings.body_seconds:g} s."
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT, "Too slow", words, counted="slow_body", headers={"Connection": "close"}
            ) from error
        except ClientDisconnect as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "Cut off", "The body ended too early.", counted="cut_off") from error
        return bytes(body)

    def _authenticated(self, request: Request, body: bytes, received_at: datetime) -> datetime:
        """Return the sender's time of a request with a valid signature. Every failure gets the same answer."""
        source, timestamp, signature = (request.headers.get(name, "") for name in HEADERS)
        signed = f"{timestamp}.".encode("latin-1") + body
        given = signature.lower().encode("latin-1")
        genuine = False
        for secret in self._settings.secrets:  # both, whether or not the first fits: it takes the same time
            mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            genuine |= hmac.compare_digest(f"sha256={mac}".encode(), given)
        sent_at = _moment(timestamp)
        window = timedelta(seconds=self._settings.window_seconds)
        if genuine and source == self.name and sent_at is not None and abs(received_at - sent_at) <= window:
            return sent_at
        missing = [name for name in HEADERS if not request.headers.get(name)]
        words = (
            f"The request has no {', '.join(missing)}."
            if missing
            else "The source is not known, or the signature is not made with its key over this timestamp and body, or "
            f"the timestamp differs more than {self._settings.window_seconds:g} s from the time in the Date header."
        )
        raise Refusal(
            HTTPStatus.UNAUTHORIZED,
            "Not signed by a sender we know",
            words,
            counted="unauthorised",
            headers={"WWW-Authenticate": 'KC-HMAC-SHA256 headers="X-KC-Source X-KC-Timestamp X-KC-Signature"'},
        )

    def _spend(self, events: int) -> None:
        wait = self._bucket.take(events)
        if wait > 0:
            raise too_many(f"More than {self._settings.events_per_second:g} events a second", wait)

    async def _committed(
        self, line: _Line, events: tuple[Event, ...], received_at: datetime
    ) -> tuple[HTTPStatus, Taken]:
        """Hand the events over and wait until the journal has them."""
        told: asyncio.Future[Receipt | None] = asyncio.get_running_loop().create_future()

        async def ack(receipt: Receipt) -> None:
            if not told.done():
                told.set_result(receipt)

        delivery = Delivery(items=events, received_at=received_at, ack=ack, dated_by_sender=True, whole=True)
        line.put(delivery, told)
        try:
            async with asyncio.timeout(self._settings.commit_seconds):
                receipt = await told
        except TimeoutError:
            receipt = None
        if receipt is None:
            raise unavailable(
                "Not in the journal yet", "It may be taken or not. Send it again: what was taken is not counted twice."
            )
        if receipt.refused:
            raise _not_all(refused(events, receipt.refused))
        if receipt.conflicts:
            taken = f"{receipt.accepted} events were taken, {receipt.duplicates} were known."
            raise Refusal(
                HTTPStatus.CONFLICT,
                "An id that was used before, with another content",
                f"{taken} Those listed were not taken: an event that says something else needs an id of its own.",
                errors=conflicting(events, receipt.conflicts),
            )
        found = Taken(taken=receipt.accepted, duplicates=receipt.duplicates)
        return HTTPStatus.ACCEPTED if receipt.accepted else HTTPStatus.OK, found

    def _count(self, *rejected: Rejected) -> None:
        """Count a refusal, in at most one delivery a second, so that refused requests cannot fill the memory."""
        for one in rejected:
            self._uncounted.append(one)
            if len(self._uncounted) >= _MAX_UNCOUNTED:
                self._counted_at = -math.inf
            if self._line is not None and (delivery := self._refusals()) is not None:
                self._line.put(delivery)

    def _refusals(self) -> Delivery | None:
        """Return the refusals that are not counted yet, at most once a second; None where there are none."""
        now = self._clock.monotonic()
        if not self._uncounted or now - self._counted_at < _COUNT_SECONDS:
            return None
        self._counted_at = now
        delivery = Delivery(items=tuple(self._uncounted), received_at=self._clock.now())
        self._uncounted.clear()
        return delivery


def _not_all(faults: tuple[Fault, ...]) -> Refusal:
    return Refusal(
        HTTPStatus.BAD_REQUEST,
        "Not all of these are events that can be taken",
        "Nothing of this request was taken. Mend the events listed and send them all again.",
        errors=faults,
    )


def _check(name: str, secrets: tuple[str, ...]) -> None:
    if not _NAME.fullmatch(name):
        raise AdapterError(f"source {name}: the name of a sender may hold a-z, 0-9, '.', '_' and '-'", permanent=True)
    if not 1 <= len(secrets) <= 2 or any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise AdapterError(
            f"source {name}: secrets must be one key, or two while they are changed, each of at least "
            f"{SHORTEST_SECRET} characters; make one with: openssl rand -hex 32",
            permanent=True,
        )


def _is_batch(request: Request) -> bool:
    kind, *parameters = request.headers.get("content-type", "").lower().split(";")
    charsets = {part.strip().replace('"', "") for part in parameters if part.strip().startswith("charset=")}
    packed = request.headers.get("content-encoding", "identity").lower()
    if kind.strip() not in (SINGLE, BATCH) or charsets - {"charset=utf-8"} or packed != "identity":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Not CloudEvents in structured JSON",
            f"Send {SINGLE} for one event or {BATCH} for a list, in UTF-8, not packed.",
            counted="wrong_media_type",
        )
    return kind.strip() == BATCH


def _moment(timestamp: str) -> datetime | None:
    """Return the moment of Unix seconds, whole or with a fraction, exact to the microsecond."""
    found = _TIMESTAMP.fullmatch(timestamp)
    if found is None:
        return None
    return _EPOCH + timedelta(seconds=int(found[1]), microseconds=int((found[2] or "").ljust(6, "0")[:6]))


# ---- the path and its documentation


def _router(name: str, receive: Callable[[Request], Awaitable[Response]]) -> APIRouter:
    """Return the router. All senders share the path: each source takes its own requests, the first one the nameless."""

    class OwnRequests(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            match, child = super().matches(scope)
            mine = (b"x-kc-source", name.encode()) in scope.get("headers", ())
            return (match if mine or match is not Match.FULL else Match.PARTIAL), child

    router = APIRouter(route_class=OwnRequests, tags=["intake"])

    @router.post(
        PATH,
        status_code=HTTPStatus.ACCEPTED,
        operation_id=f"take_events_{re.sub('[^a-z0-9]', '_', name.lower())}",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra=REQUEST,
    )
    async def take_events(request: Request) -> Response:
        """Take events from a sender that signs them. Answered when they are in the journal; resending does no harm."""
        return await receive(request)

    return router
