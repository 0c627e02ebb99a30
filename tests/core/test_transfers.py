"""Who was answered and passed on waits anew: counted on the queue that received the call, and by itself."""

from datetime import timedelta

from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.model import Level, TransferWaits
from tests.scenario import Scenario


def passed_on() -> Scenario:
    """Anna is answered, passed on and answered again; Bo is passed on and waits; Cia only overflows."""
    story = Scenario().entered(0, "anna").answered(10, "anna").completed(30, "anna")
    story.entered(31, "anna", "bygglov").answered(511, "anna", "bygglov")
    story.entered(40, "bo").answered(50, "bo").completed(60, "bo").entered(61, "bo", "bygglov")
    story.entered(70, "cia").left(100, "cia", "overflow").entered(101, "cia", "bygglov").answered(120, "cia", "bygglov")
    return story


def waits(story: Scenario, queue: str | None = None) -> list[TransferWaits]:
    return HeldCalls(story.live).transfer_waits(story.start, story.start + timedelta(hours=1), queue)


def test_the_receiving_queue_is_told_how_long_they_waited_and_an_overflow_is_none_of_them():
    (bygglov,) = waits(passed_on())

    assert (bygglov.queue, bygglov.calls, bygglov.answered, bygglov.waiting) == ("bygglov", 2, 1, 1)
    assert (bygglov.mean_seconds, bygglov.longest_seconds) == (480.0, 480.0)


def test_the_queue_that_passed_them_on_has_none():
    assert waits(passed_on(), "kundcenter") == []


def test_figures_of_several_queues_are_those_of_their_calls_together():
    story = passed_on()
    end = story.start + timedelta(hours=1)

    def entered(queue: str | tuple[str, ...] | None) -> int:
        (hour,) = HeldCalls(story.live).intervals(end, story.start, end, "hour", Level.VISIT, queue)
        return hour.counts.entered

    assert entered(("kundcenter", "bygglov")) == entered("kundcenter") + entered("bygglov") == entered(None) == 6


def test_where_switch_and_calendar_differ_can_be_asked_of_one_day():
    story = Scenario().refused(0, "anna", "closed")
    hour = timedelta(hours=1)

    assert [found.calls for found in HeldCalls(story.live).disagreements(story.start, story.start + hour)] == [1]
    assert HeldCalls(story.live).disagreements(story.start + hour, story.start + 2 * hour) == []
