"""The words of an alert that stands agree with the figures beside them, also when the trouble has lessened."""

from itertools import product

import pytest
from msgspec import structs

from alerts.engine import AlertEngine
from alerts.message import Message
from alerts.rules import AlertSettings
from queue_monitor import texts
from queue_monitor.core.assessment import decided
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    Crisis,
    HoursDoubt,
    Snapshot,
    StatusReason,
)
from tests.alerts.moments import at, risk, snapshot

USUAL = {AlertReason.AS_USUAL, AlertReason.DAY_ENDED, AlertReason.JOINED, AlertReason.ITS_DAY_HAS_PASSED}


def reasons(kind: AlertKind) -> list[AlertReason]:
    """The reasons that an alert of this kind may have."""
    if kind is AlertKind.HOURS_DISAGREE:
        return [AlertReason(doubt.value) for doubt in HoursDoubt] + [*USUAL]
    if kind is AlertKind.SOURCE_SILENT:
        return [AlertReason.SOURCE_DOWN, AlertReason.SOURCE_SILENT, AlertReason.NO_SOURCE, *USUAL]
    return [*AlertReason]


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_can_be_said(kind: AlertKind, language: str) -> None:
    figures = AlertFigures(crisis=Crisis(since=at(0), reason="strömavbrott"), since=at(1), switch="växel")
    changes = [change for change in AlertChange if (kind, change) != (AlertKind.CRISIS, AlertChange.EASED)]
    for level, change, reason, lower, period in product(
        AlertLevel, changes, reasons(kind), (False, True), ("day", "month")
    ):
        alert = Alert(
            episode="e",
            at=at(5),
            queue="",
            label="Kundcenter",
            kind=kind,
            period=period,
            level=level,
            change=change,
            reason=reason,
            figures=figures,
            lower=lower,
        )
        message = Message(alert, "Europe/Stockholm", language)

        assert texts.alert_words(alert, language).endswith(" – Kundcenter")
        assert message.title.endswith(".")
        assert message.body is not None


class Room:
    """An engine that looks at one moment after another, and what the screens show of it."""

    def __init__(self) -> None:
        self._engine = AlertEngine(AlertSettings(), "sv")
        self.shown: tuple[Alert, ...] = ()

    def see(self, moment: Snapshot) -> Alert | None:
        self._engine.evaluate(moment)
        standing = self._engine.open(moment)
        self.shown = self._engine.in_words(decided(moment, standing), standing)
        return next(iter(self.shown), None)


def test_a_great_risk_is_no_longer_said_when_the_chance_has_fallen() -> None:
    room = Room()

    room.see(snapshot(at(60), risk=risk(0.9)))
    before = room.see(snapshot(at(61), risk=risk(0.9)))
    after = room.see(snapshot(at(62), risk=risk(0.32)))

    assert before is not None
    assert after is not None
    assert texts.alert_message(before) == "Stor risk att dagsmålet missas"
    assert (after.lower, texts.alert_message(after)) == (True, "Risken att dagsmålet missas har minskat")
    assert after.title == "Kl. 9.00 – Kundcenter: risken att dagsmålet missas har minskat."


def test_it_is_not_said_that_nobody_waits_long_while_one_does_who_may_have_left_unseen() -> None:
    room = Room()
    for minute in (60, 61):
        room.see(snapshot(at(minute), waits=(400,)))
    later = snapshot(at(62), waits=(460,))
    (queue,) = later.queues
    doubted = structs.replace(queue, waiting=tuple(structs.replace(line, doubtful=True) for line in queue.waiting))

    after = room.see(structs.replace(later, queues=(doubted,), total=structs.replace(doubted, name="", label="")))

    assert after is not None
    assert texts.alert_message(after) == "Någon har väntat mer än 5\N{NO-BREAK SPACE}min"


def test_nobody_is_logged_in_is_no_longer_said_when_somebody_is() -> None:
    room = Room()
    for minute in (60, 61, 62):
        room.see(snapshot(at(minute), waits=(30,), staffed=0))

    after = room.see(snapshot(at(63), waits=(30,), staffed=3))

    assert after is not None
    assert texts.alert_message(after) == "Nyss väntade någon utan att någon var inloggad"


