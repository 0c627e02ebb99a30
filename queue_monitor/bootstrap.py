"""The composition root: settings in, a running service out. The only file that sees every room."""

import asyncio
import errno
import importlib
import os
import pkgutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import msgspec
import uvicorn
from fastapi import FastAPI
from msgspec import Struct, structs
from starlette.types import ASGIApp

import adapters
from alerts.memory import MemoryRecord
from queue_monitor import __version__, reporting, texts
from queue_monitor.alerting import Alerting, alerting, channel_mistakes
from queue_monitor.api import create_app
from queue_monitor.api.guard.connections import bounded, room
from queue_monitor.api.guard.first_token import FirstToken
from queue_monitor.api.json.alerts import alert_routes
from queue_monitor.api.json.banner import banner_routes
from queue_monitor.api.json.crisis import crisis_routes
from queue_monitor.api.pages.acknowledge import acknowledge_routes
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.clock import ScaledClock, SystemClock
from queue_monitor.config import (
    Config,
    Holidays,
    HoursPeriod,
    Mistake,
    Schedule,
    Source,
    changed,
    describe_reading,
    only_simulates,
    written_out,
)
from queue_monitor.core import swedish_days
from queue_monitor.core.calendar import Calendar, Closure, DayHours, Stretch
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.interpreter import collect_at_night, collect_seldom, switch_often
from queue_monitor.model import Access, AdminAct, Board
from queue_monitor.ports import Adapter, AuditLog, Clock, Connection, Store, StoreError, Translator
from queue_monitor.queues import keys_of, queue_key
from queue_monitor.renewal import Renewal
from queue_monitor.replay import Pieces, Recording
from queue_monitor.reports.desk import Report, Reports
from queue_monitor.retention import Retention, months_before
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.spill import Spill
from queue_monitor.runtime.supervisor import Supervisor
from queue_monitor.runtime.token_file import TokenFile
from queue_monitor.starting import Entrance, patiently
from queue_monitor.store import MemoryAudit, SqlStore, open_store

ENTRY_POINTS: Final = "queue_monitor.adapters"
DEMO_STARTS: Final = time(10)
"""A simulated day is looked at from here on, when it is not said otherwise: the forenoon rush."""

GRACE_SECONDS: Final = 3
MAKE_TOKEN: Final = "make_token"
SETTINGS: Final = "settings"
CERTIFICATES: Final = ("tls_ca", "tls_cert", "tls_key", "ca_file")
"""What adapters call the settings that name a file of certificates or the key of one."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class UnknownKind(LookupError):
    """No adapter of that name; the message lists those there are."""


# ---- adapters by name


def adapter_kinds() -> list[str]:
    """Every kind of switchboard that can be named in a config: our own files, and what others have installed."""
    own = {module.name for module in pkgutil.iter_modules(adapters.__path__)}
    return sorted(own | {point.name for point in entry_points(group=ENTRY_POINTS)})


def adapter_module(kind: str) -> ModuleType:
    """The module of a kind, imported only now. Raises `UnknownKind`."""
    if kind.isidentifier() and kind in {module.name for module in pkgutil.iter_modules(adapters.__path__)}:
        return importlib.import_module(f"adapters.{kind}")
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == kind:
            return cast(ModuleType, point.load())
    raise UnknownKind(f"{kind!r} is no kind of source; there are: {', '.join(adapter_kinds())}")


def settings_of(kind: str) -> type[Struct] | None:
    """A kind's own Settings, None when there is no such kind."""
    try:
        return cast("type[Struct]", adapter_module(kind).Settings)
    except UnknownKind:
        return None


def source_urn(kind: str, name: str) -> str:
    return f"urn:kc:{kind}:{name}"


def build_adapter(source: Source, clock: Clock) -> Adapter:
    build = adapter_module(source.kind).build
    return cast(Adapter, build(source.name, source.switch, source.settings, clock))


def build_recording(
    kind: str, paths: Sequence[Path], name: str, switch: str, settings: Struct | None = None
) -> Recording:
    """The files of one kind as the successive connections of one source. Raises `UnknownKind`."""
    module = adapter_module(kind)
    source = source_urn(kind, name)
    chosen = settings if settings is not None else _plain_settings(module.Settings)

    def translator(epoch: str) -> Translator:
        return cast(Translator, module.Translator(Connection(source=source, switch=switch, epoch=epoch), chosen))

    return Recording(
        kind=kind,
        source=source,
        switch=switch,
        paths=tuple(paths),
        translator=translator,
        pieces=cast(Pieces, module.recorded_pieces),
        dated_by_sender=getattr(module, "DATED_BY_SENDER", False),
    )


