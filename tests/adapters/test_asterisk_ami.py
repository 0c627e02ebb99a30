"""Callers in Asterisk's queues, as its manager interface tells of them."""

import asyncio
import csv
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asterisk_ami import Settings, Translator, build, recorded_pieces, wire
from adapters.asterisk_ami.messages import MAX_MESSAGE, timestamp
from adapters.asterisk_ami.wire import ALLOWED, AmiDialogue
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import (
    AgentActivity,
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
    LeftOutcome,
    OutcomeBasis,
    QueueSnapshot,
    SourceClock,
    SourceConnected,
    SourceRestarted,
    TimeBasis,
    TransferKind,
    encode,
)
from queue_monitor.model import Outcome
from queue_monitor.ports import AdapterError, Connection, Delivery
from queue_monitor.switch_session import Line, Place, SwitchAdapter
from tests.adapters.telling import ASTERISK, LONG_AGO, Items, heard, indexed, only, rejections, story, whole
from tests.examples import examples

CONNECTION = Connection(source="urn:kc:asterisk_ami:test", switch="kc", epoch="1")
SESSIONS = ("ami-00-small", "ami-01", "ami-02", "ami-03", "ami-04-notimestamps")


def translator(options: Settings | None = None) -> Translator:
    return Translator(CONNECTION, options or Settings())


def recording(number: str) -> bytes:
    return whole(next(ASTERISK.glob(f"{number}-*.ami")))


def sample(number: str, options: Settings | None = None) -> Items:
    return heard(translator(options), recorded_pieces(recording(number)))


def session(name: str) -> Items:
    return heard(translator(), indexed(name))


def message(event: str, at: str = "", /, **fields: str) -> bytes:
    stamp = {"Timestamp": f"1795434000.{at}"} if at else {}
    lines = {"Event": event, **stamp, **fields}
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n"


def caller(event: str, at: str = "", /, **fields: str) -> bytes:
    """A message about the caller with the leg 1.1 in kundcenter."""
    return message(event, at, Uniqueid="1.1", Linkedid="1.1", Queue="kundcenter", **fields)


def lines(*messages: bytes, options: Settings | None = None) -> Items:
    return heard(translator(options), [(one, LONG_AGO) for one in messages], closed=False)


# The recorded samples, caller by caller


def test_a_call_is_answered_and_the_agent_hangs_up() -> None:
    told = story(sample("01"))

    assert told == [
        "+0.0 0 entered kundcenter at place 1",
        "+0.0 0 rings agent ett",
        "+2.0 0 rang agent ett: answered 2004 ms",
        "+2.0 0 answered in kundcenter by agent ett, said 2000 ms",
        "+6.5 0 completed by agent, talk 4000 ms",
    ]


def test_a_call_is_answered_and_the_caller_hangs_up() -> None:
    told = story(sample("02"))

    assert told == [
        "+0.0 4 entered kundcenter at place 1",
        "+0.0 4 rings agent ett",
        "+2.0 4 rang agent ett: answered 2002 ms",
        "+2.0 4 answered in kundcenter by agent ett, said 2000 ms",
        "+8.5 4 completed by caller, talk 6000 ms",
    ]


def test_a_caller_is_rung_for_four_times_and_still_waits() -> None:
    told = story(sample("03"))

    assert told == [
        "+0.0 8 entered kundcenter at place 1",
        "+0.0 8 rings agent ett",
        "+4.0 8 rang agent ett: no_answer 4000 ms",
        "+5.0 8 rings agent ett",
        "+9.0 8 rang agent ett: no_answer 4000 ms",
        "+10.0 8 rings agent ett",
        "+14.0 8 rang agent ett: no_answer 4000 ms",
        "+15.0 8 rings agent ett",
    ]


def test_a_caller_who_hangs_up_while_a_phone_rings_has_abandoned() -> None:
    told = story(sample("04"))

    assert told == [
        "+0.0 18 entered kundcenter at place 2",
        "+0.0 18 rings agent ett",
        "+2.0 8 rang agent ett: no_answer 4000 ms",
        "+3.0 8 rings agent ett",
        "+3.5 18 rang agent ett: cancelled 3504 ms (derived)",
        "+3.5 18 left kundcenter: abandoned (stated), said 3000 ms",
        "+7.0 8 rang agent ett: no_answer 4000 ms",
    ]


def test_a_timeout_in_one_queue_is_no_abandon_and_the_next_queue_answers() -> None:
    told = story(sample("05"))

    assert told == [
        "+0.0 26 entered kundcenter at place 2",
        "+0.0 26 rings agent ett",
        "+3.0 26 rang agent ett: no_answer 3000 ms",
        "+3.0 26 left kundcenter: timeout (stated), said 3000 ms",
        "+3.0 26 entered bygglov at place 1",
        "+3.0 26 rings agent tre",
        "+3.0 8 rang agent ett: no_answer 4000 ms",
        "+4.0 26 rang agent tre: answered 1001 ms",
        "+4.0 26 answered in bygglov by agent tre, said 1000 ms",
        "+4.0 8 rings agent ett",
        "+4.5 8 rang agent ett: cancelled 499 ms (derived)",
        "+4.5 8 left kundcenter: abandoned (stated), said 30000 ms",
        "+7.5 26 completed by agent, talk 3000 ms",
    ]


def test_the_same_leg_waits_twice_in_one_queue_and_times_out_twice() -> None:
    told = story(sample("06"))

    assert told == [
        "+0.0 34 entered full at place 1",
        "+0.0 34 rings agent nio",
        "+2.0 34 rang agent nio: no_answer 2000 ms",
        "+2.0 34 left full: timeout (stated), said 2000 ms",
        "+2.0 34 entered full at place 1",
        "+2.0 34 rings agent nio",
        "+4.0 34 rang agent nio: no_answer 2000 ms",
        "+4.0 34 left full: timeout (stated), said 2000 ms",
    ]


def test_a_caller_who_presses_a_key_only_leaves() -> None:
    told = story(sample("07"))

    assert told == [
        "+0.0 40 entered kundcenter at place 1",
        "+0.0 40 rings agent ett",
        "+3.7 40 rang agent ett: cancelled 3704 ms (derived)",
        "+3.7 40 left kundcenter: exit_key (inferred), said ? ms",
    ]


def test_a_transfer_to_another_queue_is_a_second_visit_of_the_same_call() -> None:
    told = story(sample("08"))

    assert told == [
        "+0.0 44 entered kundcenter at place 1",
        "+0.0 44 rings agent ett",
        "+2.0 44 rang agent ett: answered 2002 ms",
        "+2.0 44 answered in kundcenter by agent ett, said 2000 ms",
        "+5.0 44 transferred blind by agent ett",
        "+5.0 44 completed by transfer, talk 3000 ms",
        "+5.0 44 entered bygglov at place 1",
        "+5.0 44 rings agent tre",
        "+6.0 44 rang agent tre: answered 1002 ms",
        "+6.0 44 answered in bygglov by agent tre, said 1000 ms",
        "+9.5 44 completed by agent, talk 4000 ms",
    ]


