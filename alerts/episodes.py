"""One matter of one queue or pool from when it is first seen to its end, and every matter that is not over.

The state is written to the store with what it made people hear, so that a restart says nothing twice and forgets
nothing.
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
"""What it is about, queue, period: of one key there is one episode at a time."""


class Episode(Struct, frozen=True, kw_only=True):
    """One matter from when it is first seen. `raised` is false while it must still stand for a while.

    `low_since`: since when it has been low enough to ease. `lost_since`: since when nobody could save the day.
    `told_at`: when people were last sent how bad it is; None never.
    `times`: how often it has come to them, or come back, since its period began.
    `last_notified`: the last change that they were sent.
    `pending`: an alarm not sent yet, because one was sent just before or another one covers it.
    `grouped`: what a surge has covered.
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
    grouped: tuple[AlertKind, ...] = ()
    queues: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.queue and not self.queues:
            structs.force_setattr(self, "queues", queues_in(self.queue))

    @property
    def key(self) -> Key:
        return topic(self.kind), self.queue, self.period

    @property
    def is_alarm(self) -> bool:
        """Raised, an alarm, and not eased."""
        return self.raised and self.level is AlertLevel.ALARM and not self.eased


class EndedEpisode(Struct, frozen=True):
    """An episode that is over, as far as it bears on the next of its kind: how often people were told of it."""

    key: Key
    period_start: datetime
    times: int


class State(Struct, frozen=True):
    """Every episode that is not over, what is worth knowing of those that are, and what somebody has declared or put
    on the walls.
    """

    episodes: tuple[Episode, ...] = ()
    past: tuple[EndedEpisode, ...] = ()
    crisis: Crisis | None = None
    banner: Banner | None = None

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
        return tuple(sorted(raised, key=lambda e: (-SEVERITY[e.level], e.eased, e.since, e.key)))


def topic(kind: AlertKind) -> str:
    """What an alert is about: the target at risk and the target lost are one matter."""
    return TARGET if kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH) else kind.value


def as_alert(episode: Episode, change: AlertChange, at: datetime, notified: str) -> Alert:
    """A change of an episode, as it is written down and sent."""
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
    )
