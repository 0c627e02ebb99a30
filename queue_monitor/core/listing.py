"""Calls that memory holds, in the form in which history lists calls: for where there is no store."""

import hashlib
from datetime import UTC, datetime

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.windows import Tally
from queue_monitor.model import Placement, StoredCall, StoredVisit, Visit

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def as_stored(history: ContactHistory, counted: Tally) -> StoredCall:
    """Return one call with its visits; agents stay unnamed."""
    contact, placed = history.contact, counted.placed
    at = datetime.fromtimestamp(placed.minute * 60, UTC) if placed else contact.entered_at or contact.settled_at
    return StoredCall(
        id=hashlib.sha256(contact.contact_id.encode()).hexdigest()[:32],
        at=at or _NEVER,
        first_queue=contact.first_queue,
        entered_at=contact.entered_at,
        settled_at=contact.settled_at,
        outcome=contact.outcome,
        counted_as=placed.field if placed else "",
        inside=placed.inside if placed else False,
        early=placed.early if placed else False,
        wait_ms=contact.wait_ms,
        judged_ms=placed.judged_ms if placed else None,
        wait_after_transfer_ms=contact.wait_after_transfer_ms,
        called_back_ms=contact.called_back_ms,
        start_known=contact.start_known,
        precision_ms=contact.precision_ms,
        reached_later=None,
        rules="",
        is_derived=True,
        visits=tuple(
            _visit(visit, counted.visits[number] if number < len(counted.visits) else None)
            for number, visit in enumerate(history.visits)
        ),
    )


def _visit(visit: Visit, placed: Placement | None) -> StoredVisit:
    return StoredVisit(
        queue=visit.queue,
        switch=visit.switch,
        entered_at=visit.entered_at,
        ended_wait_at=visit.ended_wait_at,
        completed_at=visit.completed_at,
        outcome=visit.outcome,
        counted_as=placed.field if placed else "",
        inside=placed.inside if placed else False,
        early=placed.early if placed else False,
        wait_ms=visit.wait_ms,
        judged_ms=placed.judged_ms if placed else None,
        talk_ms=visit.talk_ms,
        ended_by=visit.ended_by,
        agent=None,
        entry_reason=visit.entry_reason,
        next_queue=visit.next_queue,
        key=visit.key,
        rings=visit.rings,
        precision_ms=visit.precision_ms,
        start_known=visit.start_known,
    )
