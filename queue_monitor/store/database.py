"""One URL to one database: the right driver, settings that do not lose a commit, and errors in words for a person."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Table, event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from queue_monitor.ports import StoreError

T = TypeVar("T")

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
_SQLITE_BUSY_SECONDS: Final = 10
_SQLITE_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may forget an acknowledged event when the power goes
    "PRAGMA foreign_keys = ON",
)
_BEGIN: Final = "queue_monitor_begin"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"

# One writer at a time, as in SQLite: so the order of `seq` is the order of the commits, and two monitors on one
# journal cannot lock each other out. The number is any that only we take ("QUEUEMON"). A writer that waits, or whose
# machine has died with the lock, gives up.
_POSTGRESQL_BEGIN_WRITING: Final = """
    SELECT set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '15s', true),
           pg_advisory_xact_lock(5860666722629799758)
"""
_SQLITE_BEGIN_WRITING: Final = "BEGIN IMMEDIATE"

# Alembic keeps the migration that runs in a global, so one at a time for each event loop.
_migrating: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


class Database:
    """An engine, and what a person calls it. Nothing is connected before the first use.

    Every error of the database leaves as a `StoreError` that names the setting and never tells the password.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        with self._errors("cannot be opened"):
            self._engine = _sqlite(self._url) if self._is_sqlite else _postgresql(self._url)
        begin = _SQLITE_BEGIN_WRITING if self._is_sqlite else _POSTGRESQL_BEGIN_WRITING
        self._writing = self._engine.execution_options(**{_BEGIN: begin})
        self._unfinished: set[asyncio.Task[Any]] = set()

    async def migrate(self) -> None:
        """Bring the tables to this version. When several start at once, one does it and the others wait."""
        await self.unbroken(self._migrate())

    async def _migrate(self) -> None:
        one_at_a_time = _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with one_at_a_time, self.writing("cannot be opened") as connection:
            await connection.run_sync(_upgrade)

    async def unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end, also when whoever asked is cancelled and no longer waits.

        A SQLite connection cancelled in the middle of its work may leave the file locked, or take the database with
        it if that is in memory.
        """
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def reading(self, trouble: str) -> AsyncIterator[AsyncConnection]:
        """One transaction. `trouble` is what an error says the database could not do."""
        with self._errors(trouble):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, trouble: str) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed when left without an error, else undone."""
        with self._errors(trouble):
            async with self._writing.begin() as connection:
                yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that can say what to do about a row already there."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    async def close(self) -> None:
        if self._unfinished:
            await asyncio.wait(self._unfinished)
        await self._engine.dispose()

    @contextmanager
    def _errors(self, trouble: str) -> Iterator[None]:
        try:
            yield
        except CommandError as error:
            raise self._error(trouble, f"it belongs to a newer version of the queue monitor ({error})") from error
        except ImportError as error:
            raise self._error(trouble, "its driver is missing: pip install 'queue-monitor[postgres]'") from error
        except (exc.DBAPIError, exc.TimeoutError, OSError) as error:
            raise self._error(trouble, _reason(error)) from error

    def _error(self, trouble: str, reason: str) -> StoreError:
        message = f"store.url: {_name(self._url)} {trouble}: {reason}"
        return StoreError(message.replace(self._url.password, "***") if self._url.password else message)


def _parsed(text: str) -> URL:
    scheme, _, rest = text.partition("://")
    if scheme not in _DRIVERS:
        raise StoreError(f"store.url: {scheme[:20]!r} is not a kind of database known here; write {_FORMS}")
    if rest.partition("?")[0].count("@") > 1 and not scheme.startswith("sqlite"):
        raise StoreError("store.url: more than one @; in a user name or password, write it as %40")
    try:
        url = make_url(text).set(drivername=_DRIVERS[scheme])
    except (exc.ArgumentError, ValueError):
        # Not `from error`: what could not be read may hold a password.
        raise StoreError(f"store.url: cannot be read; write {_FORMS}") from None
    if scheme.startswith("sqlite") and (url.host or url.username or url.port):
        raise StoreError("store.url: a SQLite file is written with three slashes, sqlite:///path/to/file.db")
    return url


def _name(url: URL) -> str:
    """What a person calls it: the file, or the server and the database on it."""
    if url.get_backend_name() == "sqlite":
        return f"the SQLite file {url.database}" if url.database else "the SQLite database in memory"
    return f"the PostgreSQL database {url.database or ''!r} on {url.host or 'this machine'}:{url.port or 5432}"


def _sqlite(url: URL) -> AsyncEngine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url,
        # Transactions begin where we say so (below), not where Python's driver guesses: it would let a migration
        # through in halves.
        connect_args={"timeout": _SQLITE_BUSY_SECONDS, "isolation_level": None},
        poolclass=AsyncAdaptedQueuePool,
        # In memory, the one connection is the database.
        pool_size=1 if in_memory else 3,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", lambda connection: _begin(connection, "BEGIN"))
    return engine


def _set_up_sqlite(connection: DBAPIConnection, _: Any) -> None:
    cursor = connection.cursor()
    for setting in _SQLITE_SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection, otherwise: str = "") -> None:
    if statement := connection.get_execution_options().get(_BEGIN, otherwise):
        connection.exec_driver_sql(statement)


def _postgresql(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url,
        connect_args={key: value for key, value in _POSTGRESQL_PATIENCE.items() if key not in url.query},
        pool_size=3,
        max_overflow=0,
        pool_pre_ping=True,  # after a restart of the server, the first append finds a live connection
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _reason(error: Exception) -> str:
    """The database's own words: their first line, for the rest may tell what was in a row."""
    words = str(getattr(error, "orig", None) or error).strip()
    return words.splitlines()[0][:300] if words else type(error).__name__
