"""Turns bytes, however cut, into the lines that they hold, none longer than a limit."""

from collections.abc import Iterator


class LineCutter:
    """Cuts a stream of bytes at its newlines. A line that is too long is skipped, and never held in full."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._rest = bytearray()
        self._is_too_long = False

    @property
    def is_amid(self) -> bool:
        """Return whether a line has begun and not ended."""
        return bool(self._rest) or self._is_too_long

    def feed(self, raw: bytes) -> Iterator[bytes | None]:
        """Yield each line that ends, stripped of white space; None for one that is longer than `max_bytes`."""
        *ended, rest = raw.split(b"\n")
        for piece in ended:
            self._take(piece)
            yield self.end()
        self._take(rest)

    def end(self) -> bytes | None:
        """Return the line that has begun as if it ended here, as a recording's last line may; None if too long."""
        line = None if self._is_too_long else bytes(self._rest).strip()
        self._rest, self._is_too_long = bytearray(), False
        return line

    def _take(self, piece: bytes) -> None:
        if self._is_too_long or len(self._rest) + len(piece) > self.max_bytes:
            self._is_too_long = True
            self._rest.clear()
        else:
            self._rest += piece
