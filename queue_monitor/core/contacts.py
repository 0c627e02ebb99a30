"""Reads a contact, the whole call of a caller, from its stays: the visits in their order and what they add up to.

Everything here is a pure function of the stays and their evidence.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from msgspec import Struct, structs

from queue_monitor.core.evidence import Evidence, MergedVisit
from queue_monitor.events import (
    EndedBy,
    EntryReason,
    OutcomeBasis,
    milliseconds,
)
from queue_monitor.model import Contact, Outcome, Visit
from queue_monitor.queues import queue_key

NEW_CALL: Final = timedelta(hours=4)
"""A contact id that is reported this long after the end of all its visits is another call's: some switches number their
calls anew. A caller who was passed on may come back to a queue within this time.
"""

NEW_CALL_AFTER_START: Final = timedelta(minutes=15)
"""The same where the switch began anew in between. What is said of a call comes within this time, so that no later
event says that it had not ended.
"""

SAME_MOVE = timedelta(seconds=2)
"""A caller who enters another queue within this time of leaving one was moved there (docs/switch-rules.md, rule 2)."""

INNER_ENTRY = timedelta(seconds=1)
"""A channel that answers for a queue enters that queue at once: it still waits there this long after the answer."""

_MOVED: Final = frozenset({EntryReason.OVERFLOW, EntryReason.TRANSFER, EntryReason.REENTRY})

_LATEST: Final = datetime.max.replace(tzinfo=UTC)

_MAY_GO_ON: Final = frozenset({Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN})
"""The outcomes after which a caller may not have left the queue without an answer, as far as is known."""


class ContactHistory(Struct, frozen=True, gc=False):
    """One contact with its visits, in the order of entry."""

    contact: Contact
    visits: tuple[Visit, ...]


def history_of(contact_id: str, parts: Sequence[Evidence]) -> ContactHistory | None:
    """Return the history of one contact, from the evidence that it is part of; None when it has no stay."""
    stays = [stay for evidence in parts for stay in evidence.stays if stay.visit.contact_id == contact_id]
    if not stays:
        return None
    if len(stays) == 1:
        visit = stays[0].visit
        return ContactHistory(_contact_of_one(visit), (visit,))
    stays = _ordered(stays)
    visits = tuple(_visits(_with_talks_ended(stays)))
    if any(visit.outcome in (Outcome.WAITING, Outcome.UNKNOWN) for visit in visits):
        visits = tuple(_over_with_the_call(visits, parts))
    return ContactHistory(_contact(contact_id, visits), visits)


def _ordered(stays: list[MergedVisit]) -> list[MergedVisit]:
    """Return the stays of one contact in order of entry.

    A leg waits in one queue at a time. So of two of its stays that began within a second of a coarse clock, the one
    that ended within that second came first.
    """
    ordered: list[MergedVisit] = []
    for stay in sorted(stays, key=_in_order):
        at = len(ordered)
        while at and _came_after(ordered[at - 1], stay):
            at -= 1
        ordered.insert(at, stay)
    return ordered


def _came_after(before: MergedVisit, stay: MergedVisit) -> bool:
    """Return whether a stay that seems to have begun before another one can only have begun after that had ended."""
    latest = before.about + (before.about - before.first_at)
    one, other = before.visit, stay.visit
    if (one.switch, one.leg_id) != (other.switch, other.leg_id) or before.about == stay.about:
        return False
    if other.ended_wait_at is None or other.ended_wait_at >= latest:
        return False
    return one.ended_wait_at is None or one.ended_wait_at > latest


def _in_order(stay: MergedVisit) -> tuple[datetime, bool, datetime, str]:
    """Return the place of a stay among its call's: of those that began in one moment of a coarse clock, the stay to
    which nobody says that the caller was moved is the first, and the others follow as they ended.
    """
    was_moved = stay.reason in _MOVED
    left = (stay.visit.ended_wait_at or _LATEST) if was_moved else stay.about
    return stay.about, was_moved, left, stay.visit.visit_id


def _with_talks_ended(stays: list[MergedVisit]) -> list[MergedVisit]:
    """Return the stays of one contact, in order of entry; a talk is over when its caller's leg enters a queue again."""
    following: dict[tuple[str, str], datetime] = {}
    amended: list[MergedVisit] = []
    for stay in reversed(stays):
        visit = stay.visit
        leg = visit.switch, visit.leg_id
        until, following[leg] = following.get(leg), stay.first_at
        answered, is_open = visit.ended_wait_at, visit.outcome is Outcome.ANSWERED and visit.completed_at is None
        if is_open and until is not None and answered is not None and until >= answered:
            talk_ms = milliseconds(until - answered)
            visit = structs.replace(visit, completed_at=until, talk_ms=talk_ms, ended_by=EndedBy.UNKNOWN)
            stay = structs.replace(stay, visit=visit)
        amended.append(stay)
    return amended[::-1]


