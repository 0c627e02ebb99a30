"""Agents by what they do now: distinct people, and the queues that share them."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.agent_words import AgentWords, Word
from queue_monitor.events import AgentActivity, AgentMember, MemberAction, QueueAgent
from queue_monitor.forecast.shifts import Shift
from queue_monitor.model import Staff
from tests.scenario import TEN, Scenario


def staff(story: Scenario, at: float, queue: str | None = None) -> Staff:
    snapshot = story.live.snapshot(story.at(at))
    return snapshot.total.staff if queue is None else next(q for q in snapshot.queues if q.name == queue).staff


def test_eight_agents_in_three_queues_are_eight_people():
    story = Scenario().entered(0, "a").entered(0, "b", queue="bygg").entered(0, "c", queue="skola")
    for number in range(8):
        story.agent(1, f"agent {number}", "available", "kundcenter", "bygg", "skola")

    assert (staff(story, 5).staffed, staff(story, 5).available) == (8, 8)
    assert staff(story, 5, "bygg").staffed == 8


def test_who_is_in_a_talk_is_busy_even_where_the_switch_only_says_free():
    story = Scenario().agent(0, "agent 1", "available", "kundcenter").agent(0, "agent 2", "available", "kundcenter")
    story.entered(1, "anna").answered(5, "anna")

    assert (staff(story, 10).available, staff(story, 10).busy) == (1, 1)


def test_the_later_word_holds_however_the_words_arrive():
    story = Scenario().agent(10, "agent 1", "paused").agent(5, "agent 1", "available")

    assert staff(story, 20).paused == 1


def test_who_leaves_every_queue_is_logged_out():
    story = Scenario().agent(0, "agent 1", "available", "kundcenter")
    story._tell(AgentMember, 5, "gone", agent_id="luleå:agent 1", queue="kundcenter", action=MemberAction.REMOVED)

    assert (staff(story, 10).staffed, staff(story, 10).logged_out) == (0, 1)


def test_a_complete_snapshot_says_who_the_members_are():
    story = Scenario().agent(0, "agent 1", "available", "kundcenter").agent(0, "agent 2", "available", "kundcenter")
    story.snapshot(5, agents=(QueueAgent(agent_id="luleå:agent 2", state=AgentActivity.PAUSED),))

    assert (staff(story, 10).available, staff(story, 10).paused, staff(story, 10).logged_out) == (0, 1, 1)


BO = (QueueAgent(agent_id="luleå:bo", state=AgentActivity.AVAILABLE),)


@pytest.mark.parametrize("starts_anew", [False, True])
def test_a_queue_whose_list_names_its_members_no_more_has_none(starts_anew: bool):
    before = Scenario().snapshot(0, agents=BO).snapshot(0, agents=BO, queue="bygglov")
    story = Scenario() if starts_anew else before
    if starts_anew:
        story.live.agents.restore(before.live.agents.written())
    story.snapshot(600).snapshot(600, agents=BO, queue="bygglov")

    assert (staff(story, 610, "kundcenter").staffed, staff(story, 610, "bygglov").staffed) == (0, 1)
    story.snapshot(630, queue="bygglov")
    assert (staff(story, 640).known, staff(story, 640).staffed) == (True, 0)


@pytest.mark.parametrize("parts", [2, 4, 5])
def test_what_an_older_version_wrote_of_the_agents_is_read(parts: int):
    before, story = Scenario().agent(0, "bo", "available", "kundcenter"), Scenario()
    written = msgspec.msgpack.decode(before.live.agents.written())

    story.live.agents.restore(msgspec.msgpack.encode(written[:parts]))
    assert (staff(story, 10).known, staff(story, 10).available) == (True, 1)


def test_a_list_of_callers_alone_says_nothing_of_the_members():
    story = Scenario().agent(0, "agent 1", "available", "kundcenter").snapshot(5)

    assert staff(story, 10).available == 1


def test_a_state_that_each_snapshot_says_again_lasts_since_the_first():
    story = Scenario()
    for second in (0, 60, 120):
        story.snapshot(second, agents=(QueueAgent(agent_id="luleå:eva", state=AgentActivity.PAUSED),))
    [eva] = story.live.snapshot(story.at(150)).agents

    assert eva.since == story.at(0)

    story.snapshot(180, agents=(QueueAgent(agent_id="luleå:eva", state=AgentActivity.AVAILABLE),))
    [eva] = story.live.snapshot(story.at(190)).agents

    assert eva.since == story.at(180)


def test_an_unreachable_phone_is_nobody_at_work():
    story = Scenario().agent(0, "agent 1", "unreachable", "kundcenter")

    assert (staff(story, 5).staffed, staff(story, 5).unreachable) == (0, 1)


def test_without_a_word_of_agents_nothing_is_claimed():
    assert not staff(Scenario().entered(0, "anna"), 5).known


def test_a_pool_lasts_though_everybody_goes_home():
    story = Scenario().entered(0, "a").entered(0, "b", queue="bygg")
    story.agent(1, "agent 1", "available", "kundcenter", "bygg")
    for queue in ("kundcenter", "bygg"):
        story._tell(AgentMember, 9, queue, agent_id="luleå:agent 1", queue=queue, action=MemberAction.REMOVED)

    assert [pool.queues for pool in story.live.snapshot(story.at(20)).pools] == [("bygg", "kundcenter")]


def test_queues_that_share_agents_form_a_pool_and_others_do_not():
    story = Scenario().entered(0, "a").entered(0, "b", queue="bygg").entered(0, "c", queue="skola")
    story.agent(1, "agent 1", "available", "kundcenter", "bygg").agent(1, "agent 2", "available", "skola")
    pools = story.live.snapshot(story.at(5)).pools

    assert [pool.queues for pool in pools] == [("bygg", "kundcenter")]
    assert pools[0].staff.staffed == 1
    assert len(pools[0].waiting) == 2


QUEUES = ("kundcenter", "bygg", "skola")
MINUTES = st.integers(0, 50).map(lambda minute: TEN + timedelta(minutes=minute))
STATES = st.builds(Word, MINUTES, st.sampled_from(["", *QUEUES]), st.sampled_from(AgentActivity), st.none())
MEMBERSHIPS = st.builds(Word, MINUTES, st.sampled_from(QUEUES), st.none(), st.booleans())
WORDS = st.lists(STATES | MEMBERSHIPS, max_size=8)


@given(words=WORDS, pool=st.frozensets(st.sampled_from(QUEUES)), cut=st.integers(0, 8))
def test_what_is_left_out_of_an_agents_day_says_nothing_of_the_pool(words: list[Word], pool: frozenset[str], cut: int):
    said = AgentWords()
    for number, word in enumerate(words):
        said.add(word)
        if number == cut:
            said.scope(pool)
    whole = Shift(pool, TEN)
    whole.read(said)

    scope = said.scope(pool)

    read = Shift(pool if scope is None else scope, TEN)
    read.read(said)
    assert (scope is None) <= (whole.did == [])
    assert (read.did, read.serves) == (whole.did, whole.serves)


def shift_of(said: AgentWords, pool: frozenset[str]) -> Shift:
    found = Shift(pool, TEN)
    found.read(said)
    return found


@given(words=st.lists(STATES | MEMBERSHIPS, max_size=20), pool=st.frozensets(st.sampled_from(QUEUES)))
def test_reports_that_say_nothing_new_are_not_kept_and_the_day_is_the_same(words: list[Word], pool: frozenset[str]):
    words.sort(key=lambda word: word.at)
    said, few = AgentWords(list(words)), AgentWords()
    for word in words:
        few.add(word)

    whole, read = shift_of(said, pool), shift_of(few, pool)

    assert (read.did, read.serves) == (whole.did, whole.serves)
    assert len(few.said) <= len(words)


@given(words=st.lists(STATES | MEMBERSHIPS, max_size=12), pool=st.frozensets(st.sampled_from(QUEUES)))
def test_in_whatever_order_reports_come_the_last_ones_hold(words: list[Word], pool: frozenset[str]):
    said, few = AgentWords(), AgentWords()
    for word in words:
        few.add(word)
    for word in words:
        said.merge([word])

    whole, read = shift_of(said, pool), shift_of(few, pool)

    assert (read.did[-1:] and read.did[-1][1]) == (whole.did[-1:] and whole.did[-1][1])
    assert (read.serves[-1:] and read.serves[-1][1]) == (whole.serves[-1:] and whole.serves[-1][1])
