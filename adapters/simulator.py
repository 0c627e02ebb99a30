"""The adapter of a simulated kundcenter in the monitor's own time, for a demo, a training day or a load test.

No switch is needed. `queue_monitor.simulation` makes the days up from a seed; no recording of anybody is in them.
Nothing is read from a wire; the translator is for captures of such a day, which are canonical events, one CloudEvents
JSON a line.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from queue_monitor import events, simulation
from queue_monitor.events import Event, InvalidEvent, SourceClock, SourceConnected, SourceDisconnected, event_id
from queue_monitor.line_cutter import LineCutter
from queue_monitor.ports import About, Adapter, Clock, Connection, Delivery, Every, Rejected, Signal, Stability
from queue_monitor.simulation import Config, Fault, Kind, QueuePlan

MAX_LINE_BYTES: Final = 1 << 20
SIGN_OF_LIFE: Final = timedelta(seconds=30)
"""The time between two answers of the switch to a probe, as docs/switch-rules.md, rule 8, requires."""

_BATCH: Final = 2_000


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings say which days to make up (`queue_monitor.simulation.Config`). The same seed gives the same days.

    `day_kind` makes every day of one kind (a burst, say); `faults` happen every day; `days_before` earlier days are
    sent on connecting. On Saturdays, Sundays and `closed_days` nobody rings.

    `seed`: the number that the days are made from.
    `calls_per_day_factor`: how many times as many calls as usual.
    `staff_factor`: how many times as many agents as usual.
    `patience_seconds`: how long a caller waits before hanging up, in the mean.
    `snapshot_seconds`: how often the switch lists who waits.
    `queues`: the queues, one table for each.
    """

    seed: Annotated[int, Meta(ge=0, le=1_000_000_000_000)] = 1
    day_kind: Kind | None = None
    calls_per_day_factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    staff_factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    patience_seconds: Every = 600.0
    snapshot_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 60
    days_before: Annotated[int, Meta(ge=0, le=400)] = 0
    closed_days: tuple[date, ...] = ()
    queues: tuple[QueuePlan, ...] = simulation.QUEUES
    faults: tuple[Fault, ...] = ()


EXAMPLE: Final[Mapping[str, object]] = {}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads="nothing: it makes up a customer centre's days from a seed, callers, agents, faults and all",
    tested="properties of its days: the same seed, the same day; nobody is lost",
    cannot_say="anything about real callers",
    signals=dict.fromkeys(Signal, Stability.STABLE),
)


class Translator:
    """Turns canonical lines, however cut, into their events."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._source = connection.source
        self._lines = LineCutter(MAX_LINE_BYTES)
        self._line = 0

    def feed(self, raw: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        for line in self._lines.feed(raw):
            yield from self._finish(line)

    def flush(self, now: datetime) -> Iterator[Event | Rejected]:
        return iter(())

    def close(self, now: datetime) -> Iterator[Event | Rejected]:
        """Read the last line, although no newline follows it."""
        if self._lines.is_amid:
            yield from self._finish(self._lines.end())

    def _finish(self, line: bytes | None) -> Iterator[Event | Rejected]:
        self._line += 1
        if line is None:
            yield Rejected(source=self._source, reason="line_too_long", detail=f"line {self._line}")
        elif line:
            try:
                yield events.decode(line)
            except InvalidEvent as error:
                where = {"field": error.field, "kind": error.kind, "detail": f"line {self._line}"}
                yield Rejected(source=self._source, reason="invalid_event", length=error.length, **where)


class SimulatorAdapter:
    """Sends today's past events at once, then each event when the clock reaches it, day after day."""

    def __init__(self, name: str, switch: str, settings: Settings, clock: Clock) -> None:
        self.name = name
        self._source = f"urn:kc:simulator:{name}"
        self._switch = switch
        self._settings = settings
        self._clock = clock
        self._heard = clock.now()
        self._is_away = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery]]:
        yield self._deliveries()

    async def _deliveries(self) -> AsyncIterator[Delivery]:
        began = self._clock.now()
        today = began.astimezone(simulation.ZONE).date()
        for days_ago in range(self._settings.days_before, 0, -1):
            for delivery in _recounted(self._day(today - timedelta(days=days_ago))):
                yield delivery
        story = self._day(today)
        past = [event for event in story if event.observed_at <= began]
        for delivery in _recounted(past):
            yield delivery
        ahead, self._heard = story[len(past) :], began
        self._note_contact(past)
        while True:
            tomorrow = today + timedelta(days=1)
            async for delivery in self._lived(ahead, until=datetime.combine(tomorrow, time(), simulation.ZONE)):
                yield delivery
            today, ahead = tomorrow, self._day(tomorrow)

    async def _lived(self, ahead: list[Event], until: datetime) -> AsyncIterator[Delivery]:
        """Yield the rest of a day: each event when the clock reaches it, and a sign of life when nothing has
        happened.
        """
        position = 0
        while (now := self._clock.now()) < until or position < len(ahead):
            happened = _so_far(ahead, position, now)
            position += len(happened)
            if not happened and not self._is_away and now - self._heard >= SIGN_OF_LIFE:
                happened = [self._sign_of_life(now)]
            if happened:
                self._heard = now
                self._note_contact(happened)
                items = tuple(structs.replace(event, observed_at=now) for event in happened)
                yield Delivery(items=items, received_at=now)
            soonest = ahead[position].observed_at if position < len(ahead) else until
            due = soonest if self._is_away else min(soonest, self._heard + SIGN_OF_LIFE)
            await self._clock.sleep((due - self._clock.now()).total_seconds())

    def _note_contact(self, happened: list[Event]) -> None:
        """Note whether the connection is gone: a source whose connection is gone gives no sign of life."""
        for event in happened:
            if isinstance(event, SourceConnected | SourceDisconnected):
                self._is_away = isinstance(event, SourceDisconnected)

    def _sign_of_life(self, now: datetime) -> Event:
        return SourceClock(
            id=event_id(self._source, "source.clock", now.isoformat()),
            source=self._source,
            switch=self._switch,
            observed_at=now,
            switch_time=now,
            offset_ms=0.0,
        )

    def _day(self, day: date) -> list[Event]:
        wanted = self._settings
        config = Config(
            date=day,
            seed=wanted.seed,
            kind=Kind.CLOSED if day in wanted.closed_days else wanted.day_kind,
            calls_factor=wanted.calls_per_day_factor,
            staff_factor=wanted.staff_factor,
            patience_seconds=wanted.patience_seconds,
            queues=wanted.queues,
            snapshot_seconds=wanted.snapshot_seconds,
            faults=wanted.faults,
            source=self._source,
            switch=self._switch,
        )
        return simulation.simulate(config).events


def _so_far(ahead: list[Event], position: int, now: datetime) -> list[Event]:
    end = position
    while end < len(ahead) and ahead[end].observed_at <= now:
        end += 1
    return ahead[position:end]


def _recounted(past: list[Event]) -> Iterator[Delivery]:
    for start in range(0, len(past), _BATCH):
        batch = tuple(past[start : start + _BATCH])
        yield Delivery(items=batch, received_at=batch[-1].observed_at)


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """Return the adapter for `kind = "simulator"`."""
    return SimulatorAdapter(name, switch, settings, clock)


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into its lines, each with its event's time, or None where the line is no event."""
    for line in data.splitlines(keepends=True):
        try:
            yield line, events.decode(line).at
        except InvalidEvent:
            yield line, None
