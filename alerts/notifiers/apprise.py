"""Mail, SMS, Teams, ntfy, a webhook and some 170 services more, by one address each (Apprise, https://appriseit.com).

Examples: `mailtos://user:password@mail.example?to=lead@example`, `46elks://user:password@46555/46701740605`,
`workflows://host:443/workflow/signature` (Teams), `ntfys://topic`, `jsons://example/hook`. Tested against a mail sink
and an HTTP receiver; Apprise says only whether it succeeded, so that every failure but a wrong address may pass.
"""

import apprise

from alerts.message import lines
from queue_monitor.model import Alert, AlertChange, AlertLevel, Notice
from queue_monitor.ports import DeliveryError


class AppriseNotifier:
    """One address. Raises `ValueError` when Apprise does not know its kind; the address is never told."""

    def __init__(self, name: str, url: str, zone: str, language: str) -> None:
        self.name = name
        self._zone = zone
        self._language = language
        self._service = apprise.Apprise()
        if not self._service.add(url):
            raise ValueError("of no kind that Apprise knows")

    def render(self, notice: Notice) -> tuple[str, str]:
        """Title and text as they are sent."""
        return lines(notice, self._zone, self._language)

    async def send(self, notice: Notice) -> None:
        title, body = self.render(notice)
        sent = await self._service.async_notify(
            title=title, body=body or title, notify_type=_kind(notice.alert), body_format=apprise.NotifyFormat.TEXT
        )
        if not sent:
            raise DeliveryError(f"{self.name}: not taken by the other side", reason="refused")


def _kind(alert: Alert) -> apprise.NotifyType:
    if alert.change is AlertChange.CLEARED:
        return apprise.NotifyType.SUCCESS
    return apprise.NotifyType.FAILURE if alert.level is AlertLevel.ALARM else apprise.NotifyType.WARNING


def build(name: str, url: str, zone: str, language: str) -> AppriseNotifier:
    return AppriseNotifier(name, url, zone, language)
