from datetime import timedelta

import pytest
from msgspec import structs

from queue_monitor.model import Counts, Coverage, HistoryRow, Level, WaitSums
from queue_monitor.store import SqlStore
from tests.store.calls import START, rows

COUNTS = Counts(*range(1, len(structs.fields(Counts)) + 1))


def quarter(number: int, counts: Counts = COUNTS, *, queue: str = "Växel & kö") -> HistoryRow:
    return HistoryRow(
        level=Level.CONTACT,
        queue=queue,
        inside_hours=True,
        start=START + number * timedelta(minutes=15),
        counts=counts,
        waits=WaitSums(answered=3, sum_ms=900_000, max_ms=700_000, over_10_min=1, histogram=bytes(range(256))),
        coverage=Coverage(seen_minutes=12, recovered_minutes=2, blind_minutes=1),
    )


async def test_a_quarter_of_an_hour_comes_back_as_it_was_saved(store: SqlStore) -> None:
    await store.save_history([quarter(1)])

    assert await store.load_history(START + timedelta(days=1)) == [quarter(1)]


async def test_a_quarter_saved_again_replaces_the_one_before(store: SqlStore) -> None:
    await store.save_history([quarter(1), quarter(2)])
    corrected = structs.replace(quarter(1, Counts(answered_in_time=7)), waits=WaitSums())

    await store.save_history([corrected])

    assert await store.load_history(START + timedelta(days=1)) == [corrected, quarter(2)]


async def test_level_queue_hours_and_start_each_make_another_quarter(store: SqlStore) -> None:
    different = [
        quarter(1),
        structs.replace(quarter(1), level=Level.VISIT),
        structs.replace(quarter(1), inside_hours=False),
        quarter(1, queue="annan"),
        quarter(2),
    ]

    await store.save_history(different)

    loaded = await store.load_history(START + timedelta(days=1))
    assert len(loaded) == 5
    assert all(row in loaded for row in different)


async def test_history_comes_oldest_first_and_ends_before_the_moment_asked_for(store: SqlStore) -> None:
    await store.save_history([quarter(number) for number in (5, 1, 3, 2, 4)])

    assert await store.load_history(quarter(4).start) == [quarter(1), quarter(2), quarter(3)]


async def test_what_was_learned_is_kept_and_replaced_whole(store: SqlStore) -> None:
    before = await store.load_learned()
    await store.save_learned(b"{}")
    await store.save_learned(b'{"a": 1}')

    assert before is None
    assert await store.load_learned() == b'{"a": 1}'


async def test_nothing_saved_is_an_empty_history(store: SqlStore) -> None:
    await store.save_history([])

    assert await store.load_history(START) == []


async def test_years_of_quarters_come_back_whole(store: SqlStore) -> None:
    years = [quarter(number, Counts(number)) for number in range(3_000)]

    await store.save_history(years)

    assert await store.load_history(START + timedelta(days=400)) == years


async def test_counts_of_another_version_are_read_as_far_as_they_are_known(store: SqlStore, url: str) -> None:
    await store.save_history([quarter(1)])
    rows(url, "UPDATE history SET figures = :it", it='{"counts": {"answered_in_time": 4, "sung_to": 2}, "songs": 1}')

    known = structs.replace(quarter(1, Counts(answered_in_time=4)), waits=WaitSums(), coverage=Coverage())
    assert await store.load_history(START + timedelta(days=1)) == [known]


@pytest.mark.parametrize("column, nonsense", [("figures", "not JSON"), ("figures", "[]"), ("level", "municipality")])
async def test_a_quarter_that_cannot_be_read_is_passed_over_and_counted(
    store: SqlStore, url: str, column: str, nonsense: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.save_history([quarter(1), quarter(2)])
    rows(url, f"UPDATE history SET {column} = :nonsense WHERE start_us = (SELECT min(start_us) FROM history)",
         nonsense=nonsense)  # fmt: skip

    assert await store.load_history(START + timedelta(days=1)) == [quarter(2)]

    assert store.unreadable == 1
    assert "history row passed over" in caplog.text
