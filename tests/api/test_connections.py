"""Those who connect and do not ask, ask too much, or do not take the answer: cut off, and the others are served."""

import http.client
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from queue_monitor.api.guard import connections
from tests.api import sample
from tests.api.serving import Server, serving
from tests.patience import PATIENCE

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connect = Callable[[], socket.socket]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(connections, "ASK_SECONDS", 1.0)
    monkeypatch.setattr(connections, "TAKE_SECONDS", 1.0)
    with serving(sample.twenty(), most=20) as started:
        yield started


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    host, port = server.address.removeprefix("http://").split(":")
    with ExitStack() as kept:
        yield lambda: kept.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))


@pytest.fixture
def connect_at_leisure() -> Iterator[Connect]:
    """Connections to a server that cuts off nobody for being slow, only for want of room."""
    with serving(sample.twenty(), most=20) as server, ExitStack() as kept:
        host, port = server.address.removeprefix("http://").split(":")
        yield lambda: kept.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))


def said(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionError:
        pass
    return found


def test_who_connects_and_says_nothing_is_let_go(connect: Connect):
    assert said(connect()) == b""


def test_who_asks_a_byte_at_a_time_is_let_go(connect: Connect):
    slow = connect()
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        for byte in ASK.ljust(2000):
            slow.sendall(bytes([byte]))
            time.sleep(0.05)  # a real sender who dawdles

    assert time.monotonic() - began < PATIENCE


def test_who_has_been_answered_and_dribbles_on_is_let_go(connect: Connect):
    dribbling = connect()
    dribbling.sendall(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
    with pytest.raises(ConnectionError):
        for _ in range(400):
            dribbling.sendall(b"x")
            time.sleep(0.05)


def test_who_asks_in_time_is_answered_again_and_again(connect: Connect):
    asking = connect()
    for _ in range(6):
        asking.sendall(ASK)
        answer = http.client.HTTPResponse(asking)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (200, True)
        time.sleep(0.3)


def test_a_question_too_long_is_refused(connect: Connect):
    for headers in (b"X: " + b"x" * 20_000 + b"\r\n", b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(2_000))):
        asking = connect()
        asking.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
        assert said(asking).startswith(b"HTTP/1.1 400")


def test_a_question_without_end_is_refused(connect: Connect):
    asking = connect()
    asking.sendall(b"GET / HTTP/1.1\r\nX: ")
    with pytest.raises(ConnectionError):
        for _ in range(10_000):
            asking.sendall(b"x" * 1000)


def test_who_takes_nothing_of_a_stream_is_let_go(connect: Connect, server: Server):
    deaf = connect()
    deaf.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    long = replace(sample.twenty(), organisation="x" * 1_000_000)
    until = time.monotonic() + PATIENCE
    while not server.connections:
        assert time.monotonic() < until
    while server.connections:
        server.show(replace(long, events={"shown": 1}))
        assert time.monotonic() < until


def test_when_all_places_are_taken_the_one_that_has_not_asked_longest_makes_room(connect_at_leisure: Connect):
    connect = connect_at_leisure
    listening = [connect() for _ in range(5)]
    for stream in listening:
        stream.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in stream.recv(20)
    silent = [connect() for _ in range(100)]

    asking = connect()
    asking.sendall(ASK)

    assert asking.recv(65536).startswith(b"HTTP/1.1 200")
    assert said(silent[0]) == b""
    for stream in listening:
        assert stream.recv(65536)


def test_when_all_listen_the_newcomer_is_turned_away(connect_at_leisure: Connect):
    connect = connect_at_leisure
    for _ in range(20):
        stream = connect()
        stream.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in stream.recv(20)

    assert said(connect()) == b""


def test_there_is_room_for_as_many_as_there_may_be_files(monkeypatch: pytest.MonkeyPatch):
    limits = [(256, 4096), (1024, 1200), (65536, 65536)]
    given = iter(limits)
    asked: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: next(given))
    monkeypatch.setattr(resource, "setrlimit", lambda which, wanted: asked.append(wanted[0]))

    assert [connections.room() for _ in limits] == [1500, 1100, 1500]
    assert asked == [1600, 1200]
