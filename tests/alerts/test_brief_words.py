"""The short words of an alert, on walls and pages, say no more than its message and the figures beside them."""

import pytest
from msgspec import structs

from alerts.message import Message
from queue_monitor import texts
from queue_monitor.model import AlertChange, AlertFigures, AlertKind, AlertReason, Counts, Snapshot, Staff, StatusReason
from tests.alerts.messages import AWAY, LONG, RAISED, ZONE, alert
from tests.alerts.moments import at, queue, snapshot
from tests.alerts.test_standing_words import Room

LIMIT = "5\N{NO-BREAK SPACE}min"


def eased(*waits: float, more: StatusReason | None = None) -> Room:
    """A long wait that eased ten minutes ago, and who waits now."""
    room = Room()
    for minute in (60, 61):
        room.see(snapshot(at(minute), waits=(650.0,)))
    for minute in range(62, 72):
        room.see(snapshot(at(minute), waits=(400.0,)))
    room.see(snapshot(at(72), waits=waits, no_data_reason=more))
    return room


@pytest.mark.parametrize(
    ("waits", "sv", "en"),
    [
        ((400.0,), "Den längsta väntan är kortare nu", "The longest wait is shorter now"),
        ((310.0, 20.0), "Den längsta väntan är kortare nu", "The longest wait is shorter now"),
        ((610.0,), f"Någon har väntat mer än {LIMIT}", f"Somebody has waited more than {LIMIT}"),
    ],
)
def test_a_long_wait_that_has_eased_is_not_said_to_be_over_while_somebody_waits_longer(
    waits: tuple[float, ...], sv: str, en: str
) -> None:
    """A wall beside "6:40" does not say that nobody has waited more than five minutes."""
    (shown,) = eased(*waits).shown

    assert texts.alert_message(shown, "sv") == sv
    assert texts.alert_message(shown, "en") == en


def test_a_long_wait_of_which_nothing_more_is_heard_is_not_said_to_be_over() -> None:
    """A queue that has gone blind keeps the words of a wait that still lasted at the last sign."""
    shown = next(one for one in eased(400.0, more=StatusReason.SOURCE_DOWN).shown if one.kind is AlertKind.LONG_WAIT)

    assert texts.alert_message(shown) == "Den längsta väntan är kortare nu"


def seen(minute: float, staff: Staff) -> Snapshot:
    return snapshot(at(minute), structs.replace(queue(at(minute), waits=(30.0,)), staff=staff))


def test_of_people_who_are_only_seen_no_wall_says_that_nobody_is_logged_in() -> None:
    """The wall says of a log without members what the message says: that nobody was seen to answer."""
    room = Room()
    for minute in (60, 61, 62):
        raised = room.see(seen(minute, Staff(seen=True, staffed=0)))
    later = room.see(seen(63, Staff(seen=True, staffed=1)))

    assert raised is not None
    assert later is not None
    assert raised.title.endswith("ingen har synts svara i telefonkön på ett tag och 1 väntar.")
    assert texts.alert_message(raised) == "Ingen har synts svara på ett tag"
    assert texts.alert_message(raised, "en") == "Nobody has been seen to answer for a while"
    assert texts.alert_message(later) == "Nyss väntade någon utan att någon syntes svara"
    assert texts.alert_message(later, "en") == "A moment ago somebody waited and nobody was seen to answer"


@pytest.mark.parametrize(
    ("reason", "sv", "en"),
    [
        (AlertReason.SOURCE_DOWN, "Ingen kontakt med växeln", "No contact with the switch"),
        (AlertReason.SOURCE_SILENT, "Växeln har inte hörts av på ett tag", "The switch has not been heard for a while"),
        (AlertReason.NO_SOURCE, "Ingen växel är ansluten", "No switch is connected"),
    ],
)
def test_a_silent_switch_is_told_on_the_pages_as_in_the_message(reason: AlertReason, sv: str, en: str) -> None:
    """The lead's page does not say of a log that is quiet that there is no contact."""
    told = alert(AlertKind.SOURCE_SILENT, RAISED, reason, AWAY)

    assert texts.alert_message(told, "sv") == sv
    assert texts.alert_message(told, "en") == en
    assert texts.alert_message(structs.replace(told, lower=True)) == "Växeln hörs av igen"


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize(
    "factors",
    [
        (Counts(answered_in_time=20, refused_full=10), Counts(answered_in_time=95, refused_full=5)),
        (Counts(answered_in_time=20, refused_full=10), Counts(answered_in_time=100, refused_full=10)),
    ],
)
def test_fewer_refused_is_said_in_both_when_fewer_are(language: str, factors: tuple[Counts, Counts]) -> None:
    """An eased alert has words that hold in the strip and in the message alike."""
    room = Room()
    room.see(snapshot(at(60), lately=factors[0]))
    for minute in range(61, 90):
        shown = room.see(snapshot(at(minute), lately=factors[1]))

    assert shown is not None
    assert shown.change is AlertChange.EASED
    assert ("fewer" if language == "en" else "färre") in texts.alert_message(shown, language).lower()
    assert ("fewer" if language == "en" else "färre") in Message(shown, ZONE, language).title


def test_a_wait_that_nobody_measured_has_no_eased_words_of_its_own() -> None:
    """An alert as it was raised keeps its words, whatever its figures lack."""
    told = alert(AlertKind.LONG_WAIT, RAISED, AlertReason.WAITED_TOO_LONG, LONG)

    assert texts.alert_message(structs.replace(told, figures=AlertFigures())) == f"Någon har väntat mer än {LIMIT}"


@pytest.mark.parametrize(
    ("kind", "sv", "en"),
    [
        (AlertKind.LONG_WAIT, f"någon har väntat mer än {LIMIT}.", f"somebody has waited more than {LIMIT}."),
        (AlertKind.NO_AGENTS, "ingen är inloggad.", "nobody is logged in."),
    ],
)
def test_of_callers_who_are_no_longer_seen_no_title_gives_a_number(kind: AlertKind, sv: str, en: str) -> None:
    """An alert of a queue that has gone blind says neither a wait of "–" nor that 0 wait."""
    told = alert(kind, RAISED, AlertReason.WAITED_TOO_LONG, AlertFigures(limit_seconds=300, staffed=0))

    assert [Message(told, ZONE, language).title.partition(": ")[2] for language in ("sv", "en")] == [sv, en]
