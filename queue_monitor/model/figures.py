"""Counts, the five definitions, waits and coverage: the figures of a stretch of time."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from queue_monitor.model.calls import Outcome


class Level(StrEnum):
    """The unit that is counted.

    `contact`: a person's call, counted once on its first queue (the headline).
    `visit`: each stay in each queue.
    """

    CONTACT = "contact"
    VISIT = "visit"


class Counts(Struct, frozen=True, gc=False):
    """Exact whole numbers of calls that entered in a stretch of time.

    Each entered call is in exactly one field from `answered_in_time` to `waiting_late`; `entered` is their sum.
    `refused_*`, `early` and `by_*` are not part of that sum.
    `answered_unjudged`: answered, but the wait is not known.
    `excluded`: left out of the target by a setting.
    `called_back`: left, and was called back within the time that a setting asks for; every formula counts it as
        answered in time.
    `early`: entered before opening and judged from opening; also counted in one of the other fields.
    `by_*`: at visit level only, the reason why a visit that did not come directly began; also counted in one of the
        other fields.
    """

    answered_in_time: int = 0
    answered_late: int = 0
    answered_unjudged: int = 0
    abandoned_short: int = 0
    abandoned_in_time: int = 0
    abandoned_late: int = 0
    abandoned_unjudged: int = 0
    timeout: int = 0
    overflow: int = 0
    no_agents: int = 0
    exit_key: int = 0
    withdrawn: int = 0
    callback: int = 0
    transferred_out: int = 0
    closed: int = 0
    system: int = 0
    lost: int = 0
    unknown: int = 0
    excluded: int = 0
    called_back: int = 0
    waiting_in_time: int = 0
    waiting_late: int = 0
    refused_full: int = 0
    refused_no_agents: int = 0
    refused_closed: int = 0
    refused_unknown: int = 0
    early: int = 0
    by_overflow: int = 0
    by_transfer: int = 0
    by_reentry: int = 0
    by_resume: int = 0
    by_callback: int = 0
    by_unknown: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(int.__add__, structs.astuple(self), structs.astuple(other)))

    @property
    def answered(self) -> int:
        return self.answered_in_time + self.answered_late + self.answered_unjudged

    @property
    def abandoned(self) -> int:
        return self.abandoned_short + self.abandoned_in_time + self.abandoned_late + self.abandoned_unjudged

    @property
    def left_otherwise(self) -> int:
        """Return how many left without an answer and without hanging up: F in docs/definitions.md. Each is a miss."""
        return (
            self.timeout
            + self.overflow
            + self.no_agents
            + self.exit_key
            + self.withdrawn
            + self.callback
            + self.transferred_out
            + self.closed
            + self.system
            + self.lost
        )

    @property
    def waiting(self) -> int:
        return self.waiting_in_time + self.waiting_late

    @property
    def unjudged(self) -> int:
        """Return how many calls no formula counts; they lower the floor and raise the ceiling."""
        return self.unknown + self.answered_unjudged + self.abandoned_unjudged

    @property
    def entered(self) -> int:
        return sum(structs.astuple(self)[:_ENTERED])

    @property
    def entered_directly(self) -> int:
        """Return how many visits began directly, not from another queue, a transfer or an earlier call."""
        brought = self.by_overflow + self.by_transfer + self.by_reentry + self.by_resume + self.by_callback
        return self.entered - brought - self.by_unknown

    @property
    def refused(self) -> int:
        return self.refused_full + self.refused_no_agents + self.refused_closed + self.refused_unknown

    @property
    def dialled(self) -> int:
        return sum(structs.astuple(self)[:_DIALLED])


_ENTERED: Final = Counts.__struct_fields__.index("waiting_late") + 1
_DIALLED: Final = Counts.__struct_fields__.index("refused_unknown") + 1


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
    def ratio(self) -> float | None:
        """Return the share of open minutes really observed; None when no open minute has passed."""
        total = self.seen_minutes + self.recovered_minutes + self.blind_minutes
        return (self.seen_minutes + self.recovered_minutes) / total if total else None


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
