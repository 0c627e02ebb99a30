"""Callers who call more than once on the same local day, joined by the pseudonyms of that day.

One rule says here which calls are one person's and which lost caller was reached later: the list of lost calls, the
history and the day's figures all read it.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from queue_monitor.core.calendar import Calendar
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.events import CallEntered
from queue_monitor.model import LOST_OUTCOMES, Contact, Outcome, RepeatCallers
from queue_monitor.queues import queue_key

PERSON_KNOWN: Final = timedelta(hours=24)
"""The time for which calls of a day that is over are still known to be one person's: late events may amend them."""

CALLS_SHOW: Final = 20
"""After so many calls without any pseudonym the sources are taken to give none: a single caller may hide the number."""

MAX_CALLS: Final = 200
"""The number of calls of one day that one pseudonym joins. More are no person's: a switchboard's number, or one word
for all who hide theirs.
"""

Person = tuple[date, str]
"""A local day and the pseudonym of that day: nobody is the same person on another day."""


class _Call(NamedTuple):
    """One call of a person: when it came in, whether it was answered, and since when it is lost (None: it is not)."""

    switch: str
    queue: str
    entered_at: datetime
    is_answered: bool
    lost_at: datetime | None
    is_called_back: bool


class _Tally(NamedTuple):
    """The counts of some calls, in the order of `RepeatCallers`."""

    calls: int = 0
    repeated: int = 0
    lost: int = 0
    reached_later: int = 0
    answered: int = 0
    not_back: int = 0

    def plus(self, other: "_Tally", sign: int = 1) -> "_Tally":
        return _Tally(*(own + sign * more for own, more in zip(self, other, strict=True)))


_NONE: Final = _Tally()


