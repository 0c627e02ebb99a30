# ruff: noqa: T201 -- it is a program that prints
"""How long the figures of one moment take, and a scrape of them; and how long either holds the event loop.

    python benchmarks/bench_snapshot.py [--rounds 40] [--seconds 10]

A made-up centre in the middle of a weekday: some queues in pools, each with its agents, callers who wait, and a day
of settled calls. Each figure is the median of several rounds, with the fastest and the slowest. A round in which
everything has changed has had a call settled in every queue since the last, and the minute has turned.
"""

import argparse
import asyncio
import os
import platform
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from importlib.metadata import version
from itertools import count, cycle
from typing import NamedTuple
from zoneinfo import ZoneInfo

import httpx

from queue_monitor.api import create_app
from queue_monitor.api.json.status import status_body, status_in_pieces
from queue_monitor.api.pages.board import board_body
from queue_monitor.app.interpreter import collect_seldom, load_threads, switch_often
from queue_monitor.clock import SystemClock
from queue_monitor.core.calendar import Calendar, DayHours
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.series import Base
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    Event,
    LeftOutcome,
    MemberAction,
    SourceConnected,
)
from queue_monitor.forecast import ServiceSpeed
from queue_monitor.metrics import Metrics
from queue_monitor.model import (
    CallsOfMinute,
    Counts,
    ExpectedWait,
    Forecast,
    Level,
    RiskFigures,
    Snapshot,
    SumRow,
    WaitBasis,
    WaitSums,
)
from queue_monitor.waits import WaitTally

ZONE = ZoneInfo("Europe/Stockholm")
TODAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 11, 0, 20, tzinfo=UTC)
SOURCE = "urn:kc:bench:pbx"
PACKAGES = ("msgspec", "numpy", "prometheus_client", "fastapi")
_numbers = count()


class Size(NamedTuple):
    """A centre: how many queues, how many of them in pools of four, callers who wait, calls of today, agents."""

    queues: int
    pools: int
    waiting: int
    calls: int
    agents: int


TWENTY = Size(queues=20, pools=4, waiting=100, calls=5_000, agents=60)
TWO_HUNDRED = Size(queues=200, pools=20, waiting=200, calls=20_000, agents=400)


def rules() -> Rules:
    day = DayHours(opens=time_of_day(8), closes=time_of_day(17))
    return Rules(calendar=Calendar(ZONE, (day,) * 5 + (DayHours(),) * 2), organisation="Kundcenter", version="0")


def stamp(at: datetime) -> dict[str, object]:
    return {"id": f"bench {next(_numbers)}", "source": SOURCE, "switch": "pbx", "observed_at": at, "switch_time": at}