def test_a_switch_that_falls_silent_again_is_dated_from_its_last_sign_on_every_face() -> None:
    room = Room()
    for minute in (60, 61, 62, 63):
        room.see(snapshot(at(minute), no_data_reason=StatusReason.SOURCE_DOWN))
    again = snapshot(at(66), no_data_reason=StatusReason.SOURCE_DOWN)
    heard_at_65 = tuple(structs.replace(source, since=at(65)) for source in again.sources)

    shown = room.see(structs.replace(again, sources=heard_at_65))

    assert shown is not None
    assert shown.at == at(65)
    assert shown.title == "Kl. 9.05 – Kundcenter: ingen kontakt med växeln växel sedan kl. 9.05."


def test_while_the_last_callers_wait_after_closing_an_alert_tells_the_numbers_shown_beside_it() -> None:
    room = Room()
    room.see(snapshot(at(539), waits=(400.0,), risk=risk(0.9)))
    after = snapshot(at(543), waits=(640.0, 60.0), staffed=1)
    (queue,) = after.queues
    day = queue.periods["day"]
    counts = structs.replace(day.counts, waiting_late=1, waiting_in_time=1)
    queue = structs.replace(queue, periods=queue.periods | {"day": structs.replace(day, counts=counts)})

    room.see(structs.replace(after, queues=(queue,)))
    told = {alert.kind: alert for alert in room.shown}
    waited, at_risk = told[AlertKind.LONG_WAIT], told[AlertKind.TARGET_AT_RISK]

    assert waited.title.endswith("någon har väntat i 10 min 40 s.")
    assert waited.text == "2 väntar. 1 inloggad."
    assert "2 väntar, längst 10 min 40 s." in at_risk.text
    assert "kl. 11.30" not in at_risk.text


SHOWN = (AlertKind.SOURCE_SILENT, AlertKind.TARGET_OUT_OF_REACH, AlertKind.LONG_WAIT)


def test_while_nothing_is_heard_an_alert_keeps_its_words_and_tells_the_numbers_shown_beside_it() -> None:
    lost = risk(0.99, reachable=False)
    room = Room()
    for minute in range(60, 66):
        room.see(snapshot(at(minute), waits=(400,), risk=lost))
    for minute in (90, 91, 92, 93):
        room.see(snapshot(at(minute), waits=(60, 40), risk=lost, no_data_reason=StatusReason.SOURCE_SILENT))

    silent, day, waited = (alert for kind in SHOWN for alert in room.shown if alert.kind is kind)
    assert silent.at == silent.figures.since != at(93)
    assert texts.alert_message(day) == "Dagsmålet nås troligen inte"
    assert texts.alert_message(waited) == "Någon har väntat mer än 5\N{NO-BREAK SPACE}min"
    assert "2 väntar" in waited.text


def test_while_nothing_is_heard_no_alert_says_that_a_risk_has_gone_down() -> None:
    """There is no forecast then, and what it was before says nothing of now."""
    room = Room()
    for minute in range(60, 66):
        room.see(snapshot(at(minute), risk=risk(0.95)))
    room.see(snapshot(at(66), risk=risk(0.3)))
    before = [texts.alert_message(alert) for alert in room.shown]
    room.see(snapshot(at(90), no_data_reason=StatusReason.SOURCE_SILENT))

    (day,) = (alert for alert in room.shown if alert.kind is AlertKind.TARGET_AT_RISK)
    assert before == ["Risken att dagsmålet missas har minskat"]
    assert texts.alert_message(day) == "Stor risk att dagsmålet missas"


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_of_a_switch_that_is_heard_again_no_alert_says_that_the_board_shows_no_data(language: str) -> None:
    figures = AlertFigures(since=at(1), switch="växel")
    silent = Alert(
        episode="e",
        at=at(5),
        queue="",
        label="Kundcenter",
        kind=AlertKind.SOURCE_SILENT,
        period="now",
        level=AlertLevel.ALARM,
        change=AlertChange.RAISED,
        reason=AlertReason.SOURCE_DOWN,
        figures=figures,
    )
    over = structs.replace(silent, lower=True)

    assert Message(silent, "Europe/Stockholm", language).body == texts.say("alert.source.body", language)
    assert Message(over, "Europe/Stockholm", language).body == texts.say("alert.source.back", language)
