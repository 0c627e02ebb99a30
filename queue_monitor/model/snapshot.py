"""The snapshot that every face reads: queues, agents, sources and the status of each, at one moment."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from queue_monitor.events import AgentActivity
from queue_monitor.model.alerts import AlertsNow
from queue_monitor.model.figures import Counts, Period, TalkSums, Target, WaitBuckets
from queue_monitor.model.hours import Disagreement, Hours
from queue_monitor.model.journal import JournalNow
from queue_monitor.model.risk import RiskFigures


class Minimum(Struct, frozen=True, kw_only=True):
    """How much of a period must have been before anything is said of its target: minutes of an open day, and calls.
    Where many calls are to come, the first `least_ratio` of them, but no more than `least_calls_at_most`.
    """

    least_calls: int = 20
    least_ratio: float = 0.05
    least_calls_at_most: int = 50
    not_before_minutes: int = 15

    def is_met(self, face: "QueueNow", period: str, at: datetime) -> bool:
        """Whether enough of `day`, `month` or `tertial` has been to say how it stands."""
        opened = face.day_hours[0] if face.day_hours else at
        if period == "day" and at - opened < timedelta(minutes=self.not_before_minutes):
            return False
        risk = {"day": face.risk, "month": face.month_risk}.get(period)
        share = self.least_ratio * ((risk.expected_calls if risk else None) or 0.0)
        least = max(self.least_calls, min(self.least_calls_at_most, share))
        return face.periods[period].counts.entered >= least


class WaitingNow(Struct, frozen=True, kw_only=True, gc=False):
    """One caller who waits now. `wait_ms` is the whole contact's wait so far; `queue_wait_ms` this queue's.

    `in_time_chance`: to be answered within the limit by one who stays; None where nothing is foretold. `doubtful`: may
    have left unseen, for more who came later were answered than ever before.
    """

    visit_id: str
    queue: str
    position: int
    entered_at: datetime | None
    wait_ms: int
    queue_wait_ms: int
    ringing: bool
    start_known: bool
    in_time_chance: float | None = None
    doubtful: bool = False


class AgentNow(Struct, frozen=True, kw_only=True, gc=False):
    """One agent on one switch, with the queues he or she is a member of."""

    agent_id: str
    state: AgentActivity
    reason: str | None
    queues: tuple[str, ...]
    since: datetime | None


class StaffBasis(StrEnum):
    """How the people who answer are known: the switch lists them, a log has shown some of them, or not at all."""

    KNOWN = "known"
    SEEN = "seen"
    UNKNOWN = "unknown"


class Staff(Struct, frozen=True, kw_only=True, gc=False):
    """Distinct people by what they do now. `known`: the source lists all of them. `seen`: these were seen lately, and
    there may be more. `answering`: one of those answered within the usual time of a call.
    """

    known: bool = False
    seen: bool = False
    answering: bool = False
    staffed: int = 0
    available: int = 0
    ringing: int = 0
    busy: int = 0
    wrapup: int = 0
    paused: int = 0
    unreachable: int = 0
    logged_out: int = 0

    @property
    def basis(self) -> StaffBasis:
        return StaffBasis.KNOWN if self.known else StaffBasis.SEEN if self.seen else StaffBasis.UNKNOWN


class Status(StrEnum):
    OK = "ok"
    AT_RISK = "at_risk"
    OUT_OF_REACH = "out_of_reach"
    TOO_EARLY = "too_early"
    NO_DATA = "no_data"


class StatusReason(StrEnum):
    """Why a status is what it is; the words for a person are in texts."""

    WITHIN_TARGET = "within_target"
    UNDER_TARGET_SO_FAR = "under_target_so_far"
    EXPECTED_WITHIN = "expected_within"
    LIKELY_MISSED = "likely_missed"
    FORECAST_UNDER = "forecast_under"
    ALERT_STANDS = "alert_stands"
    CANNOT_BE_REACHED = "cannot_be_reached"
    MANY_REFUSED = "many_refused"
    PERIOD_LOST = "period_lost"
    TOO_EARLY = "too_early"
    NO_CALLS = "no_calls"
    SOURCE_DOWN = "source_down"
    SOURCE_SILENT = "source_silent"
    NO_SOURCE = "no_source"
    COUNTS_ONLY = "counts_only"


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """The status of a target with its reason. `under_target_now` is a fact beside it, not a status."""

    status: Status
    reason: StatusReason
    under_target_now: bool = False


UNDECIDED: Final = Verdict(status=Status.NO_DATA, reason=StatusReason.NO_SOURCE)
"""Until a snapshot is published nothing is vouched for."""


class QueueNow(Struct, frozen=True, kw_only=True, gc=False):
    """One queue, one pool of queues that share agents (`name` joins theirs), or all of them (`name` is empty).

    `expected_wait_seconds` is what the next caller should expect, None when it cannot be said. `label` is what people
    are shown. `counted` is how many wait in those queues of which the switch lists nobody and only says how many; None
    when there is no such queue. `day_hours`: today's first opening and last closing, None on a closed day. `risk` and
    `month_risk` are the forecast of the pool that the queue belongs to, `wait_range_seconds` holds 8 of 10 next
    callers, `unlikely` of the waiting will probably not make it; `margins` by period are misses that still fit, of
    whole pools; `usual_quarter`: calls usual in these 15 minutes. All are None, 0 or empty where nothing is foretold.

    `no_data_reason` is why nothing can be vouched for now, None while all is seen. All this is measured or forecast;
    `verdict` (of the day) and `verdicts` (of the longer periods, by name) are decided from it where the snapshot is
    published.
    """

    name: str
    label: str
    queues: tuple[str, ...]
    waiting: tuple[WaitingNow, ...]
    oldest_wait_ms: int | None
    ringing: int
    talking: int
    staff: Staff
    periods: dict[str, Period]
    visits_today: Period
    open: bool
    no_data_reason: StatusReason | None = None
    verdict: Verdict = UNDECIDED
    verdicts: dict[str, Verdict] = {}
    expected_wait_seconds: float | None = None
    counted: int | None = None
    day_hours: tuple[datetime, datetime] | None = None
    wait_range_seconds: tuple[float, float] | None = None
    unlikely: int = 0
    margins: dict[str, int] = {}
    risk: "RiskFigures | None" = None
    month_risk: "RiskFigures | None" = None
    usual_quarter: float | None = None

    @property
    def longest_sure_wait_ms(self) -> int | None:
        """The longest wait so far of those who are surely there; None when nobody is."""
        if not any(line.doubtful for line in self.waiting):
            return self.oldest_wait_ms
        return max((line.wait_ms for line in self.waiting if not line.doubtful), default=None)

    @property
    def waiting_count(self) -> int:
        """How many wait, listed and counted."""
        return len(self.waiting) + (self.counted or 0)


class SourceNow(Struct, frozen=True, kw_only=True, gc=False):
    """One source of events. `silent_seconds` counts from its last sign of life, while it is up."""

    name: str
    switch: str
    up: bool
    since: datetime | None
    last_event_at: datetime | None
    reason: str
    clock_offset_ms: float | None
    gap_seconds_total: float
    is_log: bool
    precision_ms: int


class Bar(Struct, frozen=True, kw_only=True, gc=False):
    """One stretch of today's curve, at contact level, all queues."""

    start: datetime
    counts: Counts
    headline: float | None
    floor: float | None


