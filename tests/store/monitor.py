"""A monitor in a process of its own, to be killed or started beside others.

As a program: `append URL` appends batches for ever and prints how many callers are acknowledged; `open URL NUMBER` says
`ready`, waits for a line, opens the store, appends one caller and says how many were new, or why it could not; `hold
URL` opens the store, says `ready`, and owns it until it is killed.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final, Self

from queue_monitor.ports import StoreInUse
from queue_monitor.store import open_store
from tests.forked import Process
from tests.store.calls import START, callers

BATCH: Final = 7
_REPOSITORY: Final = Path(__file__).parents[2]


class Monitor:
    """The process, for as long as the `with` lasts."""

    def __init__(self, *arguments: str) -> None:
        self._process = Process("tests.store.monitor", *arguments, cwd=_REPOSITORY, stdin=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.kill()

    def send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def says(self) -> str:
        """Its next line; empty when it is gone."""
        return self._process.stdout.readline().rstrip("\n")

    def kill(self) -> list[str]:
        """Without a chance to do anything more. Returns what it had said and nobody had heard."""
        self._process.kill()
        unheard, _ = self._process.communicate()
        return unheard.splitlines()


async def append_for_ever(url: str) -> None:
    store = await open_store(url)
    acknowledged = 0
    while True:
        await store.append(callers(range(acknowledged, acknowledged + BATCH)), START)
        acknowledged += BATCH
        print(acknowledged, flush=True)


async def open_once(url: str, number: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store = await open_store(url)
    except StoreInUse as error:
        print(error, flush=True)
        return
    print(await store.append(callers([number]), START), flush=True)
    await store.close()


async def hold(url: str) -> None:
    await open_store(url)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["append", url]:
            asyncio.run(append_for_ever(url))
        case ["open", url, number]:
            asyncio.run(open_once(url, int(number)))
        case ["hold", url]:
            asyncio.run(hold(url))
