"""One number everywhere: at random moments of a day, wallboard, status API, intervals, tables and /metrics agree.

A simulated day through the whole live engine, the forecast among it. Nothing is rounded: the numbers are the same.
"""

import csv
import io
import random
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from queue_monitor import simulation
from queue_monitor.api import create_app
from queue_monitor.api.pages.board import board_body
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.clock import ManualClock
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import Live
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.model import (
    CalendarDay,
    DifferenceRecord,
    Disagreement,
    ImportRecord,
    Level,
    LostCall,
    Period,
    RepeatDay,
    Snapshot,
    StoredCall,
    TransferWaits,
    WeekSlot,
)
from tests.scenario import Scenario
from tests.test_metrics import Samples

MONDAY = date(2026, 11, 23)
MOMENTS = 5
WINDOWS = ("15min", "30min", "60min", "day", "month", "tertial")


class Standing:
    """`ports.Figures` of a live state that stands still at one moment."""

    def __init__(self, live: Live, now: datetime) -> None:
        self._live, self._now = live, now
        self._snapshot = live.snapshot(now)

    def latest(self) -> Snapshot:
        return self._snapshot

    async def changes(self) -> AsyncIterator[Snapshot]:
        yield self._snapshot

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        return HeldCalls(self._live).intervals(self._now, start, end, step, level, queue)

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        return []

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return []

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return []

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        return HeldCalls(self._live).lost_calls(start, end, queue)

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        return HeldCalls(self._live).stored_calls(start, end, queue)[:limit]

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        return HeldCalls(self._live).calendar(first, last, queue)

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        return HeldCalls(self._live).transfer_waits(start, end, queue)

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        return []

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return HeldCalls(self._live).disagreements(start, end)


class Faces:
    """What each face says at one moment."""

    def __init__(self, figures: AlertedFigures, status: Any, day: Any, table: str, lost: Any, metrics: str) -> None:
        self.board = msgspec.json.decode(board_body(figures.latest()))
        self.status, self.day, self.lost = status, day, lost
        (self.row,) = csv.DictReader(io.StringIO(table.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")), delimiter=";")
        self.metric = Samples(metrics)

    def cell(self, name: str) -> float | None:
        text = self.row[name].replace(",", ".")
        return float(text) if text else None


async def asked(live: Live, now: datetime) -> Faces:
    figures = AlertedFigures(Standing(live, now))
    app: FastAPI = create_app(figures, ManualClock(now))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        get = client.get
        return Faces(
            figures,
            (await get("/api/v1/status")).json(),
            (await get("/api/v1/intervals?step=day")).json()["intervals"][0],
            (await get("/api/v1/intervals?step=day&format=csv")).text,
            (await get("/api/v1/lost-calls")).json()["calls"],
            (await get("/metrics")).text,
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_face_says_the_same_at_random_moments_of_a_day(seed: int) -> None:
    rules = Scenario().rules
    events = simulation.simulate(simulation.Config(date=MONDAY, seed=seed)).events
    ((opens, closes),) = rules.calendar.spans_of(MONDAY)
    chance = random.Random(seed)
    stops = sorted(opens + (closes - opens) * chance.random() for _ in range(MOMENTS))
    live = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
    foretold = looked = 0
    for event in events:
        while stops and event.at > stops[0]:
            now = stops.pop(0)
            live.show_forecasts([given.compute() for given in live.forecast_inputs(now)])
            faces = await asked(live, now)
            agree(faces)
            foretold += faces.status["total"]["risk"].get("day") is not None
            looked += 1
        live.apply(event)

    assert (looked, foretold > 0) == (MOMENTS, True)


def agree(faces: Faces) -> None:
    """Every number that two faces have is the same on both."""
    total, metric, day = faces.status["total"], faces.metric, faces.status["total"]["periods"]["day"]
    shown = faces.board["total"]
    for name in ("waiting", "oldest_wait_seconds", "talking", "expected_wait_seconds"):
        on_board = shown["oldest_wait_ms"] if name == "oldest_wait_seconds" else shown[name]
        if name == "oldest_wait_seconds" and on_board is not None:
            on_board /= 1000
        assert on_board == total[name], name
    assert shown["waiting_late"] == day["waiting_late"]
    assert shown["status"] == total["status"]["status"]
    assert shown["staff"] == total["staff"]
    periods(faces, shown["day"], day)
    in_metrics(metric, total, "")
    for queue, on_board in zip(faces.status["queues"], faces.board["queues"], strict=True):
        assert (queue["name"], queue["waiting"]) == (on_board["name"], on_board["waiting"])
        assert metric("callqueue_calls_waiting", queue=queue["name"]) == queue["waiting"]
        assert on_board["day"]["headline"] == queue["periods"]["day"]["headline"]
        in_metrics(metric, queue, queue["name"])
    lost(faces, day)


def periods(faces: Faces, shown: Any, day: Any) -> None:
    same = ("entered", "answered", "abandoned", "left_otherwise", "refused_ratio", "headline", "floor", "ceiling")
    for name in (*same, "meets_target", "service_level"):
        assert shown[name] == day[name] == faces.day[name], name
    assert shown["refused"] == day["refused_total"] == faces.cell("refused")
    for name in (*same, "misses", "including_refused"):
        assert faces.cell(name) == day[name], name
    assert {name: faces.cell(name) for name in day["service_level"]} == day["service_level"]


def in_metrics(metric: Samples, face: Any, queue: str) -> None:
    assert metric("callqueue_oldest_wait_seconds", queue=queue) == face["oldest_wait_seconds"]
    for bound, name in (("low", "_low"), ("expected", ""), ("high", "_high")):
        expected = face[f"expected_wait{name}_seconds"]
        assert metric("callqueue_expected_wait_seconds", queue=queue, bound=bound) == expected
    for period in ("day", "month"):
        risk = face["risk"].get(period) or {"miss_probability": None, "margin_calls": None}
        assert metric("callqueue_miss_probability", queue=queue, period=period) == risk["miss_probability"]
        assert metric("callqueue_margin_calls", queue=queue, period=period) == risk["margin_calls"]
    for window in WINDOWS if not queue else ("30min", "day", "month"):
        said = face["periods"][window]
        for definition, share in said["service_level"].items():
            labels = {"queue": queue, "definition": definition, "window": window}
            assert metric("callqueue_service_level_ratio", **labels) == share
        for name in ("floor", "ceiling"):
            assert metric(f"callqueue_service_level_{name}_ratio", queue=queue, window=window) == said[name]
        assert metric("callqueue_refused_ratio", queue=queue, window=window) == said["refused_ratio"]
        assert metric("callqueue_misses", queue=queue, period=window) == said["misses"]
        assert metric("callqueue_coverage_ratio", queue=queue, window=window) == said["coverage"]["ratio"]


def lost(faces: Faces, day: Any) -> None:
    inside = [call for call in faces.lost if call["in_opening_hours"]]
    assert sum(call["counted_as"].startswith("abandoned") for call in inside) == day["abandoned"]
    assert sum(call["is_short"] for call in inside) == day["abandoned_short"]
    assert sum(call["outcome"] == "refused" for call in inside) == day["refused_total"]
