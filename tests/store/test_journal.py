import asyncio
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from queue_monitor.events import CallEntered, Event, decode, encode, event_id
from queue_monitor.store import SqlStore, open_store
from tests.store.calls import LONG_AGO, START, callers, entered, read_all, rows


async def test_callers_are_read_in_the_order_in_which_they_were_committed(store: SqlStore) -> None:
    late, early, middle = entered(3, seconds=30), entered(1, seconds=10), entered(2, seconds=20)

    await store.append([late, early], START)
    await store.append([middle], START)

    assert await read_all(store) == [late, early, middle]


async def test_an_event_told_twice_is_kept_once(store: SqlStore) -> None:
    assert await store.append(callers(range(5)), START) == 5

    assert await store.append(callers([3, 4, 5, 5, 6]), START) == 2

    assert await read_all(store) == callers(range(7))


async def test_nothing_to_append_is_nothing_new(store: SqlStore) -> None:
    assert await store.append([], START) == 0


async def test_the_same_id_from_two_switches_is_two_events(store: SqlStore) -> None:
    ours, theirs = entered(1), entered(1, source="urn:kc:test:annan-växel")

    assert await store.append([ours, theirs], START) == 2

    assert await read_all(store) == [ours, theirs]


async def test_five_minutes_and_a_millisecond_more_are_told_apart(store: SqlStore) -> None:
    in_time, late = entered(1, seconds=300.000), entered(2, seconds=300.001)
    await store.append([in_time, late], START)

    assert await read_all(store, in_time.at) == [in_time, late]
    assert await read_all(store, in_time.at + timedelta(microseconds=1)) == [late]
    assert await read_all(store, late.at) == [late]
    assert await read_all(store, late.at + timedelta(microseconds=1)) == []


async def test_a_time_is_kept_to_the_microsecond_also_after_years_and_from_another_zone(store: SqlStore) -> None:
    swedish = timezone(timedelta(hours=2))
    at = START.replace(year=2199, microsecond=999_999).astimezone(swedish)
    event = CallEntered(id="1", source="urn:kc:test:x", observed_at=at, visit_id="x:1", queue="k")

    await store.append([event], START)

    [read] = await read_all(store, at)
    assert read.at == at
    assert await read_all(store, at + timedelta(microseconds=1)) == []


async def test_what_happened_while_we_were_away_is_found_by_when_it_happened(store: SqlStore) -> None:
    await store.append(callers([10, 11]), START)
    await store.append([entered(1, seconds=-3600), entered(12)], START)

    assert await read_all(store, START) == callers([10, 11, 12])


async def test_the_body_is_the_event_as_it_was_on_the_wire(store: SqlStore, url: str) -> None:
    event = entered(1)
    await store.append([event], START)

    [(at, received_at, body)] = rows(url, "SELECT at_us, received_us, body FROM journal")

    assert bytes(body) == encode(event)
    assert (at, received_at) == (int(event.at.timestamp()) * 1_000_000, int(START.timestamp()) * 1_000_000)


async def test_a_row_from_another_version_is_read_without_the_fields_that_are_unknown(
    store: SqlStore, url: str
) -> None:
    await store.append([entered(1)], START)
    newer = encode(entered(1)).replace(b'"data":{', b'"mood":"calm","data":{"tomorrow":[1,2],')
    rows(url, "UPDATE journal SET body = :body", body=newer)

    assert await read_all(store) == [entered(1)]


