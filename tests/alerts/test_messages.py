"""What people read: every message is in docs/messages.md as it is, plain, and tells of nobody."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from alerts.message import Message
from queue_monitor.model import AlertChange, AlertKind
from tests.alerts.messages import TARGET, ZONE, document, every, of_target, sent
from tests.alerts.moments import at, risk

DOCUMENT = Path(__file__).parents[2] / "docs" / "messages.md"
LANGUAGES = ("sv", "en")


def said(language: str) -> list[str]:
    messages = [Message(alert, ZONE, language) for _, alert in every()]
    return [f"{message.title} {message.body}".strip() for message in messages] + ["\n".join(sent(language))]


def test_the_document_shows_every_message_as_it_is() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.alerts.messages > docs/messages.md"


def test_every_kind_of_alert_has_its_messages() -> None:
    assert {alert.kind for _, alert in every()} == set(AlertKind)


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


def test_a_time_that_is_an_estimate_is_not_given_to_the_minute() -> None:
    estimated = structs.replace(TARGET, risk=risk(0.96, until=at(203), margin_ends_at=at(168)))
    body = Message(of_target(AlertChange.RAISED, estimated), ZONE, "sv").body

    assert "fram till kl. 11.30 beräknas räcka" in body
    assert "slut ca kl. 10.45" in body


def test_thousands_stand_apart_as_on_the_pages() -> None:
    alarm = next(alert for when, alert in every() if when == "the day is at great risk")
    figures = structs.replace(alarm.figures, margin=1200, budget=1546)
    body = Message(structs.replace(alarm, figures=figures), ZONE, "sv").body.replace("\N{NO-BREAK SPACE}", " ")

    assert "ca 1 200 sena eller tappade samtal till (av ca 1 546)" in body
