"""Delivery: who is told, again when it fails, another way, quiet hours, escalation, and a record of it all."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from msgspec import structs

from alerts.dispatch import Dispatcher
from alerts.memory import MemoryRecord
from alerts.people import Channel, Recipient, RetryPolicy
from queue_monitor.clock import ManualClock
from queue_monitor.model import Alert, AlertBatch, AlertChange, AlertKind, Attempt, Notice, NoticeState
from queue_monitor.ports import DeliveryError, StoreError
from tests.alerts.moments import OPENS, at
from tests.scenario import STOCKHOLM
from tests.store.test_alerts import ALERT


class FakeNotifier:
    """Records; answers as told, and well when nothing more is told."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.sent: list[Notice] = []

    async def send(self, notice: Notice) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.sent.append(notice)

    @property
    def said(self) -> list[str]:
        return [notice.alert.change.value for notice in self.sent]


class BrokenRecord(MemoryRecord):
    """A database that is away until told otherwise."""

    broken = True

    async def save_alerts(self, batch: AlertBatch) -> None:
        if self.broken:
            raise StoreError("away")
        await super().save_alerts(batch)


LEAD = Recipient(name="teamledare", channel="sms")
CHIEF = Recipient(name="enhetschef", channel="mejl", only_escalations=True)


class Office:
    """Two channels, the first falling back on the second, and a clock that is moved by hand."""

    def __init__(
        self,
        sms: FakeNotifier | None = None,
        mail: FakeNotifier | None = None,
        recipients: Sequence[Recipient] = (LEAD,),
        record: MemoryRecord | None = None,
        start: float = 60,
        **more: Any,
    ) -> None:
        self.sms, self.mail = sms or FakeNotifier(), mail or FakeNotifier()
        self.record = record or MemoryRecord()
        self.clock = ManualClock(at(start))
        channels = [
            Channel(name="sms", notifiers=(self.sms,), fallback="mejl"),
            Channel(name="mejl", notifiers=(self.mail,), fallback="sms"),
        ]
        self.dispatcher = Dispatcher(channels, recipients, self.record, self.clock, STOCKHOLM, **more)

    async def tell(self, change: AlertChange = AlertChange.RAISED, **more: Any) -> "Office":
        alert = alert_of(change, at=self.clock.now(), **more)
        self.dispatcher.follow([] if change is AlertChange.CLEARED else [alert])
        await self.dispatcher.save(structs.replace(self.dispatcher.plan([alert]), alerts=(alert,)))
        await self.dispatcher.work()
        return self

    async def wait(self, minutes: float) -> "Office":
        """Half a minute at a time."""
        for _ in range(round(minutes * 2)):
            self.clock.advance_to(self.clock.now() + timedelta(seconds=30))
            await self.dispatcher.work()
        return self

    async def attempts(self) -> list[Attempt]:
        return list((await self.record.load_alerts(OPENS)).attempts)

    async def results(self) -> list[tuple[str, str]]:
        return [(attempt.channel, attempt.result) for attempt in await self.attempts()]


def alert_of(change: AlertChange, **more: Any) -> Alert:
    why = {AlertChange.CLEARED: "over", AlertChange.EASED: "eased"}.get(change, "alarm")
    return structs.replace(ALERT, change=change, **({"notified": why} | more))


def down(reason: str = "refused", permanent: bool = False) -> DeliveryError:
    return DeliveryError("not taken", reason=reason, permanent=permanent)


async def test_an_alarm_reaches_its_recipient_once():
    office = await (await Office().tell()).wait(60)

    assert office.sms.said == ["raised"]
    assert await office.results() == [("sms", "sent")]


async def test_a_channel_that_stumbles_is_tried_again_after_a_while():
    office = await Office(sms=FakeNotifier(down(), TimeoutError())).tell()
    assert office.sms.sent == []

    await office.wait(3)

    assert office.sms.said == ["raised"]
    assert await office.results() == [("sms", "refused"), ("sms", "timeout"), ("sms", "sent")]


async def test_two_channels_down_are_tried_again_fall_back_and_are_written_down():
    sms, mail = FakeNotifier(*[down("refused")] * 9), FakeNotifier(*[down("unreachable")] * 9)
    office = await (await Office(sms=sms, mail=mail).tell()).wait(60)

    assert await office.results() == [("sms", "refused")] * 3 + [("mejl", "unreachable")] * 3
    assert office.dispatcher.undelivered == 1
    notices = (await office.record.load_alerts(OPENS)).notices
    assert [notice.state for notice in notices] == [NoticeState.FAILED, NoticeState.FAILED]
    assert notices[1].fallback_of == notices[0].id


async def test_a_failure_that_cannot_be_mended_takes_the_other_way_at_once():
    office = await Office(sms=FakeNotifier(down("http_401", permanent=True))).tell()
    await office.dispatcher.work()

    assert office.mail.said == ["raised"]
    assert office.dispatcher.undelivered == 0


