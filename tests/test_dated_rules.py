"""A change of limit, definition, exits or hours holds from its day on: the days before keep the rules that were theirs.

The recount knows nothing of rules, windows or history: it reads the made-up calls one by one, with the limits and hours
of each day written out.
"""

import csv
import io
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, time, timedelta
from pathlib import Path
from typing import Final

import pytest
from httpx import ASGITransport, AsyncClient
from msgspec import structs

from queue_monitor.api import create_app
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.app.dated_rules import rules_in_store, take_rules
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.rules_from_config import live_of, rules_of
from queue_monitor.clock import ManualClock
from queue_monitor.commands import rebuilding
from queue_monitor.config import Config, WeekdayHours, load
from queue_monitor.model import DefinitionId, Level
from queue_monitor.reports.data import Scope
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules, gathered
from queue_monitor.reports.period import parsed
from queue_monitor.store import open_store
from tests.api.sample import FakeAlerts
from tests.reports.looked import plain
from tests.runtime.lasting import ZONE, Call, Monitor
from tests.runtime.test_lasting import at, tell
from tests.test_rebuilding import config_of, history, nothing

CHANGE: Final = date(2026, 10, 14)
"""A Wednesday; at noon the monitor is started with other settings."""


def changed(config: Config, **target: object) -> Config:
    """The settings with a limit of one minute, closing at 16, and perhaps more."""
    week = WeekdayHours(days=config.hours.weekdays[0].days, open=time(8), close=time(16))
    return structs.replace(
        config,
        target=structs.replace(config.target, limit_seconds=60, **target),
        hours=structs.replace(config.hours, weekdays=(week,)),
    )


def client_of(run: Monitor) -> AsyncClient:
    """Return a client of the pages of the past, the reports and the public page of a run."""
    reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock, run.pipeline.as_of_now)
    routers = [
        history_routes(run.pipeline, run.clock, FakeAlerts(), "sv", reports),
        report_routes(run.pipeline, reports, "sv"),
    ]
    app = create_app(run.pipeline, run.clock, routers=routers, public=True)
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost")


@asynccontextmanager
async def started(path: Path, config: Config, day: date, hour: float) -> AsyncIterator[Monitor]:
    """A run with these settings, as the service starts one; it is killed at the end."""
    store = await open_store(f"sqlite:///{path}", zone=ZONE, agent_key=path.with_name("agent.key"))
    try:
        clock = ManualClock(at(day, hour))
        live = live_of(config, await take_rules(store, config, day))
        run = Monitor(live, clock, store, path.with_name("spill.jsonl"))
        await run.pipeline.rebuild()
        yield run
    finally:
        await store.close()


def some_calls(day: date, count: int = 15) -> list[Call]:
    chance = random.Random(day.toordinal())
    return [
        Call(
            f"{day}-{number}",
            chance.choice(("kundcenter", "bygglov")),
            at(day, 8 + 9 * chance.random()),
            chance.choice(("answered", "answered", "abandoned")),
            int(chance.expovariate(1 / 120) * 1000),
        )
        for number in range(count)
    ]


def recounted(calls: list[Call], change: date | None) -> Counter[tuple[str, bool]]:
    """Return the calls by field of `Counts`, in opening hours and outside, each judged by the rules of its own day."""
    found: Counter[tuple[str, bool]] = Counter()
    for call in calls:
        local = call.entered.astimezone(ZONE)
        limit, closes = (300, 17) if change is None or local.date() < change else (60, 16)
        late = call.waited_ms > limit * 1000
        if call.how == "answered":
            name = "answered_late" if late else "answered_in_time"
        else:
            name = "abandoned_late" if late else "abandoned_in_time" if call.waited_ms >= 20_000 else "abandoned_short"
        found[name, local.hour < closes] += 1
    return found


