"""Makes a source's adapter anew when its settings have changed: the settings file, or a file that they name."""

import logging
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from queue_monitor.config import Config, ConfigError, Source
from queue_monitor.ports import Adapter, Clock

log = logging.getLogger(__name__)

Stamp = tuple[tuple[str, int, int, int] | None, ...]


class Renewal:
    """Watches the settings file at `path` (None: there is none), and reads it again with `read`."""

    def __init__(
        self, path: Path | None, read: Callable[[], Config], build: Callable[[Source, Clock], Adapter]
    ) -> None:
        self._path = path
        self._read = read
        self._build = build

    def of(self, source: Source, clock: Clock) -> Callable[[], Adapter | None]:
        """Return a function that returns a new adapter when the source's settings have changed since its last call,
        else None.

        Settings that cannot be used, or that no longer have the source, are reported in the log, and change nothing.
        """
        seen = self._stamp(source)

        def renewed() -> Adapter | None:
            nonlocal seen, source
            if (now := self._stamp(source)) == seen:
                return None
            seen = now
            try:
                config = self._read()
            except ConfigError as error:
                log.warning("settings changed and cannot be used source=%s: %s", source.name, error)
                return None
            found = [one for one in config.sources if (one.kind, one.name) == (source.kind, source.name)]
            if not found:
                log.warning("settings changed and have no such source any more source=%s", source.name)
                return None
            source = found[0]
            seen = self._stamp(source)
            return self._build(source, clock)

        return renewed

    def _stamp(self, source: Source) -> Stamp:
        """Return a value that differs when one of the files has been written or replaced."""
        named = [value for value in structs.astuple(source.settings) if isinstance(value, str) and value]
        return tuple(map(_stamped, [*([self._path] if self._path is not None else []), *map(Path, named)]))


def _stamped(file: Path) -> tuple[str, int, int, int] | None:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None  # no file: a host, a user name
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino
