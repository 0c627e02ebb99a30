"""The structs that go to the store and come back: journal batches, call records, stored calls."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from queue_monitor.events import EndedBy, EntryReason, Event, RefusalReason
from queue_monitor.model.calls import Contact, Refusal, Visit
from queue_monitor.model.figures import CoverageRecord, Level
from queue_monitor.outcomes import Outcome


class JournalNow(Struct, frozen=True, kw_only=True):
    """The store's health: the events that wait to be committed, and the reason if they cannot be.

    `catching_up`: the monitor has just started, and the forecast does not know the whole day yet.
    `not_derived`: calls whose rows the database refused.
    `unreadable`: damaged rows that were passed over.
    `skipped`: events that are never taken because they stopped the monitor; `skipped_at` is the time of the last one.
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
    """An event on which our own code has raised an exception, and which is never taken again. `key` stands for its
    source and id.
    """

    key: str
    at: datetime
    source: str
    kind: str
    error: str = ""


class RejectedItem(Struct, frozen=True, kw_only=True):
    """One thing that was not taken, for a person who looks for its sender: its place and its kind, never its content.

    `field`: the field as its sender writes it.
    `kind`: `text`, `number`, `time` or `list`.
    `length`: its characters or items.
    """

    at: datetime
    source: str
    reason: str
    field: str = ""
    kind: str = ""
    length: int = 0
    detail: str = ""


class Placement(Struct, frozen=True, gc=False):
    """The place where one settled call counts, and the field that it counts as.

    `minute`: the minute of entry in whole minutes since 1970 UTC; for a caller who came before opening (`early`), the
        minute of opening.
    `inside`: within opening hours.
    `field`: the field of `Counts`.
    `judged_ms`: the wait as judged, None when it is not known.
    `recorded`: the wait is in the histogram.
    `brought_by`: the field of `Counts` that says why a visit began, if not directly.
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
    """One visit of a day as the forecast needs it. Times are whole microseconds since 1970.

    `contact`: the number that the key of its contact begins with.
    `number`: the position of the visit in its contact, from 0.
    `placed`: where the contact counts, None while it waits.
    `settled_us`: the time since when the contact no longer waits.
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
    """The number of settled calls of one minute that count alike, with the fields of `Placement`.

    `number`: how many calls.
    `waits_ms`: the waits of those that are in the histogram.
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
    """One contact with its visits as history keeps it.

    `contact`: None when no such call is left, because its evidence has turned out to belong to another contact.
    `placed`: where the contact counts; `visits_placed` where each visit does. None for one that still waits, or whose
        time is not known.
    `evidence`: all that was reported of the contact, as the ledger writes it down.
    `keys`: the ids (`switch id` of visits, legs and the contact) by which a later event finds it.
    `last_at`: the time of its newest evidence.
    `is_open`: whether somebody still waits or talks.
    `is_known`: whether memory has this call from the store, or has written it there.
    `rules`: the version of the rules that it was judged under.
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
    """One refused caller as history keeps it; `is_counted` is false for one whom it keeps no longer."""

    refusal: Refusal
    placed: Placement
    is_counted: bool = True


class JournalBatch(Struct, frozen=True, kw_only=True):
    """The contents of one transaction: events in their order, and what they changed.

    `calls`, `refusals`: true to the journal with these events in it.
    `days`: replace the stored ones by queue and day.
    `states`: replace the stored ones by name; the live state needs them for a start.
    `journaled`: false when a rebuild writes the calls of events that the journal holds already.
    """

    events: tuple[Event, ...] = ()
    received_at: datetime
    calls: tuple[CallRecord, ...] = ()
    refusals: tuple[RefusalRecord, ...] = ()
    days: tuple[CoverageRecord, ...] = ()
    states: dict[str, bytes] = {}
    journaled: bool = True


class LeftOut(Struct, frozen=True, kw_only=True):
    """The calls and refused callers of a batch that are not counted: an import has brought their day and queue."""

    contact_ids: tuple[str, ...] = ()
    refusals: tuple[RefusalRecord, ...] = ()


class Committed(Struct, frozen=True, kw_only=True):
    """The result of a batch.

    `seq`: the journal's newest number.
    `repeated`: the positions of events that the journal had already, with the same content.
    `not_derived`: the contacts whose rows the store refused; their events are safe all the same.
    `left_out`: what is not counted although its events are safe.
    """

    seq: int
    repeated: tuple[int, ...] = ()
    not_derived: tuple[str, ...] = ()
    left_out: LeftOut = LeftOut()


class Known(StrEnum):
    """The journal's answer for an event's id: it has nothing, the same event, or another one."""

    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


class StoredVisit(Struct, frozen=True, kw_only=True):
    """One visit as the store kept it.

    `counted_as`: the field of `Counts`, "" for a visit that still waits.
    `agent`: a daily pseudonym unless a setting says otherwise, None where nobody answered.
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
    """One contact as the store kept it, with its visits in their order.

    `id`: tells calls apart and says nothing else.
    `at`: the minute that the call counts in; for one that still waits, the time of entry.
    `is_derived`: false where the store refused the row: then only `id` and `at` are known, and the next rebuild makes
        the row.
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
        """Return the name of the import that brought this call; "" for a call that the journal holds."""
        switch = self.visits[0].switch if self.visits else ""
        return switch.removeprefix(IMPORTED) if switch.startswith(IMPORTED) else ""


class StoredRefusal(Struct, frozen=True, kw_only=True):
    """One refused caller as the store kept it. `at` is the time of the refusal. The `switch` of an import begins with
    `IMPORTED`.
    """

    queue: str
    switch: str
    at: datetime
    reason: RefusalReason
    inside: bool


IMPORTED: Final = "import:"
"""The switch of an imported call is this prefix followed by the name of the import."""


class StoreNow(Struct, frozen=True, kw_only=True):
    """The store's health beside the journal's.

    `not_derived`: contacts whose rows could not be made.
    `unreadable`: journal rows that cannot be read.
    `first_kept`: the day from which every day is complete; None means as far back as is kept.
    `calls_kept`: the first day whose calls have not been deleted; None where none have been.
    """

    not_derived: int = 0
    unreadable: int = 0
    first_kept: date | None = None
    calls_kept: date | None = None
