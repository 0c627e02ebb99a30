"""The shape of every JSON answer: the same structs are encoded, put into the OpenAPI document and shown at /docs.

Ratios are 0 to 1, durations seconds, times UTC in ISO 8601. `null` means that there is nothing to measure.

Longer than 450 lines because every answer of the API stands here, as one document.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from queue_monitor.model import LEFT_OTHERWISE, Outcome
from queue_monitor.ports import SERVICE


def _said(words: str) -> Meta:
    return Meta(description=words)


def _number(words: str) -> Any:
    return Annotated[int, _said(words)] if words else int


Ratio = Annotated[float | None, _said("A share, 0 to 1; null when there is nothing to measure.")]
_MEETS: Final = (
    "Whether the target is met so far: decided by whole numbers, not by the rounded share, and never where more of all"
    " who dialled were refused than the target's refused_limit_ratio; null when there is nothing to judge."
)
Seconds = Annotated[float | None, _said("Seconds; null when there is nothing to measure.")]


class TargetShape(Struct, frozen=True, kw_only=True):
    """The promise: a share of the calls answered within a limit, by a named and dated definition."""

    limit_seconds: Annotated[int, _said("A wait of exactly this many seconds is in time.")]
    ratio: Annotated[float, _said("The share promised, 0 to 1.")]
    definition: Annotated[str, _said("D1 to D5: the formula of the headline.")]
    short_abandon_seconds: Annotated[int, _said("Who hangs up before this is a short abandon; left out by D3.")]
    since: Annotated[date | None, _said("The day from which this definition holds.")]
    refused_limit_ratio: Annotated[float, _said("With more than this share refused the status is never ok.")]


class HoursShape(Struct, frozen=True, kw_only=True):
    """The opening hours that matter now."""

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    note: Annotated[str, _said("Why the day differs, if it does.")]
    time_zone: str


class StaffShape(Struct, frozen=True, kw_only=True, gc=False):
    """The number of agents by state, each agent once. All null when the source reports no agents."""

    known: Annotated[bool, _said("The source lists everybody: the same as basis known.")]
    basis: Annotated[
        str,
        _said(
            "known: the source lists its members. seen: only a log tells, these served or paused lately, and there may "
            "be more: read every number as at least. unknown: nothing is told."
        ),
    ]
    staffed: Annotated[int | None, _said("Logged in.")] = None
    available: Annotated[int | None, _said("Can take a call now.")] = None
    ringing: int | None = None
    busy: int | None = None
    wrapup: int | None = None
    paused: int | None = None
    unreachable: int | None = None
    logged_out: int | None = None


class StatusOfTarget(Struct, frozen=True, kw_only=True, gc=False):
    """The status of a period's target, and the reason."""

    status: Annotated[str, _said("ok, at_risk, out_of_reach, too_early (too little to say) or no_data.")]
    reason: Annotated[str, _said("A stable word for why.")]
    under_target_now: Annotated[bool, _said("A fact beside the status: the headline is below the target now.")]


class WaitingShape(Struct, frozen=True, kw_only=True, gc=False):
    """One caller who waits now. Nothing here identifies the caller."""

    queue: str
    position: int
    wait_seconds: Annotated[float, _said("The whole contact's wait so far.")]
    queue_wait_seconds: Annotated[float, _said("The wait in this queue so far.")]
    ringing: Annotated[bool, _said("Being rung at an agent now.")]
    start_known: Annotated[bool, _said("False: the caller waited before anybody looked; the wait is at least this.")]


_LEFT_REMARKS: Final = {Outcome.LOST.value: "Cut off by a restart or crash of the switch."}

if TYPE_CHECKING:
    LeftShape = Struct
else:
    LeftShape = msgspec.defstruct(
        "LeftShape",
        [(left.value, _number(_LEFT_REMARKS.get(left.value, ""))) for left in LEFT_OTHERWISE],
        frozen=True,
        kw_only=True,
        gc=False,
        module=__name__,
        namespace={"__doc__": "The callers who left the queue without an answer and without hanging up, by outcome."},
    )


