"""The figures of a report are those of the calls, counted again from the calls themselves."""

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.core.calendar import END_OF_DAY, Calendar, DayHours
from queue_monitor.core.rules import Rules
from queue_monitor.events import CallAnswered, CallCompleted, CallEntered, EndedBy, EntryReason, Event, event_id
from queue_monitor.model import (
    AlertChange,
    AlertKind,
    Coverage,
    DefinitionId,
    RecordedAlert,
    RepeatCallers,
    RepeatDay,
    Target,
)
from queue_monitor.reports.alerts import asked
from queue_monitor.reports.data import CalledAgain, ReportData, Scope
from queue_monitor.reports.figures import GoalSetting, Sums, _day
from queue_monitor.reports.forms import Form, written
from queue_monitor.reports.period import parsed
from tests.reports import autumn
from tests.reports.autumn import BLIND, CRISIS, OCTOBER, begins, calls_of_october, in_time, judged
from tests.reports.looked import plain
from tests.runtime.lasting import QUEUES, SOURCE, ZONE, Call
from tests.scenario import Scenario

CALLS = calls_of_october()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("october")


_made: list[ReportData] = []


@pytest.fixture
async def data(folder: Path) -> ReportData:
    """The whole month, made once."""
    if not _made:
        goals = (GoalSetting(name="Nöjda", target="70 %", values={"2026-10": ("72 %", "enkät")}),)
        async with autumn.october(folder, goals=goals) as (reports, _):
            _made.append((await reports.report(OCTOBER, reports.scope(()))).data)
    return _made[0]


def share(data: ReportData, definition: DefinitionId) -> tuple[int, int]:
    return next((share.good, share.of) for share in data.shares if share.definition is definition)


async def test_every_formula_has_the_numerator_and_the_denominator_of_the_calls(data: ReportData) -> None:
    its = judged(CALLS)
    answered = [(call, waited) for call, waited in its if call.how == "answered"]
    abandoned = sorted(waited for call, waited in its if call.how == "abandoned")
    short = sum(waited < 20_000 for waited in abandoned)
    early = sum(waited <= 300_000 for waited in abandoned)
    good = in_time(its)

    assert share(data, DefinitionId.D1) == (good, len(answered))
    assert share(data, DefinitionId.D2) == (good, len(its))
    assert share(data, DefinitionId.D3) == (good, len(its) - short)
    assert share(data, DefinitionId.D4) == (good, len(its) - early)
    assert share(data, DefinitionId.D5) == (good + early, len(its))
    assert data.counts.timeout == sum(call.how == "timeout" for call, _ in its)
    assert data.counts.early == sum(begins(call) != call.entered for call, _ in its) > 0


async def test_the_night_with_the_double_hour_is_two_calls_outside_and_the_month_has_all_its_days(
    data: ReportData,
) -> None:
    sunday = next(day for day in data.days if day.day == date(2026, 10, 25))
    outside = [call for call in CALLS if begins(call) is None]

    assert len(data.days) == 31
    assert sunday.outside.entered == sum(call.entered.astimezone(ZONE).date() == sunday.day for call in CALLS)
    assert data.outside.entered == len(outside)
    assert data.outside.entered + data.counts.entered == len(CALLS)


async def test_days_and_queues_each_add_up_to_the_whole(data: ReportData) -> None:
    for day in data.days:
        its = judged(CALLS, lambda call, day=day: (begins(call) or call.entered).astimezone(ZONE).date() == day.day)  # type: ignore[misc]
        assert (day.counts.entered, day.counts.answered_in_time) == (len(its), in_time(its))
    for queue in data.queues:
        its = judged(CALLS, lambda call, queue=queue: call.queue == queue.name)  # type: ignore[misc]
        assert (queue.counts.entered, queue.counts.answered_in_time) == (len(its), in_time(its))
    assert {queue.name for queue in data.queues} == set(QUEUES)


