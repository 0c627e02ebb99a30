"""Calls into a live Asterisk, and the truth about them: what the people did and heard, told by themselves.

The test has a manager connection of its own. It makes calls and hears the UserEvents `Truth` of callers and agents
(`switch.py` says who tells what). No event of app_queue is looked at.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field

from queue_monitor.clock import SystemClock
from tests.asterisk.switch import SECRET

CLOCK = SystemClock()

Message = dict[str, str]

LET_GO = {"TIMEOUT": "timeout", "LEAVEEMPTY": "no_agents", "WITHDRAW": "withdrawn"}
REFUSED = ("FULL", "JOINEMPTY")
SORTS = (
    *("plain", "hasty", "limited", "onward", "key", "passed on"),
    *("nested", "nested and hasty", "moved", "reception", "called back"),
)
FICTITIOUS = [
    f"{area}{number:0{digits}}"
    for area, first, digits in (("0980", 319200, 6), ("031", 3900600, 7), ("040", 6280400, 7), ("08", 46500400, 8))
    for number in range(first, first + 100)
]
"""Telephone numbers set aside for fiction. As in life, each caller has one of his or her own."""


@dataclass
class Call:
    """One person's plan: how patient, how long the phones ring before an agent answers, how long the talk goes on.

    `limit`: the queue lets the caller go after so long. `onward`: then on to bygglov. `press`: key 1 after so long.
    `way`: into the queue by the reception, called back by us, or taken out of it and moved elsewhere.
    """

    name: str
    queue: str
    at: float
    patience: float = 60
    ring: float = 1
    talk: float = 5
    limit: int = 40
    onward: bool = False
    press: float | None = None
    transferred: bool = False
    way: str = ""


@dataclass
class MergedVisit:
    """One stay in one queue as the caller knows it; times by the switch's clock, seconds since 1970."""

    call: str
    queue: str
    leg: str
    channel: str
    entered: float
    ended: float | None = None
    outcome: str = "waiting"

    @property
    def wait(self) -> float | None:
        return None if self.ended is None else self.ended - self.entered


class Control:
    """A manager connection: actions with their replies, and what is told meanwhile."""

    def __init__(self, port: int) -> None:
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self._port = port
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._sent = 0

    async def open(self) -> None:
        """Log in, and wait until all modules are loaded."""
        until = asyncio.get_running_loop().time() + 20
        while True:
            try:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._reading = asyncio.create_task(self._read(reader))
                await self.ask("Login", Username="control", Secret=SECRET)
                if (await self.ask("QueueStatus"))["Response"] == "Success":
                    return
                await self.close()
            except (OSError, TimeoutError):
                if asyncio.get_running_loop().time() > until:
                    raise
            await CLOCK.sleep(0.1)

    async def ask(self, action: str, /, variables: dict[str, str] | None = None, **fields: str) -> Message:
        return await asyncio.wait_for(self.send(action, variables, **fields), 5)

    def send(self, action: str, /, variables: dict[str, str] | None = None, **fields: str) -> "asyncio.Future[Message]":
        """Ask without waiting; a switch that restarts does not reply."""
        assert self._writer is not None
        self._sent += 1
        number = str(self._sent)
        lines = [f"Action: {action}", f"ActionID: {number}", *(f"{key}: {value}" for key, value in fields.items())]
        lines += [f"Variable: {name}={value}" for name, value in (variables or {}).items()]
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        return reply

    async def close(self) -> None:
        if self._reading:
            self._reading.cancel()
        if self._writer:
            self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                block = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
            except (OSError, asyncio.IncompleteReadError):
                return
            message: Message = {}
            for line in block.split("\r\n"):
                name, _, value = line.partition(":")
                message.setdefault(name, value.strip())
            if message.get("Event") == "UserEvent":
                self.heard.put_nowait(message)
            elif "Response" in message and (reply := self._replies.pop(message.get("ActionID", ""), None)):
                reply.set_result(message)


@dataclass
class Truth:
    """What became of everybody, put together from what people and agents told."""

    stays: list[MergedVisit] = field(default_factory=list)
    refused: list[Message] = field(default_factory=list)
    _now: dict[str, MergedVisit] = field(default_factory=dict)
    _asked: dict[str, Message] = field(default_factory=dict)

    def hear(self, message: Message) -> None:
        call, at = message["Call"], float(message["Timestamp"])
        stay = self._now.get(call)
        match message["What"]:
            case "enters":
                self._now[call] = MergedVisit(call, message["Asks"], message["Id"], message["Channel"], at)
                self.stays.append(self._now[call])
            case "answered" if stay:
                self._end(stay, "answered", at)
            case "key" if stay:
                self._end(stay, "exit_key", at)
            case "hangs up" if stay:
                self._end(stay, "abandoned", at)
            case "moved" if stay:
                self._end(stay, "transferred_out", at)
            case "let go" if stay and message["Status"] in REFUSED:
                self.stays.remove(stay)
                self.refused.append(message | {"Queue": stay.queue})
            case "let go" if stay:
                self._end(stay, LET_GO.get(message["Status"], message["Status"].lower()), at)

    def _end(self, stay: MergedVisit, outcome: str, at: float) -> None:
        if stay.outcome == "waiting":
            stay.outcome, stay.ended = outcome, at

    def restarted(self, at: float) -> None:
        """Every call on the switch is gone."""
        for stay in self.stays:
            self._end(stay, "lost", at)
        self._now.clear()

    def waiting(self, queue: str | None = None) -> list[MergedVisit]:
        return [stay for stay in self.stays if stay.outcome == "waiting" and queue in (None, stay.queue)]

    def counts(self, queue: str) -> Counter[str]:
        found = Counter(stay.outcome for stay in self.stays if stay.queue == queue)
        found["entered"] = found.total()
        found["refused"] = sum(message["Queue"] == queue for message in self.refused)
        return +found


