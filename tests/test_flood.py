"""Everything at once: a reconnected source pours out what it held."""

import asyncio
import gc
import time
from datetime import date
from pathlib import Path

from queue_monitor import simulation
from queue_monitor.clock import ScaledClock, SystemClock
from queue_monitor.core.live import Live
from queue_monitor.events import CallEntered
from queue_monitor.ports import Delivery
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store
from tests.scenario import Scenario

FLOOD = 50_000


# How long it takes is measured in processor time: what else the machine does is no matter. What other tests have left
# in memory is none of the garbage collector's work here, or its pauses would be theirs.


async def test_fifty_thousand_events_at_once_are_all_counted_and_the_screen_is_soon_up_to_date(tmp_path: Path):
    day = simulation.simulate(simulation.Config(date=date(2026, 11, 23), calls_factor=6.0, staff_factor=6.0))
    events = day.events[:FLOOD]
    callers = {event.visit_id for event in events if isinstance(event, CallEntered)}
    store = await open_store(f"sqlite:///{tmp_path / 'flood.db'}")
    live = Live(Scenario().rules)
    pipeline = Pipeline(live, ScaledClock(events[-1].at), store)
    settled = 0

    async def ack(receipt: object) -> None:
        nonlocal settled
        settled += 1

    gc.collect()
    gc.freeze()
    working = asyncio.create_task(pipeline.run())
    deliveries = [tuple(events[at : at + 500]) for at in range(0, len(events), 500)]
    began = time.process_time()
    for items in deliveries:
        await pipeline.put(Delivery(items=items, received_at=items[-1].at, ack=ack))
    stalls, shown_at = [], None
    while settled < len(deliveries) or shown_at is None:
        before = time.thread_time()
        await SystemClock().sleep(0.01)
        stalls.append(time.thread_time() - before)
        if shown_at is None and pipeline.latest().events["applied"] == len(events):
            shown_at = time.process_time() - began
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await store.close()
    gc.unfreeze()

    assert len(events) == FLOOD
    assert sum(counts.entered for counts in live.windows.totals().values()) + len(live.ledger.waiting()) == len(callers)
    assert shown_at < 10
    assert max(stalls) < 1, "the pages stood still"
