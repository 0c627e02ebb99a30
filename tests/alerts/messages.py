"""Every message that a person can get, as docs/messages.md shows them: `python -m tests.alerts.messages` prints it."""

from collections.abc import Iterator
from datetime import timedelta

from msgspec import structs

from alerts.message import Message
from alerts.sent import dated, lines
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    Crisis,
    MonthStanding,
    Notice,
    RiskCause,
)
from tests.alerts.moments import at, risk

ZONE = "Europe/Stockholm"
RAISED, UPDATED, EASED, CLEARED = AlertChange
TARGET = AlertFigures(
    share=0.84,
    waiting=7,
    oldest_wait_seconds=280.0,
    staffed=6,
    risk=risk(0.96),
    margin=14,
    budget=46,
    month_share=0.924,
    month=MonthStanding.HOLDS,
)
LONG = AlertFigures(waiting=7, oldest_wait_seconds=312.0, staffed=6, limit_seconds=300)
AWAY = AlertFigures(since=at(122), switch="luleå")
REFUSED = AlertFigures(waiting=3, oldest_wait_seconds=45.0, refused=14, dialled=88)
SURGE = AlertFigures(waiting=21, oldest_wait_seconds=250.0, staffed=6, arrived=61, factor=3.4)
OVER = AlertFigures(waiting=2, oldest_wait_seconds=25.0, staffed=8, limit_seconds=300)
QUIET = AlertFigures(staffed=8, limit_seconds=300)


def alert(
    kind: AlertKind,
    change: AlertChange,
    reason: AlertReason,
    figures: AlertFigures,
    *,
    minutes: float = 132,
    level: AlertLevel = AlertLevel.ALARM,
    period: str = "now",
) -> Alert:
    return Alert(
        episode="e1",
        at=at(minutes),
        queue="kundcenter",
        label="Kundcenter",
        kind=kind,
        period=period,
        level=level,
        change=change,
        reason=reason,
        figures=figures,
    )


def of_target(change: AlertChange, figures: AlertFigures = TARGET, minutes: float = 132, **more: object) -> Alert:
    made = alert(
        AlertKind.TARGET_AT_RISK, change, AlertReason.CHANCE_OF_MISSING, figures, minutes=minutes, period="day"
    )
    return structs.replace(made, **more)


