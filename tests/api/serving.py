"""A real uvicorn on a free loopback port, in a thread of its own, and a real Chromium to look at it."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from queue_monitor.api import create_app
from queue_monitor.api.guard.access import COOKIE, digest
from queue_monitor.api.guard.connections import bounded
from queue_monitor.api.json.crisis import crisis_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.clock import ManualClock
from queue_monitor.model import Access, Board, Role, Snapshot
from queue_monitor.store.audit import MemoryAudit
from tests.api.sample import FakeAlerts, FakeFigures

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
TOKEN = "lead-nyckel"
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Server:
    """One application, served until told to stop; `show` publishes from the serving thread.

    Given a `port`, it comes back at the address of one that was stopped. At `most` so many connections are held.
    """

    def __init__(
        self,
        first: Snapshot,
        *,
        language: str = "sv",
        most: int = 100,
        board_advice: bool = False,
        boards: Sequence[Board] = (),
        port: int = 0,
        figures: FakeFigures | None = None,
        log_level: str = "critical",
        **lead: Any,
    ) -> None:
        self.figures = figures or FakeFigures(first)
        self.alerts = FakeAlerts(**lead)
        self._started = threading.Event()
        self.audit = MemoryAudit()
        clock = ManualClock(first.at)
        routers = [
            lead_routes(self.figures, clock, self.alerts, self.alerts, self.audit, language),
            crisis_routes(self.alerts, clock, self.audit, language),
        ]
        app = create_app(
            self.figures,
            clock,
            language=language,
            routers=routers,
            access=[Access(name="Anna i rummet", role=Role.LEAD, token_sha256=digest(TOKEN))],
            read_without_token=True,
            board_advice=board_advice,
            boards=boards,
        )
        self._uvicorn = _Uvicorn(app, self._started, most, port, log_level)
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(20), "uvicorn did not start"

    @property
    def address(self) -> str:
        port = self._uvicorn.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def connections(self) -> int:
        return len(self._uvicorn.server_state.connections)

    def show(self, snapshot: Snapshot) -> None:
        """Publish, and return when it is the newest."""
        shown = threading.Event()

        def publish() -> None:
            self.figures.show(snapshot)
            shown.set()

        self._uvicorn.loop.call_soon_threadsafe(publish)
        assert shown.wait(10)

    def stop(self) -> None:
        """At once: boards that still listen are cut off."""
        self._uvicorn.should_exit = self._uvicorn.force_exit = True
        self._thread.join(20)


def sign_in(context: BrowserContext, server: Server) -> None:
    """Let a browser show the token of whoever leads the shift."""
    context.add_cookies([{"name": COOKIE, "value": TOKEN, "url": server.address}])


class _Uvicorn(uvicorn.Server):
    def __init__(self, app: FastAPI, started: threading.Event, most: int, port: int, log_level: str) -> None:
        settings = uvicorn.Config(
            app, http=bounded(most), ws="none", host="127.0.0.1", port=port, log_level=log_level, lifespan="off"
        )
        super().__init__(settings)
        self._up = started

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self._up.set()


@contextmanager
def serving(first: Snapshot, **options: Any) -> Iterator[Server]:
    server = Server(first, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def chromium() -> Iterator[Browser]:
    assert CHROMIUM.exists(), "the wallboard is tested in Chromium: install the Debian package chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()
