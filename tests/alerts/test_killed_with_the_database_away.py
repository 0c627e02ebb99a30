"""A monitor that is killed while its database is away goes on where it was: nobody is sent the same twice."""

import stat
from pathlib import Path
from typing import Any

import pytest

from alerts.unsaved import UnsavedFile
from queue_monitor.model import AlertBatch, Crisis
from queue_monitor.ports import StoreError
from tests.alerts.moments import at, risk, snapshot
from tests.alerts.test_dispatch import BrokenRecord
from tests.alerts.test_engine import Process

BAD: dict[str, Any] = {"risk": risk(0.97)}
FINE: dict[str, Any] = {"risk": risk(0.05)}


class Monitor:
    """One process after another, with one database that may be away and one file beside it."""

    def __init__(self, folder: Path) -> None:
        self.record = BrokenRecord()
        self.record.broken = False
        self.file = folder / "var" / "spill.jsonl.alerts"
        self.process: Process | None = None

    async def start(self) -> Process:
        self.process = Process(self.record, unsaved=UnsavedFile(self.file))
        await self.process.round.start()
        return self.process


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    return Monitor(tmp_path)


async def killed_after_an_alarm(monitor: Monitor) -> Process:
    """A process that has sent an alarm while the database was away, and is gone before that is back."""
    first = await monitor.start()
    await first.see(snapshot(at(60)))
    monitor.record.broken = True
    await first.see(snapshot(at(61), **BAD))
    assert first.notifier.said == ["raised"]
    monitor.record.broken = False
    return first


async def test_an_alarm_that_was_sent_while_the_database_was_away_is_not_sent_again_after_a_kill(
    monitor: Monitor,
) -> None:
    """The episode goes on, and its end is sent."""
    await killed_after_an_alarm(monitor)
    second = await monitor.start()
    for minute in range(62, 95):
        await second.see(snapshot(at(minute), **(BAD if minute < 70 else FINE)))

    assert second.notifier.said == ["cleared"]
    assert len({each.episode for each in await monitor.record.alert_record(at(0), at(99))}) == 1


async def test_a_crisis_and_an_acknowledgement_outlive_a_kill_with_the_database_away(monitor: Monitor) -> None:
    """People have done these, and would not do them again."""
    first = await killed_after_an_alarm(monitor)
    monitor.record.broken = True
    await first.round.acknowledge(first.round.now().open[0], "lead")
    await first.round.declare(Crisis(since=at(61), reason="vattenläcka"))
    monitor.record.broken = False
    second = await monitor.start()

    assert second.round.crisis is not None
    assert second.round.crisis.reason == "vattenläcka"
    assert [seen.by for seen in second.round.now().acknowledgements.values()] == ["lead"]


async def test_the_file_is_for_its_owner_and_is_gone_when_the_database_has_taken_all_of_it(monitor: Monitor) -> None:
    """Links that acknowledge stand in it."""
    first = await killed_after_an_alarm(monitor)
    assert stat.S_IMODE(monitor.file.stat().st_mode) == 0o600
    await first.see(snapshot(at(62), **BAD))

    assert not monitor.file.exists()


async def test_the_file_is_gone_after_the_start_that_has_read_it(monitor: Monitor) -> None:
    """A later start has nothing to catch up with."""
    await killed_after_an_alarm(monitor)
    await monitor.start()

    assert not monitor.file.exists()


async def test_a_start_while_the_database_is_away_keeps_the_file(monitor: Monitor) -> None:
    """The start that can write it takes it."""
    await killed_after_an_alarm(monitor)
    monitor.record.broken = True
    with pytest.raises(StoreError):
        await monitor.start()
    monitor.record.broken = False
    second = await monitor.start()
    await second.see(snapshot(at(62), **BAD))

    assert second.notifier.said == []


async def test_what_was_left_is_let_go_when_another_process_has_gone_on_with_the_database(monitor: Monitor) -> None:
    """An older state does not replace a newer one."""
    await killed_after_an_alarm(monitor)
    await monitor.record.save_alerts(AlertBatch(state=b'{"episodes":[],"past":[]}'))
    second = await monitor.start()

    assert second.round.now().open == ()
    assert not monitor.file.exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b'{"after": "x"}'])
async def test_a_file_that_cannot_be_read_does_not_stop_a_start(monitor: Monitor, content: bytes) -> None:
    """It is said in the log."""
    monitor.file.parent.mkdir()
    monitor.file.write_bytes(content)

    assert (await monitor.start()).round.now().open == ()


async def test_a_disk_that_takes_no_file_stops_no_alarm(monitor: Monitor, caplog: Any) -> None:
    """A full disk takes database and file alike; it is said once."""
    monitor.file.parent.mkdir()
    monitor.file.mkdir()
    first = Process(BrokenRecord(), unsaved=UnsavedFile(monitor.file))
    for minute in (60, 61):
        await first.see(snapshot(at(minute), **BAD))

    assert first.notifier.said == ["raised"]
    assert caplog.text.count("alerts beside the store cannot be kept") == 1


async def test_a_file_that_cannot_be_removed_is_said_once_and_tried_until_it_can(monitor: Monitor, caplog: Any) -> None:
    """It was said at each save, of which there is one for every change of an alert."""
    first = await killed_after_an_alarm(monitor)
    monitor.file.unlink()
    monitor.file.mkdir()
    for _ in range(3):
        await first.dispatcher.save(AlertBatch())
    monitor.file.rmdir()
    monitor.file.touch()
    await first.dispatcher.save(AlertBatch())

    assert not monitor.file.exists()
    assert caplog.text.count("alerts beside the store cannot be removed") == 1
    assert caplog.text.count("alerts beside the store are removed again") == 1
