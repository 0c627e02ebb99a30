"""Callers made up from a seed, whose way is known, as a queue_log and mod_callcenter tell of them."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from random import Random
from typing import NamedTuple

import pytest

from adapters import asterisk_queuelog, freeswitch
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import Event
from queue_monitor.ports import Connection, Rejected
from tests.adapters.telling import LONG_AGO
from tests.adapters.test_freeswitch import BRIDGE, END, FAIL, HUNG_UP, NOON, OFFER, START, UNBRIDGE, told

BEGIN = 1795433700
"""Monday 23 November 2026, 12.35 in Luleå, the second 0 of a made-up log."""

OUTCOMES = {"T": "timeout", "E": "no_agents", "K": "exit_key", "S": "system", "W": "callback", "A": "abandoned"}
QUEUES = ("q", "r", "Växel åäö", "kö|syd")
AGENTS = ("Bo", "Anna|B", "PJSIP/1001", "Local/1002@from-queue/n")
NOISE = (
    *("NONE|NONE|NONE|CONFIGRELOAD|", "{call}|{queue}|NONE|DID|0920453000", "{call}|{queue}|NONE|INFO|IVR|x"),
    *("NONE|{queue}|Bo|PAUSE|lunch", "NONE|NONE|Bo|UNPAUSEALL|", "{call}|{queue}|Bo|CALLSTATUS|SALE"),
    *("CLI|{queue}|Bo|RINGINUSE|1", "REALTIME|{queue}|Bo|ADDMEMBER|PAUSED", "{call}|{queue}|Bo|AGENTDUMP|"),
)

Stay = tuple[str, str, int, int | None]
"""Queue, outcome (an overflow as the time-out that it also is), seconds of wait and of talk."""


class MadeUp(NamedTuple):
    """Holds the lines that the switch writes, by second, and the stays of each call."""

    said: list[tuple[float, bytes]]
    stays: dict[str, list[Stay]]


def logged(chance: Random) -> MadeUp:
    """Make up a queue_log: a caller waits in up to four queues and leaves each in any way that the log knows."""
    lines: list[tuple[float, str]] = []
    stays: dict[str, list[Stay]] = {}
    for number in range(chance.randint(1, 6)):
        at, queue = chance.randint(0, 60), chance.choice(QUEUES)
        call = f"{chance.choice(('', 'sys-', 'pbx1.example-'))}{BEGIN + at - 1}.{number}"
        its = stays[call] = []
        for step in range(chance.randint(1, 4)):
            name = chance.choice(("", "|Kalle Anka"))
            lines.append((at, f"{call}|{queue}|NONE|ENTERQUEUE||07{number:08}|{chance.randint(1, 5)}{name}"))
            began = at
            for rang in chance.choices((0, 1, 5), k=chance.randint(0, 2)):
                at += rang
                lines.append((at, f"{call}|{queue}|{chance.choice(AGENTS)}|RINGNOANSWER|{rang * 1000}"))
            lines.append((at, chance.choice(NOISE).format(call=call, queue=queue)))
            at += chance.choice((0, 0, 1, 2, 30, 400))
            wait, end = at - began, chance.choice("CCCATEKWS")
            told_end = f"{call}|{queue}|NONE"
            if end == "C":
                agent = chance.choice(AGENTS)
                lines.append((at, f"{call}|{queue}|{agent}|CONNECT|{wait}|{BEGIN + at}.{number}9{step}|1"))
                talk, how = chance.choice((0, 1, 2, 60, 600)), chance.choice(("AGENT", "CALLER", "BLIND"))
                at += talk
                its.append((queue, "answered", wait, talk))
                if how != "BLIND":
                    lines.append((at, f"{call}|{queue}|{agent}|COMPLETE{how}|{wait}|{talk}|1"))
                    break
                lines.append((at, f"{call}|{queue}|{agent}|BLINDTRANSFER|900|inne|{wait}|{talk}|1"))
            else:
                verb = {
                    "A": "ABANDON|1|2|",
                    "T": "EXITWITHTIMEOUT|1|2|",
                    "E": "EXITEMPTY|1|2|",
                    "K": "EXITWITHKEY|#|1|2|",
                }
                verb |= {"W": "WITHDRAW|1|2|", "S": "SYSCOMPAT|"}
                wait_told = "" if end == "S" else f"{wait}{'|callback' if end == 'W' else ''}"
                lines.append((at, f"{told_end}|{verb[end]}{wait_told}"))
                its.append((queue, OUTCOMES[end], wait, None))
            if end == "A" or chance.random() < 0.4:
                break
            queue, at = chance.choice(QUEUES), at + chance.choice((0, 0, 1, 2))
    lines.sort(key=lambda line: line[0])
    return MadeUp([(at, f"{BEGIN + int(at)}|{line}\n".encode()) for at, line in lines], stays)


def called(chance: Random) -> MadeUp:
    """Make up mod_callcenter's events: rings in vain, phones that are picked up and never connected, transfers."""
    said: list[tuple[float, bytes]] = []
    stays: dict[str, list[Stay]] = {}
    for number in range(chance.randint(1, 4)):
        at, queue, session = float(chance.randint(0, 30)), chance.choice(("a@lab", "b|c@lab")), f"s{number}"
        its = stays[session] = []
        talks: tuple[dict[str, str], float] | None = None
        for step in range(4):
            member = {"CC_Member_UUID": f"m{number}.{step}", "CC_Member_Session_UUID": session, "CC_Queue": queue}
            said.append((at, told(START, at, **member)))
            began = at
            if talks:
                said += _talk_over(at + 0.01, *talks)
                talks = None
            for agent in chance.sample(("x@lab", "å|z@lab"), chance.randint(0, 2)):
                said.append((at + 0.1, told(OFFER, at + 0.1, **member, CC_Agent=agent)))
                at += chance.choice((1, 3, 10))
                cause = chance.choice(("NO_ANSWER", "USER_BUSY", "ALLOTTED_TIMEOUT", "CALL_REJECTED"))
                said.append((at, told(FAIL, at, **member, CC_Agent=agent, CC_Hangup_Cause=cause)))
            if chance.random() < 0.3:
                in_vain = {**member, "CC_Agent": "w@lab"}
                said.append((at + 0.2, told(BRIDGE, at + 0.2, **in_vain)))
                said.append((at + 0.9, told(UNBRIDGE, at + 0.9, **in_vain, CC_Agent_Bridged="false")))
            at += chance.choice((1, 20, 400))
            end = chance.choice("CCXATEK") if step < 3 else "A"
            wait = round(at - began)
            if end in "CX":
                answered = {**member, "CC_Agent": "x@lab"}
                said.append((at, told(BRIDGE, at, **answered)))
                talk = chance.choice((1, 5, 60))
                at += talk
                its.append((queue, "answered", wait, talk))
                if end == "C":
                    said += _talk_over(at, answered, 0)
                    break
                talks, queue = (answered, 0.01), chance.choice(("a@lab", "b|c@lab"))
                continue
            reason = {"T": "TIMEOUT", "E": "NO_AGENT_TIMEOUT", "K": "EXIT_WITH_KEY"}
            ends = HUNG_UP if end == "A" else {"CC_Cause": "Cancel", "CC_Cancel_Reason": reason[end]}
            said.append((at, told(END, at, **member, **ends)))
            its.append((queue, OUTCOMES[end], wait, None))
            if end == "A" or chance.random() < 0.5:
                break
            queue, at = chance.choice(("a@lab", "b|c@lab")), at + chance.choice((0.01, 1, 30))
    said.sort(key=lambda one: one[0])
    return MadeUp(said, stays)


