"""The builder of a snapshot: all figures of every queue, pool and period at one moment.

Longer than 450 lines because all figures of a moment are taken from one reading of the live state.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from msgspec import structs

from queue_monitor.core import assessment, observed, service_level, waiting_callers
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import Calendar, Span, day_bounds, month_start, next_month, tertial_end, tertial_start
from queue_monitor.core.counter_queues import CounterQueues, together
from queue_monitor.core.observed import Face, Observed, Remembered
from queue_monitor.core.pieces import finished
from queue_monitor.core.repeat_callers import CallerPseudonyms
from queue_monitor.core.series import Numbers, minute_after, minute_of
from queue_monitor.core.staffing import Staffing
from queue_monitor.core.standing import NO_CALLS, NO_WAITS, Reads, Settled, Standing, Stretch
from queue_monitor.core.waiting_callers import Entered, Placed, Present, WaitingCallers, present_in, present_in_each
from queue_monitor.core.windows import NotHeld, PlacedCall
from queue_monitor.model import (
    BAR_MINUTES,
    UNHEARD,
    Bar,
    Contact,
    Counts,
    Coverage,
    ExpectedWait,
    Forecast,
    Level,
    Period,
    QueueNow,
    StatusReason,
    SumRow,
    Target,
    Visit,
    WaitingNow,
)
from queue_monitor.queues import queue_key
from queue_monitor.waits import Past

ROLLING: Final = {"15min": 15, "30min": 30, "60min": 60}
MAX_ROLLING: Final = timedelta(minutes=max(ROLLING.values()))
ESSENTIAL: Final = ("15min", "30min", "day", "month")
"""The periods that the alert rules read."""

MANY_QUEUES: Final = 32
"""The figures of more queues than this together are computed period by period, with a pause after each."""

MAX_REMEMBERED: Final = 8192

Names = tuple[str, ...] | None
"""The queues of a face; None for all."""

Scope = str | tuple[str, ...] | None


class LiveReading(observed.LiveReading, waiting_callers.LiveReading, Protocol):
    """The part of the live state that a builder reads: `live.Live`."""

    agents: Agents
    counted: CounterQueues
    callers: CallerPseudonyms

    def queues(self) -> list[str]: ...

    def watched_queues(self) -> list[str]: ...

    def switches(self, queues: tuple[str, ...]) -> tuple[str, ...]: ...

    def no_data_reason(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None: ...

    def fresh(self, now: datetime) -> list[Forecast]: ...

    def silences(self, now: datetime) -> dict[str, datetime]: ...


class _Periods(NamedTuple):
    """The periods of a face, and its visits today."""

    periods: dict[str, Period]
    visits: Period


class _DayNow(NamedTuple):
    """A calendar at this moment. `bounds` are the start and end of the local day."""

    is_open: bool
    is_over: bool
    hours: Span | None
    bounds: Span


class Memory:
    """The inputs and results of earlier snapshots: a result is reused while its inputs are equal."""

    def __init__(self) -> None:
        self.reads: Reads = {}
        self.faces: dict[tuple[str, ...] | None, tuple[tuple[object, ...], _Periods]] = {}
        self.observed = Remembered()
        self.bars: dict[tuple[tuple[str, ...] | None, datetime], tuple[tuple[object, ...], Bar]] = {}
        self.waiting: dict[str, Entered] = {}


class SnapshotBuilder:
    """The builder of one snapshot: the waiting callers are placed first, once for every queue and period.

    With `briefly` it computes only the figures that decide something: the `ESSENTIAL` periods at contact level, with
    waits and coverage left empty.
    """

    def __init__(
        self,
        live: LiveReading,
        now: datetime,
        talking: list[Visit],
        ringing: set[str],
        *,
        briefly: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self._live = live
        self._briefly = briefly
        self._now = now
        self._windows = live.windows
        self._memory = memory or Memory()
        self._is_strict = memory is None
        self._talking: Counter[str] = Counter(queue_key(visit.queue) for visit in talking)
        self._agents_in_talk = [visit.agent_id for visit in talking if visit.agent_id]
        self._staffing: Staffing | None = None
        self._in_time: dict[tuple[str, ...], dict[str, float]] = {}
        self._scopes: dict[Names, Face] = {}
        self._days: dict[int, _DayNow] = {}
        self._no_data_reasons: dict[tuple[str, ...], StatusReason | None] = {}
        self._waiting = WaitingCallers(live, now, ringing, self._memory.waiting)
        self._fresh = live.fresh(now)
        self._forecast_keys = [frozenset(queue_key(queue) for queue in seen.queues) for seen in self._fresh]
        self._forecasts_at: dict[str, list[int]] = {}
        for at, forecast_keys in enumerate(self._forecast_keys):
            for key in forecast_keys:
                self._forecasts_at.setdefault(key, []).append(at)
        self._busiest = {key: self._busiest_of(places) for key, places in self._forecasts_at.items()}
        sources = live.sources.now()
        precisions = [source.precision_ms for source in sources if not source.is_log]
        self._precision = max(precisions, default=0) or max((source.precision_ms for source in sources), default=1)
        self._stretches = [
            Stretch(name, start, end, minute_of(start), minute_after(end)) for name, start, end in self._bounds()
        ]
        self._day_at = next(at for at, stretch in enumerate(self._stretches) if stretch.name == "day")
        reads, with_waits = self._memory.reads, not briefly
        self._contacts = Standing(
            self._windows, Level.CONTACT, self._stretches, reads, with_waits=with_waits, strict=self._is_strict
        )
        day = self._stretches[self._day_at]
        self._visits = Standing(self._windows, Level.VISIT, [day], reads, with_waits=with_waits, strict=self._is_strict)
        self._observed = Observed(live, now, self._stretches, day, self._memory.observed)

    def place(self, waiting: list[tuple[Contact, Visit]]) -> Generator[None, None, None]:
        """Place every waiting caller, once for all faces, with pauses."""
        yield from self._waiting.place(waiting)
        self._memory.waiting = self._waiting.entered

    def waiting_sums(self) -> list[SumRow]:
        """Return the contacts who wait as rows of sums, one each."""
        return self._waiting.sums()

    def _bounds(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Yield the name, start and end of the periods that every face has."""
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

    def _face(self, name: str, queues: tuple[str, ...], scope: Scope) -> Face:
        names = None if scope is None else (scope,) if isinstance(scope, str) else scope
        for queue in names or ():
            self._windows.name_of(queue)  # so that a queue is written in one way everywhere
        keys = None if names is None else tuple(dict.fromkeys(queue_key(queue) for queue in names))
        calendar = self._live.calendars.of(queues[0]) if len(queues) == 1 else self._live.rules.calendar
        return Face(name, queues, keys, self._live.switches(queues), calendar)

    def queue(self, name: str, queues: tuple[str, ...], scope: Scope) -> QueueNow:
        """Return every figure of a queue, of a pool or of all."""
        return finished(self.queue_in_pieces(name, queues, scope))

    def queue_in_pieces(self, name: str, queues: tuple[str, ...], scope: Scope) -> Generator[None, None, QueueNow]:
        """Make every figure of a queue, of a pool or of all, with a pause after each period where there are many
        queues.
        """
        face = self._face(name, queues, scope)
        today = self._day_now(face.calendar)
        found = yield from self._periods_of(face, today)
        wanted = frozenset(queue_key(queue) for queue in queues)
        is_heard = self._no_data_reason_of(face) not in UNHEARD
        chances = self._chances(wanted) if is_heard and self._waiting.wait_in(face.keys) else {}
        lines = yield from self._waiting.listed(face.keys, chances)
        return self._queue_now(face, found, today, wanted, lines)

    def _queue_now(
        self, face: Face, found: _Periods, today: _DayNow, wanted: frozenset[str], lines: tuple[WaitingNow, ...]
    ) -> QueueNow:
        live, keys, queues = self._live, face.keys, face.queues
        periods, visits = found
        no_data_reason = self._no_data_reason_of(face)
        foreseen, within = self._forecast_for(wanted)
        forecast = None if no_data_reason in UNHEARD else foreseen  # nobody hears who calls meanwhile
        counts = live.counted.of(queues)
        only_counted = bool(counts) and len(counts) == len(queues)
        if no_data_reason is None and only_counted:
            no_data_reason = StatusReason.COUNTS_ONLY
        count = together(counts) if counts else None
        oldest = [line.wait_ms for line in lines]
        if count is not None and count.oldest_wait_ms is not None:
            oldest.append(count.oldest_wait_ms)
        staff = self.count_staff().of(keys or tuple(dict.fromkeys(queue_key(q) for q in queues)) or None, face.switches)
        wait = _wait(forecast, queues) if today.is_open else None  # whoever comes later meets a closed queue
        return QueueNow(
            name=face.name,
            label=live.rules.label(queues) if face.name else "",
            queues=queues,
            waiting=lines,
            oldest_wait_ms=max(oldest, default=None),
            ringing=sum(line.ringing for line in lines),
            talking=self._talking.total() if keys is None else sum(self._talking[key] for key in keys),
            staff=count.staff if count and (only_counted or (count.staff.known and not staff.known)) else staff,
            no_data_reason=no_data_reason,
            periods=periods,
            visits_today=visits,
            open=today.is_open,
            day_hours=today.hours,
            counted=None if count is None else count.waiting,
            expected_wait_seconds=wait.expected if wait else None,
            wait_range_seconds=wait.range if wait else None,
            unlikely=sum(line.in_time_chance is not None and line.in_time_chance < 0.5 for line in lines),
            margins=_margins(within if forecast else [], periods, live.rules.target),
            risk=forecast.day if forecast else None,
            month_risk=forecast.month if forecast else None,
            usual_quarter=foreseen.usual_quarter if foreseen else None,
            repeat_callers=live.callers.figures(self._now, keys),
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

    def _no_data_reason_of(self, face: Face) -> StatusReason | None:
        if face.switches not in self._no_data_reasons:
            self._no_data_reasons[face.switches] = self._live.no_data_reason(face.queues, self._now)
        return self._no_data_reasons[face.switches]

    def count_staff(self) -> Staffing:
        """Return the activity of every agent, worked out once for all faces."""
        if self._staffing is None:
            silences = self._live.silences(self._now)
            self._staffing = self._live.agents.staffing(self._now, self._agents_in_talk, silences)
        return self._staffing

    # ---- waiting callers and forecasts

    def _forecast_for(self, wanted: frozenset[str]) -> tuple[Forecast | None, list[Forecast]]:
        """Return the forecast for these queues, and the forecasts of the pools and single queues that lie wholly within
        them.

        The first is that of their pool; of several pools, that of the busiest.
        """
        places = sorted({at for key in wanted for at in self._forecasts_at.get(key, ())})
        within = [self._fresh[at] for at in places if self._forecast_keys[at] <= wanted]
        return self._busiest_of(places), within

    def _busiest_of(self, places: Iterable[int]) -> Forecast | None:
        found = [self._fresh[at] for at in places]
        return max(found, key=lambda seen: seen.day.expected_calls or 0.0 if seen.day else 0.0, default=None)

    def _chances(self, keys: Iterable[str]) -> dict[str, float]:
        """Return the chance of each waiting caller in these queues to be answered in time, by its place in the line of
        the pool.
        """
        found: list[dict[str, float]] = []
        for seen in {id(seen): seen for key in keys if (seen := self._busiest.get(key))}.values():
            if seen.queues not in self._in_time:
                self._in_time[seen.queues] = self._chances_of(seen)
            if its := self._in_time[seen.queues]:
                found.append(its)
        return found[0] if len(found) == 1 else {visit_id: chance for its in found for visit_id, chance in its.items()}

    def _chances_of(self, seen: Forecast) -> dict[str, float]:
        line = self._waiting.not_ringing(dict.fromkeys(queue_key(queue) for queue in seen.queues))
        if seen.service_speed is None or not line:
            return {}
        chances = seen.service_speed.in_time(
            [one.wait_ms / 1000 for one in line], self._live.rules.target.limit_seconds
        )
        return {one.visit.visit_id: chance for one, chance in zip(line, chances, strict=True)}

    # ---- periods

    def period(
        self, name: str, level: Level, names: Names, start: datetime, end: datetime, past: Past | None = None
    ) -> Period:
        """Return every figure of one stretch of time; `past` holds the store's figures of the part before the edge."""
        face = self._scopes.get(names)
        if face is None:
            queues = tuple(self._live.watched_queues()) if names is None else names
            face = self._scopes[names] = self._face("", queues, names)
        return (
            self._period(name, level, face, start, end)
            if past is None
            else self._joined(name, level, face, start, end, past)
        )

    def _joined(self, name: str, level: Level, face: Face, start: datetime, end: datetime, past: Past) -> Period:
        """Return a period that joins the store's figures, memory's figures from the edge on, and the callers who still
        wait.

        The waiting callers count wherever in the stretch they entered.
        """
        live, windows = self._live, self._windows
        low, high = minute_of(start), minute_after(end)
        present = present_in(*self._waiting.present(level, face.keys), low, high)
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
            _counts(list(structs.astuple(inside)), present.inside),
            _counts(list(structs.astuple(outside)), present.outside),
            past.waits.figures(),
            coverage,
            self._precision,
            self._target_of(end),
            present.may_still_be_answered,
            self._observed.unseen(face, start, end),
        )

    def _period(self, name: str, level: Level, face: Face, start: datetime, end: datetime) -> Period:
        """Return every figure of a stretch that not every face has."""
        low, high = minute_of(start), minute_after(end)
        try:
            inside, outside = (self._windows.numbers(level, face.keys, low, high, inside) for inside in (True, False))
            settled = Settled(inside, outside, self._windows.figures(level, face.keys, low, high))
        except NotHeld:
            if self._is_strict:
                raise
            settled = Settled(NO_CALLS, NO_CALLS, NO_WAITS)
        coverage = self._live.coverage(face.queues, start, end, self._now)
        stretch, unseen = Stretch(name, start, end, low, high), self._observed.unseen(face, start, end)
        present = present_in(*self._waiting.present(level, face.keys), low, high)
        return self._made(level, stretch, settled, present, coverage, unseen)

    def _observed_of(self, face: Face) -> tuple[list[Coverage], list[int]]:
        """Return the coverage of each stretch, and the calls that may have come unheard in it."""
        nothing = [_NOTHING_SEEN] * len(self._stretches)
        return nothing if self._briefly else self._observed.coverages(face), self._observed.unseen_of_each(face)

    def _periods_of(self, face: Face, today: _DayNow) -> Generator[None, None, _Periods]:
        """Make the periods of a face; those of the last snapshot are reused where their inputs are equal."""
        windows, keys, memory = self._windows, face.keys, self._memory
        is_many = len(face.queues) > MANY_QUEUES
        coverages, unseen = self._observed_of(face)
        contacts, visits = self._waiting.present(Level.CONTACT, keys), self._waiting.present(Level.VISIT, keys)
        made_of = (
            self._stretches,
            windows.version(Level.CONTACT, keys),
            windows.version(Level.VISIT, keys),
            contacts,
            visits,
            coverages,
            unseen,
            today.bounds,
            self._precision,
            self._live.rules.target,
        )
        if not self._is_strict and (known := memory.faces.get(keys)) and known[0] == made_of:
            return known[1]
        periods: dict[str, Period] = {}
        for stretch, settled, present, coverage, missed in zip(
            self._stretches,
            self._contacts.of(keys),
            present_in_each(*contacts, self._stretches),
            coverages,
            unseen,
            strict=True,
        ):
            periods[stretch.name] = self._made(Level.CONTACT, stretch, settled, present, coverage, missed)
            if is_many:
                yield
        day = self._day_at
        found = _Periods(
            periods,
            periods["day"] if self._briefly else self._visits_of(face, today, visits[0], coverages[day], unseen[day]),
        )
        if is_many:
            yield
        if not self._is_strict:
            if len(memory.faces) > MAX_REMEMBERED:
                memory.faces.clear()
            memory.faces[keys] = made_of, found
        return found

    def _visits_of(self, face: Face, today: _DayNow, waiting: list[Placed], coverage: Coverage, unseen: int) -> Period:
        """Return today's visits, by the opening hours of the face."""
        day = self._stretches[self._day_at]
        if today.bounds != (day.start, day.end):
            return self._period("day", Level.VISIT, face, *today.bounds)
        present = present_in(waiting, [], day.low, day.high)
        return self._made(Level.VISIT, day, next(self._visits.of(face.keys)), present, coverage, unseen)

    def _made(
        self, level: Level, stretch: Stretch, settled: Settled, present: Present, coverage: Coverage, unseen: int
    ) -> Period:
        """Return a period from its settled calls, the waiting callers, and those who may still be answered."""
        return assessment.period(
            stretch.name,
            level,
            stretch.start,
            stretch.end,
            _counts(settled.inside, present.inside),
            _counts(settled.outside, present.outside),
            settled.waits,
            coverage,
            self._precision,
            self._target_of(stretch.end),
            present.may_still_be_answered,
            unseen,
        )

    def _target_of(self, end: datetime) -> Target:
        """Return the target of a stretch with this end: the one that held on its last day, or holds today."""
        rules = self._live.rules
        if not rules.dated or end > self._now:
            return rules.target
        return rules.on(rules.calendar.day_of(end - timedelta(microseconds=1))).target

    def today(self) -> Iterable[Bar]:
        """Return today's bars by quarter of an hour, from opening up to now or closing."""
        return finished(self.today_in_pieces())

    def today_in_pieces(self, queues: Sequence[str] | None = None) -> Generator[None, None, list[Bar]]:
        """Make today's bars of some queues or of all; where there are many queues, pause after each bar that was
        computed.
        """
        calendar, found = self._live.rules.calendar, list[Bar]()
        keys = None if queues is None else tuple(dict.fromkeys(map(queue_key, queues)))
        span = calendar.span(calendar.day_of(self._now))
        at = span[0] if span else self._now
        many = len(self._live.queues()) > MANY_QUEUES
        waiting = self._waiting.by_bar(minute_of(at), BAR_MINUTES, keys)
        while span is not None and at < min(span[1], self._now):
            bar, is_new = self._bar(at, keys, waiting.get(minute_of(at), {}))
            found.append(bar)
            at += timedelta(minutes=BAR_MINUTES)
            if many and is_new:
                yield
        starts = {bar.start for bar in found}
        for old in [old for old in self._memory.bars if old[0] == keys and old[1] not in starts]:
            del self._memory.bars[old]
        return found

    def _bar(self, at: datetime, keys: tuple[str, ...] | None, waiting: dict[int, int]) -> tuple[Bar, bool]:
        """Return one bar, and whether it had to be computed."""
        windows, target = self._windows, self._live.rules.target
        low = minute_of(at)
        high = low + BAR_MINUTES
        made_of = (windows.version_of_quarters(low, high), waiting, target)
        if (known := self._memory.bars.get((keys, at))) and known[0] == made_of:
            return known[1], False
        try:
            settled = windows.numbers(Level.CONTACT, keys, low, high, True)
        except NotHeld:
            if self._is_strict:
                raise
            settled = NO_CALLS
        bar = assessment.bar(at, _counts(settled, waiting), target.definition)
        self._memory.bars[keys, at] = made_of, bar
        return bar, True


