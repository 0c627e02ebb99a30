"""A switch that offers only counts: what its answers become, and what a person is told when it does not answer."""

import asyncio
import base64
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.snapshot_poll import Fields, Settings, Translator, build, recorded_pieces
from adapters.snapshot_poll.translator import MAX_BYTES
from queue_monitor import config
from queue_monitor.app.registry import settings_of
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.core.assessment import decided
from queue_monitor.core.live import Live
from queue_monitor.events import QueueSnapshot, SourceConnected
from queue_monitor.model import Status, StatusReason
from queue_monitor.ports import AdapterError, Clock, Connection, Delivery
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.supervisor import Supervisor
from tests.adapters.telling import LONG_AGO, Items, heard, only, rejections
from tests.fakes import FakeStore
from tests.scenario import TEN, Scenario

RECORDINGS: Final = Path(__file__).parent.parent / "recordings" / "snapshot_poll"
PLAIN: Final = (
    b'[{"name": "Kundcenter", "waiting": 3, "oldest_wait_seconds": 95, "agents_free": 0, "agents_logged_on": 6}]'
)


def translated(settings: Settings, *pieces: bytes) -> Items:
    translator = Translator(Connection(source="urn:kc:snapshot_poll:test", switch="kc"), settings)
    return heard(translator, [(piece, None) for piece in pieces])


def recorded(name: str, **settings: Any) -> Items:
    translator = Translator(
        Connection(source="urn:kc:snapshot_poll:test", switch="kc"), Settings(url="http://switch", **settings)
    )
    return heard(translator, recorded_pieces((RECORDINGS / name).read_bytes()))


def counters(items: Items) -> list[tuple[str, str, dict[str, str]]]:
    return [(f"{said.as_of:%H:%M:%S}", said.queue, said.counters) for said in only(QueueSnapshot, items)]


# ---- what is understood


def test_an_acd_group_of_dstny() -> None:
    items = recorded("dstny-acd-groups.jsonl", preset="dstny")

    assert counters(items) == [
        ("09:00:00", "Customer services", {"waiting": "3", "agents_free": "5", "agents_logged_on": "6"})
    ]
    assert "Doe" not in repr(items)
    assert rejections(items) == []


def test_a_queue_of_finesse_as_it_is_told_and_as_it_is_asked_for() -> None:
    items = recorded("finesse-queue.jsonl", preset="finesse")

    busy = {"waiting": "3", "oldest_wait_seconds": "95", "agents_free": "1", "agents_logged_on": "28"}
    assert counters(items) == [
        ("17:59:56", "Sales", busy),
        ("18:00:06", "Sales", {"waiting": "0", "agents_free": "2", "agents_logged_on": "2"}),
    ]
    assert rejections(items) == [("no_count", "statistics.callsInQueue: not set in fields, or not told")]


def test_what_cannot_be_read_is_counted_with_its_path_and_the_rest_goes_on() -> None:
    items = recorded("plain.jsonl")

    assert isinstance(items[0], SourceConnected)
    assert [(at, queue, said["waiting"]) for at, queue, said in counters(items)] == [
        ("09:00:00", "Kundcenter", "3"),
        ("09:00:00", "Bygglov", "0"),
        ("09:00:10", "Kundcenter", "2"),
        ("09:00:40", "Kundcenter", "0"),
    ]
    assert rejections(items) == [
        ("bad_number", "queue 1: waiting: not a number, or one that cannot be"),
        ("no_name", "name: no name of a queue; set queue, or fields.name"),
        ("no_name", "name: no name of a queue; set queue, or fields.name"),
    ]


def test_nobody_is_listed_and_nothing_is_complete() -> None:
    for said in only(QueueSnapshot, recorded("plain.jsonl")):
        assert (said.complete, said.waiting, said.agents) == (False, (), ())


def test_any_other_shape_is_described_by_paths() -> None:
    fields = Fields(
        queues="result.entrances | result.queues",
        name="title",
        waiting="now.0.calls",
        oldest_since="now.0.since",
        agents_free="now.0.ready + now.0.wrapup",
    )
    answer = {
        "result": {
            "queues": [
                {"title": "Växel", "now": [{"calls": 4.0, "since": "2025-12-31T23:59:20", "ready": 1, "wrapup": 2}]}
            ]
        }
    }

    items = translated(Settings(url="http://switch", preset="telia_ace", fields=fields), json.dumps(answer).encode())

    assert counters(items) == [("00:00:00", "Växel", {"waiting": "4", "oldest_wait_seconds": "40", "agents_free": "3"})]


