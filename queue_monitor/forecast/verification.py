"""The verification of a closed day: its own forecasts compared with what came (docs/at-risk.md, step 10)."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from queue_monitor.forecast.bias_correction import HOURS, LIKE_ITS_POOL, DayVerification, ForecastCheck, OwnWait
from queue_monitor.forecast.day import DayState, QueueState
from queue_monitor.forecast.day_inputs import Baseline, DayInputs, day_inputs
from queue_monitor.forecast.projection import generator, simulate_paths, so_far
from queue_monitor.forecast.wait import interval_hits
from queue_monitor.queues import queue_key

HOUR: Final = 3600.0
HALF_PAST: Final = 1800.0
CHECKED_SECONDS: Final = 900.0
JUST_BEFORE: Final = 0.001
"""Seconds; a caller who enters does not stand before himself or herself."""
PATHS: Final = 100
MIN_CALLS: Final = 20
"""On a day with fewer calls, come or expected, nobody would act on a forecast of misses."""

MAX_MISSED_SHARE: Final = 0.1
"""Misses beyond this share of the day's calls are not counted: a day that goes this badly is lost whatever the
forecast, and one such day would outweigh weeks of the others.
"""


def verify_day(
    day: DayState, closed: QueueState, usual: Baseline, pool: str, own: Mapping[str, OwnWait]
) -> DayVerification:
    """Compare the forecasts of half past every hour with the misses that came, and forecast waits with real ones.

    The waits are those of the callers of one quarter of each hour. Misses are left out on a day of few calls, and
    everything on a day without a baseline.
    """
    own_waits = {queue_key(queue): one for queue, one in own.items()}
    checks: dict[int, ForecastCheck] = {}
    coverage: dict[str, list[tuple[int, ...]]] = {}
    for hour in range(HOURS) if usual.calls is not None else ():
        at = hour * HOUR + HALF_PAST
        if day.opens <= at < day.closes:
            state = day.state(at)
            ahead = day_inputs(state, usual)
            one = _checked(day, closed, state, ahead, pool)
            if one is not None:
                checks[hour] = one
            for queue, entered, waited in day.stood_in_line(at, at + CHECKED_SECONDS):
                met = day.line(entered - JUST_BEFORE)
                hits = interval_hits(waited, met, ahead, queue, own_waits.get(queue_key(queue), LIKE_ITS_POOL))
                coverage.setdefault(queue, []).append(hits)
    added = {queue: tuple(map(sum, zip(*hits, strict=True))) for queue, hits in coverage.items()}
    return DayVerification(checks, added)


def _checked(day: DayState, closed: QueueState, state: QueueState, ahead: DayInputs, pool: str) -> ForecastCheck | None:
    """Return the misses still to come, forecast without a bias correction, beside those that came; None on a day of few
    calls.
    """
    good, of = so_far(closed.outcomes, day.target.definition)
    good_then, of_then = so_far(state.outcomes, day.target.definition)
    if of < MIN_CALLS:
        return None
    paths = simulate_paths(state, ahead, day.target, generator(pool, state.day), PATHS)
    calls = of_then + float(paths.of.mean())
    if calls < MIN_CALLS:
        return None
    missed = np.minimum(paths.of - paths.good, MAX_MISSED_SHARE * calls)
    came = min(max((of - good) - (of_then - good_then), 0.0), MAX_MISSED_SHARE * calls)
    return ForecastCheck(
        expected=round(float(missed.mean()), 2),
        sd=round(float(missed.std()), 2),
        came=round(came, 2),
        calls=round(calls, 1),
    )
