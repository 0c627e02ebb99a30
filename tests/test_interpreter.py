"""While callers wait garbage collections are short, and the event loop has its turn soon beside other threads."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.app.interpreter import (
    OLD_ROUNDS,
    YOUNG,
    collect_at_night,
    collect_seldom,
    next_quiet_hour,
    switch_often,
)
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.core.series import Slot
from tests.scenario import Scenario

ZONE = ZoneInfo("Europe/Stockholm")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    thresholds, interval, was_frozen = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count() > 0
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    if was_frozen:
        gc.freeze()  # as conftest.py left it, or every later collection would visit all that was imported
    else:
        gc.unfreeze()


class Knot:
    """Something that refers to itself, and notes when it is gone."""

    def __init__(self, gone: list[str]) -> None:
        self.itself, self.gone = self, gone

    def __del__(self) -> None:
        self.gone.append("gone")


def test_what_the_start_has_made_is_set_aside_and_full_collections_are_rare():
    collect_seldom()

    assert gc.get_freeze_count() > 10_000
    assert (gc.get_threshold()[0], gc.get_threshold()[2]) == (YOUNG, OLD_ROUNDS)


def test_young_garbage_is_still_collected():
    gone = list[str]()
    collect_seldom()
    Knot(gone)
    kept = [[number] for number in range(2 * YOUNG)]

    assert gone and kept


async def test_once_a_night_everything_is_looked_through():
    gone, clock = list[str](), ManualClock(datetime(2026, 11, 25, 11, tzinfo=UTC))
    knot = Knot(gone)
    collect_seldom()
    del knot
    gc.collect()
    assert not gone  # it was set aside

    working = asyncio.create_task(collect_at_night(clock, ZONE))
    for _ in range(3):
        await SystemClock().sleep(0)
    working.cancel()

    assert gone
    assert clock.now() >= datetime(2026, 11, 26, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 25, 11, tzinfo=UTC), datetime(2026, 11, 26, 2, 30, tzinfo=UTC)),
        (datetime(2026, 11, 25, 2, 29, tzinfo=UTC), datetime(2026, 11, 25, 2, 30, tzinfo=UTC)),
        (datetime(2026, 11, 25, 2, 30, tzinfo=UTC), datetime(2026, 11, 26, 2, 30, tzinfo=UTC)),
        (datetime(2026, 6, 25, 11, tzinfo=UTC), datetime(2026, 6, 26, 1, 30, tzinfo=UTC)),
    ],
)
def test_the_quiet_hour_is_by_the_local_clock(now: datetime, expected: datetime):
    assert next_quiet_hour(now, ZONE) == expected


def test_another_thread_gives_the_loop_its_turn_after_a_millisecond():
    switch_often()

    assert sys.getswitchinterval() == pytest.approx(0.001)


def test_the_minutes_and_the_figures_are_nothing_that_a_collection_looks_at():
    story = Scenario().connected(-60).entered(0, "anna").answered(20, "anna").entered(30, "bo")
    snapshot = story.live.snapshot(story.at(60) + timedelta(minutes=1))

    assert not gc.is_tracked(Slot())
    assert not any(map(gc.is_tracked, (snapshot.total, *snapshot.queues, *snapshot.total.periods.values())))


def test_what_hands_work_to_threads_is_loaded_before_anybody_asks() -> None:
    """The first scrape would otherwise wait for modules to be read, and all others with it."""
    program = (
        "import asyncio, sys; import queue_monitor.api; from queue_monitor.app.interpreter import load_threads;"
        " asyncio.run(load_threads()); before = set(sys.modules);"
        " from starlette.concurrency import run_in_threadpool; asyncio.run(run_in_threadpool(int));"
        " print(len(set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"0\n"
