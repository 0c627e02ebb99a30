"""Whether a target is met is decided once: the marks, the words and the numbers of every face follow it.

A day on which nearly everybody who came in was answered in time, and too many never came in.
"""

import re
from datetime import UTC, date, datetime

import httpx
import msgspec
import pytest

from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.pages.board import board_body
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.clock import ManualClock
from queue_monitor.model import Counts, Coverage, Target
from queue_monitor.reports.data import Day, ReportData, Scope, Waits
from queue_monitor.reports.desk import Report
from queue_monitor.reports.document import document_of
from queue_monitor.store import MemoryAudit
from tests.api.sample import FakeAlerts
from tests.reports.looked import plain
from tests.scenario import Scenario
from tests.test_one_number import Standing

NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)
EVENING = datetime(2026, 11, 23, 18, tzinfo=UTC)
PERIODS = ("day", "month", "tertial")


class Faces:
    """Return what each face says of one day with so many answered in time and so many refused."""

    def __init__(self, answered: int, refused: int, at: datetime, language: str) -> None:
        told = Scenario().connected(0)
        for number in range(answered):
            told.entered(number * 10, f"a{number}").answered(number * 10 + 5, f"a{number}")
            told.completed(number * 10 + 9, f"a{number}")
        for number in range(refused):
            told.refused(2 + number * 10, f"r{number}")
        told.snapshot((at - told.start).total_seconds())
        self.figures = AlertedFigures(Standing(told.live, at))
        self.clock, self.language = ManualClock(at), language
        routers = [
            lead_routes(self.figures, self.clock, FakeAlerts(), FakeAlerts(), MemoryAudit(), "sv"),
            history_routes(self.figures, self.clock, FakeAlerts(), "sv"),
        ]
        self.app = create_app(self.figures, self.clock, routers=routers, public=True)
        self.board = msgspec.json.decode(board_body(self.figures.latest()))

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost") as client:
            found = await client.get(path.format(lang=f"lang={self.language}"))
        assert found.status_code == 200, path
        return found

    async def marks(self) -> dict[str, bool | None]:
        """Whether each face says that the target is met, by the face and the period."""
        status, public = (await self.get("/api/v1/status")).json(), (await self.get("/api/v1/public?{lang}")).json()
        hours = (await self.get("/api/v1/intervals")).json()["intervals"]
        busy = next(each for each in hours if each["dialled"])
        found = {f"API {name}": status["total"]["periods"][name]["meets_target"] for name in PERIODS}
        found["API hour"] = busy["meets_target"]
        found["wall day"] = self.board["total"]["day"]["meets_target"]
        found["wall month"] = self.board["month"]["meets_target"]
        found |= {f"public {name}": public[name]["meets_target"] for name in ("today", "month")}
        found["public months"] = public["months"][-1]["share"]["meets_target"]
        lead = (await self.get("/lead?{lang}")).text
        found["lead day"] = _mark(re.search(r'class="wide-figure"><dt>.*?</dt><dd>(.*?)</dd>', lead))
        whole_day = re.search(r'<tr class="sum">(.*?)</tr>', lead)
        assert whole_day is not None
        found["lead hours"] = False if "#sign-at_risk" in whole_day.group(1) else None
        for name in PERIODS:
            page = (await self.get(f"/history?period={name}&day=2026-11-23&{{lang}}")).text
            found[f"past {name}"] = _mark(re.search(r'<p class="verdict-line .*?</p>', page))
            found[f"past {name} row"] = _mark(re.search(r'<section id="compare">.*?</tbody>', page, re.DOTALL))
        document = document_of(self.report(), self.language)
        found["report"] = document.meets
        return found

    def report(self) -> Report:
        counts = self.figures.latest().total.periods["month"].counts
        day = date(2026, 11, 23)
        data = ReportData(
            organisation="Kundcenter", time_zone="Europe/Stockholm", period="2026-11", first=date(2026, 11, 1),
            last=date(2026, 11, 30), through=day, scope=Scope(), target=Target(), counts=counts, outside=Counts(),
            shares=(), waits=Waits(), coverage=Coverage(seen_minutes=9),
            days=(Day(day=day, counts=counts, outside=Counts(), longest_ms=5_000, coverage=Coverage()),),
            queues=(), compared=(), crises=(), without_crises=None, alerts=(), rules=(), bridge=(), references=(),
            goals=(), passed_on=None, reached=None,
        )  # fmt: skip
        return Report(data=data, body=b"")


