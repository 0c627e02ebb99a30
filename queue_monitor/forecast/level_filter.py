"""The filter of today's level against the usual one: a level mostly stays, drifts a little, and now and then jumps.

It is a Bayesian filter on a grid (Hamilton 1989, switching regimes; Adams & MacKay 2007, change points): precise on a
usual day, quick on a day that changes, and it gives its own uncertainty.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from queue_monitor.forecast.calls import Array

GRID: Final = np.round(np.arange(-1.0, 1.4001, 0.05), 2)
"""Levels on the log scale: 0.37 to 4.1 times the usual."""

_EDGES: Final = np.concatenate([GRID - 0.025, GRID[-1:] + 0.025])


class LevelFilter(Struct, frozen=True, kw_only=True):
    """The filter's settings, on the log scale.

    `day_sd`: standard deviation between days.
    `walk_sd`: drift in an hour.
    `jumps`: chance of a jump in an hour, to a level with standard deviation `jump_sd` about the usual one.
    """

    day_sd: float = 0.06
    walk_sd: float = 0.02
    jumps: float = 0.01
    jump_sd: float = 0.25


def filtered(counts: Array, expected: Array, hours: float, settings: LevelFilter, information: float = 1.0) -> Array:
    """Return the chance of each level of `GRID` now, given counts and expected counts in steps of `hours` hours.

    Counts are Poisson with mean expected x level. `information` is the information in a count compared with a Poisson
    one: 1 / its variance-to-mean ratio.
    """
    log_likelihood = information * (counts[:, None] * GRID - expected[:, None] * np.exp(GRID))
    likely = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True, initial=-np.inf))
    moves, chance = _moves(settings, hours), _bell(settings.day_sd)
    for number, step in enumerate(likely):
        chance = (moves @ chance) * step
        if number % 8 == 0:
            chance /= chance.sum()
    chance /= chance.sum()
    return chance


def mean_level(chance: Array) -> float:
    """Return the expected level; 1 is usual."""
    return float(chance @ np.exp(GRID))


def sample_levels(chance: Array, shares: Array) -> Array:
    """Return a level for each of `shares` (0 to 1) of the distribution, spread within the grid's steps."""
    edges = np.concatenate([[0.0], np.cumsum(chance)]) / chance.sum()
    levels: Array = np.exp(np.interp(shares, edges, _EDGES))
    return levels


@lru_cache(maxsize=16)
def _moves(settings: LevelFilter, hours: float) -> Array:
    """Return the chances of one step from each level (columns) to each other: a drift to the neighbours, or a jump to
    anywhere.
    """
    jump = 1.0 - np.exp(-settings.jumps * hours)
    moves: Array = (1.0 - jump) * _walk(settings.walk_sd * hours**0.5) + jump * _bell(settings.jump_sd)[:, None]
    return moves


def _bell(sd: float) -> Array:
    shape = np.exp(-0.5 * (GRID / max(sd, 0.01)) ** 2) + 1e-12
    bell: Array = shape / shape.sum()
    return bell


def _walk(sd: float) -> Array:
    """Return the transitions between neighbours on the grid with this standard deviation; columns add up to 1."""
    step = GRID[1] - GRID[0]
    aside = min(0.5 * (sd / step) ** 2, 0.3)
    n = len(GRID)
    walk = (1.0 - 2.0 * aside) * np.eye(n) + aside * (np.eye(n, k=1) + np.eye(n, k=-1))
    moves: Array = walk / walk.sum(axis=0)
    return moves
