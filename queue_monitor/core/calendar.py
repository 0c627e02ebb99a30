"""Opening hours: the time in which the promise holds. Local time inside, UTC at the door; a day ends exactly at
closing.

The hours of a day come from the strongest of these: crisis hours, an exception, a public holiday, a period of other
hours, the week. Planned closures are then taken out of them, so that a day may have several open stretches.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.core import swedish_days
from queue_monitor.model import CalendarDay, PlannedClosure

LOOK_AHEAD_DAYS = 30
END_OF_DAY: Final = time.max
"""The value that stands for 24:00, which `time` cannot express."""

Span = tuple[datetime, datetime]


class DayHours(Struct, frozen=True, kw_only=True):
    """One day's opening: from `opens` to `closes`, local time; both None when closed all day. `reason` says why."""

    opens: time | None = None
    closes: time | None = None
    reason: str = ""


class Stretch(Struct, frozen=True, kw_only=True):
    """Other hours from one day to another, both included; on the weekdays named (Monday is 0), or on all."""

    first: date
    last: date
    hours: DayHours
    weekdays: frozenset[int] = frozenset(range(7))

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last and day.weekday() in self.weekdays


class Closure(Struct, frozen=True, kw_only=True):
    """A planned closure within a day, local time: a staff meeting, training. All day where no times are given."""

    day: date
    starts: time = time.min
    ends: time = END_OF_DAY
    reason: str = ""


class DayKind(StrEnum):
    """The kind of a day as it affects callers, for the usual figures of such days."""

    WEEKDAY = "weekday"
    AFTER_HOLIDAY = "after_holiday"
    SQUEEZED = "squeezed"
    BEFORE_HOLIDAY = "before_holiday"
    CLOSED = "closed"


