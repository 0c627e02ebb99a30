"""The Erlang formulas: the share of callers who wait, and their waits, under constant calls, agents and handle time.

Load `a` is calls x mean handle time, in erlang. Rates are per second. The formulas are for a stationary queue: for "how
many more in the next half hour", where there is a queue already, `projection` steps through time instead.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEGLIGIBLE: Final = 1e-13
_POINTS: Final = 2001


def erlang_b(a: float, n: int) -> float:
    """Return the share of calls lost at `n` lines without a queue. A. K. Erlang 1917, by the recursion over lines
    (exact).
    """
    blocked = 1.0
    for lines in range(1, n + 1):
        blocked = a * blocked / (lines + a * blocked)
    return blocked


def erlang_c(a: float, n: int) -> float:
    """Return the share of calls that must wait when nobody hangs up; 1 where `n` <= `a`, for the queue then grows
    without end.

    Erlang 1917, by Erlang B.
    """
    if n <= a:
        return 1.0
    blocked = erlang_b(a, n)
    return n * blocked / (n - a * (1.0 - blocked))


def erlang_c_in_time(rate: float, handle_seconds: float, n: int, limit_seconds: float) -> float:
    """Return the share answered within the limit when nobody hangs up: 1 - C exp(-(n - a) limit / handle)."""
    a = rate * handle_seconds
    if n <= a:
        return 0.0
    return 1.0 - erlang_c(a, n) * math.exp(-(n - a) * limit_seconds / handle_seconds)


class ErlangA(NamedTuple):
    """The stationary queue with hang-ups. `mean_wait` is in seconds over all calls, also those
    of callers who hang up.
    """

    must_wait: float
    abandoned: float
    mean_wait: float
    in_time: float


def erlang_a(rate: float, handle_seconds: float, n: int, patience_seconds: float, limit_seconds: float) -> ErlangA:
    """Return the figures of M/M/n+M: exponential patience with mean `patience_seconds`.

    C. Palm 1957; the form of Mandelbaum & Zeltyn, "Service engineering in action: the Palm/Erlang-A queue", 2007.
    `in_time` is the share of all calls answered within the limit.
    A caller who meets all agents busy sees the offered wait v with density rate x P(n-1) x exp(rate H(v) - n mu v),
    H(v) = (1 - exp(-theta v)) / theta, and is answered if the patience is longer.
    """
    if rate <= 0.0 or n <= 0:
        return ErlangA(0.0, 0.0, 0.0, 1.0) if rate <= 0.0 else ErlangA(1.0, 1.0, patience_seconds, 0.0)
    mu, abandonment_rate = 1.0 / handle_seconds, 1.0 / patience_seconds
    chances = _state_chances(rate, mu, abandonment_rate, n)
    total = math.fsum(chances)
    must_wait = math.fsum(chances[n:]) / total
    waiting = math.fsum(k * chance for k, chance in enumerate(chances[n:])) / total
    v = np.linspace(0.0, limit_seconds, _POINTS)
    served = np.exp(
        -abandonment_rate * v + rate * (1.0 - np.exp(-abandonment_rate * v)) / abandonment_rate - n * mu * v
    )
    late_but_served = rate * chances[n - 1] / total * float(np.trapezoid(served, v))
    return ErlangA(must_wait, abandonment_rate * waiting / rate, waiting / rate, 1.0 - must_wait + late_but_served)


def _state_chances(rate: float, mu: float, abandonment_rate: float, n: int) -> list[float]:
    """Return the chances of 0, 1, ... calls in the system up to a common factor, the greatest of them 1."""
    peak = max(1, int(rate / mu)) if rate / mu < n else n + max(0, int((rate - n * mu) / abandonment_rate))
    down, up = [1.0], [1.0]
    for k in range(peak, 0, -1):
        down.append(down[-1] * (min(k, n) * mu + max(0, k - n) * abandonment_rate) / rate)
    k = peak
    while up[-1] > _NEGLIGIBLE or k < n:
        k += 1
        up.append(up[-1] * rate / (min(k, n) * mu + max(0, k - n) * abandonment_rate))
    return down[:0:-1] + up


def queue_wait(ahead: int, capacity: float, abandonment_rate: float) -> tuple[float, float]:
    """Return mean (s) and variance (s2) of the wait behind `ahead` callers: QL_m of Whitt 1999 and Ibrahim & Whitt
    2009.

    Every answer (at rate `capacity` = n mu) and every hang-up of a caller ahead (theta each) moves the queue one step:
    sum over i = 0 .. ahead of 1 / (capacity + i theta), and of its square.
    """
    steps = 1.0 / (capacity + abandonment_rate * np.arange(ahead + 1))
    return float(steps.sum()), float((steps**2).sum())


def in_time_chance(
    place: NDArray[np.float64], capacity: NDArray[np.float64], abandonment_rate: float, limit: float, wait_cv: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the offered wait (s) at a place in line, and the chance that it is within the limit.

    `capacity` is in calls a second. The wait is the fluid limit of QL_m, ln(1 + theta place / capacity) / theta, with
    variation 1 / sqrt(place) and `wait_cv` (as a share of the wait) for all that is not first come, first served;
    normal, in its logistic form.
    """
    wait = np.log1p(abandonment_rate * place / np.maximum(capacity, 1e-5)) / abandonment_rate
    spread = np.maximum(wait * np.sqrt(1.0 / np.maximum(place, 1.0) + wait_cv**2), 1.0)
    return wait, normal_below((limit - wait) / spread)


def normal_below(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-1.702 z)), within 0.01 of the normal distribution (Haley 1952)."""
    below: NDArray[np.float64] = 1.0 / (1.0 + np.exp(np.clip(-1.702 * z, -60.0, 60.0)))
    return below
