"""The snapshot that every face reads: queues, agents, sources and the status of each, at one moment."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.events import SILENT, AgentActivity
from queue_monitor.model.alerts import AlertsNow
from queue_monitor.model.calls import RepeatCallers
from queue_monitor.model.figures import EarlierTarget, Period, TalkSums, Target, WaitBuckets, targets_before
from queue_monitor.model.hours import Disagreement, Hours
from queue_monitor.model.journal import JournalNow
from queue_monitor.model.risk import RiskFigures
from queue_monitor.outcomes import Counts


class Minimum(Struct, frozen=True, kw_only=True):
    """The calls and the time that a period must have had before its status is judged.

    `least_calls`: at least this number of calls must have entered.
    `least_ratio`: where many calls are expected, this share of them must have entered, but never more than
        `least_calls_at_most` calls.
    `not_before_minutes`: the day must have been open for this number of minutes.
    """

    least_calls: int = 20
    least_ratio: float = 0.05
    least_calls_at_most: int = 50
    not_before_minutes: int = 15

    def is_met(self, face: "QueueNow", period: str, at: datetime) -> bool:
        """Return whether enough of `period` (`day`, `month` or `tertial`) has passed to judge it."""
        opened = face.day_hours[0] if face.day_hours else at
        if period == "day" and at - opened < timedelta(minutes=self.not_before_minutes):
            return False
        risk = {"day": face.risk, "month": face.month_risk}.get(period)
        share = self.least_ratio * ((risk.expected_calls if risk else None) or 0.0)
        least = max(self.least_calls, min(self.least_calls_at_most, share))
        return face.periods[period].counts.entered >= least


class WaitingNow(Struct, frozen=True, kw_only=True, gc=False):
    """One caller who waits now.

    `wait_ms`: the wait of the whole contact so far.
    `queue_wait_ms`: the wait in this queue so far.
    `in_time_chance`: the chance of an answer within the limit for a caller who stays; None where there is no forecast.
    `unheard`: the switch has fallen silent since the last word; the waits are as of the last sign.
    `doubtful`: the caller may have left unseen, because nothing was heard of the switch for a while, or more later
        callers have been answered than ever before.
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
    unheard: bool = False


class AgentNow(Struct, frozen=True, kw_only=True, gc=False):
    """One agent on one switch, with the queues he or she is a member of."""

    agent_id: str
    state: AgentActivity
    reason: str | None
    queues: tuple[str, ...]
    since: datetime | None


class StaffBasis(StrEnum):
    """The source of the staff figures: the switch lists the agents, a log has shown some of them, or nothing shows
    them.
    """

    KNOWN = "known"
    SEEN = "seen"
    UNKNOWN = "unknown"


class Staff(Struct, frozen=True, kw_only=True, gc=False):
    """Distinct people by what they do now.

    `known`: the source lists all of them.
    `seen`: these people were seen lately, and there may be more.
    `answering`: one of them answered within the usual time of a call, or may have: some have not been heard of since
        their switch fell silent.
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
    """The reason for a status; the words for a person are in texts."""

    WITHIN_TARGET = "within_target"
    UNDER_TARGET_SO_FAR = "under_target_so_far"
    EXPECTED_WITHIN = "expected_within"
    LIKELY_MISSED = "likely_missed"
    FORECAST_UNDER = "forecast_under"
    ALERT_STANDS = "alert_stands"
    CANNOT_BE_REACHED = "cannot_be_reached"
    MANY_REFUSED = "many_refused"
    PERIOD_LOST = "period_lost"
    PERIOD_REFUSED = "period_refused"
    TOO_EARLY = "too_early"
    NO_CALLS = "no_calls"
    SOURCE_DOWN = "source_down"
    SOURCE_SILENT = "source_silent"
    NO_SOURCE = "no_source"
    NOT_WATCHED = "not_watched"
    COUNTS_ONLY = "counts_only"


UNHEARD: Final = frozenset(
    {StatusReason.SOURCE_DOWN, StatusReason.SOURCE_SILENT, StatusReason.NO_SOURCE, StatusReason.NOT_WATCHED}
)
"""The reasons with which nobody can say how a queue stands now."""


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """The status of a target with its reason. `under_target_now` is a fact beside it, not a status."""

    status: Status
    reason: StatusReason
    under_target_now: bool = False


UNDECIDED: Final = Verdict(status=Status.NO_DATA, reason=StatusReason.NO_SOURCE)
"""The verdict until a snapshot is published: no data."""


class QueueNow(Struct, frozen=True, kw_only=True, gc=False):
    """One queue, one pool of queues that share agents (`name` joins their names), or all queues (`name` is empty).

    All figures are measured or forecast; `verdict` and `verdicts` are decided from them where the snapshot is
    published. Forecast figures are None, 0 or empty where there is no forecast.
    `label`: the name that people are shown.
    `no_data_reason`: the reason why the figures cannot be relied on now, None while every source is seen.
    `verdict`: the status of the day.
    `verdicts`: the status of the longer periods, by name.
    `expected_wait_seconds`: the wait that the next caller should expect, None when it cannot be said, or it is closed.
    `wait_range_seconds`: a range that holds the wait of 8 of 10 next callers.
    `counted`: the number waiting in those queues for which the switch gives a number and no list; None when there is no
        such queue.
    `day_hours`: today's first opening and last closing, None on a closed day.
    `unlikely`: the number of waiting callers who will probably not be answered in time.
    `margins`: misses that still fit, by period, for whole pools.
    `risk`, `month_risk`: the forecast of the pool that the queue belongs to.
    `usual_quarter`: the usual number of calls in these 15 minutes.
    `repeat_callers`: today's callers who called more than once; None where callers are not told apart.
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
    repeat_callers: RepeatCallers | None = None

    @property
    def longest_sure_wait_ms(self) -> int | None:
        """Return the longest wait so far of the callers who are not doubtful; None when there is no such caller."""
        if not any(line.doubtful for line in self.waiting):
            return self.oldest_wait_ms
        return max((line.wait_ms for line in self.waiting if not line.doubtful), default=None)

    @property
    def waiting_count(self) -> int:
        """Return the number waiting, those that the switch lists and those that it only counts."""
        return len(self.waiting) + (self.counted or 0)