def _plain_settings(kind: type[Struct]) -> Struct:
    """An adapter's settings as far as its translator needs them: a path that only its wire reads may be anything."""
    return kind(**{field.name: "" for field in structs.fields(kind) if field.required})


# ---- the rules


def rules_of(config: Config) -> Rules:
    """What the figures are made by, out of the settings."""
    return Rules(
        target=config.target,
        levels=config.alerts.levels,
        calendar=_calendar(config, config.hours),
        calendars={queue: _calendar(config, schedule) for queue, schedule in config.queue_hours.items()},
        exit_policy=config.exits.exit_policy,
        exit_policy_by_queue={queue_key(queue): exits.exit_policy for queue, exits in config.queue_exits.items()},
        labels={queue_key(queue): shown.label for queue, shown in config.queues.items()},
        pool_names={keys_of(pool.queues): pool.name for pool in config.pools},
        pool_label=texts.words(config.organisation.language)["and_others"],
        walls={board.name: board.queues for board in boards_of(config) if board.queues},
        organisation=config.organisation.name,
        version=__version__,
    )


def boards_of(config: Config) -> list[Board]:
    """Return the walls besides the first one, each with the queues that it shows."""
    pools = {pool.name: pool.queues for pool in config.pools}
    return [
        Board(
            name=board.name,
            title=board.title,
            queues=pools[board.pool] if board.pool else board.queues,
            layout=board.layout,
            hide=board.hide,
            language=board.language,
            theme=board.theme,
            sound=board.sound,
        )
        for board in config.wallboard.boards
    ]


def _calendar(config: Config, schedule: Schedule) -> Calendar:
    week = [DayHours()] * 7
    for hours in schedule.weekdays:
        for day in hours.days:
            week[WEEKDAYS.index(day.value)] = DayHours(opens=hours.open, closes=hours.close)
    exceptions: dict[date, DayHours] = {
        exception.date: DayHours(opens=exception.open, closes=exception.close, reason=exception.reason)
        for exception in schedule.exceptions
    }
    return Calendar(
        config.zone,
        tuple(week),
        exceptions,
        holiday=swedish_days.holiday if schedule.holidays is Holidays.SWEDEN else swedish_days.none,
        periods=tuple(map(_stretch, schedule.periods)),
        closures=tuple(
            Closure(day=part.date, starts=part.starts, ends=part.ends, reason=part.reason) for part in schedule.closures
        ),
        crises=tuple(map(_stretch, schedule.crisis)),
    )


def mistakes_at_start(config: Config) -> list[Mistake]:
    """What the settings name that a start could not use: addresses of channels, files of certificates."""
    found = [*channel_mistakes(config), *log_mistakes(config, today_of(config))]
    for place, source in enumerate(config.sources):
        for name in CERTIFICATES:
            path = getattr(source.settings, name, "")
            if source.enabled and path and not os.access(path, os.R_OK):
                expected = "a certificate's file that can be read"
                found.append(Mistake(f"sources[{place}].{name}", f'"{path}"', expected, f'source "{source.name}"'))
    return found


def log_mistakes(config: Config, today: date) -> list[Mistake]:
    """Where the journal would be kept for a shorter time than a connected log reaches back. Reads the logs."""
    months = config.retention.journal.months
    found: list[Mistake] = []
    for source in config.sources if months is not None else ():
        reaches_back = getattr(adapter_module(source.kind), "reaches_back", None)
        oldest = reaches_back(source.settings) if source.enabled and reaches_back else None
        if oldest is not None and months is not None:
            day = oldest.astimezone(config.zone).date()
            if day < months_before(today, months):
                expected = f"at least the time that the log of source {source.name} reaches back, to {day}"
                found.append(Mistake("retention.journal.months", f"{months}", expected, hint="or a shorter log"))
    return found


def today_of(config: Config) -> date:
    """The local day by the machine's clock."""
    return SystemClock().now().astimezone(config.zone).date()


def _stretch(period: HoursPeriod) -> Stretch:
    hours = DayHours(opens=period.open, closes=period.close, reason=period.reason)
    days = frozenset(WEEKDAYS.index(day.value) for day in period.days) or frozenset(range(7))
    return Stretch(first=period.first, last=period.last, hours=hours, weekdays=days)


