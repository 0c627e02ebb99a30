"""Places for names that senders choose, at most so many: names that are made up must not fill memory, nor push out
another sender's (docs/limits.md).
"""

from collections import Counter
from collections.abc import Iterable


class Places:
    """The places of one kind of name. `most`: their number. `sure`: names that need none."""

    def __init__(self, most: int, sure: Iterable[str] = ()) -> None:
        self._most = most
        self._sure = frozenset(sure)
        self._holders: dict[str, str] = {}
        self._held: Counter[str] = Counter()

    def __contains__(self, name: str) -> bool:
        return name in self._holders or name in self._sure

    def take(self, name: str, by: str) -> tuple[bool, str | None]:
        """Return whether a name has a place or gets one now, and which name gives up its own for it.

        Where no place is free, it is the newest name of the sender that holds most, if that sender is left with no
        fewer than this one then has.
        """
        if name in self:
            return True, None
        gives_up = None
        if len(self._holders) >= self._most:
            greediest, most = self._held.most_common(1)[0]
            if most < self._held[by] + 2:
                return False, None
            gives_up = next(held for held in reversed(self._holders) if self._holders[held] == greediest)
            self.leave(gives_up)
        self._holders[name] = by
        self._held[by] += 1
        return True, gives_up

    def leave(self, name: str) -> None:
        """Free the place of a name, where it holds one."""
        if (by := self._holders.pop(name, None)) is not None:
            self._held[by] -= 1
