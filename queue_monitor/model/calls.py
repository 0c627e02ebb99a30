"""Visits, contacts and refused callers, and how each ended."""

from datetime import date, datetime
from typing import Final

from msgspec import Struct

from queue_monitor.events import EndedBy, EntryReason, OutcomeBasis, RefusalReason, TimeBasis
from queue_monitor.outcomes import Outcome

HAD_TO_WAIT_SECONDS: Final = 5.0
"""A caller who waited longer than this had to wait: it is longer than the ring at an agent who is free."""


class Visit(Struct, frozen=True, kw_only=True, gc=False):
    """One stay in one queue, put together from all events about it.

    `wait_ms`: None while the caller waits, and when the start was not seen and could not be worked out.
    `start_known`: false when no source saw the caller join; such a wait is never put in a histogram.
    `precision_ms`: the uncertainty of the wait.
    `rings`: the number of rings at agents.
    """

    visit_id: str
    contact_id: str
    leg_id: str
    switch: str
    source: str
    queue: str
    entered_at: datetime | None
    ended_wait_at: datetime | None
    outcome: Outcome
    outcome_basis: OutcomeBasis = OutcomeBasis.STATED
    wait_ms: int | None = None
    time_basis: TimeBasis = TimeBasis.SWITCH
    precision_ms: int = 1
    start_known: bool = True
    agent_id: str | None = None
    rings: int = 0
    completed_at: datetime | None = None
    talk_ms: int | None = None
    ended_by: EndedBy | None = None
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    next_queue: str | None = None
    key: str | None = None
    position: int | None = None


class Contact(Struct, frozen=True, kw_only=True, gc=False):
    """One person's whole call, judged once: on its first queue, at the first human answer.

    `wait_ms`: the time spent waiting in any queue up to the first answer, overlaps counted once. While the caller waits
        it is the known part before `waiting_since`.
    `waiting_since`: when the first of the open visits began.
    `wait_after_transfer_ms`: the time spent waiting after the first answer.
    `called_back_ms`: from entry to the answer of the call back, None until then. A caller who left the queue and was
        called back keeps the outcome of leaving.
    """

    contact_id: str
    first_queue: str
    entered_at: datetime | None
    outcome: Outcome
    visit_ids: tuple[str, ...]
    wait_ms: int | None = None
    waiting_since: datetime | None = None
    settled_at: datetime | None = None
    wait_after_transfer_ms: int = 0
    called_back_ms: int | None = None
    start_known: bool = True
    precision_ms: int = 1


class Refusal(Struct, frozen=True, kw_only=True):
    """A caller who never got into a queue."""

    source: str
    switch: str
    contact_id: str
    leg_id: str
    queue: str
    reason: RefusalReason
    at: datetime
    time_basis: TimeBasis = TimeBasis.SWITCH
    precision_ms: int = 1


class LostCall(Struct, frozen=True, kw_only=True):
    """A caller whom nobody answered, as a line in a list. No field identifies the caller.

    `queue`: the first queue, where the call is counted.
    `last_queue`: the queue where the call was lost.
    `entered_at`: for a refused caller, the time of the refusal.
    `wait_seconds`: the wait that is judged, None when the start was not seen. For a caller from before opening who
        still waited then (`early`) it counts from opening.
    `counted_as`: the field of `Counts`.
    `is_short`: the caller hung up before the short limit.
    `is_late`: the call was lost past the limit.
    `reached_later`: the same person was answered in a later call the same day; None where the source does not tell
        callers apart.
    """

    queue: str
    last_queue: str
    entered_at: datetime | None
    lost_at: datetime | None
    wait_seconds: float | None
    outcome: Outcome
    counted_as: str
    is_short: bool
    is_late: bool
    early: bool
    in_opening_hours: bool
    reached_later: bool | None = None


class RepeatCallers(Struct, frozen=True, kw_only=True, gc=False):
    """A local day's calls of callers who are told apart, by the queue that each call entered first.

    A call whose caller is not told apart is in none of the counts. An earlier or later call may be to another queue.
    `since`: only calls that came in from this moment on are known: midnight, or the start of the monitor that day.
    `calls`: calls that came in; `repeated` of them came from a caller who had called before that day.
    `lost`: calls that nobody answered; `reached_later` of them were made good by an answered later call.
    `answered`: calls that were answered; `not_back` of them came from a caller who has not called again that day.
    """

    since: datetime
    calls: int
    repeated: int
    lost: int
    reached_later: int
    answered: int
    not_back: int

    @property
    def repeat_ratio(self) -> float | None:
        """Return the share of the calls that came from a caller who had called before, 0 to 1; None without calls."""
        return _ratio(self.repeated, self.calls)

    @property
    def reached_later_ratio(self) -> float | None:
        """Return the share of the lost calls whose caller was reached later, 0 to 1; None without lost calls."""
        return _ratio(self.reached_later, self.lost)

    @property
    def not_back_ratio(self) -> float | None:
        """Return the share of the answered calls whose caller has not called again, 0 to 1; None without answers."""
        return _ratio(self.not_back, self.answered)


class RepeatDay(Struct, frozen=True, kw_only=True):
    """The counts of callers who called again, of one local day and queue, by one run of the monitor."""

    day: date
    queue: str
    found: RepeatCallers


def _ratio(part: int, of: int) -> float | None:
    return part / of if of else None


class TransferWaits(Struct, frozen=True, kw_only=True):
    """The second waits of callers who had been answered and passed on, by the queue that received them.

    They never change the judgement made at the first answer. `waiting` of the `calls` still wait; the waits are in
    seconds and cover calls whose wait is over and known.
    """

    queue: str
    calls: int
    answered: int
    waiting: int
    mean_seconds: float | None
    longest_seconds: float | None

    @property
    def unanswered(self) -> int:
        """Return the number of callers who stopped waiting without an answer."""
        return self.calls - self.answered - self.waiting


IMPORT_SOURCE: Final = "urn:kc:import:"
"""The source of an imported call is this prefix followed by the name of the import."""
