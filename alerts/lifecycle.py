"""An alert over time: one episode from its raising to its end, and whether people must be told of a change.

Pure: the state and the readings of a moment in, the next state and what changed out. The state is written to the
store with what it made people hear, so that a restart says nothing twice and forgets nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, structs

from alerts.rules import DAY, DEFAULTS, MONTH, AlertSettings, Reading
from queue_monitor.model import Alert, AlertChange, AlertFigures, AlertKind, AlertLevel, AlertReason

TELL_AGAIN: Final = timedelta(minutes=30)
"""An episode that eases and grows worse again is not told of more often than this."""

_SEVERITY: Final = {AlertLevel.WARNING: 1, AlertLevel.ALARM: 2}


class NotifyReason(StrEnum):
    """Why people are told of a change, or why not."""

    ALARM = "alarm"
    OUT_OF_REACH = "out_of_reach"
    WORSE_AGAIN = "worse_again"
    TOOK_OVER = "took_over"
    EASED = "eased"
    OVER = "over"
    DAY_ENDED = "day_ended"
    SCREEN_ONLY = "screen_only"
    NEVER_TOLD = "never_told"
    TOLD_LATELY = "told_lately"
    KNOWN = "known"
    COVERED = "covered"
    CLOSED = "closed"
    TOO_OLD = "too_old"

    @property
    def notifies(self) -> bool:
        return self in _NOTIFYING


_NOTIFYING: Final = frozenset(
    {
        NotifyReason.ALARM,
        NotifyReason.OUT_OF_REACH,
        NotifyReason.WORSE_AGAIN,
        NotifyReason.TOOK_OVER,
        NotifyReason.EASED,
        NotifyReason.OVER,
        NotifyReason.DAY_ENDED,
    }
)


class Policy(Struct, frozen=True, kw_only=True):
    """How a measure becomes an alert. It must reach a level for `hold` before it is raised, be under `ease_share` of
    the level for `ease_after` before it eases, and under `ends_under` to end.
    """

    warning_at: float | None = None
    alarm_at: float | None = None
    ease_share: float = 1.0
    ends_under: float = 0.5
    ease_after: timedelta = timedelta(minutes=2)
    hold: timedelta = timedelta()

    def level(self, value: float) -> AlertLevel | None:
        if self.alarm_at is not None and value >= self.alarm_at:
            return AlertLevel.ALARM
        if self.warning_at is not None and value >= self.warning_at:
            return AlertLevel.WARNING
        return None

    def eases_under(self, level: AlertLevel) -> float:
        at = self.alarm_at if level is AlertLevel.ALARM else self.warning_at
        return self.ease_share * (at if at is not None else self.ends_under)


class Episode(Struct, frozen=True, kw_only=True):
    """One matter from when it is first seen. `raised` is false while it must still stand for a while.

    `low_since`: since when it has been low enough to ease. `told_at`: when people were last told how bad
    it is; None never. `heard`: the last that they heard.
    `owed`: an alarm that people were not told of yet, because they just were or a worse one of the queue says it.
    """

    id: str
    kind: AlertKind
    queue: str
    label: str
    period: str
    period_start: datetime
    since: datetime
    level: AlertLevel
    reason: AlertReason
    figures: AlertFigures
    raised: bool = False
    eased: bool = False
    low_since: datetime | None = None
    told_at: datetime | None = None
    heard: AlertChange | None = None
    owed: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return matter(self.kind), self.queue, self.period


class State(Struct, frozen=True):
    """Every episode that is not over."""

    episodes: tuple[Episode, ...] = ()

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, raw: bytes) -> "State":
        """Raises `msgspec.DecodeError` on what is no state."""
        return msgspec.json.decode(raw, type=cls)

    @property
    def open(self) -> tuple[Episode, ...]:
        """Those that have been raised, alarms first, the oldest first."""
        raised = (episode for episode in self.episodes if episode.raised)
        return tuple(sorted(raised, key=lambda e: (-_SEVERITY[e.level], e.eased, e.since, e.key)))


def matter(kind: AlertKind) -> str:
    """What an alert is about: the target at risk and the target lost are one matter."""
    return "target" if kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH) else kind.value


def policy(reading: Reading, settings: AlertSettings) -> Policy:
    """The levels and times of a kind. For the target: AT-RISK steps 6 and 9."""
    match reading.kind:
        case AlertKind.TARGET_AT_RISK | AlertKind.TARGET_OUT_OF_REACH:
            month = reading.period == MONTH
            return Policy(
                warning_at=None if month else settings.levels.warning,
                alarm_at=settings.levels.month if month else settings.levels.alarm,
                ease_share=0.7,
                ends_under=0.2,
                ease_after=timedelta(minutes=15),
            )
        case AlertKind.LONG_WAIT:
            return Policy(
                warning_at=settings.long_wait_seconds,
                alarm_at=settings.long_wait_alarm_seconds,
                ends_under=settings.long_wait_seconds,
                ease_after=timedelta(minutes=5),
            )
        case AlertKind.MANY_REFUSED:
            limit = reading.figures.target.refused_limit_ratio
            return Policy(
                warning_at=max(limit, 1e-9),
                alarm_at=max(limit, settings.refused_alarm_ratio),
                ends_under=max(limit, 1e-9),
                ease_after=timedelta(minutes=15),
            )
        case AlertKind.SURGE:
            factor = settings.surge_factor
            return Policy(alarm_at=factor, ends_under=factor / 2, ease_share=0.7, ease_after=timedelta(minutes=15))
        case AlertKind.SOURCE_SILENT:
            return Policy(alarm_at=0.5, hold=timedelta(minutes=2))
        case _:
            return Policy(alarm_at=0.5, hold=timedelta(minutes=1))


def advance(
    state: State, readings: Iterable[Reading], now: datetime, settings: AlertSettings = DEFAULTS
) -> tuple[State, tuple[Alert, ...]]:
    """The next state, and what changed, each with the reason why people are told of it or not.

    An episode of which nothing is read stays as it was: where nothing can be seen, nothing has ended.
    """
    episodes = {episode.key: episode for episode in state.episodes}
    changes: list[tuple[Episode, AlertChange]] = []
    for reading in sorted(readings, key=lambda r: r.kind not in _FIRST):
        key = matter(reading.kind), reading.queue, reading.period
        before = episodes.pop(key, None)
        if before is not None and before.period_start < reading.period_start:
            if before.raised:
                ended = structs.replace(before, reason=AlertReason.ITS_DAY_HAS_PASSED)
                changes.append((ended, AlertChange.CLEARED))
            before = None
        after, change = _step(before, reading, policy(reading, settings), now)
        if after is not None and change is not AlertChange.CLEARED:
            episodes[key] = after
        if after is not None and change is not None:
            changes.append((after, change))
    return _told(episodes, changes, now)


_FIRST: Final = (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH)


def _told(
    episodes: dict[tuple[str, str, str], Episode], changes: list[tuple[Episode, AlertChange]], now: datetime
) -> tuple[State, tuple[Alert, ...]]:
    """Decide for each change whether people hear of it, and remember that they did."""
    alerts = []
    changed = {episode.key for episode, _ in changes}
    changes += [
        (episode, AlertChange.UPDATED)
        for episode in episodes.values()
        if episode.owed
        and episode.key not in changed
        and should_notify(episode, AlertChange.UPDATED, now, _is_covered(episode, episodes)).notifies
    ]
    for episode, change in changes:
        why = should_notify(episode, change, now, _is_covered(episode, episodes))
        alerts.append(_alert(episode, change, now, why))
        if episodes.get(episode.key) is episode:
            told_at = now if why.notifies and change is not AlertChange.EASED else episode.told_at
            heard = change if why.notifies else episode.heard
            owed = why in (NotifyReason.COVERED, NotifyReason.TOLD_LATELY)
            episodes[episode.key] = structs.replace(episode, told_at=told_at, heard=heard, owed=owed)
    return State(tuple(episodes.values())), tuple(alerts)


def should_notify(episode: Episode, change: AlertChange, now: datetime, covered: bool) -> NotifyReason:
    """Whether people must be told of a change, and why or why not. `episode` is as it stands after the change."""
    told = episode.told_at is not None
    if change is AlertChange.CLEARED:
        return _on_clearing(episode, told)
    if change is AlertChange.EASED:
        known = NotifyReason.KNOWN if episode.heard is AlertChange.EASED else NotifyReason.EASED
        return known if told else NotifyReason.NEVER_TOLD
    if episode.level is AlertLevel.WARNING:
        return NotifyReason.SCREEN_ONLY
    if covered:
        return NotifyReason.COVERED
    if episode.kind is AlertKind.TARGET_OUT_OF_REACH:
        return NotifyReason.OUT_OF_REACH
    if episode.told_at is None:
        return NotifyReason.TOOK_OVER if episode.owed else NotifyReason.ALARM
    return NotifyReason.WORSE_AGAIN if now - episode.told_at >= TELL_AGAIN else NotifyReason.TOLD_LATELY


def _on_clearing(episode: Episode, told: bool) -> NotifyReason:
    """Who never heard of it need not hear that it is over; an end of yesterday's is no news today."""
    if episode.reason is AlertReason.ITS_DAY_HAS_PASSED:
        return NotifyReason.TOO_OLD
    if not told:
        return NotifyReason.NEVER_TOLD
    if episode.reason is AlertReason.DAY_ENDED:
        return NotifyReason.DAY_ENDED if matter(episode.kind) == "target" else NotifyReason.CLOSED
    return NotifyReason.OVER


