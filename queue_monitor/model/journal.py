"""What goes to the store and comes back: journal batches, call records, stored calls."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from queue_monitor.events import EndedBy, EntryReason, Event, RefusalReason
from queue_monitor.model.calls import Contact, Outcome, Refusal, Visit
from queue_monitor.model.figures import CoverageRecord, Level


class JournalNow(Struct, frozen=True, kw_only=True):
    """The store's health: how much waits to be committed, and why if it cannot be.

    `catching_up`: just started, and the forecast does not know the whole day yet. `not_derived`: calls whose rows the
    database refused. `unreadable`: damaged rows that were passed over. `skipped`: events that are never taken because
    they stopped the monitor, the last one at `skipped_at`.
    """

    up: bool = True
    pending: int = 0
    lag_seconds: float = 0.0
    error: str = ""
    catching_up: bool = False
    not_derived: int = 0
    unreadable: int = 0
    skipped: int = 0
    skipped_at: datetime | None = None


class SkippedEvent(Struct, frozen=True, kw_only=True):
    """An event on which our own code has raised, and which is never taken again. `key` stands for its source and id."""

    key: str
    at: datetime
    source: str
    kind: str
    error: str = ""


class RejectedItem(Struct, frozen=True, kw_only=True):
    """One thing that was not taken, for whoever looks for its sender: where it was and of what kind, not what it said.

    `field` as its sender writes it; `kind` is `text`, `number`, `time` or `list`; `length` its characters or items.
    """

    at: datetime
    source: str
    reason: str
    field: str = ""
    kind: str = ""
    length: int = 0
    detail: str = ""


class Placement(Struct, frozen=True, gc=False):
    """Where and as what one settled call counts.

    `minute`: the minute of entry in whole minutes since 1970 UTC, of opening for one who came before it (`early`).
    `inside`: within opening hours. `field`: the field of `Counts`. `judged_ms`: the wait as judged, None when it is not
    known; it is in the histogram when `recorded`. `brought_by`: the field of `Counts` that says why a visit began, if
    not directly.
    """

    level: Level
    queue: str
    inside: bool
    minute: int
    field: str
    early: bool = False
    judged_ms: int | None = None
    recorded: bool = False
    brought_by: str = ""


class DayVisit(Struct, frozen=True, gc=False):
    """One visit of a day as the forecast needs it: of the contact whose key begins with the number `contact`, its
    visits counted from 0. Moments are whole microseconds since 1970. `placed` is where the contact counts, None while
    it waits, and `settled_us` since when it does not wait any more.
    """

    contact: int
    number: int
    queue: str
    outcome: Outcome
    entry_reason: EntryReason
    agent: str | None
    entered_us: int | None
    ended_us: int | None
    completed_us: int | None
    placed: Placement | None
    settled_us: int | None


class CallsOfMinute(Struct, frozen=True, gc=False):
    """How many settled calls of one minute count alike, as `Placement` has it, and the waits (ms) of those of them that
    are in the histogram.
    """

    level: Level
    queue: str
    inside: bool
    minute: int
    field: str
    early: bool
    brought_by: str
    number: int
    waits_ms: tuple[int, ...] = ()


class CallRecord(Struct, frozen=True, kw_only=True):
    """One contact with its visits as history keeps it. `contact` is None when no such call is left: its evidence has
    turned out to belong to another contact.

    `placed` is where the contact counts, `visits_placed` where each visit does; None of one who still waits, or whose
    time is not known. `evidence` is what the ledger has heard of it, as the ledger writes it down; `keys` are the ids
    (`switch id` of visits, legs and the contact) by which a later word finds it. `last_at` is its newest evidence,
    `is_open` whether somebody waits or talks still. `is_known`: whether memory has this call from the store, or has
    written it there. `rules` is the version of the rules it was judged under.
    """

    contact_id: str
    contact: Contact | None
    visits: tuple[Visit, ...] = ()
    placed: Placement | None = None
    visits_placed: tuple[Placement | None, ...] = ()
    evidence: bytes = b""
    keys: tuple[str, ...] = ()
    last_at: datetime | None = None
    is_open: bool = False
    is_known: bool = False
    reached_later: bool | None = None
    rules: str = ""


class RefusalRecord(Struct, frozen=True, kw_only=True):
    """One refused caller as history keeps it."""

    refusal: Refusal
    placed: Placement


class JournalBatch(Struct, frozen=True, kw_only=True):
    """What is committed in one transaction: events in their order, and what they changed.

    `calls` and `refusals` are true to the journal with these events in it. `days` are replaced by queue and day,
    `states` by name: what the live state needs for a start. `journaled` is false when a rebuild writes what events
    say that the journal holds already.
    """

    events: tuple[Event, ...] = ()
    received_at: datetime
    calls: tuple[CallRecord, ...] = ()
    refusals: tuple[RefusalRecord, ...] = ()
    days: tuple[CoverageRecord, ...] = ()
    states: dict[str, bytes] = {}
    journaled: bool = True


class Committed(Struct, frozen=True, kw_only=True):
    """What became of a batch. `seq` is the journal's newest number. `repeated` are the positions of events that the
    journal had already, with the same content. `not_derived` are the contacts whose rows the store refused; their
    events are safe all the same.
    """

    seq: int
    repeated: tuple[int, ...] = ()
    not_derived: tuple[str, ...] = ()


class Known(StrEnum):
    """What the journal has under an event's id: nothing, the same event, or another one."""

    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


