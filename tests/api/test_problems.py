"""A wrong address or parameter: a page for people, JSON for programs, and always in words."""

import logging
import re
from collections.abc import Iterator, MutableMapping
from io import StringIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient, Response

from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.api.responses import SECURITY_HEADERS
from queue_monitor.app import registry
from queue_monitor.app.logs import Formatter, Handler
from queue_monitor.app.wiring import build_service
from queue_monitor.clock import ManualClock
from queue_monitor.config import load
from queue_monitor.model import Period
from queue_monitor.ports import StoreError
from tests.api import sample
from tests.api.sample import FakeFigures
from tests.api.serving import serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def ask(path: str, **headers: str) -> Response:
    figures = FakeFigures(sample.calm())
    app = create_app(figures, ManualClock(figures.latest().at))
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize(("path", "top"), [("/tavlan", "./"), ("/a/b/c", "../../")])
async def test_a_person_at_a_wrong_address_gets_a_page_that_leads_on(path: str, top: str) -> None:
    answer = await ask(path, **BROWSER)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Här finns inget." in answer.text
    assert f'href="{top}lead?lang=sv"' in answer.text


async def test_a_program_at_a_wrong_address_gets_json() -> None:
    for accept in ("application/json", "*/*"):
        answer = await ask("/tavlan", Accept=accept)

        assert answer.status_code == 404
        assert answer.json() == {"error": "not_found", "detail": "Här finns inget.", "choices": []}


async def test_a_person_who_asks_for_a_queue_that_is_not_there_is_told_on_a_page() -> None:
    answer = await ask("/api/v1/queues/månen?lang=en", **BROWSER)

    assert answer.status_code == 404
    assert "There is no queue called “månen”." in answer.text


async def test_a_parameter_that_nobody_reads_is_refused_by_its_name() -> None:
    answer = await ask("/api/v1/intervals?steg=day&lang=sv")

    assert answer.status_code == 422
    assert answer.json()["error"] == "unknown_parameter"
    assert answer.json()["detail"].startswith("steg är inget som går att ange här. Det som går är: format, from,")
    assert "step" in answer.json()["choices"]


ADMIN = {"Authorization": "Bearer admin-nyckel"}
SETTINGS = f"""
[[sources]]
name = "vendor"
kind = "http"
secrets = ["{"0123456789abcdef" * 3}"]

[http]
public = true

[[wallboard.boards]]
name = "lista"

[[access]]
name = "admin"
role = "admin"
token_sha256 = "{digest("admin-nyckel")}"
"""
OPEN_TO_MORE = {"/metrics", "/healthz", "/readyz", "/alerts/{link}", "/api/v1/events"}
"""These paths take unknown parameters: scrapers, probes, mail programs and senders add parameters of their own."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application with every page and route, as it is served."""
    file = tmp_path_factory.mktemp("whole") / "monitor.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    return build_service(load(file, {}, registry.settings_of, registry.adapter_kinds())).app


