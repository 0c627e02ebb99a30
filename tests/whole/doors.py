"""Senders at every door of a running monitor: each tells of good callers, and of poison in between."""

import asyncio
import http.client
import json
import socket
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import aiomqtt

from adapters.freeswitch.translator import MEMBERS_OF, QUEUES
from adapters.mqtt.translator import MAX_PAYLOAD_BYTES
from queue_monitor.clock import SystemClock
from queue_monitor.model import Role
from tests.adapters import test_ami_trouble as manager
from tests.adapters import test_freeswitch as event_socket
from tests.adapters.broker import MONITOR, PUBLISHERS, Broker, publishing, running
from tests.adapters.broker import SECRET as BROKER_SECRET
from tests.api.centre import SECRET, TOKENS, Centre, centre, signed, with_tokens
from tests.patience import PATIENCE
from tests.whole.poison import Poison

HOST: Final = "127.0.0.1"
Asked = dict[str, str] | str
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Question = Callable[[asyncio.StreamReader], Awaitable[Asked]]


class Door(Protocol):
    """A sender at one door. Its good callers wait in `queue`, and are gone at once."""

    queue: str

    async def good(self, caller: int) -> None:
        """Tell of one more who came and hung up; returns when the monitor cannot lose it any more."""

    async def bad(self, poison: Poison) -> None: ...

    async def broken(self, poison: Poison) -> None:
        """A message that ends in the middle, and with it the connection, where there is one."""


class HttpDoor:
    """The intake, with two senders: one good and one bad."""

    queue = "god http"

    def __init__(self, told: Centre) -> None:
        self._told = told

    async def good(self, caller: int) -> None:
        events = (self._told.enters(caller, self.queue), self._told.leaves(caller))
        await asyncio.to_thread(self._told.tell, *events)

    async def bad(self, poison: Poison) -> None:
        kind, body = "application/cloudevents+json", poison.event("urn:kc:http:ond", "ond")
        if poison.chance(0.3):
            others = [poison.event("urn:kc:http:ond", "ond") for _ in range(3)]
            kind, body = "application/cloudevents-batch+json", b"[" + b",".join([body, *others]) + b"]"
        if poison.chance(0.05):
            kind = poison.choice("", "text/plain", "application/json; charset=latin-1", "a/b/c;;", "x" * 5_000)
        status = await asyncio.to_thread(self._post, body, kind)
        assert status < 500 or status == HTTPStatus.SERVICE_UNAVAILABLE, (status, kind, body[:2_000])

    def _post(self, body: bytes, kind: str) -> int:
        connection = http.client.HTTPConnection(HOST, urlsplit(self._told.address).port, timeout=PATIENCE)
        try:
            connection.request("POST", "/api/v1/events", body, {"Content-Type": kind} | signed(body, "ond"))
            return connection.getresponse().status
        finally:
            connection.close()

    async def broken(self, poison: Poison) -> None:
        body = poison.event("urn:kc:http:ond", "ond")
        lines = [f"{name}: {value}" for name, value in signed(body, "ond").items()]
        head = "\r\n".join(["POST /api/v1/events HTTP/1.1", "Host: monitor", *lines, f"Content-Length: {len(body)}"])
        whole = head.encode() + b"\r\nContent-Type: application/cloudevents+json\r\n\r\n" + body
        with socket.create_connection((HOST, urlsplit(self._told.address).port)) as connection, suppress(OSError):
            connection.sendall(poison.damaged(whole))


class Publisher:
    """Publishes to a broker that may be gone for a while: again and again, until it has been taken."""

    def __init__(self, broker: Broker, username: str) -> None:
        self._broker = broker
        self._username = username
        self._connection = AsyncExitStack()
        self._client: aiomqtt.Client | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, topic: str, payload: bytes | str, *, qos: int, retain: bool = False) -> None:
        while True:
            client: aiomqtt.Client | None = None
            try:
                async with self._connecting:
                    if self._client is None:
                        connected = publishing(self._broker, self._username)
                        self._client = await self._connection.enter_async_context(connected)
                    client = self._client
                await client.publish(topic, payload, qos=qos, retain=retain, timeout=PATIENCE)
            except aiomqtt.MqttError:
                async with self._connecting:
                    if client is self._client:
                        await self.close()
                await SystemClock().sleep(0.2)
            else:
                return

    async def close(self) -> None:
        self._client = None
        with suppress(aiomqtt.MqttError):
            await self._connection.aclose()


