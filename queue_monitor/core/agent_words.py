"""Keeps what was said about one agent in the course of a day, as the forecast reads it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, NamedTuple

from queue_monitor.events import AgentActivity

_EVERYWHERE: Final = frozenset({""})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Word(NamedTuple):
    """One report about an agent: a state or a membership, in a queue (casefolded) or, where that is "", in all."""

    at: datetime
    queue: str
    state: AgentActivity | None = None
    member: bool | None = None


@dataclass(slots=True)
class AgentWords:
    """The reports about one agent today and the last ones before it, in the order of time.

    Of reports that say the same after one another only the first is here, and the last when an older one comes late: a
    switch that lists its members every few seconds says nothing new most of the time.
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
    _states: dict[str, AgentActivity | None] = field(default_factory=dict)
    _members: dict[str, bool] = field(default_factory=dict)
    _repeats: dict[tuple[str, bool], Word] = field(default_factory=dict)
    _last_at: datetime = _LONG_AGO
    _of_a_queue_at: datetime = _LONG_AGO

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
        if word.at < self._last_at or (self.said and word.at < self.said[-1].at):
            self.merge([*self._repeats.values(), word])
            return
        self._last_at = word.at
        if not word.queue and word.at == self._of_a_queue_at:  # a queue's own report of that moment goes before it
            self.said += [known for known in self._repeats.values() if known.at == word.at and known.queue]
        if self._is_news(word):
            self._repeats.pop((word.queue, word.member is None), None)
            self.said.append(word)
        else:
            self._repeats[word.queue, word.member is None] = word

    def merge(self, words: Iterable[Word]) -> None:
        """Add reports of any age."""
        self.said = sorted([*self.said, *words], key=itemgetter(0))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.rewritten += 1
        self._states, self._members, self._repeats = {}, {}, {}

    def _is_news(self, word: Word) -> bool:
        """Return whether the newest report says something else than what holds; note that it holds from now on."""
        if word.member is not None:
            known, self._members[word.queue] = self._members.get(word.queue), word.member
            return known is not word.member
        if not word.queue:  # it holds in each queue that has none of the same moment, until there is a newer one
            before, holds = self._states, {"": word.state}
            self._states = holds if word.at > self._of_a_queue_at else {}
            return before != holds
        self._of_a_queue_at = word.at
        is_news = word.queue not in self._states or self._states[word.queue] is not word.state
        self._states[word.queue] = word.state
        return is_news

    def turn(self, midnight: datetime) -> None:
        """Start a day: of the reports before it, keep only those that still hold."""
        kept: dict[tuple[str, bool], Word] = {}
        for word in self.said:
            if word.at < midnight:
                kept[word.queue, word.member is None] = word
        older = sorted(kept.values(), key=itemgetter(0))
        self.said = older + [word for word in self.said if word.at >= midnight]
        self._begin_anew()  # the first report of a day tells that the agent was heard of
