"""A switch that has gone mad cannot drown the real queues: names and reasons are bounded, what is too many counts."""

from queue_monitor.core.live import AT_ONCE, MOST_QUEUES, MOST_REASONS, OTHERS
from tests.scenario import SOURCE, Scenario


def test_six_hundred_made_up_names_take_half_the_places_and_one_stands_for_all_the_others():
    story = Scenario().connected(0).entered(0, "anna").answered(5, "anna")
    for number in range(600):
        story.entered(10, f"{number}", queue=f"hittepå {number}").left(20, f"{number}", queue=f"hittepå {number}")
    story.entered(30, "bo").answered(40, "bo")

    snapshot = story.live.snapshot(story.at(60))

    assert len(snapshot.queues) == AT_ONCE + 1
    assert story.counts(60, "kundcenter").answered == 2
    assert story.counts(60).entered == 602
    assert snapshot.rejected == {f"{SOURCE} too_many_queues": 600 - AT_ONCE + 1}
    assert story.counts(60, OTHERS).abandoned == 600 - AT_ONCE + 1


def test_a_real_queue_gets_its_place_after_any_number_of_made_up_names():
    story = Scenario().connected(0)
    for number in range(1_000):
        story.entered(10, f"{number}", queue=f"hittepå {number}")
    for number in range(3):
        story.entered(30 + number, f"r{number}", queue="bygglov").answered(40 + number, f"r{number}", queue="bygglov")

    assert story.counts(60, "bygglov").answered == 2
    assert story.counts(60, OTHERS).answered == 1


def test_queues_that_all_have_calls_fill_all_places_and_no_more():
    story = Scenario().connected(0)
    for number in range(600):
        story.entered(10, f"{number}a", queue=f"kö {number}").entered(10, f"{number}b", queue=f"kö {number}")

    assert len(story.live.snapshot(story.at(60)).queues) == MOST_QUEUES


def test_reasons_for_not_understanding_are_bounded_and_still_counted():
    story = Scenario()
    for number in range(1_000):
        story.live.reject(SOURCE, f"reason_{number}")

    snapshot = story.live.snapshot(story.at(0))

    assert len(snapshot.rejected) == MOST_REASONS + 1
    assert sum(snapshot.rejected.values()) == snapshot.events["invalid"] == 1_000
