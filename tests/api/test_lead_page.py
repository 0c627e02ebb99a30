"""The lead's page in a real Chromium: it keeps up, says when it cannot, and everybody can read and use it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from queue_monitor import texts
from queue_monitor.model import Acknowledgement, AlertKind, AlertsNow, Coverage, Crisis, Period, Snapshot
from tests.api import sample
from tests.api.looking import UNREADABLE, Reader, Windows, combined
from tests.api.sample import FakeFigures
from tests.api.serving import Server, chromium, serving, sign_in

Look = Callable[..., Page]

STORM = Crisis(since=sample.lead().at, reason="storm", by="Anna Berg")
STATES: dict[str, Callable[[], Snapshot]] = {
    "empty": sample.empty,
    "no_calls": sample.no_calls,
    "rush": sample.lead,
    "dead_source": sample.dead_source,
    "night": sample.night,
    "twenty": sample.twenty,
    "all_at_once": sample.all_at_once,
    "crisis": lambda: replace(sample.lead(), alerts=AlertsNow(crisis=STORM)),
}
SCREENS = {"desk": (1280, 900), "phone": (390, 844)}
ZOOMED = (320, 256)
"""A screen of 1280 x 1024 at 400 %."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(sample.lead(), record=record()) as started:
        yield started


def record() -> list[Any]:
    return [sample.recorded(alert, by="Anna") for alert in sample.alerted().alerts.open]


@pytest.fixture(scope="module")
def windows(browser: Browser) -> Windows:
    return Windows(browser)


