"""The windows: exact counts of calls per minute of entry, and streaming histograms for percentiles.

Each call belongs to the minute in which it entered. A minute slot keeps exact counts and the raw waits of its answered
calls; a day keeps their sums and one tally of waits. When the ledger changes a call, its old contribution is taken out
and the new one put in. For the days before the edge only sums are kept: those of the month and of the tertial.

Longer than 450 lines because counts, sums and histograms of a minute change together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import accumulate, chain
from operator import add
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct, structs

from queue_monitor.core.calendar import Calendar, month_start, tertial_start
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.rules import Rules
from queue_monitor.core.series import (
    FIELDS,
    QUARTER,
    Base,
    LocalDays,
    Numbers,
    Series,
    added,
    minute_after,
    minute_of,
)
from queue_monitor.core.service_level import judge
from queue_monitor.events import EntryReason, RefusalReason, milliseconds
from queue_monitor.model import (
    CallsOfMinute,
    Contact,
    Counts,
    ExitPolicy,
    Level,
    Outcome,
    Placement,
    Refusal,
    TalkSums,
    Target,
    Visit,
    WaitBuckets,
    WaitFigures,
)
from queue_monitor.queues import queue_key
from queue_monitor.waits import TEN_MINUTES_MS, WaitTally, summed

EDGES: Final = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0)
"""Bucket edges of the Prometheus histogram, seconds; the limit of 300 is one of them exactly."""

EXACT_MINUTES: Final = 120
"""Percentiles of a stretch no longer than this are computed from the waits themselves."""

_REFUSED: Final[dict[RefusalReason, str]] = {reason: f"refused_{reason.value}" for reason in RefusalReason}
_BROUGHT_BY: Final[dict[EntryReason, str]] = {
    reason: f"by_{reason.value}" for reason in EntryReason if reason is not EntryReason.DIRECT
}


class Bucket(NamedTuple):
    """The place where a call counts: its level and queue, inside opening hours or not, and the minute (epoch minutes,
    UTC).
    """

    level: Level
    queue: str
    inside: bool
    minute: int


class PlacedCall(Struct, frozen=True, gc=False):
    """A call with its place, and the wait that is judged: the whole wait, or the wait so far.

    `early`: the caller came before opening, and the wait counts from opening.
    """

    place: Bucket
    early: bool
    wait_ms: int | None


CACHE_SIZE: Final = 4096
Part = TypeVar("Part")
Figure = TypeVar("Figure")


class VisitSum(Struct, frozen=True, gc=False):
    """The contribution of one settled visit to the sums of all time.

    `field`: the field of `Counts`.
    `brought_by`: the field that says why the visit began.
    `wait_ms`: the wait where a histogram may hold it, else None.
    """

    queue: str
    field: str
    brought_by: str
    outcome: Outcome
    wait_ms: int | None


class Tally(Struct, frozen=True, gc=False):
    """The contribution of one contact.

    `placed`: where the contact counts, None while it counts nowhere yet.
    `visits`: where each visit counts, None for one that counts nowhere yet.
    `places`: both together, without the None.
    `sums`: the contributions of its visits to the sums of all time.
    `talks`: the talks that are over, as queue and ms.
    """

    placed: Placement | None = None
    visits: tuple[Placement | None, ...] = ()
    places: tuple[Placement, ...] = ()
    sums: tuple[VisitSum, ...] = ()
    talks: tuple[tuple[str, int], ...] = ()


class _Terms(NamedTuple):
    """The terms by which the calls of a day are judged, with the version of the rules that they are of."""

    target: Target
    exit_policies: dict[str, ExitPolicy]
    usual_exit_policy: ExitPolicy
    version: str


NOTHING: Final = Tally()
NOWHERE_YET: Final = Tally(visits=(None,))
"""A contact that waits in one queue is counted when the wait is over."""


Queues = tuple[str, ...] | None
"""The queues that a figure covers; None for all."""

Keys = tuple[str, ...] | None
"""The casefolded queues that a figure covers, each once; None for all."""


class NotHeld(LookupError):
    """A stretch begins before the days held by the minute, and not with a month or tertial whose sums are held."""


class Windows:
    """Counts by minute and by day, at contact and at visit level, for every queue.

    Each call is judged by the rules of the local day on which it counts.
    `edge`: calls that entered from here on are held by the minute; None while all are.
    `counts`: calls are counted; else only the places where they count are known.
    """

    def __init__(
        self,
        rules: Rules,
        calendars: "Calendars",
        *,
        counts: bool = True,
    ) -> None:
        self._counts = counts
        self._calendars = calendars
        self._days = LocalDays(calendars.default.zone)
        self._terms = [_terms_of(version) for version in rules.versions]
        self._changes = [self._days.first_minute(first) for first, _ in rules.dated[1:]]
        self._series: dict[tuple[Level, bool], dict[str, Series]] = {
            (level, inside): {} for level in Level for inside in (True, False)
        }
        self._edge: int | None = None
        self.edge: datetime | None = None
        self._bases: dict[int, Base] = {}
        self._totals: dict[str, list[int]] = {}
        self._buckets: dict[str, _Buckets] = {}
        self._talks: dict[str, list[int]] = {}
        self._counted: dict[str, Tally] = {}
        self._scopes: dict[str, tuple[Calendar, str]] = {}
        self._names: dict[str, str] = {}
        self._versions = dict.fromkeys(Level, 0)
        self._quarters: dict[int, int] = {}
        self._loaded = 0

    # ---- input

    def change(self, contact_id: str, history: ContactHistory | None) -> None:
        """Replace the contribution of a contact by its new one; None means that there is no such contact."""
        before = self._counted.get(contact_id, NOTHING)
        if history is None:
            after = NOTHING
            self._counted.pop(contact_id, None)
        else:
            self._counted[contact_id] = after = self.tally(history)
        if not self._counts:
            return
        if before.places != after.places:
            for placed, sign in _moves(before.places, after.places):
                self.count(placed, sign)
        if before.sums != after.sums:
            for sums, sign in _moves(before.sums, after.sums):
                self._count_sums(sums, sign)
        self._move_talks(before.talks, after.talks)

    def place(self, contact_id: str, history: ContactHistory | None) -> None:
        """Note where a contact and its visits would count, and count it nowhere."""
        self.change(contact_id, None)
        if history is not None:
            its = self.tally(history)
            self._counted[contact_id] = Tally(placed=its.placed, visits=its.visits)

    def change_talk(self, contact_id: str, visit: Visit) -> None:
        """Replace the talk of a contact of one visit, when nothing but the talk may have changed."""
        if not self._counts:
            return
        before = self._counted.get(contact_id, NOTHING)
        talks = _talk(before.visits[0], visit) if len(before.visits) == 1 else ()
        if before.talks != talks:
            self._move_talks(before.talks, talks)
            self._counted[contact_id] = structs.replace(before, talks=talks)

    def _move_talks(self, before: tuple[tuple[str, int], ...], after: tuple[tuple[str, int], ...]) -> None:
        if before != after:
            for (queue, talk_ms), sign in _moves(before, after):
                talks = self._talks.setdefault(queue, [0, 0])
                talks[0] += sign
                talks[1] += sign * talk_ms

    def adopt(self, contact_id: str, history: ContactHistory) -> None:
        """Note that a contact is counted already as this history says, in addition to its other contributions."""
        known, beside = self._counted.get(contact_id, NOTHING), self.tally(history)
        self._counted[contact_id] = Tally(
            beside.placed,
            beside.visits,
            known.places + beside.places,
            known.sums + beside.sums,
            known.talks + beside.talks,
        )

    def let_go(self, contact_ids: Iterable[str]) -> None:
        """Forget the contacts and keep their contributions, which no longer change."""
        for contact_id in contact_ids:
            self._counted.pop(contact_id, None)

    def counted(self, contact_id: str) -> Tally:
        """Return the contribution of a contact that is held."""
        return self._counted.get(contact_id, NOTHING)

    def refuse(self, refusal: Refusal, sign: int = +1) -> Placement:
        """Count a refused caller at both levels, or (`sign` -1) take it out. Return its place at contact level."""
        place, field = self.place_refusal(refusal).place, _REFUSED[refusal.reason]
        placed = Placement(Level.CONTACT, place.queue, place.inside, place.minute, field)
        if not self._counts:
            return placed
        for level in Level:
            self.count(structs.replace(placed, level=level), sign)
        self._totals_of(place.queue)[FIELDS[field]] += sign
        return placed

    def count(self, placed: Placement, sign: int) -> None:
        """Count one settled call, or (`sign` -1) take it out again.

        A call of a day before the edge is counted in the sums of the days before it.
        """
        fields = [FIELDS[placed.field]]
        if placed.early:
            fields.append(FIELDS["early"])
        if placed.brought_by:
            fields.append(FIELDS[placed.brought_by])
        wait_ms = placed.judged_ms if placed.recorded else None
        series = self._series_of(placed.level, placed.queue, placed.inside)
        if self._edge is None or placed.minute >= self._edge:
            series.put(placed.minute, fields, wait_ms, sign)
            if placed.level is Level.CONTACT:
                self._quarters[placed.minute // QUARTER] = self._versions[placed.level] + 1
        elif placed.level is Level.CONTACT:
            for start, base in self._bases.items():
                if start <= placed.minute:
                    base.put(placed.queue, placed.inside, fields, wait_ms, sign)
            series.version += 1
        self._versions[placed.level] += 1

    def _count_sums(self, sums: VisitSum, sign: int) -> None:
        numbers = self._totals_of(sums.queue)
        numbers[FIELDS[sums.field]] += sign
        if sums.brought_by:
            numbers[FIELDS[sums.brought_by]] += sign
        if sums.wait_ms is not None:
            buckets = self._buckets.get(sums.queue)
            if buckets is None:
                buckets = self._buckets[sums.queue] = _Buckets()
            buckets.count(sums.outcome, sums.wait_ms, sign)

    def _totals_of(self, queue: str) -> list[int]:
        numbers = self._totals.get(queue)
        if numbers is None:
            numbers = self._totals[queue] = [0] * len(FIELDS)
        return numbers

    def load_minutes(self, minutes: Iterable[CallsOfMinute]) -> None:
        """Count the settled calls and refused callers of the days from the edge on, as the store has them.

        The all-time counters are not touched.
        """
        edge = self._edge or 0
        for its in minutes:
            if its.minute >= edge:
                names = filter(None, (its.field, "early" if its.early else "", its.brought_by))
                series = self._series_of(its.level, its.queue, its.inside)
                series.add(its.minute, [FIELDS[name] for name in names], its.number, its.waits_ms)
        self._changed_everywhere()

    def load_totals(self, totals: dict[str, Counts]) -> None:
        """Set the all-time counters: all settled visits and refused callers so far, by queue."""
        for queue, counts in totals.items():
            self._totals[self.name_of(queue)] = list(structs.astuple(counts))

    def rebase(self, edge: date, month: Base, tertial: Base) -> None:
        """Hold the local days from `edge` on by the minute, and two sums of the days before it.

        `month`, `tertial`: the sums from the start of the edge's month, and of its tertial, up to the edge. Raises
            `ValueError` when they begin elsewhere.
        """
        if (month.start, tertial.start) != (month_start(edge), tertial_start(edge)):
            raise ValueError(f"sums from {month.start} and {tertial.start} are not of the month and tertial of {edge}")
        self._edge = self._days.first_minute(edge)
        self.edge = datetime.fromtimestamp(self._edge * 60, UTC)
        self._bases = {self._days.first_minute(base.start): base for base in (tertial, month)}
        for base in (month, tertial):
            for queue in base.names.values():
                self._series_of(Level.CONTACT, queue, True)
        for held in self._series.values():
            for series in held.values():
                series.drop(self._edge)
        self._changed_everywhere()

    def advance(self, edge: date) -> None:
        """Move the edge to a later day: the days that memory holds before it go into the sums.

        Without an edge so far, memory is taken to hold the whole tertial.
        """
        minute = self._days.first_minute(edge)
        if self._edge is not None and minute <= self._edge:
            return
        self.rebase(edge, self._base_at(month_start(edge), minute), self._base_at(tertial_start(edge), minute))

    def _changed_everywhere(self) -> None:
        for level in Level:
            self._versions[level] += 1
        self._quarters.clear()
        self._loaded += 1

    def _base_at(self, start: date, edge: int) -> Base:
        """Return the sums of the days from `start` up to a new edge."""
        low = self._days.first_minute(start)
        base, found = self._bases.get(low, Base(start)), Base(start)
        for inside in (True, False):
            for key, counts in base.counts[inside].items():
                found.add(self._names[key], inside, counts, base.waits[inside][key])
            for key, series in self._series[Level.CONTACT, inside].items():
                for first, day in series.days.items():
                    if low <= first < edge:
                        found.add(self._names[key], inside, day.counts, series.waits_of(first, day))
        return found

    def evict(self, before: datetime) -> None:
        """Melt minute slots before that moment into quarters: their raw waits go, their sums stay."""
        edge = minute_of(before)
        for held in self._series.values():
            for series in held.values():
                series.melt(edge)
        self._changed_everywhere()

    # ---- output

    def place_contact(self, contact: Contact, now: datetime) -> PlacedCall | None:
        """Return where a contact counts, on its first queue; None where no time of it is known."""
        waited = contact.wait_ms
        if contact.outcome is Outcome.WAITING:
            since = contact.waiting_since
            waited = None if since is None or waited is None else waited + max(0, milliseconds(now - since))
        ended = contact.settled_at or now
        return self._judged(Level.CONTACT, contact.first_queue, contact.entered_at or contact.settled_at, ended, waited)

    def place_settled(self, contact: Contact) -> PlacedCall | None:
        """Return where a contact that no longer waits counts."""
        return self.place_contact(contact, contact.settled_at or contact.entered_at or _NEVER)

    def place_refusal(self, refusal: Refusal) -> PlacedCall:
        """Return where a refused caller counts, at both levels alike."""
        inside = self._calendars.of(refusal.queue).is_open(refusal.at)
        return PlacedCall(
            Bucket(Level.CONTACT, self.name_of(refusal.queue), inside, minute_of(refusal.at)), False, None
        )

    def place_visit(self, visit: Visit, now: datetime) -> PlacedCall | None:
        """Return where a visit counts, on its own queue; None where no time of it is known."""
        waited = visit.wait_ms
        if visit.outcome is Outcome.WAITING and visit.entered_at is not None:
            waited = max(0, milliseconds(now - visit.entered_at))
        ended = visit.ended_wait_at or now
        began = visit.entered_at or visit.ended_wait_at or visit.completed_at
        return self._judged(Level.VISIT, visit.queue, began, ended, waited)

    def tally(self, history: ContactHistory) -> Tally:
        """Return the contribution of a contact and its visits.

        A contact or visit that still waits is not counted yet: its field depends on the time now.
        """
        contact, its_visits = history.contact, history.visits
        if len(its_visits) == 1 and contact.entered_at is not None:
            return self._tally_of_one(its_visits[0])
        visits = tuple([None if its.outcome is Outcome.WAITING else self._placed_visit(its) for its in its_visits])
        sums, talks = list[VisitSum](), list[tuple[str, int]]()
        for placed, visit in zip(visits, its_visits, strict=True):
            if placed is not None:
                sums.append(_sum(placed, visit))
                talks += _talk(placed, visit)
        at_contact_level = None if contact.outcome is Outcome.WAITING else self._placed_contact(contact)
        places = tuple([one for one in (at_contact_level, *visits) if one is not None])
        return Tally(at_contact_level, visits, places, tuple(sums), tuple(talks))

    def _tally_of_one(self, visit: Visit) -> Tally:
        """Return the contribution of a contact of one visit: both are judged alike, on one queue and by one set of
        times.
        """
        if visit.outcome is Outcome.WAITING or (its := self._placed_visit(visit)) is None:
            return NOWHERE_YET
        placed = Placement(
            Level.CONTACT, its.queue, its.inside, its.minute, its.field, its.early, its.judged_ms, its.recorded
        )
        return Tally(placed, (its,), (placed, its), (_sum(its, visit),), _talk(its, visit))

    def _placed_contact(self, contact: Contact) -> Placement | None:
        judged = self.place_settled(contact)
        if judged is None:
            return None
        return _placement(judged, self.field_of(contact, judged), contact.outcome, contact.start_known)

    def _placed_visit(self, visit: Visit) -> Placement | None:
        judged = self.place_visit(visit, visit.ended_wait_at or visit.entered_at or _NEVER)
        if judged is None:
            return None
        target, exit_policy = self._terms_for(judged.place.queue, judged.place.minute)
        field = judge(visit.outcome, judged.wait_ms, target, exit_policy)
        brought_by = _BROUGHT_BY.get(visit.entry_reason, "")
        return _placement(judged, field, visit.outcome, visit.start_known, brought_by)

    def target_at(self, minute: int) -> Target:
        """Return the target by which the calls of a minute are judged."""
        return self._terms_at(minute).target

    def exit_policy(self, queue: str, minute: int) -> ExitPolicy:
        """Return how deliberate exits of a queue are judged in a minute."""
        return self._terms_for(queue, minute)[1]

    def rules_version(self, minute: int) -> str:
        """Return the version of the rules by which the calls of a minute are judged."""
        return self._terms_at(minute).version

    def _terms_at(self, minute: int) -> _Terms:
        changes = self._changes
        return self._terms[bisect_right(changes, minute)] if changes else self._terms[0]

    def _terms_for(self, queue: str, minute: int) -> tuple[Target, ExitPolicy]:
        terms = self._terms_at(minute)
        if not terms.exit_policies:
            return terms.target, terms.usual_exit_policy
        return terms.target, terms.exit_policies.get(queue_key(queue), terms.usual_exit_policy)

    def field_of(self, contact: Contact, judged: PlacedCall) -> str:
        """Return the field of `Counts` that a contact with this place is counted in."""
        called_back = contact.called_back_ms
        if called_back is not None:
            called_back -= before_opening_ms(contact, judged)
        target, exit_policy = self._terms_for(contact.first_queue, judged.place.minute)
        return judge(contact.outcome, judged.wait_ms, target, exit_policy, called_back)

    def queues(self) -> list[str]:
        """Return every queue that ever counted a call, as first written."""
        return sorted({self._names[key] for held in self._series.values() for key in held})

    def has_calls(self, key: str, low: int, high: int) -> bool:
        """Return whether a call or a refused caller is counted in a queue (casefolded) from one minute to another."""
        kinds = ((level, inside) for level in Level for inside in (True, False))
        return any(any(self.numbers(level, (key,), low, high, inside)) for level, inside in kinds)

    def version(self, level: Level, keys: Keys) -> int:
        """Return a number that differs after every change to the counts of these queues."""
        if keys is None:
            return self._versions[level]
        inside, outside = self._series[level, True], self._series[level, False]
        found = 0
        for key in keys:
            if (series := inside.get(key)) is not None:
                found += series.version
            if (series := outside.get(key)) is not None:
                found += series.version
        return found

    def version_of_quarters(self, low: int, high: int) -> tuple[int, ...]:
        """Return numbers of which one differs after every change to the contacts counted in these minutes."""
        quarters = self._quarters
        return self._loaded, *(quarters.get(at, 0) for at in range(low // QUARTER, -(-high // QUARTER)))

    def counts(self, level: Level, queues: Queues, start: datetime, end: datetime, inside: bool = True) -> Counts:
        """Return the counts of the settled calls that entered from `start` up to `end`. Raises `NotHeld`."""
        return Counts(*self.numbers(level, keys_of(queues), minute_of(start), minute_after(end), inside))

    def waits(self, level: Level, queues: Queues, start: datetime, end: datetime) -> WaitFigures:
        """Return the waits of the calls answered within opening hours of a stretch. Raises `NotHeld`.

        They are exact up to two hours while the calls are held one by one, else within 1 %.
        """
        return self.figures(level, keys_of(queues), minute_of(start), minute_after(end))

    def waits_held(self, level: Level, keys: Keys, low: int, high: int) -> WaitTally:
        """Return the waits of the calls answered within opening hours in these minutes, which are held one by one."""
        together = WaitTally()
        for series in _wanted(self._series[level, True], keys):
            for tally in series.tallies(low, high):
                together.merge(tally)
        return together

    def clear(self) -> None:
        """Forget all counts that are held by the minute; the sums of the days before stay."""
        for held in self._series.values():
            for series in held.values():
                series.clear()
        self._changed_everywhere()

    def totals(self) -> dict[str, Counts]:
        """Return the counts of all settled visits and refused callers ever, per queue."""
        return {queue: Counts(*numbers) for queue, numbers in self._totals.items() if any(numbers)}

    def has_counted(self, queue: str) -> bool:
        """Return whether any call of a queue was ever counted, also before what memory holds."""
        return any(self._totals.get(self._names.get(queue_key(queue), queue), ()))

    def wait_buckets(self) -> dict[str, WaitBuckets]:
        return {queue: buckets.figures() for queue, buckets in self._buckets.items()}

    def talks(self) -> dict[str, TalkSums]:
        return {queue: TalkSums(calls=calls, seconds=ms / 1000) for queue, (calls, ms) in self._talks.items() if calls}

    # ---- inside

    def numbers(self, level: Level, keys: Keys, low: int, high: int, inside: bool) -> Numbers:
        """Return the fields of `Counts`, in their order, for the minutes from `low` up to `high`. Raises `NotHeld`."""
        base = self.base_for(level, low, high)
        held = self._series[level, inside]
        parts = [series.sum(low, high) for series in _wanted(held, keys) if series.days]
        if base is not None:
            parts += _wanted(base.counts[inside], keys)
        if len(parts) == 2:
            return list(map(add, *parts))
        return parts[0] if len(parts) == 1 else added(parts)

    def figures(self, level: Level, keys: Keys, low: int, high: int) -> WaitFigures:
        """Return the waits of these minutes, as precise as `waits` says."""
        base = self.base_for(level, low, high)
        wanted = _wanted(self._series[level, True], keys)
        if high - low <= EXACT_MINUTES and base is None:
            parts = [series.waits_between(low, high) for series in wanted]
            if None not in parts:
                return exact_figures(list(chain.from_iterable(filter(None, parts))))
        tallies = [tally for series in wanted for tally in series.tallies(low, high)]
        if base is not None:
            tallies += _wanted(base.waits[True], keys)
        return summed(tallies).figures()

    def base_for(self, level: Level, low: int, high: int) -> Base | None:
        """Return the sums of the days before the edge that a stretch begins with; None where it begins at the edge or
        later.

        Raises `NotHeld` when the sums do not fit the stretch.
        """
        if self._edge is None or low >= min(self._edge, high):
            return None
        base = self._bases.get(low)
        if base is None or level is not Level.CONTACT or high < self._edge:
            edge = datetime.fromtimestamp(self._edge * 60, UTC)
            start = datetime.fromtimestamp(low * 60, UTC)
            raise NotHeld(f"{level}: from {start:%Y-%m-%d %H:%M} on; held by the minute from {edge:%Y-%m-%d %H:%M} on")
        return base

    def series(self, level: Level, inside: bool, key: str) -> Series | None:
        """Return the calls of one queue (casefolded); None where there never was one."""
        return self._series[level, inside].get(key)

    def keys_of_level(self, level: Level) -> Iterable[str]:
        """Return every queue (casefolded) that has counts at that level."""
        return self._series[level, True].keys() | self._series[level, False].keys()

    def _series_of(self, level: Level, queue: str, inside: bool) -> Series:
        held, key = self._series[level, inside], queue_key(queue)
        series = held.get(key)
        if series is None:
            self.name_of(queue)
            series = held[key] = Series(self._days)
        return series

    def _judged(
        self, level: Level, queue: str, began: datetime | None, ended: datetime, waited_ms: int | None
    ) -> PlacedCall | None:
        """Return the place of a call by opening hours, and the wait that is judged; None where no time of it is known.

        A call that enters before opening and still waits then counts from opening.
        """
        if began is None:
            return None
        calendar, name = self._scopes.get(queue) or self._scope(queue)
        if calendar.is_open(began):
            return PlacedCall(Bucket(level, name, True, minute_of(began)), False, waited_ms)
        opening = calendar.next_opening(began)
        if opening is None or ended <= opening:
            return PlacedCall(Bucket(level, name, False, minute_of(began)), False, waited_ms)
        before_ms = milliseconds(opening - began)
        from_opening = None if waited_ms is None else max(0, waited_ms - before_ms)
        return PlacedCall(Bucket(level, name, True, minute_of(opening)), True, from_opening)

    def _scope(self, queue: str) -> tuple[Calendar, str]:
        """Return a queue's hours and its first spelling, and keep them for this spelling of it."""
        if len(self._scopes) > CACHE_SIZE:
            self._scopes.clear()
        self._scopes[queue] = found = self._calendars.of(queue), self.name_of(queue)
        return found

    def name_of(self, queue: str) -> str:
        """Return a queue as it was first written: switches differ in the case of their names."""
        return self._names.setdefault(queue_key(queue), queue)