class DifferenceCause(StrEnum):
    """Why the ledger and the switch count differently: the switch's way of booking, a gap, or nothing known."""

    NONE = "none"
    BOOKING = "booking"
    GAP = "gap"
    UNEXPLAINED = "unexplained"


class Difference(Struct, frozen=True, kw_only=True):
    """One of a switch's own totals beside the ledger's, over the same stretch; `difference` is ours less its."""

    switch: str
    queue: str
    counter: str
    switch_says: int
    ledger_says: int
    difference: int
    since: datetime
    until: datetime
    cause: DifferenceCause


class DifferenceRecord(Struct, frozen=True, kw_only=True):
    """A comparison as it stood at the end of a local day, or stands so far: the newest one that was made that day."""

    day: date
    difference: Difference


class BoardLayout(StrEnum):
    """The ways in which a wall is laid out."""

    DAY = "day"
    LARGE = "large"
    LIST = "list"


class BoardPart(StrEnum):
    """The parts of a wall that can be left out."""

    STAFF = "staff"
    VERDICT = "verdict"
    FACTS = "facts"
    CURVE = "curve"
    QUEUES = "queues"


class Board(Struct, frozen=True, kw_only=True):
    """One wall as the settings want it. `queues` are those it shows, all where it names none."""

    name: str
    title: str = ""
    queues: tuple[str, ...] = ()
    layout: BoardLayout = BoardLayout.DAY
    hide: tuple[BoardPart, ...] = ()
    language: str | None = None
    theme: str = "dark"
    sound: bool = False


class WallNow(Struct, frozen=True, kw_only=True):
    """The queues of one wall that the settings name: their figures as one, and their day by quarter of an hour."""

    name: str
    total: QueueNow
    today: tuple[Bar, ...]


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that any face shows, at one moment: the wallboard, the API, /metrics and the report read this.

    `rate` is how fast the monitor's clock runs beside life. `events` counts what came in by result; `rejected` what
    was not understood, by source and reason. `hours_disagreements`: where switch and calendar say different things of
    today. `totals` are all-time counts per queue at visit level. `kept_from`: earlier calls are no longer kept; None
    when all are.
    """

    at: datetime
    rate: float
    version: str
    target: Target
    organisation: str
    time_zone: str
    hours: Hours
    total: QueueNow
    queues: tuple[QueueNow, ...]
    pools: tuple[QueueNow, ...]
    agents: tuple[AgentNow, ...]
    sources: tuple[SourceNow, ...]
    today: tuple[Bar, ...]
    events: dict[str, int]
    rejected: dict[str, int]
    totals: dict[str, Counts]
    totals_waits: dict[str, "WaitBuckets"]
    ring_results: dict[str, dict[str, int]]
    journal: JournalNow
    reconciliation: tuple[Difference, ...] = ()
    hours_disagreements: tuple[Disagreement, ...] = ()
    alerts: AlertsNow = AlertsNow()
    kept_from: datetime | None = None
    totals_talks: dict[str, "TalkSums"] = {}
    walls: tuple[WallNow, ...] = ()
