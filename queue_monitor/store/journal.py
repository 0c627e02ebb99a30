"""The journal: every event once, in the order in which it was committed, as the bytes it had on the wire."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from queue_monitor.events import Event, InvalidEvent, decode, encode, same_content
from queue_monitor.model import Known
from queue_monitor.store.database import Database
from queue_monitor.store.packs import PACK_SIZE, DamagedPack, contact_hash, id_hash, packed, unpacked
from queue_monitor.store.schema import SITE, journal, journal_id, microseconds, pack, pack_contact
from queue_monitor.store.turns import giving_way

T = TypeVar("T")

_ENCODE_CHUNK: Final = 250  # events encoded between two turns of the event loop, about 5 ms
_ID_CHUNK: Final = 500
_TAIL_US: Final = 12 * 3_600_000_000
"""The time that fewer events than make a pack wait for more to come."""

_log = logging.getLogger(__name__)


class Written(NamedTuple):
    """The journal's newest number; the positions of events it had already, and of those it had with other content."""

    seq: int
    repeated: tuple[int, ...] = ()
    conflicts: tuple[int, ...] = ()


class Journal:
    """The rows, packs and ids. All methods work inside a transaction that is already open.

    `unreadable` counts the rows and packs that could not be read and were passed over.
    """

    def __init__(self, database: Database) -> None:
        put_id = database.insert(journal_id).on_conflict_do_nothing(index_elements=["site", "hash"])
        self._put_id = database.bulk(put_id, ["hash", "seq"])
        self._put = database.bulk(insert(journal), ["seq", "at_us", "received_us", "body"])
        self.unreadable = 0
        self._passed_over: set[tuple[str, int]] = set()

    def write(self, connection: Connection, events: Sequence[Event], received_us: int, last_seq: int) -> Written:
        """Write the events that are new, numbered from the one after `last_seq`."""
        seqs, repeated, conflicts = self._number(connection, events, last_seq)
        for chunk in chunks(list(seqs.items()), _ENCODE_CHUNK):
            rows = [
                {
                    "seq": seq,
                    "at_us": microseconds(events[position].at),
                    "received_us": received_us,
                    "body": encode(events[position]),
                }
                for position, seq in chunk
            ]
            self._put.run(connection, rows)
        return Written(max(seqs.values(), default=last_seq), tuple(sorted(repeated)), tuple(sorted(conflicts)))

    def _number(
        self, connection: Connection, events: Sequence[Event], last_seq: int
    ) -> tuple[dict[int, int], list[int], list[int]]:
        """Return a number for each new event by its position, and the positions of the others."""
        first: dict[bytes, int] = {}
        repeated: list[int] = []
        conflicts: list[int] = []
        for position, event in enumerate(giving_way(events, 1_000)):
            earlier = first.setdefault(id_hash(event.source, event.id), position)
            if earlier != position:
                same = same_content(events[earlier], event)
                (repeated if same else conflicts).append(position)
        seqs = {hashed: last_seq + number for number, hashed in enumerate(first, 1)}
        inserted = 0
        for chunk in chunks(list(seqs.items()), _ID_CHUNK):
            rows = [{"hash": hashed, "seq": seq} for hashed, seq in chunk]
            inserted += self._put_id.run(connection, rows)
        if inserted != len(seqs):
            there = {hashed: seq for hashed, seq in self._seqs(connection, seqs).items() if seq != seqs[hashed]}
            stored = self.bodies(connection, there.values())
            for hashed, seq in there.items():
                del seqs[hashed]
                same = _says_the_same(events[first[hashed]], stored.get(seq))
                (repeated if same else conflicts).append(first[hashed])
        return {first[hashed]: seq for hashed, seq in seqs.items()}, repeated, conflicts

    def look_up(self, connection: Connection, events: Sequence[Event]) -> list[Known]:
        """Return for each event what the journal has under its id."""
        hashes = [id_hash(event.source, event.id) for event in events]
        there = self._seqs(connection, hashes)
        stored = self.bodies(connection, there.values())
        found = []
        for event, hashed in zip(events, hashes, strict=True):
            if hashed not in there:
                found.append(Known.NEW)
            else:
                same = _says_the_same(event, stored.get(there[hashed]))
                found.append(Known.REPEATED if same else Known.CONFLICT)
        return found

    def _seqs(self, connection: Connection, hashes: Iterable[bytes]) -> dict[bytes, int]:
        question = select(journal_id.c.hash, journal_id.c.seq).where(
            journal_id.c.site == SITE, journal_id.c.hash.in_(bindparam("hashes", expanding=True))
        )
        return {
            bytes(row.hash): row.seq
            for chunk in chunks(list(hashes), _ID_CHUNK)
            for row in connection.execute(question, {"hashes": chunk})
        }

    def bodies(self, connection: Connection, seqs: Iterable[int]) -> dict[int, bytes]:
        """Return the events with these numbers as far as they are kept, as JSON."""
        found: dict[int, bytes] = {}
        for chunk in chunks(sorted(seqs), _ID_CHUNK):
            rows = select(journal.c.seq, journal.c.body).where(journal.c.seq.in_(chunk))
            found |= {row.seq: row.body for row in connection.execute(rows)}
            missing = [seq for seq in chunk if seq not in found]
            if missing:
                found |= self._packed_bodies(connection, set(missing))
        return found

    def _packed_bodies(self, connection: Connection, seqs: set[int]) -> dict[int, bytes]:
        where = (pack.c.site == SITE, pack.c.last_seq >= min(seqs), pack.c.first_seq <= max(seqs))
        found: dict[int, bytes] = {}
        spans = connection.execute(select(pack.c.id, pack.c.first_seq, pack.c.last_seq).where(*where)).all()
        wanted = [row.id for row in spans if any(row.first_seq <= seq <= row.last_seq for seq in seqs)]
        for chunk in chunks(wanted, 10):
            for row in connection.execute(select(pack.c.id, pack.c.body).where(pack.c.id.in_(chunk))):
                found |= {seq: body for seq, body in self.lines(row.id, row.body) if seq in seqs}
            if len(found) == len(seqs):
                break
        return found

    def newest_seq(self, connection: Connection) -> int:
        """Return the newest number; 0 while there is none."""
        in_rows = connection.execute(select(func.max(journal.c.seq))).scalar_one()
        in_packs = connection.execute(select(func.max(pack.c.last_seq)).where(pack.c.site == SITE)).scalar_one()
        return max(in_rows or 0, in_packs or 0)

    def between(
        self, connection: Connection, start_us: int, end_us: int, only: re.Pattern[bytes] | None = None
    ) -> list[Event]:
        """Return the events that happened from one moment to before another, in the order in which they did.

        `only`: events in whose JSON this is found; None for all events.
        """
        rows = select(journal.c.seq, journal.c.body).where(
            journal.c.site == SITE, journal.c.at_us >= start_us, journal.c.at_us < end_us
        )
        lines = [(row.seq, row.body) for row in connection.execute(rows)]
        packs = select(pack.c.id, pack.c.body).where(
            pack.c.site == SITE, pack.c.last_us >= start_us, pack.c.first_us < end_us
        )
        for row in connection.execute(packs):
            lines += self.lines(row.id, row.body)
        found = []
        for seq, body in lines:
            event = self.decoded(seq, body) if only is None or only.search(body) else None
            if event is not None and start_us <= microseconds(event.at) < end_us:
                found.append((event.at, seq, event))
        return [event for _, _, event in sorted(found, key=lambda each: each[:2])]

    def pack(self, connection: Connection, before_us: int, at_most: int) -> int:
        """Pack events that happened before that moment, oldest first; return how many."""
        where = (journal.c.site == SITE, journal.c.at_us < before_us)
        question = select(journal.c.seq, journal.c.at_us, journal.c.body).where(*where)
        rows = connection.execute(question.order_by(journal.c.at_us, journal.c.seq).limit(at_most)).all()
        number = connection.execute(select(func.coalesce(func.max(pack.c.id), 0))).scalar_one()
        done = 0
        for chunk in chunks(rows, PACK_SIZE):
            if len(chunk) < PACK_SIZE and chunk[-1].at_us > before_us - _TAIL_US:
                break
            number += 1
            done += len(chunk)
            self.put_pack(connection, number, [(row.seq, row.at_us, row.body) for row in chunk])
            connection.execute(delete(journal).where(journal.c.seq.in_([row.seq for row in chunk])))
        return done

    def put_pack(self, connection: Connection, number: int, events: Sequence[tuple[int, int, bytes]]) -> None:
        """Write one pack of events (number, time, JSON) in this order, and the contacts that it concerns."""
        seqs = [seq for seq, _, _ in events]
        contacts = {contact_hash(event) for _, _, body in events if (event := _decoded(body))}
        row = {
            "id": number,
            "first_us": events[0][1],
            "last_us": events[-1][1],
            "first_seq": min(seqs),
            "last_seq": max(seqs),
            "events": len(events),
            "body": packed((seq, body) for seq, _, body in events),
        }
        connection.execute(insert(pack), [row])
        known = sorted(hashed for hashed in contacts if hashed is not None)
        if known:
            connection.execute(insert(pack_contact), [{"hash": hashed, "pack": number} for hashed in known])

    def lines(self, number: int, body: bytes) -> list[tuple[int, bytes]]:
        """Return the events in a pack with their numbers; empty for one that is damaged."""
        try:
            return list(unpacked(body))
        except DamagedPack as error:
            self._pass_over("pack", number, error)
            return []

    def decoded(self, seq: int, body: bytes) -> Event | None:
        """Return the event; None for one that cannot be read."""
        try:
            return decode(body)
        except InvalidEvent as error:
            self._pass_over("row", seq, error)
            return None

    def _pass_over(self, kind: str, number: int, error: Exception) -> None:
        """Count a damaged row or pack and log it, once for each."""
        if (kind, number) not in self._passed_over:
            self._passed_over.add((kind, number))
            self.unreadable += 1
            _log.warning("journal %s passed over: number=%d reason=%s", kind, number, error)


def chunks(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _decoded(body: bytes) -> Event | None:
    try:
        return decode(body)
    except InvalidEvent:
        return None


def _says_the_same(event: Event, body: Any) -> bool:
    """Return whether the kept event has the same content; true where it is no longer kept or cannot be read."""
    kept = _decoded(bytes(body)) if body is not None else None
    return kept is None or same_content(event, kept)
