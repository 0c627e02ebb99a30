"""Works out the figures of a report from the store: sums of whole local days, coverage, alerts.

Calls are read one by one only where nothing else will do. Nothing here is a mean of percentages.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from queue_monitor.core.calendar import Calendar, day_bounds
from queue_monitor.core.queue_coverage import coverage_of_day
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.history import PastSums
from queue_monitor.model import LOST_OUTCOMES, Coverage, CoverageRecord, Level, SumRow, Target, targets_before
from queue_monitor.ports import ReportStore
from queue_monitor.queues import keys_of, queue_key
from queue_monitor.reports import alerts, bridge
from queue_monitor.reports.data import (
    BridgeFigure,
    CalledAgain,
    Compared,
    CrisisStretch,
    Day,
    Goal,
    ImportFact,
    QueueFigures,
    Reached,
    Reference,
    ReportData,
    RulesFact,
    Scope,
    decoded,
    shares_of,
    waits_of,
)
from queue_monitor.reports.period import ReportPeriod

BEFORE: Final = "before"
YEAR_BEFORE: Final = "year_before"
_DAYS_AT_ONCE: Final = 10


class GoalSetting(Struct, frozen=True, kw_only=True):
    """A goal that is measured elsewhere, and what was measured: value and comment by the name of a period."""

    name: str
    target: str
    values: dict[str, tuple[str, str]] = {}

    def of(self, period: ReportPeriod) -> Goal:
        value, comment = self.values.get(period.name, ("", ""))
        return Goal(name=self.name, target=self.target, value=value, comment=comment)


class ReportRules(Struct, frozen=True, kw_only=True):
    """The basis of a report beside the store: the rules of the figures, and the additions of the settings."""

    rules: Rules
    references: tuple[Reference, ...] = ()
    goals: tuple[GoalSetting, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return self.rules.calendar.zone


class Sums:
    """The settled calls of one span: of all of it, by local day, and by queue."""

    def __init__(self) -> None:
        self.whole = PastSums()
        self.days: dict[date, PastSums] = {}
        self.queues: dict[str, PastSums] = {}
        self.names: dict[str, str] = {}

    def add(self, rows: Iterable[SumRow], zone: ZoneInfo) -> None:
        """Add the sums of some days."""
        for row in rows:
            key, day = queue_key(row.queue), row.start.astimezone(zone).date()
            self.names.setdefault(key, row.queue)
            for part in (
                self.whole,
                self.days.setdefault(day, PastSums()),
                self.queues.setdefault(key, PastSums()),
            ):
                part.add(row)


async def _sums(store: ReportStore, zone: ZoneInfo, scope: Scope, period: ReportPeriod) -> Sums:
    """Return the sums of a period, read some days at a time so that other work goes on. Raises `StoreError`."""
    found, days = Sums(), period.days()
    for place in range(0, len(days), _DAYS_AT_ONCE):
        piece = days[place : place + _DAYS_AT_ONCE]
        start, end = day_bounds(piece[0], zone)[0], day_bounds(piece[-1], zone)[1]
        found.add(await store.sums(Level.CONTACT, scope.queues or None, start, end, "day"), zone)
    return found


async def gathered(
    store: ReportStore,
    made_by: ReportRules,
    period: ReportPeriod,
    scope: Scope,
    today: date,
    previous: ReportData | None,
    waiting: Iterable[SumRow] = (),
) -> ReportData:
    """Return all figures of a period up to `today`. Raises `StoreError`.

    `previous`: the newest sealed version of the same report: its target and organisation are kept, and figures no
        longer in the store are taken from it.
    `waiting`: the callers who wait now, of all queues and days.
    """
    zone, rules = made_by.zone, made_by.rules
    start, end = period.bounds(zone)
    complete = await store.complete_from()
    calls_are_kept = complete.get("calls", period.first) <= period.first
    alerts_are_kept = complete.get("alerts", period.first) <= period.first
    queues = scope.queues or None
    sums = await _sums(store, zone, scope, period)
    wanted = keys_of(scope.queues)
    waiting = [row for row in waiting if start <= row.start < end and (not wanted or queue_key(row.queue) in wanted)]
    sums.add(waiting, zone)
    covered = await _covered(store, rules, scope, period, today)
    through = min(today, period.last)
    target, replaced = bridge.targets_of(rules, period, through)
    if previous is not None:
        target = previous.target
    crises: tuple[CrisisStretch, ...] = previous.crises if previous else ()
    told = previous.alerts if previous else None
    if alerts_are_kept:
        crises, told = await alerts.asked(store, scope, start, end)
    rules_used = await _rules(store, queues, start, end, zone) if calls_are_kept else ()
    counts = sums.whole.inside
    return ReportData(
        organisation=previous.organisation if previous else rules.organisation,
        time_zone=zone.key,
        period=period.name,
        first=period.first,
        last=period.last,
        through=through,
        scope=scope,
        target=target,
        counts=counts,
        outside=sums.whole.outside,
        shares=shares_of(counts),
        waits=waits_of(sums.whole.waits.figures()),
        coverage=_total(covered.values()),
        days=tuple(_day(day, sums, covered, _calendar(rules, scope)) for day in period.days() if day <= today),
        queues=_queues(sums, rules, previous),
        compared=await _compared(store, made_by, period, scope, complete, previous),
        crises=crises,
        without_crises=await alerts.without(store, zone, queues, (start, end), crises, waiting),
        alerts=told,
        rules=rules_used,
        bridge=await _bridge(store, period, scope, (target, replaced), rules_used, sums, (start, end), calls_are_kept),
        references=made_by.references,
        goals=tuple(goal.of(period) for goal in made_by.goals),
        passed_on=await store.passed_on(queues, start, end) if calls_are_kept else None,
        reached=await _reached(store, scope, start, end) if calls_are_kept else None,
        called_again=await _called_again(store, scope, period) or (previous.called_again if previous else None),
        calls_kept_from=None if calls_are_kept else complete["calls"],
        simulated=await store.is_simulated(),
        imports=await _imports(store, period, zone, previous),
        earlier_targets=targets_before(rules.earlier_targets, period.first, through, target) or UNSET,
    )


# ---- days and queues


def _calendar(rules: Rules, scope: Scope) -> Calendar:
    """Return the hours of the only queue; of several, or of all, those of the organisation."""
    if len(scope.queues) != 1:
        return rules.calendar
    own = {queue_key(queue): calendar for queue, calendar in rules.calendars.items()}
    return own.get(queue_key(scope.queues[0]), rules.calendar)


def _day(day: date, sums: Sums, covered: Mapping[date, Coverage], calendar: Calendar) -> Day:
    its = sums.days.get(day) or PastSums()
    zone = calendar.zone
    spans = ((opens.astimezone(zone), closes.astimezone(zone)) for opens, closes in _spans(calendar, day))
    return Day(
        day=day,
        counts=its.inside,
        outside=its.outside,
        longest_ms=its.waits.max_ms if its.waits.answered else None,
        coverage=covered.get(day, Coverage()),
        opens=tuple(f"{opens:%H:%M}-{_closing(closes)}" for opens, closes in spans),
        note=calendar.note(day),
    )


def _closing(at: datetime) -> str:
    """Return a time of closing; the end of the day is 24:00, as in the settings."""
    return "24:00" if at.time() == time() else f"{at:%H:%M}"


def _spans(calendar: Calendar, day: date) -> Sequence[tuple[datetime, datetime]]:
    return calendar.spans_of(day)


def _queues(sums: Sums, rules: Rules, previous: ReportData | None) -> tuple[QueueFigures, ...]:
    """Return the queues that had a call, by name. A queue keeps the label under which it was reported."""
    labels = {queue_key(queue): label for queue, label in rules.labels.items()}
    labels |= {queue_key(each.name): each.label for each in (previous.queues if previous else ())}
    return tuple(
        QueueFigures(
            name=sums.names[key],
            label=labels.get(queue_key(key), sums.names[key]),
            counts=its.inside,
            waits=waits_of(its.waits.figures()),
        )
        for key, its in sorted(sums.queues.items())
        if its.inside.dialled
    )


# ---- coverage


async def _covered(
    store: ReportStore, rules: Rules, scope: Scope, period: ReportPeriod, today: date
) -> dict[date, Coverage]:
    """Return how the open minutes of each day were observed, by the records that the pages use."""
    calendar, wanted = _calendar(rules, scope), {queue_key(queue) for queue in scope.queues}
    calendars = Calendars(rules.calendar, rules.calendars)
    noted: dict[date, dict[str, Coverage]] = {}
    for record in sorted(await store.coverage(period.first, min(today, period.last)), key=_queue_of):
        if not wanted or queue_key(record.queue) in wanted:
            noted.setdefault(record.day, {})[record.queue] = record.coverage
    return {
        day: coverage_of_day(day, noted.get(day, {}), calendars.of, calendar, is_over=day < today)
        for day in period.days()
        if day <= today
    }


def _queue_of(record: CoverageRecord) -> str:
    return queue_key(record.queue)


def _total(parts: Iterable[Coverage]) -> Coverage:
    whole = Coverage()
    for part in parts:
        whole = whole.plus(part)
    return whole


# ---- other periods


async def _compared(
    store: ReportStore,
    made_by: ReportRules,
    period: ReportPeriod,
    scope: Scope,
    complete: Mapping[str, date],
    previous: ReportData | None,
) -> tuple[Compared, ...]:
    """Return the period before, and the same one a year before, where these are two."""
    year_before, before = period.year_before(), period.before()
    wanted = [(BEFORE, before)] if before is not None and before != year_before else []
    wanted.append((YEAR_BEFORE, year_before))
    known = {each.relation: each for each in (previous.compared if previous else ())}
    found = []
    for relation, other in wanted:
        if complete.get("sums", other.first) <= other.first:
            found.append(await _anew(store, made_by, relation, other, scope))
        elif relation in known:
            found.append(known[relation])
        else:
            found.append(await _as_reported(store, relation, other, scope))
    return tuple(found)


async def _anew(
    store: ReportStore, made_by: ReportRules, relation: str, period: ReportPeriod, scope: Scope
) -> Compared:
    sums = await _sums(store, made_by.zone, scope, period)
    covered = _total((await _covered(store, made_by.rules, scope, period, date.max)).values())
    empty = Compared(relation=relation, period=period.name, first=period.first, last=period.last)
    if not sums.whole.inside.dialled and not sums.whole.outside.dialled and not covered.ratio:
        return empty
    return Compared(
        relation=relation,
        period=period.name,
        first=period.first,
        last=period.last,
        counts=sums.whole.inside,
        waits=waits_of(sums.whole.waits.figures()),
        coverage=covered,
    )


async def _as_reported(store: ReportStore, relation: str, period: ReportPeriod, scope: Scope) -> Compared:
    sealed = await store.sealed_reports(period.name, scope_key(scope))
    own = Compared(relation=relation, period=period.name, first=period.first, last=period.last)
    if not sealed:
        return own
    data = decoded(sealed[-1].data)
    return Compared(
        relation=relation,
        period=period.name,
        first=period.first,
        last=period.last,
        counts=data.counts,
        waits=data.waits,
        coverage=data.coverage,
        sealed=sealed[-1].version,
    )


def scope_key(scope: Scope) -> str:
    """Return the queues of a scope as one text: their keys in order, a line each; "" of all."""
    return "\n".join(sorted(map(queue_key, scope.queues)))


# ---- rules, and calls one by one


async def _rules(
    store: ReportStore, queues: Sequence[str] | None, start: datetime, end: datetime, zone: ZoneInfo
) -> tuple[RulesFact, ...]:
    found = []
    for used in await store.rules_used(queues, start, end):
        limit, short = bridge.limits_of(used.body)
        found.append(
            RulesFact(
                version=used.version,
                calls=used.calls,
                first=used.first.astimezone(zone).date(),
                last=used.last.astimezone(zone).date(),
                limit_seconds=limit,
                short_abandon_seconds=short,
            )
        )
    return tuple(found)


async def _bridge(
    store: ReportStore,
    period: ReportPeriod,
    scope: Scope,
    targets: tuple[Target, tuple[Target, ...]],
    used: tuple[RulesFact, ...],
    sums: Sums,
    bounds: tuple[datetime, datetime],
    calls_are_kept: bool,
) -> tuple[BridgeFigure, ...]:
    before = period.before() or period.year_before()
    sealed = await store.sealed_reports(before.name, scope_key(scope))
    earlier = decoded(sealed[-1].data).target if sealed else None
    target, replaced = targets
    wanted = bridge.wanted(target, used, earlier, replaced)
    return await bridge.counted(store, scope, wanted, used, sums.whole.inside, bounds, calls_are_kept)


async def _called_again(store: ReportStore, scope: Scope, period: ReportPeriod) -> CalledAgain | None:
    """Return how many called again the same day; None where callers were not told apart on any day."""
    wanted = set(map(queue_key, scope.queues))
    days = await store.repeat_callers(period.first, period.last)
    kept = [each for each in days if not wanted or queue_key(each.queue) in wanted]
    if not kept:
        return None
    return CalledAgain(
        days=len({each.day for each in kept}),
        calls=sum(each.found.calls for each in kept),
        repeated=sum(each.found.repeated for each in kept),
        answered=sum(each.found.answered for each in kept),
        not_back=sum(each.found.not_back for each in kept),
    )


async def _imports(
    store: ReportStore, period: ReportPeriod, zone: ZoneInfo, previous: ReportData | None
) -> tuple[ImportFact, ...]:
    """Return the imports that brought calls of the period, the oldest first."""
    found = [
        ImportFact(
            name=each.name,
            made=each.finished_at.astimezone(zone).date(),
            first=each.first_day or period.first,
            last=each.last_day or period.last,
            calls=each.calls,
            files=tuple((file.name, file.sha256) for file in each.files),
        )
        for each in await store.import_records(period.first, period.last)
    ]
    return tuple(found) or (previous.imports if previous is not None else ())


async def _reached(store: ReportStore, scope: Scope, start: datetime, end: datetime) -> Reached:
    """Return, of callers in opening hours whom nobody answered, how many were answered later the same day."""
    lost = later = untold = 0
    for queue in scope.queues or (None,):
        for call in await store.calls(start, end, queue, visits_from=None, outcomes=LOST_OUTCOMES):
            if call.inside and call.is_derived and call.counted_as not in ("", "called_back"):
                lost += 1
                later += call.reached_later is True
                untold += call.reached_later is None
    return Reached(lost=lost, later=later, untold=untold)
