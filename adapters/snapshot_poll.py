"""A switch that only offers counts over HTTP, in JSON or XML: asked every few seconds how many wait in each queue.

Dstny's ACD groups (`numberOfCallsInQueue`, `numberOfFreeAgents`, `numberOfLoggedInAgents`), Cisco Finesse's
`/finesse/api/Queue/{id}` (XML; `startTimeOfLongestCallInQueue` in UTC, -1 = not assigned), and whatever else can be
described by paths into its answer, such as the ACE Web API, whose schema Telia tells its customers only. The
recordings in tests/recordings/snapshot_poll are the vendors' documented examples, put on one line and with new times.

Nobody is listed, so no caller exists, nobody's wait is known, and there is no service level: live gauges only.
"""

import asyncio
import base64
import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import IO, Annotated, Any, Final, NamedTuple
from xml.etree import ElementTree

from msgspec import Meta, Struct, structs

from queue_monitor.events import Event, QueueSnapshot, SourceConnected, TimeBasis, event_id
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection, Delivery, Rejected

KIND: Final = "snapshot_poll"
MOST_BYTES: Final = 1 << 20
LONGEST_WAIT: Final = timedelta(hours=24)
"""Who is said to have waited longer has not: a clock or a unit is wrong."""

_READ_BYTES: Final = 1 << 16
_LARGEST: Final = 100_000
_LONGEST_NAME: Final = 200
_AT: Final = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ")


class Fields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where in an answer things stand: names with dots between, such as `statistic.numberOfCallsInQueue`.

    Several with `|` between: the first that is there. With `+` between: their sum. `queues` leads to the queue, or to
    the list of them, and is empty when the whole answer is; the others go on from there. `oldest_since` is when the
    longest wait began, where the switch does not tell it in seconds. What a switch does not tell is left empty.
    """

    queues: str = ""
    name: str = ""
    waiting: str = ""
    oldest_wait_seconds: str = ""
    oldest_since: str = ""
    agents_free: str = ""
    agents_logged_on: str = ""


PRESETS: Final[Mapping[str, Fields]] = {
    "": Fields(
        name="name",
        waiting="waiting",
        oldest_wait_seconds="oldest_wait_seconds",
        agents_free="agents_free",
        agents_logged_on="agents_logged_on",
    ),
    "dstny": Fields(
        name="name",
        waiting="statistic.numberOfCallsInQueue",
        agents_free="statistic.numberOfFreeAgents",
        agents_logged_on="statistic.numberOfLoggedInAgents",
    ),
    "finesse": Fields(
        queues="Update.data.Queue | Queues.Queue | Queue",
        name="name",
        waiting="statistics.callsInQueue",
        oldest_since="statistics.startTimeOfLongestCallInQueue",
        agents_free="statistics.agentsReady",
        agents_logged_on=" + ".join(
            f"statistics.agents{state}"
            for state in (
                *("Ready", "NotReady", "TalkingInbound", "TalkingOutbound", "TalkingInternal"),
                *("WrapUpNotReady", "WrapUpReady"),
            )
        ),
    ),
    "telia_ace": Fields(),
}


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address that is asked every `every_seconds`, and given up after `timeout_seconds`.

    `token` is sent as `Authorization: Bearer …`, or plain in the header named by `token_header`; or `username` and
    `password` as basic authentication. `preset` (dstny, finesse) knows where things stand in the answer; `fields` says
    it for another switch, or otherwise. Of telia_ace nothing is known in public: its `fields` come from your contract.
    Without a preset the names are ours: name, waiting, oldest_wait_seconds, agents_free, agents_logged_on. `queue`
    names the queue when the answer does not. `ca_file`: the certificates to trust, instead of the machine's.
    """

    url: str
    every_seconds: Annotated[float, Meta(ge=1, le=300)] = 10.0
    timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    preset: str = ""
    fields: Fields = Fields()
    queue: str = ""
    token: str = ""
    token_header: str = ""
    username: str = ""
    password: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(filter(None, PRESETS))}, or left out")
        if self.token and self.username:
            raise ValueError("either token or username, not both")

    @property
    def paths(self) -> Fields:
        """The preset's fields, and in their place those that are set."""
        own = {name: path for name, path in structs.asdict(self.fields).items() if path}
        return structs.replace(PRESETS[self.preset], **own)


