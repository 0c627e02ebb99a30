"""Writes the lines of one source from its adapter's Settings, their docstring and EXAMPLE: it lists no kinds."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import Struct, inspect, structs

from queue_monitor.config.explained import explained
from queue_monitor.config.mistakes import expected
from queue_monitor.setup.answers import Answers, Unclear

STATE: Final = "state_path"
"""The name of adapters' setting for the file in which they save their place."""

_WIDTH: Final = 100
_KEY_BYTES: Final = 32


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of switchboard: its Settings, and EXAMPLE, whose keys are the questions."""

    name: str
    settings: type[Struct]
    example: Mapping[str, Any]

    @property
    def questions(self) -> dict[str, str]:
        """Return each key that is asked for, and its meaning."""
        told = explained(self.settings)
        return {key: told.get(key, "") for key in self.example}

    def default(self, key: str) -> str:
        """Return the default shown beside a question, used when the answer is empty; "" where there is none."""
        field = next(field for field in structs.fields(self.settings) if field.encode_name == key)
        return "" if field.required or variable(self.example[key]) else _typed(_default_of(field))


class Lines(Struct, frozen=True, kw_only=True):
    """The lines of a source: its table, its secrets, and the settings to fill in by hand.

    The secrets are by variable, "" for one that is still to be filled in.
    """

    text: str
    secrets: dict[str, str]
    by_hand: list[str]


def variable(example: Any) -> str:
    """Return the variable that holds a secret, by its example; "" for a setting that is none."""
    first = example[0] if isinstance(example, list) and example else example
    return first.removeprefix("env:") if isinstance(first, str) and first.startswith("env:") else ""


def lines(kind: Kind, answers: Answers) -> Lines:
    """Write the source. Raises `Unclear` for a setting that the kind does not have or that cannot be read."""
    fields = {field.encode_name: field for field in structs.fields(kind.settings)}
    if unknown := sorted(answers.settings.keys() - fields.keys()):
        raise Unclear(f"{unknown[0]}: {kind.name} has no such setting; it has {', '.join(fields)}")
    kept: dict[str, str] = {}
    by_hand: list[str] = []
    written: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for key, field in fields.items():
        line = _line(kind, answers, field, kept, by_hand)
        (written if line and not line.startswith("#") else others).append((key, line))
    text = [
        "[[sources]]",
        f"name = {toml(answers.source_name)}",
        f"kind = {toml(kind.name)}",
        'switch = "pbx"                   # the same for every source that listens to this switchboard',
        *_told(kind, [*written, *others]),
    ]
    return Lines(text="\n".join(text), secrets=kept, by_hand=by_hand)


def fitting(kind: Kind, key: str, answer: str) -> str:
    """Return an answer that can be read as that setting, or an empty one. Raises `Unclear`."""
    field = next(field for field in structs.fields(kind.settings) if field.encode_name == key)
    if answer and not variable(kind.example.get(key)):
        read(answer, field)
    return answer


def _line(kind: Kind, answers: Answers, field: structs.FieldInfo, kept: dict[str, str], by_hand: list[str]) -> str:
    """Return one setting as it was answered, or as a remark with its default; secrets go to `kept`."""
    key, example = field.encode_name, kind.example.get(field.encode_name)
    answer = answers.settings.get(key, "")
    if name := variable(example):
        kept[name] = answer or (secrets.token_hex(_KEY_BYTES) if _is_ours_to_choose(field) else "")
        is_list = isinstance(example, list)
        return f'{key} = ["env:{name}"]' if is_list else f'{key} = "env:{name}"'
    if answer:
        return f"{key} = {toml(read(answer, field))}"
    if key == STATE:
        return f"{key} = {toml(f'{answers.home}/{answers.source_name}.place')}"
    if field.required:
        name = re.sub(r"\W", "_", f"{answers.source_name}_{key}").upper()
        kept[name] = ""
        return f'{key} = "env:{name}"'
    if key in kind.example and _default_of(field) in ({}, [], ()):
        by_hand.append(f"sources[0].{key}, such as {toml(example)}")
        return f"#{key} = {toml(example)}"
    return _default(key, field)


def _default(key: str, field: structs.FieldInfo) -> str:
    try:
        return f"#{key} = {toml(_default_of(field))}"
    except TypeError:  # a table of tables, or nothing at all: docs/settings.md describes it
        return ""


def _default_of(field: structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _told(kind: Kind, entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield each line after its meaning; a meaning that several share stands before the first."""
    meanings, before = explained(kind.settings), ""
    for key, line in entries:
        meaning = meanings[key]
        if line and meaning != before:
            yield from (f"# {part}" for part in wrap(meaning, _WIDTH))
        if line:
            before = meaning
            yield line


def _is_ours_to_choose(field: structs.FieldInfo) -> bool:
    """Return whether the key is made here: one with a least length is new, so nobody has it yet."""
    kind = inspect.type_info(field.type)
    item = kind.item_type if isinstance(kind, inspect.VarTupleType) else kind
    while isinstance(item, inspect.Metadata):
        item = item.type
    return isinstance(item, inspect.StrType) and (item.min_length or 0) > 1


def read(text: str, field: structs.FieldInfo) -> Any:
    """Return an answer as the setting's type: lists as `a,b`, tables as `a=b,c=d`. Raises `Unclear`."""
    written: Any = text
    origin = get_origin(field.type)
    if origin in (tuple, list):
        written = [part.strip() for part in text.split(",") if part.strip()]
    elif dict in (origin, *(get_origin(each) for each in get_args(field.type))):
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise Unclear(f"{field.encode_name}: {text!r}; expected a table, such as 7100=kundcenter,7200=bygglov")
        written = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        return msgspec.to_builtins(msgspec.convert(written, field.type, strict=False))
    except msgspec.ValidationError as error:
        wanted = expected(inspect.type_info(field.type))
        raise Unclear(f"{field.encode_name}: {text!r}; expected {wanted}") from error


def toml(value: Any) -> str:
    """Return a value in TOML. Raises `TypeError` for one that TOML cannot express."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(name)} = {toml(part)}" for name, part in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise TypeError(type(value).__name__)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def _typed(value: Any) -> str:
    """Return a default as one would type it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""