class RefusedShape(Struct, frozen=True, kw_only=True, gc=False):
    """The callers who never got into a queue, by reason."""

    full: int
    no_agents: int
    closed: int
    unknown: int


class WaitsShape(Struct, frozen=True, kw_only=True, gc=False):
    """The waits of answered calls whose start was seen."""

    answered: Annotated[int, _said("The number of waits that the figures rest on.")]
    mean_seconds: Seconds
    p50_seconds: Seconds
    p90_seconds: Seconds
    p99_seconds: Seconds
    max_seconds: Seconds
    over_10_min_ratio: Ratio


class CoverageShape(Struct, frozen=True, kw_only=True, gc=False):
    """The share of the open time that was really observed."""

    ratio: Ratio
    seen_minutes: int
    recovered_minutes: Annotated[int, _said("Filled in afterwards from a log or a snapshot.")]
    blind_minutes: int


class OutsideHoursShape(Struct, frozen=True, kw_only=True, gc=False):
    """The calls outside opening hours: counted, not in the target."""

    entered: int
    answered: int
    abandoned: int
    left_otherwise: int
    unknown: int
    waiting: int
    refused: int


class PeriodShape(Struct, frozen=True, kw_only=True, gc=False, rename={"from_": "from"}):
    """One stretch of time and all its figures."""

    from_: datetime
    to: datetime
    level: Annotated[str, _said("contact: a person's call, once, on its first queue. visit: each stay in each queue.")]
    entered: Annotated[int, _said("Joined a queue.")]
    answered: int
    answered_in_time: int
    answered_late: int
    answered_unjudged: Annotated[int, _said("Answered, but the wait is not known: in no formula.")]
    abandoned: Annotated[int, _said("Hung up while waiting.")]
    abandoned_short: int
    abandoned_in_time: Annotated[int, _said("Hung up within the limit, short abandons not among them.")]
    abandoned_late: int
    abandoned_unjudged: int
    left_otherwise: Annotated[int, _said("The sum of left.")]
    left: LeftShape
    unknown: Annotated[int, _said("The monitor lost track: in no formula; widens floor and ceiling.")]
    excluded: Annotated[int, _said("Left out of the target by a setting.")]
    called_back: Annotated[int, _said("Left, and was called back as soon as a setting asks: as good as in time.")]
    waiting_in_time: int
    waiting_late: Annotated[int, _said("Still waiting past the limit: already misses.")]
    early: Annotated[int, _said("Entered before opening, judged from opening; already counted above.")]
    refused: RefusedShape
    refused_total: int
    dialled: Annotated[int, _said("entered + refused_total.")]
    misses: Annotated[int, _said("Misses so far by the headline definition.")]
    definition: Annotated[str, _said("The formula of headline, floor, ceiling and misses.")]
    service_level: Annotated[dict[str, float | None], _said("All five definitions, D1 to D5, as ratios.")]
    headline: Ratio
    target_ratio: Annotated[float, _said("The target that held on the last day of the stretch, with its definition.")]
    meets_target: Annotated[bool | None, _said(_MEETS)]
    floor: Annotated[float | None, _said("The headline if all who wait will miss.")]
    ceiling: Annotated[float | None, _said("The headline if all who still can make it will.")]
    refused_ratio: Annotated[float | None, _said("refused_total / dialled.")]
    including_refused: Annotated[float | None, _said("The headline with every refused caller as a miss.")]
    waits: WaitsShape
    coverage: CoverageShape
    precision_seconds: Annotated[float, _said("The uncertainty of each wait, from the source's own clock.")]
    outside_hours: OutsideHoursShape


class HelpShape(Struct, frozen=True, kw_only=True, gc=False):
    """The effect of a number of additional agents, if they stay for the rest of the period: an estimate."""

    more_agents: int
    miss_probability: float
    expected_share: float


