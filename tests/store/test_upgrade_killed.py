"""An upgrade from the version before that is killed at any moment leaves the store old and whole or new and whole."""

import asyncio
import gzip
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from queue_monitor.events import Event, decode, encode
from queue_monitor.store import newest_revision, open_store
from queue_monitor.store.schema import microseconds
from tests.forked import Process
from tests.store.calls import entered, read_all
from tests.store.old import RECORDING

EVERY = 1_000  # steps of SQLite's virtual machine
DAY = 86_400


def a_month_of_0_1(path: Path) -> list[Event]:
    """A store as the version before has left it, with twelve callers on each of thirty days; all of its events."""
    path.write_bytes(gzip.decompress(RECORDING.read_bytes()))
    with closing(sqlite3.connect(path)) as database, database:
        last = database.execute("SELECT max(seq) FROM journal").fetchone()[0]
        for number in range(360):
            event = entered(number, seconds=(number // 12 + 230) * DAY + number % 12 * 600)
            at_us = microseconds(event.at)
            row = (last + 1 + number, event.source, event.id, at_us, at_us, encode(event))
            columns = "(seq, source, id, type, at_us, received_at_us, body)"
            database.execute(f"INSERT INTO journal {columns} VALUES (?, ?, ?, 'call.entered', ?, ?, ?)", row)
        return [decode(bytes(body)) for (body,) in database.execute("SELECT body FROM journal ORDER BY seq")]


def upgraded(path: Path, ticks: int | None) -> int:
    """Upgrade it in a process of its own that is killed after so many ticks of the database, None: never; returns how
    many there were.
    """
    upgrading = Process("tests.store.upgraded", str(path), str(EVERY), str(ticks or 0))
    counted, _ = upgrading.communicate()
    assert upgrading.returncode == (0 if ticks is None else -signal.SIGKILL)
    return int(counted or 0)


def looked_at(path: Path) -> tuple[str, list[Event] | None]:
    """The revision that is found, and its events where it is the old one."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        version = str(database.execute("SELECT version_num FROM queue_monitor_version").fetchone()[0])
        if version != "0004":
            return version, None
        assert database.execute("SELECT count(*) FROM history").fetchone()[0] == 81
        return version, [decode(bytes(body)) for (body,) in database.execute("SELECT body FROM journal ORDER BY seq")]


def gives_back(path: Path) -> bool:
    """Whether the file can become smaller."""
    with closing(sqlite3.connect(path)) as database:
        return bool(database.execute("PRAGMA auto_vacuum").fetchone() == (2,))


def test_killed_at_ten_moments_an_upgrade_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    old, path = tmp_path / "old.db", tmp_path / "calls.db"
    events = a_month_of_0_1(old)
    shutil.copy(old, path)
    ticks = upgraded(path, None)

    async def all_events() -> list[Event]:
        store = await open_store(f"sqlite:///{path}")
        assert [found async for found in store.sum_differences()] == []
        kept = await read_all(store)
        await store.close()
        return kept

    chance = random.Random(17)
    moments = sorted({1, ticks - 1, *(chance.randrange(2, ticks - 1) for _ in range(8))})
    found = []
    for moment in moments:
        for left in tmp_path.glob("calls.db*"):
            left.unlink()
        shutil.copy(old, path)
        upgraded(path, moment)
        version, kept = looked_at(path)
        assert kept in (None, events)
        assert asyncio.run(all_events()) == events
        assert gives_back(path)
        found.append(version)

    assert len(moments) == 10
    assert found == sorted(found)
    assert set(found) == {"0004", newest_revision()}
