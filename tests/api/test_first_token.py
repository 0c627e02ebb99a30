"""The page that makes the first token: its address is printed once, and holds until a token exists."""

import json
import re
import signal
import sqlite3
import urllib.request
from pathlib import Path

import httpx

from queue_monitor.api import create_app
from queue_monitor.api.guard.access import COOKIE, digest
from queue_monitor.api.guard.first_token import FirstToken
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Role
from queue_monitor.runtime.token_file import TokenFile
from tests.api import sample
from tests.api.sample import FakeFigures
from tests.scenario import TEN
from tests.test_service import Monitor, running

ENTRY = Access(name="Anna", role=Role.ADMIN, token_sha256="0" * 64)


class Start:
    """A monitor that was started without tokens, asked from another machine."""

    def __init__(self, *, full: bool = False) -> None:
        self.kept: list[tuple[Access, str]] = []
        self._full = full
        self.first = FirstToken(self._save)
        self.app = create_app(FakeFigures(sample.calm()), ManualClock(TEN), first_token=self.first)

    async def _save(self, entry: Access, origin: str) -> None:
        if self._full:
            raise OSError("the disk is full")
        self.kept.append((entry, origin))

    async def ask(self, method: str, path: str, name: str = "Anna Berg") -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor.example") as asking:
            return await asking.request(method, path, data={"name": name} if method == "POST" else None)

    async def ask_with(self, token: str) -> int:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor.example") as asking:
            return (await asking.get("/api/v1/status", headers={"Authorization": f"Bearer {token}"})).status_code


def shown_in(page: httpx.Response) -> str:
    found = re.search(r'<code id="token">([\w-]{43})</code>', page.text)
    assert found is not None
    return found[1]


async def test_looking_makes_nothing_and_the_button_makes_one_that_holds_at_once():
    start = Start()
    looked = await start.ask("GET", start.first.path)
    made = await start.ask("POST", start.first.path)
    token = shown_in(made)

    assert (looked.status_code, "<code" in looked.text) == (200, False)
    assert start.kept == [(Access(name="Anna Berg", role=Role.ADMIN, token_sha256=digest(token)), "192.0.2.7")]
    assert await start.ask_with(token) == 200
    assert f"{COOKIE}={token}; HttpOnly" in made.headers["set-cookie"]
    assert made.headers["cache-control"] == "no-store"


async def test_the_address_holds_once():
    start = Start()
    await start.ask("POST", start.first.path)
    again = [await start.ask(method, start.first.path) for method in ("GET", "POST")]

    assert [answer.status_code for answer in again] == [404, 404]
    assert len(start.kept) == 1


async def test_a_guessed_address_makes_nothing():
    start = Start()
    guessed = [await start.ask("POST", f"/first-token/{key}") for key in ("x", "%C3%A5", start.first.key[:-1])]

    assert {answer.status_code for answer in guessed} == {404}
    assert start.kept == []


async def test_without_a_name_for_the_record_nothing_is_made():
    start = Start()

    assert (await start.ask("POST", start.first.path, name="  ")).status_code == 422
    assert (await start.ask("POST", start.first.path)).status_code == 200


async def test_a_token_that_cannot_be_kept_does_not_hold():
    start = Start(full=True)
    answer = await start.ask("POST", start.first.path)

    assert (answer.status_code, "<code" in answer.text) == (503, False)
    assert "set-cookie" not in answer.headers
    assert (await start.ask("GET", start.first.path)).status_code == 200


async def test_tokens_are_kept_in_a_file_of_the_owners_alone(tmp_path: Path):
    file = TokenFile(tmp_path / "var" / "tokens.json")
    before = file.read()
    await file.add(ENTRY)
    await file.add(ENTRY)

    assert (before, file.read()) == ([], [ENTRY, ENTRY])
    assert (tmp_path / "var" / "tokens.json").stat().st_mode & 0o777 == 0o600


def printed(monitor: Monitor, until: str) -> str:
    """Return what the start of a demo prints after the wallboard's address, up to the line with these words."""
    assert monitor.process.stdout is not None
    lines = [monitor.process.stdout.readline()]
    while until not in lines[-1]:
        lines.append(monitor.process.stdout.readline())
    return "".join(lines)


def test_a_demo_without_settings_prints_the_address_and_its_token_outlives_a_restart(tmp_path: Path):
    with running(tmp_path) as monitor:
        said = printed(monitor, "make the first token: ")
        address = said.partition("make the first token: ")[2].split()[0]
        asked = urllib.request.Request(address, b"name=Anna", {"Content-Type": "application/x-www-form-urlencoded"})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            page = answer.read().decode()
        monitor.stop()
    token = page.partition('<code id="token">')[2].partition("<")[0]
    with running(tmp_path) as again:
        said_again = printed(again, "Reading:")
        asked = urllib.request.Request(again.address + "api/v1/audit?from=2020-01-01&to=2099-01-01")
        asked.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(asked, timeout=20) as answer:
            audit = answer.read().decode()
        again.process.send_signal(signal.SIGTERM)
        said_again += again.process.communicate()[0]

    assert address.startswith(monitor.address + "first-token/")
    assert "Reading:    on this machine without a token" in said
    assert "first token" not in said_again
    assert "Reading:    with a token only, as there is one." in said_again
    assert '"who":"Anna","origin":"127.0.0.1","act":"make_token","subject":"admin"' in audit
    assert token not in (tmp_path / "log.txt").read_text()


def test_each_start_writes_down_which_settings_are_others(tmp_path: Path):
    with running(tmp_path) as monitor:
        monitor.stop()
    with running(tmp_path, QUEUE_MONITOR_ALERTS__TRIES="5", QUEUE_MONITOR_HTTP__READ_WITHOUT_TOKEN="true") as monitor:
        monitor.stop()

    found = sqlite3.connect(tmp_path / "journal.db").execute("SELECT body FROM audit ORDER BY seq").fetchall()
    acts = [json.loads(body) for (body,) in found]
    assert [(act["who"], act["act"], act["detail"]) for act in acts] == [
        ("", "settings", "the first start"),
        ("", "settings", "alerts.tries: 3 -> 5; http.read_without_token: not set -> yes"),
    ]
