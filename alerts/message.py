"""What an alert says to a person: a first sentence, and what else helps, in plain words.

Time, queue, which target, what would help (marked as an estimate), number against target, who waits, margin, month.
Never who called.
"""

from datetime import datetime

from queue_monitor import texts
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, AlertReason, Notice


class Message:
    """One alert in one language."""

    def __init__(self, alert: Alert, zone: str, language: str) -> None:
        self._alert = alert
        self._figures = alert.figures
        self._zone = zone
        self._language = language

    @property
    def title(self) -> str:
        return self._say("title", clock=self._clock(self._alert.at), label=self._alert.label, what=self._what())

    @property
    def body(self) -> str:
        return " ".join(filter(None, self._sentences()))

    # ---- the first sentence

    def _what(self) -> str:
        alert = self._alert
        if alert.reason is AlertReason.ITS_DAY_HAS_PASSED:
            return self._say("past")
        if alert.kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH):
            return self._target()
        if alert.reason is AlertReason.DAY_ENDED:
            return self._say("closed")
        if alert.kind is AlertKind.HEARTBEAT:
            return self._say("heartbeat")
        if alert.kind is AlertKind.SOURCE_SILENT:
            return self._source()
        state = {AlertChange.EASED: "eased", AlertChange.CLEARED: "cleared"}.get(alert.change, "raised")
        if alert.kind is AlertKind.NO_AGENTS and state == "eased":
            state = "cleared"
        return self._say(f"{alert.kind.value}.{state}", **self._values())

    def _target(self) -> str:
        alert = self._alert
        if alert.reason is AlertReason.DAY_ENDED:
            share = self._figures.share
            return (
                self._say("target.ended", share=self._share(share))
                if share is not None
                else self._say("target.ended_without")
            )
        if alert.change in (AlertChange.EASED, AlertChange.CLEARED):
            return self._say(f"target.{alert.change.value}")
        goal = self._say(f"goal.{alert.period}")
        if alert.kind is AlertKind.TARGET_OUT_OF_REACH:
            return self._say("target.out_of_reach", goal=goal)
        return self._say("target.alarm" if alert.level is AlertLevel.ALARM else "target.warning", goal=goal)

    def _source(self) -> str:
        alert = self._alert
        if alert.change is AlertChange.CLEARED:
            return self._say("source.cleared")
        reason = alert.reason.value if alert.reason is not AlertReason.AS_USUAL else AlertReason.SOURCE_DOWN.value
        known = reason if self._figures.since else AlertReason.NO_SOURCE.value
        return self._say(known, since=self._clock(self._figures.since))

    def _values(self) -> dict[str, str]:
        figures = self._figures
        refused_limit = texts.plain_percent(figures.target.refused_limit_ratio, self._language)
        on_refusal = self._alert.kind is AlertKind.MANY_REFUSED
        return {
            "wait": texts.wait_in_words(figures.oldest_wait_seconds, self._language),
            "limit": refused_limit if on_refusal else self._minutes(figures.limit_seconds or 0),
            "number": str(figures.waiting),
            "share": self._share((figures.refused or 0) / figures.dialled if figures.dialled else None),
            "arrived": str(figures.arrived or 0),
            "factor": f"{figures.factor or 0:.1f}".replace(".", texts.words(self._language)["decimal"]),
        }

    # ---- the rest

    def _sentences(self) -> list[str]:
        alert = self._alert
        if alert.reason is AlertReason.ITS_DAY_HAS_PASSED:
            return []
        if alert.kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH):
            return self._of_target()
        if alert.kind is AlertKind.HEARTBEAT:
            return [self._say("heartbeat.body")]
        if alert.kind is AlertKind.SOURCE_SILENT:
            return [self._say("source.back" if alert.change is AlertChange.CLEARED else "source.body")]
        if alert.change is AlertChange.CLEARED:
            return [self._waiting()]
        if alert.kind is AlertKind.NO_AGENTS:
            return [self._say("longest", **self._values())]
        if alert.kind is AlertKind.MANY_REFUSED:
            counts = {"refused": self._figures.refused or 0, "dialled": self._figures.dialled or 0}
            return [self._say("many_refused.body", **counts), self._waiting()]
        return [self._waiting(), self._staff()]

    def _of_target(self) -> list[str]:
        alert = self._alert
        month = self._month() if alert.period == "day" else ""
        if alert.reason is AlertReason.DAY_ENDED:
            return [self._promise(), month]
        if alert.change is AlertChange.CLEARED:
            return [self._forecast() or self._so_far()]
        if alert.kind is AlertKind.TARGET_OUT_OF_REACH:
            return [self._forecast(), self._agents_for_queue(), self._so_far(), self._waiting(), month]
        return [self._agents(), self._so_far(), self._waiting(), self._margin(), month]

    def _agents(self) -> str:
        risk = self._figures.risk
        if risk is None or not risk.agents_for_day or self._alert.period == "month":
            return ""
        number = self._number(risk.agents_for_day)
        if risk.until is None:
            return self._say("agents", Number=number)
        return self._say("agents_until", Number=number, until=self._clock(risk.until))

    def _agents_for_queue(self) -> str:
        risk = self._figures.risk
        if risk is None or not risk.agents_for_queue:
            return ""
        return self._say("agents_for_queue", Number=self._number(risk.agents_for_queue))

    def _so_far(self) -> str:
        if self._figures.share is None:
            return ""
        return self._say(f"so_far.{self._alert.period}", share=self._share(self._figures.share), **self._goal())

    def _promise(self) -> str:
        return self._say("promise", **self._goal())

    def _forecast(self) -> str:
        risk = self._figures.risk
        if risk is None or risk.expected_share is None:
            return ""
        return self._say(f"forecast.{self._alert.period}", share=self._share(risk.expected_share), **self._goal())

    def _waiting(self) -> str:
        return self._say("waiting" if self._figures.waiting else "nobody_waits", **self._values())

    def _staff(self) -> str:
        if self._figures.staffed is None:
            return ""
        return self._say("staff" if self._figures.staffed else "nobody_staffed", number=self._figures.staffed)

    def _margin(self) -> str:
        left, risk = self._figures.margin, self._figures.risk
        if left is None:
            return ""
        if left <= 0:
            return self._say(f"margin_none.{self._alert.period}") + "."
        said = self._say(f"margin.{self._alert.period}", number=left)
        if risk is not None and risk.margin_ends_at is not None and self._alert.period == "day":
            said += self._say("margin_ends", clock=self._clock(risk.margin_ends_at))
        return said + "."

    def _month(self) -> str:
        share = self._figures.month_share
        return "" if share is None else self._say("month", share=self._share(share))

    # ---- numbers as people write them

    def _goal(self) -> dict[str, str]:
        target = self._figures.target
        return {
            "target": texts.plain_percent(target.ratio, self._language),
            "limit": self._minutes(target.limit_seconds),
        }

    def _share(self, ratio: float | None) -> str:
        """As everywhere, but a whole percentage without its nought: `84 %`, `86,3 %`."""
        decimal = texts.words(self._language)["decimal"]
        return texts.percent(ratio, self._figures.target.ratio, self._language).replace(f"{decimal}0", "")

    def _minutes(self, seconds: int) -> str:
        if seconds % 60 or not seconds:
            return texts.span(seconds, self._language)
        return self._say("minute") if seconds == 60 else self._say("minutes", minutes=seconds // 60)

    def _number(self, number: int) -> str:
        words = texts.words(self._language)["alert.numbers"].split()
        return words[number].capitalize() if number < len(words) else str(number)

    def _clock(self, moment: datetime | None) -> str:
        return texts.clock(moment, self._zone, self._language)

    def _say(self, key: str, **values: object) -> str:
        return texts.say(f"alert.{key}", self._language, **values)


def lines(notice: Notice, zone: str, language: str) -> tuple[str, str]:
    """A notice as it is sent: its subject, and its text with the way to acknowledge."""
    alert = notice.alert
    said = [alert.text]
    if notice.escalation:
        said.insert(0, texts.say("alert.escalated", language, clock=texts.clock(alert.at, zone, language)))
    if notice.link:
        said.append(texts.say("alert.acknowledge", language, link=notice.link))
    return alert.title, "\n\n".join(filter(None, said))
