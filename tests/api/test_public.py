"""The summary for everybody: off unless switched on, nothing internal, worked out seldom; other sites only if named."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.clock import ManualClock, ScaledClock
from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import Access, DefinitionId, Period, Role, Snapshot
from queue_monitor.ports import StoreError
from tests.api import sample
from tests.api.sample import ZONE, FakeFigures, local

SITE = "https://www.kommunen.example"


def shown(snapshot: Snapshot) -> Snapshot:
    """With today's hours and a foretold wait."""
    total = replace(snapshot.total, day_hours=(local(8), local(17)), wait_range_seconds=(130.0, 350.0))
    return replace(snapshot, total=total)


class Site:
    """A monitor where everybody needs a token, asked by somebody who has none."""

    def __init__(self, snapshot: Snapshot, **options: Any) -> None:
        self.figures, self.clock = FakeFigures(snapshot), ManualClock(snapshot.at)
        access = [Access(name="tavlan", role=Role.WALLBOARD, token_sha256=digest("hemligt"))]
        self.app = create_app(self.figures, self.clock, access=access, **options)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://kc") as client:
            return await client.request(method, path, **options)


async def test_it_is_off_unless_switched_on():
    site = Site(shown(sample.calm()))

    assert (await site.ask("GET", "/public")).status_code == 404
    assert (await site.ask("GET", "/api/v1/public")).status_code == 404


async def test_anybody_reads_how_the_promise_stands_and_nothing_else_is_opened():
    site = Site(shown(sample.calm()), public=True)
    body = (await site.ask("GET", "/api/v1/public")).json()

    assert (body["today"]["words"], body["month"]["words"]) == ("92,8\u00a0%", "82,0\u00a0%")
    assert (body["definition"], body["expected_wait_words"]) == ("D2", "2–6 minuter")
    assert (body["status_words"], body["hours_words"]) == ("Inom mål", "kl. 8.00–17.00")
    assert (await site.ask("GET", "/api/v1/status")).status_code == 401


