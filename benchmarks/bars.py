"""The bars of the at-risk alert, with intervals, on days whose end is known: simulated ones, and real ones where given.

    python benchmarks/bars.py [--days 360] [--history 60] [--seed 1] [--only "no agent events"]
    python benchmarks/bars.py --days 0 --bank CALLS.csv --bank-config HOURS.toml [--limits 300 240]

Each day goes through the live engine event by event, with what the days before it have taught and nothing else. To
judge days side by side, learning runs ahead in order and each judged day begins with what was known the evening
before. Every day has its own chance, so two runs print the same. Simulated days: D3, hang-ups under 10 s left out.
Real days: D4, months in turn, each after sixty days of the other months (those that come later set back by a year).
"""

# ruff: noqa: T201 -- it is a program that prints

import argparse
import asyncio
import math
import multiprocessing
import os
import sys
import time as stopwatch
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import structs

from queue_monitor import config, simulation
from queue_monitor.app import registry
from queue_monitor.app.rules_from_config import live_of, rules_of
from queue_monitor.backtest.calls import Call, read_calls
from queue_monitor.backtest.pool_scores import ALARM, WARNING, JudgedPool, judge_pool, pools_of
from queue_monitor.backtest.report import number, percent, pool_text
from queue_monitor.backtest.runner import BacktestDay, BacktestRun, answered_wait, run_through
from queue_monitor.backtest.scoring import MINUTE, Scored, brier, brier_bounds, score
from queue_monitor.backtest.sources import CallsPast, Past
from queue_monitor.backtest.waits import PREDICTORS, coverage, figures
from queue_monitor.config import Config, Holidays
from queue_monitor.events import AgentMember, AgentState, Event, QueueSnapshot
from queue_monitor.forecast.forecaster import decode_learned, encode_learned, recall
from queue_monitor.model import DefinitionId, RiskLevels, Target, Visit
from queue_monitor.ports import Delivery
from queue_monitor.simulation import ZONE, Kind

FIRST_DAY = date(2025, 1, 6)
SIMULATED = Target(definition=DefinitionId.D3, short_abandon_seconds=10)
BANK_MIN_CALLS = 200
BANK_HISTORY = 60
A_YEAR = timedelta(days=364)
"""Whole weeks, so that a Monday stays a Monday."""

RING_SECONDS = 4.0
"""A simulated caller's true wait is until an agent was free; then it rings, 4 s in the mean."""

MIXED = "the mix"
USUAL_WEEK = simulation.Config(date=FIRST_DAY).calls_by_weekday
HALF_WEEK = (500, 445, 425, 410, 360)


class Variation(NamedTuple):
    """What differs from the simulator's usual days."""

    calls: float = 1.0
    staff: float = 1.0
    patience: float = 600.0
    wildness: float = 1.0
    calls_by_weekday: tuple[int, int, int, int, int] = USUAL_WEEK
    history_by_weekday: tuple[int, int, int, int, int] | None = None
    agents_told: bool = True
    definition: DefinitionId = DefinitionId.D3


VARIATIONS = {
    MIXED: Variation(),
    "leaner staffing": Variation(staff=0.95),
    "richer staffing": Variation(staff=1.05),
    # the roster is for half the load; half of the usual roster would be leaner, for few calls need more agents each
    "half the calls and agents": Variation(calls_by_weekday=HALF_WEEK),
    "hang-ups before 300 s left out": Variation(definition=DefinitionId.D4, staff=0.95),
    "patience 5 min": Variation(patience=300.0),
    "patience 15 min": Variation(patience=900.0),
    "rates twice as wild": Variation(wildness=2.0),
    "history from another weekday pattern": Variation(history_by_weekday=USUAL_WEEK[::-1]),
    "no agent events": Variation(agents_told=False),
}


