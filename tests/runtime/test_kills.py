"""Killed again and again under load and started a simulated day apart: the history of a run that nothing disturbed."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.killed import Killable, take, told
from tests.store.calls import rows

FIRST = datetime(2026, 11, 19, 6, tzinfo=UTC)
QUESTIONS = (
    "SELECT key, at_us, outcome, field, inside, early, wait_ms, judged_ms, entered_us, settled_us FROM contact"
    " ORDER BY key",
    "SELECT contact, number, outcome, field, wait_ms, talk_ms, agent, completed_us FROM visit ORDER BY contact, number",
    "SELECT s.step, s.level, n.text, s.inside, s.start_us, s.counts, s.answered, s.sum_ms, s.max_ms, s.histogram"
    " FROM sums s JOIN name n ON n.id = s.queue ORDER BY 1, 2, 3, 4, 5",
    "SELECT hash FROM journal_id ORDER BY hash",
)


def history(url: str) -> list[list[tuple[Any, ...]]]:
    return [[_plain(row) for row in rows(url, question)] for question in QUESTIONS]


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def kill_again_and_again(url: str, folder: Path, kills: int) -> None:
    """The sender tells again what it was not told is safe."""
    chance = random.Random(kills)
    whole, safe = len(told()), 0
    for kill in range(kills):
        at = FIRST + timedelta(days=kill)
        with Killable(url, folder, safe, at) as run:
            until = safe + chance.randrange(1, max(2, 2 * (whole - safe) // (kills - kill)))
            while safe < until and (line := run.says()) not in ("", "done"):
                safe = int(line)
    with Killable(url, folder, safe, FIRST + timedelta(days=kills)) as run:
        while run.says() not in ("", "done"):
            pass


def undisturbed(folder: Path) -> list[list[tuple[Any, ...]]]:
    url = f"sqlite:///{folder / 'undisturbed.db'}"
    asyncio.run(take(url, folder, 0, FIRST))
    return history(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'killed.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_killed_four_times_the_history_is_that_of_a_run_that_nothing_disturbed(tmp_path: Path, url: str):
    kill_again_and_again(url, tmp_path, 4)

    assert history(url) == undisturbed(tmp_path)


@pytest.mark.soak
def test_killed_fifty_times_the_history_is_that_of_a_run_that_nothing_disturbed(tmp_path: Path, url: str):
    kill_again_and_again(url, tmp_path, 50)

    assert history(url) == undisturbed(tmp_path)