class MqttDoor:
    """A broker with two publishers: one good and one bad."""

    queue = "god mqtt"

    def __init__(self, told: Centre, good: Publisher, bad: Publisher) -> None:
        self._told = told
        self._good = good
        self._bad = bad

    async def good(self, caller: int) -> None:
        for event in (self._told.enters(caller, self.queue), self._told.leaves(caller)):
            event["source"], event["data"]["visit_id"] = "urn:kc:x:pbx", f"mqtt:{caller}"
            event["data"] |= {"switch": "mqtt", "contact_id": f"mqtt:{caller}"}
            await self._good.publish("kc/v1/pbx/call/q/any", json.dumps(event), qos=1)

    async def bad(self, poison: Poison) -> None:
        topics = ("call/q/entered", "agent/a/state", "source/gap", "queue/q/snapshot", "status", "call", "x/\u202e/å/y")
        payload = poison.event("urn:kc:x:annan", "annan")[: MAX_PAYLOAD_BYTES - 1_000]
        topic, retain = poison.choice(*topics), poison.chance(0.1)
        if topic == "status" and poison.chance(0.5):
            payload = poison.choice("online", "offline", '{"status":"online","source":[]}', "ONLINE\n").encode()
        await self._bad.publish(f"kc/v1/annan/{topic}", payload, qos=1, retain=retain)

    async def broken(self, poison: Poison) -> None:
        """What no broker passes on: an empty payload on a topic of its own is the least that one does."""
        await self._bad.publish(f"kc/v1/annan/{poison.choice('a', 'b')}", b"", qos=1)


