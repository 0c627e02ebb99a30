"""The record of an alert is headed by how bad it became, and its lines say what each change was."""

import pytest
from msgspec import structs

from queue_monitor import texts
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, Counts, RecordedAlert
from tests.alerts.moments import at, risk, snapshot
from tests.alerts.test_lifecycle import LiveReading, Rush, declared
from tests.api import sample
from tests.api.test_lead import Desk


def recorded(day: LiveReading, kind: AlertKind | None = None) -> RecordedAlert:
    """The record of a day's only alert, or of its alerts of one kind."""
    return RecordedAlert(episode="e1", changes=tuple(each for each in day.said if kind in (None, each.kind)))


def long_wait(*seconds: float) -> LiveReading:
    return LiveReading().waits(60, *seconds)


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (LiveReading().chances(60, 0.66), "Risk att dagsmålet missas"),
        (LiveReading().chances(60, 0.66, 0.9), "Stor risk att dagsmålet missas"),
        (LiveReading().chances(60, 0.66, 0.9, *[0.1] * 16), "Stor risk att dagsmålet missas"),
        (LiveReading().chances(60, 0.9, *[0.5] * 16), "Stor risk att dagsmålet missas"),
        (LiveReading().chances(60, 0.9).chances(61, *[0.99] * 6, reachable=False), "Dagsmålet nås troligen inte"),
        (
            LiveReading().chances(60, 0.9).chances(61, *[0.99] * 6, reachable=False).chances(67, *[0.1] * 20),
            "Dagsmålet nås troligen inte",
        ),
        (long_wait(650, *[400] * 8), "Någon har väntat mer än 5\N{NO-BREAK SPACE}min"),
        (long_wait(320, 20, 20, 20, 20, 20, 20, 20), "Någon har väntat mer än 5\N{NO-BREAK SPACE}min"),
    ],
    ids=["warning", "alarm", "alarm over", "alarm eased", "lost", "lost and saved", "wait eased", "wait over"],
)
def test_a_record_is_headed_by_how_bad_it_became(day: LiveReading, words: str) -> None:
    """An alarm that is over is not headed by the warning it began as, nor by the words of its easing."""
    changes = recorded(day).changes
    found = RecordedAlert(episode="e1", changes=tuple(each for each in changes if each.kind is not AlertKind.SURGE))

    assert texts.alert_message(found.worst) == words


def test_the_record_of_a_surge_is_not_headed_by_its_sinking() -> None:
    """A gathered message while fewer call is not what the surge was."""
    day = Rush().at(60)
    for minute in range(61, 72):
        day.at(minute, 1.0, waits=(700.0,))

    found = recorded(day, AlertKind.SURGE)
    assert [each.lower for each in found.changes] == [False, True]
    assert texts.alert_message(found.worst) == "Ovanligt många ringer"


def test_a_record_of_an_end_alone_has_words_too() -> None:
    """The record of a day may hold no more than the end of an alert of yesterday's."""
    over = structs.replace(sample.alert(AlertKind.LONG_WAIT), change=AlertChange.CLEARED)

    assert RecordedAlert(episode="e1", changes=(over,)).worst is over


async def lines(*changes: Alert) -> str:
    shown = sample.lead()
    moved = tuple(structs.replace(change, at=shown.at) for change in changes)
    return await Desk(shown, record=[RecordedAlert(episode="e1", changes=moved)]).page()


async def test_the_lead_reads_news_where_a_surge_gathers_other_trouble_and_worse_where_it_grew() -> None:
    """An update that was held back, or gathers other trouble, is not said to have grown worse."""
    began = sample.alert(AlertKind.SURGE)
    updated = structs.replace(began, change=AlertChange.UPDATED)
    page = await lines(
        began,
        structs.replace(updated, notified="together"),
        structs.replace(updated, notified="took_over"),
        structs.replace(updated, notified="worse_again", lower=True),
    )
    worse = await lines(began, structs.replace(updated, notified="worse_again"))

    assert page.count("Nytt läge") == 3
    assert "Förvärrades" not in page
    assert "Förvärrades" in worse


def test_in_a_crisis_no_change_is_worse_by_being_gathered() -> None:
    """The updates of a crisis gather trouble, and are all told as news."""
    day = declared(LiveReading(), 60)
    for minute in range(60, 90):
        refused = 10 if minute > 75 else 0
        day.see(snapshot(at(minute), risk=risk(0.97), lately=Counts(answered_in_time=20, refused_full=refused)))

    updates = [each for each in day.said if each.kind is AlertKind.CRISIS and each.change is AlertChange.UPDATED]
    assert {each.notified for each in updates} == {"together"}
    assert {each.level for each in updates} == {AlertLevel.ALARM}
