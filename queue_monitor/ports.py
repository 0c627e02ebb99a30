"""The doors: what an adapter, a translator, a clock, a store and a reader look like, and the errors they may raise."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Literal, Protocol

from msgspec import Struct

from queue_monitor.events import Event
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


class Rejected(Struct, frozen=True, kw_only=True):
    """Something on the wire that should have been understood and was not.

    `reason` is a short stable word for counting (`bad_timestamp`); `detail` helps a person and never holds a caller's
    number or name. `field` is named as the sender writes it, `kind` is what it holds (`text`, `number`, `time`,
    `list`), `length` how many characters or items it has; all three are empty where it is no single field.
    """

    source: str
    reason: str
    detail: str = ""
    field: str = ""
    kind: str = ""
    length: int = 0


class Refused(Struct, frozen=True, kw_only=True):
    """An event of a delivery that the gate has not let in; `index` counts the delivery's items from 0."""

    index: int
    id: str
    reason: str
    field: str
    detail: str


class Connection(Struct, frozen=True, kw_only=True):
    """Which connection a translator reads: the source's URN, the switch's configured name, and the connection's id."""

    source: str
    switch: str
    epoch: str = ""


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of a delivery's events: taken, known already, (by id) known with another content, or refused.

    One known with another content is not taken: two senders use one id, or one sender uses it twice. One that is
    refused fits no limit of the gate, and never will.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()


async def _no_ack(receipt: Receipt) -> None:
    return None


class Delivery(Struct, frozen=True, kw_only=True):
    """What an adapter hands over: events in order, what it could not read, and a way to hear "it is safe now".

    `received_at` is when the bytes reached us. The pipeline awaits `ack` after the journal has committed.
    `dated_by_sender`: times, ids and texts are a sender's word, not read by us from a switch. `whole`: when one event
    is refused, none is taken. `taken_before`: an earlier process has taken these events; their ids are as they stay.
    """

    items: tuple[Event | Rejected, ...]
    received_at: datetime
    ack: Callable[[Receipt], Awaitable[None]] = _no_ack
    dated_by_sender: bool = False
    whole: bool = False
    taken_before: bool = False


class Translator(Protocol):
    """The half of an adapter that only understands: no I/O, no clock, one for each connection.

    Built as `Translator(connection, settings)`. Never raises on input.
    """

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        """Take any piece of the byte stream, however it was cut, and give the events it completes."""

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        """Give what was held back and need not wait longer. Call it about once a second."""

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        """The connection is gone: give everything that was held back, as far as it can be known."""


class Adapter(Protocol):
    """One way in. Entering means connected, iterating means consuming, leaving means closed.

    Trouble is an `AdapterError`. An adapter never retries, never sleeps between attempts, never keeps statistics.
    One that is served over HTTP has a `router` (FastAPI's) besides, which `app/wiring` mounts.
    """

    name: str

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]: ...


class Clock(Protocol):
    """The only source of time. `rate` is how many of its seconds pass in one second of ours."""

    rate: float

    def now(self) -> datetime:
        """The time, UTC."""

    def monotonic(self) -> float:
        """Seconds that never step, for intervals."""

    async def sleep(self, seconds: float) -> None:
        """Wait that many of the clock's own seconds."""