class LogDoor:
    """A queue_log that grows."""

    queue = "god logg"

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)

    async def good(self, caller: int) -> None:
        at = int(SystemClock().now().timestamp())
        self.append(
            f"{at}|{at}.{caller}|{self.queue}|NONE|ENTERQUEUE||anonymous|1\n"
            f"{at}|{at}.{caller}|{self.queue}|NONE|ABANDON|1|1|0\n".encode()
        )

    async def bad(self, poison: Poison) -> None:
        self.append(poison.log_line())

    async def broken(self, poison: Poison) -> None:
        """A line that is written in two goes, with time between them."""
        line = poison.log_line()
        self.append(line[: len(line) // 2])
        await SystemClock().sleep(1.2)
        self.append(line[len(line) // 2 :])


class Switchboard:
    """A switch that listens: whoever it lets in is answered, and told whatever `say` is given.

    `let_in` is its part of the login, `question` reads what it is asked, and `answer` answers. It says nothing of its
    own before `first` has been asked: until then a listener may not be there.
    """

    def __init__(self, let_in: Script, question: Question, answer: Callable[[Asked], bytes], first: str) -> None:
        self._let_in = let_in
        self._question = question
        self._answer = answer
        self._first = first
        self._line: asyncio.StreamWriter | None = None
        self._ended = set[asyncio.StreamWriter]()
        self._listening = asyncio.Event()
        self._serving: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        await self.come_back()
        try:
            yield self._port
        finally:
            await self.go_away()
            for one in self._serving:
                one.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def come_back(self) -> None:
        """Listen, again at the same port."""
        self._server = await asyncio.start_server(self._connected, HOST, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def go_away(self) -> None:
        """Let nobody in any more, and hang up in good order: what was said before is read."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._line is not None and self._listening.is_set():
            await self._hang_up(self._line)

    async def _hang_up(self, line: asyncio.StreamWriter) -> None:
        self._listening.clear()
        self._ended.add(line)
        with suppress(OSError):  # it may have gone by itself
            await line.drain()
            line.write_eof()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._let_in(reader, writer)
            while True:
                asked = await self._question(reader)
                if writer in self._ended:
                    continue
                writer.write(self._answer(asked))
                if self._first in (asked, asked.get("Action") if isinstance(asked, dict) else asked):
                    self._line = writer
                    self._listening.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            if self._line is writer:
                self._listening.clear()
        finally:
            writer.transport.abort()

    async def say(self, message: bytes) -> None:
        await self._listening.wait()
        while self._line in self._ended:  # this line was hung up a moment ago, and the next one is not there yet
            self._listening.clear()
            await self._listening.wait()
        assert self._line is not None
        with suppress(ConnectionError):  # whoever hung up comes again
            self._line.write(message)
            await self._line.drain()

    async def say_half(self, message: bytes) -> None:
        """And hang up, in good order: what was said before is read."""
        await self.say(message[: len(message) // 2])
        assert self._line is not None
        await self._hang_up(self._line)


# ---- Asterisk's manager interface


async def _let_into_manager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await manager.greet(reader, writer)
    writer.write(b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n")


def _manager_answers(asked: Asked) -> bytes:
    assert isinstance(asked, dict)
    if asked["Action"] == "Ping":
        return manager.reply(asked, Ping="Pong", Timestamp=f"{SystemClock().now().timestamp():.6f}")
    ended = f"Event: QueueStatusComplete\r\nActionID: {asked['ActionID']}\r\nEventList: Complete\r\n\r\n"
    return manager.reply(asked, EventList="start") + (ended.encode() if asked["Action"] == "QueueStatus" else b"")


class ManagerDoor:
    """Asterisk's manager interface."""

    queue = "god ami"

    def __init__(self) -> None:
        self.switch = Switchboard(_let_into_manager, manager.action, _manager_answers, "QueueStatus")

    async def good(self, caller: int) -> None:
        at = SystemClock().now().timestamp()
        who = f"Timestamp: {at:.6f}\r\nUniqueid: god.{caller}\r\nLinkedid: god.{caller}\r\nQueue: {self.queue}\r\n"
        told = (
            f"Event: QueueCallerJoin\r\n{who}Position: 1\r\nCount: 1\r\n\r\n"
            f"Event: HangupRequest\r\n{who}\r\n"
            f"Event: QueueCallerAbandon\r\n{who}Position: 1\r\nOriginalPosition: 1\r\nHoldTime: 0\r\n\r\n"
            f"Event: QueueCallerLeave\r\n{who}Position: 1\r\nCount: 0\r\n\r\n"
            f"Event: Hangup\r\n{who}Cause: 0\r\n\r\n"
        )
        await self.switch.say(told.encode())

    async def bad(self, poison: Poison) -> None:
        await self.switch.say(poison.manager_message())

    async def broken(self, poison: Poison) -> None:
        await self.switch.say_half(poison.manager_message())


# ---- FreeSWITCH's event socket

_NOBODY: Final = event_socket.answer(event_socket.members())


def _socket_answers(asked: Asked) -> bytes:
    assert isinstance(asked, str)
    return _NOBODY if asked.startswith(MEMBERS_OF) else event_socket.ANSWERS.get(asked, event_socket.OK)


class SocketDoor:
    """FreeSWITCH's event socket."""

    queue = "god fs"

    def __init__(self) -> None:
        self.switch = Switchboard(event_socket.greet, event_socket.command, _socket_answers, QUEUES)

    async def good(self, caller: int) -> None:
        member, session = (str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}-{caller}")) for kind in "ms")
        now = SystemClock().now().timestamp()
        who = {
            "Event-Name": "CUSTOM",
            "Event-Subclass": "callcenter::info",
            "Core-UUID": "a8d2ee04-4298-4a77-bab9-2ad6dbde2cda",
            "Event-Date-Timestamp": str(int(now * 1e6)),
            "CC-Queue": f"{self.queue}@lab",
            "CC-Member-UUID": member,
            "CC-Member-Session-UUID": session,
        }
        ends = {"CC-Cause": "Cancel", "CC-Cancel-Reason": "BREAK_OUT", "CC-Member-Joined-Time": str(int(now))}
        told = event_socket.plain(who | {"CC-Action": "member-queue-start"})
        await self.switch.say(told + event_socket.plain(who | {"CC-Action": "member-queue-end"} | ends))

    async def bad(self, poison: Poison) -> None:
        await self.switch.say(poison.frame())

    async def broken(self, poison: Poison) -> None:
        await self.switch.say_half(poison.frame())


# ---- all of them


def settings(broker: Broker, log: Path, manager_port: int, socket_port: int) -> str:
    """A monitor's sources beside those of the sample centre."""
    return f"""
[[sources]]
name = "ond"
kind = "http"
switch = "ond"
secrets = ["{SECRET}"]
events_per_second = 10000
burst_events = 50000

[[sources]]
name = "maklaren"
kind = "mqtt"
switch = "mqtt"
port = {broker.port}
username = "{MONITOR}"
password = "{BROKER_SECRET}"

[[sources]]
name = "logg"
kind = "asterisk_queuelog"
switch = "logg"
path = "{log}"

[[sources]]
name = "ami"
kind = "asterisk_ami"
switch = "ami"
port = {manager_port}
secret = "{manager.SECRET}"

[[sources]]
name = "fs"
kind = "freeswitch"
switch = "fs"
port = {socket_port}
password = "sesam"
"""


def asked(told: Centre, path: str) -> str:
    """What the monitor answers to its administrator."""
    request = urllib.request.Request(told.address + path, headers={"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


class Whole(NamedTuple):
    """A running monitor, a sender at each door, and what stands behind the doors."""

    told: Centre
    doors: tuple[Door, ...]
    broker: Broker
    switches: dict[str, Switchboard]


def named(*queues: str) -> str:
    """Settings that name these queues: whatever poison is named first, they have their places."""
    return "".join(f'\n[queues."{queue}"]\nlabel = "{queue}"\n' for queue in queues)


@asynccontextmanager
async def all_doors(folder: Path, written: str = "", **environment: str) -> AsyncIterator[Whole]:
    """A running monitor with these settings too, and a sender at each door."""
    log = folder / "queue_log"
    log.write_bytes(b"")
    ami, socket_door = ManagerDoor(), SocketDoor()
    written += named("god http", "god mqtt", "god logg", "god ami", "god fs@lab")
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running(folder / "broker"))
        ports = [await stack.enter_async_context(door.switch.open()) for door in (ami, socket_door)]
        written = with_tokens() + settings(broker, log, *ports) + written
        told = stack.enter_context(centre(folder, written, **environment))
        while told.monitor.log.read_text().count("source connected") < written.count("[[sources]]"):
            await SystemClock().sleep(0.1)
        publishers = [Publisher(broker, name) for name in PUBLISHERS]
        for publisher in publishers:
            stack.push_async_callback(publisher.close)
        doors = (HttpDoor(told), MqttDoor(told, *publishers), LogDoor(log), ami, socket_door)
        yield Whole(told, doors, broker, {"ami": ami.switch, "fs": socket_door.switch})
