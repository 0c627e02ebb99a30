"""The person who installs it asks what is wrong, and is told in words, with what to do; nothing is touched."""

import asyncio
import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from queue_monitor import config, doctor, texts
from queue_monitor.__main__ import main
from queue_monitor.app import registry
from queue_monitor.clock import SystemClock
from queue_monitor.config import Config
from queue_monitor.core.sources import Sources
from queue_monitor.doctor import State, access, calendar, finding, heard, keeping, store
from queue_monitor.doctor.finding import Finding, Subject
from queue_monitor.doctor.report import as_text
from queue_monitor.events import SourceConnected, SourceDisconnected
from queue_monitor.store import StoreLook, look_at_server, open_store, owner_of
from tests.adapters import broker as mosquitto
from tests.adapters.broker import free_port
from tests.alerts.receivers import mail_sink
from tests.api.centre import centre, with_tokens
from tests.certificates import self_signed
from tests.scenario import STOCKHOLM
from tests.store.calls import callers

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at first use

ROOM = Path(doctor.__file__).parent
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SIMULATOR = '[[sources]]\nname = "demo"\nkind = "simulator"\n'
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def home(tmp_path: Path) -> str:
    """Name the files of a monitor of the test's own, as lines of the settings."""
    return (
        f'[store]\nurl = "sqlite:///{tmp_path}/q.db"\nspill = "{tmp_path}/s.jsonl"\nagent_key = "{tmp_path}/a.key"\n'
        f'number_keys = "{tmp_path}/n.json"\nbackups = "{tmp_path}/backups"\n'
        f'[http]\nport = {free_port()}\ntoken_file = "{tmp_path}/t.json"\n'
    )


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "queue-monitor.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def read(text: str, folder: Path) -> Config:
    return config.load(written(folder, text), {}, registry.settings_of, registry.adapter_kinds())


def examined(text: str, folder: Path, language: str = "en") -> dict[str, Finding]:
    """Return the findings by key; of several with one key the last."""
    found = asyncio.run(doctor.examine(read(text, folder), folder / "queue-monitor.toml", SystemClock(), language))
    return {finding.key: finding for finding in found.findings}


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


TURNS = 10
"""The turns of a loop by which a connection that was taken in at the last moment is talked to."""


