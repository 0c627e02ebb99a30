"""CSV that a Swedish Excel opens with a double click: every cell safe, every number as in the JSON."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from queue_monitor.api.json.tables import BOM, INTERVAL_COLUMNS, LOST_COLUMNS, intervals_table, lost_table, table
from queue_monitor.model import Counts
from tests.api import sample
from tests.api.sample import local
from tests.api.test_app import Asked


def rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=";"))


def number(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None


def test_a_table_begins_with_a_byte_order_mark_and_has_semicolons_and_decimal_commas():
    body = lost_table(sample.LOST_CALLS, sample.ZONE).decode()

    assert body.startswith(BOM + "queue;last_queue;entered_at;")
    assert body.splitlines()[1] == (
        "Kundcenter;Kundcenter;2026-03-02 08:03:00;2026-03-02T07:03:00.000Z;2026-03-02 08:03:12;"
        "2026-03-02T07:03:12.500Z;12,5;abandoned;abandoned_short;1;0;0;1;"
    )
    assert body.count("\r\n") == body.count("\n") == 3


@pytest.mark.parametrize("evil", ['=HYPERLINK("http://x";"y")', "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_queues_name_cannot_be_a_formula(evil: str):
    (line,) = rows(lost_table([replace(sample.LOST_CALLS[0], queue=evil)], sample.ZONE))

    assert line["queue"] == f"'{evil}"


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_whatever_a_text_holds_comes_back_in_its_own_cell_and_no_formula(texts: list[str]):
    body = table([f"c{at}" for at in range(len(texts))], [texts])

    _, read = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=";")
    assert [cell.removeprefix("'") if cell[1:2] and cell[0] == "'" else cell for cell in read] == [
        text.removeprefix("'") if text[1:2] and text[0] == "'" else text for text in texts
    ]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in read)


def test_the_hour_that_comes_twice_in_october_is_told_apart_by_the_utc_column():
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    twice = [replace(sample.LOST_CALLS[0], entered_at=night + timedelta(hours=hour)) for hour in (0, 1)]

    first, second = rows(lost_table(twice, sample.ZONE))

    assert first["entered_at"] == second["entered_at"] == "2026-10-25 02:30:00"
    assert (first["entered_at_utc"], second["entered_at_utc"]) == (
        "2026-10-25T00:30:00.000Z",
        "2026-10-25T01:30:00.000Z",
    )


async def both(path: str, **options: Any) -> tuple[Any, list[dict[str, str]]]:
    calm = Asked(sample.calm())
    table = await calm.get(path, params={"format": "csv"})
    return (await calm.get(path)).json(), rows(table.content)


async def test_intervals_say_the_same_as_a_table_and_as_json():
    body, lines = await both("/api/v1/intervals")

    assert tuple(lines[0]) == INTERVAL_COLUMNS
    for interval, line in zip(body["intervals"], lines, strict=True):
        for name in ("entered", "answered_in_time", "abandoned", "left_otherwise", "dialled", "misses", "headline"):
            assert number(line[name]) == interval[name], name
        for name in ("floor", "ceiling", "refused_ratio", "including_refused"):
            assert number(line[name]) == interval[name], name
        assert {name: number(line[name]) for name in interval["service_level"]} == interval["service_level"]
        assert number(line["wait_p90_seconds"]) == interval["waits"]["p90_seconds"]
        assert number(line["coverage_ratio"]) == interval["coverage"]["ratio"]


@pytest.mark.parametrize(("lang", "head"), [("sv", "Kö;Från;Till"), ("en", "Queue;From;To")])
async def test_intervals_have_headers_in_words_when_asked(lang: str, head: str):
    calm = Asked(sample.calm())
    query = {"format": "csv", "headings": "words", "lang": lang}
    body = (await calm.get("/api/v1/intervals", params=query)).content.decode("utf-8-sig")
    plainly = (await calm.get("/api/v1/intervals")).json()["intervals"]
    read = list(csv.DictReader(io.StringIO(body, newline=""), delimiter=";"))[:-1]

    assert body.startswith(head)
    for interval, line in zip(plainly, read, strict=True):
        share = number(line["D2 (%)"])
        assert (None if share is None else share / 100) == pytest.approx(interval["service_level"]["D2"])


async def test_lost_calls_say_the_same_as_a_table_and_as_json():
    body, lines = await both("/api/v1/lost-calls")

    assert tuple(lines[0]) == LOST_COLUMNS
    for call, line in zip(body["calls"], lines, strict=True):
        assert (line["queue"], number(line["wait_seconds"])) == (call["queue"], call["wait_seconds"])
        assert (line["counted_as"], line["is_short"]) == (call["counted_as"], str(int(call["is_short"])))


def test_where_nothing_was_measured_the_cell_is_empty():
    nothing = sample.period("hour", Counts(), at=local(8))

    (line,) = rows(intervals_table([nothing], sample.TARGET, sample.ZONE))

    assert (line["headline"], line["D1"], line["floor"], line["wait_p50_seconds"]) == ("",) * 4
    assert line["entered"] == "0"


@pytest.mark.parametrize("path", ["/api/v1/intervals", "/api/v1/lost-calls"])
async def test_a_table_is_given_to_who_accepts_one_and_saved_under_a_name(path: str):
    calm = Asked(sample.calm())
    accepted = await calm.get(path, headers={"Accept": "text/csv"})
    browser = await calm.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    asked = await calm.get(path, params={"format": "json"}, headers={"Accept": "text/csv"})

    assert accepted.headers["content-type"] == "text/csv; charset=utf-8"
    assert accepted.headers["content-disposition"].endswith('.csv"')
    assert accepted.headers["vary"] == "Accept"
    assert browser.headers["content-type"] == asked.headers["content-type"] == "application/json"
    same = await calm.get(path, headers={"Accept": "text/csv", "If-None-Match": accepted.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize("path", ["/api/v1/intervals", "/api/v1/lost-calls"])
async def test_a_list_that_says_the_same_a_second_later_is_not_sent_again(path: str):
    calm = Asked(sample.calm())
    etag = (await calm.get(path)).headers["etag"]
    calm.figures.show(replace(sample.calm(), at=local(10, 13)))

    assert (await calm.get(path, headers={"If-None-Match": etag})).status_code == 304


async def test_lost_calls_are_of_the_queue_asked_for():
    answer = (await Asked(sample.rush()).get("/api/v1/lost-calls?queue=BYGGLOV")).json()

    assert answer["queue"] == "Bygglov"
    assert [(call["wait_seconds"], call["is_late"]) for call in answer["calls"]] == [(341.0, True)]