def test_two_callers_ring_at_one_agent_and_both_give_up() -> None:
    told = story(sample("09"))

    assert told == [
        "+0.0 52 entered kundcenter at place 1",
        "+0.0 52 rings agent ett",
        "+0.0 50 entered kundcenter at place 2",
        "+0.0 50 rings agent ett",
        "+4.0 50 rang agent ett: no_answer 4000 ms",
        "+4.0 52 rang agent ett: no_answer 4000 ms",
        "+5.0 52 rings agent ett",
        "+5.0 50 rings agent ett",
        "+6.5 52 rang agent ett: cancelled 1502 ms (derived)",
        "+6.5 50 rang agent ett: cancelled 1503 ms (derived)",
        "+6.5 52 left kundcenter: abandoned (stated), said 7000 ms",
        "+6.5 50 left kundcenter: abandoned (stated), said 7000 ms",
    ]


def test_a_queue_that_everybody_left_lets_its_caller_go() -> None:
    told = story(sample("11"))

    assert told == [
        "+0.0 62 entered tomko at place 1",
        "+0.0 62 rings agent fyra",
        "+15.0 62 rang agent fyra: no_answer 15000 ms",
        "+15.0 62 left tomko: no_agents (stated), said 15000 ms",
    ]


def test_a_caller_is_turned_away_when_nobody_is_logged_on() -> None:
    told = story(sample("12"))

    assert told == [
        "+0.0 66 refused by unknown: no_agents",
    ]


def test_a_caller_is_turned_away_from_a_full_queue() -> None:
    told = story(sample("13"))

    assert told == [
        "+0.0 68 entered full at place 1",
        "+0.0 68 rings agent nio",
        "+1.0 72 refused by unknown: full",
        "+2.0 68 rang agent nio: no_answer 2000 ms",
        "+6.5 68 left full: abandoned (stated), said 7000 ms",
    ]


def test_a_caller_taken_out_by_a_system_is_withdrawn() -> None:
    told = story(sample("14"))

    assert told == [
        "+0.0 74 entered kundcenter at place 1",
        "+0.0 74 rings agent ett",
        "+4.0 74 rang agent ett: no_answer 4000 ms",
        "+5.0 74 left kundcenter: withdrawn (stated), said 5000 ms",
    ]


def test_the_end_of_a_call_never_seen_is_told_with_what_the_switch_reports() -> None:
    told = story(sample("15"))

    assert told == [
        "+0.0 78 completed by agent, talk 7000 ms",
    ]


def test_an_account_with_two_read_classes_still_follows_a_call() -> None:
    told = story(sample("16"))

    assert told == [
        "+0.0 82 entered kundcenter at place 1",
        "+0.0 82 rings agent ett",
        "+2.0 82 rang agent ett: answered 2003 ms",
        "+2.0 82 answered in kundcenter by agent ett, said 2000 ms",
        "+6.5 82 completed by caller, talk 4000 ms",
    ]


def test_a_timeout_is_never_an_abandon() -> None:
    outcomes = [left.outcome for number in ("05", "06", "11", "14") for left in only(CallLeft, sample(number))]

    assert outcomes.count(LeftOutcome.ABANDONED) == 1  # in 05, the caller of 03 who gives up after 30 s


def test_the_same_leg_in_two_queues_is_one_contact_with_two_visits() -> None:
    entered = only(CallEntered, sample("05"))

    assert len({one.visit_id for one in entered}) == 2
    assert {one.contact_id for one in entered} == {"kc:kc-lab-1795433841.26"}
    assert [one.visit_id for one in entered] == [
        "kc:kc-lab-1795433841.26@1795433841269",
        "kc:kc-lab-1795433841.26@1795433844273",
    ]


def test_an_unseen_visit_is_placed_by_queue_and_leg() -> None:
    (completed,) = only(CallCompleted, sample("15"))

    assert completed.queue == "kundcenter"
    assert completed.leg_id == "kc:kc-lab-1795434030.78"
    assert completed.wait_ms_reported == 2000
    assert "@~" in completed.visit_id


def test_the_snapshot_shows_both_who_wait_as_the_visits_already_known() -> None:
    items = sample("09")
    entered = [one.visit_id for one in only(CallEntered, items)]

    (snapshot,) = [one for one in only(QueueSnapshot, items) if one.waiting]

    assert snapshot.queue == "kundcenter"
    assert [(one.visit_id, one.position, one.waited_ms) for one in snapshot.waiting] == [
        (entered[0], 1, 3000),
        (entered[1], 2, 3000),
    ]
    assert [(agent.agent_id, agent.state) for agent in snapshot.agents] == [
        ("kc:agent ett", AgentActivity.BUSY),
        ("kc:agent tva", AgentActivity.AVAILABLE),
    ]
    assert snapshot.counters["Completed"] == "3"
    assert snapshot.complete and not snapshot.live


def test_agents_pause_come_and_go() -> None:
    told = story(sample("10"), AgentState, AgentMember)

    assert told == [
        "+0.0 agent ett is paused Rast in ('kundcenter',)",
        "+0.3 agent ett is available in ('kundcenter',)",
        "+0.6 agent tva is paused Lunch in ('kundcenter',)",
        "+0.9 agent tva is available in ('kundcenter',)",
        "+1.2 agent tva added bygglov level 2",
        "+1.2 agent tva is available in ('bygglov',)",
        "+1.5 agent tva changed bygglov level 1",
        "+1.8 agent tva removed bygglov level 1",
    ]


def test_missing_read_classes_are_said_once() -> None:
    items = sample("16")

    assert rejections(items) == [("missing_read_classes", "dialplan, system")]
    assert [one.reason for one in only(SourceConnected, items)] == [
        "logged in; no FullyBooted: the account lacks the read class system"
    ]


def test_an_account_that_lacks_the_class_system_alone_is_told_so_once() -> None:
    """Without it a restart is not announced: the callers whom one cuts off would be missed in silence."""
    booted = re.compile(rb"Event: FullyBooted\r\n.*?\r\n\r\n", re.DOTALL)
    items = heard(translator(), ((booted.sub(b"", piece), at) for piece, at in indexed("ami-00-small")))

    assert rejections(items) == [("missing_read_classes", "system")]


def test_a_sufficient_account_is_not_blamed() -> None:
    full = {
        number: rejections(sample(number)) for number in ("01", "02", "04", "05", "06", "08", "09", "11", "14", "15")
    }

    assert not any(full.values()), full


def test_a_refused_login_is_counted_and_connects_nothing() -> None:
    items = sample("17")

    assert rejections(items) == [("login_refused", "Authentication failed")]
    assert only(SourceConnected, items) == []


def test_an_orderly_stop_ends_every_call() -> None:
    (restarted,) = only(SourceRestarted, sample("18"))

    assert restarted.switch_time == datetime(2026, 11, 23, 11, 52, 5, 906057, tzinfo=UTC)