def _talk_over(at: float, member: dict[str, str], later: float) -> Iterable[tuple[float, bytes]]:
    yield at, told(UNBRIDGE, at, **member)
    yield at + later + 0.0001, told(END, at + later + 0.0001, **member, CC_Cause="Terminated")


def stays_of(items: Iterable[Event | Rejected]) -> dict[str, list[Stay]]:
    """Return the stays of each call in the ledger, by the channel of its first one."""
    ledger = Ledger()
    for item in items:
        assert isinstance(item, Event), item
        ledger.apply(item)
    found: dict[str, list[Stay]] = {}
    for story in ledger.histories():
        its = found.setdefault(story.visits[0].leg_id.removeprefix("kc:"), [])
        for visit in story.visits:
            outcome = "timeout" if visit.outcome == "overflow" else visit.outcome.value
            talk = None if visit.talk_ms is None else round(visit.talk_ms / 1000)
            its.append((visit.queue, outcome, round((visit.wait_ms or 0) / 1000), talk))
    return found


SAVED: dict[str, Callable[[list[bytes]], bytes]] = {
    "as written": b"".join,
    "each line twice": lambda lines: b"".join(line * 2 for line in lines),
    "with bars at the end": lambda lines: b"".join(line[:-1] + b"||\n" for line in lines),
    "with blanks at the end": lambda lines: b"".join(line[:-1] + b" \r\n" for line in lines),
}


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("seed", range(25))
def test_made_up_callers_of_a_queue_log_are_told_as_they_went(seed: int, saved: str) -> None:
    """Each caller's stays are those that were made up, whatever a program has done to the file."""
    made_up = logged(Random(seed))
    connection = Connection(source="urn:kc:asterisk_queuelog:test", switch="kc", epoch="1")
    translator = asterisk_queuelog.Translator(connection, asterisk_queuelog.Settings())
    raw = SAVED[saved]([line for _, line in made_up.said])
    items = [*translator.feed(raw, LONG_AGO), *translator.close(LONG_AGO)]

    assert stays_of(items) == made_up.stays


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("seed", range(40))
def test_made_up_callers_of_freeswitch_are_told_as_they_went(seed: int, twice: bool) -> None:
    """Each caller's stays are those that were made up, also where each event comes two times."""
    made_up = called(Random(seed))
    connection = Connection(source="urn:kc:freeswitch:test", switch="kc", epoch="1")
    translator = freeswitch.Translator(connection, freeswitch.Settings())
    items: list[Event | Rejected] = []
    for at, frame in made_up.said:
        items += translator.feed(frame * (1 + twice), NOON + timedelta(seconds=at))
    items += translator.flush(NOON + timedelta(hours=2))

    assert stays_of(items) == made_up.stays
