"""Finds out which reports are of one stay of a caller in a queue.

Two sources that listen to one switch (the manager interface and queue_log), or one source before and after a lost
connection, report the same stay under different visit ids: reports are matched by time (docs/switch-rules.md, rule 13).
And one visit id may name several stays, where a switch numbers its calls anew: such a report is parted.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from queue_monitor.core.contacts import NEW_CALL
from queue_monitor.core.evidence import COARSE_MS, DERIVED_SLACK, Ending, Entry, Evidence, Piece, Timestamp, VisitReport
from queue_monitor.core.used_again import as_stated, used_again
from queue_monitor.events import (
    CallEntered,
    EntryReason,
    LeftOutcome,
    OutcomeBasis,
    TimeBasis,
)
from queue_monitor.queues import queue_key

SAME_ENTRY = timedelta(milliseconds=1100)
"""The largest difference between two sources' times of one entry: one has whole seconds (docs/switch-rules.md, rule
13).
"""

CLOCKS_APART = timedelta(seconds=5)
"""The same where one of the two times is that of receipt, by our own clock. A clock that is further off is told of
after two probes (docs/switch-rules.md, rule 8).
"""

USED_AGAIN: Final = timedelta(minutes=1)

_FEW: Final = 8
"""Up to this many stays of a caller in a queue are compared one by one."""

NEVER_SO_LONG: Final = timedelta(hours=12)
"""The limits for a visit id that is used again: an entry reported this long after the end of the visit (`USED_AGAIN`),
or this long after its entry where no end was reported, belongs to another visit. Some switches number their calls anew.
"""


def queue_of(entry: Entry, evidence: Evidence) -> str:
    """Return the queue of an entry, as its evidence spells it where it is the same."""
    is_same = entry.queue in ("", evidence.queue) or queue_key(entry.queue) == evidence.key[2]
    return evidence.queue if is_same else entry.queue


def parted(report: VisitReport, evidence: Evidence) -> list[VisitReport]:
    """Return the visits that one visit id names: the first under that id, each later one with the time of its entry
    appended.

    The id names another visit when an entry, or an answer without one, is reported long after the end of the one
    before, or an entry of another contact, which is another call's, and when an entry to another queue is: then the
    caller went there from the queue before.
    """
    known = [entry for entry in report.entries if entry.known]
    entered = known + _entered_unseen(report, known) if known else []
    if len(entered) < 2:
        return [report]
    begins = _beginnings(report, evidence.queue, entered)
    if len(begins) < 2:
        return [report]
    parts = [VisitReport(visit_id=report.visit_id, source=report.source) for _ in begins]
    contacts = _contacts_of_parts(report, evidence.leg_id, begins)
    for at, (part, (entry, is_other_call)) in enumerate(zip(parts, begins, strict=True)):
        began, part.is_other_call = entry.moment.at, is_other_call
        until = begins[at + 1][0].moment.at if at + 1 < len(begins) else None
        low = None if at == 0 else began
        part.entries = _within(report.entries, low, until)
        part.answers = _within(report.answers, low, until)
        part.endings = tuple(end for end in report.endings if _place_of(end, begins) == at)
        part.completions = _within(report.completions, low, until)
        part.transfers = _within(report.transfers, low, until)
        part.contacts = contacts[at]
        if low is not None:
            part.visit_id = used_again(report.visit_id, began)
        rung = {answer.ring_id for answer in part.answers}
        part.rings = {ring_id: result for ring_id, result in report.rings.items() if ring_id in rung}
        if report.position is not None and _lies_within(report.position[0], low, until):
            part.position = report.position
        if report.sighted_at is not None and _lies_within(report.sighted_at, low, until):
            part.sighted_at = report.sighted_at
        part.first_at = began if low else min(began, report.first_at or began)
    for part, (entry, is_other_call) in zip(parts, begins[1:], strict=False):
        if not (is_other_call or part.answers or part.endings or part.completions):
            outcome, basis = LeftOutcome.OVERFLOW, OutcomeBasis.INFERRED
            part.endings = (Ending(entry.piece, entry.moment, outcome, basis, None, queue_of(entry, evidence)),)
    reported = {ring_id for part in parts for ring_id in part.rings}
    parts[-1].rings = {**parts[-1].rings, **{r: result for r, result in report.rings.items() if r not in reported}}
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


def _contacts_of_parts(report: VisitReport, leg_id: str, begins: list[tuple[Entry, bool]]) -> list[Mapping[str, int]]:
    """Return the contacts that are reported of each visit; a contact id that is used again by another call is marked
    with the time of its beginning.
    """
    stated = {entry.contact_id for entry, _ in begins}
    unnamed = {one: precision_ms for one, precision_ms in report.contacts.items() if one not in stated}
    contacts: list[Mapping[str, int]] = []
    earlier, claimed, began = set[str](), set[str](), begins[0][0].moment.at
    for entry, is_other_call in begins:
        if is_other_call:
            earlier, claimed, began = earlier | claimed, set(), entry.moment.at
        claims = unnamed or report.contacts or {leg_id: COARSE_MS}
        if entry.contact_id:
            claims = {entry.contact_id: report.contacts.get(entry.contact_id, entry.moment.precision_ms)}
        claimed |= claims.keys()
        contacts.append(
            {used_again(as_stated(one), began) if one in earlier else one: ms for one, ms in claims.items()}
        )
    return contacts


def _entered_unseen(report: VisitReport, known: list[Entry]) -> list[Entry]:
    """Return the beginnings of later visits of which only the answer was reported: nobody answers a caller hours after
    the end of the visit, unless a call back was promised.
    """
    ends = [end.moment.at for end in report.endings if end.is_final]
    ends += [completion.moment.at for completion in report.completions]
    first_end = min(ends, default=None)
    if first_end is None or all(answer.moment.at - first_end <= NEW_CALL for answer in report.answers):
        return []
    found = list[Entry]()
    for answer in sorted(report.answers, key=lambda said: said.moment.at):
        at = answer.moment.at
        derived = next((entry for entry in report.entries if entry.piece == answer.piece and not entry.known), None)
        begun = max((entry.moment.at for entry in (*known, *found) if entry.moment.at <= at), default=None)
        ended = min((end for end in ends if begun is not None and begun <= end <= at), default=None)
        is_told_late = any(at < entry.moment.at <= at + NEW_CALL for entry in known)
        if ended is not None and at - ended > NEW_CALL and not is_told_late:
            moment = derived.moment if derived and derived.moment.at > ended else answer.moment
            found.append(Entry(answer.piece, moment, False, EntryReason.UNKNOWN, None))
    return found


def _beginnings(report: VisitReport, queue: str, entered: list[Entry]) -> list[tuple[Entry, bool]]:
    """Return the entries with which the visits of one visit id began, and whether each began another call."""
    entered = sorted(entered, key=lambda entry: (entry.moment.at, entry.piece))
    ends = [end.moment.at for end in report.endings if end.outcome is not LeftOutcome.UNKNOWN]
    ends += [completion.moment.at for completion in report.completions]
    begins, newest = [(entered[0], False)], entered[0]
    for entry in entered[1:]:
        at = entry.moment.at
        has_ended = any(newest.moment.at <= end <= at - USED_AGAIN for end in ends)
        is_other_call = has_ended or at - newest.moment.at > NEVER_SO_LONG or _is_of_another(entry, newest)
        if is_other_call or queue_key(entry.queue or queue) != queue_key(newest.queue or queue):
            begins.append((entry, is_other_call))
        newest = entry
    return begins


def _is_of_another(entry: Entry, before: Entry) -> bool:
    """Return whether an entry is reported of another contact than the entry before it, and not in the same moment, as
    one event's correction of another.
    """
    its, earlier = as_stated(entry.contact_id), as_stated(before.contact_id)
    return "" not in (its, earlier) and its != earlier and entry.moment.at - before.moment.at >= USED_AGAIN


def _within(pieces: tuple[Piece, ...], low: datetime | None, until: datetime | None) -> tuple[Piece, ...]:
    return tuple(said for said in pieces if _lies_within(said.moment.at, low, until))


def _lies_within(at: datetime, low: datetime | None, until: datetime | None) -> bool:
    return (low is None or at >= low) and (until is None or at < until)


class _Groups:
    """The stays that reports have been put to, each as a group of reports, found by the time at which they began.

    A switch may send one caller back into a queue thousands of times: a report is held against the stays near it only.
    """

    def __init__(self, reports: Iterable[VisitReport]) -> None:
        coarsest = max((report.entry.moment.precision_ms for report in reports if report.entry), default=COARSE_MS)
        self._reach = CLOCKS_APART + timedelta(milliseconds=coarsest)
        self._begun: list[tuple[datetime, int]] = []
        self.groups: list[list[VisitReport]] = []

    def place(self, report: VisitReport, within: timedelta = timedelta.max, *, only_alike: bool = False) -> bool:
        """Put a report with the stay that it fits best, or make it a stay of its own where it fits none.

        Returns False, and changes nothing, where the stays that it fits are all further away than `within`, or, with
        `only_alike`, contradict it.
        """
        groups = self.groups
        fits = [(gap, at) for at in self._near(report) if (gap := _gap(groups[at], report)) is not None]
        if not fits:
            insort(self._begun, (report.starts, len(groups)))
            groups.append([report])
            return True
        near = [f for f in fits if f[0] <= within and not (only_alike and _goes_otherwise(groups[f[1]], report))]
        if len(near) > 1:
            near.sort(key=lambda fit: (_goes_otherwise(groups[fit[1]], report), fit))
        if near:
            groups[near[0][1]].append(report)
        return bool(near)

    def _near(self, report: VisitReport) -> Sequence[int]:
        """Return the groups with which a report may go; one that says nothing of its beginning may go with any."""
        if report.entry is None or len(self._begun) <= _FEW:
            return range(len(self.groups))
        first = bisect_left(self._begun, (report.starts - self._reach, 0))
        last = bisect_left(self._begun, (report.starts + self._reach, len(self.groups)))
        return [at for _, at in self._begun[first:last]]


def match(reports: list[VisitReport]) -> list[list[VisitReport]]:
    """Group the reports of each stay: those that saw the entry best come first, then those whose clock shows the same
    time (first those that also say the same of the end), then all others, each with the nearest.
    """
    if len(reports) == 1:
        return [reports]
    found = _Groups(reports)
    left = sorted(reports, key=rank)
    for only_alike in (True, False):
        left = [
            report
            for report in left
            if not (report.is_seen_entering and found.place(report, timedelta(), only_alike=only_alike))
        ]
    for report in left:
        found.place(report)
    return found.groups


def rank(report: VisitReport) -> tuple[int, int, datetime, str]:
    entry = report.entry
    if entry is None:
        return (2, 0, report.starts, report.visit_id)
    return (0 if entry.known else 1, entry.moment.precision_ms, entry.moment.at, report.visit_id)


def _gap(group: list[VisitReport], report: VisitReport) -> timedelta | None:
    """Return the distance in time of a report from a stay that it may belong to; None when it cannot.

    Two entries that one source saw under two visit ids are two stays, however close. Of several within the second that
    a coarse clock shows none is nearer than another: they are taken in their order.
    """
    first, entry = group[0], report.entry
    if entry is not None and entry.known:
        if any(other.source == report.source and other.is_seen_entering for other in group):
            return None
        gap = abs(_middle(first) - entry.moment.middle)
        is_same = gap <= _slack(first.entry, entry.moment) or (gap <= CLOCKS_APART and _ends_alike(group, report))
        return max(timedelta(), gap - _half_a_second(entry.moment)) if is_same else None
    if report.is_other_call and any(as_stated(other.visit_id) == as_stated(report.visit_id) for other in group):
        return None
    if entry is not None:
        if _was_over_before(report, first.entry) or _is_listed_after_end(group, report):
            return None
        gap = abs(entry.moment.at - first.starts)
        slack = DERIVED_SLACK if not report.completions or report.answers else 2 * DERIVED_SLACK
        return gap if gap <= slack else None
    return _gap_of_orphan(group, report)


def _gap_of_orphan(group: list[VisitReport], report: VisitReport) -> timedelta | None:
    """Return the distance for a report that reports nothing of its beginning: it belongs to the stay that was open
    then.
    """
    starts, began = report.starts, group[0].starts
    if starts < began - DERIVED_SLACK or _ends_otherwise(group, report):
        return None
    return abs(starts - began)


def _ends_otherwise(group: list[VisitReport], report: VisitReport) -> bool:
    """Return whether a stay ended at another time than a report reports, or before a list that names the caller."""
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    if ended is None:
        return False
    if report.ended_at is not None and abs(ended - report.ended_at) > DERIVED_SLACK:
        return True
    return _is_listed_after_end(group, report)


def _ends_alike(group: list[VisitReport], report: VisitReport) -> bool:
    """Return whether a stay ended when a report says, after both had begun: nobody waits twice in one queue at a time,
    and a busy switch tells of an entry late.
    """
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    if ended is None or report.ended_at is None or abs(ended - report.ended_at) > SAME_ENTRY:
        return False
    return min(ended, report.ended_at) >= max(group[0].starts, report.starts) + SAME_ENTRY


def _is_listed_after_end(group: list[VisitReport], report: VisitReport) -> bool:
    """Return whether a list names the caller of a report after a stay had ended."""
    ended = min((end for other in group if (end := other.ended_at)), default=None)
    return ended is not None and report.sighted_at is not None and report.sighted_at > ended + DERIVED_SLACK


def _was_over_before(report: VisitReport, began: Entry | None) -> bool:
    """Return whether the stay of a report had ended for certain when a source saw this entry."""
    ends = [answer.moment for answer in report.answers]
    ends += [ending.moment for ending in report.endings if ending.outcome is not LeftOutcome.UNKNOWN]
    return began is not None and began.known and bool(ends) and all(end.is_before(began.moment) for end in ends)


def _slack(entry: Entry | None, moment: Timestamp) -> timedelta:
    """Return by how much two sources' times of one entry may differ."""
    of_receipt = entry is not None and (entry.moment.basis is TimeBasis.MONITOR) != (moment.basis is TimeBasis.MONITOR)
    return CLOCKS_APART if of_receipt else SAME_ENTRY


def _half_a_second(moment: Timestamp) -> timedelta:
    """Return how far the middle of a moment lies from its edges, where the clock shows whole seconds."""
    return moment.middle - moment.at


def _goes_otherwise(group: list[VisitReport], report: VisitReport) -> bool:
    """Return whether a report and a stay contradict each other: one was answered and the other left, or they ended at
    different times.
    """
    its_talk = bool(report.answers or report.completions)
    answered = any(other.answers or other.completions for other in group)
    left = any(ending.is_final for other in group for ending in other.endings)
    if its_talk and left and not answered:
        return True
    if not its_talk and answered and not left and any(ending.is_final for ending in report.endings):
        return True
    return _ends_otherwise(group, report)


def is_same_entry(report: VisitReport, event: CallEntered) -> bool:
    """Return whether a report of another source has seen the entry of this event."""
    moment = Timestamp(event.at, event.time_precision_ms, event.time_basis)
    return report.is_seen_entering and abs(_middle(report) - moment.middle) <= _slack(report.entry, moment)


def _middle(report: VisitReport) -> datetime:
    entry = report.entry
    return entry.moment.middle if entry else report.starts
