"""What a closed day would have been told of itself, held against what it came to (docs/at-risk.md, step 10)."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from queue_monitor.forecast.day import DayState, QueueState
from queue_monitor.forecast.hindsight import HOURS, LIKE_ITS_POOL, Foretold, Lesson, OwnWait
from queue_monitor.forecast.outlook import Outlook, Usual, outlook
from queue_monitor.forecast.projection import generator, simulate_paths, so_far
from queue_monitor.forecast.wait import held_by
from queue_monitor.queues import queue_key

HOUR: Final = 3600.0
HALF_PAST: Final = 1800.0
TOLD_SECONDS: Final = 900.0
JUST_BEFORE: Final = 0.001
"""Seconds; who enters does not stand before himself."""
PATHS: Final = 100
LEAST_CALLS: Final = 20
"""Of a day with fewer nothing is foretold that anybody would act on: neither when they came nor when they were to."""

TELLING_SHARE: Final = 0.1
"""Misses beyond this share of the day's calls are not counted: a day that goes that badly is lost whatever is told,
and one such day would outweigh weeks of the others.
"""


def lesson_of(day: DayState, closed: QueueState, usual: Usual, pool: str, own: Mapping[str, OwnWait]) -> Lesson:
    """What would have been told at half past every hour, and from then on to a quarter of the callers. Of no misses on
    a day of few calls, and of nothing on a day before which nothing usual was known.
    """
    own_waits = {queue_key(queue): one for queue, one in own.items()}
    foretold: dict[int, Foretold] = {}
    held: dict[str, list[tuple[int, ...]]] = {}
    for hour in range(HOURS) if usual.calls is not None else ():
        at = hour * HOUR + HALF_PAST
        if day.opens <= at < day.closes:
            state = day.state(at)
            ahead = outlook(state, usual)
            one = _foretold(day, closed, state, ahead, pool)
            if one is not None:
                foretold[hour] = one
            for queue, entered, waited in day.stood_in_line(at, at + TOLD_SECONDS):
                met = day.line(entered - JUST_BEFORE)
                told = held_by(waited, met, ahead, queue, own_waits.get(queue_key(queue), LIKE_ITS_POOL))
                held.setdefault(queue, []).append(told)
    return Lesson(foretold, {queue: tuple(map(sum, zip(*told, strict=True))) for queue, told in held.items()})


def _foretold(day: DayState, closed: QueueState, state: QueueState, ahead: Outlook, pool: str) -> Foretold | None:
    """The misses still to come as foretold without what was learned so from earlier days, and those that came."""
    good, of = so_far(closed.tally, day.target.definition)
    good_then, of_then = so_far(state.tally, day.target.definition)
    if of < LEAST_CALLS:
        return None
    lived = simulate_paths(state, ahead, day.target, generator(pool, state), PATHS)
    calls = of_then + float(lived.of.mean())
    if calls < LEAST_CALLS:
        return None
    missed = np.minimum(lived.of - lived.good, TELLING_SHARE * calls)
    came = min(max((of - good) - (of_then - good_then), 0.0), TELLING_SHARE * calls)
    return Foretold(
        expected=round(float(missed.mean()), 2),
        sd=round(float(missed.std()), 2),
        came=round(came, 2),
        calls=round(calls, 1),
    )
