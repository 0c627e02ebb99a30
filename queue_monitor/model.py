"""What is computed and handed between the rooms: visits, contacts, counts, and the snapshot that every face reads.

Everything here is frozen. Times are UTC; durations whole milliseconds (`_ms`) where they are judged; ratios 0 to 1.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct, structs

from queue_monitor.events import AgentActivity, EndedBy, EntryReason, Event, OutcomeBasis, RefusalReason, TimeBasis
from queue_monitor.queues import queues_in

HAD_TO_WAIT_SECONDS: Final = 5.0
"""Who waited longer had to wait: it is more than a ring at somebody who is free."""


class Outcome(StrEnum):
    """How a visit or a contact stands or ended. `refused` is for lists of calls only: no visit exists then."""

    WAITING = "waiting"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    NO_AGENTS = "no_agents"
    EXIT_KEY = "exit_key"
    WITHDRAWN = "withdrawn"
    CALLBACK = "callback"
    TRANSFERRED_OUT = "transferred_out"
    CLOSED = "closed"
    SYSTEM = "system"
    LOST = "lost"
    UNKNOWN = "unknown"
    REFUSED = "refused"


LOST_OUTCOMES: Final = frozenset(Outcome) - {Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN}
"""How a call ends that nobody answered. `unknown` is none of them: nobody knows, and it is in no formula either."""


class Visit(Struct, frozen=True, kw_only=True, gc=False):
    """One stay in one queue, as all that has been heard of it adds up to.

    `wait_ms` is None while waiting and when the start was never seen and could not be worked out. `start_known` is
    false when nobody saw the caller join: such a wait is never put in a histogram. `precision_ms` is the uncertainty
    of the wait. `rings` counts the rings at agents.
    """

    visit_id: str
    contact_id: str
    leg_id: str
    switch: str
    source: str
    queue: str
    entered_at: datetime | None
    ended_wait_at: datetime | None
    outcome: Outcome
    outcome_basis: OutcomeBasis = OutcomeBasis.STATED
    wait_ms: int | None = None
    time_basis: TimeBasis = TimeBasis.SWITCH
    precision_ms: int = 1
    start_known: bool = True
    agent_id: str | None = None
    rings: int = 0
    completed_at: datetime | None = None
    talk_ms: int | None = None
    ended_by: EndedBy | None = None
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    next_queue: str | None = None
    key: str | None = None
    position: int | None = None


class Contact(Struct, frozen=True, kw_only=True, gc=False):
    """One person's whole call: judged once, on its first queue, at the first human answer.

    `wait_ms` is the time spent waiting in any queue up to the first answer, overlaps counted once (while somebody still
    waits: the known part of it before `waiting_since`, when the first of the open visits began).
    `wait_after_transfer_ms` is what came after the answer.
    Who left the queue and was called back keeps the outcome of leaving: `called_back_ms` is from entry to the answer
    of that call, None until then.
    """

    contact_id: str
    first_queue: str
    entered_at: datetime | None
    outcome: Outcome
    visit_ids: tuple[str, ...]
    wait_ms: int | None = None
    waiting_since: datetime | None = None
    settled_at: datetime | None = None
    wait_after_transfer_ms: int = 0
    called_back_ms: int | None = None
    start_known: bool = True
    precision_ms: int = 1


class Refusal(Struct, frozen=True, kw_only=True):
    """A caller who never got into a queue."""

    source: str
    switch: str
    contact_id: str
    leg_id: str
    queue: str
    reason: RefusalReason
    at: datetime
    time_basis: TimeBasis = TimeBasis.SWITCH
    precision_ms: int = 1


class LostCall(Struct, frozen=True, kw_only=True):
    """A caller whom nobody answered, as a line in a list. Nothing in it tells who.

    `queue` is where the call is counted: the first one; `last_queue` where it was lost. `entered_at`: of a refused
    caller when that was. `wait_seconds` is what is judged, None when the start was never seen: of a caller from before
    opening who still waited then (`early`) it counts from opening. `counted_as` is the field of `Counts`; `is_short`
    hung up before the short limit, `is_late` was lost past the limit. `reached_later`: the same person was answered
    in a later call; None where the switch does not tell callers apart.
    """

    queue: str
    last_queue: str
    entered_at: datetime | None
    lost_at: datetime | None
    wait_seconds: float | None
    outcome: Outcome
    counted_as: str
    is_short: bool
    is_late: bool
    early: bool
    in_opening_hours: bool
    reached_later: bool | None = None


class TransferWaits(Struct, frozen=True, kw_only=True):
    """How long callers waited anew after they had been answered and passed on, by the queue that received them.

    It never changes what was judged at the first answer. `waiting` of the `calls` wait still; waits are seconds, of
    those whose wait is over and known.
    """

    queue: str
    calls: int
    answered: int
    waiting: int
    mean_seconds: float | None
    longest_seconds: float | None


class HoursDoubt(StrEnum):
    """What the switch does that the calendar denies."""

    ANSWERED_WHILE_CLOSED = "answered_while_closed"
    REFUSED_WHILE_OPEN = "refused_while_open"


class Disagreement(Struct, frozen=True, kw_only=True):
    """Where switch and calendar differ, of one queue on one local day: how often, and from when to when."""

    queue: str
    day: date
    doubt: HoursDoubt
    calls: int
    first: datetime
    last: datetime


class Level(StrEnum):
    """Contact: a person's call, counted once on its first queue (the headline). Visit: each stay in each queue."""

    CONTACT = "contact"
    VISIT = "visit"


