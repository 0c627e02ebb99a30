"""The evidence of one call leg in one queue, and the stays that it adds up to.

A visit report holds what one source says under one visit id. Two sources that listen to one switch (the manager
interface and queue_log), or one source before and after a lost connection, report the same stay under different visit
ids: `read_stays` matches the reports by time (docs/switch-rules.md, rule 13) and reads each stay from the best of them.

Longer than 450 lines because the rules for one stay weigh the reports of all sources against each other.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import product
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import Struct, structs

from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallMoved,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    OutcomeBasis,
    QueueSnapshot,
    RingResult,
    TimeBasis,
    WaitingCaller,
    milliseconds,
)
from queue_monitor.model import Outcome, Visit
from queue_monitor.queues import queue_key

SAME_ENTRY = timedelta(milliseconds=1100)
"""The largest difference between two sources' times of one entry: one has whole seconds (docs/switch-rules.md, rule
13).
"""

CLOCKS_APART = timedelta(seconds=5)
"""The same where one of the two times is that of receipt, by our own clock. A clock that is further off is told of
after two probes (docs/switch-rules.md, rule 8).
"""

DERIVED_SLACK = timedelta(milliseconds=2100)
"""The largest difference where a time was computed from a reported duration in whole seconds."""

COARSE_MS = 1000
"""A clock reading with this uncertainty or more is taken to be cut to whole seconds."""

HANG_UPS = (LeftOutcome.ABANDONED, LeftOutcome.LOST)

GONE_WITHIN: Final = timedelta(seconds=2)
"""A channel whose caller has hung up is gone within this time, whatever the dialplan still does with it."""

USED_AGAIN: Final = timedelta(minutes=1)
NEVER_SO_LONG: Final = timedelta(hours=12)
"""The limits for a visit id that is used again: an entry reported this long after the end of the visit (`USED_AGAIN`),
or this long after its entry where no end was reported, belongs to another visit. Some switches number their calls anew.
"""

SIGHTED: Final = 0
"""The piece id of an entry computed from a snapshot's reported wait, which has no event of its own."""


_MARK: Final = re.compile(r"@\d{4}-\d\d-\d\dT[\d:.]+\+00:00$")


def used_again(known_as: str, began: datetime) -> str:
    """Return another id for what began at this time, because something before had this id."""
    return f"{known_as}@{began.astimezone(UTC).isoformat()}"


def as_stated(known_as: str) -> str:
    """Return an id as its source states it, without what `used_again` put to it."""
    return _MARK.sub("", known_as) if known_as.endswith("+00:00") else known_as


