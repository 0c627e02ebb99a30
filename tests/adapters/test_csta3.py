"""Callers in the queues of an exchange that speaks CSTA III: two frames from life, the rest after the standard."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, fromstring

import msgspec
import pytest

from adapters.csta3 import Settings, Translator, build, recorded_pieces, wire
from adapters.csta3.frames import EVENT, Cutter, Frame, framed
from adapters.csta3.messages import child, device, name, read, text, written
from adapters.csta3.wire import ALLOWED, CstaDialogue
from queue_monitor.clock import SystemClock
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import (
    AgentActivity,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallMoved,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    OutcomeBasis,
    QueueSnapshot,
    RefusalReason,
    RingResult,
    SourceConnected,
    TimeBasis,
    TransferKind,
    encode,
)
from queue_monitor.model import Outcome, Visit
from queue_monitor.ports import AdapterError, Connection, Delivery, Rejected
from queue_monitor.switch_session import Line, Place, SwitchAdapter
from tests.adapters.telling import Items, heard, only, rejections, story

CSTA = Path(__file__).parent.parent / "recordings" / "csta3"
RECORDINGS = sorted(CSTA.glob("*.frame*"))
REAL = [CSTA / "real-serviceinitiated.frame", CSTA / "real-originated.frame"]
CONNECTION = Connection(source="urn:kc:csta3:test", switch="kc", epoch="1")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUEUES = Settings(pilots={"7100": "kundcenter", "7200": "bygglov"}, agents={"2001": "ett", "2002": "tva"})
NAMESPACE = "http://www.ecma-international.org/standards/ecma-323/csta/ed4"
ANNA = "0701740640"
CALL = "FF00010000000000EC61AAAA7E570000"
LONG_CALL_ID = re.compile(r"FF[0-9A-F]{30}")


def translator(options: Settings = QUEUES) -> Translator:
    return Translator(CONNECTION, options)


def second_by_second(frames: Iterable[bytes], one: Translator | None = None) -> Items:
    """Each frame arrives a second after the one before."""
    pieces = [(frame, NOON + timedelta(seconds=at)) for at, frame in enumerate(frames)]
    return heard(one or translator(), pieces, closed=False)


def made(number: str) -> Items:
    content = next(CSTA.glob(f"made-{number}-*.frames")).read_bytes()
    return second_by_second(piece for piece, _ in recorded_pieces(content))


def visits(items: Items) -> list[Visit]:
    return sorted(ledger(items).visits(), key=lambda visit: (visit.entered_at or NOON, visit.visit_id))


def ledger(items: Items) -> Ledger:
    kept = Ledger()
    for item in items:
        if isinstance(item, Event):
            kept.apply(item)
    return kept


def lettered(lines: list[str]) -> list[str]:
    letters: dict[str, str] = {}
    return [
        LONG_CALL_ID.sub(lambda found: letters.setdefault(found[0], "ABCDEF"[len(letters)]), line).replace("kc:", "")
        for line in lines
    ]


# Messages after ECMA-323: a device's name by itself, a connection as (call, device)


Part = str | tuple[str, str]


def event(kind: str, monitor: str = "1001", /, **parts: Part) -> bytes:
    root = Element(kind, {"xmlns": NAMESPACE})
    SubElement(root, "monitorCrossRefID").text = monitor
    for tag, part in parts.items():
        element = SubElement(root, tag)
        if isinstance(part, tuple):
            SubElement(element, "callID").text, SubElement(element, "deviceID").text = part
        elif tag.endswith(("Device", "Destination", "queue")):
            SubElement(element, "deviceIdentifier").text = part
        else:
            element.text = part
    return framed(EVENT, written(root))


def arrives(at: str = "7100", call: str = CALL, monitor: str = "1001", **more: Part) -> bytes:
    return event(
        "DeliveredEvent", monitor, connection=(call, at), callingDevice=ANNA, cause="enteringDistribution", **more
    )


def queued(at: str = "7100", call: str = CALL, monitor: str = "1001", **more: Part) -> bytes:
    return event("QueuedEvent", monitor, queuedConnection=(call, at), queue=at, callingDevice=ANNA, **more)


def rings(at: str = "2001", call: str = CALL, monitor: str = "2001", **more: Part) -> bytes:
    return event("DeliveredEvent", monitor, connection=(call, at), alertingDevice=at, cause="newCall", **more)


def answers(at: str = "2001", call: str = CALL, monitor: str = "2001", **more: Part) -> bytes:
    return event("EstablishedEvent", monitor, establishedConnection=(call, at), answeringDevice=at, **more)


def diverted(at: str, to: str, cause: str, call: str = CALL, monitor: str = "1001") -> bytes:
    return event("DivertedEvent", monitor, connection=(call, at), divertingDevice=at, newDestination=to, cause=cause)


def cleared(dropped: str, by: str, cause: str = "normalClearing", call: str = CALL, monitor: str = "1001") -> bytes:
    return event("ConnectionClearedEvent", monitor, droppedConnection=(call, dropped), releasingDevice=by, cause=cause)


# The two frames from life


@pytest.mark.parametrize(
    ("file", "kind", "length"), [(REAL[0], "ServiceInitiatedEvent", 1003), (REAL[1], "OriginatedEvent", 1091)]
)
def test_a_real_frame_is_decoded(file: Path, kind: str, length: int) -> None:
    raw = file.read_bytes()

    (frame,) = Cutter().cut(raw)

    assert isinstance(frame, Frame) and len(raw) == length and frame.invoke == EVENT == 9999
    root = read(frame.content)
    assert isinstance(root, Element) and name(root) == kind and text(root, "monitorCrossRefID") == "1169730059"
    assert framed(frame.invoke, frame.content) == raw


def test_real_frames_cut_at_every_byte_are_the_same_two() -> None:
    raw = b"".join(file.read_bytes() for file in REAL)
    whole = list(Cutter().cut(raw))

    assert len(whole) == 2
    for at in range(len(raw) + 1):
        cutter = Cutter()
        assert [*cutter.cut(raw[:at]), *cutter.cut(raw[at:])] == whole


def test_an_agent_who_lifts_the_handset_is_no_caller() -> None:
    items = second_by_second(file.read_bytes() for file in REAL)

    assert [type(item) for item in items] == [SourceConnected]


# Whole calls, after the standard


def test_a_caller_is_queued_answered_and_the_agent_hangs_up() -> None:
    items = made("01")

    assert lettered(story(items)) == [
        "+0.0 A entered kundcenter at place None",
        "+3.0 A rings ett",
        "+5.0 A rang ett: answered 2000 ms",
        "+5.0 A answered in kundcenter by ett, said ? ms",
        "+7.0 A completed by agent, talk ? ms",
    ]
    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.talk_ms, visit.rings) == (Outcome.ANSWERED, 5000, 2000, 1)
    assert (visit.time_basis, visit.position) == (TimeBasis.MONITOR, 1)


def test_a_caller_who_hangs_up_in_the_queue_has_abandoned() -> None:
    (visit,) = visits(made("02"))

    assert (visit.outcome, visit.outcome_basis, visit.wait_ms) == (Outcome.ABANDONED, OutcomeBasis.STATED, 3000)
    assert [moved.position for moved in only(CallMoved, made("02"))] == [3, 2]


def test_a_phone_not_answered_passes_the_caller_on() -> None:
    items = made("03")

    ended = only(CallRingEnded, items)
    assert [(one.agent_id, one.result, one.ring_ms) for one in ended] == [
        ("kc:ett", RingResult.NO_ANSWER, 2000),
        ("kc:tva", RingResult.ANSWERED, 2000),
    ]
    (visit,) = visits(items)
    assert (visit.outcome, visit.agent_id, visit.ended_by) == (Outcome.ANSWERED, "kc:tva", EndedBy.CALLER)


def test_a_caller_overflows_to_the_other_queue_as_one_contact() -> None:
    first, second = visits(made("04"))

    assert (first.queue, first.outcome, first.next_queue) == ("kundcenter", Outcome.OVERFLOW, "bygglov")
    assert (second.queue, second.outcome, second.entry_reason) == ("bygglov", Outcome.ABANDONED, EntryReason.OVERFLOW)
    assert first.contact_id == second.contact_id


def test_a_transferred_call_keeps_its_contact_under_a_new_id() -> None:
    items = made("05")

    first, second = visits(items)
    assert (first.outcome, first.ended_by) == (Outcome.ANSWERED, EndedBy.TRANSFER)
    assert (second.queue, second.outcome, second.entry_reason) == ("bygglov", Outcome.ANSWERED, EntryReason.TRANSFER)
    assert second.contact_id == first.contact_id and second.prev_visit_id == first.visit_id
    (transfer,) = only(CallTransferred, items)
    assert (transfer.kind, transfer.to.queue, transfer.agent_id) == (TransferKind.BLIND, "bygglov", "kc:ett")


def test_agents_change_and_say_so_once() -> None:
    assert [(one.agent_id, one.state, one.reason) for one in only(AgentState, made("06"))] == [
        ("kc:ett", AgentActivity.PAUSED, None),
        ("kc:ett", AgentActivity.AVAILABLE, None),
        ("kc:ett", AgentActivity.BUSY, None),
        ("kc:ett", AgentActivity.WRAPUP, None),
        ("kc:ett", AgentActivity.PAUSED, "lunch"),
        ("kc:ett", AgentActivity.LOGGED_OUT, None),
    ]


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_nothing_of_the_person_is_told_and_nothing_twice(file: Path) -> None:
    items = second_by_second(piece for piece, _ in recorded_pieces(file.read_bytes()))

    for item in items:
        shown = encode(item) if isinstance(item, Event) else repr(item).encode()
        assert not re.search(rb"07017406|03139006|30211884", shown)
    assert max(Counter(item.id for item in items if isinstance(item, Event)).values()) == 1
    assert max(Counter(one.ring_id for one in only(CallRingEnded, items)).values(), default=1) == 1
    assert not rejections(items)


@pytest.mark.parametrize("number", ["01", "03", "05"])
def test_everything_told_once_more_by_another_device_is_told_once(number: str) -> None:
    content = next(CSTA.glob(f"made-{number}-*.frames")).read_bytes()
    pieces = [piece for piece, _ in recorded_pieces(content)]
    twice = [framed(EVENT, re.sub(rb"CrossRefID>\d", b"CrossRefID>9", piece[8:])) for piece in pieces]

    items = second_by_second(frame for pair in zip(pieces, twice, strict=True) for frame in pair)

    assert lettered([line.partition(" ")[2] for line in story(items, CallEntered, CallRinging, CallAnswered)]) == (
        lettered([line.partition(" ")[2] for line in story(made(number), CallEntered, CallRinging, CallAnswered)])
    )
    assert [visit.outcome for visit in visits(items)] == [visit.outcome for visit in visits(made(number))]


# Step by step


def test_an_arrival_and_its_queueing_are_one_visit() -> None:
    items = second_by_second([arrives(), queued(callsInFront="4", numberQueued="5"), queued(callsInFront="2")])

    assert len(only(CallEntered, items)) == 1
    assert [moved.position for moved in only(CallMoved, items)] == [5, 3]
    assert [visit.visit_id for visit in visits(items)] == [f"kc:{CALL}@7100"]


def test_an_exchange_that_only_says_queued_is_understood() -> None:
    (entered,) = only(CallEntered, second_by_second([queued(callsInFront="0", numberQueued="1")]))

    assert (entered.position, entered.depth_reported, entered.queue) == (1, 1, "kundcenter")
    assert entered.switch_time is None and entered.time_basis is TimeBasis.MONITOR


def test_a_real_switchs_way_of_writing_devices_is_read() -> None:
    dressed = "<x><deviceIdentifier>N&lt;3021061290002&gt;;noa=nk</deviceIdentifier></x>"

    for dressed_or_not, plain in (
        (f"<a>{dressed}</a>", "3021061290002"),
        ("<a><x><deviceIdentifier>tel:7100;phone-context=x</deviceIdentifier></x></a>", "7100"),
        ("<a><x><notKnown/></x></a>", ""),
        ("<a><x>7100</x></a>", "7100"),
        ("<a/>", ""),
    ):
        assert device(fromstring(dressed_or_not), "x") == plain


def test_the_linkage_id_of_the_switch_is_the_contact() -> None:
    content = queued()[8:].replace(
        b"</QueuedEvent>",
        b"<callLinkageData><globalCallData><globalCallLinkageID>L77</globalCallLinkageID></globalCallData>"
        b"</callLinkageData></QueuedEvent>",
    )

    (entered,) = only(CallEntered, second_by_second([framed(EVENT, content)]))

    assert entered.contact_id == "kc:L77"


@pytest.mark.parametrize(
    ("end", "outcome", "basis", "queue"),
    [
        (cleared(ANNA, ANNA), LeftOutcome.ABANDONED, OutcomeBasis.STATED, None),
        (cleared("7100", ANNA), LeftOutcome.ABANDONED, OutcomeBasis.STATED, None),
        (cleared(ANNA, ""), LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, None),
        (cleared("7100", ""), LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, None),
        (cleared("7100", "7100"), LeftOutcome.SYSTEM, OutcomeBasis.INFERRED, None),
        (event("CallClearedEvent", clearedCall=(CALL, "")), LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, None),
        (diverted("7100", "7200", "redirected"), LeftOutcome.OVERFLOW, OutcomeBasis.STATED, "bygglov"),
        (diverted("7100", "9000", "overflow"), LeftOutcome.OVERFLOW, OutcomeBasis.STATED, None),
        (diverted("7100", "9000", "redirected"), LeftOutcome.TRANSFERRED_OUT, OutcomeBasis.STATED, None),
        (diverted("7100", "9000", ""), LeftOutcome.TRANSFERRED_OUT, OutcomeBasis.INFERRED, None),
        (arrives("7200"), LeftOutcome.OVERFLOW, OutcomeBasis.INFERRED, "bygglov"),
        (
            event("FailedEvent", failedConnection=(CALL, "7100"), cause="resourcesNotAvailable"),
            LeftOutcome.SYSTEM,
            OutcomeBasis.INFERRED,
            None,
        ),
    ],
)
def test_how_a_caller_leaves_the_queue(
    end: bytes, outcome: LeftOutcome, basis: OutcomeBasis, queue: str | None
) -> None:
    items = second_by_second([arrives(), queued(), end])

    (left,) = only(CallLeft, items)
    assert (left.outcome, left.outcome_basis, left.next_queue) == (outcome, basis, queue)


@pytest.mark.parametrize(
    "on", [diverted("7100", "2001", "distributed"), diverted("7100", "2001", ""), diverted("7100", "", "distributed")]
)
def test_a_caller_sent_to_an_agent_still_waits(on: bytes) -> None:
    items = second_by_second([arrives(), on, cleared("7100", "7100")])

    assert [visit.outcome for visit in visits(items)] == [Outcome.WAITING]


@pytest.mark.parametrize(
    ("stop", "result"),
    [
        (diverted("2001", "7100", "callForwardNoAnswer"), RingResult.NO_ANSWER),
        (cleared("2001", "7100", "callNotAnswered"), RingResult.NO_ANSWER),
        (event("FailedEvent", failedConnection=(CALL, "2001"), cause="busy"), RingResult.BUSY),
        (diverted("2001", "7100", "doNotDisturb"), RingResult.REJECTED),
        (diverted("2001", "7100", "somethingElse"), RingResult.UNKNOWN),
        (cleared(ANNA, ANNA), RingResult.CANCELLED),
    ],
)
def test_how_a_ring_ends(stop: bytes, result: RingResult) -> None:
    (ended,) = only(CallRingEnded, second_by_second([arrives(), rings(), stop]))

    assert (ended.result, ended.ring_ms) == (result, 1000)


def test_a_phone_rings_again_and_that_is_another_ring() -> None:
    back = diverted("2001", "7100", "callForwardNoAnswer")

    items = second_by_second([arrives(), rings(), rings(monitor="1001"), back, queued(), rings(), answers()])

    assert [one.ring_id for one in only(CallRinging, items)] == [f"kc:{CALL}@7100/ett", f"kc:{CALL}@7100/ett.2"]
    assert [one.result for one in only(CallRingEnded, items)] == [RingResult.NO_ANSWER, RingResult.ANSWERED]
    assert len(only(CallEntered, items)) == 1


def test_a_caller_who_comes_back_under_the_same_id_is_another_visit() -> None:
    items = second_by_second([arrives(), diverted("7100", "9000", "overflow"), arrives(), arrives(monitor="2001")])

    assert [one.visit_id for one in only(CallEntered, items)] == [f"kc:{CALL}@7100", f"kc:{CALL}@7100.2"]


def test_a_short_call_number_is_used_again_and_is_another_visit() -> None:
    items = second_by_second([arrives(call="17"), cleared(ANNA, ANNA, call="17"), arrives(call="17")])

    milliseconds = int(NOON.timestamp() * 1000)
    assert [one.visit_id for one in only(CallEntered, items)] == [
        f"kc:17@7100@{milliseconds}",
        f"kc:17@7100@{milliseconds + 2000}",
    ]


def test_an_announcement_is_no_answer() -> None:
    items = second_by_second([arrives(), answers("8888"), answers("7100")])

    assert not only(CallAnswered, items)


def test_without_a_list_of_agents_whoever_answers_has_answered() -> None:
    one = translator(Settings(pilots={"7100": "kundcenter"}))

    (answered,) = only(CallAnswered, second_by_second([arrives(), rings("3003"), answers("3003")], one))

    assert answered.agent_id == "kc:3003"


def test_agents_may_be_a_plain_list() -> None:
    one = translator(Settings(pilots={"7100": "kundcenter"}, agents=["2001"]))

    assert only(CallAnswered, second_by_second([arrives(), answers()], one))[0].agent_id == "kc:2001"


def test_an_agents_own_call_is_no_queues() -> None:
    items = second_by_second([rings(callingDevice=ANNA, calledDevice="2001"), answers(), cleared("2001", "2001")])

    assert [type(item) for item in items] == [SourceConnected]


def test_a_call_answered_whose_waiting_nobody_saw_is_known_by_where_it_came_from() -> None:
    items = second_by_second([answers(lastRedirectionDevice="7100", callingDevice=ANNA), cleared("2001", "2001")])

    (visit,) = visits(items)
    assert (visit.queue, visit.outcome, visit.start_known, visit.wait_ms) == (
        "kundcenter",
        Outcome.ANSWERED,
        False,
        None,
    )


def test_who_hangs_up_after_the_talk() -> None:
    for by, who in (("2001", EndedBy.AGENT), (ANNA, EndedBy.CALLER), ("", EndedBy.UNKNOWN)):
        (completed,) = only(CallCompleted, second_by_second([arrives(), answers(), cleared("2001", by)]))
        assert completed.ended_by is who


def transferred(first: str, second: str, new: str, cause: str = "transfer") -> bytes:
    root = fromstring(event("TransferredEvent", primaryOldCall=(first, "2001"), cause=cause)[8:])
    if second:
        old = SubElement(root, "secondaryOldCall")
        SubElement(old, "callID").text = second
    item = SubElement(SubElement(root, "transferredConnections"), "connectionListItem")
    SubElement(SubElement(item, "newConnection"), "callID").text = new
    return framed(EVENT, written(root))


def test_an_agent_asks_the_other_queue_and_then_puts_the_caller_there() -> None:
    asks = arrives("7200", "C2").replace(ANNA.encode(), b"2001      ")

    items = second_by_second(
        [arrives(), answers(), asks, transferred(CALL, "C2", "C3"), rings("2002", "C3"), answers("2002", "C3")]
    )

    first, second = visits(items)
    assert (first.ended_by, second.outcome, second.agent_id) == (EndedBy.TRANSFER, Outcome.ANSWERED, "kc:tva")
    assert only(CallTransferred, items)[0].kind is TransferKind.ATTENDED


def at_times(*told: tuple[float, bytes]) -> Items:
    return heard(translator(), [(frame, NOON + timedelta(seconds=at)) for at, frame in told], closed=False)


def conferenced(first: str, second: str, new: str, *places: str) -> bytes:
    root = fromstring(event("ConferencedEvent", primaryOldCall=(first, "2001"), secondaryOldCall=(second, "2001"))[8:])
    listed = SubElement(root, "conferenceConnections")
    for place in places:
        its = SubElement(SubElement(listed, "connectionListItem"), "newConnection")
        SubElement(its, "callID").text, SubElement(its, "deviceID").text = new, place
    return framed(EVENT, written(root))


ASKS = arrives("7200", "C2").replace(ANNA.encode(), b"2001      ")
TALKS = (0.0, arrives()), (1.0, answers())


@pytest.mark.parametrize(
    ("told", "outcome", "wait_ms", "talk_ms"),
    [
        (
            (
                (30, ASKS),
                (35, transferred(CALL, "C2", "C3")),
                (40, answers("2002", "C3")),
                (60, cleared("2002", ANNA, call="C3")),
            ),
            Outcome.ANSWERED,
            10_000,
            20_000,
        ),
        (
            (
                (30, ASKS),
                (40, answers("2002", "C2")),
                (50, transferred(CALL, "C2", "C3")),
                (60, cleared("2002", ANNA, call="C3")),
            ),
            Outcome.ANSWERED,
            10_000,
            20_000,
        ),
        (
            ((30, ASKS), (35, transferred(CALL, "C2", "C3")), (40, cleared("7200", ANNA, call="C3"))),
            Outcome.ABANDONED,
            10_000,
            None,
        ),
        (((30, ASKS), (35, transferred(CALL, "C2", "C3"))), Outcome.WAITING, None, None),
    ],
)
def test_who_is_put_into_another_queue_by_an_agent_who_asked_there_is_one_person(
    told: tuple[tuple[float, bytes], ...], outcome: Outcome, wait_ms: int | None, talk_ms: int | None
) -> None:
    items = at_times(*TALKS, *told)
    (contact,) = ledger(items).contacts()
    _, second = visits(items)

    assert (contact.outcome, contact.wait_ms) == (Outcome.ANSWERED, 1_000)
    assert (second.outcome, second.wait_ms, second.talk_ms) == (outcome, wait_ms, talk_ms)


@pytest.mark.parametrize(
    "told",
    [
        ((30, ASKS), (40, cleared("7200", "2001", call="C2"))),
        ((30, ASKS), (35, answers("2002", "C2")), (40, cleared("2001", "2001", call="C2"))),
        ((30, event("FailedEvent", failedConnection=("C2", "7200"), callingDevice="2001", cause="busy")),),
    ],
    ids=["given up", "answered", "turned away"],
)
def test_an_agent_who_asks_in_another_queue_and_goes_back_to_the_caller_is_no_caller(
    told: tuple[tuple[float, bytes], ...],
) -> None:
    kept = ledger(at_times(*TALKS, *told, (60, cleared("2001", ANNA)), (70, arrives("7200", "C4"))))

    assert [contact.outcome for contact in kept.contacts()] == [Outcome.ANSWERED, Outcome.WAITING]
    assert not list(kept.refusals())


@pytest.mark.parametrize(("leaves", "stays"), [("2001", "2002"), ("2002", "2001")])
def test_a_talk_goes_on_while_one_agent_of_a_conference_is_left(leaves: str, stays: str) -> None:
    items = at_times(
        *TALKS,
        (10, conferenced(CALL, "C2", "C3", ANNA, "2001", "2002")),
        (20, cleared(leaves, leaves, call="C3")),
        (60, cleared(stays, ANNA, call="C3")),
    )

    (visit,) = visits(items)
    assert (visit.talk_ms, visit.ended_by, visit.agent_id) == (59_000, EndedBy.CALLER, "kc:ett")


@pytest.mark.parametrize("end", [cleared("7100", ANNA), event("CallClearedEvent", clearedCall=(CALL, ""))])
def test_what_is_said_once_more_of_a_call_that_has_hung_up_makes_nobody_wait(end: bytes) -> None:
    items = at_times((0, arrives()), (0, queued()), (9, end), (9.1, arrives()), (30, queued()))

    assert [(visit.outcome, visit.wait_ms) for visit in visits(items)] == [(Outcome.ABANDONED, 9_000)]


def test_an_arrival_that_is_told_just_after_the_answer_is_no_second_wait() -> None:
    late = at_times((0, arrives()), (5, answers()), (5.1, queued()), (25, cleared("2001", ANNA)))
    swapped = at_times(
        (5, answers(lastRedirectionDevice="7100", callingDevice=ANNA)), (5.1, arrives()), (25, cleared("2001", ANNA))
    )

    assert [(visit.outcome, visit.wait_ms, visit.talk_ms) for visit in visits(late)] == [
        (Outcome.ANSWERED, 5_000, 20_000)
    ]
    assert [(visit.outcome, visit.wait_ms, visit.start_known) for visit in visits(swapped)] == [
        (Outcome.ANSWERED, 0, True)
    ]


def test_a_caller_queued_under_the_new_id_before_the_transfer_is_told_is_not_lost() -> None:
    items = second_by_second(
        [arrives(), answers(), arrives("7200", "C3"), transferred(CALL, "", "C3"), answers("2002", "C3")]
    )

    assert [visit.outcome for visit in visits(items)] == [Outcome.ANSWERED, Outcome.ANSWERED]


def test_a_caller_turned_away_at_the_pilot_is_refused() -> None:
    turned_away = event("FailedEvent", failedConnection=(CALL, "7100"), callingDevice=ANNA, cause="busy")

    items = second_by_second([turned_away, turned_away])

    (refused,) = only(CallRefused, items)
    assert (refused.queue, refused.reason) == ("kundcenter", RefusalReason.FULL)


# Snapshots


def listing(*lines: tuple[str, str]) -> bytes:
    root = Element("SnapshotDeviceResponse", {"xmlns": NAMESPACE})
    content = SubElement(SubElement(root, "crossRefIDorSnapshotData"), "snapshotData")
    for call, state in lines:
        line = SubElement(content, "snapshotDeviceResponseInfo")
        place = SubElement(line, "connectionIdentifier")
        SubElement(place, "callID").text, SubElement(place, "deviceID").text = call, "7100"
        states = SubElement(SubElement(line, "localCallState"), "compoundCallState")
        SubElement(states, "localConnectionState").text = state
    return written(root)


def shot(one: Translator, *lines: tuple[str, str], after: int = 10) -> Items:
    at = NOON + timedelta(seconds=after)
    one.asked(7, "SnapshotDevice", "7100", at)
    return list(one.feed(framed(7, listing(*lines)), at))


def test_a_snapshot_shows_who_waits_and_nobody_else() -> None:
    one = translator()
    items = second_by_second([arrives()], one)

    items += shot(one, (CALL, "queued"), ("FF00010000000000EC61BBBB7E570000", "queued"), ("C9", "connected"))

    (snapshot,) = only(QueueSnapshot, items)
    assert [caller.visit_id for caller in snapshot.waiting] == [
        f"kc:{CALL}@7100",
        "kc:FF00010000000000EC61BBBB7E570000@7100",
    ]
    assert len(ledger(items).waiting()) == 2


AFTER_A_CUT = [
    (((60, answers()), (90, cleared("2001", ANNA))), Outcome.ANSWERED, 60_000, 30_000),
    (((60, answers(callingDevice=ANNA)), (90, cleared("2001", "2001"))), Outcome.ANSWERED, 60_000, 30_000),
    (((60, cleared(ANNA, ANNA)),), Outcome.ABANDONED, 60_000, None),
    (((60, cleared("7100", ANNA)),), Outcome.ABANDONED, 60_000, None),
    (((60, diverted("7100", "7200", "overflow")),), Outcome.OVERFLOW, 60_000, None),
    (((60, diverted("7100", "9000", "redirected")),), Outcome.TRANSFERRED_OUT, 60_000, None),
]


@pytest.mark.parametrize("call", [CALL, "17"])
@pytest.mark.parametrize(("told", "outcome", "wait_ms", "talk_ms"), AFTER_A_CUT)
def test_a_caller_who_is_listed_after_a_cut_is_followed_to_the_end(
    call: str, told: tuple[tuple[float, bytes], ...], outcome: Outcome, wait_ms: int, talk_ms: int | None
) -> None:
    before = second_by_second([arrives(call=call), queued(call=call)])
    again = Translator(Connection(source=CONNECTION.source, switch="kc", epoch="2"), QUEUES)
    after = shot(again, (call, "queued"))
    for at, frame in told:
        own = framed(EVENT, frame[8:].replace(CALL.encode(), call.encode()))
        after += again.feed(own, NOON + timedelta(seconds=at))

    (visit,) = visits(before + after)
    assert (visit.outcome, visit.wait_ms, visit.talk_ms) == (outcome, wait_ms, talk_ms)


def test_a_caller_listed_just_before_the_arrival_is_told_was_seen_entering() -> None:
    one = translator()
    items = shot(one, (CALL, "queued")) + list(one.feed(arrives(), NOON + timedelta(seconds=10.4)))
    items += one.feed(queued(callsInFront="1"), NOON + timedelta(seconds=10.5))
    items += one.feed(cleared("7100", ANNA), NOON + timedelta(seconds=30.4))

    (visit,) = visits(items)
    assert (visit.outcome, visit.start_known, visit.wait_ms) == (Outcome.ABANDONED, True, 20_000)


def test_a_caller_whose_end_was_missed_is_gone_by_the_snapshot() -> None:
    one = translator()
    items = second_by_second([arrives()], one) + shot(one)

    assert [visit.outcome for visit in visits(items)] == [Outcome.UNKNOWN]
    assert one.remembered == 0


def test_a_caller_at_an_agents_phone_waits_although_the_queues_device_is_empty() -> None:
    one = translator()
    items = second_by_second([arrives(), diverted("7100", "2001", "distributed"), rings()], one) + shot(one)
    assert len(ledger(items).waiting()) == 1

    items += shot(one, after=600)
    assert not ledger(items).waiting()


@pytest.mark.parametrize("call", [CALL, "17"])
@pytest.mark.parametrize("arrival", ["queued", "arrives"])
def test_a_caller_who_comes_back_from_a_phone_after_a_lost_connection_has_waited_since_the_beginning(
    call: str, arrival: str
) -> None:
    """The first list does not show a caller at an agent's phone; nobody answers there."""
    before = second_by_second([arrives(call=call), queued(call=call), diverted("7100", "2001", "distributed", call)])
    again = Translator(Connection(source=CONNECTION.source, switch="kc", epoch="2"), QUEUES)
    after = shot(again)
    back = queued(call=call) if arrival == "queued" else arrives(call=call)
    told = [(20, diverted("2001", "7100", "callForwardNoAnswer", call)), (20.1, back), (20.2, queued(call=call))]
    for at, frame in [*told, (60, answers(call=call)), (90, cleared("2001", ANNA, call=call))]:
        after += again.feed(frame, NOON + timedelta(seconds=at))

    (visit,) = visits(before + after)
    assert (visit.outcome, visit.wait_ms, visit.talk_ms) == (Outcome.ANSWERED, 60_000, 30_000)


