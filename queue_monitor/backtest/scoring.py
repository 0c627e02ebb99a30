"""Scores how well a rule predicted lost days, from its alerts and each day's end. Pure.

Definitions: a day is **lost** when its share ends under the target; its **budget is gone** when its misses exceed the
target's share of all the day's calls, which only the end of the day can show. **Recall**: lost days on which an alert
stood at that moment, or had eased less than half an hour before, and had been raised a given number of minutes earlier.
**Lead**: how much earlier; 0 where none was. **False alarm**: an alert raised on a day that was not lost. Times are
seconds after local midnight.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

MINUTE: Final = 60.0
STILL_COUNTS_SECONDS: Final = 1800.0
"""The longest time before the budget was gone in which an eased alert still counts as a warning."""

MONTH_DAYS: Final = 21
"""The number of open days for which false alarms are given: about a month."""

CLEAR_POINTS: Final = 0.02
"""The points over its target from which a day's end was never near it."""

OFTEN: Final = 3
RESAMPLES: Final = 400
NEVER: Final = math.inf


class AlertInterval(NamedTuple):
    """One alert, from its raising until it eased or ended."""

    raised: float
    until: float = NEVER


class Chance(NamedTuple):
    """The predicted chance of a lost day at a moment."""

    at: float
    p_miss: float


class JudgedDay(Struct, frozen=True, kw_only=True):
    """One day of one pool: how it ended, and the alerts of each rule.

    `gone`: when the budget was gone; None on a day that was not lost.
    `said`: the alerts by rule.
    """

    day: date
    good: int
    of: int
    target: float
    gone: float | None
    said: dict[str, tuple[AlertInterval, ...]]
    chances: tuple[Chance, ...] = ()

    @property
    def lost(self) -> bool:
        return self.gone is not None

    @property
    def share(self) -> float:
        return self.good / self.of

    @property
    def near(self) -> bool:
        """Return whether the day ended less than two points over the target, or under it."""
        return self.good < Fraction(str(self.target)) * self.of + Fraction(str(CLEAR_POINTS)) * self.of


class Figures(NamedTuple):
    """One rule's score. Shares 0 to 1; NaN where there is nothing to judge by.

    `false_a_month` and `false_far_a_month` (on days two points or more over the target): alerts per 21 days.
    """

    recall_10: float
    recall_5: float
    lead_minutes: float
    precision: float
    false_a_month: float
    false_far_a_month: float
    per_alert_day: float
    often: float


class Scored(NamedTuple):
    """The figures of one alert rule, each with its 95 % interval over days drawn again at random from the same days."""

    figures: Figures
    low: Figures
    high: Figures


def budget_gone(missed_at: Iterable[float], of: int, target: float) -> float | None:
    """Return when the misses first exceed the target's allowance for all the day's calls; None when they never do."""
    allowed = math.floor((1 - Fraction(str(target))) * of)
    ordered = sorted(missed_at)
    return ordered[allowed] if len(ordered) > allowed else None


def lead_minutes(gone: float, said: Iterable[AlertInterval]) -> float:
    """Return how long before the budget was gone the alert was raised that stood then; 0 where none did."""
    leads = (gone - s.raised for s in said if s.raised <= gone <= s.until + STILL_COUNTS_SECONDS)
    return max(leads, default=0.0) / MINUTE


def score(days: Sequence[JudgedDay], rule: str) -> Figures:
    """Return the score of one rule on these days."""
    rows = [_row(day, rule) for day in days]
    return _figures(np.array(rows, float).reshape(len(rows), 6))


def scored(days: Sequence[JudgedDay], rule: str, resamples: int = RESAMPLES) -> Scored:
    """Return the score with intervals: whole days drawn again and again, always the same draws."""
    rows = np.array([_row(day, rule) for day in days], float).reshape(len(days), 6)
    drawn = _drawn(len(days), resamples, lambda at: _figures(rows[at]))
    return Scored(_figures(rows), Figures(*drawn[0]), Figures(*drawn[1]))


