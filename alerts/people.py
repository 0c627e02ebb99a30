"""The people to whom alerts are sent, the channels to them, and how long a message is tried."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.model import Alert, AlertKind, AlertReason
from queue_monitor.ports import Notifier
from queue_monitor.queues import keys_of


class Channel(Struct, frozen=True, kw_only=True):
    """One channel to people: a notifier for each address, and the channel that takes over when it fails ("": none).

    `mirrors`: true for a system that shows what stands: it is sent the end of all that it was sent.
    """

    name: str
    notifiers: tuple[Notifier, ...]
    fallback: str = ""
    mirrors: bool = False


class Recipient(Struct, frozen=True, kw_only=True):
    """One recipient: the alerts that he or she is sent, and through which channel.

    `kinds`, `queues`: the kinds and queues to send; empty means all, except the sign of life, which must be listed.
    `quiet`: local times between which nothing is sent.
    """

    name: str
    channel: str
    kinds: frozenset[AlertKind] = frozenset()
    queues: frozenset[str] = frozenset()
    quiet: tuple[time, time] | None = None
    only_escalations: bool = False

    def wants(self, alert: Alert) -> bool:
        if alert.reason is AlertReason.NOT_DELIVERED:
            return True
        if alert.kind not in self.kinds and (self.kinds or alert.kind is AlertKind.HEARTBEAT):
            return False
        return not self.queues or not alert.queue or bool(keys_of(self.queues) & keys_of(alert.queues))

    def quiet_until(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the end of the quiet hours that `at` lies in, or None when it lies outside them."""
        if self.quiet is None:
            return None
        start, end = self.quiet
        today = at.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            begins = min(_moments(day, start, zone))
            ends = max(_moments(day if start < end else day + timedelta(days=1), end, zone))
            if begins <= at < ends:
                return ends.astimezone(at.tzinfo)
        return None


def _moments(day: date, clock: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the two moments (UTC) at which the local clock shows this time.

    They are the same moment, except for an hour that comes twice in autumn or is left out in spring.
    """
    shown = datetime.combine(day, clock, zone)
    return shown.astimezone(UTC), shown.replace(fold=1).astimezone(UTC)


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """The limits on trying again: after `tries` failures, or one permanent failure, the fallback channel is taken."""

    tries: int = 3
    give_up_after: timedelta = timedelta(minutes=30)
    first_wait: timedelta = timedelta(seconds=15)
    longest_wait: timedelta = timedelta(minutes=5)
    send_seconds: float = 20.0
    escalate_after: timedelta = timedelta(minutes=15)

    def wait(self, failures: int) -> timedelta:
        """Return the wait before the next try; it doubles with each failure, up to `longest_wait`."""
        doubled = int(2 ** min(max(0, failures - 1), 20))
        return min(self.first_wait * doubled, self.longest_wait)


PATIENCE: Final = RetryPolicy()
