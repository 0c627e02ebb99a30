"""Alerts over HTTP: what stands and what was said; acknowledging is an admin's act and is written down first."""

from datetime import datetime
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.memory import MemoryRecord
from alerts.rules import AlertSettings
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import COOKIE, digest
from queue_monitor.api.json.alerts import alert_routes
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, AdminAct, RecordedAlert, Role
from queue_monitor.ports import StoreError
from queue_monitor.store import MemoryAudit
from tests.alerts.moments import at, risk, snapshot
from tests.api.sample import FakeFigures
from tests.scenario import STOCKHOLM

TOKENS = {Role.STATUS: "reads", Role.LEAD: "leads", Role.ADMIN: "acts"}


class Away:
    """A database that is away."""

    async def save_act(self, act: AdminAct) -> None:
        raise StoreError("the disk is full")

    async def acts(self, start: datetime, end: datetime) -> list[AdminAct]:
        raise StoreError("the disk is full")

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        raise StoreError("the disk is full")


class Room:
    """A served monitor with one open alarm, and whoever asks."""

    def __init__(self, *, tokens: bool = True, away: bool = False) -> None:
        record, self.clock, self.audit = MemoryRecord(), ManualClock(at(60)), MemoryAudit()
        plain = FakeFigures(snapshot(at(60), risk=risk(0.97)))
        self.dispatcher = Dispatcher([], [], record, self.clock, STOCKHOLM)
        self.round = AlertRound(AlertEngine(AlertSettings(), "sv"), plain, self.clock, record, self.dispatcher)
        figures = AlertedFigures(plain, watch=self.round)
        log, history = (Away(), Away()) if away else (self.audit, record)
        routes = alert_routes(figures, self.clock, self.round, history, log, "sv")
        access = [Access(name=f"nyckel {role}", role=role, token_sha256=digest(key)) for role, key in TOKENS.items()]
        self.app = create_app(figures, self.clock, routers=[routes], access=access if tokens else [])

    async def ask(
        self, method: str, path: str, role: Role | None = Role.ADMIN, client: str = "192.0.2.7", **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        headers |= options.pop("headers", {})
        transport = httpx.ASGITransport(self.app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://kc") as asking:
            return await asking.request(method, path, headers=headers, **options)

    async def path(self) -> str:
        (alert,) = await self.round.evaluate()
        return f"/api/v1/alerts/{alert.episode}/acknowledge"


async def test_an_admin_acknowledges_and_it_is_written_down_who_when_from_where_and_what():
    room = Room()
    path = await room.path()

    answer = await room.ask("POST", path, json={"by": "Anna"})
    acts = (await room.ask("GET", "/api/v1/audit")).json()["acts"]

    assert (answer.status_code, answer.json()["acknowledged"]) == (200, True)
    assert room.dispatcher.acknowledged == {answer.json()["episode"]}
    assert acts == [
        {
            "at": "2026-11-23T08:00:00Z",
            "who": "nyckel admin",
            "origin": "192.0.2.7",
            "act": "acknowledge",
            "subject": answer.json()["episode"],
            "detail": "Anna",
        }
    ]


async def test_acknowledging_once_more_changes_nothing():
    room = Room()
    path = await room.path()
    first = await room.ask("POST", path)

    again = await room.ask("POST", path, json={"by": "Bo"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert len((await room.ask("GET", "/api/v1/audit")).json()["acts"]) == 1
    record = (await room.ask("GET", "/api/v1/alerts")).json()["record"]
    assert record[0]["acknowledged_by"] == "nyckel admin"


async def test_the_record_says_what_happened_in_words_and_the_open_alert_stands_beside_it():
    room = Room()
    await room.path()
    answer = await room.ask("GET", "/api/v1/alerts", Role.STATUS)
    body = answer.json()

    (stands,), (recorded,) = body["open"], body["record"]
    assert stands["episode"] == recorded["episode"]
    assert recorded["ended_at"] is None
    assert [change["state"] for change in recorded["changes"]] == ["raised"]
    assert "stor risk att dagsmålet missas" in recorded["changes"][0]["title"]
    etag = answer.headers["etag"]
    assert (await room.ask("GET", "/api/v1/alerts", Role.STATUS, headers={"If-None-Match": etag})).status_code == 304


async def test_only_an_admin_acknowledges_and_reads_who_did_what():
    room = Room()
    path = await room.path()

    assert (await room.ask("POST", path, Role.STATUS)).status_code == 403
    assert (await room.ask("GET", "/api/v1/audit", Role.STATUS)).status_code == 403
    assert (await room.ask("POST", path, None)).status_code == 401
    assert room.dispatcher.acknowledged == frozenset()


async def test_an_alert_that_does_not_stand_cannot_be_acknowledged():
    answer = await Room().ask("POST", "/api/v1/alerts/gissning/acknowledge")

    assert (answer.status_code, answer.json()["error"]) == (404, "no_such_alert")


@pytest.mark.parametrize("body", [b"{", b'{"by": 7}', b"[]", b'{"by": "' + b"x" * 81 + b'"}', b"\xff"])
async def test_a_body_that_cannot_be_read_acknowledges_nothing(body: bytes):
    room = Room()

    answer = await room.ask("POST", await room.path(), content=body)

    assert answer.status_code == 422
    assert room.dispatcher.acknowledged == frozenset()


@pytest.mark.parametrize("by", ["Anna 0920-45 30 00", "070 123 45 67", "0701234567"])
async def test_a_name_with_what_may_be_a_callers_number_acknowledges_nothing(by: str):
    """The name of who has seen an alert is kept for years and shown, as the reason of a crisis is."""
    room = Room()

    answer = await room.ask("POST", await room.path(), json={"by": by})

    assert (answer.status_code, answer.json()["error"]) == (422, "bad_request")
    assert room.dispatcher.acknowledged == frozenset()
    assert (await room.ask("GET", "/api/v1/audit")).json()["acts"] == []


async def test_a_name_on_several_lines_is_kept_on_one():
    """The name stands in a line of the lead's page and of the audit."""
    room = Room()
    await room.ask("POST", await room.path(), json={"by": "  Anna\n\tBerg "})

    assert (await room.ask("GET", "/api/v1/alerts")).json()["record"][0]["acknowledged_by"] == "Anna Berg"


async def test_what_cannot_be_written_down_is_not_done():
    room = Room(away=True)

    answer = await room.ask("POST", await room.path())

    assert (answer.status_code, answer.json()["error"]) == (503, "database_away")
    assert "disk" not in answer.text
    assert room.dispatcher.acknowledged == frozenset()
    assert (await room.ask("GET", "/api/v1/alerts")).status_code == 503
    assert (await room.ask("GET", "/api/v1/audit")).status_code == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://kc"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("tokens", [True, False])
async def test_another_sites_page_cannot_acknowledge_with_somebodys_cookie_or_on_this_machine(
    headers: dict[str, str], tokens: bool
):
    room = Room(tokens=tokens)
    cookie = {"Cookie": f"{COOKIE}={TOKENS[Role.ADMIN]}"} if tokens else {}

    answer = await room.ask("POST", await room.path(), None, headers=headers | cookie)

    assert answer.status_code == 403
    assert room.dispatcher.acknowledged == frozenset()


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://kc"}, {}])
async def test_a_page_of_our_own_acknowledges_with_a_cookie(headers: dict[str, str]):
    room = Room()

    cookie = {"Cookie": f"{COOKIE}={TOKENS[Role.ADMIN]}"}

    assert (await room.ask("POST", await room.path(), None, headers=headers | cookie)).status_code == 200


async def test_nothing_is_acknowledged_without_a_token_not_even_on_this_machine():
    room = Room(tokens=False)
    path = await room.path()
    headers = {"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}

    answer = await room.ask("POST", path, None, client="127.0.0.1", headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert room.dispatcher.acknowledged == frozenset()


async def test_the_answers_are_what_their_documentation_says():
    room = Room()
    acknowledged = await room.ask("POST", await room.path())
    document = (await room.ask("GET", "/openapi.json")).json()

    for name, answer in (
        ("AlertShape", acknowledged),
        ("AlertsBody", await room.ask("GET", "/api/v1/alerts")),
        ("AuditBody", await room.ask("GET", "/api/v1/audit")),
    ):
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document}).validate(answer.json())