def test_a_queue_that_the_answer_does_not_name_is_named_in_the_settings() -> None:
    items = translated(Settings(url="http://switch", queue="Kundcenter"), b'{"waiting": 1}')

    assert counters(items) == [("00:00:00", "Kundcenter", {"waiting": "1"})]


@pytest.mark.parametrize(
    ("answer", "fields", "told"),
    [
        (b"{", {}, ("not_json", "the answer is neither JSON nor XML")),
        (b"[" * 100_000, {}, ("not_json", "the answer is neither JSON nor XML")),
        (b"<a" * 9, {}, ("not_xml", "the answer begins as XML and is none")),
        (b"<a>" * 50_000 + b"</a>" * 50_000, {}, ("not_xml", "the answer begins as XML and is none")),
        (b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', {}, ("not_xml", "the answer has a document type")),
        (b"{}", {"queues": "data.queues"}, ("no_queues", "data.queues: not there")),
        (b'{"name": "a"}', {"waiting": "calls.now"}, ("no_count", "calls.now: ")),
        (b'{"name": "a", "waiting": true}', {}, ("bad_number", "waiting: ")),
        (b'{"name": "a", "waiting": 1e300}', {}, ("bad_number", "waiting: ")),
        (b'{"name": "a", "waiting": NaN}', {}, ("bad_number", "waiting: ")),
        (b'{"name": "a", "waiting": "' + b"9" * 5000 + b'"}', {}, ("bad_number", "waiting: ")),
        (b'{"name": "a", "waiting": [1]}', {}, ("bad_number", "waiting: ")),
        (b'{"name": 7, "waiting": 1}', {}, ("no_name", "name: ")),
        (b'{"name": "a\\u0007", "waiting": 1}', {}, ("no_name", "name: ")),
        (b'{"name": "a", "waiting": 1, "since": "noon"}', {"since": 1}, ("bad_time", "since: not a time")),
        (b'{"name": "a", "waiting": 1, "since": "2012-02-15T17:58:21Z"}', {"since": 1}, ("bad_time", "since: longer")),
        (b'{"name": "a", "waiting": 1, "since": "0001-01-01T00:00:00+14:00"}', {"since": 1}, ("bad_time", "since: ")),
        (b'{"name": "a", "waiting": 1}', {"agents_free": "staff.free"}, ("no_field", "staff.free: not there")),
    ],
)
def test_an_answer_that_cannot_be_read_says_where(answer: bytes, fields: dict[str, Any], told: tuple[str, str]) -> None:
    if fields.pop("since", None):
        fields = {"oldest_since": "since"}
        settings = Settings(
            url="http://switch", preset="telia_ace", fields=Fields(name="name", waiting="waiting", **fields)
        )
    else:
        settings = Settings(url="http://switch", fields=Fields(**fields))

    ((reason, detail),) = rejections(translated(settings, answer))

    assert reason == told[0]
    assert detail.startswith(told[1])


def test_three_thousand_mangled_answers_stop_nothing() -> None:
    source = random.Random(4)
    seeds = [line for file in RECORDINGS.iterdir() for line in file.read_bytes().splitlines()]
    presets = [Settings(url="http://switch", preset=name) for name in ("", "dstny", "finesse")]

    for _ in range(3000):
        answer = bytearray(source.choice(seeds))
        for _ in range(source.randint(1, 5)):
            at = source.randrange(len(answer))
            answer[at : at + source.randint(0, 3)] = source.randbytes(source.randint(0, 3))
        translated(source.choice(presets), bytes(answer))


def test_an_answer_without_an_end_is_not_kept() -> None:
    items = translated(Settings(url="http://switch"), b"[" * MAX_BYTES, b"[" * MAX_BYTES, b"\n" + PLAIN + b"\n")

    assert [reason for reason, _ in rejections(items)] == ["too_large"]
    assert len(only(QueueSnapshot, items)) == 1


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="dstny, finesse, telia_ace"):
        Settings(url="http://switch", preset="genesys")
    with pytest.raises(ValueError, match="not both"):
        Settings(url="http://switch", token="a", username="b")


