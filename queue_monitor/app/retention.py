"""Deletes every night what is kept no longer, by the retention table of the settings and its decisions."""

import asyncio
import logging
from calendar import monthrange
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.commands import backups
from queue_monitor.config import RetentionSettings
from queue_monitor.ports import Clock, StoreError
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.store import Kind, Order, SqlStore

log = logging.getLogger(__name__)

AT: Final = time(0, 30)
"""The local time of deletion: the day that has ended is written, and a backup of the night comes later."""

PAUSE_SECONDS: Final = 0.05
"""The shortest pause between two short transactions. A pause lasts at least as long as the transaction before.

Commits have half of the time.
"""

MADE_UP_FOR: Final = timedelta(days=31)
"""The longest delay with which a missed night is made up for at a start."""

AGAIN_SECONDS: Final = 600.0
_RAN: Final = "retention ran"
_ROWS: Final = (Kind.JOURNAL, Kind.CALLS, Kind.SUMS, Kind.ALERTS, Kind.AUDIT, Kind.REPORTS)


class Retention:
    """Deletes a little at a time beside everything else. `kept` is awaited when the first kept day has moved."""

    def __init__(
        self,
        table: RetentionSettings,
        store: SqlStore,
        clock: Clock,
        zone: ZoneInfo,
        keys: MonthKeys,
        folder: Path | None,
        kept: Callable[[], Awaitable[None]],
    ) -> None:
        """Take the folder of backups, from which old ones may be deleted."""
        self._table = table
        self._store = store
        self._clock = clock
        self._zone = zone
        self._keys = keys
        self._folder = folder
        self._kept = kept
        self._has_deleted = False

    async def run(self) -> None:
        """Delete every night until cancelled; at once where the last night was missed. Without a decision, nothing."""
        is_due: bool | None = None  # unknown before the store has answered
        while True:
            try:
                if is_due is None:
                    if not self._decided() and not await self._store.deletions_going_on():
                        return
                    is_due = await self._is_missed()
                if is_due:
                    await self.delete_due()
            except (StoreError, OSError) as error:
                log.warning("nothing deleted yet: %s", error)
                await self._clock.sleep(AGAIN_SECONDS * self._clock.rate)
                continue
            now = self._clock.now()
            await self._clock.sleep((next_time(now, self._zone) - now).total_seconds())
            is_due = True

    async def delete_due(self) -> None:
        """Delete all that is due today. Raises `StoreError`, and `OSError` where a backup or key cannot be deleted."""
        for order in await self._store.deletions_going_on():
            if order.kind in _ROWS:
                await self._go_on(order)
        for kind in _ROWS:
            due = self._order(kind)
            if due is not None and await self._store.begin_deletion(due):
                await self._delete(due)
        await self._destroy_keys()
        await self._delete_backups()
        if self._has_deleted:
            await self._store.leave_no_trace()
            self._has_deleted = False
        await self._store.note(_RAN, self._today().isoformat())

    async def _go_on(self, order: Order) -> None:
        """Finish a deletion that was interrupted, unless the table has changed since."""
        today = self._order(order.kind)
        if today is not None and today.until >= order.until:
            await self._delete(order)
        else:
            await self._store.stop_deletion(order.kind, self._clock.now())

    async def _delete(self, order: Order) -> None:
        await self._kept()
        self._has_deleted = True
        began = self._clock.monotonic()
        while not await self._store.delete_some(order.kind, self._clock.now()):
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(PAUSE_SECONDS * self._clock.rate, took))
            began = self._clock.monotonic()
        log.info("deleted kind=%s before=%s decision=%s", order.kind, order.until, order.decision)

    async def _destroy_keys(self) -> None:
        """Destroy the keys of months of which no event is left."""
        events = self._order(Kind.JOURNAL)
        if events is None:
            return
        gone = [month for month in self._keys.months if month < f"{events.until:%Y-%m}"]
        keys = structs.replace(events, kind=Kind.NUMBER_KEYS)
        for month in await self._store.note_files(keys, gone):
            self._keys.destroy(month)
        await self._store.files_are_gone(Kind.NUMBER_KEYS, self._clock.now())

    async def _delete_backups(self) -> None:
        order = self._order(Kind.BACKUPS)
        if order is None or self._folder is None:
            return
        before = datetime.combine(order.until, time(), self._zone)
        old = await asyncio.to_thread(backups.expired, self._folder, before)
        for name in await self._store.note_files(order, [path.name for path in old]):
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)
        await self._store.files_are_gone(Kind.BACKUPS, self._clock.now())

    def _order(self, kind: Kind) -> Order | None:
        own = getattr(self._table, kind.value)
        if not own.deletes or own.months is None:
            return None
        return Order(kind=kind, until=months_before(self._today(), own.months), decision=own.decision)

    def _decided(self) -> bool:
        return any(getattr(self._table, kind).deletes for kind in self._table.__struct_fields__)

    async def _is_missed(self) -> bool:
        """Return whether a night is to be made up for now.

        After a long time the next night is waited for: the clock may be wrong, and there is time to notice it.
        """
        if noted := await self._store.noted(_RAN):
            nights = self._last_due() - date.fromisoformat(noted)
            return timedelta() < nights <= MADE_UP_FOR
        return bool(await self._store.deletions_going_on())

    def _last_due(self) -> date:
        """Return the day of the newest night that has come."""
        local = self._clock.now().astimezone(self._zone)
        return local.date() if local.time() >= AT else local.date() - timedelta(days=1)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()


def months_before(day: date, months: int) -> date:
    """Return the same day of the month `months` earlier, or the last day of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_time(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next time that the local clock shows the hour of deletion."""
    today = now.astimezone(zone).date()
    found = (datetime.combine(today + timedelta(days=days), AT, zone) for days in (0, 1))
    return next(at for at in found if at > now)