def piece_id(event_id: str) -> int:
    """Return the 64 bits that identify the event of a piece of evidence."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big")


class Timestamp(Struct, frozen=True, gc=False):
    """The time of something by one source, with its uncertainty in ms and its basis."""

    at: datetime
    precision_ms: int
    basis: TimeBasis

    @property
    def middle(self) -> datetime:
        """Return the best estimate: a clock cut to whole seconds reads half a second early on average."""
        if self.precision_ms >= COARSE_MS and self.basis is TimeBasis.SWITCH:
            return self.at + timedelta(milliseconds=self.precision_ms // 2)
        return self.at


class Entry(Struct, frozen=True, gc=False):
    """The beginning of a visit. `piece`, here and below, is the `piece_id` of the event that reported it.

    `queue`, `contact_id`: as this event reported them, for its visit id may be used again; "" where it did not.
    """

    piece: int
    moment: Timestamp
    known: bool
    reason: EntryReason
    prev_visit_id: str | None
    queue: str = ""
    contact_id: str = ""


class Ending(Struct, frozen=True, gc=False):
    """The end of a wait without an answer."""

    piece: int
    moment: Timestamp
    outcome: LeftOutcome
    basis: OutcomeBasis
    key: str | None
    next_queue: str | None


class Answer(Struct, frozen=True, gc=False):
    """The report that an agent answered. `ring_id`: the ring that was answered; when that ring failed after all, the
    answer is dropped.
    """

    piece: int
    moment: Timestamp
    agent_id: str
    ring_id: str | None = None


class Completion(Struct, frozen=True, gc=False):
    piece: int
    moment: Timestamp
    ended_by: EndedBy
    talk_ms: int | None
    agent_id: str


class Transfer(Struct, frozen=True, gc=False):
    piece: int
    moment: Timestamp


_Piece = TypeVar("_Piece", bound=Entry | Answer | Ending | Completion | Transfer)

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
"""One shared empty mapping: most strands have no rings and need none of their own."""


class VisitReport(Struct, gc=False):
    """All reports under one visit id, one piece for each event: the same event twice changes nothing."""

    visit_id: str
    source: str
    entries: tuple[Entry, ...] = ()
    answers: tuple[Answer, ...] = ()
    endings: tuple[Ending, ...] = ()
    completions: tuple[Completion, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    rings: Mapping[str, RingResult | None] = _NONE
    contacts: Mapping[str, int] = _NONE
    position: tuple[datetime, int] | None = None
    sighted_at: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, event: "_OfVisit") -> None:
        """Take in one call event of this visit."""
        at, precision_ms = event.at, event.time_precision_ms
        self._seen(at)
        contact_id = getattr(event, "contact_id", "")
        if contact_id and precision_ms < self.contacts.get(contact_id, precision_ms + 1):
            self._name_contact(contact_id, precision_ms)
            self.contacts = _without_earlier_calls(self.contacts)
        _ADDS[type(event)](self, event, Timestamp(at, precision_ms, event.time_basis))

    def _name_contact(self, contact_id: str, precision_ms: int) -> None:
        self.contacts = {**self.contacts, contact_id: precision_ms} if self.contacts else {contact_id: precision_ms}

    def _enter(self, event: CallEntered, moment: Timestamp) -> None:
        said = event.entry_reason, event.prev_visit_id, event.queue, event.contact_id
        entry = Entry(piece_id(event.id), moment, event.start_known, *said)
        self.entries = _with(self.entries, entry)
        if event.position is not None:
            self._placed(moment.at, event.position)

    def _answer(self, event: CallAnswered, moment: Timestamp) -> None:
        piece = piece_id(event.id)
        self.answers = _with(self.answers, Answer(piece, moment, event.agent_id, event.ring_id or None))
        self._derive_entry(piece, moment, event.wait_ms_reported)
        if event.ring_id:
            self.ring(event.ring_id, RingResult.ANSWERED)

    def _leave(self, event: CallLeft, moment: Timestamp) -> None:
        piece = piece_id(event.id)
        ending = Ending(piece, moment, event.outcome, event.outcome_basis, event.key, event.next_queue)
        self.endings = _with(self.endings, ending)
        self._derive_entry(piece, moment, event.wait_ms_reported)

    def _transfer(self, event: CallTransferred, moment: Timestamp) -> None:
        self.transfers = _with(self.transfers, Transfer(piece_id(event.id), moment))

    def _rings_at(self, event: CallRinging, moment: Timestamp) -> None:
        if event.ring_id not in self.rings:
            self.ring(event.ring_id, None)

    def _move(self, event: CallMoved, moment: Timestamp) -> None:
        if event.position is not None:
            self._placed(moment.at, event.position)

    def ring(self, ring_id: str, result: RingResult | None) -> None:
        """Note a ring at an agent and its result. A failed result stays, whatever is reported later."""
        if self.rings.get(ring_id) is not RingResult.FAILED:
            self.rings = {**self.rings, ring_id: result}

    def ring_of(self, event: CallRingEnded) -> str:
        """Return the id by which the ring that ended is known here; for any but a failed one it is the event's.

        Who began to listen after a phone was picked up names its ring otherwise than who heard it begin: it is the one
        that the agent has answered. And a ring of a later call may have the id of one that an earlier call's agent
        answered.
        """
        if event.result is not RingResult.FAILED:
            return event.ring_id
        answers = [one for one in self.answers if one.ring_id and one.moment.at <= event.at]
        if event.ring_id not in self.rings:
            answers = [one for one in answers if one.agent_id == event.agent_id]
            last = max(answers, key=lambda one: one.moment.at, default=None)
            return (last and last.ring_id) or event.ring_id
        answered = max((one.moment.at for one in answers if one.ring_id == event.ring_id), default=None)
        entered = [one.moment.at for one in self.entries if one.known and one.moment.at <= event.at]
        is_of_later_call = answered is not None and any(at > answered for at in entered)
        return used_again(event.ring_id, max(entered)) if is_of_later_call else event.ring_id

    def sight(self, event: QueueSnapshot, caller: WaitingCaller) -> None:
        """Note that a snapshot lists this caller as waiting; the reported wait gives its beginning, to a second."""
        self._seen(event.as_of)
        self.sighted_at = max(self.sighted_at or event.as_of, event.as_of)
        if caller.position is not None:
            self._placed(event.as_of, caller.position)
        if caller.contact_id and caller.contact_id not in self.contacts:
            self._name_contact(caller.contact_id, COARSE_MS)
        began = caller.entered_at
        if began is None and caller.waited_ms is not None:
            began = event.as_of - timedelta(milliseconds=caller.waited_ms)
        if began is not None and not any(entry.known or entry.piece == SIGHTED for entry in self.entries):
            moment = Timestamp(began, COARSE_MS, TimeBasis.DERIVED)
            self.entries = (*self.entries, Entry(SIGHTED, moment, False, EntryReason.UNKNOWN, None))

    def _complete(self, event: CallCompleted, moment: Timestamp) -> None:
        """Keep the end of the talk; its reported times place an answer and an entry that no source saw."""
        piece = piece_id(event.id)
        completion = Completion(piece, moment, event.ended_by, event.talk_ms_reported, event.agent_id or "")
        self.completions = _with(self.completions, completion)
        if event.talk_ms_reported is not None:
            answered = moment.at - timedelta(milliseconds=event.talk_ms_reported)
            self._derive_entry(piece, Timestamp(answered, COARSE_MS, TimeBasis.DERIVED), event.wait_ms_reported)

    def _derive_entry(self, piece: int, ended: Timestamp, wait_ms: int | None) -> None:
        if wait_ms is not None:
            began = Timestamp(ended.at - timedelta(milliseconds=wait_ms), COARSE_MS, TimeBasis.DERIVED)
            self.entries = _with(self.entries, Entry(piece, began, False, EntryReason.UNKNOWN, None))

    def tell_apart(self, contact_id: str, known_as: str, leg_id: str) -> None:
        """Let what is reported of a contact be another one's, whose id the switch had used before."""
        claims = self.contacts or {leg_id: COARSE_MS}
        self.contacts = {known_as if one == contact_id else one: precision_ms for one, precision_ms in claims.items()}

    def name_entries(self, at: datetime, contact_id: str, known_as: str) -> None:
        """Let the entries at this time be of a contact of which the switch had used the id before. Other entries under
        this visit id are of other calls.
        """
        self.entries = tuple(
            structs.replace(entry, contact_id=known_as)
            if entry.moment.at == at and as_stated(entry.contact_id) == contact_id != known_as
            else entry
            for entry in self.entries
        )

    def state_queue(self, queue: str) -> None:
        """Say in the entries that these reports were of this queue, where they do not say another one."""
        self.entries = tuple(e if e.queue else structs.replace(e, queue=queue) for e in self.entries)

    def merge(self, other: "VisitReport") -> bool:
        """Add the reports that another memory has under the same visit id; return whether any of them was new."""
        before = self._extent()
        self.entries = _merged(other.entries, self.entries)
        self.answers = _merged(other.answers, self.answers)
        self.endings = _merged(other.endings, self.endings)
        self.completions = _merged(other.completions, self.completions)
        self.transfers = _merged(other.transfers, self.transfers)
        ended = {ring_id: result for ring_id, result in self.rings.items() if result is not None}
        failed = {ring_id: result for ring_id, result in other.rings.items() if result is RingResult.FAILED}
        self.rings = {**self.rings, **other.rings, **ended, **failed}
        finer = {
            contact_id: precision_ms
            for contact_id, precision_ms in other.contacts.items()
            if precision_ms < self.contacts.get(contact_id, precision_ms + 1)
        }
        self.contacts = _without_earlier_calls({**self.contacts, **finer})
        if other.position is not None:
            self._placed(*other.position)
        if other.sighted_at is not None:
            self.sighted_at = max(self.sighted_at or other.sighted_at, other.sighted_at)
        for at in filter(None, (other.first_at, other.last_at)):
            self._seen(at)
        return before != self._extent()

    def _extent(self) -> tuple[object, ...]:
        """Return a value that differs when something was added."""
        pieces = (self.entries, self.answers, self.endings, self.completions, self.transfers)
        when = (self.position, self.sighted_at, self.first_at, self.last_at)
        return sum(len(piece) for piece in pieces), dict(self.rings), dict(self.contacts), when

    def _placed(self, at: datetime, position: int) -> None:
        self.position = max(self.position or (at, position), (at, position))

    def _seen(self, at: datetime) -> None:
        if self.first_at is None or at < self.first_at:
            self.first_at = at
        if self.last_at is None or at > self.last_at:
            self.last_at = at

    @property
    def is_seen_entering(self) -> bool:
        """Return whether a source saw the caller enter."""
        return True in [entry.known for entry in self.entries]

    @property
    def entry(self) -> Entry | None:
        """Return the best report of the beginning of this visit: seen before computed, fine before coarse."""
        return min(
            self.entries,
            key=lambda entry: (not entry.known, entry.moment.precision_ms, entry.moment.at),
            default=None,
        )

    @property
    def ended_at(self) -> datetime | None:
        """Return when the wait ended, by the earliest report."""
        ends = [answer.moment.at for answer in self.answers]
        ends += [ending.moment.at for ending in self.endings if ending.outcome is not LeftOutcome.UNKNOWN]
        return min(ends, default=None)

    @property
    def starts(self) -> datetime:
        entry = self.entry
        at = entry.moment.at if entry else self.first_at
        assert at is not None  # a strand is made by an event or a sighting, and both have a time
        return at


