"""Recorded bytes played through the live engine: any kind's captures, several sources of one switch side by side.

Files of one kind are successive connections, in the order given. A raw capture may have a sidecar
`NAME.index.csv[.gz]` (`offset,length,recv_epoch`) that says when each piece was read; without it the times written in
the recording itself are taken. The clock is driven by what is read, so a day replays in a second and gives the same
figures every time.
"""

import csv
import gzip
import heapq
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from queue_monitor.core.ledger import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.core.windows import PlacedCall
from queue_monitor.events import SourceDisconnected, event_id
from queue_monitor.model import Contact, Outcome, Refusal, Visit
from queue_monitor.ports import Delivery, Translator

FLUSH_EVERY: Final = timedelta(seconds=1)

VISIT_COLUMNS: Final = (
    "visit_id",
    "contact_id",
    "source",
    "native_id",
    "queue",
    "entered_at",
    "ended_wait_at",
    "outcome",
    "wait_seconds",
    "time_basis",
    "precision_seconds",
    "start_known",
    "agent",
    "rings",
    "talk_seconds",
    "ended_by",
    "entry_reason",
    "prev_visit_id",
    "outcome_basis",
    "next_queue",
    "key",
    "reason",
)
CONTACT_COLUMNS: Final = (
    "contact_id",
    "first_queue",
    "entered_at",
    "outcome",
    "wait_seconds",
    "wait_after_transfer_seconds",
    "visits",
    "within_limit",
    "in_opening_hours",
    "start_known",
    "precision_seconds",
)


class RecordingError(Exception):
    """A recording that cannot be played; the message names the file and what is wrong."""


class Pieces(Protocol):
    """Cuts a recording without a sidecar: `recorded_pieces` of an adapter module."""

    def __call__(self, data: bytes, /) -> Iterator[tuple[bytes, datetime | None]]: ...


class Recording(Struct, frozen=True, kw_only=True):
    """One kind's files, as the successive connections of one source."""

    kind: str
    source: str
    switch: str
    paths: tuple[Path, ...]
    translator: Callable[[str], Translator]
    pieces: Pieces
    dated_by_sender: bool = False


def play(recordings: Iterable[Recording], until: datetime | None = None) -> Iterator[Delivery]:
    """All recordings in one stream, in the order of receipt, up to a moment if one is given."""
    merged = heapq.merge(*(_connections(recording) for recording in recordings), key=lambda d: d.received_at)
    yield from merged if until is None else itertools.takewhile(lambda d: d.received_at <= until, merged)


