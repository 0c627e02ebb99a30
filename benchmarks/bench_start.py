# ruff: noqa: T201 -- it is a program that prints
"""A start in the middle of a crisis day: how soon the first page, how soon caught up, how much memory.

    python benchmarks/bench_start.py [--calls 50000] [--rounds 3]

Writes half of a day of 100,000 calls to a store of its own, kills nothing but starts the program on it as a user would,
and asks for pages from outside. The first start is not counted: it compiles the program's modules, as an installation
does. Beside the seconds by the clock stands the processor time, in which other programs have no part.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor.app import registry
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import ManualClock
from queue_monitor.config import load
from queue_monitor.core.live import Live
from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, CallLeft, Event, LeftOutcome
from queue_monitor.ports import Delivery
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store

ZONE = ZoneInfo("Europe/Stockholm")
SOURCE = "urn:kc:http:vendor"
DAY_SECONDS = 9 * 3600
CALLS_A_DAY = 100_000
SETTINGS = """
[hours]
holidays = "none"

[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
open = "00:00"
close = "24:00"

[[sources]]
name = "vendor"
kind = "http"
switch = "pbx"
secrets = ["kundcenter-0123456789abcdef0123456789abcdef"]
"""


def calls(number: int, ends: datetime) -> list[Event]:
    """The newest `number` calls of a day of 100,000, in the order in which a switch tells of them.

    Three of five are answered, the others give up.
    """
    apart = DAY_SECONDS / CALLS_A_DAY
    events: list[Event] = []
    for n in range(number):
        entered = ends - timedelta(seconds=(number - n) * apart)
        visit, switch = f"pbx:{n}", "pbx"
        queue = f"queue {n % 5}"
        told: list[tuple[type[Event], datetime, dict[str, object]]] = [
            (CallEntered, entered, {"queue": queue, "contact_id": visit, "leg_id": visit}),
        ]
        out = entered + timedelta(seconds=30 + n % 400)
        if n % 5 < 3:
            told.append((CallAnswered, out, {"agent_id": f"pbx:agent {n % 200}"}))
            told.append((CallCompleted, out + timedelta(seconds=600), {}))
        else:
            told.append((CallLeft, out, {"outcome": LeftOutcome.ABANDONED}))
        for kind, at, fields in told:
            if at <= ends:
                made: Event = kind(  # type: ignore[call-arg]
                    id=f"{kind.__name__}/{n}",
                    source=SOURCE,
                    switch=switch,
                    observed_at=at,
                    switch_time=at,
                    visit_id=visit,
                    **fields,  # type: ignore[arg-type]
                )
                events.append(made)
    return sorted(events, key=lambda event: event.at)


async def fill(folder: Path, number: int, ends: datetime) -> int:
    store = await open_store(f"sqlite:///{folder / 'calls.db'}", zone=ZONE, agent_key=folder / "agent.key")
    clock = ManualClock(ends)
    config = load(folder / "my.toml", {}, registry.settings_of)
    pipeline = Pipeline(Live(rules_of(config)), clock, store)
    await pipeline.rebuild()
    events = calls(number, ends)
    for at in range(0, len(events), 1000):
        pipeline.take(Delivery(items=tuple(events[at : at + 1000]), received_at=ends))
        await pipeline.write()
    await pipeline.drain()
    await store.close()
    return len(events)


class Found(NamedTuple):
    """Seconds to the first page and until caught up, by the clock and of the processor, and the most memory in MB."""

    first: float
    caught_up: float
    memory_mb: float
    first_cpu: float
    caught_up_cpu: float


def processor_seconds(process_id: int) -> float:
    """How long a running process has used a core so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(folder: Path) -> Found:
    """Start the program, ask for a page and wait until it has caught up."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        "QUEUE_MONITOR_HTTP__PORT": "0",
        "QUEUE_MONITOR_STORE__URL": f"sqlite:///{folder / 'calls.db'}",
        "QUEUE_MONITOR_STORE__SPILL": str(folder / "spill.jsonl"),
        "QUEUE_MONITOR_STORE__AGENT_KEY": str(folder / "agent.key"),
    }
    began = time.monotonic()
    command = [sys.executable, "-m", "queue_monitor", "run", "--config", str(folder / "my.toml")]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200
        first, first_cpu = time.monotonic() - began, processor_seconds(process.pid)
        while True:
            with urllib.request.urlopen(f"{address}api/v1/status", timeout=30) as answer:
                status = json.load(answer)
            if not status["journal"]["catching_up"] and status["total"]["periods"]["tertial"]["entered"]:
                break
            time.sleep(0.05)
        caught_up, caught_up_cpu = time.monotonic() - began, processor_seconds(process.pid)
        held = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
        return Found(first, caught_up, int(held.split()[1]) / 1024, first_cpu, caught_up_cpu)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="queue-monitor-bench-") as name:
        folder = Path(name)
        (folder / "my.toml").write_text(SETTINGS, encoding="utf-8")
        ends = datetime.now(UTC)  # noqa: TID251 -- the program asks the real clock
        began = time.monotonic()
        events = asyncio.run(fill(folder, asked.calls, ends))
        print(f"{asked.calls} calls, {events} events written in {time.monotonic() - began:.0f} s")
        start(folder)
        found = [start(folder) for _ in range(asked.rounds)]
    for what, bar, figures in (
        ("first page, s", ", at most 4", [its.first for its in found]),
        ("  of the processor, s", "", [its.first_cpu for its in found]),
        ("caught up, s", ", at most 8", [its.caught_up for its in found]),
        ("  of the processor, s", "", [its.caught_up_cpu for its in found]),
        ("most memory, MB", ", at most 250", [its.memory_mb for its in found]),
    ):
        print(f"{what}: {statistics.median(figures):.1f} ({min(figures):.1f} to {max(figures):.1f}){bar}")


if __name__ == "__main__":
    main()