class Counts(Struct, frozen=True, gc=False):
    """Exact whole numbers of calls that entered in some stretch of time. Every entered call is in exactly one field
    from `answered_in_time` to `waiting_late`; `entered` is their sum. `refused_*`, `early` and `by_*` stand beside.

    `answered_unjudged`: answered, but the wait is not known. `excluded`: left out of the target by a setting.
    `called_back`: left, and was called back as soon as a setting asks; in every formula as answered in time.
    `early`: entered before opening and judged from opening; already counted in one of the others. `by_*`, of visits
    alone: why those came that did not come directly; counted among the others too.
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
        """Left without an answer and without hanging up: F in docs/definitions.md, a miss each."""
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
        """In no formula, but they widen floor and ceiling."""
        return self.unknown + self.answered_unjudged + self.abandoned_unjudged

    @property
    def entered(self) -> int:
        return sum(structs.astuple(self)[:_ENTERED])

    @property
    def entered_directly(self) -> int:
        """Of visits: those that no other queue, transfer or earlier call had brought."""
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
    """Waits of answered calls whose start was seen, in seconds; None where there are none. `over_10_min` is a share."""

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
        """Share of open minutes really observed; None when none has passed."""
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
    """How the deliberate ways out of a queue are judged, as far as they are not plain misses (docs/definitions.md).

    `excluded` are left out of the target; `judged` count as answered in time when the caller was called back, and that
    call answered, within so many ms of entering.
    """

    excluded: frozenset[Outcome] = frozenset()
    judged: frozenset[Outcome] = frozenset()
    within_ms: int = 0


class RiskLevels(Struct, frozen=True, kw_only=True):
    """From which chance of ending under its target on a day is at risk, and a warning; an alarm; and a month an alarm.
    One set for status, advice and alerts (docs/at-risk.md, steps 6 and 9); how they were chosen is in docs/forecast.md.
    """

    warning: float = 0.6
    alarm: float = 0.74
    month: float = 0.7


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


class Reserve(Struct, frozen=True, kw_only=True):
    """Who could help beyond those in the phones: those logged in and paused, and so many from other work. Nobody is in
    the phones sooner than `ready_after_minutes` from the call for help.
    """

    can_be_called_in: int = 4
    ready_after_minutes: int = 10


class Period(Struct, frozen=True, kw_only=True, gc=False):
    """One stretch of time and all its figures, at contact level unless `level` says otherwise.

    `name` is `15min`, `30min`, `60min`, `day`, `month` or `tertial`. `service_level` holds all five definitions,
    `headline` the chosen one; `floor` and `ceiling` are of the headline. `misses` counts misses so far (late, lost,
    left otherwise, waiting past the limit) by the headline definition. `refused_ratio` is refused / dialled.
    `including_refused` is the headline with every refused caller as a miss. None means nothing to measure.
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


class CalendarDay(Struct, frozen=True, kw_only=True):
    """One local day of the opening hours: its open stretches (UTC), their minutes, and why they are as they are.

    `kind` is a stable word (`weekday`, `squeezed`, `closed` …); `holiday` the public holiday's name; `reason` why the
    day is not as usual, in words; `to_confirm`: many shorten this day, and the settings say nothing of it.
    """

    day: date
    kind: str
    spans: tuple[tuple[datetime, datetime], ...]
    open_minutes: float
    holiday: str = ""
    reason: str = ""
    closures: tuple["PlannedClosure", ...] = ()
    to_confirm: str = ""