def _over_with_the_call(visits: tuple[Visit, ...], parts: Iterable[Evidence]) -> Iterator[Visit]:
    """Yield the visits of one contact: a caller who was answered in one queue, or hung up there, waits in no other.

    How the other stay ended is not known then, but until when. A leg that the switch has listed there since goes on.
    """
    answered = _first_answer(_before_call_back(visits))
    for visit in visits:
        if visit.outcome not in (Outcome.WAITING, Outcome.UNKNOWN):
            yield visit
            continue
        ends = [one.ended_wait_at for one in visits if one is answered or _hung_up_beside(one, visit)]
        until = min((at for at in ends if at is not None and _waited_before(visit, at)), default=None)
        if until is None or not _has_no_end_before(visit, until) or _is_listed_after(visit, until, parts):
            yield visit
        else:
            yield structs.replace(
                visit,
                outcome=Outcome.UNKNOWN,
                outcome_basis=OutcomeBasis.INFERRED,
                ended_wait_at=until,
                wait_ms=milliseconds(until - (visit.entered_at or until)),
            )


def _has_no_end_before(visit: Visit, at: datetime) -> bool:
    """Return whether a visit still waited at this time, as far as is known: it is only found to be over later."""
    if visit.outcome is Outcome.UNKNOWN and visit.wait_ms is None:
        return visit.ended_wait_at is not None and visit.ended_wait_at > at
    return visit.outcome is Outcome.WAITING


def _hung_up_beside(visit: Visit, other: Visit) -> bool:
    """Return whether a visit ended because the leg of the other one hung up."""
    return visit.outcome is Outcome.ABANDONED and (visit.switch, visit.leg_id) == (other.switch, other.leg_id)


def _waited_before(visit: Visit, at: datetime) -> bool:
    """Return whether a visit had begun at this time, and not only as the next step of the call."""
    return visit.entered_at is not None and visit.entered_at < at - SAME_MOVE


def _is_listed_after(visit: Visit, at: datetime, parts: Iterable[Evidence]) -> bool:
    """Return whether the switch has listed a visit's leg in its queue after this time."""
    key = visit.switch, visit.leg_id, queue_key(visit.queue)
    reports = (report for part in parts if part.key == key for report in part.reports.values())
    return any(report.sighted_at is not None and report.sighted_at > at + SAME_MOVE for report in reports)


def _visits(stays: list[MergedVisit]) -> Iterator[Visit]:
    """Yield the visits of one contact, completed from the visits before and after: why each began and where it led."""
    previous: Visit | None = None
    for stay, following in zip(stays, [*stays[1:], None], strict=True):
        visit = stay.visit
        outcome, next_queue = visit.outcome, visit.next_queue
        if following is not None and _moved_on(visit, following.visit):
            next_queue = next_queue or following.visit.queue
            outcome = Outcome.OVERFLOW if outcome is Outcome.TIMEOUT else outcome
        yield structs.replace(
            visit,
            outcome=outcome,
            entry_reason=visit.entry_reason if previous is None else _entry_reason(stay, previous),
            prev_visit_id=visit.prev_visit_id or (previous.visit_id if previous else None),
            next_queue=next_queue,
        )
        previous = visit


