"""A monitor in a process of its own that is told of some days and killed meanwhile.

As a program: `URL FOLDER FIRST AT` takes the events from number FIRST on, at the moment AT, and prints after each
delivery how many are safe; `done` when all are.
"""

import asyncio
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final, Self

from queue_monitor import simulation
from queue_monitor.events import Event
from tests.forked import Process
from tests.runtime.lasting import monitor

DELIVERY: Final = 23
_REPOSITORY: Final = Path(__file__).parents[2]


def told() -> list[Event]:
    """Two simulated days in the order in which they reach the monitor: some words late, some twice."""
    chance = Random(13)
    events = [
        event
        for day in (date(2026, 11, 19), date(2026, 11, 20))
        for event in simulation.simulate(simulation.Config(date=day, calls_factor=0.1)).events
    ]
    arrives = [(event.at + timedelta(hours=chance.choice((0,) * 40 + (1, 30))), event) for event in events]
    arrives += [(event.at + timedelta(hours=26), event) for event in chance.sample(events, len(events) // 20)]
    return [event for _, event in sorted(arrives, key=lambda pair: pair[0])]


class Killable:
    """The process, for as long as the `with` lasts."""

    def __init__(self, url: str, folder: Path, first: int, at: datetime) -> None:
        self._process = Process("tests.runtime.killed", url, str(folder), str(first), at.isoformat(), cwd=_REPOSITORY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self._process.kill()
        self._process.communicate()

    def says(self) -> str:
        """Its next line; empty when it is gone."""
        return self._process.stdout.readline().rstrip("\n")


async def take(url: str, folder: Path, first: int, at: datetime) -> None:
    events = told()
    async with monitor(url, at, folder) as run:
        for start in range(first, len(events), DELIVERY):
            some = events[start : start + DELIVERY]
            run.clock.advance_to(max(event.at for event in some))
            await run.tell(some)
            print(start + len(some), flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), datetime.fromisoformat(sys.argv[4])))
