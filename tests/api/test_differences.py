"""Our counts beside the switches' own, day by day: as JSON, as a table, and what cannot be asked."""

import csv
import io
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from queue_monitor.model import DifferenceRecord
from queue_monitor.ports import StoreError
from tests.api import sample
from tests.api.test_app import Asked

BOTH_DAYS = "/api/v1/differences?from=2026-03-01&to=2026-03-02"


async def get(path: str) -> Any:
    return (await Asked(sample.lead()).get(path)).json()


async def test_today_is_given_as_it_stands_if_nothing_is_asked():
    body = await get("/api/v1/differences")

    assert (body["from"], body["to"], body["queue"]) == ("2026-03-02", "2026-03-02", None)
    (today,) = body["differences"]
    assert today["day"] == "2026-03-02"
    assert (today["switch"], today["queue"], today["counter"]) == ("pbx", "Kundcenter", "let_go")
    assert (today["switch_says"], today["ledger_says"], today["difference"]) == (19, 17, -2)
    assert (today["cause"], today["cause_words"]) == ("booking", "växeln räknar på annat sätt")


async def test_earlier_days_come_first_and_those_that_agree_are_there_too():
    body = await get(BOTH_DAYS + "&lang=en")

    assert [(one["day"], one["queue"], one["difference"], one["cause_words"]) for one in body["differences"]] == [
        ("2026-03-01", "Bygglov", 0, "no difference"),
        ("2026-03-01", "Kundcenter", -3, "a gap in the measuring"),
        ("2026-03-02", "Kundcenter", -2, "the switch counts in another way"),
    ]


async def test_one_queue_is_asked_for_in_any_case():
    body = await get(BOTH_DAYS + "&queue=BYGGLOV")

    assert (body["queue"], [one["queue"] for one in body["differences"]]) == ("Bygglov", ["Bygglov"])


async def test_the_answer_has_the_shape_that_the_document_says():
    asked = Asked(sample.lead())
    document = (await asked.get("/openapi.json")).json()
    answer = document["paths"]["/api/v1/differences"]["get"]["responses"]["200"]["content"]["application/json"]
    schema = answer["schema"] | {"components": document["components"]}

    Draft202012Validator(schema).validate((await asked.get(BOTH_DAYS)).json())
    Draft202012Validator(schema).validate(answer["example"])


@pytest.mark.parametrize(
    ("language", "headers", "words"),
    [
        ("sv", ["Dag", "Växel", "Kö", "Räknare", "Växeln", "Mätningen"], ["avslutade samtal", "avbrott i mätningen"]),
        ("en", ["Day", "Switch", "Queue", "Counter", "The switch"], ["completed calls", "a gap in the measuring"]),
    ],
)
async def test_the_table_is_in_the_readers_language(language: str, headers: list[str], words: list[str]):
    answer = await Asked(sample.lead()).get(f"{BOTH_DAYS}&format=csv&lang={language}")
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))

    assert lines[0][: len(headers)] == headers
    assert len(lines) == 4
    gap = lines[2]
    assert [gap[0], gap[2], gap[3], *gap[4:8]] == ["2026-03-01", "Kundcenter", words[0], "412", "409", "-3", words[1]]
    assert gap[8:] == ["2026-02-26 06:00:00", "2026-03-01 23:59:57", "completed", "gap"]


async def test_where_no_switch_gives_totals_the_list_is_empty():
    answer = await Asked(sample.calm()).get("/api/v1/differences")

    assert answer.json()["differences"] == []


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("from=2026-03-02&to=2026-03-01", 400, "backwards"),
        ("from=2025-01-01&to=2026-02-05", 400, "impossible"),
        ("from=0001-01-01", 400, "impossible"),
        ("from=i+morgon", 422, "bad_day"),
        ("queue=Bygg", 404, "unknown_queue"),
    ],
)
async def test_a_bad_question_is_answered_with_words(query: str, status: int, error: str):
    answer = await Asked(sample.lead()).get(f"/api/v1/differences?{query}")

    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_as_many_days_as_elsewhere_are_given_at_once():
    answer = await Asked(sample.lead()).get("/api/v1/differences?from=2025-01-01&to=2026-02-04")

    assert answer.status_code == 200


async def test_a_database_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch):
    asked = Asked(sample.lead())

    async def away(*days: Any) -> list[DifferenceRecord]:
        raise StoreError("away", passing=True)

    monkeypatch.setattr(asked.figures, "differences", away)
    answer = await asked.get("/api/v1/differences")

    assert (answer.status_code, answer.json()["error"]) == (503, "database_away")
