"""The ledger works out the visits and contacts of every caller from all events about them.

Nothing here depends on the order in which events arrive. Each event is kept as a piece of evidence; a visit (its start,
its end, its length) is a pure function of the evidence and is worked out anew when a piece was added and somebody asks.
The same event twice, events in another order, or a log read afterwards give the same ledger. Evidence can be removed
from memory, written down, and loaded again.

Longer than 450 lines because the rules that read a call off its evidence share the state of that call.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from queue_monitor.core.contacts import NEW_CALL, NEW_CALL_AFTER_START, ContactHistory, history_of
from queue_monitor.core.documents import Document
from queue_monitor.core.evidence import DERIVED_SLACK, Evidence, EvidenceKey, MergedVisit, VisitReport
from queue_monitor.core.lent_contacts import lend_contact
from queue_monitor.core.matching import SAME_ENTRY, is_same_entry
from queue_monitor.core.refusals import Refusals, is_one_call
from queue_monitor.core.stays import read_stays
from queue_monitor.core.used_again import as_stated, used_again
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
    EntryReason,
    Event,
    OutcomeBasis,
    QueueSnapshot,
    SourceConnected,
    SourceRestarted,
    WaitingCaller,
)
from queue_monitor.model import Contact, Outcome, Refusal, Visit
from queue_monitor.queues import queue_key

UPTIME_SLACK = timedelta(seconds=2)
"""A start time computed from whole seconds of uptime may lie this much after the real one."""

LISTED_EARLY = timedelta(milliseconds=100)
"""A listed wait of whole seconds cannot begin before the caller entered, but for the clocks."""

SNAPSHOTS_KEPT = timedelta(seconds=10)

MAX_LISTS: Final = 50
"""The number of lists that are remembered of one queue, of one switch's channels, or as missing one caller: a list
whose time stands still would be remembered each time.
"""

UP_KEPT = timedelta(minutes=1)
"""The lists of the channels that are up are kept this long before the newest: a log may tell later of one who left
before.
"""

MAX_TALK: Final = timedelta(hours=12)
"""A talk without a reported end is taken to be over when no event about it has come for this long."""

_EVER: Final = datetime.min.replace(tzinfo=UTC)

MARKS_KEPT: Final = timedelta(days=400)

MAX_MARKS: Final = 2_000
"""The limits on a switch's restarts and reconnects. They are kept as long as calls are, so that a call loaded from the
store comes out as it did; and only the newest of each, at most this number.
"""

_CHANNEL: Final = re.compile(r"\b(\d{9,11})\.(\d{1,12})$", re.ASCII)
"""The end of an Asterisk's id of a channel: the second in which it was made, and its number since the start."""


class Change(NamedTuple):
    """One contact before and after its new events; None where it did not exist."""

    contact_id: str
    before: ContactHistory | None
    after: ContactHistory | None


class Applied(NamedTuple):
    """The result of an event besides its evidence.

    `refused`: a refused caller who is to be counted.
    `not_refused`: refused callers who are no longer to be counted as they were.
    `orphan`: no event has reported the start of its visit.
    """

    refused: Refusal | None = None
    orphan: bool = False
    not_refused: tuple[Refusal, ...] = ()


class Loaded(NamedTuple):
    """A contact that was loaded, with the history that its document alone gives."""

    contact_id: str
    history: ContactHistory | None
    reached_later: bool | None


@dataclass(slots=True)
class _Call:
    """The stays, each with its evidence, of one of the calls that had a contact id."""

    stays: list[tuple[MergedVisit, Evidence]] = field(default_factory=list)


@dataclass(slots=True)
class _Switch:
    """The facts about one switch besides its calls."""

    restarts: list[datetime] = field(default_factory=list)
    reconnects: list[datetime] = field(default_factory=list)
    snapshots: dict[str, list[tuple[datetime, frozenset[str]]]] = field(default_factory=dict)
    up: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)


_encoder: Final = msgspec.msgpack.Encoder()

_switch_decoder: Final = msgspec.msgpack.Decoder(dict[str, _Switch])

_OfVisit = CallEntered | CallAnswered | CallLeft | CallCompleted | CallRinging | CallTransferred | CallMoved

_NOTHING: Final = Applied()

_ORPHAN: Final = Applied(orphan=True)


