"""Compares imported rows with the record made at their import."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import contact_key
from queue_monitor.model import CallRecord, Outcome, StoredCall
from queue_monitor.store import SqlStore
from queue_monitor.store.imports import DayDifference
from queue_monitor.store.schema import moment

MAX_CALLS: Final = 20
"""The most calls of a day that are named one by one."""

_OF_CALLS: Final = ("entered_at", "settled_at", "outcome", "wait_ms", "wait_after_transfer_ms", "start_known")
_OF_STAYS: Final = ("queue", "entered_at", "ended_wait_at", "outcome", "wait_ms", "entry_reason", "rings")


async def import_differences(store: SqlStore, rules: Rules) -> list[str]:
    """Return a sentence for each imported day or call whose rows differ from its import.

    Raises `StoreError`.
    """
    found: list[str] = []
    async for day in store.imports.differences():
        found.append(_words(day))
        if not day.is_open:
            found += await _calls_that_differ(store, rules, day)
    return found


def _words(found: DayDifference) -> str:
    where = f"import {found.where.source}, {found.where.day}, {found.where.queue}"
    if found.is_open:
        return f"{where}: the import was broken off; run it again with the same files"
    if (found.calls, found.refused) == (found.calls_now, found.refused_now):
        return f"{where}: rows were changed after they were imported"
    return (
        f"{where}: {found.calls_now} calls and {found.refused_now} refused callers, and {found.calls} and "
        f"{found.refused} were imported"
    )


async def _calls_that_differ(store: SqlStore, rules: Rules, found: DayDifference) -> list[str]:
    live = Live(rules, records=True)
    live.load_calls(await store.imports.evidence(found.keys))
    live.record_all()
    records, _ = live.take_records()
    expected = {contact_key(record.contact_id).hex(): record for record in records}
    start, end = map(moment, store.imports.span(found.where.day))
    said: list[str] = []
    for call in await store.calls(start, end, found.where.queue):
        record = expected.get(call.id)
        said += _differences(call, record) if record is not None and not _was_cut_off(record) else []
    return said[:MAX_CALLS]


def _was_cut_off(record: CallRecord) -> bool:
    """Return whether no line ends a stay of this call: a restart of the switch did, which is not kept of an import."""
    return any(visit.outcome is Outcome.WAITING for visit in record.visits)


def _differences(call: StoredCall, record: CallRecord) -> Iterator[str]:
    whose = f"call {call.id}, {call.first_queue}, {call.at.isoformat()}"
    for name in _OF_CALLS:
        if (now := getattr(call, name)) != (said := getattr(record.contact, name)):
            yield f"{whose}: {name} is {_plain(now)}, by its lines {_plain(said)}"
    if len(call.visits) != len(record.visits):
        yield f"{whose}: {len(call.visits)} stays, by its lines {len(record.visits)}"
        return
    for number, (visit, its) in enumerate(zip(call.visits, record.visits, strict=True), 1):
        for name in _OF_STAYS:
            if (now := getattr(visit, name)) != (said := getattr(its, name)):
                yield f"{whose}: {name} of stay {number} is {_plain(now)}, by its lines {_plain(said)}"


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
