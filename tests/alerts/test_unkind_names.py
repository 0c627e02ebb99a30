"""Names and reasons of any kind: no message grows too long, breaks a header, or says what nobody wrote."""

import json
import time
import unicodedata
from typing import Any

import pytest
from msgspec import structs

from alerts.dispatch import Dispatcher
from alerts.memory import MemoryRecord
from alerts.message import Message
from alerts.people import Channel, Recipient, RetryPolicy
from alerts.sent import SMS_PARTS, parts, plain_alphabet, sms
from queue_monitor.clock import ManualClock
from queue_monitor.model import AlertFigures, AlertKind, AlertReason, Crisis, Notice
from tests.alerts.messages import RAISED, SURGE, TARGET, alert, of_target
from tests.alerts.moments import at
from tests.alerts.receivers import Receiver, mail_sink, receiver
from tests.alerts.test_real_delivery import apprise
from tests.scenario import STOCKHOLM
from tests.store.test_alerts import NOTICE

ZONE = "Europe/Stockholm"
LINK = "https://monitor.kommunen.example/alerts/0123456789abcdef.dGVhbWxlZGFyZQ.0123456789abcdef0123456789abcdef"
NAMES = (
    "Kö\r\nBcc: annan@example.se",
    "Kö %s {share} {0} {",
    "<b>Växel</b> & co",
    "*fet* _kursiv_ [länk](http://x.example)",
    "x" * 200,
    "\u202eكوندر",
    "🙂 Kö",
    "@channel <!here>",
    "a\u2028b",
    "Kö 5 km. Ring",
)
# Apprise looks for this module of Python's at its first use; it is gone in 3.13, and Apprise does without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def slow_down(hook: Receiver, seconds: float) -> None:
    """Make it answer so much later than it has the message."""

    def slowly(self: Any) -> None:
        hook.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        time.sleep(seconds)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    hook.server.RequestHandlerClass.do_POST = slowly  # type: ignore[attr-defined]


def named(label: str, *, escalation: bool = False) -> Notice:
    told = structs.replace(of_target(RAISED, TARGET), label=label)
    message = Message(told, ZONE, "sv")
    told = structs.replace(told, title=message.title, text=message.body)
    return structs.replace(NOTICE, alert=told, link=LINK, escalation=escalation)


async def test_a_mail_about_a_queue_of_any_name_has_its_own_headers_and_its_whole_text() -> None:
    with mail_sink() as sink:
        for name in NAMES:
            await apprise(sink.url).send(named(name))

    for name, mail in zip(NAMES, sink.mails, strict=True):
        body = mail.get_body(("plain",))
        assert (mail["Bcc"], mail["To"]) == (None, "lead@example.se")
        assert mail["Subject"].split() == named(name).alert.title.split()
        assert body is not None
        assert named(name).alert.text.split() == body.get_content().partition("Kvittera:")[0].split()
        assert LINK in body.get_content()


async def test_a_webhook_about_a_queue_of_any_name_is_given_it_as_it_is() -> None:
    with receiver() as hook:
        for name in NAMES:
            await apprise(f"json://{hook.address}/larm").send(named(name))

    assert [got["title"] for got in hook.got] == [named(name).alert.title for name in NAMES]


@pytest.mark.parametrize("escalation", [False, True])
def test_an_sms_about_a_queue_of_any_name_takes_two_parts_and_has_the_whole_link(escalation: bool) -> None:
    for name in (*NAMES, "å" * 200, "€" * 200):
        said = sms(named(name, escalation=escalation), ZONE, "sv")

        assert parts(said) <= SMS_PARTS
        assert plain_alphabet(said) == said
        assert said.endswith(LINK)
        assert "\n" not in said


@pytest.mark.parametrize("escalation", [False, True])
@pytest.mark.parametrize(
    "label", ["x" * 200, "å" * 200, "€" * 200, "Växeln i Luleå kommuns östra delar " * 6, "a: b – c " * 20]
)
def test_an_sms_about_a_queue_with_a_long_name_says_what_is_wrong_and_cuts_the_name(
    label: str, escalation: bool
) -> None:
    """The end of the name is left out, never the trouble."""
    said = sms(named(label, escalation=escalation), ZONE, "sv")

    assert parts(said) <= SMS_PARTS
    assert "...: stor risk att dagsmålet missas." in said
    assert said.endswith(LINK)


