import gzip
import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

import queue_monitor.store
from queue_monitor.events import Event, decode
from queue_monitor.model import Counts, Level
from queue_monitor.ports import StoreError
from queue_monitor.store import SqlStore, newest_revision, open_store
from queue_monitor.store.migrations.compacting import Compacting
from queue_monitor.waits import WaitTally
from tests.store.calls import START, entered, insert_rows, read_all, rows
from tests.store.old import RECORDING, make_tables
from tests.store.records import EVER, all_sums, batch, call

OLD_TABLES = ("journal", "history", "learned", "alert", "notice", "attempt", "acknowledgement", "audit", "alert_state")


@pytest.fixture
def old_url(url: str, tmp_path: Path) -> str:
    """A store that the version before has written, of each kind: some 300 events of three days and their sums."""
    recorded = gzip.decompress(RECORDING.read_bytes())
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).write_bytes(recorded)
        return url
    make_tables(url, "0004")
    (tmp_path / "old.db").write_bytes(recorded)
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.row_factory = sqlite3.Row
        for table in OLD_TABLES:
            found: list[dict[str, Any]] = [dict(row) for row in old.execute(f"SELECT * FROM {table}")]
            for values in found if table == "history" else ():
                values["inside_hours"] = bool(values["inside_hours"])
            insert_rows(url, table, found)
    old.close()
    return url


def old_events(url: str) -> list[Event]:
    return [decode(bytes(body)) for (body,) in rows(url, "SELECT body FROM journal ORDER BY seq")]


def old_history(url: str) -> list[tuple[str, str, bool, datetime, dict[str, Any]]]:
    found = rows(url, "SELECT level, queue, inside_hours, start_us, figures FROM history ORDER BY start_us")
    return [
        (level, queue, bool(inside), datetime.fromtimestamp(us / 1e6, UTC), json.loads(figures))
        for level, queue, inside, us, figures in found
    ]


async def test_an_old_journal_is_read_as_before_and_most_of_it_is_packed(old_url: str) -> None:
    events = old_events(old_url)

    store = await open_store(old_url)
    kept = await read_all(store)
    new = await store.append([*events[:5], entered(1)], START)
    await store.close()

    assert kept == events
    assert new == 1
    packed, alone = rows(old_url, "SELECT sum(events) FROM pack"), rows(old_url, "SELECT count(*) FROM journal")
    assert packed[0][0] + alone[0][0] == len(events) + 1
    assert 150 < packed[0][0] < len(events)
    assert rows(old_url, "SELECT count(*) FROM journal_id") == [(len(events) + 1,)]


async def test_old_sums_are_kept_and_added_up_by_day_and_for_all_time(old_url: str) -> None:
    history = [row for row in old_history(old_url) if any(row[4]["counts"].values())]

    store = await open_store(old_url)
    quarters, days, totals = await all_sums(store, "quarter"), await all_sums(store, "day"), await store.totals()
    differences = [found async for found in store.sum_differences()]
    await store.close()

    wanted = {
        (level, queue, inside, start): Counts(**figures["counts"]) for level, queue, inside, start, figures in history
    }
    assert {(row.level.value, row.queue, row.inside, row.start): row.counts for row in quarters} == wanted
    for row in days:
        its = [each for each in quarters if (each.level, each.queue, each.inside) == (row.level, row.queue, row.inside)]
        tally = WaitTally()
        for each in its:
            if row.start <= each.start < row.start + timedelta(hours=24):
                tally.load(each.waits)
        assert row.waits == tally.sums()
    visits = sum((counts for (level, *_), counts in wanted.items() if level == Level.VISIT), Counts())
    assert sum(totals.values(), Counts()) == visits
    assert visits.entered > 30
    assert differences == []


async def test_an_old_wait_histogram_gives_the_same_percentiles(old_url: str) -> None:
    waits = sum(row[4]["waits"]["answered"] for row in old_history(old_url))

    store = await open_store(old_url)
    tally = WaitTally()
    for row in await all_sums(store, "day"):
        tally.load(row.waits)
    await store.close()

    assert tally.answered == waits > 0
    assert tally.bins is not None and tally.bins.sum() == waits


async def test_a_store_that_a_simulation_has_written_is_known_as_such(old_url: str, url: str) -> None:
    store = await open_store(old_url)
    first = await store.is_simulated(), await store.holds_real()
    await store.append([entered(1)], START)
    then = await store.is_simulated(), await store.holds_real()
    await store.close()

    assert first == (True, False)
    assert then == (True, True)


async def test_how_far_the_migration_has_come_is_told(old_url: str) -> None:
    told: list[tuple[int, int]] = []

    await (await open_store(old_url, progress=lambda done, of: told.append((done, of)))).close()

    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 280


async def test_a_file_of_before_can_give_back_room_afterwards(old_url: str) -> None:
    store = await open_store(old_url)
    await store.close()

    if old_url.startswith("sqlite"):
        assert rows(old_url, "PRAGMA auto_vacuum") == [(2,)]
        assert rows(old_url, "PRAGMA freelist_count") == [(0,)]
    assert rows(old_url, "SELECT version_num FROM queue_monitor_version") == [(newest_revision(),)]


async def test_a_migration_that_fails_leaves_the_store_as_it_was(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events = old_events(old_url)

    def fail(compacting: Compacting) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Compacting, "_mark", fail)
    with pytest.raises(StoreError, match="no space left"):
        await open_store(old_url)
    monkeypatch.undo()

    assert rows(old_url, "SELECT version_num FROM queue_monitor_version") == [("0004",)]
    assert old_events(old_url) == events
    store = await open_store(old_url)
    assert await read_all(store) == events
    await store.close()


async def test_a_reader_does_not_migrate_and_says_so(old_url: str) -> None:
    with pytest.raises(StoreError, match="older version"):
        await open_store(old_url, own=False)

    assert rows(old_url, "SELECT version_num FROM queue_monitor_version") == [("0004",)]


async def test_days_made_anew_replace_the_old_sums_and_earlier_ones_stay(old_url: str) -> None:
    store = await open_store(old_url)
    before = await all_sums(store, "day")
    edge = datetime(2026, 10, 13, 12, tzinfo=UTC)

    await store.forget_from(edge)
    kept = await all_sums(store, "day")
    await _commit_one(store, edge)
    differences = [found async for found in store.sum_differences()]
    await store.close()

    assert kept == [row for row in before if row.start < edge - timedelta(hours=14)]
    assert 0 < len(kept) < len(before)
    assert differences == []


async def _commit_one(store: SqlStore, at: datetime) -> None:
    await store.commit(batch(call("anna", (at - START).total_seconds()), events=[entered(1)]))
    assert len(await store.calls(*EVER)) == 1


def test_the_newest_revision_is_that_of_the_newest_file() -> None:
    revisions = ScriptDirectory(str(Path(queue_monitor.store.__file__).parent / "migrations"))

    assert revisions.get_current_head() == newest_revision()


def test_a_store_of_this_version_is_opened_without_the_library_that_migrates(tmp_path: Path) -> None:
    opening = (
        "import asyncio, sys\n"
        "from queue_monitor.store import open_store\n"
        f"asyncio.run(open_store('sqlite:///{tmp_path}/journal.db'))\n"
        "print('alembic' in sys.modules)"
    )
    opened = [
        subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]

    assert opened == ["True", "False"]


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
async def test_every_older_version_is_brought_up(url: str, revision: str) -> None:
    make_tables(url, revision)

    store = await open_store(url)
    await store.append([entered(1)], START)
    kept = await read_all(store)
    await store.close()

    assert kept == [entered(1)]
