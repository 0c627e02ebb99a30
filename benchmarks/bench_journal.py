# ruff: noqa: T201 -- it is a program that prints
"""How many events a second the journal commits, by how many share a commit.

    python benchmarks/bench_journal.py [--directory DIR] [--postgres postgresql://user:password@host/database]

SQLite's file is made in DIR (the current directory unless said: /tmp may be memory, which knows no disk) and removed.
In PostgreSQL the rows stay; give it a database of its own. Each figure is the median of several rounds, with the
slowest and the fastest: between two machines trust the ratios, not the figures.
"""

import argparse
import asyncio
import os
import platform
import shutil
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import count
from pathlib import Path
from uuid import uuid4

from queue_monitor.events import CallEntered, encode
from queue_monitor.store import SqlStore, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
PACKAGES = ("SQLAlchemy", "alembic", "aiosqlite", "psycopg", "msgspec")
_numbers = count()
_run = uuid4().hex


def events(how_many: int) -> list[CallEntered]:
    return [
        CallEntered(
            id=f"{_run}{number:032x}"[-48:],
            source="urn:kc:asterisk_ami:bench",
            switch="bench",
            observed_at=START + timedelta(seconds=number),
            switch_time=START + timedelta(seconds=number),
            visit_id=f"bench:{number}",
            contact_id=f"bench:{number}",
            leg_id=f"bench:{number}",
            queue="kundcenter",
            position=1,
        )
        for number in (next(_numbers) for _ in range(how_many))
    ]


async def appended_per_second(store: SqlStore, batch: int, seconds: float) -> float:
    rows, spent = 0, 0.0
    while spent < seconds:
        some = events(batch)
        began = time.perf_counter()
        rows += await store.append(some, START)
        spent += time.perf_counter() - began
    return rows / spent


async def read_per_second(store: SqlStore) -> tuple[int, float]:
    began, rows = time.perf_counter(), 0
    async for _ in store.read(START):
        rows += 1
    return rows, rows / (time.perf_counter() - began)


async def measure(name: str, url: str, batches: list[int], rounds: int, seconds: float) -> None:
    store = await open_store(url)
    try:
        await appended_per_second(store, 100, seconds)  # the first statements are slower
        print(f"\n{name}\n{'rows a commit':>14} {'rows/s':>9} {'slowest':>9} {'fastest':>9} {'ms a commit':>12}")
        for batch in batches:
            speeds = [await appended_per_second(store, batch, seconds) for _ in range(rounds)]
            middle = statistics.median(speeds)
            print(
                f"{batch:>14} {middle:>9,.0f} {min(speeds):>9,.0f} {max(speeds):>9,.0f} {1000 * batch / middle:>12.2f}"
            )
        rows, speed = await read_per_second(store)
        print(f"read {rows:,} events: {speed:,.0f} a second")
    finally:
        await store.close()


def machine() -> str:
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}\n"
        f"{len(encode(events(1)[0]))} bytes an event"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    options = parser.parse_args()
    print(machine())

    folder = Path(tempfile.mkdtemp(prefix="bench_journal-", dir=options.directory.resolve()))
    try:
        url = f"sqlite:///{folder}/journal.db"
        asyncio.run(measure("SQLite, WAL, synchronous=FULL", url, options.batches, options.rounds, options.seconds))
    finally:
        shutil.rmtree(folder)
    if options.postgres:
        asyncio.run(measure("PostgreSQL", options.postgres, options.batches, options.rounds, options.seconds))


if __name__ == "__main__":
    main()
