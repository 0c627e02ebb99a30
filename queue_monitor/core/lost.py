"""Callers whom nobody answered, one line each: counted as everywhere else, and without any
field that identifies them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from queue_monitor.core.ledger import ContactHistory, Ledger
from queue_monitor.core.snapshot_builder import falls_in
from queue_monitor.core.windows import PlacedCall, Windows
from queue_monitor.events import CallEntered
from queue_monitor.model import LOST_OUTCOMES, Contact, LostCall, Outcome, Refusal
from queue_monitor.queues import queue_key


class _Call(NamedTuple):
    """One call of a person: when it came in, whether it was answered, and since when it is lost (None: it is not)."""

    switch: str
    entered_at: datetime | None
    is_answered: bool
    lost_at: datetime | None


class CallerPseudonyms:
    """The calls of each person, joined by the pseudonyms that a switch gives.

    The key of the pseudonyms changes every night, so nobody is recognised on another day. They are kept in memory
    alone, for a day, and never come out.
    """

    def __init__(self) -> None:
        self._pseudonyms: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._calls: dict[str, dict[str, _Call]] = {}
        self._whose: dict[str, str] = {}

    def apply(self, event: CallEntered) -> None:
        if event.caller is not None and event.caller.pseudonym:
            self._pseudonyms[event.switch_name, event.leg_id or event.visit_id] = event.caller.pseudonym, event.at

    def change(self, contact_id: str, story: ContactHistory | None) -> list[tuple[str, str]]:
        """Take a contact as it is now; return the person's lost calls, as switch and id, once the contact was answered.

        Those calls are then reached later.
        """
        if not self._pseudonyms:
            return []
        pseudonym = self._of(story) if story is not None else None
        if (known := self._whose.pop(contact_id, None)) is not None:
            self._calls[known].pop(contact_id, None)
        if story is None or pseudonym is None:
            return []
        calls = self._calls.setdefault(pseudonym, {})
        others = [(call.switch, other) for other, call in calls.items() if call.lost_at is not None]
        contact = story.contact
        is_answered = contact.outcome is Outcome.ANSWERED
        lost_at = None if contact.outcome not in LOST_OUTCOMES else contact.settled_at
        calls[contact_id] = _Call(story.visits[0].switch, contact.entered_at, is_answered, lost_at)
        self._whose[contact_id] = pseudonym
        return others if is_answered else []

    def evict(self, before: datetime) -> None:
        """Forget the persons whom a switch named before that moment."""
        self._pseudonyms = {leg: known for leg, known in self._pseudonyms.items() if known[1] >= before}
        kept = {pseudonym for pseudonym, _ in self._pseudonyms.values()}
        for pseudonym in self._calls.keys() - kept:
            for contact_id in self._calls.pop(pseudonym):
                self._whose.pop(contact_id, None)

    def reached_later(self, contact: Contact) -> bool | None:
        """Return whether a lost caller has been answered in a later call; None where callers are not told apart."""
        if contact.called_back_ms is not None:
            return True
        pseudonym, lost_at = self._whose.get(contact.contact_id), contact.settled_at
        if pseudonym is None or lost_at is None or contact.outcome not in LOST_OUTCOMES:
            return None
        return any(
            call.is_answered and call.entered_at is not None and call.entered_at >= lost_at
            for call in self._calls[pseudonym].values()
        )

    def _of(self, story: ContactHistory) -> str | None:
        known = (self._pseudonyms.get((visit.switch, visit.leg_id)) for visit in story.visits)
        return next((pseudonym for pseudonym, _ in filter(None, known)), None)


def lost_calls(
    ledger: Ledger, windows: Windows, callers: CallerPseudonyms, start: datetime, end: datetime, queue: str | None
) -> list[LostCall]:
    """Return the lost calls of the minutes from `start` up to `end`, at contact level, in the order of entry.

    They are the calls in the counts of that stretch, so one that is judged from opening lies at opening.
    """
    queues = None if queue is None else frozenset({queue_key(queue)})
    found = [
        call for judged, call in _all(ledger, windows, callers) if falls_in(judged, queues, start, end, inside=None)
    ]
    return sorted(found, key=lambda call: call.entered_at or call.lost_at or start)


def _all(ledger: Ledger, windows: Windows, callers: CallerPseudonyms) -> Iterator[tuple[PlacedCall, LostCall]]:
    for story in ledger.stories():
        if story.contact.outcome not in LOST_OUTCOMES:
            continue
        judged = windows.place_settled(story.contact)
        if judged is None or (field := windows.field_of(story.contact, judged)) == "called_back":
            continue
        yield judged, _lost(story, judged, windows, field, callers.reached_later(story.contact))
    for refusal in ledger.refusals():
        judged = windows.place_refusal(refusal)
        yield judged, _refused(refusal, judged)


def _lost(
    story: ContactHistory, judged: PlacedCall, windows: Windows, counted_as: str, reached_later: bool | None
) -> LostCall:
    contact, wait_ms = story.contact, judged.wait_ms
    return LostCall(
        queue=judged.place.queue,
        last_queue=windows.name_of(story.visits[-1].queue),
        entered_at=contact.entered_at,
        lost_at=contact.settled_at,
        wait_seconds=None if wait_ms is None else wait_ms / 1000,
        outcome=contact.outcome,
        counted_as=counted_as,
        is_short=counted_as == "abandoned_short",
        is_late=wait_ms is not None and wait_ms > windows.target.limit_seconds * 1000,
        early=judged.early,
        in_opening_hours=judged.place.inside,
        reached_later=reached_later,
    )


def _refused(refusal: Refusal, judged: PlacedCall) -> LostCall:
    return LostCall(
        queue=judged.place.queue,
        last_queue=judged.place.queue,
        entered_at=refusal.at,
        lost_at=refusal.at,
        wait_seconds=None,
        outcome=Outcome.REFUSED,
        counted_as=f"refused_{refusal.reason.value}",
        is_short=False,
        is_late=False,
        early=False,
        in_opening_hours=judged.place.inside,
    )
