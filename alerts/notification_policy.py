"""The policy that decides whether people are notified of a change, with the reason.

People are notified once, of several things in one message, and never of trouble that nobody can help.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import structs

from alerts.episodes import Episode, Key, as_alert, topic
from alerts.rules import DAY, MONTH, NOW
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, AlertReason

TELL_AGAIN: Final = timedelta(minutes=30)
"""The shortest time between two messages about one episode that eases and grows worse again."""

MONTH_AGAIN: Final = timedelta(days=1)
"""The shortest time between two messages about a month: it turns slowly, and they are for the planning of days."""

TOGETHER_AGAIN: Final = timedelta(minutes=10)
"""The shortest time between two gathered messages while a surge or a crisis stands."""

KNOWN_FOR: Final = timedelta(minutes=5)
"""The time for which an episode without a measure still covers others, and stands though its queue is not there any
more; a start of the monitor is over by then.
"""

IN_A_SURGE: Final = (
    AlertKind.TARGET_OUT_OF_REACH,
    AlertKind.TARGET_AT_RISK,
    AlertKind.NO_AGENTS,
    AlertKind.LONG_WAIT,
    AlertKind.MANY_REFUSED,
)
"""The kinds that a surge covers in its queue, in the order of its message. A crisis covers them in all queues.

