"""One monitor a store, and made-up calls never beside real ones: the whole program as processes."""

import asyncio
import os
import signal
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from queue_monitor.__main__ import main
from queue_monitor.commands.exits import BUSY, WRONG
from queue_monitor.runtime.month_keys import MonthKeys
from tests.api.centre import SETTINGS
from tests.forked import Process
from tests.patience import PATIENCE
from tests.test_service import running


def started(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A monitor that is started in that folder, and what it said until it ended by itself."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QUEUE_MONITOR_")}
    environ |= {"QUEUE_MONITOR_HTTP__PORT": "0"}
    said = folder / "said.txt"
    with said.open("wb") as log:
        process = Process(
            "queue_monitor", "run", *arguments, env=environ | environment, cwd=folder, stderr=log.fileno()
        )
        code = process.wait(PATIENCE)
    return subprocess.CompletedProcess(arguments, code, process.communicate()[0], said.read_text(encoding="utf-8"))


def command(folder: Path, *arguments: str, words: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run another command to its end in that folder; in this process, which spares the start of a program."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr("sys.stdin", StringIO(words))
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main(list(arguments))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("stdin", [StringIO(), None])
def test_a_question_that_gets_no_answer_is_a_line_of_its_own(
    tmp_path: Path, stdin: StringIO | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A program that starts it has no terminal, where the line that one types would end that of the question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", stdin)
    code = main(["wipe"])
    said = capsys.readouterr()

    assert code == WRONG
    assert said.out.endswith("Type yes to go on: \n")
    assert said.err == "queue-monitor: nothing was deleted: no answer came; say --yes\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.mark.timeout(360)  # three starts of the program, on a machine that may be busy
def test_a_second_monitor_on_a_store_is_refused_with_a_status_that_is_tried_again(tmp_path: Path, url: str):
    with running(tmp_path, QUEUE_MONITOR_STORE__URL=url) as first:
        first.wait_for("answered")
        second = started(tmp_path, QUEUE_MONITOR_STORE__URL=url)
        rebuild = command(tmp_path, "rebuild", QUEUE_MONITOR_STORE__URL=url)

        assert (second.returncode, rebuild.returncode) == (BUSY, BUSY)
        assert "another" in second.stderr
        assert "Traceback" not in second.stderr + rebuild.stderr
        assert first.stop() == 0


def test_a_killed_monitor_s_store_is_free_at_once(tmp_path: Path, url: str):
    with running(tmp_path, QUEUE_MONITOR_STORE__URL=url) as first:
        first.wait_for("answered")
        first.stop(signal.SIGKILL)
    with running(tmp_path, QUEUE_MONITOR_STORE__URL=url) as second:
        second.wait_for("answered")


def test_the_demo_and_a_config_of_one_s_own_in_the_same_folder_have_stores_of_their_own(tmp_path: Path):
    (tmp_path / "my.toml").write_text(SETTINGS, encoding="utf-8")

    demo = command(tmp_path, "check-config")
    own = command(tmp_path, "check-config", "my.toml")

    assert "sqlite:///var/demo.db" in demo.stdout
    assert "sqlite:///var/queue-monitor.db" in own.stdout


def test_a_real_monitor_refuses_a_store_with_made_up_calls_and_names_the_command_that_empties_it(
    tmp_path: Path, url: str
):
    (tmp_path / "my.toml").write_text(SETTINGS, encoding="utf-8")
    with running(tmp_path, QUEUE_MONITOR_STORE__URL=url) as demo:
        demo.wait_for("answered")
        demo.stop()
    own = ("--config", "my.toml")
    keys = tmp_path / "var" / "number-keys.json"
    made = MonthKeys(keys)
    made.of("2026-11")
    asyncio.run(made.save())

    refused = started(tmp_path, *own, QUEUE_MONITOR_STORE__URL=url)
    asked = command(tmp_path, "wipe", *own, words="no\n", QUEUE_MONITOR_STORE__URL=url)
    kept = keys.exists()
    still = started(tmp_path, *own, QUEUE_MONITOR_STORE__URL=url)
    wiped = command(tmp_path, "wipe", *own, words="yes\n", QUEUE_MONITOR_STORE__URL=url)

    assert (refused.returncode, still.returncode) == (WRONG, WRONG)
    assert "queue-monitor wipe" in refused.stderr
    assert "nothing was deleted" in asked.stderr
    assert wiped.returncode == 0
    assert (kept, keys.exists()) == (True, False)
    with running(tmp_path, "--config", str(tmp_path / "my.toml"), QUEUE_MONITOR_STORE__URL=url) as real:
        assert real.status()["total"]["periods"]["month"]["entered"] == 0
