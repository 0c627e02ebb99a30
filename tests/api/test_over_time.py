"""Long questions over time: the same figures, and nobody has to wait until they are worked out."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from queue_monitor.api.json.intervals import PIECE, SHORT_PIECE, OverTime
from queue_monitor.clock import ManualClock
from queue_monitor.core.held_calls import MAX_INTERVALS
from queue_monitor.model import Level
from queue_monitor.runtime.pipeline import Pipeline
from tests.scenario import TEN, Scenario

EVER = datetime(2099, 12, 31, tzinfo=UTC)


def desk() -> tuple[Pipeline, OverTime]:
    story = Scenario().connected(-3600)
    for caller in range(40):
        story.entered(caller * 60, f"caller {caller}").answered(caller * 60 + 7 * caller, f"caller {caller}")
    clock = ManualClock(story.at(3600))
    pipeline = Pipeline(story.live, clock)
    return pipeline, OverTime(pipeline, clock)


@pytest.mark.parametrize("step", ["quarter", "day", "week", "month"])
async def test_a_long_question_has_the_same_answer_in_pieces(step: str):
    pipeline, over_time = desk()
    start, end = TEN - timedelta(days=4 * PIECE) + timedelta(minutes=7), TEN + timedelta(hours=2)
    if step == "quarter":
        start = TEN - timedelta(days=5)
    if step in ("week", "month"):
        start -= timedelta(days=20 * PIECE * 7)
    asked = (start, end, step, Level.CONTACT, None)

    whole = await pipeline.intervals(*asked)

    assert len(whole) > 2 * (SHORT_PIECE if step == "quarter" else PIECE)
    assert await over_time.intervals(*asked) == whole


async def test_others_have_their_turn_while_a_long_question_is_worked_out():
    _, over_time = desk()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)  # noqa: TID251 # it is the loop's own turns that are counted

    beside = asyncio.create_task(others())
    await over_time.intervals(TEN - timedelta(days=500), TEN, "day", Level.CONTACT, None)
    beside.cancel()

    assert turns >= 500 // PIECE


@pytest.mark.parametrize("step", ["quarter", "hour", "day"])
async def test_a_question_without_end_is_refused_at_once(step: str):
    """Seventy years of quarters are two million: to count them would take the whole machine."""
    pipeline, over_time = desk()

    with pytest.raises(ValueError, match=f"at most {MAX_INTERVALS}"):
        await over_time.intervals(TEN, EVER, step, Level.CONTACT, None)
    with pytest.raises(ValueError, match=f"at most {MAX_INTERVALS}"):
        await pipeline.intervals(TEN, EVER, step, Level.CONTACT, None)
