"""Files that are read by a process of their own make the same rows, the same record and the same refusals."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.asterisk_queuelog import Settings
from queue_monitor.importing.apart import ReadApart
from queue_monitor.importing.queue_log import QueueLogs
from queue_monitor.replay.recording import RecordingError
from tests.importing.made import imported, queue_log
from tests.importing.test_import import MONTH
from tests.test_rebuilding import history

ZONE = ZoneInfo("Europe/Stockholm")
MISSPELT = b"1729490400|x|Kundcenter|Anna\nno line\n1729490500|y|" + b"k" * 300 + b"|NONE|ENTERQUEUE||0|1\n"
"""Two lines that are none, and a queue whose name is longer than any limit."""


def two_logs(folder: Path) -> tuple[Path, Path]:
    lines = queue_log(MONTH).splitlines(keepends=True)
    first, second = folder / "queue_log.1", folder / "queue_log"
    first.write_bytes(b"".join(lines[:300]) + MISSPELT)
    second.write_bytes(b"".join(lines[300:]))
    return first, second


def inner_of(*paths: Path) -> QueueLogs:
    return QueueLogs("queue_log", paths, Settings(), ZONE)


def test_events_files_refusals_and_notes_are_those_of_one_process(tmp_path: Path) -> None:
    first, second = two_logs(tmp_path)
    here = inner_of(second, first, second)
    there = ReadApart(inner_of(second, first, second), Settings(), ZONE)

    wanted, found = list(here.pieces()), list(there.pieces())

    assert found == wanted
    assert any(len(event.queue) == 300 for piece in found for event in piece.events if hasattr(event, "queue"))
    assert (there.files, there.notes) == (here.files, here.notes)
    assert (there.refusals.counts, there.refusals.listed) == (here.refusals.counts, here.refusals.listed)


async def test_the_rows_are_those_of_one_process(tmp_path: Path) -> None:
    kept = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        await imported(folder / "calls.db", *two_logs(folder), apart=name == "there")
        kept.append(history(folder / "calls.db", "agent", "evidence"))
    assert kept[0] == kept[1]


def test_a_file_that_breaks_in_the_middle_is_said_by_name(tmp_path: Path) -> None:
    first, _ = two_logs(tmp_path)
    reading = ReadApart(inner_of(first), Settings(), ZONE)
    first.unlink()
    with pytest.raises(RecordingError, match=r"queue_log\.1: cannot be read"):
        list(reading.pieces())


def test_a_process_that_was_stopped_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = two_logs(tmp_path)
    monkeypatch.setattr("sys.executable", "/bin/true")
    with pytest.raises(RecordingError, match="was stopped"):
        list(ReadApart(inner_of(first), Settings(), ZONE).pieces())
