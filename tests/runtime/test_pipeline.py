"""The corridor: one writer, the journal beside it, and what it shows."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import numpy as np
import pytest
from msgspec import structs

from queue_monitor import simulation
from queue_monitor.clock import ManualClock, ScaledClock, SystemClock
from queue_monitor.core.forecasting import ForecastInputs
from queue_monitor.core.live import Live
from queue_monitor.core.windows import Calendars
from queue_monitor.events import Event, SourceClock
from queue_monitor.forecast import QueueState
from queue_monitor.forecast.forecaster import Forecaster, forecaster_of
from queue_monitor.model import Known, Outcome
from queue_monitor.ports import Delivery, Receipt, Rejected, StoreError
from queue_monitor.queues import Pool
from queue_monitor.runtime.fault import BrokenEvent
from queue_monitor.runtime.pipeline import FORECAST_REST, MAX_OFTEN_SECONDS, TICK_SECONDS, Pipeline
from queue_monitor.runtime.spill import Left, Spill
from queue_monitor.store import open_store
from tests.fakes import FakeStore
from tests.scenario import SOURCE, TEN, Scenario


class Corridor:
    """A pipeline with its doors, and what its senders were told."""

    def __init__(self, store: FakeStore | None = None, spill: Path | None = None) -> None:
        self.story = Scenario()
        self.clock = ManualClock(TEN)
        self.store = store or FakeStore()
        self.live = Live(self.story.rules)
        self.pipeline = Pipeline(self.live, self.clock, self.store, Spill(spill) if spill else None)
        self.settled: list[str] = []

    def take(self, *items: Event | Rejected, name: str = "delivery") -> None:
        async def ack(receipt: Receipt) -> None:
            self.settled.append(name)

        self.pipeline.take(Delivery(items=items, received_at=self.clock.now(), ack=ack))


def test_an_event_is_on_the_screen_before_the_journal_has_it_and_settled_only_after():
    corridor = Corridor()
    story = corridor.story.entered(0, "anna")

    corridor.take(*story.events)

    assert len(corridor.pipeline.publish().total.waiting) == 1
    assert corridor.settled == []


async def test_a_sender_is_told_after_the_commit_and_in_order():
    corridor = Corridor()
    corridor.take(*corridor.story.entered(0, "anna").events, name="first")
    corridor.take(*corridor.story.answered(5, "anna").events, name="second")

    await corridor.pipeline.write()

    assert corridor.settled == ["first", "second"]
    assert [event.id for event in corridor.store.events] == [event.id for event in corridor.story.events]


async def test_a_sender_that_cannot_be_told_stops_nobody_else():
    corridor = Corridor()

    async def on_a_full_disk(receipt: Receipt) -> None:
        raise OSError(28, "No space left on device")

    entered = corridor.story.entered(0, "anna").events
    corridor.pipeline.take(Delivery(items=tuple(entered), received_at=corridor.clock.now(), ack=on_a_full_disk))
    corridor.take(*corridor.story.answered(5, "anna").events, name="other")

    await corridor.pipeline.write()

    assert corridor.settled == ["other"]
    assert [event.id for event in corridor.store.events] == [event.id for event in corridor.story.events]


@pytest.fixture
def most_in_line(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many events as may stand in line here: fewer than in use, and soon told."""
    monkeypatch.setattr("queue_monitor.runtime.inbox.MAX_IN_LINE", 600)
    return 600


async def test_a_door_waits_while_too_many_events_are_in_the_line_and_none_is_dropped(most_in_line: int):
    corridor = Corridor()
    for number in range(30):
        corridor.story.entered(number / 100, f"{number}").left(20 + number / 100, f"{number}")
    events = tuple(corridor.story.events)
    deliveries = most_in_line // len(events) + 10

    async def flood() -> None:
        for _ in range(deliveries):
            await corridor.pipeline.put(Delivery(items=events, received_at=corridor.clock.now()))

    flooding = asyncio.create_task(flood())
    await SystemClock().sleep(0)
    waited = not flooding.done()
    working = asyncio.create_task(corridor.pipeline.run())
    await flooding
    await corridor.pipeline.write()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await corridor.pipeline.drain()

    assert waited
    assert sum(corridor.live.events[what] for what in ("applied", "duplicate")) >= deliveries * len(events)


