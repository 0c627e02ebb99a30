"""Turns one TOML file and the environment into frozen settings; every mistake is reported at once, in plain words.

A key is overridden by an environment variable: `store.url` by `QUEUE_MONITOR_STORE__URL`, `sources[0].host` by
`QUEUE_MONITOR_SOURCES__0__HOST`. A text `env:NAME` anywhere in the file stands for that variable: for secrets.
"""

import datetime as dt
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from queue_monitor.config.alert_settings import AlertChannel, AlertRecipient, AlertsSettings
from queue_monitor.config.description import (
    changed,
    describe,
    describe_hours,
    describe_reading,
    from_to,
    written_out,
)
from queue_monitor.config.file import File, HoursSection, QueueHours
from queue_monitor.config.left_open import left_open, shipped
from queue_monitor.config.mistakes import ConfigError, Key, Mistake, Secret, one_of, perhaps_secret, written_key
from queue_monitor.config.reading import MAX_DEPTH, Reading, SettingsOf
from queue_monitor.config.secrets_file import secrets_beside, with_secrets
from queue_monitor.config.settings import (
    DEMO_STORE,
    REAL_STORE,
    AccessToken,
    ClockSettings,
    Config,
    ExitHandling,
    Exits,
    Holidays,
    HoursClosure,
    HoursException,
    HoursPeriod,
    Http,
    KeptFor,
    Organisation,
    QueueSettings,
    ReferenceFigure,
    ReportSettings,
    RetentionSettings,
    Schedule,
    Source,
    StoreSettings,
    Wallboard,
    Weekday,
    WeekdayHours,
)
from queue_monitor.config.syntax import syntax_mistake
from queue_monitor.model import AlertKind, Reserve, Target
from queue_monitor.periods import months_of
from queue_monitor.queues import QueueKey, keys_of, queue_key

__all__ = [
    "AccessToken",
    "AlertChannel",
    "AlertRecipient",
    "AlertsSettings",
    "ClockSettings",
    "Config",
    "ConfigError",
    "ExitHandling",
    "Exits",
    "Holidays",
    "HoursClosure",
    "HoursException",
    "HoursPeriod",
    "Http",
    "KeptFor",
    "Mistake",
    "Organisation",
    "QueueSettings",
    "ReferenceFigure",
    "ReportSettings",
    "RetentionSettings",
    "Schedule",
    "Secret",
    "SettingsOf",
    "Source",
    "StoreSettings",
    "Wallboard",
    "Weekday",
    "WeekdayHours",
    "changed",
    "describe",
    "describe_hours",
    "describe_reading",
    "from_to",
    "load",
    "one_of",
    "only_simulates",
    "secrets_beside",
    "shipped",
    "with_secrets",
    "written_out",
]

SIMULATED_KINDS: Final = frozenset({"simulator", "replay"})
T = TypeVar("T", bound=Struct)
Thing = TypeVar("Thing")
_EMBEDDED_SOURCES: Final = [{"name": "simulator", "kind": "simulator"}]


def load(
    path: Path | None,
    environ: Mapping[str, str],
    settings_of: SettingsOf,
    known_kinds: Sequence[str] = (),
    *,
    needs_sources: bool = True,
) -> Config:
    """Read the file (None: the embedded defaults, with one simulated switchboard) and the environment.

    `settings_of` returns an adapter kind's own Settings, None for a kind that does not exist. A backtest of past calls
    needs no source of its own. Raises `ConfigError`.
    """
    tree = {"sources": [dict(source) for source in _EMBEDDED_SOURCES]} if path is None else _parse(path)
    reading = Reading(environ, left_open(path, tree) if path is not None else frozenset())
    reading.override(tree)
    written = tree.pop("sources", [])
    file = reading.table(tree, File, (), also=("sources",))
    sources = reading.sources(written, settings_of, known_kinds) if written or needs_sources else []
    if file is not None:
        reading.mistakes += _contradictions(file, sources)
    if file is None or reading.mistakes:
        raise ConfigError(reading.mistakes)
    return _config(file, sources)


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows editors put a byte order mark first
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_mistake(path, text, str(error))]) from error
    except UnicodeDecodeError as error:
        place = f"the byte at {error.start} is not UTF-8"
        raise ConfigError([Mistake(str(path), place, "a text file saved as UTF-8")]) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Mistake(str(path), f"cannot be read: {reason}", "a readable TOML file")]) from error
    except ValueError as error:  # of Python, for more digits than it reads
        raise ConfigError([Mistake(str(path), "a number of thousands of digits", "shorter numbers")]) from error
    except RecursionError as error:
        raise ConfigError([_nested(path)]) from error
    if _is_deeper(tree, MAX_DEPTH):
        raise ConfigError([_nested(path)])
    return tree


