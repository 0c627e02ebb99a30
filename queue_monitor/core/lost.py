"""Callers whom nobody answered, one line each: counted as everywhere else, and with nothing that tells who."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from queue_monitor.core.ledger import Ledger, Story
from queue_monitor.core.view import lies_in
from queue_monitor.core.windows import Judged, Windows
from queue_monitor.events import CallEntered, Event
from queue_monitor.model import LostCall, Outcome, Refusal

NOT_LOST: Final = frozenset({Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN})
"""Of those whom the monitor lost track of nobody knows whether they were answered: in no list, as in no formula."""


class Callers:
    """Which calls are one person's, by the pseudonyms that a switch gives. Their key changes every night, so nobody is
    known again on another day; they are kept in memory alone, as long as the call is, and never come out.
    """

    def __init__(self) -> None:
        self._pseudonyms: dict[tuple[str, str], str] = {}

    def apply(self, event: Event) -> None:
        if isinstance(event, CallEntered) and event.caller is not None and event.caller.pseudonym:
            self._pseudonyms[event.switch_name, event.leg_id or event.visit_id] = event.caller.pseudonym

    def forget(self, story: Story) -> None:
        for visit in story.visits:
            self._pseudonyms.pop((visit.switch, visit.leg_id), None)

    def last_answered(self, ledger: Ledger) -> dict[str, datetime]:
        """By pseudonym, when that person entered for the last call that was answered."""
        found: dict[str, datetime] = {}
        for story in ledger.stories() if self._pseudonyms else ():
            entered, pseudonym = story.contact.entered_at, self._of(story)
            if story.contact.outcome is Outcome.ANSWERED and entered is not None and pseudonym is not None:
                found[pseudonym] = max(found.get(pseudonym, entered), entered)
        return found

    def reached_later(self, story: Story, answered: dict[str, datetime]) -> bool | None:
        """Whether who was lost has been answered in a later call; None where callers are not told apart."""
        lost_at, pseudonym = story.contact.settled_at, self._of(story)
        if pseudonym is None or lost_at is None:
            return None
        return pseudonym in answered and answered[pseudonym] >= lost_at

    def _of(self, story: Story) -> str | None:
        known = (self._pseudonyms.get((visit.switch, visit.leg_id)) for visit in story.visits)
        return next(filter(None, known), None)


def lost_calls(
    ledger: Ledger, windows: Windows, callers: Callers, start: datetime, end: datetime, queue: str | None
) -> list[LostCall]:
    """The lost of the minutes from `start` up to `end`, at contact level, in the order of entry.

    They are the calls that the counts of that stretch hold, so one that is judged from opening lies at opening.
    """
    queues = None if queue is None else frozenset({queue.casefold()})
    found = [
        call for judged, call in _all(ledger, windows, callers) if lies_in(judged, queues, start, end, inside=None)
    ]
    return sorted(found, key=lambda call: call.entered_at or call.lost_at or start)


def _all(ledger: Ledger, windows: Windows, callers: Callers) -> Iterator[tuple[Judged, LostCall]]:
    answered = callers.last_answered(ledger)
    for story in ledger.stories():
        if story.contact.outcome in NOT_LOST:
            continue
        judged = windows.place_settled(story.contact)
        if judged is None or (field := windows.field_of(story.contact, judged)) == "called_back":
            continue
        reached_later = True if story.contact.called_back_ms is not None else callers.reached_later(story, answered)
        yield judged, _lost(story, judged, windows, field, reached_later)
    for refusal in ledger.refusals():
        judged = windows.place_refusal(refusal)
        yield judged, _refused(refusal, judged)


def _lost(story: Story, judged: Judged, windows: Windows, counted_as: str, reached_later: bool | None) -> LostCall:
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


def _refused(refusal: Refusal, judged: Judged) -> LostCall:
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
