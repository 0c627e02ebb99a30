"""Days made at random, with pools, silences, channels that fail and kills: nothing is sent twice, or ends untold."""

import random
from collections import Counter
from datetime import time

import pytest

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.memory import MemoryRecord
from alerts.people import Channel, Recipient
from alerts.rules import AlertSettings
from queue_monitor.clock import ManualClock
from queue_monitor.model import AlertChange, Notice, QueueNow, Snapshot, StatusReason
from queue_monitor.ports import DeliveryError
from tests.alerts.moments import OPENS, at, queue, risk, snapshot
from tests.alerts.test_mirrored import Mirror
from tests.api.sample import FakeFigures
from tests.scenario import STOCKHOLM

LAST = 640


class Unsteady:
    """A channel that fails now and then, at times always, and keeps what it has taken."""

    def __init__(self, made: random.Random) -> None:
        self._made = made
        self.fails = 0.0
        self.sent: list[Notice] = []

    async def send(self, notice: Notice) -> None:
        if self._made.random() < self.fails:
            raise DeliveryError("not taken", reason="busy", permanent=self._made.random() < 0.3)
        self.sent.append(notice)


class RandomDay:
    """One day at random. A kill loses nothing that was written: the next process goes on from the record."""

    def __init__(self, seed: int) -> None:
        self.made = made = random.Random(seed)
        self.sms, self.mail, self.mirror = Unsteady(made), Unsteady(made), Mirror()
        self.record, self.clock, self._figures = MemoryRecord(), ManualClock(OPENS), FakeFigures(snapshot(OPENS))
        self._channels = [
            Channel(name="sms", notifiers=(self.sms,), fallback="mejl"),
            Channel(name="mejl", notifiers=(self.mail,), fallback="sms"),
            Channel(name="am", notifiers=(self.mirror,), mirrors=True),
        ]
        quiet = (time(10), time(10, 30)) if made.random() < 0.4 else None
        self._people = [
            Recipient(name="lead", channel="sms", quiet=quiet),
            Recipient(name="andra", channel="mejl", queues=frozenset({"b"} if made.random() < 0.5 else ())),
            Recipient(name="chef", channel="mejl", only_escalations=True, quiet=(time(12), time(12, 40))),
            Recipient(name="am", channel="am"),
        ]
        self._chance, self._wait, self._staffed = 0.3, 0.0, 3
        self._no_data: StatusReason | None = None
        self._is_pooled = False

    def _moment(self, minute: float) -> Snapshot:
        now, made = at(minute), self.made
        self._chance = made.random() if made.random() < 0.015 else self._chance
        self._wait = made.choice([0.0, 0.0, 320.0, 650.0]) if made.random() < 0.015 else self._wait
        self._staffed = made.choice([0, 3, 3]) if made.random() < 0.015 else self._staffed
        self._is_pooled = made.random() < 0.5 if made.random() < 0.015 else self._is_pooled
        if made.random() < 0.015:
            self._no_data = made.choice([None, None, None, StatusReason.SOURCE_DOWN])
        for channel in (self.sms, self.mail):
            channel.fails = made.choice([0.0, 0.0, 0.5, 1.0]) if made.random() < 0.01 else channel.fails
        if minute > 545:
            self._wait, self._no_data, self.sms.fails, self.mail.fails = 0.0, None, 0.0, 0.0

        def its(name: str) -> QueueNow:
            return queue(
                now,
                name,
                risk=risk(self._chance, reachable=self._chance < 0.95) if minute < 540 else None,
                waits=(self._wait,) if self._wait else (),
                staffed=self._staffed,
                no_data_reason=self._no_data,
            )

        return snapshot(now, its("a"), its("b"), pools=(its("a + b"),) if self._is_pooled else ())

    async def _begun(self) -> AlertRound:
        self.dispatcher = Dispatcher(
            self._channels, self._people, self.record, self.clock, STOCKHOLM, escalate_to="chef"
        )
        engine = AlertEngine(AlertSettings(), "sv")
        begun = AlertRound(engine, self._figures, self.clock, self.record, self.dispatcher, link="")
        await begun.start()
        return begun

    async def live(self) -> None:
        alerts = await self._begun()
        for half_minute in range(40, LAST * 2):
            moment = self._moment(half_minute / 2)
            self.clock.advance_to(moment.at)
            self._figures.show(moment)
            await alerts.evaluate()
            await self.dispatcher.work()
            if self.made.random() < 0.004 and (standing := alerts.now().open):
                await alerts.acknowledge(standing[0], "Anna")
            if self.made.random() < 0.01:
                alerts = await self._begun()


@pytest.fixture(params=range(6))
async def lived(request: pytest.FixtureRequest) -> RandomDay:
    day = RandomDay(request.param)
    await day.live()
    return day


async def test_a_day_at_random_sends_each_thing_once_ends_what_it_told_and_records_it_all(lived: RandomDay) -> None:
    """Each recipient gets each change once by one channel, no end of what he or she was never told, and all is kept."""
    sent = [*lived.sms.sent, *lived.mail.sent]
    assert sent
    once = Counter(
        (note.recipient, note.alert.episode, note.alert.at, note.alert.change, note.escalation) for note in sent
    )
    assert set(once.values()) == {1}
    told = {(note.recipient, note.alert.episode) for note in sent if note.alert.change is not AlertChange.CLEARED}
    assert {(note.recipient, note.alert.episode) for note in sent if note.alert.change is AlertChange.CLEARED} <= told
    assert lived.mirror.standing == {}
    assert lived.dispatcher.pending == []
    record = await lived.record.alert_record(OPENS, at(LAST))
    assert {found.changes[-1].change for found in record} == {AlertChange.CLEARED}
    kept = Counter(attempt.channel for found in record for attempt in found.attempts if attempt.result == "sent")
    assert kept == {"sms": len(lived.sms.sent), "mejl": len(lived.mail.sent), "am": len(lived.mirror.sent)}
