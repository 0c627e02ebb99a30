"""The rest of the day lived a few hundred times, and how often it ends under the target.

The queue with hang-ups (Erlang A) in steps of one minute: Poisson calls, departures by the diffusion of Garnett,
Mandelbaum & Reiman (2002, "Designing a call center with impatient customers") with the handle time's own variation.
Each path carries its own lasting errors of rate and capacity. AT-RISK, step 5.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.core.forecast.day import MINUTE, Array, QueueState, Tally
from queue_monitor.core.forecast.drift import draw_levels
from queue_monitor.core.forecast.erlang import in_time_chance, normal_below
from queue_monitor.core.forecast.outlook import Outlook
from queue_monitor.model import DefinitionId, Target

PATHS: Final = 300


class Projection(Struct, frozen=True, kw_only=True):
    """How the day may end. `p_miss`: chance of ending under the target. `low` and `high` are the 10 and 90 % ends of
    the share. Calls and misses are of the whole day by the definition; `budget` is how many misses the day can bear.
    `certain`: misses already; `near_certain`: those waiting now who will most likely not make it.
    """

    p_miss: float
    expected_share: float
    low: float
    high: float
    misses_expected: float
    calls_expected: float
    budget: float
    certain: int
    near_certain: int
    rate_ratio: float = 1.0
    agents_ratio: float = 1.0
    handle_ratio: float = 1.0
    staff_known: bool = True


class Weights(Struct, frozen=True):
    """What each fate counts as under a definition: in time, late answer, hang-up short, in time, late, left."""

    good: Array
    of: Array


def weights(definition: DefinitionId) -> Weights:
    """The formulas of `service_level` as weights on the fates of `Tally`."""
    of = {
        DefinitionId.D1: (1, 1, 0, 0, 0, 0, 0),
        DefinitionId.D2: (1, 1, 1, 1, 1, 1, 1),
        DefinitionId.D3: (1, 1, 0, 1, 1, 1, 1),
        DefinitionId.D4: (1, 1, 0, 0, 1, 1, 1),
        DefinitionId.D5: (1, 1, 1, 1, 1, 1, 1),
    }[definition]
    good = (1, 0, 1, 1, 0, 0, 0) if definition is DefinitionId.D5 else (1, 0, 0, 0, 0, 0, 0)
    return Weights(np.array(good, float), np.array(of, float))


def so_far(tally: Tally, definition: DefinitionId) -> tuple[float, float]:
    """Good and counted calls until now; one waiting past the limit counts as lost already."""
    rule, counts = weights(definition), np.array(tally, float)
    return float(rule.good @ counts), float(rule.of @ counts)


def generator(pool: str, state: QueueState) -> np.random.Generator:
    """Chance that depends on pool, day and tick only: two runs are equal to the byte."""
    return np.random.default_rng([*pool.encode(), state.day.toordinal(), int(state.at * 1000)])


class Paths(Struct, frozen=True):
    """Good and counted calls of the whole day, path by path; and the same over the first `horizon` minutes only."""

    good: Array
    of: Array


def simulate_paths(
    state: QueueState,
    ahead: Outlook,
    target: Target,
    rng: np.random.Generator,
    paths: int = PATHS,
    agents: Array | None = None,
    minutes: int | None = None,
) -> Paths:
    """Good and counted calls still to come on each path: those waiting now, then those who ring until closing, or
    for so many minutes.
    """
    agents = ahead.agents if agents is None else agents
    steps = len(ahead.calls) if minutes is None else min(minutes, len(ahead.calls))
    rule = weights(target.definition)
    rate_error = np.exp(ahead.rate_sd * rng.standard_normal(paths))
    capacity_error = np.exp(ahead.capacity_sd * rng.standard_normal(paths))
    mu = MINUTE / ahead.handle_seconds * draw_levels(ahead.speeds, rng, paths) * capacity_error
    arriving = _arrivals(ahead, rate_error, steps, rng, paths)
    noise = rng.standard_normal((steps, paths))
    first = _waiting_now(state, ahead, target, max(agents[0], 0.2) * mu if steps else np.full(paths, 1e-3))
    in_system = np.full(paths, len(state.waiting) + min(float(state.serving), agents[0] if steps else 0.0))
    theta, positions = ahead.theta * MINUTE, np.empty((steps, paths))
    for step in range(steps):
        n, came = agents[step], arriving[step]
        middle = in_system + 0.5 * (came - np.minimum(in_system, n) * mu)
        served = np.minimum(middle, n) * mu
        hung_up = np.maximum(middle - n, 0.0) * theta
        positions[step] = middle - n + 0.5
        in_system = in_system + came - served - hung_up
        in_system += np.sqrt(served * ahead.handle_cv2 + hung_up) * noise[step]
        np.maximum(in_system, 0.0, out=in_system)
    good, of = _newcomers(positions, agents[:steps, None] * mu / MINUTE, ahead, target)
    good = rule.good @ first + (arriving * good).sum(axis=0)
    return Paths(good, rule.of @ first + (arriving * of).sum(axis=0))


def _newcomers(position: Array, capacity: Array, ahead: Outlook, target: Target) -> tuple[Array, Array]:
    """How good, and how counted, a call of each minute (rows) of each path is: 1 each if it needs not wait."""
    rule, waits = weights(target.definition), position > 0.0
    good, of = np.ones_like(position), np.ones_like(position)
    fate = _fate(position[waits], np.broadcast_to(capacity, position.shape)[waits], ahead, target)
    good[waits], of[waits] = rule.good @ fate, rule.of @ fate
    return good, of


def _arrivals(ahead: Outlook, error: Array, steps: int, rng: np.random.Generator, paths: int) -> Array:
    """Calls in each minute (rows) on each path: usual x [slow + (fast - slow) exp(-h / fades)] x lasting error."""
    slow = rng.gamma(ahead.slow[0], 1.0 / ahead.slow[1], paths)
    fast = slow * draw_levels(ahead.passing, rng, paths)
    fading = np.exp(-np.arange(steps) / ahead.fast_fades)[:, None]
    rates = ahead.calls[:steps, None] * (slow + (fast - slow) * fading) * error
    return rng.poisson(rates).astype(np.float64)


def _fate(position: Array, capacity: Array, ahead: Outlook, target: Target) -> Array:
    """Chances of the seven fates of `Tally` (rows) for one who enters at a place in line, `capacity` calls a second;
    patience exponential. Who is waiting past the limit is not told apart from how that ends: both are lost.
    """
    limit, short, theta = float(target.limit_seconds), float(target.short_abandon_seconds), ahead.theta
    wait, makes_it = in_time_chance(position, capacity, theta, limit, ahead.scatter)
    in_time = makes_it * np.exp(-theta * np.minimum(wait, limit))
    hung_up_short = 1.0 - np.exp(-theta * np.minimum(wait, short))
    still_there = (1.0 - makes_it) * np.exp(-theta * limit)
    late = (1.0 - makes_it) * np.exp(-theta * np.maximum(wait, limit))
    hung_up = np.maximum(1.0 - in_time - hung_up_short - still_there, 0.0)
    nothing = np.zeros_like(wait)
    return np.stack([in_time, late, hung_up_short, hung_up, still_there - late, nothing, nothing])


def _waiting_now(state: QueueState, ahead: Outlook, target: Target, capacity: Array) -> Array:
    """Fates of those who wait now and are inside the limit, added up for each path. `capacity` in calls a minute."""
    left = target.limit_seconds - state.waiting
    fate = np.zeros((7, len(capacity)))
    if not (left >= 0.0).any():
        return fate
    per_second = capacity / MINUTE
    steps = 1.0 / (per_second[:, None] + ahead.theta * np.arange(len(left)))
    wait = np.cumsum(steps, axis=1)
    spread = np.sqrt(np.cumsum(steps**2, axis=1) + (ahead.scatter * wait) ** 2)
    inside = left >= 0.0
    makes_it = normal_below((left - wait) / spread)
    stays = np.exp(-ahead.theta * np.clip(np.minimum(wait, left), 0.0, None))
    in_time = (makes_it * stays)[:, inside].sum(axis=1)
    late = ((1.0 - makes_it) * stays)[:, inside].sum(axis=1)
    fate[0], fate[1] = in_time, late
    fate[3] = inside.sum() - in_time - late
    return fate


def project(
    state: QueueState, ahead: Outlook, target: Target, rng: np.random.Generator, paths: int = PATHS
) -> Projection:
    """How the day may end, from `state` as it is now and the rest of the day as it looks."""
    good_now, of_now = so_far(state.tally, target.definition)
    lived = simulate_paths(state, ahead, target, rng, paths)
    good, of = good_now + lived.good, of_now + lived.of
    share = np.divide(good, of, out=np.ones_like(of), where=of > 0)
    return Projection(
        p_miss=float((share < target.ratio - 1e-9).mean()),
        expected_share=float(share.mean()),
        low=float(np.quantile(share, 0.1)),
        high=float(np.quantile(share, 0.9)),
        misses_expected=float((of - good).mean()),
        calls_expected=float(of.mean()),
        budget=float((1.0 - target.ratio) * of.mean()),
        certain=int(of_now - good_now),
        near_certain=_near_certain(state, ahead, target),
        rate_ratio=ahead.rate_ratio,
        agents_ratio=ahead.agents_ratio,
        handle_ratio=ahead.handle_ratio,
        staff_known=ahead.staff_known,
    )


def _near_certain(state: QueueState, ahead: Outlook, target: Target) -> int:
    """Those waiting, inside the limit still, whose wait so far and predicted rest go past it."""
    capacity = max(float(ahead.agents[0]) if len(ahead.agents) else 0.0, 0.2) / ahead.handle_seconds
    rest = np.cumsum(1.0 / (capacity + ahead.theta * np.arange(len(state.waiting))))
    inside: NDArray[np.bool_] = state.waiting <= target.limit_seconds
    return int((inside & (state.waiting + rest > target.limit_seconds)).sum())
