"""A rush as a real Asterisk told it, byte for byte, over a real socket on which everything goes wrong.

A server plays the recorded sessions to the real adapter, through a proxy that cuts, stalls and splits; the queue_log
grows beside it. Supervisor and pipeline are the real ones. Time is the recording's own: it moves on in half seconds,
and only when everybody has read what there was, so seven minutes pass in seconds and nothing depends on the machine.
"""

import asyncio
import csv
import gzip
import hashlib
import heapq
import json
import logging
import random
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from adapters import asterisk_ami, asterisk_queuelog
from adapters.asterisk_ami.messages import recorded_pieces
from queue_monitor.clock import SystemClock
from queue_monitor.core.live import Live
from queue_monitor.events import CallEntered, CallLeft, LeftOutcome, QueueSnapshot
from queue_monitor.model import SourceNow
from queue_monitor.ports import Adapter, AdapterError, Clock, Connection
from queue_monitor.replay.outputs import write_visits
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.supervisor import Supervisor
from tests import truth
from tests.adapters.proxy import Proxy
from tests.patience import PATIENCE
from tests.scenario import Scenario
from tests.truth import RECORDINGS

SECRET = "sesam"
BANNER = b"Asterisk Call Manager/11.0.0\r\n"
STEP = timedelta(seconds=0.5)
REAL = SystemClock()


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


class SteppedClock:
    """Stands still until it is moved; who sleeps is woken when it has been moved far enough.

    By its `rate` snapshots are made as seldom as if time ran so fast: nobody looks at them here.
    """

    rate = 20.0

    def __init__(self, start: datetime) -> None:
        self._start = self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await REAL.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    def advance(self, step: timedelta) -> None:
        self._now += step
        while self._sleepers and self._sleepers[0][0] <= self._now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)


P = ParamSpec("P")
T = TypeVar("T")


class AtOnce(ThreadPoolExecutor):
    """Reads a file there and then: nothing may depend on how soon a thread comes to it."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except OSError as error:
            done.set_exception(error)
        return done


# ---- the recorded switch


@dataclass
class Tape:
    """One recorded session: what was sent after the login, and when."""

    starts: datetime
    pieces: list[tuple[datetime, bytes]]

    @classmethod
    def of(cls, session: str) -> "Tape":
        raw = gzip.decompress((RECORDINGS / f"{session}.raw.gz").read_bytes())
        with gzip.open(RECORDINGS / f"{session}.index.csv.gz", "rt") as file:
            index = [(int(row["offset"]), int(row["length"]), row["recv_epoch"]) for row in csv.DictReader(file)]
        login = raw.index(b"\r\n\r\n") + 4
        pieces = [(moment(float(at)), raw[max(start, login) : start + length]) for start, length, at in index]
        return cls(pieces[0][0], [piece for piece in pieces if piece[1]])


class Player:
    """A manager interface that plays one tape to each connection, from its beginning; the tape waits for its time.

    It answers Challenge, Login and Ping itself, between two messages of the tape; `ahead` is by how much its clock is
    wrong.
    """

    def __init__(self, clock: Clock, *tapes: Tape, ahead: float = 0.0) -> None:
        self.connections = 0
        self.sent = 0
        self.port = 0
        self._clock = clock
        self._tapes = tapes
        self._ahead = timedelta(seconds=ahead)
        self._server: asyncio.Server | None = None
        self._replies: list[bytes] = []
        self._playing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Player":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._playing.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        hearing = None
        try:
            if number < len(self._tapes):
                tape = self._tapes[number]
                await self._clock.sleep((tape.starts - self._clock.now()).total_seconds())
                await greet(reader, writer)
                self._replies.clear()
                hearing = asyncio.create_task(self._hear(reader))
                await self._play(tape, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if hearing:
                hearing.cancel()
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                asked = await action(reader)
                if asked["Action"] == "Ping":
                    now = (self._clock.now() + self._ahead).timestamp()
                    self._replies.append(reply(asked, Ping="Pong", Timestamp=f"{now:.6f}"))

    async def _play(self, tape: Tape, writer: asyncio.StreamWriter) -> None:
        rest, at = b"", 0
        while at < len(tape.pieces):
            while at < len(tape.pieces) and tape.pieces[at][0] <= self._clock.now():
                rest += tape.pieces[at][1]
                at += 1
            whole = rest.rfind(b"\r\n\r\n") + 4 if b"\r\n\r\n" in rest else 0
            said, rest = rest[:whole] + b"".join(self._replies), rest[whole:]
            self._replies.clear()
            if said:
                writer.write(said)
                await writer.drain()
                self.sent += len(said)
            await self._clock.sleep(STEP.total_seconds())
        writer.write(rest)
        await writer.drain()
        self.sent += len(rest)


async def action(reader: asyncio.StreamReader) -> dict[str, str]:
    block = (await reader.readuntil(b"\r\n\r\n")).decode()
    return dict(line.split(": ", 1) for line in block.strip().split("\r\n"))


def reply(to: dict[str, str], response: str = "Success", **fields: str) -> bytes:
    told = {"Response": response, "ActionID": to["ActionID"], **fields}
    return "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n"


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Banner, and a login with the right secret."""
    writer.write(BANNER)
    writer.write(reply(await action(reader), Challenge="4711"))
    login = await action(reader)
    assert login["Key"] == hashlib.md5(f"4711{SECRET}".encode(), usedforsecurity=False).hexdigest()
    writer.write(reply(login, Message="Authentication accepted"))


