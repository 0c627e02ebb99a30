"""Opening hours as people see them, and disagreements between switch and calendar."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct


class HoursDoubt(StrEnum):
    """The kinds of disagreement: the switch does something that the calendar rules out."""

    ANSWERED_WHILE_CLOSED = "answered_while_closed"
    REFUSED_WHILE_OPEN = "refused_while_open"


class Disagreement(Struct, frozen=True, kw_only=True):
    """A disagreement between switch and calendar about one queue on one local day: the number of calls, and the first
    and last time.
    """

    queue: str
    day: date
    doubt: HoursDoubt
    calls: int
    first: datetime
    last: datetime


class CalendarDay(Struct, frozen=True, kw_only=True):
    """One local day of the opening hours: its open stretches (UTC), their minutes, and the reason for them.

    `kind`: a stable word (`weekday`, `squeezed`, `closed` …).
    `holiday`: the name of the public holiday.
    `reason`: why the day is not as usual, in words.
    `to_confirm`: the name of a day that many shorten, and of which the settings say nothing; else "".
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
    """A stretch of a day (UTC) that is taken out of its opening hours, and the reason."""

    start: datetime
    end: datetime
    reason: str


class Hours(Struct, frozen=True, kw_only=True, gc=False):
    """The opening hours at this moment: open or not, the next opening, the closing. `note` says why the day differs, if
    it does.
    """

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    note: str = ""
