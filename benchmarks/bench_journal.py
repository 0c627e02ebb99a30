# ruff: noqa: T201 -- it is a program that prints
"""This program measures how many events a second the store commits and packs, and how long it takes to read a month
and a year out of five.

    python benchmarks/bench_journal.py [--directory DIR] [--postgres postgresql://user:password@host/database]

SQLite's file is made in DIR (the current directory unless said: /tmp may be memory, which knows no disk) and removed.
A PostgreSQL database must be empty or a bench's own: it is wiped first, and the rows stay. Each figure is the median of
several rounds, with the slowest and the fastest: between two machines trust the ratios, not the figures.
"""

import argparse
import asyncio
import os
import platform
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, CallRinging, Event, encode
from queue_monitor.model import CallRecord, Contact, JournalBatch, Level, Outcome, Placement, Visit
from queue_monitor.simulation import Config, simulate
from queue_monitor.store import SqlStore, open_store, wipe
from queue_monitor.waits import WaitTally

START = datetime(2022, 1, 3, 7, tzinfo=UTC)
PACKAGES = ("SQLAlchemy", "alembic", "aiosqlite", "psycopg", "msgspec")
QUEUES = ("kundcenter", "bygglov", "miljö", "skola", "omsorg")
SOURCE = "urn:kc:asterisk_ami:bench"


def lived(number: int) -> Iterator[tuple[datetime, Event]]:
    """One caller: four events in some five minutes; another one comes every second."""
    began = START + timedelta(seconds=number)
    its = f"bench:{1_700_000_000 + number}.{number}"
    steps = (
        (0, "entered", CallEntered, {"queue": QUEUES[number % 5], "position": 1}),
        (20, "ringing", CallRinging, {"ring_id": f"{its}/1", "agent_id": f"bench:agent {number % 30}"}),
        (25, "answered", CallAnswered, {"agent_id": f"bench:agent {number % 30}", "wait_ms_reported": 25_000}),
        (300, "completed", CallCompleted, {"agent_id": f"bench:agent {number % 30}"}),
    )
    for seconds, kind, shape, more in steps:
        at = began + timedelta(seconds=seconds, milliseconds=number % 997)
        fields = {"source": SOURCE, "switch": "bench", "observed_at": at, "switch_time": at, "visit_id": its}
        yield at, shape(id=f"{number:024x}{kind[:8]:x>8}", contact_id=its, leg_id=its, **fields, **more)  # type: ignore[arg-type]


def record(number: int, now: datetime, is_known: bool) -> CallRecord:
    """Returns the caller's call record as the ledger has it at that moment."""
    began = START + timedelta(seconds=number, milliseconds=number % 997)
    its, queue, wait = f"bench:{1_700_000_000 + number}.{number}", QUEUES[number % 5], 25_000 + number % 7_000
    waits = now < began + timedelta(seconds=25)
    over = now >= began + timedelta(seconds=300)
    minute = int(began.timestamp()) // 60
    outcome = Outcome.WAITING if waits else Outcome.ANSWERED
    visit = Visit(
        visit_id=its, contact_id=its, leg_id=its, switch="bench", source=SOURCE, queue=queue, entered_at=began,
        ended_wait_at=None if waits else began + timedelta(milliseconds=wait), outcome=outcome,
        wait_ms=None if waits else wait, agent_id=None if waits else f"bench:agent {number % 30}",
        completed_at=now if over else None, talk_ms=275_000 if over else None, rings=1,
    )  # fmt: skip
    placed = [
        None if waits else Placement(level, queue, True, minute, "answered_in_time", False, wait, True)
        for level in (Level.CONTACT, Level.VISIT)
    ]
    return CallRecord(
        contact_id=its,
        contact=Contact(
            contact_id=its, first_queue=queue, entered_at=began, outcome=outcome, visit_ids=(its,),
            wait_ms=visit.wait_ms, settled_at=visit.ended_wait_at,
        ),
        visits=(visit,),
        placed=placed[0],
        visits_placed=(placed[1],),
        evidence=(its * 20).encode()[: 250 if waits else 500],
        keys=(f"bench {its}",),
        last_at=now,
        is_open=not over,
        is_known=is_known,
        rules="bench",
    )  # fmt: skip


