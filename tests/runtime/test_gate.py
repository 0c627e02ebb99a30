"""What the corridor does with events that no switch says: refused once, counted, named, and nothing else happens."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from queue_monitor.core.known_queues import OTHERS
from queue_monitor.core.live import MAX_REASONS
from queue_monitor.events import CallCompleted, CallEntered, Event, SourceClock
from queue_monitor.model import RejectedItem
from queue_monitor.ports import Delivery, Receipt, Rejected
from queue_monitor.runtime.admission import MAX_SOURCES
from queue_monitor.runtime.spill import Left, Spill
from tests.core.test_bounds import crowded
from tests.fakes import FakeStore
from tests.runtime.test_pipeline import Corridor
from tests.scenario import SOURCE, TEN, Scenario

YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def call(kind: type[Event] = CallEntered, **fields: Any) -> Event:
    needed: dict[str, Any] = {"id": "1", "source": SOURCE, "switch": "luleå", "observed_at": TEN, "switch_time": TEN}
    needed |= {"visit_id": "luleå:1"} | ({"queue": "kundcenter"} if kind is CallEntered else {})
    return kind(**(needed | fields))


POISON = (
    call(CallCompleted, talk_ms_reported=10**18),
    call(CallCompleted, wait_ms_reported=10**18, id="2"),
    call(switch_time=YEAR_ONE, id="3"),
    call(switch_time=datetime.max.replace(tzinfo=UTC), id="4"),
)


async def sent(corridor: Corridor, *events: Event, whole: bool = False) -> Receipt:
    told: list[Receipt] = []

    async def ack(receipt: Receipt) -> None:
        told.append(receipt)

    now = corridor.clock.now()
    corridor.pipeline.take(Delivery(items=events, received_at=now, ack=ack, dated_by_sender=True, whole=whole))
    await corridor.pipeline.write()
    corridor.pipeline.publish()
    (receipt,) = told
    return receipt


@pytest.mark.parametrize("poison", POISON)
async def test_poison_is_acknowledged_counted_and_costs_nothing_else(poison: Event):
    corridor = Corridor()

    receipt = await sent(corridor, *corridor.story.entered(0, "anna").events, poison)

    assert (receipt.accepted, [one.index for one in receipt.refused]) == (1, [1])
    assert sum(corridor.pipeline.latest().rejected.values()) == 1
    assert [event.id for event in corridor.store.events] == [corridor.story.events[0].id]


async def test_of_a_delivery_that_is_one_thing_nothing_is_taken_when_one_event_is_refused():
    corridor = Corridor()

    receipt = await sent(corridor, *corridor.story.entered(0, "anna").events, POISON[0], whole=True)

    assert (receipt.accepted, len(receipt.refused)) == (0, 1)
    assert corridor.store.events == []


async def test_a_spill_of_an_earlier_version_that_holds_poison_does_not_stop_a_start(tmp_path: Path):
    spill = tmp_path / "spill.jsonl"
    good = call(id="good", visit_id="luleå:9", observed_at=TEN - timedelta(seconds=9), switch_time=TEN)
    poison = [event for event in POISON if event.at.year == 2026]
    await Spill(spill).keep(Left(event, by_sender=True) for event in (good, *poison))

    corridor = Corridor(spill=spill)
    await corridor.pipeline.rebuild()

    assert [event.id for event in corridor.store.events] == ["good"]


async def test_a_journal_of_an_earlier_version_that_holds_poison_does_not_stop_a_start():
    store = FakeStore()
    real = await store.real()
    await real.append([call(id="0"), structs.replace(POISON[0], id="1"), structs.replace(POISON[1], id="2")], TEN)

    corridor = Corridor(store)
    await corridor.pipeline.rebuild()

    assert corridor.pipeline.latest().journal.up


async def test_a_new_line_in_an_id_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture):
    corridor = Corridor()
    forged = "1\n2026-11-23 10:00:00 WARNING all is well"

    with caplog.at_level(logging.DEBUG):
        await sent(corridor, call(id=forged), call(id="2", source=f"urn:kc:mqtt:{forged}"))

    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all("\n" not in key for key in corridor.pipeline.latest().rejected)


async def test_who_watches_a_switch_a_year_ahead_sees_its_callers_now_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    corridor = Corridor()
    ahead = TEN + timedelta(days=365)

    corridor.take(call(switch_time=ahead), call(id="2", visit_id="luleå:2", switch_time=ahead))
    await corridor.pipeline.write()
    shown = corridor.pipeline.publish()

    assert len(shown.total.waiting) == 2
    assert [event.at for event in corridor.store.events] == [TEN, TEN]
    assert shown.rejected == {f"{SOURCE} clock_ahead": 2}
    assert caplog.text.count("clock_ahead") == 1


async def test_the_last_ones_are_listed_by_field_and_length_and_outlive_the_process():
    corridor = Corridor()
    await sent(corridor, call(id="good"), call(id="070-1740605\n"), POISON[0], call(switch_time=YEAR_ONE))
    corridor.pipeline._states_at = -1e9
    await corridor.pipeline.write()

    again = Corridor(corridor.store)
    await again.pipeline.rebuild()

    (text, number, time) = again.live.last_rejected
    assert text == RejectedItem(
        at=TEN, source=SOURCE, reason="unfit_text", field="id", kind="text", length=12, detail="with control characters"
    )
    assert (number.field, number.kind, number.length) == ("talk_ms_reported", "number", 19)
    assert (time.field, time.reason) == ("time", "time_out_of_range")


@pytest.mark.parametrize(("by_sender", "place"), [(False, "bygglov"), (True, OTHERS)])
async def test_only_the_list_of_a_switch_that_we_watch_ourselves_gives_a_queue_its_place(by_sender: bool, place: str):
    corridor = Corridor()
    corridor.clock.advance_to(TEN + timedelta(seconds=60))
    crowded(corridor.story)
    lists = Scenario().snapshot(30, queue="bygglov").events
    for events, sent_so in ((corridor.story.events, True), (lists, by_sender)):
        delivery = Delivery(items=tuple(events), received_at=corridor.clock.now(), dated_by_sender=sent_so)
        corridor.pipeline.take(delivery)

    caller = Scenario().entered(40, "anna", queue="bygglov").events
    corridor.pipeline.take(Delivery(items=tuple(caller), received_at=corridor.clock.now()))

    assert "luleå:anna@bygglov" in {v.visit_id for _, v in corridor.live.ledger.waiting() if v.queue == place}


async def test_what_a_sender_whose_clock_is_found_to_be_wrong_sends_again_is_known_again():
    """The first answer was lost on its way; meanwhile two probes have said that the clock is far off."""
    corridor = Corridor()
    entered = call(switch_time=TEN - timedelta(minutes=4))
    off: dict[str, Any] = {"source": SOURCE, "switch": "luleå", "observed_at": TEN, "offset_ms": -240_000.0}
    first = await sent(corridor, entered)
    await sent(corridor, SourceClock(id="c1", **off), SourceClock(id="c2", **off))

    corridor.clock.advance_to(TEN + timedelta(seconds=20))
    again = await sent(corridor, structs.replace(entered, observed_at=TEN + timedelta(seconds=20)))
    corridor.clock.advance_to(TEN + timedelta(seconds=40))
    other = await sent(corridor, call(CallCompleted, id="1"))

    assert (first.accepted, again.duplicates, again.conflicts, other.conflicts) == (1, 1, (), ("1",))


@pytest.mark.parametrize(("source", "reason"), [("urn:kc:mqtt:{}", "too_many_sources"), (SOURCE, "too_many_switches")])
async def test_a_publisher_that_makes_up_names_is_refused_and_those_known_go_on(source: str, reason: str):
    corridor = Corridor()
    await sent(corridor, call(id="known"))
    numbers = map(str, range(MAX_SOURCES + 50))
    made_up = (call(id=n, visit_id=f"{n}:1", switch=n, source=source.format(n)) for n in numbers)

    receipt = await sent(corridor, *made_up)
    later = await sent(corridor, call(CallCompleted, id="later"))

    assert (receipt.accepted, len(receipt.refused)) == (MAX_SOURCES - 1, 51)
    assert {one.reason for one in receipt.refused} == {reason}
    assert later.accepted == 1


async def test_made_up_sources_fill_neither_the_log_nor_the_list_of_reasons(caplog: pytest.LogCaptureFixture):
    corridor = Corridor()
    names = [f"urn:kc:mqtt:{number}" for number in range(3 * MAX_SOURCES)]
    await sent(corridor, *(call(id=str(at), source=name) for at, name in enumerate(names[:MAX_SOURCES])))
    await sent(corridor, *(call(id=str(at), source=name) for at, name in enumerate(names)))
    await sent(corridor, *(call(id="\n", source=name) for name in names[MAX_SOURCES:]))
    await sent(corridor, call(id="\n", source=names[0]))

    assert corridor.live.rejected == {
        "others too_many_sources": 2 * MAX_SOURCES,
        "others unfit_text": 2 * MAX_SOURCES,
        f"{names[0]} unfit_text": 1,
    }
    assert corridor.live.last_rejected[-2].source == names[-1]
    assert caplog.text.count("rejected source=") == 3


async def test_reasons_above_the_limit_are_logged_once(caplog: pytest.LogCaptureFixture):
    corridor = Corridor()
    for number in range(MAX_REASONS + 50):
        corridor.pipeline.take(Delivery(items=(Rejected(source=SOURCE, reason=f"reason_{number}"),), received_at=TEN))

    assert caplog.text.count("rejected source=") == MAX_REASONS + 1


async def test_the_newest_switch_of_whoever_makes_up_most_gives_way_to_another_senders():
    corridor = Corridor()
    await sent(corridor, *(call(id=f"{number}", switch=f"{number}") for number in range(MAX_SOURCES + 50)))

    receipt = await sent(corridor, call(id="other", switch="piteå", source="urn:kc:mqtt:piteå"))

    assert receipt.accepted == 1
