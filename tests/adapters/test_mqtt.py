"""Everything that may go wrong between a publisher and the journal, with a real Mosquitto set up as we ship it."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from msgspec import structs

from adapters.mqtt import Settings, Translator, build
from adapters.mqtt.publishers import MAX_PUBLISHERS, MAX_SOURCES, Publishers
from adapters.mqtt.translator import MAX_PAYLOAD_BYTES
from queue_monitor.clock import SystemClock
from queue_monitor.events import (
    CallEntered,
    Caller,
    Event,
    QueueSnapshot,
    SourceConnected,
    SourceDisconnected,
    SourceGap,
    WaitingCaller,
    encode,
    short_type,
)
from queue_monitor.ports import AdapterError, Connection, Delivery, Receipt, Rejected
from tests.adapters.broker import MONITOR, SECRET, Broker, free_port, lasting, publishing, running
from tests.patience import PATIENCE

MORNING = datetime(2026, 3, 2, 7, tzinfo=UTC)
SOURCE = "urn:kc:simulator:pbx"
STATUS = "kc/v1/pbx/status"
RECORDINGS = Path(__file__).parents[1] / "recordings" / "mqtt"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(tmp_path / "broker") as started:
        yield started


def caller(number: int, source: str = SOURCE, **more: Any) -> CallEntered:
    return CallEntered(
        id=f"caller-{number}",
        source=source,
        observed_at=MORNING + timedelta(seconds=number),
        switch="pbx",
        switch_time=MORNING + timedelta(seconds=number),
        visit_id=f"pbx:{number}",
        contact_id=f"pbx:{number}",
        queue="kundcenter",
        **more,
    )


def snapshot(as_of: datetime, *legs: str) -> QueueSnapshot:
    return QueueSnapshot(
        id=f"snapshot-{as_of.isoformat()}",
        source=SOURCE,
        observed_at=as_of,
        switch="pbx",
        switch_time=as_of,
        queue="kundcenter",
        as_of=as_of,
        waiting=tuple(WaitingCaller(leg_id=leg) for leg in legs),
    )


async def publish(client: aiomqtt.Client, events: Sequence[Event], source: str = "pbx") -> None:
    """One topic a queue, as a switchboard's publisher does; returns when the broker has acknowledged every one."""
    topic = f"kc/v1/{source}/call/kundcenter/entered"
    for start in range(0, len(events), 500):
        batch = events[start : start + 500]
        await asyncio.gather(*(client.publish(topic, encode(event), qos=1, timeout=PATIENCE) for event in batch))


def settings(broker: Broker, **more: Any) -> Settings:
    plain: dict[str, Any] = {"port": broker.port, "username": MONITOR, "password": SECRET, "connect_seconds": 5.0}
    return Settings(**plain | more)


class Monitor:
    """Listens as the supervisor does, and keeps what it heard; `settling` false holds every delivery back."""

    def __init__(self, wanted: Settings, *, switch: str = "central", settling: bool = True) -> None:
        self.adapter = build("broker", switch, wanted, SystemClock())
        self.deliveries: list[Delivery] = []
        self.settling = settling
        self.trouble: AdapterError | None = None
        self._news = asyncio.Event()

    @property
    def items(self) -> list[Event | Rejected]:
        return [item for delivery in self.deliveries for item in delivery.items]

    @property
    def callers(self) -> list[str]:
        return [item.id for item in self.items if isinstance(item, CallEntered)]

    def told(self, *kinds: type[Event], source: str = SOURCE) -> list[str]:
        return [short_type(item) for item in self.items if isinstance(item, kinds) and item.source == source]

    def rejected(self) -> list[str]:
        return [item.reason for item in self.items if isinstance(item, Rejected)]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Monitor"]:
        """Connected and subscribed on entering; on leaving, disconnected in good order."""
        before = len(self.deliveries)
        task = asyncio.create_task(self._listen())
        try:
            await self.until(lambda: len(self.deliveries) > before)
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        try:
            async with self.adapter.connect() as deliveries:
                async for delivery in deliveries:
                    if self.settling:
                        await delivery.ack(Receipt())
                    self.deliveries.append(delivery)
                    self._news.set()
        except AdapterError as error:
            self.trouble = error
        self._news.set()

    async def settle_all(self, since: int = 0) -> None:
        self.settling = True
        for delivery in self.deliveries[since:]:
            await delivery.ack(Receipt())

    async def until(self, enough: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not enough():
                assert self.trouble is None, self.trouble
                self._news.clear()
                await self._news.wait()

    async def lost(self) -> AdapterError:
        async with asyncio.timeout(PATIENCE):
            while self.trouble is None:
                self._news.clear()
                await self._news.wait()
        return self.trouble

    async def met(self) -> None:
        """The first connection: before it the broker keeps nothing for us."""
        async with self.listening():
            pass


def numbers(first: int, last: int) -> list[str]:
    return [f"caller-{number}" for number in range(first, last + 1)]


def callers(first: int, last: int) -> list[CallEntered]:
    return [caller(number) for number in range(first, last + 1)]


# Nothing is lost


async def test_callers_come_in_the_order_in_which_they_were_told(broker: Broker):
    monitor = Monitor(settings(broker))
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(1, 500))
        await monitor.until(lambda: len(monitor.callers) == 500)

    assert monitor.callers == numbers(1, 500)
    assert len(monitor.deliveries) < 400  # what came meanwhile came together


