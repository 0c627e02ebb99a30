"""Writes words and numbers of a report: in a language, a time zone, and for a target."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from queue_monitor import texts
from queue_monitor.core import service_level
from queue_monitor.core.service_level import Parts
from queue_monitor.model import Counts, DefinitionId, Target
from queue_monitor.reports.data import fraction


class ReportPen:
    """Writes for one reader of one report."""

    def __init__(self, language: str, zone: str, target: Target) -> None:
        self.language = language
        self.target = target
        self.zone = ZoneInfo(zone)
        self._limit = texts.span(target.limit_seconds, language)
        self._short = texts.span(target.short_abandon_seconds, language)

    def say(self, key: str, **values: object) -> str:
        return texts.say(key, self.language, **{"limit": self._limit, "short_limit": self._short} | values)

    def count(self, number: int | None) -> str:
        return texts.count(number, self.language)

    def share(self, parts: Parts) -> str:
        """Return a formula's share of a span, never rounded up across the target."""
        return texts.percent(service_level.ratio(parts), self.target.ratio, self.language)

    def headline(self, counts: Counts | None) -> str:
        return texts.NONE if counts is None else self.share(fraction(counts, self.target.definition))

    def plain_share(self, of: int, whole: int) -> str:
        """Return a share that has no target."""
        return self.ratio(of / whole if whole else None)

    def ratio(self, ratio: float | None) -> str:
        """Return a share that was measured and has no target."""
        return texts.percent(ratio, None, self.language)

    def percent(self, ratio: float) -> str:
        """Return a share that somebody chose, as it was set."""
        return texts.plain_percent(ratio, self.language)

    def wait(self, ms: int | None) -> str:
        return texts.wait(None if ms is None else ms / 1000)

    def wait_in_words(self, ms: int | None) -> str:
        """Return a wait as `4 min 5 s`."""
        return texts.wait_in_words(None if ms is None else ms / 1000, self.language)

    def definition(self, definition: DefinitionId, target: Target | None = None) -> str:
        """Return a formula in words."""
        target = target or self.target
        return texts.definition_words(
            definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=self.language,
        )

    def day(self, day: date) -> str:
        """Return a day as `tor 2026-10-01`."""
        return f"{self.say(f'weekday.{day.weekday()}')[:3]} {day.isoformat()}"

    def moment(self, at: datetime) -> str:
        """Return a local time as `2026-11-02 7.00`."""
        local = at.astimezone(self.zone)
        return f"{local.date().isoformat()} {texts.clock(at, self.zone.key, self.language)}"

    def stretch(self, since: datetime, ended: datetime | None) -> str:
        """Return start and end of a span; an end on the same day is a time alone."""
        if ended is None:
            return self.say("report.since", at=self.moment(since))
        same = since.astimezone(self.zone).date() == ended.astimezone(self.zone).date()
        end = texts.clock(ended, self.zone.key, self.language) if same else self.moment(ended)
        return f"{self.moment(since)}–{end}"
