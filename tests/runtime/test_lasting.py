"""Whatever is safe is counted, once, on its own day: whenever it came, and however often the monitor was restarted."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import structs

from queue_monitor.events import CallMoved, CallRefused, Event, RefusalReason, SourceRestarted
from queue_monitor.model import Counts, Level
from queue_monitor.ports import Receipt
from tests.examples import examples
from tests.runtime.lasting import (
    SOURCE,
    ZONE,
    Call,
    Monitor,
    connected,
    figures,
    journal_of,
    monitor,
    random_calls,
    recount,
)
from tests.scenario import Scenario

WEDNESDAY = date(2026, 11, 18)
THURSDAY = date(2026, 11, 19)
FRIDAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 23)


def at(day: date, hour: float) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC) + timedelta(hours=hour)


def callers(day: date, number: int, hour: float = 9, prefix: str = "") -> list[Call]:
    """Answered after twenty seconds each, one a minute."""
    first = at(day, hour)
    return [
        Call(f"{prefix}{day}-{n}", "kundcenter", first + timedelta(minutes=n), "answered", 20_000)
        for n in range(number)
    ]


async def tell(run: Monitor, calls: list[Call]) -> None:
    for call in calls:
        await run.tell(call.events(), write=False)
    await run.pipeline.write()


async def test_a_log_read_after_a_long_weekend_counts_on_the_days_it_tells_of(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(WEDNESDAY, 8), tmp_path) as before:
        await tell(before, callers(WEDNESDAY, 1, prefix="first "))
    async with monitor(url, at(MONDAY, 8), tmp_path) as after:
        for day in (WEDNESDAY, FRIDAY, MONDAY):
            await tell(after, callers(day, 60))

        assert [(await after.day(day)).counts.answered_in_time for day in (WEDNESDAY, FRIDAY, MONDAY)] == [61, 60, 60]
        month = after.pipeline.publish().total.periods["month"]
        assert month.counts.answered_in_time == 181
        assert month.waits.answered == 181


async def test_what_was_safe_on_friday_counts_on_friday_after_a_kill_and_a_start_on_monday(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(FRIDAY, 10), tmp_path) as killed:
        await tell(killed, callers(FRIDAY, 100))
        assert len(killed.receipts) == 100
    async with monitor(url, at(MONDAY, 8), tmp_path) as after:
        assert (await after.day(FRIDAY)).counts.answered_in_time == 100
        assert after.pipeline.publish().total.periods["month"].counts.answered_in_time == 100


async def test_calls_sent_late_count_on_their_own_day_at_once_and_in_the_month(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(MONDAY, 12), tmp_path) as run:
        await tell(run, callers(MONDAY, 100))
        await tell(run, callers(FRIDAY, 30))

        assert (await run.day(FRIDAY)).counts.answered_in_time == 30
        assert (await run.day(MONDAY)).counts.answered_in_time == 100
        assert run.pipeline.publish().total.periods["month"].counts.answered_in_time == 130
        assert all(receipt.accepted == 3 for receipt in run.receipts)


async def test_an_event_counts_once_for_ever_and_the_receipt_says_which_repeated(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(WEDNESDAY, 10), tmp_path) as run:
        await tell(run, callers(WEDNESDAY, 20))
        for day in (THURSDAY, FRIDAY, MONDAY):
            run.clock.advance_to(at(day, 10))
            run.pipeline.start_day()
            await tell(run, callers(day, 20))
        run.receipts.clear()
        await tell(run, callers(WEDNESDAY, 20))

        assert (await run.day(WEDNESDAY)).counts.answered_in_time == 20
        assert run.receipts == [Receipt(accepted=0, duplicates=3)] * 20
    async with monitor(url, at(MONDAY, 12), tmp_path) as again:
        await tell(again, callers(WEDNESDAY, 21))
        assert (await again.day(WEDNESDAY)).counts.answered_in_time == 21


async def test_a_clock_that_jumps_ahead_and_comes_back_counts_nothing_twice(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(WEDNESDAY, 10), tmp_path) as run:
        await tell(run, callers(WEDNESDAY, 21))
        now = run.clock.now()
        run.clock._now = now + timedelta(hours=75)
        run.pipeline.publish()
        run.pipeline.start_day()
        await run.pipeline.write()
        run.clock._now = now
        run.pipeline.start_day()
        await tell(run, callers(WEDNESDAY, 21))

        assert (await run.day(WEDNESDAY)).counts.answered_in_time == 21
        assert run.pipeline.publish().total.periods["day"].counts.answered_in_time == 21


async def test_a_clock_that_ran_days_ahead_while_calls_came_is_set_back_and_every_day_is_right(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(FRIDAY, 10), tmp_path) as run:
        await tell(run, callers(FRIDAY, 10))
        run.clock._now = at(MONDAY, 12)
        for day in (MONDAY, MONDAY + timedelta(days=1)):
            run.clock._now = at(day, 12)
            run.pipeline.start_day()
            await tell(run, callers(day, 400, hour=8, prefix="wrong "))
        run.clock._now = at(FRIDAY, 12)
        run.pipeline.publish()
        run.pipeline.start_day()
        await tell(run, callers(FRIDAY, 5, hour=11, prefix="right "))

        assert run.pipeline.publish().total.periods["day"].counts.answered_in_time == 15
        assert (await run.day(FRIDAY)).counts.answered_in_time == 15
        assert (await run.day(MONDAY)).counts.answered_in_time == 400


async def test_an_id_used_again_days_later_for_something_else_is_refused_and_changes_no_figure(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(WEDNESDAY, 10), tmp_path) as run:
        first = callers(WEDNESDAY, 1)[0]
        await run.tell(first.events())
    async with monitor(url, at(MONDAY, 10), tmp_path) as later:
        await tell(later, callers(MONDAY, 5))
        other = structs.replace(callers(MONDAY, 1, prefix="other ")[0].events()[0], id=first.events()[0].id)
        later.receipts.clear()
        await later.tell([other])

        assert later.receipts == [Receipt(accepted=0, conflicts=(other.id,))]
        assert (await later.day(MONDAY)).counts == Counts(answered_in_time=5)
        assert later.pipeline.publish().rejected == {"urn:kc:test:luleå id_used_twice": 1}


async def test_a_late_word_changes_what_its_own_day_says_though_the_call_has_long_left_memory(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    call = Call("anna", "kundcenter", at(WEDNESDAY, 9), "answered", 400_000)
    entered, *rest = call.events()
    async with monitor(url, at(WEDNESDAY, 10), tmp_path) as run:
        await run.tell([entered])
        for day in (FRIDAY, MONDAY):
            run.clock.advance_to(at(day, 10))
            await tell(run, callers(day, 3))
        waiting = (await run.day(WEDNESDAY)).counts
        await run.tell(rest)

        assert waiting == Counts(waiting_late=1)
        assert (await run.day(WEDNESDAY)).counts == Counts(answered_late=1)


async def test_what_is_older_than_what_is_kept_is_refused_and_counted(tmp_path: Path):
    async with monitor(f"sqlite:///{tmp_path / 'calls.db'}", at(MONDAY, 10), tmp_path) as run:
        await tell(run, callers(MONDAY, 1))
        await tell(run, callers(MONDAY - timedelta(days=399), 2))
        await tell(run, callers(MONDAY - timedelta(days=402), 2))

        assert (await run.day(MONDAY - timedelta(days=402))).counts == Counts()
        assert (await run.day(MONDAY - timedelta(days=399))).counts.entered == 2
        assert run.pipeline.publish().rejected == {"urn:kc:test:luleå no_longer_kept": 6}


@pytest.mark.parametrize("seed", range(3))
async def test_a_month_old_log_connected_to_a_monitor_installed_today_is_read_and_counted(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    path = tmp_path / "calls.db"
    calls = random_calls(chance, at(date(2026, 10, 26), 0), 28, 400)
    events = sorted((event for call in calls for event in call.events()), key=lambda event: event.at)
    async with monitor(f"sqlite:///{path}", at(MONDAY, 10), tmp_path) as run:
        await tell(run, callers(MONDAY, 3))
        for start in range(0, len(events), 40):
            await run.tell(events[start : start + 40], write=start % 3 == 0)
        await run.pipeline.write()
        days = {call.entered.astimezone(ZONE).date() for call in calls} | {MONDAY}

        assert await figures(run, days) == recount(journal_of(f"sqlite:///{path}"), run.clock.now())


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_on_postgresql(postgres_url: str, tmp_path: Path, seed: int):
    await live_through(postgres_url, tmp_path, random.Random(seed), calls=30)


async def test_lost_calls_transfers_and_calls_of_any_kept_day_are_listed(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    long_ago = date(2026, 8, 12)
    lost = Call("lost", "bygglov", at(long_ago, 9), "abandoned", 400_000)
    async with monitor(url, at(MONDAY, 10), tmp_path) as run:
        await tell(run, [*callers(MONDAY, 2), lost, *callers(long_ago, 3)])
        start, end = at(long_ago, 0), at(long_ago, 24)

        (line,) = await run.pipeline.lost_calls(start, end)
        calls = await run.pipeline.calls(start, end, None, None, 2)
        rest = await run.pipeline.calls(start, end, None, (calls[-1].at, calls[-1].id), 10)

        assert (line.queue, line.wait_seconds, line.counted_as, line.is_late) == (
            "bygglov",
            400.0,
            "abandoned_late",
            True,
        )
        assert len({call.id for call in (*calls, *rest)}) == 4
        year = await run.pipeline.intervals(at(date(2026, 1, 1), 0), end, "year", Level.CONTACT, None)
        assert [period.counts.entered for period in year] == [6]


async def test_changed_rules_judge_today_anew_and_leave_the_days_before_as_they_were(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, at(FRIDAY, 12), tmp_path) as before:
        await tell(before, callers(FRIDAY, 3))
        before.clock.advance_to(at(MONDAY, 10))
        await tell(before, callers(MONDAY, 50))
        await before.pipeline.drain()
    for _ in range(2):
        async with monitor(url, at(MONDAY, 11), tmp_path, Scenario(limit_seconds=10).rules) as after:
            month = after.pipeline.publish().total.periods["month"].counts
            days = [(await after.day(day)).counts for day in (FRIDAY, MONDAY)]

            assert days == [Counts(answered_in_time=3), Counts(answered_late=50)]
            assert month == Counts(answered_in_time=3, answered_late=50)
            assert [found async for found in after.store.sum_differences()] == []
            await after.pipeline.drain()


@examples(12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
async def test_whatever_comes_when_and_however_often_each_day_is_a_recount_of_the_journal(
    tmp_path_factory: pytest.TempPathFactory, seed: int
):
    """Random callers of ten days, told in any order, late and twice, to a monitor killed and started days apart."""
    folder, chance = tmp_path_factory.mktemp("lasting"), random.Random(seed)
    await live_through(f"sqlite:///{folder / 'calls.db'}", folder, chance)


async def live_through(url: str, folder: Path, chance: random.Random, calls: int = 60) -> None:
    first = at(date(2026, 11, 9), 0)
    late: list[tuple[datetime, Event]] = []
    for call in random_calls(chance, first, 10, calls):
        entered, *rest = call.events()
        for some in ([entered], rest):
            delay = timedelta(hours=chance.choice((0, 0, 0, 0.01, 2, 60, 200)))
            late += [(event.at + delay, event) for event in some]
    told = [event for _, event in sorted(late, key=lambda pair: pair[0])]
    told += chance.sample(told, len(told) // 4)
    days = [first.astimezone(ZONE).date() + timedelta(days=number) for number in range(16)]
    now = first
    while told:
        async with monitor(url, now, folder) as run:
            await run.tell([connected(now)])
            for _ in range(chance.randrange(1, 8)):
                number = chance.randrange(1, 30)
                batch, told = told[:number], told[number:]
                reached = max([now, *(event.at for event in batch)])
                run.clock._now = reached + timedelta(hours=chance.choice((0, 0, 0, 75)))
                run.pipeline.publish()
                run.pipeline.start_day()
                run.clock._now = now = reached
                await run.tell(batch, write=chance.random() < 0.7)
            await run.pipeline.write()
            if chance.random() < 0.3:
                await run.store.pack(now - timedelta(days=1))
            assert await figures(run, days) == recount(journal_of(url), run.clock.now())
            visits = {day: (await run.day(day, level=Level.VISIT)).counts.entered for day in days}
            assert visits == {day: (await run.day(day)).counts.entered for day in days}
            assert [found async for found in run.store.sum_differences()] == []
        now += timedelta(hours=chance.choice((0, 1, 30, 70)))


def turned_away(at: datetime, source: str, queue: str = "kundcenter", who: str = "anna") -> CallRefused:
    """A refused caller as the switch's manager interface tells, or its log: that one in whole seconds."""
    return CallRefused(
        id=f"{source} {who}",
        source=f"urn:kc:{source}:luleå",
        switch="pbx",
        observed_at=at,
        switch_time=at.replace(microsecond=0) if source == "log" else at,
        time_precision_ms=1000 if source == "log" else 1,
        contact_id=f"pbx:{who}",
        leg_id=f"pbx:{who}",
        queue=queue,
        reason=RefusalReason.FULL,
    )


