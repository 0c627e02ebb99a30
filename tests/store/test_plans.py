"""No question that is asked again and again walks through a table that grows: SQLite says how it would look."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from queue_monitor.events import Event
from queue_monitor.model import Level
from queue_monitor.store import Kind, Order
from tests.runtime.lasting import ZONE, Call, monitor

MORNING = datetime(2026, 3, 4, 9, tzinfo=ZONE).astimezone(UTC)
GROWS = "contact|visit|call_key|refusal|sums|journal|journal_id|pack|pack_contact"
WALKS = re.compile(
    rf"(SCAN ({GROWS})\b|SEARCH ({GROWS}) USING (PRIMARY KEY|INDEX (?!contact_open|contact_bare).*) \(site=\?\)$)"
)


@pytest.fixture
def asked() -> Iterator[dict[str, Any]]:
    """Every statement that is given to a database from here on, with the last values that it was given."""
    found: dict[str, Any] = {}

    def note(_: Any, __: Any, statement: str, values: Any, ___: Any, is_many: bool) -> None:
        found[statement] = values[0] if is_many else values

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def callers(first: datetime, number: int) -> list[Event]:
    calls = [
        Call(f"{first:%d}-{n}", ("kundcenter", "bygglov")[n % 2], first + timedelta(minutes=n), "answered", 20_000)
        for n in range(number)
    ]
    return [its for call in calls for its in call.events()]


async def test_no_question_of_a_running_monitor_walks_through_a_table(tmp_path: Path, asked: dict[str, Any]):
    url, yesterday = f"sqlite:///{tmp_path / 'calls.db'}", MORNING - timedelta(days=1)
    async with monitor(url, yesterday, tmp_path) as before:
        before.clock.advance_to(yesterday + timedelta(hours=8))
        await before.tell(callers(yesterday, 300))
        await before.pipeline.drain()
    async with monitor(url, MORNING, tmp_path) as run:
        asked.clear()
        for hour in range(1, 4):
            run.clock.advance_to(MORNING + timedelta(hours=hour))
            await run.tell(callers(MORNING + timedelta(hours=hour - 1), 59))
        await run.tell(callers(yesterday, 300))
        await run.store.pack(MORNING)
        await run.store.health()
        month = MORNING - timedelta(days=30), MORNING + timedelta(hours=4)
        for step in ("quarter", "day"):
            await run.pipeline.intervals(*month, step, Level.CONTACT, "kundcenter")
        await run.pipeline.lost_calls(*month)
        await run.pipeline.calls(*month, "bygglov", None, 100)
        await run.pipeline.disagreements(*month)
        await run.pipeline.drain()

    assert any("sums" in statement for statement in asked)
    assert not walks(tmp_path / "calls.db", asked)


async def test_a_start_walks_through_no_table(tmp_path: Path, asked: dict[str, Any]):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with monitor(url, MORNING, tmp_path) as before:
        before.clock.advance_to(MORNING + timedelta(hours=6))
        await before.tell(callers(MORNING, 300))
        await before.pipeline.drain()
    asked.clear()
    async with monitor(url, MORNING + timedelta(hours=6), tmp_path):
        pass

    assert not walks(tmp_path / "calls.db", asked)


def walks(file: Path, asked: dict[str, Any]) -> list[str]:
    """Questions that look at every row; those that take the first few of an index are none."""
    found = []
    with closing(sqlite3.connect(file)) as connection:
        for statement, values in asked.items():
            if statement.lstrip().split()[0] in ("SELECT", "DELETE", "UPDATE", "WITH") and "\n LIMIT" not in statement:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
                found += [f"{line}: {statement}" for *_, line in plan if WALKS.match(line)]
    return found


async def test_what_is_deleted_is_found_in_the_order_of_time(tmp_path: Path, asked: dict[str, Any]):
    url, yesterday = f"sqlite:///{tmp_path / 'calls.db'}", MORNING - timedelta(days=1)
    async with monitor(url, yesterday, tmp_path) as run:
        run.clock.advance_to(yesterday + timedelta(hours=8))
        await run.tell(callers(yesterday, 300))
        await run.store.pack(yesterday + timedelta(hours=2))
        asked.clear()
        for kind in (Kind.JOURNAL, Kind.CALLS, Kind.SUMS):
            assert await run.store.begin_deletion(Order(kind=kind, until=MORNING.date(), decision="KS 1"))
            while not await run.store.delete_some(kind, MORNING):
                pass

    assert not walks(tmp_path / "calls.db", asked)
    assert not sorts(tmp_path / "calls.db", asked)


def sorts(file: Path, asked: dict[str, Any]) -> list[str]:
    """Questions that put all that they find in order, for to take the first few."""
    with closing(sqlite3.connect(file)) as connection:
        return [
            statement
            for statement, values in asked.items()
            if "\n LIMIT" in statement
            and any(
                "FOR ORDER BY" in line for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            )
        ]
