"""Episodes: each is one topic of one queue or pool, from its first sight to its end; `State` holds all that are open.

The state is saved together with the notices that it led to, so that a restart repeats no message and loses no episode.
"""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct, field, structs

from queue_monitor.model import Alert, AlertChange, AlertFigures, AlertKind, AlertLevel, AlertReason, Banner, Crisis
from queue_monitor.queues import queues_in

SEVERITY: Final = {AlertLevel.WARNING: 1, AlertLevel.ALARM: 2}
TARGET: Final = "target"
Key = tuple[str, str, str]
"""The topic, the queue and the period; each key has at most one episode at a time."""


class Episode(Struct, frozen=True, kw_only=True):
    """One episode, from its first sight. `raised` is false until it has stood for the hold time of its kind.

    `low_since`: when the measure became low enough to ease.
    `lost_since`: when the day became impossible to save with any number of agents.
    `told_at`: when people were last sent how bad it is; None: never.
    `times`: how often it was notified as new or worse again since its period began.
    `last_notified`: the last change that people were sent.
    `pending`: true for an alarm not sent yet, because one was sent just before or another one covers it.
    `lower`: true while the measure is under the level of the episode, which stands until it eases or ends.
    `unmeasured_since`: since when there is no measure of it, as without a forecast; None while there is one.
    `grouped`: the kinds that a surge or crisis has covered.
    `told_queues`: the queues about which people were last told, also those that have left its pool since.
    `first_queue`: the queue or pool in which it began, also after that has become part of another.
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
    lost_since: datetime | None = None
    told_at: datetime | None = None
    times: int = 0
    last_notified: AlertChange | None = field(default=None, name="heard")
    pending: bool = field(default=False, name="owed")
    lower: bool = False
    unmeasured_since: datetime | None = None
    grouped: tuple[AlertKind, ...] = ()
    queues: tuple[str, ...] = ()
    first_queue: str = ""
    told_queues: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.queue and not self.queues:
            structs.force_setattr(self, "queues", queues_in(self.queue))

    @property
    def key(self) -> Key:
        return topic(self.kind), self.queue, self.period

    @property
    def is_alarm(self) -> bool:
        """Return whether the episode is raised, an alarm, and not eased."""
        return self.raised and self.level is AlertLevel.ALARM and not self.eased


class EndedEpisode(Struct, frozen=True):
    """An episode that is over, with the facts that matter to the next of its kind: how often people were notified of
    it.
    """

    key: Key
    period_start: datetime
    times: int


class State(Struct, frozen=True):
    """The state of all alerts: open episodes, the needed facts of ended ones, the declared crisis and the banner."""

    episodes: tuple[Episode, ...] = ()
    past: tuple[EndedEpisode, ...] = ()
    crisis: Crisis | None = None
    banner: Banner | None = None

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, raw: bytes) -> "State":
        """Read a saved state. Raises `msgspec.DecodeError` on other bytes."""
        return msgspec.json.decode(raw, type=cls)

    @property
    def open(self) -> tuple[Episode, ...]:
        """Return the raised episodes: a crisis first, as on the walls, then alarms, of each the oldest first."""
        raised = (episode for episode in self.episodes if episode.raised)
        return tuple(sorted(raised, key=_rank))


def _rank(episode: Episode) -> tuple[bool, int, bool, datetime, Key]:
    is_other = episode.kind is not AlertKind.CRISIS
    return is_other, -SEVERITY[episode.level], episode.eased, episode.since, episode.key


def topic(kind: AlertKind) -> str:
    """Return the topic of a kind of alert; "target at risk" and "target out of reach" are one topic."""
    return TARGET if kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH) else kind.value


def as_alert(episode: Episode, change: AlertChange, at: datetime, notified: str) -> Alert:
    """Return a change of an episode as the alert that is saved and sent."""
    return Alert(
        episode=episode.id,
        at=at,
        queue=episode.queue,
        queues=episode.queues,
        label=episode.label,
        kind=episode.kind,
        period=episode.period,
        level=episode.level,
        change=change,
        reason=episode.reason,
        figures=episode.figures,
        notified=notified,
        first_queue=episode.first_queue,
        lower=episode.lower and change in (AlertChange.RAISED, AlertChange.UPDATED),
    )
