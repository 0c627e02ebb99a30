"""Every way out against the real other side: the message is seen where it arrives."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from alerts.dispatch import Dispatcher
from alerts.memory import MemoryRecord
from alerts.message import Message
from alerts.notifiers import alertmanager as alertmanager_notifier
from alerts.notifiers import apprise as apprise_notifier
from alerts.people import Channel, Recipient, RetryPolicy
from alerts.sent import parts, plain_alphabet
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.model import Alert, AlertChange, AlertFigures, AlertReason, Notice, NoticeState
from queue_monitor.ports import DeliveryError, Notifier
from tests.alerts.moments import OPENS, at, risk
from tests.alerts.receivers import alertmanager, free_port, mail_sink, receiver, until
from tests.scenario import STOCKHOLM
from tests.store.test_alerts import ALERT, NOTICE

ZONE = "Europe/Stockholm"
TWELVE_PAST = at(132)
# Apprise looks for this module of Python's at its first use; it is gone in 3.13, and Apprise does without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
SAID = "Kl. 10.12 – Kundcenter: stor risk att dagsmålet missas."


def told(change: AlertChange = AlertChange.RAISED, moment: datetime = TWELVE_PAST) -> Alert:
    figures = AlertFigures(
        share=0.84, waiting=7, oldest_wait_seconds=280.0, risk=risk(0.96), margin=14, month_share=0.924
    )
    alert = structs.replace(ALERT, change=change, at=moment, figures=figures)
    message = Message(alert, ZONE, "sv")
    return structs.replace(alert, title=message.title, text=message.body)


def notice(change: AlertChange = AlertChange.RAISED, moment: datetime = TWELVE_PAST) -> Notice:
    return structs.replace(NOTICE, alert=told(change, moment), link="https://monitor.example/alerts/e1.abc")


def apprise(url: str, address: int = 0) -> Notifier:
    return apprise_notifier.build("kanal", url, ZONE, "sv")[address]


async def test_a_mail_arrives_with_its_first_sentence_as_subject() -> None:
    with mail_sink() as sink:
        await apprise(sink.url).send(notice())

    (mail,) = sink.mails
    assert mail["Subject"] == SAID
    body = mail.get_body(("plain", "html"))
    assert body is not None
    text = body.get_content()
    assert "Två till i telefonkön fram till kl. 11.30 beräknas räcka." in text
    assert "https://monitor.example/alerts/e1.abc" in text


@pytest.mark.parametrize("how", ["cc", "bcc"])
@pytest.mark.parametrize("wrong", ["lead@example.se", "chef@example.se"])
async def test_a_mail_with_copies_reaches_each_addressee_once_whoever_else_is_refused(how: str, wrong: str) -> None:
    """One who was sent the mail is not sent it again because another's address is refused."""
    with mail_sink() as sink:
        sink.answers = {wrong: "550 5.1.1 User unknown"}
        addresses = apprise_notifier.build("mejl", f"{sink.url}&{how}=chef@example.se", ZONE, "sv")
        record, clock = MemoryRecord(), ManualClock(at(132))
        channels = [Channel(name="mejl", notifiers=addresses)]
        people = [Recipient(name="lead", channel="mejl")]
        dispatcher = Dispatcher(channels, people, record, clock, STOCKHOLM)
        dispatcher.plan([structs.replace(told(), notified="alarm")])
        for minute in range(8):
            clock.advance_to(at(132 + minute))
            await dispatcher.work()

    right = {"lead@example.se": "chef@example.se", "chef@example.se": "lead@example.se"}[wrong]
    assert [mail["To"] for mail in sink.mails] == [right]
    assert dispatcher.counted == {("mejl", "sent"): 1, ("mejl", "address_refused"): 1}


def test_a_mail_to_one_who_is_copied_too_goes_there_once() -> None:
    """An address that stands twice in a url is one."""
    found = apprise_notifier.build(
        "m", "mailto://h?from=a@x.se&to=b@x.se,c@x.se&cc=c@x.se,d@x.se&bcc=d@x.se", ZONE, "sv"
    )

    assert len(found) == 3


