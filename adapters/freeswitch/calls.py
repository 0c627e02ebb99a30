"""The callers: one visit for each member of a queue, the phones that ring for it, and how it ended.

An answered member's end is reported twice (by the bridge and by the member), and only the two together show who hung
up: the first is held until the second, `hold_seconds` at most. A ring may end just after the caller left.

Longer than 450 lines because one caller's way through the wire's events is one state machine.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.freeswitch.lists import TALKS, Member
from adapters.freeswitch.moments import from_microseconds, from_seconds
from queue_monitor.events import (
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
    OutcomeBasis,
    RingResult,
    TransferKind,
    TransferTarget,
    milliseconds,
)
from queue_monitor.stamp import Stamp, microseconds

Message = Mapping[str, str]

_RESULTS: Final = {
    "ALLOTTED_TIMEOUT": RingResult.NO_ANSWER,
    "NO_ANSWER": RingResult.NO_ANSWER,
    "NO_USER_RESPONSE": RingResult.NO_ANSWER,
    "PROGRESS_TIMEOUT": RingResult.NO_ANSWER,
    "USER_BUSY": RingResult.BUSY,
    "CALL_REJECTED": RingResult.REJECTED,
    "ORIGINATOR_CANCEL": RingResult.CANCELLED,
    "LOSE_RACE": RingResult.CANCELLED,
    "PICKED_OFF": RingResult.CANCELLED,
    # The phone was answered, but could not be connected: nobody spoke.
    "SUCCESS": RingResult.FAILED,
    "USER_NOT_REGISTERED": RingResult.FAILED,
    "SUBSCRIBER_ABSENT": RingResult.FAILED,
    "UNALLOCATED_NUMBER": RingResult.FAILED,
    "DESTINATION_OUT_OF_ORDER": RingResult.FAILED,
    "NETWORK_OUT_OF_ORDER": RingResult.FAILED,
    "NORMAL_TEMPORARY_FAILURE": RingResult.FAILED,
    "RECOVERY_ON_TIMER_EXPIRE": RingResult.FAILED,
    "GATEWAY_DOWN": RingResult.FAILED,
}
_OUTCOMES: Final = {
    "TIMEOUT": LeftOutcome.TIMEOUT,
    "NO_AGENT_TIMEOUT": LeftOutcome.NO_AGENTS,
    "EXIT_WITH_KEY": LeftOutcome.EXIT_KEY,
}
_CUT_BY_SWITCH: Final = {"SYSTEM_SHUTDOWN": LeftOutcome.LOST, "MANAGER_REQUEST": LeftOutcome.SYSTEM}
_TRANSFERS: Final = {"bl_xfer": TransferKind.BLIND, "att_xfer": TransferKind.ATTENDED}
_WITHHELD: Final = frozenset(("", "0", "unknown", "anonymous", "restricted", "unavailable", "private"))
_SAME_MOVE: Final = timedelta(seconds=2)
_SAME_WORD: Final = timedelta(seconds=1)
"""An event that says within this time what one before it has said repeats it: no phone is given up and called again so
soon.
"""

_MAX_VISITS: Final = 50_000
"""The most visits kept. A visit goes when it has ended; where no such event comes, the oldest go first."""


_MAX_GAVE_UP: Final = 1_000
"""The most callers kept who left in a way that the switch does not tell: one of them may enter a queue again."""


@dataclass(slots=True, eq=False)
class Ring:
    ring_id: str
    agent: str
    began: Stamp


@dataclass(slots=True, eq=False)
class _Talk:
    """The end of a talk, held until the member's own end shows who hung up."""

    message: Message
    stamp: Stamp


@dataclass(slots=True, eq=False)
class Visit:
    visit_id: str
    native: str
    member: str
    session: str
    queue: str
    known_at: int
    started: Stamp | None = None
    answered: Stamp | None = None
    agent: str = ""
    picked_up: Ring | None = None
    talk: _Talk | None = None
    over: Stamp | None = None
    guessed: bool = False
    again: bool = False
    transferred: bool = False
    superseded: Stamp | None = None
    asks_for: str = ""
    rings: dict[str, Ring] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return self.answered is None and self.talk is None and self.over is None


