"""Copies of a SQLite file: one made while the file is in use, and one that replaces the file.

PostgreSQL has tools of its own for both.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from queue_monitor.ports import StoreError
from queue_monitor.whole_file import write_whole

PENDING: Final = ".restore"
_BUSY_SECONDS: Final = 30
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_OF_CALLS: Final = ("journal", "pack", "contact", "refusal", "sums", "history")
_SAID: Final = 5
_REPAIR: Final = "keep the file as it is, and put back a backup with: queue-monitor restore (docs/backup.md)"


class Holds(Struct, frozen=True, kw_only=True):
    """A short description of a database.

    `revision`: of its tables, "" where there are none.
    `calls`, `events`: their number, None where its version kept none one by one.
    `has_calls`: whether anything of a caller is in it.
    """

    revision: str = ""
    calls: int | None = None
    events: int | None = None
    newest_us: int | None = None
    has_calls: bool = False


class _Pending(Struct, frozen=True):
    """A restore whose files are all ready: the files to remove, and the files to move and where."""

    removed: list[str]
    moved: list[tuple[str, str]]


def is_damage(error: BaseException | None) -> bool:
    """Return whether SQLite reports that the file is not as SQLite left it."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def damaged(file: Path, reason: object) -> StoreError:
    """Return the error for a damaged file, in words for a person."""
    return StoreError(f"store.url: the SQLite file {file} is damaged ({reason}); {_REPAIR}")


def copy_to(file: Path, target: Path) -> None:
    """Copy a database as it is at one moment; writers to it are not held up.

    The copy is written anew from its rows, so nothing that was deleted is in it. `target` must be new or empty. Raises
    `StoreError`, also where the file or the copy is damaged.
    """
    if not file.exists():
        raise StoreError(f"store.url: the SQLite file {file} cannot be opened: there is no such file")
    try:
        with closing(_connect(file)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(file, error) from error
        raise StoreError(f"store.url: the SQLite file {file} cannot be copied to {target}: {error}") from error
    if found := faults(target):
        raise damaged(file, found[0])


def faults(file: Path) -> list[str]:
    """Return where a database contradicts itself, in SQLite's words; empty where it does not. Raises `StoreError`."""
    try:
        with closing(_connect(file)) as connection:
            said = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_SAID})")]
    except sqlite3.Error as error:
        if is_damage(error):
            return [str(error)]
        raise StoreError(f"store.url: the SQLite file {file} cannot be read: {error}") from error
    return [] if said == ["ok"] else said


def holds(file: Path) -> Holds:
    """Return a description of a database of any version. Raises `StoreError`."""
    try:
        with closing(_connect(file)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return _holds(connection, tables)
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(file, error) from error
        raise StoreError(f"store.url: the SQLite file {file} cannot be read: {error}") from error


def _holds(connection: sqlite3.Connection, tables: set[str]) -> Holds:
    def number(question: str) -> int | None:
        found = connection.execute(question).fetchone()[0]
        return None if found is None else int(found)

    calls = number("SELECT count(*) FROM contact") if "contact" in tables else None
    events, newest = None, None
    if "journal" in tables:
        events, newest = number("SELECT count(*) FROM journal"), number("SELECT max(at_us) FROM journal")
    if "pack" in tables:
        events = (events or 0) + (number("SELECT sum(events) FROM pack") or 0)
        newest = max(filter(None, (newest, number("SELECT max(last_us) FROM pack"))), default=None)
    version = "SELECT version_num FROM queue_monitor_version"
    revision = connection.execute(version).fetchone() if "queue_monitor_version" in tables else None
    return Holds(
        revision=revision[0] if revision else "",
        calls=calls,
        events=events,
        newest_us=newest,
        has_calls=any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in _OF_CALLS if table in tables
        ),
    )


# ---- putting a copy in the place of a file


def put_in_place(file: Path, moved: Sequence[tuple[Path, Path]], removed: Sequence[Path]) -> None:
    """Move files that are ready, each beside the one it replaces, into their places, the database among them, all or
    none.

    The task is written down first; from then on the next to open the database does it, also when this process is
    killed. Only the owner of the database may call this. Raises `OSError`.
    """
    beside = [file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal")]
    todo = _Pending(
        removed=[str(path) for path in (*beside, *removed)], moved=[(str(ready), str(path)) for ready, path in moved]
    )
    write_whole(_pending(file), msgspec.json.encode(todo))
    sync_folder(file.resolve().parent)
    finish(file)


def finish(file: Path) -> None:
    """Finish a restore that was broken off after its files were ready. Raises `OSError`, `StoreError`."""
    pending = _pending(file)
    try:
        todo = msgspec.json.decode(pending.read_bytes(), type=_Pending)
    except FileNotFoundError:
        return
    except msgspec.DecodeError as error:
        raise StoreError(f"store.url: {pending} is damaged; restore the backup again") from error
    for path in map(Path, todo.removed):
        path.unlink(missing_ok=True)
    for ready, path in ((Path(ready), Path(path)) for ready, path in todo.moved):
        if ready.exists():  # else it was moved before we were killed
            ready.replace(path)
            sync_folder(path.parent)
    pending.unlink()
    sync_folder(pending.parent)


def is_pending(file: Path) -> bool:
    """Return whether a restore was broken off that is still to be finished."""
    return _pending(file).exists()


def sync_folder(folder: Path) -> None:
    """Return when the disk has the names in a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _pending(file: Path) -> Path:
    resolved = file.resolve()
    return resolved.with_name(resolved.name + PENDING)


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
