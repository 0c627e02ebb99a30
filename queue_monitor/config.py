"""One TOML file and the environment become frozen settings; every mistake is told at once, in plain words.

A key is overridden by an environment variable: `store.url` by `QUEUE_MONITOR_STORE__URL`, `sources[0].host` by
`QUEUE_MONITOR_SOURCES__0__HOST`. A text `env:NAME` anywhere in the file stands for that variable: for secrets.
"""

import datetime as dt
import difflib
import ipaddress
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, inspect, structs

from queue_monitor.model import DefinitionId, Outcome, Target

PREFIX: Final = "QUEUE_MONITOR_"
SIMULATED_KINDS: Final = frozenset({"simulator", "replay"})

Ratio = Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1, such as 0.9 for 90 %")]
Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]+$", description="a name of letters a to z, digits and . _ - without spaces")
]
Seconds = Annotated[int, Meta(ge=0)]
SettingsOf = Callable[[str], type[Struct] | None]
T = TypeVar("T", bound=Struct)
Thing = TypeVar("Thing")


class Mistake(Struct, frozen=True):
    """One thing to mend: the key, what stands there, what should. `about` helps to find it; `hint` guesses."""

    key: str
    found: str
    expected: str
    about: str = ""
    hint: str = ""

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.key}{about}: {self.found}; expected {self.expected}{hint}"


class ConfigError(Exception):
    """The settings cannot be used. `mistakes` lists everything that is wrong, in the order of the file."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join((f"{count} in the configuration:", *(f"  {mistake}" for mistake in mistakes))))
        self.mistakes = mistakes


class Secret(str):
    """A text whose `repr` does not tell it; of an address with a password, only the password is hidden."""

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def shown(self) -> str:
        masked = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", self)
        return masked if masked != str(self) else "***"


def _require(met: bool, words: str) -> None:
    if not met:
        raise ValueError(words)


class Organisation(Struct, frozen=True, kw_only=True):
    """Whose calls these are; `language` and `time_zone` are what people are shown."""

    name: str = "Kundcenter"
    language: Literal["sv", "en"] = "sv"
    time_zone: str = "Europe/Stockholm"


class ExitHandling(StrEnum):
    """What a caller's deliberate way out of a queue counts as: a miss, or left out of the target."""

    MISS = "miss"
    EXCLUDED = "excluded"


class Exits(Struct, frozen=True, kw_only=True):
    """How pressing the exit key and asking for a callback are counted."""

    exit_key: ExitHandling = ExitHandling.MISS
    callback: ExitHandling = ExitHandling.MISS

    @property
    def excluded(self) -> frozenset[Outcome]:
        """The outcomes that are left out of the target."""
        ways = {Outcome.EXIT_KEY: self.exit_key, Outcome.CALLBACK: self.callback}
        return frozenset(outcome for outcome, handling in ways.items() if handling is ExitHandling.EXCLUDED)


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class WeekdayHours(Struct, frozen=True, kw_only=True):
    """The days of the week that share one opening and closing time, local."""

    days: tuple[Weekday, ...]
    open: dt.time
    close: dt.time

    def __post_init__(self) -> None:
        _require(bool(self.days), "at least one day")
        _require(self.open < self.close, "open before close, on the same day")


class HoursException(Struct, frozen=True, kw_only=True):
    """A date that differs: closed, or open at other hours."""

    date: dt.date
    closed: bool = False
    open: dt.time | None = None
    close: dt.time | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.closed:
            _require(self.open is None and self.close is None, "either closed = true or open and close, not both")
        else:
            _require(self.open is not None and self.close is not None, "closed = true, or both open and close")
            _require(self.open is None or self.close is None or self.open < self.close, "open before close")


class Schedule(Struct, frozen=True, kw_only=True):
    """Opening hours of one queue or of all: the week, and the dates that differ (public holidays too)."""

    weekdays: tuple[WeekdayHours, ...]
    exceptions: tuple[HoursException, ...] = ()


class Source(Struct, frozen=True, kw_only=True):
    """One way in: which adapter, which switchboard it listens to, and the adapter's own settings."""

    name: str
    kind: str
    switch: str
    settings: Struct
    enabled: bool = True


class StoreSettings(Struct, frozen=True, kw_only=True):
    """Where the journal lives: an SQLAlchemy address, SQLite or PostgreSQL."""

    url: str = "sqlite:///var/queue-monitor.db"


