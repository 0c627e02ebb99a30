"""What imports leave in the store: days that are theirs, the record, and days that they take from others."""

from datetime import date, timedelta
from functools import partial
from pathlib import Path

from msgspec import structs

from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.commands import rebuilding
from queue_monitor.config import load
from queue_monitor.importing import Wanted, run
from queue_monitor.model import IMPORT_SOURCE, IMPORTED, CallRecord, ImportedFile, ImportRecord
from queue_monitor.store import Kind, Order, SqlStore, open_store
from queue_monitor.store.imports import JOURNAL, SUMS_ONLY
from tests.importing.made import ZONE, callers, kept, nothing, queue_log, recount
from tests.store.calls import START, entered
from tests.store.records import EVER, all_sums, batch, call, placements_of, recounted, refused
from tests.store.test_repeats import repeats

DAY = START.date()


def brought(record: CallRecord, name: str = "old") -> CallRecord:
    """The same call, from an import."""
    its = (structs.replace(visit, switch=IMPORTED + name, source=IMPORT_SOURCE + name) for visit in record.visits)
    contact_id = record.contact_id.replace("växel", IMPORTED + name)
    assert record.contact is not None
    contact = structs.replace(record.contact, contact_id=contact_id)
    return structs.replace(record, contact_id=contact_id, contact=contact, visits=tuple(its))


async def bring(store: SqlStore, *records: CallRecord, name: str = "old", progress: str = "half") -> None:
    beside = partial(store.imports.touch, name=name, days=[(DAY, "kundcenter")], progress=progress)
    await store.commit(structs.replace(batch(*records), journaled=False), beside)


def record_of(name: str, calls: int) -> ImportRecord:
    file = ImportedFile(name="queue_log", sha256="ab" * 32, lines=9, first_day=DAY, last_day=DAY)
    return ImportRecord(name=name, kind="queue_log", files=(file,), started_at=START, finished_at=START, calls=calls)


async def test_how_far_an_import_has_come_is_noted_with_its_rows_and_gone_with_its_record(store: SqlStore) -> None:
    await bring(store, brought(call("anna")))
    half = await store.imports.progress("old"), await store.imports.records()
    await store.imports.seal("old")
    await store.imports.finish(record_of("old", 1))

    assert half == ("half", [])
    assert await store.imports.progress("old") == ""
    assert await store.imports.records() == [record_of("old", 1)]
    assert await store.import_records(DAY, DAY) == [record_of("old", 1)]
    assert await store.import_records(DAY + timedelta(days=1), DAY + timedelta(days=9)) == []


async def test_rows_are_held_against_what_they_were_when_the_import_ended(store: SqlStore) -> None:
    await bring(store, brought(call("anna")), brought(call("bo", 60)))
    unfinished = [found async for found in store.imports.differences()]
    await store.imports.seal("old")
    none = [found async for found in store.imports.differences()]
    await store.commit(structs.replace(batch(brought(call("bo", 60, wait_ms=99_000, known=True))), journaled=False))
    [changed] = [found async for found in store.imports.differences()]

    assert [found.is_open for found in unfinished] == [True]
    assert none == []
    assert (changed.where.source, changed.where.day, changed.where.queue) == ("old", DAY, "kundcenter")
    assert (changed.calls, changed.calls_now, len(changed.keys)) == (2, 2, 2)


async def test_who_has_a_day_of_a_queue_is_known_from_journal_rows_and_sums(store: SqlStore) -> None:
    await store.append([structs.replace(entered(1), queue="only told of")], START)
    await store.commit(batch(call("anna"), call("dora", queue="Bygglov")))
    await bring(store, brought(call("bo", queue="Skola")))

    assert await store.imports.holders(DAY, "new") == {
        "only told of": JOURNAL, "kundcenter": JOURNAL, "bygglov": JOURNAL, "skola": "old",
    }  # fmt: skip
    assert await store.imports.holders(DAY, "old") == {
        "only told of": JOURNAL, "kundcenter": JOURNAL, "bygglov": JOURNAL,
    }  # fmt: skip
    assert await store.imports.holders(DAY + timedelta(days=1), "new") == {}
    order = Order(kind=Kind.CALLS, until=DAY + timedelta(days=1), decision="1/2026")
    await store.begin_deletion(order)
    while not await store.delete_some(Kind.CALLS, START):
        pass
    assert (await store.imports.holders(DAY, "old"))["skola"] == SUMS_ONLY