async def summed(path: Path, first: date, last: date) -> Counter[tuple[str, bool]]:
    store = await open_store(f"sqlite:///{path}", zone=ZONE, agent_key=path.with_name("agent.key"))
    try:
        rows = await store.sums(Level.CONTACT, None, at(first, 0), at(last + timedelta(days=1), 0), "day")
    finally:
        await store.close()
    found: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        for name in ("answered_in_time", "answered_late", "abandoned_late", "abandoned_in_time", "abandoned_short"):
            found[name, row.inside] += getattr(row.counts, name)
    return +found


async def lived(path: Path, config: Config, after: Config) -> list[Call]:
    """October with a start with other settings at noon of the 14th, and another later; all of its calls."""
    calls: list[Call] = []
    days = [date(2026, 10, day) for day in (1, 7, 12, 13, 14, 15, 16, 30)]
    early = [call for call in some_calls(CHANGE) if call.entered < at(CHANGE, 11)]
    async with started(path, config, days[0], 7) as run:
        for day in [day for day in days if day < CHANGE]:
            run.clock.advance_to(at(day, 18))
            calls += its if (its := some_calls(day)) else []
            await tell(run, its)
        run.clock.advance_to(at(CHANGE, 11.9))
        await tell(run, early)
    async with started(path, after, CHANGE, 12) as run:
        run.clock.advance_to(at(CHANGE, 18))
        await tell(run, [call for call in some_calls(CHANGE) if call not in early])
    calls += some_calls(CHANGE)
    async with started(path, after, CHANGE + timedelta(days=1), 7) as run:
        for day in [day for day in days if day > CHANGE]:
            run.clock.advance_to(at(day, 18))
            calls += its if (its := some_calls(day)) else []
            await tell(run, its)
    return calls


async def test_a_month_with_a_change_is_its_calls_by_the_rules_of_their_days_also_after_a_rebuild(tmp_path: Path):
    path = tmp_path / "calls.db"
    before = config_of(path)
    calls = await lived(path, before, changed(before))
    october = date(2026, 10, 1), date(2026, 10, 31)
    expected = recounted(calls, CHANGE)
    assert expected not in (recounted(calls, None), recounted(calls, date(2026, 10, 1)))

    assert await summed(path, *october) == expected
    written = history(path, "seq", "evidence", "keys")
    assert (await rebuilding.verify(changed(before), None, nothing)).differences == []

    await rebuilding.rebuild(changed(before), None, nothing)

    assert await summed(path, *october) == expected
    assert history(path, "seq", "evidence", "keys") == written


async def test_a_start_with_a_changed_limit_leaves_yesterday_as_it_was_reported(tmp_path: Path):
    path = tmp_path / "calls.db"
    before, yesterday = config_of(path), CHANGE - timedelta(days=1)
    late = Call("late", "kundcenter", at(yesterday, 16.9), "answered", 200_000)
    async with started(path, before, yesterday, 17) as run:
        await tell(run, [*some_calls(yesterday), late])
        reported = (await run.day(yesterday)).counts

    async with started(path, changed(before), CHANGE, 0.2) as run:
        assert (await run.day(yesterday)).counts == reported
        await run.tell(Call("next", "kundcenter", at(yesterday, 9), "answered", 200_000).events())
        assert (await run.day(yesterday)).counts.answered_in_time == reported.answered_in_time + 1
    assert await summed(path, yesterday, yesterday) == recounted(
        [*some_calls(yesterday), late, Call("next", "kundcenter", at(yesterday, 9), "answered", 200_000)], None
    )


async def test_a_target_with_a_later_date_holds_from_the_midnight_of_that_date_while_the_monitor_runs(tmp_path: Path):
    path = tmp_path / "calls.db"
    before, friday = config_of(path), date(2026, 10, 16)
    later = structs.replace(before, target=structs.replace(before.target, limit_seconds=60, since=friday))
    thursday = friday - timedelta(days=1)
    async with started(path, before, CHANGE, 12):
        pass
    async with started(path, later, thursday, 12) as run:
        assert run.pipeline.publish().target.limit_seconds == 300
        await run.tell(Call("a", "kundcenter", at(thursday, 11), "answered", 200_000).events())
        run.clock.advance_to(at(friday, 12))
        run.pipeline.start_day()
        await run.tell(Call("b", "kundcenter", at(friday, 11), "answered", 200_000).events())
        assert run.pipeline.publish().target.limit_seconds == 60
        assert (await run.day(thursday)).counts.answered_in_time == 1
        assert (await run.day(friday)).counts.answered_late == 1