class Day:
    """Events in the order of time, and with each batch of them the calls that they change."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: list[tuple[datetime, int, Event]] = []
        self._known: set[int] = set()

    def batch(self, size: int) -> JournalBatch:
        while len(self._waiting) < size + 2_000:
            for number in range(self._next, self._next + 1_000):
                self._waiting += [(at, number, event) for at, event in lived(number)]
            self._next += 1_000
            self._waiting.sort(key=lambda each: each[:2])
        some, self._waiting = self._waiting[:size], self._waiting[size:]
        numbers = dict.fromkeys(number for _, number, _ in some)
        now = some[-1][0]
        calls = tuple(record(number, now, number in self._known) for number in numbers)
        self._known |= numbers.keys()
        return JournalBatch(
            events=tuple(event for *_, event in some), received_at=now, calls=calls, states={"live": b"x" * 5_000}
        )


class Held:
    """The longest time that the event loop was held: how late a timer of a millisecond came."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = 0.0

    def _turn(self) -> None:
        if self._due:
            self.longest = max(self.longest, self._loop.time() - self._due)
        self._due = self._loop.time() + 0.001
        self._timer = self._loop.call_at(self._due, self._turn)

    def __enter__(self) -> "Held":
        self._turn()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()


async def committed_per_second(store: SqlStore, day: Day, size: int, seconds: float) -> float:
    events, spent = 0, 0.0
    while spent < seconds:
        batch = day.batch(size)
        began = time.perf_counter()
        await store.commit(batch)
        spent += time.perf_counter() - began
        events += size
    return events / spent


async def measure_commits(name: str, store: SqlStore, sizes: list[int], rounds: int, seconds: float) -> None:
    day = Day()
    await committed_per_second(store, day, 100, seconds)  # the first statements are slower
    print(f"\n{name}\n{'events a commit':>16} {'events/s':>9} {'slowest':>9} {'fastest':>9} {'ms a commit':>12}")
    for size in sizes:
        speeds = [await committed_per_second(store, day, size, seconds) for _ in range(rounds)]
        middle = statistics.median(speeds)
        ms = 1000 * size / middle
        print(f"{size:>16} {middle:>9,.0f} {min(speeds):>9,.0f} {max(speeds):>9,.0f} {ms:>12.2f}")
    some = day.batch(2_000)
    with Held() as held:
        await store.commit(some)
    print(f"the event loop was held for {1000 * held.longest:.1f} ms at most while 2,000 were committed")
    began, read = time.perf_counter(), 0
    async for _ in store.read(START):
        read += 1
    print(f"read {read:,} events: {read / (time.perf_counter() - began):,.0f} a second")


async def measure_packing(folder: Path) -> None:
    """A simulated day: how large it is before and after, with the ids and indexes of its events."""
    file = folder / "day.db"
    store = await open_store(f"sqlite:///{file}")
    events = simulate(Config(date=date(2026, 3, 2))).events
    empty = file_size(file)
    for start in range(0, len(events), 1_000):
        await store.append(events[start : start + 1_000], START)
    loose = file_size(file)
    began = time.perf_counter()
    while await store.pack(datetime(2027, 1, 1, tzinfo=UTC)):
        pass
    spent = time.perf_counter() - began
    await store.close()
    packed = file_size(file)
    print(
        f"\npacking {len(events):,} events of a simulated day: {spent:.2f} s,"
        f" {(loose - empty) / len(events):.0f} bytes an event before, {(packed - empty) / len(events):.0f} after"
    )


