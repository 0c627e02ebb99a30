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


def repeat_section(
    found: RepeatCallers | None, told_since: datetime | None, now: datetime, pen: Formatter
) -> RepeatSection:
    """Return the section. `found`: today's counts, None where no call is known to be anybody's.

    `told_since`: from when callers are told apart, None where no source does. Where that is not the whole day each row
    says so, for the list of lost calls beside it is of the whole day.
    """
    zone = ZoneInfo(pen.zone)
    since = told_since if found is None else found.since
    if since is not None and since <= day_bounds(now.astimezone(zone).date(), zone)[0]:
        since = None
    shares = _shares(found)
    return RepeatSection(
        heading=pen.say("lead.repeat") if since is None else pen.say("lead.repeat.since", clock=pen.clock(since)),
        rows=tuple(_row(name, ratio, part, of, since, pen) for name, ratio, part, of in shares),
        note=_note(found, told_since, since, pen),
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


def _note(found: RepeatCallers | None, told_since: datetime | None, since: datetime | None, pen: Formatter) -> str:
    if found is not None:
        return pen.say("lead.repeat.note")
    if told_since is None:
        return pen.say("lead.repeat.unknown")
    return pen.say("lead.repeat.none") if since is None else pen.say("lead.repeat.none_since", clock=pen.clock(since))


def _row(name: str, ratio: float | None, part: int, of: int, since: datetime | None, pen: Formatter) -> RepeatRow:
    words = ""
    if of:
        counts = {"part": pen.count(part), "of": pen.count(of)}
        if since is None:
            words = pen.say("lead.repeat.of", **counts)
        else:
            words = pen.say("lead.repeat.of_since", clock=pen.clock(since), **counts)
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