class Calendar:
    """One queue's opening hours.

    `week`: an entry for each weekday, Monday first.
    `holiday`: returns the name of a day on which the queue is closed, "" for any other.
    `periods`, `crises`: of several that hold on one day, the last given counts.
    `earlier`: other hours of the past, each for the days before its date, the oldest first.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        week: tuple[DayHours, ...],
        exceptions: dict[date, DayHours] | None = None,
        *,
        holiday: Callable[[date], str] = swedish_days.none,
        periods: tuple[Stretch, ...] = (),
        closures: tuple[Closure, ...] = (),
        crises: tuple[Stretch, ...] = (),
        earlier: "tuple[tuple[date, Calendar], ...]" = (),
    ):
        if len(week) != 7:
            raise ValueError("a week has seven days")
        self.zone = zone
        self._week = week
        self._exceptions = exceptions or {}
        self._holiday = holiday
        self._periods = periods
        self._closures = closures
        self._crises = crises
        self._earlier = earlier
        self._last_stretch: Span | None = None
        self.span = lru_cache(maxsize=4096)(self._span)
        self.spans_of = lru_cache(maxsize=4096)(self._spans_of)

    def after(self, earlier: "tuple[tuple[date, Calendar], ...]") -> "Calendar":
        """Return these hours with others before them: each of those holds for the days before its date."""
        return Calendar(
            self.zone,
            self._week,
            self._exceptions,
            holiday=self._holiday,
            periods=self._periods,
            closures=self._closures,
            crises=self._crises,
            earlier=earlier,
        )

    def _on(self, day: date) -> "Calendar":
        """Return the hours in force on a day."""
        return next((calendar for until, calendar in self._earlier if day < until), self)

    def described(self) -> dict[str, object]:
        """Return all parts of the newest hours, by plain names."""
        return {
            "zone": self.zone.key,
            "week": self._week,
            "exceptions": {day.isoformat(): hours for day, hours in sorted(self._exceptions.items())},
            "holidays": getattr(self._holiday, "__name__", repr(self._holiday)),
            "periods": self._periods,
            "closures": self._closures,
            "crises": self._crises,
        }

    def day_of(self, at: datetime) -> date:
        """Return the local day that a moment belongs to."""
        return at.astimezone(self.zone).date()

    def hours(self, day: date) -> DayHours:
        """Return the day's hours before planned closures are taken out, with the reason why they are not the usual
        ones.
        """
        its = self._on(day)
        if crisis := _last_that_holds(its._crises, day):
            return crisis
        if exception := its._exceptions.get(day):
            return exception
        if name := its._holiday(day):
            return DayHours(reason=name)
        return _last_that_holds(its._periods, day) or its._week[day.weekday()]

    def note(self, day: date) -> str:
        """Return why the day is not as usual, closures with their times: `APT 12.00–13.00`; "" when it is."""
        reasons = [self.hours(day).reason]
        for closure in self._closures_of(day):
            times = "" if closure == Closure(day=day, reason=closure.reason) else _written(closure)
            reasons.append(" ".join(filter(None, (closure.reason, times))))
        return ", ".join(filter(None, reasons))

    def _closures_of(self, day: date) -> list[Closure]:
        """Return the planned closures of a day; none in a crisis, when everybody is called in."""
        its = self._on(day)
        if _last_that_holds(its._crises, day):
            return []
        return sorted((c for c in its._closures if c.day == day), key=lambda c: c.starts)

    def _spans_of(self, day: date) -> tuple[Span, ...]:
        """Return the open stretches of a day in order, UTC; none when closed."""
        hours = self.hours(day)
        if hours.opens is None or hours.closes is None or hours.opens >= hours.closes:
            return ()
        opens, closes = self._moment(day, hours.opens), self._moment(day, hours.closes)
        spans = [(opens, closes)] if opens < closes else []
        for closure in self._closures_of(day):
            starts, ends = self._moment(day, closure.starts), self._moment(day, closure.ends)
            spans = [part for span in spans for part in _without(span, starts, ends)]
        return tuple(spans)

    def midnight(self, day: date) -> datetime:
        """Return when a local day begins, UTC."""
        return day_bounds(day, self.zone)[0]

    def _moment(self, day: date, at: time) -> datetime:
        """Return the first moment at which a clock of this place shows this time, or for the first time a later one."""
        day, at = (day + timedelta(days=1), time.min) if at == END_OF_DAY else (day, at)
        local = datetime.combine(day, at, self.zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        # the clocks were set forward over this time, some minutes or an hour before
        offset = moment.astimezone(self.zone).utcoffset()
        moment = moment.replace(second=0, microsecond=0)
        while (moment - timedelta(minutes=1)).astimezone(self.zone).utcoffset() == offset:
            moment -= timedelta(minutes=1)
        return moment

    def _span(self, day: date) -> Span | None:
        """Return first opening and last closing of a day, UTC; None when closed. Closures
        between them count as within.
        """
        spans = self.spans_of(day)
        return (spans[0][0], spans[-1][1]) if spans else None

    def stretch(self, at: datetime) -> Span | None:
        """Return the open stretch that a moment lies in; None when closed."""
        last = self._last_stretch  # the next question is mostly of the same stretch
        if last is not None and last[0] <= at < last[1]:
            return last
        found = next((span for span in self.spans_of(self.day_of(at)) if span[0] <= at < span[1]), None)
        self._last_stretch = found or last
        return found

    def is_open(self, at: datetime) -> bool:
        """Return whether a moment is within opening hours: open at 08:00:00, closed at 17:00:00."""
        return self.stretch(at) is not None

    def is_over(self, at: datetime) -> bool:
        """Return whether the local day has no open minute left."""
        span = self.span(self.day_of(at))
        return span is None or span[1] <= at

    def next_opening(self, at: datetime) -> datetime | None:
        """Return the first opening at or after a moment, within the next month; None when there is none."""
        return next((opens for opens, _ in self._spans_from(at) if opens >= at), None)

    def closing(self, at: datetime) -> datetime | None:
        """Return when the present opening ends; None when closed."""
        stretch = self.stretch(at)
        return stretch[1] if stretch else None

    def spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        """Yield the open stretches between two moments, cut to them."""
        day, last = self.day_of(start), self.day_of(end)
        while day <= last:
            for opens, closes in self.spans_of(day):
                if opens < end and closes > start:
                    yield max(opens, start), min(closes, end)
            day += timedelta(days=1)

    def open_minutes(self, start: datetime, end: datetime) -> float:
        """Return the open minutes between two moments."""
        return sum((closes - opens).total_seconds() / 60 for opens, closes in self.spans(start, end))

    def kind(self, day: date) -> DayKind:
        """Return the kind of a day.

        One open day between days off is squeezed where a holiday made it so. A day next to a weekend counts as beside a
        holiday only where the holiday took a working day.
        """
        if not self.spans_of(day):
            return DayKind.CLOSED
        before, after = self._days_off(day, -1), self._days_off(day, 1)
        lost_before, lost_after = any(map(self._is_lost, before)), any(map(self._is_lost, after))
        if before and after and (lost_before or lost_after):
            return DayKind.SQUEEZED
        if lost_after or (after and self._on(after[0])._holiday(after[0])):
            return DayKind.BEFORE_HOLIDAY
        return DayKind.AFTER_HOLIDAY if lost_before else DayKind.WEEKDAY

    def _days_off(self, day: date, step: int) -> list[date]:
        """Return the closed days next to a day, in one direction."""
        found: list[date] = []
        while len(found) < LOOK_AHEAD_DAYS and not self.spans_of(day + timedelta(days=step * (len(found) + 1))):
            found.append(day + timedelta(days=step * (len(found) + 1)))
        return found

    def _is_lost(self, day: date) -> bool:
        """Return whether a day is a holiday on a weekday that is otherwise open."""
        its = self._on(day)
        return bool(its._holiday(day)) and its._week[day.weekday()].opens is not None

    def days_to_confirm(self, first: date, last: date) -> list[tuple[date, str]]:
        """Return open days that may be shortened in Sweden and have no setting here; they count in full."""
        days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
        return [
            (day, swedish_days.half_holiday(day))
            for day in days
            if self._on(day)._holiday is not swedish_days.none
            and swedish_days.half_holiday(day)
            and day not in self._on(day)._exceptions
            and self.spans_of(day)
        ]

    def days(self, first: date, last: date) -> list[CalendarDay]:
        """Return the hours of the days from `first` to `last`, both included."""
        confirm = dict(self.days_to_confirm(first, last))
        wanted = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
        return [self._day(day, confirm.get(day, "")) for day in wanted]

    def _day(self, day: date, to_confirm: str) -> CalendarDay:
        spans = self.spans_of(day)
        return CalendarDay(
            day=day,
            kind=self.kind(day).value,
            spans=spans,
            open_minutes=sum((closes - opens).total_seconds() / 60 for opens, closes in spans),
            holiday=self._on(day)._holiday(day),
            reason=self.note(day),
            closures=tuple(
                PlannedClosure(start=self._moment(day, c.starts), end=self._moment(day, c.ends), reason=c.reason)
                for c in self._closures_of(day)
            ),
            to_confirm=to_confirm,
        )

    def _spans_from(self, at: datetime) -> Iterator[Span]:
        first = self.day_of(at)
        for ahead in range(LOOK_AHEAD_DAYS + 1):
            yield from self.spans_of(first + timedelta(days=ahead))


def _last_that_holds(stretches: tuple[Stretch, ...], day: date) -> DayHours | None:
    return next((stretch.hours for stretch in reversed(stretches) if stretch.holds(day)), None)


def _without(span: Span, starts: datetime, ends: datetime) -> Iterator[Span]:
    """Yield a span without the stretch between two moments: all of it, one or two pieces, or nothing."""
    opens, closes = span
    if ends <= opens or starts >= closes or ends <= starts:
        yield span
        return
    if opens < starts:
        yield opens, starts
    if ends < closes:
        yield ends, closes


def _written(closure: Closure) -> str:
    return f"{_clock(closure.starts)}–{_clock(closure.ends)}"


def _clock(at: time) -> str:
    return "24.00" if at == END_OF_DAY else f"{at.hour}.{at.minute:02}"


@lru_cache(maxsize=4096)
def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the bounds of a local day from midnight to midnight, UTC: 23, 24 or 25 hours."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    return start, end


def month_start(day: date) -> date:
    return day.replace(day=1)


def tertial_start(day: date) -> date:
    """Return the first day of the third of the year, the municipality's reporting period, that a day lies in.

    January, May and September begin one.
    """
    return day.replace(month=(day.month - 1) // 4 * 4 + 1, day=1)


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def week_start(day: date) -> date:
    return day - timedelta(days=day.weekday())


def tertial_end(start: date) -> date:
    """Return the first day of the next third of the year, given the first day of one."""
    end = start
    for _ in range(4):
        end = next_month(end)
    return end


def cut(start: datetime, end: datetime, step: str, zone: ZoneInfo) -> Iterable[tuple[datetime, datetime]]:
    """Yield the bounds of the intervals that touch a stretch.

    Short ones are cut in elapsed time, so that a repeated hour is two. By `whole`, the local days that the stretch
    touches are one interval.
    """
    if step in ("quarter", "hour"):
        seconds = 900 if step == "quarter" else 3600
        at = datetime.fromtimestamp(int(start.timestamp()) // seconds * seconds, UTC)
        while at < end:
            yield at, at + timedelta(seconds=seconds)
            at += timedelta(seconds=seconds)
        return
    if step == "whole":
        last = (end - timedelta(microseconds=1)).astimezone(zone).date()
        yield day_bounds(start.astimezone(zone).date(), zone)[0], day_bounds(last, zone)[1]
        return
    day = _step_start(start.astimezone(zone).date(), step)
    while (low := day_bounds(day, zone)[0]) < end:
        following = _step_next(day, step)
        yield low, day_bounds(following, zone)[0]
        day = following


def _step_start(day: date, step: str) -> date:
    starts = {"day": day, "week": week_start(day), "month": month_start(day), "tertial": tertial_start(day)}
    return day.replace(month=1, day=1) if step == "year" else starts[step]


def _step_next(day: date, step: str) -> date:
    if step == "tertial":
        return tertial_end(day)
    if step == "year":
        return day.replace(year=day.year + 1)
    return {"day": day + timedelta(days=1), "week": day + timedelta(days=7), "month": next_month(day)}[step]
