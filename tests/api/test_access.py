"""Who may see what: deny by default, one role a token."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from queue_monitor.__main__ import main
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import COOKIE, digest
from queue_monitor.api.guard.limits import (
    CLIENTS,
    REQUESTS_AT_ONCE,
    REQUESTS_PER_SECOND,
    STREAMS,
    STREAMS_OF_ONE,
    WRONG_TOKENS,
    Limits,
    client_of,
)
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Role
from tests.api import sample
from tests.api.sample import FakeFigures
from tests.scenario import TEN

TOKENS = {role: f"{role.value}-nyckel" for role in Role}


class Door:
    """The application with a token for each role, over the wire's own shape but in one process."""

    def __init__(self, *roles: Role, **options: Any) -> None:
        access = [Access(name=role.value, role=role, token_sha256=digest(TOKENS[role])) for role in roles]
        self.clock = ManualClock(TEN)
        self.app = create_app(FakeFigures(sample.calm()), self.clock, access=access, **options)

    async def ask(
        self, method: str, path: str, role: Role | None = None, client: str = "127.0.0.1", **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        headers |= options.pop("headers", {})
        transport = httpx.ASGITransport(self.app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
            return await asking.request(method, path, headers=headers, **options)


def limits_of(door: Door) -> Limits:
    """What the application holds its clients to."""
    (limits,) = (layer.kwargs["limits"] for layer in door.app.user_middleware if "limits" in layer.kwargs)
    assert isinstance(limits, Limits)
    return limits


READS = ("/", "/api/v1/status", "/api/v1/intervals", "/docs", "/openapi.json")
READABLE = {
    Role.WALLBOARD: ("/",),
    Role.STATUS: READS,
    Role.METRICS: ("/metrics",),
    Role.LEAD: READS,
    Role.ADMIN: (*READS, "/metrics"),
}
EVERYTHING = sorted({path for paths in READABLE.values() for path in paths})


OF_OTHERS: dict[str, dict[str, Any]] = {
    "another machine": {"client": "192.0.2.7"},
    "another name that leads here": {"headers": {"Host": "elsewhere.example:8080"}},
    "no name": {"headers": {"Host": ""}},
    "a proxy that says for whom": {"headers": {"X-Forwarded-For": "127.0.0.1"}},
    "a proxy that says how": {"headers": {"X-Forwarded-Proto": "https"}},
    "a proxy of the standard": {"headers": {"Forwarded": "for=127.0.0.1"}},
    "nginx as many set it up": {"headers": {"X-Real-IP": "127.0.0.1"}},
}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "127.0.0.9"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_without_any_token_this_machine_reads_everything(host: str, client: str):
    door = Door()
    answers = [await door.ask("GET", path, client=client, headers={"Host": host}) for path in EVERYTHING]

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("asks", OF_OTHERS.values(), ids=OF_OTHERS)
async def test_without_any_token_nobody_else_reads_anything(asks: dict[str, Any]):
    door = Door()

    assert {(await door.ask("GET", path, **asks)).status_code for path in EVERYTHING} == {401}
    assert (await door.ask("GET", "/healthz", **asks)).status_code == 200
    assert (await door.ask("GET", "/static/wallboard.css", **asks)).status_code == 200


async def test_as_soon_as_there_is_a_token_this_machine_needs_one_too():
    assert {(await Door(Role.LEAD).ask("GET", path)).status_code for path in EVERYTHING} == {401}


async def test_reading_without_a_token_is_as_the_settings_say_where_they_say_anything():
    closed, opened = Door(read_without_token=False), Door(Role.ADMIN, read_without_token=True)

    assert (await closed.ask("GET", "/api/v1/status")).status_code == 401
    assert (await opened.ask("GET", "/api/v1/status")).status_code == 200
    assert (await opened.ask("GET", "/api/v1/status", client="192.0.2.7")).status_code == 401
    assert (await opened.ask("GET", "/api/v1/audit")).status_code == 401


CHANGES = (
    ("POST", "/api/v1/crisis"),
    ("DELETE", "/api/v1/crisis"),
    ("POST", "/api/v1/alerts/x/acknowledge"),
    ("POST", "/lead/crisis"),
    ("POST", "/lead/acknowledge/x"),
    ("PUT", "/anything/else"),
)


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("read_without_token", [None, True])
async def test_nothing_is_changed_without_a_token(method: str, path: str, read_without_token: bool | None):
    door = Door(read_without_token=read_without_token)

    assert (await door.ask(method, path)).status_code == 401


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_whoever_leads_a_shift_acts_and_nothing_more(method: str, path: str):
    door = Door(*Role)
    may = {role for role in Role if (await door.ask(method, path, role)).status_code not in (401, 403)}

    assert may == ({Role.ADMIN} if path == "/anything/else" else {Role.LEAD, Role.ADMIN})


@pytest.mark.parametrize("role", Role)
async def test_a_role_reads_what_it_may_and_nothing_else(role: Role):
    door = Door(*Role)
    answers = {path: (await door.ask("GET", path, role)).status_code for path in EVERYTHING}

    assert answers == {path: 200 if path in READABLE[role] else 403 for path in EVERYTHING}


@pytest.mark.parametrize("path", EVERYTHING)
async def test_nobody_gets_in_without_a_token_or_with_a_wrong_one(path: str):
    door = Door(*Role)
    wrong = {"Authorization": "Bearer gissning"}

    for answer in (await door.ask("GET", path), await door.ask("GET", path, headers=wrong)):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_only_an_admin_may_do_what_is_not_named():
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

    assert (first.status_code, first.headers["location"]) == (303, "./?lang=en")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    second = await door.ask("GET", "/", headers={"Cookie": f"{COOKIE}={TOKENS[Role.WALLBOARD]}"})
    assert second.status_code == 200


@pytest.mark.parametrize("role", [Role.STATUS, Role.METRICS, Role.LEAD, Role.ADMIN])
async def test_no_token_that_may_do_more_travels_in_an_address(role: Role):
    answer = await Door(*Role).ask("GET", f"/?token={TOKENS[role]}")

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


GUESS = {"Authorization": "Bearer gissning"}


async def test_guessing_is_slowed_down_and_forgiven_after_a_minute():
    door = Door(*Role)
    for _ in range(WRONG_TOKENS):
        await door.ask("GET", "/", headers=GUESS)
    blocked = await door.ask("GET", "/", headers=GUESS)
    in_address = await door.ask("GET", "/?token=gissning")
    door.clock.advance_to(TEN.replace(minute=1, second=1))

    assert (blocked.status_code, in_address.status_code) == (429, 429)
    assert blocked.headers["retry-after"] == "60"
    assert (await door.ask("GET", "/", headers=GUESS)).status_code == 401


async def test_whoever_guesses_takes_nothing_from_the_right_tokens_at_the_same_address():
    door = Door(*Role)
    limits = limits_of(door)
    while (await door.ask("GET", "/", headers=GUESS)).json()["error"] != "too_many_requests":
        while limits.may_ask("127.0.0.1 ?"):
            pass

    for role in (Role.WALLBOARD, Role.ADMIN):
        assert (await door.ask("GET", "/", role)).status_code == 200
    assert (await door.ask("GET", f"/?token={TOKENS[Role.WALLBOARD]}")).status_code == 303
    assert (await door.ask("POST", "/sign-in", data={"token": TOKENS[Role.LEAD]})).status_code == 303


async def test_a_refusal_has_the_headers_of_every_answer():
    answer = await Door(*Role).ask("GET", "/")

    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["", " ", "a\x01", "a\nb", "\udcff"])
def test_no_token_is_made_for_a_name_that_the_settings_refuse(name: str, capsys: pytest.CaptureFixture[str]):
    assert main(["token", name, "lead"]) == 2

    said = capsys.readouterr()
    assert said.out == "" and "name: it is empty" in said.err


def test_a_made_token_fits_what_is_to_stand_in_the_settings(capsys: pytest.CaptureFixture[str]):
    assert main(["token", 'Tavlan "i rummet"', "wallboard"]) == 0
    said = capsys.readouterr().out
    token = said.partition("shown this once: ")[2].split()[0]

    assert f'token_sha256 = "{digest(token)}"' in said
    assert 'name = "Tavlan \\"i rummet\\""' in said
    assert f"/?token={token}" in said


# ---- how much one may ask for


async def test_a_client_that_asks_too_often_is_told_to_wait_and_others_are_not():
    door = Door()
    limits = limits_of(door)
    while limits.may_ask("192.0.2.1"):
        pass

    blocked = await door.ask("GET", "/healthz", client="192.0.2.1")
    other = await door.ask("GET", "/healthz", client="192.0.2.2")
    door.clock.advance_to(TEN + timedelta(seconds=1))

    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "1")
    assert blocked.json()["error"] == "too_many_requests"
    assert other.status_code == 200
    assert (await door.ask("GET", "/healthz", client="192.0.2.1")).status_code == 200


