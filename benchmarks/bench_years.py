# ruff: noqa: T201 -- it is a program that prints
"""Five years of calls: how fast the past is answered, and whether memory is the same as with one day.

    python benchmarks/bench_years.py [--years 5] [--calls 120000] [--rounds 5] [--directory DIR] [--keep]

Lives through the years as a monitor does, a day at a delivery, with journal, packs, sums and what the forecast learns;
a second store holds today alone and a third the last hundred days, and today is the same in all. Then the program is
started on each as a user would, and asked from outside; and the same questions are asked in this process. The stores
are made in DIR (a folder of their own unless said), which takes twenty minutes; with `--keep` they stay there,
and the next run that names DIR asks them again.

A month is held against 0.3 s and a year against 1 s, and the memory of five years against that of one day.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode

from queue_monitor.api.json.intervals import OverTime
from queue_monitor.app import registry
from queue_monitor.app.rules_from_config import live_of, rules_of
from queue_monitor.clock import ManualClock
from queue_monitor.config import Config, load
from queue_monitor.core.live import Live
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    Event,
    LeftOutcome,
    SourceConnected,
    SourceDisconnected,
)
from queue_monitor.model import Level
from queue_monitor.ports import Delivery
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import SqlStore, open_store

SOURCE: Final = "urn:kc:simulator:bench"
"""So that the clock may be a simulated one, and the newest day is always the same."""

QUEUES: Final = ("kundcenter", "bygglov", "miljö", "skola", "omsorg")
SHARES: Final = (60, 20, 10, 6, 4)
OPENS, OPEN_HOURS = 8, 9
WORKING_DAYS: Final = 261
FORECAST_DAYS: Final = 100
PACKAGES: Final = ("SQLAlchemy", "aiosqlite", "msgspec", "numpy", "fastapi", "uvicorn")
STORES: Final = {"day": "one day", "season": f"{FORECAST_DAYS} days", "years": "all years"}
MONTH_SECONDS, YEAR_SECONDS, MAX_GROWTH = 0.3, 1.0, 0.05
TODAY: Final = date(2026, 3, 4)
SETTINGS: Final = f"""
[clock]
start = {TODAY}T17:00:00

[hours]
holidays = "none"

