"""Decides how a wait ended where reports of it differ: the best stated report is believed (docs/switch-rules.md)."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import structs

from queue_monitor.core.evidence import (
    COARSE_MS,
    DERIVED_SLACK,
    Answer,
    Completion,
    Ending,
    Evidence,
    Timestamp,
    VisitReport,
)
from queue_monitor.events import (
    LeftOutcome,
    OutcomeBasis,
    RingResult,
    TimeBasis,
)
from queue_monitor.model import Outcome

HANG_UPS = (LeftOutcome.ABANDONED, LeftOutcome.LOST)

GONE_WITHIN: Final = timedelta(seconds=2)
"""A channel whose caller has hung up is gone within this time, whatever the dialplan still does with it."""


def not_taken_back(
    group: list[VisitReport], answers: list[Answer], endings: list[Ending], completions: list[Completion]
) -> tuple[list[Answer], list[Completion]]:
    """Return the answers and ends of talks that still hold: an earlier report is dropped when it is taken back.

    That is so when the ring that was answered failed after all (nobody was connected), and when the caller had left
    before.
    """
    failed = {ring_id for report in group for ring_id, result in report.rings.items() if result is RingResult.FAILED}
    if failed:
        answers = [answer for answer in answers if answer.ring_id not in failed]
    left = [ending.moment for ending in endings if ending.is_final]
    if not left or not (answers or completions):
        return answers, completions
    reported = [answer.moment for answer in answers] or [_answered_before(completion) for completion in completions]
    # where two sources report one answer, the finer clock says whether it came after the end
    reported = [moment for moment in reported if not any(_is_told_finer(moment, other) for other in reported)]
    if all(any(end.is_before(moment) for end in left) for moment in reported):
        return [], []
    return answers, completions


def _is_told_finer(moment: Timestamp, other: Timestamp) -> bool:
    """Return whether the other is the time of the same thing by a finer clock."""
    return other.precision_ms < moment.precision_ms and abs(other.at - moment.at) <= DERIVED_SLACK


def _answered_before(completion: Completion) -> Timestamp:
    """Return when a call was answered of which only the end was reported."""
    if completion.talk_ms is None:
        return Timestamp(datetime.min.replace(tzinfo=UTC), COARSE_MS, TimeBasis.MONITOR)
    return Timestamp(completion.moment.at - timedelta(milliseconds=completion.talk_ms), COARSE_MS, TimeBasis.DERIVED)


def outcome_of(
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
        endings = [_as_moved_on(ending) if _was_up_after(ending, up_at) else ending for ending in endings]
    sighted = max((report.sighted_at for report in group if report.sighted_at), default=None)
    if sighted is not None:  # a list that names the caller later knows better than a guess
        endings = [e for e in endings if e.outcome is not LeftOutcome.UNKNOWN or e.moment.at >= sighted]
    # a caller whom the last list before the restart did not show had gone already, and nobody knows how; a computed
    # start lies a little early, so that the last list before it may seem to come after
    waited_until = restart is not None and (sighted is None or sighted < restart + DERIVED_SLACK)
    if restart is not None and waited_until:  # it was told after the monitor had lost track of the caller
        endings = [e for e in endings if e.outcome is not LeftOutcome.UNKNOWN or e.moment.at < restart]
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
    if restart is not None and waited_until and (gone is None or restart <= gone):
        return Outcome.LOST, OutcomeBasis.INFERRED, [cut_off(max(restart, sighted or restart))], None
    if gone is not None:
        return Outcome.UNKNOWN, OutcomeBasis.INFERRED, [Timestamp(gone, COARSE_MS, TimeBasis.MONITOR)], None
    return Outcome.WAITING, OutcomeBasis.STATED, [], None


def cut_off(at: datetime) -> Timestamp:
    """Return the end of a wait that a restart of the switch at that time cut off."""
    return Timestamp(at, COARSE_MS, TimeBasis.DERIVED)


def _was_up_after(ending: Ending, up_at: datetime) -> bool:
    """Return whether the caller's channel was up some time after a hang-up that a log tells of.

    A log has one line for who hangs up and who is moved out of the queue; after a hang-up the channel is soon gone.
    """
    moment = ending.moment
    if ending.outcome is not LeftOutcome.ABANDONED or moment.precision_ms < COARSE_MS:
        return False
    return up_at > moment.at + timedelta(milliseconds=moment.precision_ms) + GONE_WITHIN


def _as_moved_on(ending: Ending) -> Ending:
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
