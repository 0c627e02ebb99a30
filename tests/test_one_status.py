"""One status everywhere: from an installation's first seconds until after closing, every face says the same.

Simulated days through the whole live engine with its forecast and its alert rules. At each stop the wallboard, the
status API, the lead's page, the public page, the alerts and /metrics are asked, in both languages.
"""

import html
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.memory import MemoryRecord
from alerts.rules import AlertSettings
from queue_monitor import simulation, texts
from queue_monitor.api import create_app
from queue_monitor.api.json.alerts import alert_routes
from queue_monitor.api.pages.board import board_body
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.api.pages.public import HOLDS_SECONDS, public_routes
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.clock import ManualClock, SystemClock
from queue_monitor.core.live import Live
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.model import UNHEARD, AlertKind, QueueNow, Snapshot, Status
from queue_monitor.simulation import Kind
from queue_monitor.store import MemoryAudit
from tests.scenario import STOCKHOLM, Scenario
from tests.test_metrics import Samples
from tests.test_one_number import Standing

MONDAY = date(2026, 11, 23)
ROUND = timedelta(minutes=8)
TARGET_KINDS = {AlertKind.TARGET_AT_RISK.value, AlertKind.TARGET_OUT_OF_REACH.value}
UNSAID = {Status.OK.value, Status.TOO_EARLY.value}


class Moving(Standing):
    """The figures of a live state, moment after moment."""

    def move(self, now: datetime) -> None:
        self._now, self._snapshot = now, self._live.snapshot(now)


class Monitor:
    """Engine, alert rules and faces over one simulated day."""

    def __init__(self, start: datetime) -> None:
        rules = Scenario().rules
        self.live = Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))
        self.plain = Moving(self.live, start)
        self.clock, record = ManualClock(start), MemoryRecord()
        dispatcher = Dispatcher([], [], record, self.clock, STOCKHOLM)
        self.settings = AlertSettings()
        self.round = AlertRound(AlertEngine(self.settings, "sv"), self.plain, self.clock, record, dispatcher)
        self.figures = AlertedFigures(self.plain, self.settings, self.round)
        audit = MemoryAudit()
        routers = [
            alert_routes(self.figures, self.clock, self.round, record, audit, "sv"),
            lead_routes(self.figures, self.clock, self.round, record, audit, "sv"),
            public_routes(self.figures, self.clock, "sv"),
        ]
        self.app: FastAPI = create_app(self.figures, self.clock, routers=routers)
        self.seen: list[str] = []

    def move(self, now: datetime) -> None:
        self.clock.advance_to(now)
        self.live.show_forecasts([given.compute() for given in self.live.forecast_inputs(now)])
        self.plain.move(now)

    async def _metrics(self, client: httpx.AsyncClient) -> Samples:
        """The metrics of the newest figures: a thread keeps them fresh, and may have been between two looks."""
        while True:
            found = Samples((await client.get("/metrics")).text)
            if found("callqueue_snapshot_timestamp_seconds") == self.figures.latest().at.timestamp():
                return found
            await SystemClock().sleep(0.1)

    async def compare(self) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost") as client:
            status = (await client.get("/api/v1/status")).json()
            alerts = (await client.get("/api/v1/alerts")).json()
            metric = await self._metrics(client)
            pages = {language: (await client.get(f"/lead?lang={language}")).text for language in texts.LANGUAGES}
            public = {lang: (await client.get(f"/api/v1/public?lang={lang}")).json() for lang in texts.LANGUAGES}
            for_all = {language: (await client.get(f"/public?lang={language}")).text for language in texts.LANGUAGES}
        snapshot = self.figures.latest()
        board = msgspec.json.decode(board_body(snapshot))
        sensible(snapshot, self.settings.levels.warning)
        for face, shown in zip((snapshot.total, *snapshot.queues, *snapshot.pools), faces_of(status), strict=True):
            same_in_api(face, shown, metric)
        for on_board, in_api in zip((board["total"], *board["queues"]), faces_of(status), strict=False):
            names = ("status", "reason", "under_target_now")
            assert [on_board[name] for name in names] == [in_api["status"][name] for name in names]
        assert len(alerts["open"]) == len(snapshot.alerts.open)
        for language, page in pages.items():
            in_words(snapshot, board, readable(page), language)
            in_public(snapshot, public[language], readable(for_all[language]), language)
        self.seen.append(snapshot.total.verdict.status.value)


def faces_of(status: Any) -> list[Any]:
    return [status["total"], *status["queues"], *status["pools"]]


def readable(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page))).replace("\N{NO-BREAK SPACE}", " ")


def sensible(snapshot: Snapshot, warning: float) -> None:
    """No status beside a number or an alert that speaks against it."""
    target = snapshot.target.ratio
    at_risk = {
        queue
        for alert in snapshot.alerts.open
        if alert.kind.value in TARGET_KINDS and alert.period == "day"
        for queue in alert.queues
    }
    for face in (snapshot.total, *snapshot.queues, *snapshot.pools):
        status, day, risk = face.verdict.status, face.periods["day"], face.risk
        over = face.day_hours is None or face.day_hours[1] <= snapshot.at
        if at_risk & set(face.queues):
            assert status.value not in UNSAID, face.name
        if status is Status.OK and risk is not None and not over:
            assert (risk.expected_share or 0.0) >= target
            assert risk.p_miss < warning
        if status is Status.OK and (risk is None or over):
            assert day.headline is not None and day.headline >= target
        if face.verdict.reason in UNHEARD:
            assert (risk, face.month_risk, face.margins) == (None, None, {}), "a forecast from what nobody heard"
            assert all(caller.in_time_chance is None for caller in face.waiting)
        if not face.open:  # nobody who calls now is put through, so no wait is foretold
            assert (face.expected_wait_seconds, face.wait_range_seconds) == (None, None)
        if status is Status.TOO_EARLY:
            assert not over
        if status is Status.OUT_OF_REACH and not over:
            assert risk is not None and not risk.reachable


