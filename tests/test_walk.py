"""Every command in the documents can be given; those of the first afternoon are given, in their order, and work."""

import io
import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from queue_monitor import config, texts
from queue_monitor.__main__ import main, parser_for
from queue_monitor.app import registry
from tests.adapters.broker import free_port
from tests.alerts.receivers import MailSink, mail_sink
from tests.api.centre import SETTINGS, centre
from tests.asterisk import switch
from tests.commands import OURS, ROOT, TOOLS, Command, blocks, commands, documents
from tests.patience import PATIENCE

STARTED: Final = ROOT / "docs" / "getting-started.md"
CONNECT: Final = ROOT / "docs" / "connect"
EVERY = [command for document in documents() for command in commands(document)]
KINDS = registry.adapter_kinds()


def arguments_of(command: Command) -> list[str] | None:
    """Return what is said to our own program; None for another's."""
    words = command.words
    if command.name == "queue-monitor":
        return words[1:]
    return words[3:] if words[1:3] == ["-m", "queue_monitor"] else None


@pytest.mark.parametrize("command", EVERY, ids=lambda command: f"{command.where} {command.name}")
def test_every_command_in_the_documents_is_one_that_there_is(command: Command):
    arguments = arguments_of(command)
    if arguments is not None:
        if arguments != ["--version"]:  # answered while it is parsed, by SystemExit
            parser_for(arguments).parse_args(arguments)  # SystemExit where it does not parse
    elif command.name == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert {word for word in command.words[1:] if "=" not in word} <= set(targets)
    else:
        assert command.name in TOOLS, f"{command.written}: a command that no test knows"
    for word in command.words:
        if re.match(r"(deploy|requirements|grafana|docs)/", word):
            assert list(ROOT.glob(word)), f"{word} is not in the repository"


def test_the_documents_name_most_commands_of_the_program():
    named = {(arguments_of(command) or [""])[0] for command in EVERY}

    assert {"init", "doctor", "check-config", "token", "test-alarm", "backup", "restore", "verify", "privacy"} <= named
    assert len([command for command in EVERY if command.name in OURS]) > 20


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_piece_of_settings_in_the_documents_is_toml(document: Path):
    for block in blocks(document, "toml"):
        tomllib.loads(block.text)


def test_every_address_that_the_documents_name_is_one_of_the_program(tmp_path: Path):
    settings = SETTINGS + "\n[http]\npublic = true\n"
    with centre(tmp_path, settings) as told, urllib.request.urlopen(f"{told.address}/openapi.json") as answer:
        served = {re.sub(r"\{[^}]+\}", "X", path) for path in json.load(answer)["paths"]}
    named = {
        address
        for document in documents()
        for address in re.findall(r"(?<![\w.])/api/v1/[a-z][\w/-]*", document.read_text(encoding="utf-8"))
    }
    known = {re.sub(r"/[A-Z]+", "/X", address).rstrip("/") for address in named}

    assert len(known) > 8
    assert known - served == set()


# ---- the pages of the kinds


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_page_with_settings_that_are_understood(kind: str, tmp_path: Path):
    page = CONNECT / f"{kind}.md"
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    (written,) = (block.text for block in blocks(page, "toml"))
    file = tmp_path / "queue-monitor.toml"
    file.write_text(written, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"env:(\w+)", written), "x" * 40)
    (source,) = config.load(file, environ, registry.settings_of, KINDS).sources

    assert headings == ["Ask", "Settings", "What it can and cannot know", "Versions tried"]
    assert source.kind == kind
    assert f"({kind}.md)" in (CONNECT / "README.md").read_text(encoding="utf-8")


