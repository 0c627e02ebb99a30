"""A client that means harm, against the whole program: refused or bounded, and an honest wallboard goes on."""

import asyncio
import http.client
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.api.guard.limits import STREAMS, WRONG_TOKENS
from queue_monitor.clock import SystemClock
from queue_monitor.model import Role
from tests.api.boards import Board, spread, until
from tests.api.centre import TOKENS, Centre, centre, with_tokens
from tests.patience import PATIENCE

HOSTILE = "127.0.0.66"
MAX_MEMORY_MB = 250.0

PATHS = (
    "/..",
    "/../etc/passwd",
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/..%5c..%5capp.py",
    "/static/....//app.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/%00",
    "/static/wallboard.css%00.html",
    "/static/" + "a" * 8_000,
    "//evil.example/",
    "/%00",
    "/api/v1/queues/%00",
    "/api/v1/queues/%ff",
    "/api/v1/queues/" + "%2e%2e%2f" * 900,
    "/api/v1/queues/../../../etc/passwd",
    "/" + "a/" * 6_000,
    "/alerts/%00",
    "/alerts/" + "a" * 8_000,
    "/?lang=%00&theme=%ff",
    "/?lang=" + "x" * 8_000,
    "/api/v1/intervals?from=9999-12-31T23:59:59-14:00&step=tertial",
    "/api/v1/intervals?to=0001-01-01",
    "/api/v1/calendar?from=0001-01-01",
    "/api/v1/calendar?to=9999-12-31",
    "/api/v1/intervals?queue=" + "%f0%9f" * 1_000,
    "/api/v1/lost-calls?from=9999-12-31&to=0001-01-01",
    "*",
    "http://evil.example/",
)


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    with centre(tmp_path_factory.mktemp("besieged"), with_tokens()) as started:
        started.tell(started.enters(1))
        yield started


def ask(told: Centre, path: str, *, method: str = "GET", token: str = "", body: object = None) -> tuple[int, bytes]:
    """As the hostile one, from an address of its own, with a path that no library tidies up."""
    host, port = told.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE, source_address=(HOSTILE, 0))
    connection._validate_path = lambda url: None  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, body, headers, encode_chunked=True)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_a_path_that_plays_tricks_finds_nothing_that_is_not_to_be_found(besieged: Centre, path: str):
    status, body = ask(besieged, path, token=TOKENS[Role.ADMIN])

    assert status < 500
    assert b"root:" not in body
    assert b"def create_app" not in body


def test_whoever_guesses_tokens_is_kept_out_and_nobody_else_is(besieged: Centre):
    answers = [ask(besieged, "/api/v1/status", token=f"gissning {n}")[0] for n in range(WRONG_TOKENS + 5)]

    assert answers == [401] * WRONG_TOKENS + [429] * 5
    host, port = besieged.address.removeprefix("http://").split(":")
    honest = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    honest.request("GET", "/api/v1/status", headers={"Authorization": f"Bearer {TOKENS[Role.STATUS]}"})
    assert honest.getresponse().status == 200
    honest.close()


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/status", "/alerts/anything", "/sign-in"])
def test_a_body_without_end_is_not_taken_in(besieged: Centre, path: str):
    """Declared, and in chunks whose end never comes."""
    before = besieged.memory_mb()
    sent = 0
    for head in (b"Content-Length: 100000000000", b"Transfer-Encoding: chunked"):
        with hostile(besieged) as connection, suppress(ConnectionError):
            start = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n"
            connection.sendall(start.encode() + head + b"\r\n\r\n")
            for _ in range(400):
                piece = b"x" * 65_536
                connection.sendall(piece if b"Length" in head else b"10000\r\n" + piece + b"\r\n")
                sent += len(piece)

    assert besieged.memory_mb() - before < 20


def hostile(told: Centre) -> socket.socket:
    host, port = told.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE, source_address=(HOSTILE, 0))


class Siege:
    """What one does who wants all the places for himself."""

    def __init__(self, told: Centre) -> None:
        self._told = told
        self._running: set[asyncio.Task[None]] = set()
        self.streams = Counter[str]()
        self.cut_off = 0

    def open_streams(self, number: int) -> None:
        """From several addresses, as many as there may be of one and more; nothing of them is read."""
        self._start(self._stream(f"127.0.66.{1 + n % 8}") for n in range(number))

    def dawdle(self, number: int) -> None:
        """Slow loris: many who ask, a byte at a time."""
        self._start(self._byte_by_byte(f"127.0.67.{1 + n % 200}") for n in range(number))

    def _start(self, doing: Iterable[Coroutine[Any, Any, None]]) -> None:
        self._running |= {asyncio.create_task(one) for one in doing}

    @asynccontextmanager
    async def _open(self, own: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        host, port = self._told.address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(own, 0), limit=4096)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _stream(self, own: str) -> None:
        said = "cut off"
        with suppress(OSError):
            async with self._open(own) as (reader, writer):
                token = TOKENS[Role.WALLBOARD]
                head = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
                writer.write(head.encode())
                said = (await reader.readline()).decode()[9:12] or said
                self.streams[said] += 1
                await asyncio.Event().wait()
        self.streams[said] += said == "cut off"

    async def _byte_by_byte(self, own: str) -> None:
        with suppress(OSError):
            async with self._open(own) as (_, writer):
                for byte in b"GET / HTTP/1.1\r\nX-Dawdle: " + b"x" * 10_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await SystemClock().sleep(1.0)
        self.cut_off += 1

    async def end(self) -> None:
        for one in self._running:
            one.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


@asynccontextmanager
async def besieging(told: Centre) -> AsyncIterator[Siege]:
    siege = Siege(told)
    try:
        yield siege
    finally:
        await siege.end()


async def honest_board_under_siege(folder: Path, streams: int, dawdlers: int, callers: int) -> list[float]:
    """How long each caller took to be on the honest board meanwhile."""
    with centre(folder, with_tokens()) as told:
        board = Board(told.address, "127.0.0.1", TOKENS[Role.WALLBOARD])
        listening = asyncio.create_task(board.listen())
        await until(lambda: bool(board.shown), "the honest board's first frame")
        async with besieging(told) as siege:
            siege.open_streams(streams)
            siege.dawdle(dawdlers)
            await until(lambda: siege.streams.total() >= streams, "every stream tried")
            took = []
            for caller in range(1, callers + 1):
                posted = time.monotonic()
                await asyncio.to_thread(told.tell, told.enters(caller))
                await until(lambda: board.came(caller) is not None, "the caller on the board")  # noqa: B023
                took.append((board.came(caller) or 0.0) - posted)
            print(
                f"\n{streams} streams asked for: {dict(siege.streams)}; {dawdlers} dawdlers, {siege.cut_off} let go; "
                f"{told.memory_mb():.0f} MB; a caller on the honest board: {spread(took)}"
            )

            assert siege.streams["200"] <= STREAMS
            assert told.memory_mb() < MAX_MEMORY_MB
            assert not listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return took


async def test_two_thousand_streams_and_slow_senders_leave_an_honest_board_current(tmp_path: Path):
    took = await honest_board_under_siege(tmp_path, streams=2_000, dawdlers=200, callers=5)

    assert sorted(took)[len(took) // 2] <= 1.0


@pytest.mark.soak
async def test_a_long_siege_leaves_an_honest_board_current(tmp_path: Path):
    took = await honest_board_under_siege(tmp_path, streams=2_000, dawdlers=3_000, callers=60)

    assert max(took) <= 1.0
