"""Rebuilds history from the journal, compares history with the journal, and empties a store.

History is always made in one way: the journal's events, day by day in the order in which they happened, go through the
same live state and the same commit as in operation. So `verify` expects exactly what `rebuild` writes.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from queue_monitor.app.dated_rules import EVER, rules_of_store, take_rules
from queue_monitor.app.owned_store import store_options
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.config import Config
from queue_monitor.core.calendar import Calendar, next_month
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import Event
from queue_monitor.importing.verifying import import_differences
from queue_monitor.model import IMPORTED, JournalBatch, StoredCall, StoredRefusal
from queue_monitor.ports import Delivery, StoreError
from queue_monitor.runtime.fault import Fault
from queue_monitor.runtime.holding import HOLD, MAX_ACROSS
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import KNOWN_AT_THE_TIME, SqlStore, SumDifference, open_store

Report = Callable[[int, int], None]
"""A function that takes the number of events done, and of all."""

DELIVERY: Final = 1000
_NOTE: Final = "rebuild"


class _Progress(Struct, frozen=True):
    """The progress of a rebuild: days from `first` to before `next` are done."""

    first: date
    next: date


class Rebuilt(Struct, frozen=True, kw_only=True):
    """The result of a rebuild."""

    first: date | None
    events: int
    calls: int

    def summary(self) -> str:
        if self.first is None:
            return "The journal is empty: there is nothing to rebuild."
        return f"Made history anew from {self.first}: {self.calls} calls out of {self.events} events."


class Verified(Struct, frozen=True, kw_only=True):
    """The result of a comparison, with a sentence for each difference."""

    events: int
    calls: int
    unreadable: int
    differences: list[str]
    imports: int = 0

    def summary(self) -> str:
        compared = f"{self.calls} calls and their sums compared with {self.events} events of the journal"
        if self.imports:
            compared += f"; the days of {self.imports} import{'s' * (self.imports > 1)} compared with what was imported"
        damaged = f"; {self.unreadable} damaged journal rows passed over" if self.unreadable else ""
        found = f"{len(self.differences)} differences" if self.differences else "no difference"
        return f"{compared}: {found}{damaged}."


async def rebuild(config: Config, first: date | None, report: Report, *, by_present_rules: bool = False) -> Rebuilt:
    """Make the history of `first` and later days anew; where it is None, of all days whose journal is complete.

    Days before are left as they are. Each day is judged by its own rules, or with `by_present_rules` all by the present
    settings, because earlier ones were wrong. An interrupted rebuild continues where it was. Raises `StoreInUse` while
    a monitor runs, `StoreError`, and `BrokenEvent` for an event on which our own code raises: the next time skips it.
    """
    store = await open_store(config.store.url, **store_options(config))
    try:
        begins = await _first_day(store, rules_of(config).calendar, first)
        if begins is None:
            return Rebuilt(first=None, events=0, calls=0)
        today = SystemClock().now().astimezone(config.zone).date()
        wrong_from = None if not by_present_rules else begins if first is not None else EVER
        rules = await take_rules(store, config, today, anew_from=wrong_from)
        calendar = rules.calendar
        for version in rules.versions:
            await store.save_rules(version.judged_by_version, version.judged_by.encode(), SystemClock().now())
        done = await _broken_off(store)
        resumed = done.next if done is not None and done.first == begins else begins
        await store.forget_from(calendar.midnight(resumed))

        async def keep(day: date) -> None:
            await store.note(_NOTE, msgspec.json.encode(_Progress(begins, day)).decode())

        try:
            events = await _derive(store, store, rules, resumed, report, keep)
        except Fault as fault:
            await store.save_skipped(fault.mark(SystemClock().now()))
            raise
        await store.note(_NOTE, "")
        return Rebuilt(first=begins, events=events, calls=await store.count_calls(calendar.midnight(begins)))
    finally:
        await store.close()


async def verify(config: Config, first: date | None, report: Report) -> Verified:
    """Compare rows and sums with the journal, of `first` and later days or of all; a monitor may run meanwhile.

    Calls that changed after the comparison began are left out. Raises `StoreError`.
    """
    options = store_options(config)
    store = await open_store(config.store.url, own=False, **options)
    with tempfile.TemporaryDirectory(prefix="queue-monitor-verify-") as folder:
        scratch = await open_store(f"sqlite:///{Path(folder) / 'verify.db'}", **options)
        try:
            rules = await rules_of_store(store, config)
            calendar = rules.calendar
            begins = await _first_day(store, calendar, first)
            imports = len(await store.imports.records())
            newest = await store.newest_seq()
            if faults := await store.faults():
                damaged = [f"damaged database: {words}" for words in faults]
                return Verified(events=0, calls=0, unreadable=0, differences=damaged)
            differences = [_sum_words(found) async for found in store.sum_differences()]
            differences += await import_differences(store, rules)
            if begins is None:
                return Verified(events=0, calls=0, unreadable=0, differences=differences, imports=imports)
            await scratch.imports.take_brought(await store.imports.brought())
            events = await _derive(store, scratch, rules, begins, report)
            calls, found, changed = await _compared(store, scratch, calendar, begins, newest)
            if changed:  # a monitor runs: the sums of all time grew while they were read
                differences = [words for words in differences if not words.startswith(_ALL_TIME)]
            return Verified(
                events=events,
                calls=calls,
                unreadable=store.unreadable,
                differences=[*differences, *found],
                imports=imports,
            )
        finally:
            await scratch.close()
            await store.close()


async def wipe(config: Config) -> None:
    """Empty the store and destroy its months' keys. Raises `StoreInUse` while a monitor runs, and `StoreError`."""
    store = await open_store(config.store.url, **store_options(config))
    try:
        await store.wipe()
    finally:
        await store.close()
    for left in (config.store.spill, config.store.unsaved_alerts, config.store.number_keys):
        await asyncio.to_thread(Path(left).unlink, missing_ok=True)


