"""The page of the past: what a controller finds there, against a count of the calls themselves."""

import random
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from httpx import ASGITransport, AsyncClient
from msgspec.structs import replace
from python_calamine import CalamineWorkbook

from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.history_page import AlertRow, HistoryChoice, HistoryPage
from queue_monitor.api.pages.periods import PeriodKind, period_of
from queue_monitor.clock import ManualClock
from queue_monitor.model import (
    Access,
    Alert,
    AlertBatch,
    AlertChange,
    AlertKind,
    AlertLevel,
    Counts,
    Crisis,
    ImportedFile,
    ImportRecord,
    Period,
    RepeatCallers,
    RepeatDay,
    Role,
)
from queue_monitor.ports import StoreError
from tests.api import sample
from tests.api.looking import UNREADABLE, Reader
from tests.api.sample import FakeAlerts, FakeFigures
from tests.api.serving import chromium
from tests.runtime.lasting import QUEUES, ZONE, Call, monitor

FIRST = date(2026, 10, 1)
LAST = date(2026, 10, 30)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), ZONE).astimezone(UTC)


def calls_of_october() -> list[Call]:
    dice = random.Random(5)
    found = []
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        for one in range(24):
            entered = at(day, dice.randrange(8, 17), dice.randrange(60))
            how = dice.choice(["answered", "answered", "answered", "abandoned"])
            found.append(Call(f"{number}-{one}", dice.choice(QUEUES), entered, how, dice.randrange(1_000, 400_000)))
    return found


def client_of(figures: FakeFigures) -> AsyncClient:
    clock = ManualClock(figures.latest().at)
    app = create_app(figures, clock, routers=[history_routes(figures, clock, FakeAlerts(), "sv")])
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost")


def plain(html: str) -> str:
    """The words of a page, with single spaces."""
    words = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return " ".join(words.replace("\N{NO-BREAK SPACE}", " ").replace("&amp;", "&").split())


class October:
    """A month in a store, and the page over it."""

    def __init__(self, calls: list[Call], client: AsyncClient) -> None:
        self.calls = [call for call in calls if call.entered.astimezone(ZONE).weekday() < 5]
        self.client = client

    async def page(self, **query: str) -> str:
        answer = await self.client.get("/history", params=query)
        assert answer.status_code == 200
        return plain(answer.text)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("october")


@pytest.fixture
async def october(written: Path) -> AsyncIterator[October]:
    """Asked some days after its end."""
    calls, url = calls_of_october(), f"sqlite:///{written}/store.db"
    if not (written / "store.db").exists():
        for number in range((LAST - FIRST).days + 1):
            today = FIRST + timedelta(days=number)
            async with monitor(url, at(today, 18), written) as run:
                its = (call for call in calls if call.entered.astimezone(ZONE).date() == today)
                await run.tell(event for call in its for event in call.events())
    async with monitor(url, at(date(2026, 11, 5), 12), written) as run:
        run.pipeline.publish()
        app = create_app(run.pipeline, run.clock, routers=[history_routes(run.pipeline, run.clock, FakeAlerts(), "sv")])
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
            yield October(calls, client)


def percent(good: int, of: int) -> str:
    return f"{int(good * 1000 / of + 0.5) / 10:.1f} %".replace(".", ",")


async def test_without_a_choice_it_is_last_month_and_its_figures_are_those_of_the_calls(october: October) -> None:
    page = await october.page()

    good = sum(call.how == "answered" and call.waited_ms <= 300_000 for call in october.calls)
    assert "Oktober 2026" in page
    assert f"{percent(good, len(october.calls))} av {len(october.calls)} samtal besvarades inom 5 min." in page
    assert "Målet 90 % nåddes inte." in page
    answered = sum(call.how == "answered" for call in october.calls)
    assert f"D1: besvarade inom 5 min av alla besvarade {good} {answered} {percent(good, answered)}" in page
    longest = max(call.waited_ms for call in october.calls if call.how == "answered") // 1000
    assert f"Längst {longest // 60}:{longest % 60:02}" in page


