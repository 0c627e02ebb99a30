"""The page in a real Chromium: what it shows, when it says that it cannot know, and that everybody can read it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from queue_monitor import texts
from queue_monitor.api.pages.outlook import advice
from queue_monitor.model import AlertKind, AlertsNow, Counts, DefinitionId, Snapshot, StatusReason, Verdict
from tests.api import sample
from tests.api.looking import AA, UNREADABLE, Reader, Windows, combined
from tests.api.sample import DAY
from tests.api.serving import Server, chromium, serving
from tests.test_texts import CHOSEN, SHARES, WAITS

Look = Callable[..., Page]

STATES: dict[str, Callable[[], Snapshot]] = {
    "empty": sample.empty,
    "no_calls": sample.no_calls,
    "calm": sample.calm,
    "rush": sample.rush,
    "alerted": sample.alerted,
    "out_of_reach": sample.out_of_reach,
    "too_early": sample.too_early,
    "dead_source": sample.dead_source,
    "night": sample.night,
    "twenty": sample.twenty,
    "all_twenty_late": lambda: sample.twenty(20),
    "all_at_once": sample.all_at_once,
    "many_refused": lambda: sample.refused(sample.rush()),
    "crisis_at_night": sample.crisis_at_night,
    "many_refused_at_night": lambda: sample.refused(sample.night()),
    "long_names": sample.long_names,
}
WALL = (1920, 1080)
SCREENS = {"wall": WALL, "4k": (3840, 2160), "scaled": (1093, 614), "half": (960, 540), "phone": (390, 844)}

MARKS = count()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for the tests that only look; each first shows its own snapshot."""
    with serving(sample.calm()) as started:
        yield started


@pytest.fixture(scope="module")
def windows(browser: Browser) -> Windows:
    return Windows(browser)


@pytest.fixture
def look(windows: Windows) -> Iterator[Look]:
    """Open the page and wait until it has heard the stream; nothing may be asked of another origin."""
    clocked: list[Page] = []

    def open_page(server: Server, query: str = "", *, size: tuple[int, int] = WALL, clock: bool = False) -> Page:
        window = windows.new() if clock else windows.take(server.address, size)
        page = window.page
        if clock:
            clocked.append(page)
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.clock.install(time=0)
            page.clock.pause_at(1)
        page.goto(f"{server.address}/{query}")
        word = "Updated" if "lang=en" in query else "Uppdaterad"
        expect(page.locator("#fresh")).to_contain_text(word, timeout=15_000)
        assert all(url.startswith(server.address) for url in window.asked)
        assert not window.wrong
        return page

    yield open_page
    windows.leave()
    for page in clocked:
        page.context.close()


def shown(page: Page, place: str) -> str:
    return page.locator(place).inner_text().replace("\N{NO-BREAK SPACE}", " ").strip()


def show(server: Server, page: Page, snapshot: Snapshot) -> None:
    """Publish, and wait until the page draws it."""
    mark = f"{snapshot.organisation} {next(MARKS)}"
    server.show(replace(snapshot, organisation=mark))
    expect(page.locator("#organisation")).to_have_text(mark)
    server.show(snapshot)
    expect(page.locator("#organisation")).to_have_text(snapshot.organisation)


def fact(page: Page, name: str) -> str:
    pair = page.locator("#facts div", has_text=name)
    parts = pair.locator("dd").evaluate("dd => [...dd.childNodes].map((node) => node.textContent)")
    return " ".join(parts).replace("\N{NO-BREAK SPACE}", " ")


def test_of_people_who_were_only_seen_it_says_at_least(look: Look) -> None:
    with serving(sample.seen()) as server:
        page = look(server, clock=True)

        assert shown(page, "#staff") == "0 / minst 9 inloggade"
        show(server, page, sample.rush())
        assert shown(page, "#staff") == "0 / 9 inloggade"


