"""Alertmanager shows what stands here: every alert that it was sent ends there when it ends here."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.episodes import State
from alerts.notifiers import alertmanager as alertmanager_notifier
from alerts.people import Channel, Recipient
from alerts.rules import AlertSettings
from queue_monitor.app.alerting import _channel
from queue_monitor.clock import SystemClock
from queue_monitor.model import AlertChange, Crisis, Notice, StatusReason
from queue_monitor.store import SqlStore
from tests.alerts.moments import CLOSES, at, queue, risk, snapshot
from tests.alerts.receivers import alertmanager, receiver, until
from tests.alerts.test_contract import with_channel
from tests.alerts.test_dispatch import CHIEF, LEAD, FakeNotifier, Office, alert_of, down
from tests.alerts.test_engine import Process
from tests.alerts.test_real_delivery import ZONE
from tests.alerts.test_real_delivery import notice as real_notice
from tests.scenario import STOCKHOLM

# Apprise looks for this module of Python's at its first use; it is gone in 3.13, and Apprise does without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
DAY = 24 * 60


class Mirror(FakeNotifier):
    """Keeps what Alertmanager would be sent, and what stands there by it."""

    def __init__(self) -> None:
        super().__init__()
        self._notifier = alertmanager_notifier.build("am", "http://127.0.0.1:1", ZONE, "sv")[0]
        self.standing: dict[tuple[tuple[str, str], ...], str] = {}

    async def send(self, notice: Notice) -> None:
        await super().send(notice)
        entry: dict[str, Any] = self._notifier.render(notice)[0]
        labels = tuple(sorted(entry["labels"].items()))
        if notice.alert.change is AlertChange.CLEARED:
            assert labels in self.standing, "what was never sent does not end"
            del self.standing[labels]
        else:
            self.standing[labels] = entry["annotations"]["summary"]


class Mirrored(Process):
    """One run of the monitor with Alertmanager as its only channel."""

    def __init__(self, store: SqlStore, mirror: Mirror | None = None) -> None:
        super().__init__(store)
        self.mirror = mirror or Mirror()
        channel = Channel(name="am", notifiers=(self.mirror,), mirrors=True)
        self.dispatcher = Dispatcher([channel], [Recipient(name="am", channel="am")], store, self.clock, STOCKHOLM)
        self.round = AlertRound(
            AlertEngine(AlertSettings(), "sv"), self.figures, self.clock, store, self.dispatcher, link=""
        )

    @property
    def agrees(self) -> bool:
        """Whether as many alerts stand there as here that people were told of."""
        told = [alert for alert in self.round.now().open if alert.notified == "alarm"]
        return len(self.mirror.standing) == len(told)


async def test_an_alarm_that_closing_time_ends_ends_in_alertmanager(store: SqlStore) -> None:
    """A long wait of 16.50 does not stand there until the evening after."""
    monitor = Mirrored(store)
    for minute in range(530, 560):
        await monitor.see(snapshot(at(minute), waits=(650.0,) if minute < 541 else ()))
        assert monitor.agrees, minute

    assert [notice.alert.change.value for notice in monitor.mirror.sent] == ["raised", "cleared"]
    assert monitor.mirror.sent[-1].alert.reason.value == "day_ended"


async def test_an_alarm_that_midnight_ends_ends_in_alertmanager(store: SqlStore) -> None:
    """A switch that is away over the night has one alarm a day there, not two at once."""
    monitor = Mirrored(store)
    away = StatusReason.SOURCE_DOWN
    for minute in (*range(60, 70), *range(DAY - 500, DAY - 400, 10), *range(DAY, DAY + 10)):
        await monitor.see(snapshot(at(minute), no_data_reason=away))
        assert monitor.agrees, minute


async def test_an_alarm_of_a_queue_that_joins_a_pool_ends_under_the_labels_it_began_with(store: SqlStore) -> None:
    """A joined queue's alarm stands once there, and both alarms end."""
    monitor = Mirrored(store)
    for minute in (60, 61):
        now = at(minute)
        await monitor.see(snapshot(now, queue(now, "a", risk=risk(0.97)), queue(now, "b", risk=risk(0.97))))
    assert len(monitor.mirror.standing) == 2
    for minute in range(62, 100):
        now = at(minute)
        pool = queue(now, "a + b", risk=risk(0.97 if minute < 70 else 0.1))
        await monitor.see(snapshot(now, queue(now, "a"), queue(now, "b"), pools=(pool,)))
        assert monitor.agrees, minute

    assert monitor.mirror.standing == {}