class SimulatedDay(NamedTuple):
    """One simulated day as a past; made anew where it is needed, so that little is handed between processes."""

    on: date
    seed: int
    variation: Variation

    def made(self) -> simulation.Day:
        wanted = simulation.Config(
            date=self.on,
            seed=self.seed,
            calls_factor=self.variation.calls,
            staff_factor=self.variation.staff,
            patience_seconds=self.variation.patience,
            wildness=self.variation.wildness,
            calls_by_weekday=self.variation.calls_by_weekday,
        )
        return simulation.simulate(wanted)

    def past(self) -> tuple[Past, Callable[[Visit], float | None]]:
        day = self.made()
        waits = {c.visit_id: c.offered_wait_ms for c in day.calls if c.offered_wait_ms is not None}

        def true_wait(visit: Visit) -> float | None:
            return waits[visit.visit_id] / 1000 + RING_SECONDS if visit.visit_id in waits else None

        return Told([event for event in map(self._as_told, day.events) if event is not None]), true_wait

    def _as_told(self, event: Event) -> Event | None:
        if self.variation.agents_told:
            return event
        if isinstance(event, AgentState | AgentMember):
            return None
        return structs.replace(event, agents=()) if isinstance(event, QueueSnapshot) else event

    def settings(self) -> Config:
        return plain_settings(structs.replace(SIMULATED, definition=self.variation.definition))


class RealDay(NamedTuple):
    """The calls of one real day, and the settings they are judged by."""

    calls: tuple[Call, ...]
    config: Config

    @property
    def on(self) -> date:
        return self.calls[0].entered_at.astimezone(self.config.zone).date()

    def past(self) -> tuple[Past, Callable[[Visit], float | None]]:
        return CallsPast(str(self.on), list(self.calls), rules_of(self.config).calendar), answered_wait

    def settings(self) -> Config:
        return self.config


class Told:
    """Events as a past."""

    name = "a simulated day"

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    async def deliveries(self) -> AsyncIterator[Delivery]:
        for event in self._events:
            yield Delivery(items=(event,), received_at=event.at)

    async def days(self) -> list[date]:
        return sorted({event.at.astimezone(ZONE).date() for event in self._events})


AnyDay = SimulatedDay | RealDay


def plain_settings(target: Target) -> Config:
    """The defaults, with every weekday open."""
    usual = config.load(None, {}, registry.settings_of)
    return structs.replace(usual, target=target, hours=structs.replace(usual.hours, holidays=Holidays.NONE))


def through(day: AnyDay, learned: bytes, *, judged: bool) -> BacktestRun:
    """One day through a fresh engine that knows what was learned by the evening before."""
    settings, (past, true_wait) = day.settings(), day.past()
    live = live_of(settings)
    began = datetime.combine(day.on, time(), settings.zone).astimezone(UTC)
    recall(live, decode_learned(learned), began)
    return asyncio.run(run_through(settings, live, past, taught=lambda on: not judged, true_wait=true_wait))


def _judged(task: tuple[AnyDay, bytes]) -> list[BacktestDay]:
    return through(*task, judged=True).days


