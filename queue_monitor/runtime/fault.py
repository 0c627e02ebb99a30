"""Faults of our own code: the event or the step they happen in is named, so that each stops the monitor once and never
again.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from queue_monitor.events import MONITOR_SOURCE, Event, event_id, short_type
from queue_monitor.model import SkippedEvent


class Fault(Exception):
    """Our own code has raised an exception.

    `event`: the event that caused it, if one did.
    `rest`: events that came with it and are not in the journal yet.
    `by_sender`: whether a sender wrote them.
    """

    event: Event | None = None
    rest: tuple[Event, ...] = ()
    by_sender = True

    def mark(self, at: datetime) -> SkippedEvent:
        """Return the mark for the journal. It has nothing of the event's content, which may hold a person."""
        raise NotImplementedError


class BrokenEvent(Fault):
    """Our own code has raised on an event, which the next start skips."""

    def __init__(self, event: Event, rest: Sequence[Event] = (), *, by_sender: bool = True) -> None:
        said = f"an event of {event.source} ({short_type(event)}) has stopped the monitor"
        super().__init__(f"{said}: from the next start on it is skipped")
        self.event: Event = event
        self.rest = tuple(rest)
        self.by_sender = by_sender

    def mark(self, at: datetime) -> SkippedEvent:
        cause = type(self.__cause__).__name__ if self.__cause__ else ""
        source, kind = self.event.source, short_type(self.event)
        return SkippedEvent(key=skip_key(self.event), at=at, source=source, kind=kind, error=cause)


class BrokenStep(Fault):
    """Our own code has raised in a step of its own, such as computing the figures: no event caused it.

    The next start goes on without that step while it raises the same.
    """

    def __init__(self, step: str, error: Exception) -> None:
        super().__init__(f"{step} has stopped the monitor: from the next start on it goes on without")
        self.step = step
        self.error = type(error).__name__
        self.key = event_id(MONITOR_SOURCE, "step", self.error, _place(error.__traceback__))

    def mark(self, at: datetime) -> SkippedEvent:
        return SkippedEvent(key=self.key, at=at, source=MONITOR_SOURCE, kind=self.step, error=self.error)


class BrokenCall(Fault):
    """Our own code has raised on a call of the store that a start loaded.

    The next start does not load it; its rows and sums stay.
    """

    def __init__(self, document: bytes, error: Exception) -> None:
        super().__init__("a stored call has stopped the monitor: from the next start on it is not taken up")
        self.error = type(error).__name__
        self.key = call_skip_key(document)

    def mark(self, at: datetime) -> SkippedEvent:
        return SkippedEvent(key=self.key, at=at, source=MONITOR_SOURCE, kind="a stored call", error=self.error)


def call_skip_key(document: bytes) -> str:
    """Return the key under which a stored call is marked: that of its document, so that an
    amended one is tried again.
    """
    return event_id(MONITOR_SOURCE, "call", hashlib.sha256(document).hexdigest())


def _place(trace: TracebackType | None) -> str:
    """Return the file and function that raised; they are the same at each start."""
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place, trace = f"{Path(code.co_filename).name} {code.co_name}", trace.tb_next
    return place


def skip_key(event: Event) -> str:
    """Return the key under which an event is skipped."""
    return event_id(event.source, "skipped", event.id)
