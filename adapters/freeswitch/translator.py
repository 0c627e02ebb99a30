"""Translates one event socket: it maps events, reads lists, and collects the questions to send next."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from adapters.freeswitch import lists
from adapters.freeswitch.agents import Agents
from adapters.freeswitch.calls import Calls
from adapters.freeswitch.frames import Cutter, Fault, Frame, event
from adapters.freeswitch.moments import from_microseconds, from_seconds
from adapters.freeswitch.settings import Settings
from queue_monitor.events import (
    Event,
    QueueSnapshot,
    SourceClock,
    SourceConnected,
    SourceRestarted,
    WaitingCaller,
    milliseconds,
)
from queue_monitor.ports import Connection, Rejected
from queue_monitor.stamp import Stamp
from queue_monitor.translating import Outbox

MEMBERS_OF: Final = "api callcenter_config queue list members "
QUEUES: Final = "api callcenter_config queue list"

_STATUS_SECONDS: Final = 2.0
"""The time to wait for the answer to `api status`, which comes at once. A recording may hold none."""

_JUMP: Final = timedelta(minutes=5)
"""The largest difference from the expected clock; a time further away counts for its own event only."""

_CLOCKS_AGREE: Final = timedelta(seconds=5)

_UPTIME: Final = re.compile(
    r"UP (\d{1,4}) years?, (\d{1,4}) days?, (\d{1,2}) hours?, (\d{1,2}) minutes?, (\d{1,2}) seconds?, (\d{1,3}) milli"
)
_VERSION: Final = re.compile(r"FreeSWITCH \(Version ([\w.~+ -]{1,60}?)\s*\) is ready")
_WORD: Final = re.compile(r"[a-z-]{1,40}")
_COUNTERS: Final = ("strategy", "max_wait_time", "calls_answered", "calls_abandoned")
_PASSED_OVER: Final = frozenset(
    ("members-count", "agent-add", "agent-contact-change", "agent-max-no-answer", "agent-no-answer-status-change")
)
"""The events that are ignored. `members-count` is no gauge: it stays 1 after an answered call.