def test_the_connection_says_its_version_and_when_the_switch_started() -> None:
    stream = recording("18")
    (connected,) = only(SourceConnected, heard(translator(), [(stream, LONG_AGO)]))

    assert connected.version == "11.0.0"
    assert connected.switch_started_at == LONG_AGO - timedelta(seconds=980)


def test_a_refused_caller_is_placed_by_the_number_dialled() -> None:
    told = only(CallRefused, sample("12", Settings(dialled_queues={"tomko": "Tomkö"})))

    assert [(one.queue, one.reason) for one in told] == [("Tomkö", "no_agents")]


# Five long recordings against the truth, told by the callers' own phones


OURS = {
    "answered": "answered",
    "abandoned": "abandoned",
    "abandoned_ringing": "abandoned",
    "exit_timeout": "timeout",
    "exit_key": "exit_key",
    "exit_empty": "no_agents",
    "withdrawn": "withdrawn",
    "lost_restart": "lost",
}
Row = dict[str, str]
TRUTH: list[Row] = list(csv.DictReader((ASTERISK / "truth.csv").read_text(encoding="utf-8").splitlines()))


End = CallAnswered | CallLeft


def leavers(items: Items) -> list[End]:
    """Everybody whose wait ended."""
    return [*only(CallAnswered, items), *only(CallLeft, items)]


def true_row(end: End) -> Row:
    """The row of the visit that ended then."""
    (row,) = [
        row
        for row in TRUTH
        if f"kc:{row['uniqueid']}" == end.leg_id
        and row["queue"] == end.queue
        and abs(float(row["left_queue_epoch"]) - end.at.timestamp()) < 1.0
    ]
    return row


@pytest.fixture(scope="module")
def sessions() -> dict[str, Items]:
    return {name: session(name) for name in SESSIONS}


@pytest.mark.parametrize("name", SESSIONS)
def test_every_caller_leaves_as_the_phones_say(sessions: dict[str, Items], name: str) -> None:
    ends = leavers(sessions[name])

    told = [end.outcome if isinstance(end, CallLeft) else "answered" for end in ends]

    assert told == [OURS[true_row(end)["outcome"]] for end in ends]
    assert len({end.visit_id for end in ends}) == len(ends)


def test_as_many_leave_each_way_as_there_are_in_the_truth_of_those_minutes(sessions: dict[str, Items]) -> None:
    ends = [end for items in sessions.values() for end in leavers(items)]

    assert Counter(end.outcome if isinstance(end, CallLeft) else "answered" for end in ends) == {
        "answered": 132,
        "lost": 46,
        "abandoned": 41,
        "timeout": 14,
        "exit_key": 9,
        "no_agents": 2,
        "withdrawn": 1,
    }
    assert [len(only(CallRefused, items)) for items in sessions.values()] == [0, 0, 3, 0, 0]


def test_waits_agree_with_the_phones_within_50_ms_and_a_quarter_of_a_second_at_worst(
    sessions: dict[str, Items],
) -> None:
    entered = {one.visit_id: one for items in sessions.values() for one in only(CallEntered, items)}
    errors = []
    for items in sessions.values():
        for end in leavers(items):
            row = true_row(end)
            if end.visit_id in entered:
                wait = (end.at - entered[end.visit_id].at).total_seconds()
                errors.append(abs(wait - float(row["wait_s"])))

    errors.sort()
    assert len(errors) > 160
    assert errors[int(len(errors) * 0.95)] < 0.050
    assert errors[-1] < 0.250


def test_every_pressed_key_is_known_by_the_jump_it_makes(sessions: dict[str, Items]) -> None:
    keys = [
        left.key
        for items in sessions.values()
        for left in only(CallLeft, items)
        if left.outcome is LeftOutcome.EXIT_KEY
    ]

    assert Counter(keys) == {"1": 7, "2": 2}


def test_a_phone_that_answers_in_the_very_moment_of_the_timeout_has_not_answered(sessions: dict[str, Items]) -> None:
    leg = "kc:1795435569.217"  # A0091 of the truth

    assert [one.outcome for one in only(CallLeft, sessions["ami-02"]) if one.leg_id == leg] == [LeftOutcome.TIMEOUT]
    assert [one for one in only(CallAnswered, sessions["ami-02"]) if one.leg_id == leg] == []


def test_callers_cut_off_by_a_restart_are_lost_before_the_switch_says_so(sessions: dict[str, Items]) -> None:
    items = sessions["ami-02"]
    lost = [one for one in only(CallLeft, items) if one.outcome is LeftOutcome.LOST]

    assert len(lost) == 46
    assert all(one.outcome_basis is OutcomeBasis.INFERRED for one in lost)
    assert items.index(lost[-1]) < items.index(only(SourceRestarted, items)[0])


@pytest.mark.parametrize("name", SESSIONS)
def test_every_ring_ends_exactly_once(sessions: dict[str, Items], name: str) -> None:
    began = Counter(one.ring_id for one in only(CallRinging, sessions[name]))
    ended = Counter(one.ring_id for one in only(CallRingEnded, sessions[name]))

    # ami-01 was cut in mid-call: one phone still rang.
    assert len(began - ended) == (1 if name == "ami-01" else 0)
    assert max(ended.values()) == 1


def test_transfers_are_found_also_when_the_far_half_of_a_local_channel_is_moved(sessions: dict[str, Items]) -> None:
    kinds = Counter(one.kind for items in sessions.values() for one in only(CallTransferred, items))

    assert kinds == {TransferKind.BLIND: 14, TransferKind.ATTENDED: 11}


def test_without_timestamps_the_arrival_is_the_time_and_says_so(sessions: dict[str, Items]) -> None:
    entered = only(CallEntered, sessions["ami-04-notimestamps"])

    assert {(one.switch_time, one.time_basis, one.time_precision_ms) for one in entered} == {
        (None, TimeBasis.MONITOR, 10)
    }


def test_callers_waiting_at_attach_keep_one_visit_from_the_snapshot_on(sessions: dict[str, Items]) -> None:
    items = sessions["ami-02"]
    first = next(one for one in only(QueueSnapshot, items) if one.waiting)
    listed = {one.visit_id for one in first.waiting}
    seen = {one.visit_id for one in only(CallEntered, items)}

    ended = {one.visit_id for one in leavers(items)}

    assert len(listed) == 30
    assert listed <= ended and not listed & seen


@pytest.mark.parametrize("name", SESSIONS)
def test_no_number_of_any_caller_is_told(sessions: dict[str, Items], name: str) -> None:
    numbers = {row["caller"].removeprefix("+46").lstrip("0") for row in TRUTH} - {"", "anonymous"}
    shown = b"\n".join(encode(item) for item in sessions[name] if isinstance(item, Event)).decode()

    assert len(numbers) > 100
    assert not [number for number in numbers if re.search(rf"(?<![\d.@]){number}|0{number}|46{number}", shown)]


@pytest.mark.parametrize("name", SESSIONS)
def test_no_two_events_of_a_connection_share_an_id(sessions: dict[str, Items], name: str) -> None:
    ids = [item.id for item in sessions[name] if isinstance(item, Event)]

    assert len(set(ids)) == len(ids)


