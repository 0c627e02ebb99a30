"""A promise to call back is not an answer: what the call back changes, and for whom (docs/definitions.md)."""

import itertools
from typing import Any

import pytest

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.events import EntryReason
from queue_monitor.model import DefinitionId, ExitPolicy, Level, Outcome
from tests.scenario import TEN, Scenario

HALF_AN_HOUR = ExitPolicy(judged=frozenset({Outcome.CALLBACK}), within_ms=1_800_000)


def promised(exit_policy: ExitPolicy | None = None, at: float = 100, **target: Any) -> Scenario:
    """Anna asks to be called back, and Bo is answered at once."""
    told = Scenario(exit_policy=exit_policy, **target).entered(0, "bo").answered(5, "bo")
    return told.entered(0, "anna").left(at, "anna", "callback")


def called(story: Scenario, at: float, answered: float | None = None) -> Scenario:
    story.entered(at, "anna", visit="back", leg_id="luleå:out", entry_reason=EntryReason.CALLBACK)
    return story if answered is None else story.answered(answered, "anna", visit="back")


def test_without_a_setting_the_caller_is_a_miss_however_soon_somebody_calls():
    story = called(promised(), 110, 120)
    anna = story.contact("anna")

    assert (anna.outcome, anna.wait_ms, anna.called_back_ms) == (Outcome.CALLBACK, 100_000, 120_000)
    assert story.counts(600).callback == 1
    assert story.counts(600).answered == 1
    assert story.day(600).headline == 0.5


@pytest.mark.parametrize(("answered", "field"), [(1800, "called_back"), (1800.001, "callback")])
def test_where_it_is_judged_the_time_from_entry_to_the_answer_of_the_call_back_decides(answered: float, field: str):
    story = called(promised(HALF_AN_HOUR), 1790, answered)

    assert getattr(story.counts(2000), field) == 1
    assert story.counts(2000).entered == 2
    assert story.day(2000).headline == (1.0 if field == "called_back" else 0.5)


def test_a_call_back_that_nobody_answers_is_still_only_a_promise():
    story = called(promised(HALF_AN_HOUR), 600)
    assert story.counts(700).waiting == 0
    story.left(640, "anna", "abandoned", visit="back")

    assert story.counts(700).callback == 1
    assert story.contact("anna").called_back_ms is None
    assert called_again(story).counts(1000).called_back == 1


def called_again(story: Scenario) -> Scenario:
    story.entered(900, "anna", visit="again", leg_id="luleå:out 2", entry_reason=EntryReason.CALLBACK)
    return story.answered(910, "anna", visit="again")


def test_as_long_as_the_call_may_come_in_time_the_highest_share_allows_for_it():
    story = promised(HALF_AN_HOUR)
    moments = [(200, 1.0), (1800, 1.0), (1801, 0.5)]

    assert [story.day(at).ceiling for at, _ in moments] == [ceiling for _, ceiling in moments]
    assert [story.day(at).headline for at, _ in moments] == [0.5, 0.5, 0.5]
    assert promised().day(200).ceiling == 0.5


@pytest.mark.parametrize("definition", list(DefinitionId))
def test_the_share_always_lies_between_the_lowest_and_the_highest_of_before(definition: DefinitionId):
    before = promised(HALF_AN_HOUR, definition=definition)
    lowest, highest = before.day(200).floor, before.day(200).ceiling
    after = called(before, 300, 310).day(400).service_level[definition.value]

    assert lowest is not None and after is not None and highest is not None
    assert lowest <= after <= highest


def test_the_order_in_which_it_is_told_changes_nothing():
    whole = called(promised(HALF_AN_HOUR), 600, 610)
    expected = whole.counts(700)

    for events in itertools.permutations(whole.events[2:]):
        story = Scenario(exit_policy=HALF_AN_HOUR)
        for event in (*whole.events[:2], *events):
            story.add(event)
        assert story.counts(700) == expected


def test_a_call_back_to_one_who_was_answered_before_changes_nothing():
    story = promised(HALF_AN_HOUR)
    story.entered(200, "bo", queue="bygglov", visit="later").left(220, "bo", "callback", visit="later")
    called_bo = story.entered(300, "bo", visit="bo back", leg_id="luleå:out", entry_reason=EntryReason.CALLBACK)
    bo = called_bo.answered(310, "bo", visit="bo back").contact("bo")

    assert (bo.outcome, bo.wait_ms, bo.wait_after_transfer_ms) == (Outcome.ANSWERED, 5_000, 20_000)
    assert story.counts(400).answered_in_time == 1


def test_who_was_promised_a_call_before_opening_is_judged_from_opening():
    before_opening = TEN.replace(hour=6, minute=59)
    story = Scenario(start=before_opening, exit_policy=HALF_AN_HOUR)
    story.entered(0, "anna").left(100, "anna", "callback")

    assert story.day(1860).ceiling == 1.0
    assert story.day(1861).ceiling == 0.0
    assert called(story, 1850, 1860).counts(2000).called_back == 1


def test_the_list_of_lost_calls_holds_those_who_were_not_called_back_in_time():
    late, soon = called(promised(HALF_AN_HOUR), 3000, 3010), called(promised(HALF_AN_HOUR), 300, 310)
    lines = HeldCalls(late.live).lost_calls(TEN, TEN.replace(hour=12))

    assert [(line.outcome, line.reached_later) for line in lines] == [(Outcome.CALLBACK, True)]
    assert HeldCalls(soon.live).lost_calls(TEN, TEN.replace(hour=12)) == []


def test_each_stay_in_a_queue_is_what_it_is():
    visits = called(promised(HALF_AN_HOUR), 300, 310).counts(400, level=Level.VISIT)

    assert (visits.callback, visits.answered, visits.by_callback, visits.called_back) == (1, 2, 1, 0)
