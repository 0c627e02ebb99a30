"""Pools where the past is shown: a pool is its queues, whoever shares people now, and has one figure on every face."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from msgspec import structs
from python_calamine import CalamineWorkbook

from queue_monitor.api import create_app
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.core.rules import Rules
from queue_monitor.events import CallAnswered, Event
from queue_monitor.queues import keys_of, pool_of, queue_key, queues_of_pool
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules
from tests.api.sample import FakeAlerts
from tests.reports.looked import plain
from tests.runtime.lasting import ZONE, Call, Monitor, monitor
from tests.scenario import Scenario

FIRST = date(2026, 9, 1)
MOVED = date(2026, 9, 16)
"""From this day on the people of Plan answer Vatten and no longer Bygglov."""

NAMED = {keys_of(["BYGGLOV", "plan "]): "Samhällsbyggnad"}
"""The settings spell the queues in another way than the switch."""

AGENTS = {"Bygglov": "anna", "Plan": "anna", "Vatten": "bo"}
OCTOBER = {"period": "month", "day": "2026-09-01", "queue": "Bygglov + Plan"}


def rules() -> Rules:
    return structs.replace(Scenario().rules, pool_names=NAMED, pool_label="{queue} med flera")


def calls_of(day: date) -> list[Call]:
    """One call of each queue each hour; Plan's are late until noon."""
    return [
        Call(f"{day} {queue} {hour}", queue, moment(day, hour), "answered", 400_000 if late(queue, hour) else 5_000)
        for hour in range(9, 16)
        for queue in AGENTS
    ]


def late(queue: str, hour: int) -> bool:
    return queue == "Plan" and hour < 12


def moment(day: date, hour: float) -> datetime:
    return datetime.combine(day, time(), ZONE) + timedelta(hours=hour)


def events_of(call: Call, day: date) -> list[Event]:
    agent = "bo" if call.queue == "Plan" and day >= MOVED else AGENTS[call.queue]
    return [
        structs.replace(event, agent_id=f"pbx:{agent}") if isinstance(event, CallAnswered) else event
        for event in call.events()
    ]


def working_days() -> list[date]:
    days = (FIRST + timedelta(days=number) for number in range(30))
    return [day for day in days if day.weekday() < 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools")


@pytest.fixture
async def run(folder: Path) -> AsyncIterator[Monitor]:
    """The month is over, and who shares people now is others than on its first day."""
    async with monitor(f"sqlite:///{folder}/store.db", moment(FIRST, 7), folder, rules()) as found:
        if not await found.store.totals():
            for day in working_days():
                found.clock.advance_to(moment(day, 18))
                await found.tell([event for call in calls_of(day) for event in events_of(call, day)])
                found.clock.advance_to(moment(day + timedelta(days=1), 0.1))
                found.pipeline.start_day()
        found.clock.advance_to(moment(date(2026, 10, 2), 12))
        found.live.recall_pools([("Plan", "Vatten")], found.clock.now())
        found.pipeline.publish()
        yield found


@pytest.fixture
async def client(run: Monitor) -> AsyncIterator[AsyncClient]:
    async with client_of(run, Reports(run.store, ReportRules(rules=run.live.rules), run.clock)) as found:
        yield found


def client_of(run: Monitor, reports: Reports | None) -> AsyncClient:
    routers = [
        history_routes(run.pipeline, run.clock, FakeAlerts(), "sv", reports),
        report_routes(run.pipeline, reports, "sv"),
    ]
    app = create_app(run.pipeline, run.clock, routers=routers)
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost")


EXPECTED = (len(working_days()) * (7 + 4), len(working_days()) * 14)
"""In time, and all, of Bygglov and Plan."""


async def test_a_pool_of_the_settings_has_one_figure_on_every_face_after_a_queue_has_moved(client: AsyncClient) -> None:
    good, of = EXPECTED
    page = plain((await client.get("/history", params=OCTOBER)).text)
    csv_file = (await client.get("/history/file", params=OCTOBER | {"format": "csv", "step": "whole"})).content
    xlsx = (await client.get("/history/file", params=OCTOBER | {"step": "month"})).content
    question = {"period": "2026-09", "queue": "Bygglov + Plan"}
    report = plain((await client.get("/history/report", params=question)).text)
    table = (await client.get("/history/report", params=question | {"format": "csv"})).content
    data = (await client.get("/history/report", params=question | {"format": "json"})).json()["data"]

    assert "September 2026: Samhällsbyggnad Köer: Bygglov, Plan" in page
    assert f"av {of} samtal besvarades inom 5 min" in page
    assert f"{good} {of} 78,6 %" in page
    assert f"D2 = {good} / {of}" in report
    assert "Köer: Bygglov, Plan" in report
    assert (data["counts"]["answered_in_time"], data["scope"]["label"]) == (good, "Samhällsbyggnad")
    [row] = [row for row in rows(csv_file) if row["Kö"] == "Samhällsbyggnad"]
    assert (row["Inkomna till kö"], row["Besvarade inom 5\N{NO-BREAK SPACE}min"]) == (str(of), str(good))
    assert "Köer: Bygglov, Plan" in csv_file.decode("utf-8-sig")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(xlsx)).get_sheet_by_index(0).to_python()
    assert (sheet[1][0], sheet[1][sheet[0].index("Inkomna till kö")]) == ("Samhällsbyggnad", of)
    whole = rows(table)[0]
    assert (whole["D2 täljare"], whole["D2 nämnare"]) == (str(good), str(of))


def rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig")), delimiter=";"))


async def test_who_shares_people_now_and_the_pools_of_the_settings_are_offered_under_names_of_their_own(
    client: AsyncClient, run: Monitor
) -> None:
    run.live.recall_pools([("Bygglov", "Plan", "Vatten")], run.clock.now())
    run.pipeline.publish()
    page = (await client.get("/history", params=OCTOBER)).text
    larger = await client.get("/history/report", params={"period": "2026-09", "queue": "Bygglov + Plan + Vatten"})

    assert '<option value="Bygglov + Plan" selected>Samhällsbyggnad</option>' in page
    assert '<option value="Bygglov + Plan + Vatten">Samhällsbyggnad med flera</option>' in page
    assert "Samhällsbyggnad med flera" in plain(larger.text)
    assert "Köer: Bygglov, Plan, Vatten" in plain(larger.text)


@pytest.mark.parametrize("with_store", [True, False])
async def test_a_link_to_queues_that_share_people_no_longer_leads_to_the_same_queues(
    run: Monitor, with_store: bool
) -> None:
    reports = Reports(run.store, ReportRules(rules=Scenario().rules), run.clock) if with_store else None
    async with client_of(run, reports) as client:
        answer = await client.get("/history", params=OCTOBER | {"queue": "bygglov + vatten"})
        file = await client.get("/history/file", params=OCTOBER | {"queue": "bygglov + vatten", "format": "csv"})
        unknown = await client.get("/history", params=OCTOBER | {"queue": "Bygglov + Månen"})

    of = len(working_days()) * 14
    assert f"av {of} samtal besvarades inom 5 min" in plain(answer.text)
    assert "Köer: Bygglov, Vatten" in plain(answer.text)
    assert file.status_code == 200
    assert unknown.status_code == 404


async def test_a_queue_that_is_written_twice_is_in_a_report_once(run: Monitor) -> None:
    scope = Reports(run.store, ReportRules(rules=rules()), run.clock).scope(("Plan", "bygglov", "PLAN", "Bygglov"))

    assert [queue_key(queue) for queue in scope.queues] == ["bygglov", "plan"]


@pytest.mark.parametrize(
    "queues", [("a", "b"), ("Bygg + miljö", "a"), ("a", "b", "c"), ("(a)", "b"), ("a + b", "c + d"), ("a", "a + b")]
)
@pytest.mark.parametrize("others", [(), ("a + b",), ("a + b + c", "Bygg")])
def test_the_queues_of_a_pool_are_read_back_from_its_name(queues: tuple[str, ...], others: tuple[str, ...]) -> None:
    known = {queue_key(queue): queue for queue in (*queues, *others)}

    assert queues_of_pool(pool_of(queues, known).name, known) == queues
    assert queues_of_pool("a + månen", known) == ()
