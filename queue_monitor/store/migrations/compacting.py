"""Revision 0005 brings over all that the version before had written; this does it.

The journal's older rows become packs. The sums of the quarters become sums of quarters, days and all time; there are no
calls to them, for those are made from the journal by `rebuild`, which then replaces the sums of the days whose journal
is complete.
"""

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, text

from queue_monitor.events import InvalidEvent, decode
from queue_monitor.model import Counts
from queue_monitor.store.local_days import QUARTER_US, LocalDays
from queue_monitor.store.names import QUEUE, key_of, plain
from queue_monitor.store.packs import PACK_SIZE, contact_hash, id_hash, packed
from queue_monitor.store.schema import coverage, journal, journal_id, mark, name, pack, pack_contact, site, sums
from queue_monitor.store.tally import Sum, read_bins
from queue_monitor.waits import bins_of_hdr

_KEPT_US: Final = 2 * 24 * 3_600_000_000
_CHUNK: Final = 1_000
_SIMULATOR: Final = "urn:kc:simulator:"
_Key = tuple[str, str, int, int, bool]

_log = logging.getLogger(__name__)


class Compacting:
    """Moves rows from `journal_0004` and `history_0004`. `progress` is called with how many are done, of how many."""

    def __init__(self, connection: Connection, zone: ZoneInfo, progress: Callable[[int, int], None] | None) -> None:
        self._connection = connection
        self._days = LocalDays(zone)
        self._progress = progress or (lambda done, of: None)
        self._done = 0
        self._of = self._number("SELECT count(*) FROM journal_0004") + self._number("SELECT count(*) FROM history_0004")
        self._queues: dict[str, int] = {}

    def run(self) -> None:
        self._connection.execute(insert(site), [{"id": 1, "key": "default"}])
        self._move_journal()
        self._move_history()
        self._mark()
        self._progress(self._of, self._of)

    def _number(self, question: str) -> int:
        return int(self._connection.execute(text(question)).scalar() or 0)

    def _advance(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._of)

    # --- the journal

    def _move_journal(self) -> None:
        edge = self._number("SELECT max(at_us) FROM journal_0004") - _KEPT_US
        self._move_rows(edge)
        waiting: list[tuple[int, int, bytes]] = []
        packs = 0
        for rows in self._old_rows("at_us < :edge", edge):
            self._take_ids(rows)
            waiting += [(row.seq, row.at_us, bytes(row.body)) for row in rows]
            while len(waiting) >= PACK_SIZE:
                packs += 1
                self._pack(packs, waiting[:PACK_SIZE])
                del waiting[:PACK_SIZE]
            self._advance(len(rows))
        if waiting:
            self._pack(packs + 1, waiting)

    def _move_rows(self, edge: int) -> None:
        for rows in self._old_rows("at_us >= :edge", edge):
            self._take_ids(rows)
            values = [
                {"seq": row.seq, "at_us": row.at_us, "received_us": row.received_at_us, "body": bytes(row.body)}
                for row in rows
            ]
            self._connection.execute(insert(journal), values)
            self._advance(len(rows))

    def _old_rows(self, which: str, edge: int) -> Iterator[list[Any]]:
        """In the order of time, a thousand at a time."""
        question = text(
            f"SELECT seq, source, id, at_us, received_at_us, body FROM journal_0004 WHERE {which}"
            " AND (at_us > :at OR (at_us = :at AND seq > :seq)) ORDER BY at_us, seq LIMIT :chunk"
        )
        at, seq = -(2**62), 0
        while True:
            values = {"edge": edge, "at": at, "seq": seq, "chunk": _CHUNK}
            rows = list(self._connection.execute(question, values))
            if rows:
                yield rows
                at, seq = rows[-1].at_us, rows[-1].seq
            if len(rows) < _CHUNK:
                return

    def _take_ids(self, rows: list[Any]) -> None:
        ids = [{"hash": _hash(row), "seq": row.seq} for row in rows]
        self._connection.execute(insert(journal_id), ids)

    def _pack(self, number: int, events: list[tuple[int, int, bytes]]) -> None:
        seqs = [seq for seq, _, _ in events]
        row = {
            "id": number,
            "first_us": events[0][1],
            "last_us": events[-1][1],
            "first_seq": min(seqs),
            "last_seq": max(seqs),
            "events": len(events),
            "body": packed((seq, body) for seq, _, body in events),
        }
        self._connection.execute(insert(pack), [row])
        told = {hashed for _, _, body in events if (hashed := _contact(body)) is not None}
        if told:
            self._connection.execute(insert(pack_contact), [{"hash": each, "pack": number} for each in sorted(told)])

    # --- the sums

    def _move_history(self) -> None:
        quarters: dict[_Key, Sum] = {}
        covered: dict[tuple[date, int], list[int]] = {}
        rows = self._connection.execute(
            text("SELECT * FROM history_0004 ORDER BY start_us, level, queue, inside_hours")
        )
        for number, row in enumerate(rows, 1):
            try:
                figures = json.loads(row.figures)
                found = _sum(figures)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                _log.warning("history row passed over: start_us=%d reason=%s", row.start_us, error)
                continue
            queue = self._queue(row.queue)
            key = ("quarter", row.level, queue, row.start_us, bool(row.inside_hours))
            quarters.setdefault(key, Sum()).add(found)
            if row.level == "visit" and row.inside_hours:
                minutes = covered.setdefault((self._days.day_at(row.start_us), queue), [0, 0, 0])
                its = figures.get("coverage", {})
                for at, field in enumerate(("seen_minutes", "recovered_minutes", "blind_minutes")):
                    minutes[at] += int(its.get(field, 0))
            if number % _CHUNK == 0:
                self._advance(_CHUNK)
        self._put_sums(quarters)
        self._put_coverage(covered)

    def _queue(self, spelling: str) -> int:
        key = key_of(QUEUE, spelling)
        if key not in self._queues:
            self._queues[key] = len(self._queues) + 1
            row = {"kind": QUEUE, "id": self._queues[key], "key": key, "text": plain(spelling)}
            self._connection.execute(insert(name), [row])
        return self._queues[key]

    def _put_sums(self, quarters: dict[_Key, Sum]) -> None:
        longer: dict[_Key, Sum] = {}
        for (_, level, queue, start_us, inside), found in quarters.items():
            day_us = self._days.start_us_of_quarter(start_us // QUARTER_US)
            for key in (("day", level, queue, day_us, inside), ("all", level, queue, 0, inside)):
                longer.setdefault(key, Sum()).add(found)
        rows = [
            {"step": key[0], "level": key[1], "queue": key[2], "start_us": key[3], "inside": key[4], **found.figures()}
            for key, found in [*quarters.items(), *longer.items()]
            if not found.is_empty
        ]
        for start in range(0, len(rows), _CHUNK):
            self._connection.execute(insert(sums), rows[start : start + _CHUNK])

    def _put_coverage(self, covered: dict[tuple[date, int], list[int]]) -> None:
        rows = [
            {"day": day, "queue": queue, "seen_minutes": seen, "recovered_minutes": recovered, "blind_minutes": blind}
            for (day, queue), (seen, recovered, blind) in covered.items()
            if seen or recovered or blind
        ]
        if rows:
            self._connection.execute(insert(coverage), rows)

    # --- marks

    def _mark(self) -> None:
        """The newest number, whether calls are simulated or real, and up to which day there are sums without calls."""
        newest = self._number("SELECT max(seq) FROM journal_0004")
        marks = {"last batch": json.dumps({"seq": newest})} if newest else {}
        simulated = f"source LIKE '{_SIMULATOR}%'"
        if self._number(f"SELECT count(*) FROM (SELECT 1 FROM journal_0004 WHERE {simulated} LIMIT 1) AS found"):
            marks["simulated"] = ""
        if self._number(f"SELECT count(*) FROM (SELECT 1 FROM journal_0004 WHERE NOT {simulated} LIMIT 1) AS found"):
            marks["real"] = ""
        last = self._number("SELECT max(start_us) FROM history_0004")
        if last:
            marks["summed until"] = str(last + QUARTER_US)
        if marks:
            self._connection.execute(insert(mark), [{"name": key, "value": value} for key, value in marks.items()])


def _hash(row: Any) -> bytes:
    """Return the hash of the event's own source and id; those in the row's columns may be shortened."""
    try:
        event = decode(bytes(row.body))
    except InvalidEvent:
        return id_hash(row.source, row.id)
    return id_hash(event.source, event.id)


def _contact(body: bytes) -> int | None:
    try:
        return contact_hash(decode(body))
    except InvalidEvent:
        return None


def _sum(figures: dict[str, Any]) -> Sum:
    found = Sum()
    known = set(Counts.__struct_fields__)
    found.counts = {field: int(count) for field, count in figures["counts"].items() if field in known and count}
    waits = figures.get("waits", {})
    found.answered, found.sum_ms = int(waits.get("answered", 0)), int(waits.get("sum_ms", 0))
    found.max_ms, found.over_10_min = int(waits.get("max_ms", 0)), int(waits.get("over_10_min", 0))
    if histogram := waits.get("histogram"):
        try:
            found.bins = read_bins(bins_of_hdr(b64decode(histogram)))
        except ValueError as error:
            _log.warning("histogram passed over: reason=%s", error)
    return found
