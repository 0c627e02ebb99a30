"""The places on the boards: queues with a place of their own, and queues that count under one name for all others.

A sender may put anything where a queue's name belongs. Names that are made up must not push out a queue that has calls,
and one sender's names not another's (docs/limits.md).
"""

from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, Final

MAX_QUEUES: Final = 200
"""The largest number of places: a snapshot of this many is computed within a second or two; a municipality has some
dozens.
"""

AT_ONCE: Final = 100
"""The number of names that get a place at once. Later ones get theirs with the second caller: a name that is made up is
used once.
"""

MAX_LISTED: Final = 200
"""The number of names of a switch's own list that get a place, whatever places others hold."""

_MAX_KNOCKED: Final = 20_000
"""The number of names without a place that are remembered because one caller has entered them."""


class Named(Enum):
    """The way an event names a queue: a caller enters it, or something else is said of it."""

    ENTERED = auto()
    SAID = auto()


class QueuePlaces:
    """The places. A queue is identified by its key, and the holder of a place by the sender's name."""

    def __init__(self, set_up: Iterable[str]) -> None:
        """Make the places. `set_up`: the queues that the settings name."""
        self._sure = set(set_up)
        self._listed = 0
        self._holders: dict[str, str] = {}
        self._callers: dict[str, int] = {}
        self._knocked: set[str] = set()

    @property
    def holders(self) -> dict[str, str]:
        """Return the sender who named each queue that has a place without the settings, first named first."""
        return dict(self._holders)

    def restore(self, holders: dict[str, str]) -> None:
        """Load the result of `holders`, and queues of which only the place is known."""
        self._holders = {key: holder for key, holder in holders.items() if key not in self._sure}

    def list_queue(self, key: str) -> None:
        """Note that a switch that we watch ourselves has this queue in its own list: it gets a
        place when it is named.
        """
        if key not in self._sure and self._listed < MAX_LISTED:
            self._listed += 1
            self._sure.add(key)
            self._holders.pop(key, None)
            self._callers.pop(key, None)

    def is_settled(self, key: str) -> bool:
        """Return whether no further event is needed to know the place of a queue: a second
        caller makes no difference.
        """
        return key not in self._callers

    def find(self, key: str, by: str, named: Named) -> tuple[bool, str | None]:
        """Return whether a queue has a place or gets one now, and which queue gives up its own for it."""
        if key in self._sure:
            return True, None
        if key in self._holders:
            self._count(key, named)
            return True, None
        taken = len(self._holders)
        if taken < AT_ONCE:
            self._callers[key] = 0
            self._count(key, named)
            self._holders[key] = by
            return True, None
        if named is not Named.ENTERED or not self._is_second(key):
            return False, None
        gives_up = self._weakest(by) if taken >= MAX_QUEUES else None
        if taken >= MAX_QUEUES and gives_up is None:
            return False, None
        self._knocked.discard(key)
        if gives_up is not None:
            self._holders.pop(gives_up)
            self._callers.pop(gives_up, None)
        self._holders[key] = by
        return True, gives_up

    def _count(self, key: str, named: Named) -> None:
        if named is Named.ENTERED and key in self._callers:
            self._callers[key] += 1
            if self._callers[key] > 1:
                del self._callers[key]

    def _is_second(self, key: str) -> bool:
        if key in self._knocked:
            return True
        if len(self._knocked) >= _MAX_KNOCKED:
            self._knocked.clear()
        self._knocked.add(key)
        return False

    def _weakest(self, by: str) -> str | None:
        """Return the queue that gives up its place for one of this sender; None when none does.

        Of the queues that at most one caller has entered, it is the newest of the sender that has most of them.
        Otherwise it is the newest of the sender that holds most places, if that sender is left with no fewer than this
        one then has.
        """
        if self._callers:
            return self._newest(Counter(self._holders[key] for key in self._callers), self._callers)
        held = Counter(self._holders.values())
        if held.most_common(1)[0][1] < held[by] + 2:
            return None
        return self._newest(held, self._holders)

    def _newest(self, held: Counter[str], among: dict[str, Any]) -> str:
        greediest, _ = held.most_common(1)[0]
        return next(key for key in reversed(among) if self._holders[key] == greediest)
