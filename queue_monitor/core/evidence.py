"""What was heard of one call leg in one queue, and what stays it adds up to.

A *strand* is what one visit id has said. Two sources that listen to one switch (the manager interface and queue_log),
or one source before and after a lost connection, tell of the same stay under different visit ids: `read_stays` lays
their strands side by side by time (SWITCHBOARDS.md section 10, rule 13) and reads each stay off the best of them.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple

from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallMoved,
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
from queue_monitor.model import Outcome

SAME_ENTRY = timedelta(milliseconds=1100)
"""Two sources' times of one entry differ at most by this: one has whole seconds (SWITCHBOARDS.md 10.13)."""

DERIVED_SLACK = timedelta(milliseconds=2100)
"""The same where a time was worked out from a reported duration in whole seconds."""

COARSE_MS = 1000
"""From this precision on a clock reading is taken to be cut down to whole seconds."""

HANG_UPS = (LeftOutcome.ABANDONED, LeftOutcome.LOST)


class Moment(NamedTuple):
    """One source's word on when something happened."""

    at: datetime
    precision_ms: int
    basis: TimeBasis

    @property
    def middle(self) -> datetime:
        """The best guess: a clock cut to whole seconds reads half a second early on average."""
        if self.precision_ms >= COARSE_MS and self.basis is TimeBasis.SWITCH:
            return self.at + timedelta(milliseconds=self.precision_ms // 2)
        return self.at


class Entry(NamedTuple):
    moment: Moment
    known: bool
    reason: EntryReason
    prev_visit_id: str | None


class Ending(NamedTuple):
    """The end of a wait without an answer."""

    moment: Moment
    outcome: LeftOutcome
    basis: OutcomeBasis
    key: str | None
    next_queue: str | None


class Answer(NamedTuple):
    moment: Moment
    agent_id: str


class Completion(NamedTuple):
    moment: Moment
    ended_by: EndedBy
    talk_ms: int | None
    agent_id: str


@dataclass(slots=True)
class Strand:
    """Everything said under one visit id. Pieces are kept by event id: hearing one twice changes nothing."""

    visit_id: str
    source: str
    entries: dict[str, Entry] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    completions: dict[str, Completion] = field(default_factory=dict)
    transfers: dict[str, Moment] = field(default_factory=dict)
    rings: dict[str, RingResult | None] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    position: tuple[datetime, int] | None = None
    sighted_at: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, event: Event) -> None:
        """Take in one call event of this visit."""
        self._seen(event.at)
        moment = Moment(event.at, event.time_precision_ms, event.time_basis)
        contact_id = getattr(event, "contact_id", "")
        if contact_id:
            self.contacts[contact_id] = min(moment.precision_ms, self.contacts.get(contact_id, moment.precision_ms))
        match event:
            case CallEntered():
                self.entries[event.id] = Entry(moment, event.start_known, event.entry_reason, event.prev_visit_id)
                if event.position is not None:
                    self._placed(event.at, event.position)
            case CallAnswered():
                self.answers[event.id] = Answer(moment, event.agent_id)
                self._derive_entry(event.id, moment, event.wait_ms_reported)
                if event.ring_id:
                    self.rings[event.ring_id] = RingResult.ANSWERED
            case CallLeft():
                ending = Ending(moment, event.outcome, event.outcome_basis, event.key, event.next_queue)
                self.endings[event.id] = ending
                self._derive_entry(event.id, moment, event.wait_ms_reported)
            case CallCompleted():
                self._complete(event, moment)
            case CallTransferred():
                self.transfers[event.id] = moment
            case CallRinging():
                self.rings.setdefault(event.ring_id, None)
            case CallMoved():
                self._placed(event.at, event.position)
            case _:
                pass

    def sight(self, event: QueueSnapshot, caller: WaitingCaller) -> None:
        """A snapshot lists this caller as waiting; the reported wait tells when it began, to a second."""
        self._seen(event.as_of)
        self.sighted_at = max(self.sighted_at or event.as_of, event.as_of)
        if caller.position is not None:
            self._placed(event.as_of, caller.position)
        if caller.contact_id:
            self.contacts.setdefault(caller.contact_id, COARSE_MS)
        began = caller.entered_at
        if began is None and caller.waited_ms is not None:
            began = event.as_of - timedelta(milliseconds=caller.waited_ms)
        if began is not None and not any(entry.known for entry in self.entries.values()):
            moment = Moment(began, COARSE_MS, TimeBasis.DERIVED)
            self.entries.setdefault("sighted", Entry(moment, False, EntryReason.UNKNOWN, None))

    def _complete(self, event: CallCompleted, moment: Moment) -> None:
        """Keep the end of the talk; its reported times place an answer and an entry that nobody saw."""
        completion = Completion(moment, event.ended_by, event.talk_ms_reported, event.agent_id or "")
        self.completions[event.id] = completion
        if event.talk_ms_reported is not None:
            answered = moment.at - timedelta(milliseconds=event.talk_ms_reported)
            self._derive_entry(event.id, Moment(answered, COARSE_MS, TimeBasis.DERIVED), event.wait_ms_reported)

    def _derive_entry(self, event_id: str, ended: Moment, wait_ms: int | None) -> None:
        if wait_ms is not None:
            began = Moment(ended.at - timedelta(milliseconds=wait_ms), COARSE_MS, TimeBasis.DERIVED)
            self.entries[event_id] = Entry(began, False, EntryReason.UNKNOWN, None)

    def _placed(self, at: datetime, position: int) -> None:
        self.position = max(self.position or (at, position), (at, position))

    def _seen(self, at: datetime) -> None:
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at or at, at)

    @property
    def known_entry(self) -> Entry | None:
        return min((entry for entry in self.entries.values() if entry.known), default=None)

    @property
    def entry(self) -> Entry | None:
        """The best word on when this visit began: seen before worked out, fine before coarse."""
        return min(
            self.entries.values(),
            key=lambda entry: (not entry.known, entry.moment.precision_ms, entry.moment.at),
            default=None,
        )

    @property
    def ended_at(self) -> datetime | None:
        """When the wait ended, by the first word of it."""
        ends = [answer.moment.at for answer in self.answers.values()]
        ends += [ending.moment.at for ending in self.endings.values() if ending.outcome is not LeftOutcome.UNKNOWN]
        return min(ends, default=None)

    @property
    def starts(self) -> datetime:
        entry = self.entry
        at = entry.moment.at if entry else self.first_at
        assert at is not None  # a strand is made by an event or a sighting, and both have a time
        return at


