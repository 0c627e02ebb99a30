"""The coverage of queues tells how their open minutes were observed: today by the sources, earlier as it was saved."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Final

from queue_monitor.core.calendar import Calendar, day_bounds
from queue_monitor.core.sources import Sources
from queue_monitor.core.windows import Calendars
from queue_monitor.model import Coverage, CoverageRecord
from queue_monitor.queues import queue_key

MAX_SAVED: Final = 16_384
"""The most stretches of earlier days whose coverage is remembered: seven periods of some thousand queues."""

_OBSERVED: Final = attrgetter("observed_minutes")

MAX_HEARD: Final = 2_048
"""The most stretches whose coverage by the sources is remembered; it changes with each sign of life and minute."""


class QueueCoverage:
    """The coverage of one queue or of several together, in minutes.

    The hours of a single queue are its own; of several they are the default's.
    `switches_of`: the switches that have reported these queues.
    `loads`: how often the coverage of earlier days was loaded; it changes with nothing else.
    """

    def __init__(
        self, calendars: Calendars, sources: Sources, switches_of: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> None:
        self.loads = 0
        self._calendars = calendars
        self._sources = sources
        self._switches_of = switches_of
        self._noted: dict[tuple[str, date], Coverage] = {}
        self._days_noted: dict[str, set[date]] = {}
        self._open_minutes: dict[tuple[Calendar, date], int] = {}
        self._imported: set[date] = set()
        self._saved: dict[tuple[object, ...], Coverage] = {}
        self._heard: dict[tuple[object, ...], Coverage] = {}

    def load(self, records: Iterable[CoverageRecord]) -> None:
        """Load the saved coverage of days before the edge."""
        for record in records:
            self._noted[queue_key(record.queue), record.day] = record.coverage
            self._days_noted.setdefault(queue_key(record.queue), set()).add(record.day)
        self._saved.clear()
        self.loads += 1

    def load_imported(self, records: Iterable[CoverageRecord]) -> None:
        """Load the saved coverage of days that were imported after the edge, which the sources know nothing of."""
        records = tuple(records)
        self._imported = {record.day for record in records}
        self.load(records)

    def records(self, queues: Iterable[str], day: date, now: datetime) -> list[CoverageRecord]:
        """Return the coverage of a local day up to now, for each of these queues."""
        found = []
        for queue in queues:
            calendar = self._calendars.of(queue)
            start, end = day_bounds(day, calendar.zone)
            fresh = self._by_sources((queue,), calendar, start, min(end, now))
            noted = self._noted.get((queue_key(queue), day), fresh)
            found.append(CoverageRecord(queue=queue, day=day, coverage=max(fresh, noted, key=_OBSERVED)))
        return found

    def of_past(
        self, queues: tuple[str, ...], start: datetime, end: datetime, noted: Mapping[tuple[str, date], Coverage]
    ) -> Coverage:
        """Return the coverage of a past stretch: whole days from `noted` by queue (casefolded) and day, the rest from
        the sources.
        """
        calendar = self._calendar_of(queues)
        found, at = Coverage(), start
        while at < end:
            day = calendar.day_of(at)
            midnight, tomorrow = day_bounds(day, calendar.zone)
            until = min(end, tomorrow)
            if (midnight, tomorrow) == (at, until):
                found = found.plus(self._of_day(queues, calendar, day, noted))
            else:
                found = found.plus(self._by_sources(queues, calendar, at, until))
            at = until
        return found

    def of(self, queues: tuple[str, ...], start: datetime, end: datetime, edge: datetime | None) -> Coverage:
        """Return the coverage of a stretch that is over, or ends now.

        Days before the edge are taken from the saved coverage; a day without any is blind.
        """
        calendar = self._calendar_of(queues)
        saved = Coverage()
        if edge is not None and start < edge and queues:
            saved = self._as_saved(queues, calendar, start, min(edge, end))
            start = edge
        for day in sorted(self._imported):
            midnight, tomorrow = day_bounds(day, calendar.zone)
            if start <= midnight and tomorrow <= end and queues:
                fresh = self._by_sources(queues, calendar, midnight, tomorrow)
                known = max(fresh, self._of_day(queues, calendar, day, self._noted), key=_OBSERVED)
                saved = saved.plus(self._by_sources(queues, calendar, start, midnight)).plus(known)
                start = tomorrow
        return saved.plus(self._by_sources(queues, calendar, start, end))

    def _calendar_of(self, queues: tuple[str, ...]) -> Calendar:
        return self._calendars.of(queues[0]) if len(queues) == 1 else self._calendars.default

    def _as_saved(self, queues: tuple[str, ...], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        """Return the saved coverage of whole days; those of which nothing was saved are blind.

        Only queues of which some was saved matter, so that a queue that is new today is no reason to add up its days.
        """
        queues = tuple(queue for queue in queues if queue_key(queue) in self._days_noted)
        key = (queues, id(calendar), start, end)
        if key not in self._saved:
            if len(self._saved) >= MAX_SAVED:
                self._saved.clear()
            noted = set[date]().union(*(self._days_noted[queue_key(queue)] for queue in queues))
            found, blind = Coverage(), 0
            day, last = calendar.day_of(start), calendar.day_of(end - timedelta(seconds=1))
            while day <= last:
                if day in noted:
                    found = found.plus(self._of_day(queues, calendar, day, self._noted))
                else:
                    blind += self._minutes_of(calendar, day)
                day += timedelta(days=1)
            self._saved[key] = found.plus(Coverage(blind_minutes=blind))
        return self._saved[key]

    def _minutes_of(self, calendar: Calendar, day: date) -> int:
        """Return the open minutes of a day, computed once for all queues with these hours."""
        known = self._open_minutes.get((calendar, day))
        if known is None:
            if len(self._open_minutes) >= MAX_SAVED:
                self._open_minutes.clear()
            known = self._open_minutes[calendar, day] = open_minutes_of(calendar, day)
        return known

    def _of_day(
        self, queues: tuple[str, ...], calendar: Calendar, day: date, noted: Mapping[tuple[str, date], Coverage]
    ) -> Coverage:
        its = {queue: known for queue in queues if (known := noted.get((queue_key(queue), day))) is not None}
        return coverage_of_day(day, its, self._calendars.of, calendar)

    def _by_sources(self, queues: tuple[str, ...], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        switches = self._switches_of(queues)
        if end <= start:
            return Coverage()
        key = (switches, id(calendar), start, int(end.timestamp()) // 60, self._sources.changes(switches))
        if key not in self._heard:
            if len(self._heard) >= MAX_HEARD:
                self._heard.clear()
            self._heard[key] = self._sources.coverage(switches, calendar, start, end)
        return self._heard[key]


def coverage_of_day(
    day: date,
    noted: Mapping[str, Coverage],
    calendar_of: Callable[[str], Calendar],
    calendar: Calendar,
    *,
    is_over: bool = True,
) -> Coverage:
    """Return how a day was observed, by what was saved of its queues.

    The record is that of the queue of which least was observed, among those with the hours of `calendar`, or else those
    that were open: a minute of all is observed where every switch was. Open minutes that it lacks of a day that is over
    are blind: the monitor was killed after it was written. So is a day without any.
    """
    spans = calendar.spans_of(day)
    alike = [queue for queue in noted if calendar_of(queue).spans_of(day) == spans]
    opened = [queue for queue in noted if calendar_of(queue).spans_of(day)]
    among = alike or opened or list(noted)
    queue = min(among, key=lambda each: noted[each].observed_minutes, default=None)
    if queue is not None:
        calendar = calendar_of(queue)
    known = Coverage() if queue is None else noted[queue]
    if not is_over:
        return known
    lacking = open_minutes_of(calendar, day) - known.seen_minutes - known.recovered_minutes - known.blind_minutes
    return known.plus(Coverage(blind_minutes=max(0, lacking)))


def open_minutes_of(calendar: Calendar, day: date) -> int:
    """Return the whole open minutes of a local day."""
    return int(calendar.open_minutes(*day_bounds(day, calendar.zone)))
