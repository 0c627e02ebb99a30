"""The replay command: it plays recordings through the live engine, at full speed or paced, and writes the results."""

import asyncio
import csv
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from alerts.engine import AlertEngine
from alerts.episodes import State
from queue_monitor.api.json.status import status_body
from queue_monitor.app import registry, server, wiring
from queue_monitor.app.alerting import published, settings_of
from queue_monitor.app.owned_store import store_options
from queue_monitor.app.rules_from_config import live_of, rules_of
from queue_monitor.clock import ManualClock, ScaledClock
from queue_monitor.config import Config
from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.events import CallEntered
from queue_monitor.forecast.forecaster import encode_learned, forecaster_of
from queue_monitor.model import Alert, AlertBatch, AlertsNow, ExpectedWait, Snapshot, WaitBasis
from queue_monitor.ports import Delivery, Store
from queue_monitor.replay.outputs import write_contacts, write_visits
from queue_monitor.replay.recording import DEFAULT_SWITCH, Recording, RecordingError, first_sign, folder_of, play
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import SqlStore, open_store

log = logging.getLogger(__name__)

WRITE_EVERY: Final = 500
ROUND: Final = timedelta(minutes=2)
"""The time between two alert rounds of a replay; in operation they are more frequent."""

PACE_OF_BOUNDS: Final = timedelta(seconds=10)
PAUSE: Final = timedelta(minutes=10)
PREDICTION_COLUMNS: Final = (
    "visit_id",
    "queue",
    "entered_at",
    "expected_wait_seconds",
    "low_seconds",
    "high_seconds",
    "basis",
)
NOT_KNOWN: Final = ExpectedWait(None, None, None, WaitBasis.UNKNOWN)
Advance = Callable[[int], None]
Announce = Callable[[str, wiring.Service], None]


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """The options of a replay, and the files to write."""

    speed: float | None = None
    until: datetime | None = None
    serve: bool = False
    store_url: str | None = None
    visits: Path | None = None
    contacts: Path | None = None
    status: Path | None = None
    alerts: Path | None = None
    predictions: Path | None = None

    @property
    def foretells(self) -> bool:
        """Whether the forecast is computed, which is most of the work of a replay."""
        return bool(self.alerts or self.predictions)


class Prediction(NamedTuple):
    """The wait that a caller could expect on entering."""

    visit_id: str
    queue: str
    entered_at: datetime
    wait: ExpectedWait


class ReplayResult(Struct, kw_only=True):
    """The result of a replay."""

    live: Live
    started: datetime
    ended: datetime
    forgotten: list[ContactHistory] = []
    alerts: list[Alert] = []
    predictions: list[Prediction] = []
    watch: AlertEngine | None = None

    def summary(self) -> str:
        counted = self.live.events
        span = str(self.ended - self.started).partition(".")[0]
        rejected = sum(self.live.rejected.values())
        lines = [
            f"{counted['applied']} events over {span}; {counted['duplicate']} duplicate, {counted['late']} late, "
            f"{counted['orphan']} orphan, {rejected} rejected"
        ]
        lines += [f"rejected: {what}: {count}" for what, count in sorted(self.live.rejected.items())]
        return "\n".join(lines)


def recordings(sources: list[tuple[str, Path]], config: Config, switch: str | None) -> list[Recording]:
    """Return the sources by kind, in the order given. A kind in the settings takes its switch and settings from there.

    Recordings of several kinds are of one switch, unless the settings say otherwise. Raises `UnknownKind`.
    """
    paths: dict[str, list[Path]] = {}
    for kind, path in sources:
        paths.setdefault(kind, []).append(path)
    found = []
    known = [source.switch for source in config.sources if source.kind in paths]
    for kind, files in paths.items():
        set_up = next((source for source in config.sources if source.kind == kind), None)
        name = switch or (set_up.switch if set_up else (known or [DEFAULT_SWITCH])[0])
        settings = set_up.settings if set_up else None
        found.append(registry.build_recording(kind, files, set_up.name if set_up else name, name, settings))
    return found


async def replay_recordings(
    config: Config, found: list[Recording], wanted: ReplayOptions, advance: Advance, announce: Announce
) -> ReplayResult:
    """Play the recordings, and write the requested files.

    Raises `RecordingError`, `StoreError` and `OSError` in words for a person.
    """
    started, deliveries = first_sign(play(found, wanted.until))
    if started is None:
        raise RecordingError("the recordings hold nothing")
    for path in (wanted.visits, wanted.contacts, wanted.status, wanted.alerts, wanted.predictions):
        if path is not None:
            folder_of(path)
    store = await open_store(wanted.store_url, **store_options(config)) if wanted.store_url else None
    try:
        if wanted.speed is None:
            played = await _at_once(config, deliveries, started, store, wanted, advance)
        else:
            played = await _paced(config, deliveries, started, store, wanted, advance, announce)
    finally:
        if store is not None:
            await store.close()
    _write(config, played, wanted)
    if wanted.serve and wanted.speed is None:
        await _show(config, played, announce)
    return played


