"""The structs of the settings file: its sections and keys, with the valid values of each."""

import datetime as dt
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.config.alert_settings import AlertsSettings, require
from queue_monitor.config.settings import (
    AccessToken,
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
    """The ways out of one queue and how they are counted, where it differs.

    `exit_key`: as for all queues.
    `callback`: as for all queues.
    `callback_within_seconds`: as for all queues.
    """

    exit_key: ExitHandling | None = None
    callback: ExitHandling | None = None
    callback_within_seconds: CallbackSeconds | None = None


class _ExitsSection(Struct, frozen=True, kw_only=True):
    """A caller's deliberate ways out of a queue, and how they are counted.

    `exit_key`: what a caller who presses the key that leaves the queue counts as.
    `callback`: what a caller who asks to be called back counts as.
    `callback_within_seconds`: a judged callback is in time when it is answered within this time of the entry.
    `queues`: a table by queue, for those that differ.
    """

    exit_key: ExitHandling = ExitHandling.MISS
    callback: ExitHandling = ExitHandling.MISS
    callback_within_seconds: CallbackSeconds = 1800
    queues: dict[str, _QueueExits] = {}


class _TargetSection(Struct, frozen=True, kw_only=True):
    """The promise: a share of the calls answered within a limit.

    `limit_seconds`: a call answered within this many seconds is in time; exactly this many is in time.
    `ratio`: the share of the calls that is promised.
    `definition`: which of the five formulas is the headline (docs/definitions.md).
    `short_abandon_seconds`: a caller who hangs up sooner than this is a short abandon, which D3 leaves out.
    `since`: from which day this holds: a later day, or else the day on which the monitor first starts with it.
    `refused_limit_ratio`: with a larger share turned away at the door, the status is never "within target".
    `exits`: how a caller's deliberate ways out of a queue are counted.
    """

    limit_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    ratio: Annotated[float, Meta(gt=0, le=1, description="a share above 0 and at most 1, such as 0.9 for 90 %")] = 0.9
    definition: DefinitionId = DefinitionId.D2
    short_abandon_seconds: Seconds = 20
    since: dt.date | None = None
    refused_limit_ratio: Ratio = 0.02
    exits: _ExitsSection = _ExitsSection()

    def __post_init__(self) -> None:
        require(self.short_abandon_seconds <= self.limit_seconds, "short_abandon_seconds at most limit_seconds")


class _ReserveSection(Struct, frozen=True, kw_only=True):
    """The people who could help when many wait, beyond those in the phones.

    `can_be_called_in`: how many from other work can be called to the phones; advice never asks for more.
    `ready_after_minutes`: from the call for help until they are in the phones.
    """

    can_be_called_in: Annotated[int, Meta(ge=0, le=100)] = 4
    ready_after_minutes: Annotated[int, Meta(ge=0, le=240)] = 10


class QueueHours(Struct, frozen=True, kw_only=True):
    """The hours of one queue; what it does not name is as for all queues.

    `weekdays`: as for all queues.
    `exceptions`: as for all queues.
    `holidays`: as for all queues.
    `periods`: as for all queues.
    `closures`: as for all queues.
    `crisis`: as for all queues.
    """

    weekdays: tuple[WeekdayHours, ...] | None = None
    exceptions: tuple[HoursException, ...] | None = None
    holidays: Holidays | None = None
    periods: tuple[HoursPeriod, ...] | None = None
    closures: tuple[HoursClosure, ...] | None = None
    crisis: tuple[HoursPeriod, ...] | None = None


class HoursSection(Struct, frozen=True, kw_only=True):
    """The opening hours, in which the promise holds.

    `weekdays`: the opening hours of the week; days that are not named are closed. Without any table Monday to Friday,
    08:00 to 17:00.
    `exceptions`: dates that differ.
    `holidays`: whose public holidays are closed days.
    `periods`: other hours from one date to another.
    `closures`: planned closures, of a day or a part of it.
    `crisis`: hours that hold whatever else is said of their dates.
    `queues`: a table by queue, for those with hours of their own.
    """

    weekdays: tuple[WeekdayHours, ...] = _WEEK
    exceptions: tuple[HoursException, ...] = ()
    holidays: Holidays = Holidays.SWEDEN
    periods: tuple[HoursPeriod, ...] = ()
    closures: tuple[HoursClosure, ...] = ()
    crisis: tuple[HoursPeriod, ...] = ()
    queues: dict[str, QueueHours] = {}


class SourceHead(Struct, frozen=True, kw_only=True):
    """The head of every source, whatever its kind.

    `name`: yours to choose; it stands in messages and figures.
    `kind`: the kind of switchboard, the name of an adapter.
    `switch`: the switchboard's name, the same for all sources that listen to it; without it the source's own name.
    `enabled`: false switches the source off.
    """

    name: Name
    kind: str
    switch: Name | None = None
    enabled: bool = True


class File(Struct, frozen=True, kw_only=True):
    """The whole file.

    `organisation`: whose calls these are.
    `target`: what is promised.
    `hours`: when the promise holds.
    `store`: where events and history are kept.
    `retention`: for how long each kind is kept.
    `http`: where the pages and the API are shown, and to whom.
    `wallboard`: what the room sees besides the day.
    `access`: who may come in, one table for each.
    `clock`: for simulated calls only.
    `alerts`: when alerts are sent, and to whom.
    `reserve`: who could help when many wait.
    `queues`: a table by queue: how it is shown.
    `pools`: names for queues that the same people answer.
    `report`: reports of months and tertials.
    `references`: other figures to stand beside ours in reports.
    """

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