@dataclass(slots=True)
class Evidence:
    """All strands of one call leg in one queue of one switch, and the snapshots that did not list it.

    `stays` is what they add up to, as last worked out by the ledger.
    """

    switch: str
    leg_id: str
    queue: str
    strands: dict[str, Strand] = field(default_factory=dict)
    missing: list[datetime] = field(default_factory=list)
    stays: list["Stay"] = field(default_factory=list)

    @property
    def last_at(self) -> datetime:
        return max(strand.last_at for strand in self.strands.values() if strand.last_at)


class Stay(NamedTuple):
    """One stay in one queue, before its neighbours are known. Fields as in `model.Visit`."""

    visit_id: str
    contact_id: str
    leg_id: str
    switch: str
    source: str
    queue: str
    first_at: datetime
    entered_at: datetime | None
    ended_wait_at: datetime | None
    outcome: Outcome
    outcome_basis: OutcomeBasis
    wait_ms: int | None
    time_basis: TimeBasis
    precision_ms: int
    start_known: bool
    agent_id: str | None
    rings: int
    ringing: bool
    completed_at: datetime | None
    talk_ms: int | None
    ended_by: EndedBy | None
    entry_reason: EntryReason
    prev_visit_id: str | None
    next_queue: str | None
    key: str | None
    position: int | None


