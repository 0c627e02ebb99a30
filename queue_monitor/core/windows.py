"""Counting: exact whole numbers per minute of entry, and streaming histograms for percentiles.

Everything belongs to the minute in which it entered. A minute slot keeps exact counts and the raw waits of its
answered calls; a day keeps their sums and one HdrHistogram. When the ledger changes its mind about a call, the old
contribution is taken out and the new one put in: sums stay exact, the day's histogram is made anew from its slots.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, TypeVar, cast

from hdrh.histogram import HdrHistogram

from queue_monitor.core.calendar import Calendar, day_bounds
from queue_monitor.core.ledger import Change, Story
from queue_monitor.core.service_level import PLAIN_MISSES, judge
from queue_monitor.events import EntryReason, RefusalReason, milliseconds
from queue_monitor.model import (
    Contact,
    Counts,
    HistoryRow,
    Level,
    Outcome,
    Refusal,
    TalkSums,
    Target,
    Visit,
    WaitBuckets,
    WaitFigures,
    WaitSums,
    WaysOut,
)

FIELDS: Final[dict[str, int]] = {name: at for at, name in enumerate(Counts.__struct_fields__)}
EDGES: Final = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0)
"""Bucket edges of the Prometheus histogram, seconds; the limit of 300 is one of them exactly."""

LONGEST_MS: Final = 86_400_000
"""Waits above a day are put in the histogram as one day, and counted exactly beside it."""

TEN_MINUTES_MS: Final = 600_000
QUARTER: Final = 15
CACHE_SIZE: Final = 4096
Figure = TypeVar("Figure")

_REFUSED: Final = {
    RefusalReason.FULL: "refused_full",
    RefusalReason.NO_AGENTS: "refused_no_agents",
    RefusalReason.CLOSED: "refused_closed",
    RefusalReason.UNKNOWN: "refused_unknown",
}


_BROUGHT_BY: Final = {
    EntryReason.OVERFLOW: "by_overflow",
    EntryReason.TRANSFER: "by_transfer",
    EntryReason.REENTRY: "by_reentry",
    EntryReason.RESUME: "by_resume",
    EntryReason.CALLBACK: "by_callback",
    EntryReason.UNKNOWN: "by_unknown",
}


class Place(NamedTuple):
    """Where a call counts: its level and queue, inside opening hours or not, and the minute (epoch minutes, UTC)."""

    level: Level
    queue: str
    inside: bool
    minute: int


class Contribution(NamedTuple):
    """What one call adds: a field of `Counts` in a place, its wait when a histogram may hold it, and the field that
    says why it came, if not directly.
    """

    place: Place
    name: str
    early: bool
    wait_ms: int | None
    brought_by: str = ""


class Judged(NamedTuple):
    """A call, placed: from when its clock counts and how long it waited, or has waited so far."""

    place: Place
    early: bool
    wait_ms: int | None


@dataclass(slots=True)
class _Waits:
    """Answered waits added up: exact in number, sum and longest; a histogram for the percentiles, when one is asked."""

    answered: int = 0
    sum_ms: int = 0
    max_ms: int = 0
    over_10_min: int = 0
    histogram: HdrHistogram | None = None

    def record(self, wait_ms: int) -> None:
        self.answered += 1
        self.sum_ms += wait_ms
        self.max_ms = max(self.max_ms, wait_ms)
        self.over_10_min += wait_ms > TEN_MINUTES_MS
        self._bins().record_value(min(wait_ms, LONGEST_MS))

    def merge(self, other: "_Waits") -> None:
        self._count(other.answered, other.sum_ms, other.max_ms, other.over_10_min)
        if other.histogram is not None:
            self._bins().add(other.histogram)

    def load(self, saved: WaitSums) -> None:
        self._count(saved.answered, saved.sum_ms, saved.max_ms, saved.over_10_min)
        if saved.histogram:
            self._bins().decode_and_add(saved.histogram)

    def saved(self) -> WaitSums:
        return WaitSums(
            answered=self.answered,
            sum_ms=self.sum_ms,
            max_ms=self.max_ms,
            over_10_min=self.over_10_min,
            histogram=self.histogram.encode() if self.histogram is not None else b"",
        )

    def figures(self) -> WaitFigures:
        """Percentiles within 1 % of the exact ones; the rest exact. Nothing where nothing was measured."""
        if not self.answered or self.histogram is None:
            return WaitFigures()
        at = self.histogram.get_percentile_to_value_dict([50, 90, 99])
        return WaitFigures(
            answered=self.answered,
            mean_seconds=self.sum_ms / self.answered / 1000,
            p50_seconds=min(at[50], self.max_ms) / 1000,
            p90_seconds=min(at[90], self.max_ms) / 1000,
            p99_seconds=min(at[99], self.max_ms) / 1000,
            max_seconds=self.max_ms / 1000,
            over_10_min_ratio=self.over_10_min / self.answered,
        )

    def _count(self, answered: int, sum_ms: int, max_ms: int, over: int) -> None:
        self.answered += answered
        self.sum_ms += sum_ms
        self.max_ms = max(self.max_ms, max_ms)
        self.over_10_min += over

    def _bins(self) -> HdrHistogram:
        if self.histogram is None:
            self.histogram = HdrHistogram(1, LONGEST_MS, 2)
        return self.histogram


@dataclass(slots=True)
class _Slot:
    counts: list[int] = field(default_factory=lambda: [0] * len(FIELDS))
    waits: list[int] = field(default_factory=list)
    saved: WaitSums | None = None


@dataclass(slots=True)
class _Day:
    counts: list[int] = field(default_factory=lambda: [0] * len(FIELDS))
    waits: _Waits = field(default_factory=_Waits)
    stale: bool = False


Series = tuple[Level, str, bool]
Queues = tuple[str, ...] | None
"""Which queues a figure is of; None for all."""


class Windows:
    """Counts by minute and by day, at contact and at visit level, for every queue.

    `ways_out` says how deliberate ways out are judged in a queue (casefolded) that differs from the usual.
    """

    def __init__(
        self,
        target: Target,
        calendars: "Calendars",
        ways_out: dict[str, WaysOut] | None = None,
        usual_ways_out: WaysOut = PLAIN_MISSES,
    ) -> None:
        self.target = target
        self._calendars = calendars
        self._ways_out = ways_out or {}
        self._usual_ways_out = usual_ways_out
        self._slots: dict[Series, dict[int, _Slot]] = {}
        self._days: dict[Series, dict[date, _Day]] = {}
        self._totals: dict[str, list[int]] = {}
        self._buckets: dict[str, _Buckets] = {}
        self._talks: dict[str, list[int]] = {}
        self._changed: set[tuple[Series, int]] = set()
        self._names: dict[str, str] = {}
        self._versions: dict[tuple[Level, str | None], int] = {}
        self._cache: dict[tuple[object, ...], tuple[int, object]] = {}
        self.closed_before: datetime | None = None

    # ---- what enters

    def change(self, change: Change) -> None:
        """Take a contact's old contribution out and put its new one in."""
        self._count_talks(change)
        before = self._of_story(change.before) if change.before else []
        after = self._of_story(change.after) if change.after else []
        if before == after:
            return
        for contribution in before:
            self._count(contribution, -1)
        for contribution in after:
            self._count(contribution, +1)
        self._count_totals(change)

    def refuse(self, refusal: Refusal) -> None:
        """Count a refused caller, at both levels alike."""
        place = self.place_refusal(refusal).place
        for level in Level:
            self._count(Contribution(place._replace(level=level), _REFUSED[refusal.reason], False, None), +1)
        total = self._totals.setdefault(place.queue, [0] * len(FIELDS))
        total[FIELDS[_REFUSED[refusal.reason]]] += 1

    def load(self, rows: Iterable[HistoryRow]) -> None:
        """Take in the sums of earlier days; they are never counted anew from calls."""
        for row in rows:
            series = (row.level, self.name_of(row.queue), row.inside_hours)
            self._touch(row.level, series[1])
            slot = self._slots.setdefault(series, {}).setdefault(_minute(row.start), _Slot())
            slot.saved = row.waits
            numbers = [getattr(row.counts, name) for name in FIELDS]
            slot.counts = [a + b for a, b in zip(slot.counts, numbers, strict=True)]
            day = self._day(series, row.start)
            day.counts = [a + b for a, b in zip(day.counts, numbers, strict=True)]
            day.waits.load(row.waits)
            if row.level is Level.VISIT:
                total = self._totals.setdefault(series[1], [0] * len(FIELDS))
                self._totals[series[1]] = [a + b for a, b in zip(total, numbers, strict=True)]

    def take_changed(self) -> list[HistoryRow]:
        """The quarters of an hour that changed since this was last asked, as rows for the store."""
        quarters = {(series, minute // QUARTER * QUARTER) for series, minute in self._changed}
        self._changed.clear()
        return [self._row(series, quarter) for series, quarter in sorted(quarters)]

    def forget(self, before: datetime) -> None:
        """Melt minute slots before that moment into quarters: their raw waits go, their sums stay."""
        edge = _minute(before)
        for series, slots in self._slots.items():
            old = sorted({m // QUARTER * QUARTER for m, slot in slots.items() if m < edge and not slot.saved})
            for quarter in old:
                row = self._row(series, quarter)
                for minute in range(quarter, quarter + QUARTER):
                    slots.pop(minute, None)
                slots[quarter] = _Slot(counts=[getattr(row.counts, name) for name in FIELDS], saved=row.waits)

    # ---- what may be read

    def place_contact(self, contact: Contact, now: datetime) -> Judged | None:
        """Where a contact counts, on its first queue."""
        waited = contact.wait_ms
        if contact.outcome is Outcome.WAITING:
            since = contact.waiting_since
            waited = None if since is None or waited is None else waited + max(0, milliseconds(now - since))
        ended = contact.settled_at or now
        return self._judged(Level.CONTACT, contact.first_queue, contact.entered_at or contact.settled_at, ended, waited)

    def place_settled(self, contact: Contact) -> Judged | None:
        """Where a contact counts that waits no more."""
        return self.place_contact(contact, contact.settled_at or contact.entered_at or _NEVER)

    def place_refusal(self, refusal: Refusal) -> Judged:
        """Where a refused caller counts, at both levels alike."""
        inside = self._calendars.of(refusal.queue).is_open(refusal.at)
        return Judged(Place(Level.CONTACT, self.name_of(refusal.queue), inside, _minute(refusal.at)), False, None)

    def place_visit(self, visit: Visit, now: datetime) -> Judged | None:
        """Where a visit counts, on its own queue."""
        waited = visit.wait_ms
        if visit.outcome is Outcome.WAITING and visit.entered_at is not None:
            waited = max(0, milliseconds(now - visit.entered_at))
        ended = visit.ended_wait_at or now
        began = visit.entered_at or visit.ended_wait_at or visit.completed_at
        return self._judged(Level.VISIT, visit.queue, began, ended, waited)

    def ways_out(self, queue: str) -> WaysOut:
        return self._ways_out.get(queue.casefold(), self._usual_ways_out)

    def field_of(self, contact: Contact, judged: Judged) -> str:
        """The field of `Counts` that a contact placed so is counted in."""
        called_back = contact.called_back_ms
        if called_back is not None:
            called_back -= before_opening_ms(contact, judged)
        ways_out = self.ways_out(contact.first_queue)
        return judge(contact.outcome, judged.wait_ms, self.target, ways_out, called_back)

    def queues(self) -> list[str]:
        """Every queue that ever counted a call, as first written."""
        return sorted({series[1] for series in self._slots})

    def counts(self, level: Level, queues: Queues, start: datetime, end: datetime, inside: bool = True) -> Counts:
        """Settled calls that entered from `start` up to `end`; whole days by their sums, the rest minute by minute."""
        stretch = ("counts", _minute(start), _minute_up(end), inside)
        return self._remembered(level, queues, stretch, lambda: self._sum(level, queues, start, end, inside))

    def waits(self, level: Level, queues: Queues, start: datetime, end: datetime) -> WaitFigures:
        """Waits of the answered calls of a stretch: exact up to two hours, else by histogram, within 1 %."""
        stretch = ("waits", _minute(start), _minute_up(end))
        return self._remembered(level, queues, stretch, lambda: self._figures(level, queues, start, end))

    def _figures(self, level: Level, queues: Queues, start: datetime, end: datetime) -> WaitFigures:
        if end - start <= timedelta(hours=2):
            raw: list[int] = []
            for series in self._series(level, queues, True):
                for slot in self._slots_between(series, start, end):
                    raw.extend(slot.waits)
            return exact_figures(raw)
        merged = _Waits()
        for series in self._series(level, queues, True):
            zone = self._calendars.of(series[1]).zone
            for day in self._days.get(series, {}):
                first, last = day_bounds(day, zone)
                if first >= start and last <= end:
                    merged.merge(self._fresh(series, day))
                elif first < end and last > start:
                    for slot in self._slots_between(series, max(first, start), min(last, end)):
                        _recall(merged, slot)
        return merged.figures()

    def totals(self) -> dict[str, Counts]:
        """All visits ever counted, per queue, settled ones."""
        return {queue: Counts(*numbers) for queue, numbers in self._totals.items() if any(numbers)}

    def wait_buckets(self) -> dict[str, WaitBuckets]:
        return {queue: buckets.figures() for queue, buckets in self._buckets.items()}

    def talks(self) -> dict[str, TalkSums]:
        return {queue: TalkSums(calls=calls, seconds=ms / 1000) for queue, (calls, ms) in self._talks.items()}

    # ---- inside

    def _remembered(
        self, level: Level, queues: Queues, key: tuple[object, ...], compute: Callable[[], Figure]
    ) -> Figure:
        """A figure worked out before, while nothing it is made of has changed."""
        names = (None,) if queues is None else tuple(self.name_of(queue) for queue in queues)
        version = sum(self._versions.get((level, name), 0) for name in names)
        key = (level, names, *key)
        known = self._cache.get(key)
        if known is not None and known[0] == version:
            return cast(Figure, known[1])
        if len(self._cache) > CACHE_SIZE:
            self._cache.clear()
        figure = compute()
        self._cache[key] = (version, figure)
        return figure

    def _touch(self, level: Level, queue: str) -> None:
        for name in (queue, None):
            self._versions[level, name] = self._versions.get((level, name), 0) + 1

    def _sum(self, level: Level, queues: Queues, start: datetime, end: datetime, inside: bool) -> Counts:
        total = [0] * len(FIELDS)
        for series in self._series(level, queues, inside):
            for counts in self._stretches(series, start, end):
                total = [a + b for a, b in zip(total, counts, strict=True)]
        return Counts(*total)

    def _judged(
        self, level: Level, queue: str, began: datetime | None, ended: datetime, waited_ms: int | None
    ) -> Judged | None:
        """Place a call by opening hours: one that enters before opening and still waits then counts from opening."""
        if began is None:
            return None
        calendar = self._calendars.of(queue)
        name = self.name_of(queue)
        if calendar.is_open(began):
            return Judged(Place(level, name, True, _minute(began)), False, waited_ms)
        opening = calendar.next_opening(began)
        if opening is None or ended <= opening:
            return Judged(Place(level, name, False, _minute(began)), False, waited_ms)
        before_ms = milliseconds(opening - began)
        from_opening = None if waited_ms is None else max(0, waited_ms - before_ms)
        return Judged(Place(level, name, True, _minute(opening)), True, from_opening)

    def _of_story(self, story: Story) -> list[Contribution]:
        """What a contact and its visits add. Who waits still is not in the slots: that depends on the time now."""
        found = []
        if story.contact.outcome is not Outcome.WAITING:
            contact = story.contact
            judged = self.place_settled(contact)
            if judged is not None:
                name = self.field_of(contact, judged)
                found.append(_contribution(judged, name, contact.outcome, contact.start_known))
        for visit in story.visits:
            if visit.outcome is not Outcome.WAITING:
                judged = self.place_visit(visit, visit.ended_wait_at or visit.entered_at or _NEVER)
                if judged is not None:
                    name = judge(visit.outcome, judged.wait_ms, self.target, self.ways_out(judged.place.queue))
                    added = _contribution(judged, name, visit.outcome, visit.start_known)
                    found.append(added._replace(brought_by=_BROUGHT_BY.get(visit.entry_reason, "")))
        return found

    def _count(self, contribution: Contribution, sign: int) -> None:
        place = contribution.place
        series = (place.level, place.queue, place.inside)
        at = datetime.fromtimestamp(place.minute * 60, UTC)
        if self._is_closed(at):
            return
        slot = self._slots.setdefault(series, {}).setdefault(place.minute, _Slot())
        day = self._day(series, at)
        for counts in (slot.counts, day.counts):
            counts[FIELDS[contribution.name]] += sign
            if contribution.early:
                counts[FIELDS["early"]] += sign
            if contribution.brought_by:
                counts[FIELDS[contribution.brought_by]] += sign
        if contribution.wait_ms is not None:
            if sign > 0:
                slot.waits.append(contribution.wait_ms)
                if not day.stale:
                    day.waits.record(contribution.wait_ms)
            else:
                slot.waits.remove(contribution.wait_ms)
                day.stale = True
        self._changed.add((series, place.minute))
        self._touch(place.level, place.queue)

    def _is_closed(self, at: datetime | None) -> bool:
        """Whether a moment belongs to the days that are counted by their saved sums."""
        return at is not None and self.closed_before is not None and at < self.closed_before

    def _count_totals(self, change: Change) -> None:
        for story, sign in ((change.before, -1), (change.after, +1)):
            for visit in story.visits if story else ():
                if visit.outcome is Outcome.WAITING or self._is_closed(visit.entered_at or visit.ended_wait_at):
                    continue
                name = self.name_of(visit.queue)
                numbers = self._totals.setdefault(name, [0] * len(FIELDS))
                numbers[FIELDS[judge(visit.outcome, visit.wait_ms, self.target)]] += sign
                if visit.entry_reason in _BROUGHT_BY:
                    numbers[FIELDS[_BROUGHT_BY[visit.entry_reason]]] += sign
                if visit.wait_ms is not None and visit.start_known:
                    self._buckets.setdefault(name, _Buckets()).count(visit.outcome, visit.wait_ms, sign)

    def _count_talks(self, change: Change) -> None:
        for story, sign in ((change.before, -1), (change.after, +1)):
            for visit in story.visits if story else ():
                if visit.talk_ms is not None and not self._is_closed(visit.entered_at or visit.ended_wait_at):
                    sums = self._talks.setdefault(self.name_of(visit.queue), [0, 0])
                    sums[0] += sign
                    sums[1] += sign * visit.talk_ms

    def _series(self, level: Level, queues: Queues, inside: bool) -> list[Series]:
        if queues is None:
            return [series for series in self._slots if series[0] is level and series[2] is inside]
        wanted = dict.fromkeys((level, self.name_of(queue), inside) for queue in queues)
        return [series for series in wanted if series in self._slots]

    def _stretches(self, series: Series, start: datetime, end: datetime) -> Iterator[list[int]]:
        """Counts that make up a stretch: whole local days by their sums, what is left by the minute."""
        zone = self._calendars.of(series[1]).zone
        slots = self._slots.get(series, {})
        if end - start < timedelta(hours=23):
            yield from (slots[m].counts for m in range(_minute(start), _minute_up(end)) if m in slots)
            return
        for day, sums in self._days.get(series, {}).items():
            first, last = day_bounds(day, zone)
            if first >= start and last <= end:
                yield sums.counts
            elif first < end and last > start:
                low, high = _minute(max(first, start)), _minute_up(min(last, end))
                yield from (slots[m].counts for m in range(low, high) if m in slots)

    def _slots_between(self, series: Series, start: datetime, end: datetime) -> Iterator[_Slot]:
        slots = self._slots.get(series, {})
        for minute in range(_minute(start), _minute_up(end)):
            if minute in slots:
                yield slots[minute]

    def _day(self, series: Series, at: datetime) -> _Day:
        day = self._calendars.of(series[1]).day_of(at)
        return self._days.setdefault(series, {}).setdefault(day, _Day())

    def _fresh(self, series: Series, day: date) -> _Waits:
        """A day's waits, added up anew when one was taken out."""
        sums = self._days[series][day]
        if sums.stale:
            sums.waits = _Waits()
            for slot in self._slots_between(series, *day_bounds(day, self._calendars.of(series[1]).zone)):
                _recall(sums.waits, slot)
            sums.stale = False
        return sums.waits

    def _row(self, series: Series, quarter: int) -> HistoryRow:
        numbers = [0] * len(FIELDS)
        waits = _Waits()
        start = datetime.fromtimestamp(quarter * 60, UTC)
        for slot in self._slots_between(series, start, start + timedelta(minutes=QUARTER)):
            numbers = [a + b for a, b in zip(numbers, slot.counts, strict=True)]
            _recall(waits, slot)
        return HistoryRow(
            level=series[0],
            queue=series[1],
            inside_hours=series[2],
            start=start,
            counts=Counts(*numbers),
            waits=waits.saved(),
        )

    def name_of(self, queue: str) -> str:
        """A queue as it was first written: switches differ in the case of their names."""
        return self._names.setdefault(queue.casefold(), queue)


class Calendars:
    """Opening hours by queue, with one for all that have none of their own."""

    def __init__(self, default: Calendar, by_queue: dict[str, Calendar] | None = None) -> None:
        self.default = default
        self._by_queue = {name.casefold(): calendar for name, calendar in (by_queue or {}).items()}

    def of(self, queue: str) -> Calendar:
        return self._by_queue.get(queue.casefold(), self.default)


class _Buckets:
    """Cumulative counts of waits for Prometheus, exact."""

    def __init__(self) -> None:
        self._counts = {Outcome.ANSWERED: [0] * (len(EDGES) + 1), Outcome.ABANDONED: [0] * (len(EDGES) + 1)}
        self._sums = {Outcome.ANSWERED: 0, Outcome.ABANDONED: 0}

    def count(self, outcome: Outcome, wait_ms: int, sign: int) -> None:
        if outcome not in self._counts:
            return
        self._counts[outcome][bisect_left(EDGES, wait_ms / 1000)] += sign
        self._sums[outcome] += sign * wait_ms

    def figures(self) -> WaitBuckets:
        return WaitBuckets(
            edges=EDGES,
            answered=_cumulative(self._counts[Outcome.ANSWERED]),
            answered_sum_seconds=self._sums[Outcome.ANSWERED] / 1000,
            abandoned=_cumulative(self._counts[Outcome.ABANDONED]),
            abandoned_sum_seconds=self._sums[Outcome.ABANDONED] / 1000,
        )


_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def exact_figures(waits_ms: list[int]) -> WaitFigures:
    """Percentiles by nearest rank from the waits themselves."""
    if not waits_ms:
        return WaitFigures()
    ordered = sorted(waits_ms)

    def rank(percent: int) -> float:
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] / 1000

    return WaitFigures(
        answered=len(ordered),
        mean_seconds=sum(ordered) / len(ordered) / 1000,
        p50_seconds=rank(50),
        p90_seconds=rank(90),
        p99_seconds=rank(99),
        max_seconds=ordered[-1] / 1000,
        over_10_min_ratio=sum(wait > TEN_MINUTES_MS for wait in ordered) / len(ordered),
    )


def before_opening_ms(contact: Contact, judged: Judged) -> int:
    """How much of a contact's wait lies before opening and is not judged."""
    if not judged.early or contact.wait_ms is None or judged.wait_ms is None:
        return 0
    return contact.wait_ms - judged.wait_ms


def _contribution(judged: Judged, name: str, outcome: Outcome, start_known: bool) -> Contribution:
    wait = judged.wait_ms if outcome is Outcome.ANSWERED and start_known else None
    return Contribution(judged.place, name, judged.early, wait)


def _recall(waits: _Waits, slot: _Slot) -> None:
    for wait in slot.waits:
        waits.record(wait)
    if slot.saved is not None:
        waits.load(slot.saved)


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _minute_up(at: datetime) -> int:
    """The minute after the last one touched by a stretch that ends here."""
    return -(-int(at.timestamp() * 1000) // 60_000)


def _cumulative(numbers: list[int]) -> tuple[int, ...]:
    total, found = 0, []
    for number in numbers:
        total += number
        found.append(total)
    return tuple(found)