def _drawn(
    count: int, resamples: int, figure: Callable[[np.ndarray], Sequence[float]]
) -> tuple[list[float], list[float]]:
    """Return the bounds that hold 95 % of a figure over draws of `count` things; NaN where no draw has one."""
    rng = np.random.default_rng(0)
    found = np.array([figure(rng.integers(0, count, count)) for _ in range(resamples if count else 0)], float)
    bounds: tuple[list[float], list[float]] = [], []
    for column in found.T if len(found) else np.empty((len(Figures._fields), 0)):
        known = column[~np.isnan(column)]
        for bound, quantile in zip(bounds, (0.025, 0.975), strict=True):
            bound.append(float(np.quantile(known, quantile)) if len(known) else math.nan)
    return bounds


def _row(day: JudgedDay, rule: str) -> tuple[float, ...]:
    """Return lost, lead, alerts, false alerts, false alerts far from the target, minutes of lead known."""
    said = day.said.get(rule, ())
    lead = lead_minutes(day.gone, said) if day.gone is not None else math.nan
    false = 0 if day.lost else len(said)
    return (float(day.lost), lead, len(said), false, 0 if day.near else false, 1.0)


def _figures(rows: np.ndarray) -> Figures:
    lost = rows[:, 0] > 0
    leads, alerts = rows[lost, 1], rows[:, 2]
    told = alerts > 0
    return Figures(
        recall_10=_mean(leads >= 10),
        recall_5=_mean(leads >= 5),
        lead_minutes=float(np.median(leads)) if len(leads) else math.nan,
        precision=_mean(lost[told]),
        false_a_month=MONTH_DAYS * _mean(rows[:, 3]),
        false_far_a_month=MONTH_DAYS * _mean(rows[:, 4]),
        per_alert_day=_mean(alerts[told]),
        often=_mean(alerts >= OFTEN),
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


# ---- does the predicted chance agree with the real one?


class Bin(NamedTuple):
    """Moments with a predicted chance between `low` and `high`: their number, the mean chance, and the share lost."""

    low: float
    high: float
    moments: int
    told: float
    lost: float


BIN_EDGES: Final = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)


def newest_chance(day: JudgedDay, at: float) -> float | None:
    """Return the newest chance predicted at a moment, at most ten minutes old."""
    known = [chance for chance in day.chances if at - 10 * MINUTE <= chance.at <= at]
    return known[-1].p_miss if known else None


def brier(days: Sequence[JudgedDay], at: float) -> tuple[int, float, float]:
    """Return the days with a chance at this time of day, its Brier score, and that of the share of lost days alone."""
    pairs = np.array([(p, day.lost) for day in days if (p := newest_chance(day, at)) is not None], float).reshape(-1, 2)
    if not len(pairs):
        return 0, math.nan, math.nan
    base = float(pairs[:, 1].mean())
    return len(pairs), float(((pairs[:, 0] - pairs[:, 1]) ** 2).mean()), base * (1 - base)


def brier_bounds(days: Sequence[JudgedDay], at: float, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the bounds that hold 95 % of the Brier score over draws of the days."""
    pairs = np.array([(p, day.lost) for day in days if (p := newest_chance(day, at)) is not None], float).reshape(-1, 2)
    errors = (pairs[:, 0] - pairs[:, 1]) ** 2
    low, high = _drawn(len(errors), resamples, lambda chosen: [_mean(errors[chosen])])
    return low[0], high[0]


def reliability(days: Sequence[JudgedDay], times: Iterable[float]) -> list[Bin]:
    """Return the predictions at these times of day beside the results; empty bins are left out."""
    pairs = [(p, day.lost) for at in times for day in days if (p := newest_chance(day, at)) is not None]
    found = []
    for low, high in pairwise(BIN_EDGES):
        within = [(p, lost) for p, lost in pairs if low <= p < high or (high == BIN_EDGES[-1] and p == high)]
        if within:
            told, lost = (float(np.mean(column)) for column in zip(*within, strict=True))
            found.append(Bin(low, high, len(within), told, lost))
    return found
