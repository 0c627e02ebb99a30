import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from queue_monitor.ports import StoreError
from queue_monitor.store import SqlStore, open_store
from tests.store.calls import LONG_AGO, START, callers, entered, read_all, rows
from tests.store.disks import Disk, small_disk_for_postgres, small_disk_for_sqlite
from tests.store.monitor import BATCH, Monitor
from tests.store.postgres import PASSWORD, Postgres, running_server

MANY = callers(range(100, 6_100))  # some 5 MB, more than either small disk has left


@pytest.fixture(params=["sqlite", "postgresql"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A small disk with an empty database of each kind."""
    if request.param == "sqlite":
        with small_disk_for_sqlite(tmp_path) as disk:
            yield disk
    else:
        with small_disk_for_postgres(request.getfixturevalue("postgres")) as disk:
            yield disk


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A server that nobody else uses and a test may stop. With few files in it, it is soon up again after a crash."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A store of each kind, the one in memory too."""
    urls = {"sqlite": f"sqlite:///{tmp_path}/journal.db", "memory": "sqlite://"}
    opened = await open_store(urls.get(request.param) or request.getfixturevalue("postgres_url"))
    yield opened
    await opened.close()


async def test_every_caller_acknowledged_by_a_monitor_that_was_killed_is_there(url: str) -> None:
    with Monitor("append", url) as monitor:
        for _ in range(40):
            heard = monitor.says()
        acknowledged = int([heard, *monitor.kill()][-1])

    store = await open_store(url)
    kept = await read_all(store)
    await store.close()

    assert acknowledged >= 40 * BATCH
    assert kept[:acknowledged] == callers(range(acknowledged))
    assert len(kept) - acknowledged in (0, BATCH)  # committed, and killed before it could say so


async def test_every_caller_acknowledged_by_a_server_that_lost_its_power_is_there(own_postgres: Postgres) -> None:
    url = own_postgres.new_database()
    with Monitor("append", url) as monitor:
        for _ in range(40):
            heard = monitor.says()
        own_postgres.stop(crash=True)
        acknowledged = int([heard, *monitor.kill()][-1])
    own_postgres.start()

    store = await open_store(url)
    kept = await read_all(store)
    await store.close()

    assert kept[:acknowledged] == callers(range(acknowledged))
    assert len(kept) - acknowledged in (0, BATCH)


async def test_a_full_disk_takes_all_of_a_batch_or_nothing_and_more_when_there_is_room(disk: Disk) -> None:
    store = await open_store(disk.url)
    assert await store.append(callers(range(100)), START) == 100
    disk.fill()
    try:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"^store\.url: .* could not be written to: ") as caught:
                await store.append(MANY, START)
            assert "urn:kc" not in str(caught.value)
            assert await read_all(store, START) == callers(range(100))
    finally:
        disk.make_room()

    some = MANY[:500]
    assert await store.append(some, START) == len(some)
    assert await read_all(store, START) == [*callers(range(100)), *some]
    await store.close()


@pytest.mark.parametrize("crash", [False, True], ids=["in order", "at once"])
async def test_a_server_that_was_stopped_and_started_is_used_again_by_itself(
    own_postgres: Postgres, crash: bool
) -> None:
    store = await open_store(own_postgres.new_database())
    await store.append([entered(1)], START)
    own_postgres.stop(crash=crash)
    try:
        for attempt in (store.append([entered(2)], START), read_all(store), store.load_states()):
            with pytest.raises(StoreError, match=r"^store\.url: the PostgreSQL database .* could not be ") as caught:
                await attempt
            assert PASSWORD not in str(caught.value)
    finally:
        own_postgres.start()

    assert await store.append(callers([1, 2, 3]), START) == 2
    assert await read_all(store, LONG_AGO) == callers([1, 2, 3])
    await store.close()


async def test_a_connection_cut_by_the_server_is_replaced_unseen(postgres: Postgres) -> None:
    url = postgres.new_database()
    store = await open_store(url)
    rows(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    assert await store.append([entered(1)], START) == 1

    await store.close()


@pytest.mark.parametrize("turns", range(0, 60, 7))
async def test_an_append_given_up_halfway_is_there_whole_or_not_at_all_and_the_next_one_works(
    any_store: SqlStore, turns: int
) -> None:
    await any_store.append(callers(range(100)), START)
    appending = asyncio.create_task(any_store.append(MANY[:3_000], START))
    for _ in range(turns):
        await asyncio.to_thread(lambda: None)
    appending.cancel()

    new = await any_store.append(callers(range(99, 103)), START)

    assert new in (0, 3)  # callers 100 to 102 are among those given up
    assert len(await read_all(any_store)) in (103, 3_100)


async def test_a_reader_who_gives_up_takes_nothing_away(any_store: SqlStore) -> None:
    await any_store.append(callers(range(3_000)), START)
    for turns in range(0, 20, 3):
        reading = asyncio.create_task(read_all(any_store))
        for _ in range(turns):
            await asyncio.to_thread(lambda: None)
        reading.cancel()

    assert await any_store.append(callers(range(3_000, 3_003)), START) == 3
    assert len(await read_all(any_store)) == 3_003


async def test_a_store_closed_while_an_append_was_given_up_closes_in_order(any_store: SqlStore) -> None:
    appending = asyncio.create_task(any_store.append(MANY[:3_000], START))
    await asyncio.to_thread(lambda: None)
    appending.cancel()

    await any_store.close()

    assert appending.cancelled()
