"""One look at the live state: every figure of every queue, pool and period at one moment."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, NamedTuple, Protocol, TypeVar

from msgspec import structs

from queue_monitor.core import assessment, service_level
from queue_monitor.core.agents import Agents, Staffing
from queue_monitor.core.calendar import Calendar, Span, day_bounds, month_start, next_month, tertial_end, tertial_start
from queue_monitor.core.counted import Counted, together
from queue_monitor.core.forecast import ExpectedWait
from queue_monitor.core.foresight import Foreseen
from queue_monitor.core.rules import Rules
from queue_monitor.core.series import FIELDS, Numbers, minute_after, minute_of
from queue_monitor.core.sources import Sources
from queue_monitor.core.windows import Calendars, Judged, NotHeld, Windows
from queue_monitor.events import milliseconds
from queue_monitor.model import (
    Bar,
    Contact,
    Counts,
    Coverage,
    Level,
    Outcome,
    Period,
    QueueNow,
    StatusReason,
    Target,
    Visit,
    WaitFigures,
    WaitingNow,
)
from queue_monitor.waits import Past

ROLLING: Final = {"15min": 15, "30min": 30, "60min": 60}
ESSENTIAL: Final = ("15min", "30min", "day", "month")
"""The periods that the alert rules read."""

MANY_QUEUES: Final = 32
"""The figures of so many queues together are worked out period by period, with a pause after each."""

MOST_REMEMBERED: Final = 8192
BAR_MINUTES: Final = 15

Names = tuple[str, ...] | None
"""The queues of a face; None for all."""

Scope = str | tuple[str, ...] | None
One = TypeVar("One")
Result = TypeVar("Result")


class Departed(NamedTuple):
    """One who left a queue a moment ago and may yet be answered: the minute of entry, and what the formula says now."""

    minute: int
    counts_as: str


class Watched(Protocol):
    """What a view looks at: `live.Live`."""

    rules: Rules
    calendars: Calendars
    agents: Agents
    counted: Counted
    sources: Sources

    @property
    def windows(self) -> Windows: ...

    def queues(self) -> list[str]: ...

    def switches(self, queues: tuple[str, ...]) -> tuple[str, ...]: ...

    def trouble(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None: ...

    def fresh(self, now: datetime) -> list[Foreseen]: ...

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage: ...

    def departed(self, now: datetime) -> dict[str, list[Departed]]: ...


class _Waiting(NamedTuple):
    """One who waits, placed once for every queue, pool and period. `queue` is casefolded."""

    queue: str
    contact: Contact
    visit: Visit
    wait_ms: int
    queue_wait_ms: int


class _Placed(NamedTuple):
    """One who waits, as a count: past the limit it is a miss already."""

    minute: int
    inside: bool
    early: bool
    field: int


class _Face(NamedTuple):
    """What figures are of: a queue, a pool or all together. `keys` are its queues casefolded, None for all."""

    name: str
    queues: tuple[str, ...]
    names: Names
    keys: tuple[str, ...] | None
    switches: tuple[str, ...]
    calendar: Calendar


class _DayNow(NamedTuple):
    """A calendar at this moment. `bounds` are of the local day."""

    is_open: bool
    is_over: bool
    hours: Span | None
    bounds: Span


class Memory:
    """Periods and bars of earlier snapshots with what they were made of: what is made of the same is not made again."""

    def __init__(self) -> None:
        self.periods: dict[tuple[str, Level, Names], tuple[tuple[object, ...], Period]] = {}
        self.bars: dict[datetime, tuple[tuple[object, ...], Bar]] = {}


class View:
    """One look at the live state: what waits now is asked once, and used for every queue and period.

    With `briefly`, only what decides something is worked out: the `ESSENTIAL` periods, of contacts, their waits and
    coverage left empty.
    """

    def __init__(
        self,
        live: Watched,
        now: datetime,
        waiting: list[tuple[Contact, Visit]],
        talking: list[Visit],
        ringing: set[str],
        *,
        briefly: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self._live = live
        self._briefly = briefly
        self._now = now
        self._memory = memory
        self._ringing = ringing
        self._waiting = [self._waits(contact, visit) for contact, visit in waiting]
        self._waiting_by_queue: dict[str, list[_Waiting]] = {}
        for one in self._waiting:
            self._waiting_by_queue.setdefault(one.queue, []).append(one)
        self._talking = Counter(visit.queue.casefold() for visit in talking)
        self._agents_in_talk = [visit.agent_id for visit in talking if visit.agent_id]
        self._staffing: Staffing | None = None
        self._in_time: dict[tuple[str, ...], dict[str, float]] = {}
        self._days: dict[int, _DayNow] = {}
        self._trouble: dict[tuple[str, ...], StatusReason | None] = {}
        self._coverage: dict[tuple[object, ...], Coverage] = {}
        self._departed = live.departed(now)
        self._placed: dict[Level, dict[str, list[_Placed]]] = {level: {} for level in Level}
        for contact, visit in waiting:
            self._place(contact, visit)
        self._fresh = live.fresh(now)
        self._foreseen_keys = [frozenset(queue.casefold() for queue in seen.queues) for seen in self._fresh]
        self._foreseen_at: dict[str, list[int]] = {}
        for at, keys in enumerate(self._foreseen_keys):
            for key in keys:
                self._foreseen_at.setdefault(key, []).append(at)
        sources = live.sources.now()
        precisions = [source.precision_ms for source in sources if not source.is_log]
        self._precision = max(precisions, default=0) or max((source.precision_ms for source in sources), default=1)
        self._stretches = list(self._bounds())
        self._stretch_minutes: dict[tuple[datetime, datetime], tuple[int, int]] = {}

    def _waits(self, contact: Contact, visit: Visit) -> _Waiting:
        queue_wait = 0 if visit.entered_at is None else max(0, milliseconds(self._now - visit.entered_at))
        before = contact.wait_ms or 0 if contact.outcome is Outcome.WAITING else 0
        return _Waiting(visit.queue.casefold(), contact, visit, before + queue_wait, queue_wait)

    def _place(self, contact: Contact, visit: Visit) -> None:
        """Those who wait count in their place too: past the limit they are misses already."""
        windows, target = self._live.windows, self._live.rules.target
        placed = [windows.place_visit(visit, self._now)]
        if contact.outcome is Outcome.WAITING:
            placed.append(windows.place_contact(contact, self._now))
        for judged in filter(None, placed):
            level, queue, inside, minute = judged.place
            field = FIELDS[service_level.judge(Outcome.WAITING, judged.wait_ms, target)]
            its = self._placed[level].setdefault(queue.casefold(), [])
            its.append(_Placed(minute, inside, judged.early, field))

    def _bounds(self) -> Iterator[tuple[str, datetime, datetime]]:
        """The periods that every face has, from when to when."""
        calendar = self._live.rules.calendar
        zone, today = calendar.zone, calendar.day_of(self._now)
        minute = self._now.replace(second=0, microsecond=0)
        for name, minutes in ROLLING.items():
            if not self._briefly or name in ESSENTIAL:
                yield name, minute - timedelta(minutes=minutes - 1), minute + timedelta(minutes=1)
        yield "day", *day_bounds(today, zone)
        month, tertial = month_start(today), tertial_start(today)
        yield "month", day_bounds(month, zone)[0], day_bounds(next_month(month), zone)[0]
        if not self._briefly:
            yield "tertial", day_bounds(tertial, zone)[0], day_bounds(tertial_end(tertial), zone)[0]

    def _face(self, name: str, queues: tuple[str, ...], scope: Scope) -> _Face:
        names = None if scope is None else (scope,) if isinstance(scope, str) else scope
        for queue in names or ():
            self._live.windows.name_of(queue)  # so that a queue is written in one way everywhere
        keys = None if names is None else tuple(dict.fromkeys(queue.casefold() for queue in names))
        calendar = self._live.calendars.of(queues[0]) if len(queues) == 1 else self._live.rules.calendar
        return _Face(name, queues, names, keys, self._live.switches(queues), calendar)

    def queue(self, name: str, queues: tuple[str, ...], scope: Scope) -> QueueNow:
        """Every figure of a queue, of a pool or of all."""
        return finished(self.queue_in_pieces(name, queues, scope))

    def queue_in_pieces(self, name: str, queues: tuple[str, ...], scope: Scope) -> Generator[None, None, QueueNow]:
        """The same, with a pause after each period where there are many queues."""
        face = self._face(name, queues, scope)
        periods: dict[str, Period] = {}
        for period, start, end in self._stretches:
            periods[period] = self._period(period, Level.CONTACT, face, start, end)
            if len(queues) > MANY_QUEUES:
                yield
        today = self._day_now(face.calendar)
        visits = periods["day"] if self._briefly else self._period("day", Level.VISIT, face, *today.bounds)
        if len(queues) > MANY_QUEUES:
            yield
        return self._queue_now(face, periods, visits, today)

    def _queue_now(self, face: _Face, periods: dict[str, Period], visits: Period, today: _DayNow) -> QueueNow:
        live, keys, queues = self._live, face.keys, face.queues
        foreseen, within = self._foreseen(queues)
        chances = self._chances(queues)
        lines = self._lines(keys, chances)
        counts = live.counted.of(queues)
        only_counted = bool(counts) and len(counts) == len(queues)
        trouble = self._trouble_of(face)
        if trouble is None and only_counted:
            trouble = StatusReason.COUNTS_ONLY
        count = together(counts) if counts else None
        oldest = [line.wait_ms for line in lines]
        if count is not None and count.oldest_wait_ms is not None:
            oldest.append(count.oldest_wait_ms)
        staff = self._staff().of(keys)
        labels = live.rules.labels
        wait = _wait(foreseen, queues)
        return QueueNow(
            name=face.name,
            label=" + ".join(labels.get(queue.casefold(), queue) for queue in queues) if face.name else "",
            queues=queues,
            waiting=lines,
            oldest_wait_ms=max(oldest, default=None),
            ringing=sum(line.ringing for line in lines),
            talking=self._talking.total() if keys is None else sum(self._talking[key] for key in keys),
            staff=count.staff if count and (only_counted or not staff.known) else staff,
            verdict=assessment.verdict(
                periods["day"],
                live.rules.target,
                trouble,
                closed=today.is_over,
                risk=foreseen.day if foreseen else None,
                levels=live.rules.levels,
            ),
            periods=periods,
            visits_today=visits,
            open=today.is_open,
            day_hours=today.hours,
            counted=None if count is None else count.waiting,
            expected_wait_seconds=wait.expected if wait else None,
            wait_range_seconds=wait.range if wait else None,
            unlikely=sum(line.in_time_chance is not None and line.in_time_chance < 0.5 for line in lines),
            margins=_margins(within, periods, live.rules.target),
            risk=foreseen.day if foreseen else None,
            month_risk=foreseen.month if foreseen else None,
            usual_quarter=foreseen.usual_quarter if foreseen else None,
        )

    def _day_now(self, calendar: Calendar) -> _DayNow:
        known = self._days.get(id(calendar))
        if known is None:
            day = calendar.day_of(self._now)
            known = self._days[id(calendar)] = _DayNow(
                calendar.is_open(self._now),
                calendar.is_over(self._now),
                calendar.span(day),
                day_bounds(day, calendar.zone),
            )
        return known

    def _trouble_of(self, face: _Face) -> StatusReason | None:
        if face.switches not in self._trouble:
            self._trouble[face.switches] = self._live.trouble(face.queues, self._now)
        return self._trouble[face.switches]

    def _staff(self) -> Staffing:
        if self._staffing is None:
            self._staffing = self._live.agents.staffing(self._agents_in_talk)
        return self._staffing

    # ---- who waits, and what is foretold

    def _lines(self, keys: tuple[str, ...] | None, chances: dict[str, float]) -> tuple[WaitingNow, ...]:
        if keys is not None and len(keys) == 1:
            its = self._waiting_by_queue.get(keys[0], [])
        else:
            its = self._waiting if keys is None else [one for one in self._waiting if one.queue in keys]
        return tuple(
            WaitingNow(
                visit_id=visit.visit_id,
                queue=visit.queue,
                position=place,
                entered_at=visit.entered_at,
                wait_ms=wait_ms,
                queue_wait_ms=queue_wait_ms,
                ringing=visit.visit_id in self._ringing,
                start_known=visit.start_known,
                in_time_chance=chances.get(visit.visit_id),
            )
            for place, (_, _, visit, wait_ms, queue_wait_ms) in enumerate(its, start=1)
        )

    def _foreseen(self, queues: tuple[str, ...]) -> tuple[Foreseen | None, list[Foreseen]]:
        """The forecast that bears on these queues: their pool's, of several pools the busiest's; and those of the pools
        and single queues that these queues hold, whole.
        """
        wanted = {queue.casefold() for queue in queues}
        places = sorted({at for key in wanted for at in self._foreseen_at.get(key, ())})
        found = [self._fresh[at] for at in places]
        within = [self._fresh[at] for at in places if self._foreseen_keys[at] <= wanted]
        busiest = max(found, key=lambda seen: seen.day.expected_calls or 0.0 if seen.day else 0.0, default=None)
        return busiest, within

    def _chances(self, queues: tuple[str, ...]) -> dict[str, float]:
        """The chance of each who waits in these queues to be answered in time, by place in the line of the pool."""
        found: dict[str, float] = {}
        for queue in queues if self._waiting else ():
            seen = self._foreseen((queue,))[0]
            if seen is None:
                continue
            if seen.queues not in self._in_time:
                self._in_time[seen.queues] = self._chances_of(seen)
            if len(queues) == 1:
                return self._in_time[seen.queues]
            found |= self._in_time[seen.queues]
        return found

    def _chances_of(self, seen: Foreseen) -> dict[str, float]:
        if seen.pace is None:
            return {}
        keys = {queue.casefold() for queue in seen.queues}
        line = [one for one in self._waiting if one.queue in keys and one.visit.visit_id not in self._ringing]
        chances = seen.pace.in_time([one.wait_ms / 1000 for one in line], self._live.rules.target.limit_seconds)
        return {one.visit.visit_id: chance for one, chance in zip(line, chances, strict=True)}

    # ---- periods

    def period(
        self, name: str, level: Level, names: Names, start: datetime, end: datetime, past: Past | None = None
    ) -> Period:
        """Every figure of one stretch of time; `past` is what the store has of the part that lies before the edge."""
        queues = tuple(self._live.queues()) if names is None else names
        face = self._face("", queues, names)
        return (
            self._period(name, level, face, start, end)
            if past is None
            else self._joined(name, level, face, start, end, past)
        )

    def _joined(self, name: str, level: Level, face: _Face, start: datetime, end: datetime, past: Past) -> Period:
        """What the store has of a stretch, what memory holds of it from the edge on, and who still waits wherever in it
        they entered.
        """
        live, windows = self._live, self._live.windows
        low, high = self._minutes(start, end)
        inside_now, outside_now = self._waiting_in(level, face.keys, low, high)
        inside, outside, coverage = past.inside, past.outside, past.coverage
        held = max(start, windows.edge or start)
        if held < end:
            first = minute_of(held)
            inside += Counts(*windows.numbers(level, face.keys, first, high, True))
            outside += Counts(*windows.numbers(level, face.keys, first, high, False))
            past.waits.merge(windows.waits_held(level, face.keys, first, high))
            coverage = live.coverage(face.queues, held, end, self._now).plus(coverage)
        return assessment.period(
            name,
            level,
            start,
            end,
            _counts(list(structs.astuple(inside)), inside_now),
            _counts(list(structs.astuple(outside)), outside_now),
            past.waits.figures(),
            coverage,
            self._precision,
            live.rules.target,
            self._returning(face.keys, low, high) if level is Level.CONTACT else service_level.NOBODY,
        )

    def _period(self, name: str, level: Level, face: _Face, start: datetime, end: datetime) -> Period:
        live = self._live
        low, high = self._minutes(start, end)
        inside_now, outside_now = self._waiting_in(level, face.keys, low, high)
        coverage = Coverage() if self._briefly else self._covered(face, start, end)
        returning = self._returning(face.keys, low, high) if level is Level.CONTACT else service_level.NOBODY
        windows, keys, target = live.windows, face.keys, live.rules.target
        version = windows.version(level, keys)
        made_of = (start, end, version, inside_now, outside_now, returning, coverage, self._precision, target)
        key = (name, level, keys)
        if self._memory is not None and (known := self._memory.periods.get(key)) and known[0] == made_of:
            return known[1]
        inside, outside = (self._numbers(level, keys, low, high, is_inside) for is_inside in (True, False))
        try:
            waits = WaitFigures() if self._briefly else windows.figures(level, keys, low, high)
        except NotHeld:
            if self._memory is None:
                raise
            waits = WaitFigures()
        found = assessment.period(
            name,
            level,
            start,
            end,
            _counts(inside, inside_now),
            _counts(outside, outside_now),
            waits,
            coverage,
            self._precision,
            target,
            returning,
        )
        if self._memory is not None:
            if len(self._memory.periods) > MOST_REMEMBERED:
                self._memory.periods.clear()
            self._memory.periods[key] = made_of, found
        return found

    def _numbers(self, level: Level, keys: tuple[str, ...] | None, low: int, high: int, inside: bool) -> Numbers:
        """The settled calls of these minutes. A snapshot has none of a day that memory holds only in sums: its clock
        was set back, until the pipeline has read that day again.
        """
        try:
            return self._live.windows.numbers(level, keys, low, high, inside)
        except NotHeld:
            if self._memory is None:
                raise
            return NO_CALLS

    def _minutes(self, start: datetime, end: datetime) -> tuple[int, int]:
        known = self._stretch_minutes.get((start, end))
        if known is None:
            known = self._stretch_minutes[start, end] = minute_of(start), minute_after(end)
        return known

    def _waiting_in(
        self, level: Level, keys: tuple[str, ...] | None, low: int, high: int
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Those who wait and count in these minutes, by field of `Counts`: inside opening hours and outside."""
        inside: dict[int, int] = {}
        outside: dict[int, int] = {}
        for minute, is_inside, early, field in _of(self._placed[level], keys):
            if low <= minute < high:
                found = inside if is_inside else outside
                found[field] = found.get(field, 0) + 1
                if early:
                    inside[_EARLY] = inside.get(_EARLY, 0) + 1
        return inside, outside

    def _returning(self, keys: tuple[str, ...] | None, low: int, high: int) -> service_level.Returning:
        if not self._departed:
            return service_level.NOBODY
        found = dict.fromkeys(service_level.Returning._fields, 0)
        for minute, counts_as in _of(self._departed, keys):
            if low <= minute < high:
                found[counts_as] += 1
        return service_level.Returning(**found)

    def _covered(self, face: _Face, start: datetime, end: datetime) -> Coverage:
        """How the open minutes were observed; of days held by the minute the same for all queues of a switch."""
        edge = self._live.windows.edge
        saved_of = face.queues if edge is not None and start < edge else ()
        key = (face.switches, id(face.calendar), start, end, saved_of)
        known = self._coverage.get(key)
        if known is None:
            known = self._coverage[key] = self._live.coverage(face.queues, start, end, self._now)
        return known

    def today(self) -> Iterable[Bar]:
        """Today by quarter of an hour, from opening, or the first call, to the last of them."""
        return finished(self.today_in_pieces())

    def today_in_pieces(self) -> Generator[None, None, list[Bar]]:
        """The same, with a pause after each bar that had to be worked out where there are many queues."""
        calendar, found = self._live.rules.calendar, list[Bar]()
        span = calendar.span(calendar.day_of(self._now))
        at = span[0] if span else self._now
        many = len(self._live.queues()) > MANY_QUEUES
        waiting = self._waiting_by_quarter(minute_of(at))
        while span is not None and at < min(span[1], self._now):
            bar, is_new = self._bar(at, waiting.get(minute_of(at), {}))
            found.append(bar)
            at += timedelta(minutes=BAR_MINUTES)
            if many and is_new:
                yield
        if self._memory is not None:
            for start in self._memory.bars.keys() - {bar.start for bar in found}:
                del self._memory.bars[start]
        return found

    def _waiting_by_quarter(self, first: int) -> dict[int, dict[int, int]]:
        """Those who wait and count inside opening hours, by the first minute of their bar and the field of `Counts`."""
        found: dict[int, dict[int, int]] = {}
        for minute, is_inside, early, field in _of(self._placed[Level.CONTACT], None):
            if is_inside:
                its = found.setdefault(minute - (minute - first) % BAR_MINUTES, {})
                for at in (field, _EARLY) if early else (field,):
                    its[at] = its.get(at, 0) + 1
        return found

    def _bar(self, at: datetime, waiting: dict[int, int]) -> tuple[Bar, bool]:
        """One bar, and whether it had to be worked out."""
        windows, target = self._live.windows, self._live.rules.target
        low = minute_of(at)
        high = low + BAR_MINUTES
        made_of = (windows.version_of_quarters(low, high), waiting, target)
        if self._memory is not None and (known := self._memory.bars.get(at)) and known[0] == made_of:
            return known[1], False
        counts = _counts(self._numbers(Level.CONTACT, None, low, high, True), waiting)
        bar = assessment.bar(at, counts, target.definition)
        if self._memory is not None:
            self._memory.bars[at] = made_of, bar
        return bar, True