class Calendars:
    """Opening hours by queue, with a default for queues that have none of their own."""

    def __init__(self, default: Calendar, by_queue: dict[str, Calendar] | None = None) -> None:
        self.default = default
        self._by_queue = {queue_key(name): calendar for name, calendar in (by_queue or {}).items()}

    def of(self, queue: str) -> Calendar:
        return self._by_queue.get(queue_key(queue), self.default)


def _terms_of(rules: Rules) -> _Terms:
    return _Terms(rules.target, rules.exit_policy_by_queue, rules.exit_policy, rules.judged_by_version)


class _Buckets:
    """Cumulative counts of waits for Prometheus, exact."""

    def __init__(self) -> None:
        self._counts = {Outcome.ANSWERED: [0] * (len(EDGES) + 1), Outcome.ABANDONED: [0] * (len(EDGES) + 1)}
        self._sums = {Outcome.ANSWERED: 0, Outcome.ABANDONED: 0}

    def count(self, outcome: Outcome, wait_ms: int, sign: int) -> None:
        if outcome not in self._counts:
            return
        self._counts[outcome][bisect_left(EDGES, wait_ms / 1000)] += sign
        self._sums[outcome] += sign * wait_ms

    def figures(self) -> WaitBuckets:
        return WaitBuckets(
            edges=EDGES,
            answered=_cumulative(self._counts[Outcome.ANSWERED]),
            answered_sum_seconds=self._sums[Outcome.ANSWERED] / 1000,
            abandoned=_cumulative(self._counts[Outcome.ABANDONED]),
            abandoned_sum_seconds=self._sums[Outcome.ABANDONED] / 1000,
        )


