"""The validator for senders: it reads events as they would be sent, and says of each whether it would be taken.

It uses the reading and the limits of a running monitor (adapters/http, adapters/mqtt, `core/gate`), needs none to run,
and keeps nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct, structs

from adapters import http
from queue_monitor import events
from queue_monitor.core.gate import Gate, Unfit
from queue_monitor.events import Event, InvalidEvent
from queue_monitor.ports import Connection
from queue_monitor.runtime.pipeline import KEPT_DAYS

KINDS: Final = ("http", "mqtt")
_pieces: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Sender(Struct, frozen=True, kw_only=True):
    """The sender whose events are checked: its kind of source, its name in the settings, and its switch.

    An empty `name` or `switch`: as the first readable event says.
    """

    kind: str = "http"
    name: str = ""
    switch: str = ""


class Judged(Struct, frozen=True, kw_only=True):
    """The judgement on one event. `reason`: the stable word of the refusal, "" for an event that would be taken.

    `id`: as its sender wrote it; "" where it cannot be read.
    `words`: about an event that would be taken its type, else what is wrong, with the field.
    """

    line: int
    id: str = ""
    reason: str = ""
    words: str

    def __str__(self) -> str:
        verdict = f"refused   {self.reason}: {self.words}" if self.reason else f"accepted  {self.words}"
        return f"line {self.line}  {verdict}{f'  (id {self.id})' if self.id else ''}"


def judged(lines: Iterable[bytes], sender: Sender, now: datetime) -> Iterator[Judged]:
    """Yield the judgement on each event of these lines, a JSON object or an array of them each; empty ones are
    skipped. An event that comes again counts once, and one with the id of another and other content is refused.
    """
    check = _Check(sender, now)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not line.lstrip().startswith(b"["):
            yield check.judge(number, line.strip())
            continue
        try:
            pieces = [bytes(piece) for piece in _pieces.decode(line)]
        except (msgspec.DecodeError, RecursionError) as error:
            yield Judged(line=number, reason="not_json", words=f"no JSON array: {error}")
            continue
        for piece in pieces:
            yield check.judge(number, piece)


class _Check:
    def __init__(self, sender: Sender, now: datetime) -> None:
        self._sender = sender
        self._now = now
        self._gate = Gate(lambda source: 0.0)
        self._before: dict[str, tuple[int, Event]] = {}

    def judge(self, number: int, piece: bytes) -> Judged:
        try:
            event = events.decode(piece)
        except InvalidEvent as error:
            return Judged(line=number, id=_id_in(piece), reason="invalid_event", words=str(error))
        self._know(event)
        reason, words = self._refused(event, piece)
        if not reason and (before := self._before.get(event.id)) is not None:
            line, other = before
            if not events.same_content(event, other):
                reason, words = "conflict", f"line {line} has another event of this id"
            else:
                words += f", the same as line {line}: counts once"
        self._before.setdefault(event.id, (number, event))
        return Judged(line=number, id=event.id, reason=reason, words=words)

    def _know(self, event: Event) -> None:
        """Take name and switch from the first event that has them, where nobody has given them."""
        its, own = self._sender, getattr(event, "visit_id", None) or getattr(event, "agent_id", None) or ""
        name = its.name or event.source.rpartition(":")[2]
        self._sender = structs.replace(its, name=name, switch=its.switch or event.switch or own.partition(":")[0])

    def _refused(self, event: Event, piece: bytes) -> tuple[str, str]:
        """Return the reason and the words of a refusal; no reason, and the event's type, where it would be taken."""
        found = self._gate.judge(event, self._now, self._now - timedelta(days=KEPT_DAYS), by_sender=True)
        if isinstance(found, Unfit):
            return found.reason, f"{found.field}: {found.detail}"
        if self._sender.kind == "mqtt":
            if event.source.rpartition(":")[2] != self._sender.name:
                return "wrong_source", f"source: must end with :{self._sender.name}, the publisher of the topic"
        elif self._sender.switch:
            source = f"urn:kc:http:{self._sender.name}"
            reader = http.Translator(Connection(source=source, switch=self._sender.switch), http.Settings(secrets=()))
            if faults := reader.read(piece, self._now, batch=False).faults:
                return faults[0].reason, faults[0].detail
        return "", events.short_type(event)


class _OnlyId(Struct):
    id: str = ""


def _id_in(piece: bytes) -> str:
    try:
        return msgspec.json.decode(piece, type=_OnlyId).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
