"""Who calls again on the same day, who is reached later and who is not back: never across days, never a guess."""

from datetime import UTC, date, datetime, timedelta

import pytest

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import Live
from queue_monitor.core.repeat_callers import MAX_CALLS
from queue_monitor.events import Caller, CallRingEnded, RingResult
from queue_monitor.model import LOST_OUTCOMES, Outcome, RepeatCallers
from queue_monitor.simulation import simulate
from queue_monitor.simulation.day import CallTruth, Config, Day, Kind
from tests.scenario import Scenario

LATE_EVENING = datetime(2026, 11, 23, 22, 50, tzinfo=UTC)
"""Monday 23.50 in Luleå, ten minutes before the day ends."""


def person(name: str) -> Caller:
    return Caller(pseudonym=name)


def today(story: Scenario, at: float, queue: str | None = None) -> RepeatCallers | None:
    snapshot = story.live.snapshot(story.at(at))
    if queue is None:
        return snapshot.total.repeat_callers
    return next(face.repeat_callers for face in snapshot.queues if face.name == queue)


def counts(found: RepeatCallers | None) -> tuple[int, ...]:
    assert found is not None
    return found.calls, found.repeated, found.lost, found.reached_later, found.answered, found.not_back


def test_a_caller_who_gives_up_calls_again_and_is_answered_is_counted_once_in_each():
    story = Scenario().entered(0, "1", caller=person("a")).left(50, "1")
    story.entered(60, "2", caller=person("b")).answered(70, "2")
    story.entered(300, "3", caller=person("a")).answered(310, "3")

    assert counts(today(story, 400)) == (3, 1, 1, 1, 2, 2)


def test_an_answered_caller_who_calls_again_was_back():
    story = Scenario().entered(0, "1", caller=person("a")).answered(10, "1")
    story.entered(600, "2", caller=person("a"))

    assert counts(today(story, 700)) == (2, 1, 0, 0, 1, 0)


def recorded(story: Scenario) -> list[str]:
    return [record.contact_id for record in story.live.take_records()[0]]


def test_a_lost_call_is_written_again_once_when_its_caller_is_reached_and_not_at_each_later_answer():
    story = Scenario().entered(0, "1", caller=person("a")).left(50, "1")
    story.live.note_changes(wanted=True)

    assert sorted(recorded(story.entered(60, "2", caller=person("a")).answered(70, "2"))) == ["luleå:1", "luleå:2"]
    assert recorded(story.entered(80, "3", caller=person("a")).answered(90, "3")) == ["luleå:3"]


def test_a_lost_call_is_written_again_when_it_turns_out_that_its_caller_was_not_reached():
    story = Scenario().entered(0, "1", caller=person("a")).left(50, "1")
    story.entered(60, "2", caller=person("a"))._ring(70, "2", "r", "answered", 5).answered(75, "2", ring_id="r")
    story.live.note_changes(wanted=True)
    recorded(story)
    story._tell(CallRingEnded, 76, "r", ring_id="r", visit_id="luleå:2@kundcenter", result=RingResult.FAILED)

    assert sorted(recorded(story)) == ["luleå:1", "luleå:2"]
    assert counts(today(story, 100))[3] == 0


def test_a_pseudonym_that_stands_for_any_number_of_callers_joins_only_so_many():
    story = Scenario()
    for number in range(MAX_CALLS + 300):
        story.entered(number, str(number), caller=person("anonymous")).left(number + 0.5, str(number))
    story.live.note_changes(wanted=True)
    recorded(story)
    story.entered(600, "last", caller=person("anonymous")).answered(610, "last")

    assert counts(today(story, 700))[:2] == (MAX_CALLS, MAX_CALLS - 1)
    assert recorded(story) == ["luleå:last"]


def test_a_call_to_another_queue_is_a_call_of_the_same_person_and_counts_in_its_own_queue():
    story = Scenario().entered(0, "1", "bygglov", caller=person("a")).left(50, "1", queue="bygglov")
    story.entered(300, "2", caller=person("a")).answered(310, "2")

    assert counts(today(story, 400, "bygglov")) == (1, 0, 1, 1, 0, 0)
    assert counts(today(story, 400, "kundcenter")) == (1, 1, 0, 0, 1, 1)
    assert counts(today(story, 400)) == (2, 1, 1, 1, 1, 1)


def test_where_nobody_is_told_apart_there_is_no_figure_and_never_nought():
    story = Scenario().entered(0, "1").left(50, "1").entered(60, "2", caller=Caller(withheld=True)).answered(70, "2")

    assert today(story, 100) is None


