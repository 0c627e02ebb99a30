"""A source that says nothing: when it is silent, since when, and which minutes nobody has seen."""

from datetime import datetime, timedelta

import pytest

from queue_monitor.core.live import Live
from queue_monitor.core.silence import MIN_DAYS
from queue_monitor.core.windows import Calendars
from queue_monitor.events import SourceClock
from queue_monitor.forecast.forecaster import Forecaster, ForecastInputs
from queue_monitor.model import Coverage, StatusReason
from tests.scenario import STOCKHOLM, Scenario

MINUTE = 60.0
DAY = 24 * 3600.0


def beat(story: Scenario, seconds: float) -> Scenario:
    """A ping was answered."""
    return story._tell(SourceClock, seconds, seconds, offset_ms=0)


def reason(story: Scenario, seconds: float) -> StatusReason | None:
    return story.live.snapshot(story.at(seconds)).total.no_data_reason


def said(story: Scenario, seconds: float) -> Scenario:
    """What the monitor says of itself at a moment, taken as its own events."""
    for event in story.live.own_words(story.at(seconds)):
        story.add(event)
    return story


def coverage(story: Scenario, seconds: float) -> Coverage:
    return story.live.coverage(("kundcenter",), story.at(0), story.at(seconds), story.at(seconds))


def after_some_days(calls_an_hour: int) -> Scenario:
    """A Monday at ten, after days on which so many callers came each hour, evenly."""
    story = Scenario(start=datetime(2026, 11, 23, 10, tzinfo=STOCKHOLM)).connected(-60 * DAY)
    days = [number for number in range(-10, 0) if (story.start + timedelta(days=number)).weekday() < 5]
    for day in days[-MIN_DAYS:]:
        for caller in range(-2 * calls_an_hour, 5 * calls_an_hour):
            at = day * DAY + caller * 3600 / calls_an_hour
            who = f"day {day} {caller}"
            story.entered(at, who).answered(at + 5, who).completed(at + 60, who)
    return story


def test_a_source_that_has_proven_life_and_stops_is_silent_after_two_minutes():
    story = beat(Scenario().connected(-60).entered(0, "anna").answered(2, "anna"), 60)

    assert reason(story, 180) is None
    assert reason(story, 181) is StatusReason.SOURCE_SILENT


def test_one_that_only_tells_of_calls_may_be_quiet_for_a_quarter_of_an_hour_while_nothing_is_known_of_its_hours():
    story = Scenario().connected(-60).entered(0, "anna").answered(2, "anna")

    assert reason(story, 2 + 14.9 * MINUTE) is None
    assert reason(story, 2 + 15 * MINUTE) is StatusReason.SOURCE_SILENT


@pytest.mark.parametrize(("calls_an_hour", "minutes"), [(60, 6.91), (20, 20.7), (6, 69.1)])
def test_with_a_past_a_silence_is_one_that_is_less_likely_than_one_in_a_thousand(calls_an_hour: int, minutes: float):
    story = after_some_days(calls_an_hour).entered(0, "anna").answered(2, "anna")

    assert reason(story, 2 + (minutes - 0.1) * MINUTE) is None
    assert reason(story, 2 + (minutes + 0.1) * MINUTE) is StatusReason.SOURCE_SILENT


def test_the_minutes_from_the_last_sign_on_are_blind_and_every_face_names_that_moment():
    story = beat(Scenario().connected(-60).entered(0, "anna").answered(2, "anna"), 60)
    seen_as_long_as_it_was_trusted = coverage(story, 170)
    said(story, 190)
    [source] = story.live.sources.now()

    assert seen_as_long_as_it_was_trusted == Coverage(seen_minutes=2)
    assert coverage(story, 600) == Coverage(seen_minutes=1, blind_minutes=9)
    assert (source.up, source.since, source.last_event_at, source.reason) == (
        False,
        story.at(60),
        story.at(60),
        "silent",
    )
    assert reason(story, 600) is StatusReason.SOURCE_SILENT


def test_a_source_that_speaks_again_is_heard_from_then_on():
    story = said(beat(Scenario().connected(-60), 60), 190)
    beat(story, 600)
    [source] = story.live.sources.now()

    assert reason(story, 610) is None
    assert (source.up, source.reason) == (True, "")
    assert coverage(story, 900) == Coverage(seen_minutes=6, blind_minutes=9)


