"""The expected wait of the next caller, and the chances of each who waits now: QL_m with a gamma range.

Where the speed of the line is not known there is no figure. Whitt (1999), "Predicting queueing delays", and Ibrahim &
Whitt (2009) for queues with hang-ups: docs/at-risk.md, step 8.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct, structs

from queue_monitor.forecast.bias_correction import LIKE_ITS_POOL, QUEUE_WAIT_CVS, OwnWait
from queue_monitor.forecast.calls import Array
from queue_monitor.forecast.day import QueueState, WaitingLine
from queue_monitor.forecast.day_inputs import DayInputs
from queue_monitor.forecast.level_filter import mean_level
from queue_monitor.model import ExpectedWait, WaitBasis
from queue_monitor.queues import queue_key

RING_SECONDS: Final = 4.0
TEN_PERCENT: Final = 1.2815515655446004
"""The normal quantile that leaves a tenth above it."""
SOON_MINUTES: Final = 6
FEW: Final = 0.4
"""With fewer agents than this share of the expected, a forecast of the wait would mean nothing."""


class ServiceSpeed(Struct, frozen=True):
    """The speed at which a line moves; it holds for the next few minutes.

    `capacity`: calls finished a second by all agents together.
    `abandonment_rate`: hang-ups per second of waiting.
    `wait_cv`: the spread of waits about the expected one, as a share of it.
    """

    capacity: float
    abandonment_rate: float
    wait_cv: float

    def in_time(self, waited_seconds: Sequence[float], limit_seconds: float) -> list[float]:
        """Return each waiting caller's chance to be answered within the limit by staying; the first in line comes
        first.
        """
        mean, variance = _behind(np.arange(float(len(waited_seconds))), self)
        return [
            gamma_below(limit_seconds - waited, rest + RING_SECONDS, spread)
            for waited, rest, spread in zip(waited_seconds, mean.tolist(), variance.tolist(), strict=True)
        ]


def expected_wait(
    state: WaitingLine | QueueState, ahead: DayInputs, queue: str = "", own: OwnWait = LIKE_ITS_POOL
) -> ExpectedWait:
    """Return the wait that a caller who rings now should expect, the ring at the agent included; in one queue of the
    pool by its `own`.

    A free agent answers at once only where agents are listed, and for the caller's queue: inferred agents may have left
    (on a real log a quarter of such callers waited a minute). Otherwise one step of the queue is the estimate.
    """
    moves = service_speed(state, ahead)
    if moves is None:
        return ExpectedWait(None, None, None, WaitBasis.UNKNOWN)
    in_line = max(0, len(state.waiting) - state.ringing)
    someone_free = state.agents > state.serving and (not queue or queue_key(queue) in state.free)
    if ahead.staff_known and not in_line and someone_free:
        return ExpectedWait(RING_SECONDS, 0.0, 2.0 * RING_SECONDS, WaitBasis.AT_ONCE)
    if own.wait_cv is not None:
        moves = structs.replace(moves, wait_cv=own.wait_cv)
    mean, variance = _behind(np.arange(in_line + 1.0), moves)
    return _range(own.factor * (float(mean[-1]) + RING_SECONDS), own.factor**2 * float(variance[-1]), _basis(ahead))


def interval_hits(
    waited: float, state: WaitingLine | QueueState, ahead: DayInputs, queue: str, own: OwnWait = LIKE_ITS_POOL
) -> tuple[int, ...]:
    """Return 1, and for each of `QUEUE_WAIT_CVS` whether the forecast range would have held this wait (s).

    All are 0 where there would have been no range.
    """
    candidates = (structs.replace(own, wait_cv=wait_cv) for wait_cv in QUEUE_WAIT_CVS)
    ranges = [expected_wait(state, ahead, queue, candidate).range for candidate in candidates]
    return int(None not in ranges), *(int(one is not None and one[0] <= waited <= one[1]) for one in ranges)


def service_speed(state: WaitingLine | QueueState, ahead: DayInputs) -> ServiceSpeed | None:
    """Return how the line moves over the next minutes; None where nobody is there, or far fewer than expected."""
    speed_by_slot = 1.0
    if not len(ahead.agents):
        agents = expected = float(state.agents)
    else:
        soon = (ahead.agents, ahead.typical, ahead.speed_by_slot)
        agents, expected, speed_by_slot = (float(by_minute[:SOON_MINUTES].mean()) for by_minute in soon)
    if state.agents <= 0 or agents <= 0.0 or agents < FEW * expected:
        return None
    capacity = agents * speed_by_slot * ahead.service_speed * mean_level(ahead.speeds) / ahead.handle_seconds
    return ServiceSpeed(float(capacity), float(ahead.abandonment_rate), float(ahead.queue_wait_cv))


def gamma_quantile(z: float, mean: float, variance: float) -> float:
    """Return the quantile of a gamma at normal quantile `z`.

    Wilson & Hilferty 1931, within 1 % of the mean for shapes over 1.
    """
    shape = mean * mean / variance
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
    return mean * max(root, 0.0) ** 3


def gamma_below(limit: float, mean: float, variance: float) -> float:
    """Return the chance that a gamma is at most `limit`, by the same transformation as `gamma_quantile`."""
    if limit <= 0.0:
        return 0.0
    shape = mean * mean / variance
    z = ((limit / mean) ** (1.0 / 3.0) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * math.sqrt(shape)
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def _behind(ahead_of_one: Array, moves: ServiceSpeed) -> tuple[Array, Array]:
    """Return mean and variance of the wait behind 0, 1, ... callers; the variance includes the
    speed's own uncertainty.
    """
    steps = 1.0 / (moves.capacity + moves.abandonment_rate * ahead_of_one)
    mean = np.cumsum(steps)
    return mean, np.cumsum(steps**2) + (moves.wait_cv * mean) ** 2


def _range(mean: float, variance: float, basis: WaitBasis) -> ExpectedWait:
    low, high = gamma_quantile(-TEN_PERCENT, mean, variance), gamma_quantile(TEN_PERCENT, mean, variance)
    return ExpectedWait(mean, low, high, basis)


def _basis(ahead: DayInputs) -> WaitBasis:
    return WaitBasis.STAFF if ahead.staff_known else WaitBasis.SERVED_LATELY
