"""Makes the alerts from the settings: rules, recipients and channels, and the live round."""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from msgspec import structs

from alerts import notifiers
from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.message import Message
from alerts.people import PATIENCE, Channel, Recipient, RetryPolicy
from alerts.rules import DEFAULTS, AlertSettings
from alerts.unsaved import UnsavedFile
from queue_monitor.config import AlertChannel, AlertRecipient, AlertsSettings, Config, ConfigError, Mistake, one_of
from queue_monitor.core.assessment import decided
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    AlertsNow,
    CalendarDay,
    DifferenceRecord,
    Disagreement,
    ImportRecord,
    Level,
    LostCall,
    Notice,
    Period,
    RepeatDay,
    Snapshot,
    StoredCall,
    TransferWaits,
    WeekSlot,
)
from queue_monitor.ports import AlertHistory, AlertStore, Clock, DeliveryError, Endpoint, Figures, Notifier

NOTIFIERS: Final = "queue_monitor.notifiers"
"""The group of entry points under which another package names its kinds of channel."""


class Alerting:
    """The alert round and the dispatcher of one service, with the figures that include the alerts, and their record."""

    def __init__(
        self, watch: AlertRound, dispatcher: Dispatcher, figures: "AlertedFigures", history: AlertHistory
    ) -> None:
        self.round = watch
        self.dispatcher = dispatcher
        self.figures = figures
        self.history = history


class AlertedFigures:
    """The pipeline's `ports.Figures` as they are published: each snapshot with the alerts that stand.

    The status of every target is decided here and nowhere else. The rules read measurements and forecasts; every page
    reads the status, and the texts of the alerts follow it.
    """

    def __init__(self, figures: Figures, settings: AlertSettings = DEFAULTS, watch: AlertRound | None = None) -> None:
        self._figures = figures
        self._settings = settings
        self._watch = watch
        self._plain: Snapshot | None = None
        self._alerts = AlertsNow()
        self._shown: Snapshot | None = None

    def latest(self) -> Snapshot:
        plain = self._figures.latest()
        alerts = self._watch.now() if self._watch else AlertsNow()
        if self._shown is None or plain is not self._plain or alerts != self._alerts:
            self._plain, self._alerts = plain, alerts
            self._shown = published(plain, alerts, self._settings, self._watch)
        return self._shown

    async def changes(self) -> AsyncIterator[Snapshot]:
        async for _ in self._figures.changes():
            yield self.latest()

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        return await self._figures.intervals(start, end, step, level, queue)

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        return await self._figures.week_map(start, end, queue)

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return await self._figures.imports(first, last)

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return await self._figures.repeat_callers(first, last)

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        return await self._figures.lost_calls(start, end, queue)

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        return await self._figures.transfer_waits(start, end, queue)

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return await self._figures.disagreements(start, end)

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        return await self._figures.differences(first, last)

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        return await self._figures.calls(start, end, queue, after, limit)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        return self._figures.calendar(first, last, queue)


def published(
    plain: Snapshot, alerts: AlertsNow, settings: AlertSettings, watch: AlertEngine | AlertRound | None
) -> Snapshot:
    """Return a snapshot as every page shows it: with its alerts, and the status of every target decided with them."""
    judged = decided(plain, alerts.open, settings.levels, settings.minimum)
    if watch is not None and alerts.open:
        alerts = structs.replace(alerts, open=watch.in_words(judged, alerts.open))
    return structs.replace(judged, alerts=alerts)


def settings_of(config: Config) -> AlertSettings:
    """Return the settings of the alert rules."""
    written = structs.asdict(config.alerts)
    same = {name: written[name] for name in AlertSettings.__struct_fields__ if name in written}
    return AlertSettings(levels=config.alerts.levels, **same)


def alerting(
    config: Config,
    figures: Figures,
    clock: Clock,
    store: AlertStore,
    *,
    sending: bool = True,
    unsaved: Path | None = None,
) -> Alerting:
    """Return all parts of the alerts. With `sending` off, as for a recording, no message is sent.

    `unsaved`: the file of what the store has not taken; None for none.
    Raises `ConfigError` where a channel's address cannot be read.
    """
    wanted = config.alerts
    signed: list[AlertRound] = []
    dispatcher = Dispatcher(
        [_channel(channel, config) for channel in wanted.channels] if sending else [],
        [_recipient(person) for person in wanted.recipients] if sending else [],
        store,
        clock,
        config.zone,
        patience=_patience(wanted),
        escalate_to=wanted.escalate_to if sending else "",
        sign=lambda episode, recipient: signed[0].sign(episode, recipient),
        unsaved=None if unsaved is None else UnsavedFile(unsaved),
    )
    watch = AlertRound(
        AlertEngine(settings_of(config), config.organisation.language),
        figures,
        clock,
        store,
        dispatcher,
        link=wanted.link,
        heartbeat_at=wanted.heartbeat if sending else None,
    )
    signed.append(watch)
    return Alerting(watch, dispatcher, AlertedFigures(figures, settings_of(config), watch), store)