@contextmanager
def answering(talk: Talk) -> Iterator[int]:
    """A switch of the test's own; gives its port."""
    port, stop = Queue[int](), asyncio.Event()

    async def to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def serve() -> None:
        async with await asyncio.start_server(to_the_end, "127.0.0.1", 0) as server:
            port.put(server.sockets[0].getsockname()[1])
            await stop.wait()
            server.close()
            for _ in range(TURNS):
                await SystemClock().sleep(0)
            talking = asyncio.all_tasks() - {asyncio.current_task()}
            for one in talking:  # a connection that is still open when the loop ends is told of in some later test
                one.cancel()
            await asyncio.gather(*talking, return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield port.get(timeout=20)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


# ---- the program


def test_beside_a_running_monitor_the_store_its_owner_and_the_pages_are_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with centre(tmp_path, with_tokens()) as told:
        told.tell(told.enters(1))
        port = told.address.rpartition(":")[2]
        place = {"HTTP__PORT": port, "STORE__URL": f"sqlite:///{tmp_path}/journal.db"}
        place |= {"STORE__SPILL": f"{tmp_path}/spill.jsonl", "HTTP__TOKEN_FILE": f"{tmp_path}/tokens.json"}
        for name, value in place.items():
            monkeypatch.setenv(f"QUEUE_MONITOR_{name}", value)
        (tmp_path / "monitor.toml").chmod(0o600)
        code, report = asked(capsys, "--config", str(tmp_path / "monitor.toml"))
        found = {one["key"]: one for one in report["findings"]}

        assert (found["monitor.running"]["state"], found["store.sound"]["state"]) == ("ok", "ok")
        assert f"process {told.monitor.process.pid} on" in found["store.owned"]["words"]
        assert found["access.tokens"]["words"] == "Nycklar: admin 1, lead 1, metrics 1, status 1, wallboard 1."
        assert "source.comes_to_us" in found
        assert code == 0, [one for one in report["findings"] if one["state"] == "wrong"]
        assert told.tell(told.enters(2)) == 202, "the monitor still writes"


def test_a_source_that_a_running_monitor_has_never_heard_is_told_until_it_has_said_something(tmp_path: Path):
    with centre(tmp_path) as told:
        port, text = told.address.rpartition(":")[2], (tmp_path / "monitor.toml").read_text(encoding="utf-8")
        text += f'[http]\nport = {port}\n[store]\nurl = "sqlite:///{tmp_path}/journal.db"\n'
        text += '[[wallboard.boards]]\nname = "bygg"\nqueues = ["Bygglov"]\n'
        before = examined(text, tmp_path)
        told.tell(told.enters(1))
        after = examined(text, tmp_path)

    assert before["source.unheard"].state is State.WATCH
    assert "queue-monitor rejected" in before["source.unheard"].advice
    assert before["boards.none_seen"].state is State.WATCH
    assert "source.unheard" not in after
    assert after["boards.unseen"].state is State.WATCH
    assert "Bygglov" in after["boards.unseen"].words
    assert after["boards.unseen"].advice.endswith("Kundcenter.")


SENDER = '[[sources]]\nname = "vendor"\nkind = "http"\nswitch = "pbx"\nsecrets = ["' + "0123456789abcdef" * 3 + '"]\n'


@pytest.mark.parametrize(("reason", "key"), [("silent", "source.silent"), ("connection reset", "source.lost")])
def test_a_source_that_a_running_monitor_hears_no_longer_is_wrong(tmp_path: Path, home: str, reason: str, key: str):
    sources, at = Sources(), datetime(2026, 11, 29, 9, 15, tzinfo=UTC)
    source, switch = "urn:kc:http:vendor", "pbx"
    sources.apply(SourceConnected(id="1", source=source, switch=switch, observed_at=at))
    up = asked_of_heard(tmp_path, SENDER + home, sources)
    gone = SourceDisconnected(id="2", source=source, switch=switch, observed_at=at, reason=reason)
    sources.apply(gone)
    down = asked_of_heard(tmp_path, SENDER + home, sources)

    assert [finding.key for finding in up] == ["source.heard"]
    assert [(finding.key, finding.state) for finding in down] == [(key, State.WRONG)]
    assert "2026-11-29 10:15" in down[0].words
    assert down[0].advice


def asked_of_heard(folder: Path, settings: str, sources: Sources) -> list[Finding]:
    look = StoreLook(owner="process 1", sources=sources.written())
    subject = Subject(config=read(settings, folder), path=None, clock=SystemClock(), language="en", store=look)
    return asyncio.run(heard.check(subject))


def test_a_publisher_behind_a_broker_that_was_never_heard_is_named(tmp_path: Path, home: str):
    settings = '[[sources]]\nname = "buss"\nkind = "mqtt"\nsources = ["vaxel", "reserv"]\n'
    at = datetime(2026, 11, 29, 9, 15, tzinfo=UTC)
    sources = Sources()
    sources.apply(SourceConnected(source="urn:kc:switch:vaxel", switch="vaxel", id="1", observed_at=at))
    found = asked_of_heard(tmp_path, settings + home, sources)

    assert [(one.key, "reserv" in one.words) for one in found] == [("source.unheard", True), ("source.heard", False)]


def test_while_no_monitor_runs_the_store_is_read_and_nothing_is_written(tmp_path: Path, home: str):
    async def fill() -> None:
        opened = await open_store(f"sqlite:///{tmp_path}/q.db")
        await opened.append(callers(range(5)), NOW)
        await opened.close()

    asyncio.run(fill())
    written(tmp_path, SIMULATOR + home)
    before = files_in(tmp_path)
    found = examined(SIMULATOR + home, tmp_path)
    before["queue-monitor.toml"] = files_in(tmp_path)["queue-monitor.toml"]

    assert {"store.reached", "store.free", "store.sound", "backups.none"} <= found.keys()
    assert found["monitor.silent"].state is State.WATCH
    assert files_in(tmp_path) == before


def test_a_store_that_a_killed_monitor_has_left_is_read_with_what_stands_in_its_log(tmp_path: Path, home: str):
    (tmp_path / "alive").mkdir()

    async def killed() -> None:
        opened = await open_store(f"sqlite:///{tmp_path}/alive/q.db")
        await opened.append(callers(range(5)), NOW)
        for file in (tmp_path / "alive").iterdir():
            shutil.copy2(file, tmp_path / file.name)
        await opened.close()

    asyncio.run(killed())
    written(tmp_path, SIMULATOR + home)
    names = set(files_in(tmp_path))
    found = examined(SIMULATOR + home, tmp_path)

    assert (tmp_path / "q.db-wal").stat().st_size > 0
    assert {"store.reached", "store.free", "store.sound"} <= found.keys(), "the tables themselves stand in the log"
    assert set(files_in(tmp_path)) == names


def test_a_damaged_store_is_wrong_and_the_advice_is_to_put_a_backup_back(
    tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "q.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    code, report = asked(capsys, "--language", "en", "--config", str(written(tmp_path, SIMULATOR + home)))
    (found,) = (one for one in report["findings"] if one["key"] == "store.damaged")

    assert (code, report["state"], found["state"]) == (1, "wrong", "wrong")
    assert "put back a backup" in found["advice"]


def test_settings_that_cannot_be_used_are_listed_in_the_language_that_stands_in_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = '[organisation]\nlanguage = "en"\n' + SIMULATOR + '[http]\nport = "x"\nhots = 1\n'
    code = main(["doctor", "--config", str(written(tmp_path, text))])
    said = capsys.readouterr().out

    assert code == 1
    assert "WRONG  http.hots: unknown key" in said and "WRONG  http.port:" in said
    assert "2 wrong, 0 to watch, 1 in order." in said


@pytest.mark.parametrize("arguments", [["--config", "/nowhere/x.toml"], ["--language", "de"], ["--nonsense"]])
def test_bad_arguments_end_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])

    assert ended.value.code == 2
    assert "usage: queue-monitor" in capsys.readouterr().err


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_report_is_in_lines_that_fit_and_in_one_language(tmp_path: Path, home: str, language: str):
    understood = read(SIMULATOR + home, tmp_path)
    report = asyncio.run(doctor.examine(understood, tmp_path / "queue-monitor.toml", SystemClock(), language))
    lines = as_text(report, "x").splitlines()

    assert max(len(line) for line in lines if " " in line.strip() and str(tmp_path) not in line) <= 100
    assert bool(re.search(r"\bthe\b", "\n".join(lines))) == (language == "en")


