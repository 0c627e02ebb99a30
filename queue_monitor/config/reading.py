"""Compares the written settings with the structs that define them; every difference is noted, none stops the
reading.
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, inspect, structs

from queue_monitor.config.file import File, SourceHead
from queue_monitor.config.mistakes import (
    FromEnvironment,
    Key,
    Mistake,
    Secret,
    choices,
    did_you_mean,
    expected,
    found,
    is_secret,
    kind_of,
    one_of,
    shown,
    written_key,
)
from queue_monitor.config.secrets_file import NAME as SECRETS
from queue_monitor.config.settings import Source

PREFIX: Final = "QUEUE_MONITOR_"
MAX_DEPTH: Final = 20
"""The most tables and lists inside each other; no setting needs half as many."""

SettingsOf = Callable[[str], type[Struct] | None]
T = TypeVar("T", bound=Struct)

_HEAD_KEYS: Final = structs.fields(SourceHead)
_SECTIONS: Final = (*File.__struct_fields__, "sources")


_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NOT_TEXT: Final = "a control character, or half of a character"


class _Wrong:
    """Stands for a value that could not be read; its mistake is already noted."""


_WRONG: Final = _Wrong()
_ABSENT: Final = object()


class Reading:
    """Reads the written settings beside the structs that define them, and notes every difference.

    `left_open`: the variables that nobody has filled in yet; any other that is missing is a mistake.
    """

    def __init__(self, environ: Mapping[str, str], left_open: Collection[str] = ()) -> None:
        self.mistakes: list[Mistake] = []
        self._environ = environ
        self._left_open = left_open
        self._about = ""

    def note(self, key: Key, found: str, expected: str, hint: str = "") -> _Wrong:
        self.mistakes.append(Mistake(written_key(key), found, expected, self._about, hint))
        return _WRONG

    # the environment

    def override(self, tree: dict[str, Any]) -> None:
        """Put every variable `QUEUE_MONITOR_SECTION__KEY` where it belongs in the tree.

        A variable without two underscores is not ours: Kubernetes sets QUEUE_MONITOR_PORT and its like for a service of
        our name. Only one that begins as a section of ours is taken for a slip.
        """
        for variable in sorted(name for name in self._environ if name.startswith(PREFIX)):
            parts = variable.removeprefix(PREFIX).split("__")
            first = parts[0].partition("_")[0].lower()
            if len(parts) > 1 and all(parts):
                self._place(tree, parts, variable)
            elif first in _SECTIONS:
                expected = f"two underscores between section and key: {PREFIX}{first.upper()}__…"
                self.mistakes.append(Mistake(variable, "no such variable", expected))

    def _place(self, tree: dict[str, Any], parts: list[str], variable: str) -> None:
        here: Any = tree
        for depth, part in enumerate(parts, start=1):
            spot = _spot(here, part) if depth <= MAX_DEPTH else None
            if spot is None:
                self.mistakes.append(Mistake(variable, f"nothing to set at {part}", "the name or number of a key"))
                return
            if depth == len(parts):
                here[spot] = FromEnvironment(self._environ[variable], variable)
            elif isinstance(here, list):
                here = here[spot]
            else:
                here = here.setdefault(spot, [] if spot in _list_names() else {})

    def _resolve(self, value: object, key: Key) -> object:
        """Follow `env:NAME`."""
        if not isinstance(value, str) or not value.startswith("env:"):
            return value
        variable = value.removeprefix("env:").strip()
        if variable not in self._environ:
            found = f"env:{variable}"
            expected = (
                f"the environment variable {variable} to be set, or {variable}=… in {SECRETS} beside the settings"
            )
            to_fill_in = variable in self._left_open
            self.mistakes.append(Mistake(written_key(key), found, expected, self._about, to_fill_in=to_fill_in))
            return _WRONG
        return FromEnvironment(self._environ[variable], variable)

    # the file

    def sources(self, written: object, settings_of: SettingsOf, known_kinds: Sequence[str]) -> list[Source]:
        if not isinstance(written, list) or not all(isinstance(source, dict) for source in written):
            self.note(("sources",), kind_of(written), "tables, each beginning with [[sources]]")
            return []
        if not written:
            self.note(("sources",), "missing", "at least one [[sources]] with a name and a kind")
        several = len(written) > 1
        read = [self._source(source, index, several, settings_of, known_kinds) for index, source in enumerate(written)]
        return [source for source in read if source is not None]

    def _source(
        self, written: dict[str, Any], index: int, several: bool, settings_of: SettingsOf, known_kinds: Sequence[str]
    ) -> Source | None:
        """Read one source. Of several, each must name its switch: two on one switch would count its calls twice."""
        key: Key = ("sources", index)
        self._about = f'source "{written["name"]}"' if isinstance(written.get("name"), str) else ""
        heading = [field.encode_name for field in _HEAD_KEYS]
        own_head = {k: v for k, v in written.items() if k in heading}
        head = self.table({"kind": _WRONG} | own_head, SourceHead, key)
        if several and head is not None and head.switch is None:
            self.note(
                (*key, "switch"), "missing", "the switchboard's name, the same for every source that listens to it"
            )
        kind = written.get("kind")
        if kind is None:
            self.note((*key, "kind"), "missing", one_of(known_kinds))
        settings_type = settings_of(kind) if isinstance(kind, str) else None
        settings: Struct | None = None
        if settings_type is not None:
            own = {k: v for k, v in written.items() if k not in heading}
            settings = self.table(own, settings_type, key, also=heading)
        elif isinstance(kind, str):
            self.note((*key, "kind"), shown(kind), one_of(known_kinds), did_you_mean(kind, known_kinds))
        self._about = ""
        if head is None or settings is None:
            return None
        switch = head.switch or head.name
        return Source(name=head.name, kind=head.kind, switch=switch, settings=settings, enabled=head.enabled)

    def table(self, written: object, kind: type[T], key: Key, also: Sequence[str] = ()) -> T | None:
        """Read a table into a struct; None when anything in it is wrong. `also` are keys read elsewhere."""
        if not isinstance(written, dict):
            self.note(key, found(written, key), "a table")
            return None
        fields = structs.fields(kind)
        names = [field.encode_name for field in fields]
        for name in written:
            if name not in names:
                known = [*names, *also]
                variable = _variable_in(written[name])
                what = f"unknown key, from {variable}" if variable else "unknown key"
                self.note((*key, name), what, one_of(known), did_you_mean(name, known))
        before = len(self.mistakes)
        read = {field.name: self._field(written, field, key) for field in fields}
        if len(self.mistakes) > before:
            return None
        try:
            return kind(**{name: value for name, value in read.items() if value is not _ABSENT})
        except (ValueError, TypeError) as error:
            self.note(key, "does not fit together", str(error))
            return None

    def _field(self, written: dict[str, Any], field: structs.FieldInfo, key: Key) -> object:
        here = (*key, field.encode_name)
        if field.encode_name in written:
            return self._value(written[field.encode_name], field.type, here)
        if field.required:
            return self.note(here, "missing", expected(inspect.type_info(field.type)))
        return _ABSENT

    def _value(self, written: object, annotation: Any, key: Key) -> object:
        if isinstance(written, _Wrong):
            return written
        plain = _without_none_and_limits(annotation)
        origin, arguments = get_origin(plain), get_args(plain)
        if isinstance(plain, type) and issubclass(plain, Struct):
            return self.table(written, plain, key)
        if origin in (Union, UnionType) and all(map(_is_struct, arguments)) and isinstance(written, dict):
            return self._table_by_type(written, arguments, key)
        if origin in (list, set, frozenset) or (origin is tuple and arguments[-1] is Ellipsis):
            return self._items(written, origin, annotation, arguments[0], key)
        if origin is dict and isinstance(written, dict):
            for name in filter(_UNWRITABLE.search, written):
                self.note((*key, name), _NOT_TEXT, "a name without control characters")
            return {name: self._value(value, arguments[1], (*key, name)) for name, value in written.items()}
        return self._leaf(written, annotation, plain, key)

    def _table_by_type(self, written: dict[str, Any], kinds: Sequence[type[Struct]], key: Key) -> object:
        """Read a table whose key `type` says which of several kinds it is."""
        known = {str(kind.__struct_config__.tag): kind for kind in kinds}
        said = written.get("type")
        if not isinstance(said, str) or said not in known:
            near = did_you_mean(said, list(known)) if isinstance(said, str) else ""
            what = "missing" if "type" not in written else shown(said)
            return self.note((*key, "type"), what, one_of(list(known)), near)
        rest = {name: value for name, value in written.items() if name != "type"}
        read = self.table(rest, known[said], key, also=("type",))
        return _WRONG if read is None else read

    def _items(self, written: object, make: type, annotation: Any, item: Any, key: Key) -> object:
        value = self._resolve(written, key)
        if isinstance(value, _Wrong):
            return value
        if isinstance(value, FromEnvironment):
            value = [FromEnvironment(part.strip(), value.variable) for part in value.split(",")]
        if isinstance(value, dict) and _is_struct(item):
            value = [value]  # one table where several may stand
        if not isinstance(value, list):
            return self.note(key, found(written, key), expected(inspect.type_info(annotation)))
        return make(self._value(part, item, (*key, place)) for place, part in enumerate(value))

    def _leaf(self, written: object, annotation: Any, plain: Any, key: Key) -> object:
        value = self._resolve(written, key)
        if isinstance(value, _Wrong):
            return value
        lax = isinstance(value, FromEnvironment)
        try:
            read = _time_of_day(value) if plain is dt.time else msgspec.convert(value, annotation, strict=not lax)
        except (msgspec.ValidationError, ValueError):
            kind = inspect.type_info(annotation)
            return self.note(key, found(value, key, written), expected(kind), _guess(value, kind, annotation))
        check = _CHECKS.get(key)
        if check and not check[0](read):
            return self.note(key, found(value, key, written), check[1])
        if isinstance(read, str) and _UNWRITABLE.search(read):
            return self.note(key, _NOT_TEXT, "text without control characters, in UTF-8")
        if isinstance(read, str) and not isinstance(read, StrEnum):
            return Secret(read) if is_secret(key, written) else str(read)
        return read


def _guess(value: object, kind: inspect.Type, annotation: Any) -> str:
    """Return a guess at what was meant: a choice that looks alike, or a number or a truth that is written as text."""
    if not isinstance(value, str):
        return ""
    if known := choices(kind):
        return did_you_mean(value, known, alike=0.75)
    try:
        msgspec.convert(value.replace(",", "."), annotation, strict=False)
    except (msgspec.ValidationError, ValueError):
        return ""
    return "with a decimal point" if "," in value else "without quotation marks"


@cache
def _list_names() -> frozenset[str]:
    """Return the keys that are lists wherever they stand: a variable names a place in one by a number."""
    lists, tables, left = {"sources"}, set[str](), [File]
    while left:
        for field in structs.fields(left.pop()):
            plain = _without_none_and_limits(field.type)
            is_list = get_origin(plain) in (tuple, list)
            (lists if is_list else tables).add(field.encode_name)
            inner = get_args(plain)[-2 if get_origin(plain) is tuple else -1] if get_args(plain) else plain
            inner = _without_none_and_limits(inner)
            left += [inner] if _is_struct(inner) else []
    return frozenset(lists - tables)


def _spot(here: object, part: str) -> Any:
    """Return the place to which a part of a variable's name points: a key in any case, or a place in a list.

    None if it points nowhere.
    """
    if isinstance(here, dict):
        return next((key for key in here if key.upper() == part.upper()), part.lower())
    if isinstance(here, list) and re.fullmatch("[0-9]{1,6}", part) and int(part) <= len(here):
        if int(part) == len(here):
            here.append({})
        return int(part)
    return None


def _time_of_day(written: object) -> dt.time:
    if isinstance(written, dt.time):
        return written
    at = re.fullmatch(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?", str(written).strip())
    if at is None:
        raise ValueError
    hour, minute, second = (int(part) for part in at.groups(default="0"))
    if (hour, minute, second) == (24, 0, 0):
        return dt.time.max  # the end of the day, which a time of day cannot express
    return dt.time(hour, minute, second)


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _variable_in(written: object) -> str:
    """Return the environment variable that set this value, or something in it."""
    if isinstance(written, dict):
        return next(filter(None, map(_variable_in, written.values())), "")
    return written.variable if isinstance(written, FromEnvironment) else ""


def _is_struct(annotation: Any) -> bool:
    plain = _without_none_and_limits(annotation)
    return isinstance(plain, type) and issubclass(plain, Struct)


def _without_none_and_limits(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _without_none_and_limits(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _without_none_and_limits(members[0]) if len(members) == 1 else annotation
    return annotation


_CHECKS: Final[dict[Key, tuple[Callable[[Any], bool], str]]] = {
    ("organisation", "time_zone"): (_is_time_zone, "an IANA time zone, such as Europe/Stockholm"),
    ("http", "host"): (_is_address, "an address such as 127.0.0.1, localhost, ::1 or 0.0.0.0"),
}
