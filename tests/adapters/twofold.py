"""Stories of callers as a manager interface and a queue_log tell them at once: each step is an event and a line."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from adapters import asterisk_ami, asterisk_queuelog
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import Event
from queue_monitor.model import Target
from queue_monitor.ports import Connection, Rejected
from tests.core.recount import minutes
from tests.scenario import office_hours
from tests.store.records import placements_of

START = 1795433700
"""Monday 23 November 2026, 12.35 in Luleå."""

NOW = datetime.fromtimestamp(START, UTC)
MANAGER, LOG = "urn:kc:asterisk_ami:test", "urn:kc:asterisk_queuelog:test"
NUMBER = "0980319201"
Items = list[Event | Rejected]


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def message(event: str, seconds: float, **fields: str) -> bytes:
    lines = {"Event": event, "Timestamp": f"{START + seconds:.6f}", **fields}
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n"


def untimed(event: str, fields: dict[str, str]) -> bytes:
    """A line of a list, which has no time."""
    return "".join(f"{name}: {value}\r\n" for name, value in {"Event": event, **fields}.items()).encode() + b"\r\n"


class Twofold:
    """One story. Channels are numbers such as `1.1`; times are seconds after `NOW`.

    `linked`: the whole call that a channel belongs to, where that is another one's.
    """

    def __init__(self, **linked: str) -> None:
        self.manager: list[tuple[float, bytes]] = []
        self.log: list[tuple[float, bytes]] = []
        self._linked = linked
        self._entered: dict[tuple[str, str], float] = {}
        self._answered: dict[tuple[str, str], float] = {}
        self._line(-60, "0.1", "z", "NONE", "ENTERQUEUE", "", "", 1)
        self._line(-50, "0.1", "z", "NONE", "ABANDON", 1, 1, 10)
        self._others(-1)

    # what happens

    def joins(
        self, seconds: float, channel: str, queue: str, *, phone: str = "trunk", number: str = NUMBER
    ) -> "Twofold":
        """Let a channel enter a queue; it is of this phone or line, and shows this number."""
        self._entered[channel, queue] = seconds
        its = {"Channel": f"PJSIP/{phone}-0000001f", "Position": "1", "Count": "1", "CallerIDNum": number}
        self._of(seconds, "QueueCallerJoin", channel, queue, **its)
        return self._line(seconds, channel, queue, "NONE", "ENTERQUEUE", "", number, 1)

    def goes_on(self, channel: str, queue: str, as_: str) -> "Twofold":
        """Let the caller of a channel stand in the queue under another one from now on."""
        self._entered[as_, queue] = self._entered[channel, queue]
        if (channel, queue) in self._answered:
            self._answered[as_, queue] = self._answered[channel, queue]
        return self

    def rings(self, seconds: float, channel: str, queue: str, agent: str, phone: str) -> "Twofold":
        self._of(seconds, "AgentCalled", channel, queue, agent, DestUniqueid=phone)
        return self

    def answered(self, seconds: float, channel: str, queue: str, agent: str, phone: str) -> "Twofold":
        hold, self._answered[channel, queue] = self._since(seconds, channel, queue), seconds
        self._of(seconds - 0.001, "QueueCallerLeave", channel, queue)
        self._of(seconds, "AgentConnect", channel, queue, agent, DestUniqueid=phone, HoldTime=str(hold), RingTime="1")
        return self._line(seconds, channel, queue, agent, "CONNECT", hold, phone, 1)

    def completed(self, seconds: float, channel: str, queue: str, agent: str, by: str = "caller") -> "Twofold":
        answered = self._answered[channel, queue]
        hold, talk = self._since(answered, channel, queue), int(seconds) - int(answered)
        its = {"HoldTime": str(hold), "TalkTime": str(talk), "Reason": by}
        self._of(seconds, "AgentComplete", channel, queue, agent, **its)
        if by != "transfer":
            self._line(seconds, channel, queue, agent, f"COMPLETE{by.upper()}", hold, talk, 1)
        return self

    def abandons(self, seconds: float, channel: str, queue: str, moved_to: str = "") -> "Twofold":
        """Let a caller hang up, or be moved to another extension: the same line in the log."""
        wait, place = self._since(seconds, channel, queue), {"Exten": moved_to, "Priority": "1"} if moved_to else {}
        if not moved_to:
            self.tells(seconds - 0.002, "HangupRequest", Uniqueid=channel)
        self._of(seconds, "QueueCallerAbandon", channel, queue, HoldTime=str(wait), **place)
        self._of(seconds + 0.001, "QueueCallerLeave", channel, queue, **place)
        if moved_to:
            step = {"Context": "in", "Exten": moved_to, "Priority": "1", "Application": "Answer"}
            self.tells(seconds + 0.01, "Newexten", Uniqueid=channel, **step)
        return self._line(seconds, channel, queue, "NONE", "ABANDON", 1, 1, wait)

    def times_out(self, seconds: float, channel: str, queue: str) -> "Twofold":
        wait = self._since(seconds, channel, queue)
        self._of(seconds, "QueueCallerAbandon", channel, queue, HoldTime=str(wait))
        self._of(seconds + 0.001, "QueueCallerLeave", channel, queue)
        self.tells(seconds + 0.002, "VarSet", Uniqueid=channel, Variable="QUEUESTATUS", Value="TIMEOUT")
        return self._line(seconds, channel, queue, "NONE", "EXITWITHTIMEOUT", 1, 1, wait)

    def refused(self, seconds: float, channel: str, queue: str) -> "Twofold":
        step = {"Context": "in", "Exten": "s", "Priority": "1", "Application": "Queue", "AppData": queue}
        self.tells(seconds - 0.01, "Newexten", Uniqueid=channel, Linkedid=channel, **step)
        its = {"Linkedid": channel, "Variable": "QUEUESTATUS", "Value": "JOINEMPTY"}
        self.tells(seconds, "VarSet", Uniqueid=channel, **its)
        return self._line(seconds, channel, queue, "NONE", "JOINEMPTY", "")

    def blind_transfer(self, seconds: float, channel: str, queue: str, agent: str, to: str) -> "Twofold":
        its = {"TransfereeUniqueid": channel, "TransfereeLinkedid": channel, "Extension": to, "Context": "in"}
        self.tells(seconds, "BlindTransfer", Result="Success", **its)
        self.completed(seconds + 0.01, channel, queue, agent, "transfer")
        return self._transfer_line(seconds, channel, queue, agent, "BLINDTRANSFER", to, "in")

    def attended_transfer(self, seconds: float, channel: str, queue: str, agent: str, asked: str) -> "Twofold":
        """Let an agent who asked on another channel put the caller in that channel's place."""
        its = {"SecondTransfererUniqueid": asked, "TransfereeUniqueid": channel, "TransfereeLinkedid": channel}
        self.tells(seconds, "AttendedTransfer", Result="Success", OrigTransfererLinkedid=channel, **its)
        self.completed(seconds + 0.01, channel, queue, agent, "transfer")
        self._transfer_line(seconds, channel, queue, agent, "ATTENDEDTRANSFER", "APP", "Queue")
        return self.hangs_up(seconds + 0.02, asked)

    def hangs_up(self, seconds: float, channel: str) -> "Twofold":
        return self.tells(seconds, "Hangup", Uniqueid=channel)

    def lists(self, seconds: float, *waiting: tuple[str, str]) -> "Twofold":
        """Let the switch list who waits: channel and queue of each."""
        for queue in "qr":
            self.tells(seconds, "QueueParams", Queue=queue)
        for channel, queue in waiting:
            wait = str(int(seconds - self._entered[channel, queue]))
            self.tells(seconds, "QueueEntry", Queue=queue, Uniqueid=channel, Position="1", Wait=wait)
        return self.tells(seconds, "QueueStatusComplete")

    def shows_up(self, seconds: float, *channels: str, **fields: str) -> "Twofold":
        """Let the switch list the channels that are up, each with these fields, and then who waits: nobody."""
        self.manager.append(
            (seconds, b"Response: Success\r\nEventList: start\r\nMessage: Channels will follow\r\n\r\n")
        )
        for channel in channels:
            its = {"Exten": "s", "Application": "Playback", "Linkedid": channel, **fields, "Uniqueid": channel}
            self.manager.append((seconds, untimed("CoreShowChannel", its)))
        self.manager.append((seconds, untimed("CoreShowChannelsComplete", {"EventList": "Complete"})))
        return self.lists(seconds + 0.01)

    def tells(self, seconds: float, event: str, **fields: str) -> "Twofold":
        self.manager.append((seconds, message(event, seconds, **fields)))
        return self

    # what a monitor makes of it

    def heard_manager(self, *, lost: tuple[float, float] | None = None, twice: bool = False) -> Items:
        """Return the events of the manager interface: none while it is `lost`, each two times if `twice`."""
        connections = count(1)
        one, items, was_lost = _manager(next(connections)), Items(), False
        for seconds, said in sorted(self.manager, key=lambda told: told[0]):
            if lost and lost[0] <= seconds < lost[1]:
                continue
            if lost and seconds >= lost[1] and not was_lost:
                items += one.close(at(lost[0]))
                was_lost, one = True, _manager(next(connections))
                items += one.feed(_greeting(lost[1]), at(lost[1]))
            for _ in range(1 + twice):
                items += one.feed(said, at(seconds))
        return [*items, *one.flush(at(self._end))]

    def heard_on_arrival(self, clock_ahead: float) -> Items:
        """Return the events of an interface that gives no times; our clock is ahead of the switch's."""
        one, items = _manager(1), Items()
        for seconds, said in sorted(self.manager, key=lambda told: told[0]):
            untimed = b"".join(line for line in said.splitlines(keepends=True) if not line.startswith(b"Timestamp:"))
            items += one.feed(untimed, at(seconds + clock_ahead))
        return [*items, *one.flush(at(self._end + clock_ahead))]

    def heard_log(self) -> Items:
        one = _log()
        return [item for seconds, line in self._lines for item in one.feed(line, at(int(seconds) + 1))]

    def restarted(self, seconds: float, *waiting: tuple[str, str]) -> Live:
        """Hear both with a start of the monitor in between; the first thing that it hears is a list of who waits."""
        live, manager, log, before = _live(), _manager(1), _log(), b""
        heard: list[Event] = []
        told = [(when, 0, said) for when, said in self.manager] + [(when, 1, line) for when, line in self.log]
        again = Twofold(**self._linked)
        again._entered, again.manager = self._entered, []
        again.lists(seconds + 0.01, *waiting)
        has_started = False
        for when, kind, said in [*sorted(told, key=lambda one: one[:2]), (self._end, 0, b"")]:
            if when > seconds and not has_started:
                has_started = True
                heard += _apply(live, manager.close(at(seconds)))
                live, manager, log = _loaded(live, heard, at(seconds)), _manager(2), _log()
                log.recall(before, at(seconds))
                _apply(live, manager.feed(_greeting(seconds), at(seconds)))
                for listed, its in again.manager:
                    _apply(live, manager.feed(its, at(listed)))
            source = log if kind else manager
            heard += _apply(live, source.feed(said, at(int(when) + 1 if kind else when)))
            before += said if kind else b""
        _apply(live, manager.flush(at(self._end)))
        return live

    # how it is written

    @property
    def _end(self) -> float:
        return max(seconds for seconds, _ in (*self.manager, *self.log)) + 10

    @property
    def _lines(self) -> list[tuple[float, bytes]]:
        return sorted(self.log, key=lambda told: told[0])

    def _since(self, seconds: float, channel: str, queue: str) -> int:
        return int(seconds) - int(self._entered[channel, queue])

    def _others(self, seconds: float) -> None:
        for said in (
            message("VarSet", seconds, Uniqueid="0.1", Variable="X", Value="1"),
            message("Newchannel", seconds),
        ):
            self.manager.append((seconds, said))

    def _of(self, seconds: float, event: str, channel: str, queue: str, agent: str = "", **fields: str) -> None:
        its = {"Uniqueid": channel, "Linkedid": self._linked.get(channel, channel), "Queue": queue}
        its |= {"Context": "in", "Exten": queue, "Priority": "2"}
        if agent:
            its |= {"MemberName": agent, "Interface": f"PJSIP/{agent}"}
        self.tells(seconds, event, **{**its, **fields})

    def _line(self, seconds: float, channel: str, queue: str, agent: str, verb: str, *told: object) -> "Twofold":
        words = (START + int(seconds // 1), channel, queue, agent, verb, *told)
        self.log.append((seconds, ("|".join(map(str, words)) + "\n").encode()))
        return self

    def _transfer_line(
        self, seconds: float, channel: str, queue: str, agent: str, verb: str, *told: object
    ) -> "Twofold":
        answered = self._answered[channel, queue]
        hold, talk = self._since(answered, channel, queue), int(seconds) - int(answered)
        return self._line(seconds, channel, queue, agent, verb, *told, hold, talk, 1)


def _manager(number: int) -> asterisk_ami.Translator:
    connection = Connection(source=MANAGER, switch="kc", epoch=str(number))
    return asterisk_ami.Translator(connection, asterisk_ami.Settings())


def _log() -> asterisk_queuelog.Translator:
    return asterisk_queuelog.Translator(Connection(source=LOG, switch="kc", epoch="1"), asterisk_queuelog.Settings())


def _greeting(seconds: float) -> bytes:
    others = message("VarSet", seconds, Uniqueid="0.1", Variable="X", Value="1") + message("Newchannel", seconds)
    return b"Asterisk Call Manager/9.0.0\r\n" + message("FullyBooted", seconds) + others


def _live() -> Live:
    return Live(Rules(target=Target(), calendar=office_hours(), organisation="Kundcenter"), records=True)


def _apply(live: Live, items: Iterable[Event | Rejected]) -> list[Event]:
    events = [item for item in items if isinstance(item, Event)]
    for event in events:
        live.apply(event)
    return events


def _loaded(live: Live, heard: list[Event], now: datetime) -> Live:
    """A live state that has been started from what the one before has written down."""
    calls, refusals = live.take_records()
    again = _live()
    again.load_states(live.save_states(), now)
    again.load_calls(record.evidence for record in calls if record.evidence)
    again.windows.load_minutes(minutes(placements_of([one for one in calls if one.contact], refusals)))
    for event in heard:
        again.remember(event)
    return again


def played(items: Iterable[Event | Rejected]) -> Live:
    live = _live()
    _apply(live, items)
    return live
