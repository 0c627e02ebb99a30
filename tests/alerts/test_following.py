"""People who were told of an alert are told how it goes on, over restarts and days, and each thing once."""

from datetime import time, timedelta

import pytest
from msgspec import structs

from queue_monitor.clock import ManualClock
from queue_monitor.model import AlertChange, AlertKind
from queue_monitor.store import SqlStore
from tests.alerts.moments import CLOSES, at, risk, snapshot
from tests.alerts.test_dispatch import CHIEF, LEAD, FakeNotifier, Office, down
from tests.alerts.test_engine import Process
from tests.alerts.test_lifecycle import LiveReading

DAY = 24 * 60


async def test_who_asks_for_risks_alone_and_was_told_of_one_hears_that_it_is_lost_and_how_it_ended():
    lead = structs.replace(LEAD, kinds=frozenset({AlertKind.TARGET_AT_RISK}))
    other = structs.replace(LEAD, name="växeln", kinds=frozenset({AlertKind.SOURCE_SILENT}))
    office = await Office(recipients=[lead, other]).tell()
    lost = {"kind": AlertKind.TARGET_OUT_OF_REACH}
    office.clock.advance_to(at(90))
    await office.tell(AlertChange.UPDATED, **lost)
    office.clock.advance_to(CLOSES)
    await office.tell(AlertChange.CLEARED, **lost)

    assert [(notice.recipient, notice.alert.change.value) for notice in office.sms.sent] == [
        ("teamledare", "raised"),
        ("teamledare", "updated"),
        ("teamledare", "cleared"),
    ]


async def test_a_month_at_risk_that_was_told_days_before_a_restart_is_told_to_its_end(store: SqlStore):
    first, second = Process(store), Process(store)
    await first.round.start()
    await first.see(snapshot(at(60), month_risk=risk(0.75)))
    (told,) = first.notifier.sent
    await first.round.acknowledge(told.alert, "Anna")

    monday = 3 * DAY
    second.clock.advance_to(at(monday))
    second.figures.show(snapshot(at(monday), month_risk=risk(0.75)))
    await second.round.start()
    await second.dispatcher.work()
    assert second.round.find(told.link.rpartition("/")[2]) is not None
    assert [seen.by for seen in second.round.now().acknowledgements.values()] == ["Anna"]

    for minute in range(monday, monday + 20):
        await second.see(snapshot(at(minute), month_risk=risk(0.1)))
    assert [notice.alert.change for notice in second.notifier.sent] == [AlertChange.CLEARED]


@pytest.mark.parametrize("state", ["pending", "told", "acknowledged", "eased", "told again", "escalated"])
async def test_a_restart_in_any_state_neither_repeats_nor_forgets(state: str):
    """A restart that keeps the record changes nothing of what is sent, whatever has happened to the alarm so far."""

    async def live(restarts: bool) -> tuple[list[str], list[str]]:
        sms, mail = FakeNotifier(*[down()] * (state == "pending")), FakeNotifier()
        office = Office(sms=sms, mail=mail, recipients=[LEAD, CHIEF], escalate_to="enhetschef")
        await office.tell()
        if state == "acknowledged":
            await office.dispatcher.acknowledge("e1", "Anna")
        if state in ("eased", "told again"):
            office.clock.advance_to(at(70))
            await office.tell(AlertChange.EASED)
        if state == "told again":
            office.clock.advance_to(at(95))
            await office.tell(AlertChange.UPDATED)
        if state == "escalated":
            await office.wait(16)
        if restarts:
            again = Office(sms=sms, mail=mail, recipients=[LEAD, CHIEF], escalate_to="enhetschef", record=office.record)
            again.clock = ManualClock(office.clock.now())
            again.dispatcher._clock = again.clock
            again.dispatcher.recall(await office.record.load_alerts(at(0)))
            again.dispatcher.follow(office.dispatcher._open.values())
            office = again
        await office.wait(40)
        await office.tell(AlertChange.CLEARED)
        return sms.said, mail.said

    assert await live(restarts=True) == await live(restarts=False)


