import asyncio
import json
from collections.abc import AsyncIterator, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from queue_monitor.api import create_app, status_body
from queue_monitor.api.rendering import RenderedInPieces
from queue_monitor.api.responses import SECURITY_HEADERS
from queue_monitor.clock import ManualClock
from queue_monitor.model import JournalNow, Level, Snapshot
from tests.api import sample
from tests.api.sample import FakeFigures, local


class Asked:
    """An application over made-up figures, asked without a network."""

    def __init__(self, snapshot: Snapshot, **options: Any) -> None:
        self.figures = FakeFigures(snapshot)
        self.clock = ManualClock(snapshot.at)
        self.app = create_app(self.figures, self.clock, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, **options)


async def test_the_status_is_the_pure_function_of_the_snapshot() -> None:
    rush = Asked(sample.rush())

    answer = await rush.get("/api/v1/status")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == status_body(sample.rush())


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/status", "/", "/nothing"])
async def test_who_asks_for_the_headers_alone_gets_those_of_the_page(path: str) -> None:
    rush = Asked(sample.rush())
    transport = httpx.ASGITransport(rush.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        whole, alone = await client.get(path), await client.head(path)

    assert (alone.status_code, alone.content) == (whole.status_code, b"")
    assert alone.headers.items() == whole.headers.items()


async def test_the_headers_of_the_stream_are_not_given_alone_for_it_has_no_end() -> None:
    transport = httpx.ASGITransport(Asked(sample.rush()).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.head("/api/v1/stream")).status_code == 405


async def test_all_who_ask_for_the_status_at_once_wait_for_one_rendering() -> None:
    made = list[Snapshot]()

    def in_pieces(snapshot: Snapshot) -> Generator[None, None, bytes]:
        made.append(snapshot)
        yield
        return b"the status"

    rush = sample.rush()
    status = RenderedInPieces(in_pieces, lambda: rush, ManualClock(rush.at))

    assert await asyncio.gather(*(status() for _ in range(5))) == [b"the status"] * 5
    assert made == [rush]


async def test_who_has_it_already_gets_304() -> None:
    calm = Asked(sample.calm())
    first = await calm.get("/api/v1/status")
    etag = first.headers["etag"]

    same = await calm.get("/api/v1/status", headers={"If-None-Match": f'"other", W/{etag}'})
    calm.figures.show(sample.rush())
    changed = await calm.get("/api/v1/status", headers={"If-None-Match": etag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (changed.status_code, changed.headers["etag"] != etag) == (200, True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/queues/Kundcenter", "Kundcenter"),
        ("/api/v1/queues/kundcenter", "Kundcenter"),
        ("/api/v1/queues/SUPPORT%7CLULE%C3%85", "support|luleå"),
        ("/api/v1/queues/F%C3%B6rskola%20och%20skola", "Förskola och skola"),
    ],
)
async def test_one_queue_is_found_by_its_name_in_any_case(path: str, name: str) -> None:
    answer = await Asked(sample.rush()).get(path)

    assert answer.status_code == 200
    assert answer.json()["queue"] == next(
        queue for queue in json.loads(status_body(sample.rush()))["queues"] if queue["name"] == name
    )


async def test_a_queue_with_a_slash_is_found() -> None:
    snapshot = sample.calm()
    odd = replace(snapshot, queues=(replace(snapshot.queues[0], name="vård/omsorg"),))

    answer = await Asked(odd).get("/api/v1/queues/v%C3%A5rd/omsorg")

    assert answer.json()["queue"]["name"] == "vård/omsorg"


async def test_an_unknown_queue_is_named_with_those_that_exist() -> None:
    answer = await Asked(sample.rush()).get("/api/v1/queues/Bygg")

    assert answer.status_code == 404
    assert answer.json()["error"] == "unknown_queue"
    assert "”Bygg”" in answer.json()["detail"]
    assert "Bygglov" in answer.json()["choices"]


async def test_intervals_are_today_by_hour_if_nothing_else_is_asked() -> None:
    calm = Asked(sample.calm())

    answer = await calm.get("/api/v1/intervals")

    assert answer.status_code == 200
    start, end, step, level, queue = calm.figures.asked[0]
    assert (start, end, step, level, queue) == (local(0), local(0) + timedelta(days=1), "hour", Level.CONTACT, None)
    assert answer.json()["from"] == "2026-03-01T23:00:00Z"
    given = await calm.figures.intervals(start, end, step, level, queue)
    assert [hour["entered"] for hour in answer.json()["intervals"]] == [hour.counts.entered for hour in given]
    assert sum(hour.counts.entered for hour in given) > 0


async def test_intervals_are_cut_as_asked() -> None:
    rush = Asked(sample.rush())

    answer = await rush.get(
        "/api/v1/intervals",
        params={
            "from": "2026-01-01",
            "to": "2026-03-01T00:00:00+01:00",
            "step": "month",
            "queue": "BYGGLOV",
            "level": "visit",
        },
    )

    assert answer.status_code == 200
    start, end, step, level, queue = rush.figures.asked[0]
    assert (start.isoformat(), end.isoformat()) == ("2026-01-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00")
    assert (step, level, queue) == ("month", Level.VISIT, "Bygglov")
    assert answer.json()["queue"] == "Bygglov"


@pytest.mark.parametrize(
    ("query", "status", "error", "words"),
    [
        ("from=i+fredags", 422, "bad_time", "i fredags"),
        ("from=2026-03-02&to=2026-03-01", 400, "backwards", "2026-03-01"),
        ("step=minute", 422, "bad_choice", "tertial"),
        ("level=person", 422, "bad_choice", "visit"),
        ("queue=Bygg", 404, "unknown_queue", "Kundcenter"),
        ("from=2001-01-01", 400, "impossible", "högst 5\N{NO-BREAK SPACE}000"),
        ("from=2001-01-01&step=year", 400, "impossible", "finns inga siffror"),
        ("from=0001-01-01", 400, "impossible", "2000 till 2099"),
        ("to=9999-12-31", 400, "impossible", "2000 till 2099"),
    ],
)
async def test_a_bad_question_is_answered_with_words(query: str, status: int, error: str, words: str) -> None:
    answer = await Asked(sample.calm()).get(f"/api/v1/intervals?{query}")

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert words in answer.json()["detail"]


async def test_errors_speak_the_language_asked_for() -> None:
    answer = await Asked(sample.calm()).get("/api/v1/intervals?step=minute&lang=en")

    assert answer.json()["detail"].startswith("“minute” cannot be chosen as step")


async def test_alive_is_not_ready() -> None:
    dead = Asked(sample.dead_source())

    alive, ready = await dead.get("/healthz"), await dead.get("/readyz")

    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
    assert ready.status_code == 503
    assert ready.json()["reasons"] == ["Ingen källa har kontakt: urn:kc:asterisk_ami:pbx."]


async def test_ready_when_the_journal_commits_and_a_source_is_up() -> None:
    assert (await Asked(sample.calm()).get("/readyz")).status_code == 200


async def test_not_ready_says_every_reason() -> None:
    broken = replace(sample.empty(), journal=JournalNow(up=False, pending=12, error="disk full"))
    asked = Asked(broken)
    asked.clock.advance_to(broken.at + timedelta(seconds=61))

    answer = await asked.get("/readyz?lang=en")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        "The journal cannot be written.",
        "No source is connected.",
        "The figures are 61 s old.",
    ]


async def test_metrics_are_served_in_the_format_asked_for() -> None:
    rush = Asked(sample.rush())

    plain = await rush.get("/metrics")
    openmetrics = await rush.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'callqueue_calls_waiting{queue="Kundcenter"} 6.0' in plain.text
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/status", "/static/wallboard.css", "/nowhere", "/healthz"])
async def test_every_answer_keeps_the_page_to_itself(path: str) -> None:
    answer = await Asked(sample.calm()).get(path)

    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert "style=" not in answer.text
    assert "<style" not in answer.text


async def test_what_does_not_exist_is_said_in_json() -> None:
    answer = await Asked(sample.calm()).get("/nowhere")

    assert (answer.status_code, answer.json()["detail"]) == (404, "Här finns inget.")


async def test_the_document_knows_every_shape_and_is_valid() -> None:
    calm = Asked(sample.calm())

    document = (await calm.get("/openapi.json")).json()

    shapes = document["components"]["schemas"]
    assert {"StatusBody", "QueueBody", "IntervalsBody", "PeriodShape", "ErrorBody"} <= shapes.keys()
    assert "HTTPValidationError" not in json.dumps(document["paths"])
    for shape in shapes.values():
        Draft202012Validator.check_schema(shape)
    for name in ("status", "intervals", "stream"):
        assert f"/api/v1/{name}" in document["paths"]


async def test_the_intervals_are_what_their_documentation_says() -> None:
    calm = Asked(sample.calm())
    document = (await calm.get("/openapi.json")).json()

    body = (await calm.get("/api/v1/intervals")).json()
    queue = (await calm.get("/api/v1/queues/Kundcenter")).json()

    lost = (await calm.get("/api/v1/lost-calls")).json()
    for name, found in (("IntervalsBody", body), ("QueueBody", queue), ("LostCallsBody", lost)):
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document}).validate(found)


