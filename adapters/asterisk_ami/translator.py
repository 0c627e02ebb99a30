"""Translates one AMI connection: it maps messages to events, reads lists, and finds missing rights."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.asterisk_ami.agents import Agents
from adapters.asterisk_ami.calls import Calls
from adapters.asterisk_ami.messages import Cutter, headers, timestamp, whole
from adapters.asterisk_ami.messages import field as header
from adapters.asterisk_ami.settings import Settings
from queue_monitor.events import (
    Event,
    QueueAgent,
    QueueSnapshot,
    SourceClock,
    SourceConnected,
    SourceRestarted,
    TransferKind,
    WaitingCaller,
)
from queue_monitor.ports import Connection, Rejected
from queue_monitor.queues import queue_key
from queue_monitor.stamp import Stamp, microseconds
from queue_monitor.translating import Outbox

_BOOT_SECONDS: Final = 2.0
"""The time to wait for FullyBooted. It comes at once, within 0.2 s of a restart; without the class `system` never."""

_NO_VARIABLES: Final = (
    "no VarSet ever comes: an eventfilter of this account in manager.conf keeps it back; without the variable "
    "QUEUESTATUS nobody can tell a timeout or a refusal"
)
_NO_AGENTS: Final = (
    "no event of an agent ever comes (AgentCalled, AgentConnect …): an eventfilter of this account in manager.conf "
    "keeps them back; without them nobody can tell an answer"
)
_TOO_OLD: Final = (
    "is that of Asterisk 11 or older, whose queue events are others: take Asterisk 13 or newer, or follow its queue_log"
)

_ENOUGH_ENDED: Final = 5
"""After so many ended calls it is certain that something which has not come will not come."""

_MAX_LISTS: Final = 8
_MAX_UP: Final = 5_000
_SAME_TIME: Final = timedelta(seconds=1)
"""A list of channels and one of queues of this time are asked for together."""

_OF_AGENTS: Final = frozenset(("AppDial", "AppQueue"))
"""The applications of channels that were dialled: those are of phones, not of callers."""

_COUNTERS: Final = (
    *("Max", "Strategy", "Calls", "Holdtime", "TalkTime", "Completed", "Abandoned"),
    *("ServiceLevel", "ServicelevelPerf", "ServicelevelPerf2", "Weight"),
)
_KNOWN_ERRORS: Final = ("Authentication failed", "Permission denied", "Invalid/unknown command")


@dataclass(slots=True)
class _Listing:
    """One queue's part of a QueueStatus list, until the list is complete."""

    queue: str
    stamp: Stamp
    counters: dict[str, str]
    agents: list[QueueAgent] = field(default_factory=list)
    waiting: list[tuple[str, WaitingCaller]] = field(default_factory=list)


