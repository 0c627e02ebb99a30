"""The correction of the forecast's bias, learned by comparing closed days with their own forecasts.

The simulation leaves things out: scarce skills, the evening's shift, how much one day differs from the next. Their
effect is learned as a straight line from forecast misses to real ones, and as the spread of days about that line
(docs/at-risk.md, step 10).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from queue_monitor.queues import queue_key

Array = NDArray[np.float64]

HOURS: Final = 24
NEAR_HOURS: Final = 1.5
"""Standard deviation, in hours, of the weight that an hour has for the hours around it."""

PRIOR: Final = np.diag([300.0, 1.0])
PRIOR_LINE: Final = np.array([0.0, 1.0])
"""The line without evidence: the forecast as it is. Some days of evidence outweigh this prior."""

FEW_MISSES: Final = 0.02
"""A share of the day's calls: where fewer misses are forecast, their difference from the real ones is mostly chance."""

SLOPES: Final = (0.3, 2.5)
SPREADS: Final = (1.0, 1.5)
MIN_CHECKS: Final = 20
"""The spread is not corrected with fewer hours than this for which misses were forecast."""

QUEUE_WAIT_CVS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Candidates for the coefficient of variation of a caller's wait about its forecast, beyond the queue's own chance."""

USUAL_WAIT_CV: Final = 0.2
USUAL_CALLERS: Final = 100.0
"""The usual value counts as much as the waits of this many callers."""

HELD: Final = 0.8
"""The share of the waits that the forecast range is meant to hold."""

SD_OF_MEDIAN: Final = 1.4826
"""The standard deviation of a normal distribution as a multiple of the median of its distances."""


class ForecastCheck(Struct, frozen=True, array_like=True):
    """One forecast of a closed day beside the outcome.

    `expected`: misses still to come, as forecast.
    `sd`: their standard deviation.
    `came`: misses that came.
    `calls`: calls of the whole day, as expected at that moment.
    """

    expected: float
    sd: float
    came: float
    calls: float


class DayVerification(Struct, frozen=True):
    """The comparison of one closed day with its own forecasts.

    `checks`: one for each local hour, of the forecast made at half past.
    `interval_coverage`: by queue, the number of callers who had to wait, and how many of their waits the forecast range
        would have held under each of `QUEUE_WAIT_CVS`.
    """

    checks: dict[int, ForecastCheck] = field(default={}, name="foretold")
    interval_coverage: dict[str, tuple[int, ...]] = field(default={}, name="held")


class OwnWait(Struct, frozen=True):
    """One queue's waits compared with its pool's: mean ratio (`factor`) and coefficient of variation (`wait_cv`).

    `wait_cv` is None for the pool's own coefficient.
    """

    factor: float = 1.0
    wait_cv: float | None = None


NO_VERIFICATION: Final = DayVerification()
LIKE_ITS_POOL: Final = OwnWait()


class BiasCorrection(Struct, frozen=True):
    """The correction at one time of day.

    Real misses are `slope` times the forecast ones plus `share` of the day's calls, and their standard deviation is
    `spread` times the forecast one.
    """

    share: float = 0.0
    slope: float = 1.0
    spread: float = 1.0

    def times(self, expected: float, calls: float) -> float:
        """Return the real misses per forecast one, where `expected` misses are forecast on a day of `calls` calls."""
        least, most = SLOPES
        come = self.slope * expected + self.share * calls
        return float(np.clip(come, least * expected, most * expected + 1.0)) / max(expected, 1e-9)


class BiasCorrections(Struct, frozen=True):
    """The corrections of a day by hour, each for half past."""

    shares: tuple[float, ...]
    slopes: tuple[float, ...]
    spread: float

    def at(self, second: float) -> BiasCorrection:
        """Return the correction at one moment of the day, in seconds after local midnight."""
        middles = np.arange(HOURS) + 0.5
        share, slope = (float(np.interp(second / 3600.0, middles, line)) for line in (self.shares, self.slopes))
        return BiasCorrection(share, slope, self.spread)


def learned(verifications: Sequence[DayVerification]) -> BiasCorrections | None:
    """Return the corrections that closed days give, None without any day.

    By hour a line from forecast misses to real ones is fitted by weighted least squares about a prior, with the hours
    around it weighing in. The spread is the median distance from that line, so that incidents do not widen it.
    """
    checks = [(hour, one) for verification in verifications for hour, one in verification.checks.items()]
    if not checks:
        return None
    hours = np.array([hour for hour, _ in checks])
    expected, sd, came, calls = np.array([(one.expected, one.sd, one.came, one.calls) for _, one in checks]).T
    forecast = expected / calls
    terms = np.stack([np.ones_like(forecast), forecast])
    lines = np.empty((HOURS, 2))
    for hour in range(HOURS):
        weights = np.exp(-0.5 * ((hours - hour) / NEAR_HOURS) ** 2) / (forecast + FEW_MISSES)
        lines[hour] = np.linalg.solve(
            (terms * weights) @ terms.T + PRIOR, (terms * weights) @ (came / calls) + PRIOR @ PRIOR_LINE
        )
    shares, slopes = lines.T
    line = slopes[hours] * expected + shares[hours] * calls
    off = np.abs(came - line) / np.sqrt(sd**2 + np.maximum(line, 1.0))
    many = expected > FEW_MISSES * calls
    spread = SD_OF_MEDIAN * float(np.median(off[many])) if many.sum() >= MIN_CHECKS else 1.0
    return BiasCorrections(tuple(shares.tolist()), tuple(slopes.tolist()), float(np.clip(spread, *SPREADS)))


def queue_wait_cv(verifications: Sequence[DayVerification], queue: str | None = None) -> float:
    """Return the least coefficient of variation under which the range held 8 of 10 waits, of a queue or of the pool."""
    usual = USUAL_WAIT_CV if queue is None else queue_wait_cv(verifications)
    rows = [
        counts
        for verification in verifications
        for name, counts in verification.interval_coverage.items()
        if counts[0] and (queue is None or name == queue_key(queue))
    ]
    if not rows:
        return usual
    callers, *interval_coverage = (float(count) for count in np.sum(rows, axis=0))
    seen = float(np.interp(HELD, np.maximum.accumulate(interval_coverage) / callers, QUEUE_WAIT_CVS))
    return (seen * callers + usual * USUAL_CALLERS) / (callers + USUAL_CALLERS)
