"""Reads the lines of a queue_log by their fields: verbs of Asterisk and of dialplans, and names that hold a `|`."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from queue_monitor.queues import queue_key

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VERB: Final = re.compile(r"(?!NONE$)[A-Z0-9_]{2,}")
_SECOND: Final = re.compile(r"(\d{1,10})(?:\.\d{1,9})?", re.ASCII)
"""A second since 1970: whole as Asterisk writes it, with decimals in a log that was written from a database."""

_OF_AGENTS: Final = frozenset(("PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL"))
_NUMBERS: Final = {
    "CONNECT": (0,),
    "COMPLETECALLER": (0, 1),
    "COMPLETEAGENT": (0, 1),
    "ABANDON": (0, 1, 2),
    "EXITWITHTIMEOUT": (0, 1, 2),
    "EXITEMPTY": (0, 1, 2),
    "EXITWITHKEY": (1, 2, 3),
    "WITHDRAW": (0, 1, 2),
    "RINGNOANSWER": (0,),
    "RINGCANCELED": (0,),
    "PENALTY": (0,),
}
"""The fields after each verb that must be whole numbers."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, by its fields. `told`: the fields after the verb."""

    at: datetime
    second: int
    call: str
    queue: str
    agent: str
    verb: str
    told: list[str]
    received_at: datetime

    @property
    def place(self) -> tuple[str, str]:
        return self.call, queue_key(self.queue)

    def repeats(self, earlier: "Line | None") -> bool:
        """Return whether this line repeats an earlier one of the same second, or of one beside it."""
        return (
            earlier is not None
            and abs(self.second - earlier.second) <= 1
            and (self.verb, self.agent, self.told) == (earlier.verb, earlier.agent, earlier.told)
            and self.place == earlier.place
        )

    def word(self, index: int) -> str:
        return self.told[index] if -len(self.told) <= index < len(self.told) else ""

    def number(self, index: int) -> int | None:
        return whole(self.word(index))

    def milliseconds(self, index: int) -> int | None:
        """Return a field of whole seconds, in ms."""
        seconds = self.number(index)
        return None if seconds is None else seconds * 1000


def read_line(text: str, received_at: datetime, verbs: Container[str], queues: Container[str]) -> Line | None:
    """Return a line by its fields; None for one that is none.

    `verbs`: those that are understood. `queues`: the queues (casefolded) that are known so far.
    """
    fields = text.split("|")
    second = second_in(fields[0])
    if second is None or len(fields) < 5:
        return None
    queue, agent, place = fields[2], fields[3], _verb_at(fields, verbs)
    if not fields[place]:
        return None
    if place > 4:
        queue, agent = _parted(fields[2:place], queues)
    verb, told = fields[place], fields[place + 1 :]
    at = _EPOCH + timedelta(seconds=second)
    return Line(at, second, fields[1], queue, agent, verb, told, received_at)


def _verb_at(fields: list[str], verbs: Container[str]) -> int:
    """Return the index of the verb: the fifth field, or a later one where a name holds an unescaped `|`.

    A verb of Asterisk's own counts with the fields that belong to it. A word that could be somebody's own verb may
    be half a name, except after the agent NONE.
    """
    if fields[4] in verbs and _fits(fields, 4):
        return 4
    own = _VERB.fullmatch(fields[4]) is not None
    if not own or fields[3] not in ("", "NONE"):
        for place in range(5, len(fields)):
            if fields[place] in verbs and _fits(fields, place):
                return place
    if own or fields[4] in verbs:
        return 4
    return next((n for n in range(5, len(fields)) if fields[n] in verbs), 4)


def _parted(fields: list[str], queues: Container[str]) -> tuple[str, str]:
    """Split more than two fields into queue and agent, by a queue that is known or by the agent NONE."""
    for parts in range(len(fields) - 1, 0, -1):
        queue = "|".join(fields[:parts])
        if queue_key(queue) in queues:
            return queue, "|".join(fields[parts:])
    if fields[-1] == "NONE":
        return "|".join(fields[:-1]), "NONE"
    return fields[0], "|".join(fields[1:])


def decoded(raw: bytes) -> str:
    """Return a line as UTF-8, or as Latin-1 where it is none, so that two different names stay different."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _fits(fields: list[str], place: int) -> bool:
    """Return whether the fields around a verb are those that Asterisk writes with it."""
    verb, agent, told = fields[place], fields[place - 1], fields[place + 1 :]
    if verb == "ENTERQUEUE":
        return agent in ("", "NONE")
    if verb in _OF_AGENTS:
        return fields[1] in ("", "NONE") and len(told) <= 2
    numbers = _NUMBERS.get(verb, ())
    return all(at < len(told) and whole(told[at]) is not None for at in numbers)


def second_in(text: str) -> int | None:
    """Return the whole seconds of a time in seconds since 1970; None for other text."""
    found = _SECOND.fullmatch(text)
    return int(found[1]) if found else None


def whole(text: str) -> int | None:
    """Return a whole number of at most ten digits; None for other text."""
    return int(text) if text and len(text) <= 10 and text.isascii() and text.isdigit() else None


def recorded_pieces(recording: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into lines, each received at the end of the second in which it was written.

    A source with finer times has reported the same by then, as in real operation. A program may have saved the file
    with CR alone at the ends of its lines.
    """
    for line in recording.splitlines(keepends=True):
        if line.endswith(b"\r"):
            line = line[:-1] + b"\n"
        second = second_in(line.partition(b"|")[0].decode("ascii", "replace"))
        yield line, None if second is None else _EPOCH + timedelta(seconds=second + 1)
