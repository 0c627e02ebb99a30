"""Translates published messages: the topic names the publisher, the payload is an event or a status."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct, structs

from adapters.mqtt.publishers import Publisher, Publishers, Sign
from adapters.mqtt.settings import Settings
from queue_monitor import events
from queue_monitor.events import (
    CallEntered,
    Event,
    Instant,
    InvalidEvent,
    QueueSnapshot,
    SourceConnected,
    SourceDisconnected,
    TimeBasis,
    event_id,
)
from queue_monitor.line_cutter import LineCutter
from queue_monitor.ports import Connection, Rejected

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""The largest payload, as over HTTP. A snapshot of a thousand waiting callers is about 200 kB."""

MAX_LINE_BYTES: Final = 1 << 20
STALE_AFTER: Final = timedelta(minutes=5)
"""The age from which a retained snapshot is ignored: later events have reported what became of its callers."""

WILL: Final = "its connection to the broker was lost, or it has stopped"
GONE: Final = "the connection to the broker is gone"
_TELEPHONE: Final = re.compile(r"\+?[\d\s()/-]{5,}")
_PLAIN_NAME: Final = re.compile(r"(?!.*\d{5})[\w.-]{1,64}")


class _Line(Struct, frozen=True):
    topic: str
    payload: str
    received_at: Instant
    retain: bool = False


class _Status(Struct, frozen=True, kw_only=True):
    """The long form of a status; the short form is the bare word."""

    status: str
    source: str = ""
    switch: str = ""


_lines = msgspec.json.Decoder(_Line)
_statuses = msgspec.json.Decoder(_Status)