def _is_covered(episode: Episode, episodes: Mapping[tuple[str, str, str], Episode]) -> bool:
    """While people know that the day is at risk, a long wait or a surge in that queue says the same again.

    Once the day is lost nothing covers it: then the long waits are what can still be helped.
    """
    if episode.kind not in (AlertKind.LONG_WAIT, AlertKind.SURGE):
        return False
    day = episodes.get(("target", episode.queue, DAY))
    return day is not None and day.raised and day.kind is AlertKind.TARGET_AT_RISK and _is_alarm(day)


def _is_alarm(episode: Episode) -> bool:
    return episode.level is AlertLevel.ALARM


def _step(
    before: Episode | None, reading: Reading, rule: Policy, now: datetime
) -> tuple[Episode | None, AlertChange | None]:
    """One matter's next episode and what changed. (None, None): nothing is the matter."""
    level = rule.level(reading.value)
    if level is AlertLevel.ALARM and reading.at_most_warning:
        level = AlertLevel.WARNING if rule.warning_at is not None else None
    if before is None:
        if level is None or not reading.may_raise or reading.day_over:
            return None, None
        before = _begun(reading, level, now)
    if reading.day_over:
        ended = _read(before, reading, reason=AlertReason.DAY_ENDED)
        return (ended, AlertChange.CLEARED) if before.raised else (None, None)
    if not before.raised:
        return _raise(before, reading, rule, level, now)
    if before.kind is AlertKind.TARGET_OUT_OF_REACH:
        return _lost(before, reading, rule, now)
    if level is not None and _is_worse(before, reading, level):
        worse = _read(before, reading, kind=reading.kind, level=level, eased=False, low_since=None)
        return worse, AlertChange.UPDATED
    return _lower(before, reading, rule, now)


