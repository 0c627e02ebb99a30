"""Finds in the store the refused callers of whom a later word may speak, after memory has let go of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from queue_monitor.core.contacts import NEW_CALL_AFTER_START
from queue_monitor.core.refusals import TOLD_OF_REFUSAL
from queue_monitor.events import CallEntered, CallRefused, Event
from queue_monitor.ports import Store

_CLOCKS: Final = timedelta(seconds=3)
"""The most by which two sources' clocks may differ, with their uncertainty."""

_MOMENT: Final = timedelta(microseconds=1)


class Span(NamedTuple):
    first: datetime
    last: datetime


async def refused_before(store: Store, late: Sequence[Event]) -> list[CallRefused]:
    """Return the refused callers, as they were reported and are counted, of whom these events may speak: another source
    tells of the refusal, or the caller got in.

    Raises `StoreError`.
    """
    about = [event for event in late if isinstance(event, CallEntered | CallRefused)]
    known_as = {(event.switch_name, known) for event in about for known in _ids(event)}
    told = {(event.source, event.id) for event in about}
    counted = await refused_within(store, map(_span, about))
    return [
        event
        for event in counted
        if (event.source, event.id) not in told and (event.switch_name, event.leg_id or event.contact_id) in known_as
    ]


async def refused_within(store: Store, spans: Iterable[Span]) -> list[CallRefused]:
    """Return the refused callers of these times, as they were reported and are counted. Raises `StoreError`."""
    found: list[CallRefused] = []
    for span in _merged(spans):
        counted = await store.refusals(span.first, span.last + _MOMENT)
        for at in dict.fromkeys(refused.at for refused in counted):
            events = await store.events_between(at, at + _MOMENT)
            found += [event for event in events if isinstance(event, CallRefused)]
    return found


def _span(event: CallEntered | CallRefused) -> Span:
    if isinstance(event, CallEntered):
        return Span(event.at - NEW_CALL_AFTER_START, event.at)
    return Span(event.at - TOLD_OF_REFUSAL - _CLOCKS, event.at + TOLD_OF_REFUSAL + _CLOCKS)


def _ids(event: CallEntered | CallRefused) -> tuple[str, ...]:
    if isinstance(event, CallEntered):
        return event.leg_id or event.visit_id, event.contact_id
    return (event.leg_id or event.contact_id,)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans without overlaps that cover the same times."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last:
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return merged
