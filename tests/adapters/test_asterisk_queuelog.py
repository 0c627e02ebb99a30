"""Callers in Asterisk's queues, as queue_log tells of them afterwards."""

import asyncio
import csv
import os
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asterisk_queuelog import Settings, Translator, build, recorded_pieces
from queue_monitor.clock import ManualClock
from queue_monitor.events import (
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRingEnded,
    CallTransferred,
    Event,
    LeftOutcome,
    SourceConnected,
    SourceRestarted,
    TransferKind,
)
from queue_monitor.ports import AdapterError, Connection, Delivery, Receipt, Rejected
from tests.adapters.telling import ASTERISK, LONG_AGO, Items, heard, only, rejections, story, whole

CONNECTION = Connection(source="urn:kc:asterisk_queuelog:test", switch="kc", epoch="1")
START = 1795433788


def translator(options: Settings | None = None) -> Translator:
    return Translator(CONNECTION, options or Settings())


def log(name: str) -> Items:
    return heard(translator(), recorded_pieces(whole(ASTERISK / name)))


def lines(*told: str, options: Settings | None = None) -> Items:
    """Each line is `seconds|rest`."""
    text = "".join(f"{START + int(line.partition('|')[0])}|{line.partition('|')[2]}\n" for line in told)
    return heard(translator(options), [(text.encode(), LONG_AGO)])


ENTERS = "0|1.1|kundcenter|NONE|ENTERQUEUE||0701740605|3"


def test_the_whole_run_of_the_samples_as_the_log_has_it() -> None:
    told = story(log("queue_log.txt"))

    assert told == [
        "+0.0 0 entered kundcenter at place 1",
        "+2.0 0 rang agent ett: answered 2000 ms",
        "+2.0 0 answered in kundcenter by agent ett, said 2000 ms",
        "+6.0 0 completed by agent, talk 4000 ms",
        "+13.0 4 entered kundcenter at place 1",
        "+15.0 4 rang agent ett: answered 2000 ms",
        "+15.0 4 answered in kundcenter by agent ett, said 2000 ms",
        "+21.0 4 completed by caller, talk 6000 ms",
        "+27.0 8 entered kundcenter at place 1",
        "+31.0 8 rang agent ett: no_answer 4000 ms",
        "+36.0 8 rang agent ett: no_answer 4000 ms",
        "+41.0 8 rang agent ett: no_answer 4000 ms",
        "+44.0 18 entered kundcenter at place 2",
        "+46.0 8 rang agent ett: no_answer 4000 ms",
        "+47.0 18 rang agent ett: cancelled 3503 ms",
        "+47.0 18 left kundcenter: abandoned (stated), said 3000 ms",
        "+51.0 8 rang agent ett: no_answer 4000 ms",
        "+53.0 26 entered kundcenter at place 2",
        "+56.0 26 rang agent ett: no_answer 3000 ms",
        "+56.0 26 left kundcenter: timeout (stated), said 3000 ms",
        "+56.0 26 entered bygglov at place 1",
        "+56.0 8 rang agent ett: no_answer 4000 ms",
        "+57.0 26 rang agent tre: answered 1000 ms",
        "+57.0 26 answered in bygglov by agent tre, said 1000 ms",
        "+57.0 8 rang agent ett: cancelled 499 ms",
        "+57.0 8 left kundcenter: abandoned (stated), said 30000 ms",
        "+60.0 26 completed by agent, talk 3000 ms",
        "+70.0 34 entered full at place 1",
        "+72.0 34 rang agent nio: no_answer 2000 ms",
        "+72.0 34 left full: timeout (stated), said 2000 ms",
        "+72.0 34 entered full at place 1",
        "+74.0 34 rang agent nio: no_answer 2000 ms",
        "+74.0 34 left full: timeout (stated), said 2000 ms",
        "+83.0 40 entered kundcenter at place 1",
        "+86.0 40 rang agent ett: cancelled 3704 ms",
        "+86.0 40 left kundcenter: exit_key 1 (stated), said 3000 ms",
        "+149.0 44 entered kundcenter at place 1",
        "+151.0 44 rang agent ett: answered 2000 ms",
        "+151.0 44 answered in kundcenter by agent ett, said 2000 ms",
        "+154.0 44 transferred blind by agent ett",
        "+154.0 44 completed by transfer, talk 3000 ms",
        "+154.0 44 entered bygglov at place 1",
        "+155.0 44 rang agent tre: answered 1000 ms",
        "+155.0 44 answered in bygglov by agent tre, said 1000 ms",
        "+159.0 44 completed by agent, talk 4000 ms",
        "+166.0 52 entered kundcenter at place 1",
        "+166.0 50 entered kundcenter at place 2",
        "+170.0 50 rang agent ett: no_answer 4000 ms",
        "+170.0 52 rang agent ett: no_answer 4000 ms",
        "+173.0 52 rang agent ett: cancelled 1502 ms",
        "+173.0 50 rang agent ett: cancelled 1502 ms",
        "+173.0 52 left kundcenter: abandoned (stated), said 7000 ms",
        "+173.0 50 left kundcenter: abandoned (stated), said 7000 ms",
        "+185.0 62 entered tomko at place 1",
        "+200.0 62 rang agent fyra: no_answer 15000 ms",
        "+200.0 62 left tomko: no_agents (stated), said 15000 ms",
        "+216.0 68 entered full at place 1",
        "+218.0 68 rang agent nio: no_answer 2000 ms",
        "+223.0 68 left full: abandoned (stated), said 7000 ms",
        "+228.0 74 entered kundcenter at place 1",
        "+232.0 74 rang agent ett: no_answer 4000 ms",
        "+233.0 74 left kundcenter: callback (stated), said 5000 ms",
        "+242.0 78 entered kundcenter at place 1",
        "+244.0 78 rang agent ett: answered 2000 ms",
        "+244.0 78 answered in kundcenter by agent ett, said 2000 ms",
        "+251.0 78 completed by agent, talk 7000 ms",
        "+259.0 82 entered kundcenter at place 1",
        "+261.0 82 rang agent ett: answered 2000 ms",
        "+261.0 82 answered in kundcenter by agent ett, said 2000 ms",
        "+265.0 82 completed by caller, talk 4000 ms",
    ]


