"""Checks the clock: set by a time server, in agreement with the database and the switches, and in a known zone."""

import ctypes
import importlib.metadata
import re
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from queue_monitor import texts
from queue_monitor.app import demo
from queue_monitor.doctor.finding import Finding, State, Subject
from queue_monitor.ports import Reach

AREA: Final = "clock"
ZONE: Final = "zone"
_AGREE_SECONDS: Final = 2.0
_WRONG_SECONDS: Final = 60.0
_TIMEX_BYTES: Final = 1024
"""A size above that of `struct timex` on any machine."""

_NOT_SYNCHRONISED: Final = 5
_OLD_YEARS: Final = 2


async def check(subject: Subject) -> list[Finding]:
    """Check the machine's clock, and the database's beside it."""
    if not demo.is_real(demo.clock_of(subject.config)):
        return [subject.found(AREA, "clock.simulated")]
    synchronised = is_synchronised()
    if synchronised is None:
        found = [subject.found(AREA, "clock.unknown")]
    elif synchronised:
        found = [subject.found(AREA, "clock.synchronised")]
    else:
        found = [subject.found(AREA, "clock.unsynchronised", State.WATCH)]
    store = subject.store
    if store is not None and store.now is not None:
        reach = Reach(switch_time=store.now, asked_at=store.asked_at)
        found += difference(subject, store.server, reach)
    return found


def difference(subject: Subject, what: str, reach: Reach) -> Iterator[Finding]:
    """Compare another clock with this machine's, where it is known."""
    if reach.switch_time is None or reach.asked_at is None:
        return
    seconds = (reach.switch_time - reach.asked_at).total_seconds()
    shown = f"{seconds:+.1f}".replace(".", texts.say("decimal", subject.language))
    if abs(seconds) <= _AGREE_SECONDS:
        yield subject.found(AREA, "clock.beside", what=what, seconds=shown)
    else:
        state = State.WRONG if abs(seconds) > _WRONG_SECONDS else State.WATCH
        yield subject.found(AREA, "clock.differs", state, what=what, seconds=shown)


def is_synchronised() -> bool | None:
    """Return whether the kernel's clock is disciplined (`adjtimex(2)`, read only); None where it does not say."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _NOT_SYNCHRONISED


async def check_zone(subject: Subject) -> list[Finding]:
    """Check the time zone of days and opening hours, and the age of its rules."""
    zone = subject.config.organisation.time_zone
    version = _data_version(zone)
    at = subject.minute(subject.now)
    year = re.match(r"\d{4}", version)
    if year and int(year[0]) < subject.now.year - _OLD_YEARS:
        return [subject.found(ZONE, "zone.old", State.WATCH, zone=zone, at=at, version=version)]
    return [subject.found(ZONE, "zone.ok", zone=zone, at=at, version=version)]


def _data_version(zone: str) -> str:
    """Return the version of the rules in use: the machine's own, else those of the package tzdata."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / zone).exists():
            return _version_in(folder / "tzdata.zi") or _written_in(folder / zone)
    return importlib.metadata.version("tzdata")


def _version_in(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as lines:
            found = re.match(r"# version (\S+)", lines.readline())
    except OSError:
        return ""
    return found[1] if found else ""


def _written_in(file: Path) -> str:
    return f"{datetime.fromtimestamp(file.stat().st_mtime).astimezone():%Y}"
