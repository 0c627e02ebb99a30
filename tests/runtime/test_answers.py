"""Questions of the past are answered from all that had come when they were asked; they wait for nothing later."""

from datetime import date
from pathlib import Path

import pytest

from queue_monitor.events import Event
from queue_monitor.model import Committed, JournalBatch
from queue_monitor.ports import Delivery
from tests.runtime.lasting import Call, Monitor, monitor
from tests.runtime.test_lasting import at

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
FLOOD = 40


async def test_a_question_of_the_past_waits_for_what_had_come_and_not_for_the_end_of_a_flood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with monitor(f"sqlite:///{tmp_path / 'calls.db'}", at(TUESDAY, 9), tmp_path) as run:
        commits = flooded(run, monkeypatch)
        await run.tell(a_call(0), write=False)
        run.clock.advance_to(at(TUESDAY, 9.5))

        lost = await run.pipeline.lost_calls(at(MONDAY, 8), at(MONDAY, 9), None)

        assert len(lost) >= 1
        assert 1 <= len(commits) < FLOOD
        await run.pipeline.write()
        assert len(await run.pipeline.lost_calls(at(MONDAY, 8), at(MONDAY, 9), None)) == 1 + FLOOD


def a_call(number: int) -> list[Event]:
    return Call(str(number), "kundcenter", at(MONDAY, 8.5), "abandoned", 30_000).events()


def flooded(run: Monitor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a call come during each of the next commits, a second later than the one before; returns the commits."""
    commit, commits = run.store.commit, list[int]()

    async def committed(batch: JournalBatch) -> Committed:
        if len(commits) < FLOOD:
            commits.append(len(commits) + 1)
            run.clock.advance_to(at(TUESDAY, 10 + len(commits) / 3600))
            run.pipeline.take(Delivery(items=tuple(a_call(len(commits))), received_at=run.clock.now(), ack=nobody))
        return await commit(batch)

    monkeypatch.setattr(run.store, "commit", committed)
    return commits


async def nobody(receipt: object) -> None:
    return None