async def test_waits_are_those_of_the_answered(data: ReportData) -> None:
    waits = sorted(waited for call, waited in judged(CALLS) if call.how == "answered")

    def at(percent: int) -> int:
        return waits[max(0, -(-len(waits) * percent // 100) - 1)]

    its = data.waits
    assert (its.answered, its.longest_ms) == (len(waits), waits[-1])
    assert its.over_10_min == sum(waited > 600_000 for waited in waits) > 0
    for found, percent in ((its.p50_ms, 50), (its.p90_ms, 90), (its.p99_ms, 99)):
        assert found == pytest.approx(at(percent), rel=0.01)


async def test_what_was_not_seen_is_said_by_day_and_in_all(data: ReportData) -> None:
    open_days = [day for day in data.days if day.day.weekday() < 5]
    blind = {day.day: day.coverage.blind_minutes for day in data.days if day.coverage.blind_minutes}

    assert blind == {BLIND: 340}
    assert data.coverage == Coverage(
        seen_minutes=200 + 500 * (len(open_days) - 1), recovered_minutes=40 * (len(open_days) - 1), blind_minutes=340
    )
    assert {day.opens for day in open_days} == {("08:00-17:00",)}


async def test_a_day_that_is_open_to_its_end_closes_at_24() -> None:
    hours = Calendar(ZONE, (DayHours(opens=time(8), closes=END_OF_DAY),) * 7)

    assert _day(date(2026, 10, 25), Sums(), {}, hours).opens == ("08:00-24:00",)


async def test_the_period_stands_with_and_without_the_crisis(data: ReportData) -> None:
    low, high = CRISIS[0] - timedelta(minutes=5), CRISIS[1] + timedelta(minutes=10)

    def within(call: Call) -> bool:
        return low <= (begins(call) or call.entered) < high

    during, others = judged(CALLS, within), judged(CALLS, lambda call: not within(call))
    apart = data.without_crises
    assert apart is not None
    assert [(crisis.since, crisis.ended, crisis.reason) for crisis in data.crises] == [(*CRISIS, "Vattenläcka")]
    assert (apart.within.entered, apart.within.answered_in_time) == (len(during), in_time(during))
    assert (apart.without.entered, apart.without.answered_in_time) == (len(others), in_time(others))
    assert len(during) > 5
    longest = max(waited for call, waited in others if call.how == "answered")
    assert (apart.without_waits.longest_ms, apart.within_waits.answered) == (
        longest,
        sum(call.how == "answered" for call, _ in during),
    )


async def test_alerts_crises_and_goals_measured_elsewhere_stand_beside(data: ReportData) -> None:
    assert [(fact.kind, fact.label) for fact in data.alerts or ()] == [("crisis", ""), ("target_at_risk", "Bygglov")]
    assert [(goal.name, goal.target, goal.value, goal.comment) for goal in data.goals] == [
        ("Nöjda", "70 %", "72 %", "enkät")
    ]
    assert [(other.relation, other.period, other.counts) for other in data.compared] == [
        ("before", "2026-09", None),
        ("year_before", "2025-10", None),
    ]


class Record:
    """A store with one alert: the day was at risk, then lost, and the day ended."""

    async def alert_changes(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        noon = datetime(2026, 10, 5, 10, tzinfo=UTC)
        course = (
            (AlertKind.TARGET_AT_RISK, AlertChange.RAISED, 0),
            (AlertKind.TARGET_OUT_OF_REACH, AlertChange.UPDATED, 1),
            (AlertKind.TARGET_OUT_OF_REACH, AlertChange.CLEARED, 5),
        )
        changes = tuple(
            autumn.alert(kind, change, noon + timedelta(hours=hours), "bygglov", episode="one")
            for kind, change, hours in course
        )
        return [RecordedAlert(episode="one", changes=changes)]


async def test_a_day_that_was_at_risk_and_then_lost_is_listed_as_the_page_of_the_past_lists_it() -> None:
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    _, [fact] = await asked(Record(), Scope(), start, end)  # type: ignore[arg-type]
    [found] = await Record().alert_changes(start, end)

    assert fact.kind == found.worst.kind.value == "target_out_of_reach"
    assert (fact.since, fact.ended) == (found.changes[0].at, found.changes[-1].at)


async def test_an_alert_is_listed_as_bad_as_it_was_within_the_period() -> None:
    start, at_eleven = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 5, 10, 30, tzinfo=UTC)
    _, [fact] = await asked(Record(), Scope(), start, at_eleven)  # type: ignore[arg-type]

    assert (fact.kind, fact.ended) == ("target_at_risk", None)


async def test_of_one_queue_it_is_that_queue_alone_and_others_alarms_are_left_out(folder: Path) -> None:
    async with autumn.october(folder) as (reports, _):
        data = (await reports.report(OCTOBER, reports.scope(["Kundcenter"]))).data

    its = judged(CALLS, lambda call: call.queue == "kundcenter")
    assert share(data, DefinitionId.D2) == (in_time(its), len(its))
    assert [fact.kind for fact in data.alerts or ()] == ["crisis"]
    assert [queue.name for queue in data.queues] == ["kundcenter"]


async def test_over_a_change_of_the_limit_the_same_calls_stand_by_both(tmp_path: Path) -> None:
    """The settings say 4 minutes instead of 5 from a start at the end of the month on."""
    rules = Scenario().rules
    strict = Rules(target=Target(limit_seconds=240, since=date(2026, 10, 31)), calendar=rules.calendar)
    async with autumn.october(tmp_path, rules=strict) as (reports, _):
        data = (await reports.report(OCTOBER, Scope())).data

    earlier, later = data.rules
    edge = later.first
    before = judged(CALLS, lambda call: (begins(call) or call.entered).astimezone(ZONE).date() < edge)
    after = judged(CALLS, lambda call: (begins(call) or call.entered).astimezone(ZONE).date() >= edge)
    everybody = before + after
    assert share(data, DefinitionId.D2) == (in_time(before) + in_time(after, 240_000), len(everybody))
    assert (earlier.limit_seconds, earlier.calls, later.limit_seconds, later.calls) == (
        300, len(before), 240, len(after),
    )  # fmt: skip
    assert {figure.limit_seconds: (figure.good, figure.of) for figure in data.bridge} == {
        240: (in_time(everybody, 240_000), len(everybody)),
        300: (in_time(everybody, 300_000), len(everybody)),
    }


def told(name: str, visit: int, entered: datetime, kind: Any, seconds: float, **fields: Any) -> Event:
    """One event of a visit, so many seconds after the call came in."""
    at, visit_id = entered + timedelta(seconds=seconds), f"pbx:{name}/{visit}"
    return kind(  # type: ignore[no-any-return]
        id=event_id(SOURCE, kind.__name__, visit_id), source=SOURCE, switch="pbx", observed_at=at, switch_time=at,
        visit_id=visit_id, **fields,
    )  # fmt: skip


def sent_on_or_not(name: str, entered: datetime, how: str) -> list[Event]:
    """A call that was answered and then ended, or was sent on: to another number, or to another queue."""
    contact = f"pbx:{name}"
    by = {"kept": EndedBy.CALLER, "number": EndedBy.TRANSFER, "queue": EndedBy.AGENT, "untold": EndedBy.UNKNOWN}[how]
    events = [
        told(name, 1, entered, CallEntered, 0, queue="kundcenter", contact_id=contact),
        told(name, 1, entered, CallAnswered, 20, agent_id="pbx:agent 1"),
        told(name, 1, entered, CallCompleted, 80, ended_by=by),
    ]
    if how == "queue":
        events += [
            told(name, 2, entered, CallEntered, 80, queue="bygglov", contact_id=contact,
                 entry_reason=EntryReason.TRANSFER, prev_visit_id=f"pbx:{name}/1"),
            told(name, 2, entered, CallAnswered, 95, agent_id="pbx:agent 2"),
            told(name, 2, entered, CallCompleted, 300, ended_by=EndedBy.CALLER),
        ]  # fmt: skip
    return events


async def test_who_was_answered_without_being_sent_on_is_as_the_callers_know(tmp_path: Path) -> None:
    dice, day = random.Random(46), datetime(2026, 11, 3, 8, tzinfo=UTC)
    calls = [
        (f"c{number}", day + timedelta(minutes=number * 5), dice.choice(("kept", "kept", "number", "queue", "untold")))
        for number in range(80)
    ]
    async with autumn.october(tmp_path, datetime(2026, 11, 3, 6, tzinfo=UTC)) as (reports, run):
        run.clock.advance_to(datetime(2026, 11, 3, 20, tzinfo=UTC))
        await run.tell(sorted((e for call in calls for e in sent_on_or_not(*call)), key=lambda e: e.observed_at))
        run.clock.advance_to(datetime(2026, 12, 2, 20, tzinfo=UTC))
        report = await reports.report(parsed("2026-11", "period"), reports.scope(()))

    how = Counter(how for _, _, how in calls)
    its = report.data.passed_on
    assert its is not None
    assert (its.answered, its.sent_on, its.untold) == (80, how["number"] + how["queue"], how["untold"])
    kept, known = how["kept"], 80 - how["untold"]
    page = plain(written(report, Form.HTML, "sv").body.decode())
    assert f"Besvarade utan att kopplas vidare: {kept} av {known}, " in page


async def test_who_called_again_is_added_up_over_days_and_runs_for_the_queues_of_the_report(tmp_path: Path) -> None:
    first, later = date(2026, 10, 5), date(2026, 10, 6)
    async with autumn.october(tmp_path) as (reports, run):
        await run.store.save_repeat_callers(
            [
                repeats(first, QUEUES[0], 0, 10),
                repeats(first, QUEUES[0], 12, 20),
                repeats(later, QUEUES[1], 0, 40),
                repeats(date(2026, 11, 2), QUEUES[0], 0, 80),
            ]
        )
        whole = await reports.report(OCTOBER, reports.scope(()))
        of_one = await reports.report(OCTOBER, reports.scope((QUEUES[0],)))

    assert whole.data.called_again == CalledAgain(days=2, calls=70, repeated=7, answered=70, not_back=63)
    assert of_one.data.called_again == CalledAgain(days=1, calls=30, repeated=3, answered=30, not_back=27)


def repeats(day: date, queue: str, hour: int, calls: int) -> RepeatDay:
    counts = RepeatCallers(
        since=datetime(day.year, day.month, day.day, hour, tzinfo=ZONE),
        calls=calls,
        repeated=calls // 10,
        lost=0,
        reached_later=0,
        answered=calls,
        not_back=calls - calls // 10,
    )
    return RepeatDay(day=day, queue=queue, found=counts)
