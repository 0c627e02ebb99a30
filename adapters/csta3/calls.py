"""The callers: calls by their changing ids, their stays in queues, and the phones that ring for them.

Each monitored device reports the same fact once; a known fact gives no second event. A new call id after a transfer
leads back to the old call. Callers' own devices are numbers: they are compared here and never passed on.

Longer than 450 lines because one caller's way through the wire's events is one state machine.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from xml.etree.ElementTree import Element

from adapters.csta3.messages import child, children, connection, device, text, whole
from adapters.csta3.settings import Settings
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    Caller,
    CallLeft,
    CallMoved,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    OutcomeBasis,
    RefusalReason,
    RingResult,
    TransferKind,
    TransferTarget,
    milliseconds,
)
from queue_monitor.stamp import Stamp

_ENTERING: Final = "enteringDistribution"
_ON_THE_WAY: Final = frozenset(("distributed", "distributionDelay"))
_RINGS: Final = {
    "callForwardNoAnswer": RingResult.NO_ANSWER,
    "noAnswer": RingResult.NO_ANSWER,
    "callNotAnswered": RingResult.NO_ANSWER,
    "callForwardBusy": RingResult.BUSY,
    "busy": RingResult.BUSY,
    "busyOverflow": RingResult.BUSY,
    "doNotDisturb": RingResult.REJECTED,
    "callForwardImmediate": RingResult.REJECTED,
    "redirected": RingResult.REJECTED,
    "callCancelled": RingResult.CANCELLED,
    "normalClearing": RingResult.CANCELLED,
    "callPickup": RingResult.CANCELLED,
    "destNotObtainable": RingResult.FAILED,
    "destOutOfOrder": RingResult.FAILED,
    "resourcesNotAvailable": RingResult.FAILED,
}
_REFUSALS: Final = {
    "busy": RefusalReason.FULL,
    "busyOverflow": RefusalReason.FULL,
    "resourcesNotAvailable": RefusalReason.FULL,
    "noAvailableAgents": RefusalReason.NO_AGENTS,
    "blocked": RefusalReason.CLOSED,
    "doNotDisturb": RefusalReason.CLOSED,
}
_MAX_RING: Final = timedelta(minutes=3)
_SAME_WORD: Final = timedelta(seconds=2)
"""A device may report an earlier fact late, or once more, within this time after another device's word."""

_UNIQUE: Final = 16
"""The length from which a call id is never used again; a short one may be used again within the hour."""

_MAX_CALLS: Final = 20_000
"""The most calls kept. A call goes when it is cleared; where no such event comes, the oldest go beyond this many."""


@dataclass(slots=True, eq=False)
class Ring:
    ring_id: str
    agent: str
    began: Stamp
    seen_by: set[str]
    ended: bool = False


@dataclass(slots=True, eq=False)
class Visit:
    visit_id: str
    native: str
    queue: str
    pilot: str
    call: "Call"
    known: Stamp
    seen_by: set[str]
    rings: dict[str, Ring] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    position: int | None = None
    sent_on: Stamp | None = None
    agent: str = ""
    others: set[str] = field(default_factory=set)
    entered: bool = False
    picked_up: Stamp | None = None
    answered: bool = False
    over: bool = False

    @property
    def waits(self) -> bool:
        return not self.answered and not self.over

    def underway(self, now: Stamp) -> bool:
        """Return whether the visit has left the queue's device for a phone: still waiting, but not there.

        It is so no longer than a ring may last, so that a lost message does not keep it for ever.
        """
        begun = [ring.began for ring in self.rings.values() if not ring.ended]
        begun += [self.sent_on] if self.sent_on else []
        return any(now.observed_at - stamp.observed_at < _MAX_RING for stamp in begun)


@dataclass(slots=True, eq=False)
class Call:
    """One person's call, under all its ids: `root` is the first. `gone`: the caller has hung up."""

    root: str
    contact: str = ""
    caller: str = ""
    visits: list[Visit] = field(default_factory=list)
    transferred_from: Visit | None = None
    gone: bool = False

    @property
    def visit(self) -> Visit | None:
        return self.visits[-1] if self.visits else None

    @property
    def open(self) -> bool:
        return any(not visit.over for visit in self.visits)


