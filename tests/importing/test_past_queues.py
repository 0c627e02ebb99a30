"""A queue that only an import has brought can be chosen where the past is shown, and is on no wall."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from python_calamine import CalamineWorkbook

from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules
from tests.api.sample import FakeAlerts
from tests.api.test_history import plain
from tests.importing.made import EXAMPLES, ZONE, config_of, imported, moment
from tests.importing.test_import import WEEK, written
from tests.runtime.lasting import Call, monitor

MONTH = {"period": "month", "day": "2024-10-01"}
LIVE = Call("live", "Växeln", moment(date(2026, 11, 23), 9), "answered", 30_000)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """The pages over an imported week, of a monitor that has started two years later and hears of another queue."""
    await imported(tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK))
    async with pages_over(tmp_path / "calls.db") as found:
        yield found


@asynccontextmanager
async def pages_over(path: Path) -> AsyncIterator[AsyncClient]:
    rules = rules_of(config_of(path))
    async with monitor(f"sqlite:///{path}", moment(date(2026, 11, 23), 12), path.parent, rules) as run:
        await run.tell(LIVE.events())
        run.pipeline.publish()
        reports = Reports(run.store, ReportRules(rules=rules), run.clock)
        routers = [
            history_routes(run.pipeline, run.clock, FakeAlerts(), "sv", reports),
            report_routes(run.pipeline, reports, "sv"),
        ]
        app = create_app(run.pipeline, run.clock, routers=routers)
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as found:
            yield found


def inside(queue: str) -> int:
    """Return the number of callers of a queue who came, or still waited, in opening hours."""
    found = 0
    for call in WEEK:
        at, opens = call.entered.astimezone(ZONE), datetime.combine(call.entered.astimezone(ZONE), time(8), ZONE)
        still_waits = at + timedelta(milliseconds=call.waited_ms) > opens
        found += call.queue == queue and at.weekday() < 5 and at.hour < 17 and (at >= opens or still_waits)
    return found


async def test_it_is_offered_and_shown_on_the_page_of_the_past_and_stands_on_no_wall(client: AsyncClient) -> None:
    page = await client.get("/history", params=MONTH | {"queue": "Bygglov"})
    status = (await client.get("/api/v1/status")).json()

    assert page.status_code == 200
    assert '<optgroup label="Bara i historiken">' in page.text
    assert '<option value="Bygglov" selected>Bygglov' in page.text
    assert f"av {inside('Bygglov')} samtal" in plain(page.text)
    assert [queue["name"] for queue in status["queues"]] == ["Växeln"]


async def test_its_report_names_the_import_that_it_rests_on(client: AsyncClient) -> None:
    asked = {"period": "2024-10", "queue": "Bygglov"}
    report = plain((await client.get("/history/report", params=asked)).text)

    assert f"av {inside('Bygglov')} samtal" in report
    assert "Importerade samtal Import Dagar Gjord den Filer Samtal queue_log 2024-10-21 – 2024-10-27" in report
    assert "queue_log.txt (SHA-256 " in report


async def test_it_is_in_the_file_of_all_queues_and_the_files_read_back_as_the_same_numbers(
    client: AsyncClient, tmp_path: Path
) -> None:
    asked = MONTH | {"step": "whole"}
    (tmp_path / "month.xlsx").write_bytes(
        (await client.get("/history/file", params=asked | {"format": "xlsx"})).content
    )
    text = (await client.get("/history/file", params=asked | {"format": "csv"})).content.decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    notes = rows.pop()
    book = CalamineWorkbook.from_path(str(tmp_path / "month.xlsx"))
    sheet, *cells = book.get_sheet_by_name("Siffror").to_python()

    assert [row[0] for row in rows] == [row[0] for row in cells] == ["Alla köer", "Växeln", "Bygglov", "Kundcenter"]
    assert {"D2 (%)", "Längsta väntan (s)", "Utanför öppettid", "Avvisade"} <= set(head)
    for line, row in zip(rows, cells, strict=True):
        for name, column, written_one, read in zip(head, sheet, line, row, strict=True):
            assert name.removesuffix(" (%)").removesuffix(" (s)") == column
            if name.endswith(" (%)") and written_one:
                assert "." not in written_one
                assert float(read) == pytest.approx(float(written_one.replace(",", ".")) / 100)  # type: ignore[arg-type]
            elif written_one.isdecimal():
                assert float(read) == int(written_one) or name.endswith(" (s)")  # type: ignore[arg-type]
            elif isinstance(read, datetime):
                assert read.strftime("%Y-%m-%d %H:%M") == written_one
    about = [str(row[0]) for row in book.get_sheet_by_name("Om filen").to_python()]
    assert any("queue_log.txt" in words for words in about)
    assert "queue_log.txt" in notes[0]
    assert texts.NONE not in text.partition(notes[0])[0]


async def test_days_that_are_there_are_not_said_to_be_deleted(client: AsyncClient) -> None:
    october = {"from": "2024-10-01", "to": "2024-11-01"}
    answers = [
        (await client.get(f"/api/v1/{path}", params=october)).json() for path in ("intervals", "calls", "lost-calls")
    ]
    files = [await client.get(f"/api/v1/{path}", params=october | {"format": "csv"}) for path in ("intervals", "calls")]
    empty = plain((await client.get("/history", params=MONTH | {"queue": "Växeln"})).text)

    assert [answer["kept_from"] for answer in answers] == [None, None, None]
    assert len(answers[1]["calls"]) == len(WEEK)
    assert not any("finns inte kvar" in file.text for file in files)
    assert "tidigare dagar visas inte" not in empty


async def test_the_page_and_the_report_both_say_that_a_target_is_not_met_where_many_were_refused(
    tmp_path: Path,
) -> None:
    """Nineteen were answered in time; five were turned away."""
    header = "Samtals-ID;Starttid;Kö;Händelse;Väntetid;Samtalstid;Uppringande\n"
    lines = [f"{at};2024-10-21 09:{at:02}:00;Bygglov;Besvarat;00:00:34;00:03:10;\n" for at in range(19)]
    lines += [f"r{at};2024-10-21 10:{at:02}:00;Bygglov;Kö full;;;\n" for at in range(5)]
    (tmp_path / "export.csv").write_text(header + "".join(lines), encoding="utf-8")
    await imported(tmp_path / "calls.db", tmp_path / "export.csv", mapping=EXAMPLES / "puzzel.toml")

    async with pages_over(tmp_path / "calls.db") as client:
        page = plain((await client.get("/history", params=MONTH | {"queue": "Bygglov"})).text)
        report = plain((await client.get("/history/report", params={"period": "2024-10", "queue": "Bygglov"})).text)

    for words in (
        "Målet 90 % nåddes bland dem som kom in i kön, men 20,8 % av uppringningarna avvisades.",
        "är inte med: 5, 20,8 % av alla uppringningar. Räknas de som missade är andelen 79,2 %.",
    ):
        assert words in page
        assert words in report
    assert "Målet 90 % nåddes." not in page
