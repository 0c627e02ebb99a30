"""The part of the store that memory holds: the calls of the last minutes, the open calls, and the counts of today.

Calls are removed from memory as the journal goes on, never as the clock does: a clock that jumps costs nothing.
Questions about removed calls go to the store.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from queue_monitor.core.calendar import month_start, tertial_start
from queue_monitor.core.contacts import NEW_CALL_AFTER_START
from queue_monitor.core.gate import fits
from queue_monitor.core.live import RULES, Live
from queue_monitor.core.series import Base
from queue_monitor.core.snapshot_builder import MAX_ROLLING
from queue_monitor.events import Event
from queue_monitor.model import CallRecord, CoverageRecord, JournalBatch, Level
from queue_monitor.ports import Clock, Store
from queue_monitor.queues import queue_key
from queue_monitor.runtime.fault import BrokenCall, BrokenEvent, call_skip_key, skip_key
from queue_monitor.runtime.refused_before import Span, refused_within

log = logging.getLogger(__name__)

HOLD: Final = timedelta(minutes=15)
"""The time that calls that are over stay in memory, counted back from the present end of the journal."""

STEP: Final = timedelta(minutes=5)
"""The step by which calls are removed from memory."""

MAX_HELD: Final = 50_000
"""The number of events from which calls are removed sooner than after `HOLD`: a flood must not fill the memory.

An event and its share of the call take about 2 kB.
"""

MIN_HOLD: Final = timedelta(minutes=1)
"""The time that calls that are over stay in memory in any case: words of the same moment come in any order."""

MAX_ACROSS: Final = timedelta(days=31)
"""The longest time after a call's beginning in which it may be amended, as by a callback."""

_NOTED_EVERY: Final = 100

LATEST: Final = 1000
"""The number of the newest events that show where the journal is: half of them are later than what is removed.

Were it nine in ten, a sender of some old calls would keep all others in memory.
"""

_EVER: Final = datetime(1970, 1, 2, tzinfo=UTC)
_DAY_MINUTES: Final = 1440
MAX_CALL: Final = timedelta(hours=12)
PACK_AFTER: Final = timedelta(days=1)