SETTINGS: Final = """
[[sources]]
name = "ace"
kind = "snapshot_poll"
url = "https://ace.example/queues"
preset = "telia_ace"
token = "env:ACE_TOKEN"

[sources.fields]
name = "queueName"
waiting = "inQueue"
"""


def test_it_is_described_in_the_settings_and_the_token_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS, encoding="utf-8")

    understood = config.load(tmp_path / "settings.toml", {"ACE_TOKEN": "hemlig"}, settings_of)

    (source,) = understood.sources
    assert isinstance(source.settings, Settings)
    assert (source.settings.token, source.settings.paths.waiting) == ("hemlig", "inQueue")
    assert "hemlig" not in config.describe(understood) + repr(understood)


# ---- the wire


class Switch:
    """A real HTTP server that answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        asked: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(dict(self.headers.items()))
                answer(self)

            def log_message(self, *words: object) -> None:
                pass

        self.asked = asked
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/queues"


@contextmanager
def switch(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Switch]:
    found = Switch(answer)
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join(5)


def says(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


async def polled(url: str, times: int = 1, *, clock: Clock | None = None, **settings: Any) -> list[Delivery]:
    adapter = build("test", "kc", Settings(url=url, **settings), clock or ManualClock(LONG_AGO))
    found = []
    async with adapter.connect() as deliveries:
        async for delivery in deliveries:
            found.append(delivery)
            if len(found) == times:
                break
    return found


async def trouble(url: str, **settings: Any) -> AdapterError:
    with pytest.raises(AdapterError) as raised:
        await polled(url, **settings)
    return raised.value


@pytest.mark.parametrize(
    ("settings", "file", "queue"),
    [
        ({}, "plain.jsonl", "Kundcenter"),
        ({"preset": "dstny"}, "dstny-acd-groups.jsonl", "Customer services"),
        ({"preset": "finesse"}, "finesse-queue.jsonl", "Sales"),
        (
            {"preset": "telia_ace", "fields": Fields(name="name", waiting="waiting")},
            "plain.jsonl",
            "Kundcenter",
        ),
    ],
)
async def test_each_preset_over_a_real_socket(settings: dict[str, Any], file: str, queue: str) -> None:
    first = (RECORDINGS / file).read_bytes().splitlines()[0].partition(b" ")[2]
    body = first.replace(b"2025-12-01T17:58:21Z", b"2025-12-31T23:58:25Z").replace(b"><", b">\r\n  <")
    with switch(says(body)) as found:
        (delivery,) = await polled(found.url, **settings)

    assert isinstance(delivery.items[0], SourceConnected)
    (said, *_) = only(QueueSnapshot, list(delivery.items))
    assert (said.queue, said.counters["waiting"], said.as_of) == (queue, "3", LONG_AGO)


async def test_it_is_asked_again_and_again_as_often_as_is_set() -> None:
    clock = ManualClock(LONG_AGO)
    with switch(says(PLAIN)) as found:
        deliveries = await polled(found.url, 4, clock=clock, every_seconds=30)

    assert [(one.received_at - LONG_AGO).total_seconds() for one in deliveries] == [0, 30, 60, 90]
    assert len(found.asked) == 4


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({"token": "hemlig"}, "Authorization", "Bearer hemlig"),
        ({"token": "hemlig", "token_header": "X-Api-Key"}, "X-Api-Key", "hemlig"),
        (
            {"username": "kc", "password": "lösen"},
            "Authorization",
            "Basic " + base64.b64encode("kc:lösen".encode()).decode(),
        ),
        ({}, "Authorization", None),
    ],
)
async def test_who_asks_is_said_as_the_switch_wants_it(
    settings: dict[str, Any], header: str, value: str | None
) -> None:
    with switch(says(PLAIN)) as found:
        await polled(found.url, **settings)

    assert {name.lower(): said for name, said in found.asked[0].items()}.get(header.lower()) == value


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_account_is_said_in_words_and_not_tried_again(status: int) -> None:
    with switch(says(b"no", status)) as found:
        error = await trouble(found.url, token="hemlig")

    assert error.permanent
    assert "token, or username and password, are wrong there" in str(error)
    assert "hemlig" not in str(error)


async def test_a_redirect_is_not_followed_with_our_token() -> None:
    with switch(says(PLAIN)) as elsewhere, switch(says(b"", 302, Location=elsewhere.url)) as found:
        error = await trouble(found.url, token="hemlig")

    assert error.permanent
    assert "leads elsewhere (302 Found)" in str(error)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(b"", 500), "answered 500 Internal Server Error"),
        (says(b"", 503), "answered 503 Service Unavailable"),
        (says(b"", 404), "answered 404 Not Found: is url right?"),
        (says(b""), "answers with nothing"),
        (says(b"", 204), "answers with nothing"),
        (says(b" " * (MAX_BYTES + 1)), "more than 1048576 bytes"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"), "cannot be asked"),
        (lambda request: request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[]"), "cannot be asked"),
        (lambda request: request.connection.close(), "cannot be asked"),
    ],
)
async def test_what_may_pass_is_tried_again(answer: Callable[[BaseHTTPRequestHandler], None], words: str) -> None:
    with switch(answer) as found:
        error = await trouble(found.url)

    assert not error.permanent
    assert words in str(error)


async def test_a_switch_that_does_not_answer_in_time_is_given_up() -> None:
    def say_nothing(request: BaseHTTPRequestHandler) -> None:
        done.wait(10)

    done = threading.Event()
    with switch(say_nothing) as found:
        error = await trouble(found.url, timeout_seconds=0.05)
        done.set()

    assert (error.permanent, "did not answer in 0.05 s" in str(error)) == (False, True)


async def test_a_switch_that_drips_is_given_up_too() -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not done.wait(0.01):
                request.wfile.write(b" ")
        except OSError:
            pass

    done = threading.Event()
    with switch(drip) as found:
        error = await trouble(found.url, clock=SystemClock(), timeout_seconds=0.1)
        done.set()

    assert "did not answer in 0.1 s" in str(error)


async def test_nobody_at_home_may_pass() -> None:
    with switch(says(PLAIN)) as found:
        pass
    error = await trouble(found.url)

    assert (error.permanent, "cannot be asked: Connection refused" in str(error)) == (False, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "file:///etc/passwd"},
        {"url": "ftp://switch/queues"},
        {"url": "https://kc:hemlig@switch/queues"},
        {"url": "switch"},
        {"url": "https://switch", "preset": "telia_ace"},
        {"url": "https://switch", "ca_file": "no/such/file"},
    ],
)
async def test_settings_that_cannot_work_are_said_before_anything_is_asked(settings: dict[str, Any]) -> None:
    error = await trouble(**settings)

    assert error.permanent
    assert str(error).startswith("source test: ")
    assert "hemlig" not in str(error)


# ---- the whole way


async def test_the_counts_are_on_the_board_without_a_service_level_and_go_with_the_connection() -> None:
    clock, live = ManualClock(TEN), Live(Scenario().rules)
    pipeline = Pipeline(live, clock, FakeStore())
    answers = iter([says(PLAIN), says(PLAIN.replace(b"3", b"5", 1)), says(b"", 401)])
    with switch(lambda request: next(answers)(request)) as found:
        adapter = build("ace", "kc", Settings(url=found.url), clock)

        async def put(delivery: Delivery) -> None:
            pipeline.take(delivery)
            shown.append(decided(pipeline.publish()).total)
            if shown[-1].verdict.reason is StatusReason.SOURCE_DOWN:
                raise asyncio.CancelledError

        shown: list[Any] = []
        with suppress(asyncio.CancelledError):
            await Supervisor(adapter, "urn:kc:snapshot_poll:ace", "kc", put, clock).run()

    reasons = [face.verdict.reason for face in shown]
    assert [face.waiting_count for face in shown] == [3, 5, 5]
    assert reasons == [StatusReason.COUNTS_ONLY, StatusReason.COUNTS_ONLY, StatusReason.SOURCE_DOWN]
    assert {face.verdict.status for face in shown} == {Status.NO_DATA}
    assert all(face.periods["day"].headline is None and face.periods["day"].counts.entered == 0 for face in shown)
    assert (shown[0].oldest_wait_ms, shown[0].staff.staffed) == (95_000, 6)