class RiskShape(Struct, frozen=True, kw_only=True, gc=False):
    """The forecast of a period's end, for the queue's pool: an estimate, marked as one wherever it is shown."""

    miss_probability: Annotated[float, _said("Chance that the period ends under the target.")]
    expected_share: float | None
    expected_calls: float | None
    margin_calls: Annotated[
        int | None, _said("Late or lost calls that still fit within the target; negative: too many.")
    ]
    agents_for_queue: Annotated[
        int | None, _said("More agents needed to clear the queue; null: not worked out, or no number does.")
    ]
    agents_for_period: Annotated[int | None, _said("More agents needed to save the period.")]
    until: Annotated[datetime | None, _said("The time until which they are needed.")]
    margin_ends_at: Annotated[datetime | None, _said("When the margin is gone as things go; null: not foreseen.")]
    reachable: bool
    help: Annotated[
        tuple[HelpShape, ...],
        _said("From no agent more on; empty where the target is not at risk."),
    ]


class RepeatCallersShape(Struct, frozen=True, kw_only=True, gc=False):
    """Callers of one local day who are told apart by the day's pseudonym. Never across days, and never who."""

    since: Annotated[datetime, _said("Calls from then on are counted: midnight, or the start of the monitor that day.")]
    calls: Annotated[int, _said("Calls that came in from a caller who is told apart.")]
    repeated: Annotated[int, _said("Those of them from a caller who had called before that day, to any queue.")]
    repeat_ratio: Annotated[float | None, _said("repeated / calls.")]
    lost: Annotated[int, _said("Those of the calls that nobody answered.")]
    reached_later: Annotated[
        int, _said("Those of the lost calls whose caller was answered in a later call the same day.")
    ]
    reached_later_ratio: Annotated[float | None, _said("reached_later / lost; null without lost calls.")]
    answered: Annotated[int, _said("Those of the calls that were answered.")]
    not_back: Annotated[int, _said("Those of the answered calls whose caller has not called again that day.")]
    not_back_ratio: Annotated[float | None, _said("not_back / answered; null without answered calls.")]


class QueueShape(Struct, frozen=True, kw_only=True, gc=False):
    """One queue, one pool of queues that share agents, or all of them."""

    name: Annotated[str, _said("Empty for all queues together.")]
    label: Annotated[str, _said("The name that people are shown.")]
    queues: tuple[str, ...]
    open: bool
    waiting: int
    ringing: int
    talking: int
    oldest_wait_seconds: Seconds
    expected_wait_seconds: Annotated[float | None, _said("The wait that the next caller should expect; null: closed.")]
    expected_wait_low_seconds: Annotated[float | None, _said("Nine of ten will wait longer than this.")]
    expected_wait_high_seconds: Annotated[float | None, _said("Nine of ten will wait less than this.")]
    unlikely_in_time: Annotated[int, _said("The number of those waiting who will probably not be answered in time.")]
    risk: Annotated[dict[str, RiskShape], _said("By period, day and month, where it is foretold.")]
    status: Annotated[StatusOfTarget, _said("The status of the day.")]
    longer: Annotated[dict[str, StatusOfTarget], _said("The same of the month and the tertial, by name.")]
    staff: StaffShape
    waiting_list: tuple[WaitingShape, ...]
    periods: Annotated[dict[str, PeriodShape], _said("15min, 30min, 60min, day, month, tertial; at contact level.")]
    visits_today: PeriodShape
    repeat_callers: Annotated[
        RepeatCallersShape | None, _said("Today's, so far; null: the sources do not tell callers apart.")
    ]


class SourceShape(Struct, frozen=True, kw_only=True):
    """One source of events."""

    name: str
    switch: str
    up: bool
    since: Annotated[datetime | None, _said("When it came up or went down.")]
    last_event_at: datetime | None
    reason: str
    clock_offset_seconds: Annotated[float | None, _said("The switch's clock minus the monitor's.")]
    gap_seconds_total: float
    is_log: bool
    precision_seconds: float


