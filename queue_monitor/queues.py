"""What queues and pools are called: the one place where their names are folded, joined and taken apart."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, NewType
from unicodedata import normalize

JOINT: Final = " + "
"""Between the names of a pool's queues in its own."""


QueueKey = NewType("QueueKey", str)
"""What a queue is known by, however it is spelled."""


@lru_cache(4096)
def spelled(text: str) -> str:
    """A name as it is shown: composed (NFC), without space around it. One of nothing but space stays as it is."""
    return normalize("NFC", text).strip() or text


@lru_cache(4096)
def queue_key(name: str) -> QueueKey:
    """What a queue is known by: two are one when equal after NFC, trimming and case folding."""
    return QueueKey(spelled(name).casefold())


class Pool(NamedTuple):
    """Queues that the same people answer; a queue that shares nobody is a pool of its own. `name` is what the API, the
    alerts and the files know it by; what people are shown is a label.
    """

    name: str
    queues: tuple[str, ...]

    @property
    def keys(self) -> frozenset[QueueKey]:
        """What its queues are known by."""
        return keys_of(self.queues)


def pool_of(queues: Iterable[str]) -> Pool:
    """The pool of these queues, in their order."""
    queues = tuple(queues)
    return Pool(JOINT.join(queues), queues)


def keys_of(queues: Iterable[str]) -> frozenset[QueueKey]:
    """What queues are known by."""
    return frozenset(map(queue_key, queues))


def queues_in(name: str) -> tuple[str, ...]:
    """The queues of a pool that only its name tells of, as versions before 0.2 wrote it down; none of an empty name.
    A queue that has the joint in its own name is taken for two.
    """
    return tuple(name.split(JOINT)) if name else ()
