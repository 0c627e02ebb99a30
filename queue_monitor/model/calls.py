"""Visits, contacts and refused callers, and how each ended."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from queue_monitor.events import EndedBy, EntryReason, OutcomeBasis, RefusalReason, TimeBasis

HAD_TO_WAIT_SECONDS: Final = 5.0
"""Who waited longer had to wait: it is more than a ring at somebody who is free."""


class Outcome(StrEnum):
    """How a visit or a contact stands or ended. `refused` is for lists of calls only: no visit exists then."""

    WAITING = "waiting"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    NO_AGENTS = "no_agents"
    EXIT_KEY = "exit_key"
    WITHDRAWN = "withdrawn"
    CALLBACK = "callback"
    TRANSFERRED_OUT = "transferred_out"
    CLOSED = "closed"
    SYSTEM = "system"
    LOST = "lost"
    UNKNOWN = "unknown"
    REFUSED = "refused"


LOST_OUTCOMES: Final = frozenset(Outcome) - {Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN}
"""How a call ends that nobody answered. `unknown` is none of them: nobody knows, and it is in no formula either."""


class Visit(Struct, frozen=True, kw_only=True, gc=False):
    """One stay in one queue, as all that has been heard of it adds up to.

    `wait_ms` is None while waiting and when the start was never seen and could not be worked out. `start_known` is
    false when nobody saw the caller join: such a wait is never put in a histogram. `precision_ms` is the uncertainty
    of the wait. `rings` counts the rings at agents.
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
    """One person's whole call: judged once, on its first queue, at the first human answer.

    `wait_ms` is the time spent waiting in any queue up to the first answer, overlaps counted once (while somebody still
    waits: the known part of it before `waiting_since`, when the first of the open visits began).
    `wait_after_transfer_ms` is what came after the answer.
    Who left the queue and was called back keeps the outcome of leaving: `called_back_ms` is from entry to the answer
    of that call, None until then.
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
    """A caller whom nobody answered, as a line in a list. Nothing in it tells who.

    `queue` is where the call is counted: the first one; `last_queue` where it was lost. `entered_at`: of a refused
    caller when that was. `wait_seconds` is what is judged, None when the start was never seen: of a caller from before
    opening who still waited then (`early`) it counts from opening. `counted_as` is the field of `Counts`; `is_short`
    hung up before the short limit, `is_late` was lost past the limit. `reached_later`: the same person was answered
    in a later call; None where the switch does not tell callers apart.
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


class TransferWaits(Struct, frozen=True, kw_only=True):
    """How long callers waited anew after they had been answered and passed on, by the queue that received them.

    It never changes what was judged at the first answer. `waiting` of the `calls` wait still; waits are seconds, of
    those whose wait is over and known.
    """

    queue: str
    calls: int
    answered: int
    waiting: int
    mean_seconds: float | None
    longest_seconds: float | None


IMPORT_SOURCE: Final = "urn:kc:import:"
"""The source of an imported call is this and the import's name."""