def test_every_caller_of_the_long_recording_leaves_as_the_phones_say() -> None:
    ours = {
        "answered": "answered",
        "abandoned": "abandoned",
        "abandoned_ringing": "abandoned",
        "exit_timeout": "timeout",
        "exit_key": "exit_key",
        "exit_empty": "no_agents",
        "withdrawn": "withdrawn",
        "lost_restart": "lost",
    }
    truth = csv.DictReader((ASTERISK / "truth.csv").read_text(encoding="utf-8").splitlines())
    expected = Counter((row["uniqueid"], row["queue"], ours[row["outcome"]]) for row in truth if row["outcome"] in ours)

    last: dict[str, CallAnswered | CallLeft] = {}
    for item in log("queue_log"):
        if isinstance(item, CallAnswered | CallLeft):
            last[item.visit_id] = item
    told = Counter(
        (end.leg_id.removeprefix("kc:"), end.queue, end.outcome if isinstance(end, CallLeft) else "answered")
        for end in last.values()
    )

    assert told == expected
    assert told.total() == 261


def test_everything_the_log_tells_is_old_and_whole_seconds() -> None:
    told = [item for item in log("queue_log") if isinstance(item, Event)]

    assert {(event.live, event.time_precision_ms) for event in told} == {(False, 1000)}
    assert len({event.id for event in told}) == len(told)


def test_those_who_abandon_just_before_a_restart_were_cut_off() -> None:
    items = lines(
        *("0|1.1|q|NONE|ENTERQUEUE|||1", "0|2.2|q|NONE|ENTERQUEUE|||2"),
        *("10|1.1|q|NONE|ABANDON|1|1|10", "14|2.2|q|NONE|ABANDON|1|2|14", "16|NONE|NONE|NONE|QUEUESTART|"),
    )

    told = [(one.leg_id, one.outcome, one.outcome_basis, one.at.timestamp() - START) for one in only(CallLeft, items)]
    assert told == [
        ("kc:1.1", "abandoned", "stated", 10),
        ("kc:2.2", "abandoned", "stated", 14),
        ("kc:2.2", "lost", "inferred", 14),
    ]
    assert len({one.id for one in only(CallLeft, items)}) == 3
    assert len(only(SourceRestarted, items)) == 1


