"""The boards as files: nothing overlaps, everything has its unit, its words are Swedish and its names exist."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from queue_monitor.api.guard.limits import Refused
from queue_monitor.events import RingResult
from queue_monitor.metrics import Metrics
from queue_monitor.model import AlertKind, RiskLevels
from queue_monitor.texts import say
from tests.api.sample import FakeFigures
from tests.grafana.boards import FILES, Board, Panel, boards, choices, questions
from tests.grafana.exact import exact
from tests.grafana.test_prometheus_files import RULES, read

BOARDS = {board["uid"]: board for board in boards()}
PANELS = [(board["title"], panel) for board in BOARDS.values() for panel in board["panels"]]
UNITS = {"s", "percentunit", "short"}
DATASOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
every_panel = pytest.mark.parametrize("panel", [p for _, p in PANELS], ids=[f"{b}: {p['title']}" for b, p in PANELS])


def steps(panel: Panel) -> list[float]:
    return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]


def properties(panel: Panel, name: str) -> Iterator[Any]:
    """A property of the panel's fields, wherever it is set."""
    defaults = panel["fieldConfig"]["defaults"]
    if name in defaults:
        yield defaults[name]
    for override in panel["fieldConfig"]["overrides"]:
        yield from (one["value"] for one in override["properties"] if one["id"] == name)


def renamed(panel: Panel) -> dict[str, str]:
    """What the values of a label are called on screen."""
    return {
        override["matcher"]["options"]: one["value"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "displayName"
    }


def test_three_boards_each_with_a_name_of_its_own():
    assert len(FILES) == len(BOARDS) == 3
    assert {board["title"] for board in BOARDS.values()} == {"Kö – Live", "Kö – Dag och månad", "Kö – Vakta vakten"}
    assert set(BOARDS) == {"qm-live", "qm-day-month", "qm-watch"}


@every_board
def test_no_panel_lies_on_another_or_outside(board: Board):
    places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for title, at in places:
        assert at["x"] >= 0 and at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= 24, title
    for (one, a), (other, b) in combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, f"{one} lies on {other}"


@every_board
def test_panels_and_questions_are_told_apart(board: Board):
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert len(titles) == len(set(titles))
    for panel in board["panels"]:
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


@every_board
def test_everything_asks_the_data_source_that_was_chosen(board: Board):
    chosen = board["templating"]["list"][0]
    asked = [
        one["datasource"]
        for one in (
            *board["panels"],
            *(target for panel in board["panels"] for target in panel["targets"]),
            *board["annotations"]["list"],
            *board["templating"]["list"][1:],
        )
    ]

    assert (chosen["name"], chosen["type"], chosen["query"]) == ("DS_PROMETHEUS", "datasource", "prometheus")
    assert all(one == DATASOURCE for one in asked)


@every_board
def test_the_board_is_one_that_grafana_10_can_read(board: Board):
    assert board["schemaVersion"] == 38
    assert board["id"] is None
    assert board["timezone"] == "Europe/Stockholm"
    assert {variable.name for variable in choices(board)} >= {"instance"}
    assert board["annotations"]["list"]


@every_panel
def test_a_panel_has_a_unit_and_says_what_it_shows(panel: Panel):
    assert set(properties(panel, "unit")) <= UNITS
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert len(panel["description"]) > 8
    assert panel["fieldConfig"]["defaults"]["noValue"]


@every_panel
def test_a_share_of_calls_turns_at_the_target_and_a_wait_at_the_limits(panel: Panel):
    questions = " ".join(target["expr"] for target in panel["targets"])
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "table" or panel["type"] == "heatmap":
        return
    if unit == "percentunit" and "miss_probability" in questions:
        assert steps(panel) == [RiskLevels().warning, RiskLevels().alarm]
    elif unit == "percentunit" and "coverage" not in questions:
        assert steps(panel) == [0.9]
    if unit == "s" and re.search("oldest_wait|expected_wait|wait_seconds", questions):
        assert steps(panel) == [210, 300.001]  # exactly 300 s is in time, and Grafana's steps begin at their value


@every_panel
def test_no_share_is_rounded_up_across_the_target_or_to_all(panel: Panel):
    """A chance is no share, and the share of the refused has another limit."""
    if "percentunit" not in properties(panel, "unit") or panel["title"].startswith(("Avvisade", "Risk")):
        return
    decimals = set(properties(panel, "decimals"))
    ranges = {
        (one["options"]["from"], one["options"]["to"], one["options"]["result"]["text"])
        for mappings in properties(panel, "mappings")
        for one in mappings
    }

    assert decimals == {1}
    assert ranges == {(0.8995, 0.8999999999, "89,9 %"), (0.9995, 0.9999999999, "99,9 %")}


ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """the of and by with for from is are no calls call waiting wait queue queues answered abandoned left refused
        share today month level service agents available source up down time expected oldest hour lag events rejected
        alert alerts firing lost missed snapshot age target value overview total rate current last""",
    )
)
"""Words that give an English text away and are not Swedish too."""


