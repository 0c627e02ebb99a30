"""Tells a recording's events in one line each, so that a test can show the whole story of its callers."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from queue_monitor.events import (
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    Event,
    QueueSnapshot,
    short_type,
)
from queue_monitor.ports import Rejected, Translator

ASTERISK = Path(__file__).parent.parent / "recordings" / "asterisk"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
Kind = TypeVar("Kind", bound=Event)
Items = list[Event | Rejected]
CALLS = (
    *(CallEntered, CallRinging, CallRingEnded, CallAnswered, CallLeft),
    *(CallRefused, CallTransferred, CallCompleted),
)
Pieces = Iterable[tuple[bytes, datetime | None]]


def whole(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def indexed(name: str) -> Iterator[tuple[bytes, datetime]]:
    """A recording in the pieces in which it arrived."""
    recording = whole(ASTERISK / f"{name}.raw.gz")
    index = whole(ASTERISK / f"{name}.index.csv.gz").decode()
    for row in csv.DictReader(index.splitlines()):
        start, length = int(row["offset"]), int(row["length"])
        yield recording[start : start + length], datetime.fromtimestamp(float(row["recv_epoch"]), UTC)


def heard(translator: Translator, pieces: Pieces, *, closed: bool = True) -> Items:
    """Everything a translator makes of these pieces; a piece without a time arrives with the one before it."""
    items: Items = []
    now = LONG_AGO
    for piece, at in pieces:
        now = max(now, at) if at else now
        items += translator.feed(piece, now)
    if closed:
        items += translator.close(now)
    return items


def only(kind: type[Kind], items: Items) -> list[Kind]:
    return [item for item in items if isinstance(item, kind)]


def story(items: Items, *kinds: type[Event]) -> list[str]:
    """`+seconds leg what`: the seconds are by the switch's clock, from the first line."""
    wanted = kinds or CALLS
    told = [item for item in items if isinstance(item, wanted)]
    return [f"+{(item.at - told[0].at).total_seconds():.1f} {_line(item)}" for item in told]


def rejections(items: Items) -> list[tuple[str, str]]:
    return [(item.reason, item.detail) for item in items if isinstance(item, Rejected)]


def _tail(native: str) -> str:
    """`kc:kc-lab-1795433832.18@1795433832267` → `18`: legs of one recording differ in the number after the dot."""
    return native.partition("@")[0].rpartition(".")[2]


def _ms(milliseconds: int | None) -> str:
    return "?" if milliseconds is None else str(milliseconds)


def _agent(agent_id: str | None) -> str:
    return (agent_id or "nobody").partition(":")[2]


def _line(event: Event) -> str:
    match event:
        case CallEntered():
            return f"{_tail(event.visit_id)} entered {event.queue} at place {event.position}"
        case CallRinging():
            return f"{_tail(event.visit_id)} rings {_agent(event.agent_id)}"
        case CallRingEnded():
            derived = " (derived)" if event.time_basis == "derived" else ""
            who = _agent(event.agent_id)
            return f"{_tail(event.visit_id)} rang {who}: {event.result} {_ms(event.ring_ms)} ms{derived}"
        case CallAnswered():
            who = _agent(event.agent_id)
            return f"{_tail(event.visit_id)} answered in {event.queue} by {who}, said {_ms(event.wait_ms_reported)} ms"
        case CallLeft():
            key = f" {event.key}" if event.key else ""
            how = f"{event.outcome}{key} ({event.outcome_basis})"
            return f"{_tail(event.visit_id)} left {event.queue}: {how}, said {_ms(event.wait_ms_reported)} ms"
        case CallRefused():
            return f"{_tail(event.leg_id)} refused by {event.queue}: {event.reason}"
        case CallTransferred():
            return f"{_tail(event.visit_id)} transferred {event.kind} by {_agent(event.agent_id)}"
        case CallCompleted():
            return f"{_tail(event.visit_id)} completed by {event.ended_by}, talk {_ms(event.talk_ms_reported)} ms"
        case AgentState():
            why = f" {event.reason}" if event.reason else ""
            return f"{_agent(event.agent_id)} is {event.state}{why} in {event.queues}"
        case AgentMember():
            return f"{_agent(event.agent_id)} {event.action} {event.queue} level {event.level}"
        case QueueSnapshot():
            waiting = ", ".join(f"{_tail(one.leg_id)} {_ms(one.waited_ms)} ms" for one in event.waiting)
            return f"{event.queue} waits: {waiting}"
        case _:
            return short_type(event)