@pytest.mark.parametrize("starts_anew", [False, True])
@pytest.mark.parametrize("named", ["kundcenter", "unknown"])
@pytest.mark.parametrize("later", [0, 50], ids=["at once", "after an announcement"])
async def test_a_refused_caller_whom_the_log_tells_of_hours_later_is_counted_once(
    tmp_path: Path, starts_anew: bool, named: str, later: int
):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    refused_at = at(MONDAY, 9) + timedelta(milliseconds=700)
    logged_at = refused_at + timedelta(seconds=later)
    logged = [turned_away(logged_at, "log"), turned_away(logged_at, "log", who="bo")]
    async with monitor(url, at(MONDAY, 9), tmp_path) as run:
        await run.tell([turned_away(refused_at, "ami", named)])
        run.clock.advance_to(at(MONDAY, 12))
        await tell(run, callers(MONDAY, 60, hour=11))
        if not starts_anew:
            await run.tell(logged)
            assert (await run.day(MONDAY)).counts.refused == 2
    async with monitor(url, at(MONDAY, 13), tmp_path) as again:
        if starts_anew:
            await again.tell(logged)
        counts = (await again.day(MONDAY)).counts
        assert (counts.refused, counts.answered_in_time) == (2, 60)
        assert again.pipeline.publish().total.periods["day"].counts.refused == 2
        assert (await again.day(MONDAY, "kundcenter")).counts.refused == 2
        assert [found async for found in again.store.sum_differences()] == []