async def test_a_flood_of_one_source_holds_up_no_other(monkeypatch: pytest.MonkeyPatch):
    corridor = Corridor()
    of_flood, of_other = corridor.story.entered(0, "a").events, corridor.story.entered(1, "b").events[1:]
    other = tuple(structs.replace(event, source="urn:kc:http:other") for event in of_other)
    for events in [tuple(of_flood)] * 20 + [other, other]:
        await corridor.pipeline.put(Delivery(items=events, received_at=corridor.clock.now()))
    taken = list[str]()
    monkeypatch.setattr(corridor.pipeline, "take", lambda delivery: taken.append(delivery.source))

    await corridor.pipeline.drain()

    flood = of_flood[0].source
    assert taken[:4].count(other[0].source) == 2
    assert taken.count(flood) == 20


async def test_nobody_waits_for_a_line_of_which_nobody_takes_any_more(
    most_in_line: int, monkeypatch: pytest.MonkeyPatch
):
    corridor = Corridor()
    delivery = Delivery(items=tuple(corridor.story.entered(0, "anna").events), received_at=corridor.clock.now())
    for _ in range(most_in_line):
        await corridor.pipeline.put(delivery)
    last = asyncio.create_task(corridor.pipeline.put(delivery))

    def apply(self: Live, event: Event) -> None:
        raise OverflowError("a bug")

    monkeypatch.setattr(Live, "apply", apply)
    with pytest.raises(BrokenEvent):
        await corridor.pipeline.run()

    await last


async def test_when_the_journal_is_down_the_figures_go_on_and_nobody_is_told_that_it_is_safe():
    corridor = Corridor()
    corridor.store.broken = "the disk is full"
    corridor.take(*corridor.story.entered(0, "anna").events)

    await corridor.pipeline.write()
    shown = corridor.pipeline.publish()

    assert corridor.settled == []
    assert (shown.journal.up, shown.journal.pending, shown.journal.error) == (False, 1, "the disk is full")
    assert len(shown.total.waiting) == 1


async def test_when_the_journal_is_back_everything_that_waited_is_written_once():
    corridor = Corridor()
    corridor.store.broken = "the disk is full"
    corridor.take(*corridor.story.entered(0, "anna").events, name="first")
    await corridor.pipeline.write()
    corridor.store.broken = ""
    corridor.take(*corridor.story.events, name="again")

    await corridor.pipeline.write()

    assert len(corridor.store.events) == 1
    assert corridor.settled == ["first", "again"]
    assert corridor.pipeline.publish().journal.up


async def test_what_waits_for_the_database_is_on_disk_and_survives_a_kill(tmp_path: Path):
    spill = tmp_path / "deep" / "spill.jsonl"
    killed = Corridor(spill=spill)
    killed.store.broken = "the database is away"
    for second, who in enumerate(("anna", "bo", "cia")):
        killed.take(*killed.story.entered(second, who).events[-1:])
        await killed.pipeline.write()

    after = Corridor(killed.store, spill=spill)
    after.store.broken = ""
    await after.pipeline.rebuild()

    assert killed.settled == []
    assert len(after.store.events) == 3
    assert len(after.pipeline.publish().total.waiting) == 3
    assert not spill.exists()


async def test_once_the_database_is_back_the_disk_is_emptied_and_nothing_is_doubled(tmp_path: Path):
    spill = tmp_path / "spill.jsonl"
    corridor = Corridor(spill=spill)
    corridor.store.broken = "the database is away"
    corridor.take(*corridor.story.entered(0, "anna").events)
    await corridor.pipeline.write()
    on_disk = spill.read_bytes()
    corridor.store.broken = ""
    await corridor.pipeline.write()

    assert on_disk.count(b"\n") == 1
    assert not spill.exists()
    assert len(corridor.store.events) == 1
    assert corridor.settled == ["delivery"]


async def test_what_needs_the_store_is_committed_batch_by_batch_and_stays_on_disk_until_all_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("queue_monitor.runtime.pipeline.LATE_BATCH", 1)
    spill = tmp_path / "spill.jsonl"
    corridor = Corridor(spill=spill)
    corridor.store.broken = "the database is away"
    corridor.live.hold_from(corridor.story.at(3600))  # memory does not hold the calls of before
    for second, who in enumerate(("anna", "bo", "cia")):
        corridor.take(*corridor.story.entered(second, who).answered(60, who).events[-1:])
    await corridor.pipeline.write()
    real = await corridor.store.real()
    look_up, looks = real.look_up, 0

    async def away_at_the_second(events: Sequence[Event]) -> Sequence[Known]:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise StoreError("away again")
        return await look_up(events)

    monkeypatch.setattr(real, "look_up", away_at_the_second)
    corridor.store.broken = ""
    await corridor.pipeline.write()
    after_one = corridor.settled.copy(), spill.read_bytes().count(b"\n")
    await corridor.pipeline.write()

    assert after_one == (["delivery"], 3)
    assert corridor.settled == ["delivery"] * 3
    assert not spill.exists()


