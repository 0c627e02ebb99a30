"""Who tells us, and which open minutes nobody saw."""

import time
from datetime import timedelta
from unittest.mock import Mock

import pytest

from queue_monitor.core import sources
from queue_monitor.core.sources import MAX_SPANS
from queue_monitor.events import Recovery, SourceClock, SourceConnected, SourceGap
from queue_monitor.model import Coverage, StatusReason
from tests.scenario import SOURCE, TEN, Scenario

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


FEW_SPANS = 300


def test_a_source_that_comes_and_goes_for_years_takes_no_more_memory_and_today_is_seen_still(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sources, "MAX_SPANS", FEW_SPANS)
    story = told_from_eight()
    for hour in range(FEW_SPANS + 50, 0, -1):
        story.disconnected(-3600 * hour - 600).connected(-3600 * hour)
        story._tell(SourceGap, -3600 * hour, "gap", from_=story.at(-3600 * hour - 600), to=story.at(-3600 * hour))
    story.disconnected(600).connected(900)
    size = len(story.live.sources.written())
    for hour in range(45):
        story.disconnected(3600 + 2 * hour).connected(3601 + 2 * hour)

    assert coverage(story, 60) == Coverage(seen_minutes=55, blind_minutes=5)
    assert len(story.live.sources.written()) == size


def probed(*offsets_ms: float) -> float | None:
    story = Scenario()
    for number, offset_ms in enumerate(offsets_ms):
        story._tell(SourceClock, 30 * number, offset_ms=offset_ms)
    return story.live.snapshot(story.at(999)).sources[0].clock_offset_ms


def test_one_probe_that_was_late_on_its_way_is_no_clock_that_is_wrong():
    assert probed(0.0, -200_000.0) == 0.0
    assert probed(-200_000.0, 10.0) == 10.0
    assert probed(0.0, -200_000.0, -90_000.0, 20.0) == 20.0


def test_two_probes_that_agree_are_believed_and_so_are_two_that_say_it_is_right_again():
    assert probed(45_000.0, 45_900.0) == 45_900.0
    assert probed(45_000.0, 45_000.0, 10.0) == 45_000.0
    assert probed(45_000.0, 45_000.0, 10.0, 12.0) == 12.0


def test_waits_stay_what_they_are_when_a_heartbeat_came_late():
    story = Scenario()._tell(SourceClock, 0, offset_ms=0.0).entered(10, "anna")
    story._tell(SourceClock, 300, offset_ms=-200_000.0).answered(410, "anna")

    assert story.visit("anna").wait_ms == 400_000


def test_an_event_lifts_an_offline_that_came_before_it_and_none_that_came_after():
    story = told_from_eight().disconnected(600, reason="its last will")

    story.entered(500, "old", live=True)
    gone = story.live.snapshot(story.at(700)).sources[0].up
    story.entered(720, "bo")
    back = story.live.snapshot(story.at(730)).sources[0]

    assert (gone, back.up, back.since) == (False, True, story.at(720))
    assert coverage(story, 20) == Coverage(seen_minutes=18, blind_minutes=2)


def test_gaps_that_overlap_are_one_and_their_seconds_count_once():
    story = told_from_eight()
    for number in range(3_000):
        start, end = story.at(600 - 86_400 * 365 + number), story.at(660 + number / 100)
        story._tell(SourceGap, 700 + number, f"g{number}", from_=start, to=end)

    (gap,) = story.live.sources._gaps["luleå"]
    assert gap[0] == (story.at(600 - 86_400 * 365), story.at(660 + 29.99))
    assert coverage(story, 60).seen_minutes == 48
    assert story.live.sources.now()[0].gap_seconds_total == 86_400 * 365 + 89.99


def test_a_year_of_gaps_is_worked_out_in_a_moment():
    """It took 4.5 s a minute: each of 2,000 stretches was held against each of 2,000 gaps that overlapped."""
    story = Scenario()
    for hour in range(sources.MAX_SPANS, 0, -1):
        story.disconnected(-3600 * hour - 600).connected(-3600 * hour)
        start = story.at(-86_400 * 365 - hour)
        story._tell(SourceGap, -3600 * hour, "gap", from_=start, to=story.at(-3600 * hour))
    story.disconnected(10)

    began = time.process_time()
    story.live.snapshot(story.at(60))

    assert time.process_time() - began < 1.0