def test_minutes_in_which_nothing_was_heard_widen_lowest_and_highest_until_a_log_tells_of_them():
    story = beat(Scenario().connected(-60), 0)
    for second in range(0, 600, 60):
        who, wait = f"caller {second}", 400 if second == 0 else 5
        story.entered(second, who).answered(second + wait, who).completed(second + wait + 30, who)
    beat(story, 660)
    before = story.live.snapshot(story.at(660)).total.periods["day"]
    said(story, 900)
    during = story.live.snapshot(story.at(960)).total.periods["day"]

    assert (before.floor, before.headline, before.ceiling) == (0.9, 0.9, 0.9)
    # five minutes unheard at ten calls in eleven minutes: 4.5 calls, rounded up
    assert (during.floor, during.headline, during.ceiling) == (9 / 15, 0.9, 14 / 15)


def test_a_switch_of_which_not_one_whole_minute_was_heard_widens_lowest_and_highest_too():
    story = beat(Scenario().connected(0), 0).entered(5, "anna").answered(8, "anna").entered(9, "bo").answered(20, "bo")
    said(beat(story, 30), 200)
    day = story.live.snapshot(story.at(630)).total.periods["day"]

    # ten minutes unheard, at two calls in the one minute that the rate is taken from at least
    assert (day.floor, day.headline, day.ceiling) == (2 / 22, 1.0, 1.0)


def test_an_answer_that_is_told_late_from_within_a_silence_is_a_call_in_progress():
    story = said(beat(Scenario().connected(-60), 0), 130)
    beat(story, 600).entered(300, "anna").answered(310, "anna")

    assert story.live.snapshot(story.at(620)).total.talking == 1


@pytest.mark.parametrize("answered", [10, None])
def test_a_talk_or_a_wait_that_spans_a_silence_shows_that_nothing_was_missed(answered: int | None):
    story = Scenario().connected(-60).entered(0, "anna")
    if answered is not None:
        story.answered(answered, "anna")
    begins = answered or 0
    said(story, begins + 16 * MINUTE)
    blind = coverage(story, 30 * MINUTE)
    if answered:
        story.completed(begins + 20 * MINUTE, "anna")
    else:
        story.answered(begins + 20 * MINUTE, "anna")
    day = story.live.snapshot(story.at(30 * MINUTE)).total.periods["day"]

    assert blind.blind_minutes >= 29
    assert coverage(story, 30 * MINUTE).blind_minutes == 0
    assert coverage(story, 30 * MINUTE).recovered_minutes >= 20
    assert day.floor == day.headline == day.ceiling


def test_a_broken_connection_is_not_recovered_by_a_talk_that_spans_it():
    story = Scenario().connected(-60).entered(0, "anna").answered(10, "anna")
    story.disconnected(60).connected(600).completed(700, "anna")

    assert coverage(story, 900).blind_minutes == 9


def test_a_talk_that_may_have_ended_while_nothing_was_heard_is_not_counted_once_the_switch_is_back():
    story = beat(Scenario().connected(-60).entered(0, "anna").answered(2, "anna"), 60)
    said(story, 190)
    story.entered(400, "bo").answered(405, "bo")

    assert story.live.snapshot(story.at(410)).total.talking == 1

    story.completed(500, "anna").completed(520, "bo")

    assert story.live.snapshot(story.at(530)).total.talking == 0


def test_a_talk_whose_end_was_never_reported_is_over_when_its_agent_answers_the_next_call():
    story = Scenario().connected(-60).entered(0, "anna").answered(2, "anna", agent_id="luleå:eva")
    story.entered(100, "bo").answered(105, "bo", agent_id="luleå:eva")
    story.entered(110, "cia").answered(115, "cia", agent_id="luleå:per")

    assert story.live.snapshot(story.at(120)).total.talking == 2


def test_at_night_nobody_is_called_silent():
    story = beat(Scenario(start=datetime(2026, 11, 23, 16, 59, tzinfo=STOCKHOLM)).connected(-60), 30)

    assert story.live.own_words(story.at(3600)) == []


def test_a_word_of_silence_is_said_once_and_is_the_same_after_a_restart():
    story = said(beat(Scenario().connected(-60), 60), 190)
    again = Live(story.rules)
    for event in story.events * 2:
        again.apply(event)

    assert story.live.own_words(story.at(400)) == []
    assert again.sources.now() == story.live.sources.now()


def test_where_one_source_of_a_switch_speaks_the_switch_is_not_silent():
    story = beat(Scenario().connected(-60), 60).entered(300, "anna", source="urn:kc:test:log")

    assert reason(story, 310) is None


def test_what_days_have_taught_takes_no_more_room_after_two_hundred_days_than_after_a_hundred():
    story, taken = Scenario(), dict[int, tuple[int, int]]()
    for day in range(1, 201):
        story.entered(day * DAY, f"{day}").answered(day * DAY + 5, f"{day}").completed(day * DAY + 60, f"{day}")
        story.live.evict(story.at(day * DAY + 900))
        taken[day] = len(story.live.silence.written()), len(story.live.wait_bounds.written())

    assert taken[200] == taken[100]


