"""Counts, the five definitions, waits and coverage: the figures of a stretch of time."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from queue_monitor.outcomes import Counts, Outcome


class Level(StrEnum):
    """The unit that is counted.

    `contact`: a person's call, counted once on its first queue (the headline).
    `visit`: each stay in each queue.
    """

    CONTACT = "contact"
    VISIT = "visit"


class WaitFigures(Struct, frozen=True, kw_only=True, gc=False):
    """Waits of answered calls whose start was seen, in seconds; None where there are no such calls.

    `over_10_min_ratio` is the share of them that waited longer than ten minutes.
    """

    answered: int = 0
    mean_seconds: float | None = None
    p50_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None
    max_seconds: float | None = None
    over_10_min_ratio: float | None = None


class Coverage(Struct, frozen=True, kw_only=True, gc=False):
    """Open minutes by how they were observed: seen live, recovered from a log or snapshot, or blind."""

    seen_minutes: int = 0
    recovered_minutes: int = 0
    blind_minutes: int = 0

    def plus(self, other: "Coverage") -> "Coverage":
        return Coverage(
            seen_minutes=self.seen_minutes + other.seen_minutes,
            recovered_minutes=self.recovered_minutes + other.recovered_minutes,
            blind_minutes=self.blind_minutes + other.blind_minutes,
        )

    @property
    def observed_minutes(self) -> int:
        """Return the open minutes that were seen or recovered."""
        return self.seen_minutes + self.recovered_minutes

    @property
    def ratio(self) -> float | None:
        """Return the share of open minutes really observed; None when no open minute has passed."""
        total = self.observed_minutes + self.blind_minutes
        return self.observed_minutes / total if total else None

    @property
    def is_little(self) -> bool:
        """Return whether so little was observed that a comparison with it needs a remark."""
        return self.ratio is not None and self.ratio < ENOUGH_OBSERVED


ENOUGH_OBSERVED: Final = 0.9
"""The share of the open time that must have been observed for a comparison without a remark."""


class DefinitionId(StrEnum):
    """The five formulas of docs/definitions.md."""

    D1 = "D1"
    D2 = "D2"
    D3 = "D3"
    D4 = "D4"
    D5 = "D5"


class Target(Struct, frozen=True, kw_only=True):
    """The promise: a share of the calls answered within a limit, by a named and dated definition."""

    limit_seconds: int = 300
    ratio: float = 0.9
    definition: DefinitionId = DefinitionId.D2
    short_abandon_seconds: int = 20
    since: date | None = None
    refused_limit_ratio: float = 0.02

    def allows_refused(self, ratio: float | None) -> bool:
        """Return whether the target may be met where so large a share of all who dialled was refused."""
        return (ratio or 0.0) <= self.refused_limit_ratio


TOLD_OF_A_TARGET: Final = ("limit_seconds", "short_abandon_seconds", "ratio", "definition")
"""The fields of a target that the figures of a day are told by."""


class EarlierTarget(Struct, frozen=True, kw_only=True):
    """The target of some days, as far as figures are told by it, where later days had another one.

    `since`: the first of the days; None where it held on all days before `until` too, or from a period's first day.
    `until`: the last of the days.
    `limit_seconds`, `short_abandon_seconds`: calls of these days are judged by them.
    `ratio`, `definition`: the share that was aimed at, and the formula that measured it.
    """

    since: date | None
    until: date
    limit_seconds: int
    short_abandon_seconds: int
    ratio: float
    definition: DefinitionId

    def is_like(self, target: Target) -> bool:
        """Return whether the target says the same."""
        return all(getattr(self, name) == getattr(target, name) for name in TOLD_OF_A_TARGET)


def targets_before(
    earlier: Iterable[EarlierTarget], first: date, last: date, target: Target
) -> tuple[EarlierTarget, ...]:
    """Return the other targets than that of its last day, which is given, that held on days of a period."""
    return tuple(
        structs.replace(each, since=each.since if each.since is not None and each.since > first else None)
        for each in earlier
        if first <= each.until < last and not each.is_like(target)
    )


class ExitPolicy(Struct, frozen=True, kw_only=True):
    """The rules for deliberate exits from a queue that are not plain misses (docs/definitions.md).

    `excluded`: these outcomes are left out of the target.
    `judged`: these outcomes count as answered in time when the caller was called back and that call was answered within
        `within_ms` of entering.
    """

    excluded: frozenset[Outcome] = frozenset()
    judged: frozenset[Outcome] = frozenset()
    within_ms: int = 0


class Period(Struct, frozen=True, kw_only=True, gc=False):
    """One stretch of time and all its figures, at contact level unless `level` says otherwise. None means that there is
    nothing to measure.

    `name`: `15min`, `30min`, `60min`, `day`, `month` or `tertial`.
    `service_level`: the shares by all five definitions.
    `headline`: the share by the chosen definition; `floor` and `ceiling` are its lowest and highest possible value.
    `misses`: misses so far by the headline definition (late, lost, left otherwise, waiting past the limit).
    `refused_ratio`: refused / dialled.
    `including_refused`: the headline with every refused caller as a miss.
    `target`: the one that all these are by, which held on the last day of the stretch; None: the present one.
    """

    name: str
    level: Level
    start: datetime
    end: datetime
    counts: Counts
    outside_hours: Counts
    service_level: dict[str, float | None]
    headline: float | None
    floor: float | None
    ceiling: float | None
    misses: int
    refused_ratio: float | None
    including_refused: float | None
    waits: WaitFigures
    coverage: Coverage
    precision_seconds: float
    target: Target | None = None


class TalkSums(Struct, frozen=True, kw_only=True, gc=False):
    """The number of calls whose talk is over and was seen, and the sum of their talk in seconds."""

    calls: int = 0
    seconds: float = 0.0


class WaitBuckets(Struct, frozen=True, kw_only=True, gc=False):
    """Counts of waits for the Prometheus histogram, with their sums in seconds.

    Count `i` covers the waits of at most `edges[i]` seconds (cumulative); the last count covers all waits.
    """

    edges: tuple[float, ...]
    answered: tuple[int, ...]
    answered_sum_seconds: float
    abandoned: tuple[int, ...]
    abandoned_sum_seconds: float


class WaitSums(Struct, frozen=True, kw_only=True, gc=False):
    """Sums of answered waits, exact in whole ms, and their encoded histogram for percentiles."""

    answered: int = 0
    sum_ms: int = 0
    max_ms: int = 0
    over_10_min: int = 0
    histogram: bytes = b""


class CoverageRecord(Struct, frozen=True, kw_only=True):
    """The coverage of one queue's local day, as far as the day has gone."""

    queue: str
    day: date
    coverage: Coverage


