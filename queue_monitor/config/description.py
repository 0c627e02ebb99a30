"""Describes the settings to a person, as they were read."""

import datetime as dt
from collections.abc import Mapping

from msgspec import Struct, structs

from queue_monitor.config.alert_settings import AlertsSettings
from queue_monitor.config.mistakes import Key, Secret, perhaps_secret, written_key
from queue_monitor.config.settings import (
    BoardSettings,
    Config,
    Exits,
    Holidays,
    HoursException,
    HoursPeriod,
    Http,
    RetentionSettings,
    Schedule,
    Source,
)


def describe(config: Config, *, has_tokens: bool = False) -> str:
    """Return the settings in words, for `check-config`, without secrets. `has_tokens`: whether anybody has a token."""
    target = config.target
    since = f", since {target.since}" if target.since else ""
    lines = [
        f"organisation  {config.organisation.name}, {config.organisation.language}, {config.organisation.time_zone}",
        f"target        {target.ratio * 100:g} % answered within {target.limit_seconds} s,"
        f" by {target.definition}{since}",
        f"              hung up before {target.short_abandon_seconds} s is short;"
        f" never ok with more than {target.refused_limit_ratio * 100:g} % refused",
        *_described_exits("", config.exits),
        *(line for queue, exits in config.queue_exits.items() for line in _described_exits(queue, exits)),
        *_described_hours("", config.hours),
        *(line for queue, hours in config.queue_hours.items() for line in _described_hours(queue, hours)),
        *(line for source in config.sources for line in _described_source(source)),
        f"store         {_for_people(perhaps_secret(config.store.url))}",
        *_described_retention(config.retention),
        f"wallboard     http://{_host_in_url(config.http.host)}:{config.http.port}",
        *(["              with the margin and what would help"] if config.wallboard.advice else []),
        *(f"              /wall/{board.name}: {_described_board(board)}" for board in config.wallboard.boards),
        *_described_doors(config),
        f"reading       {describe_reading(config.http, has_tokens=has_tokens)}",
        *(f"              {proxy} is believed when it says for whom it asks" for proxy in config.http.trusted_proxies),
        *(f"access        {access.name}: {access.role.value}" for access in config.access),
        *_described_alerts(config.alerts),
        f"reserve       {config.reserve.can_be_called_in} can be called in,"
        f" in the phones after {config.reserve.ready_after_minutes} min",
        f"clock         {_described_clock(config)}",
        *(f"queue         {queue} is shown as {own.label}" for queue, own in config.queues.items()),
        *(f"pool          {', '.join(pool.queues)} are shown as {pool.name}" for pool in config.pools),
        *_described_reports(config),
    ]
    return "\n".join(lines)


def _described_board(board: BoardSettings) -> str:
    shown = board.pool or ", ".join(board.queues) or "all queues"
    hidden = f", without {', '.join(board.hide)}" if board.hide else ""
    return f"{shown}, layout {board.layout}{hidden}{', with sound' if board.sound else ''}"


def _described_reports(config: Config) -> list[str]:
    report = config.report
    when = "on the first working day after a month and a tertial" if report.automatic else "when somebody asks for one"
    told = f", told to {', '.join(report.send_to)}" if report.send_to else ""
    return [
        f"report        made {when}{told}",
        *(f"              {goal.name}: {goal.target}, measured elsewhere" for goal in report.goals),
        *(f"              beside {each.name} {each.period}: {each.value}" for each in config.references),
    ]


def describe_reading(http: Http, *, has_tokens: bool) -> str:
    """Return who may read the pages, as it holds now. Each change needs a token in any case."""
    if http.read_without_token:
        return "on this machine without a token, and so through any proxy on it (http.read_without_token = true)"
    if http.read_without_token is False:
        return "with a token only (http.read_without_token = false)"
    if has_tokens:
        return "with a token only, as there is one"
    return "on this machine without a token, and so through any proxy on it, until there is a token"


def written_out(config: Config) -> dict[str, str]:
    """Return every setting by its key, as people see it: a secret as `***`, so that a changed one is not seen."""
    found: dict[str, str] = {}
    _write_out(config, (), found)
    return found


