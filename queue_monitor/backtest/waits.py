"""Scores the predicted wait against simpler ones: the last wait, a moving average, the first in line, the usual wait.

Pure. Judged on callers who had to wait and were answered: for those who hung up the wait is unknown, unless a
simulation gives it.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from queue_monitor.model import HAD_TO_WAIT_SECONDS

PREDICTORS: Final = ("this monitor", "last wait", "average of 10", "average of 30", "first in line", "usual wait")


class Caller(NamedTuple):
    """One caller's predicted and real wait, in seconds; `true` None where it is not known.

    `low`, `high`: the predicted range, None where there was none.
    """

    queue: str
    entered: float
    ended: float
    answered: bool
    true: float | None
    expected: float | None = None
    low: float | None = None
    high: float | None = None


class Met(NamedTuple):
    """One caller's true wait beside the value of each predictor; NaN where it gave none."""

    queue: str
    day: int
    true: float
    told: tuple[float, ...]
    low: float
    high: float


class WaitFigures(NamedTuple):
    """The errors of a predictor in seconds. `bias`: the mean by which its value was too long."""

    callers: int
    rmse: float
    mae: float
    bias: float


def met(callers: Sequence[Caller], usual: float, day: int = 0) -> Iterator[Met]:
    """Yield the callers of one day who had to wait, with the values of the plain rules for each on entering.

    All of it per queue, by what had happened before. `usual`: the median wait of earlier days.
    """
    by_queue: dict[str, list[Caller]] = {}
    for caller in callers:
        by_queue.setdefault(caller.queue, []).append(caller)
    for queue in sorted(by_queue):
        yield from _of_queue(by_queue[queue], usual, day)


def _of_queue(callers: list[Caller], usual: float, day: int) -> Iterator[Met]:
    moments = sorted(
        [(caller.ended, 0, number) for number, caller in enumerate(callers)]
        + [(caller.entered, 1, number) for number, caller in enumerate(callers)]
    )
    waits: deque[float] = deque(maxlen=30)
    waiting: dict[int, float] = {}
    gone: set[int] = set()
    for at, is_entry, number in moments:
        caller = callers[number]
        if not is_entry:
            gone.add(number)
            waiting.pop(number, None)
            if caller.answered:
                waits.append(caller.ended - caller.entered)
            continue
        first = at - min(waiting.values(), default=at)
        if caller.true is not None and caller.true > HAD_TO_WAIT_SECONDS:
            lately = list(waits)
            told = (
                math.nan if caller.expected is None else caller.expected,
                lately[-1] if lately else 0.0,
                float(np.mean(lately[-10:])) if lately else 0.0,
                float(np.mean(lately)) if lately else 0.0,
                first,
                usual,
            )
            low = math.nan if caller.low is None else caller.low
            yield Met(caller.queue, day, caller.true, told, low, math.nan if caller.high is None else caller.high)
        if number not in gone:
            waiting[number] = caller.entered


def figures(found: Sequence[Met], predictor: int) -> WaitFigures:
    """Return the errors of one way to predict a wait, over the callers for whom it predicted one."""
    errors = np.array([one.told[predictor] - one.true for one in found], float)
    errors = errors[~np.isnan(errors)]
    if not len(errors):
        return WaitFigures(0, math.nan, math.nan, math.nan)
    rmse = float(np.sqrt(np.mean(errors**2)))
    return WaitFigures(len(errors), rmse, float(np.mean(np.abs(errors))), float(np.mean(errors)))


def coverage(found: Sequence[Met]) -> float:
    """Return the share of true waits within the predicted range, which is meant to hold 8 of 10."""
    held = [one.low <= one.true <= one.high for one in found if not math.isnan(one.low)]
    return float(np.mean(held)) if held else math.nan


def usual_wait(waits: Iterable[float]) -> float:
    """Return the median of earlier waits of callers who had to wait; 0 without any."""
    known = [wait for wait in waits if wait > HAD_TO_WAIT_SECONDS]
    return float(np.median(known)) if known else 0.0
