"""The page behind a message's link: looking is not acknowledging, the button is, and a guessed link finds nothing."""

import pytest
from httpx import ASGITransport, AsyncClient

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.memory import MemoryRecord
from alerts.rules import AlertSettings
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.api.pages.acknowledge import acknowledge_routes
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Crisis, Role
from queue_monitor.store import MemoryAudit
from tests.alerts.moments import at, queue, risk, snapshot
from tests.api.sample import FakeFigures
from tests.scenario import STOCKHOLM


class Page:
    """A served monitor with one open alarm, where everybody else needs a token."""

    def __init__(self, *, tokens: bool = True) -> None:
        self.record, self.audit, clock = MemoryRecord(), MemoryAudit(), ManualClock(at(60))
        self.figures = figures = FakeFigures(snapshot(at(60), risk=risk(0.97)))
        self.dispatcher = Dispatcher([], [], self.record, clock, STOCKHOLM)
        watch = AlertEngine(AlertSettings(), "sv")
        self.round = AlertRound(watch, figures, clock, self.record, self.dispatcher, link="https://monitor.example/")
        access = [Access(name="tavlan", role=Role.WALLBOARD, token_sha256=digest("hemligt"))]
        routers = [acknowledge_routes(self.round, clock, self.audit, "sv")]
        app = create_app(figures, clock, routers=routers, access=access if tokens else [])
        self.client = AsyncClient(transport=ASGITransport(app=app), base_url="http://monitor.example")

    async def link(self) -> str:
        (alert,) = await self.round.evaluate()
        return self.round.sign(alert.episode, "Åsa Öberg").removeprefix("https://monitor.example")


async def test_looking_at_the_page_acknowledges_nothing() -> None:
    page = Page()
    link = await page.link()

    answer = await page.client.get(link)

    assert answer.status_code == 200
    assert "stor risk att dagsmålet missas" in answer.text
    assert "Jag har sett det" in answer.text
    assert page.dispatcher.acknowledged == frozenset()


async def test_the_button_acknowledges_once() -> None:
    page = Page()
    link = await page.link()

    first, again = await page.client.post(link), await page.client.post(link)

    assert "Kvitterat." in first.text
    assert "redan kvitterat" in again.text
    assert len((await page.record.load_alerts(at(0))).acknowledgements) == 1
    assert page.round.now().acknowledged


@pytest.mark.parametrize(
    ("lang", "over", "raised"),
    [
        ("sv", "Larmet är över. Ingen behöver kvittera det.", "Stor risk"),
        ("en", "The alarm is over. Nobody needs to acknowledge it.", "high risk"),
    ],
)
async def test_an_alarm_that_is_over_is_shown_as_over_and_cannot_be_acknowledged(
    lang: str, over: str, raised: str
) -> None:
    page = Page()
    link = await page.link()
    for minute in range(61, 80):
        page.figures.show(snapshot(at(minute), risk=risk(0.1)))
        await page.round.evaluate()

    answers = [await page.client.request(method, f"{link}?lang={lang}") for method in ("GET", "POST")]
    for answer in answers:
        assert over in answer.text
        assert raised not in answer.text
        assert "<button" not in answer.text
    assert page.dispatcher.acknowledged == frozenset()
    assert await page.audit.acts(at(0), at(100)) == []


async def test_the_link_of_an_alarm_whose_queue_has_joined_a_pool_opens_the_alarm_of_the_pool() -> None:
    """The trouble of the queue is not said to be over while that of its pool stands, and can be acknowledged."""
    page = Page()
    now = at(60)
    page.figures.show(snapshot(now, *(queue(now, name, risk=risk(0.97)) for name in "ab")))
    await page.round.evaluate()
    now = at(61)
    pool = queue(now, "a + b", risk=risk(0.97), label="Båda")
    page.figures.show(snapshot(now, queue(now, "a"), queue(now, "b"), pools=(pool,)))
    (joined,) = await page.round.evaluate()
    (standing,) = page.round.now().open

    link = page.round.sign(joined.episode, "Åsa Öberg").removeprefix("https://monitor.example")
    answer = await page.client.post(link)

    assert "Larmet är över" not in answer.text
    assert "Båda: stor risk att dagsmålet missas." in answer.text
    assert page.dispatcher.acknowledged == {standing.episode}


async def test_the_link_of_yesterdays_crisis_opens_that_of_today() -> None:
    """A crisis that lasts is told anew each day, and yesterday's message leads to it."""
    page = Page()
    page.figures.show(snapshot(at(60)))
    await page.round.declare(Crisis(since=at(60), reason="strömavbrott"))
    (first,) = page.round.now().open
    link = page.round.sign(first.episode, "Åsa Öberg").removeprefix("https://monitor.example")
    page.figures.show(snapshot(at(60 + 26 * 60)))
    await page.round.evaluate()
    (second,) = page.round.now().open

    assert first.episode != second.episode
    await page.client.post(link)
    assert page.dispatcher.acknowledged == {second.episode}


async def test_the_audit_and_the_record_name_to_whom_the_link_was_sent_and_from_where_it_was_used() -> None:
    page = Page()
    link = await page.link()

    await page.client.post(link)
    await page.client.post(link)

    (act,) = await page.audit.acts(at(0), at(100))
    (seen,) = (await page.record.load_alerts(at(0))).acknowledgements
    assert (act.who, act.origin, act.act, act.subject) == ("Åsa Öberg", "127.0.0.1", "acknowledge", seen.episode)
    assert seen.by == "Åsa Öberg"


async def test_a_link_of_somebody_elses_name_is_no_link_of_ours() -> None:
    page = Page()
    episode, _, signature = (await page.link()).split(".")

    assert (await page.client.post(f"{episode}.Qm8.{signature}")).status_code == 404
    assert (await page.client.post(f"{episode}.{signature}")).status_code == 404


@pytest.mark.parametrize("tokens", [True, False])
async def test_a_link_works_by_whatever_name_the_monitor_is_reached(tokens: bool) -> None:
    page = Page(tokens=tokens)
    link = await page.link()
    headers = {"Host": "monitor.example", "Origin": "https://monitor.example", "Sec-Fetch-Site": "same-origin"}

    assert (await page.client.post(link, headers=headers)).status_code == 200
    assert page.dispatcher.acknowledged


async def test_a_guessed_link_finds_nothing_and_acknowledges_nothing() -> None:
    page = Page()
    link = await page.link()
    guessed = link[:-1] + ("0" if link[-1] != "0" else "1")

    assert (await page.client.get(guessed)).status_code == 404
    assert (await page.client.post(guessed)).status_code == 404
    assert (await page.client.post("/alerts/å")).status_code == 404
    assert page.dispatcher.acknowledged == frozenset()


async def test_the_link_needs_no_token_and_opens_nothing_else() -> None:
    page = Page()
    link = await page.link()

    assert (await page.client.get(link)).status_code == 200
    assert (await page.client.get("/api/v1/status")).status_code == 401


async def test_the_page_speaks_english_when_asked() -> None:
    page = Page()

    answer = (await page.client.get(await page.link(), params={"lang": "en"})).text

    assert "I have seen it" in answer
    assert "<h2>High risk that today&#39;s target is missed –" in answer
    assert '<div lang="sv"><p>Kl. ' in answer