@pytest.mark.parametrize(
    ("line", "outcome", "key", "said"),
    [
        ("9|1.1|kundcenter|NONE|ABANDON|1|3|9", "abandoned", None, 9000),
        ("9|1.1|kundcenter|NONE|EXITWITHTIMEOUT|1|3|9", "timeout", None, 9000),
        ("9|1.1|kundcenter|NONE|EXITEMPTY|1|3|9", "no_agents", None, 9000),
        ("9|1.1|kundcenter|NONE|EXITWITHKEY|2|1|3|9", "exit_key", "2", 9000),
        ("9|1.1|kundcenter|NONE|WITHDRAW|1|3|9|callback", "callback", None, 9000),
        ("9|1.1|kundcenter|NONE|WITHDRAW|1|3|9|070-1740605", "withdrawn", None, 9000),
        ("9|1.1|kundcenter|NONE|WITHDRAW|1|3|9", "withdrawn", None, 9000),
        ("9|1.1|kundcenter|NONE|SYSCOMPAT|", "system", None, None),
    ],
)
def test_the_log_states_how_a_caller_left(line: str, outcome: str, key: str | None, said: int | None) -> None:
    (left,) = only(CallLeft, lines(ENTERS, line))

    assert (left.outcome, left.key, left.wait_ms_reported) == (outcome, key, said)
    assert left.visit_id == f"kc:1.1@{START}000"


@pytest.mark.parametrize(
    ("line", "kind", "queue"),
    [
        ("9|1.1|kundcenter|Anna|BLINDTRANSFER|bygglov|in|2|5|1", TransferKind.BLIND, "Bygglov"),
        ("9|1.1|kundcenter|Anna|TRANSFER|2001|in|2|5|1", TransferKind.BLIND, None),
        ("9|1.1|kundcenter|Anna|ATTENDEDTRANSFER|BRIDGE|4f2c|2|5|1", TransferKind.ATTENDED, None),
        ("9|1.1|kundcenter|Anna|ATTENDEDTRANSFER|LINK|a|b|2|5|1", TransferKind.ATTENDED, None),
    ],
)
def test_a_transfer_ends_the_agents_part(line: str, kind: TransferKind, queue: str | None) -> None:
    answered = "4|1.1|kundcenter|Anna|CONNECT|2|1.2|1"

    items = lines(ENTERS, "1|2.2|Bygglov|NONE|ENTERQUEUE|||1", answered, line)

    assert [(one.kind, one.to.queue) for one in only(CallTransferred, items)] == [(kind, queue)]
    (completed,) = only(CallCompleted, items)
    assert (completed.ended_by, completed.wait_ms_reported, completed.talk_ms_reported) == ("transfer", 2000, 5000)


def test_an_answer_before_the_file_begins_is_placed_by_its_reported_wait() -> None:
    (answered,) = only(CallAnswered, lines("9|1.1|kundcenter|Anna|CONNECT|4|1.2|1"))

    assert answered.visit_id == f"kc:1.1@~{START + 5}000"
    assert (answered.queue, answered.leg_id, answered.wait_ms_reported) == ("kundcenter", "kc:1.1", 4000)
    assert answered.ring_id == "kc:1.2"


def test_two_queues_within_one_second_are_two_visits() -> None:
    out = "0|1.1|kundcenter|NONE|EXITWITHTIMEOUT|1|1|0"

    entered = only(CallEntered, lines(ENTERS, out, "0|1.1|bygglov|NONE|ENTERQUEUE|||1"))

    assert [one.visit_id for one in entered] == [f"kc:1.1@{START}000", f"kc:1.1@{START}000.2"]


