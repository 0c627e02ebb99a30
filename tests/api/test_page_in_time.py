"""The open wallboard in Chromium before the whole program: how soon it shows a caller, and that it never tires."""

import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from queue_monitor import texts
from queue_monitor.clock import SystemClock
from tests.api.boards import spread
from tests.api.centre import centre
from tests.api.looking import AA, UNREADABLE
from tests.api.serving import chromium
from tests.patience import PATIENCE
from tests.test_service import Monitor, running

CURRENT_SECONDS = 1.0
WALL: ViewportSize = {"width": 1920, "height": 1080}

# When each number of waiting callers was painted: two frames after the page wrote it, by the clock that the test reads.
WHEN_PAINTED = """() => {
  window.painted = {};
  const place = document.getElementById("waiting");
  const note = () => {
    const number = place.textContent;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.painted[number] ??= Date.now() / 1000; }));
  };
  new MutationObserver(note).observe(place, { childList: true, characterData: true, subtree: true });
}"""

# Counts what the stream sent and looks after each message whether the page shows that moment. Keeps nothing of it.
WHAT_WAS_SHOWN = """
const Real = window.EventSource;
window.seen = { heard: 0, missed: 0, longest: 0, last: null };
window.EventSource = class extends Real {
  set onmessage(handler) {
    super.onmessage = async (event) => {
      handler(event);
      const shown = document.getElementById("fresh").textContent;
      const { at, zone } = JSON.parse(event.data);
      const seen = window.seen;
      const now = performance.now();
      if (seen.last !== null) seen.longest = Math.max(seen.longest, now - seen.last);
      seen.last = now;
      seen.heard += 1;
      const { clock } = await import("/static/wallboard.js");
      if (!shown.includes(clock(at, zone, true))) seen.missed += 1;
    };
  }
};
"""

