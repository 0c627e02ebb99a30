"""The doctor checks an installation, also beside a running monitor: it writes nothing and disturbs no connection.

A check is a function that returns findings; `CHECKS` lists them. Each finding is ok, to be watched, or wrong, in words
for a person, with what to do.
"""

import asyncio
from pathlib import Path
from typing import Final

from queue_monitor.config import Config, ConfigError
from queue_monitor.doctor import access, calendar, channels, clock, files, heard, keeping, report, sources, store
from queue_monitor.doctor.finding import Check, Finding, State, Subject, said
from queue_monitor.doctor.report import Report
from queue_monitor.ports import Clock

__all__ = ["CHECKS", "Finding", "Report", "State", "examine", "unusable"]

CHECKS: Final[tuple[Check, ...]] = (
    files.check,
    access.check_monitor,
    store.check,
    store.check_disk,
    sources.check,
    heard.check,
    heard.check_boards,
    clock.check,
    clock.check_zone,
    calendar.check,
    channels.check,
    access.check,
    keeping.check_retention,
    keeping.check_backups,
)


async def examine(config: Config, path: Path | None, clock: Clock, language: str) -> Report:
    """Run all checks; those that wait for others run side by side."""
    subject = Subject(config=config, path=path, clock=clock, language=language)
    if path is None:
        settings = subject.found("settings", "settings.none", State.WATCH)
    else:
        settings = subject.found("settings", "settings.read", file=path)
    subject, on_the_way = await store.looked_at(subject)
    found = await asyncio.gather(*(check(subject) for check in CHECKS))
    every = [report.version(language), settings, *on_the_way, *(finding for part in found for finding in part)]
    return Report(
        organisation=config.organisation.name,
        settings=str(path or ""),
        at=clock.now(),
        language=language,
        findings=tuple(every),
    )


def unusable(error: ConfigError, path: Path, clock: Clock, language: str) -> Report:
    """Return the report on settings that cannot be used: no other check can run then."""

    def finding(mistake: object, *, to_fill_in: bool) -> Finding:
        key = "settings.to_fill_in" if to_fill_in else "settings.mistake"
        return said(language, "settings", key, State.WRONG, mistake=str(mistake), file=path)

    found = [finding(mistake, to_fill_in=mistake.to_fill_in) for mistake in error.mistakes]
    return Report(
        organisation=str(path),
        settings=str(path),
        at=clock.now(),
        language=language,
        findings=(report.version(language), *found),
    )
