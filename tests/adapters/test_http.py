"""Events posted to us: what a sender is told, and what becomes of its callers."""

import asyncio
import hashlib
import hmac
import importlib.util
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any, Final

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import HttpAdapter, Settings, Translator, build
from adapters.http.answers import BATCH, SINGLE
from adapters.http.body import MAX_BYTES
from queue_monitor import config
from queue_monitor.api import create_app
from queue_monitor.app.registry import settings_of
from queue_monitor.app.wiring import build_service
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.core.gate import Gate, Unfit
from queue_monitor.core.live import Live
from queue_monitor.events import Event, SourceClock, SourceConnected
from queue_monitor.model import Snapshot
from queue_monitor.ports import AdapterError, Clock, Connection, Rejected
from queue_monitor.runtime.pipeline import Pipeline
from tests.adapters.telling import LONG_AGO, heard, rejections, story
from tests.examples import examples
from tests.fakes import FakeStore
from tests.scenario import TEN, Scenario

ROOT: Final = Path(__file__).parent.parent.parent
RECORDINGS: Final = ROOT / "tests" / "recordings" / "http"
SECRET: Final = "kundcenter-" + "0123456789abcdef" * 2
NEXT_SECRET: Final = "nyckel-två-" + "fedcba9876543210" * 2
PATH: Final = "/api/v1/events"


def told(number: int = 1, kind: str = "call.entered", *, sender: str = "vendor", **fields: Any) -> dict[str, Any]:
    """One CloudEvent of a caller, as a sender writes it."""
    envelope = {
        "specversion": "1.0",
        "id": fields.pop("id", f"{kind}/{number}"),
        "source": fields.pop("source", f"urn:kc:http:{sender}"),
        "type": f"se.kundcenter.{kind}",
        "time": fields.pop("time", TEN.isoformat()),
    }
    return envelope | {"data": {"visit_id": f"växel:{number}", "queue": "Kundcenter"} | fields}


