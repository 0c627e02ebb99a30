import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from queue_monitor.events import Event, encode
from queue_monitor.model import Known
from queue_monitor.ports import Outdated
from queue_monitor.simulation import Config, simulate
from queue_monitor.store import SqlStore, open_store
from queue_monitor.store.packs import DamagedPack, packed, unpacked
from tests.store.calls import LONG_AGO, START, callers, entered, read_all, rows
from tests.store.records import batch

FAR = START + timedelta(days=400)


def test_a_pack_gives_back_what_was_put_in_in_its_order() -> None:
    lines = [(7, b'{"a":1}'), (3, b'{"b":\n 2}'), (900_000, b"")]

    assert list(unpacked(packed(lines))) == [(7, b'{"a":1}'), (3, b'{"b":  2}'), (900_000, b"")]
    for damaged in (b"", b"x" * 40, packed(lines)[:-3]):
        with pytest.raises(DamagedPack):
            list(unpacked(damaged))


async def test_packed_events_are_read_as_before_in_the_order_of_their_commits(store: SqlStore) -> None:
    """Late words have high numbers and early times, so packs overlap."""
    on_time, late = callers(range(1_000)), [entered(5_000 + n, seconds=n * 3 + 0.5) for n in range(250)]
    await store.append(on_time[:700], START)
    await store.append(late, START)
    await store.append(on_time[700:], START)
    everything = [*on_time[:700], *late, *on_time[700:]]

    done = await store.pack(entered(800).at)
    again = await store.pack(entered(800).at)

    assert (done, again) == (1_000, 0)  # some 67 of 1,067 wait for more
    assert await read_all(store) == everything
    assert [event async for event in store.read(entered(600).at)] == [e for e in everything if e.at >= entered(600).at]
    assert [pair async for pair in store.read_after(900)] == [
        (seq, event) for seq, event in enumerate(everything, 1) if seq > 900
    ]


async def test_a_few_events_are_packed_when_no_more_have_come_for_long(store: SqlStore) -> None:
    await store.append(callers(range(130)), START)

    assert await store.pack(entered(130).at) == 100
    assert await store.pack(entered(130).at + timedelta(days=1)) == 30
    assert await read_all(store) == callers(range(130))


async def test_packing_stops_at_what_was_asked_for(store: SqlStore) -> None:
    await store.append(callers(range(1_500)), START)

    assert await store.pack(FAR, at_most=1_000) == 1_000
    assert await store.pack(FAR, at_most=1_000) == 500
    assert await store.pack(FAR, at_most=1_000) == 0


async def test_a_reader_misses_nothing_that_is_packed_while_it_reads(store: SqlStore) -> None:
    everything = [*callers(range(1_200)), *[entered(5_000 + n, seconds=n + 0.5) for n in range(1_200)]]
    await store.append(everything, START)
    seen: list[Event] = []

    async for event in store.read(LONG_AGO):
        seen.append(event)
        if len(seen) in (1, 400, 900, 1_700):
            await store.pack(FAR, at_most=500)

    assert seen == everything


async def test_an_id_is_known_after_its_event_was_packed(store: SqlStore) -> None:
    await store.append(callers(range(300)), START)
    await store.pack(FAR)
    other = entered(7, seconds=99_999)

    assert await store.look_up([entered(5), other, entered(999)]) == [Known.REPEATED, Known.CONFLICT, Known.NEW]
    assert (await store.commit(batch(events=[entered(5), entered(999)]))).repeated == (0,)
    with pytest.raises(Outdated) as caught:
        await store.commit(batch(events=[other]))
    assert caught.value.conflicts == (0,)


async def test_an_id_whose_event_is_no_longer_kept_is_still_known(store: SqlStore, url: str) -> None:
    await store.append(callers(range(300)), START)
    await store.pack(FAR)
    rows(url, "DELETE FROM pack")

    assert await store.look_up([entered(5)]) == [Known.REPEATED]
    assert await store.append(callers(range(300)), START) == 0


async def test_a_damaged_pack_is_passed_over_counted_and_said_once(
    store: SqlStore, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.append(callers(range(300)), START)
    await store.pack(FAR)
    rows(url, "UPDATE pack SET body = :body WHERE id = 2", body=b"spoiled")

    for _ in range(2):
        assert await read_all(store) == [*callers(range(100)), *callers(range(200, 300))]

    assert (await store.health()).unreadable == 1
    assert [r.message.split(" reason")[0] for r in caplog.records if r.name.startswith("queue_monitor")] == [
        "journal pack passed over: number=2"
    ]


async def test_a_row_that_cannot_be_read_is_packed_all_the_same(store: SqlStore, url: str) -> None:
    await store.append(callers(range(100)), START)
    rows(url, "UPDATE journal SET body = :body WHERE seq = 3", body=b"\xff\n\x00")

    assert await store.pack(FAR) == 100

    assert await read_all(store) == [*callers([0, 1]), *callers(range(3, 100))]
    assert store.unreadable == 1


async def test_the_index_leads_from_a_contact_to_its_packs(store: SqlStore, url: str) -> None:
    await store.append(callers(range(200)), START)
    await store.pack(FAR)

    assert rows(url, "SELECT count(*), count(DISTINCT hash), count(DISTINCT pack) FROM pack_contact") == [(200, 200, 2)]


async def test_a_packed_day_is_small_and_its_room_is_given_back(tmp_path: Path) -> None:
    events = simulate(Config(date=date(2026, 3, 2))).events
    file = tmp_path / "journal.db"
    store = await open_store(f"sqlite:///{file}")
    empty = _size(file)
    for start in range(0, len(events), 1_000):
        await store.append(events[start : start + 1_000], START)
    before = _size(file)

    while await store.pack(FAR):
        pass

    await store.close()
    after, unused = _size(file), rows(f"sqlite:///{file}", "PRAGMA freelist_count")[0][0]
    each = (after - empty) / len(events)
    assert before > sum(len(encode(event)) for event in events)
    assert unused == 0
    assert each <= 120, f"{each:.1f} bytes an event"


def _size(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size
