"""Each message is true at the moment when it is sent: an alarm that was held back too, and every end."""

import pytest
from msgspec import structs

from alerts.message import Message
from alerts.notification_policy import NotifyReason
from alerts.people import RetryPolicy
from queue_monitor import texts
from queue_monitor.model import (
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertReason,
    Counts,
    Crisis,
    Snapshot,
    Staff,
    StatusReason,
)
from tests.alerts.messages import alert, of_target
from tests.alerts.moments import at, queue, risk, snapshot
from tests.alerts.test_dispatch import CHIEF, LEAD, Office, alert_of
from tests.alerts.test_lifecycle import LiveReading, Rush, declared, ended

ZONE = "Europe/Stockholm"


def sent(day: LiveReading) -> list[tuple[str, str]]:
    """Why people were sent something, and its first sentence without time and name."""
    told = (each for each in day.said if NotifyReason(each.notified).notifies)
    return [(each.notified, Message(each, ZONE, "sv").title.partition(": ")[2]) for each in told]


def test_a_wait_that_a_surge_covered_is_not_told_after_it_when_the_caller_has_been_answered():
    day = Rush().at(60)
    for minute in range(61, 90):
        day.at(minute, 1.0, waits=(700.0,) if minute < 75 else (20.0,))

    assert [why for why, _ in sent(day)] == ["alarm", "together", "over"]


def test_a_surge_that_sinks_is_not_called_unusual_still():
    day = Rush().at(60)
    for minute in range(61, 72):
        day.at(minute, 1.0, waits=(700.0,))

    assert sent(day)[-1] == ("together", "12 samtal på 15 minuter, färre än nyss.")


def test_a_surge_message_leaves_out_what_has_lessened():
    day = Rush().at(60).at(61, waits=(700.0,)).at(62, waits=(20.0,))
    for minute in range(63, 72):
        day.at(minute, waits=(20.0,), staffed=0 if minute > 66 else 5)

    assert [each.figures.also for each in day.said if each.notified == "together"] == [(AlertKind.NO_AGENTS,)]


def test_that_nobody_is_logged_in_is_not_told_after_a_crisis_when_somebody_is():
    day = declared(LiveReading(), 60)
    for minute in range(60, 64):
        day.see(snapshot(at(minute), waits=(30.0,), staffed=0))
    day.see(snapshot(at(64), staffed=3))
    ended(day).see(snapshot(at(64.5), staffed=3))

    assert [why for why, _ in sent(day)] == ["alarm", "over"]


def test_what_was_told_lately_is_told_again_only_while_it_is_as_bad_as_that():
    day = LiveReading().chances(60, 0.97, *[0.4] * 16, 0.97, *[0.55] * 40)
    assert [why for why, _ in sent(day)] == ["alarm", "eased"]

    day.chances(118, 0.97)
    assert [why for why, _ in sent(day)] == ["alarm", "eased", "worse_again"]


def test_what_a_crisis_held_back_is_not_told_of_a_queue_of_which_nothing_is_heard():
    day = declared(LiveReading(), 60).chances(60, 0.97, 0.97)
    ended(day)
    for minute in (62, 63):
        day.see(snapshot(at(minute), risk=risk(0.97), no_data_reason=StatusReason.SOURCE_DOWN))
    assert [why for why, _ in sent(day)] == ["alarm", "over"]

    day.chances(64, 0.97)
    assert sent(day)[-1][0] == "took_over"


async def test_a_trouble_that_has_lessened_goes_no_further_unless_it_comes_back():
    office = Office(recipients=[LEAD, CHIEF], escalate_to="enhetschef", patience=RetryPolicy())
    await office.tell()
    standing = alert_of(AlertChange.RAISED, at=office.clock.now())
    office.dispatcher.follow([structs.replace(standing, lower=True)])
    await office.wait(20)
    assert office.mail.sent == []

    office.dispatcher.follow([standing])
    await office.wait(1)
    assert [notice.escalation for notice in office.mail.sent] == [True]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (0, "33,3 % av uppringningarna avvisas."),
        (500, "I någon kö avvisas många."),
        (None, "I någon kö avvisas många."),
    ],
)
def test_a_crisis_gives_the_share_refused_of_all_calls_only_where_that_is_too_many(others: int | None, said: str):
    """A crisis says of one queue of several that it refuses many, and gives no share within the limit."""
    figures = AlertFigures(
        refused=10 if others is not None else 0,
        dialled=30 + others if others is not None else 0,
        also=(AlertKind.MANY_REFUSED,),
        crisis=Crisis(since=at(0), reason="strömavbrott"),
    )
    told = alert(AlertKind.CRISIS, AlertChange.UPDATED, AlertReason.DECLARED, figures)

    assert said in Message(told, ZONE, "sv").body.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("reason", ["Strömavbrott", "Strömavbrott.", "Strömavbrott!", "Strömavbrott.. "])
def test_a_reason_that_ends_a_sentence_has_one_full_stop(reason: str):
    """The sentence has its own full stop, whatever the reason ends in."""
    crisis = Crisis(since=at(0), reason=reason, by="Anna B.")
    told = alert(AlertKind.CRISIS, AlertChange.RAISED, AlertReason.DECLARED, AlertFigures(crisis=crisis))
    message = Message(told, ZONE, "sv")

    assert message.title.endswith("kris utlyst: Strömavbrott.")
    assert message.body.startswith("Utlyst av Anna B. ")
    assert texts.alert_message(told) == "Kris, Strömavbrott"


