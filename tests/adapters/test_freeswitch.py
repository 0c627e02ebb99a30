"""Callers in FreeSWITCH's mod_callcenter, as its event socket tells of them."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from adapters.freeswitch import Settings, Translator, build, recorded_pieces, wire
from adapters.freeswitch.frames import MAX_BODY, MAX_HEADERS
from adapters.freeswitch.translator import MEMBERS_OF, QUEUES
from adapters.freeswitch.wire import EslDialogue
from queue_monitor.clock import SystemClock
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    MemberAction,
    OutcomeBasis,
    QueueSnapshot,
    RingResult,
    SourceClock,
    SourceConnected,
    SourceRestarted,
    TimeBasis,
    TransferKind,
    encode,
)
from queue_monitor.model import Outcome, Visit
from queue_monitor.ports import AdapterError, Connection, Delivery, Rejected
from queue_monitor.switch_session import Line, Place, SwitchAdapter
from tests.adapters.telling import LONG_AGO, Items, heard, only, rejections, story

FREESWITCH = Path(__file__).parent.parent / "recordings" / "freeswitch"
RECORDINGS = sorted(FREESWITCH.glob("*.esl"))
CONNECTION = Connection(source="urn:kc:freeswitch:test", switch="kc", epoch="1")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
VISIT = re.compile(r"kc:[0-9a-f]{8}-[0-9a-f-]{27}(?:/[0-9a-f-]{36})?")


def translator(options: Settings | None = None) -> Translator:
    return Translator(CONNECTION, options or Settings())


def recording(number: str) -> bytes:
    return next(FREESWITCH.glob(f"{number}-*.esl")).read_bytes()


def sample(*numbers: str) -> Items:
    """Recordings of one switch, each a connection of its own."""
    return [item for number in numbers for item in heard(translator(), recorded_pieces(recording(number)))]


def lettered(lines: list[str]) -> list[str]:
    """The visits by letters, in the order in which they appear."""
    letters: dict[str, str] = {}
    return [VISIT.sub(lambda found: letters.setdefault(found[0], "ABCDEFGH"[len(letters)]), line) for line in lines]


def ledger(items: Items) -> Ledger:
    kept, seen = Ledger(), set()
    for item in items:
        if isinstance(item, Event) and item.id not in seen:
            seen.add(item.id)
            kept.apply(item)
    return kept


def visits(items: Items) -> list[Visit]:
    return sorted(ledger(items).visits(), key=lambda visit: (visit.entered_at or LONG_AGO, visit.visit_id))


STATUS = next(piece for piece, _ in recorded_pieces(recording("12")) if b"api/response" in piece)


def told(action: str, at: float = 0.0, core: str = "core-1", /, **fields: str) -> bytes:
    """An event of the member m1, session s1, in kundcenter; an empty field is left out."""
    moment = int((NOON.timestamp() + at) * 1_000_000)
    names = {
        "Event-Name": "CUSTOM",
        "Event-Subclass": "callcenter::info",
        "Core-UUID": core,
        "Event-Date-Timestamp": str(moment),
        "CC-Queue": "kundcenter@lab",
        "CC-Action": action,
        "CC-Member-UUID": "m1",
        "CC-Member-Session-UUID": "s1",
        "CC-Member-CID-Name": "Test",
        "CC-Member-CID-Number": "0701740605",
        **{name.replace("_", "-") if not name.startswith("variable") else name: text for name, text in fields.items()},
    }
    return plain({name: text for name, text in names.items() if text})


def plain(names: dict[str, str]) -> bytes:
    inner = "".join(f"{name}: {quote(text)}\n" for name, text in names.items()).encode() + b"\n"
    return b"Content-Length: %d\nContent-Type: text/event-plain\n\n%b" % (len(inner), inner)


def answer(body: str) -> bytes:
    return b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(body.encode()), body.encode())


def beat(at: float, uptime_ms: int, core: str = "core-1") -> bytes:
    moment = int((NOON.timestamp() + at) * 1_000_000)
    names = {"Event-Name": "HEARTBEAT", "Core-UUID": core, "Event-Date-Timestamp": str(moment)}
    return plain({**names, "Uptime-msec": str(uptime_ms)})


def lines(*frames: bytes, options: Settings | None = None, closed: bool = False) -> Items:
    return heard(translator(options), [(one, NOON) for one in frames], closed=closed)


def members(*rows: str) -> str:
    names = "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|"
    names += "bridge_epoch|abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
    return "\n".join([names, *rows, "+OK\n"])


def row(
    uuid: str,
    session: str,
    state: str,
    *,
    joined: int = 0,
    rejoined: int = 0,
    bridged: int = 0,
    agent: str = "",
    score: int = 1,
    name: str = "Test",
) -> str:
    epoch = int(NOON.timestamp())
    again, talks = (epoch + after if after else 0 for after in (rejoined, bridged))
    ends = f"{epoch + joined}|{epoch + joined}|{again}|{talks}|0|0|0|{agent}||{state}|{score}"
    return f"kundcenter@lab|single_box|{uuid}|{session}|0701740605|{name}|{ends}"


START, RESUME, END = "member-queue-start", "member-queue-resume", "member-queue-end"
OFFER, FAIL, BRIDGE, UNBRIDGE = "agent-offering", "bridge-agent-fail", "bridge-agent-start", "bridge-agent-end"
ETT = {"CC_Agent": "agent-ett"}
HUNG_UP = {"CC_Cause": "Cancel", "CC_Cancel_Reason": "BREAK_OUT", "Answer_State": "hangup"}
BROKE_OUT = {"CC_Cause": "Cancel", "CC_Cancel_Reason": "BREAK_OUT"}


# The recordings, caller by caller


def test_one_phone_is_not_answered_the_next_is_and_its_agent_hangs_up() -> None:
    items = sample("08")

    assert lettered(story(items)) == [
        "+0.0 A entered kundcenter@lab at place None",
        "+0.0 A rings agent-ett",
        "+4.9 A rang agent-ett: no_answer 4899 ms",
        "+5.0 A rings agent-tva",
        "+6.5 A rang agent-tva: answered 1499 ms",
        "+6.5 A answered in kundcenter@lab by agent-tva, said 6000 ms",
        "+10.3 A completed by agent, talk 4000 ms",
    ]
    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.rings) == (Outcome.ANSWERED, 6480, 2)
    assert (visit.talk_ms, visit.ended_by, visit.entry_reason) == (3859, EndedBy.AGENT, EntryReason.DIRECT)


def test_the_caller_hangs_up_after_the_talk_and_nobody_waits_although_the_switch_counts_one() -> None:
    raw, items = recording("09"), sample("09")

    visit, next_caller = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.ended_by) == (Outcome.ANSWERED, 1540, EndedBy.CALLER)
    assert b"CC-Action: members-count\nCC-Count: 1" in raw.replace(b"CC-Queue: kundcenter%40lab\n", b"")
    assert b"CC-Count: 0" not in raw
    assert [waiting.visit_id for _, waiting in ledger(items).waiting()] == [next_caller.visit_id]


def test_two_callers_give_up_and_the_phone_that_rang_meanwhile_is_cancelled() -> None:
    items = sample("01", "02")

    first, second = visits(items)
    assert (first.outcome, first.wait_ms) == (Outcome.ABANDONED, 30039)
    assert (second.outcome, second.outcome_basis, second.wait_ms) == (Outcome.ABANDONED, OutcomeBasis.STATED, 2019)
    after = [line for line in lettered(story(sample("02"))) if " A " in line]
    assert after[-2:] == [
        "+2.0 A left kundcenter@lab: abandoned (stated), said 2000 ms",
        "+2.0 A rang agent-tva: cancelled 339 ms",
    ]


def test_a_queue_where_nobody_answers_lets_its_caller_go() -> None:
    (visit,) = visits(sample("05"))

    assert (visit.outcome, visit.outcome_basis, visit.wait_ms) == (Outcome.NO_AGENTS, OutcomeBasis.STATED, 4520)


def test_a_caller_who_takes_over_an_abandoned_place_is_another_visit() -> None:
    by_id = {visit.visit_id: visit for visit in visits(sample("01", "02", "03", "04"))}

    place = "kc:d118f8f4-79d5-4ff4-8720-4fe1a9bd736d"
    first, again = by_id[place], by_id[f"{place}/0eccd7b7-dd44-4cbe-bf82-6f3363048c5f"]
    assert first.outcome is Outcome.ABANDONED and first.entry_reason is EntryReason.DIRECT
    assert again.entry_reason is EntryReason.RESUME and again.prev_visit_id == first.visit_id
    assert (again.outcome, again.wait_ms) == (Outcome.ABANDONED, 20019)
    assert first.contact_id != again.contact_id == "kc:0eccd7b7-dd44-4cbe-bf82-6f3363048c5f"


def test_the_abandoned_place_is_known_also_when_the_abandon_was_not_seen() -> None:
    entered = only(CallEntered, sample("03"))[0]

    assert entered.prev_visit_id == "kc:d118f8f4-79d5-4ff4-8720-4fe1a9bd736d"
    assert entered.visit_id == entered.prev_visit_id + "/0eccd7b7-dd44-4cbe-bf82-6f3363048c5f"


def test_a_timeout_in_one_queue_leads_to_the_next_as_one_contact() -> None:
    items = sample("04")

    one = [visit for visit in visits(items) if visit.contact_id == "kc:e55c2ea5-e57d-4574-9d71-c5e551d41901"]
    assert [(visit.queue, visit.outcome, visit.wait_ms) for visit in one] == [
        ("bygglov@lab", Outcome.OVERFLOW, 5039),
        ("kundcenter@lab", Outcome.ABANDONED, 14999),
    ]
    assert one[0].next_queue == "kundcenter@lab" and one[1].entry_reason is EntryReason.OVERFLOW


def test_a_blind_transfer_opens_the_next_visit_before_the_first_has_ended() -> None:
    items = sample("10")

    assert lettered(story(items, CallEntered, CallAnswered, CallTransferred, CallCompleted, CallLeft)) == [
        "+0.0 A entered kundcenter@lab at place None",
        "+1.6 A answered in kundcenter@lab by agent-tva, said 1000 ms",
        "+4.0 A transferred blind by agent-tva",
        "+4.0 B entered bygglov@lab at place None",
        "+4.1 A completed by transfer, talk 3000 ms",
        "+9.0 B left bygglov@lab: timeout (stated), said 5000 ms",
    ]
    first, second = visits(items)
    assert (first.outcome, first.ended_by) == (Outcome.ANSWERED, EndedBy.TRANSFER)
    assert (second.outcome, second.wait_ms, second.entry_reason) == (Outcome.TIMEOUT, 5000, EntryReason.TRANSFER)
    assert second.prev_visit_id == first.visit_id and second.contact_id == first.contact_id
    assert only(CallTransferred, items)[0].time_basis is TimeBasis.DERIVED


def test_json_says_the_same_as_plain_and_the_heartbeat_tells_the_clock() -> None:
    items = sample("07")

    assert lettered(story(items)) == [
        "+0.0 A entered kundcenter@lab at place None",
        "+0.0 A rings agent-ett",
        "+1.0 A left kundcenter@lab: abandoned (stated), said 1000 ms",
        "+1.0 A rang agent-ett: cancelled 999 ms",
    ]
    (clock,) = only(SourceClock, items)
    assert clock.switch_time == datetime(2026, 11, 23, 11, 48, 53, 283647, tzinfo=UTC)


def test_every_recorded_event_read_as_json_tells_the_same() -> None:
    for number in ("02", "08", "10"):
        raw = recording(number)
        turned = b""
        for piece, _ in recorded_pieces(raw):
            head, _, body = piece.partition(b"\n\n")
            if b"text/event-plain" in head:
                pairs = [line.partition(": ") for line in body.decode().split("\n") if ": " in line]
                content = json.dumps({name: re.sub("%20", " ", value) for name, _, value in pairs}).encode()
                content = content.replace(b"%3A", b":").replace(b"%40", b"@")
                piece = b"Content-Length: %d\nContent-Type: text/event-json\n\n%b" % (len(content), content)
            turned += piece

        assert story(heard(translator(), recorded_pieces(turned))) == story(sample(number))


def test_a_hearer_who_goes_from_file_to_file_hears_what_is_in_two_of_them_once() -> None:
    numbers = [f"{number:02}" for number in range(1, 11)]
    found = visits(sample(*numbers))

    assert Counter(visit.outcome for visit in found) == {
        Outcome.ABANDONED: 5,
        Outcome.ANSWERED: 3,
        Outcome.OVERFLOW: 1,
        Outcome.TIMEOUT: 1,
        Outcome.NO_AGENTS: 1,
    }
    assert not ledger(sample(*numbers)).waiting()


def test_status_and_state_are_one_axis() -> None:
    changes = only(AgentState, sample("06"))

    assert [(one.agent_id, one.state, one.reason) for one in changes] == [
        ("kc:agent-ett", AgentActivity.PAUSED, "On Break"),
        ("kc:agent-ett", AgentActivity.AVAILABLE, None),
        ("kc:agent-tva", AgentActivity.LOGGED_OUT, None),
        ("kc:agent-tva", AgentActivity.AVAILABLE, None),
        ("kc:agent-ett", AgentActivity.PAUSED, "Idle"),
        ("kc:agent-ett", AgentActivity.AVAILABLE, None),
    ]


def test_a_ghost_is_in_no_snapshot() -> None:
    shots = only(QueueSnapshot, sample("04"))

    assert [(one.queue, len(one.waiting)) for one in shots] == [("bygglov@lab", 1), ("kundcenter@lab", 1)]
    (caller,) = shots[1].waiting
    assert caller.visit_id == "kc:d118f8f4-79d5-4ff4-8720-4fe1a9bd736d/0eccd7b7-dd44-4cbe-bf82-6f3363048c5f"
    assert caller.entered_at == datetime(2026, 11, 23, 11, 47, 53, tzinfo=UTC)
    assert [agent.agent_id for agent in shots[1].agents] == ["kc:agent-ett", "kc:agent-tva"]
    assert shots[1].counters["calls_abandoned"] == "2" and rejections(sample("04")) == [("command_failed", "")]


def test_who_talks_is_listed_and_does_not_wait() -> None:
    (shot,) = only(QueueSnapshot, sample("08"))

    assert shot.complete and not shot.waiting


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.name[:2])
def test_every_ring_ends_at_most_once_and_no_two_events_share_an_id(file: Path) -> None:
    items = heard(translator(), recorded_pieces(file.read_bytes()))

    assert max(Counter(one.ring_id for one in only(CallRingEnded, items)).values(), default=1) == 1
    assert max(Counter(item.id for item in items if isinstance(item, Event)).values(), default=1) == 1
    assert len(only(SourceConnected, items)) <= 1


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.name[:2])
def test_nothing_of_the_person_is_told(file: Path) -> None:
    assert b"07017406" in file.read_bytes() or file.name[:2] in ("11", "12", "13")
    for item in heard(translator(), recorded_pieces(file.read_bytes())):
        shown = encode(item) if isinstance(item, Event) else repr(item).encode()
        assert b"07017406" not in shown and b"Test" not in shown


@pytest.mark.parametrize("number", ["03", "07", "10"])
def test_the_cuts_of_the_network_make_no_difference(number: str) -> None:
    raw = recording(number)
    whole, bytewise = translator(), translator()
    items = [*whole.feed(raw, NOON), *whole.close(NOON)]

    cut = [item for at in range(len(raw)) for item in bytewise.feed(raw[at : at + 1], NOON)]

    assert [*cut, *bytewise.close(NOON)] == items


# The traps of mod_callcenter


def test_waiting_ends_when_the_agent_is_bridged_not_when_the_member_ends() -> None:
    items = lines(told(START), told(OFFER, 1, **ETT), told(BRIDGE, 3, **ETT), told(UNBRIDGE, 60, **ETT))

    kept = ledger(items)
    assert not kept.waiting()
    assert [visit.wait_ms for visit in kept.visits()] == [3000]


@pytest.mark.parametrize(
    ("end", "outcome", "basis"),
    [
        (HUNG_UP, LeftOutcome.ABANDONED, OutcomeBasis.STATED),
        ({**HUNG_UP, "Hangup_Cause": "SYSTEM_SHUTDOWN"}, LeftOutcome.LOST, OutcomeBasis.STATED),
        ({**HUNG_UP, "Hangup_Cause": "MANAGER_REQUEST"}, LeftOutcome.SYSTEM, OutcomeBasis.STATED),
        ({**BROKE_OUT, "Answer_State": "answered"}, LeftOutcome.TRANSFERRED_OUT, OutcomeBasis.INFERRED),
        (BROKE_OUT, LeftOutcome.ABANDONED, OutcomeBasis.INFERRED),
        ({"CC_Cause": "Cancel", "CC_Cancel_Reason": "TIMEOUT"}, LeftOutcome.TIMEOUT, OutcomeBasis.STATED),
        ({"CC_Cause": "Cancel", "CC_Cancel_Reason": "NO_AGENT_TIMEOUT"}, LeftOutcome.NO_AGENTS, OutcomeBasis.STATED),
        ({"CC_Cause": "Cancel", "CC_Cancel_Reason": "EXIT_WITH_KEY"}, LeftOutcome.EXIT_KEY, OutcomeBasis.STATED),
    ],
)
def test_a_break_out_is_a_hang_up_only_if_the_callers_line_is_dead(
    end: dict[str, str], outcome: LeftOutcome, basis: OutcomeBasis
) -> None:
    (left,) = only(CallLeft, lines(told(START), told(END, 9, **end)))

    assert (left.outcome, left.outcome_basis) == (outcome, basis)


def test_a_caller_who_broke_out_and_waits_elsewhere_at_once_did_not_hang_up() -> None:
    elsewhere = {"CC_Queue": "bygglov@lab", "CC_Member_UUID": "m2"}

    first, second = visits(lines(told(START), told(END, 9, **BROKE_OUT), told(START, 9.5, **elsewhere)))

    assert (first.outcome, first.next_queue) == (Outcome.TRANSFERRED_OUT, "bygglov@lab")
    assert (second.outcome, second.entry_reason) == (Outcome.WAITING, EntryReason.OVERFLOW)


@pytest.mark.parametrize("queue", ["bygglov@lab", "kundcenter@lab"])
@pytest.mark.parametrize(
    ("session", "outcome"), [({}, "transferred_out"), ({"CC_Member_Session_UUID": "s9"}, "abandoned")]
)
def test_who_comes_back_much_later_had_hung_up_unless_it_is_the_same_channel(
    session: dict[str, str], outcome: str, queue: str
) -> None:
    again = {"CC_Queue": queue, "CC_Member_UUID": "m2", **session}

    first, _ = visits(lines(told(START), told(END, 9, **BROKE_OUT), told(START, 30, **again)))

    assert (first.outcome, first.next_queue) == (outcome, None)


@pytest.mark.parametrize(
    ("bridge", "member", "who"),
    [
        ({}, {}, EndedBy.UNKNOWN),
        ({"variable_last_bridge_hangup_cause": "NORMAL_CLEARING"}, {}, EndedBy.CALLER),
        ({}, {"variable_last_bridge_hangup_cause": "NORMAL_CLEARING"}, EndedBy.AGENT),
        ({}, {"Answer_State": "answered"}, EndedBy.AGENT),
    ],
)
def test_who_hung_up_is_told_by_the_partners_channel_or_not_at_all(
    bridge: dict[str, str], member: dict[str, str], who: EndedBy
) -> None:
    talk = [told(START), told(BRIDGE, 2, **ETT)]
    ends = [told(UNBRIDGE, 9, **ETT, **bridge), told(END, 9, CC_Cause="Terminated", **member)]

    (completed,) = only(CallCompleted, lines(*talk, *ends))

    assert completed.ended_by is who


def test_a_transfer_out_of_the_queues_is_known_by_its_source_and_not_by_its_number() -> None:
    epoch = int(NOON.timestamp())
    moved = f"{epoch + 8}:uuid:bl_xfer:0701740605/in/XML"
    end = {"CC_Agent_Answered_Time": str(epoch + 2), "Caller_Transfer_Source": moved, "Answer_State": "answered"}

    items = lines(
        told(START),
        told(BRIDGE, 2, **ETT),
        told(UNBRIDGE, 9, **ETT),
        told(END, 9, CC_Cause="Terminated", **end),
    )

    (transferred,), (completed,) = only(CallTransferred, items), only(CallCompleted, items)
    assert transferred.kind is TransferKind.BLIND and transferred.to.queue is None
    assert completed.ended_by is EndedBy.TRANSFER
    assert b"0701740605" not in encode(transferred)


def test_a_phone_may_ring_before_its_caller_has_entered() -> None:
    items = lines(told(OFFER, 0.0, **ETT), told(START, 0.001), told(BRIDGE, 2.001, **ETT))

    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.rings, visit.start_known) == (Outcome.ANSWERED, 2000, 1, True)


def test_a_phone_may_ring_for_a_resumed_caller_before_that_is_said() -> None:
    other = {"CC_Member_Session_UUID": "s2"}

    items = lines(told(START), told(END, 5, **HUNG_UP), told(OFFER, 8, **ETT, **other), told(RESUME, 8.001, **other))

    assert only(CallRinging, items)[0].visit_id == only(CallEntered, items)[1].visit_id == "kc:m1/s2"


def test_a_place_is_resumed_twice() -> None:
    second, third = {"CC_Member_Session_UUID": "s2"}, {"CC_Member_Session_UUID": "s3"}

    items = lines(
        *(told(START), told(END, 5, **HUNG_UP)),
        *(told(RESUME, 8, **second), told(END, 9, **HUNG_UP, **second)),
        *(told(RESUME, 12, **third), told(BRIDGE, 15, **ETT, **third)),
    )

    assert [one.prev_visit_id for one in only(CallEntered, items)] == [None, "kc:m1", "kc:m1/s2"]
    assert [visit.wait_ms for visit in visits(items)] == [5000, 1000, 3000]


def test_a_place_taken_over_had_been_abandoned_though_that_was_missed() -> None:
    one = translator()
    resumed = told(RESUME, 9, CC_Member_Session_UUID="s2")
    items = heard(one, [(told(START), NOON), (told(OFFER, 1, **ETT), NOON), (resumed, NOON)], closed=False)

    items += one.flush(NOON + timedelta(seconds=6))

    assert [visit.outcome for visit in visits(items)] == [Outcome.UNKNOWN, Outcome.WAITING]
    assert [ring.result for ring in only(CallRingEnded, items)] == [RingResult.CANCELLED]


def test_the_same_call_comes_back_to_its_own_place() -> None:
    timed_out = {"CC_Cause": "Cancel", "CC_Cancel_Reason": "TIMEOUT"}

    items = lines(
        told(START), told(END, 5, **timed_out), told(RESUME, 6), told(OFFER, 7, **ETT), told(BRIDGE, 9, **ETT)
    )

    first, second = visits(items)
    assert (first.visit_id, first.outcome, first.wait_ms) == ("kc:m1", Outcome.TIMEOUT, 5000)
    assert (second.outcome, second.wait_ms, second.entry_reason) == (Outcome.ANSWERED, 3000, EntryReason.RESUME)
    assert second.prev_visit_id == "kc:m1" and second.contact_id == first.contact_id


def test_the_wait_that_the_switch_reports_for_a_resumed_caller_is_not_believed() -> None:
    epoch, other = int(NOON.timestamp()), {"CC_Member_Session_UUID": "s2"}
    times = {"CC_Member_Joined_Time": str(epoch - 300), "CC_Agent_Answered_Time": str(epoch + 3)}

    (answered,) = only(CallAnswered, lines(told(RESUME, 0, **other), told(BRIDGE, 3, **ETT, **times, **other)))

    assert answered.wait_ms_reported is None


def test_the_count_of_members_is_no_gauge() -> None:
    assert only(CallEntered, lines(told("members-count", CC_Count="7"))) == []
    assert rejections(lines(told("members-count", CC_Count="7"))) == []


def test_a_phone_that_stops_ringing_after_its_caller_has_gone_makes_no_call() -> None:
    late = told(FAIL, 5.1, **ETT, CC_Hangup_Cause="ORIGINATOR_CANCEL")
    items = lines(told(START), told(OFFER, 4, **ETT), told(END, 5, **HUNG_UP), late, late)

    (ended,) = only(CallRingEnded, items)
    assert ended.result is RingResult.CANCELLED
    assert [visit.outcome for visit in visits(items)] == [Outcome.ABANDONED]
    assert lines(late)[1:] == []


@pytest.mark.parametrize(
    ("cause", "result"),
    [
        ("ALLOTTED_TIMEOUT", RingResult.NO_ANSWER),
        ("NO_ANSWER", RingResult.NO_ANSWER),
        ("USER_BUSY", RingResult.BUSY),
        ("CALL_REJECTED", RingResult.REJECTED),
        ("LOSE_RACE", RingResult.CANCELLED),
        ("USER_NOT_REGISTERED", RingResult.FAILED),
        ("SOMETHING_NEW", RingResult.UNKNOWN),
    ],
)
def test_how_a_ring_ended(cause: str, result: RingResult) -> None:
    (ended,) = only(
        CallRingEnded, lines(told(START), told(OFFER, 1, **ETT), told(FAIL, 5, **ETT, CC_Hangup_Cause=cause))
    )

    assert (ended.result, ended.ring_ms, ended.cause_raw) == (result, 4000, cause)


def test_a_ring_whose_end_is_never_told_ends_with_the_visit() -> None:
    one = translator()
    items = heard(
        one, [(told(START), NOON), (told(OFFER, 1, **ETT), NOON), (told(END, 5, **HUNG_UP), NOON)], closed=False
    )
    assert not only(CallRingEnded, items) and one.remembered == 1

    (ended,) = only(CallRingEnded, list(one.flush(NOON + timedelta(seconds=6))))

    assert ended.result is RingResult.CANCELLED and ended.time_basis is TimeBasis.DERIVED
    assert one.remembered == 0


def test_a_talk_whose_member_end_is_never_told_ends_all_the_same() -> None:
    one = translator()
    heard(one, [(told(START), NOON), (told(BRIDGE, 1, **ETT), NOON), (told(UNBRIDGE, 9, **ETT), NOON)], closed=False)

    (completed,) = only(CallCompleted, list(one.flush(NOON + timedelta(seconds=6))))

    assert completed.ended_by is EndedBy.UNKNOWN and completed.at == NOON + timedelta(seconds=9)


def test_the_end_of_a_call_never_seen_is_placed_by_the_times_it_reports() -> None:
    epoch = int(NOON.timestamp())
    times = {
        "CC_Member_Joined_Time": str(epoch - 30),
        "CC_Agent_Answered_Time": str(epoch - 10),
        "CC_Bridge_Terminated_Time": str(epoch),
    }

    (visit,) = visits(lines(told(UNBRIDGE, 0, **ETT, **times), told(END, 0, CC_Cause="Terminated")))

    assert (visit.outcome, visit.start_known, visit.wait_ms, visit.talk_ms) == (Outcome.ANSWERED, False, 20000, 10000)


def test_a_caller_who_waits_in_a_second_queue_has_left_the_first() -> None:
    one = translator()
    second = told(START, 9, CC_Queue="bygglov@lab", CC_Member_UUID="m2")
    items = heard(one, [(told(START), NOON), (second, NOON)], closed=False)

    items += one.flush(NOON + timedelta(seconds=6))

    assert [(visit.queue, visit.outcome) for visit in visits(items)] == [
        ("kundcenter@lab", Outcome.UNKNOWN),
        ("bygglov@lab", Outcome.WAITING),
    ]


@pytest.mark.parametrize("end", [{"CC_Cause": "Cancel", "CC_Cancel_Reason": "BREAK_OUT"}, {"CC_Cause": "Cancel"}])
def test_an_agent_who_asks_a_colleague_through_a_queue_is_no_caller(end: dict[str, str]) -> None:
    asks = {"CC_Queue": "bygglov@lab", "CC_Member_UUID": "m2", "CC_Member_Session_UUID": "s2"}
    asks["CC_Member_CID_Number"] = "1001"
    agent = {"CC_Agent": "1001@lab"}
    later = {**asks, "CC_Member_UUID": "m3", "CC_Member_Session_UUID": "s3"}
    items = lines(
        *(told(START), told(BRIDGE, 5, **agent), told(START, 20, **asks), told(END, 30, **asks, **end)),
        *(told(UNBRIDGE, 60, **agent), told(END, 60, CC_Cause="Terminated"), told(START, 70, **later)),
    )

    contacts = sorted(ledger(items).contacts(), key=lambda contact: contact.entered_at or NOON)
    assert [(one.outcome, len(one.visit_ids)) for one in contacts] == [(Outcome.ANSWERED, 2), (Outcome.WAITING, 1)]


def test_a_withheld_number_is_told_as_withheld() -> None:
    shown, hidden, screened = (
        only(CallEntered, lines(told(START, **fields)))[0].caller
        for fields in ({}, {"CC_Member_CID_Number": "anonymous"}, {"Caller_Privacy_Hide_Number": "true"})
    )

    assert shown and hidden and screened
    assert (shown.withheld, hidden.withheld, screened.withheld) == (False, True, True)


# The switch itself


def test_another_core_means_that_the_switch_has_started_anew() -> None:
    items = lines(told(START), told(OFFER, 1, **ETT), told("members-count", 60, "core-2", CC_Count="0"))

    assert len(only(SourceRestarted, items)) == 1 and len(only(CallRingEnded, items)) == 1
    assert [visit.outcome for visit in visits(items)] == [Outcome.LOST]


def test_an_uptime_that_shrinks_means_the_same() -> None:
    assert len(only(SourceRestarted, lines(beat(0, 90_000), beat(20, 110_000), beat(40, 5_000)))) == 1


def test_the_status_tells_version_and_start() -> None:
    (connected,) = only(SourceConnected, sample("12"))

    assert connected.version == "1.11.3-dev  64bit"
    assert connected.switch_started_at == LONG_AGO - timedelta(minutes=5, seconds=30, milliseconds=295)


def test_who_waited_before_a_restart_that_nobody_heard_is_lost() -> None:
    before = lines(told(START), closed=True)
    again = Translator(Connection(source=CONNECTION.source, switch="kc", epoch="2"), Settings())
    after = heard(again, [(STATUS, NOON + timedelta(minutes=20))], closed=False)

    assert [visit.outcome for visit in visits(before + after)] == [Outcome.LOST]


def test_a_refused_password_connects_nothing() -> None:
    assert rejections(sample("11")) == [("login_refused", "")]


def test_a_heartbeat_tells_how_far_the_clocks_are_apart() -> None:
    (clock,) = only(SourceClock, lines(beat(1.5, 60_000)))

    assert clock.offset_ms == 1500.0


# Lists


def asked(one: Translator, command: str, body: str, at: datetime = NOON) -> Items:
    one.asked(command, at)
    return list(one.feed(answer(body), at))


def test_an_empty_queue_is_known_by_the_question() -> None:
    one = translator()
    (shot,) = only(QueueSnapshot, asked(one, MEMBERS_OF + "kundcenter@lab", members()))

    assert (shot.queue, shot.waiting, shot.complete) == ("kundcenter@lab", (), True)


def test_a_bar_in_the_name_of_the_queue_is_no_column() -> None:
    listed = row("m1", "s1", "Waiting", joined=-5, name="A|B").replace("kundcenter@lab", "vård|å@lab")

    (shot,) = only(QueueSnapshot, asked(translator(), MEMBERS_OF + "vård|å@lab", members(listed)))

    assert [(one.visit_id, one.leg_id, one.waited_ms) for one in shot.waiting] == [("kc:m1", "kc:s1", 5_000)]


def test_callers_are_listed_by_score_and_a_name_may_hold_what_divides_the_columns() -> None:
    rows = [
        row("m1", "s1", "Waiting", score=5, joined=-5),
        row("m2", "s2", "Trying", score=30, name="A|B||C", joined=-30),
    ]
    rows += [row("m3", "", "Abandoned", score=50), row("m4", "s4", "Answered", score=60)]

    (shot,) = only(QueueSnapshot, asked(translator(), MEMBERS_OF + "kundcenter@lab", members(*rows)))

    assert [(one.visit_id, one.position, one.waited_ms) for one in shot.waiting] == [
        ("kc:m2", 1, 30_000),
        ("kc:m1", 2, 5_000),
    ]


def test_a_caller_who_resumed_before_we_came_is_known_by_the_list() -> None:
    rows = [row("m1", "s9", "Waiting", joined=-60, rejoined=-10), row("m2", "", "Abandoned")]
    one = translator()
    (shot,) = only(QueueSnapshot, asked(one, MEMBERS_OF + "kundcenter@lab", members(*rows)))

    later = one.feed(told(OFFER, 1, **ETT, CC_Member_UUID="m2", CC_Member_Session_UUID="s8"), NOON)

    assert [(caller.visit_id, caller.waited_ms) for caller in shot.waiting] == [("kc:m1/s9", 10_000)]
    assert only(CallRinging, list(later))[0].visit_id == "kc:m2/s8"


def test_a_caller_who_waits_through_a_lost_connection_has_waited_since_the_beginning() -> None:
    items = lines(told(START, 0.25), closed=True)
    again = Translator(Connection(source=CONNECTION.source, switch="kc", epoch="2"), Settings())
    later = NOON + timedelta(seconds=40)

    items += asked(again, MEMBERS_OF + "kundcenter@lab", members(row("m1", "s1", "Trying")), later)
    items += again.feed(told(BRIDGE, 50.25, **ETT), later + timedelta(seconds=10))

    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.start_known) == (Outcome.ANSWERED, 50_000, True)


def _after_a_cut(*frames: bytes, bridged: int = 5) -> Items:
    """The first list of another connection shows the caller in a talk; then these frames come."""
    before = lines(told(START), told(OFFER, 1, **ETT), closed=True)
    one = translator()
    one.asked(MEMBERS_OF + "kundcenter@lab", NOON + timedelta(seconds=20))
    shown = answer(members(row("m1", "s1", "Answered", bridged=bridged, agent="agent-ett")))
    return before + heard(one, [(frame, NOON + timedelta(seconds=20)) for frame in (shown, *frames)], closed=False)


def test_an_answer_that_came_in_a_lost_connection_is_told_by_the_list() -> None:
    (talks,) = visits(_after_a_cut())
    (ended,) = visits(_after_a_cut(told(UNBRIDGE, 60, **ETT), told(END, 60, CC_Cause="Terminated")))

    assert (talks.outcome, talks.wait_ms, talks.agent_id) == (Outcome.ANSWERED, 5_500, "kc:agent-ett")
    assert (ended.outcome, ended.wait_ms, ended.talk_ms) == (Outcome.ANSWERED, 5_500, 55_000)


def test_an_answer_that_was_heard_before_and_is_listed_once_more_is_of_one_ring() -> None:
    heard_before = lines(told(START), told(OFFER, 1, **ETT), told(BRIDGE, 5.7, **ETT))
    listed = _after_a_cut(told(UNBRIDGE, 60, **ETT), told(END, 60, CC_Cause="Terminated"))

    for items in (heard_before + listed, listed + heard_before):
        (visit,) = visits(items)
        assert (visit.wait_ms, visit.talk_ms, visit.rings) == (5_700, 54_300, 1)


def test_a_listed_answer_is_taken_back_where_the_phone_was_never_connected() -> None:
    gave_up = told(END, 90, CC_Cause="Cancel", CC_Cancel_Reason="BREAK_OUT", Answer_State="hangup")
    never = told(UNBRIDGE, 21, **ETT, CC_Agent_Bridged="false")

    for frames in ((never, gave_up), (gave_up,)):
        (visit,) = visits(_after_a_cut(*frames))
        assert (visit.outcome, visit.wait_ms, visit.agent_id) == (Outcome.ABANDONED, 90_000, None)


def test_an_agent_who_is_listed_in_a_talk_and_asks_a_colleague_through_a_queue_is_no_caller() -> None:
    asks = {"CC_Queue": "bygglov@lab", "CC_Member_UUID": "m2", "CC_Member_Session_UUID": "s2"}
    asks["CC_Member_CID_Number"] = "agent-ett"
    items = _after_a_cut(told(START, 30, **asks), told(END, 40, **asks, **HUNG_UP))

    assert [contact.outcome for contact in ledger(items).contacts()] == [Outcome.ANSWERED]


def test_a_caller_who_comes_while_the_list_is_read_is_put_right() -> None:
    one = translator()
    one.feed(told("members-count"), NOON)
    one.asked(MEMBERS_OF + "kundcenter@lab", NOON + timedelta(seconds=1))
    items = list(one.feed(told(START, 1.2) + answer(members()), NOON + timedelta(seconds=1.3)))

    (shot,) = only(QueueSnapshot, items)
    assert [caller.visit_id for caller in shot.waiting] == ["kc:m1"]
    assert len(ledger(items).waiting()) == 1


def test_the_answer_is_as_of_the_question() -> None:
    one = translator()
    one.feed(told("members-count"), NOON)
    one.asked(MEMBERS_OF + "kundcenter@lab", NOON + timedelta(seconds=1))

    items = list(one.feed(answer(members()), NOON + timedelta(seconds=4)))
    items += one.feed(told(START, 2), NOON + timedelta(seconds=4))

    assert only(QueueSnapshot, items)[0].as_of == NOON + timedelta(seconds=1)
    assert len(ledger(items).waiting()) == 1


def test_a_caller_whose_end_was_missed_is_forgotten_when_the_list_leaves_him_out() -> None:
    one = translator()
    items = list(one.feed(told(START), NOON))
    assert one.remembered == 1

    items += one.feed(told("members-count", 30), NOON)
    items += asked(one, MEMBERS_OF + "kundcenter@lab", members(), NOON + timedelta(seconds=31))

    assert one.remembered == 0
    assert [visit.outcome for visit in visits(items)] == [Outcome.UNKNOWN]


def test_the_list_of_queues_asks_for_the_members_of_each() -> None:
    one = translator()
    asked(one, QUEUES, "name|strategy|calls_answered\na@x|top-down|3\nb c@x|ring-all|0\n+OK\n")

    assert one.questions() == [MEMBERS_OF + "a@x", MEMBERS_OF + "b c@x"] and one.questions() == []


def test_who_answers_which_queue_is_told_by_what_changed_in_the_list() -> None:
    one, names = translator(), "queue|agent|state|level|position\n"
    first = asked(one, wire.TIERS, names + "a@x|ett|Ready|1|1\na@x|tva|Ready|1|2\n+OK\n")
    again = asked(one, wire.TIERS, names + "a@x|ett|Ready|1|1\na@x|tva|Ready|1|2\n+OK\n")
    moved = asked(one, wire.TIERS, names + "a@x|ett|Ready|2|1\nb@x|tva|Ready|1|1\n+OK\n")

    assert [(one.agent_id, one.action) for one in only(AgentMember, first)] == [
        ("kc:ett", MemberAction.ADDED),
        ("kc:tva", MemberAction.ADDED),
    ]
    assert again == []
    assert [(one.queue, one.action, one.level) for one in only(AgentMember, moved)] == [
        ("a@x", MemberAction.CHANGED, 2),
        ("b@x", MemberAction.ADDED, 1),
        ("a@x", MemberAction.REMOVED, None),
    ]


AGENT_NAMES = "name|instance_id|uuid|type|contact|status|state|wrap_up_time|last_bridge_end\n"


def test_a_deleted_agent_is_logged_out_and_a_dial_string_may_hold_what_divides_the_columns() -> None:
    one = translator()
    ett = "ett|box||callback|user/1|user/2|Available|Waiting|0|0\n"
    tva = "tva|box||callback|user/3|Available|Waiting|0|0\n"
    first = asked(one, wire.AGENTS, AGENT_NAMES + ett + tva + "+OK\n")
    gone = asked(one, wire.AGENTS, AGENT_NAMES + ett + "+OK\n")

    assert [(one.agent_id, one.state) for one in only(AgentState, first)] == [
        ("kc:ett", AgentActivity.AVAILABLE),
        ("kc:tva", AgentActivity.AVAILABLE),
    ]
    assert [(one.agent_id, one.state) for one in only(AgentState, gone)] == [("kc:tva", AgentActivity.LOGGED_OUT)]


def test_wrapup_ends_by_itself() -> None:
    one = translator()
    state = {"CC_Queue": "", "CC_Member_UUID": "", **ETT}
    items = list(one.feed(told("members-count"), NOON))
    items += asked(one, wire.AGENTS, AGENT_NAMES + "agent-ett|b||callback|user/1|Available|Waiting|30|0\n+OK\n")
    for frame in (
        *(
            told(START),
            told(BRIDGE, 1, **ETT),
            told("agent-state-change", 1, CC_Agent_State="In a queue call", **state),
        ),
        *(told(UNBRIDGE, 9, **ETT), told("agent-state-change", 9, CC_Agent_State="Waiting", **state)),
    ):
        items += one.feed(frame, NOON + timedelta(seconds=9))
    items += one.flush(NOON + timedelta(seconds=38))
    items += one.flush(NOON + timedelta(seconds=40))

    assert [(one.state, one.at - NOON) for one in only(AgentState, items)] == [
        (AgentActivity.AVAILABLE, timedelta(0)),
        (AgentActivity.BUSY, timedelta(seconds=1)),
        (AgentActivity.WRAPUP, timedelta(seconds=9)),
        (AgentActivity.AVAILABLE, timedelta(seconds=39)),
    ]


def test_a_list_cut_short_is_no_list() -> None:
    items = asked(translator(), MEMBERS_OF + "a", members(row("m1", "s1", "Waiting")).removesuffix("+OK\n"))

    assert rejections(items) == [("list_cut_short", "members")]


# What makes no sense


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"HTTP/1.1 200 OK\n\n", "not_a_frame"),
        (b"Content-Length: 99999999\nContent-Type: text/event-json\n\n", "bad_length"),
        (b"Content-Type: log/data\n\n", "unknown_frame"),
        (b"Content-Length: 2\nContent-Type: text/event-json\n\n{]", "bad_event"),
        (b"Content-Length: 2\nContent-Type: text/event-json\n\n[]", "bad_event"),
        (b"Content-Length: 4\nContent-Type: text/event-plain\n\na: b", "bad_event"),
        (told(START, CC_Queue=""), "missing_field"),
        (told(BRIDGE), "missing_field"),
        (told("agent-state-change", CC_Agent_State="Waiting"), "missing_field"),
        (told("member-levitated"), "unknown_action"),
        (told(START, Event_Date_Timestamp="yesterday"), "bad_timestamp"),
        (answer("what?\n"), "unknown_answer"),
        (answer(members()), "unknown_answer"),
        (answer(members("a|b|c")), "bad_list_line"),
        (answer("UP for ever\n"), "bad_status"),
        (b"Content-Type: command/reply\nReply-Text: -ERR command not found\n\n", "command_refused"),
        (b"Content-Length: 9\n", "cut_short"),
        (b"x" * (MAX_HEADERS + 1), "message_too_long"),
    ],
)
def test_what_cannot_be_understood_is_counted(raw: bytes, reason: str) -> None:
    assert reason in [found for found, _ in rejections(lines(raw, closed=True))]


def test_a_call_with_a_bad_timestamp_still_counts_by_its_arrival() -> None:
    (entered,) = only(CallEntered, lines(told(START, Event_Date_Timestamp="x")))

    assert entered.at == NOON and entered.time_basis is TimeBasis.MONITOR and entered.switch_time is None


def test_a_json_body_of_the_wrong_length_does_not_swallow_the_next_frames() -> None:
    body = json.dumps({"Event-Name": "CUSTOM"}).encode()
    wrong = b"Content-Length: %d\nContent-Type: text/event-json\n\n%b" % (len(body) - 3, body)

    items = lines(wrong, told(START), told(END, 3, **HUNG_UP))

    assert [left.outcome for left in only(CallLeft, items)] == [LeftOutcome.ABANDONED]


def test_garbage_without_end_does_not_fill_the_memory() -> None:
    one = translator()
    items = [item for _ in range(200) for item in one.feed(b"x" * 100_000, NOON)]

    assert rejections(items) == [("message_too_long", "at byte 0")]
    assert len(one._cutter._rest) < 10
    assert MAX_BODY > 1_000_000
    assert only(CallEntered, list(one.feed(b"\n\n" + told(START), NOON)))


def test_a_trace_whose_line_ends_were_changed_is_refused_in_those_words() -> None:
    trace = (told(START) + told(END, 3, **HUNG_UP)).replace(b"\n", b"\r\n")

    in_bytes = heard(translator(), [(trace[at : at + 1], NOON) for at in range(len(trace))])

    assert {reason for reason, _ in rejections(lines(trace))} == {"wrong_line_ends"}
    assert rejections(in_bytes) == rejections(lines(trace))


YEAR_9999 = str(int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1_000_000))
AHEAD = str(int((NOON + timedelta(hours=2)).timestamp() * 1_000_000))


@pytest.mark.parametrize(
    ("dates", "clock"),
    [
        (("", YEAR_9999, ""), timedelta(0)),
        ((YEAR_9999, ""), timedelta(0)),
        ((YEAR_9999, YEAR_9999, "", ""), timedelta(0)),
        ((AHEAD, AHEAD), timedelta(hours=2)),
    ],
)
def test_a_list_is_dated_by_the_switchs_clock_whatever_one_event_was_dated(
    dates: tuple[str, ...], clock: timedelta
) -> None:
    one = translator()
    for date in dates:
        list(one.feed(told(START, Event_Date_Timestamp=date) if date else told(START), NOON))

    (shot,) = only(QueueSnapshot, asked(one, MEMBERS_OF + "kundcenter@lab", members(), NOON + timedelta(seconds=20)))

    assert shot.switch_time == shot.as_of == NOON + clock + timedelta(seconds=20)


def test_ten_thousand_spoilt_messages_stop_nothing_and_are_counted() -> None:
    dice = random.Random(8021)
    frames = [piece for file in RECORDINGS for piece, _ in recorded_pieces(file.read_bytes())]
    short = [frame for frame in frames if len(frame) < 1500] + frames[:20]
    one, counted, now = translator(), Counter[str](), NOON
    for _ in range(10_000):
        now += timedelta(milliseconds=50)
        if dice.random() < 0.3:
            one.asked(dice.choice([QUEUES, wire.AGENTS, wire.TIERS, MEMBERS_OF + "kundcenter@lab"]), now)
        items: Items = [*one.feed(spoilt(dice.choice(short), dice), now), *one.flush(now)]
        counted.update(item.reason if isinstance(item, Rejected) else "understood" for item in items)
        if dice.random() < 0.05:
            counted.update(rejection for rejection, _ in rejections(list(one.close(now))))
            one = translator()
    assert counted["understood"] > 3000
    assert {"not_a_frame", "bad_event", "bad_timestamp", "missing_field", "unknown_action", "cut_short"} <= {*counted}


def test_whatever_is_told_nobody_waits_when_every_member_has_ended_and_every_ring_ends_once() -> None:
    for seed in range(300):
        dice, one, now = random.Random(seed), translator(), 0.0
        items: Items = []
        who = [{"CC_Member_UUID": f"m{m}", "CC_Member_Session_UUID": f"s{s}"} for m in (1, 2) for s in (1, 2)]
        agents = [{"CC_Agent": "ett"}, {"CC_Agent": "tva"}]
        steps = [START, RESUME, OFFER, OFFER, FAIL, BRIDGE, UNBRIDGE, END]
        ends = [HUNG_UP, BROKE_OUT, {**BROKE_OUT, "Answer_State": "answered"}, {"CC_Cause": "Terminated"}]
        frames = [
            (dice.choice(steps), {**dice.choice(who), **dice.choice(agents), **dice.choice(ends)})
            for _ in range(dice.randrange(1, 25))
        ]
        frames += [(END, {**caller, **dice.choice(ends)}) for caller in who]
        for step, fields in frames:
            now += dice.choice([0.001, 0.5, 4.0, 7.0])
            items += one.feed(told(step, now, **fields), NOON + timedelta(seconds=now))
        items += one.close(NOON + timedelta(seconds=now + 60))

        # a phone that was picked up and never connected has failed after all
        ends_once = [ring for ring in only(CallRingEnded, items) if ring.result is not RingResult.FAILED]
        ended = Counter(ring.ring_id for ring in ends_once)
        assert not ledger(items).waiting(), seed
        assert {ring.ring_id for ring in only(CallRinging, items)} <= {*ended}, seed
        assert max(ended.values(), default=1) == 1, seed


def spoilt(frame: bytes, dice: random.Random) -> bytes:
    """A frame with a few bytes changed, left out, or doubled; its Content-Length now and then put right again."""
    raw = bytearray(frame)
    for _ in range(dice.choice([0, 1, 1, 2, 5])):
        at = dice.randrange(len(raw))
        match dice.randrange(4):
            case 0:
                raw[at] = dice.randrange(256)
            case 1:
                del raw[at : at + dice.randrange(1, 30)]
            case 2:
                raw[at:at] = raw[at : at + 20]
            case _:
                raw[at:at] = dice.choice([b"\n\n", b"\x00", b"%ZZ", b"9" * 25, "\N{SNOWMAN}".encode(), b"|", b"-1"])
        if not raw:
            return b""
    head, blank, body = bytes(raw).partition(b"\n\n")
    if dice.random() < 0.7:
        head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
    return head + blank + body


@pytest.mark.parametrize("name", [17, None, ["HEARTBEAT"], {}])
def test_an_event_whose_name_is_no_text_is_refused_and_the_next_is_heard(name: object) -> None:
    body = json.dumps({"Event-Name": name, "Event-Subclass": "callcenter::info"}).encode()
    frame = b"Content-Length: %d\nContent-Type: text/event-json\n\n%b" % (len(body), body)

    items = lines(frame, told("member-queue-start"))

    assert [reason for reason, _ in rejections(items)] == ["bad_event"]
    assert only(CallEntered, items)


# The wire, against a server of our own that speaks the recordings


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def event_socket(script: Script) -> AsyncIterator[int]:
    """A switch that plays the script to whoever connects; gives its port."""
    failed: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
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


async def command(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\n\n")).decode().removesuffix("\n\n")


OK = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
LISTENING = b"Content-Type: command/reply\nReply-Text: +OK event listener enabled json\n\n"
ANSWERS = {
    "api status": STATUS,
    "event json CUSTOM callcenter::info": LISTENING,
    "event json HEARTBEAT": LISTENING,
    wire.AGENTS: answer(AGENT_NAMES + "agent-ett|b||callback|user/1|Available|Waiting|0|0\n+OK\n"),
    wire.TIERS: answer("queue|agent|state|level|position\nkundcenter@lab|agent-ett|Ready|1|1\n+OK\n"),
    QUEUES: answer("name|strategy|calls_answered\nkundcenter@lab|top-down|3\n+OK\n"),
    MEMBERS_OF + "kundcenter@lab": answer(members(row("m0", "s0", "Waiting", joined=-40), row("g", "", "Abandoned"))),
}


async def finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close as a switch does that has said everything: what is still asked is read, so that nothing said is lost."""
    await writer.drain()
    writer.write_eof()
    await reader.read()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"Content-Type: auth/request\n\n")
    assert await command(reader) == "auth sesam"
    writer.write(OK)