def channel_mistakes(config: Config) -> list[Mistake]:
    """Return a mistake for every channel whose address cannot be used."""
    found: list[Mistake] = []
    for channel in config.alerts.channels:
        try:
            _channel(channel, config)
        except ConfigError as error:
            found += error.mistakes
    return found


async def send_tests(config: Config, now: datetime, wanted: str = "") -> list[tuple[str, str]]:
    """Send a test through every channel, or the wanted one, to each of its addresses.

    Returns "" for an address that accepted it, else the error, by the address's name. Raises `ConfigError` where there
    is no such channel.
    """
    chosen = [channel for channel in config.alerts.channels if wanted in ("", channel.name)]
    if not chosen:
        known = [channel.name for channel in config.alerts.channels]
        names = one_of(known) if known else "one in [[alerts.channels]]"
        raise ConfigError([Mistake("alerts.channels", f'no channel "{wanted}"' if wanted else "no channel", names)])
    found = []
    for channel in (_channel(each, config) for each in chosen):
        for place, notifier in enumerate(channel.notifiers):
            where = f"{channel.name}, address {place + 1}" if len(channel.notifiers) > 1 else channel.name
            try:
                async with asyncio.timeout(PATIENCE.send_seconds):
                    await notifier.send(_test_notice(config, channel.name, now))
            except DeliveryError as error:
                found.append((where, str(error).removeprefix(f"{channel.name}: ")))
            except TimeoutError:
                found.append((where, f"no answer in {PATIENCE.send_seconds:g} s"))
            else:
                found.append((where, ""))
    return found


def _test_notice(config: Config, channel: str, now: datetime) -> Notice:
    alert = Alert(
        episode="test",
        at=now,
        queue="",
        label=config.organisation.name,
        kind=AlertKind.HEARTBEAT,
        period="day",
        level=AlertLevel.ALARM,
        change=AlertChange.UPDATED,
        reason=AlertReason.TEST,
        figures=AlertFigures(target=config.target, channel=channel),
    )
    message = Message(alert, config.organisation.time_zone, config.organisation.language)
    told = structs.replace(alert, title=message.title, text=message.body)
    until = now + timedelta(hours=1)
    return Notice(id="test", alert=told, recipient="", channel=channel, made_at=now, due_at=now, expires_at=until)


def _channel(channel: AlertChannel, config: Config) -> Channel:
    """Make a channel's notifiers; their kind is imported only now. Raises `ConfigError` for the kind or the address."""
    module = _module_of(channel)
    zone, language = config.organisation.time_zone, config.organisation.language
    try:
        addresses = cast("tuple[Notifier, ...]", module.build(channel.name, str(channel.url), zone, language))
    except ValueError as error:
        found = f"the url of {channel.name}: {error}"
        raise ConfigError([Mistake("alerts.channels", found, f"an address of kind {channel.kind}")]) from error
    mirrors = bool(getattr(module, "MIRRORS", False))
    return Channel(name=channel.name, notifiers=addresses, fallback=channel.fallback, mirrors=mirrors)


def endpoints_of(channel: AlertChannel) -> tuple[Endpoint, ...]:
    """Return where a channel's messages go first, as far as its kind can say; nothing is sent. Raises `ConfigError`."""
    endpoints = getattr(_module_of(channel), "endpoints", None)
    return () if endpoints is None else cast("tuple[Endpoint, ...]", endpoints(str(channel.url)))


def notifier_kinds() -> list[str]:
    """Return every kind of channel that a config can name: our own files, and those that others have installed."""
    own = {module.name for module in pkgutil.iter_modules(notifiers.__path__)}
    return sorted(own | {point.name for point in entry_points(group=NOTIFIERS)})


def _module_of(channel: AlertChannel) -> ModuleType:
    if channel.kind.isidentifier() and channel.kind in {each.name for each in pkgutil.iter_modules(notifiers.__path__)}:
        return importlib.import_module(f"alerts.notifiers.{channel.kind}")
    for point in entry_points(group=NOTIFIERS):
        if point.name == channel.kind:
            return cast(ModuleType, point.load())
    found = f'"{channel.kind}" as the kind of {channel.name}'
    raise ConfigError([Mistake("alerts.channels", found, one_of(notifier_kinds()))])


def _recipient(person: AlertRecipient) -> Recipient:
    quiet = None
    if person.quiet_from is not None and person.quiet_to is not None:
        quiet = (person.quiet_from, person.quiet_to)
    return Recipient(
        name=person.name,
        channel=person.channel,
        kinds=frozenset(person.kinds),
        queues=frozenset(person.queues),
        quiet=quiet,
        only_escalations=person.only_escalations,
    )


def _patience(wanted: AlertsSettings) -> RetryPolicy:
    return RetryPolicy(
        tries=wanted.tries,
        give_up_after=timedelta(minutes=wanted.give_up_after_minutes),
        escalate_after=timedelta(minutes=wanted.escalate_after_minutes),
    )
