"""The only room that knows SQL. It keeps the journal of events, the history of calls, and the records of alerts and
acts.

The database is SQLite or PostgreSQL.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.ports import StoreError
from queue_monitor.store.agents import DAILY, Agents
from queue_monitor.store.audit import MemoryAudit
from queue_monitor.store.database import Database
from queue_monitor.store.engines import StoreAddressError, file_of, is_sqlite, name_of, parsed
from queue_monitor.store.kept import RETENTION, Kind, Order
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.looking import LATELY, StoreLook, look_at_file, look_at_server, owner_of
from queue_monitor.store.migrating import newest_revision
from queue_monitor.store.rebuild import KNOWN_AT_THE_TIME, SumDifference
from queue_monitor.store.store import SqlStore

__all__ = [
    "KNOWN_AT_THE_TIME",
    "LATELY",
    "RETENTION",
    "Kind",
    "MemoryAudit",
    "Order",
    "SqlStore",
    "StoreAddressError",
    "StoreLook",
    "SumDifference",
    "described",
    "exists",
    "file_of_store",
    "is_in_memory",
    "look_at_file",
    "look_at_server",
    "newest_revision",
    "open_store",
    "owner_of",
    "sqlite_file",
    "wipe",
]

_ZONE: Final = ZoneInfo("Europe/Stockholm")
_AGENT_KEY: Final = "agent.key"


async def open_store(
    url: str,
    *,
    own: bool = True,
    add: bool = False,
    zone: ZoneInfo = _ZONE,
    agents: str = DAILY,
    agent_key: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SqlStore:
    """Connect, become the owner, and bring the tables to this version.

    `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory) or
        `postgresql://user:password@host/database`.
    `own`: without it the store is only read, also while a monitor owns it, and its tables stay as they are.
    `add`: a report can be sealed in a store that is only read.
    `zone`: decides where a day begins.
    `agents`: how agents are kept: `daily` (a pseudonym for each day, made with the key in the file `agent_key`),
        `named` or `none`.
    `progress`: called with the number of rows of an older version brought over so far, and with the number of all. The
        sums of that version stay as sums; its calls appear one by one after a rebuild.
    Raises `StoreError`, in words for a person and without the password; `StoreInUse` when another monitor owns it.
    """
    database = Database(url, own=own, add=add)
    pseudonyms = Agents(agents, agent_key or _key_beside(database))
    pseudonyms.check()
    try:
        await database.open(zone=zone, progress=progress)
    except BaseException:
        await database.close()
        raise
    return SqlStore(database, LocalDays(zone), pseudonyms)


async def wipe(url: str) -> None:
    """Delete everything in a store: events, calls, sums, alerts, acts, marks. Raises as `open_store` does."""
    store = await open_store(url)
    try:
        await store.wipe()
    finally:
        await store.close()


def described(url: str) -> str:
    """Return where a store is, without words of a language: the file, or the server and the database on it.

    Raises `StoreError`.
    """
    address = parsed(url)
    if is_sqlite(address):
        return str(address.database or ":memory:")
    return f"PostgreSQL {address.host or 'localhost'}:{address.port or 5432}/{address.database or ''}"


def exists(url: str) -> bool:
    """Return whether a store may be there; a server is asked only when it is opened. Raises `StoreError`."""
    file = file_of(parsed(url))
    return file is None or file.exists()


def file_of_store(url: str) -> Path | None:
    """Return the file of a SQLite store; None for one in memory or on a server. Raises `StoreError`."""
    return file_of(parsed(url))


def is_in_memory(url: str) -> bool:
    """Return whether a store is an SQLite one in memory, which is gone with the process. Raises `StoreError`."""
    address = parsed(url)
    return is_sqlite(address) and file_of(address) is None


def sqlite_file(url: str, of_a_server: str, in_memory: str) -> Path:
    """Return the file of a store. Raises `StoreError`, with these words, for one that has none."""
    address = parsed(url)
    if (file := file_of(address)) is None:
        raise StoreError(f"store.url: {name_of(address)} {in_memory if is_sqlite(address) else of_a_server}")
    return file


def _key_beside(database: Database) -> Path | None:
    if database.file is not None:
        return database.file.with_name(_AGENT_KEY)
    return None if database.is_sqlite else Path("var") / _AGENT_KEY