def read_bytes(path: Path) -> bytes:
    """A file's bytes, unpacked when it is gzip. Raises `RecordingError`."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except EOFError as error:
        raise RecordingError(f"{path}: the gzip file ends too early") from error
    except zlib.error as error:
        raise RecordingError(f"{path}: the gzip file is broken: {error}") from error


def folder_of(path: Path) -> Path:
    """Where a file is to be written. Raises `RecordingError` when there is no such folder."""
    if not path.parent.is_dir():
        raise RecordingError(f"{path}: there is no folder {path.parent}")
    return path.parent


def _connections(recording: Recording) -> Iterator[Delivery]:
    """Each file is a connection: what is held back at its end is told, and that it was lost. Events that name a source
    of their own tell of its connections themselves.
    """
    for number, path in enumerate(recording.paths):
        last: datetime | None = None
        is_its_own = False
        for delivery in _connection(recording, path):
            last = delivery.received_at
            is_its_own |= any(item.source == recording.source for item in delivery.items)
            yield delivery
        if last is not None and is_its_own and number + 1 < len(recording.paths):
            lost = SourceDisconnected(
                id=event_id(recording.source, "source.disconnected", path.name, last.isoformat()),
                source=recording.source,
                switch=recording.switch,
                observed_at=last,
                switch_time=last,
                reason=f"end of {path.name}",
            )
            yield Delivery(items=(lost,), received_at=last)


def _connection(recording: Recording, path: Path) -> Iterator[Delivery]:
    translator = recording.translator(path.name)
    flushed: datetime | None = None
    at: datetime | None = None
    for piece, at in _timed_pieces(recording, path):
        items = tuple(translator.feed(piece, at))
        if flushed is None or at - flushed >= FLUSH_EVERY:
            items += tuple(translator.flush(at))
            flushed = at
        if items:
            yield Delivery(items=items, received_at=at, dated_by_sender=recording.dated_by_sender)
    if at is not None:
        items = tuple(translator.close(at))
        yield Delivery(items=items, received_at=at, dated_by_sender=recording.dated_by_sender)


def _timed_pieces(recording: Recording, path: Path) -> Iterator[tuple[bytes, datetime]]:
    """The pieces of one file with the time at which each was received; never backwards."""
    data = read_bytes(path)
    index = _index_of(path)
    if index is not None:
        pieces: Iterator[tuple[bytes, datetime | None]] = (
            (data[offset : offset + length], at) for offset, length, at in _read_index(index)
        )
    else:
        pieces = recording.pieces(data)
    head: list[bytes] = []
    at: datetime | None = None
    for piece, told in pieces:
        if told is not None:
            at = told if at is None else max(at, told)
        if at is None:
            head.append(piece)
            continue
        for early in head:
            yield early, at
        head.clear()
        yield piece, at
    if head and any(piece.strip() for piece in head):
        raise RecordingError(
            f"{path}: tells no time of its own and has no {path.name.removesuffix('.gz')}.index.csv beside it"
        )


def _index_of(path: Path) -> Path | None:
    """The sidecar of a raw capture: `ami-01.raw.gz` has `ami-01.index.csv`, gzip or not."""
    name = path.name.removesuffix(".gz")
    stems = (name, name.rpartition(".")[0] or name)
    for stem, ending in itertools.product(stems, (".index.csv", ".index.csv.gz")):
        candidate = path.with_name(stem + ending)
        if candidate.exists() and candidate != path:
            return candidate
    return None


def _read_index(path: Path) -> Iterator[tuple[int, int, datetime]]:
    text = io.StringIO(read_bytes(path).decode("ascii", "replace"))
    for number, row in enumerate(csv.DictReader(text), start=2):
        try:
            at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(float(row["recv_epoch"]) * 1_000_000))
            yield int(row["offset"]), int(row["length"]), at
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"{path}, line {number}: expected offset,length,recv_epoch as numbers") from error


# ---- what is written afterwards


def write_visits(path: Path, live: Live, forgotten: Iterable[ContactHistory] = ()) -> int:
    """One row a visit and one a refused caller, by time of entry; returns the number of rows."""
    visits = [visit for story in forgotten for visit in story.visits]
    visits.extend(live.ledger.visits())
    rows = [(_sort_key(v.entered_at or v.ended_wait_at or v.completed_at, v.visit_id), _visit_row(v)) for v in visits]
    rows += [(_sort_key(r.at, r.leg_id), _refused_row(r)) for r in live.ledger.refusals()]
    return _write(path, VISIT_COLUMNS, rows)


def write_contacts(path: Path, live: Live, now: datetime, forgotten: Iterable[ContactHistory] = ()) -> int:
    """One row a contact, by time of entry; returns the number of rows."""
    contacts = [story.contact for story in forgotten]
    contacts.extend(live.ledger.contacts())
    rows = []
    for contact in contacts:
        judged = live.windows.place_contact(contact, now)
        rows.append((_sort_key(contact.entered_at, contact.contact_id), _contact_row(contact, judged, live)))
    return _write(path, CONTACT_COLUMNS, rows)


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple[tuple[str, str], dict[str, str]]]) -> int:
    rows.sort(key=lambda row: row[0])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for _, row in rows)
    return len(rows)


def _sort_key(at: datetime | None, tie: str) -> tuple[str, str]:
    return (_time(at) or "~", tie)


def _visit_row(visit: Visit) -> dict[str, str]:
    return {
        "visit_id": visit.visit_id,
        "contact_id": visit.contact_id,
        "source": visit.source,
        "native_id": _native(visit.leg_id, visit.switch),
        "queue": visit.queue,
        "entered_at": _time(visit.entered_at),
        "ended_wait_at": _time(visit.ended_wait_at),
        "outcome": visit.outcome.value,
        "wait_seconds": _seconds(visit.wait_ms),
        "time_basis": visit.time_basis.value,
        "precision_seconds": f"{visit.precision_ms / 1000:g}",
        "start_known": _truth(visit.start_known),
        "agent": _native(visit.agent_id or "", visit.switch),
        "rings": str(visit.rings),
        "talk_seconds": _seconds(visit.talk_ms),
        "ended_by": visit.ended_by.value if visit.ended_by else "",
        "entry_reason": visit.entry_reason.value,
        "prev_visit_id": visit.prev_visit_id or "",
        "outcome_basis": visit.outcome_basis.value,
        "next_queue": visit.next_queue or "",
        "key": visit.key or "",
        "reason": "",
    }


def _refused_row(refusal: Refusal) -> dict[str, str]:
    row = dict.fromkeys(VISIT_COLUMNS, "")
    row |= {
        "contact_id": refusal.contact_id,
        "source": refusal.source,
        "native_id": _native(refusal.leg_id, refusal.switch),
        "queue": refusal.queue,
        "entered_at": _time(refusal.at),
        "outcome": Outcome.REFUSED.value,
        "time_basis": refusal.time_basis.value,
        "precision_seconds": f"{refusal.precision_ms / 1000:g}",
        "rings": "0",
        "reason": refusal.reason.value,
    }
    return row


def _contact_row(contact: Contact, judged: PlacedCall | None, live: Live) -> dict[str, str]:
    wait = judged.wait_ms if judged else contact.wait_ms
    return {
        "contact_id": contact.contact_id,
        "first_queue": contact.first_queue,
        "entered_at": _time(contact.entered_at),
        "outcome": contact.outcome.value,
        "wait_seconds": "" if contact.outcome is Outcome.WAITING else _seconds(wait),
        "wait_after_transfer_seconds": _seconds(contact.wait_after_transfer_ms),
        "visits": str(len(contact.visit_ids)),
        "within_limit": _within(contact, wait, live.rules.target.limit_seconds * 1000),
        "in_opening_hours": _truth(judged is not None and judged.place.inside),
        "start_known": _truth(contact.start_known),
        "precision_seconds": f"{contact.precision_ms / 1000:g}",
    }


def _within(contact: Contact, wait_ms: int | None, limit_ms: int) -> str:
    """Whether the promise was kept for this contact; empty while it is open, or when that is not known."""
    if contact.outcome in (Outcome.WAITING, Outcome.UNKNOWN):
        return ""
    if contact.outcome is not Outcome.ANSWERED:
        return _truth(False)
    return "" if wait_ms is None else _truth(wait_ms <= limit_ms)


def _native(id_: str, switch: str) -> str:
    return id_.removeprefix(f"{switch}:")


def _time(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(ms: int | None) -> str:
    return "" if ms is None else f"{ms / 1000:.3f}"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def first_sign(deliveries: Iterator[Delivery]) -> tuple[datetime | None, Iterator[Delivery]]:
    """When a stream begins, and the stream, whole."""
    first = next(deliveries, None)
    if first is None:
        return None, iter(())
    return first.received_at, itertools.chain((first,), deliveries)
