"""Writes words and numbers for one reader of a page: in a language, a time zone, and for a target."""

from datetime import datetime

from queue_monitor import texts
from queue_monitor.model import Target, Verdict


class Formatter:
    """Writes words and numbers for one reader: a language, a time zone, a target."""

    def __init__(self, language: str, zone: str, target: Target) -> None:
        self.language = language
        self.zone = zone
        self.target = target
        self.limit = texts.span(target.limit_seconds, language)
        self.short_limit = texts.span(target.short_abandon_seconds, language)

    def say(self, key: str, **values: object) -> str:
        return texts.say(key, self.language, limit=self.limit, short_limit=self.short_limit, **values)

    def count(self, number: int | None) -> str:
        return texts.count(number, self.language)

    def percent(self, ratio: float | None) -> str:
        return texts.percent(ratio, self.target.ratio, self.language)

    def chance(self, ratio: float) -> str:
        return texts.chance(ratio, self.language)

    def status(self, verdict: Verdict) -> str:
        return texts.status_words(verdict.status, verdict.reason, self.language)

    def label(self, of: texts.Labelled) -> str:
        return texts.label(of, self.language)

    def plain(self, ratio: float) -> str:
        return texts.plain_percent(ratio, self.language)

    def clock(self, moment: datetime | None) -> str:
        return texts.clock(moment, self.zone, self.language)

    def clock_words(self, moment: datetime | None, now: datetime) -> str:
        """Return a time of day, with its day where that is not today."""
        return texts.clock_words(moment, now, self.zone, self.language)

    def clock_seconds(self, moment: datetime) -> str:
        """Return a time as `10.12.05`, for the freshness of figures."""
        separator = texts.words(self.language)["clock_separator"]
        return f"{self.clock(moment)}{separator}{moment.second:02}"

    def wait(self, seconds: float | None) -> str:
        return texts.wait(seconds)

    def minutes(self, seconds: float) -> str:
        """Return a duration in words, to the minute from a minute on."""
        whole = int(seconds) if seconds < 60 else int(seconds) // 60 * 60
        return texts.wait_in_words(whole, self.language)
