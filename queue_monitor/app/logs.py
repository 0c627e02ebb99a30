"""The form of log lines: text from outside can forge no line and shows no telephone number; a bug is told once."""

import copy
import logging
import re
import sys
import textwrap
import traceback
from datetime import timedelta
from numbers import Number
from typing import Final, TextIO

from queue_monitor.core.privacy import without_numbers

QUIET: Final = ("alembic", "aiosqlite", "asyncio", "sqlalchemy")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_IN_LINES: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A traceback that has not come for this long is written as a new one."""

MAX_KNOWN: Final = 200
"""The number of different tracebacks that are remembered."""


class Handler(logging.StreamHandler[TextIO]):
    """Writes each traceback once, as a wall that reloads a page with a bug gives it some ten thousand times a day.

    The same one with the same words is counted, and its number written without it at ten, a hundred, a thousand …
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._known: dict[tuple[object, ...], tuple[int, float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        times = self._times(record)
        if times > 1:
            if times != 10 ** (len(str(times)) - 1):
                return
            record = copy.copy(record)
            record.msg, record.exc_info = f"{str(record.msg).rstrip()} (again, times={times})", None
        super().emit(record)

    def _times(self, record: logging.LogRecord) -> int:
        """Return how often this traceback has come by now; 1 for a record without one."""
        if not record.exc_info or record.exc_info[0] is None:
            return 1
        frames = traceback.walk_tb(record.exc_info[2])
        places = tuple((frame.f_code.co_filename, line) for frame, line in frames)
        key = (str(record.msg), str(record.args), record.exc_info[0], places)
        before, newest = self._known.pop(key, (0, record.created))
        times = 1 if record.created - newest > FORGOTTEN_AFTER.total_seconds() else before + 1
        self._known[key] = times, record.created
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return times


class Formatter(logging.Formatter):
    """Writes one line a record: control characters as `\\x0a`, and long numbers from outside as `…`.

    Long numbers have seven digits or more; counts of our own stay. A traceback's lines are indented, so that none looks
    like a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        clean = copy.copy(record)
        clean.msg = _CONTROL.sub(_escaped, _message(record).rstrip("\n"))
        clean.args = ()
        clean.exc_text = clean.stack_info = None
        if record.exc_info:
            clean.exc_text = _set_in(self.formatException(record.exc_info))
        return super().format(clean)


def configure(*, verbose: bool) -> None:
    """Write the log to standard error; where `verbose`, debug lines too."""
    handler = Handler(sys.stderr)
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    for quiet in QUIET:
        logging.getLogger(quiet).setLevel(logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    if not isinstance(record.args, tuple) or not record.args:
        return without_numbers(record.getMessage())
    return str(record.msg) % tuple(map(_said, record.args))


def _said(part: object) -> object:
    return part if isinstance(part, Number) else without_numbers(str(part))


def _set_in(text: str) -> str:
    return textwrap.indent(_IN_LINES.sub(_escaped, without_numbers(text)), "    ", lambda line: True)


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