async def test_an_alarm_of_a_pool_that_falls_apart_ends_under_the_labels_it_began_with(store: SqlStore) -> None:
    """A queue that leaves the pool takes the alarm along, and it ends there as the pool's."""
    monitor = Mirrored(store)
    now = at(60)
    pool = queue(now, "a + b", risk=risk(0.97))
    await monitor.see(snapshot(now, queue(now, "a"), queue(now, "b"), pools=(pool,)))
    for minute in range(61, 90):
        now = at(minute)
        await monitor.see(snapshot(now, queue(now, "a", risk=risk(0.1)), queue(now, "b", risk=risk(0.1))))

    assert monitor.mirror.standing == {}


async def test_an_alarm_keeps_its_labels_over_a_restart(store: SqlStore) -> None:
    """The queue in which an alarm began is in the state."""
    first = Mirrored(store)
    now = at(60)
    await first.see(snapshot(now, queue(now, "a", risk=risk(0.97)), queue(now, "b")))
    second = Mirrored(store, first.mirror)
    await second.round.start()
    for minute in range(61, 90):
        now = at(minute)
        pool = queue(now, "a + b", risk=risk(0.1))
        await second.see(snapshot(now, queue(now, "a"), queue(now, "b"), pools=(pool,)))

    assert second.mirror.standing == {}


async def test_a_crisis_that_is_told_anew_after_a_day_stands_once_in_alertmanager(store: SqlStore) -> None:
    """The episode of yesterday ends there when that of today begins."""
    monitor = Mirrored(store)
    monitor.round._watch.resume(State(crisis=Crisis(since=at(60), reason="strömavbrott")))
    for minute in (60, 61, *range(DAY, DAY + 130, 10)):
        await monitor.see(snapshot(at(minute)))
        assert monitor.agrees, minute
    monitor.round._watch.resume(structs.replace(monitor.round._watch.state, crisis=None))
    await monitor.see(snapshot(at(DAY + 140)))

    assert monitor.mirror.standing == {}


async def test_people_are_not_told_that_it_has_closed() -> None:
    """Only systems that show what stands are sent an end that is no news."""
    office = await Office().tell()
    office.clock.advance_to(CLOSES)
    await office.tell(AlertChange.CLEARED, notified="closed")

    assert (office.sms.said, office.mail.said) == (["raised"], [])


async def mirrored(**more: Any) -> tuple[Office, Mirror]:
    """An office whose first channel falls back on Alertmanager."""
    mirror = Mirror()
    office = Office(mail=mirror, **more)
    office.dispatcher._channels["mejl"] = Channel(name="mejl", notifiers=(mirror,), fallback="sms", mirrors=True)
    return office, mirror


@pytest.mark.parametrize("notified", ["over", "closed", "too_old", "joined"])
async def test_an_alarm_that_alertmanager_was_sent_in_another_channels_place_ends_there(notified: str) -> None:
    """The end goes to people by their own channel and to Alertmanager too, each once."""
    office, mirror = await mirrored(sms=FakeNotifier(down(permanent=True)))
    await office.tell()
    await office.wait(1)
    assert len(mirror.standing) == 1
    await office.tell(AlertChange.CLEARED, notified=notified)
    await office.wait(5)

    assert mirror.standing == {}
    assert mirror.said == ["raised", "cleared"]
    assert office.sms.said == (["cleared"] if notified == "over" else [])


async def test_an_alarm_that_alertmanager_never_had_does_not_end_there() -> None:
    """A message that still waits when its alert ends is never sent."""
    office, mirror = await mirrored(sms=FakeNotifier(*[down()] * 9))
    await office.tell()
    await office.tell(AlertChange.CLEARED, notified="closed")
    await office.wait(30)

    assert mirror.sent == []


async def test_an_escalation_that_went_to_alertmanager_ends_there_once() -> None:
    """An alarm that was sent there twice, anew and escalated, is one alarm and has one end."""
    office, mirror = await mirrored(recipients=[LEAD, CHIEF], escalate_to="enhetschef")
    await office.tell()
    await office.wait(20)
    await office.tell(AlertChange.CLEARED, notified="closed")
    await office.wait(5)

    assert mirror.said == ["raised", "cleared"]
    assert office.sms.said == ["raised"]


