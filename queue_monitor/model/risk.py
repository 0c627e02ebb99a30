"""The forecast of a day or month, the expected wait, and the levels from which either is a risk."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class RiskLevels(Struct, frozen=True, kw_only=True):
    """The chances of missing the target from which a day is at risk (`warning`), a day is an alarm (`alarm`), and a
    month is an alarm (`month`).

    Status, advice and alerts use this one set (docs/at-risk.md, steps 6 and 9); docs/forecast.md says how the levels
    were chosen.
    """

    warning: float = 0.6
    alarm: float = 0.74
    month: float = 0.7


class Reserve(Struct, frozen=True, kw_only=True):
    """The people who could help beyond those who answer now: agents who are logged in and paused, and
    `can_be_called_in` people from other work.

    Nobody can answer sooner than `ready_after_minutes` after the call for help.
    """

    can_be_called_in: int = 4
    ready_after_minutes: int = 10


class RiskCause(StrEnum):
    """The figure that differs most from the usual, for the worse."""

    CALLS = "calls"
    STAFF = "staff"
    HANDLE_TIME = "handle_time"


class HelpOption(Struct, frozen=True, kw_only=True, gc=False):
    """An estimate of what `more` agents for the rest of the period would change.

    `p_miss`: the chance of ending under the target.
    `expected_share`: the expected share at the end of the period.
    """

    more: int
    p_miss: float
    expected_share: float


class RiskFigures(Struct, frozen=True, kw_only=True, gc=False):
    """The forecast of one queue's or pool's day (or month): a projection, not a fact.

    `p_miss`: the chance of ending under the target.
    `expected_share`, `expected_calls`: the figures of the whole period at its end.
    `low`, `high`: a range that holds the share 8 times of 10.
    `cause`: what differs from the usual, None when nothing differs much.
    `agents_for_queue`: more agents needed to clear the queue.
    `agents_for_day`: more agents needed to save the period if they stay until `until`. Both are None when not asked
        for, or when `agents_at_most`, all the people there are, would not be enough.
    `reachable`: whether more agents can still change how the period ends.
    `margin_ends_at`: when the margin is used up at the present rate.
    `options`: what each number of extra agents would change, from none on, where that was worked out.
    `staff_known`: the switch lists the agents; they are not inferred.
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
        """Return when the margin of `left` misses is used up, as every face shows it.

        It is an estimate, rounded down to whole five minutes where that is still to come. None where no margin is left,
        or the margin lasts.
        """
        ends = self.margin_ends_at
        if ends is None or ends <= now or left is None or left <= 0:
            return None
        about = ends - timedelta(seconds=ends.timestamp() % 300)
        return about if about > now else ends


class WaitBasis(StrEnum):
    """The source of an expected wait."""

    AT_ONCE = "at_once"
    STAFF = "staff"
    SERVED_LATELY = "served_lately"
    UNKNOWN = "unknown"


class ExpectedWait(Struct, frozen=True):
    """The expected wait in seconds; `low` to `high` holds 8 of 10 waits. All three are None where
    the basis is unknown.
    """

    expected: float | None
    low: float | None
    high: float | None
    basis: WaitBasis

    @property
    def range(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)

    def half_minutes(self) -> tuple[float, float] | None:
        """Return the range in minutes, rounded outward to half minutes."""
        if self.low is None or self.high is None:
            return None
        return math.floor(self.low / 30.0) / 2.0, math.ceil(self.high / 30.0) / 2.0


class ServiceSpeed(Protocol):
    """The speed at which a line moves over the next minutes."""

    def in_time(self, waited_seconds: Sequence[float], limit_seconds: float) -> list[float]:
        """Return each waiting caller's chance to be answered within the limit by staying; the first in line comes
        first.
        """


class Forecast(Struct, frozen=True, kw_only=True):
    """The forecast of one scope: the next caller's wait, the day, the month. A part is None where it cannot be said.

    `wait`: the wait in the scope as a whole.
    `own_waits`: the wait in each queue where there are several.
    `usual_quarter`: the usual number of calls in a quarter of an hour at this time.
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
