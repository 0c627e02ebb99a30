"""The mistakes in settings and their words: what was found, what was expected, and a guess."""

import datetime as dt
import difflib
import json
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, inspect

Key = tuple[str | int, ...]
_SECRET_KEY: Final = re.compile(r"(^|_)(secret|password|passphrase|token|credential|api_key)s?$", re.IGNORECASE)


class Mistake(Struct, frozen=True):
    """One thing to mend: the key, the value there, the value expected. `about` helps to find it; `hint` guesses.

    `to_fill_in`: true when a file that nobody has filled in yet leaves the value open.
    """

    key: str
    found: str
    expected: str
    about: str = ""
    hint: str = ""
    to_fill_in: bool = False

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.key}{about}: {self.found}; expected {self.expected}{hint}"


class ConfigError(Exception):
    """Raised when the settings cannot be used. `mistakes` lists all that is wrong, in the order of the file."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join((f"{count} in the configuration:", *(f"  {mistake}" for mistake in mistakes))))
        self.mistakes = mistakes


class Secret(str):
    """A text whose `repr` hides it; of an address with a password, only the password is hidden."""

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def shown(self) -> str:
        masked = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", self)
        return masked if masked != str(self) else "***"


class FromEnvironment(str):
    """A value that came as text from a variable, and may therefore mean a number, a date or a list."""

    variable: str

    def __new__(cls, value: str, variable: str) -> "FromEnvironment":
        made = super().__new__(cls, value)
        made.variable = variable
        return made


def written_key(key: Key) -> str:
    """Return the key as in TOML, with the place in a list in brackets."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{plain}" if text else plain
    return text or "the file"


def is_secret(key: Key, written: object = None) -> bool:
    named = any(isinstance(part, str) and _SECRET_KEY.search(part) for part in key)
    return named or (isinstance(written, str) and written.startswith("env:"))


def found(value: object, key: Key, written: object = None) -> str:
    """Return the found value, without a secret; `written` is the file's own text, where that points elsewhere."""
    if is_secret(key, written):
        told = "a value that is not shown" if isinstance(value, str) else kind_of(value)
    else:
        told = Secret(value).shown if isinstance(value, str) and "://" in value and "@" in value else shown(value)
    return f"{told} from {value.variable}" if isinstance(value, FromEnvironment) else told


def shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else f"{value[:57]}…", ensure_ascii=False)
    if isinstance(value, int | float | dt.date | dt.time):
        return str(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    kinds = {bool: "true or false", dict: "a table", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(value), "text" if isinstance(value, str) else f"a {type(value).__name__}")


def one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0] if words else "something that is installed"


def did_you_mean(word: str, known: Sequence[str], alike: float = 0.6) -> str:
    """Return a guess; `alike` is how alike two words must be, from 0 to 1."""
    same = [each for each in known if each.casefold() == word.strip().casefold()]
    near = same or difflib.get_close_matches(word.lower(), known, n=1, cutoff=alike)
    return f"did you mean {near[0]}?" if near else ""


def choices(kind: inspect.Type) -> list[str]:
    """Return the texts among which a setting of this kind must choose; none where it is of another kind."""
    match kind:
        case inspect.Metadata(type=inner):
            return choices(inner)
        case inspect.UnionType(types=types):
            return [each for its in types for each in choices(its)]
        case inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case _:
            return []


def expected(kind: inspect.Type) -> str:
    """Return the meaning of a type in words."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("description") or expected(inner))
        case inspect.UnionType(types=types) if all(_is_told_by_type(each) for each in types):
            names = [str(each.tag) for each in types if isinstance(each, inspect.StructType)]
            return f"a table whose `type` is {one_of(names)}"
        case inspect.UnionType(types=types):
            return " or ".join(expected(each) for each in types if not isinstance(each, inspect.NoneType))
        case inspect.IntType() | inspect.FloatType():
            return _expected_number(kind)
        case inspect.EnumType(cls=cls):
            return one_of([str(member.value) for member in cls])
        case inspect.LiteralType(values=values):
            return one_of([str(value) for value in values])
        case inspect.StrType(pattern=pattern, min_length=least):
            return f"text like {pattern}" if pattern else "text that is not empty" if least else "text"
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list, each {expected(item)}"
        case _:
            return _SIMPLE_KINDS.get(type(kind), "another kind of value")


def _is_told_by_type(kind: inspect.Type) -> bool:
    """Return whether a table of this type is told from others by its key `type`."""
    return isinstance(kind, inspect.StructType) and kind.tag_field == "type"


def _expected_number(kind: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    if kind.ge is not None and kind.le is not None:
        return f"{noun} from {_plain(kind.ge)} to {_plain(kind.le)}"
    limits = (("at least", kind.ge), ("above", kind.gt), ("at most", kind.le), ("below", kind.lt))
    said = (f"{word} {_plain(limit)}" for word, limit in limits if limit is not None)
    return " ".join((noun, " and ".join(said))).strip()


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


_SIMPLE_KINDS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.DateType: "a date such as 2026-03-31",
    inspect.TimeType: "a time of day such as 08:00",
    inspect.DateTimeType: "a date and time such as 2026-03-02T07:45:00",
    inspect.StructType: "a table",
    inspect.DictType: "a table",
}


def perhaps_secret(url: str) -> str:
    return url if Secret(url).shown == "***" else Secret(url)
