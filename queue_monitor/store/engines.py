"""The engine for a URL: the right driver, and settings that do not lose a commit."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from queue_monitor.ports import StoreError

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_FORMS: Final = "sqlite:///path/to/file.db, sqlite:// (in memory) or postgresql://user:password@host/database"

# A server that has lost its power says nothing: without these, a commit waits a quarter of an hour for TCP.
_POSTGRESQL_PATIENCE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
    "application_name": "queue-monitor",
}
SQLITE_BUSY_SECONDS: Final = 10
_SQLITE_SETTINGS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # before the first table; a file that has some keeps what it has
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may forget an acknowledged event when the power goes
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # deleted content must not be found in the file
)
_SQLITE_READ_ONLY: Final = ("PRAGMA query_only = ON",)
BEGIN: Final = "queue_monitor_begin"

# One writer at a time, as in SQLite: so the order of `seq` is the order of the commits. The number is any that only we
# take ("QUEUEMON"). A writer that waits, or whose machine has died with the lock, gives up.
_POSTGRESQL_BEGIN_WRITING: Final = """
    SELECT set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '15s', true),
           pg_advisory_xact_lock(5860666722629799758)
"""
_SQLITE_BEGIN_WRITING: Final = "BEGIN IMMEDIATE"


class StoreAddressError(StoreError):
    """Raised for an address of a store that can never be used: `found` is wrong with it, `expected` would be right.

    Neither holds the address itself, which may have a password in it.
    """

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"store.url: {found}; expected {expected}")
        self.found = found
        self.expected = expected


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def begin_writing(url: URL) -> str:
    return _SQLITE_BEGIN_WRITING if is_sqlite(url) else _POSTGRESQL_BEGIN_WRITING


def parsed(text: str) -> URL:
    """Return the address with the driver that is used. Raises `StoreAddressError`."""
    scheme, _, rest = text.partition("://")
    if scheme not in _DRIVERS:
        raise StoreAddressError(f"{scheme[:20]!r} is not a kind of database known here" if scheme else "empty", _FORMS)
    if rest.partition("?")[0].count("@") > 1 and not scheme.startswith("sqlite"):
        raise StoreAddressError("more than one @", f"{_FORMS}; in a user name or password, write @ as %40")
    try:
        url = make_url(text).set(drivername=_DRIVERS[scheme])
    except (exc.ArgumentError, ValueError):
        # Not `from error`: what could not be read may hold a password.
        raise StoreAddressError("it cannot be read", _FORMS) from None
    if scheme.startswith("sqlite") and (url.host or url.username or url.port):
        raise StoreAddressError("a SQLite file on another machine", f"{_FORMS}; a file has three slashes")
    return url


def name_of(url: URL) -> str:
    """Return the name for a person: the file, or the server and the database on it."""
    if is_sqlite(url):
        return f"the SQLite file {url.database}" if url.database else "the SQLite database in memory"
    return f"the PostgreSQL database {url.database or ''!r} on {url.host or 'this machine'}:{url.port or 5432}"


def file_of(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for one in memory or on a server."""
    in_memory = url.database in (None, "", ":memory:")
    return None if in_memory or not is_sqlite(url) else Path(str(url.database))


def engine_for(url: URL, *, read_only: bool) -> AsyncEngine:
    """Return an engine whose transactions begin where we say so. It does not make a SQLite file."""
    return _sqlite(url, read_only) if is_sqlite(url) else _postgresql(url, read_only)


def lone_engine(url: URL) -> AsyncEngine:
    """Return an engine for PostgreSQL with connections of their own beside the pool, each statement its own
    transaction.

    The server checks a client of whose machine it receives nothing, and frees its locks after half a minute.
    """
    settings = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4 -c lock_timeout=20s"
    arguments = _patience(url) | {"application_name": "queue-monitor owner"}
    if "options" not in url.query:
        arguments["options"] = settings
    return create_async_engine(
        url, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
    )


def make_file(file: Path) -> None:
    """Make a SQLite file that only its owner can read, as are those that SQLite puts beside
    it; older ones become so.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    for each in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        with suppress(FileNotFoundError, PermissionError):  # gone meanwhile, or another's whose group we are in
            each.chmod(0o600)


def _sqlite(url: URL, read_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # Transactions begin where we say so (below), not where Python's driver guesses: it would let a migration
        # through in halves.
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "isolation_level": None},
        poolclass=AsyncAdaptedQueuePool,
        # In memory, the one connection is the database.
        pool_size=3 if file_of(url) else 1,
        max_overflow=0,
        hide_parameters=True,
    )
    settings = _SQLITE_READ_ONLY if read_only else _SQLITE_SETTINGS
    event.listen(engine.sync_engine, "connect", lambda connection, _: _set_up_sqlite(connection, settings))
    event.listen(engine.sync_engine, "begin", lambda connection: _begin(connection, "BEGIN"))
    return engine


def _set_up_sqlite(connection: DBAPIConnection, settings: tuple[str, ...]) -> None:
    cursor = connection.cursor()
    for setting in settings:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection, otherwise: str = "") -> None:
    if statement := connection.get_execution_options().get(BEGIN, otherwise):
        connection.exec_driver_sql(statement)


def _postgresql(url: URL, read_only: bool) -> AsyncEngine:
    arguments = _patience(url)
    if read_only and "options" not in url.query:
        arguments["options"] = "-c default_transaction_read_only=on"
    engine = create_async_engine(
        url,
        connect_args=arguments,
        pool_size=3,
        max_overflow=0,
        pool_pre_ping=True,  # after a restart of the server, the first append finds a live connection
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _patience(url: URL) -> dict[str, Any]:
    return {key: value for key, value in _POSTGRESQL_PATIENCE.items() if key not in url.query}
