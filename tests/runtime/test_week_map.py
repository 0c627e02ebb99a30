"""The week of a period, by weekday and half hour: from the store and from memory together, against a plain count."""

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from queue_monitor.model import Level
from tests.runtime.lasting import QUEUES, ZONE, Call, monitor

MONDAY = date(2026, 10, 19)
"""On the Sunday of this week the clocks are set back."""


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), ZONE).astimezone(UTC)


def calls_of(days: int) -> list[Call]:
    dice = random.Random(7)
    found = []
    for number in range(days):
        day = MONDAY + timedelta(days=number)
        for one in range(12):
            waited_ms = dice.randrange(1_000, 700_000)
            entered = at(day, dice.choice([*range(8, 17), 18]), dice.randrange(60))
            how = dice.choice(["answered", "answered", "abandoned"])
            found.append(Call(f"{number}-{one}", dice.choice(QUEUES), entered, how, waited_ms))
    return found


@pytest.mark.parametrize("queue", [None, *QUEUES])
async def test_the_week_map_is_a_plain_count_of_the_calls(queue: str | None, tmp_path: Path) -> None:
    calls = calls_of(days=10)
    last = MONDAY + timedelta(days=9)
    url = f"sqlite:///{tmp_path}/store.db"
    for day in range(10):
        today = MONDAY + timedelta(days=day)
        async with monitor(url, at(today, 18), tmp_path) as run:
            await run.tell(
                event for call in calls if call.entered.astimezone(ZONE).date() == today for event in call.events()
            )
    async with monitor(url, at(last, 19), tmp_path) as run:
        found = await run.pipeline.week_map(at(MONDAY, 0), at(last, 0) + timedelta(days=1), queue)
        [whole] = await run.pipeline.intervals(at(MONDAY, 0), at(last, 12), "whole", Level.CONTACT, queue)

    entered, longest = Counter[tuple[int, int]](), dict[tuple[int, int], float]()
    for call in calls:
        local = call.entered.astimezone(ZONE)
        if queue not in (None, call.queue) or local.weekday() > 4 or not 8 <= local.hour < 17:
            continue
        slot = local.weekday(), local.hour * 2 + local.minute // 30
        entered[slot] += 1
        if call.how == "answered":
            longest[slot] = max(longest.get(slot, 0.0), call.waited_ms / 1000)
    seen = {(slot.weekday, slot.half_hour): slot for slot in found}
    assert {slot: its.counts.entered for slot, its in seen.items() if its.counts.entered} == dict(entered)
    assert {slot: its.longest_seconds for slot, its in seen.items() if its.longest_seconds} == longest
    assert list(seen) == sorted(seen)
    assert whole.counts.entered == sum(entered.values())
    assert (whole.start, whole.end) == (at(MONDAY, 0), at(last, 0) + timedelta(days=1))