def _without_earlier_calls(contacts: Mapping[str, int]) -> Mapping[str, int]:
    """Return these contacts; a report names an id that was used again as its source does, and means the later call."""
    if len(contacts) < 2:
        return contacts
    again = {stated for one in contacts if (stated := as_stated(one)) != one}
    return {one: precision_ms for one, precision_ms in contacts.items() if one not in again} if again else contacts


def _with(pieces: tuple[_Piece, ...], said: _Piece) -> tuple[_Piece, ...]:
    """Return these pieces and one more; it replaces an earlier piece of its event."""
    if not pieces:
        return (said,)
    for at, known in enumerate(pieces):
        if known.piece == said.piece:
            return (*pieces[:at], said, *pieces[at + 1 :])
    return (*pieces, said)


def _merged(pieces: tuple[_Piece, ...], others: tuple[_Piece, ...]) -> tuple[_Piece, ...]:
    """Return the pieces of both, one for each event."""
    for said in others:
        pieces = _with(pieces, said)
    return pieces


_OfVisit = CallEntered | CallAnswered | CallLeft | CallCompleted | CallRinging | CallTransferred | CallMoved

_ADDS: Final[dict[type[Event], Callable[[VisitReport, Any, Timestamp], None]]] = {
    CallEntered: VisitReport._enter,
    CallAnswered: VisitReport._answer,
    CallLeft: VisitReport._leave,
    CallCompleted: VisitReport._complete,
    CallTransferred: VisitReport._transfer,
    CallRinging: VisitReport._rings_at,
    CallMoved: VisitReport._move,
}


class Evidence(Struct, gc=False):
    """All strands of one call leg in one queue of one switch, and the snapshots that did not list it.

    `also`: other legs under which the same caller went on in this queue, as after a transfer.
    `up`: when each of these legs was last listed as up, wherever it was then.
    `stays`: the stays that the strands add up to, as last worked out by the ledger.
    `contacts`: the contacts of these stays.
    """

    switch: str
    leg_id: str
    queue: str
    strands: dict[str, VisitReport] = {}
    missing: tuple[datetime, ...] = ()
    also: tuple[str, ...] = ()
    up: dict[str, datetime] = {}
    stays: "tuple[MergedVisit, ...]" = ()
    contacts: tuple[str, ...] = ()
    key: "EvidenceKey" = ("", "", "")

    def __post_init__(self) -> None:
        self.key = self.switch, self.leg_id, queue_key(self.queue)

    def see_up(self, seen: Iterable[tuple[str, datetime]]) -> bool:
        """Note when legs were listed as up; return whether that is news."""
        before = self.up
        for leg_id, at in seen:
            if leg_id not in self.up or at > self.up[leg_id]:
                self.up = {**self.up, leg_id: at}
        return self.up is not before

    @property
    def up_at(self) -> datetime | None:
        """Return when the caller was last listed as up; who goes on under another leg is there no more under the
        first.
        """
        return max((at for leg_id, at in self.up.items() if leg_id in (self.also or (self.leg_id,))), default=None)

    def is_placed(self, visit_id: str) -> bool:
        """Return whether leg and queue are known, so that another report of this visit cannot place it better."""
        return self.leg_id != visit_id and self.queue != ""

    @property
    def last_at(self) -> datetime:
        """Return the time of its newest report; a snapshot that did not list the leg is one too."""
        heard = [strand.last_at for strand in self.strands.values() if strand.last_at]
        return max((*heard, *self.missing))


EvidenceKey = tuple[str, str, str]
"""Switch, leg and queue (casefolded)."""


class MergedVisit(Struct, frozen=True, gc=False):
    """One stay in one queue: the visit as it is where the contact has no other.

    `first_at`: the entry, or the first report where no entry was reported.
    `ringing`: it rings at an agent now.
    `reason`: why it began, as far as that was stated.
    `about`: the best estimate of `first_at`, by which stays are in order.
    """

    visit: Visit
    first_at: datetime
    ringing: bool
    reason: EntryReason
    about: datetime


def read_stays(evidence: Evidence, restarts: list[datetime], reconnects: list[datetime]) -> tuple[MergedVisit, ...]:
    """Return the stays that this evidence adds up to, in order of entry.

    `restarts`: the switch's known restarts, oldest first.
    `reconnects`: when a live source of the switch began to listen (again).
    """
    if len(evidence.strands) == 1:
        strand = next(iter(evidence.strands.values()))
        if (stay := read_plain(evidence, strand, restarts)) is not None:
            return (stay,)
    heard = [strand for strand in evidence.strands.values() if strand.first_at is not None]
    groups = _match([part for strand in heard for part in _parted(strand, evidence)])
    if len(groups) == 1:
        return (_read(evidence, groups[0], restarts, reconnects),)
    read = [(_read(evidence, group, restarts, reconnects), group) for group in groups]
    read.sort(key=lambda pair: (pair[0].about, pair[0].visit.visit_id))
    stays = [stay for stay, _ in read]
    for at, following in enumerate(stays[1:]):
        if _is_superseded(*read[at], following):
            stays[at] = _superseded(stays[at], following)
    return tuple(stays)