[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri"]
open = "08:00"
close = "17:00"

[[sources]]
name = "bench"
kind = "simulator"
switch = "pbx"
enabled = false
"""


# ---- the years


def events_of_day(chance: random.Random, opens: datetime, calls: int) -> list[Event]:
    """A day's callers over the opening hours, in the order in which a switch tells of them.

    Six of seven are answered, after two minutes on the average; the others give up.
    """
    events: list[Event] = []

    def tell(kind: type[Event], name: str, at: datetime, **fields: object) -> None:
        its = {"id": f"{kind.__name__}/{name}", "source": SOURCE, "observed_at": at, "switch_time": at}
        events.append(kind(switch="pbx", **its, **fields))  # type: ignore[arg-type]

    tell(SourceConnected, f"{opens:%y%m%d}", opens)
    for number in range(calls):
        entered = opens + timedelta(seconds=chance.uniform(0, OPEN_HOURS * 3600 - 1_200))
        visit = f"pbx:{opens:%y%m%d}.{number}"
        queue = chance.choices(QUEUES, SHARES)[0]
        out = entered + timedelta(milliseconds=min(600_000, int(chance.expovariate(1 / 120_000))))
        tell(CallEntered, visit, entered, visit_id=visit, contact_id=visit, leg_id=visit, queue=queue)
        if chance.random() < 6 / 7:
            talk = timedelta(milliseconds=min(590_000, int(chance.expovariate(1 / 200_000))))
            tell(CallAnswered, visit, out, visit_id=visit, agent_id=f"pbx:agent {chance.randrange(30)}")
            tell(CallCompleted, visit, out + talk, visit_id=visit)
        else:
            tell(CallLeft, visit, out, visit_id=visit, outcome=LeftOutcome.ABANDONED)
    tell(SourceDisconnected, f"{opens:%y%m%d}", opens + timedelta(hours=OPEN_HOURS))
    return sorted(events, key=lambda event: event.at)


class Made(NamedTuple):
    """How much a store was given."""

    calls: int
    events: int

    def plus(self, more: "Made") -> "Made":
        return Made(self.calls + more.calls, self.events + more.events)


async def live_through(config: Config, folder: Path, name: str, days: list[date], calls_a_day: int) -> Made:
    """Write these days to a store, each as one delivery, by a monitor that has run all the time.

    It is started anew for the last of them: what the forecast remembers is of no more days than these, and to learn
    from all would take half of the time.
    """
    store = await open_store(url_of(folder, name), zone=config.zone, agent_key=folder / "agent.key")
    made = Made(0, 0)
    try:
        early, late = days[:-FORECAST_DAYS], days[-FORECAST_DAYS:]
        for live, some in ((Live(rules_of(config)), early), (live_of(config), late)):
            if some:
                made = made.plus(await _live_through(config, store, live, some, calls_a_day))
    finally:
        await store.close()
    return made


async def _live_through(config: Config, store: SqlStore, live: Live, days: list[date], calls_a_day: int) -> Made:
    opened = [datetime.combine(day, time_of_day(OPENS), config.zone).astimezone(UTC) for day in days]
    clock = ManualClock(opened[0])
    pipeline = Pipeline(live, clock, store)
    await pipeline.rebuild()
    told = 0
    for opens in opened:
        clock.advance_to(opens)
        pipeline.start_day()
        events = events_of_day(random.Random(opens.toordinal()), opens, calls_a_day)
        clock.advance_to(opens + timedelta(hours=OPEN_HOURS))
        pipeline.take(Delivery(items=tuple(events), received_at=clock.now()))
        await pipeline.write()
        told += len(events)
        if opens.weekday() == 4:
            await store.pack(opens - timedelta(days=1))
    await pipeline.drain()
    while await store.pack(opened[-1] - timedelta(days=1)):
        pass
    return Made(len(days) * calls_a_day, told)


def working_days(years: int) -> list[date]:
    """The working days of so many years up to today, and today."""
    first = TODAY.replace(year=TODAY.year - years)
    days = [first + timedelta(days=n) for n in range((TODAY - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def url_of(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / name}.db"


def size_of(file: Path) -> float:
    """In MB, with what waits beside it."""
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file.stat().st_size / 1e6


# ---- the program, from outside


@contextmanager
def monitor(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """The program on a store, caught up and a page answered: its address and the number of its process."""
    environ = os.environ | {
        "QUEUE_MONITOR_HTTP__PORT": "0",
        "QUEUE_MONITOR_STORE__URL": url_of(folder, name),
        "QUEUE_MONITOR_STORE__SPILL": str(folder / "spill.jsonl"),
        "QUEUE_MONITOR_STORE__AGENT_KEY": str(folder / "agent.key"),
    }
    command = [sys.executable, "-m", "queue_monitor", "run", "--config", str(folder / "my.toml")]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        ask(address)
        while json.loads(ask(f"{address}api/v1/status"))["journal"]["catching_up"]:
            time.sleep(0.05)
        yield address, process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def ask(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=120) as answer:
        found: bytes = answer.read()
    return found


def memory_of(process: int) -> tuple[float, float]:
    """What a process holds now and what it held at most, in MB."""
    lines = dict(line.split(":") for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024


# ---- the questions


class Question(NamedTuple):
    """One question about the past, and how soon it is to be answered; None where nothing is promised."""

    words: str
    path: str
    start: date
    end: date
    seconds: float | None
    step: str = ""
    queue: str | None = None

    @property
    def address(self) -> str:
        asked = {"from": self.start, "to": self.end, "step": self.step, "queue": self.queue}
        return f"api/v1/{self.path}?" + urlencode({name: value for name, value in asked.items() if value})


def questions(years: int) -> list[Question]:
    """A month and a year by every step that the API allows, of the largest queue and of all, and calls one by one."""
    today = TODAY + timedelta(days=1)
    month, year = today - timedelta(days=31), today - timedelta(days=365)
    oldest = TODAY.replace(year=TODAY.year - years)
    found = []
    for whose, queue in (("a queue", QUEUES[0]), ("all", None)):
        found += [
            Question(f"a month of {whose} by {step}", "intervals", month, today, MONTH_SECONDS, step, queue)
            for step in ("month", "week", "day", "hour", "quarter")
        ]
        found.append(
            Question(
                f"the oldest month of {whose} by day", "intervals", oldest, oldest + timedelta(days=31), MONTH_SECONDS,
                "day", queue,
            )
        )  # fmt: skip
        found += [
            Question(f"a year of {whose} by {step}", "intervals", year, today, YEAR_SECONDS, step, queue)
            for step in ("year", "tertial", "month", "week", "day")
        ]
        found += [
            Question(f"a month of {whose}, calls", "calls", month, today, MONTH_SECONDS, queue=queue),
            Question(f"a month of {whose}, lost", "lost-calls", month, today, MONTH_SECONDS, queue=queue),
            Question(f"a year of {whose}, calls", "calls", year, today, YEAR_SECONDS, queue=queue),
            Question(f"a year of {whose}, lost", "lost-calls", year, today, YEAR_SECONDS, queue=queue),
            Question(f"{years} years of {whose} by day", "intervals", oldest, today, None, "day", queue),
            Question(f"5,000 hours of {whose}", "intervals", today - timedelta(days=208), today, None, "hour", queue),
        ]
    return found


class Spent:
    """The figures of several rounds, and whether the middle one is more than `most`."""

    def __init__(self, figures: list[float], most: float | None) -> None:
        self.median = statistics.median(figures)
        self._figures = figures
        self.misses = most is not None and self.median > most

    def __format__(self, form: str) -> str:
        return " ".join(f"{figure:8{form}}" for figure in (self.median, min(self._figures), max(self._figures)))


def ask_there(address: str, asked: list[Question], rounds: int) -> list[tuple[Question, Spent]]:
    found = []
    for question in asked:
        spent = []
        for _ in range(rounds):
            began = time.perf_counter()
            ask(address + question.address)
            spent.append(time.perf_counter() - began)
        found.append((question, Spent(spent, question.seconds)))
    return found


def show(title: str, found: list[tuple[Question, Spent]]) -> None:
    print(f"\n{title}\n{'question':<36} {'s':>8} {'fastest':>8} {'slowest':>8}  at most")
    for question, spent in found:
        target = "-" if question.seconds is None else f"{question.seconds:.1f}"
        print(f"{question.words:<36} {spent:.3f}  {target}{'  MISSES' if spent.misses else ''}")


async def ask_here(config: Config, folder: Path, asked: list[Question], rounds: int) -> list[tuple[Question, Spent]]:
    """The same questions in this process, without the web server and without writing answers down."""
    store = await open_store(url_of(folder, "years"), zone=config.zone, agent_key=folder / "agent.key")
    clock = ManualClock(datetime.combine(TODAY, time_of_day(OPENS + OPEN_HOURS), config.zone).astimezone(UTC))
    pipeline = Pipeline(live_of(config), clock, store)
    found = []
    try:
        await pipeline.rebuild()
        pipeline.publish()
        over_time = OverTime(pipeline, clock)
        for question in asked:
            start, end = (datetime.combine(day, time_of_day(), config.zone) for day in (question.start, question.end))
            spent = []
            for _ in range(rounds):
                began = time.perf_counter()
                await answered(pipeline, over_time, question, start, end)
                spent.append(time.perf_counter() - began)
            found.append((question, Spent(spent, question.seconds)))
    finally:
        await store.close()
    return found


async def answered(pipeline: Pipeline, over_time: OverTime, question: Question, start: datetime, end: datetime) -> None:
    if question.path == "intervals":
        await over_time.intervals(start, end, question.step, Level.CONTACT, question.queue)
    elif question.path == "calls":
        await pipeline.calls(start, end, question.queue, None, 1001)
    else:
        await pipeline.lost_calls(start, end, question.queue)


def machine() -> str:
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def make(config: Config, folder: Path, years: int, calls: int) -> None:
    days = working_days(years)
    for name, its in zip(STORES, (days[-1:], days[-FORECAST_DAYS:], days), strict=True):
        if (folder / f"{name}.db").exists():
            continue
        began = time.monotonic()
        made = asyncio.run(live_through(config, folder, name, its, calls // WORKING_DAYS))
        print(
            f"{name}: {made.calls:,} calls, {made.events:,} events in {time.monotonic() - began:.0f} s,"
            f" {size_of(folder / f'{name}.db'):.0f} MB"
        )


def measure_memory(folder: Path, rounds: int) -> None:
    """Caught up and a page answered. A forecast holds more than none does, hence the store of one season beside."""
    held: dict[str, list[tuple[float, float]]] = {name: [] for name in STORES}
    for _ in range(rounds):
        for name, figures in held.items():
            with monitor(folder, name) as (_, process):
                figures.append(memory_of(process))
    print(f"\n{'memory, MB':<20} {'held when caught up':>26} {'held at most':>26}")
    for name, figures in held.items():
        now, most = (Spent([each[at] for each in figures], None) for at in (0, 1))
        print(f"{STORES[name]:<20} {now:.0f} {most:.0f}")
    day, years = (statistics.median(each[1] for each in held[name]) for name in ("day", "years"))
    verdict = "  MISSES" if years > day * (1 + MAX_GROWTH) else ""
    print(f"years hold {years / day - 1:+.1%}, at most {MAX_GROWTH:+.0%}{verdict}")


def run(folder: Path, options: argparse.Namespace) -> None:
    (folder / "my.toml").write_text(SETTINGS, encoding="utf-8")
    config = load(folder / "my.toml", {}, registry.settings_of)
    make(config, folder, options.years, options.calls)

    measure_memory(folder, options.rounds)
    asked = questions(options.years)
    with monitor(folder, "years") as (address, process):
        show("asked over HTTP", ask_there(address, asked, options.rounds))
        print("memory after all of these: {:.0f} MB, at most {:.0f} MB".format(*memory_of(process)))
    show("asked in this process", asyncio.run(ask_here(config, folder, asked, options.rounds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--calls", type=int, default=120_000, help="a year")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the stores in DIR")
    options = parser.parse_args()
    print(machine())
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
    folder = (options.directory or Path(tempfile.mkdtemp(prefix="queue-monitor-bench-"))).resolve()
    try:
        run(folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
