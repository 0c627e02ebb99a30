"""The snapshots of the live state: all figures of a moment, or only those that decide something."""

from collections import Counter
from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Final, Protocol

from queue_monitor.core import snapshot_builder
from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.opening_check import OpeningCheck
from queue_monitor.core.pieces import finished
from queue_monitor.core.reconcile import Reconciler
from queue_monitor.core.rules import Rules
from queue_monitor.core.snapshot_builder import Memory, SnapshotBuilder
from queue_monitor.core.sources import Sources
from queue_monitor.core.windows import Windows
from queue_monitor.model import Disagreement, Hours, JournalNow, Snapshot, Visit, WallNow
from queue_monitor.queues import Pool

PIECE: Final = 2
"""The number of queues that are computed before a snapshot pauses: some milliseconds."""

DISAGREEMENTS_EVERY: Final = 300
"""The number of seconds after which disagreements about the opening hours are looked for again: that is often enough
for a wrong setting, and it reads every call.
"""


class LiveReading(snapshot_builder.LiveReading, Protocol):
    """The part of the live state that a snapshot shows: `live.Live`."""

    rules: Rules
    sources: Sources
    opening_check: OpeningCheck
    reconciler: Reconciler
    events: Counter[str]
    rejected: Counter[str]
    ring_results: dict[str, Counter[str]]

    @property
    def ledger(self) -> Ledger: ...

    @property
    def windows(self) -> Windows: ...

    def talking(self, now: datetime) -> list[Visit]: ...

    def pools(self, queues: list[str]) -> list[Pool]: ...


class Snapshots:
    """Makes the snapshots of one live state; a figure whose inputs are as they were is not computed again."""

    def __init__(self, live: LiveReading) -> None:
        self._live = live
        self._memory = Memory()
        self._disagreements: tuple[int, tuple[Disagreement, ...]] = (-1, ())

    def in_pieces(self, now: datetime, rate: float, journal: JournalNow) -> Generator[None, None, Snapshot]:
        """Make the snapshot of all figures that any face shows, with a pause after each piece of work.

        No event may be applied until it is done.
        """
        live = self._live
        queues = live.queues()
        talking, waiting, ringing = live.talking(now), live.ledger.waiting(), live.ledger.ringing()
        yield
        view = SnapshotBuilder(live, now, talking, ringing, memory=self._memory)
        yield
        yield from view.place(waiting)
        yield
        view.count_staff()
        yield
        disagreements = self._hours_disagreements(now)
        watched = live.watched_queues()
        pools = self._shared(watched)
        yield
        of_queues = []
        for number, queue in enumerate(queues, start=1):
            of_queues.append((yield from view.queue_in_pieces(queue, (queue,), queue)))
            if number % PIECE == 0:
                yield
        of_pools = []
        for pool in pools:
            of_pools.append((yield from view.queue_in_pieces(pool.name, pool.queues, pool.queues)))
            yield
        total = yield from view.queue_in_pieces("", tuple(watched), None)
        yield
        today = yield from view.today_in_pieces()
        yield
        walls = []
        for name, shown in live.rules.walls.items():
            face = yield from view.queue_in_pieces(name, shown, shown)
            bars = yield from view.today_in_pieces(shown)
            walls.append(WallNow(name=name, total=face, today=tuple(bars)))
            yield
        agents = live.agents.now((visit.agent_id for visit in talking if visit.agent_id), live.silences(now))
        yield
        totals, totals_waits = live.windows.totals(), live.windows.wait_buckets()
        yield
        return Snapshot(
            at=now,
            rate=rate,
            version=live.rules.version,
            target=live.rules.target,
            organisation=live.rules.organisation,
            time_zone=live.rules.calendar.zone.key,
            hours=self._hours(now),
            total=total,
            queues=tuple(of_queues),
            pools=tuple(of_pools),
            agents=agents,
            sources=live.sources.now(),
            today=tuple(today),
            events=dict(live.events),
            rejected=dict(live.rejected),
            totals=totals,
            totals_waits=totals_waits,
            ring_results={queue: dict(counter) for queue, counter in live.ring_results.items()},
            journal=journal,
            reconciliation=live.reconciler.differences(),
            hours_disagreements=disagreements,
            totals_talks=live.windows.talks(),
            walls=tuple(walls),
            callers_since=live.callers.known_since(now),
            earlier_targets=live.rules.earlier_targets,
        )

    def of_alerts(self, now: datetime) -> Snapshot:
        """Return a snapshot with only the figures that decide something.

        Each figure in it is equal to the full snapshot's; figures for the faces alone are empty. The queues of a pool
        are in their pool only.
        """
        live = self._live
        queues = live.watched_queues()
        view = self.view(now, live.talking(now), briefly=True)
        pools = self._shared(queues)
        alone = set(queues).difference(*(pool.queues for pool in pools))
        return Snapshot(
            at=now,
            rate=1.0,
            version=live.rules.version,
            target=live.rules.target,
            organisation=live.rules.organisation,
            time_zone=live.rules.calendar.zone.key,
            hours=self._hours(now),
            total=view.queue("", tuple(queues), None),
            queues=tuple(view.queue(queue, (queue,), queue) for queue in queues if queue in alone),
            pools=tuple(view.queue(pool.name, pool.queues, pool.queues) for pool in pools),
            agents=(),
            sources=live.sources.now(),
            today=(),
            events={},
            rejected={},
            totals={},
            totals_waits={},
            ring_results={},
            journal=JournalNow(),
        )

    def view(self, now: datetime, talking: Sequence[Visit] = (), *, briefly: bool = False) -> SnapshotBuilder:
        """Return a builder that reads the figures of a moment without a memory of earlier ones."""
        view = SnapshotBuilder(self._live, now, list(talking), set(), briefly=briefly)
        finished(view.place(self._live.ledger.waiting()))
        return view

    def _shared(self, queues: list[str]) -> list[Pool]:
        """Return the pools of more than one queue."""
        return [pool for pool in self._live.pools(queues) if len(pool.queues) > 1]

    def _hours_disagreements(self, now: datetime) -> tuple[Disagreement, ...]:
        """Return today's disagreements about the opening hours, as they were found last."""
        looked = int(now.timestamp()) // DISAGREEMENTS_EVERY
        if looked != self._disagreements[0]:
            calendar = self._live.rules.calendar
            bounds = day_bounds(calendar.day_of(now), calendar.zone)
            self._disagreements = looked, tuple(self._live.opening_check.disagreements(*bounds))
        return self._disagreements[1]

    def _hours(self, now: datetime) -> Hours:
        calendar = self._live.rules.calendar
        return Hours(
            open=calendar.is_open(now),
            opens_at=calendar.next_opening(now),
            closes_at=calendar.closing(now),
            note=calendar.note(calendar.day_of(now)),
        )