async def test_five_thousand_callers_while_the_monitor_is_away_all_arrive(broker: Broker):
    monitor = Monitor(settings(broker))
    await monitor.met()
    async with publishing(broker) as pbx:
        await publish(pbx, callers(1, 5000))
    async with monitor.listening():
        await monitor.until(lambda: len(monitor.callers) >= 5000)

    assert monitor.callers == numbers(1, 5000)


CONSUMER = """
import asyncio, os, sys
from adapters.mqtt import Settings, build
from queue_monitor.clock import SystemClock
from queue_monitor.events import CallEntered
from queue_monitor.ports import Receipt
port, password, settle_up_to, stop_at = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
async def run():
    settings = Settings(port=port, username="queue-monitor", password=password)
    seen = 0
    async with build("broker", "central", settings, SystemClock()).connect() as deliveries:
        async for delivery in deliveries:
            seen += sum(isinstance(item, CallEntered) for item in delivery.items)
            if seen <= settle_up_to:
                for item in delivery.items:
                    print(getattr(item, "id", ""), flush=True)
                await delivery.ack(Receipt())
                await asyncio.sleep(0)
            if seen >= stop_at:
                os._exit(1)
asyncio.run(run())
"""


async def killed_consumer(broker: Broker, settle_up_to: int, stop_at: int) -> list[str]:
    """Another process takes events as the pipeline does and dies at once at `stop_at`; gives the ids it settled."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CONSUMER, str(broker.port), SECRET, str(settle_up_to), str(stop_at)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    return [line for line in said.decode().split() if line.startswith("caller-")]


@pytest.mark.parametrize("journalled", [0, 300])
async def test_killed_before_the_journal_has_them_every_caller_is_told_again(broker: Broker, journalled: int):
    """900 callers, killed with some of them received and not journalled: acknowledging on receipt lost 600 of these."""
    monitor = Monitor(settings(broker))
    await monitor.met()
    async with publishing(broker) as pbx:
        await publish(pbx, callers(1, 900))
    settled = await killed_consumer(broker, journalled, stop_at=journalled + 150)
    async with monitor.listening():
        await monitor.until(lambda: "caller-900" in monitor.callers)

    assert len(settled) <= journalled
    assert set(settled) | set(monitor.callers) == set(numbers(1, 900))
    assert monitor.callers == sorted(monitor.callers, key=numbers(1, 900).index)
    assert len(settled) == 0 or len(set(settled) & set(monitor.callers)) < len(settled)


async def test_a_slow_journal_holds_the_broker_back_and_loses_nobody(broker: Broker):
    monitor = Monitor(settings(broker, receive_maximum=10), settling=False)
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(1, 300))
        await monitor.until(lambda: len(monitor.callers) == 10)
        await SystemClock().sleep(0.2)
        ahead = len(monitor.callers)
        await monitor.settle_all()
        await monitor.until(lambda: len(monitor.callers) == 300)

    assert ahead == 10
    assert monitor.callers == numbers(1, 300)


async def test_the_broker_restarted_tells_again_only_what_was_not_settled(broker: Broker):
    monitor = Monitor(settings(broker, receive_maximum=100), settling=False)
    async with publishing(broker, **lasting()) as pbx, monitor.listening():
        await publish(pbx, callers(1, 100))
        await monitor.until(lambda: len(monitor.callers) == 100)
        for delivery in monitor.deliveries:
            if set(numbers(51, 100)) & {item.id for item in delivery.items if isinstance(item, Event)}:
                break
            await delivery.ack(Receipt())
        await asyncio.to_thread(broker.restart)
        error = await monitor.lost()
    first, monitor.trouble, monitor.settling = len(monitor.callers), None, True
    async with monitor.listening():
        await monitor.until(lambda: monitor.callers[-1] == "caller-100" and len(monitor.callers) > first)
    again = monitor.callers[first:]

    assert not error.permanent
    assert "was lost" in str(error)
    assert again == numbers(101 - len(again), 100)
    assert len(again) >= 50


async def test_settling_after_the_connection_is_gone_harms_nobody(broker: Broker):
    monitor = Monitor(settings(broker), settling=False)
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(1, 5))
        await monitor.until(lambda: len(monitor.callers) == 5)
    await monitor.settle_all()
    async with monitor.listening():
        await monitor.until(lambda: len(monitor.callers) == 10)

    assert monitor.callers == numbers(1, 5) * 2  # the pipeline knows them by their ids


async def test_a_crash_of_the_broker_keeps_what_it_had_a_few_seconds_to_write(broker: Broker):
    """`autosave_interval 1`: as shipped by Mosquitto this loses all of them."""
    monitor = Monitor(settings(broker))
    await monitor.met()
    async with publishing(broker) as pbx:
        await publish(pbx, callers(1, 500))
    await SystemClock().sleep(3)
    await asyncio.to_thread(broker.restart, signal.SIGKILL)
    async with monitor.listening():
        await monitor.until(lambda: len(monitor.callers) == 500)

    assert monitor.callers == numbers(1, 500)


async def test_a_publisher_that_was_cut_off_sends_the_rest_later_and_all_arrive(broker: Broker):
    monitor = Monitor(settings(broker))
    async with monitor.listening():
        async with publishing(broker, **lasting()) as pbx:
            await publish(pbx, callers(1, 50))
        async with publishing(broker, **lasting()) as pbx:
            await publish(pbx, callers(40, 100))  # it does not know which of the last ones came through
        await monitor.until(lambda: "caller-100" in monitor.callers)

    assert set(monitor.callers) == set(numbers(1, 100))


# Who is there


WILLING = """
import asyncio, sys
import aiomqtt
will = aiomqtt.Will("kc/v1/pbx/status", "offline", qos=1, retain=True)
async def run():
    async with aiomqtt.Client("127.0.0.1", int(sys.argv[1]), username="pbx", password=sys.argv[2], will=will) as client:
        await client.publish("kc/v1/pbx/status", "online", qos=1, retain=True)
        print("online", flush=True)
        await asyncio.Event().wait()
