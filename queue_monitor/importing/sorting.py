"""Sorts many stays by entry without holding them all: sorted pieces lie in files until they are merged.

The files hold no telephone number and no id of a call, are for their owner alone, and are deleted after the import.
"""

import heapq
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from queue_monitor.importing.rows import Stay

HELD: Final = 50_000
"""The number of stays in memory, some 20 MB."""

_BLOCK: Final = 500
_decoder: Final = msgspec.msgpack.Decoder(list[Stay])
_encoder: Final = msgspec.msgpack.Encoder()


class Sorted:
    """Takes stays in any order and yields them by entry, those of one moment in the order of the files."""

    def __init__(self, held: int = HELD) -> None:
        self._held = held
        self._stays: list[Stay] = []
        self._folder = tempfile.TemporaryDirectory(prefix="queue-monitor-import-")
        self._pieces: list[Path] = []
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self._folder.cleanup()

    def add(self, stay: Stay) -> None:
        """Add one stay."""
        self._stays.append(stay)
        self.count += 1
        if len(self._stays) >= self._held:
            self._put_away()

    def _put_away(self) -> None:
        self._stays.sort()
        path = Path(self._folder.name) / str(len(self._pieces))
        with path.open("wb") as file:
            for at in range(0, len(self._stays), _BLOCK):
                block = _encoder.encode(self._stays[at : at + _BLOCK])
                file.write(len(block).to_bytes(4, "little") + block)
        self._pieces.append(path)
        self._stays = []

    def __iter__(self) -> Iterator[Stay]:
        self._stays.sort()
        yield from heapq.merge(*map(_read, self._pieces), self._stays)


def _read(path: Path) -> Iterator[Stay]:
    with path.open("rb") as file:
        while head := file.read(4):
            yield from _decoder.decode(_block(file, int.from_bytes(head, "little")))


def _block(file: BinaryIO, length: int) -> bytes:
    return file.read(length)