def waits(story: Scenario, seconds: float) -> list[tuple[int, bool]]:
    """The waits in seconds at a moment, each with whether the caller may have left unseen."""
    return [
        (line.wait_ms // 1000, line.unheard and line.doubtful)
        for line in story.live.snapshot(story.at(seconds)).total.waiting
    ]


def test_a_caller_has_waited_until_the_last_sign_as_far_as_is_known_and_may_have_left_since():
    story = beat(Scenario().connected(-60).entered(0, "anna"), 60)
    said(story, 190)
    blind = story.live.snapshot(story.at(1200)).total

    assert waits(story, 1200) == [(60, True)]
    assert (blind.oldest_wait_ms, blind.longest_sure_wait_ms) == (60_000, None)
    assert (blind.periods["day"].counts.waiting_in_time, blind.periods["day"].counts.waiting_late) == (1, 0)
    assert (blind.periods["day"].floor, blind.periods["day"].ceiling) == (0.0, 1.0)


def test_board_and_forecast_judge_alike_who_has_waited_past_the_limit_in_a_silence():
    story = Scenario(start=datetime(2026, 11, 23, 10, tzinfo=STOCKHOLM))
    live = Live(story.rules, Forecaster(story.rules.target, Calendars(story.rules.calendar)))
    beat(story.connected(-60).entered(-400, "anna").entered(0, "bo"), 60)
    for event in story.events:
        live.apply(event)
    for event in live.own_words(story.at(190)):
        live.apply(event)

    [given] = live.forecast_inputs(story.at(600))
    counts = live.snapshot(story.at(600)).total.periods["day"].counts

    assert isinstance(given, ForecastInputs)
    assert (counts.waiting_late, counts.waiting_in_time) == (1, 1)
    assert (given.state.outcomes.waiting_late, len(given.state.waiting)) == (1, 0)


def test_after_a_silence_the_caller_waits_on_only_when_somebody_says_so():
    story = beat(Scenario().connected(-60).entered(0, "anna").entered(5, "bo"), 60)
    said(story, 190)
    story.entered(600, "cia")

    assert waits(story, 700) == [(60, True), (55, True), (100, False)]

    story.answered(710, "anna").answered(715, "cia").snapshot(720, "bo", waited=715)

    assert story.visit("anna").wait_ms == 710_000
    assert waits(story, 720) == [(715, False)]


def test_a_connection_that_is_lost_for_seconds_takes_nobody_away():
    story = Scenario().connected(-60).entered(0, "anna").disconnected(30)

    assert waits(story, 50) == [(30, True)]

    story.connected(60)

    assert waits(story, 400) == [(400, False)]
    assert story.counts(400).waiting_late == 1


def test_after_a_silence_only_those_count_as_logged_in_of_whom_something_was_heard_since():
    story = beat(Scenario().connected(-60), 0)
    for who, state in (("anna", "busy"), ("bo", "available"), ("cia", "logged_out")):
        story.agent(10, who, state, "kundcenter")
    beat(story, 60)
    said(story, 190)
    during = story.live.snapshot(story.at(300)).total.staff
    beat(story, 600)
    after = story.live.snapshot(story.at(610))

    assert (during.known, during.staffed, during.busy) == (True, 2, 1)
    assert (after.total.staff.known, after.total.staff.staffed, after.agents) == (False, 0, ())

    story.agent(620, "anna", "available", "kundcenter")
    some = story.live.snapshot(story.at(630)).total.staff

    assert (some.known, some.seen, some.staffed, some.available) == (False, True, 1, 1)

    story.agent(640, "bo", "busy").agent(650, "cia", "logged_out")
    all_of_them = story.live.snapshot(story.at(660)).total.staff

    assert (all_of_them.known, all_of_them.staffed, all_of_them.available, all_of_them.busy) == (True, 2, 1, 1)


def restarted(story: Scenario, seconds: float) -> Scenario:
    """The monitor starts anew, with the sources and agents as they were when it ended."""
    story.live.sources.restore(story.live.sources.written(), story.at(seconds))
    return story


def test_while_the_monitor_itself_was_away_nobody_left_unseen_as_senders_tell_it_once_it_is_back():
    story = Scenario().connected(-60).entered(0, "anna").agent(10, "eva", "available", "kundcenter")
    restarted(story, 300).entered(310, "bo")

    assert waits(story, 320) == [(320, False), (10, False)]
    assert story.live.snapshot(story.at(320)).total.staff.staffed == 1


def test_a_switch_that_is_not_heard_after_a_restart_leaves_the_waits_as_they_were_known():
    story = restarted(Scenario().connected(-60).entered(0, "anna").entered(30, "bo"), 300)

    assert waits(story, 900) == [(30, True), (0, True)]
