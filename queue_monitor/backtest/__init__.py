"""A backtest runs the live engine over past calls, and scores the alerts that it would have given each day.

The same code as in operation takes the calls event by event, on a clock that they drive; the score is made afterwards.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from queue_monitor.backtest.page import page
from queue_monitor.backtest.pool_scores import JudgedPool, judge_pool, pools_of
from queue_monitor.backtest.report import Note, Summary, text
from queue_monitor.backtest.runner import BacktestRun, run_through
from queue_monitor.backtest.sources import CallsPast, Past, past_of
from queue_monitor.config import Config
from queue_monitor.core.live import Live
from queue_monitor.replay.engine import write_alerts, write_predictions
from queue_monitor.replay.recording import RecordingError, folder_of

__all__ = ["BacktestOptions", "backtest", "summed_up", "text"]

TEACHING_DAYS: Final = 21
"""The usual number of open days that teach before any is judged, and never more than half of them."""


class BacktestOptions(Struct, frozen=True, kw_only=True):
    """The past to run through, and the files for the results. `hours`: the opening hours in words."""

    past: str
    hours: str
    train_until: date | None = None
    alerts: Path | None = None
    predictions: Path | None = None
    html: Path | None = None


async def backtest(config: Config, live: Live, wanted: BacktestOptions, advance: Callable[[int], None]) -> Summary:
    """Run through the past and judge it. Raises `RecordingError`, `StoreError` and `OSError` in words for a person."""
    for path in (wanted.alerts, wanted.predictions, wanted.html):
        if path is not None:
            folder_of(path)
    past = past_of(wanted.past, config, live.rules.calendar)
    until, notes = await _teaching_until(past, wanted.train_until)
    run = await run_through(config, live, past, taught=lambda day: day <= until, advance=advance)
    if wanted.alerts is not None:
        write_alerts(wanted.alerts, run.alerts, config.zone)
    if wanted.predictions is not None:
        write_predictions(wanted.predictions, run.predictions)
    found = summed_up(config, past, wanted.hours, run, notes)
    if wanted.html is not None:
        wanted.html.write_text(page(found, config), encoding="utf-8")
    return found


async def _teaching_until(past: Past, asked: date | None) -> tuple[date, list[Note]]:
    days = await past.days()
    if not days:
        raise RecordingError(f"{past.name}: nobody called in opening hours")
    if asked is not None:
        if asked >= days[-1]:
            raise RecordingError(f"--train-until {asked}: leaves no day to judge; the last open day is {days[-1]}")
        return asked, []
    teaching = min(TEACHING_DAYS, len(days) // 2)
    return (days[teaching - 1] if teaching else date.min), [Note("teaching", teaching)]


def summed_up(config: Config, past: Past, hours: str, run: BacktestRun, notes: Sequence[Note] = ()) -> Summary:
    """Return the score of a run: how well its alerts, chances and waits matched the days as they ended."""
    pools: list[JudgedPool] = []
    few: list[str] = []
    for name, days in pools_of(run.days).items():
        pool = judge_pool(name, days, config.target)
        if pool is None:
            few.append(name)
        else:
            pools.append(pool)
    return Summary(
        source=past.name,
        target=config.target,
        warning_chance=config.alerts.warning_chance,
        alarm_chance=config.alerts.alarm_chance,
        hours=hours,
        taught=tuple(sorted({day.day for day in run.days if not day.judged})),
        judged=tuple(sorted({day.day for day in run.days if day.judged})),
        pools=tuple(sorted(pools, key=lambda pool: -sum(day.of for day in pool.days))),
        few=tuple(few),
        notes=(*notes, *_notes(past, run)),
    )


def _notes(past: Past, run: BacktestRun) -> list[Note]:
    """Return the notes that a reader needs to trust the figures."""
    found = []
    if run.outside_hours:
        found.append(Note("outside", run.outside_hours))
    if isinstance(past, CallsPast):
        answered = [call for call in past.calls if call.outcome == "answered"]
        without = {
            "no_talk": sum(call.talk is None for call in answered),
            "no_agent": sum(not call.agent for call in answered),
        }
        found += [Note(key, count) for key, count in without.items() if count]
    return found + [Note("rejected", count, what) for what, count in sorted(run.rejected.items())]
