"""A controller fetches a report from the page of the past, and finds what was sealed."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Role
from queue_monitor.reports import beside
from queue_monitor.reports.pdf import MissingPdf
from tests.api import sample
from tests.api.sample import FakeAlerts, FakeFigures
from tests.api.test_history import _looked_at
from tests.reports import autumn
from tests.reports.looked import plain
from tests.runtime.lasting import Call

OCTOBER = {"period": "month", "day": "2026-10-01"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    async with autumn.october(tmp_path) as (reports, run):
        run.pipeline.publish()
        routers = [
            history_routes(run.pipeline, run.clock, FakeAlerts(), "sv", reports),
            report_routes(run.pipeline, reports, "sv"),
        ]
        app = create_app(run.pipeline, run.clock, routers=routers)
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as found:
            found.run = run  # type: ignore[attr-defined]
            yield found


def links(page: str) -> list[str]:
    return [part.partition('"')[0].replace("&amp;", "&") for part in page.split('href="history/report?')[1:]]


async def test_the_page_of_a_month_offers_its_report_in_four_forms_and_each_is_given(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def printed(_: object, page: bytes) -> bytes:
        return b"%PDF of " + page[:15]

    monkeypatch.setattr(beside.PdfPress, "pdf_of", printed)  # the real one is held to its bytes in tests/reports
    page = (await client.get("/history", params=OCTOBER)).text
    answers = {link: await client.get(f"/history/report?{link}") for link in links(page)}

    assert [answer.status_code for answer in answers.values()] == [200] * 4
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers.values()]
    assert kinds == ["text/html", "application/pdf", "text/csv", "application/json"]
    names = [answer.headers.get("content-disposition", "") for answer in answers.values()]
    assert names[1:] == [f'attachment; filename="report-2026-10-v1.{form}"' for form in ("pdf", "csv", "json")]
    assert "Servicerapport oktober 2026" in plain(next(iter(answers.values())).text)


async def test_the_report_says_the_numbers_that_the_page_says(client: AsyncClient) -> None:
    queue = "bygglov"
    page = plain((await client.get("/history", params=OCTOBER | {"queue": queue})).text)
    report = plain((await client.get("/history/report", params={"period": "2026-10", "queue": queue})).text)

    sentence = re.search(r"\d+,\d % av \d+ samtal besvarades inom 5 min\. Målet 90 % nåddes inte\.", page)
    formulas = re.findall(r"D\d: (?:[^\d]|\d+ (?:min|s)\b|D\d)+? (\d+) (\d+) (\d+,\d %)", page)
    assert sentence and len(formulas) == 5
    assert sentence[0].split(" Målet")[0] in report
    assert all(" ".join(numbers) in report for numbers in formulas)


async def test_what_was_sealed_is_listed_and_an_old_version_is_still_given(client: AsyncClient) -> None:
    first = await client.get("/history/report", params={"period": "2026-10"})
    run = client.run  # type: ignore[attr-defined]
    run.clock.advance_to(autumn.NOVEMBER + timedelta(days=1))
    late = Call("late word", "bygglov", autumn.CRISIS[0], "answered", 1_000)
    await run.tell(late.events())
    await client.get("/history/report", params={"period": "2026-10"})
    page = (await client.get("/history", params=OCTOBER)).text

    assert "version 2, 2026-11-06 12.00 version 1, 2026-11-05 12.00" in plain(page)
    old = await client.get(f"/history/report?{links(page)[-1]}")
    assert old.content == first.content


async def test_of_a_week_or_a_day_the_page_says_that_there_is_no_report(client: AsyncClient) -> None:
    for period in ("week", "day"):
        page = (await client.get("/history", params={"period": period, "day": "2026-10-14"})).text
        assert "Rapport finns för månad, tertial, delår och år." in page
        assert not links(page)


async def test_a_report_of_one_queue_in_english_is_asked_for_by_its_link(client: AsyncClient) -> None:
    page = (await client.get("/history", params=OCTOBER | {"queue": "bygglov", "lang": "en"})).text
    report = await client.get(f"/history/report?{links(page)[0]}")

    assert "Service report October 2026: bygglov – Kundcenter" in plain(report.text)


IMPOSSIBLE = (
    ({"period": "oktober"}, 400, "period: oktober är ingen period; skriv 2026-10"),
    ({"period": "2026-10", "format": "docx"}, 400, "docx finns inte att välja; det som finns är html, pdf, csv"),
    ({"period": "2026-10", "version": "-1"}, 400, "-1 finns inte att välja"),
    ({"period": "2026-10", "version": "9"}, 404, "Det finns ingen version 9 av rapporten för oktober 2026"),
    ({"period": "2026-10", "queue": "månen"}, 404, "månen"),
    ({"period": "2027-01"}, 404, "Perioden januari 2027 har inte börjat."),
    ({"period": "2026-06"}, 404, "Inget mättes under juni 2026"),
)


async def test_what_cannot_be_given_is_said(client: AsyncClient) -> None:
    for query, status, words in IMPOSSIBLE:
        answer = await client.get("/history/report", params=query)
        assert answer.status_code == status
        assert words in answer.json()["detail"].replace("\N{NO-BREAK SPACE}", " ")


async def test_a_pdf_that_cannot_be_made_here_is_said_and_the_page_is_offered(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(*_: object) -> bytes:
        raise MissingPdf("no weasyprint")

    monkeypatch.setattr(beside.PdfPress, "pdf_of", missing)
    answer = await client.get("/history/report", params={"period": "2026-10", "format": "pdf"})

    assert answer.status_code == HTTPStatus.NOT_IMPLEMENTED
    assert "det som behövs för PDF är inte installerat" in answer.json()["detail"]


@pytest.mark.parametrize(("role", "status"), [("wallboard", 403), ("metrics", 403), ("status", 404), ("lead", 404)])
async def test_who_may_read_everything_may_read_reports_and_without_a_store_there_are_none(
    role: str, status: int
) -> None:
    figures = FakeFigures(sample.lead())
    token = Access(name=role, role=Role(role), token_sha256=digest(role))
    clock = ManualClock(figures.latest().at)
    app = create_app(figures, clock, routers=[report_routes(figures, None, "sv")], access=[token])

    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/history/report?period=2026-10", headers={"Authorization": f"Bearer {role}"})

    assert answer.status_code == status
    assert status == 403 or answer.json()["error"] == "no_store"


@pytest.mark.parametrize(("language", "width", "height"), [("sv", 390, 844), ("en", 1280, 720)])
async def test_everybody_can_read_the_report(
    client: AsyncClient, tmp_path: Path, language: str, width: int, height: int
) -> None:
    answer = await client.get("/history/report", params={"period": "2026-10", "lang": language})
    page = tmp_path / "page.html"
    page.write_bytes(answer.content)
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'; style-src 'sha256-" in policy
    # it is made for paper: on a phone its tables of many columns scroll
    assert _looked_at(page.as_uri(), width, height, may_scroll=width < 600) == ([], 0, "")