def every() -> Iterator[tuple[str, Alert]]:
    """When it is said, and the alert."""
    lost = structs.replace(
        TARGET, share=0.79, margin=-12, risk=risk(0.99, expected_share=0.861, agents_for_day=None, reachable=False)
    )
    saved = structs.replace(TARGET, share=0.906, risk=risk(0.12, expected_share=0.92, low=0.903, high=0.941), waiting=0)
    none_left = structs.replace(TARGET, margin=0, month_share=0.902, month=MonthStanding.TIGHT)
    over = structs.replace(TARGET, margin=-15, month_share=0.891, month=MonthStanding.AT_RISK)
    month = structs.replace(TARGET, share=0.897, risk=risk(0.74, expected_share=0.894), margin=31, budget=870)
    ended = structs.replace(TARGET, share=0.863, month_share=0.921, risk=None, month=None)
    yield "the day is at risk (screens only)", of_target(RAISED, level=AlertLevel.WARNING)
    yield "the day is at great risk", of_target(RAISED)
    yield "the same, nothing more may go wrong", of_target(RAISED, none_left)
    yield "the same, too much has gone wrong already", of_target(RAISED, over)
    lost_month = structs.replace(over, month=MonthStanding.LOST)
    yield "the same, and the month can no longer be reached", of_target(RAISED, lost_month)
    for cause in RiskCause:
        why = structs.replace(TARGET, risk=risk(0.96, cause=cause))
        yield f"the same, and it mostly comes from {cause.value.replace('_', ' ')}", of_target(RAISED, why)
    uncertain = structs.replace(TARGET, risk=risk(0.98, agents_for_day=None, until=None, agents_at_most=4))
    yield "the same, and all who could help may not be enough", of_target(RAISED, uncertain)
    yield "it has eased", of_target(EASED, minutes=175)
    yield "the risk is over", of_target(CLEARED, saved, 220, reason=AlertReason.AS_USUAL)
    refused = structs.replace(saved, too_many_refused=0.053, month=MonthStanding.AT_RISK)
    yield "the same, but many were refused", of_target(CLEARED, refused, 220, reason=AlertReason.AS_USUAL)
    yield (
        "the day cannot be saved",
        of_target(UPDATED, lost, 390, kind=AlertKind.TARGET_OUT_OF_REACH, reason=AlertReason.CANNOT_BE_REACHED),
    )
    yield "the day is over, and people had been told", of_target(CLEARED, ended, 540, reason=AlertReason.DAY_ENDED)
    many = structs.replace(ended, share=0.934, too_many_refused=0.053)
    yield "the same, and many were refused", of_target(CLEARED, many, 540, reason=AlertReason.DAY_ENDED)
    yield "the month is at risk", of_target(RAISED, month, period="month")
    gone = structs.replace(month, margin=-40, risk=risk(1.0, expected_share=0.872, reachable=False))
    yield (
        "the month cannot be saved",
        of_target(
            UPDATED,
            gone,
            period="month",
            kind=AlertKind.TARGET_OUT_OF_REACH,
            reason=AlertReason.CANNOT_BE_REACHED,
        ),
    )
    safe = structs.replace(month, share=0.904, risk=risk(0.11, expected_share=0.906))
    yield (
        "the month is over, and people had been told",
        of_target(CLEARED, structs.replace(ended, share=0.894), 540, period="month", reason=AlertReason.DAY_ENDED),
    )
    yield "the month is safe again", of_target(CLEARED, safe, period="month", reason=AlertReason.AS_USUAL)
    turned_away = structs.replace(safe, too_many_refused=0.053)
    yield (
        "the same, but many were refused",
        of_target(CLEARED, turned_away, period="month", reason=AlertReason.AS_USUAL),
    )
    waited, usual = AlertReason.WAITED_TOO_LONG, AlertReason.AS_USUAL
    yield (
        "somebody has waited long (screens only)",
        alert(AlertKind.LONG_WAIT, RAISED, waited, LONG, level=AlertLevel.WARNING),
    )
    longer = structs.replace(LONG, oldest_wait_seconds=615.0, risk=risk(0.99))
    yield "somebody has waited very long", alert(AlertKind.LONG_WAIT, UPDATED, waited, longer)
    yield "it has eased", alert(AlertKind.LONG_WAIT, EASED, waited, LONG, minutes=140)
    yield "nobody waits long any more", alert(AlertKind.LONG_WAIT, CLEARED, usual, OVER, minutes=150)
    doubted = structs.replace(OVER, waiting=1, oldest_wait_seconds=770.0)
    yield "nobody is sure to", alert(AlertKind.LONG_WAIT, CLEARED, usual, doubted, minutes=150)
    yield (
        "the queue is watched no more",
        alert(AlertKind.LONG_WAIT, CLEARED, AlertReason.NOT_WATCHED, LONG, minutes=150),
    )
    yield "the line to the switch is broken", alert(AlertKind.SOURCE_SILENT, RAISED, AlertReason.SOURCE_DOWN, AWAY)
    yield "the switch says nothing", alert(AlertKind.SOURCE_SILENT, RAISED, AlertReason.SOURCE_SILENT, AWAY)
    yield (
        "there is no switch",
        alert(AlertKind.SOURCE_SILENT, RAISED, AlertReason.NO_SOURCE, structs.replace(AWAY, since=None, switch="")),
    )
    yield "the switch is back", alert(AlertKind.SOURCE_SILENT, CLEARED, usual, AWAY, minutes=140)
    nobody = structs.replace(LONG, staffed=0, waiting=4, oldest_wait_seconds=75.0)
    yield "callers wait and nobody is there", alert(AlertKind.NO_AGENTS, RAISED, AlertReason.NOBODY_STAFFED, nobody)
    unseen = structs.replace(nobody, at_least_staffed=True)
    yield "only a log tells who is there", alert(AlertKind.NO_AGENTS, RAISED, AlertReason.NOBODY_STAFFED, unseen)
    yield "somebody is there again", alert(AlertKind.NO_AGENTS, CLEARED, usual, OVER, minutes=140)
    gone = structs.replace(QUIET, staffed=0)
    yield "the callers have gone, and nobody is there", alert(AlertKind.NO_AGENTS, CLEARED, usual, gone, minutes=140)
    hidden = structs.replace(OVER, staffed=None)
    yield "the switch no longer tells who is there", alert(AlertKind.NO_AGENTS, CLEARED, usual, hidden, minutes=140)
    yield "many are turned away", alert(AlertKind.MANY_REFUSED, RAISED, AlertReason.TURNED_AWAY, REFUSED)
    yield "fewer are", alert(AlertKind.MANY_REFUSED, EASED, AlertReason.TURNED_AWAY, REFUSED, minutes=150)
    yield "hardly anyone is", alert(AlertKind.MANY_REFUSED, CLEARED, usual, QUIET, minutes=170)
    yield "unusually many call", alert(AlertKind.SURGE, RAISED, AlertReason.MANY_AT_ONCE, SURGE)
    together = structs.replace(SURGE, also=(AlertKind.TARGET_AT_RISK, AlertKind.MANY_REFUSED), refused=31, dialled=140)
    yield (
        "what else goes wrong in a surge is told together",
        alert(AlertKind.SURGE, UPDATED, AlertReason.MANY_AT_ONCE, together, minutes=145),
    )
    lost = structs.replace(SURGE, also=(AlertKind.TARGET_OUT_OF_REACH, AlertKind.LONG_WAIT), oldest_wait_seconds=1110)
    yield (
        "the same, the day is lost",
        alert(AlertKind.SURGE, UPDATED, AlertReason.MANY_AT_ONCE, lost, minutes=155),
    )
    sinking = alert(
        AlertKind.SURGE,
        UPDATED,
        AlertReason.MANY_AT_ONCE,
        structs.replace(together, arrived=28, also=(AlertKind.LONG_WAIT,)),
        minutes=158,
    )
    yield "the same, and the surge sinks", structs.replace(sinking, lower=True)
    yield "fewer do", alert(AlertKind.SURGE, EASED, AlertReason.MANY_AT_ONCE, SURGE, minutes=160)
    yield "no longer", alert(AlertKind.SURGE, CLEARED, usual, QUIET, minutes=190)
    crisis = structs.replace(SURGE, crisis=Crisis(since=at(132), reason="vattenläcka på Porsön", by="Anna Berg"))
    yield "somebody declares a crisis", alert(AlertKind.CRISIS, RAISED, AlertReason.DECLARED, crisis)
    yield (
        "the same, and the switch says nothing",
        alert(AlertKind.CRISIS, RAISED, AlertReason.DECLARED, structs.replace(crisis, since=at(122))),
    )
    worse = structs.replace(crisis, also=together.also, refused=31, dialled=140)
    yield (
        "what goes wrong in a crisis is told together",
        alert(AlertKind.CRISIS, UPDATED, AlertReason.DECLARED, worse, minutes=145),
    )
    somewhere = structs.replace(worse, refused=3, dialled=400)
    yield (
        "the same, and one queue of several refuses many",
        alert(AlertKind.CRISIS, UPDATED, AlertReason.DECLARED, somewhere, minutes=145),
    )
    yield "the crisis is over", alert(AlertKind.CRISIS, CLEARED, usual, QUIET, minutes=250)
    for doubt in (AlertReason.REFUSED_WHILE_OPEN, AlertReason.ANSWERED_WHILE_CLOSED):
        wrong = alert(
            AlertKind.HOURS_DISAGREE,
            RAISED,
            doubt,
            AlertFigures(arrived=5, since=at(245)),
            minutes=260,
            level=AlertLevel.WARNING,
            period="day",
        )
        yield "switch and calendar disagree (screens only)", wrong
    skipped = AlertFigures(arrived=1, since=at(120))
    yield (
        "the program has a fault, and an event is skipped (for the technician)",
        alert(AlertKind.EVENT_SKIPPED, RAISED, AlertReason.CODE_RAISED, skipped, minutes=121, period="day"),
    )
    alive = alert(AlertKind.HEARTBEAT, UPDATED, AlertReason.ALIVE, AlertFigures(), minutes=-15, period="day")
    yield "a sign of life, to those who ask for it", alive
    lost_way = AlertFigures(channel="sms")
    lost_beat = alert(AlertKind.HEARTBEAT, RAISED, AlertReason.NOT_DELIVERED, lost_way, minutes=-12, period="day")
    yield "the sign of life did not get through (to everybody)", lost_beat
    tried = alert(AlertKind.HEARTBEAT, UPDATED, AlertReason.TEST, AlertFigures(), minutes=-10, period="day")
    yield "a test, by `queue-monitor test-alarm`", tried