def _mark(found: re.Match[str] | None) -> bool | None:
    """Return what a sign says: good, bad, or nothing."""
    said = found.group() if found else ""
    if "#sign-ok" in said:
        return True
    return False if re.search("#sign-(missed|at_risk|out_of_reach)", said) else None


@pytest.mark.parametrize("at", [NOON, EVENING])
@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize(("answered", "refused"), [(100, 5), (0, 5)])
async def test_where_too_many_were_refused_no_face_says_that_the_target_was_met(
    answered: int, refused: int, language: str, at: datetime
) -> None:
    faces = Faces(answered, refused, at, language)
    marks = await faces.marks()
    total = faces.figures.latest().total

    assert {face for face, met in marks.items() if met is not False} == set()
    words = texts.status_words(total.verdict.status, total.verdict.reason, language)
    assert (words == texts.say("status.period_refused", language)) == (at is EVENING)
    assert {one.status.value for one in (total.verdict, *total.verdicts.values())} <= {"at_risk", "too_early"}
    if answered:
        await said(faces, texts.percent(5 / 105, None, language), texts.percent(100 / 105, 0.9, language))


async def said(faces: Faces, refused: str, including: str) -> None:
    """The page of the past, the report and the public page say how many were refused; the board says the share too."""
    pages = [(await faces.get(path)).text for path in ("/public?{lang}", "/history?period=day&day=2026-11-23&{lang}")]
    pages.append(document_of(faces.report(), faces.language).verdict)
    for page in pages:
        assert refused.replace("\N{NO-BREAK SPACE}", " ") in plain(page)
    assert including in faces.board["why"][faces.language]
    assert including.replace("\N{NO-BREAK SPACE}", " ") in plain(pages[0])
    assert including.replace("\N{NO-BREAK SPACE}", " ") in plain((await faces.get("/lead?{lang}")).text)


@pytest.mark.parametrize(("at", "words"), [(NOON, "Målet 90 % är nått hittills."), (EVENING, "Målet 90 % nåddes.")])
async def test_after_closing_the_page_of_the_past_says_what_became_of_the_day(at: datetime, words: str) -> None:
    page = await Faces(100, 0, at, "sv").get("/history?period=day&day=2026-11-23&{lang}")

    assert words in plain(page.text)


@pytest.mark.parametrize("at", [NOON, EVENING])
async def test_where_few_were_refused_every_face_says_that_it_was_met(at: datetime) -> None:
    marks = await Faces(100, 2, at, "sv").marks()

    assert marks.pop("lead hours") is None  # there only what is under the target is marked
    assert {face for face, met in marks.items() if met is not True} == set()


BUT = "Målet 90 % är hittills nått bland dem som kom in i kön, men 5,0 % av uppringningarna har avvisats."


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (Counts(answered_in_time=100), "Målet 90 % är nått hittills."),
        (Counts(answered_in_time=80, answered_late=20, refused_full=9), "Målet 90 % är inte nått hittills."),
        (Counts(answered_in_time=95, refused_full=5), BUT),
        (Counts(refused_full=5), "Målet 90 % är inte nått hittills: 100,0 % av uppringningarna har avvisats."),
    ],
)
def test_the_sentence_says_what_lost_the_target(counts: Counts, words: str) -> None:
    data = msgspec.structs.replace(Faces(0, 0, NOON, "sv").report().data, counts=counts)

    assert plain(document_of(Report(data=data, body=b""), "sv").verdict) == words
