"""The visits of one local day in columns: a row for each visit, a column for each fact.

The ledger says what a visit was, and the windows how its contact was judged; nothing is judged here. Moments are
seconds after local midnight.
"""

from array import array
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.forecasting import DoubtfulVisit
from queue_monitor.core.service_level import terms
from queue_monitor.events import EntryReason, contact_key
from queue_monitor.model import Contact, Counts, DayVisit, Outcome, Placement
from queue_monitor.queues import queue_key

Array = NDArray[np.float64]

NEVER: Final = float("inf")
NOBODY: Final = -1
ANSWERED, ABANDONED, LEFT = 1, 2, 3
IN_TIME, LATE, HUNG_UP_SHORT, HUNG_UP_IN_TIME, HUNG_UP_LATE, LEFT_OTHERWISE, WAITING = range(7)
"""The judgements of a contact, in the order of `day.OutcomeCounts`; `WAITING` while it is not settled."""
UNCOUNTED: Final = -1
EXCLUDED: Final = -2
"""An exit that a setting leaves out of the target: not a call of the day, and not a caller who gave up."""


_NO_ARRIVAL: Final = frozenset({EntryReason.TRANSFER, EntryReason.CALLBACK})
_HOW: Final = {Outcome.WAITING: 0, Outcome.ANSWERED: ANSWERED, Outcome.ABANDONED: ABANDONED}


class Columns(NamedTuple):
    """The visits of a pool in the order of their first events. No visit ends before it began.

    `counted`: it is a call to the pool, not a transfer of a caller who had been answered.
    `timed`: its beginning is known.
    `carried`: seconds that the contact waited before in another queue of the pool.
    `superseded`: when the contact went on to the next visit.
    `judged`: the judgement of the contact, with its first visit; `UNCOUNTED` for the others.
    `settled`: when that was settled.
    `clock`: the time from which the contact's wait counts.
    `doubtful`: the caller may have left unseen.
    `known_until`: until when it is known whether the caller waits; `NEVER` where that is always known.
    """

    entered: Array
    ended: Array
    how: NDArray[np.int64]
    completed: Array
    counted: NDArray[np.bool_]
    timed: NDArray[np.bool_]
    carried: Array
    superseded: Array
    agent: NDArray[np.int64]
    queue: NDArray[np.int64]
    judged: NDArray[np.int64]
    settled: Array
    clock: Array
    doubtful: NDArray[np.bool_]
    known_until: Array


