"""Tables written after a replay: one row a visit, one row a contact."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.core.windows import PlacedCall
from queue_monitor.model import Contact, Outcome, Refusal, Visit

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


def write_visits(path: Path, live: Live, forgotten: Iterable[ContactHistory] = ()) -> int:
    """Write one row for each visit and refused caller, by time of entry; return the number of rows."""
    visits = [visit for history in forgotten for visit in history.visits]
    visits.extend(live.ledger.visits())
    rows = [(_sort_key(v.entered_at or v.ended_wait_at or v.completed_at, v.visit_id), _visit_row(v)) for v in visits]
    rows += [(_sort_key(r.at, r.leg_id), _refused_row(r)) for r in live.ledger.refusals()]
    return _write(path, VISIT_COLUMNS, rows)


def write_contacts(path: Path, live: Live, now: datetime, forgotten: Iterable[ContactHistory] = ()) -> int:
    """Write one row for each contact, by time of entry; return the number of rows."""
    contacts = [history.contact for history in forgotten]
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
    """Return whether the promise was kept for this contact; empty while it is open, or when that is not known."""
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
