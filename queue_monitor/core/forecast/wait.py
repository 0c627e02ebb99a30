"""How long the next caller should expect to wait, and each who waits now: QL_m with a gamma range, or an honest guess.

Whitt (1999), "Predicting queueing delays", and Ibrahim & Whitt (2009) for queues with hang-ups. AT-RISK, step 8.
"""

import math
from enum import StrEnum
from typing import Final

import numpy as np
from msgspec import Struct

from queue_monitor.core.forecast.day import Array, Line, QueueState
from queue_monitor.core.forecast.drift import mean_level
from queue_monitor.core.forecast.outlook import Outlook

RING_SECONDS: Final = 4.0
TEN_PERCENT: Final = 1.2815515655446004
"""The normal quantile that leaves a tenth above it."""
SOON_MINUTES: Final = 6
FEW: Final = 0.4
"""With fewer agents than this share of the expected, what is said of the wait would be fiction."""


class Basis(StrEnum):
    """What an expected wait rests on."""

    AT_ONCE = "at_once"
    STAFF = "staff"
    SERVED_LATELY = "served_lately"
    UNKNOWN = "unknown"


class ExpectedWait(Struct, frozen=True):
    """Seconds; `low` to `high` holds 8 of 10. All None where the basis is unknown."""

    expected: float | None
    low: float | None
    high: float | None
    basis: Basis

    def half_minutes(self) -> tuple[float, float] | None:
        """The range rounded outward to half minutes, in minutes."""
        if self.low is None or self.high is None:
            return None
        return math.floor(self.low / 30.0) / 2.0, math.ceil(self.high / 30.0) / 2.0


class RemainingWait(Struct, frozen=True):
    """Of one who waits: seconds so far, the rest, and the chance to be answered within the limit if he or she stays."""

    waited: float
    rest: ExpectedWait
    in_time: float | None


def expected_wait(state: Line | QueueState, ahead: Outlook) -> ExpectedWait:
    """What a caller who rings now should expect, the ring at the agent included.

    Somebody free is somebody who answers at once only where agents are told of: inferred ones may have left (on a
    real log a quarter of such callers waited a minute), and then one step of the queue is the guess.
    """
    capacity = capacity_now(state, ahead)
    if capacity is None:
        return ExpectedWait(None, None, None, Basis.UNKNOWN)
    if ahead.staff_known and not len(state.waiting) and state.agents > state.serving:
        return ExpectedWait(RING_SECONDS, 0.0, 2.0 * RING_SECONDS, Basis.AT_ONCE)
    mean, variance = _behind(np.arange(len(state.waiting) + 1.0), capacity, ahead)
    return _range(float(mean[-1]) + RING_SECONDS, float(variance[-1]), _basis(ahead))


def remaining_waits(state: QueueState, ahead: Outlook, limit_seconds: float) -> list[RemainingWait]:
    """The same for everyone who waits, first in line first."""
    capacity = capacity_now(state, ahead)
    if capacity is None:
        nothing = ExpectedWait(None, None, None, Basis.UNKNOWN)
        return [RemainingWait(waited, nothing, None) for waited in state.waiting.tolist()]
    mean, variance = _behind(np.arange(float(len(state.waiting))), capacity, ahead)
    return [
        RemainingWait(
            waited,
            _range(rest + RING_SECONDS, spread, _basis(ahead)),
            gamma_below(limit_seconds - waited, rest + RING_SECONDS, spread),
        )
        for waited, rest, spread in zip(state.waiting.tolist(), mean.tolist(), variance.tolist(), strict=True)
    ]


def capacity_now(state: Line | QueueState, ahead: Outlook) -> float | None:
    """Calls that all agents together finish a second over the next minutes, while callers wait; None where it cannot
    be said: nobody there, or far fewer than there should be.
    """
    if not len(ahead.agents):
        agents = expected = float(state.agents)
    else:
        agents, expected = float(ahead.agents[:SOON_MINUTES].mean()), float(ahead.typical[:SOON_MINUTES].mean())
    if state.agents <= 0 or agents < FEW * expected:
        return None
    return agents * mean_level(ahead.speeds) / ahead.handle_seconds


def gamma_quantile(z: float, mean: float, variance: float) -> float:
    """Quantile of a gamma at normal quantile `z`: Wilson & Hilferty 1931, within 1 % of the mean for shapes over 1."""
    shape = mean * mean / variance
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
    return mean * max(root, 0.0) ** 3


def gamma_below(limit: float, mean: float, variance: float) -> float:
    """Chance that a gamma is at most `limit`, by the same transformation."""
    if limit <= 0.0:
        return 0.0
    shape = mean * mean / variance
    z = ((limit / mean) ** (1.0 / 3.0) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * math.sqrt(shape)
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def _behind(ahead_of_one: Array, capacity: float, ahead: Outlook) -> tuple[Array, Array]:
    """Mean and variance of the wait behind 0, 1, ... callers; the speed's own doubt added to the variance."""
    steps = 1.0 / (capacity + ahead.theta * ahead_of_one)
    mean = np.cumsum(steps)
    return mean, np.cumsum(steps**2) + (ahead.wait_sd * mean) ** 2


def _range(mean: float, variance: float, basis: Basis) -> ExpectedWait:
    low, high = gamma_quantile(-TEN_PERCENT, mean, variance), gamma_quantile(TEN_PERCENT, mean, variance)
    return ExpectedWait(mean, low, high, basis)


def _basis(ahead: Outlook) -> Basis:
    return Basis.STAFF if ahead.staff_known else Basis.SERVED_LATELY