@pytest.mark.parametrize(
    ("measured", "shown"),
    [(date(2026, 5, 1), "Maj 2026"), (date(2026, 2, 1), "Februari 2026"), (None, "Juli 2026")],
)
async def test_without_a_choice_it_is_the_newest_complete_month_with_calls_else_the_running_one(
    monkeypatch: pytest.MonkeyPatch, measured: date | None, shown: str
) -> None:
    figures = FakeFigures(replace(sample.lead(), at=at(date(2026, 7, 14), 10)))
    plainly = figures.intervals

    async def months(start: datetime, end: datetime, step: str, *rest: Any) -> list[Period]:
        if step != "month" or start > at(date(2026, 6, 2), 0) or end > at(date(2026, 7, 2), 0):
            return await plainly(start, end, step, *rest)
        (some,) = await plainly(start, end, step, *rest)
        first, found = start.astimezone(ZONE).date(), []
        while at(first, 0) < end:
            counts = some.counts if first == measured else Counts()
            found.append(replace(some, start=at(first, 0), counts=counts, outside_hours=Counts()))
            first = period_of(PeriodKind.MONTH, first).after().first
        return found

    monkeypatch.setattr(figures, "intervals", months)

    assert shown in plain((await client_of(figures).get("/history")).text)


@pytest.mark.parametrize("queue", QUEUES)
async def test_of_a_queue_and_a_day_it_counts_that_queue_and_day_alone(october: October, queue: str) -> None:
    day = date(2026, 10, 14)
    page = await october.page(period="day", day=day.isoformat(), queue=queue, definition="D1")

    its = [call for call in october.calls if call.queue == queue and call.entered.astimezone(ZONE).date() == day]
    answered = [call for call in its if call.how == "answered"]
    good = sum(call.waited_ms <= 300_000 for call in answered)
    assert f"{percent(good, len(answered))} av {len(answered)} besvarade samtal besvarades inom 5 min." in page
    assert f"Inkomna till kö {len(its)}" in page
    assert "Timme för timme" in page


async def test_each_day_links_to_its_own_page_and_keeps_queue_and_formula(october: October) -> None:
    answer = await october.client.get(
        "/history", params={"period": "week", "day": "2026-10-14", "queue": "bygglov", "definition": "D3"}
    )

    assert "history?period=day&amp;day=2026-10-14&amp;queue=bygglov&amp;definition=D3&amp;lang=sv" in answer.text
    assert "history?period=week&amp;day=2026-10-05&amp;queue=bygglov&amp;definition=D3&amp;lang=sv" in answer.text
    assert "api/v1/intervals?step=day&amp;from=2026-10-12&amp;to=2026-10-19&amp;queue=bygglov" in answer.text


@pytest.mark.parametrize(
    ("period", "lang", "heading"),
    [
        ("day", "en", "1 October 2026"),
        ("may-aug", "en", "May–August 2026"),
        ("may-aug", "sv", "Maj–augusti 2026"),
        ("free", "en", "1 October 2026 – 1 October 2026"),
        ("week", "sv", "Vecka 40 2026"),
    ],
)
async def test_the_heading_is_the_period_with_its_names_as_they_are_written(
    october: October, period: str, lang: str, heading: str
) -> None:
    answer = await october.client.get("/history", params={"period": period, "day": "2026-10-01", "lang": lang})

    assert f"<h1>{heading}</h1>" in answer.text


async def test_the_year_before_stands_beside_and_says_that_it_has_no_figures(october: October) -> None:
    page = await october.page(period="month", day="2026-10-01")

    assert "oktober 2025 – – – – – – –" in page


async def test_a_period_that_goes_on_is_judged_so_far(october: October) -> None:
    page = await october.page(period="year", day="2026-02-01")

    assert "Målet 90 % är inte nått hittills." in page
    assert "Perioden pågår: siffrorna gäller till 12.00 torsdag 5 november." in page