def test_a_real_empty_snapshot_is_read() -> None:
    one = translator()
    one.asked(7, "SnapshotDevice", "7100", NOON)
    empty = (
        b'<?xml version="1.0" encoding="UTF-8"?><SnapshotDeviceResponse xmlns="%b"><crossRefIDorSnapshotData>'
        b"<snapshotData/></crossRefIDorSnapshotData></SnapshotDeviceResponse>"
    ) % NAMESPACE.encode()

    (snapshot,) = only(QueueSnapshot, list(one.feed(framed(7, empty), NOON)))

    assert snapshot.queue == "kundcenter" and snapshot.waiting == () and snapshot.complete


def test_a_snapshot_promised_in_pieces_is_counted_and_empties_no_queue() -> None:
    one = translator()
    one.asked(7, "SnapshotDevice", "7100", NOON)
    promise = (
        b"<SnapshotDeviceResponse><crossRefIDorSnapshotData><snapshotCrossRefIdentifier>1</snapshotCrossRefIdentifier>"
    )
    promise += b"</crossRefIDorSnapshotData></SnapshotDeviceResponse>"

    assert rejections(list(one.feed(framed(7, promise), NOON))) == [("snapshot_in_pieces", "")]


# What makes no sense


DOCTYPE = b'<!DOCTYPE a [<!ENTITY b "c">]>'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "not_a_frame"),
        (framed(9999, b"<QueuedEvent>"), "bad_xml"),
        (framed(9999, b"\x00"), "bad_xml"),
        (framed(9999, DOCTYPE + b"<QueuedEvent/>"), "forbidden_xml"),
        (framed(9999, b"<?xml version='1.0'?>" + DOCTYPE.lower() + b"<QueuedEvent/>"), "forbidden_xml"),
        (framed(9999, b"<QueuedEvent/>"), "missing_field"),
        (framed(9999, b"<AgentReadyEvent/>"), "missing_field"),
        (framed(9999, b"<MakeCall/>"), "unknown_message"),
        (framed(5, b"<SnapshotDeviceResponse/>"), "unknown_answer"),
        (framed(5, b"<CSTAErrorCode/>"), "request_refused"),
        (b"\x00\x00\x01\x009999<a", "cut_short"),
        (b"\x00\x00\x00\x049999", "not_a_frame"),
    ],
)
def test_what_cannot_be_understood_is_counted(raw: bytes, reason: str) -> None:
    one = translator()

    items = [*one.feed(raw, NOON), *one.close(NOON)]

    assert reason in [found for found, _ in rejections(items)]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (b"<QueuedEvent/>", "queuedConnection.callID"),
        (b"<DeliveredEvent><connection><callID>1</callID></connection></DeliveredEvent>", "connection.deviceID"),
        (b"<ConnectionClearedEvent/>", "droppedConnection.callID"),
        (b"<CallClearedEvent/>", "clearedCall.callID"),
        (b"<TransferredEvent/>", "primaryOldCall.callID"),
        (b"<ConferencedEvent/>", "primaryOldCall.callID"),
        (b"<AgentReadyEvent/>", "agentDevice"),
    ],
)
def test_a_message_that_lacks_something_is_refused_by_what_it_lacks(message: bytes, field: str) -> None:
    refused = [item for item in translator().feed(framed(9999, message), NOON) if isinstance(item, Rejected)]

    assert [(one.reason, one.field, one.kind) for one in refused] == [("missing_field", field, "nothing")]