class Holding:
    """The upkeep of memory: no larger than today needs, and in step with the store."""

    def __init__(self, live: Live, store: Store, clock: Clock, *, holds_all: bool = False) -> None:
        """Make the upkeep of `live`. `holds_all`: nothing is removed from memory."""
        self._holds_all = holds_all
        self._live = live
        self._store = store
        self._clock = clock
        self._calendar = live.rules.calendar
        self._latest: deque[datetime] = deque(maxlen=LATEST)
        self._milestones: deque[datetime] = deque(maxlen=MAX_HELD // _NOTED_EVERY)
        self._noted = 0
        self._edge: date | None = None
        self._days: set[int] = set()
        self._due: set[date] = set()
        self._last_written: set[date] = set()
        self._kept: set[tuple[str, date]] = set()
        self._written_at: tuple[date, tuple[int, ...]] | None = None
        self._first_day: date | None = None
        self._skipped: frozenset[str] = frozenset()

    def skip(self, keys: frozenset[str]) -> None:
        """Leave out the events and calls with these keys: our own code has raised on them."""
        self._skipped = keys

    async def load(self) -> None:
        """Load the state that a start needs. Raises `StoreError`."""
        live, store = self._live, self._store
        totals = await store.totals()
        live.windows.load_totals(totals)
        self._latest.extend(await store.latest(LATEST))
        if not self._latest and not totals:  # calls may have been imported before the first event
            await self._save_rules()
            return
        seq, states = await store.load_states()
        live.load_states(states, self._clock.now())
        async for _, event in store.read_after(seq):
            self._take(live.apply_start, event)  # the stored calls were judged with it
        held_from = _EVER if self._holds_all else self._reached
        edge = self._edge_for(held_from)
        if (complete := (await store.health()).first_kept) is not None and not self._holds_all:
            edge = max(edge, min(complete, self._hour_ago))  # of days whose calls were deleted only sums are left
        await self._restate(edge, states.get(RULES, b"").decode())
        self._take_calls(live, await store.load_recent(held_from))
        await self.complete()
        if not self._holds_all:
            live.hold_from(held_from)
            self._take_up(edge, *await self._sums_before(edge))
        live.windows.load_minutes(await store.load_minutes(self._calendar.midnight(edge)))
        await self._take_kept(edge)
        if (begun := live.reconciler.oldest_begin) is not None:
            visits = await store.visits(None, begun - MAX_CALL, self._clock.now(), after_answer=False)
            live.reconciler.count(visits)
        for refused in await refused_within(store, [Span(held_from - NEW_CALL_AFTER_START, held_from)]):
            self._take(live.remember, refused)
        async for event in store.read(held_from):
            self._take(live.remember, event)
        async for _, event in store.read_after(seq):
            self._take(live.apply_state_only, event)
        await self._save_rules()

    async def load_as_of(self, moment: datetime, starts: Iterable[Event], recent: Iterable[Event]) -> None:
        """Load what memory held at an earlier moment, from which on the journal is taken anew. Raises `StoreError`.

        `starts`: the events before it by which a switch may have begun anew.
        `recent`: all events of the time before it (`HOLD`).
        """
        for event in starts:
            self._take(self._live.apply_start, event)
        self._take_calls(self._live, await self._store.load_across(moment, MAX_ACROSS, since=moment - HOLD))
        await self.complete()
        for event in recent:
            self._take(self._live.remember, event)
            self._take(self._live.apply_state_only, event)

    async def _take_kept(self, edge: date) -> None:
        """Note of which held days before today the store has a coverage, and load that of days that were imported."""
        yesterday = self._calendar.day_of(self._clock.now()) - timedelta(days=1)
        if edge > yesterday:
            return
        kept = await self._store.coverage(edge, yesterday)
        self._kept = {(queue_key(record.queue), record.day) for record in kept}
        spans = [
            (each.first_day, each.last_day)
            for each in await self._store.import_records(edge, yesterday)
            if each.first_day is not None and each.last_day is not None
        ]
        imported = [record for record in kept if any(first <= record.day <= last for first, last in spans)]
        self._live.queue_coverage.load_imported(imported)

    async def _save_rules(self) -> None:
        for rules in self._live.rules.versions:
            await self._store.save_rules(rules.judged_by_version, rules.judged_by.encode(), self._clock.now())

    def _take(self, take: Callable[[Event], None], event: Event) -> None:
        """Take an event of the journal, unless it breaks a limit or must not be taken. Raises `BrokenEvent`."""
        if not fits(event) or skip_key(event) in self._skipped:
            return
        try:
            take(event)
        except Exception as error:
            raise BrokenEvent(event) from error

    async def complete(self) -> None:
        """Load the calls that share evidence with those that memory holds. Raises `StoreError`."""
        asked: set[str] = set()
        while keys := self._live.missing_calls() - asked:
            asked |= keys
            self._take_calls(self._live, await self._store.load_calls(sorted(keys)))

    def _take_calls(self, live: Live, documents: list[bytes]) -> None:
        """Load calls from the store, except those that have stopped a start before.

        Raises `BrokenCall` for a call on which our own code raises, also when it is loaded alone.
        """
        if self._skipped:
            documents = [document for document in documents if call_skip_key(document) not in self._skipped]
        try:
            live.load_calls(documents)
            live.settle()
        except Exception:
            for document in documents:
                self._try_alone(document)
            raise

    def _try_alone(self, document: bytes) -> None:
        scratch = Live(self._live.rules)
        try:
            scratch.load_calls([document])
            scratch.settle()
        except Exception as error:
            raise BrokenCall(document, error) from error

    async def _restate(self, edge: date, judged_by: str) -> None:
        """Judge the calls of the days from `edge` on again, when the rules have changed since they were judged.

        Each call is judged by the rules of its own day, so that a change leaves the days before it as they are.
        """
        rules = self._live.rules
        if judged_by in ("", rules.dated_versions):
            return
        scratch = Live(rules, records=True)
        scratch.take_starts(self._live)
        self._take_calls(scratch, await self._store.load_recent(self._calendar.midnight(edge)))
        scratch.record_all()
        calls, _ = scratch.take_records()
        await self._store.commit(JournalBatch(received_at=self._clock.now(), calls=tuple(calls)))
        log.warning("rules changed: judged anew calls=%d since=%s", len(calls), edge)

    async def _sums_before(self, edge: date) -> tuple[tuple[Base, Base], list[CoverageRecord]]:
        """Return the sums of the month and of the tertial before a day, and the coverage of their days."""
        bases = []
        for start in (month_start(edge), tertial_start(edge)):
            begin, end = self._calendar.midnight(start), self._calendar.midnight(edge)
            rows = await self._store.sums(Level.CONTACT, None, begin, end, "day") if begin < end else []
            bases.append(Base.of(start, rows))
        first = tertial_start(edge)
        coverage = await self._store.coverage(first, edge - timedelta(days=1)) if first < edge else []
        return (bases[0], bases[1]), coverage

    def _take_up(self, edge: date, bases: tuple[Base, Base], coverage: list[CoverageRecord]) -> None:
        """Hold the days from `edge` on by the minute, and only these sums of the days before it."""
        self._live.windows.rebase(edge, *bases)
        self._live.load_coverage(coverage)
        self._edge = edge

    # ---- as the journal goes on

    def note(self, events: Sequence[Event], calls: Iterable[CallRecord]) -> None:
        """Note events and calls that have just been committed."""
        self._latest.extend([event.at for event in events[-LATEST:]])
        skipped = _NOTED_EVERY - 1 - self._noted % _NOTED_EVERY
        self._milestones.extend([event.at for event in events[skipped::_NOTED_EVERY]])
        self._noted += len(events)
        days = {call.placed.minute // _DAY_MINUTES for call in calls if call.placed is not None}
        self._days |= days
        if days and self._edge is None:
            first = self._local_day(min(days))
            self._first_day = min(first, self._first_day or first)

    def let_go(self) -> None:
        """Remove from memory what it need not hold any more. Call it only when nothing waits to be committed."""
        if not self._latest or self._holds_all:
            return
        reached, step, held_from = self._reached, STEP, self._live.held_from
        if (crowded := self._crowded_until) is not None and crowded > reached:
            reached, step = crowded, MIN_HOLD
        if held_from is not None and reached - held_from < step:
            return
        self._live.evict(reached)
        edge = self._edge_for(reached)
        if self._edge is None or edge > self._edge:
            self._pass_over(edge)

    @property
    def _reached(self) -> datetime:
        """Return the time from which calls are held: `HOLD` before the end of the journal, whatever a few wrong clocks
        say.
        """
        return self._end - HOLD if self._latest else self._clock.now() - HOLD

    @property
    def _end(self) -> datetime:
        """Return the present end of the journal: half of its newest events are later."""
        return _middle(self._latest)

    @property
    def _crowded_until(self) -> datetime | None:
        """Return the time before which half of the newest `MAX_HELD` events lie; None while there are fewer."""
        if len(self._milestones) < MAX_HELD // _NOTED_EVERY:
            return None
        return min(_middle(self._milestones), self._end - MIN_HOLD)

    def _edge_for(self, held_from: datetime) -> date:
        """Return the day from which the held calls and the last hour, which may begin before midnight, are complete."""
        return min(self._calendar.day_of(held_from), self._hour_ago)

    @property
    def _hour_ago(self) -> date:
        return self._calendar.day_of(self._clock.now() - MAX_ROLLING)

    @property
    def is_ahead(self) -> bool:
        """Return whether the last hour began on a day of which memory keeps only sums: the clock has been set back."""
        return self._edge is not None and self._hour_ago < self._edge

    async def step_back(self, is_idle: Callable[[], bool]) -> None:
        """Hold by the minute again from the day on which the last hour began, if nothing waits. Raises `StoreError`."""
        edge = self._hour_ago
        bases, coverage = await self._sums_before(edge)
        minutes = await self._store.load_minutes(self._calendar.midnight(edge))
        if not is_idle():
            return
        self._live.windows.clear()
        self._take_up(edge, bases, coverage)
        self._live.windows.load_minutes(minutes)
        log.warning("clock set back: days held anew since=%s", edge)

    def _pass_over(self, edge: date) -> None:
        """Keep only the sums of the days before `edge`."""
        now = self._clock.now()
        day = self._edge or self._first_day
        while day is not None and day < edge:
            self._live.load_coverage(self._live.coverage_records(day, now))
            self._due.add(day)
            day += timedelta(days=1)
        self._live.windows.advance(edge)
        self._edge = edge

    def _local_day(self, number: int) -> date:
        """Return the local day that holds most of a day of UTC, which is given as a number counted from 1970."""
        return self._calendar.day_of(datetime.fromtimestamp((number + 0.5) * 86_400, UTC))

    async def pack(self, at_most: int) -> int:
        """Pack old journal rows; return their number. Raises `StoreError`."""
        if self._live.held_from is None:
            return 0
        return await self._store.pack(self._live.held_from - PACK_AFTER, at_most)

    def coverage(self) -> list[CoverageRecord]:
        """Return the coverage of today so far, and of the earlier days that it may be another of since the last call.

        Those are the days whose calls have changed, and all that memory holds on a new day and after a source has come
        or gone, for a silence that is found today may have begun days ago. An earlier day of which nothing was seen
        gets no record.
        """
        now, sources = self._clock.now(), self._live.sources
        today = self._calendar.day_of(now)
        days = self._due | {today} | {self._local_day(number) for number in self._days}
        if (state := (today, sources.changes(sources.switches()))) != self._written_at and self._edge is not None:
            days |= {self._edge + timedelta(days=each) for each in range((today - self._edge).days)}
        self._written_at = state
        self._due, self._last_written = set(), days
        self._days.clear()
        made = [record for day in sorted(days) for record in self._live.coverage_records(day, now)]
        records = [record for record in made if record.day == today or self._is_worth_keeping(record)]
        self._kept = {each for each in self._kept if self._edge is None or each[1] >= self._edge}
        self._kept |= {(queue_key(record.queue), record.day) for record in records}
        self._live.load_coverage(record for record in records if self._edge is not None and record.day < self._edge)
        return records

    def write_again(self) -> None:
        """Give the days of the last records once more: they could not be written."""
        self._due |= self._last_written

    def _is_worth_keeping(self, record: CoverageRecord) -> bool:
        return bool(record.coverage.observed_minutes) or (queue_key(record.queue), record.day) in self._kept


def _middle(times: Iterable[datetime]) -> datetime:
    """Return the time that as many lie before as after. A few wrong clocks do not move it far."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2]