class Centre:
    """A live state in the middle of the day, and what may happen to it next."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.live = Live(rules())
        self.now = NOON
        self.queues = [f"queue {number:03}" for number in range(size.queues)]
        self.tell(SourceConnected(**stamp(NOON - timedelta(hours=5))))  # type: ignore[arg-type]
        self._staff()
        self._days_before()
        self._calls_of_today()
        for number in range(size.waiting):
            self.enter(self.queues[number % size.queues], f"w{number}", NOON - timedelta(seconds=3 * number + 1))
        self.live.show_forecasts([foreseen(name, queues, NOON) for name, queues in self.live.scopes()])

    def tell(self, event: Event) -> None:
        self.live.apply(event)

    def _staff(self) -> None:
        size, at = self.size, NOON - timedelta(hours=4)
        for number in range(size.agents):
            agent, first = f"pbx:agent {number}", number % size.queues
            pool = first // 4 if first // 4 < size.pools else None
            queues = [self.queues[first]] if pool is None else self.queues[4 * pool : 4 * pool + 4]
            for queue in queues:
                member = {"agent_id": agent, "queue": queue, "action": MemberAction.ADDED}
                self.tell(AgentMember(**stamp(at), **member))  # type: ignore[arg-type]
            state = AgentActivity.BUSY if number % 3 else AgentActivity.AVAILABLE
            self.tell(AgentState(**stamp(at), agent_id=agent, state=state))  # type: ignore[arg-type]

    def _days_before(self) -> None:
        rows = [
            SumRow(
                level=Level.CONTACT,
                queue=queue,
                inside=inside,
                start=datetime(2026, month, 2, tzinfo=UTC),
                counts=Counts(answered_in_time=3000, answered_late=200, abandoned_in_time=120, timeout=7),
                waits=waits_of(3200),
            )
            for month in (9, 11)
            for queue in self.queues
            for inside in (True, False)
        ]
        bases = [Base.of(date(2026, month, 1), [row for row in rows if row.start.month >= month]) for month in (11, 9)]
        self.live.windows.rebase(TODAY, *bases)

    def _calls_of_today(self) -> None:
        self.live.windows.load_minutes(minutes(self.size.queues, self.size.calls, self.queues))
        for number, queue in enumerate(self.queues):
            self.settle(queue, NOON - timedelta(minutes=number % 50 + 1))

    def enter(self, queue: str, who: str, at: datetime) -> None:
        call = {"visit_id": f"pbx:{who}", "contact_id": f"pbx:{who}", "leg_id": f"pbx:{who}", "queue": queue}
        self.tell(CallEntered(**stamp(at), **call))  # type: ignore[arg-type]

    def settle(self, queue: str, at: datetime) -> None:
        """A whole call: one of five hangs up, the others are answered and talk."""
        number = next(_numbers)
        who = f"s{number}"
        self.enter(queue, who, at - timedelta(seconds=40))
        if number % 5:
            self.tell(CallAnswered(**stamp(at), visit_id=f"pbx:{who}", agent_id=f"pbx:agent {number % 50}"))  # type: ignore[arg-type]
            self.tell(CallCompleted(**stamp(at), visit_id=f"pbx:{who}"))  # type: ignore[arg-type]
        else:
            self.tell(CallLeft(**stamp(at), visit_id=f"pbx:{who}", outcome=LeftOutcome.ABANDONED))  # type: ignore[arg-type]

    def change_everything(self) -> None:
        """A call settled in every queue, and a minute gone."""
        self.now += timedelta(minutes=1)
        for queue in self.queues:
            self.settle(queue, self.now - timedelta(seconds=1))
        self.live.show_forecasts([foreseen(name, queues, self.now) for name, queues in self.live.scopes()])

    def change_one(self) -> None:
        """One call settled, a second gone."""
        self.now += timedelta(seconds=1)
        self.settle(self.queues[next(_numbers) % len(self.queues)], self.now)


def foreseen(name: str, queues: tuple[str, ...], at: datetime) -> Forecast:
    wait = ExpectedWait(90.0, 30.0, 200.0, WaitBasis.UNKNOWN)
    risk = RiskFigures(p_miss=0.3, expected_share=0.92, expected_calls=600.0)
    return Forecast(
        name=name,
        queues=queues,
        at=at,
        wait=wait,
        own_waits=dict.fromkeys(queues, wait) if len(queues) > 1 else {},
        day=risk,
        month=risk,
        service_speed=ServiceSpeed(0.05, 0.002, 0.8),
        usual_quarter=20.0,
    )


def waits_of(calls: int) -> WaitSums:
    outcomes = WaitTally()
    for number in range(calls):
        outcomes.record(1000 + number * 137 % 400_000)
    return outcomes.sums()


def minutes(how_many_queues: int, calls: int, queues: list[str]) -> Iterator[CallsOfMinute]:
    """The calls of a day so far, at both levels."""
    opening = int(datetime(2026, 11, 25, 7, tzinfo=UTC).timestamp()) // 60
    for number in range(calls):
        for level in Level:
            answered = number % 6
            yield CallsOfMinute(
                level,
                queues[number % how_many_queues],
                True,
                opening + number * 7919 % 239,
                "answered_in_time" if answered else "abandoned_in_time",
                False,
                "",
                1,
                (number * 137 % 280_000,) if answered else (),
            )


class Standing:
    """`ports.Figures` that a snapshot is put into."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def latest(self) -> Snapshot:
        return self.snapshot

    async def changes(self) -> AsyncIterator[Snapshot]:
        yield self.snapshot


# ---- what is measured


def timed(what: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None) -> list[float]:
    """Returns the processor time of each run in ms, sorted. Time that other programs use is not in it."""
    spent = []
    for _ in range(rounds):
        before()
        began = time.process_time()
        what()
        spent.append(1000 * (time.process_time() - began))
    return sorted(spent)


def said(words: str, spent: list[float], bar: float | None = None, count_as: str = "median") -> None:
    found = statistics.median(spent) if count_as == "median" else spent[-1]
    interval_coverage = "" if bar is None else f"   {count_as} {'≤' if found <= bar else 'MISSES'} {bar:g}"
    print(f"{words:<62} {statistics.median(spent):>8.2f} {spent[0]:>8.2f} {spent[-1]:>8.2f}{interval_coverage}")


