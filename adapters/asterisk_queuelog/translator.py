"""Translates one queue_log: it turns each line into events about the callers in the queues.

Longer than 450 lines because each of the log's some thirty events has a method, and all share one state.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from adapters.asterisk_queuelog.lines import Line, decoded, read_line
from adapters.asterisk_queuelog.nested import Nested, Person
from adapters.asterisk_queuelog.settings import Settings
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallMoved,
    CallRefused,
    CallRingEnded,
    CallTransferred,
    EndedBy,
    Event,
    LeftOutcome,
    MemberAction,
    OutcomeBasis,
    RefusalReason,
    RingResult,
    SourceConnected,
    SourceRestarted,
    TransferKind,
    TransferTarget,
    event_id,
)
from queue_monitor.ports import Connection, Rejected
from queue_monitor.queues import agent_key, queue_key
from queue_monitor.translating import translated

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_LINE: Final = 64 * 1024
_MAX_VISITS: Final = 50_000
"""The most visits kept. A visit goes when its call is complete; where no such line comes, the oldest go first."""

_MAX_OUTGOING: Final = 10_000
_MAX_HELD: Final = 1_000
_STOPS_WITHIN: Final = 1  # s
"""The time within which a stopping switch cuts off everybody; its lines may fall into two seconds."""

_FORGOTTEN: Final = timedelta(hours=4)
"""The age from which an unfinished visit no longer counts as waiting at a restart: its last line is missing."""

_OUTGOING: Final = re.compile("OUTBOUND|OUTCALL|CALLOUT|OUTGOING|DIALOUT|OUTDIAL")
"""The verbs by which call centres mark outgoing calls, before lines that otherwise look like a queue's."""

_REFUSALS: Final = {
    "FULL": RefusalReason.FULL,
    "DIVERT_CA_RATIO": RefusalReason.FULL,
    "DIVERT_HOLDTIME": RefusalReason.FULL,
    "JOINEMPTY": RefusalReason.NO_AGENTS,
    "JOINUNAVAIL": RefusalReason.NO_AGENTS,
    "CLOSED": RefusalReason.CLOSED,
}
"""The verbs by which dialplans (Wazo's and others) log a refused caller; Asterisk itself writes no line for one."""

_RINGS: Final = frozenset(("RINGNOANSWER", "RINGCANCELED"))
_UNANSWERED: Final = frozenset(("CONNECT", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "WITHDRAW"))
"""The verbs of a caller who waits until then."""

_ONLY_OF_THE_OPEN: Final = frozenset(("LEAVEEMPTY", "LEAVEUNAVAIL"))
_OF_THE_LIVING: Final = frozenset(("ENTERQUEUE", "CONNECT"))
"""The verbs that a stopping switch no longer writes."""

