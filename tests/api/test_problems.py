"""A wrong address or parameter: a page for people, JSON for programs, and always in words."""

import pytest
from httpx import ASGITransport, AsyncClient, Response

from queue_monitor.api import create_app
from queue_monitor.clock import ManualClock
from tests.api import sample
from tests.api.sample import FakeFigures

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
    assert answer.json()["detail"].startswith("steg är inget som går att ange här. Det som går är: format, from, lang,")
    assert "step" in answer.json()["choices"]


async def test_a_scraper_may_add_parameters_of_its_own() -> None:
    assert (await ask("/metrics?collect[]=all")).status_code == 200
    assert (await ask("/healthz?from=haproxy")).status_code == 200