class Calls:
    """The calls of one connection about which the switch may still report something."""

    def __init__(self, switch: str, settings: Settings, emit: Callable[[Event], None]) -> None:
        self._switch = switch
        self._pilots = settings.pilots
        self._agents = settings.agent_names
        self._emit = emit
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._turns: OrderedDict[str, int] = OrderedDict()
        self._returns: OrderedDict[str, None] = OrderedDict()

    @property
    def remembered(self) -> int:
        return len(self._calls)

    # Events of the switch. Each returns the required field that the message lacks; "" where it lacks none.

    def delivered(self, message: Element, monitor: str, stamp: Stamp) -> str:
        call_id, place = connection(message, "connection")
        place = place or device(message, "alertingDevice")
        if not call_id or not place:
            return _lacking("connection", call_id)
        if place in self._pilots or (not self._pilots and text(message, "cause") == _ENTERING):
            self._enter(message, call_id, place, monitor, stamp)
        elif visit := self._visit_at(message, call_id, place, monitor, stamp):
            self._ring(visit, place, monitor, stamp)
        return ""

    def queued(self, message: Element, monitor: str, stamp: Stamp) -> str:
        call_id, place = connection(message, "queuedConnection")
        queue = device(message, "queue") or place
        if not call_id or not queue:
            return _lacking("queuedConnection", call_id)
        if queue in self._pilots or not self._pilots:
            self._enter(message, call_id, queue, monitor, stamp)
        return ""

    def established(self, message: Element, monitor: str, stamp: Stamp) -> str:
        call_id, place = connection(message, "establishedConnection")
        place = device(message, "answeringDevice") or place
        if not call_id or not place:
            return _lacking("establishedConnection", call_id)
        visit = self._visit_at(message, call_id, place, monitor, stamp)
        if visit is None or not visit.waits:
            return ""
        ring = visit.rings.get(place)
        ring_ms = milliseconds(stamp.observed_at - ring.began.observed_at) if ring and not ring.ended else None
        if ring and not ring.ended:
            self._end_ring(visit, ring, RingResult.ANSWERED, stamp)
        self._cancel_rings(visit, stamp)
        visit.answered, visit.agent, visit.picked_up = True, place, stamp
        self._emit(
            CallAnswered(
                **stamp.envelope("call.answered", visit.native),
                **self._placed(visit),
                agent_id=self._agent_id(place),
                ring_id=ring.ring_id if ring else None,
                ring_ms=ring_ms,
            )
        )
        return ""

    def diverted(self, message: Element, monitor: str, stamp: Stamp) -> str:
        """Take a call that leaves a device: the queue, for an agent, or a phone that was not answered."""
        call_id, place = connection(message, "connection")
        place = device(message, "divertingDevice") or place
        if not call_id or not place:
            return _lacking("connection", call_id)
        visit, cause = self._open_visit(call_id), text(message, "cause")
        if call_id not in self._calls and place in self._agents and cause in _RINGS:
            self._note_return(call_id)
        if visit is None or not visit.waits:
            return ""
        to = device(message, "newDestination")
        if place != visit.pilot:
            self._stop_ring(visit, place, cause, stamp)
            visit.sent_on = stamp if to in self._agents else None
            return ""
        if cause in _ON_THE_WAY or to in self._agents:
            visit.sent_on = stamp
            return ""
        outcome = LeftOutcome.OVERFLOW if to in self._pilots or cause == "overflow" else LeftOutcome.TRANSFERRED_OUT
        basis = OutcomeBasis.STATED if cause or to in self._pilots else OutcomeBasis.INFERRED
        self._leave(visit, outcome, basis, cause, stamp, self._pilots.get(to))
        return ""

    def cleared(self, message: Element, monitor: str, stamp: Stamp) -> str:
        """Take the end of one party's connection."""
        call_id, place = connection(message, "droppedConnection")
        if not call_id:
            return _lacking("droppedConnection", call_id)
        call, visit = self._calls.get(call_id), self._open_visit(call_id)
        if call is None or visit is None:
            return ""
        by, cause = device(message, "releasingDevice"), text(message, "cause")
        if not call.caller and by == place and place not in self._pilots and place not in visit.rings:
            # nobody else is there yet; of an answered call it may be the agent who leaves
            call.caller = "" if visit.answered or place in self._agents else place
        call.gone = call.gone or (by != "" and by == call.caller)
        if visit.answered:
            if visit.others and by in (visit.agent, *visit.others) and place in (by, ""):
                # of several agents in a conference one has left
                visit.others.discard(by)
                visit.agent = visit.others.pop() if by == visit.agent else visit.agent
            elif not place or place in (visit.agent, call.caller) or by == visit.agent:
                who = EndedBy.AGENT if by == visit.agent else EndedBy.CALLER if by == call.caller else EndedBy.UNKNOWN
                self._complete(visit, who if by else EndedBy.UNKNOWN, stamp)
        elif by and by == call.caller:
            self._leave(visit, LeftOutcome.ABANDONED, OutcomeBasis.STATED, cause, stamp)
        elif place and place == call.caller:
            self._leave(visit, LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, cause, stamp)
        elif place in visit.rings:
            self._stop_ring(visit, place, cause, stamp)
        elif place == visit.pilot and cause not in _ON_THE_WAY and not visit.underway(stamp):
            # The queue ended it, or the message does not say who did.
            outcome = LeftOutcome.SYSTEM if by == visit.pilot else LeftOutcome.ABANDONED
            self._leave(visit, outcome, OutcomeBasis.INFERRED, cause, stamp)
        return ""

    def call_cleared(self, message: Element, monitor: str, stamp: Stamp) -> str:
        """Take the end of a whole call: its open visit is over."""
        call_id = text(message, "clearedCall", "callID")
        if not call_id:
            return "clearedCall.callID"
        if visit := self._open_visit(call_id):
            visit.call.gone = True
            if visit.answered:
                self._complete(visit, EndedBy.UNKNOWN, stamp)
            else:
                self._leave(visit, LeftOutcome.ABANDONED, OutcomeBasis.INFERRED, text(message, "cause"), stamp)
        return ""

    def failed(self, message: Element, monitor: str, stamp: Stamp) -> str:
        call_id, place = connection(message, "failedConnection")
        place = device(message, "failingDevice") or place
        if not call_id or not place:
            return _lacking("failedConnection", call_id)
        visit, cause = self._open_visit(call_id), text(message, "cause")
        if visit and visit.waits and place in visit.rings:
            self._stop_ring(visit, place, cause, stamp)
        elif visit and visit.waits and place == visit.pilot:
            self._leave(visit, LeftOutcome.SYSTEM, OutcomeBasis.INFERRED, cause, stamp)
        elif place in self._pilots and call_id not in self._calls:
            call = self._call(message, call_id)
            self._emit(
                CallRefused(
                    **stamp.envelope("call.refused", call.root, place),
                    contact_id=self._id(call.contact or call.root),
                    queue=self._pilots[place],
                    reason=_REFUSALS.get(cause, RefusalReason.UNKNOWN),
                    leg_id=self._id(call.root),
                )
            )
        return ""

    def transferred(self, message: Element, monitor: str, stamp: Stamp) -> str:
        """Take two calls that became one with a new id. The caller is in the first; the second may wait in a queue."""
        first, second = text(message, "primaryOldCall", "callID"), text(message, "secondaryOldCall", "callID")
        if not first:
            return "primaryOldCall.callID"
        told = self._calls.get(first)
        visit = self._open_visit(first)
        to = device(message, "transferredToDevice")
        if visit and visit.answered:
            blind = text(message, "cause") == "singleStepTransfer"
            target = TransferTarget(
                queue=self._pilots.get(to), agent_id=self._agent_id(to) if to in self._agents else None
            )
            self._emit(
                CallTransferred(
                    **stamp.envelope("call.transferred", visit.native),
                    visit_id=visit.visit_id,
                    kind=TransferKind.BLIND if blind else TransferKind.ATTENDED,
                    to=target,
                    agent_id=self._agent_id(visit.agent),
                )
            )
            self._complete(visit, EndedBy.TRANSFER, stamp)
            visit.call.transferred_from = visit
        self._join(message, told, self._calls.get(second), stamp)
        return ""

    def conferenced(self, message: Element, monitor: str, stamp: Stamp) -> str:
        """Take a third party's arrival: the new id, and who may leave without ending the talk."""
        first, second = text(message, "primaryOldCall", "callID"), text(message, "secondaryOldCall", "callID")
        if (visit := self._open_visit(first)) and visit.answered:
            there = children(child(message, "conferenceConnections"), "connectionListItem")
            devices = {connection(item, "newConnection")[1] for item in there}
            visit.others |= {one for one in devices if one in self._agents and one != visit.agent}
        self._join(message, self._calls.get(first), self._calls.get(second), stamp)
        return "" if first else "primaryOldCall.callID"

    # For a snapshot

    def listed(self, call_id: str, pilot: str, stamp: Stamp) -> tuple[str, str, str | None]:
        """Return the leg and contact of a call that a snapshot lists in a queue, and its visit if that is known.

        A call not heard of before, as after a lost connection, is known from now on.
        """
        call = self._calls.get(call_id)
        visit = self._open_visit(call_id)
        known = visit.visit_id if visit and visit.pilot == pilot and visit.waits else None
        if known is None and len(call_id) >= _UNIQUE:
            known = self._id(f"{call_id}@{pilot}")
        if call is None:
            call = self._calls[call_id] = Call(call_id)
            self._open(call, call_id, pilot, "", stamp)
        return self._id(call.root), self._id(call.contact or call.root), known

    def on_the_way(self, pilot: str, asked: Stamp) -> list[Visit]:
        """Return a queue's visits that a snapshot of its device may omit: at a phone, or entered after the question."""
        return [
            visit
            for call in dict.fromkeys(self._calls.values())
            if (visit := call.visit) and visit.waits and visit.pilot == pilot
            if visit.underway(asked) or visit.known.offset > asked.offset
        ]

    def keep_only(self, pilot: str, legs: set[str]) -> None:
        """Drop the waiting calls that a complete snapshot omits and that are at no phone; their end was not seen."""
        for call_id, call in list(self._calls.items()):
            visit = call.visit
            if visit and visit.waits and visit.pilot == pilot and self._id(call.root) not in legs:
                del self._calls[call_id]

    # Internals

    def _id(self, native: str) -> str:
        return f"{self._switch}:{native}"

    def _agent_id(self, place: str) -> str:
        return self._id(self._agents.get(place, place))

    def _placed(self, visit: Visit) -> dict[str, Any]:
        """Return the fields that place the visit, for a reader who did not see it begin."""
        return {
            "visit_id": visit.visit_id,
            "queue": visit.queue,
            "leg_id": self._id(visit.call.root),
            "contact_id": self._id(visit.call.contact or visit.call.root),
        }

    def _call(self, message: Element, call_id: str) -> Call:
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = Call(call_id)
            while len(self._calls) > _MAX_CALLS:
                self._calls.popitem(last=False)
        call.contact = call.contact or text(message, "callLinkageData", "globalCallData", "globalCallLinkageID")
        call.caller = call.caller or device(message, "callingDevice")
        if call.caller in self._agents and not call.visits and (callers := self._talks_to(call.caller)):
            call.contact = callers.contact or callers.root
        return call

    def _talks_to(self, agent: str) -> Call | None:
        """Return the caller from a queue to whom an agent talks now; the agent asks a colleague on the other line."""
        for call in reversed(self._calls.values()):
            visit = call.visit
            if visit and visit.answered and not visit.over and visit.agent == agent:
                return call
        return None

    def _open_visit(self, call_id: str) -> Visit | None:
        call = self._calls.get(call_id)
        visit = call.visit if call else None
        return visit if visit and not visit.over else None

    def _enter(self, message: Element, call_id: str, pilot: str, monitor: str, stamp: Stamp) -> None:
        call = self._call(message, call_id)
        if call.gone and len(call_id) >= _UNIQUE:
            return
        visit, position = call.visit, whole(message, "callsInFront")
        position = None if position is None else position + 1
        if visit and visit.pilot == pilot and visit.picked_up and _is_late(stamp, visit.picked_up):
            if not visit.entered:
                self._tell_entered(visit, position, message, stamp, None)
            return
        if visit and visit.pilot == pilot and (visit.waits or monitor not in visit.seen_by):
            # Known already: as an arrival before it was queued, after a phone was not answered, from another device.
            visit.seen_by.add(monitor)
            if visit.waits and not visit.entered and _is_late(stamp, visit.known):
                self._tell_entered(visit, position, message, stamp, None)
            elif visit.waits and position is not None and position != visit.position:
                visit.position = position
                moved = stamp.envelope("call.moved", visit.native)
                self._emit(CallMoved(**moved, visit_id=visit.visit_id, position=position))
            return
        if visit and visit.waits:
            self._leave(visit, LeftOutcome.OVERFLOW, OutcomeBasis.INFERRED, "", stamp, self._pilots.get(pilot, pilot))
        elif visit and not visit.over:
            self._complete(visit, EndedBy.UNKNOWN, stamp)
        before, call.transferred_from = call.transferred_from, None
        visit = self._open(call, call_id, pilot, monitor, stamp)
        visit.position = position
        if call_id not in self._returns:
            self._tell_entered(visit, position, message, stamp, before)
        else:  # the entry was before this connection
            del self._returns[call_id]
            visit.entered = True
            moved = stamp.envelope("call.moved", visit.native)
            self._emit(CallMoved(**moved, **self._placed(visit), position=position))

    def _note_return(self, call_id: str) -> None:
        """Note a call of which nothing was heard before that a phone was not answered: it goes back to its queue."""
        self._returns[call_id] = None
        while len(self._returns) > _MAX_CALLS:
            self._returns.popitem(last=False)

    def _tell_entered(
        self, visit: Visit, position: int | None, message: Element, stamp: Stamp, before: Visit | None
    ) -> None:
        visit.entered = True
        self._emit(
            CallEntered(
                **stamp.envelope("call.entered", visit.native),
                **self._placed(visit),
                position=position,
                depth_reported=whole(message, "numberQueued"),
                caller=self._caller(visit.call, stamp),
                entry_reason=EntryReason.TRANSFER if before else EntryReason.UNKNOWN,
                prev_visit_id=before.visit_id if before else None,
            )
        )

    def _caller(self, call: Call, stamp: Stamp) -> Caller | None:
        """Return the caller by the day's pseudonym; None for an agent who calls, and where there is no number."""
        known = stamp.caller(call.caller, withheld=not call.caller or call.caller in self._agents)
        return known if known.pseudonym else None

    def _open(self, call: Call, call_id: str, pilot: str, monitor: str, stamp: Stamp) -> Visit:
        native = f"{call_id}@{pilot}"
        if len(call_id) < _UNIQUE:
            native += f"@{stamp.milliseconds}"
        turn = self._turns[native] = self._turns.get(native, 0) + 1
        while len(self._turns) > _MAX_CALLS:
            self._turns.popitem(last=False)
        native += f".{turn}" if turn > 1 else ""
        visit = Visit(self._id(native), native, self._pilots.get(pilot, pilot), pilot, call, stamp, {monitor})
        call.visits = [*call.visits[-8:], visit]
        return visit

    def _visit_at(self, message: Element, call_id: str, place: str, monitor: str, stamp: Stamp) -> Visit | None:
        """Return the visit for which a phone rings or was answered; an unseen one is found by its previous device."""
        call = self._calls.get(call_id)
        if place in self._pilots or (self._agents and place not in self._agents):
            return None
        if call and call.visit:
            call.caller = call.caller or device(message, "callingDevice")
            return call.visit if not call.visit.over and place != call.caller else None
        came_from = (device(message, "lastRedirectionDevice"), device(message, "calledDevice"))
        pilot = next((one for one in came_from if one in self._pilots), None)
        if pilot is None or place == device(message, "callingDevice"):
            return None
        return self._open(self._call(message, call_id), call_id, pilot, monitor, stamp)

    def _ring(self, visit: Visit, place: str, monitor: str, stamp: Stamp) -> None:
        ring = visit.rings.get(place)
        if not visit.waits:
            return
        if ring and (not ring.ended or monitor not in ring.seen_by):
            ring.seen_by.add(monitor)
            return
        turn = visit.turns[place] = visit.turns.get(place, 0) + 1
        native = f"{visit.native}/{self._agents.get(place, place)}" + (f".{turn}" if turn > 1 else "")
        visit.rings[place] = ring = Ring(self._id(native), place, stamp, {monitor})
        self._emit(
            CallRinging(
                **stamp.envelope("call.ringing", native),
                **self._placed(visit),
                ring_id=ring.ring_id,
                agent_id=self._agent_id(place),
            )
        )

    def _stop_ring(self, visit: Visit, place: str, cause: str, stamp: Stamp) -> None:
        ring = visit.rings.get(place)
        if ring and not ring.ended:
            self._end_ring(visit, ring, _RINGS.get(cause, RingResult.UNKNOWN), stamp, cause)

    def _end_ring(self, visit: Visit, ring: Ring, result: RingResult, stamp: Stamp, cause: str = "") -> None:
        ring.ended = True
        self._emit(
            CallRingEnded(
                **stamp.envelope("call.ring_ended", ring.ring_id),
                ring_id=ring.ring_id,
                result=result,
                visit_id=visit.visit_id,
                agent_id=self._agent_id(ring.agent),
                ring_ms=max(0, milliseconds(stamp.observed_at - ring.began.observed_at)),
                cause_raw=cause if cause.isalnum() else None,
            )
        )

    def _cancel_rings(self, visit: Visit, stamp: Stamp) -> None:
        for ring in visit.rings.values():
            if not ring.ended:
                self._end_ring(visit, ring, RingResult.CANCELLED, stamp)

    def _leave(
        self,
        visit: Visit,
        outcome: LeftOutcome,
        basis: OutcomeBasis,
        cause: str,
        stamp: Stamp,
        next_queue: str | None = None,
    ) -> None:
        self._cancel_rings(visit, stamp)
        visit.over = True
        self._emit(
            CallLeft(
                **stamp.envelope("call.left", visit.native),
                **self._placed(visit),
                outcome=outcome,
                outcome_basis=basis,
                next_queue=next_queue,
                reason_raw=cause if cause.isalnum() else None,
            )
        )

    def _complete(self, visit: Visit, ended_by: EndedBy, stamp: Stamp) -> None:
        visit.over = True
        self._emit(
            CallCompleted(
                **stamp.envelope("call.completed", visit.native),
                **self._placed(visit),
                ended_by=ended_by,
                agent_id=self._agent_id(visit.agent) if visit.agent else None,
            )
        )

    def _join(self, message: Element, first: Call | None, second: Call | None, stamp: Stamp) -> None:
        """Let both old ids and the new one lead to one call: the one that waits or talks still, else the caller's."""
        goes_on = second is not first and second and second.visit and not second.visit.over
        if second and second.visit and goes_on and (second.visit.waits or not (first and first.open)):
            if first:
                # Now the caller waits or talks there, no longer the agent who asked.
                second.caller, second.transferred_from = first.caller, first.transferred_from
                self._tell_whose(second, first, stamp)
            joined: Call | None = second
        else:
            joined = first or second
        if joined is None:
            return
        listed = child(message, "transferredConnections")
        listed = listed if listed is not None else child(message, "conferenceConnections")
        for item in children(listed, "connectionListItem"):
            call_id = text(item, "newConnection", "callID")
            known = self._calls.get(call_id)
            # Already in a queue under its new id, which was reported first: it stays there.
            if call_id and not (known and known.open):
                self._calls[call_id] = joined

    def _tell_whose(self, call: Call, callers: Call, stamp: Stamp) -> None:
        """Report that the stay of an agent's call is now part of the caller's call."""
        visit, contact = call.visit, callers.contact or callers.root
        if visit and contact != (call.contact or call.root):
            call.contact = contact
            moved = stamp.envelope("call.moved", visit.native, contact)
            self._emit(CallMoved(**moved, visit_id=visit.visit_id, contact_id=self._id(contact)))


def _is_late(stamp: Stamp, after: Stamp) -> bool:
    return stamp.observed_at - after.observed_at <= _SAME_WORD


def _lacking(place: str, call_id: str) -> str:
    """Return the part that a connection lacks, as the message would name it: the call, else the device."""
    return f"{place}.deviceID" if call_id else f"{place}.callID"
