"""Keeps the queues that events have named: their first spelling, the switches that named them, and who has a place."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from queue_monitor.core.queue_places import Named, QueuePlaces
from queue_monitor.events import CallEntered, Event
from queue_monitor.queues import queue_key

MAX_MENTIONS: Final = 20_000
"""The largest number of combinations of event type, queue and switch that are remembered, so that each is looked at
once.
"""

OTHERS: Final = "others"
"""The name under which all queues count that have no place of their own."""


_Mention = tuple[type[Event], str, str]
"""An event's type, the queue as it was written, and the switch."""


class KnownQueues:
    """The queues by key (casefolded).

    `set_up`: the keys of those that the settings name.
    `first_spelled`: returns a queue's name as it was first written, by whatever part of the state.
    """

    def __init__(self, set_up: Iterable[str], first_spelled: Callable[[str], str]) -> None:
        self._first_spelled = first_spelled
        self._places = QueuePlaces(set_up)
        self._names: dict[str, str] = {}
        self._switches: dict[str, dict[str, None]] = {}
        self._leaving: set[str] = set()
        self._mentions: set[_Mention] = set()
        self._mentions_of: dict[str, list[_Mention]] = {}

    @property
    def names(self) -> Mapping[str, str]:
        """Return the first spelling of each queue, by key."""
        return self._names

    def name_of(self, key: str) -> str:
        """Return the first spelling of a queue."""
        return self._names.get(key, key)

    def switches(self, queues: Iterable[str]) -> set[str]:
        """Return the switches that have named one of these queues."""
        return {switch for queue in queues for switch in self._switches.get(queue_key(queue), ())}

    def add(self, queue: str, switches: Iterable[str] = ()) -> None:
        """Add a queue that is known from elsewhere, and switches that have named it."""
        key = queue_key(queue)
        self._names.setdefault(key, queue)
        self._switches.setdefault(key, {}).update(dict.fromkeys(switches))

    def has_noted(self, event: Event, queue: str) -> bool:
        """Return whether `note` has nothing more to learn from an event that names a queue."""
        return (type(event), queue, event.switch_name) in self._mentions

    def note(self, event: Event, queue: str) -> str:
        """Note that an event names a queue; return the name under which the event is taken.

        For a queue above the limit that is `OTHERS`: a faulty switch, or a sender that writes something else where a
        queue's name belongs, must not crowd out the real ones.
        """
        key = queue_key(queue)
        if self.has_place(key, event):
            self._leaving.discard(key)
        else:
            queue, key = OTHERS, queue_key(OTHERS)
        self.add(self._first_spelled(queue), (event.switch_name,))
        if len(self._mentions) < MAX_MENTIONS and self._places.is_settled(key):
            mention = type(event), queue, event.switch_name
            self._mentions.add(mention)
            self._mentions_of.setdefault(key, []).append(mention)
        return queue

    def has_place(self, key: str, event: Event) -> bool:
        """Return whether a queue that an event names has a place, or gets one now.

        Another queue may lose its own for it: later events of that one count under `OTHERS`, and callers who are in it
        are shown for the rest of the day.
        """
        named = Named.ENTERED if type(event) is CallEntered else Named.SAID
        has_place, gives_up = self._places.find(key, event.source.rpartition(":")[2], named)
        if gives_up is not None:
            self._leaving.add(gives_up)
            self._look_anew(gives_up)
        return has_place

    def _look_anew(self, key: str) -> None:
        """Look at the next event that names this queue as at a first one."""
        self._mentions.difference_update(self._mentions_of.pop(key, ()))

    def forget(self, key: str) -> None:
        """Forget a queue of which nothing is said any more; it keeps its place, should it be named again."""
        self._names.pop(key, None)
        self._switches.pop(key, None)
        self._look_anew(key)

    def list_queue(self, queue: str) -> None:
        """Note that a switch that we watch ourselves has this queue in its own list: its name is not made up."""
        self._places.list_queue(queue_key(queue))

    def start_day(self) -> None:
        """Forget the queues that have given up their places."""
        for key in self._leaving:
            self.forget(key)
        self._leaving.clear()

    # ---- to the store and back

    def written(self) -> bytes:
        """Return the queues and the switches that named them, encoded for a start; `written_places` is the rest."""
        staying = ((key, name) for key, name in self._names.items() if key not in self._leaving)
        return msgspec.msgpack.encode([(name, list(self._switches.get(key, {}))) for key, name in staying])

    def restore(self, written: bytes) -> None:
        """Load what `written` gave. Raises `msgspec.DecodeError`."""
        for queue, switches in msgspec.msgpack.decode(written, type=list[tuple[str, list[str]]]):
            self.add(queue, switches)
        self._places.restore(dict.fromkeys(self._names, ""))

    def written_places(self) -> bytes:
        """Return who has named each queue with a place, encoded for a start."""
        return msgspec.msgpack.encode(self._places.holders)

    def restore_places(self, written: bytes) -> None:
        """Load what `written_places` gave. Raises `msgspec.DecodeError`."""
        self._places.restore(msgspec.msgpack.decode(written, type=dict[str, str]))
