"""Calls one by one, a page at a time, in JSON and as a table."""

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from msgspec import structs

from queue_monitor.api import create_app
from queue_monitor.clock import ManualClock
from queue_monitor.model import StoredCall
from queue_monitor.ports import StoreError
from tests.api import sample
from tests.api.sample import FakeFigures

KEPT = datetime(2026, 2, 1, tzinfo=UTC)


@dataclass
class Asker:
    figures: FakeFigures

    async def get(self, path: str) -> httpx.Response:
        app = create_app(self.figures, ManualClock(self.figures.latest().at))
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)


def asker() -> Asker:
    return Asker(FakeFigures(structs.replace(sample.calm(), kept_from=KEPT)))


async def test_today_s_calls_are_listed_with_their_stays_and_without_anything_that_tells_who():
    answer = await asker().get("/api/v1/calls")

    body = answer.json()
    assert answer.status_code == 200
    assert [call["counted_as"] for call in body["calls"]] == ["abandoned_short", "answered_in_time", "abandoned_late"]
    assert body["calls"][1]["visits"][0]["talk_seconds"] == 180.0
    assert (body["next"], body["kept_from"]) == (None, None)


async def test_a_page_leads_to_the_next_one_and_all_pages_are_the_whole_list():
    asked, found, after = asker(), [], ""
    while True:
        body = (await asked.get(f"/api/v1/calls?limit=1{after}")).json()
        found += [call["id"] for call in body["calls"]]
        if body["next"] is None:
            break
        after = f"&after={body['next']}"

    assert found == [call.id for call in sample.CALLS]


async def test_a_table_of_a_page_names_the_next_in_a_header_and_says_what_is_no_longer_kept():
    first = await asker().get("/api/v1/calls?format=csv&limit=2&from=2026-01-01")
    last = await asker().get("/api/v1/calls?format=csv&from=2026-01-01&lang=en")

    assert first.headers["x-next"].endswith(f"-{sample.CALLS[1].id}")
    assert first.text.count("\r\n") == 3
    assert last.text.endswith("Calls before 2026-02-01 are no longer kept.\r\n")


async def test_lists_and_intervals_that_reach_further_back_than_what_is_kept_say_so():
    asked = asker()
    for path in ("lost-calls", "intervals", "calls"):
        assert (await asked.get(f"/api/v1/{path}?from=2026-01-01")).json()["kept_from"] == "2026-02-01T00:00:00Z"
        assert (await asked.get(f"/api/v1/{path}")).json()["kept_from"] is None
        table = (await asked.get(f"/api/v1/{path}?from=2026-01-01&format=csv")).text
        assert table.splitlines()[-1] == "Samtal före 2026-02-01 finns inte kvar."


@pytest.mark.parametrize("after", ["x", "12", "-", "1-", "99999999999999999999-a"])
async def test_an_after_that_no_page_has_given_is_refused_in_words(after: str):
    answer = await asker().get(f"/api/v1/calls?after={after}")

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_after")


async def test_when_the_database_is_away_the_past_is_not_an_empty_list():
    class Away(FakeFigures):
        async def calls(self, *asked: object) -> list[StoredCall]:
            raise StoreError("away")

    answer = await Asker(Away(sample.calm())).get("/api/v1/calls")

    assert (answer.status_code, answer.json()["error"]) == (503, "database_away")