class GrowingLog:
    """The recorded queue_log, written as time passes; a line may be half there for a while."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = path.with_name("place.json")
        lines = (RECORDINGS / "queue_log").read_bytes().splitlines(keepends=True)
        self._lines = [(moment(int(line.partition(b"|")[0])), line) for line in lines]
        self._half = b""
        path.write_bytes(b"")

    def grow(self, now: datetime | None) -> None:
        """Up to a moment, or to the end."""
        due = b""
        while self._lines and (now is None or self._lines[0][0] <= now):
            due += self._lines.pop(0)[1]
        half = 0 if now is None else len(due) % 40
        with self.path.open("ab") as file:
            file.write(self._half + due[: len(due) - half])
        self._half = due[len(due) - half :]


# ---- the monitor


class Watch:
    """Supervisors and a pipeline over some adapters, without the web."""

    def __init__(self, clock: Clock, *adapters: tuple[str, Adapter]) -> None:
        rules = Scenario().rules
        self.live = Live(rules)
        self.pipeline = Pipeline(self.live, clock)
        self._supervisors = [
            Supervisor(adapter, f"urn:kc:{kind}:{adapter.name}", "pbx", self.pipeline.put, clock)
            for kind, adapter in adapters
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watch"]:
        tasks = [asyncio.create_task(one.run()) for one in self._supervisors]
        tasks.append(asyncio.create_task(self.pipeline.run()))
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert ended is None or isinstance(ended, asyncio.CancelledError), ended

    def source(self, kind: str) -> SourceNow:
        self.pipeline.publish()
        return next(source for source in self.pipeline.latest().sources if f":{kind}:" in source.name)

    def rows(self, folder: Path) -> list[truth.Row]:
        out = folder / "visits.csv"
        write_visits(out, self.live)
        return truth.read(out)


def ami(clock: Clock, port: int, **options: object) -> tuple[str, Adapter]:
    settings = asterisk_ami.Settings(port=port, **{"secret": SECRET, **options})  # type: ignore[arg-type]
    return "asterisk_ami", asterisk_ami.build("ami", "pbx", settings, clock)


def queue_log(clock: Clock, log: GrowingLog) -> tuple[str, Adapter]:
    settings = asterisk_queuelog.Settings(path=str(log.path), state_path=str(log.place))
    return "asterisk_queuelog", asterisk_queuelog.build("log", "pbx", settings, clock)


async def read_by_all(*lines: tuple[Player, Proxy]) -> None:
    """Let everybody read what there is before time moves on."""
    for _ in range(300):
        await REAL.sleep(0)
        if all(proxy.passed >= player.sent for player, proxy in lines):
            break
    for _ in range(12):
        await REAL.sleep(0)


def small_pieces(seed: int) -> Iterator[int]:
    draw = random.Random(seed)
    while True:
        yield draw.choice((1, 7, 300, 1460, 4096, 65536))


# ---- the rush


@dataclass
class Look:
    """How long those had waited who waited at a moment, the longest first: as shown, and by their own phones."""

    shown: dict[str, list[float]]
    really: list[float]


@dataclass
class Rush:
    """What two monitors made of it: one with the log beside the manager interface, one without."""

    both: list[truth.Row]
    alone: list[truth.Row]
    looks: list["Look"] = field(default_factory=list)
    downs: Counter[str] = field(default_factory=Counter)


SESSIONS = ("ami-01", "ami-02", "ami-03")


@pytest.fixture(scope="module")
def tapes() -> tuple[Tape, ...]:
    return tuple(Tape.of(session) for session in SESSIONS)


@pytest.fixture(scope="module", params=[1, 2], ids=lambda seed: f"seed {seed}")
def rush(request: pytest.FixtureRequest, tapes: tuple[Tape, ...], tmp_path_factory: pytest.TempPathFactory) -> Rush:
    folder = tmp_path_factory.mktemp("rush")
    return asyncio.run(play(request.param, tapes, folder))


async def play(seed: int, tapes: tuple[Tape, ...], folder: Path) -> Rush:
    """Attach in the rush; be cut off at some byte, in mid-message; come back twice, the second time after a restart."""
    asyncio.get_running_loop().set_default_executor(AtOnce())
    draw = random.Random(seed)
    clock = SteppedClock(tapes[0].starts - timedelta(seconds=3))
    log = GrowingLog(folder / "queue_log")
    size = sum(len(piece) for _, piece in tapes[0].pieces)
    async with Player(clock, *tapes) as one, Player(clock, *tapes) as other:
        cut_at = draw.randrange(size // 2, size)
        lines = [
            (one, Proxy(one.port, pieces=small_pieces(seed), cut_at=cut_at)),
            (other, Proxy(other.port, cut_at=cut_at)),
        ]
        async with lines[0][1] as split, lines[1][1] as plain:
            both = Watch(clock, ami(clock, split.port), queue_log(clock, log))
            alone = Watch(clock, ami(clock, plain.port))
            async with both.running(), alone.running():
                found = await _watch_it(clock, log, tapes, lines, {"both": both, "alone": alone})
                found.both, found.alone = both.rows(folder), alone.rows(folder)
    return found


async def _watch_it(
    clock: SteppedClock,
    log: GrowingLog,
    tapes: tuple[Tape, ...],
    lines: list[tuple[Player, Proxy]],
    watches: dict[str, Watch],
) -> Rush:
    found = Rush([], [])
    look_at = [tapes[0].starts + timedelta(seconds=1), tapes[1].starts + timedelta(seconds=3)]
    ends = tapes[-1].pieces[-1][0] + timedelta(seconds=8)
    was_up = dict.fromkeys(watches, False)
    while clock.now() < ends:
        clock.advance(STEP)
        log.grow(clock.now())
        for player, proxy in lines:
            if proxy.opened > 1:
                proxy.passed = max(proxy.passed, player.sent)  # what was cut off was never passed
        await read_by_all(*lines)
        for name, watch in watches.items():
            up = any(s.up for s in watch.live.sources.now() if ":asterisk_ami:" in s.name)
            found.downs[name] += was_up[name] and not up
            was_up[name] = up
        if look_at and clock.now() >= look_at[0]:
            del look_at[0]
            found.looks.append(Look({name: shown_by(watch) for name, watch in watches.items()}, waits_at(clock.now())))
    log.grow(None)
    await log_is_read(clock, log)
    return found


def shown_by(watch: Watch) -> list[float]:
    watch.pipeline.publish()
    return sorted((one.queue_wait_ms / 1000 for one in watch.pipeline.latest().total.waiting), reverse=True)


async def log_is_read(clock: SteppedClock, log: GrowingLog) -> None:
    """Wait until the log's last line is taken in, which is when its place is saved."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        clock.advance(timedelta(seconds=2))
        await REAL.sleep(0.01)
        if log.place.exists() and json.loads(log.place.read_bytes())["offset"] == log.path.stat().st_size:
            return
    raise AssertionError("the log was not read to its end")