@pytest.mark.parametrize("language", ["sv", "en"])
async def test_the_documentation_is_a_page_of_our_own(language: str) -> None:
    answer = await Asked(sample.calm()).get(f"/docs?lang={language}")

    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert "/api/v1/intervals" in answer.text
    assert "Still waiting past the limit: already misses." in answer.text
    assert "https://" not in answer.text


async def test_an_adapters_own_routes_are_mounted() -> None:
    intake = APIRouter()

    @intake.post("/api/v1/events")
    async def take() -> dict[str, str]:
        return {}

    app = create_app(FakeFigures(sample.calm()), ManualClock(local(10)), routers=[intake])

    assert "/api/v1/events" in app.openapi()["paths"]


async def test_names_cannot_break_out_of_the_page() -> None:
    snapshot = sample.calm()
    nasty = replace(snapshot, organisation='</script><script>alert("x")</script>')

    answer = await Asked(nasty).get("/")

    assert "<script>alert" not in answer.text


async def test_every_static_file_is_inside_the_package() -> None:
    import queue_monitor.api

    folder = Path(queue_monitor.api.__file__).parent
    assert {path.name for path in (folder / "static").iterdir()} == {
        "wallboard.js",
        "wallboard.css",
        "docs.css",
        "icon.svg",
        "lead.js",
        "history.css",
        "lead.css",
    }
    assert {path.name for path in (folder / "templates").iterdir()} == {
        "acknowledge.html",
        "docs.html",
        "error.html",
        "first-token.html",
        "history.html",
        "lead.html",
        "public.html",
        "sign-in.html",
        "small-page.html",
        "wallboard.html",
    }


