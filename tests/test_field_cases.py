"""What people who run call queues have met: small recordings, each with the one right reading of it."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from queue_monitor.__main__ import main

CASES = Path(__file__).parent / "recordings" / "cases"

Row = dict[str, str]


class Played(NamedTuple):
    visits: list[Row]
    contacts: list[Row]
    status: dict[str, Any]


def play(folder: Path, *sources: str, options: tuple[str, ...] = ()) -> Played:
    visits, contacts, status = folder / "visits.csv", folder / "contacts.csv", folder / "status.json"
    outputs = ["--visits", str(visits), "--contacts", str(contacts), "--status", str(status)]
    played = [f"{kind}:{CASES / file}" for kind, file in (source.split(":", 1) for source in sources)]
    assert main(["replay", *outputs, *options, *played]) == 0
    return Played(_rows(visits), _rows(contacts), json.loads(status.read_text()))


def _rows(file: Path) -> list[Row]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def only(rows: list[Row]) -> Row:
    assert len(rows) == 1, rows
    return rows[0]


def seconds(row: Row) -> float:
    return float(row["wait_seconds"])


# ---- FreeSWITCH


def test_a_phone_that_was_picked_up_and_never_connected_answered_nobody(tmp_path: Path):
    played = play(tmp_path, "freeswitch:picked-up-but-never-connected.esl")

    visit = only(played.visits)
    assert (visit["outcome"], visit["agent"], visit["wait_seconds"]) == ("answered", "a3", "400.000")
    assert only(played.contacts)["within_limit"] == "false"


def test_who_hung_up_before_a_phone_was_picked_up_was_not_answered(tmp_path: Path):
    played = play(tmp_path, "freeswitch:hung-up-then-picked-up.esl")

    visit = only(played.visits)
    assert (visit["outcome"], visit["wait_seconds"], visit["talk_seconds"]) == ("abandoned", "4.000", "")


@pytest.mark.parametrize("file", ["latin1-name.esl", "latin1-name-plain.esl"])
def test_a_callers_name_in_latin_1_hides_no_call(tmp_path: Path, file: str):
    visit = only(play(tmp_path, f"freeswitch:{file}").visits)

    assert (visit["outcome"], visit["wait_seconds"]) == ("answered", "5.000")


def test_a_call_that_rings_at_all_stops_ringing_at_the_others_when_one_answers(tmp_path: Path):
    visit = only(play(tmp_path, "freeswitch:ring-all-loser.esl").visits)

    assert (visit["outcome"], visit["wait_seconds"], visit["rings"]) == ("answered", "5.000", "2")


# ---- one word of a sender


def test_a_visit_id_used_again_on_another_day_is_another_visit_and_call(tmp_path: Path):
    played = play(tmp_path, "replay:visit-id-used-again.jsonl")

    assert [(row["outcome"], row["wait_seconds"]) for row in played.visits] == [
        ("answered", "10.000"),
        ("abandoned", "400.000"),
    ]
    assert [row["outcome"] for row in played.contacts] == ["answered", "abandoned"]


def test_who_leaves_after_the_answer_has_hung_up(tmp_path: Path):
    visit = only(play(tmp_path, "replay:left-after-answered.jsonl").visits)

    assert (visit["outcome"], visit["wait_seconds"], visit["talk_seconds"]) == ("answered", "10.000", "50.000")
