"""Limits a bug of ours in a translator to the piece that it was reading.

A broker sends a piece again, and a file's line is read again, so without this the source would stand still for ever. A
translator of a byte stream needs no such care: a new connection begins anew.
"""

import logging
import traceback
from collections.abc import Callable, Iterable
from typing import Final

from queue_monitor.events import Event
from queue_monitor.ports import Rejected

log = logging.getLogger(__name__)

FAULT: Final = "fault"


def translated(source: str, read: Callable[[], Iterable[Event | Rejected] | None]) -> list[Event | Rejected]:
    """Return what `read` makes of one message or line, as a list; None becomes an empty one.

    Where our own code raises, it returns one `Rejected` with the reason `fault`; the log says where, and nothing of the
    content.
    """
    try:
        return list(read() or ())
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {last.name}, line {last.lineno}"
        log.error("own code failed on a message source=%s: %s", source, where)
        return [Rejected(source=source, reason=FAULT, detail=where)]
