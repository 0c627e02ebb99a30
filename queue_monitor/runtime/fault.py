"""When our own code raises on an event: which event it was, so that it stops the monitor once and never again."""

from collections.abc import Sequence
from datetime import datetime

from queue_monitor.events import Event, event_id, short_type
from queue_monitor.model import SkippedEvent


class BrokenEvent(Exception):
    """Our own code has raised on `event`. `rest`: events that came with it and are not in the journal yet; `by_sender`:
    whether a sender wrote them.
    """

    def __init__(self, event: Event, rest: Sequence[Event] = (), *, by_sender: bool = True) -> None:
        said = f"an event of {event.source} ({short_type(event)}) has stopped the monitor"
        super().__init__(f"{said}: from the next start on it is skipped")
        self.event = event
        self.rest = tuple(rest)
        self.by_sender = by_sender

    def mark(self, at: datetime) -> SkippedEvent:
        """What the journal keeps of it: not what it said, for that may hold a person."""
        cause = type(self.__cause__).__name__ if self.__cause__ else ""
        source, kind = self.event.source, short_type(self.event)
        return SkippedEvent(key=skip_key(self.event), at=at, source=source, kind=kind, error=cause)


def skip_key(event: Event) -> str:
    """What an event is known by that is skipped."""
    return event_id(event.source, "skipped", event.id)
