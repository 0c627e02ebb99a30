"""Some hundred simulated courses of the rest of the day, and the share of them that end under the target.

The model is the queue with hang-ups (Erlang A) in steps of one minute: Poisson calls, departures by the diffusion of
Garnett, Mandelbaum & Reiman (2002, "Designing a call center with impatient customers") with the handle time's own
variation. Each path carries its own lasting errors of rate and capacity. Source: docs/at-risk.md, step 5.
"""

from datetime import date
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.forecast.calls import Array
from queue_monitor.forecast.day import MINUTE, OutcomeCounts, QueueState
from queue_monitor.forecast.day_inputs import DayInputs
from queue_monitor.forecast.erlang import in_time_chance, normal_below
from queue_monitor.forecast.level_filter import sample_levels
from queue_monitor.model import DefinitionId, Target

PATHS: Final = 300
MANY_CALLS: Final = 200.0


class Projection(Struct, frozen=True, kw_only=True):
    """The forecast of how the day ends. Calls and misses are of the whole day by the definition.

    `p_miss`: the chance of ending under the target.
    `low`, `high`: the 10 and 90 % ends of the share.
    `budget`: the misses that the day can bear.
    `gone_at`: when they are used up at the present rate, seconds after midnight; None when they are not.
    """

    p_miss: float
    expected_share: float
    low: float
    high: float
    misses_expected: float
    calls_expected: float
    budget: float
    gone_at: float | None
    rate_ratio: float = 1.0
    agents_ratio: float = 1.0
    handle_ratio: float = 1.0
    staff_known: bool = True


class Weights(Struct, frozen=True):
    """The weight of each outcome of `OutcomeCounts` under a definition, as a good call and as a counted one."""

    good: Array
    of: Array


def weights(definition: DefinitionId) -> Weights:
    """Return the formulas of `service_level` as weights on the outcomes of `OutcomeCounts`."""
    of = {
        DefinitionId.D1: (1, 1, 0, 0, 0, 0, 0),
        DefinitionId.D2: (1, 1, 1, 1, 1, 1, 1),
        DefinitionId.D3: (1, 1, 0, 1, 1, 1, 1),
        DefinitionId.D4: (1, 1, 0, 0, 1, 1, 1),
        DefinitionId.D5: (1, 1, 1, 1, 1, 1, 1),
    }[definition]
    good = (1, 0, 1, 1, 0, 0, 0) if definition is DefinitionId.D5 else (1, 0, 0, 0, 0, 0, 0)
    return Weights(np.array(good, float), np.array(of, float))


def so_far(outcomes: OutcomeCounts, definition: DefinitionId) -> tuple[float, float]:
    """Return the good and counted calls until now; a call waiting past the limit counts as lost already."""
    rule, counts = weights(definition), np.array(outcomes, float)
    return float(rule.good @ counts), float(rule.of @ counts)


def generator(pool: str, day: date) -> np.random.Generator:
    """Return a random generator that depends on pool and day only.

    Two runs are equal to the byte, and between two forecasts only the queue changes, not the random numbers.
    """
    return np.random.default_rng([*pool.encode(), day.toordinal()])


class Paths(Struct, frozen=True):
    """The good and counted calls to come, path by path.

    `moments`: seconds from now.
    `misses`: the misses expected until each of these moments.
    """

    good: Array
    of: Array
    moments: Array
    misses: Array

    def corrected(self, times: float, spread: float) -> "Paths":
        """Return the paths with `times` the misses, and with `spread` times the distance between paths."""
        missed = times * (self.of - self.good)
        mean = missed.mean()
        missed = np.clip(mean + spread * (missed - mean), 0.0, self.of)
        return Paths(self.of - missed, self.of, self.moments, times * self.misses)


