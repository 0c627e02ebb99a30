"""Years from files become the same history that a monitor would have written at the time."""

import asyncio
import gzip
import signal
import sqlite3
import stat
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from queue_monitor.__main__ import main
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.clock import ManualClock
from queue_monitor.commands import rebuilding
from queue_monitor.commands.exits import BUSY
from queue_monitor.events import CallRefused, RefusalReason
from queue_monitor.importing import Wanted, run, summary
from queue_monitor.model import Level, SumRow
from queue_monitor.ports import StoreError
from queue_monitor.replay.recording import RecordingError
from queue_monitor.store import Kind, Order, open_store, retention
from tests.forked import Process
from tests.importing.made import (
    EXAMPLES,
    FORMS,
    NIGHT,
    OCTOBER,
    ZONE,
    callers,
    config_of,
    export,
    imported,
    kept,
    moment,
    nothing,
    opened,
    queue_log,
    recount,
)
from tests.runtime.lasting import SOURCE, Call, monitor
from tests.store.records import EVER
from tests.test_rebuilding import history

MONTH = callers(OCTOBER, 31, 5)
WEEK = callers(date(2024, 10, 21), 7, 15, seed=2)


def written(folder: Path, form: str, calls: list[Call]) -> Path:
    path = folder / f"{form}.txt"
    path.write_bytes(queue_log(calls) if form == "queue_log" else export(form, calls))
    return path


def mapping_of(form: str) -> Path | None:
    return None if form == "queue_log" else EXAMPLES / f"{form}.toml"


async def test_a_month_from_a_file_is_what_a_monitor_counted_at_the_time(tmp_path: Path) -> None:
    config = config_of(tmp_path / "live.db")
    rules, monday = rules_of(config), moment(date(2024, 11, 4), 12)
    async with monitor(f"sqlite:///{tmp_path}/live.db", monday, tmp_path, rules) as lives:
        await lives.tell([event for call in MONTH for event in call.events()])
        live = {level: await lives.store.sums(level, None, *EVER, "day") for level in Level}

    for form in ("queue_log", *FORMS):
        path = tmp_path / f"{form}.db"
        made = await imported(path, written(tmp_path, form, MONTH), mapping=mapping_of(form))
        store = await opened(path)
        assert await kept(store) == recount(MONTH), form
        assert {level: await store.sums(level, None, *EVER, "day") for level in Level} == live, form
        assert [found async for found in store.sum_differences()] == []
        assert [found async for found in store.imports.differences()] == []
        await store.close()
        assert made.refusals.total == 0
        assert sum(made.tally.added.values()) == len(MONTH)


@pytest.mark.parametrize("form", ["queue_log", "puzzel"])
async def test_the_same_lines_twice_change_nothing(form: str, tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, form, WEEK)
    await imported(path, file, mapping=mapping_of(form))
    once = history(path)

    again = await imported(path, file, mapping=mapping_of(form))
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    as_other = await imported(path, packed, mapping=mapping_of(form))

    assert again.already is not None
    assert as_other.already is None
    assert as_other.tally.added == {}
    assert history(path, "seq") == [[{k: v for k, v in row.items() if k != "seq"} for row in table] for table in once]


def killed_after(path: Path, files: tuple[Path, ...], mapping: Path | None, pieces: int) -> None:
    """Import in a process that is killed with SIGKILL when it has told of its progress so many times."""
    named = [str(each) for each in (mapping, *files) if each is not None]
    importing = Process("tests.importing.killed", str(path), str(pieces), *named)
    importing.communicate()
    assert importing.returncode == -signal.SIGKILL