def test_of_a_day_that_nobody_watched_the_wall_does_not_say_that_nobody_called(look: Look) -> None:
    morning, evening = sample.no_calls(), sample.night()
    nobody = replace(evening.total, periods=morning.total.periods)
    with serving(replace(morning, total=sample.blind(morning.total), today=())) as server:
        page = look(server, clock=True)

        assert shown(page, "#drawing") == "Ingenting har mätts i dag"
        show(server, page, replace(evening, total=sample.blind(nobody)))
        assert shown(page, "#result-words") == "Ingenting har mätts i dag"
        show(server, page, replace(evening, total=nobody))
        assert shown(page, "#result-words") == "Inga samtal i dag"


def test_the_four_big_things_are_the_snapshots(look: Look) -> None:
    with serving(sample.rush()) as server:
        page = look(server, clock=True)

        assert shown(page, "#waiting") == "11"
        assert shown(page, "#waiting-under") == "3 över 5 min"
        assert shown(page, "#oldest") == "5:42"
        assert shown(page, "#oldest-under") == "Över 5 min"
        assert shown(page, "#oldest-queue") == "Kundcenter"
        assert shown(page, "#share") == "80,9 %"
        assert "lägst 78,8 % · högst 81,4 %" in shown(page, "#bounds")
        assert shown(page, "#definitions").split("\n") == [
            "av alla inkomna",
            "utan korta tapp 82,8 %",
            "av besvarade 88,8 %",
        ]
        assert shown(page, "#staff") == "0 / 9 inloggade"
        assert shown(page, "#verdict-word") == "Risk att målet missas"
        assert shown(page, "#verdict-reason") == "Färre än 90 % har hittills besvarats inom 5 min."
        assert shown(page, "#clock") == "10.42"
        facts = dict(
            zip(page.locator("#facts dt").all_inner_texts(), page.locator("#facts dd").all_inner_texts(), strict=True)
        )
        assert (facts["Inkomna till kö"], facts["Tappade"], facts["Avvisade"]) == (
            "311",
            "22",
            "41,3\N{NO-BREAK SPACE}%",
        )


def test_the_page_is_swedish_unless_english_is_asked_for(look: Look) -> None:
    with serving(sample.calm()) as server:
        swedish, english = look(server), look(server, "?lang=en")

        assert shown(english, "#share") == "92.8%"
        assert shown(english, "#clock") == "10:12"
        assert english.locator("html").get_attribute("lang") == "en"
        text = swedish.locator("body").inner_text()
        for word in ("Waiting", "Answered", "Longest", "Target", "Updated", "undefined", "null", "NaN"):
            assert word not in text
        for word in ("Väntande", "Besvarade", "Längsta", "Uppdaterad", "undefined", "null", "NaN"):
            assert word not in english.locator("body").inner_text()


def test_a_wait_ticks_turns_amber_and_then_red(look: Look) -> None:
    snapshot = sample.calm()
    queue = replace(snapshot.queues[0], waiting=sample.waiting("Kundcenter", 207.0), oldest_wait_ms=207_000)
    with serving(replace(snapshot, queues=(queue,), total=replace(queue, name=""))) as server:
        page = look(server, clock=True)
        tile = page.locator("#tile-oldest")
        expect(tile).not_to_have_class("tile amber")

        page.clock.run_for(4000)
        expect(tile).to_have_class("tile amber")
        assert shown(page, "#oldest-under") == "Närmar sig 5 min"
        ticking = shown(page, "#oldest")

        assert ticking == "3:31"
        late = replace(queue, waiting=sample.waiting("Kundcenter", 299.0), oldest_wait_ms=299_000)
        server.show(replace(snapshot, at=sample.local(10, 14), queues=(late,), total=replace(late, name="")))
        expect(page.locator("#fresh")).to_contain_text("10.14.00")
        page.clock.run_for(2500)
        expect(tile).to_have_class("tile red")
        assert shown(page, "#oldest-under") == "Över 5 min"


def test_the_servers_clock_may_run_faster(look: Look) -> None:
    with serving(replace(sample.calm(), rate=60.0)) as server:
        page = look(server, clock=True)

        page.clock.run_for(3000)

        assert shown(page, "#oldest") == "4:42"
        assert "60 gånger fortare" in shown(page, "#measured")


