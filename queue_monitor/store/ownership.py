"""The ownership of a store: it has one owner, because two that write to one would not know of each other's calls.

A SQLite file is owned by the holder of the lock on the file beside it; the kernel frees that when the process is gone,
however it went. A PostgreSQL database is owned by the holder of an advisory lock on a connection of its own, freed as
soon as the server sees the connection closed; a server that is busy may see that a little after the process is gone.
Because such a lock can be lost unnoticed, every owner also takes a new token, and every transaction that writes checks
whether the token is still the newest.
"""

import asyncio
import fcntl
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from queue_monitor.ports import StoreInUse

# Any two numbers that only we take: "QUEU", "OWNR".
LOCK: Final = "(1364542805, 1331121746)"
_TRY: Final = text(f"SELECT pg_try_advisory_lock{LOCK}")
_WAIT: Final = text(f"SELECT pg_advisory_lock{LOCK}")
_FREE: Final = text(f"SELECT pg_advisory_unlock{LOCK}")
_BEAT_SECONDS: Final = 2.0
_PATIENCE: Final = text("SET lock_timeout = '10s'")  # for the server to see that a process is gone
_TAKE_OVER: Final = text(
    "INSERT INTO lease (id, token, owner, beat_us) VALUES (1, 1, :owner, :now)"
    " ON CONFLICT (id) DO UPDATE SET token = lease.token + 1, owner = excluded.owner, beat_us = excluded.beat_us"
    " RETURNING token"
)
_NOW_US: Final = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
_BEAT: Final = text("UPDATE lease SET beat_us = :now WHERE id = 1 AND token = :token")
_STILL_OURS: Final = text("SELECT 1 FROM lease WHERE id = 1 AND token = :token FOR SHARE")
_WHO: Final = text("SELECT owner FROM lease WHERE id = 1")

ADVICE: Final = "end that one first, or give this one a store of its own"


class InUse(Exception):
    """Another process owns the store; the message names it, as far as it is known."""


class Owner(Protocol):
    """The right to write to a store."""

    async def take(self) -> None:
        """Become the owner. Raises `InUse`."""

    async def begin(self) -> None:
        """Take a token; called once, when the tables are there."""

    async def check(self) -> None:
        """Check that nobody else has become the owner, at most every few seconds. Raises `InUse`."""

    def check_in(self, connection: Connection) -> None:
        """Check the ownership inside a transaction that is to write. Raises `InUse`."""

    async def free(self) -> None: ...


class NoOwner:
    """The owner of a database in memory, which nobody else can open, and of one that is only read."""

    async def take(self) -> None: ...

    async def begin(self) -> None: ...

    async def check(self) -> None: ...

    def check_in(self, connection: Connection) -> None: ...

    async def free(self) -> None: ...


class FileOwner(NoOwner):
    """The lock on the file beside a SQLite file; its content names the owner for people."""

    def __init__(self, file: Path) -> None:
        resolved = file.resolve()
        self._file = resolved.with_name(resolved.name + ".lock")
        self._held: int | None = None

    async def take(self) -> None:
        held = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(held, 200).decode(errors="replace").strip()
            os.close(held)
            raise InUse(who) from None
        os.ftruncate(held, 0)
        os.write(held, _me().encode())
        self._held = held

    async def free(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


class ServerOwner:
    """The advisory lock of a PostgreSQL database, and the token."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._token: int | None = None
        self._checked = 0.0

    async def take(self) -> None:
        """Become the owner; wait for a lock whose owner is known to be gone, as after a kill."""
        connection = await self._engine.connect()
        try:
            if not (await connection.execute(_TRY)).scalar_one():
                await self._outlast(await self._who(connection), connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _outlast(self, who: str, connection: AsyncConnection) -> None:
        if not _is_gone(who):
            raise InUse(who)
        try:
            await connection.execute(_PATIENCE)
            await connection.execute(_WAIT)
        except exc.OperationalError as error:
            raise InUse(who) from error

    async def begin(self) -> None:
        assert self._connection is not None
        now = (await self._connection.execute(_NOW_US)).scalar_one()
        took = await self._connection.execute(_TAKE_OVER, {"owner": _me(), "now": now})
        self._token = took.scalar_one()
        self._checked = _seconds()

    async def check(self) -> None:
        """Check the ownership; after a lost connection, take the lock again if nobody else has."""
        if self._token is None or _seconds() - self._checked < _BEAT_SECONDS:
            return
        try:
            await self._beat()
        except exc.DBAPIError:
            await self._let_go()
            await self.take()
            await self._beat()
        self._checked = _seconds()

    async def _beat(self) -> None:
        if self._connection is None:
            await self.take()
        assert self._connection is not None
        now = (await self._connection.execute(_NOW_US)).scalar_one()
        beat = await self._connection.execute(_BEAT, {"now": now, "token": self._token})
        if beat.rowcount == 0:
            raise InUse(await self._who(self._connection))

    def check_in(self, connection: Connection) -> None:
        if self._token is not None and connection.execute(_STILL_OURS, {"token": self._token}).first() is None:
            raise InUse(str(connection.execute(_WHO).scalar() or ""))

    async def free(self) -> None:
        """Free the lock by a statement: a busy server sees a closed connection a little late."""
        if self._connection is not None:
            with suppress(exc.SQLAlchemyError):  # the connection is lost, and the lock with it
                await self._connection.execute(_FREE)
        await self._let_go()
        await self._engine.dispose()

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(exc.DBAPIError):
                await connection.close()

    async def _who(self, connection: AsyncConnection) -> str:
        with suppress(exc.DBAPIError):  # the other one may be making the tables
            return str((await connection.execute(_WHO)).scalar() or "")
        return ""


def in_use(store: str, who: str) -> StoreInUse:
    """Return the error in words for a person; `store` is the name that a person gives it."""
    return StoreInUse(f"store.url: {store} is in use by another queue monitor{f' ({who})' if who else ''}; {ADVICE}")


def _me() -> str:
    return _name(os.getpid())


def _name(process: int) -> str:
    return f"process {process} on {socket.gethostname()}"


def _is_gone(who: str) -> bool:
    """Return whether the owner was a process of this machine, and no longer runs."""
    named = re.fullmatch(r"process (\d+) on .*", who)
    if named is None or who != _name(process := int(named[1])):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's process
        return False
    return False


def _seconds() -> float:
    """Return the event loop's own clock, which never steps; nothing that is counted depends on it."""
    return asyncio.get_running_loop().time()