class Translator:
    """Takes the bytes of one connection and yields events.

    `version`: the switch's protocol version.
    `missing_classes`: the read classes that the account lacks.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._out = Outbox(connection.source)
        self._cutter = Cutter()
        self._agents = Agents(connection.switch, settings.wrapup_seconds, self._out.put)
        self._calls = Calls(connection.switch, settings, self._agents, self._cutter, self._out.put)
        self._lists: dict[str, dict[str, _Listing]] = {}
        self._up: dict[str, str] = {}
        self._up_at: datetime | None = None
        self._pings: dict[str, datetime] = {}
        self._clock: tuple[datetime, datetime] | None = None
        self._logged_in: Stamp | None = None
        self._connected = False
        self._booted = False
        self._reported: tuple[str, ...] = ()
        self._told_of_variables = False
        self._told_of_agents = False
        self._told_too_old = False
        calls = self._calls
        self._of_callers: dict[bytes, Callable[[Mapping[str, str], Stamp], bool]] = {
            b"Event: QueueCallerJoin": calls.joined,
            b"Event: QueueCallerLeave": calls.left,
            b"Event: QueueCallerAbandon": calls.abandoned,
            b"Event: AgentCalled": calls.called,
            b"Event: AgentRingNoAnswer": calls.not_answered,
            b"Event: AgentDump": calls.dumped,
            b"Event: AgentConnect": calls.connected,
            b"Event: AgentComplete": calls.completed,
        }
        self._others: dict[bytes, Callable[[Mapping[str, str], Stamp], None]] = {
            b"Event: VarSet": calls.status,
            b"Event: Newexten": calls.stepped,
            b"Event: BlindTransfer": lambda message, stamp: calls.transferred(message, stamp, TransferKind.BLIND),
            b"Event: AttendedTransfer": lambda message, stamp: calls.transferred(message, stamp, TransferKind.ATTENDED),
            b"Event: LocalOptimizationBegin": calls.optimized,
            b"Event: CoreShowChannel": self._list_channel,
            b"Event: CoreShowChannelsComplete": self._complete_channels,
            b"Event: QueueParams": self._list_queue,
            b"Event: QueueMember": self._list_member,
            b"Event: QueueEntry": self._list_caller,
            b"Event: QueueStatusComplete": self._complete_list,
            b"Event: FullyBooted": self._fully_booted,
            b"Event: Shutdown": self._shut_down,
        }

    @property
    def version(self) -> str | None:
        """The manager protocol's version, from the banner."""
        return self._cutter.version

    @property
    def booted(self) -> bool:
        """Whether the switch has reported that all its modules are loaded; before that it knows no queues."""
        return self._booted

    @property
    def unanswered_pings(self) -> int:
        return len(self._pings)

    @property
    def remembered(self) -> int:
        """The number of callers and ringing phones kept in memory; 0 when the queues are empty."""
        return self._calls.remembered

    @property
    def missing_classes(self) -> tuple[str, ...]:
        """The read classes of which nothing has come although it should have: the account's rights are too narrow."""
        missing = []
        if self._calls.ended and not self._cutter.sees_dialplan:
            missing.append("dialplan")
        if self._connected and not self._booted:
            missing.append("system")
        if self._calls.ended >= _ENOUGH_ENDED and not self._cutter.sees_calls:
            missing.append("call")
        return tuple(missing)

    def ping_sent(self, action_id: str, at: datetime) -> None:
        """Note that a Ping with this ActionID goes out now; its reply shows how far the clocks are apart."""
        if len(self._pings) > _MAX_LISTS:
            self._pings.clear()
        self._pings[action_id] = at

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(received_at)
        for first, content, offset in self._cutter.cut(raw):
            self._read(first, content, offset, received_at)
            self._cutter.every_step = self._calls.holding
        return self._out.take()

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(now)
        return self._out.take()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        self._pass_time(now)
        if self._logged_in:
            self._connect(self._logged_in)
        self._calls.cut()
        self._report_missing()
        return self._out.take()

    def _pass_time(self, now: datetime) -> None:
        self._calls.expire(now)
        self._agents.end_wrapups(Stamp(self._connection, now, 0, self._switch_now(now)))
        if self._logged_in and (now - self._logged_in.observed_at).total_seconds() >= _BOOT_SECONDS:
            self._connect(self._logged_in)

    def _switch_now(self, received_at: datetime) -> datetime | None:
        """Return the switch's clock now: the newest time it sent, plus the time passed since."""
        if self._clock is None:
            return None
        told, then = self._clock
        return told + max(timedelta(0), received_at - then)

    def _read(self, first: bytes, content: bytes, offset: int, received_at: datetime) -> None:
        if first[:7] == b"Event: ":
            if (self.version or "").startswith("1."):
                self._reject_old()
            elif first[6:13] == b" Hangup" or first == b"Event: SoftHangupRequest":
                self._read_hangup(first, content, offset, received_at)
            elif first == b"Event: Newexten" and not self._matters(content):
                return
            else:
                self._read_event(first, content, offset, received_at)
        elif first[:9] == b"Response:":
            self._read_response(headers(content), offset, received_at)
        else:
            reason = "not_a_message" if content else "message_too_long"
            self._out.reject(reason, f"at byte {offset}", kind="text", length=len(content))

    def _reject_old(self) -> None:
        if not self._told_too_old:
            self._told_too_old = True
            self._out.reject("manager_too_old", f"manager {self.version} {_TOO_OLD}")

    def _matters(self, content: bytes) -> bool:
        return b"\r\nApplication: Queue\r\n" in content or self._calls.holds(header(content, b"Uniqueid"))

    def _read_event(self, first: bytes, content: bytes, offset: int, received_at: datetime) -> None:
        message = headers(content)
        stamp = self._stamp(message.get("Timestamp"), first, offset, received_at)
        if translate := self._of_callers.get(first):
            self._connect(stamp)
            understood = translate(message, stamp)
            self._report_missing()
        elif tell := self._others.get(first):
            tell(message, stamp)
            return
        else:
            understood = self._agents.change(first[7:].decode("ascii", "replace"), message, stamp, stamp.at)
        if not understood:
            self._out.reject("missing_field", first[7:].decode("ascii", "replace"))

    def _read_hangup(self, first: bytes, content: bytes, offset: int, received_at: datetime) -> None:
        """Read a Hangup. Most are of phones and trunks in no queue, so the id is read first."""
        unique = header(content, b"Uniqueid")
        if not self._calls.knows(unique):
            if first == b"Event: HangupRequest":
                stamp = self._stamp(header(content, b"Timestamp") or None, first, offset, received_at)
                self._calls.hung_up_unseen(unique, stamp)
            return
        if first == b"Event: Hangup":
            stamp = self._stamp(header(content, b"Timestamp") or None, first, offset, received_at)
            self._calls.hung_up(unique, stamp)
        else:
            stamp = self._stamp(header(content, b"Timestamp") or None, first, offset, received_at)
            self._calls.hanging_up(unique, stamp, softly=first == b"Event: SoftHangupRequest")

    def _stamp(self, text: str | None, first: bytes, offset: int, received_at: datetime) -> Stamp:
        told = timestamp(text) if text else None
        if told:
            self._clock = told, received_at
        elif text:
            self._out.reject("bad_timestamp", first[7:].decode("ascii", "replace"), "Timestamp", "time", len(text))
        return Stamp(self._connection, received_at, offset, told)

    def _read_response(self, message: Mapping[str, str], offset: int, received_at: datetime) -> None:
        text = message.get("Message", "")
        if message["Response"] == "Error" and message.get("ActionID", "").startswith("coreshowchannels-"):
            return  # an account that may not ask for channels loses nothing else
        if message["Response"] == "Error":
            known = next((error for error in _KNOWN_ERRORS if text.startswith(error)), "")
            self._out.reject("login_refused" if known == _KNOWN_ERRORS[0] else "action_refused", known)
        elif text == "Authentication accepted":
            self._logged_in = Stamp(self._connection, received_at, offset)
        elif text.startswith("Queue status"):
            self._lists[message.get("ActionID", "")] = {}
        elif text.startswith("Channels will follow"):
            self._up, self._up_at = {}, None
        elif message.get("Ping") == "Pong" and (told := timestamp(message.get("Timestamp", ""))):
            self._clock = told, received_at
            if sent := self._pings.pop(message.get("ActionID", ""), None):
                self._tell_clock(sent, Stamp(self._connection, received_at, offset, told))

    def _tell_clock(self, sent: datetime, answered: Stamp) -> None:
        """Report the clock difference: the switch read its clock about half-way between sending and answer."""
        trip = answered.observed_at - sent
        middle = sent + trip / 2
        millisecond = timedelta(milliseconds=1)
        self._out.put(
            SourceClock(
                **answered.envelope("source.clock"),
                offset_ms=round((answered.at - middle) / millisecond, 3),
                rtt_ms=round(trip / millisecond, 3),
            )
        )

    # The connection itself

    def _connect(self, stamp: Stamp, started_at: datetime | None = None) -> None:
        if self._connected:
            return
        self._connected = True
        missing = "" if self._booted else "; no FullyBooted: the account lacks the read class system"
        self._out.put(
            SourceConnected(
                **Stamp(self._connection, stamp.observed_at, stamp.offset).envelope("source.connected"),
                reason="logged in" + missing,
                switch_started_at=started_at,
                version=self.version,
            )
        )

    def _fully_booted(self, message: Mapping[str, str], stamp: Stamp) -> None:
        self._booted = True
        uptime = whole(message.get("Uptime"))
        now = self._switch_now(stamp.observed_at) or stamp.observed_at
        self._connect(stamp, None if uptime is None else now - timedelta(seconds=uptime))

    def _shut_down(self, message: Mapping[str, str], stamp: Stamp) -> None:
        """Take an orderly stop, after which the switch may start again: every call on it has ended."""
        self._calls.restart(stamp)
        self._agents.forget()
        self._out.put(SourceRestarted(**stamp.envelope("source.restarted")))

    def _report_missing(self) -> None:
        missing = self.missing_classes
        is_sure = "dialplan" in missing or self._calls.ended >= _ENOUGH_ENDED
        if missing and is_sure and self._reported != missing:
            self._reported = missing
            self._out.reject("missing_read_classes", ", ".join(missing))
        if self._calls.unexplained and not self._told_of_variables:
            self._told_of_variables = True
            self._out.reject("missing_variables", _NO_VARIABLES)
        if self._calls.unanswered and not self._told_of_agents:
            self._told_of_agents = True
            self._out.reject("missing_agent_events", _NO_AGENTS)

    def _named(self, unique: str) -> str:
        return f"{self._connection.switch}:{unique}"

    # QueueStatus lists, and the channels that are up

    def _list_channel(self, message: Mapping[str, str], stamp: Stamp) -> None:
        """Take one channel that is up. A caller who has hung up may still take the steps of `h`."""
        unique, is_phone = message.get("Uniqueid", ""), message.get("Application") in _OF_AGENTS
        if unique and message.get("Application") == "AppQueue" and len(self._up) < _MAX_UP:
            self._calls.rung_by_queue(unique, message.get("Channel", ""), message.get("Linkedid", ""))
        if unique and not is_phone and message.get("Exten") != "h" and len(self._up) < _MAX_UP:
            self._up[self._named(unique)] = message.get("Linkedid", "")

    def _complete_channels(self, message: Mapping[str, str], stamp: Stamp) -> None:
        self._up_at = self._switch_now(stamp.observed_at)

    def _take_up(self, at: datetime) -> tuple[str, ...]:
        """Return the channels that were listed just before this time, once."""
        taken, listed = self._up, self._up_at
        self._up, self._up_at = {}, None
        return tuple(taken) if listed is not None and abs(at - listed) <= _SAME_TIME else ()

    def _list_queue(self, message: Mapping[str, str], stamp: Stamp) -> None:
        listing = self._listing(message, stamp)
        if listing:
            listing.counters = {name: message[name] for name in _COUNTERS if name in message}

    def _listing(self, message: Mapping[str, str], stamp: Stamp) -> _Listing | None:
        """Return the list for an ActionID. Lists asked for without one come in turn and share the empty id."""
        queue = message.get("Queue", "")
        if not queue:
            self._out.reject("missing_field", message["Event"], "Queue", "nothing")
            return None
        while len(self._lists) > _MAX_LISTS:
            del self._lists[next(iter(self._lists))]
        one = self._lists.setdefault(message.get("ActionID", ""), {})
        if queue_key(queue) not in one:
            when = self._switch_now(stamp.observed_at)
            as_of = Stamp(self._connection, stamp.observed_at, stamp.offset, when, derived=True)
            one[queue_key(queue)] = _Listing(queue, as_of, {})
        return one[queue_key(queue)]

    def _list_member(self, message: Mapping[str, str], stamp: Stamp) -> None:
        if (listing := self._listing(message, stamp)) and (agent := self._agents.listed(message, listing.stamp.at)):
            listing.agents.append(agent)

    def _list_caller(self, message: Mapping[str, str], stamp: Stamp) -> None:
        listing, unique = self._listing(message, stamp), message.get("Uniqueid", "")
        if not listing or not unique:
            return
        waited = whole(message.get("Wait"))
        entered = listing.stamp.at - timedelta(seconds=waited or 0)
        linked = self._up.get(self._named(unique))
        caller = WaitingCaller(
            leg_id=self._named(unique),
            visit_id=self._calls.listed(unique, listing.queue, microseconds(entered) // 1000, listing.stamp),
            contact_id=self._calls.contact_of(unique) or (self._named(linked) if linked else None),
            position=whole(message.get("Position")),
            waited_ms=None if waited is None else waited * 1000,
            entered_at=None if waited is None else entered,
        )
        listing.waiting.append((unique, caller))

    def _complete_list(self, message: Mapping[str, str], stamp: Stamp) -> None:
        """Report a complete list; only such a list is authoritative. Callers who came or went meanwhile are
        corrected.
        """
        for listing in self._lists.pop(message.get("ActionID", ""), {}).values():
            waiting = [
                caller
                for unique, caller in listing.waiting
                if caller.visit_id and self._calls.still_waits(unique, caller.visit_id)
            ]
            listed = {caller.visit_id for caller in waiting}
            for leg_id, visit_id, joined in self._calls.joined_since(listing.queue, listing.stamp.offset):
                if visit_id not in listed:
                    waiting.append(WaitingCaller(leg_id=leg_id, visit_id=visit_id, waited_ms=0, entered_at=joined.at))
            self._out.put(
                QueueSnapshot(
                    **listing.stamp.envelope("queue.snapshot", listing.queue, live=False),
                    queue=listing.queue,
                    as_of=listing.stamp.at,
                    waiting=tuple(waiting),
                    agents=tuple(listing.agents),
                    counters=listing.counters,
                    up=self._take_up(listing.stamp.at),
                )
            )
