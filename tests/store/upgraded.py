"""An upgrade that kills itself: `python -m tests.store.upgraded STORE EVERY TICKS`.

SQLite ticks after EVERY steps of its virtual machine; at that tick, 0: at none, the process ends by SIGKILL. At its end
it prints how many ticks there were.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from typing import Any
from unittest.mock import patch

from queue_monitor.store import open_store

connected = sqlite3.connect


async def upgrade(path: str) -> None:
    await (await open_store(f"sqlite:///{path}")).close()


def main(path: str, every: int, ticks: int) -> None:
    done = 0

    def tick() -> int:
        nonlocal done
        done += 1
        if done == ticks:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def connect(*arguments: Any, **others: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connected(*arguments, **others)
        made.set_progress_handler(tick, every)
        return made

    with patch("sqlite3.connect", connect):
        asyncio.run(upgrade(path))
    print(done)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
