"""A bug of ours in a translator costs the piece that it was reading, and nothing else.

Where the other side sends that piece again, as a broker does, or where it is read again, as a line of a file is, the
source would else stand still for ever. A translator of a byte stream needs no such care: a new connection begins anew.
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
    """What `read` gives of one message or line, None being nothing. Where our own code raises, one `Rejected` with the
    reason `fault`; the log says where, and nothing of what the piece held.
    """
    try:
        return list(read() or ())
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {last.name}, line {last.lineno}"
        log.error("own code failed on a message source=%s: %s", source, where)
        return [Rejected(source=source, reason=FAULT, detail=where)]
