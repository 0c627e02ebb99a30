from datetime import date, timedelta

import pytest

from queue_monitor.events import EntryReason, RefusalReason
from queue_monitor.model import Coverage, CoverageRecord, Level, Outcome
from queue_monitor.store import SqlStore
from tests.store.calls import START, callers, entered
from tests.store.records import EVER, all_sums, batch, call, placements_of, recounted, refused

DAY = timedelta(days=1)


async def test_calls_are_paged_by_when_they_count_without_one_twice_or_left_out(store: SqlStore) -> None:
    await store.commit(batch(*(call(f"{number}", number // 3 * 60) for number in range(70)), events=[entered(1)]))

    whole = await store.calls(*EVER)
    paged = await store.calls(*EVER, limit=9)
    while piece := await store.calls(*EVER, after=(paged[-1].at, paged[-1].id), limit=9):
        paged += piece

    assert paged == whole
    assert len({kept.id for kept in whole}) == 70
    assert [kept.at for kept in whole] == sorted(kept.at for kept in whole)
    assert [kept.visits for kept in await store.calls(*EVER, limit=2, visits_from=None)] == [(), ()]
    assert [kept.visits for kept in await store.calls(*EVER, visits_from=1)] == [kept.visits[1:] for kept in whole]


async def test_a_long_list_of_calls_comes_whole(store: SqlStore) -> None:
    await store.commit(batch(*(call(f"{number}", number) for number in range(1_300)), events=[entered(1)]))

    assert len(await store.calls(*EVER)) == 1_300
    assert sum(its.number for its in await store.load_minutes(EVER[0])) == 2_600
    assert len(await store.load_recent(START + timedelta(seconds=100))) == 1_300 - 100 + 12
    assert len(await store.visits(None, *EVER, after_answer=False)) == 1_300
    assert len(await store.load_calls([f"växel {number}" for number in range(0, 1_300, 2)])) == 650


async def test_calls_are_those_of_a_stretch_and_of_a_queue(store: SqlStore) -> None:
    await store.commit(batch(call("anna"), call("bo", 60), call("cia", 120, queue="annan"), events=[entered(1)]))

    within = await store.calls(START, START + timedelta(seconds=120))

    assert [kept.entered_at for kept in within] == [START, START + timedelta(seconds=60)]
    assert [kept.first_queue for kept in await store.calls(*EVER, queue="ANNAN")] == ["annan"]
    assert await store.calls(*EVER, queue="ingen") == []


async def test_a_visit_is_read_back_as_it_was_written(store: SqlStore) -> None:
    anna = call("anna", visits=2)

    await store.commit(batch(anna, events=[entered(1)]))

    [kept] = await store.calls(*EVER)
    first, second = kept.visits
    assert (first.queue, first.switch, first.entered_at) == ("kundcenter", "växel", START)
    assert (first.outcome, first.counted_as, first.wait_ms, first.judged_ms) == (
        Outcome.ANSWERED, "answered_in_time", 12_000, 12_000,
    )  # fmt: skip
    assert (first.ended_by, first.entry_reason, first.key) == (None, EntryReason.DIRECT, None)
    assert first.agent is not None and "anna" not in first.agent
    assert await store.visits("Kundcenter", *EVER, after_answer=True) == [second]


async def test_who_waits_still_is_open_and_counts_nowhere(store: SqlStore) -> None:
    waiting = call("anna", field="")
    await store.commit(batch(waiting, call("bo", -86_400), events=[entered(1)]))

    assert await store.load_recent(START + DAY) == [waiting.evidence]
    assert [(kept.at, kept.counted_as) for kept in await store.calls(START, START + DAY)] == [(START, "")]


async def test_a_refused_caller_is_read_back(store: SqlStore) -> None:
    await store.commit(batch(events=[entered(1)], refusals=(refused("eva", 5, RefusalReason.FULL), refused("åke", 65))))

    kept = await store.refusals(START, START + timedelta(seconds=60))

    assert [(each.queue, each.reason, each.at) for each in kept] == [
        ("kundcenter", RefusalReason.FULL, START + timedelta(seconds=5))
    ]
    assert await store.refusals(*EVER, queue="ingen") == []


async def test_days_and_states_are_replaced_by_queue_day_and_name(store: SqlStore) -> None:
    def covered(minutes: int, queue: str = "kundcenter") -> CoverageRecord:
        return CoverageRecord(queue=queue, day=date(2026, 3, 2), coverage=Coverage(seen_minutes=minutes))

    nothing = await store.load_states()
    await store.commit(batch(events=callers(range(3)), days=(covered(1),), states={"live": b"1", "other": b"o"}))
    await store.commit(batch(events=[entered(7)], days=(covered(2, "KUNDCENTER"),), states={"live": b"2"}))

    assert nothing == (0, {})
    assert await store.load_states() == (3, {"live": b"2", "other": b"o"})
    assert await store.coverage(date(2026, 3, 1), date(2026, 3, 2)) == [covered(2)]
    assert await store.coverage(date(2026, 3, 3), date(2026, 3, 9)) == []


async def test_sums_come_oldest_first_and_within_the_stretch(store: SqlStore) -> None:
    calls = [call(f"{number}", number * 900, inside=number % 2 == 0) for number in range(900)]
    await store.commit(batch(*calls, events=[entered(1)]))

    quarters = await store.sums(Level.CONTACT, None, START, START + timedelta(seconds=8_100), "quarter")

    assert [row.start for row in quarters] == [START + timedelta(seconds=number * 900) for number in range(9)]
    assert await all_sums(store, "quarter") == recounted(placements_of(calls), "quarter")
    assert await all_sums(store, "day") == recounted(placements_of(calls), "day")
    with pytest.raises(ValueError):
        await store.sums(Level.CONTACT, None, *EVER, "week")


async def test_the_newest_event_is_the_one_that_happened_last(store: SqlStore) -> None:
    assert await store.newest_at() is None
    await store.append([entered(9), entered(4)], START)

    assert await store.newest_at() == entered(9).at


async def test_rules_are_kept_as_they_were_when_they_came(store: SqlStore) -> None:
    await store.save_rules("r1", b"one", START)
    await store.save_rules("r1", b"other", START)

    assert await store.load_rules() == {"r1": b"one"}


async def test_what_was_learned_is_kept_and_replaced_whole(store: SqlStore) -> None:
    before = await store.load_learned()
    await store.save_learned(b"{}")
    await store.save_learned(b'{"a": 1}')

    assert before is None
    assert await store.load_learned() == b'{"a": 1}'
