"""The lead's page about the switches' own totals: where they differ from ours, today and yesterday."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.api.json.differences import cause_words, counter_words
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.model import DifferenceRecord

DAYS_IN_FILE: Final = 30
"""The number of days, today included, in the file that the page offers."""

_DAY: Final = timedelta(days=1)


class DifferenceRow(Struct, frozen=True, kw_only=True):
    """A counter that differs, in words. `since`: from when both are counted."""

    day: str
    switch: str
    queue: str
    counter: str
    switch_says: str
    ledger_says: str
    cause: str
    since: str


class DifferenceSection(Struct, frozen=True, kw_only=True):
    """The section's sentence, its table, and the address of the list as CSV."""

    words: str
    rows: tuple[DifferenceRow, ...]
    file: str


def difference_section(
    found: Sequence[DifferenceRecord] | None, today: date, pen: Formatter, label: Callable[[str], str], queue: str
) -> DifferenceSection:
    """`found`: the comparisons of today and yesterday, None where the store is away. `queue`: the one that the page is
    about, "" for several.
    """
    differing = [record for record in reversed(found or ()) if record.difference.difference]
    return DifferenceSection(
        words=_words(found, len(differing), pen),
        rows=tuple(_row(record, today, pen, label) for record in differing),
        file=_file(today, pen.language, queue),
    )


def _words(found: Sequence[DifferenceRecord] | None, differing: int, pen: Formatter) -> str:
    if found is None:
        return pen.say("lead.lost.away")
    if not found:
        return pen.say("lead.difference.no_totals")
    if not differing:
        return pen.say("lead.difference.none")
    return pen.say("lead.difference.agree", agree=pen.count(len(found) - differing), compared=pen.count(len(found)))


def _row(record: DifferenceRecord, today: date, pen: Formatter, label: Callable[[str], str]) -> DifferenceRow:
    its = record.difference
    since = its.since.astimezone(ZoneInfo(pen.zone)).date()
    return DifferenceRow(
        day=pen.say("today" if record.day == today else "lead.difference.yesterday"),
        switch=its.switch,
        queue=label(its.queue),
        counter=counter_words(its.counter, pen.language),
        switch_says=pen.count(its.switch_says),
        ledger_says=pen.count(its.ledger_says),
        cause=cause_words(its.cause, pen.language),
        since=f"{since.isoformat()} {pen.clock(its.since)}",
    )


def _file(today: date, language: str, queue: str) -> str:
    asked = {"from": (today - (DAYS_IN_FILE - 1) * _DAY).isoformat(), "to": today.isoformat(), "format": "csv"}
    return "api/v1/differences?" + urlencode(asked | ({"queue": queue} if queue else {}) | {"lang": language})