asyncio.run(run())
"""


@pytest.mark.parametrize("switch", ["central", "pbx"])
async def test_the_last_will_of_a_publisher_puts_its_source_down(broker: Broker, switch: str):
    monitor = Monitor(settings(broker), switch=switch)
    async with monitor.listening():
        async with publishing(broker, identifier="other") as pbx:
            await publish(pbx, callers(1, 1))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WILLING, str(broker.port), SECRET), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"online\n"
        await monitor.until(lambda: monitor.told(SourceConnected))
        process.kill()
        await process.communicate()
        await monitor.until(lambda: monitor.told(SourceDisconnected))
    ourselves = monitor.told(SourceConnected, SourceDisconnected, source="urn:kc:mqtt:broker")

    assert monitor.told(SourceConnected, SourceDisconnected) == ["source.connected", "source.disconnected"]
    # of two sources of one switch one is enough: we may not stay up where the publisher is our own switch
    assert ourselves == ["source.connected", "source.disconnected"][: 2 if switch == "pbx" else 1]


async def test_who_is_there_and_who_waits_is_known_at_once_on_connecting(broker: Broker):
    now = SystemClock().now()
    long_status = {"status": "online", "source": SOURCE, "switch": "växeln"}
    async with publishing(broker) as pbx:
        await pbx.publish(STATUS, json.dumps(long_status), qos=1, retain=True)
        topic = "kc/v1/pbx/queue/kundcenter/snapshot"
        await pbx.publish(topic, encode(snapshot(now, "pbx:1", "pbx:2")), qos=1, retain=True)
    monitor = Monitor(settings(broker))
    async with monitor.listening():
        await monitor.until(lambda: monitor.told(QueueSnapshot) and monitor.told(SourceConnected))
    (connected,) = [item for item in monitor.items if isinstance(item, SourceConnected) and item.source == SOURCE]
    (waits,) = [item for item in monitor.items if isinstance(item, QueueSnapshot)]

    assert connected.at >= now
    assert connected.switch == "växeln"
    assert [one.leg_id for one in waits.waiting] == ["pbx:1", "pbx:2"]


async def test_without_the_broker_nobody_is_known_to_be_there_and_with_it_they_are_again(broker: Broker):
    monitor = Monitor(settings(broker))
    async with publishing(broker, **lasting()) as pbx, monitor.listening():
        await publish(pbx, callers(1, 1))
        await monitor.until(lambda: monitor.callers)
        await asyncio.to_thread(broker.restart)
        await monitor.lost()
    monitor.trouble = None
    async with monitor.listening():
        await monitor.until(lambda: monitor.told(SourceGap))
    (gap,) = [item for item in monitor.items if isinstance(item, SourceGap)]

    assert monitor.told(SourceConnected, SourceDisconnected) == ["source.disconnected", "source.connected"]
    assert gap.recovered == "log"  # the broker has kept our session, so it tells now what was missed


async def test_numbers_that_never_came_are_a_gap(broker: Broker):
    monitor = Monitor(settings(broker))
    numbered = [caller(number, sequence=f"{number:09}", epoch="1") for number in (1, 2, 6, 4, 7)]
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, numbered)
        await monitor.until(lambda: len(monitor.callers) == 5)
    (gap,) = [item for item in monitor.items if isinstance(item, SourceGap)]

    assert (gap.source, gap.switch, gap.recovered) == (SOURCE, "pbx", "none")
    assert (gap.from_, gap.to) == (numbered[1].at, numbered[2].at)
    assert gap.cause == "3 missing: the numbers 3 to 5 never came"
    assert monitor.rejected() == ["sequence_gap"]


async def test_numbers_that_never_came_are_noticed_over_a_restart(broker: Broker, tmp_path: Path):
    kept = settings(broker, state_path=str(tmp_path / "mqtt.json"))
    first, again = Monitor(kept), Monitor(kept)
    async with publishing(broker) as pbx:
        async with first.listening():
            await publish(pbx, [caller(1, sequence="1"), caller(2, sequence="2")])
            await first.until(lambda: len(first.callers) == 2)
        async with again.listening():
            await publish(pbx, [caller(4, sequence="4")])
            await again.until(lambda: "caller-4" in again.callers)
    (gap,) = [item for item in again.items if isinstance(item, SourceGap)]

    assert gap.cause == "1 missing: the numbers 3 to 3 never came"


async def test_what_a_crash_of_the_broker_costs_is_shown_to_the_last_caller(broker: Broker):
    """Killed a moment after it acknowledged: some are lost, and exactly those are told as a gap."""
    numbered = [caller(number, sequence=str(number)) for number in range(1, 302)]
    monitor = Monitor(settings(broker))
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, numbered[:10])
        await monitor.until(lambda: len(monitor.callers) == 10)
    await SystemClock().sleep(2.5)
    async with publishing(broker) as pbx:
        await publish(pbx, numbered[10:300])
        await asyncio.to_thread(broker.restart, signal.SIGKILL)
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, numbered[300:])
        await monitor.until(lambda: "caller-301" in monitor.callers)
    lost = [number for number in range(1, 302) if f"caller-{number}" not in monitor.callers]

    found = [item.cause for item in monitor.items if isinstance(item, SourceGap) and "missing" in item.cause]
    assert lost == list(range(301 - len(lost), 301))
    assert found == ([f"{len(lost)} missing: the numbers {lost[0]} to 300 never came"] if lost else [])


# What makes no sense


async def test_poison_is_counted_acknowledged_and_stops_nobody(broker: Broker):
    monitor = Monitor(settings(broker))
    topic = "kc/v1/pbx/call/kundcenter/entered"
    poison = [b"\xff\x00", b"{}", encode(caller(1)).replace(b"call.entered", b"call.eaten"), b"x" * 200_000]
    async with monitor.listening(), publishing(broker) as pbx:
        for payload in poison:
            await pbx.publish(topic, payload, qos=1)
        await publish(pbx, callers(2, 2))
        await monitor.until(lambda: monitor.callers)
    first = len(monitor.items)
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(3, 3))
        await monitor.until(lambda: len(monitor.callers) == 2)

    assert monitor.rejected() == ["invalid_event"] * 4
    assert not any(isinstance(item, Rejected) for item in monitor.items[first:])  # none came again


async def test_a_message_on_which_our_own_code_fails_is_acknowledged_and_stops_nobody(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
):
    understood = Translator.message

    def failing(self: Translator, topic: str, payload: bytes, retain: bool, now: datetime) -> object:
        if numbers(2, 2)[0].encode() in payload:
            raise ZeroDivisionError
        return understood(self, topic, payload, retain, now)

    monkeypatch.setattr(Translator, "message", failing)
    monitor = Monitor(settings(broker))
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(1, 3))
        await monitor.until(lambda: len(monitor.callers) == 2)
    monkeypatch.undo()
    async with monitor.listening(), publishing(broker) as pbx:
        await publish(pbx, callers(4, 4))
        await monitor.until(lambda: len(monitor.callers) == 3)

    assert monitor.callers == [*numbers(1, 1), *numbers(3, 4)]  # the second never comes again
    assert monitor.rejected() == ["fault"]


async def test_nobody_may_speak_in_anothers_name(broker: Broker):
    monitor = Monitor(settings(broker))
    async with monitor.listening(), publishing(broker) as pbx, publishing(broker, "annan") as other:
        await publish(other, [caller(1)], source="annan")  # its own topic, the other's name in the event
        await publish(other, [caller(2)], source="pbx")  # the other's topic: the broker's access list stops it
        await publish(pbx, [caller(3)])
        await monitor.until(lambda: monitor.callers and monitor.rejected())

    assert monitor.callers == numbers(3, 3)
    assert monitor.rejected() == ["wrong_source"]


async def test_only_the_publishers_that_are_listed_are_heard(broker: Broker):
    monitor = Monitor(settings(broker, sources=(SOURCE,)))
    async with monitor.listening(), publishing(broker) as pbx, publishing(broker, "annan") as other:
        await publish(other, [caller(1, "urn:kc:simulator:annan")], source="annan")
        await pbx.publish(STATUS, "online", qos=1, retain=True)
        await publish(pbx, callers(2, 2))
        await monitor.until(lambda: monitor.callers)

    assert monitor.callers == numbers(2, 2)
    assert monitor.told(SourceConnected) == ["source.connected"]  # the whole name in the list: known before any event


# What is set wrong


async def trouble_with(wanted: Settings) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        async with build("broker", "central", wanted, SystemClock()).connect():
            raise AssertionError("it connected")
    await SystemClock().sleep(0)
    return caught.value


async def test_a_wrong_password_is_told_and_not_tried_again(broker: Broker):
    error = await trouble_with(settings(broker, password="fel"))

    assert error.permanent
    assert "username or password is wrong" in str(error)
    assert f"127.0.0.1:{broker.port}" in str(error)
    assert "fel" not in str(error).replace("felaktig", "")


async def test_nobody_at_that_address_is_told_by_host_and_port():
    error = await trouble_with(Settings(port=free_port()))

    assert not error.permanent
    assert "cannot be reached" in str(error)
    assert "See host, port and tls" in str(error)


async def test_somebody_who_takes_the_call_and_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        error = await trouble_with(Settings(port=server.getsockname()[1], connect_seconds=0.3))

    assert not error.permanent
    assert "did not answer in 0.3 s" in str(error)


def security_plugin() -> Path:
    return next(Path("/usr/lib").glob("**/mosquitto_dynamic_security.so"))


async def test_a_refused_subscription_is_told_by_its_setting(tmp_path: Path):
    """Mosquitto's access list file lets everybody subscribe; its dynamic security plugin can refuse."""
    plugin = security_plugin()
    salt = os.urandom(12)
    hashed = hashlib.pbkdf2_hmac("sha512", SECRET.encode(), salt, 101)
    rules = {
        "defaultACLAccess": {"publishClientSend": True, "publishClientReceive": True, "subscribe": False},
        "clients": [
            {
                "username": MONITOR,
                "password": base64.b64encode(hashed).decode(),
                "salt": base64.b64encode(salt).decode(),
                "iterations": 101,
                "roles": [],
            }
        ],
    }
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules))
    file.chmod(0o600)
    plugged = {"password_file": f"plugin {plugin}", "acl_file": f"plugin_opt_config_file {file}"}
    with running(tmp_path / "broker", instead=plugged) as broker:
        error = await trouble_with(settings(broker))

    assert error.permanent
    assert "topic_prefix" in str(error)
    assert "kc/v1/#" in str(error)


