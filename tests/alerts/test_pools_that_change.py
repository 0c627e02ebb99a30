"""Alerts of queues that join and leave pools while they stand: told once, of whatever queues they are at the time."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from alerts.notification_policy import NotifyReason
from queue_monitor.model import Alert, AlertChange, AlertKind, QueueNow, Snapshot
from tests.alerts.moments import at, queue, risk, snapshot
from tests.alerts.test_dispatch import LEAD, Office, alert_of
from tests.alerts.test_lifecycle import LiveReading

QUEUES = ("a", "b", "c")
Parts = Sequence[str]


def moment(minute: float, *pools: str, bad: str = "ab", waits: str = "") -> Snapshot:
    """Three queues and some pools of them: each is at risk, or has a long wait, that holds one of those in trouble."""
    now = at(minute)

    def made(name: str) -> QueueNow:
        parts = set(name.split(" + "))
        chance = 0.97 if parts & set(bad) else 0.1
        return queue(now, name, risk=risk(chance), waits=(650.0,) if parts & set(waits) else ())

    return snapshot(now, *map(made, QUEUES), pools=tuple(map(made, pools)))


def told(day: LiveReading) -> list[tuple[str, str, float]]:
    """The queue, the change and the minute of each message."""
    sent = [each for each in day.said if NotifyReason(each.notified).notifies]
    return [(each.queue, each.change.value, (each.at - at(0)).total_seconds() / 60) for each in sent]


def lived(*stretches: tuple[int, tuple[str, ...]], bad: str = "ab") -> LiveReading:
    """A day in stretches of some minutes, each with its pools, from the 60th minute on."""
    day, minute = LiveReading(), 60
    for minutes, pools in stretches:
        for _ in range(minutes):
            day.see(moment(minute, *pools, bad=bad))
            minute += 1
    return day


def test_a_queue_that_leaves_a_pool_of_which_people_were_told_is_not_told_anew() -> None:
    """People who know that a and b are at risk need not hear it of b alone a minute later."""
    assert told(lived((5, ("a + b",)), (20, ()))) == [("a + b", "raised", 60)]


def test_what_still_stands_half_an_hour_after_the_pool_was_told_is_told_of_the_queue() -> None:
    """Held back is not forgotten."""
    assert told(lived((5, ("a + b",)), (40, ()))) == [("a + b", "raised", 60), ("b", "updated", 90)]


def test_two_alerts_that_were_told_and_become_one_are_not_told_when_they_part_again() -> None:
    """The pool's alert knows that both queues were told of."""
    day = lived((5, ()), (5, ("a + b",)), (15, ()))

    assert told(day) == [("a", "raised", 60), ("b", "raised", 60)]


def test_a_queue_that_was_never_told_of_is_told_when_it_leaves_a_pool_that_was_told_before_it_joined() -> None:
    """A pool that has grown since has told nothing of its new queue."""
    day = lived((5, ("a + b",)))
    for minute in range(65, 75):
        day.see(moment(minute, "a + b + c" if minute < 70 else "a + b", bad="abc"))

    assert told(day) == [("a + b", "raised", 60), ("c", "raised", 70)]


@pytest.mark.parametrize("minutes", [1, 2, 3, 7])
def test_pools_that_change_all_morning_are_a_message_each_half_hour_at_most(minutes: int) -> None:
    """Agents who log in to other queues every few minutes make no flood of messages."""
    parts = [(minutes, pools) for pools in ((), ("a + b",), ("a + b + c",), ("b + c",))]
    day = lived(*(parts * (180 // (4 * minutes))))

    for name in QUEUES:
        moments = [minute for queues, _, minute in told(day) if name in queues.split(" + ")]
        assert len(moments) <= 7, moments
    assert len(told(day)) <= 12


def test_a_matter_of_another_kind_is_told_of_a_queue_that_has_left_a_pool() -> None:
    """Only the same matter was told."""
    day = lived((5, ("a + b",)))
    for minute in range(65, 70):
        day.see(moment(minute, bad="", waits="b"))

    assert ("b", "raised", 65) in told(day)


def test_a_pool_told_before_the_queue_was_at_risk_says_nothing_for_it_for_ever() -> None:
    """Half an hour is the longest that an earlier message holds another back."""
    day = lived((2, ("a + b",)), (31, ()), bad="a")
    for minute in range(93, 96):
        day.see(moment(minute, bad="ab"))

    assert told(day) == [("a + b", "raised", 60), ("b", "raised", 93)]


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (("a + b",), (), "a"),
        (("a + b + c",), ("a + b",), "a + b"),
        (("a + b + c",), ("b + c",), "b + c"),
        (("a + b",), ("a + b + c",), "a + b + c"),
        (("a + b",), ("b + c",), "a"),
        ((), ("a + b",), "a + b"),
    ],
)
def test_an_alert_goes_with_most_of_its_queues(before: Parts, after: Parts, name: str) -> None:
    """The screens show it where most of its queues are now."""
    day = lived((3, tuple(before)), (1, tuple(after)), bad="a" if not before else "ab")

    assert name in {episode.queue for episode in day.state.open}


def test_an_end_says_the_queues_as_they_are_when_it_ends() -> None:
    """An alert of a pool that has fallen apart ends as that of the queue that has it now."""
    day = lived((3, ("a + b",)), (3, ()), bad="ab")
    for minute in range(66, 90):
        day.see(moment(minute, bad=""))

    over = [each for each in day.said if each.change is AlertChange.CLEARED and each.notified == "over"]
    assert [each.queue for each in over] == ["a"]


async def test_one_who_asks_for_a_queue_alone_hears_of_the_pool_it_is_in_and_of_its_end() -> None:
    """The recipient's choice is of queues, whatever pools they are in at the time."""
    office = Office(recipients=[structs.replace(LEAD, name=name, queues=frozenset({name})) for name in QUEUES])
    pool: dict[str, Any] = {"queue": "a + b", "queues": ("a", "b")}
    await office.tell(**pool)
    office.clock.advance_to(at(90))
    alone: Alert = alert_of(AlertChange.CLEARED, at=office.clock.now(), queue="a", queues=("a",))
    office.dispatcher.plan([alone])
    await office.dispatcher.work()

    assert [(notice.recipient, notice.alert.change.value) for notice in office.sms.sent] == [
        ("a", "raised"),
        ("b", "raised"),
        ("a", "cleared"),
        ("b", "cleared"),
    ]


def test_a_pool_has_the_alert_that_one_of_its_queues_brought() -> None:
    """A queue at risk that joins another brings its alert along."""
    day = lived((3, ()), bad="a")
    day.see(moment(63, "a + b", bad="a"))

    assert [(each.queue, each.kind) for each in day.state.open] == [("a + b", AlertKind.TARGET_AT_RISK)]
