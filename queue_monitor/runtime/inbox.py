"""The inbox: deliveries that have come and are not taken yet, shared out fairly between their sources."""

import asyncio
from collections import deque
from typing import Final

from queue_monitor.ports import Delivery

MAX_IN_LINE: Final = 20_000
"""The largest number of events in the line that have come and are not taken yet: some 20 MB. A source that has
deliveries in a full line waits, and so does its sender.
"""


class Inbox:
    """The line of each source. The source of which the fewest events were taken comes next, so that a flood holds up
    no other.

    Shares are counted from when the inbox was last empty. A source that has been quiet begins with the smallest share
    of those that wait: it takes turns with a flood at once, and is not ahead of it for what it did not send before.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[Delivery]] = {}
        self._shares: dict[str, int] = {}
        self._size = 0
        self._has_come, self._has_room = asyncio.Event(), asyncio.Event()
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._lines)

    async def put(self, delivery: Delivery) -> None:
        """Put a delivery in the line of its source. It waits while the inbox is full and that source has others in it;
        nothing is refused or dropped.
        """
        source = delivery.source
        while self._size >= MAX_IN_LINE and source in self._lines and not self._ended:
            self._has_room.clear()
            await self._has_room.wait()
        if source not in self._lines:
            least = min((self._shares[waiting] for waiting in self._lines), default=0)
            self._shares[source] = max(self._shares.get(source, 0), least)
            self._lines[source] = deque()
        self._size += len(delivery.items)
        self._lines[source].append(delivery)
        self._has_come.set()

    def next(self) -> Delivery:
        """Take the next delivery out of its line. Raises `ValueError` when there is none."""
        source = min(self._lines, key=self._shares.__getitem__)
        line = self._lines.pop(source)
        delivery = line.popleft()
        self._size -= len(delivery.items)
        self._shares[source] += len(delivery.items)
        if line:
            self._lines[source] = line  # after the others, so that equal shares take turns
        elif not self._lines:
            self._shares.clear()
            self._has_come.clear()
        self._has_room.set()
        return delivery

    async def wait(self) -> None:
        """Wait until a delivery is there."""
        await self._has_come.wait()

    def begin(self) -> None:
        """Let senders wait for room again, since deliveries are taken again."""
        self._ended = False

    def end(self) -> None:
        """Let nobody wait for room any more: nothing is taken."""
        self._ended = True
        self._has_room.set()
