"""The formulas: what a call counts as, and what share was answered in time by each named definition.

All from exact whole numbers (`model.Counts`). A ratio is None where nothing was measured: never 100 % of nothing.
Sources of the definitions: MISSION.md section 2 and the products named there.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final, NamedTuple

from queue_monitor.model import Counts, DefinitionId, Outcome, Target, WaysOut

PLAIN_MISSES: Final = WaysOut()

Parts = tuple[int, int]
"""Numerator and denominator, whole calls."""


def judge(
    outcome: Outcome,
    wait_ms: int | None,
    target: Target,
    ways_out: WaysOut = PLAIN_MISSES,
    called_back_ms: int | None = None,
) -> str:
    """The field of `Counts` that a call belongs to. `wait_ms` is the wait so far, or up to its end; None if unknown.

    Exactly the limit is in time (*inom högst*); one ms more is not. A short abandonment is below its limit. Of a call
    still waiting, the time so far decides: past the limit it is a miss already. Of one who left to be called back,
    where a setting asks so, how long after entering that call was answered.
    """
    if outcome in ways_out.excluded:
        return "excluded"
    if outcome in ways_out.judged and called_back_ms is not None and called_back_ms <= ways_out.within_ms:
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


def answered_only(counts: Counts) -> Parts:
    """D1: answered in time / answered. Asterisk's ServicelevelPerf, Wazo, Cisco "only handled"."""
    return _in_time(counts), _answered(counts)


def all_offered(counts: Counts) -> Parts:
    """D2: answered in time / all that entered. Cisco "negative abandon", Puzzel; the literal reading of the promise."""
    return _in_time(counts), _answered(counts) + _abandoned(counts) + _without_answer(counts)


def without_short_abandons(counts: Counts) -> Parts:
    """D3: as D2, those who hung up within the short limit left out. Talkdesk, Mitel, RingCentral."""
    return (
        _in_time(counts),
        _answered(counts) + counts.abandoned_in_time + counts.abandoned_late + _without_answer(counts),
    )


def early_abandons_ignored(counts: Counts) -> Parts:
    """D4: as D2, all who hung up inside the limit left out. Cisco "ignore abandoned"."""
    return _in_time(counts), _answered(counts) + counts.abandoned_late + _without_answer(counts)


def early_abandons_good(counts: Counts) -> Parts:
    """D5: hanging up inside the limit counts as served. Asterisk's ServicelevelPerf2, Amazon Connect."""
    good = _in_time(counts) + counts.abandoned_short + counts.abandoned_in_time
    return good, _answered(counts) + _abandoned(counts) + _without_answer(counts)


DEFINITIONS: dict[DefinitionId, Callable[[Counts], Parts]] = {
    DefinitionId.D1: answered_only,
    DefinitionId.D2: all_offered,
    DefinitionId.D3: without_short_abandons,
    DefinitionId.D4: early_abandons_ignored,
    DefinitionId.D5: early_abandons_good,
}


def service_level(counts: Counts) -> dict[str, float | None]:
    """All five at once, by name."""
    return {name.value: ratio(formula(counts)) for name, formula in DEFINITIONS.items()}


def ratio(parts: Parts) -> float | None:
    return parts[0] / parts[1] if parts[1] else None


class Returning(NamedTuple):
    """Calls that left a queue a moment ago and may yet be answered in another, or be called back in time where that
    counts, by what the formula says of them now.

    `counted` are in the denominator as misses, and may yet be in time. `outside` and `outside_late` are in no
    denominator (D1 knows only the answered; a setting may exclude an exit): inside the limit, and past it.
    """

    counted: int = 0
    outside: int = 0
    outside_late: int = 0


NOBODY: Final = Returning()


def floor_parts(counts: Counts, definition: DefinitionId, returning: Returning = NOBODY) -> Parts:
    """All who wait will miss, and so did all whose wait is not known: the share cannot end lower for these calls."""
    good, of = DEFINITIONS[definition](counts)
    late = counts.waiting_late if definition is DefinitionId.D1 else 0
    back = returning.outside + returning.outside_late
    return good, of + late + counts.waiting_in_time + counts.unjudged + back


def ceiling_parts(counts: Counts, definition: DefinitionId, returning: Returning = NOBODY) -> Parts:
    """All who wait inside the limit, or may be back in it, will make it, and so did all whose wait is not known."""
    good, of = DEFINITIONS[definition](counts)
    hopeful = counts.waiting_in_time + counts.unjudged + returning.outside
    return good + hopeful + returning.counted, of + hopeful


def misses(counts: Counts, definition: DefinitionId) -> int:
    """Calls that are lost to the target already, by the definition: late, hung up (as it counts them), left, or still
    waiting past the limit.
    """
    good, of = DEFINITIONS[definition](counts)
    late = counts.waiting_late if definition is DefinitionId.D1 else 0
    return of - good + late


def margin(target: Target, expected_calls: float, missed: int) -> int:
    """Misses that still fit: floor((1 - target) x calls expected in the whole period) - misses so far. Negative: too
    many (MISSION.md section 2).
    """
    return math.floor((1 - target.ratio) * expected_calls + 1e-9) - missed


def including_refused(counts: Counts, definition: DefinitionId) -> float | None:
    """The share with every refused caller as a miss: what the public meets (JO 974-2021)."""
    good, of = DEFINITIONS[definition](counts)
    return ratio((good, of + counts.refused))


def lost_share(counts: Counts) -> float | None:
    """Share of the entered that hung up while waiting."""
    return ratio((counts.abandoned, counts.entered))


def is_under(parts: Parts, target_ratio: float) -> bool:
    """Whether a share is under the target, by whole numbers: 89.96 % is not 90 %. Nothing measured is not under."""
    good, of = parts
    return of > 0 and good < Fraction(str(target_ratio)) * of


def _in_time(counts: Counts) -> int:
    """A≤, and those called back as soon as a setting asks."""
    return counts.answered_in_time + counts.called_back


def _answered(counts: Counts) -> int:
    return _in_time(counts) + counts.answered_late


def _abandoned(counts: Counts) -> int:
    return counts.abandoned_short + counts.abandoned_in_time + counts.abandoned_late


def _without_answer(counts: Counts) -> int:
    """F and W>: left otherwise, and still waiting past the limit."""
    return counts.left_otherwise + counts.waiting_late
