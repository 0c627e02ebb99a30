"""One database: transactions, migrations, and errors in words for a person."""

import asyncio
import logging
import sqlite3
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Table, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_monitor.ports import NoStoreYet, StoreError
from queue_monitor.store.bulk import Bulk
from queue_monitor.store.copying import damaged, finish, is_damage, is_pending
from queue_monitor.store.engines import (
    BEGIN,
    SQLITE_BUSY_SECONDS,
    begin_writing,
    engine_for,
    file_of,
    is_sqlite,
    lone_engine,
    make_file,
    name_of,
    parsed,
)
from queue_monitor.store.migrating import NewerSchema, newest_revision, revision_of, upgrade
from queue_monitor.store.ownership import FileOwner, InUse, NoOwner, Owner, ServerOwner, in_use

T = TypeVar("T")

_DRIVER: Final = "psycopg, one of the packages in requirements/run.txt"
_VACUUM_PAGES: Final = 500

# Alembic keeps the migration that runs in a global, so one at a time for each event loop.
_log = logging.getLogger(__name__)
_migrating: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


class Database:
    """An engine, and the name that a person gives it. Nothing is connected before the first use.

    Every error of the database leaves as a `StoreError` that names the setting and never contains the password.
    """

    def __init__(self, url: str, *, own: bool = True, add: bool = False) -> None:
        """Make the engine. `add`: for a store that is not owned, whether rows may be added that no owner keeps in
        memory.
        """
        self._url = parsed(url)
        self.file = file_of(self._url)
        self.is_sqlite = is_sqlite(self._url)
        with self._errors("cannot be opened"):
            self._engine = engine_for(self._url, read_only=not (own or add))
            self._owner: Owner = self._right_to_write() if own else NoOwner()
        self._own = own
        self._add = own or add
        self._writing = self._engine.execution_options(**{BEGIN: begin_writing(self._url)})
        self._unfinished: set[asyncio.Task[Any]] = set()

    def _right_to_write(self) -> Owner:
        if self.is_sqlite:
            return FileOwner(self.file) if self.file else NoOwner()
        return ServerOwner(lone_engine(self._url))

    async def open(self, **migrating: Any) -> None:
        """Become the owner and bring the tables to this version; `migrating` is for the revisions.

        A store that is only read is checked to be of this version. Raises `StoreInUse` when another one owns it.
        """
        await self.unbroken(self._open(migrating) if self._own else self._look())

    async def _open(self, migrating: dict[str, Any]) -> None:
        with self._errors("cannot be opened"):
            if self.file:
                make_file(self.file)
            await self._owner.take()
            if self.file:
                finish(self.file)
        one_at_a_time = _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with one_at_a_time, self.writing("cannot be opened") as connection:
            await connection.run_sync(upgrade, migrating)
        if self.file:
            await self._rewrite()
        with self._errors("cannot be opened"):
            await self._owner.begin()

    async def _look(self) -> None:
        if self.file and is_pending(self.file):
            raise self._error("cannot be opened", "a restore was broken off; the monitor's start, or restore, ends it")
        if self.file and not self.file.exists():
            raise NoStoreYet(str(self._error("cannot be opened", "there is no such file")))
        async with self.reading("cannot be opened") as connection:
            found = await connection.run_sync(revision_of)
        if found is None:
            raise NoStoreYet(str(self._error("cannot be opened", "no queue monitor has written to it yet")))
        if found != newest_revision():
            age = "an older" if found < newest_revision() else "a newer"
            raise self._error(
                "cannot be read", f"it was written by {age} version; an older one is brought up when the monitor starts"
            )

    async def _rewrite(self) -> None:
        """Write a SQLite file of an earlier version anew: only then can it give back room later on.

        This needs room for a second file. Without it, or when it is killed, only the size stays as it was, and the next
        start tries again.
        """
        try:
            async with self._engine.connect() as connection:
                gives_back = (await connection.exec_driver_sql("PRAGMA auto_vacuum")).scalar()
                await connection.rollback()
                if gives_back:
                    return
                await _script(connection, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
        except sqlite3.Error as error:
            _log.warning("SQLite file not written anew, so it will not become smaller: reason=%s", error)

    async def give_back(self) -> None:
        """Give room that is no longer used back to the disk, a little at a time, as SQLite does not by itself."""
        if self.is_sqlite:
            await self.unbroken(self._give_back())

    async def _give_back(self) -> None:
        async with self._engine.connect() as connection:
            unused = -1
            while True:
                left = (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar()
                await connection.rollback()
                if not left or left == unused:
                    return
                unused = left
                try:
                    # Not by `execute`: it would free one page, whatever the number.
                    await _script(connection, f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
                except sqlite3.Error as error:  # the next time will do
                    _log.info("SQLite file not made smaller: reason=%s", error)
                    return

    async def write_anew(self) -> None:
        """Write a SQLite file anew from its rows: pages that were split may hold earlier content, even deleted content.

        Nobody else writes meanwhile.
        """
        if self.file:
            await self.unbroken(self._write_anew())

    async def _write_anew(self) -> None:
        async with self._engine.connect() as connection:
            try:
                await _script(connection, "VACUUM")
            except sqlite3.Error as error:  # the next time will do
                _log.warning("SQLite file not written anew, so traces of what was deleted may be left: %s", error)

    async def empty_log(self) -> None:
        """Bring SQLite's write-ahead log into the file and cut it to nothing, if nobody reads meanwhile."""
        if self.is_sqlite:
            await self.unbroken(self._empty_log())

    async def _empty_log(self) -> None:
        async with self._engine.connect() as connection:
            try:
                await _script(connection, "PRAGMA busy_timeout = 1000; PRAGMA wal_checkpoint(TRUNCATE);")
            except sqlite3.Error as error:  # the next time will do
                _log.info("SQLite log not emptied: reason=%s", error)
            finally:
                await _script(connection, f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")

    async def unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work to its end, also when its user is cancelled and no longer waits.

        A SQLite connection cancelled in the middle of its work may leave the file locked, or take the database with it
        if that is in memory.
        """
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def reading(self, trouble: str) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for reading. `trouble`: the words of an error for what the database could not do."""
        with self._errors(trouble):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, trouble: str) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for writing, committed when left without an error, else undone.

        Raises `StoreInUse` when another one has become the owner.
        """
        with self._errors(trouble):
            if not self._own:
                raise self._error(trouble, "it was opened for reading only")
            await self._owner.check()
            async with self._writing.begin() as connection:
                await connection.run_sync(self._owner.check_in)
                yield connection

    @asynccontextmanager
    async def adding(self, trouble: str) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for rows of a table that no owner keeps in memory, so that nobody need own the store.

        It takes its turn among the others that write.
        """
        with self._errors(trouble):
            if not self._add:
                raise self._error(trouble, "it was opened for reading only")
            await self._owner.check()
            async with self._writing.begin() as connection:
                await connection.run_sync(self._owner.check_in)
                yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return an insert that can have a rule for a row that is already there."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def bulk(self, statement: Any, columns: Sequence[str]) -> Bulk:
        """Return a statement for many rows of these columns."""
        return Bulk(self._engine.dialect, statement, columns)

    async def close(self) -> None:
        if self._unfinished:
            await asyncio.wait(self._unfinished)
        await self._engine.dispose()
        with self._errors("could not be closed"):
            await self._owner.free()

    @contextmanager
    def _errors(self, trouble: str) -> Iterator[None]:
        try:
            yield
        except InUse as error:
            raise in_use(name_of(self._url), str(error)) from None
        except NewerSchema as error:
            raise self._error(trouble, f"it belongs to a newer version of the queue monitor ({error})") from error
        except ImportError as error:
            raise self._error(trouble, f"its driver is missing: {_DRIVER}") from error
        except (exc.DBAPIError, exc.TimeoutError, OSError) as error:
            if self.file and is_damage(getattr(error, "orig", None)):
                raise damaged(self.file, _reason(error)) from error
            raise self._error(trouble, _reason(error), passing=True) from error

    def _error(self, trouble: str, reason: str, *, passing: bool = False) -> StoreError:
        message = f"store.url: {name_of(self._url)} {trouble}: {reason}"
        shown = message.replace(self._url.password, "***") if self._url.password else message
        return StoreError(shown, passing=passing)


async def _script(connection: AsyncConnection, script: str) -> None:
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.executescript(script)


def _reason(error: Exception) -> str:
    """Return the first line of the database's own words, for the rest may contain the content of a row."""
    words = str(getattr(error, "orig", None) or error).strip()
    return words.splitlines()[0][:300] if words else type(error).__name__