async def test_of_two_addressees_each_is_sent_to_by_itself_and_what_is_wrong_with_one_is_said() -> None:
    with mail_sink() as sink:
        sink.answers = {"fel@example.se": "550 5.1.1 User unknown"}
        url = sink.url + ",fel@example.se&cc=chef@example.se"
        good, bad, copied = (apprise(url, address) for address in range(3))
        await good.send(notice())
        await copied.send(notice())
        with pytest.raises(DeliveryError) as caught:
            await bad.send(notice())

    assert [(mail["To"], mail["Cc"]) for mail in sink.mails] == [("lead@example.se", None), ("chef@example.se", None)]
    assert (caught.value.reason, caught.value.permanent) == ("address_refused", True)
    assert "take it out of the channel's url" in str(caught.value)
    assert "fel@example.se" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "reason", "permanent"),
    [
        ("450 4.2.0 Greylisted", "busy", False),
        ("553 5.1.3 Bad address", "address_refused", True),
    ],
)
async def test_a_mail_server_s_no_is_told_from_its_not_yet(answer: str, reason: str, permanent: bool) -> None:
    with mail_sink() as sink:
        sink.answers = {"lead@example.se": answer}
        with pytest.raises(DeliveryError) as caught:
            await apprise(sink.url).send(notice())

    assert (caught.value.reason, caught.value.permanent) == (reason, permanent)


async def test_a_mail_server_that_is_away_or_misspelt_or_speaks_no_tls_is_told_apart() -> None:
    found = []
    with mail_sink() as sink:
        for url in (
            f"mailto://127.0.0.1:{free_port()}?from=a@example.se&to=b@example.se",
            "mailto://mail.invalid?from=a@example.se&to=b@example.se",
            sink.url.replace("mailto:", "mailtos:") + "&mode=ssl",
            sink.url.replace("mailto:", "mailtos:"),
            sink.url.replace("://", "://user:hemligt@"),
        ):
            with pytest.raises(DeliveryError) as caught:
                await apprise(url).send(notice())
            found.append(caught.value)

    assert [error.reason for error in found] == ["unreachable", "no_such_host", "tls", "tls", "login"]
    assert "hemligt" not in "".join(map(str, found))
    assert [error.permanent for error in found] == [False, False, False, False, True]


async def test_two_who_fail_at_the_same_moment_are_not_taken_for_each_other() -> None:
    with receiver() as hook:
        hook.codes = [410]
        senders = apprise(f"json://{hook.address}/larm"), apprise(f"json://127.0.0.1:{free_port()}/")
        errors = await asyncio.gather(*(one.send(notice()) for one in senders), return_exceptions=True)

    assert [error.reason for error in errors if isinstance(error, DeliveryError)] == ["http_410", "unreachable"]


def test_an_sms_is_short_and_in_the_plain_alphabet() -> None:
    url = "46elks://user:secret@46555/46701740605/46701740606"
    first, second = apprise_notifier.build("sms", url, ZONE, "sv")
    title, said = first.render(notice())

    assert (title, second.render(notice())) == ("", ("", said))
    assert said.startswith("Kl. 10.12 - Kundcenter: stor risk att dagsmålet missas. Två till i telefonkön")
    assert said.endswith("https://monitor.example/alerts/e1.abc")
    assert plain_alphabet(said) == said
    assert parts(said) == 2


async def test_a_webhook_is_given_the_message() -> None:
    with receiver() as hook:
        await apprise(f"json://{hook.address}/larm").send(notice())

    (got,) = hook.got
    assert (got["title"], got["type"]) == (SAID, "failure")
    assert "7 väntar, längst 4 min 40 s." in got["message"]


async def test_ntfy_is_given_the_message() -> None:
    with receiver() as server:
        await apprise(f"ntfy://{server.address}/kundcenter").send(notice())

    (got,) = server.got
    assert (got["topic"], got["title"]) == ("kundcenter", SAID)


async def test_the_addresses_of_teams_and_of_swedish_sms_are_understood() -> None:
    """Both are only sent over TLS to their owners, so that here their addresses are all that can be tried."""
    for url in ("workflows://prod.example:443/0123456789abcdef/signature", "46elks://user:secret@46555/46701740605"):
        apprise(url)


@pytest.mark.parametrize("code", [401, 500])
async def test_a_receiver_that_refuses_is_a_failure(code: int) -> None:
    with receiver() as hook:
        hook.codes = [code]
        with pytest.raises(DeliveryError) as caught:
            await apprise(f"json://user:hemligt@{hook.address}/larm").send(notice())

    assert "hemligt" not in str(caught.value)


async def test_an_address_of_no_known_kind_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="Apprise"):
        apprise("gopher://hemligt")
    with pytest.raises(ValueError, match="retired"):
        apprise("https://x.webhook.office.com/webhookb2/hemligt")
    with pytest.raises(ValueError, match="addressees"):
        apprise("mailtos://mail.example")
    with pytest.raises(ValueError, match="address"):
        alertmanager_notifier.build("am", "127.0.0.1:9093", ZONE, "sv")


