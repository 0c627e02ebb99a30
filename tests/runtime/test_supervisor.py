"""One adapter kept running."""

import pytest

from queue_monitor.clock import ManualClock
from queue_monitor.events import SourceDisconnected
from queue_monitor.ports import AdapterError, Delivery
from queue_monitor.runtime.supervisor import LONGEST_PAUSE_SECONDS, Supervisor
from tests.fakes import FakeAdapter
from tests.scenario import SOURCE, TEN, Scenario


class Desk:
    """A supervisor, its clock, and what reached the pipeline."""

    def __init__(self, adapter: FakeAdapter) -> None:
        self.clock = ManualClock(TEN)
        self.received: list[Delivery] = []
        self.supervisor = Supervisor(adapter, SOURCE, "luleå", self.put, self.clock)

    async def put(self, delivery: Delivery) -> None:
        self.received.append(delivery)

    def told_down(self) -> list[str]:
        items = [item for delivery in self.received for item in delivery.items]
        return [item.reason for item in items if isinstance(item, SourceDisconnected)]


def delivery() -> Delivery:
    story = Scenario().entered(0, "anna")
    return Delivery(items=tuple(story.events), received_at=story.at(0))


async def test_a_lost_connection_is_made_again_and_said_once():
    adapter = FakeAdapter([delivery()], AdapterError("refused"), AdapterError("refused"), [delivery()])
    desk = Desk(adapter)

    await desk.supervisor.run()

    assert adapter.connected == 5
    lost = "the source closed the connection"
    assert desk.told_down() == [lost, "refused", lost, "the script is over"]


async def test_pauses_grow_and_have_an_end():
    desk = Desk(FakeAdapter(*[AdapterError(f"no {n}") for n in range(12)]))

    await desk.supervisor.run()

    elapsed = desk.clock.monotonic()
    assert LONGEST_PAUSE_SECONDS * 2 < elapsed < LONGEST_PAUSE_SECONDS * 12


async def test_a_wrong_password_stops_this_source_and_says_why(caplog: pytest.LogCaptureFixture):
    adapter = FakeAdapter(AdapterError("secret: the switch refused it", permanent=True), [delivery()])
    desk = Desk(adapter)

    await desk.supervisor.run()

    assert adapter.connected == 1
    assert desk.told_down() == ["secret: the switch refused it"]
    assert "secret: the switch refused it" in caplog.text


async def test_a_bug_in_an_adapter_is_a_lost_connection_with_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
):
    adapter = FakeAdapter(KeyError("oops"), [delivery()])
    desk = Desk(adapter)

    await desk.supervisor.run()

    assert desk.told_down()[0] == "KeyError in the adapter: see the log"
    assert "Traceback" in caplog.text
    assert adapter.connected == 3
