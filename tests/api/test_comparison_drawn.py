"""Yesterday and the typical same weekday as thin lines in the day's picture."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.api import sample
from tests.api.looking import UNREADABLE
from tests.api.serving import chromium, serving
from tests.api.test_comparison import SUNDAY, History, mondays


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize(
    ("language", "words"), [("sv", ["I går", "Vanlig måndag"]), ("en", ["Yesterday", "Typical Monday"])]
)
@pytest.mark.parametrize("size", [(960, 540), (1920, 1080), (390, 844)])
def test_the_picture_has_thin_lines_and_a_legend_in_words(
    browser: Browser, language: str, words: list[str], size: tuple[int, int]
) -> None:
    figures = History(sample.rush(), {**mondays(9, 10, 11), SUNDAY: 4})
    with serving(sample.rush(), figures=figures) as server:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
        page = context.new_page()
        page.goto(f"{server.address}/?lang={language}")
        expect(page.locator("#fresh")).to_contain_text("Updated" if language == "en" else "Uppdaterad")
        server.show(sample.rush())
        for said in words:
            expect(page.locator("#curve-key")).to_contain_text(said)
        expect(page.locator("#drawing path.typical")).to_have_count(1)
        expect(page.locator("#drawing path.yesterday")).to_have_count(1)
        assert page.evaluate(UNREADABLE) == []
        context.close()


def test_without_history_the_legend_does_not_promise_lines(browser: Browser) -> None:
    with serving(sample.rush(), figures=History(sample.rush(), {})) as server:
        page = browser.new_page()
        page.goto(server.address)
        expect(page.locator("#fresh")).to_contain_text("Uppdaterad")
        server.show(sample.rush())
        expect(page.locator("#curve-key li")).to_have_count(5)
        expect(page.locator("#drawing path.typical, #drawing path.yesterday")).to_have_count(0)
        page.close()
