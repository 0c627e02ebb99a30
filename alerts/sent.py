"""A message as it leaves: with the day where that is not today, who has not acknowledged, its link; and as an SMS."""

import math
import re
import unicodedata
from datetime import datetime
from typing import Final

from alerts.message import moment_of, one_line
from queue_monitor import texts
from queue_monitor.model import Alert, Notice

SMS_PARTS: Final = 2
LEAST_OF_LABEL: Final = 20
"""The characters that a queue's name keeps in an SMS that is too long."""

_LONG_PART: Final = 153
_SHORT: Final = 160
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€")
"""The basic alphabet of an SMS and its extension, in which a character takes two places (GSM 03.38, 3GPP TS 23.038).

Any other character makes every character of the text wider: a part then holds 67 of them instead of 153.
"""
_PLAIN: Final = str.maketrans({"–": "-", "—": "-", "−": "-", "…": "...", "’": "'", "‘": "'", "”": '"', "“": '"'})
_SENTENCES: Final = re.compile(r"(?<=[.!?])(?<!\bkl\.)(?<!\bca\.) +(?=[A-ZÅÄÖ0-9])")


def sms(notice: Notice, zone: str, language: str) -> str:
    """Return a notice as an SMS in the plain alphabet: first sentence, link to acknowledge, and further sentences.

    It holds as many sentences as fit in two parts. For a first sentence too long for them the queue's name is cut, and
    where that is not enough, as for the reason of a crisis, the sentence ends in dots.
    """
    alert = notice.alert
    said = [dated(alert, notice.due_at, zone, language)]
    if notice.escalation:
        said.insert(0, _escalated(notice, zone, language))
    link = [texts.say("alert.acknowledge", language, link=notice.link)] if notice.link else []
    label = one_line(texts.label(alert, language))
    title, kept = said[-1], len(label)
    while parts(plain_alphabet(" ".join([*said, *link]))) > SMS_PARTS and kept > LEAST_OF_LABEL:
        kept -= 1
        said[-1] = title.replace(label, f"{label[:kept].rstrip()}...", 1)
    first = plain_alphabet(" ".join(said))
    if parts(" ".join([first, *link])) > SMS_PARTS:
        while first and parts(" ".join([f"{first}...", *link])) > SMS_PARTS:
            first = first[:-1]
        return plain_alphabet(" ".join([f"{first.rstrip()}...", *link]))
    for sentence in _SENTENCES.split(alert.text):
        if parts(plain_alphabet(" ".join([*said, sentence, *link]))) > SMS_PARTS:
            break
        said.append(sentence)
    return plain_alphabet(" ".join(filter(None, [*said, *link])))


def plain_alphabet(text: str) -> str:
    """Return the text in the GSM alphabet: dashes, quotes and spaces made plain, accents dropped, `?` for the rest."""
    return "".join(map(_plain, unicodedata.normalize("NFC", text).translate(_PLAIN)))


def _plain(letter: str) -> str:
    known = _BASIC | _EXTENDED
    like = letter if letter in known else unicodedata.normalize("NFKD", letter)[0]
    return like if like in known else "?"


def parts(text: str) -> int:
    """Return the number of SMS parts that a text is sent as, and paid for."""
    if set(text) <= _BASIC | _EXTENDED:
        length, short, long = sum(1 + (letter in _EXTENDED) for letter in text), _SHORT, _LONG_PART
    else:
        length, short, long = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= short else math.ceil(length / long)


def lines(notice: Notice, zone: str, language: str) -> tuple[str, str]:
    """Return a notice as it is sent: its subject, and its text with the link to acknowledge."""
    alert = notice.alert
    said = [alert.text]
    if notice.escalation:
        said.insert(0, _escalated(notice, zone, language))
    if notice.link:
        said.append(texts.say("alert.acknowledge", language, link=notice.link))
    return dated(alert, notice.due_at, zone, language), "\n\n".join(filter(None, said))


def dated(alert: Alert, now: datetime, zone: str, language: str) -> str:
    """Return the title of an alert as it is read at `now`: with its day, where that is another day."""
    then, later = (moment_of(alert.at, moment, zone, language) for moment in (alert.at, now))
    return f"{later}{alert.title.removeprefix(then)}" if alert.title.startswith(then) else alert.title


def _escalated(notice: Notice, zone: str, language: str) -> str:
    since = texts.moment_words(notice.unanswered_since or notice.alert.at, notice.due_at, zone, language)
    return texts.say("alert.escalated", language, since=since)