class PlannedClosure(Struct, frozen=True, kw_only=True):
    """A stretch of a day that is taken out of its opening hours (UTC), and why."""

    start: datetime
    end: datetime
    reason: str


class Hours(Struct, frozen=True, kw_only=True, gc=False):
    """Opening hours as they bear on now. `note` says why the day differs, if it does."""

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    note: str = ""


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


class Role(StrEnum):
    """What a token's holder may do: look at the wallboard; read everything; scrape metrics; lead a shift, which is to
    read and to act (acknowledge, declare a crisis); everything. Who sends events is a source, and shows no token.
    """

    WALLBOARD = "wallboard"
    STATUS = "status"
    METRICS = "metrics"
    LEAD = "lead"
    ADMIN = "admin"


class Access(Struct, frozen=True, kw_only=True):
    """One who may come in: a name for the record, the role, and the SHA-256 of the token, in hex."""

    name: str
    role: Role
    token_sha256: str


class AdminAct(Struct, frozen=True, kw_only=True):
    """Something that was done: who did it (a token's name, or the recipient of a link; empty for the monitor itself),
    from which address, what (a stable word) and to what. Nothing of callers.
    """

    at: datetime
    who: str
    origin: str
    act: str
    subject: str
    detail: str = ""


class JournalNow(Struct, frozen=True, kw_only=True):
    """The store's health: how much waits to be committed, and why if it cannot be.

    `catching_up`: just started, and the forecast does not know the whole day yet. `not_derived`: calls whose rows the
    database refused. `unreadable`: damaged rows that were passed over. `skipped`: events that are never taken because
    they stopped the monitor, the last one at `skipped_at`.
    """

    up: bool = True
    pending: int = 0
    lag_seconds: float = 0.0
    error: str = ""
    catching_up: bool = False
    not_derived: int = 0
    unreadable: int = 0
    skipped: int = 0
    skipped_at: datetime | None = None


class SkippedEvent(Struct, frozen=True, kw_only=True):
    """An event on which our own code has raised, and which is never taken again. `key` stands for its source and id."""

    key: str
    at: datetime
    source: str
    kind: str
    error: str = ""


class RejectedItem(Struct, frozen=True, kw_only=True):
    """One thing that was not taken, for whoever looks for its sender: where it was and of what kind, not what it said.

    `field` as its sender writes it; `kind` is `text`, `number`, `time` or `list`; `length` its characters or items.
    """

    at: datetime
    source: str
    reason: str
    field: str = ""
    kind: str = ""
    length: int = 0
    detail: str = ""


class AlertKind(StrEnum):
    """What a person may have to know. The two about the target are one matter: the second is the first, lost."""

    TARGET_AT_RISK = "target_at_risk"
    TARGET_OUT_OF_REACH = "target_out_of_reach"
    LONG_WAIT = "long_wait"
    SOURCE_SILENT = "source_silent"
    NO_AGENTS = "no_agents"
    MANY_REFUSED = "many_refused"
    SURGE = "surge"
    CRISIS = "crisis"
    HOURS_DISAGREE = "hours_disagree"
    EVENT_SKIPPED = "event_skipped"
    HEARTBEAT = "heartbeat"


class AlertLevel(StrEnum):
    """A warning stands on the screens; an alarm is sent to people too."""

    WARNING = "warning"
    ALARM = "alarm"


class AlertChange(StrEnum):
    """What happened to an alert: it began, grew worse, eased though it is not over, or ended."""

    RAISED = "raised"
    UPDATED = "updated"
    EASED = "eased"
    CLEARED = "cleared"


class AlertReason(StrEnum):
    """Why an alert changed."""

    CHANCE_OF_MISSING = "chance_of_missing"
    CANNOT_BE_REACHED = "cannot_be_reached"
    WAITED_TOO_LONG = "waited_too_long"
    SOURCE_DOWN = "source_down"
    SOURCE_SILENT = "source_silent"
    NO_SOURCE = "no_source"
    NOBODY_STAFFED = "nobody_staffed"
    TURNED_AWAY = "turned_away"
    MANY_AT_ONCE = "many_at_once"
    DECLARED = "declared"
    ANSWERED_WHILE_CLOSED = "answered_while_closed"
    REFUSED_WHILE_OPEN = "refused_while_open"
    CODE_RAISED = "code_raised"
    ALIVE = "alive"
    TEST = "test"
    NOT_DELIVERED = "not_delivered"
    REPORT_MADE = "report_made"
    AS_USUAL = "as_usual"
    DAY_ENDED = "day_ended"
    JOINED = "joined"
    ITS_DAY_HAS_PASSED = "its_day_has_passed"


