"""What is too old is deleted, a little at a time, counted once, and what is left adds up."""

from datetime import date, datetime, timedelta

from msgspec import structs

from queue_monitor.events import Event
from queue_monitor.model import AdminAct, AlertChange, Level, NoticeState, SkippedEvent
from queue_monitor.store import RETENTION, Kind, Order, SqlStore
from tests.alerts.moments import at
from tests.store.calls import START, callers, entered, read_all, rows
from tests.store.records import EVER, all_sums, batch, call, placements_of, recounted, refused
from tests.store.test_alerts import ALERT, BATCH, NOTICE
from tests.store.test_rebuild import differences

DAY = 86_400
DECISION = "KS 2026/123"
TUESDAY = date(2026, 3, 3)
LATER = START + timedelta(days=100)


async def deleted(store: SqlStore, kind: Kind, until: date) -> list[str]:
    """Delete to the end, and give what the audit says of it."""
    if await store.begin_deletion(Order(kind=kind, until=until, decision=DECISION)):
        while not await store.delete_some(kind, LATER):
            pass
    return [act.detail for act in await store.acts(*EVER) if act.act == RETENTION and act.subject == kind]


def of_days(*days: int, number: int = 3) -> list[Event]:
    """Callers of the Monday so many days before or after, an hour apart."""
    return [entered(1000 * day + n, seconds=day * DAY + 3600 * n) for day in days for n in range(number)]


async def test_events_go_with_their_ids_from_rows_and_packs_and_later_ones_stay(store: SqlStore, url: str) -> None:
    events = of_days(0, 1, 2, number=120)
    await store.append(events, START)
    await store.pack(START + timedelta(days=2, hours=1))
    until = START.date() + timedelta(days=3)
    kept = [event for event in events if event.at >= START + timedelta(days=2, hours=16)]  # from local midnight on

    said = await deleted(store, Kind.JOURNAL, until)

    assert await read_all(store) == kept
    assert said == [f"{len(events) - len(kept)} events, from before {until}, by decision {DECISION}"]
    assert rows(url, "SELECT count(*) FROM journal_id") == [(len(kept),)]
    assert rows(url, "SELECT count(DISTINCT hash) FROM pack_contact")[0][0] <= len(kept)
    assert (await store.health()).first_kept == until
    assert [known.value for known in await store.look_up(kept[:1])] == ["repeated"]


async def test_a_damaged_pack_goes_when_all_of_it_is_too_old(store: SqlStore, url: str) -> None:
    events = of_days(0, 1, number=50)
    await store.append(events, START)
    await store.pack(START + timedelta(days=5))
    rows(url, "UPDATE pack SET body = :body", body=b"nothing")

    first = await deleted(store, Kind.JOURNAL, TUESDAY)
    second = await deleted(store, Kind.JOURNAL, TUESDAY + timedelta(days=9))

    assert [said.split()[0] for said in (first[0], second[-1])] == ["nothing,", "100"]
    assert rows(url, "SELECT count(*) FROM pack") == rows(url, "SELECT count(*) FROM pack_contact") == [(0,)]


STORY = (
    call("anna"), call("bo", 60, "abandoned_late"), call("cia", DAY), call("evening", 57_500, visits=3),
    call("waits", 30, ""),
)  # fmt: skip


async def test_calls_go_with_stays_and_keys_and_their_sums_stay(store: SqlStore, url: str) -> None:
    refusals = (refused("eva"), refused("åke", DAY))
    await store.commit(batch(*STORY, events=callers(range(5)), refusals=refusals))
    before = await all_sums(store, "quarter"), await all_sums(store, "day"), await store.totals()

    said = await deleted(store, Kind.CALLS, TUESDAY)

    names = {each.visits[0].switch for each in await store.calls(*EVER)}
    assert (len(await store.calls(*EVER)), names) == (
        2,
        {"växel"},
    )  # cia, and the evening's that goes on after 0.00
    assert said == [f"3 calls, 3 stays in a queue, 1 refused callers, from before {TUESDAY}, by decision {DECISION}"]
    assert len(await store.refusals(*EVER)) == 1
    assert (await all_sums(store, "quarter"), await all_sums(store, "day"), await store.totals()) == before
    assert await differences(store) == []
    assert await store.load_calls(["växel anna", "växel bo", "växel waits"]) == []
    assert rows(url, "SELECT count(*) FROM call_key") == [(6,)]
    assert (await store.health()).first_kept == TUESDAY
    assert await read_all(store) == callers(range(5))


