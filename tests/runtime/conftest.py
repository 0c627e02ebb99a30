"""Stores that a test opened in memory are closed when it is over."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import FakeStore


@pytest.fixture(autouse=True)
async def fake_stores_are_closed() -> AsyncIterator[None]:
    yield
    while FakeStore.opened:
        await FakeStore.opened.pop().close()
