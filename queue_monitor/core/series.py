"""The settled calls of one queue at one level, by minute of entry and by local day; and sums of earlier days.

The sums are of the days before those that memory holds by the minute. Sums stay exact when a call is taken out again. A
day's waits are one tally that calls are put into and taken out of.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import add
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import Counts, Level, SumRow, WaitSums
from queue_monitor.queues import queue_key
from queue_monitor.waits import WaitTally

FIELDS: Final[dict[str, int]] = {name: at for at, name in enumerate(Counts.__struct_fields__)}
QUARTER: Final = 15
SHORTEST_DAY: Final = 23 * 60
MAX_REMEMBERED: Final = 64
NOTHING: Final = (0,) * len(FIELDS)

Numbers = list[int]
"""The fields of `Counts` in their order."""


def minute_of(at: datetime) -> int:
    """Return the minute that a moment lies in, in whole minutes since 1970 UTC."""
    return int(at.timestamp()) // 60


def minute_after(at: datetime) -> int:
    """Return the minute after the last one touched by a stretch that ends here."""
    return -(-int(at.timestamp() * 1000) // 60_000)


def added(parts: Iterable[Iterable[int]]) -> Numbers:
    """Return several lists of numbers added up, field by field."""
    return list(map(sum, zip(*parts, strict=True))) or list(NOTHING)


class LocalDays:
    """The local days of a time zone, each known by its first minute. `ends` has the minute after each one asked for."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.ends: dict[int, int] = {}
        self._last = (0, 0)

    def start_of(self, minute: int) -> int:
        """Return the first minute of the local day that a minute lies in."""
        low, high = self._last
        if not low <= minute < high:
            low = self.first_minute(datetime.fromtimestamp(minute * 60, UTC).astimezone(self.zone).date())
            self._last = (low, self.ends[low])
        return low

    def first_minute(self, day: date) -> int:
        """Return the first minute of a local day."""
        start, end = day_bounds(day, self.zone)
        low = minute_of(start)
        self.ends[low] = minute_of(end)
        return low


class Slot(Struct, gc=False):
    """One minute, or a quarter of an hour of which only sums are kept.

    `counts`: by the place of a field in `Counts`; most minutes have few.
    `melted`: the waits of a quarter of which only sums are kept.
    There are some hundred thousand slots, so they hold nothing that a garbage collection would have to look at.
    """

    counts: dict[int, int] = {}
    waits: tuple[int, ...] = ()
    melted: WaitSums | None = None


@dataclass(slots=True)
class Day:
    """The sums of one local day. `longest_gone`: the longest wait was taken out, and the longest left is not known."""

    counts: Numbers = field(default_factory=lambda: list(NOTHING))
    waits: WaitTally = field(default_factory=WaitTally)
    longest_gone: bool = False


