"""The shipped Prometheus files, held by promtool; and what a promtool test cannot see."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of uvicorn[standard]

from queue_monitor.api.guard.limits import Refused
from queue_monitor.metrics import Metrics
from tests.api.sample import FakeFigures
from tests.grafana.boards import FOLDER
from tests.grafana.exact import exact
from tests.grafana.prometheus import SETTINGS, promtool, quickened

RULES = sorted((SETTINGS / "rules").glob("*.yml"))
STORIES = sorted((SETTINGS / "tests").glob("*.yml"))


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def alerts() -> list[dict[str, Any]]:
    return [rule for file in RULES for group in read(file)["groups"] for rule in group["rules"] if "alert" in rule]


def test_promtool_finds_nothing_wrong_with_config_and_rules():
    checked = promtool("check", "config", "prometheus.yml")
    said = (checked.stdout + checked.stderr).decode()

    assert checked.returncode == 0, said
    assert f"{len(RULES)} rule files found" in said
    assert "FAILED" not in said


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_every_rule_does_what_its_story_says(file: Path):
    told = promtool("test", "rules", f"tests/{file.name}")

    assert told.returncode == 0, (told.stdout + told.stderr).decode()


def test_a_story_that_is_not_true_fails(tmp_path: Path):
    """Or promtool's word would be worth nothing."""
    quickened(tmp_path / "prometheus", ["127.0.0.1:1"])
    stories = read(SETTINGS / "tests" / "dead-man.yml")
    of_it = [told for told in stories["tests"] if fires(told, "CallQueueMonitorDown")]
    alone = tmp_path / "prometheus" / "tests" / "alone.yml"
    alone.write_text(yaml.safe_dump(stories | {"tests": of_it[:1]}), encoding="utf-8")
    told = promtool("test", "rules", f"tests/{alone.name}", folder=tmp_path / "prometheus")

    assert told.returncode != 0
    assert b"CallQueueMonitorDown" in told.stdout + told.stderr


def fires(story: dict[str, Any], alert: str) -> bool:
    """Return whether the story expects that alert."""
    return any(case["alertname"] == alert and case["exp_alerts"] for case in story.get("alert_rule_test", ()))


def test_every_rule_has_a_story_in_which_it_fires():
    told = [case for file in STORIES for story in read(file)["tests"] for case in story.get("alert_rule_test", ())]
    fired = {case["alertname"] for case in told if case["exp_alerts"]}
    asked = {
        word
        for file in STORIES
        for story in read(file)["tests"]
        for case in story.get("promql_expr_test", ())
        if case["exp_samples"]
        for word in re.findall(r"[\w:]+", case["expr"])
    }
    recorded = {
        rule["record"]
        for file in RULES
        for group in read(file)["groups"]
        for rule in group["rules"]
        if "record" in rule
    }

    assert {alert["alert"] for alert in alerts()} == fired
    assert recorded <= asked


def test_every_alert_says_how_bad_it_is_in_swedish_and_in_english():
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning", "none"}, alert["alert"]
        assert set(alert["annotations"]) == {"summary_sv", "description_sv", "summary", "description"}, alert["alert"]
        assert all(len(text) > 10 for text in alert["annotations"].values()), alert["alert"]


def test_the_scrape_config_finds_a_monitor_where_make_run_starts_it():
    (job,) = read(SETTINGS / "prometheus.yml")["scrape_configs"]

    assert job["job_name"] == "queue-monitor"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8080"]}]


def test_grafana_is_told_where_the_boards_and_the_figures_are():
    (source,) = read(FOLDER / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    (provider,) = read(FOLDER / "provisioning" / "dashboards" / "queue-monitor.yml")["providers"]

    assert (source["type"], source["access"], source["uid"]) == ("prometheus", "proxy", "queue-monitor-prometheus")
    assert source["jsonData"]["timeInterval"] == read(SETTINGS / "prometheus.yml")["global"]["scrape_interval"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"] in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_promtool_finds_nothing_wrong_with_what_the_boards_are_drawn_from():
    checked = promtool("check", "metrics", stdin=Metrics(FakeFigures(exact()), dict.fromkeys(Refused, 0)).render()[0])

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