async def test_where_the_clock_stands_everything_is_answered_and_the_newest_is_shown():
    snapshot = shown(sample.calm())
    clock = ScaledClock(snapshot.at)
    clock.stop()
    figures = FakeFigures(snapshot)
    app = create_app(figures, clock, public=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        codes = [(await client.get(path)).status_code for path in ("/public", "/api/v1/public", "/readyz", "/metrics")]
        before = (await client.get("/api/v1/public")).json()
        figures.show(shown(sample.rush()))
        after = (await client.get("/api/v1/public")).json()

    assert codes == [200, 200, 200, 200]
    assert before["status"] != after["status"]


async def test_nothing_internal_is_in_it():
    site = Site(shown(sample.rush()), public=True)
    text = (await site.ask("GET", "/api/v1/public")).text + (await site.ask("GET", "/public")).text

    for word in ("Bygglov", "Socialtjänst", "staff", "waiting", "urn:kc", "pbx", "agents", "visit", "margin"):
        assert word not in text, word


@pytest.mark.parametrize(("language", "said"), [("sv", "Beräknad väntetid nu"), ("en", "Expected wait now")])
async def test_the_page_says_it_in_the_language_asked_for(language: str, said: str):
    answer = await Site(shown(sample.calm()), public=True).ask("GET", f"/public?lang={language}")

    assert f'<html lang="{language}">' in answer.text
    assert said in answer.text
    assert "<script" not in answer.text
    assert "style=" not in answer.text


async def test_the_last_twelve_months_are_on_it_in_json_and_csv(monkeypatch: pytest.MonkeyPatch):
    site = Site(shown(sample.calm()), public=True)
    asked = []

    async def months(start: datetime, end: datetime, step: str, *_: Any) -> list[Period]:
        asked.append((start.astimezone(ZONE).date(), end.astimezone(ZONE).date(), step))
        day = site.figures.latest().total.periods["day"]
        first = [date(2025, 4 + number, 1) for number in range(9)] + [date(2026, 1 + number, 1) for number in range(3)]
        return [
            replace(day, start=day_bounds(one, ZONE)[0], end=day_bounds(one + timedelta(days=28), ZONE)[1])
            for one in first
        ]

    monkeypatch.setattr(site.figures, "intervals", months)
    body = (await site.ask("GET", "/api/v1/public")).json()
    page = (await site.ask("GET", "/public")).text
    csv = (await site.ask("GET", "/api/v1/public?format=csv")).content.decode("utf-8-sig").splitlines()

    assert asked == [(date(2025, 4, 1), date(2026, 4, 1), "month")]
    assert [month["month"] for month in body["months"]][::11] == ["2025-04", "2026-03"]
    assert [month["whole"] for month in body["months"]] == [True] * 11 + [False]
    assert page.count("<rect") == 12
    assert "mars 2026 (hittills)" in page
    assert csv[0] == "Månad;Besvarade i tid (%);Avvisade uppringningar (%);Mål (%)"
    assert csv[1].startswith("2025-04;92,")
    assert len(csv) == 1 + 12 + 1


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("definition", list(DefinitionId))
async def test_the_formula_is_said_in_words_that_need_no_list_of_formulas(definition: DefinitionId, language: str):
    snapshot = shown(sample.calm())
    site = Site(replace(snapshot, target=replace(snapshot.target, definition=definition)), public=True)
    page = (await site.ask("GET", f"/public?lang={language}")).text

    assert not re.search(r"\bD\d\b", page)


async def test_the_running_month_has_one_figure_and_a_new_month_is_listed_at_once(monkeypatch: pytest.MonkeyPatch):
    site = Site(shown(sample.calm()), public=True)
    asked = []

    async def months(start: datetime, end: datetime, step: str, *_: Any) -> list[Period]:
        asked.append(end.astimezone(ZONE).date())
        snapshot = site.figures.latest()
        return [replace(snapshot.total.periods["day"], start=end - timedelta(days=28), end=end)]

    monkeypatch.setattr(site.figures, "intervals", months)
    before = (await site.ask("GET", "/api/v1/public")).json()
    site.figures.show(shown(sample.rush()))
    site.clock.advance_to(site.clock.now() + timedelta(seconds=20))
    after = (await site.ask("GET", "/api/v1/public")).json()
    site.figures.show(replace(shown(sample.rush()), at=local(12) + timedelta(days=40)))
    site.clock.advance_to(site.clock.now() + timedelta(seconds=20))
    await site.ask("GET", "/api/v1/public")

    for body in (before, after):
        assert body["months"][-1]["share"] == body["month"]
    assert len(asked) == 2 and asked[0] < asked[1]


async def test_without_its_database_the_page_is_there_without_the_months(monkeypatch: pytest.MonkeyPatch):
    site = Site(shown(sample.calm()), public=True)

    async def away(*_: Any) -> list[Period]:
        raise StoreError("away")

    monkeypatch.setattr(site.figures, "intervals", away)

    assert (await site.ask("GET", "/public")).status_code == 200
    assert (await site.ask("GET", "/api/v1/public")).json()["months"] == []


async def test_when_the_switch_is_not_heard_no_number_of_now_is_given():
    body = (await Site(shown(sample.dead_source()), public=True).ask("GET", "/api/v1/public")).json()

    assert (body["status"], body["expected_wait_words"], body["expected_wait_high_seconds"]) == ("no_data", "–", None)


async def test_it_is_worked_out_seldom_and_may_be_kept():
    site = Site(shown(sample.calm()), public=True)
    first = await site.ask("GET", "/api/v1/public")
    site.figures.show(shown(sample.rush()))
    again = await site.ask("GET", "/api/v1/public")
    await site.clock.sleep(15)
    later = await site.ask("GET", "/api/v1/public")

    assert first.json() == again.json()
    assert later.json()["today"] != first.json()["today"]
    assert first.headers["cache-control"] == "public, max-age=15"
    same = await site.ask("GET", "/api/v1/public", headers={"If-None-Match": later.headers["etag"]})
    assert same.status_code == 304


async def test_a_page_of_a_named_site_may_read_it_and_no_other():
    site = Site(shown(sample.calm()), public=True, cors_origins=[SITE])
    named = await site.ask("GET", "/api/v1/public", headers={"Origin": SITE})
    other = await site.ask("GET", "/api/v1/public", headers={"Origin": "https://elsewhere.example"})
    before = {"Origin": SITE, "Access-Control-Request-Method": "GET"}
    asked_first = await site.ask("OPTIONS", "/api/v1/status", headers=before)
    before["Access-Control-Request-Method"] = "POST"

    assert named.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-origin" not in other.headers
    assert asked_first.headers["access-control-allow-methods"] == "GET"
    assert (await site.ask("OPTIONS", "/api/v1/status", headers=before)).status_code == 400


async def test_unless_set_no_other_sites_page_may_read_anything():
    answer = await Site(shown(sample.calm()), public=True).ask("GET", "/api/v1/public", headers={"Origin": SITE})

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_the_summary_is_what_its_documentation_says():
    site = Site(shown(sample.calm()), public=True)

    document = {"$ref": "#/components/schemas/PublicBody", **site.app.openapi()}

    Draft202012Validator(document).validate((await site.ask("GET", "/api/v1/public")).json())


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, "–"),
        (0.0, 40.0, "mindre än 1 minut"),
        (10.0, 60.0, "ungefär 1 minut"),
        (20.0, 170.0, "upp till 3 minuter"),
        (180.0, 180.0, "ungefär 3 minuter"),
        (130.0, 350.0, "2–6 minuter"),
    ],
)
def test_a_range_of_waits_in_whole_minutes(low: float | None, high: float | None, words: str):
    assert texts.wait_range(low, high) == words