async def _at_once(
    config: Config,
    deliveries: Iterator[Delivery],
    started: datetime,
    store: SqlStore | None,
    wanted: ReplayOptions,
    advance: Advance,
) -> ReplayResult:
    """Play at full speed, on a clock that the recording drives."""
    live = live_of(config) if wanted.foretells else Live(rules_of(config))
    course = ReplayEngine(config, live, started, store)
    course.do(watches=bool(wanted.alerts), predicts=bool(wanted.predictions))
    if store is not None:
        await course.pipeline.rebuild()
        if wanted.alerts and (state := (await store.load_alerts(started)).state) is not None:
            course.recall(state)
    for delivery in deliveries:
        await course.take(delivery)
        advance(len(delivery.items))
    await course.finish(wanted.until)
    if (forecaster := forecaster_of(live)) is not None and store is not None:
        forecaster.close_day()
        await store.save_learned(encode_learned(forecaster.learned))
    if wanted.alerts and store is not None:
        await store.save_alerts(AlertBatch(state=course.watch.state.encode()))
    return course.played


class ReplayEngine:
    """The live engine on past deliveries, with a clock that they drive.

    At each moment it has what was known then, gives the alerts of then, and uses nothing that came later.
    `watches`: whether the alert rules run, every two minutes.
    `predicts`: whether each caller's expected wait is computed on entering.
    """

    def __init__(self, config: Config, live: Live, started: datetime, store: Store | None = None) -> None:
        self.live = live
        self.watches = False
        self.predicts = False
        self._on_round: Callable[[Snapshot], None] = lambda seen: None
        self._on_day: Callable[[datetime], None] = lambda at: None
        self.played = ReplayResult(live=live, started=started, ended=started)
        self._clock = ManualClock(started)
        keys = MonthKeys(Path(config.store.number_keys) if store is not None else None)
        names = wiring.own_names(config)
        self.pipeline = Pipeline(
            live,
            self._clock,
            store,
            keys=keys,
            names=names,
            holds_all=True,
            on_forgotten=self.played.forgotten.extend,
        )
        self.watch = AlertEngine(settings_of(config), config.organisation.language)
        self._calendar = live.rules.calendar
        self._tomorrow = day_bounds(self._calendar.day_of(started), config.zone)[1]
        self._zone = config.zone
        self._due: datetime | None = None
        self._heard = self._bounded = started
        self._taken = 0
        self._is_over = False

    def do(self, *, watches: bool, predicts: bool) -> None:
        """Run the alert rules and compute expected waits from now on, or do not."""
        self.watches, self.predicts = watches, predicts

    def report_to(self, on_round: Callable[[Snapshot], None], on_day: Callable[[datetime], None]) -> None:
        """Report each alert round by its snapshot, and each new day by its time, before any of its deliveries."""
        self._on_round, self._on_day = on_round, on_day

    def recall(self, state: bytes) -> None:
        """Take up the alerts that stood at the end of an earlier run."""
        try:
            self.watch.resume(State.decode(state))
        except msgspec.DecodeError as error:
            log.warning("alert state of another version is let go: %s", error)

    async def take(self, delivery: Delivery) -> None:
        """Do all that is due before a delivery, then take it."""
        at = delivery.received_at
        self._advance_to(at)
        if self.predicts:
            self.played.predictions += _predicted(self.live, delivery)
        if at >= self._bounded + PACE_OF_BOUNDS:
            self._bounded = at
            self.pipeline.say_own_words()
        self.pipeline.take(delivery)
        self._heard = self._clock.now()
        self._taken += 1
        if self._taken % WRITE_EVERY == 0:
            await self.pipeline.write()

    async def finish(self, until: datetime | None = None) -> None:
        """Let the time pass to `until`, run the alert rules once more, and write what waits for the journal."""
        if until is not None and until > self._clock.now():
            self._advance_to(until)
        self.pipeline.say_own_words()
        self.played.ended = self._clock.now()
        self._is_over = True
        self._look_until(self.played.ended + ROUND)
        await self.pipeline.drain()
        self.played.watch = self.watch if self.watches else None

    def _advance_to(self, at: datetime) -> None:
        """Let the time pass in which nothing came: run the alert rules that are due, and begin a new day."""
        self._look_until(at)
        self._clock.advance_to(at)
        if at >= self._tomorrow:
            self._tomorrow = day_bounds(self._calendar.day_of(at), self._zone)[1]
            self._on_day(at)
            self.pipeline.start_day()

    def _look_until(self, now: datetime) -> None:
        """Run all rounds that are due before `now`. Closed hours without events are skipped in one step."""
        if not self.watches:
            self._due = None
            return
        if self._due is None:
            self._due = _next_round(self._heard)
        while self._due < now:
            if self._due - self._heard > PAUSE and not self._calendar.is_open(self._due):
                opens = self._calendar.next_opening(self._due)
                self._due = max(self._due, _next_round(now if opens is None else min(now, opens)))
                if self._due >= now:
                    return
            self._round(self._due)
            self._due += ROUND

    def _round(self, at: datetime) -> None:
        """Run the alert rules, after the monitor's own words of that moment: as in operation, they are said first."""
        live = self.live
        if not self._is_over:
            self._clock.advance_to(at)
            self.pipeline.say_own_words()
        if live.forecaster is not None:
            live.show_forecasts([given.compute() for given in live.forecast_inputs(at)])
        seen = live.alert_snapshot(at)
        self.played.alerts += self.watch.evaluate(seen)
        self._on_round(seen)