class Ledger:
    """All visits and contacts in memory, the refused callers, and the callers who wait now.

    An event is noted at once; its contact is worked out when somebody asks, each contact once.
    """

    def __init__(self) -> None:
        self._evidence: dict[EvidenceKey, Evidence] = {}
        self._heard: dict[int, Evidence] = {}
        self._doubted: dict[int, Evidence] = {}
        self._reports: dict[tuple[str, str], tuple[VisitReport, Evidence]] = {}
        self._also: dict[EvidenceKey, str] = {}
        self._gone_on: dict[tuple[str, str], dict[EvidenceKey, Evidence]] = {}
        self._rings: dict[tuple[str, str], str] = {}
        self._histories: dict[str, ContactHistory] = {}
        self._parts: dict[str, tuple[Evidence, ...]] = {}
        self._used_again: dict[str, set[str]] = {}
        self._mentioned: dict[str, str] = {}
        self._changed: dict[str, ContactHistory | None] = {}
        self._open: set[EvidenceKey] = set()
        self._undecided: set[EvidenceKey] = set()
        self._waiting: dict[str, None] = {}
        self._talking: dict[str, None] = {}
        self._refusals = Refusals(self._has_got_in)
        self._switches: dict[str, _Switch] = {}

    # ---- input

    def apply(self, event: Event) -> Applied:
        """Take one event; never raises on an illegal step, whatever its order."""
        take = _TAKES.get(type(event))
        return _NOTHING if take is None else take(self, event)

    def _hear(self, event: _OfVisit) -> Applied:
        switch, visit_id = event.switch_name, event.visit_id
        known = self._reports.get((switch, visit_id))
        if known is None or not known[1].is_placed(visit_id):
            leg, queue = getattr(event, "leg_id", ""), getattr(event, "queue", "")
            known = self._report(switch, visit_id, event.source, leg, queue)
        report, evidence = known
        report.add(event)
        self._heard[id(evidence)] = evidence
        if report.is_seen_entering:
            return _NOTHING
        got_in = self._got_in_unseen(report, evidence)
        return Applied(orphan=True, not_refused=got_in) if got_in else _ORPHAN

    def _ringing(self, event: CallRinging) -> Applied:
        self._rings[event.switch_name, event.ring_id] = event.visit_id
        return self._hear(event)

    def _answered(self, event: CallAnswered) -> Applied:
        if event.ring_id:
            self._rings[event.switch_name, event.ring_id] = event.visit_id
        return self._hear(event)

    def _moved(self, event: CallMoved) -> Applied:
        """Note a caller who moved in the line, or goes on in the queue under another leg."""
        heard = self._hear(event)
        if event.new_leg_id:
            _, evidence = self._reports[event.switch_name, event.visit_id]
            self._lay_together(evidence, event.new_leg_id)
        return heard

    def _lay_together(self, evidence: Evidence, leg: str) -> None:
        """Join the evidence of `leg` in this queue, past and future, to this evidence: both are of one caller."""
        key = (evidence.switch, leg, evidence.key[2])
        if leg in evidence.also or self._key(*key) == evidence.key:
            return
        evidence.also = tuple(sorted({*evidence.also, leg}))
        self._also[key] = evidence.leg_id
        self._gone_on.setdefault((evidence.switch, leg), {})[evidence.key] = evidence
        self._recall_up(evidence)
        self._heard[id(evidence)] = evidence
        other = self._evidence.pop(key, None)
        self._open.discard(key)
        self._undecided.discard(key)
        if other is None:
            return
        for visit_id, report in other.reports.items():
            evidence.reports[visit_id] = report
            self._reports[evidence.switch, visit_id] = (report, evidence)
        evidence.missing += tuple(at for at in other.missing if at not in evidence.missing)
        evidence.see_up(other.up.items())
        other.reports, other.missing, other.up = {}, (), {}
        self._heard[id(other)] = other
        for further in other.also:
            self._also.pop((evidence.switch, further, evidence.key[2]), None)
            self._lay_together(evidence, further)

    def _key(self, switch: str, leg: str, queue: str) -> EvidenceKey:
        """Return the key of the evidence of a leg in a queue (casefolded): it is kept under the leg with which the
        caller entered.
        """
        passed = {leg}
        while (under := self._also.get((switch, leg, queue))) is not None and under not in passed:
            passed.add(under)
            leg = under
        return switch, leg, queue

    def _report(self, switch: str, visit_id: str, source: str, leg: str, queue: str) -> tuple[VisitReport, Evidence]:
        """Return the report of this visit id, placed with the other evidence of this leg in this queue."""
        known = self._reports.get((switch, visit_id))
        if known is None:
            report = VisitReport(visit_id=visit_id, source=source)
            evidence = self._evidence_of(switch, leg or visit_id, queue)
            evidence.reports[visit_id] = report
            known = self._reports[switch, visit_id] = (report, evidence)
        report, evidence = known
        if evidence.is_placed(visit_id):
            return known
        better_leg = leg if leg and evidence.leg_id == visit_id else evidence.leg_id
        better_queue = evidence.queue or queue
        if (better_leg, better_queue) != (evidence.leg_id, evidence.queue):
            del evidence.reports[visit_id]
            self._heard[id(evidence)] = evidence
            before, evidence = evidence, self._evidence_of(switch, better_leg, better_queue)
            evidence.reports[visit_id] = report
            self._reports[switch, visit_id] = (report, evidence)
            if before.also and not before.reports:
                self._forget_also(before)
                for leg in before.also:
                    self._lay_together(evidence, leg)
        return report, evidence

    def _evidence_of(self, switch: str, leg: str, queue: str) -> Evidence:
        key = self._key(switch, leg, queue_key(queue))
        leg = key[1]
        evidence = self._evidence.get(key)
        if evidence is None:
            evidence = self._evidence[key] = Evidence(switch=switch, leg_id=leg, queue=queue)
            recent = self._switch(switch).snapshots.get(key[2], [])
            evidence.missing = tuple(as_of for as_of, legs in recent if leg not in legs)
            self._recall_up(evidence)
        return evidence

    def _recall_up(self, evidence: Evidence) -> bool:
        """Let evidence know of the lists of channels that were up before memory had it; return whether that is news."""
        legs = (evidence.leg_id, *evidence.also)
        return evidence.see_up((leg, at) for at, up in self._switch(evidence.switch).up for leg in legs if leg in up)

    def _ring_ended(self, event: CallRingEnded) -> Applied:
        visit_id = event.visit_id or self._rings.get((event.switch_name, event.ring_id), "")
        known = self._reports.get((event.switch_name, visit_id))
        if known is None and not event.visit_id:
            return _ORPHAN
        is_orphan = known is None  # the entry, or an answer that it takes back, may not have been reported yet
        report, evidence = known or self._report(event.switch_name, visit_id, event.source, "", "")
        if report.last_at is None:  # nothing but this is known of the visit, and it is let go like a call
            report.last_at = event.at
        report.ring(report.ring_of(event), event.result)
        self._heard[id(evidence)] = evidence
        return _ORPHAN if is_orphan else _NOTHING

    def _refuse(self, event: CallRefused) -> Applied:
        refused, not_refused = self._refusals.note(event)
        return Applied(refused=refused, not_refused=() if not_refused is None else (not_refused,))

    def _has_got_in(self, refusal: Refusal) -> bool:
        """Return whether a refused caller is known to have got into a queue in the same call."""
        self._settle()
        histories = filter(None, map(self._histories.get, {refusal.contact_id, refusal.leg_id}))
        return any(is_one_call(refusal, visit) for history in histories for visit in history.visits)

    def _entered(self, event: CallEntered) -> Applied:
        """Note a caller who enters; one who was refused by another queue just before, in the same call, got in."""
        heard = self._hear(event)
        if not self._refusals:
            return heard
        got_in = self._refusals.let_in(event.switch_name, {event.leg_id or event.visit_id, event.contact_id}, event.at)
        return heard._replace(not_refused=got_in) if got_in else heard

    def _got_in_unseen(self, report: VisitReport, evidence: Evidence) -> tuple[Refusal, ...]:
        """Note that a caller got into a queue whose entry no source has seen, as far as its time is known; return the
        refusals just before, which are no longer to be counted.
        """
        if not self._refusals or (entry := report.entry) is None:
            return ()
        known_as = {evidence.leg_id, *report.contacts}
        return self._refusals.let_in(evidence.switch, known_as, entry.moment.at + DERIVED_SLACK)

    def has_entered(self, event: CallEntered, passing_over: Collection[str] = ()) -> bool:
        """Return whether a source has already reported the entry of this event; sources in
        `passing_over` do not count.
        """
        leg = event.leg_id or event.visit_id
        evidence = self._evidence.get(self._key(event.switch_name, leg, queue_key(event.queue)))
        if evidence is None:
            return False
        known = evidence.reports.get(event.visit_id)
        if known is not None and known.is_seen_entering:
            return True
        others = (report for report in evidence.reports.values() if report.source not in {event.source, *passing_over})
        return any(is_same_entry(report, event) for report in others)

    def take_back(self, event: CallRefused) -> Refusal | None:
        """Forget the refused caller that was counted for this event; return it, None when there was none."""
        return self._refusals.take_back(event)

    def _restart(self, event: SourceRestarted) -> Applied:
        self._restarted(event.switch_name, event.at)
        return _NOTHING

    def _restarted(self, switch_name: str, at: datetime) -> None:
        """Note that the switch began anew: callers who waited before are lost, unless better evidence
        says otherwise.
        """
        restarts = self._switch(switch_name).restarts
        place = bisect_left(restarts, at)
        if restarts[place : place + 1] == [at]:
            return
        restarts.insert(place, at)
        self._doubt(switch_name, restarts[place - 1] if place else _EVER)

    def _connected(self, event: SourceConnected) -> Applied:
        switch = self._switch(event.switch_name)
        if event.live:
            switch.reconnects.append(event.at)
            if switch.restarts and switch.restarts[-1] >= event.at:
                self._doubt(event.switch_name, _EVER)  # a talk that went on then may have ended before the restart
        if event.switch_started_at is not None:
            self._restarted(event.switch_name, event.switch_started_at - UPTIME_SLACK)
        return _NOTHING

    def _doubt(self, switch_name: str, since: datetime) -> None:
        """Mark the calls of which a restart, or a source that listens again, may say more, so that they are worked out
        again: those with a stay that began at or after `since`. An earlier restart has decided all others.
        """
        for key in self._undecided:
            if key[0] == switch_name:
                evidence = self._evidence[key]
                if any(stay.first_at >= since for stay in evidence.stays):
                    self._doubted[id(evidence)] = evidence

    def _snapshot(self, event: QueueSnapshot) -> Applied:
        """Compare the ledger with the switch's list of waiting callers: unlisted ones become `unknown`, new ones
        appear.
        """
        self._settle()
        switch_name = event.switch_name
        queue = queue_key(event.queue)
        self.see_up(event)
        if event.complete:
            self._take_over(event, queue)
        got_in = [refusal for caller in event.waiting for refusal in self._sight(event, caller)]
        if event.complete:
            listed = frozenset(self._key(switch_name, caller.leg_id, queue)[1] for caller in event.waiting)
            recent = self._switch(switch_name).snapshots.setdefault(queue, [])
            recent.append((event.as_of, listed))
            newest = max(as_of for as_of, _ in recent)  # a list may be old, or say the same time again and again
            recent[:] = [kept for kept in recent if newest - kept[0] < SNAPSHOTS_KEPT][-MAX_LISTS:]
            for key in self._open:
                evidence = self._evidence[key]
                is_missed = key[0] == switch_name and key[2] == queue and key[1] not in listed
                if is_missed and event.as_of not in evidence.missing:
                    evidence.missing = tuple(sorted((*evidence.missing, event.as_of))[-MAX_LISTS:])
                    self._heard[id(evidence)] = evidence
        return Applied(not_refused=tuple(got_in)) if got_in else _NOTHING

    def see_up(self, event: QueueSnapshot) -> None:
        """Note which channels a list says are up: whoever a log says hung up before has been moved."""
        if not event.up:
            return
        lists, legs = self._switch(event.switch_name).up, frozenset(event.up)
        insort(lists, (event.as_of, legs), key=itemgetter(0))
        lists[:] = [kept for kept in lists if lists[-1][0] - kept[0] < UP_KEPT][-MAX_LISTS:]
        for (switch, leg, _), evidence in self._evidence.items():
            its = legs.intersection((leg, *evidence.also)) if switch == event.switch_name else ()
            if evidence.see_up((one, event.as_of) for one in its):
                self._heard[id(evidence)] = evidence

    def unheld(self, switch: str, legs: Iterable[str]) -> set[str]:
        """Return those of these legs of which memory has nothing."""
        return set(legs) - {leg for of, leg, _ in (*self._evidence, *self._also) if of == switch}

    def _take_over(self, event: QueueSnapshot, queue: str) -> None:
        """Join to the callers who are listed no longer the legs that stand in their places: each is one caller.

        Whoever listened when a caller entered would have heard of another who entered in that moment. A leg that is
        listed for the first time, and has waited since then, goes on for the caller (a transfer, another channel).
        """
        switch = event.switch_name
        new = dict[EvidenceKey, tuple[datetime, str | None]]()
        for caller in event.waiting:
            leg, began = (switch, caller.leg_id, queue), _began(event, caller)
            if began is None or (caller.visit_id and (switch, caller.visit_id) in self._reports):
                continue
            if self._key(*leg) == leg and self._is_new(leg):
                new[leg] = began, caller.contact_id
        if not new:
            return
        listed = {self._key(switch, caller.leg_id, queue) for caller in event.waiting}
        gone = [
            (self._evidence[key], stay)
            for key in self._open
            if key[0] == switch and key[2] == queue and key not in listed
            for stay in self._evidence[key].stays[-1:]
            if stay.visit.start_known
        ]
        for leg, (began, contact_id) in new.items():
            its = [(evidence, stay) for evidence, stay in gone if _is_listed_entry(began, stay.first_at)]
            rivals = [at for at, _ in new.values() for _, stay in its if _is_listed_entry(at, stay.first_at)]
            if len(its) == len(rivals) == 1 and not _is_somebody_else(leg[1], contact_id, its[0][1].visit):
                self._lay_together(its[0][0], leg[1])

    def _is_new(self, key: EvidenceKey) -> bool:
        """Return whether nothing but a list has told of this leg in this queue."""
        evidence = self._evidence.get(key)
        return evidence is None or not any(report.is_seen_entering for report in evidence.reports.values())

    def _sight(self, event: QueueSnapshot, caller: WaitingCaller) -> tuple[Refusal, ...]:
        """Note a caller in a snapshot: evidence that the visit goes on, and of its start if no source saw that; return
        the refusals that are no longer to be counted.
        """
        switch = event.switch_name
        evidence = self._evidence_of(switch, caller.leg_id, event.queue)
        visit_id = caller.visit_id or self._open_visit(evidence, event, caller)
        report, evidence = self._report(switch, visit_id, event.source, caller.leg_id, event.queue)
        report.sight(event, caller)
        self._heard[id(evidence)] = evidence
        return () if report.is_seen_entering else self._got_in_unseen(report, evidence)

    def _open_visit(self, evidence: Evidence, event: QueueSnapshot, caller: WaitingCaller) -> str:
        """Return the visit that a caller listed without a visit id continues, or a new id.

        Some lists count the wait from before the entry, as from the beginning of the call.
        """
        began = _began(event, caller)
        for stay in reversed(self._stays(evidence)):
            is_open = stay.visit.outcome in (Outcome.WAITING, Outcome.UNKNOWN)
            if is_open and (began is None or began - stay.first_at <= DERIVED_SLACK):
                return stay.visit.visit_id
        return f"{caller.leg_id}@{evidence.key[2]}@{(began or event.as_of).isoformat()}"

    # ---- working out

    def written_switches(self) -> bytes:
        """Return the facts about the switches besides their calls, encoded for a start."""
        return _encoder.encode(self._switches)

    def restore_switches(self, written: bytes) -> None:
        """Load the facts that `written_switches` gave. Raises `msgspec.DecodeError`."""
        self._switches = _switch_decoder.decode(written)

    def _switch(self, name: str) -> _Switch:
        known = self._switches.get(name)
        if known is None:
            known = self._switches[name] = _Switch()
        return known

    def _stays(self, evidence: Evidence) -> tuple[MergedVisit, ...]:
        switch = self._switch(evidence.switch)
        return read_stays(evidence, switch.restarts, switch.reconnects)

    def take_changes(self) -> list[Change]:
        """Return every contact that has new events since the last call, even where they changed nothing."""
        self._settle()
        changed, self._changed = self._changed, {}
        return [Change(contact_id, before, self._histories.get(contact_id)) for contact_id, before in changed.items()]

    def _settle(self) -> None:
        """Work out again every contact that new events touch, before or now, each once."""
        if not self._heard and not self._doubted:
            return
        heard, self._heard = self._heard, {}
        doubted, self._doubted = self._doubted, {}
        contacts: dict[str, bool] = {}
        for evidence in doubted.values():
            for contact_id in self._read(evidence):
                contacts[contact_id] = False
        for evidence in heard.values():
            for contact_id in self._read(evidence):
                contacts[contact_id] = True
        contacts.update(dict.fromkeys(self._lend(heard.values()), True))
        for contact_id in list(contacts):
            contacts.update(dict.fromkeys(self._told_apart(contact_id), True))
        for contact_id, is_news in contacts.items():
            before = self._histories.get(contact_id)
            after = self._history(contact_id)
            if is_news or before != after:
                self._changed.setdefault(contact_id, before)
                self._remember(contact_id, after)

    def _read(self, evidence: Evidence) -> Sequence[str]:
        """Work out the stays of this evidence; return the contacts that had or have some of them."""
        evidence.stays = self._stays(evidence)
        return self._note(evidence)

    def _note(self, evidence: Evidence) -> Sequence[str]:
        """Note the contacts of the stays of this evidence, and whether one is open; return the contacts that had or
        have some of them.
        """
        key, before, stays = evidence.key, evidence.contacts, evidence.stays
        is_open = is_undecided = False
        for stay in stays:
            is_open = is_open or stay.visit.outcome is Outcome.WAITING
            is_undecided = is_undecided or _is_undecided(stay.visit)
        (self._open.add if is_open else self._open.discard)(key)
        (self._undecided.add if is_undecided else self._undecided.discard)(key)
        if len(stays) == 1 and len(before) == 1 and stays[0].visit.contact_id == before[0]:
            return before
        now = tuple(dict.fromkeys(stay.visit.contact_id for stay in stays))
        evidence.contacts = now
        for contact_id in before:
            if contact_id not in now:
                self._part_with(contact_id, evidence)
        for contact_id in now:
            if contact_id not in before:
                self._parts[contact_id] = (*self._parts.get(contact_id, ()), evidence)
                if (stated := as_stated(contact_id)) != contact_id:
                    self._used_again.setdefault(stated, set()).add(contact_id)
        if not evidence.reports:
            self._evidence.pop(key, None)
        return sorted({*before, *now})

    def _lend(self, heard: Collection[Evidence]) -> Iterator[str]:
        """Let the stays of a caller who went on under another leg, and that leg's, be of one call; yield the contacts
        concerned.
        """
        pairs = []
        for evidence in heard:
            its = self._gone_on.get((evidence.switch, evidence.leg_id), {})
            pairs += [(before, evidence) for before in its.values()]
        if legs := {(evidence.switch, leg) for evidence in heard for leg in evidence.also}:
            keys = [key for key in self._evidence if key[:2] in legs]
            pairs += [
                (before, self._evidence[key]) for key in keys for before in self._gone_on.get(key[:2], {}).values()
            ]
        for before, after in pairs:
            for lender, borrower in ((before, after), (after, before)):
                if lend_contact(lender, borrower):
                    yield from self._read(borrower)

    def _told_apart(self, contact_id: str) -> set[str]:
        """Give a later call, whose contact id an earlier one had, an id of its own; return the contacts concerned."""
        stated, own_parts = as_stated(contact_id), self._parts.get(contact_id, ())
        if stated not in self._used_again and len(own_parts) == 1 and len(own_parts[0].stays) < 2:
            return set()
        known = {stated, *self._used_again.get(stated, ())}
        parts = {id(part): part for one in known for part in self._parts.get(one, ())}.values()
        stays = [(stay, part) for part in parts for stay in part.stays if stay.visit.contact_id in known]
        if len(stays) < 2:
            return set()
        stays.sort(key=lambda pair: (pair[0].first_at, pair[0].visit.visit_id))
        calls: list[_Call] = []
        for stay, part in stays:
            if not calls or not _may_be_of(calls[-1], stay) or self._is_another_call(calls[-1].stays, stay):
                calls.append(_Call())
            calls[-1].stays.append((stay, part))
        renamed = dict[int, Evidence]()
        for call in calls:
            known_as = used_again(stated, call.stays[0][0].first_at)
            if call is calls[0] and any(stay.visit.contact_id == stated for stay, _ in call.stays):
                known_as = stated
            for stay, part in call.stays:
                if stay.visit.contact_id == known_as:
                    continue
                renamed[id(part)] = part
                for report in part.reports.values():
                    report.name_entries(stay.first_at, stated, known_as)
                    if known_as not in report.contacts and _stay_of(report, part) is stay:
                        report.tell_apart(stated, known_as, part.leg_id)
        return {contact_id for part in renamed.values() for contact_id in self._read(part)}

    def _is_another_call(self, call: Sequence[tuple[MergedVisit, Evidence]], stay: MergedVisit) -> bool:
        """Return whether a stay with the contact id of this call belongs to a later call."""
        at, before = stay.first_at, stay.visit.prev_visit_id
        if stay.reason is EntryReason.CALLBACK:
            return False
        # the latest first: most calls have one that is not long over
        visits = (earlier.visit for earlier, _ in reversed(call))
        if not all(_is_long_over(visit, at, self._switch(visit.switch).restarts) for visit in visits):
            return False
        return all(earlier.visit.visit_id != before for earlier, _ in call)

    def _part_with(self, contact_id: str, evidence: Evidence) -> None:
        """Note that a contact has no part in this evidence any more."""
        if (parts := self._parts.get(contact_id)) is not None:
            self._parts[contact_id] = tuple(part for part in parts if part is not evidence)

    def _remember(self, contact_id: str, history: ContactHistory | None) -> None:
        self._waiting.pop(contact_id, None)
        self._talking.pop(contact_id, None)
        if history is None:
            self._histories.pop(contact_id, None)
            self._parts.pop(contact_id, None)
            if (others := self._used_again.get(stated := as_stated(contact_id))) is not None:
                others.discard(contact_id)
                if not others:
                    del self._used_again[stated]
            return
        self._histories[contact_id] = history
        for visit in history.visits:
            if visit.outcome is Outcome.WAITING:
                self._waiting[contact_id] = None
            elif visit.outcome is Outcome.ANSWERED and visit.completed_at is None:
                self._talking[contact_id] = None

    def _history(self, contact_id: str) -> ContactHistory | None:
        return history_of(contact_id, self._parts.get(contact_id, ()))

    # ---- writing down, removing and loading

    def evidence_of(self, contact_id: str) -> list[Evidence]:
        """Return all evidence that a contact's history is made of."""
        self._settle()
        return list(self._parts.get(contact_id, ()))

    def holds_visit(self, switch: str, visit_id: str) -> bool:
        return (switch, visit_id) in self._reports

    def load(self, documents: Iterable[Document]) -> list[Loaded]:
        """Load contacts that were written down. Where memory already has evidence of one, both are put together.

        A contact that was not held before is no change; a later difference from its document is one.
        """
        self._settle()
        documents = list(documents)
        histories = [self._history_of(document) for document in documents]
        loaded = {document.contact_id for document in documents}
        placed = [part for document in documents for part in document.evidence if self._place(part)]
        for evidence in (*placed, *self._heard.values()):
            # evidence that met none adds up to its document alone
            stays = self._stays(evidence) if id(evidence) in self._heard else evidence.stays
            contacts = {stay.visit.contact_id for stay in stays}
            others = contacts - loaded - self._histories.keys()
            self._mentioned.update(dict.fromkeys(others, evidence.switch))
            if id(evidence) not in self._heard and contacts.isdisjoint(self._histories):
                self._note(evidence)
            else:
                self._heard[id(evidence)] = evidence
        for contact_id, history in zip((d.contact_id for d in documents), histories, strict=True):
            self._mentioned.pop(contact_id, None)
            if history is not None and contact_id not in self._histories:
                self._remember(contact_id, history)
        self._settle()
        for contact_id, history in zip((d.contact_id for d in documents), histories, strict=True):
            if contact_id in self._histories and not self._parts.get(contact_id):
                # what memory had of these visits says that they are another contact's
                self._changed.setdefault(contact_id, history)
                self._remember(contact_id, None)
        return [Loaded(d.contact_id, history, d.reached_later) for d, history in zip(documents, histories, strict=True)]

    def _history_of(self, document: Document) -> ContactHistory | None:
        """Return the history that a document alone gives."""
        for part in document.evidence:
            part.stays = self._stays(part)
        return history_of(document.contact_id, document.evidence)

    def _place(self, part: Evidence) -> bool:
        """Put evidence from a document beside the evidence held; return whether it met none.

        Evidence that it met and that it changed is worked out again.
        """
        switch, meets = part.switch, self._key(*part.key) in self._evidence
        if not meets and not any((switch, visit_id) in self._reports for visit_id in part.reports):
            self._evidence[part.key] = part
            for visit_id, report in part.reports.items():
                self._reports[switch, visit_id] = (report, part)
                self._rings.update(((switch, ring_id), visit_id) for ring_id in report.rings)
            also, part.also = part.also, ()
            for leg in also:
                self._lay_together(part, leg)
            if self._recall_up(part):
                self._heard[id(part)] = part
            return True
        for visit_id, loaded in part.reports.items():
            is_new = (switch, visit_id) not in self._reports
            report, evidence = self._report(switch, visit_id, loaded.source, part.leg_id, part.queue)
            missing = tuple(at for at in part.missing if at not in evidence.missing)
            evidence.missing += missing
            self._rings.update(((switch, ring_id), visit_id) for ring_id in loaded.rings)
            if evidence.key[2] != part.key[2]:
                loaded.state_queue(part.queue)
            is_up = evidence.see_up(part.up.items())
            if report.merge(loaded) or is_new or missing or is_up:
                self._heard[id(evidence)] = evidence
            for leg in part.also:
                self._lay_together(evidence, leg)
        return False

    def take_mentioned(self) -> dict[str, str]:
        """Return contacts that loaded evidence mentions and that were not loaded, each once, with their switch."""
        mentioned, self._mentioned = self._mentioned, {}
        return mentioned

    def drop(self, contact_ids: Iterable[str]) -> dict[str, tuple[ContactHistory, list[tuple[str, str]]]]:
        """Remove contacts with their evidence, and contacts that share some of it.

        Returns them by id, each with the switch and id of all its visits.
        """
        self._settle()
        dropped: dict[str, tuple[ContactHistory, list[tuple[str, str]]]] = {}
        left = [contact_id for contact_id in contact_ids if contact_id in self._histories]
        while left:
            contact_id = left.pop()
            if contact_id not in dropped:
                parts = self._parts[contact_id]
                left += self._shares(contact_id)
                heard = [(part.switch, visit_id) for part in parts for visit_id in part.reports]
                dropped[contact_id] = self._histories[contact_id], heard
        self._let_go(dropped)
        return dropped

    def evict(self, before: datetime, keep: Callable[[str], bool] = lambda contact_id: False) -> list[ContactHistory]:
        """Remove contacts that ended and had no event since `before`, and refusals as old; return the contacts.

        Contacts that share evidence go together or not at all.
        """
        self._settle()
        over = {
            contact_id for contact_id in self._histories if self._is_over(contact_id, before) and not keep(contact_id)
        }
        while held_by_others := {contact_id for contact_id in over if self._shares(contact_id) - over}:
            over -= held_by_others
        gone = [self._histories[contact_id] for contact_id in self._histories if contact_id in over]
        self._let_go(over)
        for evidence in [one for one in self._evidence.values() if not one.contacts and one.last_at < before]:
            self._remove(evidence)  # it says nothing of any call, as a ring that failed of a visit nobody knows
        self._refusals.evict(before - NEW_CALL_AFTER_START)  # whoever was refused may get in within that time
        for switch in self._switches.values():
            for marks in (switch.restarts, switch.reconnects):
                marks[:] = sorted(at for at in marks if at >= before - MARKS_KEPT)[-MAX_MARKS:]
        return gone

    def _is_over(self, contact_id: str, before: datetime) -> bool:
        if contact_id in self._waiting:
            return False
        edge = before - MAX_TALK if contact_id in self._talking else before
        return all(evidence.last_at < edge for evidence in self._parts[contact_id])

    def _shares(self, contact_id: str) -> set[str]:
        """Return the contacts held that share evidence with this contact."""
        return {other for part in self._parts[contact_id] for other in part.contacts if other in self._histories}

    def _let_go(self, contact_ids: Iterable[str]) -> None:
        for contact_id in contact_ids:
            for evidence in self._parts.get(contact_id, ()):
                for other in evidence.contacts:
                    if other != contact_id:  # its own parts go with it
                        self._part_with(other, evidence)
                self._remove(evidence)
            self._remember(contact_id, None)
            self._changed.pop(contact_id, None)

    def _remove(self, evidence: Evidence) -> None:
        key = evidence.key
        for visit_id, report in evidence.reports.items():
            self._reports.pop((evidence.switch, visit_id), None)
            for ring_id in report.rings:
                self._rings.pop((evidence.switch, ring_id), None)
        self._forget_also(evidence)
        self._evidence.pop(key, None)
        self._open.discard(key)
        self._undecided.discard(key)

    def _forget_also(self, evidence: Evidence) -> None:
        """Forget under which legs the caller of this evidence went on."""
        for leg in evidence.also:
            self._also.pop((evidence.switch, leg, evidence.key[2]), None)
            if (gone_on := self._gone_on.get((evidence.switch, leg))) is not None:
                gone_on.pop(evidence.key, None)
                if not gone_on:
                    del self._gone_on[evidence.switch, leg]

    # ---- output

    def histories(self) -> Iterator[ContactHistory]:
        self._settle()
        yield from self._histories.values()

    def history(self, contact_id: str) -> ContactHistory | None:
        self._settle()
        return self._histories.get(contact_id)

    def visits(self) -> Iterator[Visit]:
        self._settle()
        for history in self._histories.values():
            yield from history.visits

    def contacts(self) -> Iterator[Contact]:
        self._settle()
        for history in self._histories.values():
            yield history.contact

    def refusals(self) -> Iterator[Refusal]:
        return iter(self._refusals)

    def waiting(self) -> list[tuple[Contact, Visit]]:
        """Return the callers who wait now, the longest wait first.

        A caller who waits in several queues at once is one person: the contact waits with the first of these visits,
        and stands as `unknown` beside the others.
        """
        self._settle()
        now: list[tuple[Contact, Visit]] = []
        for contact_id in self._waiting:
            history = self._histories[contact_id]
            waiting = [visit for visit in history.visits if visit.outcome is Outcome.WAITING]
            now.append((history.contact, waiting[0]))
            if len(waiting) > 1:
                beside = structs.replace(history.contact, outcome=Outcome.UNKNOWN)
                now += [(beside, visit) for visit in waiting[1:]]
        now.sort(key=lambda pair: (pair[1].entered_at is None, pair[1].entered_at, pair[1].visit_id))
        return now

    def last_word(self, visit: Visit) -> datetime:
        """Return the time of the newest event about a visit's contact."""
        return max(part.last_at for part in self._parts[visit.contact_id])

    def is_open(self, contact_id: str) -> bool:
        """Return whether the caller waits, or talks as far as is known."""
        return contact_id in self._waiting or contact_id in self._talking

    def is_open_call(self, switch: str, known: str) -> bool:
        """Return whether a contact, visit or leg with this id waits or talks now. An id without events costs no
        settling.
        """
        if (switch, known) not in self._reports and known not in self._histories:
            heard = ((evidence.switch, evidence.leg_id) for evidence in self._heard.values())
            if (switch, known) not in heard and not any((switch, known) == key[:2] for key in self._open):
                return False
        self._settle()
        report = self._reports.get((switch, known))
        contacts = [known] if report is None else [known, *report[1].contacts]
        return any(map(self.is_open, contacts)) or any((switch, known) == key[:2] for key in self._open)

    def ringing(self) -> set[str]:
        """Return the visit ids of waiting calls that ring at an agent now."""
        self._settle()
        return {stay.visit.visit_id for key in self._open for stay in self._evidence[key].stays if stay.ringing}

    def talking(self) -> list[Visit]:
        """Return the answered visits without a known end, except those whose end a gap may have hidden."""
        self._settle()
        now = []
        for contact_id in self._talking:
            for visit in self._histories[contact_id].visits:
                since = max(self._switch(visit.switch).reconnects, default=None)
                open_talk = visit.outcome is Outcome.ANSWERED and visit.completed_at is None
                if open_talk and (since is None or (visit.ended_wait_at or since) >= since):
                    now.append(visit)
        return now


