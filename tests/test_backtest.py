"""The backtest on the command line: past calls in; out comes what would have been said, and how right it was."""

import csv
import json
import re
from datetime import date, datetime, time, timedelta
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from queue_monitor import simulation, texts
from queue_monitor.__main__ import main
from queue_monitor.backtest.baseline_rules import PLAIN_RULES
from queue_monitor.events import encode
from queue_monitor.simulation import Config

pytestmark = pytest.mark.timeout(900)  # a loaded machine is slow

HOURS = """
[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri"]
open = "08:00"
close = "09:00"
"""
MONDAY = date(2026, 3, 2)


def a_day(on: date, agents: int, seed: int) -> list[tuple[str, ...]]:
    """An hour of calls of 200 s each 20 s, answered first come first served; whoever waits 400 s gives up."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, ...]] = []
    at, free = 0.0, [0.0] * agents
    while (at := at + float(rng.exponential(20.0))) < 3600.0:
        who = min(range(agents), key=lambda agent: free[agent])
        begins, talk = max(at, free[who]), float(rng.exponential(200.0))
        entered = datetime.combine(on, time(8)) + timedelta(seconds=round(at))
        queue = "school" if rng.random() < 0.3 else "parking"
        if begins - at > 400.0:
            rows.append((entered.isoformat(" "), queue, "400", "abandoned", "", ""))
            continue
        free[who] = begins + talk
        wait = f"{begins - at:.1f}"
        rows.append((entered.isoformat(" "), queue, wait, "answered", f"{talk:.1f}", f"agent {who}"))
    return rows


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week and a day: enough people each day but the last."""
    folder = tmp_path_factory.mktemp("past")
    (folder / "hours.toml").write_text(HOURS)
    with (folder / "calls.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["entered_at", "queue", "wait_seconds", "outcome", "talk_seconds", "agent"])
        for number, on in enumerate(MONDAY + timedelta(days=n) for n in range(8)):
            if on.weekday() < 5:
                writer.writerows(a_day(on, 6 if number == 7 else 16, number))
    return folder


def backtest(folder: Path, *more: str) -> int:
    asked = ["backtest", str(folder / "calls.csv"), "--config", str(folder / "hours.toml")]
    return main([*asked, "--train-until", "2026-03-05", *more])


def said(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def ran(calls: Path) -> Path:
    for run in ("one", "two"):
        files = {"alerts": f"{run}.jsonl", "predictions": f"{run}.csv", "html": f"{run}.html"}
        asked = [part for name, file in files.items() for part in (f"--{name}", str(calls / file))]
        assert backtest(calls, *asked) == 0
    return calls


def test_the_day_without_people_is_told_before_it_is_lost_and_the_others_are_not(ran: Path):
    alarms = [
        alert
        for alert in said(ran / "one.jsonl")
        if alert["period"] == "day" and alert["level"] == "alarm" and alert["state"] in ("raised", "updated")
    ]

    assert {str(alert["time"])[:10] for alert in alarms} == {"2026-03-09"}
    assert str(alarms[0]["time"])[11:16] <= "08:30"
    assert {alert["queue"] for alert in alarms} == {"parking + school"}  # the same people answer both


def test_the_same_past_twice_gives_equal_bytes(ran: Path):
    for ending in ("jsonl", "csv", "html"):
        assert (ran / f"one.{ending}").read_bytes() == (ran / f"two.{ending}").read_bytes()


def test_each_caller_of_a_judged_day_has_a_row_with_what_was_to_be_expected(ran: Path):
    with (ran / "one.csv").open() as file:
        told = list(csv.DictReader(file))
    with (ran / "calls.csv").open() as file:
        lines = {f"calls:{number}": row for number, row in enumerate(csv.DictReader(file), start=2)}
    judged = {visit for visit, row in lines.items() if row["entered_at"] > "2026-03-06"}

    assert {row["visit_id"] for row in told} == judged
    assert all(row["queue"] == lines[row["visit_id"]]["queue"] for row in told)


def shown(page: str) -> str:
    """What a person sees of a page."""
    return unescape(re.sub("<[^>]+>", " ", re.sub("<style>.*?</style>", "", page, flags=re.DOTALL)))


def vocabulary(language: str) -> set[str]:
    return {word.casefold() for text in texts.words(language).values() for word in re.findall(r"[^\W\d_]+", text)}


def test_the_swedish_page_has_no_english_word(ran: Path):
    page = shown((ran / "one.html").read_text(encoding="utf-8"))
    said = {
        word.casefold() for word in re.findall(r"[^\W\d_]+", page.replace(str(ran), "").replace("--train-until", ""))
    }
    rules = {word for rule in PLAIN_RULES for word in re.findall(r"[a-z]+", rule.name)}

    assert "kundcenter" in said and "väntan" in said
    assert not said & (vocabulary("en") | rules | {"closed", "open", "usual", "tuned"}) - vocabulary("sv")


def test_the_page_names_the_plain_rules_and_the_hours_in_its_language(ran: Path):
    page = shown((ran / "one.html").read_text(encoding="utf-8"))

    assert "måndag–fredag 8.00–9.00; stängt på svenska helgdagar" in page
    assert "Andel i tid senaste 60 min under 90\N{NO-BREAK SPACE}%; vanlig nivå" in page
    assert "Någon har väntat mer än 5\N{NO-BREAK SPACE}min; vanlig nivå" in page
    assert "Marginalen förbrukas mer än 2 gånger för fort, på 60 min och på 10; vanlig nivå" in page


def test_it_says_what_was_asked_and_how_well_it_was_answered(calls: Path, capsys: pytest.CaptureFixture[str]):
    assert backtest(calls, "--limit", "120", "--target", "0.8", "--definition", "D3", "--short-abandon", "5") == 0
    printed = capsys.readouterr().out

    assert "at least 80 % answered within 120 s by D3 (hang-ups under 5 s left out)" in printed
    assert "mon tue wed thu fri 08:00-09:00" in printed
    assert "Taught by:  2026-03-02 to 2026-03-05, 4 open days" in printed
    assert "parking + school: 2 days, 1 lost" in printed
    for rule in ("alarm, P >= ", "warning, P >= ", "rolling 60 min, usual < 80 %", "burn rate 60+10"):
        assert rule in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_without_a_day_to_learn_by_a_half_of_the_days_teach_and_that_is_said(
    calls: Path, capsys: pytest.CaptureFixture[str]
):
    few = calls / "few.csv"
    few.write_text("".join((calls / "calls.csv").read_text().splitlines(keepends=True)[:400]))

    assert main(["backtest", str(few), "--config", str(calls / "hours.toml")]) == 0
    assert "Teaching days, from the first open day on: 1; --train-until chooses others." in capsys.readouterr().out


def test_events_and_a_journal_are_judged_as_calls_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    events = tmp_path / "events.jsonl"
    ends = time(8, 41)
    days = [date(2026, 3, 2), date(2026, 3, 3)]
    told = [event for day in days for event in simulation.simulate(Config(date=day, staff_factor=0.6)).events]
    kept = [event for event in told if event.at.astimezone(simulation.ZONE).time() < ends]
    events.write_bytes(b"".join(encode(event) + b"\n" for event in kept))
    settings = tmp_path / "hours.toml"
    settings.write_text(HOURS.replace("09:00", "08:40"))
    store = f"sqlite:///{tmp_path / 'journal.db'}"
    assert main(["replay", f"replay:{events}", "--store", store, "--config", str(settings)]) == 0
    for past, out in ((str(events), "events"), (store, "journal")):
        asked = ["--config", str(settings), "--alerts", str(tmp_path / f"{out}.alerts")]
        assert main(["backtest", past, *asked]) == 0
        (tmp_path / f"{out}.txt").write_text(capsys.readouterr().out.partition("Asked:")[2])

    assert (tmp_path / "events.alerts").read_bytes() == (tmp_path / "journal.alerts").read_bytes() != b""
    assert (tmp_path / "events.txt").read_text() == (tmp_path / "journal.txt").read_text()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["{folder}/nothing.csv"], "cannot be read"),
        (["sqlite:///{folder}/nothing.db"], "there is no such database"),
        (
            ["{folder}/calls.csv", "--train-until", "2026-12-24"],
            "leaves no day to judge; the last open day is 2026-03-09",
        ),
        (["{folder}/calls.csv", "--alerts", "{folder}/no/a.jsonl"], "there is no folder"),
    ],
)
def test_a_mistake_is_told_in_words(asked: list[str], words: str, calls: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["backtest", *(part.format(folder=calls) for part in asked)]) == 2
    assert words in capsys.readouterr().err
