"""The queues of which a switch reports only how many wait: no caller is listed, so there is no visit and no service
level.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct, structs

from queue_monitor.events import QueueSnapshot
from queue_monitor.model import Staff
from queue_monitor.queues import queue_key


class Count(Struct, frozen=True, kw_only=True):
    """The newest counters of a switch for one queue, or for several added up; None where they say nothing.

    `source`: the source that gave them.
    """

    waiting: int
    oldest_wait_ms: int | None = None
    agents_free: int | None = None
    agents_logged_on: int | None = None
    source: str = ""

    @property
    def staff(self) -> Staff:
        if self.agents_logged_on is None or self.agents_free is None:
            return Staff()
        return Staff(known=True, staffed=self.agents_logged_on, available=self.agents_free)


HOLDS: Final = timedelta(minutes=3)
"""The time for which counters hold while their source gives those of other queues: three of the longest polls."""

_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, tuple[datetime, Count]], set[str]])


class CounterQueues:
    """The newest counters of each queue. They are not used once an event names the queue's callers."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[datetime, Count]] = {}
        self._with_callers: set[str] = set()

    def written(self) -> bytes:
        """Return all state, encoded for a start."""
        return msgspec.msgpack.encode((self._newest, self._with_callers))

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`."""
        self._newest, self._with_callers = _decoder.decode(written)

    def note_caller(self, queue: str) -> None:
        """Note that a call event has named this queue: its callers are reported one by one."""
        self._with_callers.add(queue_key(queue))

    def apply(self, event: QueueSnapshot) -> list[str]:
        """Take what a switch says of a queue; return the keys of the queues that its source counts no more."""
        queue = queue_key(event.queue)
        count = None if event.complete or event.waiting else _count(event.counters)
        if count is None:
            if event.complete or event.waiting:
                self._with_callers.add(queue)
        elif queue not in self._newest or event.as_of >= self._newest[queue][0]:
            self._newest[queue] = event.as_of, structs.replace(count, source=event.source)
            return list(self._let_go(event.source, event.as_of))
        return []

    def _let_go(self, source: str, now: datetime) -> Iterator[str]:
        """Forget the counters that their source has left out of its answers for too long. Yield their queues, without
        those whose callers are reported.
        """
        for queue, (as_of, count) in list(self._newest.items()):
            if count.source in ("", source) and now - as_of > HOLDS:
                del self._newest[queue]
                if queue not in self._with_callers:
                    yield queue

    def of(self, queues: Iterable[str]) -> list[Count]:
        """Return the counters of those of these queues that are only counted."""
        keys = (queue_key(queue) for queue in queues)
        return [self._newest[key][1] for key in keys if key in self._newest and key not in self._with_callers]


def together(counts: list[Count]) -> Count:
    """Return the counters of several queues as one. Their agents are not added up: one who
    serves three would be three.
    """
    first = counts[0] if len(counts) == 1 else Count(waiting=0)
    return Count(
        waiting=sum(count.waiting for count in counts),
        oldest_wait_ms=max((c.oldest_wait_ms for c in counts if c.oldest_wait_ms is not None), default=None),
        agents_free=first.agents_free,
        agents_logged_on=first.agents_logged_on,
    )


def _count(counters: Mapping[str, str]) -> Count | None:
    waiting = _number(counters, "waiting")
    if waiting is None:
        return None
    oldest = _number(counters, "oldest_wait_seconds")
    return Count(
        waiting=waiting,
        oldest_wait_ms=None if oldest is None or not waiting else oldest * 1000,
        agents_free=_number(counters, "agents_free"),
        agents_logged_on=_number(counters, "agents_logged_on"),
    )


def _number(counters: Mapping[str, str], name: str) -> int | None:
    written = counters.get(name, "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 10 else None