def adapter(port: int, **options: object) -> SwitchAdapter:
    made = build("fs", "kc", Settings(port=port, **{"password": "sesam", **options}), SystemClock())  # type: ignore[arg-type]
    assert isinstance(made, SwitchAdapter)
    return made


async def listen(to: SwitchAdapter, trouble: str = "closed the connection") -> Items:
    items: Items = []
    with pytest.raises(AdapterError, match=trouble):
        async with to.connect() as deliveries:
            async for delivery in deliveries:
                assert isinstance(delivery, Delivery)
                items += delivery.items
    return items


async def test_a_switch_is_asked_who_waits_while_its_events_are_heard() -> None:
    commands: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while MEMBERS_OF + "kundcenter@lab" not in commands:
            commands.append(await command(reader))
            if commands[-1].startswith(MEMBERS_OF):
                # A caller comes while the lists are being read.
                writer.write(told(START))
            writer.write(ANSWERS[commands[-1]])
        writer.write(recording("08").partition(b"enabled plain\n\n")[2])
        await finish(reader, writer)

    async with event_socket(script) as port:
        items = await listen(adapter(port))

    assert commands == [
        "api status",
        "event json CUSTOM callcenter::info",
        "event json HEARTBEAT",
        wire.AGENTS,
        wire.TIERS,
        QUEUES,
        MEMBERS_OF + "kundcenter@lab",
    ]
    (connected,) = only(SourceConnected, items)
    assert connected.version == "1.11.3-dev  64bit" and connected.switch_started_at
    shot = only(QueueSnapshot, items)[0]
    assert {caller.visit_id for caller in shot.waiting} == {"kc:m0", "kc:m1"}
    assert story([item for item in items if getattr(item, "visit_id", "kc:m1") != "kc:m1"]) == story(sample("08"))


