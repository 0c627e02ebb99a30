"""The live round with its record in a real database: restarted in the middle, put into words, alive every morning."""

from datetime import time
from typing import Any

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.people import Channel, Recipient
from alerts.rules import AlertSettings
from alerts.unsaved import UnsavedFile
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.clock import ManualClock
from queue_monitor.model import AlertBatch, AlertChange, AlertKind, Snapshot
from queue_monitor.ports import AlertStore, DeliveryError
from queue_monitor.store import SqlStore
from tests.alerts.moments import OPENS, at, risk, snapshot
from tests.alerts.test_dispatch import FakeNotifier
from tests.api.sample import FakeFigures
from tests.scenario import STOCKHOLM


class Process:
    """One run of the monitor, as far as alerts go, from its start to its death."""

    def __init__(
        self,
        store: AlertStore,
        notifier: FakeNotifier | None = None,
        unsaved: UnsavedFile | None = None,
        **more: Any,
    ) -> None:
        self.notifier = notifier or FakeNotifier()
        self.clock = ManualClock(OPENS)
        self.figures = FakeFigures(snapshot(OPENS))
        channel = Channel(name="mejl", notifiers=(self.notifier,))
        lead = Recipient(name="lead", channel="mejl")
        self.dispatcher = Dispatcher(
            [channel],
            [lead],
            store,
            self.clock,
            STOCKHOLM,
            sign=lambda *about: self.round.sign(*about),
            unsaved=unsaved,
        )
        watch = AlertEngine(AlertSettings(), "sv")
        link = {"link": "https://monitor.example"}
        self.round = AlertRound(watch, self.figures, self.clock, store, self.dispatcher, **(link | more))

    async def see(self, moment: Snapshot) -> None:
        self.clock.advance_to(moment.at)
        self.figures.show(moment)
        await self.round.evaluate()
        await self.dispatcher.work()


async def test_killed_in_the_middle_of_an_episode_the_next_process_says_nothing_twice_and_nothing_less(
    store: SqlStore,
) -> None:
    first, second = Process(store), Process(store)
    await first.round.start()
    await first.see(snapshot(at(60), risk=risk(0.97)))
    await first.see(snapshot(at(61), risk=risk(0.97)))

    await second.round.start()
    for minute in range(62, 100):
        await second.see(snapshot(at(minute), risk=risk(0.97 if minute < 70 else 0.1)))

    assert [notice.alert.change for notice in first.notifier.sent] == [AlertChange.RAISED]
    assert [notice.alert.change for notice in second.notifier.sent] == [AlertChange.CLEARED]
    (begun,), (over,) = first.notifier.sent, second.notifier.sent
    assert begun.alert.episode == over.alert.episode
    said = begun.alert.episode, begun.recipient
    assert begun.link == first.round.sign(*said) == second.round.sign(*said)
    assert second.round.find(begun.link.rpartition("/")[2]) == (over.alert, begun.recipient)


async def test_what_was_decided_and_not_sent_when_the_process_died_is_sent_by_the_next(store: SqlStore) -> None:
    first, second = Process(store), Process(store)
    await first.round.start()
    first.clock.advance_to(at(60))
    first.figures.show(snapshot(at(60), risk=risk(0.97)))
    await first.round.evaluate()

    await second.round.start()
    await second.see(snapshot(at(61), risk=risk(0.97)))
    await second.see(snapshot(at(62), risk=risk(0.97)))

    assert [notice.alert.change for notice in second.notifier.sent] == [AlertChange.RAISED]


async def test_every_change_is_in_the_record_with_its_words_and_the_reason_why_people_were_told_or_not(
    store: SqlStore,
) -> None:
    monitor = Process(store)
    await monitor.see(snapshot(at(60), risk=risk(0.7)))
    await monitor.see(snapshot(at(61), risk=risk(0.97)))

    written = (await store.load_alerts(OPENS)).alerts

    assert [(alert.notified, alert.title) for alert in written] == [
        ("screen_only", "Kl. 9.00 – Kundcenter: risk att dagsmålet missas."),
        ("alarm", "Kl. 9.01 – Kundcenter: stor risk att dagsmålet missas."),
    ]


