import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from queue_monitor.api import status_body
from queue_monitor.api.json import shapes
from queue_monitor.api.json.status import PIECE, status_in_pieces
from queue_monitor.api.pages.board import board
from queue_monitor.core.pieces import finished
from queue_monitor.events import AgentActivity
from queue_monitor.model import AgentNow, Counts
from tests.api import sample
from tests.test_metrics import EVERY_STATE, State


def status(snapshot: Any) -> Any:
    return json.loads(status_body(snapshot))


@pytest.mark.parametrize("state", EVERY_STATE)
def test_the_status_is_what_its_documentation_says(state: State) -> None:
    document = {"$ref": "#/components/schemas/StatusBody", "components": {"schemas": shapes.components()}}

    Draft202012Validator(document).validate(status(state()))


def test_the_same_snapshot_gives_the_same_bytes() -> None:
    assert status_body(sample.rush()) == status_body(sample.rush())


@pytest.mark.parametrize("state", EVERY_STATE)
def test_in_pieces_the_status_is_the_same(state: State) -> None:
    snapshot = state()

    assert finished(status_in_pieces(snapshot)) == status_body(snapshot)


def test_the_status_of_many_queues_pauses_often() -> None:
    many = replace(sample.rush(), queues=sample.rush().queues * 20)

    assert len(list(status_in_pieces(many))) == (len(many.queues) + len(many.pools)) // PIECE


def test_the_worked_month_is_reproduced() -> None:
    month = status(sample.calm())["total"]["periods"]["month"]

    assert {name: round(ratio, 3) for name, ratio in month["service_level"].items()} == {
        "D1": 0.921,
        "D2": 0.82,
        "D3": 0.863,
        "D4": 0.906,
        "D5": 0.915,
    }
    assert month["headline"] == month["service_level"]["D2"]
    assert (month["answered"], month["abandoned"], month["meets_target"]) == (8900, 1100, False)


def test_every_entered_call_is_in_exactly_one_place() -> None:
    for state in EVERY_STATE:
        for face in (status(state())["total"], *status(state())["queues"]):
            for period in (*face["periods"].values(), face["visits_today"]):
                still = period["waiting_in_time"] + period["waiting_late"]
                ended = period["answered"] + period["abandoned"] + period["left_otherwise"]
                assert period["entered"] == ended + period["unknown"] + period["excluded"] + still
                assert period["left_otherwise"] == sum(period["left"].values())
                assert period["dialled"] == period["entered"] + period["refused_total"]


def test_no_calls_means_null_never_a_hundred_percent() -> None:
    day = status(sample.no_calls())["total"]["periods"]["day"]

    assert (day["headline"], day["meets_target"], day["floor"], day["waits"]["p50_seconds"]) == (None,) * 4


def test_of_people_who_were_only_seen_the_numbers_are_told_as_such() -> None:
    agents, known = status(sample.seen())["agents"], status(sample.rush())["agents"]

    assert (agents["known"], agents["basis"], known["basis"]) == (False, "seen", "known")
    assert agents["staffed"] == known["staffed"] == 9


def test_unknown_staff_is_null_not_nought() -> None:
    assert status(sample.empty())["agents"] == {
        "known": False,
        "basis": "unknown",
        "staffed": None,
        "available": None,
        "ringing": None,
        "busy": None,
        "wrapup": None,
        "paused": None,
        "unreachable": None,
        "logged_out": None,
    }


def test_nothing_tells_who() -> None:
    agent = AgentNow(agent_id="pbx:SIP/anna", state=AgentActivity.BUSY, reason=None, queues=("Kundcenter",), since=None)
    body = status_body(replace(sample.rush(), agents=(agent,))).decode()

    assert "anna" not in body
    assert "visit_id" not in body
    assert "pbx:Kundcenter" not in body


def test_times_are_utc() -> None:
    moved = replace(sample.calm(), at=sample.local(10, 12).astimezone(sample.ZONE))

    assert status(moved)["generated_at"] == "2026-03-02T09:12:00Z"


def test_one_board_holds_what_the_status_says() -> None:
    snapshot = sample.rush()
    shown, said = board(snapshot), status(snapshot)

    assert shown.total.waiting == said["total"]["waiting"]
    assert shown.total.day is not None
    assert shown.total.day.headline == said["total"]["periods"]["day"]["headline"]
    assert shown.total.day.floor == said["total"]["periods"]["day"]["floor"]
    assert shown.total.waiting_late == 3
    assert [queue.name for queue in shown.queues] == [queue["name"] for queue in said["queues"]]


def test_the_curve_runs_from_opening_to_closing_not_through_the_night() -> None:
    curve = board(sample.calm()).curve

    assert curve is not None
    assert (curve.from_, curve.to) == (sample.local(8), sample.local(17))
    assert sum(bar.in_time + bar.late + bar.lost + bar.waiting for bar in curve.bars) == 14 + 26 + 31 + 34 + 29


def test_the_curve_begins_earlier_when_somebody_called_earlier() -> None:
    snapshot = sample.calm()
    early = [
        replace(bar, counts=Counts(abandoned_late=1)) if bar.start == sample.local(6, 30) else bar
        for bar in snapshot.today
    ]

    curve = board(replace(snapshot, today=tuple(early))).curve

    assert curve is not None
    assert curve.from_ == datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
    assert curve.bars[0].lost == 1
    assert timedelta(seconds=curve.step_seconds) == timedelta(minutes=30)


ENTERED = [field for field in Counts.__struct_fields__ if Counts(**{field: 1}).entered]


@pytest.mark.parametrize("field", ENTERED)
def test_each_call_that_entered_is_in_one_part_of_a_bar_and_called_late_only_where_it_was(field: str) -> None:
    """Yesterday's line beside the bars and the count above them are of all who entered."""
    snapshot = sample.calm()
    today = (replace(snapshot.today[20], counts=Counts(**{field: 1})),)
    curve = board(replace(snapshot, today=today)).curve

    assert curve is not None
    (bar,) = curve.bars
    assert bar.in_time + bar.late + bar.lost + bar.waiting == 1
    assert bar.late == (field == "answered_late")
    assert bar.in_time == (field in {"answered_in_time", "called_back"})