def walk(
    history: Iterable[AnyDay], days: Iterable[AnyDay], processes: int
) -> tuple[list[BacktestDay], list[BacktestDay]]:
    """What history came to, and the judged days in order: each after all that came before it and nothing else."""
    taught: list[BacktestDay] = []
    learned = encode_learned({})
    for day in history:
        run = through(day, learned, judged=False)
        taught += run.days
        learned = encode_learned(run.learned)

    def tasks() -> Iterator[tuple[AnyDay, bytes]]:
        known = learned
        for day in days:
            yield day, known
            known = encode_learned(through(day, known, judged=False).learned)

    if processes == 1:
        return taught, [run for task in tasks() for run in _judged(task)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return taught, [run for found in pool.imap(_judged, tasks()) for run in found]


# ---- the table


class Bar(NamedTuple):
    """One line of the table: what is asked, must, good, what one who knows everything gets, and what was found."""

    what: str
    must: float
    good: float
    oracle: str
    found: float
    low: float = math.nan
    high: float = math.nan
    decimals: int = 0
    share: bool = True
    higher: bool = True

    def line(self) -> str:
        sign = ">=" if self.higher else "<="
        reached = "-" if math.isnan(self.found) else self._reached()
        bounds = "" if math.isnan(self.low) else f"[{self._shown(self.low)} - {self._shown(self.high)}]"
        return (
            f"{self.what:52}{self._shown(self.found):>8} {bounds:<19}{sign} {self._shown(self.must):<8}"
            f"{sign} {self._shown(self.good):<8}{self.oracle:<8}{reached}"
        )

    def _reached(self) -> str:
        sign = 1 if self.higher else -1
        if sign * self.found >= sign * self.good:
            return "good"
        return "must" if sign * self.found >= sign * self.must else "SHORT"

    def _shown(self, value: float) -> str:
        return percent(value, self.decimals) if self.share else number(value, self.decimals)


def minutes_to_alarm(pool: JudgedPool, incidents: dict[date, tuple[Kind, float]], kind: Kind) -> list[float]:
    """Of lost days of a kind: from the incident's start to the first alarm that stands; endless where none does."""
    found = []
    for day in pool.days:
        of, start = incidents.get(day.day, (Kind.NORMAL, 0.0))
        if of is kind and day.lost:
            after = [max(said.raised, start) for said in day.said[ALARM] if said.until >= start]
            found.append((min(after, default=math.inf) - start) / MINUTE)
    return found


def bars(pool: JudgedPool, incidents: dict[date, tuple[Kind, float]]) -> Iterator[Bar]:
    """The bar, line by line."""
    rules = dict(pool.rules)
    alarm, warning = rules[ALARM], rules[WARNING]

    def bar(what: str, of: Scored, field: str, must: float, good: float, oracle: str, **more: object) -> Bar:
        here, low, high = (getattr(part, field) for part in of)
        return Bar(what, must, good, oracle, here, low, high, **more)  # type: ignore[arg-type]

    few = {"share": False, "higher": False, "decimals": 1}
    yield bar("alarm: false alarms per 21 days", alarm, "false_a_month", 1.5, 1.0, "1.2", **few)
    yield bar("alarm: of them on days >= 92 %", alarm, "false_far_a_month", 0.7, 0.4, "0.3", **few)
    yield bar("alarm: recall, >= 10 min before", alarm, "recall_10", 0.77, 0.85, "95 %")
    yield bar("alarm: recall, >= 5 min before", alarm, "recall_5", 0.93, 0.97, "99 %")
    yield bar("alarm: median lead, min (missed = 0)", alarm, "lead_minutes", 40, 60, "125", share=False)
    yield bar("alarm: precision by day; of alarm days, lost", alarm, "precision", 0.78, 0.85, "83 %")
    yield bar("warning: recall, >= 10 min before", warning, "recall_10", 0.85, 0.92, "-")
    yield bar("warning: median lead, min", warning, "lead_minutes", 55, 80, "-", share=False)
    yield bar("warning: false alarms per 21 days", warning, "false_a_month", 3.5, 2.5, "-", **few)
    for kind, must, good, oracle in ((Kind.BURST, 13, 9, "1"), (Kind.OUTAGE, 6, 3, "2")):
        waited = minutes_to_alarm(pool, incidents, kind)
        what = f"{kind.value} ({len(waited)} lost): median min from its start to the alarm"
        found = float(np.median(waited)) if waited else math.nan
        yield Bar(what, must, good, oracle, found, share=False, higher=False)
    slow = [day for day in pool.days if day.lost and incidents.get(day.day, (None, 0.0))[0] is Kind.SLOW]
    seen = score(slow, ALARM).recall_10
    yield Bar(f"slow handle time ({len(slow)} lost): recall, >= 10 min", 0.7, 0.9, "100 %", seen)
    yield bar("alerts per alert day", alarm, "per_alert_day", 1.2, 1.1, "1.1", share=False, higher=False, decimals=2)
    yield bar("days with 3 or more", alarm, "often", 0.01, 0.0, "0.3 %", higher=False, decimals=1)
    low, high = brier_bounds(pool.days, 12 * 60 * MINUTE)
    noon = brier(pool.days, 12 * 60 * MINUTE)[1]
    yield Bar("Brier of P at 12:00", 0.11, 0.09, "0.076", noon, low, high, 3, share=False, higher=False)
    ours, first = figures(pool.met, 0), figures(pool.met, PREDICTORS.index("first in line"))
    yield Bar("wait: RMSE, s", 85, 78, "-", ours.rmse, share=False, higher=False)
    yield Bar(
        "wait: RMSE against the first in line's",
        0.72,
        0.72,
        "-",
        ours.rmse / first.rmse,
        decimals=2,
        share=False,
        higher=False,
    )
    yield Bar("wait: absolute bias, s", 15, 8, "-", abs(ours.bias), share=False, higher=False)
    interval_coverage = coverage(pool.met)
    yield Bar("wait: 80 % range holds at least", 0.76, 0.78, "80 %", interval_coverage)
    yield Bar("wait: and at most", 0.88, 0.84, "80 %", interval_coverage, higher=False)


def show(title: str, pool: JudgedPool | None, target: Target, lines: Iterable[Bar] = ()) -> None:
    print(f"\n== {title}")
    if pool is None:
        print("too few calls a day to judge")
        return
    rows = list(lines)
    if rows:
        print(f"{'':52}{'found':>8} {'[95 % by days]':<19}{'must':<11}{'good':<11}{'oracle':<8}reached")
        print("\n".join(bar.line() for bar in rows))
        print()
    print("\n".join(pool_text(pool, target, RiskLevels().warning, RiskLevels().alarm)), flush=True)


def busiest(taught: list[BacktestDay], judged: list[BacktestDay], target: Target, least: int) -> JudgedPool | None:
    pools = pools_of([*taught, *judged])
    name = max(pools, key=lambda name: sum(day.of for day in pools[name]))
    return judge_pool(name, pools[name], target, least)


# ---- simulated days


def weekdays(count: int, start: date = FIRST_DAY) -> list[date]:
    days = (start + timedelta(days=number) for number in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def simulated(name: str, days: int, history: int, seed: int, processes: int) -> None:
    variation = VARIATIONS[name]
    before = variation._replace(calls_by_weekday=variation.history_by_weekday or variation.calls_by_weekday)
    every = [
        SimulatedDay(on, seed, before if number < history else variation)
        for number, on in enumerate(weekdays(history + days))
    ]
    taught, judged = walk(every[:history], every[history:], processes)
    incidents = dict(map(_incident, every[history:]))
    target = every[0].settings().target
    pool = busiest(taught, judged, target, least=20)
    show(
        f"simulated, {name}: {history} days of history, {days} judged",
        pool,
        target,
        bars(pool, incidents) if pool else (),
    )


def _incident(day: SimulatedDay) -> tuple[date, tuple[Kind, float]]:
    made = day.made()
    midnight = datetime.combine(day.on, time(), ZONE)
    return day.on, (made.kind, (made.incident_at - midnight).total_seconds() if made.incident_at else 0.0)


def tick_times(seed: int) -> None:
    """How long one look takes on a day of about 1200 calls, in this process."""
    day = SimulatedDay(FIRST_DAY, seed, Variation(calls=1.35, staff=1.35))
    live, taken = live_of(day.settings()), []
    due = datetime.combine(day.on, time(8, 16), ZONE)
    for event in day.made().events:
        while event.at > due:
            began = stopwatch.perf_counter()
            live.show_forecasts([given.compute() for given in live.forecast_inputs(due)])
            live.alert_snapshot(due)
            taken.append(1000 * (stopwatch.perf_counter() - began))
            due += timedelta(minutes=10)
        live.apply(event)
    print(
        f"\none look, {len(taken)} over a day: median {np.median(taken):.0f} ms, longest {max(taken):.0f} ms",
        file=sys.stderr,
    )


# ---- real days


def real(path: Path, hours: Path | None, limit: int, processes: int) -> None:
    usual = config.load(hours, os.environ, registry.settings_of, registry.adapter_kinds(), needs_sources=False)
    target = structs.replace(usual.target, definition=DefinitionId.D4, limit_seconds=limit)
    settings = structs.replace(usual, target=target)
    by_day: dict[date, list[Call]] = {}
    for call in read_calls(path, settings.zone):
        by_day.setdefault(call.entered_at.astimezone(settings.zone).date(), []).append(call)
    days = [RealDay(tuple(calls), settings) for _, calls in sorted(by_day.items())]
    taught: list[BacktestDay] = []
    judged: list[BacktestDay] = []
    for month in sorted({(day.on.year, day.on.month) for day in days}):
        these = [day for day in days if (day.on.year, day.on.month) == month]
        later = [_a_year_before(day) for day in days if day.on > these[-1].on]
        earlier = [day for day in days if day.on < these[0].on]
        before, run = walk([*later, *earlier][-BANK_HISTORY:], these, processes)
        judged += run
        taught += before if not taught else []
    pool = busiest(taught, judged, target, BANK_MIN_CALLS)
    show(f"real days, months in turn, {limit} s", pool, target, real_bars(pool, limit) if pool else ())


def _a_year_before(day: RealDay) -> RealDay:
    return RealDay(tuple(call._replace(entered_at=call.entered_at - A_YEAR) for call in day.calls), day.config)


def real_bars(pool: JudgedPool, limit: int) -> Iterator[Bar]:
    """The bar on real calls."""
    alarm = dict(pool.rules)[ALARM]
    strict = limit >= 300
    for what, field, must, good, share, higher in (
        ("alarm: recall, >= 10 min before", "recall_10", 0.9 if strict else 0.88, 0.93, True, True),
        ("alarm: precision by day", "precision", 0.7 if strict else 0.72, 0.8, True, True),
        (
            "alarm: false alarms per 21 days",
            "false_a_month",
            1.5 if strict else 3.0,
            1.0 if strict else 2.0,
            False,
            False,
        ),
    ):
        here, low, high = (getattr(part, field) for part in alarm)
        yield Bar(what, must, good, "-", here, low, high, 0 if share else 1, share, higher)
    yield Bar("wait: 80 % range holds at least", 0.75, 0.75, "-", coverage(pool.met))
    yield Bar("wait: and at most", 0.88, 0.88, "-", coverage(pool.met), higher=False)
    for queue in sorted({one.queue for one in pool.met}):
        met = [one for one in pool.met if one.queue == queue]
        plain = min(figures(met, PREDICTORS.index(rule)).mae for rule in ("last wait", "first in line", "usual wait"))
        what = f"wait, {queue}: MAE, s, against the best plain rule"
        yield Bar(what, plain, plain, "-", figures(met, 0).mae, share=False, higher=False)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--days", type=int, default=360)
    asked.add_argument("--history", type=int, default=60)
    asked.add_argument("--varied", type=int, default=100, help="days of each variation")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", choices=list(VARIATIONS), help="one variation")
    asked.add_argument("--bank", type=Path, help="past calls, as backtest reads them")
    asked.add_argument("--bank-config", type=Path, help="their opening hours and time zone")
    asked.add_argument("--limits", type=int, nargs="*", default=[300, 240])
    asked.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = asked.parse_args()
    for name in VARIATIONS if chosen.days else ():
        if chosen.only in (None, name):
            days = chosen.days if name in (MIXED, chosen.only) else min(chosen.days, chosen.varied)
            simulated(name, days, chosen.history, chosen.seed, chosen.processes)
    if chosen.days:
        tick_times(chosen.seed)
    for limit in chosen.limits if chosen.bank else ():
        real(chosen.bank, chosen.bank_config, limit, chosen.processes)


if __name__ == "__main__":
    main()
