"""The parts that translators share: their outbox, and the limit of a bug of ours to the piece that was being read.

A broker sends a piece again, and a file's line is read again, so without that limit the source would stand still for
ever. A translator of a byte stream needs no such care: a new connection begins anew.
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


class Outbox:
    """The events and refusals that a translator has made and not handed on yet, in their order."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._made: list[Event | Rejected] = []
        self.put = self._made.append

    def reject(self, reason: str, detail: str = "", field: str = "", kind: str = "", length: int = 0) -> None:
        """Add the refusal of something that was read; the words are those of `Rejected`."""
        self.put(Rejected(source=self._source, reason=reason, detail=detail, field=field, kind=kind, length=length))

    def take(self) -> list[Event | Rejected]:
        """Return all that was added since the last call."""
        taken = self._made.copy()
        self._made.clear()
        return taken