def test_no_encoding_hides_a_document_type() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        content = f'<?xml version="1.0" encoding="{encoding}"?>{DOCTYPE.decode()}<QueuedEvent/>'.encode(encoding)
        assert isinstance(read(content), str)


def test_swedish_letters_in_an_old_encoding_are_read() -> None:
    root = read('<?xml version="1.0" encoding="ISO-8859-1"?><a><b>Växel</b></a>'.encode("latin-1"))

    assert isinstance(root, Element) and text(child(root, "b")) == "Växel"


def test_every_edition_and_every_prefix_is_read() -> None:
    for edition in ("ed2", "ed3", "ed5"):
        content = queued()[8:].replace(b"/ed4", b"/" + edition.encode())
        content = re.sub(rb"<(/?)(\w)", rb"<\1ns3:\2", content.partition(b"?>")[2]).replace(b"xmlns=", b"xmlns:ns3=")
        assert len(only(CallEntered, second_by_second([framed(EVENT, content)]))) == 1


def test_after_garbage_the_next_frame_is_found() -> None:
    one = translator()
    items = [item for _ in range(50) for item in one.feed(b"\x00\xff" * 5000, NOON)]
    items += one.feed(b"\x00" + arrives(), NOON)

    assert [reason for reason, _ in rejections(items)] == ["not_a_frame"]
    assert len(only(CallEntered, items)) == 1 and len(one._cutter._rest) < 10


