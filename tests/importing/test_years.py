"""Millions of lines: memory stays bounded, and an import that is killed and resumed leaves the rows of one run.

As a program: `FOLDER FILE SHARE` imports the file into the store there, is killed by itself once that share of it is
done (0: never), and says in the end how large its memory became, in MiB.
"""

import asyncio
import hashlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pytest

from queue_monitor.importing import Wanted, run
from tests.importing.made import callers, config_of, queue_log

LINES: Final = int(os.environ.get("QUEUE_MONITOR_SOAK_LINES", "5000000"))
MAX_MIB: Final = 250
_REPOSITORY: Final = Path(__file__).parents[2]
_ROWS: Final = (
    "SELECT * FROM contact ORDER BY key",
    "SELECT * FROM visit ORDER BY contact, number",
    "SELECT * FROM sums ORDER BY step, level, queue, start_us, inside",
    "SELECT * FROM imported_day ORDER BY source, day, queue",
    "SELECT * FROM coverage ORDER BY day, queue",
)


def long_log(path: Path, lines: int) -> int:
    """Write whole days of 1,000 calls until there are so many lines."""
    count, day = 0, date(2012, 1, 2)
    with path.open("wb") as file:
        while count < lines:
            its = queue_log(callers(day, 1, 1_000, seed=day.toordinal()))
            file.write(its)
            count, day = count + its.count(b"\n"), day + timedelta(days=1)
    return count


def started(folder: Path, file: Path, share: float) -> subprocess.CompletedProcess[str]:
    """The import in a process of its own."""
    command = [sys.executable, "-m", "tests.importing.test_years", str(folder), str(file), str(share)]
    return subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)


def digest(folder: Path) -> str:
    """Stands for all rows, but for what differs from run to run: the pseudonyms, made under a key of each store."""
    parts = hashlib.sha256()
    with sqlite3.connect(folder / "calls.db") as database:
        database.row_factory = sqlite3.Row
        for question in _ROWS:
            for row in database.execute(question):
                parts.update(
                    repr([value for name, value in dict(row).items() if name not in ("seq", "agent")]).encode()
                )
    return parts.hexdigest()


@pytest.mark.soak
def test_years_are_imported_in_bounded_memory_and_a_kill_changes_nothing(tmp_path: Path) -> None:
    log, whole, broken = tmp_path / "queue_log", tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    assert long_log(log, LINES) >= LINES

    at_once = started(whole, log, 0)
    killed = [started(broken, log, share) for share in (0.3, 0.7)]
    resumed = started(broken, log, 0)
    again = started(broken, log, 0)

    assert at_once.returncode == resumed.returncode == again.returncode == 0, at_once.stderr
    assert [each.returncode for each in killed] == [-signal.SIGKILL] * 2
    assert digest(broken) == digest(whole)
    assert "True" in resumed.stdout
    largest = max(float(each.stdout.split()[0]) for each in (at_once, resumed))
    print(at_once.stdout, resumed.stdout)
    assert largest < MAX_MIB


def main(folder: Path, file: Path, share: float) -> None:
    def report(done: int, total: int) -> None:
        if share and done >= share * total:
            os.kill(os.getpid(), signal.SIGKILL)

    made = asyncio.run(run(config_of(folder / "calls.db"), Wanted(files=(file,)), report))
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{largest:.0f} MiB, resumed: {made.resumed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
