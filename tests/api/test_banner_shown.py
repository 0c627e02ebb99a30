"""The lead's words as the rooms see them: on every wall until their end, and written with two fields."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from queue_monitor.model import AlertsNow, Banner, Board
from tests.api import sample
from tests.api.looking import UNREADABLE
from tests.api.serving import chromium, serving, sign_in


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_every_wall_shows_them_and_they_go_by_themselves(browser: Browser):
    calm = sample.calm()
    words = "Personalmöte 11.00 i Ljuset – telefonerna täcks av Björk och två från växeln, tack för hjälpen"
    banner = Banner(words=words, since=calm.at, until=calm.at + timedelta(seconds=3))
    with serving(replace(calm, alerts=AlertsNow(banner=banner)), boards=[Board(name="en")]) as server:
        for path in ("/", "/wall/en"):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(server.address + path)
            expect(page.locator("#banner")).to_have_text(words)
            assert page.evaluate(UNREADABLE) == []
            expect(page.locator("#banner")).to_be_hidden(timeout=15_000)
            page.close()


def test_the_lead_writes_them_with_two_fields(browser: Browser):
    with serving(sample.calm()) as server:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        sign_in(context, server)
        page = context.new_page()
        page.goto(f"{server.address}/lead")

        page.locator("#banner summary").click()
        expect(page.locator("#banner-words")).to_be_visible()
        expect(page.locator("#banner-until")).to_be_visible()
        assert page.evaluate(UNREADABLE) == []
        context.close()
