# ruff: noqa: T201 -- it is a program that prints
"""This program measures how many events a second the live state takes.

    python benchmarks/bench_live.py [--rounds 7] [--calls 10000] [--profile]

Two streams: a simulated day of six ordinary ones with everything a switch says, and bare calls that enter, are
answered and end. Each figure is the median of several rounds, with the slowest and the fastest: between two machines
trust the ratios, not the figures. The time is the processor's, of `apply` and `settle` together; `records` takes the
records too, `forecast` feeds the forecast. Garbage is collected as the service does it.
"""

import argparse
import cProfile
import gc
import os
import platform
import pstats
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from importlib.metadata import version
from typing import Any

from queue_monitor.app.interpreter import collect_seldom
from queue_monitor.core.calendar import Calendar, DayHours
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, EndedBy, Event, event_id
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.simulation import ZONE, Config, simulate

SETTLED_EVERY = 1000
PACKAGES = ("msgspec", "hdrhistogram")
DAY = date(2026, 11, 24)
SOURCE = "urn:kc:asterisk_ami:bench"


def rules() -> Rules:
    day = DayHours(opens=clock_time(8), closes=clock_time(17))
    return Rules(calendar=Calendar(ZONE, (day,) * 5 + (DayHours(),) * 2))


def simulated_day() -> list[Event]:
    return list(simulate(Config(date=DAY, calls_factor=6, staff_factor=6)).events)


def bare_calls(how_many: int) -> list[Event]:
    """Three calls a second: each waits 40 s and talks 200 s."""
    began = datetime(2026, 11, 24, 7, tzinfo=UTC)
    events: list[Event] = []
    for number in range(how_many):
        leg = f"bench:1795507200.{number}"
        visit = f"{leg}@1795507200.{number:06}"
        entered = began + timedelta(seconds=number / 3)
        common: dict[str, Any] = {"source": SOURCE, "switch": "bench"}
        common |= {"visit_id": visit, "contact_id": leg, "leg_id": leg}
        for kind, at, fields in (
            (CallEntered, entered, {"queue": "kundcenter", "position": 1}),
            (CallAnswered, entered + timedelta(seconds=40), {"agent_id": f"bench:agent {number % 50}"}),
            (CallCompleted, entered + timedelta(seconds=240), {"ended_by": EndedBy.CALLER}),
        ):
            name = str(kind.__struct_config__.tag)
            its = event_id(SOURCE, name, at.isoformat(), visit)
            events.append(kind(id=its, observed_at=at, switch_time=at, **common, **fields))
    return sorted(events, key=lambda event: event.at)


def seconds(events: list[Event], *, records: bool = False, forecast: bool = False) -> float:
    """How long one fresh live state takes for all of them."""
    its = rules()
    live = Live(its, Forecaster(its.target, Calendars(its.calendar)) if forecast else None)
    live.note_changes(records)
    gc.collect()
    began = time.process_time()
    for at, event in enumerate(events, start=1):
        live.apply(event)
        if at % SETTLED_EVERY == 0:
            settle(live)
    settle(live)
    return time.process_time() - began


def settle(live: Live) -> None:
    live.take_records()  # settles first; there are none where changes are not noted


def measure(name: str, events: list[Event], rounds: int, **beside: bool) -> None:
    speeds = [len(events) / seconds(events, **beside) for _ in range(rounds)]
    figures = f"{statistics.median(speeds):>9,.0f} {min(speeds):>9,.0f} {max(speeds):>9,.0f}"
    print(f"{name:<34} {len(events):>8,} {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=10_000, help="bare calls")
    parser.add_argument("--profile", action="store_true", help="say where the time goes instead")
    wanted = parser.parse_args()
    streams = {"a simulated day": simulated_day(), "bare calls": bare_calls(wanted.calls)}
    if wanted.profile:
        for name, events in streams.items():
            profile = cProfile.Profile()
            profile.runcall(seconds, events)
            print(name)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    collect_seldom()
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in PACKAGES))
    print(f"{'events/s, settled every 1,000':<34} {'events':>8} {'median':>9} {'slowest':>9} {'fastest':>9}")
    for name, events in streams.items():
        measure(name, events, wanted.rounds)
        measure(f"{name}, records", events, wanted.rounds, records=True)
        measure(f"{name}, forecast", events, wanted.rounds, forecast=True)


if __name__ == "__main__":
    main()
