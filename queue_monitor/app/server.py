"""Runs the service: it listens, opens the store, serves pages, and writes what waits before it ends."""

import asyncio
import errno
import http.client
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from queue_monitor.api.guard.connections import bounded, room
from queue_monitor.app import reporting
from queue_monitor.app.dated_rules import take_rules
from queue_monitor.app.demo import clock_of
from queue_monitor.app.interpreter import collect_at_night, collect_seldom, load_threads, switch_often
from queue_monitor.app.owned_store import own_store, record_settings
from queue_monitor.app.registry import build_adapter
from queue_monitor.app.renewal import Renewal
from queue_monitor.app.retention import Retention
from queue_monitor.app.rules_from_config import live_of
from queue_monitor.app.starting import Entrance, patiently
from queue_monitor.app.wiring import Service, build_service
from queue_monitor.clock import SystemClock
from queue_monitor.config import Config
from queue_monitor.ports import SERVICE, StoreError
from queue_monitor.reports.desk import Report
from queue_monitor.runtime.caller_key import CallerKey
from queue_monitor.runtime.month_keys import MonthKeys
from queue_monitor.runtime.token_file import TokenFile
from queue_monitor.store import SqlStore

GRACE_SECONDS: Final = 3
HOLDER_SECONDS: Final = 1.0


async def serve(
    config: Config, announce: Callable[[str, Service], None], read: Callable[[], Config], path: Path | None = None
) -> None:
    """Run until asked to stop: take up the store's state, start sources and pages, and at the end write what waits.

    `announce` gets the address once the figures are there; `read` reads the settings file at `path` again. Trouble that
    can pass is waited for: an address in use, a database that does not answer. Raises `StoreError` when the store is
    not fit for these sources or belongs to another monitor, and `OSError` when the address can never be served or the
    file of the tokens cannot be read.
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
                callers = CallerKey(clock, config.zone)
                build = partial(build_adapter, callers=callers)
                rules = await take_rules(store, config, clock.now().astimezone(config.zone).date())
                service = build_service(
                    config,
                    clock=clock,
                    store=store,
                    live=live_of(config, rules),
                    tokens=TokenFile(Path(config.http.token_file)),
                    renewal=Renewal(path, read, build),
                    keys=keys,
                    build=build,
                )
                folder = Path(config.store.backups) if config.store.backups else None
                kept = service.pipeline.look_again
                retention = Retention(config.retention, store, clock, config.zone, keys, folder, kept)
                await service.pipeline.start()
                await service.alerts.round.start()
                await record_settings(store, config, clock)
                await load_threads()
                collect_seldom()
                switch_often()
                entrance.let_in(service.app)
                announce(address_of(listener), service)
                beside = [collect_at_night(clock, config.zone), callers.run(), retention.run()]
                beside += reports_of_themselves(service, store)
                await run_service(service, serving, beside)
                await service.pipeline.drain()
            finally:
                await store.close()


def reports_of_themselves(service: Service, store: SqlStore) -> list[Coroutine[Any, Any, None]]:
    """Return the coroutine that makes automatic reports and informs the chosen recipients; none if it is off."""
    config, reports = service.config, service.reports
    if reports is None or not config.report.automatic:
        return []

    async def tell(report: Report) -> None:
        if config.report.send_to:
            word = reporting.word_of(report, config)
            await service.alerts.dispatcher.inform(word, config.report.send_to)

    return [reporting.ReportRound(reports, store, service.live.rules, service.clock, tell).run()]


def _is_taken(error: OSError | StoreError) -> bool:
    """Return whether an address is in use now, or not this machine's yet."""
    return isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)


def _is_away(error: OSError | StoreError) -> bool:
    return isinstance(error, StoreError) and error.passing


def listening(config: Config) -> socket.socket:
    """Open the address of the pages now, so that a mistake is reported before anything starts."""
    host, port = config.http.host, config.http.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        trouble = f"cannot be served: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            trouble = f"is taken by {holder_of(host, port)}; end that one, or choose another http.port"
        raise ServingError(error.errno, f"http.host, http.port: {host}:{port} {trouble}") from error


@cache
def holder_of(host: str, port: int) -> str:
    """Return in words who listens at an address that is taken. It is asked once, for no longer than a second or two."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(here, port, timeout=HOLDER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read(1000))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return "another program"
    finally:
        connection.close()
    is_ours = isinstance(answer, dict) and answer.get("service") == SERVICE
    return "another queue-monitor, which runs already" if is_ours else "another program"


def address_of(listener: socket.socket) -> str:
    """Return an address at which the pages can be opened; for one that listens everywhere, by this machine's name."""
    host, port = listener.getsockname()[:2]
    host = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class ServingError(OSError):
    """Raised when the pages cannot be served at this address. The message names the settings."""

    def __str__(self) -> str:
        return str(self.strerror)


class _Server(uvicorn.Server):
    """Leaves the signals to us, because events that wait for the journal are written after the last page was served."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def pages(
    app: ASGIApp, listener: socket.socket, trusted_proxies: Sequence[str] = ()
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve pages from now on. The given task ends when the monitor is asked to stop."""
    settings = uvicorn.Config(
        app,
        http=bounded(room()),
        ws="none",
        log_config=None,  # our own, which shows no number
        log_level="error",  # bytes that are no HTTP are worth no line
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
    """Run everything for as long as pages are served; a bug in the core ends it all, and the journal rebuilds."""
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
