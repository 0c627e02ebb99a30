"""Answers questions about the calls that memory holds; what cannot be answered is refused in words for a person."""

from collections.abc import Iterable
from datetime import date, datetime
from itertools import islice
from typing import Final

from queue_monitor.core.calendar import cut
from queue_monitor.core.listing import as_stored
from queue_monitor.core.live import Live
from queue_monitor.core.lost import lost_calls
from queue_monitor.core.transfers import transfer_waits
from queue_monitor.model import (
    CalendarDay,
    Disagreement,
    Level,
    LostCall,
    Period,
    RepeatDay,
    StoredCall,
    TransferWaits,
)
from queue_monitor.queues import queue_key
from queue_monitor.waits import Past

STEPS: Final = ("quarter", "hour", "day", "week", "month", "tertial", "year", "whole")
MAX_INTERVALS: Final = 5000
MAX_DAYS: Final = 400


class HeldCalls:
    """The calls in memory, as questions over time ask for them. Each answer is read from the live state anew."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def intervals(
        self,
        now: datetime,
        start: datetime,
        end: datetime,
        step: str,
        level: Level,
        queue: str | tuple[str, ...] | None,
    ) -> list[Period]:
        """Return the figures between two moments, cut by `step` in local time; of a queue, of several, or None for all.

        Raises `ValueError` with words for a person.
        """
        bounds, scope = self.bounds(start, end, step), self.known_scope(queue)
        view = self._live.view(now)
        return [view.period(step, level, scope, low, high) for low, high in bounds]

    def bounds(self, start: datetime, end: datetime, step: str) -> list[tuple[datetime, datetime]]:
        """Return the intervals by `step` that touch a stretch. Raises `ValueError` with words for a person."""
        if step not in STEPS:
            raise ValueError(f"step: {step!r} is not one of {', '.join(STEPS)}")
        if end <= start:
            raise ValueError("to: must lie after from")
        bounds = list(islice(cut(start, end, step, self._live.rules.calendar.zone), MAX_INTERVALS + 1))
        if len(bounds) > MAX_INTERVALS:
            raise ValueError(f"from, to, step: at most {MAX_INTERVALS} intervals are given at once")
        return bounds

    def known_scope(self, queue: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return a queue, or several, as a tuple; None for all. Raises `ValueError` when a queue is not known."""
        scope = (queue,) if isinstance(queue, str) else queue
        for name in scope or ():
            self._check_queue(name)
        return scope

    def joined(
        self,
        now: datetime,
        step: str,
        level: Level,
        scope: tuple[str, ...] | None,
        bounds: Iterable[tuple[datetime, datetime]],
        past: Iterable[Past],
    ) -> list[Period]:
        """Return the figures of stretches that begin before the edge.

        They join the store's figures of the days before it, memory's figures of the days after, and the callers who
        still wait, whenever they entered.
        """
        view = self._live.view(now)
        return [view.period(step, level, scope, low, high, its) for (low, high), its in zip(bounds, past, strict=True)]

    def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        """Return the held callers whom nobody answered, who entered between two moments.

        Raises `ValueError` with words for a person.
        """
        if end <= start:
            raise ValueError("to: must lie after from")
        self._check_queue(queue)
        return lost_calls(self._live.ledger, self._live.windows, self._live.callers, start, end, queue)

    def repeat_days(self) -> list[RepeatDay]:
        """Return the counts of callers who called again, of the days in memory, by queue."""
        self._live.settle()
        found = self._live.callers.days().items()
        return [RepeatDay(day=day, queue=self._live.known_queues.name_of(key), found=its) for (day, key), its in found]

    def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        """Return the waits after a transfer of the calls held, by receiving queue. Raises `ValueError`."""
        self._check_queue(queue)
        return transfer_waits(self._live.ledger.histories(), start, end, queue)

    def stored_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredCall]:
        """Return the calls held that count between two moments, as history would keep them. Raises `ValueError`."""
        if end <= start:
            raise ValueError("to: must lie after from")
        self._check_queue(queue)
        found = (
            as_stored(history, self._live.windows.counted(history.contact.contact_id))
            for history in self._live.ledger.histories()
        )
        key = None if queue is None else queue_key(queue)
        return [call for call in found if start <= call.at < end and key in (None, queue_key(call.first_queue))]

    def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Return where the switch and the calendar disagree about being open.

        They cover today, yesterday, and calls that are still held one by one.
        """
        self._live.settle()
        return self._live.opening_check.disagreements(start, end)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        """Return the opening hours of some days, a queue's or the default. Raises `ValueError` with
        words for a person.
        """
        if last < first:
            raise ValueError("to: must lie after from")
        if (last - first).days >= MAX_DAYS:
            raise ValueError(f"from, to: at most {MAX_DAYS} days are given at once")
        self._check_queue(queue)
        return (self._live.rules.calendar if queue is None else self._live.calendars.of(queue)).days(first, last)

    def _check_queue(self, queue: str | None) -> None:
        if queue is None or self._live.windows.has_counted(queue):
            return
        if queue_key(queue) not in {queue_key(known) for known in self._live.queues()}:
            raise ValueError(f"queue: {queue!r} is not known; known are {', '.join(self._live.queues()) or 'none yet'}")
