"""Where past calls come from: whose word they are."""

from pathlib import Path

from queue_monitor.backtest.calls import read_calls
from queue_monitor.backtest.sources import CallsPast
from tests.backtest.test_calls import HEADER, ZONE, written
from tests.scenario import office_hours


async def test_the_calls_of_a_file_are_a_senders_word(tmp_path: Path):
    file = written(tmp_path, HEADER + "2026-11-23 10:00:00,kundcenter,5,answered,60,0701740605\n")

    past = CallsPast("calls", read_calls(file, ZONE), office_hours())

    assert {delivery.dated_by_sender async for delivery in past.deliveries()} == {True}
