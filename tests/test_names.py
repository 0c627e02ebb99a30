"""When two names are one."""

import pytest

from queue_monitor.events import AgentState, CallEntered, CallLeft, decode, encode
from queue_monitor.queues import queue_key, spelled
from tests.scenario import Scenario

COMPOSED, DECOMPOSED = "V\u00e4xel", "Va\u0308xel"


@pytest.mark.parametrize("alike", [DECOMPOSED, f" {COMPOSED}", f"{COMPOSED}\u00a0", "V\u00c4XEL", "va\u0308xel "])
def test_names_equal_but_for_form_space_and_case_are_one(alike: str):
    assert queue_key(alike) == queue_key(COMPOSED)


def test_a_name_of_nothing_but_space_stays_as_it_is():
    assert spelled("  ") == "  "


def test_every_event_names_its_queue_composed_and_trimmed():
    story = Scenario().entered(0, "a", queue=f"{DECOMPOSED} ").left(5, "a", next_queue=DECOMPOSED)
    entered, left = story.events

    assert isinstance(entered, CallEntered)
    assert isinstance(left, CallLeft)
    assert (entered.queue, left.next_queue) == (COMPOSED, COMPOSED)
    read = decode(encode(entered).replace(COMPOSED.encode(), DECOMPOSED.encode()))
    assert isinstance(read, CallEntered)
    assert read.queue == COMPOSED


def test_an_agents_queues_are_named_alike():
    story = Scenario()._tell(AgentState, 0, agent_id="luleå:a", state="available", queues=(DECOMPOSED, "b "))

    (state,) = story.events
    assert isinstance(state, AgentState)
    assert state.queues == (COMPOSED, "b")


def test_visits_of_one_leg_in_a_queue_spelled_in_two_ways_are_one():
    story = Scenario().entered(0, "a", queue=COMPOSED, visit="luleå:v")
    story.entered(0.2, "a", queue=f"{DECOMPOSED} ", visit="luleå:w", source="urn:kc:other:luleå")

    assert [visit.queue for visit in story.live.ledger.visits()] == [COMPOSED]


@pytest.mark.parametrize("alike", ["A\u030asa", " \u00c5sa", "\u00e5SA\u00a0"])
def test_an_agent_whose_name_is_spelled_in_two_ways_is_one_person(alike: str):
    story = Scenario().agent(0, "\u00c5sa", "available", "v\u00e4xel").agent(1, alike, "paused", "v\u00e4xel")
    story.entered(2, "a").answered(3, "a", agent_id=f"luleå:{alike}")

    [agent] = story.live.snapshot(story.at(5)).agents
    assert (agent.agent_id, story.visit("a").agent_id) == ("luleå:\u00e5sa", "luleå:\u00e5sa")
    assert story.live.snapshot(story.at(5)).total.staff.staffed == 1
