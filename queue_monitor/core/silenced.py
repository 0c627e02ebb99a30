"""Tells which callers may have gone, and which talks may have ended, while a switch told nothing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from queue_monitor.core.agents import Agents
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.sources import Sources, Span
from queue_monitor.core.wait_bounds import WaitBounds
from queue_monitor.model import Visit

SHORT_SILENCE: Final = timedelta(minutes=1)
"""A silence shorter than this is not long enough for a caller to have left unseen."""


class Silenced:
    """Reads the silences of the switches beside the last word about each caller."""

    def __init__(self, sources: Sources, ledger: Ledger, wait_bounds: WaitBounds, agents: Agents) -> None:
        self._sources = sources
        self._ledger = ledger
        self._wait_bounds = wait_bounds
        self._agents = agents

    def waiting(self, waiting: Iterable[Visit], now: datetime) -> dict[str, datetime]:
        """Return until when these callers are known to have waited, by visit, where that is not until now.

        Their switch has fallen silent since the last word about them, and nobody has listed them again. Whether they
        still wait is not known. A silence that is over and was shorter than `SHORT_SILENCE` takes nobody away.
        """
        gaps = {
            switch: [gap for gap in found if gap.end is None or gap.end - gap.start >= SHORT_SILENCE]
            for switch in self._sources.switches()
            if (found := self._sources.silences(switch, now))
        }
        until: dict[str, datetime] = {}
        for visit in waiting if gaps else ():
            said, listed = self._ledger.last_word(visit), self._wait_bounds.listed_at(visit)
            last = said if listed is None else max(said, listed)
            for gap in gaps.get(visit.switch, ()):
                if gap.start < now and (gap.end is None or gap.end > last):
                    until[visit.visit_id] = max(gap.start, last)
                    break
        return until

    def switches(self, now: datetime) -> dict[str, datetime]:
        """Return when the last silence that is over began, by switch; one shorter than `SHORT_SILENCE` is none."""
        found = ((switch, self._sources.silences(switch, now)) for switch in self._sources.switches())
        return {switch: began for switch, gaps in found if (began := _last_of(gaps)) is not None}

    def talking(self, talking: Iterable[Visit], now: datetime) -> list[Visit]:
        """Return those of these talks without a known end that may still go on.

        The others may have ended while nothing was heard, or their agent has answered another call since.
        """
        last_gap = {switch: _last_of(self._sources.gaps([switch], now)) for switch in self._sources.switches()}
        found = []
        for visit in talking:
            answered, gap = visit.ended_wait_at, last_gap.get(visit.switch)
            again = self._agents.last_answer(visit.agent_id) if visit.agent_id else None
            if answered is None or ((gap is None or answered > gap) and (again is None or answered >= again)):
                found.append(visit)
        return found


def _last_of(gaps: Iterable[Span]) -> datetime | None:
    """Return when the last gap that is over and not shorter than `SHORT_SILENCE` began."""
    long = (gap.start for gap in gaps if gap.end is not None and gap.end - gap.start >= SHORT_SILENCE)
    return max(long, default=None)
