"""A real Mosquitto with deploy/mosquitto.conf as it is shipped, on a free port, with files of its own; never a mock."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.patience import PATIENCE

SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto.conf"
MONITOR = "queue-monitor"
SECRET = "hemligt"
PUBLISHERS = ("pbx", "annan")
ACL = f"user {MONITOR}\ntopic read kc/v1/#\n\npattern write kc/v1/%u/#\n"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, f"{name} is not installed"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Broker:
    """One Mosquitto. `instead` replaces shipped lines by their first word; `extra` are lines more."""

    def __init__(self, folder: Path, *, instead: dict[str, str] | None = None, extra: Iterable[str] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "kept"
        kept.mkdir(exist_ok=True)
        passwords, acl = folder / "passwords", folder / "acl"
        passwords.write_text("".join(f"{user}:{SECRET}\n" for user in (MONITOR, *PUBLISHERS)))
        acl.write_text(ACL)
        for file in (passwords, acl):
            file.chmod(0o600)
        subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True, capture_output=True)
        lines = {
            "listener": f"listener {self.port} 127.0.0.1",
            "password_file": f"password_file {passwords}",
            "acl_file": f"acl_file {acl}",
            "persistence_location": f"persistence_location {kept}/",
        } | (instead or {})
        text = SHIPPED.read_text(encoding="utf-8").splitlines()
        written = [lines.get(line.partition(" ")[0], line) for line in text]
        owner = ["user root"] if os.geteuid() == 0 else []
        self.conf = folder / "mosquitto.conf"
        self.conf.write_text("\n".join([*written, *owner, *extra, ""]), encoding="utf-8")

    def start(self) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen([program("mosquitto"), "-c", str(self.conf)], stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            time.sleep(0.02)
        raise AssertionError(f"Mosquitto did not start: {(self.folder / 'log.txt').read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None

    def restart(self, number: int = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def client(self, username: str = "pbx", **more: Any) -> aiomqtt.Client:
        settings: dict[str, Any] = {
            "hostname": "127.0.0.1",
            "port": self.port,
            "username": username,
            "password": SECRET,
            "identifier": f"test-{username}",
            "protocol": aiomqtt.ProtocolVersion.V5,
            "max_inflight_messages": 500,
        }
        return aiomqtt.Client(**settings | more)


def lasting(seconds: int = 3600) -> dict[str, Any]:
    """A session that the broker keeps."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = seconds
    return {"clean_start": False, "properties": properties}


@asynccontextmanager
async def publishing(broker: Broker, username: str = "pbx", **more: Any) -> AsyncIterator[aiomqtt.Client]:
    client = broker.client(username, **more)
    client.pending_calls_threshold = 1_000_000  # many publishes at once are meant here
    try:
        async with client:
            yield client
    finally:
        if client._disconnected.done():  # asyncio complains of a reason that nobody looked at
            client._disconnected.exception()


@contextmanager
def running(folder: Path, *, instead: dict[str, str] | None = None, extra: Iterable[str] = ()) -> Iterator[Broker]:
    broker = Broker(folder, instead=instead, extra=extra)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop(signal.SIGKILL)
