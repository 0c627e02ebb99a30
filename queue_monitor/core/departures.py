"""Callers who left a queue a moment ago and may still be answered in another, or called back in time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from queue_monitor.core.calendar import Calendar, day_bounds
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.series import minute_of
from queue_monitor.core.windows import PlacedCall, Windows, before_opening_ms
from queue_monitor.model import Contact, DefinitionId, ExitPolicy, Outcome, Target
from queue_monitor.queues import queue_key

MAY_RETURN: Final = timedelta(seconds=60)
"""A caller who left a queue by time-out, key or overflow may enter another within this time."""

MAY_STILL_BE_ANSWERED: Final = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.OVERFLOW,
        Outcome.EXIT_KEY,
        Outcome.NO_AGENTS,
        Outcome.TRANSFERRED_OUT,
        Outcome.SYSTEM,
        Outcome.WITHDRAWN,
        Outcome.CALLBACK,
    }
)


class Departed(NamedTuple):
    """A caller who left a queue a moment ago and may still be answered, or waits past the limit as far as is known and
    may have been answered unseen.

    `minute`: the minute of entry.
    `counts_as`: the field of `MayStillBeAnswered`.
    """

    minute: int
    counts_as: str


class _Gone(NamedTuple):
    """A caller who left, as it counts from `since` until just before `until`.

    `queue`: where it counts (casefolded).
    `counted`: how; None when it counts nowhere for now.
    """

    since: datetime
    until: datetime
    queue: str = ""
    counted: Departed | None = None


class Departures:
    """The contacts that left and of which something may still come. Each is looked at again only when what is known of
    it no longer holds.
    """

    def __init__(self, history_of: Callable[[str], ContactHistory | None]) -> None:
        self._history_of = history_of
        self._gone: dict[str, _Gone | None] = {}

    def note(self, contact_id: str, history: ContactHistory | None) -> None:
        """Note that a contact has changed; None means that there is no such contact."""
        self._gone.pop(contact_id, None)
        if history is not None and history.contact.outcome in MAY_STILL_BE_ANSWERED:
            self._gone[contact_id] = None

    def at(self, now: datetime, windows: Windows, target: Target, calendar: Calendar) -> dict[str, list[Departed]]:
        """Return those who count inside opening hours, by their first queue (casefolded)."""
        tomorrow = day_bounds(calendar.day_of(now), calendar.zone)[1]
        found: dict[str, list[Departed]] = {}
        for contact_id, known in list(self._gone.items()):
            if known is None or not known.since <= now < known.until:
                known = self._looked_at(contact_id, now, tomorrow, windows, target)
                if known is None:
                    del self._gone[contact_id]
                    continue
                self._gone[contact_id] = known
            if known.counted is not None:
                found.setdefault(known.queue, []).append(known.counted)
        return found

    def _looked_at(
        self, contact_id: str, now: datetime, tomorrow: datetime, windows: Windows, target: Target
    ) -> _Gone | None:
        """Return how a contact counts from now on, at most until midnight, when other rules may come into force; None
        when nothing can come of it any more.
        """
        history = self._history_of(contact_id)
        if history is None:
            return None
        contact = history.contact
        judged = windows.place_contact(contact, now)
        exit_policy = windows.exit_policy(contact.first_queue, minute_of(now))
        until = None if judged is None else _may_be_called_back_until(contact, judged, exit_policy)
        may_be_called_back = until is not None and now < until
        if until is None or not may_be_called_back:
            until = (contact.settled_at or now) + MAY_RETURN + timedelta.resolution
            if now >= until:
                return None
        until = min(until, tomorrow)
        if judged is None or not judged.place.inside:
            return _Gone(now, until)
        late = (contact.wait_ms or 0) > target.limit_seconds * 1000 and not may_be_called_back
        if target.definition is DefinitionId.D1 or contact.outcome in exit_policy.excluded:
            counts_as = "outside_late" if late else "outside"
        elif late:
            return _Gone(now, until)
        else:
            counts_as = "counted"
        return _Gone(now, until, queue_key(judged.place.queue), Departed(judged.place.minute, counts_as))


def _may_be_called_back_until(contact: Contact, judged: PlacedCall, exit_policy: ExitPolicy) -> datetime | None:
    """Return the moment from which on a call back to a caller who left counts as late; None where none counts."""
    if contact.outcome not in exit_policy.judged or contact.called_back_ms is not None or contact.entered_at is None:
        return None
    last_ms = before_opening_ms(contact, judged) + exit_policy.within_ms  # the whole of this millisecond is in time
    return contact.entered_at + timedelta(milliseconds=last_ms + 1)