@pytest.mark.parametrize("number", ["02", "04", "07", "09", "10"])
async def test_a_recorded_stream_is_heard_live_as_it_is_read(number: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = recording(number)
        writer.write(raw[:28])
        assert await command(reader) == "auth sesam"
        for at in range(28, len(raw), 1000):
            writer.write(raw[at : at + 1000])
            await writer.drain()
        await finish(reader, writer)

    async with event_socket(script) as port:
        items = await listen(adapter(port))

    assert story(items) == story(sample(number))


async def test_a_wrong_password_is_permanent_and_says_where_to_look() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = recording("11")
        writer.write(raw[:28])
        await command(reader)
        writer.write(raw[28:])

    async with event_socket(script) as port:
        with pytest.raises(AdapterError, match=r"refused the password.*event_socket\.conf\.xml") as refused:
            async with adapter(port).connect():
                pass

    assert refused.value.permanent


@pytest.mark.parametrize("password", ["ClueCon", "", "  ", "se\nsam"])
async def test_the_password_that_everybody_knows_is_refused_before_anything_is_sent(password: str) -> None:
    with pytest.raises(AdapterError, match="password") as refused:
        async with adapter(1, password=password).connect():
            pass

    assert refused.value.permanent
    assert not password.strip() or "sam" in password or "whoever knows it may do anything" in str(refused.value)


async def test_the_password_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KC_ESL_PASSWORD", "sesam")

    async with event_socket(greet) as port:
        items = await listen(adapter(port, password="", password_env="KC_ESL_PASSWORD"))
        with pytest.raises(AdapterError, match="KC_NOWHERE is not set"):
            async with adapter(port, password_env="KC_NOWHERE").connect():
                pass

    assert len(only(SourceConnected, items)) == 1


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n", "apply-inbound-acl"),
        (b"220 mail.example.com ESMTP ready\n\n", "no FreeSWITCH event socket"),
        (b"Content-Type: text/html\n\n", "no FreeSWITCH event socket"),
    ],
)
async def test_a_server_that_is_none_or_wants_nobody_is_permanent(greeting: bytes, words: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()

    async with event_socket(script) as port:
        with pytest.raises(AdapterError, match=words) as refused:
            async with adapter(port).connect():
                pass

    assert refused.value.permanent


async def test_a_switch_that_is_down_or_closes_may_come_back() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Content-Type: auth/request\n\n")

    async with event_socket(script) as port:
        with pytest.raises(AdapterError, match="closed the connection at login") as closed:
            async with adapter(port).connect():
                pass
    with pytest.raises(AdapterError, match="cannot be reached") as down:
        async with adapter(port).connect():
            pass

    assert not down.value.permanent and not closed.value.permanent


async def test_a_switch_that_says_nothing_is_given_up_in_time() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with event_socket(script) as port:
        with pytest.raises(AdapterError, match=r"did not answer in 0\.1 s"):
            async with adapter(port, connect_seconds=0.1).connect():
                pass


async def test_a_switch_without_heartbeats_is_dead() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.read()

    async with event_socket(script) as port:
        await listen(adapter(port, heartbeat_seconds=0.1), r"silent for 0\.25 s")


async def test_a_switch_that_beats_and_answers_no_question_is_no_source() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        for at in range(1, 100):
            writer.write(beat(at / 10, 60_000 + at * 100))
            await SystemClock().sleep(0.02)

    async with event_socket(script) as port:
        await listen(adapter(port, heartbeat_seconds=0.1), r"has not answered for 0\.25 s")


async def test_a_switch_without_mod_callcenter_says_so() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while True:
            asked_for = await command(reader)
            missing = answer("-ERR callcenter_config Command not found!\n")
            writer.write(missing if "callcenter_config" in asked_for else ANSWERS[asked_for])

    async with event_socket(script) as port:
        items = await listen(adapter(port), "no mod_callcenter")

    assert ("command_failed", "") in rejections(items)


async def test_lists_are_asked_for_again_now_and_then() -> None:
    commands: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while commands.count(QUEUES) < 3 or commands.count(wire.TIERS) < 2:
            commands.append(await command(reader))
            writer.write(ANSWERS[commands[-1]])

    async with event_socket(script) as port:
        await listen(adapter(port, snapshot_seconds=0.01, tier_seconds=0.03, heartbeat_seconds=0.02), "closed|silent")

    assert commands.count(MEMBERS_OF + "kundcenter@lab") >= 2


def nowhere() -> Line:
    """A line that leads to no switch."""
    return Line(Place(name="nobody", host="127.0.0.1", port=1), SystemClock())


def test_nothing_but_the_harmless_commands_can_be_sent() -> None:
    session = EslDialogue(nowhere(), Settings(), SystemClock(), translator())

    for forbidden in (
        *("api originate user/1 &park", "api callcenter_config queue unload a", "api callcenter_config agent del a"),
        *(
            "api callcenter_config agent set status a 'On Break'",
            "api callcenter_config tier del a b",
            "api fsctl shutdown",
        ),
        *(
            "bgapi status",
            "api status && fsctl shutdown",
            "sendmsg 1",
            "sendevent X",
            "event plain ALL",
            "shutdown",
            "",
        ),
        *("nolinger", "api callcenter_config queue list members", "userauth a:b", "api uuid_kill x", "log 7"),
    ):
        with pytest.raises(ValueError, match="never sends"):
            session.send(forbidden)
    for smuggled in ("auth a\n\napi fsctl shutdown", "exit\n", MEMBERS_OF + "a\n\nexit", MEMBERS_OF + "a\rb"):
        with pytest.raises(ValueError, match="line break"):
            session.send(smuggled)
    for allowed in ("auth sesam", "filter Event-Name HEARTBEAT", "event plain HEARTBEAT", "exit", *ANSWERS):
        session.send(allowed)


def test_only_one_line_of_the_adapter_can_write_to_the_socket() -> None:
    source = Path(wire.__file__).read_text(encoding="utf-8")

    assert source.count(".write(") == 1
    assert "writelines" not in source and "sendall" not in source


def test_a_phone_that_rang_beside_the_one_picked_up_stops_ringing_then() -> None:
    items = lines(
        told("member-queue-start"),
        told("agent-offering", 1, CC_Agent="a1"),
        told("agent-offering", 1, CC_Agent="a2"),
        told("bridge-agent-start", 5, CC_Agent="a1"),
        told("bridge-agent-fail", 5.2, CC_Agent="a2", CC_Hangup_Cause="LOSE_RACE"),
    )

    rings = [item for item in items if isinstance(item, CallRingEnded)]
    assert [(ring.agent_id, ring.result, ring.ring_ms) for ring in rings] == [
        ("kc:a1", RingResult.ANSWERED, 4_000),
        ("kc:a2", RingResult.CANCELLED, 4_000),
    ]


@pytest.mark.parametrize("apart", [0.0, 0.1])
@pytest.mark.parametrize("doubled", [START, OFFER, BRIDGE, UNBRIDGE, END])
def test_an_event_that_comes_twice_makes_no_second_ring_answer_or_call(doubled: str, apart: float) -> None:
    said = [(START, 0.0, {}), (OFFER, 1.0, ETT), (BRIDGE, 5.0, ETT), (UNBRIDGE, 9.0, ETT)]
    said.append((END, 9.0, {"CC_Cause": "Terminated"}))
    frames = []
    for action, at, more in said:
        frames += [told(action, at, **more)] + [told(action, at + apart, **more)] * (action == doubled)
    items = lines(*frames, closed=True)

    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.talk_ms, visit.rings) == (Outcome.ANSWERED, 5_000, 4_000, 1)
    assert [ring.result for ring in only(CallRingEnded, items)] == [RingResult.ANSWERED]