def read_stays(evidence: Evidence, restarts: list[datetime], reconnects: list[datetime]) -> list[Stay]:
    """The stays that this evidence adds up to, in order of entry.

    `restarts` are the switch's known new starts, `reconnects` when a live source of it began to listen (again).
    """
    groups = _match([strand for strand in evidence.strands.values() if strand.first_at is not None])
    stays = [_read(evidence, group, restarts, reconnects) for group in groups]
    stays.sort(key=lambda stay: (stay.first_at, stay.visit_id))
    for at, following in enumerate(stays[1:]):
        if stays[at].outcome is Outcome.WAITING:
            stays[at] = _superseded(stays[at], following)
    return stays


def _superseded(stay: Stay, following: Stay) -> Stay:
    """Nobody waits twice in one queue: a caller who entered it anew had left it before, nobody saw how."""
    return stay._replace(
        outcome=Outcome.UNKNOWN, outcome_basis=OutcomeBasis.INFERRED, ended_wait_at=following.first_at, ringing=False
    )


def _match(strands: list[Strand]) -> list[list[Strand]]:
    """Lay strands of the same stay together: those that saw the entry best first, the others to the nearest."""
    if len(strands) == 1:
        return [strands]
    groups: list[list[Strand]] = []
    for strand in sorted(strands, key=_rank):
        fits = [(gap, at) for at, group in enumerate(groups) if (gap := _gap(group, strand)) is not None]
        if fits:
            groups[min(fits)[1]].append(strand)
        else:
            groups.append([strand])
    return groups


def _rank(strand: Strand) -> tuple[int, int, datetime, str]:
    entry = strand.entry
    if entry is None:
        return (2, 0, strand.starts, strand.visit_id)
    return (0 if entry.known else 1, entry.moment.precision_ms, entry.moment.at, strand.visit_id)


def _gap(group: list[Strand], strand: Strand) -> timedelta | None:
    """How far in time a strand lies from a stay it may belong to; None when it cannot.

    Two entries that one source saw under two visit ids are two stays, however close.
    """
    first, entry = group[0], strand.entry
    if entry is not None and entry.known:
        if any(other.source == strand.source and other.known_entry for other in group):
            return None
        gap = abs(_middle(first) - entry.moment.middle)
        return gap if gap <= SAME_ENTRY else None
    if entry is not None:
        gap = abs(entry.moment.at - first.starts)
        slack = DERIVED_SLACK if not strand.completions or strand.answers else 2 * DERIVED_SLACK
        return gap if gap <= slack else None
    return _gap_of_orphan(group, strand)


def _gap_of_orphan(group: list[Strand], strand: Strand) -> timedelta | None:
    """The same for a strand that tells nothing of its beginning: it belongs to the stay that was open then."""
    starts, began = strand.starts, group[0].starts
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    if starts < began - DERIVED_SLACK:
        return None
    if strand.ended_at is not None and ended is not None and abs(ended - strand.ended_at) > DERIVED_SLACK:
        return None
    if ended is not None and strand.sighted_at is not None and strand.sighted_at > ended + DERIVED_SLACK:
        return None
    return starts - began if starts >= began else began - starts


def _middle(strand: Strand) -> datetime:
    entry = strand.entry
    return entry.moment.middle if entry else strand.starts