def test_every_finding_that_the_checks_name_has_its_words():
    named = {
        key
        for file in ROOM.glob("*.py")
        for key in re.findall(r'found\(\s*[A-Z]+,\s*"([\w.]+)"', file.read_text(encoding="utf-8"))
    }

    assert len(named) > 30
    assert {key for key in named if f"doctor.{key}" not in texts.words("sv")} == set()


def test_a_secret_of_the_settings_is_in_no_finding(tmp_path: Path, home: str):
    source = f'[[sources]]\nname = "a"\nkind = "freeswitch"\nport = {free_port()}\npassword = "mycket-hemligt"\n'
    channel = '[[alerts.channels]]\nname = "m"\nurl = "mailto://u:mycket-hemligt@127.0.0.1:9?to=a@example.se"\n'

    assert "mycket-hemligt" not in str(examined(source + home + channel, tmp_path))


# ---- files


def test_secrets_that_others_can_read_are_wrong_and_the_advice_is_a_command(tmp_path: Path, home: str):
    secret = '[[sources]]\nname = "a"\nkind = "freeswitch"\npassword = "hemligt"\n'
    (tmp_path / "t.json").write_text("[]")
    (tmp_path / "t.json").chmod(0o644)
    subject = subject_of(read(secret + home, tmp_path), tmp_path)
    (tmp_path / "queue-monitor.toml").chmod(0o644)
    found = asyncio.run(doctor.files.check(subject))

    assert [(one.key, one.advice) for one in found] == [
        ("files.open", f"chmod 600 {tmp_path}/queue-monitor.toml"),
        ("files.open", f"chmod 600 {tmp_path}/t.json"),
    ]


