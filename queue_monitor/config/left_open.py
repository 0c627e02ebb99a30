"""The secrets that a settings file still leaves open because nobody has filled it in: the sample, or one of `init`."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from queue_monitor.config.secrets_file import secrets_beside

SAMPLE: Final = "queue-monitor.toml"
_NAMED: Final = re.compile(r'"env:\s*(\w+)"')
_OPEN_LINE: Final = re.compile(r"#\s*([A-Za-z_][A-Za-z0-9_]*)=\s*")


def shipped() -> Path:
    """Return the folder of the sample and the units: in the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "deploy"
    return inside if inside.is_dir() else package.parent / "deploy"


def left_open(settings: Path, tree: Mapping[str, Any]) -> frozenset[str]:
    """Return the variables that are still to be filled in, as opposed to forgotten.

    They are those of the sample while its settings are untouched, whatever its remarks, and those that stand as
    `#NAME=` in the secrets file, as `init` writes what was not answered.
    """
    untouched, named = _sample()
    found = named if tree == untouched else frozenset()
    try:
        lines = secrets_beside(settings).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return found
    return found | {match[1] for line in lines if (match := _OPEN_LINE.fullmatch(line))}


@cache
def _sample() -> tuple[dict[str, Any], frozenset[str]]:
    """Return the sample's settings and the variables that they name; nothing where a package has left it out."""
    try:
        text = (shipped() / SAMPLE).read_text(encoding="utf-8")
    except OSError:
        return {"": None}, frozenset()
    return tomllib.loads(text), frozenset(_NAMED.findall(text))