class Store(Protocol):
    """The journal, append-only and the truth; and history made of it: calls, sums, and what a start needs.

    Every method raises `StoreError` when the database cannot do it. Nothing here is asked while an ordinary event is
    taken: only `commit` is.
    """

    async def commit(self, batch: JournalBatch) -> Committed:
        """Write all of a batch in one transaction: events that the journal has not by (source, id), then what they
        changed, then the sums of it.

        The same batch once more changes nothing. Raises `Outdated` when memory lacks what the store has; nothing was
        committed then.
        """

    async def look_up(self, events: Sequence[Event]) -> list[Known]:
        """For each event what the journal has under its id."""

    async def load_calls(self, keys: Iterable[str]) -> list[bytes]:
        """The evidence of all calls that any of these keys finds, as it was handed to `commit`."""

    async def load_recent(self, since: datetime) -> list[bytes]:
        """The evidence of all calls that are open, or of which something was heard at or after `since`."""

    async def load_minutes(self, start: datetime) -> list[CallsOfMinute]:
        """The contacts, visits and refused callers that count at or after `start`, added up by minute. A refused caller
        counts at both levels.
        """

    async def load_states(self) -> tuple[int, dict[str, bytes]]:
        """What the last batches had as `states`, and the journal's number they are true to at least."""

    def read(self, since: datetime) -> AsyncIterator[Event]:
        """Every event that happened at or after `since`, in the order in which it was committed, packed or not."""

    def read_numbered(self, since: datetime, *, of_agents: bool = False) -> AsyncIterator[tuple[int, Event]]:
        """The same, each with its number; with `of_agents` those that say something of agents, and perhaps others."""

    def day_visits(self, start: datetime, end: datetime, agent_ids: Iterable[str]) -> AsyncIterator[list[DayVisit]]:
        """Visits that entered from `start` to before `end`, in the order of entry, a piece at a time. `agent_ids`: who
        is to be named as he or she is known, not by the day's pseudonym.
        """

    def read_after(self, seq: int) -> AsyncIterator[tuple[int, Event]]:
        """Every event with a higher number, with its number, in the order of the numbers, packed or not."""

    async def newest_seq(self) -> int:
        """The highest number of an event; 0 while there is none."""

    async def latest(self, count: int) -> list[datetime]:
        """When the events happened that were committed last, at most so many."""

    async def save_rules(self, version: str, body: bytes, first_used: datetime | None = None) -> None:
        """Keep the rules that calls are judged by from now on. A version that is there already stays as it is."""

    async def newest_at(self) -> datetime | None:
        """When the newest event of the journal happened; None while it is empty."""

    async def pack(self, before: datetime, at_most: int = 10_000) -> int:
        """Pack journal rows of events that happened before that moment; returns how many, fewer than `at_most` when
        none is left.
        """

    async def totals(self) -> dict[str, Counts]:
        """All settled visits and refused callers ever counted, by queue, in and outside opening hours."""

    async def sums(
        self, level: Level, queues: Sequence[str] | None, start: datetime, end: datetime, step: str
    ) -> list[SumRow]:
        """The sums by `step` (`quarter` or `day`) that start from `start` to before `end`, oldest first; of these
        queues, None: of all.
        """

    async def half_hours(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[HalfHour]:
        """Settled calls at contact level within opening hours, by half hour, oldest first; of these queues together,
        None: of all. Half hours without calls are left out.
        """

    async def coverage(self, first: date, last: date) -> list[CoverageRecord]:
        """How the open minutes of the days from `first` to `last`, both included, were observed, by queue."""

    async def save_differences(self, records: Sequence[DifferenceRecord]) -> None:
        """Keep how our counts stood beside the switches' own. Of one day, switch, queue and counter the latest stays;
        the same once more changes nothing.
        """

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        """Those of the days from `first` to `last`, both included, the oldest day first."""

    async def import_records(self, first: date, last: date) -> list[ImportRecord]:
        """The imports that have brought calls of the days from `first` to `last`, both included, oldest first."""

    async def calls(
        self,
        start: datetime,
        end: datetime,
        queue: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int | None = None,
        with_visits: bool = True,
        outcomes: Collection[Outcome] | None = None,
    ) -> list[StoredCall]:
        """Calls whose `at` is from `start` to before `end`, by (`at`, `id`), of a first queue or of all.

        `after`: only those behind this (`at`, `id`). `outcomes`: only those that ended so. Without `with_visits` their
        visits are left out.
        """

    async def refusals(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredRefusal]:
        """Refused callers of a stretch, oldest first."""

    async def visits(
        self, queue: str | None, start: datetime, end: datetime, *, after_answer: bool
    ) -> list[StoredVisit]:
        """Visits that entered from `start` to before `end`, of a queue or of all; with `after_answer` only those that
        began after the caller had been answered.
        """

    async def health(self) -> StoreNow:
        """What is wrong with history, if anything."""

    async def save_skipped(self, event: SkippedEvent) -> None:
        """Mark an event that must never be taken again."""

    async def load_skipped(self) -> list[SkippedEvent]:
        """All of them, in no order."""

    async def save_learned(self, body: bytes) -> None:
        """Keep what closed days have taught the forecast; replaces what was kept before."""

    async def load_learned(self) -> bytes | None:
        """What was kept, None if nothing."""

    async def close(self) -> None: ...


class AlertHistory(Protocol):
    """What was said, for whoever wants to read it afterwards."""

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """Every alert that something happened to from `start` to before `end`, each whole, in the order in which they
        began. Raises `StoreError`.
        """


class AlertStore(AlertHistory, Protocol):
    """The record of alerts: how they stand, what was said to whom, and how that went."""

    async def save_alerts(self, batch: AlertBatch) -> None:
        """All of it or nothing. The same once more changes nothing: alerts, attempts and acknowledgements are known by
        their keys, a notice and the state are replaced. Raises `StoreError`.
        """

    async def load_alerts(self, since: datetime) -> AlertBatch:
        """State and secret, and what happened at or after `since`, oldest first; notices that wait whenever made."""


class ReportStore(Store, Protocol):
    """What reports are made of, and where they are sealed. Every method raises `StoreError`."""

    async def is_simulated(self) -> bool:
        """Whether a simulation has written the calls."""

    async def alert_changes(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        """As `AlertHistory.alert_record`, without what was said to whom."""

    async def complete_from(self) -> dict[str, date]:
        """From which day on `calls`, `sums` and `alerts` are complete; nothing of a kind that was never deleted."""

    async def passed_on(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> PassedOn:
        """How answered calls of opening hours went on, from `start` to before `end`; of these queues, None: all."""

    async def rules_used(self, queues: Sequence[str] | None, start: datetime, end: datetime) -> list[RulesUsed]:
        """By which versions of the rules the calls of opening hours were judged, in the order of their first calls."""

    async def sealed_reports(self, period: str, scope: str) -> list[SealedReport]:
        """Every version of one report, with its data, the oldest first."""

    async def seal_report(self, report: SealedReport) -> SealedReport:
        """Add a version, numbered after the newest, whatever `report.version` says. Where the newest has the same hash,
        nothing is added. Returns the one that stands.
        """


class AuditLog(Protocol):
    """Who did what, append-only; and which settings each start found changed."""

    async def save_act(self, act: AdminAct) -> None:
        """Raises `StoreError` when it was not written; the act is then not to be done."""

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        """What was done from `start` to before `end`, oldest first. Raises `StoreError`."""


class Notifier(Protocol):
    """One way to reach people. Never retries, never keeps a record: `alerts/dispatch` does."""

    async def send(self, notice: Notice) -> None:
        """Deliver, and return when the other side has taken it. Raises `DeliveryError`."""


class Acknowledger(Protocol):
    """What the page behind a notice's link needs. A link that is none of ours finds nothing."""

    def find(self, link: str) -> tuple[Alert, str] | None:
        """The newest change of the alert that a link is about, and the name of the recipient to whom it was sent."""

    def is_acknowledged(self, alert: Alert) -> bool: ...

    async def acknowledge(self, alert: Alert, by: str = "") -> None: ...


class CrisisDesk(Protocol):
    """Where a crisis is declared and ended. Only a person does either."""

    @property
    def crisis(self) -> Crisis | None: ...

    async def declare(self, crisis: Crisis) -> None:
        """One that stands already goes on."""

    async def end_crisis(self) -> None: ...


class BannerDesk(Protocol):
    """Where the lead's words on the walls are put up and taken down."""

    @property
    def banner(self) -> Banner | None:
        """The one that is shown now."""

    async def show_banner(self, banner: Banner | None) -> None:
        """Show these words, and no others; None takes down those that are shown."""


class Figures(Protocol):
    """What the faces read: the API, the wallboard, /metrics. Nobody else's state is looked at."""

    def latest(self) -> Snapshot:
        """The newest snapshot; never waits."""

    def changes(self) -> AsyncIterator[Snapshot]:
        """The newest snapshot at once, then each new one; a slow reader skips to the newest and never piles up."""

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        """Figures from `start` to `end` cut by `step` (`quarter hour day week month tertial year`, local time), or by
        `whole`, the days that they touch as one; of a queue, of several together, or None for all. Days that memory
        does not hold are asked of the store.

        Raises `ValueError` with words for a person when asked for the impossible, `StoreError` when the store is away.
        """

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        """Calls within opening hours by weekday and half hour; of a queue, of several together, or None for all. Raises
        as above.
        """

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        """The imports that have brought calls of these days, both included. Raises `StoreError`."""

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        """Callers whom nobody answered, in the order of entry, of a queue or of all. Raises as above."""

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        """Waits of those passed on after an answer, by receiving queue. Raises as above."""

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Where switch and calendar say different things about being open, by queue and day. Raises as above."""

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        """How our counts stood beside the switches' own at the end of these days, both included, today's as they stand;
        the oldest day first, then by queue. Raises `StoreError`.
        """

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        """At most `limit` calls of a stretch by (`at`, `id`), those behind `after` if it is given. Raises as above."""

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        """The days from `first` to `last`, both included, by the hours of a queue or those of all. Raises as above."""


class AdapterError(Exception):
    """A connection that could not be made or was lost. `permanent`: trying again cannot help; say what would."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class Reach(Struct, frozen=True, kw_only=True):
    """The outcome of a look at a switch, without taking anything from a monitor that listens there.

    `logged_in`: it let us in; False where only that somebody listens was tried, as logging in would cost something.
    `switch_time`: its clock, at `asked_at` by ours. `oldest`, `newest`: the first and last line of a log.
    """

    logged_in: bool = True
    switch_time: datetime | None = None
    asked_at: datetime | None = None
    oldest: datetime | None = None
    newest: datetime | None = None


class Endpoint(Struct, frozen=True):
    """A server that a channel's messages go to first. `tls`: how the line to it is encrypted, "" for not at all."""

    host: str
    port: int
    tls: Literal["", "tls", "starttls"] = ""


class DeliveryError(Exception):
    """A notice that was not delivered. `reason` is a stable word for counting; `permanent`: again cannot help.

    The message is for the record and holds no secret.
    """

    def __init__(self, message: str, *, reason: str = "failed", permanent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.permanent = permanent


class StoreError(Exception):
    """The journal could not commit; nothing of the batch counts as received. `passing`: the database does not answer
    now, and trying again can help.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class NoStoreYet(StoreError):
    """Nothing has been written to this store, so there is nothing to read."""


class StoreInUse(StoreError):
    """Another monitor owns this store, or has taken it over. Trying again later can help."""


class Outdated(Exception):
    """A batch that memory made without knowing all that the store has. Nothing of it was committed.

    `conflicts`: the positions of events whose id the journal has with another content. `calls`: contacts of which the
    store has a row that memory does not know.
    """

    def __init__(self, conflicts: tuple[int, ...] = (), calls: tuple[str, ...] = ()) -> None:
        super().__init__(f"{len(conflicts)} conflicts, {len(calls)} calls unknown to memory")
        self.conflicts = conflicts
        self.calls = calls