async def test_a_month_with_calls_in_the_evening_only_says_so_in_the_place_of_its_picture(tmp_path: Path) -> None:
    evening = Call("late", "kundcenter", at(date(2026, 11, 4), 20), "answered", 1_000)
    async with monitor(f"sqlite:///{tmp_path}/store.db", at(date(2026, 11, 5), 12), tmp_path) as run:
        await run.tell(evening.events())
        run.pipeline.publish()
        app = create_app(run.pipeline, run.clock, routers=[history_routes(run.pipeline, run.clock, FakeAlerts(), "sv")])
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
            page = await October([], client).page(period="month", day="2026-11-05")

    assert page.count("Inga samtal har kommit in i öppettid än under perioden.") == 2
    assert "Dag för dag Inga samtal har kommit in" in page


async def test_a_period_to_come_is_said_to_be_one(october: October) -> None:
    assert "Perioden har inte börjat." in await october.page(period="month", day="2027-01-01")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"period": "fortnight"}, 400, "fortnight finns inte att välja; det som finns är day, week, month"),
        ({"period": "month", "day": "oktober"}, 400, "oktober är ingen dag; skriv till exempel 2026-10-01."),
        ({"period": "month", "day": "1650-10-01"}, 400, "1650-10-01 är ingen dag"),
        (
            {"period": "free", "day": "2026-10-09", "until": "2026-10-01"},
            400,
            "Den sista dagen ligger före den första.",
        ),
        ({"period": "free", "day": "2025-01-01", "until": "2026-10-01"}, 400, "högst 400"),
        ({"definition": "D9"}, 400, "D9 finns inte att välja; det som finns är D1, D2, D3, D4, D5."),
        ({"queue": "månen"}, 404, "månen"),
    ],
)
async def test_what_cannot_be_shown_is_said_in_words_on_a_page(query: dict[str, str], status: int, words: str) -> None:
    client = client_of(FakeFigures(sample.lead()))
    answer = await client.get("/history", params=query, headers={"Accept": "text/html"})

    assert answer.status_code == status
    assert words in plain(answer.text)
    assert "<form" in answer.text


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "sv",
            "Importerat som gamla den 2026-11-20: 512 samtal från 2025-10-01 till 2025-10-31 ur queue_log.2.gz.",
        ),
        ("en", "Imported as gamla on 2026-11-20: calls of 2025-10-01 to 2025-10-31 from queue_log.2.gz, 512 in all."),
    ],
)
async def test_what_was_imported_is_said_on_the_page_and_in_its_files(
    lang: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = FakeFigures(sample.lead())
    file = ImportedFile(
        name="queue_log.2.gz", sha256="0" * 64, first_day=date(2025, 10, 1), last_day=date(2025, 10, 31)
    )
    done = datetime(2026, 11, 20, 9, tzinfo=UTC)
    record = ImportRecord(name="gamla", kind="queue_log", files=(file,), started_at=done, finished_at=done, calls=512)

    async def imports(first: date, last: date) -> list[ImportRecord]:
        return [record] if record.touches(first, last) else []

    monkeypatch.setattr(figures, "imports", imports)
    query = {"period": "month", "day": "2025-10-01", "lang": lang}
    page = await client_of(figures).get("/history", params=query)
    file_of_it = await client_of(figures).get("/history/file", params=query | {"format": "csv"})
    other = await client_of(figures).get("/history", params=query | {"day": "2025-09-01"})

    assert words in plain(page.text)
    assert words in file_of_it.text
    assert "2026-11-20" not in plain(other.text)


async def test_a_database_that_is_away_is_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = FakeFigures(sample.lead())

    async def away(*_: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr(figures, "intervals", away)
    answer = await client_of(figures).get("/history")

    assert answer.status_code == 503
    assert "Databasen går inte att nå just nu" in plain(answer.text)


@pytest.mark.parametrize(("role", "status"), [("wallboard", 403), ("status", 200), ("lead", 200), ("admin", 200)])
async def test_who_may_read_everything_may_read_the_past(role: str, status: int) -> None:
    figures = FakeFigures(sample.lead())
    clock = ManualClock(figures.latest().at)
    token = Access(name=role, role=Role(role), token_sha256=digest(role))
    app = create_app(figures, clock, routers=[history_routes(figures, clock, FakeAlerts(), "sv")], access=[token])

    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/history", headers={"Authorization": f"Bearer {role}"})

    assert answer.status_code == status


# ---- files


async def test_all_queues_are_in_one_file_for_excel_and_add_up(october: October, tmp_path: Path) -> None:
    query = {"period": "month", "day": "2026-10-01", "format": "xlsx"}
    answer = await october.client.get("/history/file", params=query)
    again = await october.client.get("/history/file", params=query)
    file = tmp_path / "october.xlsx"
    file.write_bytes(answer.content)
    book = CalamineWorkbook.from_path(str(file))
    head, *rows = book.get_sheet_by_name("Siffror").to_python()

    assert answer.headers["content-disposition"] == 'attachment; filename="history-2026-10-01-2026-10-31.xlsx"'
    assert again.content == answer.content
    at = head.index("Inkomna till kö")
    entered = {
        queue: sum(int(str(row[at]).split(".")[0]) for row in rows if row[0] == queue)
        for queue in ("Alla köer", *QUEUES)
    }
    assert entered == {
        "Alla köer": len(october.calls),
        **{queue: sum(call.queue == queue for call in october.calls) for queue in QUEUES},
    }
    about = [str(row[0]).replace("\N{NO-BREAK SPACE}", " ") for row in book.get_sheet_by_name("Om filen").to_python()]
    assert about[:2] == ["oktober 2026, Alla köer", "Mål: 90 % av samtalen besvarade inom 5 min."]


async def test_the_file_for_excel_can_be_printed(october: October, tmp_path: Path) -> None:
    query = {"period": "month", "day": "2026-10-01", "format": "xlsx"}
    (tmp_path / "october.xlsx").write_bytes((await october.client.get("/history/file", params=query)).content)
    with ZipFile(tmp_path / "october.xlsx") as parts:
        sheet, book, styles = (
            parts.read(f"xl/{name}.xml").decode() for name in ("worksheets/sheet1", "workbook", "styles")
        )

    assert re.search(r'<pageSetup [^>]*fitToWidth="2" fitToHeight="0" orientation="landscape"', sheet)
    assert "Print_Titles" in book  # queue, from, to and the headers are on every page
    assert float(re.findall(r'<row r="1"[^>]* ht="([0-9.]+)"', sheet)[0]) >= 45  # "Tappade efter 20 s men inom 5 min"
    assert 'formatCode="yyyy\\-mm\\-dd"' in styles or 'formatCode="yyyy-mm-dd"' in styles


async def test_a_csv_has_swedish_headers_with_units_and_says_what_it_is(october: October) -> None:
    query = {"period": "week", "day": "2026-10-14", "queue": "bygglov", "format": "csv"}
    answer = await october.client.get("/history/file", params=query)
    lines = answer.content.decode("utf-8-sig").replace("\N{NO-BREAK SPACE}", " ").splitlines()

    assert "Besvarade inom 5 min;Besvarade senare" in lines[0]
    assert "D2 (%)" in lines[0]
    assert "Längsta väntan (s)" in lines[0]
    assert len(lines) == 1 + 7 + 1
    assert max(len(decimals) for line in lines[1:8] for decimals in re.findall(r",([0-9]+)", line)) <= 6
    assert lines[-1].startswith('"vecka 42 2026, bygglov; Mål: 90 % av samtalen')


async def test_a_file_says_of_which_days_calls_are_no_longer_kept(tmp_path: Path) -> None:
    kept = datetime(2026, 2, 1, tzinfo=ZONE).astimezone(UTC)
    figures = FakeFigures(replace(sample.lead(), kept_from=kept))
    asked = {"period": "month", "day": "2026-01-01"}
    words = texts.say("table.kept_from", "sv", day="2026-02-01")
    (tmp_path / "january.xlsx").write_bytes(
        (await client_of(figures).get("/history/file", params=asked | {"format": "xlsx"})).content
    )
    about = CalamineWorkbook.from_path(str(tmp_path / "january.xlsx")).get_sheet_by_name("Om filen").to_python()

    assert words in (await client_of(figures).get("/history/file", params=asked | {"format": "csv"})).text
    assert words in [str(row[0]) for row in about]


async def test_a_step_that_reaches_out_of_the_period_is_refused(october: October) -> None:
    month = {"period": "month", "day": "2026-10-01", "format": "csv"}

    weeks = await october.client.get("/history/file", params=month | {"step": "week"})
    months = await october.client.get("/history/file", params=month | {"step": "month"})

    assert weeks.status_code == 400
    assert weeks.json()["detail"] == "Perioden oktober 2026 går inte jämnt upp i week; välj en annan indelning."
    assert months.status_code == 200
    assert len(months.content.splitlines()) == 1 + 3 + 1


async def test_an_alarm_of_a_queue_is_marked_on_the_page_of_that_queue_and_of_its_pool() -> None:
    alarm = sample.recorded(next(alert for alert in sample.alerted().alerts.open), by="Anna")
    first = replace(alarm.changes[0], kind=AlertKind.TARGET_AT_RISK, level=AlertLevel.ALARM, queues=("Växel",))
    record = [replace(alarm, changes=(first,))]
    target = sample.lead().target
    pen = Formatter("sv", "Europe/Stockholm", target)

    def marked(name: str, *queues: str) -> int:
        choice = HistoryChoice(
            period=period_of(PeriodKind.MONTH, FIRST), queue=name, definition=target.definition, queues=queues
        )
        page = HistoryPage(sample.lead(), choice, pen, whole=None, parts=(), earlier=(), week=(), record=record)
        return len(page.alerts)

    assert [marked(""), marked("växel", "växel"), marked("Växel + Bygg", "Bygg", "Växel"), marked("Bygg", "Bygg")] == [
        1, 1, 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lang", "heading", "words"),
    [
        ("sv", "Larm om målet, och kriser", "Inget larm om målet och ingen kris i perioden."),
        ("en", "Alerts about the target, and crises", "No alert about the target and no crisis in the period."),
    ],
)
async def test_where_only_other_alarms_were_sent_it_is_not_said_that_there_were_none(
    october: October, lang: str, heading: str, words: str
) -> None:
    """Long waits and silent switches are not listed here."""
    page = await october.page(lang=lang)

    assert f"{heading} {words}" in page


def test_a_crisis_of_more_than_a_day_is_one_row_from_its_beginning_to_its_end() -> None:
    """It is sent anew after a day, under an episode of its own, which is no second crisis."""
    began = at(date(2026, 10, 20), 10)
    alarm = next(alert for alert in sample.alerted().alerts.open)
    figures = replace(alarm.figures, crisis=Crisis(since=began, reason="vattenläcka"))

    def change(episode: str, hours: float, kind: AlertChange) -> Alert:
        moment = began + timedelta(hours=hours)
        return replace(
            alarm, episode=episode, at=moment, change=kind, kind=AlertKind.CRISIS, level=AlertLevel.ALARM, queue="",
            queues=(), figures=figures,
        )  # fmt: skip

    days = [change("a", 0, AlertChange.RAISED), change("a", 25, AlertChange.CLEARED)]
    days += [change("b", 25, AlertChange.RAISED), change("b", 30, AlertChange.CLEARED)]
    ended, stands = ([row.when for row in _rows(changes)] for changes in (days, days[:3]))

    assert ended == ["2026-10-20 10.00 till 2026-10-21 16.00"]
    assert stands == ["2026-10-20 10.00"]


def _rows(changes: list[Alert]) -> tuple[AlertRow, ...]:
    target = sample.lead().target
    choice = HistoryChoice(period=period_of(PeriodKind.MONTH, FIRST), queue="", definition=target.definition, queues=())
    record = AlertBatch(alerts=tuple(changes)).by_alert()
    pen = Formatter("sv", "Europe/Stockholm", target)
    return HistoryPage(sample.lead(), choice, pen, whole=None, parts=(), earlier=(), week=(), record=record).alerts


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"format": "pdf"}, 400, "pdf finns inte att välja; det som finns är xlsx, csv."),
        ({"step": "minute"}, 400, "minute finns inte att välja"),
        ({"queue": "månen"}, 404, "månen"),
    ],
)
async def test_a_file_that_cannot_be_made_is_refused_by_name(query: dict[str, str], status: int, words: str) -> None:
    answer = await client_of(FakeFigures(sample.lead())).get("/history/file", params=query)

    assert answer.status_code == status
    assert words in answer.json()["detail"]