def test_a_phone_that_refuses_at_once_was_busy_each_time() -> None:
    busy = "1|1.1|kundcenter|Anna|RINGNOANSWER|0"

    rings = only(CallRingEnded, lines(ENTERS, busy, busy, "2|1.1|kundcenter|Anna|RINGCANCELED|800"))

    assert [(one.result, one.ring_ms) for one in rings] == [("busy", 0), ("busy", 0), ("cancelled", 800)]
    assert len({one.ring_id for one in rings}) == 3


def test_agents_pause_come_and_go() -> None:
    told = story(
        lines(
            *("0|NONE|NONE|Anna|PAUSEALL|Lunch", "0|NONE|q|Anna|PAUSE|Lunch", "5|NONE|q|Anna|UNPAUSE|"),
            *("6|MANAGER|q|Local/a2@agents/n|ADDMEMBER|PAUSED", "7|NONE|q|Local/a2@agents/n|PENALTY|3"),
            *("8|CLI|q|Local/a2@agents/n|REMOVEMEMBER|", "9|1.1|NONE|Anna|AGENTLOGOFF|SIP/1|300"),
            options=Settings(member_names={"local/a2@agents/n": "Bo"}),
        ),
        *(AgentState, AgentMember),
    )

    assert told == [
        "+0.0 anna is paused Lunch in None",
        "+0.0 anna is paused Lunch in ('q',)",
        "+5.0 anna is available in ('q',)",
        "+6.0 bo added q level None",
        "+6.0 bo is paused in ('q',)",
        "+7.0 bo changed q level 3",
        "+8.0 bo removed q level None",
        "+9.0 anna is logged_out in None",
    ]


@pytest.mark.parametrize(
    ("line", "queue", "agent"),
    [
        ("1|1.1|a|b|NONE|RINGNOANSWER|5", "a|b", None),
        ("1|1.1|kundcenter|Åsa|Ö|RINGNOANSWER|5", "kundcenter", "kc:åsa|ö"),
        ("1|1.1|x|Åsa|Ö|RINGNOANSWER|5", "x", "kc:åsa|ö"),
    ],
)
def test_names_may_hold_the_separator(line: str, queue: str, agent: str | None) -> None:
    items = lines(ENTERS, line, line.replace("RINGNOANSWER|5", "CONNECT|1|1.2|1"))

    assert [one.agent_id for one in only(CallRingEnded, items)] == [agent, agent]
    assert [one.queue for one in only(CallAnswered, items)] == [queue]


def test_verbs_of_ones_own_are_no_mistakes() -> None:
    own = "0|1.1|kundcenter|NONE|DID|0920453000", "0|1.1|kundcenter|NONE|MyVerb|x|y", "0|NONE|NONE|NONE|CONFIGRELOAD|"

    items = lines(*own)

    assert rejections(items) == []
    assert len(only(SourceConnected, items)) == len(items) == 1


def test_what_is_no_line_is_counted_by_its_number_and_never_shown() -> None:
    half = "1795433788|1.1|q|NONE|"
    text = "\n".join(("0701740605", "", "x|1.1|q|NONE|ABANDON|1|1|1", half, f"{half}PAUSE|", "9" * 70_000, ""))

    items = heard(translator(), [(text.encode(), LONG_AGO)])

    assert rejections(items) == [
        ("malformed_line", "line 1"),
        ("malformed_line", "line 3"),
        ("malformed_line", "line 4"),
        ("malformed_line", "line 5"),
        ("line_too_long", "line 6"),
    ]


def test_windows_line_ends_and_a_missing_last_one_make_no_difference() -> None:
    plain = whole(ASTERISK / "queue_log.txt")

    expected = heard(translator(), [(plain, LONG_AGO)])

    assert heard(translator(), [(plain.replace(b"\n", b"\r\n").removesuffix(b"\r\n"), LONG_AGO)]) == expected


SHORT = whole(ASTERISK / "queue_log.txt")
WHOLE = heard(translator(), [(SHORT, LONG_AGO)])


@given(st.lists(st.integers(0, len(SHORT)), max_size=12))
def test_the_cuts_of_the_reading_make_no_difference(cuts: list[int]) -> None:
    edges = sorted({0, *cuts, len(SHORT)})

    assert heard(translator(), [(SHORT[a:b], LONG_AGO) for a, b in pairwise(edges)]) == WHOLE


