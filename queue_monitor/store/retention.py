"""The deletion of data that is no longer kept: a little at a time, counted, and written into the audit at the end.

The progress of a deletion is a mark in the same transactions, so one that was broken off goes on and is counted once.
The acts that record deletions are themselves never deleted.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, not_, select, update

from queue_monitor.events import Event, InvalidEvent, decode
from queue_monitor.model import AdminAct, Level, NoticeState, SkippedEvent
from queue_monitor.store.calls import read_keys
from queue_monitor.store.database import Database
from queue_monitor.store.journal import Journal, chunks
from queue_monitor.store.kept import RETENTION, Kind, Order, kept_mark
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.names import QUEUE
from queue_monitor.store.packs import contact_hash, id_hash, packed
from queue_monitor.store.rebuild import SUMMED_UNTIL
from queue_monitor.store.schema import (
    SITE,
    acknowledgement,
    alert,
    attempt,
    audit,
    call_key,
    contact,
    coverage,
    difference,
    imported_day,
    journal,
    journal_id,
    microseconds,
    name,
    notice,
    pack,
    pack_contact,
    refusal,
    repeat_callers,
    report,
    sums,
    visit,
)
from queue_monitor.store.state import States
from queue_monitor.store.sums import DAY, QUARTER, Sums
from queue_monitor.store.turns import giving_way

SKIPPED: Final = "skipped "
_GOING_ON: Final = "deleting "
_EVENTS: Final = 500
_PACKS: Final = 5
_CALLS: Final = 50
"""The number of calls deleted at once: a call lies on some twenty pages of the file, by hashes, so this is about a
megabyte to write.
"""

_ALERTS: Final = 200
_ACTS: Final = 1_000
_SUMS_US: Final = 60 * 24 * 3_600_000_000
_IDS: Final = 400


class _Done(Struct, frozen=True, kw_only=True):
    """The progress of a deletion.

    `counts`: by the kind of thing that was deleted.
    `files`: the files that are to go with it.
    """

    order: Order
    counts: dict[str, int] = {}
    files: tuple[str, ...] = ()


class Deletion:
    """The deletion. All methods work inside transactions that are already open."""

    def __init__(self, database: Database, records: Journal, tables: Sums, states: States, days: LocalDays) -> None:
        self._journal = records
        self._sums = tables
        self._states = states
        self._days = days
        its_key = call_key.c.hash == bindparam("its"), call_key.c.contact == bindparam("gone")
        self._drop_key = database.bulk(delete(call_key).where(call_key.c.site == SITE, *its_key), ["its", "gone"])
        self._steps: dict[Kind, Callable[[Connection, date], dict[str, int] | None]] = {
            Kind.JOURNAL: self._delete_events,
            Kind.CALLS: self._delete_calls,
            Kind.SUMS: self._delete_sums,
            Kind.ALERTS: self._delete_alerts,
            Kind.AUDIT: self._delete_acts,
            Kind.REPORTS: self._delete_reports,
        }

    def going_on(self, connection: Connection) -> list[Order]:
        """Return the deletions that were broken off."""
        found = self._states.marks(connection, _GOING_ON)
        return [msgspec.json.decode(value, type=_Done).order for value in found]

    # ---- rows

    def begin(self, connection: Connection, order: Order) -> bool:
        """Return whether there is anything to delete; if so, the store is marked as no longer complete.

        A deletion that was broken off goes on as it was ordered.
        """
        if (before := self._going_on(connection, order.kind)) is not None:
            order = before.order
        elif self._is_due(connection, order):
            self._note(connection, _Done(order=order))
        else:
            return False
        until_us = self._days.start_us(order.until)
        if order.kind in (Kind.JOURNAL, Kind.CALLS, Kind.SUMS, Kind.ALERTS):
            self._raise_mark(connection, kept_mark(order.kind), until_us)
        if order.kind is Kind.CALLS:
            self._raise_mark(connection, SUMMED_UNTIL, until_us)
        return True

    def step(self, connection: Connection, kind: Kind, now: datetime) -> bool:
        """Delete some; return whether that was the last of it, and it stands in the audit."""
        done = self._going_on(connection, kind)
        if done is None:
            return True
        deleted = self._steps[kind](connection, done.order.until)
        if deleted is not None:
            self._note(connection, _added(done, deleted))
            return False
        if kind is Kind.SUMS:
            self._sums.sum_up_days(connection)
            self._sums.evict()
        self._finish(connection, done, now)
        return True

    def stop(self, connection: Connection, kind: Kind, now: datetime) -> None:
        """Delete no more of what was ordered, and write down what was deleted."""
        if (done := self._going_on(connection, kind)) is not None:
            self._finish(connection, done, now)

    def _is_due(self, connection: Connection, order: Order) -> bool:
        until_us = self._days.start_us(order.until)
        match order.kind:
            case Kind.JOURNAL:
                whole = pack.c.site == SITE, pack.c.last_us < until_us
                across = pack.c.site == SITE, pack.c.last_us >= until_us, pack.c.first_us < until_us
                return (
                    _any(connection, journal.c.seq, journal.c.site == SITE, journal.c.at_us < until_us)
                    or _any(connection, pack.c.id, *whole)
                    or _any(connection, pack.c.id, *across)
                )
            case Kind.CALLS:
                in_refusals = refusal.c.site == SITE, refusal.c.counted_us < until_us
                return _any(connection, contact.c.key, *_old_calls(until_us)) or _any(
                    connection, refusal.c.key, *in_refusals
                )
            case Kind.SUMS:
                days = coverage.c.site == SITE, coverage.c.day < order.until
                compared = difference.c.site == SITE, difference.c.day < order.until
                again = repeat_callers.c.site == SITE, repeat_callers.c.day < order.until
                return (
                    _any(connection, coverage.c.queue, *days)
                    or _any(connection, difference.c.queue, *compared)
                    or _any(connection, repeat_callers.c.queue, *again)
                    or self._oldest_sum(connection, until_us) is not None
                )
            case Kind.ALERTS:
                return bool(_old_alerts(connection, until_us, 1)) or _any(
                    connection, notice.c.id, *_old_notices(until_us)
                )
            case Kind.AUDIT:
                return bool(_old_acts(connection, until_us))
            case Kind.REPORTS:
                return _any(connection, report.c.version, report.c.site == SITE, report.c.sealed_us < until_us)
            case _:
                return False

    def _delete_events(self, connection: Connection, until: date) -> dict[str, int] | None:
        until_us = self._days.start_us(until)
        where = journal.c.site == SITE, journal.c.at_us < until_us
        rows = connection.execute(select(journal.c.seq, journal.c.body).where(*where).limit(_EVENTS)).all()
        if rows:
            self._forget_ids(connection, [row.body for row in rows])
            connection.execute(delete(journal).where(journal.c.seq.in_([row.seq for row in rows])))
            return {"events": len(rows)}
        whole = pack.c.site == SITE, pack.c.last_us < until_us
        question = select(pack.c.id, pack.c.events, pack.c.body)
        packs = connection.execute(question.where(*whole).order_by(pack.c.last_us).limit(_PACKS)).all()
        if packs:
            for row in packs:
                self._delete_pack(connection, row.id, row.body)
            return {"events": sum(row.events for row in packs)}
        across = pack.c.site == SITE, pack.c.first_us < until_us, pack.c.last_us >= until_us
        found = connection.execute(question.where(*across).limit(_PACKS)).all()
        if found:
            return {"events": sum(self._shorten_pack(connection, row.id, row.body, until_us) for row in found)}
        forgotten = self._forget_skipped(connection, until)
        return {"skipped": forgotten} if forgotten else None

    def _delete_pack(self, connection: Connection, number: int, body: bytes) -> None:
        lines = [line for _, line in self._journal.lines(number, body)]
        self._forget_ids(connection, lines)
        contacts = _contacts(lines)
        of_pack = pack_contact.c.site == SITE, pack_contact.c.pack == number
        if lines:  # by the whole key, for to look for the pack alone goes through the table
            for chunk in chunks(sorted(contacts), _IDS):
                connection.execute(delete(pack_contact).where(*of_pack, pack_contact.c.hash.in_(chunk)))
        else:
            connection.execute(delete(pack_contact).where(*of_pack))
        connection.execute(delete(pack).where(pack.c.id == number))

    def _shorten_pack(self, connection: Connection, number: int, body: bytes, until_us: int) -> int:
        """Remove from a pack the events that are too old; return their number.

        In a pack that cannot be read events cannot be separated: it goes when all of it is too old, and its beginning
        is set to the first kept day.
        """
        lines = self._journal.lines(number, body)
        times = [(seq, line, _at_us(line)) for seq, line in lines]
        kept = [(seq, line, at_us) for seq, line, at_us in times if at_us is None or at_us >= until_us]
        gone = [line for _, line, at_us in times if at_us is not None and at_us < until_us]
        values: dict[str, Any] = {"first_us": min((at for _, _, at in kept if at is not None), default=until_us)}
        if lines and not kept:
            self._delete_pack(connection, number, body)
            return len(gone)
        if gone:
            self._forget_ids(connection, gone)
            others = sorted(_contacts(gone) - _contacts(line for _, line, _ in kept))
            of_pack = pack_contact.c.site == SITE, pack_contact.c.pack == number
            connection.execute(delete(pack_contact).where(*of_pack, pack_contact.c.hash.in_(others)))
            seqs = [seq for seq, _, _ in kept]
            values |= {"first_seq": min(seqs), "last_seq": max(seqs), "events": len(kept)}
            values |= {"body": packed((seq, line) for seq, line, _ in kept)}
        connection.execute(update(pack).where(pack.c.id == number).values(**values))
        return len(gone)

    def _forget_ids(self, connection: Connection, bodies: Iterable[bytes]) -> None:
        """Delete the ids of these events: an event from before the first kept day is refused whatever its id."""
        hashes = [id_hash(event.source, event.id) for body in giving_way(bodies) if (event := _decoded(body))]
        for chunk in chunks(hashes, _IDS):
            connection.execute(delete(journal_id).where(journal_id.c.site == SITE, journal_id.c.hash.in_(chunk)))

    def _forget_skipped(self, connection: Connection, until: date) -> int:
        """Delete the marks of events that were never taken; return their number."""
        until_us, forgotten = self._days.start_us(until), 0
        for value in self._states.marks(connection, SKIPPED):
            event = msgspec.json.decode(value, type=SkippedEvent)
            if microseconds(event.at) < until_us:
                self._states.drop_mark(connection, f"{SKIPPED}{event.key}")
                forgotten += 1
        return forgotten

    def _delete_calls(self, connection: Connection, until: date) -> dict[str, int] | None:
        until_us = self._days.start_us(until)
        columns = contact.c.key, contact.c["keys"].label("its_keys")
        question = select(*columns).where(*_old_calls(until_us)).order_by(contact.c.at_us)
        rows = connection.execute(question.limit(_CALLS)).all()
        if rows:
            keys = [row.key for row in rows]
            hashes = [{"its": its, "gone": row.key} for row in rows for its in read_keys(row.its_keys)]
            self._drop_key.run(connection, hashes)
            stays = connection.execute(delete(visit).where(visit.c.site == SITE, visit.c.contact.in_(keys))).rowcount
            connection.execute(delete(contact).where(contact.c.site == SITE, contact.c.key.in_(keys)))
            return {"calls": len(keys), "stays in a queue": stays}
        where = refusal.c.site == SITE, refusal.c.counted_us < until_us
        found = connection.execute(select(refusal.c.key).where(*where).limit(_CALLS)).scalars().all()
        if not found:
            return None
        connection.execute(delete(refusal).where(refusal.c.site == SITE, refusal.c.key.in_(found)))
        return {"refused callers": len(found)}

    def _delete_sums(self, connection: Connection, until: date) -> dict[str, int] | None:
        """Delete two months of one queue at a time; then the sums of all time are those of the days that are kept."""
        until_us = self._days.start_us(until)
        oldest = self._oldest_sum(connection, until_us)
        if oldest is not None:
            its, at_us = oldest
            before = min(until_us, at_us + _SUMS_US)
            gone = connection.execute(delete(sums).where(*its, sums.c.start_us < before)).rowcount
            self._sums.evict()
            return {"sums": gone}
        days = coverage.c.site == SITE, coverage.c.day < until
        gone = connection.execute(delete(coverage).where(*days)).rowcount
        brought = imported_day.c.site == SITE, imported_day.c.day < until
        forgotten = connection.execute(delete(imported_day).where(*brought)).rowcount
        compared = difference.c.site == SITE, difference.c.day < until
        no_longer = connection.execute(delete(difference).where(*compared)).rowcount
        again = repeat_callers.c.site == SITE, repeat_callers.c.day < until
        uncounted = connection.execute(delete(repeat_callers).where(*again)).rowcount
        counts = {"days of coverage": gone, "imported days": forgotten, "differences": no_longer}
        counts |= {"counts of repeat callers": uncounted}
        return counts if any(counts.values()) else None

    def _oldest_sum(self, connection: Connection, until_us: int) -> tuple[tuple[Any, ...], int] | None:
        """Return the sums (step, level, queue) of which one is too old, and when it begins; None when there is none.

        Each column is asked for by itself, because only then is the key used.
        """
        queues = connection.execute(select(name.c.id).where(name.c.site == SITE, name.c.kind == QUEUE)).scalars().all()
        for step in (QUARTER, DAY):
            for level in Level:
                for queue in (0, *queues):
                    its = (sums.c.site == SITE, sums.c.step == step, sums.c.level == level.value, sums.c.queue == queue)
                    at_us = connection.execute(select(func.min(sums.c.start_us)).where(*its)).scalar()
                    if at_us is not None and at_us < until_us:
                        return its, at_us
        return None

    def _delete_alerts(self, connection: Connection, until: date) -> dict[str, int] | None:
        until_us = self._days.start_us(until)
        episodes = _old_alerts(connection, until_us, _ALERTS)
        if episodes:
            connection.execute(delete(acknowledgement).where(acknowledgement.c.episode.in_(episodes)))
            connection.execute(delete(alert).where(alert.c.episode.in_(episodes)))
            return {"alerts": len(episodes)}
        question = select(notice.c.id).where(*_old_notices(until_us))
        notices = connection.execute(question.limit(_ALERTS)).scalars().all()
        if not notices:
            return None
        connection.execute(delete(attempt).where(attempt.c.notice.in_(notices)))
        connection.execute(delete(notice).where(notice.c.id.in_(notices)))
        return {"messages": len(notices)}

    def _delete_acts(self, connection: Connection, until: date) -> dict[str, int] | None:
        seqs = _old_acts(connection, self._days.start_us(until))
        if not seqs:
            return None
        connection.execute(delete(audit).where(audit.c.seq.in_(seqs)))
        return {"acts": len(seqs)}

    def _delete_reports(self, connection: Connection, until: date) -> dict[str, int] | None:
        """Delete all reports that are too old at once: they are few."""
        where = report.c.site == SITE, report.c.sealed_us < self._days.start_us(until)
        gone = connection.execute(delete(report).where(*where)).rowcount
        return {"reports": gone} if gone else None

    # ---- files

    def begin_files(self, connection: Connection, order: Order, files: Sequence[str]) -> tuple[str, ...]:
        """Note the files, or keys, that are to go, before they do; return also those that a kill left noted."""
        before = self._going_on(connection, order.kind)
        noted = tuple(dict.fromkeys([*(before.files if before else ()), *files]))
        if noted:
            self._note(connection, _Done(order=order, files=noted))
        return noted

    def finish_files(self, connection: Connection, kind: Kind, now: datetime) -> None:
        """Record that the files that were to be deleted have been deleted."""
        done = self._going_on(connection, kind)
        if done is not None:
            self._finish(connection, structs.replace(done, counts={", ".join(done.files): len(done.files)}), now)

    # ---- marks

    def _going_on(self, connection: Connection, kind: Kind) -> _Done | None:
        value = self._states.mark(connection, f"{_GOING_ON}{kind}")
        return None if value is None else msgspec.json.decode(value, type=_Done)

    def _note(self, connection: Connection, done: _Done) -> None:
        self._states.set_mark(connection, f"{_GOING_ON}{done.order.kind}", msgspec.json.encode(done).decode())

    def _raise_mark(self, connection: Connection, named: str, value: int) -> None:
        self._states.set_mark(connection, named, str(max(value, int(self._states.mark(connection, named) or value))))

    def _finish(self, connection: Connection, done: _Done, now: datetime) -> None:
        order = done.order
        counted = ", ".join(_counted(what, number, order.kind) for what, number in done.counts.items() if number)
        detail = f"{counted or 'nothing'}, from before {order.until}, by decision {order.decision}"
        act = AdminAct(at=now, who="", origin="", act=RETENTION, subject=order.kind.value, detail=detail)
        row = {"at_us": microseconds(now), "body": msgspec.json.encode(act).decode()}
        connection.execute(insert(audit), [row])
        self._states.drop_mark(connection, f"{_GOING_ON}{order.kind}")


def _counted(what: str, number: int, kind: Kind) -> str:
    if kind in (Kind.BACKUPS, Kind.NUMBER_KEYS):
        return f"{number} ({what})"
    return f"{number} {what}"


def _added(done: _Done, deleted: dict[str, int]) -> _Done:
    counts = dict(done.counts)
    for what, number in deleted.items():
        counts[what] = counts.get(what, 0) + number
    return structs.replace(done, counts=counts)


def _any(connection: Connection, column: Any, *where: Any) -> bool:
    return connection.execute(select(column).where(*where).limit(1)).first() is not None


def _old_calls(until_us: int) -> tuple[Any, ...]:
    """Return the condition that nothing of a call is of the days that are kept: no stay counts there, and no evidence
    is from there.
    """
    its = and_(visit.c.site == SITE, visit.c.contact == contact.c.key, visit.c.at_us >= until_us)
    # The 0 keeps the planner off the index of last words: it would look at all that is left, for each step anew.
    is_over = contact.c.site == SITE, contact.c.at_us < until_us, contact.c.last_us + 0 < until_us
    return *is_over, not_(exists(select(visit.c.number).where(its)))


def _old_alerts(connection: Connection, until_us: int, at_most: int) -> list[str]:
    """Return the alerts whose last change is too old."""
    last = func.max(alert.c.at_us)
    question = select(alert.c.episode).group_by(alert.c.episode).having(last < until_us)
    return list(connection.execute(question.limit(at_most)).scalars())


def _old_notices(until_us: int) -> tuple[Any, ...]:
    return notice.c.made_at_us < until_us, notice.c.state != NoticeState.PENDING.value


def _old_acts(connection: Connection, until_us: int) -> list[int]:
    """Return the old acts that do not record a deletion."""
    question = select(audit.c.seq, audit.c.body).where(audit.c.at_us < until_us).order_by(audit.c.at_us, audit.c.seq)
    return [row.seq for row in connection.execute(question) if _act(row.body) != RETENTION][:_ACTS]


def _act(body: str) -> str:
    try:
        return msgspec.json.decode(body, type=AdminAct).act
    except msgspec.DecodeError:
        return ""


def _decoded(body: bytes) -> Event | None:
    try:
        return decode(body)
    except InvalidEvent:
        return None


def _at_us(body: bytes) -> int | None:
    event = _decoded(body)
    return None if event is None else microseconds(event.at)


def _contacts(bodies: Iterable[bytes]) -> set[int]:
    found = {contact_hash(event) for body in bodies if (event := _decoded(body))}
    return {hashed for hashed in found if hashed is not None}
