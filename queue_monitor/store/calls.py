"""The rows of contacts and visits, one for each: how they are written, and how an older row is replaced."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from struct import pack, unpack
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from queue_monitor.events import contact_key
from queue_monitor.model import CallRecord, Contact, Level, Outcome, Placement, Visit
from queue_monitor.store.agents import Agents
from queue_monitor.store.bulk import Bulk, is_refused
from queue_monitor.store.database import Database
from queue_monitor.store.journal import chunks
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE, RULES, SOURCE, SWITCH, Names, plain
from queue_monitor.store.packs import key_hash
from queue_monitor.store.schema import SITE, call_key, contact, microseconds, visit
from queue_monitor.store.tally import MINUTE_US, Share, share
from queue_monitor.store.turns import giving_way

_CHUNK: Final = 3_000
_READ_CHUNK: Final = 900
"""The numbers of calls that are written and looked up at once: each statement costs several turns of the driver's
thread. Older versions of SQLite take 999 values in one.
"""

_VISIT_COLUMNS: Final = [column for column in visit.c if column.name != "site"]
_SHARE_COLUMNS: Final = ("queue", "inside", "at_us", "field", "early", "brought_by", "judged_ms", "recorded")
_CONTACT_COLUMNS: Final = [contact.c[name] for name in ("key", "seq", "is_derived", "keys", *_SHARE_COLUMNS)]
_share_columns: Final = itemgetter(*_SHARE_COLUMNS)
_these: Final[Any] = bindparam("these", expanding=True)
_of_these: Final = select(*_CONTACT_COLUMNS).where(contact.c.site == SITE, contact.c.key.in_(_these))
_visits_of_these: Final = (
    select(*_VISIT_COLUMNS)
    .where(visit.c.site == SITE, visit.c.contact.in_(_these))
    .order_by(visit.c.contact, visit.c.number)
)


class Old(NamedTuple):
    """The rows in the store of a contact and its visits."""

    row: Any
    visits: list[Any]

    @property
    def shares(self) -> list[Share]:
        found = [_share(Level.CONTACT, self.row), *(_share(Level.VISIT, row) for row in self.visits)]
        return [each for each in found if each is not None]


class New(NamedTuple):
    """A record as rows. `row` is None when the contact no longer exists."""

    contact_id: str
    key: bytes
    row: dict[str, Any] | None
    visits: list[dict[str, Any]]
    keys: list[int]

    @property
    def shares(self) -> list[Share]:
        if self.row is None:
            return []
        found = [_share_of(Level.CONTACT, self.row), *(_share_of(Level.VISIT, row) for row in self.visits)]
        return [each for each in found if each is not None]


class CallRows:
    """The writer of contacts, their visits and the keys by which they are found, inside the transaction of its user."""

    def __init__(self, database: Database, names: Names, agents: Agents, days: LocalDays) -> None:
        self._names = names
        self._agents = agents
        self._days = days
        self._put_contact = _replacing(database, contact, ["site", "key"])
        self._put_visit = _replacing(database, visit, ["site", "contact", "number"])
        keys = database.insert(call_key).on_conflict_do_nothing(index_elements=["site", "hash", "contact"])
        self._put_key = database.bulk(keys, ["hash", "contact"])
        its = contact.c.site == SITE, contact.c.key == bindparam("gone")
        self._drop_contact = database.bulk(delete(contact).where(*its), ["gone"])
        its_last = visit.c.contact == bindparam("gone"), visit.c.number >= bindparam("from_number")
        self._drop_visits = database.bulk(delete(visit).where(visit.c.site == SITE, *its_last), ["gone", "from_number"])
        its_key = call_key.c.hash == bindparam("its"), call_key.c.contact == bindparam("gone")
        self._drop_key = database.bulk(delete(call_key).where(call_key.c.site == SITE, *its_key), ["its", "gone"])

    def load(self, connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Old]:
        """Return the rows of these contacts, as far as there are any."""
        found: dict[bytes, Old] = {}
        for chunk in chunks(keys, _READ_CHUNK):
            found |= {row.key: Old(row, []) for row in connection.execute(_of_these, {"these": chunk})}
            there = [key for key in chunk if key in found]
            if there:
                for row in connection.execute(_visits_of_these, {"these": there}):
                    found[row.contact].visits.append(row)
        return found

    def name(self, connection: Connection, records: Iterable[CallRecord]) -> None:
        """Give numbers to all names in these records."""
        queues, switches, sources, versions = dict[str, None](), dict[str, None](), dict[str, None](), set()
        for record in giving_way(records, 500):
            if record.contact is None:
                continue
            versions.add(record.rules)
            queues[record.contact.first_queue] = None
            for placed in (record.placed, *record.visits_placed):
                if placed is not None:
                    queues[placed.queue] = None
            for its in record.visits:
                queues[its.queue] = None
                if its.next_queue is not None:
                    queues[its.next_queue] = None
                switches[its.switch] = None
                sources[its.source] = None
        self._names.ensure(connection, QUEUE, queues)
        self._names.ensure(connection, SWITCH, switches)
        self._names.ensure(connection, SOURCE, sources)
        self._names.ensure(connection, RULES, sorted(versions))

    def write(
        self,
        connection: Connection,
        records: Sequence[CallRecord],
        old: dict[bytes, Old],
        seq: int,
        bare: set[bytes],
        *,
        careful: bool,
    ) -> tuple[list[Share], list[str]]:
        """Write the records; return the shares that were written, and the contacts whose rows were refused.

        Refused contacts, and those in `bare`, are kept without any figure, or not at all when the database refuses even
        that. Without `careful` the first refusal is raised.
        """
        added: list[Share] = []
        refused: list[str] = []
        for chunk in chunks(records, _CHUNK):
            rows = [self._rows(record, seq, bare) for record in giving_way(chunk, 100)]
            if not careful:
                self._write(connection, rows, old)
            elif is_refused(connection, partial(self._write, connection, rows, old)):
                rows = [
                    self._write_alone(connection, new, record, old, seq, refused)
                    for new, record in zip(rows, chunk, strict=True)
                ]
            refused += [new.contact_id for new in rows if new.key in bare]
            added += [each for new in rows for each in new.shares]
        return added, refused

    def _write_alone(
        self, connection: Connection, new: New, record: CallRecord, old: dict[bytes, Old], seq: int, refused: list[str]
    ) -> New:
        if not is_refused(connection, lambda: self._write(connection, [new], old)):
            return new
        refused.append(record.contact_id)
        for evidence in (record.evidence, b""):
            bare = _bare(record, new.key, seq, evidence)
            if not is_refused(connection, partial(self._write, connection, [bare], old)):
                return bare
        gone = New(record.contact_id, new.key, None, [], [])
        self._write(connection, [gone], old)
        return gone

    def _write(self, connection: Connection, rows: Sequence[New], old: dict[bytes, Old]) -> None:
        kept = [new.row for new in rows if new.row is not None]
        gone = [{"gone": new.key} for new in rows if new.row is None and new.key in old]
        visits, fewer, keys, lost = [], [], [], []
        for new in rows:
            before = old.get(new.key)
            if before is None:
                visits += new.visits
                keys += [{"hash": hashed, "contact": new.key} for hashed in new.keys]
                continue
            visits += [
                row
                for number, row in enumerate(new.visits)
                if number >= len(before.visits) or tuple(before.visits[number]) != tuple(row.values())
            ]
            if len(before.visits) > len(new.visits):
                fewer.append({"gone": new.key, "from_number": len(new.visits)})
            had, has = read_keys(before.row.keys), set(new.keys)
            keys += [{"hash": hashed, "contact": new.key} for hashed in has - set(had)]
            lost += [{"its": hashed, "gone": new.key} for hashed in set(had) - has]
        self._put_contact.run(connection, kept)
        self._drop_contact.run(connection, gone)
        self._put_visit.run(connection, visits)
        self._drop_visits.run(connection, fewer)
        self._put_key.run(connection, keys)
        self._drop_key.run(connection, lost)

    def new_shares(self, record: CallRecord) -> list[Share]:
        """Return the shares that a record adds when its rows are written."""
        return self._rows(record, 0, set()).shares

    def _rows(self, record: CallRecord, seq: int, bare: set[bytes]) -> New:
        key = contact_key(record.contact_id)
        if record.contact is None:
            return New(record.contact_id, key, None, [], [])
        if key in bare:
            return _bare(record, key, seq, record.evidence)
        keys = _hashes(record)
        its, placed = record.contact, record.placed
        entered_us, settled_us, last_us = _us(its.entered_at), _us(its.settled_at), _us(record.last_at)
        at_us = placed.minute * MINUTE_US if placed else _first(entered_us, last_us, settled_us)
        row = {
            "key": key,
            "seq": seq,
            "at_us": at_us,
            "last_us": _first(last_us, settled_us, entered_us),
            "is_open": record.is_open,
            "is_derived": True,
            "queue": self._names.id(QUEUE, placed.queue if placed else its.first_queue),
            "entered_us": entered_us,
            "settled_us": settled_us,
            "outcome": its.outcome.value,
            **_placed(placed),
            "wait_ms": its.wait_ms,
            "wait_after_transfer_ms": its.wait_after_transfer_ms,
            "called_back_ms": its.called_back_ms,
            "start_known": its.start_known,
            "precision_ms": its.precision_ms,
            "reached_later": record.reached_later,
            "rules": self._names.id(RULES, record.rules),
            "keys": written_keys(keys),
            "evidence": record.evidence,
        }
        return New(record.contact_id, key, row, self._visit_rows(record, key, at_us), keys)

    def _visit_rows(self, record: CallRecord, key: bytes, contact_us: int) -> list[dict[str, Any]]:
        answered, rows = False, []
        for number, its in enumerate(record.visits):
            placed = record.visits_placed[number] if number < len(record.visits_placed) else None
            rows.append(self._visit_row(its, placed, key, number, contact_us, answered))
            answered = answered or its.outcome is Outcome.ANSWERED
        return rows

    def _visit_row(
        self, its: Visit, placed: Placement | None, key: bytes, number: int, contact_us: int, after_answer: bool
    ) -> dict[str, Any]:
        names = self._names
        entered_us, ended_us, completed_us = _us(its.entered_at), _us(its.ended_wait_at), _us(its.completed_at)
        agent = None
        if its.agent_id:
            day = self._days.day_at(_first(ended_us, entered_us, completed_us) or contact_us)
            agent = self._agents.pseudonym(its.agent_id, day)
        return {
            "contact": key,
            "number": number,
            "at_us": placed.minute * MINUTE_US if placed else _first(entered_us, ended_us, completed_us) or contact_us,
            "queue": names.id(QUEUE, placed.queue if placed else its.queue),
            "switch": names.id(SWITCH, its.switch),
            "source": names.id(SOURCE, its.source),
            "entered_us": entered_us,
            "ended_wait_us": ended_us,
            "completed_us": completed_us,
            "outcome": its.outcome.value,
            **_placed(placed),
            "wait_ms": its.wait_ms,
            "talk_ms": its.talk_ms,
            "ended_by": its.ended_by.value if its.ended_by else None,
            "agent": agent,
            "entry_reason": its.entry_reason.value,
            "next_queue": None if its.next_queue is None else names.id(QUEUE, its.next_queue),
            "exit_key": None if its.key is None else plain(its.key),
            "rings": its.rings,
            "position": its.position,
            "after_answer": after_answer,
            "start_known": its.start_known,
            "precision_ms": its.precision_ms,
            "outcome_basis": its.outcome_basis.value,
            "time_basis": its.time_basis.value,
        }


def written_keys(keys: Sequence[int]) -> bytes:
    return pack(f"<{len(keys)}q", *keys)


def read_keys(written: bytes) -> list[int]:
    return list(unpack(f"<{len(written) // 8}q", written))


def _hashes(record: CallRecord) -> list[int]:
    return list(dict.fromkeys(map(key_hash, record.keys)))


def _bare(record: CallRecord, key: bytes, seq: int, evidence: bytes) -> New:
    """Return the row of a contact of which only the existence is known: the next rebuild makes it."""
    its = record.contact or Contact(
        contact_id="", first_queue="", entered_at=None, outcome=Outcome.UNKNOWN, visit_ids=()
    )
    entered_us, last_us = _us(its.entered_at), _us(record.last_at)
    at_us = record.placed.minute * MINUTE_US if record.placed else _first(entered_us, last_us)
    keys = _hashes(record)
    row = {
        "key": key,
        "seq": seq,
        "at_us": at_us,
        "last_us": _first(last_us, _us(its.settled_at), entered_us),
        "is_open": record.is_open,
        "is_derived": False,
        "queue": None,
        "entered_us": None,
        "settled_us": None,
        "outcome": Outcome.UNKNOWN.value,
        **_placed(None),
        "wait_ms": None,
        "wait_after_transfer_ms": 0,
        "called_back_ms": None,
        "start_known": False,
        "precision_ms": 0,
        "reached_later": None,
        "rules": 0,
        "keys": written_keys(keys),
        "evidence": evidence,
    }
    return New(record.contact_id, key, row, [], keys)


def _placed(placed: Placement | None) -> dict[str, Any]:
    """Return where a call counts, as columns; `at_us` and `queue` hold the rest."""
    if placed is None:
        return {"field": "", "inside": False, "early": False, "recorded": False, "judged_ms": None, "brought_by": ""}
    return {
        "field": placed.field,
        "inside": placed.inside,
        "early": placed.early,
        "recorded": placed.recorded and placed.judged_ms is not None,
        "judged_ms": placed.judged_ms,
        "brought_by": placed.brought_by,
    }


def _share(level: Level, row: Any) -> Share | None:
    return share(
        level, row.queue, row.inside, row.at_us, row.field, row.early, row.brought_by, row.judged_ms, row.recorded
    )


def _share_of(level: Level, row: dict[str, Any]) -> Share | None:
    return share(level, *_share_columns(row))


def _replacing(database: Database, table: Any, key: list[str]) -> Bulk:
    insert = database.insert(table)
    new = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    upsert = insert.on_conflict_do_update(index_elements=key, set_=new)
    return database.bulk(upsert, [column.name for column in table.c if column.name != "site"])


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _first(*moments: int | None) -> int:
    """Return the first of these moments that is known; 1970 when none is."""
    for at_us in moments:
        if at_us is not None:
            return at_us
    return 0