class DayCalls:
    """All visits of one local day, of every queue. `version` differs after every change.

    `gaps`: the stretches in which nothing was heard, from and until, oldest first.

    The columns are arrays that grow: a change writes single numbers, a reading copies whole columns.
    """

    def __init__(self, midnight: datetime) -> None:
        self.midnight = midnight
        self.version = 0
        self.queues: dict[str, int] = {}
        self._agents: dict[str, int] = {"": NOBODY}
        self.gaps: list[tuple[float, float]] = []
        self._first: dict[int, int] = {}
        self._loaded: set[int] = set()
        self._doubtful: set[int] = set()
        self._known_until: dict[int, float] = {}
        self._entered, self._ended, self._completed = array("d"), array("d"), array("d")
        self._settled, self._clock = array("d"), array("d")
        self._how, self._judged = array("q"), array("q")
        self._agent, self._queue = array("q"), array("q")
        self._contact, self._next = array("q"), array("q")
        self._counted, self._timed, self._several = array("b"), array("b"), array("b")

    def __len__(self) -> int:
        return len(self._entered)

    # ---- input

    def knows(self, contact_id: str) -> bool:
        """Return whether any visit of this contact is among those of this day."""
        return contact_number(contact_id) in self._first

    def change(self, contact_id: str, history: ContactHistory | None, placed: Placement | None) -> None:
        """Take a contact as it is now, None when there is no such contact.

        `placed`: where it counts, None while it waits.
        """
        self.version += 1
        number = contact_number(contact_id)
        self._loaded.discard(number)
        if history is None:
            rows = self._rows(number, 0)
        else:
            rows = self._rows(number, len(history.visits))
            for row, visit in zip(rows, history.visits, strict=False):
                entered, ended, completed = visit.entered_at, visit.ended_wait_at, visit.completed_at
                self._put(
                    row,
                    visit.queue,
                    visit.outcome,
                    visit.entry_reason,
                    visit.agent_id,
                    None if entered is None else (entered - self.midnight).total_seconds(),
                    None if ended is None else (ended - self.midnight).total_seconds(),
                    None if completed is None else (completed - self.midnight).total_seconds(),
                )
            self._judge_contact(rows[0], history.contact, placed)
        for row in rows[len(history.visits) if history else 0 :]:
            self._entered[row] = NEVER
        for row in rows[1:]:
            self._judged[row] = UNCOUNTED

    def _judge_contact(self, row: int, contact: Contact, placed: Placement | None) -> None:
        if contact.outcome is not Outcome.WAITING:
            self._judge(row, judged_as(placed), self._second(contact.settled_at), None)
            return
        waits_from = None if contact.wait_ms is None else self._second(contact.waiting_since)
        if waits_from is not None and contact.wait_ms:
            waits_from -= contact.wait_ms / 1000
        self._judge(row, WAITING, None, waits_from)

    def doubt(self, visits: Iterable[DoubtfulVisit]) -> None:
        """Mark these visits, and no others, as of callers who may have left unseen."""
        doubtful, known_until = set[int](), dict[int, float]()
        for contact_id, place, until in visits:
            rows = self._rows(contact_number(contact_id), 0)
            doubtful.update(rows[place : place + 1])
            if until is not None:
                known_until |= dict.fromkeys(rows, (until - self.midnight).total_seconds())
        if (doubtful, known_until) != (self._doubtful, self._known_until):
            self._doubtful, self._known_until = doubtful, known_until
            self.version += 1

    def miss(self, gaps: Iterable[tuple[datetime, datetime | None]]) -> None:
        """Note the stretches of this day in which nothing was heard."""
        found = []
        for start, end in gaps:
            until = NEVER if end is None else (end - self.midnight).total_seconds()
            if until > 0.0:
                found.append((max(0.0, (start - self.midnight).total_seconds()), until))
        if found != self.gaps:
            self.gaps = found
            self.version += 1

    def load(self, visits: Iterable[DayVisit]) -> None:
        """Load the visits that the store has of this day, in the order of their entry.

        A contact that `change` has given is newer and stays; so do all who wait.
        """
        self.version += 1
        began_us = round(self.midnight.timestamp()) * 1_000_000

        def second(at_us: int | None) -> float | None:
            return None if at_us is None else (at_us - began_us) / 1_000_000

        for its in visits:
            known = its.contact in self._first
            entered, ended, completed = second(its.entered_us), second(its.ended_us), second(its.completed_us)
            over = completed if its.outcome is Outcome.ANSWERED else ended
            if (known and its.contact not in self._loaded) or (over is not None and over < 0.0):
                continue
            self._loaded.add(its.contact)
            row = self._add(its.contact, several=known)
            self._put(row, its.queue, its.outcome, its.entry_reason, its.agent, entered, ended, completed)
            if its.number == 0:
                self._judge(row, judged_as(its.placed), second(its.settled_us), None)

    def _put(
        self,
        row: int,
        queue: str,
        outcome: Outcome,
        reason: EntryReason,
        agent: str | None,
        entered: float | None,
        ended: float | None,
        completed: float | None,
    ) -> None:
        began = entered if entered is not None else ended if ended is not None else completed
        began = 0.0 if began is None else began
        how = _HOW.get(outcome, LEFT)
        self._entered[row] = began
        self._ended[row] = NEVER if not how else began if ended is None else ended
        self._completed[row] = NEVER if completed is None else completed
        self._how[row] = how
        self._agent[row] = self._agents.setdefault(agent or "", len(self._agents) + NOBODY)
        number = self.queues.get(queue)
        self._queue[row] = self._number_of(queue) if number is None else number
        self._counted[row] = entered is not None and entered >= 0.0 and reason not in _NO_ARRIVAL
        self._timed[row] = entered is not None

    def _number_of(self, queue: str) -> int:
        return self.queues.setdefault(queue_key(queue), len(self.queues))

    def _judge(self, row: int, judged: int, settled: float | None, waits_from: float | None) -> None:
        """Note how a contact was judged, with its first visit. A contact that came before midnight counts in another
        day.
        """
        if not self._timed[row] or self._entered[row] < 0.0:
            judged = UNCOUNTED
        self._judged[row] = judged
        self._settled[row] = NEVER if judged == WAITING or settled is None else settled
        waits = NEVER if waits_from is None else waits_from
        self._clock[row] = waits if judged == WAITING else self._entered[row]

    def _second(self, at: datetime | None) -> float | None:
        return None if at is None else (at - self.midnight).total_seconds()

    def began_by(self, second: float) -> bool:
        """Return whether a visit of this day had begun by then."""
        return any(0.0 < entered <= second for entered in self._entered)

    # ---- rows

    def _rows(self, contact: int, at_least: int) -> list[int]:
        """Return the rows of a contact in the order of its visits, at least `at_least` of them."""
        rows, row = [], self._first.get(contact, NOBODY)
        while row != NOBODY:
            rows.append(row)
            row = self._next[row]
        while len(rows) < at_least:
            rows.append(self._add(contact, several=bool(rows)))
        return rows

    def _add(self, contact: int, *, several: bool) -> int:
        """Add a row behind the contact's last one; return it."""
        row = len(self._entered)
        for moments in (self._entered, self._ended, self._completed, self._settled, self._clock):
            moments.append(NEVER)
        for numbers in (self._how, self._agent, self._queue, self._counted, self._timed):
            numbers.append(0)
        self._judged.append(UNCOUNTED)
        self._next.append(NOBODY)
        self._several.append(several)
        if not several:
            self._contact.append(row)
            self._first[contact] = row
            return row
        before = first = self._first[contact]
        while (following := self._next[before]) != NOBODY:
            before = following
        self._next[before] = row
        self._contact.append(first)
        self._several[first] = True
        return row

    # ---- output

    def columns(self, queues: frozenset[str], opens: float, closes: float) -> Columns:
        """Return the visits of these queues (casefolded; empty for all); those from before opening begin at opening.

        A caller who left before opening, or came after closing, is not a call of the day.
        """
        entered, ended, completed = _copied(self._entered), _copied(self._ended), _copied(self._completed)
        queue, how, clock = _copied(self._queue), _copied(self._how), _copied(self._clock)
        counted, timed, several = _copied(self._counted), _copied(self._timed), _copied(self._several)
        ours = entered < NEVER
        if queues:
            ours &= np.isin(queue, [number for key, number in self.queues.items() if key in queues])
        rows = np.flatnonzero(ours)
        began = entered[rows]
        entered = np.maximum(began, opens)
        judged = _copied(self._judged)[rows]
        counted = counted[rows].astype(bool) & (judged != EXCLUDED) & (began < closes) & (ended[rows] > opens)
        ended = np.maximum(ended[rows], entered)
        carried, superseded = np.zeros(len(rows)), np.full(len(rows), NEVER)
        moved = np.flatnonzero((several[rows] != 0) & counted)
        if len(moved):
            _link(moved, _copied(self._contact)[rows], entered, ended, how[rows], carried, superseded)
        return Columns(
            entered,
            ended,
            how[rows],
            np.maximum(completed[rows], ended),
            counted,
            timed[rows] != 0,
            carried,
            superseded,
            _copied(self._agent)[rows],
            queue[rows],
            np.where(counted | (judged == EXCLUDED), judged, UNCOUNTED),
            _copied(self._settled)[rows],
            clock[rows] + (entered - began),
            np.isin(rows, list(self._doubtful)),
            self._known(rows),
        )

    def _known(self, rows: NDArray[np.int64]) -> Array:
        if not self._known_until:
            return np.full(len(rows), NEVER)
        return np.array([self._known_until.get(row, NEVER) for row in rows.tolist()])