_PHONE: Final = re.compile(r"\w+/(\d+)(?:@.*)?")
"""An interface that holds the number of its phone."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WITHHELD: Final = frozenset(("", "<unknown>", "unknown", "anonymous", "restricted", "unavailable", "private"))


class _Anybodys(Exception):
    """Raised for a line under an id that never entered, when it fits several callers."""


@dataclass(slots=True)
class _Visit:
    """One stay. `talk_before`: the same caller's earlier one in the same queue, whose talk is over by now, although the
    line that says so, `before_over`, may come later.
    """

    visit_id: str
    queue: str
    leg_id: str
    agent_id: str = ""
    rings: int = 0
    person: Person | None = None
    entry: Line | None = None
    rang: Line | None = None
    answer: Line | None = None
    ring: Line | None = None
    talk_before: "_Visit | None" = None
    before_over: Line | None = None
    is_doubled: bool = False
    is_elsewhere: bool = False

    def placed(self) -> dict[str, Any]:
        contact_id = self.person.contact_id if self.person else self.leg_id
        return {"visit_id": self.visit_id, "queue": self.queue, "leg_id": self.leg_id, "contact_id": contact_id}


class Translator:
    """Takes the bytes of one file, with or without its rotated files before it, and yields events."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._out: list[Event | Rejected] = []
        self._rest = b""
        self._skipping = False
        self._lines = self._length = 0
        self._greeted = False
        self._second = 0
        self._repeats: dict[tuple[object, ...], int] = {}
        self._visits: dict[tuple[str, str], _Visit] = {}
        self._nested = Nested()
        self._held: list[Line] = []
        self._claims: dict[tuple[str, str], tuple[str, list[tuple[str, str]]]] = {}
        self._reads_from: int | None = None
        self._is_amid = False
        self._ended: dict[tuple[str, str], Line] = {}
        self._ended_span = 0, 0  # their first and last second
        self._outgoing: dict[str, None] = {}
        self._logged_off: set[str] = set()
        self._abandons: list[tuple[Line, _Visit]] = []
        self._abandons_from = 0  # the second of the earliest
        self._hung_up: dict[str, tuple[Line, _Visit]] = {}
        self._at_once: dict[tuple[str, str], tuple[Line, _Visit]] = {}
        self._staff_at = 0
        self._queues = {queue_key(queue): queue for queue in settings.dialled_queues.values()}
        self._names = {interface.casefold(): name for interface, name in settings.member_names.items()}
        self._interfaces = {name.casefold(): interface for interface, name in settings.member_names.items()}
        self._talking: dict[str, _Visit] = {}
        self._refusals = _REFUSALS | {verb.upper(): reason for verb, reason in settings.refusal_verbs.items()}
        self._outgoing_verbs = {verb.upper() for verb in settings.outgoing_verbs}
        self._calls: dict[str, Callable[[Line], None]] = {
            "ENTERQUEUE": self._entered,
            "CONNECT": self._connected,
            "COMPLETECALLER": lambda line: self._completed(line, EndedBy.CALLER),
            "COMPLETEAGENT": lambda line: self._completed(line, EndedBy.AGENT),
            "BLINDTRANSFER": lambda line: self._transferred(line, TransferKind.BLIND),
            "TRANSFER": lambda line: self._transferred(line, TransferKind.BLIND),
            "ATTENDEDTRANSFER": lambda line: self._transferred(line, TransferKind.ATTENDED),
            "ABANDON": lambda line: self._left(line, LeftOutcome.ABANDONED, 2),
            "EXITWITHTIMEOUT": lambda line: self._left(line, LeftOutcome.TIMEOUT, 2),
            "EXITEMPTY": lambda line: self._left(line, LeftOutcome.NO_AGENTS, 2),
            "EXITWITHKEY": lambda line: self._left(line, LeftOutcome.EXIT_KEY, 3),
            "SYSCOMPAT": lambda line: self._left(line, LeftOutcome.SYSTEM, None),
            "WITHDRAW": self._withdrawn,
            "RINGNOANSWER": self._rang,
            "RINGCANCELED": self._rang,
            "LEAVEEMPTY": self._left_empty,
            "LEAVEUNAVAIL": self._left_empty,
        }
        self._verbs: dict[str, Callable[[Line], None]] = self._calls | {
            "ADDMEMBER": lambda line: self._member(line, MemberAction.ADDED),
            "REMOVEMEMBER": lambda line: self._member(line, MemberAction.REMOVED),
            "PENALTY": lambda line: self._member(line, MemberAction.CHANGED),
            "RINGINUSE": lambda line: self._member(line, MemberAction.CHANGED),
            "PAUSE": lambda line: self._pause(line, AgentActivity.PAUSED),
            "PAUSEALL": lambda line: self._pause(line, AgentActivity.PAUSED),
            "UNPAUSE": lambda line: self._pause(line, AgentActivity.AVAILABLE),
            "UNPAUSEALL": lambda line: self._pause(line, AgentActivity.AVAILABLE),
            "AGENTLOGIN": self._log_in,
            "AGENTCALLBACKLOGIN": self._log_in,
            "AGENTLOGOFF": self._log_off,
            "AGENTCALLBACKLOGOFF": self._log_off,
            "QUEUESTART": self._restarted,
        }

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        lines = (self._rest + raw).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._out += translated(self._connection.source, partial(self._read, line, received_at))
        if len(self._rest) > _MAX_LINE:
            if not self._skipping:
                self._lines += 1
                self._length = len(self._rest)
                self._reject("line_too_long")
            self._skipping, self._rest = True, b""
        return self._take()

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        return self._take()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        """Read the last line although no newline follows it, because the file has ended."""
        if self._rest:
            self._out += translated(self._connection.source, partial(self._read, self._rest, now))
            self._rest = b""
        return self._take()

    def recall(self, earlier: bytes, now: datetime) -> None:
        """Read lines that were read before, only to know who is in which queue; no event comes of them."""
        self.begin_amid()
        self.feed(earlier, now)
        self._rest, self._greeted, self._lines, self._skipping = b"", False, 0, False

    def begin_amid(self) -> None:
        """Note that lines just before the next one may not have been read, in which another caller may have entered."""
        self._reads_from, self._is_amid = None, True

    def _take(self) -> list[Event | Rejected]:
        taken = self._out.copy()
        self._out.clear()
        return taken

    def _reject(self, reason: str) -> None:
        # Never the line itself: ENTERQUEUE holds the caller's number.
        its = {"reason": reason, "detail": f"line {self._lines}", "kind": "text"}
        self._out.append(Rejected(source=self._connection.source, length=self._length, **its))

    def _read(self, raw: bytes, received_at: datetime) -> None:
        if self._skipping:
            self._skipping = False
            return
        self._lines += 1
        self._length = len(raw)
        raw = raw.removeprefix(_BYTE_ORDER_MARK).strip(b"\0\r").rstrip(b" \t\r")
        if not raw:
            return
        if len(raw) > _MAX_LINE:
            self._reject("line_too_long")
            return
        line = read_line(decoded(raw), received_at, self._verbs, self._queues)
        if line is None:
            self._reject("malformed_line")
            return
        if self._reads_from is None:
            # a hold may be a second longer than between the lines: the wait begins a moment before its line
            self._reads_from = line.second + (2 if self._is_amid else -1)
        if not self._greeted:
            self._greeted = True
            self._out.append(SourceConnected(**self._envelope("source.connected", line), reason="queue_log"))
        if line.verb in self._calls:
            self._take_call(line)
            self._take_held()
        elif translate := self._verbs.get(line.verb):
            translate(line)
            self._staff_at = line.second
        elif (reason := self._refusals.get(line.verb.upper())) is not None:
            self._refused(line, reason)
        elif line.verb.upper() in self._outgoing_verbs or _OUTGOING.search(line.verb.upper()):
            self._calls_out(line)

    def _envelope(self, kind: str, line: Line, *key: object) -> dict[str, Any]:
        """Return the fields that every event has. Equal events of one second get different ids by their number."""
        number = self._count(line, kind, *key)
        return {
            "id": event_id(self._connection.source, kind, *key, line.second * 1_000_000, number),
            "source": self._connection.source,
            "switch": self._connection.switch,
            "epoch": self._connection.epoch,
            "observed_at": line.received_at,
            "switch_time": line.at,
            "time_precision_ms": 1000,
            "live": False,
        }

    def _count(self, line: Line, *what: object) -> int:
        """Return how many times this event has come in this second."""
        if line.second != self._second:
            self._second = line.second
            self._repeats.clear()
        number = self._repeats[what] = self._repeats.get(what, 0) + 1
        return number

    # Callers

    def _take_call(self, line: Line) -> None:
        if line.place not in self._visits and line.call in self._outgoing and line.verb != "ENTERQUEUE":
            return
        if self._is_repeat(line):
            return
        if self._at_once:
            self._amend_stays_of_no_time(line)
        was_open = line.place in self._visits
        try:
            if any(held.place == line.place for held in self._held) and line.verb != "ENTERQUEUE":
                raise _Anybodys
            self._calls[line.verb](line)
        except _Anybodys:
            self._held.append(line)
            return
        if line.place not in self._visits and (was_open or line.verb not in _ONLY_OF_THE_OPEN):
            self._note_ended(line)
        if line.verb in _OF_THE_LIVING:
            self._forget_abandons(line.second)

    def _take_held(self) -> None:
        """Read the held lines again: by now each may fit only one caller."""
        if not self._held:
            return
        held, self._held = self._held[-_MAX_HELD:], []
        waits_for = {line.place for line in held}
        self._claims = {place: claimed for place, claimed in self._claims.items() if place in waits_for}
        counted = self._second, self._repeats
        for line in held:
            self._second, self._repeats = line.second, {}
            self._take_call(line)
        self._second, self._repeats = counted

    def _note_ended(self, line: Line) -> None:
        """Note the line that ended a stay; those more than a second away are forgotten.

        Many may hang up in one second: the others are looked through only when one of them is too far away.
        """
        first, last = self._ended_span
        if line.second - first > 1 or last - line.second > 1:
            self._ended = {place: end for place, end in self._ended.items() if abs(line.second - end.second) <= 1}
            first = min((end.second for end in self._ended.values()), default=line.second)
            last = max((end.second for end in self._ended.values()), default=line.second)
        self._ended[line.place] = line
        self._ended_span = min(first, line.second), max(last, line.second)

    def _forget_abandons(self, before: int) -> None:
        """Forget the callers who hung up before this second."""
        if self._abandons_from < before:
            self._abandons = [one for one in self._abandons if one[0].second >= before]
            self._abandons_from = min((one[0].second for one in self._abandons), default=before)

    def _is_repeat(self, line: Line) -> bool:
        """Return whether this line only repeats an earlier one: each step of a stay happens once.

        A phone may refuse twice within a second; that is a repeat only where the caller's entry was one, too.
        """
        visit = self._visits.get(line.place)
        if visit is None:
            return line.verb != "ENTERQUEUE" and line.repeats(self._ended.get(line.place))
        if line.verb in _RINGS:
            if not visit.is_doubled:
                return False
            is_second = line.repeats(visit.ring)
            visit.ring = None if is_second else line
            return is_second
        is_repeat = any(line.repeats(earlier) for earlier in (visit.entry, visit.answer, visit.before_over))
        visit.is_doubled |= is_repeat
        return is_repeat

    def _calls_out(self, line: Line) -> None:
        """Note an outgoing call: its next lines concern no caller in a queue, until one enters."""
        if line.call not in ("", "NONE") and line.place not in self._visits:
            self._outgoing[line.call] = None
            if len(self._outgoing) > _MAX_OUTGOING:
                del self._outgoing[next(iter(self._outgoing))]

    def _refused(self, line: Line, reason: RefusalReason) -> None:
        """Report a refused caller. For a caller who was let in, the line only gives the reason for leaving; it is
        ignored.
        """
        left = self._ended.get(line.place)
        if line.place in self._visits or (left is not None and 0 <= line.second - left.second <= 1):
            return
        leg = self._leg_id(line)
        self._forget_abandons(line.second)
        self._out.append(
            CallRefused(
                **self._envelope("call.refused", line, leg, queue_key(line.queue)),
                contact_id=leg,
                leg_id=leg,
                queue="" if line.queue == "NONE" else line.queue,
                reason=reason,
            )
        )

    def _left_empty(self, line: Line) -> None:
        """Take the line that some dialplans write when the queue has put a caller out; it means EXITEMPTY."""
        if line.place in self._visits:
            self._left(line, LeftOutcome.NO_AGENTS, 2)

    def _entered(self, line: Line) -> None:
        self._queues.setdefault(queue_key(line.queue), line.queue)
        self._amend_stays_before(line)
        visit_id = f"{self._connection.switch}:{line.call}@{line.second}000"
        # A caller may leave one queue and enter the next within a second.
        times = self._count(line, "entered", line.call)
        if times > 1:
            visit_id = f"{visit_id}.{times}"
        is_withheld = line.word(1).casefold() in _WITHHELD
        number = "" if is_withheld else line.word(1)
        leg = contact = self._leg_id(line)
        asks_for = self._talking.get(number)
        if asks_for and asks_for.answer and self._visits.get(asks_for.answer.place) is asks_for:
            contact = asks_for.placed()["contact_id"]  # the agent asks a colleague, for the caller
        who = Person(visit_id, line.call, line.place[1], number, line.second, contact)
        self._nested.enter(who)
        before = self._visits.get(line.place)
        visit = self._visits[line.place] = _Visit(visit_id, line.queue, leg, person=who, entry=line)
        visit.talk_before = before if before and before.answer else None
        while len(self._visits) > _MAX_VISITS:
            del self._visits[next(iter(self._visits))]
        self._out.append(
            CallEntered(
                **self._envelope("call.entered", line, visit.visit_id),
                **visit.placed(),
                position=line.number(2),
                caller=self._connection.caller(line.word(1), line.at, withheld=is_withheld),
            )
        )

    def _amend_stays_before(self, line: Line) -> None:
        """Amend the caller's stays in other queues: a channel that enters a queue has not hung up, and waits nowhere
        else.

        It was moved out of the queue that wrote ABANDON; and where no line ended the stay, nobody knows how it ended.
        A talk is over by then.
        """
        abandon, visit = self._hung_up.pop(line.call, (None, None))
        # in the second in which that stay began, the lines may stand in any order
        is_at_once = visit is None or visit.entry is None or visit.entry.second == line.second
        if abandon and visit and abandon.second + (abandon.place == line.place and is_at_once) <= line.second:
            self._tell_moved(abandon, visit)
        elif abandon and visit and abandon.second == line.second:
            self._at_once[line.place] = abandon, visit
        for queue in self._queues:
            stay = self._visits.get((line.call, queue)) if queue != line.place[1] else None
            if stay is None or stay.entry is None or stay.entry.second > line.second or stay.is_elsewhere:
                continue
            stay.is_elsewhere = True
            if stay.answer is None:
                self._tell_left(line, stay, LeftOutcome.UNKNOWN, None, "ENTERQUEUE elsewhere")
            else:
                self._tell_over(line, stay)

    def _amend_stays_of_no_time(self, line: Line) -> None:
        """Amend the stays that ended in the second in which they began, and after which the caller entered once more.

        A second ABANDON in that second says that the lines were written twice; else the caller was moved, and waits on.
        """
        if line.verb == "ABANDON" and (known := self._at_once.get(line.place)) and known[0].second == line.second:
            del self._at_once[line.place]
        for place, (abandon, visit) in list(self._at_once.items()):
            if line.second > abandon.second:
                del self._at_once[place]
                self._tell_moved(abandon, visit)

    def _tell_moved(self, abandon: Line, visit: _Visit) -> None:
        """Report that the caller of this ABANDON had not hung up: the channel went on to a queue."""
        counted, self._second, self._repeats = (self._second, self._repeats), abandon.second, {}
        self._abandons = [one for one in self._abandons if one[0] is not abandon]
        reason = "ABANDON before ENTERQUEUE"
        self._tell_left(abandon, visit, LeftOutcome.TRANSFERRED_OUT, abandon.milliseconds(2), reason)
        self._second, self._repeats = counted

    def _tell_over(self, line: Line, stay: _Visit) -> None:
        """Report that a talk is over, whose own last line is missing or comes later and tells more."""
        self._out.append(
            CallCompleted(
                **self._envelope("call.completed", line, stay.visit_id, "elsewhere"),
                **stay.placed(),
                agent_id=stay.agent_id or None,
            )
        )

    def _connected(self, line: Line) -> None:
        wait, agent_leg, ring = line.milliseconds(0), line.word(1), line.milliseconds(2)
        visit = self._visit(line, wait)
        visit.agent_id, visit.answer = self._agent_id(line), line
        if phone := self._phone_of(line.agent):
            self._talking[phone] = visit
            if len(self._talking) > _MAX_HELD:
                del self._talking[next(iter(self._talking))]
        self._logged_off.discard(visit.agent_id)
        ring_id = f"{self._connection.switch}:{agent_leg}" if agent_leg else None
        if ring_id:
            self._end_ring(line, visit, ring_id, RingResult.ANSWERED, ring)
        self._out.append(
            CallAnswered(
                **self._envelope("call.answered", line, visit.visit_id),
                **visit.placed(),
                agent_id=visit.agent_id,
                ring_id=ring_id,
                wait_ms_reported=wait,
                ring_ms=ring,
            )
        )
        if visit.person:
            began = line.second - (ring or 0) // 1000
            self._tell_whose(line, self._nested.rang(visit.person, began, line.second, agent_leg))
            self._tell_whose(line, self._nested.leave(visit.person, line.second))

    def _tell_whose(self, line: Line, persons: Iterable[Person]) -> None:
        """Report the contact of each channel in an inner queue, which waits for a caller of an outer queue."""
        for person in persons:
            self._out.append(
                CallMoved(
                    **self._envelope("call.moved", line, person.visit_id, person.contact_id),
                    visit_id=person.visit_id,
                    contact_id=person.contact_id,
                )
            )

    def _rang(self, line: Line) -> None:
        visit, ring_ms = self._visit(line, None), line.number(0)
        visit.rang = line
        result = RingResult.CANCELLED
        if line.verb == "RINGNOANSWER":
            # 0 ms: the phone was busy or refused at once, without ringing.
            result = RingResult.BUSY if ring_ms == 0 else RingResult.NO_ANSWER
        # A phone that did not answer has no id of its own in the log: the visit's first ring, second ring ...
        visit.rings += 1
        self._end_ring(line, visit, f"{visit.visit_id}/{visit.rings}", result, ring_ms)
        if visit.person:
            began = line.second - (ring_ms or 0) // 1000
            self._tell_whose(line, self._nested.rang(visit.person, began, line.second))

    def _end_ring(self, line: Line, visit: _Visit, ring_id: str, result: RingResult, ring_ms: int | None) -> None:
        self._out.append(
            CallRingEnded(
                **self._envelope("call.ring_ended", line, ring_id),
                ring_id=ring_id,
                result=result,
                visit_id=visit.visit_id,
                agent_id=self._agent_id(line) or None,
                ring_ms=ring_ms,
            )
        )

    def _left(
        self, line: Line, outcome: LeftOutcome, wait_at: int | None, reason: str = "", key: str | None = None
    ) -> None:
        wait = None if wait_at is None else line.milliseconds(wait_at)
        visit = self._visit(line, wait)
        self._visits.pop(line.place, None)
        if outcome is LeftOutcome.ABANDONED and visit.is_elsewhere:
            outcome, reason = LeftOutcome.TRANSFERRED_OUT, "ABANDON after ENTERQUEUE elsewhere"
        if outcome is LeftOutcome.ABANDONED:
            self._forget_abandons(line.second - _STOPS_WITHIN)
            self._abandons.append((line, visit))
            self._abandons_from = min(self._abandons_from, line.second)
            self._hung_up[line.call] = line, visit
            if len(self._hung_up) > _MAX_HELD:
                del self._hung_up[next(iter(self._hung_up))]
        elif outcome is LeftOutcome.EXIT_KEY:
            key = line.word(0)[:4] or None
        self._tell_left(line, visit, outcome, wait, reason or line.verb, key)
        if visit.person:
            self._tell_whose(line, self._nested.leave(visit.person, line.second))

    def _tell_left(
        self, line: Line, visit: _Visit, outcome: LeftOutcome, wait: int | None, reason: str, key: str | None = None
    ) -> None:
        is_guess = outcome in (LeftOutcome.LOST, LeftOutcome.UNKNOWN)
        self._out.append(
            CallLeft(
                **self._envelope("call.left", line, visit.visit_id, outcome),
                **visit.placed(),
                outcome=outcome,
                outcome_basis=OutcomeBasis.INFERRED if is_guess else OutcomeBasis.STATED,
                key=key,
                wait_ms_reported=wait,
                reason_raw=reason,
            )
        )

    def _withdrawn(self, line: Line) -> None:
        """Take a caller taken out by a system. Of the reason only `callback` is kept, because it may be any text."""
        if line.word(3).casefold() == "callback":
            self._left(line, LeftOutcome.CALLBACK, 2, "WITHDRAW callback")
        else:
            self._left(line, LeftOutcome.WITHDRAWN, 2)

    def _completed(self, line: Line, ended_by: EndedBy, hold_at: int = 0) -> None:
        wait, talk = line.milliseconds(hold_at), line.milliseconds(hold_at + 1)
        visit = self._talk(line, None if wait is None or talk is None else wait + talk)
        if (now := self._visits.get(line.place)) and now.talk_before is visit:
            now.talk_before, now.before_over = None, line
        else:
            self._visits.pop(line.place, None)
        self._out.append(
            CallCompleted(
                **self._envelope("call.completed", line, visit.visit_id),
                **visit.placed(),
                ended_by=ended_by,
                talk_ms_reported=talk,
                wait_ms_reported=wait,
                agent_id=self._agent_id(line) or visit.agent_id or None,
            )
        )
        if visit.person:
            self._nested.hang_up(visit.person)
            self._tell_whose(line, self._nested.leave(visit.person, line.second))

    def _transferred(self, line: Line, kind: TransferKind) -> None:
        """Take `exten|context|hold|talk|position`, or the bridge in two or three fields and then the last three.

        The last fields may be missing, and a `|` may stand at the end, so they are counted from the front.
        """
        hold_at = 3 if kind is TransferKind.ATTENDED and line.word(0).upper() == "LINK" else 2
        wait, talk = line.milliseconds(hold_at), line.milliseconds(hold_at + 1)
        visit = self._talk(line, None if wait is None or talk is None else wait + talk)
        extension = line.word(0) if kind is TransferKind.BLIND else ""
        queue = self._settings.dialled_queues.get(extension) or self._queues.get(queue_key(extension))
        self._out.append(
            CallTransferred(
                **self._envelope("call.transferred", line, visit.visit_id),
                visit_id=visit.visit_id,
                kind=kind,
                to=TransferTarget(queue=queue),
                agent_id=self._agent_id(line) or None,
            )
        )
        self._completed(line, EndedBy.TRANSFER, hold_at)

    def _talk(self, line: Line, before_ms: int | None) -> _Visit:
        """Return the stay whose talk is over by this line: whoever was sent back into the same queue may be there
        already.
        """
        now = self._visits.get(line.place)
        if now and now.talk_before and not now.answer and now.talk_before.agent_id == self._agent_id(line):
            return now.talk_before
        return self._visit(line, before_ms)

    def _visit(self, line: Line, before_ms: int | None) -> _Visit:
        """Return the caller's stay in this queue. One that began before the file is dated by its reported wait
        (`~`).
        """
        visit = self._visits.get(line.place)
        if (visit is None or (visit.entry is None and visit.answer is None)) and before_ms is not None:
            visit = self._moved(line, line.second - before_ms // 1000) or visit
        if visit is None:
            began = line.second * 1000 - (before_ms or 0)
            visit = _Visit(f"{self._connection.switch}:{line.call}@~{began}", line.queue, self._leg_id(line))
            self._visits[line.place] = visit
        return visit

    def _moved(self, line: Line, began: int) -> _Visit | None:
        """Return the stay that goes on under another call's id, or None.

        After an attended transfer into the queue, the caller takes the place of the agent who asked. It is the stay
        that began when this line says that the caller entered, and of which no line has come since. Raises `_Anybodys`
        while several fit, and not all of them are claimed.
        """
        if self._reads_from is None or began < self._reads_from:
            return None
        is_over = line.verb not in _UNANSWERED
        near = [
            (abs(visit.entry.second - began), place)
            for place, visit in self._visits.items()
            if place[1] == line.place[1]
            and visit.entry is not None
            and not visit.is_elsewhere
            and abs(visit.entry.second - began) <= 1
            and (visit.answer is None or (is_over and visit.agent_id == self._agent_id(line)))
            and (visit.rang is None or visit.rang.second <= line.second)
        ]
        nearest = [place for gap, place in near if gap == min(near)[0]]
        is_certain = len(nearest) == 1
        if len(nearest) > 1:
            # who of them is who matters no more where all go the same way
            self._claims[line.place] = line.verb, nearest
            claimed_by = sorted(place for place, its in self._claims.items() if its == (line.verb, nearest))
            if len(claimed_by) < len(nearest):
                raise _Anybodys
            nearest = nearest[claimed_by.index(line.place) :]
        if not nearest:
            return None
        self._claims.pop(line.place, None)
        visit = self._visits[line.place] = self._visits.pop(nearest[0])
        if is_certain:
            placed = visit.placed()
            if placed["contact_id"] == visit.leg_id:  # the one who asked is gone; the caller had a call before
                placed["contact_id"] = self._leg_id(line)
            moved = self._envelope("call.moved", line, visit.visit_id, line.call)
            self._out.append(CallMoved(**moved, **placed, new_leg_id=self._leg_id(line)))
        return visit

    def _phone_of(self, agent: str) -> str:
        """Return the number of an agent's phone, which the interface holds (`PJSIP/1001`, `Local/1001@agents/n`); else
        "".
        """
        found = _PHONE.fullmatch(self._interfaces.get(agent.casefold(), agent))
        return found[1] if found else ""

    def _leg_id(self, line: Line) -> str:
        return f"{self._connection.switch}:{line.call}"

    def _restarted(self, line: Line) -> None:
        """Take a start of the switch. Its stop wrote ABANDON for every caller: they did not hang up, they were cut
        off.
        """
        for abandon, visit in self._cut_off(line):
            self._tell_left(abandon, visit, LeftOutcome.LOST, abandon.milliseconds(2), "ABANDON before QUEUESTART")
        self._abandons.clear()
        self._hung_up.clear()
        self._at_once.clear()
        self._visits.clear()
        self._talking.clear()
        self._held.clear()
        self._claims.clear()
        self._nested.clear()
        self._out.append(SourceRestarted(**self._envelope("source.restarted", line)))

    def _cut_off(self, line: Line) -> list[tuple[Line, _Visit]]:
        """Return the callers whose ABANDON, the last before a start, was caused by the stop.

        A stop empties the queues: where more callers still wait than have gone, the switch crashed, and those who had
        gone had hung up. Several who go in one moment, with nobody after them, were cut off, however late the start
        comes. One alone may have hung up on a calm evening, long before a restart at night: `restart_window_seconds`
        decides, and a switch at which agents paused or came and went since was not stopping.
        """
        gone = [one for one in self._abandons if one[0].second <= line.second]
        waiting = sum(
            visit.entry is not None
            and not (visit.answer or visit.is_elsewhere)
            and line.at - visit.entry.at <= _FORGOTTEN
            for visit in self._visits.values()
        )
        if not gone or waiting >= len(gone):
            return []
        last = max(abandon.second for abandon, _ in gone)
        is_near = self._staff_at <= last and line.second - last <= self._settings.restart_window_seconds
        return gone if len(gone) > 1 or is_near else []

    # The agents

    def _agent_id(self, line: Line) -> str:
        if line.agent in ("", "NONE"):
            return ""
        name = self._names.get(line.agent.casefold(), line.agent)
        return agent_key(f"{self._connection.switch}:{name}")

    def _member(self, line: Line, action: MemberAction) -> None:
        agent = self._agent_id(line)
        if not agent or line.queue in ("", "NONE"):
            self._reject("malformed_line")
            return
        self._out.append(
            AgentMember(
                **self._envelope("agent.member", line, agent, line.queue, action),
                agent_id=agent,
                queue=line.queue,
                action=action,
                level=line.number(0) if line.verb == "PENALTY" else None,
            )
        )
        if action is MemberAction.ADDED:
            self._logged_off.discard(agent)
        if action is MemberAction.ADDED and line.word(0) == "PAUSED":
            self._state(line, AgentActivity.PAUSED, reason=None)

    def _pause(self, line: Line, state: AgentActivity) -> None:
        """Report a pause or its end. An agent who has logged off stays so: the line only tidies up."""
        if self._agent_id(line) not in self._logged_off:
            self._state(line, state)

    def _log_in(self, line: Line) -> None:
        self._logged_off.discard(self._agent_id(line))
        self._state(line, AgentActivity.AVAILABLE)

    def _log_off(self, line: Line) -> None:
        if line.agent not in ("", "NONE"):
            self._logged_off.add(self._agent_id(line))
        self._state(line, AgentActivity.LOGGED_OUT)

    def _state(self, line: Line, state: AgentActivity, reason: str | None = "") -> None:
        agent = self._agent_id(line)
        if not agent:
            self._reject("malformed_line")
            return
        if reason == "":
            reason = line.word(0) or None if state is AgentActivity.PAUSED else None
        everywhere = line.queue in ("", "NONE")
        self._out.append(
            AgentState(
                **self._envelope("agent.state", line, agent, line.queue, line.verb),
                agent_id=agent,
                state=state,
                reason=reason,
                queues=None if everywhere else (line.queue,),
                state_raw=line.verb,
            )
        )