def test_settings_that_name_variables_hold_no_secret_and_may_be_read(tmp_path: Path, home: str):
    named = '[[sources]]\nname = "a"\nkind = "freeswitch"\npassword = "env:ESL"\n'
    (tmp_path / "secrets.env").write_text("# of the switch\nESL='hemligt'\n")
    (tmp_path / "secrets.env").chmod(0o600)
    file = written(tmp_path, named + home, 0o644)
    environ = config.with_secrets(file, {"HOME": "/x"})
    understood = config.load(file, environ, registry.settings_of, registry.adapter_kinds())

    assert environ == {"HOME": "/x", "ESL": "hemligt"}
    assert understood.sources[0].settings.password == "hemligt"  # type: ignore[attr-defined]
    assert [one.key for one in asyncio.run(doctor.files.check(subject_of(understood, tmp_path)))] == ["files.none"]
    (tmp_path / "secrets.env").chmod(0o640)
    assert "files.open" in [one.key for one in asyncio.run(doctor.files.check(subject_of(understood, tmp_path)))]


def subject_of(understood: Config, folder: Path, at: datetime | None = None, **looked: Any) -> Subject:
    class At(SystemClock):
        def now(self) -> datetime:
            return at or super().now()

    look = StoreLook(**looked) if looked else None
    path = folder / "queue-monitor.toml"
    return Subject(config=understood, path=path, clock=At(), language="en", store=look)


@contextmanager
def as_a_user_who_may_not_look(folder: Path) -> Iterator[None]:
    """Close a folder to everybody. Root obeys too: another user might not see this checkout, under /root for one."""
    folder.chmod(0)
    before = _capabilities()
    if os.geteuid() == 0:
        _set_capabilities([before[0] & ~_BYPASS, *before[1:]])
    try:
        yield
    finally:
        if os.geteuid() == 0:
            _set_capabilities(before)
        folder.chmod(0o700)


_BYPASS = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: with them root reads whatever the modes of files say."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_OF_THIS_THREAD = (ctypes.c_uint32 * 2)(0x20080522, 0)


def _capabilities() -> list[int]:
    """Return this thread's capabilities: effective, permitted, inheritable; then the same for those from 32 on."""
    found = (ctypes.c_uint32 * 6)()
    assert _LIBC.capget(_OF_THIS_THREAD, found) == 0, os.strerror(ctypes.get_errno())
    return list(found)


def _set_capabilities(wanted: list[int]) -> None:
    assert _LIBC.capset(_OF_THIS_THREAD, (ctypes.c_uint32 * 6)(*wanted)) == 0, os.strerror(ctypes.get_errno())


def test_a_user_who_may_not_look_is_told_so_and_nothing_is_called_missing(tmp_path: Path, home: str):
    folder = tmp_path / "kept"
    folder.mkdir()
    understood = read(SIMULATOR + home.replace(f"{tmp_path}/", f"{folder}/"), tmp_path)
    path, clock = tmp_path / "queue-monitor.toml", SystemClock()
    with as_a_user_who_may_not_look(folder):
        report = asyncio.run(doctor.examine(understood, path, clock, "en"))
    found = {one.key: one for one in report.findings}

    assert {"files.hidden", "store.hidden", "backups.hidden", "access.unread"} <= found.keys()
    assert report.state is State.WATCH