def test_when_the_stream_falls_silent_the_page_says_so_and_recovers(look: Look) -> None:
    with serving(sample.calm()) as server:
        page = look(server, clock=True)
        expect(page.locator("#alarm")).to_be_empty()

        page.clock.run_for(10_400)

        assert "Ingen ny uppgift sedan 10.12.00" in shown(page, "#alarm")
        expect(page.locator("#tile-waiting")).to_have_class("tile grey")
        assert shown(page, "#verdict-word") == "Ingen data"
        assert shown(page, "#verdict-reason") == "Senast känt: Inom mål."
        frozen = shown(page, "#oldest")
        page.clock.run_for(3000)
        assert shown(page, "#oldest") == frozen
        server.show(sample.calm(sample.local(10, 13)))
        expect(page.locator("#fresh")).to_contain_text("10.13.00")
        expect(page.locator("#alarm")).to_be_empty()
        expect(page.locator("#tile-waiting")).to_have_class("tile")


def test_a_wall_that_is_cut_off_over_midnight_says_which_day_it_is_and_of_which_day_its_figures_are(look: Look) -> None:
    """It says nothing of opening hours then: they are those of another day."""
    with serving(replace(sample.night(), rate=1800.0)) as server:
        page = look(server, clock=True)
        assert shown(page, "#date") == "Fredag 6 mars"
        assert shown(page, "#opening")

        page.clock.run_for(10_400)

        assert shown(page, "#date") == "Lördag 7 mars"
        assert shown(page, "#night-clock").startswith("2.")
        assert "Ingen ny uppgift sedan fredag 6 mars kl. 21.04.00" in shown(page, "#alarm")
        assert "Uppdaterad fredag 6 mars kl. 21.04.00" in shown(page, "#fresh")
        assert shown(page, "#opening") == shown(page, "#hours") == ""


def test_a_silent_stream_is_opened_anew(look: Look) -> None:
    with serving(sample.calm()) as server:
        page = look(server, clock=True)
        streams: list[str] = []
        page.on("request", lambda request: streams.append(request.url) if "stream" in request.url else None)

        with page.expect_request("**/api/v1/stream"):
            page.clock.run_for(17_000)

        assert streams
        expect(page.locator("#alarm")).to_be_empty()


def test_a_new_version_of_the_server_reloads_the_page(look: Look) -> None:
    with serving(sample.calm()) as server:
        page = look(server)

        with page.expect_navigation():
            server.show(replace(sample.calm(), version="9.0.0"))

        expect(page.locator("#fresh")).to_contain_text("Uppdaterad")


def test_a_dead_source_is_said_and_its_figures_are_grey(look: Look) -> None:
    with serving(sample.dead_source()) as server:
        page = look(server)

        assert "Ingen kontakt med växeln sedan 10.12" in shown(page, "#alarm")
        assert shown(page, "#verdict-word") == "Ingen data"
        expect(page.locator("#tile-oldest")).to_have_class("tile grey")
        assert shown(page, "#oldest-under") == "Senast känt"


def test_one_of_two_switches_down_is_named(look: Look) -> None:
    snapshot = sample.calm()
    up = sample.source(snapshot.at)
    down = sample.source(
        snapshot.at, up=False, switch="gamla", name="urn:kc:freeswitch:gamla", since=sample.local(9, 58)
    )
    with serving(replace(snapshot, sources=(up, down))) as server:
        page = look(server)

        assert "Ingen kontakt med växeln gamla sedan 9.58" in shown(page, "#alarm")
        expect(page.locator("#tile-oldest")).to_have_class("tile")


def test_night_is_calm_and_tells_when_it_opens(look: Look) -> None:
    with serving(sample.night()) as server:
        page = look(server)

        expect(page.locator("#day")).to_be_hidden()
        assert shown(page, "#night-clock") == "21.04"
        assert shown(page, "#opening") == "Stängt – öppnar måndag 8.00"
        assert shown(page, "#result-share") == "92,8 %"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("sv", "Kris, vattenläcka på Porsön, inget vatten i natt"),
        ("en", "Crisis, vattenläcka på Porsön, inget vatten i natt"),
    ],
)
def test_a_crisis_goes_on_at_night_on_the_wall_too(look: Look, language: str, words: str) -> None:
    """The person who opens in the morning reads it before the first call."""
    with serving(sample.crisis_at_night()) as server:
        page = look(server, f"?lang={language}")

        assert shown(page, "#night-crisis") == words
        server.show(sample.night())
        expect(page.locator("#night-crisis")).to_be_hidden()


