"""The names of queues, switches, sources and rules, each written once and referred to by a small number."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, insert, select

from queue_monitor.queues import queue_key
from queue_monitor.store.schema import name

QUEUE: Final = "queue"
SWITCH: Final = "switch"
SOURCE: Final = "source"
RULES: Final = "rules"

_MAX_KEY: Final = 512  # bytes; PostgreSQL refuses an index entry above 2,700


class Names:
    """The content of the table of names, as far as it was read. After a transaction that was undone, `evict` its
    additions.

    A queue is one name whatever the case of its letters; people are shown the spelling that came first.
    """

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self._texts: dict[tuple[str, int], str] = {}
        self._is_loaded = False

    def evict(self) -> None:
        self._ids.clear()
        self._texts.clear()
        self._is_loaded = False

    def load(self, connection: Connection) -> None:
        """Read the table again: another process may have added to it."""
        rows = connection.execute(select(name.c.kind, name.c.id, name.c.key, name.c.text)).all()
        self.evict()
        for row in rows:
            self._ids[row.kind, row.key] = row.id
            self._texts[row.kind, row.id] = row.text
        self._is_loaded = True

    def ensure(self, connection: Connection, kind: str, texts: Iterable[str]) -> None:
        """Give a number to each of these that has none yet."""
        if not self._is_loaded:
            self.load(connection)
        new = []
        for text in texts:
            key = key_of(kind, text)
            if (kind, key) in self._ids:
                continue
            number = 1 + sum(1 for other, _ in self._ids if other == kind)
            self._ids[kind, key] = number
            self._texts[kind, number] = plain(text)
            new.append({"kind": kind, "id": number, "key": key, "text": plain(text)})
        if new:
            connection.execute(insert(name), new)

    def id(self, kind: str, text: str) -> int:
        """Return the number of a name that `ensure` has seen."""
        return self._ids[kind, key_of(kind, text)]

    def find(self, connection: Connection, kind: str, text: str) -> int | None:
        """Return the number of a name; None when no row can have it."""
        key = kind, key_of(kind, text)
        if key not in self._ids:
            self.load(connection)
        return self._ids.get(key)

    def known(self, kind: str, number: int | None) -> str | None:
        """Return the text of a name as far as it is in memory; "" for no name."""
        return self._texts.get((kind, number)) if number else ""

    def text(self, connection: Connection, kind: str, number: int | None) -> str:
        if number is None:
            return ""
        if (kind, number) not in self._texts:
            self.load(connection)
        return self._texts.get((kind, number), "")

    def all(self, connection: Connection, kind: str) -> list[int]:
        """Return the numbers of all names of a kind."""
        self.load(connection)
        return sorted(number for other, number in self._texts if other == kind)


def plain(text: str) -> str:
    """Return the text as every database holds it: PostgreSQL refuses a NUL, and neither takes half a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


@lru_cache(4096)
def key_of(kind: str, text: str) -> str:
    """Return the key of a name."""
    key = plain(queue_key(text) if kind == QUEUE else text)
    raw = key.encode()
    return key if len(raw) <= _MAX_KEY else "sha256:" + hashlib.sha256(raw).hexdigest()
