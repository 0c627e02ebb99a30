"""The answers of `init`, and the names, folders and addresses that follow from them."""

import re
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

_UNENCRYPTED: Final = 25
_TLS_AT_ONCE: Final = 465
MAIL: Final = "mejl"
SQLITE: Final = "sqlite"
MAX_NAME: Final = 200


class Service(StrEnum):
    """The ways in which the monitor is started."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"
    NONE = "none"


class Answers(Struct, frozen=True, kw_only=True):
    """The answers to all questions.

    `settings`: the switchboard's own, by key, as they were typed.
    `store`: "sqlite", or an address.
    """

    folder: Path
    organisation: str = "Kundcenter"
    language: str = "sv"
    switchboard: str = "asterisk_ami"
    settings: Mapping[str, str] = {}
    queues: tuple[str, ...] = ()
    opens: time = time(8)
    closes: time = time(17)
    mail_to: str = ""
    mail_server: str = ""
    mail_user: str = ""
    mail_password: str = ""
    store: str = SQLITE
    service: Service = Service.SYSTEMD

    @property
    def source_name(self) -> str:
        return self.switchboard.replace("_", "-")

    @property
    def home(self) -> str:
        """The folder in which the monitor keeps what it writes."""
        return str(self.folder / "var") if self.service is Service.NONE else "/var/lib/queue-monitor"

    @property
    def mail_url(self) -> str:
        """Return Apprise's address of the mail; "" where no mail server was answered."""
        if not self.mail_to or not self.mail_server:
            return ""
        host, _, written = self.mail_server.partition(":")
        port = int(written or 587)
        sender = f"queue-monitor@{self.mail_to.rpartition('@')[2]}"
        asked = {"from": sender, "to": self.mail_to} | ({"mode": "ssl"} if port == _TLS_AT_ONCE else {})
        quoted = [urllib.parse.quote(part, safe="") for part in (self.mail_user, self.mail_password) if part]
        account = f"{':'.join(quoted)}@" if quoted else ""
        kind = "mailto" if port == _UNENCRYPTED else "mailtos"
        return f"{kind}://{account}{host}:{port}?{urllib.parse.urlencode(asked, safe='@')}"


class Unclear(ValueError):
    """Raised for an answer that cannot be used; the message names it and the reason."""


def organisation(text: str) -> str:
    """Return the name of the organisation. Raises `Unclear` for one that the settings would not take."""
    if not text.strip() or len(text) > MAX_NAME or not text.isprintable():
        raise Unclear(f"organisation: {text[:20]!r}; expected text on one line of at most {MAX_NAME} characters")
    return text


def hours(text: str) -> tuple[time, time]:
    """Return the opening hours of `08:00-17:00` or `8-17`. Raises `Unclear`."""
    at = re.fullmatch(r"(\d{1,2})(?:[:.](\d{2}))?\s*[-–]\s*(\d{1,2})(?:[:.](\d{2}))?", text.strip())
    opens, closes = time(1), time(0)
    if at is not None:
        with suppress(ValueError):
            is_midnight = (int(at[3]), int(at[4] or 0)) == (24, 0)
            last = time.max if is_midnight else time(int(at[3]), int(at[4] or 0))
            opens, closes = time(int(at[1]), int(at[2] or 0)), last
    if opens >= closes:
        raise Unclear(f"hours: {text!r}; expected two times of one day, such as 08:00-17:00")
    return opens, closes


def server(text: str) -> str:
    """Return the mail server of `HOST` or `HOST:PORT`. Raises `Unclear`."""
    if text and not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", text):
        raise Unclear(f"mail server: {text!r}; expected a name and perhaps a port, such as smtp.example:587")
    return text


def address(text: str) -> str:
    """Return a mail address. Raises `Unclear`."""
    if text and not re.fullmatch(r"[^@\s?&]+@[^@\s?&]+", text):
        raise Unclear(f"mail address: {text!r}; expected one such as lead@example.se")
    return text
