"""Sums of past stretches: whole local days from the sums by day, the rest of a stretch from those by quarter."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import add
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import Counts, Level, SumRow
from queue_monitor.ports import Store
from queue_monitor.waits import WaitTally

_SHORTEST_DAY: Final = timedelta(hours=23)


class PastSums:
    """Settled calls of one stretch, within opening hours and outside, and the answered waits of those within."""

    def __init__(self) -> None:
        self._inside = [0] * len(Counts.__struct_fields__)
        self._outside = [0] * len(Counts.__struct_fields__)
        self.waits = WaitTally()

    @property
    def inside(self) -> Counts:
        return Counts(*self._inside)

    @property
    def outside(self) -> Counts:
        return Counts(*self._outside)

    def add(self, row: SumRow) -> None:
        """Add the sums of a quarter or a day."""
        numbers = self._inside if row.inside else self._outside
        numbers[:] = map(add, numbers, structs.astuple(row.counts))
        if row.inside:
            self.waits.load(row.waits)


class _Piece(NamedTuple):
    """A part of a stretch, to be read by this step: `day` or `quarter`."""

    step: str
    start: datetime
    end: datetime


async def past_sums(
    store: Store,
    zone: ZoneInfo,
    level: Level,
    queues: Sequence[str] | None,
    bounds: Sequence[tuple[datetime, datetime]],
) -> list[PastSums]:
    """Return the sums of stretches that follow one another, each from its start to before its end; of these queues, or
    all for None.

    A stretch begins and ends on a quarter of an hour. Raises `StoreError`.
    """
    found = [PastSums() for _ in bounds]
    starts = [start for start, _ in bounds]
    pieces = [piece for start, end in bounds if start < end for piece in _pieces(start, end, zone)]
    for step, start, end in _joined(pieces):
        for row in await store.sums(level, queues, start, end, step):
            found[bisect_right(starts, row.start) - 1].add(row)
    return found


def _pieces(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[_Piece]:
    """Yield the whole local days of a stretch as one piece, and the parts before and after them."""
    if end - start < _SHORTEST_DAY:
        yield _Piece("quarter", start, end)
        return
    first = day_bounds(start.astimezone(zone).date(), zone)
    low = start if first[0] == start else first[1]
    high = day_bounds(end.astimezone(zone).date(), zone)[0]
    if low >= high:
        yield _Piece("quarter", start, end)
        return
    if start < low:
        yield _Piece("quarter", start, low)
    yield _Piece("day", low, high)
    if high < end:
        yield _Piece("quarter", high, end)


def _joined(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Return these pieces with neighbours of one step joined, so that many short stretches are one question."""
    joined: list[_Piece] = []
    for piece in pieces:
        if joined and joined[-1].step == piece.step and joined[-1].end == piece.start:
            joined[-1] = joined[-1]._replace(end=piece.end)
        else:
            joined.append(piece)
    return joined
