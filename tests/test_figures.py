"""Every count that people see goes the whole way: status API, OpenAPI, CSV, metrics, history page, its file, report.

A count is an attribute of `Counts` with a row in `queue_monitor/model/named_counts.py` and a field of the API's
period.
"""

import pytest
from msgspec import json, structs

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.status import period_shape
from queue_monitor.api.json.tables import INTERVAL_COUNTS
from queue_monitor.api.pages.history_file import COLUMNS, file_rows
from queue_monitor.model import NAMED_COUNTS, Counts, Target
from queue_monitor.reports.annex import named_counts
from queue_monitor.reports.pen import ReportPen
from tests.api.test_history import plain
from tests.scenario import STOCKHOLM, Scenario
from tests.test_metrics import Samples
from tests.test_outcomes import NOW, Faces

CALLS = Counts(**{field: 2**place for place, field in enumerate(Counts.__struct_fields__)})
"""Counts of which no two sums are equal."""

every_name = pytest.mark.parametrize("name", [each.name for each in NAMED_COUNTS])
every_column = pytest.mark.parametrize("name", INTERVAL_COUNTS)


def busy() -> Scenario:
    """Callers who were answered in time and late, who hung up soon, later and late, left by a key, and were refused."""
    story = Scenario().connected(-10)
    for who, at, how in (("a", 10, ""), ("b", 400, ""), ("c", 5, "abandoned"), ("d", 90, "abandoned")):
        story.entered(0, who)
        story.left(at, who, how) if how else story.answered(at, who)
    return story.entered(0, "e").left(350, "e", "abandoned").entered(0, "f").left(50, "f", "exit_key").refused(1, "g")


def test_each_dialled_call_is_in_exactly_one_of_the_results():
    results = dict.fromkeys(each.result for each in NAMED_COUNTS if each.result)

    assert sum(getattr(CALLS, result) for result in results) == CALLS.dialled


@every_column
def test_a_count_of_the_api_is_that_of_the_same_name_and_a_column(name: str):
    period = structs.replace(Scenario().day(0), counts=CALLS)
    field = "refused_total" if name == "refused" else name
    fields = json.schema_components((shapes.PeriodShape,))[1]["PeriodShape"]["properties"]

    assert getattr(period_shape(period, Target()), field) == getattr(CALLS, name)
    assert field in fields


@every_name
async def test_the_metrics_and_the_csv_of_intervals_have_it(name: str):
    story = busy()
    faces, counts = Faces(story), story.counts(NOW)
    metric = Samples((await faces.get("/metrics")).text)
    (row,) = await faces.rows("/api/v1/intervals?step=day&format=csv")
    (result,) = (each.result for each in NAMED_COUNTS if each.name == name)

    if result:
        number = metric("callqueue_period_calls", queue="", period="day", result=result)
        assert number == getattr(counts, result)
    assert name not in row or int(row[name]) == getattr(counts, name)


@every_name
async def test_the_history_page_its_file_and_the_report_have_it(name: str):
    story = busy()
    number, pen = getattr(story.counts(NOW), name), ReportPen("sv", "Europe/Stockholm", Target())
    (key,) = (each.words for each in NAMED_COUNTS if each.name == name)
    page = plain((await Faces(story).get("/history?period=day&day=2026-11-23")).text)
    ((_, *cells),) = file_rows([("", [story.day(NOW)])], STOCKHOLM)
    at = [column.header for column in COLUMNS[1:]].index(key)

    assert cells[at] == number
    if number and name != "left_otherwise":  # the page names each way of its own
        assert f" {plain(pen.say(key))} {number} " in page
    assert sum(count for _, count in named_counts(CALLS, pen)) == CALLS.early + sum(
        getattr(CALLS, each.name) for each in NAMED_COUNTS
    )


@every_name
def test_it_has_words_in_every_language(name: str):
    (key,) = (each.words for each in NAMED_COUNTS if each.name == name)

    assert all(key in texts.words(language) for language in texts.LANGUAGES)


async def test_the_hours_of_the_lead_page_hold_every_dialled_call_once():
    page = plain((await Faces(busy()).get("/lead")).text)

    assert " Hela dagen 120 min utan mätning 6 1 1 3 1 0 1 " in page
