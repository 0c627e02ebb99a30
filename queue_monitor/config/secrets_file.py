"""Secrets in a file beside the settings: it gives `env:NAME` its value where the environment has no such name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NAME: Final = "secrets.env"
_LINE: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def secrets_beside(settings: Path) -> Path:
    """Return the path of the secrets of a settings file, whether or not the file exists."""
    return settings.parent / NAME  # `with_name` raises on a folder such as "."


def with_secrets(settings: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the secrets under it: `NAME=value` lines, as systemd reads them.

    A value may stand in quotes; a line that begins with # is a remark. A file that cannot be read gives nothing.
    """
    if settings is None:
        return dict(environ)
    try:
        lines = secrets_beside(settings).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return dict(environ)
    found = {match[1]: _unquoted(match[2].strip()) for line in lines if (match := _LINE.fullmatch(line))}
    return found | dict(environ)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
