"""The record of alerts in memory, for a replay or a try-out without a database. It ends with the process."""

from datetime import datetime

from queue_monitor.model import Acknowledgement, Alert, AlertBatch, Attempt, Notice, NoticeState, RecordedAlert


class MemoryRecord:
    """The alert store (`ports.AlertStore`) in plain dictionaries."""

    def __init__(self) -> None:
        self._state: bytes | None = None
        self._secret: bytes | None = None
        self._alerts: dict[tuple[str, datetime, str], Alert] = {}
        self._notices: dict[str, Notice] = {}
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._seen: dict[str, Acknowledgement] = {}

    async def save_alerts(self, batch: AlertBatch) -> None:
        self._state = batch.state if batch.state is not None else self._state
        self._secret = batch.secret if batch.secret is not None else self._secret
        for alert in batch.alerts:
            self._alerts.setdefault((alert.episode, alert.at, alert.change.value), alert)
        self._notices |= {notice.id: notice for notice in batch.notices}
        for attempt in batch.attempts:
            self._attempts.setdefault((attempt.notice, attempt.number), attempt)
        for seen in batch.acknowledgements:
            self._seen.setdefault(seen.episode, seen)

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        happened = {alert.episode for alert in self._alerts.values() if start <= alert.at < end}
        whole = AlertBatch(
            alerts=tuple(alert for alert in self._alerts.values() if alert.episode in happened),
            notices=tuple(self._notices.values()),
            attempts=tuple(self._attempts.values()),
            acknowledgements=tuple(self._seen.values()),
        )
        return whole.by_alert()

    async def load_alerts(self, since: datetime) -> AlertBatch:
        def waits(notice: Notice) -> bool:
            return notice.state is NoticeState.PENDING

        return AlertBatch(
            state=self._state,
            secret=self._secret,
            alerts=tuple(a for a in self._alerts.values() if a.at >= since),
            notices=tuple(n for n in self._notices.values() if n.made_at >= since or waits(n)),
            attempts=tuple(a for a in self._attempts.values() if a.at >= since),
            acknowledgements=tuple(s for s in self._seen.values() if s.at >= since),
        )
