"""The rules that a user would otherwise set, on the same days with the same hysteresis.

Pure, and causal: a value at a moment depends only on what had happened by then. A call counts for them when it is
settled: answered, hung up, or past the limit.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.backtest.scoring import MINUTE, MONTH_DAYS, AlertInterval, JudgedDay, score

Array = NDArray[np.float64]

TICK: Final = 2 * MINUTE
NOT_BEFORE: Final = 15 * MINUTE
EASE_SHARE, EASE_AFTER = 0.7, 15 * MINUTE
MIN_IN_WINDOW: Final = 10
RUNNING_FROM: Final = 100
"""The fewest calls with which a running share is used; fewer say little."""

LAST_CALLER: Final = 3600.0
FALSE_ALLOWED: Final = 1.0
"""The most false alarms of a tuned level per 21 days of those it is tuned on."""


class PastCall(NamedTuple):
    """One call as it ended; times in seconds after local midnight.

    `settled`: when its outcome for the target was certain.
    `counted`: whether it is in the denominator.
    `missed`: whether it is counted and lost to the target.
    """

    queue: str
    entered: float
    ended: float
    answered: bool
    counted: bool
    missed: bool
    settled: float


class PastDay(Struct, frozen=True, kw_only=True):
    """A day's calls of one pool between opening and closing."""

    opens: float
    closes: float
    calls: tuple[PastCall, ...]


class Unit(Enum):
    """The unit of a rule's level: the share of misses, a part of the limit, or times as fast as the budget lasts."""

    MISSED_SHARE = auto()
    OF_LIMIT = auto()
    TIMES = auto()


class PlainRule(NamedTuple):
    """An alert rule that compares one measure with a level, without a forecast; a higher measure is worse.

    It has a usual level, and a list of levels from which the best is chosen.

    `usual`: returns the usual level for a target.
    `shown`: returns a level as a person would set it, from the level and the limit (s).
    `unit`: the unit of a level.
    """

    name: str
    unit: Unit
    measure: Callable[[PastDay, Array, float, float], Array]
    usual: Callable[[float], float]
    levels: tuple[float, ...]
    shown: Callable[[float, float], str]


def ticks(day: PastDay) -> Array:
    return np.arange(day.opens + NOT_BEFORE, day.closes + 1, TICK)


def standings(moments: Array, values: Array, level: float, ends: float) -> tuple[AlertInterval, ...]:
    """Return when an alert over this level stood: it eases after 15 minutes under 0.7 of it."""
    found: list[AlertInterval] = []
    raised: float | None = None
    low_since: float | None = None
    for at, value in zip(moments.tolist(), values.tolist(), strict=True):
        if raised is None:
            raised = at if value > level + 1e-9 else None
            low_since = None
        elif value >= EASE_SHARE * level:
            low_since = None
        elif low_since is None:
            low_since = at
        elif at - low_since >= EASE_AFTER:
            found.append(AlertInterval(raised, at))
            raised = None
    return (*found, AlertInterval(raised, ends)) if raised is not None else tuple(found)


def _missed_share(day: PastDay, moments: Array, seconds: float, least: int) -> Array:
    """Return the share of misses among the calls settled in a span before each moment; 0 where they are few."""
    counted = [call for call in day.calls if call.counted]
    settled = np.sort([call.settled for call in counted])
    missed = np.sort([call.settled for call in counted if call.missed])

    def within(times: Array) -> Array:
        until = np.searchsorted(times, moments, side="right")
        return (until - np.searchsorted(times, moments - seconds, side="right")).astype(float)

    calls = within(settled)
    return np.where(calls >= least, within(missed) / np.maximum(calls, 1.0), 0.0)


def _rolling(minutes: int) -> Callable[[PastDay, Array, float, float], Array]:
    return lambda day, moments, target, limit: _missed_share(day, moments, minutes * MINUTE, MIN_IN_WINDOW)


def _running(day: PastDay, moments: Array, target: float, limit: float) -> Array:
    return _missed_share(day, moments, 86_400.0, RUNNING_FROM)


def _longest_wait(day: PastDay, moments: Array, target: float, limit: float) -> Array:
    """Return the longest wait at each moment, as a share of the limit."""
    entered = np.array([call.entered for call in day.calls])
    ended = np.array([call.ended for call in day.calls])
    longest = [np.max(at - entered[(entered <= at) & (ended > at)], initial=0.0) for at in moments.tolist()]
    return np.array(longest) / limit


def _burn_rate(day: PastDay, moments: Array, target: float, limit: float) -> Array:
    """Return how many times as fast as it lasts the budget is spent, in the last hour and in the last ten minutes
    both.
    """
    hour = _missed_share(day, moments, 60 * MINUTE, MIN_IN_WINDOW)
    minutes = _missed_share(day, moments, 10 * MINUTE, 1)
    return np.minimum(hour, minutes) / (1.0 - target)


def _allowed(target: float) -> float:
    return 1.0 - target


def _share(level: float, limit: float) -> str:
    return f"< {100 * (1 - level):g} %"


_SHARES: Final = tuple(round(0.025 * step, 3) for step in range(1, 29))
_WAITS: Final = tuple(round(0.2 * step, 1) for step in range(3, 16))
_BURNS: Final = tuple(0.5 * step for step in range(2, 19))
PLAIN_RULES: Final = (
    PlainRule("rolling 60 min", Unit.MISSED_SHARE, _rolling(60), _allowed, _SHARES, _share),
    PlainRule("rolling 30 min", Unit.MISSED_SHARE, _rolling(30), _allowed, _SHARES, _share),
    PlainRule("running share", Unit.MISSED_SHARE, _running, _allowed, _SHARES, _share),
    PlainRule(
        "longest wait",
        Unit.OF_LIMIT,
        _longest_wait,
        lambda target: 1.0,
        _WAITS,
        lambda at, limit: f"> {at * limit:.0f} s",
    ),
    PlainRule("burn rate 60+10", Unit.TIMES, _burn_rate, lambda target: 2.0, _BURNS, lambda at, limit: f"> {at:g} x"),
)


def said_by(
    rule: PlainRule, day: PastDay, target: float, limit: float, level: float | None = None
) -> tuple[AlertInterval, ...]:
    """Return the alerts of a rule on a day, at its usual level unless another is given."""
    moments = ticks(day)
    values = rule.measure(day, moments, target, limit)
    return standings(moments, values, rule.usual(target) if level is None else level, day.closes + LAST_CALLER)


def tuned(rule: PlainRule, days: Sequence[tuple[PastDay, JudgedDay]], target: float, limit: float) -> float | None:
    """Return the level with the best recall on these days among those with at most one false alarm a month.

    Of equals the most lenient. None where there is nothing to tune on: no lost day, or under a month.
    """
    if len(days) < MONTH_DAYS or not any(judged.lost for _, judged in days):
        return None
    moments = [ticks(past) for past, _ in days]
    values = [rule.measure(past, at, target, limit) for (past, _), at in zip(days, moments, strict=True)]
    best: tuple[float, float] | None = None
    for level in rule.levels:
        trial = [
            _with(judged, standings(at, value, level, past.closes + LAST_CALLER))
            for (past, judged), at, value in zip(days, moments, values, strict=True)
        ]
        figures = score(trial, "trial")
        if figures.false_a_month <= FALSE_ALLOWED and (best is None or figures.recall_10 > best[0]):
            best = figures.recall_10, level
    return best[1] if best else None


def _with(day: JudgedDay, said: tuple[AlertInterval, ...]) -> JudgedDay:
    return JudgedDay(day=day.day, good=day.good, of=day.of, target=day.target, gone=day.gone, said={"trial": said})