class RiskCause(StrEnum):
    """What differs most from the usual for the worse, when something does."""

    CALLS = "calls"
    STAFF = "staff"
    HANDLE_TIME = "handle_time"


class HelpOption(Struct, frozen=True, kw_only=True, gc=False):
    """What `more` agents for the rest of the period would change: the chance of ending under the target, and the share
    to be expected. An estimate.
    """

    more: int
    p_miss: float
    expected_share: float


class RiskFigures(Struct, frozen=True, kw_only=True, gc=False):
    """What the forecast says of one queue's or pool's day (or month): a projection, not a fact.

    `p_miss`: chance of ending under the target. `expected_share`, `expected_calls`: of the whole period at its end;
    `low` to `high` holds the share 8 times of 10. `cause`: what differs from the usual, None when nothing much does.
    `agents_for_queue`, `agents_for_day`: more agents needed to clear the queue, and to save the period if they stay
    until `until`; None when not asked, or when `agents_at_most`, all the people there are, would not do. `reachable`:
    whether they can still change how it ends. `margin_ends_at`: when the margin is gone as things go. `options`: what
    each number of agents more would change, from none on, where that was worked out.
    `staff_known`: agents are listed by the switch, not inferred.
    """

    p_miss: float
    expected_share: float | None = None
    low: float | None = None
    high: float | None = None
    expected_calls: float | None = None
    cause: RiskCause | None = None
    agents_for_queue: int | None = None
    agents_for_day: int | None = None
    agents_at_most: int | None = None
    until: datetime | None = None
    reachable: bool = True
    margin_ends_at: datetime | None = None
    staff_known: bool = True
    options: tuple[HelpOption, ...] = ()

    def margin_ends(self, left: int | None, now: datetime) -> datetime | None:
        """When the margin of `left` misses is gone, as every face tells it: an estimate, to whole five minutes and no
        later than it was; None where none is left, or it lasts.
        """
        ends = self.margin_ends_at
        if ends is None or ends <= now or left is None or left <= 0:
            return None
        about = ends - timedelta(seconds=ends.timestamp() % 300)
        return about if about > now else ends


class WaitBasis(StrEnum):
    """What an expected wait rests on."""

    AT_ONCE = "at_once"
    STAFF = "staff"
    SERVED_LATELY = "served_lately"
    UNKNOWN = "unknown"


class ExpectedWait(Struct, frozen=True):
    """Seconds; `low` to `high` holds 8 of 10. All None where the basis is unknown."""

    expected: float | None
    low: float | None
    high: float | None
    basis: WaitBasis

    @property
    def range(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)

    def half_minutes(self) -> tuple[float, float] | None:
        """The range rounded outward to half minutes, in minutes."""
        if self.low is None or self.high is None:
            return None
        return math.floor(self.low / 30.0) / 2.0, math.ceil(self.high / 30.0) / 2.0


class ServiceSpeed(Protocol):
    """How a line moves over the next minutes."""

    def in_time(self, waited_seconds: Sequence[float], limit_seconds: float) -> list[float]:
        """Return, for each who waits, first in line first, the chance to be answered within the limit by staying."""


class Forecast(Struct, frozen=True, kw_only=True):
    """One scope's forecast: the next caller's wait, the day, the month; None where it cannot be said.

    `wait` is of the scope as a whole, `own_waits` of each queue where there are several. `usual_quarter`: calls usual
    in a quarter of an hour at this time.
    """

    name: str
    queues: tuple[str, ...]
    at: datetime
    wait: ExpectedWait
    own_waits: dict[str, ExpectedWait]
    day: RiskFigures | None
    month: RiskFigures | None
    service_speed: ServiceSpeed | None
    usual_quarter: float | None


class MonthStanding(StrEnum):
    """Whether the month can bear what today is foretold to be: it will probably hold, may go either way, may not."""

    HOLDS = "holds"
    TIGHT = "tight"
    AT_RISK = "at_risk"


