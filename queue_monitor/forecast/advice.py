"""The number of extra agents needed: one to clear the queue, one to save the day; the same simulation with n + k.

Source: docs/at-risk.md, step 7. It is an estimate, and marked as one wherever it is shown.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from msgspec import Struct

from queue_monitor.forecast.calls import Array
from queue_monitor.forecast.day import MINUTE, QueueState
from queue_monitor.forecast.day_inputs import DayInputs
from queue_monitor.forecast.projection import generator, misses_come, simulate_paths, so_far
from queue_monitor.model import HelpOption, Target

CLEAR_MINUTES: Final = 30
SAVED: Final = 0.8
"""The day counts as saved when it is reached with this chance."""

HOPE: Final = 0.1
"""The day is given up when its chance is less than this with everybody there answering calls."""

QUARTER_SECONDS: Final = 900
_PATHS: Final = 150


class AgentsNeeded(Struct, frozen=True, kw_only=True):
    """The extra agents needed. None means that `at_most` more are not enough; 0 that no more are needed.

    `to_clear`: the fewest for the target share over the next half hour, those waiting now included.
    `to_save`: the fewest for reaching the day's target with chance 0.8, if they stay until `save_until` (seconds after
        midnight; a whole quarter of an hour, or closing).
    `best_chance`: the chance of reaching it with `at_most` more.
    `options`: what each number of extra agents would change.
    """

    to_clear: int | None
    to_save: int | None
    save_until: float | None
    at_most: int
    best_chance: float
    options: tuple[HelpOption, ...]

    @property
    def reachable(self) -> bool:
        """Return whether the people there are can still change how the day ends."""
        return self.best_chance >= HOPE


def agents_needed(
    state: QueueState,
    ahead: DayInputs,
    target: Target,
    pool: str = "",
    at_most: int = 6,
    starts_after_minutes: int = 10,
) -> AgentsNeeded:
    """Search k = 0 .. `at_most` extra agents, who answer calls from `starts_after_minutes` on.

    Every k gets the same random numbers, so that more agents never look worse by luck.
    """
    length = len(ahead.agents)
    good_now, of_now = so_far(state.outcomes, target.definition)
    as_it_is = simulate_paths(state, ahead, target, generator(pool, state.day), _PATHS)
    come = misses_come(as_it_is, of_now, ahead)

    def staffed(k: int, until: int = length) -> Array:
        minutes = np.arange(length)
        added = (minutes >= starts_after_minutes) & (minutes < until)
        return ahead.agents + k * added

    def simulated(agents: Array, minutes: int | None) -> tuple[Array, Array]:
        paths = simulate_paths(state, ahead, target, generator(pool, state.day), _PATHS, agents, minutes)
        paths = paths.corrected(come, ahead.bias_correction.spread)
        return paths.good, paths.of

    def clears(k: int) -> bool:
        good, of = simulated(staffed(k), CLEAR_MINUTES)
        return float(good.sum()) >= target.ratio * float(of.sum())

    @cache
    def outcome(k: int, until: int = length) -> tuple[float, float]:
        """Return the chance of reaching the target, and the expected share."""
        good, of = simulated(staffed(k, until), None)
        good, of = good_now + good, of_now + of
        return float((good >= target.ratio * of).mean()), float(good.sum() / max(1.0, float(of.sum())))

    def chance(k: int, until: int = length) -> float:
        return outcome(k, until)[0]

    def option(k: int) -> HelpOption:
        reached, share = outcome(k)
        return HelpOption(more=k, p_miss=1.0 - reached, expected_share=share)

    def saves(k: int, until: int = length) -> bool:
        return chance(k, until) >= SAVED

    to_clear, to_save = _fewest(clears, at_most), _fewest(saves, at_most)
    until = None
    if to_save and length:
        until = stated_until(state.at + MINUTE * _earliest(lambda end: saves(to_save, end), length), state.closes)
    return AgentsNeeded(
        to_clear=to_clear,
        to_save=to_save,
        save_until=until,
        at_most=at_most,
        best_chance=chance(at_most),
        options=tuple(map(option, range(at_most + 1))),
    )


def _fewest(enough: Callable[[int], bool], at_most: int) -> int | None:
    """Return the smallest number that is enough, by halving; None if not even the largest is."""
    if enough(0):
        return 0
    if at_most < 1 or not enough(at_most):
        return None
    low, high = 0, at_most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _earliest(enough: Callable[[int], bool], length: int) -> int:
    """Return the first end, in half hours from now, that is enough; the whole rest of the day is known to be."""
    ends = [*range(30, length, 30), length]
    found = _fewest(lambda index: enough(ends[index]), len(ends) - 1)
    return int(ends[-1 if found is None else found])


def stated_until(until: float, closes: float) -> float:
    """Return the next whole quarter of an hour, for it is an estimate; never later than closing."""
    return float(min(until + -until % QUARTER_SECONDS, closes))