@pytest.mark.parametrize("starts_anew", [False, True])
@pytest.mark.parametrize(("later", "refused"), [(0, 0), (840, 0), (901, 1)], ids=["at once", "soon", "too late"])
async def test_a_refused_caller_whose_entry_in_the_same_call_is_told_hours_later_was_not_refused(
    tmp_path: Path, starts_anew: bool, later: int, refused: int
):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    refused_at = at(MONDAY, 9)
    got_in = Call("anna", "bygglov", refused_at + timedelta(seconds=later), "answered", 20_000).events()
    async with monitor(url, refused_at, tmp_path) as run:
        await run.tell([turned_away(refused_at, "ami"), turned_away(refused_at, "ami", who="bo")])
        run.clock.advance_to(at(MONDAY, 12))
        await tell(run, callers(MONDAY, 60, hour=11))
        if not starts_anew:
            await run.tell(got_in)
    async with monitor(url, at(MONDAY, 13), tmp_path) as again:
        if starts_anew:
            await again.tell(got_in)
        counts = (await again.day(MONDAY)).counts
        assert (counts.refused, counts.answered_in_time) == (1 + refused, 61)
        assert again.pipeline.publish().total.periods["day"].counts == counts
        assert [found async for found in again.store.sum_differences()] == []


@pytest.mark.parametrize("starts_anew", [False, True])
async def test_who_gets_in_a_quarter_of_an_hour_after_being_refused_was_not_refused(tmp_path: Path, starts_anew: bool):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    refused_at = at(MONDAY, 9)
    got_in = Call("anna", "bygglov", refused_at + timedelta(minutes=14), "answered", 20_000).events()
    async with monitor(url, refused_at, tmp_path) as run:
        await run.tell([turned_away(refused_at, "ami")])
        for call in callers(MONDAY, 40, hour=9.001):
            run.clock.advance_to(call.entered + timedelta(minutes=1))
            await run.tell(call.events())
        if not starts_anew:
            await run.tell(got_in)
        assert run.live.held_from is not None and refused_at < run.live.held_from < got_in[0].at
    async with monitor(url, at(MONDAY, 9.7), tmp_path) as again:
        if starts_anew:
            await again.tell(got_in)
        assert (await again.day(MONDAY)).counts.refused == 0