def test_ten_thousand_spoilt_messages_stop_nothing_and_are_counted() -> None:
    dice = random.Random(323)
    frames = [piece for file in RECORDINGS for piece, _ in recorded_pieces(file.read_bytes())]
    frames += [framed(7, listing((CALL, "queued"))), transferred(CALL, "C2", "C3"), framed(7, b"<CSTAErrorCode/>")]
    one, counted, now = translator(), Counter[str](), NOON
    for _ in range(10_000):
        now += timedelta(seconds=1)
        one.asked(7, dice.choice(["SnapshotDevice", "MonitorStart"]), dice.choice(["7100", "2001"]), now)
        items: Items = [*one.feed(spoilt(dice.choice(frames), dice), now), *one.flush(now)]
        if dice.random() < 0.05:
            items += one.close(now)
            one = translator()
        counted.update(item.reason if isinstance(item, Rejected) else "understood" for item in items)

    assert counted["understood"] > 1000
    assert {"not_a_frame", "bad_xml", "missing_field", "request_refused", "cut_short"} <= {*counted}


def test_whatever_is_told_nobody_waits_when_every_call_is_cleared_and_every_ring_ends_once() -> None:
    for seed in range(200):
        dice, one = random.Random(seed), translator()
        calls = [CALL, "C2", "C3"]
        frames = []
        for _ in range(dice.randrange(1, 25)):
            call, monitor = dice.choice(calls), dice.choice(["1001", "2001"])
            pilot, agent = dice.choice(["7100", "7200"]), dice.choice(["2001", "2002"])
            cause = dice.choice(["", "overflow", "distributed", "callForwardNoAnswer", "normalClearing"])
            frames.append(
                dice.choice(
                    [
                        arrives(pilot, call, monitor),
                        queued(pilot, call, monitor),
                        rings(agent, call, monitor, lastRedirectionDevice=pilot),
                        answers(agent, call, monitor, lastRedirectionDevice=pilot),
                        diverted(pilot, dice.choice(["7200", agent, "9000"]), cause, call, monitor),
                        diverted(agent, dice.choice(["7100", "2002"]), cause, call, monitor),
                        cleared(dice.choice([pilot, agent, ANNA]), dice.choice([agent, ANNA, ""]), cause, call),
                        transferred(call, dice.choice(["", *calls]), dice.choice(calls)),
                    ]
                )
            )
        frames += [event("CallClearedEvent", clearedCall=(call, "")) for call in calls]

        items = second_by_second(frames, one)

        ended = Counter(ring.ring_id for ring in only(CallRingEnded, items))
        assert not ledger(items).waiting(), seed
        assert {ring.ring_id for ring in only(CallRinging, items)} <= {*ended}, seed
        assert max(ended.values(), default=1) == 1, seed
        assert max(Counter(item.id for item in items if isinstance(item, Event)).values()) == 1, seed