# ---- looked at


@pytest.mark.parametrize(("language", "width", "height"), [("sv", 390, 844), ("sv", 1093, 614), ("en", 1280, 720)])
async def test_everybody_can_read_it_and_no_text_is_cut_off(
    october: October, written: Path, language: str, width: int, height: int
) -> None:
    answer = await october.client.get("/history", params={"lang": language, "period": "month", "day": "2026-10-01"})
    static = Path(__file__).parents[2] / "queue_monitor/api/static"
    page_file = written / "page.html"
    page_file.write_text(answer.text.replace("static/", f"{static.as_uri()}/"))

    found = _looked_at(page_file.as_uri(), width, height)

    assert found == ([], 0, "")


SMALL_LETTERS = """() => [...document.querySelectorAll('.chart text')]
  .filter((text) => text.getBoundingClientRect().height < 11).map((text) => `small: ${text.textContent}`)"""

CUT_OFF = """() => [...document.querySelectorAll('.wide:not(#parts .wide)')]
  .filter((wide) => wide.checkVisibility() && wide.scrollWidth > wide.clientWidth + 1)
  .map((wide) => `cut off: ${wide.getAttribute('aria-label')}`)"""


def _looked_at(address: str, width: int, height: int, *, may_scroll: bool = False) -> tuple[list[str], int, str]:
    """Return the texts that cannot be read, how far the page runs out of the screen, and the faults that axe finds.

    `may_scroll`: tables may be wider than the screen.
    """

    def look() -> tuple[list[str], int, str]:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(address)
            unreadable = [words for words in page.evaluate(UNREADABLE) if not words.startswith("below the screen")]
            unreadable += page.evaluate(SMALL_LETTERS) + ([] if may_scroll else page.evaluate(CUT_OFF))
            beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            violations = Reader().faults(page)
            page.close()
            return unreadable, beyond, violations

    with ThreadPoolExecutor(1) as aside:  # Playwright's own loop must not meet that of the test
        return aside.submit(look).result()


