"""The kinds of switchboard: it finds an adapter by its name in the settings."""

import importlib
import pkgutil
from collections.abc import Sequence
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from msgspec import Struct, structs

import adapters
from queue_monitor.config import Source
from queue_monitor.ports import Adapter, CallerNames, Clock, Connection, Translator
from queue_monitor.replay.recording import Pieces, Recording

ENTRY_POINTS: Final = "queue_monitor.adapters"


class UnknownKind(LookupError):
    """Raised when there is no adapter of that name; the message lists those there are."""


def adapter_kinds() -> list[str]:
    """Return every kind of switchboard that a config can name: our own files, and those that others have installed."""
    own = {module.name for module in pkgutil.iter_modules(adapters.__path__)}
    return sorted(own | {point.name for point in entry_points(group=ENTRY_POINTS)})


def adapter_module(kind: str) -> ModuleType:
    """Return the module of a kind, imported only now. Raises `UnknownKind`."""
    if kind.isidentifier() and kind in {module.name for module in pkgutil.iter_modules(adapters.__path__)}:
        return importlib.import_module(f"adapters.{kind}")
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == kind:
            return cast(ModuleType, point.load())
    raise UnknownKind(f"{kind!r} is no kind of source; there are: {', '.join(adapter_kinds())}")


def settings_of(kind: str) -> type[Struct] | None:
    """Return a kind's own Settings, or None when there is no such kind."""
    try:
        return cast("type[Struct]", adapter_module(kind).Settings)
    except UnknownKind:
        return None


def source_urn(kind: str, name: str) -> str:
    return f"urn:kc:{kind}:{name}"


def passes_on(kind: str) -> bool:
    """Return whether a kind of source passes on what others say under names of their own."""
    about = getattr(adapter_module(kind), "ABOUT", None)
    return about is None or about.passes_on


def build_adapter(source: Source, clock: Clock, callers: CallerNames | None = None) -> Adapter:
    """Return the adapter of a source. `callers` gives callers their pseudonyms, where that kind knows callers."""
    build = adapter_module(source.kind).build
    more = {"callers": callers} if "callers" in signature(build).parameters else {}
    return cast(Adapter, build(source.name, source.switch, source.settings, clock, **more))


def build_recording(
    kind: str, paths: Sequence[Path], name: str, switch: str, settings: Struct | None = None
) -> Recording:
    """Return the files of one kind as the successive connections of one source. Raises `UnknownKind`."""
    module = adapter_module(kind)
    source = source_urn(kind, name)
    chosen = settings if settings is not None else _plain_settings(module.Settings)

    def translator(epoch: str) -> Translator:
        return cast(Translator, module.Translator(Connection(source=source, switch=switch, epoch=epoch), chosen))

    return Recording(
        kind=kind,
        source=source,
        switch=switch,
        paths=tuple(paths),
        translator=translator,
        pieces=cast(Pieces, module.recorded_pieces),
        dated_by_sender=getattr(module, "DATED_BY_SENDER", False),
    )


def _plain_settings(kind: type[Struct]) -> Struct:
    """Return an adapter's settings for its translator: a path that only its wire reads may be anything."""
    return kind(**{field.name: "" for field in structs.fields(kind) if field.required})
