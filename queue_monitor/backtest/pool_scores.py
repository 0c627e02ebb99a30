"""Scores pools over many days: the monitor's alerts and the plain rules on the same days. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from msgspec import Struct

from queue_monitor.backtest.baseline_rules import PLAIN_RULES, PlainRule, said_by, tuned
from queue_monitor.backtest.runner import BacktestDay
from queue_monitor.backtest.scoring import MINUTE, AlertInterval, JudgedDay, Scored, scored
from queue_monitor.backtest.waits import Met, met, usual_wait
from queue_monitor.model import AlertLevel, Target
from queue_monitor.queues import keys_of

ALARM, WARNING = "alarm", "warning"
MIN_CALLS: Final = 20
"""The fewest calls of a day that can be judged: with fewer no alert is raised at all."""

TIMES: Final = tuple(hour * 60 * MINUTE for hour in (9, 10, 12, 14, 16, 18, 20))
SETTLED: Final = 30 * MINUTE


class SetRule(NamedTuple):
    """A plain rule at a level: its usual one, or the best on the days that taught."""

    rule: PlainRule
    level: float
    tuned: bool


class JudgedPool(Struct, frozen=True, kw_only=True):
    """One pool over the judged days.

    `rules`: the scores by name, ours first.
    `plain`: the description of each of the others.
    """

    name: str
    days: tuple[JudgedDay, ...]
    run: tuple[BacktestDay, ...]
    rules: tuple[tuple[str, Scored], ...]
    plain: dict[str, SetRule]
    times: tuple[float, ...]
    met: tuple[Met, ...]

    @property
    def lost(self) -> int:
        return sum(day.lost for day in self.days)


def pools_of(days: Sequence[BacktestDay]) -> dict[str, list[BacktestDay]]:
    """Return the days of each pool, by its newest name: a pool that grew on the way, or shed a queue, is one."""
    found: dict[str, list[BacktestDay]] = {}
    held: dict[str, set[str]] = {}
    for day in sorted(days, key=lambda day: (day.day, len(day.queues)), reverse=True):
        keys = keys_of(day.queues)
        name = next((name for name, queues in held.items() if queues & keys), day.pool)
        held.setdefault(name, set()).update(keys)
        found.setdefault(name, []).append(day)
    return {name: _one_a_day(of) for name, of in sorted(found.items())}


def _one_a_day(days: list[BacktestDay]) -> list[BacktestDay]:
    """Return one day of each date: before a pool was known its parts stood alone, and the busiest part stands for
    it.
    """
    busiest: dict[date, BacktestDay] = {}
    for day in days:
        if day.day not in busiest or day.of > busiest[day.day].of:
            busiest[day.day] = day
    return [busiest[on] for on in sorted(busiest)]


def judge_pool(
    name: str, run: Sequence[BacktestDay], target: Target, least_calls: int = MIN_CALLS
) -> JudgedPool | None:
    """Return a pool's score; None where a judged day mostly has too few calls."""
    taught = [day for day in run if not day.judged and day.of >= least_calls]
    judged = [day for day in run if day.judged and day.of >= least_calls]
    if 2 * len(judged) <= sum(day.judged for day in run):
        return None
    limit, ratio = float(target.limit_seconds), target.ratio
    before = [(day.past, _judged(day, target, {})) for day in taught]
    said = [_own(day) for day in judged]
    plain: dict[str, SetRule] = {}
    for rule in PLAIN_RULES:
        levels = {f"{rule.name}, usual": SetRule(rule, rule.usual(ratio), tuned=False)}
        if (level := tuned(rule, before, ratio, limit)) is not None:
            levels[f"{rule.name}, tuned"] = SetRule(rule, level, tuned=True)
        for called, one in levels.items():
            shown = f"{called} {rule.shown(one.level, limit)}"
            plain[shown] = one
            for mine, day in zip(said, judged, strict=True):
                mine[shown] = said_by(rule, day.past, ratio, limit, one.level)
    days = tuple(_judged(day, target, mine) for day, mine in zip(judged, said, strict=True))
    usual = usual_wait(caller.true for day in taught for caller in day.callers if caller.true is not None)
    return JudgedPool(
        name=name,
        days=days,
        run=tuple(judged),
        rules=tuple((called, scored(days, called)) for called in (ALARM, WARNING, *plain)),
        plain=plain,
        times=tuple(at for at in TIMES if any(_is_within(day, at) for day in judged)),
        met=tuple(one for number, day in enumerate(judged) for one in met(day.callers, usual, number)),
    )


def _own(day: BacktestDay) -> dict[str, tuple[AlertInterval, ...]]:
    return {ALARM: day.standings(AlertLevel.ALARM), WARNING: day.standings(AlertLevel.WARNING)}


def _is_within(day: BacktestDay, at: float) -> bool:
    return day.past.opens + SETTLED <= at <= day.past.closes


def _judged(day: BacktestDay, target: Target, said: dict[str, tuple[AlertInterval, ...]]) -> JudgedDay:
    return JudgedDay(
        day=day.day, good=day.good, of=day.of, target=target.ratio, gone=day.gone, said=said, chances=day.chances
    )
