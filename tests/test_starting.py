"""A start that waits for what heals by itself: it says what for, and goes on by itself."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from adapters.http.answers import Problem
from queue_monitor.app.starting import MAX_PAUSE_SECONDS, Entrance, patiently
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.commands.serving import announce
from queue_monitor.ports import StoreError
from tests.adapters.broker import free_port
from tests.patience import PATIENCE
from tests.scenario import TEN
from tests.store.postgres import running_server


class Start:
    """A monitor that is starting."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def asked(self, path: str, **headers: str) -> tuple[int, str]:
        """The answer; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.address + path, headers=headers)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end and self.process.poll() is None, self.said
            time.sleep(0.05)


@contextmanager
def starting(folder: Path, port: int, url: str) -> Iterator[Start]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QUEUE_MONITOR_")} | {
        "QUEUE_MONITOR_HTTP__PORT": str(port),
        "QUEUE_MONITOR_STORE__URL": url,
        "QUEUE_MONITOR_STORE__SPILL": str(folder / "spill.jsonl"),
        "QUEUE_MONITOR_HTTP__TOKEN_FILE": str(folder / "tokens.json"),
    }
    log = folder / "log.txt"
    command = [sys.executable, "-m", "queue_monitor", "run"]
    with log.open("w") as said, subprocess.Popen(command, env=environ, stdout=said, stderr=said) as process:
        try:
            yield Start(process, port, log)
        finally:
            process.terminate()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_a_monitor_whose_address_is_taken_says_so_once_and_serves_when_it_is_free(tmp_path: Path):
    holder = socket.create_server(("127.0.0.1", 0))
    with holder, starting(tmp_path, holder.getsockname()[1], f"sqlite:///{tmp_path / 'a.db'}") as start:
        port = holder.getsockname()[1]
        words = f"start waits, and tries again: http.host, http.port: 127.0.0.1:{port} is taken by another program; end"
        start.until(lambda: words in start.said)
        holder.close()
        start.until(lambda: "Wallboard:" in start.said)
        assert start.asked("/healthz")[0] == 200

    assert start.process.returncode == 0
    assert start.said.count("start waits") == 1


def test_a_second_monitor_is_told_that_another_one_has_the_port(tmp_path: Path):
    first, second, port = tmp_path / "first", tmp_path / "second", free_port()
    first.mkdir()
    second.mkdir()
    with starting(first, port, f"sqlite:///{first / 'a.db'}") as one:
        one.until(lambda: "Wallboard:" in one.said)
        with starting(second, port, f"sqlite:///{second / 'b.db'}") as other:
            words = f"tries again: http.host, http.port: 127.0.0.1:{port} is taken by another queue-monitor, which runs"
            other.until(lambda: words in other.said)

    assert one.process.returncode == 0


def test_a_database_that_is_not_up_yet_is_waited_for_and_readyz_names_it(tmp_path: Path):
    with running_server() as server:
        url = server.new_database()
        server.stop()
        with starting(tmp_path, free_port(), url) as start:
            start.until(lambda: "start waits, and tries again: store.url" in start.said)
            assert start.asked("/healthz") == (200, '{"status":"ok","service":"queue-monitor"}')
            code, ready = start.asked("/readyz")
            assert (code, json.loads(ready)["status"]) == (503, "not_ready")
            assert json.loads(ready)["reasons"][0].startswith("store.url: the PostgreSQL database ")
            assert "store.url" not in start.asked("/readyz", **{"X-Forwarded-For": "192.0.2.7"})[1]
            code, page = start.asked("/", Accept="text/html")
            assert code == 503 and "Köläget startar" in page and "store.url" not in page
            assert json.loads(start.asked("/api/v1/status")[1])["error"] == "starting"
            server.start()
            start.until(lambda: "Wallboard:" in start.said)
            assert start.asked("/", Accept="text/html")[0] == 200

    assert start.process.returncode == 0


def test_a_start_that_waits_ends_when_it_is_told_to(tmp_path: Path):
    with starting(tmp_path, free_port(), "postgresql://kc@127.0.0.1:9/kc") as start:
        start.until(lambda: "start waits" in start.said)

    assert start.process.returncode == 0


async def test_pauses_grow_and_what_does_not_heal_is_raised():
    clock, tried, told = ManualClock(TEN), list[float](), list[str]()

    async def work() -> None:
        tried.append(clock.monotonic())
        raise StoreError("away" if len(tried) < 6 else "not ours", passing=len(tried) < 6)

    with pytest.raises(StoreError, match="not ours"):
        await patiently(work, lambda error: isinstance(error, StoreError) and error.passing, clock, told.append)

    assert [after - before for before, after in pairwise(tried)] == [1, 2, 4, 5, 5]
    assert MAX_PAUSE_SECONDS == 5
    assert told == ["away"]


async def test_the_page_before_the_first_one_is_in_the_organisations_language():
    transport = httpx.ASGITransport(Entrance("en"))
    async with httpx.AsyncClient(transport=transport, base_url="http://kc") as client:
        answer = await client.get("/tavla/", headers={"Accept": "text/html"})

    assert "The queue status is starting" in answer.text and 'lang="en"' in answer.text
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("accepted", ["*/*", "text/html"])
async def test_a_sender_of_events_is_told_in_the_form_of_the_intake(accepted: str):
    transport = httpx.ASGITransport(Entrance("sv"))
    async with httpx.AsyncClient(transport=transport, base_url="http://kc") as client:
        answer = await client.post("/api/v1/events", content="[]", headers={"Accept": accepted})
        other = await client.get("/api/v1/status")

    problem = msgspec.json.decode(answer.content, type=Problem)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "nothing was taken. Send again." in problem.detail and not problem.errors
    assert answer.json().keys() == set(Problem.__struct_fields__)
    assert other.json()["detail"] == "Köläget startar. Fråga igen om några sekunder."


@pytest.mark.parametrize(("is_terminal", "last"), [(True, "Ctrl-C stops."), (False, "Reading:    nobody.")])
def test_a_key_that_stops_is_named_where_somebody_can_press_it(
    is_terminal: bool, last: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Any = SimpleNamespace(clock=SystemClock(), first_token=None, reading="nobody")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    announce("http://127.0.0.1:8080/", service)

    assert capsys.readouterr().out.splitlines()[-1] == last
