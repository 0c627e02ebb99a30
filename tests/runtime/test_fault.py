"""A bug of our own costs one event: it is marked, and the monitor that starts anew goes on without it."""

import asyncio
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from alerts.engine import AlertEngine
from alerts.rules import AlertSettings
from queue_monitor.clock import SystemClock
from queue_monitor.commands.exits import FAULT
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.live import Live
from queue_monitor.core.windows import Windows
from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, Event, encode
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.ports import Delivery
from queue_monitor.runtime.fault import BrokenCall, BrokenEvent, BrokenStep
from tests.fakes import FakeStore
from tests.forked import Process
from tests.runtime.test_pipeline import Corridor
from tests.scenario import TEN

ROOT = Path(__file__).parents[2]


def plant(monkeypatch: pytest.MonkeyPatch, *visits: str) -> None:
    """Live.apply raises on an answer of these visits."""
    taken = Live.apply

    def apply(self: Live, event: Event) -> Any:
        if isinstance(event, CallAnswered) and event.visit_id in visits:
            raise OverflowError("a bug")
        return taken(self, event)

    monkeypatch.setattr(Live, "apply", apply)


async def stopped(corridor: Corridor, *events: Event) -> BrokenEvent:
    """Run until our own code raises."""
    await corridor.pipeline.put(Delivery(items=events, received_at=corridor.clock.now()))
    with pytest.raises(BrokenEvent) as caught:
        await corridor.pipeline.run()
    return caught.value


async def test_an_event_on_which_our_code_raises_is_skipped_by_the_next_start_and_all_others_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").entered(1, "bo").answered(5, "anna").answered(6, "bo")
    plant(monkeypatch, "luleå:anna@kundcenter")

    fault = await stopped(Corridor(store, spill), *story.events)
    after = Corridor(store, spill)
    await after.pipeline.rebuild()
    after.take(*story.events)  # a broker sends again what was not acknowledged
    await after.pipeline.write()
    shown = after.pipeline.publish()

    assert fault.event is story.events[2]
    assert [event.id for event in store.events] == [story.events[number].id for number in (0, 1, 3)]
    assert (shown.events["skipped"], shown.journal.skipped) == (1, 1)
    assert shown.journal.skipped_at is not None
    assert shown.rejected == {f"{fault.event.source} skipped": 1}
    assert after.settled == ["delivery"]


async def test_a_bug_that_shows_when_the_call_is_counted_costs_the_last_event_of_that_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").entered(1, "bo").answered(5, "anna").entered(6, "cia")
    counted = Windows.change

    def change(self: Windows, contact_id: str, told: Any) -> None:
        if told is not None and contact_id == "luleå:anna" and told.contact.outcome.value == "answered":
            raise ZeroDivisionError
        counted(self, contact_id, told)

    monkeypatch.setattr(Windows, "change", change)

    fault = await stopped(Corridor(store, spill), *story.events)
    after = Corridor(store, spill)
    await after.pipeline.rebuild()

    assert fault.event is story.events[2]
    assert len(after.pipeline.publish().total.waiting) == 3
    assert len(store.events) == 3


@pytest.mark.parametrize(("by_sender", "counted"), [(False, 1), (True, 0)])
async def test_what_stands_in_the_line_at_a_fault_is_judged_by_the_door_that_it_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by_sender: bool, counted: int
):
    """A clock that is set back before the next start makes it lie ahead: a sender's word then is refused."""
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    before, after = Corridor(store, spill), Corridor(store, spill)
    before.clock.advance_to(TEN + timedelta(hours=1))
    story = before.story.entered(0, "anna").answered(5, "anna").entered(3600, "bo")
    plant(monkeypatch, "luleå:anna@kundcenter")
    *first, last = story.events
    for events, sent_so in ((first, False), ([last], by_sender)):
        delivery = Delivery(items=tuple(events), received_at=before.clock.now(), dated_by_sender=sent_so)
        await before.pipeline.put(delivery)

    with pytest.raises(BrokenEvent):
        await before.pipeline.run()
    await after.pipeline.rebuild()

    assert [visit.visit_id for _, visit in after.live.ledger.waiting()].count("luleå:bo@kundcenter") == counted


async def test_the_mark_is_kept_on_disk_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").answered(5, "anna")
    plant(monkeypatch, "luleå:anna@kundcenter")
    store.broken = "the database is away"

    await stopped(Corridor(store, spill), *story.events)
    store.broken = ""
    after = Corridor(store, spill)
    await after.pipeline.rebuild()
    again = Corridor(store, spill)
    await again.pipeline.rebuild()
    again.take(*story.events)

    assert not spill.exists()
    assert again.pipeline.publish().journal.skipped == 1
    assert len(again.pipeline.publish().total.waiting) == 1


