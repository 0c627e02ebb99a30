"""A crisis over HTTP: an admin declares it with a reason and ends it, and it is written down first."""

from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator

from queue_monitor.api.json.crisis import crisis_routes
from queue_monitor.model import AlertKind, Crisis, Role
from tests.alerts.moments import at
from tests.api.test_alerts import Away, Room

CRISIS = "/api/v1/crisis"
LEAK = Crisis(since=at(60), reason="vattenläcka på Porsön", by="Anna Berg")


class Desk(Room):
    """The room of the alerts with a desk where a crisis is declared."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__(away=away)
        self.app.include_router(crisis_routes(self.round, self.clock, Away() if away else self.audit, "sv"))

    async def acts(self) -> list[tuple[str, str, str, str]]:
        return [(act.who, act.act, act.subject, act.detail) for act in await self.audit.acts(at(0), at(1000))]


async def test_an_admin_declares_it_with_a_reason_and_people_hear_of_it_at_once():
    desk = Desk()
    answer = await desk.ask("POST", CRISIS, json={"reason": " vattenläcka  på Porsön. ", "by": "Anna Berg"})

    assert answer.status_code == 200
    assert answer.json()["crisis"] == {
        "declared_at": "2026-11-23T08:00:00Z",
        "reason": "vattenläcka på Porsön",
        "by": "Anna Berg",
    }
    assert desk.round.crisis == LEAK
    assert AlertKind.CRISIS in {alert.kind for alert in desk.round.now().open}
    assert await desk.acts() == [("nyckel admin", "declare_crisis", "vattenläcka på Porsön", "Anna Berg")]
    assert (await desk.ask("GET", CRISIS, Role.STATUS)).json()["crisis"]["reason"] == "vattenläcka på Porsön"


async def test_it_is_ended_and_that_is_written_down_too():
    desk = Desk()
    await desk.ask("POST", CRISIS, json={"reason": "storm"})
    ended = await desk.ask("DELETE", CRISIS)

    assert (ended.status_code, ended.json()["crisis"], desk.round.crisis) == (200, None, None)
    assert AlertKind.CRISIS not in {alert.kind for alert in desk.round.now().open}
    assert [act[:3] for act in await desk.acts()] == [
        ("nyckel admin", "declare_crisis", "storm"),
        ("nyckel admin", "end_crisis", "storm"),
    ]
    assert (await desk.ask("DELETE", CRISIS)).status_code == 404


async def test_one_that_stands_is_not_declared_anew():
    desk = Desk()
    await desk.ask("POST", CRISIS, json={"reason": "storm"})
    again = await desk.ask("POST", CRISIS, json={"reason": "något annat"})

    assert (again.status_code, again.json()["detail"]) == (409, "En kris är redan utlyst: storm.")
    assert desk.round.crisis is not None and desk.round.crisis.by == "nyckel admin"
    assert len(await desk.acts()) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"reason": " . "}', b'{"reason": 7}', b'{"reason": "' + b"x" * 201 + b'"}']
)
async def test_without_a_reason_in_a_few_words_there_is_none(body: bytes):
    desk = Desk()
    answer = await desk.ask("POST", CRISIS, content=body)

    assert answer.status_code == 422
    assert (desk.round.crisis, await desk.acts()) == (None, [])


@pytest.mark.parametrize("number", ["0920-45 30 00", "+46704123456", "070 412 34 56"])
async def test_a_telephone_number_is_neither_kept_nor_sent(number: str):
    desk = Desk()
    for body in ({"reason": f"ring {number}"}, {"reason": "storm", "by": number}):
        answer = await desk.ask("POST", CRISIS, json=body)
        assert (answer.status_code, answer.json()["detail"]) == (422, "Skriv inget telefonnummer.")
    assert (desk.round.crisis, await desk.acts()) == (None, [])
    assert (await desk.ask("POST", CRISIS, json={"reason": "E4 stängd sedan kl. 14.30, 120 bilar"})).status_code == 200


async def test_whoever_may_only_read_declares_and_ends_nothing():
    desk = Desk()
    for method, path in (("POST", CRISIS), ("DELETE", CRISIS), ("POST", "/lead/crisis")):
        assert (await desk.ask(method, path, Role.STATUS, json={"reason": "x"})).status_code == 403
        assert (await desk.ask(method, path, None, json={"reason": "x"})).status_code == 401
    assert desk.round.crisis is None


async def test_while_it_cannot_be_written_down_nothing_is_declared():
    desk = Desk(away=True)
    answer = await desk.ask("POST", CRISIS, json={"reason": "storm"})

    assert (answer.status_code, desk.round.crisis) == (503, None)


async def test_the_buttons_of_the_page_do_the_same_and_lead_back_to_it():
    desk = Desk()

    async def press(**written: str) -> str:
        answer = await desk.ask("POST", "/lead/crisis?queue=Bygglov&lang=sv", content=urlencode(written))
        assert answer.status_code == 303
        return str(answer.headers["location"])

    assert await press(reason="  ") == "../lead?queue=Bygglov&lang=sv#alerts"
    assert desk.round.crisis is None
    await press(reason="vattenläcka på Porsön", by="Anna Berg")
    assert desk.round.crisis == LEAK
    await press(reason="en till")
    assert desk.round.crisis == LEAK
    await press(end="yes")
    assert desk.round.crisis is None
    await press(end="yes")
    assert [act for _, act, _, _ in await desk.acts()] == ["declare_crisis", "end_crisis"]


async def test_every_answer_has_the_shape_that_the_document_gives():
    desk = Desk()
    schemas = (await desk.ask("GET", "/openapi.json")).json()["components"]["schemas"]
    for answer in (await desk.ask("POST", CRISIS, json={"reason": "storm"}), await desk.ask("GET", CRISIS)):
        whole = {"$ref": "#/components/schemas/CrisisBody", "components": {"schemas": schemas}}
        Draft202012Validator(whole).validate(answer.json())
