"""One session with a switch: however much it says, none of it is lost and memory does not grow with it."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from queue_monitor.clock import SystemClock
from queue_monitor.events import Event, SourceClock
from queue_monitor.ports import Rejected
from queue_monitor.switch_session import MAX_WAITING_BYTES, Dialogue, Line, Place, SwitchAdapter

PIECE = b"x" * 65_536
FLOOD_PIECES = 400


class Counting:
    """A translator that counts what it hears: an event for each piece."""

    def __init__(self) -> None:
        self.heard = 0

    def feed(self, raw: bytes, received_at: datetime) -> Iterable[Event | Rejected]:
        self.heard += len(raw)
        yield SourceClock(
            id=str(self.heard), source="urn:kc:test:x", observed_at=received_at, offset_ms=0.0, rtt_ms=0.0
        )

    def flush(self, now: datetime) -> Iterable[Event | Rejected]:
        return ()

    def close(self, now: datetime) -> Iterable[Event | Rejected]:
        return ()


class Quiet:
    """A dialogue that asks nothing, and notes whether it would have judged a switch that had to wait."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.translator = Counting()
        self.judged_while_behind = False

    async def log_in(self) -> None:
        pass

    def ask(self) -> str:
        self.judged_while_behind |= self.line.is_behind
        return ""

    def say_goodbye(self) -> None:
        pass


async def test_a_switch_that_floods_waits_and_all_that_it_says_is_heard():
    sent = 0
    dialogues: list[Quiet] = []

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(FLOOD_PIECES):
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)
        writer.write_eof()
        await reader.read()
        writer.close()

    def begin(line: Line, began: datetime) -> Dialogue:
        dialogues.append(Quiet(line))
        return dialogues[0]

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    place = Place(name="a switch", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    async with server, SwitchAdapter("x", place, SystemClock(), begin).connect() as deliveries:
        await anext(deliveries)  # whoever takes them stands still now
        before = -1
        while before != sent or not dialogues[0].line.is_behind:
            before = sent
            await SystemClock().sleep(0.05)
        waits = sent - dialogues[0].translator.heard
        with suppress(Exception):
            async for _ in deliveries:
                pass

    in_the_sockets = 8 * 1024 * 1024
    assert MAX_WAITING_BYTES <= waits < MAX_WAITING_BYTES + in_the_sockets < FLOOD_PIECES * len(PIECE)
    assert dialogues[0].translator.heard == FLOOD_PIECES * len(PIECE)
    assert not dialogues[0].judged_while_behind