class JournalShape(Struct, frozen=True, kw_only=True):
    """The journal's health: the events that wait to be committed, and the reason if they cannot be."""

    up: bool
    pending: int
    lag_seconds: float
    error: str
    catching_up: Annotated[bool, _said("Just started: the forecast does not know the whole day yet.")]
    not_derived: Annotated[int, _said("Calls whose rows the database refused; queue-monitor rebuild makes them.")]
    unreadable: Annotated[int, _said("Rows that are damaged and were passed over; see queue-monitor verify.")]


class DifferenceShape(Struct, frozen=True, kw_only=True):
    """One of a switch's own totals beside ours, over the same stretch, with the likely cause of a difference."""

    switch: str
    queue: str
    counter: str
    switch_says: int
    ledger_says: int
    difference: Annotated[int, _said("Ours less the switch's.")]
    cause: Annotated[str, _said("none, booking (the switch books late), gap (nobody listened) or unexplained.")]
    since: datetime
    until: datetime


class DayDifferenceShape(Struct, frozen=True, kw_only=True):
    """One of a switch's own totals beside ours, as it stood at the end of a local day."""

    day: date
    switch: str
    queue: str
    counter: Annotated[str, _said("completed, answered or let_go (left the queue unanswered).")]
    counter_words: Annotated[str, _said("The same, in the language asked for.")]
    switch_says: int
    ledger_says: int
    difference: Annotated[int, _said("Ours less the switch's; 0 when they agree.")]
    cause: Annotated[str, _said("none, booking (the switch books late), gap (nobody listened) or unexplained.")]
    cause_words: Annotated[str, _said("The same, in the language asked for.")]
    since: Annotated[datetime, _said("From when both are counted: the switch's last reset, as far as we heard it.")]
    until: datetime


class DifferencesBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Our counts beside the switches' own, the oldest day first, then by queue."""

    generated_at: datetime
    from_: date
    to: Annotated[date, _said("The last day, itself included.")]
    queue: Annotated[str | None, _said("null: all.")]
    differences: tuple[DayDifferenceShape, ...]


class StatusBody(Struct, frozen=True, kw_only=True):
    """The state of all queues, pools and sources at one moment."""

    generated_at: datetime
    version: str
    organisation: str
    clock_rate: Annotated[float, _said("The speed of the monitor's clock beside real time; 1 but in simulations.")]
    target: TargetShape
    hours: HoursShape
    total: QueueShape
    queues: tuple[QueueShape, ...]
    pools: tuple[QueueShape, ...]
    agents: Annotated[StaffShape, _said("Distinct people on all queues. Never anybody by name.")]
    sources: tuple[SourceShape, ...]
    journal: JournalShape
    events: Annotated[dict[str, int], _said("Events received, by result.")]
    rejected: Annotated[dict[str, int], _said("The items that were not understood, by source and reason.")]
    reconciliation: Annotated[tuple[DifferenceShape, ...], _said("The switches' own totals beside ours.")]
    alerts: Annotated[tuple["AlertShape", ...], _said("Alerts that stand, alarms first.")] = ()


class AlertShape(Struct, frozen=True, kw_only=True):
    """An alert that stands: its kind, its start, and its text."""

    episode: Annotated[str, _said("The same from the alert's raising to its end.")]
    since: datetime
    queue: Annotated[str, _said("A queue, a pool (names joined by ' + '), or empty for all.")]
    label: str
    alert: Annotated[str, _said("A stable word for the matter, such as target_at_risk or long_wait.")]
    period: Annotated[str, _said("now, day or month.")]
    level: Annotated[
        str, _said("warning: on the screens only. alarm: for people too; the record says whether they were told.")
    ]
    state: Annotated[str, _said("raised, or eased: better, and not over.")]
    reason: str
    probability: Annotated[float | None, _said("Chance of missing the target.")]
    title: Annotated[str, _said("The first sentence, in the organisation's language.")]
    text: str
    acknowledged: bool