def _nested(path: Path) -> Mistake:
    return Mistake(str(path), "lists or tables nested too deep", f"at most {MAX_DEPTH} inside each other")


def _is_deeper(tree: dict[str, Any], levels: int) -> bool:
    """Return whether more than so many tables and lists stand inside each other."""
    level: list[Any] = [tree]
    for _ in range(levels):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for each in chain.from_iterable(inside) if isinstance(each, dict | list)]
    return bool(level)


def _syntax_mistake(path: Path, text: str, message: str) -> Mistake:
    what, _, where = message.partition(" (at ")
    at = re.match(r"line (\d+), column (\d+)", where)
    lines = text.split("\n")
    line, column = at.groups() if at else (len(lines), len(lines[-1]) + 1)
    key = f"{path}, line {line}, column {column}"
    return syntax_mistake(key, what[:1].lower() + what[1:], lines[min(int(line), len(lines)) - 1])


def _contradictions(file: File, sources: Sequence[Source]) -> list[Mistake]:
    """Return the mistakes of keys that are right one by one and wrong together."""
    found: list[Mistake] = []
    twice = _repeated([source.name for source in sources])
    found += [Mistake("sources", f'more than one named "{name}"', "a name of its own for each") for name in twice]
    real = [source for source in sources if source.enabled and source.kind not in SIMULATED_KINDS]
    if real and file.clock.simulated:
        about = f'"{real[0].name}" ({real[0].kind})'
        found.append(Mistake("clock", "simulated time", f"the machine's own clock beside the live source {about}"))
    tokens = _repeated([access.token_sha256 for access in file.access])
    found += [Mistake("access", "one token for two", "a token of its own for each") for _ in tokens]
    if file.retention.backups.deletes and not file.store.backups:
        found.append(Mistake("store.backups", "not set", "the folder whose backups retention.backups deletes"))
    found += _alert_mistakes(file.alerts)
    found += _report_mistakes(file)
    found += _queue_mistakes(file)
    found += _hours_mistakes(file.hours, ("hours",))
    for queue, hours in file.hours.queues.items():
        found += _hours_mistakes(hours, ("hours", "queues", queue))
    return found


def _alert_mistakes(alerts: AlertsSettings) -> list[Mistake]:
    channels = [channel.name for channel in alerts.channels]
    people = [recipient.name for recipient in alerts.recipients]
    named = [
        *(
            (f"channels[{at}].fallback", channel.fallback, [name for name in channels if name != channel.name])
            for at, channel in enumerate(alerts.channels)
            if channel.fallback != channel.name
        ),
        *((f"recipients[{at}].channel", person.channel, channels) for at, person in enumerate(alerts.recipients)),
        ("escalate_to", alerts.escalate_to, people),
    ]
    unheard = alerts.heartbeat is not None and not any(AlertKind.HEARTBEAT in who.kinds for who in alerts.recipients)
    kinds = (("channels", channels), ("recipients", people))
    twice = [(key, name) for key, names in kinds for name in _repeated(names)]
    return [
        *(
            Mistake(f"alerts.{key}", f'more than one named "{name}"', "a name of its own for each")
            for key, name in twice
        ),
        *(
            Mistake(
                f"alerts.{key}",
                f'"{name}"',
                one_of(known) if known else f"the name of {'another' if 'fallback' in key else 'one'} in the list",
            )
            for key, name, known in named
            if name not in known and (name or key.endswith(".channel"))
        ),
        *(
            Mistake(f"alerts.channels[{at}].fallback", f'"{channel.name}", itself', "another channel")
            for at, channel in enumerate(alerts.channels)
            if channel.fallback == channel.name
        ),
        *(
            [Mistake("alerts.heartbeat", "nobody asks for it", 'a recipient with kinds = ["heartbeat"]')]
            if unheard
            else []
        ),
    ]