async def _first_day(store: SqlStore, calendar: Calendar, wanted: date | None) -> date | None:
    """Return the first day to rebuild: of those wanted, the first whose journal is complete."""
    oldest = await store.oldest_at()
    if oldest is None:
        return None
    complete = (await store.health()).first_kept
    days = [calendar.day_of(oldest), *(day for day in (wanted, complete) if day is not None)]
    return max(days)


async def _broken_off(store: SqlStore) -> _Progress | None:
    kept = await store.noted(_NOTE)
    try:
        return msgspec.json.decode(kept, type=_Progress) if kept else None
    except msgspec.DecodeError as error:
        raise StoreError(f"store.url: what an earlier rebuild noted cannot be read: {error}") from error


class _Beginnings:
    """Gives a scratch store the calls that began before the midnight from which the journal is read: their beginnings
    are not read, and may no longer be there.
    """

    def __init__(self, source: SqlStore, target: SqlStore, rules: Rules, midnight: datetime) -> None:
        self._source = source
        self._target = target
        self._rules = rules
        self._midnight = midnight
        self._taken: set[bytes] = set()

    async def take_open(self) -> None:
        """Give it the calls that go on after the midnight, or ended shortly before."""
        since = self._midnight - HOLD
        await self._take(await self._source.load_across(self._midnight, MAX_ACROSS, since=since))

    async def take_for(self, keys: Iterable[str]) -> None:
        """Give it the calls of which events with these keys speak."""
        await self._take(await self._source.load_calls(keys, self._midnight))

    async def _take(self, documents: list[bytes]) -> None:
        new = [document for document in documents if document not in self._taken]
        self._taken.update(new)
        live = Live(self._rules, records=True)
        live.load_calls(new)
        live.record_all()
        calls, _ = live.take_records()
        if calls:
            batch = JournalBatch(received_at=self._midnight, calls=tuple(calls), journaled=False)
            await self._target.commit(batch)


async def _starts_before(source: SqlStore, midnight: datetime) -> list[Event]:
    """Return the events by which a switch may have begun anew, of the time before a midnight from which calls are
    amended. Read a day at a time: the journal of a month need not fit in memory.
    """
    found = list[Event]()
    day, a_day = midnight - MAX_ACROSS, timedelta(days=1)
    while day < midnight:
        found += await source.starts_between(day, day + a_day)
        day += a_day
    return found


