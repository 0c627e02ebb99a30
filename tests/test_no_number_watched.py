"""A caller's number in every field that a watched switch can send: none of them passes the gate."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.csta3.frames import Cutter, Frame, framed
from queue_monitor.app import registry
from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.events import Event, encode
from queue_monitor.ports import Connection, Delivery, Rejected
from queue_monitor.runtime.admission import Admission
from queue_monitor.runtime.journal_writer import PendingBatch
from queue_monitor.runtime.month_keys import MonthKeys
from tests.scenario import TEN, Scenario

RECORDINGS: Final = Path(__file__).parent / "recordings"
NUMBERS: Final = ("0701740605", "+46 70 174 06 05", "Anna ringer 0701740605 igen", "PJSIP/+46701740605-0000001a")
FOUND: Final = re.compile(r"70 ?174 ?06 ?05")
OF_THE_SWITCH: Final = re.compile(
    rb"(?:Event|Timestamp|Response|Message|Ping|ActionID|Queue|Name|MemberName|Penalty)$|.*id$"
)
"""Headers by which the switch names its calls, its queues and its agents; and a number that stays one."""


class Kept:
    """The way into a monitor, and the events that it has taken."""

    def __init__(self) -> None:
        self.live = Live(Scenario().rules)
        self.admission = Admission(self.live, ManualClock(TEN), MonthKeys(None), (), rebuilds=False)
        self.events: list[Event] = []

    def take(self, items: Iterable[Event | Rejected]) -> None:
        delivery = Delivery(items=tuple(items), received_at=TEN)
        admitted = self.admission.admit(delivery, PendingBatch([], TEN, delivery.ack, 0.0), TEN - timedelta(days=400))
        self.events += [item for item in admitted if isinstance(item, Event)]
        for item in delivery.items:
            if isinstance(item, Rejected):
                self.admission.reject(item)

    def numbers(self) -> list[str]:
        refused = map(repr, self.live.last_rejected)
        return [
            text[:400] for text in (*(encode(event).decode() for event in self.events), *refused) if FOUND.search(text)
        ]


def translator(kind: str, **settings: Any) -> Any:
    module = registry.adapter_module(kind)
    return module.Translator(Connection(source=f"urn:kc:{kind}:a", switch="pbx"), module.Settings(**settings))


@pytest.mark.parametrize("number", NUMBERS)
def test_no_header_of_the_manager_brings_a_number(number: str):
    kept, seen = Kept(), set[bytes]()
    for file in sorted((RECORDINGS / "asterisk").glob("*.ami")):
        data = file.read_bytes()
        names = {name for name in re.findall(rb"^([\w()-]+): ", data, re.M) if not OF_THE_SWITCH.match(name)}
        for name in sorted(names - seen):
            reader = translator("asterisk_ami", host="h", username="u", secret="s")
            changed = re.sub(rb"(?m)^(" + re.escape(name) + rb": )[^\r\n]*", rb"\g<1>" + number.encode(), data)
            kept.take(reader.feed(changed, TEN))
            kept.take(reader.close(TEN))
        seen |= names

    assert {b"CallerIDNum", b"ConnectedLineNum", b"Exten", b"PausedReason"} <= seen
    assert len(kept.events) > 500
    assert kept.numbers() == []


@pytest.mark.parametrize("number", NUMBERS)
def test_no_column_of_a_queue_log_brings_a_number(number: str):
    kept = Kept()
    lines = (RECORDINGS / "asterisk" / "queue_log").read_bytes().splitlines()
    for column in range(5, 12):
        reader = translator("asterisk_queuelog", path="queue_log")
        for line in lines:
            parts = [*line.split(b"|"), *[b""] * 8][:12]
            is_ring = parts[4] == b"CONNECT" and column == 6
            parts[column] = parts[column] if is_ring else number.encode()
            kept.take(reader.feed(b"|".join(parts) + b"\n", TEN))
        kept.take(reader.close(TEN))

    assert len(kept.events) > 100
    assert kept.numbers() == []


def frames(data: bytes, name: bytes, number: bytes) -> Iterator[bytes]:
    for piece, _ in registry.adapter_module("freeswitch").recorded_pieces(data):
        head, gap, body = piece.lstrip(b"\n").partition(b"\n\n")
        if b"text/event-plain" in head:
            body = re.sub(rb"(?m)^(" + re.escape(name) + rb": )[^\r\n]*", rb"\g<1>" + number, body)
            head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
        yield head + gap + body


@pytest.mark.parametrize("number", [number.replace(" ", "%20").replace("+", "%2B") for number in NUMBERS])
def test_no_header_of_the_event_socket_brings_a_number(number: str):
    ours = re.compile(rb"Content-.*|Event-.*|.*UUID|CC-(?:Action|Queue|Agent|Agent-Type)$|.*-Time$")
    kept, seen = Kept(), set[bytes]()
    for file in sorted((RECORDINGS / "freeswitch").glob("*.esl")):
        data = file.read_bytes()
        names = {name for name in re.findall(rb"^([\w-]+): ", data, re.M) if not ours.match(name)}
        for name in sorted(names - seen):
            reader = translator("freeswitch", host="h", password="p")
            for piece in frames(data, name, number.encode()):
                kept.take(reader.feed(piece, TEN))
            kept.take(reader.close(TEN))
        seen |= names

    assert {b"CC-Member-CID-Number", b"CC-Cause", b"CC-Hangup-Cause", b"CC-Agent-Status"} <= seen
    assert len(kept.events) > 500
    assert kept.numbers() == []


LEAF: Final = re.compile(rb"<(\w+)>(?:<(\w+)>)?([^<>]+)</")
OF_THE_EXCHANGE: Final = (b"callID", b"monitorCrossRefID", b"crossRefIdentifier")


@pytest.mark.parametrize("number", NUMBERS)
def test_no_element_of_a_csta_exchange_brings_a_number(number: str):
    kept, seen = Kept(), set[bytes]()
    for file in sorted((RECORDINGS / "csta3").glob("*.frame*")):
        frames_of_file = [found for found in Cutter().cut(file.read_bytes()) if isinstance(found, Frame)]
        cut = [(found.invoke, found.content) for found in frames_of_file]
        leaves = [leaf for _, xml in cut for leaf in LEAF.findall(xml)]
        names = {outer if not inner else outer + b"><" + inner for outer, inner, _ in leaves}
        for name in sorted(name for name in names if not name.endswith(OF_THE_EXCHANGE)):
            reader = translator("csta3", pilots={"7100": "kundcenter", "7200": "bygglov"}, agents={"2001": "ett"})
            for invoke, xml in cut:
                changed = re.sub(rb"<" + name + rb">[^<>]+</", rb"<" + name + rb">" + number.encode() + rb"</", xml)
                kept.take(reader.feed(framed(invoke, changed), TEN))
            kept.take(reader.close(TEN))
            seen.add(name)

    assert {b"callingDevice><deviceIdentifier", b"agentDevice><deviceIdentifier", b"deviceID", b"cause"} <= seen
    assert len(kept.events) > 100
    assert kept.numbers() == []


TELEPHONES: Final[dict[str, tuple[str, dict[str, str], bytes, bytes]]] = {
    "asterisk_ami": (
        "asterisk/*.ami",
        {"host": "h", "username": "u", "secret": "s"},
        b"Agent Ett",
        b"Local/0701740605@agents",
    ),
    "asterisk_queuelog": (
        "asterisk/queue_log",
        {"path": "queue_log"},
        "Handläggare 2".encode(),
        b"Local/0701740605@agents",
    ),
    "freeswitch": ("freeswitch/*.esl", {"host": "h", "password": "p"}, b"agent-ett", b"0701740605"),
}
"""By kind of switch: its recordings, the settings, an agent's name there, and a telephone in its place."""


@pytest.mark.parametrize("kind", TELEPHONES)
def test_an_agent_who_answers_at_a_telephone_of_his_own_stays_one_agent_without_its_number(kind: str):
    kept, (files, settings, name, own) = Kept(), TELEPHONES[kind]
    for file in sorted(RECORDINGS.glob(files)):
        reader, changed = translator(kind, **settings), file.read_bytes().replace(name, own)
        for piece in frames(changed, b"no such header", b"") if kind == "freeswitch" else [changed]:
            kept.take(reader.feed(piece, TEN))
        kept.take(reader.close(TEN))
    agents = {agent for event in kept.events if "nr-" in (agent := getattr(event, "agent_id", None) or "")}

    assert kept.numbers() == []
    assert len(agents) == 1
