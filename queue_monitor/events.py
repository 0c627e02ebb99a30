"""The events: every fact that a source reports, as frozen structs in one tagged union.

On the wire an event is CloudEvents 1.0, structured JSON, the same bytes over HTTP, MQTT, in the journal and in replay
files. `encode` and `decode` translate; `json_schema` publishes the format.

Longer than 450 lines because it is one union of all that a source can report.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct, structs

from queue_monitor.outcomes import LeftOutcome as LeftOutcome
from queue_monitor.queues import agent_key, spelled

SCHEMA: Final = "urn:se.kundcenter:events:1"
_PREFIX: Final = "se.kundcenter."
MONITOR_SOURCE: Final = "urn:kc:monitor:waits"
"""The source of the monitor's own statements about callers: it is no switch, and no sign of life of one."""

SILENT: Final = "silent"
"""The reason of a `SourceDisconnected` with which the monitor reports that a source has been silent too long."""


Text = Annotated[str, Meta(min_length=1)]
Instant = Annotated[datetime, Meta(tz=True)]


class TimeBasis(StrEnum):
    """The clock behind `switch_time`: read from the switch, worked out from a reported duration, or ours at receipt."""

    SWITCH = "switch"
    DERIVED = "derived"
    MONITOR = "monitor"


class EntryReason(StrEnum):
    DIRECT = "direct"
    OVERFLOW = "overflow"
    TRANSFER = "transfer"
    REENTRY = "reentry"
    RESUME = "resume"
    CALLBACK = "callback"
    UNKNOWN = "unknown"


class OutcomeBasis(StrEnum):
    STATED = "stated"
    INFERRED = "inferred"


class RingResult(StrEnum):
    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    BUSY = "busy"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RefusalReason(StrEnum):
    FULL = "full"
    NO_AGENTS = "no_agents"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class TransferKind(StrEnum):
    BLIND = "blind"
    ATTENDED = "attended"
    UNKNOWN = "unknown"


class EndedBy(StrEnum):
    CALLER = "caller"
    AGENT = "agent"
    TRANSFER = "transfer"
    SYSTEM = "system"
    UNKNOWN = "unknown"


