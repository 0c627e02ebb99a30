"""A time of another day is told with its day: in what is sent later, on every page, and on the walls."""

from datetime import datetime, time, timedelta

import pytest
from msgspec import structs

from alerts.message import Message
from alerts.sent import lines, parts, sms
from queue_monitor import texts
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history_page import HistoryPage
from queue_monitor.model import (
    Acknowledgement,
    Alert,
    AlertKind,
    AlertReason,
    AlertsNow,
    Banner,
    Crisis,
    Notice,
    RecordedAlert,
)
from tests.alerts.messages import CLEARED, RAISED, SURGE, UPDATED, ZONE, alert, of_target
from tests.alerts.moments import OPENS, at, risk, snapshot
from tests.alerts.test_dispatch import CHIEF, LEAD, Office
from tests.alerts.test_standing_words import Room
from tests.api import sample
from tests.api.test_acknowledge import Page
from tests.api.test_lead import Desk
from tests.scenario import STOCKHOLM
from tests.store.test_alerts import NOTICE

DAY = 24 * 60
EVENING = at(11 * 60)
"""Monday at 19.00."""
MORNING = at(DAY)
SAID = {
    "sv": "Måndag 23 november kl. 19.00 – Kundcenter: kris utlyst: strömavbrott.",
    "en": "Monday 23 November, 19:00 – Kundcenter: crisis declared: strömavbrott.",
}


def crisis(language: str = "sv", moment: datetime = EVENING) -> Alert:
    figures = structs.replace(SURGE, crisis=Crisis(since=moment, reason="strömavbrott"))
    told = structs.replace(alert(AlertKind.CRISIS, RAISED, AlertReason.DECLARED, figures), at=moment, notified="alarm")
    message = Message(told, ZONE, language)
    return structs.replace(told, title=message.title, text=message.body)


def sent_at(due: datetime, language: str = "sv", *, escalation: bool = False) -> Notice:
    return structs.replace(NOTICE, alert=crisis(language), due_at=due, escalation=escalation)


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_mail_that_leaves_the_morning_after_names_the_day(language: str) -> None:
    """A mail that quiet hours held back says of which day its time and its numbers are."""
    assert lines(sent_at(MORNING, language), ZONE, language)[0] == SAID[language]
    assert lines(sent_at(EVENING, language), ZONE, language)[0] == crisis(language).title


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_an_sms_that_leaves_the_morning_after_names_the_day(language: str) -> None:
    """An SMS that quiet hours held back says of which day it is, and still fits."""
    said = sms(sent_at(MORNING, language), ZONE, language)

    assert said.startswith(SAID[language].replace("–", "-"))
    assert parts(said) <= 2


@pytest.mark.parametrize(
    ("due", "said"),
    [
        (EVENING + timedelta(minutes=15), "Ingen har kvitterat sedan kl. 19.00."),
        (MORNING, "Ingen har kvitterat sedan måndag 23 november kl. 19.00."),
    ],
)
def test_an_escalation_names_the_day_since_which_nobody_has_acknowledged(due: datetime, said: str) -> None:
    """An escalation of yesterday's alarm says so, as mail and as SMS."""
    assert lines(sent_at(due, escalation=True), ZONE, "sv")[1].startswith(said)
    assert sms(sent_at(due, escalation=True), ZONE, "sv").startswith(said)


async def test_an_escalation_of_an_alarm_that_grew_worse_names_both_moments_with_their_days() -> None:
    """The chief reads when the trouble was last told, and since when nobody has answered, both of yesterday."""
    chief = structs.replace(CHIEF, quiet=(time(17), time(8)))
    office = Office(recipients=[LEAD, chief], escalate_to="enhetschef", start=540)
    for minute, change in ((540, RAISED), (550, UPDATED)):
        office.clock.advance_to(at(minute))
        told = structs.replace(crisis(moment=at(minute)), change=change, episode="e1")
        office.dispatcher.follow([told])
        await office.dispatcher.save(office.dispatcher.plan([told]))
        await office.dispatcher.work()
    await office.wait(24 * 60 - 550 + 1)

    (notice,) = office.mail.sent
    title, body = lines(notice, ZONE, "sv")
    assert title.startswith("Måndag 23 november kl. 17.10 – ")
    assert body.startswith("Ingen har kvitterat sedan måndag 23 november kl. 17.00.")


