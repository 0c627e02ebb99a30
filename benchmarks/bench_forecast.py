"""The at-risk forecast against simulated days whose end is known: found in time, false alarms, calibration, speed.

Sixty days of history, then unseen days of the mix, two-minute ticks, beside the rolling hour on the same days:
`python benchmarks/bench_forecast.py [days] [seed]`. Twenty days by default are a slice; the table of the handbook
wants 360. Share and loss as in the at-risk experiment: D3, hang-ups under 10 s left out.
"""

# ruff: noqa: T201

import sys
import time as stopwatch
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from queue_monitor.core.forecast import (
    AlertRule,
    DayState,
    Episode,
    Profile,
    Reading,
    Stage,
    advance,
    expected_wait,
    generator,
    outlook,
    project,
    usual_day,
)
from queue_monitor.core.forecast.projection import so_far
from queue_monitor.core.simulation import ZONE, Config, Day, simulate
from queue_monitor.model import DefinitionId, Target

TARGET = Target(definition=DefinitionId.D3, short_abandon_seconds=10)
POOL = ("kundcenter", "kundcenter-en")
HOUR, MINUTE = 3600.0, 60.0
OPENS, CLOSES, ALL_GONE = 8 * HOUR, 17 * HOUR, 18 * HOUR
FIRST_DAY = date(2025, 1, 6)
HISTORY, PATHS, TICK = 60, 200, 2 * MINUTE
RESAMPLES = 400

Array = NDArray[np.float64]


class Lived(NamedTuple):
    """One test day: how it ended, when its budget was gone, and when each rule cried (seconds after midnight)."""

    kind: str
    lost: bool
    share: float
    gone: float
    alarms: list[tuple[float, float]]
    warnings: list[tuple[float, float]]
    rolling: list[tuple[float, float]]
    incident: float | None
    noon: float


def told(day: Day) -> DayState:
    state = DayState(day.config.date, OPENS, CLOSES, TARGET, POOL)
    midnight = datetime.combine(day.config.date, time(), ZONE).astimezone(UTC)
    for event in day.events:
        state.apply(event, (event.at - midnight).total_seconds())
    return state


def weekdays() -> Iterator[date]:
    day = FIRST_DAY
    while True:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)


def episodes(moments: Array, chances: Array, threshold: float) -> list[tuple[float, float]]:
    """When an alert at one threshold stood, by the product's own rule."""
    rule = AlertRule(warning=threshold, alarm=threshold)
    now, found, raised = Episode(), [], 0.0
    for at, chance in zip(moments.tolist(), chances.tolist(), strict=True):
        before, now = (
            now,
            advance(now, Reading(at=at, open_minutes=(at - OPENS) / 60, p_miss=chance, calls=100), rule),
        )
        if now.stage is Stage.ALARM and before.stage is not Stage.ALARM:
            raised = at
        elif before.stage is Stage.ALARM and now.stage is not Stage.ALARM:
            found.append((raised, at))
    return [*found, (raised, float("inf"))] if now.stage is Stage.ALARM else found


def live(day: Day, profile: Profile, ticks: list[float]) -> tuple[Lived, DayState]:
    state = told(day)
    good, of = so_far(state.state(ALL_GONE).tally, TARGET.definition)
    usual = usual_day(profile, state.state(OPENS))
    moments, chances, hours = np.arange(OPENS + 15 * MINUTE, CLOSES + 1, TICK), [], []
    for at in moments:
        began = stopwatch.perf_counter()
        now = state.state(float(at))
        chances.append(
            project(now, outlook(now, usual), TARGET, generator("kundcenter", now), PATHS).p_miss,
        )
        ticks.append(1000 * (stopwatch.perf_counter() - began))
        recent, before = so_far(now.tally, TARGET.definition), so_far(state.state(at - HOUR).tally, TARGET.definition)
        calls = recent[1] - before[1]
        hours.append(1.0 - (recent[0] - before[0]) / calls if calls >= 10 else 0.0)
    minutes = np.arange(OPENS, ALL_GONE, MINUTE)
    misses = [np.subtract(*so_far(state.state(float(at)).tally, TARGET.definition)[::-1]) for at in minutes]
    beyond = np.nonzero(np.array(misses) > 0.1 * of)[0]
    midnight = datetime.combine(day.config.date, time(), ZONE).astimezone(UTC)
    found = np.array(chances)
    return Lived(
        kind=day.kind.value,
        lost=good < 0.9 * of - 1e-9,
        share=good / of,
        gone=float(minutes[beyond[0]]) if len(beyond) else ALL_GONE,
        alarms=episodes(moments, found, 0.95),
        warnings=episodes(moments, found, 0.85),
        rolling=episodes(moments, np.array(hours), 0.3),
        incident=None if day.incident_at is None else (day.incident_at - midnight).total_seconds(),
        noon=float(found[np.argmin(abs(moments - 12 * HOUR))]),
    ), state


