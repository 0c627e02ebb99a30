"""Callers for the journal, and a way to look into its database past the store."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy

from queue_monitor.events import CallEntered, Event
from queue_monitor.store import SqlStore

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def entered(number: int, *, seconds: float | None = None, source: str = "urn:kc:test:växel") -> CallEntered:
    """Caller number so and so; a second after the one before, unless said."""
    at = START + timedelta(seconds=number if seconds is None else seconds)
    return CallEntered(
        id=f"{number:032x}",
        source=source,
        observed_at=at,
        switch_time=at,
        visit_id=f"växel:{number}",
        queue="kundcenter",
    )


def callers(numbers: Iterable[int]) -> list[CallEntered]:
    return [entered(number) for number in numbers]


async def read_all(store: SqlStore, since: datetime = LONG_AGO) -> list[Event]:
    return [event async for event in store.read(since)]


def insert_rows(url: str, table: str, values: list[dict[str, Any]]) -> None:
    """Insert rows, all with the same columns, on one connection."""
    if not values:
        return
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            names, gaps = ", ".join(values[0]), ", ".join(f":{name}" for name in values[0])
            connection.execute(sqlalchemy.text(f"INSERT INTO {table} ({names}) VALUES ({gaps})"), values)
    finally:
        engine.dispose()


def rows(url: str, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in the database itself."""
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            result = connection.execute(sqlalchemy.text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()
