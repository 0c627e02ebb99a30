"""Gives files that root's commands make to the owner of their folder: the user as whom the service runs.

A service of systemd has a user of its own that nobody can sign in as, so its store is imported into, restored and
rebuilt by root. What root leaves there, the service could not open.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from queue_monitor.commands.backup_file import ENDING
from queue_monitor.config import Config
from queue_monitor.ports import StoreError

_used: Final[list[Config]] = []
"""The settings that this command has read, where root gave it."""


def remember(config: Config) -> Config:
    """Return the settings, and remember whose files may be made."""
    if os.geteuid() == 0:
        _used.append(config)
    return config


def give_back() -> None:
    """Give each file that belongs to root and lies in another user's folder to that user."""
    while _used:
        for path in _files(_used.pop()):
            with suppress(OSError):
                _give(path)


def _give(path: Path) -> None:
    """Give one file away, but no link: it could lead to a file that is none of ours."""
    folder, found = path.parent.stat(), path.lstat()
    is_plain = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    if folder.st_uid != 0 and found.st_uid == 0 and is_plain:
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def _files(config: Config) -> Iterator[Path]:
    store = config.store
    if "queue_monitor.store" in sys.modules:  # a command that has not opened this room has made none of its files
        from queue_monitor.store import sqlite_file

        with suppress(StoreError):
            file = sqlite_file(store.url, "", "")
            yield from (file.with_name(file.name + ending) for ending in ("", "-wal", "-shm", "-journal", ".lock"))
    yield from (Path(named) for named in (store.spill, store.agent_key, store.number_keys) if named)
    yield Path(store.unsaved_alerts)
    if config.http.token_file:
        yield Path(config.http.token_file)
    for source in config.sources:
        if place := getattr(source.settings, "state_path", ""):
            yield Path(place)
    if store.backups:
        folder = Path(store.backups)
        yield folder
        yield from folder.glob(f"*{ENDING}")