def lines_by_section(text: str) -> dict[str, set[str]]:
    """The lines of an Asterisk configuration under each heading, without remarks and spaces."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in text.splitlines():
        plain = line.partition(";")[0].replace(" ", "").strip()
        if plain.startswith("["):
            section = plain.strip("[]")
        elif plain:
            found.setdefault(section, set()).add(plain)
    return found


@pytest.mark.parametrize("page", ["asterisk_ami", "asterisk_queuelog"])
def test_every_line_of_asterisk_s_configuration_is_one_that_a_real_asterisk_runs_with(page: str):
    (block,) = blocks(CONNECT / f"{page}.md", "ini")
    name = block.text.splitlines()[0].removeprefix("; ")
    run = lines_by_section(switch._FILES[name])
    for account, (read, write) in switch.USERS.items():
        run[account] = {f"read={read}", f"write={write}"}
    shown = lines_by_section(block.text)

    assert shown
    assert {line for section, lines in shown.items() for line in lines - run.get(section, set())} == set()


@pytest.mark.parametrize("page", ["tavlan.md", "teamledaren.md"])
def test_every_word_that_a_page_for_the_room_quotes_is_on_the_screens(page: str):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    quoted = {*re.findall(r"\*([^*\n]+)\*", text), *re.findall(r"^\| ([A-ZÅÄÖ][^|]+?) \|", text, re.MULTILINE)}
    said = " ".join(texts.words("sv").values()).replace("{limit}", "5 min")

    assert len(quoted) > 10
    assert {words for each in quoted for words in each.split(", ") if words not in said} == set()


# ---- the first afternoon


class Afternoon:
    """A machine of the test's own: the paths of the page lie in its folder."""

    def __init__(self, folder: Path, sink: MailSink, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.port = free_port()
        self._sink = sink
        self._patch = patch
        (folder / "srv").mkdir()

    def here(self, written: str) -> str:
        for path in ("/etc/queue-monitor", "/srv", "/var/lib/queue-monitor"):
            written = re.sub(rf"(?<![\w.]){path}\b", f"{self.folder}{path}", written)
        return written

    def give(self, written: str) -> int:
        """Give one command as it stands in the page: our own to this program, others to a shell."""
        words = shlex.split(self.here(written))
        if words[0] != "queue-monitor":
            return subprocess.run(["sh", "-c", self.here(written)], check=False).returncode
        self._patch.setattr("sys.stdin", io.StringIO("\n".join([*ANSWERS, "", "", ""])))
        return main([found for word in words[1:] for found in _expanded(word)])

    def move_in(self) -> None:
        """The settings that were made name this machine's own folders and a port that others use."""
        made = self.folder / "etc" / "queue-monitor"
        settings, secrets = made / "queue-monitor.toml", made / "secrets.env"
        text = settings.read_text(encoding="utf-8").replace("port = 8080", f"port = {self.port}")
        settings.write_text(re.sub(r"(?<![\w.])/var/lib/queue-monitor", f"{self.folder}/var/lib/queue-monitor", text))
        kept = re.sub(r"MAIL_URL=.*", f"MAIL_URL='{self._sink.url}'", secrets.read_text(encoding="utf-8"))
        secrets.write_text(kept, encoding="utf-8")

    def start(self, written: str) -> subprocess.Popen[bytes]:
        """Run the monitor, as a process; returns when it has calls in its store."""
        words = shlex.split(self.here(written))
        command = [sys.executable, "-m", "queue_monitor", *words[1:]]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/static/wallboard.css", timeout=5).close()
                return process
            except OSError:
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.05)


def _expanded(word: str) -> list[str]:
    """The files that a word with a star stands for, as a shell gives them."""
    return sorted(map(str, Path("/").glob(word.lstrip("/")))) if word.startswith("/") and "*" in word else [word]


ANSWERS: Final = ("Luleå kommun", "simulator", "kundcenter", "8:00-17:00", "lead@example.se", "smtp.example.se:587")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at its first use
def test_the_first_afternoon_from_questions_to_a_restored_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with mail_sink() as sink:
        said = _walked(Afternoon(tmp_path, sink, monkeypatch), capsys)

    assert [one for one in said if one[1] != 0] == []
    assert len(said) == 16
    assert sink.mails, "the test alarm arrived"
    assert "put back in" in next(out for written, _, out in said if " restore " in written)
    assert "no difference" in next(
        out for written, _, out in said if written.startswith("queue-monitor verify --config /srv/")
    )


def _walked(machine: Afternoon, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int, str]]:
    """Go through the page; returns each command that was given, its exit status and what it said."""
    said: list[tuple[str, int, str]] = []
    monitor: subprocess.Popen[bytes] | None = None
    try:
        for command in commands(STARTED):
            written = command.written
            if written.startswith("systemctl start queue-monitor-backup"):
                written = "queue-monitor backup --config /etc/queue-monitor/queue-monitor.toml"  # what the unit does
            elif command.words[:2] == ["queue-monitor", "run"]:
                monitor = machine.start(written)
                continue
            elif "--yes" in command.words:
                written = written.replace("/etc/queue-monitor", str(machine.folder / "scripted"))
            elif command.name not in ("queue-monitor", "mkdir", "sed") and "secrets.env" not in written:
                continue
            code = machine.give(written)
            said.append((written, code, capsys.readouterr().out))
            if command.words[:2] == ["queue-monitor", "init"] and "--yes" not in command.words:
                machine.move_in()
    finally:
        if monitor is not None:
            monitor.terminate()
            monitor.wait(PATIENCE)
    return said