def _read(evidence: Evidence, group: list[Strand], restarts: list[datetime], reconnects: list[datetime]) -> Stay:
    """Read one stay off its strands: the finest time, the best stated outcome."""
    entries = [entry for strand in group for entry in strand.entries.values()]
    if any(entry.known for entry in entries):
        entries = [entry for entry in entries if entry.known]
    best = min(entries, key=lambda e: (e.moment.precision_ms, e.moment.at), default=None)
    first_at = best.moment.at if best else min(strand.starts for strand in group)
    answers = [answer for strand in group for answer in strand.answers.values()]
    endings = [ending for strand in group for ending in strand.endings.values()]
    completions = [completion for strand in group for completion in strand.completions.values()]
    restart = min((at for at in restarts if at > first_at), default=None)
    outcome, basis, ends, ending = _outcome(evidence, group, first_at, answers, endings, completions, restart)
    began, ended, precision = _span([entry.moment for entry in entries], ends)
    entered_at = began.at if began else None
    ended_at = None if ended is None else _ended_at(began, ended)
    wait_ms = None
    if entered_at is not None and ended_at is not None and outcome is not Outcome.UNKNOWN:
        wait_ms = max(0, milliseconds(ended_at - entered_at))
    talk = _talk(answers, completions, [moment for strand in group for moment in strand.transfers.values()])
    if talk.ended_at is None and outcome is Outcome.ANSWERED and restart is not None:
        talk = _cut_off(answers, restart, reconnects)
    named = min(
        (strand for strand in group if strand.entries or strand.answers), key=_rank, default=min(group, key=_rank)
    )
    rings = max(group, key=lambda strand: len(strand.rings)).rings
    placed = max((strand.position for strand in group if strand.position), default=None)
    contact_id = _contact_id(evidence, group, named)
    return Stay(
        visit_id=named.visit_id,
        contact_id=contact_id,
        leg_id=evidence.leg_id,
        switch=evidence.switch,
        source=named.source,
        queue=evidence.queue,
        first_at=first_at,
        entered_at=entered_at,
        ended_wait_at=ended_at,
        outcome=outcome,
        outcome_basis=basis,
        wait_ms=wait_ms,
        time_basis=_time_basis(began, ended),
        precision_ms=precision,
        start_known=best is not None and best.known,
        agent_id=_agent(answers, completions),
        rings=len(rings),
        ringing=any(result is None for result in rings.values()),
        completed_at=talk.ended_at,
        talk_ms=talk.ms,
        ended_by=talk.ended_by if outcome is Outcome.ANSWERED else _WAIT_ENDED_BY.get(outcome, EndedBy.SYSTEM),
        entry_reason=next((e.reason for e in entries if e.reason is not EntryReason.UNKNOWN), EntryReason.UNKNOWN),
        prev_visit_id=next((e.prev_visit_id for e in entries if e.prev_visit_id), None),
        next_queue=ending.next_queue if ending else None,
        key=next((e.key for e in endings if e.key), None),
        position=placed[1] if placed else None,
    )


def _outcome(
    evidence: Evidence,
    group: list[Strand],
    first_at: datetime,
    answers: list[Answer],
    endings: list[Ending],
    completions: list[Completion],
    restart: datetime | None,
) -> tuple[Outcome, OutcomeBasis, list[Moment], Ending | None]:
    """How the stay ended, by the best word of it, and the moments at which it may have."""
    if answers or completions:
        ends = [answer.moment for answer in answers]
        if not ends:
            ends = [
                Moment(c.moment.at - timedelta(milliseconds=c.talk_ms), COARSE_MS, TimeBasis.DERIVED)
                for c in completions
                if c.talk_ms is not None
            ]
        return Outcome.ANSWERED, OutcomeBasis.STATED, ends, None
    if endings:
        best = max(endings, key=_weight)
        known = [ending for ending in endings if ending.outcome is not LeftOutcome.UNKNOWN] or endings
        return Outcome(best.outcome), best.basis, [ending.moment for ending in known], best
    sighted = max((strand.sighted_at for strand in group if strand.sighted_at), default=None)
    if restart is not None and (sighted is None or sighted < restart):
        return Outcome.LOST, OutcomeBasis.INFERRED, [Moment(restart, COARSE_MS, TimeBasis.DERIVED)], None
    margin = timedelta(milliseconds=min((s.entry.moment.precision_ms for s in group if s.entry), default=COARSE_MS))
    gone = [at for at in evidence.missing if at > first_at + margin and (sighted is None or at > sighted)]
    if gone:
        return Outcome.UNKNOWN, OutcomeBasis.INFERRED, [Moment(min(gone), COARSE_MS, TimeBasis.MONITOR)], None
    return Outcome.WAITING, OutcomeBasis.STATED, [], None