class Calls:
    """The visits of one connection about which the switch may still report something."""

    def __init__(self, switch: str, hold_seconds: float, emit: Callable[[Event], None]) -> None:
        self._switch = switch
        self._emit = emit
        self._hold = timedelta(seconds=hold_seconds)
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._of_session: dict[str, list[Visit]] = {}
        self._first_session: OrderedDict[str, str] = OrderedDict()
        self._natives: OrderedDict[str, str] = OrderedDict()
        self._latest: OrderedDict[str, str] = OrderedDict()
        self._talked: OrderedDict[str, str] = OrderedDict()
        self._due: dict[str, datetime] = {}
        self._gave_up: OrderedDict[str, Visit] = OrderedDict()

    @property
    def remembered(self) -> int:
        return len(self._visits)

    # Events of the switch

    def started(self, message: Message, stamp: Stamp, *, resumed: bool) -> bool:
        """Take `member-queue-start`, or `-resume`: a caller takes over the place of one who gave up.

        The two are matched by number alone and may be different people: the waiting begins anew, as another visit.
        """
        if not _named(message):
            return False
        member = message["CC-Member-UUID"]
        before = self._latest.get(member, member)
        if resumed:
            self._take_over(member, message["CC-Member-Session-UUID"], stamp)
        visit = self._visit(message, stamp)
        native = visit.native
        earlier = self._talking_before(visit)
        self._supersede(visit, stamp, resumed=resumed)
        for other in list(self._visits.values()) if resumed else ():
            if other.member == member and other is not visit and not other.over:
                # Only an abandoned place can be taken over, so its abandonment was missed.
                self._replace(other, stamp)
        visit.started, visit.again = stamp, visit.again or earlier is not None
        reason, previous = EntryReason.UNKNOWN, None
        if resumed:
            reason, previous = EntryReason.RESUME, self._id(before if before != native else member)
        elif earlier is not None:
            reason, previous = EntryReason.TRANSFER, earlier.visit_id
            self._transfer(earlier, message, stamp, TransferTarget(queue=visit.queue))
        number = message.get("CC-Member-CID-Number", "").casefold()
        visit.asks_for = visit.asks_for or self._talks_to(number)
        withheld = number in _WITHHELD or message.get("Caller-Privacy-Hide-Number") == "true"
        created = from_microseconds(message.get("Caller-Channel-Created-Time", ""))
        self._emit(
            CallEntered(
                **stamp.envelope("call.entered", native),
                **self._placed(visit),
                caller=stamp.caller(number, withheld=withheld),
                entry_reason=reason,
                prev_visit_id=previous,
                contact_started_at=created if created and created <= stamp.at else None,
            )
        )
        return True

    def offered(self, message: Message, stamp: Stamp) -> bool:
        agent = message.get("CC-Agent", "")
        if not _named(message) or not agent:
            return False
        visit = self._visit(message, stamp)
        ring = visit.rings.get(agent)
        if ring and abs(stamp.at - ring.began.at) <= _SAME_WORD:
            return True
        if ring:
            self._end_ring(visit, ring, RingResult.UNKNOWN, stamp.worked_out())
        ring = Ring(self._id(f"{visit.native}/{agent}/{microseconds(stamp.at)}"), agent, stamp)
        visit.rings[agent] = ring
        self._emit(
            CallRinging(
                **stamp.envelope("call.ringing", ring.ring_id),
                **self._placed(visit),
                ring_id=ring.ring_id,
                agent_id=self._id(agent),
            )
        )
        return True

    def not_bridged(self, message: Message, stamp: Stamp) -> bool:
        """Take `bridge-agent-fail`: a phone stopped ringing. It is ignored for a caller who left long ago."""
        agent = message.get("CC-Agent", "")
        if not _named(message) or not agent:
            return False
        visit = self._known(message)
        if visit is None or (agent not in visit.rings and not visit.waits):
            return True
        cause = message.get("CC-Hangup-Cause", "")
        ring = visit.rings.get(agent) or self._ring_before(visit, agent, message, stamp)
        self._end_ring(visit, ring, _RESULTS.get(cause, RingResult.UNKNOWN), stamp, cause)
        self._forget_if_done(visit)
        return True

    def bridged(self, message: Message, stamp: Stamp) -> bool:
        """Take `bridge-agent-start`: an agent answered. The waiting is over although the member stays in the queue."""
        agent = message.get("CC-Agent", "")
        if not _named(message) or not agent:
            return False
        visit = self._visit(message, stamp)
        if visit.picked_up and visit.picked_up.agent == agent and visit.answered:
            return True  # nobody is bridged twice to one agent without an end between
        visit.answered, visit.agent, visit.superseded = stamp, agent, None
        began = visit.rings.get(agent)
        ring = began or self._ring_before(visit, agent, message, stamp)
        ring_ms = _span(ring.began, stamp) if began else None
        if began:
            self._end_ring(visit, ring, RingResult.ANSWERED, stamp)
        self._emit(
            CallAnswered(
                **stamp.envelope("call.answered", visit.native),
                **self._placed(visit),
                agent_id=self._id(agent),
                ring_id=ring.ring_id,
                ring_ms=ring_ms,
                wait_ms_reported=self._wait_ms(visit, message, "CC-Agent-Answered-Time"),
            )
        )
        visit.picked_up = ring
        # The other phones that rang have stopped; nothing more matters of them.
        self._cancel_rings(visit, stamp)
        return True

    def unbridged(self, message: Message, stamp: Stamp) -> bool:
        """Take `bridge-agent-end`: the talk is over. It is held until the member's end, in the same microsecond.

        Or the phone was picked up and the two were never connected: that ring has failed, and the member waits on.
        """
        if not _named(message):
            return False
        if message.get("CC-Agent-Bridged", "").casefold() == "false":
            was_there_before = message["CC-Member-UUID"] not in self._first_session
            if known := self._visit(message, stamp) if was_there_before else self._known(message):
                self._take_back(known, message, stamp)
            return True
        visit = self._visit(message, stamp)
        if visit.talk is None:
            visit.talk = _Talk(message, stamp)
            self._wait(visit, stamp)
        return True

    def _take_back(self, visit: Visit, message: Message, stamp: Stamp) -> None:
        agent = message.get("CC-Agent", "") or visit.agent
        picked_up = visit.picked_up if visit.picked_up and visit.picked_up.agent == agent else None
        if agent:
            ring = picked_up or visit.rings.get(agent) or self._ring_before(visit, agent, message, stamp)
            self._end_ring(visit, ring, RingResult.FAILED, stamp, message.get("CC-Hangup-Cause", ""), "taken back")
        if visit.agent in ("", agent):
            visit.answered, visit.agent, visit.picked_up = None, "", None
        self._forget_if_done(visit)

    def ended(self, message: Message, stamp: Stamp) -> bool:
        """Take `member-queue-end`: the end after a talk; without a talk, the caller left.

        `Cancel` is the end of a member whom nobody served: a phone that was picked up just before was never connected.
        """
        if not _named(message):
            return False
        visit = self._visit(message, stamp)
        if visit.picked_up and not visit.talk and message.get("CC-Cause") == "Cancel":
            self._end_ring(visit, visit.picked_up, RingResult.FAILED, stamp, "", "taken back")
            visit.answered, visit.agent, visit.picked_up = None, "", None
        if message.get("CC-Cause") == "Terminated" or visit.talk or visit.answered:
            self._complete(visit, message, stamp)
        else:
            self._leave(visit, message, stamp)
        return True

    def listed(self, row: Member, stamp: Stamp) -> Visit | None:
        """Return the visit of a line of `queue list members`; None for a ghost, which no longer waits."""
        if not row.uuid:
            return None
        if from_seconds(row.rejoined) or not row.session:
            self._taken_over(row.uuid)
        if not row.session:
            return None
        message = {"CC-Member-UUID": row.uuid, "CC-Member-Session-UUID": row.session, "CC-Queue": row.queue}
        is_new = self._known(message) is None
        visit = self._visit(message, stamp)
        if is_new and row.state == TALKS:
            self._answered_unseen(visit, row, stamp)
        return visit

    def _answered_unseen(self, visit: Visit, row: Member, stamp: Stamp) -> None:
        """Report an answer that came while nobody listened: a list tells who talks since when, in whole seconds."""
        began, joined = from_seconds(row.bridged), from_seconds(row.joined)
        if began is None or not row.agent:
            return
        answered = replace(stamp, switch_time=began, derived=False)
        visit.answered, visit.agent = answered, row.agent
        visit.picked_up = Ring(self._id(f"{visit.native}/{row.agent}/~{microseconds(began)}"), row.agent, answered)
        envelope = answered.envelope("call.answered", visit.native) | {"time_precision_ms": 1000}
        self._emit(
            CallAnswered(
                **envelope,
                **self._placed(visit),
                agent_id=self._id(row.agent),
                ring_id=visit.picked_up.ring_id,
                wait_ms_reported=None if joined is None or "/" in visit.native else milliseconds(began - joined),
            )
        )

    def came_since(self, queue: str, offset: int) -> list[Visit]:
        """Return the visits that started after this place in the stream and still wait in the queue."""
        return [
            visit
            for visit in self._visits.values()
            if visit.queue == queue and visit.waits and visit.started and visit.started.offset > offset
        ]

    def keep_only(self, queue: str, listed: set[str], offset: int) -> None:
        """Drop the visits that a complete list omits, if they were known before it was requested; they are gone."""
        for visit in list(self._visits.values()):
            if visit.queue == queue and visit.known_at <= offset and visit.visit_id not in listed and visit.waits:
                self._drop(visit)

    # Time and ends

    def expire(self, now: datetime) -> None:
        """Report what has been held for `hold_seconds`, as it stands. The first held is the first due."""
        while self._due:
            visit_id, until = next(iter(self._due.items()))
            if until > now:
                break
            self._settle(visit_id)
        while len(self._visits) > _MAX_VISITS:
            self._drop(next(iter(self._visits.values())))

    def cut(self) -> None:
        """Report all that was held, as far as it is known, because the connection is gone."""
        while self._due:
            self._settle(next(iter(self._due)))

    def restart(self, stamp: Stamp) -> None:
        """Drop everything, because the switch has started anew. The restart event then closes open visits."""
        self.cut()
        for visit in list(self._visits.values()):
            self._cancel_rings(visit, stamp)
            self._drop(visit)
        self._first_session.clear()
        self._natives.clear()
        self._latest.clear()
        self._gave_up.clear()

    def _settle(self, visit_id: str) -> None:
        del self._due[visit_id]
        visit = self._visits[visit_id]
        if visit.talk and not visit.over:
            self._complete(visit, {}, visit.talk.stamp)
        elif visit.superseded and visit.waits:
            self._tell_left(visit, LeftOutcome.UNKNOWN, OutcomeBasis.INFERRED, visit.superseded.worked_out(), {})
        if visit.over:
            self._cancel_rings(visit, visit.over)
            self._drop(visit)

    # Internals

    def _id(self, native: str) -> str:
        return f"{self._switch}:{native}"

    def _placed(self, visit: Visit) -> dict[str, Any]:
        """Return the fields that place the visit, for a reader who did not see it begin."""
        leg, contact = self._id(visit.session), self._id(visit.asks_for or visit.session)
        return {"visit_id": visit.visit_id, "queue": visit.queue, "leg_id": leg, "contact_id": contact}

    def _talks_to(self, number: str) -> str:
        """Return the session of the caller to whom the agent with this number talks, who asks a colleague; else ""."""
        for visit in reversed(self._visits.values()) if number else ():
            if visit.answered and not visit.over and number == visit.agent.casefold().partition("@")[0]:
                return visit.asks_for or visit.session
        return ""

    def _native(self, member: str, session: str) -> str:
        """Return the member's id; with the session's when the place was taken over from a caller who had given up."""
        pair = f"{member}/{session}"
        if pair not in self._natives:
            if member not in self._first_session:
                _remember(self._first_session, member, session)
            _remember(self._natives, pair, member if self._first_session[member] == session else pair)
        return self._natives[pair]

    def _take_over(self, member: str, session: str, stamp: Stamp) -> None:
        """Give a taken-over place a visit of its own, also when the very same call comes back to it."""
        self._taken_over(member)
        pair = f"{member}/{session}"
        if pair in self._natives:
            known = self._visits.get(self._id(self._natives[pair]))
            told = known and known.over is None and (known.started is None or known.started.at == stamp.at)
            if not told or self._natives[pair] == member:
                _remember(self._natives, pair, f"{pair}@{microseconds(stamp.at)}")

    def _taken_over(self, member: str) -> None:
        """Note that the present or next holder of this place is not its first."""
        if member not in self._first_session:
            _remember(self._first_session, member, "")

    def _known(self, message: Message) -> Visit | None:
        native = self._native(message["CC-Member-UUID"], message["CC-Member-Session-UUID"])
        return self._visits.get(self._id(native))

    def _visit(self, message: Message, stamp: Stamp) -> Visit:
        member, session = message["CC-Member-UUID"], message["CC-Member-Session-UUID"]
        native = self._native(member, session)
        visit = self._visits.get(self._id(native))
        if visit is None:
            visit = Visit(self._id(native), native, member, session, message["CC-Queue"], stamp.offset)
            visit.again = session in self._talked
            self._visits[visit.visit_id] = visit
            self._of_session.setdefault(session, []).append(visit)
            _remember(self._latest, member, native)
        return visit

    def _others(self, visit: Visit) -> list[Visit]:
        """Return the same caller's other visits, the latest first."""
        return [other for other in reversed(self._of_session.get(visit.session, [])) if other is not visit]

    def _talking_before(self, visit: Visit) -> Visit | None:
        """Return the visit whose talk goes on while its caller enters another queue, which is how a transfer looks."""
        return next((other for other in self._others(visit) if other.answered), None)

    def _supersede(self, visit: Visit, stamp: Stamp, *, resumed: bool) -> None:
        """End the caller's earlier stay: nobody waits in two queues, and a channel that enters one has not hung up.

        Who resumes a place had given it up, unless it was a moment ago.
        """
        for other in self._others(visit):
            if other.waits and other.superseded is None:
                self._replace(other, stamp)
        gone = self._gave_up.pop(visit.session, None)
        if gone is None or gone is visit or gone.over is None:
            return
        is_one_move = stamp.at - gone.over.at <= _SAME_MOVE
        if is_one_move or not resumed:
            gone.guessed = False
            self._emit(
                CallLeft(
                    **gone.over.envelope("call.left", gone.native, "amended"),
                    **self._placed(gone),
                    outcome=LeftOutcome.TRANSFERRED_OUT,
                    next_queue=visit.queue if is_one_move else None,
                    reason_raw="BREAK_OUT",
                )
            )

    def _replace(self, visit: Visit, stamp: Stamp) -> None:
        """Hold a visit whose end must have been missed; its end may yet be reported."""
        if visit.waits:
            visit.superseded = visit.superseded or stamp
            self._wait(visit, stamp)
        else:
            self._cancel_rings(visit, stamp)

    def _leave(self, visit: Visit, message: Message, stamp: Stamp) -> None:
        reason = message.get("CC-Cancel-Reason", "")
        outcome = _OUTCOMES.get(reason)
        if outcome is not None:
            self._tell_left(visit, outcome, OutcomeBasis.STATED, stamp, message)
            return
        # BREAK_OUT is a hang-up or any other break. The caller's own channel, where it is shown, tells them apart.
        channel = message.get("Answer-State", "")
        if channel == "hangup":
            outcome = _CUT_BY_SWITCH.get(message.get("Hangup-Cause", ""), LeftOutcome.ABANDONED)
            self._tell_left(visit, outcome, OutcomeBasis.STATED, stamp, message)
        elif channel:
            self._tell_left(visit, LeftOutcome.TRANSFERRED_OUT, OutcomeBasis.INFERRED, stamp, message)
        else:
            visit.guessed = True
            self._gave_up[visit.session] = visit
            while len(self._gave_up) > _MAX_GAVE_UP:
                self._gave_up.popitem(last=False)
            self._tell_left(visit, LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, stamp, message)

    def _tell_left(
        self, visit: Visit, outcome: LeftOutcome, basis: OutcomeBasis, stamp: Stamp, message: Message
    ) -> None:
        self._emit(
            CallLeft(
                **stamp.envelope("call.left", visit.native),
                **self._placed(visit),
                outcome=outcome,
                outcome_basis=basis,
                wait_ms_reported=_between(message, "CC-Member-Joined-Time", "CC-Member-Leaving-Time"),
                reason_raw=message.get("CC-Cancel-Reason") or None,
            )
        )
        self._finish(visit, stamp)

    def _complete(self, visit: Visit, message: Message, stamp: Stamp) -> None:
        """Report the end of a talk, by the bridge's own end if that has come; `message` is the member's end, or
        empty.
        """
        talk = visit.talk or _Talk(message, stamp)
        if not visit.transferred and _transferred_in_talk(message):
            self._transfer(visit, message, talk.stamp, TransferTarget())
        self._emit(
            CallCompleted(
                **talk.stamp.envelope("call.completed", visit.native),
                **self._placed(visit),
                ended_by=_ended_by(visit, talk.message if visit.talk else {}, message),
                agent_id=self._agent_of(visit, talk.message),
                talk_ms_reported=_between(
                    talk.message,
                    "CC-Agent-Answered-Time",
                    "CC-Bridge-Terminated-Time" if visit.talk else "CC-Member-Leaving-Time",
                ),
                wait_ms_reported=self._wait_ms(visit, talk.message, "CC-Agent-Answered-Time"),
            )
        )
        visit.talk, visit.answered = None, None
        _remember(self._talked, visit.session, "")
        self._finish(visit, talk.stamp)

    def _agent_of(self, visit: Visit, message: Message) -> str | None:
        name = visit.agent or message.get("CC-Agent", "")
        return self._id(name) if name else None

    def _transfer(self, visit: Visit, message: Message, stamp: Stamp, to: TransferTarget) -> None:
        if visit.transferred:
            return
        visit.transferred = True
        kind = next((kind for word, kind in _TRANSFERS.items() if word in _source(message)), TransferKind.UNKNOWN)
        self._emit(
            CallTransferred(
                **stamp.worked_out().envelope("call.transferred", visit.native),
                visit_id=visit.visit_id,
                kind=kind,
                to=to,
                agent_id=self._agent_of(visit, message),
            )
        )

    def _ring_before(self, visit: Visit, agent: str, message: Message, stamp: Stamp) -> Ring:
        """Return a ring that began before the connection, dated by the switch's own time of the call."""
        called = message.get("CC-Agent-Called-Time", "")
        when = called if from_seconds(called) else f"~{microseconds(stamp.at)}"
        return Ring(self._id(f"{visit.native}/{agent}/{when}"), agent, stamp)

    def _end_ring(
        self, visit: Visit, ring: Ring, result: RingResult, stamp: Stamp, cause: str = "", *again: str
    ) -> None:
        """Report the end of a ring; with a word in `again`, an end of one that has been reported already."""
        if visit.rings.get(ring.agent) is ring:
            del visit.rings[ring.agent]
        self._emit(
            CallRingEnded(
                **stamp.envelope("call.ring_ended", ring.ring_id, *again),
                ring_id=ring.ring_id,
                result=result,
                visit_id=visit.visit_id,
                agent_id=self._id(ring.agent),
                ring_ms=None if ring.began is stamp else _span(ring.began, stamp),
                cause_raw=cause or None,
            )
        )

    def _cancel_rings(self, visit: Visit, stamp: Stamp) -> None:
        for ring in list(visit.rings.values()):
            self._end_ring(visit, ring, RingResult.CANCELLED, stamp.worked_out())

    def _wait_ms(self, visit: Visit, message: Message, until: str) -> int | None:
        """Return the reported wait in ms; None for a place taken over, which the switch counts from its first
        holder.
        """
        return None if "/" in visit.native else _between(message, "CC-Member-Joined-Time", until)

    def _wait(self, visit: Visit, stamp: Stamp) -> None:
        self._due.pop(visit.visit_id, None)
        self._due[visit.visit_id] = stamp.observed_at + self._hold

    def _finish(self, visit: Visit, stamp: Stamp) -> None:
        """Keep the visit a little longer: a ring may end late, and the caller may enter another queue."""
        visit.over = visit.over or stamp
        self._wait(visit, stamp)
        self._forget_if_done(visit)

    def _forget_if_done(self, visit: Visit) -> None:
        if visit.over and not visit.rings and not visit.guessed:
            self._drop(visit)

    def _drop(self, visit: Visit) -> None:
        self._visits.pop(visit.visit_id, None)
        self._due.pop(visit.visit_id, None)
        rest = [other for other in self._of_session.pop(visit.session, []) if other is not visit]
        if rest:
            self._of_session[visit.session] = rest