# ---- the store


def test_how_long_the_disk_lasts_is_worked_out_from_the_calls_of_the_last_weeks():
    look = StoreLook(size=1_000_000, calls=1000, calls_lately=280, first_at=NOW - timedelta(days=400))

    assert store.growth_a_day(look) == 10_000
    assert store.growth_a_day(StoreLook(size=1000, calls=3, calls_lately=3, first_at=NOW)) is None


@pytest.mark.parametrize(
    ("revision", "state"), [("0000_before", State.WATCH), ("9999_after", State.WRONG), ("", State.OK)]
)
def test_tables_of_another_version_are_told(tmp_path: Path, home: str, revision: str, state: State):
    subject = subject_of(read(SIMULATOR + home, tmp_path), tmp_path, revision=revision)
    found = asyncio.run(store.check(subject))

    assert max((one.state for one in found), key=list(State).index) is state


def test_who_holds_the_lock_is_read_without_trying_it(tmp_path: Path):
    async def owned() -> tuple[str | None, str | None]:
        opened = await open_store(f"sqlite:///{tmp_path}/q.db")
        held = owner_of(tmp_path / "q.db")
        await opened.close()
        return held, owner_of(tmp_path / "q.db")

    held, freed = asyncio.run(owned())

    assert held is not None and held.startswith(f"process {os.getpid()} on ")
    assert freed == ""


async def test_a_store_in_postgresql_tells_its_owner_its_size_and_its_clock(postgres_url: str):
    opened = await open_store(postgres_url)
    await opened.append(callers(range(5)), NOW)
    owned = await look_at_server(postgres_url, SystemClock().now())
    await opened.close()
    free = await look_at_server(postgres_url, SystemClock().now())

    assert owned.owner is not None and f"process {os.getpid()}" in owned.owner
    assert (free.owner, free.revision, free.calls) == ("", owned.revision, owned.calls)
    assert owned.size > 1_000_000 and owned.server.startswith("PostgreSQL ")
    assert owned.now is not None and abs((owned.now - SystemClock().now()).total_seconds()) < 60


# ---- the switches