class Translator:
    """Takes messages and yields events: `feed` reads the lines of a recording, `message` one message of the wire.

    `publishers`: the state that earlier connections have gathered of the publishers.
    """

    def __init__(self, connection: Connection, settings: Settings, publishers: Publishers | None = None) -> None:
        self._connection = connection
        self._prefix = f"{settings.topic_prefix}/"
        self._publishers = Publishers() if publishers is None else publishers
        self._allowed = {entry.rpartition(":")[2]: entry for entry in settings.sources}
        self._up: bool | None = None
        self._cutter = LineCutter(MAX_LINE_BYTES)
        self._number = 0
        for name, entry in self._allowed.items():
            if ":" in entry:
                list(self._publishers[name].learn(entry, ""))

    # ---- the connection

    def opened(self, now: datetime, resumed: bool) -> Iterator[Event]:
        """Report that the broker answers. `resumed`: it has kept our session, and with it the messages that we
        missed.
        """
        for publisher in self._publishers:
            yield from publisher.find(now, resumed)
        self._up = False
        yield from self._look_at_ourselves(now)

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        return ()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        """Report that the broker is gone, and each publisher with it. The supervisor reports our own source."""
        if self._cutter.is_amid:  # a recording's last line need not end in a newline
            yield from self._finish(self._cutter.end())
        for publisher in self._publishers:
            yield from publisher.lose(now, GONE)

    # ---- recordings

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        for line in self._cutter.feed(raw):
            yield from self._finish(line)

    def _finish(self, line: bytes | None) -> Iterator[Event | Rejected]:
        self._number += 1
        if line is None:
            yield self._rejected("line_too_long", f"line {self._number}")
        elif line:
            try:
                read = _lines.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                yield self._rejected("invalid_line", f"line {self._number} is no recorded message")
            else:
                yield from self.message(read.topic, read.payload.encode(), read.retain, read.received_at)

    # ---- messages

    def message(self, topic: str, payload: bytes, retain: bool, received_at: datetime) -> Iterator[Event | Rejected]:
        """Read one message. `retain` is as the broker delivers it: an older message, read on subscribing."""
        levels = topic.removeprefix(self._prefix).split("/") if topic.startswith(self._prefix) else []
        if len(levels) < 2 or not all(levels):
            yield self._rejected("unknown_topic", "", "topic", "text", len(topic))
            return
        name = unquote(levels[0])
        if self._allowed and name not in self._allowed:
            yield self._rejected("unknown_publisher", _from(name), "topic", "text", len(topic))
            return
        match levels[1:]:
            case _ if not payload:
                pass  # an empty payload erases a retained message and reports nothing
            case _ if len(payload) > MAX_PAYLOAD_BYTES:
                yield self._rejected("too_large", _from(name), "payload", "text", len(payload))
            case ["status"] if not self._publishers.has_place(name):
                yield self._rejected("too_many_sources", _from(name), "topic", "text", len(topic))
            case ["status"]:
                yield from self._status(self._publishers[name], payload, received_at)
            case ["queue", _, "snapshot"]:
                yield from self._snapshot(name, payload, retain, received_at)
            case ["call" | "agent", _, _] | ["source", _]:
                yield from self._event(name, payload, retain, received_at)
            case _:
                yield self._rejected("unknown_topic", _from(name), "topic", "text", len(topic))

    def _status(self, publisher: Publisher, payload: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        try:
            said = _Status(status=payload.decode()) if payload[:1] != b"{" else _statuses.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            said = _Status(status="")
        if said.status not in ("online", "offline"):
            yield self._rejected("invalid_status", _from(publisher.name), "status", "text", len(payload))
            return
        if said.source and said.source.rpartition(":")[2] != publisher.name:
            yield self._rejected("wrong_source", _from(publisher.name), "source", "text", len(said.source))
            return
        online = said.status == "online"
        if said.source:
            yield from publisher.learn(said.source, said.switch)
        # by our clock: a last will is written when its publisher connects, so it cannot hold the time of the loss
        yield from publisher.say(Sign(online=online, at=received_at, reason="" if online else WILL))
        yield from self._look_at_ourselves(received_at)

    def _snapshot(self, name: str, payload: bytes, retain: bool, received_at: datetime) -> Iterator[Event | Rejected]:
        event = self._decoded(name, payload)
        if isinstance(event, Rejected):
            yield event
        elif not isinstance(event, QueueSnapshot):
            yield self._rejected("wrong_topic", f"{events.short_type(event)} as a snapshot {_from(name)}")
        elif retain and received_at - event.as_of > STALE_AFTER:
            yield from self._publishers[name].learn(event.source, event.switch)
            yield self._rejected("stale_snapshot", _from(name))
        else:
            yield from self._taken(name, event, received_at, counts=not retain)

    def _event(self, name: str, payload: bytes, retain: bool, received_at: datetime) -> Iterator[Event | Rejected]:
        event = self._decoded(name, payload)
        if isinstance(event, Rejected):
            yield event
        elif retain:
            # it would come as new at every connection, long after its id was forgotten
            yield self._rejected("retained_event", f"{events.short_type(event)} {_from(name)}")
        else:
            yield from self._taken(name, event, received_at, counts=True)

    def _decoded(self, name: str, payload: bytes) -> Event | Rejected:
        try:
            event = events.decode(payload)
        except InvalidEvent as error:
            return self._rejected("invalid_event", _from(name), error.field, error.kind, error.length)
        if event.source.rpartition(":")[2] != name:
            return self._rejected("wrong_source", _from(name), "source", "text", len(event.source))
        return event

    def _taken(self, name: str, event: Event, received_at: datetime, counts: bool) -> Iterator[Event | Rejected]:
        """Yield an event that was accepted. `counts`: false for a retained one, which has no place in the numbers.

        A retained message is read again at every connection.
        """
        publisher = self._publishers[name]
        yield from publisher.learn(event.source, event.switch)
        # when it came is ours to say; what the broker had kept came before, and its sender's word is all there is
        observed_at = received_at if counts else min(received_at, event.observed_at)
        event = structs.replace(event, switch_time=event.at, observed_at=observed_at)
        if counts and publisher.offline:  # its last will came after it had connected anew
            yield from publisher.say(Sign(online=True, at=received_at))
            yield from self._look_at_ourselves(received_at)
        if counts and (gap := publisher.count(event, received_at)) is not None:
            yield self._rejected("sequence_gap", f"{gap.cause} {_from(name)}")
            yield gap
        if isinstance(event, CallEntered) and event.caller and _TELEPHONE.fullmatch(event.caller.pseudonym or ""):
            yield self._rejected("caller_number", f"a telephone number as pseudonym {_from(name)}")
            event = structs.replace(event, caller=structs.replace(event.caller, pseudonym=None))
        yield event

    # ---- our own source

    def _look_at_ourselves(self, now: datetime) -> Iterator[Event]:
        """Report our own source as up while each publisher of our switch is online.

        Of several sources of one switch it is enough that one is up, so ours must not stay up without them.
        """
        ours = self._connection.switch
        away = [
            publisher.name
            for publisher in self._publishers
            if publisher.offline and ours in [switch or publisher.name for switch in publisher.sources.values()]
        ]
        if self._up is None or self._up == (not away):  # None: a recording, not a connection
            return
        self._up = not away
        kind = SourceConnected if self._up else SourceDisconnected
        word = "source.connected" if self._up else "source.disconnected"
        yield kind(
            id=event_id(self._connection.source, word, now.isoformat()),
            source=self._connection.source,
            switch=ours,
            observed_at=now,
            switch_time=now,
            time_basis=TimeBasis.MONITOR,
            epoch=self._connection.epoch,
            reason="" if self._up else WILL,
        )

    def _rejected(self, reason: str, detail: str = "", field: str = "", kind: str = "", length: int = 0) -> Rejected:
        source = self._connection.source
        return Rejected(source=source, reason=reason, detail=detail, field=field, kind=kind, length=length)


def _from(name: str) -> str:
    """Return the topic's source for a log, only where it cannot be a caller's number: others write the topics."""
    return f"from {name}" if _PLAIN_NAME.fullmatch(name) else "from a publisher with an odd name"


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into lines, each with the time of its message, or None where the line is no message."""
    for line in data.splitlines(keepends=True):
        try:
            yield line, _lines.decode(line).received_at
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield line, None