def waits_at(now: datetime) -> list[float]:
    """How long those had waited who waited then, by their own phones, the longest first."""
    at = now.timestamp()
    return sorted(
        (
            at - truth.joined(row)
            for row in truth.truth()
            if row["wait_s"] and truth.joined(row) <= at < truth.joined(row) + float(row["wait_s"])
        ),
        reverse=True,
    )


def real_rows() -> list[truth.Row]:
    return [row for row in truth.truth() if row["outcome"] != "join_empty"]


def seen(rows: list[truth.Row]) -> list[truth.Row]:
    return [row for row in rows if row["outcome"] != "refused"]


def test_who_waits_is_shown_though_nobody_saw_them_come(rush: Rush):
    assert [len(look.really) for look in rush.looks] == [3, 31]
    for look in rush.looks:
        for name, shown in look.shown.items():
            assert len(shown) == len(look.really), name
            assert all(abs(one - real) <= 1.6 for one, real in zip(shown, look.really, strict=True)), name


def test_each_lost_connection_is_noticed(rush: Rush):
    assert rush.downs["both"] >= 2
    assert rush.downs["alone"] >= 2


def test_after_the_log_every_visit_is_there_once_with_its_true_outcome(rush: Rush):
    match = truth.match(seen(rush.both), real_rows())

    assert (match.missing, match.extra, match.wrong_outcomes()) == ([], [], [])