class StoredVisit(Struct, frozen=True, kw_only=True):
    """One visit as the store kept it. `counted_as` is the field of `Counts`, "" of one who still waits; `agent` is a
    daily pseudonym unless a setting says otherwise, None where nobody answered.
    """

    queue: str
    switch: str
    entered_at: datetime | None
    ended_wait_at: datetime | None
    completed_at: datetime | None
    outcome: Outcome
    counted_as: str
    inside: bool
    early: bool
    wait_ms: int | None
    judged_ms: int | None
    talk_ms: int | None
    ended_by: EndedBy | None
    agent: str | None
    entry_reason: EntryReason
    next_queue: str | None
    key: str | None
    rings: int
    precision_ms: int
    start_known: bool


class StoredCall(Struct, frozen=True, kw_only=True):
    """One contact as the store kept it, with its visits in their order. `id` tells calls apart and says nothing else;
    `at` is the minute it counts in, of one who still waits the moment of entry. `is_derived` is false where the store
    refused the row: then only `id` and `at` are known, and the next rebuild makes it.
    """

    id: str
    at: datetime
    first_queue: str
    entered_at: datetime | None
    settled_at: datetime | None
    outcome: Outcome
    counted_as: str
    inside: bool
    early: bool
    wait_ms: int | None
    judged_ms: int | None
    wait_after_transfer_ms: int
    called_back_ms: int | None
    start_known: bool
    precision_ms: int
    reached_later: bool | None
    rules: str
    is_derived: bool
    visits: tuple[StoredVisit, ...]

    @property
    def imported(self) -> str:
        """The name of the import that has brought this call; "" of one that the journal holds."""
        switch = self.visits[0].switch if self.visits else ""
        return switch.removeprefix(IMPORTED) if switch.startswith(IMPORTED) else ""


class StoredRefusal(Struct, frozen=True, kw_only=True):
    """One refused caller as the store kept it. `at` is when that was. An import's `switch` begins with `IMPORTED`."""

    queue: str
    switch: str
    at: datetime
    reason: RefusalReason
    inside: bool


IMPORTED: Final = "import:"
"""The switch of an imported call is this and the import's name."""


class StoreNow(Struct, frozen=True, kw_only=True):
    """The store's health beside the journal's: contacts whose rows could not be made, journal rows that cannot be read,
    and from when on every day is complete (None: as far back as is kept).
    """

    not_derived: int = 0
    unreadable: int = 0
    first_kept: date | None = None