@pytest.mark.parametrize(("language", "refused"), [("sv", "Avvisade 12 (100,0 %)"), ("en", "Refused 12 (100.0%)")])
def test_a_day_on_which_all_were_refused_is_no_day_without_calls(look: Look, language: str, refused: str) -> None:
    night = sample.refused(sample.night())
    none = replace(night, total=replace(night.total, periods=sample.periods(Counts(refused_closed=12), DAY, night.at)))
    with serving(none) as server:
        page = look(server, f"?lang={language}")

        assert shown(page, "#result-share") == "–"
        assert "watch" in (page.locator("#result-share").get_attribute("class") or "")
        assert refused in shown(page, "#result-counts")
        assert shown(page, "#result-reason") != ""


def test_where_nothing_of_a_day_could_be_judged_no_mark_stands_beside_the_dash(look: Look) -> None:
    night = sample.night()
    left_out = replace(night, total=replace(night.total, periods=sample.periods(Counts(excluded=3), DAY, night.at)))
    with serving(left_out) as server:
        page = look(server)

        assert shown(page, "#result-share") == "–"
        assert page.locator("#result-share svg").count() == 0
        assert "Inkomna till kö 3" in shown(page, "#result-counts")


def test_the_day_stays_until_the_last_caller_has_left(look: Look) -> None:
    night = sample.night()
    total = replace(night.total, waiting=sample.waiting("Kundcenter", 130.0), oldest_wait_ms=130_000)
    with serving(replace(night, total=total)) as server:
        page = look(server)

        expect(page.locator("#night")).to_be_hidden()
        assert shown(page, "#hours") == "Stängt"
        assert shown(page, "#waiting") == "1"


def test_the_day_stays_while_one_queue_is_still_open(look: Look) -> None:
    night = sample.night()
    later = replace(night.total, name="Jour", label="Jour", open=True)
    with serving(replace(night, queues=(*night.queues, later))) as server:
        page = look(server)

        expect(page.locator("#night")).to_be_hidden()
        assert shown(page, "#waiting") == "0"
        assert page.locator("#rows .name > span:nth-child(2)").all_inner_texts() == ["Kundcenter", "Jour"]


def test_what_stands_is_told_worst_first_without_advice(look: Look) -> None:
    with serving(sample.alerted()) as server:
        page = look(server)

        told = shown(page, "#strip").split("\n")
        assert told == ["10.31", "Stor risk att dagsmålet missas", "Kundcenter", "kvitterat", "+ 2 till"]
        expect(page.locator("#advice")).to_be_hidden()
        assert "beräknas räcka" not in page.locator("body").inner_text()
        show(server, page, sample.calm())
        expect(page.locator("#strips")).to_be_hidden()


def test_what_stands_or_is_silent_since_another_day_is_told_with_its_day(look: Look) -> None:
    """A wall dates a month at risk, and a switch that has been away, by the day on which that began."""
    moment = sample.dead_source()
    since = moment.at - timedelta(days=2)
    month = replace(sample.alert(AlertKind.TARGET_AT_RISK, "Kundcenter", period="month"), at=since)
    away = tuple(replace(source, up=False, since=since) for source in moment.sources)
    with serving(replace(moment, sources=away, alerts=AlertsNow(open=(month,)))) as server:
        for query, language in (("", "sv"), ("?lang=en", "en")):
            page = look(server, query)
            day = texts.moment_words(since, moment.at, "Europe/Stockholm", language)

            assert shown(page, "#strip").startswith(f"{day}\n")
            assert day in shown(page, "#alarm")