@pytest.fixture
def look(windows: Windows) -> Iterator[Look]:
    """Open the page; nothing may be asked of another origin and nothing may go wrong in its script."""
    clocked: list[Page] = []

    def open_page(
        server: Server,
        query: str = "",
        *,
        size: tuple[int, int] = SCREENS["desk"],
        clock: bool = False,
        color_scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        windows.leave()  # one look at a time
        window = windows.new() if clock else windows.take(server.address, size, color_scheme=color_scheme)
        page = window.page
        sign_in(page.context, server)
        if clock:
            clocked.append(page)
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.clock.install(time=0)
            page.clock.pause_at(1)
        page.goto(f"{server.address}/lead{query}")
        expect(page.locator("html")).to_have_attribute("data-ready", "")
        assert all(url.startswith(server.address) for url in window.asked)
        assert not window.wrong
        return page

    yield open_page
    for page in clocked:
        page.context.close()


def shown(page: Page, place: str) -> str:
    return page.locator(place).inner_text().replace("\N{NO-BREAK SPACE}", " ").strip()


def later(minutes: int = 1) -> Snapshot:
    """The same rush a little later, with one more waiting."""
    now = sample.lead()
    one_more = (*now.total.waiting, *sample.waiting("Bygglov", 2.0))
    return replace(now, at=sample.local(10, 42 + minutes), total=replace(now.total, waiting=one_more))


@pytest.mark.parametrize(
    ("scheme", "language", "whole"),
    [  # neither hangs on the other; and how a page is built hangs on no colours
        ("light", "sv", list(STATES)),
        ("dark", "en", ["all_at_once", "crisis"]),
        pytest.param("dark", "en", list(STATES), marks=pytest.mark.soak),
    ],
)
def test_everybody_can_read_it(
    look: Look, server: Server, scheme: Literal["light", "dark"], language: str, whole: list[str]
) -> None:
    reader = Reader()
    for state, made in STATES.items():
        server.show(made())
        page = look(server, f"?lang={language}", color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert reader.faults(page, structure=state in whole) == "", state


SIDEWAYS = """() => [...document.querySelectorAll('.wide')].filter((wide) => wide.scrollWidth > wide.clientWidth + 1)
  .map((wide) => `${wide.id} ${wide.scrollWidth} > ${wide.clientWidth}`)
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])"""


SIZES = (*SCREENS.values(), (320, 640))


@pytest.mark.parametrize(
    ("language", "size"),
    combined(texts.LANGUAGES, SIZES, short={("sv", SIZES[0]), ("en", SIZES[1]), ("sv", SIZES[2])}),
)
def test_nothing_is_scrolled_sideways(look: Look, server: Server, language: str, size: tuple[int, int]) -> None:
    for state in ("rush", "all_at_once"):
        server.show(STATES[state]())
        page = look(server, f"?lang={language}", size=size)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert page.evaluate(SIDEWAYS) == [], state


def test_on_a_phone_an_alarm_of_a_queue_with_a_long_name_stands_beside_its_sign(look: Look) -> None:
    """A long word pushed it below."""
    shown = sample.long_names()
    standing = sample.alert(AlertKind.TARGET_AT_RISK, shown.queues[0].name, period="day")
    with serving(replace(shown, alerts=AlertsNow(open=(standing,)))) as server:
        item = look(server, size=SCREENS["phone"]).locator(".standing li")
        sign, words = item.locator("> .sign").bounding_box(), item.locator("> div").bounding_box()

    assert sign is not None and words is not None
    assert words["y"] < sign["y"] + sign["height"]


class Blind(FakeFigures):
    """Each hour of the day has minutes in which nothing was heard."""

    async def intervals(self, *asked: Any) -> list[Period]:
        blind = Coverage(seen_minutes=20, blind_minutes=40)
        return [replace(period, coverage=blind) for period in await super().intervals(*asked)]


@pytest.mark.parametrize(("language", "size"), [("en", (960, 540)), ("sv", (1093, 614)), ("sv", (1920, 1080))])
def test_a_table_of_long_names_and_of_hours_with_blind_minutes_is_seen_whole(
    look: Look, language: str, size: tuple[int, int]
) -> None:
    """The last column of the forecasts, what would help, was beyond the edge on a screen of any width."""
    names = sample.long_names()
    foretold = tuple(replace(queue, risk=sample.RISK_AHEAD, margins={"day": 14}) for queue in names.queues)
    shown = replace(names, queues=foretold)
    with serving(shown, figures=Blind(shown)) as server:
        page = look(server, f"?lang={language}", size=size)

        assert page.locator("#forecast-table tbody tr").count() == len(foretold)
        assert page.locator("#hours .more").count() > 3
        assert page.evaluate(SIDEWAYS) == []


@pytest.mark.soak
@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("size", [(960, 540), (1093, 614), (1920, 1080), (3840, 2160), (390, 844)])
def test_of_any_number_of_queues_nothing_is_scrolled_sideways(
    look: Look, server: Server, language: str, size: tuple[int, int]
) -> None:
    forty = (*sample.NAMES, *(f"{name} 2" for name in sample.NAMES))
    for made in (sample.calm(), sample.lead(), sample.twenty(), sample.many(forty, late=3)):
        server.show(made)
        page = look(server, f"?lang={language}", size=size)
        assert page.evaluate(SIDEWAYS) == [], f"{len(made.queues)} queues"


def test_on_a_phone_each_row_names_its_cells_also_after_it_was_replaced(look: Look) -> None:
    with serving(sample.lead(), record=record()) as server:
        page = look(server, size=SCREENS["phone"])
        for now in (sample.lead(), later()):
            server.show(now)
            expect(page.locator("#when")).to_have_attribute("data-at", now.at.isoformat(), timeout=15_000)
            named = page.locator("#waiting tbody tr").last.locator("td").first
            expect(named).to_have_attribute("data-name", "Kö")
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert page.locator(".named td:visible").count() > 10
        assert page.locator(".named td:visible").filter(has_not_text=re.compile(r"\S")).count() == 0


def test_on_a_phone_a_queues_name_has_the_whole_width(look: Look) -> None:
    """A long one was broken in the middle of its words, beside an empty half of the screen."""
    with serving(sample.long_names()) as server:
        page = look(server, size=SCREENS["phone"])
        names = page.locator("#waiting td[data-name='Kö'], #lost td[data-name='Kö']")
        widths = "each => each.getBoundingClientRect().width / each.parentElement.getBoundingClientRect().width"
        assert names.count() > 6
        assert min(names.nth(at).evaluate(widths) for at in range(names.count())) > 0.95


@pytest.mark.parametrize(
    ("language", "screen"), combined(texts.LANGUAGES, SCREENS, short={("sv", "desk"), ("en", "phone")})
)
def test_no_text_is_cut_off_or_covered(look: Look, server: Server, language: str, screen: str) -> None:
    for state, made in STATES.items():
        server.show(made())
        page = look(server, f"?lang={language}", size=SCREENS[screen])
        assert page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]") == [SCREENS[screen][0]] * 2
        unreadable = [words for words in page.evaluate(UNREADABLE) if not words.startswith("below the screen")]
        assert unreadable == [], state


@pytest.mark.parametrize("state", ["rush", "twenty"])
def test_at_four_times_the_size_nothing_but_a_table_is_scrolled_sideways(
    look: Look, server: Server, state: str
) -> None:
    server.show(STATES[state]())
    page = look(server, size=ZOOMED)

    assert page.evaluate("document.documentElement.scrollWidth") <= ZOOMED[0]


def test_the_keyboard_reaches_everything_and_shows_where_it_is(look: Look, server: Server) -> None:
    server.show(sample.lead())
    page = look(server)
    reached = []

    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """() => {
              const now = document.activeElement;
              const outlined = getComputedStyle(now).outlineStyle !== 'none';
              return [now.id || now.textContent.trim(), now.tagName, outlined];
            }"""
        )
        if where[1] == "BODY":
            break
        reached.append(where)

    names = [name for name, _, _ in reached]
    assert names[0] == "Till innehållet"
    for name in ("queue", "pause", "ack-long_wait-Kundcenter", "waiting-table", "hours-table", "lost-table"):
        assert name in names
    assert any(tag == "SUMMARY" for _, tag, _ in reached)
    assert all(outlined for _, _, outlined in reached)