class QueueBody(Struct, frozen=True, kw_only=True):
    """One queue as it stands at one moment."""

    generated_at: datetime
    target: TargetShape
    hours: HoursShape
    queue: QueueShape


class IntervalsBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Figures over time, oldest first."""

    generated_at: datetime
    from_: datetime
    to: datetime
    step: str
    level: str
    queue: Annotated[str | None, _said("null: all queues.")]
    kept_from: Annotated[
        datetime | None,
        _said(
            "Calls before this are deleted; older figures come from their sums, while those are kept. null: none are."
        ),
    ]
    target: TargetShape
    intervals: tuple[PeriodShape, ...]


class LostCallShape(Struct, frozen=True, kw_only=True):
    """A caller whom nobody answered. Nothing here identifies the caller."""

    queue: Annotated[str, _said("The first queue: where the call is counted.")]
    last_queue: Annotated[str, _said("The queue in which it was lost.")]
    entered_at: Annotated[datetime | None, _said("null: nobody saw it; of a refused caller, when that was.")]
    lost_at: datetime | None
    wait_seconds: Annotated[float | None, _said("The wait that is judged; null when its start was never seen.")]
    outcome: Annotated[str, _said("abandoned, timeout, callback, lost, refused …")]
    counted_as: Annotated[str, _said("The count it belongs to, such as abandoned_short or refused_full.")]
    is_short: Annotated[bool, _said("Hung up before short_abandon_seconds.")]
    is_late: Annotated[bool, _said("Lost after the limit.")]
    early: Annotated[bool, _said("Entered before opening and still waited then: the wait counts from opening.")]
    in_opening_hours: bool
    reached_later: Annotated[
        bool | None, _said("Answered in a later call the same day; null: the switch does not tell callers apart.")
    ]


class LostCallsBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Callers whom nobody answered, in the order of entry: the same calls as the counts of that stretch."""

    generated_at: datetime
    from_: datetime
    to: datetime
    queue: Annotated[str | None, _said("null: all queues.")]
    kept_from: Annotated[datetime | None, _said("Earlier calls are no longer kept. null: all that was asked for is.")]
    target: TargetShape
    calls: tuple[LostCallShape, ...]


class StayShape(Struct, frozen=True, kw_only=True):
    """One stay of a caller in one queue."""

    queue: str
    switch: str
    entered_at: datetime | None
    ended_at: Annotated[datetime | None, _said("When the wait ended; null: it goes on, or nobody saw it.")]
    completed_at: Annotated[datetime | None, _said("When the talk ended.")]
    outcome: str
    counted_as: Annotated[str, _said("The count it belongs to; empty while the caller waits.")]
    in_opening_hours: bool
    wait_seconds: Seconds
    judged_seconds: Annotated[float | None, _said("The wait that is judged; from opening for who came before it.")]
    talk_seconds: Seconds
    ended_by: str | None
    agent: Annotated[str | None, _said("A pseudonym that changes every day, unless the settings say otherwise.")]
    entry_reason: str
    next_queue: str | None
    key: str | None
    rings: Annotated[int, _said("The number of rings at agents.")]
    precision_seconds: float
    start_known: bool


