"""No face of an alert contradicts another: API, page, wall, metrics and messages, at random moments of whole days.

Simulated days through the whole live engine with its forecast, its alert rules and its dispatcher.
"""

import random
import re
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from alerts.dispatch import Dispatcher
from alerts.engine import AlertEngine, AlertRound
from alerts.memory import MemoryRecord
from alerts.people import Channel, Recipient
from alerts.rules import scopes
from queue_monitor import simulation, texts
from queue_monitor.api import create_app
from queue_monitor.api.json.alerts import alert_routes
from queue_monitor.api.pages.board import board_body
from queue_monitor.api.pages.lead import lead_routes
from queue_monitor.app.alerting import AlertedFigures
from queue_monitor.model import Alert, AlertChange, AlertKind, Notice, NoticeState, QueueNow, Snapshot
from queue_monitor.simulation import Kind
from queue_monitor.store import MemoryAudit
from tests.alerts.test_dispatch import FakeNotifier
from tests.alerts.test_mirrored import Mirror
from tests.scenario import STOCKHOLM
from tests.test_metrics import scrape
from tests.test_one_status import MONDAY, Monitor, readable

MOMENTS = 8
ROUND = timedelta(minutes=8)
NOT_ON_WALLS = {AlertKind.SOURCE_SILENT, AlertKind.EVENT_SKIPPED, AlertKind.HEARTBEAT}


