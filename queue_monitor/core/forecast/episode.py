"""When a person must know that the day is at risk, and when it is over: one episode from warning to end.

A pure state machine: the last episode and a reading in, the next episode out. AT-RISK, step 6.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

MINUTE: Final = 60.0


class Stage(StrEnum):
    """Quiet; a warning (on the screen); an alarm (pushed); eased, the risk remains; no number of agents helps today."""

    QUIET = "quiet"
    WARNING = "warning"
    ALARM = "alarm"
    EASED = "eased"
    OUT_OF_REACH = "out_of_reach"


class AlertRule(Struct, frozen=True, kw_only=True):
    """Chances are of missing the day's target. Ease after `ease_minutes` under `ease_share` of the threshold."""

    warning: float = 0.85
    alarm: float = 0.95
    ease_share: float = 0.7
    ease_minutes: float = 15.0
    end: float = 0.2
    not_before_minutes: float = 15.0
    least_calls: int = 20
    alarm_without_staff: bool = True


RULE: Final = AlertRule()


class Reading(Struct, frozen=True, kw_only=True):
    """One look at a day: when (s after midnight), minutes since opening, chance to miss, calls so far, whether any
    feasible number of agents still saves it, whether staff is told or inferred.
    """

    at: float
    open_minutes: float
    p_miss: float
    calls: int
    reachable: bool = True
    staff_known: bool = True


class Episode(Struct, frozen=True, kw_only=True):
    """Where the day stands. `since`: when this stage began; `raised_at`, `alarmed_at`: when the episode, and its
    first alarm, began. `low_since`: since when the chance has been under what this stage eases at.
    """

    stage: Stage = Stage.QUIET
    since: float | None = None
    raised_at: float | None = None
    alarmed_at: float | None = None
    low_since: float | None = None

    @property
    def active(self) -> bool:
        return self.stage is not Stage.QUIET


def advance(before: Episode, reading: Reading, rule: AlertRule = RULE) -> Episode:
    """The episode after one more reading. Out of reach lasts until the day is over; the next begins anew."""
    if before.stage is Stage.OUT_OF_REACH:
        return before
    if before.stage is Stage.QUIET and (
        reading.open_minutes < rule.not_before_minutes or reading.calls < rule.least_calls
    ):
        return before
    stage = _raised(before.stage, reading, rule)
    if stage is not before.stage:
        return _entered(before, stage, reading.at)
    return _lowered(before, reading, rule)


def _raised(stage: Stage, reading: Reading, rule: AlertRule) -> Stage:
    """A higher stage if the chance has reached it. No new alarm where nobody could help."""
    may_alarm = reading.staff_known or rule.alarm_without_staff
    if reading.p_miss >= rule.alarm and not reading.reachable:
        return Stage.OUT_OF_REACH
    if reading.p_miss >= rule.alarm and may_alarm:
        return Stage.ALARM
    if reading.p_miss >= rule.warning and stage in (Stage.QUIET, Stage.EASED):
        return Stage.WARNING
    return stage


def _lowered(before: Episode, reading: Reading, rule: AlertRule) -> Episode:
    """Ease when the chance has been low for long enough, end when hardly any risk is left."""
    if before.stage is Stage.QUIET:
        return before
    if before.stage is Stage.EASED:
        return Episode(since=reading.at) if reading.p_miss < rule.end else before
    threshold = rule.alarm if before.stage is Stage.ALARM else rule.warning
    if reading.p_miss >= rule.ease_share * threshold:
        return structs.replace(before, low_since=None)
    low_since = reading.at if before.low_since is None else before.low_since
    if reading.at - low_since < rule.ease_minutes * MINUTE:
        return structs.replace(before, low_since=low_since)
    if reading.p_miss < rule.end:
        return Episode(since=reading.at)
    return _entered(before, Stage.EASED, reading.at)


def _entered(before: Episode, stage: Stage, at: float) -> Episode:
    return Episode(
        stage=stage,
        since=at,
        raised_at=at if before.raised_at is None else before.raised_at,
        alarmed_at=at if stage is Stage.ALARM and before.alarmed_at is None else before.alarmed_at,
    )