def _moved_on(left: Visit, entered: Visit) -> bool:
    """Return whether a caller who was not answered went to another queue at once: within two seconds and the clocks'
    uncertainty.
    """
    if left.outcome in (Outcome.WAITING, Outcome.ANSWERED) or queue_key(left.queue) == queue_key(entered.queue):
        return False
    if left.ended_wait_at is None or entered.entered_at is None:
        return False
    blur = timedelta(milliseconds=max(left.precision_ms, entered.precision_ms))
    return abs(entered.entered_at - left.ended_wait_at) <= SAME_MOVE + blur


def _waits_beside(previous: Visit, visit: Visit) -> bool:
    """Return whether a caller still waited under another leg on entering, and so neither left nor was passed on."""
    if previous.leg_id == visit.leg_id or previous.entered_at is None or visit.entered_at is None:
        return False
    return previous.ended_wait_at is None or previous.ended_wait_at > visit.entered_at + SAME_MOVE


def _entry_reason(stay: MergedVisit, previous: Visit) -> EntryReason:
    """Return why a caller who was in a queue before entered: as stated, else by the visit before."""
    if stay.reason is not EntryReason.UNKNOWN:
        return stay.reason
    if _waits_beside(previous, stay.visit):
        return EntryReason.UNKNOWN
    if previous.outcome is Outcome.ANSWERED:
        return EntryReason.TRANSFER
    if queue_key(previous.queue) == queue_key(stay.visit.queue):
        return EntryReason.REENTRY
    return EntryReason.OVERFLOW


def _contact_of_one(visit: Visit) -> Contact:
    """Return the contact that `_contact` gives for one visit alone."""
    waits = visit.outcome is Outcome.WAITING
    return Contact(
        contact_id=visit.contact_id,
        first_queue=visit.queue,
        entered_at=visit.entered_at,
        outcome=visit.outcome,
        visit_ids=(visit.visit_id,),
        wait_ms=0 if waits else visit.wait_ms,
        waiting_since=visit.entered_at if waits else None,
        settled_at=visit.ended_wait_at,
        start_known=visit.start_known,
        precision_ms=visit.precision_ms,
    )


def _contact(contact_id: str, visits: tuple[Visit, ...]) -> Contact:
    """Judge a contact once: the time spent waiting up to the first human answer (docs/definitions.md).

    Visits may overlap (a queue whose member waits in another one): the wait is the union of their times. A call back to
    a caller who had left is not a visit of the caller to the queue: hours may lie between.
    """
    own = _before_call_back(visits)
    answered = _first_answer(own)
    waiting = [visit for visit in own if visit.outcome is Outcome.WAITING] if answered is None else []
    counted, after, last = own, list[Visit](), _last(own)
    since = min((visit.entered_at for visit in waiting if visit.entered_at is not None), default=None)
    if answered is not None:
        last = answered
        counted = tuple(visit for visit in own if visit is answered or _began_before(visit, answered))
        after = [visit for visit in own if visit not in counted]
    elif waiting:
        last = next((visit for visit in waiting if visit.entered_at == since), waiting[0])
    until = since if waiting else last.ended_wait_at
    waits = _union(counted, until)
    wait_ms: int | None = sum(milliseconds(ended - began) for began, ended in waits)
    if not waiting and any(visit.wait_ms is None and not _is_covered(visit, waits, until) for visit in counted):
        wait_ms = None
    first = visits[0]
    return Contact(
        contact_id=contact_id,
        first_queue=first.queue,
        entered_at=first.entered_at,
        outcome=last.outcome,
        visit_ids=tuple(visit.visit_id for visit in visits),
        wait_ms=wait_ms,
        waiting_since=since,
        settled_at=last.ended_wait_at,
        wait_after_transfer_ms=sum(milliseconds(ended - began) for began, ended in _union(after, None)),
        called_back_ms=_called_back_ms(first, visits[len(own) :]),
        start_known=all(visit.start_known for visit in counted),
        precision_ms=max(visit.precision_ms for visit in counted),
    )


