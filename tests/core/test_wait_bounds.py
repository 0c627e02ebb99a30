"""A caller whose end nobody reports does not wait for ever."""

from datetime import datetime, time, timedelta

import pytest

from queue_monitor.core.calendar import END_OF_DAY, Calendar, DayHours
from queue_monitor.core.live import Live
from queue_monitor.core.wait_bounds import MIN_HISTORY, WaitBounds
from queue_monitor.core.windows import Calendars
from queue_monitor.events import CallRinging, OutcomeBasis
from queue_monitor.forecast.forecaster import Forecaster, ForecastInputs
from queue_monitor.model import DefinitionId, Outcome, Target
from tests.scenario import STOCKHOLM, Scenario, office_hours

HOUR = 3600.0


def bounded(story: Scenario, now: datetime) -> Scenario:
    """What the monitor says of callers whose end is overdue, taken as its own events."""
    for left in story.live.overdue(now):
        story.add(left)
    return story


def outcome_of(story: Scenario, who: str) -> Outcome:
    told = story.live.ledger.history(f"luleå:{who}")
    assert told is not None
    return told.contact.outcome


def after_some_days(longest: float = 60.0) -> Scenario:
    """Ten days on which five callers each waited at most so long, and then a Monday morning."""
    story = Scenario(start=datetime(2026, 11, 23, 8, tzinfo=office_hours().zone))
    weekdays = [number for number in range(-16, 0) if (story.start + timedelta(days=number)).weekday() < 5]
    for number in weekdays[-MIN_HISTORY:]:
        for caller in range(5):
            begins = number * 24 * HOUR + 600 * caller
            story.entered(begins, f"day {number} {caller}").answered(begins + longest, f"day {number} {caller}")
    return story


def test_a_wait_is_over_after_half_an_hour_where_callers_wait_some_minutes():
    story = Scenario().entered(0, "bo").answered(600, "bo").entered(700, "ghost")

    assert outcome_of(bounded(story, story.at(700 + 1799)), "ghost") is Outcome.WAITING
    assert outcome_of(bounded(story, story.at(700 + 1800)), "ghost") is Outcome.UNKNOWN
    [visit] = story.live.ledger.history("luleå:ghost").visits  # type: ignore[union-attr]
    assert (visit.ended_wait_at, visit.wait_ms) == (story.at(2500), None)
    assert visit.outcome_basis is OutcomeBasis.INFERRED


def test_where_callers_wait_long_the_bound_is_twice_the_longest_wait_and_at_most_four_hours():
    story = Scenario().entered(0, "bo").answered(2 * HOUR, "bo").entered(2 * HOUR, "ghost")

    assert outcome_of(bounded(story, story.at(2 * HOUR + 3.9 * HOUR)), "ghost") is Outcome.WAITING
    assert outcome_of(bounded(story, story.at(2 * HOUR + 4 * HOUR)), "ghost") is Outcome.UNKNOWN


def test_a_caller_whose_entry_nobody_has_reported_is_gone_as_long_after_the_last_word():
    story = Scenario().entered(0, "bo").answered(600, "bo")
    story._tell(CallRinging, 700, "x", visit_id="x", ring_id="x", agent_id="luleå:agent 1", queue="kundcenter")

    assert story.live.overdue(story.at(700 + 1799)) == []
    bounded(story, story.at(700 + 1800))
    assert story.live.ledger.waiting() == []
    story.live.evict(story.at(72 * HOUR))
    assert list(story.live.ledger.contacts()) == []


def test_half_an_hour_after_closing_nobody_waits_any_more():
    story = Scenario().entered(0, "bo").answered(HOUR, "bo").entered(6.9 * HOUR, "ghost")  # 16.54

    assert outcome_of(bounded(story, story.at(7.49 * HOUR)), "ghost") is Outcome.WAITING
    assert outcome_of(bounded(story, story.at(7.5 * HOUR)), "ghost") is Outcome.UNKNOWN


def test_a_caller_overtaken_by_more_than_any_before_is_gone():
    story = after_some_days().entered(0, "ghost")
    for number in range(6):
        story.entered(10 + number, f"late {number}").answered(60 + 10 * number, f"late {number}")

    assert story.live.overdue(story.at(99)) == []
    [left] = story.live.overdue(story.at(120))
    assert left.at == story.at(100)  # when the fifth was answered


@pytest.mark.parametrize("why", ["priorities", "little history"])
def test_the_count_of_those_who_overtook_is_not_used_where_it_says_nothing(why: str):
    story = Scenario() if why == "little history" else after_some_days()
    story.entered(0, "ghost", priority=1 if why == "priorities" else None)
    for number in range(6):
        story.entered(10 + number, f"late {number}").answered(60 + 10 * number, f"late {number}")

    assert story.live.overdue(story.at(200)) == []


