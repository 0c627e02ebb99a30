"""The commit of one batch in one transaction: new events, the rows that they change, and the sums of those rows."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from queue_monitor.events import CallRefused, Event, contact_key
from queue_monitor.model import CallRecord, Committed, JournalBatch, RefusalRecord
from queue_monitor.ports import Outdated
from queue_monitor.store.bulk import OF_A_ROW, is_of_a_row
from queue_monitor.store.calls import CallRows, Old
from queue_monitor.store.imported_days import ImportedDays
from queue_monitor.store.journal import Journal
from queue_monitor.store.kept import Kind, kept_from
from queue_monitor.store.packs import id_hash
from queue_monitor.store.refusals import RefusalRows, refusal_key
from queue_monitor.store.schema import microseconds
from queue_monitor.store.state import States
from queue_monitor.store.sums import SumKey, Sums
from queue_monitor.store.tally import MINUTE_US, Share
from queue_monitor.store.turns import give_way, giving_way

LAST_BATCH: Final = "last batch"
NOT_WRITTEN: Final = "rows not written"
REAL: Final = "real"
SIMULATED: Final = "simulated"
SIMULATOR: Final = "urn:kc:simulator:"


class LastBatch(Struct, frozen=True, kw_only=True):
    """The result of the newest batch: by it a repeated batch is recognised after a failure that left its commit in
    doubt.
    """

    seq: int = 0
    digest: str = ""
    repeated: tuple[int, ...] = ()
    not_derived: tuple[str, ...] = ()


class Writer:
    """The writer of batches. It remembers the result of the newest commits: `evict` it when one fails."""

    def __init__(
        self,
        journal: Journal,
        calls: CallRows,
        refusals: RefusalRows,
        sums: Sums,
        states: States,
        imported_days: ImportedDays,
    ) -> None:
        self._journal = journal
        self._calls = calls
        self._refusals = refusals
        self._sums = sums
        self._states = states
        self._imported_days = imported_days
        self._last: LastBatch | None = None
        self._is_real = False
        self._unclear: set[str] = set()
        self._unclear_calls: set[bytes] = set()
        self._tried = ""
        self._tried_calls: set[bytes] = set()

    def settled(self) -> None:
        """Note that the transaction has been committed."""
        self._unclear.clear()
        self._unclear_calls.clear()
        self._tried, self._tried_calls = "", set()

    def evict(self) -> None:
        """Forget the newest commit: its transaction was undone, and may even so have been committed."""
        self._last = None
        self._is_real = False
        self._sums.evict()
        self._imported_days.evict()

    def unclear(self) -> None:
        """Note that it is not known whether the batch that was tried was committed."""
        self._unclear.add(self._tried)
        self._unclear_calls |= self._tried_calls

    def commit(self, connection: Connection, batch: JournalBatch) -> Committed:
        """Write a batch; return its result. Raises `Outdated`."""
        self._tried, self._tried_calls = "", set()
        last = self._last or self._load(connection)
        digest = _digest(batch)
        give_way()
        batch, left_out = self._imported_days.apart(connection, batch)
        calls = list({contact_key(record.contact_id): record for record in batch.calls}.items())
        self._tried, self._tried_calls = digest, {key for key, _ in calls}
        if digest == last.digest and digest in self._unclear:
            return Committed(seq=last.seq, repeated=last.repeated, not_derived=last.not_derived, left_out=left_out)
        seq, repeated, conflicts = last.seq, tuple[int, ...](), tuple[int, ...]()
        if batch.journaled and batch.events:
            received_us = microseconds(batch.received_at)
            seq, repeated, conflicts = self._journal.write(connection, batch.events, received_us, last.seq)
            self._mark_real(connection, batch.events)
        old = self._calls.load(connection, [key for key, _ in calls])
        unknown = self._unknown(calls, old)
        if conflicts or unknown:
            raise Outdated(conflicts, unknown)
        records = self._still_kept(connection, calls, old)
        refusals = _first_told(batch, repeated)
        not_derived = self._derive(connection, records, refusals, old, seq)
        self._states.save_days(connection, batch.days)
        self._states.save(connection, seq, batch.states)
        self._last = LastBatch(seq=seq, digest=digest, repeated=repeated, not_derived=tuple(not_derived))
        self._states.set_mark(connection, LAST_BATCH, msgspec.json.encode(self._last).decode())
        return Committed(seq=seq, repeated=repeated, not_derived=tuple(not_derived), left_out=left_out)

    def _load(self, connection: Connection) -> LastBatch:
        written = self._states.mark(connection, LAST_BATCH)
        return msgspec.json.decode(written, type=LastBatch) if written else LastBatch()

    def _mark_real(self, connection: Connection, events: Sequence[Event]) -> None:
        """Mark once that the journal has events of a switch that is not simulated."""
        if not self._is_real and not all(event.source.startswith(SIMULATOR) for event in events):
            self._states.set_mark(connection, REAL, "")
            self._is_real = True

    def _unknown(self, calls: Sequence[tuple[bytes, CallRecord]], old: dict[bytes, Old]) -> tuple[str, ...]:
        return tuple(
            record.contact_id
            for key, record in calls
            if not record.is_known and key in old and key not in self._unclear_calls
        )

    def _still_kept(
        self, connection: Connection, calls: Sequence[tuple[bytes, CallRecord]], old: dict[bytes, Old]
    ) -> list[CallRecord]:
        """Leave out a call that memory still held when its row was deleted with its day: the sums have it already."""
        gone = {
            key: record.placed.minute * MINUTE_US
            for key, record in calls
            if record.is_known and record.placed and key not in old and key not in self._unclear_calls
        }
        edge = kept_from(connection, Kind.CALLS, self._states) if gone else None
        return [record for key, record in calls if edge is None or key not in gone or gone[key] >= edge]

    def _derive(
        self,
        connection: Connection,
        calls: Sequence[CallRecord],
        refusals: Sequence[RefusalRecord],
        old: dict[bytes, Old],
        seq: int,
    ) -> list[str]:
        """Write rows and sums; return the contacts that the database refused.

        When it refuses a sum, the contacts in it are taken out, and all is done again without them.
        """
        if not calls and not refusals:
            return []
        self._calls.name(connection, calls)
        self._refusals.name(connection, refusals)
        trial = _Trial()
        while True:
            savepoint = connection.begin_nested()
            try:
                not_derived, bad = self._attempt(connection, calls, refusals, old, seq, trial)
            except OF_A_ROW as error:
                if trial.careful or not is_of_a_row(error):
                    raise
                not_derived, bad = [], None
            if bad is not None and not bad:
                savepoint.commit()
                return not_derived
            savepoint.rollback()
            self._sums.evict()
            trial.careful = True
            self._take_out(trial, bad or [], calls, refusals, old)

    def _attempt(
        self,
        connection: Connection,
        calls: Sequence[CallRecord],
        refusals: Sequence[RefusalRecord],
        old: dict[bytes, Old],
        seq: int,
        trial: "_Trial",
    ) -> tuple[list[str], list[SumKey] | None]:
        """Return the contacts that are not derived, and the sums that were refused."""
        careful = trial.careful
        added, refused = self._calls.write(connection, calls, old, seq, trial.bare, careful=careful)
        more, refused_callers = self._refusals.write(connection, refusals, trial.left_out, careful=careful)
        taken = [each for row in giving_way(old.values()) for each in row.shares]
        taken += self._refusals.delete(connection, refusals)
        moved = _difference(taken, added + more)
        bad = self._sums.move(connection, *moved, trial.untouched, careful=careful)
        if not bad and refused_callers:
            counted = int(self._states.mark(connection, NOT_WRITTEN) or 0)
            self._states.set_mark(connection, NOT_WRITTEN, str(counted + len(refused_callers)))
        return list(dict.fromkeys(refused + refused_callers)), bad

    def _take_out(
        self,
        trial: "_Trial",
        bad: Sequence[SumKey],
        calls: Sequence[CallRecord],
        refusals: Sequence[RefusalRecord],
        old: dict[bytes, Old],
    ) -> None:
        """Leave out the contacts and refused callers of a sum that cannot be written: they are not counted at all."""
        trial.untouched |= set(bad)
        for key, record in _by_key(calls):
            its = self._calls.new_shares(record) + (old[key].shares if key in old else [])
            if any(self._is_in(each, trial.untouched) for each in its):
                trial.bare.add(key)
        for refused in refusals:
            if any(self._is_in(each, trial.untouched) for each in self._refusals.new_shares(refused)):
                trial.left_out.add(refusal_key(refused))

    def _is_in(self, share: Share, keys: set[SumKey]) -> bool:
        return not keys.isdisjoint(self._sums.keys_of(share))


class _Trial:
    """The state of the attempts to write rows and sums.

    At first everything is written at once; when the database refuses anything, all is done again in small steps
    (`careful`), without those known to be in a sum that it refuses.
    """

    def __init__(self) -> None:
        self.careful = False
        self.bare: set[bytes] = set()
        self.left_out: set[bytes] = set()
        self.untouched: set[SumKey] = set()


def _by_key(calls: Sequence[CallRecord]) -> list[tuple[bytes, CallRecord]]:
    return [(contact_key(record.contact_id), record) for record in calls]


def _first_told(batch: JournalBatch, repeated: Sequence[int]) -> Sequence[RefusalRecord]:
    """Return the refused callers of a batch without those of events that the journal had: they are counted, or have got
    into a queue since.
    """
    told = [event for event in map(batch.events.__getitem__, repeated) if isinstance(event, CallRefused)]
    if not told:
        return batch.refusals
    others = set(range(len(batch.events))).difference(repeated)
    new = {_refused(event) for at in others if isinstance(event := batch.events[at], CallRefused)}
    again = set(map(_refused, told)) - new
    return [
        record
        for record in batch.refusals
        if not record.is_counted or (record.refusal.source, record.refusal.leg_id, record.refusal.at) not in again
    ]


def _refused(event: CallRefused) -> tuple[str, str, datetime]:
    return event.source, event.leg_id or event.contact_id, event.at


def _difference(taken: list[Share], added: list[Share]) -> tuple[list[Share], list[Share]]:
    """Return both lists without the shares that are in both: most events about a call do not move it."""
    if not taken:
        return taken, added
    number: dict[Share, int] = {}
    for each in taken:
        number[each] = number.get(each, 0) - 1
    for each in added:
        number[each] = number.get(each, 0) + 1
    gone = [each for each, count in number.items() for _ in range(-count)]
    new = [each for each, count in number.items() for _ in range(count)]
    return gone, new


def _digest(batch: JournalBatch) -> str:
    """Return a digest of a batch; a repeated batch has the same."""
    parts = hashlib.blake2b(digest_size=16)
    parts.update(f"{batch.received_at.isoformat()} {batch.journaled}".encode())
    for event in giving_way(batch.events if batch.journaled else (), 1_000):
        parts.update(id_hash(event.source, event.id))
    for record in batch.calls:
        parts.update(contact_key(record.contact_id))
        parts.update(record.evidence)
    for refused in batch.refusals:
        parts.update(refusal_key(refused) + (b"" if refused.is_counted else b"-"))
    for name, body in sorted(batch.states.items()):
        parts.update(name.encode("utf-8", "surrogatepass") + body)
    for day in batch.days:
        parts.update(repr(day).encode("utf-8", "surrogatepass"))
    return parts.hexdigest()