def test_after_the_log_the_totals_are_the_truth(rush: Rush):
    really = Counter((row["queue"], min(truth.OUTCOMES[row["outcome"]])) for row in real_rows())
    shown = Counter((row["queue"], min(known(row["outcome"]))) for row in seen(rush.both))

    assert shown == really


def known(outcome: str) -> set[str]:
    return next(words for words in truth.OUTCOMES.values() if outcome in words)


def test_waits_are_as_true_as_the_clock_they_were_read_from(rush: Rush):
    match = truth.match(seen(rush.both), real_rows())

    assert len(match.errors(coarse=False)) > 100
    assert match.errors(coarse=False)[-1] <= 0.250
    assert match.errors(coarse=True)[-1] <= 1.1


def test_without_the_log_what_nobody_saw_is_unknown_and_nothing_is_wrong(rush: Rush):
    match = truth.match(seen(rush.alone), real_rows())

    assert match.extra == []
    assert match.wrong_outcomes(allowing={"unknown", "waiting"}) == []
    assert sum(row["outcome"] == "unknown" for row in rush.alone) > 0


def test_nobody_waits_on_from_before_the_restart(rush: Rush):
    restart = moment(1795435753)
    waiting = [row for row in rush.both + rush.alone if row["outcome"] == "waiting"]

    assert not [row for row in waiting if datetime.fromisoformat(row["entered_at"]) < restart]


# ---- a line on which nothing comes


async def test_a_stalled_line_is_given_up_after_two_pings_and_the_next_one_catches_up(tmp_path: Path):
    asyncio.get_running_loop().set_default_executor(AtOnce())
    tapes = Tape.of("ami-00-small"), Tape.of("ami-01")
    clock = SteppedClock(tapes[0].starts - timedelta(hours=1))
    log = GrowingLog(tmp_path / "queue_log")
    for _ in range(2):
        log.grow(tapes[0].starts)
    async with Player(clock, *tapes) as player, Proxy(player.port) as proxy:
        watch = Watch(clock, ami(clock, proxy.port), queue_log(clock, log))
        reasons: set[str] = set()
        async with watch.running():
            await log_is_read(clock, log)
            clock.advance(tapes[0].starts - timedelta(seconds=1) - clock.now())
            while clock.now() < tapes[1].starts + timedelta(seconds=1):
                clock.advance(STEP)
                if proxy.opened == 1 and clock.now() > tapes[0].starts + timedelta(seconds=10):
                    proxy.stall()
                if proxy.opened > 1:
                    proxy.flow()
                proxy.passed = max(proxy.passed, player.sent)
                await read_by_all((player, proxy))
                reasons.update(s.reason for s in watch.live.sources.now() if not s.up)

            assert any("has not answered 2 pings" in reason for reason in reasons)
            assert watch.source("asterisk_ami").up
            # its lines were all there at the start, ahead of the clock: it has said nothing since
            assert watch.source("asterisk_queuelog").reason in ("", "silent")
            assert len(shown_by(watch)) == len(waits_at(clock.now())) == 3