def days_to_confirm(config: Config, first: date, last: date | None = None) -> list[tuple[date, str]]:
    """Days from `first` to `last` (None: of a year) that many shorten and of which the settings say nothing: they count
    in full.
    """
    return _calendar(config, config.hours).days_to_confirm(first, last or first + timedelta(days=365))


def live_of(config: Config) -> Live:
    """The live state by these rules, with the forecast that watches it."""
    rules = rules_of(config)
    calendars = Calendars(rules.calendar, rules.calendars)
    return Live(rules, Forecaster(rules.target, calendars, levels=rules.levels, reserve=config.reserve))


# ---- the service


class Service:
    """Everything that runs, put together: pipeline, one supervisor a source, and the web server.

    `reading`: words for who may read. `first_token`: the page that makes one, where there is none.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        store: Store | None,
        live: Live,
        pipeline: Pipeline,
        supervisors: list[Supervisor],
        app: FastAPI,
        alerts: Alerting,
        reading: str,
        first_token: FirstToken | None,
        reports: Reports | None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.store = store
        self.live = live
        self.pipeline = pipeline
        self.supervisors = supervisors
        self.app = app
        self.alerts = alerts
        self.reading = reading
        self.first_token = first_token
        self.reports = reports


def bootstrap(
    config: Config,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    live: Live | None = None,
    sources: Sequence[Source] | None = None,
    tokens: TokenFile | None = None,
    renewal: Renewal | None = None,
    keys: MonthKeys | None = None,
    build: Callable[[Source, Clock], Adapter] = build_adapter,
) -> Service:
    """Put the machine together; a test hands in its own clock, store or adapters by the same names.

    With `sources` given it is a recording or a test: nobody is sent anything. `tokens`: where those are kept that were
    made on a page; without it there is no such page. `renewal` gives a source anew when its settings change. `keys` are
    those of the settings' file where none are given. Raises `OSError` where the tokens cannot be read.
    """
    clock = clock or clock_of(config)
    live = live or live_of(config)
    keys = keys or MonthKeys(Path(config.store.number_keys) if store is not None else None)
    spill = Spill(Path(config.store.spill)) if store is not None else None
    pipeline = Pipeline(live, clock, store, spill, keys=keys, names=own_names(config))
    supervisors, routers = [], []
    for source in config.sources if sources is None else sources:
        if not source.enabled:
            continue
        adapter = build(source, clock)
        urn = source_urn(source.kind, source.name)
        renewed = renewal.of(source, clock) if renewal is not None else lambda: None
        supervisors.append(Supervisor(adapter, urn, source.switch, pipeline.put, clock, renewed))
        if (router := getattr(adapter, "router", None)) is not None:
            routers.append(router)
    access = [Access(name=a.name, role=a.role, token_sha256=a.token_sha256) for a in config.access]
    access += tokens.read() if tokens is not None else []
    language = config.organisation.language
    record = store if isinstance(store, SqlStore) else MemoryRecord()
    alerts = alerting(config, pipeline, clock, record, sending=sources is None)
    audit = store if isinstance(store, SqlStore) else MemoryAudit()
    routers.append(acknowledge_routes(alerts.round, clock, audit, language))
    routers.append(alert_routes(alerts.figures, clock, alerts.round, alerts.history, audit, language))
    reports = Reports(store, reporting.made_by(config, live.rules), clock) if isinstance(store, SqlStore) else None
    routers.append(history_routes(alerts.figures, clock, alerts.history, language, reports))
    routers.append(report_routes(alerts.figures, reports, language))
    routers.append(lead_routes(alerts.figures, clock, alerts.round, alerts.history, audit, language))
    routers.append(crisis_routes(alerts.round, clock, audit, language))
    routers.append(banner_routes(alerts.round, clock, audit, language, config.zone))
    first_token = None
    if tokens is not None and not access:
        first_token = FirstToken(partial(_keep_token, tokens, audit, clock))
    app = create_app(
        alerts.figures,
        clock,
        language=language,
        routers=routers,
        access=access,
        read_without_token=config.http.read_without_token,
        first_token=first_token,
        public=config.http.public,
        cors_origins=config.http.cors_origins,
        board_advice=config.wallboard.advice,
        boards=boards_of(config),
    )
    reading = describe_reading(config.http, has_tokens=bool(access))
    return Service(config, clock, store, live, pipeline, supervisors, app, alerts, reading, first_token, reports)


async def _keep_token(tokens: TokenFile, audit: AuditLog, clock: Clock, made: Access, origin: str) -> None:
    act = AdminAct(at=clock.now(), who=made.name, origin=origin, act=MAKE_TOKEN, subject=made.role.value)
    await audit.save_act(act)
    await tokens.add(made)


async def record_settings(store: SqlStore, config: Config, clock: Clock) -> None:
    """Put into the audit that the monitor starts, and which settings are others than at the start before."""
    now, before = written_out(config), await store.noted(SETTINGS)
    differs = changed(msgspec.json.decode(before, type=dict[str, str]), now) if before else ["the first start"]
    detail = "; ".join(differs)
    await store.save_act(AdminAct(at=clock.now(), who="", origin="", act=SETTINGS, subject=__version__, detail=detail))
    await store.note(SETTINGS, msgspec.json.encode(now).decode())


def own_names(config: Config) -> set[str]:
    """What the settings call queues, sources and switches: a number among these is ours, and no caller's."""
    names = {*config.queues, *config.queue_hours, *config.queue_exits}
    names |= {queue for pool in config.pools for queue in pool.queues}
    for source in config.sources:
        publishers = getattr(source.settings, "sources", ())
        names |= {source.name, source.switch, *(entry.rpartition(":")[2] for entry in publishers)}
    return names