def test_who_gives_up_after_a_phone_was_picked_up_in_vain_was_never_answered() -> None:
    items = lines(
        told("member-queue-start"),
        told("agent-offering", 1, CC_Agent="a1"),
        told("bridge-agent-start", 5, CC_Agent="a1"),
        told("bridge-agent-end", 7, CC_Agent="a1", CC_Agent_Bridged="false"),
        told("member-queue-end", 9, CC_Cause="Cancel", CC_Cancel_Reason="BREAK_OUT", Answer_State="hangup"),
    )

    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.agent_id) == (Outcome.ABANDONED, 9_000, None)


@pytest.mark.parametrize("then", ["abandoned", "answered"])
@pytest.mark.parametrize("failed_at", [5, 9])
def test_a_phone_picked_up_before_the_connection_was_lost_and_never_connected_answered_nobody(
    then: str, failed_at: float
) -> None:
    offered = told("member-queue-start"), told("agent-offering", 1, CC_Agent="a1")
    before = lines(*offered, told("bridge-agent-start", 5, CC_Agent="a1"), closed=True)
    after = [told("bridge-agent-end", failed_at, CC_Agent="a1", CC_Agent_Bridged="false")]
    if then == "abandoned":
        after += [told("member-queue-end", 400, CC_Cause="Cancel", CC_Cancel_Reason="BREAK_OUT", Answer_State="hangup")]
    else:
        after += [told("agent-offering", 395, CC_Agent="a3"), told("bridge-agent-start", 400, CC_Agent="a3")]

    (visit,) = visits(before + lines(*after))
    assert (visit.outcome, visit.wait_ms, visit.rings) == (Outcome(then), 400_000, 1 + (then == "answered"))


