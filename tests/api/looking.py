"""How a page is looked at: in which window, what axe holds it to, and where text cannot be read."""

from collections.abc import Collection, Iterable
from itertools import product
from typing import Any, Final, Literal, NamedTuple

import pytest
from _pytest.mark.structures import ParameterSet
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

_CONTRAST: Final = "color-contrast"
_VIOLATIONS: Final = "([where, options]) => axe.run(where ?? document, options).then((found) => found.violations)"
AA: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}

# The looks of all text: its colour, whether it is large, and what is painted behind it up to what covers the rest.
# Marks with `data-new-look` one text of each look that is not in `known`.
_NEW_LOOKS: Final = """(known) => {
  const looks = new Set(known);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const own = getComputedStyle(element);
    const look = [own.color, own.textShadow, parseFloat(own.fontSize) >= (own.fontWeight >= 700 ? 19 : 24)];
    let covered = false;
    for (let behind = element; behind; behind = behind.parentElement) {
      const style = getComputedStyle(behind);
      if (style.opacity !== '1') look.push(style.opacity);
      if (!covered && style.backgroundImage !== 'none') look.push(style.backgroundImage);
      if (!covered && style.backgroundColor !== 'rgba(0, 0, 0, 0)') {
        look.push(style.backgroundColor);
        covered = style.backgroundColor.startsWith('rgb(');
      }
    }
    const words = look.join();
    if (!looks.has(words)) element.setAttribute('data-new-look', '');
    looks.add(words);
  }
  return [...looks];
}"""
_FORGET: Final = """() => document.querySelectorAll('[data-new-look]')
  .forEach((marked) => marked.removeAttribute('data-new-look'))"""


def combined(*each: Iterable[Any], short: Collection[tuple[Any, ...]]) -> list[ParameterSet]:
    """Return every combination, for `make soak` all but the `short` ones: those have each size, language and so on."""
    combinations = list(product(*each))
    assert set(short) <= set(combinations)
    return [pytest.param(*one, marks=() if one in short else pytest.mark.soak) for one in combinations]


class Window(NamedTuple):
    """A page, what it has asked for, and what went wrong in its scripts."""

    page: Page
    asked: list[str]
    wrong: list[str]


class Windows:
    """The windows of a browser. One that no test looks into any more is taken again for another page: that is less than
    half of what a new one costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: list[Window] = []
        self._open: list[Window] = []

    def take(self, address: str, size: tuple[int, int], *, color_scheme: Literal["light", "dark"] = "light") -> Window:
        """Return a window of that size that knows nothing of what was in it, at a page of the server without script."""
        width, height = size
        window = self._idle.pop() if self._idle else self.new()
        page = window.page
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(media="null", reduced_motion="reduce", color_scheme=color_scheme)
        page.context.clear_cookies()
        page.goto(f"{address}/healthz")  # of the same site, so that the browser keeps the process of its page
        page.evaluate("sessionStorage.clear()")
        window.asked.clear()
        window.wrong.clear()
        self._open.append(window)
        return window

    def new(self) -> Window:
        """Return a window that nothing was in; whoever sets its clock closes it."""
        page = self._browser.new_context(reduced_motion="reduce").new_page()
        window = Window(page, [], [])
        page.on("request", lambda request: window.asked.append(request.url))
        page.on("pageerror", lambda error: window.wrong.append(str(error)))
        page.on("console", lambda said: window.wrong.append(said.text) if said.type in {"error", "warning"} else None)
        return window

    def leave(self) -> None:
        """Let what is in them be gone: the next look may be into any of them."""
        self._idle += self._open
        self._open.clear()


class Reader:
    """Looks with axe at a page in one state after another. What a text's colour is on what is behind it takes axe most
    of the time, and is looked at once for each look of a text.
    """

    def __init__(self) -> None:
        self._looks: list[str] = []

    def faults(self, page: Page, *, structure: bool = True) -> str:
        """Return what cannot be read by everybody, "" for nothing; without `structure` only for its colours."""
        known = len(self._looks)
        self._looks = page.evaluate(_NEW_LOOKS, self._looks)
        if page.evaluate("typeof axe") == "undefined":
            page.evaluate(Axe().axe_script)
        without_colours = {**AA, "rules": {_CONTRAST: {"enabled": False}}}
        found = page.evaluate(_VIOLATIONS, [None, without_colours]) if structure else []
        if len(self._looks) > known:
            found += page.evaluate(_VIOLATIONS, ["[data-new-look]", {**AA, "runOnly": [_CONTRAST]}])
            page.evaluate(_FORGET)
        return AxeResults({"violations": found}).generate_report() if found else ""


# Where text runs out of the screen, out of its box, or into other text.
UNREADABLE: Final = """() => {
  const near = 1.5;
  const found = [];
  const texts = [];
  const hidden = '.words, .sprite, .skip, .wide, [hidden], noscript';
  const seen = (element) => element.checkVisibility() && !element.closest(hidden);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.textContent.trim() || !seen(node.parentElement) || node.parentElement.closest('script')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    // Of a name is seen what fits.
    const name = node.parentElement.closest('.name span, #oldest-queue span');
    const least = name ? name.getBoundingClientRect() : null;
    for (const box of range.getClientRects()) {
      if (!box.width || !box.height) continue;
      if (least && (box.top + box.height / 2 >= least.bottom || box.left >= least.right - near)) continue;
      const right = least ? Math.min(box.right, least.right) : box.right;
      texts.push([node, least ? new DOMRect(box.left, box.top, right - box.left, box.height) : box]);
    }
  }
  const isWall = innerWidth >= 900 && innerWidth * 3 >= innerHeight * 4;
  const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
  for (const [node, box] of texts) {
    const words = node.textContent.trim();
    if (box.left < -near || box.right > innerWidth + near) found.push(`outside the screen: ${words}`);
    if (isWall && (scrolls || box.bottom > innerHeight + near)) found.push(`below the screen: ${words}`);
    const holder = node.parentElement.closest('.tile, .panel, .verdict, .facts, .alarm, .row, .drawing');
    if (holder) {
      const edge = holder.getBoundingClientRect();
      const inset = Math.min(box.height * 0.2, 20);
      if (box.left < edge.left - near || box.right > edge.right + 8
        || box.top + inset < edge.top - near || box.bottom - inset > edge.bottom + near) {
        found.push(`outside its box: ${words}`);
      }
    }
  }
  texts.sort(([, p], [, q]) => p.top - q.top);
  for (let a = 0; a < texts.length; a += 1) {
    const [one, p] = texts[a];
    for (let b = a + 1; b < texts.length; b += 1) {
      const [other, q] = texts[b];
      if (q.top > p.bottom) break;
      if (one === other) continue;
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > near && high > Math.min(p.height, q.height) * 0.32) {
        found.push(`on top of each other: ${one.textContent.trim()} / ${other.textContent.trim()}`);
      }
    }
  }
  return found;
}"""
