"""The record of alerts in both databases: all of a moment or nothing, and the same once more changes nothing."""

from datetime import timedelta

import pytest
from msgspec import structs
from sqlalchemy import text

from alerts.memory import MemoryRecord
from queue_monitor.model import (
    Acknowledgement,
    Alert,
    AlertBatch,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    Attempt,
    Notice,
    NoticeState,
    RecordedAlert,
)
from queue_monitor.ports import AlertStore
from queue_monitor.store import SqlStore
from tests.alerts.moments import at, risk

ALERT = Alert(
    episode="e1",
    at=at(60),
    queue="kundcenter",
    label="Kundcenter",
    kind=AlertKind.TARGET_AT_RISK,
    period="day",
    level=AlertLevel.ALARM,
    change=AlertChange.RAISED,
    reason=AlertReason.CHANCE_OF_MISSING,
    figures=AlertFigures(share=0.84, risk=risk(0.96), margin=14),
    notified="alarm",
    title="Kl. 10.12 – Kundcenter: stor risk att dagsmålet missas.",
    text="Två till i telefonkön.",
)
NOTICE = Notice(
    id="n1",
    alert=ALERT,
    recipient="teamledare",
    channel="mejl",
    made_at=at(60),
    due_at=at(60),
    expires_at=at(90),
)
BATCH = AlertBatch(
    state=b"{}",
    secret=b"\0\xff",
    alerts=(ALERT,),
    notices=(NOTICE,),
    attempts=(Attempt(notice="n1", number=1, at=at(61), channel="mejl", recipient="teamledare", result="timeout"),),
    acknowledgements=(Acknowledgement(episode="e1", at=at(62), by="Anna"),),
)


async def test_what_was_written_is_read_back_whole(store: SqlStore) -> None:
    await store.save_alerts(BATCH)

    assert await store.load_alerts(at(0)) == BATCH


async def test_the_same_once_more_changes_nothing(store: SqlStore) -> None:
    await store.save_alerts(BATCH)
    await store.save_alerts(BATCH)

    assert await store.load_alerts(at(0)) == BATCH


async def test_a_notice_and_the_state_are_replaced_and_the_rest_is_kept(store: SqlStore) -> None:
    await store.save_alerts(BATCH)
    sent = structs.replace(NOTICE, state=NoticeState.SENT, attempts=2)
    await store.save_alerts(AlertBatch(state=b"later", notices=(sent,)))

    assert await store.load_alerts(at(0)) == structs.replace(BATCH, state=b"later", notices=(sent,))


async def test_of_earlier_days_only_what_still_waits_is_read(store: SqlStore) -> None:
    waiting = structs.replace(NOTICE, id="n2")
    sent = structs.replace(NOTICE, state=NoticeState.SENT)
    await store.save_alerts(structs.replace(BATCH, notices=(sent, waiting)))

    later = await store.load_alerts(at(60) + timedelta(days=2))

    assert later == AlertBatch(state=b"{}", secret=b"\0\xff", notices=(waiting,))


async def test_a_row_that_cannot_be_read_is_passed_over_and_counted(store: SqlStore) -> None:
    await store.save_alerts(BATCH)
    async with store._database.writing("could not be written to") as connection:
        await connection.execute(text("UPDATE alert SET body = '{}'"))

    found = await store.load_alerts(at(0))

    assert (found.alerts, found.notices, store.unreadable) == ((), (NOTICE,), 1)


RECORDED = RecordedAlert(
    episode="e1",
    changes=(ALERT,),
    notices=(NOTICE,),
    attempts=BATCH.attempts,
    acknowledgement=BATCH.acknowledgements[0],
)


@pytest.fixture(params=["database", "memory"])
def record(request: pytest.FixtureRequest, store: SqlStore) -> AlertStore:
    return store if request.param == "database" else MemoryRecord()


async def test_what_was_said_between_two_moments_can_be_read_alert_by_alert(record: AlertStore) -> None:
    other = structs.replace(ALERT, episode="e2", at=at(100), queue="växel")
    told = structs.replace(NOTICE, id="n2", alert=other, made_at=at(100), recipient="växeln")
    await record.save_alerts(BATCH)
    await record.save_alerts(AlertBatch(alerts=(other,), notices=(told,)))

    assert await record.alert_record(at(0), at(200)) == [
        RECORDED,
        RecordedAlert(episode="e2", changes=(other,), notices=(told,)),
    ]
    assert await record.alert_record(at(0), at(100)) == [RECORDED]
    assert await record.alert_record(at(101), at(200)) == []


async def test_an_alert_that_ended_within_the_time_asked_for_is_read_from_its_beginning(record: AlertStore) -> None:
    over = structs.replace(ALERT, at=at(300), change=AlertChange.CLEARED)
    await record.save_alerts(BATCH)
    await record.save_alerts(AlertBatch(alerts=(over,)))

    assert await record.alert_record(at(299), at(301)) == [structs.replace(RECORDED, changes=(ALERT, over))]
