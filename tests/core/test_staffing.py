"""Counts of people: each counts once, with the busiest of what is said in any of the queues asked for."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.staffing import Staffing, busiest
from queue_monitor.events import AgentActivity

QUEUES = ("kundcenter", "bygg", "skola")
STATES = st.sampled_from([*AgentActivity, None])
SAID = st.dictionaries(st.sampled_from(QUEUES), STATES)


@given(
    members=st.lists(SAID.filter(bool), max_size=5),
    others=st.lists(st.tuples(SAID, STATES), max_size=5),
    keys=st.lists(st.sampled_from(QUEUES), min_size=1, unique=True),
)
def test_everybody_counts_once_with_the_busiest_of_what_is_said(
    members: list[dict[str, AgentActivity | None]],
    others: list[tuple[dict[str, AgentActivity | None], AgentActivity | None]],
    keys: list[str],
):
    staffing = Staffing(listed=frozenset({"pbx"}))
    for number, states in enumerate(members):
        for queue, state in states.items():
            staffing.by_queue.setdefault(queue, {})[f"member {number}"] = state
    for number, (said, elsewhere) in enumerate(others):
        staffing.anywhere[elsewhere] += 1
        for queue, state in said.items():
            staffing.apart.setdefault(queue, {})[f"other {number}"] = state, elsewhere

    staff = staffing.of(keys, ("pbx",))

    found = Counter(busiest(states[key] for key in keys if key in states) for states in members)
    found.update(busiest(said.get(key, elsewhere) for key in keys) for said, elsewhere in others)
    for state in AgentActivity:
        if state is not AgentActivity.UNKNOWN:
            assert getattr(staff, state.value) == found[state]
    assert staffing.of(keys, ("pbx",)) == staff
