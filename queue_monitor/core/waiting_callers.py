"""The callers who wait at one moment: each is placed once, for every queue, pool and period that shows them."""

from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from queue_monitor.core import service_level
from queue_monitor.core.departures import Departed
from queue_monitor.core.rules import Rules
from queue_monitor.core.series import FIELDS, minute_of
from queue_monitor.core.standing import Stretch
from queue_monitor.core.wait_bounds import WaitBounds
from queue_monitor.core.windows import Calendars, Windows
from queue_monitor.events import milliseconds
from queue_monitor.model import (
    Contact,
    Counts,
    DefinitionId,
    Level,
    Outcome,
    SumRow,
    Visit,
    WaitingNow,
    WaitSums,
)
from queue_monitor.queues import queue_key

PIECE: Final = 500
"""The number of waiting callers that are placed, or listed, before a pause: some milliseconds."""

Keys = tuple[str, ...] | None
"""Queues, casefolded; None for all."""

One = TypeVar("One")


class LiveReading(Protocol):
    """The part of the live state that is read here: `live.Live`."""

    rules: Rules
    calendars: Calendars
    wait_bounds: WaitBounds

    @property
    def windows(self) -> Windows: ...

    def departed(self, now: datetime) -> dict[str, list[Departed]]: ...

    def unheard(self, waiting: Iterable[Visit], now: datetime) -> dict[str, datetime]: ...


class InLine(Struct, frozen=True, gc=False):
    """A waiting caller with the wait in ms of the contact and in this queue, computed once for every queue, pool and
    period.

    `place`: the position among all who wait, the longest wait first.
    `queue`: casefolded.
    """

    place: int
    queue: str
    contact: Contact
    visit: Visit
    wait_ms: int
    queue_wait_ms: int


class Placed(Struct, frozen=True, gc=False):
    """A waiting caller as a count: past the limit it is a miss already."""

    minute: int
    inside: bool
    early: bool
    field: int


class Present(NamedTuple):
    """The callers of a face whose calls are not settled, as they count in a stretch.

    `inside`, `outside`: those who wait, by field of `Counts`, within opening hours and outside.
    `may_still_be_answered`: those who left a moment ago, or may have been answered unseen.
    """

    inside: dict[int, int]
    outside: dict[int, int]
    may_still_be_answered: service_level.MayStillBeAnswered


class Entered(Struct, frozen=True, gc=False):
    """A waiting caller who entered within opening hours. Queues are casefolded.

    `as_visit`: how the visit counts in its own queue: within the limit, and past it.
    `as_contact`: how the contact, where it still waits, counts in its first queue; None where it counts nowhere.
    """

    contact: Contact
    visit: Visit
    queue: str
    as_visit: tuple[Placed, Placed]
    first_queue: str
    as_contact: tuple[Placed, Placed] | None


