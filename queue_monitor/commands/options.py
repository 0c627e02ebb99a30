"""The settings that a command reads, and the kinds of values that its options take."""

import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from queue_monitor import config
from queue_monitor.app import registry
from queue_monitor.commands import handing_over

CONFIG_VARIABLE: Final = "QUEUE_MONITOR_CONFIG"

Run = Callable[[Namespace], int]
"""A command: it takes the arguments, and returns the exit code."""

_Options = TypeVar("_Options", bound=Struct)


def settings_file(path: Path | None) -> Path | None:
    """Return the named settings file, else the one in QUEUE_MONITOR_CONFIG where it exists."""
    usual = Path(os.environ.get(CONFIG_VARIABLE, ""))
    return path or (usual if usual.is_file() else None)


def load(path: Path | None, *, needs_sources: bool = True) -> config.Config:
    """Return the settings of that file, with the secrets beside it."""
    path, kinds = settings_file(path), registry.adapter_kinds()
    environ = config.with_secrets(path, os.environ)
    read = config.load(path, environ, registry.settings_of, kinds, needs_sources=needs_sources)
    return handing_over.remember(read)


def chosen_as(kind: type[_Options], chosen: Namespace, **beside: Any) -> _Options:
    """Return the arguments as a struct: each field has the argument of its name, or what stands `beside` them."""
    return kind(**({name: vars(chosen)[name] for name in kind.__struct_fields__ if name in chosen} | beside))


def positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise ArgumentTypeError("must be above 0")
    return value


def seconds(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ArgumentTypeError("must be 0 or more seconds")
    return value


def ratio(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ArgumentTypeError("must be a share between 0 and 1, such as 0.9")
    return value


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ArgumentTypeError("needs a time zone, such as a Z at the end")
    return at