_TAKES: Final[dict[type[Event], Callable[[Ledger, Any], Applied]]] = {
    CallEntered: Ledger._entered,
    CallAnswered: Ledger._answered,
    CallLeft: Ledger._hear,
    CallCompleted: Ledger._hear,
    CallTransferred: Ledger._hear,
    CallMoved: Ledger._moved,
    CallRinging: Ledger._ringing,
    CallRingEnded: Ledger._ring_ended,
    CallRefused: Ledger._refuse,
    QueueSnapshot: Ledger._snapshot,
    SourceRestarted: Ledger._restart,
    SourceConnected: Ledger._connected,
}


def _began(event: QueueSnapshot, caller: WaitingCaller) -> datetime | None:
    """Return when a listed caller entered, as far as the list says."""
    if caller.entered_at is None and caller.waited_ms is not None:
        return event.as_of - timedelta(milliseconds=caller.waited_ms)
    return caller.entered_at


def _is_listed_entry(listed: datetime, entered: datetime) -> bool:
    """Return whether a caller who entered then has waited as long as a list says, in whole seconds cut off."""
    return -LISTED_EARLY <= listed - entered <= SAME_ENTRY


def _is_somebody_else(leg_id: str, contact_id: str | None, visit: Visit) -> bool:
    """Return whether a leg that is listed for the first time cannot have taken the place of this caller: its contact is
    another one.

    Asterisk's contact is another one after a transfer, too; but who is put in the place of an agent who asked was on
    the line before that agent called, and has the older channel.
    """
    if contact_id is None or contact_id == visit.contact_id:
        return False
    its, before = _CHANNEL.search(leg_id), _CHANNEL.search(visit.leg_id)
    if its is None or before is None:
        return True
    return (int(its[1]), int(its[2])) > (int(before[1]), int(before[2]))


