"""The corridor: one writer takes events one at a time, owns all live state, and publishes immutable snapshots.

The journal is written beside it by a task of its own; what a delivery's sender wants to hear ("it is safe now") is
said after the commit. When the database is away the live figures go on, and the sender waits.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.foresight import Foreseen, Foresight, Learned, Question, answer
from queue_monitor.core.ledger import Story
from queue_monitor.core.live import CLOCK_TRUSTED_MS, Live, Taken
from queue_monitor.events import Event, SourceClock
from queue_monitor.model import (
    CalendarDay,
    Disagreement,
    HistoryRow,
    JournalNow,
    Level,
    LostCall,
    Period,
    Snapshot,
    TransferWaits,
)
from queue_monitor.ports import Clock, Delivery, Receipt, Rejected, Store, StoreError
from queue_monitor.runtime.spill import Spill

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
MOST_OFTEN_SECONDS: Final = 0.2
"""Snapshots follow events at once, but not more often than this."""

CLOCK_WARNING_MS: Final = 2_000
FORESEE_SECONDS: Final = 15.0
TURN: Final = 1000
"""Events taken before the pages, the journal and the sources get their turn again: some 50 ms."""

BATCH: Final = 2000
RETRY_SECONDS: Final = 1.0
HISTORY_SECONDS: Final = 60.0


class _Line(NamedTuple):
    """One delivery on its way to the journal, and who is to hear of it."""

    events: tuple[Event, ...]
    received_at: datetime
    settle: Callable[[Receipt], Awaitable[None]]
    receipt: Receipt
    since: float


class Pipeline:
    """Takes deliveries, keeps the live state, journals, and shows snapshots to whoever looks."""

    def __init__(self, live: Live, clock: Clock, store: Store | None = None, spill: Spill | None = None) -> None:
        self._live = live
        self._clock = clock
        self._store = store
        self._spill = spill
        self._clocks: dict[str, str] = {}
        self._has_learned = False
        self._spilled = 0
        self._spill_used = False
        self._spill_error = False
        self._inbox: asyncio.Queue[Delivery] = asyncio.Queue()
        self._journal: deque[_Line] = deque()
        self._to_write = asyncio.Event()
        self._news = asyncio.Event()
        self._unsaved: dict[tuple[Level, str, bool, datetime], HistoryRow] = {}
        self._journal_error = ""
        self._watchers: set[asyncio.Event] = set()
        self._snapshot = live.snapshot(clock.now(), clock.rate)
        self._published = clock.monotonic()
        self._history_at = clock.monotonic()
        self._today = live.rules.calendar.day_of(clock.now())
        self.on_forgotten: Callable[[list[Story]], None] = lambda stories: None

    # ---- in

    async def put(self, delivery: Delivery) -> None:
        """Hand over a delivery; never refuses, never drops."""
        self._inbox.put_nowait(delivery)

    def take(self, delivery: Delivery) -> None:
        """Apply one delivery to the live state and line it up for the journal."""
        events: list[Event] = []
        duplicates, conflicts = 0, []
        for item in delivery.items:
            if isinstance(item, Rejected):
                self._reject(item)
                continue
            if isinstance(item, SourceClock):
                self._note_clock(item)
            taken = self._live.apply(item)
            if taken is Taken.NEW:
                events.append(item)
            elif taken is Taken.DUPLICATE:
                duplicates += 1
            else:
                conflicts.append(item.id)
                self._reject(Rejected(source=item.source, reason="id_used_twice", detail=f"id {item.id}"))
        receipt = Receipt(taken=len(events), duplicates=duplicates, conflicts=tuple(conflicts))
        self._journal.append(
            _Line(tuple(events), delivery.received_at, delivery.settle, receipt, self._clock.monotonic())
        )
        self._to_write.set()

    def _note_clock(self, probe: SourceClock) -> None:
        """Say once when a switch's clock goes wrong, and once when it is right again."""
        off = abs(probe.offset_ms)
        state = "right" if off <= CLOCK_WARNING_MS else "off" if off <= CLOCK_TRUSTED_MS else "far off"
        if state != self._clocks.get(probe.source, "right"):
            words = "its times are not used" if state == "far off" else "set both by the same time server"
            seconds = probe.offset_ms / 1000
            if state == "right":
                log.info("clock right again source=%s offset=%+.1f s", probe.source, seconds)
            else:
                log.warning("clock %s source=%s offset=%+.1f s: %s", state, probe.source, seconds, words)
        self._clocks[probe.source] = state

    def _reject(self, rejected: Rejected) -> None:
        if f"{rejected.source} {rejected.reason}" not in self._live.rejected:
            log.warning("rejected source=%s reason=%s detail=%s", rejected.source, rejected.reason, rejected.detail)
        self._live.reject(rejected.source, rejected.reason)

    async def rebuild(self) -> int:
        """Read the journal back from the beginning of yesterday, and earlier days as sums; returns events read."""
        if self._store is None:
            return 0
        if self._spill is not None and (left := await self._spill.recover()):
            log.warning("events left on disk by a process that was killed: %d", len(left))
            await self._store.append(left, self._clock.now())
            await self._spill.clear()
        zone = self._live.rules.calendar.zone
        since = day_bounds(self._live.rules.calendar.day_of(self._clock.now()) - timedelta(days=1), zone)[0]
        self._live.load_history(await self._store.load_history(since), since)
        await self._recall()
        count = 0
        async for event in self._store.read(since):
            self._live.apply(event)
            count += 1
        self.publish()
        log.info("rebuilt events=%d since=%s", count, since.isoformat())
        return count

    async def _recall(self) -> None:
        """Give the forecast back what earlier days have taught it."""
        if self._store is None or self._live.foresight is None or (kept := await self._store.load_learned()) is None:
            return
        try:
            self._live.recall(msgspec.json.decode(kept, type=dict[str, Learned]), self._clock.now())
        except msgspec.DecodeError as error:
            log.warning("what was learned cannot be read and is learned anew: %s", error)

    # ---- out

    def latest(self) -> Snapshot:
        return self._snapshot

    async def changes(self) -> AsyncIterator[Snapshot]:
        """The newest snapshot at once, then each new one; a slow reader skips to the newest."""
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

    def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        return self._live.intervals(self._clock.now(), start, end, step, level, queue)

    def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        return self._live.lost_calls(start, end, queue)

    def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        return self._live.transfer_waits(start, end, queue)

    def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return self._live.disagreements(start, end)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        return self._live.calendar(first, last, queue)

    def publish(self) -> Snapshot:
        """Work out the figures as they are now and show them."""
        self._news.clear()
        now = self._clock.now()
        self._snapshot = self._live.snapshot(now, self._clock.rate, self._journal_now())
        self._published = self._clock.monotonic()
        for watcher in self._watchers:
            watcher.set()
        return self._snapshot

    def _journal_now(self) -> JournalNow:
        oldest = self._journal[0].since if self._journal else self._clock.monotonic()
        return JournalNow(
            up=not self._journal_error,
            pending=sum(len(line.events) for line in self._journal),
            lag_seconds=max(0.0, self._clock.monotonic() - oldest),
            error=self._journal_error,
        )

    # ---- the tasks

    async def run(self) -> None:
        """Work until cancelled; what is in the journal's line is written before leaving, if it can be."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_inbox())
            tasks.create_task(self._run_news())
            tasks.create_task(self._run_ticks())
            tasks.create_task(self._run_journal())
            if self._live.foresight is not None:
                tasks.create_task(self._run_foresight(self._live.foresight))

    async def _run_inbox(self) -> None:
        while True:
            delivery = await self._inbox.get()
            self.take(delivery)
            taken = len(delivery.items)
            while not self._inbox.empty() and taken < TURN:
                delivery = self._inbox.get_nowait()
                self.take(delivery)
                taken += len(delivery.items)
            self._news.set()
            await self._clock.sleep(0)

    async def _run_news(self) -> None:
        """Show what has come in: at once, or as soon as it may be shown again."""
        while True:
            await self._news.wait()
            shown_for = self._clock.monotonic() - self._published
            await self._clock.sleep(max(0.0, MOST_OFTEN_SECONDS * self._clock.rate - shown_for))
            if self._news.is_set():  # else it has been shown meanwhile
                self.publish()

    async def _run_ticks(self) -> None:
        while True:
            self.publish()
            self.turn_day()
            if self._clock.monotonic() - self._history_at >= HISTORY_SECONDS:
                self._to_write.set()
            await self._clock.sleep(TICK_SECONDS * max(1.0, self._clock.rate))

    async def _run_foresight(self, foresight: Foresight) -> None:
        """Ask what is to come, beside everything else: gathering takes milliseconds here, working out is a thread's."""
        while True:
            questions = foresight.questions(self._clock.now(), self._live.scopes())
            self._live.foreseen = await asyncio.to_thread(_answered, questions)
            await self._clock.sleep(max(FORESEE_SECONDS, self._clock.rate))

    def turn_day(self) -> None:
        """At local midnight: let go of old calls, and learn from the day that ended."""
        today = self._live.rules.calendar.day_of(self._clock.now())
        if today != self._today:
            self._today = today
            self._live.turn_day(self._clock.now())
            if self._live.foresight is not None:
                self._live.foresight.close_day()
                self._has_learned = True
            for found in self._snapshot.reconciliation:
                log.info(
                    "reconciled queue=%s counter=%s switch=%d ledger=%d difference=%d cause=%s",
                    *(found.queue, found.counter, found.switch_says, found.ledger_says),
                    *(found.difference, found.cause.value),
                )
            self.on_forgotten(self._live.forget(self._clock.now()))

    async def _run_journal(self) -> None:
        while True:
            await self._to_write.wait()
            await self.write()
            if self._journal_error:
                await self._clock.sleep(RETRY_SECONDS * self._clock.rate)

    async def drain(self) -> None:
        """Take what is in the inbox and write what waits for the journal, once, on the way out."""
        while not self._inbox.empty():
            self.take(self._inbox.get_nowait())
        await self.write()
        await self.save_history()

    async def write(self) -> None:
        """Commit what waits, in order, and tell the senders; on failure nothing leaves the line."""
        while self._journal:
            lines = [self._journal[at] for at in range(min(BATCH, len(self._journal)))]
            events = [event for line in lines for event in line.events]
            try:
                if self._store is not None and events:
                    await self._store.append(events, lines[-1].received_at)
            except StoreError as error:
                if not self._journal_error:
                    log.error("journal down error=%s", error)
                self._journal_error = str(error)
                await self._spill_over()
                return
            if self._journal_error:
                log.warning("journal up again pending=%d", len(self._journal))
                self._journal_error = ""
            for line in lines:
                self._journal.popleft()
                await line.settle(line.receipt)
            self._spilled = max(0, self._spilled - len(lines))
        self._to_write.clear()
        if self._spill is not None and self._spill_used:
            await self._spill.clear()
            self._spill_used = False
        if self._clock.monotonic() - self._history_at >= HISTORY_SECONDS:
            await self.save_history()

    async def _spill_over(self) -> None:
        """Put what waits for the database on disk beside it. Nobody is told that it is safe: that the commit says."""
        if self._spill is None or self._spilled == len(self._journal):
            return
        waiting = list(self._journal)[self._spilled :]
        try:
            await self._spill.keep([event for line in waiting for event in line.events])
        except OSError as error:
            if not self._spill_error:
                log.error("spill failed path=%s error=%s", self._spill.path, error.strerror or error)
            self._spill_error = True
            return
        self._spill_used, self._spill_error = True, False
        self._spilled += len(waiting)

    async def save_history(self) -> None:
        """Keep the sums of changed quarters; the journal could rebuild them, so a failure only waits."""
        if self._store is None:
            return
        self._history_at = self._clock.monotonic()
        for row in self._live.changed_history(self._clock.now()):
            self._unsaved[row.level, row.queue, row.inside_hours, row.start] = row
        with contextlib.suppress(StoreError):
            if self._unsaved:
                await self._store.save_history(list(self._unsaved.values()))
                self._unsaved.clear()
            if self._has_learned and self._live.foresight is not None:
                await self._store.save_learned(msgspec.json.encode(self._live.foresight.learned))
                self._has_learned = False


def _answered(questions: list[Question]) -> tuple[Foreseen, ...]:
    return tuple(map(answer, questions))