class Http(Struct, frozen=True, kw_only=True):
    """Where the wallboard and the API are served. Port 0 takes any that is free."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080


class ClockSettings(Struct, frozen=True, kw_only=True):
    """For simulated time: when it starts (without a zone: local time), and how fast it runs beside life."""

    start: dt.datetime | None = None
    rate: Annotated[float, Meta(gt=0, le=10_000)] = 1.0

    @property
    def simulated(self) -> bool:
        return self.start is not None or self.rate != 1.0


class QueueSettings(Struct, frozen=True, kw_only=True):
    """How a queue is shown to people."""

    label: Annotated[str, Meta(min_length=1)]


class Config(Struct, frozen=True, kw_only=True):
    """Everything that can be set, checked. `exits` and `hours` bear on the queues that have none of their own."""

    organisation: Organisation
    target: Target
    exits: Exits
    queue_exits: dict[str, Exits]
    hours: Schedule
    queue_hours: dict[str, Schedule]
    sources: tuple[Source, ...]
    store: StoreSettings
    http: Http
    clock: ClockSettings
    queues: dict[str, QueueSettings]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.organisation.time_zone)

    def exits_of(self, queue: str) -> Exits:
        return self.queue_exits.get(queue, self.exits)

    def hours_of(self, queue: str) -> Schedule:
        return self.queue_hours.get(queue, self.hours)

    def label_of(self, queue: str) -> str:
        return self.queues[queue].label if queue in self.queues else queue


# The file as it is written; `load` makes the structs above from it.

_WEEK: Final = (WeekdayHours(days=tuple(Weekday)[:5], open=dt.time(8), close=dt.time(17)),)


class _QueueExits(Struct, frozen=True, kw_only=True):
    exit_key: ExitHandling | None = None
    callback: ExitHandling | None = None


class _ExitsSection(Exits, frozen=True, kw_only=True):
    queues: dict[str, _QueueExits] = {}


class _TargetSection(Struct, frozen=True, kw_only=True):
    limit_seconds: Annotated[int, Meta(ge=1)] = 300
    ratio: Annotated[float, Meta(gt=0, le=1, description="a share above 0 and at most 1, such as 0.9 for 90 %")] = 0.9
    definition: DefinitionId = DefinitionId.D2
    short_abandon_seconds: Seconds = 20
    since: dt.date | None = None
    refused_limit_ratio: Ratio = 0.02
    exits: _ExitsSection = _ExitsSection()

    def __post_init__(self) -> None:
        _require(self.short_abandon_seconds <= self.limit_seconds, "short_abandon_seconds at most limit_seconds")


class _QueueHours(Struct, frozen=True, kw_only=True):
    weekdays: tuple[WeekdayHours, ...] | None = None
    exceptions: tuple[HoursException, ...] | None = None


class _HoursSection(Struct, frozen=True, kw_only=True):
    weekdays: tuple[WeekdayHours, ...] = _WEEK
    exceptions: tuple[HoursException, ...] = ()
    queues: dict[str, _QueueHours] = {}


class _SourceHead(Struct, frozen=True, kw_only=True):
    name: Name
    kind: str
    switch: Name | None = None
    enabled: bool = True


class _File(Struct, frozen=True, kw_only=True):
    organisation: Organisation = Organisation()
    target: _TargetSection = _TargetSection()
    hours: _HoursSection = _HoursSection()
    store: StoreSettings = StoreSettings()
    http: Http = Http()
    clock: ClockSettings = ClockSettings()
    queues: dict[str, QueueSettings] = {}


_HEAD_KEYS: Final = structs.fields(_SourceHead)
_SECTIONS: Final = (*_File.__struct_fields__, "sources")
_LISTS: Final = frozenset({"sources", "weekdays", "exceptions"})
_SECRET_KEY: Final = re.compile(r"(^|_)(secret|password|passphrase|token|credential|api_key)s?$", re.IGNORECASE)
_EMBEDDED_SOURCES: Final = [{"name": "simulator", "kind": "simulator"}]


def load(
    path: Path | None, environ: Mapping[str, str], settings_of: SettingsOf, known_kinds: Sequence[str] = ()
) -> Config:
    """Read the file (None: the embedded defaults, with one simulated switchboard) and the environment.

    `settings_of` gives an adapter kind's own Settings, None for a kind that does not exist. Raises `ConfigError`.
    """
    tree = {"sources": [dict(source) for source in _EMBEDDED_SOURCES]} if path is None else _parse(path)
    reading = _Reading(environ)
    reading.override(tree)
    written = tree.pop("sources", [])
    file = reading.table(tree, _File, (), also=("sources",))
    sources = reading.sources(written, settings_of, known_kinds)
    if file is not None:
        reading.mistakes += _contradictions(file, sources)
    if file is None or reading.mistakes:
        raise ConfigError(reading.mistakes)
    return _config(file, sources)


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows editors put a byte order mark first
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_mistake(path, text, str(error))]) from error
    except UnicodeDecodeError as error:
        place = f"the byte at {error.start} is not UTF-8"
        raise ConfigError([Mistake(str(path), place, "a text file saved as UTF-8")]) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Mistake(str(path), f"cannot be read: {reason}", "a readable TOML file")]) from error


def _syntax_mistake(path: Path, text: str, message: str) -> Mistake:
    what, _, where = message.partition(" (at ")
    at = re.match(r"line (\d+), column (\d+)", where)
    lines = text.split("\n")
    line, column = at.groups() if at else (len(lines), len(lines[-1]) + 1)
    return Mistake(f"{path}, line {line}, column {column}", what[:1].lower() + what[1:], 'TOML, such as key = "text"')


class _FromEnvironment(str):
    """A value that came as text from a variable, and therefore may mean a number, a date or a list."""

    variable: str

    def __new__(cls, value: str, variable: str) -> "_FromEnvironment":
        made = super().__new__(cls, value)
        made.variable = variable
        return made


class _Wrong:
    """Stands for a value that could not be read; its mistake is already noted."""


_WRONG: Final = _Wrong()
_ABSENT: Final = object()
_Key = tuple[str | int, ...]


class _Reading:
    """Walks what was written beside the structs that say what may be, and notes every difference."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.mistakes: list[Mistake] = []
        self._environ = environ
        self._about = ""

    def note(self, key: _Key, found: str, expected: str, hint: str = "") -> _Wrong:
        self.mistakes.append(Mistake(_written(key), found, expected, self._about, hint))
        return _WRONG

    # the environment

    def override(self, tree: dict[str, Any]) -> None:
        """Put every variable `QUEUE_MONITOR_SECTION__KEY` where it belongs in the tree.

        A variable without two underscores is somebody else's: Kubernetes sets QUEUE_MONITOR_PORT and its like for a
        service of our name. Only one that begins as a section of ours does is taken for a slip.
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
            spot = _spot(here, part)
            if spot is None:
                self.mistakes.append(Mistake(variable, f"nothing to set at {part}", "the name or number of a key"))
                return
            if depth == len(parts):
                here[spot] = _FromEnvironment(self._environ[variable], variable)
            elif isinstance(here, list):
                here = here[spot]
            else:
                here = here.setdefault(spot, [] if spot in _LISTS else {})

    def _resolve(self, value: object, key: _Key) -> object:
        """Follow `env:NAME`."""
        if not isinstance(value, str) or not value.startswith("env:"):
            return value
        variable = value.removeprefix("env:").strip()
        if variable not in self._environ:
            return self.note(key, f"env:{variable}", f"the environment variable {variable} to be set")
        return _FromEnvironment(self._environ[variable], variable)

    # the file

    def sources(self, written: object, settings_of: SettingsOf, known_kinds: Sequence[str]) -> list[Source]:
        if not isinstance(written, list) or not all(isinstance(source, dict) for source in written):
            self.note(("sources",), _kind_of(written), "tables, each beginning with [[sources]]")
            return []
        if not written:
            self.note(("sources",), "missing", "at least one [[sources]] with a name and a kind")
        read = [self._source(source, index, settings_of, known_kinds) for index, source in enumerate(written)]
        return [source for source in read if source is not None]

    def _source(
        self, written: dict[str, Any], index: int, settings_of: SettingsOf, known_kinds: Sequence[str]
    ) -> Source | None:
        key: _Key = ("sources", index)
        self._about = f'source "{written["name"]}"' if isinstance(written.get("name"), str) else ""
        heading = [field.encode_name for field in _HEAD_KEYS]
        head = self.table({k: v for k, v in written.items() if k in heading}, _SourceHead, key)
        kind = written.get("kind")
        settings_type = settings_of(kind) if isinstance(kind, str) else None
        settings: Struct | None = None
        if settings_type is not None:
            own = {k: v for k, v in written.items() if k not in heading}
            settings = self.table(own, settings_type, key, also=heading)
        elif isinstance(kind, str):
            self.note((*key, "kind"), _shown(kind), _one_of(known_kinds), _did_you_mean(kind, known_kinds))
        self._about = ""
        if head is None or settings is None:
            return None
        switch = head.switch or head.name
        return Source(name=head.name, kind=head.kind, switch=switch, settings=settings, enabled=head.enabled)

    def table(self, written: object, kind: type[T], key: _Key, also: Sequence[str] = ()) -> T | None:
        """Read a table into a struct; None when anything in it is wrong. `also` are keys read elsewhere."""
        if not isinstance(written, dict):
            self.note(key, _found(written, key), "a table")
            return None
        fields = structs.fields(kind)
        names = [field.encode_name for field in fields]
        for name in written:
            if name not in names:
                known = [*names, *also]
                variable = _variable_in(written[name])
                found = f"unknown key, from {variable}" if variable else "unknown key"
                self.note((*key, name), found, _one_of(known), _did_you_mean(name, known))
        before = len(self.mistakes)
        read = {field.name: self._field(written, field, key) for field in fields}
        if len(self.mistakes) > before:
            return None
        try:
            return kind(**{name: value for name, value in read.items() if value is not _ABSENT})
        except (ValueError, TypeError) as error:
            self.note(key, "does not fit together", str(error))
            return None

    def _field(self, written: dict[str, Any], field: structs.FieldInfo, key: _Key) -> object:
        here = (*key, field.encode_name)
        if field.encode_name in written:
            return self._value(written[field.encode_name], field.type, here)
        if field.required:
            return self.note(here, "missing", _expected(inspect.type_info(field.type)))
        return _ABSENT

    def _value(self, written: object, annotation: Any, key: _Key) -> object:
        if isinstance(written, _Wrong):
            return written
        plain = _without_none_and_limits(annotation)
        origin, arguments = get_origin(plain), get_args(plain)
        if isinstance(plain, type) and issubclass(plain, Struct):
            return self.table(written, plain, key)
        if origin in (list, set, frozenset) or (origin is tuple and arguments[-1] is Ellipsis):
            return self._items(written, origin, annotation, arguments[0], key)
        if origin is dict and isinstance(written, dict):
            return {name: self._value(value, arguments[1], (*key, name)) for name, value in written.items()}
        return self._leaf(written, annotation, plain, key)

    def _items(self, written: object, make: type, annotation: Any, item: Any, key: _Key) -> object:
        value = self._resolve(written, key)
        if isinstance(value, _Wrong):
            return value
        if isinstance(value, _FromEnvironment):
            value = [_FromEnvironment(part.strip(), value.variable) for part in value.split(",")]
        if isinstance(value, dict) and _is_struct(item):
            value = [value]  # one table where several may stand
        if not isinstance(value, list):
            return self.note(key, _found(written, key), _expected(inspect.type_info(annotation)))
        return make(self._value(part, item, (*key, place)) for place, part in enumerate(value))

    def _leaf(self, written: object, annotation: Any, plain: Any, key: _Key) -> object:
        value = self._resolve(written, key)
        if isinstance(value, _Wrong):
            return value
        lax = isinstance(value, _FromEnvironment)
        try:
            read = _time_of_day(value) if plain is dt.time else msgspec.convert(value, annotation, strict=not lax)
        except (msgspec.ValidationError, ValueError):
            return self.note(key, _found(value, key, written), _expected(inspect.type_info(annotation)))
        check = _CHECKS.get(key)
        if check and not check[0](read):
            return self.note(key, _found(value, key, written), check[1])
        if isinstance(read, str) and not isinstance(read, StrEnum):
            return Secret(read) if _is_secret(key, written) else str(read)
        return read


def _contradictions(file: _File, sources: Sequence[Source]) -> list[Mistake]:
    """What is right key by key and wrong together."""
    found: list[Mistake] = []
    twice = _repeated([source.name for source in sources])
    found += [Mistake("sources", f'more than one named "{name}"', "a name of its own for each") for name in twice]
    real = [source for source in sources if source.enabled and source.kind not in SIMULATED_KINDS]
    if real and file.clock.simulated:
        about = f'"{real[0].name}" ({real[0].kind})'
        found.append(Mistake("clock", "simulated time", f"the machine's own clock beside the live source {about}"))
    found += _hours_mistakes(file.hours, ("hours",))
    for queue, hours in file.hours.queues.items():
        found += _hours_mistakes(hours, ("hours", "queues", queue))
    return found


def _hours_mistakes(hours: _HoursSection | _QueueHours, key: _Key) -> list[Mistake]:
    days = [day for part in hours.weekdays or () for day in part.days]
    dates = [part.date for part in hours.exceptions or ()]
    return [
        *(Mistake(_written((*key, "weekdays")), f"{day} twice", "one opening a day") for day in _repeated(days)),
        *(Mistake(_written((*key, "exceptions")), f"{day} twice", "one exception a date") for day in _repeated(dates)),
    ]


def _repeated(things: Sequence[Thing]) -> list[Thing]:
    return [thing for thing, times in Counter(things).items() if times > 1]


def _config(file: _File, sources: list[Source]) -> Config:
    target, hours = file.target, file.hours
    exits = Exits(exit_key=target.exits.exit_key, callback=target.exits.callback)
    schedule = Schedule(weekdays=hours.weekdays, exceptions=hours.exceptions)
    return Config(
        organisation=file.organisation,
        target=Target(**{field: getattr(target, field) for field in Target.__struct_fields__}),
        exits=exits,
        queue_exits={queue: _over(exits, own) for queue, own in target.exits.queues.items()},
        hours=schedule,
        queue_hours={queue: _over(schedule, own) for queue, own in hours.queues.items()},
        sources=tuple(sources),
        store=structs.replace(file.store, url=_perhaps_secret(file.store.url)),
        http=file.http,
        clock=structs.replace(file.clock, start=_in_zone(file.clock.start, ZoneInfo(file.organisation.time_zone))),
        queues=file.queues,
    )


def _over(general: T, own: Struct) -> T:
    """The general setting with what a queue has of its own."""
    return structs.replace(general, **{key: value for key, value in structs.asdict(own).items() if value is not None})


def _in_zone(start: dt.datetime | None, zone: ZoneInfo) -> dt.datetime | None:
    if start is None:
        return None
    return (start if start.tzinfo else start.replace(tzinfo=zone)).astimezone(dt.UTC)


def _perhaps_secret(url: str) -> str:
    return url if Secret(url).shown == "***" else Secret(url)


def _spot(here: object, part: str) -> Any:
    """Where a part of a variable's name points: a key, whatever its case, or a place in a list; None if nowhere."""
    if isinstance(here, dict):
        return next((key for key in here if key.upper() == part.upper()), part.lower())
    if isinstance(here, list) and part.isdigit() and int(part) <= len(here):
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
    return dt.time(hour, minute, second)


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _variable_in(written: object) -> str:
    """The environment variable that set this, or something in it."""
    if isinstance(written, dict):
        return next(filter(None, map(_variable_in, written.values())), "")
    return written.variable if isinstance(written, _FromEnvironment) else ""


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


