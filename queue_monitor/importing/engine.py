"""One import from its files to its record, resumed where it was interrupted."""

import gc
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, cast

import msgspec
from msgspec import Struct, field, structs

from adapters.asterisk_queuelog import Settings
from queue_monitor.app import wiring
from queue_monitor.app.dated_rules import rules_in_store, take_rules
from queue_monitor.app.owned_store import store_options
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.config import Config
from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.live import Live
from queue_monitor.core.privacy import Veil
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.events import Event
from queue_monitor.importing.apart import ReadApart, is_worth_it
from queue_monitor.importing.csv_calls import CsvCalls
from queue_monitor.importing.mapping import read_mapping
from queue_monitor.importing.queue_log import QueueLogs
from queue_monitor.importing.reading import CSV, KINDS, QUEUE_LOG, Reading, Wanted, checked_name
from queue_monitor.importing.refusals import Refusals
from queue_monitor.importing.target import HeldDay, Tally, Target
from queue_monitor.model import Coverage, CoverageRecord, ImportedFile, ImportRecord
from queue_monitor.ports import Delivery, NoStoreYet, Store, StoreError
from queue_monitor.replay.recording import RecordingError
from queue_monitor.runtime.fault import Fault
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import SqlStore, open_store
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.schema import microseconds

Report = Callable[[int, int], None]
"""A function that takes the amount done, and the whole amount."""

DELIVERY: Final = 10_000
HELD: Final = timedelta(hours=1)
"""The time before the interruption whose calls are loaded again on resuming: longer than memory keeps them."""

AFTER_THE_END: Final = timedelta(days=2)
"""The time after a log's end at which callers who still wait count as left unseen."""

_BEGAN: Final = datetime(1990, 1, 1, tzinfo=UTC)
_STATES: Final = ("switches", "wait bounds", "queues", "queue places")


class _Progress(Struct, frozen=True, kw_only=True):
    """The progress of an import: `taken` events are in the store, and perhaps those of one more delivery."""

    key: str
    taken: int
    newest: datetime
    states: dict[str, bytes]
    tally: Tally


class Imported(Struct, frozen=True, kw_only=True):
    """The result of an import, real or tried. `already`: the same files were imported before; the rest is empty
    then.
    """

    name: str
    dry_run: bool
    files: tuple[ImportedFile, ...]
    refusals: Refusals
    notes: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    held_days: dict[HeldDay, int] = {}
    replaced: tuple[HeldDay, ...] = ()
    already: datetime | None = None
    resumed: bool = False


def reading_of(config: Config, wanted: Wanted) -> Reading:
    """Return the reader of these files. Raises `RecordingError`."""
    if not wanted.files:
        raise RecordingError("no file is named")
    kind = wanted.kind or (CSV if wanted.mapping else QUEUE_LOG)
    if kind not in KINDS:
        raise RecordingError(f"--kind: {kind!r} is not one of {', '.join(KINDS)}")
    if kind == QUEUE_LOG:
        if wanted.mapping:
            raise RecordingError("--mapping: a queue_log has no columns to map")
        name = checked_name(wanted.name or QUEUE_LOG, "--name")
        set_up = next((source.settings for source in config.sources if source.kind == "asterisk_queuelog"), None)
        settings = set_up if isinstance(set_up, Settings) else Settings()
        reading = QueueLogs(name, wanted.files, settings, config.zone)
        apart = is_worth_it(reading) if wanted.apart is None else wanted.apart
        return ReadApart(reading, settings, config.zone) if apart else reading
    if wanted.mapping is None:
        raise RecordingError("--mapping: a CSV file needs one that says what its columns are (docs/import.md)")
    mapping, hashed = read_mapping(wanted.mapping)
    name = checked_name(wanted.name or mapping.name, "--name")
    veil = Veil(MonthKeys(None), _Nobody(), config.zone, wiring.own_names(config))
    return CsvCalls(name, wanted.files, mapping, hashed, config.zone, lambda queue: veil.shown(queue) != queue)


class _Nobody:
    """Stands for the live calls: nobody is in a call while calls are imported."""

    def is_open(self, switch: str, call: str) -> bool:
        return False

    def knows_agent(self, agent_id: str) -> bool:
        return False


