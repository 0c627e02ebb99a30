"""The exit codes of the command line, and the way in which a command refuses."""

import sys
from typing import Final

DIFFERENT: Final = 1
"""The exit code of `verify` for a difference, of `test-alarm` for a channel that failed, and of `check-events` for an
event that would be refused.
"""

WRONG: Final = 2
"""The exit code for a mistake in the request: settings, arguments, files."""

FAULT: Final = 70
"""The exit code after our own code has raised on an event, which the next start skips (EX_SOFTWARE of sysexits.h)."""

BUSY: Final = 75
"""The exit code when another monitor owns the store or the database went away during the start.

Trying again later can help (EX_TEMPFAIL of sysexits.h).
"""


def fail(message: str) -> int:
    """Say on the error output what is wrong, and return `WRONG`."""
    print(f"queue-monitor: {message}", file=sys.stderr)
    return WRONG
