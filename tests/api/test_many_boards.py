"""Very many wallboards on one process: a caller who joins is on every one of them within a second."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.api.boards import Board, spread, until
from tests.api.centre import Centre, centre

CURRENT_SECONDS = 1.0
QUEUES = [f"Kö {number}" for number in range(1, 21)]


async def current(told: Centre, boards: int, callers: int) -> list[float]:
    """How long it took, for each caller and board, from the post until the board had it."""
    screens = [Board(told.address, f"127.0.{1 + n // 250}.{1 + n % 250}") for n in range(boards)]
    listening = [asyncio.create_task(screen.listen()) for screen in screens]
    took: list[float] = []
    try:
        await until(lambda: all(screen.shown for screen in screens), "every board has a first frame")
        for caller in range(1, callers + 1):
            posted = time.monotonic()
            await asyncio.to_thread(told.tell, told.enters(caller, QUEUES[caller % len(QUEUES)]))
            there = [screen.came for screen in screens]
            await until(lambda: all(came(caller) for came in there), f"caller {caller} on every board")  # noqa: B023
            took += [(came(caller) or 0.0) - posted for came in there]
    finally:
        for one in listening:
            one.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    assert all(screen.status == "200 OK" for screen in screens)
    return took


async def measured(folder: Path, boards: int, callers: int) -> list[float]:
    with centre(folder) as told:
        # twenty queues with a day behind them; all of these are gone again
        told.tell(*(told.enters(10_000 + n, queue) for n, queue in enumerate(QUEUES * 20)))
        told.tell(*(told.leaves(10_000 + n) for n in range(20 * len(QUEUES))))
        took = await current(told, boards, callers)
        used, lasted = told.cpu_seconds(), told.age_seconds()
        print(f"\n{boards} boards, 20 queues: {spread(took)}; the process used {used / lasted:.0%} of a core")
        return took


async def test_a_caller_is_on_each_of_a_hundred_boards_within_a_second(tmp_path: Path):
    took = await measured(tmp_path, boards=100, callers=5)

    assert sorted(took)[len(took) // 2] <= CURRENT_SECONDS


@pytest.mark.soak
async def test_a_caller_is_on_each_of_five_hundred_boards_within_a_second(tmp_path: Path):
    took = await measured(tmp_path, boards=500, callers=30)

    assert max(took) <= CURRENT_SECONDS
