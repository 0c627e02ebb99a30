"""Files that are read by a process of their own make the same rows, the same record and the same refusals."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from adapters.asterisk_queuelog import Settings
from queue_monitor.importing import Wanted, run
from queue_monitor.importing.apart import ReadApart
from queue_monitor.importing.files import PIECE
from queue_monitor.importing.queue_log import QueueLogs
from queue_monitor.replay.recording import RecordingError
from tests.importing.made import DELIVERY, callers, children, config_of, imported, queue_log
from tests.importing.test_import import MONTH
from tests.test_rebuilding import history

ZONE = ZoneInfo("Europe/Stockholm")
LONG = b"k" * 600
"""A queue whose name is longer than any limit."""

MISSPELT = (
    b"1729490400|x|Kundcenter|Anna\nno line\n1729490500|y|" + LONG + b"|NONE|ENTERQUEUE||0|1\n"
    b"1729490520|y|" + LONG + b"|Anna|CONNECT|20|y.9|2\n"
)
"""Two lines that are none, and two of that queue."""


class Whole(NamedTuple):
    """A log of some pieces, of which a reader is one ahead, and the rows that it makes in one go."""

    log: Path
    rows: list[list[dict[str, Any]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    log, store = folder / "queue_log", folder / "whole.db"
    calls = callers(date(2024, 3, 4), 5, 170)
    log.write_bytes(queue_log(call._replace(name=f"{call.name}.{'0' * 300}") for call in calls))  # long, with few calls
    assert log.stat().st_size > 3 * PIECE
    with ThreadPoolExecutor(1) as aside:  # the loop of a test must not be met
        aside.submit(lambda: asyncio.run(imported(store, log, apart=False))).result()
    return Whole(log, history(store, "agent", "evidence"))


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


@pytest.mark.parametrize("apart", [False, True])
async def test_a_line_that_breaks_a_limit_is_refused_by_name(tmp_path: Path, apart: bool) -> None:
    first, second = two_logs(tmp_path)
    made = await imported(tmp_path / "calls.db", first, second, apart=apart, dry_run=True)
    lines = first.read_bytes().split(b"\n")

    refused = {line.line: line for line in made.refusals.listed if line.reason == "unfit_text"}
    assert list(refused) == [at for at, line in enumerate(lines, 1) if LONG in line]
    assert {(line.field, line.why) for line in refused.values()} == {("queue", "longer than 500 characters")}
    assert made.refusals.total == 4


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_reader_that_is_killed_is_said_with_its_place_and_loses_nothing(
    tmp_path: Path, whole: Whole, dry_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_monitor.importing.engine.DELIVERY", DELIVERY)
    log = whole.log

    with pytest.raises(RecordingError, match=r"was stopped after queue_log, line \d{4,5}; run the same command again"):
        await run(config_of(tmp_path / "there.db"), wanted(log, dry_run=dry_run), kill_the_reader)
    resumed = await imported(tmp_path / "there.db", log, apart=True)

    assert resumed.resumed is not dry_run
    assert history(tmp_path / "there.db", "agent", "evidence") == whole.rows


@pytest.mark.parametrize("is_broken_off", [False, True])
async def test_numbers_of_agents_are_replaced_as_in_one_process(
    tmp_path: Path, whole: Whole, is_broken_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_monitor.importing.engine.DELIVERY", DELIVERY)
    log, kept = tmp_path / "queue_log", []
    log.write_bytes(whole.log.read_bytes().replace(b"|Anna|", b"|Local/0701740606@from-internal|"))
    for name in ("here.db", "there.db"):
        config = config_of(tmp_path / name)
        store = structs.replace(config.store, number_keys=str(tmp_path / "number.keys"))
        config = structs.replace(config, store=store)
        apart = name == "there.db"
        if apart and is_broken_off:
            with pytest.raises(RecordingError, match="was stopped"):
                await run(config, wanted(log), kill_the_reader)
        await run(config, structs.replace(wanted(log), apart=apart), lambda done, total: None)
        kept.append(history(tmp_path / name, "seq"))

    assert kept[0] == kept[1]
    assert "0701740606" not in repr(kept)


def wanted(log: Path, *, dry_run: bool = False) -> Wanted:
    return Wanted(files=(log,), apart=True, dry_run=dry_run)


def kill_the_reader(done: int, total: int) -> None:
    if done >= total // 2:
        for child in children():
            os.kill(child, signal.SIGKILL)


PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from queue_monitor.importing import Wanted, engine, run
from tests.importing.made import DELIVERY, children, config_of

engine.DELIVERY = DELIVERY

def stop(done, total):
    if done >= total // 2:
        print(*children(), flush=True)
        os.killpg(0, signal.SIGINT) if sys.argv[1] == "ctrl-c" else os.kill(os.getpid(), signal.SIGKILL)

signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where Ctrl-C is left out
try:
    asyncio.run(run(config_of(Path(sys.argv[2])), Wanted(files=(Path(sys.argv[3]),), apart=True), stop))
except KeyboardInterrupt:
    sys.exit(130)
"""


def broken_off(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a group of its own, which gets its Ctrl-C."""
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, start_new_session=True)


@pytest.mark.parametrize(("how", "code"), [("ctrl-c", 130), ("kill -9", -signal.SIGKILL)])
async def test_an_import_that_is_broken_off_leaves_no_reader_and_goes_on_later(
    tmp_path: Path, whole: Whole, how: str, code: int
) -> None:
    log, broken = whole.log, tmp_path / "broken.db"
    command = [sys.executable, "-c", PROGRAM, how, str(broken), str(log)]
    done = await asyncio.to_thread(broken_off, command)
    readers = done.stdout.split()

    assert (done.returncode, done.stderr) == (code, "")
    assert readers
    for reader in readers:  # `tail` waits until it is gone
        await asyncio.to_thread(subprocess.run, ["tail", f"--pid={reader}", "-f", "/dev/null"], timeout=60, check=True)
    assert (await imported(broken, log, apart=True)).resumed
    assert history(broken, "agent", "evidence") == whole.rows


def test_the_reader_runs_the_code_of_whoever_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = two_logs(tmp_path)
    (tmp_path / "queue_monitor").mkdir()
    (tmp_path / "queue_monitor" / "__init__.py").write_text("raise RuntimeError")
    reading = ReadApart(inner_of(first), Settings(), ZONE)
    monkeypatch.chdir(tmp_path)
    assert list(reading.pieces())


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