async def test_a_file_of_what_waited_that_cannot_be_removed_stops_nothing_and_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    spill = tmp_path / "spill.jsonl"
    corridor = Corridor(spill=spill)
    corridor.store.broken = "the database is away"
    corridor.take(*corridor.story.entered(0, "anna").events)
    await corridor.pipeline.write()
    corridor.store.broken = ""

    with monkeypatch.context() as while_held:
        while_held.setattr(Spill, "clear", AsyncMock(side_effect=PermissionError("not yours")))
        await corridor.pipeline.write()
        await corridor.pipeline.write()
        is_there = spill.exists()
    await corridor.pipeline.write()

    assert (is_there, spill.exists()) == (True, False)
    assert caplog.text.count("spill failed") == 1
    assert len(corridor.store.events) == 1


async def test_a_line_cut_short_by_a_crash_is_passed_over_and_the_rest_is_kept(tmp_path: Path):
    spill = Spill(tmp_path / "spill.jsonl")
    story = Scenario().entered(0, "anna").entered(1, "bo")
    await spill.keep(Left(event, by_sender=True) for event in story.events)
    whole = spill.path.read_bytes()
    spill.path.write_bytes(whole[: len(whole) - 40])

    assert await spill.recover() == [Left(story.events[0], by_sender=True)]
    assert spill.unreadable == 1


async def test_when_neither_database_nor_disk_can_be_written_the_figures_still_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("in the way")
    corridor = Corridor(spill=tmp_path / "file" / "spill.jsonl")
    corridor.store.broken = "the database is away"
    for second, who in enumerate(("anna", "bo")):
        corridor.take(*corridor.story.entered(second, who).events[-1:])
        await corridor.pipeline.write()

    assert len(corridor.pipeline.publish().total.waiting) == 2
    assert caplog.text.count("spill failed") == 1


async def test_a_restart_rebuilds_the_day_from_the_journal():
    before = Corridor()
    before.story.connected(-60).entered(0, "anna").entered(10, "bo").answered(40, "bo").refused(50, "cia")
    before.take(*before.story.events)
    await before.pipeline.write()

    after = Corridor(before.store)
    await after.pipeline.rebuild()

    before.clock.advance_to(before.story.at(60))
    after.clock.advance_to(before.story.at(60))
    assert after.pipeline.publish().total == before.pipeline.publish().total


async def test_days_that_memory_does_not_hold_come_back_as_sums():
    store = FakeStore()
    old = Corridor(store)
    for caller in range(5):
        old.story.entered(caller * 60, f"c{caller}").answered(caller * 60 + 30, f"c{caller}")
    old.take(*old.story.events)
    await old.pipeline.write()

    later = Corridor(store)
    later.clock.advance_to(TEN + timedelta(days=4))
    await later.pipeline.rebuild()
    month = later.pipeline.publish().total.periods["month"]

    assert month.counts.answered_in_time == 5
    assert month.waits.max_seconds == 30
    assert month.waits.mean_seconds == 30


async def test_what_a_day_has_taught_is_there_after_a_restart():
    events = simulation.simulate(simulation.Config(date=TEN.date())).events
    rules = Scenario().rules
    store, calendars = FakeStore(), Calendars(rules.calendar)
    first = Live(rules, Forecaster(rules.target, calendars))
    clock = ManualClock(events[0].at)
    pipeline = Pipeline(first, clock, store)
    pipeline.take(Delivery(items=tuple(events), received_at=events[-1].at))
    clock.advance_to(events[-1].at + timedelta(hours=12))
    pipeline.start_day()
    await pipeline.write()

    again = Live(rules, Forecaster(rules.target, calendars))
    await Pipeline(again, clock, store).rebuild()

    learned, learned_again = (its.learned for live in (first, again) if (its := forecaster_of(live)))
    assert [known.queues for known in learned.values()] == [("kundcenter", "kundcenter-en")]
    assert learned_again == learned