def test_at_midnight_a_wall_gives_the_day_of_what_still_stands(look: Look) -> None:
    """A wall that has run since yesterday draws the time of an unchanged alert anew."""
    moment = sample.calm()
    month = sample.alert(AlertKind.TARGET_AT_RISK, "Kundcenter", period="month", since=moment.at)
    today = replace(moment, alerts=AlertsNow(open=(month,)))
    with serving(today) as server:
        page = look(server)
        clock, day = (
            texts.clock_words(month.at, moment.at + timedelta(days=days), "Europe/Stockholm") for days in (0, 1)
        )

        assert shown(page, "#strip").startswith(f"{clock}\n")
        show(server, page, replace(today, at=today.at + timedelta(days=1)))
        assert shown(page, "#strip").startswith(f"{day}\n")


@pytest.mark.parametrize("screen", ["wall", "scaled"])
def test_the_message_of_a_pools_alert_is_never_cut_however_many_its_queues(look: Look, screen: str) -> None:
    crowded = sample.twenty(20)
    pool = " + ".join(sample.NAMES)
    long = replace(
        sample.alert(AlertKind.TARGET_AT_RISK, pool, period="day"), label=f"{'Bygg och miljö ' * 9}med flera"
    )
    with serving(replace(crowded, alerts=AlertsNow(open=(long,)))) as server:
        page = look(server, size=SCREENS[screen])

        said = page.locator("#strip .message")
        expect(said).to_be_visible()
        assert said.inner_text() == "Stor risk att dagsmålet missas"
        assert said.evaluate("its => its.scrollWidth <= its.clientWidth && its.scrollHeight <= its.clientHeight + 1")
        inside = said.evaluate("its => its.getBoundingClientRect().right <= innerWidth")
        assert inside


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_margin_and_what_would_help_are_on_the_wall_where_switched_on(look: Look, language: str) -> None:
    with serving(sample.lead(), board_advice=True) as server:
        page = look(server, f"?lang={language}")

        told = shown(page, "#advice")
        assert told == advice(sample.lead(), language).replace("\N{NO-BREAK SPACE}", " ")
        assert ("11.30" if language == "sv" else "11:30") in told
        assert page.evaluate(UNREADABLE) == []
        found = Axe().run(page, options=AA)
        assert found.violations_count == 0, found.generate_report()


def test_unknown_agents_and_no_calls_are_a_dash(look: Look) -> None:
    with serving(sample.empty()) as server:
        page = look(server)

        for place in ("#staff", "#share", "#oldest", "#waiting"):
            assert shown(page, place) == "–"
        assert shown(page, "#verdict-reason") == "Ingen växel är ansluten."


def test_under_the_target_is_a_fact_beside_the_status(look: Look) -> None:
    snapshot = sample.rush()
    verdict = Verdict(status=sample.OK.status, reason=StatusReason.WITHIN_TARGET, under_target_now=True)
    with serving(replace(snapshot, total=replace(snapshot.total, verdict=verdict))) as server:
        page = look(server)

        assert shown(page, "#verdict-word") == "Inom mål"
        assert shown(page, "#verdict-fact") == "Under målet just nu"


def test_twenty_queues_take_turns_but_one_past_the_limit_always_shows(look: Look) -> None:
    with serving(sample.twenty(late=2)) as server:
        page = look(server, clock=True)
        late = set(sample.NAMES[-2:])
        seen: set[str] = set()

        for turn in range(8):
            names = page.locator("#rows .name > span:nth-child(2)").all_inner_texts()
            assert late <= set(names)
            seen |= set(names)
            server.show(sample.twenty(late=2))
            page.clock.run_for(5100)
            if turn % 2:
                server.show(sample.twenty(late=2))

        assert "Sida" in shown(page, "#page-of")
        assert len(seen) > len(names)


def test_twenty_queues_past_the_limit_are_all_on_screen(look: Look) -> None:
    with serving(sample.twenty(late=20)) as server:
        page = look(server)

        assert set(page.locator("#rows .name > span:nth-child(2)").all_inner_texts()) == set(sample.NAMES)


def test_one_queue_has_no_list_of_queues(look: Look) -> None:
    with serving(sample.calm()) as server:
        expect(look(server).locator("#queues")).to_be_hidden()