def texts(board: Board) -> Iterator[str]:
    """All that a person reads on a board."""
    yield from (board["title"], board["description"])
    yield from (variable["label"] for variable in board["templating"]["list"])
    for annotation in board["annotations"]["list"]:
        yield from (annotation["name"], annotation["titleFormat"])
    for panel in board["panels"]:
        yield from (panel["title"], panel["description"], panel["fieldConfig"]["defaults"]["noValue"])
        yield from (re.sub(r"\{\{.*?\}\}", "", target["legendFormat"]) for target in panel["targets"])
        yield from renamed(panel).values()
        for mappings in properties(panel, "mappings"):
            for mapping in mappings:
                if mapping["type"] == "value":
                    yield from (result["text"] for result in mapping["options"].values())
        for change in panel.get("transformations", ()):
            yield from change["options"].get("renameByName", {}).values()


@every_board
def test_what_a_person_reads_is_swedish(board: Board):
    code = re.compile(r"callqueue\w*:?\S*|CallQueue\w+|\S+\.yml|le=\"300\.0\"|/metrics|[Ss]tatus-API\S*")
    for text in texts(board):
        words = set(re.findall(r"\w+", code.sub("", text).casefold()))
        assert not words & ENGLISH, text


def test_every_value_of_a_label_that_is_shown_has_a_swedish_name():
    named = {(board, panel["title"]): set(renamed(panel)) for board, panel in PANELS}

    def given(metric: str, label: str) -> set[str]:
        return {sample.labels[label] for sample in samples() if sample.name == metric}

    assert named["Kö – Live", "Medarbetare efter läge"] == given("callqueue_agents", "state")
    assert named["Kö – Live", "Beräknad väntetid"] == given("callqueue_expected_wait_seconds", "bound")
    assert named["Kö – Live", "Risk att målet missas"] == given("callqueue_miss_probability", "period")
    assert named["Kö – Dag och månad", "Lämnat kön, på vilket sätt"] == given("callqueue_left_total", "outcome")
    assert named["Kö – Dag och månad", "Avvisade, av vilken orsak"] == given("callqueue_refused_total", "reason")
    assert named["Kö – Dag och månad", "Påringningar hos medarbetare"] == set(RingResult)
    assert named["Kö – Dag och månad", "Månadens samtal efter utfall"] == given("callqueue_period_calls", "result")
    assert named["Kö – Live", "Larm om kön över tid"] == set(AlertKind)
    assert named["Kö – Vakta vakten", "Larm om kön per timme"] == set(AlertKind)
    assert named["Kö – Vakta vakten", "Avvisade förfrågningar per timme"] == set(Refused)
    assert named["Kö – Vakta vakten", "Händelser, vad det blev av dem"] >= given("callqueue_events_total", "result")


def test_the_words_are_those_of_the_wallboard():
    live = {panel["title"]: panel for panel in BOARDS["qm-live"]["panels"]}
    (statuses,) = live["Dagsmålet"]["fieldConfig"]["defaults"]["mappings"]
    shown = [statuses["options"][number]["text"].split(" ", 1)[1] for number in "1234"]

    assert shown == [say(f"status.{status}") for status in ("ok", "at_risk", "out_of_reach", "no_data")]
    assert live["Dagsmålet per kö"]["fieldConfig"]["defaults"]["mappings"] == [statuses]
    assert {say("waiting"), say("oldest_wait")} <= set(live)
    states = renamed(live["Medarbetare efter läge"])
    for state in ("available", "busy", "ringing", "wrapup", "paused", "unreachable"):
        assert states[state] == say(state)


def samples() -> list[Any]:
    metrics = Metrics(FakeFigures(exact()), dict.fromkeys(Refused, 0))
    return [sample for family in metrics.registry.collect() for sample in family.samples]


def test_boards_and_rules_ask_only_for_what_exists():
    """A name that nobody gives is an empty panel for ever, and an alert that never comes."""
    given = {sample.name for sample in samples()}
    rules = [rule for file in RULES for group in read(file)["groups"] for rule in group["rules"]]
    given |= {rule["record"] for rule in rules if "record" in rule}
    given |= {"up", "ALERTS", "scrape_duration_seconds", "scrape_samples_scraped"}
    asked = [one.expr for board in BOARDS.values() for one in questions(board)]
    asked += [one.series for board in BOARDS.values() for one in choices(board)]
    asked += [rule["expr"] for rule in rules]
    name = re.compile(r"\b(?:\w+:)?callqueue_\w+(?::\w+)?|\bup\b(?=\{)|\bscrape_\w+|\bALERTS\w*")

    wanted = {found for expr in asked for found in name.findall(re.sub(r"\"[^\"]*\"", "", expr))}
    assert wanted <= given, wanted - given


def test_everything_but_the_limit_and_the_time_zone_that_the_monitor_gives_is_on_some_board():
    given = {sample.name for sample in samples()}
    asked = " ".join(one.expr for board in BOARDS.values() for one in questions(board))
    shown = {name for name in given if re.search(rf"\b{name}\b", asked)}

    assert given - shown <= {"callqueue_target_limit_seconds", "callqueue_utc_offset_seconds"}