async def test_an_event_of_the_journal_that_a_start_cannot_take_stops_one_start_only(
    monkeypatch: pytest.MonkeyPatch,
):
    store = FakeStore()
    before = Corridor(store)
    before.take(*before.story.entered(0, "anna").entered(1, "bo").events)
    await before.pipeline.write()
    remember = Live.remember

    def bad(self: Live, event: Event) -> None:
        if isinstance(event, CallEntered) and event.visit_id == "luleå:bo@kundcenter":
            raise KeyError("a bug")
        remember(self, event)

    monkeypatch.setattr(Live, "remember", bad)
    with pytest.raises(BrokenEvent):
        await Corridor(store).pipeline.start()
    after = Corridor(store)
    await after.pipeline.start()

    assert after.pipeline.latest().journal.skipped == 1


async def test_a_stored_call_that_a_start_cannot_take_up_stops_one_start_only(monkeypatch: pytest.MonkeyPatch):
    store = FakeStore()
    before = Corridor(store)
    before.take(*before.story.entered(0, "anna").entered(1, "bo").events)
    await before.pipeline.write()
    loaded = Live.load_calls

    def load_calls(self: Live, evidence: Iterable[bytes]) -> set[str]:
        evidence = list(evidence)
        if any(b"anna" in document for document in evidence):
            raise ZeroDivisionError
        return loaded(self, evidence)

    monkeypatch.setattr(Live, "load_calls", load_calls)
    with pytest.raises(BrokenCall):
        await Corridor(store).pipeline.start()
    after = Corridor(store)
    await after.pipeline.start()

    assert after.pipeline.latest().journal.skipped == 1
    assert [visit.contact_id for _, visit in after.live.ledger.waiting()] == ["luleå:bo"]


async def test_of_two_events_with_a_bug_each_stops_the_monitor_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").answered(2, "anna").entered(3, "bo").answered(5, "bo")
    plant(monkeypatch, "luleå:anna@kundcenter", "luleå:bo@kundcenter")

    await stopped(Corridor(store, spill), *story.events)
    with pytest.raises(BrokenEvent):
        await Corridor(store, spill).pipeline.start()
    last = Corridor(store, spill)
    await last.pipeline.rebuild()

    assert last.pipeline.publish().journal.skipped == 2
    assert len(last.pipeline.publish().total.waiting) == 2


async def test_the_technician_is_told_once_and_only_that_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").answered(5, "anna")
    plant(monkeypatch, "luleå:anna@kundcenter")
    await stopped(Corridor(store, spill), *story.events)
    after = Corridor(store, spill)
    await after.pipeline.rebuild()
    watch = AlertEngine(AlertSettings(), "en")

    def told() -> list[tuple[str, str, str]]:
        alerts = watch.evaluate(after.pipeline.publish())
        return [(alert.kind.value, alert.change.value, alert.notified) for alert in alerts]

    first, second = told(), told()
    after.clock.advance_to(TEN + timedelta(days=1))
    tomorrow = told()

    assert first == [("event_skipped", "raised", "alarm")]
    assert second == []
    assert ("event_skipped", "raised", "alarm") not in tomorrow


async def run_until(corridor: Corridor, true: Callable[[], bool]) -> None:
    """Run until something is so, and on no account longer than until our own code raises."""
    working = asyncio.create_task(corridor.pipeline.run())
    while not true() and not working.done():
        await SystemClock().sleep(0)
    if not working.done():
        working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert working.cancelled()


async def test_figures_that_cannot_be_worked_out_stop_the_monitor_once_and_no_call_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    story = Corridor().story.entered(0, "anna").entered(1, "bo").answered(5, "bo")
    first, second, third = (Corridor(store, spill) for _ in range(3))
    tried = 0

    def waiting(self: Ledger) -> Any:
        nonlocal tried
        tried += 1
        raise ZeroDivisionError

    monkeypatch.setattr(Ledger, "waiting", waiting)

    await first.pipeline.put(Delivery(items=tuple(story.events[:2]), received_at=TEN))
    with pytest.raises(BrokenStep):
        await first.pipeline.run()
    await second.pipeline.start()
    shown = second.pipeline.latest()
    await second.pipeline.put(Delivery(items=tuple(story.events[2:]), received_at=TEN))
    so_far = tried
    await run_until(second, lambda: len(store.events) == 3 and tried > so_far)
    monkeypatch.undo()
    await third.pipeline.start()

    assert [event.id for event in store.events] == [event.id for event in story.events]
    assert second.pipeline.latest() is shown, "what cannot be worked out is not shown, and grows old"
    assert len(third.pipeline.latest().total.waiting) == 1


async def test_a_forecast_that_cannot_be_worked_out_stops_the_monitor_once(monkeypatch: pytest.MonkeyPatch):
    store = FakeStore()
    first, second = Corridor(store), Corridor(store)
    for corridor in (first, second):
        corridor.live.forecaster = Forecaster(corridor.live.rules.target, corridor.live.calendars)
    tried = 0

    def answered(questions: object) -> Any:
        nonlocal tried
        tried += 1
        raise KeyError("a bug")

    monkeypatch.setattr("queue_monitor.runtime.pipeline._computed", answered)

    with pytest.raises(BrokenStep):
        await first.pipeline.run()
    await second.pipeline.start()
    await run_until(second, lambda: tried > 2)


