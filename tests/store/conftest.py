"""Every test of the store is told about both databases, the real ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from queue_monitor.store import SqlStore, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    """A store of each kind, open."""
    opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store makes in the current directory is made in one of the test's own."""
    monkeypatch.chdir(tmp_path_factory.mktemp("current"))