def lead(day: Lived, cries: list[tuple[float, float]]) -> float:
    """Minutes from the alert that stood (or had eased less than half an hour before) to the moment of no return."""
    return max((day.gone - at for at, until in cries if at <= day.gone <= until + 30 * MINUTE), default=0.0) / 60


def figures(days: Sequence[Lived], rule: str) -> list[float]:
    """Recall at 10 and 5 minutes, median lead, precision by day, false alarms per 21 days, alerts per alert day."""
    cries = [getattr(day, rule) for day in days]
    leads = [lead(day, c) for day, c in zip(days, cries, strict=True) if day.lost]
    crying = [(day, c) for day, c in zip(days, cries, strict=True) if c]
    false = sum(len(c) for day, c in crying if not day.lost)
    return [
        float(np.mean([minutes >= 10 for minutes in leads])) if leads else float("nan"),
        float(np.mean([minutes >= 5 for minutes in leads])) if leads else float("nan"),
        float(np.median(leads)) if leads else float("nan"),
        float(np.mean([day.lost for day, _ in crying])) if crying else float("nan"),
        21.0 * false / len(days),
        float(np.mean([len(c) for _, c in crying])) if crying else float("nan"),
    ]


def report(days: list[Lived], ticks: list[float]) -> None:
    lost = np.array([day.lost for day in days])
    print(f"{len(days)} days, {lost.sum()} lost, mean share {np.mean([day.share for day in days]):.3f}")
    print("rule      recall>=10  recall>=5  lead min  precision  false/21 days  per alert day   [95 % by days]")
    rng = np.random.default_rng(0)
    for rule in ("alarms", "warnings", "rolling"):
        drawn = [figures([days[i] for i in rng.integers(0, len(days), len(days))], rule) for _ in range(RESAMPLES)]
        low, high = np.nanquantile(np.array(drawn), (0.025, 0.975), axis=0)
        cells = zip(figures(days, rule), low, high, strict=True)
        print(f"{rule:9}", "  ".join(f"{value:.2f} [{a:.2f}-{b:.2f}]" for value, a, b in cells))
    noon = np.array([day.noon for day in days])
    print(
        f"Brier of P at 12:00: {np.mean((noon - lost) ** 2):.3f}, knowing nothing {lost.mean() * (1 - lost.mean()):.3f}"
    )
    for kind in sorted({day.kind for day in days if day.incident is not None and day.lost}):
        hit = [day for day in days if day.kind == kind and day.lost and day.incident is not None]
        starts = [min((at for at, _ in day.alarms if at >= (day.incident or 0.0)), default=np.inf) for day in hit]
        after = [(at - (day.incident or 0.0)) / 60 for at, day in zip(starts, hit, strict=True)]
        print(f"{kind}: {len(hit)} lost, median {np.median(after):.0f} min from the start to the alarm")
    print(f"one tick: median {np.median(ticks):.0f} ms, 99 % {np.quantile(ticks, 0.99):.0f} ms")


def waits(day: Day, state: DayState, profile: Profile) -> Iterator[tuple[float, float, float, float, float]]:
    """For each caller who had to wait: the true wait had he or she stayed, ours, low, high, and the oldest's wait."""
    usual = usual_day(profile, state.state(OPENS))
    midnight = datetime.combine(day.config.date, time(), ZONE).astimezone(UTC)
    for call in day.calls:
        if call.queue == POOL[0] and call.offered_wait_ms is not None and call.offered_wait_ms > 1000:
            now = state.state((call.entered_at - midnight).total_seconds() - 0.001)
            found = expected_wait(now, outlook(now, usual))
            if found.expected is not None and found.low is not None and found.high is not None:
                oldest = float(now.waiting[0]) if len(now.waiting) else 0.0
                yield call.offered_wait_ms / 1000, found.expected - 4.0, found.low - 4.0, found.high - 4.0, oldest


def main(count: int = 20, seed: int = 1) -> None:
    profile, days, met = Profile(), [], []
    ticks: list[float] = []
    for number, on in zip(range(HISTORY + count), weekdays(), strict=False):
        day = simulate(Config(date=on, seed=seed))
        if number < HISTORY:
            profile = profile.learn(told(day))
            continue
        lived, state = live(day, profile, ticks)
        days.append(lived)
        if number % 5 == 0:
            met += list(waits(day, state, profile))
        profile = profile.learn(state)
    report(days, ticks)
    true, ours, low, high, oldest = np.array(met).T
    print(
        f"wait of {len(true)} who had to: RMSE {np.sqrt(np.mean((ours - true) ** 2)):.0f} s (the oldest's wait "
        f"{np.sqrt(np.mean((oldest - true) ** 2)):.0f} s), bias {np.mean(ours - true):+.0f} s, "
        f"the 80 % range holds {np.mean((true >= low) & (true <= high)):.0%}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
