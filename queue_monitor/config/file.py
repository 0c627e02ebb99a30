"""The file as it is written: its sections and keys, with what each may be."""

import datetime as dt
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.config.settings import (
    AccessToken,
    AlertsSettings,
    ClockSettings,
    ExitHandling,
    Holidays,
    HoursClosure,
    HoursException,
    HoursPeriod,
    Http,
    Organisation,
    PoolSettings,
    QueueSettings,
    ReferenceFigure,
    ReportSettings,
    RetentionSettings,
    StoreSettings,
    Wallboard,
    Weekday,
    WeekdayHours,
    require,
)
from queue_monitor.model import DefinitionId

Ratio = Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1, such as 0.9 for 90 %")]
Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]+$", description="a name of letters a to z, digits and . _ - without spaces")
]
Seconds = Annotated[int, Meta(ge=0)]
_WEEK: Final = (WeekdayHours(days=tuple(Weekday)[:5], open=dt.time(8), close=dt.time(17)),)


CallbackSeconds = Annotated[int, Meta(ge=60, le=28_800)]


class _QueueExits(Struct, frozen=True, kw_only=True):
    exit_key: ExitHandling | None = None
    callback: ExitHandling | None = None
    callback_within_seconds: CallbackSeconds | None = None


class _ExitsSection(Struct, frozen=True, kw_only=True):
    exit_key: ExitHandling = ExitHandling.MISS
    callback: ExitHandling = ExitHandling.MISS
    callback_within_seconds: CallbackSeconds = 1800
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
        require(self.short_abandon_seconds <= self.limit_seconds, "short_abandon_seconds at most limit_seconds")


class _ReserveSection(Struct, frozen=True, kw_only=True):
    can_be_called_in: Annotated[int, Meta(ge=0, le=100)] = 4
    ready_after_minutes: Annotated[int, Meta(ge=0, le=240)] = 10


class QueueHours(Struct, frozen=True, kw_only=True):
    weekdays: tuple[WeekdayHours, ...] | None = None
    exceptions: tuple[HoursException, ...] | None = None
    holidays: Holidays | None = None
    periods: tuple[HoursPeriod, ...] | None = None
    closures: tuple[HoursClosure, ...] | None = None
    crisis: tuple[HoursPeriod, ...] | None = None


class HoursSection(Struct, frozen=True, kw_only=True):
    weekdays: tuple[WeekdayHours, ...] = _WEEK
    exceptions: tuple[HoursException, ...] = ()
    holidays: Holidays = Holidays.SWEDEN
    periods: tuple[HoursPeriod, ...] = ()
    closures: tuple[HoursClosure, ...] = ()
    crisis: tuple[HoursPeriod, ...] = ()
    queues: dict[str, QueueHours] = {}


class SourceHead(Struct, frozen=True, kw_only=True):
    name: Name
    kind: str
    switch: Name | None = None
    enabled: bool = True


class File(Struct, frozen=True, kw_only=True):
    organisation: Organisation = Organisation()
    target: _TargetSection = _TargetSection()
    hours: HoursSection = HoursSection()
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    http: Http = Http()
    wallboard: Wallboard = Wallboard()
    access: tuple[AccessToken, ...] = ()
    clock: ClockSettings = ClockSettings()
    alerts: AlertsSettings = AlertsSettings()
    reserve: _ReserveSection = _ReserveSection()
    queues: dict[str, QueueSettings] = {}
    pools: tuple[PoolSettings, ...] = ()
    report: ReportSettings = ReportSettings()
    references: tuple[ReferenceFigure, ...] = ()
