"""Cuts a CSTA byte stream into frames: two zero bytes, two bytes of length, four digits of invoke id, XML.

The length (big-endian) counts the header too: 1003 and 1091 in the two frames seen on a real switch. Requests and their
answers share an invoke id from 0000 to 9998; every event has 9999.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

EVENT: Final = 9999
MAX_LENGTH: Final = 0xFFFF
_HEADER: Final = 8
_BEGINS: Final = re.compile(rb"\x00\x00[\x00-\xff]{2}[0-9]{4}")
_AGAIN: Final = re.compile(rb"\x00\x00[\x00-\xff]{2}[0-9]{4}<")


class Frame(NamedTuple):
    """One message: its invoke id, its XML, and its place in the stream."""

    invoke: int
    content: bytes
    offset: int


class Fault(NamedTuple):
    """Bytes that are no frame, up to where one may begin again."""

    reason: str
    offset: int


class Cutter:
    """Cuts a stream into frames. The result does not depend on where the pieces are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._offset = 0
        self._lost = False

    @property
    def unfinished(self) -> bool:
        """Return whether a frame has begun and not ended."""
        return bool(self._rest) and not self._lost

    def cut(self, raw: bytes) -> Iterator[Frame | Fault]:
        self._rest += raw
        while (found := self._next()) is not None:
            yield found

    def _pass(self, length: int) -> None:
        del self._rest[:length]
        self._offset += length

    def _next(self) -> Frame | Fault | None:
        if self._lost:
            found = _AGAIN.search(self._rest)
            # A header and the first byte of XML may be cut in two.
            self._pass(found.start() if found else max(0, len(self._rest) - _HEADER))
            if found is None:
                return None
            self._lost = False
        if len(self._rest) < _HEADER:
            return None
        begins, length = self._offset, int.from_bytes(self._rest[2:4], "big")
        if not _BEGINS.match(self._rest) or length <= _HEADER:
            self._lost = True
            self._pass(1)
            return Fault("not_a_frame", begins)
        if len(self._rest) < length:
            return None
        frame = Frame(int(self._rest[4:_HEADER]), bytes(self._rest[_HEADER:length]), begins)
        self._pass(length)
        return frame


def framed(invoke: int, content: bytes) -> bytes:
    """Return the bytes of one message. Raises `ValueError` when it is too long for its header."""
    length = len(content) + _HEADER
    if length > MAX_LENGTH:
        raise ValueError(f"a message of {length} bytes does not fit a frame")
    return b"\x00\x00%b%04d%b" % (length.to_bytes(2, "big"), invoke, content)


def recorded_pieces(recording: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into frames. It holds no times."""
    cutter, start = Cutter(), 0
    for found in cutter.cut(recording):
        if isinstance(found, Frame):
            stop = found.offset + _HEADER + len(found.content)
            yield recording[start:stop], None
            start = stop
    if start < len(recording):
        yield recording[start:], None
