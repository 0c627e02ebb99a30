"""The figures of a queue's last hour, kept up to date as calls come and minutes pass, are plain sums of its calls."""

import random

from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.series import NOTHING, QUARTER, LocalDays, Series
from tests.scenario import STOCKHOLM

START = 29_000_000
"""A minute of 2025, since 1970."""

Call = tuple[int, int, int | None]
"""A minute, a field of `Counts`, and the wait in ms where one is recorded."""


def assert_is_a_plain_sum(series: Series, calls: list[Call], now: int, melted_before: int) -> None:
    lows = [now - 14, now - 29, now - 59]
    numbers, waits = series.recent(lows, now + 1)
    for low, its, its_waits in zip(lows, numbers, waits, strict=True):
        expected, found = list(NOTHING), list[int]()
        for minute, field, wait_ms in calls:
            slot = minute - minute % QUARTER if minute < melted_before else minute
            if low <= slot <= now:
                expected[field] += 1
                found += [] if wait_ms is None else [wait_ms]
        assert its == expected
        assert its_waits == sorted(found) or (its_waits is None and low < melted_before)


@given(st.integers(0, 2**32).map(random.Random))
def test_the_last_hour_is_the_sum_of_its_calls_however_they_come_and_go(chance: random.Random):
    series, calls, now, melted_before = Series(LocalDays(STOCKHOLM)), list[Call](), START, 0
    for _ in range(chance.randrange(80)):
        step = chance.random()
        if step < 0.5:
            wait_ms = chance.choice((None, 0, chance.randrange(400_000)))
            calls.append((now + chance.randrange(-70, 3), chance.randrange(4), wait_ms))
            minute, field, wait_ms = calls[-1]
            series.put(minute, [field], wait_ms, +1)
        elif step < 0.6 and calls:
            minute, field, wait_ms = calls.pop(chance.randrange(len(calls)))
            series.put(minute, [field], wait_ms, -1)
        elif step < 0.63:
            melted_before = max(melted_before, (now - chance.randrange(80)) // QUARTER * QUARTER)
            series.melt(melted_before)
        else:
            now += chance.choice((0, 0, 1, 1, 1, 2, 17, 100, -1))
            assert_is_a_plain_sum(series, calls, now, melted_before)
