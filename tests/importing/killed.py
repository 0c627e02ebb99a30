"""An import in small steps that kills itself: `python -m tests.importing.killed STORE PIECES [MAPPING] FILE ...`.

It does so, with SIGKILL, when it has told of its progress so many times. The mapping is a `.toml`.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from queue_monitor.importing import Wanted, csv_calls, engine, queue_log, run
from queue_monitor.importing import files as importing_files
from tests.importing.made import config_of

EVENTS = 60
BYTES = 2_000


def small_steps() -> None:
    """Take few events and few bytes at a time, so that a few calls are many steps."""
    engine.DELIVERY = csv_calls._EVENTS = EVENTS  # type: ignore[misc]
    importing_files.PIECE = queue_log.PIECE = BYTES  # type: ignore[attr-defined, misc]


def main(store: Path, pieces: int, paths: list[Path]) -> None:
    told = 0

    def report(done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told == pieces:
            os.kill(os.getpid(), signal.SIGKILL)

    mapping = next((path for path in paths if path.suffix == ".toml"), None)
    files = tuple(path for path in paths if path != mapping)
    asyncio.run(run(config_of(store), Wanted(files=files, mapping=mapping), report))


if __name__ == "__main__":
    small_steps()
    main(Path(sys.argv[1]), int(sys.argv[2]), [Path(given) for given in sys.argv[3:]])