def read_plain(evidence: Evidence, strand: VisitReport, restarts: list[datetime]) -> MergedVisit | None:
    """Return the stay in the simple case: the caller was seen entering, and one source reported at most one answer or
    end.

    None where there is more to weigh. The result is equal to that of `_read`, sooner.
    """
    answers, endings, completions = strand.answers, strand.endings, strand.completions
    if strand.transfers or len(answers) + len(endings) > 1 or len(completions) > len(answers):
        return None
    if answers and RingResult.FAILED in strand.rings.values():
        return None
    seen = [entry for entry in strand.entries if entry.known]
    if len(seen) != 1 or (restarts and restarts[-1] > seen[0].moment.at):
        return None
    if not answers and not endings and any(at > seen[0].moment.at for at in evidence.missing):
        return None
    if endings and strand.sighted_at is not None and endings[0].outcome is LeftOutcome.UNKNOWN:
        return None
    if endings and evidence.up:
        return None
    entry, outcome, basis = seen[0], Outcome.WAITING, OutcomeBasis.STATED
    began, ended, agent_id, ended_by = entry.moment, None, None, None
    next_queue = key = completed_at = talk_ms = ended_at = wait_ms = None
    for answer in answers:
        outcome, ended, agent_id = Outcome.ANSWERED, answer.moment, answer.agent_id or None
        for completion in completions:
            over, ended_by = completion.moment, completion.ended_by
            completed_at, talk_ms = over.at, completion.talk_ms
            agent_id = agent_id or completion.agent_id or None
            if over.basis == answer.moment.basis:
                talk_ms = max(0, milliseconds(over.at - answer.moment.at))
    for ending in endings:
        outcome, basis, ended = _OUTCOMES[ending.outcome], ending.basis, ending.moment
        next_queue, key, ended_by = ending.next_queue, ending.key or None, _WAIT_ENDED_BY.get(outcome, EndedBy.SYSTEM)
    if ended is not None:
        ended_at = _ended_at(began, ended)
        if outcome is not Outcome.UNKNOWN:
            wait_ms = max(0, milliseconds(ended_at - began.at))
    contacts = strand.contacts
    contact_id = next(iter(contacts), evidence.leg_id)
    if len(contacts) > 1:
        contact_id = _claimed(contacts.items(), evidence)
    visit = Visit(
        visit_id=strand.visit_id,
        contact_id=contact_id,
        leg_id=evidence.leg_id,
        switch=evidence.switch,
        source=strand.source,
        queue=_queue_of(entry, evidence),
        entered_at=began.at,
        ended_wait_at=ended_at,
        outcome=outcome,
        outcome_basis=basis,
        wait_ms=wait_ms,
        time_basis=_time_basis(began, ended),
        precision_ms=began.precision_ms if ended is None else max(began.precision_ms, ended.precision_ms),
        start_known=True,
        agent_id=agent_id,
        rings=len(strand.rings),
        completed_at=completed_at,
        talk_ms=talk_ms,
        ended_by=ended_by,
        entry_reason=_reason_alone(entry.reason, True),
        prev_visit_id=entry.prev_visit_id or None,
        next_queue=next_queue,
        key=key,
        position=strand.position[1] if strand.position else None,
    )
    return MergedVisit(visit, began.at, None in strand.rings.values(), entry.reason, began.middle)


def _queue_of(entry: Entry, evidence: Evidence) -> str:
    """Return the queue of an entry, as its evidence spells it where it is the same."""
    is_same = entry.queue in ("", evidence.queue) or queue_key(entry.queue) == evidence.key[2]
    return evidence.queue if is_same else entry.queue


def _reason_alone(reason: EntryReason, start_known: bool) -> EntryReason:
    """Return why a caller who was in no queue before entered: as stated, else directly where a source saw the entry."""
    return EntryReason.DIRECT if reason is EntryReason.UNKNOWN and start_known else reason


_OUTCOMES: Final = {outcome: Outcome(outcome.value) for outcome in LeftOutcome}


def _is_superseded(stay: MergedVisit, group: list[VisitReport], following: MergedVisit) -> bool:
    """Return whether no source has reported how a stay ended, and only the next stay shows that it had."""
    visit = stay.visit
    if visit.outcome is Outcome.ANSWERED or any(strand.endings for strand in group):
        return False
    return visit.ended_wait_at is None or visit.ended_wait_at > following.first_at


def _superseded(stay: MergedVisit, following: MergedVisit) -> MergedVisit:
    """Return the stay as ended by the next one: nobody waits twice in one queue, so the caller had left it unseen."""
    visit = structs.replace(
        stay.visit,
        outcome=Outcome.UNKNOWN,
        outcome_basis=OutcomeBasis.INFERRED,
        ended_wait_at=max(stay.first_at, following.first_at),
        wait_ms=None,
    )
    return structs.replace(stay, visit=visit, ringing=False)


def _parted(strand: VisitReport, evidence: Evidence) -> list[VisitReport]:
    """Return the visits that one visit id names: the first under that id, each later one with the time of its entry
    appended.

    The id names another visit when an entry is reported long after the end of the one before, which is another call's,
    and when an entry to another queue is: then the caller went there from the queue before.
    """
    if len([entry for entry in strand.entries if entry.known]) < 2:
        return [strand]
    begins = _beginnings(strand, evidence.queue)
    if len(begins) < 2:
        return [strand]
    parts = [VisitReport(visit_id=strand.visit_id, source=strand.source) for _ in begins]
    contacts = _contacts_of_parts(strand, evidence.leg_id, begins)
    for at, (part, (entry, _)) in enumerate(zip(parts, begins, strict=True)):
        began = entry.moment.at
        until = begins[at + 1][0].moment.at if at + 1 < len(begins) else None
        low = None if at == 0 else began
        part.entries = _within(strand.entries, low, until)
        part.answers = _within(strand.answers, low, until)
        part.endings = tuple(end for end in strand.endings if _place_of(end, begins) == at)
        part.completions = _within(strand.completions, low, until)
        part.transfers = _within(strand.transfers, low, until)
        part.contacts = contacts[at]
        if low is not None:
            part.visit_id = used_again(strand.visit_id, began)
        rung = {answer.ring_id for answer in part.answers}
        part.rings = {ring_id: result for ring_id, result in strand.rings.items() if ring_id in rung}
        if strand.position is not None and _lies_within(strand.position[0], low, until):
            part.position = strand.position
        if strand.sighted_at is not None and _lies_within(strand.sighted_at, low, until):
            part.sighted_at = strand.sighted_at
        part.first_at = began if low else min(began, strand.first_at or began)
    for part, (entry, is_other_call) in zip(parts, begins[1:], strict=False):
        if not (is_other_call or part.answers or part.endings or part.completions):
            outcome, basis = LeftOutcome.OVERFLOW, OutcomeBasis.INFERRED
            part.endings = (Ending(entry.piece, entry.moment, outcome, basis, None, _queue_of(entry, evidence)),)
    reported = {ring_id for part in parts for ring_id in part.rings}
    parts[-1].rings = {**parts[-1].rings, **{r: result for r, result in strand.rings.items() if r not in reported}}
    return parts


