"""What the figures rest on: definitions in words, the days' opening hours, the sources."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from queue_monitor.core import service_level
from queue_monitor.model import Counts, DefinitionId
from tests.api import sample
from tests.api.test_app import Asked

WORKED_MONTH = {
    name: getattr(sample.MONTH, name)
    for name in (
        *("answered_in_time", "answered_late", "abandoned_short", "abandoned_in_time", "abandoned_late"),
        *("left_otherwise", "waiting_late"),
    )
} | {"called_back": 3}


async def get(path: str) -> Any:
    return (await Asked(sample.calm()).get(path)).json()


async def test_the_headline_definition_has_its_date_and_all_five_their_words_in_both_languages():
    body = await get("/api/v1/definitions")

    assert [one["definition"] for one in body["definitions"]] == ["D1", "D2", "D3", "D4", "D5"]
    (headline,) = (one for one in body["definitions"] if one["headline"])
    assert (headline["definition"], headline["since"]) == ("D2", "2026-01-01")
    assert (body["target"]["limit_seconds"], body["target"]["short_abandon_seconds"]) == (300, 20)
    for one in body["definitions"]:
        assert one["words"].keys() == {"sv", "en"}
        assert all(one["words"].values())


@pytest.mark.parametrize("definition", DefinitionId)
async def test_a_formula_as_written_gives_what_the_code_counts(definition: DefinitionId):
    body = await get("/api/v1/definitions")
    (one,) = (one for one in body["definitions"] if one["definition"] == definition)

    names = dict(WORKED_MONTH)
    names["offered"] = eval(body["offered"], {}, WORKED_MONTH)

    counted = service_level.service_level(Counts(**{k: v for k, v in WORKED_MONTH.items() if k != "left_otherwise"}))
    assert eval(one["formula"], {}, names) == counted[definition]


async def test_the_calendar_says_when_it_is_open_and_for_how_long():
    body = await get("/api/v1/calendar?from=2026-03-06&to=2026-03-07")
    friday, saturday = body["days"]

    assert friday["day"] == "2026-03-06"
    assert friday["open"] == [{"from": "2026-03-06T07:00:00Z", "to": "2026-03-06T16:00:00Z"}]
    assert (friday["kind"], friday["open_minutes"]) == ("weekday", 540)
    assert (saturday["kind"], saturday["open"], saturday["open_minutes"]) == ("closed", [], 0)


async def test_the_calendar_is_of_today_if_nothing_is_asked():
    assert [day["day"] for day in (await get("/api/v1/calendar"))["days"]] == ["2026-03-02"]


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("from=0001-01-01", 400, "impossible"),
        ("from=i+morgon", 422, "bad_day"),
        ("to=2026-13-01", 422, "bad_day"),
        ("queue=Bygg", 404, "unknown_queue"),
    ],
)
async def test_a_bad_question_of_the_calendar_is_answered_with_words(query: str, status: int, error: str):
    answer = await Asked(sample.calm()).get(f"/api/v1/calendar?{query}")

    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_the_sources_come_with_coverage_and_the_switches_own_totals():
    body = await get("/api/v1/sources")

    assert body["sources"][0]["name"] == "urn:kc:asterisk_ami:pbx"
    assert [face["queue"] for face in body["coverage"]] == ["", "Kundcenter"]
    assert body["coverage"][0]["periods"]["day"] == {
        "ratio": 1.0,
        "seen_minutes": 130,
        "recovered_minutes": 2,
        "blind_minutes": 0,
    }
    assert body["journal"]["up"] is True


@pytest.mark.parametrize("path", ["/api/v1/definitions", "/api/v1/calendar", "/api/v1/sources"])
async def test_what_has_not_changed_is_not_sent_again(path: str):
    calm = Asked(sample.calm())
    etag = (await calm.get(path)).headers["etag"]
    calm.figures.show(replace(sample.calm(), at=sample.local(10, 13), sources=sample.calm().sources))

    assert (await calm.get(path, headers={"If-None-Match": etag})).status_code == 304


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/v1/definitions", "DefinitionsBody"),
        ("/api/v1/calendar", "CalendarBody"),
        ("/api/v1/sources", "SourcesBody"),
    ],
)
async def test_the_answers_are_what_their_documentation_says(path: str, shape: str):
    document = await get("/openapi.json")

    Draft202012Validator({"$ref": f"#/components/schemas/{shape}", **document}).validate(await get(path))


async def test_every_answer_has_an_example_that_fits_its_shape():
    document = Asked(sample.calm(), public=True).app.openapi()

    seen = 0
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json")
                if content is None:
                    continue
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                assert content["example"], (path, status)
                seen += 1
    assert seen > 40