class Crisis(Struct, frozen=True, kw_only=True):
    """A crisis that a person has declared: from when, why, and who said so. No measure declares one."""

    since: datetime
    reason: str
    by: str = ""


class Banner(Struct, frozen=True, kw_only=True):
    """The lead's own words on every wall, from `since` until `until`. `by` is a name or a role."""

    words: str
    since: datetime
    until: datetime
    by: str = ""


class AlertFigures(Struct, frozen=True, kw_only=True):
    """The numbers behind an alert, as they were when it changed; what does not bear on it is None.

    `share`: the headline of the period so far. `margin`: misses that still fit within the target, of `budget` for the
    whole period. `month`: whether it can bear the day, None where that is not foretold. `refused` of
    `dialled` in the last half hour. `arrived`: calls of the last 15 minutes, `factor` times the usual. `since`: when
    the trouble began, with which `switch`. `also`: what else is wrong in that queue, told together with a surge, or
    anywhere in a crisis. `channel`: by which way nothing gets through. `at_least_staffed`: `staffed` are only those who
    were seen.
    """

    share: float | None = None
    target: Target = Target()
    waiting: int = 0
    oldest_wait_seconds: float | None = None
    staffed: int | None = None
    at_least_staffed: bool = False
    risk: RiskFigures | None = None
    margin: int | None = None
    budget: int | None = None
    month_share: float | None = None
    month: MonthStanding | None = None
    refused: int | None = None
    dialled: int | None = None
    arrived: int | None = None
    factor: float | None = None
    limit_seconds: int | None = None
    since: datetime | None = None
    also: tuple[AlertKind, ...] = ()
    crisis: Crisis | None = None
    channel: str = ""
    switch: str = ""


class Alert(Struct, frozen=True, kw_only=True):
    """One change of one alert. `episode` is the same from its raising to its end; `queue` is a queue or pool, "" all,
    and `queues` are those of it.

    `period` is `now`, `day` or `month`. `notified` says why people were told of it, or why not. `title` and `text` are
    the message in the organisation's language: its first sentence, and the rest.
    """

    episode: str
    at: datetime
    queue: str
    label: str
    kind: AlertKind
    period: str
    level: AlertLevel
    change: AlertChange
    reason: AlertReason
    figures: AlertFigures
    notified: str = ""
    title: str = ""
    text: str = ""
    queues: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.queue and not self.queues:
            structs.force_setattr(self, "queues", queues_in(self.queue))


class NoticeState(StrEnum):
    """Where a notice stands: waiting to be sent, sent, given up, or no longer worth sending."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


class Notice(Struct, frozen=True, kw_only=True):
    """One message to one recipient through one channel. `due_at`: not before; `expires_at`: not after.

    `address`: which of the channel's addresses, from 0 on; each is tried and counted by itself. `fallback_of` is the
    notice whose channel failed. `link` opens the page that acknowledges.
    """

    id: str
    alert: Alert
    recipient: str
    channel: str
    made_at: datetime
    due_at: datetime
    expires_at: datetime
    state: NoticeState = NoticeState.PENDING
    attempts: int = 0
    escalation: bool = False
    fallback_of: str = ""
    link: str = ""
    address: int = 0


class Attempt(Struct, frozen=True, kw_only=True):
    """One line of the record: what was tried with a notice, when, through which channel, and how it went.

    `number` counts from 1; 0 is a decision not to try. `result` is a stable word (`sent`, `timeout`, `superseded` …),
    `detail` is for a person and holds no secret.
    """

    notice: str
    number: int
    at: datetime
    channel: str
    recipient: str
    result: str
    detail: str = ""


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Somebody has seen an alert and says so."""

    episode: str
    at: datetime
    by: str = ""


class RecordedAlert(Struct, frozen=True, kw_only=True):
    """One alert from its beginning to its end as the record has it, oldest first: what happened to it, what was said
    to whom, how that went, and who has seen it (None: nobody).
    """

    episode: str
    changes: tuple[Alert, ...]
    notices: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    acknowledgement: Acknowledgement | None = None


