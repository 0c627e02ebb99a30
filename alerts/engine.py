"""The alert round: every half minute it reads the newest snapshot, renders each change as text, saves it and sends
it.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import structs

from alerts.dispatch import Dispatcher
from alerts.episodes import SEVERITY, TARGET, State, topic
from alerts.lifecycle import advance, policy
from alerts.message import Message
from alerts.notification_policy import NotifyReason, standing
from alerts.rules import (
    DAY,
    AlertSettings,
    Measurement,
    as_known,
    figures_now,
    is_blind,
    of_crisis,
    read,
    scopes,
)
from alerts.sent import dated
from queue_monitor.core.assessment import decided, month_standing
from queue_monitor.model import (
    Alert,
    AlertBatch,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    AlertsNow,
    Banner,
    Crisis,
    Snapshot,
    Status,
    StatusReason,
    Verdict,
)
from queue_monitor.ports import AlertStore, Clock, Figures
from queue_monitor.queues import Pool

log = logging.getLogger(__name__)

ROUND_SECONDS: Final = 30.0
REMEMBERED: Final = timedelta(hours=48)
_FORETOLD: Final = frozenset({TARGET, AlertKind.SURGE.value})
"""The topics that are measured against a forecast: without one their alerts stand, with the figures of the moment."""

HEARTBEAT_LATE: Final = timedelta(minutes=10)
"""The longest delay of a sign of life, when the monitor was just starting at its time; a later one would mislead."""


class AlertEngine:
    """The alert engine applies rules and lifecycle and renders texts; it does no I/O, so that a replay uses it too."""

    def __init__(self, settings: AlertSettings, language: str) -> None:
        self._settings = settings
        self._language = language
        self.state = State()

    def resume(self, state: State) -> None:
        """Go on from a state: that of an earlier run, or one that a person has changed."""
        self.state = state

    def evaluate(self, snapshot: Snapshot) -> tuple[Alert, ...]:
        """Return the rendered alerts that have changed since the last round."""
        self._count_ended_crisis(snapshot)
        measurements = read(snapshot, self._settings, self.state.crisis)
        pools = [Pool(scope.name, scope.queues) for scope in scopes(snapshot)]
        begun = {name: period.start for name, period in snapshot.total.periods.items()}
        self.state, changed = advance(self.state, measurements, snapshot.at, self._settings, pools, begun)
        judged = self._judged(snapshot) if changed else snapshot
        return tuple(self.render(_with_month(alert, judged), snapshot.time_zone) for alert in changed)

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with the statuses as the alerts that stand now decide them."""
        standing_now = map(standing, self.state.open)
        return decided(snapshot, standing_now, self._settings.levels, self._settings.minimum)

    def _count_ended_crisis(self, snapshot: Snapshot) -> None:
        """Give a crisis that a person has just ended the figures of this moment, for the message of its end."""
        if self.state.crisis is not None:
            return
        episodes = tuple(
            structs.replace(episode, figures=of_crisis(snapshot, self._settings, episode.figures.crisis).figures)
            if episode.figures.crisis is not None
            else episode
            for episode in self.state.episodes
        )
        self.state = structs.replace(self.state, episodes=episodes)

    def render(self, alert: Alert, zone: str, now: datetime | None = None) -> Alert:
        message = Message(alert, zone, self._language, now)
        return structs.replace(alert, title=message.title, text=message.body)

    def dated(self, alert: Alert, zone: str, now: datetime) -> Alert:
        """Return an alert as it was sent, with its day in the title where that is not today."""
        return structs.replace(alert, title=dated(alert, now, zone, self._language))

    def open(self, snapshot: Snapshot) -> tuple[Alert, ...]:
        """Return the alerts that stand, worst first, with texts that fit this moment."""
        judged = self._judged(snapshot) if self.state.open else snapshot
        alerts = (_with_month(standing(episode), judged) for episode in self.state.open)
        return tuple(self.render(alert, snapshot.time_zone, snapshot.at) for alert in alerts)

    def in_words(self, snapshot: Snapshot, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        """Return the alerts that stand, rendered with the numbers and the status of the snapshot beside which they are
        shown.

        An alert on a target is left out when that target's status has become `ok` or its period lost since the last
        round.
        """
        alerts = tuple(alerts)
        measurements = {
            (topic(measurement.kind), measurement.queue, measurement.period): measurement
            for measurement in as_known(
                snapshot, self._settings, self.state.crisis, names={alert.queue for alert in alerts}
            )
        }
        faces = {face.name: face for face in scopes(snapshot)}
        told = []
        for alert in alerts:
            measurement, face = measurements.get((topic(alert.kind), alert.queue, alert.period)), faces.get(alert.queue)
            shown, blind = alert, face is not None and is_blind(face)
            if measurement is not None:
                shown = _as_read(alert, measurement, self._settings, blind)
            elif face is not None and topic(alert.kind) in _FORETOLD:
                figures = figures_now(snapshot, face, alert.kind, alert.period, self._settings)
                figures = structs.replace(figures, also=alert.figures.also)
                lower = alert.lower and not blind
                shown = structs.replace(alert, label=face.label or alert.label, figures=figures, lower=lower)
            if topic(alert.kind) == TARGET and face is not None and measurement is not None and not blind:
                verdict = face.verdict if alert.period == DAY else face.verdicts.get(alert.period, face.verdict)
                if verdict.status is Status.OK or verdict.reason is StatusReason.PERIOD_LOST:
                    continue
                shown = _as_judged(shown, verdict)
            told.append(self.render(_with_month(shown, snapshot), snapshot.time_zone, snapshot.at))
        return tuple(told)


def _with_month(alert: Alert, judged: Snapshot) -> Alert:
    """Return an alert on a day with what the status of the month, in a judged snapshot, says of whether it bears it."""
    if topic(alert.kind) != TARGET or alert.period != DAY:
        return alert
    face = next((face for face in scopes(judged) if face.name == alert.queue), None)
    month = None if face is None else month_standing(face, judged.target)
    return structs.replace(alert, figures=structs.replace(alert.figures, month=month))


def _as_read(alert: Alert, measurement: Measurement, settings: AlertSettings, blind: bool) -> Alert:
    """Return the alert with the present label and figures, and with whether its trouble is less now than its level.

    A trouble that came back before its alert had ended is dated from its return, as its figures are; a silence from the
    last sign, the moment that every face names. Of a queue without data nobody can say that its trouble is less.
    """
    level = policy(measurement, settings).level(measurement.value)
    lower = not blind and (level is None or SEVERITY[level] < SEVERITY[alert.level])
    if alert.kind is AlertKind.LONG_WAIT:  # a caller who may have left unseen is no reason to say that nobody waits
        lower = lower and (measurement.figures.oldest_wait_seconds or 0.0) <= settings.long_wait_seconds
    began = measurement.figures.since
    came_back = not lower and began is not None and began > alert.at and alert.kind is not AlertKind.CRISIS
    is_silence = not lower and alert.kind is AlertKind.SOURCE_SILENT
    return structs.replace(
        alert,
        at=began if began is not None and (came_back or is_silence) else alert.at,
        label=measurement.label,
        figures=structs.replace(measurement.figures, also=alert.figures.also),
        lower=lower,
    )


def _as_judged(alert: Alert, verdict: Verdict) -> Alert:
    """Return the alert as "at risk" or "out of reach", whichever the status of its period says now."""
    if verdict.status is Status.OUT_OF_REACH:
        lost = AlertKind.TARGET_OUT_OF_REACH, AlertReason.CANNOT_BE_REACHED
        return structs.replace(alert, kind=lost[0], reason=lost[1])
    return structs.replace(alert, kind=AlertKind.TARGET_AT_RISK, reason=AlertReason.CHANCE_OF_MISSING)


class AlertRound:
    """The live alert round: it evaluates, saves, hands over to the dispatcher, and verifies acknowledgement links."""

    def __init__(
        self,
        watch: AlertEngine,
        figures: Figures,
        clock: Clock,
        store: AlertStore,
        dispatcher: Dispatcher,
        *,
        link: str = "",
        heartbeat_at: time | None = None,
    ) -> None:
        self._watch = watch
        self._figures = figures
        self._clock = clock
        self._store = store
        self._dispatcher = dispatcher
        self._link = link.rstrip("/")
        self._heartbeat_at = heartbeat_at
        self._secret = secrets.token_bytes(32)
        self._alerts: dict[str, Alert] = {}
        self._standing: tuple[Alert, ...] = ()
        self._raised: Counter[tuple[str, str]] = Counter()
        self._written = b""
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Load the state, the alerts and the secret of the process before this one. Raises `StoreError`."""
        since = self._clock.now() - REMEMBERED
        known = await self._store.load_alerts(since)
        if await self._dispatcher.catch_up(known.state):
            known = await self._store.load_alerts(since)
        if known.state is not None:
            try:
                self._watch.resume(State.decode(known.state))
            except msgspec.DecodeError as error:
                log.warning("alert state of another version is let go: %s", error)
        began = min((episode.since for episode in self._watch.state.open), default=since)
        if began < since:  # what was said of an alert that still stands, such as a month's, is known however old it is
            known = await self._store.load_alerts(began)
        self._alerts = {alert.episode: alert for alert in known.alerts}
        self._standing = self._watch.open(self._figures.latest())
        self._secret = known.secret or self._secret  # before the notices, which carry links
        self._dispatcher.recall(known)
        self._dispatcher.follow(self._standing)
        self._dispatcher.try_again(self._standing)
        if known.secret is None:
            await self._dispatcher.save(AlertBatch(secret=self._secret))

    async def run(self) -> None:
        """Evaluate every half minute until cancelled."""
        while True:
            await self._clock.sleep(max(ROUND_SECONDS, self._clock.rate))
            await self.evaluate()

    async def evaluate(self) -> tuple[Alert, ...]:
        """Make one round and return its changes. State and notices are saved together, so that no notice is made
        twice.
        """
        async with self._looking:
            return await self._look()

    async def _look(self) -> tuple[Alert, ...]:
        snapshot = self._figures.latest()
        changed = self._watch.evaluate(snapshot)
        changed = (*changed, *self._heartbeats(snapshot))
        standing = self._watch.open(snapshot)
        self._dispatcher.follow(standing)
        planned = self._dispatcher.plan(changed)
        state = self._watch.state.encode()
        if changed or state != self._written:
            self._written = state
            await self._dispatcher.save(structs.replace(planned, state=state, alerts=changed))
        for alert in changed:
            before, self._alerts[alert.episode] = self._alerts.get(alert.episode), alert
            self._count(before, alert)
            log.info(
                "alert change=%s kind=%s level=%s queue=%s notified=%s episode=%s",
                *(alert.change.value, alert.kind.value, alert.level.value, alert.queue or "-"),
                *(alert.notified, alert.episode),
            )
        self._alerts = {
            episode: alert
            for episode, alert in self._alerts.items()
            if snapshot.at - alert.at < REMEMBERED or alert.change is not AlertChange.CLEARED
        }
        self._standing = standing
        return changed

    def _count(self, before: Alert | None, alert: Alert) -> None:
        """Count an alert once for each kind and level that it comes to: most alarms begin as warnings."""
        is_other = before is not None and (before.kind, before.level) != (alert.kind, alert.level)
        if alert.change is AlertChange.RAISED or (alert.change is AlertChange.UPDATED and is_other):
            self._raised[alert.kind.value, alert.level.value] += 1

    def in_words(self, snapshot: Snapshot, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        return self._watch.in_words(snapshot, alerts)

    def now(self) -> AlertsNow:
        """Return the alerts that stand and the counts of those raised and sent, for wallboard, API and metrics."""
        return AlertsNow(
            open=self._standing,
            acknowledgements=self._dispatcher.acknowledgements(self._standing),
            raised=dict(self._raised),
            notifications=dict(self._dispatcher.counted),
            undelivered=self._dispatcher.undelivered,
            crisis=self._watch.state.crisis,
            banner=self.banner,
        )

    # ---- a crisis, which a person declares and ends

    @property
    def crisis(self) -> Crisis | None:
        return self._watch.state.crisis

    async def declare(self, crisis: Crisis) -> None:
        """Declare a crisis and evaluate at once. Until it ends, its messages include what else goes wrong.

        A crisis that stands already is kept.
        """
        if self._watch.state.crisis is None:
            self._watch.resume(structs.replace(self._watch.state, crisis=crisis))
            await self.evaluate()

    async def end_crisis(self) -> None:
        self._watch.resume(structs.replace(self._watch.state, crisis=None))
        await self.evaluate()

    # ---- the lead's banner on the walls

    @property
    def banner(self) -> Banner | None:
        """Return the banner that is shown now, or None after its end."""
        banner = self._watch.state.banner
        return banner if banner is not None and self._clock.now() < banner.until else None

    async def show_banner(self, banner: Banner | None) -> None:
        """Show this banner in place of any other; None removes it."""
        self._watch.resume(structs.replace(self._watch.state, banner=banner))
        await self.evaluate()

    # ---- a daily sign of life, where the settings ask for one

    def _heartbeats(self, snapshot: Snapshot) -> Iterator[Alert]:
        """Yield the sign of life that is due, and an alarm to everybody when it could not be delivered by a channel."""
        if self._heartbeat_at is None:
            return
        zone = ZoneInfo(snapshot.time_zone)
        due = datetime.combine(snapshot.at.astimezone(zone).date(), self._heartbeat_at, zone)
        episode = hashlib.sha256(f"heartbeat {due.isoformat()}".encode()).hexdigest()[:16]
        if due <= snapshot.at < due + HEARTBEAT_LATE and episode not in self._alerts:
            yield self._heartbeat(snapshot, episode, AlertChange.UPDATED, AlertReason.ALIVE)
        lost: dict[str, set[str]] = {}
        for notice in self._dispatcher.lost_heartbeats:
            lost.setdefault(notice.alert.episode, set()).add(notice.channel)
        for episode, channels in lost.items():
            known, named = self._alerts.get(episode), ", ".join(sorted(channels))
            if known is not None and known.figures.channel != named:
                change = AlertChange.RAISED if known.reason is AlertReason.ALIVE else AlertChange.UPDATED
                yield self._heartbeat(snapshot, episode, change, AlertReason.NOT_DELIVERED, named)

    def _heartbeat(
        self, snapshot: Snapshot, episode: str, change: AlertChange, reason: AlertReason, channel: str = ""
    ) -> Alert:
        alert = Alert(
            episode=episode,
            at=snapshot.at,
            queue="",
            label=snapshot.organisation,
            kind=AlertKind.HEARTBEAT,
            period="day",
            level=AlertLevel.ALARM,
            change=change,
            reason=reason,
            figures=AlertFigures(target=snapshot.target, channel=channel),
            notified=NotifyReason.ALARM.value,
        )
        return self._watch.render(alert, snapshot.time_zone)

    # ---- acknowledging

    def sign(self, episode: str, recipient: str) -> str:
        """Return the signed link of an episode for one recipient; whoever has it may acknowledge, and nobody can
        guess it.
        """
        if not self._link:
            return ""
        about = f"{episode}.{urlsafe_b64encode(recipient.encode()).decode().rstrip('=')}"
        return f"{self._link}/alerts/{about}.{self._signature(about)}"

    def _signature(self, about: str) -> str:
        return hmac.new(self._secret, about.encode(), "sha256").hexdigest()[:32]

    def find(self, link: str) -> tuple[Alert, str] | None:
        about, _, signature = link.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(about).encode()):
            return None
        episode, _, name = about.partition(".")
        alert = self._alerts.get(episode)
        if alert is None:
            return None
        alert = self._watch.dated(self._goes_on_as(alert), self._figures.latest().time_zone, self._clock.now())
        return alert, urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()

    def _goes_on_as(self, alert: Alert) -> Alert:
        """Return the alert as which another goes on: that of the pool its queue has joined, or that of today.

        An alert that goes on as no other is returned itself.
        """
        if alert.reason not in (AlertReason.JOINED, AlertReason.ITS_DAY_HAS_PASSED):
            return alert
        same = (
            one
            for one in self._standing
            if topic(one.kind) == topic(alert.kind)
            and one.period == alert.period
            and bool(one.queue) == bool(alert.queue)
            and set(alert.queues) <= set(one.queues)
        )
        return next(same, alert)

    def is_acknowledged(self, alert: Alert) -> bool:
        return alert.episode in self._dispatcher.acknowledged

    async def acknowledge(self, alert: Alert, by: str = "") -> None:
        await self._dispatcher.acknowledge(alert.episode, by)