class CallShape(Struct, frozen=True, kw_only=True):
    """One person's whole call. Nothing here identifies the caller."""

    id: Annotated[str, _said("Tells calls apart, and says nothing else.")]
    at: Annotated[datetime, _said("The minute in which it counts; of one who still waits, when he or she entered.")]
    queue: Annotated[str, _said("The first queue: where the call is counted.")]
    entered_at: datetime | None
    settled_at: Annotated[datetime | None, _said("When it was answered or left.")]
    outcome: str
    counted_as: Annotated[str, _said("The count it belongs to; empty while the caller waits.")]
    in_opening_hours: bool
    early: Annotated[bool, _said("Entered before opening and still waited then: the wait counts from opening.")]
    wait_seconds: Seconds
    judged_seconds: Annotated[float | None, _said("The wait that is judged; null when its start was never seen.")]
    wait_after_transfer_seconds: float
    called_back_seconds: Annotated[float | None, _said("From entry to the answer of the call back.")]
    reached_later: Annotated[bool | None, _said("Lost, and answered in a later call the same day.")]
    precision_seconds: float
    start_known: bool
    rules: Annotated[str, _said("The version of the opening hours and exits it was judged by.")]
    derived: Annotated[bool, _said("false: the database refused the row; queue-monitor rebuild makes it.")]
    imported: Annotated[str, _said("The import that has brought the call; empty: it was heard of at the time.")]
    visits: tuple[StayShape, ...]


class CallsBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Calls one by one, in the order of the minute in which they count."""

    generated_at: datetime
    from_: datetime
    to: datetime
    queue: Annotated[str | None, _said("null: all queues.")]
    kept_from: Annotated[datetime | None, _said("Earlier calls are no longer kept. null: all that was asked for is.")]
    target: TargetShape
    calls: tuple[CallShape, ...]
    next: Annotated[str | None, _said("Ask again with `after` set to this for those that follow; null: these are all.")]


class AlertChangeShape(Struct, frozen=True, kw_only=True):
    """One change of an alert."""

    at: datetime
    state: Annotated[str, _said("raised, updated, eased or cleared.")]
    level: str
    reason: str
    notified: Annotated[str, _said("Why people were told of it, or why not.")]
    title: str
    text: str


class AttemptShape(Struct, frozen=True, kw_only=True):
    """One attempt to send a message."""

    at: datetime
    channel: str
    recipient: str
    number: Annotated[int, _said("The first is 1; 0 is a decision not to try.")]
    result: Annotated[str, _said("A stable word: sent, timeout, superseded …")]
    detail: str


class RecordedAlertShape(Struct, frozen=True, kw_only=True):
    """One alert from its beginning to its end, as it was recorded."""

    episode: str
    queue: str
    label: str
    alert: str
    period: str
    began_at: datetime
    ended_at: Annotated[datetime | None, _said("null: it stands.")]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    changes: tuple[AlertChangeShape, ...]
    attempts: tuple[AttemptShape, ...]


class AlertsBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The alerts that stand, and the record of those that changed in a span of time."""

    generated_at: datetime
    from_: datetime
    to: datetime
    open: Annotated[tuple["AlertShape", ...], _said("Alarms first.")]
    record: Annotated[tuple[RecordedAlertShape, ...], _said("In the order in which they began.")]


class AcknowledgeBody(Struct, frozen=True, kw_only=True):
    """The person who takes care of an alert; may be left out."""

    by: Annotated[str, Meta(max_length=80, description="A name or a role; else the token's name.")] = ""


