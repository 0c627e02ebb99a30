"""The lifecycle of an alert: one episode from its raising to its end.

Pure: it takes the state and the measurements of a moment and returns the next state and the changes. Whether people are
notified of a change is decided in `notification_policy`.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, structs

from alerts.episodes import SEVERITY, EndedEpisode, Episode, Key, State, topic
from alerts.notification_policy import KNOWN_FOR, decide
from alerts.rules import DAY, DEFAULTS, MONTH, NOW, AlertSettings, Measurement
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, AlertReason
from queue_monitor.queues import Pool

LOST_AFTER: Final = timedelta(minutes=3)
"""The time for which a day must be impossible to save before it is given up: the estimate behind it wavers."""

_ORDER: Final = {
    AlertKind.CRISIS: 0,
    AlertKind.SURGE: 1,
    AlertKind.TARGET_AT_RISK: 2,
    AlertKind.TARGET_OUT_OF_REACH: 2,
}

_CRISIS: Final[Key] = (AlertKind.CRISIS.value, "", NOW)

MAX_EASING: Final = timedelta(hours=2)
DAY_LASTS: Final = timedelta(hours=25)
MONTH_LASTS: Final = timedelta(days=32)
NO_PERIODS: Final[Mapping[str, datetime]] = {}


class Policy(Struct, frozen=True, kw_only=True):
    """The levels and times by which a measure becomes an alert and ends.

    It must reach a level for `hold` to be raised, stay under `ease_share` of the level for `ease_after` to ease, and
    fall under `ends_under` to end.
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


def policy(measurement: Measurement, settings: AlertSettings) -> Policy:
    """Return the levels and times of a kind. Source for the target: docs/at-risk.md, steps 6 and 9."""
    match measurement.kind:
        case AlertKind.TARGET_AT_RISK | AlertKind.TARGET_OUT_OF_REACH:
            month = measurement.period == MONTH
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
            too_many = math.nextafter(measurement.figures.target.refused_limit_ratio, math.inf)  # the limit is allowed
            return Policy(
                warning_at=too_many,
                alarm_at=max(too_many, settings.refused_alarm_ratio),
                ends_under=too_many,
                ease_after=timedelta(minutes=15),
            )
        case AlertKind.SURGE:
            factor = settings.surge_factor
            return Policy(alarm_at=factor, ends_under=factor / 2, ease_share=0.7, ease_after=timedelta(minutes=15))
        case AlertKind.CRISIS | AlertKind.EVENT_SKIPPED:
            return Policy(alarm_at=0.5)
        case AlertKind.HOURS_DISAGREE:
            return Policy(warning_at=settings.hours_least_calls)
        case AlertKind.SOURCE_SILENT:
            return Policy(alarm_at=0.5, hold=timedelta(minutes=2))
        case _:
            return Policy(alarm_at=0.5, hold=timedelta(minutes=1))


def advance(
    state: State,
    measurements: Iterable[Measurement],
    now: datetime,
    settings: AlertSettings = DEFAULTS,
    scopes: Sequence[Pool] = (),
    begun: Mapping[str, datetime] = NO_PERIODS,
) -> tuple[State, tuple[Alert, ...]]:
    """Return the next state and the changes, each with the reason why people are notified of it or not.

    An episode without a measurement stays as it was, because nothing can end while nothing can be seen; only the
    episodes of a day that has passed are closed. `scopes`, where given, are the present queues and pools: a queue that
    has become part of a pool brings its episodes along, and those of a queue that is not there any more end after
    `KNOWN_FOR`. `begun`: when the present day and month began, by their names.
    """
    episodes, changes = _placed(state, scopes, now)
    past = {each.key: each for each in state.past}
    measured: set[Key] = set()
    for measurement in sorted(measurements, key=_order):
        key = topic(measurement.kind), measurement.queue, measurement.period
        measured.add(key)
        before = episodes.pop(key, None)
        is_past = before is not None and _is_past(before, now, begun)  # a crisis that lasts is told anew at once
        if before is not None and (is_past or before.period_start < measurement.period_start):
            changes += _passed(before)
            before = None
        earlier = past.get(key)
        times = earlier.times if earlier and earlier.period_start == measurement.period_start else 0
        rule = policy(measurement, settings)
        after, change = _step(before, measurement, rule, now, times)
        if after is not None:
            after = structs.replace(after, lower=_is_lower(after, rule.level(measurement.value)))
        if after is not None and change is not AlertChange.CLEARED:
            episodes[key] = after
        if after is not None and change is not None:
            changes.append((after, change))
    if state.crisis is None and (crisis := episodes.pop(_CRISIS, None)) is not None:
        changes.append((structs.replace(crisis, reason=AlertReason.AS_USUAL), AlertChange.CLEARED))
    for key, episode in list(episodes.items()):
        if _is_past(episode, now, begun):
            changes += _passed(episodes.pop(key))
        elif _is_away(episode, scopes) and now - (episode.unmeasured_since or now) >= KNOWN_FOR:
            changes += _ended(episodes.pop(key), AlertReason.NOT_WATCHED)
    for key, episode in episodes.items():
        unmeasured = None if key in measured else episode.unmeasured_since or now
        if unmeasured != episode.unmeasured_since:
            episodes[key] = structs.replace(episode, unmeasured_since=unmeasured)
    alerts = decide(episodes, changes, now, measured)
    for episode, change in changes:
        if change is AlertChange.CLEARED and episode.times:
            past[episode.key] = EndedEpisode(episode.key, episode.period_start, episode.times)
    kept = tuple(each for each in past.values() if now - each.period_start <= MONTH_LASTS)
    return structs.replace(state, episodes=tuple(episodes.values()), past=kept), tuple(alerts)


