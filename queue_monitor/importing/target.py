"""The target of an import: the store, without calls of days that another import or the journal has brought.

The progress of the import is saved in the same transaction.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from msgspec import Struct, structs

from queue_monitor.events import contact_key
from queue_monitor.model import CallRecord, Committed, JournalBatch, RefusalRecord, Visit
from queue_monitor.queues import queue_key
from queue_monitor.store import SqlStore
from queue_monitor.store.imported_days import place_of_refusal, places_of
from queue_monitor.store.imports import JOURNAL, SUMS_ONLY
from queue_monitor.store.local_days import LocalDays

NOT_OVER: Final = "not over"
_FREE: Final = ""


class HeldDay(Struct, frozen=True, order=True):
    """A day of a queue that others have, and who: `JOURNAL`, `SUMS_ONLY`, `NOT_OVER` or the name of another import."""

    day: date
    queue: str
    why: str


class Tally(Struct, kw_only=True):
    """The counts of an import so far: calls by month and queue, and calls of days that another has."""

    added: dict[str, int] = {}
    refused_callers: dict[str, int] = {}
    held: dict[str, int] = {}
    there: int = 0
    replaced: int = 0

    def count(self, counts: dict[str, int], day: date, queue: str, number: int = 1) -> None:
        """Count a call in its month."""
        key = f"{day.year}-{day.month:02} {queue}"
        counts[key] = counts.get(key, 0) + number


class Target:
    """The part of a store that an importing pipeline needs. All else is the store's own.

    `home`: the store that is asked about days; in a real run also the one that is written.
    `tells_talk`: the files say how long each talk was.
    `progress`: returns what is written beside each batch, for an import that goes on after it was broken off.
    """

    def __init__(
        self,
        store: SqlStore,
        home: SqlStore | None,
        name: str,
        days: LocalDays,
        today: date,
        *,
        replace: bool,
        tells_talk: bool = True,
        progress: Callable[[Tally], str] = lambda tally: "",
    ) -> None:
        self._store = store
        self._home = home
        self._name = name
        self._days = days
        self._today = today
        self._replace = replace
        self._fates: dict[tuple[date, str], str] = {}
        self._asked: set[date] = set()
        self._touched: set[tuple[date, str]] = set()
        self.tally = Tally()
        self.held_days: Counter[HeldDay] = Counter()
        self.replaced: set[HeldDay] = set()
        self._tells_talk = tells_talk
        self._progress = progress
        self._spelled: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def resume(self, tally: Tally) -> None:
        """Go on counting from an interrupted import's tally."""
        self.tally = tally
        for where in (*tally.added, *tally.refused_callers):
            self._first_spelled(where.partition(" ")[2])

    async def commit(self, batch: JournalBatch) -> Committed:
        """Commit the part of a batch that is accepted. Raises `StoreError`, and `Outdated`."""
        places = [places_of(record, self._days) for record in batch.calls]
        of_refusals = [place_of_refusal(record, self._days) for record in batch.refusals]
        await self._ask({day for each in places for day, _ in each} | {day for (day, _), _ in of_refusals})
        await self._make_room([*places, *({place: queue} for place, queue in of_refusals)])
        before, self.tally, held = self.tally, _copied(self.tally), Counter[HeldDay]()
        try:
            stand = await self._standing(batch.calls, places)
            calls = [
                (self._call(record, its, held), its)
                for record, its in zip(batch.calls, places, strict=True)
                if contact_key(record.contact_id) not in stand
            ]
            refusals = [
                (record, {place: queue})
                for record, (place, queue) in zip(batch.refusals, of_refusals, strict=True)
                if not self._is_held({place: queue}, held, counts=True)
            ]
            accepted = [(call, its) for call, its in calls if call.contact]
            await self._count_calls(accepted)
            await self._count_refusals([record for record, _ in refusals])
            new = {place: queue for _, its in (*accepted, *refusals) for place, queue in its.items()}
            touched = [(day, queue) for (day, key), queue in new.items() if (day, key) not in self._touched]
            beside = partial(self._beside, touched=touched)
            kept = structs.replace(
                batch,
                calls=tuple(call for call, _ in calls),
                refusals=tuple(record for record, _ in refusals),
            )
            committed = await self._store.commit(kept, beside)
        except BaseException:
            self.tally = before
            raise
        self._touched |= new.keys()
        self.held_days += held
        return committed

    async def _standing(
        self, records: Sequence[CallRecord], places: Sequence[dict[tuple[date, str], str]]
    ) -> set[bytes]:
        """Return the calls that stay as they are: the store has them, and their day and queue are not accepted now.

        An earlier run of this import has brought them, before their day was another's or part of it was deleted.
        """
        held = [record for record, its in zip(records, places, strict=True) if any(self._fate(*place) for place in its)]
        before = await (self._home or self._store).imports.places_of(
            [contact_key(record.contact_id) for record in held]
        )
        stand = {key for key, its in before.items() if any(self._fate(*place) for place in its)}
        self.tally.there += sum(contact_key(one.contact_id) in stand and not one.is_known for one in held)
        return stand

    async def _make_room(self, places: Sequence[dict[tuple[date, str], str]]) -> None:
        """Take out the calls of others on days that are to be replaced and that these calls need."""
        if not self._replace:
            return
        needed = {
            place: queue
            for its in places
            for place, queue in its.items()
            if self._fates.get(place) and not any(self._fate(*other) for other in its)
        }
        if not needed:
            return
        if self._store is self._home:
            self.tally.replaced += await self._store.imports.replace(
                self._name, [(day, queue) for (day, _), queue in needed.items()]
            )
        for place, queue in needed.items():
            self.replaced.add(HeldDay(place[0], queue, self._fates.pop(place)))

    def _beside(self, connection: Any, touched: Sequence[tuple[date, str]]) -> None:
        self._store.imports.touch(connection, self._name, touched, self._progress(self.tally))

    async def _ask(self, days: set[date]) -> None:
        """Find the holders of the calls of these days."""
        for day in sorted(days - self._asked):
            self._asked.add(day)
            if self._home is not None and day < self._today:
                for key, holder in (await self._home.imports.holders(day, self._name)).items():
                    self._fates[day, key] = holder

    def _fate(self, day: date, key: str) -> str:
        """Return why a day of a queue is not accepted; "" when it is."""
        if day >= self._today:
            return NOT_OVER
        why = self._fates.get((day, key), _FREE)
        return _FREE if self._replace and why != SUMS_ONLY else why

    def _call(self, record: CallRecord, places: dict[tuple[date, str], str], held: Counter[HeldDay]) -> CallRecord:
        """Return the call in its saved form: closed, and without a contact when one of its days is not accepted."""
        if self._is_held(places, held, counts=not record.is_known):
            return CallRecord(contact_id=record.contact_id, contact=None, is_known=record.is_known, rules=record.rules)
        if self._tells_talk and not record.is_open:
            return record
        visits = record.visits if self._tells_talk else tuple(map(_without_talk, record.visits))
        return structs.replace(record, is_open=False, visits=visits)

    def _is_held(self, places: dict[tuple[date, str], str], held: Counter[HeldDay], *, counts: bool) -> bool:
        for (day, key), queue in places.items():
            if why := self._fate(day, key):
                if counts:
                    held[HeldDay(day, queue, why)] += 1
                    self.tally.count(self.tally.held, day, queue)
                return True
        return False

    async def _count_calls(self, records: Sequence[tuple[CallRecord, dict[tuple[date, str], str]]]) -> None:
        new = [each for each in records if not each[0].is_known]
        there: set[bytes] = set()
        if self._home is not None and self._home is not self._store and new:
            there = await self._home.imports.known([contact_key(record.contact_id) for record, _ in new])
        for record, places in new:
            if contact_key(record.contact_id) in there:
                self.tally.there += 1
            elif record.contact is not None:
                day = min((day for day, _ in places), default=self._today)
                self.tally.count(self.tally.added, day, self._first_spelled(record.contact.first_queue))

    async def _count_refusals(self, records: Sequence[RefusalRecord]) -> None:
        there = await self._store.imports.known_refusals(records)
        if self._home is not None and self._home is not self._store:
            there |= await self._home.imports.known_refusals(records)
        for number, record in enumerate(records):
            if number not in there and record.is_counted:
                (day, _), queue = place_of_refusal(record, self._days)
                self.tally.count(self.tally.refused_callers, day, self._first_spelled(queue))

    def _first_spelled(self, queue: str) -> str:
        """Return a queue's name as it was first spelled here."""
        return self._spelled.setdefault(queue_key(queue), queue)


def _copied(tally: Tally) -> Tally:
    return structs.replace(
        tally, added=dict(tally.added), refused_callers=dict(tally.refused_callers), held=dict(tally.held)
    )


def _without_talk(visit: Visit) -> Visit:
    return visit if visit.talk_ms is None else structs.replace(visit, talk_ms=None, completed_at=None)


def said_of(why: str) -> str:
    """Return in words why a day is not accepted."""
    words = {
        JOURNAL: "the journal holds events of it",
        SUMS_ONLY: "only its sums are kept, so its calls cannot be told apart from these",
        NOT_OVER: "the day is not over",
    }
    return words.get(why, f"the import {why} has brought it")
