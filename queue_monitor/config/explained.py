"""Extracts the meaning of each setting from the docstring of its struct: one text for each field."""

import inspect as inspection
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from msgspec import Struct, structs

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])|(?<=;)\s+(?=`\w+`: )")
_ENTRY: Final = re.compile(r"`([a-z0-9_]+)`: (.*)")
_NAMED: Final = re.compile(r"`([a-z0-9_]+)`")


def explained(kind: type[Struct]) -> dict[str, str]:
    """Return each field's text by the field's name in the file; "" where the docstring does not mention it.

    A sentence belongs to the fields that it names in backticks, one that begins with "`name`: " to that one alone, and
    one that names none to those of the sentence before.
    """
    names = {field.name: field.encode_name for field in structs.fields(kind)}
    found: dict[str, list[str]] = {name: [] for name in names}
    about: list[str] = []
    for sentence in _sentences(inspection.getdoc(kind) or ""):
        entry = _ENTRY.fullmatch(sentence)
        named = [entry[1]] if entry else _NAMED.findall(sentence)
        about = [name for name in dict.fromkeys(named) if name in names] or about
        for name in about:
            found[name].append(entry[2] if entry else sentence)
    return {names[name]: _whole(" ".join(sentences)) for name, sentences in found.items()}


def _whole(text: str) -> str:
    """Return a text as a sentence of its own."""
    said = text.rstrip(";: ")
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") or not said else ".")


def _sentences(text: str) -> Iterator[str]:
    yield from _SENTENCE.split(" ".join(text.split()))


def inner(annotation: Any) -> Any:
    """Return a type without `None` and limits, and of a list or a table of tables the type of its parts."""
    if get_origin(annotation) is Annotated:
        return inner(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return inner(members[0]) if len(members) == 1 else annotation
    if get_origin(annotation) in (tuple, list):
        return inner(get_args(annotation)[0])
    if get_origin(annotation) is dict:
        return inner(get_args(annotation)[1])
    return annotation