async def test_a_later_date_that_is_taken_back_never_held(tmp_path: Path):
    path = tmp_path / "calls.db"
    before = config_of(path)
    later = structs.replace(
        before, target=structs.replace(before.target, limit_seconds=60, since=CHANGE + timedelta(days=9))
    )
    for config in (before, later, before):
        async with started(path, config, CHANGE, 12) as run:
            versions = len(run.live.rules.versions)
    assert versions == 1


async def test_hours_that_were_wrong_are_put_right_for_past_days_only_when_asked(tmp_path: Path):
    path = tmp_path / "calls.db"
    before = config_of(path)
    calls = await lived(path, before, changed(before))

    await rebuilding.rebuild(changed(before), date(2026, 10, 8), nothing, by_present_rules=True)

    assert await summed(path, date(2026, 10, 1), date(2026, 10, 31)) == recounted(calls, date(2026, 10, 8))
    assert (await rebuilding.verify(changed(before), None, nothing)).differences == []


async def test_a_store_of_before_keeps_the_rules_its_calls_were_judged_by(tmp_path: Path):
    path = tmp_path / "calls.db"
    before, yesterday = config_of(path), CHANGE - timedelta(days=1)
    async with started(path, before, yesterday, 17) as run:
        await tell(run, some_calls(yesterday))
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM mark WHERE name = 'note rules by day'")
    async with started(path, changed(before), CHANGE, 12):
        pass
    await rebuilding.rebuild(changed(before), None, nothing)
    assert await summed(path, yesterday, yesterday) == recounted(some_calls(yesterday), None)


async def test_the_rules_come_back_from_the_store_under_the_same_name(tmp_path: Path):
    file = tmp_path / "settings.toml"
    file.write_text(
        f"""[store]
url = "sqlite:///{tmp_path / "calls.db"}"
[[sources]]
name = "a"
kind = "simulator"
[target.exits]
callback = "judged"
exit_key = "excluded"
queues.bygglov = {{ callback = "miss" }}
[[hours.weekdays]]
days = ["mon", "tue", "sat"]
open = "08:00"
close = "24:00"
[[hours.closures]]
date = 2026-10-12
from = "12:00"
reason = "APT"
[[hours.periods]]
from = 2026-06-01
to = 2026-08-31
open = "09:00"
close = "15:00"
days = ["mon", "sat"]
[hours.queues.Bygglov]
holidays = "none"
""",
        "utf-8",
    )
    config = load(file, {}, settings_of, adapter_kinds())
    store = await open_store(config.store.url, zone=ZONE, agent_key=tmp_path / "agent.key")
    try:
        await take_rules(store, config, CHANGE)
        again = await rules_in_store(store, config, CHANGE)
        (version,) = again.versions
        assert version.judged_by == rules_of(config).judged_by
        assert version.target == config.target
    finally:
        await store.close()


@pytest.mark.parametrize(("day", "words"), [("2026-09-07", "Målet 90 %"), ("2026-11-09", "Målet 80 %")])
async def test_the_page_of_the_past_judges_a_period_by_the_target_that_held_then(tmp_path: Path, day: str, words: str):
    path = tmp_path / "calls.db"
    before = config_of(path)
    after = changed(before, ratio=0.8)
    async with started(path, before, date(2026, 9, 7), 18) as run:
        await tell(run, some_calls(date(2026, 9, 7)))
    async with started(path, after, CHANGE, 12):
        pass
    async with started(path, after, date(2026, 11, 9), 18) as run:
        await tell(run, some_calls(date(2026, 11, 9)))
        run.clock.advance_to(at(date(2026, 11, 12), 12))
        run.pipeline.publish()
        reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock)
        routers = [history_routes(run.pipeline, run.clock, FakeAlerts(), "sv", reports)]
        app = create_app(run.pipeline, run.clock, routers=routers)
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://localhost") as client:
            page = (await client.get("/history", params={"period": "day", "day": day})).text
    assert words in page.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(("month", "bridges"), [("2026-09", 0), ("2026-10", 3), ("2027-01", 1), ("2027-02", 0)])