class DeclareBody(Struct, frozen=True, kw_only=True):
    """A crisis to declare: the reason, and who declares it."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, description="In a few words; nothing of callers.")]
    by: Annotated[str, Meta(max_length=80, description="A name or a role; else the token's name.")] = ""


class CrisisShape(Struct, frozen=True, kw_only=True):
    """A crisis that a person has declared."""

    declared_at: datetime
    reason: str
    by: Annotated[str, _said("The name that somebody wrote, else the token's.")]


class CrisisBody(Struct, frozen=True, kw_only=True):
    """The crisis that stands, or null."""

    generated_at: datetime
    crisis: CrisisShape | None


class ShowBannerBody(Struct, frozen=True, kw_only=True):
    """A banner for every wall, and its end."""

    words: Annotated[
        str, Meta(min_length=1, max_length=160, description="What the room is to read; nothing of callers.")
    ]
    until: Annotated[datetime, _said("With a zone; at most a week ahead.")]
    by: Annotated[str, Meta(max_length=80, description="A name or a role; else the token's name.")] = ""


class BannerShape(Struct, frozen=True, kw_only=True):
    """The banner on the walls."""

    words: str
    since: datetime
    until: datetime
    by: str


class BannerBody(Struct, frozen=True, kw_only=True):
    """The banner that the walls show, or null."""

    generated_at: datetime
    banner: BannerShape | None


class ActShape(Struct, frozen=True, kw_only=True):
    """An act of a person, or of the monitor itself: a deletion, settings that have changed."""

    at: datetime
    who: Annotated[str, _said("A token's name, or the recipient of a link; empty: the monitor itself.")]
    origin: Annotated[str, _said("The address it came from.")]
    act: Annotated[str, _said("A stable word, such as acknowledge.")]
    subject: Annotated[str, _said("The thing that it was done to, such as an alert's episode.")]
    detail: str


class AuditBody(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The acts of people with tokens, oldest first."""

    generated_at: datetime
    from_: datetime
    to: datetime
    acts: tuple[ActShape, ...]


class DefinitionShape(Struct, frozen=True, kw_only=True):
    """One formula of the service level."""

    definition: Annotated[str, _said("D1 to D5.")]
    headline: Annotated[bool, _said("The one by which the promise is judged.")]
    since: Annotated[date | None, _said("The day from which it is the headline, if it is and that is set.")]
    formula: Annotated[str, _said("In the counts of an interval.")]
    words: Annotated[dict[str, str], _said("By language, sv and en.")]


class DefinitionsBody(Struct, frozen=True, kw_only=True):
    """The promise and the possible formulas of its share."""

    generated_at: datetime
    target: TargetShape
    offered: Annotated[str, _said("The sum that offered stands for in the formulas.")]
    definitions: tuple[DefinitionShape, ...]


class CoverageOfQueueShape(Struct, frozen=True, kw_only=True):
    """The share of a queue's open time that was observed, by period."""

    queue: Annotated[str, _said("Empty for all queues together.")]
    label: str
    periods: dict[str, CoverageShape]


class SourcesBody(Struct, frozen=True, kw_only=True):
    """The sources of events, and the share of the open time that they have covered."""

    generated_at: datetime
    sources: tuple["SourceShape", ...]
    coverage: tuple[CoverageOfQueueShape, ...]
    reconciliation: Annotated[tuple["DifferenceShape", ...], _said("The switches' own totals beside ours.")]
    journal: "JournalShape"
    events: Annotated[dict[str, int], _said("Events received, by result.")]
    rejected: Annotated[dict[str, int], _said("The items that were not understood, by source and reason.")]


