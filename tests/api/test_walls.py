"""Walls that the settings name: some of the queues, laid out as the room wants them, at an address of their own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from queue_monitor import texts
from queue_monitor.api.pages.board import board, narrowed
from queue_monitor.api.pages.outlook import reason
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.rules_from_config import boards_of, rules_of
from queue_monitor.config import Config, ConfigError, load
from queue_monitor.core.assessment import decided
from queue_monitor.core.live import Live
from queue_monitor.model import (
    AlertKind,
    AlertLevel,
    Banner,
    Board,
    BoardLayout,
    BoardPart,
    Counts,
    Snapshot,
    Status,
    StatusReason,
    Verdict,
    WallNow,
)
from tests.api import sample
from tests.api.looking import UNREADABLE, Reader, Windows, combined
from tests.api.serving import Server, chromium, serving
from tests.api.test_comparison import SUNDAY, History, mondays
from tests.scenario import Scenario

FORTY = (*sample.NAMES, *(f"{name} 2" for name in sample.NAMES))
SIZES = {"960x540": (960, 540), "1093x614": (1093, 614), "1080p": (1920, 1080), "4k": (3840, 2160), "phone": (390, 844)}
LIST = Board(name="lista", title="Alla köer", layout=BoardLayout.LIST)
LARGE = Board(name="stor", layout=BoardLayout.LARGE)
OWN = Board(name="växel", title="Växeln", queues=("kundcenter", "Bygglov"), theme="light", sound=True)
BARE = Board(name="bar", hide=(BoardPart.STAFF, BoardPart.CURVE, BoardPart.FACTS))
WALLS = (LIST, LARGE, OWN, BARE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@dataclass
class Room:
    windows: Windows
    server: Server

    def page(self, wall: str, size: tuple[int, int], query: str = "") -> Page:
        self.windows.leave()  # one look at a time
        page = self.windows.take(self.server.address, size).page
        page.goto(f"{self.server.address}/{f'wall/{wall}' if wall else ''}{query}")
        word = "Updated" if "lang=en" in query else "Uppdaterad"
        expect(page.locator("#fresh")).to_contain_text(word, timeout=15_000)
        return page


@pytest.fixture(scope="module")
def windows(browser: Browser) -> Windows:
    return Windows(browser)


@pytest.fixture(scope="module")
def room(windows: Windows) -> Iterator[Room]:
    with serving(sample.twenty(), boards=WALLS) as server:
        yield Room(windows, server)


def with_wall(snapshot: Snapshot, wall: Board) -> Snapshot:
    """The sample, with the figures of a wall that shows its first two queues."""
    faces = [queue for queue in snapshot.queues if queue.name.casefold() in {name.casefold() for name in wall.queues}]
    waiting = tuple(caller for face in faces for caller in face.waiting)
    total = replace(snapshot.total, name=wall.name, queues=wall.queues, waiting=waiting, talking=7)
    return replace(snapshot, walls=(WallNow(name=wall.name, total=total, today=snapshot.today[:20]),))


def read(folder: Path, settings: str) -> Config:
    file = folder / "monitor.toml"
    file.write_text(settings, encoding="utf-8")
    return load(file, {}, settings_of, adapter_kinds(), needs_sources=False)


# ---- the figures


def test_a_wall_counts_the_calls_of_its_queues_and_of_no_other() -> None:
    story = Scenario()
    rules = replace(story.rules, walls={"ab": ("a", "B")})
    story.live = Live(rules)
    story.entered(0, "anna", "a").answered(10, "anna", "a").entered(20, "bo", "b")
    story.entered(30, "cilla", "c").entered(40, "david", "a")

    snapshot = decided(story.live.snapshot(story.at(50)))
    [wall] = snapshot.walls
    day, by_queue = wall.total.periods["day"].counts, {queue.name: queue for queue in snapshot.queues}
    assert (day.entered, day.answered, wall.total.waiting_count) == (3, 1, 2)
    assert day.entered == sum(by_queue[name].periods["day"].counts.entered for name in "ab")
    assert sum(bar.counts.entered for bar in wall.today) == 3
    shown = board(narrowed(snapshot, Board(name="ab", queues=("a", "B"))))
    assert [queue.name for queue in shown.queues] == ["a", "b"]
    assert shown.total.waiting == 2
    assert shown.curve is not None
    assert sum(bar.in_time + bar.late + bar.lost + bar.waiting for bar in shown.curve.bars) == 3


def test_a_wall_of_all_queues_is_the_first_one() -> None:
    snapshot = sample.twenty()

    assert narrowed(snapshot, LIST) is snapshot


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_forecast_of_more_queues_than_are_shown_is_told_with_the_name_of_their_pool(language: str) -> None:
    """The people of a pool serve all its queues: its forecast and what would help are not those of one queue."""
    verdict = Verdict(status=Status.AT_RISK, reason=StatusReason.LIKELY_MISSED)
    shown = sample.lead()
    shown = replace(shown, total=replace(shown.total, verdict=verdict))
    one, every = replace(OWN, queues=("Bygglov",)), replace(OWN, queues=shown.total.queues)
    bygglov = replace(next(queue for queue in shown.queues if queue.name == "Bygglov"), verdict=verdict)

    of_one = board(narrowed(with_wall(shown, one), one), show_advice=True)
    of_all = board(narrowed(with_wall(shown, every), every), show_advice=True)

    assert of_one.advice is not None and of_all.advice is not None
    for words in (of_one.why, of_one.advice):
        assert words[language].startswith("Alla köer: ")
    assert reason(bygglov, shown, language).startswith("Alla köer: ")
    for words in (of_all.why, of_all.advice):
        assert "Alla köer" not in words[language]


def test_an_alarm_of_another_queue_is_not_shown_on_a_wall() -> None:
    standing = sample.alerted()
    mine = with_wall(standing, replace(OWN, queues=("Kundcenter",)))
    other = with_wall(standing, replace(OWN, queues=("Bygglov",)))

    first = narrowed(mine, replace(OWN, queues=("Kundcenter",))).alerts.open
    second = narrowed(other, replace(OWN, queues=("Bygglov",))).alerts.open
    assert [alert.queue for alert in first] == ["Kundcenter", "Kundcenter"]
    assert [alert.queue for alert in second] == ["Bygglov"]


def test_a_queue_that_nobody_has_seen_is_named_on_its_wall_and_nothing_is_claimed_for_it() -> None:
    some = replace(OWN, queues=("Kundcenter", "Byggtov"))
    none = replace(OWN, queues=("Byggtov", "Vaxel"))
    part = board(narrowed(with_wall(sample.twenty(), some), some), some)
    empty = board(narrowed(with_wall(sample.twenty(), none), none), none)

    assert (part.unseen, part.total.trusted) == (("Byggtov",), True)
    assert (empty.unseen, empty.total.trusted) == (("Byggtov", "Vaxel"), False)
    assert board(sample.twenty()).unseen == ()
    assert board(narrowed(with_wall(sample.empty(), none), none), none).unseen == (), "no switch has said anything"


# ---- the settings


def test_walls_are_read_from_the_settings_with_the_queues_of_their_pool(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        '[[pools]]\nname = "Växeln"\nqueues = ["a", "b"]\n'
        '[[wallboard.boards]]\nname = "vaxel"\npool = "Växeln"\nlayout = "large"\nhide = ["curve"]\n'
        '[[wallboard.boards]]\nname = "lista"\nlayout = "list"\nlanguage = "en"\n',
    )

    vaxel, lista = boards_of(config)
    assert (vaxel.queues, vaxel.layout, vaxel.hide) == (("a", "b"), BoardLayout.LARGE, (BoardPart.CURVE,))
    assert (lista.queues, lista.language) == ((), "en")
    assert rules_of(config).walls == {"vaxel": ("a", "b")}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ('[[wallboard.boards]]\nname = "a"\npool = "Ingen"\n', "wallboard.boards[0].pool"),
        ('[[wallboard.boards]]\nname = "a"\n[[wallboard.boards]]\nname = "A"\n', "wallboard.boards"),
        ('[[wallboard.boards]]\nname = "a b"\n', "wallboard.boards[0].name"),
        ('[[wallboard.boards]]\nname = "a"\nlayout = "round"\n', "wallboard.boards[0].layout"),
        ('[[wallboard.boards]]\nname = "a"\npool = "P"\nqueues = ["y"]\n', "boards[0]"),
    ],
)
def test_a_wall_that_cannot_be_is_refused_by_the_name_of_its_setting(tmp_path: Path, settings: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace("[", r"\[").replace("]", r"\]")):
        read(tmp_path, settings)


# ---- the pages


def test_an_unknown_wall_is_refused_and_those_there_are_are_named(room: Room) -> None:
    page = httpx.get(f"{room.server.address}/wall/ingen", headers={"accept": "application/json"})
    stream = httpx.get(f"{room.server.address}/api/v1/stream", params={"board": "ingen"})

    assert (page.status_code, stream.status_code) == (404, 404)
    assert page.json()["choices"] == ["lista", "stor", "växel", "bar"]


def test_a_wall_shows_its_own_queues_title_and_theme(room: Room) -> None:
    room.server.show(with_wall(sample.twenty(), OWN))
    page = room.page("V%C3%84XEL", SIZES["1080p"])

    expect(page.locator("#organisation")).to_have_text("Växeln")
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.locator("#rows .name > span:nth-child(2)").all_inner_texts() == ["Kundcenter", "Bygglov"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Växeln har aldrig nämnt köerna Byggtov, Vaxel"),
        ("?lang=en", "The switch has never named the queues Byggtov, Vaxel"),
    ],
)
def test_a_wall_of_queues_that_nobody_has_seen_says_so_instead_of_being_empty(
    windows: Windows, query: str, words: str
) -> None:
    wall = replace(OWN, queues=("Byggtov", "Vaxel"))
    with serving(with_wall(sample.twenty(), wall), boards=(wall,)) as server:
        page = Room(windows, server).page("växel", SIZES["960x540"], query)
        expect(page.locator("#alarm strong")).to_have_text(words)
        expect(page.locator("#waiting")).to_have_text("–")
        assert page.evaluate(UNREADABLE) == []


def test_parts_that_are_hidden_are_not_on_the_wall(room: Room) -> None:
    page = room.page("bar", SIZES["1080p"])

    for part in ("#tile-staff", "#curve", "#facts"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator("#verdict")).to_be_visible()


def test_a_list_shows_forty_queues_at_once_those_in_trouble_first(room: Room) -> None:
    room.server.show(sample.many(FORTY, late=3))
    page = room.page("lista", SIZES["1080p"])

    names = page.locator("#rows .name > span:nth-child(2)").all_inner_texts()
    assert set(names[:3]) == set(FORTY[-3:])
    assert sorted(names) == sorted(FORTY)
    expect(page.locator("#page-of")).to_have_text("Väntar · Längst")


def test_a_new_alarm_sounds_once_and_one_that_stands_already_does_not(room: Room) -> None:
    quiet = with_wall(sample.twenty(), OWN)
    alarm = [alert for alert in sample.alerted().alerts.open if alert.level.value == "alarm"][:1]
    room.server.show(quiet)
    page = room.page("växel", SIZES["1080p"])
    loud = replace(quiet, alerts=replace(quiet.alerts, open=tuple(replace(one, queues=()) for one in alarm)))
    for _ in range(2):
        room.server.show(replace(loud, at=loud.at))
        expect(page.locator("#strip .message")).to_be_visible()

    assert page.locator("html").get_attribute("data-sounded") == "1"
    late = room.page("växel", SIZES["1080p"])
    assert late.locator("html").get_attribute("data-sounded") is None


def test_each_alarm_sounds_when_it_becomes_one_also_after_a_look_at_its_warning(room: Room) -> None:
    """A wall that was opened beside two warnings of one moment sounds for each of them when it becomes an alarm."""
    quiet = with_wall(sample.twenty(), OWN)
    kinds = (AlertKind.LONG_WAIT, AlertKind.NO_AGENTS)
    page = None
    for sounded in range(3):
        standing = tuple(
            replace(sample.alert(kind, level=AlertLevel.ALARM if place < sounded else AlertLevel.WARNING), queues=())
            for place, kind in enumerate(kinds)
        )
        room.server.show(replace(quiet, alerts=replace(quiet.alerts, open=standing)))
        page = page or room.page("växel", SIZES["1080p"])
        if sounded:
            expect(page.locator("html")).to_have_attribute("data-sounded", str(sounded))

    assert page is not None
    assert page.locator("html").get_attribute("data-sounded") == "2"


@pytest.mark.parametrize(
    ("wall", "size"),
    combined(
        ("lista", "stor", "bar"),
        SIZES,
        short={("lista", "4k"), ("lista", "phone"), ("stor", "960x540"), ("stor", "1080p"), ("bar", "1093x614")},
    ),
)
def test_no_text_is_cut_off_or_covered_on_any_wall(room: Room, wall: str, size: str) -> None:
    counts: dict[int, Callable[[], Any]] = {
        1: sample.calm,
        6: sample.rush,
        20: sample.twenty,
        40: lambda: sample.many(FORTY),
    }
    page = room.page(wall, SIZES[size], "?lang=en" if wall == "stor" else "")
    for number, made in counts.items():
        room.server.show(made())
        page.wait_for_timeout(350)
        assert page.evaluate(UNREADABLE) == [], f"{number} queues"


COUNTS: dict[int, Callable[[], Snapshot]] = {
    1: sample.calm,
    6: sample.rush,
    20: sample.twenty,
    40: lambda: sample.many(FORTY, late=3),
}


@pytest.mark.soak
@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("wall", ["", "wall/lista", "wall/stor", "wall/bar"])
def test_every_wall_can_be_read_on_every_screen_in_both_languages(browser: Browser, wall: str, language: str) -> None:
    figures = History(sample.calm(), {**mondays(9, 10, 11), SUNDAY: 12})
    with serving(sample.calm(), boards=WALLS, figures=figures) as server:
        for screen, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
            page = context.new_page()
            page.goto(f"{server.address}/{wall}?lang={language}")
            expect(page.locator("#fresh")).to_contain_text("Updated" if language == "en" else "Uppdaterad")
            for number, made in COUNTS.items():
                server.show(made())
                page.wait_for_timeout(350)
                assert page.evaluate(UNREADABLE) == [], f"{screen}, {number} queues"
            context.close()


def test_a_share_of_all_calls_keeps_within_its_column(room: Room) -> None:
    """100,0 % is the widest share, and 10 / 40 the widest staff."""
    made = sample.rush()
    day = {"day": sample.period("day", Counts(answered_in_time=99), at=made.at)}
    staff = replace(made.total.staff, available=10, staffed=40)
    queues = tuple(replace(each, periods=each.periods | day, staff=staff) for each in made.queues)
    room.server.show(replace(made, queues=queues))
    page = room.page("", SIZES["1080p"])
    outside = """() => [...document.querySelectorAll('#rows .row > span:nth-child(n + 4)')].filter((cell) => {
      const [edge, words] = [cell.getBoundingClientRect(), document.createRange()];
      words.selectNodeContents(cell.lastElementChild);
      return words.getBoundingClientRect().left < edge.left - 1 || words.getBoundingClientRect().right > edge.right + 1;
    }).map((cell) => cell.textContent)"""
    assert page.locator("#rows li").count() == 6
    assert page.evaluate(outside) == []


@pytest.mark.parametrize(
    ("wall", "size"),
    combined(
        ("lista", "stor", "bar"),
        ("960x540", "1093x614", "1080p", "phone"),
        short={("lista", "960x540"), ("lista", "1080p"), ("stor", "1093x614"), ("stor", "960x540"), ("bar", "phone")},
    ),
)
def test_an_alarm_and_the_leads_words_cover_nothing_on_any_wall(room: Room, wall: str, size: str) -> None:
    alarmed = sample.alerted()
    words = "Personalmöte 11.00 i Ljuset, växeln täcker"
    banner = Banner(words=words, since=alarmed.at, until=alarmed.at + timedelta(hours=1))
    both = replace(alarmed.alerts, banner=banner)
    page = room.page(wall, SIZES[size])
    for made in (alarmed, replace(alarmed, alerts=both), replace(sample.seen(), alerts=both)):
        room.server.show(made)
        page.wait_for_timeout(350)
        assert page.evaluate(UNREADABLE) == []
        for line in ("#talking", "#oldest-queue") if wall == "stor" else ():
            expect(page.locator(line)).to_be_visible()


def test_everybody_can_read_a_list_of_forty(room: Room) -> None:
    room.server.show(sample.many(FORTY))
    page = room.page("lista", SIZES["1080p"])

    assert Reader().faults(page) == ""