_EARLY: Final = FIELDS["early"]
NO_CALLS: Final[Numbers] = [0] * len(FIELDS)


def _of(by_queue: dict[str, list[One]], keys: tuple[str, ...] | None) -> Iterable[One]:
    """What is held of some queues, of all."""
    if keys is not None and len(keys) == 1:
        return by_queue.get(keys[0], ())
    return chain.from_iterable(by_queue.values() if keys is None else filter(None, map(by_queue.get, keys)))


def finished(work: Generator[None, None, Result]) -> Result:
    """The result of work in pieces, done at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Result = done.value
            return result


def _counts(settled: Numbers, waiting: dict[int, int]) -> Counts:
    """Settled calls and those who wait."""
    if waiting:
        settled = list(settled)
        for at, number in waiting.items():
            settled[at] += number
    return Counts(*settled)


def _wait(seen: Foreseen | None, queues: tuple[str, ...]) -> ExpectedWait | None:
    """What the next caller should expect, of one queue of a pool by how its own waits have been."""
    if seen is None:
        return None
    return seen.own_waits.get(queues[0], seen.wait) if len(queues) == 1 else seen.wait


def _margins(seen: list[Foreseen], periods: dict[str, Period], target: Target) -> dict[str, int]:
    """Misses that still fit, by period, as far as the calls to come are foretold: of whole pools only, whose misses
    are counted over the same queues.
    """
    expected: dict[str, float] = {}
    for name, risk in ((name, risk) for one in seen for name, risk in (("day", one.day), ("month", one.month))):
        if risk is not None and risk.expected_calls is not None:
            expected[name] = expected.get(name, 0.0) + risk.expected_calls
    return {name: service_level.margin(target, calls, periods[name].misses) for name, calls in expected.items()}


def lies_in(
    judged: Judged, keys: frozenset[str] | None, start: datetime, end: datetime, inside: bool | None = True
) -> bool:
    if keys is not None and judged.place.queue.casefold() not in keys:
        return False
    if inside is not None and judged.place.inside is not inside:
        return False
    return int(start.timestamp()) // 60 <= judged.place.minute < -(-int(end.timestamp()) // 60)
