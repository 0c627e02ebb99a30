"""History made anew from the journal is the history that was written with it, and what differs is said."""

import asyncio
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from queue_monitor import simulation
from queue_monitor.__main__ import main
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.commands import rebuilding
from queue_monitor.commands.exits import DIFFERENT
from queue_monitor.config import Config, load
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    Caller,
    CallLeft,
    CallRefused,
    CallRingEnded,
    Event,
    LeftOutcome,
    QueueSnapshot,
    RefusalReason,
    RingResult,
    SourceRestarted,
    WaitingCaller,
    event_id,
)
from queue_monitor.ports import StoreError
from queue_monitor.store import SqlStore
from tests.runtime.lasting import SOURCE, Call, monitor
from tests.runtime.test_lasting import FRIDAY, MONDAY, THURSDAY, WEDNESDAY, at, callers, tell

ROWS = (
    "SELECT * FROM contact ORDER BY key",
    "SELECT * FROM visit ORDER BY contact, number",
    "SELECT * FROM sums ORDER BY step, level, queue, inside, start_us",
    "SELECT * FROM refusal ORDER BY 1, 2",
)


def config_of(path: Path) -> Config:
    settings = load(None, {"QUEUE_MONITOR_STORE__URL": f"sqlite:///{path}"}, settings_of, adapter_kinds())
    return structs.replace(settings, store=structs.replace(settings.store, agent_key=str(path.with_name("agent.key"))))


def history(path: Path, *left_out: str) -> list[list[dict[str, Any]]]:
    """All rows of history as they lie in the file."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        found = [[dict(row) for row in database.execute(question)] for question in ROWS]
    return [[{name: row[name] for name in row if name not in left_out} for row in table] for table in found]


def nothing(done: int, total: int) -> None:
    pass


async def lived(path: Path, config: Config) -> None:
    """A simulated day, a call amended two days later, and days before and after it."""
    rules = rules_of(config)
    day = simulation.simulate(simulation.Config(date=FRIDAY)).events
    async with monitor(f"sqlite:///{path}", at(WEDNESDAY, 12), path.parent, rules) as run:
        first, *others = callers(WEDNESDAY, 20)
        await tell(run, others)
        entered, *rest = first.events()
        await run.tell([entered])
        for start in range(0, len(day), 500):
            run.clock.advance_to(day[start].at)
            await run.tell(day[start : start + 500])
        run.clock.advance_to(at(MONDAY, 12))
        await tell(run, callers(MONDAY, 20))
        await run.tell(rest)
        await run.store.pack(at(FRIDAY, 12))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that store, for the tests to copy."""
    folder = tmp_path_factory.mktemp("written")
    with ThreadPoolExecutor(1) as aside:  # the loop of a test must not be met
        aside.submit(lambda: asyncio.run(lived(folder / "calls.db", config_of(folder / "calls.db")))).result()
    return folder


