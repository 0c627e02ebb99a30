"""What is to come: the formulas against published values, and the forecast against days whose end is known."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import cycle

import msgspec
import numpy as np
import pytest

from queue_monitor.core.calendar import day_bounds
from queue_monitor.events import AgentActivity, Event, MemberAction
from queue_monitor.forecast import (
    DayInputs,
    DayState,
    Profile,
    Projection,
    QueueState,
    agents_needed,
    baseline_of,
    expected_wait,
    generator,
    project,
    service_speed,
    verify_day,
)
from queue_monitor.forecast import day_inputs as day_inputs
from queue_monitor.forecast.advice import stated_until
from queue_monitor.forecast.bias_correction import (
    QUEUE_WAIT_CVS,
    BiasCorrection,
    BiasCorrections,
    DayVerification,
    ForecastCheck,
    OwnWait,
    learned,
    queue_wait_cv,
)
from queue_monitor.forecast.erlang import erlang_a, erlang_b, erlang_c, erlang_c_in_time, queue_wait
from queue_monitor.forecast.level_filter import LevelFilter, filtered, mean_level
from queue_monitor.forecast.projection import so_far
from queue_monitor.forecast.wait import gamma_below, gamma_quantile
from queue_monitor.model import DefinitionId, Target, WaitBasis
from queue_monitor.simulation import ZONE, Config, Day, Kind, simulate
from tests.core import told_day
from tests.core.told_day import ToldDay

POOL = ("kundcenter", "kundcenter-en")
TARGET = Target(definition=DefinitionId.D3, short_abandon_seconds=10)
HOUR = 3600.0
OPENS, CLOSES, ALL_GONE = 8 * HOUR, 17 * HOUR, 18 * HOUR
FIRST_DAY = date(2025, 1, 6)


def fed(day: Day, until: float = math.inf) -> DayState:
    """The day of kundcenter's pool, told up to a moment."""
    return told_day.fed(day.config.date, day.events, TARGET, POOL, until)