def signature(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"


async def turns() -> None:
    """Let everybody else do what they can do now."""
    for _ in range(20):
        await SystemClock().sleep(0.002)  # the store has a thread of its own


class Desk:
    """The real application with the intake of one sender or several, over a pipeline and a journal in memory."""

    def __init__(self, *senders: str, clock: Clock | None = None, **chosen: Any) -> None:
        self.hand = ManualClock(TEN)
        self.clock = clock or self.hand
        self.store = FakeStore()
        self.live = Live(Scenario().rules)
        self.pipeline = Pipeline(self.live, self.clock, self.store)
        chosen = {"secrets": (SECRET, NEXT_SECRET)} | chosen
        self.adapters = [HttpAdapter(name, "växel", Settings(**chosen), self.clock) for name in senders or ("vendor",)]
        routers = [adapter.router for adapter in self.adapters]
        self.app: FastAPI = create_app(self.pipeline, self.clock, routers=routers)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Desk"]:
        await self.store.real()
        tasks = [asyncio.create_task(self._consume(adapter)) for adapter in self.adapters]
        await turns()
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await (await self.store.real()).close()

    async def _consume(self, adapter: HttpAdapter) -> None:
        async with adapter.connect() as deliveries:
            async for delivery in deliveries:
                self.pipeline.take(delivery)
                await self.pipeline.write()

    async def send(
        self,
        *events: Any,
        body: bytes | AsyncIterator[bytes] | None = None,
        secret: str = SECRET,
        sender: str = "vendor",
        at: datetime | None = None,
        kind: str = "",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Post one event, or several as a batch, signed as it should be unless something else is said."""
        single = len(events) == 1 and body is None
        content = json.dumps(events[0] if single else events).encode() if body is None else body
        stamp = seconds(at or self.clock.now())
        signed = content if isinstance(content, bytes) else b""
        sent = {
            "Content-Type": kind or (SINGLE if single else BATCH),
            "X-KC-Source": sender,
            "X-KC-Timestamp": stamp,
            "X-KC-Signature": signature(signed, stamp, secret),
        } | (headers or {})
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
            raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value]
            return await client.post(PATH, content=content, headers=raw)

    def look(self) -> Snapshot:
        return self.pipeline.publish()

    @property
    def journal(self) -> list[str]:
        return [event.id for event in self.store.events if not isinstance(event, SourceConnected)]


# ---- taken


async def test_an_event_is_in_the_journal_when_its_sender_is_told_so() -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1))

        assert (answer.status_code, answer.json()) == (202, {"taken": 1, "duplicates": 0})
        assert desk.journal == ["call.entered/1"]
        assert len(desk.look().total.waiting) == 1


async def test_a_batch_is_taken_in_its_order() -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1), told(2), told(1, "call.answered"))

        assert answer.json() == {"taken": 3, "duplicates": 0}
        assert desk.journal == ["call.entered/1", "call.entered/2", "call.answered/1"]


async def test_what_is_sent_again_is_known_and_does_no_harm() -> None:
    async with Desk().open() as desk:
        await desk.send(told(1))
        again = await desk.send(told(1))
        half = await desk.send(told(1), told(2))

        assert (again.status_code, again.json()) == (200, {"taken": 0, "duplicates": 1})
        assert (half.status_code, half.json()) == (202, {"taken": 1, "duplicates": 1})
        assert len(desk.look().total.waiting) == 2


async def test_an_id_used_for_something_else_is_not_taken_and_is_named() -> None:
    async with Desk().open() as desk:
        await desk.send(told(1, id="one"))
        answer = await desk.send(told(2), told(3, id="one"))

        assert answer.status_code == 409
        assert [(fault["index"], fault["id"]) for fault in answer.json()["errors"]] == [(1, "one")]
        assert desk.journal == ["one", "call.entered/2"]


async def test_five_hundred_events_are_taken_and_one_more_is_too_many() -> None:
    async with Desk().open() as desk:
        full = await desk.send(*(told(number) for number in range(500)))
        over = await desk.send(*(told(number) for number in range(501)))

        assert (full.status_code, full.json()["taken"]) == (202, 500)
        assert (over.status_code, over.json()["errors"][0]["reason"]) == (400, "too_many_events")


async def test_a_sender_is_connected_by_its_first_event_and_once() -> None:
    async with Desk().open() as desk:
        assert desk.look().sources == ()
        await desk.send(told(1))
        await desk.send(told(2))

        (source,) = desk.look().sources
        assert (source.name, source.switch, source.up) == ("urn:kc:http:vendor", "växel", True)
        assert sum(isinstance(event, SourceConnected) for event in desk.store.events) == 1


async def test_a_sender_that_said_good_bye_is_back_with_its_next_event() -> None:
    async with Desk().open() as desk:
        await desk.send(told(1))
        await desk.send(told(1, "source.disconnected"))
        gone = desk.look().sources[0].up
        desk.hand.advance_to(TEN + timedelta(seconds=9))
        await desk.send(told(2))

        assert (gone, desk.look().sources[0].up) == (False, True)


async def test_an_empty_batch_is_a_sign_of_life_and_tells_the_senders_clock() -> None:
    async with Desk().open() as desk:
        answer = await desk.send(at=TEN + timedelta(seconds=2.5))

        assert answer.status_code == 202
        assert desk.look().sources[0].clock_offset_ms == 2500
        assert isinstance(desk.store.events[-1], SourceClock)


async def test_the_same_sign_of_life_again_proves_nothing() -> None:
    async with Desk().open() as desk:
        await desk.send(at=TEN)
        desk.hand.advance_to(TEN + timedelta(seconds=200))
        again = await desk.send(at=TEN)

        assert (again.status_code, again.json()) == (200, {"taken": 0, "duplicates": 1})
        (source,) = desk.look().sources
        assert (source.clock_offset_ms, source.last_event_at) == (0, TEN)


async def test_the_time_of_receipt_is_ours_and_what_may_hold_a_person_is_not_kept() -> None:
    async with Desk().open() as desk:
        event = told(
            1, unmapped={"CallerNumber": "0701740605"}, from_number="0701740605", observed_at="2026-11-20T00:00Z"
        )
        await desk.send(event | {"data": event["data"] | {"observed_at": "2026-11-20T00:00:00Z"}})

        (kept,) = (event for event in desk.store.events if not isinstance(event, SourceConnected))
        assert (kept.observed_at, kept.at, kept.unmapped, kept.switch) == (TEN, TEN, {}, "växel")
        assert "0701740605" not in repr(desk.store.events)


# ---- not taken


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (told(2, source="urn:kc:http:somebody"), "wrong_source"),
        (told(2, switch="another"), "wrong_switch"),
        (told(2, visit_id="another:2"), "foreign_id"),
        (told(2, "call.answered", agent_id="eva"), "foreign_id"),
        (told(2, caller={"pseudonym": "+46 70 174 06 05"}), "number_as_pseudonym"),
        (told(2, time="1970-01-01T00:00:00Z"), "time_out_of_range"),
        (told(2, time=(TEN + timedelta(seconds=301)).isoformat()), "time_out_of_range"),
        (told(2, time="0001-01-01T00:00:00+14:00"), "time_out_of_range"),
        (told(2, contact_started_at="9999-12-31T23:59:59-14:00"), "time_out_of_range"),
        (told(2, position=10**18), "number_out_of_range"),
        (told(2, "source.clock", offset_ms=-1e300), "number_out_of_range"),
        (told(2, queue="Kund\x00center"), "unfit_text"),
        (told(2, id="x" * 501), "unfit_text"),
        (told(2, "call.vanished"), "invalid_event"),
        (told(2, "call.left"), "invalid_event"),
        (told(2, time="yesterday"), "invalid_event"),
        (told(2) | {"specversion": "0.3"}, "invalid_event"),
        (told(2) | {"data": "none"}, "invalid_event"),
        ("no event at all", "invalid_event"),
        (None, "invalid_event"),
    ],
)
async def test_one_bad_event_and_nothing_of_its_batch_is_taken(event: Any, reason: str) -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1), event, told(3))

        (fault,) = answer.json()["errors"]
        assert (answer.status_code, fault["index"], fault["reason"]) == (400, 1, reason)
        assert fault["detail"] and answer.json()["title"]
        await turns()
        assert desk.journal == []
        assert desk.look().rejected == {f"urn:kc:http:vendor {reason}": 1}


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (BATCH, b"", "not_json"),
        (BATCH, b"[{]", "not_json"),
        (BATCH, b"[" * 200_000, "not_json"),
        (BATCH, json.dumps(told()).encode(), "not_json"),
        (SINGLE, b"", "invalid_event"),
        (SINGLE, b"[]", "invalid_event"),
        (SINGLE, b"\xff\xfe", "invalid_event"),
        (SINGLE, b'{"a":' * 50_000, "invalid_event"),
        (
            SINGLE,
            b'{"specversion":"1.0","id":"a","source":"b","type":"c","data":{"a":' + b"[" * 100_000,
            "invalid_event",
        ),
    ],
)
async def test_what_is_no_json_is_said_to_be_none(kind: str, body: bytes, reason: str) -> None:
    async with Desk().open() as desk:
        answer = await desk.send(body=body, kind=kind)

        assert answer.status_code == 400
        assert [fault["reason"] for fault in answer.json()["errors"]] == [reason]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/cloudevents+xml"},
        {"Content-Type": ""},
        {"Content-Type": f"{SINGLE}; charset=iso-8859-1"},
        {"Content-Type": f"{SINGLE}; profile=x; charset=iso-8859-1"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_other_kinds_of_content_are_refused_with_the_right_ones_named(headers: dict[str, str]) -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1), headers=headers)

        assert answer.status_code == 415
        assert SINGLE in answer.json()["detail"]


async def test_a_content_type_may_say_utf_8() -> None:
    async with Desk().open() as desk:
        assert (await desk.send(told(1), kind=f'{SINGLE}; charset="UTF-8"')).status_code == 202
        assert (await desk.send(told(2), kind=f"{SINGLE}; profile=x; charset=utf-8;")).status_code == 202


async def test_a_body_of_256_kb_is_read_and_one_byte_more_is_not() -> None:
    async with Desk().open() as desk:
        event = json.dumps(told(1)).encode()
        exact = await desk.send(body=event.ljust(MAX_BYTES), kind=SINGLE)
        more = await desk.send(body=event.ljust(MAX_BYTES + 1), kind=SINGLE)

        assert (exact.status_code, more.status_code) == (202, 413)
        assert more.json()["title"] == "Too large"


async def test_a_body_that_hides_its_length_is_cut_off_when_it_is_too_long() -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b" " * 65_536

    async with Desk().open() as desk:
        answer = await desk.send(body=endless(), kind=SINGLE)

        assert answer.status_code == 413
        assert given == 5


async def test_a_slow_body_is_not_waited_for() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    async with Desk(body_seconds=0.02).open() as desk:
        answer = await desk.send(body=slow(), kind=BATCH)

        assert answer.status_code == 408


async def test_another_method_is_told_which_there_is() -> None:
    async with Desk().open() as desk, httpx.AsyncClient(transport=httpx.ASGITransport(desk.app)) as client:
        for name in ("vendor", "nobody"):
            answer = await client.get(f"http://monitor{PATH}", headers={"X-KC-Source": name})

            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# ---- who may


async def test_either_of_two_keys_is_good_and_a_third_is_not() -> None:
    async with Desk().open() as desk:
        answers = [await desk.send(told(at), secret=key) for at, key in enumerate((SECRET, NEXT_SECRET, SECRET[::-1]))]

        assert [answer.status_code for answer in answers] == [202, 202, 401]


async def test_after_the_change_the_old_key_is_good_no_more() -> None:
    async with Desk(secrets=(NEXT_SECRET,)).open() as desk:
        assert (await desk.send(told(1), secret=SECRET)).status_code == 401
        assert (await desk.send(told(1), secret=NEXT_SECRET)).status_code == 202


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(-300, 202), (300, 202), (-300.000001, 401), (300.000001, 401), (0, 202), (-86_400, 401)],
)
async def test_the_window_is_five_minutes_to_the_microsecond(ahead: float, status: int) -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1), at=TEN + timedelta(seconds=ahead))

        assert answer.status_code == status


async def test_whatever_is_wrong_with_a_signature_is_answered_alike() -> None:
    body = json.dumps(told(1)).encode()
    async with Desk().open() as desk:
        send = partial(desk.send, told(1))
        wrong = [
            await send(sender="nobody"),
            await send(secret="x" * 32),
            await send(at=TEN - timedelta(hours=1)),
            await send(headers={"X-KC-Timestamp": "soon"}),
            await send(headers={"X-KC-Timestamp": "9" * 30}),
            await send(headers={"X-KC-Timestamp": "-1"}),
            await send(headers={"X-KC-Signature": signature(body, seconds(TEN)).removeprefix("sha256=")}),
            await send(headers={"X-KC-Signature": signature(body + b" ", seconds(TEN))}),
            await send(headers={"X-KC-Timestamp": str(int(TEN.timestamp()) + 1)}),
            await send(headers={"X-KC-Signature": "sha256=" + "ä" * 64}),
        ]

        assert {answer.status_code for answer in wrong} == {401}
        assert len({answer.content for answer in wrong}) == 1
        assert all("WWW-Authenticate" in answer.headers for answer in wrong)
        assert desk.journal == []


async def test_a_header_that_is_missing_is_named() -> None:
    async with Desk().open() as desk:
        answer = await desk.send(told(1), headers={"X-KC-Signature": ""})

        assert (answer.status_code, answer.json()["detail"]) == (401, "The request has no X-KC-Signature.")


async def test_two_senders_share_the_path_and_neither_can_speak_for_the_other() -> None:
    async with Desk("first", "second").open() as desk:
        own = [await desk.send(told(1, sender=name), sender=name) for name in ("first", "second")]
        others = await desk.send(told(2, sender="second"), sender="first")
        nobody = await desk.send(told(3), sender="third")

        assert [answer.status_code for answer in own] == [202, 202]
        assert (others.status_code, others.json()["errors"][0]["reason"]) == (400, "wrong_source")
        assert nobody.status_code == 401
        assert {source.name for source in desk.look().sources} == {"urn:kc:http:first", "urn:kc:http:second"}


async def test_knocking_fills_neither_the_journal_nor_our_memory() -> None:
    async with Desk().open() as desk:
        for _ in range(50):
            await desk.send(told(1), secret="x" * 32)
        await turns()
        first = desk.look().rejected
        desk.hand.advance_to(TEN + timedelta(seconds=2))
        await desk.send(told(1), secret="x" * 32)
        for _ in range(100):
            await turns()
            if desk.look().rejected != first:
                break

        assert first == {"urn:kc:http:vendor unauthorised": 1}
        assert desk.look().rejected == {"urn:kc:http:vendor unauthorised": 51}
        assert desk.store.events == []


async def test_refusals_within_one_second_are_counted_although_no_other_comes() -> None:
    async with Desk().open() as desk:
        for _ in range(3):
            await desk.send(told(1, "call.vanished"))
        desk.hand.advance_to(TEN + timedelta(seconds=2))
        while desk.look().rejected != {"urn:kc:http:vendor invalid_event": 3}:
            await SystemClock().sleep(0.05)


@pytest.mark.parametrize(
    ("name", "secrets"),
    [("vendor", ()), ("vendor", ("short",)), ("vendor", (SECRET,) * 3), ("växel ett", (SECRET,))],
)
async def test_a_sender_without_a_good_key_is_never_listened_to(name: str, secrets: tuple[str, ...]) -> None:
    adapter = build(name, "växel", Settings(secrets=secrets), ManualClock(TEN))

    with pytest.raises(AdapterError, match=name) as trouble:
        async with adapter.connect():
            pass
    assert trouble.value.permanent
    assert SECRET not in str(trouble.value)


# ---- too much, and too early


async def test_who_sends_too_much_is_told_when_to_come_again() -> None:
    async with Desk(events_per_second=10, burst_events=500).open() as desk:
        first = await desk.send(*(told(number) for number in range(495)))
        second = await desk.send(*(told(number) for number in range(500, 530)))
        wait = int(second.headers["retry-after"])
        desk.hand.advance_to(TEN + timedelta(seconds=wait))
        third = await desk.send(*(told(number) for number in range(500, 530)))

        assert (first.status_code, second.status_code, third.status_code) == (202, 429, 202)
        assert wait == 3


async def test_one_who_sends_too_much_takes_nothing_from_another() -> None:
    async with Desk("first", "second", events_per_second=1, burst_events=500).open() as desk:
        await desk.send(*(told(number, sender="first") for number in range(500)), sender="first")

        assert (await desk.send(told(1, sender="first"), sender="first")).status_code == 429
        assert (await desk.send(told(1, sender="second"), sender="second")).status_code == 202


async def test_while_the_journal_is_down_nothing_is_called_safe_and_nothing_is_lost() -> None:
    async with Desk(commit_seconds=0.5).open() as desk:
        desk.store.broken = "the disk is full"
        refused = await desk.send(told(1), told(2))
        seen = len(desk.look().total.waiting)
        desk.store.broken = ""
        again = refused
        for _ in range(20):  # a sender tries again for as long as it is told to
            if again.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                again = await desk.send(told(1), told(2))

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert seen == 2
        assert (again.status_code, again.json()) == (200, {"taken": 0, "duplicates": 2})
        assert desk.journal == ["call.entered/1", "call.entered/2"]


async def test_only_so_many_requests_wait_for_the_journal() -> None:
    async with Desk(commit_seconds=0.3, requests_at_once=3).open() as desk:
        desk.store.broken = "the disk is full"
        answers = await asyncio.gather(*(desk.send(told(number)) for number in range(8)))

        assert sorted(answer.status_code for answer in answers) == [429] * 5 + [503] * 3
        assert {answer.headers["retry-after"] for answer in answers} == {"1", "5"}


async def test_before_anybody_listens_the_sender_is_asked_to_wait() -> None:
    desk = Desk()

    answer = await desk.send(told(1))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_what_nobody_took_before_the_end_is_asked_for_again() -> None:
    desk = Desk(commit_seconds=30)
    async with desk.adapters[0].connect():
        waiting = asyncio.create_task(desk.send(told(1)))
        await turns()
        assert not waiting.done()
    answer = await waiting

    assert answer.status_code == 503
    async with desk.open():
        assert (await desk.send(told(1))).status_code == 202


# ---- any body at all


def mangled(source: random.Random, seeds: list[bytes]) -> bytes:
    """A body that was one of ours until something happened to it."""
    body = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 4)):
        at, end = sorted((source.randrange(len(body) + 1), source.randrange(len(body) + 1)))
        match source.randrange(4):
            case 0:
                body[at:end] = b""
            case 1:
                body[at:at] = body[at:end]
            case 2:
                body[at : at + 1] = source.randbytes(1)
            case _:
                body[at:at] = source.choice((b"null", b"-1e308", b"[]", b'{"a":1}', b"99999999999999999999", b'"'))
    return bytes(body[:4000])


def test_ten_thousand_mangled_bodies_are_read_without_a_word_of_complaint_from_python() -> None:
    source = random.Random(8)
    translator = Translator(Connection(source="urn:kc:http:test", switch="kc"), Settings(secrets=(SECRET,)))
    seeds = [line for file in RECORDINGS.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    live, gate = Live(Scenario().rules), Gate(lambda source: 0.0)
    taken = refused = 0

    for _ in range(10_000):
        reading = translator.read(mangled(source, seeds), LONG_AGO, batch=source.choice((None, True, False)))
        judged = [gate.judge(event, LONG_AGO, LONG_AGO - KEPT, by_sender=True) for event in reading.events]
        for event in judged:
            if isinstance(event, Event):
                live.apply(event)
        taken += sum(isinstance(event, Event) for event in judged)
        refused += len(reading.faults) + sum(isinstance(event, Unfit) for event in judged)

    live.snapshot(LONG_AGO)
    assert taken > 50
    assert refused > 9000


async def test_a_mangled_request_is_answered_and_never_with_a_failure_of_ours() -> None:
    source = random.Random(9)
    seeds = [json.dumps(told(number)).encode() for number in range(9)] + [json.dumps([told(7)]).encode()]
    statuses = set()
    async with Desk(events_per_second=1e9).open() as desk:
        for _ in range(500):
            answer = await desk.send(body=mangled(source, seeds), kind=source.choice((SINGLE, BATCH)))
            statuses.add(answer.status_code)

    assert statuses <= {200, 202, 400, 409}
    assert {202, 400} <= statuses


KEPT: Final = timedelta(days=400)

VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
FIELDS: Final = (
    "queue",
    "visit_id",
    "outcome",
    "wait_ms_reported",
    "switch_time",
    "as_of",
    "waiting",
    "agents",
    "from",
)


@given(
    kind=st.sampled_from(
        ["call.entered", "call.left", "queue.snapshot", "source.gap", "agent.state", "call.completed"]
    ),
    said=st.dictionaries(st.sampled_from(FIELDS), VALUES | st.datetimes().map(lambda at: f"{at.isoformat()}Z")),
)
@examples(300)
def test_whatever_a_field_says_it_is_taken_or_refused(kind: str, said: dict[str, Any]) -> None:
    translator = Translator(Connection(source="urn:kc:http:vendor", switch="växel"), Settings(secrets=(SECRET,)))
    live, gate = Live(Scenario().rules), Gate(lambda source: 0.0)

    reading = translator.read(json.dumps(told(1, kind) | {"data": said}).encode(), TEN)
    for event in reading.events:
        if isinstance(fit := gate.judge(event, TEN, TEN - KEPT, by_sender=True), Event):
            live.apply(fit)

    assert len(reading.events) + len(reading.faults) == 1
    live.snapshot(TEN)


# ---- recordings


def recorded(name: str) -> list[Event | Rejected]:
    translator = Translator(Connection(source="urn:kc:http:test", switch="kc"), Settings(secrets=(SECRET,)))
    return heard(translator, [((RECORDINGS / name).read_bytes(), None)])


def test_one_caller_was_answered_and_one_hung_up() -> None:
    items = recorded("one-answered-one-hung-up.jsonl")

    assert isinstance(items[0], SourceConnected)
    assert rejections(items) == []
    assert story(items) == [
        "+0.0 kc:WT01 entered Kundcenter at place None",
        "+20.1 kc:WT01 rings eva",
        "+30.2 kc:WT01 answered in Kundcenter by eva, said ? ms",
        "+64.0 kc:WT02 entered Kundcenter at place None",
        "+322.0 kc:WT01 completed by caller, talk ? ms",
        "+334.5 kc:WT02 left : abandoned (stated), said ? ms",
    ]


def test_each_refused_body_says_why_and_none_says_what_stood_there() -> None:
    items = recorded("what-is-refused.jsonl")
    gate = Gate(lambda source: 0.0)
    judged = [
        item if isinstance(item, Rejected) else gate.judge(item, LONG_AGO, LONG_AGO - KEPT, by_sender=True)
        for item in items
    ]

    assert [(item.reason, item.field) for item in judged if isinstance(item, Unfit)] == [
        ("time_out_of_range", "time"),
        ("number_out_of_range", "wait_ms_reported"),
        ("unfit_text", "queue"),
    ]
    assert rejections(items) == [
        ("wrong_source", "event 0"),
        ("wrong_switch", "event 0"),
        ("foreign_id", "event 0"),
        ("number_as_pseudonym", "event 0"),
        ("invalid_event", "event 0"),
        ("invalid_event", "event 0"),
        ("invalid_event", "event 1"),
    ]


def test_a_body_without_an_end_is_not_kept() -> None:
    translator = Translator(Connection(source="urn:kc:http:test", switch="kc"), Settings(secrets=(SECRET,)))

    items = heard(translator, [(b"x" * 200_000, None), (b"x" * 200_000, None), (b"\n[]\n", None)])

    assert [reason for reason, _ in rejections(items)] == ["too_large"]


# ---- how it is documented


def test_every_answer_is_documented_and_no_other() -> None:
    document = Desk("first", "second").app.openapi()
    operation = document["paths"][PATH]["post"]

    assert set(operation["responses"]) == {"200", "202", "400", "401", "403", "408", "409", "413", "415", "429", "503"}
    assert set(operation["requestBody"]["content"]) == {SINGLE, BATCH}
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        "X-KC-Source",
        "X-KC-Timestamp",
        "X-KC-Signature",
    ]
    assert "$ref" not in json.dumps(operation)


def test_the_guide_names_every_answer_and_every_reason() -> None:
    guide = (ROOT / "docs" / "http-intake.md").read_text(encoding="utf-8")
    files = [*(ROOT / "adapters" / "http").glob("*.py"), ROOT / "queue_monitor" / "core" / "gate.py"]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    reasons = {word for word in REASONS if f'"{word}"' in code}

    assert reasons == set(REASONS)
    assert all(f"`{word}`" in guide for word in REASONS)
    assert all(f"| {status} |" in guide for status in (200, 202, 400, 401, 403, 408, 409, 413, 415, 429, 503))
    assert all(f"`{field}`" in guide for field in Settings.__struct_fields__)


REASONS: Final = (
    *("not_json", "too_many_events", "invalid_event", "wrong_source", "wrong_switch", "foreign_id", "id_used_twice"),
    *("time_out_of_range", "number_out_of_range", "unfit_text", "too_many_items", "number_as_pseudonym"),
)


# ---- in the settings

SETTINGS: Final = """
[[sources]]
name = "vendor"
kind = "http"
switch = "vendor"
secrets = ["env:VENDOR_SECRET", "env:VENDOR_OLD_SECRET"]

[[sources]]
name = "other"
kind = "http"
switch = "another"
secrets = "env:VENDOR_OLD_SECRET"
"""


async def test_senders_are_named_in_the_settings_and_their_keys_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    environ = {"VENDOR_SECRET": SECRET, "VENDOR_OLD_SECRET": NEXT_SECRET}

    understood = config.load(tmp_path / "settings.toml", environ, settings_of)
    service = build_service(understood, clock=ManualClock(TEN))

    assert SECRET not in config.describe(understood)
    assert SECRET not in repr(understood)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://monitor") as client:
        for name in ("vendor", "other"):
            headers = {"X-KC-Source": name, "X-KC-Timestamp": seconds(TEN), "Content-Type": BATCH}
            headers["X-KC-Signature"] = signature(b"[]", seconds(TEN), NEXT_SECRET)
            answer = await client.post(PATH, content=b"[]", headers=headers)
            assert answer.status_code == 503, "signed well; nobody consumes here"


# ---- over a real socket


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
        self.up = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """The application behind a real uvicorn, in a thread with its consumer."""
    server = _Server(desk.app)

    async def work() -> None:
        async with desk.open():
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        assert server.up.wait(20)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def posted(url: str, body: bytes, **changed: str) -> tuple[int, dict[str, Any]]:
    stamp = seconds(SystemClock().now())
    headers = {"Content-Type": BATCH, "X-KC-Source": "vendor", "X-KC-Timestamp": stamp}
    headers |= {"X-KC-Signature": signature(body, stamp)} | changed
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_over_a_real_socket_the_answers_are_the_same() -> None:
    desk = Desk(clock=SystemClock())
    event = told(1, time=SystemClock().now().isoformat())
    with served(desk) as address:
        answers = [
            posted(address + PATH, body)[0]
            for body in (json.dumps([event]).encode(), json.dumps([event]).encode(), b"{}", b" " * 300_000)
        ]
        unsigned = posted(address + PATH, b"[]", **{"X-KC-Signature": "sha256="})[0]

    assert [*answers, unsigned] == [202, 200, 400, 413, 401]


def shim() -> Any:
    specification = importlib.util.spec_from_file_location(
        "webhook_shim", ROOT / "docs" / "examples" / "webhook_shim.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def called(url: str, said: dict[str, str], token: str, **more: str) -> int:
    request = urllib.request.Request(url, json.dumps(said | more).encode(), {"X-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_shim_of_the_guide_carries_a_vendors_callers_over() -> None:
    desk, example = Desk(clock=SystemClock()), shim()
    now = SystemClock().now().isoformat()
    example.SECRET, example.TOKEN, example.SWITCH = SECRET, "agreed", "växel"
    webhook = ThreadingHTTPServer(("127.0.0.1", 0), example.Webhook)
    threading.Thread(target=webhook.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{webhook.server_address[1]}/"
    try:
        with served(desk) as address:
            example.MONITOR = address + PATH
            said = {"call": "17", "queue": "Kundcenter", "time": now, "from": "070-1740605"}
            call = partial(called, url, said)
            answers = [
                call("agreed", event="joined"),
                call("agreed", event="joined"),
                call("agreed", event="answered", agent="eva"),
                call("agreed", event="something new"),
                call("guessed", event="hung_up"),
            ]
            assert example.send() == 202
        answers.append(call("agreed", event="ended"))
    finally:
        webhook.shutdown()
        webhook.server_close()

    assert answers == [204, 204, 204, 204, 401, 503]
    assert [event.id for event in desk.store.events[1:3]] == ["17/joined", "17/answered"]
    assert "1740605" not in repr(desk.store.events)


def test_the_shim_is_short() -> None:
    lines = (ROOT / "docs" / "examples" / "webhook_shim.py").read_text(encoding="utf-8").splitlines()

    assert sum(bool(line.strip()) for line in lines) <= 50