class SumRow(Struct, frozen=True, kw_only=True):
    """Sums of one queue's settled calls that entered in the quarter of an hour, or on the local day, that begins at
    `start`.
    """

    level: Level
    queue: str
    inside: bool
    start: datetime
    counts: Counts
    waits: "WaitSums"


class HalfHour(Struct, frozen=True, kw_only=True):
    """The settled calls, at contact level and within opening hours, that entered in the half hour from `start`.

    `longest_ms`: the longest wait of the answered calls, 0 where none was answered.
    """

    start: datetime
    counts: Counts
    longest_ms: int = 0


class WeekSlot(Struct, frozen=True, kw_only=True):
    """One half hour of one weekday, over many weeks.

    `weekday`: Monday is 0.
    `half_hour`: 0 is 00.00 to 00.30 local time.
    `longest_seconds`: the longest wait of the answered calls, None where none was answered.
    """

    weekday: int
    half_hour: int
    counts: Counts
    longest_seconds: float | None = None


class HistoryRow(Struct, frozen=True, kw_only=True):
    """A quarter of an hour as the store keeps it: counts, waits, and how its open minutes were observed."""

    level: Level
    queue: str
    inside_hours: bool
    start: datetime
    counts: Counts
    waits: WaitSums = WaitSums()
    coverage: Coverage = Coverage()