class AgentActivity(StrEnum):
    """The agent's state on one axis, worked out from the several of a switch; its own words stay in `state_raw`."""

    LOGGED_OUT = "logged_out"
    AVAILABLE = "available"
    RINGING = "ringing"
    BUSY = "busy"
    WRAPUP = "wrapup"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class MemberAction(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Recovery(StrEnum):
    """The means by which a gap was filled afterwards."""

    NONE = "none"
    SNAPSHOT = "snapshot"
    LOG = "log"


class RawReference(Struct, frozen=True, kw_only=True):
    """The block of the switch's bytes from which an event came; the bytes themselves are not kept."""

    kind: str
    sha256: str


class Caller(Struct, frozen=True, kw_only=True):
    """The person who calls: at most a pseudonym, whose key is replaced every night. Never a number."""

    pseudonym: str | None = None
    withheld: bool = False


def _fold_agent(of: Struct) -> None:
    agent_id = getattr(of, "agent_id", None)
    if agent_id and (plain := agent_key(agent_id)) != agent_id:
        structs.force_setattr(of, "agent_id", plain)


@cache
def _names_of(kind: type[Struct]) -> tuple[tuple[str, Callable[[str], str]], ...]:
    """Return the fields of a kind of event that hold a name, each with the function that gives its plain form."""
    forms: dict[str, Callable[[str], str]] = {"queue": spelled, "next_queue": spelled, "agent_id": agent_key}
    return tuple((name, forms[name]) for name in forms if name in kind.__struct_fields__)


class TransferTarget(Struct, frozen=True, kw_only=True):
    queue: str | None = None
    agent_id: str | None = None
    external: bool = False

    def __post_init__(self) -> None:
        if self.queue and (plain := spelled(self.queue)) != self.queue:
            structs.force_setattr(self, "queue", plain)
        _fold_agent(self)


class WaitingCaller(Struct, frozen=True, kw_only=True):
    """One line of a snapshot: a caller who waits now. `waited_ms` as the switch reports it."""

    leg_id: Text
    visit_id: str | None = None
    contact_id: str | None = None
    position: int | None = None
    waited_ms: int | None = None
    entered_at: Instant | None = None


class QueueAgent(Struct, frozen=True, kw_only=True):
    """One line of a snapshot: an agent who is a member of the queue."""

    agent_id: Text
    state: AgentActivity
    reason: str | None = None
    state_raw: str | None = None
    level: int | None = None

    def __post_init__(self) -> None:
        _fold_agent(self)


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every event.

    `source` is `urn:kc:<adapter>:<instance>`. Every id is `<switch>:<native id>`; `switch` is the configured name of
    the switchboard, shared by all sources that listen to it. `switch_time` is null when the wire has no time. `live` is
    false for an event from a log, a snapshot or a recording. `epoch` names the connection.
    """

    id: Text
    source: Text
    observed_at: Instant
    switch: str = ""
    switch_time: Instant | None = None
    time_precision_ms: Annotated[int, Meta(ge=0)] = 1
    time_basis: TimeBasis = TimeBasis.SWITCH
    sequence: str | None = None
    epoch: str = ""
    live: bool = True
    raw: RawReference | None = None
    unmapped: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Compose and trim the queue's name and fold the agent's, so that all who compare names agree."""
        for name, plain_form in _names_of(type(self)):
            if (written := getattr(self, name)) and (plain := plain_form(written)) != written:
                structs.force_setattr(self, name, plain)

    @property
    def at(self) -> datetime:
        """The time of the event: the switch's time if known, else the time of receipt."""
        return self.switch_time or self.observed_at

    @property
    def switch_name(self) -> str:
        """The switchboard's name: stated, else the last part of the source's name."""
        return self.switch or self.source.rpartition(":")[2]


class CallEntered(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.entered"):
    """A caller joined a queue: the wait clock of this visit starts."""

    visit_id: Text
    queue: Text
    contact_id: str = ""
    leg_id: str = ""
    position: int | None = None
    depth_reported: int | None = None
    priority: int | None = None
    caller: Caller | None = None
    dialled: str | None = None
    entry_reason: EntryReason = EntryReason.UNKNOWN
    prev_visit_id: str | None = None
    contact_started_at: Instant | None = None
    start_known: bool = True


class CallMoved(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.moved"):
    """A caller moved up in the line, or to another channel: the visit then continues under `new_leg_id` as well.

    `contact_id` may name another contact than before: the contact of this wait, as the sender knows it by now.
    """

    visit_id: Text
    position: int | None = None
    queue: str = ""
    leg_id: str = ""
    contact_id: str = ""
    new_leg_id: str = ""


class CallRinging(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.ringing"):
    """A waiting call began to ring at one agent; several may ring at once."""

    visit_id: Text
    ring_id: Text
    agent_id: Text
    queue: str = ""
    leg_id: str = ""
    contact_id: str = ""


class CallRingEnded(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.ring_ended"):
    """A ring stopped: exactly one for each ring; worked out (`derived`) when the switch is silent."""

    ring_id: Text
    result: RingResult
    visit_id: str = ""
    agent_id: str | None = None
    ring_ms: int | None = None
    cause_raw: str | None = None


class CallAnswered(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.answered"):
    """A person answered: the wait clock of this visit stops. `queue` and `leg_id` place a visit that began unseen."""

    visit_id: Text
    agent_id: str = ""
    ring_id: str | None = None
    wait_ms_reported: int | None = None
    ring_ms: int | None = None
    queue: str = ""
    leg_id: str = ""
    contact_id: str = ""


class CallLeft(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.left"):
    """A caller left the queue without an answer."""

    visit_id: Text
    outcome: LeftOutcome
    outcome_basis: OutcomeBasis = OutcomeBasis.STATED
    key: str | None = None
    next_queue: str | None = None
    wait_ms_reported: int | None = None
    reason_raw: str | None = None
    queue: str = ""
    leg_id: str = ""
    contact_id: str = ""


class CallRefused(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.refused"):
    """A caller never got into the queue. No visit exists."""

    contact_id: Text
    queue: str
    reason: RefusalReason = RefusalReason.UNKNOWN
    leg_id: str = ""


class CallTransferred(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.transferred"):
    """An answered call was passed on; comes before its `call.completed`."""

    visit_id: Text
    kind: TransferKind = TransferKind.UNKNOWN
    to: TransferTarget = TransferTarget()
    agent_id: str | None = None


class CallCompleted(Event, frozen=True, kw_only=True, tag="se.kundcenter.call.completed"):
    """An answered call ended. The reported times place a call of which nothing else was seen."""

    visit_id: Text
    ended_by: EndedBy = EndedBy.UNKNOWN
    talk_ms_reported: int | None = None
    wait_ms_reported: int | None = None
    agent_id: str | None = None
    queue: str = ""
    leg_id: str = ""
    contact_id: str = ""


class AgentState(Event, frozen=True, kw_only=True, tag="se.kundcenter.agent.state"):
    """The state of an agent, in the named queues or (null) in all of them."""

    agent_id: Text
    state: AgentActivity
    reason: str | None = None
    queues: tuple[str, ...] | None = None
    state_raw: str | None = None

    def __post_init__(self) -> None:
        if self.queues and (plain := tuple(map(spelled, self.queues))) != self.queues:
            structs.force_setattr(self, "queues", plain)
        _fold_agent(self)


class AgentMember(Event, frozen=True, kw_only=True, tag="se.kundcenter.agent.member"):
    """An agent became, or stopped being, a member of a queue."""

    agent_id: Text
    queue: Text
    action: MemberAction
    level: int | None = None


class QueueSnapshot(Event, frozen=True, kw_only=True, tag="se.kundcenter.queue.snapshot"):
    """The callers who wait now, as the switch lists them: authoritative for that, never a source of totals.

    `up`: legs whose channels the switch lists as up at this time, wherever they are; empty where it was not asked.
    """

    queue: Text
    as_of: Instant
    waiting: tuple[WaitingCaller, ...] = ()
    agents: tuple[QueueAgent, ...] = ()
    counters: dict[str, str] = {}
    complete: bool = True
    up: tuple[Text, ...] = ()


class SourceConnected(Event, frozen=True, kw_only=True, tag="se.kundcenter.source.connected"):
    reason: str = ""
    switch_started_at: Instant | None = None
    version: str | None = None


class SourceDisconnected(Event, frozen=True, kw_only=True, tag="se.kundcenter.source.disconnected"):
    reason: str = ""


class SourceGap(
    Event,
    frozen=True,
    kw_only=True,
    tag="se.kundcenter.source.gap",
    rename={"from_": "from"},
):
    """Nothing was seen between `from` and `to`; every interval that it touches shows it."""

    from_: Instant
    to: Instant
    cause: str = ""
    recovered: Recovery = Recovery.NONE


class SourceClock(Event, frozen=True, kw_only=True, tag="se.kundcenter.source.clock"):
    """The switch's clock minus ours, in ms, and the round trip of the probe that measured it."""

    offset_ms: float
    rtt_ms: float = 0.0


class SourceRestarted(Event, frozen=True, kw_only=True, tag="se.kundcenter.source.restarted"):
    """The switch started anew: every visit then open ends as `lost` at `switch_time`."""


CallEvent = (
    CallEntered
    | CallMoved
    | CallRinging
    | CallRingEnded
    | CallAnswered
    | CallLeft
    | CallRefused
    | CallTransferred
    | CallCompleted
)
SourceEvent = SourceConnected | SourceDisconnected | SourceGap | SourceClock | SourceRestarted
AnyEvent = CallEvent | AgentState | AgentMember | QueueSnapshot | SourceEvent

EVENT_TYPES: Final[dict[str, type[Event]]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)}


def type_of(event: Event) -> str:
    """Return the CloudEvents type, e.g. `se.kundcenter.call.entered`."""
    return str(event.__struct_config__.tag)


def short_type(event: Event) -> str:
    """Return the type without the common prefix, e.g. `call.entered`."""
    return type_of(event).removeprefix(_PREFIX)


def subject_of(event: Event) -> str:
    """Return the subject of an event: its visit, else its agent, its queue, its contact or its source."""
    for field in ("visit_id", "agent_id", "queue", "contact_id"):
        if value := getattr(event, field, ""):
            return str(value)
    return event.source


def event_id(source: str, kind: str, *natural_key: object) -> str:
    """Return an event's id: 128 bits of SHA-256 over its identifying parts, as 32 hex digits.

    The natural key is the visit, ring or agent and the switch's time in µs; for an event without a time of its own also
    the connection and the byte offset. The same event read twice, by two monitors or after a restart, then has the same
    id.
    """
    text = "\x1f".join((source, kind, *map(str, natural_key)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_own_word(event: Event) -> bool:
    """Return whether the monitor itself has made this event, about callers that no source reported."""
    return event.source == MONITOR_SOURCE or (isinstance(event, SourceDisconnected) and event.reason == SILENT)


def contact_key(contact_id: str) -> bytes:
    """Return 16 bytes that stand for a contact."""
    return hashlib.sha256(contact_id.encode("utf-8", "surrogatepass")).digest()[:16]


_RECEIPT: Final = frozenset({"id", "source", "observed_at", "epoch", "live", "raw", "sequence", "unmapped"})
"""The fields that describe how and when an event was received, not what happened."""


_TIMES: Final = frozenset(
    {"switch_time", "time_basis", "time_precision_ms", "as_of", "waiting", "contact_started_at", "switch_started_at"}
    | {"from_", "to"}
)
"""The fields of an event that change when it is dated by its receipt."""


def same_content(one: Event, other: Event) -> bool:
    """Return whether two events have the same content; how and when they were received does not count.

    All times are left out too for an event that was dated by its receipt because its switch's clock is far off. A
    caller's pseudonym does not count: after a start the same caller has another.
    """
    if isinstance(one, CallEntered) and isinstance(other, CallEntered) and _hides(one) == _hides(other):
        one = structs.replace(one, caller=other.caller)
    if type(one) is not type(other):
        return False
    left_out = _RECEIPT | _TIMES if one.switch_time is None or other.switch_time is None else _RECEIPT
    return all(getattr(one, name) == getattr(other, name) for name in one.__struct_fields__ if name not in left_out)


def _hides(event: CallEntered) -> bool:
    return event.caller is not None and event.caller.withheld


_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(span: timedelta) -> int:
    """Return the whole milliseconds of a duration, rounded down: 300 000 is in time, 300 001 is not."""
    return span // _MILLISECOND


class InvalidEvent(ValueError):
    """Raised for bytes that are not one of our events; the message names the field.

    `field`: the field as its sender writes it, without `data.` before it; "" where the whole is no event.
    `kind`: of what stands there: `text`, `number`, `list`, `table`, `word` (true, false) or `nothing`.
    `length`: its number of characters, digits or items; 0 for a number that is too large to be read.
    """

    def __init__(self, message: str, content: object = None) -> None:
        super().__init__(message)
        path = found[-1] if (found := _PLACE.findall(message)) else ""  # the last: others may stand in what was sent
        for name in _NAMES_IN.findall(path):
            content = _part(content, name)
        if missing := _MISSING.search(message):
            content, path = None, f"{path}.{missing[1]}"
        self.field = path.removeprefix(".").removeprefix("data.").removesuffix("[...]")
        self.kind, self.length = ("number", 0) if "out of range" in message else _kind_of(content)


_PLACE: Final = re.compile(r"`\$([^`]*)`")
_NAMES_IN: Final = re.compile(r"[^.\[\]]+|\.\.\.")
_MISSING: Final = re.compile(r"missing required field `([^`]+)`")


def _part(content: object, name: str) -> object:
    """Return the part of this name, or at this place of a list; None where there is none."""
    if isinstance(content, dict):
        return content.get(name, content if name == "..." else None)
    is_there = isinstance(content, list) and name.isdecimal() and int(name) < len(content)
    return content[int(name)] if is_there and isinstance(content, list) else None


def _kind_of(content: object) -> tuple[str, int]:
    """Return the kind and the length of what a sender wrote, which say nothing of it itself."""
    match content:
        case bool():
            return "word", len(str(content))
        case int() | float():
            return "number", len(str(content)) if abs(content) < 1e300 else 300
        case str() | bytes():
            return "text", len(content)
        case list():
            return "list", len(content)
        case dict():
            return "table", len(content)
        case _:
            return "nothing", 0


def _read_plain(raw: bytes | str) -> object:
    """Return JSON as it stands; the bytes where it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw


class _Wire(Struct, frozen=True, kw_only=True):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: str
    data: dict[str, Any]
    time: Instant | None = None
    sequence: str | None = None


_wire_decoder = msgspec.json.Decoder(_Wire)
_encoder = msgspec.json.Encoder()
_ENVELOPE: Final = ("type", "id", "source", "sequence")


def encode(event: Event) -> bytes:
    """Return one CloudEvents 1.0 JSON object, without a newline."""
    content = msgspec.to_builtins(event, builtin_types=(datetime,))
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": content.pop("id"),
        "source": content.pop("source"),
        "type": content.pop("type"),
        "subject": subject_of(event),
        "time": event.at.astimezone(UTC),
        "datacontenttype": "application/json",
        "dataschema": SCHEMA,
    }
    if (sequence := content.pop("sequence")) is not None:
        envelope["sequence"] = sequence
    envelope["data"] = content
    return _encoder.encode(envelope)


def decode(raw: bytes | str) -> Event:
    """Read one CloudEvents JSON object.

    Fields that this version does not know are ignored, so that a newer sender still gets through. Where `data` has no
    `observed_at` or `switch_time`, the envelope's `time` is taken. Raises `InvalidEvent`, naming the field.
    """
    try:
        wire = _wire_decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error), _read_plain(raw)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent(f"not JSON: {why_no_json(raw, error)}", raw) from error
    except RecursionError as error:
        raise InvalidEvent("not JSON that an event could be: nested too deeply", raw) from error
    if wire.type not in EVENT_TYPES:
        raise InvalidEvent(f"type: {wire.type!r} is not an event of ours - at `$.type`", {"type": wire.type})
    content = dict(wire.data)
    try:
        for field in ("observed_at", "switch_time"):
            if field not in content and wire.time is not None:
                content[field] = wire.time
        if "observed_at" not in content:
            raise InvalidEvent("Object missing required field `time`")
        content |= {"id": wire.id, "source": wire.source, "sequence": wire.sequence}
        return msgspec.convert(content, EVENT_TYPES[wire.type])
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error), content) from error
    except RecursionError as error:
        raise InvalidEvent("not JSON that an event could be: nested too deeply", content) from error


def why_no_json(raw: bytes | str, error: Exception) -> str:
    """Return why something cannot be read as JSON, in words for its sender; as the library says it where it is neither
    empty, nor in another encoding, nor nested too deeply.
    """
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    told = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    if not told.strip():
        return "it is empty"
    if told.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in told[:4]:
        return "it is UTF-16 or UTF-32; UTF-8 is expected"
    if told.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark (BOM); UTF-8 without one is expected"
    return str(error)


def json_schema() -> dict[str, Any]:
    """Return the published JSON Schema (2020-12) of the wire format, one branch for each event type."""
    kinds = list(EVENT_TYPES.values())
    _, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    branches = []
    for name, kind in EVENT_TYPES.items():
        flat = components[kind.__name__]
        content = {k: v for k, v in flat["properties"].items() if k not in _ENVELOPE}
        required = [k for k in flat["required"] if k not in _ENVELOPE and k != "observed_at"]
        components[kind.__name__] = {
            "type": "object",
            "title": kind.__name__,
            "description": flat.get("description", ""),
            "properties": content,
            "required": required,
        }
        branches.append(
            {
                "properties": {
                    "type": {"const": name},
                    "data": {"$ref": f"#/$defs/{kind.__name__}"},
                }
            }
        )
    text = {"type": "string", "minLength": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Call-queue event (CloudEvents 1.0, structured JSON)",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": {"enum": list(EVENT_TYPES)},
            "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"type": "string"},
            "sequence": {"type": "string"},
            "data": {"type": "object"},
        },
        "oneOf": branches,
        "$defs": components,
    }