async def test_a_call_that_cannot_be_loaded_costs_the_event_that_asks_for_it_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    store, spill = FakeStore(), tmp_path / "spill.jsonl"
    before = Corridor(store)
    story = before.story.entered(0, "anna").answered(5, "anna").entered(1, "bo").answered(6, "bo")
    before.take(*story.events)
    await before.pipeline.write()
    later = Corridor().story.completed(3600, "bo").completed(3601, "anna").events
    loaded = Live.load_calls

    def load_calls(self: Live, evidence: Iterable[bytes]) -> set[str]:
        evidence = list(evidence)
        if self.is_late and any(b"anna" in document for document in evidence):  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return loaded(self, evidence)

    def at_four(corridor: Corridor) -> Corridor:
        corridor.clock.advance_to(TEN + timedelta(hours=6))
        return corridor

    monkeypatch.setattr(Live, "load_calls", load_calls)
    monkeypatch.setattr(Live, "is_late", False, raising=False)
    first, second = (at_four(Corridor(store, spill)) for _ in range(2))
    await first.pipeline.start()
    first.live.hold_from(TEN + timedelta(hours=5))
    first.live.evict(TEN + timedelta(hours=5))
    monkeypatch.setattr(Live, "is_late", True)

    fault = await stopped(first, *later)
    monkeypatch.setattr(Live, "is_late", False)
    await second.pipeline.start()
    second.live.hold_from(TEN + timedelta(hours=5))
    second.live.evict(TEN + timedelta(hours=5))
    monkeypatch.setattr(Live, "is_late", True)
    second.take(*later)
    await second.pipeline.write()

    assert fault.event is later[1]
    assert [event.id for event in store.events if isinstance(event, CallCompleted)] == [later[0].id]
    assert second.live.events["skipped"] == 1


CONFIG = """
[[sources]]
name = "vendor"
kind = "http"
switch = "vendor"
secrets = ["{secret}"]
"""
SECRET = "s" * 40


class Program:
    """`queue-monitor run` in a process of its own, with the bug of `tests.runtime.buggy`."""

    def __init__(self, folder: Path) -> None:
        (folder / "monitor.toml").write_text(CONFIG.format(secret=SECRET))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("QUEUE_MONITOR_")}
        environ |= {
            "QUEUE_MONITOR_HTTP__PORT": "0",
            "QUEUE_MONITOR_STORE__URL": f"sqlite:///{folder / 'journal.db'}",
            "QUEUE_MONITOR_STORE__SPILL": str(folder / "spill.jsonl"),
            "QUEUE_MONITOR_STORE__AGENT_KEY": str(folder / "agent.key"),
            "PYTHONUNBUFFERED": "1",
        }
        with (folder / "log.txt").open("ab") as log:
            self.process = Process(
                *("tests.runtime.buggy", "run", "--config", str(folder / "monitor.toml")),
                env=environ,
                cwd=ROOT,
                stderr=log.fileno(),
            )
        self.address = self.process.stdout.readline().split()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.process.kill()
        self.process.communicate()

    def post(self, *visits: str) -> tuple[int, dict[str, Any]]:
        """The answer's status and body; 0 when the line was cut."""
        now = SystemClock().now()
        source = "urn:kc:http:vendor"
        events = [
            CallEntered(id=visit, source=source, observed_at=now, visit_id=f"vendor:{visit}", queue="k")
            for visit in visits
        ]
        body = b"[" + b",".join(map(encode, events)) + b"]"
        stamp = f"{now.timestamp():.3f}"
        mac = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/cloudevents-batch+json",
            "X-KC-Source": "vendor",
            "X-KC-Timestamp": stamp,
            "X-KC-Signature": f"sha256={mac}",
        }
        request = urllib.request.Request(f"{self.address}api/v1/events", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except (urllib.error.URLError, ConnectionError):
            return 0, {}

    def events(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.address}api/v1/status", timeout=30) as answer:
            found: dict[str, int] = json.loads(answer.read())["events"]
        return found


def test_a_process_that_a_bug_stops_is_to_be_started_again_and_is_not_stopped_by_it_again(tmp_path: Path):
    with Program(tmp_path) as first:
        before = first.post("one")
        first.post("two", "a-bug")
        status = first.process.wait(30)
    with Program(tmp_path) as second:
        again, good, known = second.post("a-bug"), second.post("three"), second.post("two")
        counted = second.events()

    assert (before[0], status) == (202, FAULT)
    assert (again[0], again[1]["errors"][0]["reason"]) == (400, "skipped")
    assert (good[0], known[0]) == (202, 409)  # the one that came with it was kept: its id has another time now
    assert counted["skipped"] == 1
