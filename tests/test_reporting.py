"""A report by the command while the monitor runs, and by itself on the first working day."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.dispatch import Dispatcher
from alerts.memory import MemoryRecord
from alerts.people import Channel, Recipient
from queue_monitor import config
from queue_monitor.__main__ import main
from queue_monitor.app import reporting
from queue_monitor.app.owned_store import store_options
from queue_monitor.app.reporting import Asked, ReportRound
from queue_monitor.clock import ManualClock
from queue_monitor.commands import telling
from queue_monitor.model import AlertKind
from queue_monitor.reports.desk import Report, Reports
from queue_monitor.reports.forms import Form
from queue_monitor.store.ownership import FileOwner
from tests.alerts.test_dispatch import FakeNotifier
from tests.reports import autumn
from tests.reports.autumn import NOVEMBER, OCTOBER, calls_of_october, in_time, judged
from tests.reports.looked import plain
from tests.runtime.lasting import ZONE, Monitor

SETTINGS = """
[organisation]
name = "Luleå kommun"

[store]
url = "sqlite:///{folder}/store.db"
agent_key = "{folder}/agent.key"

[alerts]
link = "https://monitor.example/"

[[alerts.channels]]
name = "mejl"
url = "json://127.0.0.1:9/"

[[alerts.recipients]]
name = "enhetschef"
channel = "mejl"

[report]
send_to = ["enhetschef"]

[[report.goals]]
name = "Nöjda kunder"
target = "70 %"
values = [{{ period = "2026-10", value = "72 %", comment = "enkät" }}]

[[references]]
name = "Piteå kommun"
period = "2025"
value = "87 %"
source = "Årsredovisning"
date = 2026-03-01

[[pools]]
name = "Samhällsbyggnad"
queues = ["bygglov", "kundcenter"]

[queues."bygglov"]
label = "Bygglov och karta"
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    await autumn.put(tmp_path)
    (tmp_path / "m.toml").write_text(SETTINGS.format(folder=tmp_path))
    yield tmp_path


def settings_of(folder: Path) -> config.Config:
    return config.load(folder / "m.toml", {}, lambda _: None, needs_sources=False)


async def made(folder: Path, asked: Asked) -> reporting.Made:
    settings = settings_of(folder)
    options = store_options(settings)
    return await reporting.make(settings, options, ManualClock(NOVEMBER), asked)


