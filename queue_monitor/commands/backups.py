"""Makes a backup of a store in SQLite while the monitor runs, and restores a store from one.

A backup has the database as it was at one moment, the files of the keys, and for each source that saves a place (in a
log, say) the place it had reached: so a restored store continues where the backup ended.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from queue_monitor import __version__
from queue_monitor.commands import backup_file
from queue_monitor.commands.backup_file import DATABASE, ENDING, Manifest
from queue_monitor.config import Config
from queue_monitor.ports import StoreError, StoreInUse
from queue_monitor.store import copying, newest_revision, sqlite_file
from queue_monitor.store.ownership import FileOwner, InUse, in_use
from queue_monitor.store.schema import moment

UNFINISHED: Final = ".unfinished"
_READY: Final = ".restoring"
_AGENT_KEY: Final = "agent.key"
_NUMBER_KEYS: Final = "number-keys.json"
_PLACES: Final = "places/"
_PAGE: Final = "docs/backup.md"


class BackedUp(Struct, frozen=True, kw_only=True):
    """A backup that was made, read again and found whole."""

    path: Path
    size: int
    manifest: Manifest

    def summary(self) -> str:
        return f"{_holding(self.manifest)}, in {self.path} ({self.size / 1e6:.1f} MB), read again and found whole."


class Restored(Struct, frozen=True, kw_only=True):
    """A store that was restored. `without`: sources whose place the backup has and the settings do not."""

    manifest: Manifest
    file: Path
    without: list[str]

    def summary(self) -> str:
        lines = [f"{_holding(self.manifest)}, put back in {self.file}. Start the monitor."]
        if self.without:
            lines.append(f"Not in the settings, so their place was not put back: {', '.join(self.without)}.")
        return "\n".join(lines)


def backup(config: Config, target: Path | None, now: datetime) -> BackedUp:
    """Copy the store; a monitor may write to it meanwhile.

    `target`: a file that does not exist, or a folder; None: the folder of the settings. The file has its name only when
        all of it is on disk and was found whole. Raises `StoreError`, `OSError`.
    """
    file = _file_of(config, "backed up")
    if target is None and not config.store.backups:
        raise StoreError("store.backups: not set; name a file or a folder, or set the folder for backups there")
    path = target or Path(config.store.backups)
    if path.is_dir() or target is None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path / f"queue-monitor-{now:%Y%m%dT%H%M%SZ}{ENDING}"
    if path.exists():
        raise StoreError(f"{path} exists already; name another file")
    for left in path.parent.glob(f"*{ENDING}{UNFINISHED}*"):
        _clear(left)
    with _working_at(path.with_name(path.name + UNFINISHED)) as unfinished:
        copy = path.with_name(path.name + UNFINISHED + "-db")
        try:
            manifest = _write(config, file, copy, unfinished, now)
        finally:
            copy.unlink(missing_ok=True)
        backup_file.checked(unfinished)
        unfinished.rename(path)
        copying.sync_folder(path.parent)
    return BackedUp(path=path, size=path.stat().st_size, manifest=manifest)


def _write(config: Config, file: Path, copy: Path, unfinished: Path, now: datetime) -> Manifest:
    """Write the places first and the keys last, so that the database is never behind a place, nor ahead of a key."""
    others = {f"{_PLACES}{name}": content for name, place in _places(config).items() if (content := _read(place))}
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))
    copying.copy_to(file, copy)
    held = copying.holds(copy)
    for name, key in _keys(config).items():
        if content := _read(key):
            others[name] = content
    manifest = Manifest(
        made_at=now.replace(microsecond=0),
        program=__version__,
        revision=held.revision,
        calls=held.calls,
        events=held.events,
        newest_at=None if held.newest_us is None else moment(held.newest_us),
    )
    backup_file.write(unfinished, manifest, copy, others)
    return manifest


async def restore(config: Config, path: Path, *, over: bool) -> Restored:
    """Put a backup, or the newest in a folder, in the place of the store of these settings: all of it, or nothing.

    The backup is checked before anything is changed. A store that holds calls is replaced only where `over` is true,
    and is gone then. Raises `StoreInUse` while a monitor runs, `StoreError`, `OSError`.
    """
    file = _file_of(config, "restored").resolve()
    if await asyncio.to_thread(path.is_dir):
        path = await asyncio.to_thread(_newest, path)
    manifest = await asyncio.to_thread(backup_file.checked, path)
    if manifest.revision > newest_revision():
        raise StoreError(f"the backup {path} was made by a newer version ({manifest.program}); use that one")
    file.parent.mkdir(parents=True, exist_ok=True)
    owner = FileOwner(file)
    try:
        await owner.take()
    except InUse as error:
        raise in_use(f"the SQLite file {file}", str(error)) from None
    try:
        copying.finish(file)
        if not over:
            _refuse_to_overwrite(file)
        without = await asyncio.to_thread(_put_back, config, path, file)
    finally:
        await owner.free()
    return Restored(manifest=manifest, file=file, without=without)


def _refuse_to_overwrite(file: Path) -> None:
    advice = "make a backup of it first; then, to replace it, say --over"
    if not file.exists():
        return
    try:
        held = copying.holds(file)
    except StoreError as error:
        raise StoreError(f"{file} cannot be looked into, so it may hold calls; to replace it, say --over") from error
    if held.has_calls:
        raise StoreError(f"store.url: {file} holds calls already; {advice}")


def _put_back(config: Config, path: Path, file: Path) -> list[str]:
    places = _places(config)
    wanted = {DATABASE: file, **_keys(config), **{f"{_PLACES}{name}": place for name, place in places.items()}}
    ready = {name: _beside(final) for name, final in wanted.items()}
    try:
        for each in ready.values():
            each.parent.mkdir(parents=True, exist_ok=True)
        found = backup_file.extract(path, ready)
        if faults := copying.faults(ready[DATABASE]):
            raise StoreError(f"the backup {path} holds a damaged database ({faults[0]}); take another one")
        gone = [final for name, final in wanted.items() if name not in found]
        copying.put_in_place(file, [(ready[name], wanted[name].resolve()) for name in found], gone)
    except BaseException:
        if not copying.is_pending(file):
            for each in ready.values():
                each.unlink(missing_ok=True)
        raise
    named = [name.removeprefix(_PLACES) for name in backup_file.names(path) if name.startswith(_PLACES)]
    return sorted(name for name in named if name not in places)


def expired(folder: Path, before: datetime) -> list[Path]:
    """Return the backups in a folder that were made before a moment, oldest first; other files are left alone."""
    return [path for at, path in _made(folder) if at < before]


def _newest(folder: Path) -> Path:
    """Return the newest backup in a folder. Raises `StoreError`."""
    if not (made := _made(folder)):
        raise StoreError(f"{folder} holds no backup; name the file")
    return made[-1][1]


def _made(folder: Path) -> list[tuple[datetime, Path]]:
    """Return the backups in a folder with the time when each was made, oldest first."""
    return sorted((at, path) for path in folder.glob(f"*{ENDING}") if (at := backup_file.made_at(path)) is not None)


def _file_of(config: Config, done: str) -> Path:
    return sqlite_file(
        config.store.url,
        f"is not {done} by this command, which knows SQLite files only; {_PAGE} says how it is done with "
        "PostgreSQL's own pg_dump, or to any moment",
        f"cannot be {done}: it is gone with its process",
    )


def _keys(config: Config) -> dict[str, Path]:
    return {_AGENT_KEY: Path(config.store.agent_key), _NUMBER_KEYS: Path(config.store.number_keys)}


def _places(config: Config) -> dict[str, Path]:
    """Return, for each source, the file in which it saves its place."""
    found = {source.name: getattr(source.settings, "state_path", "") for source in config.sources}
    return {name: Path(path) for name, path in found.items() if path}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _beside(path: Path) -> Path:
    resolved = path.resolve()
    return resolved.with_name(resolved.name + _READY)


@contextmanager
def _working_at(path: Path) -> Iterator[Path]:
    """Open a file that is ours while we write it; the kernel's lock shows that as long as this process lives."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise StoreInUse(f"{path}: another backup is being made there; wait for it") from None
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def _clear(left: Path) -> None:
    """Delete the remains of a backup that was killed, because they hold calls."""
    with suppress(StoreInUse, FileNotFoundError), _working_at(left.with_name(left.name.removesuffix("-db"))):
        left.unlink(missing_ok=True)


def _holding(manifest: Manifest) -> str:
    held = [f"{number} {what}" for number, what in ((manifest.calls, "calls"), (manifest.events, "events")) if number]
    newest = f", the newest of {manifest.newest_at:%Y-%m-%d %H:%M:%S} UTC" if manifest.newest_at else ""
    return f"The store as it was at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {' and '.join(held) or 'empty'}{newest}"
