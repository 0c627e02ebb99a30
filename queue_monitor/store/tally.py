"""The sum of some calls: counts by field, and answered waits with their histogram.

It is kept sparse so that thousands of sums fit into memory.
"""

from struct import Struct as Layout
from typing import Final, NamedTuple, TypeVar

from queue_monitor.model import Counts, Level, WaitSums
from queue_monitor.waits import TEN_MINUTES_MS, bin_of

MINUTE_US: Final = 60_000_000

_FIELDS: Final = Counts.__struct_fields__
"""The fields of `Counts` by the number that stands for them in the database."""

_NUMBERS: Final = {field: number for number, field in enumerate(_FIELDS)}
_COUNT: Final = Layout("<Bi")
_BIN: Final = Layout("<Hi")
_Key = TypeVar("_Key", str, int)


class Share(NamedTuple):
    """The contribution of one row to the sums: its place, its field, and its wait when that goes into the histogram."""

    level: str
    queue: int
    inside: bool
    minute: int
    field: str
    early: bool
    brought_by: str
    wait_ms: int | None


class Sum:
    """Counts and waits that shares can be put into and taken out of.

    `is_stale`: the longest wait was taken out, and `max_ms` must be set anew.
    """

    __slots__ = ("answered", "bins", "counts", "is_stale", "max_ms", "over_10_min", "sum_ms")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.answered = 0
        self.sum_ms = 0
        self.max_ms = 0
        self.over_10_min = 0
        self.bins: dict[int, int] = {}
        self.is_stale = False

    @property
    def is_empty(self) -> bool:
        return not (self.counts or self.answered or self.sum_ms or self.bins)

    def count(self, share: Share, sign: int) -> None:
        """Put a share in (`sign` 1) or take it out (-1)."""
        _add(self.counts, share.field, sign)
        if share.early:
            _add(self.counts, "early", sign)
        if share.brought_by:
            _add(self.counts, share.brought_by, sign)
        if (wait := share.wait_ms) is not None:
            self.answered += sign
            self.sum_ms += sign * wait
            self.over_10_min += sign * (wait > TEN_MINUTES_MS)
            _add(self.bins, bin_of(wait), sign)
            if sign > 0:
                self.max_ms = max(self.max_ms, wait)
            elif wait >= self.max_ms:
                self.is_stale = True

    def add(self, other: "Sum", sign: int = 1) -> None:
        """Put another sum in, or take it out (-1)."""
        for field, number in other.counts.items():
            _add(self.counts, field, sign * number)
        for bin_, number in other.bins.items():
            _add(self.bins, bin_, sign * number)
        self.answered += sign * other.answered
        self.sum_ms += sign * other.sum_ms
        self.over_10_min += sign * other.over_10_min
        if sign > 0:
            self.max_ms = max(self.max_ms, other.max_ms)
        else:
            self.is_stale = self.is_stale or other.max_ms >= self.max_ms

    def mend(self, longest_ms: int) -> None:
        """Set the longest wait from the rows.

        Waits whose rows are not kept stand in the histogram only: then the longest stays as it was.
        """
        if not self.answered:
            self.max_ms = 0
        elif bin_of(longest_ms) >= max(self.bins, default=0):
            self.max_ms = longest_ms
        self.is_stale = False

    def figures(self) -> dict[str, object]:
        """Return the columns of its row that are not its key."""
        return {
            "counts": written_counts(self.counts),
            "answered": self.answered,
            "sum_ms": self.sum_ms,
            "max_ms": self.max_ms,
            "over_10_min": self.over_10_min,
            "histogram": b"".join([_BIN.pack(*each) for each in sorted(self.bins.items())]),
        }


def summed(counts: bytes, answered: int, sum_ms: int, max_ms: int, over_10_min: int, histogram: bytes) -> Sum:
    """Return the sum that a row has."""
    found = Sum()
    found.counts = read_counts(counts)
    found.answered, found.sum_ms, found.max_ms, found.over_10_min = answered, sum_ms, max_ms, over_10_min
    found.bins = read_bins(histogram)
    return found


def read_bins(histogram: bytes) -> dict[int, int]:
    """Return how many waits each bin holds, as `waits.WaitTally.sums` has written it."""
    return dict(_BIN.iter_unpack(histogram))


def wait_sums(answered: int, sum_ms: int, max_ms: int, over_10_min: int, histogram: bytes) -> WaitSums:
    return WaitSums(answered=answered, sum_ms=sum_ms, max_ms=max_ms, over_10_min=over_10_min, histogram=histogram)


def written_counts(counts: dict[str, int]) -> bytes:
    """Return the counts as bytes: five for each field that is not 0."""
    return b"".join([_COUNT.pack(number, counts[field]) for number, field in enumerate(_FIELDS) if field in counts])


def read_counts(written: bytes) -> dict[str, int]:
    """Return the counts that `written_counts` wrote. Fields of a newer version are passed over."""
    return {_FIELDS[number]: count for number, count in _COUNT.iter_unpack(written) if number < len(_FIELDS)}


class CountsAdder:
    """The sum of written counts, many of them quickly. `longest_ms` is the longest wait among those added."""

    __slots__ = ("_numbers", "longest_ms")

    def __init__(self) -> None:
        self._numbers = [0] * len(_FIELDS)
        self.longest_ms = 0

    def add(self, written: bytes, longest_ms: int) -> None:
        """Add the counts of one sum, and its longest wait."""
        for number, count in _COUNT.iter_unpack(written):
            if number < len(_FIELDS):
                self._numbers[number] += count
        self.longest_ms = max(self.longest_ms, longest_ms)

    def counts(self) -> Counts:
        """Return the counts so far."""
        return Counts(**dict(zip(_FIELDS, self._numbers, strict=True)))


def counts_of(written: bytes) -> Counts:
    return Counts(**read_counts(written))


def share(
    level: Level, queue: int, inside: bool, at_us: int, field: str, early: bool, brought_by: str,
    judged_ms: int | None, recorded: bool,
) -> Share | None:  # fmt: skip
    """Return the share of a row with these columns; None where it counts nowhere."""
    if not field:
        return None
    wait = judged_ms if recorded else None
    return Share(level.value, queue, inside, at_us // MINUTE_US, field, early, brought_by, wait)


def _add(numbers: dict[_Key, int], key: _Key, number: int) -> None:
    """Add a number; one that has become 0 is left out."""
    if total := numbers.get(key, 0) + number:
        numbers[key] = total
    else:
        numbers.pop(key, None)