def test_a_switch_that_comes_and_goes_costs_the_coverage_of_no_other(monkeypatch: pytest.MonkeyPatch):
    """A publisher that flapped took half the processor: each time the month was worked out anew for every queue."""
    story = told_from_eight().connected(3, source="urn:kc:mqtt:annan", switch="annan")
    worked_out = Mock(wraps=story.live.sources.coverage)
    monkeypatch.setattr(story.live.sources, "coverage", worked_out)

    for second in range(600, 620):
        story.disconnected(second, source="urn:kc:mqtt:annan", switch="annan")
        story.live.coverage(("kundcenter",), story.at(0), story.at(540), story.at(540))

    assert worked_out.call_count == 1


def test_a_sign_of_life_from_the_future_is_forgotten_at_a_start():
    story = told_from_eight()
    story.live.sources._sources[SOURCE].last_event_at = TEN + timedelta(days=365)
    again = Scenario(start=EIGHT).live

    again.sources.restore(story.live.sources.written(), TEN)

    assert again.sources.last_sign() == TEN


def test_a_log_that_misses_lines_time_and_again_is_remembered_in_so_many_stretches():
    story = Scenario()._tell(SourceConnected, 0, source=LOG, live=False)
    for number in range(MAX_SPANS + 500):
        gap = {"from_": story.at(10 * number + 5), "to": story.at(10 * number + 6)}
        story._tell(SourceGap, 10 * number + 6, source=LOG, live=False, **gap)

    assert len(story.live.sources._sources[LOG].spans) == MAX_SPANS


NEW = "urn:kc:test:ny"


def started_with(story: Scenario, at: float, **watched: str) -> Scenario:
    """The next process, whose settings hold these sources by the last part of their names, each with its switch."""
    after = Scenario(start=story.start)
    after.live.sources.watch_only({f"urn:kc:test:{name}": switch for name, switch in watched.items()})
    after.live.load_states(story.live.save_states(), story.at(at))
    return after


def heard(story: Scenario, at: float) -> tuple[StatusReason | None, list[str], list[str]]:
    """Why there is no data, and the queues and sources that are shown."""
    shown = story.live.snapshot(story.at(at))
    return (
        shown.total.no_data_reason,
        [queue.name for queue in shown.queues],
        [source.name.rpartition(":")[2] for source in shown.sources],
    )


def test_a_switch_that_is_no_longer_in_the_settings_makes_nothing_blind():
    after = started_with(told_from_eight(), 60, ny="ny")
    after.connected(61, source=NEW, switch="ny").entered(70, "bo", "växel", source=NEW, switch="ny")

    assert heard(after, 80) == (None, ["växel"], ["ny"])


def test_a_queue_that_another_switch_has_taken_over_is_heard_by_that_one():
    after = started_with(told_from_eight(), 60, ny="ny")
    after.connected(61, source=NEW, switch="ny").entered(70, "bo", source=NEW, switch="ny")

    assert heard(after, 80) == (None, ["kundcenter"], ["ny"])


def test_a_source_under_another_name_leaves_its_switch_what_was_heard_of_it():
    after = started_with(told_from_eight().entered(3600, "eva"), 3600, ny="luleå").connected(3600, source=NEW)

    assert heard(after, 3700) == (None, ["kundcenter"], ["ny"])
    assert coverage(after, 120) == Coverage(seen_minutes=120)


def test_a_switch_under_another_name_is_heard_under_that():
    after = started_with(told_from_eight().entered(3600, "eva"), 3600, luleå="pbx")
    after.connected(3600, switch="pbx").entered(3601, "bo", switch="pbx")

    assert heard(after, 3700) == (None, ["kundcenter"], ["luleå"])
    assert coverage(after, 120) == Coverage(seen_minutes=120)


def test_a_log_that_is_read_no_more_covers_no_minute_after_its_last_line():
    story = Scenario(start=EIGHT).connected(0, source=LOG, live=False)
    story.entered(1, "anna", source=LOG, live=False).entered(3600, "bo", source=LOG, live=False)
    after = started_with(story, 3600, ny="luleå").connected(7200, source=NEW)

    assert coverage(after, 180) == Coverage(seen_minutes=60, recovered_minutes=60, blind_minutes=60)


