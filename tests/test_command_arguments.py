"""An argument that cannot be meant is refused in one sentence that names it, and never taken for another."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from queue_monitor.__main__ import main
from queue_monitor.commands.exits import WRONG
from tests.reports import autumn

SETTINGS: Final = """
[[sources]]
name = "sim"
kind = "simulator"
"""


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a refused command says last on the error output."""
    try:
        code: object = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == WRONG
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rebuild", "--from", "2026-13-01"], '--from: "2026-13-01" is no date; write it as 2026-03-31'),
        (["verify", "--from", ""], '--from: "" is no date; write it as 2026-03-31'),
        (["rebuild", "--from", "2098-01-01"], "--from: 2098-01-01 is a day to come"),
        (["verify", "--from", "2098-01-01"], "--from: 2098-01-01 is a day to come"),
        (["simulate", "--date", "2026-02-30"], '--date: "2026-02-30" is no date; write it as 2026-03-31'),
        (["simulate", "--seed", "-1"], "--seed: must be 0 or more"),
        (["simulate", "--seed", "x"], '--seed: "x" is no whole number'),
        (["simulate", "--days", "0"], "--days: must be 1 or more"),
        (["backtest", "x.csv", "--train-until", "igår"], '--train-until: "igår" is no date; write it as 2026-03-31'),
        (["backtest", "x.csv", "--limit", "5 min"], '--limit: "5 min" is no whole number'),
        (["backtest", "x.csv", "--target", "0,9"], '--target: "0,9" is no number'),
        (["replay", "http:x", "--until", "12.00"], '--until: "12.00" is no time; write it as 2026-11-23T12:08:00Z'),
        (["run", "--speed", "snabbt"], '--speed: "snabbt" is no number'),
        (["run", "--speed", "inf"], "--speed: must be above 0"),
        (["report", "--period", "2026-10", "--queue", ""], "--queue: must not be empty"),
        (["report", "--period", "2026-10", "--pool", " "], "--pool: must not be empty"),
        (["report", "--period", "2026-10", "--out", ""], "--out: must not be empty"),
        (["report", "--period", "2026-10", "--version", "0"], "--version: must be 1 or more"),
        (["restore", ""], "FILE: must not be empty"),
        (["backup", ""], "FILE: must not be empty"),
    ],
)
def test_an_argument_of_the_wrong_form_is_told_by_its_name(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    """Somebody who writes a wrong date, number or an empty name is told which one and how it is written."""
    assert told(arguments, capsys).endswith(words)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings of a store that has October."""
    asyncio.run(autumn.put(tmp_path))
    path = tmp_path / "monitor.toml"
    own = f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\nagent_key = "{tmp_path}/agent.key"\n'
    path.write_text(own + SETTINGS)
    return path


def test_a_version_of_a_report_that_is_not_there_is_told_as_such(settings: Path, capsys: pytest.CaptureFixture[str]):
    """Somebody who asks for a version that was never sealed is told that it is the version."""
    asked = ["report", "--period", "2026-10", "--config", str(settings), "--version", "9"]
    assert "queue-monitor: --version: " in told(asked, capsys)


def test_a_report_for_which_the_disk_has_no_room_names_the_file(settings: Path, capsys: pytest.CaptureFixture[str]):
    """Somebody whose disk is full is told which file could not be written."""
    asked = ["report", "--period", "2026-10", "--config", str(settings), "--out", "/dev/full"]
    assert told(asked, capsys) == "queue-monitor: /dev/full: No space left on device"


def test_a_test_alarm_without_a_channel_says_where_channels_are_written(
    settings: Path, capsys: pytest.CaptureFixture[str]
):
    """Somebody who has set no channel is told that there is none to test."""
    words = told(["test-alarm", "--config", str(settings)], capsys)
    assert words.endswith("alerts.channels: no channel; expected one in [[alerts.channels]]")


def test_a_monitor_that_does_not_answer_is_told_in_plain_words(settings: Path, capsys: pytest.CaptureFixture[str]):
    """Somebody who asks after a monitor that does not run reads no error of Python's."""
    assert main(["healthcheck", "--config", str(settings), "--url", "http://127.0.0.1:9/healthz"]) == 1
    assert capsys.readouterr().err.strip() == "not well: http://127.0.0.1:9/healthz: Connection refused"
