"""What people who run call queues have met: small recordings, each with the one right reading of it."""

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from queue_monitor.__main__ import main

CASES = Path(__file__).parent / "recordings" / "cases"

Row = dict[str, str]


class ReplayResult(NamedTuple):
    visits: list[Row]
    contacts: list[Row]
    status: dict[str, Any]


def play(folder: Path, *sources: str, options: tuple[str, ...] = ()) -> ReplayResult:
    visits, contacts, status = folder / "visits.csv", folder / "contacts.csv", folder / "status.json"
    outputs = ["--visits", str(visits), "--contacts", str(contacts), "--status", str(status)]
    played = [f"{kind}:{CASES / file}" for kind, file in (source.split(":", 1) for source in sources)]
    assert main(["replay", *outputs, *options, *played]) == 0
    return ReplayResult(_rows(visits), _rows(contacts), json.loads(status.read_text()))


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


# ---- Asterisk: the manager interface alone, and with the log


ASTERISK = {
    "redirected": ("redirected.ami", "redirected.log"),
    "redirected by a panel": ("redirect_abandon.raw.gz", "redirect_abandon.queue_log"),
    "greeting": ("hung-up-during-greeting.ami", "hung-up-during-greeting.log"),
    "attended": ("recept_att_waiting.raw.gz", "recept_att_waiting.queue_log"),
    "nested": ("nested.raw.gz", "nested.queue_log"),
    "originate": ("originate_local.raw.gz", "originate_local.queue_log"),
}


def asterisk(name: str, with_log: bool) -> tuple[str, ...]:
    ami, log = ASTERISK[name]
    return (f"asterisk_ami:{ami}", f"asterisk_queuelog:{log}") if with_log else (f"asterisk_ami:{ami}",)


both_ways = pytest.mark.parametrize("with_log", [False, True], ids=["ami", "ami and log"])


@both_ways
@pytest.mark.parametrize("name", ["redirected", "redirected by a panel"])
def test_who_is_moved_out_of_the_queue_did_not_give_up(tmp_path: Path, name: str, with_log: bool):
    assert only(play(tmp_path, *asterisk(name, with_log)).visits)["outcome"] == "transferred_out"


@both_ways
def test_who_hangs_up_while_the_agent_hears_a_greeting_was_not_answered(tmp_path: Path, with_log: bool):
    visit = only(play(tmp_path, *asterisk("greeting", with_log)).visits)

    assert (visit["outcome"], visit["talk_seconds"]) == ("abandoned", "")
    assert seconds(visit) == pytest.approx(5.504, abs=0.002)


@both_ways
def test_a_greeting_longer_than_a_leave_is_held_makes_no_difference(tmp_path: Path, with_log: bool):
    said = (CASES / "hung-up-during-greeting.ami").read_bytes()
    late = tmp_path / "late.ami"
    late.write_bytes(said.replace(b"1795878258.28", b"1795878260.28"))
    log = ("asterisk_queuelog:hung-up-during-greeting.log",) if with_log else ()

    visit = only(play(tmp_path, f"asterisk_ami:{late}", *log).visits)
    assert visit["outcome"] == "abandoned"
    assert seconds(visit) == pytest.approx(7.504, abs=0.002)


@both_ways
def test_an_attended_transfer_into_a_queue_is_one_visit(tmp_path: Path, with_log: bool):
    played = play(tmp_path, *asterisk("attended", with_log))

    assert only(played.visits)["outcome"] == "answered"
    assert seconds(only(played.contacts)) == pytest.approx(8.19, abs=0.25)


def test_a_caller_put_into_a_queue_by_attended_transfer_is_on_the_wall_all_the_time(tmp_path: Path):
    for second in (34, 36, 40):
        moment = f"2026-11-28T14:58:{second}Z"
        played = play(tmp_path, *asterisk("attended", with_log=False), options=("--until", moment))
        assert only(played.visits)["outcome"] == "waiting", moment


def test_a_connection_lost_before_the_transfer_is_told_makes_no_second_caller(tmp_path: Path):
    told = gzip.decompress((CASES / "recept_att_waiting.raw.gz").read_bytes())
    before, _, after = told.partition(b"Event: AttendedTransfer")
    one, two = tmp_path / "1.ami", tmp_path / "2.ami"
    one.write_bytes(before)
    two.write_bytes(told[: told.index(b"\r\n") + 2] + after.partition(b"\r\n\r\n")[2])
    sources = f"asterisk_ami:{one}", f"asterisk_ami:{two}", "asterisk_queuelog:recept_att_waiting.queue_log"

    assert only(play(tmp_path, *sources).contacts)["outcome"] == "answered"


@both_ways
def test_a_queue_that_waits_in_another_queue_is_one_person(tmp_path: Path, with_log: bool):
    played = play(tmp_path, *asterisk("nested", with_log))

    assert [row["outcome"] for row in played.contacts] == ["answered", "abandoned"]
    assert [seconds(row) for row in played.contacts] == [pytest.approx(4.03, abs=0.05), pytest.approx(4.0, abs=0.05)]


def test_a_queue_that_waits_in_another_queue_is_one_person_by_the_log_alone(tmp_path: Path):
    played = play(tmp_path, "asterisk_queuelog:nested.queue_log")

    assert [(row["outcome"], row["wait_seconds"]) for row in played.contacts] == [
        ("answered", "4.000"),
        ("abandoned", "4.000"),
    ]


@pytest.mark.parametrize(("log", "wait"), [("originate_local", "3.000"), ("recept_att_waiting", "8.000")])
def test_a_call_that_goes_on_under_another_id_is_one_visit_by_the_log_alone(tmp_path: Path, log: str, wait: str):
    played = play(tmp_path, f"asterisk_queuelog:{log}.queue_log")

    visit = only(played.visits)
    assert (visit["outcome"], visit["wait_seconds"], visit["talk_seconds"] != "") == ("answered", wait, True)
    assert only(played.contacts)["outcome"] == "answered"