class Callers:
    """Makes the planned calls and keeps the truth."""

    def __init__(self, control: Control, truth: Truth | None = None) -> None:
        self.truth = truth or Truth()
        self.control = control
        self._transfers: set[str] = set()
        self._moves: set[str] = set()
        self._dialled = 0
        self._transferring: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        while True:
            message = await self.control.heard.get()
            self.truth.hear(message)
            if message["What"] == "answered" and message["Call"] in self._transfers:
                self._transfers.remove(message["Call"])
                self._beside(self._transfer(message["Chan"]))
            if message["What"] == "enters" and message["Call"] in self._moves:
                self._moves.remove(message["Call"])
                self._beside(self._move(message["Channel"]))

    def _beside(self, doing: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(doing)
        self._transferring.add(task)
        task.add_done_callback(self._transferring.discard)

    async def make(self, calls: Iterable[Call]) -> None:
        """Make each call at its time, counted from now."""
        began = asyncio.get_running_loop().time()
        for call in sorted(calls, key=lambda one: one.at):
            await CLOCK.sleep(max(0.0, began + call.at - asyncio.get_running_loop().time()))
            await self.dial(call)

    async def dial(self, call: Call) -> None:
        if call.transferred:
            self._transfers.add(call.name)
        if call.way == "moved":
            self._moves.add(call.name)
        number = FICTITIOUS[self._dialled % len(FICTITIOUS)]
        self._dialled += 1
        told = {"CALL": call.name, "RING": call.ring, "TALK": call.talk, "LIMIT": call.limit, "PATIENCE": call.patience}
        told["ONWARD"] = "bygglov" if call.onward else ""
        told["CONSULTS"] = 2.5
        told["PRESS"] = "" if call.press is None else call.press
        reply = await self.control.ask(
            "Originate",
            {f"__{name}": str(value) for name, value in told.items()},
            Channel="Local/10@callback" if call.way == "called back" else "Local/10@people/n",
            Context="reception" if call.way == "reception" else "callers",
            Exten=call.queue,
            Priority="1",
            CallerID=f"<{number}>",
            Async="true",
        )
        assert reply["Response"] == "Success", reply

    async def _transfer(self, channel: str) -> None:
        """The agent passes the caller on to bygglov."""
        await CLOCK.sleep(1.5)
        await self.control.ask("BlindTransfer", Channel=channel, Context="callers", Exten="bygglov")

    async def _move(self, channel: str) -> None:
        """A panel takes the caller out of the queue."""
        await CLOCK.sleep(2)
        await self.control.ask("Redirect", Channel=channel, Context="elsewhere", Exten="s", Priority="1")


def rush(count: int, seconds: float, seed: int, prefix: str) -> Iterator[Call]:
    """So many callers in so long a time, of every sort; the same for the same seed."""
    draw = random.Random(seed)
    for number in range(count):
        at = seconds * (number + draw.random()) / count
        queue = "bygglov" if draw.random() < 0.3 else "kundcenter"
        call = Call(f"{prefix}{number:03}", queue, at, ring=draw.choice((1, 2, 3)), talk=draw.choice((6, 9, 12, 16)))
        match draw.choices(SORTS, (9, 4, 2, 2, 2, 2, 4, 2, 2, 2, 2))[0]:
            case "hasty":
                call.patience, call.ring = draw.uniform(1.5, 7), draw.choice((3, 8))
            case "limited":
                call.limit, call.ring = draw.choice((3, 5)), 8
            case "onward":
                call.queue, call.limit, call.ring, call.onward = "kundcenter", 4, 8, True
            case "key":
                call.press, call.ring = draw.uniform(1, 4), 8
            case "passed on":
                call.queue, call.transferred = "kundcenter", True
            case "nested":
                call.queue = "yttre"
            case "nested and hasty":
                call.queue, call.patience, call.ring = "yttre", draw.uniform(2, 9), 8
            case "moved":
                call.way, call.ring = "moved", 8
            case "reception" | "called back" as way:
                call.way = way
        yield call
