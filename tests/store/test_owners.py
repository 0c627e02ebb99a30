import asyncio
from pathlib import Path

import psycopg
import pytest

from queue_monitor.ports import StoreError, StoreInUse
from queue_monitor.store import open_store, wipe
from queue_monitor.store.ownership import LOCK
from tests.store.calls import START, callers, entered, read_all, rows
from tests.store.monitor import Monitor
from tests.store.postgres import Postgres
from tests.store.records import EVER, batch, call, refused


async def test_a_second_owner_is_refused_with_a_sentence_that_says_what_to_do(url: str) -> None:
    with Monitor("hold", url) as first:
        assert first.says() == "ready"

        with pytest.raises(StoreInUse) as caught:
            await open_store(url)

    message = str(caught.value)
    assert message.startswith("store.url: the ")
    assert "is in use by another queue monitor (process " in message
    assert "end that one first, or give this one a store of its own" in message


async def test_a_store_is_free_at_once_when_its_owner_was_killed(url: str) -> None:
    with Monitor("hold", url) as first:
        assert first.says() == "ready"
        first.kill()
        second = await open_store(url)

    assert await second.append([entered(1)], START) == 1
    await second.close()


async def test_a_server_that_has_not_yet_seen_that_the_owner_is_gone_is_waited_for(postgres: Postgres) -> None:
    url = postgres.new_database()
    with Monitor("hold", url) as first:
        assert first.says() == "ready"
        first.kill()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as unseen:
        await unseen.execute(f"SELECT pg_advisory_lock{LOCK}")
        opening = asyncio.create_task(open_store(url))
        asked = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        while await (await unseen.execute(asked)).fetchone() is None:
            await unseen.execute("SELECT pg_sleep(0.01)")

    second = await opening
    assert await second.append([entered(1)], START) == 1
    await second.close()


async def test_a_store_that_was_closed_can_be_owned_again(url: str) -> None:
    for number in range(3):
        store = await open_store(url)
        assert await store.append([entered(number)], START) == 1
        await store.close()


async def test_a_store_is_read_while_another_owns_it(url: str) -> None:
    owner = await open_store(url)
    await owner.commit(batch(call("anna"), events=callers(range(3))))

    reader = await open_store(url, own=False)
    kept, calls = await read_all(reader), await reader.calls(*EVER)
    differences = [found async for found in reader.sum_differences()]
    with pytest.raises(StoreError, match="for reading only"):
        await reader.append([entered(9)], START)
    await owner.append([entered(5)], START)
    later = await read_all(reader)
    await reader.close()
    await owner.close()

    assert kept == callers(range(3))
    assert (len(calls), differences) == (1, [])
    assert later == [*callers(range(3)), entered(5)]


async def test_a_reader_makes_no_store(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no such file|no queue monitor has written"):
        await open_store(url, own=False)

    assert _files(tmp_path) == []


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_who_has_lost_the_store_to_another_writes_nothing_more(postgres: Postgres) -> None:
    """The lock went with its connection, and another one took it before the first one looked."""
    url = postgres.new_database()
    first = await open_store(url)
    await first.append([entered(1)], START)
    _cut(url, "queue-monitor owner")
    second = await open_store(url)

    with pytest.raises(StoreInUse, match="in use by another queue monitor"):
        await first.append([entered(2)], START)
    assert await second.append([entered(3)], START) == 1
    await first.close()
    await second.close()

    assert rows(url, "SELECT seq FROM journal ORDER BY seq") == [(1,), (2,)]
    assert rows(url, "SELECT token FROM lease") == [(2,)]


async def test_a_lock_that_was_lost_is_taken_again_when_nobody_else_has(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_monitor.store.ownership._BEAT_SECONDS", 0.0)
    url = postgres.new_database()
    store = await open_store(url)
    _cut(url, "queue-monitor owner")

    assert await store.append([entered(1)], START) == 1

    with pytest.raises(StoreInUse):
        await open_store(url)
    await store.close()


def _cut(url: str, application: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [application],
        )


async def test_wiping_needs_ownership_and_takes_everything(url: str) -> None:
    store = await open_store(url)
    await store.mark_simulated()
    await store.commit(batch(call("anna"), events=callers(range(250)), refusals=(refused("eva"),), states={"a": b"1"}))
    await store.pack(entered(300).at)
    await store.save_learned(b"{}")
    with pytest.raises(StoreInUse):
        await wipe(url)
    await store.close()

    await wipe(url)

    again = await open_store(url)
    assert await read_all(again) == []
    assert await again.calls(*EVER) == []
    assert (await again.totals(), await again.load_states(), await again.load_learned()) == ({}, (0, {}), None)
    assert (await again.is_simulated(), await again.holds_real()) == (False, False)
    assert await again.append(callers(range(3)), START) == 3
    await again.close()


async def test_a_simulation_marks_its_store_and_real_calls_are_known(url: str) -> None:
    store = await open_store(url)
    await store.mark_simulated()
    await store.append([entered(1, source="urn:kc:simulator:kundcenter")], START)
    made_up = await store.is_simulated(), await store.holds_real()
    await store.append([entered(2)], START)
    mixed = await store.is_simulated(), await store.holds_real()
    await store.close()

    assert (made_up, mixed) == ((True, False), (True, True))
