"""The differences between our counts and the switches' own at the end of each day, from snapshots into the store."""

from collections.abc import Iterable
from datetime import date

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import Difference, DifferenceRecord
from queue_monitor.ports import Store
from queue_monitor.queues import queue_key

_Key = tuple[date, str, str, str]
"""Day, queue (casefolded), counter and switch, as the list is sorted."""


class DayDifferences:
    """The newest comparison of each day as far as memory has it. A comparison belongs to the day in which it ends."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._newest: dict[tuple[str, str, str], Difference] = {}
        self._of_days: dict[_Key, DifferenceRecord] = {}
        self.is_due = False

    def take(self, found: Iterable[Difference]) -> None:
        """Take the differences that a snapshot shows."""
        for each in found:
            of = (each.switch, each.queue, each.counter)
            if self._newest.get(of) is not each:
                self._newest[of] = each
                record = DifferenceRecord(day=self._calendar.day_of(each.until), difference=each)
                self._of_days[_key(record)] = record

    def within(self, first: date, last: date) -> list[DifferenceRecord]:
        """Those of the days from `first` to `last`, both included."""
        return [record for record in self._of_days.values() if first <= record.day <= last]

    def keep(self) -> None:
        """A day or the monitor's run has ended: what is known now is to be written."""
        self.is_due = bool(self._of_days)

    async def save(self, store: Store, today: date) -> None:
        """Write what is known, and let go of the days before today. Raises `StoreError`; all of it is then kept."""
        written = tuple(self._of_days.values())
        await store.save_differences(written)
        self.is_due = False
        for record in written:
            if record.day < today and self._of_days[_key(record)] is record:
                del self._of_days[_key(record)]


def joined(kept: Iterable[DifferenceRecord], held: Iterable[DifferenceRecord]) -> list[DifferenceRecord]:
    """Join the differences of the store with those of memory, which win, by day, queue, counter and switch."""
    found = {_key(record): record for record in (*kept, *held)}
    return [found[key] for key in sorted(found)]


def _key(record: DifferenceRecord) -> _Key:
    its = record.difference
    return record.day, queue_key(its.queue), its.counter, its.switch