@pytest.mark.parametrize(
    ("theme", "language", "whole"),
    [  # neither hangs on the other; and how a page is built hangs on no theme
        ("dark", "sv", list(STATES)),
        ("light", "en", ["all_at_once"]),
        pytest.param("light", "en", list(STATES), marks=pytest.mark.soak),
    ],
)
def test_everybody_can_read_it(look: Look, server: Server, theme: str, language: str, whole: list[str]) -> None:
    server.show(sample.calm())
    page, reader = look(server, f"?theme={theme}&lang={language}"), Reader()

    for state, made in STATES.items():
        show(server, page, made())
        assert reader.faults(page, structure=state in whole) == "", state


SHORT = {("sv", "wall"), ("en", "wall"), ("sv", "4k"), ("en", "scaled"), ("sv", "half"), ("en", "phone")}


@pytest.mark.parametrize(("language", "screen"), combined(texts.LANGUAGES, SCREENS, short=SHORT))
def test_no_text_is_cut_off_or_covered(look: Look, server: Server, language: str, screen: str) -> None:
    server.show(sample.calm())
    page = look(server, f"?lang={language}", size=SCREENS[screen])

    for state, made in STATES.items():
        show(server, page, made())
        assert page.evaluate(UNREADABLE) == [], state


def test_a_caller_of_whom_nothing_was_heard_since_a_silence_is_not_said_to_be_in_time(look: Look) -> None:
    shown = sample.calm()
    line = tuple(replace(caller, unheard=True) for caller in shown.total.waiting)
    with serving(replace(shown, total=replace(shown.total, waiting=line))) as server:
        page = look(server)

        expect(page.locator("#waiting-under")).to_have_text(f"{len(line)} kan ha lagt på")
        expect(page.locator("#oldest-under")).to_have_text("Senast känt")


@pytest.mark.parametrize("seconds", [1657, 3753])
@pytest.mark.parametrize("queues", [2, 6])
def test_a_wait_of_half_an_hour_or_more_stands_on_one_line(
    look: Look, server: Server, queues: int, seconds: int
) -> None:
    shown = sample.rush()
    waited = [replace(queue, oldest_wait_ms=seconds * 1000) for queue in shown.queues[:queues]]
    server.show(replace(shown, queues=tuple(waited), pools=()))
    page = look(server, size=SCREENS["wall"])

    heights = {round(pill.bounding_box()["height"]) for pill in page.locator(".rows .pill").all()}  # type: ignore[index]
    lines = page.evaluate("getComputedStyle(document.querySelector('.rows .pill')).fontSize")

    assert max(heights) < 2 * float(lines.removesuffix("px"))
    assert page.evaluate(UNREADABLE) == []


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_words_of_every_definition_fit(look: Look, server: Server, language: str) -> None:
    calm = sample.calm()
    server.show(calm)
    page = look(server, f"?lang={language}")
    for definition in DefinitionId:
        show(server, page, replace(calm, target=replace(calm.target, definition=definition)))

        assert page.evaluate(UNREADABLE) == [], definition


def test_the_check_itself_finds_text_that_is_cut_off_or_covered(look: Look, server: Server) -> None:
    server.show(sample.calm())
    page = look(server)
    page.evaluate("document.getElementById('oldest').style.fontSize = '22rem'")
    page.evaluate("document.getElementById('talking').style.marginTop = '-1.2em'")

    found = page.evaluate(UNREADABLE)

    assert any(words.startswith("outside its box: 1:4") for words in found)
    assert any("on top of each other" in words and "Pågående" in words for words in found)


@pytest.mark.parametrize("screen", ["wall", "phone"])
def test_nothing_is_cut_off_when_it_has_fallen_silent(look: Look, screen: str) -> None:
    with serving(sample.twenty()) as server:
        page = look(server, size=SCREENS[screen], clock=True)
        page.clock.run_for(10_400)
        expect(page.locator("#alarm")).not_to_be_empty()

        assert page.evaluate(UNREADABLE) == []
        page.clock.resume()
        found = Axe().run(page, options=AA)
        assert found.violations_count == 0, found.generate_report()


def test_the_documentation_can_be_read_by_everybody(browser: Browser) -> None:
    with serving(sample.calm()) as server:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server.address}/docs")

        faults = Reader().faults(page)
        page.close()

        assert faults == ""
        assert all(url.startswith(server.address) for url in asked)