A crisis covers surges too.
"""
_GATHERING: Final = (AlertKind.SURGE, AlertKind.CRISIS)

Episodes = dict[Key, Episode]


class NotifyReason(StrEnum):
    """The reason why people are notified of a change, or why they are not."""

    ALARM = "alarm"
    OUT_OF_REACH = "out_of_reach"
    WORSE_AGAIN = "worse_again"
    TOOK_OVER = "took_over"
    TOGETHER = "together"
    EASED = "eased"
    OVER = "over"
    DAY_ENDED = "day_ended"
    SCREEN_ONLY = "screen_only"
    NOBODY_CAN_HELP = "nobody_can_help"
    NEVER_NOTIFIED = "never_told"
    NOTIFIED_LATELY = "told_lately"
    KNOWN = "known"
    COVERED = "covered"
    CLOSED = "closed"
    JOINED = "joined"
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
        NotifyReason.TOGETHER,
        NotifyReason.EASED,
        NotifyReason.OVER,
        NotifyReason.DAY_ENDED,
    }
)
_CAME: Final = frozenset({NotifyReason.ALARM, NotifyReason.TOOK_OVER, NotifyReason.WORSE_AGAIN})
_STILL_PENDING: Final = frozenset({NotifyReason.COVERED, NotifyReason.NOTIFIED_LATELY, NotifyReason.NOBODY_CAN_HELP})


def decide(
    episodes: Episodes, changes: Sequence[tuple[Episode, AlertChange]], now: datetime, measured: Collection[Key]
) -> list[Alert]:
    """Return each change with the decision whether people are notified, and remember the decision in `episodes`.

    An alarm that was held back is sent later only while it is as bad as that: it must be among the `measured` of this
    moment, and its measure must not have fallen since.
    """
    told = []
    for episode, change in changes:
        why = should_notify(episode, change, now, is_covered(episode, episodes, now))
        told.append(_told(episode, change, why, now, episodes))
    changed = {episode.key for episode, _ in changes}
    held_back = [each for each in episodes.values() if each.pending and not each.lower and each.key in measured]
    for episode in [each for each in held_back if each.key not in changed]:
        why = should_notify(episode, AlertChange.UPDATED, now, is_covered(episode, episodes, now))
        if why.notifies:
            told.append(_told(episode, AlertChange.UPDATED, why, now, episodes))
    surges = [each for each in episodes.values() if _must_gather(each, episodes, now)]
    return told + [_told(surge, AlertChange.UPDATED, NotifyReason.TOGETHER, now, episodes) for surge in surges]


def _told(episode: Episode, change: AlertChange, why: NotifyReason, now: datetime, episodes: Episodes) -> Alert:
    """Return the change as it is saved and sent, and remember in `episodes` what people were notified of."""
    if episode.kind in _GATHERING and change is not AlertChange.CLEARED:
        episode = _gathered(episode, episodes)
    known = episodes.get(episode.key)
    if known is not None and known.id == episode.id:
        episodes[episode.key] = _remembered(episode, change, why, now)
    return as_alert(episode, change, now, why.value)


def standing(episode: Episode) -> Alert:
    """Return an open episode as the screens show it."""
    change = AlertChange.EASED if episode.eased else AlertChange.RAISED
    why = NotifyReason.ALARM if episode.told_at else NotifyReason.SCREEN_ONLY
    return as_alert(episode, change, episode.since, why.value)


def _remembered(episode: Episode, change: AlertChange, why: NotifyReason, now: datetime) -> Episode:
    bad_news = why.notifies and change is not AlertChange.EASED
    return structs.replace(
        episode,
        told_at=now if bad_news else episode.told_at,
        told_queues=episode.queues if bad_news else episode.told_queues,
        times=episode.times + (why in _CAME),
        last_notified=change if why.notifies else episode.last_notified,
        pending=why in _STILL_PENDING and change is not AlertChange.EASED,
    )


def should_notify(episode: Episode, change: AlertChange, now: datetime, covered: bool) -> NotifyReason:
    """Return the reason to notify people of a change or not to. `episode` is its state after the change."""
    told = episode.told_at is not None
    if change is AlertChange.CLEARED:
        return _on_clearing(episode, told)
    if change is AlertChange.EASED:
        if covered:
            return NotifyReason.COVERED
        known = NotifyReason.KNOWN if episode.last_notified is AlertChange.EASED else NotifyReason.EASED
        return known if told else NotifyReason.NEVER_NOTIFIED
    if episode.level is AlertLevel.WARNING:
        return NotifyReason.SCREEN_ONLY
    if covered:
        return NotifyReason.COVERED
    if not told and _is_beyond_help(episode):
        return NotifyReason.NOBODY_CAN_HELP
    if episode.kind is AlertKind.TARGET_OUT_OF_REACH:
        return NotifyReason.OUT_OF_REACH
    if episode.told_at is None:
        return NotifyReason.TOOK_OVER if episode.pending else NotifyReason.ALARM
    again = MONTH_AGAIN if episode.period == MONTH else TELL_AGAIN
    return NotifyReason.WORSE_AGAIN if now - episode.told_at >= again else NotifyReason.NOTIFIED_LATELY


def _on_clearing(episode: Episode, told: bool) -> NotifyReason:
    """Return the reason for an end: it is not sent to people who were never notified, nor for a day before today."""
    if episode.reason is AlertReason.JOINED:
        return NotifyReason.JOINED
    if episode.reason is AlertReason.ITS_DAY_HAS_PASSED:
        return NotifyReason.TOO_OLD
    if not told:
        return NotifyReason.NEVER_NOTIFIED
    if episode.reason is AlertReason.DAY_ENDED:
        return NotifyReason.DAY_ENDED if topic(episode.kind) == "target" else NotifyReason.CLOSED
    return NotifyReason.OVER


def _is_beyond_help(episode: Episode) -> bool:
    """Return whether more agents would not help.

    No number of them would save the day; or the day is given up and none would shorten the queue.
    """
    risk = episode.figures.risk
    if topic(episode.kind) != "target" or risk is None or risk.reachable:
        return False
    return episode.kind is AlertKind.TARGET_AT_RISK or not risk.agents_for_queue


def is_covered(episode: Episode, episodes: Mapping[Key, Episode], now: datetime) -> bool:
    """Return whether another message covers this episode.

    A crisis covers all that goes with it, a surge covers the rest of its queue, a day at risk covers a long wait. Once
    the day is lost or has eased, a long wait is news again, because it can still be helped. A surge or a risk that
    could not be measured for a while, as without a forecast, covers nothing. What people were just told of a pool
    covers the queues that have left it.
    """
    if any(_has_told_of(each, episode, now) for each in episodes.values()):
        return True
    if episode.kind in (AlertKind.SURGE, *IN_A_SURGE) and episode.period != MONTH:
        crisis = episodes.get((AlertKind.CRISIS.value, "", NOW))
        if crisis is not None and crisis.raised:
            return True
    if episode.kind in IN_A_SURGE and episode.period != MONTH:
        surge = episodes.get((AlertKind.SURGE.value, episode.queue, NOW))
        if surge is not None and surge.raised and _is_known(surge, now):
            return True
    if episode.kind is not AlertKind.LONG_WAIT:
        return False
    day = episodes.get(("target", episode.queue, DAY))
    if day is None or day.told_at is None:
        return False
    return day.is_alarm and day.kind is AlertKind.TARGET_AT_RISK and _is_known(day, now)


def _has_told_of(told: Episode, episode: Episode, now: datetime) -> bool:
    """Return whether people were told lately, by the same matter of a pool, of the queues of another episode."""
    if told.id == episode.id or told.told_at is None or not episode.queues:
        return False
    same = topic(told.kind) == topic(episode.kind) and told.period == episode.period
    again = MONTH_AGAIN if episode.period == MONTH else TELL_AGAIN
    return same and set(episode.queues) <= set(told.told_queues) and now - told.told_at < again


def _is_known(episode: Episode, now: datetime) -> bool:
    """Return whether an episode is measured, or was until a moment ago."""
    return episode.unmeasured_since is None or now - episode.unmeasured_since < KNOWN_FOR


def _gathered(surge: Episode, episodes: Episodes) -> Episode:
    """Return a surge with the other trouble of its queue, or a crisis with that of all queues."""
    also = _also(surge, episodes)
    return structs.replace(surge, grouped=also, figures=structs.replace(surge.figures, also=also))


def _also(surge: Episode, episodes: Episodes) -> tuple[AlertKind, ...]:
    everywhere = surge.kind is AlertKind.CRISIS
    wrong = {
        each.kind
        for each in episodes.values()
        if (everywhere or each.queue == surge.queue) and each.period != MONTH and each.is_alarm and not each.lower
    }
    return tuple(kind for kind in IN_A_SURGE if kind in wrong)


def _must_gather(episode: Episode, episodes: Episodes, now: datetime) -> bool:
    """Return whether a surge or crisis that people know of now covers more, and a new message about it is due."""
    if episode.kind not in _GATHERING or not episode.raised or episode.told_at is None:
        return False
    if not _is_known(episode, now) or is_covered(episode, episodes, now):
        return False
    new = set(_also(episode, episodes)) - set(episode.grouped)
    return bool(new) and now - episode.told_at >= TOGETHER_AGAIN