def keys_of(queues: Queues) -> Keys:
    """Return the queues casefolded, each once; None for all."""
    return None if queues is None else tuple(dict.fromkeys(queue_key(queue) for queue in queues))


def _wanted(held: dict[str, Part], keys: Keys) -> list[Part]:
    """Return the parts held for these queues, or for all."""
    if keys is None:
        return list(held.values())
    if len(keys) == 1:
        one = held.get(keys[0])
        return [] if one is None else [one]
    return [held[key] for key in keys if key in held]


_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def exact_figures(waits_ms: list[int]) -> WaitFigures:
    """Return percentiles by nearest rank from the waits themselves; quickest where these come in sorted runs."""
    if not waits_ms:
        return WaitFigures()
    ordered, number = sorted(waits_ms), len(waits_ms)
    p50, p90, p99 = [ordered[-(-number * percent // 100) - 1] / 1000 for percent in (50, 90, 99)]
    return WaitFigures(
        answered=number,
        mean_seconds=sum(ordered) / number / 1000,
        p50_seconds=p50,
        p90_seconds=p90,
        p99_seconds=p99,
        max_seconds=ordered[-1] / 1000,
        over_10_min_ratio=(number - bisect_right(ordered, TEN_MINUTES_MS)) / number,
    )


def before_opening_ms(contact: Contact, judged: PlacedCall) -> int:
    """Return the part of a contact's wait (ms) that lies before opening and is not judged."""
    if not judged.early or contact.wait_ms is None or judged.wait_ms is None:
        return 0
    return contact.wait_ms - judged.wait_ms


def _moves(before: Sequence[Figure], after: Sequence[Figure]) -> list[tuple[Figure, int]]:
    """Return the items to take out (-1) and put in (+1) to get from `before` to `after`; items in both stay."""
    if not before:
        return [(one, +1) for one in after]
    added, taken_out = list(after), []
    for one in before:
        if one in added:
            added.remove(one)
        else:
            taken_out.append((one, -1))
    return taken_out + [(one, +1) for one in added]


def _sum(placed: Placement, visit: Visit) -> VisitSum:
    wait_ms = visit.wait_ms if visit.start_known else None
    return VisitSum(placed.queue, placed.field, placed.brought_by, visit.outcome, wait_ms)


def _talk(placed: Placement | None, visit: Visit) -> tuple[tuple[str, int], ...]:
    """Return the talk of a visit that is counted, once it is over."""
    return () if placed is None or visit.talk_ms is None else ((placed.queue, visit.talk_ms),)


def _placement(judged: PlacedCall, field: str, outcome: Outcome, start_known: bool, brought_by: str = "") -> Placement:
    recorded = outcome is Outcome.ANSWERED and start_known and judged.wait_ms is not None
    return Placement(*judged.place, field, judged.early, judged.wait_ms, recorded, brought_by)


def _cumulative(numbers: list[int]) -> tuple[int, ...]:
    return tuple(accumulate(numbers))
