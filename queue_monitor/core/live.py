"""The whole live state in one hand: every event goes in at `apply`, every figure comes out in `snapshot`.

Synchronous and without a clock: the pipeline owns it, a replay drives it, a test feeds it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from queue_monitor.core import assessment, service_level
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import (
    Calendar,
    day_bounds,
    month_start,
    next_month,
    tertial_start,
    week_start,
)
from queue_monitor.core.counted import Counted, together
from queue_monitor.core.foresight import Foreseen, Foresight
from queue_monitor.core.ledger import Ledger, Story
from queue_monitor.core.reconcile import Reconciler
from queue_monitor.core.sources import Sources
from queue_monitor.core.windows import Calendars, Judged, Windows
from queue_monitor.events import (
    AgentMember,
    AgentState,
    CallRingEnded,
    Event,
    QueueSnapshot,
    TimeBasis,
    milliseconds,
)
from queue_monitor.model import (
    Bar,
    Contact,
    Counts,
    Coverage,
    DefinitionId,
    HistoryRow,
    Hours,
    JournalNow,
    Level,
    Outcome,
    Period,
    QueueNow,
    Snapshot,
    StatusReason,
    Target,
    Visit,
    WaitingNow,
)

LATE_AFTER: Final = timedelta(minutes=15)
"""An event told this long after it happened still amends its call, and is counted as late."""

MAY_RETURN: Final = timedelta(seconds=60)
"""Someone who left a queue by time-out, key or overflow may enter another within this time."""

RETURNING: Final = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.OVERFLOW,
        Outcome.EXIT_KEY,
        Outcome.NO_AGENTS,
        Outcome.TRANSFERRED_OUT,
        Outcome.SYSTEM,
        Outcome.WITHDRAWN,
        Outcome.CALLBACK,
    }
)
ROLLING: Final = {"15min": 15, "30min": 30, "60min": 60}
_RECEIPT: Final = frozenset({"id", "source", "observed_at", "epoch", "live", "raw", "sequence", "unmapped"})
STEPS: Final = ("quarter", "hour", "day", "week", "month", "tertial")
MOST_INTERVALS: Final = 5000
FORESEEN_HOLDS: Final = timedelta(minutes=5)
"""An older forecast is not shown."""

CLOCK_TRUSTED_MS: Final = 30_000
"""A switch whose clock is further off than this is timed by ours."""

KEEP: Final = timedelta(hours=48)
"""How long calls stay in memory, and so for how long a late word may amend them."""


class Taken(StrEnum):
    """What became of an event: taken, known already, or its id known with another content (and then not taken)."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Rules(Struct, frozen=True, kw_only=True):
    """What the figures are made by.

    `labels` are what people are shown for a queue, by its name; `excluded` names outcomes that a setting leaves out
    of the target, for all queues or by queue.
    """

    target: Target = Target()
    calendar: Calendar
    calendars: dict[str, Calendar] = {}
    excluded: frozenset[Outcome] = frozenset()
    excluded_by_queue: dict[str, frozenset[Outcome]] = {}
    silent_after: timedelta = timedelta(minutes=2)
    labels: dict[str, str] = {}
    organisation: str = ""
    version: str = ""


