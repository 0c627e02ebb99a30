"""The whole live state in one hand: every event goes in at `apply`, every figure comes out in `snapshot`.

Synchronous and without a clock: the pipeline owns it, a replay drives it, a test feeds it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from msgspec import structs

from queue_monitor.core import service_level
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import Calendar, cut, day_bounds
from queue_monitor.core.counted import Counted
from queue_monitor.core.foresight import Foreseen, Foresight, Learned
from queue_monitor.core.ledger import Ledger, Story
from queue_monitor.core.lost import Callers, lost_calls
from queue_monitor.core.opening_check import disagreements
from queue_monitor.core.reconcile import Reconciler
from queue_monitor.core.rules import Rules
from queue_monitor.core.sources import Sources
from queue_monitor.core.teams import JOINT, Teams, inherited
from queue_monitor.core.transfers import transfer_waits
from queue_monitor.core.view import View, lies_in
from queue_monitor.core.windows import Calendars, Judged, Windows, before_opening_ms
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
    CalendarDay,
    Contact,
    Coverage,
    DefinitionId,
    Disagreement,
    HistoryRow,
    Hours,
    JournalNow,
    Level,
    LostCall,
    Outcome,
    Period,
    Snapshot,
    StatusReason,
    TransferWaits,
    WaysOut,
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
_RECEIPT: Final = frozenset({"id", "source", "observed_at", "epoch", "live", "raw", "sequence", "unmapped"})
STEPS: Final = ("quarter", "hour", "day", "week", "month", "tertial")
MOST_INTERVALS: Final = 5000
MOST_DAYS: Final = 400
MOST_QUEUES: Final = 200
"""A snapshot of so many is worked out within a second or two; a municipality has some dozens."""

MOST_REASONS: Final = 200
OTHERS: Final = "others"
"""Stands for the queues, or the reasons, that are one too many."""

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


class Live:
    """Ledger, windows, agents and sources, fed by one hand and read through snapshots."""

    def __init__(self, rules: Rules, foresight: Foresight | None = None) -> None:
        self.rules = rules
        self.calendars = Calendars(rules.calendar, rules.calendars)
        self.ledger = Ledger()
        self.windows = Windows(rules.target, self.calendars, rules.ways_out_by_queue, rules.ways_out)
        self.agents = Agents()
        self.teams = Teams()
        self.counted = Counted()
        self.callers = Callers()
        self.sources = Sources()
        self.reconciler = Reconciler()
        self.foresight = foresight
        if foresight is not None:
            foresight.scopes = self.scopes
        self.foreseen: tuple[Foreseen, ...] = ()
        self.events: Counter[str] = Counter(applied=0, duplicate=0, conflict=0, late=0, orphan=0, invalid=0)
        self.rejected: Counter[str] = Counter()
        self.offers: dict[str, Counter[str]] = {}
        self._seen: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._newest: datetime | None = None
        self._forgotten_before: datetime | None = None
        self._day_ends: datetime | None = None
        self._departed: dict[str, None] = {}
        self._queue_switches: dict[str, dict[str, None]] = {}
        self._queue_names: dict[str, str] = {}
        self._history_coverage: dict[tuple[str, date], Coverage] = {}
        self._coverage_cache: dict[tuple[object, ...], Coverage] = {}
        self._disagreements: tuple[int, tuple[Disagreement, ...]] = (-1, ())

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
        if self._day_ends is None or event.at >= self._day_ends:
            self.turn_day(event.at)
        event = self._within_bounds(event)
        self._note_queue(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            self.agents.apply(event)
        self.counted.apply(event)
        self.callers.apply(event)
        if self.foresight is not None:
            self.foresight.apply(event)
        changes = self.ledger.apply(event)
        if changes.orphan:
            self.events["orphan"] += 1
        for change in changes.stories:
            self.windows.change(change)
            self._note_departure(change.after)
            self._note_service(change.after)
        if changes.refused is not None:
            self.windows.refuse(changes.refused)
        if isinstance(event, QueueSnapshot) and event.counters:
            self._reconcile(event)
        if isinstance(event, CallRingEnded):
            self.offers.setdefault("", Counter())[event.result.value] += 1
        return Taken.NEW

    def turn_day(self, now: datetime) -> None:
        """A new day: the queues that the old one showed to share people are a pool from here on."""
        day_ends, self._day_ends = (
            self._day_ends,
            day_bounds(self.rules.calendar.day_of(now), self.rules.calendar.zone)[1],
        )
        if day_ends is None or day_ends >= self._day_ends:
            return
        self.teams.close_day(now)
        if self.foresight is not None:
            learned = self.foresight.learned
            for name, pool in self.scopes():
                if name not in learned and (known := inherited(pool, learned)) is not None:
                    learned[name] = known

    def recall(self, learned: dict[str, Learned], now: datetime) -> None:
        """Take up what an earlier run has learned."""
        if self.foresight is not None:
            self.foresight.learned = learned
        self.teams.recall(learned, now)
        for pool in learned:
            for queue in pool.split(JOINT):
                self._queue_names.setdefault(queue.casefold(), queue)

    def _reconcile(self, event: QueueSnapshot) -> None:
        key = event.queue.casefold()
        visits = [v for v in self.ledger.visits() if v.switch == event.switch_name and v.queue.casefold() == key]
        self.reconciler.compare(event, visits, lambda since: self.sources.blind(event.switch_name, since, event.as_of))

    def reject(self, source: str, reason: str) -> None:
        """Count what an adapter could not read."""
        self.events["invalid"] += 1
        key = f"{source} {reason}"
        if key not in self.rejected and len(self.rejected) >= MOST_REASONS:
            key = f"{OTHERS} {OTHERS}"
        self.rejected[key] += 1

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
        for story in gone:
            self.callers.forget(story)
        self.windows.forget(before)
        self._forgotten_before = before
        return gone

    def _note_queue(self, event: Event) -> None:
        queue = getattr(event, "queue", "")
        if queue:
            self._queue_names.setdefault(queue.casefold(), queue)
            self._queue_switches.setdefault(queue.casefold(), {})[event.switch_name] = None

    def _within_bounds(self, event: Event) -> Event:
        """An event of one queue too many is taken as one of a queue that stands for all such: a mad switch, or a sender
        that puts something else where a queue's name belongs, must not drown the real ones. Counted, and journaled as
        it was.
        """
        queue = getattr(event, "queue", "")
        if not queue or queue.casefold() in self._queue_names or len(self._queue_names) < MOST_QUEUES:
            return event
        self.reject(event.source, "too_many_queues")
        return structs.replace(event, queue=OTHERS)

    def _note_departure(self, story: Story | None) -> None:
        if story is None:
            return
        self._departed.pop(story.contact.contact_id, None)
        if story.contact.outcome in RETURNING:
            self._departed[story.contact.contact_id] = None

    def _note_service(self, story: Story | None) -> None:
        for visit in story.visits if story else ():
            if visit.agent_id and visit.outcome is Outcome.ANSWERED and visit.ended_wait_at is not None:
                self.teams.answered(visit.agent_id, visit.queue, visit.ended_wait_at)

    # ---- what comes out

    def queues(self) -> list[str]:
        return sorted(self._queue_names.values(), key=str.casefold)

    def scopes(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is forecast by itself: the pools, and the queues that share their agents with no other."""
        queues = [queue for queue in self.queues() if queue not in self.counted_only()]
        return [(JOINT.join(pool), pool) for pool in self.pools(queues)]

    def pools(self, queues: list[str]) -> list[tuple[str, ...]]:
        """Queues grouped by the people they share: by the members that are told, else by who has answered what."""
        return self.agents.pools(queues) if self.agents.members_told else self.teams.pools(queues)

    def counted_only(self) -> set[str]:
        """Queues of which the switch only says how many wait."""
        return {queue for queue in self.queues() if self.counted.of((queue,))}

    def foreseen_of(self, queues: tuple[str, ...], now: datetime) -> Foreseen | None:
        """The forecast that bears on these queues: their pool's; of several pools, the busiest's. None when old."""
        wanted = {queue.casefold() for queue in queues}
        found = [seen for seen in self._fresh(now) if wanted & {queue.casefold() for queue in seen.queues}]
        return max(found, key=lambda seen: seen.day.expected_calls or 0.0 if seen.day else 0.0, default=None)

    def foreseen_within(self, queues: tuple[str, ...], now: datetime) -> list[Foreseen]:
        """The forecasts of the pools and single queues that these queues hold, whole; those of a part of one: none."""
        wanted = {queue.casefold() for queue in queues}
        return [seen for seen in self._fresh(now) if {queue.casefold() for queue in seen.queues} <= wanted]

    def _fresh(self, now: datetime) -> list[Foreseen]:
        return [seen for seen in self.foreseen if timedelta() <= now - seen.at <= FORESEEN_HOLDS]

    def snapshot(self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None) -> Snapshot:
        """Everything that any face shows, at `now`."""
        queues = self.queues()
        waiting = self.ledger.waiting()
        talking = self.ledger.talking()
        ringing = self.ledger.ringing()
        view = View(self, now, waiting, talking, ringing)
        calendar = self.rules.calendar
        pools = [pool for pool in self.pools(queues) if len(pool) > 1]
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
            pools=tuple(view.queue(JOINT.join(pool), pool, pool) for pool in pools),
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
            hours_disagreements=self._hours_disagreements(now),
            calls_since=self.calls_since,
            totals_talks=self.windows.talks(),
        )

    @property
    def calls_since(self) -> datetime | None:
        """From here on calls are held one by one; None when nothing has been let go of yet."""
        edges = [edge for edge in (self.windows.closed_before, self._forgotten_before) if edge is not None]
        return max(edges, default=None)

    def essentials(self, now: datetime) -> Snapshot:
        """The same snapshot with only what decides something, for whoever asks it many times of the past: figure for
        figure equal, what only the faces show left empty. Queues of a pool are in their pool alone.
        """
        queues = self.queues()
        view = View(self, now, self.ledger.waiting(), self.ledger.talking(), set(), briefly=True)
        pools = [pool for pool in self.pools(queues) if len(pool) > 1]
        alone = set(queues).difference(*pools)
        return Snapshot(
            at=now,
            rate=1.0,
            version=self.rules.version,
            target=self.rules.target,
            organisation=self.rules.organisation,
            time_zone=self.rules.calendar.zone.key,
            hours=self._hours(now),
            total=view.queue("", tuple(queues), None),
            queues=tuple(view.queue(queue, (queue,), queue) for queue in queues if queue in alone),
            pools=tuple(view.queue(JOINT.join(pool), pool, pool) for pool in pools),
            agents=(),
            sources=self.sources.now(),
            today=(),
            events={},
            rejected={},
            totals={},
            totals_waits={},
            offers={},
            journal=JournalNow(),
        )

    def intervals(
        self,
        now: datetime,
        start: datetime,
        end: datetime,
        step: str,
        level: Level,
        queue: str | tuple[str, ...] | None,
    ) -> list[Period]:
        """Figures between two moments, cut by `step` in local time; of a queue, of several, or None for all.

        Raises `ValueError` with words for a person.
        """
        if step not in STEPS:
            raise ValueError(f"step: {step!r} is not one of {', '.join(STEPS)}")
        if end <= start:
            raise ValueError("to: must lie after from")
        scope = (queue,) if isinstance(queue, str) else queue
        for name in scope or ():
            self._check_queue(name)
        view = View(self, now, self.ledger.waiting(), [], set())
        bounds = list(islice(cut(start, end, step, self.rules.calendar.zone), MOST_INTERVALS + 1))
        if len(bounds) > MOST_INTERVALS:
            raise ValueError(f"from, to, step: at most {MOST_INTERVALS} intervals are given at once")
        return [view.period(step, level, scope, low, high) for low, high in bounds]

    def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        """Callers whom nobody answered, who entered between two moments; none from before `calls_since`.

        Raises `ValueError` with words for a person.
        """
        if end <= start:
            raise ValueError("to: must lie after from")
        self._check_queue(queue)
        return lost_calls(self.ledger, self.windows, self.callers, max(start, self.calls_since or start), end, queue)

    def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        """Waits after a transfer, by receiving queue; none from before `calls_since`. Raises `ValueError`."""
        self._check_queue(queue)
        return transfer_waits(self.ledger.stories(), max(start, self.calls_since or start), end, queue)

    def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Where the switch and the calendar say different things about being open; of calls still held one by one."""
        visits = (v for v in self.ledger.visits() if v.entered_at is not None and start <= v.entered_at < end)
        refusals = (refusal for refusal in self.ledger.refusals() if start <= refusal.at < end)
        return disagreements(self.calendars.of, visits, refusals)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        """The opening hours of some days, a queue's or those of all. Raises `ValueError` with words for a person."""
        if last < first:
            raise ValueError("to: must lie after from")
        if (last - first).days >= MOST_DAYS:
            raise ValueError(f"from, to: at most {MOST_DAYS} days are given at once")
        self._check_queue(queue)
        return (self.rules.calendar if queue is None else self.calendars.of(queue)).days(first, last)

    def _check_queue(self, queue: str | None) -> None:
        if queue is not None and queue.casefold() not in self._queue_names:
            raise ValueError(f"queue: {queue!r} is not known; known are {', '.join(self.queues()) or 'none yet'}")

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
        """Contacts that left a queue a moment ago and may be answered in another yet, or called back in time."""
        limit_ms = self.rules.target.limit_seconds * 1000
        only_answered = self.rules.target.definition is DefinitionId.D1
        found: Counter[str] = Counter()
        for contact_id in list(self._departed):
            story = self.ledger.story(contact_id)
            if story is None:
                del self._departed[contact_id]
                continue
            contact = story.contact
            ways_out = self.windows.ways_out(contact.first_queue)
            judged = self.windows.place_contact(contact, now)
            may_be_called_back = judged is not None and _may_be_called_back(contact, judged, ways_out, now)
            if not may_be_called_back and now - (contact.settled_at or now) > MAY_RETURN:
                del self._departed[contact_id]
                continue
            if judged is None or not lies_in(judged, queues, start, end):
                continue
            late = (contact.wait_ms or 0) > limit_ms and not may_be_called_back
            if only_answered or contact.outcome in ways_out.excluded:
                found["outside_late" if late else "outside"] += 1
            elif not late:
                found["counted"] += 1
        return service_level.Returning(**found)

    def _hours_disagreements(self, now: datetime) -> tuple[Disagreement, ...]:
        """Of today, looked for every five minutes: that is often enough for a wrong setting, and costs every call."""
        looked = int(now.timestamp()) // 300
        if looked != self._disagreements[0]:
            today = self.rules.calendar.day_of(now)
            self._disagreements = looked, tuple(self.disagreements(*day_bounds(today, self.rules.calendar.zone)))
        return self._disagreements[1]

    def _hours(self, now: datetime) -> Hours:
        calendar = self.rules.calendar
        return Hours(
            open=calendar.is_open(now),
            opens_at=calendar.next_opening(now),
            closes_at=calendar.closing(now),
            note=calendar.note(calendar.day_of(now)),
        )


def _may_be_called_back(contact: Contact, judged: Judged, ways_out: WaysOut, now: datetime) -> bool:
    """Whether one who left may yet be called back soon enough to count as in time."""
    if contact.outcome not in ways_out.judged or contact.called_back_ms is not None or contact.entered_at is None:
        return False
    return milliseconds(now - contact.entered_at) - before_opening_ms(contact, judged) <= ways_out.within_ms


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


def _add(one: Coverage, other: Coverage) -> Coverage:
    return Coverage(
        seen_minutes=one.seen_minutes + other.seen_minutes,
        recovered_minutes=one.recovered_minutes + other.recovered_minutes,
        blind_minutes=one.blind_minutes + other.blind_minutes,
    )
