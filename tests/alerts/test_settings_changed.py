"""A start with other settings: what waits goes to its people as they are set now, and the record has every attempt."""

from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any

import pytest
from msgspec import structs

from alerts.memory import MemoryRecord
from alerts.people import Channel, Recipient
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertReason, NoticeState
from queue_monitor.ports import AlertStore
from queue_monitor.store import SqlStore
from tests.alerts.moments import OPENS, at, risk, snapshot
from tests.alerts.test_dispatch import CHIEF, LEAD, FakeNotifier, Office, down
from tests.alerts.test_engine import Process
from tests.store.test_alerts import ALERT

GONE = down("http_401", permanent=True)


async def waiting(*answers: Exception, **more: Any) -> Office:
    """An office whose first try to send an alarm failed, when it was killed."""
    return await Office(sms=FakeNotifier(*(answers or (down(),))), **more).tell()


async def started(
    before: Office, *recipients: Recipient, start: float = 61, standing: Sequence[Alert] = (ALERT,), **more: Any
) -> Office:
    office = Office(record=before.record, start=start, recipients=recipients, **more)
    office.dispatcher.recall(await before.record.load_alerts(OPENS))
    office.dispatcher.follow(standing)
    office.dispatcher.try_again(standing)
    return office


def sent(office: Office) -> list[tuple[str, str]]:
    return [(notice.recipient, notice.channel) for notice in (*office.sms.sent, *office.mail.sent)]


async def states(office: Office) -> list[NoticeState]:
    return [notice.state for notice in (await office.record.load_alerts(OPENS)).notices]


async def test_one_who_is_no_longer_in_the_settings_is_sent_nothing_more() -> None:
    """A message that waited for somebody who has left is dropped, which the record says."""
    office = await started(await waiting(), structs.replace(LEAD, name="ny"))
    await office.wait(20)

    assert sent(office) == []
    assert await office.results() == [("sms", "refused"), ("sms", "no_recipient")]
    assert await states(office) == [NoticeState.DROPPED]
    assert office.dispatcher.undelivered == 0


async def test_without_any_recipient_nothing_that_waited_is_sent() -> None:
    """Settings without recipients mean the screens alone."""
    office = await started(await waiting())
    await office.wait(20)

    assert sent(office) == []


async def test_one_with_another_channel_is_sent_what_waited_by_that_alone() -> None:
    """A lead who has gone from SMS to mail is not sent an SMS."""
    office = await started(await waiting(), structs.replace(LEAD, channel="mejl"))
    await office.wait(20)

    assert sent(office) == [("teamledare", "mejl")]
    assert sorted(await states(office)) == [NoticeState.DROPPED, NoticeState.SENT]


async def test_a_channel_with_a_new_name_is_sent_what_waited_under_the_old_one() -> None:
    """A renamed channel loses no alarm."""
    before, text = await waiting(), FakeNotifier()
    office = Office(record=before.record, start=61, recipients=[structs.replace(LEAD, channel="text")])
    office.dispatcher._channels = {"text": Channel(name="text", notifiers=(text,))}
    office.dispatcher.recall(await before.record.load_alerts(OPENS))
    await office.wait(20)

    assert text.said == ["raised"]
    assert office.dispatcher.undelivered == 0


async def test_a_new_channel_with_two_addresses_is_sent_to_both() -> None:
    """What waited goes to each address of the present channel."""
    before, others = await waiting(), (FakeNotifier(), FakeNotifier())
    office = Office(record=before.record, start=61, recipients=[structs.replace(LEAD, channel="text")])
    office.dispatcher._channels = {"text": Channel(name="text", notifiers=others)}
    office.dispatcher.recall(await before.record.load_alerts(OPENS))
    await office.wait(5)

    assert [other.said for other in others] == [["raised"], ["raised"]]


async def test_a_fallback_that_is_gone_gives_way_to_the_recipients_own_channel() -> None:
    """A message that had gone over to a channel that is no longer there is not lost with it."""
    before = await waiting(GONE, mail=FakeNotifier(down()))
    await before.dispatcher.work()
    office = Office(record=before.record, start=61)
    office.dispatcher._channels = {"sms": Channel(name="sms", notifiers=(office.sms,))}
    office.dispatcher.recall(await before.record.load_alerts(OPENS))
    office.dispatcher.follow([ALERT])
    office.dispatcher.try_again([ALERT])
    await office.wait(20)

    assert sent(office) == [("teamledare", "sms")]