_CHECKS: Final[dict[_Key, tuple[Callable[[Any], bool], str]]] = {
    ("organisation", "time_zone"): (_is_time_zone, "an IANA time zone, such as Europe/Stockholm"),
    ("http", "host"): (
        _is_loopback,
        "127.0.0.1, localhost or ::1, for as long as there are no access tokens: nobody else may reach it",
    ),
}


# Words for a person.


def _written(key: _Key) -> str:
    """The key as one would write it in TOML, with the place in a list in brackets."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{plain}" if text else plain
    return text or "the file"


def _is_secret(key: _Key, written: object = None) -> bool:
    named = any(isinstance(part, str) and _SECRET_KEY.search(part) for part in key)
    return named or (isinstance(written, str) and written.startswith("env:"))


def _found(value: object, key: _Key, written: object = None) -> str:
    if _is_secret(key, written):
        shown = "a value that is not shown" if isinstance(value, str) else _kind_of(value)
    else:
        shown = Secret(value).shown if isinstance(value, str) and "://" in value and "@" in value else _shown(value)
    return f"{shown} from {value.variable}" if isinstance(value, _FromEnvironment) else shown


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else f"{value[:57]}…", ensure_ascii=False)
    if isinstance(value, int | float | dt.date | dt.time):
        return str(value)
    return _kind_of(value)


def _kind_of(value: object) -> str:
    kinds = {bool: "true or false", dict: "a table", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(value), "text" if isinstance(value, str) else f"a {type(value).__name__}")


def _one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0] if words else "something that is installed"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def _expected(kind: inspect.Type) -> str:
    """What a type stands for, in words."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("description") or _expected(inner))
        case inspect.UnionType(types=types):
            return " or ".join(_expected(each) for each in types if not isinstance(each, inspect.NoneType))
        case inspect.IntType() | inspect.FloatType():
            return _expected_number(kind)
        case inspect.EnumType(cls=cls):
            return _one_of([str(member.value) for member in cls])
        case inspect.LiteralType(values=values):
            return _one_of([str(value) for value in values])
        case inspect.StrType(pattern=pattern, min_length=least):
            return f"text like {pattern}" if pattern else "text that is not empty" if least else "text"
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list, each {_expected(item)}"
        case _:
            return _SIMPLE_KINDS.get(type(kind), "another kind of value")