@pytest.mark.parametrize("form", ["queue_log", "puzzel"])
def test_killed_in_the_middle_and_run_again_it_leaves_the_rows_of_one_run(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_monitor.importing.engine.DELIVERY", 60)
    monkeypatch.setattr("queue_monitor.importing.files.PIECE", 2_000)
    monkeypatch.setattr("queue_monitor.importing.queue_log.PIECE", 2_000)
    monkeypatch.setattr("queue_monitor.importing.csv_calls._EVENTS", 60)
    calls = callers(date(2024, 10, 21), 7, 20, seed=3)
    parts = calls[:50], calls[50:]
    files = tuple(written(tmp_path, form, list(part)).rename(tmp_path / f"{at}.txt") for at, part in enumerate(parts))
    whole, broken = tmp_path / "whole" / "calls.db", tmp_path / "broken" / "calls.db"
    for path in (whole, broken):
        path.parent.mkdir()
    asyncio.run(imported(whole, *files, mapping=mapping_of(form)))

    for pieces in (3, 5):
        killed_after(broken, files, mapping_of(form), pieces)
    found = asyncio.run(rebuilding.verify(config_of(broken), None, nothing)).differences
    resumed = asyncio.run(imported(broken, *files, mapping=mapping_of(form)))

    assert any("broken off" in words for words in found)
    assert resumed.resumed
    assert history(broken, "seq", "agent") == history(whole, "seq", "agent")
    assert sum(resumed.tally.added.values()) == len(calls)
    assert asyncio.run(rebuilding.verify(config_of(broken), None, nothing)).differences == []


async def test_a_log_cut_in_two_imports_is_one_log(tmp_path: Path) -> None:
    lines = queue_log(WEEK).splitlines(keepends=True)
    half = len(lines) // 2
    for name, part in (("whole", lines), ("first", lines[:half]), ("second", lines[half:])):
        (tmp_path / name).write_bytes(b"".join(part))
    for store in ("one", "two"):
        (tmp_path / store).mkdir()

    await imported(tmp_path / "one" / "calls.db", tmp_path / "whole")
    await imported(tmp_path / "two" / "calls.db", tmp_path / "first")
    await imported(tmp_path / "two" / "calls.db", tmp_path / "second")

    one, two = await opened(tmp_path / "one" / "calls.db"), await opened(tmp_path / "two" / "calls.db")
    assert await kept(two) == await kept(one) == recount(WEEK)
    assert await one.sums(Level.VISIT, None, *EVER, "day") == await two.sums(Level.VISIT, None, *EVER, "day")
    await one.close()
    await two.close()


async def test_a_dry_run_says_what_would_be_added_and_changes_nothing(tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK)
    async with monitor(f"sqlite:///{path}", moment(date(2024, 11, 4), 12), tmp_path):
        before = history(path)
        tried = await imported(path, file, dry_run=True)
        after = history(path)

    done = await imported(path, file)
    assert after == before
    assert "Dry run: nothing was changed." in summary(tried)
    assert tried.tally.added == done.tally.added == Counter(f"2024-10 {call.queue}" for call in WEEK)
    assert (await imported(path, written(tmp_path, "queue_log", WEEK[:50]), dry_run=True)).tally.there == 50


async def test_who_stays_in_two_queues_is_not_said_to_be_two_callers(tmp_path: Path) -> None:
    """The sample has three calls in four stays, one refused caller, and one line of an outgoing call."""
    file = EXAMPLES / "puzzel.csv"
    tried = await imported(tmp_path / "calls.db", file, mapping=mapping_of("puzzel"), dry_run=True)

    assert "5 stays in a queue or refusals, 0 lines not taken" in summary(tried)
    assert "Would add 3 calls and 1 refused caller" in summary(tried)


async def test_a_dry_run_needs_no_store_yet(tmp_path: Path) -> None:
    tried = await imported(tmp_path / "none.db", written(tmp_path, "queue_log", WEEK[:5]), dry_run=True)

    assert sum(tried.tally.added.values()) == 5
    assert not (tmp_path / "none.db").exists()


async def test_each_line_that_is_not_taken_is_explained_by_file_line_and_field(tmp_path: Path) -> None:
    log = tmp_path / "queue_log"
    log.write_bytes(
        b"not a second|1.1|Kundcenter|NONE|ENTERQUEUE||0701740605|1\n"
        + queue_log(WEEK[:2])
        + b"1729500000|1.2|Kundcenter\n1729500001|1.2|Kundcenter|NONE||x\n"
    )

    tried = await imported(tmp_path / "calls.db", log, dry_run=True)

    words = summary(tried)
    last = queue_log(WEEK[:2]).count(b"\n") + 1
    assert "queue_log, line 1, second: 'not a second' is no number of seconds since 1970" in words
    assert f"queue_log, line {last + 1}, line: 3 fields between |" in words
    assert f"queue_log, line {last + 2}, event: no event is named" in words
    assert tried.refusals.of("queue_log") == {"malformed_line": 3}
    assert "0701740605" not in words


async def test_days_that_the_journal_has_are_refused_by_name_and_replaced_only_when_asked(tmp_path: Path) -> None:
    path, config = tmp_path / "calls.db", config_of(tmp_path / "calls.db")
    tuesday, friday = date(2024, 10, 22), date(2024, 10, 25)
    own = [
        Call("own 1", "Kundcenter", moment(tuesday, 9), "answered", 1_000),
        Call("own 2", "Kundcenter", moment(friday, 9), "answered", 2_000),
    ]
    late = Call("own 3", "Kundcenter", moment(tuesday, 10), "abandoned", 3_000).events()
    async with monitor(f"sqlite:///{path}", moment(date(2024, 10, 28), 12), tmp_path, rules_of(config)) as live:
        await live.tell([event for call in own for event in call.events()])
    file = written(tmp_path, "queue_log", WEEK)
    others = [call for call in WEEK if call.queue != "Kundcenter" or call.entered.date() not in (tuesday, friday)]

    tried = summary(await imported(path, file, dry_run=True))
    await imported(path, file)
    store = await opened(path)
    without = await kept(store)
    await store.close()
    replaced = await imported(path, file, replace=True)
    await rebuilding.rebuild(config, None, nothing)
    async with monitor(f"sqlite:///{path}", moment(date(2024, 10, 28), 12), tmp_path, rules_of(config)) as live:
        await live.tell(late)
    found = await rebuilding.verify(config, None, nothing)

    assert "2024-10-22 Kundcenter: the journal holds events of it" in tried
    assert "2024-10-25 Kundcenter: the journal holds events of it" in tried
    assert without == recount(others + own)
    assert replaced.tally.replaced == 2
    store = await opened(path)
    assert await kept(store) == recount(WEEK)
    await store.close()
    assert found.differences == []


async def test_a_rebuild_leaves_imported_days_of_other_queues_as_they_are(tmp_path: Path) -> None:
    path, config = tmp_path / "calls.db", config_of(tmp_path / "calls.db")
    own = [Call(f"own {at}", "Egen", moment(date(2024, 10, 23), 8 + at / 10), "answered", 1_000) for at in range(20)]
    async with monitor(f"sqlite:///{path}", moment(date(2024, 10, 28), 12), tmp_path, rules_of(config)) as live:
        await live.tell([event for call in own for event in call.events()])
    await imported(path, written(tmp_path, "queue_log", WEEK))
    before = history(path, "seq", "evidence", "keys")

    made = await rebuilding.rebuild(config, None, nothing)
    found = await rebuilding.verify(config, None, nothing)

    assert made.events > 0
    assert history(path, "seq", "evidence", "keys") == before
    assert found.differences == []


async def test_verify_names_the_imported_call_that_was_changed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    await imported(path, written(tmp_path, "puzzel", WEEK), mapping=mapping_of("puzzel"))
    with sqlite3.connect(path) as database:
        key = database.execute("SELECT key FROM contact WHERE outcome = 'answered' ORDER BY at_us").fetchone()[0]
        database.execute("UPDATE contact SET wait_ms = 1 WHERE key = ?", (key,))
        database.execute("DELETE FROM visit WHERE contact = (SELECT key FROM contact ORDER BY at_us DESC LIMIT 1)")

    found = (await rebuilding.verify(config_of(path), None, nothing)).differences

    assert any(f"call {key.hex()}" in words and "wait_ms is 1, by its lines" in words for words in found)
    assert any("import puzzel, 2024-10-27, " in words for words in found)


async def test_verify_says_nothing_of_an_imported_call_that_a_restart_cut_off(tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", tmp_path / "queue_log"
    began = int(moment(OCTOBER, 10).timestamp())
    lines = [(0, "1.1", "ENTERQUEUE", "|1"), (5, "2.2", "ENTERQUEUE", "|1"), (9, "2.2", "CONNECT", "4|2.3|2")]
    said = [f"{began + at}|{channel}|Kundcenter|NONE|{verb}|{rest}" for at, channel, verb, rest in lines]
    file.write_text("\n".join([*said, f"{began + 60}|NONE|NONE|NONE|QUEUESTART|", ""]))
    await imported(path, file)
    with sqlite3.connect(path) as database:
        key = database.execute("SELECT key FROM contact WHERE outcome = 'answered'").fetchone()[0]
        database.execute("UPDATE contact SET wait_ms = 1 WHERE key = ?", (key,))
        assert database.execute("SELECT count(*) FROM contact WHERE outcome = 'lost'").fetchone() == (1,)

    found = (await rebuilding.verify(config_of(path), None, nothing)).differences

    assert {words.split(",")[0] for words in found if words.startswith("call ")} == {f"call {key.hex()}"}


async def test_imported_once_more_with_replace_the_same_file_mends_its_rows(tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK)
    await imported(path, file)
    before = history(path, "seq")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE contact SET wait_ms = 1, outcome = 'abandoned' WHERE outcome = 'answered'")

    made = await imported(path, file, replace=True)

    assert history(path, "seq") == before
    assert made.tally.added == {}
    assert (await rebuilding.verify(config_of(path), None, nothing)).differences == []


async def test_no_telephone_number_is_kept_or_said(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    said = ""
    for form in ("queue_log", *FORMS):
        file = written(tmp_path, form, WEEK[:40])
        file.write_bytes(file.read_bytes() + b"0701740699;0701740699;0701740699;0701740699;;;\n")
        made = await imported(path, file, mapping=mapping_of(form), name=f"from-{form}", replace=True)
        said += summary(made)
    store = await open_store(f"sqlite:///{path}")
    await store.leave_no_trace()
    await store.close()

    everything = path.read_bytes() + said.encode()
    assert b"0701740" not in everything
    assert b"701740" not in everything


async def test_it_needs_the_store_for_itself_and_says_so_while_a_monitor_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK[:5])
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{path}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(tmp_path / "agent.key"))
    async with monitor(f"sqlite:///{path}", moment(date(2024, 11, 4), 12), tmp_path):
        busy = await asyncio.to_thread(main, ["import", str(file)])

    assert busy == BUSY
    assert "in use by another queue monitor" in capsys.readouterr().err
    assert await asyncio.to_thread(main, ["import", str(file)]) == 0
    assert "Added 5 calls as import:queue_log." in capsys.readouterr().out


async def test_made_up_calls_and_real_ones_never_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    store = await open_store(f"sqlite:///{path}")
    await store.mark_simulated()
    await store.close()

    with pytest.raises(StoreError, match="a simulation has written"):
        await imported(path, written(tmp_path, "queue_log", WEEK[:5]))


async def test_a_caller_whose_end_no_line_tells_of_is_unknown_and_never_waits_for_ever(tmp_path: Path) -> None:
    log = queue_log(WEEK[:40]) + b"1729500000|lost.1|Kundcenter|NONE|ENTERQUEUE||0701740605|1\n"
    lines = sorted(log.splitlines(keepends=True), key=lambda line: int(line.partition(b"|")[0]))
    (tmp_path / "queue_log").write_bytes(b"".join(lines))

    await imported(tmp_path / "calls.db", tmp_path / "queue_log")

    with sqlite3.connect(tmp_path / "calls.db") as database:
        outcomes = Counter(outcome for (outcome,) in database.execute("SELECT outcome FROM contact"))
        still_open = database.execute("SELECT count(*) FROM contact WHERE is_open").fetchone()
    assert outcomes["unknown"] == 1
    assert outcomes["waiting"] == 0
    assert still_open == (0,)


async def test_the_day_that_is_not_over_is_left_to_the_monitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    today = datetime(2026, 11, 30, 9, 30, tzinfo=ZONE)
    monkeypatch.setattr("queue_monitor.importing.engine.SystemClock", lambda: ManualClock(today + timedelta(minutes=1)))
    file = written(tmp_path, "queue_log", [Call(f"{int(today.timestamp())}.1", "Kundcenter", today, "answered", 1_000)])

    made = await imported(tmp_path / "calls.db", file)

    assert made.tally.added == {}
    assert "the day is not over" in summary(made)


async def test_the_hour_that_comes_twice_is_told_apart_and_said(tmp_path: Path) -> None:
    night = [call for call in MONTH if call.entered.date() == NIGHT and call.entered.hour < 3]
    newest_first = written(tmp_path, "puzzel", night[::-1])

    made = await imported(tmp_path / "calls.db", newest_first, mapping=mapping_of("puzzel"))

    store = await opened(tmp_path / "calls.db")
    entered = sorted(call.entered_at for call in await store.calls(*EVER) if call.entered_at)
    await store.close()
    assert entered == [call.entered for call in night]
    assert f"{len(night)} times lie in the hour that came twice" in summary(made)


async def test_the_hour_that_is_missing_in_march_is_no_time(tmp_path: Path) -> None:
    file = tmp_path / "march.csv"
    header = "Samtals-ID;Starttid;Kö;Händelse;Väntetid;Samtalstid;Uppringande\n"
    file.write_text(f"{header}1;2024-03-31 02:30:00;Kundcenter;Besvarat;00:00:10;;\n", encoding="utf-8")

    tried = await imported(tmp_path / "none.db", file, mapping=mapping_of("puzzel"), dry_run=True)

    words = "march.csv, line 2, Starttid (entered): 2024-03-31 02:30:00 is no time: the clocks were set forward then"
    assert words in summary(tried)


async def test_a_file_that_is_no_queue_log_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear Sir")

    with pytest.raises(RecordingError, match="no line of a queue_log"):
        await imported(tmp_path / "none.db", tmp_path / "letter", dry_run=True)


async def test_a_monitor_that_starts_afterwards_shows_the_imported_days_and_says_where_they_come_from(
    tmp_path: Path,
) -> None:
    path, config = tmp_path / "calls.db", config_of(tmp_path / "calls.db")
    await imported(path, written(tmp_path, "queue_log", WEEK))
    monday = [call for call in WEEK if call.entered.astimezone(ZONE).date() == date(2024, 10, 21)]

    async with monitor(f"sqlite:///{path}", moment(date(2026, 11, 23), 12), tmp_path, rules_of(config)) as run:
        shown = await run.day(date(2024, 10, 21))
        calls = await run.pipeline.calls(moment(date(2024, 10, 21), 0), moment(date(2024, 10, 22), 0), None, None, 500)
        [record] = await run.pipeline.imports(date(2024, 10, 21), date(2024, 10, 21))
        none = await run.pipeline.imports(date(2024, 9, 1), date(2024, 9, 30))

    both = shown.counts + shown.outside_hours
    assert both.entered == len(monday)
    assert shown.coverage.recovered_minutes > 500
    assert {call.imported for call in calls} == {"queue_log"}
    assert (record.name, record.first_day, record.calls) == ("queue_log", date(2024, 10, 21), len(WEEK))
    assert none == []


async def test_exports_that_overlap_are_counted_once_and_equal_lines_of_one_export_twice(tmp_path: Path) -> None:
    twins = [WEEK[0], *WEEK]
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(export("telia-ace", twins[:50]))
    second.write_bytes(export("telia-ace", twins[30:]))

    await imported(tmp_path / "calls.db", first, second, mapping=mapping_of("telia-ace"))

    store = await opened(tmp_path / "calls.db")
    assert await kept(store) == recount(twins)
    await store.close()


async def test_what_another_import_has_brought_is_refused_and_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    await imported(path, written(tmp_path, "queue_log", WEEK))
    corrected = [call._replace(waited_ms=call.waited_ms + 1_000) for call in WEEK]
    file = written(tmp_path, "puzzel", corrected)

    refused = await imported(path, file, mapping=mapping_of("puzzel"))
    store = await opened(path)
    before = await kept(store)
    await store.close()
    await imported(path, file, mapping=mapping_of("puzzel"), replace=True)

    store = await opened(path)
    assert refused.tally.added == {}
    assert "the import queue_log has brought it" in summary(refused)
    assert before == recount(WEEK)
    assert await kept(store) == recount(corrected)
    await store.close()
    assert (await rebuilding.verify(config_of(path), None, nothing)).differences == []


async def test_an_import_whose_days_another_one_replaced_is_none_that_the_period_rests_on(tmp_path: Path) -> None:
    path, october = tmp_path / "calls.db", (OCTOBER, date(2024, 10, 31))
    await imported(path, written(tmp_path, "queue_log", WEEK))
    monday = [
        call._replace(waited_ms=1_000)
        for call in WEEK
        if call.entered.astimezone(ZONE).date() == WEEK[0].entered.date()
    ]
    corrected = [call._replace(waited_ms=1_000) for call in WEEK]
    told = []
    for calls in (monday, corrected):
        await imported(path, written(tmp_path, "puzzel", calls), mapping=mapping_of("puzzel"), replace=True)
        store = await opened(path)
        told.append([record.name for record in await store.import_records(*october)])
        await store.close()

    assert told == [["queue_log", "puzzel"], ["puzzel", "puzzel"]]


async def test_days_whose_calls_were_deleted_are_not_counted_anew(tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK)
    await imported(path, file)
    store = await open_store(f"sqlite:///{path}", zone=ZONE, agent_key=tmp_path / "agent.key")
    sums = await store.sums(Level.CONTACT, None, *EVER, "day")
    await store.begin_deletion(Order(kind=Kind.CALLS, until=date(2024, 10, 24), decision="1/2026"))
    while not await store.delete_some(Kind.CALLS, moment(date(2024, 11, 4), 1)):
        pass
    await store.close()

    again = await imported(path, file, replace=True)

    store = await opened(path)
    assert await store.sums(Level.CONTACT, None, *EVER, "day") == sums
    await store.close()
    assert "2024-10-22 Kundcenter: only its sums are kept" in summary(again)
    assert (await rebuilding.verify(config_of(path), None, nothing)).differences == []


async def delete_calls(path: Path, until: date, *, steps: int | None = None) -> list[SumRow]:
    """Delete the calls before a day, or begin to; return the sums of the store."""
    store = await open_store(f"sqlite:///{path}", zone=ZONE, agent_key=path.with_name("agent.key"))
    sums = await store.sums(Level.CONTACT, None, *EVER, "day")
    await store.begin_deletion(Order(kind=Kind.CALLS, until=until, decision="1/2026"))
    while (steps is None or (steps := steps - 1) >= 0) and not await store.delete_some(Kind.CALLS, moment(until, 1)):
        pass
    await store.close()
    return sums


@pytest.mark.parametrize("of_journal", [False, True])
async def test_a_day_of_which_a_call_over_midnight_is_left_is_not_counted_anew(
    of_journal: bool, tmp_path: Path
) -> None:
    path, config = tmp_path / "calls.db", config_of(tmp_path / "calls.db")
    night = Call("1729716000.99", "Kundcenter", moment(date(2024, 10, 23), 23.9), "answered", 1_200_000)
    calls = sorted([*WEEK, night], key=lambda call: call.entered)
    if of_journal:
        async with monitor(f"sqlite:///{path}", moment(date(2024, 10, 28), 12), tmp_path, rules_of(config)) as live:
            await live.tell([event for call in calls for event in call.events()])
    else:
        await imported(path, written(tmp_path, "queue_log", calls))
    before = await delete_calls(path, date(2024, 10, 24))

    again = await imported(path, written(tmp_path, "queue_log", calls), replace=True)

    store = await opened(path)
    assert await store.sums(Level.CONTACT, None, *EVER, "day") == before
    await store.close()
    assert "2024-10-23 Kundcenter: only its sums are kept" in summary(again)
    assert (await rebuilding.verify(config, None, nothing)).differences == []


async def test_days_whose_deletion_was_broken_off_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, file = tmp_path / "calls.db", written(tmp_path, "queue_log", WEEK)
    monkeypatch.setattr(retention, "_CALLS", 20)
    await imported(path, file)
    before = await delete_calls(path, date(2024, 10, 24), steps=1)

    await imported(path, file, replace=True)

    store = await opened(path)
    assert await store.sums(Level.CONTACT, None, *EVER, "day") == before
    await store.close()


async def test_what_the_journal_gets_of_imported_days_later_is_not_counted_nor_does_it_push_them_out(
    tmp_path: Path,
) -> None:
    path, config = tmp_path / "calls.db", config_of(tmp_path / "calls.db")
    monday = [call for call in WEEK if call.entered < moment(date(2024, 10, 22), 0)]
    await imported(path, written(tmp_path, "queue_log", WEEK))
    refused = CallRefused(
        id="r",
        source=SOURCE,
        switch="pbx",
        observed_at=moment(date(2024, 10, 25), 9),
        contact_id="pbx:r",
        queue="Kundcenter",
        reason=RefusalReason.FULL,
    )
    now = moment(date(2024, 10, 28), 12)
    async with monitor(f"sqlite:///{path}", now, tmp_path, rules_of(config)) as live:
        before = [await live.day(date(2024, 10, day)) for day in range(21, 28)]
        month = live.pipeline.publish().total.periods["month"].counts
        await live.tell([event for call in WEEK for event in call.events()])
        await live.tell([refused])
        assert [await live.day(date(2024, 10, day)) for day in range(21, 28)] == before
        assert live.pipeline.publish().total.periods["month"].counts == month

    longer = [*monday, Call("1729152000.1", "Kundcenter", moment(date(2024, 10, 17), 10), "answered", 5_000)]
    more = await imported(path, written(tmp_path, "queue_log", sorted(longer, key=lambda call: call.entered)))
    store = await opened(path)
    assert await kept(store) == recount([*WEEK, longer[-1]])
    await store.close()
    assert (more.tally.there, more.tally.held) == (len(monday), {})
    assert (await rebuilding.verify(config, None, nothing)).differences == []
    await rebuilding.rebuild(config, None, nothing)
    store = await opened(path)
    assert await kept(store) == recount([*WEEK, longer[-1]])
    await store.close()


async def test_files_are_put_in_order_by_what_they_hold_and_the_same_one_is_read_once(tmp_path: Path) -> None:
    lines = queue_log(WEEK).splitlines(keepends=True)
    late, early = tmp_path / "queue_log.1", tmp_path / "queue_log.2.gz"
    late.write_bytes(b"".join(lines[100:]).rstrip(b"\n"))
    early.write_bytes(gzip.compress(b"".join(lines[:100])))
    (tmp_path / "copy").write_bytes(late.read_bytes())

    made = await imported(tmp_path / "calls.db", late, tmp_path / "copy", early)

    store = await opened(tmp_path / "calls.db")
    assert await kept(store) == recount(WEEK)
    await store.close()
    assert [(file.name, file.lines) for file in made.files] == [
        ("queue_log.2.gz", 100), ("queue_log.1", len(lines) - 100),
    ]  # fmt: skip
    assert "copy is the same file as queue_log.1, and is read once" in summary(made)


@pytest.mark.parametrize("apart", [False, True])
async def test_a_log_that_was_just_rotated_is_empty_and_stops_nothing(apart: bool, tmp_path: Path) -> None:
    empty, packed = tmp_path / "queue_log", tmp_path / "queue_log.2.gz"
    empty.write_bytes(b"")
    packed.write_bytes(gzip.compress(b"\n"))
    (tmp_path / "queue_log.1").write_bytes(queue_log(WEEK[:5]))

    made = await imported(tmp_path / "calls.db", empty, tmp_path / "queue_log.1", packed, apart=apart)

    assert sum(made.tally.added.values()) == 5
    assert {"queue_log is empty", "queue_log.2.gz is empty"} <= set(summary(made).splitlines())
    with pytest.raises(RecordingError, match="empty; expected second"):
        await imported(tmp_path / "calls.db", empty, packed)


async def test_seconds_with_decimals_are_read_as_whole_ones(tmp_path: Path) -> None:
    lines = queue_log(WEEK).split(b"\n")
    fine = [line.replace(b"|", b".%06d|" % at, 1) for at, line in enumerate(lines[:-1])]
    (tmp_path / "queue_log").write_bytes(b"\n".join(fine) + b"\n")

    made = await imported(tmp_path / "calls.db", tmp_path / "queue_log")

    store = await opened(tmp_path / "calls.db")
    assert await kept(store) == recount(WEEK)
    await store.close()
    assert made.refusals.total == 0


async def test_an_agent_at_a_telephone_of_his_own_is_kept_without_its_number_as_in_operation(tmp_path: Path) -> None:
    path, file = tmp_path / "calls.db", tmp_path / "queue_log"
    lines = queue_log(WEEK[:40]).replace(b"|Anna|", b"|Local/0701740606@from-internal|")
    file.write_bytes(lines)
    config = config_of(path)
    config = structs.replace(config, store=structs.replace(config.store, number_keys=str(tmp_path / "number.keys")))
    await run(config, Wanted(files=(file,)), nothing)
    before = history(path)

    file.write_bytes(gzip.compress(lines))
    again = await run(config, Wanted(files=(file,)), nothing)
    store = await open_store(f"sqlite:///{path}")
    await store.leave_no_trace()
    await store.close()

    assert again.tally.added == {}
    assert history(path, "seq") == [[{k: v for k, v in row.items() if k != "seq"} for row in table] for table in before]
    assert b"0701740606" not in path.read_bytes()
    assert stat.S_IMODE((tmp_path / "number.keys").stat().st_mode) == 0o600


async def test_a_line_of_a_clock_that_was_not_set_is_refused(tmp_path: Path) -> None:
    early = b"12|1.1|Kundcenter|NONE|ENTERQUEUE||x|1\n14|1.1|Kundcenter|NONE|ABANDON|1|1|2\n"
    (tmp_path / "queue_log").write_bytes(early + queue_log(WEEK[:5]))

    made = await imported(tmp_path / "calls.db", tmp_path / "queue_log")

    assert sum(made.tally.added.values()) == 5
    assert made.refusals.of("queue_log") == {"time": 2}
    assert "queue_log, line 1, second: a second in 1970; a year from 1990 to 2099 is expected" in summary(made)
