from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_monitor.events import CallRefused
from queue_monitor.model import CallRecord, CallsOfMinute, Committed, Counts, JournalBatch, Level, RefusalRecord
from queue_monitor.ports import Outdated, StoreError
from queue_monitor.store import SqlStore, open_store
from tests.core.recount import minutes
from tests.examples import examples
from tests.store.calls import START, callers, entered, read_all, rows
from tests.store.records import EVER, all_sums, batch, call, gone, placements_of, recounted, refused


async def test_a_call_its_visits_and_their_sums_stand_in_the_store_with_the_events_that_told_of_them(
    store: SqlStore,
) -> None:
    anna = call("anna", visits=2, brought_by="by_transfer")

    committed = await store.commit(batch(anna, events=callers(range(3))))

    [kept] = await store.calls(*EVER)
    assert committed == Committed(seq=3)
    assert await read_all(store) == callers(range(3))
    assert (kept.at, kept.first_queue, kept.counted_as, len(kept.visits)) == (
        START,
        "kundcenter",
        "answered_in_time",
        2,
    )
    assert kept.entered_at == START
    for step in ("quarter", "day"):
        assert await all_sums(store, step) == recounted(placements_of([anna]), step)
    assert await store.totals() == {"kundcenter": Counts(answered_in_time=2, by_transfer=1)}


async def test_a_later_word_moves_a_call_from_one_sum_to_another(store: SqlStore) -> None:
    waiting, lost = call("anna", field=""), call("anna", 3_600, "abandoned_late", wait_ms=400_000, known=True)
    answered = call("anna", 3_600, "answered_late", wait_ms=400_000, known=True)
    await store.commit(batch(waiting, events=[entered(1)]))
    none_yet = await all_sums(store, "day")

    await store.commit(batch(lost, events=[entered(2)]))
    await store.commit(batch(answered, events=[entered(3)]))

    assert none_yet == []
    assert await all_sums(store, "quarter") == recounted(placements_of([answered]), "quarter")
    assert len(await store.calls(*EVER)) == 1


async def test_a_call_that_turns_out_to_be_part_of_another_is_taken_away(store: SqlStore) -> None:
    await store.commit(batch(call("anna"), call("bo", 60), events=[entered(1)]))

    await store.commit(batch(gone("anna"), events=[entered(2)]))

    assert await all_sums(store, "quarter") == recounted(placements_of([call("bo", 60)]), "quarter")
    assert await store.load_calls(["växel anna"]) == []
    assert await store.load_calls(["växel bo"]) == [call("bo", 60).evidence]