def _first_answer(visits: tuple[Visit, ...]) -> Visit | None:
    """Return the visit in which a person answered first. A channel that itself waits in another
    queue is not a person.
    """
    answered = [visit for visit in visits if visit.outcome is Outcome.ANSWERED]
    if len(answered) > 1 or len(answered) < len(visits):
        answered = [visit for visit in answered if not any(_waits_on(visit, other) for other in visits)]
    timed = [(visit.ended_wait_at, at) for at, visit in enumerate(answered) if visit.ended_wait_at is not None]
    if not timed:
        return answered[0] if answered else None
    earliest = answered[min(timed)[1]]
    # an answer without a known time is taken in the order of entry
    return answered[0] if answered[0].ended_wait_at is None else earliest


def _waits_on(answered: Visit, other: Visit) -> bool:
    """Return whether the caller goes on waiting under another leg that was in a queue when this visit was answered.

    Such a leg goes when the call that it answered is over. A visit without a leg of its own is no channel.
    """
    at, over = answered.ended_wait_at, answered.completed_at
    if at is None or other is answered or other.leg_id in (answered.leg_id, other.visit_id) or other.entered_at is None:
        return False
    if over is not None and (other.ended_wait_at is None or other.ended_wait_at > over + SAME_MOVE):
        return False
    began = answered.entered_at or at
    if not began - SAME_MOVE <= other.entered_at <= at + INNER_ENTRY or other.outcome is Outcome.UNKNOWN:
        return False
    return other.ended_wait_at is None or other.ended_wait_at > at + INNER_ENTRY


def _last(visits: tuple[Visit, ...]) -> Visit:
    """Return the visit that says how a contact ended that nobody answered.

    It is the newest, or the visit around it that ended at the same time: an inner channel goes when the outer one has
    gone.
    """
    last = visits[-1]
    if last.ended_wait_at is None or last.entered_at is None:
        return last
    for visit in visits:
        if visit.outcome in _MAY_GO_ON or visit.ended_wait_at is None or visit.leg_id == last.leg_id:
            continue
        if visit.ended_wait_at > last.entered_at and abs(visit.ended_wait_at - last.ended_wait_at) <= SAME_MOVE:
            return visit
    return last


def _began_before(visit: Visit, answered: Visit) -> bool:
    """Return whether a visit began before the answer, as far as times show that; else by their order."""
    if visit.entered_at is None or answered.ended_wait_at is None:
        began, answer = visit.entered_at or visit.ended_wait_at, answered.entered_at or answered.ended_wait_at
        return began is None or answer is None or began <= answer
    return visit.entered_at < answered.ended_wait_at


def _union(visits: Iterable[Visit], until: datetime | None) -> list[tuple[datetime, datetime]]:
    """Return the stretches of time that these visits waited, as far as is known, up to `until` at most."""
    spans = sorted(
        (visit.entered_at, visit.ended_wait_at if until is None else min(until, visit.ended_wait_at))
        for visit in visits
        if visit.wait_ms is not None and visit.entered_at is not None and visit.ended_wait_at is not None
    )
    union: list[tuple[datetime, datetime]] = []
    for began, ended in spans:
        if ended <= began:
            continue
        if union and began < union[-1][1]:
            union[-1] = union[-1][0], max(ended, union[-1][1])
        else:
            union.append((began, ended))
    return union


def _is_covered(visit: Visit, waits: list[tuple[datetime, datetime]], until: datetime | None) -> bool:
    """Return whether the caller waited all the time from this visit's entry in other visits, so that its unknown end
    adds nothing.
    """
    if visit.entered_at is None or until is None:
        return False
    return any(began <= visit.entered_at and until <= ended for began, ended in waits)


def _before_call_back(visits: tuple[Visit, ...]) -> tuple[Visit, ...]:
    """Return the visits until the caller, who had left the queue without an answer, was called back."""
    for at, (left, entered) in enumerate(pairwise(visits), start=1):
        if entered.entry_reason is EntryReason.CALLBACK and left.outcome not in _MAY_GO_ON:
            return visits[:at]
    return visits


def _called_back_ms(first: Visit, calls_back: tuple[Visit, ...]) -> int | None:
    """Return the time (ms) from entry to the answer of the call back; None while there is none, or the entry was not
    seen.
    """
    answered = next((call.ended_wait_at for call in calls_back if call.outcome is Outcome.ANSWERED), None)
    return None if answered is None or first.entered_at is None else milliseconds(answered - first.entered_at)
