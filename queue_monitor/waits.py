"""Sums of answered waits: exact number, sum and longest, and the bins of an HdrHistogram for percentiles.

The bins are those of an HdrHistogram from 1 ms to one day with two significant digits, so a percentile lies within 1 %
of the exact one. Only the bins that hold something are saved: six bytes each.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from queue_monitor.model import Counts, Coverage, WaitFigures, WaitSums

MAX_MS: Final = 86_400_000
"""The upper limit of the bins, one day. A longer wait goes into the last bin; its exact length is kept beside it."""

TEN_MINUTES_MS: Final = 600_000
_LAYOUT: Final = HdrHistogram(1, MAX_MS, 2)
ROOM: Final = 128
"""The number of bins made at a time: most queues never need those of hours."""

_BINS: Final = int(_LAYOUT.counts_len)
_WRITTEN: Final = np.dtype([("bin", "<u2"), ("count", "<i4")])


@lru_cache(maxsize=65_536)
def bin_of(wait_ms: int) -> int:
    """Return the bin of the HdrHistogram that holds this wait."""
    return int(_LAYOUT._counts_index_for(min(max(wait_ms, 0), MAX_MS)))


def _upper_edges() -> NDArray[np.int64]:
    """Return the longest wait of each bin, in ms."""
    edges = [_LAYOUT.get_highest_equivalent_value(_LAYOUT.get_value_from_index(at)) for at in range(_BINS)]
    return np.array(edges, np.int64)


_UPPER_MS: Final = _upper_edges()
_UPPER: Final[list[int]] = _UPPER_MS.tolist()


class WaitTally:
    """A tally of waits that can be added, removed and merged with others.

    `bins`: counts by bin, up to the longest wait so far; None while there are none. After `remove` of the longest wait
        `max_ms` is still that wait: the caller must set it anew, with `find_longest` where the waits themselves are not
        kept.
    """

    __slots__ = ("_reached", "answered", "bins", "max_ms", "over_10_min", "sum_ms")

    def __init__(self) -> None:
        self.answered = 0
        self.sum_ms = 0
        self.max_ms = 0
        self.over_10_min = 0
        self.bins: NDArray[np.int32] | None = None
        self._reached: NDArray[np.int32] | None = None

    def record(self, wait_ms: int) -> None:
        """Add one wait."""
        self._count(wait_ms, 1)
        self.max_ms = max(self.max_ms, wait_ms)

    def remove(self, wait_ms: int) -> None:
        """Remove one wait that was added before."""
        self._count(wait_ms, -1)

    def find_longest(self) -> None:
        """Set the longest wait anew after its removal, from the bins: within 1 %."""
        held = np.flatnonzero(self._room(0))
        self.max_ms = min(self.max_ms, int(_UPPER_MS[held[-1]])) if held.size else 0

    def _count(self, wait_ms: int, sign: int) -> None:
        self.answered += sign
        self.sum_ms += sign * wait_ms
        self.over_10_min += sign * (wait_ms > TEN_MINUTES_MS)
        at = bin_of(wait_ms)
        self._room(at)[at] += sign
        self._reached = None

    def merge(self, other: "WaitTally") -> None:
        """Add another tally's waits to these."""
        self._add(other.answered, other.sum_ms, other.max_ms, other.over_10_min)
        if other.bins is None:
            return
        self._reached = None
        if self.bins is None:
            self.bins = other.bins.copy()
        elif len(self.bins) < len(other.bins):
            mine, self.bins = self.bins, other.bins.copy()
            self.bins[: len(mine)] += mine
        else:
            self.bins[: len(other.bins)] += other.bins

    def load(self, saved: WaitSums) -> None:
        """Add waits that `sums` has saved."""
        self._add(saved.answered, saved.sum_ms, saved.max_ms, saved.over_10_min)
        if saved.histogram:
            written = np.frombuffer(saved.histogram, _WRITTEN)
            self._room(int(written["bin"].max()))[written["bin"]] += written["count"]
            self._reached = None

    def _add(self, answered: int, sum_ms: int, max_ms: int, over_10_min: int) -> None:
        self.answered += answered
        self.sum_ms += sum_ms
        self.max_ms = max(self.max_ms, max_ms)
        self.over_10_min += over_10_min

    def sums(self) -> WaitSums:
        """Return the tally in its saved form."""
        histogram = b""
        if self.bins is not None and (held := np.flatnonzero(self.bins)).size:
            written = np.empty(len(held), _WRITTEN)
            written["bin"], written["count"] = held, self.bins[held]
            histogram = written.tobytes()
        return WaitSums(
            answered=self.answered,
            sum_ms=self.sum_ms,
            max_ms=self.max_ms,
            over_10_min=self.over_10_min,
            histogram=histogram,
        )

    def figures(self) -> WaitFigures:
        """Return the figures of these waits, as `SummedWaits` gives them."""
        return summed((self,)).figures()

    @property
    def reached(self) -> NDArray[np.int32] | None:
        """Return the number of waits up to the end of each bin; it is computed once after a change."""
        if self._reached is None and self.bins is not None:
            self._reached = self.bins.cumsum(dtype=np.int32)
        return self._reached

    def _room(self, at: int) -> NDArray[np.int32]:
        """Return the bins, with room for that one."""
        if self.bins is None or len(self.bins) <= at:
            bins = np.zeros((at // ROOM + 1) * ROOM, np.int32)
            if self.bins is not None:
                bins[: len(self.bins)] = self.bins
            self.bins = bins
        return self.bins


@dataclass(slots=True, eq=False)
class SummedWaits:
    """The waits of several tallies together, to read figures from.

    `reached`: the number of waits up to the end of each bin; None where there are none.
    """

    answered: int
    sum_ms: int
    max_ms: int
    over_10_min: int
    reached: NDArray[np.int32] | None

    def figures(self) -> WaitFigures:
        """Return the figures: percentiles within 1 % of the exact ones, the rest exact. None where nothing was
        measured.
        """
        answered, max_ms, reached = self.answered, self.max_ms, self.reached
        if not answered or reached is None:
            return WaitFigures()
        total = int(reached[-1])
        ranks = np.array([-(-total * percent // 100) or 1 for percent in (50, 90, 99)], np.int32)
        p50, p90, p99 = [min(_UPPER[at], max_ms) / 1000 for at in reached.searchsorted(ranks).tolist()]
        return WaitFigures(
            answered=answered,
            mean_seconds=self.sum_ms / answered / 1000,
            p50_seconds=p50,
            p90_seconds=p90,
            p99_seconds=p99,
            max_seconds=max_ms / 1000,
            over_10_min_ratio=self.over_10_min / answered,
        )


def summed(parts: Sequence[WaitTally | SummedWaits]) -> SummedWaits:
    """Return the waits of several tallies, or of sums of them, together."""
    answered = sum_ms = max_ms = over_10_min = 0
    reached = []
    for part in parts:
        answered += part.answered
        sum_ms += part.sum_ms
        max_ms = max(max_ms, part.max_ms)
        over_10_min += part.over_10_min
        if (its := part.reached) is not None:
            reached.append(its)
    together = None if not reached else reached[0] if len(reached) == 1 else _added(reached)
    return SummedWaits(answered, sum_ms, max_ms, over_10_min, together)


def _added(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Return several tallies' numbers of waits up to the end of each bin, added up."""
    parts.sort(key=len, reverse=True)
    together = parts[0].copy()
    for part in parts[1:]:
        together[: len(part)] += part
        if len(part) < len(together):
            together[len(part) :] += part[-1]
    return together


def bins_of_hdr(encoded: bytes) -> bytes:
    """Return the bins of an encoded HdrHistogram (history until schema 0004) in the form of `WaitTally.sums`.

    Raises `ValueError` when it cannot be read.
    """
    try:
        decoded = HdrHistogram.decode(encoded)
    except (HdrCookieException, HdrHistogramSettingsException, HdrLengthException, zlib.error) as error:
        raise ValueError(f"no histogram: {error}") from error
    counts = np.array(decoded.counts[:_BINS], np.int64)
    held = np.flatnonzero(counts)
    written = np.empty(len(held), _WRITTEN)
    written["bin"], written["count"] = held, counts[held]
    return written.tobytes()


class Past(NamedTuple):
    """The store's figures of one span.

    They are the settled calls within opening hours and outside, the answered waits of those within, and how its open
    minutes were observed.
    """

    inside: Counts
    outside: Counts
    waits: WaitTally
    coverage: Coverage
