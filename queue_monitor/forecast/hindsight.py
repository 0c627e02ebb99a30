"""What came of what was foretold: closed days held against their own forecasts, and what that says of the next ones.

The simulation leaves things out: scarce skills, the evening's shift, how much one day differs from the next. What they
do shows in the misses that came of those foretold (docs/at-risk.md, step 10), as a straight line and how far days lie
from it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.queues import queue_key

Array = NDArray[np.float64]

HOURS: Final = 24
NEAR_HOURS: Final = 1.5
"""What is known of an hour tells of those around it, less the farther they are (sd)."""

PRIOR: Final = np.diag([300.0, 1.0])
PRIOR_LINE: Final = np.array([0.0, 1.0])
"""Without evidence as many come as are foretold; some days outweigh it."""

FEW_MISSES: Final = 0.02
"""Of the day's calls: on days with fewer misses the share of them that is foretold is mostly chance."""

SLOPES: Final = (0.3, 2.5)
DOUBTS: Final = (1.0, 1.5)
LEAST_TOLD: Final = 20
"""With fewer hours on which misses were foretold, nothing is said of how far off they were."""

WAIT_SCATTERS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Candidates for how far a caller's wait is off what was told, as a share of it, beyond the queue's own chance."""

USUAL_SCATTER: Final = 0.2
USUAL_CALLERS: Final = 100.0
"""What is usual outweighs the waits of so many callers."""

HELD: Final = 0.8
"""So many waits the told range is to hold."""

SD_OF_MEDIAN: Final = 1.4826
"""A normal distribution's standard deviation against the median of its distances."""


class Foretold(Struct, frozen=True, array_like=True):
    """At one moment of a closed day: the misses still to come as `expected`, with `sd`, and those that `came`, of all
    the day's `calls` as expected then.
    """

    expected: float
    sd: float
    came: float
    calls: float


class Lesson(Struct, frozen=True):
    """What one closed day teaches. `foretold` by hour, at half past; `held` by queue: callers who had to wait, and how
    many of their waits the told range would have held under each of `WAIT_SCATTERS`.
    """

    foretold: dict[int, Foretold] = {}
    held: dict[str, tuple[int, ...]] = {}


class OwnWait(Struct, frozen=True):
    """What is known of one queue's waits against its pool's line: so many times (`factor`) as long, and how far they
    scatter about that, as a share of it; None: as far as the pool's.
    """

    factor: float = 1.0
    scatter: float | None = None


NOTHING_LEARNED: Final = Lesson()
LIKE_ITS_POOL: Final = OwnWait()


class Hindsight(Struct, frozen=True):
    """What past days say of misses foretold at one time of day: `share` of the day's calls and `slope` times those
    foretold come, with so many times (`doubt`) the doubt.
    """

    share: float = 0.0
    slope: float = 1.0
    doubt: float = 1.0

    def times(self, expected: float, calls: float) -> float:
        """How many misses come of each foretold, where so many are on a day of so many calls."""
        least, most = SLOPES
        come = self.slope * expected + self.share * calls
        return float(np.clip(come, least * expected, most * expected + 1.0)) / max(expected, 1e-9)


class Hindsights(Struct, frozen=True):
    """The same for every hour of the day, told at half past."""

    shares: tuple[float, ...]
    slopes: tuple[float, ...]
    doubt: float

    def at(self, second: float) -> Hindsight:
        """For one moment of the day, in seconds after midnight."""
        middles = np.arange(HOURS) + 0.5
        share, slope = (float(np.interp(second / 3600.0, middles, line)) for line in (self.shares, self.slopes))
        return Hindsight(share, slope, self.doubt)


def learned(lessons: Sequence[Lesson]) -> Hindsights | None:
    """From days by hour: the misses that came as a line in those foretold, by weighted least squares about a prior, the
    hours around counting as well; and the doubt by the median distance from it, so that incidents do not widen it.
    None without any day.
    """
    told = [(hour, one) for lesson in lessons for hour, one in lesson.foretold.items()]
    if not told:
        return None
    hours = np.array([hour for hour, _ in told])
    expected, sd, came, calls = np.array([(one.expected, one.sd, one.came, one.calls) for _, one in told]).T
    foretold = expected / calls
    terms = np.stack([np.ones_like(foretold), foretold])
    lines = np.empty((HOURS, 2))
    for hour in range(HOURS):
        weights = np.exp(-0.5 * ((hours - hour) / NEAR_HOURS) ** 2) / (foretold + FEW_MISSES)
        lines[hour] = np.linalg.solve(
            (terms * weights) @ terms.T + PRIOR, (terms * weights) @ (came / calls) + PRIOR @ PRIOR_LINE
        )
    shares, slopes = lines.T
    line = slopes[hours] * expected + shares[hours] * calls
    off = np.abs(came - line) / np.sqrt(sd**2 + np.maximum(line, 1.0))
    many = expected > FEW_MISSES * calls
    doubt = SD_OF_MEDIAN * float(np.median(off[many])) if many.sum() >= LEAST_TOLD else 1.0
    return Hindsights(tuple(shares.tolist()), tuple(slopes.tolist()), float(np.clip(doubt, *DOUBTS)))


def wait_scatter(lessons: Sequence[Lesson], queue: str | None = None) -> float:
    """The least scatter under which the range told has held 8 of 10 waits, of the pool or of one of its queues."""
    usual = USUAL_SCATTER if queue is None else wait_scatter(lessons)
    rows = [
        counts
        for lesson in lessons
        for name, counts in lesson.held.items()
        if counts[0] and (queue is None or name == queue_key(queue))
    ]
    if not rows:
        return usual
    callers, *held = (float(count) for count in np.sum(rows, axis=0))
    seen = float(np.interp(HELD, np.maximum.accumulate(held) / callers, WAIT_SCATTERS))
    return (seen * callers + usual * USUAL_CALLERS) / (callers + USUAL_CALLERS)
