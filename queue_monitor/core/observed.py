"""Tells how the stretches of one moment were observed: their coverage, and the calls that may have come unheard."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from queue_monitor.core import service_level
from queue_monitor.core.calendar import Calendar, Span
from queue_monitor.core.queue_coverage import QueueCoverage
from queue_monitor.core.sources import Sources
from queue_monitor.core.standing import Stretch
from queue_monitor.core.windows import Windows
from queue_monitor.model import Counts, Coverage, Level

MAX_REMEMBERED: Final = 8192


class LiveReading(Protocol):
    """The part of the live state that is read here: `live.Live`."""

    sources: Sources
    queue_coverage: QueueCoverage

    @property
    def windows(self) -> Windows: ...

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage: ...


class Face(NamedTuple):
    """The scope of some figures: a queue, a pool or all together. `keys` are its queues casefolded, None for all."""

    name: str
    queues: tuple[str, ...]
    keys: tuple[str, ...] | None
    switches: tuple[str, ...]
    calendar: Calendar


class Remembered:
    """The results of earlier moments, by the queues of a face: one is used again while its inputs are equal."""

    def __init__(self) -> None:
        self.coverages: dict[tuple[str, ...], tuple[tuple[object, ...], list[Coverage]]] = {}
        self.entered: dict[tuple[str, ...] | None, tuple[tuple[int, ...], int]] = {}


class Observed:
    """The observation of some stretches up to `now`.

    `day`: today's stretch, within which calls may have come unheard.
    """

    def __init__(
        self, live: LiveReading, now: datetime, stretches: Sequence[Stretch], day: Stretch, remembered: Remembered
    ) -> None:
        self._live = live
        self._now = now
        self._stretches = stretches
        self._day = day
        self._remembered = remembered
        self._starts = tuple(stretch.start for stretch in stretches)
        self._since_edge: dict[tuple[object, ...], list[Coverage]] = {}
        self._gaps: dict[tuple[str, ...], list[Span]] = {}
        self._minutes: dict[tuple[object, ...], tuple[float, float]] = {}
        self._minutes_of_each: dict[tuple[object, ...], list[tuple[float, float]]] = {}
        self._unseen: dict[tuple[object, ...], list[int]] = {}

    def coverages(self, face: Face) -> list[Coverage]:
        """Return the coverage of each stretch; of days held by the minute it is equal for all queues of a switch."""
        live, now, edge = self._live, self._now, self._live.windows.edge
        key = (face.switches, id(face.calendar))
        since_edge = self._since_edge.get(key)
        if since_edge is None:
            since_edge = self._since_edge[key] = [
                live.coverage(face.queues, start if edge is None else max(edge, start), stretch.end, now)
                for start, stretch in zip(self._starts, self._stretches, strict=True)
            ]
        if edge is None:
            return since_edge
        made_of = (id(face.calendar), since_edge, self._starts, edge, live.queue_coverage.loads)
        known = self._remembered.coverages.get(face.queues)
        if known is not None and known[0] == made_of:
            return known[1]
        found = [
            its if start >= edge else live.coverage(face.queues, start, min(edge, end), now).plus(its)
            for its, (_, start, end, _, _) in zip(since_edge, self._stretches, strict=True)
        ]
        if len(self._remembered.coverages) >= MAX_REMEMBERED:
            self._remembered.coverages.clear()
        self._remembered.coverages[face.queues] = made_of, found
        return found

    def unseen_of_each(self, face: Face) -> list[int]:
        """Return the calls that may have come unheard, for each stretch."""
        key = (face.switches, id(face.calendar))
        minutes = self._minutes_of_each.get(key)
        if minutes is None:
            minutes = self._minutes_of_each[key] = [
                self._unheard_and_heard(face, stretch.start, stretch.end) for stretch in self._stretches
            ]
        if not any(unheard for unheard, _ in minutes) or not (entered := self._entered_today(face)):
            return [0] * len(minutes)
        unseen = self._unseen.get((*key, entered))
        if unseen is None:
            unseen = self._unseen[*key, entered] = [
                service_level.unseen_calls(entered, heard, unheard) if unheard else 0 for unheard, heard in minutes
            ]
        return unseen

    def unseen(self, face: Face, start: datetime, end: datetime) -> int:
        """Return the calls that may have come today in the open minutes of a stretch in which nothing was heard."""
        unheard, heard = self._unheard_and_heard(face, start, end)
        return service_level.unseen_calls(self._entered_today(face), heard, unheard) if unheard else 0

    def _entered_today(self, face: Face) -> int:
        """Return today's settled calls, read once for each change of them."""
        windows, day = self._live.windows, self._day
        made_of = (windows.version(Level.CONTACT, face.keys), day.low, day.high)
        known = self._remembered.entered.get(face.keys)
        if known is None or known[0] != made_of:
            if len(self._remembered.entered) >= MAX_REMEMBERED:
                self._remembered.entered.clear()
            numbers = windows.numbers(Level.CONTACT, face.keys, day.low, day.high, True)
            known = self._remembered.entered[face.keys] = made_of, Counts(*numbers).entered
        return known[1]

    def _gaps_today(self, switches: tuple[str, ...]) -> list[Span]:
        """Return today's stretches in which nothing was heard of these switches, up to now; read once."""
        if switches not in self._gaps:
            start = self._day.start
            gaps = (
                (max(gap.start, start), gap.end or self._now) for gap in self._live.sources.gaps(switches, self._now)
            )
            self._gaps[switches] = [(began, ended) for began, ended in gaps if began < ended]
        return self._gaps[switches]

    def _unheard_and_heard(self, face: Face, start: datetime, end: datetime) -> tuple[float, float]:
        """Return the open minutes of a stretch in which nothing was heard, and those of today in which something was.

        They are the same for every queue of a switch with the same hours, and computed once.
        """
        key = (face.switches, id(face.calendar), start, end)
        known = self._minutes.get(key)
        if known is None:
            gaps, open_minutes = self._gaps_today(face.switches), face.calendar.open_minutes

            def unheard(since: datetime, until: datetime) -> float:
                opened = list(face.calendar.spans(since, until))  # once: of a source that flaps there are many gaps
                return sum(
                    (min(closes, ended) - max(opens, began)).total_seconds() / 60
                    for began, ended in gaps
                    for opens, closes in opened
                    if began < closes and opens < ended
                )

            missed, heard, midnight = 0.0, 0.0, self._day.start
            if gaps and start < max(ended for _, ended in gaps) and gaps[0][0] < end:
                missed = unheard(start, end)
            if missed:
                first = self._live.sources.first_heard(face.switches) or midnight
                heard = open_minutes(max(midnight, first), self._now) - unheard(midnight, self._now)
            known = self._minutes[key] = missed, heard
        return known
