"""The visits of one local day in columns, as the ledger knows them: a row each visit, a column each fact.

The ledger says what a visit was, and the windows how its contact was judged; nothing is judged here. Moments are
seconds after local midnight.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from queue_monitor.core.ledger import Story
from queue_monitor.core.service_level import terms
from queue_monitor.events import EntryReason, contact_key
from queue_monitor.model import Counts, DayVisit, Outcome, Placement

Array = NDArray[np.float64]

NEVER: Final = float("inf")
NOBODY: Final = -1
ANSWERED, ABANDONED, LEFT = 1, 2, 3
IN_TIME, LATE, HUNG_UP_SHORT, HUNG_UP_IN_TIME, HUNG_UP_LATE, LEFT_OTHERWISE, WAITING = range(7)
"""What a contact was judged as, in the order of `day.Tally`; `WAITING` as long as it is not settled."""
UNCOUNTED: Final = -1

_ENTERED, _ENDED, _COMPLETED, _SETTLED, _CLOCK = range(5)
_HOW_ENDED, _AGENT, _QUEUE, _JUDGED_AS, _CONTACT, _NEXT = range(6)
_COUNTED, _TIMED, _SEVERAL = range(3)
_NO_ARRIVAL: Final = frozenset({EntryReason.TRANSFER, EntryReason.CALLBACK})
_HOW: Final = {Outcome.WAITING: 0, Outcome.ANSWERED: ANSWERED, Outcome.ABANDONED: ABANDONED}


class Columns(NamedTuple):
    """The visits of a pool in the order in which they were first heard of. Nothing ends before it began.

    `counted`: it is a call to the pool, not a transfer of one who had been answered. `timed`: its beginning is known.
    `carried`: seconds that the contact waited before in another queue of the pool. `superseded`: when it went on to the
    next one. `judged`, `settled`, `clock`: of a contact's first visit what the contact was judged as, when that was
    settled, and from when its wait counts; of the others `UNCOUNTED`.
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