def test_an_sms_keeps_the_whole_name_where_there_is_room() -> None:
    """A name of 60 letters is not cut for a sentence that is only useful."""
    label = "Medborgarservice och kundcenter i Luleå kommuns östra delar"

    assert f"Kl. 10.12 - {label}: stor risk att dagsmålet missas." in sms(named(label), ZONE, "sv")


def test_an_sms_of_a_crisis_with_a_long_reason_takes_two_parts_and_is_cut_where_it_shows() -> None:
    figures = structs.replace(SURGE, crisis=Crisis(since=at(132), reason="ström " * 60, by="Anna"))
    told = alert(AlertKind.CRISIS, RAISED, AlertReason.DECLARED, figures)
    told = structs.replace(told, title=Message(told, ZONE, "sv").title, text=Message(told, ZONE, "sv").body)
    said = sms(structs.replace(NOTICE, alert=told, link=LINK), ZONE, "sv")

    assert parts(said) == SMS_PARTS
    assert said.startswith("Kl. 10.12 - Kundcenter: kris utlyst: ström ström")
    assert said.endswith(f"... Kvittera: {LINK}")


def test_letters_that_are_written_in_two_parts_are_letters_of_an_sms() -> None:
    assert plain_alphabet(unicodedata.normalize("NFD", "Växeln på Ö")) == "Växeln på Ö"


async def test_a_receiver_that_takes_its_time_is_sent_a_message_once() -> None:
    """It answers after six seconds: longer than Apprise would wait by itself, shorter than one try may last."""
    with receiver() as hook:
        slow_down(hook, 6)
        await apprise(f"json://{hook.address}/larm").send(named("Kö"))

    assert len(hook.got) == 1


async def test_a_try_whose_time_is_up_is_not_sent_again_while_it_may_still_arrive() -> None:
    """The receiver has the message at once and says so after a second; one try may last a third of that."""
    with receiver() as hook:
        slow_down(hook, 1)
        clock, record = ManualClock(at(132)), MemoryRecord()
        channel = Channel(name="krok", notifiers=(apprise(f"json://{hook.address}/larm"),))
        dispatcher = Dispatcher(
            [channel],
            [Recipient(name="lead", channel="krok")],
            record,
            clock,
            STOCKHOLM,
            patience=RetryPolicy(send_seconds=0.3, tries=9),
        )
        dispatcher.plan([structs.replace(named("Kö").alert, notified="alarm")])
        for minute in range(8):
            clock.advance_to(at(132 + 6 * minute))
            await dispatcher.work()

    assert len(hook.got) == 1
    assert dispatcher.counted[("krok", "sent")] == 1
    assert dispatcher.undelivered == 0


async def test_teams_is_given_the_text_and_the_link_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teams takes messages over TLS alone, so that what would be sent is caught on the way."""
    caught: list[dict[str, Any]] = []

    def post(url: str, data: str, **more: object) -> Any:
        caught.append(json.loads(data))
        return type("Answer", (), {"status_code": 200, "content": b"", "text": ""})

    monkeypatch.setattr("requests.post", post)
    notice = named("Kö_1")
    await apprise("workflows://prod.example:443/0123456789abcdef/signature").send(notice)

    blocks = caught[0]["attachments"][0]["content"]["body"]
    title, body = (block["text"] for block in blocks if "text" in block)
    assert title == notice.alert.title
    assert body.startswith(notice.alert.text)
    assert body.endswith(LINK)


def test_an_address_that_says_how_long_to_wait_is_believed() -> None:
    kept = apprise("json://127.0.0.1/larm?rto=2&cto=3")
    (service,) = kept._service  # type: ignore[attr-defined]

    assert service.request_timeout == (3.0, 2.0)


def test_no_figure_is_needed_to_say_a_message() -> None:
    for kind in (AlertKind.LONG_WAIT, AlertKind.NO_AGENTS):
        told = alert(kind, RAISED, AlertReason.WAITED_TOO_LONG, AlertFigures(waiting=1, oldest_wait_seconds=1.0))
        assert "{" not in Message(told, ZONE, "sv").title