async def test_what_an_event_changed_is_written_with_it_and_not_before():
    corridor = Corridor()
    corridor.store.broken = "away"
    corridor.take(*corridor.story.entered(0, "anna").answered(5, "anna").events)
    await corridor.pipeline.write()
    corridor.store.broken = ""

    await corridor.pipeline.write()

    (batch,) = corridor.store.batches
    assert [event.id for event in batch.events] == [event.id for event in corridor.story.events]
    assert [record.placed.field for record in batch.calls if record.placed] == ["answered_in_time"]


async def test_a_call_that_changes_while_its_first_word_is_being_committed_is_written_again():
    corridor = Corridor()
    corridor.take(*corridor.story.entered(0, "anna").events)
    writing = asyncio.create_task(corridor.pipeline.write())
    await SystemClock().sleep(0)
    corridor.take(*corridor.story.answered(5, "anna").events[1:])
    corridor.pipeline._writer.cut()
    await writing
    await corridor.pipeline.write()

    assert [len(batch.events) for batch in corridor.store.batches] == [1, 1]
    assert corridor.settled == ["delivery", "delivery"]


async def test_a_call_that_comes_while_nothing_but_what_a_start_needs_is_committed_is_written_after_it():
    corridor = Corridor()
    writing = asyncio.create_task(corridor.pipeline._writer.write_one(states={"agents": b""}))
    await SystemClock().sleep(0)
    corridor.take(*corridor.story.entered(0, "anna").events)
    corridor.pipeline._writer.cut()
    await writing
    await corridor.pipeline.write()

    assert [len(batch.events) for batch in corridor.store.batches] == [0, 1]
    assert corridor.settled == ["delivery"]


async def test_a_caller_who_comes_and_goes_in_one_delivery_does_not_wait_for_a_store_that_is_away():
    corridor = Corridor()
    corridor.live.hold_from(corridor.story.at(-3600))
    corridor.store.broken = "away"

    corridor.take(*corridor.story.entered(0, "anna").answered(5, "anna").events)

    assert corridor.pipeline.publish().total.periods["day"].counts.answered == 1


async def test_a_store_that_goes_away_while_a_call_is_loaded_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    store = FakeStore()
    before, after = Corridor(store), Corridor(store)
    before.take(*before.story.entered(0, "anna").events)
    await before.pipeline.write()
    real = await store.real()
    load, tries = real.load_calls, 0

    async def away_once(keys: Iterable[str]) -> list[bytes]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreError("away")
        return await load(keys)

    monkeypatch.setattr(real, "load_calls", away_once)
    after.live.hold_from(after.story.at(600))
    after.take(*after.story.entered(0, "anna").answered(5, "anna").events[1:])
    await after.pipeline.write()
    told_while_away = list(after.settled)
    await after.pipeline.write()

    assert (told_while_away, after.settled) == ([], ["delivery"])
    assert [call.outcome for call in await real.calls(after.story.at(-60), after.story.at(60))] == [Outcome.ANSWERED]


def test_a_clock_that_is_off_is_said_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture):
    corridor = Corridor()
    caplog.set_level("INFO")
    for second, offset in enumerate((10, 2500, 2600, 45_000, 46_000, 3, 4)):
        corridor.story._tell(SourceClock, second, offset_ms=float(offset))
        corridor.take(corridor.story.events[-1])

    said = [record.message.partition(" source")[0] for record in caplog.records]
    assert said == ["clock off", "clock far off", "clock right again"]
    assert "its times are not used" in caplog.text


def test_what_could_not_be_read_is_counted_by_reason_and_logged_once(caplog: pytest.LogCaptureFixture):
    corridor = Corridor()
    for _ in range(3):
        corridor.take(Rejected(source=SOURCE, reason="bad_timestamp", detail="line 7"))

    assert corridor.pipeline.publish().rejected == {f"{SOURCE} bad_timestamp": 3}
    assert caplog.text.count("bad_timestamp") == 1


async def test_a_watcher_gets_the_newest_at_once_and_skips_what_it_missed():
    corridor = Corridor()
    changes = corridor.pipeline.changes()
    first = await anext(changes)
    for second in range(1, 4):
        corridor.clock.advance_to(corridor.story.at(second))
        corridor.pipeline.publish()

    newest = await anext(changes)

    assert first.at == TEN
    assert newest.at == corridor.story.at(3)
    await changes.aclose()  # type: ignore[attr-defined]


