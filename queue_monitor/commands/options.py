"""The settings that a command reads, and the kinds of values that its options take."""

import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import date, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from queue_monitor import config
from queue_monitor.app import registry
from queue_monitor.clock import SystemClock
from queue_monitor.commands import handing_over

CONFIG_VARIABLE: Final = "QUEUE_MONITOR_CONFIG"

Run = Callable[[Namespace], int]
"""A command: it takes the arguments, and returns the exit code."""

_Options = TypeVar("_Options", bound=Struct)
_Number = TypeVar("_Number", int, float)


def settings_file(named: Path | None) -> Path | None:
    """Return the named settings file, else the one in QUEUE_MONITOR_CONFIG where it exists."""
    usual = Path(os.environ.get(CONFIG_VARIABLE, ""))
    return named or (usual if usual.is_file() else None)


def load(file: Path | None, *, needs_sources: bool = True) -> config.Config:
    """Return the settings of that file, with the secrets beside it."""
    place, kinds = settings_file(file), registry.adapter_kinds()
    environ = config.with_secrets(place, os.environ)
    read = config.load(place, environ, registry.settings_of, kinds, needs_sources=needs_sources)
    return handing_over.remember(read)


def chosen_as(kind: type[_Options], chosen: Namespace, **beside: Any) -> _Options:
    """Return the arguments as a struct: each field has the argument of its name, or what stands `beside` them."""
    return kind(**({name: vars(chosen)[name] for name in kind.__struct_fields__ if name in chosen} | beside))


def _number(text: str, kind: type[_Number], words: str) -> _Number:
    try:
        return kind(text)
    except ValueError:
        raise ArgumentTypeError(f'"{text}" is no {words}') from None


def positive(text: str) -> float:
    value = _number(text, float, "number")
    if not 0 < value < inf:
        raise ArgumentTypeError("must be above 0")
    return value


def seconds(text: str) -> int:
    value = _number(text, int, "whole number")
    if value < 0:
        raise ArgumentTypeError("must be 0 or more seconds")
    return value


def natural(text: str) -> int:
    value = _number(text, int, "whole number")
    if value < 0:
        raise ArgumentTypeError("must be 0 or more")
    return value


def count(text: str) -> int:
    value = _number(text, int, "whole number")
    if value < 1:
        raise ArgumentTypeError("must be 1 or more")
    return value


def ratio(text: str) -> float:
    value = _number(text, float, "number")
    if not 0 < value < 1:
        raise ArgumentTypeError("must be a share between 0 and 1, such as 0.9")
    return value


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f'"{text}" is no date; write it as 2026-03-31') from None


def past_day(text: str) -> date:
    """Return a day that is not to come, on this machine's calendar or one of a time zone ahead of it."""
    found = day(text)
    if found > (SystemClock().now() + timedelta(hours=14)).date():
        raise ArgumentTypeError(f"{text} is a day to come")
    return found


def moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f'"{text}" is no time; write it as 2026-11-23T12:08:00Z') from None
    if at.tzinfo is None:
        raise ArgumentTypeError("needs a time zone, such as a Z at the end")
    return at


def name(text: str) -> str:
    """Return a text that is not empty: an empty one, as from a variable that is not set, must not mean all."""
    if not text.strip():
        raise ArgumentTypeError("must not be empty")
    return text


def path(text: str) -> Path:
    return Path(name(text))