def has_tokens(config: Config) -> bool:
    """Whether anybody has a token, by the settings or by a page. Raises `OSError` where the file cannot be read."""
    return bool(config.access or TokenFile(Path(config.http.token_file)).read())


def clock_of(config: Config, resume_at: datetime | None = None) -> Clock:
    """The machine's clock; a simulated one where that is set, or where all sources are simulated and it is closed now.

    A simulated clock goes on where the journal left it, if that is later.
    """
    real, wanted = SystemClock(), config.clock
    only_simulated = all(source.kind == "simulator" for source in config.sources if source.enabled)
    start = wanted.start
    if start is not None:
        start = (start if start.tzinfo else start.replace(tzinfo=config.zone)).astimezone(UTC)
    elif only_simulated:
        start = _lively(_calendar(config, config.hours), real.now())
    if start is None and wanted.rate == 1.0:
        return real
    start = start or real.now()
    return ScaledClock(max(start, resume_at or start), wanted.rate)


def _lively(calendar: Calendar, now: datetime) -> datetime | None:
    """A moment on the newest open day at which a simulated Kundcenter is worth looking at; None when that is now."""
    span = calendar.span(calendar.day_of(now))
    if span is not None and span[0] + timedelta(minutes=30) <= now <= span[1] - timedelta(minutes=30):
        return None
    day = calendar.day_of(now)
    for _ in range(14):
        start = datetime.combine(day, DEMO_STARTS, calendar.zone).astimezone(UTC)
        if calendar.is_open(start) and start <= now:
            return start
        day -= timedelta(days=1)
    return None


async def serve(
    config: Config, announce: Callable[[str, Service], None], read: Callable[[], Config], path: Path | None = None
) -> None:
    """Run until told to stop: take up where the store left off, start sources and pages, and on the way out write what
    waits.

    `announce` is given the address once the figures are there; `read` reads the settings file at `path` again. What
    heals by itself is waited for: an address that is taken, a database that does not answer. Raises `StoreError` when
    the store is not fit for these sources or belongs to another monitor, and `OSError` when the address can never be
    served or the file of the tokens cannot be read.
    """
    real = SystemClock()
    with await patiently(partial(asyncio.to_thread, listening, config), _is_taken, real) as listener:
        entrance = Entrance(config.organisation.language)
        async with pages(entrance, listener, config.http.trusted_proxies) as serving:
            opening = asyncio.create_task(patiently(partial(own_store, config), _is_away, real, entrance.because))
            await asyncio.wait({serving, opening}, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
                return
            store = opening.result()
            try:
                clock = clock_of(config, await store.newest_at())
                keys = MonthKeys(Path(config.store.number_keys))
                service = bootstrap(
                    config,
                    clock=clock,
                    store=store,
                    tokens=TokenFile(Path(config.http.token_file)),
                    renewal=Renewal(path, read, build_adapter),
                    keys=keys,
                )
                folder = Path(config.store.backups) if config.store.backups else None
                kept = service.pipeline.look_again
                retention = Retention(config.retention, store, clock, config.zone, keys, folder, kept)
                await service.pipeline.start()
                await service.alerts.round.start()
                await record_settings(store, config, clock)
                collect_seldom()
                switch_often()
                entrance.let_in(service.app)
                announce(address_of(listener), service)
                beside = [collect_at_night(clock, config.zone), retention.run(), *reports_of_themselves(service, store)]
                await run_service(service, serving, beside)
                await service.pipeline.drain()
            finally:
                await store.close()


def reports_of_themselves(service: Service, store: SqlStore) -> list[Coroutine[Any, Any, None]]:
    """What makes the reports of months and tertials and tells those whom the settings name; nothing if it is off."""
    config, reports = service.config, service.reports
    if reports is None or not config.report.automatic:
        return []

    async def tell(report: Report) -> None:
        if config.report.send_to:
            word = reporting.word_of(report, config)
            await service.alerts.dispatcher.inform(word, config.report.send_to)

    return [reporting.ReportRound(reports, store, service.live.rules, service.clock, tell).run()]


def _is_taken(error: OSError | StoreError) -> bool:
    """Whether an address is in use now, or not this machine's yet."""
    return isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)


