"""Reads the stays of a caller in a queue from the evidence: for each the finest times and the best stated outcome."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Final, NamedTuple

from msgspec import structs

from queue_monitor.core.evidence import (
    COARSE_MS,
    Answer,
    Completion,
    Ending,
    Evidence,
    MergedVisit,
    Timestamp,
    VisitReport,
)
from queue_monitor.core.matching import match, parted, queue_of, rank
from queue_monitor.core.used_again import as_stated
from queue_monitor.core.wait_ends import cut_off, not_taken_back, outcome_of
from queue_monitor.events import (
    EndedBy,
    EntryReason,
    LeftOutcome,
    OutcomeBasis,
    RingResult,
    TimeBasis,
    milliseconds,
)
from queue_monitor.model import Outcome, Visit
from queue_monitor.queues import queue_key


def read_stays(evidence: Evidence, restarts: list[datetime], reconnects: list[datetime]) -> tuple[MergedVisit, ...]:
    """Return the stays that this evidence adds up to, in order of entry.

    `restarts`: the switch's known restarts, oldest first.
    `reconnects`: when a live source of the switch began to listen (again).
    """
    if len(evidence.reports) == 1:
        report = next(iter(evidence.reports.values()))
        if (stay := read_plain(evidence, report, restarts)) is not None:
            return (stay,)
    heard = [report for report in evidence.reports.values() if report.first_at is not None]
    groups = match([part for report in heard for part in parted(report, evidence)])
    read = [(_stay_of(group, evidence, restarts, reconnects), group) for group in groups]
    read.sort(key=lambda pair: (pair[0].about, pair[0].visit.visit_id))
    following: dict[str, MergedVisit] = {}
    another_calls: dict[str, MergedVisit] = {}
    stays = []
    for stay, group in reversed(read):
        key, visit_id = queue_key(stay.visit.queue), as_stated(stay.visit.visit_id)
        later, following[key] = following.get(key) or another_calls.get(visit_id), stay
        if stay.is_other_call:
            another_calls[visit_id] = stay
        stays.append(stay if later is None or not _is_superseded(stay, group, later) else _superseded(stay, later))
    return tuple(reversed(stays))


def _stay_of(
    group: list[VisitReport], evidence: Evidence, restarts: list[datetime], reconnects: list[datetime]
) -> MergedVisit:
    plain = read_plain(evidence, group[0], restarts) if len(group) == 1 else None
    return plain or _read(evidence, group, restarts, reconnects)


def read_plain(evidence: Evidence, report: VisitReport, restarts: list[datetime]) -> MergedVisit | None:
    """Return the stay in the simple case: the caller was seen entering, and one source reported at most one answer or
    end; or none, and a restart of the switch cut the wait off.

    None where there is more to weigh. The result is equal to that of `_read`, sooner.
    """
    answers, endings, completions = report.answers, report.endings, report.completions
    if report.transfers or len(answers) + len(endings) > 1 or len(completions) > len(answers):
        return None
    if answers and RingResult.FAILED in report.rings.values():
        return None
    seen = [entry for entry in report.entries if entry.known]
    if len(seen) != 1:
        return None
    restart = next((at for at in restarts if at > seen[0].moment.at), None)
    if restart is not None and (answers or endings or report.sighted_at is not None):
        return None
    if not answers and not endings and any(at > seen[0].moment.at for at in evidence.missing):
        return None
    if endings and report.sighted_at is not None and endings[0].outcome is LeftOutcome.UNKNOWN:
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
    if restart is not None:
        outcome, basis, ended_by = Outcome.LOST, OutcomeBasis.INFERRED, EndedBy.SYSTEM
        ended = cut_off(restart)
    if ended is not None:
        ended_at = _ended_at(began, ended)
        if outcome is not Outcome.UNKNOWN:
            wait_ms = max(0, milliseconds(ended_at - began.at))
    contacts = report.contacts
    contact_id = next(iter(contacts), evidence.leg_id)
    if len(contacts) > 1:
        contact_id = _claimed(contacts.items(), evidence)
    visit = Visit(
        visit_id=report.visit_id,
        contact_id=contact_id,
        leg_id=evidence.leg_id,
        switch=evidence.switch,
        source=report.source,
        queue=queue_of(entry, evidence),
        entered_at=began.at,
        ended_wait_at=ended_at,
        outcome=outcome,
        outcome_basis=basis,
        wait_ms=wait_ms,
        time_basis=_time_basis(began, ended),
        precision_ms=began.precision_ms if ended is None else max(began.precision_ms, ended.precision_ms),
        start_known=True,
        agent_id=agent_id,
        rings=len(report.rings),
        completed_at=completed_at,
        talk_ms=talk_ms,
        ended_by=ended_by,
        entry_reason=_reason_alone(entry.reason, True),
        prev_visit_id=entry.prev_visit_id or None,
        next_queue=next_queue,
        key=key,
        position=report.position[1] if report.position else None,
    )
    is_ringing = None in report.rings.values()
    return MergedVisit(visit, began.at, is_ringing, entry.reason, began.middle, report.is_other_call)


def _reason_alone(reason: EntryReason, start_known: bool) -> EntryReason:
    """Return why a caller who was in no queue before entered: as stated, else directly where a source saw the entry."""
    return EntryReason.DIRECT if reason is EntryReason.UNKNOWN and start_known else reason


_OUTCOMES: Final = {outcome: Outcome(outcome.value) for outcome in LeftOutcome}


def _is_superseded(stay: MergedVisit, group: list[VisitReport], following: MergedVisit) -> bool:
    """Return whether no source has reported how a stay ended, and only the next stay shows that it had."""
    visit = stay.visit
    if visit.outcome is Outcome.ANSWERED or any(report.endings for report in group):
        return False
    return visit.ended_wait_at is None or visit.ended_wait_at > following.first_at


def _superseded(stay: MergedVisit, following: MergedVisit) -> MergedVisit:
    """Return the stay as ended by the next one: nobody waits twice in one queue, nor under another call's visit id, so
    the caller had left it unseen.
    """
    visit = structs.replace(
        stay.visit,
        outcome=Outcome.UNKNOWN,
        outcome_basis=OutcomeBasis.INFERRED,
        ended_wait_at=max(stay.first_at, following.first_at),
        wait_ms=None,
    )
    return structs.replace(stay, visit=visit, ringing=False)


def _read(
    evidence: Evidence, group: list[VisitReport], restarts: list[datetime], reconnects: list[datetime]
) -> MergedVisit:
    """Read one stay from its reports: the finest time, the best stated outcome."""
    entries = [entry for report in group for entry in report.entries]
    if any(entry.known for entry in entries):
        entries = [entry for entry in entries if entry.known]
    best = min(entries, key=lambda e: (e.moment.precision_ms, e.moment.at), default=None)
    first_at = best.moment.at if best else min(report.starts for report in group)
    answers = [answer for report in group for answer in report.answers]
    endings = [ending for report in group for ending in report.endings]
    completions = [completion for report in group for completion in report.completions]
    answers, completions = not_taken_back(group, answers, endings, completions)
    restart = min((at for at in restarts if at > first_at), default=None)
    outcome, basis, ends, ending = outcome_of(evidence, group, first_at, answers, endings, completions, restart)
    began, ended, precision = _span([entry.moment for entry in entries], ends)
    entered_at = began.at if began else None
    ended_at = None if ended is None else _ended_at(began, ended)
    wait_ms = None
    if entered_at is not None and ended_at is not None and outcome is not Outcome.UNKNOWN:
        wait_ms = max(0, milliseconds(ended_at - entered_at))
    talk = _talk(answers, completions, [transfer.moment for report in group for transfer in report.transfers], endings)
    if talk.ended_at is None and outcome is Outcome.ANSWERED and restart is not None:
        talk = _cut_off(answers, restart, reconnects)
    named = min(
        (report for report in group if report.entries or report.answers), key=rank, default=min(group, key=rank)
    )
    most = max(group, key=_ring_count)
    placed = max((report.position for report in group if report.position), default=None)
    contact_id = _contact_id(evidence, group, named)
    reason = next((e.reason for e in entries if e.reason is not EntryReason.UNKNOWN), EntryReason.UNKNOWN)
    start_known = best is not None and best.known
    queue = next((queue_of(entry, evidence) for entry in entries if entry.queue), evidence.queue)
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
        rings=_ring_count(most),
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
    is_ringing = any(result is None for result in most.rings.values())
    return MergedVisit(visit, first_at, is_ringing, reason, about, any(report.is_other_call for report in group))


def _ring_count(report: VisitReport) -> int:
    """Return at how many phones it rang. An answer that is told twice, as by a list after a lost connection, may name
    its ring twice.
    """
    if len(report.answers) < 2:
        return len(report.rings)
    told = sorted((one for one in report.answers if one.ring_id), key=lambda one: (one.agent_id, one.moment.at))
    twice = (
        one.ring_id != other.ring_id
        and one.agent_id == other.agent_id
        and other.moment.at - one.moment.at < timedelta(milliseconds=max(one.moment.precision_ms, COARSE_MS))
        for one, other in pairwise(told)
    )
    return len(report.rings) - sum(twice)


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
        return not ending.moment.is_before(answer.moment)
    return answer.moment.is_before(ending.moment)


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
    claims = [claim for report in group for claim in report.contacts.items()]
    return _claimed(claims, evidence) if claims else evidence.leg_id or named.visit_id


def _age(contact_id: str) -> tuple[int, str, str]:
    """Return the order of a contact id among those of one switch; of an id that is used again, as it is stated."""
    stated = as_stated(contact_id)
    return len(stated), stated, contact_id


def _claimed(claims: Iterable[tuple[str, int]], evidence: Evidence) -> str:
    """Return the contact by the finest of several sources; a source that has reported only the leg may know better
    later.

    Switches number their calls upwards: of two others the shorter and then the smaller id is the older call's. Where
    the caller goes on under another leg, whoever held the place before is gone: that leg's call is the caller's.
    """
    ranked = sorted(claims, key=lambda claim: (claim[1], claim[0] == evidence.leg_id, *_age(claim[0])))
    best = ranked[0][0]
    if best == evidence.leg_id and evidence.also:
        return next((claim for claim, _ in ranked if claim in evidence.also), best)
    return best