async def test_the_faces_are_shown_what_stands(store: SqlStore) -> None:
    monitor = Process(store)
    faces = AlertedFigures(monitor.figures, watch=monitor.round)
    assert faces.latest().alerts.open == ()
    assert faces.latest() is faces.latest()

    await monitor.see(snapshot(at(60), waits=(650.0,), risk=risk(0.7)))

    alerts = faces.latest().alerts
    assert [(alert.kind.value, alert.level.value) for alert in alerts.open] == [
        ("long_wait", "alarm"),
        ("target_at_risk", "warning"),
    ]
    assert alerts.raised == {("long_wait", "alarm"): 1, ("target_at_risk", "warning"): 1}
    assert alerts.notifications == {("mejl", "sent"): 1}


class Kept(Process):
    """A lead by SMS, a technician by mail, and a sign of life for the technician at 8.30."""

    def __init__(self, store: AlertStore, mail: FakeNotifier | None = None) -> None:
        super().__init__(store, heartbeat_at=time(8, 30))
        self.sms, self.mail = FakeNotifier(), mail or FakeNotifier()
        channels = [
            Channel(name="sms", notifiers=(self.sms,)),
            Channel(name="mejl", notifiers=(self.mail,), fallback="sms"),
        ]
        people = [
            Recipient(name="lead", channel="sms"),
            Recipient(name="tekniker", channel="mejl", kinds=frozenset({AlertKind.HEARTBEAT})),
        ]
        self.dispatcher = Dispatcher(channels, people, store, self.clock, STOCKHOLM)
        watch = AlertEngine(AlertSettings(), "sv")
        self.round = AlertRound(
            watch, self.figures, self.clock, store, self.dispatcher, link="https://m.example", heartbeat_at=time(8, 30)
        )

    async def live(self, first: int, last: int) -> None:
        for minute in range(first, last):
            await self.see(snapshot(at(minute)))

    def told(self, notifier: FakeNotifier) -> list[tuple[str, str]]:
        return [(notice.recipient, notice.alert.title) for notice in notifier.sent]


ALIVE = "Kl. 8.30 – Kundcenter: övervakningen är igång."


async def test_a_sign_of_life_is_sent_once_a_day_to_the_technician_alone(store: SqlStore) -> None:
    monitor = Kept(store)
    await monitor.live(0, 120)

    assert monitor.told(monitor.mail) == [("tekniker", ALIVE)]
    assert monitor.told(monitor.sms) == []
    assert monitor.mail.sent[0].link == ""


async def test_a_sign_of_life_that_does_not_get_through_is_told_to_the_lead_once(store: SqlStore) -> None:
    dead = FakeNotifier(*[DeliveryError("away", reason="unreachable")] * 99)
    first, second = Kept(store, dead), Kept(store, dead)
    await first.round.start()
    await first.live(0, 45)
    await second.round.start()
    await second.live(45, 200)

    lost = "Kl. 8.33 – Kundcenter: larm når inte fram via mejl."
    assert first.told(first.sms) == [("lead", lost), ("tekniker", lost)]
    assert second.told(second.sms) == []


async def test_a_monitor_that_was_starting_when_the_sign_of_life_was_due_sends_it_and_one_that_was_away_does_not(
    store: SqlStore,
) -> None:
    starting, away = Kept(store), Kept(store)
    await starting.round.start()
    await starting.live(33, 60)
    await away.round.start()
    await away.live(24 * 60 + 45, 24 * 60 + 60)

    assert len(starting.mail.sent) == 1
    assert away.mail.sent == []


async def test_a_state_that_cannot_be_read_is_let_go_and_the_round_goes_on(store: SqlStore) -> None:
    await store.save_alerts(AlertBatch(state=b"not a state"))
    monitor = Process(store)
    await monitor.round.start()
    await monitor.see(snapshot(at(60), risk=risk(0.97)))

    assert len(monitor.notifier.sent) == 1


async def test_what_was_seen_only_for_a_moment_is_not_remembered_over_a_restart(store: SqlStore) -> None:
    first, second = Process(store), Process(store)
    await first.round.start()
    await first.see(snapshot(at(60), staffed=0, waits=(5.0,)))
    await first.see(snapshot(at(60.5)))

    await second.round.start()
    await second.see(snapshot(at(200), staffed=0, waits=(5.0,)))

    assert second.round.now().open == ()