def test_a_source_of_the_settings_that_is_away_stays_away():
    after = started_with(told_from_eight(), 60, luleå="luleå")

    assert heard(after, 80) == (StatusReason.SOURCE_DOWN, ["kundcenter"], ["luleå"])


def left_behind() -> Scenario:
    """A switch that has told of calls today and is no longer watched; another one is, and has told of a call too."""
    story = told_from_eight().refused(5, "cilla", queue="reception").entered(7, "dan", "kö")
    story.live.sources.watch_only({NEW: "ny"})
    return story.connected(61, source=NEW, switch="ny").entered(70, "bo", "växel", source=NEW, switch="ny")


def test_a_queue_that_is_watched_no_more_stays_for_the_day_with_its_calls():
    """The totals have them, so the parts do: they contradicted each other for the rest of the day."""
    story = left_behind().left(80, "bo", queue="växel", source=NEW, switch="ny")
    shown = story.live.snapshot(story.at(90))

    parts = {queue.name: queue.periods["day"].counts.dialled for queue in shown.queues}
    assert parts == {"kundcenter": 1, "kö": 1, "reception": 1, "växel": 1}
    assert sum(parts.values()) == shown.total.periods["day"].counts.dialled
    assert sum(queue.waiting_count for queue in shown.queues) == shown.total.waiting_count == 1
    assert {queue.name: queue.no_data_reason for queue in shown.queues} == {
        "kundcenter": StatusReason.NOT_WATCHED,
        "kö": StatusReason.NOT_WATCHED,
        "reception": StatusReason.NOT_WATCHED,
        "växel": None,
    }
    assert (shown.total.no_data_reason, shown.total.queues) == (None, ("växel",))


def test_a_queue_that_is_watched_no_more_is_gone_the_next_day():
    story = left_behind().left(80, "dan", queue="kö")
    story.live.start_day(story.at(86_400))

    assert [queue.name for queue in story.live.snapshot(story.at(86_400)).queues] == ["växel"]


def test_a_queue_that_is_watched_no_more_is_forecast_no_more_and_in_no_pool():
    story = left_behind()
    story.live.recall_pools([("kö", "växel")], story.at(80))
    as_before = story.live.pools(story.live.queues())

    assert [scope.queues for scope in as_before if len(scope.queues) > 1] == [("kö", "växel")]
    assert [scope.queues for scope in story.live.scopes()] == [("växel",)]
    assert story.live.snapshot(story.at(90)).pools == ()


def test_before_the_new_switch_names_a_queue_all_together_have_data():
    story = told_from_eight()
    story.live.sources.watch_only({NEW: "ny"})
    story.connected(61, source=NEW, switch="ny")

    assert heard(story, 80) == (None, ["kundcenter"], ["ny"])
    assert story.live.snapshot(story.at(80)).total.periods["day"].counts.answered == 1


@pytest.mark.parametrize("named", ["ny", NEW])
def test_of_publishers_that_the_settings_name_the_others_make_nothing_blind(named: str):
    """One was renamed, or taken out: it made its queues and the totals blind for ever."""
    broker = {"urn:kc:mqtt:broker": "broker"}
    after = Scenario(start=EIGHT)
    after.live.sources.watch_only(broker, {named})
    after.live.load_states(told_from_eight().live.save_states(), after.at(60))
    after.connected(61, source=NEW, switch="pbx").entered(70, "bo", "växel", source=NEW, switch="pbx")

    assert heard(after, 80) == (None, ["växel"], ["ny"])


def test_a_publisher_that_the_settings_name_and_that_is_away_stays_away():
    """However long: silence is not health."""
    after = Scenario(start=EIGHT)
    after.live.sources.watch_only({"urn:kc:mqtt:broker": "broker"}, {"luleå"})
    after.live.load_states(told_from_eight().live.save_states(), after.at(60))
    after.connected(61, source="urn:kc:mqtt:broker", switch="broker")

    assert heard(after, 86_400 * 40) == (StatusReason.SOURCE_DOWN, ["kundcenter"], ["broker", "luleå"])