# ---- how something ended


@pytest.mark.parametrize(
    ("staff", "waits", "said"),
    [
        (Staff(known=True, staffed=2), (), "telefonkön är bemannad igen."),
        (Staff(known=True, staffed=0), (), "ingen väntar längre i telefonkön."),
        (Staff(seen=True, staffed=0), (), "ingen väntar längre i telefonkön."),
        (Staff(seen=True, staffed=0, answering=True), (20.0,), "telefonkön är bemannad igen."),
        (Staff(), (20.0,), "det syns inte längre vilka som är inloggade i telefonkön."),
        (Staff(), (), "ingen väntar längre i telefonkön."),
    ],
)
def test_it_is_said_that_somebody_is_logged_in_again_only_when_somebody_is(
    staff: Staff, waits: tuple[float, ...], said: str
):
    day = LiveReading()
    for minute in range(60, 66):
        now = at(minute)
        later = structs.replace(queue(now, waits=waits), staff=staff)
        day.see(snapshot(now, later if minute > 62 else queue(now, waits=(30.0,), staffed=0)))

    assert sent(day)[-1] == ("over", said)


def test_nobody_waits_long_is_not_said_beside_one_who_does_and_may_have_left_unseen():
    def doubted(moment: Snapshot) -> Snapshot:
        (only,) = moment.queues
        its = structs.replace(only, waiting=tuple(structs.replace(line, doubtful=True) for line in only.waiting))
        return structs.replace(moment, queues=(its,), total=structs.replace(its, name="", label=""))

    day = LiveReading().waits(60, 650)
    for minute in range(61, 70):
        day.see(doubted(snapshot(at(minute), waits=(770.0,))))

    last = day.said[-1]
    assert sent(day)[-1] == ("over", "den som har väntat längst kan ha lagt på.")
    assert Message(last, ZONE, "sv").body == "1 väntar, längst 12 min 50 s."


# ---- one and many


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (2, "Dagen tål ca 2 sena eller tappade samtal till (av ca 5)."),
        (1, "Dagen tål ca 1 sent eller tappat samtal till (av ca 5)."),
        (-1, "Redan ca 1 sent eller tappat samtal för mycket (dagen tål ca 5)."),
        (-2, "Redan ca 2 för många sena eller tappade samtal (dagen tål ca 5)."),
        (0, "Dagens marginal är slut: ca 5 sena eller tappade samtal."),
    ],
)
def test_one_late_call_is_told_in_the_singular(left: int, said: str):
    figures = AlertFigures(share=0.84, margin=left, budget=5, risk=risk(0.97, margin_ends_at=None))

    assert said in Message(of_target(AlertChange.RAISED, figures), ZONE, "sv").body


@pytest.mark.parametrize(("number", "said"), [(0, "Ingen är inloggad."), (1, "1 inloggad."), (2, "2 inloggade.")])
def test_one_who_is_logged_in_is_told_in_the_singular(number: int, said: str):
    figures = AlertFigures(waiting=1, oldest_wait_seconds=650.0, staffed=number, limit_seconds=300)
    waited = alert(AlertKind.LONG_WAIT, AlertChange.RAISED, AlertReason.WAITED_TOO_LONG, figures)

    assert Message(waited, ZONE, "sv").body == f"1 väntar. {said}"


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("change", [AlertChange.RAISED, AlertChange.UPDATED, AlertChange.EASED, AlertChange.CLEARED])
@pytest.mark.parametrize("kind", [kind for kind in AlertKind if kind is not AlertKind.SOURCE_SILENT])
def test_callers_whom_the_switch_only_counts_have_no_wait_in_any_message(
    kind: AlertKind, change: AlertChange, language: str
):
    crisis = Crisis(since=at(0), reason="strömavbrott")
    figures = AlertFigures(share=0.84, waiting=4, staffed=0, limit_seconds=300, since=at(1), crisis=crisis)
    reason = AlertReason.REFUSED_WHILE_OPEN if kind is AlertKind.HOURS_DISAGREE else AlertReason.DECLARED
    told = alert(kind, change, reason, figures, period="day")

    assert "–" not in Message(told, ZONE, language).body


def test_of_a_queue_that_has_emptied_no_longest_wait_is_told_beside_the_alert_that_still_stands():
    figures = AlertFigures(waiting=0, staffed=0, limit_seconds=300)
    told = alert(AlertKind.NO_AGENTS, AlertChange.RAISED, AlertReason.NOBODY_STAFFED, figures)

    assert Message(structs.replace(told, lower=True), ZONE, "sv").body == "Ingen väntar."


# ---- exactly at a limit


@pytest.mark.parametrize(("refused", "raised"), [(1, False), (2, True)])
def test_exactly_the_allowed_share_of_refused_is_allowed_by_alerts_as_by_the_status(refused: int, raised: bool):
    day = LiveReading()
    day.see(snapshot(at(60), lately=Counts(answered_in_time=50 - refused, refused_full=refused)))

    assert [each.kind for each in day.said] == [AlertKind.MANY_REFUSED] * raised