async def test_a_bug_in_a_notifier_is_a_failure_like_any_other():
    office = await (await Office(sms=FakeNotifier(*[ZeroDivisionError()] * 3)).tell()).wait(5)

    assert office.mail.said == ["raised"]
    assert ("sms", "bug") in await office.results()


async def test_who_never_got_the_alarm_is_not_told_that_it_is_over():
    office = Office(sms=FakeNotifier(*[down()] * 9), mail=FakeNotifier(*[down()] * 9))
    await office.tell()
    await office.wait(0.5)
    await office.tell(AlertChange.CLEARED)
    await office.wait(60)

    assert (office.sms.sent, office.mail.sent) == ([], [])
    assert (await office.results())[-1] == ("sms", "superseded")
    assert office.dispatcher.undelivered == 0


class Shared:
    """A channel with two addresses, which falls back on another channel with two, and whoever is told by the first."""

    def __init__(self, *answers: Exception | None) -> None:
        self.good, self.bad = FakeNotifier(), FakeNotifier(*answers)
        self.others = FakeNotifier(), FakeNotifier()
        self.record, self.clock = MemoryRecord(), ManualClock(at(132))
        channels = [
            Channel(name="mejl", notifiers=(self.good, self.bad), fallback="sms"),
            Channel(name="sms", notifiers=self.others),
        ]
        lead = Recipient(name="teamledare", channel="mejl")
        self.dispatcher = Dispatcher(channels, [lead], self.record, self.clock, STOCKHOLM)

    async def tell(self) -> None:
        self.dispatcher.plan([structs.replace(ALERT, notified="alarm")])
        for _ in range(4):
            await self.dispatcher.work()
            self.clock.advance_to(self.clock.now() + timedelta(minutes=2))


REFUSED = DeliveryError("no such mailbox", reason="address_refused")
GONE = DeliveryError("no such mailbox", reason="address_refused", permanent=True)


async def test_of_two_addresses_in_one_channel_the_good_one_is_told_once_while_the_bad_one_is_tried_again():
    shared = Shared(REFUSED, REFUSED)
    await shared.tell()

    assert (len(shared.good.sent), len(shared.bad.sent)) == (1, 1)
    assert shared.dispatcher.counted == {("mejl", "sent"): 2, ("mejl", "address_refused"): 2}
    assert [other.sent for other in shared.others] == [[], []]


async def test_only_for_the_bad_one_the_other_way_is_taken_once_and_the_technician_is_told(
    caplog: pytest.LogCaptureFixture,
):
    shared = Shared(GONE)
    await shared.tell()

    assert len(shared.good.sent) == 1
    assert [len(other.sent) for other in shared.others] == [1, 1]
    assert "channel=mejl address=2 reason=address_refused detail=no such mailbox" in caplog.text


async def test_two_bad_addresses_take_the_other_way_once_together():
    shared = Shared(GONE)
    shared.good.answers = [GONE]
    await shared.tell()

    assert [len(other.sent) for other in shared.others] == [1, 1]


QUIET = structs.replace(LEAD, quiet=(time(17), time(2, 30)))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-10-25T01:40+02:00", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:40+02:00", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:10+01:00", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:31+01:00", None),
        ("2026-03-29T01:59+01:00", "2026-03-29T03:30+02:00"),
        ("2026-11-23T16:59+01:00", None),
        ("2026-11-23T17:00+01:00", "2026-11-24T02:30+01:00"),
    ],
)
def test_quiet_hours_end_when_the_clocks_show_it_for_the_last_time(now: str, until: str | None):
    ends = QUIET.quiet_until(datetime.fromisoformat(now), STOCKHOLM)

    assert ends == (None if until is None else datetime.fromisoformat(until))


async def test_quiet_hours_hold_a_message_back_and_what_is_over_by_then_is_never_sent():
    quiet = structs.replace(LEAD, quiet=(time(17), time(8)))
    night = Office(recipients=[quiet], start=11 * 60)  # 19.00
    await night.tell()
    await night.wait(120)
    assert night.sms.sent == []

    await night.tell(AlertChange.CLEARED)
    await night.wait(12 * 60)

    assert night.sms.sent == []


async def test_what_still_stands_when_the_quiet_hours_end_is_told_then():
    quiet = structs.replace(LEAD, quiet=(time(17), time(8)))
    night = await (await Office(recipients=[quiet], start=11 * 60).tell()).wait(13 * 60 - 1)
    assert night.sms.sent == []

    await night.wait(1)

    assert night.sms.said == ["raised"]


async def test_each_person_hears_of_the_kinds_and_queues_that_are_his():
    one = structs.replace(LEAD, name="växeln", kinds=frozenset({AlertKind.SOURCE_SILENT}))
    two = structs.replace(LEAD, name="felanmälan", queues=frozenset({"Felanmälan"}))
    three = structs.replace(LEAD, name="kundcenter", queues=frozenset({"Kundcenter"}))
    office = await Office(recipients=[one, two, three]).tell()
    await office.tell(kind=AlertKind.SOURCE_SILENT, queue="", episode="e2")

    assert [(notice.recipient, notice.alert.kind.value) for notice in office.sms.sent] == [
        ("kundcenter", "target_at_risk"),
        ("växeln", "source_silent"),
        ("felanmälan", "source_silent"),
        ("kundcenter", "source_silent"),
    ]


