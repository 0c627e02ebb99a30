"""Checks the calendar: the week, the days to confirm this year and the next, and special days that have passed."""

from datetime import date
from typing import Final

from queue_monitor import texts
from queue_monitor.app import checks
from queue_monitor.app.rules_from_config import WEEKDAYS
from queue_monitor.config import Schedule, from_to
from queue_monitor.doctor.finding import Finding, State, Subject

AREA: Final = "calendar"


async def check(subject: Subject) -> list[Finding]:
    """Check the opening hours of all queues, without those of a single one."""
    config = subject.config
    today = subject.now.astimezone(config.zone).date()
    found = [_hours(subject)]
    if days := checks.days_to_confirm(config, today, date(today.year + 1, 12, 31)):
        listed = ", ".join(f"{day} {name}" for day, name in days)
        found.append(subject.found(AREA, "calendar.confirm", State.WATCH, days=listed))
    return [*found, _special(subject, today)]


def _hours(subject: Subject) -> Finding:
    hours = subject.config.hours
    if not hours.weekdays:
        return subject.found(AREA, "calendar.never", State.WATCH)
    return subject.found(AREA, "calendar.week", hours=_week(hours, subject.language))


def _special(subject: Subject, today: date) -> Finding:
    hours = subject.config.hours
    ends = [
        *(part.date for part in hours.exceptions),
        *(part.last for part in (*hours.periods, *hours.crisis)),
        *(part.date for part in hours.closures),
    ]
    if not ends:
        return subject.found(AREA, "calendar.plain")
    ahead = [day for day in ends if day >= today]
    if not ahead:
        return subject.found(AREA, "calendar.past", State.WATCH, last=max(ends))
    return subject.found(AREA, "calendar.special", count=len(ahead), last=max(ends))


def _week(hours: Schedule, language: str) -> str:
    days = list(WEEKDAYS)
    return "; ".join(
        f"{', '.join(texts.say(f'weekday.{days.index(day.value)}', language) for day in part.days)}"
        f" {from_to(part.open, part.close)}"
        for part in hours.weekdays
    )