async def test_a_slow_pipeline_never_makes_the_switch_wait():
    """Asterisk throws a reader out who is slow; so all is read at once, whatever becomes of it."""
    tape = Tape.of("ami-01")
    everything = b"".join(piece for _, piece in tape.pieces)
    done = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        writer.write(everything)
        await writer.drain()
        writer.write_eof()
        done.set()
        await reader.read()  # a close with something unread would take from the other side what it has not read yet

    async with serving(flood) as port:
        _, adapter = ami(REAL, port)
        taken = 0
        async with adapter.connect() as deliveries:
            await asyncio.wait_for(done.wait(), PATIENCE)
            with pytest.raises(AdapterError, match="closed the connection"):
                async for delivery in deliveries:
                    taken += len(delivery.items)

    assert taken == told_by(everything)


def told_by(recorded: bytes) -> int:
    """How many items these bytes hold, when nothing is in the way."""
    translator = asterisk_ami.Translator(Connection(source="urn:kc:test:x", switch="pbx"), asterisk_ami.Settings())
    accepted = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
    items = [*translator.feed(accepted + recorded, REAL.now()), *translator.close(REAL.now())]
    return len(items)


# ---- what a person is told


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def manager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    await reader.read()


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As recorded from a real one; then it closes."""
    writer.write(BANNER)
    writer.write(reply(await action(reader), Challenge="4711"))
    asked = await action(reader)
    recorded = (RECORDINGS / "17-login-refused.ami").read_bytes()
    writer.write(recorded.removeprefix(BANNER).replace(b"bad-1", asked["ActionID"].encode()))


async def other_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    await reader.read()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What an address outside the permit list may meet."""


async def trouble(tmp_path: Path, port: int, **options: object) -> tuple[SourceNow, list[str]]:
    """The manager source as it stands after its first failure, while the log beside it is read; and what was logged."""
    log = GrowingLog(tmp_path / "queue_log")
    log.grow(None)
    watch = Watch(REAL, ami(REAL, port, **options), queue_log(REAL, log))
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("queue_monitor.runtime")
    logger.addHandler(handler)
    try:
        async with watch.running():
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                await REAL.sleep(0.02)
                sources = {source.name.split(":")[2]: source for source in watch.live.sources.now()}
                if not sources.get("asterisk_ami", sources.get("")) or "asterisk_queuelog" not in sources:
                    continue
                if not sources["asterisk_ami"].up and len(watch.rows(tmp_path)) > 200:
                    break
            assert watch.source("asterisk_queuelog").up
            return watch.source("asterisk_ami"), told
    finally:
        logger.removeHandler(handler)


def tls_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(EXPIRED)
    return context


EXPIRED = Path(__file__).parent / "expired.pem"
"""A certificate for 127.0.0.1 that held for one day in 2020, signed by itself, and its key, which opens nothing."""


@pytest.mark.parametrize(
    ("script", "options", "words", "for_good"),
    [
        pytest.param(refusing, {}, ("username", "secret", "permit", "manager.conf"), True, id="wrong password"),
        pytest.param(None, {}, ("host", "port", "bindaddr", "manager.conf"), False, id="port closed"),
        pytest.param(closing, {}, ("host", "port", "tls", "permit"), False, id="closed at once"),
        pytest.param(other_server, {}, ("no Asterisk manager", "host", "port"), True, id="another server"),
        pytest.param(manager, {"tls": True}, ("TLS", "tls = false", "port"), False, id="tls to a plain port"),
        pytest.param(manager, {"host": "switch.invalid"}, ("host", "name"), False, id="no such machine"),
        pytest.param(
            manager,
            {"tls": True, "tls_ca": "/no/such.pem"},
            ("tls_ca", "/no/such.pem", "No such file"),
            True,
            id="no ca",
        ),
    ],
)
async def test_trouble_names_the_setting_and_what_to_do_and_the_log_goes_on(
    script: Script | None, options: dict[str, object], words: tuple[str, ...], for_good: bool, tmp_path: Path
):
    async with serving(script or closing) as port:
        if script:
            source, told = await trouble(tmp_path, port, **options)
    if script is None:
        source, told = await trouble(tmp_path, port, **options)

    assert [word for word in words if word not in source.reason] == [], source.reason
    assert sum("source refused source=ami" in line for line in told) == for_good
    assert SECRET not in source.reason


