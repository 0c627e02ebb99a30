"""Every outcome goes the whole way: ledger, sums, status API, OpenAPI, metrics, CSV, history, lead page, report.

An outcome is declared in `queue_monitor/outcomes.py` and has its words in `texts`; all else is made from that. The last
test adds one to a copy of the program and walks it through in the same way.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.json.tables import BOM
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.clock import ManualClock
from queue_monitor.core.service_level import judge
from queue_monitor.events import LeftOutcome
from queue_monitor.model import FIELDS, LEFT_OTHERWISE, Counts, Outcome, Target
from queue_monitor.reports.annex import named_counts
from queue_monitor.reports.pen import ReportPen
from queue_monitor.store.audit import MemoryAudit
from queue_monitor.store.tally import read_counts, written_counts
from tests import handbook
from tests.api.sample import FakeAlerts
from tests.api.test_history import plain
from tests.scenario import Scenario
from tests.test_metrics import Samples
from tests.test_one_number import Standing

ROOT = Path(__file__).parent.parent
LEFT_AT, NOW = 400, 600
every_way = pytest.mark.parametrize("way", LeftOutcome, ids=str)


class Faces:
    """Every face a minute after Anna left, whom nobody answered."""

    def __init__(self, story: Scenario) -> None:
        now = story.at(NOW)
        alerts, figures, clock = FakeAlerts(), Standing(story.live, now), ManualClock(now)
        pages = [
            lead_routes(figures, clock, alerts, alerts, MemoryAudit(), "sv"),
            history_routes(figures, clock, alerts, "sv"),
        ]
        self._app = create_app(figures, clock, routers=pages)

    async def get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer

    async def rows(self, path: str) -> list[dict[str, str]]:
        text = (await self.get(path)).text.removeprefix(BOM)
        return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def left(way: LeftOutcome) -> Scenario:
    return Scenario().connected(-10).entered(0, "anna").left(LEFT_AT, "anna", way.value)


def test_an_outcome_is_declared_in_one_place_and_has_words_and_a_count():
    assert {way.value for way in LeftOutcome} == {outcome.value for outcome in Outcome} - {
        *("waiting", "answered", "refused")
    }
    for outcome in Outcome:
        assert FIELDS[outcome], f"Counts has no field for {outcome}"
        for language in texts.LANGUAGES:
            assert texts.outcome_words(outcome, language)
    beside = {"excluded", "called_back", "early"}
    rest = set(Counts.__struct_fields__) - {field for fields in FIELDS.values() for field in fields}
    assert {field for field in rest if not field.startswith("by_")} == beside


def test_the_numbers_that_the_store_writes_for_fields_and_outcomes_never_change():
    assert " ".join(Counts.__struct_fields__[:33]) == (
        "answered_in_time answered_late answered_unjudged abandoned_short abandoned_in_time abandoned_late "
        "abandoned_unjudged timeout overflow no_agents exit_key withdrawn callback transferred_out closed system lost "
        "unknown excluded called_back waiting_in_time waiting_late refused_full refused_no_agents refused_closed "
        "refused_unknown early by_overflow by_transfer by_reentry by_resume by_callback by_unknown"
    )
    assert " ".join([way.value for way in LeftOutcome][:12]) == (
        "abandoned timeout overflow no_agents exit_key withdrawn callback transferred_out closed system lost unknown"
    )


@pytest.mark.parametrize("outcome", Outcome, ids=str)
def test_a_call_stands_in_one_field_of_its_outcome_and_the_sums_keep_it(outcome: Outcome):
    field = judge(outcome, 100_000, Target()) if outcome is not Outcome.REFUSED else "refused_full"
    counts = Counts(**{field: 1})

    assert field in FIELDS[outcome]
    assert (counts.entered, counts.dialled) == (int(outcome is not Outcome.REFUSED), 1)
    assert counts.left_otherwise == int(outcome.value in LEFT_OTHERWISE)
    assert read_counts(written_counts({field: 7})) == {field: 7}


@every_way
def test_the_ledger_keeps_how_the_caller_left_and_the_day_counts_it_once(way: LeftOutcome):
    story = left(way)
    counts = story.counts(NOW)

    assert story.contact("anna").outcome.value == way.value
    assert (counts.entered, sum(getattr(counts, field) for field in FIELDS[Outcome(way.value)])) == (1, 1)


@every_way
async def test_the_status_api_and_its_description_have_it(way: LeftOutcome):
    faces = Faces(left(way))
    day = (await faces.get("/api/v1/status")).json()["total"]["periods"]["day"]
    described = (await faces.get("/openapi.json")).json()["components"]["schemas"]

    if way in LEFT_OTHERWISE:
        assert day["left"] == {other.value: int(other is way) for other in LEFT_OTHERWISE}
        assert day["left_otherwise"] == 1
        assert way.value in described["LeftShape"]["required"]
    else:
        assert day[way.value] == 1
        assert way.value in described["PeriodShape"]["required"]


@every_way
async def test_the_metrics_count_it(way: LeftOutcome):
    metric = Samples((await Faces(left(way)).get("/metrics")).text)

    for other in LeftOutcome:
        assert metric("callqueue_left_total", queue="kundcenter", outcome=other.value) == int(other is way)


@every_way
async def test_the_csv_of_calls_names_it(way: LeftOutcome):
    (row,) = await Faces(left(way)).rows("/api/v1/calls?from=2026-11-23&to=2026-11-24&format=csv")

    assert row["outcome"] == way.value
    assert row["counted_as"] in FIELDS[Outcome(way.value)]


@every_way
async def test_the_history_and_the_lead_page_say_it_in_words(way: LeftOutcome):
    faces, words = Faces(left(way)), texts.outcome_words(Outcome(way.value), "sv")
    history = plain((await faces.get("/history?period=day&day=2026-11-23")).text)
    lead = plain((await faces.get("/lead")).text)

    own = {"abandoned": "history.abandoned_late", "unknown": "history.unknown"}
    shown = words.capitalize() if way in LEFT_OTHERWISE else texts.say(own[way.value], "sv", limit="5 min")
    assert f" {shown} 1 " in history
    if way is not LeftOutcome.UNKNOWN:  # nobody knows that nobody answered
        assert words in lead


@pytest.mark.parametrize("way", LEFT_OTHERWISE, ids=str)
def test_the_report_counts_it_by_its_words(way: LeftOutcome):
    pen = ReportPen("sv", "Europe/Stockholm", Target())
    named: Mapping[str, Any] = dict(named_counts(Counts(**{way.value: 3}), pen))

    assert named[pen.say("report.left", how=texts.outcome_words(Outcome(way.value), "sv"))] == 3


# ---- the cost of a new one

NEW = "moved_online"
EDITS = {
    "queue_monitor/outcomes.py": (
        ('    UNKNOWN = "unknown"\n    # a new one', f'    UNKNOWN = "unknown"\n    NEW = "{NEW}"\n    # a new one'),
        ('    REFUSED = "refused"\n', '    REFUSED = "refused"\n    NEW = LeftOutcome.NEW.value\n'),
        ("    by_unknown: int = 0\n", f"    by_unknown: int = 0\n    {NEW}: int = 0\n"),
    ),
    "queue_monitor/texts/sv.toml": (('"outcome.lost" =', f'"outcome.{NEW}" = "gick till webben"\n"outcome.lost" ='),),
    "queue_monitor/texts/en.toml": (('"outcome.lost" =', f'"outcome.{NEW}" = "went online"\n"outcome.lost" ='),),
}


FIGURE = "left_soon"
EDITS_OF_A_FIGURE = {
    "queue_monitor/outcomes.py": (
        (
            "    @property\n    def waiting(self)",
            f"    @property\n    def {FIGURE}(self) -> int:\n        return self.abandoned_short + self.exit_key\n\n"
            "    @property\n    def waiting(self)",
        ),
    ),
    "queue_monitor/model/named_counts.py": (
        ('    NamedCount("waiting"', f'    NamedCount("{FIGURE}", "history.{FIGURE}"),\n    NamedCount("waiting"'),
    ),
    "queue_monitor/api/json/shapes.py": (
        ("    waiting_in_time: int\n", f"    {FIGURE}: int\n    waiting_in_time: int\n"),
    ),
    "queue_monitor/texts/sv.toml": (
        ('"history.unknown" =', f'"history.{FIGURE}" = "Gick snart"\n"history.unknown" ='),
    ),
    "queue_monitor/texts/en.toml": (('"history.unknown" =', f'"history.{FIGURE}" = "Left soon"\n"history.unknown" ='),),
}


@pytest.mark.parametrize(("heading", "edits"), [("An outcome", EDITS), ("A figure", EDITS_OF_A_FIGURE)])
def test_contributing_names_the_files_of_a_new_one(heading: str, edits: Mapping[str, Any]):
    written = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = written.partition(f"### {heading}\n")[2].partition("\n### ")[0]

    assert re.findall(r"^\d\. `([^`]+)`", section, re.MULTILINE) == list(edits)


def test_a_new_outcome_and_a_new_figure_take_the_files_that_contributing_names(tmp_path: Path):
    for folder in ("queue_monitor", "adapters", "alerts", "tests", "grafana", "docs"):
        unwanted = shutil.ignore_patterns("__pycache__", "recordings", "*.png")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=unwanted)
    for path, edits in [*EDITS.items(), *EDITS_OF_A_FIGURE.items()]:
        text = (tmp_path / path).read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, (path, before)
            text = text.replace(before, after)
        (tmp_path / path).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    chosen = ["-k", f"{NEW} or {FIGURE} or declared", "tests/test_outcomes.py", "tests/test_figures.py"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-4000:]
    assert int(run.stdout.rpartition(" passed")[0].split()[-1].strip(",")) == 12, run.stdout


def test_the_board_s_names_are_added_by_make_docs():
    board = (ROOT / "grafana" / "dashboards" / "day-and-month.json").read_text(encoding="utf-8")

    assert handbook.named_outcomes(board) == board, "run: make docs"
    assert '"options": "moved_online"' in handbook.named_outcomes(board, [*LeftOutcome, "moved_online"])