def _is_away(error: OSError | StoreError) -> bool:
    return isinstance(error, StoreError) and error.passing


async def own_store(config: Config, progress: Callable[[int, int], None] | None = None) -> SqlStore:
    """Open the store for a monitor with these sources. Real calls and simulated ones never share one.

    Raises `StoreInUse` when another monitor owns it, `StoreError` when it cannot be used.
    """
    store = await open_store(config.store.url, **store_options(config), progress=progress)
    try:
        if not only_simulates(config.sources):
            if await store.is_simulated():
                raise StoreError(
                    "store.url: a simulation has written its made-up calls there. Name another store, or empty this "
                    "one with: queue-monitor wipe --config FILE"
                )
        elif config.sources:
            if await store.holds_real():
                raise StoreError(
                    "store.url: real calls lie there, and a simulation would mix its made-up ones with them. "
                    "Name another store for it"
                )
            await store.mark_simulated()
    except BaseException:
        await store.close()
        raise
    return store


def store_options(config: Config) -> dict[str, Any]:
    """Return what `open_store` needs besides the address: time zone, how agents are kept, the key file."""
    return {"zone": config.zone, "agents": config.store.agents, "agent_key": Path(config.store.agent_key)}


def listening(config: Config) -> socket.socket:
    """The address the pages are served at, taken now so that a mistake is told before anything starts."""
    host, port = config.http.host, config.http.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        why = f"http.host, http.port: {host}:{port} cannot be served: {error.strerror or error}"
        raise ServingError(error.errno, why) from error


def address_of(listener: socket.socket) -> str:
    """An address at which the pages can be opened; for one that listens everywhere, by this machine's name."""
    host, port = listener.getsockname()[:2]
    host = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def is_real(clock: Clock) -> bool:
    """Whether this is the machine's own time, not a simulated one."""
    return isinstance(clock, SystemClock)


class ServingError(OSError):
    """The pages cannot be served at this address. The message names the settings."""

    def __str__(self) -> str:
        return str(self.strerror)


class _Server(uvicorn.Server):
    """Leaves the signals to us: what waits for the journal is written after the last page was served."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def pages(
    app: ASGIApp, listener: socket.socket, trusted_proxies: Sequence[str] = ()
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve pages from now on. The task that is given ends when the monitor is told to stop."""
    settings = uvicorn.Config(
        app,
        http=bounded(room()),
        ws="none",
        log_config=None,  # our own, which shows no number
        log_level="error",  # what somebody sends that is no HTTP is worth no line
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="web")
    try:
        yield serving
    finally:
        server.should_exit = True
        await serving
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def run_service(
    service: Service, serving: asyncio.Task[None], beside: Sequence[Coroutine[Any, Any, None]] = ()
) -> None:
    """Everything at once for as long as pages are served; a bug in the core ends it all, and the journal rebuilds."""
    working = {asyncio.create_task(service.pipeline.run(), name="pipeline")}
    working |= {asyncio.create_task(supervisor.run()) for supervisor in service.supervisors}
    working |= {asyncio.create_task(service.alerts.round.run(), name="alerts")}
    working |= {asyncio.create_task(service.alerts.dispatcher.run(), name="dispatch")}
    working |= {asyncio.create_task(other) for other in beside}
    try:
        while not serving.done():
            done, _ = await asyncio.wait({serving, *working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & working:
                working.discard(task)
                task.result()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
