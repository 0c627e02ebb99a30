"""The pipeline: one writer takes events one at a time, owns all live state, and publishes immutable snapshots.

A task of its own writes the journal; the sender of a delivery gets its answer ("it is safe now") after the commit. When
the database is away the live figures go on, and the sender waits. An event about a call that memory no longer holds
waits for the store: the evidence of its call is loaded first, and amended.

Longer than 450 lines because it is the one writer, and the order in which gate, late events, journal and snapshots
take turns is its point.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec import structs

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.forecasting import ForecastInputs
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import ApplyResult, Live
from queue_monitor.core.pieces import in_turns
from queue_monitor.core.sources import CLOCK_TRUSTED_MS
from queue_monitor.events import CallEntered, CallLeft, Event, SourceClock, SourceRestarted
from queue_monitor.model import (
    CalendarDay,
    CoverageRecord,
    DifferenceRecord,
    Disagreement,
    Forecast,
    ImportRecord,
    JournalNow,
    Known,
    Level,
    LostCall,
    Period,
    RepeatDay,
    SkippedEvent,
    Snapshot,
    StoredCall,
    StoreNow,
    SumRow,
    TransferWaits,
    WeekSlot,
)
from queue_monitor.ports import Clock, Delivery, Receipt, Rejected, Store, StoreError
from queue_monitor.runtime.admission import Admission
from queue_monitor.runtime.answers import MemoryAnswers, StoreAnswers
from queue_monitor.runtime.day_differences import DayDifferences
from queue_monitor.runtime.fault import BrokenEvent, Fault
from queue_monitor.runtime.holding import Holding
from queue_monitor.runtime.inbox import Inbox
from queue_monitor.runtime.journal_writer import JournalWriter, PendingBatch
from queue_monitor.runtime.learning import Learning
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.refused_before import refused_before
from queue_monitor.runtime.spill import Spill
from queue_monitor.runtime.steps import Steps

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
MAX_OFTEN_SECONDS: Final = 0.2
"""The shortest time between two snapshots that follow events."""

CLOCK_WARNING_MS: Final = 2_000
FIGURES: Final = "working out the figures"
FORECAST_SECONDS: Final = 15.0
FORECAST_REST: Final = 4
"""The pause after the forecasts, as a multiple of the time they took: 200 queues take some 10 s."""

BOUNDS_SECONDS: Final = 10.0
"""The time between two checks for callers who left unseen and sources that have fallen silent."""

TURN: Final = 200
"""The number of events taken before the pages, the journal and the sources get their turn again: some 30 ms."""

GATHERED_AT_ONCE: Final = 4
"""The number of scopes whose inputs to the forecast are gathered while nothing else is taken: some milliseconds."""

LATE_BATCH: Final = 2000
"""The number of events that need the store which are looked up at once."""

RETRY_SECONDS: Final = 1.0
STATE_SECONDS: Final = 10.0
"""The time between two writings of the state that a start needs besides the calls; later events are read back from the
journal.
"""

HEALTH_SECONDS: Final = 60.0
PACK_SECONDS: Final = 60.0
PACK_AT_ONCE: Final = 2000
NEW_DAY_AFTER_SECONDS: Final = 60.0
"""A new day begins when the clock has shown it for this long: a clock that jumps and comes back begins none."""

KEPT_DAYS: Final = 400
"""Events from more days ago than this are refused as no longer kept, where nothing has been deleted
(docs/definitions.md).
"""


class Pipeline:
    """The pipeline takes deliveries, keeps the live state, writes the journal, and publishes snapshots."""

    def __init__(
        self,
        live: Live,
        clock: Clock,
        store: Store | None = None,
        spill: Spill | None = None,
        *,
        keys: MonthKeys | None = None,
        names: Iterable[str] = (),
        rebuilds: bool = False,
        holds_all: bool = False,
        on_forgotten: Callable[[list[ContactHistory]], None] = lambda histories: None,
    ) -> None:
        """Make a pipeline that is not started.

        `keys`: the keys by which numbers in ids are replaced; without them the keys are gone with the process.
        `names`: the names of queues, sources and switches in the settings.
        `rebuilds`: the journal has these events already, and only history is made of them.
        `holds_all`: no call is removed from memory, for a replay that lists them at its end.
        `on_forgotten`: takes the calls that are removed from memory at midnight where there is no store.
        """
        self._rebuilds = rebuilds
        self._live = live
        if not rebuilds:
            live.callers.since = clock.now()
        self._clock = clock
        self._store = store
        self._spill = spill
        self._skipped: dict[str, SkippedEvent] = {}
        self._steps = Steps()
        self._keys = keys or MonthKeys(None)
        self._admission = Admission(live, clock, self._keys, names, rebuilds=rebuilds)
        self._learning = Learning(live, clock)
        self._clocks: dict[str, str] = {}
        self._inbox = Inbox()
        self._late: deque[tuple[Delivery, PendingBatch]] = deque()
        self._writer = JournalWriter(live, clock, store, spill, self._admission.reject, journaled=not rebuilds)
        self._still = asyncio.Lock()
        self._holding = Holding(live, store, clock, holds_all=holds_all) if store is not None else None
        self._differences = days = DayDifferences(live.rules.calendar)
        self._answers = (
            MemoryAnswers(live, clock, days) if store is None else StoreAnswers(live, clock, days, store, self._flushed)
        )
        self._repeats_due = False
        self._repeats_kept: list[RepeatDay] = []
        self._to_write = asyncio.Event()
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()
        self._watchers: set[asyncio.Event] = set()
        self._health = StoreNow()
        self._snapshot = live.snapshot(clock.now(), clock.rate)
        self._published = clock.monotonic()
        self._states_at = clock.monotonic()
        self._health_at = self._bounded_at = clock.monotonic()
        self._today = live.rules.calendar.day_of(clock.now())
        self._midnight = live.rules.calendar.midnight(self._today)
        self._on_forgotten = on_forgotten

    @property
    def trouble(self) -> str:
        """Return why the store cannot be written to; "" when it can."""
        return self._writer.error

    # ---- input

    async def put(self, delivery: Delivery) -> None:
        """Hand over a delivery; never refuses, never drops.

        Waits while too many events are in the line already: the door then takes in no more, and its sender has to wait.
        """
        await self._inbox.put(delivery)

    def take(self, delivery: Delivery) -> None:
        """Apply one delivery and put it in the journal's line; one that needs the store is put in the line for that."""
        line = self._line_of(delivery)
        items = self._admission.admit(delivery, line, self.first_kept)
        if self._store is not None and not self._all_held(items):
            line.events = [item for item in items if not isinstance(item, Rejected)]
            self._late.append((delivery, line))
        else:
            self._apply(items, line)
            self._writer.add(line)
        self._to_write.set()

    def _line_of(self, delivery: Delivery) -> PendingBatch:
        now = self._clock.monotonic()
        return PendingBatch([], delivery.received_at, delivery.ack, now, by_sender=delivery.dated_by_sender)

    def _all_held(self, items: Sequence[Event | Rejected]) -> bool:
        """Return whether memory holds all that these events are about, or they begin it themselves."""
        entered: set[tuple[str, str]] = set()
        for item in items:
            if isinstance(item, Rejected):
                continue
            if (item.switch_name, getattr(item, "visit_id", "")) not in entered and not self._live.is_held(item):
                return False
            if isinstance(item, CallEntered):
                entered.add((item.switch_name, item.visit_id))
        return True

    @property
    def first_kept(self) -> datetime:
        """Return the moment before which events are no longer kept."""
        calendar = self._live.rules.calendar
        day = calendar.day_of(self._clock.now()) - timedelta(days=KEPT_DAYS)
        return calendar.midnight(self._health.first_kept or day)

    async def look_again(self) -> None:
        """Ask the store at once since when it keeps everything: it is about to delete. Raises `StoreError`."""
        if self._store is not None:
            self._health = await self._store.health()

    def _apply(self, items: Sequence[Event | Rejected], line: PendingBatch) -> None:
        line.events = []
        forecasts = self._live.forecaster is not None
        for number, item in enumerate(items):
            if isinstance(item, Rejected):
                self._admission.reject(item)
                continue
            try:
                taken = self._live.apply(item)
            except Exception as error:
                rest = [event for event in (*line.events, *items[number + 1 :]) if isinstance(event, Event)]
                raise BrokenEvent(item, rest, by_sender=line.by_sender) from error
            if isinstance(item, SourceClock):
                self._note_clock(item.source)
            if taken is ApplyResult.NEW:
                line.events.append(item)
                if forecasts and not self._learning.has_past:
                    self._learning.has_past = item.at < self._midnight
            elif taken is ApplyResult.DUPLICATE:
                line.duplicates += 1
            else:
                self._conflict(item, line)

    def _conflict(self, event: Event, line: PendingBatch) -> None:
        line.conflicts.append(event.id)
        self._admission.reject(
            Rejected(source=event.source, reason="id_used_twice", field="id", kind="text", length=len(event.id))
        )

    async def _take_late(self, store: Store) -> None:
        """Take one batch of the deliveries that wait for the store: look up which events it has, and load the calls of
        the others. The rest waits until this batch is committed.

        Raises `StoreError`; what was not taken waits on.
        """
        waiting: list[tuple[Delivery, PendingBatch]] = []
        size = 0
        for delivery, line in self._late:
            if waiting and size + len(line.events) > LATE_BATCH:
                break
            waiting.append((delivery, line))
            size += len(line.events)
        if not waiting:
            return
        events = [event for _, line in waiting for event in line.events]
        found = [Known.NEW] * len(events) if self._rebuilds else await store.look_up(events)
        new = [event for event, known in zip(events, found, strict=True) if known is Known.NEW]
        await self._writer.reload(store, self._live.keys_of(new), new)
        for event in new:
            if isinstance(event, SourceRestarted):
                await self._writer.reload_across(store, event)
        for refused in await refused_before(store, new):
            self._live.remember(refused)
        known_of = iter(found)
        async with self._still:
            for delivery, line in waiting:
                self._late.popleft()
                self._apply_late(delivery, line, known_of)
            self._writer.cut()

    def _apply_late(self, delivery: Delivery, line: PendingBatch, found: Iterator[Known]) -> None:
        items: list[Event | Rejected] = [item for item in delivery.items if isinstance(item, Rejected)]
        for event in line.events:
            match next(found):
                case Known.NEW:
                    items.append(event)
                case Known.REPEATED:
                    line.duplicates += 1
                    self._live.events["duplicate"] += 1
                case Known.CONFLICT:
                    self._live.events["conflict"] += 1
                    self._conflict(event, line)
        self._apply(items, line)
        self._writer.add(line)

    def _note_clock(self, source: str) -> None:
        """Log once when a switch's clock goes wrong, and once when it is right again."""
        offset_ms = self._live.sources.clock_offset_ms(source)
        off = abs(offset_ms)
        state = "right" if off <= CLOCK_WARNING_MS else "off" if off <= CLOCK_TRUSTED_MS else "far off"
        if state != self._clocks.get(source, "right"):
            words = "its times are not used" if state == "far off" else "set both by the same time server"
            seconds = offset_ms / 1000
            if state == "right":
                log.info("clock right again source=%s offset=%+.1f s", source, seconds)
            else:
                log.warning("clock %s source=%s offset=%+.1f s: %s", state, source, seconds, words)
        self._clocks[source] = state

    # ---- a start

    async def start(self) -> None:
        """Load the state of the store: open and recent calls, today's counts, agents and sources.

        Events that an earlier process left on disk are taken as if they came now. Raises `StoreError`, and
        `BrokenEvent` once for each event on which our own code raises: the next start skips it.
        """
        if self._store is None:
            return
        try:
            await self._start(self._store)
        except Fault as fault:
            await self._mark(fault)
            raise

    async def _start(self, store: Store) -> None:
        left = await self._writer.recover()
        for skipped in self._spill.skipped if self._spill is not None else ():
            await store.save_skipped(skipped)
        self.skip(await store.load_skipped())
        if self._holding is not None:
            self._live.start_day(self._clock.now())
            await self._holding.load()
        self._health = await store.health()
        await self._learning.start(store)
        if left:
            log.warning("events left on disk by a process that was killed: %d", len(left))
            for by_sender, its in groupby(left, attrgetter("by_sender")):
                events = tuple(each.event for each in its)
                now = self._clock.now()
                self.take(Delivery(items=events, received_at=now, dated_by_sender=by_sender, taken_before=True))
            self._writer.cut()
        self.publish()

    async def start_as_of(self, moment: datetime, starts: Iterable[Event], recent: Iterable[Event]) -> None:
        """Load what memory held at an earlier moment, from which on the journal is taken anew: `Holding.load_as_of`."""
        if self._holding is not None:
            await self._holding.load_as_of(moment, starts, recent)

    def skip(self, events: Sequence[SkippedEvent]) -> None:
        """Never take these events: our own code has raised on them."""
        self._skipped |= {event.key: event for event in events}
        self._admission.skip(self._skipped.keys())
        self._live.events["skipped"] = len(self._skipped)
        self._steps.skip(frozenset(self._skipped))
        if self._holding is not None:
            self._holding.skip(frozenset(self._skipped))

    async def _mark(self, fault: Fault) -> None:
        """Mark an event in the journal as one that must not be taken again; on disk where the database is away."""
        log.critical("%s", fault, exc_info=fault.__cause__)
        mark = fault.mark(self._clock.now())
        try:
            if self._store is not None:
                await self._store.save_skipped(mark)
        except StoreError:
            if self._spill is not None:
                await self._spill.mark(mark)

    async def _bury(self, fault: Fault) -> None:
        """Mark the event that has stopped the monitor, and keep on disk all others that are not in the journal yet."""
        await self._mark(fault)
        waiting = [*self._writer.lines, *(line for _, line in self._late)]
        now = self._clock.now()
        waiting.append(PendingBatch(list(fault.rest), now, _no_ack, self._clock.monotonic(), by_sender=fault.by_sender))
        while self._inbox:
            left = self._inbox.next()
            line = self._line_of(left)
            line.events = [
                item for item in self._admission.admit(left, line, self.first_kept) if isinstance(item, Event)
            ]
            waiting.append(line)
        for line in waiting:
            line.events = [event for event in line.events if event is not fault.event]
        await self._keys.save()
        await self._writer.spill(waiting)

    async def catch_up(self) -> None:
        """Load the day so far into the forecast, and the earlier days that it has not learned from, from the store.

        Takes seconds; figures and pages do not wait. Raises `StoreError`.
        """
        if self._store is not None and (calls := await self._learning.load_today(self._store)) is not None:
            await self._forecast()
            log.info("caught up calls=%d", calls)
        self._learning.is_behind = False
        self.publish()

    async def _flushed(self) -> None:
        """Commit all that waits now, for a question that the store answers; what comes later it need not wait for.

        Raises `StoreError`.
        """
        if not self._is_idle():
            await self.write(self._clock.monotonic())
        if self._writer.error:
            raise StoreError(self._writer.error)

    async def as_of_now(self) -> list[SumRow]:
        """Commit all that waits, with the coverage of this moment, for a report of the running day; return the callers
        who wait, whom the store does not count. Raises `StoreError`.
        """
        self._states_at = -STATE_SECONDS * self._clock.rate
        await self.write(self._clock.monotonic())
        if self._writer.error:
            raise StoreError(self._writer.error)
        return self._live.view(self._clock.now()).waiting_sums()

    async def rebuild(self) -> None:
        """Start and catch up, where nothing need be shown meanwhile."""
        await self.start()
        await self.write()
        await self.catch_up()

    # ---- output

    def latest(self) -> Snapshot:
        return self._snapshot

    async def changes(self) -> AsyncIterator[Snapshot]:
        """Yield the newest snapshot at once, then each new one; a slow reader skips to the newest."""
        changed = asyncio.Event()
        changed.set()
        self._watchers.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield self._snapshot
        finally:
            self._watchers.discard(changed)

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        return await self._answers.intervals(start, end, step, level, queue)

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        return await self._answers.week_map(start, end, queue)

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return await self._answers.imports(first, last)

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return await self._answers.repeat_callers(first, last)

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        return await self._answers.lost_calls(start, end, queue)

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        return await self._answers.transfer_waits(start, end, queue)

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return await self._answers.disagreements(start, end)

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        return await self._answers.differences(first, last)

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        return await self._answers.calls(start, end, queue, after, limit)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        return HeldCalls(self._live).calendar(first, last, queue)

    def publish(self) -> Snapshot:
        """Compute the figures as they are now and show them."""
        self._news.clear()
        now = self._clock.now()
        with self._steps.taken(FIGURES):
            self._show(self._live.snapshot(now, self._clock.rate, self._journal_now()))
        return self._snapshot

    async def _publish_in_pieces(self) -> None:
        """Compute and show the figures in pieces; between two the pages have their turn, and no event is taken."""
        self._news.clear()
        self._published = self._clock.monotonic()  # figures that cannot be shown are not tried again at once
        async with self._still:
            with self._steps.taken(FIGURES):
                pieces = self._live.snapshot_in_pieces(self._clock.now(), self._clock.rate, self._journal_now())
                self._show(await in_turns(pieces, self._clock))

    def _show(self, snapshot: Snapshot) -> None:
        if (kept := self._health.calls_kept) is not None:
            snapshot = structs.replace(snapshot, kept_from=self._live.rules.calendar.midnight(kept))
        self._snapshot = snapshot
        self._differences.take(snapshot.reconciliation)
        self._published = self._clock.monotonic()
        for watcher in self._watchers:
            watcher.set()

    def _journal_now(self) -> JournalNow:
        now, oldest = self._clock.monotonic(), self._oldest
        return JournalNow(
            up=not self._writer.error,
            pending=self._writer.pending + sum(len(line.events) for _, line in self._late),
            lag_seconds=0.0 if oldest is None else max(0.0, now - oldest),
            error=self._writer.error,
            catching_up=self._learning.is_behind,
            not_derived=self._health.not_derived,
            unreadable=self._health.unreadable + self._live.unreadable,
            skipped=len(self._skipped),
            skipped_at=max((event.at for event in self._skipped.values()), default=None),
        )

    @property
    def _oldest(self) -> float | None:
        """Return when the oldest delivery came that is not committed, in monotonic seconds; None when none waits."""
        late = self._late[0][1].since if self._late else None
        return min((since for since in (self._writer.oldest, late) if since is not None), default=None)

    # ---- the tasks

    async def run(self) -> None:
        """Work until cancelled; before leaving, write what is in the journal's line, if that is possible.

        Raises `BrokenEvent` when our own code has raised on an event, and `BrokenStep` when it has without one; it is
        marked first.
        """
        faults: list[Fault] = []
        self._inbox.begin()
        try:
            await self._work()
        except* Fault as group:
            faults = _faults_of(group)
        finally:
            self._inbox.end()
        if faults:
            await self._bury(faults[0])
            raise faults[0]

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_inbox())
            tasks.create_task(self._run_news())
            tasks.create_task(self._run_ticks())
            tasks.create_task(self._run_journal())
            tasks.create_task(self._run_packing())
            tasks.create_task(self._run_forecaster())

    async def _run_inbox(self) -> None:
        while True:
            await self._inbox.wait()
            async with self._still:
                taken = 0
                while self._inbox and taken < TURN:
                    delivery = self._inbox.next()
                    self.take(delivery)
                    taken += len(delivery.items)
                self._writer.cut()
            self._news.set()
            await self._clock.sleep(0)

    async def _run_news(self) -> None:
        """Show new events at once, or as soon as a snapshot may be shown again."""
        while True:
            await self._news.wait()
            shown_for = self._clock.monotonic() - self._published
            await self._clock.sleep(max(0.0, MAX_OFTEN_SECONDS * self._clock.rate - shown_for))
            if self._news.is_set():  # else it has been shown meanwhile
                await self._publish_in_pieces()

    async def _run_ticks(self) -> None:
        new_day_since: float | None = None
        while True:
            now = self._clock.monotonic()
            if now - self._bounded_at >= BOUNDS_SECONDS * self._clock.rate and not self._inbox:
                self._bounded_at = now
                async with self._still:
                    with self._steps.taken("looking for who left unseen and what fell silent"):
                        self.say_own_words()
                    self._writer.cut()
            await self._publish_in_pieces()
            now = self._clock.monotonic()
            if self._live.rules.calendar.day_of(self._clock.now()) == self._today:
                new_day_since = None
            else:
                new_day_since = now if new_day_since is None else new_day_since
                if now - new_day_since >= NEW_DAY_AFTER_SECONDS:
                    with self._steps.taken("beginning a new day"):
                        self.start_day()
            if now - self._states_at >= STATE_SECONDS * self._clock.rate:
                self._to_write.set()
            await self._clock.sleep(TICK_SECONDS * max(1.0, self._clock.rate))

    def say_own_words(self) -> None:
        """Apply the monitor's own events: callers who left unseen, and sources that fell silent.

        All events that have come must be taken first: the report of a caller's end may be in the line. The monitor's
        own events go the way of all others.
        """
        now = self._clock.now()
        if not self._rebuilds and (words := self._live.own_words(now)):
            for event in words:
                if isinstance(event, CallLeft):
                    log.warning("a caller left unseen: queue=%s at=%s", event.queue, event.at.isoformat())
                else:
                    log.warning("source silent source=%s since=%s", event.source, event.at.isoformat())
            self.take(Delivery(items=tuple(words), received_at=now))

    async def _run_forecaster(self) -> None:
        """Make the forecasts again and again: their inputs are gathered here in pieces, a thread computes."""
        if self._live.forecaster is None:
            return
        if self._learning.is_behind:
            try:
                await self.catch_up()
            except StoreError as error:
                log.warning("the forecast begins without the day so far: %s", error)
                self._learning.is_behind = False
        while True:
            began = self._clock.monotonic()
            if self._learning.has_past and self._store is not None and self._is_idle() and not self._inbox:
                try:
                    await self._learning.learn_past(self._store)
                except StoreError as error:
                    log.warning("past days are learned from later: %s", error)
            await self._forecast()
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(FORECAST_SECONDS, self._clock.rate, FORECAST_REST * took))

    async def _forecast(self) -> None:
        """Make the forecast of every scope. Their inputs are gathered a few scopes at a time: a call that comes in
        meanwhile is taken and shown, and those that are gathered later know of it.
        """
        with self._steps.taken("the forecast"):
            scopes, inputs = self._live.scopes(), list[ForecastInputs]()
            for first in range(0, len(scopes), GATHERED_AT_ONCE):
                async with self._still:
                    some = scopes[first : first + GATHERED_AT_ONCE]
                    inputs += self._live.forecast_inputs(self._clock.now(), some)
                await self._clock.sleep(0)
            self._live.show_forecasts(await asyncio.to_thread(_computed, inputs))

    def start_day(self) -> None:
        """At local midnight: learn from the day that ended, keep its differences and repeat callers; without a store
        drop old calls.
        """
        today = self._live.rules.calendar.day_of(self._clock.now())
        if today != self._today:
            ended, self._today = self._today, today
            self._midnight = self._live.rules.calendar.midnight(today)
            self._live.start_day(self._clock.now())
            self._learning.has_learned = self._live.forecaster is not None
            for found in (record.difference for record in self._differences.within(ended, ended)):
                log.info(
                    "reconciled queue=%s counter=%s switch=%d ledger=%d difference=%d cause=%s",
                    *(found.queue, found.counter, found.switch_says, found.ledger_says),
                    *(found.difference, found.cause.value),
                )
            self._differences.keep()
            self._repeats_due = True
            self._to_write.set()
            if self._store is None:
                self._on_forgotten(self._live.evict_old(self._clock.now()))

    async def _run_journal(self) -> None:
        while True:
            await self._to_write.wait()
            await self.write()
            if self._writer.error:
                await self._clock.sleep(RETRY_SECONDS * self._clock.rate)

    async def _run_packing(self) -> None:
        """Pack old journal rows, a few at a time, so that the commits in between wait for milliseconds only."""
        holding = self._holding
        if holding is None:
            return
        while True:
            try:
                packed = await holding.pack(PACK_AT_ONCE)
            except StoreError as error:
                log.warning("journal rows not packed yet: %s", error)
                packed = 0
            await self._clock.sleep((0.1 if packed >= PACK_AT_ONCE else PACK_SECONDS) * self._clock.rate)

    async def drain(self) -> None:
        """Take all deliveries in the inbox and write what waits for the journal, once, before leaving."""
        while self._inbox:
            self.take(self._inbox.next())
        self._states_at = -STATE_SECONDS
        self._differences.take(self._live.reconciler.differences())
        self._differences.keep()
        self._repeats_due = True
        await self.write()

    async def write(self, until: float | None = None) -> None:
        """Commit all that waits, in order, and acknowledge it to the senders; on failure nothing leaves the line.

        `until`: what came after this moment (monotonic seconds) need not be committed. Between two commits whoever else
        wants to write has a turn: a question of the past does not wait for a flood to end.
        """
        goes_on = True
        while goes_on:
            async with self._writing:
                try:
                    await self._write_one()
                except StoreError as error:
                    if self._holding is not None:
                        self._holding.write_again()
                    await self._writer.down(error)
                    await self._keys.save()
                    await self._writer.spill([*self._writer.lines, *(line for _, line in self._late)])
                    return
                if self._is_idle():
                    self._to_write.clear()
                oldest = self._oldest
                goes_on = oldest is not None and (until is None or oldest <= until)

    async def _write_one(self) -> None:
        """Commit one batch; look after the store when nothing waits any more."""
        if self._store is not None:
            await self._take_late(self._store)
        if self._store is not None and (keys := self._live.missing_calls()):
            with self._steps.taken("loading calls that belong together"):
                await self._writer.reload(self._store, keys)
        await self._keys.save()  # before the events that have ids made with them
        written = await self._writer.write_one(*self._beside())
        if (holding := self._holding) is not None:
            holding.note(written.events, written.turn.calls.values())
            if written.not_derived:
                self._health_at = -HEALTH_SECONDS
            async with self._still:
                if self._is_idle():
                    with self._steps.taken("letting go of old calls"):
                        holding.let_go()
            if holding.is_ahead:
                await holding.step_back(self._is_idle)
        if self._is_idle():
            await self._writer.clear_spill()
            await self._look_after(self._store)

    def _is_idle(self) -> bool:
        return self._writer.is_idle and not self._late

    def _beside(self) -> tuple[Sequence[CoverageRecord], dict[str, bytes]]:
        """Return the coverage of the day and the state for a start, when it is time to write them with the events."""
        now = self._clock.monotonic()
        if self._holding is None or self._rebuilds or now - self._states_at < STATE_SECONDS * self._clock.rate:
            return (), {}
        self._states_at = now
        return self._holding.coverage(), self._live.save_states()

    async def _look_after(self, store: Store | None) -> None:
        """Check now and then whether something is wrong with history, and keep what the forecast has learned."""
        if store is None:
            return
        await self._learning.save(store)
        if self._differences.is_due and not self._rebuilds:
            await self._differences.save(store, self._today)
        now = self._clock.monotonic()
        is_time = now - self._health_at >= HEALTH_SECONDS * self._clock.rate
        if (self._repeats_due or is_time) and not self._rebuilds:
            if (days := HeldCalls(self._live).repeat_days()) != self._repeats_kept:
                await store.save_repeat_callers(days)
                self._repeats_kept = days
            self._repeats_due = False
        if is_time:
            self._health_at = now
            before, self._health = self._health, await store.health()
            for name in ("not_derived", "unreadable"):
                if (count := getattr(self._health, name)) != getattr(before, name):
                    log.error("history %s=%d", name, count) if count else log.warning("history right again: %s", name)


async def _no_ack(receipt: Receipt) -> None:
    return None


def _faults_of(group: BaseExceptionGroup[Fault]) -> list[Fault]:
    found: list[Fault] = []
    for each in group.exceptions:
        found += [each] if isinstance(each, Fault) else _faults_of(each)
    return found


def _computed(inputs: Sequence[ForecastInputs]) -> tuple[Forecast, ...]:
    return tuple(given.compute() for given in inputs)
