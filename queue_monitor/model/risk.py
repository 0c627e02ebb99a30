"""The forecast of a day or month, the expected wait, and the levels from which either is a risk."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class RiskLevels(Struct, frozen=True, kw_only=True):
    """From which chance of ending under its target on a day is at risk, and a warning; an alarm; and a month an alarm.
    One set for status, advice and alerts (docs/at-risk.md, steps 6 and 9); how they were chosen is in docs/forecast.md.
    """

    warning: float = 0.6
    alarm: float = 0.74
    month: float = 0.7


class Reserve(Struct, frozen=True, kw_only=True):
    """Who could help beyond those in the phones: those logged in and paused, and so many from other work. Nobody is in
    the phones sooner than `ready_after_minutes` from the call for help.
    """

    can_be_called_in: int = 4
    ready_after_minutes: int = 10


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
