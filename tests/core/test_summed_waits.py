"""Sums of waits give the figures of the waits themselves, in whatever parts they come."""

from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.model import WaitFigures
from queue_monitor.waits import WaitTally, summed

WAITS_MS = st.lists(st.integers(0, 90_000_000) | st.integers(0, 900_000), max_size=20)


def tally_of(waits_ms: list[int]) -> WaitTally:
    tally = WaitTally()
    for wait_ms in waits_ms:
        tally.record(wait_ms)
    return tally


@given(st.lists(st.lists(WAITS_MS, max_size=3), max_size=4))
def test_sums_of_sums_have_the_figures_of_all_waits_in_one_tally(queues: list[list[list[int]]]):
    of_queues = [summed([tally_of(day) for day in days]) for days in queues]
    together = tally_of([wait_ms for days in queues for day in days for wait_ms in day])

    assert summed(of_queues).figures() == together.figures()


def test_a_sum_stays_as_it_was_when_a_wait_comes_to_one_of_its_tallies():
    tally = tally_of([1_000])
    before = summed([tally])
    tally.record(9_000)

    assert before.figures().max_seconds == 1.0
    assert before.figures().p99_seconds == 1.0


def test_no_waits_give_no_figures():
    assert summed([]).figures() == summed([WaitTally()]).figures() == WaitFigures()