@pytest.mark.parametrize("definition", list(DefinitionId))
def test_the_highest_share_holds_a_caller_in_doubt_who_may_have_been_answered_unseen(definition: DefinitionId):
    story = Scenario(definition=definition).entered(0, "ghost")
    for number in range(5):
        story.entered(10 + number, str(number)).answered(20 + number, str(number))
    late = story.day(310)
    ended = bounded(story, story.at(1800)).day(1801)

    assert (late.counts.waiting_late, late.ceiling) == (1, 1.0)
    assert (ended.counts.unknown, ended.headline) == (1, 1.0)
    listed = Scenario(definition=definition).entered(0, "anna").snapshot(5, "anna").entered(10, "b").answered(20, "b")
    assert listed.day(310).ceiling == (1.0 if definition is DefinitionId.D1 else 0.5)


def test_a_switch_that_lists_who_waits_needs_no_bound():
    story = Scenario().entered(0, "anna").snapshot(7000, "anna")

    assert story.live.overdue(story.at(7300)) == []


def test_a_later_word_knows_better():
    story = bounded(Scenario().entered(0, "ghost"), Scenario().at(1800))

    assert outcome_of(story, "ghost") is Outcome.UNKNOWN
    assert outcome_of(story.answered(400, "ghost"), "ghost") is Outcome.ANSWERED
    assert story.live.sources.now()[0].name == "urn:kc:test:luleå"
    assert len(story.live.sources.now()) == 1


def test_the_same_is_said_once_and_told_anew_from_a_journal():
    story = bounded(Scenario().entered(0, "ghost"), Scenario().at(1800))
    again = Live(story.rules)
    for event in (*story.events, *story.events):
        again.apply(event)

    assert story.live.overdue(story.at(4000)) == []
    assert list(again.ledger.histories()) == list(story.live.ledger.histories())


def test_a_queue_that_never_closes_has_no_closing():
    hours = DayHours(opens=time(0), closes=END_OF_DAY)
    bounds = WaitBounds(lambda queue: Calendar(STOCKHOLM, (hours,) * 7))
    story = Scenario(start=datetime(2026, 11, 23, 23, 50, tzinfo=STOCKHOLM)).entered(0, "anna")
    waiting = [(visit, story.at(0)) for _, visit in story.live.ledger.waiting()]

    assert bounds.overdue(waiting, story.at(1799)) == []


def test_what_days_have_taught_outlives_a_restart():
    story = after_some_days(longest=3000)
    again = WaitBounds(story.live.calendars.of)
    again.restore(story.live.wait_bounds.written())
    story.entered(0, "ghost")
    story.live.wait_bounds = again

    assert story.live.overdue(story.at(5999)) == []
    assert len(story.live.overdue(story.at(6000))) == 1


@pytest.mark.parametrize(("days", "from_then_on"), [(10, 3), (1, 3), (0, 1)])
def test_who_was_overtaken_more_often_than_anybody_before_is_in_doubt(days: int, from_then_on: int):
    story = Scenario()
    story.live = Live(story.rules, Forecaster(Target(), Calendars(office_hours())))
    for day in range(-days, 0):  # on each, two overtook a caller who was there after all
        for number in range(3):
            story.entered(number + day * 24 * HOUR, f"{day} {number}")
        for at, number in ((60, 1), (70, 2), (80, 0)):
            story.answered(at + day * 24 * HOUR, f"{day} {number}")
    story.entered(0, "ghost")
    doubts, foreseen = [], []
    for number in range(6):
        story.entered(10 + number, f"late {number}").answered(60 + number, f"late {number}")
        [ghost] = [visit for _, visit in story.live.ledger.waiting()]
        doubts.append(bool(story.live.wait_bounds.doubtful([ghost], story.at(70))))
        [given] = story.live.forecast_inputs(story.at(70))
        assert isinstance(given, ForecastInputs)
        foreseen.append(len(given.state.waiting))

    sure = from_then_on - 1
    assert doubts == [False] * sure + [True] * (6 - sure)
    assert foreseen == [1] * sure + [0] * (6 - sure)  # nobody stands behind one who may be gone
    [line] = story.live.snapshot(story.at(70)).total.waiting
    assert line.doubtful


def test_of_a_caller_in_two_queues_only_the_stay_that_others_overtook_is_in_doubt():
    story = Scenario()
    story.live = Live(story.rules, Forecaster(Target(), Calendars(office_hours())))
    story.entered(0, "anna", "a").entered(0, "anna", "b", visit="luleå:anna in b")
    story.entered(10, "bo", "a").answered(20, "bo", "a")
    inputs = story.live.forecast_inputs(story.at(30))
    told = {given.queues: len(given.state.waiting) for given in inputs if isinstance(given, ForecastInputs)}

    assert told == {("a",): 0, ("b",): 1}
