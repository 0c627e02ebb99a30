"""Joins the parts: the pipeline, a supervisor for each source, alerts and pages."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from alerts.memory import MemoryRecord
from queue_monitor.api import create_app
from queue_monitor.api.guard.first_token import FirstToken
from queue_monitor.api.json.alerts import alert_routes
from queue_monitor.api.json.banner import banner_routes
from queue_monitor.api.json.crisis import crisis_routes
from queue_monitor.api.pages.acknowledge import acknowledge_routes
from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.api.pages.report import report_routes
from queue_monitor.app import reporting
from queue_monitor.app.alerting import Alerting, alerting
from queue_monitor.app.demo import clock_of
from queue_monitor.app.registry import build_adapter, passes_on, source_urn
from queue_monitor.app.renewal import Renewal
from queue_monitor.app.rules_from_config import boards_of, live_of
from queue_monitor.config import Config, Source, describe_reading
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.model import Access, AdminAct
from queue_monitor.ports import Adapter, AuditLog, Clock, Store
from queue_monitor.reports.desk import Reports
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.spill import Spill
from queue_monitor.runtime.supervisor import Supervisor
from queue_monitor.runtime.token_file import TokenFile
from queue_monitor.store import MemoryAudit, SqlStore

MAKE_TOKEN: Final = "make_token"


class Service:
    """All running parts: pipeline, one supervisor for each source, and the web server.

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


def build_service(
    config: Config,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    live: Live | None = None,
    sources: Sequence[Source] | None = None,
    tokens: TokenFile | None = None,
    renewal: Renewal | None = None,
    keys: MonthKeys | None = None,
    on_forgotten: Callable[[list[ContactHistory]], None] = lambda histories: None,
    build: Callable[[Source, Clock], Adapter] = build_adapter,
) -> Service:
    """Build the service; a test hands in its own clock, store or adapters by the same names.

    `sources`: given for a recording or a test; no message is sent then.
    `tokens`: the file of the tokens that were made on a page; without it there is no such page.
    `renewal`: returns a source anew when its settings change.
    `keys`: the keys; those of the settings' file where none are given. Raises `OSError` where the tokens cannot be
        read.
    `on_forgotten`: as for `Pipeline`.
    """
    clock = clock or clock_of(config)
    live = live or live_of(config)
    if sources is None and (switches := watched_switches(config)):
        live.sources.watch_only(switches, publishers_of(config))
    keys = keys or MonthKeys(Path(config.store.number_keys) if store is not None else None)
    spill = Spill(Path(config.store.spill)) if store is not None else None
    pipeline = Pipeline(live, clock, store, spill, keys=keys, names=own_names(config), on_forgotten=on_forgotten)
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
    unsaved = Path(config.store.unsaved_alerts) if store is not None else None
    alerts = alerting(config, pipeline, clock, record, sending=sources is None, unsaved=unsaved)
    audit = store if isinstance(store, SqlStore) else MemoryAudit()
    routers.append(acknowledge_routes(alerts.round, clock, audit, language))
    routers.append(alert_routes(alerts.figures, clock, alerts.round, alerts.history, audit, language))
    reports = None
    if isinstance(store, SqlStore):
        reports = Reports(store, reporting.made_by(config, live.rules), clock, pipeline.as_of_now)
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


def watched_switches(config: Config) -> dict[str, str]:
    """Return the switch of each source that is watched; empty where that cannot be known from the settings alone: one
    passes on what others say, and no publishers are named there.
    """
    enabled = [source for source in config.sources if source.enabled]
    if any(passes_on(source.kind) and not publishers_of_source(source) for source in enabled):
        return {}
    return {source_urn(source.kind, source.name): source.switch for source in enabled}


def publishers_of(config: Config) -> set[str]:
    """Return the publishers that the settings name behind a broker."""
    return {name for source in config.sources if source.enabled for name in publishers_of_source(source)}


def publishers_of_source(source: Source) -> tuple[str, ...]:
    """Return the publishers that a source takes, as its settings name them; empty for everybody, or for no broker."""
    return tuple(getattr(source.settings, "sources", ()))


def own_names(config: Config) -> set[str]:
    """Return the names of queues, sources and switches in the settings: a number among these is no caller's."""
    names = {*config.queues, *config.queue_hours, *config.queue_exits}
    names |= {queue for pool in config.pools for queue in pool.queues}
    for source in config.sources:
        publishers = (entry.rpartition(":")[2] for entry in publishers_of_source(source))
        names |= {source.name, source.switch, *publishers}
    return names


def has_tokens(config: Config) -> bool:
    """Return whether anybody has a token, by the settings or a page. Raises `OSError` where the file cannot be read."""
    return bool(config.access or TokenFile(Path(config.http.token_file)).read())