def _place_of(ending: Ending, begins: list[tuple[Entry, bool]]) -> int:
    """Return which of these visits ended so: who goes to another queue may be said to have left when the next begins,
    or a moment later.
    """
    at = ending.moment.at
    for place in range(len(begins) - 1, 0, -1):
        entry, is_other_call = begins[place]
        began = entry.moment.at
        is_move = not is_other_call and ending.outcome is LeftOutcome.OVERFLOW
        if at > began + DERIVED_SLACK or (not is_move and (at > began or (at == began and is_other_call))):
            return place
    return 0


def _contacts_of_parts(strand: VisitReport, leg_id: str, begins: list[tuple[Entry, bool]]) -> list[Mapping[str, int]]:
    """Return the contacts that are reported of each visit; a contact id that is used again by another call is marked
    with the time of its beginning.
    """
    stated = {entry.contact_id for entry, _ in begins}
    unnamed = {one: precision_ms for one, precision_ms in strand.contacts.items() if one not in stated}
    contacts: list[Mapping[str, int]] = []
    earlier, claimed, began = set[str](), set[str](), begins[0][0].moment.at
    for entry, is_other_call in begins:
        if is_other_call:
            earlier, claimed, began = earlier | claimed, set(), entry.moment.at
        claims = unnamed or strand.contacts or {leg_id: COARSE_MS}
        if entry.contact_id:
            claims = {entry.contact_id: strand.contacts.get(entry.contact_id, entry.moment.precision_ms)}
        claimed |= claims.keys()
        contacts.append({used_again(one, began) if one in earlier else one: ms for one, ms in claims.items()})
    return contacts


def _beginnings(strand: VisitReport, queue: str) -> list[tuple[Entry, bool]]:
    """Return the entries with which the visits of one visit id began, and whether each began another call."""
    entered = sorted(
        (entry for entry in strand.entries if entry.known), key=lambda entry: (entry.moment.at, entry.piece)
    )
    ends = [end.moment.at for end in strand.endings if end.outcome is not LeftOutcome.UNKNOWN]
    ends += [completion.moment.at for completion in strand.completions]
    begins, newest = [(entered[0], False)], entered[0]
    for entry in entered[1:]:
        at = entry.moment.at
        has_ended = any(newest.moment.at <= end <= at - USED_AGAIN for end in ends)
        is_other_call = has_ended or at - newest.moment.at > NEVER_SO_LONG
        if is_other_call or queue_key(entry.queue or queue) != queue_key(newest.queue or queue):
            begins.append((entry, is_other_call))
        newest = entry
    return begins


def _within(pieces: tuple[_Piece, ...], low: datetime | None, until: datetime | None) -> tuple[_Piece, ...]:
    return tuple(said for said in pieces if _lies_within(said.moment.at, low, until))


def _lies_within(at: datetime, low: datetime | None, until: datetime | None) -> bool:
    return (low is None or at >= low) and (until is None or at < until)


def _match(strands: list[VisitReport]) -> list[list[VisitReport]]:
    """Group the strands of each stay: those that saw the entry best come first, then those whose clock shows the same
    time, then all others, each with the nearest.
    """
    if len(strands) == 1:
        return [strands]
    groups: list[list[VisitReport]] = []
    ranked = sorted(strands, key=_rank)
    left = [strand for strand in ranked if not (strand.is_seen_entering and _place(strand, groups, timedelta()))]
    for strand in left:
        _place(strand, groups)
    return groups


def _place(strand: VisitReport, groups: list[list[VisitReport]], within: timedelta = timedelta.max) -> bool:
    """Put a strand with the stay that it fits best, or make it a stay of its own where it fits none.

    Returns False, and changes nothing, where the stays that it fits are all further away than `within`.
    """
    fits = [(gap, at) for at, group in enumerate(groups) if (gap := _gap(group, strand)) is not None]
    if not fits:
        groups.append([strand])
        return True
    near = [fit for fit in fits if fit[0] <= within]
    if len(near) > 1:
        near.sort(key=lambda fit: (_goes_otherwise(groups[fit[1]], strand), fit))
    if near:
        groups[near[0][1]].append(strand)
    return bool(near)


def _rank(strand: VisitReport) -> tuple[int, int, datetime, str]:
    entry = strand.entry
    if entry is None:
        return (2, 0, strand.starts, strand.visit_id)
    return (0 if entry.known else 1, entry.moment.precision_ms, entry.moment.at, strand.visit_id)


def _gap(group: list[VisitReport], strand: VisitReport) -> timedelta | None:
    """Return the distance in time of a strand from a stay that it may belong to; None when it cannot.

    Two entries that one source saw under two visit ids are two stays, however close. Of several within the second that
    a coarse clock shows none is nearer than another: they are taken in their order.
    """
    first, entry = group[0], strand.entry
    if entry is not None and entry.known:
        if any(other.source == strand.source and other.is_seen_entering for other in group):
            return None
        gap = abs(_middle(first) - entry.moment.middle)
        is_same = gap <= _slack(first.entry, entry.moment) or (gap <= CLOCKS_APART and _ends_alike(group, strand))
        return max(timedelta(), gap - _half_a_second(entry.moment)) if is_same else None
    if entry is not None:
        if _was_over_before(strand, first.entry) or _is_listed_after_end(group, strand):
            return None
        gap = abs(entry.moment.at - first.starts)
        slack = DERIVED_SLACK if not strand.completions or strand.answers else 2 * DERIVED_SLACK
        return gap if gap <= slack else None
    return _gap_of_orphan(group, strand)


def _gap_of_orphan(group: list[VisitReport], strand: VisitReport) -> timedelta | None:
    """Return the distance for a strand that reports nothing of its beginning: it belongs to the stay that was open
    then.
    """
    starts, began = strand.starts, group[0].starts
    if starts < began - DERIVED_SLACK or _ends_otherwise(group, strand):
        return None
    return abs(starts - began)


