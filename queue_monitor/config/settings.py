"""All settings as frozen structs, in the form in which the rest of the program gets them.

Longer than 450 lines because every setting stands here, a struct for each table.
"""

import datetime as dt
import ipaddress
from enum import StrEnum
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from queue_monitor.config.alert_settings import AlertsSettings, Line, LineOrNone, require
from queue_monitor.model import BoardLayout, BoardPart, ExitPolicy, Outcome, Reserve, Role, Target
from queue_monitor.periods import MAX_MONTHS, months_of

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099
"""The years in which simulated time may start: at the ends of the calendar there is no day before or after."""

Origin = Annotated[
    str, Meta(pattern=r"^https?://[^/?#\s*]+$", description="a site such as https://www.lulea.example, without a path")
]


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text))
    except ValueError:
        return False


class Organisation(Struct, frozen=True, kw_only=True):
    """The organisation whose calls these are. `language` and `time_zone` are those of its pages and messages.

    `name`: as it stands on the pages and in messages.
    """

    name: Line = "Kundcenter"
    language: Literal["sv", "en"] = "sv"
    time_zone: str = "Europe/Stockholm"


class ExitHandling(StrEnum):
    """The treatment of a deliberate exit: a miss, left out of the target, or judged by the callback.

    A callback that was only promised does not count as an answer.
    """

    MISS = "miss"
    EXCLUDED = "excluded"
    JUDGED = "judged"


class Exits(Struct, frozen=True, kw_only=True):
    """The treatment of the exit key and of a callback.

    `callback_within_seconds`: the time from entry to the answer of the callback.
    """

    exit_key: ExitHandling = ExitHandling.MISS
    callback: ExitHandling = ExitHandling.MISS
    callback_within_seconds: int = 1800

    @property
    def exit_policy(self) -> ExitPolicy:
        return ExitPolicy(
            excluded=self._of(ExitHandling.EXCLUDED),
            judged=self._of(ExitHandling.JUDGED),
            within_ms=self.callback_within_seconds * 1000,
        )

    def _of(self, wanted: ExitHandling) -> frozenset[Outcome]:
        ways = {Outcome.EXIT_KEY: self.exit_key, Outcome.CALLBACK: self.callback}
        return frozenset(outcome for outcome, handling in ways.items() if handling is wanted)


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class WeekdayHours(Struct, frozen=True, kw_only=True):
    """The days of the week that share one opening and closing time, local.

    `days`: any of mon to sun.
    `open`: when it opens.
    `close`: when it closes; "24:00" is the end of the day.
    """

    days: tuple[Weekday, ...]
    open: dt.time
    close: dt.time

    def __post_init__(self) -> None:
        require(bool(self.days), "at least one day")
        require(self.open < self.close, "open before close, on the same day")


class HoursException(Struct, frozen=True, kw_only=True):
    """A date that differs: closed, or open at other hours.

    `date`: which day.
    `closed`: true for a closed day.
    `open`: when it opens that day.
    `close`: when it closes that day.
    `reason`: what people are shown.
    """

    date: dt.date
    closed: bool = False
    open: dt.time | None = None
    close: dt.time | None = None
    reason: LineOrNone = ""

    def __post_init__(self) -> None:
        if self.closed:
            require(self.open is None and self.close is None, "either closed = true or open and close, not both")
        else:
            require(self.open is not None and self.close is not None, "closed = true, or both open and close")
            require(self.open is None or self.close is None or self.open < self.close, "open before close")