async def test_an_id_used_for_something_else_is_not_taken_and_the_sender_hears_of_it():
    corridor = Corridor()
    first = corridor.story.entered(0, "anna").events[0]
    told: list[Receipt] = []

    async def ack(receipt: Receipt) -> None:
        told.append(receipt)

    other = structs.replace(first, queue="bygglov")
    corridor.pipeline.take(Delivery(items=(first, first, other), received_at=TEN, ack=ack))
    await corridor.pipeline.write()

    assert told == [Receipt(accepted=1, duplicates=1, conflicts=(first.id,))]
    assert corridor.pipeline.publish().rejected == {f"{SOURCE} id_used_twice": 1}


async def test_running_it_takes_what_is_put_and_writes_it():
    corridor = Corridor()
    pipeline = Pipeline(corridor.live, ScaledClock(TEN), corridor.store)
    story = corridor.story.entered(0, "anna").answered(5, "anna")
    settled = asyncio.Event()

    async def ack(receipt: Receipt) -> None:
        settled.set()

    working = asyncio.create_task(pipeline.run())
    await pipeline.put(Delivery(items=tuple(story.events), received_at=story.at(5), ack=ack))
    await asyncio.wait_for(settled.wait(), 10)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert len(corridor.store.events) == 2
    assert corridor.live.snapshot(story.at(10)).total.periods["day"].counts.answered == 1


async def test_a_bug_in_the_core_ends_the_pipeline_rather_than_show_wrong_numbers(monkeypatch: pytest.MonkeyPatch):
    corridor = Corridor()

    def broken(event: Event) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(corridor.live, "apply", broken)
    working = asyncio.create_task(corridor.pipeline.run())
    await corridor.pipeline.put(
        Delivery(items=tuple(corridor.story.entered(0, "anna").events), received_at=corridor.clock.now())
    )

    with pytest.raises(BrokenEvent):
        await asyncio.wait_for(working, 10)


class ClockWithoutTicks(ManualClock):
    """Whoever waits for the next tick waits for ever; shorter waits are over at once and are remembered."""

    def __init__(self) -> None:
        super().__init__(TEN)
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds >= TICK_SECONDS:
            await asyncio.Event().wait()
        self.waited.append(seconds)
        await super().sleep(seconds)


async def test_what_comes_in_just_after_the_figures_were_shown_does_not_wait_for_the_next_tick():
    clock, story = ClockWithoutTicks(), Scenario()
    pipeline = Pipeline(Live(story.rules), clock)
    working = asyncio.create_task(pipeline.run())
    shown = pipeline.changes()
    await anext(shown)
    for second, caller in enumerate(("anna", "bertil")):
        story.entered(second, caller)
        await pipeline.put(Delivery(items=(story.events[-1],), received_at=story.events[-1].at))
        async for snapshot in shown:
            if len(snapshot.total.waiting) == second + 1:
                break

    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert max(clock.waited) == MAX_OFTEN_SECONDS


