"""One adapter kept running."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

from queue_monitor.clock import ManualClock
from queue_monitor.events import SourceDisconnected
from queue_monitor.ports import AdapterError, Delivery
from queue_monitor.runtime.supervisor import AGAIN, MAX_PAUSE_SECONDS, Supervisor
from tests.fakes import FakeAdapter
from tests.scenario import SOURCE, TEN, Scenario


class Desk:
    """A supervisor, its clock, and what reached the pipeline."""

    def __init__(self, adapter: FakeAdapter) -> None:
        self.clock = ManualClock(TEN)
        self.adapter = adapter
        adapter.clock = self.clock
        self.received: list[Delivery] = []
        self.supervisor = Supervisor(adapter, SOURCE, "luleå", self.put, self.clock)

    async def put(self, delivery: Delivery) -> None:
        self.received.append(delivery)

    async def run(self) -> None:
        """Until the adapter's script is over."""
        with suppress(asyncio.CancelledError):
            await self.supervisor.run()

    def pauses(self) -> list[float]:
        """Seconds from each attempt to the next."""
        return [after - before for before, after in pairwise(self.adapter.moments)]

    def told_down(self) -> list[str]:
        items = [item for delivery in self.received for item in delivery.items]
        return [item.reason for item in items if isinstance(item, SourceDisconnected)]


def delivery() -> Delivery:
    story = Scenario().entered(0, "anna")
    return Delivery(items=tuple(story.events), received_at=story.at(0))


async def test_a_lost_connection_is_made_again_and_said_once():
    adapter = FakeAdapter([delivery()], AdapterError("refused"), AdapterError("refused"), [delivery()])
    desk = Desk(adapter)

    await desk.run()

    assert adapter.connected == 5
    lost = "the source closed the connection"
    assert desk.told_down() == [lost, "refused", lost]


async def test_pauses_grow_and_have_an_end():
    desk = Desk(FakeAdapter(*[AdapterError(f"no {n}") for n in range(12)]))

    await desk.run()

    elapsed = desk.clock.monotonic()
    assert MAX_PAUSE_SECONDS * 4 < elapsed <= MAX_PAUSE_SECONDS * 12


async def test_a_switch_that_is_back_is_heard_within_ten_seconds():
    away = [AdapterError("cannot be reached") for _ in range(200)]
    desk = Desk(FakeAdapter(*away, [delivery()]))

    await desk.run()

    assert max(desk.pauses()) <= 5  # the rest of the ten seconds is for signing in, on a busy machine
    assert desk.told_down()[0] == "cannot be reached"


async def test_a_wrong_password_is_said_once_and_tried_again_seldom(caplog: pytest.LogCaptureFixture):
    wrong = AdapterError("secret: the switch refused it", permanent=True)
    adapter = FakeAdapter(wrong, wrong, wrong, wrong, [delivery()])
    desk = Desk(adapter)

    await desk.run()

    assert [round(pause) for pause in desk.pauses()][:4] == [60, 300, 900, 900]
    assert desk.told_down()[0] == f"secret: the switch refused it ({AGAIN})"
    assert desk.told_down().count(desk.told_down()[0]) == 1
    assert "tried again in 15 min" in caplog.text


async def test_a_password_that_is_put_right_is_tried_at_once():
    wrong = AdapterError("secret: the switch refused it", permanent=True)
    before, after = FakeAdapter(wrong), FakeAdapter([delivery()])
    desk = Desk(before)
    asked = 0

    def renewed() -> FakeAdapter | None:
        nonlocal asked
        asked += 1
        return after if asked == 5 else None

    desk.supervisor = Supervisor(before, SOURCE, "luleå", desk.put, desk.clock, renewed)
    await desk.run()

    assert (before.connected, after.connected) == (1, 2)
    assert desk.clock.monotonic() < 15


async def test_a_bug_in_an_adapter_is_a_lost_connection_with_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
):
    adapter = FakeAdapter(KeyError("oops"), [delivery()])
    desk = Desk(adapter)

    await desk.run()

    assert desk.told_down()[0] == "KeyError in the adapter: see the log"
    assert "Traceback" in caplog.text
    assert adapter.connected == 3