def _report_mistakes(file: File) -> list[Mistake]:
    people = [recipient.name for recipient in file.alerts.recipients]
    expected = one_of(people) if people else "the name of one in [alerts], which has no recipients"
    found = [Mistake("report.send_to", f'"{name}"', expected) for name in file.report.send_to if name not in people]
    goals = file.report.goals
    found += [
        Mistake("report.goals", f'more than one named "{name}"', "a name of its own for each")
        for name in _repeated([goal.name for goal in goals])
    ]
    return found + [
        Mistake("report.goals", f'{period} twice for "{goal.name}"', "one value a period")
        for goal in goals
        for period in _repeated_periods([value.period for value in goal.values])
    ]


def _repeated_periods(written: Sequence[str]) -> list[str]:
    """Return the periods that stand twice, each as it is written first: 2026-05..2026-08 is 2026-T2."""
    months = [months_of(each) for each in written]
    return [written[months.index(each)] for each in _repeated(months)]


def _queue_mistakes(file: File) -> list[Mistake]:
    tables: dict[str, Iterable[str]] = {
        "queues": file.queues,
        "target.exits.queues": file.target.exits.queues,
        "hours.queues": file.hours.queues,
    }
    found = [
        Mistake(table, f'more than one named "{key}"', "a name of its own for each, by more than its case")
        for table, queues in tables.items()
        for key in _repeated([queue_key(queue) for queue in queues])
    ]
    boards = file.wallboard.boards
    twice = _repeated([board.name.casefold() for board in boards])
    found += [Mistake("wallboard.boards", f'"{name}" twice', "a name of its own for each") for name in twice]
    pools = [pool.name for pool in file.pools]
    found += [
        Mistake(f"wallboard.boards[{place}].pool", f'"{board.pool}"', one_of(pools) if pools else "a name in [[pools]]")
        for place, board in enumerate(boards)
        if board.pool and board.pool not in pools
    ]
    members = sorted(key for pool in file.pools for key in keys_of(pool.queues))
    found += [
        Mistake("pools", f'"{key}" in two of them', "each queue in one pool") for key in sorted(_repeated(members))
    ]
    return found + _name_mistakes(file, {*members, *map(queue_key, chain.from_iterable(tables.values()))})


def _name_mistakes(file: File, queues: set[QueueKey]) -> list[Mistake]:
    """Return the names that people could not tell apart: of pools, of these queues and what they are shown as; and
    blank names.
    """
    names = [queue_key(pool.name) for pool in file.pools]
    shown = {queue_key(queue): queue_key(own.label) for queue, own in file.queues.items()}
    shown = {queue: queue for queue in queues} | shown
    found = [
        Mistake("pools", f'more than one named "{name}"', "a name of its own for each, by more than its case")
        for name in _repeated(names)
    ]
    found += [
        Mistake(f"pools[{place}].name", f'"{file.pools[place].name}", as a queue is named', "a name that no queue has")
        for place, name in enumerate(names)
        if name in queues
    ]
    found += [
        Mistake("queues", f'more than one shown as "{label}"', "a label of its own for each, that no other queue has")
        for label in _repeated(list(shown.values()))
    ]
    found += [
        Mistake(f"pools[{place}].name", f'"{file.pools[place].name}", as a queue is shown', "a name that no queue has")
        for place, name in enumerate(names)
        if name in shown.values() and name not in queues
    ]
    named: dict[str, Iterable[str]] = {
        "queues": file.queues,
        "target.exits.queues": file.target.exits.queues,
        "hours.queues": file.hours.queues,
        **{f"pools[{place}].queues": pool.queues for place, pool in enumerate(file.pools)},
        **{f"wallboard.boards[{place}].queues": board.queues for place, board in enumerate(file.wallboard.boards)},
        **{f"alerts.recipients[{place}].queues": who.queues for place, who in enumerate(file.alerts.recipients)},
    }
    return found + [
        Mistake(written, f'"{name}"', "names that are not blank")
        for written, its in named.items()
        for name in its
        if not name.strip()
    ]


