"""The settled calls of the stretches that every face shows.

Each queue is read once, and pools and all queues together are added up from these readings.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import add
from typing import Final, NamedTuple

from msgspec import Struct

from queue_monitor.core.series import NOTHING, Base, Numbers, Series, added
from queue_monitor.core.windows import EXACT_MINUTES, Keys, NotHeld, Windows, exact_figures
from queue_monitor.model import Level, WaitFigures
from queue_monitor.waits import SummedWaits, WaitTally, summed

NO_CALLS: Final[Numbers] = list(NOTHING)
NO_WAITS: Final = WaitFigures()


class Stretch(NamedTuple):
    """A period that every face has, and its minutes."""

    name: str
    start: datetime
    end: datetime
    low: int
    high: int


class Settled(Struct, frozen=True, gc=False):
    """The settled calls of one stretch: within opening hours and outside, and the waits of those within."""

    inside: Numbers
    outside: Numbers
    waits: WaitFigures


Waits = list[int] | SummedWaits | None
"""The waits of a stretch one by one, or summed; None where some have melted."""


class Part(NamedTuple):
    """The figures of one queue, inside opening hours or outside, for several stretches in their order."""

    numbers: Sequence[Numbers]
    waits: Sequence[Waits]


class _Read:
    """The figures read from one series, with their version and stretches."""

    __slots__ = ("long", "long_of", "recent", "recent_of", "version")

    def __init__(self) -> None:
        self.version = -1
        self.recent_of: object = None
        self.recent = Part((), ())
        self.long_of: object = None
        self.long = Part((), ())


Reads = dict[tuple[Level, bool, str], _Read]
"""The figures read, kept from one snapshot to the next."""


class Standing:
    """The settled calls of some stretches at one level, at one moment.

    `recent` stretches end at the same minute and are short enough for exact waits; the others are `long`.
    `reads`: the figures that an earlier one has read.
    `strict`: raise `NotHeld` for a stretch that memory holds only in sums. Otherwise it is empty: the clock was set
        back, until the pipeline has read that day again.
    """

    def __init__(
        self,
        windows: Windows,
        level: Level,
        stretches: Sequence[Stretch],
        reads: Reads,
        *,
        with_waits: bool = True,
        strict: bool = False,
    ) -> None:
        self._windows = windows
        self._level = level
        self._stretches = stretches
        self._reads = reads
        self._with_waits = with_waits
        self._parts: dict[tuple[bool, str], tuple[Part, Part]] = {}
        self._where: list[tuple[bool, int] | None] = []  # whether it is long, and its place among those
        self._recent: list[int] = []
        self._recent_high = 0
        self._long: list[tuple[int, int, Base | None]] = []
        for stretch in stretches:
            self._sort_in(stretch, strict)
        self._long_of = tuple((low, high, id(base)) for low, high, base in self._long)
        self._recent_of = (self._recent_high, *self._recent)

    def _sort_in(self, stretch: Stretch, strict: bool) -> None:
        low, high = stretch.low, stretch.high
        try:
            base = self._windows.base_for(self._level, low, high)
        except NotHeld:
            if strict:
                raise
            self._where.append(None)
            return
        follows = not self._recent or (high == self._recent_high and low <= self._recent[-1])
        if base is None and high - low <= EXACT_MINUTES and follows:
            self._where.append((False, len(self._recent)))
            self._recent.append(low)
            self._recent_high = high
        else:
            self._where.append((True, len(self._long)))
            self._long.append((low, high, base))

    def of(self, keys: Keys) -> Iterator[Settled]:
        """Yield the settled calls of some queues, or of all, for each stretch in their order."""
        if keys is not None and len(keys) == 1:
            yield from self._of_one(keys)
            return
        wanted = self._windows.keys_of_level(self._level) if keys is None else keys
        inside, outside = ([self._part(is_inside, key) for key in wanted] for is_inside in (True, False))
        known: tuple[list[Waits], WaitFigures] = ([], NO_WAITS)
        for where, stretch in zip(self._where, self._stretches, strict=True):
            if where is None:
                yield Settled(NO_CALLS, NO_CALLS, NO_WAITS)
                continue
            is_long, at = where
            waits = [part.waits[at] for its in inside if (part := its[is_long]).waits] if self._with_waits else []
            if waits != known[0]:
                known = waits, self._figures(keys, stretch, waits)
            yield Settled(_together(inside, is_long, at), _together(outside, is_long, at), known[1])

    def _of_one(self, keys: tuple[str, ...]) -> Iterator[Settled]:
        """Yield the settled calls of one queue, straight from its figures."""
        inside, outside = self._part(True, keys[0]), self._part(False, keys[0])
        known: Waits = None
        figures = NO_WAITS
        for where, stretch in zip(self._where, self._stretches, strict=True):
            if where is None:
                yield Settled(NO_CALLS, NO_CALLS, NO_WAITS)
                continue
            is_long, at = where
            its, beside = inside[is_long], outside[is_long]
            if self._with_waits and its.waits:
                waits = its.waits[at]
                if waits != known or waits is None:
                    known, figures = waits, self._figures(keys, stretch, [waits])
            else:
                known, figures = None, NO_WAITS
            yield Settled(
                its.numbers[at] if its.numbers else NO_CALLS,
                beside.numbers[at] if beside.numbers else NO_CALLS,
                figures,
            )

    def _part(self, inside: bool, key: str) -> tuple[Part, Part]:
        """Return the figures of one queue for the recent stretches and for the long ones, read once."""
        found = self._parts.get((inside, key))
        if found is None:
            found = self._parts[inside, key] = self._read(inside, key)
        return found

    def _figures(self, keys: Keys, stretch: Stretch, waits: list[Waits]) -> WaitFigures:
        exact = [its for its in waits if isinstance(its, list)]
        if len(exact) == len(waits):
            return exact_figures(exact[0] if len(exact) == 1 else list(chain.from_iterable(exact)))
        sums = [its for its in waits if isinstance(its, SummedWaits)]
        if len(sums) < len(waits):  # some have melted
            return self._windows.figures(self._level, keys, stretch.low, stretch.high)
        return (sums[0] if len(sums) == 1 else summed(sums)).figures()

    def _read(self, inside: bool, key: str) -> tuple[Part, Part]:
        """Return the figures of one queue for both kinds of stretches; earlier readings are used where nothing has
        changed.
        """
        series = self._windows.series(self._level, inside, key)
        read = self._reads.get((self._level, inside, key))
        if read is None:
            read = self._reads[self._level, inside, key] = _Read()
        version = 0 if series is None else series.version
        if read.version != version:
            read.version, read.recent_of, read.long_of = version, None, None
        if read.recent_of != self._recent_of:
            read.recent = Part((), ()) if series is None or not self._recent else self._recent_part(series)
            read.recent_of = self._recent_of
        if read.long_of != self._long_of:
            read.long = self._long_part(series, inside, key)
            read.long_of = self._long_of
        return read.recent, read.long

    def _recent_part(self, series: Series) -> Part:
        numbers, waits = series.recent(self._recent, self._recent_high)
        return Part(numbers, waits)

    def _long_part(self, series: Series | None, inside: bool, key: str) -> Part:
        numbers, waits = list[Numbers](), list[Waits]()
        known: tuple[list[WaitTally], SummedWaits | None] = [], None
        for low, high, base in self._long:
            parts = [] if series is None else [series.sum(low, high)]
            its_base = None if base is None else base.counts[inside].get(key)
            if its_base is not None:
                parts.append(its_base)
            numbers.append(_added(parts))
            if not inside or not self._with_waits:
                continue
            tallies = [] if series is None else series.tallies(low, high)
            if base is not None and (before := base.waits[inside].get(key)) is not None:
                tallies.append(before)
            if known[1] is None or tallies != known[0]:
                known = tallies, summed(tallies)
            waits.append(known[1])
        return Part(numbers, waits)


def _together(parts: list[tuple[Part, Part]], is_long: bool, at: int) -> Numbers:
    """Return the numbers of several queues in one stretch, added up."""
    numbers = [part.numbers[at] for its in parts if (part := its[is_long]).numbers]
    return _added([its for its in numbers if its is not NO_CALLS])


def _added(parts: list[Numbers]) -> Numbers:
    if len(parts) == 2:
        return list(map(add, *parts))
    return parts[0] if len(parts) == 1 else added(parts) if parts else NO_CALLS