class DayCalls:
    """All visits of one local day, of every queue. `version` differs after every change."""

    def __init__(self, midnight: datetime) -> None:
        self.midnight = midnight
        self.version = 0
        self.queues: dict[str, int] = {}
        self._agents: dict[str, int] = {"": NOBODY}
        self._first: dict[int, int] = {}
        self._loaded: set[int] = set()
        self._count = 0
        self._moments = np.empty((5, 256))
        self._numbers = np.empty((6, 256), np.int64)
        self._flags = np.empty((3, 256), bool)

    def __len__(self) -> int:
        return self._count

    # ---- what is known

    def change(self, contact_id: str, story: Story | None, placed: Placement | None) -> None:
        """Take a contact as it stands now, None when there is no such contact. `placed`: where it counts, None while it
        waits.
        """
        self.version += 1
        visits, number = story.visits if story else (), contact_number(contact_id)
        self._loaded.discard(number)
        rows = self._rows(number, len(visits))
        self._numbers[_JUDGED_AS, rows[1:]] = UNCOUNTED
        for row, visit in zip(rows, visits, strict=False):
            its = visit.entered_at, visit.ended_wait_at, visit.completed_at
            self._put(row, visit.queue, visit.outcome, visit.entry_reason, visit.agent_id, *map(self._second, its))
        for row in rows[len(visits) :]:
            self._moments[_ENTERED, row] = NEVER
        if story is not None:
            contact = story.contact
            waits_from = None if contact.wait_ms is None else self._second(contact.waiting_since)
            if waits_from is not None and contact.wait_ms:
                waits_from -= contact.wait_ms / 1000
            judged = WAITING if contact.outcome is Outcome.WAITING else judged_as(placed)
            self._judge(rows[0], judged, self._second(contact.settled_at), waits_from)

    def load(self, visits: Iterable[DayVisit]) -> None:
        """Take up visits that the store has of this day, in the order of their entry. What `change` has said of a
        contact is newer and stays: so is everybody who waits.
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
        how = _HOW.get(outcome, LEFT)
        moments, numbers, flags = self._moments, self._numbers, self._flags
        moments[_ENTERED, row] = began = 0.0 if began is None else began
        moments[_ENDED, row] = NEVER if not how else began if ended is None else ended
        moments[_COMPLETED, row] = NEVER if completed is None else completed
        numbers[_HOW_ENDED, row] = how
        numbers[_AGENT, row] = self._agents.setdefault(agent or "", len(self._agents) + NOBODY)
        numbers[_QUEUE, row] = self.queues.setdefault(queue.casefold(), len(self.queues))
        flags[_COUNTED, row] = entered is not None and entered >= 0.0 and reason not in _NO_ARRIVAL
        flags[_TIMED, row] = entered is not None

    def _judge(self, row: int, judged: int, settled: float | None, waits_from: float | None) -> None:
        """Note how a contact was judged, with its first visit. One that came before midnight counts in another day."""
        if not self._flags[_TIMED, row] or self._moments[_ENTERED, row] < 0.0:
            judged = UNCOUNTED
        self._numbers[_JUDGED_AS, row] = judged
        self._moments[_SETTLED, row] = NEVER if judged == WAITING or settled is None else settled
        entered = self._moments[_ENTERED, row]
        self._moments[_CLOCK, row] = entered if judged != WAITING else NEVER if waits_from is None else waits_from

    def _second(self, at: datetime | None) -> float | None:
        return None if at is None else (at - self.midnight).total_seconds()

    def began_by(self, second: float) -> bool:
        """Whether a visit of this day had begun by then."""
        entered = self._moments[_ENTERED, : self._count]
        return bool(((entered > 0.0) & (entered <= second)).any())

    # ---- rows

    def _rows(self, contact: int, at_least: int) -> list[int]:
        """The rows of a contact in the order of its visits, at least so many."""
        rows, row = [], self._first.get(contact, NOBODY)
        while row != NOBODY:
            rows.append(row)
            row = int(self._numbers[_NEXT, row])
        while len(rows) < at_least:
            rows.append(self._add(contact, several=bool(rows)))
        return rows

    def _add(self, contact: int, *, several: bool) -> int:
        """A new row behind the contact's last one."""
        row = self._count
        if row == self._moments.shape[1]:
            self._moments = np.concatenate([self._moments, np.empty_like(self._moments)], axis=1)
            self._numbers = np.concatenate([self._numbers, np.empty_like(self._numbers)], axis=1)
            self._flags = np.concatenate([self._flags, np.empty_like(self._flags)], axis=1)
        self._count += 1
        self._moments[:, row] = NEVER
        self._numbers[:, row] = (0, NOBODY, NOBODY, UNCOUNTED, row, NOBODY)
        self._flags[:, row] = (True, True, several)
        if not several:
            self._first[contact] = row
            return row
        before = first = self._first[contact]
        while (following := int(self._numbers[_NEXT, before])) != NOBODY:
            before = following
        self._numbers[_NEXT, before], self._numbers[_CONTACT, row] = row, first
        self._flags[_SEVERAL, first] = True
        return row

    # ---- what it adds up to

    def columns(self, queues: frozenset[str], opens: float, closes: float) -> Columns:
        """The visits of these queues (casefolded; none: of all), those before opening from opening on. Who left before
        opening, or came after closing, is no call of the day.
        """
        count = self._count
        entered, ended, completed, settled, clock = self._moments[:, :count]
        how, agent, queue, judged, contact, _ = self._numbers[:, :count]
        counted, timed, several = self._flags[:, :count]
        ours = entered < NEVER
        if queues:
            ours &= np.isin(queue, [number for key, number in self.queues.items() if key in queues])
        rows = np.flatnonzero(ours)
        began = entered[rows]
        entered = np.maximum(began, opens)
        counted = counted[rows] & (began < closes) & (ended[rows] > opens)
        ended = np.maximum(ended[rows], entered)
        carried, superseded = np.zeros(len(rows)), np.full(len(rows), NEVER)
        moved = np.flatnonzero(several[rows] & counted)
        if len(moved):
            _link(moved, contact[rows], entered, ended, how[rows], carried, superseded)
        return Columns(
            entered,
            ended,
            how[rows],
            np.maximum(completed[rows], ended),
            counted,
            timed[rows],
            carried,
            superseded,
            agent[rows],
            queue[rows],
            np.where(counted, judged[rows], UNCOUNTED),
            settled[rows],
            clock[rows] + (entered - began),
        )


def _link(
    moved: NDArray[np.int64],
    contact: NDArray[np.int64],
    entered: Array,
    ended: Array,
    how: NDArray[np.int64],
    carried: Array,
    superseded: Array,
) -> None:
    """Join the visits of a contact that came to another queue of the pool before anybody answered: its waits add up."""
    order = moved[np.lexsort((entered[moved], contact[moved]))]
    for before, row in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if contact[before] == contact[row] and how[before] != ANSWERED:
            superseded[before] = entered[row]
            carried[row] = carried[before] + max(0.0, min(ended[before], entered[row]) - entered[before])


def contact_number(contact_id: str) -> int:
    """The number by which a contact is known here: the first eight bytes of its key in the store."""
    return int.from_bytes(contact_key(contact_id)[:8], "little", signed=True)


def judged_as(placed: Placement | None) -> int:
    """What a settled contact that counts so was judged as; one outside opening hours, or that counts nowhere, as
    nothing.
    """
    return _JUDGED.get(placed.field, UNCOUNTED) if placed is not None and placed.inside else UNCOUNTED


def _judged(field: str) -> int:
    its = terms(Counts(**{field: 1}))
    fates = (its.in_time, its.answered, its.abandoned_short, its.abandoned_in_time, its.abandoned_late)
    return next((fate for fate, number in enumerate((*fates, its.without_answer)) if number), UNCOUNTED)


_JUDGED: Final = {field: _judged(field) for field in Counts.__struct_fields__}