def pieces_of(working: Generator[None, None, object]) -> list[float]:
    """Returns how long each piece of some work took, ms."""
    spent = []
    while True:
        began = time.process_time()
        try:
            next(working)
        except StopIteration:
            spent.append(1000 * (time.process_time() - began))
            return spent
        spent.append(1000 * (time.process_time() - began))


async def longest_holds(centre: Centre, seconds: float) -> tuple[list[float], list[float]]:
    """How much of a core was spent, ms, each time until a task got its turn that wakes every ms, while snapshots are
    worked out in pieces; and the same while scrapes are answered too. The loop was held for no longer. What other
    programs of the machine do is not counted.

    Both are of one application: the thread of an earlier one would go on rendering beside it.
    """
    figures = Standing(centre.live.snapshot(centre.now))
    app = create_app(figures, SystemClock())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        (await client.get("/healthz")).raise_for_status()  # the framework makes itself ready at the first question
        await load_threads()  # as the service does
        collect_seldom()
        switch_often()
        late: list[float] = []
        answers: list[float] = []

        async def wake() -> None:
            while True:
                began = time.process_time()
                await SystemClock().sleep(0.001)
                late.append(1000 * (time.process_time() - began))

        async def publish() -> None:
            while True:
                centre.now += timedelta(seconds=1)
                working = centre.live.snapshot_in_pieces(centre.now)
                while True:
                    try:
                        next(working)
                    except StopIteration as done:
                        figures.snapshot = done.value
                        break
                    await SystemClock().sleep(0)
                await SystemClock().sleep(0.2)

        async def scrape() -> None:
            while True:
                began = time.perf_counter()
                (await client.get("/metrics")).raise_for_status()
                answers.append(1000 * (time.perf_counter() - began))
                await SystemClock().sleep(0.5)

        async def measured(*works: Callable[[], Coroutine[None, None, None]]) -> list[float]:
            late.clear()
            tasks = [asyncio.create_task(work()) for work in (wake, *works)]
            await SystemClock().sleep(seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return sorted(late)

        alone, beside = await measured(publish), await measured(publish, scrape)
    said("  answers of /metrics, ms", sorted(answers), 30)
    return alone, beside


def measure(size: Size, rounds: int, seconds: float, bars: dict[str, float]) -> None:
    centre = Centre(size)
    print(
        f"\n{size.queues} queues, {len(centre.live.snapshot(centre.now).pools)} pools, {size.waiting} waiting, "
        f"{size.calls:,} calls today, {size.agents} agents\n{'':<62} {'median':>8} {'fastest':>8} {'slowest':>8}  ms"
    )
    collect_seldom()
    live = centre.live
    for _ in range(3):
        centre.change_everything()
        live.snapshot(centre.now)
    said(
        "snapshot, one call settled since the last",
        timed(lambda: live.snapshot(centre.now), rounds, centre.change_one),
        bars["snapshot"],
    )
    said(
        "snapshot, everything changed",
        timed(lambda: live.snapshot(centre.now), rounds, centre.change_everything),
        bars["snapshot"],
    )
    longest = []
    for _ in range(rounds):
        centre.change_everything()
        longest.append(max(pieces_of(live.snapshot_in_pieces(centre.now))))
    said("longest piece of a snapshot, everything changed", sorted(longest), 10)
    snapshots = []
    for _ in range(rounds // 4):
        centre.change_everything()
        snapshots.append(live.snapshot(centre.now))
    figures = Standing(snapshots[0])
    metrics = Metrics(figures)  # type: ignore[arg-type]
    turn = cycle(snapshots)

    def show_next() -> None:
        figures.snapshot = next(turn)

    said("rendering of /metrics", timed(metrics.render, len(snapshots), show_next), 400)
    print(f"  {len(metrics.render()[0]) / 1e6:.2f} MB")
    said("body of /api/v1/status", timed(lambda: status_body(figures.snapshot), len(snapshots), show_next))
    in_pieces = [max(pieces_of(status_in_pieces(snapshot))) for snapshot in snapshots]
    said("longest piece of it", sorted(in_pieces), 10)
    said("body of the wallboard", timed(lambda: board_body(figures.snapshot), len(snapshots), show_next))
    alone, beside = asyncio.run(longest_holds(centre, seconds))
    said("longest hold of the loop, snapshots alone", alone, 10, "slowest")
    said("longest hold of the loop, scrapes too", beside, 10, "slowest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    measure(TWENTY, options.rounds, options.seconds, {"snapshot": 8})
    measure(TWO_HUNDRED, options.rounds, options.seconds, {"snapshot": 100})


if __name__ == "__main__":
    main()