async def run(config: Config, wanted: Wanted, report: Report) -> Imported:
    """Import files, or try it.

    Raises `RecordingError` for files that cannot be read, `StoreInUse` while a monitor runs, `StoreError`, and
    `BrokenEvent` for an event on which our own code raises: the next time skips it.
    """
    reading = reading_of(config, wanted)
    async with AsyncExitStack() as closing:
        home, store = await _stores(config, closing, dry_run=wanted.dry_run)
        records = [] if home is None else await home.imports.records()
        if not wanted.replace and (before := _same(records, reading)) is not None:
            return _already(reading, wanted, before)
        today = SystemClock().now().astimezone(config.zone).date()
        if wanted.dry_run:
            rules = rules_of(config) if home is None else await rules_in_store(home, config, today)
        else:
            rules = await take_rules(store, config, today)
        keys = MonthKeys(None if wanted.dry_run else Path(config.store.number_keys))
        course = _Course(config, rules, reading, store, home, keys, replace=wanted.replace)
        try:
            with _few_collections():
                await course.drive(report)
        except Fault as fault:
            await store.save_skipped(fault.mark(SystemClock().now()))
            raise
        if not wanted.dry_run:
            await course.finish()
        return course.result(dry_run=wanted.dry_run)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collect cyclic garbage rarely: there is hardly any here, and looking for it took a tenth of the time.

    A delivery makes some 100,000 objects, which are all freed at its end: they alone are no reason to look.
    """
    usual = gc.get_threshold()
    gc.set_threshold(250_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _stores(config: Config, closing: AsyncExitStack, *, dry_run: bool) -> tuple[SqlStore | None, SqlStore]:
    """Return the store that is asked about days, and the one that is written; in a dry run a separate one."""
    options = store_options(config)
    if not dry_run:
        store = await open_store(config.store.url, **options)
        closing.push_async_callback(store.close)
        if await store.is_simulated():
            raise StoreError(
                "store.url: a simulation has written its made-up calls there. Name another store, or empty this one "
                "with: queue-monitor wipe --config FILE"
            )
        await store.imports.begin()
        return store, store
    home = None
    with suppress(NoStoreYet):
        home = await open_store(config.store.url, own=False, **options)
        closing.push_async_callback(home.close)
    folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="queue-monitor-import-"))
    scratch = await open_store(f"sqlite:///{Path(folder) / 'dry-run.db'}", **options)
    closing.push_async_callback(scratch.close)
    return home, scratch


def _same(records: list[ImportRecord], reading: Reading) -> ImportRecord | None:
    """Return the import that has brought all of these files before, read in the same way."""
    wanted = {file.sha256 for file in reading.files}
    of_name = [one for one in records if (one.name, one.mapping, one.held) == (reading.name, reading.mapping, 0)]
    return next((one for one in of_name if wanted <= {file.sha256 for file in one.files}), None)


def _already(reading: Reading, wanted: Wanted, before: ImportRecord) -> Imported:
    return Imported(
        name=reading.name,
        dry_run=wanted.dry_run,
        files=reading.files,
        refusals=reading.refusals,
        already=before.finished_at,
    )


class _Course:
    """Takes the events through a live state of its own, whose history goes to the store."""

    def __init__(
        self,
        config: Config,
        rules: Rules,
        reading: Reading,
        store: SqlStore,
        home: SqlStore | None,
        keys: MonthKeys,
        *,
        replace: bool,
    ) -> None:
        self._reading = reading
        self._keys = keys
        self._store = store
        self._system = SystemClock()
        self._started = self._system.now()
        self._rules = rules
        self._zone = config.zone
        days, today = LocalDays(config.zone), self._rules.calendar.day_of(self._started)
        self._target = Target(
            store,
            home,
            reading.name,
            days,
            today,
            replace=replace,
            tells_talk=reading.tells_talk,
            progress=self._noted,
        )
        self._live = Live(self._rules, shows=False)
        self._veil = Veil(keys, self._live, config.zone, wiring.own_names(config))
        self._clock = ManualClock(_BEGAN)
        # Only the pipeline's questions that make history are answered here: the rest is the store's own.
        self._pipeline = Pipeline(self._live, self._clock, cast(Store, self._target), rebuilds=True)
        parts = [reading.kind, reading.mapping, *(file.sha256 for file in reading.files)]
        self._key = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        self._taken = 0
        self._to_veil: set[int] = set()
        self._newest = _BEGAN
        self._states: dict[str, bytes] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._resumed = False

    async def drive(self, report: Report) -> None:
        """Take all events, without those that an interrupted import has brought before."""
        for rules in self._rules.versions:
            await self._store.save_rules(rules.judged_by_version, rules.judged_by.encode(), self._started)
        self._pipeline.skip(await self._store.load_skipped())
        left_out = await self._resume()
        waiting: list[Event] = []
        read = 0
        for piece in self._reading.pieces():
            self._see(piece.events)
            events = piece.events
            self._to_veil.update(read + at for at in piece.to_veil if read + at >= self._taken)
            read += len(events)
            if left_out:
                left_out, events = max(0, left_out - len(events)), events[left_out:]
            waiting += events
            while len(waiting) >= DELIVERY:
                await self._take(waiting[:DELIVERY])
                del waiting[:DELIVERY]
            report(piece.done, piece.total)
        if waiting:
            await self._take(waiting)
        if not self._reading.ends_are_told and self._last is not None:
            self._clock.advance_to(min(self._last + AFTER_THE_END, self._started))
            await self._say_who_left()

    def _see(self, events: list[Event]) -> None:
        for event in events[:1] + events[-1:]:
            self._first = min(self._first or event.at, event.at)
            self._last = max(self._last or event.at, event.at)

    async def _resume(self) -> int:
        """Resume an interrupted import of the same files; return how many of its events are in the store."""
        noted = await self._store.imports.progress(self._reading.name)
        progress = msgspec.json.decode(noted, type=_Progress) if noted else None
        if progress is None or progress.key != self._key:
            return 0
        self._resumed = True
        self._target.resume(progress.tally)
        if not progress.taken:
            return 0
        self._taken, self._states = progress.taken, progress.states
        self._newest = progress.newest
        self._clock.advance_to(progress.newest)
        since = progress.newest - HELD
        self._live.load_states(progress.states, progress.newest)
        until = microseconds(progress.newest + AFTER_THE_END)
        found = await self._store.imports.evidence_since(self._reading.name, microseconds(since), until)
        self._live.load_calls(found)
        self._live.hold_from(since)
        return progress.taken

    def _noted(self, tally: Tally) -> str:
        """Return the progress before the delivery that is committed now; taking that one again changes nothing."""
        progress = _Progress(key=self._key, taken=self._taken, newest=self._newest, states=self._states, tally=tally)
        return msgspec.json.encode(progress).decode()

    async def _take(self, events: list[Event]) -> None:
        written = self._live.save_states()
        self._states, self._newest = {name: written[name] for name in _STATES}, self._clock.now()
        self._clock.advance_to(max(event.at for event in events))
        await self._deliver(await self._veiled(events))
        self._taken += len(events)
        await self._say_who_left()

    async def _veiled(self, events: list[Event]) -> list[Event]:
        """Return the events without the numbers of agents, and with the new keys of those numbers on disk."""
        places = sorted(at for at in self._to_veil if at < self._taken + len(events))
        self._to_veil.difference_update(places)
        events = list(events)
        for at in places:
            event = events[at - self._taken]
            events[at - self._taken] = self._veil.over_watched(event, event.at)
        await self._keys.save()
        return events

    async def _say_who_left(self) -> None:
        """Report waits whose end is missing in the file, by the same rule as in operation.

        Calls that the rule no longer needs are dropped from memory, also where no line can be missing.
        """
        if words := self._live.overdue(self._clock.now()):
            await self._deliver(list(words))

    async def _deliver(self, events: list[Event]) -> None:
        self._pipeline.take(
            Delivery(items=tuple(events), received_at=events[-1].at, is_checked=self._reading.is_checked)
        )
        await self._pipeline.write()
        if self._pipeline.trouble:
            raise StoreError(self._pipeline.trouble)

    async def finish(self) -> None:
        """Seal the days, record how they were observed, and keep the import's record."""
        imports, name = self._store.imports, self._reading.name
        await imports.seal(name)
        await imports.observe(list(self._coverage(await imports.days(name))))
        tally = self._target.tally
        await imports.finish(
            ImportRecord(
                name=name,
                kind=self._reading.kind,
                files=self._reading.files,
                started_at=self._started,
                finished_at=self._system.now(),
                calls=sum(tally.added.values()),
                refused_callers=sum(tally.refused_callers.values()),
                replaced=tally.replaced,
                held=sum(tally.held.values()),
                mapping=self._reading.mapping,
                rules=self._rules.on((self._last or self._started).astimezone(self._zone).date()).judged_by_version,
            )
        )

    def _coverage(self, days: list[tuple[date, str]]) -> Iterator[CoverageRecord]:
        """Return the open minutes of days with calls, from the first line to the last, as recovered.

        The file covers all of its queues.
        """
        calendars = Calendars(self._rules.calendar, self._rules.calendars)
        queues = sorted({queue for _, queue in days})
        first, last = self._first or self._started, self._last or self._started
        for day in sorted({day for day, _ in days}):
            start, end = day_bounds(day, self._zone)
            for queue in queues:
                calendar = calendars.of(queue)
                whole = int(calendar.open_minutes(start, end))
                told = max(start, first), min(end, last)
                known = int(calendar.open_minutes(*told)) if told[0] < told[1] else 0
                coverage = Coverage(recovered_minutes=known, blind_minutes=whole - known)
                yield CoverageRecord(queue=queue, day=day, coverage=coverage)

    def result(self, *, dry_run: bool) -> Imported:
        """Return the result."""
        return Imported(
            name=self._reading.name,
            dry_run=dry_run,
            files=self._reading.files,
            refusals=self._reading.refusals,
            notes=tuple(self._reading.notes),
            tally=structs.replace(self._target.tally),
            held_days=dict(Counter(self._target.held_days)),
            replaced=tuple(sorted(self._target.replaced)),
            resumed=self._resumed,
        )
