"""Keeps what was said about one agent in the course of a day, as the forecast reads it."""

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Final, NamedTuple

from queue_monitor.events import AgentActivity

_EVERYWHERE: Final = frozenset({""})


class Word(NamedTuple):
    """One report about an agent: a state or a membership, in a queue (casefolded) or, where that is "", in all."""

    at: datetime
    queue: str
    state: AgentActivity | None = None
    member: bool | None = None


@dataclass(slots=True)
class AgentWords:
    """The reports about one agent today and the last ones before it, in the order of time.

    `rewritten`: differs after a report that is older than the last one, and after the start of a day.
    `is_listed`: a live source reports the agent's activity; a log reports only some agents.
    """

    said: list[Word] = field(default_factory=list)
    rewritten: int = 0
    is_listed: bool = False
    _named: set[str] = field(default_factory=set)
    _is_member_told: bool = False
    _was_everywhere: bool = False
    _read: tuple[int, int] = 0, 0

    def scope(self, queues: frozenset[str]) -> frozenset[str] | None:
        """Return for which queues (casefolded; empty for all) these reports are to be read, to know what the agent does
        for `queues`; None where they say nothing of that.

        An agent of whom nothing is said but for all queues at once does the same for each of them, and so does one
        until memberships are told.
        """
        rewritten, read = self._read
        if rewritten != self.rewritten:
            self._named, self._is_member_told, self._was_everywhere, read = set(), False, False, 0
        for word in self.said[read:]:
            self._named.add(word.queue)
            self._is_member_told = self._is_member_told or word.member is not None
            self._was_everywhere = self._was_everywhere or not (word.queue or self._is_member_told)
        self._read = self.rewritten, len(self.said)
        if self._named == _EVERYWHERE:
            return frozenset()
        concerns = not queues or self._was_everywhere or not self._named.isdisjoint(queues)
        return queues if concerns else None

    def add(self, word: Word) -> None:
        if self.said and word.at < self.said[-1].at:
            insort(self.said, word, key=itemgetter(0))
            self.rewritten += 1
        else:
            self.said.append(word)

    def turn(self, midnight: datetime) -> None:
        """Start a day: of the reports before it, keep only those that still hold."""
        kept: dict[tuple[str, bool], Word] = {}
        for word in self.said:
            if word.at < midnight:
                kept[word.queue, word.member is None] = word
        older = sorted(kept.values(), key=itemgetter(0))
        self.said = older + [word for word in self.said if word.at >= midnight]
        self.rewritten += 1
