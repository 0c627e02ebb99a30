"""A stranger answers a few questions, or names the answers, and has an installation that its own checks accept."""

import io
import os
import re
import stat
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from queue_monitor import config, texts
from queue_monitor.__main__ import main
from queue_monitor.api.guard.access import digest
from queue_monitor.app import checks, registry
from queue_monitor.config import Config
from queue_monitor.config.explained import explained
from queue_monitor.model import Role
from queue_monitor.setup.answers import Answers, Unclear, hours, server
from queue_monitor.setup.command import kind_of
from queue_monitor.setup.source import toml
from tests.test_service import running

ROOT = Path(__file__).parent.parent
KINDS = registry.adapter_kinds()
TOKEN = re.compile(r"shown this once: (\S+)")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at first use


def made(folder: Path, *flags: str) -> int:
    return main(["init", str(folder), "--yes", *flags])


def understood(folder: Path) -> Config:
    path = folder / "queue-monitor.toml"
    return config.load(path, config.with_secrets(path, {}), registry.settings_of, KINDS)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_answer_only_what_was_not_answered_is_to_be_filled_in(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert made(tmp_path, "--switchboard", kind) == 0
    still = re.findall(r"^  (sources\[0\]\.\w+)", capsys.readouterr().out, re.MULTILINE)
    code = main(["check-config", str(tmp_path / "queue-monitor.toml")])
    said = capsys.readouterr().out

    assert code == 0
    assert [key for key in still if key not in said] in ([], ["sources[0].pilots"])
    assert ("NOT READY TO RUN" in said) == bool(set(still) - {"sources[0].pilots"})


def test_each_kind_that_is_kept_has_the_months_of_the_sample(tmp_path: Path):
    made(tmp_path, "--switchboard", "simulator")
    sample = tomllib.loads((ROOT / "deploy" / "queue-monitor.toml").read_text(encoding="utf-8"))["retention"]
    retention = understood(tmp_path).retention

    assert {kind: getattr(retention, kind).months for kind in retention.__struct_fields__} == {
        kind: kept["months"] for kind, kept in sample.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_with_every_answer_the_settings_are_those_of_the_kind(kind: str, tmp_path: Path):
    typed = {"tls": "true", "pilots": "7100=kundcenter, 7200=bygglov"}
    example = kind_of(kind).example
    flags = [
        f"--set={key}={typed.get(key, 'x' * 40 if key == 'secrets' else _typed(value))}"
        for key, value in example.items()
    ]
    assert made(tmp_path, "--switchboard", kind, "--for", "none", *flags) == 0
    (source,) = understood(tmp_path).sources

    assert source.kind == kind
    for key in example:
        assert getattr(source.settings, key), key
    if kind == "csta3":
        assert source.settings.pilots == {"7100": "kundcenter", "7200": "bygglov"}  # type: ignore[attr-defined]


def _typed(value: Any) -> str:
    return str(value).removeprefix("env:") if not isinstance(value, list | dict) else "x"


@pytest.mark.parametrize("kind", KINDS)
def test_every_question_is_explained_and_every_setting_named_in_the_docstring(kind: str):
    asked = kind_of(kind)

    assert all(asked.questions.values()), asked.questions
    assert [name for name, text in explained(asked.settings).items() if not text] == []


def test_a_store_in_postgresql_gets_no_backup_that_only_sqlite_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert made(tmp_path / "pg", "--set=secret=x", "--store", "postgresql://kc:x@db.example/kc") == 0
    said = capsys.readouterr().out
    assert made(tmp_path / "file", "--set=secret=x") == 0
    other = capsys.readouterr().out

    assert list((tmp_path / "pg").glob("*backup*")) == []
    assert "pg_dump" in said and "timer" not in said
    assert len(list((tmp_path / "file").glob("*backup*"))) == 2
    assert "enable --now queue-monitor queue-monitor-backup.timer" in other


def test_secrets_lie_in_a_file_of_their_own_and_the_token_is_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = "postgresql://kc:l%C3%B6sen-1@db.example/kc"
    mail = (
        "--mail-to",
        "lead@example.se",
        "--mail-server",
        "smtp.example.se:465",
        "--mail-user",
        "u",
        "--mail-password",
    )
    assert made(tmp_path, "--set=secret=mycket hemligt", "--store", url, *mail, "p@ss/ord") == 0
    said = capsys.readouterr().out
    written = (tmp_path / "queue-monitor.toml").read_text(encoding="utf-8")
    read, token = understood(tmp_path), TOKEN.search(said)
    (channel,) = read.alerts.channels

    assert token is not None
    assert [(one.role, one.token_sha256) for one in read.access] == [(Role.LEAD, digest(token[1]))]
    for secret in ("mycket hemligt", "sen-1", "p%40ss", token[1]):
        assert secret not in written
    assert read.sources[0].settings.secret == "mycket hemligt"  # type: ignore[attr-defined]
    assert read.store.url == url
    assert str(channel.url) == (
        "mailtos://u:p%40ss%2Ford@smtp.example.se:465?from=queue-monitor@example.se&to=lead@example.se&mode=ssl"
    )
    assert checks.mistakes_at_start(read) == []
    assert (mode(tmp_path / "secrets.env"), mode(tmp_path / "queue-monitor.toml")) == (0o600, 0o600)


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "secrets.env").write_text("mine")

    assert made(tmp_path) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.env"]
    assert "exists already; nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--hours", "17-8"], "hours: '17-8'; expected two times of one day"),
        (["--mail-to", "lead"], "mail address: 'lead'; expected one such as"),
        (["--mail-server", "smtp example"], "mail server: 'smtp example'"),
        (["--set", "host"], "--set host: expected KEY=VALUE"),
        (["--set", "hots=x"], "hots: asterisk_ami has no such setting; it has host, port"),
        (["--set", "port=x"], "port: 'x'"),
        (["--switchboard", "csta3", "--set", "pilots=7100"], "pilots: '7100'; expected a table"),
        (
            ["--switchboard", "snapshot_poll", "--set", "preset=x", "--set=url=http://a/", "--set=token=x"],
            "preset must be one of",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_is_named_and_nothing_is_written(
    flags: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert made(tmp_path / "new", *flags) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_program_asks_takes_answers_and_asks_again_for_one_that_it_cannot_read(tmp_path: Path):
    """Somebody who gives an answer that cannot be used is asked for it again, and keeps the others."""
    answers = [
        "L" * 201,
        "Luleå kommun",
        "asterisk",
        "asterisk_ami",
        "192.0.2.9",
        "",
        "sesam",
        "växel, bygglov",
        "sent",
        "8:00-16:30",
    ]
    answers += ["", "", "none"]
    command = [sys.executable, "-m", "queue_monitor", "init", str(tmp_path)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    asked = subprocess.run(command, input="\n".join(answers) + "\n", capture_output=True, text=True, env=environ)
    read = understood(tmp_path)

    assert asked.returncode == 0, asked.stderr
    assert "'asterisk'; expected one of asterisk_ami" in asked.stdout and "hours: 'sent'" in asked.stdout
    assert "expected text on one line of at most 200 characters" in asked.stdout
    assert (read.organisation.name, list(read.queues)) == ("Luleå kommun", ["växel", "bygglov"])
    assert read.sources[0].settings.host == "192.0.2.9"  # type: ignore[attr-defined]
    assert f"{read.hours.weekdays[0].close:%H:%M}" == "16:30"


def test_a_setting_of_a_switchboard_is_asked_for_until_it_can_be_read(tmp_path: Path):
    """Somebody who writes a list without names is asked again at once, and not turned away after the last question."""
    questions = kind_of("csta3").questions
    answers = ["Luleå kommun", "csta3"]
    for key in questions:
        answers += ["7100", "7100=kundcenter"] if key == "pilots" else [""]
    answers += ["", "", "", "", "none"]
    command = [sys.executable, "-m", "queue_monitor", "init", str(tmp_path)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    asked = subprocess.run(command, input="\n".join(answers) + "\n", capture_output=True, text=True, env=environ)

    assert asked.returncode == 0, asked.stderr
    assert "pilots: '7100'; expected a table" in asked.stdout
    assert (tmp_path / "queue-monitor.toml").exists()


def test_a_folder_that_is_taken_is_told_before_anything_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Somebody who names a file, or a folder that has settings, is not asked ten questions first."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "queue-monitor.toml").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, words in (("here", "exists already; nothing was written"), ("file", "is no folder; name the one to")):
        assert main(["init", str(tmp_path / name)]) == 2
        told = capsys.readouterr()
        assert words in told.err and not told.out


def test_where_nobody_answers_it_ends_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for closed in (io.StringIO(""), None):
        monkeypatch.setattr("sys.stdin", closed)

        assert main(["init", str(tmp_path)]) == 2
        assert "say --yes" in capsys.readouterr().err


def test_what_init_has_made_runs_and_the_token_lets_the_lead_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert made(tmp_path, "--switchboard", "simulator", "--for", "none") == 0
    token = TOKEN.search(capsys.readouterr().out)
    assert token is not None
    with running(tmp_path, "--config", str(tmp_path / "queue-monitor.toml")) as monitor:
        request = urllib.request.Request(f"{monitor.address}api/v1/status")
        request.add_header("Authorization", f"Bearer {token[1]}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            code = answer.status

    assert code == 200


def test_the_units_are_those_that_are_shipped_with_this_folder_and_this_program(tmp_path: Path):
    assert made(tmp_path, "--set=secret=x") == 0
    for name in ("queue-monitor.service", "queue-monitor-backup.service", "queue-monitor-backup.timer"):
        shipped = (ROOT / "deploy" / name).read_text(encoding="utf-8").splitlines()
        written = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        other = [line for line in written if line not in shipped]

        assert {line.partition("=")[0] for line in other} <= {"LoadCredential", "EnvironmentFile", "ExecStart"}
        assert all(str(tmp_path) in line or line.startswith("ExecStart=/") for line in other)
        assert len([line for line in shipped if line.startswith(("[", "Protect", "Restrict"))]) == len(
            [line for line in written if line.startswith(("[", "Protect", "Restrict"))]
        )


def test_a_container_can_read_the_settings_and_gets_the_secrets_as_variables(tmp_path: Path):
    assert made(tmp_path, "--for", "compose", "--set=secret=x") == 0
    compose = (tmp_path / "compose.yaml").read_text(encoding="utf-8")

    assert mode(tmp_path / "queue-monitor.toml") == 0o644
    assert mode(tmp_path / "secrets.env") == 0o600
    assert "env_file: [secrets.env]" in compose and "read_only: true" in compose


def test_opening_hours_and_servers_are_read_as_people_write_them():
    assert [f"{at:%H.%M}" for at in hours("8.00 – 16:30")] == ["08.00", "16.30"]
    assert [f"{at:%H.%M}" for at in hours("8-17")] == ["08.00", "17.00"]
    assert hours("8-24") == hours("08:00-24:00")
    assert server("smtp.example.se") == "smtp.example.se"
    for wrong in ("17:00-08:00", "8", "25:00-26:00", "8-25", "24-24"):
        with pytest.raises(Unclear):
            hours(wrong)


def test_values_are_written_as_toml_reads_them():
    assert toml({"7100": 'kund "c"', "å b": [1, True]}) == '{ 7100 = "kund \\"c\\"", "å b" = [1, true] }'
    with pytest.raises(TypeError):
        toml(object())


def test_mail_over_port_25_is_not_encrypted_and_without_a_server_it_is_filled_in_later(tmp_path: Path):
    plain = Answers(folder=tmp_path, mail_to="a@b.se", mail_server="relay.b.se:25")
    later = Answers(folder=tmp_path, mail_to="a@b.se")

    assert plain.mail_url == "mailto://relay.b.se:25?from=queue-monitor@b.se&to=a@b.se"
    assert later.mail_url == ""
    assert made(tmp_path, "--set=secret=x", "--mail-to", "a@b.se") == 0
    with pytest.raises(config.ConfigError) as caught:
        understood(tmp_path)
    assert [mistake.to_fill_in for mistake in caught.value.mistakes] == [True]


@pytest.mark.parametrize("store", ["mysql://u:hemligt@db/kc", "sqlite://en/fil.db", "kc.db", "postgresql://u@x@db/kc"])
def test_a_store_that_cannot_be_used_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], store: str
):
    assert made(tmp_path, "--store", store) == 2
    said = capsys.readouterr().err
    assert said.startswith("queue-monitor init: store: ")
    assert "expected sqlite, or " in said
    assert "hemligt" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_init_did_not_leave_open_is_no_longer_to_be_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert made(tmp_path) == 0
    settings = tmp_path / "queue-monitor.toml"
    assert main(["check-config", str(settings)]) == 0
    settings.write_text(settings.read_text(encoding="utf-8").replace("env:AMI_SECRET", "env:OTHER"), encoding="utf-8")

    assert main(["check-config", str(settings)]) == 2
    assert (
        "the environment variable OTHER to be set, or OTHER=… in secrets.env beside the settings"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_can_be_set(kind: str):
    described = kind_of(kind)
    values = {
        key: "x" * 40 if isinstance(value, str) and value.startswith("env:") else value
        for key, value in described.example.items()
    }
    values |= {"secrets": ["x" * 40]} if "secrets" in values else {}

    assert msgspec.convert(values, described.settings)


def test_the_languages_are_those_of_the_pages():
    with pytest.raises(SystemExit):
        main(["init", "--language", "de", "--yes"])
    assert texts.LANGUAGES == ("sv", "en")
