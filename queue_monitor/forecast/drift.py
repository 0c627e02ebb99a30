"""Today's level against the usual one, when a level mostly stays, drifts a little, and now and then jumps.

A Bayesian filter on a grid (Hamilton 1989, switching regimes; Adams & MacKay 2007, change points): precise on a day
like others, quick on a day that changes, and it says how sure it is.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from queue_monitor.forecast.calls import Array

GRID: Final = np.round(np.arange(-1.0, 1.4001, 0.05), 2)
"""Levels on the log scale: 0.37 to 4.1 times the usual."""

_EDGES: Final = np.concatenate([GRID - 0.025, GRID[-1:] + 0.025])


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
    told = information * (counts[:, None] * GRID - expected[:, None] * np.exp(GRID))
    likely = np.exp(told - told.max(axis=1, keepdims=True, initial=-np.inf))
    moves, chance = _moves(drift, hours), _bell(drift.day_sd)
    for number, step in enumerate(likely):
        chance = (moves @ chance) * step
        if number % 8 == 0:
            chance /= chance.sum()
    chance /= chance.sum()
    return chance


def mean_level(chance: Array) -> float:
    """The expected level, 1 is usual."""
    return float(chance @ np.exp(GRID))


def draw_levels(chance: Array, shares: Array) -> Array:
    """A level for each of `shares` (0 to 1) of the distribution, spread within the grid's steps."""
    edges = np.concatenate([[0.0], np.cumsum(chance)]) / chance.sum()
    levels: Array = np.exp(np.interp(shares, edges, _EDGES))
    return levels


@lru_cache(maxsize=16)
def _moves(drift: Drift, hours: float) -> Array:
    """From each level (columns) to each other in one step: a drift to the neighbours, or a jump to anywhere."""
    jump = 1.0 - np.exp(-drift.jumps * hours)
    moves: Array = (1.0 - jump) * _walk(drift.walk_sd * hours**0.5) + jump * _bell(drift.jump_sd)[:, None]
    return moves


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