class Live:
    """Ledger, windows, agents and sources, fed by one hand and read through snapshots."""

    def __init__(self, rules: Rules, foresight: Foresight | None = None) -> None:
        self.rules = rules
        self.calendars = Calendars(rules.calendar, rules.calendars)
        self.ledger = Ledger()
        self.windows = Windows(rules.target, self.calendars, rules.excluded_by_queue, rules.excluded)
        self.agents = Agents()
        self.counted = Counted()
        self.sources = Sources()
        self.reconciler = Reconciler()
        self.foresight = foresight
        self.foreseen: tuple[Foreseen, ...] = ()
        self.events: Counter[str] = Counter(applied=0, duplicate=0, conflict=0, late=0, orphan=0)
        self.rejected: Counter[str] = Counter()
        self.offers: dict[str, Counter[str]] = {}
        self._seen: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._newest: datetime | None = None
        self._departed: dict[str, None] = {}
        self._queue_switches: dict[str, dict[str, None]] = {}
        self._queue_names: dict[str, str] = {}
        self._history_coverage: dict[tuple[str, date], Coverage] = {}
        self._coverage_cache: dict[tuple[object, ...], Coverage] = {}

    # ---- what enters

    def apply(self, event: Event) -> Taken:
        """Take one event, once. Never raises on what an event says."""
        key, content = (event.source, event.id), _content(event)
        if known := self._seen.get(key):
            taken = Taken.DUPLICATE if known[1] == content else Taken.CONFLICT
            self.events[taken.value] += 1
            return taken
        self._seen[key] = (event.at, content)
        self.events["applied"] += 1
        if self._newest is not None and self._newest - event.at > LATE_AFTER:
            self.events["late"] += 1
        self._newest = max(self._newest or event.at, event.at)
        self.sources.apply(event)
        if abs(self.sources.clock_offset_ms(event.source)) > CLOCK_TRUSTED_MS:
            event = _by_our_clock(event)
        self._note_queue(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            self.agents.apply(event)
        self.counted.apply(event)
        if self.foresight is not None:
            self.foresight.apply(event)
        changes = self.ledger.apply(event)
        if changes.orphan:
            self.events["orphan"] += 1
        for change in changes.stories:
            self.windows.change(change)
            self._note_departure(change.after)
        if changes.refused is not None:
            self.windows.refuse(changes.refused)
        if isinstance(event, QueueSnapshot) and event.counters:
            self._reconcile(event)
        if isinstance(event, CallRingEnded):
            self.offers.setdefault("", Counter())[event.result.value] += 1
        return Taken.NEW

    def _reconcile(self, event: QueueSnapshot) -> None:
        key = event.queue.casefold()
        visits = [v for v in self.ledger.visits() if v.switch == event.switch_name and v.queue.casefold() == key]
        self.reconciler.compare(event, visits, lambda since: self.sources.blind(event.switch_name, since, event.as_of))

    def reject(self, source: str, reason: str) -> None:
        """Count what an adapter could not read."""
        self.rejected[f"{source} {reason}"] += 1

    def load_history(self, rows: Iterable[HistoryRow], closed_before: datetime) -> None:
        """Take in earlier days as sums; events from before `closed_before` then change no figure."""
        rows = list(rows)
        self.windows.load(rows)
        self.windows.closed_before = closed_before
        for row in rows:
            if row.level is Level.VISIT and row.inside_hours:
                day = self.calendars.of(row.queue).day_of(row.start)
                known = self._history_coverage.get((row.queue.casefold(), day), Coverage())
                self._history_coverage[row.queue.casefold(), day] = _add(known, row.coverage)
            self._queue_names.setdefault(row.queue.casefold(), row.queue)

    def forget(self, now: datetime) -> list[Story]:
        """Let go of calls older than two days; returns them. Their figures stay."""
        before = now - KEEP
        self._seen = {key: seen for key, seen in self._seen.items() if seen[0] >= before}
        gone = self.ledger.forget(before)
        self.windows.forget(before)
        return gone

    def _note_queue(self, event: Event) -> None:
        queue = getattr(event, "queue", "")
        if queue:
            self._queue_names.setdefault(queue.casefold(), queue)
            self._queue_switches.setdefault(queue.casefold(), {})[event.switch_name] = None

    def _note_departure(self, story: Story | None) -> None:
        if story is None:
            return
        self._departed.pop(story.contact.contact_id, None)
        if story.contact.outcome in RETURNING:
            self._departed[story.contact.contact_id] = None

    # ---- what comes out

    def queues(self) -> list[str]:
        return sorted(self._queue_names.values(), key=str.casefold)

    def scopes(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is forecast by itself: the pools, and the queues that share their agents with no other."""
        queues = [queue for queue in self.queues() if queue not in self.counted_only()]
        return [(" + ".join(pool), pool) for pool in self.agents.pools(queues)]

    def counted_only(self) -> set[str]:
        """Queues of which the switch only says how many wait."""
        return {queue for queue in self.queues() if self.counted.of((queue,))}

    def foreseen_of(self, queues: tuple[str, ...], now: datetime) -> Foreseen | None:
        """The forecast that bears on these queues: their pool's; of several pools, the busiest's. None when old."""
        fresh = [seen for seen in self.foreseen if timedelta() <= now - seen.at <= FORESEEN_HOLDS]
        wanted = {queue.casefold() for queue in queues}
        found = [seen for seen in fresh if wanted & {queue.casefold() for queue in seen.queues}]
        return max(found, key=lambda seen: seen.day.expected_calls or 0.0 if seen.day else 0.0, default=None)

    def snapshot(self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None) -> Snapshot:
        """Everything that any face shows, at `now`."""
        queues = self.queues()
        waiting = self.ledger.waiting()
        talking = self.ledger.talking()
        ringing = self.ledger.ringing()
        view = _View(self, now, waiting, talking, ringing)
        calendar = self.rules.calendar
        pools = [pool for pool in self.agents.pools(queues) if len(pool) > 1]
        return Snapshot(
            at=now,
            rate=rate,
            version=self.rules.version,
            target=self.rules.target,
            organisation=self.rules.organisation,
            time_zone=calendar.zone.key,
            hours=self._hours(now),
            total=view.queue("", tuple(queues), None),
            queues=tuple(view.queue(queue, (queue,), queue) for queue in queues),
            pools=tuple(view.queue(" + ".join(pool), pool, pool) for pool in pools),
            agents=self.agents.now(visit.agent_id for visit in talking if visit.agent_id),
            sources=self.sources.now(),
            today=tuple(view.today()),
            events=dict(self.events),
            rejected=dict(self.rejected),
            totals=self.windows.totals(),
            totals_waits=self.windows.wait_buckets(),
            offers={queue: dict(counter) for queue, counter in self.offers.items()},
            journal=journal or JournalNow(),
            reconciliation=self.reconciler.differences(),
        )

    def intervals(
        self, now: datetime, start: datetime, end: datetime, step: str, level: Level, queue: str | None
    ) -> list[Period]:
        """Figures between two moments, cut by `step` in local time. Raises `ValueError` with words for a person."""
        if step not in STEPS:
            raise ValueError(f"step: {step!r} is not one of {', '.join(STEPS)}")
        if end <= start:
            raise ValueError("to: must lie after from")
        if queue is not None and queue.casefold() not in self._queue_names:
            raise ValueError(f"queue: {queue!r} is not known; known are {', '.join(self.queues()) or 'none yet'}")
        view = _View(self, now, self.ledger.waiting(), [], set())
        scope = None if queue is None else (queue,)
        bounds = list(_cut(start, end, step, self.rules.calendar.zone))
        if len(bounds) > MOST_INTERVALS:
            raise ValueError(f"from, to: {len(bounds)} intervals asked for, at most {MOST_INTERVALS} are given")
        return [view.period(step, level, scope, low, high) for low, high in bounds]

    def changed_history(self, now: datetime) -> list[HistoryRow]:
        """Rows for the store: the quarters of an hour that changed, with how their open minutes were observed."""
        rows = []
        for row in self.windows.take_changed():
            end = min(row.start + timedelta(minutes=15), now)
            covered = self._covered((row.queue,), self.calendars.of(row.queue), row.start, end)
            rows.append(structs.replace(row, coverage=covered))
        return rows

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage:
        """Open minutes of these queues (the first one's hours hold) up to now, by how they were observed."""
        calendar = self.calendars.of(queues[0]) if len(queues) == 1 else self.rules.calendar
        end = min(end, now)
        stored = Coverage()
        edge = self.windows.closed_before
        if edge is not None and start < edge and queues:
            day, last = calendar.day_of(start), calendar.day_of(min(edge, end) - timedelta(seconds=1))
            while day <= last:
                known = self._history_coverage.get((queues[0].casefold(), day))
                if known is None and calendar.span(day) is not None:
                    known = Coverage(blind_minutes=int(calendar.open_minutes(*day_bounds(day, calendar.zone))))
                stored = _add(stored, known or Coverage())
                day += timedelta(days=1)
            start = edge
        if start >= end:
            return stored
        return _add(stored, self._covered(queues, calendar, start, end))

    def _covered(self, queues: tuple[str, ...], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        switches = self._switches(queues)
        if end <= start:
            return Coverage()
        sources = self.sources.now()
        key = (
            tuple(switches),
            id(calendar),
            start,
            int(end.timestamp()) // 60,
            tuple((source.name, source.up, source.since, source.gap_seconds_total) for source in sources),
        )
        if len(self._coverage_cache) > 2000:
            self._coverage_cache.clear()
        if key not in self._coverage_cache:
            self._coverage_cache[key] = self.sources.coverage(switches, calendar, start, end)
        return self._coverage_cache[key]

    def _switches(self, queues: tuple[str, ...]) -> list[str]:
        found = {switch for queue in queues for switch in self._queue_switches.get(queue.casefold(), {})}
        return sorted(found) or self.sources.switches()

    def trouble(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None:
        """Why these queues cannot be vouched for now, if so: no source, one down, or none heard of in open hours."""
        switches = self._switches(queues)
        if not switches:
            return StatusReason.NO_SOURCE
        if not self.sources.is_up(switches):
            return StatusReason.SOURCE_DOWN
        opened = self.rules.calendar.stretch(now)
        last = self.sources.last_sign(switches)
        if opened is not None and last is not None:
            quiet_since = max(last, opened[0])
            if now - quiet_since > self.rules.silent_after:
                return StatusReason.SOURCE_SILENT
        return None

    def returning(
        self, queues: frozenset[str] | None, start: datetime, end: datetime, now: datetime
    ) -> service_level.Returning:
        """Contacts that left a queue a moment ago and may be answered in another yet."""
        limit_ms = self.rules.target.limit_seconds * 1000
        only_answered = self.rules.target.definition is DefinitionId.D1
        found: Counter[str] = Counter()
        for contact_id in list(self._departed):
            story = self.ledger.story(contact_id)
            if story is None or now - (story.contact.settled_at or now) > MAY_RETURN:
                del self._departed[contact_id]
                continue
            contact = story.contact
            judged = self.windows.place_contact(contact, now)
            if judged is None or not _lies_in(judged, queues, start, end):
                continue
            late = (contact.wait_ms or 0) > limit_ms
            if only_answered or contact.outcome in self.windows.excluded(contact.first_queue):
                found["outside_late" if late else "outside"] += 1
            elif not late:
                found["counted"] += 1
        return service_level.Returning(**found)

    def _hours(self, now: datetime) -> Hours:
        calendar = self.rules.calendar
        return Hours(
            open=calendar.is_open(now),
            opens_at=calendar.next_opening(now),
            closes_at=calendar.closing(now),
            note=calendar.note(calendar.day_of(now)),
        )


class _View:
    """One look at the live state: what waits now is asked once, and used for every queue and period."""

    def __init__(
        self,
        live: Live,
        now: datetime,
        waiting: list[tuple[Contact, Visit]],
        talking: list[Visit],
        ringing: set[str],
    ) -> None:
        self._live = live
        self._now = now
        self._waiting = waiting
        self._talking = talking
        self._ringing = ringing
        self._placed: dict[Level, list[tuple[Judged, str]]] = {Level.CONTACT: [], Level.VISIT: []}
        for contact, visit in waiting:
            self._place(contact, visit)
        self._precision = max((s.precision_ms for s in live.sources.now() if not s.is_log), default=0) or max(
            (s.precision_ms for s in live.sources.now()), default=1
        )

    def _place(self, contact: Contact, visit: Visit) -> None:
        """Those who wait count in their place too: past the limit they are misses already."""
        windows, target = self._live.windows, self._live.rules.target
        judged = windows.place_visit(visit, self._now)
        if judged is not None:
            self._placed[Level.VISIT].append((judged, service_level.judge(Outcome.WAITING, judged.wait_ms, target)))
        if contact.outcome is Outcome.WAITING:
            judged = windows.place_contact(contact, self._now)
            if judged is not None:
                field = service_level.judge(Outcome.WAITING, judged.wait_ms, target)
                self._placed[Level.CONTACT].append((judged, field))

    def queue(self, name: str, queues: tuple[str, ...], scope: str | tuple[str, ...] | None) -> QueueNow:
        names = None if scope is None else (scope,) if isinstance(scope, str) else scope
        keys = None if names is None else frozenset(n.casefold() for n in names)
        waiting = [
            (contact, visit) for contact, visit in self._waiting if keys is None or visit.queue.casefold() in keys
        ]
        lines = tuple(self._line(at, contact, visit) for at, (contact, visit) in enumerate(waiting, start=1))
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
        seen = self._live.foreseen_of(queues, self._now)
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
            ),
            periods=periods,
            visits_today=self.period("day", Level.VISIT, names, *today),
            open=calendar.is_open(self._now),
            day_hours=calendar.span(calendar.day_of(self._now)),
            counted=None if count is None else count.waiting,
            expected_wait_seconds=seen.wait.expected if seen else None,
            wait_range_seconds=_range(seen),
            unlikely=seen.unlikely if seen else 0,
            margins=_margins(seen, periods, self._live.rules.target),
            risk=seen.day if seen else None,
            month_risk=seen.month if seen else None,
        )

    def _line(self, place: int, contact: Contact, visit: Visit) -> WaitingNow:
        queue_wait = 0 if visit.entered_at is None else max(0, milliseconds(self._now - visit.entered_at))
        before = contact.wait_ms or 0 if contact.outcome is Outcome.WAITING else 0
        return WaitingNow(
            visit_id=visit.visit_id,
            queue=visit.queue,
            position=place,
            entered_at=visit.entered_at,
            wait_ms=before + queue_wait,
            queue_wait_ms=queue_wait,
            ringing=visit.visit_id in self._ringing,
            start_known=visit.start_known,
        )

    def _today(self, calendar: Calendar) -> tuple[datetime, datetime]:
        return day_bounds(calendar.day_of(self._now), calendar.zone)

    def _periods(self, names: tuple[str, ...] | None) -> Iterable[Period]:
        calendar = self._live.rules.calendar
        zone, today = calendar.zone, calendar.day_of(self._now)
        minute = self._now.replace(second=0, microsecond=0)
        for name, minutes in ROLLING.items():
            yield self.period(
                name, Level.CONTACT, names, minute - timedelta(minutes=minutes - 1), minute + timedelta(minutes=1)
            )
        yield self.period("day", Level.CONTACT, names, *day_bounds(today, zone))
        month, tertial = month_start(today), tertial_start(today)
        ends = next_month(month)
        yield self.period("month", Level.CONTACT, names, day_bounds(month, zone)[0], day_bounds(ends, zone)[0])
        ends = _tertial_end(tertial)
        yield self.period("tertial", Level.CONTACT, names, day_bounds(tertial, zone)[0], day_bounds(ends, zone)[0])

    def period(self, name: str, level: Level, names: tuple[str, ...] | None, start: datetime, end: datetime) -> Period:
        live = self._live
        keys = None if names is None else frozenset(n.casefold() for n in names)
        counts, outside = self._counts(level, names, keys, start, end)
        waits = live.windows.waits(level, names, start, end)
        queues = tuple(live.queues()) if names is None else names
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
            live.coverage(queues, start, end, self._now),
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
        for judged, field in self._placed[level]:
            if _lies_in(judged, keys, start, end, inside=None):
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


def _range(seen: Foreseen | None) -> tuple[float, float] | None:
    if seen is None or seen.wait.low is None or seen.wait.high is None:
        return None
    return seen.wait.low, seen.wait.high


def _margins(seen: Foreseen | None, periods: dict[str, Period], target: Target) -> dict[str, int]:
    """Misses that still fit, by period, as far as the calls to come are foretold."""
    found = {"day": seen.day, "month": seen.month} if seen else {}
    return {
        name: service_level.margin(target, risk.expected_calls, periods[name].misses)
        for name, risk in found.items()
        if risk is not None and risk.expected_calls is not None
    }


def _by_our_clock(event: Event) -> Event:
    """An event of a switch whose clock is far off, timed by its receipt instead (SWITCHBOARDS.md 10.8)."""
    if not event.live and not isinstance(event, QueueSnapshot):
        return event
    told: dict[str, object] = {"switch_time": None, "time_basis": TimeBasis.MONITOR}
    if isinstance(event, QueueSnapshot):
        told["as_of"] = event.observed_at
        told["waiting"] = tuple(structs.replace(caller, entered_at=None) for caller in event.waiting)
    return structs.replace(event, time_precision_ms=max(event.time_precision_ms, 10), **told)


def _content(event: Event) -> int:
    """A number that differs when what two events say does; how and when they were received is left out."""
    told = tuple(getattr(event, name) for name in event.__struct_fields__ if name not in _RECEIPT)
    return hash((type(event).__name__, repr(told)))


def _lies_in(
    judged: Judged, keys: frozenset[str] | None, start: datetime, end: datetime, inside: bool | None = True
) -> bool:
    if keys is not None and judged.place.queue.casefold() not in keys:
        return False
    if inside is not None and judged.place.inside is not inside:
        return False
    return int(start.timestamp()) // 60 <= judged.place.minute < -(-int(end.timestamp()) // 60)


def _add(one: Coverage, other: Coverage) -> Coverage:
    return Coverage(
        seen_minutes=one.seen_minutes + other.seen_minutes,
        recovered_minutes=one.recovered_minutes + other.recovered_minutes,
        blind_minutes=one.blind_minutes + other.blind_minutes,
    )


def _tertial_end(start: date) -> date:
    end = start
    for _ in range(4):
        end = next_month(end)
    return end


def _cut(start: datetime, end: datetime, step: str, zone: ZoneInfo) -> Iterable[tuple[datetime, datetime]]:
    """Bounds of the intervals that touch a stretch; short ones in elapsed time, so that a repeated hour is two."""
    if step in ("quarter", "hour"):
        seconds = 900 if step == "quarter" else 3600
        at = datetime.fromtimestamp(int(start.timestamp()) // seconds * seconds, UTC)
        while at < end:
            yield at, at + timedelta(seconds=seconds)
            at += timedelta(seconds=seconds)
        return
    day = _step_start(start.astimezone(zone).date(), step)
    while (low := day_bounds(day, zone)[0]) < end:
        following = _step_next(day, step)
        yield low, day_bounds(following, zone)[0]
        day = following


def _step_start(day: date, step: str) -> date:
    return {"day": day, "week": week_start(day), "month": month_start(day), "tertial": tertial_start(day)}[step]


def _step_next(day: date, step: str) -> date:
    if step == "tertial":
        return _tertial_end(day)
    return {"day": day + timedelta(days=1), "week": day + timedelta(days=7), "month": next_month(day)}[step]