def test_an_allowance_fills_up_again_and_no_further():
    clock = ManualClock(TEN)
    limits = Limits(clock)
    asked = 0
    while limits.may_ask("a"):
        asked += 1
    clock.advance_to(TEN + timedelta(seconds=1))
    again = 0
    while limits.may_ask("a"):
        again += 1

    assert (asked, again) == (REQUESTS_AT_ONCE, REQUESTS_PER_SECOND)


def test_open_streams_are_bounded_for_one_client_and_for_all():
    limits = Limits(ManualClock(TEN))

    first = sum(limits.open_stream("a") for _ in range(STREAMS_OF_ONE + 1))
    others = sum(limits.open_stream(f"b{number}") for number in range(STREAMS))
    limits.close_stream("a")

    assert (first, first + others) == (STREAMS_OF_ONE, STREAMS)
    assert limits.open_stream("b")
    assert not limits.open_stream("a")


async def test_a_stream_too_many_is_refused_and_one_that_ends_makes_room():
    door = Door()
    limits = limits_of(door)
    for _ in range(STREAMS_OF_ONE):
        assert limits.open_stream("127.0.0.1")

    answer = await door.ask("GET", "/api/v1/stream")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert 'callqueue_http_refused_total{reason="too_many_streams"} 1.0' in (await door.ask("GET", "/metrics")).text


