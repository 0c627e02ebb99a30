"""Real Asterisk bytes in, callers out, held against what the callers' own phones measured."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.__main__ import main
from tests import truth
from tests.truth import QUEUE_LOG, SESSIONS, Match, Row, ami, at_share


def replayed(folder: Path, *sources: str) -> list[Row]:
    out = folder / "visits.csv"
    assert main(["replay", "--visits", str(out), *sources]) == 0
    return truth.read(out)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return replayed(tmp_path_factory.mktemp("merged"), *ami(*SESSIONS), QUEUE_LOG)


@pytest.fixture(scope="module")
def ami_alone(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return replayed(tmp_path_factory.mktemp("ami"), *ami(*SESSIONS))


@pytest.fixture(scope="module")
def log_alone(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return replayed(tmp_path_factory.mktemp("log"), QUEUE_LOG)


def matched(rows: list[Row], *, refused: bool = True) -> Match:
    real = [row for row in truth.truth() if refused or row["outcome"] != "join_empty"]
    return truth.match(rows, real)


# ---- manager interface and queue_log together


def test_every_visit_is_there_once_with_its_true_outcome(merged: list[Row]):
    match = matched(merged)

    assert match.missing == []
    assert match.extra == []
    assert match.wrong_outcomes() == []


def test_waits_are_true_to_the_millisecond_where_the_switch_tells_the_time(merged: list[Row]):
    errors = matched(merged).errors(coarse=False)

    assert len(errors) > 200
    assert at_share(errors, 0.95) <= 0.050
    assert errors[-1] <= 0.250


def test_waits_known_only_to_the_second_are_true_to_one(merged: list[Row]):
    errors = matched(merged).errors(coarse=True)

    assert errors
    assert errors[-1] <= 1.1


def test_callers_lost_in_the_restart_are_lost_and_none_of_them_abandoned(merged: list[Row]):
    lost = [(real, seen) for real, seen in matched(merged).pairs if real["outcome"] == "lost_restart"]

    assert len(lost) == 46
    assert {seen["outcome"] for _, seen in lost} == {"lost"}


def test_every_refused_caller_is_counted(merged: list[Row]):
    refused = [row for row in merged if row["outcome"] == "refused"]

    assert len(refused) == 3
    assert {(row["visit_id"], row["queue"], row["reason"]) for row in refused} == {("", "kundcenter-en", "no_agents")}


def test_the_agent_who_answered_is_the_one_whose_phone_was_lifted(merged: list[Row]):
    for real, seen in matched(merged).pairs:
        if real["outcome"] == "answered" and real["agent_ext"].startswith("100"):
            assert seen["agent"].startswith(f"handläggare {real['agent_ext'][-1]}")


def test_the_order_of_the_sources_changes_nothing(merged: list[Row], tmp_path: Path):
    assert replayed(tmp_path, QUEUE_LOG, *ami(*SESSIONS)) == merged


def test_a_caller_who_went_on_to_another_queue_is_one_contact(tmp_path: Path):
    out = tmp_path / "contacts.csv"
    main(["replay", "--contacts", str(out), *ami(*SESSIONS), QUEUE_LOG])
    contacts = truth.read(out)

    calls = {row["call_id"] for row in truth.truth() if row["outcome"] != "join_empty"}
    assert len(contacts) == len(calls)
    assert sum(int(row["visits"]) for row in contacts) == 261


# ---- each source alone, saying what it cannot know


def test_the_manager_interface_alone_is_never_wrong_only_sometimes_unknowing(ami_alone: list[Row]):
    match = matched(ami_alone)

    assert match.wrong_outcomes(allowing={"unknown"}) == []
    assert match.extra == []
    assert sum(seen["outcome"] == "unknown" for _, seen in match.pairs) <= 8
    assert len(match.missing) <= 5


def test_the_manager_interface_alone_never_calls_a_time_out_key_or_empty_queue_abandoned(ami_alone: list[Row]):
    pairs = matched(ami_alone).pairs
    abandoned = {real["outcome"] for real, seen in pairs if seen["outcome"] == "abandoned"}

    assert abandoned == {"abandoned", "abandoned_ringing"}


def test_the_log_alone_knows_every_outcome_but_no_refused_caller(log_alone: list[Row]):
    match = matched(log_alone, refused=False)

    assert (match.missing, match.extra, match.wrong_outcomes()) == ([], [], [])
    assert match.errors(coarse=True)[-1] <= 1.1
    assert {row["precision_seconds"] for row in log_alone} == {"1"}


@pytest.mark.parametrize("session", SESSIONS)
def test_one_connection_alone_tells_nothing_untrue(session: str, tmp_path: Path):
    rows = replayed(tmp_path, *ami(session))
    match = matched(rows)

    assert rows
    assert match.extra == []
    assert match.wrong_outcomes(allowing={"unknown", "waiting"}) == []
    assert match.errors(coarse=False)[-1] <= 0.250


@pytest.mark.parametrize("missing", SESSIONS)
def test_whatever_connection_was_missed_the_log_makes_up_for_it(missing: str, tmp_path: Path):
    rows = replayed(tmp_path, *ami(*(session for session in SESSIONS if session != missing)), QUEUE_LOG)
    match = matched(rows, refused=missing != "ami-02")

    assert (match.missing, match.extra, match.wrong_outcomes()) == ([], [], [])
    assert match.errors(coarse=True)[-1] <= 1.1


def test_a_log_that_was_rotated_in_the_middle_of_calls_reads_as_one(tmp_path: Path):
    lines = (truth.RECORDINGS / "queue_log").read_bytes().splitlines(keepends=True)
    parts = []
    for number, (start, end) in enumerate(((0, 242), (242, 311), (311, len(lines)))):
        part = tmp_path / f"queue_log.{number}"
        part.write_bytes(b"".join(lines[start:end]))
        parts.append(f"asterisk_queuelog:{part}")
    match = matched(replayed(tmp_path, *parts), refused=False)

    assert (match.missing, match.extra, match.wrong_outcomes()) == ([], [], [])


# ---- what is written


def test_the_same_recording_twice_gives_equal_bytes(tmp_path: Path):
    names = ("visits.csv", "contacts.csv", "status.json", "alerts.jsonl", "predictions.csv")
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        files = [part for name in names for part in (f"--{name.split('.')[0]}", str(tmp_path / run / name))]
        main(["replay", *files, *ami("ami-00-small"), QUEUE_LOG])

    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_visits_have_the_promised_columns(merged: list[Row]):
    promised = [
        "visit_id",
        "contact_id",
        "source",
        "native_id",
        "queue",
        "entered_at",
        "ended_wait_at",
        "outcome",
        "wait_seconds",
        "time_basis",
        "precision_seconds",
        "start_known",
        "agent",
        "rings",
        "talk_seconds",
        "ended_by",
        "entry_reason",
        "prev_visit_id",
    ]

    assert list(merged[0])[: len(promised)] == promised


def test_no_number_of_a_caller_is_in_anything_written(tmp_path: Path):
    files = {name: tmp_path / name for name in ("visits", "contacts", "status")}
    main(["replay", *(part for name, path in files.items() for part in (f"--{name}", str(path))), *ami(*SESSIONS)])
    numbers = {row["caller"][-9:] for row in truth.truth() if row["caller"].strip("+").isdigit()}
    written = "".join(path.read_text() for path in files.values())

    assert numbers
    assert not [number for number in numbers if number in written]


def test_the_status_counts_what_the_visits_list(merged: list[Row], tmp_path: Path):
    out = tmp_path / "status.json"
    main(["replay", "--status", str(out), *ami(*SESSIONS), QUEUE_LOG])
    day = json.loads(out.read_text())["total"]["visits_today"]

    assert day["entered"] == sum(row["outcome"] != "refused" for row in merged)
    assert day["answered"] == sum(row["outcome"] == "answered" for row in merged)
    assert day["abandoned"] == sum(row["outcome"] == "abandoned" for row in merged)
    assert day["left"]["lost"] == 46


# ---- mistakes


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("asterisk_ami", "not KIND:PATH"),
        ("asterisk:x.raw", "no kind of source"),
        ("asterisk_ami:/no/such.raw", "/no/such.raw: cannot be read"),
    ],
)
def test_a_mistaken_source_is_told_in_words(source: str, words: str, capsys: pytest.CaptureFixture[str]):
    assert main(["replay", source]) == 2
    assert words in capsys.readouterr().err


def test_a_recording_without_any_time_asks_for_its_sidecar(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recording = tmp_path / "a.raw"
    recording.write_bytes(b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n")

    assert main(["replay", f"asterisk_ami:{recording}"]) == 2
    assert "a.raw.index.csv" in capsys.readouterr().err


def test_a_broken_sidecar_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.raw").write_bytes(b"x")
    with (tmp_path / "a.index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("offset", "length", "recv_epoch"), (0, "one", 1.5)])

    assert main(["replay", f"asterisk_ami:{tmp_path / 'a.raw'}"]) == 2
    assert "a.index.csv, line 2" in capsys.readouterr().err


# ---- what each caller was to expect


def predicted(tmp_path: Path, *sources: str) -> list[Row]:
    out = tmp_path / "predictions.csv"
    main(["replay", "--predictions", str(out), *sources])
    return truth.read(out)


def test_each_caller_is_foretold_once_however_many_sources_tell_of_him(tmp_path: Path):
    alone, both = predicted(tmp_path, *ami(*SESSIONS)), predicted(tmp_path, *ami(*SESSIONS), QUEUE_LOG)
    log_alone = predicted(tmp_path, QUEUE_LOG)
    seen = {row["visit_id"]: row for row in both}

    assert len(both) == len(seen) == len(log_alone) == 261
    assert {row["visit_id"] for row in alone} < set(seen)
    before_any_gap = [row for row in alone if row["entered_at"] < "2026-11-23T12:04:50"]
    assert len(before_any_gap) > 20
    assert [seen[row["visit_id"]] for row in before_any_gap] == before_any_gap


def test_a_caller_whose_last_line_is_missing_is_unknown_after_a_bound_and_waits_no_more(tmp_path: Path):
    out = {name: tmp_path / name for name in ("visits", "status", "alerts")}
    files = [part for name, path in out.items() for part in (f"--{name}", str(path))]
    main(["replay", *files, f"asterisk_queuelog:{truth.RECORDINGS / 'end-never-written.log'}"])
    ghost, *others = truth.read(out["visits"])
    status = json.loads(out["status"].read_text())
    said = {alert["alert"] for alert in map(json.loads, out["alerts"].read_text().splitlines())}

    assert (ghost["outcome"], ghost["ended_wait_at"]) == ("unknown", "2026-11-23T12:05:00.000000Z")
    assert {row["outcome"] for row in others} == {"answered"}
    assert (status["total"]["waiting"], said - {"source_silent"}) == (0, set())


LOG_OF_16_58 = """\
1795445880|1.1|kundcenter|NONE|ENTERQUEUE||07|1
1795445885|1.1|kundcenter|Bo|CONNECT|5|1.2|3
1795445890|1.1|kundcenter|Bo|COMPLETECALLER|5|5|1
1795449480|2.1|kundcenter|NONE|ENTERQUEUE||07|1
"""
NEXT_DAY = "1795535880|3.1|kundcenter|NONE|ENTERQUEUE||07|1\n1795535885|3.1|kundcenter|Bo|CONNECT|5|3.2|3\n"


def told_by_log(tmp_path: Path, told: str, *options: str) -> tuple[list[Row], Any]:
    log, visits, status = tmp_path / "queue.log", tmp_path / "visits", tmp_path / "status"
    log.write_text(told)
    outputs = ["--visits", str(visits), "--status", str(status)]
    assert main(["replay", *outputs, *options, f"asterisk_queuelog:{log}"]) == 0
    return truth.read(visits), json.loads(status.read_text())


def test_of_a_caller_who_left_unseen_no_alarm_is_raised_the_next_morning_before_the_first_line(tmp_path: Path):
    alerts = tmp_path / "alerts"
    visits, _ = told_by_log(tmp_path, LOG_OF_16_58 + NEXT_DAY, "--alerts", str(alerts))

    assert [row["outcome"] for row in visits] == ["answered", "unknown", "answered"]
    assert {json.loads(line)["alert"] for line in alerts.read_text().splitlines()} == {"source_silent"}


@pytest.mark.parametrize(("until", "waiting", "outcome"), [("16:27:59", 1, "waiting"), ("16:28:00", 0, "unknown")])
def test_a_replay_shows_the_moment_at_which_it_is_to_stop(tmp_path: Path, until: str, waiting: int, outcome: str):
    visits, status = told_by_log(tmp_path, LOG_OF_16_58 + NEXT_DAY, "--until", f"2026-11-23T{until}Z")

    assert status["generated_at"] == f"2026-11-23T{until}Z"
    assert (status["total"]["waiting"], visits[-1]["outcome"]) == (waiting, outcome)


def test_a_line_of_the_day_before_amends_its_own_call(tmp_path: Path):
    late = "1795449840|2.1|kundcenter|Bo|CONNECT|360|2.2|3\n"
    visits, _ = told_by_log(tmp_path, LOG_OF_16_58 + NEXT_DAY + late)

    assert [row["wait_seconds"] for row in visits] == ["5.000", "360.000", "5.000"]