async def test_the_command_writes_a_report_while_a_monitor_owns_the_store(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(telling, "SystemClock", lambda: ManualClock(NOVEMBER))
    owner = FileOwner(folder / "store.db")
    await owner.take()
    arguments = ["report", "--period", "2026-10", "--config", str(folder / "m.toml"), "--format"]
    codes = [await asyncio.to_thread(main, [*arguments, form]) for form in ("json", "csv")]
    await owner.free()

    its = judged(calls_of_october())
    said = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    report = json.loads((folder / "report-2026-10-v1.json").read_bytes())
    assert codes == [0, 0]
    assert f"av {len(its)} samtal besvarades inom 5 min. Målet 90 % nåddes inte." in said
    assert "Version 1, förseglad 2026-11-05 12.00." in said
    assert report["data"]["organisation"] == "Luleå kommun"
    assert report["data"]["references"][0]["name"] == "Piteå kommun"
    assert (folder / "report-2026-10-v1.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--period", "oktober"], "queue-monitor: --period: oktober är ingen period; skriv 2026-10, 2026-T2"),
        (["--period", "2026-06"], "queue-monitor: --period: Inget mättes under juni 2026"),
        (["--period", "2026-10", "--queue", "månen"], 'no queue "månen"; there are: bygglov, kundcenter'),
        (["--period", "2026-10", "--pool", "månen"], 'no pool "månen"; there are: Samhällsbyggnad'),
        (["--period", "2026-10", "--version", "3"], "Det finns ingen version 3"),
        (["--period", "2026-06", "--language", "en"], "--period: Nothing was measured in June 2026"),
    ],
)
async def test_what_cannot_be_made_names_the_argument(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.setattr(telling, "SystemClock", lambda: ManualClock(NOVEMBER))
    code = await asyncio.to_thread(main, ["report", *arguments, "--config", str(folder / "m.toml")])

    assert code == 2
    assert words in capsys.readouterr().err.replace("\N{NO-BREAK SPACE}", " ")


async def test_a_queue_by_its_label_and_a_pool_by_its_name_are_reported_alone(folder: Path) -> None:
    queue = await made(folder, Asked(period="2026-10", queue="bygglov och KARTA", form=Form.JSON, out=folder))
    pool = await made(folder, Asked(period="2026-10", pool="samhällsbyggnad", out=folder / "pool.html"))

    its = judged(calls_of_october(), lambda call: call.queue == "bygglov")
    assert (queue.report.data.counts.entered, queue.report.data.scope.label) == (len(its), "Bygglov och karta")
    assert pool.path == folder / "pool.html"
    page = plain(pool.path.read_text())
    assert "Luleå kommun · Samhällsbyggnad" in page
    good = in_time(judged(calls_of_october()))
    assert f"D2 = {good} / {len(judged(calls_of_october()))}" in page


def test_settings_that_do_not_fit_together_are_told(tmp_path: Path) -> None:
    broken = SETTINGS.replace('send_to = ["enhetschef"]', 'send_to = ["kommunchef"]').replace("2026-10", "oktober")
    (tmp_path / "m.toml").write_text(broken.format(folder=tmp_path))
    with pytest.raises(config.ConfigError) as found:
        settings_of(tmp_path)

    assert "a period such as 2026-10, 2026-T2, 2026-01..2026-08 or 2026" in str(found.value)
    (tmp_path / "m.toml").write_text(broken.replace('"oktober"', '"2026-10"').format(folder=tmp_path))
    with pytest.raises(config.ConfigError, match=r'report\.send_to: "kommunchef"; expected'):
        settings_of(tmp_path)


# ---- by itself


class Round:
    """A round at a moment, and what it told."""

    def __init__(self, reports: Reports, run: Monitor, at: datetime) -> None:
        run.clock.advance_to(at)
        self.told: list[Report] = []
        self.round = ReportRound(reports, run.store, run.live.rules, run.clock, self._tell)

    async def _tell(self, report: Report) -> None:
        self.told.append(report)

    async def makes(self) -> list[str]:
        await self.round.make_due()
        return [report.data.period for report in self.told]


def local(month: int, day: int, hour: int, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZONE).astimezone(UTC)


async def test_a_month_is_reported_on_the_morning_of_the_first_working_day_and_told_once(tmp_path: Path) -> None:
    async with autumn.october(tmp_path, local(11, 1, 0)) as (reports, run):
        sunday = await Round(reports, run, local(11, 1, 12)).makes()
        early = await Round(reports, run, local(11, 2, 6, 29)).makes()
        monday = await Round(reports, run, local(11, 2, 6, 30)).makes()
        later = await Round(reports, run, local(11, 3, 9)).makes()
        [seal] = await reports.sealed(OCTOBER, reports.scope(()))

    assert (sunday, early, monday, later) == ([], [], ["2026-10"], [])
    assert seal.sealed_at == local(11, 2, 6, 30)


async def test_a_tertial_is_reported_after_its_last_month(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        found = await Round(reports, run, local(1, 4, 8, year=2027)).makes()

    assert found == ["2026-T3"]  # of December there is nothing


async def test_a_month_that_ended_long_before_the_start_is_not_made_up_for(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        assert await Round(reports, run, local(12, 31, 8) + timedelta(days=30)).makes() == ["2026-T3"]
        assert await Round(reports, run, local(3, 15, 8, year=2027)).makes() == []


async def test_word_of_a_report_goes_once_to_those_who_are_named_whatever_alarms_they_want(folder: Path) -> None:
    settings, mail, clock = settings_of(folder), FakeNotifier(), ManualClock(NOVEMBER)
    people = [
        Recipient(name="enhetschef", channel="mejl", kinds=frozenset({AlertKind.CRISIS}), only_escalations=True),
        Recipient(name="teamledare", channel="mejl"),
    ]
    dispatcher = Dispatcher([Channel(name="mejl", notifiers=(mail,))], people, MemoryRecord(), clock, ZONE)
    report = (await made(folder, Asked(period="2026-10", out=folder))).report
    for _ in range(2):
        await dispatcher.inform(reporting.word_of(report, settings), settings.report.send_to)
        await dispatcher.work()

    [notice] = mail.sent
    title, text = (words.replace("\N{NO-BREAK SPACE}", " ") for words in (notice.alert.title, notice.alert.text))
    its = judged(calls_of_october())
    assert notice.recipient == "enhetschef"
    assert title.startswith("Servicerapport oktober 2026: ")
    assert title.endswith(f" av {len(its)} samtal besvarades inom 5 min.")
    assert text.startswith("Målet 90 % nåddes inte. ")
    assert text.endswith("Rapporten: https://monitor.example/history/report?period=2026-10&format=html")
