"""An alert of a queue that is no longer watched ends, and says why."""

from collections.abc import Iterable

import pytest

from alerts.message import Message
from alerts.notification_policy import KNOWN_FOR
from queue_monitor.model import Alert, AlertChange, AlertReason, Snapshot, StatusReason
from tests.alerts.messages import ZONE
from tests.alerts.moments import at, queue, risk, snapshot
from tests.alerts.test_lifecycle import LiveReading

LEAVES = 70
PATIENCE = int(KNOWN_FOR.total_seconds() / 60)


def moment(minute: float, *names: str) -> Snapshot:
    """Queues in which a caller has waited too long."""
    return snapshot(at(minute), *(queue(at(minute), name, risk=risk(0.1), waits=(650.0,)) for name in names))


def seen(moments: Iterable[Snapshot]) -> LiveReading:
    day = LiveReading()
    for each in moments:
        day.see(each)
    return day


def lived(until: int) -> LiveReading:
    """A morning with two queues, of which one is watched no more from some minute on."""
    return seen(moment(minute, "a", "b") if minute < LEAVES else moment(minute, "a") for minute in range(60, until))


def ends(day: LiveReading) -> list[Alert]:
    return [each for each in day.said if each.change is AlertChange.CLEARED]


def test_an_alert_of_a_queue_that_is_no_longer_watched_ends_after_some_minutes() -> None:
    """A start of the monitor, during which a queue is not known yet, is over by then."""
    (over,) = ends(lived(LEAVES + PATIENCE + 1))

    assert ends(lived(LEAVES + PATIENCE)) == []
    assert (over.queue, over.reason, over.notified) == ("b", AlertReason.NOT_WATCHED, "over")
    assert [each.queue for each in lived(LEAVES + PATIENCE + 1).state.open] == ["a"]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("sv", "Kl. 9.15 – B: kön övervakas inte längre, så larmet är avslutat."),
        ("en", "9:15 – B: the queue is no longer watched, so the alarm has ended."),
    ],
)
def test_the_message_says_why_it_has_ended(language: str, words: str) -> None:
    """Nobody knows how the callers fared, so nothing is said of them."""
    (over,) = ends(lived(LEAVES + PATIENCE + 1))
    message = Message(over, ZONE, language)

    assert (message.title.replace("\N{NO-BREAK SPACE}", " "), message.body) == (words, "")


def test_a_queue_that_comes_back_within_minutes_keeps_its_alert() -> None:
    """A list that was not whole once ends nothing."""
    away = range(LEAVES, LEAVES + PATIENCE)
    day = seen(moment(minute, "a") if minute in away else moment(minute, "a", "b") for minute in range(60, 90))

    assert ends(day) == []
    assert [each.queue for each in day.state.open] == ["a", "b"]


def test_nobody_hears_that_a_queue_is_no_longer_watched_of_which_nobody_was_told() -> None:
    """A warning was on the screens alone."""
    day = LiveReading()
    for minute in range(60, 80):
        waits = {"a": 10.0, "b": 400.0}
        names = waits if minute < LEAVES else ("a",)
        day.see(snapshot(at(minute), *(queue(at(minute), name, waits=(waits[name],)) for name in names)))

    assert [(each.queue, each.notified) for each in ends(day)] == [("b", "never_told")]


def test_a_queue_that_stays_on_the_walls_for_the_day_keeps_no_alert() -> None:
    """Its calls are in the totals until the day ends; nobody can say any more how it stands."""
    stays = StatusReason.NOT_WATCHED
    day = lived(LEAVES)
    for minute in range(LEAVES, LEAVES + PATIENCE + 1):
        left = queue(at(minute), "b", risk=risk(0.1), waits=(650.0,), no_data_reason=stays)
        day.see(snapshot(at(minute), queue(at(minute), "a", risk=risk(0.1), waits=(650.0,)), left))

    assert [(each.queue, each.reason) for each in ends(day)] == [("b", AlertReason.NOT_WATCHED)]
    assert [each.queue for each in day.state.open] == ["a"]
