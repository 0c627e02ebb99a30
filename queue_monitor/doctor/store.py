"""Checks the store: reachable, owned, whole, of this version, its size and growth, and the disk under it."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import structs

from queue_monitor.doctor.finding import Finding, State, Subject, is_there, nearest, size
from queue_monitor.ports import StoreError
from queue_monitor.store import (
    LATELY,
    StoreLook,
    described,
    file_of_store,
    is_in_memory,
    look_at_file,
    look_at_server,
    newest_revision,
)

AREA: Final = "store"
DISK: Final = "disk"
CHECK_SECONDS: Final = 20.0
_FULL_BYTES: Final = 200e6
_SHORT_DAYS: Final = 90
_MIN_CALLS: Final = 100
"""The fewest calls from which a growth is reported."""


async def looked_at(subject: Subject) -> tuple[Subject, list[Finding]]:
    """Return the subject with its store, and the findings made while opening it."""
    url = subject.config.store.url
    try:
        if is_in_memory(url):
            return subject, [subject.found(AREA, "store.memory", State.WATCH)]
        file = file_of_store(url)
        there = True if file is None else is_there(file)
        if there is None:
            return subject, [subject.found(AREA, "store.hidden", State.WATCH, store=described(url))]
        if not there:
            return subject, [subject.found(AREA, "store.absent", store=described(url))]
        store = await _look(subject)
    except StoreError as error:
        key = "store.unreachable" if error.passing or "damaged" not in str(error) else "store.damaged"
        return subject, [subject.found(AREA, key, State.WRONG, reason=str(error))]
    return structs.replace(subject, store=store), []


async def _look(subject: Subject) -> StoreLook:
    file, clock = file_of_store(subject.config.store.url), subject.clock
    if file is None:
        return await look_at_server(subject.config.store.url, subject.now)
    return await asyncio.to_thread(look_at_file, file, subject.now, clock.monotonic() + CHECK_SECONDS, clock.monotonic)


async def check(subject: Subject) -> list[Finding]:
    """Check what is in the store, who writes to it, and whether it is whole."""
    store = subject.store
    if store is None:
        return []
    place = described(subject.config.store.url)
    shown = size(store.size, subject.language)
    found = [
        subject.found(AREA, "store.reached", store=place, server=store.server, calls=store.calls, size=shown),
        _owner(subject, store.owner),
        *_version(subject, store.revision),
    ]
    if store.faults is None:
        found.append(subject.found(AREA, "store.partly", State.WATCH, seconds=f"{CHECK_SECONDS:g}"))
    elif store.faults:
        found.append(subject.found(AREA, "store.damaged", State.WRONG, reason=store.faults[0]))
    elif file_of_store(subject.config.store.url) is not None:
        found.append(subject.found(AREA, "store.sound"))
    return found


def _owner(subject: Subject, owner: str | None) -> Finding:
    if owner is None:
        return subject.found(AREA, "store.owner_unseen")
    return subject.found(AREA, "store.owned" if owner else "store.free", owner=owner)


def _version(subject: Subject, revision: str) -> Iterator[Finding]:
    newest = newest_revision()
    if revision and revision != newest:
        key, state = ("older", State.WATCH) if revision < newest else ("newer", State.WRONG)
        yield subject.found(AREA, f"store.{key}", state, found=revision, newest=newest)


async def check_disk(subject: Subject) -> list[Finding]:
    """Check the room on the disk of the store, or of the folder where the monitor keeps its files."""
    file = file_of_store(subject.config.store.url) if _is_readable(subject) else None
    folder = (file or Path(subject.config.store.spill)).absolute().parent
    there = nearest(folder)
    free, taken = shutil.disk_usage(there).free, subject.store.size if subject.store and file else 0
    gaps: dict[str, object] = {"free": size(free, subject.language), "folder": there}
    if free < _FULL_BYTES:
        return [subject.found(DISK, "disk.full", State.WRONG, **gaps)]
    if free < taken:
        return [subject.found(DISK, "disk.twice", State.WATCH, size=size(taken, subject.language), **gaps)]
    growth = growth_a_day(subject.store) if subject.store and file else None
    if not growth:
        return [subject.found(DISK, "disk.free", **gaps)]
    days = int(free / growth)
    gaps |= {"growth": size(growth, subject.language), "days": days}
    if days < _SHORT_DAYS:
        return [subject.found(DISK, "disk.short", State.WATCH, **gaps)]
    return [subject.found(DISK, "disk.grows", **gaps)]


def growth_a_day(store: StoreLook) -> float | None:
    """Return the growth in bytes a day, from the calls of the last weeks and the bytes of a call; None for few
    calls.
    """
    if store.first_at is None or store.calls < _MIN_CALLS:
        return None
    return store.size / store.calls * store.calls_lately / (LATELY / timedelta(days=1))


def _is_readable(subject: Subject) -> bool:
    try:
        file_of_store(subject.config.store.url)
    except StoreError:
        return False
    return True