def _next_round(at: datetime) -> datetime:
    """Return the next even minute, wherever a recording begins."""
    return at.replace(minute=at.minute // 2 * 2, second=0, microsecond=0) + ROUND


def _predicted(live: Live, delivery: Delivery) -> list[Prediction]:
    """Return the expected wait of each caller who enters in a delivery, by all that was known just before."""
    if live.forecaster is None:
        return []
    return [
        Prediction(item.visit_id, item.queue, item.at, live.next_wait(item.at, item.queue) or NOT_KNOWN)
        for item in delivery.items
        if isinstance(item, CallEntered) and live.is_first_word(item)
    ]


async def _paced(
    config: Config,
    deliveries: Iterator[Delivery],
    started: datetime,
    store: Store | None,
    wanted: ReplayOptions,
    advance: Advance,
    announce: Announce,
) -> ReplayResult:
    """Play in the recording's own time, times `speed`; pages are served meanwhile, and afterwards, if wanted."""
    clock = ScaledClock(started, wanted.speed or 1.0)
    forgotten: list[ContactHistory] = []
    service = wiring.build_service(config, clock=clock, store=store, sources=(), on_forgotten=forgotten.extend)

    async def feed() -> None:
        for delivery in deliveries:
            await clock.sleep((delivery.received_at - clock.now()).total_seconds())
            await service.pipeline.put(delivery)
            advance(len(delivery.items))
        clock.stop()

    if wanted.serve:
        with server.listening(config) as listener:
            announce(server.address_of(listener), service)
            async with server.pages(service.app, listener) as serving:
                await server.run_service(service, serving, [feed()])
    else:
        working = asyncio.create_task(service.pipeline.run())
        await feed()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await service.pipeline.drain()
    return ReplayResult(live=service.live, started=started, ended=clock.now(), forgotten=forgotten)


async def _show(config: Config, played: ReplayResult, announce: Announce) -> None:
    """Serve the end of a recording, standing still, until asked to stop."""
    clock = ScaledClock(played.ended)
    clock.stop()
    service = wiring.build_service(config, clock=clock, live=played.live, sources=())
    with server.listening(config) as listener:
        announce(server.address_of(listener), service)
        async with server.pages(service.app, listener) as serving:
            await server.run_service(service, serving)


def _write(config: Config, played: ReplayResult, wanted: ReplayOptions) -> None:
    if wanted.visits is not None:
        write_visits(wanted.visits, played.live, played.forgotten)
    if wanted.contacts is not None:
        write_contacts(wanted.contacts, played.live, played.ended, played.forgotten)
    if wanted.status is not None:
        wanted.status.write_bytes(status_body(shown_at_the_end(config, played)) + b"\n")
    if wanted.alerts is not None:
        write_alerts(wanted.alerts, played.alerts, config.zone)
    if wanted.predictions is not None:
        write_predictions(wanted.predictions, played.predictions)


def shown_at_the_end(config: Config, played: ReplayResult) -> Snapshot:
    """Return the snapshot that every page would show at the end of a recording."""
    snapshot, watch = played.live.snapshot(played.ended), played.watch
    alerts = AlertsNow(open=watch.open(snapshot)) if watch else AlertsNow()
    return published(snapshot, alerts, settings_of(config), watch)


def write_alerts(path: Path, alerts: Iterable[Alert], zone: ZoneInfo) -> None:
    path.write_bytes(b"".join(alert_line(alert, zone) + b"\n" for alert in alerts))


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PREDICTION_COLUMNS)
        writer.writerows(map(_prediction_row, predictions))


def alert_line(alert: Alert, zone: ZoneInfo) -> bytes:
    """Return one change of an alert as a line of the `--alerts` file, whose format other programs rely on."""
    figures, risk = alert.figures, alert.figures.risk
    return msgspec.json.encode(
        {
            "time": alert.at.astimezone(zone).isoformat(),
            "queue": alert.queue,
            "alert": alert.kind.value,
            "period": alert.period,
            "level": alert.level.value,
            "state": alert.change.value,
            "reason": alert.reason.value,
            "probability": risk.p_miss if risk else None,
            "expected_share": risk.expected_share if risk else None,
            "margin": figures.margin,
            "agents_for_queue": risk.agents_for_queue if risk else None,
            "agents_for_day": risk.agents_for_day if risk else None,
            "until": risk.until.astimezone(zone).isoformat() if risk and risk.until else None,
            "text": f"{alert.title} {alert.text}".strip(),
        }
    )


def _prediction_row(made: Prediction) -> tuple[str, ...]:
    numbers = (made.wait.expected, made.wait.low, made.wait.high)
    entered = made.entered_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = ("" if number is None else f"{number:.1f}" for number in numbers)
    return (made.visit_id, made.queue, entered, *shown, made.wait.basis.value)
