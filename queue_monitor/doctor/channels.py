"""Checks the channels of alarms: completeness, an answering server, a valid certificate. Nothing is sent."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from queue_monitor.app import alerting
from queue_monitor.config import AlertChannel
from queue_monitor.doctor.finding import Finding, State, Subject
from queue_monitor.ports import Endpoint

AREA: Final = "channels"
SECONDS: Final = 10.0
_SOON: Final = timedelta(days=21)


async def check(subject: Subject) -> list[Finding]:
    """Check every channel's address, and the servers they name, all at once."""
    alerts = subject.config.alerts
    if not alerts.channels:
        return [subject.found(AREA, "channels.none", State.WATCH)]
    found = [] if alerts.recipients else [subject.found(AREA, "channels.nobody", State.WRONG)]
    mistakes = alerting.channel_mistakes(subject.config)
    if mistakes:
        return [*found, *(subject.found(AREA, "channel.wrong", State.WRONG, mistake=str(each)) for each in mistakes)]
    found += _unused(subject)
    if alerts.recipients and not alerts.link:
        found.append(subject.found(AREA, "channels.no_link", State.WATCH))
    tried = await asyncio.gather(*(_channel(subject, channel) for channel in alerts.channels))
    return [*found, *(each for part in tried for each in part)]


def _unused(subject: Subject) -> Iterator[Finding]:
    alerts = subject.config.alerts
    used = {person.channel for person in alerts.recipients} | {channel.fallback for channel in alerts.channels}
    for channel in alerts.channels:
        if alerts.recipients and channel.name not in used:
            yield subject.found(AREA, "channel.unused", State.WATCH, name=channel.name)


async def _channel(subject: Subject, channel: AlertChannel) -> list[Finding]:
    endpoints = alerting.endpoints_of(channel)
    if not endpoints:
        return [subject.found(AREA, "channel.untried", name=channel.name)]
    return list(await asyncio.gather(*(_endpoint(subject, channel.name, endpoint) for endpoint in endpoints)))


async def _endpoint(subject: Subject, name: str, endpoint: Endpoint) -> Finding:
    place = f"{endpoint.host}:{endpoint.port}"
    try:
        until = await asyncio.to_thread(_certified_until, endpoint)
    except (OSError, smtplib.SMTPException) as error:
        return subject.found(AREA, "channel.failed", State.WRONG, name=name, place=place, reason=_reason(error))
    gaps = {"name": name, "place": place, "until": subject.day(until) if until else ""}
    if until is not None and until - subject.now < _SOON:
        return subject.found(AREA, "channel.expires", State.WATCH, **gaps)
    if until is None and not _is_here(endpoint.host):
        return subject.found(AREA, "channel.plain", State.WATCH, **gaps)
    return subject.found(AREA, "channel.certified" if until else "channel.reached", **gaps)


def _certified_until(endpoint: Endpoint) -> datetime | None:
    """Connect, and return until when the certificate holds; None where the line is not encrypted. Blocks.

    Raises `OSError`, `SMTPException`.
    """
    context = ssl.create_default_context()
    if endpoint.tls == "starttls":
        with smtplib.SMTP(endpoint.host, endpoint.port, timeout=SECONDS) as mail:
            mail.starttls(context=context)
            return _end(mail.sock)
    with socket.create_connection((endpoint.host, endpoint.port), timeout=SECONDS) as line:
        if not endpoint.tls:
            return None
        with context.wrap_socket(line, server_hostname=endpoint.host) as encrypted:
            return _end(encrypted)


def _end(line: socket.socket | None) -> datetime | None:
    if not isinstance(line, ssl.SSLSocket):
        return None
    shown = line.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC) if shown else None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    words = error.strerror if isinstance(error, OSError) else None
    return str(words or error or type(error).__name__).splitlines()[0][:200]


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
