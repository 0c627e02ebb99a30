"""The settings of alerts: when alerts are sent, to whom, and through which channels."""

import datetime as dt
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.model import AlertKind, RiskLevels

Line = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*\S)[^\n\r\x0b\x0c\x85\u2028\u2029]{1,200}$",
        description="text on one line, not blank, of at most 200 characters",
    ),
]
"""A text that people are shown on a wall, a page or in a message."""

LineOrNone = Annotated[
    str,
    Meta(
        pattern=r"^[^\n\r\x0b\x0c\x85\u2028\u2029]{0,200}$",
        description="text on one line of at most 200 characters",
    ),
]
"""The same, which may be left out."""

Chance = Annotated[float, Meta(gt=0, le=1, description="a share above 0 and at most 1, such as 0.95")]


LEVELS: Final = RiskLevels()


def require(met: bool, words: str) -> None:
    if not met:
        raise ValueError(words)


class AlertChannel(Struct, frozen=True, kw_only=True):
    """A way to reach people. `kind` is the name of a file in `alerts/notifiers`, or of one that another package has
    installed; `fallback` names the channel to take when this one fails.

    `name`: yours to choose.
    `url`: its address, which mostly holds a password: write `env:NAME`.
    """

    name: Line
    kind: str = "apprise"
    url: Annotated[str, Meta(min_length=1)]
    fallback: str = ""


class AlertRecipient(Struct, frozen=True, kw_only=True):
    """A recipient and the alerts that he or she is sent. Without `kinds` and `queues` all are sent, except the sign of
    life, which is for those whose `kinds` name it; in the quiet hours nothing is sent until they end.

    `name`: the recipient's name.
    `channel`: the channel to use.
    `quiet_from`: when the quiet hours begin, local time.
    `quiet_to`: when the quiet hours end.
    `only_escalations`: true for a recipient who is sent an alarm only when nobody acknowledges it.
    """

    name: Line
    channel: str
    kinds: tuple[AlertKind, ...] = ()
    queues: tuple[str, ...] = ()
    quiet_from: dt.time | None = None
    quiet_to: dt.time | None = None
    only_escalations: bool = False

    def __post_init__(self) -> None:
        require((self.quiet_from is None) == (self.quiet_to is None), "both quiet_from and quiet_to, or neither")
        require(self.quiet_from is None or self.quiet_from != self.quiet_to, "quiet_from and quiet_to that differ")


class AlertsSettings(Struct, frozen=True, kw_only=True):
    """The levels at which something is wrong, and the recipients. Without channels only the screens show alerts.

    `link`: the address under which people reach this monitor; with it, messages carry a link to acknowledge.
    `warning_chance`: from this chance of missing the day's target on, the day is at risk and the screens warn.
    `alarm_chance`: from this chance on, an alarm is sent.
    `month_chance`: the same for the month.
    `alarm_without_staff`: send alarms about the target also where no source reports who is logged in.
    `long_wait_seconds`: a warning when somebody has waited this long.
    `long_wait_alarm_seconds`: an alarm when somebody has waited this long.
    `refused_alarm_ratio`: an alarm when this share of the calls is turned away at the door.
    `surge_factor`: an alarm when this many times as many call as usual.
    `heartbeat`: when a sign of life is sent each day, to those whose `kinds` name it.
    `tries`: how many times a message is tried on a channel before its fallback is used.
    `give_up_after_minutes`: a message that is older is no longer sent.
    `escalate_to`: the recipient of an alarm that nobody acknowledges.
    `escalate_after_minutes`: the time after which an alarm is escalated.
    `channels`: channels to people, one table for each.
    `recipients`: the recipients, one table for each.
    """

    warning_chance: Chance = LEVELS.warning
    alarm_chance: Chance = LEVELS.alarm
    month_chance: Chance = LEVELS.month
    alarm_without_staff: bool = True
    long_wait_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    long_wait_alarm_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 600
    refused_alarm_ratio: Chance = 0.1
    surge_factor: Annotated[float, Meta(gt=1, le=1000)] = 3.0
    heartbeat: dt.time | None = None
    link: Annotated[
        str, Meta(pattern=r"^(https?://[^?#\s]+)?$", description="an address such as https://monitor.example")
    ] = ""
    tries: Annotated[int, Meta(ge=1, le=20)] = 3
    give_up_after_minutes: Annotated[int, Meta(ge=1, le=1440)] = 30
    escalate_to: str = ""
    escalate_after_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    channels: tuple[AlertChannel, ...] = ()
    recipients: tuple[AlertRecipient, ...] = ()

    def __post_init__(self) -> None:
        require(self.warning_chance <= self.alarm_chance, "warning_chance at most alarm_chance")
        require(self.long_wait_seconds <= self.long_wait_alarm_seconds, "long_wait_seconds at most the alarm's")

    @property
    def levels(self) -> RiskLevels:
        return RiskLevels(warning=self.warning_chance, alarm=self.alarm_chance, month=self.month_chance)