class SlowReader:
    """A client of the stream that takes a message only when told to."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._gone = asyncio.Event()

    async def run(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": "GET",
            "path": "/api/v1/stream",
            "raw_path": b"/api/v1/stream",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 4711),
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._waiting.put(message)
        await self._taken.wait()
        self._taken.clear()

    async def take(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self._waiting.get(), 5)
        self._taken.set()
        return message

    async def events(self) -> AsyncIterator[dict[str, str]]:
        while True:
            body = (await self.take()).get("body", b"").decode()
            yield dict(line.split(": ", 1) for line in body.splitlines() if ": " in line)

    def leave(self) -> None:
        self._gone.set()


async def test_the_stream_gives_the_board_and_a_slow_reader_the_newest() -> None:
    asked = Asked(sample.calm())
    reader = SlowReader(asked.app)
    task = asyncio.create_task(reader.run())
    start = await reader.take()
    events = reader.events()
    first = await anext(events)

    for minute in range(13, 20):
        asked.figures.show(sample.calm(local(10, minute)))
        for _ in range(5):
            await asyncio.wait({task}, timeout=0)
    second = await anext(events)
    third = await anext(events)
    reader.leave()
    await asyncio.wait_for(task, 5)

    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert first["retry"] == "2000"
    assert json.loads(first["data"])["at"] == "2026-03-02T09:12:00Z"
    seen = [json.loads(event["data"])["at"] for event in (second, third)]
    assert seen[-1] == "2026-03-02T09:19:00Z"
    assert seen[0] in {"2026-03-02T09:13:00Z", "2026-03-02T09:19:00Z"}
