"""The evidence of one call leg in one queue: what each source reports of it, piece by piece.

A visit report holds what one source says under one visit id. It knows nothing of other sources: `stays` reads what all
of them add up to.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from queue_monitor.core.used_again import as_stated, used_again, without_earlier_calls
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
)
from queue_monitor.model import Visit
from queue_monitor.queues import queue_key

DERIVED_SLACK = timedelta(milliseconds=2100)
"""The largest difference where a time was computed from a reported duration in whole seconds."""

COARSE_MS = 1000
"""A clock reading with this uncertainty or more is taken to be cut to whole seconds."""

SIGHTED: Final = 0
"""The piece id of an entry computed from a snapshot's reported wait, which has no event of its own."""


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

    def is_before(self, other: "Timestamp") -> bool:
        """Return whether this time lies before another for certain, whatever the uncertainty of the clocks."""
        coarse = self.precision_ms if self.precision_ms >= COARSE_MS else 0
        if other.basis is TimeBasis.DERIVED:
            coarse += other.precision_ms
        return self.at + timedelta(milliseconds=coarse) < other.at


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

    @property
    def is_final(self) -> bool:
        """Return whether nobody answers a caller who has left so: it is no guess, and no promise to call back."""
        if self.outcome in (LeftOutcome.UNKNOWN, LeftOutcome.CALLBACK):
            return False
        return self.basis is OutcomeBasis.STATED or self.outcome is LeftOutcome.ABANDONED


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


Piece = TypeVar("Piece", bound=Entry | Answer | Ending | Completion | Transfer)

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
"""One shared empty mapping: most reports have no rings and need none of their own."""


class VisitReport(Struct, gc=False):
    """All reports under one visit id, one piece for each event: the same event twice changes nothing.

    `is_other_call`: this is a part of the reports under an id that an earlier call had, too.
    """

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
    is_other_call: bool = False

    def add(self, event: "_OfVisit") -> None:
        """Take in one call event of this visit."""
        at, precision_ms = event.at, event.time_precision_ms
        self._seen(at)
        contact_id = getattr(event, "contact_id", "")
        if contact_id and precision_ms < self.contacts.get(contact_id, precision_ms + 1):
            self.name_contact(contact_id, precision_ms)
            self.contacts = without_earlier_calls(self.contacts)
        _ADDS[type(event)](self, event, Timestamp(at, precision_ms, event.time_basis))

    def name_contact(self, contact_id: str, precision_ms: int) -> None:
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
            self.name_contact(caller.contact_id, COARSE_MS)
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
        self.contacts = {
            known_as if as_stated(one) == contact_id else one: precision_ms for one, precision_ms in claims.items()
        }

    def name_entries(self, at: datetime, contact_id: str, known_as: str) -> None:
        """Let the entries at this time be of a contact of which the switch had used the id before. Other entries under
        this visit id are of other calls.
        """
        self.entries = tuple(
            structs.replace(entry, contact_id=known_as)
            if entry.moment.at == at and entry.contact_id != known_as and as_stated(entry.contact_id) == contact_id
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
        self.contacts = without_earlier_calls({**self.contacts, **finer})
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
        if len(self.entries) == 1:
            return self.entries[0]
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
        assert at is not None  # a report is made by an event or a sighting, and both have a time
        return at


def _with(pieces: tuple[Piece, ...], said: Piece) -> tuple[Piece, ...]:
    """Return these pieces and one more; it replaces an earlier piece of its event."""
    if not pieces:
        return (said,)
    for at, known in enumerate(pieces):
        if known.piece == said.piece:
            return (*pieces[:at], said, *pieces[at + 1 :])
    return (*pieces, said)


def _merged(pieces: tuple[Piece, ...], others: tuple[Piece, ...]) -> tuple[Piece, ...]:
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
    """All reports of one call leg in one queue of one switch, and the snapshots that did not list it.

    `also`: other legs under which the same caller went on in this queue, as after a transfer.
    `up`: when each of these legs was last listed as up, wherever it was then.
    `stays`: the stays that the reports add up to, as last worked out by the ledger.
    `contacts`: the contacts of these stays.
    """

    switch: str
    leg_id: str
    queue: str
    reports: dict[str, VisitReport] = {}
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
        heard = [report.last_at for report in self.reports.values() if report.last_at]
        return max((*heard, *self.missing))


EvidenceKey = tuple[str, str, str]
"""Switch, leg and queue (casefolded)."""


class MergedVisit(Struct, frozen=True, gc=False):
    """One stay in one queue: the visit as it is where the contact has no other.

    `first_at`: the entry, or the first report where no entry was reported.
    `ringing`: it rings at an agent now.
    `reason`: why it began, as far as that was stated.
    `about`: the best estimate of `first_at`, by which stays are in order.
    `is_other_call`: an earlier call had the same visit id.
    """

    visit: Visit
    first_at: datetime
    ringing: bool
    reason: EntryReason
    about: datetime
    is_other_call: bool = False
