"""The form of log lines: text from outside can forge no line and shows no telephone number."""

import copy
import logging
import re
import sys
import textwrap
from numbers import Number
from typing import Final

from queue_monitor.core.privacy import without_numbers

QUIET: Final = ("alembic", "aiosqlite", "asyncio", "sqlalchemy")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_IN_LINES: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


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
    handler = logging.StreamHandler(sys.stderr)
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
