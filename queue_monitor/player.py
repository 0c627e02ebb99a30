"""The replay command: recordings through the live engine, at full speed or paced, and what it writes afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from alerts.watch import Watch
from queue_monitor import bootstrap, replay
from queue_monitor.alerting import settings_of
from queue_monitor.api.status import status_body
from queue_monitor.clock import ManualClock, ScaledClock
from queue_monitor.config import Config
from queue_monitor.core.forecast import ExpectedWait
from queue_monitor.core.foresight import answer
from queue_monitor.core.ledger import Story
from queue_monitor.core.live import Live
from queue_monitor.events import CallEntered
from queue_monitor.model import Alert
from queue_monitor.ports import Clock, Delivery, Store
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store

DEFAULT_SWITCH: Final = "switch"
WRITE_EVERY: Final = 500
ROUND: Final = timedelta(minutes=2)
LONG_PAUSE: Final = timedelta(hours=2)
PREDICTION_COLUMNS: Final = "visit_id,queue,entered_at,expected_wait_seconds,low_seconds,high_seconds,basis\n"
Advance = Callable[[int], None]
Announce = Callable[[str, Clock], None]


class Wanted(Struct, frozen=True, kw_only=True):
    """How to replay, and which files to write."""

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
        """Whether the forecast is asked: it is most of the work of a replay."""
        return bool(self.alerts or self.predictions)


class Prediction(NamedTuple):
    """What a caller was to expect on entering."""

    visit_id: str
    queue: str
    entered_at: datetime
    wait: ExpectedWait


class Played(Struct, kw_only=True):
    """What a replay came to."""

    live: Live
    started: datetime
    ended: datetime
    forgotten: list[Story] = []
    alerts: list[Alert] = []
    predictions: list[Prediction] = []

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


def recordings(sources: list[tuple[str, Path]], config: Config, switch: str | None) -> list[replay.Recording]:
    """The sources by kind, in the order given. A kind that the settings name takes its switch and settings from there.

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
        found.append(bootstrap.build_recording(kind, files, set_up.name if set_up else name, name, settings))
    return found


async def replay_recordings(
    config: Config, found: list[replay.Recording], wanted: Wanted, advance: Advance, announce: Announce
) -> Played:
    """Play, and write what is wanted. Raises `RecordingError`, `StoreError` and `OSError` in words for a person."""
    started, deliveries = replay.first_sign(replay.play(found, wanted.until))
    if started is None:
        raise replay.RecordingError("the recordings hold nothing")
    for path in (wanted.visits, wanted.contacts, wanted.status, wanted.alerts, wanted.predictions):
        if path is not None and not path.parent.is_dir():
            raise replay.RecordingError(f"{path}: there is no folder {path.parent}")
    store = await open_store(wanted.store_url) if wanted.store_url else None
    try:
        if wanted.speed is None:
            played = await _at_once(config, deliveries, started, store, wanted, advance)
        else:
            played = await _paced(config, deliveries, started, store, wanted, advance, announce)
    finally:
        if store is not None:
            await store.close()
    _write(played, wanted, config.zone)
    if wanted.serve and wanted.speed is None:
        await _show(config, played, announce)
    return played


async def _at_once(
    config: Config,
    deliveries: Iterator[Delivery],
    started: datetime,
    store: Store | None,
    wanted: Wanted,
    advance: Advance,
) -> Played:
    """As fast as it goes, on a clock that the recording drives."""
    clock = ManualClock(started)
    live = bootstrap.live_of(config) if wanted.foretells else Live(bootstrap.rules_of(config))
    pipeline = Pipeline(live, clock, store)
    if store is not None:
        await pipeline.rebuild()
    played = Played(live=live, started=started, ended=started)
    rounds = _Rounds(live, Watch(settings_of(config), config.organisation.language)) if wanted.alerts else None
    day = started.astimezone(config.zone).date()
    for number, delivery in enumerate(deliveries, start=1):
        if rounds is not None:
            played.alerts += rounds.until(delivery.received_at)
        clock.advance_to(delivery.received_at)
        if wanted.predictions:
            played.predictions += _predicted(live, delivery)
        pipeline.take(delivery)
        advance(len(delivery.items))
        if number % WRITE_EVERY == 0:
            await pipeline.write()
        if (now := clock.now().astimezone(config.zone).date()) != day:
            day = now
            played.forgotten += live.forget(clock.now())
    if rounds is not None:
        played.alerts += rounds.until(clock.now() + ROUND)
    if live.foresight is not None and store is not None:
        live.foresight.close_day()
        await store.save_learned(msgspec.json.encode(live.foresight.learned))
    await pipeline.drain()
    played.ended = clock.now()
    return played