@pytest.mark.parametrize("agents", ["daily", "named"])
async def test_after_a_restart_the_forecast_knows_the_day_as_if_it_had_heard_it(tmp_path: Path, agents: str) -> None:
    events = simulation.simulate(simulation.Config(date=TEN.date(), kind=simulation.Kind.BURST)).events
    rules = Scenario().rules
    until = events[-1].at - timedelta(hours=4)
    heard = [event for event in events if event.at <= until]
    store = await open_store("sqlite://", zone=rules.calendar.zone, agents=agents, agent_key=tmp_path / "agent.key")
    lives = []
    for part in (heard[: len(heard) // 2], heard[len(heard) // 2 :], []):
        live = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
        clock = ManualClock(part[0].at if part else until)
        pipeline = Pipeline(live, clock, store)
        await pipeline.rebuild()
        for event in part:
            clock.advance_to(event.at)
            pipeline.take(Delivery(items=(event,), received_at=event.at))
        await pipeline.drain()
        lives.append(live)
    await store.close()
    without = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
    for event in heard:
        without.apply(event)

    for seen, wanted in zip(states_of(lives[-1], until), states_of(without, until), strict=True):
        for name in QueueState.__struct_fields__:
            its, right = getattr(seen, name), getattr(wanted, name)
            if isinstance(right, np.ndarray):
                its, right = np.sort(its), np.sort(right)
            assert its == pytest.approx(right) if isinstance(right, float | np.ndarray) else its == right, name


async def test_days_of_log_read_at_a_first_start_give_the_forecast_and_coverage_of_a_restart(tmp_path: Path) -> None:
    days = [TEN.date() - timedelta(days=number) for number in (4, 3)]
    past = [event for day in days for event in simulation.simulate(simulation.Config(date=day)).events]
    today = [event for event in simulation.simulate(simulation.Config(date=TEN.date())).events if event.at <= TEN]
    rules = Scenario().rules
    store = await open_store("sqlite://", zone=rules.calendar.zone, agent_key=tmp_path / "agent.key")
    clock = ManualClock(TEN)
    first = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
    pipeline = Pipeline(first, clock, store)
    await pipeline.rebuild()
    for start in range(0, len(past), 700):  # cut in the middle of calls, as a log is that is read in pieces
        pipeline.take(Delivery(items=tuple(past[start : start + 700]), received_at=TEN))
        await pipeline.write()
        first.settle()
    pipeline.take(Delivery(items=tuple(today), received_at=TEN))
    await pipeline.drain()
    await pipeline._learning.learn_past(store)
    assert pipeline._holding is not None
    pipeline._holding.let_go()

    again = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
    await Pipeline(again, clock, store).rebuild()
    await store.close()
    learned, learned_again = (its.learned for live in (first, again) if (its := forecaster_of(live)))
    assert learned
    assert learned == learned_again
    for seen, wanted in zip(states_of(first, TEN), states_of(again, TEN), strict=True):
        assert len(seen.waiting) == len(wanted.waiting)
        assert seen.outcomes == wanted.outcomes
    months = [live.snapshot(TEN).total.periods["month"].coverage for live in (first, again)]
    assert months[1].seen_minutes > 0
    assert abs(months[0].seen_minutes - months[1].seen_minutes) <= 1  # the minute that is going on


def states_of(live: Live, until: datetime) -> list[QueueState]:
    """What the forecast sees of every pool, at some moments of the day so far."""
    live.settle()
    forecaster = forecaster_of(live)
    assert forecaster is not None and forecaster.today is not None
    today = forecaster.today
    moments = [(until - today.midnight).total_seconds() - 3600 * hours for hours in range(4)]
    days = [forecaster.day_of(scope, today) for scope in live.scopes()]
    return [day.state(at) for day in days if day is not None for at in moments]


async def test_forecasts_that_take_long_leave_most_of_the_time_to_everything_else(monkeypatch: pytest.MonkeyPatch):
    corridor = Corridor()
    corridor.live.forecaster = Forecaster(corridor.live.rules.target, corridor.live.calendars)
    slept: list[float] = []

    class Slow(ManualClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) > 1:
                await asyncio.Event().wait()

    clock = Slow(TEN)

    def takes_a_minute(questions: object) -> tuple[()]:
        clock.advance_to(clock.now() + timedelta(minutes=1))
        return ()

    monkeypatch.setattr("queue_monitor.runtime.pipeline._computed", takes_a_minute)
    pipeline = Pipeline(corridor.live, clock)
    working = asyncio.create_task(pipeline._run_forecaster())
    while len(slept) < 2:
        await SystemClock().sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert slept == [60.0 * FORECAST_REST] * 2


async def test_a_call_that_comes_in_while_the_forecasts_are_gathered_is_taken_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
):
    story = Scenario()
    live = Live(story.rules, Forecaster(story.rules.target, Calendars(story.rules.calendar)))
    pipeline = Pipeline(live, ManualClock(TEN))
    for number in range(40):
        story.entered(number - 60, f"c{number}", f"queue {number}")
    pipeline.take(Delivery(items=tuple(story.events), received_at=TEN))
    gather, known = live.forecast_inputs, list[int]()

    def noted(now: datetime, scopes: Sequence[Pool] | None = None) -> Sequence[ForecastInputs]:
        known.append(len(live.ledger.waiting()))
        return gather(now, scopes)

    monkeypatch.setattr(live, "forecast_inputs", noted)
    taking = asyncio.create_task(pipeline._run_inbox())
    gathering = asyncio.create_task(pipeline._forecast())
    while not known:
        await SystemClock().sleep(0)
    await pipeline.put(Delivery(items=tuple(Scenario().entered(0, "anna").events), received_at=TEN))
    await gathering
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)

    assert (known[0], known[-1]) == (40, 41)
    assert len(live.forecasts) == 40
