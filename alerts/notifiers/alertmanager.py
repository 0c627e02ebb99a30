"""The notifier for Prometheus Alertmanager, API v2 (`POST /api/v2/alerts`), tested against 0.25 as Debian ships it.

An alert stays open there until it is cleared here, or for as long as it can stand here without a new message: without
that end time Alertmanager would end it five minutes after its last message. A test is over after those five minutes.
"""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Final

from alerts.sent import lines
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertReason, Notice
from queue_monitor.ports import DeliveryError, Endpoint

EXAMPLE: Final = "http://127.0.0.1:9"

MIRRORS: Final = True
"""It shows what stands, so that it is sent every end, also one that is no news to people, such as closing time."""

OPEN_FOR: Final = timedelta(hours=26)
"""Longer than any alert stands here, but those of a month: a crisis is told anew after 25 hours."""

MONTH_OPEN_FOR: Final = timedelta(days=32)
TEST_OPEN_FOR: Final = timedelta(minutes=5)
CLOCKS_DIFFER: Final = timedelta(seconds=30)
"""How much earlier than here an alert ends there: an end that is still to come by its clock would not be taken."""

SECONDS: Final = 10.0
_NAMES: Final = {AlertKind.TARGET_OUT_OF_REACH: AlertKind.TARGET_AT_RISK}
"""The alert names there. An alert keeps its labels to the end, so a lost target keeps the name of a target at risk."""


class AlertmanagerNotifier:
    """One Alertmanager, by its base address such as `http://127.0.0.1:9093`. Raises `ValueError` on other addresses."""

    def __init__(self, name: str, url: str, zone: str, language: str) -> None:
        self.name = name
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no address such as http://127.0.0.1:9093")
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._zone = zone
        self._language = language

    def render(self, notice: Notice) -> list[dict[str, object]]:
        """Return the body of the request."""
        alert = notice.alert
        title, text = lines(notice, self._zone, self._language)
        cleared = alert.change is AlertChange.CLEARED
        kind = _NAMES.get(alert.kind, alert.kind)
        entry: dict[str, object] = {
            "labels": {
                "alertname": "Callqueue" + "".join(word.capitalize() for word in kind.value.split("_")),
                "queue": alert.first_queue or alert.queue,
                "period": alert.period,
                "episode": alert.episode,
                "severity": "none" if alert.reason in (AlertReason.ALIVE, AlertReason.REPORT_MADE) else "critical",
            },
            "annotations": {"summary": title, "description": text, "change": alert.change.value},
            "endsAt": _written(alert.at - CLOCKS_DIFFER if cleared else alert.at + _open_for(alert)),
        }
        if not cleared:
            entry["startsAt"] = _written(alert.at)
        if notice.link:
            entry["generatorURL"] = notice.link
        return [entry]

    async def send(self, notice: Notice) -> None:
        body = json.dumps(self.render(notice), ensure_ascii=False).encode()
        await asyncio.to_thread(self._post, body)

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(self._url, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            wrong = 400 <= error.code < 500 and error.code not in (408, 429)
            message = f"{self.name}: answered {error.code}"
            raise DeliveryError(message, reason=f"http_{error.code}", permanent=wrong) from error
        except TimeoutError as error:
            raise DeliveryError(f"{self.name}: no answer", reason="timeout") from error
        except OSError as error:
            raise DeliveryError(f"{self.name}: cannot be reached", reason="unreachable") from error


def _open_for(alert: Alert) -> timedelta:
    if alert.reason is AlertReason.TEST:
        return TEST_OPEN_FOR
    return MONTH_OPEN_FOR if alert.period == "month" else OPEN_FOR


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def build(name: str, url: str, zone: str, language: str) -> tuple[AlertmanagerNotifier, ...]:
    """Return the one notifier. Raises `ValueError` on an address of another form."""
    return (AlertmanagerNotifier(name, url, zone, language),)


def endpoints(url: str) -> tuple[Endpoint, ...]:
    """Return where Alertmanager is reached; nothing is sent."""
    parts = urllib.parse.urlsplit(url)
    is_encrypted = parts.scheme == "https"
    return (Endpoint(parts.hostname or "", parts.port or (443 if is_encrypted else 80), "tls" if is_encrypted else ""),)