def sent(language: str) -> tuple[str, str]:
    """A message as it leaves, escalated and with its link."""
    alarm = of_target(RAISED)
    message = Message(alarm, ZONE, language)
    notice = Notice(
        id="n1",
        alert=structs.replace(alarm, title=message.title, text=message.body),
        recipient="enhetschef",
        channel="mejl",
        made_at=at(147),
        due_at=at(147),
        expires_at=at(147) + timedelta(minutes=30),
        escalation=True,
        link="https://monitor.example/alerts/1f0c9a",
    )
    return lines(notice, ZONE, language)


def sent_the_morning_after(language: str) -> str:
    """The first sentence of a message that quiet hours held back until the next morning."""
    figures = structs.replace(SURGE, crisis=Crisis(since=at(660), reason="vattenläcka på Porsön", by="Anna Berg"))
    evening = alert(AlertKind.CRISIS, RAISED, AlertReason.DECLARED, figures, minutes=660)
    evening = structs.replace(evening, title=Message(evening, ZONE, language).title)
    return dated(evening, at(24 * 60), ZONE, language)


def document() -> str:
    """docs/messages.md."""
    parts = [
        "# Every message",
        "Made by the tests (`make messages`) and held against the code by them.",
        "The first sentence is the subject of a mail and the title of a notice; the rest follows. A warning is never "
        "sent. Nobody is told that something is over who was not told of it. The queue's name is the label in the "
        "settings. No message holds a caller's number or an agent's name.",
    ]
    for language, heading in (("sv", "På svenska"), ("en", "In English")):
        parts.append(f"## {heading}")
        for when, each in every():
            message = Message(each, ZONE, language)
            parts.append(f"*{each.kind.value}: {when}*\n\n> **{message.title}** {message.body}".rstrip())
        title, body = sent(language)
        quoted = body.replace("\n", "\n> ").replace("> \n", ">\n")
        parts.append(f"*as it is sent when nobody has acknowledged*\n\n> **{title}**\n>\n> {quoted}")
        parts.append(f"*as it is sent when quiet hours are over*\n\n> **{sent_the_morning_after(language)}** …")
    return "\n\n".join(parts).replace("\N{NO-BREAK SPACE}", " ") + "\n"


if __name__ == "__main__":
    print(document(), end="")