def _weight(ending: Ending) -> tuple[int, bool, int, bool, datetime]:
    """Which of several endings to believe (SWITCHBOARDS.md 10.13 and section 9).

    Something known before `unknown`; what the switch states that only it can do (a time-out, a key) before a hang-up,
    and that before a guess; a callback before a bare withdrawal. Of two words on a hang-up the finer clock's: a
    source with whole seconds cannot tell a caller who hung up from one cut off by a restart, and says so itself by
    a later `lost`.
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
    )


def _span(begins: list[Moment], ends: list[Moment]) -> tuple[Moment | None, Moment | None, int]:
    """The begin and the end to measure between: from one clock if that can be had, then with the least uncertainty."""
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


def _ended_at(began: Moment | None, ended: Moment) -> datetime:
    """The end, moved to the middle of its second when only the beginning was read off a finer clock."""
    if began is None or began.precision_ms >= COARSE_MS:
        return ended.at
    return max(ended.middle, began.at)


def _time_basis(began: Moment | None, ended: Moment | None) -> TimeBasis:
    bases = {moment.basis for moment in (began, ended) if moment}
    for basis in (TimeBasis.DERIVED, TimeBasis.MONITOR):
        if basis in bases:
            return basis
    return TimeBasis.SWITCH


class _Talk(NamedTuple):
    """When a talk was over, how long it had lasted, and who ended it; None as far as that is not known."""

    ended_at: datetime | None = None
    ms: int | None = None
    ended_by: EndedBy | None = None


def _talk(answers: list[Answer], completions: list[Completion], transfers: list[Moment]) -> _Talk:
    """Read the talk: up to the hang-up, or up to its transfer, after which the caller talks to somebody else."""
    if not completions:
        return _Talk()
    best = min(completions, key=lambda c: (c.moment.precision_ms, c.ended_by is EndedBy.UNKNOWN, c.moment.at))
    transferred = min(transfers, key=lambda m: (m.precision_ms, m.at), default=None)
    ended_by = EndedBy.TRANSFER if transferred else best.ended_by
    if any(c.ended_by is EndedBy.TRANSFER for c in completions):
        ended_by = EndedBy.TRANSFER
    over = min(transferred or best.moment, best.moment, key=lambda m: m.at)
    same_clock = [a.moment for a in answers if a.moment.basis == over.basis]
    if not same_clock:
        return _Talk(best.moment.at, best.talk_ms, ended_by)
    answered = min(same_clock, key=lambda m: (m.precision_ms, m.at))
    return _Talk(best.moment.at, max(0, milliseconds(over.at - answered.at)), ended_by)


def _cut_off(answers: list[Answer], restart: datetime, reconnects: list[datetime]) -> _Talk:
    """A talk that the switch's restart ended; not told when nobody listened in between, for it may have ended then."""
    answered = min((answer.moment.at for answer in answers), default=None)
    if answered is None or restart <= answered or any(answered < at <= restart for at in reconnects):
        return _Talk()
    return _Talk(restart, milliseconds(restart - answered), EndedBy.SYSTEM)


_WAIT_ENDED_BY: Final = {Outcome.ABANDONED: EndedBy.CALLER, Outcome.WAITING: None, Outcome.UNKNOWN: None}
"""Who ended a wait that was not answered; of all other outcomes it was the switch."""


def _agent(answers: list[Answer], completions: list[Completion]) -> str | None:
    named = [(a.moment.precision_ms, a.moment.at, a.agent_id) for a in answers if a.agent_id]
    named = named or [(c.moment.precision_ms, c.moment.at, c.agent_id) for c in completions if c.agent_id]
    return min(named)[2] if named else None


def _contact_id(evidence: Evidence, group: list[Strand], named: Strand) -> str:
    """The whole call's id, by the finest source that tells one; else the leg's own."""
    claims = sorted((precision, contact) for strand in group for contact, precision in strand.contacts.items())
    return claims[0][1] if claims else evidence.leg_id or named.visit_id