@pytest.mark.parametrize(
    ("authority", "words"),
    [(str(EXPIRED), ("expired", "renew")), ("", ("self-signed", "tls_ca"))],
    ids=["expired", "signed by itself"],
)
async def test_a_certificate_that_does_not_hold_says_why(authority: str, words: tuple[str, ...], tmp_path: Path):
    async with serving(manager, tls_server()) as port:
        source, _ = await trouble(tmp_path, port, tls=True, tls_ca=authority)

    assert [word for word in words if word not in source.reason.replace("self signed", "self-signed")] == []


async def test_a_plain_connection_to_a_tls_port_points_to_the_setting(tmp_path: Path):
    async with serving(manager, tls_server()) as port:
        source, _ = await trouble(tmp_path, port, connect_seconds=2.0)

    assert "tls" in source.reason


async def test_a_clock_45_seconds_ahead_is_measured_and_told(caplog: pytest.LogCaptureFixture):
    tape = Tape.of("ami-00-small")
    clock = SteppedClock(tape.starts - timedelta(seconds=1))
    caplog.set_level(logging.WARNING)
    async with Player(clock, tape, ahead=45) as player, Proxy(player.port) as proxy:
        watch = Watch(clock, ami(clock, proxy.port))
        async with watch.running():
            while clock.now() < tape.starts + timedelta(seconds=30):
                clock.advance(STEP)
                await read_by_all((player, proxy))

            offset = watch.source("asterisk_ami").clock_offset_ms

    assert offset == pytest.approx(45_000, abs=1_000)
    assert re.search(r"clock far off source=\S+asterisk_ami:ami offset=\+4[45]\.", caplog.text), caplog.text


# ---- found with a live Asterisk


def test_a_caller_on_a_local_channel_cut_off_by_a_restart_is_lost_and_one_who_hung_up_before_is_not():
    """When both halves of the channel are cut, the far one's end comes to the caller's half as a HangupRequest."""
    recording = (RECORDINGS / "19-restart-cuts-local-channels.ami").read_bytes()
    translator = asterisk_ami.Translator(Connection(source="urn:kc:test:x", switch="pbx"), asterisk_ami.Settings())
    at = tape_time = moment(1795457542)
    items = []
    for piece, told in recorded_pieces(recording):
        at = told or at
        items += list(translator.feed(piece, at))
    items += list(translator.close(at + timedelta(seconds=6)))
    left = {event.leg_id: event.outcome for event in items if isinstance(event, CallLeft)}

    assert tape_time < at
    assert left == {"pbx:1795457542.18": LeftOutcome.LOST, "pbx:1795457542.34": LeftOutcome.ABANDONED}


def test_a_caller_listed_a_moment_before_the_join_is_told_has_not_left():
    """Seen with a narrow account and a live Asterisk: the list was read while the caller came in."""
    told = "Uniqueid: 7.7\r\nLinkedid: 7.7\r\nQueue: kundcenter\r\nPosition: 1\r\n"
    said = (
        "Response: Success\r\nActionID: q\r\nMessage: Queue status will follow\r\n\r\n"
        "Event: QueueParams\r\nQueue: kundcenter\r\nActionID: q\r\n\r\n"
        f"Event: QueueEntry\r\n{told}Wait: 0\r\nActionID: q\r\n\r\n"
        f"Event: QueueCallerJoin\r\nTimestamp: 1795458995.688863\r\n{told}Count: 1\r\n\r\n"
        "Event: QueueStatusComplete\r\nActionID: q\r\n\r\n"
    )
    translator = asterisk_ami.Translator(Connection(source="urn:kc:test:x", switch="pbx"), asterisk_ami.Settings())

    items = list(translator.feed(said.encode(), moment(1795458995.7)))

    (entered,) = [item for item in items if isinstance(item, CallEntered)]
    (snapshot,) = [item for item in items if isinstance(item, QueueSnapshot)]
    assert not [item for item in items if isinstance(item, CallLeft)]
    assert [caller.visit_id for caller in snapshot.waiting] == [entered.visit_id]


def test_the_proxy_loses_nothing_and_adds_nothing():
    """The instrument itself: any split of a stream, put together again, is the stream."""

    async def through(sent: bytes) -> bytes:
        async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(sent)

        async with serving(give) as port, Proxy(port, pieces=small_pieces(3)) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            heard = await reader.read(-1)
            writer.close()
            return heard

    sent = (RECORDINGS / "19-restart-cuts-local-channels.ami").read_bytes() * 20

    assert asyncio.run(through(sent)) == sent
