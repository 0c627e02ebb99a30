"""A day of callers through a real Mosquitto into the real program, which is killed again and again: none is lost.

The program is ended by SIGKILL at moments of chance, and the broker is restarted once meanwhile. Afterwards the journal
and the figures of the day must be those of a run that nobody disturbed: 0 callers lost, 0 counted twice.
"""

import asyncio
import os
import random
import signal
import sqlite3
import time
import urllib.error
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiomqtt
import msgspec
import pytest
from msgspec import structs

from queue_monitor.api.json.status import status_body
from queue_monitor.app import registry
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import SystemClock
from queue_monitor.config import load
from queue_monitor.core.live import Live
from queue_monitor.events import AgentMember, AgentState, Event, QueueSnapshot, decode, encode, short_type
from queue_monitor.model import Visit
from queue_monitor.simulation import Config, simulate
from tests.adapters.broker import MONITOR, SECRET, Broker, lasting, publishing, running
from tests.patience import PATIENCE
from tests.test_service import Monitor

SOURCE = "urn:kc:simulator:pbx"
BATCH = 50

SETTINGS = """
[organisation]
time_zone = "{zone}"

[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
open = "00:00"
close = "23:59"

[[sources]]
name = "broker"
kind = "mqtt"
switch = "central"
port = {port}
username = "{user}"
password = "env:MQTT_PASSWORD"
"""


class Loss(NamedTuple):
    """What a disturbed run came to, beside an undisturbed one."""

    lost: int
    doubled: int
    kills: int
    seconds: float


def where_it_is_evening() -> str:
    """A time zone in which it is about eight in the evening: the day's callers are today's whenever this runs."""
    east = (20 - SystemClock().now().hour + 12) % 24 - 12
    return f"Etc/GMT{-east:+}"  # the names count westward


def callers_of_a_day(factor: float) -> list[Event]:
    """A simulated day, numbered by its publisher and moved so that it ended a moment ago: it is today's."""
    day = simulate(
        Config(
            date=date(2025, 3, 4),
            seed=11,
            calls_factor=factor,
            staff_factor=factor,
            snapshot_seconds=60,
            source=SOURCE,
            switch="pbx",
        )
    )
    ahead = SystemClock().now() - timedelta(minutes=1) - max(event.at for event in day.events)
    return [
        structs.replace(_moved(event, ahead), sequence=f"{number:09}")
        for number, event in enumerate(day.events, start=1)
    ]


def _moved(event: Event, ahead: timedelta) -> Event:
    """Every moment that an event tells, so much later. The names of its visits stay."""
    plain = msgspec.to_builtins(event, builtin_types=(datetime,))
    return msgspec.convert(_later(plain, ahead), type(event))


def _later(told: Any, ahead: timedelta) -> Any:
    match told:
        case datetime():
            return told + ahead
        case dict():
            return {key: _later(value, ahead) for key, value in told.items()}
        case list() | tuple():
            return [_later(value, ahead) for value in told]
    return told


def topic_of(event: Event) -> str:
    noun, _, verb = short_type(event).partition(".")
    match event:
        case QueueSnapshot(queue=queue):
            return f"kc/v1/pbx/queue/{quote(queue, safe='')}/snapshot"
        case AgentState(agent_id=agent) | AgentMember(agent_id=agent):
            return f"kc/v1/pbx/agent/{quote(agent, safe='')}/{verb}"
    if noun == "source":
        return f"kc/v1/pbx/source/{verb}"
    return f"kc/v1/pbx/call/{quote(getattr(event, 'queue', '') or '-', safe='')}/{verb}"


async def publish(broker: Broker, events: Sequence[Event], seconds: float) -> None:
    """As a switchboard's publisher: in order, evenly over the time, again from the last place that was acknowledged."""
    pause = seconds / (len(events) / BATCH)
    place = 0
    while place < len(events):
        try:
            async with publishing(broker, timeout=5, **lasting()) as client:
                while place < len(events):
                    batch = events[place : place + BATCH]
                    await asyncio.gather(*(_publish(client, event) for event in batch))
                    place += BATCH
                    await SystemClock().sleep(pause)
        except aiomqtt.MqttError:
            await SystemClock().sleep(0.1)


async def _publish(client: aiomqtt.Client, event: Event) -> None:
    await client.publish(topic_of(event), encode(event), qos=1, retain=isinstance(event, QueueSnapshot))