class HoursPeriod(Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """Other hours from one date to another, both included; on these days of the week, or on all.

    `first`: the first date. Of two periods with one day the later one in the file holds; exceptions and holidays come
        before both.
    `last`: the last date.
    `days`: only these days of the week; all without it.
    `open`: when it opens.
    `close`: when it closes.
    `reason`: what people are shown.
    """

    first: dt.date
    last: dt.date
    days: tuple[Weekday, ...] = ()
    open: dt.time
    close: dt.time
    reason: LineOrNone = ""

    def __post_init__(self) -> None:
        require(self.first <= self.last, "from at most to")
        require(self.open < self.close, "open before close, on the same day")


class HoursClosure(Struct, frozen=True, kw_only=True, rename={"starts": "from", "ends": "to"}):
    """A planned closure: all of a date, or from one time of that day to another; people are shown the reason.

    `date`: which day.
    `starts`: from when; without it from the beginning of the day.
    `ends`: until when; without it to the end of the day.
    `reason`: what people are shown.
    """

    date: dt.date
    starts: dt.time = dt.time.min
    ends: dt.time = dt.time.max
    reason: Line

    def __post_init__(self) -> None:
        require(self.starts < self.ends, "from before to, on the same day")


class Holidays(StrEnum):
    """The country whose public holidays are closed days."""

    SWEDEN = "sweden"
    NONE = "none"


class Schedule(Struct, frozen=True, kw_only=True):
    """Opening hours of one queue or of all: the week, whose holidays are kept, and what differs from both."""

    weekdays: tuple[WeekdayHours, ...]
    exceptions: tuple[HoursException, ...] = ()
    holidays: Holidays = Holidays.SWEDEN
    periods: tuple[HoursPeriod, ...] = ()
    closures: tuple[HoursClosure, ...] = ()
    crisis: tuple[HoursPeriod, ...] = ()


class Source(Struct, frozen=True, kw_only=True):
    """One source: its adapter, its switchboard, and the adapter's own settings."""

    name: str
    kind: str
    switch: str
    settings: Struct
    enabled: bool = True


class StoreSettings(Struct, frozen=True, kw_only=True):
    """The store of journal and history: an SQLAlchemy address, SQLite or PostgreSQL.

    `spill` is a file in which events wait while the database is away, so that a restart does not lose them.
    `number_keys` is the file of the keys, one a calendar month, under which telephone numbers in a sender's ids are
    replaced. Where these are not set, a monitor with real sources and one that only simulates have files of their own.
    `backups` is the folder for backups where no file is named; "" for none.

    `agents` is how an agent stands in the history: `daily`, under a pseudonym that changes every day, made with the key
    in the file `agent_key`; `named`, under the switch's own name for him or her; or `none`, not at all.

    `url`: the address of the database, such as `sqlite:////var/lib/queue-monitor/queue-monitor.db` or
    `postgresql://user:password@host/database`.
    """

    url: str = ""
    spill: str = ""
    agents: Literal["daily", "named", "none"] = "daily"
    agent_key: Annotated[str, Meta(min_length=1)] = "var/agent.key"
    number_keys: str = ""
    backups: str = ""

    @property
    def unsaved_alerts(self) -> str:
        """Return the file in which the record of alerts waits while the database is away, beside the spill."""
        return f"{self.spill}.alerts"


REAL_STORE: Final = StoreSettings(
    url="sqlite:///var/queue-monitor.db", spill="var/spill.jsonl", number_keys="var/number-keys.json"
)
DEMO_STORE: Final = StoreSettings(
    url="sqlite:///var/demo.db", spill="var/demo-spill.jsonl", number_keys="var/demo-number-keys.json"
)
"""The addresses where none is set. A demo's made-up calls must never lie where a real monitor looks for its own."""


class KeptFor(Struct, frozen=True, kw_only=True):
    """The number of months for which something is kept; it is then deleted once `decision` names the decision.

    `months`: how many; without it, until further notice.
    """

    months: Annotated[int, Meta(ge=1, le=1200, description="a number of months, from 1 to 1200")] | None = None
    decision: Annotated[str, Meta(pattern=r"^(\S.*)?$", description='a decision\'s number, such as "KS 2026/123"')] = ""

    def __post_init__(self) -> None:
        require(not self.decision or self.months is not None, "months beside the decision")

    @property
    def deletes(self) -> bool:
        """Return whether there is a decision to delete older data."""
        return bool(self.decision)


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """The time for which each kind is kept. Nothing is deleted without a decision.

    `journal`: every event.
    `calls`: one row a call and a stay in a queue.
    `sums`: sums by quarter of an hour and day.
    `alerts`: what was said to whom.
    `audit`: who did what.
    `reports`: sealed reports, which outlive the calls that they were made from.
    `backups`: the files in `store.backups`.
    """

    journal: KeptFor = KeptFor()
    calls: KeptFor = KeptFor()
    sums: KeptFor = KeptFor()
    alerts: KeptFor = KeptFor()
    audit: KeptFor = KeptFor()
    reports: KeptFor = KeptFor()
    backups: KeptFor = KeptFor()

    def __post_init__(self) -> None:
        require(
            self.sums.months is None or (self.calls.months is not None and self.calls.months <= self.sums.months),
            "sums that are kept at least as many months as calls are",
        )
        require(not self.sums.deletes or self.calls.deletes, "a decision for calls beside that for sums")


class Http(Struct, frozen=True, kw_only=True):
    """The address of the wallboard and the API. Port 0 takes any that is free.

    `public`: whether anybody may read a summary without a token. `cors_origins`: other sites whose pages may read the
    API in a browser. `read_without_token`: whether this machine may read without one; None: until there is a token.
    `trusted_proxies`: addresses or networks that are believed when they say for whom they ask. `token_file`: the file
    of the tokens that were made on a page.

    `host`: the address to listen on; 127.0.0.1 shows the pages to this machine only.
    `port`: the port to listen on; 0 takes any that is free.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    public: bool = False
    cors_origins: tuple[Origin, ...] = ()
    read_without_token: bool | None = None
    trusted_proxies: tuple[str, ...] = ()
    token_file: Annotated[str, Meta(min_length=1)] = "var/tokens.json"

    def __post_init__(self) -> None:
        for proxy in self.trusted_proxies:
            require(_is_network(proxy), "trusted_proxies that are addresses or networks, such as 10.0.0.0/24")


class BoardSettings(Struct, frozen=True, kw_only=True):
    """One more wall, at an address of its own: `/wall/NAME`.

    `name`: the word in its address.
    `title`: what stands at the top; without it the organisation's name.
    `queues`: the queues it shows; without any, and without a pool, all.
    `pool`: instead of queues, those of one of `[[pools]]`, by its name.
    `layout`: `day` as on the first wall, `large` four big figures without the lists below, `list` every queue in
    columns, those in trouble first, without turning pages.
    `hide`: parts that are left out.
    `language`: another than the organisation's.
    `theme`: dark, or light.
    `sound`: a short tone when an alarm begins.
    """

    name: Annotated[
        str,
        Meta(pattern=r"^[\w-]{1,40}$", description="a word for its address: letters, digits, - and _, such as vaxel"),
    ]
    title: LineOrNone = ""
    queues: tuple[str, ...] = ()
    pool: str = ""
    layout: BoardLayout = BoardLayout.DAY
    hide: tuple[BoardPart, ...] = ()
    language: Literal["sv", "en"] | None = None
    theme: Literal["dark", "light"] = "dark"
    sound: bool = False

    def __post_init__(self) -> None:
        require(not (self.queues and self.pool), "queues or pool, not both")


class Wallboard(Struct, frozen=True, kw_only=True):
    """The parts of the wallboard besides the day.

    `advice`: whether the wall shows the margin, and how many more agents would help.
    `boards`: further walls, each at an address of its own.
    """

    advice: bool = False
    boards: tuple[BoardSettings, ...] = ()


class AccessToken(Struct, frozen=True, kw_only=True):
    """A screen, system or person who may come in. `queue-monitor token NAME ROLE` makes one.

    `name`: who holds it, for the record.
    `role`: what the holder may (docs/operations.md).
    `token_sha256`: the check value of the token; the token itself is kept nowhere.
    """

    name: Line
    role: Role
    token_sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="the 64 hex digits that `queue-monitor token` prints")
    ]


class ClockSettings(Struct, frozen=True, kw_only=True):
    """The clock of simulated time: its start (without a zone: local time), and its speed.

    `start`: when it starts; without it a lively moment of the newest working day.
    `rate`: how many times as fast as life.
    """

    start: dt.datetime | None = None
    rate: Annotated[float, Meta(gt=0, le=10_000)] = 1.0

    def __post_init__(self) -> None:
        started = self.start is None or FIRST_YEAR <= self.start.year <= LAST_YEAR
        require(started, f"a start in the years {FIRST_YEAR} to {LAST_YEAR}")

    @property
    def simulated(self) -> bool:
        return self.start is not None or self.rate != 1.0


class QueueSettings(Struct, frozen=True, kw_only=True):
    """A queue as it is shown to people.

    `label`: the name that people are shown instead of the switchboard's.
    """

    label: Line


class PoolSettings(Struct, frozen=True, kw_only=True):
    """A name for the pool of queues that the same people answer: any pool that has all of `queues`.

    `name`: what people are shown.
    """

    name: Line
    queues: tuple[str, ...]

    def __post_init__(self) -> None:
        require(bool(self.queues), "at least one queue")


class ReferenceFigure(Struct, frozen=True, kw_only=True):
    """Somebody else's figure, shown beside ours in a report and in none of our sums.

    `name`: whose figure it is, and of what. `period` and `value` are shown as they are written. `source`: who published
    it, and where. `date`: when the source said so.
    """

    name: Line
    period: Line
    value: Line
    source: Line
    date: dt.date


class GoalValue(Struct, frozen=True, kw_only=True):
    """The result of a goal in one period.

    `period`: as in `queue-monitor report`, such as 2026-T2. `value`: as it is to be shown. `comment`: what a reader
        should know of it.
    """

    period: Annotated[
        str,
        Meta(
            pattern=r"^[0-9]{4}(-(0[1-9]|1[0-2])(\.\.[0-9]{4}-(0[1-9]|1[0-2]))?|-T[1-3])?$",
            description="a period such as 2026-10, 2026-T2, 2026-01..2026-08 or 2026",
        ),
    ]
    value: Line
    comment: str = ""

    def __post_init__(self) -> None:
        require(
            months_of(self.period) is not None, f"a period of 1 to {MAX_MONTHS} months that ends after its beginning"
        )


class ReportGoal(Struct, frozen=True, kw_only=True):
    """A goal that is measured elsewhere than from calls, with what was measured.

    `name`: the goal in words. `target`: what was promised, as it is to be shown. `values`: one for each period.
    """

    name: Line
    target: Line
    values: tuple[GoalValue, ...] = ()


class ReportSettings(Struct, frozen=True, kw_only=True):
    """The settings of reports.

    `automatic`: whether the report of a month and a tertial is made by itself on the first working day after its end.
    `send_to`: the recipients of [alerts] who then get a line and the address.
    `goals`: goals that are measured elsewhere, which a report leaves a place for.
    """

    automatic: bool = True
    send_to: tuple[str, ...] = ()
    goals: tuple[ReportGoal, ...] = ()


class Config(Struct, frozen=True, kw_only=True):
    """All settings, checked. `exits` and `hours` hold for the queues that have none of their own."""

    organisation: Organisation
    target: Target
    exits: Exits
    queue_exits: dict[str, Exits]
    hours: Schedule
    queue_hours: dict[str, Schedule]
    sources: tuple[Source, ...]
    store: StoreSettings
    retention: RetentionSettings
    http: Http
    wallboard: Wallboard
    access: tuple[AccessToken, ...]
    clock: ClockSettings
    alerts: AlertsSettings
    reserve: Reserve
    queues: dict[str, QueueSettings]
    pools: tuple[PoolSettings, ...]
    report: ReportSettings
    references: tuple[ReferenceFigure, ...]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.organisation.time_zone)
