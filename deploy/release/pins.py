"""Reads a requirements file with hashes, as the resolver writes it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_PIN: Final = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH: Final = re.compile(r"\s+--hash=sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"\s+#\s+(?:via\s*)?(\S.*)?$")


@dataclass(frozen=True)
class Pin:
    """One pinned package: for which machines (a marker, or nothing for all), its files, and who asked for it."""

    name: str
    version: str
    marker: str
    hashes: list[str] = field(default_factory=list)
    via: list[str] = field(default_factory=list)

    @property
    def ref(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(text: str) -> Iterator[Pin]:
    """Yield the pins of a requirements file with hashes. Raises `ValueError` for a line that is none."""
    pin = None
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _PIN.match(line):
            if pin:
                yield pin
            pin = Pin(found[1].lower().replace("_", "-"), found[2], found[3] or "")
        elif pin and (hashed := _HASH.match(line)):
            pin.hashes.append(hashed[1])
        elif pin and (via := _VIA.match(line)):
            pin.via.extend(filter(None, [via[1]]))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"line {number} is neither a pin nor a hash: {line}")
    if pin:
        yield pin