class Disturbed:
    """The program on one journal, started anew after each kill."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.kills = 0
        self.settings = folder / "settings.toml"
        self.settings.write_text(
            SETTINGS.format(port=broker.port, user=MONITOR, zone=where_it_is_evening()), encoding="utf-8"
        )
        self.monitor: Monitor | None = None

    def start(self) -> Monitor:
        self.monitor = Monitor(self.folder, "--config", str(self.settings), MQTT_PASSWORD=SECRET)
        return self.monitor

    def kill(self) -> None:
        if self.monitor is not None:
            self.kills += 1
            self.monitor.stop(signal.SIGKILL)
            self.monitor = None

    def journalled(self) -> list[Event]:
        """The publisher's events in the journal, in the order in which they were committed."""
        with sqlite3.connect(f"file:{self.folder / 'journal.db'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT body FROM journal ORDER BY seq").fetchall()
        database.close()
        return [event for (body,) in rows if (event := decode(body)).sequence is not None]

    def count(self) -> int:
        try:
            return len({event.id for event in self.journalled()})
        except sqlite3.OperationalError:  # not begun yet
            return 0


async def disturbed_run(folder: Path, events: list[Event], kills: int, publishing_seconds: float) -> Loss:
    """Publish all, kill the program so many times meanwhile, restart the broker once; then compare."""
    chance = random.Random(20261123)
    began = time.monotonic()
    with running(folder / "broker") as broker:
        program = Disturbed(folder, broker)
        try:
            monitor = await asyncio.to_thread(program.start)
            await _until(lambda: "source connected" in monitor.log.read_text())
            telling = asyncio.create_task(publish(broker, events, publishing_seconds))
            for number in range(1, kills + 1):
                await SystemClock().sleep(chance.uniform(0.0, 1.0))
                await asyncio.to_thread(program.kill)
                if number == kills // 2:
                    await asyncio.to_thread(broker.restart)
                await asyncio.to_thread(program.start)
            await telling
            await _until(lambda: program.count() >= len(events))
            await SystemClock().sleep(1.5)  # a figure is shown within a second
            assert program.monitor is not None
            status = await asyncio.to_thread(_status, program.monitor)
        finally:
            if program.monitor is not None:
                await asyncio.to_thread(program.monitor.stop, signal.SIGKILL)
        journalled = program.journalled()
    _compare(program.settings, events, journalled, status)
    ids = {event.id for event in events}
    found = [event.id for event in journalled]
    return Loss(len(ids - set(found)), len(found) - len(set(found)), program.kills, time.monotonic() - began)


def _status(monitor: Monitor) -> dict[str, Any]:
    try:
        return monitor.status()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.read()[:500]!r}; {monitor.log.read_text()[-2000:]}") from error


async def _until(enough: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(enough):
        assert time.monotonic() < until, "it took too long"
        await SystemClock().sleep(0.1)


def _compare(settings: Path, told: list[Event], journalled: list[Event], status: dict[str, Any]) -> None:
    """The visits that the journal tells, and the figures that the program shows, are those of an undisturbed run."""
    undisturbed, rebuilt = _live(settings, told), _live(settings, journalled)
    at = datetime.fromisoformat(status["generated_at"])
    figures = msgspec.json.decode(status_body(undisturbed.snapshot(at)))

    assert _visits(rebuilt) == _visits(undisturbed)
    assert status["total"]["visits_today"] == figures["total"]["visits_today"]
    assert [queue["visits_today"] for queue in status["queues"]] == [
        queue["visits_today"] for queue in figures["queues"]
    ]
    assert figures["total"]["visits_today"]["entered"] > 0


def _live(settings: Path, events: list[Event]) -> Live:
    config = load(settings, os.environ | {"MQTT_PASSWORD": SECRET}, registry.settings_of)
    live = Live(rules_of(config))
    for event in events:
        live.apply(event)
    return live


def _visits(live: Live) -> dict[str, Visit]:
    return {visit.visit_id: visit for visit in live.ledger.visits()}


async def test_killed_five_times_and_the_broker_restarted_no_caller_is_lost_or_counted_twice(tmp_path: Path):
    loss = await disturbed_run(tmp_path, callers_of_a_day(0.45), kills=5, publishing_seconds=8)

    assert (loss.lost, loss.doubled, loss.kills) == (0, 0, 5)


@pytest.mark.soak
async def test_killed_fifty_times_over_twenty_thousand_events_no_caller_is_lost_or_counted_twice(tmp_path: Path):
    events = callers_of_a_day(2.4)
    loss = await disturbed_run(tmp_path, events, kills=50, publishing_seconds=100)
    print(f"{len(events)} events, {loss}")

    assert len(events) >= 20_000
    assert (loss.lost, loss.doubled, loss.kills) == (0, 0, 50)
