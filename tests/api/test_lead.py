"""The lead's page over HTTP: who may see it, what it says, and its button that acknowledges."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from msgspec import structs
from msgspec.structs import replace

from alerts.notifiers import apprise
from queue_monitor import texts
from queue_monitor.api import create_app
from queue_monitor.api.guard.access import digest
from queue_monitor.api.pages.board import board_body
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.api.pages.outlook import fact_beside
from queue_monitor.clock import ManualClock
from queue_monitor.model import (
    Access,
    Counts,
    Coverage,
    Period,
    QueueNow,
    RepeatCallers,
    RiskFigures,
    Role,
    Snapshot,
    Status,
    StatusReason,
    TransferWaits,
    Verdict,
)
from queue_monitor.ports import StoreError
from queue_monitor.store.audit import MemoryAudit
from tests.api import sample
from tests.api.sample import FakeAlerts, FakeFigures

LONG_WAIT = "long_wait-Kundcenter"
ADMIN = {"Authorization": "Bearer admin"}
STATUS = {"Authorization": "Bearer status"}


def access(*roles: Role) -> Sequence[Access]:
    return [Access(name=f"{role.value} i rummet", role=role, token_sha256=digest(role.value)) for role in roles]


class Desk:
    """A served monitor, with whatever tokens there are."""

    def __init__(self, shown: Snapshot | None = None, tokens: Sequence[Access] = (), **alerts: Any) -> None:
        self.figures = FakeFigures(shown or sample.lead())
        self.alerts = FakeAlerts(**alerts)
        self.audit = MemoryAudit()
        clock = ManualClock(self.figures.latest().at)
        routers = [lead_routes(self.figures, clock, self.alerts, self.alerts, self.audit, "sv")]
        app = create_app(self.figures, clock, routers=routers, access=tokens)
        self.client = AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost")

    async def page(self, **query: str) -> str:
        answer = await self.client.get("/lead", params=query)
        assert answer.status_code == 200
        return " ".join(answer.text.replace("\N{NO-BREAK SPACE}", " ").split())


async def test_the_forecast_is_said_with_its_band_its_margin_and_what_would_help() -> None:
    page = await Desk().page()

    for words in (
        "86,8 %",
        "82,7 % till 90,3 %",
        "91 %",
        "14 av ca 61 för hela dagen",
        "203 av ca 1 120 för hela månaden",
        "I nuvarande takt slut ca 10.50.",
        "Fler samtal än vanligt väger tyngst.",
        "Uppskattning: 3 fler i telefon nu för att korta kön.",
        "Uppskattning: 2 fler i telefon fram till 11.30 räcker för målet.",
        "beräknat 86,8 % vid stängning 17.00, 8 av 10 utfall mellan 82,7 % och 90,3 %.",
    ):
        assert words in page, words


async def test_who_of_the_waiting_will_probably_not_make_it_is_said_of_each_and_of_all() -> None:
    page = await Desk().page()

    assert "6 av 11 får troligen inte svar inom 5 min." in page
    assert page.count("hinner troligen inte") == 3
    assert page.count("redan över 5 min") == 3


@pytest.mark.parametrize(
    ("chance", "said"), [(0.9, "Den som väntar får troligen svar"), (0.1, "Den som väntar får troligen inte svar")]
)
async def test_of_one_who_waits_it_is_said_in_the_singular(chance: float, said: str) -> None:
    shown = sample.rush()
    caller = structs.replace(shown.total.waiting[-1], in_time_chance=chance)
    page = await Desk(structs.replace(shown, total=structs.replace(shown.total, waiting=(caller,)))).page()

    assert f"{said} inom 5 min." in page


def with_risk(risk: RiskFigures, margin: int) -> Snapshot:
    def foretold(face: QueueNow) -> QueueNow:
        return replace(face, risk=risk, margins={"day": margin})

    shown = sample.lead()
    return replace(shown, total=foretold(shown.total), pools=tuple(map(foretold, shown.pools)))


@pytest.mark.parametrize(
    ("risk", "margin", "words"),
    [
        (RiskFigures(p_miss=0.99, reachable=False), -15, "Målet nås troligen inte i dag."),
        (RiskFigures(p_miss=0.9, agents_at_most=6), 3, "6 fler i telefon räcker troligen inte för målet."),
        (RiskFigures(p_miss=0.2, expected_share=0.93), 30, "Prognosen når målet utan fler inloggade."),
        (RiskFigures(p_miss=1.0, expected_calls=600.0), -15, "15 för många"),
        (RiskFigures(p_miss=1.0), 0, "99 %"),
        (RiskFigures(p_miss=0.4, staff_known=False), 9, "Växeln berättar inte vilka som är inloggade"),
    ],
)
async def test_help_that_is_not_enough_or_not_needed_is_said_plainly(
    risk: RiskFigures, margin: int, words: str
) -> None:
    assert words in await Desk(with_risk(risk, margin)).page()


async def test_that_nothing_is_needed_is_said_only_where_the_target_is_kept() -> None:
    def judged(face: QueueNow, status: Status) -> QueueNow:
        return replace(face, verdict=Verdict(status=status, reason=StatusReason.EXPECTED_WITHIN))

    shown = with_risk(RiskFigures(p_miss=0.2, expected_share=0.93), 30)
    for status in (Status.OK, Status.AT_RISK):
        pools = tuple(judged(face, status) for face in shown.pools)
        page = await Desk(replace(shown, total=judged(shown.total, status), pools=pools)).page()
        assert ("Inget särskilt behövs för målet just nu." in page) is (status is Status.OK)


async def test_a_caller_of_whom_nothing_was_heard_since_a_silence_may_have_left() -> None:
    shown = sample.rush()
    caller = structs.replace(shown.total.waiting[-1], in_time_chance=0.9, unheard=True)
    page = await Desk(structs.replace(shown, total=structs.replace(shown.total, waiting=(caller,)))).page()

    assert "hinner troligen, kan ha lagt på" in page


async def test_a_source_that_is_silent_now_has_been_without_contact_until_now() -> None:
    page = await Desk(sample.dead_source()).page()  # 95 s before, and three minutes since

    assert "<td>10.12</td><td>10.12</td><td>4 min</td>" in page


async def test_while_it_is_too_early_no_chance_is_given_and_nothing_is_given_up() -> None:
    early = Verdict(status=Status.TOO_EARLY, reason=StatusReason.TOO_EARLY)
    lost = replace(sample.RISK_AHEAD, p_miss=0.97, expected_share=0.7, reachable=False, agents_for_day=None)

    def judged(face: QueueNow) -> QueueNow:
        return replace(face, verdict=early)

    shown = with_risk(lost, 3)
    page = await Desk(replace(shown, total=judged(shown.total), pools=tuple(map(judged, shown.pools)))).page()

    assert "Risk att målet missas</dt><dd>För tidigt att säga</dd>" in page
    assert "nås troligen inte" not in page
    assert "70,0 %" in page
    for said in ("I nuvarande takt slut", "väger tyngst"):
        assert said not in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (StatusReason.ALERT_STANDS, "Under målet just nu."),
        (StatusReason.LIKELY_MISSED, "Sammanlagt under målet just nu."),
        (StatusReason.UNDER_TARGET_SO_FAR, None),
        (StatusReason.PERIOD_LOST, None),
        (StatusReason.SOURCE_DOWN, None),
        (StatusReason.SOURCE_SILENT, None),
        (StatusReason.NOT_WATCHED, None),
    ],
)
def test_that_it_is_under_the_target_now_is_said_where_it_is_known_and_not_of_anothers_forecast(
    reason: StatusReason, words: str | None
) -> None:
    """The pool whose forecast is told may be far over it: "Kundcenter: the forecast is … Under the target now."."""
    shown = sample.lead()
    verdict = Verdict(status=Status.AT_RISK, reason=reason, under_target_now=True)
    kundcenter = next(queue for queue in shown.queues if queue.name == "Kundcenter")
    shown = replace(shown, total=replace(shown.total, verdict=verdict), pools=(replace(kundcenter, name="Kundcenter"),))

    said = {language: fact_beside(shown.total, shown, language) for language in texts.LANGUAGES}

    assert said["sv"] == (words or "").removesuffix(".")
    assert bool(said["en"]) is bool(words)
    one = replace(shown.queues[1], verdict=verdict)
    if reason is StatusReason.LIKELY_MISSED:
        assert fact_beside(one, shown, "sv") == "Kön själv är under målet just nu"


async def test_of_people_who_were_only_seen_it_says_at_least() -> None:
    page = await Desk(sample.seen()).page()

    assert "<small>/ minst 9</small>" in page
    assert "det är minst så många" in page
    assert "minst 9" not in await Desk(sample.rush()).page()


async def test_lost_calls_stand_short_and_long_apart_with_time_queue_and_wait_and_nothing_that_tells_who() -> None:
    page = await Desk().page()

    assert page.index("Väntade minst 20 s") < page.index("5:41") < page.index("Lade på inom 20 s") < page.index("0:12")
    assert "tappat, över 5 min" in page
    for caller in sample.lead().total.waiting:
        assert caller.visit_id not in page


def repeating(since: datetime, lost: int = 20) -> Snapshot:
    found = RepeatCallers(
        since=since, calls=168, repeated=20, lost=lost, reached_later=min(lost, 9), answered=120, not_back=111
    )
    shown = sample.lead()
    return replace(shown, total=replace(shown.total, repeat_callers=found))


async def test_who_calls_again_is_said_in_shares_with_their_counts() -> None:
    page = await Desk(repeating(sample.local(0))).page()

    assert "<h2>Återkommande i dag</h2>" in page
    for name, share, counts in (
        ("Samtal från någon som redan har ringt", "11,9 %", "20 av 168"),
        ("Obesvarade som har fått svar senare", "45,0 %", "9 av 20"),
        ("Besvarade som inte har ringt igen", "92,5 %", "111 av 120"),
    ):
        assert f'{name}</th><td class="number">{share}</td><td>{counts}</td>' in page
    assert "Samma nummer räknas som samma person, bara under dagen." in page


@pytest.mark.parametrize(("expected_calls", "is_told"), [(9.9, False), (10.0, True)])
async def test_a_margin_that_so_few_calls_never_had_is_not_told(expected_calls: float, is_told: bool) -> None:
    page = await Desk(with_risk(RiskFigures(p_miss=0.2, expected_calls=expected_calls), 0)).page()

    assert ("0 av ca" in page) is is_told


async def test_after_a_start_it_is_said_since_when_callers_are_told_apart() -> None:
    page = await Desk(repeating(sample.local(10, 12))).page()

    assert "<h2>Återkommande sedan kl. 10.12</h2>" in page
    assert "<td>9 av 20 sedan kl. 10.12</td>" in page


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (14, "Sena eller tappade samtal som ännu ryms inom målet."),
        (0, "Inget mer samtal får bli sent eller tappas om målet ska nås."),
        (-66, "Så många fler sena eller tappade samtal än vad målet tål."),
    ],
)
async def test_the_margin_is_explained_by_what_is_left_of_it(left: int, words: str) -> None:
    shown = sample.lead()
    margins = {**shown.total.margins, "day": left}
    faces = [replace(face, margins={**face.margins, "day": left}) for face in shown.queues]
    pools = [replace(face, margins={**face.margins, "day": left}) for face in shown.pools]
    total = replace(shown.total, margins=margins)
    page = await Desk(replace(shown, total=total, queues=tuple(faces), pools=tuple(pools))).page(queue="")

    assert f'<p class="more">{words}' in page


async def test_who_waited_again_after_a_transfer_and_got_no_answer_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    async def waits(*_: object) -> list[TransferWaits]:
        return [TransferWaits(queue="Bygglov", calls=3, answered=2, waiting=0, mean_seconds=40.0, longest_seconds=83.0)]

    monkeypatch.setattr(desk.figures, "transfer_waits", waits)
    page = await desk.page()

    numbers = "".join(f'<td class="number">{number}</td>' for number in ("3", "2", "1", "0"))
    assert f'Bygglov</th>{numbers}<td class="number">0:40' in page
    assert "Slutade utan svar" in page


async def test_a_page_in_another_language_has_the_alarms_message_as_it_is_sent() -> None:
    page = await Desk().page(lang="en")

    assert "The message as it is sent, in Swedish:" in page
    assert '<p lang="sv">Två till i telefonkön fram till kl. 11.30 beräknas räcka.</p>' in page
    assert "som det skickas" not in await Desk().page()


async def test_nothing_known_yet_is_not_taken_for_a_source_that_tells_nobody_apart() -> None:
    page = await Desk(replace(sample.lead(), callers_since=sample.local(10, 12))).page()

    assert "<h2>Återkommande sedan kl. 10.12</h2>" in page
    assert "Sedan kl. 10.12 har inget samtal kommit där det syns vem som ringer igen." in page
    assert "Källan visar inte" not in page


async def test_a_share_of_nothing_and_a_source_that_tells_nobody_apart_have_a_dash_and_never_nought() -> None:
    row = 'Obesvarade som har fått svar senare</th><td class="number">–</td><td></td>'

    assert row in await Desk(repeating(sample.local(0), lost=0)).page()
    unknown = await Desk().page()
    assert row in unknown
    assert "Källan visar inte vilka samtal som kommer från samma person." in unknown


async def test_a_queue_or_a_pool_can_be_chosen_and_figures_are_then_its_own() -> None:
    desk = Desk()

    page = await desk.page(queue="bygglov")
    asked = {queue for _, _, step, _, queue in desk.figures.asked if step == "hour"}

    assert "<h1>Läget i detalj: Bygglov</h1>" in page
    assert asked == {("Bygglov",)}
    assert "Alla köer</h1>" in await desk.page(queue=sample.lead().pools[0].name)


async def test_a_queue_that_does_not_exist_is_said_to_and_the_others_are_named() -> None:
    answer = await Desk().client.get("/lead", params={"queue": "finns inte"}, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "Det finns ingen kö som heter ”finns inte”" in answer.text
    assert "Kundcenter" in answer.text


async def test_many_forecasts_are_a_table_and_few_have_their_curves() -> None:
    twenty = sample.twenty()
    risky = tuple(replace(face, risk=sample.RISK_AHEAD) for face in twenty.queues)

    assert 'id="forecast-table"' in await Desk(replace(twenty, queues=risky)).page()
    assert (await Desk().page()).count('class="fan"') == 1


async def test_the_record_says_who_was_told_when_how_and_who_has_seen_it() -> None:
    alert = sample.alerted().alerts.open[0]
    page = await Desk(record=[sample.recorded(alert, by="Anna i växeln")]).page()

    record = page[page.index("Dagens larm") :]
    assert "teamledare</td><td>sms</td><td>gick inte att nå" in record
    assert "teamledare</td><td>mejl</td><td>skickat" in record
    assert "Kvitterat av Anna i växeln" in record


@pytest.mark.parametrize(
    "reason", sorted({cause.reason for cause in (*apprise._REPLIES, *apprise._CAUSES, apprise._NOT_TAKEN)})
)
async def test_the_record_says_why_a_message_did_not_get_through(reason: str) -> None:
    """The lead must know whom to ask: nobody was there, or our account is refused."""
    found = sample.recorded(sample.alerted().alerts.open[0])
    failed = replace(found.attempts[0], result=reason)
    page = await Desk(record=[replace(found, attempts=(failed,))]).page()

    record = page[page.index("Dagens larm") :]
    assert "teamledare</td><td>sms</td><td>" in record
    assert "misslyckades" not in record


async def test_an_alert_that_stands_says_who_took_it_and_when_and_the_wall_shows_no_name() -> None:
    alerted = sample.alerted()
    assert "Kvitterat av Anna Berg 10.35" in await Desk(alerted).page()
    assert "Acknowledged by Anna Berg 10:35" in await Desk(alerted).page(lang="en")
    wall = board_body(alerted).decode()
    assert '"acknowledged":true' in wall
    assert "Anna" not in wall


async def test_a_record_that_cannot_be_read_is_said_to_and_the_rest_stands() -> None:
    page = await Desk(away=True).page()

    assert "Larmens journal går inte att läsa just nu." in page
    assert "Timme för timme" in page


async def test_where_switch_and_calendar_or_counters_differ_stands_among_the_sources() -> None:
    page = await Desk().page()

    assert "Bygglov: mellan 9.02 och 9.20, då kalendern säger öppet, avvisades 3 samtal som stängt." in page
    assert "växeln räknar på annat sätt" in page


async def test_a_snapshot_is_rendered_once_however_many_ask() -> None:
    desk = Desk()
    first = await desk.page()
    asked = len(desk.figures.asked)

    assert await desk.page() == first
    assert len(desk.figures.asked) == asked


STATES: dict[str, Callable[[], Snapshot]] = {
    "empty": sample.empty,
    "no_calls": sample.no_calls,
    "rush": sample.lead,
    "dead_source": sample.dead_source,
    "night": sample.night,
    "twenty": sample.twenty,
    "all_at_once": sample.all_at_once,
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("language", texts.LANGUAGES)
async def test_it_speaks_one_language_and_says_nothing_unsaid(state: str, language: str) -> None:
    record = [sample.recorded(alert, by="Anna") for alert in sample.alerted().alerts.open]
    desk = Desk(STATES[state](), record=record)
    names = words_of(" ".join((*sample.NAMES, "Alla köer", "gamla", "teamledare")))

    page = await desk.page(lang=language)
    own = re.sub(r'<p lang="sv">.*?</p>', "", page)  # an alarm as it is sent, and marked as such
    assert set(foreign_words(own, language)) <= names


def foreign_words(page: str, language: str) -> list[str]:
    """Words of the other language, or of none, that a page shows or reads out; not what is marked as being in it."""
    body = re.sub(r"(?s)^.*?<body>|<svg class=\"sprite\".*?</svg>", " ", page)
    body = re.sub(r"(?s)<(a|div|span) [^>]*\blang=.*?</\1>|<code>.*?</code>", " ", body)
    labels = re.findall(r'(?:aria-label|label|data-\w+)="([^"]*)"', body)
    shown = " ".join([re.sub(r"<[^>]*>", " ", body), *labels])
    (other,) = set(texts.LANGUAGES) - {language}
    mine, foreign = (words_of(" ".join(texts.words(reply_language).values())) for reply_language in (language, other))
    return sorted(words_of(shown) & ((foreign - mine) | {"undefined", "null", "none", "object"}))


def words_of(text: str) -> set[str]:
    """Whole words of four letters and more, without the gaps to be filled in."""
    return set(re.findall(r"[^\W\d_]{4,}", re.sub(r"\{\w+\}", " ", text).casefold()))


# ---- who may


async def test_readers_may_see_it_and_a_wallboards_token_may_not() -> None:
    desk = Desk(tokens=access(Role.STATUS, Role.ADMIN, Role.WALLBOARD))

    codes = [
        (await desk.client.get("/lead", headers={"Authorization": f"Bearer {token}"})).status_code
        for token in ("status", "admin", "wallboard", "unknown")
    ]

    assert codes == [200, 200, 403, 401]


async def test_whoever_may_only_read_is_told_how_to_acknowledge_instead_of_shown_a_button() -> None:
    desk = Desk(tokens=access(Role.STATUS, Role.ADMIN))

    reader = (await desk.client.get("/lead", headers=STATUS)).text
    admin = (await desk.client.get("/lead", headers=ADMIN)).text

    assert 'method="post"' not in reader
    assert "Kvitteras med länken i meddelandet" in reader
    assert f'action="lead/acknowledge/{LONG_WAIT}' in admin


async def test_the_button_acknowledges_in_the_name_of_whoever_pressed_it_and_is_written_down() -> None:
    desk = Desk(tokens=access(Role.STATUS, Role.ADMIN))

    answer = await desk.client.post(f"/lead/acknowledge/{LONG_WAIT}?queue=Bygglov", headers=ADMIN)

    assert (answer.status_code, answer.headers["location"]) == (303, "../../lead?queue=Bygglov&lang=sv#alerts")
    assert desk.alerts.acknowledged == [(LONG_WAIT, "admin i rummet")]
    (act,) = await desk.audit.acts(sample.local(0), sample.local(23))
    assert (act.who, act.subject) == ("admin i rummet", LONG_WAIT)


async def test_a_reader_or_another_sites_page_acknowledges_nothing() -> None:
    desk = Desk(tokens=access(Role.STATUS, Role.ADMIN))
    address = f"/lead/acknowledge/{LONG_WAIT}"

    reader = await desk.client.post(address, headers=STATUS)
    elsewhere = {"Cookie": "queue_monitor=admin", "Sec-Fetch-Site": "cross-site"}
    other_site = await desk.client.post(address, headers=elsewhere)

    assert (reader.status_code, other_site.status_code) == (403, 403)
    assert desk.alerts.acknowledged == []


async def test_where_nobody_has_a_token_the_page_of_this_machine_shows_no_button_either() -> None:
    desk = Desk()

    answer = await desk.client.post(f"/lead/acknowledge/{LONG_WAIT}")

    assert 'method="post"' not in await desk.page()
    assert answer.status_code == 401
    assert desk.alerts.acknowledged == []


async def test_an_alert_that_is_over_by_now_leads_back_to_the_page() -> None:
    desk = Desk(tokens=access(Role.ADMIN))

    answer = await desk.client.post("/lead/acknowledge/redan-slut", headers=ADMIN)

    assert answer.status_code == 303
    assert desk.alerts.acknowledged == []


async def test_what_differs_from_the_switchs_own_totals_today_and_yesterday_is_a_table() -> None:
    page = await Desk().page()

    section = page[page.index("Avstämning mot växeln") :]
    assert "1 av 3 jämförelser från i dag och i går stämmer." in section
    today, yesterday = re.findall(r"<tr><th scope=\"row\"[^>]*>Kundcenter</th>.*?</tr>", section)[-2:]
    assert [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", today)] == [
        *("I dag", "lämnat kön utan svar", "19", "17", "växeln räknar på annat sätt", "2026-03-02 6.00", "pbx")
    ]
    assert "<td>I går</td><td>avslutade samtal</td>" in yesterday
    assert "avbrott i mätningen" in yesterday
    file = "api/v1/differences?from=2026-02-01&amp;to=2026-03-02&amp;format=csv&amp;lang=sv"
    assert f'<a href="{file}" download>' in section


async def test_of_one_queue_its_own_differences_are_shown_and_offered() -> None:
    page = await Desk().page(queue="Bygglov", lang="en")

    section = page[page.index("Held against the switch") :]
    assert "agree with the monitor" in section
    assert "differences-table" not in section
    assert "format=csv&amp;queue=Bygglov&amp;lang=en" in section


async def test_of_a_day_that_nobody_watched_it_is_not_said_that_nobody_called(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(replace(sample.no_calls(), total=sample.blind(sample.no_calls().total)))

    async def nothing(*asked: Any) -> Any:
        return []

    for part in ("intervals", "lost_calls"):
        monkeypatch.setattr(desk.figures, part, nothing)
    page = await desk.page()
    sections = [page[page.index(f"<h2>{name}</h2>") :].partition("</section>")[0] for name in NOTHING_IN]

    assert ["Ingen öppettid har mätts i dag." in section for section in sections] == [True, True]
    assert "Inga samtal än i dag" not in page
    assert "fått svar." not in page


@pytest.mark.parametrize(
    ("snapshot", "number", "words"),
    [
        (sample.empty(), "–", "Ingen växel är ansluten."),
        (replace(sample.no_calls(), total=sample.blind(sample.no_calls().total)), "0", "Senast känt: ingen väntar."),
        (sample.no_calls(), "0", "Ingen väntar."),
    ],
)
async def test_who_waits_is_not_known_without_a_switch(snapshot: Snapshot, number: str, words: str) -> None:
    """As on the wall, which shows a dash there."""
    page = await Desk(snapshot).page()

    assert f"<dt>Väntande samtal</dt><dd>{number}</dd>" in page
    assert f"<p>{words}</p>" in page[page.index("<h2>De som väntar</h2>") :].partition("</section>")[0]


NOTHING_IN = ("Timme för timme", "Samtal som inte besvarats")
"""The sections of which no calls say that nobody called, or that all were answered."""


@pytest.mark.parametrize("part", ["lost_calls", "transfer_waits"])
async def test_while_the_database_is_away_it_is_not_said_that_nobody_was_lost_or_passed_on(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()

    async def away(*days: Any) -> Any:
        raise StoreError("away")

    monkeypatch.setattr(desk.figures, part, away)
    page = await desk.page()

    heading = {"lost_calls": "Samtal som inte besvarats", "transfer_waits": "Väntan efter koppling"}[part]
    section = page[page.index(f"<h2>{heading}</h2>") :].partition("</section>")[0]
    assert "Listan går inte att läsa just nu: databasen är borta." in section
    assert "Ingen har kopplats vidare" not in section


async def test_a_switch_without_totals_and_a_database_that_is_away_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Växeln lämnar inga egna räkningar." in await Desk(sample.rush()).page()
    desk = Desk()

    async def away(*days: Any) -> Any:
        raise StoreError("away")

    monkeypatch.setattr(desk.figures, "differences", away)
    page = await desk.page()
    section = page[page.index("Avstämning mot växeln") :]
    assert "Listan går inte att läsa just nu: databasen är borta." in section


@pytest.mark.parametrize(
    "field", ["answered_in_time", "answered_late", "answered_unjudged", "called_back", "excluded", "unknown", "timeout"]
)
async def test_each_call_of_an_hour_is_in_one_column_and_in_the_late_one_only_where_it_was(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(sample.calm())

    async def hours(start: datetime, end: datetime, *_: Any) -> list[Period]:
        return [sample.period("hour", Counts(**{field: 1}), at=start + timedelta(hours=9))]

    monkeypatch.setattr(desk.figures, "intervals", hours)
    section = (await desk.page()).partition('id="hours"')[2].partition("</tr>")[2]
    row = section.partition("<tbody>")[2].partition("</tr>")[0]
    entered, in_time, late, abandoned, other, waiting = re.findall(r'<td class="number">(\d+)</td>', row)[:6]

    assert int(entered) == int(in_time) + int(late) + int(abandoned) + int(other) + int(waiting) == 1
    assert int(late) == (field == "answered_late")
    assert int(in_time) == (field in {"answered_in_time", "called_back"})


@pytest.mark.parametrize(("language", "words"), [("sv", "40 min utan mätning"), ("en", "40 min not measured")])
async def test_an_hour_in_which_nothing_was_heard_for_a_while_says_so_beside_its_calls(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its few calls looked like those of a calm hour."""
    desk = Desk(sample.calm())

    async def hours(start: datetime, end: datetime, *_: Any) -> list[Period]:
        covers = (Coverage(seen_minutes=60), Coverage(seen_minutes=20, blind_minutes=40))
        return [
            sample.period("hour", Counts(answered_in_time=9), at=start + timedelta(hours=9 + number), coverage=coverage)
            for number, coverage in enumerate(covers)
        ]

    monkeypatch.setattr(desk.figures, "intervals", hours)
    first, second, *_ = (await desk.page(lang=language)).partition('id="hours"')[2].split('<th scope="row">')[1:]

    assert (words in first, words in second) == (False, True)


async def test_the_forecast_of_a_pool_has_its_name_on_the_page_of_one_of_its_queues() -> None:
    """The only pool has the forecast of all queues, and no name among them."""
    named, alone = await Desk().page(queue="Bygglov"), await Desk().page()

    assert "<h3>Alla köer</h3>" in named.partition('id="forecast"')[2].partition("</section>")[0]
    assert "<h3>Alla köer</h3>" not in alone