async def test_a_row_that_cannot_be_read_is_passed_over_and_counted(
    store: SqlStore, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.append(callers(range(5)), START)
    for number, body in {1: b"", 2: b"\xff\x00", 3: b'{"type":"se.kundcenter.call.sung"}'}.items():
        rows(url, "UPDATE journal SET body = :body WHERE seq = :seq", body=body, seq=number + 1)

    assert await read_all(store) == callers([0, 4])

    assert await read_all(store) == callers([0, 4])
    assert (await store.health()).unreadable == 3
    said = [record.message for record in caplog.records if record.name.startswith("queue_monitor")]
    assert [message.split(" reason")[0] for message in said] == [
        f"journal row passed over: number={seq}" for seq in (2, 3, 4)
    ]


async def test_an_id_that_a_database_cannot_hold_does_not_stop_those_after_it(store: SqlStore) -> None:
    strange = [
        CallEntered(id=id_, source=source, observed_at=START, visit_id="x:1\0", queue="k\0ö")
        for id_, source in [
            ("a\0b", "urn:x"),
            ("å" * 50_000, "urn:x"),
            ("a", "urn:" + "x" * 50_000),
            ("ö\U0001f4de", "u"),
        ]
    ]

    assert await store.append([*strange, *strange, entered(1)], START) == 5

    assert await read_all(store) == [*strange, entered(1)]


async def test_a_long_journal_is_read_whole_and_in_order_while_callers_keep_coming(store: SqlStore) -> None:
    await store.append(callers(range(3_210)), START)
    seen: list[Event] = []

    async for event in store.read(entered(10).at):
        if len(seen) % 1000 == 0:
            await store.append([entered(9_000 + len(seen))], START)
        seen.append(event)

    assert seen == callers(range(10, 3_210))
    assert len(await read_all(store)) == 3_210 + 4


async def test_a_reader_that_goes_away_leaves_nothing_behind(store: SqlStore) -> None:
    await store.append(callers(range(1_200)), START)

    for _ in range(5):
        async for event in store.read(LONG_AGO):
            assert event == entered(0)
            break

    assert await store.append([entered(5_000)], START) == 1


async def test_others_get_their_turn_while_a_long_journal_is_written_and_read(store: SqlStore) -> None:
    loop, turns, over = asyncio.get_running_loop(), 0, False

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            loop.call_soon(turn)

    loop.call_soon(turn)
    await store.append(callers(range(5_000)), START)
    turns_while_written, turns = turns, 0
    await read_all(store)
    over = True

    assert turns_while_written > 5
    assert turns > 10


async def test_rows_can_be_deleted_by_time_and_their_numbers_are_not_used_again(store: SqlStore, url: str) -> None:
    await store.append(callers(range(10)), START)
    rows(url, "DELETE FROM journal WHERE at_us >= :at", at=int(entered(5).at.timestamp()) * 1_000_000)

    await store.append(callers(range(20, 22)), START)

    assert await read_all(store) == callers([0, 1, 2, 3, 4, 20, 21])
    assert rows(url, "SELECT max(seq) FROM journal") == [(12,)]


async def test_a_journal_in_memory_is_whole_while_it_is_read_and_written_at_once() -> None:
    store = await open_store("sqlite://")
    await store.append(callers(range(2_000)), START)

    whole, new, again = await asyncio.gather(
        read_all(store), store.append(callers(range(1_990, 2_500)), START), read_all(store)
    )
    everything = await read_all(store)
    await store.close()

    assert new == 500
    assert whole[:2_000] == again[:2_000] == callers(range(2_000))
    assert everything == callers(range(2_500))


async def test_what_was_told_is_there_after_the_store_was_closed_and_opened(store: SqlStore, url: str) -> None:
    await store.append(callers(range(3)), START)
    await store.close()

    again = await open_store(url)
    kept = await read_all(again)
    new = await again.append(callers(range(2, 5)), START)
    await again.close()

    assert kept == callers(range(3))
    assert new == 2


async def test_an_id_made_of_the_event_itself_is_found_again_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    natural = event_id("urn:kc:test:x", "call.entered", "x:1", 1)
    event = decode(encode(entered(1)).replace(entered(1).id.encode(), natural.encode()))
    first = await open_store(url)
    await first.append([event], START)
    await first.close()

    second = await open_store(url)
    new = await second.append([event], START)
    await second.close()

    assert new == 0
