"""A monitor that lives on deletes what its table and a decision say: the rest adds up, and nothing of it is found."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec
import numpy as np
import pytest
from msgspec import structs

from queue_monitor.__main__ import main
from queue_monitor.app import checks
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.retention import Retention, months_before, next_time
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.commands import backups, rebuilding
from queue_monitor.commands.exits import WRONG
from queue_monitor.config import Config, ConfigError, KeptFor, RetentionSettings, describe, load
from queue_monitor.events import contact_key
from queue_monitor.model import Counts, Level
from queue_monitor.ports import StoreError
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.store import RETENTION, Kind, Order, open_store
from tests.patience import PATIENCE
from tests.runtime.lasting import ZONE, Call, Monitor, monitor
from tests.runtime.test_lasting import at, callers, tell
from tests.store.calls import START, entered
from tests.store.records import EVER, batch, call
from tests.test_backup import settings
from tests.test_rebuilding import nothing
from tests.test_service import running

DECISION = "KS 2026/123"
BYTES_A_YEAR = 110_000
"""The growth of what outlives calls in the simulated three years: 12 callers a day and a deletion every third day."""

MONDAY = date(2026, 3, 2)


def table(**months: int) -> RetentionSettings:
    return RetentionSettings(**{kind: KeptFor(months=number, decision=DECISION) for kind, number in months.items()})


class Living(msgspec.Struct):
    """A monitor with the nightly deletion beside it."""

    run: Monitor
    retention: Retention
    keys: MonthKeys

    async def night(self, day: date) -> None:
        """The night that ends a day: the deletion runs after midnight."""
        self.run.clock.advance_to(at(day + timedelta(days=1), 0.5))
        await self.retention.delete_due()

    async def log(self) -> list[str]:
        acts = [act for act in await self.run.store.acts(*EVER) if act.act == RETENTION]
        return [f"{act.subject}: {act.detail}" for act in acts]


@asynccontextmanager
async def living(config: Config, start: datetime) -> AsyncIterator[Living]:
    folder = Path(config.store.agent_key).parent
    keys = MonthKeys(Path(config.store.number_keys))
    async with monitor(config.store.url, start, folder, rules_of(config)) as run:
        kept = Path(config.store.backups) if config.store.backups else None
        deletes = Retention(config.retention, run.store, run.clock, ZONE, keys, kept, run.pipeline.look_again)
        yield Living(run=run, retention=deletes, keys=keys)


def config_with(folder: Path, kept: RetentionSettings) -> Config:
    folder.mkdir(exist_ok=True)
    read = settings(folder)
    return structs.replace(
        read, retention=kept, sources=(), store=structs.replace(read.store, backups=str(folder / "backups"))
    )


async def test_without_a_decision_nothing_is_deleted(tmp_path: Path):
    undecided = RetentionSettings(journal=KeptFor(months=1), calls=KeptFor(months=1))
    config = config_with(tmp_path / "m", undecided)
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        await m.night(date(2027, 3, 2))

        assert len(await m.run.store.calls(*EVER)) == 3
        assert (await m.run.store.health()).first_kept is None
        assert m.run.pipeline.publish().kept_from is None
        assert await m.log() == []
        await m.retention.run()  # there is nothing to wait for


async def test_calls_are_not_said_to_be_gone_where_only_the_journal_is(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=12))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        await m.night(date(2026, 4, 2))

        assert m.run.pipeline.first_kept == at(date(2026, 3, 3), 0)
        assert m.run.pipeline.publish().kept_from is None


async def test_a_switch_that_has_been_silent_since_its_calls_were_deleted_keeps_its_last_days(tmp_path: Path):
    """Memory holds the last days of the journal by their calls, of which there are none: their sums count instead."""
    config = config_with(tmp_path / "m", table(calls=1, journal=12))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        before = await m.run.day(MONDAY)
        await m.night(date(2026, 5, 4))
        assert await m.run.store.calls(*EVER) == []
    async with living(config, at(date(2026, 5, 5), 8)) as m:
        start, end = at(date(2026, 3, 1), 0), at(date(2026, 4, 1), 0)
        (month,) = await m.run.pipeline.intervals(start, end, "month", Level.CONTACT, None)
        assert (await m.run.day(MONDAY)).counts == before.counts == month.counts
        assert before.counts.entered == 3


async def test_an_event_of_a_day_that_was_deleted_is_refused_at_once(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        await m.night(date(2026, 4, 2))
        assert m.run.pipeline.first_kept == at(date(2026, 3, 3), 0)
        assert m.run.pipeline.publish().kept_from == at(date(2026, 3, 3), 0)
        await m.run.tell(callers(MONDAY, 1)[0].events())
        await m.run.tell(callers(date(2026, 3, 3), 1)[0].events())

        assert [(len(told.refused), told.accepted) for told in m.run.receipts[-2:]] == [(3, 0), (0, 3)]
        assert [refused.reason for refused in m.run.receipts[-2].refused] == ["no_longer_kept"] * 3


async def test_a_log_older_than_400_days_counts_for_as_long_as_its_day_is_kept(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=36, calls=36))
    async with living(config, at(date(2023, 3, 1), 8)) as m:
        await tell(m.run, callers(date(2023, 3, 1), 3))
        await m.night(date(2026, 3, 2))
        old = date(2024, 3, 4)
        await m.run.tell(callers(old, 1)[0].events())

        assert (await m.run.day(old)).counts.answered_in_time == 1


async def test_the_night_that_was_missed_is_made_up_for_at_the_start(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        assert not await m.retention._is_missed()  # the first night is waited for
        await m.night(MONDAY)
        assert not await m.retention._is_missed()
    async with living(config, at(date(2026, 3, 20), 9)) as later:
        assert await later.retention._is_missed()


async def test_a_start_with_a_clock_far_ahead_deletes_nothing_before_the_night(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        await m.night(MONDAY)
    async with living(config, at(date(2036, 3, 3), 9)) as wrong:
        assert not await wrong.retention._is_missed()


class Nights(ManualClock):
    """Time passes while one sleeps, until so many nights have been waited for."""

    def __init__(self, start: datetime, number: int) -> None:
        super().__init__(start)
        self.left = number
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds > 3600 and not self.left:
            raise asyncio.CancelledError
        self.left -= seconds > 3600
        await super().sleep(seconds)


async def nights(m: Living, start: datetime, number: int) -> tuple[list[float], list[datetime]]:
    """Run it for so many nights; how long it slept, and when it wrote into its log."""
    clock = Nights(start, number)
    m.retention._clock = clock
    with suppress(asyncio.CancelledError):
        await m.retention.run()
    return clock.slept, [act.at for act in await m.run.store.acts(*EVER) if act.act == RETENTION]


async def test_it_is_deleted_every_night_at_half_past_midnight(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1))
    async with living(config, at(MONDAY, 18)) as m:
        for day in (MONDAY, date(2026, 3, 3), date(2026, 3, 5)):
            m.run.clock.advance_to(at(day, 18))
            await tell(m.run, callers(day, 3))
        _, logged_at = await nights(m, at(date(2026, 4, 1), 12), 5)

    days = [date(2026, 4, number) for number in (3, 4, 6)]
    assert [moment.astimezone(ZONE).date() for moment in logged_at] == days
    assert all(moment - at(day, 0.5) < timedelta(seconds=1) for moment, day in zip(logged_at, days, strict=True))


async def test_a_database_that_is_away_costs_a_night_some_minutes_and_never_the_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = config_with(tmp_path / "m", table(journal=1))
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        asked, away = m.run.store.deletions_going_on, [True, False, True, False]

        async def going_on() -> list[Order]:
            if away and away.pop(0):
                raise StoreError("store.url: away", passing=True)
            return await asked()

        monkeypatch.setattr(m.run.store, "deletions_going_on", going_on)
        slept, logged_at = await nights(m, at(date(2026, 4, 20), 12), 1)

    assert slept.count(600.0) == 2
    assert len(logged_at) == 1


async def test_a_deletion_that_was_killed_is_ended_unless_the_table_has_changed_its_mind(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1))
    day = date(2026, 4, 20)
    for after, left in ((config, 0), (structs.replace(config, retention=table(journal=12)), 100)):
        async with living(config, at(MONDAY, 18)) as m:
            await tell(m.run, callers(MONDAY, 200, hour=8))
            m.run.clock.advance_to(at(day, 1))
            order = Order(kind=Kind.JOURNAL, until=date(2026, 3, 20), decision=DECISION)
            assert await m.run.store.begin_deletion(order)
            await m.run.store.delete_some(order.kind, m.run.clock.now())
        async with living(after, at(day, 9)) as again:
            await again.retention.delete_due()

            assert await again.run.store.deletions_going_on() == []
            assert await again.run.store.count_events(at(MONDAY, 0)) == left
            await again.run.store.wipe()


async def test_the_keys_of_a_month_go_with_its_last_event(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1))
    async with living(config, at(MONDAY, 18)) as m:
        for month in ("2026-02", "2026-03", "2026-04"):
            m.keys.of(month)
        await m.night(date(2026, 4, 29))
        assert m.keys.months == ["2026-03", "2026-04"]
        await m.night(date(2026, 4, 30))

        assert m.keys.months == ["2026-04"]
        assert MonthKeys(Path(config.store.number_keys)).months == ["2026-04"]
        assert await m.log() == [
            f"number_keys: 1 (2026-02), from before 2026-03-30, by decision {DECISION}",
            f"number_keys: 1 (2026-03), from before 2026-04-01, by decision {DECISION}",
        ]


async def test_a_call_over_midnight_at_the_edge_of_what_is_kept_leaves_verify_clean(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1))
    late = Call("late", "kundcenter", at(MONDAY, 23.99), "answered", 120_000)
    async with living(config, at(MONDAY, 18)) as m:
        m.run.clock.advance_to(at(date(2026, 3, 3), 12))
        await tell(m.run, [*callers(MONDAY, 3), late, *callers(date(2026, 3, 3), 3)])
        for day in (date(2026, 4, 2), date(2026, 4, 3)):
            await m.night(day)
            assert (await rebuilding.verify(config, None, nothing)).differences == []
        calls = await m.run.store.calls(*EVER)

    assert len(calls) == 0
    await rebuilding.rebuild(config, None, nothing)
    assert (await rebuilding.verify(config, None, nothing)).differences == []


async def test_backups_that_are_too_old_go_and_other_files_stay(tmp_path: Path):
    config = config_with(tmp_path / "m", table(backups=1))
    folder = Path(config.store.backups)
    async with living(config, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        for day in (date(2026, 1, 5), date(2026, 3, 2)):
            backups.backup(config, None, at(day, 2))
        (folder / "mine.backup").write_text("not one of ours")
        await m.night(MONDAY)

        assert names_in(folder) == ["mine.backup", "queue-monitor-20260302T010000Z.backup"]
        assert await m.log() == [
            f"backups: 1 (queue-monitor-20260105T010000Z.backup), from before 2026-02-03, by decision {DECISION}"
        ]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_running_monitor_deletes_what_is_due(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/journal.db"
    store = await open_store(url, agent_key=tmp_path / "agent.key")
    await store.append([entered(number, source="urn:kc:simulator:old") for number in range(700)], START)
    ran = SystemClock().now().date() - timedelta(days=20)  # nights were missed, so it begins at once
    await store.note("retention ran", ran.isoformat())
    await store.close()

    decided = {"QUEUE_MONITOR_RETENTION__JOURNAL__MONTHS": "1", "QUEUE_MONITOR_RETENTION__JOURNAL__DECISION": DECISION}
    agent_key = {"QUEUE_MONITOR_STORE__AGENT_KEY": f"{tmp_path}/agent.key"}
    with running(tmp_path, **decided, **agent_key) as run:
        until, details = monotonic() + PATIENCE, list[str]()
        while not details and monotonic() < until:
            run.status()
            details = [json.loads(body)["detail"] for body in bodies(tmp_path / "journal.db") if RETENTION in body]
        code = run.stop()

    # on a busy machine the monitor's own word that the source fell silent then is deleted with them
    assert re.match(r"70[01] events, from before 20", details[0])
    assert code == 0


def bodies(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [body for (body,) in database.execute("SELECT body FROM audit")]


# ---- years


OUTLIVING: Final = ("sums", "coverage", "difference", "imported_day", "repeat_callers", "audit", "audit_at_us")
"""The tables and indexes that outlive calls by the table or for ever; docs/operations.md says how fast they grow."""


class Size(msgspec.Struct):
    """The size of a store's file, and the part of it that outlives calls, in bytes."""

    whole: int
    outliving: int

    @property
    def of_calls(self) -> int:
        return self.whole - self.outliving