async def test_who_was_lost_in_a_restart_just_before_a_kill_counts_once_after_the_start(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    began = at(MONDAY, 9) + timedelta(minutes=6)
    waits = Call("anna", "kundcenter", at(MONDAY, 9), "waits", 0).events()
    talks = Call("bo", "kundcenter", at(MONDAY, 9), "answered", 20_000).events()[:2]
    restarted = SourceRestarted(id="began", source=SOURCE, switch="pbx", observed_at=began, switch_time=began)
    async with monitor(url, began, tmp_path) as killed:
        await killed.tell([*waits, *talks])
        await killed.tell([restarted])
    async with monitor(url, began + timedelta(minutes=1), tmp_path) as again:
        counts = again.pipeline.publish().total.periods["day"].counts
        assert (counts.lost, counts.answered_in_time, counts.entered) == (1, 1, 2)
        assert counts == (await again.day(MONDAY)).counts


async def test_who_was_lost_in_a_restart_stays_lost_when_calls_are_judged_by_other_rules(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    began = at(MONDAY, 9) + timedelta(minutes=6)
    restarted = SourceRestarted(id="began", source=SOURCE, switch="pbx", observed_at=began, switch_time=began)
    async with monitor(url, began, tmp_path) as before:
        await before.tell(Call("anna", "kundcenter", at(MONDAY, 9), "waits", 0).events())
        await before.tell([restarted])
        await before.pipeline.drain()
    async with monitor(url, began + timedelta(minutes=1), tmp_path, Scenario(limit_seconds=200).rules) as after:
        counts = after.pipeline.publish().total.periods["day"].counts
        assert (counts.lost, counts.entered) == (1, 1)
        assert counts == (await after.day(MONDAY)).counts


async def test_under_which_leg_a_caller_went_on_may_be_told_hours_later(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    first, second = (
        Call(name, queue, at(MONDAY, 9) + timedelta(minutes=minutes), how, 20_000).events()
        for name, queue, minutes, how in (("a", "kundcenter", 0, "answered"), ("b", "bygglov", 3, "abandoned"))
    )
    entered = structs.replace(second[0], leg_id="pbx:b", contact_id="pbx:b")
    told_at = at(MONDAY, 9) + timedelta(seconds=10)
    moved = CallMoved(
        id="moved", source=SOURCE, switch="pbx", observed_at=told_at, visit_id="pbx:a/1", new_leg_id="pbx:b"
    )
    async with monitor(url, at(MONDAY, 9.1), tmp_path) as run:
        await run.tell([*first, entered, *second[1:]])
        assert (await run.day(MONDAY)).counts.entered == 2
    async with monitor(url, at(MONDAY, 13), tmp_path) as again:
        await tell(again, callers(MONDAY, 60, hour=11))
        await again.tell([moved])
        assert (await again.day(MONDAY)).counts.entered == 61
        assert [found async for found in again.store.sum_differences()] == []


@pytest.mark.parametrize("starts_anew", [False, True])
async def test_who_waited_when_the_switch_began_anew_is_lost_however_late_that_is_told(
    tmp_path: Path, starts_anew: bool
):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    waits = Call("anna", "kundcenter", at(MONDAY, 9), "waits", 0).events()
    began = at(MONDAY, 9) + timedelta(minutes=2)
    restarted = SourceRestarted(id="began", source=SOURCE, switch="pbx", observed_at=began, switch_time=began)
    async with monitor(url, at(MONDAY, 9), tmp_path) as run:
        await run.tell(waits)
        for call in callers(MONDAY, 120, hour=10):
            run.clock.advance_to(call.entered + timedelta(minutes=1))
            run.pipeline.say_own_words()
            await run.tell(call.events())
        assert (await run.day(MONDAY)).counts.unknown == 1
        assert not run.live.ledger.is_open_call("pbx", "pbx:anna") and run.live.ledger.history("pbx:anna") is None
        if not starts_anew:
            await run.tell([restarted])
    async with monitor(url, at(MONDAY, 13), tmp_path) as again:
        if starts_anew:
            await again.tell([restarted])
        counts = (await again.day(MONDAY)).counts
        assert (counts.unknown, counts.lost, counts.answered_in_time) == (0, 1, 120)
        assert again.pipeline.publish().total.periods["day"].counts == counts
        assert [found async for found in again.store.sum_differences()] == []


@pytest.mark.parametrize("minutes", [5, 16, 31, 59, 61])
async def test_the_last_hour_reaches_over_midnight_after_a_start_and_without_one(tmp_path: Path, minutes: int):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    midnight = at(WEDNESDAY, 24)
    now = midnight + timedelta(minutes=minutes)
    moments = [midnight - timedelta(minutes=n) for n in range(1, 11)]
    moments += [now - timedelta(seconds=n) for n in range(60, 400)]  # what is new lies after midnight
    calls = [Call(str(n), "kundcenter", entered, "answered", 20_000) for n, entered in enumerate(sorted(moments))]
    async with monitor(url, at(WEDNESDAY, 23), tmp_path) as run:
        for number, call in enumerate(calls):
            run.clock.advance_to(max(run.clock.now(), call.entered))
            await run.tell(call.events(), write=number % 20 == 0)
        await run.pipeline.write()
        run.clock.advance_to(now)
        run.pipeline.start_day()
        unbroken = run.pipeline.publish().total.periods
        today = await run.day(THURSDAY)
    async with monitor(url, now, tmp_path) as again:
        restarted = again.pipeline.publish().total.periods
        assert await again.day(THURSDAY) == today

    for name, length in {"15min": 15, "30min": 30, "60min": 60}.items():
        entered = sum(call.entered >= now - timedelta(minutes=length - 1) for call in calls)
        assert unbroken[name].outside_hours.entered == restarted[name].outside_hours.entered == entered