class SpanShape(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The span from one time to another."""

    from_: datetime
    to: datetime


class ClosureShape(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A planned closure, already taken out of the open stretches."""

    from_: datetime
    to: datetime
    reason: str


class DayShape(Struct, frozen=True, kw_only=True):
    """One local day of the opening hours."""

    day: date
    kind: Annotated[str, _said("weekday, after_holiday, squeezed, before_holiday or closed.")]
    open: tuple[SpanShape, ...]
    open_minutes: float
    holiday: Annotated[str, _said("The public holiday's name, if it is one.")]
    reason: Annotated[str, _said("Why the day is not as usual, if so.")]
    closures: tuple[ClosureShape, ...]
    to_confirm: Annotated[str, _said("Many shorten this day, and the settings say nothing of it: it counts in full.")]


class CalendarBody(Struct, frozen=True, kw_only=True):
    """The opening hours day by day."""

    generated_at: datetime
    queue: Annotated[str | None, _said("null: the hours of all that have none of their own.")]
    time_zone: str
    days: tuple[DayShape, ...]


class PublicShareShape(Struct, frozen=True, kw_only=True):
    """A period's share, as a number and as words."""

    ratio: Ratio
    words: str
    meets_target: Annotated[bool | None, _said(_MEETS)]
    refused_ratio: Annotated[float | None, _said("The share of all who dialled that was refused in open hours.")]
    remark: Annotated[str, _said("To stand beside the share: that too many were refused; empty unless they were.")]


class PublicMonthShape(Struct, frozen=True, kw_only=True):
    """One month's result; null: nothing to measure."""

    month: Annotated[str, _said("The month as 2026-10.")]
    words: Annotated[str, _said("The month's name and year, in the language asked for.")]
    share: PublicShareShape
    whole: Annotated[bool, _said("Whether the month is over.")]
    definition: Annotated[str, _said("D1 to D5: the formula that held on its last day, and of its share.")]
    target_ratio: Annotated[float, _said("The target that held on its last day.")]


class PublicBody(Struct, frozen=True, kw_only=True):
    """The public figures. All words can be shown as they are."""

    generated_at: datetime
    updated: Annotated[str, _said("The same moment, local time.")]
    organisation: str
    language: str
    status: Annotated[str, _said("ok, at_risk, out_of_reach, too_early (too little to say) or no_data.")]
    status_words: str
    promise: str
    today: PublicShareShape
    month: PublicShareShape
    months: Annotated[tuple[PublicMonthShape, ...], _said("The last twelve months, oldest first, this one the last.")]
    definition: Annotated[str, _said("D1 to D5: the formula that holds now.")]
    definition_words: str
    earlier_words: Annotated[str, _said("Which months have another target or formula, and which; empty: none.")]
    limits_words: Annotated[str, _said("By which other limits calls of some of the months were judged; empty: none.")]
    expected_wait_low_seconds: Annotated[float | None, _said("Nine of ten will wait longer than this.")]
    expected_wait_high_seconds: Annotated[float | None, _said("Nine of ten will wait less than this.")]
    expected_wait_words: str
    open: bool
    opens_at: Annotated[datetime | None, _said("Today's first opening; null: closed all day.")]
    closes_at: datetime | None
    hours_words: str


class AliveBody(Struct, frozen=True, kw_only=True):
    """The answer of a process that is alive."""

    status: Annotated[str, _said("Always ok.")] = "ok"
    service: Annotated[str, _said("Whose answer this is: a start whose port is taken asks.")] = SERVICE


class HealthBody(Struct, frozen=True, kw_only=True):
    """The answer of a process that is alive or ready; if not, the reason."""

    status: Annotated[str, _said("ok or not_ready.")]
    reasons: tuple[str, ...] = ()


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The mistake in a request, in words, and the valid choices."""

    error: Annotated[str, _said("A stable word.")]
    detail: Annotated[str, _said("A sentence for a person.")]
    choices: Annotated[tuple[str, ...], _said("The known ones, when something unknown was asked for.")] = ()


BODIES = (
    StatusBody,
    QueueBody,
    IntervalsBody,
    LostCallsBody,
    CallsBody,
    AlertsBody,
    AcknowledgeBody,
    DeclareBody,
    CrisisBody,
    ShowBannerBody,
    BannerBody,
    AuditBody,
    DefinitionsBody,
    SourcesBody,
    DifferencesBody,
    CalendarBody,
    PublicBody,
    AliveBody,
    HealthBody,
    ErrorBody,
)
_REFERENCE = "#/components/schemas/{name}"


def components() -> dict[str, Any]:
    """Return the JSON Schema of every shape, for the OpenAPI document."""
    return msgspec.json.schema_components(BODIES, ref_template=_REFERENCE)[1]


def reference(shape: type[Struct]) -> dict[str, Any]:
    """Return a JSON Schema that points to a shape."""
    return {"$ref": _REFERENCE.format(name=shape.__name__)}


def answer(shape: type[Struct], words: str) -> dict[str, Any]:
    """Return one entry of FastAPI's `responses` that points to a shape."""
    return {"description": words, "content": {"application/json": {"schema": reference(shape)}}}
