"""The journal's writer commits events together with what they changed, then acknowledges them to the senders.

Events wait here in *turns*: the deliveries taken since the turn before, and the calls they changed as those stood after
the last of them. A turn is committed whole, so that a row never says more than the journal does. When the database is
away, turns wait, on disk too, and no sender gets an acknowledgement.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import structs

from queue_monitor.core.ledger import MAX_TALK
from queue_monitor.core.live import Live
from queue_monitor.events import Event, SourceRestarted
from queue_monitor.model import CallRecord, CoverageRecord, JournalBatch, LeftOut, RefusalRecord
from queue_monitor.ports import Clock, Outdated, Receipt, Refused, Rejected, Store, StoreError
from queue_monitor.runtime.fault import BrokenEvent
from queue_monitor.runtime.spill import Left, Spill

log = logging.getLogger(__name__)

BATCH: Final = 2000
"""The number of events committed at once, unless one turn holds more."""

MAX_AMENDMENTS: Final = 20
"""A batch that is still outdated after this number of amendments shows a bug in the core."""


@dataclass(slots=True)
class PendingBatch:
    """One delivery on its way to the journal.

    `since`: when it came, in the clock's monotonic seconds.
    `sent`: ids of events as their sender wrote them, by the ids that replaced them.
    `spilled`: its events are on disk.
    `by_sender`: a sender wrote its events, as in `Delivery`.
    """

    events: list[Event]
    received_at: datetime
    ack: Callable[[Receipt], Awaitable[None]]
    since: float
    duplicates: int = 0
    conflicts: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    spilled: bool = False
    by_sender: bool = True

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            accepted=len(self.events),
            duplicates=self.duplicates,
            conflicts=tuple(self.sent.get(known, known) for known in self.conflicts),
            refused=tuple(self.refused),
        )


@dataclass(slots=True)
class Turn:
    """Deliveries taken together and what they changed, by contact."""

    lines: list[PendingBatch] = field(default_factory=list)
    calls: dict[str, CallRecord] = field(default_factory=dict)
    refusals: list[RefusalRecord] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        return [event for line in self.lines for event in line.events]

    def add(self, later: "Turn") -> None:
        """Add a turn that came after this one; for a call in both, the later record holds."""
        self.lines += later.lines
        self.calls |= later.calls
        self.refusals += later.refusals


class Written(NamedTuple):
    """The result of one commit: the events that were new, and the contacts whose rows the store refused."""

    turn: Turn
    events: Sequence[Event]
    not_derived: Sequence[str] = ()


class JournalWriter:
    """The link between the live state and the store. The pipeline adds deliveries and calls `write_one`."""

    def __init__(
        self,
        live: Live,
        clock: Clock,
        store: Store | None,
        spill: Spill | None,
        reject: Callable[[Rejected], None],
        journaled: bool = True,
    ) -> None:
        self._live = live
        self._clock = clock
        self._store = store
        self._spill = spill
        self._reject = reject
        self._journaled = journaled
        self._open: list[PendingBatch] = []
        self._turns: deque[Turn] = deque()
        self._spill_used = False
        self._spill_error = False
        self.error = ""
        live.note_changes(store is not None)

    # ---- waiting

    def add(self, line: PendingBatch) -> None:
        self._open.append(line)

    def cut(self) -> None:
        """End the turn: the deliveries since the last cut belong together with what they changed.

        Raises `BrokenEvent`; the turn is still open then.
        """
        if not self._open:
            return
        turn = Turn(self._open)
        if self._store is not None:
            try:
                records, refusals = self._live.take_records()
            except Exception as error:
                self._blame_last([event for line in self._open for event in line.events], error)
                raise
            turn.refusals = list(refusals)
            turn.calls = {record.contact_id: record for record in records}
        self._open = []
        self._turns.append(turn)

    def _blame_last(self, events: Sequence[Event], error: Exception) -> None:
        """Raise `BrokenEvent` for the last of these events that concerns the call on which our own code has raised."""
        if (blamed := self._live.blamed(events)) is not None:
            raise BrokenEvent(blamed) from error

    @property
    def lines(self) -> Iterable[PendingBatch]:
        for turn in self._turns:
            yield from turn.lines
        yield from self._open

    @property
    def is_idle(self) -> bool:
        """Return whether everything that was taken is committed."""
        return not self._turns and not self._open

    @property
    def pending(self) -> int:
        return sum(len(line.events) for line in self.lines)

    @property
    def oldest(self) -> float | None:
        """Return when the oldest delivery in the line came; None when none waits."""
        return next((line.since for line in self.lines), None)

    # ---- writing

    async def write_one(self, days: Sequence[CoverageRecord] = (), states: dict[str, bytes] | None = None) -> Written:
        """Commit one batch of turns, in order, and acknowledge it to its senders.

        `days` and `states` are written with it. Raises `StoreError`; nothing leaves the line then.
        """
        self.cut()
        turn = self._next()
        written = Written(turn, turn.events)
        if self._store is not None and (turn.lines or days or states):
            written = await self._commit(self._store, turn, tuple(days), states or {})
        if self._turns and self._turns[0] is turn:  # an empty one was never in the line, and others may have come since
            self._turns.popleft()
        self._up()
        for line in turn.lines:
            try:
                await line.ack(line.receipt)
            except OSError as error:  # the events are kept: the source sends or reads them again, and none counts twice
                log.warning("not acknowledged: %s", error)
        return written

    def _next(self) -> Turn:
        """Return the turns to commit next, joined; the result stays first in the line until it is committed."""
        if not self._turns:
            return Turn()
        first = self._turns[0]
        size = len(first.events)
        while len(self._turns) > 1 and size + (more := len(self._turns[1].events)) <= BATCH:
            size += more
            self._join_next()
        return first

    def _join_next(self) -> None:
        first = self._turns.popleft()
        first.add(self._turns.popleft())
        self._turns.appendleft(first)

    async def _commit(
        self, store: Store, turn: Turn, days: tuple[CoverageRecord, ...], states: dict[str, bytes]
    ) -> Written:
        last: tuple[object, ...] = ()
        for _ in range(MAX_AMENDMENTS):
            events = turn.events
            batch = JournalBatch(
                events=tuple(events),
                received_at=turn.lines[-1].received_at if turn.lines else self._clock.now(),
                calls=tuple(map(self._as_known, turn.calls.values())),
                refusals=tuple(turn.refusals),
                days=days,
                states=states,
                journaled=self._journaled,
            )
            try:
                committed = await store.commit(batch)
            except Outdated as outdated:
                last = (outdated.conflicts, outdated.calls)
                await self._amend(store, turn, outdated)
                continue
            repeated = {events[at].id for at in committed.repeated}
            for at in committed.repeated:
                self._live.amend_repeat(events[at])
            if repeated:
                _note_repeated(turn.lines, repeated)
            self._live.mark_known(turn.calls)
            left_out = committed.left_out
            self._live.leave_out(left_out, turn.calls)
            if left_out != LeftOut():
                number = len(left_out.contact_ids) + len(left_out.refusals)
                log.warning("not counted calls=%d: an import has brought their day and queue", number)
            if committed.not_derived:
                log.error("rows refused by the store calls=%d: rebuild makes them", len(committed.not_derived))
            new = [event for event in events if event.id not in repeated]
            return Written(turn, new, committed.not_derived)
        error = RuntimeError(f"the store and the live state do not come to agree: {last}")
        if turn.events:
            raise BrokenEvent(turn.events[-1]) from error
        raise error

    def _as_known(self, record: CallRecord) -> CallRecord:
        """Return the record as known to the store when it is: a turn may be cut before the one that first wrote its
        call is committed.
        """
        is_known = record.is_known or self._live.knows(record.contact_id)
        return record if is_known == record.is_known else structs.replace(record, is_known=True)

    async def _amend(self, store: Store, turn: Turn, outdated: Outdated) -> None:
        """Bring memory up to date with the store; the turn then holds every change of what memory has taken."""
        self.cut()
        while len(self._turns) > 1:
            self._join_next()
        events = turn.events
        wrong = [events[at] for at in outdated.conflicts]
        for event in wrong:
            self._forget(turn, event)
            self._live.amend_conflict(event)
        keys = {f"{event.switch_name} {getattr(event, 'visit_id', '')}" for event in wrong}
        touched = [record for record in turn.calls.values() if keys & set(record.keys)]
        unknown = [turn.calls[name] for name in outdated.calls if name in turn.calls]
        keys = {key for record in (*touched, *unknown) for key in record.keys}
        heard = self._live.drop_calls(record.contact_id for record in touched)
        try:
            await self.reload(store, keys, (*heard, *events))
        finally:  # the store may go away meanwhile: the events stay taken, and the next commit finds the fault again
            self._hear_again(turn, heard)

    def _hear_again(self, turn: Turn, heard: Sequence[Event]) -> None:
        for event in heard:
            try:
                self._live.apply(event)
            except Exception as error:
                raise BrokenEvent(event) from error
        try:
            records, refusals = self._live.take_records()
        except Exception as error:
            self._blame_last((*heard, *turn.events), error)
            raise
        turn.calls |= {record.contact_id: record for record in records}
        turn.refusals += refusals

    def _forget(self, turn: Turn, event: Event) -> None:
        """Remove from the turn an event whose id the journal has with another content; its sender gets a conflict."""
        for line in turn.lines:
            if event in line.events:
                line.events.remove(event)
                line.conflicts.append(event.id)
        self._reject(
            Rejected(source=event.source, reason="id_used_twice", field="id", kind="text", length=len(event.id))
        )

    async def reload(self, store: Store, keys: set[str], because_of: Sequence[Event] = ()) -> None:
        """Load calls from the store into memory, and those that share evidence with them. Raises `StoreError`.

        Raises `BrokenEvent` when our own code raises on a call, for the event because of which it is loaded.
        """
        asked: set[str] = set()
        while keys := keys - asked:
            asked |= keys
            try:
                documents = await store.load_calls(sorted(keys))
            except StoreError:
                self._live.ask_again(keys)
                raise
            try:
                self._live.load_calls(documents)
                keys = self._live.missing_calls()
            except Exception as error:
                await self._blame_loading(store, because_of)
                if because_of:
                    raise BrokenEvent(because_of[-1]) from error
                raise

    async def reload_across(self, store: Store, restart: SourceRestarted) -> None:
        """Load the calls that went on when a switch began anew, and those that share evidence with them. Raises
        `StoreError`, and `BrokenEvent` for the restart.
        """
        documents = await store.load_across(restart.at, MAX_TALK, since=restart.at)
        try:
            self._live.load_calls(documents)
            keys = self._live.missing_calls()
        except Exception as error:
            raise BrokenEvent(restart) from error
        await self.reload(store, keys, (restart,))

    async def _blame_loading(self, store: Store, events: Sequence[Event]) -> None:
        """Raise `BrokenEvent` for the first of these events whose call cannot be loaded by itself."""
        for event in events:
            scratch = Live(self._live.rules)
            documents = await store.load_calls(sorted(scratch.keys_of([event])))
            try:
                scratch.load_calls(documents)
                scratch.settle()
            except Exception as error:
                raise BrokenEvent(event) from error

    # ---- trouble

    async def down(self, error: StoreError) -> None:
        """Note that the database cannot be written to."""
        if not self.error:
            log.error("journal down error=%s", error)
        self.error = str(error)

    def _up(self) -> None:
        if self.error:
            log.warning("journal up again pending=%d", self.pending)
            self.error = ""

    async def spill(self, lines: Iterable[PendingBatch]) -> None:
        """Write lines to disk that are not there yet. Their senders get no acknowledgement:
        that comes with the commit.
        """
        if self._spill is None:
            return
        waiting = [line for line in lines if not line.spilled]
        if not waiting:
            return
        try:
            await self._spill.keep(Left(event, line.by_sender) for line in waiting for event in line.events)
        except OSError as error:
            self._note_spill_error(error)
            return
        self._spill_used, self._spill_error = True, False
        for line in waiting:
            line.spilled = True

    async def clear_spill(self) -> None:
        """Empty the file of what waited: all that was ever taken is committed. A file that stays is tried again."""
        if self._spill is None or not self._spill_used:
            return
        try:
            await self._spill.clear()
        except OSError as error:  # at a start it is read once more, and the journal knows its events
            self._note_spill_error(error)
            return
        self._spill_used = self._spill_error = False

    def _note_spill_error(self, error: OSError) -> None:
        if not self._spill_error and self._spill is not None:
            log.error("spill failed path=%s error=%s", self._spill.path, error.strerror or error)
        self._spill_error = True

    async def recover(self) -> list[Left]:
        """Return the events that an earlier process left on disk; the file is emptied once all
        of them are committed.
        """
        if self._spill is None:
            return []
        left = await self._spill.recover()
        self._spill_used = bool(left)
        return left


def _note_repeated(lines: Iterable[PendingBatch], repeated: set[str]) -> None:
    for line in lines:
        known = sum(event.id in repeated for event in line.events)
        if known:
            line.events = [event for event in line.events if event.id not in repeated]
            line.duplicates += known