class _Rounds:
    """The alert rules looked after every two minutes of a recording's time, as the live round does."""

    def __init__(self, live: Live, watch: Watch) -> None:
        self._live = live
        self._watch = watch
        self._due: datetime | None = None

    def until(self, now: datetime) -> list[Alert]:
        """The changes of all rounds that fall due before `now`; a night is passed over in one step."""
        if self._due is None or now - self._due > LONG_PAUSE:
            self._due = now.replace(second=0, microsecond=0) + ROUND
        found: list[Alert] = []
        while self._due < now:
            if self._live.foresight is not None:
                questions = self._live.foresight.questions(self._due, self._live.scopes())
                self._live.foreseen = tuple(map(answer, questions))
            found += self._watch.look(self._live.snapshot(self._due))
            self._due += ROUND
        return found


def _predicted(live: Live, delivery: Delivery) -> list[Prediction]:
    """What each caller of a delivery should expect, by all that was known just before."""
    if live.foresight is None:
        return []
    return [
        Prediction(item.visit_id, item.queue, item.at, wait)
        for item in delivery.items
        if isinstance(item, CallEntered) and (wait := live.foresight.next_wait(item.at, item.queue)) is not None
    ]


async def _paced(
    config: Config,
    deliveries: Iterator[Delivery],
    started: datetime,
    store: Store | None,
    wanted: Wanted,
    advance: Advance,
    announce: Announce,
) -> Played:
    """Play in the recording's own time, times `speed`; pages are served meanwhile, and afterwards, if wanted."""
    clock = ScaledClock(started, wanted.speed or 1.0)
    service = bootstrap.bootstrap(config, clock=clock, store=store, sources=())
    forgotten: list[Story] = []
    service.pipeline.on_forgotten = forgotten.extend

    async def feed() -> None:
        for delivery in deliveries:
            await clock.sleep((delivery.received_at - clock.now()).total_seconds())
            await service.pipeline.put(delivery)
            advance(len(delivery.items))
        clock.stop()

    if wanted.serve:
        with bootstrap.listening(config) as listener:
            announce(bootstrap.address_of(listener), clock)
            await bootstrap.run_service(service, listener, [feed()])
    else:
        working = asyncio.create_task(service.pipeline.run())
        await feed()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await service.pipeline.drain()
    return Played(live=service.live, started=started, ended=clock.now(), forgotten=forgotten)


async def _show(config: Config, played: Played, announce: Announce) -> None:
    """Serve the end of a recording, standing still, until told to stop."""
    clock = ScaledClock(played.ended)
    clock.stop()
    service = bootstrap.bootstrap(config, clock=clock, live=played.live, sources=())
    with bootstrap.listening(config) as listener:
        announce(bootstrap.address_of(listener), clock)
        await bootstrap.run_service(service, listener)


def _write(played: Played, wanted: Wanted, zone: ZoneInfo) -> None:
    if wanted.visits is not None:
        replay.write_visits(wanted.visits, played.live, played.forgotten)
    if wanted.contacts is not None:
        replay.write_contacts(wanted.contacts, played.live, played.ended, played.forgotten)
    if wanted.status is not None:
        wanted.status.write_bytes(status_body(played.live.snapshot(played.ended)) + b"\n")
    if wanted.alerts is not None:
        wanted.alerts.write_bytes(b"".join(alert_line(alert, zone) + b"\n" for alert in played.alerts))
    if wanted.predictions is not None:
        lines = (",".join(map(str, _prediction_row(made))) + "\n" for made in played.predictions)
        wanted.predictions.write_text(PREDICTION_COLUMNS + "".join(lines), encoding="utf-8")


def alert_line(alert: Alert, zone: ZoneInfo) -> bytes:
    """One change of an alert, as others read it: the file contract of `--alerts`."""
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