@given(st.binary(max_size=400), st.integers(0, len(SHORT)))
def test_nonsense_never_stops_the_translator(noise: bytes, place: int) -> None:
    heard(translator(), [(SHORT[:place] + noise + SHORT[place:], LONG_AGO)])


FIELDS = [*{field for line in SHORT.split(b"\n") for field in line.split(b"|")}]


@given(st.lists(st.lists(st.sampled_from(FIELDS), max_size=9).map(b"|".join), max_size=9).map(b"\n".join))
def test_fields_in_any_order_never_stop_the_translator(stream: bytes) -> None:
    heard(translator(), [(stream, LONG_AGO)])


# The live file


LINES = [line + b"\n" for line in SHORT.splitlines()]


class Follower:
    """Takes deliveries from a file until it has as many lines' worth of callers as asked for."""

    def __init__(self, folder: Path, *, state: bool = True) -> None:
        self.file = folder / "queue_log"
        self.clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
        self.options = Settings(path=str(self.file), state_path=str(folder / "state.json") if state else "")

    def write(self, *some: bytes) -> None:
        with self.file.open("ab") as file:
            file.write(b"".join(some))

    async def take(self, entered: int, *, ack: bool = True) -> Items:
        """Read on until that many callers have entered."""
        items: Items = []
        async with build("log", "kc", self.options, self.clock).connect() as deliveries:
            async with asyncio.timeout(10):
                async for delivery in deliveries:
                    assert isinstance(delivery, Delivery)
                    items += delivery.items
                    if ack:
                        await delivery.ack(Receipt())
                    if len(only(CallEntered, items)) >= entered:
                        return items
        raise AssertionError("the file never ends")


def callers(items: Items) -> list[str]:
    return [one.leg_id.rpartition(".")[2] for one in only(CallEntered, items)]


async def test_a_restart_goes_on_where_the_events_were_safe(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])
    first = await log_.take(2)
    log_.write(*LINES[6:14])

    second = await log_.take(2)

    assert (callers(first), callers(second)) == (["0", "4"], ["8", "18"])


async def test_what_was_not_safe_is_told_again_and_is_the_same(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])

    first, second = await log_.take(2, ack=False), await log_.take(2)

    assert [item.id for item in first if isinstance(item, Event)] == [
        item.id for item in second if isinstance(item, Event)
    ]


async def test_a_caller_who_entered_before_the_restart_is_known_after_it(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:2])
    (entered,) = only(CallEntered, await log_.take(1))
    log_.write(*LINES[2:6])

    (answered, *_) = only(CallAnswered, await log_.take(1))

    assert answered.visit_id == entered.visit_id


async def test_a_rotated_file_is_read_to_its_end_before_the_new_one(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:2])
    await log_.take(1)
    log_.write(*LINES[2:6])
    log_.file.rename(tmp_path / "queue_log.1")
    log_.write(*LINES[6:10])

    assert callers(await log_.take(2)) == ["4", "8"]


async def test_a_file_rotated_under_the_reader_loses_nothing(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:2])
    seen: list[str] = []

    async with build("log", "kc", log_.options, log_.clock).connect() as deliveries:
        async with asyncio.timeout(10):
            async for delivery in deliveries:
                seen += callers(list(delivery.items))
                if seen == ["0"]:
                    log_.write(*LINES[2:6])
                    log_.file.rename(tmp_path / "queue_log.1")
                    log_.write(*LINES[6:10])
                if len(seen) == 3:
                    break

    assert seen == ["0", "4", "8"]


async def test_a_file_cut_to_nothing_is_begun_again(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:10])
    await log_.take(3)
    log_.file.write_bytes(b"".join(LINES[11:13]))

    assert callers(await log_.take(1)) == ["18"]


async def test_a_file_cut_to_nothing_under_the_reader_is_begun_again(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:10])
    seen: list[str] = []

    async with build("log", "kc", log_.options, log_.clock).connect() as deliveries:
        async with asyncio.timeout(10):
            async for delivery in deliveries:
                seen += callers(list(delivery.items))
                if len(seen) == 3:
                    log_.file.write_bytes(b"".join(LINES[11:13]))
                if len(seen) == 4:
                    break

    assert seen == ["0", "4", "8", "18"]