def _write_out(value: object, key: Key, found: dict[str, str]) -> None:
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    elif isinstance(value, tuple) and any(isinstance(part, Struct) for part in value):
        value = {getattr(part, "name", str(place)): part for place, part in enumerate(value)}
    if isinstance(value, dict):
        for name, part in value.items():
            _write_out(part, (*key, name), found)
    elif isinstance(value, tuple | list | set | frozenset):
        found[written_key(key)] = ", ".join(sorted(map(_for_people, value))) or "not set"
    else:
        found[written_key(key)] = _for_people(value)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the differences between two results of `written_out`, one sentence for each key."""
    keys = sorted(before.keys() | after.keys())
    return [
        f"{key}: {before.get(key, 'not set')} -> {after.get(key, 'not set')}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def describe_hours(config: Config) -> str:
    """Return the opening hours in a line or a few."""
    lines = _described_hours("", config.hours)
    lines += [line for queue, hours in config.queue_hours.items() for line in _described_hours(queue, hours)]
    return "\n            ".join(line.removeprefix("hours").strip() for line in lines)


def _described_exits(queue: str, exits: Exits) -> list[str]:
    within = f"; judged: called back within {exits.callback_within_seconds} s" if exits.exit_policy.judged else ""
    return [f"              {_of(queue)}exit key counts as {exits.exit_key}, callback as {exits.callback}{within}"]


def _described_hours(queue: str, hours: Schedule) -> list[str]:
    week = [f"{' '.join(part.days)} {from_to(part.open, part.close)}" for part in hours.weekdays]
    kept = "closed on Swedish holidays" if hours.holidays is Holidays.SWEDEN else "open on holidays as on other days"
    return [
        f"hours         {_of(queue)}{', '.join(week) or 'closed every day of the week'}; {kept}",
        *(f"              {_described_exception(part)}" for part in hours.exceptions),
        *(f"              {_described_period(part)}" for part in hours.periods),
        *(
            f"              {part.date} closed {from_to(part.starts, part.ends)} ({part.reason})"
            for part in hours.closures
        ),
        *(f"              crisis: {_described_period(part)}" for part in hours.crisis),
    ]


def _described_period(part: HoursPeriod) -> str:
    days = f" {' '.join(part.days)}" if part.days else ""
    reason = f" ({part.reason})" if part.reason else ""
    return f"{part.first} to {part.last}{days} {from_to(part.open, part.close)}{reason}"


def from_to(start: dt.time, end: dt.time) -> str:
    """Return opening hours such as `08:00-17:00`; the end of the day is 24:00."""
    return f"{start:%H:%M}-{'24:00' if end == dt.time.max else f'{end:%H:%M}'}"


def _described_exception(part: HoursException) -> str:
    hours = from_to(part.open, part.close) if part.open and part.close else "closed"
    return f"{part.date} {hours}" + (f" ({part.reason})" if part.reason else "")


def _described_source(source: Source) -> list[str]:
    state = "" if source.enabled else ", switched off"
    defaults = {field.name: field.default for field in structs.fields(source.settings)}
    own = {
        key: value
        for key, value in structs.asdict(source.settings).items()
        if isinstance(value, str | int | float) or (value and value != defaults[key])
    }
    return [
        f"source        {source.name}: {source.kind}, switch {source.switch}{state}",
        *(f"              {key} = {_for_people(value)}" for key, value in own.items()),
    ]


def _described_retention(retention: RetentionSettings) -> list[str]:
    kinds = [(kind, getattr(retention, kind)) for kind in retention.__struct_fields__]
    lines = [
        f"{kind} for {own.months} {'month' if own.months == 1 else 'months'}"
        + (f", by {own.decision}" if own.deletes else ", when a decision is set")
        for kind, own in kinds
        if own.months is not None
    ]
    if not any(own.deletes for _, own in kinds):
        lines.append("nothing is deleted: there is no decision (retention)")
    return [f"{'' if number else 'kept':14}{line}" for number, line in enumerate(lines)]


def _described_doors(config: Config) -> list[str]:
    public = ["              /public is open to everybody"] if config.http.public else []
    return public + [f"              pages of {origin} may read the API" for origin in config.http.cors_origins]


def _described_alerts(alerts: AlertsSettings) -> list[str]:
    if not alerts.recipients:
        return ["alerts        on the screens only, nobody is sent anything"]
    lines = [
        f"alerts        {person.name} by {person.channel}"
        + (f", of {', '.join(person.kinds)}" if person.kinds else "")
        + (f", queues {', '.join(person.queues)}" if person.queues else "")
        + (f", quiet {person.quiet_from:%H:%M}-{person.quiet_to:%H:%M}" if person.quiet_from is not None else "")
        + (", only when nobody acknowledges" if person.only_escalations else "")
        for person in alerts.recipients
    ]
    for channel in alerts.channels:
        scheme = channel.url.partition("://")[0]
        otherwise = f", else {channel.fallback}" if channel.fallback else ""
        lines.append(f"              channel {channel.name}: {channel.kind} {scheme}://***{otherwise}")
    if alerts.escalate_to:
        lines.append(f"              after {alerts.escalate_after_minutes} min to {alerts.escalate_to}")
    return lines


def _described_clock(config: Config) -> str:
    if not config.clock.simulated:
        made_up = all(source.kind == "simulator" for source in config.sources if source.enabled)
        return "the machine's own" + ("; at other times than opening hours that of a working day's forenoon" * made_up)
    start = config.clock.start
    begins = f"from {start.astimezone(config.zone):%Y-%m-%d %H:%M}" if start else "from now"
    return f"simulated, {begins}, {config.clock.rate:g} times as fast as life"


def _for_people(value: object) -> str:
    if value in ("", None):
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(_for_people, value))
    return value.shown if isinstance(value, Secret) else str(value)


def _host_in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _of(queue: str) -> str:
    return f"{queue}: " if queue else ""
