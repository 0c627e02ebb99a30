"""The notifier for mail, SMS, Teams, ntfy, webhooks and some 170 services more (Apprise, https://appriseit.com).

Each address is one URL: `mailtos://user:password@mail.example?to=lead@example`,
`46elks://user:password@46555/46701740605`, `workflows://host:443/workflow/signature` (Teams), `ntfys://topic`,
`jsons://example/hook`. Tested against a mail sink and an HTTP receiver. Apprise reports only whether it succeeded; the
reason is read from its log records, which are not passed on, because they hold addresses.
"""

import asyncio
import copy
import logging
import re
import urllib.parse
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final, Literal, NamedTuple

import apprise

from alerts.sent import lines, sms
from queue_monitor.model import Alert, AlertChange, AlertLevel, Notice
from queue_monitor.ports import DeliveryError, Endpoint

EXAMPLE: Final = "json://127.0.0.1:9/"

ANSWER_SECONDS: Final = 15.0
"""How long an answer is waited for where the URL does not say (`rto`): a receiver that is given up sooner has often
taken the message, and would be sent it again.
"""
_UNFINISHED: Final = 100
"""The largest number of sendings that are remembered after their time was up."""

SMS_CHARACTERS: Final = 160
"""The longest text of every service that sends SMS, as Apprise states it."""


class _Cause(NamedTuple):
    """One cause of failure, recognised by its log record; the words are for the person who looks after the channel."""

    pattern: str
    reason: str
    permanent: bool
    words: str


_REPLIES: Final = (
    _Cause(r"4..", "busy", False, "the server takes nothing just now; it is tried again"),
    _Cause(
        r"53[0458]",
        "login",
        True,
        "the server does not accept the user name and password, or no sign-in at that port; put the url right",
    ),
    _Cause(
        r"55[0136]",
        "address_refused",
        True,
        "the server refuses the address; put it right or take it out of the channel's url",
    ),
    _Cause(
        r"5..",
        "refused",
        True,
        "the server will not take it at any time; look at the address, at the sender and at the server's rules",
    ),
)
"""The causes by the reply of a mail server: a first 4 is for now, a first 5 for good (RFC 5321, 4.2.1)."""

_CAUSES: Final = (
    _Cause(r"Authentication|AUTH extension", *_REPLIES[1][1:]),
    _Cause(
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError",
        "certificate",
        False,
        "the server's certificate is not trusted here; renew it there, or trust who issued it on this machine",
    ),
    _Cause(
        r"WRONG_VERSION_NUMBER|SSLError|\[SSL|STARTTLS extension not supported",
        "tls",
        False,
        "encryption could not be agreed on; look at the port and at whether the url's kind ends in s (mailtos:// is "
        "encrypted, mailto:// is not)",
    ),
    _Cause(
        r"Name or service not known|nodename nor servname|name resolution|NameResolutionError|getaddrinfo",
        "no_such_host",
        False,
        "the host's name is not known; look at its spelling in the channel's url and at this machine's DNS",
    ),
    _Cause(
        r"Connection refused|No route to host|unreachable",
        "unreachable",
        False,
        "nothing answers at the host and port; look at both in the channel's url, at the server and at firewalls",
    ),
    _Cause(r"timed? ?out", "timeout", False, "no answer in time; look at the server and at firewalls"),
)
_HTTP: Final = re.compile(r"error=(\d{3})\b")
_SMTP: Final = re.compile(r"\(([45]\d\d), b['\"]")
_QUOTED: Final = re.compile(r"\"[^\"]*\"")
_EXCEPTION: Final = "Socket Exception"
_NOT_TAKEN: Final = _Cause(
    "", "refused", False, "the other side did not take it and gave no reason that is known here; look in its own log"
)
_heard: ContextVar[list[str]] = ContextVar("heard")