class SourceNow(Struct, frozen=True, kw_only=True, gc=False):
    """One source of events.

    `clock_offset_ms`: the switch's clock less ours, None where it has not been probed.
    """

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

    @property
    def is_silent(self) -> bool:
        """Return whether the source is not up because it has sent nothing for too long."""
        return not self.up and self.reason == SILENT


BAR_MINUTES: Final = 15
"""The length of a bar of today's curve."""


class Bar(Struct, frozen=True, kw_only=True, gc=False):
    """One stretch of today's curve, at contact level."""

    start: datetime
    counts: Counts
    headline: float | None
    floor: float | None


class DifferenceCause(StrEnum):
    """The cause of a difference between the counts of the ledger and the switch: the switch's way of booking, a gap, or
    no known cause.
    """

    NONE = "none"
    BOOKING = "booking"
    GAP = "gap"
    UNEXPLAINED = "unexplained"


class Difference(Struct, frozen=True, kw_only=True):
    """One of a switch's own totals beside the ledger's, over the same stretch; `difference` is the ledger's less the
    switch's.
    """

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
    """The layouts of a wall."""

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
    """One wall as the settings describe it. `queues` are the queues that it shows; empty means all."""

    name: str
    title: str = ""
    queues: tuple[str, ...] = ()
    layout: BoardLayout = BoardLayout.DAY
    hide: tuple[BoardPart, ...] = ()
    language: str | None = None
    theme: str = "dark"
    sound: bool = False


class WallNow(Struct, frozen=True, kw_only=True):
    """The queues of one wall whose settings name queues: their figures together, and their day by
    quarter of an hour.
    """

    name: str
    total: QueueNow
    today: tuple[Bar, ...]


class Snapshot(Struct, frozen=True, kw_only=True):
    """All figures of one moment: the wallboard, the API, /metrics and the report read this.

    `rate`: the speed of the monitor's clock compared with real time.
    `events`: the number of events received, by result.
    `rejected`: the number of items that were not understood, by source and reason.
    `hours_disagreements`: where switch and calendar disagree about today.
    `totals`: all-time counts per queue at visit level.
    `kept_from`: calls before this are no longer kept; None when all are.
    `earlier_targets`: the targets that held before the newest, the oldest first.
    `callers_since`: today's callers are told apart from this moment on; None where the sources do not tell who calls.
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
    callers_since: datetime | None = None
    earlier_targets: tuple[EarlierTarget, ...] = ()

    def targets_before(self, first: date, last: date, target: Target) -> tuple[EarlierTarget, ...]:
        """Return the other targets that held on some of these days before that of the last of them, or of today.

        `target`: the target of that day.
        """
        last = min(last, self.at.astimezone(ZoneInfo(self.time_zone)).date())
        return targets_before(self.earlier_targets, first, last, target)
