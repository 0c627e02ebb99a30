"""What is true about every caller: visits and contacts, worked out from everything that was heard of them.

Nothing here depends on the order in which events arrive. Each event is kept as a piece of evidence; what a visit is
(when it began, how it ended, for how long) is a pure function of the evidence at hand and is worked out anew when a
piece is added. Twice the same event, events in another order, or a log read afterwards then give the same ledger.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from queue_monitor.core.evidence import DERIVED_SLACK, Evidence, Stay, Strand, read_stays
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
    EntryReason,
    Event,
    QueueSnapshot,
    SourceConnected,
    SourceRestarted,
    WaitingCaller,
    milliseconds,
)
from queue_monitor.model import Contact, Outcome, Refusal, Visit

SAME_MOVE = timedelta(seconds=2)
"""A caller who enters another queue within this time of leaving one was moved there (SWITCHBOARDS.md section 9)."""

UPTIME_SLACK = timedelta(seconds=2)
"""A start time worked out from whole seconds of uptime may lie this much after the real one."""

SNAPSHOTS_KEPT = timedelta(seconds=10)

_MAY_GO_ON: Final = frozenset({Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN})
"""Nobody with such a visit has left the queue without an answer, as far as is known."""


class Story(NamedTuple):
    """One contact with its visits, in the order of entry."""

    contact: Contact
    visits: tuple[Visit, ...]


class Change(NamedTuple):
    """One contact before and after an event; None where it did not exist."""

    before: Story | None
    after: Story | None


class Changes(NamedTuple):
    """What one event did to the ledger. `orphan`: it spoke of a visit whose start nobody has told."""

    stories: list[Change]
    refused: Refusal | None = None
    orphan: bool = False


@dataclass(slots=True)
class _Switch:
    """What is known of one switchboard besides its calls."""

    restarts: list[datetime] = field(default_factory=list)
    reconnects: list[datetime] = field(default_factory=list)
    snapshots: dict[str, list[tuple[datetime, frozenset[str]]]] = field(default_factory=dict)


class Ledger:
    """All visits and contacts in memory, the refused, and who waits now."""

    def __init__(self) -> None:
        self._evidence: dict[tuple[str, str, str], Evidence] = {}
        self._moved_from: list[Evidence] = []
        self._strands: dict[tuple[str, str], tuple[Strand, Evidence]] = {}
        self._rings: dict[tuple[str, str], str] = {}
        self._stories: dict[str, Story] = {}
        self._parts: dict[str, dict[tuple[str, str, str], Evidence]] = {}
        self._told: dict[tuple[str, str, str], set[str]] = {}
        self._open: set[tuple[str, str, str]] = set()
        self._waiting: dict[str, None] = {}
        self._talking: dict[str, None] = {}
        self._refused: dict[tuple[str, str, str], list[Refusal]] = {}
        self._switches: dict[str, _Switch] = {}

    # ---- what happened

    def apply(self, event: Event) -> Changes:
        """Take one event; never raises on an illegal step, whatever its order."""
        if isinstance(event, CallRefused):
            return self._refuse(event)
        if isinstance(event, QueueSnapshot):
            return self._snapshot(event)
        if isinstance(event, SourceRestarted):
            return self._restarted(event.switch_name, event.at)
        if isinstance(event, SourceConnected):
            return self._connected(event)
        if isinstance(event, CallRingEnded):
            return self._ring_ended(event)
        if isinstance(
            event,
            CallEntered | CallAnswered | CallLeft | CallCompleted | CallRinging | CallTransferred | CallMoved,
        ):
            strand, evidence = self._strand_for(event)
            strand.add(event)
            if isinstance(event, CallRinging):
                self._rings[event.switch_name, event.ring_id] = event.visit_id
            orphan = not isinstance(event, CallEntered) and strand.known_entry is None
            return Changes(self._tell([evidence]), orphan=orphan)
        return Changes([])

    def _strand_for(
        self,
        event: CallEntered | CallAnswered | CallLeft | CallCompleted | CallRinging | CallTransferred | CallMoved,
    ) -> tuple[Strand, Evidence]:
        leg = getattr(event, "leg_id", "")
        queue = getattr(event, "queue", "")
        return self._strand(event.switch_name, event.visit_id, event.source, leg, queue)

    def _strand(self, switch: str, visit_id: str, source: str, leg: str, queue: str) -> tuple[Strand, Evidence]:
        """The strand of this visit id, placed with all else that is known of this leg in this queue."""
        known = self._strands.get((switch, visit_id))
        if known is None:
            strand = Strand(visit_id=visit_id, source=source)
            evidence = self._evidence_of(switch, leg or visit_id, queue)
            evidence.strands[visit_id] = strand
            known = self._strands[switch, visit_id] = (strand, evidence)
        strand, evidence = known
        better_leg = leg if leg and evidence.leg_id == visit_id else evidence.leg_id
        better_queue = evidence.queue or queue
        if (better_leg, better_queue) != (evidence.leg_id, evidence.queue):
            del evidence.strands[visit_id]
            self._moved_from.append(evidence)
            evidence = self._evidence_of(switch, better_leg, better_queue)
            evidence.strands[visit_id] = strand
            self._strands[switch, visit_id] = (strand, evidence)
        return strand, evidence

    def _evidence_of(self, switch: str, leg: str, queue: str) -> Evidence:
        key = (switch, leg, queue.casefold())
        evidence = self._evidence.get(key)
        if evidence is None:
            evidence = self._evidence[key] = Evidence(switch=switch, leg_id=leg, queue=queue)
            recent = self._switch(switch).snapshots.get(key[2], [])
            evidence.missing.extend(as_of for as_of, legs in recent if leg not in legs)
        return evidence

    def _ring_ended(self, event: CallRingEnded) -> Changes:
        visit_id = event.visit_id or self._rings.get((event.switch_name, event.ring_id), "")
        known = self._strands.get((event.switch_name, visit_id))
        if known is None:
            return Changes([], orphan=True)
        strand, evidence = known
        strand.rings[event.ring_id] = event.result
        return Changes(self._tell([evidence]))

    def _refuse(self, event: CallRefused) -> Changes:
        """Count a refused caller once, though two sources told of it."""
        refusal = Refusal(
            source=event.source,
            switch=event.switch_name,
            contact_id=event.contact_id,
            leg_id=event.leg_id or event.contact_id,
            queue=event.queue,
            reason=event.reason,
            at=event.at,
            time_basis=event.time_basis,
            precision_ms=event.time_precision_ms,
        )
        same = self._refused.setdefault((refusal.switch, refusal.leg_id, refusal.queue.casefold()), [])
        near = timedelta(milliseconds=100 + event.time_precision_ms)
        if any(abs(other.at - refusal.at) <= near + timedelta(milliseconds=other.precision_ms) for other in same):
            return Changes([])
        same.append(refusal)
        return Changes([], refused=refusal)

    def _restarted(self, switch_name: str, at: datetime) -> Changes:
        """The switch began anew: who waited before is lost, unless better evidence says otherwise."""
        self._switch(switch_name).restarts.append(at)
        keys = {key for key in self._open if key[0] == switch_name}
        keys.update(key for contact_id in self._talking for key in self._parts[contact_id] if key[0] == switch_name)
        return Changes(self._tell([self._evidence[key] for key in sorted(keys)]))

    def _connected(self, event: SourceConnected) -> Changes:
        switch = self._switch(event.switch_name)
        if event.live:
            switch.reconnects.append(event.at)
        if event.switch_started_at is None:
            return Changes([])
        return self._restarted(event.switch_name, event.switch_started_at - UPTIME_SLACK)

    def _snapshot(self, event: QueueSnapshot) -> Changes:
        """Hold the ledger against who the switch says waits: unknown callers appear, vanished ones are `unknown`."""
        switch_name = event.switch_name
        queue = event.queue.casefold()
        touched: dict[tuple[str, str, str], Evidence] = {}
        for caller in event.waiting:
            evidence = self._sight(event, caller)
            touched[switch_name, evidence.leg_id, queue] = evidence
        if event.complete:
            listed = frozenset(caller.leg_id for caller in event.waiting)
            recent = self._switch(switch_name).snapshots.setdefault(queue, [])
            recent[:] = [kept for kept in recent if event.as_of - kept[0] < SNAPSHOTS_KEPT]
            recent.append((event.as_of, listed))
            for key in self._open:
                if key[0] == switch_name and key[2] == queue and key[1] not in listed:
                    touched[key] = self._evidence[key]
                    touched[key].missing.append(event.as_of)
        return Changes(self._tell(list(touched.values())))

    def _sight(self, event: QueueSnapshot, caller: WaitingCaller) -> Evidence:
        """A caller seen waiting in a snapshot: evidence that the visit goes on, and of its start if nobody saw that."""
        switch = event.switch_name
        evidence = self._evidence_of(switch, caller.leg_id, event.queue)
        visit_id = caller.visit_id or self._open_visit(evidence, event, caller)
        strand, evidence = self._strand(switch, visit_id, event.source, caller.leg_id, event.queue)
        strand.sight(event, caller)
        return evidence

    def _open_visit(self, evidence: Evidence, event: QueueSnapshot, caller: WaitingCaller) -> str:
        """The visit that a caller listed without one continues, or a new id."""
        began = caller.entered_at
        if began is None and caller.waited_ms is not None:
            began = event.as_of - timedelta(milliseconds=caller.waited_ms)
        for stay in reversed(self._stays(evidence)):
            is_open = stay.outcome in (Outcome.WAITING, Outcome.UNKNOWN)
            if is_open and (began is None or abs(stay.first_at - began) <= DERIVED_SLACK):
                return stay.visit_id
        return f"{caller.leg_id}@{(began or event.as_of).isoformat()}"

    # ---- what it adds up to

    def _switch(self, name: str) -> _Switch:
        return self._switches.setdefault(name, _Switch())

    def _stays(self, evidence: Evidence) -> list[Stay]:
        switch = self._switch(evidence.switch)
        return read_stays(evidence, switch.restarts, switch.reconnects)

    def _tell(self, touched: Iterable[Evidence]) -> list[Change]:
        """Work out anew every contact that this evidence touches, before or now, and that a strand was moved from."""
        contacts: dict[str, None] = {}
        moved_from, self._moved_from = self._moved_from, []
        for evidence in (*moved_from, *touched):
            key = (evidence.switch, evidence.leg_id, evidence.queue.casefold())
            evidence.stays = self._stays(evidence)
            now = {stay.contact_id for stay in evidence.stays}
            contacts.update(dict.fromkeys(sorted(self._told.get(key, set()) | now)))
            for contact_id in self._told.get(key, set()) - now:
                self._parts[contact_id].pop(key, None)
            for contact_id in now:
                self._parts.setdefault(contact_id, {})[key] = evidence
            self._told[key] = now
            if any(stay.outcome is Outcome.WAITING for stay in evidence.stays):
                self._open.add(key)
            else:
                self._open.discard(key)
        changes = []
        for contact_id in contacts:
            before = self._stories.get(contact_id)
            after = self._story(contact_id)
            if before != after:
                changes.append(Change(before, after))
                self._remember(contact_id, after)
        return changes

    def _remember(self, contact_id: str, story: Story | None) -> None:
        self._waiting.pop(contact_id, None)
        self._talking.pop(contact_id, None)
        if story is None:
            self._stories.pop(contact_id, None)
            self._parts.pop(contact_id, None)
            return
        self._stories[contact_id] = story
        if any(visit.outcome is Outcome.WAITING for visit in story.visits):
            self._waiting[contact_id] = None
        if any(visit.outcome is Outcome.ANSWERED and visit.completed_at is None for visit in story.visits):
            self._talking[contact_id] = None

    def _story(self, contact_id: str) -> Story | None:
        stays = [
            stay
            for evidence in self._parts.get(contact_id, {}).values()
            for stay in evidence.stays
            if stay.contact_id == contact_id
        ]
        if not stays:
            return None
        stays.sort(key=lambda stay: (stay.first_at, stay.visit_id))
        visits = tuple(_visits(stays))
        return Story(_contact(contact_id, visits), visits)

    # ---- what may be asked

    def stories(self) -> Iterator[Story]:
        yield from self._stories.values()

    def story(self, contact_id: str) -> Story | None:
        return self._stories.get(contact_id)

    def visits(self) -> Iterator[Visit]:
        for story in self._stories.values():
            yield from story.visits

    def contacts(self) -> Iterator[Contact]:
        for story in self._stories.values():
            yield story.contact

    def refusals(self) -> Iterator[Refusal]:
        for refusals in self._refused.values():
            yield from refusals

    def waiting(self) -> list[tuple[Contact, Visit]]:
        """Who waits now, the longest first."""
        now = [
            (story.contact, visit)
            for contact_id in self._waiting
            for story in (self._stories[contact_id],)
            for visit in story.visits
            if visit.outcome is Outcome.WAITING
        ]
        now.sort(key=lambda pair: (pair[1].entered_at is None, pair[1].entered_at, pair[1].visit_id))
        return now

    def ringing(self) -> set[str]:
        """The visit ids of waiting calls that ring at somebody now."""
        return {stay.visit_id for key in self._open for stay in self._evidence[key].stays if stay.ringing}

    def talking(self) -> list[Visit]:
        """Answered calls not known to have ended, leaving out those whose end a gap may have hidden."""
        now = []
        for contact_id in self._talking:
            for visit in self._stories[contact_id].visits:
                since = max(self._switch(visit.switch).reconnects, default=None)
                open_talk = visit.outcome is Outcome.ANSWERED and visit.completed_at is None
                if open_talk and (since is None or (visit.ended_wait_at or since) >= since):
                    now.append(visit)
        return now

    def forget(self, before: datetime) -> list[Story]:
        """Drop contacts over and silent since before that moment, and refusals as old; returns the contacts dropped."""
        gone = [story for contact_id, story in self._stories.items() if self._is_over(contact_id, before)]
        for story in gone:
            contact_id = story.contact.contact_id
            for key, evidence in self._parts.pop(contact_id).items():
                if self._told.get(key, set()) <= {contact_id}:
                    self._drop(key, evidence)
            self._remember(contact_id, None)
        for refused_key in list(self._refused):
            self._refused[refused_key] = [kept for kept in self._refused[refused_key] if kept.at >= before]
            if not self._refused[refused_key]:
                del self._refused[refused_key]
        for switch in self._switches.values():
            switch.restarts[:] = [at for at in switch.restarts if at >= before]
            switch.reconnects[:] = [at for at in switch.reconnects if at >= before]
        return gone

    def _drop(self, key: tuple[str, str, str], evidence: Evidence) -> None:
        for visit_id, strand in evidence.strands.items():
            self._strands.pop((evidence.switch, visit_id), None)
            for ring_id in strand.rings:
                self._rings.pop((evidence.switch, ring_id), None)
        self._evidence.pop(key, None)
        self._told.pop(key, None)

    def _is_over(self, contact_id: str, before: datetime) -> bool:
        if contact_id in self._waiting:
            return False
        return all(evidence.last_at < before for evidence in self._parts[contact_id].values())


def _visits(stays: list[Stay]) -> Iterator[Visit]:
    """The visits of one contact, each told by the ones beside it why it began and where it led."""
    previous: Stay | None = None
    for position, stay in enumerate(stays):
        following = stays[position + 1] if position + 1 < len(stays) else None
        outcome, next_queue = stay.outcome, stay.next_queue
        if following is not None and _moved_on(stay, following):
            next_queue = next_queue or following.queue
            outcome = Outcome.OVERFLOW if outcome is Outcome.TIMEOUT else outcome
        yield Visit(
            visit_id=stay.visit_id,
            contact_id=stay.contact_id,
            leg_id=stay.leg_id,
            switch=stay.switch,
            source=stay.source,
            queue=stay.queue,
            entered_at=stay.entered_at,
            ended_wait_at=stay.ended_wait_at,
            outcome=outcome,
            outcome_basis=stay.outcome_basis,
            wait_ms=stay.wait_ms,
            time_basis=stay.time_basis,
            precision_ms=stay.precision_ms,
            start_known=stay.start_known,
            agent_id=stay.agent_id,
            rings=stay.rings,
            completed_at=stay.completed_at,
            talk_ms=stay.talk_ms,
            ended_by=stay.ended_by,
            entry_reason=_entry_reason(stay, previous),
            prev_visit_id=stay.prev_visit_id or (previous.visit_id if previous else None),
            next_queue=next_queue,
            key=stay.key,
            position=stay.position,
        )
        previous = stay


def _moved_on(left: Stay, entered: Stay) -> bool:
    """Whether a caller not answered went to another queue at once: in two seconds, and what coarse clocks blur."""
    if left.outcome in (Outcome.WAITING, Outcome.ANSWERED) or left.queue.casefold() == entered.queue.casefold():
        return False
    if left.ended_wait_at is None or entered.entered_at is None:
        return False
    blur = timedelta(milliseconds=max(left.precision_ms, entered.precision_ms))
    return entered.entered_at - left.ended_wait_at <= SAME_MOVE + blur


def _entry_reason(stay: Stay, previous: Stay | None) -> EntryReason:
    """Why a caller entered: as stated, else told by the stay before."""
    if stay.entry_reason is not EntryReason.UNKNOWN:
        return stay.entry_reason
    if previous is None:
        return EntryReason.DIRECT if stay.start_known else EntryReason.UNKNOWN
    if previous.outcome is Outcome.ANSWERED:
        return EntryReason.TRANSFER
    if previous.queue.casefold() == stay.queue.casefold():
        return EntryReason.REENTRY
    return EntryReason.OVERFLOW


def _contact(contact_id: str, visits: tuple[Visit, ...]) -> Contact:
    """Judge a contact once: the waits of its visits added, up to the first human answer (MISSION.md section 2).

    A call back to one who had left is no visit of his or hers to the queue: hours may lie between.
    """
    own = _before_call_back(visits)
    answered = next((at for at, visit in enumerate(own) if visit.outcome is Outcome.ANSWERED), None)
    waiting = next((visit for visit in own if visit.outcome is Outcome.WAITING), None)
    if answered is not None:
        counted, after, last = own[: answered + 1], own[answered + 1 :], own[answered]
    else:
        counted, after, last = own, (), waiting or own[-1]
    waits = [visit.wait_ms for visit in counted if visit is not waiting]
    first = visits[0]
    return Contact(
        contact_id=contact_id,
        first_queue=first.queue,
        entered_at=first.entered_at,
        outcome=last.outcome,
        visit_ids=tuple(visit.visit_id for visit in visits),
        wait_ms=None if None in waits else sum(wait for wait in waits if wait is not None),
        waiting_since=waiting.entered_at if waiting is not None and answered is None else None,
        settled_at=last.ended_wait_at,
        wait_after_transfer_ms=sum(visit.wait_ms or 0 for visit in after),
        called_back_ms=_called_back_ms(first, visits[len(own) :]),
        start_known=all(visit.start_known for visit in counted),
        precision_ms=max(visit.precision_ms for visit in counted),
    )


def _before_call_back(visits: tuple[Visit, ...]) -> tuple[Visit, ...]:
    """The visits until the caller, who had left the queue without an answer, was called back."""
    for at, (left, entered) in enumerate(pairwise(visits), start=1):
        if entered.entry_reason is EntryReason.CALLBACK and left.outcome not in _MAY_GO_ON:
            return visits[:at]
    return visits


def _called_back_ms(first: Visit, calls_back: tuple[Visit, ...]) -> int | None:
    """From entry to the answer of the call back; None while there is none, or the entry was not seen."""
    answered = next((call.ended_wait_at for call in calls_back if call.outcome is Outcome.ANSWERED), None)
    return None if answered is None or first.entered_at is None else milliseconds(answered - first.entered_at)
