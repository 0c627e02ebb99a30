"""Events about calls leave memory in the end, and no event costs more because of those before it."""

from typing import Any

from queue_monitor.core.agents import MAX_AGENTS
from queue_monitor.core.known_queues import OTHERS
from queue_monitor.core.ledger import MAX_LISTS
from queue_monitor.core.queue_places import AT_ONCE
from queue_monitor.events import AgentActivity, AgentState, CallRingEnded, QueueSnapshot, RingResult
from tests.scenario import Scenario

DAY = 86_400


def test_a_failed_ring_of_a_visit_that_nobody_knows_is_let_go_like_a_call():
    story = Scenario()
    for number in range(50):
        its: dict[str, Any] = {"ring_id": f"r{number}", "visit_id": f"v{number}", "result": RingResult.FAILED}
        story._tell(CallRingEnded, 0, number, **its)

    story.live.evict(story.at(-DAY))
    assert len(story.live._ledger._evidence) == 50, "its answer may still come"
    story.live.evict(story.at(DAY))

    assert (story.live._ledger._evidence, story.live._ledger._reports) == ({}, {})


def test_lists_whose_time_stands_still_are_not_remembered_each_time():
    story = Scenario().entered(10, "anna")
    for number in range(3 * MAX_LISTS):
        its: dict[str, Any] = {"queue": "kundcenter", "as_of": story.at(5), "up": ("luleå:x",)}
        story._tell(QueueSnapshot, 5, number, complete=True, **its)

    switch = story.live._ledger._switches["luleå"]
    [evidence] = story.live._ledger._evidence.values()
    assert (len(switch.snapshots["kundcenter"]), len(switch.up)) == (MAX_LISTS, MAX_LISTS)
    assert evidence.missing == (story.at(5),)
    assert story.visit("anna").outcome == "waiting"


def test_made_up_agents_without_a_place_share_no_queues():
    story = Scenario()
    for number in range(MAX_AGENTS + 200):
        story.entered(10, f"{number}").answered(20, f"{number}", agent_id=f"luleå:hittepå {number}")

    story.live.settle()

    assert len(set(story.live.pool_inference.ids())) == MAX_AGENTS


def test_queues_that_callers_only_go_on_to_are_bounded_like_others():
    story = Scenario()
    for number in range(600):
        story.entered(10, f"{number}").left(20, f"{number}", "overflow", next_queue=f"hittepå {number}")

    onward = {visit.next_queue for visit in story.visits()}

    assert len(onward) == AT_ONCE
    assert OTHERS in onward


def test_what_is_read_again_at_a_start_names_no_more_queues_than_what_comes():
    story = Scenario()
    for number in range(600):
        queues = (f"hittepå {number}", "kundcenter")
        story._tell(AgentState, 1, number, agent_id="luleå:bo", state=AgentActivity.AVAILABLE, queues=queues)
    after = Scenario()
    for event in story.events:
        after.live.apply_state_only(event)

    assert len(after.live.agents._agents["luleå:bo"].by_queue) == len(story.live.agents._agents["luleå:bo"].by_queue)
