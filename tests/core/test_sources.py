"""Who tells us, and which open minutes nobody saw."""

from datetime import timedelta

from queue_monitor.core.sources import MOST_SPANS
from queue_monitor.events import Recovery, SourceGap
from queue_monitor.model import Coverage
from tests.scenario import TEN, Scenario

LOG = "urn:kc:asterisk_queuelog:luleå"
EIGHT = TEN - timedelta(hours=2)


def coverage(story: Scenario, minutes: float) -> Coverage:
    """Coverage of the day, told from 8.00."""
    return story.live.snapshot(story.at(minutes * 60)).total.periods["day"].coverage


def told_from_eight() -> Scenario:
    return Scenario(start=EIGHT).connected(0).entered(1, "anna").answered(2, "anna")


def test_a_day_watched_from_opening_is_seen_whole():
    assert coverage(told_from_eight(), 60) == Coverage(seen_minutes=60)


def test_a_minute_is_seen_only_when_it_was_seen_whole():
    story = told_from_eight().disconnected(10 * 60 + 30).connected(12 * 60 + 1)

    assert coverage(story, 60) == Coverage(seen_minutes=57, blind_minutes=3)


def test_the_time_before_the_monitor_first_connected_is_blind():
    story = Scenario(start=EIGHT).connected(30 * 60).entered(1801, "anna").answered(1802, "anna")

    assert coverage(story, 60) == Coverage(seen_minutes=30, blind_minutes=30)


def test_a_log_turns_a_blind_minute_into_a_recovered_one():
    story = told_from_eight().disconnected(10 * 60).connected(20 * 60)
    story.connected(0, source=LOG, live=False)

    assert coverage(story, 60) == Coverage(seen_minutes=50, recovered_minutes=10)


def test_a_stated_gap_is_blind_until_something_recovers_it():
    def with_gap(recovered: Recovery) -> Coverage:
        story = told_from_eight()
        story._tell(SourceGap, 1300, "gap", from_=story.at(600), to=story.at(1200), cause="lag", recovered=recovered)
        return coverage(story, 60)

    assert with_gap(Recovery.NONE) == Coverage(seen_minutes=50, blind_minutes=10)
    assert with_gap(Recovery.SNAPSHOT) == Coverage(seen_minutes=50, recovered_minutes=10)


def test_a_log_alone_is_never_seen_only_recovered():
    story = Scenario(start=EIGHT).connected(0, source=LOG, live=False)
    story.entered(1, "anna", source=LOG, live=False)

    assert coverage(story, 60) == Coverage(recovered_minutes=60)
    assert coverage(story, 60).ratio == 1.0


def test_minutes_outside_opening_hours_are_no_matter():
    story = Scenario(start=EIGHT).connected(-3600).disconnected(-1800).connected(-60)

    assert coverage(story, 30) == Coverage(seen_minutes=30)


def test_a_source_that_never_said_so_is_connected_from_its_first_event():
    story = Scenario(start=EIGHT).entered(0, "anna").answered(1, "anna")
    source = story.live.snapshot(story.at(60)).sources[0]

    assert (source.up, source.since) == (True, EIGHT)


def test_gaps_are_counted_in_seconds():
    story = told_from_eight().disconnected(600).connected(690)

    assert story.live.snapshot(story.at(700)).sources[0].gap_seconds_total == 90


def test_a_source_that_comes_and_goes_for_years_takes_no_more_memory_and_today_is_seen_still():
    story = told_from_eight()
    for hour in range(MOST_SPANS + 50, 0, -1):
        story.disconnected(-3600 * hour - 600).connected(-3600 * hour)
        story._tell(SourceGap, -3600 * hour, "gap", from_=story.at(-3600 * hour - 600), to=story.at(-3600 * hour))
    story.disconnected(600).connected(900)
    size = len(story.live.sources.written())
    for hour in range(300):
        story.disconnected(3600 + 2 * hour).connected(3601 + 2 * hour)

    assert coverage(story, 60) == Coverage(seen_minutes=55, blind_minutes=5)
    assert len(story.live.sources.written()) == size
