"""What people read: every message is in docs/messages.md as it is, plain, and tells of nobody."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from alerts.message import Message
from alerts.sent import lines, parts, plain_alphabet, sms
from queue_monitor.model import AlertChange, AlertKind, Notice
from tests.alerts.messages import TARGET, ZONE, document, every, of_target, sent
from tests.alerts.moments import at, risk
from tests.store.test_alerts import NOTICE

DOCUMENT = Path(__file__).parents[2] / "docs" / "messages.md"
LANGUAGES = ("sv", "en")
LINK = "https://monitor.kommunen.example/alerts/0123456789abcdef.dGVhbWxlZGFyZQ.0123456789abcdef0123456789abcdef"


def said(language: str) -> list[str]:
    messages = [Message(alert, ZONE, language) for _, alert in every()]
    return [f"{message.title} {message.body}".strip() for message in messages] + ["\n".join(sent(language))]


def test_the_document_shows_every_message_as_it_is() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.alerts.messages > docs/messages.md"


def test_every_kind_of_alert_has_its_messages() -> None:
    assert {alert.kind for _, alert in every()} == set(AlertKind)


def notices(language: str, link: str) -> list[Notice]:
    """Every message as it leaves."""
    found = []
    for _, alert in every():
        message = Message(alert, ZONE, language)
        told = structs.replace(alert, title=message.title, text=message.body)
        found.append(structs.replace(NOTICE, alert=told, link=link))
    return found


def test_an_sms_is_in_the_plain_alphabet_and_takes_two_parts_at_most() -> None:
    for link in ("", LINK):
        sent = [(each, language) for language in LANGUAGES for each in notices(language, link)]
        whole = [parts(" ".join(lines(each, ZONE, language))) for each, language in sent]
        short = [sms(each, ZONE, language) for each, language in sent]

        assert max(map(parts, short)) == 2
        assert sum(map(parts, short)) < sum(whole) / 2
        assert all(plain_alphabet(text) == text and link in text for text in short)


@pytest.mark.parametrize(
    ("text", "plain", "counted"),
    [
        ("Kl. 10.12 – Växeln: 84\N{NO-BREAK SPACE}%", "Kl. 10.12 - Växeln: 84 %", 1),
        ("René “Åsa” … 5 €", 'René "Åsa" ... 5 €', 1),
        ("č 漢 🙂", "c ? ?", 1),
        ("å" * 160, "å" * 160, 1),
        ("å" * 161, "å" * 161, 2),
        ("[" * 81, "[" * 81, 2),
    ],
)
def test_the_alphabet_of_gsm_and_what_fits_in_a_part(text: str, plain: str, counted: int) -> None:
    assert plain_alphabet(text) == plain
    assert parts(plain) == counted


def test_one_wide_letter_halves_what_fits_in_a_part() -> None:
    assert (parts("å" * 70 + "–"), parts("å" * 71), parts("–" * 70), parts("–" * 135)) == (2, 1, 1, 3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shouted_at_blamed_or_named(language: str) -> None:
    for message in said(language):
        assert "!" not in message
        assert not re.search(r"\b(0|\+46)\d{6,}", message)
        assert not re.search(r"\b(du|ni|fel|måste|you|must|fault)\b", message, re.IGNORECASE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_whole(language: str) -> None:
    for message in said(language):
        assert "  " not in message
        assert "–." not in message
        assert "{" not in message
        assert re.search(r"[.a-z0-9]$", message)


def test_the_message_that_the_house_was_built_for() -> None:
    alarm = next(alert for when, alert in every() if when == "the day is at great risk")
    message = Message(alarm, ZONE, "sv")

    assert f"{message.title} {message.body}".replace("\N{NO-BREAK SPACE}", " ") == (
        "Kl. 10.12 – Kundcenter: stor risk att dagsmålet missas. Två till i telefonkön fram till kl. 11.30 beräknas "
        "räcka. Hittills i dag: 84 % besvarade inom 5 minuter (mål 90 %). 7 väntar, längst 4 min 40 s. Dagen tål ca 14 "
        "sena eller tappade samtal till (av ca 46); i nuvarande takt är marginalen slut ca kl. 10.50. "
        "Månaden: 92,4 %, tål dagen."
    )


def test_a_month_that_is_the_queue_s_own_is_named_so() -> None:
    own = structs.replace(TARGET, month_is_own=True)

    assert "Köns månad: 92,4" in Message(of_target(AlertChange.RAISED, own), ZONE, "sv").body
    assert "The queue's month: 92.4" in Message(of_target(AlertChange.RAISED, own), ZONE, "en").body


def test_a_time_that_is_an_estimate_is_not_given_to_the_minute() -> None:
    estimated = structs.replace(TARGET, risk=risk(0.96, until=at(210), margin_ends_at=at(168)))
    body = Message(of_target(AlertChange.RAISED, estimated), ZONE, "sv").body

    assert "fram till kl. 11.30 beräknas räcka" in body
    assert "slut ca kl. 10.45" in body


def test_thousands_stand_apart_as_on_the_pages() -> None:
    alarm = next(alert for when, alert in every() if when == "the day is at great risk")
    figures = structs.replace(alarm.figures, margin=1200, budget=1546)
    body = Message(structs.replace(alarm, figures=figures), ZONE, "sv").body.replace("\N{NO-BREAK SPACE}", " ")

    assert "ca 1 200 sena eller tappade samtal till (av ca 1 546)" in body