def _copied(column: "array[Any]") -> NDArray[Any]:
    """Return a copy of a column as it is now; a view would forbid it to grow."""
    return np.frombuffer(column, column.typecode).copy() if column else np.empty(0, column.typecode)


def _link(
    moved: NDArray[np.int64],
    contact: NDArray[np.int64],
    entered: Array,
    ended: Array,
    how: NDArray[np.int64],
    carried: Array,
    superseded: Array,
) -> None:
    """Join the visits of a contact that came to another queue of the pool before it was answered: its waits add up."""
    order = moved[np.lexsort((entered[moved], contact[moved]))]
    for before, row in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if contact[before] == contact[row] and how[before] != ANSWERED:
            superseded[before] = entered[row]
            carried[row] = carried[before] + max(0.0, min(ended[before], entered[row]) - entered[before])


@lru_cache(maxsize=4096)
def contact_number(contact_id: str) -> int:
    """Return the number by which a contact is known here: the first eight bytes of its key in the store."""
    return int.from_bytes(contact_key(contact_id)[:8], "little", signed=True)


def judged_as(placed: Placement | None) -> int:
    """Return how a settled contact with this place was judged; `UNCOUNTED` outside opening hours and for one that
    counts nowhere.
    """
    return _JUDGED.get(placed.field, UNCOUNTED) if placed is not None and placed.inside else UNCOUNTED


def _judged(field: str) -> int:
    its = terms(Counts(**{field: 1}))
    outcomes = (its.in_time, its.answered, its.abandoned_short, its.abandoned_in_time, its.abandoned_late)
    return next((outcome for outcome, number in enumerate((*outcomes, its.without_answer)) if number), UNCOUNTED)


_JUDGED: Final = {field: _judged(field) for field in Counts.__struct_fields__} | {"excluded": EXCLUDED}
