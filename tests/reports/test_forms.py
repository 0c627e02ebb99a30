"""A report as people get it: read by a councillor, an auditor, a spreadsheet, a screen reader."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from msgspec import structs

from queue_monitor import texts
from queue_monitor.model import Counts, Coverage, DefinitionId
from queue_monitor.reports import checks
from queue_monitor.reports.beside import PdfPress
from queue_monitor.reports.data import AlertFact, CalledAgain, Reference
from queue_monitor.reports.desk import Report, Reports
from queue_monitor.reports.figures import GoalSetting, ReportRules
from queue_monitor.reports.forms import Form, file_name, html, written
from queue_monitor.reports.pdf import MissingPdf, pdf_of
from queue_monitor.reports.pen import ReportPen
from queue_monitor.reports.period import parsed
from tests.reports import autumn
from tests.reports.autumn import OCTOBER, calls_of_october, in_time, judged
from tests.reports.looked import plain
from tests.runtime.lasting import QUEUES, ZONE
from tests.store.calls import START
from tests.store.records import batch, call, refused

CALLS = judged(calls_of_october())
PITEA = Reference(name="=Piteå kommun", period="2025", value="87 %", source="Kundtjänst", day=autumn.BLIND)
GOALS = (
    GoalSetting(name="Nöjda kunder", target="70 %", values={"2026-10": ("72 %", "enkät, 340 svar")}),
    GoalSetting(name="E-tjänster", target="fler"),
)


_made: list[Report] = []


@pytest.fixture
async def report(tmp_path: Path) -> Report:
    """The whole month, made once."""
    if not _made:
        async with autumn.october(tmp_path, references=(PITEA,), goals=GOALS) as (reports, _):
            _made.append(await reports.report(OCTOBER, reports.scope(())))
    return _made[0]


def percent(good: int, of: int) -> str:
    return f"{int(good * 1000 / of + 0.5) / 10:.1f} %".replace(".", ",")


def test_a_councillor_reads_the_sentence_the_comparison_and_what_was_not_measured_first(report: Report) -> None:
    page = plain(html(report, "sv").decode())
    front = page[: page.index("Underlag för granskning")]
    good, of = in_time(CALLS), len(CALLS)

    assert f"Servicerapport oktober 2026 {percent(good, of)} av {of} samtal besvarades inom 5 min." in front
    assert "Målet 90 % nåddes inte." in front
    assert f"oktober 2026 {percent(good, of)} {of}" in front
    assert "oktober 2025 (ett år tidigare) – – – – – –" in front
    assert "=Piteå kommun 2025 87 % Kundtjänst, 2026-10-14" in front
    assert "De ingår inte i våra." in front
    assert "Dagar då något av öppettiden inte följdes: 2026-10-14." in front
    assert "Nöjdhet, e-tjänster och andra mål mäts på annat sätt än ur samtalen." in front


@pytest.mark.parametrize(("blind", "share"), [(100, ""), (111, "88,9 %")])
def test_a_comparison_with_a_period_that_was_hardly_observed_says_so(report: Report, blind: int, share: str) -> None:
    seen = Coverage(seen_minutes=801, recovered_minutes=200 - blind, blind_minutes=blind)
    year = [structs.replace(each, counts=Counts(answered_in_time=9), coverage=seen) for each in report.data.compared]
    page = plain(html(structs.replace(report, data=structs.replace(report.data, compared=tuple(year))), "sv").decode())

    said = f"oktober 2025: bara {share} av öppettiden är uppmätt, så jämförelsen är osäker."
    assert (said in page) is bool(share)
    assert ("jämförelsen är osäker" in page) is bool(share)


def test_an_auditor_finds_formula_counts_crisis_hours_goals_proxies_and_seal(report: Report) -> None:
    page = plain(html(report, "sv").decode())
    annex = page[page.index("Underlag för granskning") :]
    good, of = in_time(CALLS), len(CALLS)
    assert report.seal is not None

    assert f"D2 = {good} / {of} = {percent(good, of)}." in annex
    assert f"Inkomna till kö {of} " in annex
    assert f"Lämnade kön: för lång väntan {sum(call.how == 'timeout' for call, _ in CALLS)} " in annex
    assert "ons 2026-10-14 08:00–17:00 " in annex
    assert "08:00–17:00 (antal dagar: 22)." in annex
    assert "2026-10-20 10.20–2026-10-21 15.05 Vattenläcka" in annex
    assert "Utan kris" in annex
    assert "Nöjda kunder 70 % 72 % enkät, 340 svar E-tjänster fler mäts på annat sätt –" in annex
    assert "Besvarade utan att kopplas vidare mättes inte: växeln säger inte hur samtalen slutar." in annex
    assert "Hur många som inte ringde igen samma dag mättes inte" in annex
    assert f"SHA-256 av rapportens data: {report.seal.sha256}." in annex
    assert "Rapporten förseglades första gången 2026-11-05 12.00." in annex


def test_only_where_no_alarm_was_sent_is_that_said(report: Report) -> None:
    """Alarms about a silent switch stand with the gaps."""
    silent = AlertFact(kind="source_silent", level="alarm", period="now", label="", since=START, ended=None)
    pen = ReportPen("sv", report.data.time_zone, report.data.target)

    def said(*facts: AlertFact) -> tuple[str, ...]:
        return checks.alerts(structs.replace(report.data, alerts=facts), pen).lines

    assert said() == ("Inga larm i perioden.",)
    assert said(silent) == ("Inga andra larm än de om tyst växel.",)


def test_who_did_not_call_again_is_said_where_callers_were_told_apart(report: Report) -> None:
    again = CalledAgain(days=22, calls=2000, repeated=250, answered=1600, not_back=1480)
    page = plain(html(structs.replace(report, data=structs.replace(report.data, called_again=again)), "sv").decode())

    assert "Ej tillbaka samma dag: 1 480 av 1 600, 92,5 %." in page
    assert "Ringde mer än en gång: 250 av 2 000 samtal kom från någon som redan hade ringt samma dag, 12,5 %." in page
    assert "dagar då det mättes: 22." in page
    assert "inte ringde igen samma dag mättes inte" not in page


def test_no_english_stands_in_the_swedish_page_nor_swedish_in_the_english(report: Report) -> None:
    swedish, english = (plain(html(report, language).decode()) for language in ("sv", "en"))

    assert not re.search(r"\b(the|of|and|calls|week|queue|Open)\b", swedish)
    assert not re.search(r"\b(och|av|samtal|dagar|kö|målet)\b", english.replace("340 svar", ""))


def test_every_part_that_can_change_has_its_word() -> None:
    for language in texts.LANGUAGES:
        for part in ReportFields():
            assert texts.say(f"report.part.{part}", language)


def ReportFields() -> tuple[str, ...]:  # noqa: N802 -- reads as the struct that it is about
    from queue_monitor.reports.data import ReportData

    return ReportData.__struct_fields__


def test_a_spreadsheet_has_a_row_for_the_period_each_queue_and_day_and_no_formula_of_others(report: Report) -> None:
    body = written(report, Form.CSV, "sv").body
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=";"))
    head = rows[0]
    entered, share = head.index("Inkomna till kö"), head.index("D2 (%)")

    def sums(kind: str) -> int:
        return sum(int(row[entered]) for row in rows if row[0] == kind)

    assert sums("hela perioden") == sums("kö") == sums("dag") == len(CALLS)
    assert [row[1] for row in rows if row[0] == "kö"] == sorted(QUEUES)
    whole = next(row for row in rows if row[0] == "hela perioden")
    assert whole[1] == "oktober 2026, 2026-10-01 – 2026-10-31"
    assert float(whole[share].replace(",", ".")) == pytest.approx(in_time(CALLS) / len(CALLS) * 100, abs=1e-3)
    assert sum(int(row[entered]) for row in rows if row[0] == "kris") == len(CALLS)
    assert rows[-1][0] == "upplysning"
    notes = [row[1].replace("\N{NO-BREAK SPACE}", " ") for row in rows if row[0] == "upplysning"]
    assert notes[1] == "D2: besvarade inom 5 min av alla inkomna till kö."
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]


async def test_a_file_has_a_name_that_says_period_queue_and_version(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, _):
        whole = await reports.report(OCTOBER, reports.scope(()))
        queue = await reports.report(OCTOBER, reports.scope(["bygglov"]))
        ongoing = await reports.report(parsed("2026-01..2026-12", "period"), reports.scope(()))

    assert file_name(whole, Form.PDF) == "report-2026-10-v1.pdf"
    assert file_name(queue, Form.CSV) == "report-2026-10-bygglov-v1.csv"
    assert file_name(ongoing, Form.HTML) == "report-2026-preliminary.html"


async def test_a_longer_period_is_drawn_by_week_or_month_with_the_table_beside_the_picture(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, _):
        tertial = await reports.report(parsed("2026-T3", "period"), reports.scope(()))
        year = await reports.report(parsed("2026", "period"), reports.scope(()))

    weeks, months = plain(html(tertial, "sv").decode()), plain(html(year, "sv").decode())
    assert f"oktober 2026 {percent(in_time(CALLS), len(CALLS))} {len(CALLS)} " in months
    assert "vecka 43 2026 " in weeks
    assert sum(int(number) for number in re.findall(r"vecka \d+ 2026 (?:\S+ %|–) (\d+) ", weeks)) == len(CALLS)


# ---- PDF


def elements(of: Any, kind: str) -> Iterator[Any]:
    """Every element of a kind in a structure tree, in reading order."""
    if str(of.get("/S", "")) == f"/{kind}":
        yield of
    children = of.get("/K")
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and ("/S" in child or "/K" in child):
            yield from elements(child, kind)


def scope_of(cell: Any) -> str:
    own = cell.A if isinstance(cell.A, pikepdf.Array) else [cell.A]
    return next(str(each.Scope) for each in own if "/Scope" in each)


async def test_the_pdf_is_tagged_and_the_same_bytes_from_a_process_of_its_own(report: Report) -> None:
    page = html(report, "sv")
    body = pdf_of(page)
    document = pikepdf.open(io.BytesIO(body))
    root = document.Root
    tree = root.StructTreeRoot
    figures, headers = list(elements(tree, "Figure")), list(elements(tree, "TH"))

    assert body == await PdfPress().pdf_of(page)
    assert str(root.Lang) == "sv"
    assert root.MarkInfo.Marked
    assert root.ViewerPreferences.DisplayDocTitle
    assert "Servicerapport oktober 2026" in str(document.docinfo.Title)
    assert len(list(elements(tree, "H1"))) == 1
    assert [str(figure.Alt)[:41] for figure in figures] == ["Andel besvarade i tid, oktober 2026. 0 av"]
    rows = page.count(b'<th scope="row"')
    assert [scope_of(cell) for cell in headers].count("/Row") == rows > 60
    assert {scope_of(cell) for cell in headers} == {"/Row", "/Column"}


def test_without_its_packages_a_pdf_is_refused_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index has a package of our own name, and one day it may be anybody's: the message names no such command."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingPdf) as missing:
        pdf_of(b"<title>x</title>")

    assert "weasyprint and pikepdf, packages in requirements/run.txt" in str(missing.value)
    assert "pip install" not in str(missing.value)


def test_without_the_system_s_libraries_a_pdf_is_refused_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libgobject-2.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(MissingPdf, match="apt-get install libpangoft2") as refused:
        pdf_of(b"<title>x</title>")
    assert "pip install" not in str(refused.value)


def test_every_formula_stands_with_its_words(report: Report) -> None:
    page = plain(html(report, "en").decode())

    for definition in DefinitionId:
        words = texts.definition_words(definition, limit_seconds=300, short_abandon_seconds=20, language="en")
        assert f"{definition.value}: {words}".replace("\N{NO-BREAK SPACE}", " ") in page


async def test_a_target_met_by_those_who_came_in_is_not_met_where_many_were_refused(tmp_path: Path) -> None:
    """Nine of ten were in time; as many again were turned away."""
    async with autumn.october(tmp_path) as (_, run):
        calls = [call(f"in {number}", field="answered_in_time", queue="ny") for number in range(19)]
        away = [refused(f"away {number}") for number in range(5)]
        placed = [structs.replace(each.placed, queue="ny", inside=True) for each in away]
        records = [
            structs.replace(each, placed=place, refusal=structs.replace(each.refusal, queue="ny"))
            for each, place in zip(away, placed, strict=True)
        ]
        await run.store.commit(batch(*calls, refusals=tuple(records)))
        run.clock.advance_to(START + timedelta(days=60))
        reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock)
        month = parsed(f"{START.astimezone(ZONE):%Y-%m}", "period")
        report = await reports.report(month, reports.scope(["ny"]))

    page = plain(html(report, "sv").decode())
    assert "Målet 90 % nåddes bland dem som kom in i kön, men 20,8 % av uppringningarna avvisades." in page
    assert "är inte med: 5, 20,8 % av alla uppringningar. Räknas de som missade är andelen 79,2 %." in page


async def test_made_up_calls_and_whole_seconds_are_said(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        await run.store.mark_simulated()
        report = await reports.report(OCTOBER, reports.scope(()))
    assert report.data.passed_on is not None
    by_seconds = structs.replace(report.data.passed_on, precision_ms=1000)
    other = structs.replace(report, data=structs.replace(report.data, passed_on=by_seconds))

    assert "Påhittade samtal" in plain(html(report, "sv").decode())
    assert "Made-up calls" in written(report, Form.CSV, "en").body.decode()
    assert "varje väntan är känd på 1 s när" in plain(html(other, "sv").decode())
    assert "varje väntan är känd" not in plain(html(report, "sv").decode())


def test_a_part_that_another_version_of_the_program_named_stands_by_its_own_name(report: Report) -> None:
    seals = (*report.seals, structs.replace(report.seals[0], version=2, changed=("counts", "of_a_later_version")))

    page = html(structs.replace(report, seals=seals), "sv").decode()

    assert "antal, of_a_later_version" in page