_NOTHING_SEEN: Final = Coverage()
_NO_COUNTS: Final = Counts()


def _counts(settled: Numbers, waiting: dict[int, int]) -> Counts:
    """Return the counts of settled calls and waiting callers together."""
    if waiting:
        settled = list(settled)
        for at, number in waiting.items():
            settled[at] += number
    return Counts(*settled) if settled != NO_CALLS else _NO_COUNTS


def _wait(seen: Forecast | None, queues: tuple[str, ...]) -> ExpectedWait | None:
    """Return the wait that the next caller should expect; for one queue of a pool, by its own waits."""
    if seen is None:
        return None
    return seen.own_waits.get(queues[0], seen.wait) if len(queues) == 1 else seen.wait


def _margins(seen: list[Forecast], periods: dict[str, Period], target: Target) -> dict[str, int]:
    """Return the misses that still fit, by period, for which the calls to come are forecast.

    They cover whole pools only, whose misses are counted over the same queues.
    """
    expected: dict[str, float] = {}
    for name, risk in ((name, risk) for one in seen for name, risk in (("day", one.day), ("month", one.month))):
        if risk is not None and risk.expected_calls is not None:
            expected[name] = expected.get(name, 0.0) + risk.expected_calls
    return {name: service_level.margin(target, calls, periods[name].misses) for name, calls in expected.items()}


def falls_in(
    judged: PlacedCall, keys: frozenset[str] | None, start: datetime, end: datetime, inside: bool | None = True
) -> bool:
    if keys is not None and queue_key(judged.place.queue) not in keys:
        return False
    if inside is not None and judged.place.inside is not inside:
        return False
    return int(start.timestamp()) // 60 <= judged.place.minute < -(-int(end.timestamp()) // 60)