@both_ways
def test_a_call_back_whose_local_channel_is_optimised_away_is_one_visit(tmp_path: Path, with_log: bool):
    visit = only(play(tmp_path, *asterisk("originate", with_log)).visits)

    assert (visit["outcome"], visit["ended_by"]) == ("answered", "agent")
    assert seconds(visit) == pytest.approx(3.01, abs=0.01)
    assert float(visit["talk_seconds"]) == pytest.approx(4.05, abs=0.01)


def test_an_account_whose_filter_keeps_variables_back_guesses_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    assert only(play(tmp_path, "asterisk_ami:plain_timeout.raw.gz").visits)["outcome"] == "system"
    assert "missing_variables" in caplog.text


def test_what_the_log_knows_makes_up_for_the_filter(tmp_path: Path):
    played = play(tmp_path, "asterisk_ami:plain_timeout.raw.gz", "asterisk_queuelog:plain_timeout.queue_log")

    assert only(played.visits)["outcome"] == "timeout"


def test_who_never_gets_into_the_queue_is_refused_although_the_filter_hides_why(tmp_path: Path):
    played = play(tmp_path, "asterisk_ami:full.raw.gz")

    assert sorted(row["outcome"] for row in played.visits) == ["abandoned", "refused"]


def test_the_manager_of_asterisk_11_is_refused_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert play(tmp_path, "asterisk_ami:asterisk-11.ami").visits == []
    assert "Asterisk 11 or older" in caplog.text
    assert "queue_log" in caplog.text


def test_a_trace_saved_with_other_line_ends_is_played_all_the_same(tmp_path: Path):
    visit = only(play(tmp_path, "asterisk_ami:line-ends.ami").visits)

    assert (visit["outcome"], visit["wait_seconds"], visit["talk_seconds"]) == ("answered", "9.000", "30.000")


@pytest.mark.parametrize("saved_as", ["cr", "two cr", "half", "blanks", "blanks in lines", "utf-16", "utf-8-sig"])
def test_a_trace_is_played_however_a_program_has_saved_it(tmp_path: Path, saved_as: str):
    told = (CASES / "line-ends.ami").read_text(encoding="utf-8").replace("\r\n", "\n")
    half = told.index("\n\n", len(told) // 2)
    ends = {
        "cr": told.replace("\n", "\r"),
        "two cr": told.replace("\n", "\r\r\n"),
        "half": told[:half].replace("\n", "\r\n") + told[half:],
        "blanks": told.replace("\n", " \t\r\n"),
        "blanks in lines": re.sub(r"(?<=\S)\n", "  \r\n", told).replace("\n\n", "\n\r\n"),
    }
    (tmp_path / "saved.ami").write_bytes(ends.get(saved_as, told).encode(saved_as if "utf" in saved_as else "utf-8"))

    visit = only(play(tmp_path, f"asterisk_ami:{tmp_path / 'saved.ami'}").visits)
    assert (visit["outcome"], visit["wait_seconds"], visit["talk_seconds"]) == ("answered", "9.000", "30.000")


@pytest.mark.parametrize("saved_as", ["crlf", "cr", "blanks", "blanks between", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("name", ["09-answered-caller-hangs-up", "07-json-and-heartbeat"])
def test_a_trace_of_freeswitch_is_played_however_a_program_has_saved_it(tmp_path: Path, name: str, saved_as: str):
    path = CASES.parent / "freeswitch" / f"{name}.esl"
    told = path.read_bytes().decode()
    ends = {
        "crlf": told.replace("\n", "\r\n"),
        "cr": told.replace("\n", "\r"),
        "blanks": re.sub(r"(?<=\S)\n", " \t\n", told),
        "blanks between": told.replace("\n\n", "\n \r\n"),
    }
    (tmp_path / "saved.esl").write_bytes(ends.get(saved_as, told).encode(saved_as if "utf" in saved_as else "utf-8"))

    assert play(tmp_path, f"freeswitch:{tmp_path / 'saved.esl'}").visits == play(tmp_path, f"freeswitch:{path}").visits


@pytest.mark.parametrize("saved_as", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    "source",
    [
        *("asterisk_queuelog:nested.queue_log", "replay:visit-id-used-again.jsonl"),
        "mqtt:../mqtt/a_morning_of_two_publishers.jsonl",
    ],
)
def test_a_recording_in_another_encoding_of_unicode_is_played_all_the_same(tmp_path: Path, source: str, saved_as: str):
    kind, _, file = source.partition(":")
    told = (CASES / file).read_text(encoding="utf-8")
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}" if saved_as == "utf-16-be" else ""
    (tmp_path / file.rpartition("/")[2]).write_bytes((mark + told).encode(saved_as))

    saved = play(tmp_path, f"{kind}:{tmp_path / file.rpartition('/')[2]}")
    assert saved.visits == play(tmp_path, source).visits != []


# ---- names


def test_names_that_look_alike_are_one_queue(tmp_path: Path):
    played = play(tmp_path, "replay:names-that-look-alike.jsonl")

    assert [queue["name"] for queue in played.status["queues"]] == ["v\u00e4xel"]
    assert [row["outcome"] for row in played.contacts] == ["abandoned"] * 4


def test_a_sender_without_a_clock_is_refused_named_and_counted(tmp_path: Path):
    played = play(tmp_path, "mqtt:sender-without-a-clock.jsonl")

    assert played.visits == []
    assert played.status["rejected"] == {"urn:kc:bridge:pbx time_out_of_range": 3}
