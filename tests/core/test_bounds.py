"""A switch that has gone mad cannot drown the real queues: names and reasons are bounded, what is too many counts."""

from typing import Any

from msgspec import structs

from queue_monitor.core.agents import MAX_AGENTS
from queue_monitor.core.known_queues import OTHERS
from queue_monitor.core.live import MAX_REASONS, Live
from queue_monitor.core.queue_places import AT_ONCE, MAX_LISTED, MAX_QUEUES
from queue_monitor.events import AgentActivity, AgentState, QueueAgent
from queue_monitor.queues import keys_of, queue_key
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

    assert len(story.live.snapshot(story.at(60)).queues) == MAX_QUEUES + 1, "and one for all others"


def crowded(story: Scenario | None = None) -> Scenario:
    """One sender has filled all places with names that two callers have entered."""
    story = story or Scenario()
    for number in range(MAX_QUEUES):
        story.entered(10, f"{number}a", queue=f"kö {number}").entered(10, f"{number}b", queue=f"kö {number}")
    return story


def with_real_callers(story: Scenario, queue: str, **fields: Any) -> int:
    """Three callers come for a queue: how many are counted under its name."""
    for number in range(3):
        story.entered(30 + number, f"{queue}{number}", queue=queue, **fields)
    return story.counts(60, queue).entered if queue in story.live.queues() else 0


def test_of_all_that_one_sender_names_the_newest_gives_way_to_a_queue_of_another_sender():
    story = crowded()

    assert with_real_callers(story, "bygglov", source="urn:kc:test:piteå") == 2
    assert with_real_callers(story, "skola") == 0, "the same sender gets no more places than there are"
    story.entered(50, "sen", queue=f"kö {MAX_QUEUES - 1}").entered(50, "tidig", queue="kö 0")
    assert story.counts(60, f"kö {MAX_QUEUES - 1}").entered == 1, "its place is gone, its caller is not"
    assert story.counts(60, "kö 0").entered == 3


def test_a_name_that_one_caller_has_entered_gives_way_to_a_queue_with_two():
    story = Scenario()
    for number in range(AT_ONCE):
        story.entered(10, f"{number}", queue=f"hittepå {number}")
    for number in range(MAX_QUEUES - AT_ONCE):
        story.entered(10, f"{number}a", queue=f"kö {number}").entered(10, f"{number}b", queue=f"kö {number}")

    assert with_real_callers(story, "bygglov") == 2
    story.entered(50, "sen", queue=f"hittepå {AT_ONCE - 1}").entered(50, "tidig", queue="hittepå 0")
    assert story.counts(60, f"hittepå {AT_ONCE - 1}").entered == 1, "its place is gone, its caller is not"
    assert story.counts(60, "hittepå 0").entered == 2


def test_a_queue_of_the_settings_has_its_place_whatever_comes_before_it():
    story = Scenario()
    rules = structs.replace(
        story.rules,
        labels={queue_key("bygglov"): "Bygglov"},
        pool_names={keys_of(["Skola", "Förskola"]): "Barn"},
    )
    story.live = Live(rules)
    crowded(story)

    assert with_real_callers(story, "Bygglov") == 3
    assert with_real_callers(story, "Förskola") == 3


def test_a_queue_in_a_switchs_own_list_has_its_place_whatever_comes_before_it():
    story = crowded()
    story.live.known_queues.list_queue("Bygglov")

    assert with_real_callers(story, "bygglov") == 3


def test_a_mad_switch_that_lists_ten_thousand_queues_gets_no_more_places_than_may_be():
    story = crowded()
    for number in range(10_000):
        story.live.known_queues.list_queue(f"lista {number}")
        story.entered(20, f"l{number}", queue=f"lista {number}")

    assert len(story.live.snapshot(story.at(60)).queues) == MAX_QUEUES + MAX_LISTED + 1


def test_after_a_restart_one_senders_names_still_give_way_to_another_senders():
    before = crowded()
    after = Scenario()
    after.live.load_states(before.live.save_states(), after.at(20))

    assert with_real_callers(after, "bygglov", source="urn:kc:test:piteå") == 2