def _stay_of(report: VisitReport, part: Evidence) -> MergedVisit:
    """Return the stay to which a report belongs, of several the one that began nearest."""
    return min(part.stays, key=lambda stay: abs(stay.first_at - report.starts))


def _may_be_of(call: _Call, stay: MergedVisit) -> bool:
    """Return whether a stay may be of this call: a visit id that is used again is another call's."""
    visit_id = as_stated(stay.visit.visit_id)
    return not stay.is_other_call or all(as_stated(one.visit.visit_id) != visit_id for one, _ in call.stays)


def _is_long_over(visit: Visit, at: datetime, restarts: Sequence[datetime]) -> bool:
    """Return whether a visit's call was over long before this time, or the switch began anew in between."""
    ended = visit.completed_at if visit.outcome is Outcome.ANSWERED else visit.ended_wait_at
    if ended is None or visit.outcome in (Outcome.WAITING, Outcome.UNKNOWN):
        last = visit.entered_at or visit.ended_wait_at
        return last is not None and at - last > MAX_TALK
    if at - ended <= NEW_CALL:
        return at - ended > NEW_CALL_AFTER_START and any(ended < restart <= at for restart in restarts)
    return True


def _is_undecided(visit: Visit) -> bool:
    """Return whether a restart of the switch, reported afterwards, may say how this visit or its talk ended."""
    if visit.outcome is Outcome.ANSWERED:
        return visit.completed_at is None or visit.ended_by is EndedBy.SYSTEM
    return visit.outcome in (Outcome.WAITING, Outcome.UNKNOWN) or visit.outcome_basis is OutcomeBasis.INFERRED
