"""The terms of every check: the subject that is examined, and a finding."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.config import Config
from queue_monitor.ports import Clock
from queue_monitor.store import StoreLook


class State(StrEnum):
    """The state of a thing: as it should be, worth a look, or wrong."""

    OK = "ok"
    WATCH = "watch"
    WRONG = "wrong"


class Finding(Struct, frozen=True, kw_only=True):
    """The result of one check. `key` names it for programs; `words` describe it, `advice` what to do, if anything."""

    area: str
    key: str
    state: State
    words: str
    advice: str = ""


class Subject(Struct, frozen=True, kw_only=True):
    """The installation that is examined.

    `path`: the settings file; None where there is none.
    `store`: its store as it was read; None where there is none or it cannot be reached.
    """

    config: Config
    path: Path | None
    clock: Clock
    language: str
    store: StoreLook | None = None

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def day(self, at: datetime) -> str:
        """Return a local date as it is written in both languages."""
        return f"{at.astimezone(self.config.zone):%Y-%m-%d}"

    def minute(self, at: datetime) -> str:
        """Return a local date and time."""
        return f"{self.day(at)} {texts.clock(at, self.config.organisation.time_zone, self.language)}"

    def has_unit(self, name: str) -> bool:
        """Return whether systemd has a unit of this name, or one lies beside the settings."""
        beside = (self.path.parent,) if self.path is not None else ()
        return any(is_there(folder / name) for folder in (*beside, *UNIT_FOLDERS))

    def found(self, area: str, key: str, state: State = State.OK, /, **gaps: object) -> Finding:
        """Return one finding in the language of the report; its advice goes with its key, where there is one."""
        return said(self.language, area, key, state, **gaps)


Check = Callable[[Subject], Awaitable[list[Finding]]]
UNIT_FOLDERS: Final = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_UNITS: Final = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def said(language: str, area: str, key: str, state: State, /, **gaps: object) -> Finding:
    """Return a finding in words of a language."""
    advice = ""
    if state is not State.OK and f"doctor.{key}.do" in texts.words(language):
        advice = texts.say(f"doctor.{key}.do", language, **gaps)
    return Finding(area=area, key=key, state=state, words=texts.say(f"doctor.{key}", language, **gaps), advice=advice)


def size(number: float, language: str) -> str:
    """Return bytes in words: `93 MB`, with one decimal below ten."""
    unit, one = next(((unit, one) for unit, one in _UNITS if number >= one), ("kB", 1e3))
    value = f"{number / one:.0f}" if number / one >= 10 else f"{number / one:.1f}"
    return f"{value.replace('.', texts.say('decimal', language))} {unit}"


def is_there(path: Path) -> bool | None:
    """Return whether there is such a file or folder; None where this user may not look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True


def nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists and may be read."""
    return next(each for each in (folder, *folder.absolute().parents) if is_there(each))