class _Grid(NamedTuple):
    """The rest of the day in steps: of one minute at first, of two and three minutes later, where less depends on each.

    `first`: the minute at which each step begins.
    `length`: its minutes.
    `middle`: minutes from now to its middle.
    """

    first: NDArray[np.int64]
    length: Array
    middle: Array

    def total(self, by_minute: Array) -> Array:
        """Return sums by step of values given by minute."""
        sums: Array = np.add.reduceat(by_minute, self.first)
        return sums


def _grid(minutes: int) -> _Grid:
    edges = np.concatenate([np.arange(0, 30, 1), np.arange(30, 90, 2), np.arange(90, max(minutes, 91), 3)])
    first = edges[edges < minutes]
    length = np.diff(first, append=minutes).astype(np.float64)
    return _Grid(first, length, first + (length - 1.0) / 2.0)


def simulate_paths(
    state: QueueState,
    ahead: DayInputs,
    target: Target,
    rng: np.random.Generator,
    paths: int = PATHS,
    agents: Array | None = None,
    minutes: int | None = None,
) -> Paths:
    """Return the good and counted calls still to come on each path: those waiting now, then those who ring until
    closing.

    With `minutes`, only the callers of the next `minutes` minutes.
    """
    agents = ahead.agents if agents is None else agents
    steps = len(ahead.calls) if minutes is None else min(minutes, len(ahead.calls))
    rule = weights(target.definition)
    rate_error = np.exp(ahead.rate_sd * _normals(rng, paths))
    capacity_error = np.exp(ahead.capacity_sd * _normals(rng, paths))
    mu = (
        MINUTE
        / ahead.handle_seconds
        * ahead.service_speed
        * sample_levels(ahead.speeds, _shares(rng, paths))
        * capacity_error
    )
    soon = max(agents[0], 0.2) * ahead.speed_by_slot[0] * mu if steps else np.full(paths, 1e-3)
    first = _waiting_now(state, ahead, target, soon)
    at_first = rule.good @ first, rule.of @ first
    if not steps:
        return Paths(*at_first, np.empty(0), np.empty(0))
    grid = _grid(steps)
    staff, speed_by_slot = (grid.total(what[:steps]) / grid.length for what in (agents, ahead.speed_by_slot))
    arriving = _arrivals(ahead, grid, rate_error, rng, paths)
    freed = speed_by_slot[:, None] * mu
    position = _positions(state, ahead, grid, staff, freed, arriving, rng)
    good, of = _newcomers(position, staff[:, None] * freed / MINUTE, ahead, target)
    gained, counted = arriving * good, arriving * of
    missed = (counted - gained).mean(axis=1).cumsum() + float((at_first[1] - at_first[0]).mean())
    good, of = at_first[0] + gained.sum(axis=0), at_first[1] + counted.sum(axis=0)
    return Paths(
        good=good,
        of=of,
        moments=MINUTE * (grid.first + grid.length),
        misses=missed,
    )


def _positions(
    state: QueueState,
    ahead: DayInputs,
    grid: _Grid,
    staff: Array,
    freed: Array,
    arriving: Array,
    rng: np.random.Generator,
) -> Array:
    """Return the place in line of a newcomer of each step (rows) on each path; 0 or less means that an agent is free.

    `freed`: calls that one agent finishes in a minute.
    """
    noise = rng.standard_normal(arriving.shape)
    in_line = max(0, len(state.waiting) - state.ringing)
    in_system = np.full(arriving.shape[1], in_line + min(float(state.serving), staff[0]))
    position = np.empty_like(arriving)
    for step, (n, minutes) in enumerate(zip(staff.tolist(), grid.length.tolist(), strict=True)):
        came, served_in, patience = arriving[step], freed[step] * minutes, ahead.abandonment_rate * MINUTE * minutes
        middle = in_system + 0.5 * (came - np.minimum(in_system, n) * served_in)
        np.maximum(middle, 0.0, out=middle)
        line = np.maximum(middle - n, 0.0)
        served = (middle - line) * served_in
        hung_up = line * patience
        position[step] = middle - (n - 0.5)
        spread = np.sqrt(served * ahead.handle_cv2 + hung_up)
        in_system = in_system + came - served - hung_up + spread * noise[step]
        np.maximum(in_system, 0.0, out=in_system)
    return position