class Repeating(FakeFigures):
    """Two days of two queues on which callers were told apart."""

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        day, other = date(2026, 2, 2), date(2026, 2, 3)
        assert (first, last) == (date(2026, 2, 1), date(2026, 2, 28))
        return [repeats(day, "Kundcenter", 30, 3), repeats(other, "Kundcenter", 10, 2), repeats(other, "Bygglov", 8, 4)]


def repeats(day: date, queue: str, calls: int, repeated: int) -> RepeatDay:
    counts = {"lost": 0, "reached_later": 0, "answered": calls, "not_back": calls - repeated}
    found = RepeatCallers(since=at(day, 0), calls=calls, repeated=repeated, **counts)
    return RepeatDay(day=day, queue=queue, found=found)


async def test_who_called_again_within_a_day_is_a_share_of_the_period_for_the_chosen_queue() -> None:
    figures = Repeating(replace(sample.lead(), at=at(date(2026, 3, 2), 10)))
    client = client_of(figures)

    of_one = plain((await client.get("/history", params={"queue": "Kundcenter"})).text)
    assert "andel av samtalen som kom från någon som redan hade ringt 12,5 %" in of_one
    assert "Obesvarade som fick svar senare –" in of_one
    assert "Besvarade, ej tillbaka samma dag 87,5 %" in of_one
    assert "Räknat på 40 samtal där numret visades, dygnet runt. Dagar då det mättes: 2." in of_one
    assert "Räknat på 48 samtal" in plain((await client.get("/history")).text)


async def test_where_callers_are_not_told_apart_the_page_says_nothing_of_who_calls_again() -> None:
    page = plain((await client_of(FakeFigures(sample.lead())).get("/history")).text)

    assert "Återkommande" not in page