# What the page and the status API say, taken together only where both are of the same moment.
BOTH = """async () => {
  const { clock } = await import("/static/wallboard.js");
  const answer = await fetch("/api/v1/status");
  const status = await answer.json();
  const said = (place) => document.getElementById(place).innerText.replaceAll("\u00a0", " ").trim();
  const { board } = JSON.parse(document.getElementById("page").textContent);
  const second = clock(status.generated_at, board.zone, true);
  if (!said("fresh").includes(second)) return null;
  const facts = [...document.querySelectorAll("#facts dd")].map((one) => one.firstChild.textContent);
  const page = Object.fromEntries(["waiting", "oldest", "share", "staff", "verdict-word"].map((id) => [id, said(id)]));
  return { second, status, page: { ...page, facts } };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


# ---- a caller on the screen


def painted(browser: Browser, folder: Path, callers: int) -> list[float]:
    """How long it took from the post of each caller until the screen showed one more."""
    took = []
    with centre(folder) as told:
        told.tell(told.enters(1_000))
        page = browser.new_page(viewport=WALL)
        page.goto(f"{told.address}/")
        expect(page.locator("#waiting")).to_have_text("1", timeout=PATIENCE * 1000)
        page.evaluate(WHEN_PAINTED)
        for caller in range(2, callers + 2):
            posted = SystemClock().now().timestamp()
            told.tell(told.enters(caller))
            expect(page.locator("#waiting")).to_have_text(str(caller), timeout=PATIENCE * 1000)
            while (at := page.evaluate(f"window.painted['{caller}']")) is None:
                page.wait_for_timeout(20)
            took.append(at - posted)
            time.sleep(0.013 * (caller % 40))  # at every phase of the tick
        page.close()
    print(f"\nfrom the post to the pixel: {spread(took)}")
    return took


def test_a_caller_is_on_the_screen_within_a_second(browser: Browser, tmp_path: Path):
    took = painted(browser, tmp_path, callers=12)

    assert statistics.median(took) <= CURRENT_SECONDS


@pytest.mark.soak
def test_each_of_three_hundred_callers_is_on_the_screen_within_a_second(browser: Browser, tmp_path: Path):
    took = painted(browser, tmp_path, callers=300)

    assert max(took) <= CURRENT_SECONDS


# ---- a long day


class Looked(NamedTuple):
    """What the page holds at a moment, after the rubbish has been collected, and what it has been sent by then."""

    heap_mb: float
    nodes: int
    heard: int
    missed: int
    longest_seconds: float
    clock: str

    @classmethod
    def at(cls, page: Page) -> "Looked":
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1_000_000
        nodes = session.send("Memory.getDOMCounters")["nodes"]
        session.detach()
        seen: dict[str, Any] = page.evaluate("({...window.seen})")
        clock = page.locator("#fresh").text_content() or ""
        return cls(heap, nodes, seen["heard"], seen["missed"], seen["longest"] / 1000, clock)


def watched(page: Page, monitor: Monitor, seconds: float, looks: int, heard: int = 0) -> list[Looked]:
    """The page open for so long, looked at so often, and until it has heard so much; it never says that it has lost
    touch.
    """
    page.add_init_script(WHAT_WAS_SHOWN)
    page.goto(monitor.address)
    expect(page.locator("#fresh")).to_contain_text("Uppdaterad", timeout=PATIENCE * 1000)
    found = list[Looked]()
    while len(found) < looks or found[-1].heard < heard:
        page.wait_for_timeout(seconds * 1000 / looks)
        expect(page.locator("body")).not_to_have_attribute("data-stale", "", timeout=PATIENCE * 1000)
        found.append(Looked.at(page))
        print(found[-1], flush=True)
    return found


def test_a_page_left_open_shows_every_word_it_is_sent(browser: Browser, tmp_path: Path):
    """Some simulated minutes of the forenoon rush."""
    with running(tmp_path, "--speed", "20", QUEUE_MONITOR_CLOCK__START="2026-03-02T10:00:00") as monitor:
        page = browser.new_page(viewport=WALL)
        looks = watched(page, monitor, seconds=3, looks=3, heard=5)
        page.close()

    assert looks[-1].heard >= 5
    assert looks[-1].missed == 0
    assert looks[-1].heap_mb < 30


@pytest.mark.soak
def test_a_page_left_open_for_twelve_hours_is_no_heavier_and_has_missed_nothing(browser: Browser, tmp_path: Path):
    """From an hour before opening to two after closing, in twenty minutes."""
    with running(tmp_path, "--speed", "36", QUEUE_MONITOR_CLOCK__START="2026-03-02T07:00:00") as monitor:
        page = browser.new_page(viewport=WALL)
        looks = watched(page, monitor, seconds=20 * 60, looks=20)
        page.close()

    first, last = looks[4:10], looks[-6:]
    assert looks[-1].missed == 0
    assert looks[-1].heard >= 20 * 60 * 0.8
    assert statistics.median(one.heap_mb for one in last) <= statistics.median(one.heap_mb for one in first) * 1.25
    assert max(one.nodes for one in last) <= max(one.nodes for one in first) * 1.25


# ---- a server that is killed


def test_a_page_says_when_its_server_is_killed_and_goes_on_when_it_is_back(browser: Browser, tmp_path: Path):
    """On the same address and journal; nobody touches the page meanwhile."""
    alarm = "#alarm"
    with centre(tmp_path) as told:
        told.tell(told.enters(1), told.enters(2))
        page = browser.new_page(viewport=WALL)
        page.goto(f"{told.address}/")
        expect(page.locator("#waiting")).to_have_text("2", timeout=PATIENCE * 1000)
        expect(page.locator(alarm)).to_be_empty()
        port = told.address.rpartition(":")[2]
        told.monitor.stop(signal.SIGKILL)
        expect(page.locator(alarm)).to_contain_text("Ingen ny uppgift", timeout=PATIENCE * 1000)

    with centre(tmp_path, QUEUE_MONITOR_HTTP__PORT=port) as again:
        again.tell(again.enters(3))
        known = again.monitor.status()["total"]["waiting"]  # the switch may have let go of the two in the meantime
        expect(page.locator("#waiting")).to_have_text(str(known), timeout=PATIENCE * 1000)
        expect(page.locator(alarm)).to_be_empty(timeout=PATIENCE * 1000)
        expect(page.locator("body")).not_to_have_attribute("data-stale", "")
        page.close()


# ---- the rush that a real switch recorded

RECORDED = Path(__file__).parents[1] / "recordings" / "asterisk" / "ami-01.raw.gz"
RUSH_ENDS = "2026-11-23T12:06:15Z"
SHORT_TIME = """
[target]
limit_seconds = 15
short_abandon_seconds = 1
"""


def same(page: dict[str, Any], status: dict[str, Any]) -> None:
    """The page's words are the status API's numbers."""
    total, goal = status["total"], status["target"]["ratio"]
    day, staff = total["periods"]["day"], total["staff"]
    assert page["waiting"] == str(total["waiting"])
    assert page["share"] == texts.percent(day["headline"], goal).replace("\N{NO-BREAK SPACE}", " ")
    assert page["staff"] == f"{staff['available']} / {staff['staffed']} inloggade"
    assert page["verdict-word"] == texts.say(f"status.{total['status']['status']}")
    assert page["facts"][:3] == [str(day[name]) for name in ("entered", "abandoned", "refused_total")]


def of_one_moment(page: Page) -> Any:
    """What page and status API say of one second; None where they were never caught at one.

    While the clock runs fast there may be several figures in a second: only what is said twice counts as another.
    """
    both = page.evaluate(BOTH)
    try:
        if both:
            same(both["page"], both["status"])
    except AssertionError:
        again = page.evaluate(BOTH)
        return again if again and again["second"] == both["second"] else None
    return both


def test_the_page_over_a_replayed_rush_says_what_the_status_api_says(browser: Browser, tmp_path: Path):
    """At each moment that both were caught at while it grew, and when it stands at its height."""
    settings = tmp_path / "short.toml"
    settings.write_text(SHORT_TIME)
    what = (f"asterisk_ami:{RECORDED}", "--speed", "10", "--until", RUSH_ENDS, "--serve", "--config", str(settings))
    with running(tmp_path, *what, command="replay") as monitor:
        page = browser.new_page(viewport=WALL, reduced_motion="reduce")
        page.goto(monitor.address)
        moments = set()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if both := of_one_moment(page):
                same(both["page"], both["status"])
                moments.add(both["second"])
                if not both["status"]["clock_rate"]:
                    break
            page.wait_for_timeout(100)
        assert both, "page and status API were never of the same moment"
        found = Axe().run(page, options=AA)

        now = both["status"]["total"]
        assert len(moments) >= 2
        assert now["waiting"] >= 25
        assert both["page"]["oldest"] == texts.wait(now["oldest_wait_seconds"])
        assert now["status"]["status"] in ("at_risk", "out_of_reach")  # as the newest forecast has it
        assert page.locator("#tile-oldest").get_attribute("class") == "tile red"
        assert page.evaluate(UNREADABLE) == []
        assert found.violations_count == 0, found.generate_report()
        page.close()