def spoilt(frame: bytes, dice: random.Random) -> bytes:
    """A frame with a few bytes or elements changed; its length now and then put right again."""
    content = bytearray(frame[8:])
    for _ in range(dice.choice([0, 0, 1, 1, 3])):
        at = dice.randrange(max(1, len(content)))
        match dice.randrange(5):
            case 0:
                content[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del content[at : at + dice.randrange(1, 40)]
            case 2:
                content = bytearray(re.sub(rb"<(\w+)>[^<]*</\1>", b"", bytes(content), count=dice.randrange(1, 3)))
            case 3:
                content[at:at] = dice.choice([DOCTYPE, b"&lt;", b"\x00", b"<a>", "\N{SNOWMAN}".encode(), b"9" * 30])
            case _:
                content = bytearray(bytes(content).replace(b"Event", dice.choice([b"event", b"Response", b"Code"])))
    head = frame[:8] if dice.random() < 0.1 else framed(int(frame[4:8]), bytes(content))[:8]
    return head + bytes(content)


# The wire, against an exchange of our own


Script = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """The other end of one connection: reads requests, and answers as a patient exchange would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[Element]) -> None:
        self._reader = reader
        self._writer = writer
        self.requests = requests

    async def request(self) -> tuple[int, Element]:
        head = await self._reader.readexactly(8)
        assert head[:2] == b"\x00\x00" and head[4:].isdigit()
        root = fromstring(await self._reader.readexactly(int.from_bytes(head[2:4], "big") - 8))
        self.requests.append(root)
        return int(head[4:]), root

    def say(self, raw: bytes) -> None:
        self._writer.write(raw)

    def answer(self, invoke: int, kind: str, **parts: str) -> None:
        root = Element(kind, {"xmlns": NAMESPACE})
        for tag, content in parts.items():
            SubElement(root, tag).text = content
        self.say(framed(invoke, written(root)))

    async def oblige(self) -> Element:
        """Answer one request as asked; gives it."""
        invoke, root = await self.request()
        match name(root):
            case "StartApplicationSession":
                self.answer(invoke, "StartApplicationSessionPosResponse", sessionID="s1", actualSessionDuration="600")
            case "ResetApplicationSessionTimer":
                self.answer(invoke, "ResetApplicationSessionTimerPosResponse", actualSessionDuration="600")
            case "MonitorStart":
                self.answer(invoke, "MonitorStartResponse", monitorCrossRefID="1")
            case "SnapshotDevice":
                self.say(framed(invoke, listing()))
            case "RequestSystemStatus":
                self.answer(invoke, "RequestSystemStatusResponse", systemStatus="normal")
            case _:
                pass
        return root

    async def oblige_until(self, kind: str, times: int = 1) -> None:
        while [name(root) for root in self.requests].count(kind) < times:
            await self.oblige()

    async def finish(self) -> None:
        await self._writer.drain()
        self._writer.write_eof()
        await self._reader.read()


@asynccontextmanager
async def exchange(script: Script, requests: list[Element] | None = None) -> AsyncIterator[int]:
    """An exchange that plays the script to whoever connects; gives its port."""
    failed: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Exchange(reader, writer, [] if requests is None else requests))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except AssertionError as error:
            failed.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    if failed:
        raise failed[0]


def adapter(port: int, **options: object) -> SwitchAdapter:
    asked = {"pilots": QUEUES.pilots, "agents": QUEUES.agents, **options}
    built = build("csta", "kc", Settings(port=port, **asked), SystemClock())  # type: ignore[arg-type]
    assert isinstance(built, SwitchAdapter)
    return built


async def listen(to: SwitchAdapter, trouble: str = "closed the connection") -> Items:
    items: Items = []
    with pytest.raises(AdapterError, match=trouble):
        async with to.connect() as deliveries:
            async for delivery in deliveries:
                assert isinstance(delivery, Delivery)
                items += delivery.items
    return items


async def test_a_session_is_started_devices_are_monitored_and_asked_who_waits() -> None:
    requests: list[Element] = []

    async def script(other: Exchange) -> None:
        await other.oblige_until("SnapshotDevice", 2)
        other.say(b"".join(file.read_bytes() for file in REAL))
        other.say(next(CSTA.glob("made-01-*")).read_bytes())
        await other.finish()

    async with exchange(script, requests) as port:
        items = await listen(adapter(port))

    kinds = [name(root) for root in requests]
    assert kinds[:7] == [
        "StartApplicationSession",
        *["MonitorStart"] * 4,
        "RequestSystemStatus" if kinds[5] == "RequestSystemStatus" else "SnapshotDevice",
        "SnapshotDevice",
    ]
    monitored = [text(root, "monitorObject", "deviceObject") for root in requests if name(root) == "MonitorStart"]
    assert monitored == ["7100", "7200", "2001", "2002"]
    assert text(requests[0], "requestedProtocolVersions", "protocolVersion") == NAMESPACE
    assert text(requests[0], "requestedSessionDuration") == "600"
    assert [one.queue for one in only(QueueSnapshot, items)] == ["kundcenter", "bygglov"]
    assert [type(item) for item in items if isinstance(item, CallEntered | CallAnswered | CallCompleted)] == [
        CallEntered,
        CallAnswered,
        CallCompleted,
    ]
    assert len(only(SourceConnected, items)) == 1


async def test_what_is_told_before_all_monitors_stand_is_heard() -> None:
    async def script(other: Exchange) -> None:
        await other.oblige()
        await other.oblige()
        other.say(arrives())
        await other.oblige_until("SnapshotDevice")
        await other.finish()

    async with exchange(script) as port:
        items = await listen(adapter(port))

    assert len(only(CallEntered, items)) == 1


async def test_the_session_is_prolonged_at_half_its_time_as_granted() -> None:
    requests: list[Element] = []

    async def script(other: Exchange) -> None:
        invoke, _ = await other.request()
        other.answer(invoke, "StartApplicationSessionPosResponse", sessionID="s9", actualSessionDuration="2")
        await other.oblige_until("ResetApplicationSessionTimer", 1)

    async with exchange(script, requests) as port:
        await listen(adapter(port, heartbeat_seconds=0.2))

    (reset,) = [root for root in requests if name(root) == "ResetApplicationSessionTimer"]
    assert text(reset, "sessionID") == "s9" and text(reset, "requestedSessionDuration") == "600"


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (framed(5, b"<ApplicationSessionTerminated/>"), "ended the session"),
        (framed(5, b"<MonitorStop/>"), "stopped a monitor"),
        (framed(5, b"<ResetApplicationSessionTimerNegResponse/>"), "would not prolong the session"),
    ],
)
async def test_an_exchange_that_ends_it_is_connected_to_anew(said: bytes, trouble: str) -> None:
    async def script(other: Exchange) -> None:
        await other.oblige_until("SnapshotDevice")
        other.say(said)
        await other.finish()

    async with exchange(script) as port:
        await listen(adapter(port), trouble)


async def test_an_exchange_that_asks_how_we_are_is_answered() -> None:
    requests: list[Element] = []

    async def script(other: Exchange) -> None:
        await other.oblige_until("SnapshotDevice")
        other.say(framed(4711, b"<SystemStatus><systemStatus>normal</systemStatus></SystemStatus>"))
        while True:
            invoke, root = await other.request()
            if name(root) == "SystemStatusResponse":
                assert invoke == 4711
                return

    async with exchange(script, requests) as port:
        await listen(adapter(port))

    assert "SystemStatusResponse" in [name(root) for root in requests]


async def test_an_exchange_that_has_gone_silent_is_dead() -> None:
    async def script(other: Exchange) -> None:
        for _ in range(5):
            await other.oblige()
        while True:
            await other.request()

    async with exchange(script) as port:
        await listen(adapter(port, heartbeat_seconds=0.1), "has not answered 2 requests")


@pytest.mark.parametrize(("why", "permanent"), [("invalidDeviceID", True), ("resourceBusy", False)])
async def test_a_device_that_cannot_be_monitored_is_named(why: str, permanent: bool) -> None:
    async def script(other: Exchange) -> None:
        await other.oblige()
        invoke, _ = await other.request()
        other.answer(invoke, "CSTAErrorCode", operation=why)
        await other.request()

    async with exchange(script) as port:
        with pytest.raises(AdapterError, match=f"cannot monitor the device 7100: {why}") as refused:
            async with adapter(port).connect():
                pass

    assert refused.value.permanent is permanent


async def test_a_refused_session_says_why_and_the_password_goes_with_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KC_CSTA_PASSWORD", "sesam")
    requests: list[Element] = []

    async def script(other: Exchange) -> None:
        invoke, _ = await other.request()
        other.answer(invoke, "StartApplicationSessionNegResponse", errCode="invalidApplicationInfo")
        await other.request()

    async with exchange(script, requests) as port:
        with pytest.raises(AdapterError, match="refused the session: invalidApplicationInfo") as refused:
            async with adapter(port, username="monitor", password_env="KC_CSTA_PASSWORD").connect():
                pass
        with pytest.raises(AdapterError, match="KC_NOWHERE is not set"):
            async with adapter(port, password_env="KC_NOWHERE").connect():
                pass

    assert refused.value.permanent
    assert text(requests[0], "applicationInfo", "applicationSpecificInfo", "password") == "sesam"


async def test_an_exchange_without_sessions_is_monitored_at_once() -> None:
    requests: list[Element] = []

    async def script(other: Exchange) -> None:
        await other.oblige_until("SnapshotDevice")

    async with exchange(script, requests) as port:
        await listen(adapter(port, session_seconds=0))

    assert name(requests[0]) == "MonitorStart"


async def test_a_server_that_is_none_and_a_link_without_queues_are_permanent() -> None:
    async def script(other: Exchange) -> None:
        other.say(b"220 mail.example.com ESMTP ready\r\n")
        await other.request()

    async with exchange(script) as port:
        with pytest.raises(AdapterError, match="speaks no CSTA III") as odd:
            async with adapter(port).connect():
                pass
        with pytest.raises(AdapterError, match="no queue is named") as empty:
            async with adapter(port, pilots={}).connect():
                pass

    assert odd.value.permanent and empty.value.permanent


async def test_an_exchange_that_is_down_silent_or_closes_may_come_back() -> None:
    async def closes(other: Exchange) -> None:
        await other.request()

    async def is_silent(other: Exchange) -> None:
        await other.request()
        await other.request()

    async with exchange(closes) as port:
        with pytest.raises(AdapterError, match="closed the connection at the beginning"):
            async with adapter(port).connect():
                pass
    with pytest.raises(AdapterError, match="cannot be reached") as down:
        async with adapter(port).connect():
            pass
    async with exchange(is_silent) as port:
        with pytest.raises(AdapterError, match=r"did not answer in 0\.1 s"):
            async with adapter(port, connect_seconds=0.1).connect():
                pass

    assert not down.value.permanent


def nowhere() -> Line:
    """A line that leads to no switch."""
    return Line(Place(name="nobody", host="127.0.0.1", port=1), SystemClock())


def test_a_pilot_without_the_name_of_a_queue_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"pilots": {"7100": " "}}, Settings)


def test_nothing_but_the_harmless_requests_can_be_sent() -> None:
    session = CstaDialogue(nowhere(), QUEUES, SystemClock(), translator())

    for forbidden in ("ClearConnection", "DivertCall", "DeflectCall", "MakeCall", "SetAgentState", "MonitorStop", "x"):
        with pytest.raises(ValueError, match="never sends"):
            session.send(Element(forbidden))
    for allowed in sorted(ALLOWED):
        session.send(Element(allowed))


def test_a_name_in_the_settings_cannot_smuggle_in_another_request() -> None:
    root = session_request("7100</deviceObject></monitorObject></MonitorStart><MakeCall/>")

    assert [name(one) for one in fromstring(root).iter()] == ["MonitorStart", "monitorObject", "deviceObject"]


def session_request(place: str) -> bytes:
    session = CstaDialogue(nowhere(), QUEUES, SystemClock(), translator())
    return written(session._request("MonitorStart", monitorObject__deviceObject=place))


def test_only_one_line_of_the_adapter_can_write_to_the_socket() -> None:
    source = Path(wire.__file__).read_text(encoding="utf-8")

    assert source.count(".write(") == 1
    assert "writelines" not in source and "sendall" not in source
