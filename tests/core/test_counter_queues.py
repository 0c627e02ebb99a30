"""Queues of which a switch tells only how many wait."""

from typing import Any

import msgspec

from queue_monitor.api.json.status import status_body
from queue_monitor.api.pages.board import board
from queue_monitor.core.assessment import decided
from queue_monitor.metrics import QueueCollector
from queue_monitor.model import QueueNow, Snapshot, Status, StatusReason
from tests.api.sample import FakeFigures
from tests.scenario import Scenario


def counted(story: Scenario, at: float, queue: str = "bygglov", **counters: object) -> Scenario:
    said = {name: str(value) for name, value in counters.items()}
    return story.snapshot(at, queue=queue, counters=said, complete=False)


def face(story: Scenario, at: float, queue: str = "bygglov") -> QueueNow:
    return next(face for face in decided(story.live.snapshot(story.at(at))).queues if face.name == queue)


def test_the_newest_counters_are_shown_and_no_service_level_is_claimed():
    story = counted(Scenario().connected(0), 1, waiting=9)
    counted(story, 11, waiting=4, oldest_wait_seconds=95, agents_free=2, agents_logged_on=6)
    counted(story, 6, waiting=7)

    shown = face(story, 12)

    assert (shown.waiting_count, shown.waiting, shown.oldest_wait_ms) == (4, (), 95_000)
    assert (shown.staff.known, shown.staff.available, shown.staff.staffed) == (True, 2, 6)
    assert (shown.verdict.status, shown.verdict.reason) == (Status.NO_DATA, StatusReason.COUNTS_ONLY)
    assert shown.periods["day"].counts.entered == 0
    assert shown.periods["day"].headline is None


def test_what_is_not_counted_is_not_known():
    shown = face(counted(Scenario().connected(0), 1, waiting=0, oldest_wait_seconds=95), 2)

    assert (shown.waiting_count, shown.oldest_wait_ms, shown.staff.known) == (0, None, False)


def test_counters_of_another_kind_make_no_gauge():
    story = counted(Scenario().connected(0), 1, waiting="three")
    counted(story, 2, "sales", calls_answered=7)

    assert face(story, 3).counted is None
    assert face(story, 3).verdict.reason is StatusReason.TOO_EARLY
    assert face(story, 3, "sales").counted is None


def test_a_lost_connection_is_told_before_the_lack_of_a_service_level():
    story = counted(Scenario().connected(0), 1, waiting=3).disconnected(9)

    assert face(story, 10).verdict.reason is StatusReason.SOURCE_DOWN


def test_where_callers_are_told_of_the_counters_are_not_used():
    story = counted(Scenario().connected(0), 1, waiting=9).entered(5, "anna", queue="bygglov")

    shown = face(story, 6)

    assert (shown.waiting_count, shown.counted) == (1, None)
    assert shown.verdict.reason is not StatusReason.COUNTS_ONLY


def counted_until(last: int, until: int) -> Scenario:
    """Two queues that are counted every ten seconds, of which one is named no more after some moment."""
    story = Scenario().connected(0)
    for second in range(1, until, 10):
        counted(story, second, "parkering", waiting=1)
        if second <= last:
            counted(story, second, waiting=9, oldest_wait_seconds=700)
    return story


def names(story: Scenario, at: float) -> list[str]:
    return [face.name for face in story.live.snapshot(story.at(at)).queues]


def test_a_queue_that_its_source_counts_no_more_is_not_shown_with_its_last_count_for_ever():
    assert names(counted_until(61, 241), 241) == ["bygglov", "parkering"]
    assert names(counted_until(61, 262), 262) == ["parkering"]
    assert counted_until(61, 262).live.snapshot(Scenario().at(262)).total.waiting_count == 1


def test_a_queue_that_is_counted_again_is_shown_again():
    story = counted(counted_until(61, 400), 401, waiting=3)

    assert (names(story, 402), face(story, 402).waiting_count) == (["bygglov", "parkering"], 3)


def test_a_queue_keeps_its_count_while_its_own_source_is_away():
    story = counted(Scenario().connected(0), 1, waiting=9)
    for second in range(1, 400, 10):
        story.snapshot(second, queue="parkering", counters={"waiting": "1"}, complete=False, source="urn:kc:test:annan")

    assert face(story, 400).waiting_count == 9


def test_a_start_remembers_which_source_counted_a_queue():
    story = counted_until(61, 100)
    again = Scenario()
    again.live.load_states(story.live.save_states(), story.at(100))
    for second in range(101, 300, 10):
        counted(again, second, "parkering", waiting=1)

    assert names(again, 300) == ["parkering"]


def both() -> tuple[Scenario, Snapshot]:
    """Two callers in a queue that is told of, and five in two queues that are only counted."""
    story = Scenario().connected(0).entered(5, "anna").entered(6, "bo").answered(8, "bo")
    counted(story, 10, waiting=2, oldest_wait_seconds=301, agents_free=1, agents_logged_on=3)
    counted(story, 10, "parkering", waiting=3, agents_free=1, agents_logged_on=3)
    return story, decided(story.live.snapshot(story.at(12)))


def test_all_queues_together_add_the_listed_and_the_counted():
    _, snapshot = both()

    assert (snapshot.total.waiting_count, snapshot.total.counted, len(snapshot.total.waiting)) == (6, 5, 1)
    assert snapshot.total.oldest_wait_ms == 301_000
    assert snapshot.total.verdict.reason is not StatusReason.COUNTS_ONLY


def test_agents_of_several_counted_queues_are_not_added_up():
    story = counted(Scenario().connected(0), 1, waiting=2, agents_free=1, agents_logged_on=3)
    one = story.live.snapshot(story.at(2)).total.staff
    counted(story, 3, "parkering", waiting=3, agents_free=1, agents_logged_on=3)

    assert (one.staffed, story.live.snapshot(story.at(4)).total.staff.known) == (3, False)


def test_agents_known_elsewhere_say_nothing_of_a_counted_queue():
    story = Scenario().connected(0).agent(1, "eva", "available", "kundcenter")
    counted(story, 2, waiting=2)
    counted(story, 2, "parkering", waiting=3, agents_free=1, agents_logged_on=3)

    assert not face(story, 3).staff.known
    assert face(story, 3, "parkering").staff.staffed == 3
    assert story.live.snapshot(story.at(3)).total.staff.staffed == 1


def test_every_face_shows_the_same_number():
    _, snapshot = both()
    status: dict[str, Any] = msgspec.json.decode(status_body(snapshot))
    shown = {queue.name: queue for queue in board(snapshot).queues}
    waiting = next(m for m in QueueCollector(FakeFigures(snapshot)).collect() if m.name == "callqueue_calls_waiting")

    assert {queue["name"]: queue["waiting"] for queue in status["queues"]} == {
        "bygglov": 2,
        "kundcenter": 1,
        "parkering": 3,
    }
    assert {queue.name: queue.waiting for queue in shown.values()} == {"bygglov": 2, "kundcenter": 1, "parkering": 3}
    assert {sample.labels["queue"]: sample.value for sample in waiting.samples} == {
        "bygglov": 2,
        "kundcenter": 1,
        "parkering": 3,
    }
    assert (shown["bygglov"].waiting_late, shown["parkering"].waiting_late) == (1, 0)
    assert board(snapshot).total.trusted
