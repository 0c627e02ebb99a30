"""An hour of everything that can go wrong at once, while a good sender tells of 20,000 callers: all of them count."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
import msgspec
import pytest
from msgspec import Struct

from queue_monitor.clock import SystemClock
from queue_monitor.model import Role
from tests.api.centre import TOKENS, Centre, signed
from tests.store.postgres import Postgres, running_server
from tests.whole.doors import Whole, all_doors, asked, named
from tests.whole.poison import Poison
from tests.whole.test_fuzzed_doors import counted
from tests.whole.troubles import PESTERING, THOUSANDS, Trouble

SEED = os.environ.get("POISON_SEED", "1")
SECONDS = float(os.environ.get("POISON_SECONDS", "3600"))
"""How long the soak takes; its callers come as 20,000 an hour do."""

CALLERS_A_SECOND: Final = 20_000 / 3600

QUEUE: Final = "god"
NOT_LET_IN: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
COMES_AGAIN: Final = (*NOT_LET_IN, HTTPStatus.SERVICE_UNAVAILABLE)
"""A good sender sends again what is answered so; where the machine is busy its own body may be too slow."""

DATABASE: Final = "the database"
RARE: Final = 8
"""Rounds of thousands of calls come so much less often: the machine must find time for the others too."""

MAX_MEMORY_MB: Final = 700.0
"""An hour of floods is a day of some 200,000 calls, in 300 queues that were made up. It came to 563 MB; the objects of
Python were 100 of them, and the rest is what floods have left between them.
"""

MORNING: Final = 7
"""The local hour at the centre: its day must not turn meanwhile."""


# ---- the board, as a screen sees it


class _Day(Struct):
    entered: int


class _Queue(Struct):
    name: str
    day: _Day | None


class _Source(Struct):
    switch: str
    up: bool
    is_log: bool


class _Board(Struct):
    queues: list[_Queue]
    sources: list[_Source]
    journal_up: bool


_decoder: Final = msgspec.json.Decoder(_Board)


class Screen:
    """Reads the board's stream in a thread of its own. `shown_at`: when the first, second, ... caller was there."""

    def __init__(self, told: Centre) -> None:
        self.shown_at: list[float] = []
        self.down: frozenset[str] = frozenset()
        self._told = told
        self._stopped = False

    def __enter__(self) -> "Screen":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._stopped = True
        self._thread.join(30)

    def _watch(self) -> None:
        headers = {"Authorization": f"Bearer {TOKENS[Role.WALLBOARD]}"}
        address = f"{self._told.address}/api/v1/stream"
        with httpx.stream("GET", address, headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                if self._stopped:
                    return
                if line.startswith("data: "):
                    self._show(_decoder.decode(line[6:]), time.monotonic())

    def _show(self, board: _Board, at: float) -> None:
        entered = sum(queue.day.entered for queue in board.queues if queue.name == QUEUE and queue.day)
        self.shown_at += [at] * (entered - len(self.shown_at))
        up = {source.switch for source in board.sources if source.up}
        down = {source.switch for source in board.sources} - up
        self.down = frozenset(down if board.journal_up else down | {DATABASE})

    async def until(self, true: Callable[["Screen"], bool], seconds: float, what: str) -> None:
        began = time.monotonic()
        while not true(self):
            assert time.monotonic() - began < seconds, f"{what} after {seconds} s; down: {sorted(self.down)}"
            await SystemClock().sleep(0.05)


# ---- the good sender


class GoodSender:
    """Tells of callers, each in a request of its own, again until it is told that they are safe. `arrived_at`: when
    the first request that was let in went off, caller by caller.
    """

    def __init__(self, told: Centre) -> None:
        self.arrived_at: list[float] = []
        self.cut_off = 0
        self._told = told

    async def tell(self, callers: int, seconds: float) -> None:
        """So many in so long, evenly."""
        began = time.monotonic()
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.TaskGroup() as telling:
            for number in range(callers):
                await SystemClock().sleep(max(0.0, began + number * seconds / callers - time.monotonic()))
                telling.create_task(self._one(client, f"god-{number}"))

    async def _one(self, client: httpx.AsyncClient, caller: str) -> None:
        who = {"visit_id": f"pbx:{caller}"}
        events = [
            self._told.event("call.entered", **who, contact_id=f"pbx:{caller}", queue=QUEUE),
            self._told.event("call.left", **who, outcome="abandoned"),
        ]
        body, arrived = json.dumps(events).encode(), None
        while True:
            headers = {"Content-Type": "application/cloudevents-batch+json"} | signed(body)
            began = time.monotonic()
            try:
                answer = await client.post(f"{self._told.address}/api/v1/events", content=body, headers=headers)
            except httpx.TransportError:  # the monitor hangs up on those who have been quiet for some seconds
                self.cut_off += 1
                continue
            if arrived is None and answer.status_code not in NOT_LET_IN:
                arrived = began
                self.arrived_at.append(began)
            if answer.is_success:
                return
            assert answer.status_code in COMES_AGAIN, answer.text
            await SystemClock().sleep(float(answer.headers.get("Retry-After", "1")))


# ---- what is stopped by turns

Step = Callable[[], Awaitable[None]]


async def stopped_by_turns(
    whole: Whole, server: Postgres, screen: Screen, until: float, away_seconds: float
) -> dict[str, list[float]]:
    """Stop everything that the monitor is connected to, one after the other, until that moment and once at least.

    Returns how long it took until the board named it, and until it was there again.
    """

    def elsewhere(blocking: Callable[[], None]) -> Step:
        return lambda: asyncio.to_thread(blocking)

    turns: list[tuple[str, Step, Step]] = [
        ("mqtt", elsewhere(whole.broker.stop), elsewhere(whole.broker.start)),
        (DATABASE, elsewhere(server.stop), elsewhere(server.start)),
        *((name, switch.go_away, switch.come_back) for name, switch in whole.switches.items()),
    ]
    took: dict[str, list[float]] = {}
    while not took or time.monotonic() < until:
        for name, stop, start in turns:
            await stop()
            gone = time.monotonic()
            await screen.until(lambda board, name=name: name in board.down, 60.0, f"{name} is not named")  # type: ignore[misc]
            named = time.monotonic() - gone
            await SystemClock().sleep(away_seconds)
            await start()
            back = time.monotonic()
            await screen.until(lambda board, name=name: name not in board.down, 60.0, f"{name} is not back")  # type: ignore[misc]
            took.setdefault(f"{name} named", []).append(named)
            took.setdefault(f"{name} back", []).append(time.monotonic() - back)
    return took


async def pestered(whole: Whole, trouble: Trouble, share: float, until: float, pause_seconds: float) -> None:
    """One kind of trouble again and again until that moment, and once at least."""
    poison = Poison(f"{SEED} {trouble.__name__}")
    while True:
        await trouble(whole, poison, share)
        if time.monotonic() >= until:
            return
        await SystemClock().sleep(pause_seconds)


async def good_callers_of(whole: Whole, until: float, pause_seconds: float) -> int:
    """One caller more at each door again and again; returns how many."""

    number = 0
    while not number or time.monotonic() < until:
        number += 1
        await asyncio.gather(*(door.good(number) for door in whole.doors))
        await SystemClock().sleep(pause_seconds)
    return number


async def watched(told: Centre, readings: list[float]) -> None:
    """What it holds of memory, every second."""
    while True:
        assert told.monitor.process.poll() is None, told.monitor.log.read_text()[-6_000:]
        readings.append(told.memory_mb())
        await SystemClock().sleep(1.0)


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[tuple[Whole, Postgres]]:
    hours_west = (SystemClock().now().hour - MORNING + 12) % 24 - 12
    written = f'\n[organisation]\ntime_zone = "Etc/GMT{hours_west:+d}"\n'
    written += named(QUEUE)
    with running_server() as server:
        url = server.new_database()
        async with all_doors(folder, written, QUEUE_MONITOR_STORE__URL=url) as whole:
            yield whole, server


async def poisoned(
    folder: Path,
    callers: int,
    seconds: float,
    *,
    share: float,
    away_seconds: float,
    pause_seconds: float,
) -> tuple[list[float], dict[str, list[float]]]:
    """So long, so many good callers, and that share of trouble in each round. Returns how long each of the callers took
    to the board, in seconds, shortest first, and how long what was stopped.
    """
    async with everything(folder) as (whole, server):
        told, sender, memory = whole.told, GoodSender(whole.told), list[float]()
        with Screen(told) as screen:
            watching = asyncio.create_task(watched(told, memory))
            until = time.monotonic() + seconds
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sender.tell(callers, seconds))
                others = tasks.create_task(good_callers_of(whole, until, pause_seconds / 10))
                turns = tasks.create_task(stopped_by_turns(whole, server, screen, until, away_seconds))
                for trouble in PESTERING:
                    pause = pause_seconds * (RARE if trouble in THOUSANDS else 1)
                    tasks.create_task(pestered(whole, trouble, share, until, pause))
            await screen.until(lambda board: len(board.shown_at) >= callers, 60.0, "not all callers are shown")
            expected = {door.queue: (others.result(),) * 2 for door in whole.doors}
            deadline = time.monotonic() + 60.0
            while (found := await asyncio.to_thread(counted, told, whole.doors)) != expected:
                assert time.monotonic() < deadline, (found, expected)
                await SystemClock().sleep(0.5)
            watching.cancel()
        took = sorted(shown - came for came, shown in zip(sorted(sender.arrived_at), screen.shown_at, strict=True))
        half, most = took[len(took) // 2], took[len(took) * 99 // 100]
        print(
            f"\n{callers} callers in {seconds:.0f} s, {others.result()} more at each door; to the board {half:.2f} s"
            f" (half), {most:.2f} s (99 of 100), {took[-1]:.2f} s (all), {sender.cut_off} cut off; memory"
            f" {memory[len(memory) // 4]:.0f} MB after a quarter, {max(memory):.0f} MB at most;"
            f" {told.cpu_seconds():.0f} s of processor; load {os.getloadavg()[1]:.1f}"
        )
        for name, its in turns.result().items():
            print(f"{name}: {len(its)} times, after {max(its):.1f} s at most")
        log = told.monitor.log.read_text()
        await asyncio.to_thread(_all_well, told, log)
        assert max(memory) < MAX_MEMORY_MB
        return took, turns.result()


def _all_well(told: Centre, log: str) -> None:
    assert told.monitor.process.poll() is None
    entered = [line for line in asked(told, "/metrics").splitlines() if line.startswith("callqueue_entered_total")]
    assert entered
    assert [line for line in log.splitlines() if "Traceback" in line or "own code failed" in line] == []


async def test_everything_that_can_go_wrong_at_once_costs_no_caller_of_a_good_sender(tmp_path: Path):
    await poisoned(tmp_path, 60, 3.0, share=0.1, away_seconds=0.1, pause_seconds=2.0)


@pytest.mark.soak
async def test_an_hour_of_poison_costs_no_caller_and_the_board_is_never_late(tmp_path: Path):
    callers = round(CALLERS_A_SECOND * SECONDS)
    took, turns = await poisoned(tmp_path, callers, SECONDS, share=1.0, away_seconds=20.0, pause_seconds=30.0)

    assert took[-1] < 1.0, "the board within a second of arrival"
    assert {name: max(its) for name, its in turns.items() if max(its) > 10.0} == {}, "named, and back, within 10 s"
