"""Translates one CSTA link: it maps messages to events and collects the replies that the switch expects."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from adapters.csta3.calls import Calls
from adapters.csta3.frames import EVENT, Cutter, Fault, Frame
from adapters.csta3.messages import child, children, connection, device, name, read, text
from adapters.csta3.settings import Settings
from queue_monitor.events import AgentActivity, AgentState, Event, QueueSnapshot, SourceConnected, WaitingCaller
from queue_monitor.ports import Connection, Rejected
from queue_monitor.stamp import Stamp
from queue_monitor.translating import Outbox

_AGENT_EVENTS: Final = {
    "AgentLoggedOnEvent": AgentActivity.PAUSED,
    "AgentLoggedOffEvent": AgentActivity.LOGGED_OUT,
    "AgentNotReadyEvent": AgentActivity.PAUSED,
    "AgentReadyEvent": AgentActivity.AVAILABLE,
    "AgentBusyEvent": AgentActivity.BUSY,
    "AgentWorkingAfterCallEvent": AgentActivity.WRAPUP,
}
"""The state after each agent event. An agent who has just logged on takes no calls until the switch says ready."""

_WAITING: Final = frozenset(("queued", "alerting", "callQueued", "callReceived", "callDelivered"))
_WORD: Final = re.compile(r"[A-Za-z]{1,60}")
_REASON: Final = re.compile(r"[\w -]{1,40}")
_ANSWERS: Final = frozenset(
    (
        *("StartApplicationSessionPosResponse", "StartApplicationSessionNegResponse", "MonitorStartResponse"),
        *("ResetApplicationSessionTimerPosResponse", "RequestSystemStatusResponse", "SystemStatusResponse"),
        *("StopApplicationSessionPosResponse", "SystemRegisterResponse", "MonitorStopResponse"),
    )
)
_MAX_ASKED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """A request that was sent: its kind, its device, and its time."""

    kind: str
    device: str
    stamp: Stamp


class Translator:
    """Takes the bytes of one connection and yields events. `replies` are the invoke ids that need an answer.

    The answer is a SystemStatusResponse.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._out = Outbox(connection.source)
        self._cutter = Cutter()
        self._calls = Calls(connection.switch, settings, self._out.put)
        self._asked: dict[int, Question] = {}
        self._activities: dict[str, tuple[AgentActivity, str | None]] = {}
        self._connected = False
        self._offset = 0
        self.replies: list[int] = []
        self.trouble = ""
        calls = self._calls
        self._events: dict[str, Callable[[Element, str, Stamp], str]] = {
            "DeliveredEvent": calls.delivered,
            "QueuedEvent": calls.queued,
            "EstablishedEvent": calls.established,
            "DivertedEvent": calls.diverted,
            "ConnectionClearedEvent": calls.cleared,
            "CallClearedEvent": calls.call_cleared,
            "FailedEvent": calls.failed,
            "TransferredEvent": calls.transferred,
            "TransferedEvent": calls.transferred,  # so spelt in the standard's own schema of some editions
            "ConferencedEvent": calls.conferenced,
        }

    @property
    def remembered(self) -> int:
        """The number of call ids kept in memory."""
        return self._calls.remembered

    def asked(self, invoke: int, kind: str, device: str, at: datetime) -> None:
        """Note that a request goes out now; its answer will carry the same invoke id."""
        if len(self._asked) >= _MAX_ASKED:
            self._asked.clear()
        self._asked[invoke] = Question(kind, device, Stamp(self._connection, at, self._offset))

    def unanswered(self, kind: str) -> int:
        """Return the number of requests of a kind that have had no answer."""
        return sum(question.kind == kind for question in self._asked.values())

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        for found in self._cutter.cut(raw):
            self._offset = found.offset
            if isinstance(found, Fault):
                self._out.reject(found.reason, f"at byte {found.offset}")
            else:
                self._read(found, received_at)
        return self._out.take()

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        """Return nothing, because no event is ever held: each message is complete by itself."""
        return self._out.take()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        if self._cutter.unfinished:
            self._out.reject("cut_short")
        return self._out.take()

    def _lacks(self, field: str, message: str) -> None:
        self._out.reject("missing_field", message, field, "nothing")

    def _read(self, frame: Frame, received_at: datetime) -> None:
        root = read(frame.content)
        if isinstance(root, str):
            self._out.reject(root, f"at byte {frame.offset}", kind="text", length=len(frame.content))
            return
        stamp, kind = Stamp(self._connection, received_at, frame.offset), name(root)
        if kind.endswith("Event"):
            self._connect(stamp)
            self._read_event(kind, root, stamp)
        elif frame.invoke != EVENT and kind in ("SnapshotDeviceResponse", "CSTAErrorCode"):
            question = self._asked.pop(frame.invoke, None)
            self._read_answer(kind, root, question, stamp)
        elif kind in _ANSWERS:
            self._asked.pop(frame.invoke, None)
            if kind == "StartApplicationSessionPosResponse":
                self._connect(stamp)
        else:
            self._read_request(kind, frame.invoke)

    def _read_event(self, kind: str, root: Element, stamp: Stamp) -> None:
        # Events of no interest (a handset lifted, a lamp lit) are ignored.
        lacking = ""
        if translate := self._events.get(kind):
            lacking = translate(root, text(root, "monitorCrossRefID"), stamp)
        elif kind in _AGENT_EVENTS:
            lacking = self._agent(kind, root, stamp)
        if lacking:
            self._lacks(lacking, kind)

    def _read_answer(self, kind: str, root: Element, question: Question | None, stamp: Stamp) -> None:
        if kind == "CSTAErrorCode":
            self._out.reject("request_refused", question.kind if question else "")
            if question and question.kind == "ResetApplicationSessionTimer":
                self.trouble = "would not prolong the session"
        elif question is None:
            self._out.reject("unknown_answer", kind)
        else:
            self._snapshot(root, question, stamp)

    def _read_request(self, kind: str, invoke: int) -> None:
        """Read a request of the switch itself."""
        if kind == "SystemStatus":
            self.replies.append(invoke)
        elif kind == "ResetApplicationSessionTimerNegResponse":
            self.trouble = "would not prolong the session"
        elif kind in ("ApplicationSessionTerminated", "MonitorStop"):
            self.trouble = "ended the session" if kind == "ApplicationSessionTerminated" else "stopped a monitor"
        else:
            self._out.reject("unknown_message", kind if _WORD.fullmatch(kind) else "")

    def _connect(self, stamp: Stamp) -> None:
        if not self._connected:
            self._connected = True
            self._out.put(SourceConnected(**stamp.envelope("source.connected"), reason="session started"))

    def _agent(self, kind: str, root: Element, stamp: Stamp) -> str:
        """Take an agent's state. Returns the required field that the message lacks; "" where it lacks none."""
        place = device(root, "agentDevice")
        if not place:
            return "agentDevice"
        told = text(root, "reason") or text(root, "agentNotReadyReason")
        state, reason = _AGENT_EVENTS[kind], told if _REASON.fullmatch(told) else None
        if self._activities.get(place) == (state, reason):
            return ""
        self._activities[place] = (state, reason)
        agent = f"{self._connection.switch}:{self._settings.agent_names.get(place, place)}"
        self._out.put(
            AgentState(
                **stamp.envelope("agent.state", agent),
                agent_id=agent,
                state=state,
                reason=reason,
                state_raw=kind.removesuffix("Event"),
            )
        )
        return ""

    def _snapshot(self, root: Element, question: Question, stamp: Stamp) -> None:
        pilot, asked = question.device, question.stamp
        if pilot not in self._settings.pilots:
            return
        content = child(root, "crossRefIDorSnapshotData", "snapshotData")
        if content is None:
            # The switch means to send the list in pieces, as separate events: not understood here.
            self._out.reject("snapshot_in_pieces", "", "crossRefIDorSnapshotData.snapshotData", "nothing")
            return
        waiting: dict[str, WaitingCaller] = {}
        for line in children(content, "snapshotDeviceResponseInfo"):
            call_id, _ = connection(line, "connectionIdentifier")
            if not call_id:
                self._lacks("connectionIdentifier.callID", "SnapshotDeviceResponse")
            elif _states(line) & _WAITING:
                leg, contact, visit_id = self._calls.listed(call_id, pilot, stamp)
                waiting[leg] = WaitingCaller(leg_id=leg, visit_id=visit_id, contact_id=contact)
        for visit in self._calls.on_the_way(pilot, asked):
            leg = f"{self._connection.switch}:{visit.call.root}"
            waiting.setdefault(leg, WaitingCaller(leg_id=leg, visit_id=visit.visit_id))
        self._calls.keep_only(pilot, set(waiting))
        self._out.put(
            QueueSnapshot(
                **asked.envelope("queue.snapshot", pilot, live=False),
                queue=self._settings.pilots[pilot],
                as_of=asked.observed_at,
                waiting=tuple(waiting.values()),
            )
        )


def _states(line: Element) -> set[str]:
    """Return a connection's state, however the edition wraps it."""
    state = child(line, "localCallState")
    return {(one.text or "").strip() for one in state.iter()} if state is not None else set()
