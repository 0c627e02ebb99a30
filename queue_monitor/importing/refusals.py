"""Refused lines: a bounded list with file, line, field and reason; all of them are counted."""

import re
from collections import Counter
from typing import Final, NamedTuple

MAX_LISTED: Final = 200
MAX_OF_A_REASON: Final = 20
"""The most lines listed of one file and reason; all are counted. `MAX_LISTED` is the most of all."""

_DIGIT: Final = re.compile(r"\d")
_LONGEST: Final = 40


class RefusedLine(NamedTuple):
    """One refused line. `line` counts from 1; `reason` is a stable word for counting."""

    file: str
    line: int
    field: str
    reason: str
    why: str


class Refusals:
    """Counts refused lines by file and reason, and keeps the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.listed: list[RefusedLine] = []

    def add(self, refused: RefusedLine) -> None:
        """Count one, and keep it while there is room."""
        of_its_kind = self.counts[refused.file, refused.reason]
        self.counts[refused.file, refused.reason] += 1
        if of_its_kind < MAX_OF_A_REASON and len(self.listed) < MAX_LISTED:
            self.listed.append(refused)

    def of(self, file: str) -> dict[str, int]:
        """Return how many lines of a file were not taken, by reason."""
        return {reason: count for (name, reason), count in sorted(self.counts.items()) if name == file}

    @property
    def total(self) -> int:
        """The number of refused lines."""
        return sum(self.counts.values())


def shown(value: str) -> str:
    """Return a value in quotes, with `#` for each digit, which could be one of a telephone number."""
    plain = _DIGIT.sub("#", "".join(sign if sign.isprintable() else "?" for sign in value))
    return f"'{plain[:_LONGEST]}…'" if len(plain) > _LONGEST else f"'{plain}'"