def _ends_otherwise(group: list[VisitReport], strand: VisitReport) -> bool:
    """Return whether a stay ended at another time than a strand reports, or before a list that names the caller."""
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    if ended is None:
        return False
    if strand.ended_at is not None and abs(ended - strand.ended_at) > DERIVED_SLACK:
        return True
    return _is_listed_after_end(group, strand)


def _ends_alike(group: list[VisitReport], strand: VisitReport) -> bool:
    """Return whether a stay ended when a strand says, after both had begun: nobody waits twice in one queue at a time,
    and a busy switch tells of an entry late.
    """
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    if ended is None or strand.ended_at is None or abs(ended - strand.ended_at) > SAME_ENTRY:
        return False
    return min(ended, strand.ended_at) >= max(group[0].starts, strand.starts) + SAME_ENTRY


def _is_listed_after_end(group: list[VisitReport], strand: VisitReport) -> bool:
    """Return whether a list names the caller of a strand after a stay had ended."""
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    return ended is not None and strand.sighted_at is not None and strand.sighted_at > ended + DERIVED_SLACK


def _was_over_before(strand: VisitReport, began: Entry | None) -> bool:
    """Return whether the stay of a strand had ended for certain when a source saw this entry."""
    ends = [answer.moment for answer in strand.answers]
    ends += [ending.moment for ending in strand.endings if ending.outcome is not LeftOutcome.UNKNOWN]
    return began is not None and began.known and bool(ends) and all(_is_before(end, began.moment) for end in ends)


def _slack(entry: Entry | None, moment: Timestamp) -> timedelta:
    """Return by how much two sources' times of one entry may differ."""
    of_receipt = entry is not None and (entry.moment.basis is TimeBasis.MONITOR) != (moment.basis is TimeBasis.MONITOR)
    return CLOCKS_APART if of_receipt else SAME_ENTRY


def _half_a_second(moment: Timestamp) -> timedelta:
    """Return how far the middle of a moment lies from its edges, where the clock shows whole seconds."""
    return moment.middle - moment.at


def _goes_otherwise(group: list[VisitReport], strand: VisitReport) -> bool:
    """Return whether a strand and a stay contradict each other: one was answered and the other left, or they ended at
    different times.
    """
    its_talk = bool(strand.answers or strand.completions)
    answered = any(other.answers or other.completions for other in group)
    left = any(map(_is_final, (ending for other in group for ending in other.endings)))
    if its_talk and left and not answered:
        return True
    if not its_talk and answered and not left and any(map(_is_final, strand.endings)):
        return True
    return _ends_otherwise(group, strand)


def is_same_entry(strand: VisitReport, event: CallEntered) -> bool:
    """Return whether a strand of another source has seen the entry of this event."""
    moment = Timestamp(event.at, event.time_precision_ms, event.time_basis)
    return strand.is_seen_entering and abs(_middle(strand) - moment.middle) <= _slack(strand.entry, moment)


def _middle(strand: VisitReport) -> datetime:
    entry = strand.entry
    return entry.moment.middle if entry else strand.starts


def _read(
    evidence: Evidence, group: list[VisitReport], restarts: list[datetime], reconnects: list[datetime]
) -> MergedVisit:
    """Read one stay from its strands: the finest time, the best stated outcome."""
    entries = [entry for strand in group for entry in strand.entries]
    if any(entry.known for entry in entries):
        entries = [entry for entry in entries if entry.known]
    best = min(entries, key=lambda e: (e.moment.precision_ms, e.moment.at), default=None)
    first_at = best.moment.at if best else min(strand.starts for strand in group)
    answers = [answer for strand in group for answer in strand.answers]
    endings = [ending for strand in group for ending in strand.endings]
    completions = [completion for strand in group for completion in strand.completions]
    answers, completions = _not_taken_back(group, answers, endings, completions)
    restart = min((at for at in restarts if at > first_at), default=None)
    outcome, basis, ends, ending = _outcome(evidence, group, first_at, answers, endings, completions, restart)
    began, ended, precision = _span([entry.moment for entry in entries], ends)
    entered_at = began.at if began else None
    ended_at = None if ended is None else _ended_at(began, ended)
    wait_ms = None
    if entered_at is not None and ended_at is not None and outcome is not Outcome.UNKNOWN:
        wait_ms = max(0, milliseconds(ended_at - entered_at))
    talk = _talk(answers, completions, [transfer.moment for strand in group for transfer in strand.transfers], endings)
    if talk.ended_at is None and outcome is Outcome.ANSWERED and restart is not None:
        talk = _cut_off(answers, restart, reconnects)
    named = min(
        (strand for strand in group if strand.entries or strand.answers), key=_rank, default=min(group, key=_rank)
    )
    rings = max(group, key=lambda strand: len(strand.rings)).rings
    placed = max((strand.position for strand in group if strand.position), default=None)
    contact_id = _contact_id(evidence, group, named)
    reason = next((e.reason for e in entries if e.reason is not EntryReason.UNKNOWN), EntryReason.UNKNOWN)
    start_known = best is not None and best.known
    queue = next((_queue_of(entry, evidence) for entry in entries if entry.queue), evidence.queue)
    visit = Visit(
        visit_id=named.visit_id,
        contact_id=contact_id,
        leg_id=evidence.leg_id,
        switch=evidence.switch,
        source=named.source,
        queue=queue,
        entered_at=entered_at,
        ended_wait_at=ended_at,
        outcome=outcome,
        outcome_basis=basis,
        wait_ms=wait_ms,
        time_basis=_time_basis(began, ended),
        precision_ms=precision,
        start_known=start_known,
        agent_id=_agent(answers, completions),
        rings=len(rings),
        completed_at=talk.ended_at,
        talk_ms=talk.ms,
        ended_by=talk.ended_by if outcome is Outcome.ANSWERED else _WAIT_ENDED_BY.get(outcome, EndedBy.SYSTEM),
        entry_reason=_reason_alone(reason, start_known),
        prev_visit_id=next((e.prev_visit_id for e in entries if e.prev_visit_id), None),
        next_queue=ending.next_queue if ending else None,
        key=next((e.key for e in endings if e.key), None),
        position=placed[1] if placed else None,
    )
    about = best.moment.middle if best else first_at
    return MergedVisit(visit, first_at, any(result is None for result in rings.values()), reason, about)


