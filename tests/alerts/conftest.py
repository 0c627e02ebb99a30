"""The record of alerts in a real database, for the tests that kill and restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from queue_monitor.store import SqlStore, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path}/journal.db")
    yield opened
    await opened.close()