def size_of(path: Path) -> Size:
    names = ", ".join("?" * len(OUTLIVING))
    with closing(sqlite3.connect(path)) as database:
        (outliving,) = database.execute(f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({names})", OUTLIVING).fetchone()
    return Size(path.stat().st_size, outliving)


def weekdays(first: date, days: int) -> Iterator[date]:
    for number in range(days):
        day = first + timedelta(days=number)
        if day.weekday() < 5:
            yield day


def traces_of(path: Path, before: datetime) -> set[bytes]:
    """What must not be found once the days before a moment are deleted: keys of calls, pieces of rows and of packs."""
    edge = int(before.timestamp()) * 1_000_000
    with closing(sqlite3.connect(path)) as database:
        found = {bytes(key) for (key,) in database.execute("SELECT key FROM contact WHERE at_us < ?", (edge,))}
        found |= {bytes(body)[-48:] for (body,) in database.execute("SELECT body FROM pack WHERE last_us < ?", (edge,))}
        found |= {bytes(body)[:80] for (body,) in database.execute("SELECT body FROM journal WHERE at_us < ?", (edge,))}
    return found


class Lived(msgspec.Struct):
    """Sizes at the end of each month; counts by day as they were then and as they are now; how many callers there were,
    and how many calls and events are left; the log; and what must not be found any more.
    """

    sizes: list[Size]
    then: dict[date, Counts]
    now: dict[date, Counts]
    told: int
    calls: int
    events: int
    log: list[str]
    gone: set[bytes]
    ended: datetime


async def lived(config: Config, months: int, a_day: int, nights: int) -> Lived:
    """Months of calls, with the deletion of each of so many nights."""
    path = Path(config.store.url.removeprefix("sqlite:///"))
    found = Lived([], {}, {}, 0, 0, 0, [], set(), EVER[0])
    days = list(weekdays(MONDAY, 30 * months))
    async with living(config, at(MONDAY, 7)) as m:
        for number, day in enumerate(days):
            m.run.clock.advance_to(at(day, 18))
            calls = callers(day, a_day, hour=8)
            await tell(m.run, calls)
            found.told += len(calls)
            found.then[day] = (await m.run.day(day)).counts
            await m.run.store.pack(at(day, 0))
            if number % nights == nights - 1:
                found.gone |= traces_of(path, at(day, 24))
                await m.night(day)
            if number % 21 == 20:
                found.sizes.append(size_of(path))
        found.ended = m.run.clock.now()
        found.now = {day: (await m.run.day(day)).counts for day in days}
        found.gone -= traces_of(path, EVER[1])
        found.calls, found.events = len(await m.run.store.calls(*EVER)), await m.run.store.count_events(EVER[0])
        found.log = await m.log()
    return found


def logged(log: list[str], kind: str, what: str) -> int:
    """How many of these the log says were deleted."""
    found = 0
    for line in log:
        subject, _, detail = line.partition(": ")
        for part in detail.split(", from before")[0].split(", ") if subject == kind else ():
            number, _, its = part.partition(" ")
            found += int(number) if its == what else 0
    return found


async def hold_to_its_table(config: Config, found: Lived, folder: Path) -> None:
    """What must be true of a store that has lived for long under its table."""
    path = Path(config.store.url.removeprefix("sqlite:///"))
    assert found.now == found.then
    assert logged(found.log, "calls", "calls") == found.told - found.calls > 0
    assert logged(found.log, "journal", "events") == 3 * found.told - found.events > 0
    assert (await rebuilding.verify(config, None, nothing)).differences == []
    made = backups.backup(config, folder / "after.backup", found.ended)
    assert len(found.gone) > 40
    for kept in (path, path.with_name(path.name + "-wal"), made.path):
        assert found_in(kept, found.gone) == []


def found_in(path: Path, traces: set[bytes]) -> list[bytes]:
    """Those that are somewhere in a file: first it is looked for their last eight bytes."""
    content = path.read_bytes() if path.exists() else b""
    ends = np.unique(np.frombuffer(b"".join(trace[-8:] for trace in traces), "<u8"))
    lengths = {len(trace) for trace in traces}
    found: list[bytes] = []
    for offset in range(8):
        words = np.frombuffer(content, "<u8", max(0, len(content) - offset) // 8, offset) if content else ends[:0]
        for word in np.flatnonzero(np.isin(words, ends)):
            end = offset + 8 * int(word) + 8
            found += [content[end - length : end] for length in lengths if content[end - length : end] in traces]
    return found


async def test_pages_that_were_split_keep_nothing_of_what_was_deleted(tmp_path: Path):
    path = tmp_path / "calls.db"
    store = await open_store(f"sqlite:///{path}", agent_key=tmp_path / "agent.key")
    names = [(f"c{day}-{number}", day) for number in range(6) for day in range(0, 200, 10)]
    for name, day in names:
        await store.commit(batch(*(call(f"{name}-{each}", day * 86_400) for each in range(15))))
    order = Order(kind=Kind.CALLS, until=START.date() + timedelta(days=150), decision=DECISION)
    await store.begin_deletion(order)
    while not await store.delete_some(Kind.CALLS, START):
        pass
    await store.leave_no_trace()
    await store.close()

    gone = {contact_key(f"växel:{name}-{each}") for name, day in names if day < 150 for each in range(15)}
    assert found_in(path, gone) == []


def test_the_scan_finds_a_trace_wherever_it_lies(tmp_path: Path):
    trace = bytes(range(100, 116))
    for before in range(8):
        (tmp_path / "file").write_bytes(b"x" * (1000 + before) + trace + b"y" * 9)
        assert found_in(tmp_path / "file", {trace, b"z" * 48}) == [trace]
    assert found_in(tmp_path / "file", {bytes(range(99, 115))}) == []


async def test_months_under_the_table_stay_small_add_up_and_leave_no_trace(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=1, calls=1, sums=24, alerts=1, audit=1))

    found = await lived(config, 4, 4, nights=5)

    assert found.sizes[-1].of_calls < 1.1 * found.sizes[1].of_calls
    await hold_to_its_table(config, found, tmp_path)


@pytest.mark.soak
async def test_three_years_under_the_table_stay_small_add_up_and_leave_no_trace(tmp_path: Path):
    config = config_with(tmp_path / "m", table(journal=3, calls=6, sums=60, alerts=12, audit=24))

    found = await lived(config, 36, 12, nights=3)
    for size in found.sizes[11::12]:
        print(f"{size.whole} bytes, of them outliving calls {size.outliving}")
    print(len(found.gone), found.told, found.calls, found.events)

    a_year, three_years = found.sizes[11], found.sizes[-1]
    assert three_years.of_calls < 1.03 * a_year.of_calls
    assert three_years.outliving - a_year.outliving < 2 * BYTES_A_YEAR
    await hold_to_its_table(config, found, tmp_path)


# ---- the table


def test_months_are_counted_by_the_calendar():
    assert months_before(date(2026, 3, 31), 1) == date(2026, 2, 28)
    assert months_before(date(2026, 3, 31), 24) == date(2024, 3, 31)
    assert months_before(date(2026, 1, 15), 1) == date(2025, 12, 15)


def test_it_is_deleted_half_an_hour_after_local_midnight_also_when_the_clocks_change():
    assert next_time(datetime(2026, 3, 28, 12, tzinfo=UTC), ZONE) == datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    assert next_time(datetime(2026, 3, 28, 23, 30, tzinfo=UTC), ZONE) == datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    assert datetime.combine(date(2026, 3, 30), time(0, 30), ZONE) == datetime(2026, 3, 29, 22, 30, tzinfo=UTC)


def read(tmp_path: Path, written: str) -> Config:
    (tmp_path / "c.toml").write_text(written + '\n[[sources]]\nname = "s"\nkind = "simulator"\n')
    return load(tmp_path / "c.toml", {}, settings_of, adapter_kinds())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[retention.journal]\ndecision = "KS 1"\n', "retention.journal: does not fit together; expected months"),
        ("[retention.journal]\nmonths = 0\n", "retention.journal.months: 0; expected a number of months"),
        (
            "[retention.sums]\nmonths = 12\n[retention.calls]\nmonths = 24\n",
            "sums that are kept at least as many months",
        ),
        (
            '[retention.sums]\nmonths = 24\ndecision = "KS 1"\n[retention.calls]\nmonths = 12\n',
            "retention: does not fit together; expected a decision for calls",
        ),
        ('[retention.backups]\nmonths = 1\ndecision = "KS 1"\n', "store.backups: not set; expected the folder"),
        ("[retention.recordings]\nmonths = 1\n", "retention.recordings: unknown key"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_its_field(tmp_path: Path, written: str, said: str):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, written)
    assert said in str(caught.value)


def test_the_table_is_said_as_understood(tmp_path: Path):
    decided = '[retention.journal]\nmonths = 24\ndecision = "KS 2026/123"\n[retention.calls]\nmonths = 36\n'

    assert "kept          nothing is deleted: there is no decision" in describe(read(tmp_path, ""))
    said = describe(read(tmp_path, decided))
    assert "kept          journal for 24 months, by KS 2026/123" in said
    assert "              calls for 36 months, when a decision is set" in said


def test_a_journal_kept_shorter_than_a_log_reaches_back_is_refused_by_check_and_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    log = tmp_path / "queue_log"
    day = checks.today_of(read(tmp_path, "")) - timedelta(days=80)
    second = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    log.write_text(f"{second + 86_400 * 60}|1|q|NONE|ENTERQUEUE||\n")
    log.with_name("queue_log.1").write_text(f"{second}|0|q|NONE|ENTERQUEUE||\n")
    written = '[[sources]]\nname = "log"\nkind = "asterisk_queuelog"\npath = "{}"\n[retention.journal]\nmonths = {}\n'
    file = tmp_path / "c.toml"

    for months, code in ((2, WRONG), (3, 0)):
        file.write_text(written.format(log, months))
        assert main(["check-config", str(file)]) == code
        said = capsys.readouterr().err
        if code:
            assert "retention.journal.months: 2; expected at least the time that the log of source log reaches" in said
            assert f"to {day}" in said
            assert main(["run", "--config", str(file)]) == code
            assert "retention.journal.months: 2" in capsys.readouterr().err
