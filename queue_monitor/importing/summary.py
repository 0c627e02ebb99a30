"""The result of an import, real or tried, in lines for a person."""

from collections.abc import Iterator, Mapping
from typing import Final

from queue_monitor.importing.engine import Imported
from queue_monitor.importing.target import NOT_OVER, HeldDay, said_of
from queue_monitor.model import ImportedFile
from queue_monitor.store.imports import SUMS_ONLY

MAX_DAYS: Final = 60
MAX_MONTHS: Final = 240
"""The most months of queues that are listed one by one; `MAX_DAYS` is the most days."""


def summary(imported: Imported) -> str:
    """Return the result in a bounded number of lines."""
    return "\n".join(_lines(imported))


def _lines(imported: Imported) -> Iterator[str]:
    if imported.already is not None:
        yield (
            f"Nothing to do: these files were imported as {imported.name} before, finished "
            f"{imported.already:%Y-%m-%d %H:%M} UTC."
        )
        return
    if imported.dry_run:
        yield "Dry run: nothing was changed."
    if imported.resumed:
        yield "Went on where an import of these files was broken off."
    for file in imported.files:
        yield _file(file)
    yield from imported.notes
    yield from _counted(imported)
    yield from _held(imported)
    yield from _refused(imported)


def _file(file: ImportedFile) -> str:
    days = f"{file.first_day} to {file.last_day}" if file.first_day else "no day"
    refused = _of(sum(file.refused.values()), "line")
    stays = "stay in a queue or refusal" if file.entries == 1 else "stays in a queue or refusals"
    counted = f"{_of(file.lines, 'line')}, {days}, {file.entries} {stays}, {refused} not taken"
    return f"{file.name}: {counted}, sha256 {file.sha256[:16]}"


def _counted(imported: Imported) -> Iterator[str]:
    tally = imported.tally
    calls, refused = sum(tally.added.values()), sum(tally.refused_callers.values())
    there = f"; {tally.there} are there already" if tally.there else ""
    of_refused = f" and {_of(refused, 'refused caller')}" if refused else ""
    verb = "Would add" if imported.dry_run else "Added"
    yield f"{verb} {_of(calls, 'call')}{of_refused} as import:{imported.name}{there}."
    yield from _by_month(tally.added, "call")
    yield from _by_month(tally.refused_callers, "refused caller")


def _of(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _by_month(counts: Mapping[str, int], what: str) -> Iterator[str]:
    for number, (where, count) in enumerate(sorted(counts.items())):
        if number == MAX_MONTHS:
            yield f"  and {len(counts) - MAX_MONTHS} more months of queues"
            return
        month, _, queue = where.partition(" ")
        yield f"  {month}  {queue}: {_of(count, what)}"


def _held(imported: Imported) -> Iterator[str]:
    if imported.replaced:
        gone = "" if imported.dry_run else f" ({imported.tally.replaced} calls and refused callers of theirs went)"
        what = "would stand" if imported.dry_run else "stand"
        yield f"On {_of(len(imported.replaced), 'day')} of a queue these calls {what} in the place of others{gone}:"
        yield from _days(dict.fromkeys(imported.replaced, 0))
    if imported.held_days:
        calls = sum(imported.held_days.values())
        yield f"Not taken: {_of(calls, 'call')} on {_of(len(imported.held_days), 'day')} of a queue:"
        yield from _days(imported.held_days)
        if any(day.why not in (NOT_OVER, SUMS_ONLY) for day in imported.held_days):
            yield "  --replace puts these calls in the place of what a journal or another import has of such a day."


def _days(days: Mapping[HeldDay, int]) -> Iterator[str]:
    for number, (held, calls) in enumerate(sorted(days.items())):
        if number == MAX_DAYS:
            yield f"  and {len(days) - MAX_DAYS} more days"
            return
        yield f"  {held.day} {held.queue}: {said_of(held.why)}" + (f" ({_of(calls, 'call')})" if calls else "")


def _refused(imported: Imported) -> Iterator[str]:
    refusals = imported.refusals
    if not refusals.total:
        return
    yield f"Lines not taken: {refusals.total}"
    for (file, reason), count in sorted(refusals.counts.items()):
        yield f"  {file}: {count} for {reason}"
    for line in refusals.listed:
        yield f"  {line.file}, line {line.line}, {line.field}: {line.why}"
    if refusals.total > len(refusals.listed):
        yield f"  and {refusals.total - len(refusals.listed)} more"