def test_it_keeps_up_by_itself_and_leaves_open_and_in_focus_what_the_reader_has(look: Look) -> None:
    with serving(sample.lead(), record=record()) as server:
        page = look(server)
        page.locator("details").first.locator("summary").click()
        page.locator("#waiting-table").focus()
        assert shown(page, "#waiting p") == "6 av 11 får troligen inte svar inom 5 min."

        server.show(later())

        expect(page.locator("#waiting p").first).to_contain_text("av 12", timeout=15_000)
        expect(page.locator("#when")).to_contain_text("10.43.00")
        expect(page.locator("details").first).to_have_attribute("open", "")
        assert page.evaluate("document.activeElement.id") == "waiting-table"


def test_when_paused_it_stands_still_and_says_so(look: Look) -> None:
    with serving(sample.lead()) as server:
        page = look(server, clock=True)
        page.locator("#pause").click()
        server.show(later())
        page.clock.run_for(12_000)

        assert shown(page, "#stale") == "Uppdateringen är pausad"
        assert "10.42.00" in shown(page, "#when")
        page.locator("#pause").click()
        expect(page.locator("#when")).to_contain_text("10.43.00")
        expect(page.locator("#stale")).to_be_hidden()


def test_figures_that_stand_still_are_stale_within_ten_seconds(look: Look) -> None:
    with serving(sample.lead()) as server:
        page = look(server, clock=True)

        page.clock.run_for(11_500)

        expect(page.locator("#stale")).to_contain_text("har tappat kontakten med mätningen")
        expect(page.locator("body")).to_have_attribute("data-stale", "")
        server.show(later())
        page.clock.run_for(3_500)
        expect(page.locator("#when")).to_contain_text("10.43.00")
        page.clock.run_for(1_500)
        expect(page.locator("#stale")).to_be_hidden()


