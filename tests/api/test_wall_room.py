"""Targets, limits and names of queues that are longer than usual have their room on a wall."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from queue_monitor.model import Board, BoardLayout, Snapshot
from tests.api import sample
from tests.api.serving import chromium, serving

NAMES = tuple(
    f"Samhällsbyggnadsförvaltningens kundtjänst för bygglov, mark, miljö och hälsa samt {place}"
    for place in ("norr", "söder", "öster", "väster", "centrum", "skärgården")
)
SIZES = ((1920, 1080), (1280, 720), (960, 540))

LIES_ON_ANOTHER = """() => {
  const shown = [...document.querySelectorAll('.tile .under > *, .tile .more > *, .tile h2, .tile .number')]
    .filter((each) => each.checkVisibility() && each.textContent.trim());
  const box = (each) => each.getBoundingClientRect();
  const found = [];
  for (const one of shown) {
    const tile = box(one.closest('.tile'));
    if (box(one).bottom > tile.bottom + 1 || box(one).right > tile.right + 1) found.push(`${one.textContent} outside`);
    for (const other of shown) {
      if (one === other || one.closest('.tile') !== other.closest('.tile')) continue;
      if (one.matches('h2, .number') || other.matches('h2, .number')) continue;
      const a = box(one), b = box(other);
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 2) found.push(`${one.textContent} on ${other.textContent}`);
    }
  }
  return found;
}"""
LETTERS_ARE_CUT = """() => [...document.querySelectorAll('.rows .name > span:not(.words)')].filter((name) => {
  const letters = document.createRange();
  letters.selectNodeContents(name);
  const all = letters.getBoundingClientRect(), shown = name.getBoundingClientRect();
  return all.top < shown.top - 0.5 || all.bottom > shown.bottom + 0.5;
}).map((name) => name.textContent)"""
CUT_ON_THE_LEFT = """() => {
  const text = document.querySelector('svg text.target-text').getBoundingClientRect();
  return text.left < document.getElementById('drawing').getBoundingClientRect().left - 0.5;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def opened(browser: Browser, address: str, size: tuple[int, int], language: str = "sv") -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
    expect(page.locator("#fresh")).to_contain_text("Updated" if language == "en" else "Uppdaterad", timeout=15_000)
    return page


def promised(ratio: float, limit_seconds: int) -> Snapshot:
    rush = sample.rush()
    return replace(rush, target=replace(rush.target, ratio=ratio, limit_seconds=limit_seconds))


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize(("ratio", "limit"), [(0.9, 300), (0.925, 300), (0.9225, 150), (0.9225, 4500)])
def test_a_target_with_decimals_and_a_long_limit_lie_on_nothing_else(
    browser: Browser, ratio: float, limit: int, language: str
) -> None:
    """A target of 92.25 % and a limit of an hour and a quarter are written whole, on a line of their own."""
    with serving(promised(ratio, limit)) as server:
        for size in SIZES:
            page = opened(browser, f"{server.address}/", size, language)
            assert page.evaluate(LIES_ON_ANOTHER) == [], size
            assert not page.evaluate(CUT_ON_THE_LEFT), size
            page.close()


@pytest.mark.parametrize("layout", list(BoardLayout))
def test_queues_whose_names_differ_at_their_ends_are_told_apart(browser: Browser, layout: BoardLayout) -> None:
    """Names that have no room lose their middle and not their end, on every kind of wall."""
    boards = [Board(name="lang", layout=layout)]
    with serving(sample.many(NAMES), boards=boards) as server:
        for size in SIZES:
            page = opened(browser, f"{server.address}/wall/lang", size)
            names = page.locator(".rows .name > span:not(.words)")
            if layout is not BoardLayout.LARGE:
                written = names.all_inner_texts()
                assert {name.rpartition(" ")[2] for name in written} == {name.rpartition(" ")[2] for name in NAMES}
                cut = "each => each.scrollHeight > each.clientHeight + 2 || each.scrollWidth > each.clientWidth + 1"
                assert not any(names.nth(at).evaluate(cut) for at in range(names.count())), size
            oldest = page.locator("#oldest-queue")
            assert oldest.inner_text().endswith(("skärgården", "centrum"))
            assert not oldest.locator("span").evaluate("each => each.scrollWidth > each.clientWidth + 1"), size
            page.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_marks_over_capital_letters_and_the_tails_of_letters_are_not_cut(
    browser: Browser, size: tuple[int, int]
) -> None:
    """Äldreomsorg is not Aldreomsorg on a wall where every queue is late."""
    with serving(sample.all_at_once()) as server:
        page = opened(browser, f"{server.address}/", size)
        expect(page.locator(".rows .name").first).to_be_visible()
        assert page.evaluate(LETTERS_ARE_CUT) == []
        page.close()
