"""The callers: one leg for each caller's channel, one visit for each stay in a queue, and why each stay ended.

A Leave comes before its reason, so it is held until one of these: AgentConnect, QUEUESTATUS, the next dialplan step, a
new Join, the end of the channel, or `hold_seconds`. `endings` then decides.

Longer than 450 lines because one caller's way through the wire's events is one state machine.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from adapters.asterisk_ami.agents import Agents
from adapters.asterisk_ami.endings import BY_STATUS, REFUSALS, Ending, verdict
from adapters.asterisk_ami.messages import Cutter, first_argument, whole
from adapters.asterisk_ami.settings import Settings
from adapters.asterisk_ami.visits import Leg, Place, Ring, Visit
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallMoved,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    Event,
    LeftOutcome,
    OutcomeBasis,
    RefusalReason,
    RingResult,
    TransferKind,
    TransferTarget,
)
from queue_monitor.ports import Rejected
from queue_monitor.queues import queue_key
from queue_monitor.stamp import Stamp, microseconds

Message = Mapping[str, str]

_ENDED_BY: Final = {"caller": EndedBy.CALLER, "agent": EndedBy.AGENT, "transfer": EndedBy.TRANSFER}
_WITHHELD: Final = frozenset(("", "<unknown>", "unknown", "anonymous", "restricted", "unavailable", "private"))
_KEY: Final = re.compile(r"[0-9A-D*#]{1,3}")
_EARLY_MS: Final = 2_000
"""The tolerance for a listed wait: it is in whole seconds, of a clock that was read a little earlier (ms)."""

_MAX_LEGS: Final = 50_000
"""The most legs kept. A leg goes when its channel ends; where no such event comes, the oldest go beyond this many."""


_MAX_STRANGERS: Final = 200
"""The most channels kept that hung up and have never been in a queue, as far as was seen; and of those that were put in
the place of such a one.
"""

_MAX_BURIED: Final = 20
"""The most callers kept whose channel ended in the queue: another channel may go on in their place."""


class Calls:
    """Every caller's leg that can still matter on one connection."""

    def __init__(
        self, switch: str, settings: Settings, agents: Agents, seen: Cutter, emit: Callable[[Event | Rejected], None]
    ) -> None:
        self._switch = switch
        self._settings = settings
        self._agents = agents
        self._seen = seen
        self._emit = emit
        self._hold = timedelta(seconds=settings.hold_seconds)
        self._legs: dict[str, Leg] = {}
        self._rings: dict[str, Ring] = {}
        self._held: dict[str, datetime] = {}
        self._gone: dict[str, datetime] = {}
        self._queues = {queue_key(queue): queue for queue in settings.dialled_queues.values()}
        self._last_talk: dict[tuple[str, str], Visit] = {}
        self._last_done: dict[tuple[str, str], datetime] = {}
        self._buried: deque[Visit] = deque(maxlen=_MAX_BURIED)
        self._strangers: dict[str, Stamp] = {}
        self._asked: dict[str, str] = {}
        self._listed: dict[str, tuple[str, str]] = {}
        self.unexplained = False
        """True when a caller's outcome was a guess because no channel variable is ever sent."""

        self.unanswered = False
        """True when a caller left without a word why, and no event of an agent ever came."""

        self.ended = 0
        """The number of visits seen from Join to end, enough of which show that a read class is missing."""

    # For the translator

    def knows(self, unique: str) -> bool:
        return unique in self._legs or unique in self._rings or unique in self._listed

    def rung_by_queue(self, unique: str, channel: str, linked: str) -> None:
        """Note a phone that a list shows in a call of a queue: its agent may ask a colleague on another channel."""
        if linked and linked != unique and len(self._listed) < _MAX_LEGS:
            self._listed[unique] = _phone_of(channel), linked

    @property
    def remembered(self) -> int:
        return len(self._legs) + len(self._rings)

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def holds(self, unique: str) -> bool:
        leg = self._legs.get(unique)
        return leg is not None and leg.unique in self._held

    def contact_of(self, unique: str) -> str | None:
        leg = self._legs.get(unique)
        return leg.contact_id or None if leg else None

    def listed(self, unique: str, queue: str, entered_ms: int, stamp: Stamp) -> str:
        """Return the visit id of a caller in a QueueStatus list.

        A caller not seen before gets a visit whose entry is reckoned from the listed wait.
        """
        self._queues.setdefault(queue_key(queue), queue)
        leg = self._leg(unique)
        for visit in (leg.waiting, leg.leaving):
            if visit and _same(visit.queue, queue):
                return visit.visit_id
        if leg.waiting:
            self._lose(leg.waiting, stamp)
        if gone := self._left_behind_by(leg, queue, entered_ms, {"Uniqueid": unique}, stamp):
            return gone.visit_id
        return self._unseen(leg, queue, entered_ms).visit_id

    def still_waits(self, unique: str, visit_id: str) -> bool:
        leg = self._legs.get(unique)
        return leg is not None and leg.waiting is not None and leg.waiting.visit_id == visit_id

    def joined_since(self, queue: str, offset: int) -> Iterator[tuple[str, str, Stamp]]:
        """Yield those who joined a queue after this place in the stream and still wait: leg id, visit id, stamp."""
        for leg in self._legs.values():
            visit = leg.waiting
            if visit and visit.joined and visit.joined.offset > offset and _same(visit.queue, queue):
                yield leg.leg_id, visit.visit_id, visit.joined

    # Events of the switch

    def joined(self, message: Message, stamp: Stamp) -> bool:
        unique, queue = message.get("Uniqueid", ""), message.get("Queue", "")
        if not unique or not queue:
            return False
        self._queues[queue_key(queue)] = queue
        leg = self._leg(unique, message)
        if leg.channels:
            leg = self._own_leg(unique, leg)
        self._settle(leg, goes_on=True)
        before = leg.waiting
        again = before is not None and before.joined is not None and _same(before.queue, queue)
        if before and again and before.joined and before.joined.switch_time == stamp.switch_time is not None:
            visit = before
        else:
            if before and not _told_early(before, queue, stamp):
                self._lose(before, stamp)
            visit = Visit(self._visit_id(leg, f"@{stamp.milliseconds}"), queue, leg, joined=stamp)
            visit.entered_in = _place(message)
        leg.waiting, leg.last, leg.gone = visit, None, None
        leg.asked, leg.key = "", None
        leg.refused = leg.requested = leg.softly = False
        leg.hung_up = None
        self._gone.pop(leg.unique, None)
        dialled = message.get("Exten", "")
        number, name = message.get("CallerIDNum", ""), message.get("CallerIDName", "")
        withheld = number.casefold() in _WITHHELD or name.casefold() == "anonymous"
        self._emit(
            CallEntered(
                **stamp.envelope("call.entered", visit.visit_id),
                **visit.placed(),
                position=whole(message.get("Position")),
                depth_reported=whole(message.get("Count")),
                caller=stamp.caller(number, withheld=withheld),
                dialled=dialled if dialled in self._settings.dialled_queues else None,
            )
        )
        return True

    def called(self, message: Message, stamp: Stamp) -> bool:
        unique, dest = message.get("Uniqueid", ""), message.get("DestUniqueid", "")
        agent = self._agents.agent_id(message.get("MemberName", ""), message.get("Interface", ""))
        if not unique or not dest or not agent:
            return False
        visit = self._waiting_visit(unique, message, stamp)
        visit.entered_in = visit.entered_in or _place(message)
        ring = Ring(f"{self._switch}:{dest}", agent, visit, stamp)
        if told_before := self._rings.get(dest):
            told_before.visit.rings.pop(dest, None)
        visit.rings[dest] = self._rings[dest] = ring
        self._emit(
            CallRinging(
                **stamp.envelope("call.ringing", ring.ring_id), **visit.placed(), ring_id=ring.ring_id, agent_id=agent
            )
        )
        return True

    def not_answered(self, message: Message, stamp: Stamp) -> bool:
        unique, dest = message.get("Uniqueid", ""), message.get("DestUniqueid", "")
        if not unique or not dest:
            return False
        agent = self._agents.agent_id(message.get("MemberName", ""), message.get("Interface", ""))
        visit = self._waiting_visit(unique, message, stamp)
        ring = self._rings.get(dest) or Ring(f"{self._switch}:{dest}", agent, visit, stamp)
        ring_ms = whole(message.get("RingTime"))
        # 0 ms: the phone was busy or refused at once, without ringing.
        self._end_ring(dest, ring, RingResult.BUSY if ring_ms == 0 else RingResult.NO_ANSWER, stamp, ring_ms)
        return True

    def dumped(self, message: Message, stamp: Stamp) -> bool:
        """Take an agent who picked up and hung up during the greeting: the caller, who had left the queue for that
        agent, waits on, and no Leave will come.
        """
        unique, dest = message.get("Uniqueid", ""), message.get("DestUniqueid", "")
        if not unique:
            return False
        leg = self._leg(unique, message)
        if visit := self._leaver(leg, message.get("Queue", "")):
            if ring := self._rings.get(dest):
                self._end_ring(dest, ring, RingResult.REJECTED, stamp)
            if not visit.told_gone and visit.abandoned is None:
                leg.waiting, leg.leaving, leg.last, visit.left = visit, None, None, None
                visit.greeted = False
                self._held.pop(leg.unique, None)
        return True

    def left(self, message: Message, stamp: Stamp) -> bool:
        unique = message.get("Uniqueid", "")
        if not unique:
            return False
        held = self._legs[unique].leaving if unique in self._legs else None
        if held and held.left and held.left.switch_time == stamp.switch_time is not None:
            return True
        visit = self._waiting_visit(unique, message, stamp)
        leg = visit.leg
        self._settle(leg)
        visit.left, leg.waiting, leg.leaving = stamp, None, visit
        visit.key, visit.was_hanging_up = leg.key, leg.requested or leg.softly
        visit.left_in = visit.left_in or _place(message)
        self._held[leg.unique] = stamp.observed_at + self._hold
        if visit.status:
            self._settle(leg)
        return True

    def abandoned(self, message: Message, stamp: Stamp) -> bool:
        unique = message.get("Uniqueid", "")
        if not unique:
            return False
        leg = self._leg(unique, message)
        held = leg.leaving
        if held and held.abandoned is None and _same(held.queue, message.get("Queue", "")):
            visit = held
        else:
            visit = self._waiting_visit(unique, message, stamp)
        if hung_up := self._strangers.pop(unique, None):
            visit.leg.requested, visit.leg.hung_up = True, visit.leg.hung_up or hung_up
        visit.abandoned = stamp
        visit.left_in = _place(message)
        visit.hold_ms = _ms(message, "HoldTime")
        return True

    def connected(self, message: Message, stamp: Stamp) -> bool:
        unique, dest = message.get("Uniqueid", ""), message.get("DestUniqueid", "")
        if not unique:
            return False
        leg = self._leg(unique, message)
        visit = self._leaver(leg, message.get("Queue", "")) or self._waiting_visit(unique, message, stamp)
        leg = visit.leg
        if leg.leaving is not visit:
            self._settle(leg)  # the caller left another queue before this one, whose entry nobody saw
        leg.waiting = leg.leaving = leg.last = None
        leg.asked = ""
        self._held.pop(leg.unique, None)
        leg.hung_up = leg.hung_up or self._strangers.pop(unique, None)
        if leg.hung_up is not None and not visit.told_gone:
            self._tell_hung_up(visit, leg.hung_up)
        agent = self._agents.agent_id(message.get("MemberName", ""), message.get("Interface", ""))
        ring_ms = _ms(message, "RingTime")
        if dest:
            ring = self._rings.get(dest) or Ring(f"{self._switch}:{dest}", agent, visit, stamp)
            known = ring.began is not stamp
            exact = (microseconds(stamp.at) - microseconds(ring.began.at)) // 1000 if known else ring_ms
            self._end_ring(dest, ring, RingResult.ANSWERED, stamp, exact)
        visit.agent_id = agent
        leg.talking[queue_key(visit.queue)] = visit
        self._last_talk[queue_key(visit.queue), agent] = visit
        self._emit(
            CallAnswered(
                **stamp.envelope("call.answered", visit.visit_id),
                **visit.placed(),
                agent_id=agent,
                ring_id=f"{self._switch}:{dest}" if dest else None,
                wait_ms_reported=_ms(message, "HoldTime"),
                ring_ms=ring_ms,
            )
        )
        self._cancel_rings(visit, stamp)
        return True

    def completed(self, message: Message, stamp: Stamp) -> bool:
        queue = message.get("Queue", "")
        if not queue:
            return False
        agent = self._agents.agent_id(message.get("MemberName", ""), message.get("Interface", ""))
        wait, talk = _ms(message, "HoldTime"), _ms(message, "TalkTime")
        leg = self._legs.get(message.get("Uniqueid", ""))
        visit = leg.talking.pop(queue_key(queue), None) if leg else None
        if visit is None and message.get("Uniqueid"):
            visit = self._under_another_channel(message, queue, agent, stamp)
        if visit is None and not message.get("Uniqueid"):
            # The caller's channel was gone already; the agent had one call in this queue.
            visit = self._last_talk.pop((queue_key(queue), agent), None)
            if visit is None:
                return False
            visit.leg.talking.pop(queue_key(queue), None)
        last = self._last_done.get((queue_key(queue), agent))
        if visit is None and stamp.switch_time is not None and last == stamp.switch_time:
            return True
        if stamp.switch_time is not None:
            self._last_done[queue_key(queue), agent] = stamp.switch_time
        if visit is None:
            leg = self._leg_of_unseen(leg, message)
            self._name_contact(leg, message)
            visit = Visit(f"{leg.leg_id}@~{stamp.milliseconds - (wait or 0) - (talk or 0)}", queue, leg)
        self._last_talk.pop((queue_key(queue), agent), None)
        self.ended += visit.joined is not None
        self._emit(
            CallCompleted(
                **stamp.envelope("call.completed", visit.visit_id),
                **visit.placed(),
                ended_by=_ENDED_BY.get(message.get("Reason", "").casefold(), EndedBy.UNKNOWN),
                talk_ms_reported=talk,
                wait_ms_reported=wait,
                agent_id=agent or visit.agent_id or None,
            )
        )
        self._forget_if_idle(visit.leg)
        return True

    def _leg_of_unseen(self, known: Leg | None, message: Message) -> Leg:
        """Return the leg whose talk, begun before this connection, ends on this channel: of the one in whose place the
        caller was put since then, or the channel's own.
        """
        unique = message["Uniqueid"]
        if unique in self._asked and message.get("Reason", "").casefold() != "transfer":
            asked = self._asked.pop(unique)
            return Leg(asked, f"{self._switch}:{asked}")
        if known is None or known.unique != unique:
            # a channel on which the caller of another leg goes on may have been in a queue before, unseen
            return Leg(unique, f"{self._switch}:{unique}")
        return known

    def transferred(self, message: Message, stamp: Stamp, kind: TransferKind) -> None:
        """Report a transfer of a call that a queue connected, or into a queue; other transfers are ignored."""
        if message.get("Result", "Success") != "Success":
            return
        visit = self._talk_of(message)
        if kind is TransferKind.ATTENDED:
            asked, caller = message.get("SecondTransfererUniqueid", ""), message.get("TransfereeUniqueid", "")
            consulting = self._legs.get(asked)
            if consulting is None and asked and caller not in self._legs:
                self._asked[caller] = asked
                if len(self._asked) > _MAX_STRANGERS:
                    del self._asked[next(iter(self._asked))]
            if consulting and visit and visit.leg is consulting:
                return  # told again: by now the caller talks in the place of the one who asked
            if consulting:
                self._goes_on(consulting, message, "Transferee", stamp)
        if visit is None:
            return
        extension = message.get("Extension", "")
        queue = self._settings.dialled_queues.get(extension) or self._queues.get(queue_key(extension))
        # `IsExternal` says that the transfer came from outside (a SIP REFER), not where it goes: it is of no use here.
        agent = self._agents.behind(message.get("TransferTargetChannel", ""))
        self._emit(
            CallTransferred(
                **stamp.envelope("call.transferred", visit.visit_id),
                visit_id=visit.visit_id,
                kind=kind,
                to=TransferTarget(queue=queue, agent_id=agent),
                agent_id=visit.agent_id or None,
            )
        )

    def optimized(self, message: Message, stamp: Stamp) -> None:
        """Take `LocalOptimizationBegin`: a Local channel is replaced by the one behind it."""
        for half in ("LocalTwoUniqueid", "LocalOneUniqueid"):
            leg = self._legs.get(message.get(half, ""))
            if leg and leg.is_on(message[half]) and not leg.idle:
                self._goes_on(leg, message, "Source", stamp)
                return

    def _goes_on(self, leg: Leg, message: Message, whose: str, stamp: Stamp) -> None:
        """Report that a caller who waits or talks continues under another channel."""
        unique, visit = message.get(f"{whose}Uniqueid", ""), leg.waiting or leg.leaving
        if not unique or leg.is_on(unique) or leg.idle:
            return
        if linked := message.get(f"{whose}Linkedid"):
            leg.contact_id = f"{self._switch}:{linked}"
        if (other := self._legs.get(unique)) and other is not leg:
            leg.talking.update(other.talking)
        leg.channels.append(unique)
        self._legs[unique] = leg
        leg.gone = None
        self._gone.pop(leg.unique, None)
        for each in {id(v): v for v in (visit, *leg.talking.values()) if v and v.leg is leg}.values():
            self._emit(
                CallMoved(
                    **stamp.envelope("call.moved", each.visit_id, unique),
                    **each.placed(),
                    new_leg_id=f"{self._switch}:{unique}",
                )
            )

    def _under_another_channel(self, message: Message, queue: str, agent: str, stamp: Stamp) -> Visit | None:
        """Return this agent's talk in the same call, when its end names a channel that no event announced."""
        visit = self._last_talk.get((queue_key(queue), agent))
        linked = message.get("Linkedid")
        if visit is None or not linked or visit.leg.contact_id != f"{self._switch}:{linked}":
            return None
        if visit.leg.talking.get(queue_key(queue)) is not visit:
            return None
        unique = message["Uniqueid"]
        if not visit.leg.is_on(unique):
            self._goes_on(visit.leg, message, "", stamp)
        return visit.leg.talking.pop(queue_key(queue), None)

    def _own_leg(self, unique: str, before: Leg) -> Leg:
        """Give a channel that continued another leg a leg of its own, now that it enters a queue itself."""
        if unique == before.unique:
            return before
        leg = self._legs[unique] = Leg(unique, f"{self._switch}:{unique}", contact_id=before.contact_id)
        leg.talking = before.talking
        return leg

    def status(self, message: Message, stamp: Stamp) -> None:
        """Take QUEUESTATUS, in which the switch says how Queue() ended."""
        unique, status = message.get("Uniqueid", ""), message.get("Value", "")
        if not unique or not status:
            return
        known = self._legs.get(unique)
        if status in REFUSALS:
            leg = self._leg(unique, message)
            self._settle(leg)
            self._refuse(leg, status, message, stamp)
        elif known and (visit := known.leaving or known.waiting):
            visit.status = status
            if visit is known.waiting and visit.abandoned:  # its Leave came before an agent hung up in a greeting
                known.waiting, known.leaving = None, visit
            if visit is known.leaving:
                self._settle(known)
                self._forget_if_idle(known)
        elif known and known.last and known.last.inferred and status in BY_STATUS:
            self._amend(known.last, status)
            known.last = None

    def stepped(self, message: Message, stamp: Stamp) -> None:
        """Take a dialplan step: the channel has left the queue it was in, unless the step is a jump out of Queue()."""
        unique = message.get("Uniqueid", "")
        if not unique:
            return
        if leg := self._legs.get(unique):
            left, pressed = leg.leaving, message.get("Exten", "")
            if left and not left.abandoned and message.get("Priority") == "1" and _KEY.fullmatch(pressed):
                left.key = left.key or pressed
            # after a hang-up a channel still takes the steps of `h` and of hang-up handlers
            self._settle(leg, goes_on=self._seen.sees_calls and not leg.requested and message.get("Exten") != "h")
        if message.get("Application") != "Queue":
            return
        if message.get("Priority") == "0":
            # A jump out of Queue() comes before its Leave: the extension is the key that was pressed.
            if leg and leg.waiting and _KEY.fullmatch(pressed := message.get("Extension", "")):
                leg.key = pressed
            return
        leg = self._leg(unique, message)
        if (waits := leg.waiting) and message.get("Exten") != "h" and _place(message) != waits.entered_in:
            waits.was_sent_elsewhere = True  # who waits takes no step, unless somebody sends the channel on
        if leg.waiting or leg.leaving:
            return
        leg.asked, leg.refused = first_argument(message.get("AppData", "")), False

    def hanging_up(self, unique: str, stamp: Stamp, *, softly: bool) -> None:
        """Take a request to end a channel. From the caller's own side it is a HangupRequest (`softly` false).

        The first request counts: when a restart cuts both halves of a `Local` channel, the far half's end reaches the
        caller's half as a HangupRequest, but after the SoftHangupRequest.
        """
        leg = self._legs.get(unique)
        if leg is None or not leg.is_on(unique):
            return
        greeted = leg.leaving if leg.leaving and leg.leaving.abandoned is None else None
        if greeted is None and leg.last and leg.last.greeted:
            greeted = leg.last
        if leg.waiting is None and greeted is None:
            if not softly:
                self.hung_up_unseen(unique, stamp)
            return
        if softly:
            leg.softly = leg.softly or not leg.requested
        elif not leg.softly:
            leg.requested, leg.hung_up = True, leg.hung_up or stamp
            if greeted and (greeted.greeted or greeted.rings):
                greeted.greeted = True
                self._tell_hung_up(greeted, leg.hung_up)
                leg.leaving, leg.last = None, greeted
                self._held.pop(leg.unique, None)

    def hung_up_unseen(self, unique: str, stamp: Stamp) -> None:
        """Note that a channel has hung up that was in no queue, as far as was seen: it may have left one before this
        connection began, for an agent who hears a greeting.
        """
        self._strangers.setdefault(unique, stamp)
        if len(self._strangers) > _MAX_STRANGERS:
            del self._strangers[next(iter(self._strangers))]

    def hung_up(self, unique: str, stamp: Stamp) -> None:
        """Take the end of a channel: a ringing phone has stopped, or a caller has left the line."""
        self._listed.pop(unique, None)
        if ring := self._rings.get(unique):
            self._end_ring(unique, ring, RingResult.CANCELLED, stamp.worked_out())
        if (leg := self._legs.get(unique)) and leg.is_on(unique):
            self._settle(leg, gone=stamp)
            leg.gone = stamp
            if leg.asked and not leg.refused and not self._seen.sees_variables and self._seen.sees_dialplan:
                # It asked for a queue and never got in; QUEUESTATUS, which gives the reason, is filtered out.
                self.unexplained = True
                self._refuse(leg, "", {}, stamp)
            if leg.idle:
                self._drop(leg)
            else:
                self._gone[leg.unique] = stamp.observed_at + self._hold

    # Time and ends

    def expire(self, now: datetime) -> None:
        """Report what has been held for `hold_seconds`, with the outcome as far as it is known."""
        for leg in self._due(self._held, now):
            if (visit := leg.leaving) and visit.abandoned is None and visit.rings:
                # The answering phone is still on the line: its agent may be listening to a greeting.
                visit.greeted = True
                if self._seen.sees_calls:
                    # the end of that phone's channel would be reported, so the caller waits on
                    self._held[leg.unique] = now + self._hold
                    continue
            # The leg stays known: this report may be a guess that a later event corrects.
            self._settle(leg)
        for leg in self._due(self._gone, now):
            self._bury(leg)
        while len(self._legs) > _MAX_LEGS:
            self._drop(next(iter(self._legs.values())))
        while len(self._rings) > _MAX_LEGS:
            del self._rings[next(iter(self._rings))]

    def cut(self) -> None:
        """Report all that was held, as far as it is known, because the connection is gone."""
        for unique in list(self._held):
            self._settle(self._legs[unique], cut=True)

    def restart(self, stamp: Stamp) -> None:
        """Report held visits and cancel rings, because the switch goes down. The restart event then closes open
        visits.
        """
        for unique in list(self._held):
            self._settle(self._legs[unique], restart=True)
        for dest, ring in list(self._rings.items()):
            self._end_ring(dest, ring, RingResult.CANCELLED, stamp.worked_out())
        self._legs.clear()
        self._gone.clear()
        self._last_talk.clear()
        self._buried.clear()
        self._strangers.clear()
        self._asked.clear()
        self._listed.clear()

    # Internals

    def _due(self, deadlines: dict[str, datetime], now: datetime) -> Iterator[Leg]:
        """Yield the legs whose deadline has passed. All deadlines have the same length, so the oldest entry is due
        first.
        """
        while deadlines:
            unique = next(iter(deadlines))
            if deadlines[unique] > now:
                return
            del deadlines[unique]
            if leg := self._legs.get(unique):
                yield leg

    def _leg(self, unique: str, message: Message | None = None) -> Leg:
        leg = self._legs.get(unique)
        if leg is None:
            leg = self._legs[unique] = Leg(unique, f"{self._switch}:{unique}")
        if message is not None:
            self._name_contact(leg, message)
        return leg

    def _name_contact(self, leg: Leg, message: Message) -> None:
        """Note the whole call that a leg belongs to: as the switch says, or the one in which an agent asks a
        colleague, which a list of channels tells where the answer was not seen.
        """
        if leg.contact_id or not (linked := message.get("Linkedid")):
            return
        leg.contact_id = f"{self._switch}:{linked}"
        if linked != leg.unique:
            return
        channel = message.get("Channel", "")
        if caller := self._talks_to(channel):
            leg.contact_id = caller.contact_id or caller.leg_id
        elif self._listed and self._agents.behind(channel):
            talks = [call for phone, call in self._listed.values() if phone == _phone_of(channel)]
            leg.contact_id = f"{self._switch}:{talks[-1]}" if talks else leg.contact_id

    def _talks_to(self, channel: str) -> Leg | None:
        """Return the caller from a queue to whom the agent talks whose phone this channel is; the newest of several."""
        agent = self._agents.behind(channel)
        for (queue, whose), visit in reversed(self._last_talk.items()):
            if whose == agent and visit.leg.gone is None and visit.leg.talking.get(queue) is visit:
                return visit.leg
        return None

    def _visit_id(self, leg: Leg, mark: str) -> str:
        """Return a new visit id; a second join of the leg in the same millisecond gets `.2`."""
        visit_id = leg.leg_id + mark
        leg.ids = leg.ids + 1 if visit_id == leg.last_id else 1
        leg.last_id = visit_id
        return visit_id if leg.ids == 1 else f"{visit_id}.{leg.ids}"

    def _unseen(self, leg: Leg, queue: str, entered_ms: int) -> Visit:
        """Return a visit whose Join was not seen. Its id has a `~`, because the time of entry is an estimate."""
        leg.waiting = visit = Visit(self._visit_id(leg, f"@~{entered_ms}"), queue, leg, guessed_ms=entered_ms)
        return visit

    def _waiting_visit(self, unique: str, message: Message, stamp: Stamp) -> Visit:
        leg, queue = self._leg(unique, message), message.get("Queue", "")
        if leg.waiting and _same(leg.waiting.queue, queue):
            return leg.waiting
        if leg.waiting:
            self._lose(leg.waiting, stamp)
        hold_ms = _ms(message, "HoldTime")
        entered_ms = None if hold_ms is None else stamp.milliseconds - hold_ms
        if gone := self._left_behind_by(leg, queue, entered_ms, message, stamp):
            return gone
        return self._unseen(leg, queue or "unknown", stamp.milliseconds - (hold_ms or 0))

    def _left_behind_by(
        self, leg: Leg, queue: str, entered_ms: int | None, message: Message, stamp: Stamp
    ) -> Visit | None:
        """Return the visit that an unknown caller goes on with; from now on the caller is on this leg's channel."""
        visit = self._left_behind(queue, entered_ms) if leg.idle and not leg.last else None
        if visit:
            visit.leg.waiting, self._legs[visit.leg.unique] = visit, visit.leg
            self._goes_on(visit.leg, message, "", stamp)
        return visit

    def _left_behind(self, queue: str, entered_ms: int | None) -> Visit | None:
        """Return the visit that an unknown caller goes on with: nothing reported a transfer, but one who waited in this
        queue lost the channel without leaving it. None where there is none, or more than one.
        """
        gone = [self._legs[unique].waiting for unique in self._gone if unique in self._legs]
        fits = [
            visit
            for visit in (*gone, *self._buried)
            if visit and visit.joined and not visit.abandoned and _same(visit.queue, queue)
            if entered_ms is None or abs(entered_ms - visit.joined.milliseconds) <= _EARLY_MS
        ]
        if len(fits) != 1:
            return None
        if fits[0] in self._buried:
            self._buried.remove(fits[0])
        return fits[0]

    def _leaver(self, leg: Leg, queue: str) -> Visit | None:
        """Return the visit that has just left this queue for an agent.

        It is still held, or was already reported by a guess when a greeting took long.
        """
        for visit in (leg.leaving, leg.waiting, leg.last):
            if visit and _same(visit.queue, queue):
                return visit
        return None

    def _end_ring(self, dest: str, ring: Ring, result: RingResult, stamp: Stamp, ring_ms: int | None = None) -> None:
        self._rings.pop(dest, None)
        ring.visit.rings.pop(dest, None)
        if ring_ms is None and ring.began is not stamp:
            ring_ms = max(0, (microseconds(stamp.at) - microseconds(ring.began.at)) // 1000)
        self._emit(
            CallRingEnded(
                **stamp.envelope("call.ring_ended", ring.ring_id),
                ring_id=ring.ring_id,
                result=result,
                visit_id=ring.visit.visit_id,
                agent_id=ring.agent_id or None,
                ring_ms=ring_ms,
            )
        )

    def _cancel_rings(self, visit: Visit, stamp: Stamp) -> None:
        for dest, ring in list(visit.rings.items()):
            self._end_ring(dest, ring, RingResult.CANCELLED, stamp.worked_out())

    def _settle(
        self, leg: Leg, *, cut: bool = False, restart: bool = False, goes_on: bool = False, gone: Stamp | None = None
    ) -> None:
        """Report how a held visit ended, by all that is known so far; `gone` when the channel has just ended."""
        visit = leg.leaving
        if visit is None:
            return
        leg.leaving = None
        self._held.pop(leg.unique, None)
        self._tell_left(visit, self._verdict(visit, cut=cut, restart=restart, goes_on=goes_on), gone)
        leg.last = visit

    def _verdict(self, visit: Visit, *, cut: bool = False, restart: bool = False, goes_on: bool = False) -> Ending:
        ending = verdict(visit, self._seen, cut=cut, restart=restart, goes_on=goes_on)
        guessed = ending[0] is LeftOutcome.SYSTEM and ending[1] is OutcomeBasis.INFERRED
        self.unexplained = self.unexplained or (guessed and self._seen.sees_dialplan)
        self.unanswered = self.unanswered or (ending[0] is LeftOutcome.UNKNOWN and ending[2] == "Leave")
        return ending

    def _tell_hung_up(self, visit: Visit, stamp: Stamp) -> None:
        """Report that the caller's own channel ended before an answer, whatever the queue does with it afterwards."""
        visit.told_gone = True
        self._emit(
            CallLeft(
                **stamp.envelope("call.left", visit.visit_id, "hung up"),
                **visit.placed(),
                outcome=LeftOutcome.ABANDONED,
                reason_raw="HangupRequest",
            )
        )

    def _tell_left(self, visit: Visit, ending: Ending, gone: Stamp | None = None) -> None:
        """Report how a visit ended. A caller cut off by a restart waits until the channel ends.

        That is some 40 ms after leaving the queue. Who hangs up has gone then, although the queue notices only after
        the announcement that an agent hears meanwhile.
        """
        outcome, basis, reason = ending
        stamp = visit.left or visit.abandoned
        if outcome is LeftOutcome.LOST:
            stamp = gone or stamp
        if stamp is None:
            return
        self._cancel_rings(visit, stamp)
        hung_up = visit.leg.hung_up if outcome is LeftOutcome.ABANDONED else None
        if hung_up and (hung_up.switch_time is None) is (stamp.switch_time is None):
            stamp = min(hung_up, stamp, key=attrgetter("at"))
        visit.inferred = basis is OutcomeBasis.INFERRED
        self.ended += visit.joined is not None
        self._emit(
            CallLeft(
                **stamp.envelope("call.left", visit.visit_id),
                **visit.placed(),
                outcome=outcome,
                outcome_basis=basis,
                key=visit.key if outcome is LeftOutcome.EXIT_KEY else None,
                wait_ms_reported=visit.hold_ms,
                reason_raw=reason,
            )
        )

    def _amend(self, visit: Visit, status: str) -> None:
        if stamp := visit.left or visit.abandoned:
            self._emit(
                CallLeft(
                    **stamp.envelope("call.left", visit.visit_id, "amended"),
                    **visit.placed(),
                    outcome=BY_STATUS[status],
                    wait_ms_reported=visit.hold_ms,
                    reason_raw=status,
                )
            )

    def _lose(self, visit: Visit, stamp: Stamp) -> None:
        """Report a visit as over with an unknown outcome, because its end was not seen."""
        visit.left = stamp.worked_out()
        visit.leg.waiting = None
        self._tell_left(visit, (LeftOutcome.UNKNOWN, OutcomeBasis.INFERRED, "end not seen"))

    def _bury(self, leg: Leg) -> None:
        """Close what is still open of a caller whose channel ended a while ago, with what is known."""
        if leg.gone is None:
            return
        ended = leg.gone.worked_out()
        if (visit := leg.waiting) and visit.abandoned:
            self._tell_left(visit, self._verdict(visit))
        elif visit:
            self._lose(visit, leg.gone)
            self._buried.append(visit)
        for visit in leg.talking.values():
            self._emit(
                CallCompleted(
                    **ended.envelope("call.completed", visit.visit_id),
                    **visit.placed(),
                    agent_id=visit.agent_id or None,
                )
            )
        self._drop(leg)

    def _drop(self, leg: Leg) -> None:
        for visit in (leg.waiting, leg.leaving, *leg.talking.values()):
            for dest in visit.rings if visit else ():
                self._rings.pop(dest, None)
        for known in (self._held, self._gone):
            known.pop(leg.unique, None)
        for unique in (leg.unique, *leg.channels):
            if self._legs.get(unique) is leg:
                del self._legs[unique]

    def _forget_if_idle(self, leg: Leg) -> None:
        """Drop an idle leg where the read class `call` is missing, because no event then ends its channel."""
        if leg.idle and not self._seen.sees_calls:
            self._drop(leg)

    def _refuse(self, leg: Leg, status: str, message: Message, stamp: Stamp) -> None:
        if leg.refused:
            return
        leg.refused = True
        queue = leg.asked or self._settings.dialled_queues.get(message.get("Exten", "")) or "unknown"
        self._emit(
            CallRefused(
                **stamp.envelope("call.refused", leg.leg_id),
                contact_id=leg.contact_id or leg.leg_id,
                queue=self._queues.get(queue_key(queue), queue),
                reason=REFUSALS.get(status, RefusalReason.UNKNOWN),
                leg_id=leg.leg_id,
            )
        )

    def _talk_of(self, message: Message) -> Visit | None:
        """Return the answered visit that a transfer moves.

        It is found by the caller's leg, else by the whole call, as when the agent is a Local channel and its far half
        is transferred.
        """
        leg = self._legs.get(message.get("TransfereeUniqueid", ""))
        if leg and leg.talking:
            return next(reversed(leg.talking.values()))
        for name in ("TransfereeLinkedid", "TransfererLinkedid", "OrigTransfererLinkedid"):
            contact = f"{self._switch}:{message.get(name, '')}"
            for leg in self._legs.values():
                if leg.talking and leg.contact_id == contact:
                    return next(reversed(leg.talking.values()))
        return None


def _place(message: Message) -> Place | None:
    """Return the caller's place in the dialplan."""
    context, extension = message.get("Context"), message.get("Exten")
    return None if not context or not extension else (context, extension, message.get("Priority", ""))


def _phone_of(channel: str) -> str:
    """Return the phone or line whose channel this is (`PJSIP/1003-0000014f`)."""
    return channel.rpartition("-")[0].casefold()


def _same(one: str, other: str) -> bool:
    """Return whether two queue names are equal by Asterisk's own rule, which ignores case."""
    return one == other or one.casefold() == other.casefold()


def _told_early(listed: Visit, queue: str, joined: Stamp) -> bool:
    """Return whether a caller who now joins was listed just before: the list may be quicker than the event."""
    guess = listed.guessed_ms
    return guess is not None and _same(listed.queue, queue) and abs(joined.milliseconds - guess) <= _EARLY_MS


def _ms(message: Message, name: str) -> int | None:
    seconds = whole(message.get(name))
    return None if seconds is None else seconds * 1000
