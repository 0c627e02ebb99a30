"""Finds the stays in two queues that belong to one person: a queue's member may be a channel in another queue.

The log identifies a call by its Uniqueid alone, and the channel in the inner queue has another one than the caller. But
Asterisk numbers the two halves of a `Local` channel in sequence, the inner half has the caller's number, and it enters
when the outer queue rings it and leaves when that ring ends.
"""

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BLUR: Final = 1
"""The most seconds between two lines of one moment."""

_MAX_TALKING: Final = 10_000
_MAX_NUMBERS: Final = 50_000
"""The most callers' numbers in memory: one whose end the log does not have would stay there for good."""

_MAX_OF_ONE_NUMBER: Final = 200
"""The most open stays compared for one number, the latest: all callers may have the same number, or none."""


@dataclass(slots=True, eq=False)
class Person:
    """One stay in one queue, with the facts that identify the person. Times are whole seconds of the log.

    `number`: empty where the caller withholds it.
    `leg`: the channel that answered.
    `left`: the second in which the wait was over.
    `rings`: the latest ended rings: the seconds of their beginning and end, and the channel that answered.
    """

    visit_id: str
    call: str
    queue: str
    number: str
    entered: int
    contact_id: str
    left: int | None = None
    leg: str = ""
    rings: list[tuple[int, int, str]] = field(default_factory=list)
    inner: "list[Person]" = field(default_factory=list)


class Nested:
    """The waits that are open or have just ended, each with its contact: a caller of nested queues has several."""

    def __init__(self) -> None:
        self._here: dict[str, list[Person]] = {}
        self._gone: deque[Person] = deque()
        self._talking: dict[str, Person] = {}

    def enter(self, person: Person) -> None:
        """Give a channel that enters a queue the contact of its caller, where that is certain by now."""
        self._forget(person.entered)
        same = self._here.setdefault(person.number, [])
        if len(self._here) > _MAX_NUMBERS:
            del self._here[next(iter(self._here))]
        answered = self._talking.get(_neighbour(person.call, -1))
        outer = answered if answered and answered.number == person.number else self._rung(person)
        same.append(person)
        del same[:-_MAX_OF_ONE_NUMBER]
        if outer is not None and self._is_one_persons_number(person, outer):
            list(_join(person, outer))

    def rang(self, outer: Person, began: int, ended: int, leg: str = "") -> Iterator[Person]:
        """Take the end of a ring, answered by `leg` or not. Yields the stays that now have another contact."""
        outer.rings = [ring for ring in outer.rings if ended - ring[1] <= _BLUR] + [(began, ended, leg)]
        if leg:
            outer.leg = leg
            self._talking[leg] = outer
            if len(self._talking) > _MAX_TALKING:
                del self._talking[next(iter(self._talking))]
        for inner in list(self._here.get(outer.number, ())):
            yield from self._compared(inner, outer)

    def leave(self, inner: Person, second: int) -> Iterator[Person]:
        """Take the end of a wait. Yields the stays that now have another contact."""
        if inner.left is None:
            inner.left = second
            self._gone.append(inner)
        for outer in list(self._here.get(inner.number, ())):
            yield from self._compared(inner, outer)

    def hang_up(self, person: Person) -> None:
        self._talking.pop(person.leg, None)

    def clear(self) -> None:
        self._here.clear()
        self._gone.clear()
        self._talking.clear()

    def _forget(self, now: int) -> None:
        while self._gone and now - (self._gone[0].left or 0) > _BLUR:
            person = self._gone.popleft()
            same = [one for one in self._here.get(person.number, ()) if one is not person]
            if same:
                self._here[person.number] = same
            else:
                self._here.pop(person.number, None)

    def _rung(self, person: Person) -> Person | None:
        """Return the stay in another queue that led into this one: entered just before, or by an earlier ring."""
        for outer in self._here.get(person.number, ()):
            if outer.left is None and outer.queue != person.queue:
                is_first = person.entered - outer.entered <= _BLUR and _number(outer.call) < _number(person.call)
                if is_first or any(inner.queue == person.queue and inner.left is not None for inner in outer.inner):
                    return outer
        return None

    def _compared(self, inner: Person, outer: Person) -> Iterator[Person]:
        """Join two stays if one began and ended with a ring of the other's, and the channels' numbers agree."""
        if inner.left is None or inner.queue == outer.queue or inner.contact_id == outer.contact_id:
            return
        for began, ended, leg in outer.rings:
            if not began - _BLUR <= inner.entered <= ended or abs(inner.left - ended) > _BLUR:
                continue
            if _made(inner.call) < began - _BLUR:
                continue  # the ring makes its channels; this one was there before
            is_beside = inner.call == (_neighbour(leg, 1) if leg else _neighbour(outer.call, 2))
            is_later = _number(outer.call) < _number(inner.call)
            if is_beside or (not leg and is_later and self._is_one_persons_number(inner, outer)):
                yield from _join(inner, outer)
                return

    def _is_one_persons_number(self, inner: Person, outer: Person) -> bool:
        """Return whether the number is known and nobody else who waits has it."""
        mine = {inner.contact_id, outer.contact_id}
        same = self._here.get(inner.number, ())
        return bool(inner.number) and not any(one.left is None and one.contact_id not in mine for one in same)


def _join(inner: Person, outer: Person) -> Iterator[Person]:
    """Give an inner stay, and those within it, the contact of the outer one."""
    outer.inner.append(inner)
    joined = [inner]
    for one in joined:
        if one.contact_id != outer.contact_id:
            one.contact_id = outer.contact_id
            yield one
            joined += one.inner


def _number(call: str) -> int:
    """Return the number of a channel since the switch's start, which is the last part of its id."""
    number = call.rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 12 else -1


def _made(call: str) -> int:
    """Return the second in which a channel was made, which its id holds; the last of all where it does not."""
    second = call.rpartition(".")[0].rpartition("-")[2]
    return int(second) if second.isascii() and second.isdigit() and 9 <= len(second) <= 11 else sys.maxsize


def _neighbour(call: str, by: int) -> str:
    """Return the id of the channel that was made `by` places later in the same second."""
    number = _number(call)
    return "" if number < 0 else f"{call.rpartition('.')[0]}.{number + by}"