def file_size(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file.stat().st_size


async def fill_years(store: SqlStore, years: int, calls_a_year: int) -> datetime:
    """Calls on the working days of those years, from 7 to 17; returns the end."""
    chance, number = random.Random(1), 0
    day = START
    while day < START.replace(year=START.year + years):
        if day.weekday() < 5:
            calls = [past_call(chance, number + n, day) for n in range(calls_a_year // 260)]
            number += len(calls)
            for start in range(0, len(calls), 1_000):
                await store.commit(
                    JournalBatch(received_at=day, calls=tuple(calls[start : start + 1_000]), journaled=False)
                )
        day += timedelta(days=1)
    return day


def past_call(chance: random.Random, number: int, day: datetime) -> CallRecord:
    now = day + timedelta(seconds=chance.randrange(36_000))
    its, queue = f"past:{number}", chance.choices(QUEUES, (60, 20, 10, 6, 4))[0]
    wait = int(chance.expovariate(1 / 120_000))
    answered = chance.random() < 0.92
    field = ("answered_in_time" if wait <= 300_000 else "answered_late") if answered else "abandoned_in_time"
    placed = [
        Placement(level, queue, True, int(now.timestamp()) // 60, field, False, wait, answered)
        for level in (Level.CONTACT, Level.VISIT)
    ]
    outcome = Outcome.ANSWERED if answered else Outcome.ABANDONED
    visit = Visit(
        visit_id=its, contact_id=its, leg_id=its, switch="past", source=SOURCE, queue=queue, entered_at=now,
        ended_wait_at=now, outcome=outcome, wait_ms=wait, agent_id=f"past:agent {number % 30}", talk_ms=200_000,
    )  # fmt: skip
    return CallRecord(
        contact_id=its,
        contact=Contact(
            contact_id=its, first_queue=queue, entered_at=now, outcome=outcome, visit_ids=(its,), wait_ms=wait,
        ),
        visits=(visit,), placed=placed[0], visits_placed=(placed[1],), evidence=b"e" * 400, keys=(its,), last_at=now,
        rules="bench",
    )  # fmt: skip


async def measure_years(store: SqlStore, end: datetime, rounds: int) -> None:
    month, year = (end - timedelta(days=31), end), (end - timedelta(days=365), end)

    async def merged(queues: tuple[str, ...] | None, span: tuple[datetime, datetime], step: str) -> int:
        tally = WaitTally()
        for row in await store.sums(Level.CONTACT, queues, *span, step):
            tally.load(row.waits)
        tally.figures()
        return tally.answered

    questions: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
        ("a month of a queue by day", lambda: merged(("kundcenter",), month, "day")),
        ("a month of all by day", lambda: merged(None, month, "day")),
        ("a month of all by quarter", lambda: merged(None, month, "quarter")),
        ("a year of a queue by day", lambda: merged(("kundcenter",), year, "day")),
        ("a year of all by day", lambda: merged(None, year, "day")),
        ("a year of all by quarter", lambda: merged(None, year, "quarter")),
        ("totals of all time", store.totals),
        ("a page of 100 calls", lambda: store.calls(*month, limit=100)),
        ("all calls of a month", lambda: store.calls(*month)),
        ("a day's calls by minute", lambda: store.load_minutes(end - timedelta(days=4))),
        ("a day's evidence", lambda: store.load_recent(end - timedelta(days=4))),
        ("visits after an answer", lambda: store.visits(None, *month, after_answer=True)),
    )
    print(f"\n{'question':<28} {'ms':>8} {'fastest':>8} {'slowest':>8} {'loop held':>10}")
    for name, ask in questions:
        spent = []
        with Held() as held:
            for _ in range(rounds):
                began = time.perf_counter()
                await ask()
                spent.append(1000 * (time.perf_counter() - began))
        print(
            f"{name:<28} {statistics.median(spent):>8.1f} {min(spent):>8.1f} {max(spent):>8.1f}"
            f" {1000 * held.longest:>7.1f} ms"
        )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlStore]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()


def machine() -> str:
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}\n"
        f"{len(encode(next(lived(0))[1]))} bytes an event"
    )


async def run(options: argparse.Namespace, folder: Path) -> None:
    async with opened(f"sqlite:///{folder}/journal.db") as store:
        await measure_commits("SQLite, WAL, synchronous=FULL", store, options.batches, options.rounds, options.seconds)
    await measure_packing(folder)
    if options.years:
        async with opened(f"sqlite:///{folder}/years.db") as store:
            began = time.perf_counter()
            end = await fill_years(store, options.years, options.calls)
            spent, size = time.perf_counter() - began, file_size(folder / "years.db") / 1e6
            calls = options.years * options.calls
            print(f"\n{options.years} years of {options.calls:,} calls on SQLite: {size:.0f} MB, in {spent:.0f} s,")
            print(f"{calls / spent:,.0f} calls a second as a rebuild writes them")
            await measure_years(store, end, options.rounds)
    if options.postgres:
        await wipe(options.postgres)
        async with opened(options.postgres) as store:
            await measure_commits("PostgreSQL", store, options.batches, options.rounds, options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--years", type=int, default=5, help="of calls to be read; 0 leaves that out")
    parser.add_argument("--calls", type=int, default=120_000, help="a year")
    options = parser.parse_args()
    print(machine())

    folder = Path(tempfile.mkdtemp(prefix="bench_journal-", dir=options.directory.resolve()))
    try:
        asyncio.run(run(options, folder))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
