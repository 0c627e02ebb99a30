"""The formulas: the field of `Counts` that a call belongs to, and the share answered in time by each named definition.

All are computed from exact whole numbers (`model.Counts`). A ratio is None where nothing was measured: never 100 % of
nothing.
Source of the definitions: docs/definitions.md.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from queue_monitor.model import Counts, DefinitionId, ExitPolicy, Outcome, Target

PLAIN_MISSES: Final = ExitPolicy()

Parts = tuple[int, int]
"""Numerator and denominator, whole calls."""


def judge(
    outcome: Outcome,
    wait_ms: int | None,
    target: Target,
    exit_policy: ExitPolicy = PLAIN_MISSES,
    called_back_ms: int | None = None,
) -> str:
    """Return the field of `Counts` that a call belongs to.

    `wait_ms` is the wait so far, or up to its end; None if it is not known.
    A wait of exactly the limit is in time (*inom högst*); one ms more is not. A short abandonment is below its limit. A
    call still waiting is judged by its time so far: past the limit it is a miss already. A caller who left to be called
    back is judged, where a setting asks so, by the time from entry to the answer of that call.
    """
    if outcome in exit_policy.excluded:
        return "excluded"
    if outcome in exit_policy.judged and called_back_ms is not None and called_back_ms <= exit_policy.within_ms:
        return "called_back"
    limit_ms = target.limit_seconds * 1000
    if outcome is Outcome.WAITING:
        return "waiting_late" if wait_ms is not None and wait_ms > limit_ms else "waiting_in_time"
    if outcome is Outcome.ANSWERED:
        if wait_ms is None:
            return "answered_unjudged"
        return "answered_in_time" if wait_ms <= limit_ms else "answered_late"
    if outcome is Outcome.ABANDONED:
        if wait_ms is None:
            return "abandoned_unjudged"
        if wait_ms > limit_ms:
            return "abandoned_late"
        return "abandoned_short" if wait_ms < target.short_abandon_seconds * 1000 else "abandoned_in_time"
    return outcome.value


class Terms(Struct, frozen=True, gc=False):
    """The terms of the formulas, in whole calls.

    `in_time`: answered in time, and called back within the time that a setting asks for.
    `answered`: these and the calls answered late.
    `without_answer`: left otherwise, and still waiting past the limit.
    `offered`: all of these, each once.
    """

    in_time: int
    answered: int
    abandoned_short: int
    abandoned_in_time: int
    abandoned_late: int
    without_answer: int
    offered: int


def terms(counts: Counts) -> Terms:
    in_time = counts.answered_in_time + counts.called_back
    answered = in_time + counts.answered_late
    short, early, late = counts.abandoned_short, counts.abandoned_in_time, counts.abandoned_late
    without_answer = counts.left_otherwise + counts.waiting_late
    offered = answered + short + early + late + without_answer
    return Terms(in_time, answered, short, early, late, without_answer, offered)


def answered_only(of: Terms) -> Parts:
    """Return D1: answered in time / answered. Asterisk's ServicelevelPerf, Wazo, Cisco "only handled"."""
    return of.in_time, of.answered


def all_offered(of: Terms) -> Parts:
    """Return D2: answered in time / all that entered. Cisco "negative abandon", Puzzel; the literal reading of the
    promise.
    """
    return of.in_time, of.offered


def without_short_abandons(of: Terms) -> Parts:
    """Return D3: as D2, but without those who hung up within the short limit. Talkdesk, Mitel, RingCentral."""
    return of.in_time, of.offered - of.abandoned_short


def early_abandons_ignored(of: Terms) -> Parts:
    """Return D4: as D2, but without all who hung up inside the limit. Cisco "ignore abandoned"."""
    return of.in_time, of.offered - of.abandoned_short - of.abandoned_in_time


def early_abandons_good(of: Terms) -> Parts:
    """Return D5: as D2, but hanging up inside the limit counts as served. Asterisk's
    ServicelevelPerf2, Amazon Connect.
    """
    return of.in_time + of.abandoned_short + of.abandoned_in_time, of.offered


FORMULAS: Final[dict[DefinitionId, Callable[[Terms], Parts]]] = {
    DefinitionId.D1: answered_only,
    DefinitionId.D2: all_offered,
    DefinitionId.D3: without_short_abandons,
    DefinitionId.D4: early_abandons_ignored,
    DefinitionId.D5: early_abandons_good,
}


def _of_counts(formula: Callable[[Terms], Parts]) -> Callable[[Counts], Parts]:
    return lambda counts: formula(terms(counts))


DEFINITIONS: Final[dict[DefinitionId, Callable[[Counts], Parts]]] = {
    name: _of_counts(formula) for name, formula in FORMULAS.items()
}


def service_level(counts: Counts) -> dict[str, float | None]:
    """Return the share by each of the five definitions, by name."""
    return of_terms(terms(counts))


def of_terms(of: Terms) -> dict[str, float | None]:
    """Return the share by each definition, by name, from terms that have been computed already."""
    found: dict[str, float | None] = {}
    for name, formula in _BY_NAME:
        good, all_of = formula(of)
        found[name] = good / all_of if all_of else None
    return found


