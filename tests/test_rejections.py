"""`queue-monitor rejected`: the last things that were not taken, without what stood in them."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from queue_monitor.__main__ import main
from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.ports import Delivery, Rejected
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store
from tests.scenario import SOURCE, TEN, Scenario
from tests.test_field_cases import CASES


async def kept_in(path: Path) -> None:
    store = await open_store(f"sqlite:///{path}", agents="named")
    story = Scenario().entered(0, "anna")
    pipeline = Pipeline(Live(story.rules), ManualClock(TEN), store)
    forged = structs.replace(story.events[0], id="0701740605\n")
    unread = Rejected(source=SOURCE, reason="invalid_event", detail="got 'Anna 0701740605' in line 7")
    pipeline.take(Delivery(items=(forged, unread), received_at=TEN))
    await pipeline.drain()
    await store.close()


def test_they_are_listed_by_field_kind_and_length_and_no_number_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{tmp_path / 'q.db'}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(tmp_path / "agent.key"))
    asyncio.run(kept_in(tmp_path / "q.db"))

    assert main(["rejected"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"2026-11-23T10:00:00+01:00  {SOURCE}  unfit_text  id (text, length 11)  with control characters",
        f"2026-11-23T10:00:00+01:00  {SOURCE}  invalid_event  got … in line #",
    ]


def test_a_store_of_which_nothing_was_refused_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{tmp_path / 'q.db'}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(tmp_path / "agent.key"))
    main(["replay", "--store", f"sqlite:///{tmp_path / 'q.db'}", f"replay:{CASES / 'left-after-answered.jsonl'}"])

    assert main(["rejected"]) == 0

    assert capsys.readouterr().out.splitlines()[-1] == "Nothing was refused lately."
