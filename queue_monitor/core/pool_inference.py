"""The pools of queues answered by the same people, inferred from who answered which call: for switches that list no
members.

The sharing that a day shows holds from the next day on, so that a pool stays the same from morning to evening.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from queue_monitor.queues import QueueKey, queue_key

SHOWN_FOR: Final = timedelta(days=30)
"""Queues are no pool any more when nobody has answered both for this long."""

Kept = TypeVar("Kept")


_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, dict[str, datetime]], list[tuple[str, str, datetime]]])


class PoolInference:
    """The queues that share people, learned from every answered call."""

    def __init__(self) -> None:
        self._today: dict[str, dict[str, datetime]] = {}
        self._shared: dict[tuple[str, str], datetime] = {}

    def written(self) -> bytes:
        """Return all state, encoded for a start."""
        return msgspec.msgpack.encode((self._today, [(*pair, at) for pair, at in self._shared.items()]))

    def restore(self, written: bytes) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`."""
        self._today, shared = _decoder.decode(written)
        self._shared = {(one, other): at for one, other, at in shared}

    def answered(self, agent_id: str, queue: str, at: datetime) -> None:
        queues, key = self._today.setdefault(agent_id, {}), queue_key(queue)
        queues[key] = max(at, queues.get(key, at))

    def ids(self) -> Iterable[str]:
        """Return every agent who has answered a call today."""
        return self._today.keys()

    def close_day(self, now: datetime) -> None:
        """Use from now on the sharing that the day has shown."""
        for queues in self._today.values():
            self._share(queues, max(queues.values()))
        self._today.clear()
        self._shared = {pair: at for pair, at in self._shared.items() if now - at <= SHOWN_FOR}

    def recall(self, pools: Iterable[frozenset[str]], now: datetime) -> None:
        """Restore the pools of an earlier run, by the keys of their queues."""
        for pool in filter(None, pools):
            self._share(pool, now)

    def _share(self, queues: Iterable[str], at: datetime) -> None:
        first, *others = sorted(queues)
        for other in others:
            self._shared[first, other] = max(at, self._shared.get((first, other), at))

    def pools(self, queues: Iterable[str]) -> list[tuple[str, ...]]:
        """Return these queues, grouped; a queue that shares nobody is a pool of its own."""
        return grouped(queues, self._shared)


def grouped(queues: Iterable[str], shared: Iterable[Iterable[str]]) -> list[tuple[str, ...]]:
    """Return the queues grouped with all that they are linked to, directly or through others.
    `shared` has their keys.
    """
    names = {queue_key(queue): queue for queue in queues}
    group: dict[str, set[QueueKey]] = {key: {key} for key in names}
    for linked in shared:
        known = [key for key in linked if key in group]
        for key in known[1:]:
            merged = group[known[0]] | group[key]
            for member in merged:
                group[member] = merged
    return sorted({tuple(sorted(names[key] for key in keys)) for keys in group.values()})


def inherited(pool: frozenset[str], learned: Mapping[frozenset[str], Kept]) -> Kept | None:
    """Return the knowledge about a pool that has just grown: that of the part of it with the most queues."""
    part = max((part for part in learned if part < pool), key=lambda part: (len(part), sorted(part)), default=None)
    return None if part is None else learned[part]