def _is_lower(episode: Episode, level: AlertLevel | None) -> bool:
    """Return whether the measure is under the level of an episode that stands."""
    return level is None or SEVERITY[level] < SEVERITY[episode.level]


def _is_past(episode: Episode, now: datetime, begun: Mapping[str, datetime]) -> bool:
    """Return whether the day or month of an episode is over.

    A crisis goes on until a person ends it: each of its episodes lasts a day from its own beginning.
    """
    if episode.kind is AlertKind.CRISIS:
        return now - episode.since > DAY_LASTS
    begins = begun.get(MONTH if episode.period == MONTH else DAY)
    if begins is not None and episode.period_start < begins:
        return True
    return now - episode.period_start > (MONTH_LASTS if episode.period == MONTH else DAY_LASTS)


def _order(measurement: Measurement) -> int:
    """Return the sort key by which kinds that cover others come before them."""
    return _ORDER.get(measurement.kind, 3)


def _is_away(episode: Episode, scopes: Sequence[Pool]) -> bool:
    """Return whether an episode is of queues of which none is there any more."""
    own = Pool(episode.queue, episode.queues).keys
    return bool(scopes and episode.queue) and all(own.isdisjoint(scope.keys) for scope in scopes)


def _passed(episode: Episode) -> list[tuple[Episode, AlertChange]]:
    return _ended(episode, AlertReason.ITS_DAY_HAS_PASSED)


def _ended(episode: Episode, reason: AlertReason) -> list[tuple[Episode, AlertChange]]:
    """Return the end of an episode whose trouble is not known to be over; nothing where it was never raised."""
    return [(structs.replace(episode, reason=reason), AlertChange.CLEARED)] if episode.raised else []


def _not_ahead(episode: Episode, now: datetime) -> Episode:
    """Return the episode without a moment after `now`, which would hold it up for as long as a clock was set back."""
    names = ("since", "low_since", "lost_since", "told_at", "unmeasured_since")
    ahead = {name: now for name in names if (moment := getattr(episode, name)) is not None and moment > now}
    return structs.replace(episode, **ahead) if ahead else episode


def _placed(
    state: State, scopes: Sequence[Pool], now: datetime
) -> tuple[dict[Key, Episode], list[tuple[Episode, AlertChange]]]:
    """Return the episodes by the present queues and pools; where two become one, the graver is kept."""
    episodes: dict[Key, Episode] = {}
    changes: list[tuple[Episode, AlertChange]] = []
    present = (_not_ahead(episode, now) for episode in state.episodes)
    for episode in sorted(present, key=lambda e: (e.told_at is None, -SEVERITY[e.level], e.since)):
        scope = _scope_of(episode, scopes)
        moved = structs.replace(episode, queue=scope.name, queues=scope.queues)
        if moved.key not in episodes:
            episodes[moved.key] = moved
            continue
        kept = episodes[moved.key]
        queues = tuple(dict.fromkeys((*kept.told_queues, *episode.told_queues)))
        told_at = max(filter(None, (kept.told_at, episode.told_at)), default=None)
        episodes[moved.key] = structs.replace(kept, told_at=told_at, told_queues=queues)
        if episode.raised:
            changes.append((structs.replace(episode, reason=AlertReason.JOINED), AlertChange.CLEARED))
    return episodes, changes


def _scope_of(episode: Episode, scopes: Sequence[Pool]) -> Pool:
    """Return the scope that has most of an episode's queues, or the episode's own queue when none has any."""
    own = Pool(episode.queue, episode.queues)
    best = max(scopes, key=lambda scope: (len(own.keys & scope.keys), scope == own), default=own)
    return best if own.keys & best.keys else own