class WaitingCallers:
    """The callers who wait at `now`, those who left a moment ago, and how both count.

    `known`: the callers who were placed before, by visit id; `entered` is the same for the next moment.
    """

    def __init__(self, live: LiveReading, now: datetime, ringing: set[str], known: dict[str, Entered]) -> None:
        self.entered: dict[str, Entered] = {}
        self._live = live
        self._windows = live.windows
        self._now = now
        self._ringing = ringing
        self._known = known
        self._departed = live.departed(now)
        self._limit_ms = live.rules.target.limit_seconds * 1000
        self._placed: dict[Level, dict[str, list[Placed]]] = {level: {} for level in Level}
        self._everyone: list[InLine] = []
        self._by_queue: dict[str, list[InLine]] = {}
        self._unheard: dict[str, datetime] = {}
        self._overtaken: set[str] = set()
        self._doubtful: set[str] = set()

    def place(self, waiting: list[tuple[Contact, Visit]]) -> Generator[None, None, None]:
        """Place every waiting caller, once for all faces, with a pause after each `PIECE`.

        The place of a caller who entered within opening hours does not change while no event about the call comes: only
        the wait does. One whose switch has fallen silent has waited until the last sign, as far as is known.
        """
        known, seen = self._known, self.entered
        contacts, of_visits, limit_ms = self._placed[Level.CONTACT], self._placed[Level.VISIT], self._limit_ms
        visits = [visit for _, visit in waiting]
        self._unheard = unheard = self._live.unheard(visits, self._now)
        self._overtaken = {visit.visit_id for visit in self._live.wait_bounds.doubtful(visits, self._now)}
        self._doubtful = {*unheard, *self._overtaken}
        for place, (contact, visit) in enumerate(waiting):
            if place % PIECE == PIECE - 1:
                yield
            entered = known.get(visit.visit_id)
            if entered is None or entered.visit is not visit or entered.contact is not contact:
                entered = self._entered(contact, visit)
            queue = queue_key(visit.queue) if entered is None else entered.queue
            until = unheard.get(visit.visit_id, self._now)
            queue_wait = 0 if visit.entered_at is None else max(0, milliseconds(until - visit.entered_at))
            before = contact.wait_ms or 0 if contact.outcome is Outcome.WAITING else 0
            one = InLine(place, queue, contact, visit, before + queue_wait, queue_wait)
            self._everyone.append(one)
            self._by_queue.setdefault(queue, []).append(one)
            if entered is None:
                self._place(contact, visit, until)
                continue
            seen[visit.visit_id] = entered
            of_visits.setdefault(queue, []).append(entered.as_visit[queue_wait > limit_ms])
            if entered.as_contact is not None:
                wait_ms, since = contact.wait_ms, contact.waiting_since
                if wait_ms is not None and since is not None:
                    wait_ms += queue_wait if since == visit.entered_at else max(0, milliseconds(until - since))
                else:
                    wait_ms = None
                placed = entered.as_contact[wait_ms is not None and wait_ms > limit_ms]
                contacts.setdefault(entered.first_queue, []).append(placed)
                self._doubt(visit, entered.first_queue, placed)

    def _entered(self, contact: Contact, visit: Visit) -> Entered | None:
        """Return where a waiting caller counts; None where that may change, or is not known."""
        calendars, began, first = self._live.calendars, visit.entered_at, contact.entered_at
        if began is None or not calendars.of(visit.queue).is_open(began):
            return None
        as_contact = None
        if contact.outcome is Outcome.WAITING:
            if first is None or not calendars.of(contact.first_queue).is_open(first):
                return None
            as_contact = _in_time_and_late(minute_of(first))
        as_visit = _in_time_and_late(minute_of(began))
        return Entered(contact, visit, queue_key(visit.queue), as_visit, queue_key(contact.first_queue), as_contact)

    def _place(self, contact: Contact, visit: Visit, until: datetime) -> None:
        """Count a waiting caller where the opening hours put it, with the wait so far at `until`."""
        placed = [self._windows.place_visit(visit, until)]
        if contact.outcome is Outcome.WAITING:
            placed.append(self._windows.place_contact(contact, until))
        for judged in filter(None, placed):
            level, queue, inside, minute = judged.place
            is_late = judged.wait_ms is not None and judged.wait_ms > self._limit_ms
            one = Placed(minute, inside, judged.early, _LATE if is_late else _IN_TIME)
            self._placed[level].setdefault(queue_key(queue), []).append(one)
            if level is Level.CONTACT and inside:
                self._doubt(visit, queue_key(queue), one)

    def _doubt(self, visit: Visit, queue: str, placed: Placed) -> None:
        """Let the ceiling hold a caller past the limit who may have been answered in time, unseen."""
        if placed.field == _LATE and visit.visit_id in self._overtaken:
            counts_as = "outside" if self._live.rules.target.definition is DefinitionId.D1 else "counted"
            self._departed.setdefault(queue, []).append(Departed(placed.minute, counts_as))

    # ---- as a line

    def line(self, keys: Collection[str]) -> list[InLine]:
        """Return the callers who wait in these queues (casefolded), the longest wait first."""
        lines = [its for key in keys if (its := self._by_queue.get(key))]
        return lines[0] if len(lines) == 1 else sorted(chain.from_iterable(lines), key=_BY_PLACE)

    def not_ringing(self, keys: Collection[str]) -> list[InLine]:
        """Return the callers of the line for whom no phone rings."""
        return [one for one in self.line(keys) if one.visit.visit_id not in self._ringing]

    def wait_in(self, keys: Keys) -> bool:
        """Return whether anybody waits in these queues."""
        return bool(self._everyone) if keys is None else any(key in self._by_queue for key in keys)

    def listed(self, keys: Keys, chances: dict[str, float]) -> Generator[None, None, tuple[WaitingNow, ...]]:
        """List the callers who wait in these queues, with a pause after each `PIECE`."""
        its = self._everyone if keys is None else self.line(keys)
        if keys is None or len(keys) > 1:
            its = _one_a_person(its)
        found: list[WaitingNow] = []
        for first in range(0, len(its), PIECE):
            if first:
                yield
            found += [
                WaitingNow(
                    visit_id=one.visit.visit_id,
                    queue=one.visit.queue,
                    position=place,
                    entered_at=one.visit.entered_at,
                    wait_ms=one.wait_ms,
                    queue_wait_ms=one.queue_wait_ms,
                    ringing=one.visit.visit_id in self._ringing,
                    start_known=one.visit.start_known,
                    in_time_chance=chances.get(one.visit.visit_id),
                    doubtful=one.visit.visit_id in self._doubtful,
                    unheard=one.visit.visit_id in self._unheard,
                )
                for place, one in enumerate(its[first : first + PIECE], start=first + 1)
            ]
        return tuple(found)

    # ---- as counts

    def present(self, level: Level, keys: Keys) -> tuple[list[Placed], list[Departed]]:
        """Return the callers of some queues, or of all, who wait, and who may still be answered."""
        departed = self._departed if level is Level.CONTACT else {}
        return list(_of(self._placed[level], keys)), list(_of(departed, keys))

    def sums(self) -> list[SumRow]:
        """Return the contacts who wait as rows of sums, one each, that begin with the minute in which they count."""
        return [
            SumRow(
                level=Level.CONTACT,
                queue=self._windows.name_of(queue),
                inside=one.inside,
                start=datetime.fromtimestamp(one.minute * 60, UTC),
                counts=_counted(one),
                waits=WaitSums(),
            )
            for queue, its in self._placed[Level.CONTACT].items()
            for one in its
        ]

    def by_bar(self, first: int, minutes: int, keys: Keys) -> dict[int, dict[int, int]]:
        """Return the contacts who wait and count inside opening hours, by the first minute of their bar and the field
        of `Counts`.

        The bars are `minutes` long; one of them begins at the minute `first`.
        """
        found: dict[int, dict[int, int]] = {}
        for one in _of(self._placed[Level.CONTACT], keys):
            if one.inside:
                its = found.setdefault(one.minute - (one.minute - first) % minutes, {})
                for at in (one.field, _EARLY) if one.early else (one.field,):
                    its[at] = its.get(at, 0) + 1
        return found