async def test_a_report_has_the_definition_of_its_days_and_the_other_beside_it_for_three_months(
    tmp_path: Path, month: str, bridges: int
):
    path = tmp_path / "calls.db"
    before = config_of(path)
    after = changed(before, definition=DefinitionId.D3, ratio=0.8)
    period = parsed(month, "")
    async with started(path, before, date(2026, 9, 1), 12):
        pass
    async with started(path, after, CHANGE, 12) as run:
        for day in (period.first + timedelta(days=6), period.first + timedelta(days=20)):
            run.clock.advance_to(max(run.clock.now(), at(day, 18)))
            await tell(run, some_calls(day))
        rules = await rules_in_store(run.store, after, date(2027, 3, 1))
        data = await gathered(run.store, ReportRules(rules=rules), period, Scope(), date(2027, 3, 1), None)

    holds = DefinitionId.D2 if month == "2026-09" else DefinitionId.D3
    assert (data.target.definition, data.target.ratio) == (holds, 0.9 if month == "2026-09" else 0.8)
    assert len(data.bridge) == bridges
    for figure in data.bridge:
        assert figure.of


@asynccontextmanager
async def asked(path: Path) -> AsyncIterator[AsyncClient]:
    """The pages and the API on 12 November, over calls of September, October and November with a change in October."""
    before = config_of(path)
    after = changed(before, ratio=0.8, definition=DefinitionId.D3)
    async with started(path, before, date(2026, 9, 7), 18) as run:
        await tell(run, some_calls(date(2026, 9, 7)))
        run.clock.advance_to(at(date(2026, 10, 7), 18))
        await tell(run, some_calls(date(2026, 10, 7)))
    async with started(path, after, CHANGE, 12):
        pass
    async with started(path, after, date(2026, 10, 20), 18) as run:
        await tell(run, some_calls(date(2026, 10, 20)))
        run.clock.advance_to(at(date(2026, 11, 9), 18))
        await tell(run, some_calls(date(2026, 11, 9)))
        run.clock.advance_to(at(date(2026, 11, 12), 12))
        run.pipeline.publish()
        async with client_of(run) as client:
            yield client


async def test_intervals_are_judged_by_the_target_that_held_then_as_the_page_and_the_report(tmp_path: Path):
    question = {"from": "2026-09-01", "to": "2026-12-01", "step": "month"}
    async with asked(tmp_path / "calls.db") as client:
        found = (await client.get("/api/v1/intervals", params=question)).json()["intervals"]
        table = (await client.get("/api/v1/intervals", params=question | {"format": "csv"})).content.decode("utf-8-sig")
        words = await client.get("/api/v1/intervals", params=question | {"format": "csv", "headings": "words"})
        report = (await client.get("/history/report", params={"period": "2026-09", "format": "json"})).json()["data"]

    assert [(its["definition"], its["target_ratio"]) for its in found] == [("D2", 0.9), ("D3", 0.8), ("D3", 0.8)]
    for its in found:
        assert its["headline"] == its["service_level"][its["definition"]]
        assert its["meets_target"] == (its["headline"] >= its["target_ratio"])
        assert its["misses"] == round(its["answered_in_time"] / its["headline"]) - its["answered_in_time"]
    assert report["target"]["definition"] == found[0]["definition"]
    assert report["counts"]["answered_in_time"] == found[0]["answered_in_time"]
    rows = list(csv.DictReader(io.StringIO(table), delimiter=";"))
    assert [(row["definition"], row["target_ratio"]) for row in rows] == [("D2", "0,9"), ("D3", "0,8"), ("D3", "0,8")]
    assert "till och med 2026-10-13 är bedömda efter gränsen 5\N{NO-BREAK SPACE}min" in words.text


