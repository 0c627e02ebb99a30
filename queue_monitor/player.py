"""The replay command: recordings through the live engine, at full speed or paced, and what it writes afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from queue_monitor import bootstrap, replay
from queue_monitor.api.status import status_body
from queue_monitor.clock import ManualClock, ScaledClock
from queue_monitor.config import Config
from queue_monitor.core.ledger import Story
from queue_monitor.core.live import Live
from queue_monitor.ports import Clock, Delivery, Store
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store

DEFAULT_SWITCH: Final = "switch"
WRITE_EVERY: Final = 500
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


class Played(Struct, kw_only=True):
    """What a replay came to."""

    live: Live
    forgotten: list[Story]
    started: datetime
    ended: datetime

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
            played = await _at_once(config, deliveries, started, store, advance)
        else:
            played = await _paced(config, deliveries, started, store, wanted, advance, announce)
    finally:
        if store is not None:
            await store.close()
    _write(played, wanted)
    if wanted.serve and wanted.speed is None:
        await _show(config, played, announce)
    return played


async def _at_once(
    config: Config, deliveries: Iterator[Delivery], started: datetime, store: Store | None, advance: Advance
) -> Played:
    clock = ManualClock(started)
    live = Live(bootstrap.rules_of(config))
    pipeline = Pipeline(live, clock, store)
    forgotten: list[Story] = []
    if store is not None:
        await pipeline.rebuild()
    today = config.zone
    day = started.astimezone(today).date()
    for number, delivery in enumerate(deliveries, start=1):
        clock.advance_to(delivery.received_at)
        pipeline.take(delivery)
        advance(len(delivery.items))
        if number % WRITE_EVERY == 0:
            await pipeline.write()
        if (now := clock.now().astimezone(today).date()) != day:
            day = now
            forgotten += live.forget(clock.now())
    await pipeline.drain()
    return Played(live=live, forgotten=forgotten, started=started, ended=clock.now())


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
    return Played(live=service.live, forgotten=forgotten, started=started, ended=clock.now())


async def _show(config: Config, played: Played, announce: Announce) -> None:
    """Serve the end of a recording, standing still, until told to stop."""
    clock = ScaledClock(played.ended)
    clock.stop()
    service = bootstrap.bootstrap(config, clock=clock, live=played.live, sources=())
    with bootstrap.listening(config) as listener:
        announce(bootstrap.address_of(listener), clock)
        await bootstrap.run_service(service, listener)


def _write(played: Played, wanted: Wanted) -> None:
    if wanted.visits is not None:
        replay.write_visits(wanted.visits, played.live, played.forgotten)
    if wanted.contacts is not None:
        replay.write_contacts(wanted.contacts, played.live, played.ended, played.forgotten)
    if wanted.status is not None:
        wanted.status.write_bytes(status_body(played.live.snapshot(played.ended)) + b"\n")
    if wanted.alerts is not None:
        wanted.alerts.write_text("", encoding="utf-8")
    if wanted.predictions is not None:
        wanted.predictions.write_text(PREDICTION_COLUMNS, encoding="utf-8")
