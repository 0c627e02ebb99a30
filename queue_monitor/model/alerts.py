"""Alerts, the messages sent about them, and the record of each message."""

from collections.abc import Iterable, Set
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from queue_monitor.model.figures import Target
from queue_monitor.model.risk import RiskFigures
from queue_monitor.queues import queues_in


class AlertKind(StrEnum):
    """The kinds of trouble that a person may have to know about.

    The two kinds about the target belong to one topic: the second follows when the first is lost.
    """

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
    """A warning is shown on the screens; an alarm is sent to people too."""

    WARNING = "warning"
    ALARM = "alarm"


class AlertChange(StrEnum):
    """The change of an alert: it began, grew worse, eased though it is not over, or ended."""

    RAISED = "raised"
    UPDATED = "updated"
    EASED = "eased"
    CLEARED = "cleared"


class AlertReason(StrEnum):
    """The reason why an alert changed."""

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
    NOT_WATCHED = "not_watched"


class MonthStanding(StrEnum):
    """The forecast of whether the month can bear today: it will probably hold, it may go either way, it may not hold,
    or it will probably not be reached.
    """

    HOLDS = "holds"
    TIGHT = "tight"
    AT_RISK = "at_risk"
    LOST = "lost"


class Crisis(Struct, frozen=True, kw_only=True):
    """A crisis that a person has declared: its start, its reason, and who declared it. No measurement declares one."""

    since: datetime
    reason: str
    by: str = ""


class Banner(Struct, frozen=True, kw_only=True):
    """A message that the lead shows on every wall, from `since` until `until`. `by` is a name or a role."""

    words: str
    since: datetime
    until: datetime
    by: str = ""


class AlertFigures(Struct, frozen=True, kw_only=True):
    """The numbers behind an alert, as they were when it changed; a number that does not concern it is None.

    `share`: the headline of the period so far.
    `staffed`: people logged in; with `at_least_staffed` these are only those who were seen.
    `margin`: misses that still fit within the target, of `budget` for the whole period.
    `month_is_own`: the month's share is of these queues and is another than that of all calls, which the pages show.
    `month`: whether the month can bear the day, in a message about the day; None where its status does not say.
    `refused`, `dialled`: the refused and all callers of the last half hour.
    `arrived`: calls of the last 15 minutes; `factor` is how many times the usual number that is.
    `since`: when the trouble began, with which `switch`.
    `also`: other trouble in that queue, sent together with a surge, or anywhere in a crisis.
    `channel`: the channel that delivers nothing.
    `too_many_refused`: the share of all who dialled in the period that was refused, where that alone loses its target.
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
    month_is_own: bool = False
    too_many_refused: float | None = None


class Alert(Struct, frozen=True, kw_only=True):
    """One change of one alert.

    `episode`: the same from the raising of the alert to its end.
    `queue`: a queue or a pool, "" for all; `queues` are the queues in it.
    `period`: `now`, `day` or `month`.
    `notified`: the reason why people were notified of the change, or why not.
    `title`, `text`: the message in the organisation's language, its first sentence and the rest.
    `first_queue`: the queue or pool in which it was raised, also after that has become part of another; "" where that
        is not known.
    `lower`: true for an alert that still stands although its measure is under its level at this moment.
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
    lower: bool = False
    first_queue: str = ""

    def __post_init__(self) -> None:
        if self.queue and not self.queues:
            structs.force_setattr(self, "queues", queues_in(self.queue))


class NoticeState(StrEnum):
    """The state of a notice: waiting to be sent, sent, given up, or no longer worth sending."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


class Notice(Struct, frozen=True, kw_only=True):
    """One message to one recipient through one channel.

    `due_at`, `expires_at`: the notice is sent not before the first and not after the second.
    `address`: which of the channel's addresses, from 0 on; each is tried and counted by itself.
    `fallback_of`: the notice whose channel failed.
    `link`: opens the page that acknowledges.
    `unanswered_since`: since when nobody has acknowledged an alarm that is escalated.
    `tried_before`: the attempts before a start of the monitor gave it new ones.
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
    tried_before: int = 0
    unanswered_since: datetime | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One line of the record: one attempt to send a notice, its time, its channel and its result.

    `number`: counts from 1; 0 is a decision not to try.
    `result`: a stable word (`sent`, `timeout`, `superseded` …).
    `detail`: words for a person; they hold no secret.
    """

    notice: str
    number: int
    at: datetime
    channel: str
    recipient: str
    result: str
    detail: str = ""


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """A person's statement that he or she has seen an alert."""

    episode: str
    at: datetime
    by: str = ""


class RecordedAlert(Struct, frozen=True, kw_only=True):
    """One alert from its beginning to its end as the record has it, oldest first.

    `changes`: what happened to the alert.
    `notices`, `attempts`: the messages about it, and each attempt to send them.
    `acknowledgement`: who has seen it, None for nobody.
    """

    episode: str
    changes: tuple[Alert, ...]
    notices: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    acknowledgement: Acknowledgement | None = None

    @property
    def worst(self) -> Alert:
        """Return the last change that says how bad it became; an easing or an end does not."""
        bad = [change for change in self.changes if change.change in (AlertChange.RAISED, AlertChange.UPDATED)]
        lost = AlertKind.TARGET_OUT_OF_REACH
        return max(
            bad or self.changes[:1],
            key=lambda change: (change.level is AlertLevel.ALARM, change.kind is lost, not change.lower, change.at),
        )


def whole_crises(record: Iterable[RecordedAlert]) -> list[RecordedAlert]:
    """Return the record with each crisis as one alert, from when it was declared to its end.

    While it lasts it is sent anew once a day, each time under an episode of its own.
    """
    found: dict[object, RecordedAlert] = {}
    for each in record:
        declared = next((change.figures.crisis for change in each.changes if change.figures.crisis), None)
        key = each.episode if declared is None else declared.since
        earlier = found.get(key)
        found[key] = (
            each
            if earlier is None
            else structs.replace(
                earlier,
                changes=(*earlier.changes, *each.changes),
                notices=(*earlier.notices, *each.notices),
                attempts=(*earlier.attempts, *each.attempts),
                acknowledgement=earlier.acknowledgement or each.acknowledgement,
            )
        )
    return list(found.values())


class AlertBatch(Struct, frozen=True, kw_only=True):
    """The parts of the alert record that are written together: the state after a moment, and all changes and messages
    of that moment.
    """

    state: bytes | None = None
    secret: bytes | None = None
    alerts: tuple[Alert, ...] = ()
    notices: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()

    def by_alert(self) -> list[RecordedAlert]:
        """Return the batch sorted by alert, the alert that began first before the others. Parts that belong to no alert
        are left out.
        """
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
    """Open alerts, a crisis first, then the worst, with the acknowledgements and the counts since the start.

    `acknowledgements`: who has seen an episode, by episode; walls show no names.
    `raised`: counts of alerts by kind and level; each counts once for every kind and level that it came to.
    `notifications`: counts of messages by channel and result.
    `undelivered`: the messages that got through by no channel; each address of a channel counts by itself.
    `crisis`: the crisis that somebody has declared and nobody has ended.
    `banner`: the lead's message on the walls.
    """

    open: tuple[Alert, ...] = ()
    acknowledgements: dict[str, Acknowledgement] = {}
    raised: dict[tuple[str, str], int] = {}
    notifications: dict[tuple[str, str], int] = {}
    undelivered: int = 0
    crisis: Crisis | None = None
    banner: Banner | None = None

    @property
    def acknowledged(self) -> Set[str]:
        """Return the episodes that somebody has seen."""
        return self.acknowledgements.keys()
