"""A look at a store from outside: its content, its owner, its size. It writes nothing and takes no lock."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, inspect, text

from queue_monitor.ports import StoreError
from queue_monitor.store.copying import damaged, is_damage
from queue_monitor.store.database import Database
from queue_monitor.store.engines import SQLITE_BUSY_SECONDS
from queue_monitor.store.names import QUEUE, SOURCE
from queue_monitor.store.ownership import LOCK
from queue_monitor.store.schema import microseconds, moment

LATELY: Final = timedelta(days=28)
_STEPS: Final = 10_000
_VERSION_TABLE: Final = "queue_monitor_version"
_LOCKS: Final = Path("/proc/locks")


class StoreLook(Struct, frozen=True, kw_only=True):
    """A short description of a store.

    `revision`: of its tables, "" where there are none.
    `size`: bytes.
    `calls`, `calls_lately`: the number of all calls, and of those of the last `LATELY`.
    `first_at`: when the oldest call began.
    `owner`: the process that writes to it, "" for none; None where that cannot be seen.
    `faults`: where it contradicts itself; None where the check was not completed.
    `now`: its clock, asked at `asked_at`.
    `server`: the version of its program.
    `queues`, `heard`: the names of the queues and of the sources that calls have told of.
    `sources`: the monitor's state of its sources, as it was written last; empty where there is none.
    """

    revision: str = ""
    size: int = 0
    calls: int = 0
    calls_lately: int = 0
    first_at: datetime | None = None
    owner: str | None = None
    faults: tuple[str, ...] | None = ()
    now: datetime | None = None
    asked_at: datetime | None = None
    server: str = ""
    queues: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    sources: bytes = b""


def look_at_file(file: Path, now: datetime, until: float, monotonic: Any) -> StoreLook:
    """Return a description of a SQLite file; the check stops when `monotonic()` passes `until`. Raises `StoreError`."""
    try:
        with closing(sqlite3.connect(_address(file), uri=True, timeout=SQLITE_BUSY_SECONDS)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = _counted(lambda question: connection.execute(question).fetchone()[0], tables, now)
            found |= _named(lambda question: connection.execute(question).fetchall(), tables)
            revision = connection.execute(f"SELECT version_num FROM {_VERSION_TABLE}").fetchone() if tables else None
            connection.set_progress_handler(lambda: monotonic() > until, _STEPS)
            faults = _faults(connection)
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(file, error) from error
        raise StoreError(f"store.url: the SQLite file {file} cannot be read: {error}", passing=True) from error
    sizes = [each.stat().st_size for each in (file, _wal(file)) if each.exists()]
    return StoreLook(
        revision=revision[0] if revision else "",
        size=sum(sizes),
        owner=owner_of(file),
        faults=faults,
        server=f"SQLite {sqlite3.sqlite_version}",
        **found,
    )


def _address(file: Path) -> str:
    """Return the address of a file for reading only.

    When a database was closed, all is in the file and its log is gone; then SQLite is told that nobody writes, or it
    would make files beside it, which would be ours.
    """
    return f"{file.resolve().as_uri()}?{'mode=ro' if _wal(file).exists() else 'immutable=1'}"


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _named(rows: Any, tables: set[str]) -> dict[str, Any]:
    if not {"name", "state"} <= tables:
        return {}
    names = [(row[0], str(row[1])) for row in rows("SELECT kind, text FROM name ORDER BY id")]
    state = rows("SELECT body FROM state WHERE name = 'sources'")
    return {
        "queues": tuple(text for kind, text in names if kind == QUEUE),
        "heard": tuple(text for kind, text in names if kind == SOURCE),
        "sources": bytes(state[0][0]) if state else b"",
    }


def _counted(ask: Any, tables: set[str], now: datetime) -> dict[str, Any]:
    if "contact" not in tables:
        return {}
    since = microseconds(now - LATELY)
    first = ask("SELECT min(at_us) FROM contact")
    return {
        "calls": ask("SELECT count(*) FROM contact"),
        "calls_lately": ask(f"SELECT count(*) FROM contact WHERE at_us >= {since}"),
        "first_at": None if first is None else moment(first),
    }


def _faults(connection: sqlite3.Connection) -> tuple[str, ...] | None:
    try:
        said = tuple(str(row[0]) for row in connection.execute("PRAGMA quick_check(5)"))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return () if said == ("ok",) else said


def owner_of(file: Path) -> str | None:
    """Return the holder of a SQLite file's lock, "" for nobody; None where the kernel does not say.

    The lock is not tried: a monitor that starts at that moment would be refused.
    """
    resolved = file.resolve()
    lock = resolved.with_name(resolved.name + ".lock")
    try:
        if not lock.exists():
            return ""
        # by its number alone: some file systems call the device otherwise here than in a file's own data
        ending = f":{lock.stat().st_ino}"
        held = (line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines())
        if not any("FLOCK" in words and any(word.endswith(ending) for word in words) for words in held):
            return ""
        return lock.read_text(encoding="utf-8", errors="replace").strip() or "?"
    except OSError:
        return None


async def look_at_server(url: str, now: datetime) -> StoreLook:
    """Return a description of a database in PostgreSQL. Raises `StoreError`."""
    database = Database(url, own=False)
    try:
        async with database.reading("cannot be opened") as connection:
            return await connection.run_sync(_at_server, now)
    finally:
        await database.close()


def _at_server(connection: Connection, now: datetime) -> StoreLook:
    def ask(question: str) -> Any:
        return connection.execute(text(question)).scalar()

    tables = set(inspect(connection).get_table_names())
    database_now = ask("SELECT clock_timestamp()")
    first, second = (int(part) for part in LOCK.strip("()").split(","))
    held = ask(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
        f" (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = {first} AND objid = {second}"
    )
    who = ask("SELECT owner FROM lease WHERE id = 1") if "lease" in tables else None
    return StoreLook(
        revision=str(ask(f"SELECT version_num FROM {_VERSION_TABLE}")) if _VERSION_TABLE in tables else "",
        size=int(ask("SELECT pg_database_size(current_database())")),
        owner=str(who or "?") if held else "",
        now=database_now,
        asked_at=now,
        server=f"PostgreSQL {str(ask('SHOW server_version')).split()[0]}",
        **_counted(ask, tables, now),
        **_named(lambda question: connection.execute(text(question)).fetchall(), tables),
    )
