"""Checks the files of a monitor: who may read and change them, and whether it can write where it must."""

import os
import pwd
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from queue_monitor.config import secrets_beside
from queue_monitor.config.mistakes import is_secret
from queue_monitor.doctor.finding import Finding, State, Subject, is_there, nearest
from queue_monitor.ports import StoreError
from queue_monitor.store import file_of_store

AREA: Final = "files"
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_PASSWORD: Final = re.compile(r"://[^/@\s]*:[^/@\s]+@")


async def check(subject: Subject) -> list[Finding]:
    """Check who may read and change the settings, the secrets, the store and the keys."""
    seen = {path: is_there(path) for path in kept_files(subject)}
    kept = [path for path, there in seen.items() if there]
    if hidden := [path for path, there in seen.items() if there is None]:
        gaps = {"folder": hidden[0].parent, "me": _name(os.geteuid())}
        return [*_settings(subject), subject.found(AREA, "files.hidden", State.WATCH, **gaps)]
    found = [*_settings(subject), *(each for path in kept for each in _kept(subject, path))]
    if not any(each.key == "files.open" for each in found):
        found.append(subject.found(AREA, "files.ok" if kept else "files.none", count=len(kept)))
    return [*found, *_other_user(subject, kept), *_folders(subject)]


def kept_files(subject: Subject) -> list[Path]:
    """Return the files that the monitor writes, whether they exist yet or not."""
    config = subject.config
    store = config.store
    named = [store.agent_key, store.number_keys, store.spill, store.unsaved_alerts, config.http.token_file]
    try:
        file = file_of_store(config.store.url)
    except StoreError:
        file = None
    beside = [] if file is None else [file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")]
    return [*beside, *(Path(name) for name in named if name)]


def _settings(subject: Subject) -> Iterator[Finding]:
    path = subject.path
    if path is None:
        return
    secrets = secrets_beside(path)
    for file, holds_secrets in ((path, _holds_secrets(path)), (secrets, True)):
        if not is_there(file):
            continue
        mode = file.stat().st_mode
        # a group of its own may read the settings, as a systemd unit hands them over
        readable = stat.S_IROTH if file == path else _OTHERS_READ
        if holds_secrets and mode & readable:
            yield subject.found(AREA, "files.open", State.WRONG, file=file, mode=_written(mode))
        if mode & _OTHERS_WRITE:
            yield subject.found(AREA, "files.writable", State.WRONG, file=file, mode=_written(mode))


def _kept(subject: Subject, path: Path) -> Iterator[Finding]:
    mode = path.stat().st_mode
    if mode & (_OTHERS_READ | _OTHERS_WRITE):
        yield subject.found(AREA, "files.open", State.WRONG, file=path, mode=_written(mode))


def _holds_secrets(path: Path) -> bool:
    """Return whether a secret is written in the settings themselves, rather than in a variable that they name."""
    try:
        return _any_secret(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError):
        return False


def _any_secret(value: object, name: str = "") -> bool:
    if isinstance(value, dict):
        return any(_any_secret(part, key) for key, part in value.items())
    if isinstance(value, list):
        return any(_any_secret(part, name) for part in value)
    if not isinstance(value, str) or value.startswith("env:") or not value:
        return False
    return is_secret((name,)) or bool(_PASSWORD.search(value))


def _other_user(subject: Subject, kept: list[Path]) -> Iterator[Finding]:
    owners = {path.stat().st_uid for path in kept} - {os.geteuid()}
    if owners and os.geteuid() != 0:
        owner = _name(min(owners))
        yield subject.found(AREA, "files.other_user", State.WATCH, owner=owner, me=_name(os.geteuid()))


def _folders(subject: Subject) -> Iterator[Finding]:
    for folder in sorted({path.parent for path in kept_files(subject)}):
        if not os.access(nearest(folder), os.W_OK):
            yield subject.found(AREA, "files.folder", State.WRONG, folder=folder, me=_name(os.geteuid()))


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _written(mode: int) -> str:
    return f"{stat.S_IMODE(mode):o}"