class CallerPseudonyms:
    """The calls of each person, joined by the pseudonyms that a source gives.

    The key of the pseudonyms changes every night, and a person is known by pseudonym and day together, so nobody is
    recognised on another day. They are kept in memory alone, for a day, and never come out.
    `since`: the moment from which calls are counted in `figures`, the start of this process; None: all of them are.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.since: datetime | None = None
        self._named = self._unnamed = 0
        self._calendar = calendar
        self._pseudonyms: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._calls: dict[Person, dict[str, _Call]] = {}
        self._whose: dict[str, Person] = {}
        self._changed: dict[Person, None] = {}
        self._of_person: dict[Person, dict[str, _Tally]] = {}
        self._of_queue: dict[date, dict[str, _Tally]] = {}

    def apply(self, event: CallEntered) -> None:
        is_named = event.caller is not None and bool(event.caller.pseudonym)
        if self.since is None or event.at >= self.since:
            self._named += is_named
            self._unnamed += not is_named
        if event.caller is not None and event.caller.pseudonym:
            self._pseudonyms[event.switch_name, event.leg_id or event.visit_id] = event.caller.pseudonym, event.at

    def change(self, contact_id: str, history: ContactHistory | None) -> list[tuple[str, str]]:
        """Take a contact as it is now; return the person's other lost calls, as switch and id, that are reached later
        since then, or no longer.
        """
        if not self._pseudonyms:
            return []
        person = self._of(history) if history is not None else None
        known = self._whose.pop(contact_id, None)
        answered = {one: _last_answered(self._calls.get(one, {}).values()) for one in (known, person) if one}
        if known is not None:
            self._calls[known].pop(contact_id, None)
            self._changed[known] = None
        if history is not None and person is not None:
            self._join(person, contact_id, history)
        return [lost for one, before in answered.items() for lost in self._reached_anew(one, before)]

    def _join(self, person: Person, contact_id: str, history: ContactHistory) -> None:
        """Note a contact as one of a person's calls, as long as these are no more than one person makes."""
        calls, contact = self._calls.setdefault(person, {}), history.contact
        if len(calls) >= MAX_CALLS or contact.entered_at is None:
            return
        calls[contact_id] = _Call(
            history.visits[0].switch,
            queue_key(contact.first_queue),
            contact.entered_at,
            contact.outcome is Outcome.ANSWERED,
            None if contact.outcome not in LOST_OUTCOMES else contact.settled_at,
            contact.called_back_ms is not None,
        )
        self._whose[contact_id] = person
        self._changed[person] = None

    def _reached_anew(self, person: Person, before: datetime | None) -> Iterator[tuple[str, str]]:
        """Yield the lost calls of a person that are reached later or not, other than when the last answered call was
        `before`.
        """
        now = _last_answered(self._calls.get(person, {}).values())
        if now == before:
            return
        for contact_id, call in self._calls.get(person, {}).items():
            lost_at = call.lost_at
            if lost_at is not None and _is_reached(lost_at, before) != _is_reached(lost_at, now):
                yield call.switch, contact_id

    def evict(self, before: datetime) -> None:
        """Forget the legs that a source named before that moment, and the persons of days that ended before it."""
        self._pseudonyms = {leg: known for leg, known in self._pseudonyms.items() if known[1] >= before}
        first = self._calendar.day_of(before)
        for person in [person for person in self._calls if person[0] < first]:
            for contact_id in self._calls.pop(person):
                self._whose.pop(contact_id, None)
            self._changed.pop(person, None)
            self._of_person.pop(person, None)
        for day in [day for day in self._of_queue if day < first]:
            del self._of_queue[day]

    def reached_later(self, contact: Contact) -> bool | None:
        """Return whether a lost caller was answered in a later call the same day; None where callers are not told
        apart.
        """
        if contact.called_back_ms is not None:
            return True
        person, lost_at = self._whose.get(contact.contact_id), contact.settled_at
        if person is None or lost_at is None or contact.outcome not in LOST_OUTCOMES:
            return None
        return _is_reached(lost_at, _last_answered(self._calls[person].values()))

    def figures(self, now: datetime, queues: Collection[str] | None) -> RepeatCallers | None:
        """Return the counts of the local day so far, of some queues (casefolded) or None for all.

        None where no caller of these queues is told apart today.
        """
        self._settle()
        if not self._of_queue:
            return None
        day = self._calendar.day_of(now)
        of_queue = self._of_queue.get(day, {})
        found = _NONE
        for queue in of_queue if queues is None else queues:
            if queue in of_queue:
                found = found.plus(of_queue[queue])
        return self._said(day, found) if found.calls else None

    def days(self) -> dict[tuple[date, str], RepeatCallers]:
        """Return the counts of every day in memory, by day and queue (casefolded), where callers are told apart."""
        self._settle()
        return {
            (day, queue): self._said(day, tally)
            for day, of_queue in self._of_queue.items()
            for queue, tally in of_queue.items()
            if tally.calls
        }

    def _settle(self) -> None:
        for person in self._changed:
            self._count(person)
        self._changed.clear()

    def known_since(self, now: datetime) -> datetime | None:
        """Return the moment from which today's callers are told apart; None where the calls so far show that no source
        does.
        """
        return None if not self._named and self._unnamed >= CALLS_SHOW else self._since(self._calendar.day_of(now))

    def _since(self, day: date) -> datetime:
        midnight = self._calendar.midnight(day)
        return max(midnight, self.since or midnight)

    def _said(self, day: date, tally: _Tally) -> RepeatCallers:
        return RepeatCallers(since=self._since(day), **tally._asdict())

    def _count(self, person: Person) -> None:
        """Count a person's calls anew, in the queue that each of them entered first."""
        of_queue = self._of_queue.setdefault(person[0], {})
        for queue, tally in self._of_person.pop(person, {}).items():
            of_queue[queue] = of_queue[queue].plus(tally, -1)
        fresh = _tallies(call for call in self._calls.get(person, {}).values() if self._is_counted(call))
        for queue, tally in fresh.items():
            of_queue[queue] = of_queue.get(queue, _Tally()).plus(tally)
        if fresh:
            self._of_person[person] = fresh

    def _is_counted(self, call: _Call) -> bool:
        return self.since is None or call.entered_at >= self.since

    def _of(self, history: ContactHistory) -> Person | None:
        entered_at = history.contact.entered_at
        if entered_at is None:
            return None
        known = (self._pseudonyms.get((visit.switch, visit.leg_id)) for visit in history.visits)
        pseudonym = next((pseudonym for pseudonym, _ in filter(None, known)), None)
        return None if pseudonym is None else (self._calendar.day_of(entered_at), pseudonym)


def _last_answered(calls: Iterable[_Call]) -> datetime | None:
    """Return when the last of a person's answered calls came in; None where none was answered."""
    return max((call.entered_at for call in calls if call.is_answered), default=None)


def _is_reached(lost_at: datetime, last_answered: datetime | None) -> bool:
    """Return whether a call that came in after the loss was answered: being answered before it is not enough."""
    return last_answered is not None and last_answered >= lost_at


def _tallies(calls: Iterable[_Call]) -> dict[str, _Tally]:
    """Return the counts of one person's calls of a day, by the queue that each entered first."""
    found: dict[str, _Tally] = {}
    in_order = sorted(calls, key=lambda call: call.entered_at)
    last_answered = _last_answered(in_order)
    for number, call in enumerate(in_order):
        is_lost = call.lost_at is not None
        one = _Tally(
            calls=1,
            repeated=int(number > 0),
            lost=int(is_lost),
            reached_later=int(
                is_lost and (call.is_called_back or _is_reached(call.lost_at or call.entered_at, last_answered))
            ),
            answered=int(call.is_answered),
            not_back=int(call.is_answered and number == len(in_order) - 1),
        )
        found[call.queue] = found.get(call.queue, _Tally()).plus(one)
    return found