def _newcomers(position: Array, capacity: Array, ahead: DayInputs, target: Target) -> tuple[Array, Array]:
    """Return the weight as good, and as counted, of a call of each step (rows) of each path: 1 each if it need not
    wait.
    """
    waits = position > 0.0
    good, of = np.ones_like(position), np.ones_like(position)
    good[waits], of[waits] = _worth(position[waits], capacity[waits], ahead, target)
    return good, of


def _arrivals(ahead: DayInputs, grid: _Grid, error: Array, rng: np.random.Generator, paths: int) -> Array:
    """Return the calls in each step (rows) on each path: usual x [slow + (fast - slow) exp(-h / fades)] x lasting
    error, with Poisson variation.

    Where many are to come a normal number is used, and costs a tenth; it may fall below 0 in a step, so that the mean
    stays right.
    """
    slow = _gamma(*ahead.slow, _normals(rng, paths))
    fast = slow * sample_levels(ahead.passing, _shares(rng, paths))
    fading = np.exp(-grid.middle / ahead.fast_fades)[:, None]
    usual = grid.total(ahead.calls[: int(grid.length.sum())])[:, None]
    expected = usual * (slow * error + (fast - slow) * error * fading)
    if float(usual.sum()) < MANY_CALLS:
        return rng.poisson(expected).astype(np.float64)
    return expected + np.sqrt(expected) * rng.standard_normal(expected.shape)


def _worth(position: Array, capacity: Array, ahead: DayInputs, target: Target) -> tuple[Array, Array]:
    """Return the weight as good, and as counted, of a call that enters at a place in line.

    `capacity` is in calls a second; patience is exponential. The definition weighs the seven outcomes of
    `OutcomeCounts`. A caller who waits past the limit is lost, however the wait ends.
    """
    rule = weights(target.definition)
    limit, short, abandonment_rate = (
        float(target.limit_seconds),
        float(target.short_abandon_seconds),
        ahead.abandonment_rate,
    )
    wait, makes_it = in_time_chance(position, capacity, abandonment_rate, limit, ahead.wait_cv)
    in_time = makes_it * np.exp(-abandonment_rate * np.minimum(wait, limit))
    of = np.ones_like(wait)
    good = in_time
    if rule.of[2] != 1.0 or rule.good[2] != 0.0:
        short_hang_up = 1.0 - np.exp(-abandonment_rate * np.minimum(wait, short))
        of = of - (1.0 - rule.of[2]) * short_hang_up
        good = good + rule.good[2] * short_hang_up
    if rule.of[3] != 1.0 or rule.good[3] != 0.0:
        still_there = (1.0 - makes_it) * np.exp(-abandonment_rate * limit)
        hung_up = np.maximum(np.exp(-abandonment_rate * np.minimum(wait, short)) - in_time - still_there, 0.0)
        of = of - (1.0 - rule.of[3]) * hung_up
        good = good + rule.good[3] * hung_up
    if rule.of[4] != 1.0:
        gave_up_late = (1.0 - makes_it) * (
            np.exp(-abandonment_rate * limit) - np.exp(-abandonment_rate * np.maximum(wait, limit))
        )
        of = of - (1.0 - rule.of[4]) * gave_up_late
    return good, of


@lru_cache(maxsize=8)
def _quantiles(paths: int) -> Array:
    """Return the normal distribution's quantiles at the middle of `paths` equal shares."""
    return np.array([NormalDist().inv_cdf((path + 0.5) / paths) for path in range(paths)])


def _normals(rng: np.random.Generator, paths: int) -> Array:
    """Return shuffled normal numbers, one from each of `paths` equal shares of the distribution.

    They are stratified (McKay et al. 1979, Latin hypercube): a lasting error then has its right spread on few paths.
    """
    shuffled: Array = rng.permutation(_quantiles(paths))
    return shuffled