def test_the_line_of_shares_is_broken_where_there_were_no_calls(look: Look, server: Server) -> None:
    """It went straight across an hour in which nothing was heard, as if there were shares."""
    base = sample.rush()
    hole = [bar.start for bar in base.today if bar.counts.entered][2:4]
    nothing = {"counts": Counts(), "headline": None}
    holed = replace(base, today=tuple(replace(bar, **nothing) if bar.start in hole else bar for bar in base.today))
    page, strokes = look(server), []
    for shown_now in (base, holed):
        show(server, page, shown_now)
        strokes.append((page.locator("#drawing .share-line").get_attribute("d") or "").count("M"))

    assert strokes == [1, 2]


def test_a_name_without_its_middle_keeps_whole_words_or_shows_that_it_does_not(look: Look) -> None:
    """`Äldreomsorg… vgiftshandläggning` looked like a word, and `Konsument-,…` like a slip of the pen."""
    names = {
        "Äldreomsorgens bistånds- och avgiftshandläggning": "Äldreomsorg…vgiftshandläggning",
        "Konsument-, budget- och skuldrådgivningen": "Konsument… skuldrådgivningen",
        "Överförmyndarnämndens gemensamma kansli i Luleå och Piteå": "Överförmynd… i Luleå och Piteå",
        "Försörjningsstöd och ekonomiskt bistånd nybesök": "Försörjning… bistånd nybesök",
        "Kundcenter": "Kundcenter",
    }
    with serving(sample.calm()) as server:
        written = look(server).evaluate(
            "async (names) => { const { shortened } = await import('/static/wallboard.js');"
            " return names.map((name) => shortened(name, 30)); }",
            list(names),
        )

    assert written == list(names.values())


def test_on_a_phone_the_day_stands_on_a_line_beside_a_short_title_too(look: Look, server: Server) -> None:
    """Beside `Alla köer` it was five short lines."""
    page = look(server, size=SCREENS["phone"])
    page.evaluate("document.getElementById('organisation').textContent = 'Alla köer'")
    day, clock = page.locator(".day").bounding_box(), page.locator(".clock").bounding_box()
    height = page.locator(".day").evaluate(
        "each => each.getBoundingClientRect().height / parseFloat(getComputedStyle(each).fontSize)"
    )

    assert height < 3.5
    assert day is not None and clock is not None
    assert clock["x"] > day["x"] + day["width"] - 1


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_page_writes_numbers_as_the_server_does(look: Look, language: str) -> None:
    """A page that is made in the browser writes each number as the pages that the server makes."""
    moments = [sample.local(8, 0), sample.local(10, 12), sample.local(0, 5), sample.local(23, 59)]
    counts = [0, 7, 999, 1000, 1234567, None]
    spans = [20, 60, 90, 300, 3600, 4500]
    fine = [(n / 997, target, "") for n in range(998) for target in (0.9, 0.925, 0.9225, 0.9223, None)]
    shares = [(ratio, target) for ratio, target, _ in (*SHARES, *fine)]
    table = {
        "percent": [list(pair) for pair in shares],
        "plainPercent": [[ratio] for ratio in CHOSEN],
        "wait": [[seconds] for seconds, _ in WAITS],
        "count": [[number] for number in counts],
        "span": [[seconds] for seconds in spans],
        "clock": [[moment.isoformat(), "Europe/Stockholm"] for moment in moments],
    }
    with serving(sample.calm()) as server:
        page = look(server, f"?lang={language}")

        written = page.evaluate(
            """async (table) => {
              const board = await import('/static/wallboard.js');
              const write = ([name, cases]) => [name, cases.map((case_) => board[name](...case_))];
              return Object.fromEntries(Object.entries(table).map(write));
            }""",
            table,
        )

    assert written == {
        "percent": [texts.percent(ratio, target, language) for ratio, target in shares],
        "plainPercent": [texts.plain_percent(ratio, language) for ratio in CHOSEN],
        "wait": [texts.wait(seconds) for seconds, _ in WAITS],
        "count": [texts.count(number, language) for number in counts],
        "span": [texts.span(seconds, language) for seconds in spans],
        "clock": [texts.clock(moment, language=language) for moment in moments],
    }