def same_in_api(face: QueueNow, shown: Any, metric: Samples) -> None:
    verdicts = {"day": face.verdict, **face.verdicts}
    said = {"day": shown["status"], **shown["longer"]}
    assert {name: one["status"] for name, one in said.items()} == {n: v.status.value for n, v in verdicts.items()}
    if len(face.queues) == 1 or not face.name:
        for period, verdict in verdicts.items():
            for status in Status:
                is_it = metric("callqueue_target_status", queue=face.name, period=period, status=status.value)
                assert is_it == float(verdict.status is status), (face.name, period)
    if face.risk is not None:
        assert shown["risk"]["day"]["expected_share"] == face.risk.expected_share


def in_words(snapshot: Snapshot, board: Any, page: str, language: str) -> None:
    """The board's and the lead's sentences are one, are those of the numbers, and name one end of the margin."""
    total = snapshot.total
    said = board["why"][language].replace("\N{NO-BREAK SPACE}", " ")
    assert f"{texts.status_words(total.verdict.status, total.verdict.reason, language)} {said}" in page
    assert texts.percent(total.periods["day"].headline, 0.9, language).replace("\N{NO-BREAK SPACE}", " ") in page
    for alert in board["alerts"]:
        assert f"{alert['words'][language]} – {alert['label'][language]}".replace("\N{NO-BREAK SPACE}", " ") in page
    ends = set()
    for face in (*snapshot.pools, *snapshot.queues):
        end = face.risk.margin_ends(face.margins.get("day"), snapshot.at) if face.risk else None
        if end is not None:
            ends.add(texts.clock(end, snapshot.time_zone, language))
    pattern = r"slut ca (?:kl\. )?(\d+\.\d\d)" if language == "sv" else r"gone at about (\d+:\d\d)"
    assert set(re.findall(pattern, page)) <= ends


def in_public(snapshot: Snapshot, summary: Any, page: str, language: str) -> None:
    """The citizens' page says the same as the board, unless it still shows what it may keep for 15 seconds."""
    if datetime.fromisoformat(summary["generated_at"]) != snapshot.at:
        assert snapshot.at - datetime.fromisoformat(summary["generated_at"]) < timedelta(seconds=HOLDS_SECONDS)
        return
    total, day = snapshot.total, snapshot.total.periods["day"]
    assert (summary["status"], summary["open"]) == (total.verdict.status.value, total.open)
    assert summary["today"]["ratio"] == day.headline
    for words in (
        texts.status_words(total.verdict.status, total.verdict.reason, language),
        texts.percent(day.headline, 0.9, language),
        texts.percent(total.periods["month"].headline, 0.9, language),
    ):
        assert words.replace("\N{NO-BREAK SPACE}", " ") in page


async def walked(
    kind: Kind, begins: float, stops: Sequence[float], seed: int = 3, heard_until: float = 24.0
) -> list[str]:
    """The statuses of all queues at `stops`, hours of the day, of a monitor that was started at `begins`.

    The switch has not been heard since `heard_until`.
    """
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)
    start = midnight + timedelta(hours=begins)
    monitor = Monitor(start)
    await monitor.compare()
    due = start + ROUND
    left = [midnight + timedelta(hours=stop) for stop in stops]

    async def until(moment: datetime) -> None:
        nonlocal due
        while left and min(left[0], due) <= moment:
            now = min(left[0], due)
            monitor.move(now)
            if now == due:
                await monitor.round.evaluate()
                due += ROUND
            if left and now == left[0]:
                left.pop(0)
                await monitor.compare()

    events = simulation.simulate(simulation.Config(date=MONDAY, kind=kind, seed=seed)).events
    silent = midnight + timedelta(hours=heard_until)
    for event in (event for event in events if start <= event.at < silent):
        await until(event.at)
        monitor.live.apply(event)
    await until(left[-1] if left else start)
    assert not left
    return monitor.seen


@pytest.mark.parametrize("kind", [Kind.NORMAL, Kind.SHORTFALL])
async def test_every_face_says_the_same_of_a_whole_day(kind: Kind) -> None:
    statuses = await walked(kind, 7.99, (8.01, 8.2, 8.6, 9.3, 10.4, 11.7, 13.0, 14.6, 16.2, 16.98, 17.02, 17.6, 19))

    assert statuses[0] in ("no_data", "too_early")
    assert statuses[1:3] == ["too_early"] * 2
    assert statuses[-1] == ("ok" if kind is Kind.NORMAL else "out_of_reach")
    assert kind is Kind.NORMAL or "at_risk" in statuses or "out_of_reach" in statuses[:-3]


async def test_a_monitor_started_in_the_middle_of_a_bad_day_says_first_that_it_is_too_early() -> None:
    start = 11.0
    seconds = [start + second / 3600 for second in (5, 24, 60, 120)]
    statuses = await walked(Kind.SHORTFALL, start, (*seconds, 11.5, 12.5, 15, 17.1))

    assert set(statuses[:4]) <= {"no_data", "too_early"}
    assert statuses[-1] in ("ok", "out_of_reach")


async def test_while_the_switch_is_silent_nothing_is_foretold_beside_the_alarms_that_stand() -> None:
    """The page said "great risk" above "risk 20 %, the forecast reaches the target", of calls that nobody heard."""
    statuses = await walked(Kind.SHORTFALL, 7.99, (10.9, 11.6, 12.5), heard_until=11.0)

    assert statuses[1] in ("at_risk", "out_of_reach")
    assert statuses[2:] == ["no_data"] * 2