async def test_what_quiet_hours_hold_back_is_replaced_by_what_follows_of_whatever_kind():
    quiet = structs.replace(LEAD, kinds=frozenset({AlertKind.TARGET_AT_RISK}), quiet=(time(9), time(10)))
    office = await (await Office(recipients=[quiet]).tell()).wait(30)
    await office.tell(AlertChange.UPDATED, kind=AlertKind.TARGET_OUT_OF_REACH)
    await office.wait(31)

    assert [notice.alert.kind for notice in office.sms.sent] == [AlertKind.TARGET_OUT_OF_REACH]


# ---- the clock is set back


def test_with_the_clock_set_back_an_hour_a_trouble_is_told_after_its_own_time_and_not_an_hour_late():
    day = LiveReading()
    day.see(snapshot(at(120), waits=(30.0,), staffed=0))
    for minute in (61, 62, 63):
        day.see(snapshot(at(minute), waits=(30.0,), staffed=0))

    assert [(each.change.value, each.at) for each in day.said] == [("raised", at(62))]


def test_with_the_clock_set_back_an_hour_a_trouble_that_is_over_ends_after_its_own_time():
    day = LiveReading().chances(120, 0.97, 0.1, 0.1).chances(63, *[0.1] * 20)

    assert [(each.change.value, each.at) for each in day.said] == [("raised", at(120)), ("cleared", at(78))]


def test_with_the_clock_set_back_an_hour_what_grows_worse_is_told_half_an_hour_later():
    day = LiveReading().chances(120, 0.97, *[0.5] * 16).chances(77, *[0.97] * 40)

    assert [(each.change.value, each.at) for each in day.said if each.notified == "worse_again"] == [
        ("updated", at(107))
    ]


async def test_with_the_clock_set_back_an_hour_a_message_is_tried_again_in_a_moment():
    office = await Office(sms=FakeNotifier(down()), start=120).tell()
    office.clock._now = at(60)
    await office.wait(2)

    assert office.sms.said == ["raised"]


# ---- a day's edges


@pytest.mark.parametrize("why", ["quiet hours", "a channel that is down"])
async def test_an_escalation_that_waits_is_not_sent_once_somebody_has_acknowledged(why: str):
    """The chief is not told that nobody has acknowledged when somebody has."""
    chief = structs.replace(CHIEF, quiet=(time(8), time(10))) if why == "quiet hours" else CHIEF
    mail = FakeNotifier(*[down()] * (2 if why != "quiet hours" else 0))
    office = Office(mail=mail, recipients=[LEAD, chief], escalate_to="enhetschef")
    await office.tell()
    await office.wait(15)
    await office.dispatcher.acknowledge("e1", "Anna")
    await office.wait(90)
    await office.tell(AlertChange.CLEARED)
    await office.wait(5)

    assert office.mail.sent == []
    assert ("mejl", "acknowledged") in await office.results()
    assert office.sms.said == ["raised", "cleared"]


async def test_an_alarm_that_waits_for_another_lead_is_sent_though_one_has_acknowledged():
    """Who is told of an alarm is told of it all the same; only the escalation falls."""
    other = structs.replace(LEAD, name="andra", channel="mejl", quiet=(time(8), time(10)))
    office = await Office(recipients=[LEAD, other]).tell()
    await office.dispatcher.acknowledge("e1", "Anna")
    await office.wait(65)

    assert (office.sms.said, office.mail.said) == (["raised"], ["raised"])


async def test_two_who_acknowledge_at_once_are_one_acknowledgement_by_the_first():
    office = await Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef").tell()
    await office.dispatcher.acknowledge("e1", "Anna")
    await office.dispatcher.acknowledge("e1", "Bo")

    assert [seen.by for seen in (await office.record.load_alerts(at(0))).acknowledgements] == ["Anna"]


def test_an_alarm_of_the_last_minute_ends_with_the_day_after_the_last_caller():
    day = LiveReading().chances(539, 0.97)
    day.see(snapshot(CLOSES, waits=(30.0,)))
    day.see(snapshot(CLOSES + timedelta(minutes=1)))

    assert [(each.change.value, each.notified) for each in day.said] == [("raised", "alarm"), ("cleared", "day_ended")]