class _Unreadable(Exception):
    """What is wrong with an answer: `reason` is a stable word, the message names the path."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


# ---- understanding


class Translator:
    """Answers to the counters they hold: one a line, with when it came before it where a recording says so."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._paths = settings.paths
        self._asked_for = (settings.fields.agents_free, settings.fields.agents_logged_on)
        self._queue = settings.queue
        self._precision_ms = round(settings.every_seconds * 1000)
        self._rest = bytearray()
        self._overlong = False
        self._connected = False

    def feed(self, raw: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        *ended, rest = raw.split(b"\n")
        for piece in ended:
            self._take(piece)
            yield from self._finish(received_at)
        self._take(rest)

    def flush(self, now: datetime) -> Iterator[Event | Rejected]:
        return iter(())

    def close(self, now: datetime) -> Iterator[Event | Rejected]:
        yield from self._finish(now)

    def _take(self, piece: bytes) -> None:
        self._overlong = self._overlong or len(self._rest) + len(piece) > MOST_BYTES
        self._rest = bytearray() if self._overlong else self._rest + piece

    def _finish(self, received_at: datetime) -> Iterator[Event | Rejected]:
        answer, self._rest = bytes(self._rest).strip(), bytearray()
        overlong, self._overlong = self._overlong, False
        if overlong:
            yield self._rejected(_Unreadable("too_large", f"longer than {MOST_BYTES} bytes"))
        elif answer:
            at, answer = _recorded_at(answer)
            yield from self._answer(answer, at or received_at)

    def _answer(self, answer: bytes, at: datetime) -> Iterator[Event | Rejected]:
        try:
            queues = _queues(_parsed(answer), self._paths.queues)
        except _Unreadable as error:
            yield self._rejected(error)
            return
        if not self._connected:
            self._connected = True
            yield SourceConnected(id=self._id("source.connected", at), reason="it answers", **self._common(at))
        for place, queue in enumerate(queues):
            try:
                yield self._snapshot(queue, at)
                _require(queue, self._asked_for)
            except _Unreadable as error:
                yield self._rejected(error, f"queue {place}: " if len(queues) > 1 else "")

    def _snapshot(self, queue: object, at: datetime) -> Event:
        paths = self._paths
        name = self._queue or _text(queue, paths.name)
        waiting = _count(queue, paths.waiting)
        if waiting is None:
            raise _Unreadable("no_count", f"{paths.waiting or 'waiting'}: not set in fields, or not told")
        told = {
            "waiting": waiting,
            "oldest_wait_seconds": _oldest(queue, paths, at) if waiting else None,
            "agents_free": _count(queue, paths.agents_free),
            "agents_logged_on": _count(queue, paths.agents_logged_on),
        }
        return QueueSnapshot(
            id=self._id("queue.snapshot", name, at),
            queue=name,
            as_of=at,
            counters={key: str(number) for key, number in told.items() if number is not None},
            complete=False,
            **self._common(at),
        )

    def _common(self, at: datetime) -> dict[str, Any]:
        return {
            "source": self._connection.source,
            "switch": self._connection.switch,
            "epoch": self._connection.epoch,
            "observed_at": at,
            "time_basis": TimeBasis.MONITOR,
            "time_precision_ms": self._precision_ms,
        }

    def _id(self, kind: str, *key: object) -> str:
        return event_id(self._connection.source, kind, self._connection.epoch, *key)

    def _rejected(self, error: _Unreadable, where: str = "") -> Rejected:
        return Rejected(source=self._connection.source, reason=error.reason, detail=f"{where}{error}")


def _recorded_at(answer: bytes) -> tuple[datetime | None, bytes]:
    """The time that a recording has before an answer, which itself begins with {, [ or <."""
    if stamp := _AT.match(answer):
        try:
            return datetime.fromisoformat(stamp[1].decode()).astimezone(UTC), answer[stamp.end() :]
        except (ValueError, OverflowError):
            pass
    return None, answer


def _parsed(answer: bytes) -> object:
    if answer.startswith(b"<"):
        return _parsed_xml(answer)
    try:
        return json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise _Unreadable("not_json", "the answer is neither JSON nor XML") from error


def _parsed_xml(answer: bytes) -> object:
    """Elements by name; one that stands several times is a list. No document type: it could blow up what it names."""
    if b"<!DOCTYPE" in answer or b"\x00" in answer:
        raise _Unreadable("not_xml", "the answer has a document type, or is not in UTF-8, which is not read")
    try:
        root = ElementTree.fromstring(answer)  # its size is bounded, and without a document type there are no entities
        return {_tag(root): _element(root)}
    except (ElementTree.ParseError, RecursionError, ValueError, LookupError) as error:
        raise _Unreadable("not_xml", "the answer begins as XML and is none") from error


def _element(element: ElementTree.Element) -> object:
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        content = _element(child)
        known = found.get(_tag(child))
        if known is None:
            found[_tag(child)] = content
        else:
            found[_tag(child)] = [*known, content] if isinstance(known, list) else [known, content]
    return found


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _queues(answer: object, path: str) -> list[object]:
    found = _at(answer, path) if path else answer
    if found is None:
        raise _Unreadable("no_queues", f"{path}: not there")
    return found if isinstance(found, list) else [found]


def _at(value: object, path: str) -> object:
    """What stands at the first of the paths that lead anywhere; None when none does."""
    for way in path.split("|"):
        here = value
        for name in filter(None, way.strip().split(".")):
            if isinstance(here, list) and name.isdecimal():
                here = here[int(name)] if int(name) < len(here) else None
            else:
                here = here.get(name) if isinstance(here, dict) else None
        if here is not None:
            return here
    return None


def _text(value: object, path: str) -> str:
    found = _at(value, path) if path else None
    if not isinstance(found, str) or not found.strip() or len(found) > _LONGEST_NAME or not found.isprintable():
        raise _Unreadable("no_name", f"{path or 'name'}: no name of a queue; set queue, or fields.name")
    return found.strip()


def _count(value: object, paths: str) -> int | None:
    """A whole number, or the sum of several; None where nothing is said. Below 0 a switch means that it knows none."""
    total = None
    for path in filter(None, map(str.strip, paths.split("+"))):
        found = _at(value, path)
        if found is None or found == "":
            continue
        number = _number(found, path)
        if number >= 0:
            total = (total or 0) + round(number)
    return total


def _require(queue: object, settings: Iterable[str]) -> None:
    """What a person asked for by a path of his own, and is not there, is told."""
    for path in (part.strip() for paths in settings for part in paths.split("+")):
        if path and _at(queue, path) is None:
            raise _Unreadable("no_field", f"{path}: not there")


def _number(found: object, path: str) -> float:
    try:
        if isinstance(found, bool) or not isinstance(found, int | float | str):
            raise TypeError
        number = float(found)
        if not abs(number) <= _LARGEST:
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        raise _Unreadable("bad_number", f"{path}: not a number, or one that cannot be") from error
    return number


def _oldest(queue: object, paths: Fields, at: datetime) -> int | None:
    """The longest wait in whole seconds, as the switch tells it or from when it began; a future start is 0."""
    if paths.oldest_wait_seconds:
        return _count(queue, paths.oldest_wait_seconds)
    since = _at(queue, paths.oldest_since) if paths.oldest_since else None
    if since in (None, "", "-1", -1):
        return None
    try:
        began = datetime.fromisoformat(str(since))
        waited = at - (began if began.tzinfo else began.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise _Unreadable("bad_time", f"{paths.oldest_since}: not a time") from error
    if waited > LONGEST_WAIT:
        raise _Unreadable("bad_time", f"{paths.oldest_since}: longer ago than {LONGEST_WAIT}")
    return max(0, int(waited.total_seconds()))


# ---- the wire


class _Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """To follow one would hand the token to whoever it leads to."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


class SnapshotPollAdapter:
    """One address, asked again and again. Connected means that it has answered."""

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
    """Asks once, in a thread: blocks, for no longer than the time limit. Raises `AdapterError` in words."""

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
        """All of it; a time limit for each piece alone would let a slow sender go on for ever."""
        until = self._clock.monotonic() + self._seconds * self._clock.rate
        body = bytearray()
        while piece := answer.read1(_READ_BYTES):
            body += piece
            if len(body) > MOST_BYTES:
                raise AdapterError(f"{self._place} answers with more than {MOST_BYTES} bytes")
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


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """The door `bootstrap` opens for `kind = "snapshot_poll"`."""
    return SnapshotPollAdapter(name, switch, settings, clock)


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into its answers, each with the time before it, if there is one."""
    for line in data.splitlines(keepends=True):
        yield line, _recorded_at(line)[0]
