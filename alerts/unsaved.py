"""The file of what the store has not taken yet of the alerts: a monitor that is killed while its database is away goes
on from it, and sends nothing twice.

It is replaced whole at each change, and is gone once the store has taken all of it.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from queue_monitor.model import AlertBatch
from queue_monitor.whole_file import write_whole


class _Left(Struct, frozen=True, kw_only=True):
    """The batches that wait, oldest first. `after`: the state of the alerts that the store has."""

    after: str
    batches: tuple[AlertBatch, ...]


_decoder = msgspec.json.Decoder(_Left)


class UnsavedFile:
    """The file at `path`; made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, batches: Sequence[AlertBatch], state: bytes | None) -> None:
        """Write what waits for a store that has this state; return when it is on disk. Raises `OSError`."""
        left = _Left(after=_digest(state), batches=tuple(batches))
        await asyncio.to_thread(write_whole, self._path, msgspec.json.encode(left))

    async def left(self, state: bytes | None) -> tuple[AlertBatch, ...]:
        """Return what an earlier process left behind for a store that has this state.

        Nothing where the store has gone on since, by another process. Raises `OSError`, and `msgspec.DecodeError` for
        other bytes.
        """
        try:
            found = _decoder.decode(await asyncio.to_thread(self._path.read_bytes))
        except FileNotFoundError:
            return ()
        return found.batches if found.after == _digest(state) else ()

    async def clear(self) -> None:
        """Remove the file. Raises `OSError`."""
        await asyncio.to_thread(self._path.unlink, missing_ok=True)


def _digest(state: bytes | None) -> str:
    return hashlib.sha256(state or b"").hexdigest()
