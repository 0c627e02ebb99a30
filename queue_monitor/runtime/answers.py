"""Questions over time: memory answers for today, the store for the days before it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import structs

from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import Live
from queue_monitor.core.series import minute_of
from queue_monitor.history import disagreements, lost_calls, past_sums, transfer_waits, week_map
from queue_monitor.model import (
    LOST_OUTCOMES,
    Coverage,
    DifferenceRecord,
    Disagreement,
    HalfHour,
    ImportRecord,
    Level,
    LostCall,
    Period,
    RepeatDay,
    StoredCall,
    TransferWaits,
    WeekSlot,
)
from queue_monitor.ports import Clock, Store
from queue_monitor.queues import queue_key
from queue_monitor.runtime.day_differences import DayDifferences, joined
from queue_monitor.waits import Past

_AT_ONCE: Final = timedelta(days=40)
"""The longest stretch that memory is asked for at once, by quarter of an hour."""

Scope = str | tuple[str, ...] | None


class MemoryAnswers:
    """The answers where there is no store, as in a replay: memory holds everything."""

    def __init__(self, live: Live, clock: Clock, days: DayDifferences) -> None:
        self._live = live
        self._held = HeldCalls(live)
        self._clock = clock
        self._days = days

    async def intervals(self, start: datetime, end: datetime, step: str, level: Level, queue: Scope) -> list[Period]:
        return self._held.intervals(self._clock.now(), start, end, step, level, queue)

    async def week_map(self, start: datetime, end: datetime, queue: Scope) -> list[WeekSlot]:
        return week_map(self._half_hours(start, end, queue), self._live.rules.calendar.zone)

    def _half_hours(self, start: datetime, end: datetime, queue: Scope) -> list[HalfHour]:
        """Return the half hours that memory holds, oldest first, up to the end of today."""
        now = self._clock.now()
        end = min(end, day_bounds(self._live.rules.calendar.day_of(now), self._live.rules.calendar.zone)[1])
        found: list[HalfHour] = []
        while start < end:
            low, start = start, min(end, start + _AT_ONCE)
            for period in self._held.intervals(now, low, start, "quarter", Level.CONTACT, queue):
                if any(structs.astuple(period.counts)):
                    longest_ms = round((period.waits.max_seconds or 0) * 1000)
                    found.append(HalfHour(start=period.start, counts=period.counts, longest_ms=longest_ms))
        return found

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return []

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return [each for each in self._held.repeat_days() if first <= each.day <= last]

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None) -> list[LostCall]:
        return self._held.lost_calls(start, end, queue)

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None) -> list[TransferWaits]:
        return self._held.transfer_waits(start, end, queue)

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return self._held.disagreements(start, end)

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        return joined([], self._days.within(first, last))

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        found = sorted(self._held.stored_calls(start, end, queue), key=lambda call: (call.at, call.id))
        return [call for call in found if after is None or (call.at, call.id) > after][:limit]


class StoreAnswers(MemoryAnswers):
    """The answers where there is a store: it answers for single calls, and for sums of days that memory does not hold.

    `flushed` commits what waits, so that the store knows all that memory does; it raises `StoreError` when it cannot.
    """

    def __init__(
        self, live: Live, clock: Clock, days: DayDifferences, store: Store, flushed: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(live, clock, days)
        self._store = store
        self._flushed = flushed

    async def intervals(self, start: datetime, end: datetime, step: str, level: Level, queue: Scope) -> list[Period]:
        live, zone = self._live, self._live.rules.calendar.zone
        bounds, scope = self._held.bounds(start, end, step), self._held.known_scope(queue)
        edge = live.windows.edge
        if edge is None or bounds[0][0] >= edge:
            return await super().intervals(start, end, step, level, queue)
        await self._flushed()
        clipped = [(min(low, edge), min(high, edge)) for low, high in bounds]
        sums = await past_sums(self._store, zone, level, scope, clipped)
        coverage = await self._coverage(scope, clipped)
        past = [Past(s.inside, s.outside, s.waits, covered) for s, covered in zip(sums, coverage, strict=True)]
        return self._held.joined(self._clock.now(), step, level, scope, bounds, past)

    async def _coverage(
        self, scope: tuple[str, ...] | None, bounds: Sequence[tuple[datetime, datetime]]
    ) -> list[Coverage]:
        """Return the coverage of past stretches: whole days as saved then, parts of a day from the sources' spans still
        known.
        """
        live, calendar = self._live, self._live.rules.calendar
        first, last = calendar.day_of(bounds[0][0]), calendar.day_of(bounds[-1][1])
        noted: dict[tuple[str, date], Coverage] = {
            (queue_key(record.queue), record.day): record.coverage for record in await self._store.coverage(first, last)
        }
        # an import may have brought queues that no event has named since
        queues = scope or tuple(dict.fromkeys([*live.queues(), *(queue for queue, _ in noted)]))
        return [live.queue_coverage.of_past(queues, low, high, noted) for low, high in bounds]

    async def week_map(self, start: datetime, end: datetime, queue: Scope) -> list[WeekSlot]:
        if end <= start:
            raise ValueError("to: must lie after from")
        scope, edge = self._held.known_scope(queue), self._live.windows.edge
        if edge is None or start >= edge:
            return await super().week_map(start, end, queue)
        await self._flushed()
        found = await self._store.half_hours(scope, start, min(end, edge))
        held = self._half_hours(edge, end, queue) if end > edge else []
        return week_map([*found, *held], self._live.rules.calendar.zone)

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return await self._store.import_records(first, last)

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        kept, held = await self._store.repeat_callers(first, last), await super().repeat_callers(first, last)
        found = {(each.day, queue_key(each.queue), each.found.since): each for each in (*kept, *held)}
        return [found[key] for key in sorted(found)]

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None) -> list[LostCall]:
        self._check(start, end, queue)
        await self._flushed()
        calls = await self._store.calls(start, end, queue, visits_from=1, outcomes=LOST_OUTCOMES)
        refusals = await self._store.refusals(start, end, queue)
        windows = self._live.windows
        return lost_calls(calls, refusals, lambda at: windows.target_at(minute_of(at)).limit_seconds * 1000)

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None) -> list[TransferWaits]:
        self._check(start, end, queue)
        await self._flushed()
        return transfer_waits(await self._store.visits(queue, start, end, after_answer=True))

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        await self._flushed()
        visits = await self._store.visits(None, start, end, after_answer=False)
        return disagreements(self._live.calendars.of, visits, await self._store.refusals(start, end))

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        kept = await self._store.differences(first, last)
        return joined(kept, self._days.within(first, last))

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        self._check(start, end, queue)
        await self._flushed()
        return await self._store.calls(start, end, queue, after, limit)

    def _check(self, start: datetime, end: datetime, queue: str | None) -> None:
        if end <= start:
            raise ValueError("to: must lie after from")
        self._held.known_scope(queue)
