"""The languages: every sentence of each lies in a file of its own beside this one, such as `sv.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_OURS: Final = "sv"
"""The language that is shown where nobody has chosen another."""


def _read(file: Path) -> Mapping[str, str]:
    return MappingProxyType(tomllib.loads(file.read_text(encoding="utf-8")))


_TEXTS: Final = {file.stem: _read(file) for file in sorted(Path(__file__).parent.glob("*.toml"))}
LANGUAGES: Final = (_OURS, *(name for name in _TEXTS if name != _OURS))


def known_language(asked: str | None, default: str = "sv") -> str:
    """The language asked for, if there is one of that name."""
    return asked if asked in LANGUAGES else default


def words(language: str = "sv") -> Mapping[str, str]:
    """Return every sentence of a language, by key."""
    return _TEXTS[language]


def say(key: str, language: str = "sv", **values: object) -> str:
    """One sentence, with its gaps filled. An unknown key is a mistake in the code: KeyError."""
    return _TEXTS[language][key].format(**values)
