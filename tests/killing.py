"""Does something in a process of its own, which is killed in the middle of it.

As a program: `FOLDER NUMBER FILE` does what is pickled in the file, a function and its arguments, and is killed when it
opens, moves or takes away a file of the folder for the `NUMBER`th time.
"""

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from queue_monitor.commands import backups
from queue_monitor.config import Config
from tests.forked import Process


def killed_at(number: int, folder: Path, work: Callable[..., object], *arguments: object) -> bool:
    """Kill it at the `number`th touch of a file in the folder; return whether it came that far.

    The process is not forked from that of the tests: a thread of another test may hold a lock of SQLite, and in the
    fork nobody would ever let go of it.
    """
    file = folder.parent / f"{folder.name}.work"
    file.write_bytes(pickle.dumps((work, arguments)))
    process = Process("tests.killing", str(folder), str(number), str(file))
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def restored(config: Config, backup: Path) -> None:
    """Put the backup in the place of the store; here, because a process that is given it need not import its test."""
    asyncio.run(backups.restore(config, backup, over=True))


def _watched(folder: str, number: int) -> None:
    left = number

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "sqlite3.connect") and folder in str(arguments):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    work, arguments = pickle.loads(Path(sys.argv[3]).read_bytes())
    _watched(sys.argv[1], int(sys.argv[2]))
    work(*arguments)
