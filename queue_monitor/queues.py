"""The names of queues, pools and agents, which are folded, joined and split here only."""

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, NewType
from unicodedata import normalize

JOINT: Final = " + "
"""The separator between the names of a pool's queues in its own name."""


QueueKey = NewType("QueueKey", str)
"""The key by which a queue is known, however its name is spelled."""


@lru_cache(4096)
def spelled(text: str) -> str:
    """Return a name as it is shown: composed (NFC) and trimmed. One of white space alone stays as it is."""
    return normalize("NFC", text).strip() or text


@lru_cache(4096)
def queue_key(name: str) -> QueueKey:
    """Return a queue's key: two names are one queue when equal after NFC, trimming and case folding."""
    return QueueKey(spelled(name).casefold())


@lru_cache(4096)
def agent_key(agent_id: str) -> str:
    """Return an agent's id (`<switch>:<name>`) as it is kept: the name composed (NFC), trimmed and folded."""
    switch, colon, name = agent_id.partition(":")
    return f"{switch}:{spelled(name).casefold()}" if colon else spelled(agent_id).casefold()


class Pool(NamedTuple):
    """Queues that the same agents answer; a queue that shares no agent is a pool of its own.

    `name` is the pool's name in the API, the alerts and the files; people see a label.
    """

    name: str
    queues: tuple[str, ...]

    @property
    def keys(self) -> frozenset[QueueKey]:
        """Return the keys of its queues."""
        return keys_of(self.queues)


def pool_of(queues: Iterable[str], others: Container[str] = ()) -> Pool:
    """Return the pool of these queues, in their order.

    `others`: the keys of all queues; a pool is named like none of them. A queue that has the separator in its own name
    stands in parentheses, so that no two pools have one name.
    """
    queues = tuple(queues)
    if len(queues) < 2:
        return Pool(JOINT.join(queues), queues)
    name = JOINT.join(f"({queue})" if JOINT in queue else queue for queue in queues)
    return Pool(f"({name})" if queue_key(name) in others else name, queues)


def queues_of_pool(name: str, known: Mapping[QueueKey, str]) -> tuple[str, ...]:
    """Return the queues of the pool that `pool_of` names so, in their order; empty where they are not all known.

    `known`: the names of all queues by their keys.
    """
    text = spelled(name)
    texts = (text, text[1:-1]) if text.startswith("(") and text.endswith(")") else (text,)
    parted = (_parted(each.split(JOINT), known) for each in texts)
    return next((found for found in parted if len(keys_of(found)) == len(found) > 1), ())


def _parted(parts: Sequence[str], known: Mapping[QueueKey, str]) -> tuple[str, ...]:
    found, at = [], 0
    while at < len(parts):
        for end in range(len(parts), at, -1):
            queue = JOINT.join(parts[at:end])
            if end - at > 1:
                queue = queue[1:-1] if queue.startswith("(") and queue.endswith(")") else ""
            if (key := queue_key(queue)) in known:
                found.append(known[key])
                at = end
                break
        else:
            return ()
    return tuple(found)


def keys_of(queues: Iterable[str]) -> frozenset[QueueKey]:
    """Return the keys of queues."""
    return frozenset(map(queue_key, queues))


def queues_in(name: str) -> tuple[str, ...]:
    """Return the queues of a pool that was saved by its name alone, as versions before 0.2 did.

    Empty for an empty name. A queue that has the separator in its own name is taken for two.
    """
    return tuple(name.split(JOINT)) if name else ()