class AlertBatch(Struct, frozen=True, kw_only=True):
    """What is written of alerts in one piece: the state after a moment and all that it brought about."""

    state: bytes | None = None
    secret: bytes | None = None
    alerts: tuple[Alert, ...] = ()
    notices: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()

    def by_alert(self) -> list[RecordedAlert]:
        """The same, alert by alert, the one that began first before the others; what belongs to none is left out."""
        changes: dict[str, list[Alert]] = {}
        for alert in sorted(self.alerts, key=lambda alert: alert.at):
            changes.setdefault(alert.episode, []).append(alert)
        notices: dict[str, list[Notice]] = {}
        for notice in self.notices:
            notices.setdefault(notice.alert.episode, []).append(notice)
        attempts: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            attempts.setdefault(attempt.notice, []).append(attempt)
        seen = {seen.episode: seen for seen in self.acknowledgements}
        return [
            RecordedAlert(
                episode=episode,
                changes=tuple(its),
                notices=tuple(notices.get(episode, ())),
                attempts=tuple(
                    sorted(
                        (tried for notice in notices.get(episode, ()) for tried in attempts.get(notice.id, ())),
                        key=lambda tried: tried.at,
                    )
                ),
                acknowledgement=seen.get(episode),
            )
            for episode, its in changes.items()
        ]


class AlertsNow(Struct, frozen=True, kw_only=True):
    """Open alerts, worst first, which of them somebody has seen, and what has been said since the start.

    `raised` counts by kind and level, `notifications` by channel and result; `undelivered` alarms reached nobody.
    `crisis`: the one that somebody has declared and nobody has ended. `banner`: the lead's words on the walls.
    """

    open: tuple[Alert, ...] = ()
    acknowledged: frozenset[str] = frozenset()
    raised: dict[tuple[str, str], int] = {}
    notifications: dict[tuple[str, str], int] = {}
    undelivered: int = 0
    crisis: Crisis | None = None
    banner: Banner | None = None


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


class TalkSums(Struct, frozen=True, kw_only=True, gc=False):
    """Calls whose talk is over and was seen, and how long they talked together."""

    calls: int = 0
    seconds: float = 0.0


class WaitBuckets(Struct, frozen=True, kw_only=True, gc=False):
    """Counts of waits for the Prometheus histogram: at most `edges[i]` seconds, cumulative, then all; and their sum."""

    edges: tuple[float, ...]
    answered: tuple[int, ...]
    answered_sum_seconds: float
    abandoned: tuple[int, ...]
    abandoned_sum_seconds: float


class WaitSums(Struct, frozen=True, kw_only=True, gc=False):
    """Answered waits added up, exact in whole ms, and their encoded histogram for percentiles."""

    answered: int = 0
    sum_ms: int = 0
    max_ms: int = 0
    over_10_min: int = 0
    histogram: bytes = b""


class Placement(Struct, frozen=True, gc=False):
    """Where and as what one settled call counts.

    `minute`: the minute of entry in whole minutes since 1970 UTC, of opening for one who came before it (`early`).
    `inside`: within opening hours. `field`: the field of `Counts`. `judged_ms`: the wait as judged, None when it is not
    known; it is in the histogram when `recorded`. `brought_by`: the field of `Counts` that says why a visit began, if
    not directly.
    """

    level: Level
    queue: str
    inside: bool
    minute: int
    field: str
    early: bool = False
    judged_ms: int | None = None
    recorded: bool = False
    brought_by: str = ""


class DayVisit(Struct, frozen=True, gc=False):
    """One visit of a day as the forecast needs it: of the contact whose key begins with the number `contact`, its
    visits counted from 0. Moments are whole microseconds since 1970. `placed` is where the contact counts, None while
    it waits, and `settled_us` since when it does not wait any more.
    """

    contact: int
    number: int
    queue: str
    outcome: Outcome
    entry_reason: EntryReason
    agent: str | None
    entered_us: int | None
    ended_us: int | None
    completed_us: int | None
    placed: Placement | None
    settled_us: int | None


class CallsOfMinute(Struct, frozen=True, gc=False):
    """How many settled calls of one minute count alike, as `Placement` has it, and the waits (ms) of those of them that
    are in the histogram.
    """

    level: Level
    queue: str
    inside: bool
    minute: int
    field: str
    early: bool
    brought_by: str
    number: int
    waits_ms: tuple[int, ...] = ()