def test_memory_is_empty_when_the_callers_are_gone() -> None:
    one = translator()

    heard(one, indexed("ami-00-small"))

    assert one.remembered == 0


# What makes a caller's end known, and what does not


JOIN = caller("QueueCallerJoin", "000000", Position="1", Count="1", CallerIDNum="anonymous")
ABANDON = caller("QueueCallerAbandon", "900000", HoldTime="1")
LEAVE = caller("QueueCallerLeave", "900100")
HANGUP = message("Hangup", "900300", Uniqueid="1.1")
DIALPLAN = message("VarSet", "000001", Uniqueid="9.9", Variable="X", Value="1")


def status(value: str, at: str = "900200") -> bytes:
    return message("VarSet", at, Uniqueid="1.1", Linkedid="1.1", Variable="QUEUESTATUS", Value=value)


def step(extension: str) -> bytes:
    return message("Newexten", "900200", Uniqueid="1.1", Context="x", Exten=extension, Priority="1", Application="Wait")


def ends(items: Items) -> list[tuple[str, str]]:
    return [(one.outcome, one.outcome_basis) for one in only(CallLeft, items)]


IN_QUEUE = {"Context": "callers", "Exten": "kundcenter"}
AT_1, AT_2 = {**IN_QUEUE, "Priority": "1"}, {**IN_QUEUE, "Priority": "2"}
RUNG_AT_2 = caller("AgentCalled", "5", DestUniqueid="1.2", MemberName="Bo", Interface="Local/1@agents", **AT_2)
JOIN_AGAIN = caller("QueueCallerJoin", "950000", Position="1", Count="1")
ANOTHERS_RING = message("AgentCalled", "1", Uniqueid="9.1", DestUniqueid="9.2", Queue="q", MemberName="Bo")
JUMP = message("Newexten", "900000", Uniqueid="1.1", Context="x", Priority="0", Application="Queue", Extension="2")
LISTED = (
    message("QueueParams", Queue="kundcenter")
    + message("QueueEntry", Queue="kundcenter", Uniqueid="1.1", Position="1", Wait="3")
    + message("QueueStatusComplete")
)
QUEUE_STEP = {"Application": "Queue", "AppData": "kundcenter"}
SENT_ELSEWHERE = message(
    *("Newexten", "890000"), Uniqueid="1.1", Context="internal", Exten="2001", Priority="1", **QUEUE_STEP
)
RUNG = caller("AgentCalled", "500000", DestUniqueid="1.2", MemberName="Bo", Interface="Local/1@agents", **IN_QUEUE)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ([DIALPLAN, ABANDON, LEAVE, HANGUP], ("unknown", "inferred")),
        ([DIALPLAN, RUNG, message("HangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, HANGUP], ("abandoned", "stated")),
        (
            [DIALPLAN, RUNG, caller("QueueCallerAbandon", "900000", **IN_QUEUE), LEAVE, HANGUP],
            ("abandoned", "inferred"),
        ),
        (
            [DIALPLAN, RUNG, caller("QueueCallerAbandon", "900000", Context="elsewhere", Exten="s"), LEAVE, HANGUP],
            ("transferred_out", "stated"),
        ),
        ([DIALPLAN, message("HangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, HANGUP], ("abandoned", "stated")),
        (
            [SENT_ELSEWHERE, DIALPLAN, message("HangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, HANGUP],
            ("abandoned", "stated"),
        ),
        ([LISTED, DIALPLAN, ABANDON, LEAVE, HANGUP], ("unknown", "inferred")),
        ([LISTED, DIALPLAN, SENT_ELSEWHERE, ABANDON, LEAVE, HANGUP], ("transferred_out", "stated")),
        (
            [LISTED, DIALPLAN, message("HangupRequest", Uniqueid="1.1"), SENT_ELSEWHERE, ABANDON, LEAVE, HANGUP],
            ("abandoned", "stated"),
        ),
    ],
)
def test_of_one_who_waited_before_we_came_only_a_ring_tells_whether_somebody_moved_the_call(
    stream: list[bytes], told: tuple[str, str]
) -> None:
    assert ends(lines(*stream)) == [told]


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ([message("HangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, HANGUP], ("abandoned", "stated")),
        ([message("SoftHangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, HANGUP], ("lost", "inferred")),
        ([ABANDON, LEAVE, status("TIMEOUT"), HANGUP], ("timeout", "stated")),
        ([ABANDON, LEAVE, status("LEAVEEMPTY"), HANGUP], ("no_agents", "stated")),
        ([ABANDON, LEAVE, status("LEAVEUNAVAIL"), HANGUP], ("no_agents", "stated")),
        ([ABANDON, LEAVE, status("WITHDRAW"), HANGUP], ("withdrawn", "stated")),
        ([message("HangupRequest", Uniqueid="1.1"), ABANDON, LEAVE, status("TIMEOUT"), HANGUP], ("timeout", "stated")),
        ([message("HangupRequest", Uniqueid="1.2"), ABANDON, LEAVE, HANGUP], ("system", "inferred")),
        ([DIALPLAN, ABANDON, LEAVE, HANGUP], ("abandoned", "inferred")),
        ([LEAVE, HANGUP], ("exit_key", "inferred")),
        # an answer looks the same where no event of an agent ever comes, but a key makes a step of the dialplan
        ([step("s"), LEAVE, HANGUP], ("unknown", "inferred")),
        ([step("s"), ANOTHERS_RING, LEAVE, HANGUP], ("exit_key", "inferred")),
        ([JUMP, LEAVE, step("s")], ("exit_key", "inferred")),
        ([step("s"), LEAVE, step("2")], ("exit_key", "inferred")),
        ([step("s"), LEAVE, step("t")], ("unknown", "inferred")),
        ([step("s"), LEAVE, message("HangupRequest", Uniqueid="1.1"), HANGUP], ("unknown", "inferred")),
        ([step("s"), LEAVE, message("SoftHangupRequest", Uniqueid="1.1"), HANGUP], ("unknown", "inferred")),
        # an account whose filter keeps the Abandon back
        ([message("HangupRequest", Uniqueid="1.1"), LEAVE, HANGUP], ("abandoned", "stated")),
        ([message("SoftHangupRequest", Uniqueid="1.1"), LEAVE, HANGUP], ("lost", "inferred")),
        ([DIALPLAN, ABANDON, LEAVE, JOIN_AGAIN], ("transferred_out", "stated")),
        ([DIALPLAN, message("Newchannel"), ABANDON, LEAVE, step("s")], ("transferred_out", "stated")),
        ([DIALPLAN, message("Newchannel"), ABANDON, LEAVE, step("h")], ("abandoned", "inferred")),
        ([message("Newchannel"), ABANDON, LEAVE, status("TIMEOUT"), step("s")], ("timeout", "stated")),
        (
            [DIALPLAN, RUNG_AT_2, caller("QueueCallerAbandon", "9", **AT_1), LEAVE, HANGUP],
            ("transferred_out", "stated"),
        ),
        ([DIALPLAN, RUNG_AT_2, caller("QueueCallerAbandon", "9", **AT_2), LEAVE, HANGUP], ("abandoned", "inferred")),
    ],
)
def test_what_comes_around_the_leave_decides(stream: list[bytes], told: tuple[str, str]) -> None:
    assert ends(lines(JOIN, *stream)) == [told]


def test_an_account_that_hears_nothing_of_agents_is_named_once() -> None:
    later = caller("QueueCallerJoin", "950000") + caller("QueueCallerLeave", "960000") + HANGUP
    items = lines(DIALPLAN, JOIN, step("s"), LEAVE, HANGUP, later)

    assert [reason for reason, _ in rejections(items)] == ["missing_agent_events"]


def test_a_leave_is_held_until_its_reason_comes() -> None:
    one = translator()
    before = heard(one, [(JOIN + ABANDON + LEAVE, LONG_AGO)], closed=False)

    after = list(one.flush(LONG_AGO + timedelta(seconds=4.9)))
    at_last = list(one.flush(LONG_AGO + timedelta(seconds=5)))

    assert ends(before) == ends(after) == []
    assert ends(at_last) == [("system", "inferred")]
    assert [left.at.microsecond for left in only(CallLeft, at_last)] == [900100]


def test_a_connection_cut_while_a_leave_is_held_leaves_the_end_unknown() -> None:
    assert ends(heard(translator(), [(JOIN + LEAVE, LONG_AGO)])) == [("unknown", "inferred")]


def test_a_late_reason_amends_what_was_a_guess() -> None:
    one = translator()
    heard(one, [(message("Newchannel") + JOIN + ABANDON + LEAVE, LONG_AGO)], closed=False)
    guess = list(one.flush(LONG_AGO + timedelta(seconds=6)))
    amended = list(one.feed(status("TIMEOUT"), LONG_AGO + timedelta(seconds=7)))

    assert (ends(guess), ends(amended)) == ([("system", "inferred")], [("timeout", "stated")])
    assert only(CallLeft, guess)[0].id != only(CallLeft, amended)[0].id


def test_an_agent_greeted_for_long_has_answered_all_the_same() -> None:
    one = translator()
    heard(one, [(JOIN + LEAVE, LONG_AGO)], closed=False)
    one.flush(LONG_AGO + timedelta(seconds=6))
    connect = caller("AgentConnect", "990000", DestUniqueid="1.2", MemberName="Anna", HoldTime="1", RingTime="0")

    (answered,) = only(CallAnswered, list(one.feed(connect, LONG_AGO + timedelta(seconds=7))))

    assert answered.visit_id == "kc:1.1@1795434000000"


def test_a_caller_whose_agent_is_greeted_for_long_waits_until_then() -> None:
    one = translator()
    one.feed(message("Newchannel") + JOIN + RUNG + LEAVE, LONG_AGO)
    greeted = [item for second in range(1, 20) for item in one.flush(LONG_AGO + timedelta(seconds=second))]
    hangs_up = list(one.feed(message("HangupRequest", "990000", Uniqueid="1.1"), LONG_AGO + timedelta(seconds=20)))

    assert (only(CallLeft, greeted), ends(hangs_up)) == ([], [("abandoned", "stated")])


def test_who_hangs_up_while_the_agent_hears_an_announcement_waits_until_then() -> None:
    late = caller("QueueCallerAbandon", "960000", HoldTime="1"), caller("QueueCallerLeave", "960100")
    told = lines(DIALPLAN, JOIN, RUNG, message("HangupRequest", "520000", Uniqueid="1.1"), *late, HANGUP)

    assert ends(told) == [("abandoned", "stated")]
    assert [f"{one.at:%S.%f}" for one in only(CallLeft, told)] == ["00.520000"]


def test_who_hangs_up_in_a_greeting_that_began_before_the_connection_was_not_answered() -> None:
    connect = caller("AgentConnect", "990000", DestUniqueid="1.2", MemberName="Anna", HoldTime="9", RingTime="1")
    told = lines(DIALPLAN, message("HangupRequest", "520000", Uniqueid="1.1"), connect)

    assert ends(told) == [("abandoned", "stated")]
    assert [f"{one.at:%S.%f}" for one in only(CallLeft, told)] == ["00.520000"]


def test_nor_does_one_wait_whose_agents_phone_has_hung_up_meanwhile() -> None:
    one = translator()
    one.feed(message("Newchannel") + JOIN + RUNG + LEAVE, LONG_AGO)
    one.feed(message("Hangup", "990000", Uniqueid="1.2"), LONG_AGO + timedelta(seconds=6))

    assert ends(list(one.flush(LONG_AGO + timedelta(seconds=11)))) == [("exit_key", "inferred")]


def test_the_winner_of_a_ringing_race_answers_and_the_others_are_cancelled() -> None:
    called = [caller("AgentCalled", "1", DestUniqueid=f"2.{n}", MemberName=f"Agent {n}") for n in (1, 2)]
    connect = caller("AgentConnect", "901000", DestUniqueid="2.2", MemberName="Agent 2", HoldTime="1")

    rings = only(CallRingEnded, lines(JOIN, *called, LEAVE, connect))

    assert [(one.ring_id, one.result, one.time_basis) for one in rings] == [
        ("kc:2.2", "answered", TimeBasis.SWITCH),
        ("kc:2.1", "cancelled", TimeBasis.DERIVED),
    ]


def test_a_phone_that_refuses_at_once_was_busy() -> None:
    refused = caller("AgentRingNoAnswer", "5", DestUniqueid="2.1", MemberName="Anna", RingTime="0")

    assert [one.result for one in only(CallRingEnded, lines(JOIN, refused))] == ["busy"]


def test_a_refusal_is_counted_once_for_each_time_queue_runs() -> None:
    runs = message("Newexten", "1", Uniqueid="1.1", Application="Queue", AppData="Bygglov,tT,,,90", Priority="2")

    told = only(CallRefused, lines(runs, status("FULL", "2"), status("FULL", "3"), runs, status("JOINUNAVAIL", "4")))

    assert [(one.queue, one.reason) for one in told] == [("Bygglov", "full"), ("Bygglov", "no_agents")]


@pytest.mark.parametrize(
    ("asked", "queue"),
    [
        ("Växel (dag, kväll),tT,,,60", "Växel (dag, kväll)"),
        ('"Växel, dag",tT', "Växel, dag"),
        ("Växel\\, dag,tT", "Växel, dag"),
        ("Växel [a,b]", "Växel [a,b]"),
        ("Växel),tT", "Växel)"),
        ("", "unknown"),
    ],
)
def test_the_queue_of_a_refused_caller_is_read_as_asterisk_reads_it(asked: str, queue: str) -> None:
    runs = message("Newexten", "1", Uniqueid="1.1", Application="Queue", AppData=asked, Priority="2")

    assert [one.queue for one in only(CallRefused, lines(runs, status("FULL", "2")))] == [queue]


def test_two_joins_in_one_millisecond_are_two_visits() -> None:
    again = caller("QueueCallerJoin", "000400", Position="1")

    leaves = caller("QueueCallerLeave", "000100")

    entered = only(CallEntered, lines(message("Newchannel"), JOIN, leaves, status("TIMEOUT", "000200"), again))

    assert [one.visit_id for one in entered] == ["kc:1.1@1795434000000", "kc:1.1@1795434000000.2"]


def test_a_join_told_twice_is_one_visit() -> None:
    entered = only(CallEntered, lines(JOIN, JOIN))

    assert len({one.id for one in entered}) == 1


def test_a_queue_spelt_otherwise_is_the_same_queue() -> None:
    leave = message("QueueCallerLeave", "900100", Uniqueid="1.1", Queue="KUNDCENTER")

    items = lines(JOIN, leave, HANGUP)

    assert [one.visit_id for one in only(CallLeft, items)] == [only(CallEntered, items)[0].visit_id]


def test_a_withheld_number_is_told_as_withheld_and_no_number_ever_is() -> None:
    shown = caller("QueueCallerJoin", "000000", CallerIDNum="0701740605", Exten="0920453000")
    known = Settings(dialled_queues={"0920453000": "kundcenter"})

    hidden, plain = only(CallEntered, lines(JOIN) + lines(shown))
    (mapped,) = only(CallEntered, lines(shown, options=known))

    assert hidden.caller and hidden.caller.withheld
    assert plain.caller and not plain.caller.withheld
    assert (plain.dialled, mapped.dialled) == (None, "0920453000")


def test_wrapup_ends_by_itself() -> None:
    finished = message(
        *("QueueMemberStatus", "500000"),
        Queue="kundcenter",
        MemberName="Anna",
        Interface="PJSIP/1",
        Status="1",
        Paused="0",
        LastCall="1795433999",
        Wrapuptime="10",
    )
    one = translator()
    now = list(one.feed(finished, LONG_AGO))
    before = list(one.flush(LONG_AGO + timedelta(seconds=8)))
    after = list(one.flush(LONG_AGO + timedelta(seconds=9)))

    assert [[state.state for state in only(AgentState, items)] for items in (now, before, after)] == [
        [AgentActivity.WRAPUP],
        [],
        [AgentActivity.AVAILABLE],
    ]
    assert only(AgentState, after)[0].at == datetime.fromtimestamp(1795434009, UTC)


def test_an_agent_known_by_phone_is_called_by_name() -> None:
    added = message("QueueMemberAdded", "1", Queue="q", MemberName="Åsa|Ö", Interface="PJSIP/7", Status="1", Paused="0")
    called = caller("AgentCalled", "2", DestUniqueid="2.1", Interface="PJSIP/7")

    assert [one.agent_id for one in only(CallRinging, lines(added, JOIN, called))] == ["kc:åsa|ö"]


def test_a_caller_whose_line_ends_without_a_leave_is_not_waiting_for_ever() -> None:
    one = translator()
    one.feed(JOIN + HANGUP, LONG_AGO)

    assert ends(list(one.flush(LONG_AGO + timedelta(seconds=6)))) == [("unknown", "inferred")]
    assert one.remembered == 0


ANOTHER = {"Uniqueid": "2.2", "Linkedid": "2.2", "Queue": "kundcenter"}


@pytest.mark.parametrize("pause", [1, 7])
def test_who_takes_a_waiting_callers_place_is_one_caller_although_no_transfer_was_told(pause: int) -> None:
    rings = message("AgentCalled", "950000", DestUniqueid="2.3", MemberName="Bo", **ANOTHER)
    answers = message("AgentConnect", "990000", DestUniqueid="2.3", MemberName="Bo", HoldTime="1", **ANOTHER)
    one = translator()
    items = list(one.feed(JOIN + HANGUP, LONG_AGO)) + list(one.flush(LONG_AGO + timedelta(seconds=pause)))
    leaves = message("QueueCallerLeave", "980000", **ANOTHER)
    items += one.feed(rings + leaves + answers, LONG_AGO + timedelta(seconds=pause))

    ledger = Ledger()
    for event in items:
        if isinstance(event, Event):
            ledger.apply(event)
    (visit,) = ledger.visits()
    assert (visit.outcome, visit.wait_ms, visit.contact_id) == (Outcome.ANSWERED, 990, "kc:2.2")


def test_of_two_whose_place_it_may_be_nobody_is_taken_for_the_other() -> None:
    other = message("QueueCallerJoin", "000000", Uniqueid="1.9", Linkedid="1.9", Queue="kundcenter")
    gone = message("Hangup", "900300", Uniqueid="1.9")

    rings = message("AgentCalled", DestUniqueid="2.3", MemberName="Bo", **ANOTHER)
    (called,) = only(CallRinging, lines(JOIN, other, HANGUP, gone, rings))

    assert called.leg_id == "kc:2.2"


def test_an_answered_call_whose_end_is_never_told_ends_with_its_line() -> None:
    connect = caller("AgentConnect", "900200", DestUniqueid="1.2", MemberName="Anna")
    one = translator()
    one.feed(JOIN + LEAVE + connect + HANGUP, LONG_AGO)

    (completed,) = only(CallCompleted, list(one.flush(LONG_AGO + timedelta(seconds=6))))

    assert (completed.ended_by, completed.time_basis) == ("unknown", TimeBasis.DERIVED)


def test_a_completion_without_the_callers_id_is_the_agents_last_call() -> None:
    connect = caller("AgentConnect", "900200", DestUniqueid="1.2", MemberName="Anna")
    complete = message("AgentComplete", "950000", Queue="kundcenter", MemberName="Anna", TalkTime="3", Reason="caller")

    (completed,) = only(CallCompleted, lines(JOIN, LEAVE, connect, complete))

    assert completed.visit_id == "kc:1.1@1795434000000"


def test_a_list_that_never_completes_is_no_snapshot() -> None:
    listed = [message("QueueParams", Queue="q"), message("QueueEntry", Queue="q", Uniqueid="1.1", Wait="5")]

    assert only(QueueSnapshot, lines(*listed)) == []
    assert len(only(QueueSnapshot, lines(*listed, message("QueueStatusComplete")))) == 1


def test_a_caller_who_joins_or_leaves_while_the_list_is_read_is_put_right() -> None:
    listed = [message("QueueParams", Queue="kundcenter"), message("QueueEntry", Queue="kundcenter", Uniqueid="7.7")]
    leaves = message("QueueCallerLeave", "1", Uniqueid="7.7", Queue="kundcenter")

    (snapshot,) = only(QueueSnapshot, lines(*listed, JOIN, leaves, message("QueueStatusComplete")))

    assert [one.leg_id for one in snapshot.waiting] == ["kc:1.1"]


def test_a_caller_listed_in_another_queue_has_left_the_first() -> None:
    listed = [message("QueueParams", Queue="bygglov"), message("QueueEntry", Queue="bygglov", Uniqueid="1.1", Wait="5")]

    items = lines(JOIN, *listed, message("QueueStatusComplete"))

    assert ends(items) == [("unknown", "inferred")]
    assert [one.leg_id for snapshot in only(QueueSnapshot, items) for one in snapshot.waiting] == ["kc:1.1"]


def test_a_ping_tells_how_far_the_clocks_are_apart() -> None:
    one = translator()
    one.ping_sent("ping-1", datetime.fromtimestamp(1795434000, UTC))
    pong = b"Response: Success\r\nActionID: ping-1\r\nPing: Pong\r\nTimestamp: 1795434002.010000\r\n\r\n"

    (clock,) = only(SourceClock, list(one.feed(pong, datetime.fromtimestamp(1795434000.02, UTC))))

    assert (clock.offset_ms, clock.rtt_ms) == (2000.0, 20.0)


# Bytes


@pytest.mark.parametrize(
    ("bytes_in", "reason"),
    [
        (b"hello there\r\n\r\n", "not_a_message"),
        (b"x" * (MAX_MESSAGE + 1) + b"\r\n\r\n", "message_too_long"),
        (message("QueueCallerJoin", Queue="q"), "missing_field"),
        (message("QueueMemberStatus", Status="1"), "missing_field"),
        (message("QueueCallerJoin", Uniqueid="1.1", Queue="q", Timestamp="yesterday"), "bad_timestamp"),
        (b"Response: Error\r\nMessage: Permission denied\r\n\r\n", "action_refused"),
    ],
)
def test_what_cannot_be_understood_is_counted(bytes_in: bytes, reason: str) -> None:
    assert [found for found, _ in rejections(lines(bytes_in))] == [reason]


def test_an_account_that_may_not_ask_for_channels_is_told_of_nothing() -> None:
    refused = b"Response: Error\r\nActionID: coreshowchannels-2\r\nMessage: Permission denied\r\n\r\n"

    assert rejections(lines(refused)) == []


def test_a_call_with_a_bad_timestamp_still_counts() -> None:
    (entered,) = only(CallEntered, lines(message("QueueCallerJoin", Uniqueid="1.1", Queue="q", Timestamp="1e9")))

    assert (entered.switch_time, entered.time_basis) == (None, TimeBasis.MONITOR)


def test_garbage_without_end_does_not_fill_the_memory() -> None:
    one = translator()
    rejected = [item for _ in range(40) for item in one.feed(b"\x00" * 65536, LONG_AGO)]

    assert len(rejected) == 1
    assert len(only(CallEntered, list(one.feed(b"\r\n\r\n" + JOIN, LONG_AGO)))) == 1


def test_the_first_of_a_repeated_header_counts_and_blank_lines_do_not() -> None:
    twice = b"\r\n\r\n" + JOIN[:-2] + b"Uniqueid: 6.6\r\n\r\n"

    assert [one.leg_id for one in only(CallEntered, lines(twice))] == ["kc:1.1"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1795433788.261885", datetime(2026, 11, 23, 11, 36, 28, 261885, tzinfo=UTC)),
        ("1795433788.5", datetime(2026, 11, 23, 11, 36, 28, 500000, tzinfo=UTC)),
        ("1795433788", datetime(2026, 11, 23, 11, 36, 28, tzinfo=UTC)),
        ("", None),
        ("-1.0", None),
        ("99999999999999", None),
        ("١٢٣", None),
    ],
)
def test_timestamps_are_read_to_the_microsecond_or_not_at_all(text: str, read: datetime | None) -> None:
    assert timestamp(text) == read


SHORT = recording("04") + recording("07") + recording("12")
WHOLE = heard(translator(), [(SHORT, LONG_AGO)])


@given(st.lists(st.integers(0, len(SHORT)), max_size=12))
def test_the_cuts_of_the_network_make_no_difference(cuts: list[int]) -> None:
    edges = sorted({0, *cuts, len(SHORT)})

    assert heard(translator(), [(SHORT[a:b], LONG_AGO) for a, b in pairwise(edges)]) == WHOLE


def test_even_single_bytes_make_no_difference() -> None:
    assert heard(translator(), [(SHORT[n : n + 1], LONG_AGO) for n in range(len(SHORT))]) == WHOLE


@given(st.binary(max_size=400), st.integers(0, len(SHORT)))
@examples(200)
def test_nonsense_never_stops_the_translator(noise: bytes, place: int) -> None:
    one = translator()

    heard(one, [(SHORT[:place] + noise + SHORT[place:], LONG_AGO)])


PIECES = SHORT.split(b"\r\n")


@given(st.lists(st.sampled_from(PIECES), max_size=60), st.booleans())
@examples(200)
def test_headers_in_any_order_never_stop_the_translator(headers: list[bytes], blank: bool) -> None:
    one = translator()
    stream = (b"\r\n\r\n" if blank else b"\r\n").join(headers)

    heard(one, [(stream, LONG_AGO), (b"\r\n\r\n", LONG_AGO + timedelta(seconds=9))])


LIFE = (
    *("QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon", "AgentCalled", "AgentConnect", "AgentComplete"),
    *("AgentRingNoAnswer", "HangupRequest", "SoftHangupRequest", "Hangup", "VarSet", "Newexten", "QueueEntry"),
    *("BlindTransfer", "QueueStatusComplete", "QueueMemberStatus"),
)
Timestamp = tuple[str, str, str, str, float]
moments = st.tuples(
    st.sampled_from(LIFE),
    st.sampled_from(["1.1", "1.2"]),
    st.sampled_from(["kundcenter", "bygglov"]),
    st.sampled_from(["TIMEOUT", "FULL", "CONTINUE"]),
    st.sampled_from([0.0, 0.2, 6.0]),
)


@given(st.lists(moments, max_size=40))
def test_whatever_is_told_nobody_waits_on_when_every_line_has_ended(
    life: list[Timestamp],
) -> None:
    one, passed = translator(), 0.0
    items: Items = []
    for number, (what, unique, queue, value, later) in enumerate(life):
        passed += later
        told = {"Uniqueid": unique, "Queue": queue, "Variable": "QUEUESTATUS", "Value": value, "MemberName": "Anna"}
        told |= {"DestUniqueid": f"9.{number}", "Application": "Queue", "AppData": queue, "TransfereeUniqueid": unique}
        at = f"{1795434000 + passed + number / 1000:.6f}"
        items += one.feed(message(what, Timestamp=at, **told), LONG_AGO + timedelta(seconds=passed))
    hangups = message("Newchannel") + message("Hangup", Uniqueid="1.1") + message("Hangup", Uniqueid="1.2")
    items += one.feed(hangups, LONG_AGO + timedelta(seconds=passed))
    items += one.flush(LONG_AGO + timedelta(seconds=passed + 6))

    entered = {visit.visit_id for visit in only(CallEntered, items)}
    assert entered <= {end.visit_id for end in leavers(items)}


def test_who_is_answered_in_a_queue_that_nobody_saw_has_left_the_one_before() -> None:
    one = translator()
    items: Items = []
    for number, (what, queue) in enumerate(
        [("QueueCallerJoin", "bygglov"), ("QueueCallerLeave", "bygglov"), ("AgentConnect", "kundcenter")]
    ):
        told = {"Uniqueid": "1.2", "Queue": queue, "MemberName": "Anna", "DestUniqueid": "9.1"}
        items += one.feed(message(what, Timestamp=f"{1795434000 + number / 1000:.6f}", **told), LONG_AGO)
    items += one.flush(LONG_AGO + timedelta(seconds=6))

    answered = {answer.visit_id for answer in only(CallAnswered, items)}
    entered = {visit.queue: visit.visit_id for visit in only(CallEntered, items)}
    assert {end.visit_id for end in leavers(items)} == {entered["bygglov"], *answered}
    assert entered["bygglov"] not in answered


# The live connection, against a server that plays recorded bytes


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def asterisk(script: Script) -> AsyncIterator[int]:
    """A server on this machine; gives its port. Nobody else is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def action(reader: asyncio.StreamReader) -> dict[str, str]:
    block = (await reader.readuntil(b"\r\n\r\n")).decode()
    return dict(line.split(": ", 1) for line in block.strip().split("\r\n"))


def reply(to: dict[str, str], response: str = "Success", **fields: str) -> bytes:
    told = {"Response": response, "ActionID": to["ActionID"], **fields}
    return "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n"


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Banner and an MD5 login with the secret `sesam`."""
    writer.write(b"Asterisk Call Manager/11.0.0\r\n")
    asked = await action(reader)
    writer.write(reply(asked, Challenge="4711"))
    login = await action(reader)
    assert login["Key"] == hashlib.md5(b"4711sesam", usedforsecurity=False).hexdigest()
    assert "Secret" not in login
    writer.write(reply(login, Message="Authentication accepted"))
    writer.write(b"Event: FullyBooted\r\nUptime: 980\r\n\r\n")


def adapter(port: int, **options: object) -> SwitchAdapter:
    made = build("ami", "kc", Settings(port=port, **{"secret": "sesam", **options}), SystemClock())  # type: ignore[arg-type]
    assert isinstance(made, SwitchAdapter)
    return made


async def listen(to: SwitchAdapter) -> Items:
    """Everything it delivers until the switch goes away."""
    items: Items = []
    with pytest.raises(AdapterError, match="closed the connection"):
        async with to.connect() as deliveries:
            async for delivery in deliveries:
                assert isinstance(delivery, Delivery)
                items += delivery.items
    return items


async def test_a_recorded_session_is_heard_live_from_login_to_the_end() -> None:
    asked: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        asked.extend([(await action(reader))["Action"] for _ in range(3)])
        writer.write(recording("05").partition(b"Status: Fully Booted\r\n\r\n")[2])
        await writer.drain()

    async with asterisk(script) as port:
        items = await listen(adapter(port))

    assert asked == ["Ping", "CoreShowChannels", "QueueStatus"]
    assert story(items) == story(sample("05"))
    assert len(only(SourceConnected, items)) == 1


async def test_a_wrong_secret_is_permanent_and_says_where_to_look() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        writer.write(reply(await action(reader), "Error", Message="Authentication failed"))

    async with asterisk(script) as port:
        with pytest.raises(AdapterError, match=r"refused the account 'monitor'.*manager\.conf") as refused:
            async with adapter(port, challenge=False).connect():
                pass

    assert refused.value.permanent


async def test_a_server_that_is_no_manager_is_permanent() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP ready, please come in\r\n")
        await reader.read()

    async with asterisk(script) as port:
        with pytest.raises(AdapterError, match="no Asterisk manager") as refused:
            async with adapter(port).connect():
                pass

    assert refused.value.permanent


async def test_a_switch_that_is_down_may_come_back() -> None:
    async with asterisk(lambda reader, writer: asyncio.Event().wait()) as port:  # type: ignore[arg-type, return-value]
        pass
    with pytest.raises(AdapterError, match="cannot be reached") as down:
        async with adapter(port).connect():
            pass

    assert not down.value.permanent


async def test_a_switch_that_says_nothing_is_given_up_in_time() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with asterisk(script) as port:
        with pytest.raises(AdapterError, match=r"did not answer in 0\.1 s"):
            async with adapter(port, connect_seconds=0.1).connect():
                pass


async def test_a_switch_that_answers_no_ping_is_dead() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.read()

    async with asterisk(script) as port:
        with pytest.raises(AdapterError, match="has not answered 2 pings"):
            async with adapter(port, ping_seconds=0.1).connect() as deliveries:
                async for _ in deliveries:
                    pass


async def test_the_secret_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KC_AMI_SECRET", "sesam")

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)

    async with asterisk(script) as port:
        items = await listen(adapter(port, secret="", secret_env="KC_AMI_SECRET"))
        with pytest.raises(AdapterError, match="KC_NOWHERE is not set"):
            async with adapter(port, secret_env="KC_NOWHERE").connect():
                pass

    assert len(only(SourceConnected, items)) == 1


def nowhere() -> Line:
    """A line that leads to no switch."""
    return Line(Place(name="nobody", host="127.0.0.1", port=1), SystemClock())


def test_nothing_but_the_harmless_actions_can_be_sent() -> None:
    session_ = AmiDialogue(nowhere(), Settings(), SystemClock(), translator())

    for action_ in (
        "QueueWithdrawCaller",
        "QueueReset",
        "QueueReload",
        "QueueChangePriorityCaller",
        "Hangup",
        "Command",
    ):
        with pytest.raises(ValueError, match="never sends"):
            session_.send(action_)
    with pytest.raises(ValueError, match="line break"):
        session_.send("Ping", ActionID="1\r\n\r\nAction: Hangup")
    for action_ in ALLOWED:
        session_.send(action_)


class Written(Line):
    """A line that keeps the actions written to it."""

    def __init__(self) -> None:
        super().__init__(Place(name="nobody", host="127.0.0.1", port=1), SystemClock())
        self.actions: list[str] = []

    def write(self, raw: bytes) -> None:
        self.actions.append(raw.split(b"\r\n")[0].removeprefix(b"Action: ").decode())


@pytest.mark.parametrize("every", [2, 30])
def test_the_channels_are_asked_for_at_first_and_once_more_by_when_a_hang_up_is_over(every: float) -> None:
    clock, line = ManualClock(LONG_AGO), Written()
    session_ = AmiDialogue(line, Settings(snapshot_seconds=every), clock, translator())
    session_.translator._booted = True
    looks = []
    for _ in range(100):
        line.actions.clear()
        session_.translator._pings.clear()
        assert session_.ask() == ""
        if "QueueStatus" in line.actions:
            looks.append((clock.monotonic(), "CoreShowChannels" in line.actions))
        clock.advance_to(clock.now() + timedelta(seconds=1))

    assert looks[:3] == [(0, True), (min(4, every), True), (min(4, every) + every, False)]


def test_only_one_line_of_the_adapter_can_write_to_the_socket() -> None:
    source = Path(wire.__file__).read_text(encoding="utf-8")

    assert source.count(".write(") == 1
    assert "writelines" not in source and "sendall" not in source