async def test_an_end_that_alertmanager_does_not_take_at_once_is_tried_again() -> None:
    """It is a notice like any other."""
    office, mirror = await mirrored(recipients=[structs.replace(LEAD, channel="mejl")])
    await office.tell()
    mirror.answers = [down()]
    mirror.send = _stumbling(mirror)  # type: ignore[method-assign]
    await office.tell(AlertChange.CLEARED, notified="closed")
    await office.wait(5)

    assert mirror.standing == {}


@pytest.mark.parametrize("minutes", [3, 40, 300])
@pytest.mark.parametrize("notified", ["over", "closed"])
async def test_an_end_reaches_an_alertmanager_that_was_away_for_longer_than_a_few_tries(
    minutes: int, notified: str
) -> None:
    """An end that was given up would leave the alarm firing there for a day."""
    office, mirror = await mirrored(recipients=[structs.replace(LEAD, channel="mejl")])
    await office.tell()
    away = _away(mirror)
    await office.tell(AlertChange.CLEARED, notified=notified)
    await office.wait(minutes)
    assert len(mirror.standing) == 1
    away.clear()
    await office.wait(6)

    assert mirror.standing == {}
    assert office.sms.sent == []
    assert office.dispatcher.undelivered == 0


async def test_an_alarm_reaches_an_alertmanager_that_was_away_for_some_minutes() -> None:
    """Without another way it is tried until it is too old."""
    office, mirror = await mirrored(recipients=[structs.replace(LEAD, channel="mejl")])
    office.dispatcher._channels["mejl"] = Channel(name="mejl", notifiers=(mirror,), mirrors=True)
    away = _away(mirror)
    await office.tell()
    await office.wait(20)
    away.clear()
    await office.wait(6)

    assert len(mirror.standing) == 1


async def test_an_alarm_goes_another_way_after_a_few_tries_also_from_alertmanager() -> None:
    """Where the settings name a fallback, it is not waited for."""
    office, mirror = await mirrored(recipients=[structs.replace(LEAD, channel="mejl")])
    _away(mirror)
    await office.tell()
    await office.wait(5)

    assert office.sms.said == ["raised"]


def _away(mirror: Mirror) -> list[bool]:
    """Let nothing through until the list is emptied."""
    away, sends = [True], Mirror.send

    async def send(notice: Notice) -> None:
        if away:
            raise down("unreachable")
        await sends(mirror, notice)

    mirror.send = send  # type: ignore[method-assign]
    return away


def _stumbling(mirror: Mirror) -> Any:
    sends = Mirror.send

    async def send(notice: Notice) -> None:
        if mirror.answers:
            raise mirror.answers.pop(0) or RuntimeError
        await sends(mirror, notice)

    return send


def test_the_kind_of_alertmanager_is_one_that_shows_what_stands() -> None:
    """The settings make its channel one that is sent every end, and a mail's not."""
    assert _channel_of("alertmanager", "http://127.0.0.1:9093").mirrors
    assert not _channel_of("apprise", "json://127.0.0.1:9/").mirrors


def _channel_of(kind: str, url: str) -> Channel:
    config = with_channel(kind, url)
    return _channel(config.alerts.channels[0], config)


@pytest.mark.parametrize("ahead", [0, 10])
async def test_a_real_alertmanager_resolves_an_alarm_whose_queue_has_joined_a_pool(tmp_path: Path, ahead: int) -> None:
    """Its label set is what it knows an alarm by; its clock may be some seconds behind."""
    began = SystemClock().now()
    with receiver() as hook, alertmanager(tmp_path, hook.address) as running:
        notifier = alertmanager_notifier.build("am", running.url, ZONE, "sv")[0]
        one = real_notice(moment=began)
        alone = structs.replace(one.alert, queue="a", queues=("a",), first_queue="a")
        await notifier.send(structs.replace(one, alert=alone))
        until(lambda: hook.got, "the alarm")
        joined = alert_of(AlertChange.CLEARED, at=began + timedelta(seconds=ahead), title="över", text="")
        joined = structs.replace(joined, queue="a + b", queues=("a", "b"), first_queue="a")
        await notifier.send(structs.replace(one, alert=joined))
        until(lambda: any(got["status"] == "resolved" for got in hook.got), "its end")