def _step(
    before: Episode | None, measurement: Measurement, rule: Policy, now: datetime, times: int
) -> tuple[Episode | None, AlertChange | None]:
    """Return the next episode of one topic and its change; (None, None) when nothing is wrong.

    `times`: how often people were notified of earlier episodes in this period.
    """
    level = rule.level(measurement.value)
    if level is AlertLevel.ALARM and measurement.at_most_warning:
        level = AlertLevel.WARNING if rule.warning_at is not None else None
    if before is None:
        if level is None or not measurement.may_raise or measurement.day_over:
            return None, None
        before = _begun(measurement, level, now, times)
    if measurement.day_over:
        ended = _read(before, measurement, reason=AlertReason.DAY_ENDED)
        return (ended, AlertChange.CLEARED) if before.raised else (None, None)
    before, measurement = _unless_lost(before, measurement, now)
    if not before.raised:
        return _raise(before, measurement, rule, level, now)
    if before.kind is AlertKind.TARGET_OUT_OF_REACH:
        return _lost(before, measurement, rule, now)
    if level is not None and _is_worse(before, measurement, level):
        worse = _read(before, measurement, kind=measurement.kind, level=level, eased=False, low_since=None)
        return worse, AlertChange.UPDATED
    return _lower(before, measurement, rule, now)


def _unless_lost(before: Episode, measurement: Measurement, now: datetime) -> tuple[Episode, Measurement]:
    """Treat a day that nobody could save now as at risk, until that has stood for `LOST_AFTER`."""
    if before.kind is AlertKind.TARGET_OUT_OF_REACH:
        return before, measurement
    if measurement.kind is not AlertKind.TARGET_OUT_OF_REACH:
        return structs.replace(before, lost_since=None), measurement
    lost_since = before.lost_since or now
    if now - lost_since >= LOST_AFTER:
        return before, measurement
    at_risk = structs.replace(measurement, kind=AlertKind.TARGET_AT_RISK, reason=AlertReason.CHANCE_OF_MISSING)
    return structs.replace(before, lost_since=lost_since), at_risk


def _ease_after(episode: Episode, rule: Policy) -> timedelta:
    """Return the time to ease, which doubles each time people have been notified anew: recurring trouble ends later."""
    again = min(max(0, episode.times - 1), 8)
    return min(rule.ease_after * (1 << again), max(rule.ease_after, MAX_EASING))


def _begun(measurement: Measurement, level: AlertLevel, now: datetime, times: int) -> Episode:
    named = f"{topic(measurement.kind)} {measurement.queue} {measurement.period} {now.isoformat()}"
    return Episode(
        id=hashlib.sha256(named.encode()).hexdigest()[:16],
        kind=AlertKind.TARGET_AT_RISK if measurement.kind is AlertKind.TARGET_OUT_OF_REACH else measurement.kind,
        queue=measurement.queue,
        queues=measurement.queues,
        first_queue=measurement.queue,
        label=measurement.label,
        period=measurement.period,
        period_start=measurement.period_start,
        since=now,
        level=level,
        reason=measurement.reason,
        figures=measurement.figures,
        times=times,
    )


def _raise(
    before: Episode, measurement: Measurement, rule: Policy, level: AlertLevel | None, now: datetime
) -> tuple[Episode | None, AlertChange | None]:
    if level is None:
        return None, None
    seen = _read(before, measurement, kind=measurement.kind, level=level)
    if now - before.since < rule.hold:
        return seen, None
    return structs.replace(seen, raised=True), AlertChange.RAISED


def _lost(before: Episode, measurement: Measurement, rule: Policy, now: datetime) -> tuple[Episode, AlertChange | None]:
    """Keep a lost day as it is, and close its episode only when the measure has recovered for the time to ease."""
    if measurement.value >= rule.ends_under:
        return _read(before, measurement, reason=before.reason, low_since=None), None
    low_since = before.low_since or now
    if now - low_since < _ease_after(before, rule):
        return _read(before, measurement, reason=before.reason, low_since=low_since), None
    return _read(before, measurement, reason=AlertReason.AS_USUAL), AlertChange.CLEARED


def _is_worse(before: Episode, measurement: Measurement, level: AlertLevel) -> bool:
    if measurement.kind is AlertKind.TARGET_OUT_OF_REACH:
        return True
    if SEVERITY[level] > SEVERITY[before.level]:
        return True
    return before.eased and level is before.level


def _lower(
    before: Episode, measurement: Measurement, rule: Policy, now: datetime
) -> tuple[Episode, AlertChange | None]:
    """Ease an episode that has been low for long enough, and end it when its measure is under `ends_under`."""
    if before.eased:
        if measurement.value < rule.ends_under:
            return _read(before, measurement, reason=AlertReason.AS_USUAL), AlertChange.CLEARED
        return _read(before, measurement), None
    if measurement.value >= rule.eases_under(before.level):
        return _read(before, measurement, low_since=None), None
    low_since = before.low_since or now
    if now - low_since < _ease_after(before, rule):
        return _read(before, measurement, low_since=low_since), None
    if measurement.value < rule.ends_under:
        return _read(before, measurement, reason=AlertReason.AS_USUAL), AlertChange.CLEARED
    return _read(before, measurement, eased=True, low_since=None), AlertChange.EASED


def _read(before: Episode, measurement: Measurement, **changed: object) -> Episode:
    """Return the episode with the present measurement's label, figures and reason."""
    now = {"label": measurement.label, "figures": measurement.figures, "reason": measurement.reason}
    return structs.replace(before, **{**now, **changed})