class Series:
    """The calls of one queue at one level, inside opening hours or outside. `version` differs after every change."""

    __slots__ = ("_days", "_melted_before", "_newest", "_newest_waits", "_sums", "days", "slots", "version")

    def __init__(self, local_days: LocalDays) -> None:
        self.slots: dict[int, Slot] = {}
        self.days: dict[int, Day] = {}
        self.version = 0
        self._days = local_days
        self._sums: dict[tuple[int, int], tuple[int, Numbers]] = {}
        self._newest: tuple[int, int, int, Numbers] = (-1, 0, 0, [])
        self._newest_waits: tuple[int, int, int, list[int]] = (-1, 0, 0, [])
        self._melted_before = 0

    def _of(self, minute: int) -> tuple[Slot, Day]:
        """Return the slot and the day that a minute is counted in."""
        if minute < self._melted_before:
            minute -= minute % QUARTER
        slot = self.slots.get(minute)
        if slot is None:
            slot = self.slots[minute] = Slot()
        start = self._days.start_of(minute)
        day = self.days.get(start)
        if day is None:
            day = self.days[start] = Day()
        return slot, day

    def add(self, minute: int, fields: Iterable[int], number: int, waits_ms: Iterable[int]) -> None:
        """Put in `number` calls that count in the same fields of `Counts`, and the waits of some of them."""
        slot, day = self._of(minute)
        for at in fields:
            slot.counts[at] = slot.counts.get(at, 0) + number
            day.counts[at] += number
        for wait_ms in waits_ms:
            self._put_wait(slot, day, wait_ms, +1)
        self.version += 1

    def put(self, minute: int, fields: Iterable[int], wait_ms: int | None, sign: int) -> None:
        """Put a call in (`sign` +1) or take it out (-1), with the fields of `Counts` that it
        counts in, and its wait.
        """
        slot, day = self._of(minute)
        for at in fields:
            slot.counts[at] = slot.counts.get(at, 0) + sign
            day.counts[at] += sign
        if wait_ms is not None:
            self._put_wait(slot, day, wait_ms, sign)
        self.version += 1

    def _put_wait(self, slot: Slot, day: Day, wait_ms: int, sign: int) -> None:
        if sign > 0:
            day.waits.record(wait_ms)
        else:
            day.waits.remove(wait_ms)
            day.longest_gone |= wait_ms >= day.waits.max_ms
        if slot.melted is not None:
            tally = WaitTally()
            tally.load(slot.melted)
            put_wait(tally, wait_ms, sign)
            slot.melted = tally.sums()
        elif sign > 0:
            slot.waits += (wait_ms,)
        else:
            at = slot.waits.index(wait_ms)
            slot.waits = slot.waits[:at] + slot.waits[at + 1 :]

    def sum(self, low: int, high: int) -> Numbers:
        """Return the counts of the minutes from `low` up to `high`: whole local days by their sums, the rest by the
        minute.
        """
        known = self._sums.get((low, high))
        if known is not None and known[0] == self.version:
            return known[1]
        if len(self._sums) > MAX_REMEMBERED:
            self._sums.clear()
        total = list(NOTHING)
        if high - low < SHORTEST_DAY:
            version, part_low, part_high, part = self._newest
            if version == self.version and part_high == high and low <= part_low:
                total, high_left = list(part), part_low
            else:
                high_left = high
            self._add_slots(total, low, high_left)
            self._newest = (self.version, low, high, total)
        else:
            for start, day in self.days.items():
                end = self._days.ends[start]
                if low <= start and end <= high:
                    total = list(map(add, total, day.counts))
                elif start < high and end > low:
                    self._add_slots(total, max(low, start), min(high, end))
        self._sums[low, high] = self.version, total
        return total

    def _add_slots(self, total: Numbers, low: int, high: int) -> None:
        for slot in self.between(low, high):
            for at, number in slot.counts.items():
                total[at] += number

    def waits_between(self, low: int, high: int) -> list[int] | None:
        """Return the waits of a stretch one by one; None where some have melted.

        A longer stretch that ends at the same minute goes on from the newest one asked for.
        """
        version, part_low, part_high, part = self._newest_waits
        is_longer = version == self.version and part_high == high and low <= part_low
        found = list(part) if is_longer else []
        for slot in self.between(low, part_low if is_longer else high):
            if slot.melted is not None:
                return None
            found += slot.waits
        self._newest_waits = (self.version, low, high, found)
        return found

    def recent(self, lows: Iterable[int], high: int) -> tuple[list[Numbers], list[list[int] | None]]:
        """Return the counts, and the waits one by one, of stretches that all end at `high`, the shortest first.

        The waits are sorted; None for a stretch in which some have melted. Each minute is read once.
        """
        numbers, waits = list[Numbers](), list[list[int] | None]()
        total, found = list(NOTHING), list[int]()
        is_whole = True
        for low in lows:
            slots = list(self.between(low, high))
            if slots:
                total, found = list(total), list(found)
            for slot in slots:
                for at, number in slot.counts.items():
                    total[at] += number
                is_whole &= slot.melted is None
                found += slot.waits
            found.sort()
            numbers.append(total)
            waits.append(found if is_whole else None)
            high = low
        return numbers, waits

    def between(self, low: int, high: int) -> Iterator[Slot]:
        """Return the slots of a stretch, in their order."""
        return filter(None, map(self.slots.get, range(low, high)))

    def tallies(self, low: int, high: int) -> list[WaitTally]:
        """Return the waits of a stretch: one tally for each whole local day, and one for the rest."""
        found, rest = [], None
        for start, day in self.days.items():
            end = self._days.ends[start]
            if low <= start and end <= high:
                found.append(self.waits_of(start, day))
            elif start < high and end > low:
                rest = rest or WaitTally()
                for slot in self.between(max(low, start), min(high, end)):
                    add_slot(rest, slot)
        return found if rest is None else [*found, rest]

    def waits_of(self, start: int, day: Day) -> WaitTally:
        """Return the waits of a day that begins at that minute."""
        if day.longest_gone:
            slots = list(self.between(start, self._days.ends[start]))
            longest = [max(slot.waits, default=0) for slot in slots]
            longest += [slot.melted.max_ms for slot in slots if slot.melted is not None]
            day.waits.max_ms = max(longest, default=0)
            day.longest_gone = False
        return day.waits

    def clear(self) -> None:
        """Forget every call."""
        self.slots.clear()
        self.days.clear()
        self.version += 1

    def melt(self, before: int) -> None:
        """Make quarters of the minutes before that one: their raw waits go, their sums stay."""
        before = -(-before // QUARTER) * QUARTER
        for quarter in sorted({m - m % QUARTER for m, slot in self.slots.items() if m < before and not slot.melted}):
            tally = WaitTally()
            slots = list(self.between(quarter, quarter + QUARTER))
            for slot in slots:
                add_slot(tally, slot)
            for minute in range(quarter, quarter + QUARTER):
                self.slots.pop(minute, None)
            counts: Counter[int] = Counter()
            for slot in slots:
                counts.update(slot.counts)
            self.slots[quarter] = Slot(dict(counts), melted=tally.sums())
        self._melted_before = max(self._melted_before, before)
        self.version += 1

    def drop(self, before: int) -> None:
        """Remove every day that begins before that minute."""
        self.slots = {minute: slot for minute, slot in self.slots.items() if minute >= before}
        self.days = {start: day for start, day in self.days.items() if start >= before}
        self.version += 1


class Base:
    """The sums of the days from the first one of a month, or tertial, up to the day from which memory goes on.

    They are at contact level, inside opening hours (True) and outside, by queue (casefolded).
    """

    def __init__(self, start: date) -> None:
        self.start = start
        self.counts: dict[bool, dict[str, Numbers]] = {True: {}, False: {}}
        self.waits: dict[bool, dict[str, WaitTally]] = {True: {}, False: {}}
        self.names: dict[str, str] = {}

    @classmethod
    def of(cls, start: date, rows: Iterable[SumRow]) -> "Base":
        """Add up the store's sums, by day or by quarter, of a stretch that begins on `start`; those of visits are left
        out.
        """
        base = cls(start)
        for row in rows:
            if row.level is Level.CONTACT:
                counts, waits = base._of(row.queue, row.inside)
                for at, number in enumerate(structs.astuple(row.counts)):
                    counts[at] += number
                waits.load(row.waits)
        return base

    def put(self, queue: str, inside: bool, fields: Iterable[int], wait_ms: int | None, sign: int) -> None:
        """Put a call of these days in, or take it out. After the longest wait is taken out, the next is known within 1
        %.
        """
        counts, waits = self._of(queue, inside)
        for at in fields:
            counts[at] += sign
        if wait_ms is not None:
            put_wait(waits, wait_ms, sign)

    def add(self, queue: str, inside: bool, counts: Numbers, waits: WaitTally) -> None:
        """Add the sums of a whole day."""
        mine, tally = self._of(queue, inside)
        mine[:] = added((mine, counts))
        tally.merge(waits)

    def _of(self, queue: str, inside: bool) -> tuple[Numbers, WaitTally]:
        key = queue_key(queue)
        if key not in self.counts[inside]:
            self.names.setdefault(key, queue)
            self.counts[inside][key], self.waits[inside][key] = list(NOTHING), WaitTally()
        return self.counts[inside][key], self.waits[inside][key]


def add_slot(tally: WaitTally, slot: Slot) -> None:
    """Add the waits that a slot of the day holds to a tally."""
    for wait in slot.waits:
        tally.record(wait)
    if slot.melted is not None:
        tally.load(slot.melted)


def put_wait(tally: WaitTally, wait_ms: int, sign: int) -> None:
    """Put a wait into a tally whose single waits are not kept, or take it out."""
    if sign > 0:
        tally.record(wait_ms)
        return
    tally.remove(wait_ms)
    if wait_ms >= tally.max_ms:
        tally.find_longest()