async def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6], LINES[7][:40])
    items = await log_.take(2)
    log_.write(LINES[7][40:])

    assert rejections(items) == []
    assert callers(await log_.take(1)) == ["8"]


async def test_a_missing_file_is_permanent_and_says_where_to_look(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)

    with pytest.raises(AdapterError, match=r"there is no file .*logger\.conf") as missing:
        async with build("log", "kc", log_.options, log_.clock).connect():
            pass

    assert missing.value.permanent


async def test_a_log_that_the_monitor_s_user_may_not_read_says_how_to_let_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("adapters.asterisk_queuelog.follow._Tail.open", refused)
    with pytest.raises(AdapterError, match=r"Permission denied: .* SupplementaryGroups=") as closed:
        async with build("log", "kc", log_.options, log_.clock).connect():
            pass

    assert closed.value.permanent


async def test_an_unreadable_state_file_means_from_the_beginning(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])
    await asyncio.to_thread(Path(log_.options.state_path).write_text, "{half", encoding="utf-8")

    assert callers(await log_.take(2)) == ["0", "4"]


async def test_a_full_disk_under_the_state_file_stops_nobody_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])
    taken = 0
    async with build("log", "kc", log_.options, log_.clock).connect() as deliveries:
        async for delivery in deliveries:
            half = Path(log_.options.state_path + ".new")
            await asyncio.to_thread(half.mkdir, exist_ok=True)  # what cannot be written, as on a full disk
            await delivery.ack(Receipt())
            log_.write(*LINES[6:14])
            taken += 1
            if taken == 3:
                break

    said = [record.getMessage() for record in caplog.records]
    assert said == [f"place not saved state_path={log_.options.state_path}: Is a directory"]


async def _refusal(options: Settings) -> AdapterError:
    with pytest.raises(AdapterError) as refused:
        async with asyncio.timeout(10), build("log", "kc", options, ManualClock(LONG_AGO)).connect():
            pass
    return refused.value


async def test_a_state_path_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    log_ = Follower(tmp_path)
    log_.write(*LINES[:6])
    for place, words in ((tmp_path, "is there and is no file"), (tmp_path / "none" / "state", "No such file")):
        refusal = await _refusal(Settings(path=str(log_.file), state_path=str(place)))

        assert refusal.permanent and str(refusal).startswith(f"state_path: {place} ") and words in str(refusal)


async def test_a_pipe_or_a_device_in_the_logs_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "queue_log"
    await asyncio.to_thread(os.mkfifo, pipe)
    for place in (pipe, Path("/dev/zero")):
        refusal = await _refusal(Settings(path=str(place)))

        assert str(refusal) == f"{place} cannot be read: it is a pipe or a device, and no file"


def test_the_length_of_a_line_without_an_end_is_its_own() -> None:
    one = translator()
    items = [item for _ in range(5) for item in one.feed(b"x" * 200_000, LONG_AGO)]

    assert [(item.reason, item.length) for item in items if isinstance(item, Rejected)] == [("line_too_long", 200_000)]


def test_every_way_out_of_a_queue_has_been_seen() -> None:
    seen = {left.outcome for left in only(CallLeft, log("queue_log") + log("queue_log.txt"))}

    assert seen == {
        *(LeftOutcome.ABANDONED, LeftOutcome.TIMEOUT, LeftOutcome.NO_AGENTS, LeftOutcome.EXIT_KEY),
        *(LeftOutcome.WITHDRAWN, LeftOutcome.CALLBACK, LeftOutcome.LOST),
    }


def test_callers_whose_end_the_log_does_not_have_are_not_remembered_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.asterisk_queuelog.nested._MAX_NUMBERS", 50)
    one = translator()
    told = (f"{START + number}|{number}.1|kundcenter|NONE|ENTERQUEUE||{number}|3\n" for number in range(200))

    heard(one, [("".join(told).encode(), LONG_AGO)])

    assert len(one._nested._here) == 50