def present_in_each(waiting: list[Placed], departed: list[Departed], stretches: Sequence[Stretch]) -> Iterator[Present]:
    """Yield the callers who count in each stretch. Nearly always all of them do in every one: they are counted once."""
    minutes = [one.minute for one in waiting] + [one.minute for one in departed]
    if not minutes:
        yield from repeat(_NOBODY, len(stretches))
        return
    first, last = min(minutes), max(minutes)
    everyone = present_in(waiting, departed, first, last + 1)
    for _, _, _, low, high in stretches:
        if low <= first and last < high:
            yield everyone
        elif last < low or high <= first:
            yield _NOBODY
        else:
            yield present_in(waiting, departed, low, high)


def present_in(waiting: list[Placed], departed: list[Departed], low: int, high: int) -> Present:
    """Return the callers who entered in the minutes from `low` up to `high`."""
    inside: dict[int, int] = {}
    outside: dict[int, int] = {}
    for one in waiting:
        if low <= one.minute < high:
            found = inside if one.inside else outside
            found[one.field] = found.get(one.field, 0) + 1
            if one.early:
                inside[_EARLY] = inside.get(_EARLY, 0) + 1
    back = Counter(counts_as for minute, counts_as in departed if low <= minute < high)
    return Present(inside, outside, service_level.MayStillBeAnswered(**back) if back else service_level.NOBODY)


_BY_PLACE: Final = attrgetter("place")
_EARLY: Final = FIELDS["early"]
_IN_TIME: Final = FIELDS["waiting_in_time"]
_LATE: Final = FIELDS["waiting_late"]
_NOBODY: Final = Present({}, {}, service_level.NOBODY)


def _counted(one: Placed) -> Counts:
    is_late, early = one.field == _LATE, int(one.early)
    return Counts(waiting_late=int(is_late), waiting_in_time=int(not is_late), early=early)


def _in_time_and_late(minute: int) -> tuple[Placed, Placed]:
    """Return how a caller who entered in that minute, within opening hours, counts: within the limit, and past it."""
    return Placed(minute, True, False, _IN_TIME), Placed(minute, True, False, _LATE)


def _one_a_person(line: list[InLine]) -> list[InLine]:
    """Return a line without a caller's second stay: who waits in several queues at once is one person, who has waited
    as long as in the first of them.
    """
    first: dict[str, InLine] = {}
    for one in line:
        first.setdefault(one.contact.contact_id, one)
    return line if len(first) == len(line) else list(first.values())


def _of(by_queue: dict[str, list[One]], keys: Keys) -> Iterable[One]:
    """Return the items held for some queues, or for all."""
    if keys is not None and len(keys) == 1:
        return by_queue.get(keys[0], ())
    return chain.from_iterable(by_queue.values() if keys is None else filter(None, map(by_queue.get, keys)))