async def test_a_warning_is_for_the_screen():
    office = await Office().tell(notified="screen_only")

    assert await office.results() == []


async def test_an_alarm_that_nobody_acknowledges_goes_further_once_and_so_does_its_end():
    office = Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef")
    await office.tell()
    await office.wait(14)
    assert office.mail.sent == []

    await office.wait(60)
    assert [(notice.recipient, notice.escalation) for notice in office.mail.sent] == [("enhetschef", True)]
    await office.tell(AlertChange.CLEARED)

    assert office.mail.said == ["raised", "cleared"]
    assert office.sms.said == ["raised", "cleared"]


async def test_what_goes_further_is_the_trouble_and_since_when_it_is_unanswered():
    office = Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef")
    await office.tell()
    first = office.clock.now()
    await office.wait(10)
    await office.tell(AlertChange.EASED)
    office.dispatcher.follow([alert_of(AlertChange.RAISED, at=office.clock.now())])  # it stands as before
    await office.wait(60)

    further = [notice.alert for notice in office.mail.sent if notice.escalation]
    assert [(alert.change, alert.at) for alert in further] == [(AlertChange.RAISED, first)]


async def test_an_alarm_that_reached_nobody_goes_further_at_once():
    sms = FakeNotifier(*[down("http_401", permanent=True)] * 9)
    office = Office(
        sms=sms, recipients=[LEAD, CHIEF], escalate_to="enhetschef", mail=FakeNotifier(down(permanent=True))
    )
    await office.tell()
    await office.wait(1)

    assert [(notice.recipient, notice.escalation) for notice in office.mail.sent] == [("enhetschef", True)]


async def test_an_acknowledged_alarm_goes_no_further():
    office = await Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef").tell()
    await office.dispatcher.acknowledge("e1", "Anna")
    await office.wait(60)

    assert office.mail.sent == []
    assert (await office.record.load_alerts(OPENS)).acknowledgements[0].by == "Anna"


async def test_after_a_restart_what_was_not_delivered_is_tried_again_and_what_was_is_not():
    broken = await Office(sms=FakeNotifier(down())).tell()
    again = Office(record=broken.record, start=61)
    again.dispatcher.recall(await broken.record.load_alerts(OPENS))
    await again.wait(5)
    assert again.sms.said == ["raised"]

    third = Office(record=again.record, start=70)
    third.dispatcher.recall(await again.record.load_alerts(OPENS))
    await third.wait(5)

    assert third.sms.sent == []


async def test_after_a_start_an_alarm_that_stands_and_reached_nobody_is_sent_when_the_channel_has_been_mended():
    wrong = down(permanent=True)
    broken = await Office(sms=FakeNotifier(wrong), mail=FakeNotifier(wrong)).tell()
    await broken.wait(1)
    standing, over = Office(record=broken.record, start=65), Office(record=broken.record, start=65)
    for office, alerts in ((standing, [ALERT]), (over, [])):
        office.dispatcher.recall(await broken.record.load_alerts(OPENS))
        office.dispatcher.try_again(alerts)
        await office.wait(2)

    assert standing.sms.said == ["raised"]
    assert (over.sms.sent, over.mail.sent) == ([], [])


async def test_after_a_long_stop_an_old_alarm_is_not_sent():
    broken = await Office(sms=FakeNotifier(down())).tell()
    again = Office(record=broken.record, start=60 * 20)
    again.dispatcher.recall(await broken.record.load_alerts(OPENS))
    await again.wait(5)

    assert (again.sms.sent, again.mail.sent) == ([], [])
    assert (await again.results())[-1] == ("sms", "expired")


async def test_with_the_database_away_alarms_still_go_out_and_are_written_down_afterwards():
    record = BrokenRecord()
    office = await Office(record=record).tell()
    assert office.sms.said == ["raised"]

    record.broken = False
    await office.wait(1)

    assert await office.results() == [("sms", "sent")]


async def test_while_the_database_is_away_only_the_newest_state_is_kept_for_it():
    record = BrokenRecord()
    office = await Office(record=record).tell()
    for number in range(1000):
        await office.dispatcher.save(AlertBatch(state=str(number).encode()))
    assert len(office.dispatcher._unsaved) < 5

    record.broken = False
    await office.wait(1)

    assert (await record.load_alerts(OPENS)).state == b"999"
    assert await office.results() == [("sms", "sent")]


async def test_a_channel_that_does_not_answer_is_given_up_in_time():
    class Silent(FakeNotifier):
        async def send(self, notice: Notice) -> None:
            await asyncio.Event().wait()

    office = await Office(sms=Silent(), patience=RetryPolicy(send_seconds=0.01, tries=1)).tell()
    await office.dispatcher.work()

    assert await office.results() == [("sms", "timeout"), ("mejl", "sent")]
