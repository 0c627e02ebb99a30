"""The text of an alert for a person: a first sentence and further sentences, in plain words.

They name the time, the queue, the target, an estimate of what would help, the number against the target, the callers
who wait, the margin and the month. They never name a caller.
"""

import math
import re
from datetime import datetime
from typing import Final

from queue_monitor import texts
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, AlertReason

_WITHOUT_MORE: Final = frozenset({AlertReason.ITS_DAY_HAS_PASSED, AlertReason.JOINED, AlertReason.NOT_WATCHED})
"""The reasons of an end that say nothing of the trouble itself."""


class Message:
    """One alert in one language, as of the moment when it changed, or as of `now`."""

    def __init__(self, alert: Alert, zone: str, language: str, now: datetime | None = None) -> None:
        self._alert = alert
        self._now = now or alert.at
        self._figures = alert.figures
        self._zone = zone
        self._language = language

    @property
    def title(self) -> str:
        label = texts.label(self._alert, self._language)
        when = moment_of(self._alert.at, self._now, self._zone, self._language)
        return one_line(self._say("title", When=when, label=label, what=self._what()))

    @property
    def body(self) -> str:
        return one_line(" ".join(filter(None, self._sentences())))

    # ---- the first sentence

    def _what(self) -> str:
        alert = self._alert
        if alert.reason is AlertReason.ITS_DAY_HAS_PASSED:
            return self._say("past")
        if alert.reason is AlertReason.JOINED:
            return self._say("joined")
        if alert.reason is AlertReason.NOT_WATCHED:
            return self._say("not_watched.queues" if len(alert.queues) > 1 else "not_watched")
        if alert.change is AlertChange.RAISED and (alert.lower or self._is_unseen()):
            said = texts.alert_message(alert, self._language)
            return f"{said[:1].lower()}{said[1:]}."
        if alert.kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH):
            return self._target()
        if alert.reason is AlertReason.DAY_ENDED:
            return self._say("closed")
        if alert.kind is AlertKind.HEARTBEAT:
            if alert.reason is AlertReason.TEST:
                return self._say("test")
            lost = alert.reason is AlertReason.NOT_DELIVERED
            return self._say("heartbeat.lost", channel=self._figures.channel) if lost else self._say("heartbeat")
        if alert.kind is AlertKind.SOURCE_SILENT:
            return self._source()
        if alert.kind is AlertKind.HOURS_DISAGREE:
            return self._say(f"hours.{alert.reason.value}")
        if alert.kind is AlertKind.EVENT_SKIPPED:
            return self._say("event_skipped")
        state = {AlertChange.EASED: "eased", AlertChange.CLEARED: "cleared"}.get(alert.change, "raised")
        if alert.kind is AlertKind.NO_AGENTS and state in ("eased", "cleared"):
            state = self._end_of_no_agents()
        if alert.kind is AlertKind.LONG_WAIT and state == "cleared" and self._is_long_in_doubt():
            state = "in_doubt"
        if alert.kind is AlertKind.NO_AGENTS and state == "raised" and self._figures.at_least_staffed:
            state = "seen"
        if alert.kind in (AlertKind.SURGE, AlertKind.CRISIS) and alert.change is AlertChange.UPDATED:
            state = "fewer" if alert.lower and alert.kind is AlertKind.SURGE else "updated"
        if alert.kind is AlertKind.SURGE and state == "raised" and self._figures.factor is None:
            state = "counted"
        if state in ("fewer", "counted") and self._figures.arrived == 1:
            state += ".one"
        return self._say(f"{alert.kind.value}.{state}", **self._values())

    def _is_unseen(self) -> bool:
        """Return whether the number that the alert is about can no longer be seen, as of a queue without data."""
        if self._alert.kind is AlertKind.LONG_WAIT:
            return self._figures.oldest_wait_seconds is None
        return self._alert.kind is AlertKind.NO_AGENTS and not self._figures.waiting

    def _end_of_no_agents(self) -> str:
        """Return how it ended that callers waited and nobody was there: somebody came, or the callers have gone."""
        figures = self._figures
        if figures.staffed or (figures.waiting and figures.at_least_staffed):
            return "cleared"
        if figures.waiting:
            return "unknown"
        return "gone"

    def _is_long_in_doubt(self) -> bool:
        """Return whether somebody is listed as waiting long who may have hung up unseen."""
        return (self._figures.oldest_wait_seconds or 0.0) > (self._figures.limit_seconds or math.inf)

    def _target(self) -> str:
        alert = self._alert
        if alert.reason is AlertReason.DAY_ENDED:
            share = self._figures.share
            return (
                self._say(f"target.ended.{alert.period}", share=self._share(share))
                if share is not None
                else self._say("target.ended_without")
            )
        if alert.change is AlertChange.CLEARED and self._figures.too_many_refused is not None:
            return self._say(f"target.cleared_but_refused.{alert.period}")
        if alert.change in (AlertChange.EASED, AlertChange.CLEARED):
            return self._say(f"target.{alert.change.value}.{alert.period}")
        goal = self._say(f"goal.{alert.period}")
        if alert.kind is AlertKind.TARGET_OUT_OF_REACH:
            return self._say(f"target.out_of_reach.{alert.period}")
        return self._say("target.alarm" if alert.level is AlertLevel.ALARM else "target.warning", goal=goal)

    def _source(self) -> str:
        alert = self._alert
        if alert.change is AlertChange.CLEARED:
            return self._say("source.cleared")
        reason = alert.reason.value if alert.reason is not AlertReason.AS_USUAL else AlertReason.SOURCE_DOWN.value
        known = reason if self._figures.since else AlertReason.NO_SOURCE.value
        return self._say(known, since=self._since(self._figures.since), switch=self._figures.switch)

    def _values(self) -> dict[str, object]:
        figures = self._figures
        refused_limit = texts.plain_percent(figures.target.refused_limit_ratio, self._language)
        on_refusal = self._alert.kind is AlertKind.MANY_REFUSED
        return {
            "wait": texts.wait_in_words(figures.oldest_wait_seconds, self._language),
            "limit": refused_limit if on_refusal else self._minutes(figures.limit_seconds or 0),
            "number": figures.waiting,
            "share": self._share((figures.refused or 0) / figures.dialled if figures.dialled else None),
            "arrived": figures.arrived or 0,
            "reason": texts.without_stop(figures.crisis.reason) if figures.crisis else "",
            "factor": f"{figures.factor or 0:.1f}".replace(".", texts.words(self._language)["decimal"]),
        }

    # ---- the sentences after it

    def _sentences(self) -> list[str]:
        alert = self._alert
        if alert.reason in _WITHOUT_MORE:
            return []
        if alert.kind in (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH):
            return self._of_target()
        if alert.kind is AlertKind.HEARTBEAT:
            if alert.reason is AlertReason.TEST:
                return [self._say("test.body")]
            lost = alert.reason is AlertReason.NOT_DELIVERED
            return [self._say("heartbeat.lost.body" if lost else "heartbeat.body")]
        if alert.kind is AlertKind.SOURCE_SILENT:
            is_back = alert.lower or alert.change is AlertChange.CLEARED
            return [self._say("source.back" if is_back else "source.body")]
        if alert.kind is AlertKind.HOURS_DISAGREE:
            return [self._say("hours.body", number=self._figures.arrived, since=self._clock(self._figures.since))]
        if alert.kind is AlertKind.EVENT_SKIPPED:
            return [self._say("event_skipped.body", since=self._clock(self._figures.since))]
        if alert.kind is AlertKind.CRISIS:
            return self._of_crisis()
        if alert.change is AlertChange.CLEARED:
            have_gone = alert.kind is AlertKind.NO_AGENTS and self._end_of_no_agents() == "gone"
            return [(self._staff() if have_gone else "") or self._waiting()]
        if alert.kind is AlertKind.NO_AGENTS:
            return [self._longest()]
        if alert.kind is AlertKind.MANY_REFUSED:
            counts = {"refused": self._figures.refused or 0, "dialled": self._figures.dialled or 0}
            return [self._say("many_refused.body", **counts), self._waiting()]
        if alert.kind is AlertKind.SURGE:
            return self._of_surge()
        return [self._number_waiting(), self._staff(), self._agents_for_queue()]

    def _of_surge(self) -> list[str]:
        """Return the sentences of a surge: it covers the other trouble in its queue, and asks for fewer calls."""
        said = self._gathered()
        if self._alert.change is AlertChange.EASED:
            return said
        said.append(self._say("surge.advice"))
        return [*said, self._say("surge.crisis")] if self._alert.change is AlertChange.RAISED else said

    def _of_crisis(self) -> list[str]:
        """Return the sentences of a crisis: it covers the trouble of all queues."""
        crisis = self._figures.crisis
        by = self._say("crisis.by", by=texts.without_stop(crisis.by)) if crisis and crisis.by else ""
        unseen = self._figures.since
        said = [self._say("crisis.unseen", since=self._since(unseen))] if unseen else self._gathered()
        return [by, *said, self._say("surge.advice")] if self._alert.change is AlertChange.RAISED else said

    def _gathered(self) -> list[str]:
        """Return who waits and who serves, and the other trouble that those numbers do not show."""
        told = (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH, AlertKind.MANY_REFUSED)
        figures = self._figures
        share = (figures.refused or 0) / figures.dialled if figures.dialled else None
        few = figures.target.allows_refused(share)  # of all calls: it is one queue of several that refuses many
        keys = {AlertKind.MANY_REFUSED: "crisis.also.many_refused"} if few else {}
        also = [
            self._say(keys.get(kind, f"surge.also.{kind.value}"), **self._values())
            for kind in figures.also
            if kind in told
        ]
        return [self._waiting(), self._staff(), *also]

    def _of_target(self) -> list[str]:
        alert = self._alert
        if alert.period == "month" and alert.change is not AlertChange.CLEARED:
            return [self._so_far(), self._margin()]
        month = self._month() if alert.period == "day" else ""
        if alert.reason is AlertReason.DAY_ENDED:
            return [self._promise(), self._refused(), month]
        if alert.change is AlertChange.CLEARED:
            return [self._forecast() or self._so_far(), self._refused(), month]
        if alert.kind is AlertKind.TARGET_OUT_OF_REACH:
            return [self._agents_for_queue(), self._so_far(), self._waiting(), self._margin(), month]
        return [self._agents(), self._cause(), self._so_far(), self._waiting(), self._margin(), month]

    def _refused(self) -> str:
        """Return how many were refused, where that alone loses the target."""
        ratio = self._figures.too_many_refused
        return "" if ratio is None else self._say(f"refused_in.{self._alert.period}", share=self._share(ratio))

    def _agents(self) -> str:
        risk = self._figures.risk
        if risk is None or self._alert.period == "month":
            return ""
        if not risk.agents_for_day:
            at_most = risk.agents_at_most if risk.agents_for_day is None else None
            return self._say("agents_uncertain", number=self._number(at_most).lower()) if at_most else ""
        number = self._number(risk.agents_for_day)
        if risk.until is None:
            return self._say("agents", Number=number)
        return self._say("agents_until", Number=number, until=texts.clock(risk.until, self._zone, self._language))

    def _agents_for_queue(self) -> str:
        risk = self._figures.risk
        if risk is None or not risk.agents_for_queue or not self._figures.waiting:
            return ""
        return self._say("agents_for_queue", Number=self._number(risk.agents_for_queue))

    def _cause(self) -> str:
        risk = self._figures.risk
        return self._say(f"cause.{risk.cause.value}") if risk is not None and risk.cause else ""

    def _so_far(self) -> str:
        risk = self._figures.risk
        if self._figures.share is None:
            return ""
        ends = self._alert.kind is AlertKind.TARGET_OUT_OF_REACH or self._alert.period == "month"
        if ends and risk is not None and risk.expected_share is not None:
            values = {"share": self._share(self._figures.share), "forecast": self._share(risk.expected_share)}
            return self._say(f"so_far_ending.{self._alert.period}", **values, **self._goal())
        return self._say(f"so_far.{self._alert.period}", share=self._share(self._figures.share), **self._goal())

    def _promise(self) -> str:
        return self._say("promise", **self._goal())

    def _forecast(self) -> str:
        risk = self._figures.risk
        if risk is None or risk.expected_share is None:
            return ""
        share = self._share(risk.expected_share)
        if risk.low is None or risk.high is None:
            return self._say(f"forecast.{self._alert.period}", share=share, **self._goal())
        lowest, highest = self._bounds(risk.low, risk.high)
        return self._say(f"forecast_within.{self._alert.period}", share=share, low=lowest, high=highest, **self._goal())

    def _bounds(self, low: float, high: float) -> tuple[str, str]:
        """Return floor and ceiling rounded outward to whole percentages, but never rounded up across the target."""
        target, highest = self._figures.target.ratio, math.ceil(high * 100 - 1e-9)
        if high < target <= highest / 100:
            highest = math.floor(high * 100)
        return str(math.floor(low * 100)), texts.plain_percent(highest / 100, self._language)

    def _longest(self) -> str:
        """Return the longest wait; where the switch only counts who waits it is not known."""
        if not self._figures.waiting:
            return self._say("nobody_waits")
        return "" if self._figures.oldest_wait_seconds is None else self._say("longest", **self._values())

    def _waiting(self) -> str:
        if self._figures.oldest_wait_seconds is None:
            return self._number_waiting()
        return self._say("waiting" if self._figures.waiting else "nobody_waits", **self._values())

    def _number_waiting(self) -> str:
        return self._say("number_waiting" if self._figures.waiting else "nobody_waits", **self._values())

    def _staff(self) -> str:
        if self._figures.staffed is None:
            return ""
        if self._figures.at_least_staffed:
            return self._count("staff_seen", self._figures.staffed) if self._figures.staffed else ""
        return self._count("staff", self._figures.staffed) if self._figures.staffed else self._say("nobody_staffed")

    def _margin(self) -> str:
        left, risk = self._figures.margin, self._figures.risk
        if left is None:
            return ""
        form = "margin" if left > 0 else "margin_over" if left < 0 else "margin_none"
        counted = abs(left) or self._figures.budget or 0
        said = self._count(f"{form}.{self._alert.period}", counted, budget=self._figures.budget)
        ends = risk.margin_ends(left, self._now) if risk is not None and self._alert.period == "day" else None
        return f"{said}{self._say('margin_ends', clock=self._clock(ends)) if ends else ''}."

    def _month(self) -> str:
        share, standing = self._figures.month_share, self._figures.month
        if share is None:
            return ""
        one = "queue" if len(self._alert.queues) == 1 else "queues"
        month = self._say(f"month.of.{one if self._figures.month_is_own else 'all'}")
        return self._say(f"month.{standing.value}" if standing else "month", month=month, share=self._share(share))

    # ---- numbers as people write them

    def _goal(self) -> dict[str, str]:
        target = self._figures.target
        return {
            "target": texts.plain_percent(target.ratio, self._language),
            "limit": self._minutes(target.limit_seconds),
        }

    def _share(self, ratio: float | None) -> str:
        """Return a share as on all pages, but without the decimal of a whole percentage: `84 %`, `86,3 %`."""
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

    def _since(self, moment: datetime | None) -> str:
        return texts.moment_words(moment, self._now, self._zone, self._language)

    def _say(self, key: str, **values: object) -> str:
        written = {name: self._written(value) for name, value in values.items()}
        return texts.say(f"alert.{key}", self._language, **written)

    def _count(self, key: str, number: int, **values: object) -> str:
        """Return a sentence with a number, in the singular for one."""
        return self._say(f"{key}.one" if number == 1 else key, number=number, **values)

    def _written(self, value: object) -> object:
        """Return a whole number as on the pages: `1 546`."""
        return texts.count(value, self._language) if isinstance(value, int) else value


_BREAKS: Final = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of all the text after them."""


def one_line(text: str) -> str:
    """Return a text, with whatever names and reasons are in it, on one line that is read from left to right."""
    return _TURNS.sub("", _BREAKS.sub(" ", text))


def moment_of(moment: datetime, now: datetime, zone: str, language: str) -> str:
    """Return a moment as a title begins with it: `Kl. 10.12`, `Måndag 2 mars kl. 10.12`."""
    said = texts.moment_words(moment, now, zone, language)
    return f"{said[:1].upper()}{said[1:]}"
