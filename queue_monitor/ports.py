"""The doors: the protocols of adapters, translators, clocks, stores and readers, and the errors they may raise.

Longer than 450 lines because every door stands in one place, so that a reader sees at once what there is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct

from queue_monitor.events import Caller, Event
from queue_monitor.model import (
    AdminAct,
    Alert,
    AlertBatch,
    Banner,
    CalendarDay,
    CallsOfMinute,
    Committed,
    Counts,
    CoverageRecord,
    Crisis,
    DayVisit,
    DifferenceRecord,
    Disagreement,
    HalfHour,
    ImportRecord,
    JournalBatch,
    Known,
    Level,
    LostCall,
    Notice,
    Outcome,
    PassedOn,
    Period,
    RecordedAlert,
    RepeatDay,
    RulesUsed,
    SealedReport,
    SkippedEvent,
    Snapshot,
    StoredCall,
    StoredRefusal,
    StoredVisit,
    StoreNow,
    SumRow,
    TransferWaits,
    WeekSlot,
)

Host = Annotated[
    str,
    Meta(
        pattern=r"^[^\s./]{1,63}(\.[^\s./]{1,63})*\.?$",
        description="the name or the address of a machine, such as pbx.example or 192.0.2.10",
    ),
]
"""Another machine, as a setting."""

Port = Annotated[int, Meta(ge=1, le=65_535)]
"""A port of another machine, as a setting."""

Every = Annotated[float, Meta(ge=0.1, le=86_400)]
"""A time in seconds after which something is done or given up, as a setting: never none, and no more than a day."""

QueueName = Annotated[str, Meta(pattern=r"\S", description="the name of a queue, not blank")]
"""The name of a queue, as a setting."""

UpTo = Annotated[float, Meta(ge=0, le=86_400)]
"""A time in seconds that may be none, as a setting."""

SERVICE: Final = "queue-monitor"
"""The name by which the service says at `/healthz` what it is."""


class Rejected(Struct, frozen=True, kw_only=True):
    """An item on the wire that should have been understood and was not.

    `reason`: a short stable word for counting (`bad_timestamp`).
    `detail`: helps a person, and never holds a caller's number or name.
    `field`: the field as the sender writes it; "" where it is no single field.
    `kind`: the kind of its content (`text`, `number`, `time`, `list`).
    `length`: its number of characters or items.
    """

    source: str
    reason: str
    detail: str = ""
    field: str = ""
    kind: str = ""
    length: int = 0


class Refused(Struct, frozen=True, kw_only=True):
    """An event of a delivery that the gate did not accept; `index` counts the delivery's items from 0."""

    index: int
    id: str
    reason: str
    field: str
    detail: str


class CallerNames(Protocol):
    """The pseudonyms of callers, under a key that is replaced every night."""

    def pseudonym(self, number: str, at: datetime) -> str | None:
        """Return the pseudonym of a caller for a call at a moment; None for what is no number, and for another day."""


class Connection(Struct, frozen=True, kw_only=True):
    """The connection that a translator reads: the source's URN, the switch's configured name,
    and the connection's id.

    `callers`: gives callers their pseudonyms; without it, as for a recording, no caller is told apart.
    """

    source: str
    switch: str
    epoch: str = ""
    callers: CallerNames | None = None

    def caller(self, number: str, at: datetime, *, withheld: bool) -> Caller:
        """Return the caller as an event may name them: the number itself goes no further than this."""
        if withheld or self.callers is None:
            return Caller(withheld=withheld)
        return Caller(pseudonym=self.callers.pseudonym(number, at))


