"""Opening hours as they are shown, and where switch and calendar disagree."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct


class HoursDoubt(StrEnum):
    """What the switch does that the calendar denies."""

    ANSWERED_WHILE_CLOSED = "answered_while_closed"
    REFUSED_WHILE_OPEN = "refused_while_open"


class Disagreement(Struct, frozen=True, kw_only=True):
    """Where switch and calendar differ, of one queue on one local day: how often, and from when to when."""

    queue: str
    day: date
    doubt: HoursDoubt
    calls: int
    first: datetime
    last: datetime


class CalendarDay(Struct, frozen=True, kw_only=True):
    """One local day of the opening hours: its open stretches (UTC), their minutes, and why they are as they are.

    `kind` is a stable word (`weekday`, `squeezed`, `closed` …); `holiday` the public holiday's name; `reason` why the
    day is not as usual, in words; `to_confirm`: many shorten this day, and the settings say nothing of it.
    """

    day: date
    kind: str
    spans: tuple[tuple[datetime, datetime], ...]
    open_minutes: float
    holiday: str = ""
    reason: str = ""
    closures: tuple["PlannedClosure", ...] = ()
    to_confirm: str = ""


class PlannedClosure(Struct, frozen=True, kw_only=True):
    """A stretch of a day that is taken out of its opening hours (UTC), and why."""

    start: datetime
    end: datetime
    reason: str


class Hours(Struct, frozen=True, kw_only=True, gc=False):
    """Opening hours as they bear on now. `note` says why the day differs, if it does."""

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    note: str = ""
