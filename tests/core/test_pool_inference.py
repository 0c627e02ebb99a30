"""Which queues share people, where nobody tells of members: by who answered what, from the next day on."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from queue_monitor.core.live import Live
from queue_monitor.core.pool_inference import PoolInference, inherited
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.events import AgentMember, CallAnswered, CallEntered, MemberAction
from queue_monitor.forecast.forecaster import Forecaster, Learned, decode_learned, recall
from queue_monitor.model import Target
from queue_monitor.queues import keys_of
from tests.scenario import office_hours

MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
SOURCE = "urn:kc:test:a"


def answered(live: Live, queue: str, agent: str, at: datetime) -> None:
    visit = f"{queue}-{at.isoformat()}"
    later = at + timedelta(seconds=9)
    live.apply(CallEntered(id=f"e{visit}", source=SOURCE, observed_at=at, visit_id=visit, queue=queue))
    live.apply(CallAnswered(id=f"a{visit}", source=SOURCE, observed_at=later, visit_id=visit, agent_id=agent))


def live() -> Live:
    return Live(Rules(calendar=office_hours()), Forecaster(Target(), Calendars(office_hours())))


def grouped_queues(live: Live) -> list[tuple[str, ...]]:
    return [pool.queues for pool in live.pools(live.queues())]


def test_queues_that_one_person_answered_are_a_pool_from_the_next_day_on():
    state = live()
    answered(state, "parking", "eva", MORNING)
    answered(state, "school", "eva", MORNING + timedelta(hours=1))
    same_day = grouped_queues(state)
    answered(state, "parking", "eva", MORNING + DAY)

    assert same_day == [("parking",), ("school",)]
    assert grouped_queues(state) == [("parking", "school")]


def test_different_people_make_no_pool():
    state = live()
    answered(state, "parking", "eva", MORNING)
    answered(state, "school", "bo", MORNING)
    answered(state, "school", "bo", MORNING + DAY)

    assert grouped_queues(state) == [("parking",), ("school",)]


def test_what_is_told_of_members_counts_more_than_who_answered_what():
    state = live()
    answered(state, "parking", "eva", MORNING)
    answered(state, "school", "eva", MORNING + timedelta(hours=1))
    for queue, agent in (("parking", "eva"), ("school", "bo")):
        at, joined = MORNING + DAY, MemberAction.ADDED
        state.apply(AgentMember(id=queue, source=SOURCE, observed_at=at, agent_id=agent, queue=queue, action=joined))

    assert grouped_queues(state) == [("parking",), ("school",)]


def test_a_pool_that_nothing_has_shown_for_a_month_is_none_any_more():
    teams = PoolInference()
    teams.answered("eva", "parking", MORNING)
    teams.answered("eva", "school", MORNING)
    teams.close_day(MORNING + DAY)
    teams.close_day(MORNING + 31 * DAY)

    assert teams.pools(["parking", "school"]) == [("parking",), ("school",)]


def test_the_pools_of_an_earlier_run_are_known_by_what_was_learned_of_them():
    state = live()
    answered(state, "parking", "eva", MORNING)
    answered(state, "school", "bo", MORNING)
    recall(state, decode_learned(msgspec.json.encode({"parking + school": Learned()})), MORNING)

    assert state.scopes() == [("parking + school", ("parking", "school"))]


def test_a_pool_that_grows_knows_what_its_greatest_part_knew():
    learned = {frozenset(queues): known for known, queues in enumerate(["a", "ab", "d", "ae"], start=1)}

    assert inherited(frozenset("abc"), learned) == 2
    assert inherited(frozenset("fg"), learned) is None


def test_a_pool_is_called_its_first_queue_and_others_and_keeps_its_name_as_key():
    rules = Rules(calendar=office_hours(), labels={"parking": "Parkering"}, pool_label="{queue} med flera")
    state = Live(rules, Forecaster(Target(), Calendars(office_hours())))
    for queue in ("parking", "school", "water"):
        answered(state, queue, "eva", MORNING)
    answered(state, "parking", "eva", MORNING + DAY)

    (pool,) = state.snapshot(MORNING + DAY).pools
    assert (pool.name, pool.label) == ("parking + school + water", "Parkering med flera")
    assert [queue.label for queue in state.snapshot(MORNING + DAY).queues] == ["Parkering", "school", "water"]


@pytest.mark.parametrize(
    ("named", "label"),
    [
        ({"parking", "school"}, "Samhälle"),
        ({"school"}, "Samhälle"),
        ({"parking", "library"}, "parking med flera"),
    ],
)
def test_a_pool_that_has_all_the_queues_of_a_setting_has_its_name(named: set[str], label: str):
    rules = Rules(calendar=office_hours(), pool_names={keys_of(named): "Samhälle"}, pool_label="{queue} med flera")

    assert rules.label(("parking", "school", "water")) == label
    assert rules.label(("school",)) == "school"