async def _derive(
    source: SqlStore,
    target: SqlStore,
    rules: Rules,
    first: date,
    report: Report,
    done: Callable[[date], Awaitable[None]] | None = None,
) -> int:
    """Take the source's events through a live state whose history goes to the target; return their number."""
    calendar = rules.calendar
    midnight = calendar.midnight(first)
    # the target has the calls that go on after this midnight; their days before it are not counted here
    live = Live(rules, held_from=midnight, shows=False)
    beginnings = None if target is source else _Beginnings(source, target, rules, midnight)
    if beginnings is not None:
        await beginnings.take_open()
    clock = ManualClock(midnight)
    pipeline = Pipeline(live, clock, target, rebuilds=True)
    pipeline.skip(await source.load_skipped())
    recent = await source.events_between(midnight - HOLD, midnight)
    await pipeline.start_as_of(midnight, await _starts_before(source, midnight), recent)
    total = await source.count_events(midnight)
    newest = await source.newest_at()
    count, day = 0, first
    while newest is not None and calendar.midnight(day) <= newest:
        events = await source.events_between(calendar.midnight(day), calendar.midnight(day + timedelta(days=1)))
        for at in range(0, len(events), DELIVERY):
            some = tuple(events[at : at + DELIVERY])
            if beginnings is not None:
                await beginnings.take_for(live.keys_of(some))
            clock.advance_to(some[-1].at)
            pipeline.take(Delivery(items=some, received_at=some[-1].at))
            await pipeline.write()
            if pipeline.trouble:
                raise StoreError(pipeline.trouble)
            count += len(some)
            report(count, max(total, count))
        day += timedelta(days=1)
        if done is not None and events:
            await done(day)
    return count


_ALL_TIME: Final = "sum of all time"


def _sum_words(found: SumDifference) -> str:
    if found.day is None:
        where = _ALL_TIME
    elif found.step == "day":
        where = f"sum of {found.day}"
    else:
        where = f"sum of the quarter from {found.start}"
    hours = "" if found.inside else ", outside opening hours"
    return (
        f"{where}, {found.queue}, {found.level.value} level{hours}: {found.field} is {found.sum_says}, "
        f"its rows add up to {found.rows_say}"
    )


async def _compared(
    store: SqlStore, scratch: SqlStore, calendar: Calendar, first: date, newest_seq: int
) -> tuple[int, list[str], set[str]]:
    """Compare the calls of two stores a month at a time, without those that changed after that journal number.

    Returns the number of calls, a sentence for each difference, and the calls that changed: they are asked for when all
    rows are read, since a row may change until then.
    """
    newest = await store.newest_at()
    differing: list[tuple[str, str]] = []
    refused: list[str] = []
    alone: tuple[dict[str, StoredCall], dict[str, StoredCall]] = ({}, {})
    count, day = 0, first
    while newest and calendar.midnight(day) <= newest + timedelta(days=7):
        following = next_month(day)
        start, end = calendar.midnight(day), calendar.midnight(following)
        ours = {call.id: call for call in await store.calls(start, end) if not call.imported}
        expected = {call.id: call for call in await scratch.calls(start, end)}
        count += len(ours)
        for call_id in ours.keys() & expected.keys():
            differing += ((call_id, words) for words in _difference(ours[call_id], expected[call_id]))
        alone[0].update((i, call) for i, call in ours.items() if i not in expected)
        alone[1].update((i, call) for i, call in expected.items() if i not in ours)
        refused += _refused(await store.refusals(start, end), await scratch.refusals(start, end))
        day = following
    for call_id in alone[0].keys() & alone[1].keys():
        differing += ((call_id, words) for words in _difference(alone[0][call_id], alone[1][call_id]))
    differing += ((i, f"not in the journal: {_words(call)}") for i, call in alone[0].items() if i not in alone[1])
    differing += ((i, f"missing: {_words(call)}") for i, call in alone[1].items() if i not in alone[0])
    changed = await store.calls_changed_after(newest_seq)
    found = [words for call_id, words in differing if call_id not in changed]
    return count, [*found, *([] if changed else refused)], changed


def _words(call: StoredCall) -> str:
    return f"call {call.id}, {call.first_queue}, {call.at.isoformat()}"


def _difference(call: StoredCall, expected: StoredCall) -> list[str]:
    """Return a sentence for each field in which a row differs from the journal."""
    compared = [name for name in StoredCall.__struct_fields__ if name not in KNOWN_AT_THE_TIME]
    fields = [name for name in compared if getattr(call, name) != getattr(expected, name)]
    return [
        f"{_words(call)}: {name} is {_short(getattr(call, name))}, by the journal {_short(getattr(expected, name))}"
        for name in fields
    ]


def _short(value: object) -> str:
    return f"{len(value)} visits that differ" if isinstance(value, tuple) else str(value)


def _refused(ours: list[StoredRefusal], expected: list[StoredRefusal]) -> list[str]:
    ours = [refusal for refusal in ours if not refusal.switch.startswith(IMPORTED)]
    have, wanted = (Counter((r.queue, r.at, r.reason) for r in refusals) for refusals in (ours, expected))
    return [f"refused caller not in the journal: {queue}, {at.isoformat()}" for queue, at, _ in have - wanted] + [
        f"refused caller missing: {queue}, {at.isoformat()}" for queue, at, _ in wanted - have
    ]
