"""What a closed day would have been told of itself, held against what it came to (AT-RISK, step 10)."""

from typing import Final

import numpy as np
from msgspec import structs

from queue_monitor.core.forecast.day import DayState, QueueState
from queue_monitor.core.forecast.outlook import Usual, outlook
from queue_monitor.core.forecast.projection import generator, simulate_paths, so_far

HOUR: Final = 3600.0
HALF_PAST: Final = 1800.0
PATHS: Final = 100
LEAST_CALLS: Final = 20
"""Of a day with fewer nothing is foretold that anybody would act on."""

TELLING_SHARE: Final = 0.15
"""Misses beyond this share of the day's calls are not counted: a day that goes that badly is lost whatever is told,
and one such day would outweigh weeks of the others.
"""


def misses_by_hour(day: DayState, closed: QueueState, usual: Usual, pool: str) -> dict[int, tuple[float, float]]:
    """By hour of the day, as known at half past: the misses still to come as foretold without what was learned so from
    earlier days, and those that came. Empty on a day of few calls, and on one before which nothing usual was known.
    """
    found: dict[int, tuple[float, float]] = {}
    good, of = so_far(closed.tally, day.target.definition)
    if usual.calls is None or of < LEAST_CALLS:
        return found
    plain = structs.replace(usual, misses_factor=None)
    for hour in range(24):
        at = hour * HOUR + HALF_PAST
        if day.opens <= at < day.closes:
            state = day.state(at)
            lived = simulate_paths(state, outlook(state, plain), day.target, generator(pool, state), PATHS)
            good_then, of_then = so_far(state.tally, day.target.definition)
            most = TELLING_SHARE * (of_then + float(lived.of.mean()))
            foretold = min(float(np.mean(lived.of - lived.good)), most)
            came = min((of - good) - (of_then - good_then), most)
            found[hour] = round(foretold, 2), round(max(came, 0.0), 2)
    return found