class Receipt(Struct, frozen=True, kw_only=True):
    """The results of a delivery's events.

    `accepted`: the number taken.
    `duplicates`: the number known already.
    `conflicts`: ids known with another content. Such an event is not taken: two senders use one id, or one sender uses
        it twice.
    `refused`: events that break a limit of the gate, and always will.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()


async def _no_ack(receipt: Receipt) -> None:
    return None


class Delivery(Struct, frozen=True, kw_only=True):
    """The contents of one handover by an adapter: events in order, items it could not read, and a way to learn that
    they are safe.

    `received_at`: when the bytes reached us.
    `ack`: the pipeline awaits it after the journal has committed.
    `dated_by_sender`: times, ids and texts come from a sender; we did not read them from a switch.
    `whole`: when one event is refused, none is taken.
    `taken_before`: an earlier process has taken these events; their ids stay as they are.
    `is_checked`: numbers and texts are known to be within the limits of the gate.
    """

    items: tuple[Event | Rejected, ...]
    received_at: datetime
    ack: Callable[[Receipt], Awaitable[None]] = _no_ack
    dated_by_sender: bool = False
    whole: bool = False
    taken_before: bool = False
    is_checked: bool = False

    @property
    def source(self) -> str:
        """Return the source of its first item; "" where there is none."""
        return self.items[0].source if self.items else ""


class Translator(Protocol):
    """The half of an adapter that turns bytes into events: no I/O, no clock, one for each connection.

    It is built as `Translator(connection, settings)`. It never raises on input.
    """

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        """Take a piece of the byte stream, cut anywhere, and return the events it completes."""

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        """Return the events held back that need not wait longer. Call it about once a second."""

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        """Return all events held back, as far as they can be known: the connection is gone."""


class Adapter(Protocol):
    """One source of events. Entering means connected, iterating means consuming, leaving means closed.

    Trouble is an `AdapterError`. An adapter never retries, never sleeps between attempts, never keeps statistics. An
    adapter that is served over HTTP also has a `router` (FastAPI's), which `app/wiring` mounts.
    """

    name: str

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]: ...


class Signal(StrEnum):
    """A kind of fact that an adapter may report: the columns of the table in adapters/README.md.

    `calls`: who entered, was answered and left. `rings`: which agent was rung. `talk`: when a talk ended, and where the
    call was passed on to. `refusals`: who never got into a queue. `agents`: who is logged in, paused or busy.
    `lists`: who waits at a moment, or how many.
    """

    CALLS = "calls"
    RINGS = "rings"
    TALK = "talk"
    REFUSALS = "refusals"
    AGENTS = "agents"
    LISTS = "lists"


class Stability(StrEnum):
    """The ground on which a signal rests.

    `stable`: recordings of the real product, or the real thing on the other side of the wire. `beta`: written after the
    vendor's documents, and not yet seen on a real switch.
    """

    STABLE = "stable"
    BETA = "beta"


class About(Struct, frozen=True, kw_only=True):
    """The declaration of an adapter, from which its row in adapters/README.md is made.

    `reads`: the wire and what comes over it.
    `tested`: how it was tested.
    `cannot_say`: what it never knows.
    `signals`: what it reports, and how sure that is.
    `passes_on`: whether it passes on what others say under names of their own, which the settings need not hold.
    """

    reads: str
    tested: str
    cannot_say: str
    signals: Mapping[Signal, Stability]
    passes_on: bool = False


class Clock(Protocol):
    """The only source of time. `rate` is the number of its seconds that pass in one second of real time."""

    rate: float

    def now(self) -> datetime:
        """Return the time, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never step, for intervals."""

    async def sleep(self, seconds: float) -> None:
        """Wait this number of the clock's own seconds."""


class Store(Protocol):
    """The journal, append-only and the truth; and the history made of it: calls, sums, and the state for a start.

    Every method raises `StoreError` when the database cannot do it. Only `commit` is called while an ordinary event is
    taken.
    """

    async def commit(self, batch: JournalBatch) -> Committed:
        """Write a batch in one transaction: the events that the journal does not have by (source, id), then what they
        changed, then its sums.

        The same batch once more changes nothing. Raises `Outdated` when memory lacks what the store has; nothing was
        committed then.
        """

    async def look_up(self, events: Sequence[Event]) -> list[Known]:
        """Return for each event what the journal has under its id."""

    async def load_calls(self, keys: Iterable[str]) -> list[bytes]:
        """Return the evidence of all calls that any of these keys finds, as it was handed to `commit`."""

    async def load_recent(self, since: datetime) -> list[bytes]:
        """Return the evidence of all calls that are open, or have evidence from `since` or later."""

    async def load_across(self, start: datetime, back: timedelta, since: datetime) -> list[bytes]:
        """Return the evidence of the calls that count before `start`, no longer than `back`, and are open or have
        evidence from `since` or later.
        """

    async def load_minutes(self, start: datetime) -> list[CallsOfMinute]:
        """Return the contacts, visits and refused callers that count at or after `start`, added up by minute.

        A refused caller counts at both levels.
        """

    async def load_states(self) -> tuple[int, dict[str, bytes]]:
        """Return the journal number that the states are true to at least, and the `states` of the last batches."""

    def read(self, since: datetime) -> AsyncIterator[Event]:
        """Yield every event that happened at or after `since`, in the order in which it was
        committed, packed or not.
        """

    def read_numbered(self, since: datetime, *, of_agents: bool = False) -> AsyncIterator[tuple[int, Event]]:
        """Yield every event that happened at or after `since` with its number, in the order of commitment.

        With `of_agents`, yield those that report something of agents, and perhaps others.
        """

    def day_visits(self, start: datetime, end: datetime, agent_ids: Iterable[str]) -> AsyncIterator[list[DayVisit]]:
        """Yield lists of visits that entered from `start` to before `end`, in the order of entry.

        `agent_ids`: agents who keep their known id in the result and not the day's pseudonym.
        """

    def read_after(self, seq: int) -> AsyncIterator[tuple[int, Event]]:
        """Yield every event with a higher number, with its number, in the order of the numbers, packed or not."""

    async def events_between(self, start: datetime, end: datetime) -> list[Event]:
        """Return the events that happened from `start` to before `end`, in that order."""

    async def newest_seq(self) -> int:
        """Return the highest number of an event; 0 while there is none."""

    async def latest(self, count: int) -> list[datetime]:
        """Return when the last committed events happened, at most `count` of them."""

    async def save_rules(self, version: str, body: bytes, first_used: datetime | None = None) -> None:
        """Keep the rules that calls are judged by from now on. A version that is there already stays as it is."""

    async def newest_at(self) -> datetime | None:
        """Return when the newest event of the journal happened; None while it is empty."""

    async def pack(self, before: datetime, at_most: int = 10_000) -> int:
        """Pack journal rows of events that happened before that moment; return their number.

        The number is under `at_most` when none is left.
        """

    async def totals(self) -> dict[str, Counts]:
        """Return all settled visits and refused callers ever counted, by queue, in and outside opening hours."""

    async def sums(
        self, level: Level, queues: Sequence[str] | None, start: datetime, end: datetime, step: str
    ) -> list[SumRow]:
        """Return the sums by `step` (`quarter` or `day`) that start from `start` to before `end`, oldest first.

        They cover these queues, or all for None.
        """

    async def half_hours(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[HalfHour]:
        """Return the settled calls at contact level within opening hours, by half hour, oldest first.

        They cover these queues together, or all for None. Half hours without calls are left out.
        """

    async def coverage(self, first: date, last: date) -> list[CoverageRecord]:
        """Return how the open minutes of the days from `first` to `last`, both included, were observed, by queue."""

    async def save_repeat_callers(self, days: Sequence[RepeatDay]) -> None:
        """Keep the counts of callers who called again. Of one day, queue and run of the monitor the latest stay."""

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        """Return these counts of the days from `first` to `last`, both included, the oldest first."""

    async def save_differences(self, records: Sequence[DifferenceRecord]) -> None:
        """Keep how our counts stood beside the switches' own. Of one day, switch, queue and counter the latest stays;
        the same once more changes nothing.
        """

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        """Those of the days from `first` to `last`, both included, the oldest day first."""

    async def import_records(self, first: date, last: date) -> list[ImportRecord]:
        """Return the imports that brought calls of the days from `first` to `last`, both included, oldest first."""

    async def calls(
        self,
        start: datetime,
        end: datetime,
        queue: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int | None = None,
        visits_from: int | None = 0,
        outcomes: Collection[Outcome] | None = None,
    ) -> list[StoredCall]:
        """Return calls whose `at` is from `start` to before `end`, by (`at`, `id`), of a first queue or of all.

        `after`: only those behind this (`at`, `id`).
        `outcomes`: only calls with these outcomes.
        `visits_from`: only the visits from this place in the call on, 1 for those after the first; None for none.
        """

    async def refusals(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredRefusal]:
        """Return the refused callers of a stretch, oldest first."""

    async def visits(
        self, queue: str | None, start: datetime, end: datetime, *, after_answer: bool
    ) -> list[StoredVisit]:
        """Return visits that entered from `start` to before `end`, of a queue or of all.

        With `after_answer` only those that began after the caller had been answered.
        """

    async def health(self) -> StoreNow:
        """Return the faults of history, if any."""

    async def save_skipped(self, event: SkippedEvent) -> None:
        """Mark an event that must never be taken again."""

    async def load_skipped(self) -> list[SkippedEvent]:
        """Return all skipped events, in no order."""

    async def save_learned(self, body: bytes) -> None:
        """Keep the knowledge that the forecast has from closed days; it replaces what was kept before."""

    async def load_learned(self) -> bytes | None:
        """Return the knowledge that `save_learned` kept, None if there is none."""

    async def close(self) -> None: ...


class AlertHistory(Protocol):
    """The record of alerts and messages, for later reading."""

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """Return every alert that changed from `start` to before `end`, each whole, in the order in which they began.

        Raises `StoreError`.
        """


class AlertStore(AlertHistory, Protocol):
    """The record of alerts: their state, the messages about them, and the result of each."""

    async def save_alerts(self, batch: AlertBatch) -> None:
        """Write the whole batch or nothing. Raises `StoreError`.

        The same batch once more changes nothing: alerts, attempts and acknowledgements are known by their keys, a
        notice and the state are replaced.
        """

    async def load_alerts(self, since: datetime) -> AlertBatch:
        """Return the state and the secret, and all that happened at or after `since`, oldest first.

        Notices that wait to be sent are included, whenever they were made.
        """


class ReportStore(Store, Protocol):
    """The store that reports read from and are sealed in. Every method raises `StoreError`."""

    async def is_simulated(self) -> bool:
        """Return whether a simulation has written the calls."""

    async def alert_changes(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """Return the alerts as `AlertHistory.alert_record` does, without the messages."""

    async def complete_from(self) -> dict[str, date]:
        """Return the day from which `calls`, `sums` and `alerts` are complete; a kind that was never deleted is left
        out.
        """

    async def passed_on(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> PassedOn:
        """Return how answered calls of opening hours went on, from `start` to before `end`; of these queues, or all for
        None.
        """

    async def rules_used(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[RulesUsed]:
        """Return the versions of the rules that judged the calls of opening hours, in the
        order of their first calls.
        """

    async def sealed_reports(self, period: str, scope: str) -> list[SealedReport]:
        """Return every version of one report, with its data, the oldest first."""

    async def seal_report(self, report: SealedReport) -> SealedReport:
        """Add a version, numbered after the newest, whatever `report.version` says; return the one that stands.

        Where the newest has the same hash, nothing is added.
        """


class AuditLog(Protocol):
    """The append-only record of acts and of settings that a start found changed."""

    async def save_act(self, act: AdminAct) -> None:
        """Write an act. Raises `StoreError` when it was not written; the act must then not be done."""

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        """Return the acts from `start` to before `end`, oldest first. Raises `StoreError`."""


class Notifier(Protocol):
    """One channel to people. It never retries and never keeps a record: `alerts/dispatch` does."""

    async def send(self, notice: Notice) -> None:
        """Deliver the notice, and return when the other side has taken it. Raises `DeliveryError`."""


class Acknowledger(Protocol):
    """The door for the page behind a notice's link. A link that is not one of ours finds nothing."""

    def find(self, link: str) -> tuple[Alert, str] | None:
        """Return the newest change of the alert that a link is about, and the name of the recipient to whom the link
        was sent.
        """

    def is_acknowledged(self, alert: Alert) -> bool: ...

    async def acknowledge(self, alert: Alert, by: str = "") -> None: ...


class CrisisDesk(Protocol):
    """The door where a crisis is declared and ended. Only a person does either."""

    @property
    def crisis(self) -> Crisis | None: ...

    async def declare(self, crisis: Crisis) -> None:
        """Declare a crisis. A crisis that stands already goes on."""

    async def end_crisis(self) -> None: ...


class BannerDesk(Protocol):
    """The door where the lead's message on the walls is put up and taken down."""

    @property
    def banner(self) -> Banner | None:
        """Return the message that is shown now, None for none."""

    async def show_banner(self, banner: Banner | None) -> None:
        """Show this message and no other; None takes down the one that is shown."""


class Figures(Protocol):
    """The door through which the API, the wallboard and /metrics read figures. They read no other state."""

    def latest(self) -> Snapshot:
        """Return the newest snapshot; never waits."""

    def changes(self) -> AsyncIterator[Snapshot]:
        """Yield the newest snapshot at once, then each new one; a slow reader skips to the newest."""

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        """Return figures from `start` to `end` cut by `step`; of a queue, of several together, or None for all.

        `step`: `quarter hour day week month tertial year` in local time, or `whole`: all days that the stretch touches
            as one.
        Days that memory does not hold come from the store. Raises `ValueError` with words for a person when the
        question is impossible, `StoreError` when the store is away.
        """

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        """Return the calls within opening hours by weekday and half hour; of a queue, of several together, or None for
        all.

        Raises as `intervals`.
        """

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        """Return the imports that brought calls of these days, both included. Raises `StoreError`."""

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        """Return how many called again on these days, both included, today's so far, by day, queue and run of the
        monitor. Raises `StoreError`.
        """

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        """Return the callers whom nobody answered, in the order of entry, of a queue or of
        all. Raises as `intervals`.
        """

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        """Return the waits of callers passed on after an answer, by receiving queue. Raises as `intervals`."""

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Return where switch and calendar disagree about being open, by queue and day. Raises as `intervals`."""

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        """Return our counts beside the switches' own at the end of these days, both included, today's as they stand;
        the oldest day first, then by queue. Raises `StoreError`.
        """

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        """Return at most `limit` calls of a stretch by (`at`, `id`), those behind `after` if it is given. Raises as
        `intervals`.
        """

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        """Return the days from `first` to `last`, both included, by the hours of a queue or those of all. Raises as
        `intervals`.
        """


class AdapterError(Exception):
    """A connection could not be made or was lost. `permanent`: trying again cannot help; the
    message says what would.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class Reach(Struct, frozen=True, kw_only=True):
    """The result of a look at a switch that takes nothing from a monitor that listens there.

    `logged_in`: the switch accepted the login; False where only the port was tried, because logging in would cost
        something.
    `switch_time`: its clock, at `asked_at` by ours.
    `oldest`, `newest`: the first and last line of a log.
    """

    logged_in: bool = True
    switch_time: datetime | None = None
    asked_at: datetime | None = None
    oldest: datetime | None = None
    newest: datetime | None = None


class Endpoint(Struct, frozen=True):
    """The server that a channel's messages go to first. `tls`: the encryption of the connection, "" for none."""

    host: str
    port: int
    tls: Literal["", "tls", "starttls"] = ""


class DeliveryError(Exception):
    """A notice was not delivered. The message is for the record and holds no secret.

    `reason`: a stable word for counting.
    `permanent`: trying again cannot help.
    """

    def __init__(self, message: str, *, reason: str = "failed", permanent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.permanent = permanent


class StoreError(Exception):
    """The journal could not commit; nothing of the batch counts as received.

    `passing`: the database does not answer now, and trying again can help.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class NoStoreYet(StoreError):
    """Nothing has been written to this store, so there is nothing to read."""


class StoreInUse(StoreError):
    """Another monitor owns this store, or has taken it over. Trying again later can help."""


class Outdated(Exception):
    """Memory made a batch without knowing all that the store has. Nothing of it was committed.

    `conflicts`: the positions of events whose id the journal has with another content.
    `calls`: contacts that have a row in the store which memory does not know.
    """

    def __init__(self, conflicts: tuple[int, ...] = (), calls: tuple[str, ...] = ()) -> None:
        super().__init__(f"{len(conflicts)} conflicts, {len(calls)} calls unknown to memory")
        self.conflicts = conflicts
        self.calls = calls
