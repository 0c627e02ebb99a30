"""The file of events that wait for the database."""

from pathlib import Path

from queue_monitor.runtime.spill import Left, Spill
from tests.store.calls import entered


async def test_a_line_that_a_full_disk_cut_short_costs_no_other_event(tmp_path: Path) -> None:
    path, left = tmp_path / "spill.jsonl", [Left(entered(number), by_sender=True) for number in range(4)]
    await Spill(path).keep(left[:2])
    path.write_bytes(path.read_bytes()[:-20])

    await Spill(path).keep(left[1:])
    again = Spill(path)

    assert await again.recover() == [left[0], *left[1:]]
    assert again.unreadable == 1
