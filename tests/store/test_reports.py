"""Sealed reports in both databases, and what is asked of calls for them."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from queue_monitor.events import EndedBy
from queue_monitor.model import CallRecord, SealedReport
from queue_monitor.ports import StoreError
from queue_monitor.store import Kind, Order, SqlStore, open_store
from tests.store.calls import START
from tests.store.records import EVER, batch, call

SEALED = datetime(2026, 11, 2, 6, tzinfo=UTC)


def report(data: bytes, at: datetime = SEALED, **others: object) -> SealedReport:
    made = SealedReport(
        period="2026-10", scope="", version=0, sha256=hashlib.sha256(data).hexdigest(), sealed_at=at, program="0.1",
        data=data,
    )  # fmt: skip
    return structs.replace(made, **others)


async def test_a_report_is_sealed_once_and_a_correction_keeps_what_was_sealed_before(store: SqlStore) -> None:
    first = await store.seal_report(report(b"ninety"))
    again = await store.seal_report(report(b"ninety", SEALED + timedelta(days=3)))
    second = await store.seal_report(report(b"eighty", SEALED + timedelta(days=4), changed=("days", "counts")))

    assert (first.version, first.sealed_at, first.data) == (1, SEALED, b"ninety")
    assert again == first
    assert (second.version, second.changed) == (2, ("days", "counts"))
    assert await store.sealed_reports("2026-10", "") == [first, second]
    assert await store.sealed_reports("2026-10", "bygglov") == []


async def test_a_report_can_be_sealed_while_a_monitor_owns_the_store(store: SqlStore, url: str) -> None:
    await store.commit(batch(call("before")))
    beside = await open_store(url, own=False, add=True)
    sealed = await beside.seal_report(report(b"ninety"))
    with pytest.raises(StoreError, match="reading only"):
        await beside.commit(batch(call("another's")))
    await beside.close()
    await store.commit(batch(call("after")))

    assert await store.sealed_reports("2026-10", "") == [sealed]
    assert {each.id for each in await store.calls(*EVER)} and len(await store.calls(*EVER)) == 2


async def test_a_store_that_was_opened_for_reading_takes_no_report(store: SqlStore, url: str) -> None:
    reader = await open_store(url, own=False)
    with pytest.raises(StoreError, match="reading only"):
        await reader.seal_report(report(b"ninety"))
    await reader.close()


async def test_reports_are_kept_as_long_as_the_table_says_and_their_deletion_is_told(store: SqlStore) -> None:
    await store.seal_report(report(b"ninety"))
    later = await store.seal_report(report(b"eighty", SEALED + timedelta(days=400)))
    order = Order(kind=Kind.REPORTS, until=date(2027, 1, 1), decision="KS 2026/9")
    began = await store.begin_deletion(order)
    while not await store.delete_some(Kind.REPORTS, SEALED):
        pass

    assert began
    assert await store.sealed_reports("2026-10", "") == [later]
    [act] = await store.acts(*EVER)
    assert act.detail == "1 reports, from before 2027-01-01, by decision KS 2026/9"
    assert not await store.begin_deletion(order)


async def test_from_when_on_each_kind_is_complete_is_known_once_something_was_deleted(store: SqlStore) -> None:
    await store.commit(batch(call("old"), call("new", 3 * 86_400)))
    before = await store.complete_from()
    day = (START + timedelta(days=2)).astimezone(ZoneInfo("Europe/Stockholm")).date()
    for kind in (Kind.CALLS, Kind.SUMS):
        await store.begin_deletion(Order(kind=kind, until=day, decision="KS 2026/9"))
        while not await store.delete_some(kind, START):
            pass

    assert before == {}
    assert await store.complete_from() == {"calls": day, "sums": day}


def ended(name: str, by: EndedBy | None, visits: int = 1, **others: object) -> CallRecord:
    made = call(name, visits=visits, **others)  # type: ignore[arg-type]
    first = structs.replace(made.visits[0], ended_by=by)
    later = [structs.replace(each, ended_by=EndedBy.CALLER) for each in made.visits[1:]]
    return structs.replace(made, visits=(first, *later))


async def test_a_call_was_sent_on_when_its_talk_ended_so_or_another_queue_took_it_after_the_answer(
    store: SqlStore,
) -> None:
    await store.commit(
        batch(
            ended("kept", EndedBy.CALLER),
            ended("blind transfer", EndedBy.TRANSFER),
            ended("to another queue", EndedBy.AGENT, visits=2),
            ended("nobody says", None),
            ended("lost", None, field="abandoned_late"),
            ended("at night", EndedBy.TRANSFER, inside=False),
            ended("elsewhere", EndedBy.TRANSFER, queue="bygglov"),
        )
    )
    here = await store.passed_on(["Kundcenter"], *EVER)
    everywhere = await store.passed_on(None, *EVER)

    assert (here.answered, here.sent_on, here.untold) == (4, 2, 1)
    assert (everywhere.answered, everywhere.sent_on) == (5, 3)
    [rules] = await store.rules_used(None, *EVER)
    assert (rules.version, rules.calls, rules.first) == ("r1", 6, START.replace(second=0, microsecond=0))
