"""Who may see what: deny by default, one role a token."""

from typing import Any

import httpx
import pytest

from queue_monitor.__main__ import main
from queue_monitor.api import create_app
from queue_monitor.api.access import COOKIE, MISSES_ALLOWED, digest
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Role
from tests.api import sample
from tests.api.sample import FakeFigures
from tests.scenario import TEN

TOKENS = {role: f"{role.value}-nyckel" for role in Role}


class Door:
    """The application with a token for each role, over the wire's own shape but in one process."""

    def __init__(self, *roles: Role) -> None:
        access = [Access(name=role.value, role=role, token_sha256=digest(TOKENS[role])) for role in roles]
        self.clock = ManualClock(TEN)
        self.app = create_app(FakeFigures(sample.calm()), self.clock, access=access)

    async def ask(self, method: str, path: str, role: Role | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        headers |= options.pop("headers", {})
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://kc") as client:
            return await client.request(method, path, headers=headers, **options)


READABLE = {
    Role.WALLBOARD: ("/", "/static/wallboard.css"),
    Role.STATUS: ("/", "/static/wallboard.css", "/api/v1/status", "/api/v1/intervals", "/docs", "/openapi.json"),
    Role.METRICS: ("/metrics",),
    Role.ADMIN: ("/", "/api/v1/status", "/metrics", "/docs"),
}
EVERYTHING = sorted({path for paths in READABLE.values() for path in paths})


async def test_without_any_token_everything_is_open():
    door = Door()

    assert {(await door.ask("GET", path)).status_code for path in EVERYTHING} == {200}


@pytest.mark.parametrize("role", Role)
async def test_a_role_reads_what_it_may_and_nothing_else(role: Role):
    door = Door(*Role)
    answers = {path: (await door.ask("GET", path, role)).status_code for path in EVERYTHING}

    may = {path for path, status in answers.items() if status == 200}
    assert may >= set(READABLE[role])
    assert {status for path, status in answers.items() if path not in may} <= {403}
    if role is not Role.ADMIN:
        assert may == set(READABLE[role])


@pytest.mark.parametrize("path", EVERYTHING)
async def test_nobody_gets_in_without_a_token_or_with_a_wrong_one(path: str):
    door = Door(*Role)
    wrong = {"Authorization": "Bearer gissning"}

    for answer in (await door.ask("GET", path), await door.ask("GET", path, headers=wrong)):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_only_an_admin_may_do_more_than_read():
    door = Door(*Role)

    assert {(await door.ask("POST", "/api/v1/status", role)).status_code for role in Role if role != Role.ADMIN} == {
        403
    }
    assert (await door.ask("POST", "/api/v1/status", Role.ADMIN)).status_code == 405
    assert (await door.ask("GET", "/something/else", Role.STATUS)).status_code == 403


async def test_anybody_may_ask_whether_the_process_is_alive():
    assert (await Door(*Role).ask("GET", "/healthz")).status_code == 200


async def test_a_wallboard_s_address_lets_the_screen_in_once_and_the_token_leaves_the_address():
    door = Door(*Role)
    first = await door.ask("GET", f"/?lang=en&token={TOKENS[Role.WALLBOARD]}")
    cookie = first.headers["set-cookie"]

    assert (first.status_code, first.headers["location"]) == (303, "/?lang=en")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    second = await door.ask("GET", "/", headers={"Cookie": f"{COOKIE}={TOKENS[Role.WALLBOARD]}"})
    assert second.status_code == 200


@pytest.mark.parametrize("role", [Role.STATUS, Role.METRICS, Role.ADMIN])
async def test_no_token_that_may_do_more_travels_in_an_address(role: Role):
    answer = await Door(*Role).ask("GET", f"/?token={TOKENS[role]}")

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_guessing_is_slowed_down_and_forgiven_after_a_minute():
    door = Door(*Role)
    for _ in range(MISSES_ALLOWED):
        await door.ask("GET", "/", headers={"Authorization": "Bearer gissning"})
    blocked = await door.ask("GET", "/", Role.WALLBOARD)
    door.clock.advance_to(TEN.replace(minute=1, second=1))

    assert blocked.status_code == 429
    assert blocked.headers["retry-after"] == "60"
    assert (await door.ask("GET", "/", Role.WALLBOARD)).status_code == 200


async def test_a_refusal_has_the_headers_of_every_answer():
    answer = await Door(*Role).ask("GET", "/")

    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_made_token_fits_what_is_to_stand_in_the_settings(capsys: pytest.CaptureFixture[str]):
    assert main(["token", 'Tavlan "i rummet"', "wallboard"]) == 0
    said = capsys.readouterr().out
    token = said.partition("shown this once: ")[2].split()[0]

    assert f'token_sha256 = "{digest(token)}"' in said
    assert 'name = "Tavlan \\"i rummet\\""' in said
    assert f"/?token={token}" in said