def _remember(known: OrderedDict[str, str], key: str, value: str) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > _MAX_VISITS:
        known.popitem(last=False)


def _named(message: Message) -> bool:
    return all(message.get(name) for name in ("CC-Member-UUID", "CC-Member-Session-UUID", "CC-Queue"))


def _span(began: Stamp, ended: Stamp) -> int:
    return max(0, milliseconds(ended.at - began.at))


def _between(message: Message, begins: str, ends: str) -> int | None:
    """Return the milliseconds between two times in whole seconds."""
    began, ended = from_seconds(message.get(begins, "")), from_seconds(message.get(ends, ""))
    return max(0, milliseconds(ended - began)) if began and ended else None


def _source(message: Message) -> str:
    """Return `1795434657:<uuid>:bl_xfer` without the target that follows, which may be a number."""
    return ":".join(message.get("Caller-Transfer-Source", "").split(":")[:3])


def _transferred_in_talk(message: Message) -> bool:
    """Return whether the caller's channel was last moved by a transfer, after the agent answered."""
    source = _source(message)
    moved, answered = from_seconds(source.partition(":")[0]), from_seconds(message.get("CC-Agent-Answered-Time", ""))
    return any(word in source for word in _TRANSFERS) and bool(moved and answered and moved >= answered)


def _ended_by(visit: Visit, bridge: Message, member: Message) -> EndedBy:
    """Return who hung up. mod_callcenter sends SUCCESS either way, but a channel knows how its partner ended.

    The agent's channel is new and concerns this talk only; the caller's may hold the cause of an earlier one.
    """
    if visit.transferred:
        return EndedBy.TRANSFER
    if bridge.get("variable_last_bridge_hangup_cause"):
        return EndedBy.CALLER
    if member.get("variable_last_bridge_hangup_cause") and not visit.again:
        return EndedBy.AGENT
    if member.get("Answer-State", "hangup") != "hangup":
        return EndedBy.AGENT
    return EndedBy.UNKNOWN