async def test_alertmanager_passes_an_alarm_and_its_end_on(tmp_path: Path) -> None:
    began, ended = SystemClock().now(), SystemClock().now()
    with receiver() as hook, alertmanager(tmp_path, hook.address) as running:
        notifier = alertmanager_notifier.build("am", running.url, ZONE, "sv")[0]
        await notifier.send(notice(moment=began))
        until(lambda: hook.got, "the alarm")
        (open_alert,) = running.alerts()
        await notifier.send(notice(AlertChange.CLEARED, moment=max(ended, began)))
        until(lambda: len(hook.got) > 1, "its end")

    first, last = hook.got[0], hook.got[-1]
    assert (first["status"], last["status"]) == ("firing", "resolved")
    assert first["alerts"][0]["labels"]["alertname"] == "CallqueueTargetAtRisk"
    assert "stor risk att dagsmålet missas" in first["alerts"][0]["annotations"]["summary"]
    assert "risken är över" in last["alerts"][0]["annotations"]["summary"]
    assert open_alert["generatorURL"] == "https://monitor.example/alerts/e1.abc"


async def test_an_alertmanager_that_is_away_or_refuses_is_told_apart() -> None:
    away = alertmanager_notifier.build("am", f"http://127.0.0.1:{free_port()}", ZONE, "sv")[0]
    with pytest.raises(DeliveryError) as caught:
        await away.send(notice())
    assert (caught.value.reason, caught.value.permanent) == ("unreachable", False)

    with receiver() as wrong:
        wrong.codes = [400, 503]
        notifier = alertmanager_notifier.build("am", f"http://{wrong.address}", ZONE, "sv")[0]
        for reason, permanent in (("http_400", True), ("http_503", False)):
            with pytest.raises(DeliveryError) as caught:
                await notifier.send(notice())
            assert (caught.value.reason, caught.value.permanent) == (reason, permanent)


async def test_two_real_channels_down_then_one_up_the_message_arrives_and_the_record_is_whole() -> None:
    record, clock = MemoryRecord(), ManualClock(at(132))
    alert = told()
    with receiver() as hook:
        hook.codes = [500, 500]
        channels = [
            Channel(name="sms", notifiers=(apprise(f"json://127.0.0.1:{free_port()}/"),), fallback="mejl"),
            Channel(name="mejl", notifiers=(apprise(f"json://{hook.address}/"),), fallback="sms"),
        ]
        people = [Recipient(name="teamledare", channel="sms")]
        dispatcher = Dispatcher(channels, people, record, clock, STOCKHOLM, patience=RetryPolicy(tries=2))
        await dispatcher.save(dispatcher.plan([structs.replace(alert, notified="alarm")]))
        for second in range(0, 300, 5):
            clock.advance_to(at(132 + second / 60))
            await dispatcher.work()
            if hook.codes == [] and not hook.got and second == 60:
                break
        assert dispatcher.undelivered == 1

        again = structs.replace(alert, change=AlertChange.UPDATED, notified="worse_again", at=clock.now())
        await dispatcher.save(dispatcher.plan([again]))
        for second in range(300, 400, 5):
            clock.advance_to(at(132 + second / 60))
            await dispatcher.work()

    written = await record.load_alerts(OPENS)
    results = [(attempt.channel, attempt.result) for attempt in written.attempts]
    away, broken = ("sms", "unreachable"), ("mejl", "http_500")
    assert results == [away, away, broken, broken, away, away, ("mejl", "sent")]
    assert [n.state for n in written.notices].count(NoticeState.SENT) == 1
    assert hook.got[0]["title"] == SAID


def test_times_go_out_as_utc() -> None:
    body = alertmanager_notifier.build("am", "http://127.0.0.1:1", ZONE, "sv")[0].render(notice())

    assert body[0]["startsAt"] == at(132).astimezone(UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("period", "reason", "longest", "shortest"),
    [
        ("now", AlertReason.DECLARED, timedelta(days=2), timedelta(hours=25)),
        ("month", AlertReason.CHANCE_OF_MISSING, timedelta(days=40), timedelta(days=31)),
        ("day", AlertReason.TEST, timedelta(minutes=10), timedelta(minutes=1)),
    ],
)
def test_alertmanager_is_not_told_that_an_alert_ends_before_it_can_have_ended_and_a_test_is_soon_over(
    period: str, reason: AlertReason, longest: timedelta, shortest: timedelta
) -> None:
    standing = structs.replace(notice(), alert=structs.replace(told(), period=period, reason=reason))
    (entry,) = alertmanager_notifier.build("am", "http://127.0.0.1:1", ZONE, "sv")[0].render(standing)

    assert shortest < datetime.fromisoformat(str(entry["endsAt"])) - at(132) < longest