async def test_a_call_over_midnight_goes_a_day_later_and_all_adds_up(store: SqlStore) -> None:
    await store.commit(batch(*STORY, events=callers(range(5))))
    before = await all_sums(store, "day")

    for days in range(3):
        await deleted(store, Kind.CALLS, TUESDAY + timedelta(days=days))
        assert await differences(store) == []

    assert await store.calls(*EVER) == []
    assert await all_sums(store, "day") == before


async def test_a_word_about_a_call_that_memory_held_longer_than_the_store_counts_nothing_twice(store: SqlStore) -> None:
    await store.commit(batch(call("waits", 30, "answered_late"), events=[entered(1)]))
    before = await all_sums(store, "day")
    await deleted(store, Kind.CALLS, TUESDAY)

    later = call("waits", 30, "answered_late", known=True, evidence=b"more")
    await store.commit(batch(later, call("new", DAY), events=[entered(2)]))

    after = await all_sums(store, "day")
    assert [row for row in after if row.start < START + timedelta(hours=16)] == before
    assert len(await store.calls(*EVER)) == 1
    assert await differences(store) == []


async def test_sums_go_last_and_those_of_all_time_are_of_the_days_that_are_kept(store: SqlStore) -> None:
    cia = call("cia", DAY)
    await store.commit(batch(call("anna"), call("bo", -70 * DAY), call("old", -200 * DAY), cia, events=[entered(1)]))
    await deleted(store, Kind.CALLS, TUESDAY)

    said = await deleted(store, Kind.SUMS, TUESDAY)

    assert said[0].startswith("12 sums, ")
    assert await all_sums(store, "day") == recounted(placements_of([cia]), "day")
    assert (await store.totals())["kundcenter"].entered == 1
    assert await differences(store) == []
    await store.commit(batch(call("dan", DAY + 60), events=[entered(2)]))
    assert (await store.totals())["kundcenter"].entered == 2
    assert await differences(store) == []


async def test_nothing_is_made_anew_of_days_whose_calls_were_deleted(store: SqlStore) -> None:
    await store.commit(batch(*STORY, events=callers(range(5))))
    await deleted(store, Kind.CALLS, TUESDAY)
    sums_before = await all_sums(store, "day")

    kept = (await store.health()).first_kept
    assert kept is not None
    await store.forget_from(datetime.combine(kept, START.timetz()))

    left = [row for row in sums_before if row.start < START + timedelta(hours=16)]
    assert [row for row in await all_sums(store, "day") if row.level is Level.CONTACT] == [
        row for row in left if row.level is Level.CONTACT
    ]
    assert await differences(store) == []


async def test_a_deletion_that_was_broken_off_goes_on_and_is_counted_once(store: SqlStore) -> None:
    await store.append(callers(range(1300)), START)
    order = Order(kind=Kind.JOURNAL, until=TUESDAY, decision=DECISION)
    await store.begin_deletion(order)
    await store.delete_some(Kind.JOURNAL, LATER)

    assert await store.deletions_going_on() == [order]
    assert await store.acts(*EVER) == []
    tomorrow = structs.replace(order, until=TUESDAY + timedelta(days=1), decision="other")
    assert await store.begin_deletion(tomorrow)
    while not await store.delete_some(Kind.JOURNAL, LATER):
        pass

    [act] = await store.acts(*EVER)
    assert (act.who, act.subject) == ("", "journal")
    assert act.detail == f"1300 events, from before {TUESDAY}, by decision {DECISION}"
    assert await store.deletions_going_on() == []
    assert await read_all(store) == []
    assert await store.append([entered(5000, seconds=3 * DAY)], LATER) == 1
    assert await store.newest_seq() == 1301


