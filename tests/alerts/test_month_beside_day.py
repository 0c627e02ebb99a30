"""A message about the day says of the month what the month's own status and alert say."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from alerts.engine import AlertEngine
from alerts.message import Message
from alerts.rules import AlertSettings
from queue_monitor import texts
from queue_monitor.app.alerting import published
from queue_monitor.model import (
    Alert,
    AlertKind,
    AlertsNow,
    Counts,
    Coverage,
    MonthStanding,
    QueueNow,
    RiskFigures,
    Snapshot,
    Status,
    StatusReason,
)
from tests.alerts.messages import RAISED, TARGET, ZONE, of_target
from tests.alerts.moments import at, queue, risk, snapshot

SETTINGS = AlertSettings()
ALLOWED = {
    MonthStanding.HOLDS: {Status.OK},
    MonthStanding.TIGHT: {Status.AT_RISK},
    MonthStanding.AT_RISK: {Status.AT_RISK},
    MonthStanding.LOST: {Status.OUT_OF_REACH},
    None: {Status.TOO_EARLY},
}
"""The statuses of a month beside which each of its words may stand."""


def foretold(chance: float, *, may_be_lost: bool = False) -> RiskFigures:
    """A forecast whose expected share and chance agree."""
    share = 0.9 + (0.5 - chance) * 0.1
    return risk(chance, reachable=not (may_be_lost and chance > 0.9), expected_share=share)


def course(seed: int) -> Iterator[Snapshot]:
    """Two hours of a day and its month that turn now and then."""
    made = random.Random(seed)
    day, month = made.random(), made.random()
    may_be_lost = made.random() < 0.5
    for minute in range(30, 150, 2):
        if made.random() < 0.15:
            day, month = made.random(), made.random()
        face = queue(
            at(minute),
            risk=foretold(day, may_be_lost=may_be_lost),
            month_risk=foretold(month, may_be_lost=may_be_lost),
            in_time=made.choice([14, 168, 190]),
            late=made.choice([5, 32]),
        )
        yield snapshot(at(minute), in_its_month(face, refused=made.choice([0, 0, 9]), seen=made.choice([9, 600, 600])))


def in_its_month(face: QueueNow, *, refused: int = 0, seen: int = 600) -> QueueNow:
    """The same queue in a month of which the minutes before were not seen, or in which some were refused."""
    month = face.periods["month"]
    counts = structs.replace(month.counts, refused_full=refused)
    coverage = Coverage(seen_minutes=seen, blind_minutes=60)
    month = structs.replace(
        month, counts=counts, refused_ratio=refused / counts.dialled if refused else None, coverage=coverage
    )
    return structs.replace(face, periods=face.periods | {"month": month})


def said(moments: Iterator[Snapshot]) -> Iterator[tuple[Alert, Snapshot]]:
    """Each change and each alert that stands, about the day, beside the snapshot as every page shows it."""
    engine = AlertEngine(SETTINGS, "sv")
    for moment in moments:
        changed = engine.evaluate(moment)
        shown = published(moment, AlertsNow(open=engine.open(moment)), SETTINGS, engine)
        for alert in (*changed, *shown.alerts.open):
            if alert.period == "day":
                yield alert, shown


@pytest.mark.parametrize("seed", range(30))
def test_no_message_about_a_day_speaks_against_the_status_of_its_month(seed: int) -> None:
    """A month whose alarm stands is not said to bear the day, nor one that is lost to be only in danger."""
    for alert, shown in said(course(seed)):
        verdict = shown.total.verdicts["month"]
        assert verdict.status in ALLOWED[alert.figures.month], (alert.at, alert.text, verdict)


def of_the_month(face: QueueNow) -> MonthStanding | None:
    """The words about the month in a message that this queue's day is at risk."""
    (day,) = AlertEngine(SETTINGS, "sv").evaluate(snapshot(at(60), face))
    assert (day.kind, day.period) == (AlertKind.TARGET_AT_RISK, "day")
    return day.figures.month


def a_bad_day(**more: Any) -> QueueNow:
    return queue(at(60), risk=foretold(0.9), month_risk=foretold(0.1), **more)


def test_a_month_that_has_had_too_few_calls_is_not_said_to_hold() -> None:
    """On the first of a month a message gives its share alone, as its status says that it is too early."""
    month = structs.replace(a_bad_day().periods["month"], counts=Counts(answered_in_time=12, answered_late=2))
    new = structs.replace(a_bad_day(), periods=a_bad_day().periods | {"month": month})

    assert of_the_month(a_bad_day()) is MonthStanding.HOLDS
    assert of_the_month(new) is None


@pytest.mark.parametrize(("refused", "standing"), [(4, MonthStanding.HOLDS), (5, MonthStanding.AT_RISK)])
def test_a_month_in_which_too_many_were_refused_does_not_bear_the_day(refused: int, standing: MonthStanding) -> None:
    """A month of which 2 % were refused is within its target, one of which more were is not."""
    assert of_the_month(in_its_month(a_bad_day(in_time=164), refused=refused)) is standing


@pytest.mark.parametrize(
    ("standing", "sv", "en"),
    [
        (MonthStanding.HOLDS, "Månaden: 92,4 %, tål dagen.", "The month: 92.4%, can bear the day."),
        (MonthStanding.TIGHT, "Månaden: 92,4 %, på gränsen.", "The month: 92.4%, may go either way."),
        (
            MonthStanding.LOST,
            "Månaden: 92,4 %, månadsmålet nås troligen inte.",
            "The month: 92.4%, its target will probably not be reached.",
        ),
    ],
)
def test_each_standing_of_a_month_has_its_words(standing: MonthStanding, sv: str, en: str) -> None:
    """The words of a lost month are those of its own alert."""
    for language, words in (("sv", sv), ("en", en)):
        message = Message(of_target(RAISED, structs.replace(TARGET, month=standing)), ZONE, language)
        assert message.body.replace("\N{NO-BREAK SPACE}", " ").endswith(words)
    assert set(texts.LANGUAGES) == {"sv", "en"}


def test_the_statuses_of_a_month_are_all_met_in_these_courses() -> None:
    """The courses above are no proof if they meet only one kind of month."""
    met = {(shown.total.verdicts["month"].status) for seed in range(30) for _, shown in said(course(seed))}

    assert met >= {Status.OK, Status.AT_RISK, Status.OUT_OF_REACH}
    reasons = {shown.total.verdicts["month"].reason for seed in range(30) for _, shown in said(course(seed))}
    assert StatusReason.ALERT_STANDS in reasons
