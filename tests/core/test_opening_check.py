"""The switch answers when the calendar says closed, or turns callers away when it says open: somebody is told."""

from datetime import timedelta

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.opening_check import disagreements
from queue_monitor.model import Disagreement, HoursDoubt
from tests.scenario import TEN, Scenario, office_hours


def found(story: Scenario) -> list[tuple[HoursDoubt, int]]:
    return [(one.doubt, one.calls) for one in told(story)]


def told(story: Scenario) -> list[Disagreement]:
    hours = office_hours()
    return disagreements(lambda queue: hours, story.visits(), story.live.ledger.refusals())


def test_calls_entered_and_answered_in_the_evening_say_that_the_calendar_is_wrong():
    story = Scenario(start=TEN.replace(hour=18)).entered(0, "anna").answered(20, "anna").entered(5, "bo")
    story.answered(60, "bo")

    assert found(story) == [(HoursDoubt.ANSWERED_WHILE_CLOSED, 2)]


def test_the_last_call_of_the_day_answered_after_closing_says_nothing():
    story = Scenario(start=TEN.replace(hour=15, minute=58)).entered(0, "anna").answered(360, "anna")

    assert found(story) == []


def test_callers_turned_away_as_closed_in_the_forenoon_say_that_one_of_the_two_is_wrong():
    story = Scenario().refused(0, "anna", "closed").refused(90, "bo", "closed").refused(95, "cilla", "full")

    assert found(story) == [(HoursDoubt.REFUSED_WHILE_OPEN, 2)]


def test_a_caller_put_out_of_the_queue_as_closed_in_the_forenoon_counts_too():
    story = Scenario().entered(0, "anna").left(30, "anna", "closed")

    (one,) = told(story)

    assert (one.doubt, one.first) == (HoursDoubt.REFUSED_WHILE_OPEN, TEN + timedelta(seconds=30))


def test_at_the_stroke_of_closing_clocks_may_differ():
    story = Scenario(start=TEN.replace(hour=15, minute=59)).refused(0, "anna", "closed")

    assert found(story) == []


def test_every_face_is_told_of_todays_disagreement_and_not_of_yesterdays():
    story = Scenario().refused(0, "anna", "closed").refused(90, "bo", "closed")

    (now,) = story.live.snapshot(TEN + timedelta(minutes=10)).hours_disagreements
    tomorrow = story.live.snapshot(TEN + timedelta(days=1))

    assert (now.doubt, now.calls, now.first) == (HoursDoubt.REFUSED_WHILE_OPEN, 2, TEN)
    assert tomorrow.hours_disagreements == ()


def test_a_finding_of_today_is_kept_though_its_calls_are_let_go_of():
    story = Scenario(start=TEN.replace(hour=18)).entered(0, "anna").answered(20, "anna").completed(60, "anna")
    story.refused(70, "bo", "closed")
    assert len(story.live.evict(story.at(3600))) == 1

    (now,) = HeldCalls(story.live).disagreements(story.at(0), story.at(3600))
    (shown,) = story.live.snapshot(story.at(3600)).hours_disagreements

    assert (now.doubt, now.calls) == (HoursDoubt.ANSWERED_WHILE_CLOSED, 1)
    assert shown == now
