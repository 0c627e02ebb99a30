"""The whole program as a process: started, looked at over the network, stopped, killed, started again."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.__main__ import main
from tests.adapters.broker import free_port
from tests.forked import Process
from tests.patience import PATIENCE

FORKED = "forked"
ANEW = "anew"


class Monitor:
    """A running `queue-monitor run`, or another command that serves, on a free port and its own journal.

    `start`: `FORKED` need not import the program first, which is half of a start; `ANEW` does it, as a user does.
    """

    def __init__(
        self, folder: Path, *arguments: str, command: str = "run", start: str = FORKED, **settings: str
    ) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("QUEUE_MONITOR_")}
        environ |= {
            "QUEUE_MONITOR_HTTP__PORT": "0",
            "QUEUE_MONITOR_STORE__URL": f"sqlite:///{folder / 'journal.db'}",
            "QUEUE_MONITOR_STORE__SPILL": str(folder / "spill.jsonl"),
            "QUEUE_MONITOR_HTTP__TOKEN_FILE": str(folder / "tokens.json"),
            "PYTHONUNBUFFERED": "1",
        }
        self.log = folder / "log.txt"
        self.process: Process | subprocess.Popen[str]
        with self.log.open("ab") as log:
            if start == FORKED:
                self.process = Process(
                    "queue_monitor", command, *arguments, env=environ | settings, stderr=log.fileno()
                )
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "queue_monitor", command, *arguments],
                    env=environ | settings,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        self.address = self._address()

    def _address(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Wallboard:"), f"{line!r}; {self.log.read_text()}"
        return line.split()[1]

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("api/v1/status")[1])
        return found

    def wait_for(self, what: str) -> dict[str, Any]:
        """The first status in which today's calls of that kind are some, and all that it shows is in the journal."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            status = self.status()
            if status["total"]["periods"]["day"][what] and not status["journal"]["pending"]:
                return status
            time.sleep(0.05)
        raise AssertionError(f"no {what} in time; {self.log.read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        return code


@contextmanager
def running(
    folder: Path, *arguments: str, command: str = "run", start: str = FORKED, **settings: str
) -> Iterator[Monitor]:
    monitor = Monitor(folder, *arguments, command=command, start=start, **settings)
    try:
        yield monitor
    finally:
        if monitor.process.poll() is None:
            monitor.stop(signal.SIGKILL)


def test_a_file_that_cannot_be_written_is_named_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--out", "/nope/day.jsonl"]) == 2

    assert capsys.readouterr().err == "queue-monitor: /nope/day.jsonl: No such file or directory\n"


def test_one_command_and_the_board_is_alive_on_a_simulated_day(tmp_path: Path):
    with running(tmp_path, start=ANEW) as monitor:
        status = monitor.wait_for("answered")
        pages = {path: monitor.get(path) for path in ("", "metrics", "docs", "healthz", "openapi.json")}

        assert status["total"]["periods"]["day"]["entered"] > 20
        assert {code for code, _ in pages.values()} == {200}
        assert 'callqueue_answered_total{queue="kundcenter"}' in pages["metrics"][1]
        assert "<html" in pages[""][1]
        assert monitor.stop() == 0
        assert (tmp_path / "journal.db").exists()


def test_killed_and_started_again_it_has_lost_and_doubled_nothing(tmp_path: Path):
    """The simulated day of one seed is the same each time, so a killed run's figures must come back and go on.

    The live figures are ahead of the journal for some milliseconds: only what was committed is promised.
    """
    with running(tmp_path, "--speed", "60") as monitor:
        before = monitor.wait_for("answered")["total"]["periods"]["day"]
        monitor.stop(signal.SIGKILL)
    with running(tmp_path, "--speed", "60") as again:
        after = again.wait_for("answered")
        day = after["total"]["periods"]["day"]

        assert day["entered"] >= before["entered"]
        assert day["answered"] >= before["answered"]
        assert after["journal"]["up"]
        again.stop()


def test_the_health_check_knows_a_running_monitor_from_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with running(tmp_path) as monitor:
        asked = (main(["healthcheck", "--url", monitor.address + "healthz"]) for _ in range(10))
        assert 0 in asked  # a busy machine may need more than one try
        monitor.stop()
        assert main(["healthcheck", "--url", monitor.address + "healthz"]) == 1
    assert "not well" in capsys.readouterr().err


def test_run_and_the_health_check_find_the_same_settings_where_the_image_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    port = free_port()
    file = tmp_path / "mounted.toml"
    file.write_text(f'[http]\nport = {port}\n[[sources]]\nname = "s"\nkind = "simulator"\n')
    here = {"QUEUE_MONITOR_CONFIG": str(file), "QUEUE_MONITOR_HTTP__PORT": str(port)}
    with running(tmp_path, **here) as monitor:
        monkeypatch.setenv("QUEUE_MONITOR_CONFIG", str(file))
        asked = [main(["healthcheck"]) for _ in range(3)]
        sources = json.loads(monitor.get("api/v1/sources")[1])["sources"]
        monitor.stop()

    assert monitor.address == f"http://127.0.0.1:{port}/"
    assert [source["name"] for source in sources] == ["urn:kc:simulator:s"]
    assert 0 in asked
    assert main(["healthcheck"]) == 1


def test_what_a_monitor_keeps_is_for_its_own_user_alone(tmp_path: Path):
    with running(tmp_path) as monitor:
        monitor.wait_for("answered")
        kept = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.name != "log.txt"}
        monitor.stop()

    assert "journal.db-wal" in kept
    assert set(kept.values()) == {0}


