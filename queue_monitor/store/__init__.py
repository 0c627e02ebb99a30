"""The only room that knows SQL: the journal of events, the history of calls, the records of alerts and of what people
did, in SQLite or PostgreSQL.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.ports import StoreError
from queue_monitor.store.agents import DAILY, Agents
from queue_monitor.store.audit import MemoryAudit
from queue_monitor.store.database import Database, newest_revision
from queue_monitor.store.engines import file_of, is_sqlite, name_of, parsed
from queue_monitor.store.kept import RETENTION, Kind, Order
from queue_monitor.store.local_days import LocalDays
from queue_monitor.store.looking import LATELY, StoreLook, look_at_file, look_at_server, owner_of
from queue_monitor.store.rebuild import SumDifference
from queue_monitor.store.store import SqlStore

__all__ = [
    "LATELY",
    "RETENTION",
    "Kind",
    "MemoryAudit",
    "Order",
    "SqlStore",
    "StoreLook",
    "SumDifference",
    "described",
    "exists",
    "file_of_store",
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

    `url` is `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory) or
    `postgresql://user:password@host/database`. Without `own` the store is only read, also while a monitor owns it, and
    its tables stay as they are; with `add` a report can be sealed in it all the same. `zone` says where a day begins.
    `agents` is how they are kept: `daily` (a pseudonym for each day, made with the key in the file `agent_key`),
    `named` or `none`. `progress` is called with how many rows of an older version are brought over, and of how many.
    What that version had summed stays as sums; calls of before appear one by one after a rebuild.

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
    """Where a store is, without words of a language: the file, or the server and the database on it. Raises
    `StoreError`.
    """
    address = parsed(url)
    if is_sqlite(address):
        return str(address.database or ":memory:")
    return f"PostgreSQL {address.host or 'localhost'}:{address.port or 5432}/{address.database or ''}"


def exists(url: str) -> bool:
    """Whether a store may be there: that of a server is asked when it is opened. Raises `StoreError`."""
    file = file_of(parsed(url))
    return file is None or file.exists()


def file_of_store(url: str) -> Path | None:
    """The file of a SQLite store; None of one in memory and of a server. Raises `StoreError`."""
    return file_of(parsed(url))


def sqlite_file(url: str, of_a_server: str, in_memory: str) -> Path:
    """The file of a store. Raises `StoreError`, with these words, for one that has none."""
    address = parsed(url)
    if (file := file_of(address)) is None:
        raise StoreError(f"store.url: {name_of(address)} {in_memory if is_sqlite(address) else of_a_server}")
    return file


def _key_beside(database: Database) -> Path | None:
    if database.file is not None:
        return database.file.with_name(_AGENT_KEY)
    return None if database.is_sqlite else Path("var") / _AGENT_KEY