class CallRecord(Struct, frozen=True, kw_only=True):
    """One contact with its visits as history keeps it. `contact` is None when no such call is left: its evidence has
    turned out to belong to another contact.

    `placed` is where the contact counts, `visits_placed` where each visit does; None of one who still waits, or whose
    time is not known. `evidence` is what the ledger has heard of it, as the ledger writes it down; `keys` are the ids
    (`switch id` of visits, legs and the contact) by which a later word finds it. `last_at` is its newest evidence,
    `is_open` whether somebody waits or talks still. `is_known`: whether memory has this call from the store, or has
    written it there. `rules` is the version of the rules it was judged under.
    """

    contact_id: str
    contact: Contact | None
    visits: tuple[Visit, ...] = ()
    placed: Placement | None = None
    visits_placed: tuple[Placement | None, ...] = ()
    evidence: bytes = b""
    keys: tuple[str, ...] = ()
    last_at: datetime | None = None
    is_open: bool = False
    is_known: bool = False
    reached_later: bool | None = None
    rules: str = ""


class RefusalRecord(Struct, frozen=True, kw_only=True):
    """One refused caller as history keeps it."""

    refusal: Refusal
    placed: Placement


class CoverageRecord(Struct, frozen=True, kw_only=True):
    """How the open minutes of one queue's local day were observed, as far as the day has gone."""

    queue: str
    day: date
    coverage: Coverage


class JournalBatch(Struct, frozen=True, kw_only=True):
    """What is committed in one transaction: events in their order, and what they changed.

    `calls` and `refusals` are true to the journal with these events in it. `days` are replaced by queue and day,
    `states` by name: what the live state needs for a start. `journaled` is false when a rebuild writes what events
    say that the journal holds already.
    """

    events: tuple[Event, ...] = ()
    received_at: datetime
    calls: tuple[CallRecord, ...] = ()
    refusals: tuple[RefusalRecord, ...] = ()
    days: tuple[CoverageRecord, ...] = ()
    states: dict[str, bytes] = {}
    journaled: bool = True


class Committed(Struct, frozen=True, kw_only=True):
    """What became of a batch. `seq` is the journal's newest number. `repeated` are the positions of events that the
    journal had already, with the same content. `not_derived` are the contacts whose rows the store refused; their
    events are safe all the same.
    """

    seq: int
    repeated: tuple[int, ...] = ()
    not_derived: tuple[str, ...] = ()


class Known(StrEnum):
    """What the journal has under an event's id: nothing, the same event, or another one."""

    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


class SumRow(Struct, frozen=True, kw_only=True):
    """Sums of the settled calls of one queue that entered in a quarter of an hour, or on a local day, from `start`."""

    level: Level
    queue: str
    inside: bool
    start: datetime
    counts: Counts
    waits: "WaitSums"


class HalfHour(Struct, frozen=True, kw_only=True):
    """The settled calls, at contact level and within opening hours, that entered in half an hour from `start`.
    `longest_ms`: the longest wait of those answered, 0 where nobody was.
    """

    start: datetime
    counts: Counts
    longest_ms: int = 0


class WeekSlot(Struct, frozen=True, kw_only=True):
    """Half an hour of one weekday over many weeks. `weekday`: Monday is 0; `half_hour`: 0 is 00.00 to 00.30 local time.
    `longest_seconds`: the longest wait of those answered, None where nobody was.
    """

    weekday: int
    half_hour: int
    counts: Counts
    longest_seconds: float | None = None


class StoredVisit(Struct, frozen=True, kw_only=True):
    """One visit as the store kept it. `counted_as` is the field of `Counts`, "" of one who still waits; `agent` is a
    daily pseudonym unless a setting says otherwise, None where nobody answered.
    """

    queue: str
    switch: str
    entered_at: datetime | None
    ended_wait_at: datetime | None
    completed_at: datetime | None
    outcome: Outcome
    counted_as: str
    inside: bool
    early: bool
    wait_ms: int | None
    judged_ms: int | None
    talk_ms: int | None
    ended_by: EndedBy | None
    agent: str | None
    entry_reason: EntryReason
    next_queue: str | None
    key: str | None
    rings: int
    precision_ms: int
    start_known: bool


class StoredCall(Struct, frozen=True, kw_only=True):
    """One contact as the store kept it, with its visits in their order. `id` tells calls apart and says nothing else;
    `at` is the minute it counts in, of one who still waits the moment of entry. `is_derived` is false where the store
    refused the row: then only `id` and `at` are known, and the next rebuild makes it.
    """

    id: str
    at: datetime
    first_queue: str
    entered_at: datetime | None
    settled_at: datetime | None
    outcome: Outcome
    counted_as: str
    inside: bool
    early: bool
    wait_ms: int | None
    judged_ms: int | None
    wait_after_transfer_ms: int
    called_back_ms: int | None
    start_known: bool
    precision_ms: int
    reached_later: bool | None
    rules: str
    is_derived: bool
    visits: tuple[StoredVisit, ...]

    @property
    def imported(self) -> str:
        """The name of the import that has brought this call; "" of one that the journal holds."""
        switch = self.visits[0].switch if self.visits else ""
        return switch.removeprefix(IMPORTED) if switch.startswith(IMPORTED) else ""