def test_reasons_for_not_understanding_are_bounded_and_still_counted():
    story = Scenario()
    for number in range(1_000):
        story.live.reject(SOURCE, f"reason_{number}")

    snapshot = story.live.snapshot(story.at(0))

    assert len(snapshot.rejected) == MAX_REASONS + 1
    assert sum(snapshot.rejected.values()) == snapshot.events["invalid"] == 1_000


def agents_of(story: Scenario, prefix: str) -> int:
    return len([agent for agent in story.live.snapshot(story.at(60)).agents if agent.agent_id.startswith(prefix)])


def with_real_agents(story: Scenario, **fields: Any) -> None:
    for number in range(60):
        who = f"piteå:anna {number}"
        story._tell(AgentState, 30, who, agent_id=who, state=AgentActivity.AVAILABLE, switch="piteå", **fields)


def test_made_up_agents_fill_all_places_and_push_nobody_of_another_sender_out():
    story = Scenario()
    with_real_agents(story, source="urn:kc:test:piteå")
    for number in range(MAX_AGENTS + 500):
        story.agent(40, f"hittepå {number}", "available")

    assert (agents_of(story, "piteå:"), agents_of(story, "luleå:")) == (60, MAX_AGENTS - 60)
    assert story.live.rejected == {f"{SOURCE} too_many_agents": 560}


def test_of_all_that_one_sender_names_the_newest_agent_gives_way_to_one_of_another_sender():
    story = Scenario()
    for number in range(MAX_AGENTS + 500):
        story.agent(10, f"hittepå {number}", "available")
    with_real_agents(story, source="urn:kc:test:piteå")

    assert (agents_of(story, "piteå:"), agents_of(story, "luleå:")) == (60, MAX_AGENTS - 60)
    assert "luleå:hittepå 0" in story.live.agent_ids()


def test_calls_that_made_up_agents_answer_count_and_the_agents_are_bounded():
    story = Scenario()
    for number in range(MAX_AGENTS + 500):
        story.entered(10, f"{number}").answered(20, f"{number}", agent_id=f"luleå:hittepå {number}")
        story.completed(30, f"{number}")

    assert story.counts(60).answered == MAX_AGENTS + 500
    assert story.live.snapshot(story.at(60)).total.staff.staffed == MAX_AGENTS


def test_members_of_a_list_beyond_all_places_are_left_out():
    line = [QueueAgent(agent_id=f"luleå:{number}", state=AgentActivity.AVAILABLE) for number in range(2 * MAX_AGENTS)]
    story = Scenario().snapshot(0, agents=tuple(line)).snapshot(5, agents=tuple(line))

    assert agents_of(story, "luleå:") == MAX_AGENTS
    assert story.live.rejected == {f"{SOURCE} too_many_agents": 2}


def test_queues_that_only_agents_name_are_bounded_like_others():
    story = Scenario()
    for number in range(600):
        queues = (f"hittepå {number}", "kundcenter")
        story._tell(AgentState, 1, number, agent_id="luleå:bo", state=AgentActivity.AVAILABLE, queues=queues)

    assert len(story.live.agents.words["luleå:bo"].said) == AT_ONCE


def test_a_list_of_members_that_says_the_same_every_few_seconds_is_kept_once_a_day():
    line = tuple(QueueAgent(agent_id=f"luleå:{number}", state=AgentActivity.AVAILABLE) for number in range(50))
    story = Scenario()
    for number in range(200):
        story.snapshot(number, agents=line)
    story.live.agents.start_day(story.at(50_400))
    for number in range(200):
        story.snapshot(86_400 + number, agents=line)

    kept = story.live.agents.words["luleå:7"].said
    assert [word.at for word in kept] == [story.at(0), story.at(0), story.at(86_400), story.at(86_400)]
    assert story.live.snapshot(story.at(86_600)).total.staff.available == 50


def test_after_a_restart_agents_hold_their_places():
    before = Scenario()
    for number in range(MAX_AGENTS):
        before.agent(10, f"hittepå {number}", "available")
    after = Scenario()
    after.live.load_states(before.live.save_states(), after.at(20))
    for number in range(500):
        after.agent(30, f"till {number}", "available")

    assert len(after.live.agent_ids()) <= MAX_AGENTS