async def test_two_monitors_with_one_client_id_are_told_why_one_is_thrown_out(broker: Broker):
    first, second = Monitor(settings(broker)), Monitor(settings(broker))
    async with first.listening(), second.listening():
        error = await first.lost()

    assert "client_id" in str(error)


async def test_a_state_file_that_cannot_be_written_is_told_and_one_that_is_broken_is_begun_anew(
    broker: Broker, tmp_path: Path
):
    error = await trouble_with(settings(broker, state_path=str(tmp_path / "none" / "mqtt.json")))
    broken = tmp_path / "mqtt.json"
    broken.write_bytes(b"{")
    await Monitor(settings(broker, state_path=str(broken))).met()

    assert error.permanent
    assert "state_path" in str(error)
    assert broken.read_bytes() == b"{}"


# TLS


class Certificates:
    """An authority of our own, and what it has signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._openssl("req", "-x509", "-newkey", "ec", *_CURVE, "-nodes", "-subj", "/CN=Test", *self._out("ca"))
        self.ca = str(folder / "ca.crt")

    def signed(self, name: str, days: int) -> tuple[str, str]:
        """The certificate and its key, in files."""
        request, extension = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extension.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        key, certificate = str(self.folder / f"{name}.key"), str(self.folder / f"{name}.crt")
        new = ("req", "-newkey", "ec", *_CURVE, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", str(request))
        self._openssl(*new)
        by = ("-CA", self.ca, "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial", "-extfile", str(extension))
        self._openssl("x509", "-req", "-in", str(request), *by, "-days", str(days), "-out", certificate)
        return certificate, key

    def _out(self, name: str) -> tuple[str, ...]:
        return "-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.crt"), "-days", "2"

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates")


@asynccontextmanager
async def secured(folder: Path, certificates: Certificates, days: int, *extra: str) -> AsyncIterator[Broker]:
    certificate, key = certificates.signed("server", days)
    lines = [f"cafile {certificates.ca}", f"certfile {certificate}", f"keyfile {key}", *extra]
    with running(folder, extra=lines) as broker:
        yield broker


async def test_callers_arrive_over_tls(tmp_path: Path, certificates: Certificates):
    certificate, key = certificates.signed("monitor", 1)
    async with secured(tmp_path / "broker", certificates, 1, "require_certificate true") as broker:
        own = {"tls": True, "tls_ca": certificates.ca, "tls_cert": certificate, "tls_key": key}
        monitor = Monitor(settings(broker, **own))
        params = aiomqtt.TLSParameters(ca_certs=certificates.ca, certfile=certificate, keyfile=key)
        async with monitor.listening(), publishing(broker, tls_params=params) as pbx:
            await publish(pbx, callers(1, 300))
            await monitor.until(lambda: len(monitor.callers) == 300)

    assert monitor.callers == numbers(1, 300)


async def test_an_expired_certificate_is_told_as_that(tmp_path: Path, certificates: Certificates):
    async with secured(tmp_path / "broker", certificates, -1) as broker:
        error = await trouble_with(settings(broker, tls=True, tls_ca=certificates.ca))

    assert not error.permanent  # whoever renews it need not know of us
    assert "certificate has expired" in str(error)


async def test_a_certificate_by_somebody_unknown_is_not_trusted(tmp_path: Path, certificates: Certificates):
    async with secured(tmp_path / "broker", certificates, 1) as broker:
        error = await trouble_with(settings(broker, tls=True))

    assert "certificate that is not accepted" in str(error)
    assert "tls_ca" in str(error)


async def test_tls_to_a_broker_without_it_is_told(broker: Broker):
    error = await trouble_with(settings(broker, tls=True))

    assert "tls" in str(error).lower()


async def test_a_missing_certificate_file_is_told_by_its_setting(tmp_path: Path):
    for wanted in (
        Settings(tls=True, tls_ca=str(tmp_path / "none")),
        Settings(tls=True, tls_cert=str(tmp_path / "none"), tls_key=str(tmp_path / "none")),
    ):
        error = await trouble_with(wanted)
        assert error.permanent
        assert str(error).startswith("tls_c")
        assert "No such file" in str(error)


# The translator alone


def translator(switch: str = "central", **more: Any) -> Translator:
    return Translator(Connection(source="urn:kc:mqtt:broker", switch=switch, epoch="1"), Settings(**more))


def understood(
    one: Translator, topic: str, payload: bytes | str, *, retain: bool = False, seconds: int = 0
) -> list[str]:
    raw = payload.encode() if isinstance(payload, str) else payload
    items = one.message(topic, raw, retain, MORNING + timedelta(seconds=seconds))
    return [item.reason if isinstance(item, Rejected) else short_type(item) for item in items]


def test_every_topic_has_its_meaning_and_every_other_is_counted():
    one, event = translator(), encode(caller(1))

    assert understood(one, "kc/v1/pbx/call/kund%2Fcenter/entered", event) == ["call.entered"]
    assert understood(one, "kc/v1/pbx/agent/anna/state", event) == ["call.entered"]
    assert understood(one, "kc/v1/pbx/source/restarted", event) == ["call.entered"]
    assert understood(one, "kc/v1/pbx/queue/kundcenter/snapshot", event) == ["wrong_topic"]
    for topic in ("kc/v1/pbx", "kc/v1/pbx/", "kc/v2/pbx/status", "kc/v1/pbx/call/entered", "kc/v1/pbx/x/y/z", "a", ""):
        assert understood(one, topic, event) == ["unknown_topic"]
    assert understood(one, "kc/v1/pbx/call/kundcenter/entered", b"") == []


def test_a_name_in_a_topic_may_be_percent_encoded():
    event = encode(caller(1, "urn:kc:simulator:väx/el"))

    assert understood(translator(), "kc/v1/väx%2Fel/call/kundcenter/entered", event) == ["call.entered"]


def test_a_payload_too_large_is_not_read():
    assert understood(translator(), "kc/v1/pbx/call/k/entered", b"x" * (MAX_PAYLOAD_BYTES + 1)) == ["too_large"]


def test_an_event_that_was_retained_would_come_as_new_for_ever():
    assert understood(translator(), "kc/v1/pbx/call/k/entered", encode(caller(1)), retain=True) == ["retained_event"]


def test_an_old_snapshot_is_no_news_of_who_waits():
    one, topic, event = translator(), "kc/v1/pbx/queue/kundcenter/snapshot", encode(snapshot(MORNING))

    assert understood(one, topic, event, retain=True, seconds=301) == ["stale_snapshot"]
    assert understood(one, topic, event, retain=True, seconds=300) == ["queue.snapshot"]
    assert understood(one, topic, event, seconds=3600) == ["queue.snapshot"]  # kept for us by the broker, in its order


def test_a_status_before_any_event_waits_until_the_source_has_a_name():
    one = translator()

    assert understood(one, STATUS, "online") == []
    assert understood(one, "kc/v1/pbx/call/k/entered", encode(caller(1))) == ["source.connected", "call.entered"]
    assert understood(one, STATUS, "online") == []
    assert understood(one, STATUS, "offline") == ["source.disconnected"]
    assert understood(one, STATUS, "offline") == []


def test_publishers_and_sources_that_are_made_up_are_not_remembered_and_those_known_go_on():
    publishers = Publishers()
    one = Translator(Connection(source="urn:kc:mqtt:broker", switch="central", epoch="1"), Settings(), publishers)
    understood(one, "kc/v1/pbx/call/k/entered", encode(caller(1)))

    told = [understood(one, f"kc/v1/made-up-{number}/status", "online") for number in range(MAX_PUBLISHERS + 50)]
    for number in range(MAX_SOURCES + 50):
        event = caller(number, f"urn:{number}:pbx", sequence="1", epoch="1")
        assert understood(one, "kc/v1/pbx/call/k/entered", encode(event)) == ["call.entered"]

    assert told == [[]] * (MAX_PUBLISHERS - 1) + [["too_many_sources"]] * 51
    assert understood(one, STATUS, "offline").count("source.disconnected") == MAX_SOURCES
    assert understood(one, "kc/v1/late/call/k/entered", encode(caller(2, "urn:kc:x:late"))) == ["call.entered"]
    again = Publishers()
    again.recall(publishers.kept())
    assert len(list(again)) == MAX_PUBLISHERS
    assert max(len(publisher.counted) for publisher in again) == MAX_SOURCES


def test_a_status_that_is_none_is_counted():
    for payload in ("", "up", "{", '{"status": "gone"}', '{"status": 1}', b"\xff"):
        assert understood(translator(), STATUS, payload) == ([] if payload == "" else ["invalid_status"])
    assert understood(translator(), STATUS, '{"status":"online","source":"urn:kc:x:annan"}') == ["wrong_source"]


def test_a_telephone_number_as_a_pseudonym_is_withheld_and_counted():
    event = caller(1, caller=Caller(pseudonym="+46 70 174 06 05"))
    items = list(translator().message("kc/v1/pbx/call/k/entered", encode(event), False, MORNING))

    assert [item.reason for item in items if isinstance(item, Rejected)] == ["caller_number"]
    assert [item.caller for item in items if isinstance(item, CallEntered)] == [Caller(pseudonym=None)]


def gaps(*told: tuple[str, str], retain: Sequence[int] = ()) -> list[str]:
    """`told` are epoch and number."""
    one, found = translator(), []
    for at, (epoch, number) in enumerate(told):
        event = structs.replace(snapshot(MORNING + timedelta(seconds=at)), epoch=epoch, sequence=number)
        topic = "kc/v1/pbx/queue/kundcenter/snapshot"
        items = one.message(topic, encode(event), at in retain, MORNING + timedelta(seconds=at))
        found += [item.cause for item in items if isinstance(item, SourceGap)]
    return found


def test_a_step_back_is_a_repetition_and_no_gap():
    assert gaps(("a", "1"), ("a", "2"), ("a", "3"), ("a", "2"), ("a", "3"), ("a", "4")) == []


def test_a_publisher_that_started_again_may_count_from_one_or_go_on():
    assert gaps(("a", "8"), ("a", "9"), ("b", "1"), ("b", "2"), ("a", "9"), ("b", "1"), ("b", "3")) == []
    assert gaps(("a", "8"), ("b", "9"), ("b", "10")) == []
    assert gaps(("a", "8"), ("b", "11")) == ["2 missing: the numbers 9 to 10 never came"]


def test_what_was_retained_stands_in_no_order():
    assert gaps(("a", "1"), ("a", "9"), retain=(0,)) == []


def test_numbers_that_are_none_are_passed_over():
    assert gaps(("a", "x"), ("a", "-4"), ("a", "1")) == []


def test_the_recording_tells_its_story():
    """A morning by hand: two publishers, a caller, a gap, a poison, a last will."""
    one = translator()
    raw = (RECORDINGS / "a_morning_of_two_publishers.jsonl").read_bytes()
    items = [*one.feed(raw, MORNING), *one.close(MORNING)]

    assert [item.reason if isinstance(item, Rejected) else short_type(item) for item in items] == [
        "source.connected",
        "queue.snapshot",
        "call.entered",
        "call.ringing",
        "call.ring_ended",
        "call.answered",
        "invalid_event",
        "wrong_source",
        "sequence_gap",
        "source.gap",
        "call.entered",
        "source.disconnected",
    ]


def test_a_line_that_never_ends_is_counted_once():
    one = translator()
    items = [*one.feed(b"x" * (1 << 20), MORNING), *one.feed(b"x", MORNING), *one.feed(b"\n\n", MORNING)]

    assert [item.reason for item in items if isinstance(item, Rejected)] == ["line_too_long"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic_prefix": "kc/#"},
        {"topic_prefix": "/kc"},
        {"topic_prefix": "$share/kc"},
        {"receive_maximum": 0},
        {"session_seconds": 0},
        {"connect_seconds": 0.0},
        {"sources": ("",)},
        {"tls_ca": "ca.crt"},
        {"tls": True, "tls_cert": "own.crt"},
    ],
)
def test_a_setting_that_cannot_be_is_told_by_its_name(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=list(wrong)[-1]):
        msgspec.convert(wrong, Settings)


def test_without_the_broker_every_publisher_is_unknown_and_the_offline_ones_stay_so():
    one = translator()
    understood(one, "kc/v1/pbx/call/k/entered", encode(caller(1)))
    understood(one, "kc/v1/annan/call/k/entered", encode(caller(2, "urn:kc:simulator:annan")))
    understood(one, "kc/v1/annan/status", "offline")

    gone = [item for item in one.close(MORNING) if isinstance(item, SourceDisconnected)]
    back = [(short_type(item), item.source) for item in one.opened(MORNING + timedelta(seconds=9), resumed=False)]

    assert [item.source for item in gone] == [SOURCE]
    assert back == [
        ("source.connected", SOURCE),
        ("source.gap", SOURCE),
        ("source.connected", "urn:kc:mqtt:broker"),
    ]


def test_an_event_says_that_a_publisher_is_there_whose_last_will_came_late():
    one = translator()
    understood(one, "kc/v1/pbx/call/k/entered", encode(caller(1)))
    understood(one, STATUS, "online")
    understood(one, STATUS, "offline")  # the dead one's last will, after its successor's word

    assert understood(one, "kc/v1/pbx/call/k/entered", encode(caller(2))) == ["source.connected", "call.entered"]
    assert understood(one, "kc/v1/pbx/call/k/entered", encode(caller(3))) == ["call.entered"]
    assert understood(one, STATUS, "offline") == ["source.disconnected"]


def test_what_was_retained_says_nothing_of_whether_its_publisher_is_there_now():
    one, topic = translator(), "kc/v1/pbx/queue/kundcenter/snapshot"
    understood(one, topic, encode(snapshot(MORNING)))
    understood(one, STATUS, "offline")

    assert understood(one, topic, encode(snapshot(MORNING)), retain=True) == ["queue.snapshot"]


def test_when_an_event_came_is_ours_to_say_and_when_it_happened_its_senders():
    sent = structs.replace(caller(1), switch_time=None, observed_at=MORNING - timedelta(minutes=3))
    (event,) = translator().message("kc/v1/pbx/call/k/entered", encode(sent), False, MORNING)

    assert isinstance(event, CallEntered)
    assert (event.observed_at, event.at) == (MORNING, MORNING - timedelta(minutes=3))


def test_a_number_of_five_thousand_digits_and_a_clock_of_1970_begin_no_gap():
    one = translator()
    understood(one, "kc/v1/pbx/call/k/entered", encode(caller(1, sequence="9" * 5_000)))
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    understood(one, "kc/v1/pbx/call/k/entered", encode(structs.replace(caller(2, sequence="1"), switch_time=long_ago)))

    items = list(one.message("kc/v1/pbx/call/k/entered", encode(caller(3, sequence="9")), False, MORNING))
    (gap,) = (item for item in items if isinstance(item, SourceGap))
    assert MORNING - timedelta(days=1) < gap.from_ <= gap.to <= MORNING + timedelta(days=1)