class Told(Monitor):
    """A monitor whose messages go to a lead and to Alertmanager."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        record, audit = MemoryRecord(), MemoryAudit()
        self.mail, self.mirror = FakeNotifier(), Mirror()
        channels = [
            Channel(name="mejl", notifiers=(self.mail,)),
            Channel(name="am", notifiers=(self.mirror,), mirrors=True),
        ]
        people = [Recipient(name="lead", channel="mejl"), Recipient(name="am", channel="am")]
        self.dispatcher = Dispatcher(channels, people, record, self.clock, STOCKHOLM)
        engine = AlertEngine(self.settings, "sv")
        self.round = AlertRound(engine, self.plain, self.clock, record, self.dispatcher, link="")
        self.figures = AlertedFigures(self.plain, self.settings, self.round)
        self.app = create_app(
            self.figures,
            self.clock,
            routers=[
                alert_routes(self.figures, self.clock, self.round, record, audit, "sv"),
                lead_routes(self.figures, self.clock, self.round, record, audit, "sv"),
            ],
        )
        self.compared = 0

    async def compare(self) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost") as client:
            status = (await client.get("/api/v1/status")).json()
            alerts = (await client.get("/api/v1/alerts")).json()
            pages = {language: (await client.get(f"/lead?lang={language}")).text for language in texts.LANGUAGES}
        snapshot = self.figures.latest()
        standing = snapshot.alerts.open
        assert alerts["open"] == status["alerts"]
        assert [(one["episode"], one["alert"], one["level"], one["text"]) for one in alerts["open"]] == [
            (one.episode, one.kind.value, one.level.value, one.text) for one in standing
        ]
        in_record(alerts["record"], standing)
        on_the_wall(snapshot)
        in_metrics(snapshot)
        for language, page in pages.items():
            on_the_page(page, standing, language)
        for alert in standing:
            with_the_figures(alert, snapshot)
        self._as_sent(standing)
        self.compared += len(standing)

    def _as_sent(self, standing: tuple[Alert, ...]) -> None:
        """The messages and Alertmanager name the alerts that stand, and no others."""
        open_now = {episode.id for episode in self.round._watch.state.open}
        assert {one.episode for one in standing} <= open_now
        last: dict[str, Notice] = {}
        for notice in self.mail.sent:
            last[notice.alert.episode] = notice
        over = {episode for episode, notice in last.items() if notice.alert.change is AlertChange.CLEARED}
        assert not over & open_now
        told = {episode.id for episode in self.round._watch.state.open if episode.told_at is not None}
        assert told <= set(last)
        in_mirror = {dict(labels)["episode"] for labels in self.mirror.standing}
        assert in_mirror == told
        assert {notice.state for notice in self.dispatcher._notices.values()} <= {NoticeState.SENT}


def in_record(record: list[dict[str, object]], standing: tuple[Alert, ...]) -> None:
    """The record of the day has each alert that stands as one that has not ended."""
    lasting = {one["episode"] for one in record if one["ended_at"] is None}
    assert {alert.episode for alert in standing} <= lasting


def on_the_wall(snapshot: Snapshot) -> None:
    board = msgspec.json.decode(board_body(snapshot))
    shown = {(one["episode"], one["words"]["sv"], one["level"]) for one in board["alerts"]}
    wanted = [one for one in snapshot.alerts.open if one.kind not in NOT_ON_WALLS]
    assert shown == {(one.episode, texts.alert_message(one), one.level.value) for one in wanted}


def in_metrics(snapshot: Snapshot) -> None:
    names = ("alert", "level", "queue", "period")
    samples = [dict(labels) for name, labels in scrape(snapshot)._samples if name == "callqueue_alert_open"]
    shown = {tuple(labels[name] for name in names) for labels in samples}
    assert shown == {(one.kind.value, one.level.value, one.queue, one.period) for one in snapshot.alerts.open}


def on_the_page(page: str, standing: tuple[Alert, ...], language: str) -> None:
    section = readable(page[page.index('id="alerts"') : page.index("</section>", page.index('id="alerts"'))])
    if not standing:
        assert texts.say("lead.alerts.none", language) in section
    for alert in standing:
        for words in (texts.alert_words(alert, language), alert.text):
            assert words.replace("\N{NO-BREAK SPACE}", " ") in section


def face_of(alert: Alert, snapshot: Snapshot) -> QueueNow:
    return next((face for face in scopes(snapshot) if face.name == alert.queue), snapshot.total)


def with_the_figures(alert: Alert, snapshot: Snapshot) -> None:
    """Every number in a sentence is the one that the board and the API show for that queue at this moment."""
    face, said = face_of(alert, snapshot), f"{alert.title} {alert.text}".replace("\N{NO-BREAK SPACE}", " ")
    for number in re.findall(r"(\d+) väntar", said):
        assert int(number) == face.waiting_count, said
    for wait in re.findall(r"längst ([^.]+)\.", said):
        assert wait == texts.wait_in_words((face.oldest_wait_ms or 0) / 1000), said
    for number in re.findall(r"(\d+) inloggad", said):
        assert int(number) == face.staff.staffed, said
    for share in re.findall(r"Hittills i dag: ([\d,]+ %)", said):
        shown = texts.percent(face.periods["day"].headline, 0.9).replace("\N{NO-BREAK SPACE}", " ").replace(",0", "")
        assert share == shown, said
    for share in re.findall(r"Månaden: ([\d,]+ %)", said):
        shown = texts.percent(face.periods["month"].headline, 0.9).replace("\N{NO-BREAK SPACE}", " ").replace(",0", "")
        assert share == shown, said
    for number in re.findall(r"Dagen tål ca (\d+)", said):
        assert int(number) == face.margins["day"], said


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        (Kind.OUTAGE, 7),
        *(
            pytest.param(*day, marks=pytest.mark.soak)
            for day in ((Kind.SHORTFALL, 3), (Kind.BURST, 5), (Kind.SLOW, 11))
        ),
    ],
)
async def test_no_face_of_an_alert_contradicts_another(kind: Kind, seed: int) -> None:
    """API, status, lead's page, wall, /metrics, Alertmanager and messages tell one story, with the same numbers."""
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)
    start = midnight + timedelta(hours=7.99)
    monitor = Told(start)
    chosen = random.Random(seed)
    stops = sorted(midnight + timedelta(hours=chosen.uniform(8.2, 17.6)) for _ in range(MOMENTS))
    due, left = start + ROUND, list(stops)
    events = simulation.simulate(simulation.Config(date=MONDAY, kind=kind, seed=seed)).events
    for event in [*(event for event in events if event.at >= start), None]:
        moment = midnight + timedelta(hours=18) if event is None else event.at
        while min([due, *left[:1]]) <= moment and due < midnight + timedelta(hours=18):
            now = min([due, *left[:1]])
            monitor.move(now)
            if now == due:
                await monitor.round.evaluate()
                await monitor.dispatcher.work()
                due += ROUND
            if left and now == left[0]:
                left.pop(0)
                await monitor.compare()
        if event is not None:
            monitor.live.apply(event)

    assert not left
    assert monitor.compared or kind is Kind.SLOW
