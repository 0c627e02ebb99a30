"""Callers who called more than once a day, on the lead's page and the page of the past: in shares, and never who."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.core.calendar import day_bounds
from queue_monitor.model import RepeatCallers, RepeatDay


class RepeatRow(Struct, frozen=True, kw_only=True):
    """One share in words: its name, the share ("–" where there is none), and what it is a share of."""

    name: str
    share: str
    of: str


class RepeatSection(Struct, frozen=True, kw_only=True):
    """The section's heading, which says since when the figures hold, its rows, and a note."""

    heading: str
    rows: tuple[RepeatRow, ...]
    note: str


def repeat_section(found: RepeatCallers | None, now: datetime, pen: Formatter) -> RepeatSection:
    """Return the section. `found`: today's counts, None where callers are not told apart."""
    shares = _shares(found)
    return RepeatSection(
        heading=_heading(found, now, pen),
        rows=tuple(_row(name, ratio, part, of, pen) for name, ratio, part, of in shares),
        note=pen.say("lead.repeat.unknown" if found is None else "lead.repeat.note"),
    )


def _shares(found: RepeatCallers | None) -> tuple[tuple[str, float | None, int, int], ...]:
    """Return each share by name, with the counts it is made from."""
    if found is None:
        return tuple((name, None, 0, 0) for name in ("repeated", "reached", "not_back"))
    return (
        ("repeated", found.repeat_ratio, found.repeated, found.calls),
        ("reached", found.reached_later_ratio, found.reached_later, found.lost),
        ("not_back", found.not_back_ratio, found.not_back, found.answered),
    )


def _heading(found: RepeatCallers | None, now: datetime, pen: Formatter) -> str:
    zone = ZoneInfo(pen.zone)
    if found is None or found.since <= day_bounds(now.astimezone(zone).date(), zone)[0]:
        return pen.say("lead.repeat")
    return pen.say("lead.repeat.since", clock=pen.clock(found.since))


def _row(name: str, ratio: float | None, part: int, of: int, pen: Formatter) -> RepeatRow:
    words = pen.say("lead.repeat.of", part=pen.count(part), of=pen.count(of)) if of else ""
    return RepeatRow(name=pen.say(f"lead.repeat.{name}"), share=texts.percent(ratio, language=pen.language), of=words)


def repeat_facts(days: Sequence[RepeatDay], pen: Formatter) -> tuple[tuple[str, str], ...]:
    """Return the shares over some days, each made of their counts together; empty without any."""
    if not days:
        return ()
    found = [each.found for each in days]
    sums = (
        ("repeated", sum(each.repeated for each in found), sum(each.calls for each in found)),
        ("reached", sum(each.reached_later for each in found), sum(each.lost for each in found)),
        ("not_back", sum(each.not_back for each in found), sum(each.answered for each in found)),
    )
    return tuple(
        (pen.say(f"history.again.{name}"), texts.percent(part / of if of else None, language=pen.language))
        for name, part, of in sums
    )