def test_a_dead_server_is_said_and_a_restarted_one_taken_up_without_a_reload(look: Look) -> None:
    server = Server(sample.lead())
    server.start()
    port = int(server.address.rpartition(":")[2])
    page = look(server, clock=True)
    page.evaluate("window.mine = true")
    server.stop()
    page.clock.run_for(13_000)
    expect(page.locator("#stale")).to_contain_text("har tappat kontakten")

    again = Server(later(), port=port)
    again.start()
    page.clock.run_for(6_500)

    expect(page.locator("#when")).to_contain_text("10.43.00", timeout=15_000)
    page.clock.run_for(1_500)
    expect(page.locator("#stale")).to_be_hidden()
    assert page.evaluate("window.mine") is True
    again.stop()


def test_a_newer_page_is_loaded_once(look: Look) -> None:
    with serving(sample.lead()) as server:
        page = look(server)

        with page.expect_navigation(timeout=15_000):
            server.show(replace(later(), version="9.0.0"))

        expect(page.locator("html")).to_have_attribute("data-ready", "")
        assert "10.43.00" in shown(page, "#when")


def test_the_button_acknowledges_and_the_page_says_so(look: Look) -> None:
    with serving(sample.lead()) as server:
        page = look(server, "?queue=Bygglov&lang=en")
        page.get_by_role("button", name="Acknowledge: Fewer are calling than when the alarm came – Bygglov").click()
        page.wait_for_url("**/lead?queue=Bygglov&lang=en#alerts")

        assert server.alerts.acknowledged == [("surge-Bygglov", "Anna i rummet")]
        now = later()
        taken = [Acknowledgement(episode=alert.episode, at=now.at, by="Anna Berg") for alert in now.alerts.open]
        seen = AlertsNow(open=now.alerts.open, acknowledgements={each.episode: each for each in taken})
        server.show(replace(now, alerts=seen))
        expect(page.locator("#alerts .standing button")).to_have_count(0, timeout=15_000)


def test_a_crisis_is_declared_with_its_reason_and_ended_and_typing_is_not_lost(look: Look) -> None:
    with serving(sample.lead()) as server:
        page = look(server)
        page.locator("#crisis summary").click()
        page.get_by_label("Varför, med några ord").fill("vattenläcka på Porsön.")
        server.show(later())
        expect(page.locator("#when")).to_contain_text("10.43.00", timeout=15_000)
        page.get_by_label("Ditt namn eller din roll").fill("Anna Berg")
        page.get_by_role("button", name="Utlys kris").click()
        page.wait_for_url("**/lead?queue=&lang=sv#alerts")

        crisis = server.alerts.crisis
        assert crisis is not None
        assert (crisis.reason, crisis.by) == ("vattenläcka på Porsön", "Anna Berg")
        server.show(replace(later(), at=later().at + timedelta(minutes=1), alerts=AlertsNow(crisis=crisis)))
        page.get_by_role("button", name="Avsluta krisen").click(timeout=15_000)
        page.wait_for_url("**/lead?queue=&lang=sv#alerts")
        assert server.alerts.crisis is None


def test_another_queue_is_chosen_by_keyboard(look: Look, server: Server) -> None:
    server.show(sample.lead())
    page = look(server)
    page.locator("#queue").focus()
    page.locator("#queue").select_option("Bygglov")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lead?queue=Bygglov&lang=sv")

    assert shown(page, "h1") == "Läget i detalj: Bygglov"


def test_on_paper_everything_is_there_and_nothing_is_pressed(look: Look, server: Server) -> None:
    server.show(sample.lead())
    page = look(server)

    page.emulate_media(media="print")

    for place in (".top nav", ".choose", "#alerts form"):
        expect(page.locator(place).first).to_be_hidden()
    high = "(table) => [table.scrollHeight <= table.clientHeight + 1, getComputedStyle(table).overflowY]"
    assert page.locator("#waiting-table").evaluate(high) == [True, "visible"]
