"""The lead's words on the walls: put up with an end, written down first, and gone after it."""

from datetime import timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.api.json.banner import banner_routes
from queue_monitor.model import Role
from tests.alerts.moments import at
from tests.api.test_alerts import Away, Room

BANNER = "/api/v1/banner"
FIKA = {"words": " Fika  i köket 14.30 ", "until": "2026-11-23T09:00:00Z", "by": "Anna"}


class Desk(Room):
    """The room of the alerts, with walls to write on."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__(away=away)
        audit = Away() if away else self.audit
        self.app.include_router(banner_routes(self.round, self.clock, audit, "sv", ZoneInfo("Europe/Stockholm")))

    async def acts(self) -> list[tuple[str, str, str, str]]:
        return [(act.who, act.act, act.subject, act.detail) for act in await self.audit.acts(at(0), at(1000))]


async def test_words_are_put_up_written_down_and_taken_down():
    desk = Desk()
    shown = await desk.ask("POST", BANNER, json=FIKA)
    read = await desk.ask("GET", BANNER, Role.STATUS)
    ended = await desk.ask("DELETE", BANNER)

    assert shown.status_code == 200
    assert read.json()["banner"] == {
        "words": "Fika i köket 14.30",
        "since": "2026-11-23T08:00:00Z",
        "until": "2026-11-23T09:00:00Z",
        "by": "Anna",
    }
    assert (ended.status_code, ended.json()["banner"], desk.round.banner) == (200, None, None)
    assert (await desk.ask("DELETE", BANNER)).status_code == 404
    assert [act for _, act, _, _ in await desk.acts()] == ["show_banner", "end_banner"]


async def test_after_their_end_they_are_gone_and_a_restart_keeps_those_that_stand():
    desk = Desk()
    await desk.ask("POST", BANNER, json=FIKA)
    again = Desk()
    again.round._watch.state = type(desk.round._watch.state).decode(desk.round._watch.state.encode())

    assert again.round.now().banner == desk.round.banner
    desk.clock.advance_to(at(60) + timedelta(hours=1))
    assert (desk.round.banner, desk.round.now().banner) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": "  "},
        {"words": "Ring 0920-45 30 00"},
        {"by": "070 174 06 05"},
        {"until": "2026-11-23T07:00:00Z"},
        {"until": "2026-12-23T07:00:00Z"},
        {"until": "2026-11-23T09:00:00"},
        {"words": "x" * 161},
    ],
)
async def test_what_no_wall_may_show_is_refused_and_not_written_down(wrong: dict[str, str]):
    desk = Desk()
    answer = await desk.ask("POST", BANNER, json=FIKA | wrong)

    assert (answer.status_code, desk.round.banner, await desk.acts()) == (422, None, [])


async def test_who_only_reads_may_not_write_on_the_walls():
    desk = Desk()
    for method, path in (("POST", BANNER), ("DELETE", BANNER), ("POST", "/lead/banner")):
        assert (await desk.ask(method, path, Role.STATUS, json=FIKA)).status_code == 403

    assert desk.round.banner is None


async def test_what_cannot_be_written_down_is_not_shown():
    desk = Desk(away=True)

    assert (await desk.ask("POST", BANNER, json=FIKA)).status_code == 503
    assert desk.round.banner is None


async def test_the_form_takes_a_time_of_today_by_the_rooms_clock_that_has_not_passed():
    desk = Desk()  # it is 9.00
    taken = await desk.ask("POST", "/lead/banner?lang=sv", content=urlencode({"words": "Möte", "until": "10:15"}))
    shown = desk.round.banner

    assert taken.status_code == 303
    assert shown is not None
    assert shown.until.isoformat() == "2026-11-23T09:15:00+00:00"
    for wrong in ("25:00", "08:15", ""):
        answer = await desk.ask("POST", "/lead/banner", content=urlencode({"words": "x", "until": wrong}))
        assert answer.status_code == 422
    assert desk.round.banner == shown
