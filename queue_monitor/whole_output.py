"""Writes bytes for another program to the standard output, all of them."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def whole_output() -> Iterator[IO[bytes]]:
    """Give the standard output for bytes; what was written has gone out at the end. Raises `OSError`.

    With PYTHONUNBUFFERED Python's own has no buffer, and its `write` takes only a part where the reader is slow and
    this process is stopped and goes on (Ctrl-Z and `fg`).
    """
    own = sys.stdout.buffer
    if not isinstance(own, io.RawIOBase):
        yield own
        own.flush()
        return
    whole = io.BufferedWriter(own)
    try:
        yield whole
    finally:
        whole.detach()