def _hours_mistakes(hours: HoursSection | QueueHours, key: Key) -> list[Mistake]:
    days = [day for part in hours.weekdays or () for day in part.days]
    dates = [part.date for part in hours.exceptions or ()]
    return [
        *(Mistake(written_key((*key, "weekdays")), f"{day} twice", "one opening a day") for day in _repeated(days)),
        *(
            Mistake(written_key((*key, "exceptions")), f"{day} twice", "one exception a date")
            for day in _repeated(dates)
        ),
    ]


def _repeated(things: Sequence[Thing]) -> list[Thing]:
    return [thing for thing, times in Counter(things).items() if times > 1]


def _config(file: File, sources: list[Source]) -> Config:
    target, hours = file.target, file.hours
    exits = Exits(**{field: getattr(target.exits, field) for field in Exits.__struct_fields__})
    schedule = Schedule(**{field: getattr(hours, field) for field in Schedule.__struct_fields__})
    return Config(
        organisation=file.organisation,
        target=Target(**{field: getattr(target, field) for field in Target.__struct_fields__}),
        exits=exits,
        queue_exits={queue: _over(exits, own) for queue, own in target.exits.queues.items()},
        hours=schedule,
        queue_hours={queue: _over(schedule, own) for queue, own in hours.queues.items()},
        sources=tuple(sources),
        store=_store(file.store, sources),
        retention=file.retention,
        http=file.http,
        wallboard=file.wallboard,
        access=file.access,
        clock=structs.replace(file.clock, start=_in_zone(file.clock.start, ZoneInfo(file.organisation.time_zone))),
        alerts=_with_secrets(file.alerts),
        reserve=Reserve(**structs.asdict(file.reserve)),
        queues=file.queues,
        pools=file.pools,
        report=file.report,
        references=file.references,
    )


def only_simulates(sources: Sequence[Source]) -> bool:
    """Return whether all enabled sources are simulated."""
    return all(source.kind in SIMULATED_KINDS for source in sources if source.enabled)


def _store(store: StoreSettings, sources: Sequence[Source]) -> StoreSettings:
    usual = DEMO_STORE if sources and only_simulates(sources) else REAL_STORE
    return structs.replace(
        store,
        url=perhaps_secret(store.url or usual.url),
        spill=store.spill or usual.spill,
        number_keys=store.number_keys or usual.number_keys,
    )


def _with_secrets(alerts: AlertsSettings) -> AlertsSettings:
    """Return the alerts with each channel's address as a secret: it mostly holds a password or a token."""
    channels = tuple(structs.replace(channel, url=Secret(channel.url)) for channel in alerts.channels)
    return structs.replace(alerts, channels=channels)


def _over(general: T, own: Struct) -> T:
    """Return the general setting with a queue's own values in their place."""
    return structs.replace(general, **{key: value for key, value in structs.asdict(own).items() if value is not None})


def _in_zone(start: dt.datetime | None, zone: ZoneInfo) -> dt.datetime | None:
    if start is None:
        return None
    return (start if start.tzinfo else start.replace(tzinfo=zone)).astimezone(dt.UTC)