_BY_NAME: Final = tuple((name.value, formula) for name, formula in FORMULAS.items())


def ratio(parts: Parts) -> float | None:
    return parts[0] / parts[1] if parts[1] else None


class MayStillBeAnswered(NamedTuple):
    """Calls that left a queue a moment ago and may still be answered in another, or be called back in time where that
    counts; and calls past the limit that may have been answered unseen.

    `counted`: the formula has them in the denominator as misses, and they may still be in time.
    `outside`, `outside_late`: the formula has them in no denominator, inside and past the limit (D1 counts only the
        answered; a setting may exclude an exit).
    """

    counted: int = 0
    outside: int = 0
    outside_late: int = 0


NOBODY: Final = MayStillBeAnswered()


def floor_parts(
    counts: Counts,
    definition: DefinitionId,
    may_still_be_answered: MayStillBeAnswered = NOBODY,
    parts: Parts | None = None,
) -> Parts:
    """Return the floor: the share if all waiting callers miss, and all whose wait is not known have missed.

    The share cannot end lower for these calls. `parts`, here and below, are those of the definition, where they have
    been computed already.
    """
    good, of = parts or DEFINITIONS[definition](counts)
    late = counts.waiting_late if definition is DefinitionId.D1 else 0
    back = may_still_be_answered.outside + may_still_be_answered.outside_late
    return good, of + late + counts.waiting_in_time + counts.unjudged + back


def ceiling_parts(
    counts: Counts,
    definition: DefinitionId,
    may_still_be_answered: MayStillBeAnswered = NOBODY,
    parts: Parts | None = None,
) -> Parts:
    """Return the ceiling: the share if every caller who waits inside the limit, or may still be answered, is in time.

    All whose wait is not known count as in time too.
    """
    good, of = parts or DEFINITIONS[definition](counts)
    hopeful = counts.waiting_in_time + counts.unjudged + may_still_be_answered.outside
    return good + hopeful + may_still_be_answered.counted, of + hopeful


def unseen_calls(entered: int, heard_minutes: float, unheard_minutes: float) -> int:
    """Return the calls that may have come while nothing was heard, at today's rate while something was; rounded up.

    The rate is that of at least one minute.
    """
    return math.ceil(entered * unheard_minutes / max(1.0, heard_minutes) - 1e-9)


def misses(counts: Counts, definition: DefinitionId, parts: Parts | None = None) -> int:
    """Return the calls that are misses already by the definition.

    These are calls answered late, hung up (as the definition counts them), left, or still waiting past the limit.
    """
    good, of = parts or DEFINITIONS[definition](counts)
    late = counts.waiting_late if definition is DefinitionId.D1 else 0
    return of - good + late


def margin(target: Target, expected_calls: float, missed: int) -> int:
    """Return the misses that still fit within the target; negative when there are too many.

    floor((1 - target) x calls expected in the whole period) - misses so far (docs/definitions.md).
    """
    return math.floor((1 - target.ratio) * expected_calls + 1e-9) - missed


def refused_ratio(counts: Counts, offered: int = 0) -> float | None:
    """Return refused / dialled.

    `offered`: the `Terms.offered` of these calls, where known: nearly always nobody was refused, and then there is no
        need to count those who dialled.
    """
    refused = counts.refused
    return ratio((refused, counts.dialled)) if refused or not offered else 0.0


def are_many_refused(counts: Counts, target: Target) -> bool:
    """Return whether a larger share of those who dialled was refused than the target allows, so that it is not met."""
    return not target.allows_refused(refused_ratio(counts))


def meets_target(
    counts: Counts, target: Target, definition: DefinitionId | None = None, parts: Parts | None = None
) -> bool | None:
    """Return whether these calls meet the target, by its own formula or another; None where there is nothing to judge.

    Never where more callers were refused than the target allows, not even where none of the others was measured.
    Otherwise decided by whole numbers, not by the rounded share.
    """
    if are_many_refused(counts, target):
        return False
    parts = parts or DEFINITIONS[definition or target.definition](counts)
    return not is_under(parts, target.ratio) if parts[1] else None


def including_refused(counts: Counts, definition: DefinitionId, parts: Parts | None = None) -> float | None:
    """Return the share with every refused caller as a miss: the share that the public meets (JO 974-2021)."""
    good, of = parts or DEFINITIONS[definition](counts)
    return ratio((good, of + counts.refused))


def lost_share(counts: Counts) -> float | None:
    """Return the share of the entered calls that hung up while waiting."""
    return ratio((counts.abandoned, counts.entered))


def is_under(parts: Parts, target_ratio: float) -> bool:
    """Return whether a share is under the target, compared in whole numbers: 89.96 % is not 90 %.

    False where nothing was measured.
    """
    good, of = parts
    target = _exactly(target_ratio)
    return of > 0 and good * target.denominator < target.numerator * of


@lru_cache(maxsize=16)
def _exactly(number: float) -> Fraction:
    """Return a number as the fraction that it is written as: 0.9 is nine tenths."""
    return Fraction(str(number))