def _not_taken_back(
    group: list[VisitReport], answers: list[Answer], endings: list[Ending], completions: list[Completion]
) -> tuple[list[Answer], list[Completion]]:
    """Return the answers and ends of talks that still hold: an earlier report is dropped when it is taken back.

    That is so when the ring that was answered failed after all (nobody was connected), and when the caller had left
    before.
    """
    failed = {ring_id for strand in group for ring_id, result in strand.rings.items() if result is RingResult.FAILED}
    if failed:
        answers = [answer for answer in answers if answer.ring_id not in failed]
    left = [ending.moment for ending in endings if _is_final(ending)]
    if not left or not (answers or completions):
        return answers, completions
    reported = [answer.moment for answer in answers] or [_answered_before(completion) for completion in completions]
    # where two sources report one answer, the finer clock says whether it came after the end
    reported = [moment for moment in reported if not any(_is_told_finer(moment, other) for other in reported)]
    if all(any(_is_before(end, moment) for end in left) for moment in reported):
        return [], []
    return answers, completions


def _is_told_finer(moment: Timestamp, other: Timestamp) -> bool:
    """Return whether the other is the time of the same thing by a finer clock."""
    return other.precision_ms < moment.precision_ms and abs(other.at - moment.at) <= DERIVED_SLACK


def _is_final(ending: Ending) -> bool:
    """Return whether nobody answers a caller who has left like this: it is no guess, and no promise to call back."""
    if ending.outcome in (LeftOutcome.UNKNOWN, LeftOutcome.CALLBACK):
        return False
    return ending.basis is OutcomeBasis.STATED or ending.outcome is LeftOutcome.ABANDONED


def _is_before(one: Timestamp, other: Timestamp) -> bool:
    """Return whether one time lies before another for certain, whatever the uncertainty of the clocks."""
    coarse = one.precision_ms if one.precision_ms >= COARSE_MS else 0
    if other.basis is TimeBasis.DERIVED:
        coarse += other.precision_ms
    return one.at + timedelta(milliseconds=coarse) < other.at


def _answered_before(completion: Completion) -> Timestamp:
    """Return when a call was answered of which only the end was reported."""
    if completion.talk_ms is None:
        return Timestamp(datetime.min.replace(tzinfo=UTC), COARSE_MS, TimeBasis.MONITOR)
    return Timestamp(completion.moment.at - timedelta(milliseconds=completion.talk_ms), COARSE_MS, TimeBasis.DERIVED)


def _outcome(
    evidence: Evidence,
    group: list[VisitReport],
    first_at: datetime,
    answers: list[Answer],
    endings: list[Ending],
    completions: list[Completion],
    restart: datetime | None,
) -> tuple[Outcome, OutcomeBasis, list[Timestamp], Ending | None]:
    """Return how the stay ended by the best report, its basis, the times at which it may have
    ended, and that report.
    """
    if answers or completions:
        ends = [answer.moment for answer in answers]
        if not ends:
            ends = [
                Timestamp(c.moment.at - timedelta(milliseconds=c.talk_ms), COARSE_MS, TimeBasis.DERIVED)
                for c in completions
                if c.talk_ms is not None
            ]
        return Outcome.ANSWERED, OutcomeBasis.STATED, ends, None
    if (up_at := evidence.up_at) is not None:
        endings = [_moved_on(ending) if _was_up_after(ending, up_at) else ending for ending in endings]
    sighted = max((strand.sighted_at for strand in group if strand.sighted_at), default=None)
    if sighted is not None:  # a list that names the caller later knows better than a guess
        endings = [e for e in endings if e.outcome is not LeftOutcome.UNKNOWN or e.moment.at >= sighted]
    if endings:
        best = max(endings, key=_weight)
        known = [ending for ending in endings if ending.outcome is not LeftOutcome.UNKNOWN] or endings
        if best.basis is OutcomeBasis.STATED:
            # a guess that was wrong about how it ended may be wrong about when
            known = [e for e in known if e.basis is best.basis or abs(e.moment.at - best.moment.at) <= DERIVED_SLACK]
        return Outcome(best.outcome), best.basis, [ending.moment for ending in known], best
    margin = timedelta(milliseconds=min((s.entry.moment.precision_ms for s in group if s.entry), default=COARSE_MS))
    gone = min(
        (at for at in evidence.missing if at > first_at + margin and (sighted is None or at > sighted)), default=None
    )
    # a caller whom the last list before the restart did not show had gone already, and nobody knows how; a computed
    # start lies a little early, so that the last list before it may seem to come after
    waited_until = restart is not None and (sighted is None or sighted < restart + DERIVED_SLACK)
    if restart is not None and waited_until and (gone is None or restart <= gone):
        cut_off = Timestamp(max(restart, sighted or restart), COARSE_MS, TimeBasis.DERIVED)
        return Outcome.LOST, OutcomeBasis.INFERRED, [cut_off], None
    if gone is not None:
        return Outcome.UNKNOWN, OutcomeBasis.INFERRED, [Timestamp(gone, COARSE_MS, TimeBasis.MONITOR)], None
    return Outcome.WAITING, OutcomeBasis.STATED, [], None


def _was_up_after(ending: Ending, up_at: datetime) -> bool:
    """Return whether the caller's channel was up some time after a hang-up that a log tells of.

    A log has one line for who hangs up and who is moved out of the queue; after a hang-up the channel is soon gone.
    """
    moment = ending.moment
    if ending.outcome is not LeftOutcome.ABANDONED or moment.precision_ms < COARSE_MS:
        return False
    return up_at > moment.at + timedelta(milliseconds=moment.precision_ms) + GONE_WITHIN


def _moved_on(ending: Ending) -> Ending:
    return structs.replace(ending, outcome=LeftOutcome.TRANSFERRED_OUT, basis=OutcomeBasis.INFERRED)


def _weight(ending: Ending) -> tuple[int, bool, int, bool, datetime, str]:
    """Return the weight of an ending; the heaviest is believed (docs/switch-rules.md, rule 13 and Who left how).

    Something known outweighs `unknown`; a statement that only the switch can make (a time-out, a key) outweighs a
    hang-up, and that a guess; a callback outweighs a bare withdrawal. Of two reports of a hang-up the finer clock's
    wins: a source with whole seconds cannot tell a caller who hung up from one cut off by a restart, and corrects
    itself by a later `lost`.
    """
    if ending.outcome is LeftOutcome.UNKNOWN:
        tier = 0
    elif ending.outcome in HANG_UPS:
        tier = 2
    else:
        tier = 3 if ending.basis is OutcomeBasis.STATED else 1
    return (
        tier,
        ending.outcome is LeftOutcome.CALLBACK,
        -ending.moment.precision_ms,
        ending.outcome is LeftOutcome.LOST,
        ending.moment.at,
        ending.outcome,
    )


