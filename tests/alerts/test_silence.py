"""The alarm about a silent switch names the right switch, and since when it has been silent."""

from datetime import datetime, timedelta

import pytest
from msgspec import structs

from alerts.engine import AlertEngine
from alerts.episodes import State
from alerts.message import Message
from alerts.rules import AlertSettings
from queue_monitor.model import Alert, Crisis, Snapshot, SourceNow, StatusReason
from tests.alerts.moments import OPENS, at, snapshot
from tests.alerts.test_lifecycle import LiveReading

DAY = 24 * 60
A = structs.replace(snapshot(OPENS).sources[0], name="a", switch="A", up=True, since=OPENS, last_event_at=at(30))
B = structs.replace(A, name="b", switch="B", up=False, since=at(59))


def beside(moment: Snapshot, *sources: SourceNow) -> Snapshot:
    return structs.replace(moment, sources=sources)


def told(alert: Alert, language: str = "sv", now: datetime | None = None) -> str:
    return Message(alert, "Europe/Stockholm", language, now).title.partition(": ")[2]


def silent(start: float, reason: StatusReason, *sources: SourceNow) -> Alert:
    day = LiveReading()
    for minute in range(4):
        day.see(beside(snapshot(at(start + minute), no_data_reason=reason), *sources))
    (alert,) = day.said
    return alert


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            (A, B),
            "ingen kontakt med växeln B sedan kl. 8.59.",
        ),
        (
            (
                B,
                structs.replace(A, up=False, since=at(58)),
            ),
            "ingen kontakt med växeln A sedan kl. 8.58.",
        ),
        (
            (
                structs.replace(A, name="a2", up=False, since=at(20)),
                A,
                B,
            ),
            "ingen kontakt med växeln B sedan kl. 8.59.",
        ),
    ],
    ids=["one of two", "both", "one whose other source is heard"],
)
def test_the_switch_that_is_away_is_named_and_not_one_that_is_only_quiet(sources: tuple[SourceNow, ...], said: str):
    assert told(silent(60, StatusReason.SOURCE_DOWN, *sources)) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("sv", "växeln A har inte hörts av sedan måndag 23 november kl. 16.30."),
        ("en", "the switch A has not been heard since Monday 23 November, 16:30."),
    ],
)
def test_a_switch_silent_since_another_day_is_told_with_the_day(language: str, said: str):
    alert = silent(DAY, StatusReason.SOURCE_SILENT, structs.replace(A, last_event_at=at(8.5 * 60)))

    assert told(alert, language) == said


def test_the_end_of_a_crisis_has_the_numbers_of_its_moment():
    engine = AlertEngine(AlertSettings(), "sv")
    engine.resume(State(crisis=Crisis(since=at(60), reason="strömavbrott")))
    engine.evaluate(snapshot(at(60), waits=(40.0, 30.0)))
    engine.resume(structs.replace(engine.state, crisis=None))

    (over,) = engine.evaluate(snapshot(at(60.4), staffed=7))
    assert (over.title.partition(": ")[2], over.text) == ("krisen är avslutad.", "Ingen väntar. 7 inloggade.")


def test_a_crisis_with_a_switch_silent_since_another_day_says_the_day():
    moment = snapshot(at(DAY + 60), no_data_reason=StatusReason.SOURCE_SILENT)
    day = LiveReading()
    day.state = structs.replace(day.state, crisis=Crisis(since=moment.at - timedelta(seconds=1), reason="strömavbrott"))
    day.see(moment)

    crisis = next(alert for alert in day.said if alert.kind.value == "crisis")
    words = Message(crisis, "Europe/Stockholm", "sv").body
    assert "Växeln har inte hörts av sedan måndag 23 november kl. 8.41." in words