def test_a_phone_that_is_picked_up_and_given_up_in_one_moment_answered_nobody() -> None:
    items = lines(
        told("member-queue-start"),
        told("agent-offering", 1, CC_Agent="a1"),
        told("bridge-agent-start", 5, CC_Agent="a1"),
        told("bridge-agent-end", 5, CC_Agent="a1", CC_Agent_Bridged="false"),
    )

    (visit,) = visits(items)
    assert (visit.outcome, visit.rings) == (Outcome.WAITING, 1)


@pytest.mark.parametrize("bridge_end", ["never told", "false", "False"])
@pytest.mark.parametrize(
    ("reason", "outcome"), [("BREAK_OUT", Outcome.ABANDONED), ("TIMEOUT", Outcome.TIMEOUT), ("NONE", Outcome.ABANDONED)]
)
def test_a_member_who_is_cancelled_after_a_phone_was_picked_up_was_never_served(
    bridge_end: str, reason: str, outcome: Outcome
) -> None:
    told_late = [told("bridge-agent-end", 5.2, CC_Agent="a1", CC_Agent_Bridged=bridge_end)]
    items = lines(
        told("member-queue-start"),
        told("agent-offering", 1, CC_Agent="a1"),
        told("bridge-agent-start", 5, CC_Agent="a1"),
        told("member-queue-end", 5.1, CC_Cause="Cancel", CC_Cancel_Reason=reason, Answer_State="hangup"),
        *(told_late if bridge_end != "never told" else []),
    )

    (visit,) = visits(items)
    assert (visit.outcome, visit.wait_ms, visit.talk_ms, visit.rings) == (outcome, 5_100, None, 1)


