"""The ledger held against the switch's own totals."""

from collections.abc import Iterable
from datetime import timedelta

from queue_monitor.core.reconcile import MAX_COMPARED, Reconciler
from queue_monitor.model import DifferenceCause, Visit
from tests.scenario import Scenario


def counted(story: Scenario, at: float, completed: int, let_go: int) -> Scenario:
    return story.snapshot(at, counters={"Completed": str(completed), "Abandoned": str(let_go), "Holdtime": "3"})


def differences(story: Scenario) -> dict[str, tuple[int, int, DifferenceCause]]:
    found = story.live.snapshot(story.at(1000)).reconciliation
    return {d.counter: (d.switch_says, d.ledger_says, d.cause) for d in found}


def test_totals_that_agree_have_no_cause():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    story.entered(10, "anna").answered(20, "anna").completed(50, "anna").entered(15, "bo").left(40, "bo", "timeout")
    counted(story, 100, completed=11, let_go=3)

    assert differences(story) == {"completed": (1, 1, DifferenceCause.NONE), "let_go": (1, 1, DifferenceCause.NONE)}


def test_a_call_missed_in_a_gap_is_a_difference_with_that_cause():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    story.disconnected(10).connected(70)
    counted(story, 100, completed=11, let_go=2)

    assert differences(story)["completed"] == (1, 0, DifferenceCause.GAP)


def test_a_call_missed_with_nobody_away_is_unexplained():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    counted(story, 100, completed=10, let_go=3)

    assert differences(story)["let_go"] == (1, 0, DifferenceCause.UNEXPLAINED)


def test_a_call_the_switch_books_late_is_its_way_of_booking():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    story.entered(10, "anna").answered(20, "anna").completed(50, "anna")
    counted(story, 100, completed=10, let_go=2)

    assert differences(story)["completed"] == (0, 1, DifferenceCause.BOOKING)


def test_a_counter_that_was_reset_is_compared_from_there():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    counted(story, 100, completed=0, let_go=0)
    story.entered(110, "anna").answered(120, "anna").completed(150, "anna")
    counted(story, 200, completed=1, let_go=0)

    assert differences(story) == {"completed": (1, 1, DifferenceCause.NONE), "let_go": (0, 0, DifferenceCause.NONE)}


def test_a_counter_that_goes_back_with_every_list_does_not_read_all_calls_each_time():
    story = Scenario().connected(-60)
    story.entered(1, "sen").answered(2, "sen").completed(150, "sen")
    read = 0

    def calls() -> list[Visit]:
        nonlocal read
        read += 1
        return story.visits()

    reconciler = Reconciler()
    for number in range(50):
        counted(story, 100 + number, completed=number % 2, let_go=0)
        reconciler.compare(story.events[-1], calls, lambda since: timedelta())  # type: ignore[arg-type]
    counted(story, 200, completed=2, let_go=0)
    reconciler.compare(story.events[-1], calls, lambda since: timedelta())  # type: ignore[arg-type]

    assert read == 2, "once for each counter"
    assert {d.counter: d.ledger_says for d in reconciler.differences()} == {"completed": 1, "let_go": 0}
    assert differences(story)["completed"][:2] == (2, 1)


def listed(story: Scenario, at: float, switch: str, source: str, queues: Iterable[str]) -> None:
    for queue in queues:
        counters = {"Completed": "1", "Abandoned": "1"}
        story.snapshot(at, queue=queue, switch=switch, source=source, counters=counters)


def test_queues_of_made_up_switches_do_not_fill_the_list_of_differences():
    story = Scenario()
    queues = [f"kö {number}" for number in range(20)]
    for at in (0, 10):
        for switch in range(100):
            listed(story, at + switch / 100, f"hittepå {switch}", "urn:kc:mqtt:mad", queues)
    for at in (20, 30):
        listed(story, at, "piteå", "urn:kc:test:piteå", queues)

    found = story.live.snapshot(story.at(60)).reconciliation
    assert len(found) == 2 * MAX_COMPARED
    assert len([difference for difference in found if difference.switch == "piteå"]) == 2 * len(queues)
    after = Reconciler()
    after.restore(story.live.reconciler.written())
    assert after.written() == story.live.reconciler.written()


def test_counters_never_feed_the_totals():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    counted(story, 100, completed=500, let_go=80)

    assert story.counts(200).entered == 0


def test_calls_that_are_let_go_of_still_stand_beside_the_counters():
    story = counted(Scenario().connected(-60), 0, completed=10, let_go=2)
    story.entered(10, "anna").answered(20, "anna").completed(50, "anna").entered(15, "bo").left(40, "bo", "timeout")
    assert len(story.live.evict(story.at(60))) == 2
    story.entered(70, "cia").answered(71, "cia").completed(80, "cia")
    counted(story, 100, completed=12, let_go=3)

    assert differences(story) == {"completed": (2, 2, DifferenceCause.NONE), "let_go": (1, 1, DifferenceCause.NONE)}


def test_a_call_that_is_amended_after_it_was_let_go_of_is_amended_there_too():
    story = Scenario().connected(-60)
    story.live.note_changes(True)
    counted(story, 0, completed=10, let_go=2)
    story.entered(15, "bo").left(40, "bo", "unknown")
    (row,), _ = story.live.take_records()
    story.live.mark_known([row.contact_id])
    story.live.evict(story.at(3600))
    story.live.load_calls([row.evidence])
    story.left(50, "bo", "abandoned")
    counted(story, 100, completed=10, let_go=3)

    assert differences(story)["let_go"] == (1, 1, DifferenceCause.NONE)
    assert story.live.held_from == story.start + timedelta(hours=1)
