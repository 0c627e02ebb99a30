"""Reads the body of a request: its events, or in words why they are refused. No I/O and no clock."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, TypedDict

import msgspec
from msgspec import Struct, structs

from adapters.http.settings import Settings
from queue_monitor import events
from queue_monitor.events import (
    Event,
    InvalidEvent,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    TimeBasis,
    event_id,
)
from queue_monitor.line_cutter import LineCutter
from queue_monitor.ports import Connection, Rejected

MAX_BYTES: Final = 256 * 1024
MAX_EVENTS: Final = 500
_IDS: Final = frozenset({"visit_id", "prev_visit_id", "contact_id", "leg_id", "ring_id", "agent_id"})
_LIKE_A_NUMBER: Final = re.compile(r"[+\d][\d\s()./-]{2,20}")

_array_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Fault(Struct, frozen=True, kw_only=True):
    """The reason why one event of a body is refused; `index` counts from 0, `reason` is a stable word.

    `field`, `kind` and `length`: what is wrong, as in `ports.Rejected`.
    """

    index: int
    id: str = ""
    reason: str
    detail: str = ""
    field: str = ""
    kind: str = ""
    length: int = 0


class Reading(Struct, frozen=True, kw_only=True):
    """A body that was read. With any fault none of its events are taken, so that the sender can mend it and resend."""

    events: tuple[Event, ...] = ()
    faults: tuple[Fault, ...] = ()


class _Ours(TypedDict):
    source: str
    switch: str
    epoch: str
    observed_at: datetime
    time_basis: TimeBasis


class _Unfit(Exception):
    """Raised for a text of an event that this sender may not write; `field` is where it stands."""

    def __init__(self, reason: str, detail: str, field: str, text: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field
        self.length = len(text)


class Translator:
    """Reads the bodies that one sender posts. A recording of them has one body a line."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._connected = False
        self._bodies = LineCutter(MAX_BYTES)

    # ---- a recording

    def feed(self, raw: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        for body in self._bodies.feed(raw):
            yield from self._finish(body, received_at)

    def flush(self, now: datetime) -> Iterator[Event | Rejected]:
        return iter(())

    def close(self, now: datetime) -> Iterator[Event | Rejected]:
        yield from self._finish(self._bodies.end(), now)

    def _finish(self, body: bytes | None, received_at: datetime) -> Iterator[Event | Rejected]:
        if body is None:
            yield self.rejected(
                Fault(index=0, reason="too_large", detail=f"longer than {MAX_BYTES} bytes", kind="text")
            )
        elif body:
            reading = self.read(body, received_at)
            yield from map(self.rejected, reading.faults)
            if not reading.faults:
                yield from self.greeting(reading.events, received_at)
                yield from reading.events

    # ---- one body

    def read(self, body: bytes, received_at: datetime, *, batch: bool | None = None) -> Reading:
        """Return every event of a body, or every fault in it. `batch` None: decide by the body."""
        if batch is None:
            batch = body.lstrip().startswith(b"[")
        try:
            pieces = [bytes(piece) for piece in _array_decoder.decode(body)] if batch else [body]
        except (msgspec.DecodeError, RecursionError) as error:
            words = f"no JSON array: {events.why_no_json(body, error)}"
            return Reading(faults=(Fault(index=0, reason="not_json", detail=words, kind="text", length=len(body)),))
        if len(pieces) > MAX_EVENTS:
            words = f"{len(pieces)} events; at most {MAX_EVENTS} in one request"
            many = Fault(index=MAX_EVENTS, reason="too_many_events", detail=words, kind="list", length=len(pieces))
            return Reading(faults=(many,))
        taken: list[Event] = []
        faults: list[Fault] = []
        for index, piece in enumerate(pieces):
            found = self._event(index, piece, received_at)
            taken.append(found) if isinstance(found, Event) else faults.append(found)
        return Reading(events=() if faults else tuple(taken), faults=tuple(faults))

    def greeting(self, told: Sequence[Event], received_at: datetime) -> tuple[Event, ...]:
        """Return the event that reports a new sender as connected, before its first events."""
        marks = [event for event in told if isinstance(event, SourceConnected | SourceDisconnected)]
        needed = bool(told) and not self._connected and told[0] not in marks[:1]
        self._connected = isinstance(marks[-1], SourceConnected) if marks else self._connected or bool(told)
        if not needed:
            return ()
        id_ = self._id("source.connected", received_at)
        return (SourceConnected(id=id_, reason="its first event", **self._ours(received_at)),)

    def sign_of_life(self, sent_at: datetime, received_at: datetime) -> Event:
        """Return the event of an empty batch: the sender is alive, and its clock shows this time."""
        offset = (sent_at - received_at) / timedelta(milliseconds=1)
        return SourceClock(
            id=self._id("source.clock", received_at), offset_ms=offset, rtt_ms=0.0, **self._ours(received_at)
        )

    def rejected(self, fault: Fault) -> Rejected:
        """Return a rejection for count and log: its place, but no text of the sender's, which may hold a number."""
        detail = f"event {fault.index}"
        where = {"field": fault.field, "kind": fault.kind}
        return Rejected(
            source=self._connection.source, reason=fault.reason, detail=detail, length=fault.length, **where
        )

    def _ours(self, received_at: datetime) -> _Ours:
        return {
            "source": self._connection.source,
            "switch": self._connection.switch,
            "epoch": self._connection.epoch,
            "observed_at": received_at,
            "time_basis": TimeBasis.MONITOR,
        }

    def _id(self, kind: str, received_at: datetime) -> str:
        return event_id(self._connection.source, kind, self._connection.epoch, received_at.isoformat())

    def _event(self, index: int, piece: bytes, received_at: datetime) -> Event | Fault:
        try:
            event = events.decode(piece)
        except (InvalidEvent, RecursionError) as error:
            where = {"field": error.field, "kind": error.kind} if isinstance(error, InvalidEvent) else {"kind": "text"}
            length = error.length if isinstance(error, InvalidEvent) else len(piece)
            words = _said(error)
            return Fault(index=index, id=_id_in(piece), reason="invalid_event", detail=words, length=length, **where)
        try:
            self._belongs(event)
            _may_say(event, "", f"{self._connection.switch}:")
        except _Unfit as unfit:
            where = {"field": unfit.field, "kind": "text", "id": _shown(event.id)}
            return Fault(index=index, reason=unfit.reason, detail=unfit.detail, length=unfit.length, **where)
        return structs.replace(
            event,
            switch=self._connection.switch,
            switch_time=event.at,
            observed_at=received_at,
            unmapped={},  # any key may stand there, and any person behind it
        )

    def _belongs(self, event: Event) -> None:
        source, switch = self._connection.source, self._connection.switch
        if event.source != source:
            words = f"source must be {source}, by whose key the request is signed"
            raise _Unfit("wrong_source", words, "source", event.source)
        if event.switch not in ("", switch):
            raise _Unfit("wrong_switch", f"switch must be {switch} or left out", "switch", event.switch)


def _may_say(value: object, name: str, prefix: str) -> None:
    """Check an event's ids. Raises `_Unfit` for those of another switch, and for a telephone number as pseudonym."""
    match value:
        case str():
            if name in _IDS and value and not value.startswith(prefix):
                raise _Unfit("foreign_id", f"{name} must begin with {prefix}", name, value)
            if name == "pseudonym" and _LIKE_A_NUMBER.fullmatch(value):
                words = "pseudonym: looks like a telephone number, which nobody may send here"
                raise _Unfit("number_as_pseudonym", words, "caller.pseudonym", value)
        case Struct():
            for field in value.__struct_fields__:
                _may_say(getattr(value, field), field, prefix)
        case tuple():
            for part in value:
                _may_say(part, name, prefix)


def _said(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _shown(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


class _OnlyId(Struct):
    id: str = ""


def _id_in(piece: bytes) -> str:
    """Return the id of something that is otherwise no event of ours, to help its sender find it."""
    try:
        return _shown(msgspec.json.decode(piece, type=_OnlyId).id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into its bodies, each with the latest time of its events, or None where there is none."""
    for line in data.splitlines(keepends=True):
        yield line, max(_times(line), default=None)


def _times(line: bytes) -> Iterator[datetime]:
    with suppress(msgspec.DecodeError, RecursionError):
        pieces = _array_decoder.decode(line) if line.lstrip().startswith(b"[") else [line]
        for piece in pieces:
            with suppress(InvalidEvent):
                yield events.decode(bytes(piece)).at