async def asked(app: FastAPI, method: str, path: str, **options: Any) -> Response:
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
        return await client.request(method, path, **options)


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Every route of the application, those of included routers too."""
    found = [route for each in app.routes for route in getattr(each, "original_router", app).routes]
    return [route for route in found if isinstance(route, APIRoute)]


async def test_every_page_and_every_route_refuses_a_parameter_it_does_not_read_by_its_name(whole: FastAPI) -> None:
    walked, missed = set(), []
    for route in (each for each in routes_of(whole) if each.path not in OPEN_TO_MORE):
        for method in route.methods or ():
            path = re.sub(r"{[^}]*}", "lista", route.path)
            answer = await asked(whole, method, f"{path}?felstavat=1", headers=ADMIN)
            walked.add(route.path)
            if answer.status_code != 422 or not answer.json()["detail"].startswith("felstavat är inget"):
                missed.append((method, route.path, answer.status_code))

    assert not missed
    assert {"/", "/wall/{name}", "/lead", "/history", "/docs", "/sign-in", "/public", "/api/v1/status"} <= walked
    assert len(walked) >= 25


async def test_a_page_that_is_open_to_more_parameters_is_read_with_them(whole: FastAPI) -> None:
    for path in sorted(OPEN_TO_MORE - {"/api/v1/events"}):
        answer = await asked(whole, "GET", f"{path.replace('{link}', 'x')}?utm_source=mail", headers=ADMIN)
        assert answer.status_code != 422, path


TROUBLES: dict[int, tuple[str, str, dict[str, str], str]] = {
    400: ("GET", "/api/v1/intervals?from=2026-03-02&to=2026-03-01", ADMIN, "måste vara före"),
    401: ("POST", "/api/v1/crisis", {}, "Här behövs en nyckel"),
    403: ("POST", "/api/v1/crisis", {"Sec-Fetch-Site": "cross-site"}, "En annan webbplats"),
    404: ("GET", "/tavlan", ADMIN, "Här finns inget"),
    405: ("DELETE", "/lead", ADMIN, "går inte att göra"),
    422: ("GET", "/lead?kö=Bygglov", ADMIN, "kö är inget som går att ange här"),
}


@pytest.mark.parametrize("status", TROUBLES)
async def test_a_trouble_is_a_page_for_people_and_json_for_programs(whole: FastAPI, status: int) -> None:
    method, path, headers, words = TROUBLES[status]
    person = await asked(whole, method, path, headers=BROWSER | headers)
    program = await asked(whole, method, path, headers={"Accept": "application/json"} | headers)

    assert (person.status_code, program.status_code) == (status, status)
    assert person.headers["content-type"].startswith("text/html")
    assert words in person.text
    assert program.headers["content-type"] == "application/json"
    assert program.json()["error"]
    assert words in program.json()["detail"], "in the asker's language"


async def test_who_asks_too_often_gets_a_page_or_json_and_is_told_to_wait(whole: FastAPI) -> None:
    for _ in range(2000):
        person = await asked(whole, "GET", "/lead?lang=en", headers=BROWSER | {"Authorization": "Bearer fel"})
        if person.status_code == 429:
            break
    program = await asked(whole, "GET", "/lead", headers={"Authorization": "Bearer fel"})

    assert (person.status_code, program.status_code) == (429, 429)
    assert "Too many" in person.text
    assert person.headers["content-type"].startswith("text/html")
    assert program.json()["error"] == "too_many_requests"
    assert person.headers["retry-after"]


class Away(FakeFigures):
    """A monitor whose database cannot be reached."""

    async def intervals(self, *asked: Any) -> list[Period]:
        raise StoreError("away", passing=True)


async def test_a_database_that_is_away_is_told_on_a_page_or_in_json() -> None:
    figures = Away(sample.calm())
    app = create_app(figures, ManualClock(figures.latest().at))
    path = "/api/v1/intervals?from=2026-03-01&to=2026-03-02"
    person, program = await asked(app, "GET", path, headers=BROWSER), await asked(app, "GET", path)

    assert (person.status_code, program.status_code) == (503, 503)
    assert "Databasen går inte att nå" in person.text
    assert program.json()["error"] == "database_away"


class Buggy(FakeFigures):
    """A monitor with a bug of our own."""

    async def intervals(self, *asked: Any) -> list[Period]:
        raise ZeroDivisionError("0920453000")


async def test_a_bug_of_our_own_is_told_on_a_page_or_in_json_without_its_insides() -> None:
    figures = Buggy(sample.calm())
    app = create_app(figures, ManualClock(figures.latest().at))
    path = "/api/v1/intervals?from=2026-03-01&to=2026-03-02"
    async with AsyncClient(
        transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
    ) as client:
        person, program = await client.get(path, headers=BROWSER), await client.get(path)

    assert (person.status_code, program.status_code) == (500, 500)
    assert "Något gick fel i övervakningen" in person.text
    assert program.json()["error"] == "internal_error"
    assert "Division" not in person.text + program.text
    assert "Händer det igen, säg till den som sköter den" in person.text
    for answer in (person, program):
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_a_bug_of_our_own_is_one_entry_of_the_log_without_a_number() -> None:
    """A real server writes it, in the form of all our lines, however often a wall asks for the page."""
    written = StringIO()
    handler = Handler(written)
    handler.setFormatter(Formatter("%(levelname)s %(message)s"))
    log = logging.getLogger("uvicorn.error")
    with serving(sample.calm(), figures=Buggy(sample.calm()), log_level="error") as server:
        log.addHandler(handler)
        for _ in range(3):
            with pytest.raises(HTTPError, match="500"):
                urlopen(f"{server.address}/api/v1/intervals?from=2026-03-01&to=2026-03-02")
    log.removeHandler(handler)

    entries = [line for line in written.getvalue().splitlines() if not line.startswith("    ")]
    assert entries == ["ERROR Exception in ASGI application"]
    assert written.getvalue().count("Traceback") == 1
    assert "0920453000" not in written.getvalue()


async def test_whoever_goes_away_in_the_middle_of_a_form_is_no_bug_of_ours() -> None:
    figures = FakeFigures(sample.calm())
    app = create_app(figures, ManualClock(figures.latest().at))
    part = {"type": "http.request", "body": b"token=a", "more_body": True}
    arrives: Iterator[MutableMapping[str, Any]] = iter((part, {"type": "http.disconnect"}))
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return next(arrives)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"100")]
    asked = {"type": "http", "method": "POST", "path": "/sign-in", "query_string": b"", "headers": headers}
    await app(asked | {"scheme": "http", "http_version": "1.1", "client": ("192.0.2.7", 1)}, receive, send)

    assert sent[0]["status"] == 400


@pytest.mark.parametrize("path", ["/lead?queue=månen", "/history?queue=månen", "/history?period=vecka"])
async def test_a_page_that_cannot_show_what_a_program_asks_for_answers_it_in_json(whole: FastAPI, path: str) -> None:
    program, person = (
        await asked(whole, "GET", path, headers=ADMIN),
        await asked(whole, "GET", path, headers=ADMIN | BROWSER),
    )

    assert program.json()["error"] in ("unknown_queue", "bad_request")
    assert person.text.startswith("<!doctype html>")
    assert person.status_code == program.status_code >= 400


async def test_only_who_is_signed_in_can_sign_out(whole: FastAPI) -> None:
    stranger = await asked(whole, "GET", "/sign-in")
    known = await asked(whole, "GET", "/sign-in", headers=ADMIN)

    assert "Logga ut" not in stranger.text
    assert "Logga ut" in known.text
    assert "Du är inloggad som admin." in known.text


async def test_a_scraper_may_add_parameters_of_its_own() -> None:
    assert (await ask("/metrics?collect[]=all")).status_code == 200
    assert (await ask("/healthz?from=haproxy")).status_code == 200