def test_every_mistake_in_the_settings_is_told_at_once_with_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bad.toml"
    file.write_text('[target]\nratio = 9\n\n[[sources]]\nname = "x"\nkind = "asterix_ami"\n\n[http]\nport = "no"\n')

    assert main(["check-config", str(file)]) == 2
    said = capsys.readouterr().err
    assert all(key in said for key in ("target.ratio", "sources[0].kind", "http.port", "3 mistakes"))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at its first use
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[[alerts.channels]]\nname = "t"\nurl = "msteams://a/b/c"\n', "retired"),
        ('[[alerts.channels]]\nname = "m"\nurl = "mailtos://mail.example"\n', "mail needs its addressees"),
        ('[[sources]]\nname = "v"\nkind = "http"\nswitch = "pbx"\nsecrets = ["kort"]\n', "at least 32 characters"),
        (
            '[[sources]]\nname = "m"\nkind = "mqtt"\nswitch = "pbx"\nhost = "h"\ntls = true\n'
            'tls_ca = "/nowhere/ca.pem"\n',
            'sources[0].tls_ca (source "m"): "/nowhere/ca.pem"; expected a certificate',
        ),
    ],
)
def test_what_a_start_could_not_use_is_refused_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, said: str
):
    file = tmp_path / "bad.toml"
    file.write_text(written + ("" if "sources" in written else '[[sources]]\nname = "s"\nkind = "simulator"\n'))

    assert main(["check-config", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_the_untouched_sample_lacks_only_what_is_to_be_filled_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    sample = str(Path(__file__).parents[1] / "deploy" / "queue-monitor.toml")
    monkeypatch.delenv("AMI_SECRET", raising=False)

    assert main(["check-config", sample]) == 0
    said = capsys.readouterr().out
    assert said.startswith("NOT READY TO RUN.")
    assert "to fill in    sources[0].secret" in said
    assert main(["run", "--config", sample]) == 2


@pytest.mark.parametrize("change", [('name = "Lule', 'name = "Pite'), ("env:AMI_SECRET", "env:ANOTHER_SECRET")])
def test_a_changed_sample_that_a_start_would_refuse_is_refused_with_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, change: tuple[str, str]
):
    sample = (Path(__file__).parents[1] / "deploy" / "queue-monitor.toml").read_text(encoding="utf-8")
    monkeypatch.delenv("AMI_SECRET", raising=False)
    file = tmp_path / "mine.toml"
    file.write_text(sample.replace(*change), encoding="utf-8")

    assert main(["check-config", str(file)]) == 2
    said = capsys.readouterr()
    assert main(["run", "--config", str(file)]) == 2
    assert said.out == ""
    assert "_SECRET to be set, or " in said.err
    assert capsys.readouterr().err == said.err


def test_a_copy_of_the_sample_with_other_line_ends_and_remarks_is_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    sample = (Path(__file__).parents[1] / "deploy" / "queue-monitor.toml").read_bytes()
    monkeypatch.delenv("AMI_SECRET", raising=False)
    file = tmp_path / "copy.toml"
    file.write_bytes(b"# copied\r\n" + sample.replace(b"\n", b"\r\n"))

    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out.startswith("NOT READY TO RUN.")


def test_a_store_that_no_start_could_open_is_refused_by_its_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bad.toml"
    file.write_text('[store]\nurl = "mysql://kc:hemligt@db/kc"\n\n[[sources]]\nname = "s"\nkind = "simulator"\n')

    assert main(["check-config", str(file)]) == 2
    said = capsys.readouterr().err
    assert main(["run", "--config", str(file)]) == 2
    assert "store.url: 'mysql' is not a kind of database known here; expected sqlite:///path/to/file.db" in said
    assert "hemligt" not in said
    assert capsys.readouterr().err == said


def test_the_settings_as_understood_can_be_read_back(capsys: pytest.CaptureFixture[str]):
    assert main(["check-config"]) == 0
    said = capsys.readouterr().out

    assert "simulator" in said
    assert "sqlite:///var/demo.db" in said


def test_a_recording_translated_and_replayed_as_events_gives_the_same_visits(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
):
    from tests.truth import RECORDINGS

    sample = str(RECORDINGS / "05-timeout-overflow-to-other-queue.ami")
    assert main(["translate", "asterisk_ami", sample]) == 0
    said = capfdbinary.readouterr()
    events = tmp_path / "events.jsonl"
    events.write_bytes(said.out)
    for kind, path in (("asterisk_ami", sample), ("replay", str(events))):
        assert main(["replay", "--visits", str(tmp_path / f"{kind}.csv"), f"{kind}:{path}"]) == 0

    assert b"rejected: 0" in said.err
    assert (tmp_path / "asterisk_ami.csv").read_bytes() == (tmp_path / "replay.csv").read_bytes()


def test_a_simulated_day_is_the_same_each_time_and_can_be_replayed(tmp_path: Path):
    for name in ("one", "two"):
        assert main(["simulate", "--seed", "3", "--out", str(tmp_path / name)]) == 0
    assert main(["replay", "--status", str(tmp_path / "status.json"), f"replay:{tmp_path / 'one'}"]) == 0

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    day = json.loads((tmp_path / "status.json").read_text())["total"]["periods"]["day"]
    assert day["entered"] > 400


def test_a_replay_may_be_journalled_and_continued_from_there(tmp_path: Path):
    main(["simulate", "--seed", "3", "--out", str(tmp_path / "day")])
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    for out in ("first.csv", "again.csv"):
        assert main(["replay", "--store", url, "--visits", str(tmp_path / out), f"replay:{tmp_path / 'day'}"]) == 0

    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
