"""A backup of a monitor that takes a thousand events a second and is killed meanwhile comes back in another folder.

As a program: `FOLDER` takes two simulated days at that pace, and prints how many events are safe after each delivery.
"""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pytest

from queue_monitor import simulation
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import SystemClock
from queue_monitor.commands import backups, rebuilding
from queue_monitor.config import Config
from queue_monitor.events import Event
from tests.runtime.lasting import monitor
from tests.test_backup import file_of, settings
from tests.test_rebuilding import history, nothing

EVENTS_A_SECOND: Final = 1_000
DELIVERY: Final = 50
CLOCK: Final = SystemClock()
NOW: Final = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
DAYS: Final = (date(2026, 11, 19), date(2026, 11, 20))


def told() -> list[Event]:
    return [event for day in DAYS for event in simulation.simulate(simulation.Config(date=day)).events]


async def take(folder: Path) -> None:
    config, events = settings(folder), told()
    async with monitor(config.store.url, events[0].at, folder, rules_of(config)) as run:
        began = CLOCK.monotonic()
        for start in range(0, len(events), DELIVERY):
            some = events[start : start + DELIVERY]
            run.clock.advance_to(max(run.clock.now(), *(event.at for event in some)))
            await run.tell(some)
            print(start + len(some), flush=True)
            await CLOCK.sleep(began + (start + DELIVERY) / EVENTS_A_SECOND - CLOCK.monotonic())
    print("done", flush=True)


class Taking:
    """The process that takes events, for as long as the `with` lasts."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.test_backup_under_load", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Taking":
        return self

    def __exit__(self, *trouble: object) -> None:
        self.kill()

    def safe(self, least: int) -> int:
        """Return how many events are safe, once there are so many."""
        assert self._process.stdout
        while (found := int(self._process.stdout.readline())) < least:
            pass
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def journal(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as database:
        return [seq for (seq,) in database.execute("SELECT seq FROM journal ORDER BY seq")]


@pytest.mark.soak
def test_a_backup_under_a_thousand_events_a_second_survives_a_kill_and_has_the_same_figures(tmp_path: Path):
    here, there, again = (tmp_path / name for name in ("here", "there", "again"))
    for folder in (here, there, again):
        folder.mkdir()
    (here / "number-keys.json").write_text("{}")
    (here / "log.place").write_text('{"place":1}')
    config, files = settings(here), [tmp_path / f"{number}.backup" for number in range(6)]
    with Taking(here) as taking:
        safe = [taking.safe(1_000)]
        began, first = CLOCK.monotonic(), safe[0]
        for file in files[:4]:
            backups.backup(config, file, NOW)
            safe.append(taking.safe(safe[-1] + 500))
        print(f"{(safe[-1] - first) / (CLOCK.monotonic() - began):.0f} events a second, backups after {safe}")
        killed = subprocess.Popen([sys.executable, "-c", ONE_MORE, str(here), str(files[4])])
        taking.safe(safe[-1] + 100)
        taking.kill()  # the monitor, in the middle of a backup
        killed.wait()
    for file, acknowledged in zip(files[:4], safe[:4], strict=True):
        asyncio.run(held_to(file, there, acknowledged))
    asyncio.run(held_to(files[4], there, safe[-1]))
    backups.backup(config, files[5], NOW)
    asyncio.run(backups.restore(settings(again), files[5], over=True))

    assert asyncio.run(rebuilding.verify(config, None, nothing)).differences == []
    assert history(file_of(settings(again))) == history(file_of(config))


ONE_MORE: Final = """
import sys
from pathlib import Path
from queue_monitor.commands import backups
from tests.test_backup_under_load import NOW, settings
backups.backup(settings(Path(sys.argv[1])), Path(sys.argv[2]), NOW)
"""


def settings_of_empty(folder: Path) -> Config:
    shutil.rmtree(folder)
    folder.mkdir()
    return settings(folder)


async def held_to(file: Path, folder: Path, acknowledged: int) -> None:
    """Put a backup back in a folder, and hold it against the events that were taken and what they say."""
    config = settings_of_empty(folder)
    restored = await backups.restore(config, file, over=False)
    numbers = journal(file_of(config))

    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= acknowledged
    assert f"{len(numbers)} events" in restored.summary()
    assert (await rebuilding.verify(config, None, nothing)).differences == []


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