class StoredRefusal(Struct, frozen=True, kw_only=True):
    """One refused caller as the store kept it. `at` is when that was. An import's `switch` begins with `IMPORTED`."""

    queue: str
    switch: str
    at: datetime
    reason: RefusalReason
    inside: bool


IMPORTED: Final = "import:"
"""The switch of an imported call is this and the import's name."""

IMPORT_SOURCE: Final = "urn:kc:import:"
"""The source of an imported call is this and the import's name."""


class ImportedFile(Struct, frozen=True, kw_only=True):
    """One file of an import. `sha256` is of the file as it lies there, packed or not. `refused`: how many of its lines
    were not taken, by reason. The days are local, of the lines that were understood.
    """

    name: str
    sha256: str
    lines: int = 0
    entries: int = 0
    refused: dict[str, int] = {}
    first_day: date | None = None
    last_day: date | None = None


class ImportRecord(Struct, frozen=True, kw_only=True):
    """One import that has come to its end. `name` is how its calls are marked; `kind` is `queue_log` or `csv`.

    `calls` and `refused_callers` are those that were new, `replaced` the calls of others that gave way, `held` those
    not taken because another has that day. `mapping` is a hash of how columns were read, "" for queue_log; `rules` is
    the version of the rules that the calls were judged under.
    """

    name: str
    kind: str
    files: tuple[ImportedFile, ...]
    started_at: datetime
    finished_at: datetime
    calls: int
    refused_callers: int = 0
    replaced: int = 0
    held: int = 0
    mapping: str = ""
    rules: str = ""

    @property
    def first_day(self) -> date | None:
        """The first day that any of its files tells of."""
        return min((file.first_day for file in self.files if file.first_day), default=None)

    def touches(self, first: date, last: date) -> bool:
        """Whether its files tell of any day from one to another, both included."""
        begins, ends = self.first_day, self.last_day
        return begins is not None and ends is not None and begins <= last and first <= ends

    @property
    def last_day(self) -> date | None:
        """The last day that any of its files tells of."""
        return max((file.last_day for file in self.files if file.last_day), default=None)


class StoreNow(Struct, frozen=True, kw_only=True):
    """The store's health beside the journal's: contacts whose rows could not be made, journal rows that cannot be read,
    and from when on every day is complete (None: as far back as is kept).
    """

    not_derived: int = 0
    unreadable: int = 0
    first_kept: date | None = None


class SealedReport(Struct, frozen=True, kw_only=True):
    """A version of a report as it was sealed. `period` is written as reports are asked for (`2026-10`), `scope` the
    keys of its queues ("" of all). `sha256` is of `data`, its figures as JSON; `changed`: which parts of them differ
    from the version before; `program`: which version of the monitor sealed it.
    """

    period: str
    scope: str
    version: int
    sha256: str
    sealed_at: datetime
    program: str
    changed: tuple[str, ...] = ()
    data: bytes = b""


class PassedOn(Struct, frozen=True, kw_only=True):
    """Of the answered calls of a stretch: how many, how many of them were sent on to another queue or number, and of
    how many nothing says how they ended. `precision_ms`: how exact the least exact of their waits is.
    """

    answered: int = 0
    sent_on: int = 0
    untold: int = 0
    precision_ms: int = 1


class RulesUsed(Struct, frozen=True, kw_only=True):
    """The calls of a stretch that were judged under one version of the rules: how many, and when the first and the last
    of them counted. `body` is the rules as JSON, "" where they are not known.
    """

    version: str
    calls: int
    first: datetime
    last: datetime
    body: str = ""


class HistoryRow(Struct, frozen=True, kw_only=True):
    """A quarter of an hour as kept in the store: counts, waits, and how its open minutes were observed."""

    level: Level
    queue: str
    inside_hours: bool
    start: datetime
    counts: Counts
    waits: WaitSums = WaitSums()
    coverage: Coverage = Coverage()