async def test_a_period_with_two_limits_says_so_wherever_its_figures_stand(tmp_path: Path):
    october = {"period": "month", "day": "2026-10-01"}
    async with asked(tmp_path / "calls.db") as client:
        page = plain((await client.get("/history", params=october)).text)
        file = (await client.get("/history/file", params=october | {"format": "csv"})).text
        report = plain((await client.get("/history/report", params={"period": "2026-10"})).text)
        later = plain((await client.get("/history", params={"period": "month", "day": "2026-11-01"})).text)

    words = "Samtal till och med {} är bedömda efter gränsen 5 min, som gällde då."
    assert words.format("2026-10-13") in page
    assert words.format("2026-10-13") in file.replace("\N{NO-BREAK SPACE}", " ")
    assert words.format("2026-10-13") in report.partition("Underlag för granskning")[0]
    assert "Samtal till och med" not in later
    assert "gäller sedan 2026-10-14: samtal dessförinnan är bedömda" in report.partition("Det här ingår inte")[0]
    bridge = report.partition("Samma period med andra regler")[2]
    assert "D3: som D2, men de som tappats inom 20 s räknas inte 1 min" in bridge
    assert "D3: som D2, men de som tappats inom 20 s räknas inte 5 min" in bridge
    assert "Avvikande dagar: tor 2026-10-01 – tis 2026-10-13: 08:00–17:00" in report


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/api/v1/intervals", {"from": "2020-01-01", "step": "quarter"}, "högst 5\N{NO-BREAK SPACE}000"),
        ("/history/file", {"period": "year", "day": "2026-01-01", "step": "hour"}, "högst 5\N{NO-BREAK SPACE}000"),
        ("/api/v1/calls", {"limit": "0"}, "limit: minst 1."),
        ("/api/v1/calls", {"limit": "20000"}, "limit: högst 10000."),
        ("/api/v1/calls", {"limit": "alla"}, "limit: ett heltal."),
    ],
)
async def test_a_question_beyond_the_limits_is_refused_in_swedish(
    tmp_path: Path, path: str, query: dict[str, str], words: str
):
    async with asked(tmp_path / "calls.db") as client:
        answer = await client.get(path, params=query)

    assert answer.status_code in (400, 422)
    assert words in answer.json()["detail"]


async def test_the_public_page_shows_each_month_as_it_was_reported_and_says_what_held_then(tmp_path: Path):
    question = {"from": "2026-09-01", "to": "2026-12-01", "step": "month"}
    async with asked(tmp_path / "calls.db") as client:
        public = (await client.get("/api/v1/public")).json()
        page = (await client.get("/public")).text
        table = (await client.get("/api/v1/public", params={"format": "csv"})).content.decode("utf-8-sig")
        report = plain((await client.get("/history/report", params={"period": "2026-09"})).text)
        found = (await client.get("/api/v1/intervals", params=question)).json()["intervals"]

    months = public["months"][-3:]
    assert public["definition"] == "D3"
    assert [(month["definition"], month["target_ratio"]) for month in months] == [("D2", 0.9), ("D3", 0.8), ("D3", 0.8)]
    assert [month["share"]["ratio"] for month in months] == [its["headline"] for its in found]
    assert [month["share"]["meets_target"] for month in months] == [its["meets_target"] for its in found]
    assert months[0]["share"]["words"].replace("\N{NO-BREAK SPACE}", " ") in report
    said = "För september 2026 gällde målet 90 %, och så räknades det: besvarade inom 5 min av alla inkomna till kö."
    assert said in plain(page)
    assert said in table.replace("\N{NO-BREAK SPACE}", " ")
    assert "Linjen är målet 80 % (till och med september 2026 90 %)." in plain(page)
    assert page.count("<line ") == 2
    rows = list(csv.DictReader(io.StringIO(table), delimiter=";"))
    assert [row["Mål (%)"] for row in rows[-4:-1]] == ["90,0", "80,0", "80,0"]
