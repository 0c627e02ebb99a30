"""The counts of alerts in /metrics, and the alarm that names every channel by which nothing gets through."""

from datetime import time

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.people import Channel, Recipient
from alerts.rules import AlertSettings
from queue_monitor.model import AlertKind
from queue_monitor.ports import DeliveryError
from queue_monitor.store import SqlStore
from tests.alerts.moments import at, risk, snapshot
from tests.alerts.test_dispatch import REFUSED, FakeNotifier, Shared
from tests.alerts.test_engine import Process
from tests.scenario import STOCKHOLM

DEAD = DeliveryError("away", reason="unreachable", permanent=True)
SLOW = DeliveryError("away", reason="timeout")
BEATS = frozenset({AlertKind.HEARTBEAT})


async def test_a_warning_that_becomes_an_alarm_counts_once_at_each_level(store: SqlStore) -> None:
    """Most alarms begin as warnings, and a planner who counts alarms finds them."""
    monitor = Process(store)
    for minute, wait in enumerate((290, 320, 500, 610, 700, 620, *[0] * 8)):
        await monitor.see(snapshot(at(60 + minute), waits=(float(wait),)))

    assert monitor.round.now().raised == {("long_wait", "warning"): 1, ("long_wait", "alarm"): 1}


async def test_a_day_that_cannot_be_saved_counts_as_one_that_was_lost(store: SqlStore) -> None:
    """A lost day begins as one at risk, and has its own count too."""
    monitor = Process(store)
    for minute in range(60, 70):
        await monitor.see(snapshot(at(minute), risk=risk(0.99, reachable=minute < 62)))

    assert monitor.round.now().raised == {("target_at_risk", "alarm"): 1, ("target_out_of_reach", "alarm"): 1}


async def test_an_alarm_that_eases_and_grows_worse_again_counts_once(store: SqlStore) -> None:
    """The same alert at the same level is no other."""
    monitor = Process(store)
    for minute, chance in enumerate([0.97, *[0.5] * 16, *[0.97] * 40]):
        await monitor.see(snapshot(at(60 + minute), risk=risk(chance)))

    assert monitor.round.now().raised == {("target_at_risk", "alarm"): 1}


async def test_what_one_of_two_addresses_did_not_get_counts_as_undelivered_once() -> None:
    """The count is of addresses, as its help says: the message reached the other."""
    shared = Shared(*[REFUSED] * 9)
    shared.dispatcher._channels["mejl"] = Channel(name="mejl", notifiers=(shared.good, shared.bad))
    await shared.tell()

    assert len(shared.good.sent) == 1
    assert shared.dispatcher.undelivered == 1


class Technicians(Process):
    """A lead by SMS, and three technicians, each by a channel of his or her own, with a sign of life at 8.30."""

    def __init__(self, store: SqlStore, **answers: list[Exception]) -> None:
        super().__init__(store)
        self.sms = FakeNotifier()
        ways = {name: FakeNotifier(*answers.get(name, [])) for name in ("mejl", "teams", "ntfy")}
        channels = [Channel(name="sms", notifiers=(self.sms,))]
        channels += [Channel(name=name, notifiers=(way,)) for name, way in ways.items()]
        people = [Recipient(name="lead", channel="sms", kinds=frozenset({AlertKind.LONG_WAIT}))]
        people += [Recipient(name=name, channel=name, kinds=BEATS) for name in ways]
        self.dispatcher = Dispatcher(channels, people, store, self.clock, STOCKHOLM)
        engine = AlertEngine(AlertSettings(), "sv")
        self.round = AlertRound(
            engine, self.figures, self.clock, store, self.dispatcher, link="", heartbeat_at=time(8, 30)
        )

    async def live(self, first: int, last: int) -> list[str]:
        for half in range(first * 2, last * 2):
            await self.see(snapshot(at(half / 2)))
        return [notice.alert.title.partition(": ")[2] for notice in self.sms.sent]


async def test_two_channels_that_fail_at_once_are_named_in_one_message(store: SqlStore) -> None:
    """The lead is told of both, not only of the one that was looked at last."""
    said = await Technicians(store, mejl=[DEAD] * 9, teams=[DEAD] * 9).live(28, 60)

    assert said == ["larm når inte fram via mejl, teams."]


async def test_a_channel_that_fails_later_is_named_too(store: SqlStore) -> None:
    """A channel that is given up after three tries is told after one that refused at once."""
    said = await Technicians(store, mejl=[DEAD] * 9, teams=[SLOW] * 9).live(28, 60)

    assert said == ["larm når inte fram via mejl.", "larm når inte fram via mejl, teams."]


async def test_lost_channels_that_were_named_are_not_named_again_after_a_start(store: SqlStore) -> None:
    """A start knows what was told."""
    first = Technicians(store, mejl=[DEAD] * 9, teams=[DEAD] * 9)
    await first.live(28, 45)
    second = Technicians(store)
    await second.round.start()

    assert await second.live(45, 60) == []
