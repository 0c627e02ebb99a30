"""Checks access to the pages: tokens, the address they listen on, and whether the monitor answers there now."""

import asyncio
import ipaddress
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from queue_monitor import texts
from queue_monitor.config import Http, only_simulates
from queue_monitor.doctor.finding import Finding, State, Subject
from queue_monitor.runtime.token_file import TokenFile

AREA: Final = "access"
MONITOR: Final = "monitor"
SECONDS: Final = 10.0
_WHO_READS: Final = {True: "open", False: "closed"}


async def check(subject: Subject) -> list[Finding]:
    """Check the tokens by role, and who can reach the pages."""
    http = subject.config.http
    try:
        kept = TokenFile(Path(http.token_file)).read()
    except OSError as error:
        return [subject.found(AREA, "access.unread", State.WATCH, reason=str(error)), *_exposure(subject)]
    roles = Counter([*(one.role.value for one in subject.config.access), *(one.role.value for one in kept)])
    found = [_reading(subject, has_tokens=bool(roles))]
    if roles:
        listed = ", ".join(f"{role} {count}" for role, count in sorted(roles.items()))
        found.append(subject.found(AREA, "access.tokens", roles=listed))
    elif not _is_demo(subject):
        found.append(subject.found(AREA, "access.no_token", State.WATCH))
    if http.trusted_proxies and (http.read_without_token or (http.read_without_token is None and not roles)):
        found.append(subject.found(AREA, "access.through", State.WRONG))
    return [*found, *_exposure(subject)]


def reading(http: Http, language: str, *, has_tokens: bool) -> str:
    """Return who may read, in the words of a start and of `check-config`."""
    how = "tokens" if has_tokens else "until"
    if http.read_without_token is not None:
        how = _WHO_READS[http.read_without_token]
    return texts.say(f"doctor.reading.{how}", language)


def _reading(subject: Subject, *, has_tokens: bool) -> Finding:
    who = reading(subject.config.http, subject.language, has_tokens=has_tokens)
    return subject.found(AREA, "access.reading", who=who)


def _exposure(subject: Subject) -> Iterator[Finding]:
    http = subject.config.http
    address = _address(http)
    if _is_loopback(http.host):
        yield subject.found(AREA, "access.loopback", address=address)
    elif http.trusted_proxies:
        yield subject.found(AREA, "access.behind", address=address, proxies=", ".join(http.trusted_proxies))
    else:
        yield subject.found(AREA, "access.everywhere", State.WATCH, address=address)
    if http.public:
        yield subject.found(AREA, "access.public")


async def check_monitor(subject: Subject) -> list[Finding]:
    """Check whether the monitor answers at the address of the settings."""
    http = subject.config.http
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{http.port}"
    reason = await asyncio.to_thread(_why_silent, f"{address}/healthz")
    if not reason:
        return [subject.found(MONITOR, "monitor.running", address=address)]
    owned = subject.store is not None and bool(subject.store.owner)
    state = State.WRONG if owned else State.WATCH
    where = "unit" if subject.has_unit("queue-monitor.service") else "log"
    why = texts.say(f"doctor.monitor.why.{where}", subject.language)
    return [subject.found(MONITOR, "monitor.silent", state, address=address, reason=reason, why=why)]


def _why_silent(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except OSError as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason)


def _is_demo(subject: Subject) -> bool:
    return only_simulates(subject.config.sources)


def _address(http: Http) -> str:
    return f"{f'[{http.host}]' if ':' in http.host else http.host}:{http.port}"


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