def weekdays(first: date, count: int) -> list[date]:
    days = (first + timedelta(days) for days in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


@lru_cache
def history() -> Profile:
    """Return what the forecast learns from twelve days of the mix."""
    profile = Profile()
    for day in weekdays(FIRST_DAY, 12):
        profile = profile.learn(fed(simulate(Config(date=day, seed=5))))
    return profile


@lru_cache
def a_day(kind: Kind, seed: int = 5) -> Day:
    return simulate(Config(date=date(2025, 2, 4), seed=seed, kind=kind))


@lru_cache
def told_all(kind: Kind) -> DayState:
    """Such a day, told to its end. No test may tell it more."""
    return fed(a_day(kind))


def look(state: QueueState, profile: Profile | None = None) -> DayInputs:
    return day_inputs(state, baseline_of(history() if profile is None else profile, state))


def forecast(state: QueueState, profile: Profile | None = None) -> Projection:
    return project(state, look(state, profile), TARGET, generator("kundcenter", state.day))


# ---- formulas


@pytest.mark.parametrize(("load", "lines", "blocked"), [(10.0, 10, 0.2146), (20.0, 30, 0.0085), (1.0, 1, 0.5)])
def test_erlang_b_is_as_in_the_tables(load: float, lines: int, blocked: float) -> None:
    assert erlang_b(load, lines) == pytest.approx(blocked, abs=5e-5)


def test_erlang_c_is_as_pyworkforce_and_r_have_it() -> None:
    assert erlang_c(1.5, 2) == pytest.approx(9 / 14)
    assert erlang_c(10.0, 14) == pytest.approx(0.1741319, abs=5e-8)
    assert erlang_c_in_time(100 / 1800, 180.0, 14, 20.0) == pytest.approx(0.8883500, abs=5e-8)


def test_a_queue_without_hang_ups_and_too_few_agents_has_no_rest() -> None:
    assert erlang_c(10.0, 10) == 1.0
    assert erlang_c_in_time(10.0, 1.0, 10, 20.0) == 0.0


def test_erlang_a_is_as_pyworkforce_has_it() -> None:
    found = erlang_a(100 / 1800, 180.0, 14, 300.0, 20.0)

    assert found.must_wait == pytest.approx(0.14526, abs=5e-6)
    assert found.abandoned == pytest.approx(0.013984, abs=5e-7)
    assert found.mean_wait == pytest.approx(4.1951, abs=5e-5)
    assert found.in_time == pytest.approx(0.916792, abs=5e-7)


def test_with_patience_as_long_as_a_call_the_number_in_the_system_is_poisson() -> None:
    load, n = 12.0, 10
    at_least_n = 1.0 - sum(math.exp(-load) * load**k / math.factorial(k) for k in range(n))

    assert erlang_a(load / 180.0, 180.0, n, 180.0, 20.0).must_wait == pytest.approx(at_least_n, abs=1e-9)


def test_callers_who_never_hang_up_turn_erlang_a_into_erlang_c() -> None:
    found = erlang_a(100 / 1800, 180.0, 14, 1e8, 20.0)

    assert found.must_wait == pytest.approx(erlang_c(10.0, 14), abs=1e-5)
    assert found.in_time == pytest.approx(erlang_c_in_time(100 / 1800, 180.0, 14, 20.0), abs=1e-5)


def test_the_wait_behind_others_adds_up_the_steps_of_the_queue() -> None:
    mean, variance = queue_wait(ahead=2, capacity=0.05, abandonment_rate=0.01)

    assert mean == pytest.approx(1 / 0.05 + 1 / 0.06 + 1 / 0.07)
    assert variance == pytest.approx(1 / 0.05**2 + 1 / 0.06**2 + 1 / 0.07**2)


def test_gamma_quantiles_are_near_the_exact_ones() -> None:
    exact = {(1.0, 0.1): 0.10536, (1.0, 0.9): 2.30259, (4.0, 0.1): 1.74477, (4.0, 0.9): 6.68078}
    for (shape, below), quantile in exact.items():
        z = math.copysign(1.2815515655446004, below - 0.5)
        assert gamma_quantile(z, shape, shape) == pytest.approx(quantile, abs=0.03)
        assert gamma_below(quantile, shape, shape) == pytest.approx(below, abs=0.01)


def test_a_level_that_jumps_is_noticed_and_one_that_stays_is_known_ever_better() -> None:
    expected = np.full(40, 5.0)
    still = filtered(np.full(40, 5.0), expected, 1 / 12, LevelFilter())
    jumped = filtered(np.r_[np.full(28, 5.0), np.full(12, 10.0)], expected, 1 / 12, LevelFilter())

    assert mean_level(still) == pytest.approx(1.0, abs=0.03)
    assert mean_level(jumped) > 1.6


# ---- what is known at a moment


def test_nothing_that_comes_later_changes_what_was_known() -> None:
    day = a_day(Kind.BURST)
    for at in (8.4 * HOUR, 10 * HOUR, 12.77 * HOUR, 16.9 * HOUR):
        assert repr(fed(day).state(at)) == repr(fed(day, until=at).state(at))


def test_the_order_in_which_things_are_told_does_not_matter() -> None:
    day = a_day(Kind.NORMAL)
    backwards = msgspec.structs.replace(day, events=day.events[::-1])

    assert fed(day).state(ALL_GONE).outcomes == fed(backwards).state(ALL_GONE).outcomes


def test_the_calls_of_a_day_are_judged_as_in_the_truth() -> None:
    for kind in (Kind.NORMAL, Kind.BURST):
        day = a_day(kind)
        good, of = so_far(fed(day).state(ALL_GONE).outcomes, TARGET.definition)

        assert good / of == pytest.approx(day.share())


def test_a_caller_past_the_limit_is_a_miss_while_still_waiting() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    state.entered(OPENS, "anna")

    assert state.state(OPENS + 300).outcomes.waiting_late == 0
    assert state.state(OPENS + 300.001).outcomes.waiting_late == 1


def test_who_serves_nobody_while_callers_wait_is_not_there() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    for number in range(3):
        state.entered(OPENS, f"early {number}")
        state.answered(OPENS + 5, f"early {number}", f"agent {number}")
        state.completed(OPENS + 60 + 1000 * (number == 2), f"early {number}")
    state.entered(OPENS + 70, "waits in vain")

    assert not state.state(OPENS + 90).agents_known
    assert state.state(OPENS + 90).agents == 3
    assert state.state(OPENS + 240).agents == 1


def test_a_clock_that_ran_backwards_makes_no_fewer_agents_than_none() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    state.entered(OPENS + 60.0, "a")
    state.answered(OPENS + 120.0, "a")
    state.completed(OPENS + 30.0, "a")
    state.entered(OPENS + 200.0, "b")
    state.left(OPENS + 100.0, "b")

    seen = state.state(OPENS + 1800.0)
    assert seen.agents_by_minute.min() >= 0.0
    assert (seen.serving, len(seen.waiting)) == (0, 0)
    assert 0.0 <= forecast(seen).p_miss <= 1.0


def test_inferred_agents_who_have_had_nobody_to_serve_are_not_taken_to_be_away() -> None:
    quiet = ToldDay(FIRST_DAY, TARGET)
    forsaken = ToldDay(FIRST_DAY, TARGET)
    forsaken.entered(OPENS + 60, "waits in vain")

    assert look(quiet.state(OPENS + 1200)).agents[0] > 5
    assert look(forsaken.state(OPENS + 1200)).agents[0] < 1


# ---- the rest of the day


def test_the_same_moment_gives_the_same_bytes() -> None:
    state = told_all(Kind.SLOW).state(11 * HOUR)
    first, second = (msgspec.json.encode(forecast(state)) for _ in range(2))

    assert first == second


def test_a_profile_survives_being_written_and_read() -> None:
    again = msgspec.json.decode(msgspec.json.encode(history()), type=Profile)

    assert again == history()


def test_more_calls_fewer_agents_and_longer_talks_are_worse() -> None:
    state = told_all(Kind.NORMAL).state(10 * HOUR)
    ahead = look(state)

    def expected(other: DayInputs) -> float:
        return project(state, other, TARGET, generator("kundcenter", state.day)).expected_share

    usual = expected(ahead)
    assert expected(msgspec.structs.replace(ahead, calls=ahead.calls * 1.15)) < usual
    assert expected(msgspec.structs.replace(ahead, agents=ahead.agents - 1.5)) < usual
    assert expected(msgspec.structs.replace(ahead, handle_seconds=ahead.handle_seconds * 1.15)) < usual


def test_a_talk_whose_end_was_never_reported_is_over_when_its_agent_answers_the_next_call() -> None:
    told = ToldDay(date(2025, 2, 4), TARGET, POOL)
    for at, who, agent in ((OPENS, "anna", "eva"), (OPENS + 600, "bo", "eva"), (OPENS + 650, "cia", "per")):
        told.entered(at, who)
        told.answered(at + 5, who, agent)

    assert told.state(OPENS + 300).serving == 1
    assert told.state(OPENS + 700).serving == 2
    assert told.state(OPENS + 700).busy_by_minute.sum() == pytest.approx(600 + 55 + 5)  # of eleven whole minutes


def test_a_quarter_of_an_hour_in_which_nothing_was_heard_says_nothing_of_the_day() -> None:
    """Calls that came then are not missing, and talks that ended then were not long."""
    day, at = a_day(Kind.NORMAL), 11.5 * HOUR
    begin, until = 11.0 * HOUR, 11.25 * HOUR
    midnight = day_bounds(day.config.date, ZONE)[0]

    def second(event: Event) -> float:
        return (event.at - midnight).total_seconds()

    whole = forecast(fed(day, at).state(at))
    told = ToldDay(day.config.date, TARGET, POOL)
    told.apply(event for event in day.events if second(event) <= at and not begin < second(event) < until)
    deaf = forecast(told.day.state(at))
    told.day._calls.miss([(midnight + timedelta(seconds=begin), midnight + timedelta(seconds=until))])
    knowing = forecast(told.day.state(at))

    assert knowing.handle_ratio == pytest.approx(whole.handle_ratio, abs=0.1)
    assert knowing.rate_ratio == pytest.approx(whole.rate_ratio, abs=0.1)
    assert deaf.handle_ratio > knowing.handle_ratio + 0.1


def test_the_range_of_a_day_of_few_calls_holds_what_is_expected() -> None:
    """Nearly every course of a day of three calls ends at 100 %: the mean of all is just below most of them."""
    state = told_all(Kind.NORMAL).state(7.9 * HOUR)
    ahead = look(state)
    few = msgspec.structs.replace(ahead, calls=ahead.calls / 400)

    found = project(state, few, TARGET, generator("kundcenter", state.day))

    assert found.calls_expected < 10
    assert found.low <= found.expected_share <= found.high


@pytest.mark.parametrize("definition", list(DefinitionId))
def test_by_every_definition_the_forecast_ends_where_the_day_ends(definition: DefinitionId) -> None:
    target = msgspec.structs.replace(TARGET, definition=definition)
    state = told_all(Kind.BURST).state(CLOSES - 60)
    good, of = so_far(told_all(Kind.BURST).state(ALL_GONE).outcomes, definition)
    found = project(state, look(state), target, generator("kundcenter", state.day))

    assert found.expected_share == pytest.approx(good / of, abs=0.01)


def test_the_chance_to_miss_is_what_it_says() -> None:
    """Twelve days at three times of day: the mean chance is near the share of days lost, and the two go together."""
    chances, lost = [], []
    for day in weekdays(date(2025, 2, 3), 12):
        told = fed(simulate(Config(date=day, seed=5)))
        good, of = so_far(told.state(ALL_GONE).outcomes, TARGET.definition)
        for hour in (10, 12, 14):
            chances.append(forecast(told.state(hour * HOUR)).p_miss)
            lost.append(good < 0.9 * of)

    assert np.mean(chances) == pytest.approx(np.mean(lost), abs=0.15)
    assert np.mean((np.array(chances) - np.array(lost)) ** 2) < 0.15


def test_without_history_the_forecast_leans_on_today_and_is_less_sure() -> None:
    state = told_all(Kind.NORMAL).state(11 * HOUR)
    taught, untaught = forecast(state), forecast(state, Profile())

    assert untaught.calls_expected == pytest.approx(taught.calls_expected, rel=0.4)
    assert untaught.high - untaught.low > taught.high - taught.low


def test_phones_that_cannot_be_reached_are_noticed_at_once() -> None:
    day = a_day(Kind.OUTAGE)
    assert day.incident_at is not None
    midnight = datetime.combine(day.config.date, time(), ZONE)
    began = (day.incident_at - midnight.astimezone(UTC)).total_seconds()
    told = fed(day)

    before, after = look(told.state(began - 60)), look(told.state(began + 120))
    assert after.agents[0] < 0.5 * before.agents[0]


# ---- waits


def test_the_next_caller_goes_straight_through_when_somebody_is_free() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    state.agent(OPENS, "agent", AgentActivity.AVAILABLE)
    now = state.state(OPENS + 60)

    assert expected_wait(now, look(now)).basis is WaitBasis.UNKNOWN  # one of the usual ten: nothing can be said
    assert expected_wait(now, look(now, Profile())).basis is WaitBasis.AT_ONCE


def test_a_caller_goes_straight_through_only_to_somebody_who_is_there_for_that_queue() -> None:
    day = ToldDay(FIRST_DAY, TARGET, POOL)

    for agent, queues in (("anna", ("Kundcenter",)), ("eva", ("Kundcenter", "Kundcenter-en"))):
        day.agent(OPENS, agent, AgentActivity.AVAILABLE)
        for queue in queues:
            day.joins(OPENS, agent, queue)
    day.agent(OPENS + 60, "eva", AgentActivity.BUSY)
    day.joins(OPENS + 120, "anna", "Kundcenter-en")
    day.joins(OPENS + 180, "anna", "Kundcenter-en", MemberAction.REMOVED)

    def basis(at: float, queue: str) -> WaitBasis:
        now = day.line(at)
        assert now.free == day.state(at).free
        return expected_wait(now, look(day.state(at), Profile()), queue).basis

    assert basis(OPENS + 30, "Kundcenter-en") is WaitBasis.AT_ONCE
    assert basis(OPENS + 90, "Kundcenter-en") is WaitBasis.STAFF
    assert basis(OPENS + 90, "Kundcenter") is WaitBasis.AT_ONCE
    assert basis(OPENS + 150, "Kundcenter-en") is WaitBasis.AT_ONCE
    assert basis(OPENS + 210, "Kundcenter-en") is WaitBasis.STAFF


def test_nobody_there_means_nobody_knows() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    state.entered(OPENS + 10, "anna")
    now = state.state(OPENS + 60)

    assert expected_wait(now, look(now)).expected is None
    assert service_speed(now, look(now)) is None


def test_each_who_waits_has_less_chance_the_further_back() -> None:
    told = told_all(Kind.BURST)
    now = max((told.state(at) for at in np.arange(9 * HOUR, 16 * HOUR, 600)), key=lambda state: len(state.waiting))
    moves = service_speed(now, look(now))
    assert moves is not None
    alike = moves.in_time([0.0] * len(now.waiting), 300)

    assert len(alike) > 5
    assert alike == sorted(alike, reverse=True)
    assert moves.in_time([301.0], 300) == [0.0]


def test_the_range_holds_the_expected_wait_and_is_rounded_outward() -> None:
    told = told_all(Kind.BURST)
    now = max((told.state(at) for at in np.arange(9 * HOUR, 16 * HOUR, 600)), key=lambda state: len(state.waiting))
    coming = expected_wait(now, look(now))

    assert coming.expected is not None and coming.low is not None and coming.high is not None
    assert coming.low < coming.expected < coming.high
    low, high = coming.half_minutes() or (0.0, 0.0)
    assert low * 60 <= coming.low and coming.high <= high * 60


# ---- what would help


def test_a_good_day_needs_nobody_and_a_lost_one_cannot_be_saved() -> None:
    good = fed(simulate(Config(date=date(2025, 2, 4), seed=5, kind=Kind.NORMAL, staff_factor=1.3))).state(10 * HOUR)
    lost = told_all(Kind.BURST).state(CLOSES - 1200)

    assert agents_needed(good, look(good), TARGET).to_save == 0
    assert agents_needed(lost, look(lost), TARGET).to_save is None
    assert not agents_needed(lost, look(lost), TARGET).reachable


def test_a_day_short_of_people_needs_some_and_says_until_when() -> None:
    told = told_all(Kind.SHORTFALL)
    state = told.state(8.5 * HOUR)
    needed = agents_needed(state, look(state), TARGET, at_most=10)

    assert needed.to_save is not None and needed.to_save > 0
    assert needed.save_until is not None and state.at < needed.save_until <= CLOSES


@pytest.mark.parametrize(
    ("until", "closes", "stated"),
    [
        (9 * HOUR + 61, 17 * HOUR, 9.25 * HOUR),
        (17 * HOUR + 59, 17 * HOUR, 17 * HOUR),
        (10 * HOUR, 17 * HOUR, 10 * HOUR),
    ],
)
def test_help_is_asked_for_until_a_quarter_of_an_hour_and_never_after_closing(
    until: float, closes: float, stated: float
) -> None:
    assert stated_until(until, closes) == stated


# ---- what the switch does not say outright


def staffed(agents: int, activity: AgentActivity = AgentActivity.AVAILABLE) -> ToldDay:
    state = ToldDay(FIRST_DAY, TARGET)
    for number in range(agents):
        state.agent(OPENS, f"agent {number}", activity)
    return state


def test_free_agents_whom_no_call_reaches_are_not_counted_as_there() -> None:
    state = staffed(5)
    for number in range(3):
        state.entered(OPENS + 600 + 10 * number, f"caller {number}")

    assert state.state(OPENS + 640).agents == 5
    assert (state.state(OPENS + 660).agents, state.state(OPENS + 660).unreachable) == (0, 5)
    assert state.line(OPENS + 660).agents == 0


def test_free_agents_beside_one_caller_who_waits_for_another_skill_are_there() -> None:
    state = staffed(5)
    state.entered(OPENS + 600, "anna")

    assert state.state(OPENS + 900).agents == 5


def test_a_caller_for_whom_a_phone_rings_is_not_ahead_of_anybody() -> None:
    ringing, waiting = staffed(1, AgentActivity.BUSY), staffed(2, AgentActivity.BUSY)
    ringing.agent(OPENS + 60, "agent 1", AgentActivity.RINGING)
    for state in (ringing, waiting):
        state.entered(OPENS + 60, "anna")
    first, second = (state.state(OPENS + 62) for state in (ringing, waiting))

    assert (first.agents, second.agents) == (2, 2)
    soon, later = (expected_wait(now, look(now, Profile())).expected for now in (first, second))
    assert soon is not None and later is not None and soon < later


def test_a_sudden_loss_of_most_agents_is_taken_to_last() -> None:
    told = told_all(Kind.NORMAL)
    one, most = 10 * HOUR, 10 * HOUR
    few, hardly = (told.state(at) for at in (one, most))
    few = msgspec.structs.replace(few, agents=few.agents - 1)
    hardly = msgspec.structs.replace(hardly, agents=1)
    usual = look(told.state(one)).agents[20]

    assert look(few).agents[20] > 0.9 * usual
    assert look(hardly).agents[20] < 0.6 * usual


def test_a_special_day_is_first_taken_for_its_weekday_and_teaches_of_its_like() -> None:
    quiet = fed(simulate(Config(date=date(2025, 2, 3), seed=5, calls_factor=0.5)))
    monday = history().calls("0")
    taught = history().learn(quiet, "squeezed")
    special = taught.calls("0", "squeezed")
    assert monday is not None and special is not None

    assert history().calls("0", "squeezed") == pytest.approx(monday)
    assert special.sum() < 0.9 * monday.sum()
    assert taught.days["0"] == history().days["0"]


def test_lines_that_move_at_half_the_pace_that_agents_promise_are_expected_to_do_so_again() -> None:
    state = staffed(4, AgentActivity.BUSY)
    for number in range(300):
        state.entered(OPENS + 60 * number, f"caller {number}")
        state.answered(OPENS + 300 + 60 * number, f"caller {number}")
    served, promised = state.day.from_line(handle_seconds=np.full(48, 120.0))

    assert served == pytest.approx(300, abs=4)
    assert promised == pytest.approx(2 * served, rel=0.02)


@lru_cache
def brisk_afternoon() -> DayState:
    """Eight agents whose calls take ten minutes each until noon, and five after it."""
    state = staffed(8)
    for number in range(8):
        agent, at = f"agent {number}", OPENS + 82.5 * number
        while at < CLOSES:
            visit, done = f"{agent} {at}", at + (600.0 if at < 12 * HOUR else 300.0)
            state.entered(at, visit)
            state.answered(at, visit, agent)
            state.agent(at, agent, AgentActivity.BUSY)
            state.completed(done, visit)
            state.agent(done, agent, AgentActivity.AVAILABLE)
            at = done + 60.0
    return state.day


@lru_cache
def brisk_afternoons() -> Profile:
    """What sixty of those teach."""
    profile = Profile()
    for _ in range(60):
        profile = profile.learn(brisk_afternoon())
    return profile


def test_where_afternoon_calls_are_done_twice_as_fast_the_next_afternoon_is_expected_to_go_so_too() -> None:
    speed_by_slot = brisk_afternoons().speed_by_slot()

    assert speed_by_slot[30] / speed_by_slot[20] == pytest.approx(2.0, abs=0.1)
    assert Profile().speed_by_slot().tolist() == [1.0] * 48

    at_three = brisk_afternoon().state(15 * HOUR)
    moves = service_speed(at_three, look(at_three, brisk_afternoons()))
    assert moves is not None
    assert moves.capacity == pytest.approx(8 / 300, rel=0.1)


def test_a_morning_that_is_always_slow_is_not_taken_for_a_slow_day() -> None:
    at_eleven = brisk_afternoon().state(11 * HOUR)

    assert look(at_eleven, brisk_afternoons()).handle_ratio == pytest.approx(1.0, abs=0.05)


def test_a_day_on_which_nobody_was_served_says_nothing_of_how_waits_scatter() -> None:
    state = staffed(2)
    for number in range(20):
        state.entered(OPENS + 60 * number, f"caller {number}")

    assert set(Profile().learn(state.day).service[0].wait_cv) == {0.0}


def test_without_history_lines_move_as_promised() -> None:
    assert Profile().service_speed() == 1.0


def test_calls_that_end_with_their_answer_teach_a_forecast_that_has_numbers() -> None:
    """As where a switch reports the answer alone, and the sender makes an end of it."""
    told = ToldDay(FIRST_DAY, TARGET)
    for number in range(300):
        came = OPENS + 60 * (number // 5)
        told.entered(came, f"caller {number}")
        told.answered(came + 20, f"caller {number}")
        told.completed(came + 20, f"caller {number}")
    profile = Profile().learn(told.day)

    assert math.isfinite(profile.service[0].from_line_expected)
    assert math.isfinite(profile.service_speed())
    seen = forecast(told.state(OPENS + 1800), profile)
    assert all(map(math.isfinite, (seen.p_miss, seen.expected_share, seen.calls_expected)))


def test_a_call_is_over_even_when_that_is_told_first() -> None:
    state = ToldDay(FIRST_DAY, TARGET)
    for number in range(300):
        state.completed(OPENS + 90, f"caller {number}")
        state.answered(OPENS + 30, f"caller {number}", "agent")
        state.entered(OPENS + 10, f"caller {number}")

    assert state.state(OPENS + 60).serving == 300
    assert state.state(OPENS + 100).serving == 0


def test_a_queue_that_hardly_anybody_rings_has_shares_between_none_and_all() -> None:
    state = staffed(1)
    for number in range(3):
        state.entered(OPENS + 1200 * number, f"caller {number}")
        state.answered(OPENS + 1200 * number + 5, f"caller {number}", "agent 0")
        state.completed(OPENS + 1200 * number + 300, f"caller {number}")
    seen = [forecast(state.state(OPENS + at), Profile()) for at in (60.0, 3000.0, 20_000.0)]

    assert all(0.0 <= one.low <= one.expected_share <= one.high <= 1.0 for one in seen)


def test_a_queue_whose_callers_wait_longer_than_their_place_says_is_known_for_it() -> None:
    told = ToldDay(FIRST_DAY, TARGET)
    for number in range(200):
        slow = number % 2 == 0
        entered = OPENS + 60 * number
        told.entered(entered, f"caller {number}", queue="Slow" if slow else "quick")
        told.answered(entered + (230 if slow else 115), f"caller {number}", f"agent {number % 2}")
        told.completed(entered + (350 if slow else 235), f"caller {number}")
    profile = Profile().learn(told.day)

    assert profile.own_wait("slow").factor > 1.2
    assert profile.own_wait("quick").factor < 0.8
    assert profile.own_wait("never heard of").factor == 1.0
    assert Profile().own_wait("slow").factor == 1.0


# ---- what days have taught of the forecast itself


def taught(foretold: Sequence[float], came: Sequence[float], days: int = 60, sd: float = 10.0) -> BiasCorrections:
    """Days of 500 calls and nine hours: one after the other of these misses foretold at each half past, and come."""
    verifications = [
        DayVerification({hour: ForecastCheck(expected, sd, actual, 500.0) for hour in range(8, 17)})
        for _, expected, actual in zip(range(days), cycle(foretold), cycle(came))
    ]
    found = learned(verifications)
    assert found is not None
    return found


def test_of_days_on_which_twice_the_misses_came_twice_those_foretold_come() -> None:
    noon = taught([10.0, 20.0, 40.0], [20.0, 40.0, 80.0]).at(12 * HOUR)

    assert noon.times(30.0, 500.0) == pytest.approx(2.0, abs=0.15)


def test_where_bad_forecasts_came_to_less_and_good_ones_to_more_the_next_ones_are_drawn_to_the_middle() -> None:
    noon = taught([5.0, 80.0], [15.0, 50.0]).at(12 * HOUR)

    assert noon.times(5.0, 500.0) > 1.5
    assert noon.times(80.0, 500.0) < 0.8


def test_a_few_days_say_little_and_nothing_says_more_than_two_and_a_half_times() -> None:
    few, many = taught([20.0], [40.0], days=1).at(12 * HOUR), taught([20.0], [400.0]).at(12 * HOUR)

    assert few.times(20.0, 500.0) < 1.6
    assert many.times(20.0, 500.0) == pytest.approx(2.5, abs=0.06)
    assert learned([DayVerification()]) is None
    assert BiasCorrection().times(20.0, 500.0) == 1.0


def test_days_that_lay_farther_off_than_was_said_widen_the_doubt_and_incidents_do_not() -> None:
    off = taught([40.0], [10.0, 70.0], sd=10.0)
    incident = taught([40.0], [40.0] * 5 + [50.0], sd=10.0)

    assert off.spread == 1.5
    assert incident.spread == 1.0


def test_misses_foretold_are_as_many_more_and_as_far_apart_as_has_come_before() -> None:
    state = told_all(Kind.SHORTFALL).state(10 * HOUR)
    ahead = look(state)

    def told(bias_correction: BiasCorrection) -> Projection:
        wiser = msgspec.structs.replace(ahead, bias_correction=bias_correction)
        return project(state, wiser, TARGET, generator("kundcenter", state.day))

    good, of = so_far(state.outcomes, TARGET.definition)
    plain, more, wider = told(BiasCorrection()), told(BiasCorrection(slope=1.5)), told(BiasCorrection(spread=1.5))
    assert more.misses_expected - (of - good) == pytest.approx(1.5 * (plain.misses_expected - (of - good)), rel=0.02)
    assert wider.high - wider.low == pytest.approx(1.5 * (plain.high - plain.low), rel=0.1)


def test_a_closed_day_tells_for_each_hour_what_would_have_been_foretold_and_what_came() -> None:
    day = told_all(Kind.NORMAL)
    closed = day.state(ALL_GONE)
    usual = baseline_of(history(), closed)
    verification = verify_day(day, closed, usual, "kundcenter", {})
    noon = day.state(12.5 * HOUR)
    (good, of), (good_then, of_then) = (so_far(s.outcomes, TARGET.definition) for s in (closed, noon))

    assert list(verification.checks) == list(range(8, 17))
    assert verification.checks[12].came == (of - good) - (of_then - good_then)
    assert verify_day(day, closed, baseline_of(Profile(), closed), "kundcenter", {}) == DayVerification()


def test_the_range_of_a_wait_is_as_wide_as_has_held_eight_of_ten() -> None:
    days = [told_all(Kind.NORMAL), told_all(Kind.SHORTFALL)]
    profile = history()
    for day in days:
        closed = day.state(ALL_GONE)
        profile = profile.learn(
            day, verification=verify_day(day, closed, baseline_of(profile, closed), "kundcenter", {})
        )
    interval_coverage = profile.service[-1].verification.interval_coverage

    assert set(interval_coverage) == {"kundcenter", "kundcenter-en"}
    callers, *inside = np.sum(list(interval_coverage.values()), axis=0).tolist()
    assert callers > 50
    assert inside[0] < inside[-1]


def test_a_range_is_held_against_the_waits_of_its_own_queue_however_its_name_is_written() -> None:
    day = told_all(Kind.SHORTFALL)
    closed = day.state(ALL_GONE)

    def interval_coverage(queue: str) -> dict[str, tuple[int, ...]]:
        own = {queue: OwnWait(factor=3.0)}
        return verify_day(day, closed, baseline_of(history(), closed), "kundcenter", own).interval_coverage

    assert interval_coverage("Kundcenter") == interval_coverage("kundcenter") != interval_coverage("another")


@pytest.mark.parametrize(("held_at", "wait_cv"), [(0.1, 0.1), (0.5, 0.5), (2.0, 1.0)])
def test_the_variation_is_the_least_under_which_eight_of_ten_were_held(held_at: float, wait_cv: float) -> None:
    held = (
        10_000,
        *(9000 if one > held_at else 8000 if one == held_at else 100 for one in QUEUE_WAIT_CVS),
    )

    assert queue_wait_cv([DayVerification(interval_coverage={"kundcenter": held})]) == pytest.approx(wait_cv, abs=0.02)
    assert queue_wait_cv([DayVerification(interval_coverage={"kundcenter": held})], "another") == pytest.approx(
        wait_cv, abs=0.02
    )
    assert queue_wait_cv([]) == 0.2


def test_a_rush_that_is_over_says_little_of_the_evening() -> None:
    state = told_all(Kind.NORMAL).state(13 * HOUR)
    usual = baseline_of(history(), state)
    assert usual.calls is not None
    as_usual = usual.calls[: state.minutes]
    rush = as_usual.copy()
    rush[200:240] *= 5.0

    def lasting(came: np.ndarray) -> float:
        shape, rate = day_inputs(msgspec.structs.replace(state, entered_by_minute=came), usual).slow
        return shape / rate

    assert lasting(as_usual) == pytest.approx(1.0, abs=0.01)
    assert 1.05 < lasting(rush) < 1.25
    assert lasting(1.3 * as_usual) == pytest.approx(1.0 + 0.3 * 0.66, abs=0.1)


def test_where_all_are_about_to_go_home_no_wait_is_promised() -> None:
    state = told_all(Kind.NORMAL).state(16 * HOUR)
    ahead = look(state)
    gone = msgspec.structs.replace(ahead, agents=np.zeros_like(ahead.agents), typical=np.zeros_like(ahead.typical))

    assert state.agents > 0
    assert service_speed(state, gone) is None
    assert expected_wait(state, gone).basis is WaitBasis.UNKNOWN
