"""What people with tokens did, in both databases and in memory: everything stays, in order."""

import json
from datetime import timedelta

from sqlalchemy import text

from queue_monitor.model import AdminAct
from queue_monitor.ports import AuditLog
from queue_monitor.store import MemoryAudit, SqlStore
from tests.scenario import TEN


def act(minute: int, who: str = "Anna Åberg") -> AdminAct:
    at = TEN + timedelta(minutes=minute)
    return AdminAct(at=at, who=who, origin="192.0.2.7", act="acknowledge", subject="e1", detail="jourtelefonen")


async def kept(log: AuditLog) -> None:
    for minute in (0, 1, 1, 2):
        await log.save_act(act(minute))

    assert await log.acts(TEN, TEN + timedelta(minutes=2)) == [act(0), act(1), act(1)]
    assert await log.acts(TEN + timedelta(minutes=2), TEN + timedelta(days=1)) == [act(2)]


async def test_what_was_done_is_read_back_in_order_and_within_the_time_asked_for(store: SqlStore) -> None:
    await kept(store)


async def test_without_a_database_it_is_the_same_while_the_process_lives() -> None:
    await kept(MemoryAudit())


async def test_a_row_that_cannot_be_read_is_passed_over_and_counted(store: SqlStore) -> None:
    await store.save_act(act(0))
    await store.save_act(act(1))
    async with store._database.writing("could not be written to") as connection:
        broken = json.dumps({"at": "yesterday"})
        await connection.execute(text("UPDATE audit SET body = :body WHERE seq = 1"), {"body": broken})

    assert await store.acts(TEN, TEN + timedelta(days=1)) == [act(1)]
    assert store.unreadable == 1