def _begun(reading: Reading, level: AlertLevel, now: datetime) -> Episode:
    named = f"{matter(reading.kind)} {reading.queue} {reading.period} {now.isoformat()}"
    return Episode(
        id=hashlib.sha256(named.encode()).hexdigest()[:16],
        kind=reading.kind,
        queue=reading.queue,
        label=reading.label,
        period=reading.period,
        period_start=reading.period_start,
        since=now,
        level=level,
        reason=reading.reason,
        figures=reading.figures,
    )


def _raise(
    before: Episode, reading: Reading, rule: Policy, level: AlertLevel | None, now: datetime
) -> tuple[Episode | None, AlertChange | None]:
    if level is None:
        return None, None
    seen = _read(before, reading, kind=reading.kind, level=level)
    if now - before.since < rule.hold:
        return seen, None
    return structs.replace(seen, raised=True), AlertChange.RAISED


def _lost(before: Episode, reading: Reading, rule: Policy, now: datetime) -> tuple[Episode, AlertChange | None]:
    """Nothing more is said of a day given up, unless it has recovered against all odds: that was an estimate."""
    if reading.value >= rule.ends_under:
        return _read(before, reading, reason=before.reason, low_since=None), None
    low_since = before.low_since or now
    if now - low_since < rule.ease_after:
        return _read(before, reading, reason=before.reason, low_since=low_since), None
    return _read(before, reading, reason=AlertReason.AS_USUAL), AlertChange.CLEARED


def _is_worse(before: Episode, reading: Reading, level: AlertLevel) -> bool:
    if reading.kind is AlertKind.TARGET_OUT_OF_REACH:
        return True
    if _SEVERITY[level] > _SEVERITY[before.level]:
        return True
    return before.eased and level is before.level


def _lower(before: Episode, reading: Reading, rule: Policy, now: datetime) -> tuple[Episode, AlertChange | None]:
    """Ease when it has been low for long enough, end when hardly anything is left."""
    if before.eased:
        if reading.value < rule.ends_under:
            return _read(before, reading, reason=AlertReason.AS_USUAL), AlertChange.CLEARED
        return _read(before, reading), None
    if reading.value >= rule.eases_under(before.level):
        return _read(before, reading, low_since=None), None
    low_since = before.low_since or now
    if now - low_since < rule.ease_after:
        return _read(before, reading, low_since=low_since), None
    if reading.value < rule.ends_under:
        return _read(before, reading, reason=AlertReason.AS_USUAL), AlertChange.CLEARED
    return _read(before, reading, eased=True, low_since=None), AlertChange.EASED


def _read(before: Episode, reading: Reading, **changed: object) -> Episode:
    """The episode with what is read now."""
    now = {"label": reading.label, "figures": reading.figures, "reason": reading.reason}
    return structs.replace(before, **{**now, **changed})


def _alert(episode: Episode, change: AlertChange, now: datetime, why: NotifyReason) -> Alert:
    return Alert(
        episode=episode.id,
        at=now,
        queue=episode.queue,
        label=episode.label,
        kind=episode.kind,
        period=episode.period,
        level=episode.level,
        change=change,
        reason=episode.reason,
        figures=episode.figures,
        notified=why.value,
    )


def as_alert(episode: Episode, now: datetime) -> Alert:
    """An open episode as it stands, for the screens."""
    change = AlertChange.EASED if episode.eased else AlertChange.RAISED
    why = NotifyReason.ALARM if episode.told_at else NotifyReason.SCREEN_ONLY
    return structs.replace(_alert(episode, change, now, why), at=episode.since)