@pytest.mark.parametrize(
    ("before", "now", "start", "after"),
    [
        (None, (time(9), time(9, 30)), 61, 90),
        ((time(8, 30), time(12)), None, 61, 61),
        ((time(8, 30), time(12)), (time(8, 30), time(9, 10)), 61, 70),
        ((time(8, 30), time(12)), (time(8, 30), time(12)), 61, 240),
        ((time(8, 30), time(9, 5)), (time(20), time(6)), 75, 75),
    ],
    ids=["quiet now", "no longer quiet", "quiet for less", "as before", "past"],
)
async def test_quiet_hours_are_those_of_the_present_settings(
    before: tuple[time, time] | None, now: tuple[time, time] | None, start: float, after: float
) -> None:
    """A message that waits is due when the present quiet hours end, not when those of before did."""
    earlier = await waiting(recipients=[structs.replace(LEAD, quiet=before)])
    office = await started(earlier, structs.replace(LEAD, quiet=now), start=start)
    await office.dispatcher.work()
    while not office.sms.sent and office.clock.now() < at(300):
        await office.wait(0.5)

    assert office.clock.now() <= at(after) + timedelta(seconds=30)
    assert office.clock.now() >= at(after)


async def test_an_escalation_that_waits_goes_to_the_chief_as_an_escalation() -> None:
    """A changed channel does not make an ordinary message of it."""
    before = Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef", mail=FakeNotifier(down()))
    await before.tell()
    await before.wait(15)
    chief = structs.replace(CHIEF, channel="sms")
    office = await started(before, LEAD, chief, start=75.5, escalate_to="enhetschef")
    await office.wait(5)

    assert [(notice.recipient, notice.escalation) for notice in office.sms.sent] == [("enhetschef", True)]


async def test_news_of_a_report_that_waits_is_not_asked_whether_it_is_wanted() -> None:
    """A report's line goes by name, whatever kinds the recipient has chosen."""
    lead = structs.replace(LEAD, kinds=frozenset({AlertKind.SURGE}))
    before = Office(sms=FakeNotifier(down()), recipients=[lead])
    news = structs.replace(ALERT, kind=AlertKind.HEARTBEAT, reason=AlertReason.REPORT_MADE)
    await before.dispatcher.inform(news, ["teamledare"])
    await before.dispatcher.work()
    office = await started(before, lead, standing=())
    await office.wait(5)

    assert sent(office) == [("teamledare", "sms")]


@pytest.mark.parametrize("record", ["memory", "database"])
async def test_the_record_has_the_attempts_of_before_a_start_and_those_after(record: str, store: SqlStore) -> None:
    """A message that is sent after the channel was mended is in the record as sent."""
    kept: AlertStore = MemoryRecord() if record == "memory" else store
    office = Office(sms=FakeNotifier(GONE), mail=FakeNotifier(GONE), record=kept)  # type: ignore[arg-type]
    await office.tell()
    await office.wait(1)
    for start in (65, 66):
        later = [GONE] if start == 65 else []
        office = await started(office, LEAD, start=start, sms=FakeNotifier(*later), mail=FakeNotifier(*later))
        await office.wait(0.5)

    attempts = (await kept.load_alerts(OPENS)).attempts
    sms = [(attempt.number, attempt.result) for attempt in attempts if attempt.channel == "sms"]
    assert sms == [(1, "http_401"), (2, "http_401"), (3, "sent")]


async def test_a_failed_message_is_sent_after_a_start_by_the_new_channel_of_its_recipient() -> None:
    """The channel that failed may be why it was changed."""
    before = Office(sms=FakeNotifier(GONE), mail=FakeNotifier(GONE))
    await before.tell()
    await before.wait(1)
    office = await started(before, structs.replace(LEAD, channel="mejl"), start=65)
    await office.wait(2)

    assert sent(office) == [("teamledare", "mejl")]


async def test_a_message_that_is_made_anew_at_a_start_has_a_link_that_works(store: SqlStore) -> None:
    """The secret of the links is known before the first of them is signed."""
    first = Process(store, FakeNotifier(*[down()] * 9))
    await first.round.start()
    await first.see(snapshot(at(60), risk=risk(0.97)))
    second = Process(store)
    second.dispatcher._recipients = [Recipient(name="lead", channel="annan")]
    second.dispatcher._channels = {"annan": Channel(name="annan", notifiers=(second.notifier,))}
    second.clock.advance_to(at(61))
    await second.round.start()
    await second.dispatcher.work()

    (notice,) = second.notifier.sent
    assert second.round.find(notice.link.rpartition("/")[2]) is not None


async def test_one_who_has_come_into_the_settings_is_told_how_it_goes_on_but_not_that_it_is_over() -> None:
    """Somebody new hears of an alarm when it changes, and not of the end of one that was never told to him or her."""
    before = await Office().tell()
    office = await started(before, LEAD, structs.replace(LEAD, name="ny"))
    office.clock.advance_to(at(70))
    await office.tell(AlertChange.CLEARED)

    assert sent(office) == [("teamledare", "sms")]