def _shares(rng: np.random.Generator, paths: int) -> Array:
    """Return numbers between 0 and 1, one from each of `paths` equal shares."""
    shares: Array = (rng.permutation(paths) + rng.random(paths)) / paths
    return shares


def _gamma(shape: float, rate: float, normals: Array) -> Array:
    """Return gamma numbers made from normal ones: Wilson & Hilferty 1931, exact enough for shapes of ten and more."""
    third = 1.0 / (9.0 * shape)
    numbers: Array = shape / rate * np.maximum(1.0 - third + normals * third**0.5, 0.0) ** 3
    return numbers


def _waiting_now(state: QueueState, ahead: DayInputs, target: Target, capacity: Array) -> Array:
    """Return the outcomes of the callers who wait now inside the limit, added up for each path.

    `capacity` is in calls a minute.
    """
    left = target.limit_seconds - state.waiting
    outcome = np.zeros((7, len(capacity)))
    if not (left >= 0.0).any():
        return outcome
    per_second = capacity / MINUTE
    place = np.arange(len(left)) - state.ringing
    steps = np.where(place < 0, 1.0, 1.0 / (per_second[:, None] + ahead.abandonment_rate * np.maximum(place, 0)))
    wait = np.cumsum(steps, axis=1)
    spread = np.sqrt(np.cumsum(steps**2, axis=1) + (ahead.wait_cv * wait) ** 2)
    inside = left >= 0.0
    makes_it = normal_below((left - wait) / spread)
    stays = np.exp(-ahead.abandonment_rate * np.clip(np.minimum(wait, left), 0.0, None))
    in_time = (makes_it * stays)[:, inside].sum(axis=1)
    late = ((1.0 - makes_it) * stays)[:, inside].sum(axis=1)
    outcome[0], outcome[1] = in_time, late
    outcome[3] = inside.sum() - in_time - late
    return outcome


def misses_come(plain: Paths, of_now: float, ahead: DayInputs) -> float:
    """Return the real misses per forecast one on these paths, by the correction that past days have given."""
    return ahead.bias_correction.times(float((plain.of - plain.good).mean()), of_now + float(plain.of.mean()))


def project(
    state: QueueState, ahead: DayInputs, target: Target, rng: np.random.Generator, paths: int = PATHS
) -> Projection:
    """Return how the day may end, from `state` now and the rest of the day as expected."""
    good_now, of_now = so_far(state.outcomes, target.definition)
    plain = simulate_paths(state, ahead, target, rng, paths)
    corrected = plain.corrected(misses_come(plain, of_now, ahead), ahead.bias_correction.spread)
    good, of = good_now + corrected.good, of_now + corrected.of
    share = np.sort(np.divide(good, of, out=np.ones_like(of), where=of > 0))
    expected = float(share.mean())
    return Projection(
        p_miss=float((share < target.ratio - 1e-9).mean()),
        expected_share=expected,
        low=min(expected, float(share[int(0.1 * (paths - 1))])),  # of a few calls nearly all paths end alike
        high=max(expected, float(share[int(0.9 * (paths - 1))])),
        misses_expected=float((of - good).mean()),
        calls_expected=float(of.mean()),
        budget=float((1.0 - target.ratio) * of.mean()),
        gone_at=_gone_at(state, corrected, of_now - good_now, (1.0 - target.ratio) * float(of.mean())),
        rate_ratio=ahead.rate_ratio,
        agents_ratio=ahead.agents_ratio,
        handle_ratio=ahead.handle_ratio,
        staff_known=ahead.staff_known,
    )


def _gone_at(state: QueueState, corrected: Paths, missed: float, budget: float) -> float | None:
    """Return when the expected misses pass those that the day can bear; None when they do not, or have already."""
    beyond = np.nonzero(missed + corrected.misses > budget)[0]
    return None if missed > budget or not len(beyond) else state.at + float(corrected.moments[beyond[0]])