async def test_quiet_hours_over_midnight_send_the_message_with_its_day() -> None:
    """A lead with quiet hours from 17 to 8 reads on Tuesday that the crisis is of Monday."""
    quiet = structs.replace(LEAD, quiet=(time(17), time(8)))
    office = Office(recipients=[quiet, CHIEF], start=11 * 60)
    await office.dispatcher.save(office.dispatcher.plan([crisis()]))
    await office.wait(13 * 60)

    (notice,) = office.sms.sent
    assert lines(notice, ZONE, "sv")[0] == SAID["sv"]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-10-25T00:30+02:00", "Lördag 24 oktober kl. 23.30"),
        ("2026-10-25T23:30+01:00", "Lördag 24 oktober kl. 23.30"),
        ("2026-10-24T23:59+02:00", "Kl. 23.30"),
    ],
)
def test_the_day_is_that_of_the_local_clock_also_when_the_clocks_change(now: str, said: str) -> None:
    """A message of half an hour before midnight has its day from midnight on, not from midnight in UTC."""
    told = crisis(moment=datetime.fromisoformat("2026-10-24T23:30+02:00"))
    notice = structs.replace(NOTICE, alert=told, due_at=datetime.fromisoformat(now))

    assert lines(notice, ZONE, "sv")[0].startswith(f"{said} – ")


def test_a_message_whose_title_begins_with_no_time_is_left_as_it_is() -> None:
    """News of a report, written by somebody else, is not dated."""
    news = structs.replace(crisis(), title="Rapport november: 91 %")

    assert lines(structs.replace(NOTICE, alert=news, due_at=MORNING), ZONE, "sv")[0] == "Rapport november: 91 %"


def test_an_alert_that_stands_since_another_day_has_its_day_in_its_title() -> None:
    """The API's title of a month at risk names the day on which it was raised."""
    room = Room()
    room.see(snapshot(at(60), month_risk=risk(0.75)))
    shown = room.see(snapshot(at(2 * DAY + 60), month_risk=risk(0.75)))

    assert shown is not None
    assert shown.title.startswith("Måndag 23 november kl. 9.00 – Kundcenter: stor risk att månadsmålet missas.")


async def test_the_page_behind_an_old_link_names_the_day_of_its_alarm() -> None:
    """A link that is opened the next day shows the message with its day."""
    page = Page()
    link = await page.link()
    page.round._clock.advance_to(at(DAY + 60))  # type: ignore[attr-defined]

    assert "<h2>Måndag 23 november kl. 9.00 –" in (await page.client.get(link)).text


def test_a_page_gives_a_time_of_today_as_before_and_another_with_its_day() -> None:
    """The lead's page, its record and its sources have one way to write a time."""
    pen = Formatter("sv", ZONE, snapshot(OPENS).target)

    assert [pen.clock_words(at(12), now) for now in (at(60), at(DAY + 60))] == ["8.12", "måndag 23 november kl. 8.12"]


async def test_the_leads_page_gives_what_is_not_of_today_alone_its_day() -> None:
    """The page dates an alert, a crisis, an acknowledgement and a silent source of yesterday, and a later end."""
    shown = sample.lead()
    yesterday, tomorrow = shown.at - timedelta(days=1), shown.at + timedelta(days=1)
    month = structs.replace(sample.alert(AlertKind.TARGET_AT_RISK, "Kundcenter", period="month"), at=yesterday)
    seen = {month.episode: Acknowledgement(episode=month.episode, at=yesterday, by="Anna")}
    alerts = AlertsNow(
        open=(month,),
        acknowledgements=seen,
        crisis=Crisis(since=yesterday, reason="strömavbrott"),
        banner=Banner(words="Driftstopp", since=yesterday, until=tomorrow),
    )
    sources = tuple(structs.replace(source, up=False, since=yesterday) for source in shown.sources)
    page = await Desk(structs.replace(shown, alerts=alerts, sources=sources), record=[sample.recorded(month)]).page()

    day, next_day = (texts.moment_words(moment, shown.at, ZONE) for moment in (yesterday, tomorrow))
    for said in (
        f"Larm sedan {day}",
        f"Krisen utlystes {day}",
        f"Kvitterat av Anna {day}",
        f"Visas på tavlorna till {next_day}",
        f"<td>{day}</td>",
        f"{day}–",
    ):
        assert said in page, said


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(30, "2026-11-23 9.00 till 9.30"), (2 * DAY, "2026-11-23 9.00 till 2026-11-25 9.00")],
)
def test_the_page_of_the_past_gives_the_day_on_which_a_long_alarm_ended(minutes: int, said: str) -> None:
    """An alarm of a month that ended days later is not shown as ended on the day it began."""
    begun = structs.replace(of_target(RAISED, period="month"), at=at(60))
    over = structs.replace(begun, at=at(60 + minutes), change=CLEARED)
    page = HistoryPage.__new__(HistoryPage)
    page.pen, page._zone = Formatter("sv", ZONE, snapshot(OPENS).target), STOCKHOLM

    assert page._alert_row(RecordedAlert(episode="e1", changes=(begun, over))).when == said