@pytest.fixture
def path(tmp_path: Path, written: Path) -> Path:
    """A copy of it."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "calls.db"


async def test_rebuilt_twice_it_is_what_was_written_with_the_journal(path: Path):
    config = config_of(path)
    before = history(path, "seq", "evidence", "keys")

    made = await rebuilding.rebuild(config, None, nothing)
    once = history(path)
    await rebuilding.rebuild(config, None, nothing)

    assert made.first == WEDNESDAY
    assert history(path) == once
    assert history(path, "seq", "evidence", "keys") == before


async def test_from_a_day_on_only_that_day_and_later_ones_are_made_anew(path: Path):
    config = config_of(path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE contact SET wait_ms = 1")
    before = history(path, "seq", "evidence", "keys")

    await rebuilding.rebuild(config, FRIDAY, nothing)

    contacts = history(path, "seq", "evidence", "keys")[0]
    friday = at(FRIDAY, 0).timestamp() * 1_000_000
    assert [row for row in contacts if row["at_us"] < friday] == [row for row in before[0] if row["at_us"] < friday]
    assert all(row["wait_ms"] != 1 for row in contacts if row["at_us"] >= friday)


async def test_a_call_that_goes_on_after_midnight_is_made_anew_and_verified_as_one_call(tmp_path: Path):
    path = tmp_path / "calls.db"
    config = config_of(path)
    late = Call("late", "kundcenter", at(WEDNESDAY, 23.99), "answered", 120_000)
    async with monitor(f"sqlite:///{path}", at(FRIDAY, 12), tmp_path, rules_of(config)) as run:
        await tell(run, [*callers(WEDNESDAY, 2), late, *callers(THURSDAY, 2)])
    before = history(path, "seq", "evidence", "keys")

    found = await rebuilding.verify(config, THURSDAY, nothing)
    await rebuilding.rebuild(config, THURSDAY, nothing)

    assert found.differences == []
    assert history(path, "seq", "evidence", "keys") == before


def said(kind: Any, seconds: float, name: str = "", stay: int = 1, **fields: Any) -> Event:
    """An event so many seconds after the midnight before Friday."""
    when = at(FRIDAY, 0) + timedelta(seconds=seconds)
    if name:
        fields |= {"contact_id": f"pbx:{name}"} if kind in (CallEntered, CallRefused) else {}
        fields |= {"leg_id": f"pbx:{name}"} if kind is CallRefused else {"visit_id": f"pbx:{name}/{stay}"}
    fields |= {"queue": "kundcenter"} if kind is CallEntered else {}
    made: Event = kind(
        id=event_id(SOURCE, kind.__name__, str(seconds)),
        source=SOURCE,
        switch="pbx",
        observed_at=when,
        switch_time=when,
        **fields,
    )
    return made


def listed(seconds: float, *waiting: WaitingCaller) -> Event:
    when = at(FRIDAY, 0) + timedelta(seconds=seconds)
    return said(QueueSnapshot, seconds, queue="kundcenter", as_of=when, waiting=waiting, live=False)


WAITS = said(CallEntered, -120, "anna")
OVER_MIDNIGHT = {
    "cut off by a restart": [WAITS, said(SourceRestarted, 300)],
    "cut off by a restart while talking": [WAITS, said(CallAnswered, -110, "anna"), said(SourceRestarted, 300)],
    "cut off before it by a restart, and given up after it": [
        WAITS,
        said(SourceRestarted, -30),
        said(CallLeft, 60, "anna", outcome=LeftOutcome.UNKNOWN),
    ],
    "listed no more": [WAITS, listed(60)],
    "listed under another leg": [WAITS, listed(60, WaitingCaller(leg_id="pbx:bo", waited_ms=180_000))],
    "another call under the id of one before a restart": [
        said(CallEntered, -1200, "anna"),
        said(CallAnswered, -1190, "anna"),
        said(CallCompleted, -1100, "anna"),
        said(SourceRestarted, -600),
        said(CallEntered, 30, "anna", 2),
        said(CallAnswered, 60, "anna", 2),
    ],
    "another call under the id of one of the morning": [
        said(CallEntered, -50_000, "anna"),
        said(CallLeft, -49_900, "anna", outcome=LeftOutcome.ABANDONED),
        said(CallEntered, 30, "anna", 2),
        said(CallAnswered, 60, "anna", 2),
    ],
    "whose answer is taken back after it": [
        WAITS,
        said(CallAnswered, -60, "anna", agent_id="pbx:bo"),
        said(CallEntered, -50, "bertil"),
        said(CallAnswered, -40, "bertil", agent_id="pbx:bo", ring_id="pbx:ring"),
        said(CallRingEnded, 5, ring_id="pbx:ring", result=RingResult.FAILED),
        said(CallAnswered, 30, "bertil", agent_id="pbx:eva"),
    ],
    "turned away after it by another queue": [
        WAITS,
        said(CallLeft, -60, "anna", outcome=LeftOutcome.TIMEOUT),
        said(CallRefused, 60, "anna", queue="bygglov", reason=RefusalReason.FULL),
    ],
}


@pytest.mark.parametrize("story", OVER_MIDNIGHT.values(), ids=OVER_MIDNIGHT.keys())
async def test_from_a_midnight_on_it_is_made_anew_by_all_that_was_known_at_that_midnight(
    tmp_path: Path, story: list[Event], monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "calls.db"
    config = config_of(path)
    async with monitor(f"sqlite:///{path}", at(THURSDAY, 8), tmp_path, rules_of(config)) as run:
        await tell(run, callers(THURSDAY, 1, hour=8))
        for event in story:
            run.clock.advance_to(event.at)
            await run.tell([event])
        run.clock.advance_to(at(FRIDAY, 1))
        await tell(run, callers(FRIDAY, 1, hour=1))
    before = history(path, "seq", "evidence", "keys")

    found = await rebuilding.verify(config, FRIDAY, nothing)
    await rebuilding.rebuild(config, FRIDAY, nothing)
    from_friday = history(path, "seq", "evidence", "keys")
    read = SqlStore.events_between

    async def no_friday(store: SqlStore, start: datetime, end: datetime) -> list[Event]:
        if start == at(FRIDAY, 0):
            raise StoreError("the database is away")
        return await read(store, start, end)

    with monkeypatch.context() as away, pytest.raises(StoreError):
        away.setattr(SqlStore, "events_between", no_friday)
        await rebuilding.rebuild(config, None, nothing)
    await rebuilding.rebuild(config, None, nothing)

    assert found.differences == []
    assert from_friday == before
    assert history(path, "seq", "evidence", "keys") == before


async def test_who_called_before_a_restart_is_no_difference_to_the_journal(tmp_path: Path):
    path = tmp_path / "calls.db"
    config = config_of(path)

    async def called(name: str, hour: float, how: str) -> None:
        entered, *rest = Call(name, "kundcenter", at(FRIDAY, hour), how, 30_000).events()
        async with monitor(f"sqlite:///{path}", at(FRIDAY, hour + 1), tmp_path, rules_of(config)) as run:
            await run.tell([structs.replace(entered, caller=Caller(pseudonym="person")), *rest])

    await called("lost", 9, "abandoned")
    await called("back", 11, "answered")  # after a start, which knows nobody from before it

    assert (await rebuilding.verify(config, None, nothing)).differences == []


async def test_a_rebuild_that_was_broken_off_goes_on_where_it_was(path: Path):
    config = config_of(path)
    before = history(path, "seq", "evidence", "keys")

    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done > 2000:
            raise Killed

    with pytest.raises(Killed):
        await rebuilding.rebuild(config, None, kill)
    done: list[int] = []
    await rebuilding.rebuild(config, None, lambda now, total: done.append(now))

    assert history(path, "seq", "evidence", "keys") == before


async def test_a_call_that_changes_while_the_rows_are_compared_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "calls.db"
    entered, *rest = Call("late", "kundcenter", at(FRIDAY, 9), "answered", 20_000).events()
    read, waits = SqlStore.calls, list(rest)
    async with monitor(f"sqlite:///{path}", at(FRIDAY, 10), tmp_path) as run:
        await run.tell([entered])

        async def meanwhile(store: SqlStore, *asked: Any) -> Any:
            if waits:
                told = waits.copy()
                waits.clear()
                await run.tell(told)
            return await read(store, *asked)

        monkeypatch.setattr(SqlStore, "calls", meanwhile)
        found = await rebuilding.verify(config_of(path), None, nothing)

    assert not waits
    assert found.differences == []


async def test_what_is_as_it_should_be_is_verified_beside_a_running_monitor(path: Path):
    config = config_of(path)
    async with monitor(f"sqlite:///{path}", at(MONDAY, 13), path.parent, rules_of(config)) as run:
        await tell(run, callers(MONDAY, 5, hour=12, prefix="later "))
        found = await rebuilding.verify(config, None, nothing)

    assert found.differences == []
    assert found.calls > 900
    assert "no difference" in found.summary()


async def test_every_difference_is_listed_by_the_call_or_sum_that_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "calls.db"
    config = config_of(path)
    async with monitor(f"sqlite:///{path}", at(MONDAY, 12), tmp_path, rules_of(config)) as run:
        await tell(run, callers(MONDAY, 3))
    with sqlite3.connect(path) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM contact ORDER BY at_us")]
        database.execute("UPDATE contact SET wait_ms = 7 WHERE key = ?", (keys[0],))
        database.execute("DELETE FROM visit WHERE contact = ?", (keys[1],))
        database.execute("DELETE FROM contact WHERE key = ?", (keys[1],))

    found = await rebuilding.verify(config, None, nothing)

    said = "\n".join(found.differences)
    assert f"call {keys[0].hex()}, kundcenter, 2026-11-23T08:00:00+00:00: wait_ms is 7, by the journal 20000" in said
    assert f"missing: call {keys[1].hex()}" in said
    assert "sum of 2026-11-23, kundcenter, contact level: answered_in_time is 3, its rows add up to 2" in said


def test_the_commands_say_what_they_found_in_words_and_status(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{path}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(path.with_name("agent.key")))

    assert main(["verify"]) == 0
    assert "no difference" in capsys.readouterr().out
    with sqlite3.connect(path) as database:
        database.execute("UPDATE contact SET outcome = 'abandoned' WHERE rowid IN (SELECT min(rowid) FROM contact)")
    assert main(["verify"]) == DIFFERENT
    assert "1 difference" in capsys.readouterr().out
    assert main(["rebuild"]) == 0
    assert "Made history anew from 2026-11-18" in capsys.readouterr().out
    assert main(["verify"]) == 0
