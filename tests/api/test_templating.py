"""A page's template is made into code once, and not while a start waits for it."""

from fastapi import FastAPI

from queue_monitor.api.pages.history import history_routes
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.api.templating import template
from queue_monitor.clock import ManualClock
from queue_monitor.store.audit import MemoryAudit
from tests.api import sample
from tests.api.sample import FakeAlerts, FakeFigures


def test_a_start_makes_no_template_and_every_program_of_a_process_has_the_same() -> None:
    template.cache_clear()
    figures = FakeFigures(sample.calm())
    clock, alerts = ManualClock(sample.calm().at), FakeAlerts()
    app = FastAPI()
    app.include_router(history_routes(figures, clock, alerts, "sv"))
    app.include_router(lead_routes(figures, clock, alerts, alerts, MemoryAudit(), "sv"))

    assert template.cache_info().currsize == 0
    assert template("lead.html") is template("lead.html")
