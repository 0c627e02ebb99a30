"""The forecast as it is driven: told events, asked at moments, learning from closed days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import msgspec
import pytest
from msgspec import structs

from queue_monitor import simulation
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.events import CallAnswered, CallEntered, CallLeft, Event
from queue_monitor.forecast.forecaster import (
    MAX_LEARNED,
    ClosedDay,
    ClosedDayInputs,
    Forecaster,
    ForecastInputs,
    Learned,
    LearnedByPool,
    decode_learned,
    encode_learned,
    forecaster_of,
)
from queue_monitor.model import ExitPolicy, Forecast, Outcome, RiskCause, Target
from queue_monitor.queues import Pool, pool_of
from queue_monitor.simulation import Config, Kind
from tests.scenario import STOCKHOLM, Scenario, office_hours

ALL = Pool("", ("kundcenter", "kundcenter-en", "kundcenter-expert"))
HISTORY = [date(2026, 9, 28) + timedelta(days=n) for n in range(12) if n % 7 < 5]
THE_DAY = date(2026, 10, 12)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.combine(THE_DAY, time(hour, minute), STOCKHOLM).astimezone(UTC)


def day(of: date, kind: Kind = Kind.NORMAL, seed: int = 4) -> list[Event]:
    return simulation.simulate(Config(date=of, seed=seed, kind=kind)).events


def told(events: Iterable[Event], learned: LearnedByPool | None = None) -> Live:
    live = Live(Rules(calendar=office_hours()), Forecaster(Target(), Calendars(office_hours()), learned))
    for event in events:
        live.apply(event)
    return live


def its_forecaster(live: Live) -> Forecaster:
    live.settle()
    forecaster = forecaster_of(live)
    assert forecaster is not None
    return forecaster


def open_today(inputs: Iterable[ForecastInputs | ClosedDayInputs]) -> list[ForecastInputs]:
    return [given for given in inputs if isinstance(given, ForecastInputs)]


def asked(live: Live, now: datetime) -> Forecast:
    return its_forecaster(live).inputs(now, [ALL])[0].compute()


@pytest.fixture(scope="module")
def learned() -> LearnedByPool:
    live = told([])
    its_forecaster(live).attach(lambda: [ALL], live.agents)
    for past in HISTORY:
        for event in day(past):
            live.apply(event)
    its_forecaster(live).close_day()
    return its_forecaster(live).learned


def until(events: list[Event], now: datetime) -> list[Event]:
    return [event for event in events if event.at <= now]


def waiting(events: list[Event], now: datetime) -> set[str]:
    """Who waits at a moment, by visit."""
    told = until(events, now)
    gone = {event.visit_id for event in told if isinstance(event, CallAnswered | CallLeft)}
    return {event.visit_id for event in told if isinstance(event, CallEntered)} - gone


def test_a_day_short_of_staff_is_seen_coming_and_a_normal_one_is_not(learned: LearnedByPool):
    short = asked(told(until(day(THE_DAY, Kind.SHORTFALL), at(10)), learned), at(10))
    normal = asked(told(until(day(THE_DAY), at(10)), learned), at(10))

    assert short.day is not None
    assert normal.day is not None
    assert short.day.p_miss > normal.day.p_miss + 0.25


def test_what_happens_later_changes_nothing_that_was_known_before(learned: LearnedByPool):
    events = day(THE_DAY, Kind.BURST)
    live = told(until(events, at(11)), learned)
    then = asked(live, at(11))
    for event in events:
        if event.at > at(11):
            live.apply(event)

    assert asked(live, at(11)) == then
    assert asked(told(until(events, at(11)), learned), at(11)) == then


def test_what_was_learned_can_be_written_and_read_back(learned: LearnedByPool):
    known = learned[ALL.keys]

    assert decode_learned(encode_learned(learned)) == learned
    assert len(known.days) == len(HISTORY)
    assert all(closed.of > 300 for closed in known.days)


def test_of_pools_that_are_never_seen_again_the_latest_are_kept(learned: LearnedByPool):
    known = learned[ALL.keys]
    gone = {
        frozenset({f"hittepå {number}"}): Learned(known.profile, (ClosedDay(THE_DAY - timedelta(days=number), 1, 1),))
        for number in range(1, MAX_LEARNED + 100)
    }
    forecaster = its_forecaster(told([], learned | gone))

    forecaster.learn(forecaster.empty_day(THE_DAY))

    assert len(forecaster.learned) == MAX_LEARNED
    assert forecaster.learned[ALL.keys] == known
    assert frozenset({"hittepå 1"}) in forecaster.learned


def test_what_a_version_before_this_one_had_learned_is_still_read():
    day = b'{"handled":30,"handle_seconds":6000,"handle_squares":1.5e6,"gave_up":2,"waited_seconds":900'
    day += b',"scatter":[1,2,3,4,5,6,7,8],"lesson":{"foretold":{"9":[4,1.5,3,80]},"held":{"kundcenter":[3,1,2]}}}'
    kept = b'[{"profile":{"days":{},"service":[' + day + b']},"days":[],"queues":["kundcenter"]}]'

    [known] = decode_learned(kept).values()
    [service] = known.profile.service
    assert service.wait_cv[-1] == 8
    assert service.verification.checks[9].came == 3
    assert service.verification.interval_coverage == {"kundcenter": (3, 1, 2)}


def test_everything_foreseen_can_be_written_as_json(learned: LearnedByPool):
    for hour in (9, 11, 15):
        seen = asked(told(until(day(THE_DAY, Kind.BURST), at(hour)), learned), at(hour))

        assert msgspec.json.encode(seen)


def test_a_first_day_without_any_history_is_foretold_too():
    seen = asked(told(until(day(THE_DAY), at(11))), at(11))

    assert seen.day is not None
    assert 0.0 <= seen.day.p_miss <= 1.0
    assert seen.usual_quarter is None
    assert seen.month is None or seen.month.expected_calls


def test_where_the_day_is_at_risk_it_says_how_many_more_would_help_or_that_none_would(learned: LearnedByPool):
    events = day(THE_DAY, Kind.SHORTFALL)
    live = told(until(events, at(11)), learned)
    looks = [asked(live, at(10, minute)) for minute in range(0, 60, 10)]
    risky = [seen.day for seen in looks if seen.day is not None and seen.day.p_miss >= 0.7]

    assert risky
    assert all((risk.agents_at_most or 0) >= 4 for risk in risky)
    assert all(risk.agents_for_day is None or 0 < risk.agents_for_day <= (risk.agents_at_most or 0) for risk in risky)
    assert all(risk.until is None or at(10) < risk.until <= at(17) for risk in risky)


def test_wherever_the_screens_say_at_risk_it_says_how_many_more_would_help(learned: LearnedByPool):
    events = day(THE_DAY, Kind.SHORTFALL)
    live = told(until(events, at(12)), learned)
    looks = [seen.day for minute in range(0, 180, 10) if (seen := asked(live, at(9) + timedelta(minutes=minute))).day]
    under = [risk for risk in looks if risk is not None and risk.p_miss < 0.6 and (risk.expected_share or 1.0) < 0.9]

    assert under
    assert all(risk.options and risk.agents_for_day != 0 for risk in under)


def test_a_day_short_of_staff_is_said_to_be_so_with_a_range_and_the_end_of_its_margin(learned: LearnedByPool):
    events = until(day(THE_DAY, Kind.SHORTFALL), at(11))
    looks = [asked(told(until(events, now), learned), now).day for now in (at(9), at(9, 30), at(10))]
    short = [risk for risk in looks if risk is not None and risk.p_miss > 0.5]

    assert short
    assert all(risk.cause is RiskCause.STAFF for risk in short)
    assert all((risk.low or 1.0) <= (risk.expected_share or 0.0) <= (risk.high or 0.0) for risk in short)
    assert all(risk.margin_ends_at is None or at(9) < risk.margin_ends_at <= at(17) for risk in short)
    assert any(risk.margin_ends_at for risk in short)


def test_each_who_waits_has_a_chance_and_the_unlikely_are_counted(learned: LearnedByPool):
    rush = day(THE_DAY, Kind.BURST)
    entries = [event.at for event in rush if isinstance(event, CallEntered)]
    longest = max(entries[::5], key=lambda now: len(waiting(rush, now)))
    live = told(until(rush, longest), learned)
    live.show_forecasts([given.compute() for given in live.forecast_inputs(longest)])
    total = live.snapshot(longest).total
    chances = [line.in_time_chance for line in total.waiting if line.queue != "kundcenter-expert" and not line.ringing]

    assert len(chances) > 5
    assert all(chance is not None and 0.0 <= chance <= 1.0 for chance in chances)
    assert 0 < total.unlikely <= len(total.waiting)


def test_the_next_caller_s_wait_is_known_at_every_entry(learned: LearnedByPool):
    events = until(day(THE_DAY, Kind.BURST), at(11))
    live = told(events, learned)
    its_forecaster(live).attach(lambda: [ALL], live.agents)

    wait, seen = live.next_wait(at(11), "kundcenter"), asked(live, at(11))
    assert wait == seen.own_waits["kundcenter"]
    assert live.next_wait(at(11) + timedelta(days=1), "kundcenter") is None


def test_the_month_is_foretold_from_days_like_those_to_come(learned: LearnedByPool):
    month = asked(told(until(day(THE_DAY), at(12)), learned), at(12)).month

    assert month is not None
    assert month.expected_calls is not None
    assert month.expected_calls > 10 * 700
    assert month.p_miss < 0.5


def test_the_inputs_of_some_queues_are_those_of_all_but_for_the_others():
    story = Scenario().connected(-60)
    for number in range(40):
        story.entered(number, f"c{number}", f"queue {number}").left(number + 50, f"c{number}", "abandoned")
    live = told(story.events)

    some = live.forecast_inputs(story.at(100), live.scopes()[8:12])

    of_all = [given.compute() for given in live.forecast_inputs(story.at(100))]
    assert [given.compute() for given in some] == of_all[8:12]
    assert len(of_all) == len(live.scopes()) == 40


def test_each_queue_is_asked_once_whether_it_gets_a_forecast(monkeypatch: pytest.MonkeyPatch):
    story = Scenario()
    for number in range(40):
        story.entered(number, f"c{number}", f"queue {number}")
    live, asked_for = told(story.events), list[str]()
    monkeypatch.setattr(live.counted, "of", asked_for.extend)

    live.scopes()

    assert sorted(asked_for) == live.queues()


def test_of_a_closed_day_nothing_is_foretold_but_the_month(learned: LearnedByPool):
    friday, saturday = THE_DAY + timedelta(days=4), at(11) + timedelta(days=5)
    live = told(day(friday), learned)
    its_forecaster(live).start_day(friday + timedelta(days=1))

    seen = asked(live, saturday)

    assert (seen.day, seen.wait.expected, seen.own_waits, seen.usual_quarter) == (None, None, {}, None)
    assert seen.month is not None and seen.month.expected_calls is not None


def test_a_queue_without_a_past_has_no_forecast_on_a_closed_day():
    story = Scenario(start=datetime(2026, 11, 28, 9, tzinfo=UTC)).entered(0, "anna")
    [given] = told(story.events).forecast_inputs(story.at(60))

    seen = given.compute()

    assert (seen.day, seen.month) == (None, None)


def test_the_calls_of_today_belong_to_the_month_before_it_opens_and_after_it_has_closed(learned: LearnedByPool):
    events = day(THE_DAY)
    expected = []
    for now in (at(7), at(8, 30), at(16, 59), at(18), at(23, 30)):
        live = told(until(events, now), learned)
        its_forecaster(live).start_day(THE_DAY)
        month = asked(live, now).month
        assert month is not None and month.expected_calls is not None
        expected.append(month.expected_calls)

    assert max(expected) - min(expected) < 300  # half a day's calls


def test_a_month_is_out_of_reach_when_not_even_every_call_to_come_in_time_would_save_it(learned: LearnedByPool):
    [known] = learned.values()

    def reachable(lost: float) -> bool:
        spoiled = [structs.replace(past, good=past.good * (1 - lost)) for past in known.days]
        live = told(until(day(THE_DAY), at(12)), {ALL.keys: structs.replace(known, days=tuple(spoiled))})
        month = asked(live, at(12)).month
        assert month is not None
        assert month.p_miss == 1.0 or lost < 0.2
        return month.reachable

    assert [reachable(lost) for lost in (0.0, 0.2, 0.9)] == [True, True, False]


def test_agents_who_log_on_and_join_two_queues_make_a_pool_that_knows_the_day_so_far(learned: LearnedByPool):
    events = until(day(THE_DAY), at(10))
    forecaster = its_forecaster(told(events, learned))
    apart = open_today(forecaster.inputs(at(10), [pool_of(["kundcenter"]), pool_of(["kundcenter-en"])]))
    [together] = open_today(forecaster.inputs(at(10), [ALL]))

    assert sum(sum(question.state.outcomes) for question in apart) <= sum(together.state.outcomes)
    assert sum(together.state.outcomes) > 50


def test_agents_who_stay_logged_in_overnight_are_there_in_the_morning():
    late = Scenario(start=datetime(2026, 10, 12, 14, tzinfo=UTC))
    late.agent(0, "agent 1", "available").entered(60, "anna")
    morning = Scenario(start=datetime(2026, 10, 13, 7, tzinfo=UTC)).entered(0, "bo")
    forecaster = its_forecaster(told([*late.events, *morning.events]))
    [question] = open_today(forecaster.inputs(morning.at(60), [Pool("", ())]))

    assert question.state.agents_known
    assert question.state.agents == 1


def test_of_a_day_heard_from_only_after_noon_nothing_usual_is_learned():
    live = told([event for event in day(THE_DAY) if event.at > at(13)])
    forecaster = its_forecaster(live)
    forecaster.attach(lambda: [ALL], live.agents)
    forecaster.close_day()

    assert forecaster.learned == {}


def test_the_margin_is_of_whole_pools_and_everybodys_is_their_sum(learned: LearnedByPool):
    live = told(until(day(THE_DAY), at(11)), learned)
    live.show_forecasts([given.compute() for given in live.forecast_inputs(at(11))])
    seen = live.snapshot(at(11))
    expected = sum(one.day.expected_calls or 0.0 for one in live.forecasts if one.day is not None)

    assert [pool.queues for pool in seen.pools] == [("kundcenter", "kundcenter-en")]
    assert {queue.name: "day" in queue.margins for queue in seen.queues} == {
        "kundcenter": False,
        "kundcenter-en": False,
        "kundcenter-expert": True,
    }
    assert seen.total.margins["day"] == int(0.1 * expected + 1e-9) - seen.total.periods["day"].misses


def test_a_way_out_that_is_left_out_of_the_target_is_no_miss_to_come():
    story = Scenario(start=datetime(2026, 10, 12, 6, tzinfo=UTC))  # 8.00 in Luleå
    for number in range(200):
        at_second, who = 60.0 * number, f"c{number}"
        story.entered(at_second, who)
        if number % 3:
            story.answered(at_second + 20, who, agent_id=f"agent {number % 6}").completed(at_second + 200, who)
        else:
            story.left(at_second + 30, who, "callback")
    rules = Rules(calendar=office_hours(), exit_policy=ExitPolicy(excluded=frozenset({Outcome.CALLBACK})))
    live = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
    for event in story.events:
        live.apply(event)
    [given] = open_today(its_forecaster(live).inputs(story.at(12_000), live.scopes()))
    seen = given.compute().day

    assert sum(given.state.outcomes) == 133
    assert given.state.gave_up == 0
    assert seen is not None
    assert (seen.expected_share or 0.0) > 0.9