async def test_the_same_batch_after_a_failure_that_left_it_open_changes_nothing(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = batch(call("anna"), events=callers([1, 2]), refusals=(refused("eva"),))
    with pytest.raises(StoreError):
        await _commit_but_hear_an_error(store, first, monkeypatch)

    again = await store.commit(first)
    larger = await store.commit(batch(call("anna", 60, known=True), events=callers([2, 3])))

    assert again == Committed(seq=2)
    assert larger.repeated == (0,)
    assert await read_all(store) == callers([1, 2, 3])


async def test_more_than_the_same_after_a_failure_that_left_it_open_is_not_outdated(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError):
        await _commit_but_hear_an_error(store, batch(call("anna"), events=callers([1, 2])), monkeypatch)

    more = await store.commit(batch(call("anna", 60), call("bo"), events=callers([1, 2, 3])))

    assert more.repeated == (0, 1)
    assert await all_sums(store, "day") == recounted(placements_of([call("anna", 60), call("bo")]), "day")


async def _commit_but_hear_an_error(store: SqlStore, its: JournalBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has committed, but nobody hears of it."""
    writing = store._database.writing

    @asynccontextmanager
    async def unheard(trouble: str) -> AsyncIterator[AsyncConnection]:
        async with writing(trouble) as connection:
            yield connection
        raise StoreError("the connection went away")

    monkeypatch.setattr(store._database, "writing", unheard)
    try:
        await store.commit(its)
    finally:
        monkeypatch.undo()


async def test_an_event_that_is_there_already_is_named_as_repeated(store: SqlStore) -> None:
    await store.commit(batch(events=callers([1, 2])))

    assert (await store.commit(batch(events=callers([0, 1, 2, 3, 3])))).repeated == (1, 2, 4)
    assert await read_all(store) == callers([1, 2, 0, 3])


async def test_received_again_in_another_way_it_is_the_same_event(store: SqlStore) -> None:
    await store.commit(batch(events=[entered(1)]))
    later = structs.replace(entered(1), observed_at=START + timedelta(days=3), live=False, epoch="2")

    assert (await store.commit(batch(events=[later]))).repeated == (0,)


async def test_one_id_with_two_contents_is_a_conflict_and_nothing_is_committed(store: SqlStore, url: str) -> None:
    await store.commit(batch(events=[entered(1)]))
    other = structs.replace(entered(1), queue="annan")

    with pytest.raises(Outdated) as caught:
        await store.commit(
            batch(call("anna"), events=[entered(2), other, entered(3), structs.replace(entered(3), queue="x")])
        )

    assert caught.value.conflicts == (1, 3)
    assert await read_all(store) == [entered(1)]
    assert await store.calls(*EVER) == []
    assert await store.commit(batch(events=[entered(2)])) == Committed(seq=2)


async def test_a_call_that_memory_does_not_know_and_the_store_has_makes_a_batch_outdated(store: SqlStore) -> None:
    await store.commit(batch(call("anna"), events=[entered(1)]))

    with pytest.raises(Outdated) as caught:
        await store.commit(batch(call("anna", 60), call("bo"), events=[entered(2)]))

    assert caught.value.calls == ("växel:anna",)
    assert await store.load_calls(["växel anna"]) == [call("anna").evidence]
    assert await read_all(store) == [entered(1)]


async def test_a_rebuild_writes_rows_without_events(store: SqlStore) -> None:
    await store.commit(batch(call("anna"), events=[entered(1)]))

    await store.commit(batch(call("anna", 60, known=True), events=callers(range(9)), journaled=False))

    assert await read_all(store) == [entered(1)]
    assert await all_sums(store, "day") == recounted(placements_of([call("anna", 60)]), "day")


async def test_a_refused_caller_counts_once_and_is_never_changed(store: SqlStore) -> None:
    eva = refused("eva", 30)

    for number in range(3):
        await store.commit(batch(events=[entered(number)], refusals=(eva,)))

    [kept] = await store.refusals(*EVER)
    assert (kept.queue, kept.switch, kept.at, kept.inside) == ("kundcenter", "växel", eva.refusal.at, False)
    assert await all_sums(store, "quarter") == recounted(placements_of([], [eva]), "quarter")
    assert await store.totals() == {"kundcenter": Counts(refused_closed=1)}


async def test_a_queue_is_one_however_it_is_spelled_and_is_shown_as_at_first(store: SqlStore) -> None:
    await store.commit(batch(call("anna", queue="Växel"), call("bo", queue="VÄXEL"), events=[entered(1)]))

    assert [row.queue for row in await store.sums(Level.CONTACT, ["väXel"], *EVER, "day")] == ["Växel"]
    assert await store.totals() == {"Växel": Counts(answered_in_time=2)}
    assert len(await store.calls(*EVER, queue="växel")) == 2


async def test_a_name_that_a_database_cannot_hold_stops_nothing(store: SqlStore) -> None:
    for number, name in enumerate(["k\0ö", "k" * 50_000, "\U0001f4de"]):
        await store.commit(batch(call(f"anna {number}", queue=name, agent="a\0b"), events=[entered(number)]))

    assert [call.is_derived for call in await store.calls(*EVER)] == [True] * 3
    assert len(await store.totals()) == 3


async def test_the_longest_wait_is_found_anew_when_it_is_taken_out(store: SqlStore) -> None:
    short, long = call("anna", wait_ms=5_000), call("bo", 60, "answered_late", wait_ms=900_000)
    middle = call("cia", 7_200, wait_ms=100_000)
    await store.commit(batch(short, long, middle, events=[entered(1)]))
    mended = call("bo", 60, wait_ms=7_000, known=True)

    await store.commit(batch(mended, events=[entered(2)]))

    for step in ("quarter", "day"):
        assert await all_sums(store, step) == recounted(placements_of([short, mended, middle]), step)


NAMES = ("anna", "bo", "cia", "dan")
FIELDS = ("", "answered_in_time", "answered_late", "abandoned_short", "timeout")
words = st.builds(
    call,
    st.sampled_from(NAMES),
    st.sampled_from([0, 30, 840, 900, 50_000, 86_400, 86_400 * 27, 86_400 * 28]),  # the clocks change on day 27
    st.sampled_from(FIELDS),
    queue=st.sampled_from(["kundcenter", "annan"]),
    wait_ms=st.sampled_from([None, 0, 5_000, 300_000, 300_001, 700_000, 100_000_000]),
    inside=st.booleans(),
    known=st.just(True),
    visits=st.integers(1, 3),
    brought_by=st.sampled_from(["", "by_transfer"]),
)
changes = st.one_of(
    words,
    words,
    st.builds(gone, st.sampled_from(NAMES)),
    st.builds(refused, st.sampled_from(NAMES), st.sampled_from([0, 900])),
)


def by_minute(found: list[CallsOfMinute]) -> list[CallsOfMinute]:
    sorted_waits = (structs.replace(its, waits_ms=tuple(sorted(its.waits_ms))) for its in found)
    return sorted(sorted_waits, key=repr)


@given(st.lists(st.lists(changes, min_size=1, max_size=5), max_size=8))
@examples(60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_sums_are_the_sums_of_the_rows_whatever_is_amended(story: list[list[CallRecord | RefusalRecord]]) -> None:
    store = await open_store("sqlite://")
    calls: dict[str, CallRecord] = {}
    refusals: dict[object, RefusalRecord] = {}
    for number, piece in enumerate(story):
        its = [each for each in piece if isinstance(each, CallRecord)]
        turned_away = tuple(each for each in piece if isinstance(each, RefusalRecord))
        calls |= {each.contact_id: each for each in its}
        for each in turned_away:
            refusals.setdefault((each.refusal.leg_id, each.refusal.at), each)
        await store.commit(batch(*its, events=[entered(number)], refusals=turned_away))

    wanted = placements_of([each for each in calls.values() if each.contact], refusals.values())
    for step in ("quarter", "day"):
        assert await all_sums(store, step) == recounted(wanted, step)
    assert by_minute(await store.load_minutes(EVER[0])) == by_minute(minutes(wanted))
    await store.close()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_caller_who_was_not_refused_after_all_is_in_no_row_and_no_sum(store: SqlStore, at_once: bool) -> None:
    anna, bo = refused("anna"), refused("bo", 60)
    not_refused = structs.replace(anna, is_counted=False)
    if at_once:
        await store.commit(batch(events=[entered(1)], refusals=(anna, bo, not_refused)))
    else:
        await store.commit(batch(events=[entered(1)], refusals=(anna, bo)))
        await store.commit(batch(events=[entered(2)], refusals=(not_refused,)))

    assert [row.at for row in await store.refusals(*EVER)] == [bo.refusal.at]
    assert await all_sums(store, "day") == recounted(placements_of([], [bo]), "day")


async def test_a_refused_caller_whom_the_journal_had_is_not_counted_again(store: SqlStore) -> None:
    anna = refused("anna")
    its = anna.refusal
    event = CallRefused(
        id="r" * 32,
        source=its.source,
        observed_at=its.at,
        switch_time=its.at,
        contact_id=its.contact_id,
        queue=its.queue,
        reason=its.reason,
    )
    await store.commit(batch(events=[event], refusals=(anna,)))
    await store.commit(batch(events=[entered(2)], refusals=(structs.replace(anna, is_counted=False),)))
    await store.commit(batch(events=[event], refusals=(anna,)))

    assert await store.refusals(*EVER) == []
    assert await all_sums(store, "day") == []


@pytest.mark.parametrize("table", ["contact", "visit"])
async def test_a_row_that_the_database_refuses_is_taken_out_and_the_rest_is_kept(
    store: SqlStore, url: str, table: str
) -> None:
    await store.commit(batch(call("anna"), call("bo", 60), events=[entered(1)]))
    refuse(url, table, "answered_late")

    committed = await store.commit(
        batch(call("anna", 0, "answered_late", known=True), call("cia", 120), events=[entered(2)])
    )

    assert committed == Committed(seq=2, not_derived=("växel:anna",))
    assert await read_all(store) == callers([1, 2])
    assert await all_sums(store, "day") == recounted(placements_of([call("bo", 60), call("cia", 120)]), "day")
    kept = {each.is_derived: each for each in await store.calls(*EVER)}
    assert kept[False].visits == ()
    assert (await store.health()).not_derived == 1
    assert await store.load_calls(["växel anna"]) == [call("anna", 0, "answered_late").evidence]


async def test_a_sum_that_the_database_refuses_takes_out_the_calls_in_it(store: SqlStore, url: str) -> None:
    await store.commit(batch(call("anna"), events=[entered(1)]))
    number = rows(url, "SELECT start_us FROM sums WHERE step = 'quarter' LIMIT 1")[0][0]
    refuse(url, "sums", str(number), column="start_us")

    committed = await store.commit(
        batch(call("bo", 60), call("cia", 7_200), events=[entered(2)], refusals=(refused("eva"),))
    )

    assert set(committed.not_derived) == {"växel:bo", "växel:eva"}
    assert (await store.totals())["kundcenter"].answered == 2
    assert {each.is_derived for each in await store.calls(*EVER)} == {True, False}


async def test_a_bare_row_is_made_whole_by_the_next_word_that_fits(store: SqlStore, url: str) -> None:
    refuse(url, "visit", "answered_late")
    await store.commit(batch(call("anna", 0, "answered_late"), events=[entered(1)]))
    healed = call("anna", known=True)

    await store.commit(batch(healed, events=[entered(2)]))

    assert await all_sums(store, "quarter") == recounted(placements_of([healed]), "quarter")
    assert (await store.health()).not_derived == 0


async def test_a_number_that_no_database_holds_makes_a_bare_row(store: SqlStore) -> None:
    anna = call("anna")
    far = structs.replace(anna.visits[0], position=10**30)

    committed = await store.commit(batch(structs.replace(anna, visits=(far,)), call("bo"), events=[entered(1)]))

    assert committed.not_derived == ("växel:anna",)


def refuse(url: str, table: str, value: str, column: str = "field") -> None:
    """From now on the database refuses rows of this table with that value."""
    if url.startswith("sqlite"):
        for when in ("INSERT", "UPDATE"):
            rows(
                url,
                f"CREATE TRIGGER no_{when} BEFORE {when} ON {table} WHEN CAST(NEW.{column} AS TEXT) = '{value}'"
                " BEGIN SELECT RAISE(ABORT, 'not today'); END",
            )
        return
    rows(
        url,
        f"CREATE FUNCTION no() RETURNS trigger AS $$ BEGIN IF NEW.{column}::text = '{value}' THEN"
        " RAISE EXCEPTION 'not today'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql",
    )
    rows(url, f"CREATE TRIGGER no BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no()")