async def test_one_that_is_stopped_says_what_it_has_deleted(store: SqlStore) -> None:
    await store.append(callers(range(1300)), START)
    await store.begin_deletion(Order(kind=Kind.JOURNAL, until=TUESDAY, decision=DECISION))
    await store.delete_some(Kind.JOURNAL, LATER)

    await store.stop_deletion(Kind.JOURNAL, LATER)

    assert (await store.acts(*EVER))[0].detail.startswith("500 events, ")
    assert len(await read_all(store)) == 800


async def test_where_nothing_is_too_old_nothing_is_said_to_be_gone(store: SqlStore) -> None:
    await store.commit(batch(*STORY, events=callers(range(5))))

    for kind in (Kind.JOURNAL, Kind.CALLS, Kind.SUMS, Kind.ALERTS, Kind.AUDIT):
        assert not await store.begin_deletion(Order(kind=kind, until=date(2026, 3, 2), decision=DECISION))
    assert (await store.health()).first_kept is None
    assert await store.acts(*EVER) == []


async def test_alerts_go_with_all_that_was_said_of_them_once_their_last_word_is_too_old(store: SqlStore) -> None:
    sent = structs.replace(NOTICE, state=NoticeState.SENT)
    later = structs.replace(ALERT, at=at(3 * DAY), change=AlertChange.CLEARED)
    long = (structs.replace(ALERT, episode="e2"), structs.replace(later, episode="e2"))
    waiting = structs.replace(NOTICE, id="n2")
    await store.save_alerts(structs.replace(BATCH, alerts=(ALERT, *long), notices=(sent, waiting)))

    said = await deleted(store, Kind.ALERTS, at(2 * DAY).date())

    left = await store.load_alerts(at(0))
    assert left == structs.replace(BATCH, alerts=long, notices=(waiting,), attempts=(), acknowledgements=())
    assert said[0].startswith("1 alerts, 1 messages, from before ")


async def test_acts_go_but_for_those_that_tell_of_deletions(store: SqlStore) -> None:
    act = AdminAct(at=START, who='x","act":"retention', origin="", act="settings", subject="")
    for moment in (START, START + timedelta(days=3)):
        await store.save_act(structs.replace(act, at=moment))
    await store.append(callers(range(3)), START)
    await store.begin_deletion(Order(kind=Kind.JOURNAL, until=TUESDAY, decision=DECISION))
    while not await store.delete_some(Kind.JOURNAL, START + timedelta(hours=1)):
        pass

    said = await deleted(store, Kind.AUDIT, TUESDAY)

    assert [each.act for each in await store.acts(*EVER)] == [RETENTION, "settings", RETENTION]
    assert said == [f"1 acts, from before {TUESDAY}, by decision {DECISION}"]


async def test_marks_of_events_that_were_never_taken_go_with_the_journal(store: SqlStore) -> None:
    await store.append(callers(range(3)), START)
    mark = SkippedEvent(key="k", at=START, source="s", kind="call.entered")
    await store.save_skipped(mark)
    await store.save_skipped(structs.replace(mark, key="later", at=LATER))

    await deleted(store, Kind.JOURNAL, TUESDAY)

    assert [event.key for event in await store.load_skipped()] == ["later"]


async def test_files_are_noted_before_they_go_and_a_kill_between_loses_none(store: SqlStore) -> None:
    order = Order(kind=Kind.BACKUPS, until=TUESDAY, decision=DECISION)
    assert await store.note_files(order, ["a.backup", "b.backup"]) == ("a.backup", "b.backup")
    assert await store.note_files(order, ["c.backup"]) == ("a.backup", "b.backup", "c.backup")

    await store.files_are_gone(Kind.BACKUPS, LATER)

    [act] = await store.acts(*EVER)
    assert act.detail == f"3 (a.backup, b.backup, c.backup), from before {TUESDAY}, by decision {DECISION}"
    assert await store.note_files(order, []) == ()
    await store.files_are_gone(Kind.BACKUPS, LATER)
    assert len(await store.acts(*EVER)) == 1
