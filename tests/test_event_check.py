"""`queue-monitor check-events`: a sender's events are judged as a running monitor would, line by line, without one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.__main__ import main
from queue_monitor.clock import SystemClock
from queue_monitor.commands.event_check import Judged, Sender, judged

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RECORDED = Path(__file__).parent / "recordings" / "http"


def event(kind: str, id_: str, *, at: datetime = NOW, source: str = "urn:kc:http:vendor", **data: Any) -> bytes:
    wire = {"specversion": "1.0", "id": id_, "source": source, "type": f"se.kundcenter.{kind}", "time": at.isoformat()}
    return json.dumps(wire | {"data": data}).encode()


def enters(number: str = "17", **more: Any) -> bytes:
    return event("call.entered", f"{number}/joined", **{"visit_id": f"pbx:{number}", "queue": "Kundcenter"} | more)


def checked(*lines: bytes, **sender: str) -> list[Judged]:
    return list(judged(lines, Sender(**sender), NOW))


def test_what_a_monitor_takes_is_accepted_and_named_by_its_type() -> None:
    found = checked(enters(), b"", event("call.answered", "17/answered", visit_id="pbx:17"), b"[" + enters("18") + b"]")

    assert [(each.line, each.reason, each.words) for each in found] == [
        (1, "", "call.entered"),
        (3, "", "call.answered"),
        (4, "", "call.entered"),
    ]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        (b"{", "invalid_event", "not JSON"),
        (b"[1,", "not_json", "no JSON array"),
        (event("call.vanished", "1", visit_id="pbx:1"), "invalid_event", "se.kundcenter.call.vanished"),
        (event("call.left", "1", visit_id="pbx:1"), "invalid_event", "outcome"),
        (enters(queue=5), "invalid_event", "$.queue"),
        (enters(visit_id="other:17"), "foreign_id", "visit_id must begin with pbx:"),
        (enters(caller={"pseudonym": "0701740605"}), "number_as_pseudonym", "looks like a telephone number"),
        (enters(queue="K" * 501), "unfit_text", "queue:"),
        (enters(at=NOW + timedelta(minutes=6)), "time_out_of_range", "time:"),
        (enters(at=NOW - timedelta(days=500)), "time_out_of_range", "time:"),
        (enters(source="urn:kc:http:other"), "wrong_source", "urn:kc:http:vendor"),
    ],
)
def test_what_a_monitor_refuses_is_named_by_its_reason_and_field(line: bytes, reason: str, words: str) -> None:
    found = checked(line, name="vendor", switch="pbx")

    assert [each.reason for each in found] == [reason]
    assert words in found[0].words


def test_a_repetition_counts_once_and_another_event_of_the_same_id_is_refused() -> None:
    found = checked(enters(), enters(), enters(queue="Bygglov"))

    assert found[1].words == "call.entered, the same as line 1: counts once"
    assert (found[2].reason, found[2].words) == ("conflict", "line 1 has another event of this id")


def test_over_a_broker_the_source_ends_with_the_publisher_s_name() -> None:
    mine, other = enters(source="urn:kc:freeswitch:pbx"), enters("18", source="urn:kc:freeswitch:reserv")
    found = checked(mine, other, kind="mqtt", name="pbx")

    assert [each.reason for each in found] == ["", "wrong_source"]


@pytest.mark.parametrize(("file", "accepted"), [("one-answered-one-hung-up", True), ("what-is-refused", False)])
def test_recordings_of_senders_are_judged_as_the_intake_does(file: str, accepted: bool) -> None:
    lines = (RECORDED / f"{file}.jsonl").read_bytes().splitlines()
    found = list(judged(lines, Sender(name="test", switch="kc"), datetime(2025, 12, 2, tzinfo=UTC)))

    assert found
    assert all(not each.reason for each in found) == accepted


def test_the_command_says_each_line_and_ends_with_a_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = SystemClock().now()
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(enters(at=now) + b"\n")
    bad.write_bytes(enters(at=now) + b"\n{}\n")

    assert main(["check-events", str(good)]) == 0
    assert capsys.readouterr().out == "line 1  accepted  call.entered  (id 17/joined)\naccepted: 1, refused: 0\n"
    assert main(["check-events", str(bad)]) == 1
    assert "line 2  refused   invalid_event: Object missing required field" in capsys.readouterr().out
    assert main(["check-events", str(tmp_path / "none.jsonl")]) == 2
