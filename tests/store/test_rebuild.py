from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from queue_monitor.model import CallRecord, Level
from queue_monitor.store import SqlStore, SumDifference, open_store
from tests.examples import examples
from tests.store.calls import START, callers, entered, read_all, rows
from tests.store.records import EVER, all_sums, batch, call, placements_of, recounted, refused

DAY = 86_400
STORY = (
    call("anna", -DAY), call("bo", 60), call("cia", DAY, "abandoned_late"),
    call("evening", 57_500, visits=3), call("waits", 2 * DAY, ""),
)  # fmt: skip


async def differences(store: SqlStore) -> list[SumDifference]:
    return [found async for found in store.sum_differences()]


async def all_rows(store: SqlStore) -> list[tuple[object, ...]]:
    return [row async for row in store.rows()]


async def test_days_are_forgotten_from_local_midnight_on_and_the_journal_stays(store: SqlStore) -> None:
    refusals = (refused("eva"), refused("åke", -DAY))
    await store.commit(batch(*STORY, events=callers(range(5)), refusals=refusals))

    await store.forget_from(START)

    kept = placements_of([STORY[0]], [refusals[1]])
    for step in ("quarter", "day"):
        assert await all_sums(store, step) == recounted(kept, step)
    assert len(await store.calls(*EVER)) == 1
    assert [each.at for each in await store.refusals(*EVER)] == [refusals[1].refusal.at]
    assert await store.load_calls(["växel anna", "växel bo"]) == [STORY[0].evidence]
    assert (await store.totals())["kundcenter"].entered == 1
    assert await differences(store) == []
    assert await read_all(store) == callers(range(5))


async def test_a_visit_after_midnight_of_a_call_that_stays_stays_with_it(store: SqlStore) -> None:
    late = call("late", 57_500, visits=3)  # 23.58.20, 23.59.20 and 0.00.20 local
    await store.commit(batch(late, call("bo", DAY), events=[entered(1)]))

    await store.forget_from(START + timedelta(seconds=DAY))

    assert await all_sums(store, "day") == recounted(placements_of([late]), "day")
    assert await differences(store) == []


async def test_history_made_anew_has_the_same_rows(store: SqlStore) -> None:
    await store.commit(batch(*STORY, events=callers(range(5)), refusals=(refused("eva"),)))
    before = await all_rows(store)

    for number in range(2):
        await store.forget_from(START - timedelta(days=30))
        assert len(await all_rows(store)) == 0
        for record in reversed(STORY) if number else STORY:
            await store.commit(batch(record, journaled=False))
        await store.commit(batch(journaled=False, refusals=(refused("eva"),)))
        assert sorted(map(repr, await all_rows(store))) == sorted(map(repr, before))


moves = st.tuples(
    st.sampled_from(["anna", "bo", "cia"]), st.sampled_from([0, 900, 57_500, DAY, 3 * DAY]), st.integers(1, 3),
    st.sampled_from(["", "answered_in_time", "answered_late", "timeout"]),
)  # fmt: skip


@given(st.lists(moves, max_size=12), st.sampled_from([0, DAY, 3 * DAY]))
@examples(25, deadline=None, suppress_health_check=list(HealthCheck))
async def test_what_is_left_after_forgetting_is_what_was_before_that_day(
    story: list[tuple[str, int, int, str]], edge: int
) -> None:
    store = await open_store("sqlite://")
    calls: dict[str, CallRecord] = {}
    for name, seconds, visits, field in story:
        record = call(name, seconds, field, visits=visits, known=True)
        calls[name] = record
        await store.commit(batch(record, events=[entered(len(calls))]))
    midnight = (START + timedelta(seconds=edge)).replace(hour=23, minute=0) - timedelta(days=1)

    await store.forget_from(START + timedelta(seconds=edge))

    kept = [record for record in calls.values() if record.last_at and START + _began(record) < midnight]
    assert await all_sums(store, "quarter") == recounted(placements_of(kept), "quarter")
    assert await differences(store) == []
    await store.close()


def _began(record: CallRecord) -> timedelta:
    assert record.contact and record.contact.entered_at
    return record.contact.entered_at - START


@pytest.mark.parametrize(
    "step, change, field",
    [
        ("quarter", "max_ms = max_ms + 7", "max_ms"),
        ("day", "answered = answered + 1", "answered"),
        ("all", "sum_ms = 0", "sum_ms"),
    ],
)
async def test_a_sum_that_its_rows_do_not_bear_out_is_found(
    store: SqlStore, url: str, step: str, change: str, field: str
) -> None:
    await store.commit(batch(call("anna"), events=[entered(1)]))
    rows(url, f"UPDATE sums SET {change} WHERE step = '{step}' AND level = 'visit'")

    [found] = await differences(store)

    assert (found.step, found.queue, found.level, found.inside, found.field) == (
        step, "kundcenter", Level.VISIT, True, field,
    )  # fmt: skip
    assert found.day == (None if step == "all" else date(2026, 3, 2))
    assert found.sum_says != found.rows_say


async def test_a_row_that_no_sum_holds_and_a_sum_without_rows_are_found(store: SqlStore, url: str) -> None:
    await store.commit(batch(call("anna"), call("bo", DAY), events=[entered(1)]))
    rows(url, "DELETE FROM contact WHERE at_us > :at", at=int(START.timestamp() + 60) * 1_000_000)
    rows(
        url,
        "DELETE FROM sums WHERE level = 'contact' AND start_us BETWEEN 1 AND :at",
        at=int(START.timestamp()) * 1_000_000,
    )

    found = await differences(store)

    by_day = {(each.day, each.step, each.field): (each.sum_says, each.rows_say) for each in found}
    assert by_day[date(2026, 3, 2), "quarter", "answered_in_time"] == (0, 1)
    assert by_day[date(2026, 3, 3), "day", "answered_in_time"] == (1, 0)