def test_an_address_in_ipv6_stands_for_its_whole_network():
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff") != client_of("2001:db8:0:1::1")
    assert client_of("::ffff:192.0.2.1") == client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("testclient") == "testclient"


def test_a_client_of_many_addresses_cannot_fill_the_memory():
    limits = Limits(ManualClock(TEN))
    for number in range(CLIENTS + 100):
        limits.may_ask(str(number))
        limits.wrong_token(str(number))

    assert len(limits._spent) == len(limits._wrong) == CLIENTS


@pytest.mark.parametrize("headers", [{"Content-Length": "65537"}, {"Content-Length": "much"}])
async def test_a_body_too_big_is_refused_before_it_is_read(headers: dict[str, str]):
    answer = await Door().ask("POST", "/sign-in", content=b"x", headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (413, "too_big")


async def test_a_body_that_does_not_tell_its_length_is_refused():
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    assert (await Door().ask("POST", "/sign-in", content=pieces())).status_code == 413


# ---- people


async def test_who_may_not_see_a_page_is_led_to_sign_in_with_another_key_and_a_program_is_refused():
    door = Door(*Role)
    token = {"Authorization": f"Bearer {TOKENS[Role.WALLBOARD]}"}
    person = await door.ask("GET", "/lead", headers=token | {"Accept": "text/html,*/*"})
    page = await door.ask("GET", urljoin("/lead", person.headers["location"]))
    program = await door.ask("GET", "/lead", headers=token | {"Accept": "application/json"})

    assert (person.status_code, person.headers["location"]) == (303, "./sign-in?next=/lead&role=wallboard")
    assert "Din nyckel räcker inte till den sidan" in page.text
    assert program.status_code == 403


async def test_a_named_walls_own_address_may_carry_its_token_too():
    door = Door(*Role)
    answer = await door.ask("GET", f"/wall/stor?lang=en&token={TOKENS[Role.WALLBOARD]}")

    assert (answer.status_code, answer.headers["location"]) == (303, "../wall/stor?lang=en")
    assert TOKENS[Role.WALLBOARD] in answer.headers["set-cookie"]


async def test_a_person_signs_in_once_and_goes_on_to_the_page_that_was_wanted():
    door = Door(*Role)
    turned = await door.ask("GET", "/docs", headers={"Accept": "text/html,*/*"})
    page = await door.ask("GET", urljoin("/docs", turned.headers["location"]))
    answer = await door.ask("POST", "/sign-in", data={"token": TOKENS[Role.STATUS], "next": "/docs"})
    cookie = answer.headers["set-cookie"]

    assert (turned.status_code, turned.headers["location"]) == (303, "./sign-in?next=/docs")
    assert 'value="/docs"' in page.text
    assert (answer.status_code, answer.headers["location"]) == (303, "./docs")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Max-Age=43200" in cookie
    with_it = {"Cookie": f"{COOKIE}={TOKENS[Role.STATUS]}"}
    assert (await door.ask("GET", "/docs", headers=with_it)).status_code == 200


async def test_a_wrong_key_lets_nobody_in_and_guessing_is_slowed_down():
    door = Door(*Role)
    wrong = await door.ask("POST", "/sign-in", data={"token": "gissning"})
    for _ in range(WRONG_TOKENS):
        await door.ask("POST", "/sign-in", data={"token": "gissning"})
    blocked = await door.ask("POST", "/sign-in", data={"token": "gissning"})

    assert (wrong.status_code, blocked.status_code) == (401, 429)
    assert "Nyckeln känns inte igen" in wrong.text
    assert "set-cookie" not in wrong.headers
    assert "set-cookie" not in blocked.headers
    assert (await door.ask("POST", "/sign-in", data={"token": TOKENS[Role.ADMIN]})).status_code == 303


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb", ""])
async def test_signing_in_never_leads_to_another_site(wanted: str):
    answer = await Door(*Role).ask("POST", "/sign-in", data={"token": TOKENS[Role.STATUS], "next": wanted})

    assert answer.headers["location"] == "./"


async def test_what_looks_like_another_scheme_is_a_page_of_ours_that_does_not_exist():
    answer = await Door(*Role).ask(
        "POST", "/sign-in", data={"token": TOKENS[Role.STATUS], "next": "/https:evil.example"}
    )

    assert urljoin("http://localhost/sign-in", answer.headers["location"]) == "http://localhost/https:evil.example"


async def test_signing_out_takes_the_cookie_away():
    answer = await Door(*Role).ask("POST", "/sign-out")

    assert 'queue_monitor=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_refusals_are_counted_by_why():
    door = Door(*Role)
    await door.ask("GET", "/")
    await door.ask("GET", "/", headers={"Authorization": "Bearer gissning"})
    await door.ask("GET", "/metrics", Role.WALLBOARD)

    text = (await door.ask("GET", "/metrics", Role.METRICS)).text
    for reason in ("no_token", "wrong_token", "wrong_role"):
        assert f'callqueue_http_refused_total{{reason="{reason}"}} 1.0' in text


async def test_no_token_opens_the_intake_which_its_senders_sign():
    door = Door(*Role)

    assert (await door.ask("POST", "/api/v1/events", Role.ADMIN)).status_code == 404
    assert "intake" not in {role.value for role in Role}


async def test_a_saved_address_leads_over_the_sign_in_to_what_it_holds_in_its_language() -> None:
    """Somebody who is sent the address of a choice, and has to sign in first, comes to that choice."""
    door = Door(*Role)
    wanted = "/docs?period=year&queue=V%C3%A4xel+%26+bygg&lang=en"
    turned = await door.ask("GET", f"{wanted}&token=hemlig", headers={"Accept": "text/html,*/*"})
    sign_in = urljoin(wanted, turned.headers["location"])
    page = await door.ask("GET", sign_in)
    (field,) = parse_qs(urlsplit(sign_in).query)["next"]
    answer = await door.ask("POST", "/sign-in", data={"token": TOKENS[Role.STATUS], "next": field})
    found = urlsplit(answer.headers["location"])

    assert turned.status_code == 303 and "hemlig" not in sign_in
    assert 'lang="en"' in page.text and "Sign in" in page.text
    assert (found.path, parse_qs(found.query)) == ("./docs", parse_qs(urlsplit(wanted).query))
