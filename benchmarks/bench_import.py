"""How fast years of queue_log are imported: lines a second from the file into the store, in one process and in two.

Run: `python benchmarks/bench_import.py [--lines 50000] [--rounds 3]`. A made-up centre of two queues, some 3.2 lines a
call, 1,000 calls a day; each round into a new SQLite file in a temporary folder. Printed are lines by the clock and by
the time of the processor, of which a busy machine takes nothing away; how much of it is reading alone; the same with
the lines read by a process of their own, where the slower of the two processes sets the pace; and how large memory
became.
"""

# ruff: noqa: T201
import argparse
import asyncio
import os
import platform
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy
from msgspec import structs

sys.path.insert(0, str(Path(__file__).parent.parent))

from adapters.asterisk_queuelog import Settings
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.config import load
from queue_monitor.importing import Wanted, run
from queue_monitor.importing.queue_log import QueueLogs

ZONE = ZoneInfo("Europe/Stockholm")
FIRST = date(2019, 1, 7)
CALLS_A_DAY = 1_000
LINES = 50_000
ROUNDS = 3


def day_of_lines(day: date, number: int) -> list[str]:
    """One day as Asterisk writes it; telephone numbers of nobody."""
    chance = random.Random(day.toordinal())
    opens = int(datetime.combine(day, clock_time(8), ZONE).astimezone(UTC).timestamp())
    lines: list[tuple[int, str]] = []
    for call in range(CALLS_A_DAY):
        entered = opens + chance.randrange(9 * 3_600 - 60)
        wait, talk = int(chance.expovariate(1 / 90)), int(chance.expovariate(1 / 240))
        queue = "Bygglov" if chance.random() < 0.2 else "Kundcenter"
        head, agent = f"{entered}.{number + call}|{queue}", f"Agent {chance.randrange(14)}"
        ended = entered + wait
        lines.append((entered, f"{entered}|{head}|NONE|ENTERQUEUE||07017406{call % 90 + 10}{call % 10}|1"))
        if chance.random() < 0.3:
            lines.append((entered + wait // 2, f"{entered + wait // 2}|{head}|{agent}|RINGNOANSWER|15000"))
        if chance.random() < 0.12:
            lines.append((ended, f"{ended}|{head}|NONE|ABANDON|1|1|{wait}"))
        else:
            lines.append((ended, f"{ended}|{head}|{agent}|CONNECT|{wait}|{entered}.9{call}|4"))
            lines.append((ended + talk, f"{ended + talk}|{head}|{agent}|COMPLETECALLER|{wait}|{talk}|1"))
    return [line for _, line in sorted(lines, key=lambda each: each[0])]


def log_of(lines: int) -> Iterator[str]:
    """Return at least this many lines: whole days, one after another."""
    count = number = 0
    day = FIRST
    while count < lines:
        its = day_of_lines(day, number)
        yield from its
        count, number, day = count + len(its), number + CALLS_A_DAY, day + timedelta(days=1)


def written(path: Path, lines: int) -> int:
    """Write the log; how many lines it has."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for line in log_of(lines):
            file.write(f"{line}\n")
            count += 1
    return count


def one_round(log: Path, *, apart: bool = False) -> tuple[float, float]:
    """Import into a new store; seconds by the clock and of the processor, of the slower process where there are two."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load(
            None, {"QUEUE_MONITOR_STORE__URL": f"sqlite:///{folder}/calls.db"}, settings_of, adapter_kinds()
        )
        settings = structs.replace(settings, store=structs.replace(settings.store, agent_key=f"{folder}/agent.key"))
        began, worked, helped = time.perf_counter(), time.process_time(), of_children()
        asyncio.run(run(settings, Wanted(files=(log,), apart=apart), lambda done, total: None))
        return time.perf_counter() - began, max(time.process_time() - worked, of_children() - helped)


def of_children() -> float:
    """Seconds of the processor that ended processes of ours have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reading_alone(log: Path) -> float:
    """Seconds of the processor for understanding the lines, nothing kept."""
    worked = time.process_time()
    for _ in QueueLogs("bench", [log], Settings(), ZONE).pieces():
        pass
    return time.process_time() - worked


def said(name: str, rates: list[float]) -> str:
    middle = statistics.median(rates)
    return f"{name}: {middle:,.0f} lines/s (from {min(rates):,.0f} to {max(rates):,.0f} in {len(rates)} rounds)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    lines, rounds = chosen.lines, chosen.rounds
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "queue_log"
        count = written(log, lines)
        times = [one_round(log) for _ in range(rounds)]
        apart = [one_round(log, apart=True) for _ in range(rounds)]
        alone = count / reading_alone(log)
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, msgspec {msgspec.__version__}, SQLAlchemy {sqlalchemy.__version__}")
    print(f"{count} lines, {count / 3.2 / CALLS_A_DAY:.0f} days or so")
    print(said("by the clock", [count / elapsed for elapsed, _ in times]))
    print(said("by the processor", [count / worked for _, worked in times]))
    print(said("in two processes, by the clock", [count / elapsed for elapsed, _ in apart]))
    print(said("in two processes, by the processor of the slower", [count / worked for _, worked in apart]))
    print(f"reading alone: {alone:,.0f} lines/s of the processor")
    print(f"largest size of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
