"""Checks the retention times: decisions to delete, and the age of the newest backup."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from queue_monitor import texts
from queue_monitor.commands import backup_file
from queue_monitor.commands.backup_file import ENDING
from queue_monitor.doctor.finding import Finding, State, Subject, is_there
from queue_monitor.ports import StoreError
from queue_monitor.store import file_of_store

RETENTION: Final = "retention"
BACKUPS: Final = "backups"
_LATE: Final = timedelta(hours=30)
_TOO_LATE: Final = timedelta(days=7)


async def check_retention(subject: Subject) -> list[Finding]:
    """List the kinds that are deleted by decision, and those that are kept for want of one."""
    retention = subject.config.retention
    decided = [kind for kind in retention.__struct_fields__ if getattr(retention, kind).deletes]
    undecided = [kind for kind in retention.__struct_fields__ if kind not in decided]
    found = []
    if undecided:
        kinds = _names(undecided, subject.language)
        found.append(subject.found(RETENTION, "retention.undecided", State.WATCH, kinds=kinds))
    if decided:
        found.append(subject.found(RETENTION, "retention.decided", kinds=_names(decided, subject.language)))
    return found


def _names(kinds: Iterable[str], language: str) -> str:
    return ", ".join(_lower(texts.say(f"privacy.{kind}.name", language)) for kind in kinds)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


async def check_backups(subject: Subject) -> list[Finding]:
    """Check the age of the newest backup, where the monitor makes them itself."""
    try:
        file = file_of_store(subject.config.store.url)
    except StoreError:
        return []
    if file is None:
        return [subject.found(BACKUPS, "backups.server")]
    if not subject.config.store.backups:
        return [subject.found(BACKUPS, "backups.unset", State.WATCH)]
    folder = Path(subject.config.store.backups)
    if is_there(folder) is None or (is_there(folder) and not os.access(folder, os.R_OK | os.X_OK)):
        return [subject.found(BACKUPS, "backups.hidden", State.WATCH, folder=folder)]
    made = _newest(folder)
    if made is None:
        if is_there(file) is False:
            return [subject.found(BACKUPS, "backups.first", folder=folder)]
        return [subject.found(BACKUPS, "backups.none", _without_any(subject), folder=folder)]
    at, file = made
    age = subject.now - at
    if age > _LATE:
        state = State.WRONG if age > _TOO_LATE else State.WATCH
        where = "unit" if subject.has_unit("queue-monitor-backup.timer") else "plan"
        why = texts.say(f"doctor.backups.why.{where}", subject.language)
        return [subject.found(BACKUPS, "backups.old", state, at=subject.minute(at), days=age.days, why=why)]
    return [subject.found(BACKUPS, "backups.ok", at=subject.minute(at), file=file.name)]


def _without_any(subject: Subject) -> State:
    """Return the state of a store without a backup: one of a night or less need not have been backed up yet."""
    first = subject.store.first_at if subject.store is not None else subject.now - _TOO_LATE
    return State.WATCH if first is None or subject.now - first < _LATE else State.WRONG


def _newest(folder: Path) -> tuple[datetime, Path] | None:
    """Return the newest whole backup, by the time inside each; other files do not count."""
    try:
        files = sorted(folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime, reverse=True)
    except OSError:
        return None
    return next(((at.astimezone(UTC), file) for file in files if (at := backup_file.made_at(file)) is not None), None)