@pytest.mark.parametrize("name", [r"\ud83d", r"x\udc00", "a\tb", "a\nb"])
def test_a_callers_name_that_is_no_right_json_hides_no_call(name: str) -> None:
    started = json.dumps({"CC-Member-CID-Name": "NAME"} | _names_of(told("member-queue-start"))).replace("NAME", name)
    body = started.encode()

    (visit,) = visits(lines(b"Content-Length: %d\nContent-Type: text/event-json\n\n%b" % (len(body), body)))
    assert (visit.queue, visit.outcome) == ("kundcenter@lab", Outcome.WAITING)


def test_a_name_in_latin_1_beside_a_queue_in_utf_8_leaves_the_queue_its_name() -> None:
    inner = told("member-queue-start", CC_Queue="v\u00e4xel", CC_Member_CID_Name="NAME")
    frame = inner.replace(b"NAME", b"%C5", 1)

    (visit,) = visits(lines(_measured(frame)))
    assert visit.queue == "v\u00e4xel"


def _measured(frame: bytes) -> bytes:
    """The frame again, its length as it now is."""
    head, _, body = frame.partition(b"\n\n")
    return b"Content-Length: %d\n%b\n\n%b" % (len(body), head.partition(b"\n")[2], body)


def _names_of(frame: bytes) -> dict[str, str]:
    """The names and texts of an event, but the caller's name."""
    inner = frame.partition(b"\n\n")[2].decode()
    found = dict(line.split(": ", 1) for line in inner.splitlines() if ": " in line)
    return {name: unquote(text) for name, text in found.items() if name != "CC-Member-CID-Name"}