def test_a_caller_without_a_pseudonym_is_in_none_of_the_counts():
    story = Scenario().entered(0, "1", caller=person("a")).answered(10, "1").entered(20, "2").left(30, "2")

    assert counts(today(story, 100)) == (1, 0, 0, 0, 1, 1)
    found = today(story, 100)
    assert found is not None
    assert (found.repeat_ratio, found.reached_later_ratio, found.not_back_ratio) == (0.0, None, 1.0)


def test_only_many_calls_without_a_pseudonym_show_that_the_sources_give_none():
    story = Scenario()
    for number in range(19):
        story.entered(number, str(number))
    before = story.live.snapshot(story.at(100)).callers_since
    story.entered(101, "last")

    assert before is not None
    assert story.live.snapshot(story.at(110)).callers_since is None
    assert story.entered(120, "one", caller=person("a")).live.snapshot(story.at(130)).callers_since == before


def test_nobody_is_recognised_on_another_day_even_by_the_same_pseudonym():
    story = Scenario(LATE_EVENING).entered(0, "1", caller=person("a")).left(60, "1")
    story.entered(900, "2", caller=person("a")).answered(910, "2")

    (lost,) = HeldCalls(story.live).lost_calls(LATE_EVENING, LATE_EVENING + timedelta(hours=1))
    assert lost.reached_later is False
    assert counts(today(story, 500)) == (1, 0, 1, 0, 0, 0)
    assert counts(today(story, 1000)) == (1, 0, 0, 0, 1, 1)


def test_after_a_start_only_calls_from_then_on_are_counted_and_it_says_since_when():
    story = Scenario()
    story.live.callers.since = story.at(100)
    story.entered(0, "1", caller=person("a")).left(50, "1")
    story.entered(300, "2", caller=person("a")).answered(310, "2")

    found = today(story, 400)
    assert found is not None
    assert found.since == story.at(100)
    assert counts(found) == (1, 0, 0, 0, 1, 1)


def test_the_figures_of_a_day_that_began_before_the_start_hold_from_midnight():
    story = Scenario().entered(0, "1", caller=person("a")).answered(10, "1")
    story.live.callers.since = story.at(-2 * 86_400)

    found = today(story, 20)
    assert found is not None
    assert found.since == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


def test_calls_that_leave_memory_stay_in_the_days_counts():
    story = Scenario().entered(0, "1", caller=person("a")).left(50, "1")
    before = counts(today(story, 100))
    story.live.evict(story.at(3600))

    assert counts(today(story, 3600)) == before
    story.entered(4000, "2", caller=person("a")).answered(4010, "2")
    assert counts(today(story, 4100)) == (2, 1, 1, 1, 1, 1)
    story.live.evict(story.at(3 * 86_400))
    assert today(story, 4100) is None


def truth_of(day: Day) -> RepeatCallers:
    """Count a simulated day by the persons that the simulator knows."""
    by_person: dict[int, list[list[CallTruth]]] = {}
    contacts: dict[str, list[CallTruth]] = {}
    for call in day.calls:
        if call.outcome is not Outcome.REFUSED and not call.withheld:
            contacts.setdefault(call.contact_id, []).append(call)
    for stays in contacts.values():
        by_person.setdefault(stays[0].person, []).append(stays)
    found = dict.fromkeys(("calls", "repeated", "lost", "reached_later", "answered", "not_back"), 0)
    for its in by_person.values():
        its.sort(key=lambda stays: stays[0].entered_at)
        for number, stays in enumerate(its):
            later = its[number + 1 :]
            answered = any(stay.outcome is Outcome.ANSWERED for stay in stays)
            lost = not answered and stays[-1].outcome in LOST_OUTCOMES
            found["calls"] += 1
            found["repeated"] += number > 0
            found["lost"] += lost
            found["reached_later"] += lost and any(
                stay.outcome is Outcome.ANSWERED for stays in later for stay in stays
            )
            found["answered"] += answered
            found["not_back"] += answered and not later
    return RepeatCallers(since=day.calls[0].entered_at, **found)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_over_a_simulated_day_the_figures_are_the_truth(seed: int):
    day = simulate(Config(date=date(2026, 11, 23), seed=seed, kind=Kind.BURST, returns_ratio=0.12))
    live = Live(Scenario().rules)
    for event in day.events:
        live.apply(event)

    found = live.snapshot(day.events[-1].at).total.repeat_callers

    assert counts(found) == counts(truth_of(day))
    assert found is not None
    assert found.repeated > 100 and found.reached_later > 10 and found.answered - found.not_back > 50
