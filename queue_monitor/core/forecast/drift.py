"""Today's level against the usual one, when a level mostly stays, drifts a little, and now and then jumps.

A Bayesian filter on a grid (Hamilton 1989, switching regimes; Adams & MacKay 2007, change points): precise on a day
like others, quick on a day that changes, and it says how sure it is.
"""

from typing import Final

import numpy as np
from msgspec import Struct

from queue_monitor.core.forecast.day import Array

GRID: Final = np.round(np.arange(-1.0, 1.4001, 0.05), 2)
"""Levels on the log scale: 0.37 to 4.1 times the usual."""


class Drift(Struct, frozen=True, kw_only=True):
    """`day_sd`: how days differ. `walk_sd`: drift in an hour. `jumps`: chance an hour of a jump to a level with sd
    `jump_sd` about the usual. All on the log scale.
    """

    day_sd: float = 0.06
    walk_sd: float = 0.02
    jumps: float = 0.01
    jump_sd: float = 0.25


def filtered(counts: Array, expected: Array, hours: float, drift: Drift, information: float = 1.0) -> Array:
    """Chance of each level of `GRID` now, given counts and what was expected in steps of so many `hours`.

    Counts are Poisson with mean expected x level; `information` is how much more (or less) a count tells than a
    Poisson one: 1 / its variance-to-mean ratio.
    """
    level = np.exp(GRID)
    chance = _bell(drift.day_sd)
    kernel = _walk(drift.walk_sd * hours**0.5)
    jump, anywhere = 1.0 - np.exp(-drift.jumps * hours), _bell(drift.jump_sd)
    for count, mean in zip(counts, expected, strict=True):
        chance = (1.0 - jump) * (kernel @ chance) + jump * anywhere
        told = information * (count * GRID - mean * level)
        chance = chance * np.exp(told - told.max())
        chance /= chance.sum()
    return chance


def mean_level(chance: Array) -> float:
    """The expected level, 1 is usual."""
    return float(chance @ np.exp(GRID))


def draw_levels(chance: Array, rng: np.random.Generator, paths: int) -> Array:
    """A level for each path, spread within the grid's steps."""
    at = np.searchsorted(np.cumsum(chance), rng.random(paths) * chance.sum(), side="right")
    step = GRID[1] - GRID[0]
    levels: Array = np.exp(GRID[np.minimum(at, len(GRID) - 1)] + step * (rng.random(paths) - 0.5))
    return levels


def _bell(sd: float) -> Array:
    shape = np.exp(-0.5 * (GRID / max(sd, 0.01)) ** 2) + 1e-12
    bell: Array = shape / shape.sum()
    return bell


def _walk(sd: float) -> Array:
    """Transitions between neighbours on the grid with this standard deviation; columns add up to 1."""
    step = GRID[1] - GRID[0]
    aside = min(0.5 * (sd / step) ** 2, 0.3)
    n = len(GRID)
    walk = (1.0 - 2.0 * aside) * np.eye(n) + aside * (np.eye(n, k=1) + np.eye(n, k=-1))
    moves: Array = walk / walk.sum(axis=0)
    return moves