class _Hearing(logging.Handler):
    """Keeps the log records of Apprise about what went wrong for the sender that is active at the moment.

    Addresses and the message itself, which are in its other records, tell nothing of it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        heard = _heard.get(None)
        if heard is None:
            return
        said = record.getMessage()
        if said.startswith(_EXCEPTION):
            heard.append(said)
        elif record.levelno >= logging.WARNING:
            heard.append(_QUOTED.sub("", said))


_log: Final = logging.getLogger("apprise")
_log.addHandler(_Hearing())
_log.setLevel(logging.DEBUG)
_log.propagate = False


class AppriseNotifier:
    """One address of one service."""

    def __init__(self, name: str, service: Any, zone: str, language: str) -> None:
        self.name = name
        self._zone = zone
        self._language = language
        self._sms = service.body_maxlen <= SMS_CHARACTERS
        text, marked = apprise.NotifyFormat.TEXT, apprise.NotifyFormat.MARKDOWN
        # As text, Teams would be given a backslash before each point, also in the link, and may show it.
        self._format = marked if service.notify_format == marked else text
        self._service = apprise.Apprise()
        self._service.add(service)
        self._sending: dict[str, asyncio.Task[None]] = {}

    def render(self, notice: Notice) -> tuple[str, str]:
        """Return the title and the text to send; an SMS has no title."""
        if self._sms:
            return "", sms(notice, self._zone, self._language)
        return lines(notice, self._zone, self._language)

    async def send(self, notice: Notice) -> None:
        """Send a notice. A sending whose time was up goes on by itself; the next try of the same notice waits for its
        end instead of sending it twice.
        """
        sending = self._sending.get(notice.id)
        if sending is None:
            sending = asyncio.create_task(self._try(notice))
            sending.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._sending[notice.id] = sending
        while len(self._sending) > _UNFINISHED:
            del self._sending[next(iter(self._sending))]
        try:
            await asyncio.shield(sending)
        finally:
            if sending.done():
                self._sending.pop(notice.id, None)

    async def _try(self, notice: Notice) -> None:
        heard: list[str] = []
        _heard.set(heard)
        if not await asyncio.to_thread(self._send, notice):
            cause = _cause("\n".join(heard))
            raise DeliveryError(f"{self.name}: {cause.words}", reason=cause.reason, permanent=cause.permanent)

    def _send(self, notice: Notice) -> bool:
        title, body = self.render(notice)
        kind = _kind(notice.alert)
        return bool(self._service.notify(title=title, body=body or title, notify_type=kind, body_format=self._format))


def _cause(heard: str) -> _Cause:
    if (code := _HTTP.search(heard)) is not None:
        return _http(int(code[1]))
    if (reply := _SMTP.search(heard)) is not None:
        return next(cause for cause in _REPLIES if re.fullmatch(cause.pattern, reply[1]))
    return next((cause for cause in _CAUSES if re.search(cause.pattern, heard, re.IGNORECASE)), _NOT_TAKEN)


def _http(code: int) -> _Cause:
    wrong = 400 <= code < 500 and code not in (408, 429)
    what = {
        401: "the user name, password or key is not accepted; put it right in the channel's url",
        403: "it may not be sent to with this user or key; put it right in the channel's url",
        404: "there is nothing at that address; put it right in the channel's url",
        410: "the address is no longer used; put the new one in the channel's url",
        429: "too much is sent there; it is tried again",
    }.get(code, "the url may be wrong; look at it and at the other side's log" if wrong else "it is tried again")
    return _Cause("", f"http_{code}", wrong, f"answered {code}: {what}")


def _kind(alert: Alert) -> apprise.NotifyType:
    if alert.change is AlertChange.CLEARED:
        return apprise.NotifyType.SUCCESS
    return apprise.NotifyType.FAILURE if alert.level is AlertLevel.ALARM else apprise.NotifyType.WARNING


def _by_address(service: Any) -> Iterator[Any]:
    """Return the service once for each of its addresses, so that one that fails holds up no other.

    Those of a mail's copies are addresses like the others: in one mail with several, one that is refused would have the
    others sent it again.
    """
    targets = getattr(service, "targets", None)
    sets = [found for name in ("cc", "bcc") if isinstance(found := getattr(service, name, None), set)]
    copies = sorted({address for found in sets for address in found})
    if not isinstance(targets, list) or not targets or len(targets) + len(copies) < 2:
        yield service
        return
    is_named = isinstance(targets[0], tuple)
    known = {target[1] if is_named else target for target in targets}
    beside = [(False, address) if is_named else address for address in copies if address not in known]
    for target in (*targets, *beside):
        one = copy.copy(service)
        one.targets = [target]
        if copies:
            one.cc, one.bcc = set(), set()
        yield one


def build(name: str, url: str, zone: str, language: str) -> tuple[AppriseNotifier, ...]:
    """Return one notifier for each address. Raises `ValueError`, which never shows the URL, when Apprise cannot use
    it.
    """
    services = apprise.Apprise()
    if not services.add(url):
        if "webhook.office" in url or "outlook.office" in url or url.startswith("msteams:"):
            raise ValueError("a webhook of Teams that Microsoft has retired; make a workflow and write workflows://…")
        raise ValueError("of no kind that Apprise knows, or not complete: mail needs its addressees, ?to=…")
    found = [one for service in services for one in _by_address(service)]
    for one in found:
        if one.socket_read_timeout == apprise.URLBase.socket_read_timeout:
            one.socket_read_timeout = ANSWER_SECONDS
    return tuple(AppriseNotifier(name, one, zone, language) for one in found)


def endpoints(url: str) -> tuple[Endpoint, ...]:
    """Return the hosts of a service's addresses, as far as the URL shows them; no message is sent."""
    services = apprise.Apprise()
    services.add(url)
    return tuple(dict.fromkeys(found for service in services if (found := _endpoint(service)) is not None))


def _endpoint(service: Any) -> Endpoint | None:
    if host := getattr(service, "smtp_host", None):
        modes: dict[str, Literal["tls", "starttls"]] = {"ssl": "tls", "starttls": "starttls"}
        return Endpoint(host, int(service.port or 25), modes.get(str(service.secure_mode), ""))
    fixed = getattr(service, "notify_url", None)
    own = service.host if "." in str(service.host) or service.host == "localhost" else ""
    parts = urllib.parse.urlsplit(fixed if isinstance(fixed, str) else f"http{'s' * bool(service.secure)}://{own}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    port = parts.port or (service.port if not fixed else None) or (443 if parts.scheme == "https" else 80)
    return Endpoint(parts.hostname, int(port), "tls" if parts.scheme == "https" else "")