It is sent only when a member joins and when a wait ends.
"""


class Translator:
    """Takes the bytes of one connection and yields events. `questions` are the commands to send next."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._out = Outbox(connection.source)
        self._cutter = Cutter()
        self._agents = Agents(connection.switch, self._out.put)
        self._calls = Calls(connection.switch, settings.hold_seconds, self._out.put)
        self._asked: deque[tuple[str, Stamp]] = deque()
        self._questions: list[str] = []
        self._counters: dict[str, dict[str, str]] = {}
        self._clock: tuple[datetime, datetime] | None = None
        self._jumped: timedelta | None = None
        self._core = ""
        self._uptime_ms: int | None = None
        self._logged_in: Stamp | None = None
        self._connected = False
        self._offset = 0
        self.trouble = ""
        calls, agents = self._calls, self._agents
        self._actions: dict[str, Callable[[Mapping[str, str], Stamp], bool]] = {
            "member-queue-start": lambda message, stamp: calls.started(message, stamp, resumed=False),
            "member-queue-resume": lambda message, stamp: calls.started(message, stamp, resumed=True),
            "member-queue-end": calls.ended,
            "agent-offering": calls.offered,
            "bridge-agent-start": calls.bridged,
            "bridge-agent-fail": calls.not_bridged,
            "bridge-agent-end": self._unbridged,
            "agent-status-change": agents.change,
            "agent-state-change": agents.change,
        }

    @property
    def remembered(self) -> int:
        """The number of visits kept in memory; 0 when the queues are empty."""
        return self._calls.remembered

    @property
    def unanswered(self) -> int:
        """The number of commands that have not been answered yet."""
        return len(self._asked)

    def asked(self, command: str, at: datetime) -> None:
        """Note that an `api` command goes out now. The switch answers in order and does not repeat the question."""
        stamp = Stamp(self._connection, at, self._offset, self._switch_now(at), derived=True)
        self._asked.append((command, stamp))

    def questions(self) -> list[str]:
        """Return the commands that the latest answers call for; each is returned once."""
        taken, self._questions = self._questions, []
        return taken

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(received_at)
        for found in self._cutter.cut(raw):
            self._offset = found.offset
            if isinstance(found, Fault):
                self._out.reject(found.reason, f"at byte {found.offset}")
            else:
                self._read(found, received_at)
        return self._out.take()

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(now)
        return self._out.take()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(now)
        if self._logged_in:
            self._connect(self._logged_in)
        if self._cutter.unfinished:
            self._out.reject("cut_short")
        self._calls.cut()
        return self._out.take()

    def _pass_time(self, now: datetime) -> None:
        self._calls.expire(now)
        self._agents.end_wrapups(Stamp(self._connection, now, self._offset, self._switch_now(now)))
        if self._logged_in and (now - self._logged_in.observed_at).total_seconds() >= _STATUS_SECONDS:
            self._connect(self._logged_in)

    def _switch_now(self, received_at: datetime) -> datetime | None:
        """Return the switch's clock now: the newest time it sent, plus the time passed since."""
        if self._clock is None:
            return None
        told, then = self._clock
        return _later(told, max(timedelta(0), received_at - then))

    # Frames

    def _read(self, frame: Frame, received_at: datetime) -> None:
        stamp = Stamp(self._connection, received_at, frame.offset)
        match frame.kind:
            case "text/event-plain" | "text/event-json":
                self._read_event(frame, received_at)
            case "api/response":
                self._read_answer(frame.body.decode("utf-8", "replace"), stamp)
            case "command/reply":
                self._read_reply(frame.headers.get("Reply-Text", ""), stamp)
            case "auth/request" | "text/disconnect-notice":
                pass
            case _:
                self._out.reject("unknown_frame", f"at byte {frame.offset}")

    def _read_reply(self, text: str, stamp: Stamp) -> None:
        if text == "+OK accepted":
            self._logged_in = stamp
        elif text.startswith("-ERR invalid"):
            self._out.reject("login_refused")
        elif text.startswith("-ERR"):
            self._out.reject("command_refused")

    def _read_event(self, frame: Frame, received_at: datetime) -> None:
        message = event(frame)
        if message is None:
            self._out.reject("bad_event", f"at byte {frame.offset}", kind="text", length=len(frame.body))
            return
        stamp = self._stamp(message, frame.offset, received_at)
        self._watch_core(message, stamp)
        if message["Event-Name"] == "HEARTBEAT":
            self._beat(message, stamp)
        elif message.get("Event-Subclass") == "callcenter::info":
            self._connect(stamp)
            action = message.get("CC-Action", "")
            if translate := self._actions.get(action):
                if not translate(message, stamp):
                    self._out.reject("missing_field", action)
            elif action not in _PASSED_OVER:
                shown = action if _WORD.fullmatch(action) else ""
                self._out.reject("unknown_action", shown, "CC-Action", "text", len(action))
        # Other events come from another subscriber's filter and do not concern queues.

    def _stamp(self, message: Mapping[str, str], offset: int, received_at: datetime) -> Stamp:
        told = from_microseconds(message.get("Event-Date-Timestamp", ""))
        if told is None:
            written = message.get("Event-Date-Timestamp", "")
            self._out.reject("bad_timestamp", f"at byte {offset}", "Event-Date-Timestamp", "time", len(written))
        else:
            self._hear_clock(told, received_at)
        return Stamp(self._connection, received_at, offset, told)

    def _hear_clock(self, told: datetime, received_at: datetime) -> None:
        """Take a time as the switch's clock. One far from the expected counts only when the next one agrees."""
        expected = self._switch_now(received_at) or received_at
        ahead = told - received_at
        if abs(told - expected) <= _JUMP:
            self._jumped = None
            if self._clock is None or told >= self._clock[0]:
                self._clock = (told, received_at)
        elif self._jumped is not None and abs(ahead - self._jumped) <= _CLOCKS_AGREE:
            self._jumped, self._clock = None, (told, received_at)
        else:
            self._jumped = ahead

    def _unbridged(self, message: Mapping[str, str], stamp: Stamp) -> bool:
        self._agents.talked(message.get("CC-Agent", ""), stamp)
        return self._calls.unbridged(message, stamp)

    # The connection itself

    def _connect(self, stamp: Stamp, started_at: datetime | None = None, version: str | None = None) -> None:
        if self._connected:
            return
        self._connected = True
        self._out.put(
            SourceConnected(
                **Stamp(self._connection, stamp.observed_at, stamp.offset).envelope("source.connected"),
                reason="logged in",
                switch_started_at=started_at,
                version=version,
            )
        )

    def _beat(self, message: Mapping[str, str], stamp: Stamp) -> None:
        """Take a HEARTBEAT, each 20 s: report how far the switch's clock is from ours, the time on the line
        included.
        """
        uptime = message.get("Uptime-msec", "")
        if stamp.switch_time is None:
            return
        if len(uptime) <= 15 and uptime.isascii() and uptime.isdigit():
            uptime_ms = int(uptime)
            if self._uptime_ms is not None and uptime_ms < self._uptime_ms:
                self._restart(stamp)
            self._uptime_ms = uptime_ms
            started = _later(stamp.switch_time, timedelta(milliseconds=-uptime_ms))
            self._connect(stamp, started, message.get("FreeSWITCH-Version"))
        offset_ms = (stamp.switch_time - stamp.observed_at) / timedelta(milliseconds=1)
        self._out.put(SourceClock(**stamp.envelope("source.clock"), offset_ms=round(offset_ms, 3)))

    def _watch_core(self, message: Mapping[str, str], stamp: Stamp) -> None:
        """Report a restart when the Core-UUID changes: each start of the switch has a new one."""
        core = message.get("Core-UUID", "")
        if core and self._core and core != self._core:
            self._restart(stamp)
        self._core = core or self._core

    def _restart(self, stamp: Stamp) -> None:
        self._calls.restart(stamp)
        self._agents.forget()
        self._uptime_ms = None
        self._out.put(SourceRestarted(**stamp.envelope("source.restarted")))

    # Answers

    def _read_answer(self, body: str, stamp: Stamp) -> None:
        command, sent = self._asked.popleft() if self._asked else ("", None)
        if body.startswith("UP "):
            self._read_status(body, stamp)
            return
        kind = lists.kind_of(body)
        if not kind:
            self._read_odd_answer(command, body)
            return
        # The answer is as of its question: an event after the question need not be in it.
        as_of = sent or Stamp(
            self._connection, stamp.observed_at, stamp.offset, self._switch_now(stamp.observed_at), derived=True
        )
        if not lists.complete(body):
            self._out.reject("list_cut_short", kind)
        elif kind == lists.MEMBERS:
            self._list_members(body, command.removeprefix(MEMBERS_OF) if command.startswith(MEMBERS_OF) else "", as_of)
        elif kind == lists.QUEUES:
            self._list_queues(body, ask=bool(command))
        elif kind == lists.AGENTS and not command.startswith(QUEUES):
            self._understood(self._agents.listed(lists.fields(body), as_of), kind)
        elif kind == lists.TIERS:
            self._understood(self._agents.tiers_listed(lists.fields(body), as_of), kind)

    def _understood(self, understood: bool, kind: str) -> None:
        if not understood:
            self._out.reject("bad_list_line", kind)

    def _read_odd_answer(self, command: str, body: str) -> None:
        if body.startswith("-ERR"):
            self._out.reject("command_failed")
            if command == QUEUES:
                self.trouble = "has no mod_callcenter loaded"
        elif not body.startswith("+OK"):
            self._out.reject("unknown_answer")

    def _read_status(self, body: str, stamp: Stamp) -> None:
        up, version = _UPTIME.match(body), _VERSION.search(body)
        started = None
        if up:
            years, days, hours, minutes, seconds, parts = map(int, up.groups())
            uptime = timedelta(365 * years + days, seconds, 0, parts, minutes, hours)
            started = _later(self._switch_now(stamp.observed_at) or stamp.observed_at, -uptime)
        else:
            self._out.reject("bad_status")
        self._connect(stamp, started, version[1] if version else None)

    def _list_queues(self, body: str, *, ask: bool) -> None:
        for line in lists.fields(body):
            if line is None or not line.get("name"):
                self._out.reject("bad_list_line", lists.QUEUES)
                continue
            self._counters[line["name"]] = {name: line[name] for name in _COUNTERS if name in line}
            if ask:
                self._questions.append(MEMBERS_OF + line["name"])

    def _list_members(self, body: str, queue: str, as_of: Stamp) -> None:
        members, whole = [], True
        for member in lists.members(body, queue):
            if member is None:
                whole = False
                self._out.reject("bad_list_line", lists.MEMBERS)
            else:
                members.append(member)
                queue = queue or member.queue
        if not queue:
            # An empty list does not name its queue; only a recording leaves the question out.
            self._out.reject("unknown_answer", lists.MEMBERS)
            return
        waiting: list[WaitingCaller] = []
        listed: set[str] = set()
        for member in sorted(members, key=lambda one: -one.score):
            visit = self._calls.listed(member, as_of)
            if visit is None or member.state not in lists.WAITS:
                continue
            began = from_seconds(member.rejoined) or from_seconds(member.joined)
            listed.add(visit.visit_id)
            waiting.append(
                WaitingCaller(
                    leg_id=self._named(member.session),
                    visit_id=visit.visit_id,
                    contact_id=self._named(member.session),
                    position=len(waiting) + 1,
                    waited_ms=max(0, milliseconds(as_of.at - began)) if began else None,
                    entered_at=began,
                )
            )
        if whole:
            self._calls.keep_only(queue, listed, as_of.offset)
        for visit in self._calls.came_since(queue, as_of.offset):
            if visit.visit_id not in listed and visit.started:
                leg = self._named(visit.session)
                waiting.append(
                    WaitingCaller(leg_id=leg, visit_id=visit.visit_id, waited_ms=0, entered_at=visit.started.at)
                )
        self._out.put(
            QueueSnapshot(
                **as_of.envelope("queue.snapshot", queue, live=False),
                queue=queue,
                as_of=as_of.at,
                waiting=tuple(waiting),
                agents=self._agents.of_queue(queue),
                counters=self._counters.get(queue, {}),
                complete=whole,
            )
        )

    def _named(self, native: str) -> str:
        return f"{self._connection.switch}:{native}"


def _later(moment: datetime, span: timedelta) -> datetime:
    """Return the time that much later, or the time itself where the result lies outside the calendar."""
    try:
        return moment + span
    except OverflowError:
        return moment