async def test_a_day_that_is_replaced_is_counted_once_whatever_the_journal_says_later(store: SqlStore) -> None:
    theirs, other = call("anna", visits=2), call("dora", 60, queue="Bygglov")
    await store.commit(batch(theirs, other, refusals=(refused("erik"),)))
    again = [
        repeats(DAY, START, queue, calls=2, repeated=1, lost=0, reached_later=0, answered=2, not_back=1)
        for queue in ("Kundcenter", "Bygglov")
    ]
    await store.save_repeat_callers(again)
    gone = await store.imports.replace("old", [(DAY, "kundcenter")])
    ours = brought(call("bo", 30))
    await bring(store, ours)

    await store.commit(batch(call("anna", known=True), call("fia", 90), refusals=(refused("gun"),)))

    kept = await store.calls(*EVER)
    assert gone == 2
    assert await store.repeat_callers(DAY, DAY) == again[1:]
    assert sorted(each.imported for each in kept) == ["", "old"]
    assert await store.refusals(*EVER) == []
    assert await all_sums(store, "day") == recounted(placements_of([other, ours]), "day")
    assert [found async for found in store.sum_differences()] == []
    assert [(each.source, each.day, each.queue) for each in await store.imports.brought()] == [
        ("old", DAY, "kundcenter")
    ]


async def test_when_days_are_made_anew_imported_ones_stay_with_their_sums(store: SqlStore) -> None:
    ours = [brought(call("bo", 30)), brought(call("fia", 60, queue="Skola"))]
    await store.commit(batch(call("anna"), refusals=(refused("erik"),)))
    await bring(store, *ours)

    await store.forget_from(START)

    assert [each.imported for each in await store.calls(*EVER)] == ["old", "old"]
    assert await all_sums(store, "day") == recounted(placements_of(ours), "day")
    assert [found async for found in store.sum_differences()] == []


async def test_what_is_known_of_imported_days_goes_with_their_sums(store: SqlStore) -> None:
    await bring(store, brought(call("anna")))
    await store.imports.seal("old")
    for kind in (Kind.CALLS, Kind.SUMS):
        await store.begin_deletion(Order(kind=kind, until=DAY + timedelta(days=1), decision="1/2026"))
        while not await store.delete_some(kind, START):
            pass

    assert await store.imports.days("old") == []
    assert [found async for found in store.imports.differences()] == []


async def test_files_are_imported_and_verified_alike_in_both_databases(url: str, tmp_path: Path) -> None:
    settings = load(None, {"QUEUE_MONITOR_STORE__URL": url}, settings_of, adapter_kinds())
    settings = structs.replace(settings, store=structs.replace(settings.store, agent_key=str(tmp_path / "agent.key")))
    week = callers(date(2024, 10, 21), 7, 10)
    (tmp_path / "queue_log").write_bytes(queue_log(week))
    wanted = Wanted(files=(tmp_path / "queue_log",))

    tried = await run(settings, structs.replace(wanted, dry_run=True), nothing)
    made = await run(settings, wanted, nothing)
    again = await run(settings, structs.replace(wanted, replace=True), nothing)

    assert tried.tally.added == made.tally.added
    assert sum(made.tally.added.values()) == len(week)
    assert again.tally.added == {}
    assert (await rebuilding.verify(settings, None, nothing)).differences == []
    store = await open_store(url, own=False, zone=ZONE)
    assert await kept(store) == recount(week)
    await store.close()
