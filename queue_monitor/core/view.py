"""One look at the live state: every figure of every queue, pool and period at one moment."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, Protocol

from queue_monitor.core import assessment, service_level
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import Calendar, day_bounds, month_start, next_month, tertial_end, tertial_start
from queue_monitor.core.counted import Counted, together
from queue_monitor.core.forecast import ExpectedWait
from queue_monitor.core.foresight import Foreseen
from queue_monitor.core.rules import Rules
from queue_monitor.core.sources import Sources
from queue_monitor.core.windows import Calendars, Judged, Windows
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

ROLLING: Final = {"15min": 15, "30min": 30, "60min": 60}
ESSENTIAL: Final = ("15min", "30min", "day", "month")
"""The periods that the alert rules read."""


class Watched(Protocol):
    """What a view looks at: `live.Live`."""

    rules: Rules
    calendars: Calendars
    windows: Windows
    agents: Agents
    counted: Counted
    sources: Sources

    def queues(self) -> list[str]: ...

    def trouble(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None: ...

    def foreseen_of(self, queues: tuple[str, ...], now: datetime) -> Foreseen | None: ...

    def foreseen_within(self, queues: tuple[str, ...], now: datetime) -> list[Foreseen]: ...

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage: ...

    def returning(
        self, queues: frozenset[str] | None, start: datetime, end: datetime, now: datetime
    ) -> service_level.Returning: ...


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
    ) -> None:
        self._live = live
        self._briefly = briefly
        self._now = now
        self._waiting = waiting
        self._talking = talking
        self._ringing = ringing
        self._in_time: dict[tuple[str, ...], dict[str, float]] = {}
        self._foreseen: dict[tuple[str, ...], Foreseen | None] = {}
        self._placed: dict[Level, dict[str, list[tuple[Judged, str]]]] = {level: {} for level in Level}
        for contact, visit in waiting:
            self._place(contact, visit)
        self._precision = max((s.precision_ms for s in live.sources.now() if not s.is_log), default=0) or max(
            (s.precision_ms for s in live.sources.now()), default=1
        )

    def _place(self, contact: Contact, visit: Visit) -> None:
        """Those who wait count in their place too: past the limit they are misses already."""
        windows, target = self._live.windows, self._live.rules.target
        placed = [windows.place_visit(visit, self._now)]
        if contact.outcome is Outcome.WAITING:
            placed.append(windows.place_contact(contact, self._now))
        for judged in filter(None, placed):
            field = service_level.judge(Outcome.WAITING, judged.wait_ms, target)
            by_queue = self._placed[judged.place.level]
            by_queue.setdefault(judged.place.queue.casefold(), []).append((judged, field))

    def queue(self, name: str, queues: tuple[str, ...], scope: str | tuple[str, ...] | None) -> QueueNow:
        names = None if scope is None else (scope,) if isinstance(scope, str) else scope
        keys = None if names is None else frozenset(n.casefold() for n in names)
        waiting = [
            (contact, visit) for contact, visit in self._waiting if keys is None or visit.queue.casefold() in keys
        ]
        chances = self._chances(queues)
        lines = tuple(self._line(at, contact, visit, chances) for at, (contact, visit) in enumerate(waiting, start=1))
        talking = [visit for visit in self._talking if keys is None or visit.queue.casefold() in keys]
        calendar = self._live.calendars.of(queues[0]) if len(queues) == 1 else self._live.rules.calendar
        periods = {p.name: p for p in self._periods(names)}
        today = self._today(calendar)
        counts = self._live.counted.of(queues)
        trouble = self._live.trouble(queues, self._now)
        only_counted = bool(counts) and len(counts) == len(queues)
        if trouble is None and only_counted:
            trouble = StatusReason.COUNTS_ONLY
        count = together(counts) if counts else None
        oldest = [line.wait_ms for line in lines]
        if count is not None and count.oldest_wait_ms is not None:
            oldest.append(count.oldest_wait_ms)
        staff = self._live.agents.staff(names, (v.agent_id for v in self._talking if v.agent_id))
        labels = self._live.rules.labels
        seen = self._foreseen_of(queues)
        wait = _wait(seen, queues)
        return QueueNow(
            name=name,
            label=" + ".join(labels.get(queue.casefold(), queue) for queue in queues) if name else "",
            queues=queues,
            waiting=lines,
            oldest_wait_ms=max(oldest, default=None),
            ringing=sum(line.ringing for line in lines),
            talking=len(talking),
            staff=count.staff if count and (only_counted or not staff.known) else staff,
            verdict=assessment.verdict(
                periods["day"],
                self._live.rules.target,
                trouble,
                closed=calendar.is_over(self._now),
                risk=seen.day if seen else None,
                levels=self._live.rules.levels,
            ),
            periods=periods,
            visits_today=periods["day"] if self._briefly else self.period("day", Level.VISIT, names, *today),
            open=calendar.is_open(self._now),
            day_hours=calendar.span(calendar.day_of(self._now)),
            counted=None if count is None else count.waiting,
            expected_wait_seconds=wait.expected if wait else None,
            wait_range_seconds=wait.range if wait else None,
            unlikely=sum(line.in_time_chance is not None and line.in_time_chance < 0.5 for line in lines),
            margins=_margins(self._live.foreseen_within(queues, self._now), periods, self._live.rules.target),
            risk=seen.day if seen else None,
            month_risk=seen.month if seen else None,
            usual_quarter=seen.usual_quarter if seen else None,
        )

    def _foreseen_of(self, queues: tuple[str, ...]) -> Foreseen | None:
        if queues not in self._foreseen:
            self._foreseen[queues] = self._live.foreseen_of(queues, self._now)
        return self._foreseen[queues]

    def _chances(self, queues: tuple[str, ...]) -> dict[str, float]:
        """The chance of each who waits in these queues to be answered in time, by place in the line of the pool."""
        found: dict[str, float] = {}
        for queue in queues:
            seen = self._foreseen_of((queue,))
            if seen is not None and seen.queues not in self._in_time:
                self._in_time[seen.queues] = self._chances_of(seen)
            found |= self._in_time[seen.queues] if seen is not None else {}
        return found

    def _chances_of(self, seen: Foreseen) -> dict[str, float]:
        if seen.pace is None:
            return {}
        keys = {queue.casefold() for queue in seen.queues}
        line = [
            (contact, visit)
            for contact, visit in self._waiting
            if visit.queue.casefold() in keys and visit.visit_id not in self._ringing
        ]
        waited = [self._waited_ms(contact, visit)[0] / 1000 for contact, visit in line]
        chances = seen.pace.in_time(waited, self._live.rules.target.limit_seconds)
        return {visit.visit_id: chance for (_, visit), chance in zip(line, chances, strict=True)}

    def _waited_ms(self, contact: Contact, visit: Visit) -> tuple[int, int]:
        """The whole contact's wait so far, and this queue's."""
        queue_wait = 0 if visit.entered_at is None else max(0, milliseconds(self._now - visit.entered_at))
        before = contact.wait_ms or 0 if contact.outcome is Outcome.WAITING else 0
        return before + queue_wait, queue_wait

    def _line(self, place: int, contact: Contact, visit: Visit, chances: dict[str, float]) -> WaitingNow:
        wait_ms, queue_wait_ms = self._waited_ms(contact, visit)
        return WaitingNow(
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

    def _today(self, calendar: Calendar) -> tuple[datetime, datetime]:
        return day_bounds(calendar.day_of(self._now), calendar.zone)

    def _periods(self, names: tuple[str, ...] | None) -> Iterable[Period]:
        calendar = self._live.rules.calendar
        zone, today = calendar.zone, calendar.day_of(self._now)
        minute = self._now.replace(second=0, microsecond=0)
        for name, minutes in ROLLING.items():
            if self._briefly and name not in ESSENTIAL:
                continue
            yield self.period(
                name, Level.CONTACT, names, minute - timedelta(minutes=minutes - 1), minute + timedelta(minutes=1)
            )
        yield self.period("day", Level.CONTACT, names, *day_bounds(today, zone))
        month, tertial = month_start(today), tertial_start(today)
        ends = next_month(month)
        yield self.period("month", Level.CONTACT, names, day_bounds(month, zone)[0], day_bounds(ends, zone)[0])
        if self._briefly:
            return
        ends = tertial_end(tertial)
        yield self.period("tertial", Level.CONTACT, names, day_bounds(tertial, zone)[0], day_bounds(ends, zone)[0])

    def period(self, name: str, level: Level, names: tuple[str, ...] | None, start: datetime, end: datetime) -> Period:
        live = self._live
        keys = None if names is None else frozenset(n.casefold() for n in names)
        counts, outside = self._counts(level, names, keys, start, end)
        waits, coverage = WaitFigures(), Coverage()
        if not self._briefly:
            waits = live.windows.waits(level, names, start, end)
            coverage = live.coverage(tuple(live.queues()) if names is None else names, start, end, self._now)
        returning = service_level.Returning()
        if level is Level.CONTACT:
            returning = live.returning(keys, start, end, self._now)
        return assessment.period(
            name,
            level,
            start,
            end,
            counts,
            outside,
            waits,
            coverage,
            self._precision,
            live.rules.target,
            returning,
        )

    def _counts(
        self, level: Level, names: tuple[str, ...] | None, keys: frozenset[str] | None, start: datetime, end: datetime
    ) -> tuple[Counts, Counts]:
        """The settled calls of a stretch and those who wait, inside opening hours and outside."""
        windows = self._live.windows
        inside_now: Counter[str] = Counter()
        outside_now: Counter[str] = Counter()
        by_queue = self._placed[level]
        lines = by_queue.values() if keys is None else filter(None, map(by_queue.get, keys))
        for judged, field in chain.from_iterable(lines):
            if lies_in(judged, keys, start, end, inside=None):
                (inside_now if judged.place.inside else outside_now)[field] += 1
                if judged.early:
                    inside_now["early"] += 1
        inside = windows.counts(level, names, start, end)
        outside = windows.counts(level, names, start, end, inside=False)
        return (
            inside + Counts(**inside_now) if inside_now else inside,
            outside + Counts(**outside_now) if outside_now else outside,
        )

    def today(self) -> Iterable[Bar]:
        """Today by quarter of an hour, from opening, or the first call, to the last of them."""
        calendar = self._live.rules.calendar
        span = calendar.span(calendar.day_of(self._now))
        if span is None:
            return
        at = span[0]
        while at < min(span[1], self._now):
            counts, _ = self._counts(Level.CONTACT, None, None, at, at + timedelta(minutes=15))
            yield assessment.bar(at, counts, self._live.rules.target.definition)
            at += timedelta(minutes=15)


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