def ami(seconds_off: float, secret: str, sent: list[str]) -> Talk:
    """An Asterisk manager that knows one account, and whose clock is off."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        key = hashlib.md5(b"42" + secret.encode(), usedforsecurity=False).hexdigest()
        while block := await reader.readuntil(b"\r\n\r\n"):
            asked = dict(line.split(": ", 1) for line in block.decode().strip().split("\r\n"))
            sent.append(asked["Action"])
            right = asked["Action"] != "Login" or asked["Key"] == key
            now = SystemClock().now().timestamp() + seconds_off
            answer = {"Response": "Success" if right else "Error", "ActionID": asked["ActionID"]}
            answer |= {"Challenge": "42"} if asked["Action"] == "Challenge" else {"Timestamp": f"{now:.6f}"}
            writer.write(("".join(f"{name}: {value}\r\n" for name, value in answer.items()) + "\r\n").encode())
            await writer.drain()
            if asked["Action"] == "Logoff" or not right:
                writer.close()
                return

    return talk


AMI = '[[sources]]\nname = "pbx"\nkind = "asterisk_ami"\nport = {port}\nsecret = "{secret}"\n'


def test_an_asterisk_lets_us_in_tells_its_clock_and_is_asked_nothing_else(tmp_path: Path, home: str):
    sent: list[str] = []
    with answering(ami(-7200, "sesam", sent)) as port:
        found = examined(AMI.format(port=port, secret="sesam") + home, tmp_path)

    assert found["source.reached"].words == "pbx (asterisk_ami) answers and lets us in."
    assert found["clock.differs"].state is State.WRONG
    assert re.match(r"pbx: its clock differs by -7[12]\d\d\.\d s", found["clock.differs"].words)
    assert sent == ["Challenge", "Login", "Ping", "Logoff"]


def test_a_wrong_secret_and_an_address_where_nobody_listens_are_told_in_the_adapter_s_words(tmp_path: Path, home: str):
    with answering(ami(0, "sesam", [])) as port:
        refused = examined(AMI.format(port=port, secret="fel") + home, tmp_path)["source.failed"]
    away = examined(AMI.format(port=free_port(), secret="fel") + home, tmp_path)["source.failed"]

    assert "username or secret is wrong" in refused.words and refused.state is State.WRONG
    assert "nobody listens there" in away.words
    assert away.advice.startswith("see docs/connect/asterisk_ami.")


def test_a_freeswitch_is_logged_in_to_and_left(tmp_path: Path, home: str):
    sent: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Content-Type: auth/request\n\n")
        while (block := (await reader.readuntil(b"\n\n")).decode().strip()) != "exit":
            sent.append(block)
            reply = (
                "+OK accepted" if block in ("auth sesam", "exit") or not block.startswith("auth") else "-ERR invalid"
            )
            writer.write(f"Content-Type: command/reply\nReply-Text: {reply}\n\n".encode())
            await writer.drain()
        writer.close()

    with answering(talk) as port:
        source = f'[[sources]]\nname = "fs"\nkind = "freeswitch"\nport = {port}\npassword = '
        right = examined(f'{source}"sesam"\n{home}', tmp_path)
        wrong = examined(f'{source}"fel"\n{home}', tmp_path)

    assert right["source.reached"].state is State.OK
    assert "refused the password" in wrong["source.failed"].words
    assert not [line for line in sent if "callcenter_config" in line]


def test_of_a_csta_link_only_the_port_is_tried_as_a_session_would_take_licences(tmp_path: Path, home: str):
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    with answering(talk) as port:
        source = f'[[sources]]\nname = "oxe"\nkind = "csta3"\nport = {port}\npilots = {{ 7100 = "kundcenter" }}\n'
        found = examined(source + home, tmp_path)

    assert found["source.listens"].state is State.OK
    assert set(heard) <= {b""}


def test_a_broker_lets_us_in_and_the_monitor_s_own_session_goes_on(tmp_path: Path, home: str):
    async def beside(broker: mosquitto.Broker) -> tuple[dict[str, Finding], dict[str, Finding], bool]:
        source = f'[[sources]]\nname = "b"\nkind = "mqtt"\nport = {broker.port}\nusername = "queue-monitor"\n'
        async with broker.client("queue-monitor", identifier="queue-monitor-b") as ours:
            right = await asyncio.to_thread(examined, f'{source}password = "{mosquitto.SECRET}"\n{home}', tmp_path)
            wrong = await asyncio.to_thread(examined, f'{source}password = "fel"\n{home}', tmp_path)
            await ours.subscribe("kc/v1/#")
            return right, wrong, ours._client.is_connected()

    with mosquitto.running(tmp_path / "broker") as broker:
        right, wrong, still_there = asyncio.run(beside(broker))

    assert right["source.reached"].state is State.OK
    assert wrong["source.failed"].state is State.WRONG
    assert still_there


def test_a_switch_that_only_counts_is_asked_once(tmp_path: Path, home: str):
    asked: list[str] = []

    class Counts(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'[{"name": "kundcenter", "waiting": 3}]' if self.path == "/right" else b"<html>no</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counts)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = f'[[sources]]\nname = "c"\nkind = "snapshot_poll"\nurl = "http://127.0.0.1:{server.server_port}/'
        right, wrong = (examined(f'{source}{path}"\n{home}', tmp_path) for path in ("right", "wrong"))
    finally:
        server.shutdown()
        server.server_close()

    assert right["source.reached"].state is State.OK
    assert "is not understood" in wrong["source.failed"].words
    assert asked == ["/right", "/wrong"]


def log_line(at: datetime) -> str:
    return f"{at.timestamp():.0f}|1|kundcenter|NONE|ENTERQUEUE||0980319200|1\n"


def test_a_log_that_can_be_read_tells_from_when_to_when_it_goes(tmp_path: Path, home: str):
    log, now = tmp_path / "queue_log", SystemClock().now()
    source = f'[[sources]]\nname = "log"\nkind = "asterisk_queuelog"\npath = "{log}"\n'
    missing = examined(source + home, tmp_path)
    log.write_text("")
    empty = examined(source + home, tmp_path)
    oldest = now - timedelta(days=90)
    log.write_text(log_line(oldest) + log_line(now - timedelta(minutes=5)))
    kept = examined(source + home, tmp_path)
    short = examined(source + home + "[retention]\njournal = { months = 1 }\n", tmp_path)
    log.write_text(log_line(oldest))
    quiet = examined(source + home, tmp_path)

    assert "is queue_log = yes in logger.conf?" in missing["source.failed"].words
    assert empty["source.log_empty"].state is State.WATCH
    assert f"from {oldest.astimezone(STOCKHOLM):%Y-%m-%d} to " in kept["source.log"].words
    assert short["source.log_reaches"].state is State.WRONG
    assert quiet["source.log_quiet"].state is State.WATCH


# ---- channels, calendar, access, keeping


def test_a_mail_server_is_reached_and_nothing_is_sent(tmp_path: Path, home: str):
    person = '[[alerts.recipients]]\nname = "lead"\nchannel = "mejl"\n'
    with mail_sink() as sink:
        there = examined(f'{SIMULATOR}{home}[[alerts.channels]]\nname = "mejl"\nurl = "{sink.url}"\n{person}', tmp_path)
    gone = examined(f'{SIMULATOR}{home}[[alerts.channels]]\nname = "mejl"\nurl = "{sink.url}"\n{person}', tmp_path)

    assert there["channel.reached"].words.endswith("Sending is tried by queue-monitor test-alarm mejl")
    assert gone["channel.failed"].state is State.WRONG
    assert sink.mails == []


def test_a_certificate_that_nobody_signed_is_told(tmp_path: Path, home: str):
    certificate, key = self_signed(tmp_path)
    port = free_port()
    command = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    channel = f'[[alerts.channels]]\nname = "hook"\nurl = "jsons://127.0.0.1:{port}/x"\n'
    try:
        found = examined(SIMULATOR + home + channel, tmp_path)
        while "refused" in found["channel.failed"].words:
            found = examined(SIMULATOR + home + channel, tmp_path)
    finally:
        server.kill()
        server.communicate()

    assert "self-signed certificate" in found["channel.failed"].words
    assert found["channels.nobody"].state is State.WRONG


def test_messages_without_a_link_to_acknowledge_are_told(tmp_path: Path, home: str):
    person = '[[alerts.channels]]\nname = "hook"\nurl = "json://127.0.0.1:9/x"\n[[alerts.recipients]]\n'
    person += 'name = "lead"\nchannel = "hook"\n'
    without = examined(SIMULATOR + home + person, tmp_path)
    having = examined(SIMULATOR + home + '[alerts]\nlink = "https://monitor.example"\n' + person, tmp_path)

    assert without["channels.no_link"].state is State.WATCH
    assert "channels.no_link" not in having


def test_special_days_that_have_all_passed_and_days_to_confirm_are_told(tmp_path: Path, home: str):
    passed = "[[hours.exceptions]]\ndate = 2025-12-23\nclosed = true\n"
    subject = subject_of(read(SIMULATOR + home + passed, tmp_path), tmp_path, NOW)
    found = {one.key: one for one in asyncio.run(calendar.check(subject))}

    assert found["calendar.past"].state is State.WATCH
    assert "2027-12-30" in found["calendar.confirm"].words, "to the end of next year"
    assert found["calendar.week"].words.startswith("Open Monday, Tuesday")


def test_a_week_that_is_open_to_midnight_is_told_as_it_is_written(tmp_path: Path, home: str):
    late = '[[hours.weekdays]]\ndays = ["mon", "tue"]\nopen = "08:00"\nclose = "24:00"\n'
    subject = subject_of(read(SIMULATOR + home + late, tmp_path), tmp_path, NOW)
    found = {one.key: one for one in asyncio.run(calendar.check(subject))}

    assert found["calendar.week"].words == "Open Monday, Tuesday 08:00-24:00."


def test_a_set_up_that_counts_nothing_is_told(tmp_path: Path):
    """Somebody whose week is closed, whose sources are off, or whose store is in memory is told before it is missed."""
    off = SIMULATOR.replace("\nkind", "\nenabled = false\nkind")
    found = examined(off + '[hours]\nweekdays = []\n[store]\nurl = "sqlite://"\n', tmp_path)

    for key in ("calendar.never", "source.none", "store.memory"):
        assert found[key].state is State.WATCH
    assert "calendar.week" not in found
    assert "store.unreachable" not in found


@pytest.mark.parametrize("written_as", ["", "read_without_token = true", "read_without_token = false"])
@pytest.mark.parametrize("has_tokens", [True, False])
def test_who_may_read_is_said_in_the_words_of_a_start(tmp_path: Path, written_as: str, has_tokens: bool):
    http = read(f"{SIMULATOR}[http]\n{written_as}\n", tmp_path).http

    assert access.reading(http, "en", has_tokens=has_tokens) == config.describe_reading(http, has_tokens=has_tokens)


def test_pages_that_everybody_on_the_network_reaches_unencrypted_are_told(tmp_path: Path, home: str):
    everywhere = home.replace("[http]\n", '[http]\nhost = "0.0.0.0"\n')
    proxied = home.replace("[http]\n", '[http]\ntrusted_proxies = ["127.0.0.1"]\n')

    assert examined(SIMULATOR + everywhere, tmp_path)["access.everywhere"].state is State.WATCH
    assert examined(SIMULATOR + proxied, tmp_path)["access.through"].state is State.WRONG


def test_what_is_kept_without_a_decision_is_named(tmp_path: Path, home: str):
    decided = '[retention]\ncalls = { months = 24, decision = "KS 2026/1" }\n'
    found = asyncio.run(keeping.check_retention(subject_of(read(SIMULATOR + home + decided, tmp_path), tmp_path)))

    assert found[0].words.startswith("Kept until further notice: journal of events, sums, alerts")
    assert found[1].words == "Deleted by decision: calls."


@pytest.mark.parametrize("unit", [True, False])
def test_a_unit_is_named_only_where_there_is_one(
    tmp_path: Path, home: str, unit: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(finding, "UNIT_FOLDERS", ())
    if unit:
        (tmp_path / "queue-monitor.service").write_text("[Service]")

    silent = examined(SIMULATOR + home, tmp_path)["monitor.silent"]

    assert ("journalctl -u queue-monitor" in silent.advice) is unit
    assert silent.advice.startswith("start it; ")


@pytest.mark.parametrize(("days", "key"), [(0, "backups.ok"), (2, "backups.old"), (9, "backups.old")])
def test_the_age_of_the_newest_backup_counts(tmp_path: Path, home: str, days: int, key: str):
    async def fill() -> None:
        opened = await open_store(f"sqlite:///{tmp_path}/q.db")
        await opened.close()

    asyncio.run(fill())
    file = written(tmp_path, SIMULATOR + home)
    assert main(["backup", "--config", str(file)]) == 0
    (tmp_path / "backups" / "not-one.backup").write_text("x")
    understood = read(SIMULATOR + home, tmp_path)
    subject = subject_of(understood, tmp_path, SystemClock().now() + timedelta(days=days))
    (found,) = asyncio.run(keeping.check_backups(subject))

    assert found.key == key
    assert found.state is {0: State.OK, 2: State.WATCH, 9: State.WRONG}[days]