def _expected_number(kind: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    if kind.ge is not None and kind.le is not None:
        return f"{noun} from {kind.ge:g} to {kind.le:g}"
    limits = (("at least", kind.ge), ("above", kind.gt), ("at most", kind.le), ("below", kind.lt))
    return " ".join((noun, " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None))).strip()


_SIMPLE_KINDS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.DateType: "a date such as 2026-03-31",
    inspect.TimeType: "a time of day such as 08:00",
    inspect.DateTimeType: "a date and time such as 2026-03-02T07:45:00",
    inspect.StructType: "a table",
    inspect.DictType: "a table",
}


def describe(config: Config) -> str:
    """What was understood, for `check-config`; secrets are not shown."""
    target = config.target
    since = f", since {target.since}" if target.since else ""
    lines = [
        f"organisation  {config.organisation.name}, {config.organisation.language}, {config.organisation.time_zone}",
        f"target        {target.ratio * 100:g} % answered within {target.limit_seconds} s,"
        f" by {target.definition}{since}",
        f"              hung up within {target.short_abandon_seconds} s is short;"
        f" never ok with more than {target.refused_limit_ratio * 100:g} % refused",
        *_described_exits("", config.exits),
        *(line for queue, exits in config.queue_exits.items() for line in _described_exits(queue, exits)),
        *_described_hours("", config.hours),
        *(line for queue, hours in config.queue_hours.items() for line in _described_hours(queue, hours)),
        *(line for source in config.sources for line in _described_source(source)),
        f"store         {_for_people(_perhaps_secret(config.store.url))}",
        f"wallboard     http://{_host_in_url(config.http.host)}:{config.http.port}",
        f"clock         {_described_clock(config)}",
        *(f"queue         {queue} is shown as {own.label}" for queue, own in config.queues.items()),
    ]
    return "\n".join(lines)


def _described_exits(queue: str, exits: Exits) -> list[str]:
    return [f"              {_of(queue)}exit key counts as {exits.exit_key}, callback as {exits.callback}"]


def _described_hours(queue: str, hours: Schedule) -> list[str]:
    week = [f"{' '.join(part.days)} {part.open:%H:%M}-{part.close:%H:%M}" for part in hours.weekdays]
    return [
        f"hours         {_of(queue)}{', '.join(week)}",
        *(f"              {_described_exception(part)}" for part in hours.exceptions),
    ]


def _described_exception(part: HoursException) -> str:
    hours = "closed" if part.closed else f"{part.open:%H:%M}-{part.close:%H:%M}"
    return f"{part.date} {hours}" + (f" ({part.reason})" if part.reason else "")


def _described_source(source: Source) -> list[str]:
    state = "" if source.enabled else ", switched off"
    defaults = {field.name: field.default for field in structs.fields(source.settings)}
    own = {
        key: value
        for key, value in structs.asdict(source.settings).items()
        if isinstance(value, str | int | float) or value != defaults[key]
    }
    return [
        f"source        {source.name}: {source.kind}, switch {source.switch}{state}",
        *(f"              {key} = {_for_people(value)}" for key, value in own.items()),
    ]


def _described_clock(config: Config) -> str:
    if not config.clock.simulated:
        return "the machine's own"
    start = config.clock.start
    begins = f"from {start.astimezone(config.zone):%Y-%m-%d %H:%M}" if start else "from now"
    return f"simulated, {begins}, {config.clock.rate:g} times as fast as life"


def _for_people(value: object) -> str:
    if value in ("", None):
        return "not set"
    return value.shown if isinstance(value, Secret) else str(value)


def _host_in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _of(queue: str) -> str:
    return f"{queue}: " if queue else ""
