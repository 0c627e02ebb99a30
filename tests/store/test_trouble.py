from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_monitor.ports import StoreError
from queue_monitor.store import open_store
from tests.store.calls import LONG_AGO, START, callers, entered, read_all, rows
from tests.store.disks import Disk, small_disk_for_postgres, small_disk_for_sqlite
from tests.store.monitor import BATCH, Monitor
from tests.store.postgres import PASSWORD, Postgres

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


async def test_every_caller_acknowledged_by_a_server_that_lost_its_power_is_there(postgres: Postgres) -> None:
    url = postgres.new_database()
    with Monitor("append", url) as monitor:
        for _ in range(40):
            heard = monitor.says()
        postgres.stop(crash=True)
        acknowledged = int([heard, *monitor.kill()][-1])
    postgres.start()

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
async def test_a_server_that_was_stopped_and_started_is_used_again_by_itself(postgres: Postgres, crash: bool) -> None:
    store = await open_store(postgres.new_database())
    await store.append([entered(1)], START)
    postgres.stop(crash=crash)
    try:
        for attempt in (store.append([entered(2)], START), read_all(store), store.load_history(START)):
            with pytest.raises(StoreError, match=r"^store\.url: the PostgreSQL database .* could not be ") as caught:
                await attempt
            assert PASSWORD not in str(caught.value)
    finally:
        postgres.start()

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
