"""Opening hours in words, in the language of the page."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time

from queue_monitor import texts
from queue_monitor.config import HoursPeriod, Schedule, Weekday

WEEK = tuple(Weekday)
SPAN_FROM = 3
"""The fewest days in a row that are written as a span."""


def hours_in_words(everywhere: Schedule, of_queues: Mapping[str, Schedule], language: str) -> list[str]:
    """Return a line for all queues, one for each with hours of its own, and one for each exception."""
    lines = list(_schedule(everywhere, language))
    for queue, hours in of_queues.items():
        first, *rest = _schedule(hours, language)
        lines += [f"{queue}: {first}", *rest]
    return lines


def _schedule(hours: Schedule, language: str) -> Iterator[str]:
    week = ", ".join(
        f"{_days(part.days, language)} {_between(part.open, part.close, language)}" for part in hours.weekdays
    )
    kept = texts.say(f"past.holidays.{hours.holidays.value}", language)
    yield f"{week}; {kept}"
    for exception in hours.exceptions:
        open_hours = (
            _between(exception.open, exception.close, language)
            if exception.open and exception.close
            else texts.say("past.closed", language)
        )
        yield f"{_date(exception.date, language)} {open_hours}{_because(exception.reason)}"
    for period in hours.periods:
        yield _period(period, language)
    for closure in hours.closures:
        closed = f"{texts.say('past.closed', language)} {_between(closure.starts, closure.ends, language)}"
        yield f"{_date(closure.date, language)} {closed}{_because(closure.reason)}"
    for period in hours.crisis:
        yield texts.say("past.crisis", language, hours=_period(period, language))


def _period(part: HoursPeriod, language: str) -> str:
    dates = f"{_date(part.first, language)} – {_date(part.last, language)}"
    days = f" {_days(part.days, language)}" if part.days else ""
    return f"{dates}{days} {_between(part.open, part.close, language)}{_because(part.reason)}"


def _days(days: Iterable[Weekday], language: str) -> str:
    """Return `måndag–fredag` or `lördag, söndag`; a week has no first day here: `söndag–torsdag`."""
    rows: list[list[int]] = []
    for number in map(WEEK.index, days):
        if rows and number == (rows[-1][-1] + 1) % len(WEEK):
            rows[-1].append(number)
        else:
            rows.append([number])
    named = ([texts.say(f"weekday.{number}", language) for number in row] for row in rows)
    return ", ".join(f"{row[0]}–{row[-1]}" if len(row) >= SPAN_FROM else ", ".join(row) for row in named)


def _between(opens: time, closes: time, language: str) -> str:
    """Return `8.00–17.00`; the end of a day is 24."""

    def clock(at: time) -> str:
        return texts.clock(datetime.combine(date.min, at, UTC), "UTC", language)

    ends = clock(closes)
    if closes == time.max:
        ends = clock(time(23)).replace("23", "24")
    return f"{clock(opens)}–{ends}"


def _date(on: date, language: str) -> str:
    return f"{texts.date_words(datetime.combine(on, time(12), UTC), 'UTC', language)} {on.year}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