def _span(begins: list[Timestamp], ends: list[Timestamp]) -> tuple[Timestamp | None, Timestamp | None, int]:
    """Return the begin and the end to measure between: from one clock where possible, then with
    the least uncertainty.
    """
    if not begins or not ends:
        began = min(begins, key=lambda m: (m.precision_ms, m.at), default=None)
        ended = min(ends, key=lambda m: (m.precision_ms, m.at), default=None)
        single = began or ended
        return began, ended, single.precision_ms if single else 1
    began, ended = min(
        product(begins, ends),
        key=lambda pair: (
            TimeBasis.DERIVED not in (pair[0].basis, pair[1].basis) and pair[0].basis != pair[1].basis,
            pair[0].precision_ms + pair[1].precision_ms,
            pair[0].at,
            pair[1].at,
        ),
    )
    return began, ended, max(began.precision_ms, ended.precision_ms)


def _ended_at(began: Timestamp | None, ended: Timestamp) -> datetime:
    """Return the end, moved to the middle of its second when only the beginning was read from a finer clock."""
    if began is None or began.precision_ms >= COARSE_MS:
        return ended.at
    return max(ended.middle, began.at)


def _time_basis(began: Timestamp | None, ended: Timestamp | None) -> TimeBasis:
    if began is not None and began.basis is TimeBasis.SWITCH and (ended is None or ended.basis is TimeBasis.SWITCH):
        return TimeBasis.SWITCH
    bases = {moment.basis for moment in (began, ended) if moment}
    for basis in (TimeBasis.DERIVED, TimeBasis.MONITOR):
        if basis in bases:
            return basis
    return TimeBasis.SWITCH


class _Talk(NamedTuple):
    """The end of a talk, its length, and who ended it; None as far as that is not known."""

    ended_at: datetime | None = None
    ms: int | None = None
    ended_by: EndedBy | None = None


def _talk(
    answers: list[Answer], completions: list[Completion], transfers: list[Timestamp], endings: list[Ending]
) -> _Talk:
    """Return the talk: up to the hang-up, or up to its transfer, after which the caller talks to somebody else.

    A caller who is reported to have left after the answer has hung up: some senders have one word for the end of every
    call.
    """
    if not completions and answers:
        completions = [
            Completion(ending.piece, ending.moment, _TALK_ENDED_BY.get(ending.outcome, EndedBy.UNKNOWN), None, "")
            for ending in endings
            if ending.outcome is not LeftOutcome.UNKNOWN and all(_ends_talk(ending, answer) for answer in answers)
        ]
    if not completions:
        return _Talk()
    best = min(completions, key=lambda c: (c.moment.precision_ms, c.ended_by is EndedBy.UNKNOWN, c.moment.at))
    transferred = min(transfers, key=lambda m: (m.precision_ms, m.at), default=None)
    ended_by = EndedBy.TRANSFER if transferred else best.ended_by
    if any(c.ended_by is EndedBy.TRANSFER for c in completions):
        ended_by = EndedBy.TRANSFER
    # a transfer that was worked out has no clock; the end of the talk, a moment later, may be by that of the answer
    for over in sorted((transferred or best.moment, best.moment), key=lambda m: m.at):
        if same_clock := [a.moment for a in answers if a.moment.basis == over.basis]:
            answered = min(same_clock, key=lambda m: (m.precision_ms, m.at))
            return _Talk(best.moment.at, max(0, milliseconds(over.at - answered.at)), ended_by)
    return _Talk(best.moment.at, best.talk_ms, ended_by)


_TALK_ENDED_BY: Final = {LeftOutcome.TRANSFERRED_OUT: EndedBy.TRANSFER}
"""The party that ended the talk of a caller who is reported to have left after the answer; else it is not known."""


def _ends_talk(ending: Ending, answer: Answer) -> bool:
    """Return whether a caller left after an answer; a stated end may be of the same moment."""
    if ending.basis is OutcomeBasis.STATED:
        return not _is_before(ending.moment, answer.moment)
    return _is_before(answer.moment, ending.moment)


def _cut_off(answers: list[Answer], restart: datetime, reconnects: list[datetime]) -> _Talk:
    """Return a talk that the switch's restart ended; empty when no source listened in between, for it may have ended
    then.
    """
    answered = min((answer.moment.at for answer in answers), default=None)
    if answered is None or restart <= answered or any(answered < at <= restart for at in reconnects):
        return _Talk()
    return _Talk(restart, milliseconds(restart - answered), EndedBy.SYSTEM)


_WAIT_ENDED_BY: Final = {Outcome.ABANDONED: EndedBy.CALLER, Outcome.WAITING: None, Outcome.UNKNOWN: None}
"""The party that ended a wait that was not answered; for all other outcomes it was the switch."""


def _agent(answers: list[Answer], completions: list[Completion]) -> str | None:
    named = [(a.moment.precision_ms, a.moment.at, a.agent_id) for a in answers if a.agent_id]
    named = named or [(c.moment.precision_ms, c.moment.at, c.agent_id) for c in completions if c.agent_id]
    return min(named)[2] if named else None


def _contact_id(evidence: Evidence, group: list[VisitReport], named: VisitReport) -> str:
    """Return the whole call's id, by the finest source that reports one; else the leg's own."""
    claims = [claim for strand in group for claim in strand.contacts.items()]
    return _claimed(claims, evidence) if claims else evidence.leg_id or named.visit_id


def _claimed(claims: Iterable[tuple[str, int]], evidence: Evidence) -> str:
    """Return the contact by the finest of several sources; a source that has reported only the leg may know better
    later.

    Switches number their calls upwards: of two others the shorter and then the smaller id is the older call's. Where
    the caller goes on under another leg, whoever held the place before is gone: that leg's call is the caller's.
    """
    ranked = sorted(claims, key=lambda claim: (claim[1], claim[0] == evidence.leg_id, len(claim[0]), claim[0]))
    best = ranked[0][0]
    if best == evidence.leg_id and evidence.also:
        return next((claim for claim, _ in ranked if claim in evidence.also), best)
    return best
