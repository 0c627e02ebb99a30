"""What the corridor does with numbers that senders put into ids: nothing behind the gate ever sees them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.core.privacy import may_change
from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, Event, SourceDisconnected
from queue_monitor.model import Committed, JournalBatch
from queue_monitor.ports import Delivery, Receipt
from queue_monitor.runtime.fault import BrokenEvent
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.spill import Spill
from tests.fakes import FakeStore
from tests.scenario import SOURCE, TEN, Scenario

NUMBER = "0701740605"
LAST_OF_NOVEMBER = datetime(2026, 11, 30, 22, 59, tzinfo=UTC)  # 23:59 in Stockholm


class Monitor:
    """One process on a store and a key file that outlive it."""

    def __init__(self, store: FakeStore, folder: Path, now: datetime = TEN) -> None:
        self.clock = ManualClock(now)
        self.store = store
        self.live = Live(Scenario().rules)
        keys = MonthKeys(folder / "keys.json")
        self.pipeline = Pipeline(self.live, self.clock, store, Spill(folder / "spill.jsonl"), keys=keys)

    async def sent(self, *events: Event) -> Receipt:
        told: list[Receipt] = []

        async def ack(receipt: Receipt) -> None:
            told.append(receipt)

        delivery = Delivery(items=events, received_at=self.clock.now(), ack=ack, dated_by_sender=True)
        self.pipeline.take(delivery)
        await self.pipeline.write()
        return told[0] if told else Receipt()

    @property
    def waiting(self) -> int:
        return len(self.pipeline.publish().total.waiting)


def call(kind: type[Any], at: datetime = TEN, **fields: Any) -> Any:
    of_call = {"visit_id": f"luleå:{NUMBER}", "contact_id": f"luleå:{NUMBER}", "queue": "kundcenter"}
    received = {"source": SOURCE, "switch": "luleå", "observed_at": at, "switch_time": at}
    return kind(**({"id": f"{NUMBER}/{kind.__name__}"} | received | of_call | fields))


async def test_a_call_whose_ids_are_numbers_is_one_call_over_a_restart(tmp_path: Path):
    store = FakeStore()
    before = Monitor(store, tmp_path)
    await before.sent(call(CallEntered))
    assert before.waiting == 1
    await before.pipeline.drain()

    after = Monitor(store, tmp_path, TEN + timedelta(seconds=20))
    await after.pipeline.rebuild()
    again = await after.sent(call(CallEntered))
    answered = await after.sent(call(CallAnswered, TEN + timedelta(seconds=15)))

    assert (again.accepted, again.duplicates, answered.accepted, after.waiting) == (0, 1, 1, 0)
    (stored,) = await after.pipeline.calls(TEN - timedelta(hours=1), TEN + timedelta(hours=1), None, None, 10)
    assert (stored.outcome.value, stored.wait_ms) == ("answered", 15_000)
    assert NUMBER not in str(store.events) + str(stored)


async def test_a_call_over_the_turn_of_the_month_is_one_call_also_when_a_restart_lies_between(tmp_path: Path):
    store = FakeStore()
    first = LAST_OF_NOVEMBER + timedelta(minutes=2)
    monitor = Monitor(store, tmp_path, LAST_OF_NOVEMBER)
    await monitor.sent(call(CallEntered, LAST_OF_NOVEMBER))
    monitor.clock.advance_to(first)
    await monitor.sent(call(CallAnswered, first))
    await monitor.pipeline.drain()

    again = Monitor(store, tmp_path, first + timedelta(minutes=10))
    await again.pipeline.rebuild()
    await again.sent(call(CallCompleted, first + timedelta(minutes=9)))
    repeated = await again.sent(call(CallAnswered, first))

    assert (repeated.accepted, repeated.duplicates, repeated.conflicts) == (0, 1, ())
    assert len({getattr(event, "visit_id", "") for event in store.events}) == 1
    calls = await again.pipeline.calls(LAST_OF_NOVEMBER - timedelta(hours=1), first, None, None, 10)
    assert [(one.outcome.value, one.wait_ms) for one in calls] == [("answered", 120_000)]


async def test_a_sender_hears_of_its_own_ids(tmp_path: Path):
    monitor = Monitor(FakeStore(), tmp_path)
    await monitor.sent(call(CallEntered))

    receipt = await monitor.sent(call(CallEntered, position=7))

    assert receipt.conflicts == (f"{NUMBER}/CallEntered",)


async def test_what_waits_on_disk_has_no_number_and_is_taken_as_it_was(tmp_path: Path):
    store = FakeStore()
    store.broken = "away"
    before = Monitor(store, tmp_path)
    await before.sent(call(CallEntered))
    before.pipeline.take(Delivery(items=(_told_by_the_switch(),), received_at=TEN))
    await before.pipeline.write()
    on_disk = (tmp_path / "spill.jsonl").read_text()
    store.broken = ""

    after = Monitor(store, tmp_path)
    await after.pipeline.rebuild()

    assert NUMBER not in on_disk
    assert after.waiting == 1
    assert [event.reason for event in store.events if isinstance(event, SourceDisconnected)] == ["its own words"]


async def test_what_is_put_on_disk_because_of_a_bug_of_ours_has_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = FakeStore()
    monitor = Monitor(store, tmp_path)
    taken = Live.apply

    def apply(self: Live, event: Event) -> Any:
        if isinstance(event, CallAnswered):
            raise OverflowError("a bug")
        return taken(self, event)

    monkeypatch.setattr(Live, "apply", apply)
    for event in (call(CallEntered), call(CallAnswered), call(CallCompleted)):
        await monitor.pipeline.put(Delivery(items=(event,), received_at=TEN, dated_by_sender=True))

    with pytest.raises(BrokenEvent):
        await monitor.pipeline.run()
    on_disk = (tmp_path / "spill.jsonl").read_text()
    again = Monitor(store, tmp_path)
    await again.pipeline.rebuild()
    refused = await again.sent(call(CallAnswered))

    assert on_disk.count("nr-") > 0
    assert NUMBER not in on_disk + str(store.events)
    assert [one.reason for one in refused.refused] == ["skipped"]


def _told_by_the_switch() -> Event:
    return SourceDisconnected(
        id="2", source="urn:kc:asterisk_ami:b", switch="b", observed_at=TEN, switch_time=TEN, reason="its own words"
    )


async def test_what_we_read_from_a_switch_ourselves_stays_as_it_is(tmp_path: Path):
    monitor = Monitor(FakeStore(), tmp_path)
    event = call(CallEntered)

    monitor.pipeline.take(Delivery(items=(event,), received_at=TEN))
    await monitor.pipeline.write()

    assert monitor.store.events == [event]
    assert not (tmp_path / "keys.json").exists()


async def test_a_number_as_a_name_is_counted_and_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    monitor = Monitor(FakeStore(), tmp_path)

    await monitor.sent(call(CallEntered, queue=NUMBER, source=f"urn:kc:mqtt:{NUMBER}", switch=NUMBER))
    far_ahead = call(CallEntered, TEN + timedelta(days=1), source=f"urn:kc:mqtt:{NUMBER}")
    await monitor.sent(structs.replace(far_ahead, id="2"))

    shown = monitor.pipeline.publish()
    assert [queue.name for queue in shown.queues] == ["…"]
    assert shown.rejected == {"urn:kc:mqtt:… number_as_name": 3, "urn:kc:mqtt:… time_out_of_range": 1}
    assert NUMBER not in str(shown) + caplog.text


async def test_a_key_is_on_disk_before_the_events_whose_ids_it_has_made(tmp_path: Path):
    class Watching(FakeStore):
        async def commit(self, batch: JournalBatch) -> Committed:
            assert not batch.events or (tmp_path / "keys.json").exists()
            return await super().commit(batch)

    monitor = Monitor(Watching(), tmp_path)

    assert (await monitor.sent(call(CallEntered))).accepted == 1


@pytest.mark.parametrize(
    ("agent", "ring", "is_looked_at"),
    [("Anna", "asterisk:1729490400.77", False), ("Local/0701740606@ut", None, True), ("Anna", "0701740606;1", True)],
)
def test_an_event_that_we_watch_is_looked_at_closer_only_where_an_agent_or_ring_may_be_a_number(
    agent: str, ring: str | None, is_looked_at: bool
) -> None:
    answered = CallAnswered(
        id="1", source="urn:kc:asterisk:log", observed_at=TEN, visit_id="0701740606@1", agent_id=agent, ring_id=ring
    )

    assert may_change(answered) is is_looked_at
